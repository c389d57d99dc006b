/*
 * control_client.h - asks the daemon over control.sock
 *
 * Job:      one request, its item lines one by one, its last line.
 * Not here: members of a line (json_read.h), what is asked and how it is shown (cmd_queue.c,
 *           cmd_status.c).
 * Follows:  docs/control-protocol.md
 */
#ifndef PP_POSIX_CONTROL_CLIENT_H
#define PP_POSIX_CONTROL_CLIENT_H

#include "base/err.h"
#include "json_read.h"
#include "socket_io.h"

struct pp_control_client {
    struct pp_socket_io io;
    struct pp_json item; /* the line last read */
    char error[32];      /* of a last line that is not ok: "not-found"; "" else */
    char words[400];     /* what failed, for a person */
};

/* As pp_socket_connect(); `words` has words. */
PP_MUST_USE enum pp_err pp_control_client_open(struct pp_control_client *c,
                                               const char *socket_path_z);
/* Begin a request: `request_z` is the line without its end. */
PP_MUST_USE enum pp_err pp_control_client_ask(struct pp_control_client *c, const char *request_z);
/*
 * The next line, read into `item`. PP_OK: an item. PP_ERR_NOT_FOUND: the last line, all went well
 * (item has count). PP_ERR_REFUSED: the last line, with error and words. Others: the connection
 * failed.
 */
PP_MUST_USE enum pp_err pp_control_client_next(struct pp_control_client *c);
void pp_control_client_close(struct pp_control_client *c);

/* The exit status for what pp_control_client_open(), _ask() or _next() returned. */
int pp_control_client_exit_code(const struct pp_control_client *c, enum pp_err err);

#endif
