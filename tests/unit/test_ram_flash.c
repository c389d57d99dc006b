/* test_ram_flash.c - the flash in memory that other tests stand on: its rules, faults, power cuts
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "support/ram_flash.h"

static struct ram_flash f;
static uint8_t bytes[4096];
static uint8_t got[4096];

static void start(uint32_t unit, uint8_t erased)
{
    ram_flash_init(&f, unit, 256, 1024, 8, erased);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7 + 3);
}

static int program(uint64_t address, size_t len)
{
    return f.flash.program(f.flash.ctx, address, bytes, len);
}

static int erase(uint32_t block)
{
    return f.flash.erase(f.flash.ctx, block);
}

static int read_back(uint64_t address, size_t len)
{
    return f.flash.read(f.flash.ctx, address, got, len);
}

static int sync_all(void)
{
    return f.flash.sync_begin(f.flash.ctx);
}

static bool reads_as(uint64_t address, size_t len, uint8_t value)
{
    assert_int_equal(read_back(address, len), 0);
    for (size_t i = 0; i < len; i++) {
        if (got[i] != value)
            return false;
    }
    return true;
}

static void rules_are_enforced(void **state)
{
    (void)state;
    start(16, 0xFF);
    assert_int_equal(program(0, 64), 0);
    assert_true(program(0, 16) < 0);
    assert_true(program(8, 16) < 0);
    assert_true(program(16, 8) < 0);
    assert_true(program(240, 32) < 0);
    assert_true(program(8 * 1024, 16) < 0);
    assert_true(erase(8) < 0);
    assert_true(read_back(8 * 1024 - 8, 16) < 0);
    assert_int_equal(f.rules_broken, 7);
    /* A unit holding erased bytes was programmed all the same. */
    memset(bytes, 0xFF, sizeof(bytes));
    assert_int_equal(program(256, 16), 0);
    assert_true(program(256, 16) < 0);
    assert_int_equal(f.rules_broken, 8);
    assert_int_equal(erase(0), 0);
    assert_int_equal(program(256, 16), 0);
    assert_int_equal(f.rules_broken, 8);
    ram_flash_free(&f);
}

static void a_cache_forgets_and_a_bus_does_not(void **state)
{
    (void)state;
    for (int through = 0; through < 2; through++) {
        unsigned kept = 0;
        for (uint64_t seed = 1; seed < 40; seed++) {
            start(16, 0x00);
            f.write_through = through != 0;
            f.seed = seed;
            assert_int_equal(program(0, 64), 0);
            assert_int_equal(sync_all(), 1);
            assert_int_equal(program(64, 64), 0);
            assert_int_equal(program(128, 64), 0);
            ram_power_off(&f);
            assert_true(read_back(0, 1) < 0);
            ram_power_on(&f);
            assert_int_equal(read_back(0, 128), 0);
            assert_memory_equal(got, bytes, 64);
            kept += memcmp(got + 64, bytes, 64) == 0;
            ram_flash_free(&f);
        }
        assert_true(through ? kept == 39 : kept > 5 && kept < 35);
    }
}

/* Each cut leaves what was there, what was to be there, or something between: in one direction. */
static void torn_bits_go_one_way(void **state)
{
    (void)state;
    unsigned between = 0;
    for (uint64_t seed = 1; seed < 200; seed++) {
        start(4, 0xFF);
        f.write_through = true;
        f.torn_bits = true;
        f.seed = seed;
        f.cut_at = 2;
        assert_int_equal(program(0, 64), 0);
        assert_true(program(64, 64) < 0);
        ram_power_on(&f);
        assert_int_equal(read_back(0, 256), 0);
        assert_memory_equal(got, bytes, 64);
        for (size_t i = 0; i < 64; i++) {
            assert_int_equal(got[64 + i] & bytes[i], bytes[i]);
            between += got[64 + i] != bytes[i] && got[64 + i] != 0xFF;
            assert_int_equal(got[128 + i], 0xFF);
        }
        ram_flash_free(&f);
    }
    assert_true(between > 100);
}

static void weak_units_waver_until_erased(void **state)
{
    (void)state;
    unsigned wavered = 0;
    for (uint64_t seed = 1; seed < 50; seed++) {
        uint8_t before[256];
        start(4, 0xFF);
        f.write_through = f.torn_bits = f.weak_units = true;
        f.seed = seed;
        assert_int_equal(program(0, 64), 0);
        f.cut_at = 2;
        assert_true(program(64, 128) < 0);
        ram_power_on(&f);
        assert_int_equal(read_back(0, 256), 0);
        memcpy(before, got, sizeof(before));
        for (int i = 0; i < 20; i++) {
            assert_int_equal(read_back(0, 256), 0);
            assert_memory_equal(got, bytes, 64);
            wavered += memcmp(before, got, sizeof(before)) != 0;
        }
        assert_int_equal(erase(0), 0);
        assert_true(reads_as(0, 1024, 0xFF));
        assert_true(reads_as(0, 1024, 0xFF));
        assert_int_equal(program(64, 128), 0);
        assert_int_equal(f.rules_broken, 0);
        ram_flash_free(&f);
    }
    assert_true(wavered > 300);
}

static void a_torn_erase_wants_another(void **state)
{
    (void)state;
    start(4, 0xFF);
    f.write_through = f.torn_bits = f.weak_units = true;
    for (uint64_t at = 0; at < 1024; at += 256)
        assert_int_equal(program(at, 256), 0);
    f.seed = 3;
    f.cut_at = 5;
    assert_true(erase(0) < 0);
    ram_power_on(&f);
    assert_int_equal(read_back(0, 1024), 0);
    size_t changed = 0;
    for (size_t i = 0; i < 1024; i++) {
        assert_int_equal(got[i] & bytes[i % 256], bytes[i % 256]);
        changed += got[i] != bytes[i % 256];
    }
    assert_true(changed > 0);
    assert_true(program(0, 4) < 0);
    assert_int_equal(erase(0), 0);
    assert_int_equal(program(0, 4), 0);
    ram_flash_free(&f);
}

static void blocks_wear_out(void **state)
{
    (void)state;
    start(4, 0xFF);
    ram_flash_wear_out(&f, 2, 3);
    ram_flash_wear_out(&f, 5, 0);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(erase(2), i < 3 ? 0 : -1);
        assert_int_equal(erase(3), 0);
        assert_int_equal(erase(5), -1);
    }
    /* A block in that state is not to be written. */
    assert_true(program(5 * 1024, 4) < 0);
    assert_int_equal(f.rules_broken, 1);
    assert_int_equal(f.faults_hit, 9);
    ram_flash_free(&f);
}

static void faults_have_a_range_and_a_time(void **state)
{
    (void)state;
    start(4, 0xFF);
    ram_flash_fault(&f, (struct ram_fault){RAM_FAIL_PROGRAM, 300, 8, 0, 0, 0});
    ram_flash_fault(&f, (struct ram_fault){RAM_FAIL_READ, 512, 100, 1, 2, 0});
    ram_flash_fault(&f, (struct ram_fault){RAM_FAIL_SYNC, 0, 0, 1, 1, 0});
    assert_int_equal(program(256, 44), 0);
    assert_int_equal(program(300, 64), -1);
    assert_int_equal(program(364, 16), 0);
    assert_int_equal(read_back(0, 512), 0);
    assert_int_equal(read_back(500, 100), 0);
    assert_int_equal(read_back(600, 100), -1);
    assert_int_equal(read_back(0, 1024), -1);
    assert_int_equal(read_back(0, 1024), 0);
    assert_int_equal(sync_all(), 1);
    assert_int_equal(sync_all(), -1);
    assert_int_equal(sync_all(), 1);
    /* What the failed program left is there after a cut too. */
    uint8_t left[64];
    memcpy(left, f.now + 300, 64);
    ram_power_on(&f);
    assert_int_equal(read_back(300, 64), 0);
    assert_memory_equal(got, left, 64);
    assert_int_equal(f.rules_broken, 0);
    ram_flash_free(&f);
}

/* A cut shown to a second flash is the same for the same seed, and the first goes on. */
static void hook(struct ram_flash *flash, void *ctx)
{
    ram_flash_cut(ctx, flash, 11);
}

static void a_cut_can_be_shown_elsewhere(void **state)
{
    (void)state;
    struct ram_flash other;
    start(4, 0xFF);
    ram_flash_init(&other, 4, 256, 1024, 8, 0xFF);
    f.write_through = f.torn_bits = true;
    f.at_operation = hook;
    f.at_operation_ctx = &other;
    assert_int_equal(program(0, 256), 0);
    assert_int_equal(program(256, 256), 0);
    assert_memory_equal(other.now, bytes, 256);
    memcpy(got, other.now, 1024);
    assert_memory_equal(f.now + 256, bytes, 256);
    ram_flash_cut(&other, &f, 11); /* nothing is under way any more */
    assert_memory_equal(other.now, f.now, 1024);
    assert_memory_not_equal(other.now, got, 1024);
    ram_flash_free(&other);
    ram_flash_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_are_enforced),
        cmocka_unit_test(a_cache_forgets_and_a_bus_does_not),
        cmocka_unit_test(torn_bits_go_one_way),
        cmocka_unit_test(weak_units_waver_until_erased),
        cmocka_unit_test(a_torn_erase_wants_another),
        cmocka_unit_test(blocks_wear_out),
        cmocka_unit_test(faults_have_a_range_and_a_time),
        cmocka_unit_test(a_cut_can_be_shown_elsewhere),
    };
    return cmocka_run_group_tests_name("ram_flash", tests, NULL, NULL);
}
