/*
 * privileges.c - whom the daemon runs as
 *
 * Job:      names to numbers once at start; supplementary groups, group, user, in this order.
 * Follows:  setresuid(2), initgroups(3); Chen, Wagner, Dean, "Setuid Demystified" (2002)
 */
#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define TEXTS_CAP 65536 /* of one entry: a group may have many members */

static enum pp_err find_user(const struct pp_config *config, struct pp_privileges *p, char *words,
                             size_t cap)
{
    if (config->daemon.user[0] == '\0')
        return PP_OK;
    struct passwd found, *entry = NULL;
    char texts[TEXTS_CAP];
    if (getpwnam_r(config->daemon.user, &found, texts, sizeof texts, &entry) != 0 || !entry) {
        snprintf(words, cap, "[daemon] user: there is no user \"%s\" on this machine",
                 config->daemon.user);
        return PP_ERR_NOT_FOUND;
    }
    if (geteuid() != 0 && entry->pw_uid != geteuid()) {
        snprintf(words, cap, "[daemon] user: only root can start the daemon as \"%s\"",
                 config->daemon.user);
        return PP_ERR_DENIED;
    }
    p->drops = geteuid() == 0 && entry->pw_uid != 0;
    p->uid = entry->pw_uid;
    p->gid = entry->pw_gid;
    memcpy(p->user, config->daemon.user, sizeof p->user);
    return PP_OK;
}

static enum pp_err find_group(const struct pp_config *config, struct pp_privileges *p, char *words,
                              size_t cap)
{
    if (config->daemon.group[0] == '\0')
        return PP_OK;
    struct group found, *entry = NULL;
    char texts[TEXTS_CAP];
    if (getgrnam_r(config->daemon.group, &found, texts, sizeof texts, &entry) != 0 || !entry) {
        snprintf(words, cap, "[daemon] group: there is no group \"%s\" on this machine",
                 config->daemon.group);
        return PP_ERR_NOT_FOUND;
    }
    p->gid = entry->gr_gid;
    return PP_OK;
}

enum pp_err pp_privileges_find(const struct pp_config *config, struct pp_privileges *p, char *words,
                               size_t cap)
{
    *p = (struct pp_privileges){.uid = geteuid(), .gid = getegid()};
    words[0] = '\0';
    enum pp_err err = find_user(config, p, words, cap);
    return err == PP_OK ? find_group(config, p, words, cap) : err;
}

enum pp_err pp_privileges_drop(const struct pp_privileges *p)
{
    if (!p->drops)
        return PP_OK;
    if (initgroups(p->user, p->gid) != 0 || setresgid(p->gid, p->gid, p->gid) != 0 ||
        setresuid(p->uid, p->uid, p->uid) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return PP_ERR_DENIED;
    if (setuid(0) == 0 || setgid(0) == 0 || geteuid() != p->uid || getegid() != p->gid) {
        errno = EPERM;
        return PP_ERR_DENIED;
    }
    return PP_OK;
}
