/*
 * posix_port.h - the world of the relay on Linux: sockets, clocks, names, log
 *
 * Job:      fill in a struct pp_port over epoll; wait() also returns for descriptors of the
 *           daemon's own (control.sock, signals).
 * Not here: flash (flash_file.h), which sockets there are (cmd_run.c), privileges.
 */
#ifndef PP_POSIX_POSIX_PORT_H
#define PP_POSIX_POSIX_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "port.h"
#include "profile.h"

/* Streams and datagrams: all sessions, each delivery with a look-up of its own, and some to spare.
 */
#define PP_POSIX_SOCKETS   (PP_INTAKE_SESSIONS + PP_DELIVERY_SESSIONS * 2 + 8)
#define PP_POSIX_LISTENERS (1 + PP_LISTENERS * 2) /* "*" takes one of each family */
#define PP_POSIX_SERVERS   3                      /* name servers, as resolv.conf(5) */

struct pp_posix_socket {
    int fd;           /* -1: free */
    uint32_t watched; /* events that epoll looks for; 0: none */
    uint32_t wanted;  /* of these, what is asked for now */
    bool ready;       /* epoll told of it since a read came to the end of what there was */
    bool connected;
};

struct pp_posix_port {
    struct pp_port port; /* what the relay gets */
    int epoll_fd;
    int listeners[PP_POSIX_LISTENERS];
    uint32_t listener_config[PP_POSIX_LISTENERS];
    bool accepted; /* since the last wait */
    bool starved;  /* an accept found no descriptor: the next close makes room for it */
    struct pp_posix_socket sockets[PP_POSIX_SOCKETS];
    void *login_ctx; /* of port.login_*, where somebody filled them in */
    bool to_syslog;
    char resolv_path[256];
    char hosts_path[256];
    int64_t resolv_stamp[3]; /* mtime s, ns and size of what `servers` was read from */
    unsigned server_count;
    struct pp_address servers[PP_POSIX_SERVERS];
};

/* Paths NULL: /etc/resolv.conf and /etc/hosts. 0, or -1 with errno set. */
int pp_posix_port_init(struct pp_posix_port *p, const char *resolv_path_z,
                       const char *hosts_path_z);
void pp_posix_port_close(struct pp_posix_port *p);
void pp_posix_port_log_to_syslog(struct pp_posix_port *p, bool yes);
/* A listening, non-blocking socket that the relay accepts from; `config` is the listener's index in
 * the configuration, or PP_PORT_LOCAL. 0 or -1 with errno set. */
int pp_posix_port_listen(struct pp_posix_port *p, int fd, uint32_t config);
/* wait() also returns when `fd` can be read, or written where `writes` says so. `watched`: it was
 * asked for before. */
int pp_posix_port_watch(struct pp_posix_port *p, int fd, bool reads, bool writes, bool watched);

#endif
