/*
 * input.c - a message from standard input, kept until it is handed over
 *
 * Job:      memory first, then a file without a name in TMPDIR or /tmp.
 */
#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What was seen of a line that may be the lone dot. */
enum dot_state { DOT_NONE, DOT_SEEN, DOT_CR };

static int open_temporary(void)
{
    char name[512];
    const char *folder = secure_getenv("TMPDIR");
    struct pp_writer w;
    int fd;

    if (folder == NULL || folder[0] == '\0') {
        folder = "/tmp";
    }
    fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd >= 0) {
        return fd;
    }
    pp_writer_init(&w, name, sizeof(name) - 1);
    pp_put_z(&w, folder);
    pp_put_z(&w, "/pinpost-XXXXXX");
    name[w.len] = '\0';
    if (w.overflow) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0) {
        (void)unlink(name);
    }
    return fd;
}

static enum pp_err write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return PP_ERR_IO;
        }
        bytes += n;
        len -= (size_t)n;
    }
    return PP_OK;
}

static enum pp_err keep(struct pp_input *input, const char *bytes, size_t len)
{
    size_t room = sizeof(input->memory) - input->memory_len;
    size_t n = len < room ? len : room;

    if (len > PP_INPUT_MAX_BYTES - input->size_bytes) {
        return PP_ERR_TOO_BIG;
    }
    for (size_t i = 0; i < len; i++) {
        input->has_8bit |= ((unsigned char)bytes[i] & 0x80) != 0;
        input->has_nul |= bytes[i] == '\0';
    }
    memcpy(input->memory + input->memory_len, bytes, n);
    input->memory_len += n;
    input->size_bytes += len;
    if (n == len) {
        return PP_OK;
    }
    if (input->file < 0) {
        input->file = open_temporary();
        if (input->file < 0) {
            return PP_ERR_IO;
        }
    }
    return write_all(input->file, bytes + n, len - n);
}

/*
 * A dot at the start of a line is held back until what follows shows that it is text. `from` is
 * the first byte not yet kept.
 */
static enum pp_err keep_until_dot(struct pp_input *input, const char *bytes, size_t len,
                                  bool *ended)
{
    size_t from = 0;
    enum pp_err err = PP_OK;

    for (size_t i = 0; i < len && err == PP_OK; i++) {
        char c = bytes[i];
        if (input->dot_state != DOT_NONE) {
            if (c == '\n') {
                *ended = true;
                return PP_OK;
            }
            if (input->dot_state == DOT_SEEN && c == '\r') {
                input->dot_state = DOT_CR;
                from = i + 1;
                continue;
            }
            err = keep(input, ".\r", input->dot_state == DOT_CR ? 2 : 1);
            input->dot_state = DOT_NONE;
            from = i;
        } else if (c == '.' && input->line_start) {
            err = keep(input, bytes + from, i - from);
            input->dot_state = DOT_SEEN;
            from = i + 1;
        }
        input->line_start = c == '\n';
    }
    return err == PP_OK ? keep(input, bytes + from, len - from) : err;
}

static enum pp_err read_to_end(struct pp_input *input, int fd, bool dot_ends)
{
    char bytes[16384];
    bool ended = false;
    enum pp_err err = PP_OK;

    while (err == PP_OK && !ended) {
        ssize_t n = read(fd, bytes, sizeof(bytes));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return PP_ERR_IO;
        }
        if (n == 0) {
            /* A dot without a line end is the last line's text and the lone dot both. */
            return input->dot_state == DOT_CR ? keep(input, ".\r", 2) : PP_OK;
        }
        err = dot_ends ? keep_until_dot(input, bytes, (size_t)n, &ended)
                       : keep(input, bytes, (size_t)n);
    }
    return err;
}

enum pp_err pp_input_read(struct pp_input *input, int fd, bool dot_ends)
{
    enum pp_err err;
    int saved;

    input->size_bytes = input->position = 0;
    input->memory_len = 0;
    input->file = -1;
    input->has_8bit = input->has_nul = false;
    input->line_start = true;
    input->dot_state = DOT_NONE;
    err = read_to_end(input, fd, dot_ends);
    if (err != PP_OK) {
        saved = errno;
        pp_input_close(input);
        errno = saved;
    }
    return err;
}

struct pp_text pp_input_memory(const struct pp_input *input)
{
    return pp_text_n(input->memory, input->memory_len);
}

void pp_input_rewind(struct pp_input *input)
{
    input->position = 0;
}

enum pp_err pp_input_next(struct pp_input *input, void *out, size_t cap, size_t *len)
{
    ssize_t n;

    *len = 0;
    if (input->position < input->memory_len) {
        size_t left = input->memory_len - (size_t)input->position;
        *len = left < cap ? left : cap;
        memcpy(out, input->memory + input->position, *len);
        input->position += *len;
        return PP_OK;
    }
    if (input->position == input->size_bytes) {
        return PP_OK;
    }
    do {
        n = pread(input->file, out, cap, (off_t)(input->position - input->memory_len));
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        errno = n == 0 ? EIO : errno;
        return PP_ERR_IO;
    }
    *len = (size_t)n;
    input->position += (uint64_t)n;
    return PP_OK;
}

void pp_input_close(struct pp_input *input)
{
    if (input->file >= 0) {
        (void)close(input->file);
    }
    input->file = -1;
}
