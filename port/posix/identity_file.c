/*
 * identity_file.c - certificates and keys of our own, from their files
 *
 * Job:      see identity_file.h.
 */
#include "identity_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "config_file.h"

#define LOOK_EVERY_MS 10000

static const char *certificate_of(const struct pp_identity_file *f, const struct pp_config *config)
{
    return f->client ? config->smarthosts[0].client_certificate_file
                     : config->server.certificate_file;
}

static const char *key_of(const struct pp_identity_file *f, const struct pp_config *config)
{
    return f->client ? config->smarthosts[0].client_key_file : config->server.key_file;
}

bool pp_identity_file_wanted(const struct pp_identity_file *f, const struct pp_config *config)
{
    if (f->client)
        return config->smarthost_count > 0 && certificate_of(f, config)[0] != '\0';
    for (uint32_t i = 0; i < config->listener_count; i++) {
        if (config->listeners[i].tls != PP_LISTENER_TLS_NONE)
            return true;
    }
    return false;
}

static enum pp_err open_error(void)
{
    if (errno == ENOENT || errno == ENOTDIR)
        return PP_ERR_NOT_FOUND;
    return errno == EACCES || errno == EPERM ? PP_ERR_DENIED : PP_ERR_IO;
}

static enum pp_err read_all(int fd, char *out, size_t *len)
{
    ssize_t n;

    *len = 0;
    while ((n = read(fd, out + *len, PP_TLS_IDENTITY_BYTES - *len)) != 0) {
        if (n < 0 && errno != EINTR)
            return PP_ERR_IO;
        *len += n > 0 ? (size_t)n : 0;
        if (*len == PP_TLS_IDENTITY_BYTES)
            return PP_ERR_TOO_BIG;
    }
    return PP_OK;
}

/* `owners` NULL: anybody may read it. */
static enum pp_err read_one(const char *key_z, const char *path_z, const struct pp_config *owners,
                            char *out, size_t *len, struct timespec *changed, char *words,
                            size_t cap)
{
    struct stat st;
    int fd = open(path_z, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    enum pp_err err = fd < 0 ? open_error() : PP_OK;
    const char *why_z = fd < 0 ? strerror(errno) : NULL;

    if (err == PP_OK && owners != NULL) {
        why_z = pp_config_file_why_not_secret(fd, owners, true);
        err = why_z != NULL ? PP_ERR_DENIED : PP_OK;
    }
    if (err == PP_OK && (err = read_all(fd, out, len)) != PP_OK)
        why_z = err == PP_ERR_TOO_BIG ? "is too large" : strerror(errno);
    if (err == PP_OK && fstat(fd, &st) == 0)
        *changed = st.st_mtim;
    if (fd >= 0)
        close(fd);
    if (err != PP_OK)
        snprintf(words, cap, "%s: %s: %s", key_z, path_z, why_z);
    return err;
}

enum pp_err pp_identity_file_read(struct pp_identity_file *f, const struct pp_config *config,
                                  char *words, size_t cap)
{
    words[0] = '\0';
    f->cert_len = f->key_len = 0;
    if (!pp_identity_file_wanted(f, config))
        return PP_OK;
    enum pp_err err = read_one(
        f->client ? "[smarthost] client_certificate_file" : "[server] certificate",
        certificate_of(f, config), NULL, f->cert, &f->cert_len, &f->changed[0], words, cap);
    return err != PP_OK ? err
                        : read_one(f->client ? "[smarthost] client_key_file" : "[server] key",
                                   key_of(f, config), config, f->key, &f->key_len, &f->changed[1],
                                   words, cap);
}

enum pp_err pp_identity_file_apply(struct pp_identity_file *f, char *words, size_t cap)
{
    char what[300] = "";

    words[0] = '\0';
    if (f->cert_len == 0 && !f->client)
        return PP_OK;
    enum pp_err err = (f->client ? pp_client_identity_set : pp_identity_set)(
        f->cert, f->cert_len, f->key, f->key_len, what, sizeof what);
    const char *whose_z =
        f->client ? "[smarthost] client certificate and key: " : "[server] certificate and key: ";
    pp_wipe(f->key, sizeof f->key);
    f->key_len = f->cert_len = 0;
    snprintf(words, cap, "%s%s", err == PP_OK ? "" : whose_z, what);
    return err;
}

static bool differs(const char *path_z, const struct timespec *before)
{
    struct stat st;

    /* One that is gone for a moment is being replaced. */
    return stat(path_z, &st) == 0 &&
           (st.st_mtim.tv_sec != before->tv_sec || st.st_mtim.tv_nsec != before->tv_nsec);
}

bool pp_identity_file_changed(struct pp_identity_file *f, const struct pp_config *config,
                              uint64_t now_ms)
{
    if (!pp_identity_file_wanted(f, config)) {
        f->look_at_ms = UINT64_MAX;
        return false;
    }
    if (now_ms < f->look_at_ms && f->look_at_ms != UINT64_MAX)
        return false;
    f->look_at_ms = now_ms + LOOK_EVERY_MS;
    return differs(certificate_of(f, config), &f->changed[0]) ||
           differs(key_of(f, config), &f->changed[1]);
}
