/*
 * tcp_listen.h - the relay server's listeners on TCP
 *
 * Job:      open what the configuration names, before privileges are dropped (port 25 needs them).
 * Not here: accepting (posix_port.h), what is spoken there (src/intake).
 */
#ifndef PP_POSIX_TCP_LISTEN_H
#define PP_POSIX_TCP_LISTEN_H

#include "config.h"
#include "posix_port.h"

struct pp_tcp_listeners {
    int fds[PP_POSIX_LISTENERS];
    unsigned count;
};

/*
 * Listen on all, and have `posix` accept from them. `words` (`cap` bytes) gets what is wrong.
 * PP_ERR_BUSY (somebody listens there), PP_ERR_DENIED (a low port without privileges), PP_ERR_IO.
 */
PP_MUST_USE enum pp_err pp_tcp_listen(struct pp_tcp_listeners *l, struct pp_posix_port *posix,
                                      const struct pp_config *config, char *words, size_t cap);
void pp_tcp_unlisten(struct pp_tcp_listeners *l);
/* As many descriptors as all connections of this build may need, if the system lets us. */
void pp_tcp_raise_limit(void);

#endif
