/*
 * test_render_relay.c - other people's mail as it goes out: rewritten, completed, or untouched
 *
 * Job:      From rewritten for an account that sends as itself, addresses without a domain, and
 *           what must not change in a signed message; each fed in pieces of several sizes.
 * Not here: alerts and conversions (test_render.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "message/complete.h"
#include "message/render.h"

#define OURS "From: \"NAS\" <nas@isp.example>\r\n"
#define REST "Date: x\r\nTo: a@b\r\nMessage-ID: <1@x>\r\n"

static char output[1 << 16];
static size_t output_len;

static struct pp_render_facts facts(void)
{
    return (struct pp_render_facts){.from = {"nas@isp.example", 15},
                                    .from_name = {"NAS", 3},
                                    .hostname = {"nas.example.org", 15},
                                    .domain = {"example.org", 11},
                                    .queue_id = 7,
                                    .accepted_s = 1795381440,
                                    .now_s = 1795381500,
                                    .eight_bit_ok = true};
}

static void take_output(struct pp_render *r)
{
    size_t len = pp_buf_len(&r->out);

    assert_true(output_len + len < sizeof output);
    memcpy(output + output_len, pp_buf_head(&r->out), len);
    output_len += len;
    pp_buf_consume(&r->out, len);
}

static enum pp_err render(struct pp_render_facts f, const char *content_z, size_t piece)
{
    static struct pp_render r;
    struct pp_content_scan scan;
    const uint8_t *content = (const uint8_t *)content_z;
    size_t len = strlen(content_z);

    pp_content_scan_init(&scan);
    pp_content_scan(&scan, content, len);
    f.content = pp_content_scan_end(&scan);
    pp_render_init(&r, &f);
    output_len = 0;
    for (size_t fed = 0; fed < len;) {
        size_t n = len - fed < piece ? len - fed : piece;
        size_t taken = pp_render_feed(&r, content + fed, n);

        assert_true(taken > 0 || pp_buf_len(&r.out) > 0);
        fed += taken;
        take_output(&r);
    }
    while (!pp_render_end(&r)) {
        assert_true(pp_buf_len(&r.out) > 0);
        take_output(&r);
    }
    take_output(&r);
    output[output_len] = '\0';
    uint64_t estimate = pp_render_size_estimate(&f, len);
    assert_true(r.error != PP_OK || estimate == 0 || output_len <= estimate);
    return r.error;
}

static void check(const struct pp_render_facts *f, const char *content_z, const char *expected_z)
{
    static const size_t pieces[] = {1, 2, 7, 64, 1 << 16};

    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        assert_int_equal(render(*f, content_z, pieces[i]), PP_OK);
        assert_string_equal(output, expected_z);
    }
}

/* ---- rewriting ---- */

static void test_rewritten(void **state)
{
    (void)state;
    static const struct {
        const char *given_z, *put_z;
    } cases[] = {
        {"From: Me <me@home.example>\r\n", OURS "Reply-To: Me <me@home.example>\r\n"
                                                "X-Original-From: Me <me@home.example>\r\n"},
        {"from :me@home.example\r\n",
         OURS "Reply-To: me@home.example\r\nX-Original-From: me@home.example\r\n"},
        {"From: Me\r\n <me@home.example>\r\n",
         OURS "Reply-To: Me\r\n <me@home.example>\r\n"
              "X-Original-From: Me\r\n <me@home.example>\r\n"},
        /* There is a Reply-To, before it or behind it. */
        {"Reply-To: you@x\r\nFrom: me@x\r\n",
         "Reply-To: you@x\r\n" OURS "X-Original-From: me@x\r\n"},
        {"From: me@x\r\nReply-To: you@x\r\n", OURS "X-Original-From: me@x\r\nReply-To: you@x\r\n"},
        /* Who sends it is the account; other fields stay. */
        {"Sender: s@x\r\nFrom: me@x\r\nX-From: y\r\n",
         OURS "Reply-To: me@x\r\nX-Original-From: me@x\r\nX-From: y\r\n"},
        {"From: me@x\r\nFrom: other@x\r\n",
         OURS "Reply-To: me@x\r\nX-Original-From: me@x\r\nX-Original-From: other@x\r\n"},
        {"From: root\r\n",
         OURS "Reply-To: root@example.org\r\nX-Original-From: root@example.org\r\n"},
        /* No address to answer to. */
        {"From:\r\n", OURS "X-Original-From: \r\n"},
        {"From: <>\r\n", OURS "X-Original-From: <>\r\n"},
    };
    struct pp_render_facts f = facts();

    f.rewrite_sender = true;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char given[500], expected[500];

        (void)snprintf(given, sizeof given, REST "%s\r\nFrom: body\r\n", cases[i].given_z);
        (void)snprintf(expected, sizeof expected, REST "%s\r\nFrom: body\r\n", cases[i].put_z);
        check(&f, given, expected);
    }
    check(&f, REST "\r\nx\r\n", REST OURS "\r\nx\r\n");
    check(&f, REST "From: me@x", REST OURS "Reply-To: me@x\r\nX-Original-From: me@x\r\n\r\n");
}

/* Whatever its length, one From of ours goes out, and lines stay within 998 octets. */
static void test_long_from(void **state)
{
    (void)state;
    static char given[20000];
    struct pp_render_facts f = facts();

    f.rewrite_sender = true;
    for (unsigned count = 1; count < 400; count += count < 30 ? 1 : 7) {
        struct pp_writer w;

        pp_writer_init(&w, given, sizeof given - 1);
        pp_put_z(&w, REST "From: first@x");
        for (unsigned i = 1; i < count; i++) {
            pp_put_z(&w, i % 9 == 0 ? ",\r\n \"some name\" <a@b.example>"
                                    : ", \"some name\" <a@b.example>");
        }
        pp_put_z(&w, "\r\n\r\nbody\r\n");
        assert_false(w.overflow);
        given[w.len] = '\0';
        assert_int_equal(render(f, given, count % 3 == 0 ? 1 : 1000), PP_OK);
        assert_memory_equal(output, REST OURS "Reply-To: ", strlen(REST OURS) + 10);
        const char *reply_to = output + strlen(REST OURS) + 10;
        if (count > 30) {
            assert_memory_equal(reply_to, "<first@x>\r\nX-Original-From: first@x", 34);
        } else if (count < 15) {
            assert_memory_equal(reply_to, "first@x", 7);
        }
        assert_non_null(strstr(output, "\r\nX-Original-From: first@x"));
        assert_null(strstr(output + strlen(REST OURS), "\r\nFrom:"));
        assert_non_null(strstr(output, "\r\n\r\nbody\r\n"));
        for (char *p = output; *p != '\0'; p = strchr(p, '\n') + 1) {
            assert_true(strchr(p, '\r') - p <= 998);
        }
    }
}

/* A name that is not ASCII, for a server that takes no such header. */
static void test_from_is_encoded(void **state)
{
    (void)state;
    struct pp_render_facts f = facts();

    f.rewrite_sender = true;
    f.eight_bit_ok = false;
    assert_int_equal(render(f, REST "From: \xC3\xA9 <me@x>\r\n\r\nx\r\n", 1), PP_OK);
    assert_non_null(strstr(output, OURS "Reply-To: <me@x>\r\n"
                                        "X-Original-From: =?utf-8?B?w6kgPG1lQHg+?=\r\n"));
    f.rewrite_sender = false;
    assert_int_equal(render(f, REST "From: \xC3\xA9 <me@x>\r\n\r\nx\r\n", 1), PP_ERR_UNSUPPORTED);
}

/* ---- completion ---- */

static void test_completed(void **state)
{
    (void)state;
    static const struct {
        const char *given_z, *put_z; /* NULL: as it is */
    } cases[] = {
        {"From: root\r\n", "From: root@d.e\r\n"},
        {"From:root\r\n", "From:root@d.e\r\n"},
        {"From: root (Cron Daemon)\r\n", "From: root@d.e (Cron Daemon)\r\n"},
        {"From: (Cron) root\r\n", "From: (Cron) root@d.e\r\n"},
        {"From: \"(Cron Daemon)\" <root>\r\n", "From: \"(Cron Daemon)\" <root@d.e>\r\n"},
        {"From: mdadm monitoring <root>\r\n", "From: mdadm monitoring <root@d.e>\r\n"},
        {"From: <root>\r\n", "From: <root@d.e>\r\n"},
        {"To: root, a@b,\r\n\tadmin\r\n", "To: root@d.e, a@b,\r\n\tadmin@d.e\r\n"},
        {"To: \xC3\xA9 <root>\r\n", "To: \xC3\xA9 <root@d.e>\r\n"},
        {"To: x.y+z=1, , \"a, b\" <c>\r\n", "To: x.y+z=1@d.e, , \"a, b\" <c@d.e>\r\n"},
        {"To: a (c (d) \\) e), b\r\n", "To: a@d.e (c (d) \\) e), b@d.e\r\n"},
        {"To: \"q \\\" r\"@x, b\r\n", "To: \"q \\\" r\"@x, b@d.e\r\n"},
        {"From: a@b\r\n", NULL},
        {"From: N <a@b>\r\n", NULL},
        {"From: two words\r\n", NULL},
        {"From: \"root\"\r\n", NULL},
        {"From: <>\r\n", NULL},
        {"From:\r\n", NULL},
        {"From: <a b>\r\n", NULL},
        {"From: <a> b\r\n", NULL},
        {"From: <a> <b>\r\n", NULL},
        {"From: <a> \"b\"\r\n", NULL},
        {"From: <@r:a@b>\r\n", NULL},
        {"From: \xC3\xA9\r\n", NULL},
        {"From: .a\r\n", NULL},
        {"From: a..b\r\n", NULL},
        {"From: a (open\r\n", NULL},
        {"From: \"open\r\n", NULL},
        {"From: \"open\\\r\n", NULL},
        {"From: a)\r\n", NULL},
        {"From: a\\b\r\n", NULL},
        {"From: <a\r\n", NULL},
        {"From: <a\"b>\r\n", NULL},
        {"To: undisclosed-recipients:;\r\n", NULL},
        {"To: root, group: a, b;\r\n", NULL},
        {"To: root, a@[1.2.3.4]\r\n", NULL},
        {"To\r\n", NULL},
        {"", NULL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t field[200];
        const char *expected_z = cases[i].put_z != NULL ? cases[i].put_z : cases[i].given_z;
        size_t len = strlen(cases[i].given_z);

        memcpy(field, cases[i].given_z, len);
        size_t put = pp_complete_field(field, len, sizeof field, pp_text_z("d.e"));
        assert_int_equal(put, strlen(expected_z));
        assert_memory_equal(field, expected_z, put);
        memcpy(field, cases[i].given_z, len);
        assert_int_equal(pp_complete_field(field, len, sizeof field, pp_text_z("")), len);
        assert_int_equal(pp_complete_field(field, len, len + 3, pp_text_z("d.e")), len);
        assert_memory_equal(field, cases[i].given_z, len);
    }
}

/* Random fields of telling bytes: within the memory, and only insertions. */
static void test_random_fields(void **state)
{
    (void)state;
    static const char bytes[] = "aab..@@<<>>(()),,\"\"\\ \t\r\n:;[]\xC3";

    srand(4);
    for (int i = 0; i < 100000; i++) {
        size_t len = (size_t)rand() % 60;
        uint8_t *field = malloc(len + 40);
        char before[60];
        size_t at = 0;

        assert_non_null(field);
        for (size_t k = 0; k < len; k++) {
            before[k] = k == 1 ? ':' : bytes[(size_t)rand() % (sizeof bytes - 1)];
        }
        memcpy(field, before, len);
        size_t put = pp_complete_field(field, len, len + 40, pp_text_z("D"));
        for (size_t k = 0; k < put; k++) {
            if (at < len && field[k] == (uint8_t)before[at]) {
                at++;
            } else {
                assert_true(field[k] == '@' && field[++k] == 'D');
            }
        }
        assert_int_equal(at, len);
        free(field);
    }
}

static void test_fields_that_are_completed(void **state)
{
    (void)state;
    struct pp_render_facts f = facts();

    check(&f,
          "Date: x\r\nMessage-ID: <1@x>\r\nFrom: root (Cron Daemon)\r\nTo: root\r\ncC: a\r\n"
          "Sender: b\r\nReply-To: c\r\nX-To: d\r\nSubject: e\r\n\r\nTo: root\r\n",
          "Date: x\r\nMessage-ID: <1@x>\r\nFrom: root@example.org (Cron Daemon)\r\n"
          "To: root@example.org\r\ncC: a@example.org\r\nSender: b@example.org\r\n"
          "Reply-To: c@example.org\r\nX-To: d\r\nSubject: e\r\n\r\nTo: root\r\n");
    f.domain = pp_text_z("");
    check(&f, REST "From: root\r\n\r\n", REST "From: root\r\n\r\n");
}

/* ---- untouched ---- */

/* Signed mail: nothing goes but Bcc and Return-Path, nothing comes. */
static void test_signed_passes(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "text\r\n",
        "  blanks  \r\n\t\r\n..dots\r\n.\r\n\r\n\r\n",
        "\xC3\xA9 8-bit without labels\r\n",
        "--b\r\nContent-Type: text/plain\r\nBcc: in a part\r\n\r\nx\r\n--b--\r\n",
        "",
    };
    static const char *const headers[] = {
        "DKIM-Signature: v=1; a=rsa-sha256; h=from:to:date;\r\n\tb=AAAA\r\n"
        "From:  Me   <me@home.example> \r\nDATE: Sun,  22 Nov 2026 21:04:00 +0000\r\n"
        "message-id:<1@x>\r\nX-Long: aaaa\r\n  bbbb\r\nSubject:\r\n",
        "Received: from a\r\n by b\r\nDKIM-Signature: v=1\r\nFrom: root\r\nDate: x\r\n"
        "Message-ID: <1@x>\r\nContent-Type: multipart/mixed; boundary=b\r\n",
    };
    struct pp_render_facts f = facts();

    for (size_t h = 0; h < sizeof headers / sizeof headers[0]; h++) {
        for (size_t b = 0; b < sizeof bodies / sizeof bodies[0]; b++) {
            char given[1000], expected[1000];

            (void)snprintf(given, sizeof given, "Return-Path: <x>\r\n%sBcc: y@z\r\n\r\n%s",
                           headers[h], bodies[b]);
            (void)snprintf(expected, sizeof expected, "%s\r\n%s", headers[h], bodies[b]);
            check(&f, given, expected);
        }
    }
}

/* Behind the relay server's Received field text is taken as if the field were not there. */
static void test_trace_before_odd_content(void **state)
{
    (void)state;
    struct pp_render_facts f = facts();

    check(&f,
          "Received: from a\r\n by b\r\nFrom someone Mon Jan 1\r\n" REST "From: a@b\r\n\r\nx\r\n",
          "Received: from a\r\n by b\r\n" REST "From: a@b\r\n\r\nx\r\n");
    check(&f, "Received: a\r\nSubject: x\r\nFrom someone\r\n",
          "Received: a\r\nSubject: x\r\nDate: Sun, 22 Nov 2026 21:04:00 +0000\r\n" OURS
          "To: undisclosed-recipients:;\r\nMessage-ID: <7.0@nas.example.org>\r\n\r\n"
          "From someone\r\n");
    /* A blank at its beginning continues nothing. */
    check(&f, "Received: a\r\nFrom someone\r\n x: y\r\n",
          "Received: a\r\nDate: Sun, 22 Nov 2026 21:04:00 +0000\r\n" OURS
          "To: undisclosed-recipients:;\r\nMessage-ID: <7.0@nas.example.org>\r\n\r\n x: y\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rewritten),       cmocka_unit_test(test_long_from),
        cmocka_unit_test(test_from_is_encoded), cmocka_unit_test(test_completed),
        cmocka_unit_test(test_random_fields),   cmocka_unit_test(test_fields_that_are_completed),
        cmocka_unit_test(test_signed_passes),   cmocka_unit_test(test_trace_before_odd_content),
    };

    return cmocka_run_group_tests_name("render_relay", tests, NULL, NULL);
}
