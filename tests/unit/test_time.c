/* test_time.c - instants, dates and spans; checked against the C library */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>
#include <time.h>

#include "base/time.h"

static void assert_put(void (*put)(struct pp_writer *, int64_t), int64_t wall_s, const char *want)
{
    char data[64];
    struct pp_writer w;
    pp_writer_init(&w, data, sizeof(data));
    put(&w, wall_s);
    assert_false(w.overflow);
    assert_int_equal(w.len, strlen(want));
    assert_memory_equal(data, want, w.len);
}

static void assert_span(uint64_t span_ms, const char *want)
{
    char data[64];
    struct pp_writer w;
    pp_writer_init(&w, data, sizeof(data));
    pp_put_span(&w, span_ms);
    assert_int_equal(w.len, strlen(want));
    assert_memory_equal(data, want, w.len);
}

static void writes_dates(void **state)
{
    (void)state;
    assert_put(pp_put_date_rfc5322, 1795382640, "Sun, 22 Nov 2026 21:24:00 +0000");
    assert_put(pp_put_date_iso, 1795382640, "2026-11-22T21:24:00Z");
    assert_put(pp_put_date_rfc5322, 0, "Thu, 1 Jan 1970 00:00:00 +0000");
    assert_put(pp_put_date_rfc5322, -5, "Thu, 1 Jan 1970 00:00:00 +0000");
    assert_put(pp_put_date_iso, INT64_MAX, "9999-12-31T23:59:59Z");
    assert_put(pp_put_date_iso, 951782400, "2000-02-29T00:00:00Z");
}

static void agrees_with_the_c_library(void **state)
{
    (void)state;
    for (int64_t at = 0; at < INT64_C(253402300799); at += 86400 * 13 + 7919) {
        time_t t = (time_t)at;
        struct tm tm;
        struct pp_date d = pp_date_from_wall(at);
        assert_non_null(gmtime_r(&t, &tm));
        assert_int_equal(d.year, tm.tm_year + 1900);
        assert_int_equal(d.month, tm.tm_mon + 1);
        assert_int_equal(d.day, tm.tm_mday);
        assert_int_equal(d.hour, tm.tm_hour);
        assert_int_equal(d.minute, tm.tm_min);
        assert_int_equal(d.second, tm.tm_sec);
        assert_int_equal(d.weekday, tm.tm_wday);
    }
}

static void instants_stop_at_never(void **state)
{
    (void)state;
    assert_true(pp_time_add(5, 6) == 11);
    assert_true(pp_time_add(PP_TIME_NEVER, 1) == PP_TIME_NEVER);
    assert_true(pp_time_add(10, UINT64_MAX - 3) == PP_TIME_NEVER);
    assert_true(pp_time_min(3, PP_TIME_NEVER) == 3);
}

static void says_spans(void **state)
{
    (void)state;
    assert_span(UINT64_C(5) * 86400000, "5 days");
    assert_span(86400000, "1 day");
    assert_span(30 * 60000, "30 min");
    assert_span(45000, "45 s");
    assert_span(90000, "1 min 30 s");
    assert_span(UINT64_C(26) * 3600000, "1 day 2 h");
    assert_span(UINT64_C(5) * 86400000 + 3000, "5 days");
    assert_span(2031, "2 s");
    assert_span(250, "250 ms");
    assert_span(0, "0 s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_dates),
        cmocka_unit_test(agrees_with_the_c_library),
        cmocka_unit_test(instants_stop_at_never),
        cmocka_unit_test(says_spans),
    };
    return cmocka_run_group_tests_name("time", tests, NULL, NULL);
}
