/*
 * privileges.h - whom the daemon runs as
 *
 * Job:      find user and group of the configuration, and become them for good.
 */
#ifndef PP_POSIX_PRIVILEGES_H
#define PP_POSIX_PRIVILEGES_H

#include <sys/types.h>

#include "pinpost.h"

struct pp_privileges {
    bool drops; /* started as root, and a user is configured */
    uid_t uid;  /* to run as; files and sockets are given to them */
    gid_t gid;
    char user[64];
};

/*
 * Look the names up. `words` (`cap` bytes, NUL-terminated) gets what is wrong.
 * Returns PP_ERR_NOT_FOUND (no such user or group), PP_ERR_DENIED (not root, and not that user).
 */
PP_MUST_USE enum pp_err pp_privileges_find(const struct pp_config *config, struct pp_privileges *p,
                                           char *words, size_t cap);
/* Drop, if it is to be dropped, and make sure that there is no way back. PP_ERR_DENIED: errno. */
PP_MUST_USE enum pp_err pp_privileges_drop(const struct pp_privileges *p);

#endif
