/*
 * socket_io.c - a local socket for a command: whole lines, whole writes, a time limit
 *
 * Job:      poll before each call, so that no peer can hold a command for ever.
 */
#include "socket_io.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG_PAUSE_MS 20 /* a local connect does not queue behind a full backlog: ask again */

uint64_t pp_socket_now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static enum pp_err wait_for(int fd, short events, uint64_t until_ms)
{
    for (;;) {
        struct pollfd p = {.fd = fd, .events = events};
        uint64_t now_ms = pp_socket_now_ms();
        uint64_t left_ms = until_ms > now_ms ? until_ms - now_ms : 0;
        int n = poll(&p, 1, left_ms > 60000 ? 60000 : (int)left_ms);
        if (n > 0) {
            return PP_OK;
        }
        if (n < 0 && errno != EINTR) {
            return PP_ERR_IO;
        }
        if (n == 0 && pp_socket_now_ms() >= until_ms) {
            return PP_ERR_TIMEOUT;
        }
    }
}

static enum pp_err error_of_connect(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ECONNREFUSED:
    case ECONNRESET:
        return PP_ERR_REFUSED;
    case EACCES:
    case EPERM:
        return PP_ERR_DENIED;
    default:
        return PP_ERR_IO;
    }
}

enum pp_err pp_socket_connect(struct pp_socket_io *io, const char *path_z, uint64_t until_ms)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = strlen(path_z);
    int error = 0;

    io->head = io->tail = 0;
    io->fd = -1;
    if (len >= sizeof(to.sun_path)) {
        return PP_ERR_TOO_BIG;
    }
    memcpy(to.sun_path, path_z, len);
    io->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (io->fd < 0) {
        return PP_ERR_IO;
    }
    while (connect(io->fd, (const struct sockaddr *)&to, sizeof(to)) != 0) {
        error = errno;
        if (error == EISCONN) {
            break;
        }
        if (error == EAGAIN && pp_socket_now_ms() < until_ms) {
            (void)poll(NULL, 0, BACKLOG_PAUSE_MS);
        } else if (error != EINTR) {
            pp_socket_close(io);
            return error == EAGAIN ? PP_ERR_TIMEOUT : error_of_connect(error);
        }
    }
    return PP_OK;
}

enum pp_err pp_socket_write(struct pp_socket_io *io, const void *bytes, size_t len,
                            uint64_t limit_ms)
{
    const char *p = bytes;

    while (len > 0) {
        ssize_t n = send(io->fd, p, len, MSG_NOSIGNAL);
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            enum pp_err err = wait_for(io->fd, POLLOUT, pp_socket_now_ms() + limit_ms);
            if (err != PP_OK) {
                return err;
            }
        } else if (n < 0 && errno != EINTR) {
            return errno == EPIPE || errno == ECONNRESET ? PP_ERR_CLOSED : PP_ERR_IO;
        }
    }
    return PP_OK;
}

static enum pp_err fill(struct pp_socket_io *io, uint64_t until_ms)
{
    enum pp_err err;
    ssize_t n;

    if (io->head > 0) {
        memmove(io->bytes, io->bytes + io->head, io->tail - io->head);
        io->tail -= io->head;
        io->head = 0;
    }
    if (io->tail == sizeof(io->bytes)) {
        return PP_ERR_TOO_BIG;
    }
    err = wait_for(io->fd, POLLIN, until_ms);
    if (err != PP_OK) {
        return err;
    }
    n = recv(io->fd, io->bytes + io->tail, sizeof(io->bytes) - io->tail, 0);
    if (n > 0) {
        io->tail += (size_t)n;
        return PP_OK;
    }
    if (n == 0 || errno == ECONNRESET) {
        return PP_ERR_CLOSED;
    }
    return errno == EAGAIN || errno == EINTR ? PP_OK : PP_ERR_IO;
}

enum pp_err pp_socket_line(struct pp_socket_io *io, uint64_t until_ms, struct pp_text *line)
{
    size_t looked_at = 0;

    for (;;) {
        struct pp_text all = pp_text_n(io->bytes + io->head, io->tail - io->head);
        struct pp_text fresh = pp_text_n(all.p + looked_at, all.len - looked_at);
        size_t end = looked_at + pp_text_find(fresh, '\n');
        enum pp_err err;
        if (end < all.len) {
            io->head += end + 1;
            end -= end > 0 && all.p[end - 1] == '\r' ? 1 : 0;
            *line = pp_text_n(all.p, end);
            return PP_OK;
        }
        looked_at = all.len;
        err = fill(io, until_ms);
        if (err != PP_OK) {
            return err;
        }
    }
}

void pp_socket_close(struct pp_socket_io *io)
{
    if (io->fd >= 0) {
        (void)close(io->fd);
    }
    io->fd = -1;
}
