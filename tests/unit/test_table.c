/* test_table.c - slots by key, in memory that does not grow */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "base/table.h"

#define COUNT   1000
#define BUCKETS 64

static _Alignas(16) uint8_t memory[PP_TABLE_BYTES(COUNT, BUCKETS) + 16];
static const uint8_t secret[16] = "sixteen bytes...";

static const uint8_t *key_of(uint32_t number)
{
    static uint8_t key[2][PP_TABLE_KEY_BYTES];
    static unsigned turn;
    turn = !turn;
    memset(key[turn], 0, sizeof(key[turn]));
    memcpy(key[turn] + 3, &number, sizeof(number));
    return key[turn];
}

static void finds_what_was_put(void **state)
{
    (void)state;
    struct pp_table t;
    size_t bytes = sizeof(memory) - 16;
    memset(memory, 0x5A, sizeof(memory));
    assert_int_equal(pp_table_init(&t, memory, bytes - 1, COUNT, BUCKETS, secret), PP_ERR_DRY);
    assert_int_equal(pp_table_init(&t, memory, bytes, COUNT, BUCKETS, secret), PP_OK);
    for (uint32_t round = 0; round < 3; round++) {
        assert_true(pp_table_get(&t, key_of(1)) == PP_TABLE_NONE);
        for (uint32_t i = 0; i < COUNT; i++)
            assert_int_equal(pp_table_put(&t, key_of(i * 7 + round), i), PP_OK);
        assert_true(t.arena_used >= BUCKETS * 16); /* as many buckets as were asked for */
        assert_int_equal(pp_table_put(&t, key_of(7 + round), 5), PP_ERR_STATE);
        assert_int_equal(pp_table_put(&t, key_of(1000000), 5), PP_ERR_DRY);
        for (uint32_t i = 0; i < COUNT; i++)
            assert_int_equal(pp_table_get(&t, key_of(i * 7 + round)), i);
        pp_table_remove(&t, key_of(1000000));
        for (uint32_t i = 0; i < COUNT; i += 2)
            pp_table_remove(&t, key_of(i * 7 + round));
        assert_true(pp_table_get(&t, key_of(14 + round)) == PP_TABLE_NONE);
        assert_int_equal(pp_table_get(&t, key_of(7 + round)), 1);
        assert_int_equal(pp_table_put(&t, key_of(14 + round), 77), PP_OK);
        assert_int_equal(pp_table_get(&t, key_of(14 + round)), 77);
        pp_table_remove(&t, key_of(14 + round));
        for (uint32_t i = 1; i < COUNT; i += 2)
            pp_table_remove(&t, key_of(i * 7 + round));
    }
    for (size_t i = bytes; i < sizeof(memory); i++)
        assert_int_equal(memory[i], 0x5A);
}

/* Its buckets are not given back and cleared for the next key: that would cost as much as they are.
 */
static void stays_when_its_last_key_goes(void **state)
{
    (void)state;
    struct pp_table t;
    assert_int_equal(pp_table_init(&t, memory, sizeof(memory), COUNT, BUCKETS, secret), PP_OK);
    assert_int_equal(pp_table_put(&t, key_of(1), 1), PP_OK);
    size_t used = t.arena_used;
    for (uint32_t key = 0; key < 2000; key++) {
        pp_table_remove(&t, key_of(key + 1));
        assert_true(pp_table_get(&t, key_of(key + 1)) == PP_TABLE_NONE);
        assert_non_null(t.head);
        assert_int_equal(t.arena_used, used);
        assert_true(pp_table_get(&t, key_of(key)) == PP_TABLE_NONE);
        assert_int_equal(pp_table_put(&t, key_of(key + 2), 7), PP_OK);
        assert_int_equal(pp_table_get(&t, key_of(key + 2)), 7);
    }
}

static void an_empty_table_is_dry(void **state)
{
    (void)state;
    struct pp_table t;
    assert_int_equal(pp_table_init(&t, memory, sizeof(memory), 0, 16, secret), PP_OK);
    assert_int_equal(pp_table_put(&t, key_of(1), 1), PP_ERR_DRY);
    assert_true(pp_table_get(&t, key_of(1)) == PP_TABLE_NONE);
    pp_table_remove(&t, key_of(1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_put),
        cmocka_unit_test(stays_when_its_last_key_goes),
        cmocka_unit_test(an_empty_table_is_dry),
    };
    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
