/*
 * smtp_client.c - speaks our side of SMTP to the smarthost: the session
 *
 * Job:      states, deadlines, greeting, EHLO, STARTTLS, the end. The login is in smtp_login.c,
 *           a message in smtp_transaction.c.
 * Not here: sockets, TLS, clocks (wire/link.h), what a reply means for mail (verdict.h).
 * Follows:  RFC 5321 (3.1, 4.2, 4.5.3.2), RFC 3207
 */
#include "delivery/smtp_client.h"

#include <stddef.h>
#include <string.h>

#include "delivery/smtp_states.h"

#define NO_TIMEOUT     SIZE_MAX
#define TIMEOUT(field) offsetof(struct pp_timeouts, field)

/* One row a state: where we are (and so the operator's words), how long we wait, for whom. */
static const struct row {
    enum pp_stage stage;
    size_t timeout; /* offset in struct pp_timeouts */
    enum pp_smtp_event event;
    bool server; /* a reply is awaited */
    bool says;   /* entering it says a command */
} rows[PP_SMTP_STATE_COUNT] = {
    [PP_SMTP_AWAIT_GREETING] = {PP_STAGE_GREETING, TIMEOUT(greeting_ms), PP_SMTP_EVENT_NONE, true,
                                false},
    [PP_SMTP_AWAIT_EHLO_REPLY] = {PP_STAGE_EHLO, TIMEOUT(ehlo_ms), PP_SMTP_EVENT_NONE, true, true},
    [PP_SMTP_AWAIT_HELO_REPLY] = {PP_STAGE_EHLO, TIMEOUT(ehlo_ms), PP_SMTP_EVENT_NONE, true, true},
    [PP_SMTP_AWAIT_STARTTLS_REPLY] = {PP_STAGE_STARTTLS, TIMEOUT(starttls_ms), PP_SMTP_EVENT_NONE,
                                      true, true},
    [PP_SMTP_AWAIT_TLS] = {PP_STAGE_HANDSHAKE, TIMEOUT(handshake_ms), PP_SMTP_EVENT_START_TLS,
                           false, false},
    [PP_SMTP_AWAIT_AUTH_REPLY] = {PP_STAGE_AUTH, TIMEOUT(auth_ms), PP_SMTP_EVENT_NONE, true, true},
    [PP_SMTP_AWAIT_MESSAGE] = {PP_STAGE_IDLE, NO_TIMEOUT, PP_SMTP_EVENT_READY, false, false},
    [PP_SMTP_AWAIT_MAIL_REPLY] = {PP_STAGE_MAIL, TIMEOUT(mail_ms), PP_SMTP_EVENT_NONE, true, true},
    /* The owner is quick; the time is for a server that does not read what went before. */
    [PP_SMTP_AWAIT_RECIPIENT] = {PP_STAGE_RCPT, TIMEOUT(rcpt_ms), PP_SMTP_EVENT_RECIPIENT, false,
                                 false},
    [PP_SMTP_AWAIT_RCPT_REPLY] = {PP_STAGE_RCPT, TIMEOUT(rcpt_ms), PP_SMTP_EVENT_NONE, true, false},
    [PP_SMTP_AWAIT_DATA_REPLY] = {PP_STAGE_DATA, TIMEOUT(data_ms), PP_SMTP_EVENT_NONE, true, true},
    [PP_SMTP_AWAIT_BODY] = {PP_STAGE_BODY, TIMEOUT(block_ms), PP_SMTP_EVENT_BODY, false, false},
    [PP_SMTP_AWAIT_DOT_REPLY] = {PP_STAGE_DOT, TIMEOUT(dot_ms), PP_SMTP_EVENT_NONE, true, false},
    [PP_SMTP_AWAIT_NEXT] = {PP_STAGE_IDLE, NO_TIMEOUT, PP_SMTP_EVENT_DONE, false, false},
    [PP_SMTP_AWAIT_RSET_REPLY] = {PP_STAGE_RSET, TIMEOUT(rset_ms), PP_SMTP_EVENT_NONE, true, true},
    [PP_SMTP_AWAIT_QUIT_REPLY] = {PP_STAGE_QUIT, TIMEOUT(quit_ms), PP_SMTP_EVENT_NONE, true, true},
    [PP_SMTP_CLOSED] = {PP_STAGE_IDLE, NO_TIMEOUT, PP_SMTP_EVENT_CLOSED, false, false},
};

void pp_smtp_enter(struct pp_smtp_client *c, enum pp_smtp_state state, pp_time_ms now_ms)
{
    const struct row *row = &rows[state];

    c->state = (uint8_t)state;
    c->stage = row->stage;
    c->unsaid = row->says;
    c->deadline_ms = PP_TIME_NEVER;
    if (row->timeout != NO_TIMEOUT) {
        uint32_t timeout_ms;

        memcpy(&timeout_ms, (const char *)c->params.timeouts + row->timeout, sizeof timeout_ms);
        c->deadline_ms = pp_time_add(now_ms, timeout_ms);
    }
}

/* A reply to the dot that comes before the dot has left speaks of something else. */
static bool awaits_reply(const struct pp_smtp_client *c, const struct pp_buf *out)
{
    return rows[c->state].server && !c->unsaid &&
           (c->state != PP_SMTP_AWAIT_DOT_REPLY || pp_buf_len(out) == 0);
}

void pp_smtp_fail(struct pp_smtp_client *c, enum pp_err err, const struct pp_reply *reply,
                  const char *words_z, bool polite, pp_time_ms now_ms)
{
    if (c->state == PP_SMTP_CLOSED || c->state == PP_SMTP_AWAIT_QUIT_REPLY) {
        /* What was to be said about this session is known already. */
        pp_smtp_enter(c, PP_SMTP_CLOSED, now_ms);
        return;
    }
    c->error = err;
    c->failure_stage = c->stage;
    if (reply == NULL) {
        pp_reply_own(&c->failure, NULL, words_z != NULL ? words_z : pp_err_text(err));
    } else {
        c->failure = *reply;
        if (words_z != NULL) {
            pp_reply_add(&c->failure, pp_text_z(c->failure.text_len > 0 ? "; " : ""));
            pp_reply_add(&c->failure, pp_text_z(words_z));
        }
    }
    pp_smtp_decide_open(
        c, (struct pp_decision){.verdict = PP_VERDICT_LATER, .scope = PP_SCOPE_PATH}, &c->failure);
    pp_smtp_enter(c, polite ? PP_SMTP_AWAIT_QUIT_REPLY : PP_SMTP_CLOSED, now_ms);
}

bool pp_smtp_put_line(struct pp_buf *out, const char *line_z)
{
    char line[64];
    struct pp_writer w;

    pp_writer_init(&w, line, sizeof line);
    pp_put_z(&w, line_z);
    pp_put_z(&w, "\r\n");
    return !w.overflow && pp_buf_put(out, line, w.len);
}

/* ---- what is said on entering a state ---- */

static bool say_hello(const struct pp_smtp_client *c, struct pp_buf *out, const char *verb_z)
{
    char line[PP_NAME_CAP + 16];
    struct pp_text name = pp_text_z(c->params.hostname_z);
    struct pp_writer w;

    pp_writer_init(&w, line, sizeof line);
    pp_put_z(&w, verb_z);
    pp_put_text(&w, name.len == 0 || name.len >= PP_NAME_CAP || pp_text_has_line_break(name)
                        ? pp_text_z("localhost")
                        : name);
    pp_put_z(&w, "\r\n");
    return pp_buf_put(out, line, w.len);
}

/* Puts the command of the state; false when there is no room for it. */
static bool say(struct pp_smtp_client *c, struct pp_buf *out, pp_time_ms now_ms)
{
    switch ((enum pp_smtp_state)c->state) {
    case PP_SMTP_AWAIT_EHLO_REPLY:
        return say_hello(c, out, "EHLO ");
    case PP_SMTP_AWAIT_HELO_REPLY:
        return say_hello(c, out, "HELO ");
    case PP_SMTP_AWAIT_STARTTLS_REPLY:
        return pp_smtp_put_line(out, "STARTTLS");
    case PP_SMTP_AWAIT_AUTH_REPLY:
        return pp_smtp_say_auth(c, out, now_ms);
    case PP_SMTP_AWAIT_MAIL_REPLY:
        return pp_smtp_say_mail(c, out);
    case PP_SMTP_AWAIT_DATA_REPLY:
        return pp_smtp_put_line(out, "DATA");
    case PP_SMTP_AWAIT_DOT_REPLY:
        return pp_smtp_put_line(out, ".");
    case PP_SMTP_AWAIT_RSET_REPLY:
        return pp_smtp_put_line(out, "RSET");
    case PP_SMTP_AWAIT_QUIT_REPLY:
        return pp_smtp_put_line(out, "QUIT");
    default:
        return true;
    }
}

static void say_if_due(struct pp_smtp_client *c, struct pp_buf *out, pp_time_ms now_ms)
{
    if (c->unsaid && !c->unsolicited && say(c, out, now_ms)) {
        c->unsaid = false;
        if (c->state == PP_SMTP_AWAIT_DATA_REPLY) {
            c->transaction.data_sent = true;
        }
    }
    pp_smtp_say_data(c, out);
}

/* ---- what is done with a reply ---- */

static void fail_without_starttls(struct pp_smtp_client *c, pp_time_ms now_ms)
{
    c->stage = PP_STAGE_STARTTLS;
    pp_smtp_fail(c, PP_ERR_UNSUPPORTED, NULL,
                 "the server does not offer STARTTLS and mail is not sent in the clear; "
                 "check the port, or use implicit TLS on port 465",
                 true, now_ms);
}

static void after_hello(struct pp_smtp_client *c, pp_time_ms now_ms)
{
    bool may_do_without = c->params.tls_optional && !c->capabilities.starttls;

    if (c->params.wants_tls && !c->encrypted && !may_do_without) {
        if (c->capabilities.starttls) {
            pp_smtp_enter(c, PP_SMTP_AWAIT_STARTTLS_REPLY, now_ms);
        } else {
            fail_without_starttls(c, now_ms);
        }
    } else if (pp_smtp_login_wanted(c) && !c->logged_in) {
        pp_smtp_start_login(c, now_ms);
    } else {
        pp_smtp_enter(c, PP_SMTP_AWAIT_MESSAGE, now_ms);
    }
}

static void on_ehlo_reply(struct pp_smtp_client *c, const struct pp_reply *reply, pp_time_ms now_ms)
{
    if (reply->code == 250) {
        c->capabilities.esmtp = true;
        after_hello(c, now_ms);
    } else if (reply->code / 100 != 5) {
        pp_smtp_fail(c, PP_ERR_REFUSED, reply, NULL, true, now_ms);
    } else if (c->params.wants_tls && !c->encrypted && !c->params.tls_optional) {
        fail_without_starttls(c, now_ms);
    } else if (pp_smtp_login_wanted(c)) {
        c->stage = PP_STAGE_AUTH;
        pp_smtp_fail(c, PP_ERR_UNSUPPORTED, reply, "the server has no EHLO, so no login", true,
                     now_ms);
    } else {
        pp_smtp_enter(c, PP_SMTP_AWAIT_HELO_REPLY, now_ms);
    }
}

static void on_session_reply(struct pp_smtp_client *c, const struct pp_reply *reply,
                             pp_time_ms now_ms)
{
    switch ((enum pp_smtp_state)c->state) {
    case PP_SMTP_AWAIT_GREETING:
        if (reply->code == 220) {
            pp_smtp_enter(c, PP_SMTP_AWAIT_EHLO_REPLY, now_ms);
        } else {
            pp_smtp_fail(c, PP_ERR_REFUSED, reply, NULL, true, now_ms);
        }
        break;
    case PP_SMTP_AWAIT_EHLO_REPLY:
        on_ehlo_reply(c, reply, now_ms);
        break;
    case PP_SMTP_AWAIT_HELO_REPLY:
        if (reply->code == 250) {
            after_hello(c, now_ms);
        } else {
            pp_smtp_fail(c, PP_ERR_REFUSED, reply, NULL, true, now_ms);
        }
        break;
    case PP_SMTP_AWAIT_STARTTLS_REPLY:
        if (reply->code == 220) {
            pp_smtp_enter(c, PP_SMTP_AWAIT_TLS, now_ms);
        } else {
            pp_smtp_fail(c, PP_ERR_REFUSED, reply, "STARTTLS was refused", true, now_ms);
        }
        break;
    case PP_SMTP_AWAIT_AUTH_REPLY:
        pp_smtp_on_auth_reply(c, reply, now_ms);
        break;
    case PP_SMTP_AWAIT_RSET_REPLY:
        if (reply->code == 250) {
            pp_smtp_enter(c, PP_SMTP_AWAIT_MESSAGE, now_ms);
        } else {
            pp_smtp_fail(c, PP_ERR_REFUSED, reply, NULL, true, now_ms);
        }
        break;
    case PP_SMTP_AWAIT_QUIT_REPLY:
        pp_smtp_enter(c, PP_SMTP_CLOSED, now_ms);
        break;
    default:
        pp_smtp_on_transaction_reply(c, reply, now_ms);
        break;
    }
}

static void on_reply(struct pp_smtp_client *c, struct pp_reply *reply, pp_time_ms now_ms)
{
    if (c->state == PP_SMTP_AWAIT_AUTH_REPLY) {
        pp_smtp_hide_secret(c, reply);
    }
    if (reply->code == 421) {
        pp_smtp_fail(c, PP_ERR_CLOSED, reply, NULL, false, now_ms);
    } else if (c->unsolicited) {
        pp_smtp_on_early_reply(c, reply, now_ms);
    } else {
        on_session_reply(c, reply, now_ms);
    }
}

/* ---- bytes in ---- */

/* At any time a server may say that it goes away (RFC 5321 3.8); nothing else comes unasked. */
static bool may_be_421(const struct pp_reply_reader *reader, struct pp_buf *in)
{
    size_t len = pp_buf_len(in);

    return reader->open || memcmp(pp_buf_head(in), "421", len < 3 ? len : 3) == 0;
}

static void fail_unsolicited(struct pp_smtp_client *c, pp_time_ms now_ms)
{
    pp_smtp_fail(c, PP_ERR_SYNTAX, NULL,
                 c->state == PP_SMTP_AWAIT_TLS
                     ? "the server sent bytes between its reply to STARTTLS and TLS"
                     : "the server sent bytes that were not asked for",
                 false, now_ms);
}

/* Marks bytes as unsolicited and says whether they may be read on. */
static bool may_read(struct pp_smtp_client *c, struct pp_buf *in, const struct pp_buf *out,
                     pp_time_ms now_ms)
{
    if (awaits_reply(c, out) && !c->unsolicited) {
        return true;
    }
    c->unsolicited = true;
    /* While content is sent a server may refuse early; the transaction knows what that means. */
    if (c->state == PP_SMTP_AWAIT_BODY || c->state == PP_SMTP_AWAIT_DOT_REPLY ||
        (c->state != PP_SMTP_AWAIT_TLS && may_be_421(&c->reader, in))) {
        return true;
    }
    fail_unsolicited(c, now_ms);
    return false;
}

/* Takes one line; true when there may be another. */
static bool take_line(struct pp_smtp_client *c, struct pp_buf *in, const struct pp_buf *out,
                      pp_time_ms now_ms)
{
    struct pp_text text;

    if (pp_buf_len(in) == 0 || !may_read(c, in, out, now_ms)) {
        return false;
    }
    enum pp_err err = pp_reply_read_line(&c->reader, in, &text);
    if (err == PP_ERR_LATER) {
        return false;
    }
    if (err != PP_OK) {
        pp_smtp_fail(c, err, NULL,
                     err == PP_ERR_TOO_BIG ? "the server's reply is too long"
                                           : "the server's reply is malformed; is this SMTP?",
                     false, now_ms);
        return false;
    }
    if (c->state == PP_SMTP_AWAIT_EHLO_REPLY && !c->unsolicited) {
        if (c->reader.lines == 1) {
            memset(&c->capabilities, 0, sizeof c->capabilities);
        } else if (c->reader.reply.code == 250) {
            pp_ehlo_keyword(&c->capabilities, text);
        }
    }
    if (!c->reader.open) {
        on_reply(c, &c->reader.reply, now_ms);
        if (pp_buf_len(in) > 0 && c->state != PP_SMTP_CLOSED) {
            /* Looked at before the next command is said: what is there now nobody asked for. */
            return may_read(c, in, out, now_ms);
        }
    }
    return c->state != PP_SMTP_CLOSED;
}

void pp_smtp_client_pump(void *client, struct pp_buf *in, struct pp_buf *out, pp_time_ms now_ms)
{
    struct pp_smtp_client *c = client;
    bool more = true;

    while (more && c->state != PP_SMTP_CLOSED) {
        say_if_due(c, out, now_ms);
        more = take_line(c, in, out, now_ms);
    }
}

/* ---- the owner's side of the session ---- */

void pp_smtp_client_init(struct pp_smtp_client *c, const struct pp_smtp_params *params,
                         pp_time_ms now_ms)
{
    memset(c, 0, sizeof *c);
    c->params = *params;
    c->encrypted = params->encrypted;
    pp_reply_reader_init(&c->reader);
    pp_smtp_enter(c, PP_SMTP_AWAIT_GREETING, now_ms);
}

bool pp_smtp_client_wants_tls(void *client)
{
    return pp_smtp_client_event(client) == PP_SMTP_EVENT_START_TLS;
}

void pp_smtp_client_secured(void *client, pp_time_ms now_ms)
{
    struct pp_smtp_client *c = client;

    if (c->state == PP_SMTP_AWAIT_GREETING) {
        /* Implicit TLS: the handshake had a time of its own. */
        pp_smtp_enter(c, PP_SMTP_AWAIT_GREETING, now_ms);
    }
    if (c->state != PP_SMTP_AWAIT_TLS) {
        return;
    }
    /* RFC 3207 4.2: what was learnt in the clear is forgotten. */
    memset(&c->capabilities, 0, sizeof c->capabilities);
    pp_reply_reader_init(&c->reader);
    c->encrypted = true;
    pp_smtp_enter(c, PP_SMTP_AWAIT_EHLO_REPLY, now_ms);
}

bool pp_smtp_client_finished(void *client)
{
    return pp_smtp_client_event(client) == PP_SMTP_EVENT_CLOSED;
}

enum pp_smtp_event pp_smtp_client_event(const struct pp_smtp_client *c)
{
    const struct pp_smtp_transaction *t = &c->transaction;
    bool in_flight = c->state == PP_SMTP_AWAIT_MAIL_REPLY || c->state == PP_SMTP_AWAIT_RCPT_REPLY;

    /* RFC 2920: recipients follow in the same flight. */
    if (in_flight && !c->unsaid && c->capabilities.pipelining && !t->recipients_ended) {
        return PP_SMTP_EVENT_RECIPIENT;
    }
    return rows[c->state].event;
}

void pp_smtp_client_next(struct pp_smtp_client *c, struct pp_buf *out, pp_time_ms now_ms)
{
    if (c->state == PP_SMTP_AWAIT_NEXT) {
        pp_smtp_enter(c, c->transaction.rset ? PP_SMTP_AWAIT_RSET_REPLY : PP_SMTP_AWAIT_MESSAGE,
                      now_ms);
        c->transaction.rset = false;
        say_if_due(c, out, now_ms);
    }
}

void pp_smtp_client_quit(struct pp_smtp_client *c, struct pp_buf *out, pp_time_ms now_ms)
{
    switch ((enum pp_smtp_state)c->state) {
    case PP_SMTP_AWAIT_MESSAGE:
    case PP_SMTP_AWAIT_NEXT:
        pp_smtp_enter(c, PP_SMTP_AWAIT_QUIT_REPLY, now_ms);
        say_if_due(c, out, now_ms);
        break;
    case PP_SMTP_AWAIT_QUIT_REPLY:
    case PP_SMTP_CLOSED:
        break;
    default:
        pp_smtp_fail(c, PP_ERR_STATE, NULL, "the session was given up", false, now_ms);
        break;
    }
}

void pp_smtp_client_lost(struct pp_smtp_client *c, enum pp_err why, const char *text_z,
                         pp_time_ms now_ms)
{
    struct pp_reply reply;

    pp_reply_own(&reply, NULL, text_z != NULL ? text_z : pp_err_text(why));
    pp_smtp_fail(c, why, &reply,
                 c->state == PP_SMTP_AWAIT_DOT_REPLY && !c->transaction.discard
                     ? "the message may have been delivered"
                     : NULL,
                 false, now_ms);
}

pp_time_ms pp_smtp_client_deadline_ms(const struct pp_smtp_client *c)
{
    return c->deadline_ms;
}

void pp_smtp_client_progress(struct pp_smtp_client *c, pp_time_ms now_ms)
{
    /* The dot waits behind the content that is still on its way. */
    if (c->state == PP_SMTP_AWAIT_BODY) {
        c->deadline_ms = pp_time_add(now_ms, c->params.timeouts->block_ms);
    } else if (c->state == PP_SMTP_AWAIT_DOT_REPLY) {
        c->deadline_ms = pp_time_add(now_ms, c->params.timeouts->dot_ms);
    }
}
