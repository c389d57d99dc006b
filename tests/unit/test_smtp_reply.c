/*
 * test_smtp_reply.c - the form of replies, and what EHLO announces
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "delivery/smtp_ehlo.h"
#include "delivery/smtp_reply.h"

/* Reads one reply that came whole. */
static enum pp_err read_reply(const char *bytes, size_t len, struct pp_reply_reader *r)
{
    static uint8_t storage[16384];
    struct pp_buf in;
    struct pp_text text;
    enum pp_err err;

    pp_buf_init(&in, storage, sizeof storage);
    pp_reply_reader_init(r);
    assert_true(pp_buf_put(&in, bytes, len));
    do {
        err = pp_reply_read_line(r, &in, &text);
    } while (err == PP_OK && r->open);
    return err;
}

static void check(const char *bytes, const char *expected)
{
    struct pp_reply_reader r;
    char text[600];
    struct pp_writer w;

    assert_int_equal(read_reply(bytes, strlen(bytes), &r), PP_OK);
    pp_writer_init(&w, text, sizeof text - 1);
    pp_put_reply(&w, &r.reply);
    text[w.len] = '\0';
    assert_string_equal(text, expected);
}

static void test_replies(void **state)
{
    struct pp_reply_reader r;

    (void)state;
    check("250\r\n", "250");
    check("250 \n", "250");
    check("250-a\r\n250-\r\n250\r\n", "250 a");
    check("250-a\r\n250 b\r\n", "250 a / b");
    check("550-5.1.1 no such\r\n550 5.1.1 user\r\n", "550 5.1.1 no such / user");
    check("550 5.1.999 x\r\n", "550 5.1.255 x");
    check("550 5.1.1\r\n", "550 5.1.1");
    /* Not enhanced codes: another class, too long, glued. */
    check("450 5.1.1 x\r\n", "450 5.1.1 x");
    check("550 5.1.1000 x\r\n", "550 5.1.1000 x");
    check("550 5.1.1x\r\n", "550 5.1.1x");
    check("550 5.1\r\n", "550 5.1");
    check("250 a\tb\x01\x7f\xff\xc3\xbc\xc2\x9b\r\n", "250 a b???\xc3\xbc??");
    assert_int_equal(read_reply("250 a", 5, &r), PP_ERR_LATER);
    assert_int_equal(read_reply("250 a\0b\r\n", 9, &r), PP_ERR_SYNTAX);
    assert_int_equal(read_reply("250-a\r\n251 b\r\n", 14, &r), PP_ERR_SYNTAX);
}

static void test_text_is_cut(void **state)
{
    struct pp_reply_reader r;
    char line[PP_REPLY_TEXT_CAP + 200];

    (void)state;
    memset(line, 'x', sizeof line);
    memcpy(line, "250 ", 4);
    /* A character that the end of the room would cut in two. */
    memcpy(line + 4 + PP_REPLY_TEXT_CAP - 1, "\xc3\xbc", 2);
    memcpy(line + sizeof line - 2, "\r\n", 2);
    assert_int_equal(read_reply(line, sizeof line, &r), PP_OK);
    assert_int_equal(r.reply.text_len, PP_REPLY_TEXT_CAP - 1);
}

static void test_own(void **state)
{
    static const uint8_t code[3] = {5, 6, 7};
    struct pp_reply reply;

    (void)state;
    pp_reply_own(&reply, NULL, "5.6.3 words");
    assert_int_equal(reply.enhanced[2], 3);
    assert_int_equal(reply.text_len, 5);
    pp_reply_own(&reply, code, "5.6.3 words");
    assert_int_equal(reply.enhanced[2], 7);
    assert_int_equal(reply.text_len, 11);
    pp_reply_own(&reply, NULL, NULL);
    assert_int_equal(reply.text_len, 0);
    assert_int_equal(reply.code, 0);
}

static void test_ehlo(void **state)
{
    struct pp_smtp_capabilities c = {0};

    (void)state;
    pp_ehlo_keyword(&c, pp_text_z("pipelining"));
    pp_ehlo_keyword(&c, pp_text_z("SIZE 35882577"));
    pp_ehlo_keyword(&c, pp_text_z("AUTH  LOGIN   plain X-OWN"));
    pp_ehlo_keyword(&c, pp_text_z("8BITMIMEX"));
    pp_ehlo_keyword(&c, pp_text_z(""));
    assert_true(c.pipelining && c.size && c.auth && c.auth_login && c.auth_plain);
    assert_true(c.size_limit == 35882577);
    assert_false(c.eight_bit_mime || c.starttls || c.auth_xoauth2);

    memset(&c, 0, sizeof c);
    pp_ehlo_keyword(&c, pp_text_z("AUTH=LOGIN"));
    pp_ehlo_keyword(&c, pp_text_z("SIZE 99999999999999999999999"));
    pp_ehlo_keyword(&c, pp_text_z("SIZE -1"));
    pp_ehlo_keyword(&c, pp_text_z("STARTTLS"));
    pp_ehlo_keyword(&c, pp_text_z("SMTPUTF8"));
    assert_true(c.auth && c.auth_login && c.size && c.starttls && c.smtputf8);
    assert_true(c.size_limit == 0 && !c.auth_plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_text_is_cut),
        cmocka_unit_test(test_own),
        cmocka_unit_test(test_ehlo),
    };

    return cmocka_run_group_tests_name("smtp_reply", tests, NULL, NULL);
}
