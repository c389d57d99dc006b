/* test_index.c - slots by numbers of our own, in memory that does not grow */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "base/index.h"

#define PLACES 64
#define MANY   8192

static struct pp_index_place memory[PLACES + 1];
static struct pp_index_place many[MANY];

/* Against a plain array: numbers come and go at random, near each other and far. */
static void finds_what_was_put(void **state)
{
    (void)state;
    struct pp_index index;
    uint32_t numbers[40], slots[40], random = 1;
    for (int round = 0; round < 200; round++) {
        uint32_t count = 0, step = round % 4 == 0 ? 1 : PLACES;
        pp_index_init(&index, memory, PLACES, 40);
        for (int i = 0; i < 500; i++) {
            random = random * 1664525 + 1013904223;
            uint32_t number = (random >> 16) % 80 * step + (uint32_t)round, at = 0;
            while (at < count && numbers[at] != number)
                at++;
            assert_int_equal(pp_index_get(&index, number), at < count ? slots[at] : PP_INDEX_NONE);
            if (at < count && random % 3 != 0) {
                pp_index_remove(&index, number);
                numbers[at] = numbers[--count];
                slots[at] = slots[count];
            } else if (at < count) {
                assert_int_equal(pp_index_put(&index, number, 7), PP_ERR_STATE);
            } else if (count == 40) {
                assert_int_equal(pp_index_put(&index, number, 7), PP_ERR_DRY);
                pp_index_remove(&index, number);
            } else {
                numbers[count] = number;
                slots[count++] = random >> 8;
                assert_int_equal(pp_index_put(&index, number, random >> 8), PP_OK);
            }
            assert_int_equal(index.count, count);
        }
        for (uint32_t i = 0; i < count; i++)
            assert_int_equal(pp_index_get(&index, numbers[i]), slots[i]);
    }
    assert_int_equal(memory[PLACES].slot_and_1, 0);
}

/* A long row of messages that stay must not make those that come later walk along it. */
static void no_number_walks_far(void **state)
{
    (void)state;
    struct pp_index index;
    for (uint32_t start = 0; start < 3 * MANY; start += 1000) {
        uint32_t longest = 0, row = 0;
        pp_index_init(&index, many, MANY, MANY / 2);
        for (uint32_t i = 0; i < MANY / 4; i++) {
            assert_int_equal(pp_index_put(&index, 1 + i, i), PP_OK);
            assert_int_equal(pp_index_put(&index, 2 * MANY + start + i, i), PP_OK);
        }
        for (uint32_t i = 0; i < 2 * MANY; i++) {
            row = many[i % MANY].slot_and_1 != 0 ? row + 1 : 0;
            longest = row > longest ? row : longest;
        }
        assert_in_range(longest, 1, 64);
    }
}

/* Places that were never used are looked at, not written to. */
static void begins_again(void **state)
{
    (void)state;
    struct pp_index index;
    pp_index_init(&index, memory, PLACES, 40);
    for (uint32_t i = 0; i < 40; i++)
        assert_int_equal(pp_index_put(&index, i, i), PP_OK);
    pp_index_init(&index, memory, PLACES, 40);
    for (uint32_t i = 0; i < 40; i++)
        assert_int_equal(pp_index_get(&index, i), PP_INDEX_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_put),
        cmocka_unit_test(no_number_walks_far),
        cmocka_unit_test(begins_again),
    };
    return cmocka_run_group_tests_name("index", tests, NULL, NULL);
}
