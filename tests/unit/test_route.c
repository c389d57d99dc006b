/*
 * test_route.c - the smarthost's backoff
 *
 * Job:      a path that fails rests longer and longer, one that works forgets it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "delivery/route.h"

static const struct pp_backoff backoff = {.first_ms = 1000, .longest_ms = 8000};
static const struct pp_reply reply = {.code = 454, .text_len = 4, .text = "soon"};

static void rests_longer_after_each_failure(void **state)
{
    struct pp_route route;
    uint64_t least_ms = 750;

    (void)state;
    pp_route_init(&route);
    for (int i = 0; i < 4; i++, least_ms *= 2) {
        uint64_t rest_ms = pp_route_down(&route, &backoff, PP_STAGE_CONNECT, &reply, 100);
        assert_true(rest_ms >= least_ms);
        assert_true(rest_ms <= least_ms * 5 / 3 + 1);
        assert_false(pp_route_open(&route, 100 + rest_ms - 1));
        assert_true(pp_route_open(&route, 100 + rest_ms));
    }
    for (int i = 0; i < 100; i++) {
        assert_true(pp_route_down(&route, &backoff, PP_STAGE_AUTH, &reply, 0) <= 10000);
    }
    assert_int_equal(route.stage, PP_STAGE_AUTH);
    assert_int_equal(route.reply.code, 454);
}

static void forgets_when_it_works(void **state)
{
    struct pp_route route;

    (void)state;
    pp_route_init(&route);
    assert_true(pp_route_open(&route, 0));
    assert_false(route.proven);
    (void)pp_route_down(&route, &backoff, PP_STAGE_EHLO, &reply, 0);
    pp_route_up(&route);
    assert_true(route.proven);
    assert_true(pp_route_open(&route, 0));
    assert_int_equal(route.failures, 0);
}

static void flush_ends_the_rest(void **state)
{
    struct pp_route route;

    (void)state;
    pp_route_init(&route);
    (void)pp_route_down(&route, &backoff, PP_STAGE_CONNECT, &reply, 5);
    pp_route_retry_now(&route);
    assert_true(pp_route_open(&route, 5));
    assert_int_equal(route.failures, 1);
}

static uint64_t lose(struct pp_route *route, uint32_t id)
{
    return pp_route_lost(route, &backoff, id, PP_STAGE_MAIL, &reply, 100);
}

static void rests_when_one_message_after_the_other_is_lost(void **state)
{
    struct pp_route route;

    (void)state;
    pp_route_init(&route);
    for (uint32_t id = 1; id < PP_ROUTE_LOST_MAX; id++) {
        pp_route_up(&route);
        assert_int_equal(lose(&route, id), 0);
    }
    pp_route_up(&route);
    assert_true(lose(&route, PP_ROUTE_LOST_MAX) > 0);
    assert_false(pp_route_open(&route, 100));
    /* Those that were on their way at the same time do not make the rest longer. */
    assert_int_equal(lose(&route, PP_ROUTE_LOST_MAX + 1), 0);
    pp_route_served(&route);
    pp_route_up(&route);
    assert_int_equal(lose(&route, 1), 0);
}

static void one_message_that_is_lost_again_and_again_rests_alone(void **state)
{
    struct pp_route route;

    (void)state;
    pp_route_init(&route);
    for (int i = 0; i < 10; i++) {
        pp_route_up(&route);
        assert_int_equal(lose(&route, 7), 0);
        assert_true(pp_route_open(&route, 100));
    }
}

static void every_stage_has_advice(void **state)
{
    (void)state;
    for (int stage = 0; stage < PP_STAGE_COUNT; stage++) {
        assert_non_null(pp_route_advice((enum pp_stage)stage));
        assert_true(pp_route_advice((enum pp_stage)stage)[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rests_longer_after_each_failure),
        cmocka_unit_test(forgets_when_it_works),
        cmocka_unit_test(flush_ends_the_rest),
        cmocka_unit_test(rests_when_one_message_after_the_other_is_lost),
        cmocka_unit_test(one_message_that_is_lost_again_and_again_rests_alone),
        cmocka_unit_test(every_stage_has_advice),
    };
    return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
