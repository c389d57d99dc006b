/*
 * test_smtp_server_odd.c - what no good client sends: the server machine says the right thing,
 * keeps nothing secret, and says the same however the bytes come in
 */
#include "smtp_server_world.h"

#define LISTENER                                                                                   \
    .hostname_z = "relay.test", .size_limit = SIZE_LIMIT, .idle_ms = TIMEOUT_MS,                   \
    .errors_max = ERRORS_MAX, .mechanisms_z = "PLAIN LOGIN"

static const struct pp_server_params in_tls = {LISTENER, .starttls = true};
static const struct pp_server_params submission = {LISTENER, .starttls = true, .needs_tls = true,
                                                   .needs_login = true};

#define EHLO_OF(middle)                                                                            \
    "250-relay.test\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"        \
    "250-DSN\r\n250-CHUNKING\r\n" middle "250-ETRN\r\n250 ENHANCEDSTATUSCODES\r\n"
#define SAID_OK    "250 2.0.0 ok\r\n"
#define SAID_BEGUN GREETING SAID_EHLO "250 2.1.0 ok\r\n250 2.1.5 ok\r\n"

/* ---- BDAT ---- */

/* Too big, and not clean behind that: the same reply in whatever pieces. */
static void test_chunk_of_two_faults(void **state)
{
    (void)state;
    static char in[SIZE_LIMIT + 300];
    struct pp_writer w;

    pp_writer_init(&w, in, sizeof(in));
    pp_put_z(&w, HELLO MAIL RCPT "BDAT 1102 LAST\r\n");
    for (size_t i = 0; i < SIZE_LIMIT + 100; i++) {
        pp_put_char(&w, 'x');
    }
    pp_put_z(&w, "\nyNOOP\r\n");
    const struct dialogue d = {.in = in, .in_len = w.len, .out = SAID_BEGUN SAID_UNCLEAN SAID_OK};
    play(&d);
}

/* A page of a stranger that has a browser in the LAN post mail for it. */
static void test_web_browser(void **state)
{
    (void)state;
    static const struct dialogue dialogues[] = {
        {.in = "POST / HTTP/1.1\r\nHost: relay\r\n\r\n" HELLO MAIL RCPT,
         .out = GREETING "421 4.7.0 this is no web server\r\n",
         .events = ""},
        {.in = "get / HTTP/1.0\r\n" HELLO,
         .out = GREETING "421 4.7.0 this is no web server\r\n",
         .events = ""},
        {.in = HELLO "CONNECT x:25 HTTP/1.1\r\n" MAIL,
         .out = GREETING SAID_EHLO "421 4.7.0 this is no web server\r\n",
         .events = ""},
    };

    PLAY(dialogues);
}

/* Octets that nobody wants are no commands. */
static void test_chunks_refused(void **state)
{
    (void)state;
    static char in[2000], out[4000];
    struct pp_writer in_w, out_w;
    static const struct dialogue dialogues[] = {
        {.in = "BDAT 6\r\nNOOP\r\n" HELLO "BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n",
         .out = GREETING "503 5.5.1 bad sequence of commands\r\n" SAID_EHLO
                         "503 5.5.1 bad sequence of commands\r\n" SAID_OK,
         .events = ""},
        {.params = &submission,
         .in = HELLO "BDAT 6\r\nQUIT\r\nNOOP\r\n",
         .out = GREETING EHLO_OF("250-STARTTLS\r\n") "530 5.7.0 say STARTTLS first\r\n" SAID_OK,
         .events = ""},
        {.in = HELLO MAIL RCPT "BDAT -1 LAST\r\nNOOP\r\n",
         .out = SAID_BEGUN "421 4.5.0 a chunk of unknown length\r\n"},
        {.in = HELLO MAIL RCPT "BDAT 2147483649\r\nNOOP\r\n",
         .out = SAID_BEGUN "421 4.5.0 a chunk of unknown length\r\n"},
        {.in = HELLO MAIL RCPT "BDAT 1 LAST LAST\r\nNOOP\r\n",
         .out = SAID_BEGUN "421 4.5.0 a chunk of unknown length\r\n"},
    };

    PLAY(dialogues);
    /* With PIPELINING they are said before the client knows: no errors of its own. */
    pp_writer_init(&in_w, in, sizeof(in) - 1);
    pp_writer_init(&out_w, out, sizeof(out) - 1);
    pp_put_z(&in_w, HELLO MAIL);
    pp_put_z(&out_w, GREETING SAID_EHLO "250 2.1.0 ok\r\n");
    for (int i = 0; i < ERRORS_MAX + 1; i++) {
        pp_put_z(&in_w, "BDAT 2\r\n\r\n");
        pp_put_z(&out_w, "554 5.5.1 no valid recipients\r\n");
    }
    pp_put_z(&in_w, "NOOP\r\n");
    pp_put_z(&out_w, SAID_OK);
    in[in_w.len] = out[out_w.len] = '\0';
    const struct dialogue d = {.in = in, .out = out, .events = "mail <a@b>;"};
    play(&d);
}

/* ---- paths and parameters ---- */

#define BAD_VALUE "501 5.5.4 bad value of a parameter\r\n"

static void test_paths(void **state)
{
    (void)state;
    static const struct {
        const char *path_z, *event_z;
    } cases[] = {
        {"<@a:c@d>", "rcpt <c@d>;"},
        {"<@a,@b:c@d>", "rcpt <c@d>;"},
        {"<c%d@e>", "rcpt <c%d@e>;"},
        {"<d!c@e>", "rcpt <d!c@e>;"},
        {"<\"c@d\"@e>", "rcpt <\"c@d\"@e>;"},
        {"<\"@a:c\"@e>", "rcpt <\"@a:c\"@e>;"},
        {"<c@[192.0.2.1]>", "rcpt <c@[192.0.2.1]>;"},
        {"<c@[IPv6:2001:db8::1]>", "rcpt <c@[IPv6:2001:db8::1]>;"},
        /* left as they are for the owner, to whom they are no address */
        {"<@a:>", "rcpt <@a:>;"},
        {"<@a>", "rcpt <@a>;"},
        {"<@a:@b:c@d>", "rcpt <@b:c@d>;"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char in[200], events[200];

        snprintf(in, sizeof(in), HELLO MAIL "RCPT TO:%s\r\n", cases[i].path_z);
        snprintf(events, sizeof(events), "mail <a@b>;%s", cases[i].event_z);
        const struct dialogue d = {.in = in, .out = SAID_BEGUN, .events = events};
        play(&d);
    }
    /* a route to nobody is not the null sender */
    static const struct dialogue nobody = {.in = HELLO "MAIL FROM:<@a:>\r\n",
                                           .out = GREETING SAID_EHLO "250 2.1.0 ok\r\n",
                                           .events = "mail <@a:>;"};
    play(&nobody);
}

static void test_notify(void **state)
{
    (void)state;
    static const struct dialogue d = {
        .in = HELLO MAIL "RCPT TO:<c@d> NOTIFY=DELAY,\r\nRCPT TO:<c@d> NOTIFY=,DELAY\r\n"
                         "RCPT TO:<c@d> NOTIFY=,\r\nRCPT TO:<c@d> NOTIFY\r\n",
        .out = GREETING SAID_EHLO "250 2.1.0 ok\r\n" BAD_VALUE BAD_VALUE BAD_VALUE BAD_VALUE,
        .events = "mail <a@b>;"};

    play(&d);
}

/* As many octets as RFC 3461 allows, and one more. */
static void test_dsn_lengths(void **state)
{
    (void)state;
    char text[PP_ORCPT_MAX + 2], in[800];

    for (int over = 0; over <= 1; over++) {
        memset(text, 'x', sizeof(text));
        snprintf(in, sizeof(in), HELLO "MAIL FROM:<a@b> ENVID=%.*s\r\n", PP_ENVID_MAX + over, text);
        const struct dialogue envid = {.in = in,
                                       .out = over ? GREETING SAID_EHLO BAD_VALUE
                                                   : GREETING SAID_EHLO "250 2.1.0 ok\r\n"};
        play(&envid);
        memcpy(text, "rfc822;", 7);
        snprintf(in, sizeof(in), HELLO MAIL "RCPT TO:<c@d> ORCPT=%.*s\r\n", PP_ORCPT_MAX + over,
                 text);
        const struct dialogue orcpt = {
            .in = in, .out = over ? GREETING SAID_EHLO "250 2.1.0 ok\r\n" BAD_VALUE : SAID_BEGUN};
        play(&orcpt);
    }
}

static void test_etrn(void **state)
{
    (void)state;
    static const struct dialogue d = {
        .in = HELLO "ETRN a b\r\nETRN <a>\r\nETRN @\r\nETRN a%b\r\nETRN [192.0.2.1]\r\n",
        .out =
            GREETING SAID_EHLO "501 5.5.4 syntax: ETRN domain\r\n501 5.5.4 syntax: ETRN domain\r\n"
                               "501 5.5.4 syntax: ETRN domain\r\n501 5.5.4 syntax: ETRN domain\r\n"
                               "250 2.0.0 queuing for this domain started\r\n",
        .events = "etrn [192.0.2.1];"};

    play(&d);
}

/* ---- logins ---- */

/* However it was written, nothing of what stood in it stays. */
static void test_secrets_are_wiped(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "AUTH PLAIN c2VjcmV0c2VjcmV0\r\n",   "auth plain c2VjcmV0c2VjcmV0\r\n",
        "  AUTH PLAIN c2VjcmV0c2VjcmV0\r\n", "AUTH  PLAIN  c2VjcmV0c2VjcmV0  \r\n",
        "AUTH PLAIN c2VjcmV0c2VjcmV0\n",     "AUTH LOGIN\r\nc2VjcmV0c2VjcmV0\r\n"};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin_with(&world, &in_tls);
        memset(world.in_bytes, 0, sizeof(world.in_bytes));
        pp_smtp_server_secured(&world.server, NOW_MS);
        feed(&world, HELLO, strlen(HELLO));
        feed(&world, cases[i], strlen(cases[i]));
        for (size_t at = 0; at + 16 <= sizeof(world.in_bytes); at++) {
            assert_memory_not_equal(world.in_bytes + at, "c2VjcmV0c2VjcmV0", 16);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunk_of_two_faults),
        cmocka_unit_test(test_chunks_refused),
        cmocka_unit_test(test_web_browser),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_notify),
        cmocka_unit_test(test_dsn_lengths),
        cmocka_unit_test(test_etrn),
        cmocka_unit_test(test_secrets_are_wiped),
    };

    return cmocka_run_group_tests_name("smtp_server_odd", tests, NULL, NULL);
}
