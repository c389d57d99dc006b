/*
 * drop_take.h - mail that waited in the drop directory comes in
 *
 * Job:      take each whole file into the queue, remove it when its message is durable, put aside
 * what is no mail. Not here: writing them (drop_write.h), the format (drop.h).
 */
#ifndef PP_POSIX_DROP_TAKE_H
#define PP_POSIX_DROP_TAKE_H

#include "drop_header.h"

#define PP_DROP_PENDING 16 /* messages that one sync may make durable together */

struct pp_drop_take {
    struct pp_relay *relay;
    const struct pp_port *port;
    const struct pp_log *log;
    int directory;
    uint64_t next_ms; /* next look into the directory */
    uint64_t rest_ms; /* between the last two passes: grows while something has to wait */
    bool scanning;
    bool removed;   /* a file was, since the directory was synced */
    bool stalled;   /* the queue takes nothing now: this pass is over */
    bool slow;      /* something has to wait: passes come less often */
    bool stuck;     /* what was taken in cannot be removed: no further pass, or it is sent again */
    bool knows_all; /* what lay there at the start was looked at: none of it is in the queue */
    size_t entries_at, entries_len;
    char entries[8192] __attribute__((aligned(8))); /* of getdents64() */
    struct pp_submit *submit;                       /* the file being read, NULL: none */
    char name[PP_DROP_NAME_LEN + 1];
    struct pp_drop_reader reader;
    struct pp_drop_header header;
    uint32_t pending_count;
    struct {
        struct pp_ticket ticket;
        char name[PP_DROP_NAME_LEN + 1];
    } pending[PP_DROP_PENDING];
};

/* Opens the directory; a look into it is due at once. PP_ERR_IO with errno. */
PP_MUST_USE enum pp_err pp_drop_open(struct pp_drop_take *d, const char *path_z,
                                     struct pp_relay *relay, const struct pp_port *port,
                                     const struct pp_log *log);
/* A bounded piece of work. Returns when to come again. */
uint64_t pp_drop_turn(struct pp_drop_take *d, uint64_t now_ms);
void pp_drop_look_now(struct pp_drop_take *d);
/* Take nothing new; true when what was taken is durable and removed. To be called each turn. */
bool pp_drop_drain(struct pp_drop_take *d);
void pp_drop_close(struct pp_drop_take *d);

#endif
