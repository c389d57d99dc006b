/*
 * test_json_read.c - members of one line of JSON
 */
#include "posix/json_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct pp_json json;
static char text[256];

static const char *member(const char *name_z)
{
    pp_json_text(&json, name_z, text, sizeof(text));
    return text;
}

static void test_members(void **state)
{
    (void)state;
    assert_int_equal(
        pp_json_read(&json,
                     pp_text_z("{\"id\":\"0000002A\",\"to\":[\"a@b\",\"c@d\"],\"o\":{\"x\":7,"
                               "\"y\":[1,{}]},\"n\":18446744073709551615,\"t\":true,"
                               "\"z\":null,\"last\":\"end\"}")),
        PP_OK);
    assert_string_equal(member("id"), "0000002A");
    assert_string_equal(member("last"), "end");
    assert_string_equal(member("nothing"), "");
    assert_string_equal(member("x"), "");
    assert_int_equal(pp_json_u64(&json, "n", 0), UINT64_MAX);
    assert_int_equal(pp_json_u64(&json, "z", 5), 5);
    assert_int_equal(pp_json_u64(&json, "id", 5), 5);
    assert_int_equal(pp_json_inner_u64(&json, "o", "x", 0), 7);
    assert_int_equal(pp_json_inner_u64(&json, "id", "x", 3), 3);
    assert_true(pp_json_true(&json, "t"));
    assert_false(pp_json_true(&json, "z"));
    assert_true(pp_json_has(&json, "z"));
    assert_false(pp_json_has(&json, "y"));
    assert_true(pp_json_element(&json, "to", 1, text, sizeof(text)));
    assert_string_equal(text, "c@d");
    assert_false(pp_json_element(&json, "to", 2, text, sizeof(text)));
    assert_false(pp_json_element(&json, "id", 0, text, sizeof(text)));
}

static void test_escapes(void **state)
{
    (void)state;
    assert_int_equal(pp_json_read(&json, pp_text_z("{\"a\":\"q\\\"b\\\\s\\/n\\nt\\tu\\u00fcx\","
                                                   "\"b\":\"\\ud83d\\ude00\",\"c\":\"\\ud83d!\","
                                                   "\"d\":\"\\u20ac\"}")),
                     PP_OK);
    assert_string_equal(member("a"), "q\"b\\s/n\nt\tu\xc3\xbcx");
    assert_string_equal(member("b"), "\xf0\x9f\x98\x80");
    assert_string_equal(member("c"), "\xef\xbf\xbd!");
    assert_string_equal(member("d"), "\xe2\x82\xac");
}

static void test_cut(void **state)
{
    char small[4];

    (void)state;
    assert_int_equal(pp_json_read(&json, pp_text_z("{\"a\":\"abcdef\"}")), PP_OK);
    pp_json_text(&json, "a", small, sizeof(small));
    assert_string_equal(small, "abc");
}

static void test_bad(void **state)
{
    static const char *const lines[] = {"",        "[]",       "\"a\"",      "{",
                                        "{\"a\":", "nonsense", "{\"a\":\"b}"};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        assert_int_equal(pp_json_read(&json, pp_text_z(lines[i])), PP_ERR_SYNTAX);
        assert_false(pp_json_has(&json, "a"));
    }
    assert_int_equal(pp_json_read(&json, pp_text_z("{}")), PP_OK);
    assert_false(pp_json_has(&json, "ok"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_bad),
    };

    return cmocka_run_group_tests_name("json_read", tests, NULL, NULL);
}
