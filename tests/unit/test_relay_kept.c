/* test_relay_kept.c - the relay's seed and time floor, over a medium in memory */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "relay.h"
#include "support/ram_flash.h"

#define BLOCK   4096u
#define BLOCKS  16u
#define START_S (PP_WALL_FLOOR_S + 1000000)
#define DAY_S   86400
#define HOUR_MS (60u * 60 * 1000)

static struct pp_port port;
static struct pp_config config;
static struct ram_flash ram;
static uint64_t clock_ms;
static int64_t wall;
static uint8_t entropy_byte;
static struct pp_relay *relay;

static uint64_t now_ms(void *ctx)
{
    (void)ctx;
    return clock_ms;
}

static int64_t wall_s(void *ctx)
{
    (void)ctx;
    return wall;
}

static int entropy(void *ctx, uint8_t *out, size_t len)
{
    (void)ctx;
    memset(out, entropy_byte++, len);
    return 0;
}

static void log_line(void *ctx, enum pp_port_log level, const char *line, size_t len)
{
    (void)ctx;
    (void)level;
    (void)line;
    (void)len;
}

static void make_world(void)
{
    ram_flash_init(&ram, 1, 256, BLOCK, BLOCKS, 0xFF);
    port = (struct pp_port){.now_ms = now_ms,
                            .wall_s = wall_s,
                            .entropy = entropy,
                            .log = log_line,
                            .flash = ram.flash};
    clock_ms = 5000;
    wall = START_S;
}

static enum pp_err start(const struct ram_flash *f)
{
    port.flash = f->flash;
    return pp_relay_start(&port, &config, &relay);
}

/* Until there is nothing more to do at once. */
static void turns(void)
{
    for (int i = 0; i < 40; i++) {
        uint64_t next_ms = pp_relay_turn(relay);
        if (next_ms > clock_ms + 100) /* what can wait a moment is waited for */
            return;
        clock_ms = next_ms > clock_ms ? next_ms : clock_ms;
    }
}

/* What the medium has, read by another. */
static bool look(const struct ram_flash *f, unsigned key, uint8_t *value, size_t cap)
{
    static struct pp_kv kv;
    static struct pp_flash_part part;
    struct pp_store_split split;
    size_t len;
    assert_int_equal(pp_store_split(&f->flash, &split), PP_OK);
    pp_flash_part_init(&part, &f->flash, split.log_blocks, split.kv_blocks);
    assert_int_equal(pp_kv_mount(&kv, &part.flash, true), PP_OK);
    return pp_kv_get(&kv, key, value, cap, &len) == PP_OK && len == cap;
}

static int64_t kept_floor(const struct ram_flash *f)
{
    uint8_t bytes[8];
    return look(f, PP_KV_TIME_FLOOR, bytes, sizeof(bytes)) ? (int64_t)pp_le64_get(bytes) : 0;
}

static void each_start_leaves_another_seed(void **state)
{
    (void)state;
    uint8_t seeds[6][PP_SEED_BYTES];
    make_world();
    for (int i = 0; i < 6; i++) {
        assert_int_equal(start(&ram), PP_OK);
        assert_int_equal(pp_relay_kept_settled(relay), i == 0);
        if (i > 0)
            assert_memory_equal(relay->kept.seed, seeds[i - 1], PP_SEED_BYTES);
        turns();
        assert_int_equal(relay->kept.step, PP_KEPT_SETTLED);
        assert_true(pp_kv_is_durable(&relay->kv));
        assert_true(look(&ram, PP_KV_RANDOM_SEED, seeds[i], PP_SEED_BYTES));
        for (int k = 0; k < i; k++)
            assert_memory_not_equal(seeds[k], seeds[i], PP_SEED_BYTES);
        pp_relay_stop(relay);
    }
    assert_int_equal(ram.rules_broken, 0);
    ram_flash_free(&ram);
}

/* ---- the power goes ---- */

static struct ram_flash after;
static uint8_t used[400][PP_SEED_BYTES];
static unsigned used_count;
static unsigned cuts;

/* Its kept seed was stirred in: then it is not on the medium any more, wherever the power goes. */
static void check_seed(void)
{
    uint8_t seed[PP_SEED_BYTES];
    if (!look(&after, PP_KV_RANDOM_SEED, seed, sizeof(seed)))
        return;
    for (unsigned i = 0; i < used_count; i++)
        assert_memory_not_equal(used[i], seed, sizeof(seed));
}

static void at_operation(struct ram_flash *f, void *ctx)
{
    (void)ctx;
    for (uint64_t way = 0; way < 6; way++) {
        cuts++;
        ram_flash_cut(&after, f, f->operations * 100 + way);
        check_seed();
        assert_true(kept_floor(&after) >= START_S - DAY_S || kept_floor(&after) == 0);
    }
}

static void a_used_seed_is_never_found_again(void **state)
{
    (void)state;
    for (int weak = 0; weak < 2; weak++) {
        make_world();
        ram_flash_init(&after, 1, 256, BLOCK, BLOCKS, 0xFF);
        ram.torn_bits = ram.weak_units = weak == 1;
        ram.lazy_sync = true;
        ram.at_operation = at_operation;
        used_count = 0;
        for (int i = 0; i < 12; i++) {
            uint8_t seed[PP_SEED_BYTES];
            wall += DAY_S * 2;
            assert_int_equal(start(&ram), PP_OK);
            memcpy(seed, relay->kept.seed, sizeof(seed));
            bool had = relay->kept.has_seed;
            for (int turn = 0; turn < 20; turn++) {
                (void)pp_relay_turn(relay);
                if (had && relay->kept.step == PP_KEPT_SETTLED) {
                    memcpy(used[used_count++], seed, sizeof(seed));
                    had = false;
                    ram_flash_cut(&after, &ram, 7);
                    check_seed();
                }
            }
            assert_int_equal(relay->kept.step, PP_KEPT_SETTLED);
        }
        assert_int_equal(used_count, 11);
        assert_int_equal(ram.rules_broken, 0);
        ram_flash_free(&ram);
        ram_flash_free(&after);
    }
    assert_true(cuts > 400);
    print_message("%u cuts\n", cuts);
}

/* A start that the power cut short: the next one is as good. */
static void starts_after_a_cut_anywhere(void **state)
{
    (void)state;
    unsigned tried = 0;
    for (uint64_t cut = 1; cut < 60; cut++) {
        make_world();
        ram.seed = cut;
        ram.cut_at = cut;
        for (int i = 0; i < 4 && !ram.off; i++) {
            wall += DAY_S;
            assert_int_equal(start(&ram), PP_OK);
            turns();
        }
        tried += ram.off;
        ram_power_on(&ram);
        assert_int_equal(start(&ram), PP_OK);
        turns();
        assert_false(relay->kv.failed);
        assert_int_equal(relay->kept.step, PP_KEPT_SETTLED);
        assert_true(pp_kv_is_durable(&relay->kv));
        assert_int_equal(ram.rules_broken, 0);
        ram_flash_free(&ram);
    }
    assert_true(tried > 20);
}

/* ---- the floor ---- */

static void keeps_the_latest_time_once_a_day(void **state)
{
    (void)state;
    make_world();
    assert_int_equal(start(&ram), PP_OK);
    turns();
    assert_int_equal(kept_floor(&ram), START_S);
    uint64_t before = ram.operations;
    for (int hour = 1; hour < 24; hour++) {
        clock_ms += HOUR_MS;
        wall += 3600;
        assert_true(pp_relay_turn(relay) <= clock_ms + HOUR_MS);
        turns();
    }
    assert_int_equal(ram.operations, before);
    clock_ms += HOUR_MS;
    wall += 3600;
    turns();
    assert_int_equal(kept_floor(&ram), START_S + DAY_S);
    /* At a start too, and only what is later. */
    wall += 60;
    assert_int_equal(start(&ram), PP_OK);
    assert_int_equal(relay->kept.floor_s, START_S + DAY_S);
    turns();
    assert_int_equal(kept_floor(&ram), wall);
    int64_t latest = wall;
    wall -= 30;
    assert_int_equal(start(&ram), PP_OK);
    turns();
    assert_int_equal(kept_floor(&ram), latest);
    /* A known clock is believed when it goes back further. */
    wall -= 400 * DAY_S;
    assert_true(wall < PP_WALL_FLOOR_S);
    assert_int_equal(start(&ram), PP_OK);
    turns();
    assert_int_equal(kept_floor(&ram), latest);
    wall = START_S - 5 * DAY_S;
    assert_int_equal(start(&ram), PP_OK);
    turns();
    assert_int_equal(kept_floor(&ram), wall);
    ram_flash_free(&ram);
}

static void waits_for_a_clock(void **state)
{
    (void)state;
    make_world();
    wall = PP_WALL_UNKNOWN;
    assert_int_equal(start(&ram), PP_OK);
    turns();
    assert_int_equal(kept_floor(&ram), 0);
    clock_ms += HOUR_MS;
    wall = START_S;
    turns();
    assert_int_equal(kept_floor(&ram), START_S);
    ram_flash_free(&ram);
}

/* ---- refusals ---- */

static void refuses_both_or_none(void **state)
{
    (void)state;
    uint8_t *kv_bytes;
    make_world();
    kv_bytes = ram.now + (BLOCKS - 2) * BLOCK;
    /* Somebody's data in the last blocks of a medium without a log. */
    memset(kv_bytes, 'x', 100);
    assert_int_equal(start(&ram), PP_ERR_VERSION);
    assert_int_equal(ram.operations, 0);
    memset(kv_bytes, 0xFF, 100);
    /* ... in the first ones, the others blank. */
    memset(ram.now, 'x', 100);
    assert_int_equal(start(&ram), PP_ERR_VERSION);
    assert_int_equal(ram.operations, 0);
    memset(ram.now, 0xFF, 100);
    assert_int_equal(start(&ram), PP_OK);
    turns();
    /* Rubbish beside our log was ours. */
    memset(kv_bytes, 'x', 2 * BLOCK);
    assert_int_equal(start(&ram), PP_OK);
    assert_int_equal(relay->kv.report.halves_lost, 2);
    assert_false(relay->kept.has_seed);
    turns();
    assert_int_equal(relay->kept.step, PP_KEPT_SETTLED);
    assert_true(pp_kv_is_durable(&relay->kv));
    ram_flash_free(&ram);
}

static void mail_goes_on_when_the_last_blocks_fail(void **state)
{
    (void)state;
    for (int kind = RAM_FAIL_ERASE; kind <= RAM_FAIL_READ; kind++) {
        make_world();
        assert_int_equal(start(&ram), PP_OK);
        turns();
        ram_flash_fault(&ram, (struct ram_fault){.kind = (enum ram_fault_kind)kind,
                                                 .address = (BLOCKS - 2) * BLOCK});
        assert_int_equal(start(&ram), PP_OK);
        turns();
        assert_int_equal(relay->kept.step, PP_KEPT_SETTLED);
        assert_false(relay->store_failed);
        assert_true(pp_relay_kept_settled(relay));
        /* Nothing is tried again and again. */
        uint64_t before = ram.operations;
        clock_ms += 2000;
        assert_true(pp_relay_turn(relay) > clock_ms);
        assert_int_equal(ram.operations, before);
        ram_flash_free(&ram);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_start_leaves_another_seed),
        cmocka_unit_test(a_used_seed_is_never_found_again),
        cmocka_unit_test(starts_after_a_cut_anywhere),
        cmocka_unit_test(keeps_the_latest_time_once_a_day),
        cmocka_unit_test(waits_for_a_clock),
        cmocka_unit_test(refuses_both_or_none),
        cmocka_unit_test(mail_goes_on_when_the_last_blocks_fail),
    };
    return cmocka_run_group_tests_name("relay kept", tests, NULL, NULL);
}
