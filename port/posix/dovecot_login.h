/*
 * dovecot_login.h - Dovecot decides on logins
 *
 * Job:      speak Dovecot's authentication protocol over its auth-client socket, for port.login_*:
 *           several logins at once over one connection, made when it is needed and made again.
 * Not here: what a client is told (src/intake), SASL itself: responses and challenges pass through.
 * Follows:  Dovecot Authentication Protocol 1.1 (doc/auth-protocol.txt of Dovecot)
 *
 * While Dovecot is away no mechanism is offered, and a login under way is told LATER.
 */
#ifndef PP_POSIX_DOVECOT_LOGIN_H
#define PP_POSIX_DOVECOT_LOGIN_H

#include "posix_port.h"

#define PP_DOVECOT_LOGINS   64
#define PP_DOVECOT_LINE_CAP 8192 /* longest line of the server's that is read */

struct pp_dovecot_login {
    uint32_t id; /* of the request; 0: free */
    bool heard;
    bool lost; /* its connection ended: Dovecot knows nothing of it any more */
    struct pp_port_login said;
};

struct pp_dovecot {
    struct pp_posix_port *posix;
    char path[256];
    int fd;     /* -1: not connected */
    bool ready; /* it said DONE */
    uint64_t retry_at_ms;
    uint32_t next_id;
    size_t in_len;
    char in[PP_DOVECOT_LINE_CAP];
    char mechanisms[64]; /* those of ours that it has, blanks between */
    char offered[64];    /* being gathered until DONE */
    struct pp_dovecot_login logins[PP_DOVECOT_LOGINS];
};

/* Fill in port.login_* of `posix`. Nothing is connected yet. */
void pp_dovecot_open(struct pp_dovecot *d, struct pp_posix_port *posix, const char *path_z);
/* Another socket from now on. Who waits for the former one is told LATER, and what they hold stays
 * theirs until login_end(): nobody hears what is said to somebody else. */
void pp_dovecot_move(struct pp_dovecot *d, const char *path_z);
/* Connect when it is time, hear what was said. To be called each turn. */
void pp_dovecot_turn(struct pp_dovecot *d);
void pp_dovecot_close(struct pp_dovecot *d);

#endif
