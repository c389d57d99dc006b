/* test_part.c - a range of blocks as a medium of its own, and who has which blocks */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "store/part.h"
#include "support/ram_flash.h"

static void splits_by_the_rule(void **state)
{
    (void)state;
    static const struct {
        uint32_t block_bytes, block_count, log, kv;
    } rows[] = {
        {4096, 16, 14, 2},  {4096, 63, 61, 2},        {4096, 64, 60, 4}, {8192, 64, 62, 2},
        {65536, 64, 62, 2}, {65536, 65536, 65534, 2}, {16384, 6, 4, 2},  {262144, 16, 14, 2},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pp_flash whole = {.block_bytes = rows[i].block_bytes,
                                 .block_count = rows[i].block_count};
        struct pp_store_split split;
        assert_int_equal(pp_store_split(&whole, &split), PP_OK);
        assert_int_equal(split.log_blocks, rows[i].log);
        assert_int_equal(split.kv_blocks, rows[i].kv);
    }
    struct pp_flash small = {.block_bytes = 16384, .block_count = 5};
    struct pp_store_split split;
    assert_int_equal(pp_store_split(&small, &split), PP_ERR_RANGE);
}

static unsigned begun, done;

static void on_sync(void *ctx, bool is_done)
{
    assert_ptr_equal(ctx, &begun);
    if (is_done)
        done++;
    else
        begun++;
}

static void reaches_its_own_blocks_only(void **state)
{
    (void)state;
    struct ram_flash f;
    struct pp_flash_part part;
    uint8_t bytes[16];
    ram_flash_init(&f, 1, 256, 1024, 8, 0xFF);
    pp_flash_part_init(&part, &f.flash, 3, 2);
    const struct pp_flash *p = &part.flash;
    assert_int_equal(p->block_count, 2);
    assert_int_equal(p->program(p->ctx, 1024, "inside", 6), 0);
    assert_memory_equal(f.now + 4 * 1024, "inside", 6);
    assert_int_equal(p->read(p->ctx, 1024, bytes, 6), 0);
    assert_memory_equal(bytes, "inside", 6);
    assert_true(p->program(p->ctx, 2048, "x", 1) < 0);
    assert_true(p->program(p->ctx, UINT64_MAX - 1024, "x", 1) < 0);
    assert_true(p->read(p->ctx, 2040, bytes, 16) < 0);
    assert_true(p->erase(p->ctx, 2) < 0);
    assert_int_equal(p->erase(p->ctx, 1), 0);
    assert_int_equal(f.now[4 * 1024], 0xFF);
    assert_int_equal(f.operations, 2);
    assert_int_equal(f.rules_broken, 0);
    ram_flash_free(&f);
}

static void tells_of_syncs(void **state)
{
    (void)state;
    struct ram_flash f;
    struct pp_flash_part part;
    ram_flash_init(&f, 1, 256, 1024, 8, 0xFF);
    pp_flash_part_init(&part, &f.flash, 0, 4);
    const struct pp_flash *p = &part.flash;
    assert_int_equal(p->sync_begin(p->ctx), 1);
    part.on_sync = on_sync;
    part.on_sync_ctx = &begun;
    begun = done = 0;
    assert_int_equal(p->sync_begin(p->ctx), 1);
    assert_int_equal(begun * 10 + done, 11);
    f.lazy_sync = true;
    assert_int_equal(p->sync_begin(p->ctx), 0);
    assert_int_equal(begun * 10 + done, 21);
    assert_int_equal(p->sync_done(p->ctx), 0);
    assert_int_equal(begun * 10 + done, 21);
    assert_int_equal(p->sync_done(p->ctx), 1);
    assert_int_equal(begun * 10 + done, 22);
    f.broken_sync = true;
    assert_true(p->sync_begin(p->ctx) < 0);
    assert_int_equal(done, 2);
    ram_flash_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_by_the_rule),
        cmocka_unit_test(reaches_its_own_blocks_only),
        cmocka_unit_test(tells_of_syncs),
    };
    return cmocka_run_group_tests_name("part", tests, NULL, NULL);
}
