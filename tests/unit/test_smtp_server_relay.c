/*
 * test_smtp_server_relay.c - what the server machine does for the network: TLS, logins, BDAT, DSN,
 * ETRN, limits, odd line ends
 */
#include "smtp_server_world.h"

#define LISTENER                                                                                   \
    .hostname_z = "relay.test", .size_limit = SIZE_LIMIT, .idle_ms = TIMEOUT_MS,                   \
    .errors_max = ERRORS_MAX, .mechanisms_z = "PLAIN LOGIN"

static const struct pp_server_params may = {LISTENER, .starttls = true};
static const struct pp_server_params submission = {LISTENER, .starttls = true, .needs_tls = true,
                                                   .needs_login = true};
static const struct pp_server_params clean = {LISTENER, .normalize = true};

#define EHLO_OF(middle)                                                                            \
    "250-relay.test\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"        \
    "250-DSN\r\n250-CHUNKING\r\n" middle "250-ETRN\r\n250 ENHANCEDSTATUSCODES\r\n"
#define EHLO_CLEAR  EHLO_OF("250-STARTTLS\r\n")
#define EHLO_TLS    EHLO_OF("250-AUTH PLAIN LOGIN\r\n250-AUTH=PLAIN LOGIN\r\n")
#define EHLO_IN     EHLO_OF("")
#define SAID_TLS    "220 2.0.0 go on with TLS\r\n"
#define SAID_OK     "250 2.0.0 ok\r\n"
#define SAID_BAD    "503 5.5.1 bad sequence of commands\r\n"
#define SAID_LOGGED "235 2.7.0 logged in\r\n"
#define SAID_MORE   "334 Z28gb24=\r\n"

static void test_starttls(void **state)
{
    (void)state;
    static const struct dialogue dialogues[] = {
        {.params = &may,
         .in = HELLO MAIL RCPT "STARTTLS\r\n" MAIL HELLO "STARTTLS\r\n" MAIL,
         .out = GREETING EHLO_CLEAR "250 2.1.0 ok\r\n250 2.1.5 ok\r\n" SAID_TLS
                                    "503 5.5.1 say EHLO first\r\n" EHLO_TLS
                                    "503 5.5.1 TLS is on already\r\n250 2.1.0 ok\r\n",
         .events = NOTED_DATA "reset;tls;mail <a@b>;"},
        {.params = &may,
         .in = "STARTTLS\r\n" HELLO "STARTTLS now\r\nSTARTTLS\r\nNOOP\r\n",
         .out = GREETING "503 5.5.1 say EHLO first\r\n" EHLO_CLEAR
                         "501 5.5.4 no argument allowed\r\n" SAID_TLS SAID_OK,
         .events = "tls;"},
        {.params = &submission,
         .in = HELLO MAIL RCPT "DATA\r\nHELP\r\nAUTH PLAIN good\r\nETRN x\r\nVRFY x\r\nNOOP\r\n"
                               "RSET\r\nSTARTTLS\r\n" HELLO MAIL "VRFY x\r\nETRN x\r\n"
                               "AUTH PLAIN good\r\n" HELLO MAIL,
         .out = GREETING EHLO_CLEAR
         "530 5.7.0 say STARTTLS first\r\n530 5.7.0 say STARTTLS first\r\n"
         "530 5.7.0 say STARTTLS first\r\n530 5.7.0 say STARTTLS first\r\n"
         "530 5.7.0 say STARTTLS first\r\n530 5.7.0 say STARTTLS first\r\n"
         "530 5.7.0 say STARTTLS first\r\n" SAID_OK SAID_OK SAID_TLS EHLO_TLS
         "530 5.7.0 log in first\r\n530 5.7.0 log in first\r\n530 5.7.0 log in "
         "first\r\n" SAID_LOGGED EHLO_IN "250 2.1.0 ok\r\n",
         .events = "tls;auth PLAIN good;mail <a@b>;"},
        {.params = &may, .secure = true, .in = HELLO, .out = GREETING EHLO_TLS},
    };

    PLAY(dialogues);
}

/* Bytes behind STARTTLS are the link's to find: the machine leaves them alone. */
static void test_bytes_behind_starttls(void **state)
{
    (void)state;
    static const char in[] = HELLO "STARTTLS\r\nEHLO evil\r\n";

    begin_with(&world, &may);
    assert_true(pp_buf_put(&world.in, in, sizeof(in) - 1));
    pp_smtp_server_pump(&world.server, &world.in, &world.out, NOW_MS);
    assert_true(pp_smtp_server_wants_tls(&world.server));
    pp_smtp_server_pump(&world.server, &world.in, &world.out, NOW_MS);
    assert_int_equal(pp_buf_len(&world.in), sizeof("EHLO evil\r\n") - 1);
}

static void test_auth(void **state)
{
    (void)state;
    static const struct dialogue dialogues[] = {
        {.params = &may,
         .in = "AUTH PLAIN good\r\n" HELLO "AUTH PLAIN good\r\n",
         .out = GREETING "503 5.5.1 say EHLO first\r\n" EHLO_CLEAR "538 5.7.11 only in TLS\r\n",
         .events = ""},
        {.params = &may,
         .secure = true,
         .in = HELLO "AUTH PLAIN good\r\nAUTH PLAIN good\r\n" MAIL "AUTH PLAIN good\r\n",
         .out = GREETING EHLO_TLS SAID_LOGGED "503 5.5.1 logged in already\r\n250 2.1.0 ok\r\n"
                                              "503 5.5.1 logged in already\r\n",
         .events = "auth PLAIN good;mail <a@b>;"},
        {.params = &may,
         .secure = true,
         .in = HELLO "auth login\r\nmore\r\ngood\r\n",
         .out = GREETING EHLO_TLS SAID_MORE SAID_MORE SAID_LOGGED,
         .events = "auth login;answer more;answer good;"},
        {.params = &may,
         .secure = true,
         .in = HELLO "AUTH LOGIN\r\n*\r\nAUTH PLAIN =\r\nbad\r\nAUTH NONE\r\nAUTH PLAIN odd\r\n"
                     "AUTH\r\nAUTH PLAIN away\r\n" MAIL "AUTH PLAIN good\r\n",
         .out = GREETING EHLO_TLS SAID_MORE
         "501 5.7.0 login cancelled\r\n" SAID_MORE "535 5.7.8 wrong user or password\r\n"
         "504 5.5.4 no such mechanism here\r\n501 5.5.2 malformed login\r\n"
         "501 5.5.4 argument missing\r\n454 4.7.0 cannot check logins now, try again later\r\n"
         "250 2.1.0 ok\r\n503 5.5.1 not within a message\r\n",
         .events = "auth LOGIN;auth PLAIN =;answer bad;auth NONE;auth PLAIN odd;auth PLAIN away;"
                   "mail <a@b>;"},
        {.params = &may,
         .secure = true,
         .in = HELLO "AUTH LOGIN\r\nno line end\nNOOP\r\n",
         .out = GREETING EHLO_TLS SAID_MORE "500 5.5.2 lines end in CRLF\r\n" SAID_OK,
         .events = "auth LOGIN;"},
    };

    PLAY(dialogues);
}

/* A line of a login may be longer than a command, but not without end; nothing of it stays. */
static void test_long_answer(void **state)
{
    (void)state;
    static char line[PP_SERVER_LINE_MAX + 100];

    begin_with(&world, &may);
    pp_smtp_server_secured(&world.server, NOW_MS);
    feed(&world, HELLO "AUTH LOGIN\r\n", sizeof(HELLO "AUTH LOGIN\r\n") - 1);
    world.said_w.len = 0;
    memset(line, 's', sizeof(line));
    feed(&world, line, sizeof(line));
    feed(&world, "\r\nNOOP\r\n", 8);
    assert_true(pp_text_equal(pp_writer_text(&world.said_w),
                              pp_text_z("500 5.5.6 line of the login too long\r\n" SAID_OK)));
    assert_null(memchr(world.in_bytes, 's', sizeof(world.in_bytes)));
}

#define BDAT_OK(n) "250 2.0.0 " n " octets received\r\n"

static void test_bdat(void **state)
{
    (void)state;
    static const struct dialogue dialogues[] = {
        {.in = HELLO MAIL RCPT "BDAT 7 LAST\r\nhello\r\nNOOP\r\n",
         .out = GREETING SAID_EHLO "250 2.1.0 ok\r\n250 2.1.5 ok\r\n" SAID_QUEUED SAID_OK,
         .events = NOTED_DATA "[hello\r\n];end;"},
        /* dots mean nothing, a line end may lie over two chunks, the last may be empty */
        {.in = HELLO MAIL RCPT "BDAT 4\r\n.\r\n.BDAT 1\r\n\rbdat 3 last\r\n\nx\r"
                               "BDAT 0 LAST\r\n",
         .out = GREETING SAID_EHLO "250 2.1.0 ok\r\n250 2.1.5 ok\r\n" BDAT_OK("4") BDAT_OK("1")
             SAID_UNCLEAN SAID_BAD,
         .events = NOTED_DATA "[.\r\n.\r\nx\r];spoilt;"},
        {.in = HELLO MAIL RCPT "BDAT 3\r\na\r\nBDAT 0 LAST\r\n" MAIL,
         .out = GREETING SAID_EHLO "250 2.1.0 ok\r\n250 2.1.5 ok\r\n" BDAT_OK("3") SAID_QUEUED
         "250 2.1.0 ok\r\n",
         .events = NOTED_DATA "[a\r\n];end;mail <a@b>;"},
        /* spoilt: the chunk is swallowed, and those behind it are out of sequence */
        {.in = HELLO MAIL RCPT "BDAT 5\r\na\nb\r\nBDAT 3 LAST\r\nc\r\n" MAIL,
         .out = GREETING SAID_EHLO "250 2.1.0 ok\r\n250 2.1.5 ok\r\n" SAID_UNCLEAN SAID_BAD
                                   "250 2.1.0 ok\r\n"},
        {.in = HELLO MAIL "BDAT 3\r\na\r\nRCPT TO:<full@x>\r\nBDAT 3 LAST\r\na\r\nRSET\r\n",
         .out = GREETING SAID_EHLO "250 2.1.0 ok\r\n554 5.5.1 no valid recipients\r\n"
                                   "452 4.3.1 the queue is full, try again later\r\n"
                                   "554 5.5.1 no valid recipients\r\n" SAID_OK,
         .events = "mail <a@b>;rcpt <full@x>;reset;"},
        {.in = HELLO MAIL RCPT "BDAT 3\r\na\r\nDATA\r\nRCPT TO:<e@f>\r\n" MAIL "RSET\r\nDATA\r\n",
         .out = GREETING SAID_EHLO "250 2.1.0 ok\r\n250 2.1.5 ok\r\n" BDAT_OK(
             "3") "503 5.5.1 BDAT was said, go on with it\r\n"
                  "503 5.5.1 BDAT was said, go on with it\r\n" SAID_BAD SAID_OK SAID_BAD,
         .events = NOTED_DATA "[a\r\n];reset;"},
        {.in = HELLO MAIL RCPT "BDAT\r\nBDAT x\r\nNOOP\r\n",
         .out = GREETING SAID_EHLO "250 2.1.0 ok\r\n250 2.1.5 ok\r\n501 5.5.4 argument missing\r\n"
                                   "421 4.5.0 a chunk of unknown length\r\n"},
        {.in = HELLO MAIL RCPT "BDAT 99999999999 LAST\r\nx",
         .out = GREETING SAID_EHLO "250 2.1.0 ok\r\n250 2.1.5 ok\r\n"
                                   "421 4.5.0 a chunk of unknown length\r\n"},
        {.in = HELLO MAIL RCPT "BDAT 3 FIRST\r\nx",
         .out = GREETING SAID_EHLO "250 2.1.0 ok\r\n250 2.1.5 ok\r\n"
                                   "421 4.5.0 a chunk of unknown length\r\n"},
    };

    PLAY(dialogues);
}

/* The same for chunks that are made clean: three of them, line ends over their borders. */
static void test_bdat_made_clean(void **state)
{
    (void)state;
    static const struct dialogue d = {
        .params = &clean,
        .in = HELLO MAIL RCPT "BDAT 4\r\na\nb\rBDAT 2\r\n\ncBDAT 2 LAST\r\nd\rNOOP\r\n",
        .out = GREETING EHLO_IN "250 2.1.0 ok\r\n250 2.1.5 ok\r\n" BDAT_OK("4") BDAT_OK("2")
            SAID_QUEUED SAID_OK,
        .events = NOTED_DATA "[a\r\nb\r\ncd\r\n];end;"};

    play(&d);
}

static void test_large_chunk(void **state)
{
    (void)state;
    static char in[SIZE_LIMIT + 300];
    struct pp_writer w;

    pp_writer_init(&w, in, sizeof(in));
    pp_put_z(&w, HELLO MAIL RCPT "BDAT 1001\r\n");
    for (size_t i = 0; i < SIZE_LIMIT + 1; i++) {
        pp_put_char(&w, 'x');
    }
    pp_put_z(&w, "NOOP\r\n");
    const struct dialogue d = {.in = in,
                               .in_len = w.len,
                               .out = GREETING SAID_EHLO
                               "250 2.1.0 ok\r\n250 2.1.5 ok\r\n"
                               "552 5.3.4 the message is larger than the limit\r\n" SAID_OK};
    play(&d);
}

/* ---- DSN, ETRN ---- */

static void test_dsn(void **state)
{
    (void)state;
    static const struct {
        const char *command_z;
        bool good;
    } cases[] = {
        {"MAIL FROM:<a@b> RET=HDRS ENVID=QQ314159", true},
        {"MAIL FROM:<a@b> ret=full", true},
        {"MAIL FROM:<a@b> RET=NONE", false},
        {"MAIL FROM:<a@b> ENVID=a=b", false},
        {"MAIL FROM:<a@b> ENVID=a+3Db", true},
        {"MAIL FROM:<a@b> ENVID=a+0Ab", false},
        {"MAIL FROM:<a@b> ENVID=a+3", false},
        {MAIL RCPT "RCPT TO:<c@d> NOTIFY=NEVER", true},
        {MAIL "RCPT TO:<c@d> NOTIFY=success,FAILURE,DELAY ORCPT=rfc822;c+2Bx@d", true},
        {MAIL "RCPT TO:<c@d> NOTIFY=NEVER,DELAY", false},
        {MAIL "RCPT TO:<c@d> NOTIFY=DELAY,DELAY", false},
        {MAIL "RCPT TO:<c@d> NOTIFY=", false},
        {MAIL "RCPT TO:<c@d> NOTIFY=SOMETIMES", false},
        {MAIL "RCPT TO:<c@d> ORCPT=c@d", false},
        {MAIL "RCPT TO:<c@d> ORCPT=rfc822;a b", false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char in[300];
        int len = snprintf(in, sizeof(in), HELLO "%s\r\n", cases[i].command_z);
        begin(&world, false);
        feed(&world, in, (size_t)len);
        const char *last = world.said + world.said_w.len;
        do {
            last--;
        } while (last > world.said && last[-1] != '\n');
        if ((*last == '2') != cases[i].good) {
            print_error("%s\n%.20s\n", cases[i].command_z, last);
            fail();
        }
    }
    begin(&world, false);
    feed(&world, HELLO "MAIL FROM:<a@b> RET=HDRS ENVID=x+41\r\n", strlen(HELLO) + 37);
    assert_int_equal(pp_smtp_server_mail(&world.server)->ret, PP_DSN_RET_HDRS);
    assert_true(pp_text_equal(pp_smtp_server_mail(&world.server)->envid, pp_text_z("x+41")));
    feed(&world, "RCPT TO:<c@d> ORCPT=rfc822;e NOTIFY=FAILURE,DELAY\r\n", 51);
    assert_int_equal(pp_smtp_server_recipient(&world.server)->notify,
                     PP_DSN_NOTIFY_FAILURE | PP_DSN_NOTIFY_DELAY);
    assert_true(
        pp_text_equal(pp_smtp_server_recipient(&world.server)->orcpt, pp_text_z("rfc822;e")));
}

static void test_etrn(void **state)
{
    (void)state;
    static const struct dialogue dialogues[] = {
        {.in = HELLO "ETRN example.org\r\nETRN @denied\r\nETRN bare\r\nETRN #q\r\nETRN\r\n" MAIL
                     "ETRN x\r\n",
         .out = GREETING SAID_EHLO
         "250 2.0.0 queuing for this domain started\r\n459 4.7.1 not allowed\r\n"
         "251 2.0.0 nothing waits for this domain\r\n458 4.0.0 there is no queue of that name\r\n"
         "501 5.5.4 argument missing\r\n250 2.1.0 ok\r\n" SAID_BAD,
         .events = "etrn example.org;etrn denied;etrn bare;mail <a@b>;"},
        {.local = true,
         .in = HELLO "ETRN x\r\nAUTH PLAIN x\r\nSTARTTLS\r\n",
         .out = GREETING "250-relay.test\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n"
                         "250-SMTPUTF8\r\n250-DSN\r\n250-CHUNKING\r\n250-X-PINPOST\r\n"
                         "250 ENHANCEDSTATUSCODES\r\n502 5.5.1 not offered here\r\n"
                         "502 5.5.1 not offered here\r\n502 5.5.1 not offered here\r\n",
         .events = ""},
    };

    PLAY(dialogues);
}

/* ---- line ends ---- */

/* protocol-wise none of these ends a message; made clean, none of them splits it either. */
static void test_smuggling_made_clean(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *content_z;
    } cases[] = {
        {BYTES("a\n.\nb"), "a\r\n.\r\nb"},          {BYTES("a\n.\rb"), "a\r\n.\r\nb"},
        {BYTES("a\r.\nb"), "a\r\n.\r\nb"},          {BYTES("a\r.\rb"), "a\r\n.\r\nb"},
        {BYTES("a\n.\r\nb"), "a\r\n.\r\nb"},        {BYTES("a\r.\r\nb"), "a\r\n.\r\nb"},
        {BYTES("a\r\n.\nb"), "a\r\n\r\nb"},         {BYTES("a\r\n.\rb"), "a\r\n\r\nb"},
        {BYTES("a\r\n.\r\r\nb"), "a\r\n\r\n\r\nb"}, {BYTES("\r\r\n\n"), "\r\n\r\n\r\n"},
        {BYTES("\n.\n.\n"), "\r\n.\r\n.\r\n"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char in[200], events[200];
        struct pp_writer w;
        pp_writer_init(&w, in, sizeof(in));
        pp_put_z(&w, DATA);
        pp_put(&w, cases[i].bytes, cases[i].len);
        pp_put_z(&w, "\r\n.\r\n");
        snprintf(events, sizeof(events), NOTED_DATA "[%s\r\n];end;", cases[i].content_z);
        const struct dialogue d = {.params = &clean,
                                   .in = in,
                                   .in_len = w.len,
                                   .out = GREETING EHLO_IN
                                   "250 2.1.0 ok\r\n250 2.1.5 ok\r\n"
                                   "354 end data with <CR><LF>.<CR><LF>\r\n" SAID_QUEUED,
                                   .events = events};
        play(&d);
    }
    static const struct dialogue nul = {.params = &clean,
                                        .in = DATA "a\0.\r\n.\r\n",
                                        .in_len = sizeof(DATA "a\0.\r\n.\r\n") - 1,
                                        .out = GREETING EHLO_IN
                                        "250 2.1.0 ok\r\n250 2.1.5 ok\r\n"
                                        "354 end data with <CR><LF>.<CR><LF>\r\n" SAID_UNCLEAN};
    play(&nul);
}

/* ---- limits ---- */

static bool said_last(const char *text_z)
{
    struct pp_text said = pp_writer_text(&world.said_w);
    size_t len = strlen(text_z);

    return said.len >= len && memcmp(said.p + said.len - len, text_z, len) == 0;
}

static void test_counts(void **state)
{
    (void)state;
    const struct pp_server_params params = {LISTENER, .commands_max = 6, .messages_max = 2,
                                            .recipient_limit = 2};

    begin_with(&world, &params);
    feed(&world, HELLO MAIL RCPT RCPT RCPT, strlen(HELLO MAIL RCPT RCPT RCPT));
    assert_true(said_last("452 4.5.3 too many recipients\r\n"));
    feed(&world, "NOOP\r\nNOOP\r\n", 12);
    assert_true(said_last("421 4.7.0 too many commands\r\n"));
    assert_true(pp_smtp_server_finished(&world.server));

    begin_with(&world, &params);
    world.server.params.commands_max = 0;
    feed(&world, HELLO MAIL "RSET\r\n" MAIL "RSET\r\n" MAIL,
         strlen(HELLO MAIL "RSET\r\n" MAIL "RSET\r\n" MAIL));
    assert_true(said_last("421 4.7.0 enough messages for one connection\r\n"));
}

static void pump_at(uint64_t after_ms)
{
    pp_smtp_server_pump(&world.server, &world.in, &world.out, NOW_MS + after_ms);
    pp_put(&world.said_w, pp_buf_head(&world.out), pp_buf_len(&world.out));
    pp_buf_consume(&world.out, pp_buf_len(&world.out));
}

static void test_times(void **state)
{
    (void)state;
    const struct pp_server_params params = {LISTENER, .command_ms = 1000, .message_ms = 5000,
                                            .session_ms = 60000};

    begin_with(&world, &params);
    feed(&world, HELLO, strlen(HELLO));
    feed(&world, "NO", 2); /* and no more of it */
    assert_int_equal(pp_smtp_server_deadline_ms(&world.server), NOW_MS + 1000);
    pump_at(999);
    assert_false(pp_smtp_server_finished(&world.server));
    pump_at(1000);
    assert_true(said_last("421 4.4.2 the command took too long\r\n"));

    begin_with(&world, &params);
    feed(&world, DATA, strlen(DATA));
    assert_int_equal(pp_smtp_server_deadline_ms(&world.server), NOW_MS + 5000);
    for (int i = 0; i < 5; i++) {
        assert_true(pp_buf_put(&world.in, "x", 1)); /* it dribbles */
        pump_at((uint64_t)i * 1000);
        answer(&world);
    }
    pump_at(5000);
    assert_true(said_last("421 4.4.2 the message took too long\r\n"));

    begin_with(&world, &params);
    feed(&world, HELLO, strlen(HELLO));
    assert_int_equal(pp_smtp_server_deadline_ms(&world.server), NOW_MS + 60000);
    pump_at(60000);
    assert_true(said_last("421 4.4.2 the session took too long\r\n"));
}

static void test_early_talker(void **state)
{
    (void)state;
    const struct pp_server_params params = {LISTENER, .early_talker_ms = 500};

    begin_with(&world, &params);
    assert_int_equal(pp_smtp_server_deadline_ms(&world.server), NOW_MS + 500);
    pump_at(499);
    assert_int_equal(world.said_w.len, 0);
    pump_at(500);
    assert_true(said_last(GREETING));

    begin_with(&world, &params);
    assert_true(pp_buf_put(&world.in, "EHLO x\r\n", 8));
    pump_at(1);
    assert_true(said_last("554 5.5.1 you talked before the greeting\r\n"));
    assert_true(pp_smtp_server_finished(&world.server));
}

static void test_no_room_for_tls(void **state)
{
    (void)state;
    struct pp_server_params params = may;

    params.tls_busy = true;
    begin_with(&world, &params);
    feed(&world, HELLO "STARTTLS\r\n", strlen(HELLO) + 10);
    assert_true(said_last("454 4.7.0 no room for TLS now, try again later\r\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starttls),     cmocka_unit_test(test_bytes_behind_starttls),
        cmocka_unit_test(test_auth),         cmocka_unit_test(test_long_answer),
        cmocka_unit_test(test_bdat),         cmocka_unit_test(test_bdat_made_clean),
        cmocka_unit_test(test_large_chunk),  cmocka_unit_test(test_dsn),
        cmocka_unit_test(test_etrn),         cmocka_unit_test(test_smuggling_made_clean),
        cmocka_unit_test(test_counts),       cmocka_unit_test(test_times),
        cmocka_unit_test(test_early_talker), cmocka_unit_test(test_no_room_for_tls),
    };

    return cmocka_run_group_tests_name("smtp_server_relay", tests, NULL, NULL);
}
