/*
 * control.h - control.sock: the queue commands reach the daemon here
 *
 * Job:      a few connections of root and the relay's group, served within the daemon's loop, a
 * bounded piece at a time. Not here: what requests mean (control_task.h), the client
 * (control_client.h).
 */
#ifndef PP_POSIX_CONTROL_H
#define PP_POSIX_CONTROL_H

#include "control_task.h"
#include "posix_port.h"
#include "privileges.h"

#define PP_CONTROL_REQUEST_MAX 512

struct pp_control_session {
    int fd; /* -1: free */
    bool watched, wants_write, closing, has_task;
    uint64_t seen_ms; /* when it last moved */
    struct pp_control_task task;
    size_t in_len, out_len, out_done;
    char in[PP_CONTROL_REQUEST_MAX + 1];
    char out[PP_CONTROL_LINE_MAX * 2];
};

struct pp_control {
    struct pp_control_world world;
    struct pp_posix_port *posix;
    const struct pp_log *log;
    int listener;
    uid_t uid; /* the relay's own */
    gid_t gid; /* the relay's group */
    uint64_t looked_ms;
    struct pp_control_session sessions[PP_CONTROL_SESSIONS];
};

/* `listener` stays the caller's. PP_ERR_IO with errno. */
PP_MUST_USE enum pp_err pp_control_open(struct pp_control *c, const struct pp_control_world *world,
                                        struct pp_posix_port *posix, const struct pp_log *log,
                                        int listener, const struct pp_privileges *owner);
/*
 * A bounded piece of work. `busy`: the relay has more to do at once; then connections are looked at
 * some times a second only, so that they cost mail nothing. Returns when to come again,
 * PP_TIME_NEVER when something has to happen first.
 */
uint64_t pp_control_turn(struct pp_control *c, uint64_t now_ms, bool busy);
void pp_control_close(struct pp_control *c);

#endif
