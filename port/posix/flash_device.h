/*
 * flash_device.h - the store's medium, whatever it is: a file, a block device or an MTD chip
 *
 * Job:      tell by the path which of them it is, and open it for this daemon alone.
 * Not here: each of them (flash_file.h, flash_mtd.h).
 */
#ifndef PP_POSIX_FLASH_DEVICE_H
#define PP_POSIX_FLASH_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include "flash_file.h"
#include "flash_mtd.h"
#include "port.h"

struct pp_flash_device {
    struct pp_flash_file file; /* one of these is open */
    struct pp_flash_mtd mtd;
};

/* Nothing is open. */
void pp_flash_device_init(struct pp_flash_device *d);
/*
 * Open the medium at `path_z`; a file that is not there is made, `size_bytes` long.
 *
 * out       filled in; uses *d, which must stay where it is until pp_flash_device_close()
 * words     why not, as a string of up to cap bytes
 * Returns   0, PP_IO_BUSY (another process has it open), PP_IO_FAILED (errno says why too)
 */
int pp_flash_device_open(struct pp_flash_device *d, const char *path_z, uint64_t size_bytes,
                         struct pp_flash *out, char *words, size_t cap);
/* Its file descriptor. */
int pp_flash_device_fd(const struct pp_flash_device *d);
void pp_flash_device_close(struct pp_flash_device *d);

#endif
