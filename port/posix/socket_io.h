/*
 * socket_io.h - a local socket for a command: whole lines, whole writes, a time limit
 *
 * Job:      connect, write all, read a line, each until a deadline.
 * Not here: what is said (submit_client.h, control_client.h).
 */
#ifndef PP_POSIX_SOCKET_IO_H
#define PP_POSIX_SOCKET_IO_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/text.h"

struct pp_socket_io {
    int fd;
    size_t head, tail; /* of what was read and not yet taken */
    char bytes[16384];
};

uint64_t pp_socket_now_ms(void);
/*
 * Returns PP_ERR_REFUSED (no such socket, nobody listens), PP_ERR_DENIED (no permission),
 * PP_ERR_TIMEOUT, PP_ERR_TOO_BIG (path), PP_ERR_IO.
 */
PP_MUST_USE enum pp_err pp_socket_connect(struct pp_socket_io *io, const char *path_z,
                                          uint64_t until_ms);
/* PP_ERR_TIMEOUT when nothing was taken for `limit_ms`; PP_ERR_CLOSED, PP_ERR_IO. */
PP_MUST_USE enum pp_err pp_socket_write(struct pp_socket_io *io, const void *bytes, size_t len,
                                        uint64_t limit_ms);
/*
 * The next line without its end (LF or CRLF), valid until the next call. PP_ERR_TIMEOUT,
 * PP_ERR_CLOSED, PP_ERR_IO, PP_ERR_TOO_BIG (longer than the buffer).
 */
PP_MUST_USE enum pp_err pp_socket_line(struct pp_socket_io *io, uint64_t until_ms,
                                       struct pp_text *line);
void pp_socket_close(struct pp_socket_io *io);

#endif
