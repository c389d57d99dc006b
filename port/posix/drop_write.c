/*
 * drop_write.c - leaves one message in the drop directory
 *
 * Job:      write to tmp-RANDOM, sync, rename to new-RANDOM, make the rename durable.
 */
#include "drop_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "drop.h"

struct drop_file {
    int directory; /* O_PATH: the caller may not read it */
    int fd;
    size_t len;
    enum pp_err error; /* the first */
    char bytes[16384];
};

static void flush(struct drop_file *f)
{
    const char *p = f->bytes;

    while (f->error == PP_OK && f->len > 0) {
        ssize_t n = write(f->fd, p, f->len);
        if (n > 0) {
            p += n;
            f->len -= (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            f->error = PP_ERR_IO;
        }
    }
    f->len = 0;
}

static void put_line(struct drop_file *f, const char *key_z, struct pp_text value)
{
    char line[PP_DROP_LINE_MAX + 1];
    struct pp_writer w;

    pp_writer_init(&w, line, PP_DROP_LINE_MAX);
    pp_put_z(&w, key_z);
    if (value.len > 0) {
        pp_put_char(&w, ' ');
        pp_put_text(&w, value);
    }
    if (w.overflow) {
        pp_err_keep(&f->error, PP_ERR_TOO_BIG);
        return;
    }
    line[w.len++] = '\n';
    if (w.len > sizeof(f->bytes) - f->len) {
        flush(f);
    }
    memcpy(f->bytes + f->len, line, w.len);
    f->len += w.len;
}

static void put_base64(struct drop_file *f, const char *key_z, struct pp_text value)
{
    char text[PP_DROP_LINE_MAX];
    struct pp_writer w;

    if (value.len == 0) {
        return;
    }
    pp_writer_init(&w, text, sizeof(text));
    pp_base64_put(&w, value.p, value.len);
    if (w.overflow) {
        pp_err_keep(&f->error, PP_ERR_TOO_BIG);
        return;
    }
    put_line(f, key_z, pp_writer_text(&w));
}

static void put_header(struct drop_file *f, const struct pp_handover *mail)
{
    const struct pp_text none = {NULL, 0};
    struct pp_text address;
    size_t cursor = 0;
    bool is_ascii = pp_text_is_ascii(mail->sender);

    put_line(f, PP_DROP_FIRST_LINE, none);
    put_line(f, PP_DROP_KIND, pp_text_z(mail->kind == PP_KIND_ALERT ? "alert" : "message"));
    put_line(f, PP_DROP_SEVERITY, pp_text_z(pp_severity_name(mail->severity)));
    if (!mail->default_sender) {
        put_line(f, PP_DROP_SENDER, mail->sender.len > 0 ? mail->sender : pp_text_z("<>"));
    }
    put_base64(f, PP_DROP_NAME, mail->sender_name);
    put_base64(f, PP_DROP_SUBJECT, mail->subject);
    while (pp_recipients_next(mail->recipients, &cursor, &address) == PP_OK) {
        is_ascii &= pp_text_is_ascii(address);
        put_line(f, PP_DROP_RECIPIENT, address);
    }
    if (mail->default_recipients) {
        put_line(f, PP_DROP_DEFAULT_TO, none);
    }
    if (mail->input->has_8bit) {
        put_line(f, PP_DROP_8BITMIME, none);
    }
    if (!is_ascii) {
        put_line(f, PP_DROP_SMTPUTF8, none);
    }
    put_line(f, "", none);
}

static void put_content(struct drop_file *f, struct pp_input *input)
{
    flush(f);
    pp_input_rewind(input);
    while (f->error == PP_OK) {
        f->error = pp_input_next(input, f->bytes, sizeof(f->bytes), &f->len);
        if (f->len == 0) {
            return;
        }
        flush(f);
    }
}

static void put_name(char *name_z, const char *prefix_z, const unsigned char *random, size_t len)
{
    struct pp_writer w;

    pp_writer_init(&w, name_z, PP_DROP_NAME_LEN);
    pp_put_z(&w, prefix_z);
    pp_put_hex(&w, random, len, 0);
    name_z[w.len] = '\0';
}

/* Returns PP_ERR_IO with errno. */
static enum pp_err create(struct drop_file *f, char *tmp_z, char *new_z)
{
    unsigned char random[PP_DROP_RANDOM_DIGITS / 2];

    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        return PP_ERR_IO;
    }
    put_name(tmp_z, PP_DROP_TMP, random, sizeof(random));
    put_name(new_z, PP_DROP_NEW, random, sizeof(random));
    f->fd = openat(f->directory, tmp_z, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                   PP_DROP_FILE_MODE);
    return f->fd >= 0 ? PP_OK : PP_ERR_IO;
}

/* A rename is durable with its directory; who may not read that syncs the file system. */
static bool sync_rename(const struct drop_file *f, const char *directory_z)
{
    int fd = open(directory_z, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done = false;

    if (fd >= 0) {
        done = fsync(fd) == 0;
        (void)close(fd);
    }
    return done || syncfs(f->fd) == 0;
}

/* Whole and durable under its last name; `name_z` is the one that it has at the end. */
static enum pp_err finish(struct drop_file *f, const char *directory_z, const char *tmp_z,
                          const char *new_z, const char **name_z)
{
    if (f->error != PP_OK) {
        return f->error;
    }
    if (fchmod(f->fd, PP_DROP_FILE_MODE) != 0 || fsync(f->fd) != 0 ||
        renameat(f->directory, tmp_z, f->directory, new_z) != 0) {
        return PP_ERR_IO;
    }
    *name_z = new_z;
    return sync_rename(f, directory_z) ? PP_OK : PP_ERR_IO;
}

enum pp_err pp_drop_write(const char *directory_z, const struct pp_handover *mail)
{
    static struct drop_file f;
    char tmp_z[PP_DROP_NAME_LEN + 1], new_z[PP_DROP_NAME_LEN + 1];
    const char *name_z = tmp_z;
    enum pp_err err;
    int saved;

    f.len = 0;
    f.error = PP_OK;
    f.directory = open(directory_z, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (f.directory < 0) {
        return PP_ERR_IO;
    }
    err = create(&f, tmp_z, new_z);
    if (err == PP_OK) {
        put_header(&f, mail);
        put_content(&f, mail->input);
        err = finish(&f, directory_z, tmp_z, new_z, &name_z);
        saved = errno;
        (void)close(f.fd);
        if (err != PP_OK) {
            (void)unlinkat(f.directory, name_z, 0);
        }
        errno = saved;
    }
    saved = errno;
    (void)close(f.directory);
    errno = saved;
    return err;
}
