/*
 * flash_device.c - the store's medium, whatever it is: a file, a block device or an MTD chip
 *
 * Job:      look at the path, open what is there.
 * Not here: how each is read and written (flash_file.c, flash_mtd.c).
 */
#include "flash_device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define MTD_MAJOR 90 /* Documentation/admin-guide/devices.txt of Linux */

void pp_flash_device_init(struct pp_flash_device *d)
{
    d->file.fd = d->mtd.fd = -1;
}

static int open_mtd(struct pp_flash_device *d, const char *path_z, struct pp_flash *out,
                    char *words, size_t cap)
{
    int fd = open(path_z, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int kept = errno;
        (void)snprintf(words, cap, "%s", strerror(kept));
        if (fd >= 0)
            (void)close(fd);
        errno = kept;
        return kept == EWOULDBLOCK ? PP_IO_BUSY : PP_IO_FAILED;
    }
    int result = pp_flash_mtd_init(&d->mtd, fd, NULL, out, words, cap);
    if (result != 0) {
        int kept = errno;
        pp_flash_mtd_close(&d->mtd);
        errno = kept;
    }
    return result;
}

int pp_flash_device_open(struct pp_flash_device *d, const char *path_z, uint64_t size_bytes,
                         struct pp_flash *out, char *words, size_t cap)
{
    struct stat st;
    pp_flash_device_init(d);
    if (cap > 0)
        words[0] = '\0';
    if (lstat(path_z, &st) == 0 && S_ISCHR(st.st_mode) && major(st.st_rdev) == MTD_MAJOR)
        return open_mtd(d, path_z, out, words, cap);
    int result = pp_flash_file_open(&d->file, path_z, size_bytes, out);
    if (result != 0) {
        int kept = errno;
        (void)snprintf(words, cap, "%s",
                       kept == EINVAL ? "no file or block device of 64 KiB or more"
                                      : strerror(kept));
        errno = kept;
    }
    return result;
}

int pp_flash_device_fd(const struct pp_flash_device *d)
{
    return d->file.fd >= 0 ? d->file.fd : d->mtd.fd;
}

void pp_flash_device_close(struct pp_flash_device *d)
{
    pp_flash_file_close(&d->file);
    pp_flash_mtd_close(&d->mtd);
}
