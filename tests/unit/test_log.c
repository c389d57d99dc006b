/* test_log.c - one line an event */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "base/log.h"

static char last[PP_LOG_LINE_CAP + 1];
static unsigned lines;

static void sink(void *ctx, enum pp_log_level level, const char *line, size_t len)
{
    (void)ctx;
    (void)level;
    assert_true(len <= PP_LOG_LINE_CAP);
    memcpy(last, line, len);
    last[len] = '\0';
    lines++;
}

static const struct pp_log log_info = {sink, NULL, PP_LOG_INFO};

static void writes_a_line(void **state)
{
    (void)state;
    struct pp_log_line l;
    pp_log_begin(&l, &log_info, PP_LOG_INFO, 42, "delivered");
    pp_log_text(&l, "to", pp_text_z("a@b"));
    pp_log_u64(&l, "code", 250);
    pp_log_z(&l, "reply", "ok then");
    pp_log_err(&l, PP_ERR_TIMEOUT);
    pp_log_end(&l);
    assert_string_equal(
        last, "id=0000002A event=delivered to=a@b code=250 reply=\"ok then\" error=\"timed out\"");
    pp_log_begin(&l, &log_info, PP_LOG_ERROR, 0, "ready");
    pp_log_end(&l);
    assert_string_equal(last, "event=ready");
}

static void keeps_to_its_level(void **state)
{
    (void)state;
    struct pp_log_line l;
    lines = 0;
    pp_log_begin(&l, &log_info, PP_LOG_DEBUG, 1, "detail");
    pp_log_u64(&l, "n", 1);
    pp_log_end(&l);
    pp_log_begin(&l, NULL, PP_LOG_ERROR, 1, "detail");
    pp_log_text(&l, "n", pp_text_z("x"));
    pp_log_end(&l);
    assert_int_equal(lines, 0);
}

static void nobody_forges_a_line(void **state)
{
    (void)state;
    struct pp_log_line l;
    pp_log_begin(&l, &log_info, PP_LOG_INFO, 0, "helo");
    pp_log_text(&l, "name", pp_text_z("x\" event=\"delivered\nevent=delivered"));
    pp_log_end(&l);
    assert_string_equal(last,
                        "event=helo name=\"x\\x22 event=\\x22delivered\\x0Aevent=delivered\"");
}

static void a_long_line_is_cut_and_says_so(void **state)
{
    (void)state;
    struct pp_log_line l;
    char text[600];
    for (size_t n = 0; n < sizeof(text); n += 7) {
        memset(text, n % 2 == 0 ? 'x' : '\x01', sizeof(text));
        text[0] = ' ';
        pp_log_begin(&l, &log_info, PP_LOG_INFO, 1, "e");
        pp_log_text(&l, "a", pp_text_n(text, n));
        pp_log_text(&l, "b", pp_text_n(text, n));
        pp_log_text(&l, "c", pp_text_n(text, n));
        pp_log_end(&l);
        size_t len = strlen(last);
        bool cut = len > 8 && strcmp(last + len - 8, " cut=yes") == 0;
        unsigned quotes = 0;
        for (size_t i = 0; i < len; i++)
            quotes += last[i] == '"';
        assert_int_equal(quotes % 2, 0);
        assert_true(cut || strstr(last, " c=") != NULL);
    }
    assert_string_equal(last + strlen(last) - 8, " cut=yes");
}

static void levels_have_names(void **state)
{
    (void)state;
    assert_string_equal(pp_log_level_name(PP_LOG_ERROR), "error");
    assert_string_equal(pp_log_level_name(PP_LOG_DEBUG), "debug");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_a_line),        cmocka_unit_test(keeps_to_its_level),
        cmocka_unit_test(nobody_forges_a_line), cmocka_unit_test(a_long_line_is_cut_and_says_so),
        cmocka_unit_test(levels_have_names),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
