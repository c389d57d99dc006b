/*
 * daemon_sockets.c - the daemon's directories and local sockets
 *
 * Job:      nothing that another process put in the way is followed or removed unseen.
 */
#include "daemon_sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "drop.h"

#define BACKLOG 64

static enum pp_err failed(const char *what_z, const char *path_z, char *words, size_t cap)
{
    int why = errno;
    snprintf(words, cap, "%s %s: %s", what_z, path_z, strerror(why));
    return why == EACCES || why == EPERM ? PP_ERR_DENIED : PP_ERR_IO;
}

/* By descriptor: what was made is what is changed. */
static enum pp_err set_owner(const char *path_z, mode_t mode, const struct pp_privileges *owner,
                             char *words, size_t cap)
{
    int fd = open(path_z, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return failed("directory", path_z, words, cap);
    bool root = geteuid() == 0;
    int owned = fchown(fd, root ? owner->uid : (uid_t)-1, owner->gid);
    bool done = (owned == 0 || !root) && fchmod(fd, mode) == 0;
    enum pp_err err = done ? PP_OK : failed("directory", path_z, words, cap);
    close(fd);
    return err;
}

enum pp_err pp_daemon_directory(const char *path_z, bool of_file, const struct pp_privileges *owner,
                                char *words, size_t cap)
{
    char path[PP_PATH_CAP];
    struct stat st;

    snprintf(path, sizeof path, "%s", path_z);
    char *slash = strrchr(path, '/');
    if (of_file && slash)
        *slash = '\0';
    if (path[0] == '\0')
        return PP_OK; /* the root */
    if (mkdir(path, 0755) == 0)
        return set_owner(path, 0755, owner, words, cap);
    if (errno != EEXIST || stat(path, &st) != 0)
        return failed("directory", path, words, cap);
    if (S_ISDIR(st.st_mode))
        return PP_OK;
    snprintf(words, cap, "%s: is in the way, and is no directory", path);
    return PP_ERR_STATE;
}

enum pp_err pp_daemon_drop_directory(const char *path_z, const struct pp_privileges *owner,
                                     char *words, size_t cap)
{
    struct stat st;

    if (mkdir(path_z, 0700) == 0)
        return set_owner(path_z, PP_DROP_DIRECTORY_MODE, owner, words, cap);
    if (errno != EEXIST || lstat(path_z, &st) != 0)
        return failed("directory", path_z, words, cap);
    if (!S_ISDIR(st.st_mode)) {
        snprintf(words, cap, "%s: is in the way, and is no directory", path_z);
        return PP_ERR_STATE;
    }
    bool ready = st.st_uid == owner->uid && (st.st_mode & 07777) == PP_DROP_DIRECTORY_MODE;
    if (ready && st.st_gid == owner->gid)
        return PP_OK;
    /* The group was changed: what is left there from now on has to be readable for it. */
    if (ready)
        return set_owner(path_z, PP_DROP_DIRECTORY_MODE, owner, words, cap);
    /* Nobody else can have used a private one; any other may be shared for some other purpose. */
    if (st.st_uid == owner->uid && (st.st_mode & 077) == 0)
        return set_owner(path_z, PP_DROP_DIRECTORY_MODE, owner, words, cap);
    snprintf(words, cap,
             "%s: needs owner %u and mode %o: change them, or move it away with the mail "
             "in it and it will be made anew",
             path_z, (unsigned)owner->uid, (unsigned)PP_DROP_DIRECTORY_MODE);
    return PP_ERR_STATE;
}

static bool somebody_listens(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    int result = connect(fd, (const struct sockaddr *)address, sizeof *address);
    bool listens = result == 0 || errno == EAGAIN;
    close(fd);
    return listens;
}

static enum pp_err clear_way(const struct sockaddr_un *address, char *words, size_t cap)
{
    struct stat st;

    if (lstat(address->sun_path, &st) != 0)
        return errno == ENOENT ? PP_OK : failed("socket", address->sun_path, words, cap);
    if (!S_ISSOCK(st.st_mode)) {
        snprintf(words, cap, "%s: is in the way, and is no socket", address->sun_path);
        return PP_ERR_STATE;
    }
    if (somebody_listens(address)) {
        snprintf(words, cap, "%s: another daemon listens there", address->sun_path);
        return PP_ERR_BUSY;
    }
    if (unlink(address->sun_path) != 0)
        return failed("socket", address->sun_path, words, cap);
    return PP_OK;
}

static bool bind_and_listen(struct pp_daemon_socket *s, const struct sockaddr_un *address,
                            mode_t mode, const struct pp_privileges *owner)
{
    struct stat st;
    /* Not chmod(): the directory may belong to the relay's user, who could put a link there. */
    mode_t before = umask(0777 & ~mode);
    bool bound = bind(s->fd, (const struct sockaddr *)address, sizeof *address) == 0;
    umask(before);
    if (!bound || lstat(s->path, &st) != 0)
        return false;
    s->device = st.st_dev;
    s->inode = st.st_ino;
    return (geteuid() != 0 || lchown(s->path, owner->uid, owner->gid) == 0) &&
           listen(s->fd, BACKLOG) == 0;
}

enum pp_err pp_daemon_listen(struct pp_daemon_socket *s, const char *path_z, mode_t mode,
                             const struct pp_privileges *owner, char *words, size_t cap)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    s->fd = -1;
    s->inode = 0;
    if (strlen(path_z) >= sizeof address.sun_path) {
        snprintf(words, cap, "%s: too long for a socket: up to %zu bytes are allowed", path_z,
                 sizeof address.sun_path - 1);
        return PP_ERR_TOO_BIG;
    }
    snprintf(s->path, sizeof s->path, "%s", path_z);
    memcpy(address.sun_path, path_z, strlen(path_z));
    enum pp_err err = clear_way(&address, words, cap);
    if (err != PP_OK)
        return err;
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0 || !bind_and_listen(s, &address, mode, owner)) {
        err = failed("socket", path_z, words, cap);
        pp_daemon_unlisten(s);
    }
    return err;
}

void pp_daemon_unlisten(struct pp_daemon_socket *s)
{
    struct stat st;

    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    if (s->inode != 0 && lstat(s->path, &st) == 0 && st.st_dev == s->device &&
        st.st_ino == s->inode)
        (void)unlink(s->path);
    s->inode = 0;
}
