/*
 * flash_mtd.c - a raw flash chip of Linux: /dev/mtdN
 *
 * Job:      MTD's ioctls, pread and pwrite behind struct pp_flash.
 * Not here: which device, and that one daemon alone has it (flash_device.c).
 */
#include "flash_mtd.h"

#include <errno.h>
#include <mtd/mtd-user.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "profile.h"

#define PROGRAM_BYTES 4096u
#define BLOCKS_MIN    4u

/* ---- operations ---- */

static int flash_read(void *ctx, uint64_t address, void *out, size_t len)
{
    const struct pp_flash_mtd *m = ctx;
    uint8_t *to = out;
    while (len > 0) {
        ssize_t n = m->calls.pread(m->fd, to, len, (off_t)address);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return PP_IO_FAILED;
        to += n;
        address += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

static int write_all(const struct pp_flash_mtd *m, uint64_t address, const uint8_t *bytes,
                     size_t len)
{
    while (len > 0) {
        ssize_t n = m->calls.pwrite(m->fd, bytes, len, (off_t)address);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return PP_IO_FAILED;
        bytes += n;
        address += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

/* A block that its maker or an earlier user marked; the mark would be lost with an erase. */
static bool is_bad(struct pp_flash_mtd *m, uint64_t address)
{
    loff_t at = (loff_t)(address - address % m->block_bytes);
    return m->bad_blocks && m->calls.ioctl(m->fd, MEMGETBADBLOCK, &at) > 0;
}

static int flash_program(void *ctx, uint64_t address, const void *bytes, size_t len)
{
    struct pp_flash_mtd *m = ctx;
    return is_bad(m, address) ? PP_IO_FAILED : write_all(m, address, bytes, len);
}

static int fill_block(const struct pp_flash_mtd *m, uint64_t address)
{
    uint8_t erased[512];
    memset(erased, 0xFF, sizeof(erased));
    for (uint32_t done = 0; done < m->block_bytes; done += sizeof(erased)) {
        uint32_t left = m->block_bytes - done;
        size_t take = left < sizeof(erased) ? left : sizeof(erased);
        if (write_all(m, address + done, erased, take) < 0)
            return PP_IO_FAILED;
    }
    return 0;
}

static int flash_erase(void *ctx, uint32_t block)
{
    struct pp_flash_mtd *m = ctx;
    uint64_t address = (uint64_t)block * m->block_bytes;
    struct erase_info_user range = {.start = (uint32_t)address, .length = m->block_bytes};
    if (is_bad(m, address))
        return PP_IO_FAILED;
    if (!m->erases)
        return fill_block(m, address);
    return m->calls.ioctl(m->fd, MEMERASE, &range) < 0 ? PP_IO_FAILED : 0;
}

static int flash_sync_begin(void *ctx)
{
    (void)ctx;
    return 1;
}

static int flash_sync_done(void *ctx)
{
    (void)ctx;
    return 1;
}

/* ---- opening ---- */

static int refuse(int error, char *words, size_t cap, const char *why_z)
{
    (void)snprintf(words, cap, "%s", why_z);
    errno = error;
    return PP_IO_FAILED;
}

/* Of cells that hold several bits a torn write can take pages along that were written long ago. */
static int check_kind(const struct mtd_info_user *info, char *words, size_t cap)
{
    if (info->type == MTD_ABSENT || info->type == MTD_ROM || (info->flags & MTD_WRITEABLE) == 0)
        return refuse(EROFS, words, cap, "this flash cannot be written");
    if (info->type == MTD_UBIVOLUME)
        return refuse(EINVAL, words, cap, "a UBI volume: use a file in UBIFS on it");
    if (info->type == MTD_MLCNANDFLASH)
        return refuse(EINVAL, words, cap,
                      "multi-level NAND loses older data in a power cut: use a file in UBIFS");
    return 0;
}

static int check_sizes(const struct mtd_info_user *info, char *words, size_t cap)
{
    uint32_t unit = info->writesize;
    if (unit > PP_STORE_UNIT_MAX)
        return refuse(EINVAL, words, cap,
                      "this flash is written in larger pieces than this build knows "
                      "(PP_STORE_UNIT_MAX)");
    if (unit == 0 || (unit & (unit - 1)) != 0 || info->erasesize % unit != 0)
        return refuse(EINVAL, words, cap,
                      "this flash is not written in pieces of a power of two bytes");
    /* The kernel tells the size in 32 bits: that of a 4 GiB chip is 0. */
    if (info->erasesize == 0 || info->size / info->erasesize < BLOCKS_MIN)
        return refuse(EINVAL, words, cap,
                      "fewer than four erase blocks, or 4 GiB and more: use a partition of it");
    return 0;
}

static ssize_t real_pread(int fd, void *out, size_t len, off_t at)
{
    return pread(fd, out, len, at);
}

static ssize_t real_pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    return pwrite(fd, bytes, len, at);
}

static int real_ioctl(int fd, unsigned long request, void *argument)
{
    return ioctl(fd, request, argument);
}

static uint32_t page_of(const struct mtd_info_user *info)
{
    bool fits = info->erasesize % PROGRAM_BYTES == 0 && PROGRAM_BYTES % info->writesize == 0;
    return fits ? PROGRAM_BYTES : info->writesize;
}

/* Some chips power up locked; of others the boot loader locks all. */
static int unlock(const struct pp_flash_mtd *m, const struct mtd_info_user *info)
{
    struct erase_info_user all = {.start = 0, .length = info->size};
    if ((info->flags & MTD_POWERUP_LOCK) == 0 && m->calls.ioctl(m->fd, MEMISLOCKED, &all) <= 0)
        return 0;
    return m->calls.ioctl(m->fd, MEMUNLOCK, &all) < 0 && errno != EOPNOTSUPP ? PP_IO_FAILED : 0;
}

int pp_flash_mtd_init(struct pp_flash_mtd *m, int fd, const struct pp_mtd_calls *calls,
                      struct pp_flash *out, char *words, size_t cap)
{
    struct mtd_info_user info = {0};
    loff_t start = 0;
    *m = (struct pp_flash_mtd){.fd = fd, .calls = {real_ioctl, real_pread, real_pwrite}};
    if (calls != NULL)
        m->calls = *calls;
    if (m->calls.ioctl(fd, MEMGETINFO, &info) < 0)
        return refuse(errno, words, cap, "the kernel tells nothing about this flash");
    if (check_kind(&info, words, cap) != 0 || check_sizes(&info, words, cap) != 0)
        return PP_IO_FAILED;
    if (unlock(m, &info) != 0)
        return refuse(errno, words, cap, "this flash is locked and cannot be unlocked");
    m->block_bytes = info.erasesize;
    m->erases = (info.flags & MTD_NO_ERASE) == 0;
    m->bad_blocks = m->calls.ioctl(fd, MEMGETBADBLOCK, &start) >= 0;
    *out = (struct pp_flash){
        .ctx = m,
        .program_unit_bytes = info.writesize,
        .page_bytes = page_of(&info),
        .block_bytes = info.erasesize,
        .block_count = info.size / info.erasesize,
        .erased_value = 0xFF,
        .read = flash_read,
        .program = flash_program,
        .erase = flash_erase,
        .sync_begin = flash_sync_begin,
        .sync_done = flash_sync_done,
    };
    return 0;
}

void pp_flash_mtd_close(struct pp_flash_mtd *m)
{
    if (m->fd >= 0)
        (void)close(m->fd);
    m->fd = -1;
}
