/*
 * test_smtp_server.c - the SMTP server machine against transcripts
 *
 * Job:      whole dialogues, each fed at once, byte by byte and in every split in two: each must
 * end in the same replies and the same events. Not here: the queue behind it (test_submit.c), the
 * link under it (test_intake_session.c).
 */
#include "smtp_server_world.h"

/* ---- commands ---- */

static void test_message(void **state)
{
    (void)state;
    static const struct dialogue dialogues[] = {
        {.in = DATA "hello\r\nworld\r\n.\r\nQUIT\r\n",
         .out = SAID_DATA SAID_QUEUED "221 2.0.0 bye\r\n",
         .events = NOTED_DATA "[hello\r\nworld\r\n];end;"},
        /* several over one connection, from a client without extensions */
        {.in = "HELO c\r\n" MAIL RCPT "DATA\r\nx\r\n.\r\nmail from:<> \r\nRcpt To: <e@f>\r\n"
               "data \r\ny\r\n.\r\n",
         .out = GREETING "250 relay.test\r\n250 2.1.0 ok\r\n250 2.1.5 ok\r\n"
                         "354 end data with <CR><LF>.<CR><LF>\r\n" SAID_QUEUED
                         "250 2.1.0 ok\r\n250 2.1.5 ok\r\n"
                         "354 end data with <CR><LF>.<CR><LF>\r\n" SAID_QUEUED,
         .events = NOTED_DATA "[x\r\n];end;mail <>;rcpt <e@f>;[y\r\n];end;"},
        /* no content at all is the owner's business */
        {.in = DATA ".\r\n",
         .out = SAID_DATA "554 5.6.0 the message is empty\r\n",
         .events = NOTED_DATA "end;"},
        {.in = DATA "..\r\n.a\r\n...\r\n.\r\n",
         .out = SAID_DATA SAID_QUEUED,
         .events = NOTED_DATA "[.\r\na\r\n..\r\n];end;"},
    };

    PLAY(dialogues);
}

static void test_sequences(void **state)
{
    (void)state;
    static const struct dialogue dialogues[] = {
        {.in = MAIL RCPT "DATA\r\nRSET\r\nNOOP\r\nHELP\r\n",
         .out = GREETING
         "503 5.5.1 say EHLO first\r\n503 5.5.1 say EHLO first\r\n"
         "503 5.5.1 say EHLO first\r\n250 2.0.0 ok\r\n250 2.0.0 ok\r\n"
         "214 2.0.0 EHLO HELO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY ETRN HELP "
         "QUIT\r\n",
         .events = ""},
        {.in = HELLO RCPT "DATA\r\n" MAIL MAIL "DATA\r\n",
         .out = GREETING SAID_EHLO
         "503 5.5.1 bad sequence of commands\r\n503 5.5.1 bad sequence of commands\r\n"
         "250 2.1.0 ok\r\n503 5.5.1 bad sequence of commands\r\n554 5.5.1 no valid recipients\r\n",
         .events = "mail <a@b>;"},
        {.in = HELLO MAIL RCPT "RSET\r\nRSET\r\n" MAIL HELLO MAIL "HELO c\r\n" MAIL "QUIT\r\n",
         .out = GREETING SAID_EHLO
         "250 2.1.0 ok\r\n250 2.1.5 ok\r\n250 2.0.0 ok\r\n250 2.0.0 ok\r\n"
         "250 2.1.0 ok\r\n" SAID_EHLO "250 2.1.0 ok\r\n250 relay.test\r\n250 2.1.0 ok\r\n"
         "221 2.0.0 bye\r\n",
         .events = NOTED_DATA "reset;mail <a@b>;reset;mail <a@b>;reset;mail <a@b>;"},
        {.in = HELLO "VRFY root\r\nEXPN x\r\nSTARTTLS\r\nAUTH PLAIN AGEAYg==\r\nBDAT 3 LAST\r\nabc"
                     "TURN\r\n\r\nEHLO\r\nQUIT now\r\nDATA x\r\nVRFY\r\n",
         .out = GREETING SAID_EHLO
         "252 2.0.0 send some mail, and see\r\n502 5.5.1 not offered here\r\n"
         "502 5.5.1 not offered here\r\n502 5.5.1 not offered here\r\n"
         "503 5.5.1 bad sequence of commands\r\n500 5.5.1 unknown command\r\n500 5.5.1 unknown "
         "command\r\n"
         "501 5.5.4 argument missing\r\n501 5.5.4 no argument allowed\r\n"
         "503 5.5.1 bad sequence of commands\r\n501 5.5.4 argument missing\r\n",
         .events = ""},
        /* what follows QUIT is nobody's */
        {.in = "quit\r\nNOOP\r\n", .out = GREETING "221 2.0.0 bye\r\n", .events = ""},
    };

    PLAY(dialogues);
}

#define NOT_ASCII "500 5.5.2 a command is one line of ASCII\r\n"

static void test_lines(void **state)
{
    (void)state;
    static const struct dialogue dialogues[] = {
        {BYTES("NO\0OP\r\nNOOP\r\n"), .out = GREETING NOT_ASCII "250 2.0.0 ok\r\n", .events = ""},
        {.in = "NOOP\rRSET\r\nNOOP \xC3\xA4\r\n\xC3\xA4\r\nNOOP\ta\r\nNOOP \x7F\r\n",
         .out = GREETING NOT_ASCII NOT_ASCII NOT_ASCII NOT_ASCII NOT_ASCII,
         .events = ""},
        {.in = "NOOP\nNOOP\r\n\n",
         .out = GREETING "500 5.5.2 lines end in CRLF\r\n250 2.0.0 ok\r\n"
                         "500 5.5.2 lines end in CRLF\r\n",
         .events = ""},
        {.in = "  NOOP  x  \r\n", .out = GREETING "250 2.0.0 ok\r\n", .events = ""},
    };

    PLAY(dialogues);
}

/* `NOOP ` and as many letters as make a line of `len` with CRLF. */
static size_t put_long(char *to, size_t len)
{
    memcpy(to, "NOOP ", 5);
    memset(to + 5, 'x', len - 7);
    memcpy(to + len - 2, "\r\n", 2);
    return len;
}

static void test_long_lines(void **state)
{
    (void)state;
    static char in[PP_SERVER_LINE_MAX * 3 + 100];
    size_t len = put_long(in, PP_SERVER_LINE_MAX);
    struct dialogue d = {.in = in,
                         .out = GREETING "250 2.0.0 ok\r\n500 5.5.2 line too long\r\n"
                                         "500 5.5.2 line too long\r\n250 2.0.0 ok\r\n",
                         .events = ""};

    len += put_long(in + len, PP_SERVER_LINE_MAX + 1);
    len += put_long(in + len, PP_SERVER_LINE_MAX + 50);
    len += put_long(in + len, 7);
    d.in_len = len;
    play(&d);
}

static void test_errors_end_the_session(void **state)
{
    (void)state;
    static char in[1000], out[4000];
    struct pp_writer in_w, out_w;

    pp_writer_init(&in_w, in, sizeof(in) - 1);
    pp_writer_init(&out_w, out, sizeof(out) - 1);
    pp_put_z(&out_w, GREETING SAID_EHLO "250 2.1.0 ok\r\n");
    pp_put_z(&in_w, HELLO MAIL);
    for (int i = 0; i < ERRORS_MAX; i++) {
        pp_put_z(&in_w, "WHAT /\r\n");
        pp_put_z(&out_w, "500 5.5.1 unknown command\r\n");
    }
    pp_put_z(&in_w, "NOOP\r\n");
    pp_put_z(&out_w, "421 4.7.0 too many errors\r\n");
    const struct dialogue d = {.in = in, .out = out, .events = "mail <a@b>;"};
    play(&d);
}

/* ---- arguments ---- */

#define BAD_MAIL  "501 5.5.4 syntax: MAIL FROM:<address>\r\n"
#define BAD_VALUE "501 5.5.4 bad value of a parameter\r\n"
#define BAD_NAME  "555 5.5.4 unknown parameter\r\n"

static void test_mail(void **state)
{
    (void)state;
    static const struct {
        const char *line, *reply, *event;
    } cases[] = {
        {"FROM:<>", NULL, "mail <>;"},
        {"from: <a@b>   ", NULL, "mail <a@b>;"},
        {"FROM:<\"a> b\\\"\"@c> SIZE=7", NULL, "mail <\"a> b\\\"\"@c> size 7;"},
        {"FROM:<a@b> size=1000 body=8bitmime SMTPUTF8 AUTH=<>", NULL,
         "mail <a@b> 8bit utf8 size 1000;"},
        {"FROM:<a@b>  BODY=7BIT  AUTH=e+3Dmc2@example.com ", NULL, "mail <a@b>;"},
        {"FROM:<\xC3\xA4@b> SMTPUTF8", NULL, "mail <\xC3\xA4@b> utf8;"},
        {"FROM:<\xC3\xA4@b>", "550 5.6.7 an address that is not ASCII needs SMTPUTF8\r\n", ""},
        {"FROM:<a@b> SMTPUTF8 \xC3\xA4", BAD_VALUE, ""},
        {"FROM:<a@b> SIZE=1001", "552 5.3.4 the message is larger than the limit\r\n", ""},
        {"FROM:<a@b> SIZE=99999999999999999999999",
         "552 5.3.4 the message is larger than the limit\r\n", ""},
        {"FROM:<a@b> SIZE=-1", BAD_VALUE, ""},
        {"FROM:<a@b> SIZE=", BAD_VALUE, ""},
        {"FROM:<a@b> SIZE", BAD_VALUE, ""},
        {"FROM:<a@b> BODY=BINARYMIME", BAD_VALUE, ""},
        {"FROM:<a@b> SMTPUTF8=1", BAD_VALUE, ""},
        {"FROM:<a@b> SIZE=1 SIZE=2", "501 5.5.4 a parameter is given twice\r\n", ""},
        {"FROM:<a@b> FOO=HDRS", BAD_NAME, ""},
        {"FROM:<a@b> NOTIFY=NEVER", BAD_NAME, ""},
        {"FROM:<a@b> =", BAD_NAME, ""},
        {"FROM:<a@b> X-KIND=alert", BAD_NAME, ""},
        {"FROM:<a@b>SIZE=1", BAD_MAIL, ""},
        {"FROM:a@b", BAD_MAIL, ""},
        {"FROM:<a@b", BAD_MAIL, ""},
        {"FROM:", BAD_MAIL, ""},
        {"FROM:<", BAD_MAIL, ""},
        {"TO:<a@b>", BAD_MAIL, ""},
        {"FROM:<full@x>", "452 4.3.1 the queue is full, try again later\r\n", "mail <full@x>;"},
        {"FROM:<dry@x>", "452 4.3.1 too busy, try again later\r\n", "mail <dry@x>;"},
        {"FROM:<big@x>", "552 5.3.4 message, subject or name is larger than the limit\r\n",
         "mail <big@x>;"},
        {"FROM:<bad@x>", "501 5.1.7 malformed sender, name or subject\r\n", "mail <bad@x>;"},
        {"FROM:<flash@x>", "451 4.3.0 failed here, try again later\r\n", "mail <flash@x>;"},
        {"FROM:<empty@x>", "550 5.1.1 no default recipients are configured\r\n", "mail <empty@x>;"},
        {"FROM:<denied@x>", "553 5.7.1 this user may not send as this address\r\n",
         "mail <denied@x>;"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char in[300], out[1000];

        snprintf(in, sizeof(in), HELLO "MAIL %s\r\nDATA\r\n", cases[i].line);
        snprintf(out, sizeof(out), GREETING SAID_EHLO "%s%s",
                 cases[i].reply != NULL ? cases[i].reply : "250 2.1.0 ok\r\n",
                 cases[i].reply != NULL ? "503 5.5.1 bad sequence of commands\r\n"
                                        : "554 5.5.1 no valid recipients\r\n");
        const struct dialogue d = {.in = in, .out = out, .events = cases[i].event};
        play(&d);
    }
}

static void test_rcpt(void **state)
{
    (void)state;
    static const struct dialogue dialogues[] = {
        {.in = HELLO MAIL "RCPT TO:<full@x>\r\nRCPT TO:<big@x>\r\nRCPT TO:<bad@x>\r\n"
                          "RCPT TO:<inject@x>\r\nRCPT TO:<bare>\r\nRCPT TO:<empty>\r\n"
                          "RCPT TO:<flash>\r\nDATA\r\n" RCPT "DATA\r\nx\r\n.\r\n",
         .out = GREETING SAID_EHLO
         "250 2.1.0 ok\r\n452 4.3.1 the queue is full, try again later\r\n"
         "452 4.5.3 too many recipients\r\n501 5.1.3 malformed address\r\n"
         "501 5.1.3 control characters or brackets in the address\r\n"
         "550 5.1.2 the address has no domain, and none is configured\r\n"
         "501 5.1.3 empty address\r\n451 4.3.0 failed here, try again later\r\n"
         "554 5.5.1 no valid recipients\r\n250 2.1.5 ok\r\n"
         "354 end data with <CR><LF>.<CR><LF>\r\n" SAID_QUEUED,
         .events = "mail <a@b>;rcpt <full@x>;rcpt <big@x>;rcpt <bad@x>;rcpt <inject@x>;rcpt <bare>;"
                   "rcpt <empty>;rcpt <flash>;rcpt <c@d>;[x\r\n];end;"},
        {.in = HELLO MAIL "RCPT TO:c@d\r\nRCPT TO:<c@d> SIZE=1\r\nRCPT TO:<\xC3\xA4@d>\r\n"
                          "RCPT TO: <c@d> \r\n",
         .out =
             GREETING SAID_EHLO "250 2.1.0 ok\r\n501 5.5.4 syntax: RCPT TO:<address>\r\n" BAD_NAME
                                "553 5.6.7 an address that is not ASCII needs SMTPUTF8\r\n"
                                "250 2.1.5 ok\r\n",
         .events = NOTED_DATA},
        {.in = HELLO "MAIL FROM:<> SMTPUTF8\r\nRCPT TO:<\xC3\xA4@d>\r\n",
         .out = GREETING SAID_EHLO "250 2.1.0 ok\r\n250 2.1.5 ok\r\n",
         .events = "mail <> utf8;rcpt <\xC3\xA4@d>;"},
    };

    PLAY(dialogues);
}

#define LOCAL_EHLO                                                                                 \
    "250-relay.test\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"        \
    "250-DSN\r\n250-CHUNKING\r\n250-X-PINPOST\r\n250 ENHANCEDSTATUSCODES\r\n"

static void test_own_parameters(void **state)
{
    (void)state;
    static const struct {
        const char *line, *reply, *event;
    } cases[] = {
        {"FROM:<> X-KIND=alert X-SEVERITY=critical X-DEFAULT-FROM X-DEFAULT-TO", NULL,
         "mail <> default-from default-to alert 3;"},
        {"FROM:<a@b> X-KIND=ALERT x-subject=Disk+203+3A+20+C3+A4+3d! X-NAME=Back+2Bup", NULL,
         "mail <a@b> alert 0 {Disk 3: \xC3\xA4=!|Back+up};"},
        {"FROM:<a@b> X-KIND=message X-SEVERITY=notice X-NAME=x", NULL,
         "mail <a@b> message 1 {|x};"},
        {"FROM:<a@b> X-KIND=other", BAD_VALUE, ""},
        {"FROM:<a@b> X-SEVERITY=4", BAD_VALUE, ""},
        {"FROM:<a@b> X-KIND=alert X-SUBJECT=a+2", BAD_VALUE, ""},
        {"FROM:<a@b> X-KIND=alert X-SUBJECT=a+", BAD_VALUE, ""},
        {"FROM:<a@b> X-KIND=alert X-SUBJECT=a+G0", BAD_VALUE, ""},
        {"FROM:<a@b> X-KIND=alert X-SUBJECT=a=b", BAD_VALUE, ""},
        {"FROM:<a@b> X-KIND=alert X-SUBJECT=", BAD_VALUE, ""},
        {"FROM:<a@b> X-DEFAULT-TO=yes", BAD_VALUE, ""},
        {"FROM:<a@b> X-OTHER=1", BAD_NAME, ""},
        {"FROM:<a@b> X-SUBJECT=a", "501 5.5.4 X-SUBJECT goes with X-KIND=alert\r\n", ""},
        {"FROM:<a@b> X-DEFAULT-FROM", "501 5.5.4 X-DEFAULT-FROM goes with FROM:<>\r\n", ""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char in[300], out[1000];

        snprintf(in, sizeof(in), HELLO "MAIL %s\r\n", cases[i].line);
        snprintf(out, sizeof(out), GREETING LOCAL_EHLO "%s",
                 cases[i].reply != NULL ? cases[i].reply : "250 2.1.0 ok\r\n");
        const struct dialogue d = {.in = in, .out = out, .events = cases[i].event, .local = true};
        play(&d);
    }
    /* default recipients are recipients: DATA may follow */
    const struct dialogue d = {
        .in = HELLO "MAIL FROM:<> X-DEFAULT-TO\r\nDATA\r\nx\r\n.\r\n",
        .out = GREETING LOCAL_EHLO
        "250 2.1.0 ok\r\n354 end data with <CR><LF>.<CR><LF>\r\n" SAID_QUEUED,
        .events = "mail <> default-to;[x\r\n];end;",
        .local = true};
    play(&d);
}

/* ---- content ---- */

static bool has_event(const struct world *w, const char *word_z)
{
    struct pp_text events = pp_writer_text(&w->events_w);
    size_t len = strlen(word_z);

    for (size_t i = 0; i + len <= events.len; i++) {
        if (memcmp(events.p + i, word_z, len) == 0) {
            return true;
        }
    }
    return false;
}

/* None of these ends a message, and none gets through. */
static void test_smuggling(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
        {BYTES("\n.\n")},       {BYTES("\n.\r")},       {BYTES("\r.\n")},
        {BYTES("\r.\r")},       {BYTES("\n.\r\n")},     {BYTES("\r.\r\n")},
        {BYTES("\r\n.\n")},     {BYTES("\r\n.\r")},     {BYTES("\r\n\0.\r\n")},
        {BYTES("\r\n.\0\r\n")}, {BYTES("\r\n.\r\r\n")}, {BYTES("\n")},
        {BYTES("\r")},          {BYTES("\0")},          {BYTES("\r\r\n")},
        {BYTES("\r\n.\r\r")},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char in[300];
        struct pp_writer w;

        pp_writer_init(&w, in, sizeof(in));
        pp_put_z(&w, DATA "a");
        pp_put(&w, cases[i].bytes, cases[i].len);
        pp_put_z(&w, "MAIL FROM:<smuggled@x>\r\n.\r\n" MAIL);
        const struct dialogue d = {
            .in = in, .in_len = w.len, .out = SAID_DATA SAID_UNCLEAN "250 2.1.0 ok\r\n"};
        play(&d);
        begin(&world, false);
        feed(&world, in, w.len);
        assert_true(has_event(&world, "spoilt;mail <a@b>;"));
        assert_false(has_event(&world, "end;"));
        assert_false(has_event(&world, "smuggled"));
    }
}

static void test_content_refused(void **state)
{
    (void)state;
    static char in[3000], out[2000];
    struct pp_writer w;
    static const struct dialogue not_stored = {
        .in = DATA "a!b\r\nc\r\n.\r\nNOOP\r\n",
        .out = SAID_DATA "451 4.3.0 not stored, try again later\r\n250 2.0.0 ok\r\n"};

    play(&not_stored);
    assert_false(has_event(&world, "end;"));
    for (size_t lines = SIZE_LIMIT / 10; lines <= SIZE_LIMIT / 10 + 1; lines++) {
        bool over = lines * 10 > SIZE_LIMIT;

        pp_writer_init(&w, in, sizeof(in));
        pp_put_z(&w, DATA);
        for (size_t i = 0; i < lines; i++) {
            pp_put_z(&w, "..3456789\r\n"); /* the stuffed dot is not counted */
        }
        pp_put_z(&w, ".\r\nNOOP\r\n");
        snprintf(out, sizeof(out), SAID_DATA "%s250 2.0.0 ok\r\n",
                 over ? "552 5.3.4 the message is larger than the limit\r\n" : SAID_QUEUED);
        const struct dialogue d = {.in = in, .in_len = w.len, .out = out};
        play(&d);
        assert_int_equal(has_event(&world, "spoilt;"), over);
        assert_int_equal(has_event(&world, "end;"), !over);
    }
}

/* Too big, and then not clean: in whatever pieces, that it can never be taken is what is said. */
static void test_two_reasons(void **state)
{
    (void)state;
    static char in[SIZE_LIMIT + 200];
    struct pp_writer w;

    pp_writer_init(&w, in, sizeof(in));
    pp_put_z(&w, DATA);
    while (w.len < SIZE_LIMIT + 100) {
        pp_put_char(&w, 'x');
    }
    pp_put_z(&w, "\n\r\n.\r\n");
    const struct dialogue d = {.in = in, .in_len = w.len, .out = SAID_DATA SAID_UNCLEAN};
    play(&d);
}

static void test_long_text_lines_pass(void **state)
{
    (void)state;
    struct world *w = &world;
    static char line[900];

    memset(line, 'x', sizeof(line));
    begin(w, false);
    w->server.params.size_limit = 100 * sizeof(line);
    feed(w, DATA, strlen(DATA));
    for (int i = 0; i < 20; i++) {
        feed(w, line, sizeof(line));
    }
    feed(w, "\r\n.\r\n", 5);
    assert_true(has_event(w, "end;"));
}

/* ---- time and room ---- */

static void pump_at(struct world *w, pp_time_ms at_ms)
{
    pp_smtp_server_pump(&w->server, &w->in, &w->out, at_ms);
}

static bool said(struct world *w, const char *text_z)
{
    struct pp_text text = pp_text_n(pp_buf_head(&w->out), pp_buf_len(&w->out));
    bool same = pp_text_equal(text, pp_text_z(text_z));

    pp_buf_consume(&w->out, text.len);
    return same;
}

static void test_timeout(void **state)
{
    (void)state;
    struct world *w = &world;
    pp_time_ms at_ms = NOW_MS + TIMEOUT_MS;

    begin(w, false);
    assert_int_equal(pp_smtp_server_deadline_ms(&w->server), at_ms);
    pump_at(w, at_ms - 1);
    assert_true(said(w, GREETING));
    /* a part of a command is none; a whole one is */
    assert_true(pp_buf_put(&w->in, "NO", 2));
    pump_at(w, at_ms - 1);
    assert_int_equal(pp_smtp_server_deadline_ms(&w->server), at_ms);
    assert_true(pp_buf_put(&w->in, "OP\r\n", 4));
    pump_at(w, at_ms);
    assert_true(said(w, "250 2.0.0 ok\r\n"));
    assert_int_equal(pp_smtp_server_deadline_ms(&w->server), at_ms + TIMEOUT_MS);
    assert_false(pp_smtp_server_finished(&w->server));
    pump_at(w, at_ms + TIMEOUT_MS);
    assert_true(said(w, "421 4.4.2 timed out\r\n"));
    assert_true(pp_smtp_server_finished(&w->server));
    assert_int_equal(pp_smtp_server_event(&w->server), PP_SERVER_EVENT_CLOSED);
}

/* A peer that reads nothing is answered nothing, and in the end it is late. */
static void test_no_room(void **state)
{
    (void)state;
    struct world *w = &world;

    begin(w, false);
    for (int i = 0; i < 200; i++) {
        assert_true(pp_buf_put(&w->in, "NOOP\r\n", 6));
    }
    pump_at(w, NOW_MS);
    assert_true(pp_buf_room(&w->out) < PP_SERVER_REPLY_ROOM);
    assert_true(pp_buf_len(&w->in) > 0);
    pump_at(w, NOW_MS + 1);
    assert_false(pp_smtp_server_finished(&w->server));
    pump_at(w, NOW_MS + TIMEOUT_MS + 1);
    assert_true(pp_smtp_server_finished(&w->server));
}

/* While the owner makes up its mind nothing is read, and nobody is late. */
static void test_end_waits(void **state)
{
    (void)state;
    static const char in[] = DATA "x\r\n.\r\nNOOP\r\n";
    struct world *w = &world;

    begin(w, false);
    assert_true(pp_buf_put(&w->in, in, strlen(in)));
    pump_at(w, NOW_MS);
    while (pp_smtp_server_event(&w->server) != PP_SERVER_EVENT_END) {
        answer(w);
        pump_at(w, NOW_MS);
    }
    assert_true(said(w, SAID_DATA));
    pump_at(w, NOW_MS + TIMEOUT_MS * 2);
    assert_int_equal(pp_smtp_server_event(&w->server), PP_SERVER_EVENT_END);
    assert_int_equal(pp_smtp_server_deadline_ms(&w->server), PP_TIME_NEVER);
    assert_int_equal(pp_buf_len(&w->in), 6);
    pp_smtp_server_reply_end(&w->server, &w->out, PP_ERR_FLASH, 0, NOW_MS + TIMEOUT_MS * 2);
    pump_at(w, NOW_MS + TIMEOUT_MS * 2);
    assert_true(said(w, "451 4.3.0 not stored, try again later\r\n250 2.0.0 ok\r\n"));
}

static void test_close(void **state)
{
    (void)state;
    struct world *w = &world;

    begin(w, false);
    feed(w, HELLO MAIL, strlen(HELLO MAIL));
    pp_smtp_server_close(&w->server, &w->out, "421 4.3.2 shutting down", NOW_MS);
    pp_smtp_server_close(&w->server, &w->out, "421 4.3.2 shutting down", NOW_MS);
    assert_true(said(w, "421 4.3.2 shutting down\r\n"));
    assert_true(pp_smtp_server_deadline_ms(&w->server) > NOW_MS);
    assert_true(pp_smtp_server_deadline_ms(&w->server) < NOW_MS + TIMEOUT_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message),
        cmocka_unit_test(test_sequences),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_errors_end_the_session),
        cmocka_unit_test(test_mail),
        cmocka_unit_test(test_rcpt),
        cmocka_unit_test(test_own_parameters),
        cmocka_unit_test(test_smuggling),
        cmocka_unit_test(test_content_refused),
        cmocka_unit_test(test_two_reasons),
        cmocka_unit_test(test_long_text_lines_pass),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_end_waits),
        cmocka_unit_test(test_close),
    };

    return cmocka_run_group_tests_name("smtp_server", tests, NULL, NULL);
}
