/*
 * daemon.h - the relay as a daemon: start, loop, reread, stop
 *
 * Job:      own everything that the daemon opens, in the order in which it must be opened.
 * Not here: options (cmd_run.c), mail (pinpost.h).
 */
#ifndef PP_POSIX_DAEMON_H
#define PP_POSIX_DAEMON_H

#include "cmd.h"
#include "control.h"
#include "daemon_sockets.h"
#include "dovecot_login.h"
#include "drop_take.h"
#include "flash_device.h"
#include "identity_file.h"
#include "posix_port.h"
#include "privileges.h"
#include "tcp_listen.h"

struct pp_daemon {
    struct pp_cmd_context *context; /* its configuration is the one in force */
    struct pp_config candidate;     /* being reread */
    struct pp_privileges privileges;
    struct pp_posix_port posix;
    struct pp_flash_device flash;
    struct pp_daemon_socket submit_socket, control_socket;
    struct pp_tcp_listeners tcp;
    struct pp_identity_file identity, client_identity;
    struct pp_dovecot dovecot; /* with [server] auth_socket */
    struct pp_relay *relay;    /* NULL until it runs */
    struct pp_log log;
    struct pp_control control;
    struct pp_drop_take drop;
};

/*
 * With the configuration loaded: store, directories, sockets, then privileges are dropped and the
 * relay starts. `d` is all zeros, as what is static: the pages of what is never used stay
 * untouched. What is wrong is said to stderr. Returns 0 or a code of sysexits.h (cmd.h);
 * pp_daemon_stop() is to be called in any case.
 */
PP_MUST_USE int pp_daemon_start(struct pp_daemon *d, struct pp_cmd_context *context);
/* Until SIGTERM or SIGINT; SIGHUP rereads the configuration. Then what is under way is finished, up
 * to 10 s; a second signal ends that at once. */
void pp_daemon_loop(struct pp_daemon *d);
void pp_daemon_stop(struct pp_daemon *d);

#endif
