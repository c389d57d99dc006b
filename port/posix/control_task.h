/*
 * control_task.h - one request of control.sock, answered line by line
 *
 * Job:      read a request, then put one line of the answer a step, each step bounded.
 * Not here: the connection and who may use it (control.h).
 * Follows:  docs/control-protocol.md
 */
#ifndef PP_POSIX_CONTROL_TASK_H
#define PP_POSIX_CONTROL_TASK_H

#include "pinpost.h"

#define PP_CONTROL_LINE_MAX 8192 /* of an answer, with its LF */

/* What requests are about; shared by all connections. */
struct pp_control_world {
    struct pp_relay *relay;
    const struct pp_port *port;     /* for the clock */
    const struct pp_config *config; /* today's */
};

struct pp_control_task {
    int verb;            /* index of the table of commands; -1: `error_z` is the answer */
    const char *error_z; /* of the table of errors in the protocol */
    char words[160];
    bool all, wants_content;
    uint32_t id, cursor, count, busy;
    uint8_t phase;   /* of show */
    uint32_t offset; /* of show: recipients, then bytes of content */
};

/* Take a request, a line without its LF. What is wrong with it is the answer. */
void pp_control_task_begin(struct pp_control_task *task, struct pp_text line);
/* An answer that is an error from the start. */
void pp_control_task_refuse(struct pp_control_task *task, const char *error_z, const char *words_z);
/*
 * Put the next line of the answer, if this step has one: up to PP_CONTROL_LINE_MAX bytes. True
 * while there is more to come.
 */
bool pp_control_task_step(struct pp_control_task *task, const struct pp_control_world *world,
                          struct pp_writer *w);

#endif
