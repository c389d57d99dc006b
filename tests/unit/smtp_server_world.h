/*
 * smtp_server_world.h - an owner, a client and a clock around the server machine
 *
 * Job:      play whole dialogues, each fed at once, byte by byte and in every split in two: each
 * must end in the same replies and the same events.
 */
#ifndef PP_TESTS_SMTP_SERVER_WORLD_H
#define PP_TESTS_SMTP_SERVER_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "intake/smtp_server.h"

#define NOW_MS     1000000u
#define TIMEOUT_MS 300000u
#define SIZE_LIMIT 1000u
#define ERRORS_MAX 20

#define HELLO    "EHLO c\r\n"
#define MAIL     "MAIL FROM:<a@b>\r\n"
#define RCPT     "RCPT TO:<c@d>\r\n"
#define DATA     HELLO MAIL RCPT "DATA\r\n"
#define GREETING "220 relay.test ESMTP pinpost\r\n"
#define SAID_EHLO                                                                                  \
    "250-relay.test\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"        \
    "250-DSN\r\n250-CHUNKING\r\n250-ETRN\r\n250 ENHANCEDSTATUSCODES\r\n"
#define SAID_DATA                                                                                  \
    GREETING SAID_EHLO "250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 end data with <CR><LF>.<CR><LF>\r\n"
#define NOTED_DATA   "mail <a@b>;rcpt <c@d>;"
#define SAID_QUEUED  "250 2.0.0 queued as 0000002A\r\n"
#define SAID_UNCLEAN "554 5.6.11 bare CR, bare LF or NUL in the message\r\n"

/* What is fed, and what must come of it. Content comes as bytes between [ and ]. */
struct dialogue {
    const char *in;
    size_t in_len; /* 0: strlen */
    const char *out;
    const char *events; /* NULL: not looked at */
    bool local;
    /* NULL: no extension of the relay server. */
    const struct pp_server_params *params;
    bool secure; /* TLS from the first byte */
};

#define BYTES(text) text, sizeof(text) - 1

struct world {
    struct pp_smtp_server server;
    struct pp_buf in, out;
    uint8_t in_bytes[PP_SERVER_LINE_MAX + 64], out_bytes[PP_SERVER_REPLY_ROOM * 2];
    char said[65536];
    char events[65536];
    struct pp_writer said_w, events_w;
    bool in_content;
};

static struct world world;

static inline void begin_with(struct world *w, const struct pp_server_params *params)
{
    pp_smtp_server_init(&w->server, params, NOW_MS);
    pp_buf_init(&w->in, w->in_bytes, sizeof(w->in_bytes));
    pp_buf_init(&w->out, w->out_bytes, sizeof(w->out_bytes));
    pp_writer_init(&w->said_w, w->said, sizeof(w->said));
    pp_writer_init(&w->events_w, w->events, sizeof(w->events));
    w->in_content = false;
}

static inline void begin(struct world *w, bool local)
{
    const struct pp_server_params params = {.hostname_z = "relay.test",
                                            .size_limit = SIZE_LIMIT,
                                            .idle_ms = TIMEOUT_MS,
                                            .errors_max = ERRORS_MAX,
                                            .local = local};

    begin_with(w, &params);
}

static inline void note(struct world *w, const char *word_z)
{
    if (w->in_content) {
        pp_put_z(&w->events_w, "];");
        w->in_content = false;
    }
    pp_put_z(&w->events_w, word_z);
}

static inline void note_text(struct world *w, const char *word_z, struct pp_text text)
{
    note(w, word_z);
    pp_put_text(&w->events_w, text);
}

/* The owner's verdict stands in the address: "full@x". */
static inline enum pp_err verdict(struct pp_text address)
{
    static const struct {
        const char *local_z;
        enum pp_err err;
    } verdicts[] = {
        {"full", PP_ERR_FULL},   {"dry", PP_ERR_DRY},          {"big", PP_ERR_TOO_BIG},
        {"bad", PP_ERR_SYNTAX},  {"inject", PP_ERR_INJECTION}, {"bare", PP_ERR_NOT_FOUND},
        {"empty", PP_ERR_EMPTY}, {"denied", PP_ERR_DENIED},    {"flash", PP_ERR_FLASH}};
    struct pp_text local = pp_text_cut(&address, '@');

    for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
        if (pp_text_equal(local, pp_text_z(verdicts[i].local_z))) {
            return verdicts[i].err;
        }
    }
    return PP_OK;
}

static inline void note_mail(struct world *w, const struct pp_server_mail *mail)
{
    note_text(w, "mail <", mail->sender);
    pp_put_z(&w->events_w, ">");
    pp_put_z(&w->events_w, mail->default_sender ? " default-from" : "");
    pp_put_z(&w->events_w, mail->default_recipients ? " default-to" : "");
    pp_put_z(&w->events_w, mail->body_8bitmime ? " 8bit" : "");
    pp_put_z(&w->events_w, mail->smtputf8 ? " utf8" : "");
    if (mail->alert || mail->severity != PP_SEVERITY_INFO) {
        pp_put_z(&w->events_w, mail->alert ? " alert " : " message ");
        pp_put_u64(&w->events_w, mail->severity);
    }
    if (mail->size_bytes > 0) {
        pp_put_z(&w->events_w, " size ");
        pp_put_u64(&w->events_w, mail->size_bytes);
    }
    if (mail->subject.len + mail->sender_name.len > 0) {
        note_text(w, " {", mail->subject);
        note_text(w, "|", mail->sender_name);
        note(w, "}");
    }
    note(w, ";");
}

/* The exchange of an owner: `good` logs in, `more` gets a challenge, and so on. */
static inline void answer_auth(struct world *w)
{
    const struct pp_server_auth *auth = pp_smtp_server_auth(&w->server);
    static const struct {
        const char *response_z;
        enum pp_server_login login;
    } logins[] = {{"good", PP_SERVER_LOGIN_ACCEPTED},
                  {"bad", PP_SERVER_LOGIN_REFUSED},
                  {"odd", PP_SERVER_LOGIN_MALFORMED},
                  {"away", PP_SERVER_LOGIN_LATER}};

    note_text(w, auth->begins ? "auth " : "answer ",
              auth->begins ? auth->mechanism : auth->response);
    if (auth->begins && auth->has_response) {
        note_text(w, " ", auth->response);
    }
    note(w, ";");
    if (auth->begins && pp_text_equal(auth->mechanism, pp_text_z("NONE"))) {
        pp_smtp_server_login(&w->server, &w->out, PP_SERVER_LOGIN_UNKNOWN, NOW_MS);
        return;
    }
    for (size_t i = 0; i < sizeof(logins) / sizeof(logins[0]); i++) {
        if (pp_text_equal(auth->response, pp_text_z(logins[i].response_z))) {
            pp_smtp_server_login(&w->server, &w->out, logins[i].login, NOW_MS);
            return;
        }
    }
    pp_smtp_server_challenge(&w->server, &w->out, pp_text_z("Z28gb24="), NOW_MS);
}

/* What an owner does; content with a `!` is not stored, none at all is not sealed. */
static inline void answer(struct world *w)
{
    struct pp_text text;
    enum pp_err err = PP_OK;

    switch (pp_smtp_server_event(&w->server)) {
    case PP_SERVER_EVENT_MAIL:
        note_mail(w, pp_smtp_server_mail(&w->server));
        pp_smtp_server_reply(&w->server, &w->out, verdict(pp_smtp_server_mail(&w->server)->sender),
                             NOW_MS);
        break;
    case PP_SERVER_EVENT_RECIPIENT:
        text = pp_smtp_server_recipient(&w->server)->address;
        note_text(w, "rcpt <", text);
        note(w, ">;");
        pp_smtp_server_reply(&w->server, &w->out, verdict(text), NOW_MS);
        break;
    case PP_SERVER_EVENT_CONTENT:
        text = pp_smtp_server_content(&w->server);
        assert_true(text.len > 0);
        pp_put_z(&w->events_w, w->in_content ? "" : "[");
        w->in_content = true;
        pp_put_text(&w->events_w, text);
        if (memchr(text.p, '!', text.len) != NULL) {
            err = PP_ERR_FLASH;
        }
        pp_smtp_server_content_done(&w->server, err);
        break;
    case PP_SERVER_EVENT_END:
        err = w->in_content ? PP_OK : PP_ERR_EMPTY;
        note(w, "end;");
        pp_smtp_server_reply_end(&w->server, &w->out, err, 42, NOW_MS);
        break;
    case PP_SERVER_EVENT_AUTH:
        answer_auth(w);
        break;
    case PP_SERVER_EVENT_ETRN:
        text = pp_smtp_server_recipient(&w->server)->address;
        note_text(w, "etrn ", text);
        note(w, ";");
        pp_smtp_server_reply(&w->server, &w->out, verdict(text), NOW_MS);
        break;
    case PP_SERVER_EVENT_RESET:
        note(w, pp_smtp_server_refusal(&w->server) == PP_OK ? "reset;" : "spoilt;");
        pp_smtp_server_continue(&w->server);
        break;
    default:
        break;
    }
}

static inline bool idle(const struct world *w)
{
    enum pp_server_event event = pp_smtp_server_event(&w->server);

    return event == PP_SERVER_EVENT_NONE || event == PP_SERVER_EVENT_CLOSED;
}

/* Pump until nothing moves, the peer reading all that is said. */
static inline void run(struct world *w)
{
    for (;;) {
        size_t left = pp_buf_len(&w->in);

        pp_smtp_server_pump(&w->server, &w->in, &w->out, NOW_MS);
        while (!idle(w)) {
            answer(w);
            pp_smtp_server_pump(&w->server, &w->in, &w->out, NOW_MS);
        }
        size_t said = pp_buf_len(&w->out);
        pp_put(&w->said_w, pp_buf_head(&w->out), said);
        pp_buf_consume(&w->out, said);
        if (pp_smtp_server_wants_tls(&w->server)) {
            note(w, "tls;");
            pp_smtp_server_secured(&w->server, NOW_MS);
            continue;
        }
        if (said == 0 && pp_buf_len(&w->in) == left) {
            return;
        }
    }
}

static inline void feed(struct world *w, const char *bytes, size_t len)
{
    run(w);
    while (len > 0 && !pp_smtp_server_finished(&w->server)) {
        size_t room = pp_buf_room(&w->in);
        size_t piece = len < room ? len : room;

        assert_true(piece > 0);
        assert_true(pp_buf_put(&w->in, bytes, piece));
        bytes += piece;
        len -= piece;
        run(w);
    }
}

static inline void check(struct world *w, const struct dialogue *d)
{
    note(w, "");
    struct pp_text said = pp_writer_text(&w->said_w), events = pp_writer_text(&w->events_w);

    if (!pp_text_equal(said, pp_text_z(d->out))) {
        print_error("said:\n%.*s\nnot:\n%s\n", (int)said.len, said.p, d->out);
        fail();
    }
    if (d->events != NULL && !pp_text_equal(events, pp_text_z(d->events))) {
        print_error("events:\n%.*s\nnot:\n%s\n", (int)events.len, events.p, d->events);
        fail();
    }
}

static inline void begin_dialogue(struct world *w, const struct dialogue *d)
{
    if (d->params != NULL) {
        begin_with(w, d->params);
    } else {
        begin(w, d->local);
    }
    if (d->secure) {
        pp_smtp_server_secured(&w->server, NOW_MS);
    }
}

/* At once, byte by byte, in every split. */
static inline void play(const struct dialogue *d)
{
    size_t len = d->in_len > 0 ? d->in_len : strlen(d->in);

    begin_dialogue(&world, d);
    feed(&world, d->in, len);
    check(&world, d);
    begin_dialogue(&world, d);
    for (size_t i = 0; i < len; i++) {
        feed(&world, d->in + i, 1);
    }
    check(&world, d);
    for (size_t at = 1; at < len && len < 2000; at++) {
        begin_dialogue(&world, d);
        feed(&world, d->in, at);
        feed(&world, d->in + at, len - at);
        check(&world, d);
    }
}

static inline void play_all(const struct dialogue *dialogues, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        play(&dialogues[i]);
    }
}

#define PLAY(dialogues) play_all(dialogues, sizeof(dialogues) / sizeof((dialogues)[0]))

#endif
