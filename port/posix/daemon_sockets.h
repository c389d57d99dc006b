/*
 * daemon_sockets.h - the daemon's directories and local sockets
 *
 * Job:      make the directories with the right owner and mode, listen on a local socket, remove it
 * at the end. Not here: what is spoken there (intake, control.h), who owns them (privileges.h).
 */
#ifndef PP_POSIX_DAEMON_SOCKETS_H
#define PP_POSIX_DAEMON_SOCKETS_H

#include "privileges.h"

struct pp_daemon_socket {
    int fd; /* -1: not open */
    dev_t device;
    ino_t inode;
    char path[PP_PATH_CAP];
};

/*
 * Make sure that a directory is there: `path`, or with `of_file` the one that holds it. One that is
 * missing is made, mode 0755, and belongs to `owner`; one that is there is left as it is.
 * `words` (`cap` bytes) gets what is wrong. Returns PP_ERR_IO, PP_ERR_DENIED, PP_ERR_STATE (no
 * directory is in the way).
 */
PP_MUST_USE enum pp_err pp_daemon_directory(const char *path_z, bool of_file,
                                            const struct pp_privileges *owner, char *words,
                                            size_t cap);
/*
 * The drop directory: made with the mode of drop.h, and only used with it: PP_ERR_STATE when one
 * that is there belongs to another user, or others may not write or may list it.
 */
PP_MUST_USE enum pp_err pp_daemon_drop_directory(const char *path_z,
                                                 const struct pp_privileges *owner, char *words,
                                                 size_t cap);
/*
 * Listen, non-blocking. A socket that nobody listens on any more is replaced: call it only with the
 * store's lock held. Returns PP_ERR_BUSY (another daemon listens), PP_ERR_TOO_BIG (path),
 * PP_ERR_STATE (no socket is in the way there), PP_ERR_IO.
 */
PP_MUST_USE enum pp_err pp_daemon_listen(struct pp_daemon_socket *s, const char *path_z,
                                         mode_t mode, const struct pp_privileges *owner,
                                         char *words, size_t cap);
/* Close, and remove the file if it is still ours. */
void pp_daemon_unlisten(struct pp_daemon_socket *s);

#endif
