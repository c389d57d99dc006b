/*
 * test_address.c - addresses of envelopes and lists of them
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "message/address.h"

#define X16 "xxxxxxxxxxxxxxxx"
#define X64 X16 X16 X16 X16

static void test_complete(void **state)
{
    static const struct {
        const char *address, *domain;
        enum pp_err err;
        const char *expected; /* NULL: the address itself */
    } cases[] = {
        {"a@b", "", PP_OK, NULL},
        {"pi", "example.org", PP_OK, "pi@example.org"},
        {"pi", "", PP_ERR_NOT_FOUND, NULL},
        {"", "example.org", PP_ERR_EMPTY, NULL},
        {"a.b+c@x-y.example", "d", PP_OK, NULL},
        {"\"a b\"@c", "", PP_OK, NULL},
        {"\"a@b\"", "c", PP_OK, "\"a@b\"@c"},
        {"\"a\\\"b\"@c", "", PP_OK, NULL},
        {"a@[192.0.2.1]", "", PP_OK, NULL},
        {"a@[IPv6:2001:db8::1]", "", PP_OK, NULL},
        {"\xC3\xBC@\xC3\xBC.example", "", PP_OK, NULL},
        {"root@my_nas", "", PP_OK, NULL},
        {X64 "@b", "", PP_OK, NULL},
        {X64 "x@b", "", PP_ERR_TOO_BIG, NULL},
        {"a@" X64 "." X64 "." X64 "." X64, "", PP_ERR_TOO_BIG, NULL},
        {"a@" X64, "", PP_ERR_SYNTAX, NULL}, /* a label of 64 */
        {"a\r\nRCPT TO:<x@y>", "b", PP_ERR_INJECTION, NULL},
        {"a@b\n", "", PP_ERR_INJECTION, NULL},
        {"a\x7f@b", "", PP_ERR_INJECTION, NULL},
        {"\"a\tb\"@c", "", PP_ERR_INJECTION, NULL},
        {"<a@b>", "", PP_ERR_INJECTION, NULL},
        {"\"a>b\"@c", "", PP_ERR_INJECTION, NULL},
        {"a", "b\r\nc", PP_ERR_INJECTION, NULL},
        {"a b@c", "", PP_ERR_SYNTAX, NULL},
        {"a..b@c", "", PP_ERR_SYNTAX, NULL},
        {".a@c", "", PP_ERR_SYNTAX, NULL},
        {"a.@c", "", PP_ERR_SYNTAX, NULL},
        {"a@", "", PP_ERR_SYNTAX, NULL},
        {"@b", "", PP_ERR_SYNTAX, NULL},
        {"@x,@y:a@b", "", PP_ERR_SYNTAX, NULL},
        {"a@b@c", "", PP_ERR_SYNTAX, NULL},
        {"a@b.", "", PP_ERR_SYNTAX, NULL},
        {"a@-b", "", PP_ERR_SYNTAX, NULL},
        {"a@b-.c", "", PP_ERR_SYNTAX, NULL},
        {"a@b..c", "", PP_ERR_SYNTAX, NULL},
        /* nobody takes a local part apart but the last host */
        {"user%b@c", "", PP_OK, NULL},
        {"user%b", "c", PP_OK, "user%b@c"},
        {"b!user@c", "", PP_OK, NULL},
        {"\"user@b\"@c", "", PP_OK, NULL},
        {"\"@b:user\"@c", "", PP_OK, NULL},
        {"user@b%c", "", PP_ERR_SYNTAX, NULL},
        {"user@b!c", "", PP_ERR_SYNTAX, NULL},
        {"user@b@c", "", PP_ERR_SYNTAX, NULL},
        {"\"user\"@b@c", "", PP_ERR_SYNTAX, NULL},
        {"user@b,c@d", "", PP_ERR_SYNTAX, NULL},
        {"user@b;c@d", "", PP_ERR_SYNTAX, NULL},
        {"a@[ipv6:::1]", "", PP_OK, NULL},
        {"a@[256.0.0.1]", "", PP_ERR_SYNTAX, NULL},
        {"a@[192.0.2]", "", PP_ERR_SYNTAX, NULL},
        {"a@[192.0.2.1", "", PP_ERR_SYNTAX, NULL},
        {"a@192.0.2.1]", "", PP_ERR_SYNTAX, NULL},
        {"a@[192.0.2.1].b", "", PP_ERR_SYNTAX, NULL},
        {"a@[2001:db8::1]", "", PP_ERR_SYNTAX, NULL},
        {"a@[IPv6:192.0.2.1]", "", PP_ERR_SYNTAX, NULL},
        {"a@[IPv6:]", "", PP_ERR_SYNTAX, NULL},
        {"a@[x-tag:b]", "", PP_ERR_SYNTAX, NULL},
        {"a@[]", "", PP_ERR_SYNTAX, NULL},
        {"a@[1", "", PP_ERR_SYNTAX, NULL},
        {"\"a@b", "", PP_ERR_SYNTAX, NULL},
        {"\"\"@b", "", PP_ERR_SYNTAX, NULL},
        {"\"a\"b@c", "", PP_ERR_SYNTAX, NULL},
        {"\xFF@b", "", PP_ERR_SYNTAX, NULL},
        {"a", "bad domain", PP_ERR_SYNTAX, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[PP_ADDRESS_MAX];
        struct pp_writer w;

        pp_writer_init(&w, text, sizeof text);
        enum pp_err err =
            pp_address_complete(pp_text_z(cases[i].address), pp_text_z(cases[i].domain), &w);
        if (err != cases[i].err) {
            fail_msg("%s: %s", cases[i].address, pp_err_text(err));
        }
        if (err == PP_OK) {
            const char *expected = cases[i].expected != NULL ? cases[i].expected : cases[i].address;

            assert_true(pp_text_equal(pp_writer_text(&w), pp_text_z(expected)));
            assert_int_equal(pp_address_check(pp_writer_text(&w)), PP_OK);
        } else {
            assert_int_equal(w.len, 0);
        }
    }
    char nul[] = "a\0b@c";
    struct pp_writer w;
    pp_writer_init(&w, nul, 0);
    assert_int_equal(pp_address_complete(pp_text_n(nul, 5), pp_text_z(""), &w), PP_ERR_INJECTION);
    assert_int_equal(pp_address_complete(pp_text_z("a@b"), pp_text_z(""), &w), PP_ERR_TOO_BIG);
}

static void test_check(void **state)
{
    char text[PP_ADDRESS_MAX + 1];

    (void)state;
    assert_int_equal(pp_address_check(pp_text_z("postmaster")), PP_OK);
    assert_int_equal(pp_address_check(pp_text_z("\"a b\"@c")), PP_OK);
    assert_int_equal(pp_address_check(pp_text_z("")), PP_ERR_EMPTY);
    assert_int_equal(pp_address_check(pp_text_z("a b")), PP_ERR_SYNTAX);
    assert_int_equal(pp_address_check(pp_text_z("\"a")), PP_ERR_SYNTAX);
    assert_int_equal(pp_address_check(pp_text_z("\"a\\\"")), PP_ERR_SYNTAX);
    assert_int_equal(pp_address_check(pp_text_z("a@b> SIZE=0")), PP_ERR_INJECTION);
    memset(text, 'x', sizeof text);
    assert_int_equal(pp_address_check(pp_text_n(text, PP_ADDRESS_MAX)), PP_OK);
    assert_int_equal(pp_address_check(pp_text_n(text, sizeof text)), PP_ERR_TOO_BIG);
}

/* Entries joined by |, ! for one that cannot be understood. */
static void check_list(const char *list, const char *expected)
{
    struct pp_text rest = pp_text_z(list);
    struct pp_text address;
    enum pp_err err;
    char text[400];
    struct pp_writer w;

    pp_writer_init(&w, text, sizeof text - 1);
    for (int i = 0; (err = pp_address_next(&rest, &address)) != PP_ERR_NOT_FOUND; i++) {
        assert_true(i < 50);
        pp_put_z(&w, i > 0 ? "|" : "");
        pp_put_text(&w, err == PP_OK ? address : pp_text_z("!"));
    }
    assert_int_equal(rest.len, 0);
    text[w.len] = '\0';
    assert_string_equal(text, expected);
}

static void test_lists(void **state)
{
    (void)state;
    check_list("", "");
    check_list(" , ;\r\n ,", "");
    check_list("a@b", "a@b");
    check_list("a@b, c@d,e@f", "a@b|c@d|e@f");
    check_list("root", "root");
    check_list("Me <a@b>, \"You, there\" <c@d> (x, y)", "a@b|c@d");
    check_list("a@b (Me (or not)), (You) c@d", "a@b|c@d");
    check_list("(only \\) a comment) a@b", "a@b");
    check_list("\"a,b\"@c, \"x>y\" <\"d>e\"@f>", "\"a,b\"@c|\"d>e\"@f");
    check_list("undisclosed-recipients:;", "");
    check_list("team: a@b, Me <c@d>; e@f", "a@b|c@d|e@f");
    check_list("a@[IPv6:::1], b@c", "a@[IPv6:::1]|b@c");
    check_list("a@b,\r\n\tc@d", "a@b|c@d");
    check_list("two words, a@b", "!|a@b");
    check_list("<a@b> <c@d>, e@f", "!|e@f");
    check_list("<a@b> junk, e@f", "!|e@f");
    check_list("<>, a@b", "!|a@b");
    check_list("a@b, \"open", "a@b|!");
    check_list("a@b, <open", "a@b|!");
    check_list("a@b, (open", "a@b|!");
    check_list("a@b, <\"open>", "a@b|!");
    check_list("a\\", "a\\");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complete),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_lists),
    };

    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
