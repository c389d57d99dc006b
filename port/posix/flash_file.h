/*
 * flash_file.h - a flash in one file (or block device), flash rules enforced
 *
 * Job:      offer a file as struct pp_flash: locked, its space allocated ahead, synced for real.
 * Not here: what is stored in it (src/store/ring.h).
 *
 * Geometry: block 64 KiB; 4 KiB below 4 MiB of medium, where sectors are not larger than 512
 * bytes; 256 KiB from 1 GiB on. A program may be as long as a block. The erased value is 00, so
 * that erasing is one call (FALLOC_FL_ZERO_RANGE) that writes nothing and keeps the space
 * allocated: what was accepted always has room, even on a file system that is full. Where that
 * cannot be done, zeros are written. What is left at the end of a device is not used.
 *
 * A block device (an SD card, an eMMC's partition) is written in units of its sector, each once. In
 * a file the unit is 1 byte: behind it a disk is taken to keep the bytes of a sector that a torn
 * write did not change (SQLite calls that "powersafe overwrite").
 *
 * Programs are pwrite(); only a sync, which is fdatasync(), makes them durable. A program out of a
 * block or not of whole units is a fault of ours, is said on stderr and fails.
 */
#ifndef PP_POSIX_FLASH_FILE_H
#define PP_POSIX_FLASH_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "port.h"

#define PP_FLASH_FILE_BYTES_MIN (64u * 1024)

struct pp_flash_file {
    int fd; /* -1 when closed */
    uint32_t block_bytes;
    uint32_t unit_bytes;
    bool zero_range;  /* the file system can erase by FALLOC_FL_ZERO_RANGE */
    bool sync_failed; /* once a sync failed nothing written can be trusted: no more succeed */
    bool checked;     /* tests set it: a program first reads whether its bytes are erased */
};

/*
 * Open the file at `path_z`, or make it: `size_bytes` long (rounded up to whole blocks), mode
 * 0600, allocated, appearing under its name only when it is complete. A file that is there
 * keeps its size. Symbolic links are not followed. What the file holds is durable on return.
 *
 * out       filled in; uses *f, which must stay where it is until pp_flash_file_close()
 * Returns   0, PP_IO_BUSY (another process has it open), PP_IO_FAILED (errno says why; EINVAL:
 *           smaller than PP_FLASH_FILE_BYTES_MIN, neither a file nor a block device, or sectors
 *           larger than PP_STORE_UNIT_MAX)
 */
int pp_flash_file_open(struct pp_flash_file *f, const char *path_z, uint64_t size_bytes,
                       struct pp_flash *out);
void pp_flash_file_close(struct pp_flash_file *f);

#endif
