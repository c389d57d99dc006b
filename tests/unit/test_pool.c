/* test_pool.c - fixed slots, and the words of errors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "base/err.h"
#include "base/pool.h"

static void hands_out_each_slot_once(void **state)
{
    (void)state;
    uint8_t used[3];
    struct pp_pool pool;
    pp_pool_init(&pool, used, 3);
    assert_int_equal(pp_pool_take(&pool), 0);
    assert_int_equal(pp_pool_take(&pool), 1);
    assert_int_equal(pp_pool_take(&pool), 2);
    assert_true(pp_pool_take(&pool) == PP_POOL_NONE);
    pp_pool_give(&pool, 1);
    assert_int_equal(pool.in_use, 2);
    assert_int_equal(pp_pool_take(&pool), 1);
    pp_pool_give(&pool, 0);
    pp_pool_give(&pool, 1);
    pp_pool_give(&pool, 2);
    assert_int_equal(pool.in_use, 0);
    assert_int_equal(pool.high_water, 3);
}

static void an_empty_pool_is_dry(void **state)
{
    (void)state;
    uint8_t used[1];
    struct pp_pool pool;
    pp_pool_init(&pool, used, 0);
    assert_true(pp_pool_take(&pool) == PP_POOL_NONE);
}

static void every_error_has_words(void **state)
{
    (void)state;
    for (int i = PP_OK; i <= PP_ERR_DENIED; i++)
        assert_true(strlen(pp_err_text((enum pp_err)i)) > 2 &&
                    strcmp(pp_err_text((enum pp_err)i), "unknown error") != 0);
    assert_string_equal(pp_err_text((enum pp_err)999), "unknown error");
    enum pp_err first = PP_OK;
    pp_err_keep(&first, PP_OK);
    pp_err_keep(&first, PP_ERR_FULL);
    pp_err_keep(&first, PP_ERR_IO);
    assert_int_equal(first, PP_ERR_FULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_out_each_slot_once),
        cmocka_unit_test(an_empty_pool_is_dry),
        cmocka_unit_test(every_error_has_words),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
