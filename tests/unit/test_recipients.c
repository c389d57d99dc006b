/*
 * test_recipients.c - recipients from arguments and from header fields
 */
#include "posix/recipients.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct pp_recipients list;

static enum pp_err add(const char *text_z)
{
    struct pp_text bad;

    return pp_recipients_add(&list, pp_text_z(text_z), &bad);
}

/* The list with a blank between. */
static const char *joined(void)
{
    static char text[4096];
    struct pp_text address;
    size_t cursor = 0;
    struct pp_writer w;

    pp_writer_init(&w, text, sizeof(text) - 1);
    while (pp_recipients_next(&list, &cursor, &address) == PP_OK) {
        pp_put_z(&w, w.len > 0 ? " " : "");
        pp_put_text(&w, address);
    }
    text[w.len] = '\0';
    return text;
}

static int clear(void **state)
{
    (void)state;
    pp_recipients_clear(&list);
    return 0;
}

static void test_arguments(void **state)
{
    (void)state;
    assert_int_equal(add("root"), PP_OK);
    assert_int_equal(add("a@b.example, \"Q, R\" <q@r.example> (comment)"), PP_OK);
    assert_int_equal(add("<root>"), PP_OK);
    assert_string_equal(joined(), "root a@b.example q@r.example");
    assert_int_equal(list.count, 3);
}

static void test_bad_arguments(void **state)
{
    struct pp_text bad;

    (void)state;
    assert_int_equal(add(""), PP_ERR_EMPTY);
    assert_int_equal(add(" , "), PP_ERR_EMPTY);
    assert_int_equal(add("a@b\nBcc: c@d"), PP_ERR_INJECTION);
    assert_int_equal(add("a@b\rX"), PP_ERR_INJECTION);
    assert_int_equal(pp_recipients_add(&list, pp_text_z("a@b, two words, c@d"), &bad),
                     PP_ERR_SYNTAX);
    assert_non_null(strstr("a@b, two words, c@d", "two words"));
    assert_memory_equal(bad.p, "two words", strlen("two words"));
}

static void test_too_many(void **state)
{
    char address[64];

    (void)state;
    for (int i = 0; i < PP_RECIPIENTS_MAX; i++) {
        (void)snprintf(address, sizeof(address), "user%d@example.org", i);
        assert_int_equal(add(address), PP_OK);
    }
    assert_int_equal(add("one@more.example"), PP_ERR_TOO_BIG);
    assert_int_equal(add("user7@example.org"), PP_OK);
}

static enum pp_err header(const char *text_z)
{
    struct pp_text bad;

    return pp_recipients_from_header(&list, pp_text_z(text_z), true, &bad);
}

static void test_header(void **state)
{
    (void)state;
    assert_int_equal(header("From: x@y\n"
                            "To: a@b, \"C\" <c@d>\n"
                            "Subject: To: z@z\n"
                            "cc: e@f,\n"
                            "\t(folded) g@h\n"
                            "BCC : i@j\n"
                            "\n"
                            "To: not@this\n"),
                     PP_OK);
    assert_string_equal(joined(), "a@b c@d e@f g@h i@j");
}

static void test_header_crlf(void **state)
{
    (void)state;
    assert_int_equal(header("From root Mon Nov 23 10:00:00 2026\r\n"
                            "To: team: a@b,\r\n c@d;\r\n"
                            "Cc: undisclosed-recipients:;\r\n\r\nTo: no@no\r\n"),
                     PP_OK);
    assert_string_equal(joined(), "a@b c@d");
}

static void test_header_resent(void **state)
{
    (void)state;
    assert_int_equal(header("Resent-To: a@b\nTo: old@one\nResent-Bcc: c@d\n\n"), PP_OK);
    assert_string_equal(joined(), "a@b c@d");
}

/* What is no field ends the header section, as in any mail reader. */
static void test_header_ends(void **state)
{
    (void)state;
    assert_int_equal(header("To: a@b\nnot a field\nTo: c@d\n"), PP_OK);
    assert_string_equal(joined(), "a@b");
    pp_recipients_clear(&list);
    assert_int_equal(header("\nTo: a@b\n"), PP_OK);
    assert_int_equal(header(" To: a@b\n"), PP_OK);
    assert_int_equal(header(""), PP_OK);
    assert_int_equal(list.count, 0);
    assert_int_equal(header("To: a@b"), PP_OK);
    assert_string_equal(joined(), "a@b");
}

static void test_header_bad(void **state)
{
    struct pp_text bad;
    struct pp_text text = pp_text_z("To: a@b, two words\n\n");

    (void)state;
    assert_int_equal(pp_recipients_from_header(&list, text, true, &bad), PP_ERR_SYNTAX);
    assert_int_equal(bad.len, strlen("two words"));
    assert_memory_equal(bad.p, "two words", bad.len);
}

/* A header section that does not end in what is in memory may go on anywhere. */
static void test_header_cut(void **state)
{
    static const char *const cut[] = {"To: a@b\nSub", "To: a@b\nSubject: x\n", "To: a@b,\n c"};
    struct pp_text bad;

    (void)state;
    for (size_t i = 0; i < sizeof(cut) / sizeof(*cut); i++) {
        assert_int_equal(pp_recipients_from_header(&list, pp_text_z(cut[i]), false, &bad),
                         PP_ERR_TOO_BIG);
    }
    assert_int_equal(pp_recipients_from_header(&list, pp_text_z("To: a@b\n\ntext"), false, &bad),
                     PP_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_arguments, clear),
        cmocka_unit_test_setup(test_bad_arguments, clear),
        cmocka_unit_test_setup(test_too_many, clear),
        cmocka_unit_test_setup(test_header, clear),
        cmocka_unit_test_setup(test_header_crlf, clear),
        cmocka_unit_test_setup(test_header_resent, clear),
        cmocka_unit_test_setup(test_header_ends, clear),
        cmocka_unit_test_setup(test_header_bad, clear),
        cmocka_unit_test_setup(test_header_cut, clear),
    };

    return cmocka_run_group_tests_name("recipients", tests, NULL, NULL);
}
