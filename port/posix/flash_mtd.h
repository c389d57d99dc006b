/*
 * flash_mtd.h - a raw flash chip of Linux: /dev/mtdN
 *
 * Job:      offer an MTD character device as struct pp_flash: erase by ioctl, programs by pwrite,
 *           bad blocks told as failures, so that the store goes round them.
 * Not here: what is stored in it (src/store/ring.h), files and block devices (flash_file.h).
 *
 * Geometry: unit is the chip's smallest write (1 on most NOR), block its erase size, erased FF; a
 * program is cut at 4096 bytes, so that none takes long. NAND fits while its page is not larger
 * than PP_STORE_UNIT_MAX: each page is then one unit, programmed once. The kernel gives back data
 * with errors that its ECC could not correct; the store's own checksums find them. Refused: NAND of
 * several bits a cell, where a torn write takes older pages along (UBIFS knows how to live there).
 *
 * MTD writes and erases are done when the call returns: a sync has nothing to do. See
 * <mtd/mtd-abi.h>.
 */
#ifndef PP_POSIX_FLASH_MTD_H
#define PP_POSIX_FLASH_MTD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "port.h"

/* The calls of the kernel that are used, each as of that name in POSIX. */
struct pp_mtd_calls {
    int (*ioctl)(int fd, unsigned long request, void *argument);
    ssize_t (*pread)(int fd, void *out, size_t len, off_t at);
    ssize_t (*pwrite)(int fd, const void *bytes, size_t len, off_t at);
};

struct pp_flash_mtd {
    int fd; /* -1 when closed */
    struct pp_mtd_calls calls;
    uint32_t block_bytes;
    bool erases;     /* false: RAM behind MTD, erased by writing FF */
    bool bad_blocks; /* the chip tells them */
};

/*
 * Look at an open MTD device, unlock it where it powers up locked, and fill in *out, which uses *m.
 * `calls` NULL: the kernel's. The descriptor becomes m's.
 * Returns 0, or PP_IO_FAILED: errno says why, and `words` (cap bytes, a string) in plain words.
 */
int pp_flash_mtd_init(struct pp_flash_mtd *m, int fd, const struct pp_mtd_calls *calls,
                      struct pp_flash *out, char *words, size_t cap);
void pp_flash_mtd_close(struct pp_flash_mtd *m);

#endif
