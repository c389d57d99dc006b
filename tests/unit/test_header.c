/*
 * test_header.c - header fields that we write: encoded, folded, never broken
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "message/header.h"

static char text[8192];

static const char *put(const char *value, size_t len)
{
    struct pp_writer w;

    pp_writer_init(&w, text, sizeof text - 1);
    pp_put_header(&w, "Subject", pp_text_n(value, len));
    assert_false(w.overflow);
    text[w.len] = '\0';
    return text;
}

static const char *put_z(const char *value)
{
    return put(value, strlen(value));
}

/* Lines of at most 76 octets (where words allow it), none of them blank, all but the first begin
 * with a blank. */
static void check_lines(size_t most)
{
    size_t line = 0;
    bool content = false;

    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '\r') {
            assert_true(p[1] == '\n' && content && (p[2] == '\0' || p[2] == ' '));
            assert_true(line <= most);
            line = 0;
            content = false;
            p++;
        } else {
            assert_true((unsigned char)*p >= ' ' && (unsigned char)*p < 127);
            content = content || *p != ' ';
            line++;
        }
    }
    assert_int_equal(line, 0);
}

static void test_plain(void **state)
{
    (void)state;
    assert_string_equal(put_z("hello"), "Subject: hello\r\n");
    assert_string_equal(put_z("  hello \r\n"), "Subject: hello\r\n");
    assert_string_equal(put_z(""), "Subject: \r\n");
    assert_string_equal(put_z("a\r\nBcc: x@y"), "Subject: a  Bcc: x@y\r\n");
    assert_string_equal(put("a\0b", 3), "Subject: a b\r\n");
    put_z("this is a rather long subject that has to be folded somewhere, and then once more, "
          "because it goes   on and on and on and has a wordthatislongerthanalineisallowedtobebut"
          "itcannotbefoldedsoitstaysasitis and ends");
    check_lines(130);
    /* Unfolding gives back what was given. */
    assert_non_null(strstr(text, "goes   on"));
}

static void test_encoded(void **state)
{
    char value[900];

    (void)state;
    assert_string_equal(put_z("\xC3\xBC"), "Subject: =?utf-8?B?w7w=?=\r\n");
    assert_string_equal(put_z("\xFF"), "Subject: =?unknown-8bit?B?/w==?=\r\n");
    assert_string_equal(put_z("=?utf-8?Q?x?="), "Subject: =?utf-8?B?PT91dGYtOD9RP3g/PQ==?=\r\n");
    for (size_t i = 0; i + 3 <= sizeof value; i += 3) {
        memcpy(value + i, "\xE2\x82\xAC", 3);
    }
    put(value, sizeof value);
    check_lines(76);
    /* Each word decodes by itself: whole characters of three bytes make whole groups of four. */
    for (const char *p = text; (p = strstr(p, "?B?")) != NULL; p += 3) {
        size_t len = strcspn(p + 3, "?");

        assert_int_equal(len % 4, 0);
        assert_true(len + 12 <= 75);
        assert_null(memchr(p + 3, '=', len));
    }
    memset(value, 'x', sizeof value);
    put(value, sizeof value);
    check_lines(998);
}

static void test_long_word(void **state)
{
    static char value[2000];

    (void)state;
    memset(value, 'x', sizeof value);
    put(value, sizeof value);
    check_lines(76);
    memset(value, '\xFF', sizeof value);
    put(value, sizeof value);
    check_lines(76);
}

static const char *put_from(const char *name, const char *address)
{
    struct pp_render_facts facts = {.from = pp_text_z(address), .from_name = pp_text_z(name)};
    struct pp_writer w;

    pp_writer_init(&w, text, sizeof text - 1);
    pp_put_from_field(&w, &facts);
    assert_false(w.overflow);
    text[w.len] = '\0';
    return text;
}

static void test_from(void **state)
{
    (void)state;
    assert_string_equal(put_from("", "a@b"), "From: a@b\r\n");
    assert_string_equal(put_from("NAS, \"old\" \\", "a@b"),
                        "From: \"NAS, \\\"old\\\" \\\\\" <a@b>\r\n");
    assert_string_equal(put_from("B\xC3\xBCro", "a@b"), "From: =?utf-8?B?QsO8cm8=?= <a@b>\r\n");
    assert_string_equal(put_from("x\r\nBcc: y", "a\r\n@b"), "From: \"x  Bcc: y\" <a@b>\r\n");
    put_from("a name that is long enough to be put on a line of its own, as one may see",
             "and.an.address@example.org");
    check_lines(90);
}

static void test_message_id(void **state)
{
    struct pp_render_facts facts = {.queue_id = 255, .device = UINT64_MAX, .hostname = {"nas", 3}};
    struct pp_writer w;

    (void)state;
    pp_writer_init(&w, text, sizeof text);
    pp_put_message_id(&w, &facts);
    assert_true(pp_text_equal(pp_writer_text(&w), pp_text_z("<ff.ffffffffffffffff@nas>")));
    facts.hostname = pp_text_z("my host>");
    pp_writer_init(&w, text, sizeof text);
    pp_put_message_id(&w, &facts);
    assert_true(pp_text_equal(pp_writer_text(&w), pp_text_z("<ff.ffffffffffffffff@localhost>")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),      cmocka_unit_test(test_encoded),
        cmocka_unit_test(test_long_word),  cmocka_unit_test(test_from),
        cmocka_unit_test(test_message_id),
    };

    return cmocka_run_group_tests_name("header", tests, NULL, NULL);
}
