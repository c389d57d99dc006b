/* test_kv.c - the small key-value of two copies: values, refusals, damage, blocks that fail (cuts
 * of the power are in test_kv_cut.c) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "store/kv.h"
#include "support/ram_flash.h"

struct geometry {
    uint32_t unit, page, block, count;
    uint8_t erased;
};

static const struct geometry geometries[] = {
    {1, 256, 4096, 2, 0xFF},    {4, 256, 4096, 2, 0xFF},   {16, 16, 2048, 2, 0xFF},
    {256, 256, 4096, 2, 0xFF},  {512, 512, 4096, 2, 0x00}, {1, 4096, 65536, 2, 0x00},
    {512, 4096, 8192, 2, 0xFF}, {8, 64, 1024, 4, 0x00},    {1, 256, 1024, 4, 0xFF},
    {512, 512, 4096, 4, 0xFF},
};
#define GEOMETRIES (sizeof(geometries) / sizeof(geometries[0]))

static struct pp_kv kv;

static void start(struct ram_flash *f, const struct geometry *g)
{
    ram_flash_init(f, g->unit, g->page, g->block, g->count, g->erased);
    assert_int_equal(pp_kv_mount(&kv, &f->flash, false), PP_OK);
}

static void remount(struct ram_flash *f)
{
    assert_int_equal(pp_kv_mount(&kv, &f->flash, false), PP_OK);
}

static void sync(struct ram_flash *f)
{
    for (int i = 0; i < 10 && pp_kv_wants_sync(&kv); i++) {
        pp_kv_sync_begun(&kv);
        assert_int_equal(f->flash.sync_begin(f), 1);
        assert_int_equal(pp_kv_synced(&kv), PP_OK);
    }
    assert_true(pp_kv_is_durable(&kv));
}

static void fill(uint8_t *value, uint32_t id, size_t len)
{
    for (size_t i = 0; i < len; i++)
        value[i] = (uint8_t)(id * 31 + i * 7 + (i >> 8));
}

static enum pp_err put(unsigned key, uint32_t id, size_t len)
{
    uint8_t value[PP_KV_VALUE_MAX + 1];
    fill(value, id, len);
    return pp_kv_put(&kv, key, value, len);
}

static void assert_value(unsigned key, uint32_t id, size_t len)
{
    uint8_t got[PP_KV_VALUE_MAX], want[PP_KV_VALUE_MAX];
    size_t got_len;
    fill(want, id, len);
    assert_int_equal(pp_kv_get(&kv, key, got, sizeof(got), &got_len), PP_OK);
    assert_int_equal(got_len, len);
    assert_memory_equal(got, want, len);
}

static void assert_none(unsigned key)
{
    uint8_t got[PP_KV_VALUE_MAX];
    size_t len = 1;
    assert_int_equal(pp_kv_get(&kv, key, got, sizeof(got), &len), PP_ERR_NOT_FOUND);
    assert_int_equal(len, 0);
}

/* ---- values ---- */

static void keeps_values_of_all_sizes(void **state)
{
    (void)state;
    for (size_t g = 0; g < GEOMETRIES; g++) {
        struct ram_flash f;
        start(&f, &geometries[g]);
        uint32_t max = pp_kv_value_max(&kv);
        assert_true(max >= 1000 || geometries[g].block * geometries[g].count < 8192);
        for (uint32_t len = 0; len <= max; len += len < 70 ? 1 : 61) {
            assert_int_equal(put(PP_KV_CONFIG, len, len), PP_OK);
            assert_value(PP_KV_CONFIG, len, len);
            sync(&f);
            if (len % 5 == 0)
                remount(&f);
            assert_value(PP_KV_CONFIG, len, len);
        }
        assert_int_equal(put(PP_KV_CONFIG, 1, max), PP_OK);
        sync(&f);
        remount(&f);
        assert_value(PP_KV_CONFIG, 1, max);
        assert_int_equal(put(PP_KV_CONFIG, 1, max + 1), PP_ERR_TOO_BIG);
        assert_int_equal(kv.report.values_damaged + kv.report.records_damaged, 0);
        assert_int_equal(f.rules_broken, 0);
        ram_flash_free(&f);
    }
}

static void keeps_each_key_apart(void **state)
{
    (void)state;
    struct ram_flash f;
    start(&f, &geometries[5]);
    const unsigned keys[] = {PP_KV_TIME_FLOOR, PP_KV_RANDOM_SEED, PP_KV_CONFIG};
    for (int round = 0; round < 60; round++) {
        uint32_t id = (uint32_t)round;
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(put(keys[i], id + i, 10 + i), PP_OK);
        for (unsigned slot = 0; slot < PP_SMARTHOSTS; slot++) {
            assert_int_equal(put(PP_KV_SESSION + slot, id + 10 + slot, 900), PP_OK);
            assert_int_equal(put(PP_KV_TOKEN + slot, id + 20 + slot, 33), PP_OK);
        }
        sync(&f);
        if (round % 7 == 0)
            remount(&f);
        for (unsigned i = 0; i < 3; i++)
            assert_value(keys[i], id + i, 10 + i);
        for (unsigned slot = 0; slot < PP_SMARTHOSTS; slot++) {
            assert_value(PP_KV_SESSION + slot, id + 10 + slot, 900);
            assert_value(PP_KV_TOKEN + slot, id + 20 + slot, 33);
        }
    }
    assert_int_equal(put(0, 1, 1), PP_ERR_RANGE);
    assert_int_equal(put(PP_KV_SESSION + PP_SMARTHOSTS, 1, 1), PP_ERR_RANGE);
    assert_int_equal(put(PP_KV_TOKEN + PP_SMARTHOSTS, 1, 1), PP_ERR_RANGE);
    assert_int_equal(f.rules_broken, 0);
    ram_flash_free(&f);
}

static void removes(void **state)
{
    (void)state;
    for (size_t g = 0; g < GEOMETRIES; g++) {
        struct ram_flash f;
        start(&f, &geometries[g]);
        assert_int_equal(pp_kv_remove(&kv, PP_KV_CONFIG), PP_ERR_NOT_FOUND);
        for (uint32_t i = 0; i < 40; i++) {
            assert_int_equal(put(PP_KV_CONFIG, i, 40), PP_OK);
            sync(&f);
            assert_int_equal(put(PP_KV_TIME_FLOOR, i, 8), PP_OK);
            sync(&f);
            if (i % 4 == 1)
                remount(&f);
            assert_int_equal(pp_kv_remove(&kv, PP_KV_CONFIG), PP_OK);
            assert_none(PP_KV_CONFIG);
            sync(&f);
            if (i % 4 > 1)
                remount(&f);
            assert_none(PP_KV_CONFIG);
            assert_value(PP_KV_TIME_FLOOR, i, 8);
        }
        assert_int_equal(f.rules_broken, 0);
        ram_flash_free(&f);
    }
}

static void is_full_when_all_would_not_fit(void **state)
{
    (void)state;
    struct ram_flash f;
    start(&f, &geometries[0]);
    assert_int_equal(put(PP_KV_CONFIG, 1, 2000), PP_OK);
    sync(&f);
    assert_int_equal(put(PP_KV_SESSION, 2, 1800), PP_OK);
    sync(&f);
    assert_int_equal(put(PP_KV_TOKEN, 3, 200), PP_ERR_FULL);
    uint64_t before = f.operations;
    assert_int_equal(put(PP_KV_SESSION, 4, 2000), PP_ERR_FULL);
    assert_int_equal(f.operations, before);
    assert_value(PP_KV_SESSION, 2, 1800);
    /* In place of one that is there, and once one is gone. */
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(put(PP_KV_SESSION, i, 1700 + i), PP_OK);
        sync(&f);
    }
    assert_int_equal(pp_kv_remove(&kv, PP_KV_CONFIG), PP_OK);
    sync(&f);
    assert_int_equal(put(PP_KV_TOKEN, 3, 2000), PP_OK);
    sync(&f);
    remount(&f);
    assert_value(PP_KV_TOKEN, 3, 2000);
    assert_value(PP_KV_SESSION, 4, 1704);
    assert_none(PP_KV_CONFIG);
    ram_flash_free(&f);
}

static void tells_how_much_room_a_value_needs(void **state)
{
    (void)state;
    struct ram_flash f;
    uint8_t small[10];
    size_t len;
    start(&f, &geometries[0]);
    assert_int_equal(put(PP_KV_CONFIG, 1, 11), PP_OK);
    assert_int_equal(pp_kv_get(&kv, PP_KV_CONFIG, small, sizeof(small), &len), PP_ERR_TOO_BIG);
    assert_int_equal(len, 11);
    assert_int_equal(pp_kv_get(&kv, 999, small, sizeof(small), &len), PP_ERR_RANGE);
    ram_flash_free(&f);
}

/* The old half is erased only when the new one is durable and known to be. */
static void waits_for_the_sync_before_it_erases_again(void **state)
{
    (void)state;
    struct ram_flash f;
    start(&f, &geometries[3]);
    assert_int_equal(put(PP_KV_CONFIG, 1, 8), PP_OK);
    assert_false(pp_kv_is_durable(&kv));
    uint32_t id = 1;
    enum pp_err err;
    while ((err = put(PP_KV_CONFIG, id + 1, 8)) == PP_OK)
        id++;
    assert_int_equal(err, PP_ERR_LATER);
    assert_int_equal(id, 13);
    assert_value(PP_KV_CONFIG, id, 8);
    /* A sync that was begun before the last put does not count for it. */
    sync(&f);
    assert_int_equal(put(PP_KV_CONFIG, 20, 8), PP_OK);
    pp_kv_sync_begun(&kv);
    assert_int_equal(put(PP_KV_CONFIG, 21, 8), PP_OK);
    assert_int_equal(pp_kv_synced(&kv), PP_OK);
    assert_false(pp_kv_is_durable(&kv));
    assert_true(pp_kv_wants_sync(&kv));
    sync(&f);
    assert_int_equal(f.rules_broken, 0);
    /* After a mount nothing is appended to what may have a torn end. */
    remount(&f);
    uint32_t generation = kv.half[kv.current].generation;
    assert_int_equal(put(PP_KV_CONFIG, 22, 8), PP_OK);
    assert_int_equal(kv.half[kv.current].generation, generation + 1);
    assert_int_equal(put(PP_KV_CONFIG, 23, 8), PP_OK);
    assert_int_equal(kv.half[kv.current].generation, generation + 1);
    ram_flash_free(&f);
}

static void counts_erases(void **state)
{
    (void)state;
    struct ram_flash f;
    start(&f, &geometries[0]);
    for (uint32_t i = 0; i < 50; i++) {
        remount(&f);
        assert_int_equal(put(PP_KV_RANDOM_SEED, i, 32), PP_OK);
        sync(&f);
    }
    assert_int_equal(kv.half[0].erases, 25);
    assert_int_equal(kv.half[1].erases, 25);
    assert_int_equal(kv.half[kv.current].generation, 50);
    ram_flash_free(&f);
}

/* ---- refusals ---- */

static void refuses_a_geometry_that_does_not_fit(void **state)
{
    (void)state;
    struct ram_flash f;
    ram_flash_init(&f, 1, 256, 4096, 3, 0xFF);
    assert_int_equal(pp_kv_mount(&kv, &f.flash, true), PP_ERR_RANGE);
    f.flash.block_count = 2;
    assert_int_equal(pp_kv_mount(&kv, &f.flash, true), PP_OK);
    f.flash.program_unit_bytes = PP_STORE_UNIT_MAX * 2;
    assert_int_equal(pp_kv_mount(&kv, &f.flash, true), PP_ERR_RANGE);
    f.flash.program_unit_bytes = 1;
    f.flash.erased_value = 0x55;
    assert_int_equal(pp_kv_mount(&kv, &f.flash, true), PP_ERR_RANGE);
    ram_flash_free(&f);
}

static void leaves_foreign_data_alone(void **state)
{
    (void)state;
    struct ram_flash f;
    ram_flash_init(&f, 1, 256, 4096, 2, 0xFF);
    memset(f.now, 'x', 4096);
    assert_int_equal(pp_kv_mount(&kv, &f.flash, false), PP_ERR_VERSION);
    assert_int_equal(put(PP_KV_CONFIG, 1, 1), PP_ERR_FLASH);
    /* The same where the log says that it is ours: lost, and used again. */
    assert_int_equal(pp_kv_mount(&kv, &f.flash, true), PP_OK);
    assert_int_equal(kv.report.halves_lost, 1);
    assert_int_equal(f.operations, 0);
    assert_int_equal(put(PP_KV_CONFIG, 1, 1), PP_OK);
    sync(&f);
    remount(&f);
    assert_value(PP_KV_CONFIG, 1, 1);
    /* Blank is either of the two. */
    memset(f.now, 0, f.bytes);
    remount(&f);
    assert_none(PP_KV_CONFIG);
    f.unreadable = true;
    assert_int_equal(pp_kv_mount(&kv, &f.flash, true), PP_ERR_FLASH);
    assert_none(PP_KV_CONFIG);
    assert_int_equal(put(PP_KV_CONFIG, 1, 1), PP_ERR_FLASH);
    ram_flash_free(&f);
}

static void leaves_other_versions_alone(void **state)
{
    (void)state;
    struct ram_flash f;
    start(&f, &geometries[0]);
    for (uint32_t i = 0; i < 3; i++) {
        remount(&f);
        assert_int_equal(put(PP_KV_CONFIG, i, 100), PP_OK);
        sync(&f);
    }
    uint64_t before = f.operations;
    for (unsigned half = 0; half < 2; half++) {
        uint8_t *header = f.now + 4096 * half;
        header[4] = 2;
        pp_le32_put(header + 40, pp_crc32c(0, header, 40));
        assert_int_equal(pp_kv_mount(&kv, &f.flash, true), PP_ERR_VERSION);
        header[4] = 1;
        pp_le32_put(header + 40, pp_crc32c(0, header, 40));
        assert_int_equal(pp_kv_mount(&kv, &f.flash, true), PP_OK);
    }
    f.flash.program_unit_bytes = 2;
    assert_int_equal(pp_kv_mount(&kv, &f.flash, true), PP_ERR_VERSION);
    assert_int_equal(f.operations, before);
    ram_flash_free(&f);
}

static void a_failed_sync_ends_it(void **state)
{
    (void)state;
    struct ram_flash f;
    start(&f, &geometries[0]);
    assert_int_equal(put(PP_KV_CONFIG, 1, 9), PP_OK);
    pp_kv_sync_begun(&kv);
    pp_kv_sync_failed(&kv);
    assert_false(pp_kv_is_durable(&kv));
    assert_false(pp_kv_wants_sync(&kv));
    assert_int_equal(put(PP_KV_CONFIG, 2, 9), PP_ERR_FLASH);
    assert_int_equal(pp_kv_remove(&kv, PP_KV_CONFIG), PP_ERR_FLASH);
    assert_value(PP_KV_CONFIG, 1, 9);
    ram_flash_free(&f);
}

/* ---- damage ---- */

#define FLIP_KEYS 5u
static const unsigned flip_keys[FLIP_KEYS] = {PP_KV_TIME_FLOOR, PP_KV_RANDOM_SEED, PP_KV_CONFIG,
                                              PP_KV_SESSION, PP_KV_TOKEN + 1};

static size_t flip_len(unsigned k)
{
    return 8 + k * 13;
}

/* The last key is not put again after the mount: its newest is in the base, and in the older half.
 */
static uint32_t newest_id(unsigned k)
{
    return k == FLIP_KEYS - 1 ? 2 : 4;
}

/* Ids 1 and 2 of each key in the older half, 2 to 4 in the current one: base and behind. */
static void fill_both_halves(struct ram_flash *f)
{
    for (uint32_t id = 1; id <= 4; id++) {
        if (id == 3)
            remount(f);
        for (unsigned k = 0; k < FLIP_KEYS && id <= newest_id(k); k++)
            assert_int_equal(put(flip_keys[k], id, flip_len(k)), PP_OK);
        sync(f);
    }
}

/* The id that each key has; how many have not the newest. */
static unsigned read_ids(uint32_t ids[FLIP_KEYS])
{
    unsigned older = 0;
    for (unsigned k = 0; k < FLIP_KEYS; k++) {
        uint8_t got[256], want[256];
        size_t len;
        assert_int_equal(pp_kv_get(&kv, flip_keys[k], got, sizeof(got), &len), PP_OK);
        assert_int_equal(len, flip_len(k));
        for (ids[k] = newest_id(k); ids[k] > 0; ids[k]--) {
            fill(want, ids[k], len);
            if (memcmp(got, want, len) == 0)
                break;
        }
        assert_int_not_equal(ids[k], 0);
        older += ids[k] != newest_id(k);
    }
    return older;
}

static void a_flipped_bit_costs_one_value_its_newest(void **state)
{
    (void)state;
    uint32_t flips = 0, told = 0;
    for (size_t g = 0; g < GEOMETRIES; g++) {
        struct ram_flash f;
        if (geometries[g].block > 8192)
            continue;
        start(&f, &geometries[g]);
        if (pp_kv_half_bytes(&f.flash) <
            pp_kv_base_offset(&f.flash) + 14 * pp_kv_record_bytes(&f.flash, 80)) {
            ram_flash_free(&f);
            continue;
        }
        fill_both_halves(&f);
        for (uint64_t at = 0; at < f.bytes; at++) {
            uint32_t before[FLIP_KEYS], after[FLIP_KEYS];
            ram_flash_flip(&f, at, (uint8_t)(1u << (at * 5 + g) % 8));
            assert_int_equal(pp_kv_mount(&kv, &f.flash, false), PP_OK);
            unsigned older = read_ids(before);
            assert_in_range(older, 0, 1);
            bool said =
                kv.report.values_damaged + kv.report.records_damaged + kv.report.ends_torn > 0;
            assert_true(older == 0 || said);
            flips++;
            told += said;
            /* All is the same when it was moved: on a copy, the power never goes. */
            if (at % 3 == 0) {
                struct ram_flash copy;
                const struct geometry *p = &geometries[g];
                ram_flash_init(&copy, p->unit, p->page, p->block, p->count, p->erased);
                ram_flash_cut(&copy, &f, at);
                remount(&copy);
                (void)read_ids(before);
                assert_int_equal(put(PP_KV_SESSION + 1, 1, 4), PP_OK);
                sync(&copy);
                (void)read_ids(after);
                assert_memory_equal(before, after, sizeof(before));
                remount(&copy);
                (void)read_ids(after);
                assert_memory_equal(before, after, sizeof(before));
                assert_int_equal(kv.report.values_damaged + kv.report.records_damaged, 0);
                ram_flash_free(&copy);
            }
            ram_flash_flip(&f, at, (uint8_t)(1u << (at * 5 + g) % 8));
        }
        assert_int_equal(f.rules_broken, 0);
        ram_flash_free(&f);
    }
    assert_true(told > 1000);
    print_message("%u bits flipped, %u of them told\n", flips, told);
}

static void a_value_without_another_copy_is_lost_and_told(void **state)
{
    (void)state;
    struct ram_flash f;
    uint8_t got[40];
    size_t len;
    start(&f, &geometries[0]);
    assert_int_equal(put(PP_KV_CONFIG, 1, 40), PP_OK);
    assert_int_equal(put(PP_KV_TOKEN, 2, 40), PP_OK);
    sync(&f);
    f.now[kv.values[2].at + PP_KV_RECORD_BYTES + 3] ^= 1;
    remount(&f);
    assert_int_equal(pp_kv_get(&kv, PP_KV_CONFIG, got, sizeof(got), &len), PP_ERR_DAMAGED);
    assert_none(PP_KV_CONFIG);
    assert_int_equal(kv.report.values_damaged, 1);
    assert_int_equal(kv.report.values_lost, 1);
    assert_value(PP_KV_TOKEN, 2, 40);
    ram_flash_free(&f);
}

/* ---- blocks that fail ---- */

/* One half fails for ever: what is there stays readable, and the other goes on while it can. */
static void goes_on_with_one_half(void **state)
{
    (void)state;
    for (int kind = RAM_FAIL_ERASE; kind <= RAM_FAIL_PROGRAM; kind++) {
        for (uint32_t bad = 0; bad < 2; bad++) {
            struct ram_flash f;
            uint32_t good = 0;
            start(&f, &geometries[3]);
            ram_flash_fault(&f, (struct ram_fault){.kind = (enum ram_fault_kind)kind,
                                                   .address = bad * 4096,
                                                   .len = 4096});
            for (uint32_t id = 1; id < 30; id++) {
                enum pp_err err = put(PP_KV_CONFIG, id, 20);
                if (err == PP_OK)
                    good = id;
                assert_true(err == PP_OK || err == PP_ERR_FLASH || err == PP_ERR_LATER);
                for (int i = 0; i < 5 && pp_kv_wants_sync(&kv); i++) {
                    pp_kv_sync_begun(&kv);
                    assert_int_equal(f.flash.sync_begin(&f), 1);
                    (void)!pp_kv_synced(&kv);
                }
                if (good != 0)
                    assert_value(PP_KV_CONFIG, good, 20);
            }
            assert_true(good >= 13); /* all that fits the good half */
            assert_true(kv.report.writes_failed > 0);
            remount(&f);
            assert_value(PP_KV_CONFIG, good, 20);
            assert_int_equal(f.rules_broken, 0);
            ram_flash_free(&f);
        }
    }
}

/* Any one write fails, once: it is tried again in the other half, and nothing is lost. */
static void a_write_that_fails_once_is_tried_again(void **state)
{
    (void)state;
    for (size_t g = 0; g < GEOMETRIES; g++) {
        for (uint64_t after = 0; after < 60; after++) {
            struct ram_flash f;
            uint32_t refused = 0;
            start(&f, &geometries[g]);
            ram_flash_fault(
                &f, (struct ram_fault){.kind = after % 5 == 4 ? RAM_FAIL_ERASE : RAM_FAIL_PROGRAM,
                                       .after = after,
                                       .times = 1});
            f.seed = after;
            for (uint32_t id = 1; id < 12; id++) {
                for (int tries = 0; tries < 4; tries++) {
                    enum pp_err err = put(PP_KV_CONFIG, id, 50);
                    refused += err != PP_OK;
                    sync(&f);
                    if (err == PP_OK)
                        break;
                    assert_true(tries < 3);
                }
                assert_value(PP_KV_CONFIG, id, 50);
            }
            assert_true(refused <= 2);
            remount(&f);
            assert_value(PP_KV_CONFIG, 11, 50);
            assert_int_equal(f.rules_broken, 0);
            ram_flash_free(&f);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_values_of_all_sizes),
        cmocka_unit_test(keeps_each_key_apart),
        cmocka_unit_test(removes),
        cmocka_unit_test(is_full_when_all_would_not_fit),
        cmocka_unit_test(tells_how_much_room_a_value_needs),
        cmocka_unit_test(waits_for_the_sync_before_it_erases_again),
        cmocka_unit_test(counts_erases),
        cmocka_unit_test(refuses_a_geometry_that_does_not_fit),
        cmocka_unit_test(leaves_foreign_data_alone),
        cmocka_unit_test(leaves_other_versions_alone),
        cmocka_unit_test(a_failed_sync_ends_it),
        cmocka_unit_test(a_flipped_bit_costs_one_value_its_newest),
        cmocka_unit_test(a_value_without_another_copy_is_lost_and_told),
        cmocka_unit_test(goes_on_with_one_half),
        cmocka_unit_test(a_write_that_fails_once_is_tried_again),
    };
    return cmocka_run_group_tests_name("kv", tests, NULL, NULL);
}
