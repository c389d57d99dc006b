/*
 * test_smtp_client.c - the SMTP client machine against transcripts
 *
 * Job:      whole dialogues, each fed at once, byte by byte and in every split in two, and
 *           each must end in the same commands and the same verdicts.
 * Not here: one reply's form (test_smtp_reply.c), one reply's meaning (test_verdict.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "delivery/smtp_client.h"

#define NOW_MS 1000000u

static const struct pp_timeouts timeouts = {.greeting_ms = 300000,
                                            .ehlo_ms = 300001,
                                            .starttls_ms = 120000,
                                            .handshake_ms = 120001,
                                            .auth_ms = 120002,
                                            .mail_ms = 300002,
                                            .rcpt_ms = 300003,
                                            .data_ms = 120003,
                                            .block_ms = 180000,
                                            .dot_ms = 600000,
                                            .rset_ms = 60000,
                                            .quit_ms = 10000};

/* What the owner does, and what must come of it. */
struct dialogue {
    const char *name;
    const char *script;   /* lines "S: ..." and "C: ..." as the wire shows them, CRLF added */
    const char *verdicts; /* "0 later path rcpt 451 4.3.0 words\n" each, in order */
    const char *failure;  /* "stage code words" of an unlucky end; NULL: orderly */
    const char *to[4];    /* recipients of each message */
    const char *body;     /* content; NULL: "hello\r\n" */
    const char *sender;   /* NULL: "a@b" */
    const char *user;     /* NULL: "" */
    const char *password;
    enum pp_auth auth;
    uint64_t size_bytes;
    unsigned messages; /* 0: 1 */
    enum pp_dsn_ret ret;
    const char *envid; /* NULL: "" */
    uint8_t notify[4];
    const char *orcpt[4]; /* NULL: "" */
    bool has_certificate;
    bool wants_tls, encrypted, auth_without_tls, body_8bit, smtputf8;
    bool leave; /* lost at the end of the script */
    bool no_message;
    bool at_once; /* splitting it would make a lawful dialogue of it */
};

struct world {
    const struct dialogue *d;
    struct pp_smtp_client client;
    struct pp_buf in, out;
    uint8_t in_bytes[2048], out_bytes[1024];
    char said[65536];
    size_t said_len;
    char verdicts[4096];
    size_t verdicts_len;
    unsigned messages_begun;
    uint32_t next_recipient;
    size_t body_pos;
    size_t fed, split; /* bytes of the server so far; where the feed pauses */
    size_t out_room;   /* bytes of ours that the network takes at once; 0: all */
};

static const char *const stage_names[PP_STAGE_COUNT] = {
    "resolve", "trust", "connect", "greeting", "ehlo", "starttls", "handshake", "auth",
    "mail",    "rcpt",  "data",    "body",     "dot",  "rset",     "quit",      "idle"};

static void on_verdict(void *ctx, uint16_t recipient, enum pp_verdict verdict, enum pp_scope scope,
                       enum pp_stage stage, const struct pp_reply *reply)
{
    static const char *const verdicts[] = {"delivered", "later", "never"};
    static const char *const scopes[] = {"recipient", "message", "path"};
    struct world *world = ctx;
    struct pp_writer w;

    pp_writer_init(&w, world->verdicts + world->verdicts_len,
                   sizeof world->verdicts - world->verdicts_len);
    pp_put_u64(&w, recipient);
    pp_put_char(&w, ' ');
    pp_put_z(&w, verdicts[verdict]);
    pp_put_char(&w, ' ');
    pp_put_z(&w, scopes[scope]);
    pp_put_char(&w, ' ');
    pp_put_z(&w, stage_names[stage]);
    pp_put_char(&w, ' ');
    pp_put_reply(&w, reply);
    pp_put_char(&w, '\n');
    assert_false(w.overflow);
    world->verdicts_len += w.len;
}

static void drain(struct world *w)
{
    size_t len = pp_buf_len(&w->out);

    if (w->out_room != 0 && len > w->out_room) {
        len = w->out_room;
    }
    assert_true(w->said_len + len < sizeof w->said);
    memcpy(w->said + w->said_len, pp_buf_head(&w->out), len);
    w->said_len += len;
    pp_buf_consume(&w->out, len);
}

static void begin_message(struct world *w)
{
    const struct dialogue *d = w->d;
    struct pp_smtp_mail mail = {.sender = pp_text_z(d->sender != NULL ? d->sender : "a@b"),
                                .size_bytes = d->size_bytes,
                                .body_8bit = d->body_8bit,
                                .smtputf8 = d->smtputf8,
                                .ret = d->ret,
                                .envid = pp_text_z(d->envid)};

    while (mail.recipient_count < 4 && d->to[mail.recipient_count] != NULL) {
        mail.recipient_count++;
    }
    w->messages_begun++;
    w->next_recipient = 0;
    w->body_pos = 0;
    assert_int_equal(pp_smtp_client_mail(&w->client, &mail, NOW_MS), PP_OK);
}

static void give_recipient(struct world *w)
{
    uint32_t i = w->next_recipient;
    const char *to = i < 4 ? w->d->to[i] : NULL;

    if (to == NULL) {
        pp_smtp_client_recipients_end(&w->client, &w->out, NOW_MS);
        return;
    }
    const struct pp_recipient recipient = {pp_text_z(to), w->d->notify[i],
                                           pp_text_z(w->d->orcpt[i])};
    if (pp_smtp_client_recipient(&w->client, &w->out, &recipient, NOW_MS) != PP_ERR_LATER) {
        w->next_recipient++;
    }
}

static void give_body(struct world *w)
{
    const char *body = w->d->body != NULL ? w->d->body : "hello\r\n";
    size_t len = strlen(body) - w->body_pos;

    if (len > 0) {
        w->body_pos += pp_smtp_client_body(&w->client, &w->out, (const uint8_t *)body + w->body_pos,
                                           len, NOW_MS);
    } else {
        (void)pp_smtp_client_body_end(&w->client, &w->out, NOW_MS);
    }
}

/* What the owner does about one event. */
static void act(struct world *w, enum pp_smtp_event event)
{
    unsigned messages = w->d->no_message ? 0 : w->d->messages != 0 ? w->d->messages : 1;

    switch (event) {
    case PP_SMTP_EVENT_START_TLS:
        pp_smtp_client_secured(&w->client, NOW_MS);
        break;
    case PP_SMTP_EVENT_READY:
        if (w->messages_begun < messages) {
            begin_message(w);
        } else {
            pp_smtp_client_quit(&w->client, &w->out, NOW_MS);
        }
        break;
    case PP_SMTP_EVENT_RECIPIENT:
        give_recipient(w);
        break;
    case PP_SMTP_EVENT_BODY:
        give_body(w);
        break;
    case PP_SMTP_EVENT_DONE:
        pp_smtp_client_next(&w->client, &w->out, NOW_MS);
        break;
    case PP_SMTP_EVENT_NONE:
    case PP_SMTP_EVENT_CLOSED:
        break;
    }
}

/* The owner's turn: a bounded number of steps, enough to come to rest. */
static void turn(struct world *w)
{
    for (int i = 0; i < 200; i++) {
        pp_smtp_client_pump(&w->client, &w->in, &w->out, NOW_MS);
        act(w, pp_smtp_client_event(&w->client));
        pp_smtp_client_pump(&w->client, &w->in, &w->out, NOW_MS);
        drain(w);
    }
}

static void feed(struct world *w, const char *bytes, size_t len)
{
    size_t step = w->split == 0 ? 1 : len;

    if (w->split > w->fed && w->split < w->fed + len) {
        step = w->split - w->fed;
    }
    while (len > 0) {
        step = step < len ? step : len;
        assert_true(pp_buf_put(&w->in, bytes, step));
        w->fed += step;
        turn(w);
        if (pp_smtp_client_event(&w->client) == PP_SMTP_EVENT_CLOSED) {
            return;
        }
        bytes += step;
        len -= step;
        step = w->split == 0 ? 1 : len;
    }
}

/* One flight: all lines from `script` on that begin with `who`; returns what follows. */
static const char *flight(const char *script, char who, char *text, size_t cap)
{
    size_t len = 0;

    text[0] = '\0';
    while (script[0] == who) {
        const char *end = strchr(script, '\n');
        size_t n = (size_t)(end - script) - 3;

        assert_true(len + n + 3 < cap);
        memcpy(text + len, script + 3, n);
        memcpy(text + len + n, "\r\n", 3);
        len += n + 2;
        script = end + 1;
    }
    return script;
}

static void start(struct world *w, const struct dialogue *d, size_t split, size_t out_room)
{
    struct pp_smtp_params params = {.hostname_z = "client.example",
                                    .wants_tls = d->wants_tls,
                                    .encrypted = d->encrypted,
                                    .auth = d->auth,
                                    .auth_without_tls = d->auth_without_tls,
                                    .has_certificate = d->has_certificate,
                                    .user_z = d->user != NULL ? d->user : "",
                                    .password_z = d->password != NULL ? d->password : "",
                                    .timeouts = &timeouts,
                                    .on_verdict = on_verdict,
                                    .ctx = w};

    memset(w, 0, sizeof *w);
    w->d = d;
    w->split = split;
    w->out_room = out_room;
    pp_buf_init(&w->in, w->in_bytes, sizeof w->in_bytes);
    pp_buf_init(&w->out, w->out_bytes, sizeof w->out_bytes);
    pp_smtp_client_init(&w->client, &params, NOW_MS);
}

static void check_end(struct world *w, const struct dialogue *d)
{
    char text[600];
    struct pp_writer words;

    w->verdicts[w->verdicts_len] = '\0';
    assert_string_equal(w->verdicts, d->verdicts != NULL ? d->verdicts : "");
    assert_int_equal(pp_smtp_client_event(&w->client), PP_SMTP_EVENT_CLOSED);
    if (d->failure == NULL) {
        assert_int_equal(w->client.error, PP_OK);
        return;
    }
    assert_int_not_equal(w->client.error, PP_OK);
    pp_writer_init(&words, text, sizeof text - 1);
    pp_put_z(&words, stage_names[w->client.failure_stage]);
    pp_put_char(&words, ' ');
    pp_put_reply(&words, &w->client.failure);
    text[words.len] = '\0';
    assert_string_equal(text, d->failure);
}

/* Plays a dialogue; returns how many bytes the server said. */
static size_t play(const struct dialogue *d, size_t split, size_t out_room)
{
    static struct world w;
    static char text[16384];
    const char *script = d->script;

    start(&w, d, split, out_room);
    while (*script != '\0') {
        script = flight(script, 'S', text, sizeof text);
        feed(&w, text, strlen(text));
        script = flight(script, 'C', text, sizeof text);
        w.said[w.said_len] = '\0';
        if (strcmp(w.said, text) != 0) {
            print_error("%s (split %zu): said\n%s---- expected\n%s", d->name, split, w.said, text);
            fail();
        }
        w.said_len = 0;
    }
    if (d->leave) {
        pp_smtp_client_lost(&w.client, PP_ERR_CLOSED, "connection lost", NOW_MS);
    }
    check_end(&w, d);
    return w.fed;
}

/* ---- dialogues ---- */

#define HELLO                                                                                      \
    "S: 220 mx ESMTP\n"                                                                            \
    "C: EHLO client.example\n"
#define PLAIN_SERVER HELLO "S: 250 mx\n"
#define QUIT                                                                                       \
    "C: QUIT\n"                                                                                    \
    "S: 221 bye\n"

static const struct dialogue dialogues[] = {
    {.name = "one message, nothing offered",
     .to = {"x@y"},
     .script = PLAIN_SERVER "C: MAIL FROM:<a@b>\n"
                            "S: 250 2.1.0 ok\n"
                            "C: RCPT TO:<x@y>\n"
                            "S: 250 2.1.5 ok\n"
                            "C: DATA\n"
                            "S: 354 go\n"
                            "C: hello\n"
                            "C: .\n"
                            "S: 250 2.0.0 queued as 1\n" QUIT,
     .verdicts = "0 delivered message dot 250 2.0.0 queued as 1\n"},
    {.name = "pipelined, size, 8bit, two messages",
     .to = {"x@y", "z@y"},
     .size_bytes = 7,
     .body_8bit = true,
     .messages = 2,
     .script = HELLO "S: 250-mx\n"
                     "S: 250-PIPELINING\n"
                     "S: 250-SIZE 1000\n"
                     "S: 250 8BITMIME\n"
                     "C: MAIL FROM:<a@b> SIZE=7 BODY=8BITMIME\n"
                     "C: RCPT TO:<x@y>\n"
                     "C: RCPT TO:<z@y>\n"
                     "C: DATA\n"
                     "S: 250 ok\n"
                     "S: 250 ok\n"
                     "S: 550 5.1.1 no such user\n"
                     "S: 354 go\n"
                     "C: hello\n"
                     "C: .\n"
                     "S: 250 ok 1\n"
                     "C: MAIL FROM:<a@b> SIZE=7 BODY=8BITMIME\n"
                     "C: RCPT TO:<x@y>\n"
                     "C: RCPT TO:<z@y>\n"
                     "C: DATA\n"
                     "S: 250 ok\n"
                     "S: 250 ok\n"
                     "S: 452 4.5.3 too many\n"
                     "S: 354 go\n"
                     "C: hello\n"
                     "C: .\n"
                     "S: 250 ok 2\n" QUIT,
     .verdicts = "1 never recipient rcpt 550 5.1.1 no such user\n"
                 "0 delivered message dot 250 ok 1\n"
                 "1 later recipient rcpt 452 4.5.3 too many\n"
                 "0 delivered message dot 250 ok 2\n"},
    {.name = "STARTTLS, capabilities forgotten, AUTH PLAIN",
     .to = {"x@y"},
     .wants_tls = true,
     .user = "test",
     .password = "1234",
     .script = HELLO "S: 250-mx\n"
                     "S: 250-PIPELINING\n"
                     "S: 250 STARTTLS\n"
                     "C: STARTTLS\n"
                     "S: 220 2.0.0 go\n"
                     "C: EHLO client.example\n"
                     "S: 250-mx\n"
                     "S: 250-STARTTLS\n"
                     "S: 250 AUTH LOGIN PLAIN\n"
                     "C: AUTH PLAIN AHRlc3QAMTIzNA==\n"
                     "S: 235 2.7.0 welcome\n"
                     "C: MAIL FROM:<a@b>\n"
                     "S: 250 ok\n"
                     "C: RCPT TO:<x@y>\n"
                     "S: 251 forwarded\n"
                     "C: DATA\n"
                     "S: 354 go\n"
                     "C: hello\n"
                     "C: .\n"
                     "S: 251 strange but lawful\n" QUIT,
     .verdicts = "0 delivered message dot 251 strange but lawful\n"},
    {.name = "AUTH LOGIN after PLAIN was 504, AUTH= form",
     .no_message = true,
     .encrypted = true,
     .user = "test",
     .password = "1234",
     .script = HELLO "S: 250-mx\n"
                     "S: 250 AUTH=PLAIN LOGIN\n"
                     "C: AUTH PLAIN AHRlc3QAMTIzNA==\n"
                     "S: 504 5.5.4 not this one\n"
                     "C: AUTH LOGIN\n"
                     "S: 334 VXNlcm5hbWU6\n"
                     "C: dGVzdA==\n"
                     "S: 334 UGFzc3dvcmQ6\n"
                     "C: MTIzNA==\n"
                     "S: 235 ok\n" QUIT},
    {.name = "AUTH LOGIN by configuration, any prompt",
     .no_message = true,
     .encrypted = true,
     .auth = PP_AUTH_LOGIN,
     .user = "test",
     .password = "1234",
     .script = HELLO "S: 250-mx\n"
                     "S: 250 AUTH PLAIN LOGIN\n"
                     "C: AUTH LOGIN\n"
                     "S: 334\n"
                     "C: dGVzdA==\n"
                     "S: 334 what now\n"
                     "C: MTIzNA==\n"
                     "S: 334 more\n"
                     "C: *\n"
                     "S: 501 cancelled\n" QUIT,
     .failure = "auth 501 cancelled; login given up: the server asked for more"},
    {.name = "a certificate is the login, where it is one",
     .no_message = true,
     .encrypted = true,
     .has_certificate = true,
     .script = HELLO "S: 250-mx\n"
                     "S: 250 AUTH PLAIN EXTERNAL\n"
                     "C: AUTH EXTERNAL =\n"
                     "S: 235 ok\n" QUIT},
    {.name = "a certificate alone, and no login with it",
     .no_message = true,
     .encrypted = true,
     .has_certificate = true,
     .script = HELLO "S: 250-mx\n"
                     "S: 250 AUTH PLAIN LOGIN\n" QUIT},
    {.name = "a certificate before a password",
     .no_message = true,
     .encrypted = true,
     .has_certificate = true,
     .user = "test",
     .password = "1234",
     .script = HELLO "S: 250-mx\n"
                     "S: 250 AUTH PLAIN EXTERNAL\n"
                     "C: AUTH EXTERNAL =\n"
                     "S: 535 5.7.8 unknown\n"
                     "C: AUTH PLAIN AHRlc3QAMTIzNA==\n"
                     "S: 235 ok\n" QUIT},
    {.name = "EXTERNAL asked for by name, as somebody",
     .no_message = true,
     .encrypted = true,
     .has_certificate = true,
     .auth = PP_AUTH_EXTERNAL,
     .user = "test",
     .script = HELLO "S: 250-mx\n"
                     "S: 250 AUTH EXTERNAL\n"
                     "C: AUTH EXTERNAL dGVzdA==\n"
                     "S: 535 5.7.8 no\n" QUIT,
     .failure = "auth 535 5.7.8 no; login refused: check the certificate"},
    {.name = "EXTERNAL and a challenge: no second answer",
     .no_message = true,
     .encrypted = true,
     .has_certificate = true,
     .auth = PP_AUTH_EXTERNAL,
     .script = HELLO "S: 250-mx\n"
                     "S: 250 AUTH EXTERNAL\n"
                     "C: AUTH EXTERNAL =\n"
                     "S: 334 \n"
                     "C: *\n"
                     "S: 501 cancelled\n" QUIT,
     .failure = "auth 501 cancelled; login given up: the server asked for more"},
    {.name = "EXTERNAL asked for by name and not offered: no other",
     .no_message = true,
     .encrypted = true,
     .has_certificate = true,
     .auth = PP_AUTH_EXTERNAL,
     .user = "test",
     .password = "1234",
     .script = HELLO "S: 250-mx\n"
                     "S: 250 AUTH PLAIN LOGIN\n" QUIT,
     .failure = "auth the server does not offer the configured login mechanism"},
    {.name = "no EXTERNAL where no certificate is shown",
     .no_message = true,
     .encrypted = true,
     .user = "test",
     .password = "1234",
     .script = HELLO "S: 250-mx\n"
                     "S: 250 AUTH EXTERNAL PLAIN\n"
                     "C: AUTH PLAIN AHRlc3QAMTIzNA==\n"
                     "S: 235 ok\n" QUIT},
    {.name = "endless challenges end the session",
     .no_message = true,
     .encrypted = true,
     .user = "test",
     .password = "1234",
     .script = HELLO "S: 250-mx\n"
                     "S: 250 AUTH PLAIN\n"
                     "C: AUTH PLAIN AHRlc3QAMTIzNA==\n"
                     "S: 334 \n"
                     "C: *\n"
                     "S: 334 \n",
     .failure = "auth 334 the server goes on asking after the login ended"},
    {.name = "a wrong password",
     .no_message = true,
     .encrypted = true,
     .user = "test",
     .password = "1234",
     .script = HELLO "S: 250-mx\n"
                     "S: 250 AUTH PLAIN LOGIN\n"
                     "C: AUTH PLAIN AHRlc3QAMTIzNA==\n"
                     "S: 535 5.7.8 no\n" QUIT,
     .failure = "auth 535 5.7.8 no; login refused: check user and password"},
    {.name = "no password without TLS",
     .no_message = true,
     .user = "test",
     .password = "1234",
     .script = HELLO "S: 250-mx\n"
                     "S: 250 AUTH PLAIN\n" QUIT,
     .failure = "auth the password is not sent without TLS; use a TLS level above none"},
    {.name = "password without TLS, asked for by name",
     .no_message = true,
     .auth_without_tls = true,
     .user = "test",
     .password = "1234",
     .script = HELLO "S: 250-mx\n"
                     "S: 250 AUTH PLAIN\n"
                     "C: AUTH PLAIN AHRlc3QAMTIzNA==\n"
                     "S: 235 ok\n" QUIT},
    {.name = "no AUTH offered: nothing is sent",
     .no_message = true,
     .encrypted = true,
     .user = "test",
     .password = "1234",
     .script = PLAIN_SERVER QUIT,
     .failure =
         "auth the server offers no login here; check the port (587 or 465), or set no user"},
    {.name = "no mechanism in common",
     .no_message = true,
     .encrypted = true,
     .user = "test",
     .password = "1234",
     .script = HELLO "S: 250-mx\n"
                     "S: 250 AUTH CRAM-MD5 XOAUTH2\n" QUIT,
     .failure = "auth the server offers neither AUTH PLAIN nor AUTH LOGIN"},
    {.name = "no STARTTLS: never in the clear",
     .no_message = true,
     .wants_tls = true,
     .script = PLAIN_SERVER QUIT,
     .failure = "starttls the server does not offer STARTTLS and mail is not sent in the clear; "
                "check the port, or use implicit TLS on port 465"},
    {.name = "STARTTLS refused for good",
     .no_message = true,
     .wants_tls = true,
     .script = HELLO "S: 250-mx\n"
                     "S: 250 starttls\n"
                     "C: STARTTLS\n"
                     "S: 554 5.3.3 never\n" QUIT,
     .failure = "starttls 554 5.3.3 never; STARTTLS was refused"},
    {.name = "bytes behind the reply to STARTTLS",
     .at_once = true,
     .no_message = true,
     .wants_tls = true,
     .script = HELLO "S: 250-mx\n"
                     "S: 250 STARTTLS\n"
                     "C: STARTTLS\n"
                     "S: 220 go\n"
                     "S: 250 injected\n",
     .failure = "handshake the server sent bytes between its reply to STARTTLS and TLS"},
    {.name = "EHLO unknown: HELO",
     .to = {"x@y"},
     .script = HELLO "S: 502 what?\n"
                     "C: HELO client.example\n"
                     "S: 250 mx\n"
                     "C: MAIL FROM:<a@b>\n"
                     "S: 250 ok\n"
                     "C: RCPT TO:<x@y>\n"
                     "S: 450 later\n"
                     "C: RSET\n"
                     "S: 250 ok\n" QUIT,
     .verdicts = "0 later recipient rcpt 450 later\n"},
    {.name = "greeting 554",
     .no_message = true,
     .script = "S: 554 go away\n" QUIT,
     .failure = "greeting 554 go away"},
    {.name = "greeting with a wrong 2yz",
     .no_message = true,
     .script = "S: 250 hello\n" QUIT,
     .failure = "greeting 250 hello"},
    {.name = "421 behind the greeting",
     .at_once = true,
     .no_message = true,
     .script = "S: 220 mx\n"
               "S: 421 closing\n",
     .failure = "ehlo 421 closing"},
    {.name = "bytes behind the greeting",
     .at_once = true,
     .no_message = true,
     .script = "S: 220 mx\n"
               "S: 250 too early\n",
     .failure = "ehlo the server sent bytes that were not asked for"},
    {.name = "MAIL refused in a flight, 354 for nobody",
     .to = {"x@y"},
     .script = HELLO "S: 250-mx\n"
                     "S: 250 PIPELINING\n"
                     "C: MAIL FROM:<a@b>\n"
                     "C: RCPT TO:<x@y>\n"
                     "C: DATA\n"
                     "S: 550 5.7.1 not you\n"
                     "S: 503 need MAIL\n"
                     "S: 354 go\n"
                     "C: .\n"
                     "S: 554 no recipients\n" QUIT,
     .verdicts = "0 later path mail 550 5.7.1 not you\n"},
    {.name = "MAIL refused for its size",
     .to = {"x@y", "z@y"},
     .script = HELLO "S: 250-mx\n"
                     "S: 250 PIPELINING\n"
                     "C: MAIL FROM:<a@b>\n"
                     "C: RCPT TO:<x@y>\n"
                     "C: RCPT TO:<z@y>\n"
                     "C: DATA\n"
                     "S: 552 5.3.4 too big\n"
                     "S: 503 need MAIL\n"
                     "S: 503 need MAIL\n"
                     "S: 503 need RCPT\n" QUIT,
     .verdicts = "0 never message mail 552 5.3.4 too big\n"
                 "1 never message mail 552 5.3.4 too big\n"},
    {.name = "all recipients refused in a flight, DATA refused",
     .to = {"x@y", "z@y"},
     .script = HELLO "S: 250-mx\n"
                     "S: 250 PIPELINING\n"
                     "C: MAIL FROM:<a@b>\n"
                     "C: RCPT TO:<x@y>\n"
                     "C: RCPT TO:<z@y>\n"
                     "C: DATA\n"
                     "S: 250 ok\n"
                     "S: 550 a\n"
                     "S: 551 b\n"
                     "S: 554 no valid recipients\n"
                     "C: RSET\n"
                     "S: 250 ok\n" QUIT,
     .verdicts = "0 never recipient rcpt 550 a\n"
                 "1 never recipient rcpt 551 b\n"},
    {.name = "421 among the replies of a flight",
     .to = {"x@y", "z@y"},
     .script = HELLO "S: 250-mx\n"
                     "S: 250 PIPELINING\n"
                     "C: MAIL FROM:<a@b>\n"
                     "C: RCPT TO:<x@y>\n"
                     "C: RCPT TO:<z@y>\n"
                     "C: DATA\n"
                     "S: 250 ok\n"
                     "S: 550 a\n"
                     "S: 421 4.3.2 shutting down\n",
     .verdicts = "0 never recipient rcpt 550 a\n"
                 "1 later path rcpt 421 4.3.2 shutting down\n",
     .failure = "rcpt 421 4.3.2 shutting down"},
    {.name = "421 right behind the final reply",
     .at_once = true,
     .to = {"x@y"},
     .script = PLAIN_SERVER "C: MAIL FROM:<a@b>\n"
                            "S: 250 ok\n"
                            "C: RCPT TO:<x@y>\n"
                            "S: 250 ok\n"
                            "C: DATA\n"
                            "S: 354 go\n"
                            "C: hello\n"
                            "C: .\n"
                            "S: 250 ok\n"
                            "S: 421 enough\n",
     .verdicts = "0 delivered message dot 250 ok\n",
     .failure = "idle 421 enough"},
    {.name = "DATA answered with success",
     .to = {"x@y"},
     .script = PLAIN_SERVER "C: MAIL FROM:<a@b>\n"
                            "S: 250 ok\n"
                            "C: RCPT TO:<x@y>\n"
                            "S: 250 ok\n"
                            "C: DATA\n"
                            "S: 250 delivered, honest\n",
     .verdicts = "0 later path data 250 delivered, honest; not a lawful reply here\n",
     .failure = "data 250 delivered, honest; not a lawful reply here"},
    {.name = "DATA refused",
     .to = {"x@y", "z@y"},
     .script = PLAIN_SERVER "C: MAIL FROM:<a@b>\n"
                            "S: 250 ok\n"
                            "C: RCPT TO:<x@y>\n"
                            "S: 550 no\n"
                            "C: RCPT TO:<z@y>\n"
                            "S: 250 ok\n"
                            "C: DATA\n"
                            "S: 554 5.7.1 no data\n"
                            "C: RSET\n"
                            "S: 250 ok\n" QUIT,
     .verdicts = "0 never recipient rcpt 550 no\n"
                 "1 never message data 554 5.7.1 no data\n"},
    {.name = "354 after the dot",
     .to = {"x@y"},
     .script = PLAIN_SERVER "C: MAIL FROM:<a@b>\n"
                            "S: 250 ok\n"
                            "C: RCPT TO:<x@y>\n"
                            "S: 250 ok\n"
                            "C: DATA\n"
                            "S: 354 go\n"
                            "C: hello\n"
                            "C: .\n"
                            "S: 354 go on\n",
     .verdicts = "0 later path dot 354 go on; not a lawful reply here; "
                 "the message may have been delivered\n",
     .failure = "dot 354 go on; not a lawful reply here; the message may have been delivered"},
    {.name = "lost after the dot",
     .to = {"x@y"},
     .leave = true,
     .script = PLAIN_SERVER "C: MAIL FROM:<a@b>\n"
                            "S: 250 ok\n"
                            "C: RCPT TO:<x@y>\n"
                            "S: 250 ok\n"
                            "C: DATA\n"
                            "S: 354 go\n"
                            "C: hello\n"
                            "C: .\n",
     .verdicts = "0 later path dot connection lost; the message may have been delivered\n",
     .failure = "dot connection lost; the message may have been delivered"},
    {.name = "5yz after the dot",
     .to = {"x@y", "z@y"},
     .script = PLAIN_SERVER "C: MAIL FROM:<a@b>\n"
                            "S: 250 ok\n"
                            "C: RCPT TO:<x@y>\n"
                            "S: 250 ok\n"
                            "C: RCPT TO:<z@y>\n"
                            "S: 450 busy\n"
                            "C: DATA\n"
                            "S: 354 go\n"
                            "C: hello\n"
                            "C: .\n"
                            "S: 554 5.7.1 spam\n" QUIT,
     .verdicts = "1 later recipient rcpt 450 busy\n"
                 "0 never message dot 554 5.7.1 spam\n"},
    {.name = "the peer goes away instead of answering QUIT",
     .no_message = true,
     .leave = true,
     .script = PLAIN_SERVER "C: QUIT\n"},
    {.name = "addresses that are not sent",
     .to = {"x y@z", "a@b\r\nRCPT TO:<c@d>", "ok@y", "\xC3\xA9@y"},
     .script = PLAIN_SERVER "C: MAIL FROM:<a@b>\n"
                            "S: 250 ok\n"
                            "C: RCPT TO:<ok@y>\n"
                            "S: 250 ok\n"
                            "C: DATA\n"
                            "S: 354 go\n"
                            "C: hello\n"
                            "C: .\n"
                            "S: 250 ok\n" QUIT,
     .verdicts = "0 never recipient rcpt 5.1.3 the recipient's address is malformed and was not "
                 "sent\n"
                 "1 never recipient rcpt 5.1.3 the recipient's address is malformed and was not "
                 "sent\n"
                 "3 never recipient rcpt 5.6.7 the recipient's address is not ASCII and was not "
                 "sent\n"
                 "2 delivered message dot 250 ok\n"},
    {.name = "only an address that is not sent, in a flight",
     .to = {"<>"},
     .script = HELLO "S: 250-mx\n"
                     "S: 250 PIPELINING\n"
                     "C: MAIL FROM:<a@b>\n"
                     "S: 250 ok\n"
                     "C: RSET\n"
                     "S: 250 ok\n" QUIT,
     .verdicts = "0 never recipient rcpt 5.1.3 the recipient's address is malformed and was not "
                 "sent\n"},
    {.name = "SMTPUTF8",
     .to = {"\xC3\xA9@y"},
     .smtputf8 = true,
     .sender = "",
     .script = HELLO "S: 250-mx\n"
                     "S: 250-PIPELINING\n"
                     "S: 250 SMTPUTF8\n"
                     "C: MAIL FROM:<> SMTPUTF8\n"
                     "C: RCPT TO:<\xC3\xA9@y>\n"
                     "C: DATA\n"
                     "S: 250 ok\n"
                     "S: 250 ok\n"
                     "S: 354 go\n"
                     "C: hello\n"
                     "C: .\n"
                     "S: 250 ok\n" QUIT,
     .verdicts = "0 delivered message dot 250 ok\n"},
    {.name = "DSN",
     .to = {"x@y", "z@y", "u@y", "v@y"},
     .ret = PP_DSN_RET_HDRS,
     .envid = "QQ+2B314159",
     .notify = {PP_DSN_NOTIFY_NEVER, 14, PP_DSN_NOTIFY_DELAY, 0},
     .orcpt = {"rfc822;x@y", NULL, "rfc822;u+3Dv@y", "utf-8;\xC3\xA9@y"},
     .script = HELLO "S: 250-mx\n"
                     "S: 250-PIPELINING\n"
                     "S: 250 DSN\n"
                     "C: MAIL FROM:<a@b> RET=HDRS ENVID=QQ+2B314159\n"
                     "C: RCPT TO:<x@y> NOTIFY=NEVER ORCPT=rfc822;x@y\n"
                     "C: RCPT TO:<z@y> NOTIFY=SUCCESS,FAILURE,DELAY\n"
                     "C: RCPT TO:<u@y> NOTIFY=DELAY ORCPT=rfc822;u+3Dv@y\n"
                     "C: RCPT TO:<v@y>\n"
                     "C: DATA\n"
                     "S: 250 ok\n"
                     "S: 250 ok\n"
                     "S: 250 ok\n"
                     "S: 250 ok\n"
                     "S: 250 ok\n"
                     "S: 354 go\n"
                     "C: hello\n"
                     "C: .\n"
                     "S: 250 ok\n" QUIT,
     .verdicts = "0 delivered message dot 250 ok\n"
                 "1 delivered message dot 250 ok\n"
                 "2 delivered message dot 250 ok\n"
                 "3 delivered message dot 250 ok\n"},
    {.name = "DSN not offered",
     .to = {"x@y"},
     .ret = PP_DSN_RET_FULL,
     .envid = "e",
     .notify = {PP_DSN_NOTIFY_SUCCESS},
     .orcpt = {"rfc822;x@y"},
     .script = HELLO "S: 250-mx\n"
                     "S: 250 PIPELINING\n"
                     "C: MAIL FROM:<a@b>\n"
                     "C: RCPT TO:<x@y>\n"
                     "C: DATA\n"
                     "S: 250 ok\n"
                     "S: 250 ok\n"
                     "S: 354 go\n"
                     "C: hello\n"
                     "C: .\n"
                     "S: 250 ok\n" QUIT,
     .verdicts = "0 delivered message dot 250 ok\n"},
    {.name = "DSN parameters that would be more than one",
     .to = {"x@y"},
     .ret = PP_DSN_RET_FULL,
     .envid = "e SIZE=1",
     .orcpt = {"rfc822;x\r\nDATA"},
     .script = HELLO "S: 250-mx\n"
                     "S: 250-PIPELINING\n"
                     "S: 250 DSN\n"
                     "C: MAIL FROM:<a@b> RET=FULL\n"
                     "C: RCPT TO:<x@y>\n"
                     "C: DATA\n"
                     "S: 250 ok\n"
                     "S: 250 ok\n"
                     "S: 354 go\n"
                     "C: hello\n"
                     "C: .\n"
                     "S: 250 ok\n" QUIT,
     .verdicts = "0 delivered message dot 250 ok\n"},
    {.name = "SMTPUTF8 not offered",
     .to = {"\xC3\xA9@y"},
     .smtputf8 = true,
     .script = PLAIN_SERVER QUIT,
     .verdicts = "0 never message mail 5.6.7 the server takes no addresses outside ASCII "
                 "(SMTPUTF8)\n"},
    {.name = "larger than the server takes",
     .to = {"x@y"},
     .size_bytes = 1001,
     .script = HELLO "S: 250-mx\n"
                     "S: 250 SIZE 1000\n" QUIT,
     .verdicts = "0 never message mail 5.3.4 the message is larger than the server takes\n"},
    {.name = "dots, bare line ends, no line end at the end",
     .to = {"x@y"},
     .body = ".\r\n..\r\na.\nb\r\r\n.\rc\n.\n\r\r\n.end",
     .script = PLAIN_SERVER "C: MAIL FROM:<a@b>\n"
                            "S: 250 ok\n"
                            "C: RCPT TO:<x@y>\n"
                            "S: 250 ok\n"
                            "C: DATA\n"
                            "S: 354 go\n"
                            "C: ..\n"
                            "C: ...\n"
                            "C: a.\n"
                            "C: b\n"
                            "C: \n"
                            "C: ..\n"
                            "C: c\n"
                            "C: ..\n"
                            "C: \n"
                            "C: \n"
                            "C: ..end\n"
                            "C: .\n"
                            "S: 250 ok\n" QUIT,
     .verdicts = "0 delivered message dot 250 ok\n"},
    {.name = "an empty message",
     .to = {"x@y"},
     .body = "",
     .script = PLAIN_SERVER "C: MAIL FROM:<a@b>\n"
                            "S: 250 ok\n"
                            "C: RCPT TO:<x@y>\n"
                            "S: 250 ok\n"
                            "C: DATA\n"
                            "S: 354 go\n"
                            "C: .\n"
                            "S: 250 ok\n" QUIT,
     .verdicts = "0 delivered message dot 250 ok\n"},
    {.name = "login wanted by the server at RCPT",
     .to = {"x@y"},
     .script = PLAIN_SERVER "C: MAIL FROM:<a@b>\n"
                            "S: 250 ok\n"
                            "C: RCPT TO:<x@y>\n"
                            "S: 530 5.7.0 Authentication required\n"
                            "C: RSET\n"
                            "S: 250 ok\n" QUIT,
     .verdicts = "0 later path rcpt 530 5.7.0 Authentication required\n"},
    {.name = "RSET refused",
     .to = {"x@y"},
     .script = PLAIN_SERVER "C: MAIL FROM:<a@b>\n"
                            "S: 250 ok\n"
                            "C: RCPT TO:<x@y>\n"
                            "S: 550 no\n"
                            "C: RSET\n"
                            "S: 500 what\n" QUIT,
     .verdicts = "0 never recipient rcpt 550 no\n",
     .failure = "rset 500 what"},
};

static void test_dialogues(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof dialogues / sizeof dialogues[0]; i++) {
        size_t bytes = play(&dialogues[i], SIZE_MAX, 0);

        for (size_t split = 0; !dialogues[i].at_once && split < bytes; split++) {
            play(&dialogues[i], split, 0);
        }
        if (!dialogues[i].at_once) {
            play(&dialogues[i], SIZE_MAX, 7);
            play(&dialogues[i], 0, 7);
        }
    }
}

/* ---- replies in the middle of content ---- */

static const struct dialogue early = {
    .to = {"x@y"}, .body = "one\r\ntwo\r\n", .script = "", .no_message = false};

/* A client that was told 354 and whose owner has sent the first line. */
static void start_body(struct world *w)
{
    static const char replies[] = "220 mx\r\n|250 mx\r\n|250 ok\r\n|250 ok\r\n|354 go\r\n|";
    const char *p = replies;
    size_t n = 0;

    start(w, &early, SIZE_MAX, 0);
    while ((n = strcspn(p, "|")) > 0) {
        assert_true(pp_buf_put(&w->in, p, n));
        for (int i = 0; i < 8 && pp_smtp_client_event(&w->client) != PP_SMTP_EVENT_BODY; i++) {
            pp_smtp_client_pump(&w->client, &w->in, &w->out, NOW_MS);
            if (pp_smtp_client_event(&w->client) != PP_SMTP_EVENT_BODY) {
                act(w, pp_smtp_client_event(&w->client));
            }
            pp_smtp_client_pump(&w->client, &w->in, &w->out, NOW_MS);
            drain(w);
        }
        p += n + 1;
    }
    assert_int_equal(pp_smtp_client_event(&w->client), PP_SMTP_EVENT_BODY);
    assert_int_equal(
        pp_smtp_client_body(&w->client, &w->out, (const uint8_t *)early.body, 5, NOW_MS), 5);
}

static void test_early_reply(void **state)
{
    static const struct {
        const char *reply, *verdict;
    } cases[] = {
        {"250 ok\r\n", "0 later path body 250 ok; the server answered before the message was "
                       "complete\n"},
        {"421 bye\r\n", "0 later path body 421 bye\n"},
        {"451 4.3.0 disk\r\n", "0 later message body 451 4.3.0 disk\n"},
        {"552 5.3.4 too big\r\n", "0 never message body 552 5.3.4 too big\n"},
        {"what?\r\n", "0 later path body the server's reply is malformed; is this SMTP?\n"},
    };
    static struct world w;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t split = 0; split < 4; split++) {
            start_body(&w);
            assert_true(pp_buf_put(&w.in, cases[i].reply, split));
            pp_smtp_client_pump(&w.client, &w.in, &w.out, NOW_MS);
            if (split > 0 && pp_smtp_client_event(&w.client) == PP_SMTP_EVENT_BODY) {
                /* Part of a reply is here: the dot must not make it lawful. */
                assert_false(pp_smtp_client_body_end(&w.client, &w.out, NOW_MS));
            }
            assert_true(pp_buf_put(&w.in, cases[i].reply + split, strlen(cases[i].reply) - split));
            pp_smtp_client_pump(&w.client, &w.in, &w.out, NOW_MS);
            assert_int_equal(pp_smtp_client_event(&w.client), PP_SMTP_EVENT_CLOSED);
            w.verdicts[w.verdicts_len] = '\0';
            assert_string_equal(w.verdicts, cases[i].verdict);
            assert_int_equal(
                pp_smtp_client_body(&w.client, &w.out, (const uint8_t *)"x", 1, NOW_MS), 0);
            assert_int_equal(w.client.messages_done, 0);
        }
    }
}

/* What comes while the dot is still in our own buffer cannot be the answer to it. */
static void test_reply_before_the_dot_left(void **state)
{
    static struct world w;

    (void)state;
    for (size_t split = 0; split < 4; split++) {
        start_body(&w);
        drain(&w);
        assert_true(pp_smtp_client_body_end(&w.client, &w.out, NOW_MS));
        assert_true(pp_buf_put(&w.in, "250 ok\r\n", split == 0 ? 8 : split));
        pp_smtp_client_pump(&w.client, &w.in, &w.out, NOW_MS);
        drain(&w);
        if (split > 0) {
            assert_true(pp_buf_put(&w.in, &"250 ok\r\n"[split], 8 - split));
            pp_smtp_client_pump(&w.client, &w.in, &w.out, NOW_MS);
        }
        assert_int_equal(pp_smtp_client_event(&w.client), PP_SMTP_EVENT_CLOSED);
        w.verdicts[w.verdicts_len] = '\0';
        assert_string_equal(w.verdicts, "0 later path dot 250 ok; the server answered before the "
                                        "message was complete\n");
        assert_int_equal(w.client.messages_done, 0);
    }
}

static void test_body_failed(void **state)
{
    static struct world w;

    (void)state;
    start_body(&w);
    pp_smtp_client_body_failed(&w.client, true, "5.6.3 cannot be converted", NOW_MS);
    assert_int_equal(pp_smtp_client_event(&w.client), PP_SMTP_EVENT_CLOSED);
    w.verdicts[w.verdicts_len] = '\0';
    assert_string_equal(w.verdicts, "0 never message body 5.6.3 cannot be converted\n");

    start_body(&w);
    pp_smtp_client_body_failed(&w.client, false, "damaged in flash", NOW_MS);
    w.verdicts[w.verdicts_len] = '\0';
    assert_string_equal(w.verdicts, "0 later message body damaged in flash\n");
}

static void test_body_deadline(void **state)
{
    static struct world w;

    (void)state;
    start_body(&w);
    assert_int_equal(pp_smtp_client_deadline_ms(&w.client), NOW_MS + timeouts.block_ms);
    pp_smtp_client_progress(&w.client, NOW_MS + 5000);
    assert_int_equal(pp_smtp_client_deadline_ms(&w.client), NOW_MS + 5000 + timeouts.block_ms);
    assert_true(pp_smtp_client_body_end(&w.client, &w.out, NOW_MS + 6000));
    assert_int_equal(pp_smtp_client_deadline_ms(&w.client), NOW_MS + 6000 + timeouts.dot_ms);
    pp_smtp_client_lost(&w.client, PP_ERR_TIMEOUT, NULL, NOW_MS + 700000);
    assert_int_equal(w.client.error, PP_ERR_TIMEOUT);
    assert_int_equal(w.client.failure_stage, PP_STAGE_DOT);
}

/* ---- hostile and broken servers ---- */

static enum pp_err greeted_with(const char *bytes, size_t len)
{
    static struct world w;

    start(&w, &dialogues[0], SIZE_MAX, 0);
    for (size_t i = 0; i < len && !pp_smtp_client_finished(&w.client); i++) {
        assert_true(pp_buf_put(&w.in, bytes + i, 1));
        pp_smtp_client_pump(&w.client, &w.in, &w.out, NOW_MS);
    }
    return pp_smtp_client_finished(&w.client) ? w.client.error : PP_OK;
}

static void test_malformed_greetings(void **state)
{
    static const char *const bad[] = {
        "\r\n",         "hello\r\n",    "22\r\n",        "2200 x\r\n",
        "220x\r\n",     "120 wait\r\n", "620 x\r\n",     "260 x\r\n",
        "2a0 x\r\n",    "020 x\r\n",    " 220 x\r\n",    "220-a\r\n221 b\r\n",
        "220 a\rb\r\n", "220\t\r\n",    "SSH-2.0-x\r\n", "HTTP/1.1 400 Bad Request\r\n"};
    char line[2000];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(greeted_with(bad[i], strlen(bad[i])), PP_ERR_SYNTAX);
    }
    assert_int_equal(greeted_with("220 a\0b\r\n", 9), PP_ERR_SYNTAX);
    memset(line, 'x', sizeof line);
    memcpy(line, "220 ", 4);
    assert_int_equal(greeted_with(line, sizeof line), PP_ERR_TOO_BIG);
    memcpy(line + PP_SMTP_LINE_CAP - 2, "\r\n", 2);
    assert_int_equal(greeted_with(line, PP_SMTP_LINE_CAP), PP_OK);
    assert_int_equal(greeted_with("220\n", 4), PP_OK);
}

static void test_too_many_lines(void **state)
{
    char text[8 * (PP_SMTP_REPLY_LINES + 2)];
    size_t len = 0;

    (void)state;
    for (int i = 0; i < PP_SMTP_REPLY_LINES + 1; i++) {
        memcpy(text + len, "220-x\r\n", 7);
        len += 7;
    }
    assert_int_equal(greeted_with(text, len), PP_ERR_TOO_BIG);
    memcpy(text + 7 * (PP_SMTP_REPLY_LINES - 1), "220 x\r\n", 7);
    assert_int_equal(greeted_with(text, (size_t)7 * PP_SMTP_REPLY_LINES), PP_OK);
}

/* A small generator: the same bytes on every machine. */
static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Lawful and unlawful pieces in any order: no crash, and one verdict a recipient at most. */
static void test_random_servers(void **state)
{
    static const char *const pieces[] = {"220 mx\r\n",
                                         "250 ok\r\n",
                                         "250-x\r\n",
                                         "250-PIPELINING\r\n",
                                         "250 SIZE 9\r\n",
                                         "354 go\r\n",
                                         "334 \r\n",
                                         "235 ok\r\n",
                                         "421 bye\r\n",
                                         "550 no\r\n",
                                         "451 wait\r\n",
                                         "2",
                                         "5",
                                         "\r\n",
                                         "\0",
                                         "250 AUTH PLAIN LOGIN\r\n",
                                         "503 x\r\n"};
    static const struct dialogue d = {.to = {"x@y", "z@y", " @", "q@y"},
                                      .script = "",
                                      .messages = 2,
                                      .user = "u",
                                      .password = "p",
                                      .auth_without_tls = true};
    static struct world w;

    (void)state;
    for (uint32_t seed = 1; seed <= 20000; seed++) {
        uint32_t random = seed;
        unsigned seen[2][4] = {{0}};

        start(&w, &d, SIZE_MAX, 0);
        for (int i = 0; i < 24 && !pp_smtp_client_finished(&w.client); i++) {
            const char *piece = pieces[next_random(&random) % (sizeof pieces / sizeof pieces[0])];

            /* Mostly what helps the dialogue on, so that its far end is met too. */
            if (next_random(&random) % 3 != 0) {
                piece = i == 0   ? "220 mx\r\n"
                        : i == 1 ? "250-x\r\n250 PIPELINING\r\n"
                                 : "250 ok\r\n";
            }
            (void)pp_buf_put(&w.in, piece, *piece == '\0' ? 1 : strlen(piece));
            for (int k = 0; k < 6; k++) {
                pp_smtp_client_pump(&w.client, &w.in, &w.out, NOW_MS);
                act(&w, pp_smtp_client_event(&w.client));
            }
            w.said_len = 0;
            drain(&w);
        }
        pp_smtp_client_lost(&w.client, PP_ERR_IO, NULL, NOW_MS);
        assert_true(pp_smtp_client_finished(&w.client));
        w.verdicts[w.verdicts_len] = '\0';
        unsigned message = 0;
        for (const char *p = w.verdicts; *p != '\0'; p = strchr(p, '\n') + 1) {
            if (seen[message][*p - '0'] != 0) {
                message++;
            }
            assert_true(message < w.messages_begun);
            seen[message][*p - '0']++;
        }
        for (unsigned m = 0; m < w.messages_begun; m++) {
            for (unsigned r = 0; r < 4; r++) {
                assert_int_equal(seen[m][r], 1);
            }
        }
    }
}

/* ---- what the owner may and may not do ---- */

static void test_wrong_calls(void **state)
{
    static struct world w;
    struct pp_smtp_mail mail = {.sender = pp_text_z("a@b"), .recipient_count = 1};

    (void)state;
    start(&w, &dialogues[0], SIZE_MAX, 0);
    assert_int_equal(pp_smtp_client_mail(&w.client, &mail, NOW_MS), PP_ERR_STATE);
    assert_int_equal(pp_smtp_client_recipient(&w.client, &w.out,
                                              &(struct pp_recipient){.address = pp_text_z("a@b")},
                                              NOW_MS),
                     PP_ERR_STATE);
    pp_smtp_client_recipients_end(&w.client, &w.out, NOW_MS);
    pp_smtp_client_next(&w.client, &w.out, NOW_MS);
    pp_smtp_client_secured(&w.client, NOW_MS);
    assert_int_equal(pp_smtp_client_event(&w.client), PP_SMTP_EVENT_NONE);
    assert_int_equal(pp_buf_len(&w.out), 0);
    pp_smtp_client_quit(&w.client, &w.out, NOW_MS);
    assert_int_equal(pp_smtp_client_event(&w.client), PP_SMTP_EVENT_CLOSED);
    assert_int_equal(w.client.error, PP_ERR_STATE);
}

static void test_bad_mail(void **state)
{
    static struct world w;
    static const struct {
        const char *sender;
        uint32_t count;
        enum pp_err err;
    } cases[] = {{"a@b\r\nRSET", 1, PP_ERR_INJECTION},
                 {"a@b> SIZE=1", 1, PP_ERR_INJECTION},
                 {"a b@c", 1, PP_ERR_SYNTAX},
                 {"a@b", 0, PP_ERR_EMPTY},
                 {"a@b", PP_RECIPIENTS_MAX + 1, PP_ERR_RANGE},
                 {"a@b", PP_RECIPIENTS_MAX, PP_OK}};

    (void)state;
    start(&w, &dialogues[0], SIZE_MAX, 0);
    assert_true(pp_buf_put(&w.in, "220 x\r\n", 7));
    pp_smtp_client_pump(&w.client, &w.in, &w.out, NOW_MS);
    assert_true(pp_buf_put(&w.in, "250 x\r\n", 7));
    pp_smtp_client_pump(&w.client, &w.in, &w.out, NOW_MS);
    assert_int_equal(pp_smtp_client_event(&w.client), PP_SMTP_EVENT_READY);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pp_smtp_mail mail = {.sender = pp_text_z(cases[i].sender),
                                    .recipient_count = cases[i].count};

        assert_int_equal(pp_smtp_client_mail(&w.client, &mail, NOW_MS), cases[i].err);
    }
}

/* Everything at its longest fits a command, and one octet more is left out. */
static void test_longest_commands(void **state)
{
    static struct world w;
    char text[PP_ORCPT_MAX + 1], address[321];
    static const char ehlo[] = "250-x\r\n250-DSN\r\n250-SIZE\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n";

    (void)state;
    memset(text, 'x', sizeof text);
    memset(address, 'a', sizeof address);
    for (size_t more = 0; more < 2; more++) {
        struct pp_smtp_mail mail = {.sender = pp_text_n(address, 320),
                                    .size_bytes = UINT64_MAX,
                                    .recipient_count = 1,
                                    .body_8bit = true,
                                    .smtputf8 = true,
                                    .ret = PP_DSN_RET_FULL,
                                    .envid = pp_text_n(text, PP_ENVID_MAX + more)};
        const struct pp_recipient to = {pp_text_n(address, 320), 14,
                                        pp_text_n(text, PP_ORCPT_MAX + more)};

        start(&w, &dialogues[0], SIZE_MAX, 0);
        assert_true(pp_buf_put(&w.in, "220 x\r\n", 7));
        pp_smtp_client_pump(&w.client, &w.in, &w.out, NOW_MS);
        assert_true(pp_buf_put(&w.in, ehlo, sizeof ehlo - 1));
        pp_smtp_client_pump(&w.client, &w.in, &w.out, NOW_MS);
        drain(&w);
        w.said_len = 0;
        assert_int_equal(pp_smtp_client_mail(&w.client, &mail, NOW_MS), PP_OK);
        pp_smtp_client_pump(&w.client, &w.in, &w.out, NOW_MS);
        drain(&w);
        assert_true(pp_buf_put(&w.in, "250 x\r\n", 7));
        pp_smtp_client_pump(&w.client, &w.in, &w.out, NOW_MS);
        assert_int_equal(pp_smtp_client_recipient(&w.client, &w.out, &to, NOW_MS), PP_OK);
        drain(&w);
        w.said[w.said_len] = '\0';
        assert_true((strstr(w.said, " ENVID=xxx") != NULL) == (more == 0));
        assert_true((strstr(w.said, " ORCPT=xxx") != NULL) == (more == 0));
        assert_non_null(strstr(w.said, " SMTPUTF8 RET=FULL"));
        assert_non_null(strstr(w.said, "> NOTIFY=SUCCESS,FAILURE,DELAY"));
        assert_memory_equal(w.said + w.said_len - 2, "\r\n", 2);
    }
}

/* A password that makes the line of AUTH too long goes out as an answer of its own. */
static void test_long_password(void **state)
{
    static struct world w;
    static char password[PP_SECRET_CAP];
    struct dialogue d = {.encrypted = true, .user = "u", .password = password, .script = ""};

    (void)state;
    memset(password, 'p', sizeof password - 1);
    start(&w, &d, SIZE_MAX, 0);
    assert_true(pp_buf_put(&w.in, "220 x\r\n", 7));
    pp_smtp_client_pump(&w.client, &w.in, &w.out, NOW_MS);
    assert_true(pp_buf_put(&w.in, "250-x\r\n250 AUTH PLAIN\r\n", 23));
    pp_smtp_client_pump(&w.client, &w.in, &w.out, NOW_MS);
    drain(&w);
    assert_memory_equal(w.said + w.said_len - 14, "\r\nAUTH PLAIN\r\n", 14);
    w.said_len = 0;
    assert_true(pp_buf_put(&w.in, "334 \r\n", 6));
    pp_smtp_client_pump(&w.client, &w.in, &w.out, NOW_MS);
    drain(&w);
    assert_int_equal(w.said_len, (1 + 1 + 1 + 511 + 2) / 3 * 4 + 2);
    assert_true(pp_buf_put(&w.in, "235 ok\r\n", 8));
    pp_smtp_client_pump(&w.client, &w.in, &w.out, NOW_MS);
    assert_int_equal(pp_smtp_client_event(&w.client), PP_SMTP_EVENT_READY);
}

/* A server that answers what it has not read must not leave us waiting without end. */
static void test_room_for_a_recipient_has_a_limit(void **state)
{
    static struct world w;
    struct pp_smtp_mail mail = {.sender = pp_text_z("a@b"), .recipient_count = 2};

    (void)state;
    start(&w, &dialogues[0], SIZE_MAX, 0);
    assert_true(pp_buf_put(&w.in, "220 x\r\n", 7));
    pp_smtp_client_pump(&w.client, &w.in, &w.out, NOW_MS);
    assert_true(pp_buf_put(&w.in, "250 x\r\n", 7));
    pp_smtp_client_pump(&w.client, &w.in, &w.out, NOW_MS);
    assert_int_equal(pp_smtp_client_mail(&w.client, &mail, NOW_MS), PP_OK);
    pp_smtp_client_pump(&w.client, &w.in, &w.out, NOW_MS);
    assert_true(pp_buf_put(&w.in, "250 x\r\n", 7));
    pp_smtp_client_pump(&w.client, &w.in, &w.out, NOW_MS + 1);
    assert_int_equal(pp_smtp_client_event(&w.client), PP_SMTP_EVENT_RECIPIENT);
    assert_int_equal(pp_smtp_client_deadline_ms(&w.client), NOW_MS + 1 + timeouts.rcpt_ms);
}

/* Implicit TLS: the handshake does not eat the greeting's time. */
static void test_greeting_time_begins_after_the_handshake(void **state)
{
    static const struct dialogue d = {.encrypted = true, .script = ""};
    static struct world w;

    (void)state;
    start(&w, &d, SIZE_MAX, 0);
    pp_smtp_client_secured(&w.client, NOW_MS + 7000);
    assert_int_equal(pp_smtp_client_deadline_ms(&w.client), NOW_MS + 7000 + timeouts.greeting_ms);
    assert_int_equal(pp_smtp_client_event(&w.client), PP_SMTP_EVENT_NONE);
}

/* A thousand recipients through a buffer of one kilobyte. */
static void test_many_recipients(void **state)
{
    static struct world w;
    struct pp_smtp_mail mail = {.sender = pp_text_z("a@b"), .recipient_count = PP_RECIPIENTS_MAX};
    uint32_t given = 0;
    uint32_t answered = 0;

    (void)state;
    start(&w, &dialogues[0], SIZE_MAX, 0);
    assert_true(pp_buf_put(&w.in, "220 x\r\n", 7));
    pp_smtp_client_pump(&w.client, &w.in, &w.out, NOW_MS);
    assert_true(pp_buf_put(&w.in, "250-x\r\n250 PIPELINING\r\n", 23));
    pp_smtp_client_pump(&w.client, &w.in, &w.out, NOW_MS);
    assert_int_equal(pp_smtp_client_mail(&w.client, &mail, NOW_MS), PP_OK);
    pp_smtp_client_pump(&w.client, &w.in, &w.out, NOW_MS);
    while (answered < PP_RECIPIENTS_MAX + 1) {
        if (given == PP_RECIPIENTS_MAX) {
            pp_smtp_client_recipients_end(&w.client, &w.out, NOW_MS);
            given++;
        } else if (given < PP_RECIPIENTS_MAX) {
            enum pp_err err = pp_smtp_client_recipient(
                &w.client, &w.out, &(struct pp_recipient){.address = pp_text_z("someone@example")},
                NOW_MS);

            given += err == PP_OK;
            if (err == PP_OK) {
                continue;
            }
            assert_int_equal(err, PP_ERR_LATER);
        }
        pp_buf_clear(&w.out);
        assert_true(pp_buf_put(&w.in, "250 ok\r\n", 8));
        answered++;
        pp_smtp_client_pump(&w.client, &w.in, &w.out, NOW_MS);
    }
    assert_true(pp_buf_put(&w.in, "354 ok\r\n", 8));
    pp_smtp_client_pump(&w.client, &w.in, &w.out, NOW_MS);
    assert_int_equal(pp_smtp_client_event(&w.client), PP_SMTP_EVENT_BODY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dialogues),
        cmocka_unit_test(test_early_reply),
        cmocka_unit_test(test_reply_before_the_dot_left),
        cmocka_unit_test(test_body_failed),
        cmocka_unit_test(test_body_deadline),
        cmocka_unit_test(test_malformed_greetings),
        cmocka_unit_test(test_too_many_lines),
        cmocka_unit_test(test_random_servers),
        cmocka_unit_test(test_wrong_calls),
        cmocka_unit_test(test_bad_mail),
        cmocka_unit_test(test_longest_commands),
        cmocka_unit_test(test_long_password),
        cmocka_unit_test(test_room_for_a_recipient_has_a_limit),
        cmocka_unit_test(test_greeting_time_begins_after_the_handshake),
        cmocka_unit_test(test_many_recipients),
    };

    return cmocka_run_group_tests_name("smtp_client", tests, NULL, NULL);
}
