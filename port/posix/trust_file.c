/*
 * trust_file.c - the CA file into the relay's store of trusted certificates
 *
 * Job:      read it in pieces; say what is wrong with it.
 * Not here: PEM and certificates (wire/tls.h).
 */
#include "trust_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool wants_trust(const struct pp_config *config)
{
    return config->smarthost_count > 0 && pp_tls_policy_wants_cas(&config->smarthosts[0].tls);
}

static enum pp_err open_error(void)
{
    if (errno == ENOENT || errno == ENOTDIR)
        return PP_ERR_NOT_FOUND;
    return errno == EACCES || errno == EPERM ? PP_ERR_DENIED : PP_ERR_IO;
}

/*
 * Whether there is a certificate at all: looked at before the ones in force are forgotten, so that
 * a file spoilt between two rereads changes nothing.
 */
static bool has_certificate(int fd)
{
    static const char marker[] = "-----BEGIN CERTIFICATE-----";
    char bytes[8192 + sizeof marker];
    size_t kept = 0;
    ssize_t n;
    bool found = false;
    while (!found && (n = read(fd, bytes + kept, sizeof bytes - kept)) > 0) {
        size_t len = kept + (size_t)n;
        found = memmem(bytes, len, marker, sizeof marker - 1) != NULL;
        kept = len < sizeof marker ? len : sizeof marker;
        memmove(bytes, bytes + len - kept, kept);
    }
    return found && lseek(fd, 0, SEEK_SET) == 0;
}

static enum pp_err feed(int fd)
{
    char bytes[8192];
    for (;;) {
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (n == 0)
            return PP_OK;
        if (n < 0 && errno != EINTR)
            return PP_ERR_IO;
        enum pp_err err = n > 0 ? pp_trust_feed(bytes, (size_t)n) : PP_OK;
        if (err != PP_OK)
            return err;
    }
}

enum pp_err pp_trust_file_load(const struct pp_config *config, char *words, size_t cap)
{
    uint32_t count = 0, skipped = 0;
    enum pp_err err, ended;

    words[0] = '\0';
    if (!wants_trust(config))
        return PP_OK;
    int fd = open(config->ca_file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        err = open_error();
        snprintf(words, cap, "[tls] ca_file: %s: %s", config->ca_file, strerror(errno));
        return err;
    }
    err = PP_ERR_EMPTY;
    if (has_certificate(fd)) {
        pp_trust_begin();
        err = feed(fd);
        ended = pp_trust_end(&count, &skipped);
        pp_err_keep(&err, ended);
    }
    close(fd);
    if (err != PP_OK)
        snprintf(words, cap, "[tls] ca_file: %s: %s", config->ca_file,
                 err == PP_ERR_EMPTY ? "not one certificate in it" : pp_err_text(err));
    return err;
}
