/* test_flash_mtd.c - an MTD device, played by a chip in memory that keeps MTD's rules */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <mtd/mtd-user.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../../port/posix/flash_device.h"
#include "../../port/posix/flash_mtd.h"
#include "profile.h"
#include "queue/queue.h"

#define BLOCKS_MAX 32u
#define BYTES_MAX  (BLOCKS_MAX * 16384u)

/* The chip. */
static struct {
    struct mtd_info_user info;
    uint8_t bytes[BYTES_MAX];
    bool bad[BLOCKS_MAX];
    bool knows_bad_blocks;
    bool locked;
    bool never_unlocks;
    int fails;               /* every call, with this error */
    uint32_t fails_to_erase; /* block number + 1 */
    unsigned rules_broken;
    unsigned short_transfers; /* so many reads and writes come short or interrupted */
    unsigned erases;
} chip;

static int fail_with(int error)
{
    errno = error;
    return -1;
}

static int chip_erase(const struct erase_info_user *range)
{
    uint32_t block = range->start / chip.info.erasesize;
    if (range->start % chip.info.erasesize != 0 || range->length != chip.info.erasesize ||
        (chip.info.flags & MTD_NO_ERASE) != 0 || chip.locked || chip.bad[block]) {
        chip.rules_broken++;
        return fail_with(EIO);
    }
    if (block + 1 == chip.fails_to_erase)
        return fail_with(EIO);
    memset(chip.bytes + range->start, 0xFF, range->length);
    chip.erases++;
    return 0;
}

static int chip_ioctl(int fd, unsigned long request, void *argument)
{
    (void)fd;
    if (chip.fails != 0)
        return fail_with(chip.fails);
    switch (request) {
    case MEMGETINFO:
        memcpy(argument, &chip.info, sizeof(chip.info));
        return 0;
    case MEMERASE:
        return chip_erase(argument);
    case MEMISLOCKED:
        return chip.locked ? 1 : 0;
    case MEMUNLOCK:
        if (chip.never_unlocks)
            return fail_with(EIO);
        chip.locked = false;
        return 0;
    case MEMGETBADBLOCK:
        if (!chip.knows_bad_blocks)
            return fail_with(EOPNOTSUPP);
        return chip.bad[*(loff_t *)argument / (loff_t)chip.info.erasesize] ? 1 : 0;
    default:
        return fail_with(ENOTTY);
    }
}

static ssize_t transfer(size_t len)
{
    if (chip.short_transfers == 0 || len <= chip.info.writesize)
        return (ssize_t)len;
    chip.short_transfers--;
    if (chip.short_transfers % 2 == 0)
        return fail_with(EINTR);
    return (ssize_t)(len / 2 / chip.info.writesize * chip.info.writesize);
}

static ssize_t chip_pread(int fd, void *out, size_t len, off_t at)
{
    (void)fd;
    if (chip.fails != 0)
        return fail_with(chip.fails);
    if (at < 0 || (uint64_t)at + len > chip.info.size)
        return 0;
    ssize_t n = transfer(len);
    if (n > 0)
        memcpy(out, chip.bytes + at, (size_t)n);
    return n;
}

static ssize_t chip_pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    const uint8_t *from = bytes;
    (void)fd;
    if (chip.fails != 0)
        return fail_with(chip.fails);
    if (at < 0 || (uint64_t)at + len > chip.info.size || chip.locked ||
        (uint64_t)at % chip.info.writesize != 0 || len % chip.info.writesize != 0) {
        chip.rules_broken++;
        return fail_with(EINVAL);
    }
    ssize_t n = transfer(len);
    for (ssize_t i = 0; i < n; i++) {
        if ((chip.info.flags & MTD_NO_ERASE) == 0 && chip.bytes[at + i] != 0xFF)
            chip.rules_broken++;
        chip.bytes[at + i] = from[i];
    }
    return n;
}

static const struct pp_mtd_calls calls = {chip_ioctl, chip_pread, chip_pwrite};

static void new_chip(uint8_t type, uint32_t flags, uint32_t writesize, uint32_t erasesize)
{
    memset(&chip, 0, sizeof(chip));
    memset(chip.bytes, 0xFF, sizeof(chip.bytes));
    chip.info = (struct mtd_info_user){.type = type,
                                       .flags = flags,
                                       .size = erasesize * BLOCKS_MAX,
                                       .erasesize = erasesize,
                                       .writesize = writesize};
}

static struct pp_flash_mtd m;
static struct pp_flash flash;
static char words[200];

static int init(void)
{
    return pp_flash_mtd_init(&m, -1, &calls, &flash, words, sizeof(words));
}

/* A queue lives in it: messages come and go, over mounts, all the way round. */
static void live(void)
{
    static struct pp_queue q;
    static const uint8_t content[3000] = {'x'};
    const struct pp_queue_limits limits = {.message_bytes = 1u << 20, .recipients = 100};
    const struct pp_envelope e = {.sender = {"a@b", 3}};
    const struct pp_result done = {0, PP_OUTCOME_DELIVERED, {NULL, 0}};
    struct pp_queue_writer *w;
    struct pp_ticket ticket;
    uint32_t before = 0;
    for (int round = 0; round < 200; round++) {
        if (round % 10 == 0)
            assert_int_equal(pp_queue_mount(&q, &flash, &limits), PP_OK);
        assert_int_equal(q.entry_count, round > 0 ? 1 : 0);
        assert_int_equal(pp_queue_open(&q, &e, sizeof(content), 0, &w), PP_OK);
        assert_int_equal(pp_queue_recipient(&q, w, pp_text_z("c@d")), PP_OK);
        assert_int_equal(pp_queue_write(&q, w, content, sizeof(content)), PP_OK);
        assert_int_equal(pp_queue_seal(&q, w, 0, &ticket), PP_OK);
        if (round > 0)
            assert_int_equal(pp_queue_results(&q, before, &done, 1), PP_OK);
        before = ticket.id;
        while (pp_queue_clean(&q) || pp_queue_wants_sync(&q))
            assert_int_equal(pp_queue_sync(&q), PP_OK);
    }
    assert_true(q.ring.next_lap > 2 * BLOCKS_MAX);
    assert_int_equal(chip.rules_broken, 0);
}

static void nor(void **state)
{
    (void)state;
    new_chip(MTD_NORFLASH, MTD_CAP_NORFLASH, 1, 4096);
    assert_int_equal(init(), 0);
    assert_int_equal(flash.program_unit_bytes, 1);
    assert_int_equal(flash.page_bytes, 4096);
    assert_int_equal(flash.block_bytes, 4096);
    assert_int_equal(flash.block_count, BLOCKS_MAX);
    assert_int_equal(flash.erased_value, 0xFF);
    chip.short_transfers = 500;
    live();
    assert_true(chip.erases > 50);
}

static void nor_that_powers_up_locked(void **state)
{
    (void)state;
    new_chip(MTD_NORFLASH, MTD_CAP_NORFLASH | MTD_POWERUP_LOCK, 1, 4096);
    chip.locked = true;
    assert_int_equal(init(), 0);
    live();
    chip.locked = chip.never_unlocks = true;
    assert_int_equal(init(), PP_IO_FAILED);
    assert_int_equal(errno, EIO);
    assert_string_equal(words, "this flash is locked and cannot be unlocked");
}

static void nor_that_the_boot_loader_locked(void **state)
{
    (void)state;
    new_chip(MTD_NORFLASH, MTD_CAP_NORFLASH, 1, 4096);
    chip.locked = true;
    assert_int_equal(init(), 0);
    live();
}

static void what_fails_is_told(void **state)
{
    (void)state;
    uint8_t byte = 1;
    new_chip(MTD_NORFLASH, MTD_CAP_NORFLASH, 1, 4096);
    chip.fails = ENODEV;
    assert_int_equal(init(), PP_IO_FAILED);
    assert_int_equal(errno, ENODEV);
    assert_string_equal(words, "the kernel tells nothing about this flash");
    chip.fails = 0;
    assert_int_equal(init(), 0);
    chip.fails = EIO;
    assert_int_equal(flash.read(flash.ctx, 0, &byte, 1), PP_IO_FAILED);
    assert_int_equal(flash.program(flash.ctx, 0, &byte, 1), PP_IO_FAILED);
    assert_int_equal(flash.erase(flash.ctx, 0), PP_IO_FAILED);
    chip.fails = 0;
    assert_int_equal(flash.read(flash.ctx, chip.info.size, &byte, 1), PP_IO_FAILED);
    assert_int_equal(flash.program(flash.ctx, chip.info.size, &byte, 1), PP_IO_FAILED);
}

static void nand_with_bad_blocks(void **state)
{
    (void)state;
    new_chip(MTD_NANDFLASH, MTD_CAP_NANDFLASH, 2048, 16384);
    chip.knows_bad_blocks = true;
    chip.bad[0] = chip.bad[7] = true;
    chip.fails_to_erase = 12 + 1;
    assert_int_equal(init(), 0);
    assert_int_equal(flash.program_unit_bytes, 2048);
    assert_int_equal(flash.page_bytes, 4096);
    assert_true(flash.erase(flash.ctx, 7) < 0);
    assert_true(flash.program(flash.ctx, 7 * 16384 + 4096, chip.bytes, 2048) < 0);
    live();
}

static void ram_behind_mtd(void **state)
{
    (void)state;
    new_chip(MTD_RAM, MTD_CAP_RAM, 1, 4096);
    assert_int_equal(init(), 0);
    memset(chip.bytes, 0x55, 4096);
    assert_int_equal(flash.erase(flash.ctx, 0), 0);
    assert_int_equal(chip.bytes[4095], 0xFF);
    live();
    /* Blocks that are no multiple of what is written at a time. */
    new_chip(MTD_RAM, MTD_CAP_RAM, 1, 700);
    assert_int_equal(init(), 0);
    memset(chip.bytes, 0x55, 2100);
    assert_int_equal(flash.erase(flash.ctx, 1), 0);
    assert_int_equal(chip.bytes[699], 0x55);
    assert_int_equal(chip.bytes[700], 0xFF);
    assert_int_equal(chip.bytes[1399], 0xFF);
    assert_int_equal(chip.bytes[1400], 0x55);
}

static void refused(uint8_t type, uint32_t flags, uint32_t writesize, uint32_t erasesize, int error)
{
    new_chip(type, flags, writesize, erasesize);
    words[0] = '\0';
    assert_int_equal(init(), PP_IO_FAILED);
    assert_int_equal(errno, error);
    assert_true(strlen(words) > 10);
}

static void what_does_not_fit_is_refused_with_words(void **state)
{
    (void)state;
    refused(MTD_ROM, MTD_CAP_ROM, 1, 4096, EROFS);
    refused(MTD_NORFLASH, 0, 1, 4096, EROFS);
    refused(MTD_ABSENT, MTD_CAP_NORFLASH, 1, 4096, EROFS);
    refused(MTD_UBIVOLUME, MTD_WRITEABLE, 1, 4096, EINVAL);
    refused(MTD_NANDFLASH, MTD_CAP_NANDFLASH, PP_STORE_UNIT_MAX * 2, 16384, EINVAL);
    refused(MTD_NANDFLASH, MTD_CAP_NANDFLASH, 0, 16384, EINVAL);
    refused(MTD_MLCNANDFLASH, MTD_CAP_NANDFLASH, 2048, 16384, EINVAL);
    refused(MTD_DATAFLASH, MTD_WRITEABLE, 1056, 8448, EINVAL);
    refused(MTD_NORFLASH, MTD_CAP_NORFLASH, 256, 4000, EINVAL);
    refused(MTD_NORFLASH, MTD_CAP_NORFLASH, 1, 0, EINVAL);
    new_chip(MTD_NORFLASH, MTD_CAP_NORFLASH, 1, 4096);
    chip.info.size = 3 * 4096;
    assert_int_equal(init(), PP_IO_FAILED);
    assert_int_equal(errno, EINVAL);
}

/* What is no MTD device but looks like a path of one. */
static void other_paths_are_files(void **state)
{
    (void)state;
    struct pp_flash_device d;
    assert_int_equal(pp_flash_device_open(&d, "/dev/null", 65536, &flash, words, sizeof(words)),
                     PP_IO_FAILED);
    assert_int_equal(errno, EINVAL);
    assert_string_equal(words, "no file or block device of 64 KiB or more");
    assert_int_equal(pp_flash_device_fd(&d), -1);
    pp_flash_device_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nor),
        cmocka_unit_test(nor_that_powers_up_locked),
        cmocka_unit_test(nor_that_the_boot_loader_locked),
        cmocka_unit_test(what_fails_is_told),
        cmocka_unit_test(nand_with_bad_blocks),
        cmocka_unit_test(ram_behind_mtd),
        cmocka_unit_test(what_does_not_fit_is_refused_with_words),
        cmocka_unit_test(other_paths_are_files),
    };
    return cmocka_run_group_tests_name("flash_mtd", tests, NULL, NULL);
}
