/*
 * test_content_scan.c - what content shows, and line ends made clean
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "message/content_scan.h"
#include "message/normalize.h"

static void check_n(const char *content, size_t len, unsigned expected)
{
    for (size_t split = 0; split <= len; split++) {
        struct pp_content_scan s;

        pp_content_scan_init(&s);
        pp_content_scan(&s, (const uint8_t *)content, split);
        pp_content_scan(&s, (const uint8_t *)content + split, len - split);
        assert_int_equal(pp_content_scan_end(&s), expected);
    }
}

static void check(const char *content, unsigned expected)
{
    check_n(content, strlen(content), expected);
}

static void test_headers(void **state)
{
    (void)state;
    check("", PP_CONTENT_NO_HEADER);
    check("\r\nDate: x\r\n", PP_CONTENT_NO_HEADER);
    check("Date: x\r\n", PP_CONTENT_HAS_DATE);
    check("date : x\r\n", PP_CONTENT_HAS_DATE);
    check("X: 1\r\n\r\nDate: x\r\n", 0);
    check("X: 1\r\n Date: x\r\n", 0);
    check("Message-Id: x\r\nFROM: x\r\nmime-version: 1.0\r\nSender: x\r\n\r\n",
          PP_CONTENT_HAS_MESSAGE_ID | PP_CONTENT_HAS_FROM | PP_CONTENT_HAS_MIME |
              PP_CONTENT_HAS_SENDER_FIELDS);
    check("To: x\r\n", PP_CONTENT_HAS_TO);
    check("Cc: x\r\n", PP_CONTENT_HAS_TO);
    check("Bcc: x\r\n", PP_CONTENT_HAS_TO);
    check("hello\r\nDate: x\r\n", PP_CONTENT_NO_HEADER);
    check("hello there: x\r\n", PP_CONTENT_NO_HEADER);
    check(" Date: x\r\n", PP_CONTENT_NO_HEADER);
    check(": x\r\n", PP_CONTENT_NO_HEADER);
    check("From a@b Mon\r\nDate: x\r\n", PP_CONTENT_HAS_DATE);
    check("X: 1\r\nFrom a@b Mon\r\nDate: x\r\n", 0);
    check("X: 1\r\nno field\r\nDate: x\r\n", 0);
    check("Date-Not: x\r\nX-A-Very-Long-Name-That-Is-Longer-Than-Any-We-Know: x\r\nDate: x\r\n",
          PP_CONTENT_HAS_DATE);
}

static void test_bytes(void **state)
{
    (void)state;
    check("X: \xC3\xBC\r\n\r\nx", PP_CONTENT_8BIT_HEADER);
    check("X: 1\r\n\r\n\xC3\xBC", PP_CONTENT_8BIT);
    check("\xC3\xBC\r\n", PP_CONTENT_NO_HEADER | PP_CONTENT_8BIT);
    check("X: 1\r\n\r\n\xE2\x82\xAC \xF0\x9F\x98\x80 \xEF\xBF\xBD", PP_CONTENT_8BIT);
    static const char *const bad[] = {"\xFF",         "\xC0\x80",     "\xC3",
                                      "\xC3 ",        "\xED\xA0\x80", "\xF4\x90\x80\x80",
                                      "\xE0\x80\x80", "\x80",         "\xC3\xC3\xBC"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[32] = "X: 1\r\n\r\n";

        memcpy(text + 8, bad[i], strlen(bad[i]) + 1);
        check(text, PP_CONTENT_8BIT | PP_CONTENT_NOT_UTF8);
    }
    check_n("X: 1\r\n\r\n\0", 9, PP_CONTENT_HAS_NUL);
}

static void test_long_lines(void **state)
{
    static char text[1100];

    (void)state;
    memset(text, 'x', sizeof text);
    memcpy(text, "X: 1\r\n\r\n", 8);
    check_n(text, 8 + 998, 0);
    check_n(text, 8 + 999, PP_CONTENT_LONG_LINE);
    memcpy(text, "X:", 2);
    memset(text + 2, 'x', 8);
    check_n(text, 998, 0);
    check_n(text, 999, PP_CONTENT_LONG_HEADER_LINE);
}

static void test_normalize(void **state)
{
    static const char in[] = "a\nb\rc\r\nd\n\r\r\n\n";
    static const char expected[] = "a\r\nb\r\nc\r\nd\r\n\r\n\r\n\r\n";

    (void)state;
    for (size_t cap = 2; cap < 6; cap++) {
        for (size_t piece = 1; piece < 5; piece++) {
            struct pp_normalize n = {false};
            char out[64];
            size_t out_len = 0;
            size_t at = 0;

            while (at < sizeof in - 1) {
                uint8_t small[8];
                size_t len = sizeof in - 1 - at < piece ? sizeof in - 1 - at : piece;
                size_t put = 0;

                at += pp_normalize(&n, (const uint8_t *)in + at, len, small, cap, &put);
                assert_true(put <= cap);
                memcpy(out + out_len, small, put);
                out_len += put;
            }
            assert_int_equal(out_len, sizeof expected - 1);
            assert_memory_equal(out, expected, out_len);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_normalize),
    };

    return cmocka_run_group_tests_name("content_scan", tests, NULL, NULL);
}
