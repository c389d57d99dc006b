/* test_text.c - views of text and the bounded writer */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "base/text.h"

#define Z(text) pp_text_z(text)

static void assert_text(struct pp_text got, const char *want)
{
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.p, want, got.len);
}

static void compares(void **state)
{
    (void)state;
    assert_true(pp_text_equal(Z("abc"), Z("abc")));
    assert_false(pp_text_equal(Z("abc"), Z("abC")));
    assert_false(pp_text_equal(Z("abc"), Z("ab")));
    assert_true(pp_text_equal(Z(NULL), Z("")));
    assert_true(pp_text_equal_nocase(Z("EhLo"), Z("ehlo")));
    assert_false(pp_text_equal_nocase(Z("k"), Z("\xE2\x84\xAA"))); /* the Kelvin sign */
    assert_true(pp_text_starts_nocase(Z("STARTTLS x"), Z("starttls")));
    assert_false(pp_text_starts_nocase(Z("START"), Z("starttls")));
    assert_true(pp_text_starts_nocase(Z("x"), Z("")));
}

static void cuts_and_trims(void **state)
{
    (void)state;
    struct pp_text rest = Z("a,,b");
    assert_text(pp_text_cut(&rest, ','), "a");
    assert_text(pp_text_cut(&rest, ','), "");
    assert_text(pp_text_cut(&rest, ','), "b");
    assert_int_equal(rest.len, 0);
    assert_int_equal(pp_text_cut(&rest, ',').len, 0);
    rest = pp_text_n(NULL, 0);
    assert_int_equal(pp_text_cut(&rest, ',').len, 0);
    assert_text(pp_text_trim(Z(" \t a b\t ")), "a b");
    assert_int_equal(pp_text_trim(Z(" \t ")).len, 0);
    assert_int_equal(pp_text_find(Z("abc"), 'c'), 2);
    assert_int_equal(pp_text_find(Z("abc"), 'x'), 3);
    assert_int_equal(pp_text_find(Z(NULL), 'x'), 0);
}

static void finds_what_breaks_a_line(void **state)
{
    (void)state;
    assert_false(pp_text_has_line_break(Z("a b\tc")));
    assert_true(pp_text_has_line_break(Z("a\rb")));
    assert_true(pp_text_has_line_break(Z("a\nb")));
    assert_true(pp_text_has_line_break(pp_text_n("a\0b", 3)));
    assert_true(pp_text_is_ascii(Z("abc\x7F")));
    assert_false(pp_text_is_ascii(Z("\xC3\xA9")));
}

static void knows_utf8(void **state)
{
    (void)state;
    static const char *const good[] = {"",
                                       "abc",
                                       "\xC2\x80",
                                       "\xDF\xBF",
                                       "\xE0\xA0\x80",
                                       "\xED\x9F\xBF",
                                       "\xEE\x80\x80",
                                       "\xEF\xBF\xBF",
                                       "\xF0\x90\x80\x80",
                                       "\xF4\x8F\xBF\xBF",
                                       "gr\xC3\xBC\xC3\x9F"};
    static const char *const bad[] = {"\x80",
                                      "\xBF",
                                      "\xC0\x80",
                                      "\xC1\xBF",
                                      "\xC2",
                                      "\xC2\x41",
                                      "\xE0\x9F\xBF",
                                      "\xE0\xA0",
                                      "\xED\xA0\x80",
                                      "\xED\xBF\xBF",
                                      "\xF0\x8F\xBF\xBF",
                                      "\xF4\x90\x80\x80",
                                      "\xF5\x80\x80\x80",
                                      "\xFF",
                                      "\xF0\x90\x80",
                                      "a\xE2\x82"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(pp_text_is_utf8(Z(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(pp_text_is_utf8(Z(bad[i])));
}

static void reads_numbers(void **state)
{
    (void)state;
    uint64_t v = 7;
    assert_int_equal(pp_text_to_u64(Z("0"), 10, &v), PP_OK);
    assert_int_equal(v, 0);
    assert_int_equal(pp_text_to_u64(Z("18446744073709551615"), UINT64_MAX, &v), PP_OK);
    assert_true(v == UINT64_MAX);
    assert_int_equal(pp_text_to_u64(Z("18446744073709551616"), UINT64_MAX, &v), PP_ERR_RANGE);
    assert_int_equal(pp_text_to_u64(Z("99999999999999999999999"), UINT64_MAX, &v), PP_ERR_RANGE);
    assert_int_equal(pp_text_to_u64(Z("11"), 10, &v), PP_ERR_RANGE);
    assert_int_equal(pp_text_to_u64(Z("00012"), 12, &v), PP_OK);
    assert_int_equal(v, 12);
    assert_int_equal(pp_text_to_u64(Z(""), 10, &v), PP_ERR_SYNTAX);
    assert_int_equal(pp_text_to_u64(Z("-1"), 10, &v), PP_ERR_SYNTAX);
    assert_int_equal(pp_text_to_u64(Z("+1"), 10, &v), PP_ERR_SYNTAX);
    assert_int_equal(pp_text_to_u64(Z("1 "), 10, &v), PP_ERR_SYNTAX);
    assert_int_equal(pp_text_to_u64(Z("99999999999999999999999x"), 10, &v), PP_ERR_SYNTAX);
    assert_int_equal(v, 12);
}

static void writes_within_bounds(void **state)
{
    (void)state;
    char data[8] = "#######";
    struct pp_writer w;
    pp_writer_init(&w, data, 5);
    pp_put_z(&w, "abc");
    assert_false(w.overflow);
    pp_put_z(&w, "def");
    assert_true(w.overflow);
    assert_text(pp_writer_text(&w), "abcde");
    pp_put_char(&w, 'x');
    pp_put_text(&w, Z(NULL));
    assert_text(pp_writer_text(&w), "abcde");
    assert_int_equal(data[5], '#');
}

static void writes_numbers(void **state)
{
    (void)state;
    char data[200];
    struct pp_writer w;
    pp_writer_init(&w, data, sizeof(data));
    pp_put_u64(&w, 0);
    pp_put_char(&w, ' ');
    pp_put_u64(&w, UINT64_MAX);
    pp_put_char(&w, ' ');
    pp_put_i64(&w, INT64_MIN);
    pp_put_char(&w, ' ');
    pp_put_i64(&w, -1);
    pp_put_char(&w, ' ');
    pp_put_u64_pad(&w, 42, 4);
    pp_put_char(&w, ' ');
    pp_put_u64_pad(&w, 12345, 4);
    pp_put_char(&w, ' ');
    pp_put_hex(&w, "\x01\xAB\xFF", 3, ':');
    pp_put_char(&w, ' ');
    pp_put_hex(&w, "\x01\xAB", 2, 0);
    assert_text(pp_writer_text(&w), "0 18446744073709551615 -9223372036854775808 -1 0042 12345 "
                                    "01:AB:FF 01AB");
}

static void makes_strange_bytes_safe(void **state)
{
    (void)state;
    char data[200];
    struct pp_writer w;
    pp_writer_init(&w, data, sizeof(data));
    pp_put_safe(&w, pp_text_n("a\r\n\0\x1B[2J\"\\\x7F", 11), 100);
    assert_text(pp_writer_text(&w), "a\\x0D\\x0A\\x00\\x1B[2J\\x22\\x5C\\x7F");
    pp_writer_init(&w, data, sizeof(data));
    pp_put_safe(&w, Z("gr\xC3\xBC\xC3 \xC2\x9B \xE2\x82\xAC"), 100);
    assert_text(pp_writer_text(&w), "gr\xC3\xBC\\xC3 \\xC2\\x9B \xE2\x82\xAC");
    pp_writer_init(&w, data, sizeof(data));
    pp_put_safe(&w, Z("ab\xE2\x82\xAC"), 4); /* no half characters */
    assert_text(pp_writer_text(&w), "ab");
}

static void quotes_values(void **state)
{
    (void)state;
    char data[200];
    struct pp_writer w;
    pp_writer_init(&w, data, sizeof(data));
    pp_put_value(&w, Z("plain"), 100);
    pp_put_char(&w, ' ');
    pp_put_value(&w, Z("two words"), 100);
    pp_put_char(&w, ' ');
    pp_put_value(&w, Z("a=b"), 100);
    pp_put_char(&w, ' ');
    pp_put_value(&w, Z(""), 100);
    assert_text(pp_writer_text(&w), "plain \"two words\" \"a=b\" \"\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares),
        cmocka_unit_test(cuts_and_trims),
        cmocka_unit_test(finds_what_breaks_a_line),
        cmocka_unit_test(knows_utf8),
        cmocka_unit_test(reads_numbers),
        cmocka_unit_test(writes_within_bounds),
        cmocka_unit_test(writes_numbers),
        cmocka_unit_test(makes_strange_bytes_safe),
        cmocka_unit_test(quotes_values),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
