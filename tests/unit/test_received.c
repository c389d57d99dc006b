/*
 * test_received.c - the trace field of the relay server
 *
 * Job:      golden fields by what is known, names of cipher suites, and words of clients that try
 *           to end the field: whatever they say, it stays one field.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "message/received.h"

#define DATE "Sun, 22 Nov 2026 21:04:00 +0000"

static struct pp_received_facts facts(void)
{
    return (struct pp_received_facts){.hello = pp_text_z("printer"),
                                      .address = pp_text_z("192.0.2.7"),
                                      .hostname = pp_text_z("nas.example.org"),
                                      .esmtp = true,
                                      .now_s = 1795381440};
}

static const char *put(const struct pp_received_facts *f)
{
    static char text[PP_RECEIVED_MAX + 1];
    struct pp_writer w;

    pp_writer_init(&w, text, PP_RECEIVED_MAX);
    pp_put_received(&w, f);
    assert_false(w.overflow);
    text[w.len] = '\0';
    return text;
}

static void test_golden(void **state)
{
    (void)state;
    struct pp_received_facts f = facts();

    assert_string_equal(put(&f), "Received: from printer ([192.0.2.7])\r\n"
                                 "\tby nas.example.org (pinpost) with ESMTP;\r\n\t" DATE "\r\n");
    f.address = pp_text_z("2001:db8::7");
    f.tls_version = pp_text_z("TLSv1.3");
    f.tls_cipher = pp_text_z("TLS1-3-AES-128-GCM-SHA256");
    f.authenticated = true;
    assert_string_equal(put(&f), "Received: from printer ([IPv6:2001:db8::7])\r\n"
                                 "\tby nas.example.org (pinpost) with ESMTPSA\r\n"
                                 "\ttls TLS_AES_128_GCM_SHA256;\r\n\t" DATE "\r\n");
    f = facts();
    f.hello = f.address = pp_text_z("");
    f.esmtp = false;
    assert_string_equal(put(&f),
                        "Received: by nas.example.org (pinpost) with SMTP;\r\n\t" DATE "\r\n");
}

static void test_protocols(void **state)
{
    (void)state;
    static const char *const names[8] = {"ESMTP",    "ESMTPS",    "ESMTPA",    "ESMTPSA",
                                         "UTF8SMTP", "UTF8SMTPS", "UTF8SMTPA", "UTF8SMTPSA"};

    for (unsigned i = 0; i < 8; i++) {
        struct pp_received_facts f = facts();
        char expected[40];

        f.tls_version = pp_text_z((i & 1) != 0 ? "TLSv1.2" : "");
        f.tls_cipher = pp_text_z("TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256");
        f.authenticated = (i & 2) != 0;
        f.smtputf8 = (i & 4) != 0;
        (void)snprintf(expected, sizeof(expected), " with %s%s", names[i],
                       (i & 1) != 0 ? "\r\n" : ";");
        assert_non_null(strstr(put(&f), expected));
    }
}

static void test_suites(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"TLS1-3-AES-256-GCM-SHA384", "TLS_AES_256_GCM_SHA384"},
        {"TLS1-3-CHACHA20-POLY1305-SHA256", "TLS_CHACHA20_POLY1305_SHA256"},
        {"TLS1-3-AES-128-CCM-8-SHA256", "TLS_AES_128_CCM_8_SHA256"},
        {"TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
        {"TLS-ECDHE-ECDSA-WITH-CHACHA20-POLY1305-SHA256",
         "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"},
        {"TLS-A\r\nX: y)", "TLS_A__X__y_"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[80];
        struct pp_writer w;

        pp_writer_init(&w, text, sizeof(text) - 1);
        pp_put_tls_suite(&w, pp_text_z(cases[i][0]));
        text[w.len] = '\0';
        assert_string_equal(text, cases[i][1]);
    }
}

/* One field: printable, CRLF only before a blank and at the end, comments closed. */
static void assert_sound(const char *field_z)
{
    size_t len = strlen(field_z);
    int depth = 0;

    assert_memory_equal(field_z, "Received: ", 10);
    assert_memory_equal(field_z + len - 2, "\r\n", 2);
    for (size_t i = 0; i < len; i++) {
        if (field_z[i] == '\r') {
            assert_int_equal(field_z[i + 1], '\n');
            assert_true(i + 2 == len || (field_z[i + 2] == '\t' && field_z[i + 3] > ' '));
            i += i + 2 == len ? 1 : 2;
            continue;
        }
        assert_true(field_z[i] >= ' ' && field_z[i] <= '~' && field_z[i] != '\\');
        depth += field_z[i] == '(' ? 1 : field_z[i] == ')' ? -1 : 0;
        assert_true(depth == 0 || depth == 1);
    }
    assert_int_equal(depth, 0);
    assert_ptr_equal(strchr(field_z, ';'), strrchr(field_z, ';'));
}

static void test_nothing_gets_in(void **state)
{
    (void)state;
    static char longest[1000];
    static const char *const words[] = {"a\r\nX-Injected: y",
                                        "a) b (",
                                        "((((",
                                        "))))",
                                        "\\",
                                        "a\\",
                                        "\"",
                                        "a b",
                                        "\xC3\xA9.example",
                                        "[1.2.3.4",
                                        "[IPv6:::1]",
                                        "a;b",
                                        "<x@y>",
                                        "\t",
                                        "\177",
                                        "a\n b",
                                        " ",
                                        "a by b (c)"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct pp_received_facts f = facts();

        f.hello = pp_text_z(words[i]);
        assert_sound(put(&f));
        f.address = f.hostname = f.tls_cipher = f.tls_version = f.hello;
        assert_sound(put(&f));
    }
    struct pp_received_facts f = facts();
    f.hello = pp_text_n("a\0b", 3);
    assert_non_null(strstr(put(&f), "from a?b ([192.0.2.7])"));
    memset(longest, 'n', sizeof(longest));
    f.hello = f.hostname = pp_text_n(longest, sizeof(longest));
    f.address = pp_text_z("2001:db8:1111:2222:3333:4444:5555:6666");
    f.tls_version = pp_text_z("TLSv1.2");
    f.tls_cipher = pp_text_z("TLS-ECDHE-ECDSA-WITH-CHACHA20-POLY1305-SHA256");
    assert_sound(put(&f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_protocols),
        cmocka_unit_test(test_suites),
        cmocka_unit_test(test_nothing_gets_in),
    };

    return cmocka_run_group_tests_name("received", tests, NULL, NULL);
}
