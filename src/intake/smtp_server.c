/*
 * smtp_server.c - our side of SMTP towards those who hand mail in
 *
 * Job:      lines out of `in`, replies into `out`, states, limits and deadlines.
 * Not here: what the commands do (smtp_commands.c), content (smtp_content.c), what the owner
 * answers (smtp_reply.c). Flow:     GREET > HELLO [> TLS > HELLO] [> ANSWER] > MAIL > RCPT... >
 * CONTENT or CHUNK > MAIL Follows:  RFC 5321 (3.3, 4.2 replies, 4.5.3.2 time-outs), RFC 2034, RFC
 * 3463, RFC 3030
 */
#include "intake/smtp_server.h"

#include <string.h>

#include "base/bytes.h"
#include "intake/smtp_server_parts.h"

/* For the peer to take our last words. */
#define LINGER_MS 10000

/* ---- what we say ---- */

void pp_server_put_line(struct pp_buf *out, struct pp_text line)
{
    if (pp_buf_room(out) >= line.len + 2) {
        pp_buf_put(out, line.p, line.len);
        pp_buf_put(out, "\r\n", 2);
    }
}

void pp_server_say(struct pp_buf *out, const char *line_z)
{
    pp_server_put_line(out, pp_text_z(line_z));
}

void pp_server_touch(struct pp_smtp_server *s, pp_time_ms now_ms)
{
    s->deadline_ms = pp_time_add(now_ms, s->params.idle_ms);
}

void pp_smtp_server_close(struct pp_smtp_server *s, struct pp_buf *out, const char *reply_z,
                          pp_time_ms now_ms)
{
    if (s->state == PP_SERVER_CLOSED) {
        return;
    }
    /* Within TLS's beginning there is nobody who could read it. */
    if (s->state != PP_SERVER_AWAIT_TLS) {
        pp_server_say(out, reply_z);
    }
    s->state = PP_SERVER_CLOSED;
    s->event = PP_SERVER_EVENT_CLOSED;
    s->deadline_ms = pp_time_add(now_ms, LINGER_MS);
}

void pp_server_refuse(struct pp_smtp_server *s, struct pp_buf *out, const char *reply_z,
                      pp_time_ms now_ms)
{
    pp_server_say(out, reply_z);
    if (++s->errors >= s->params.errors_max && s->params.errors_max > 0) {
        pp_smtp_server_close(s, out, "421 4.7.0 too many errors", now_ms);
    }
}

void pp_server_say_hello(struct pp_smtp_server *s, struct pp_buf *out, const char *prefix_z,
                         const char *suffix_z)
{
    char line[300];
    struct pp_writer w;

    pp_writer_init(&w, line, sizeof(line));
    pp_put_z(&w, prefix_z);
    pp_put_z(&w, s->params.hostname_z[0] != '\0' ? s->params.hostname_z : "localhost");
    pp_put_z(&w, suffix_z);
    pp_server_put_line(out, pp_writer_text(&w));
}

/* ---- lines ---- */

/* A line of a login's exchange; a lone `*` takes it back (RFC 4954 4). */
static void run_answer(struct pp_smtp_server *s, struct pp_text line, struct pp_buf *out,
                       pp_time_ms now_ms)
{
    s->state = PP_SERVER_AWAIT_MAIL;
    if (pp_text_equal(line, pp_text_z("*"))) {
        pp_server_refuse(s, out, "501 5.7.0 login cancelled", now_ms);
        return;
    }
    s->auth = (struct pp_server_auth){false, pp_text_n(NULL, 0), true, line};
    s->event = PP_SERVER_EVENT_AUTH;
}

static bool is_auth(const char *line, size_t len)
{
    /* Blanks before a command are passed over when it is run, so here too. */
    return pp_text_starts_nocase(pp_text_trim(pp_text_n(line, len)), pp_text_z("AUTH "));
}

static void run_line(struct pp_smtp_server *s, char *line, struct pp_buf *out, pp_time_ms now_ms)
{
    size_t len = s->taken;
    bool answers = s->state == PP_SERVER_AWAIT_ANSWER;

    s->taken_secret = answers || is_auth(line, len);
    s->commands++;
    if (s->params.commands_max > 0 && s->commands > s->params.commands_max) {
        pp_smtp_server_close(s, out, "421 4.7.0 too many commands", now_ms);
    } else if (s->skipping_line) {
        s->skipping_line = false;
        s->state = answers ? PP_SERVER_AWAIT_MAIL : s->state;
        pp_server_refuse(
            s, out, answers ? "500 5.5.6 line of the login too long" : "500 5.5.2 line too long",
            now_ms);
    } else if (len < 2 || line[len - 2] != '\r') {
        s->state = answers ? PP_SERVER_AWAIT_MAIL : s->state;
        pp_server_refuse(s, out, "500 5.5.2 lines end in CRLF", now_ms);
    } else if (answers) {
        run_answer(s, pp_text_n(line, len - 2), out, now_ms);
    } else {
        pp_server_run_line(s, line, len - 2, out, now_ms);
    }
}

/* False when there is no whole line yet. */
static bool take_line(struct pp_smtp_server *s, struct pp_buf *in, struct pp_buf *out,
                      pp_time_ms now_ms)
{
    char *line = (char *)in->data + in->head; /* ours to change until it is consumed */
    size_t len = pp_buf_len(in);
    size_t max = s->state == PP_SERVER_AWAIT_ANSWER ? PP_SERVER_ANSWER_MAX : PP_SERVER_LINE_MAX;
    size_t look = len < max || s->skipping_line ? len : max;
    const char *lf = len > 0 ? memchr(line, '\n', look) : NULL;

    if (lf == NULL) {
        if (len > 0 && s->command_at_ms == PP_TIME_NEVER) {
            s->command_at_ms = now_ms;
        }
        if (look >= max || (len > 0 && pp_buf_room(in) == 0)) {
            s->skipping_line = true;
        }
        if (s->skipping_line) {
            pp_wipe(line, look);
            pp_buf_consume(in, look);
        }
        return s->skipping_line && look < len;
    }
    s->taken = (size_t)(lf - line) + 1;
    s->command_at_ms = PP_TIME_NEVER;
    pp_server_touch(s, now_ms);
    run_line(s, line, out, now_ms);
    return true;
}

/* ---- TLS ---- */

bool pp_smtp_server_wants_tls(const struct pp_smtp_server *s)
{
    return s->state == PP_SERVER_AWAIT_TLS;
}

void pp_smtp_server_secured(struct pp_smtp_server *s, pp_time_ms now_ms)
{
    /* From the first byte: the greeting is still to come. */
    if (s->state != PP_SERVER_GREET) {
        s->state = PP_SERVER_AWAIT_HELLO;
    }
    s->event = PP_SERVER_EVENT_NONE;
    s->secure = true;
    s->logged_in = s->esmtp = false;
    s->hello_len = 0;
    s->begun_ms = now_ms;
    s->taken = 0;
    pp_server_forget(s);
    pp_server_touch(s, now_ms);
}

/* ---- the machine ---- */

void pp_smtp_server_init(struct pp_smtp_server *s, const struct pp_server_params *params,
                         pp_time_ms now_ms)
{
    memset(s, 0, sizeof(*s));
    s->params = *params;
    if (s->params.mechanisms_z == NULL) {
        s->params.mechanisms_z = "";
    }
    s->state = PP_SERVER_GREET;
    s->begun_ms = now_ms;
    s->command_at_ms = s->content_at_ms = PP_TIME_NEVER;
    pp_server_touch(s, now_ms);
}

static pp_time_ms greeting_at_ms(const struct pp_smtp_server *s)
{
    return pp_time_add(s->begun_ms, s->params.early_talker_ms);
}

/* False while the greeting waits. */
static bool greet(struct pp_smtp_server *s, struct pp_buf *in, struct pp_buf *out,
                  pp_time_ms now_ms)
{
    if (s->params.early_talker_ms > 0 && pp_buf_len(in) > 0) {
        pp_smtp_server_close(s, out, "554 5.5.1 you talked before the greeting", now_ms);
        return true;
    }
    if (now_ms < greeting_at_ms(s)) {
        return false;
    }
    pp_server_say_hello(s, out, "220 ", " ESMTP pinpost");
    s->state = PP_SERVER_AWAIT_HELLO;
    return true;
}

/* What the event or the last command was about is done with. */
static void drop_taken(struct pp_smtp_server *s, struct pp_buf *in)
{
    if (s->taken_secret && s->taken > 0) {
        pp_wipe(in->data + in->head, s->taken);
    }
    pp_buf_consume(in, s->taken);
    s->taken = 0;
    s->taken_secret = false;
}

/* False when nothing can be done without more input, or room. */
static bool step(struct pp_smtp_server *s, struct pp_buf *in, struct pp_buf *out, pp_time_ms now_ms)
{
    drop_taken(s, in);
    if (pp_buf_room(out) < PP_SERVER_REPLY_ROOM) {
        return false;
    }
    switch (s->state) {
    case PP_SERVER_GREET:
        return greet(s, in, out, now_ms);
    case PP_SERVER_AWAIT_CONTENT:
        return pp_server_take_content(s, in, out, now_ms);
    case PP_SERVER_AWAIT_CHUNK:
        return pp_server_take_chunk(s, in, out, now_ms);
    case PP_SERVER_AWAIT_TLS:
    case PP_SERVER_CLOSED:
        return false;
    default:
        return take_line(s, in, out, now_ms);
    }
}

static bool is_over(pp_time_ms since_ms, uint32_t span_ms, pp_time_ms now_ms)
{
    return span_ms > 0 && now_ms >= pp_time_add(since_ms, span_ms);
}

static bool in_message(const struct pp_smtp_server *s)
{
    return s->content_at_ms != PP_TIME_NEVER;
}

static const char *find_timeout(const struct pp_smtp_server *s, pp_time_ms now_ms)
{
    if (is_over(s->command_at_ms, s->params.command_ms, now_ms)) {
        return "421 4.4.2 the command took too long";
    }
    if (is_over(s->content_at_ms, s->params.message_ms, now_ms)) {
        return "421 4.4.2 the message took too long";
    }
    if (!in_message(s) && is_over(s->begun_ms, s->params.session_ms, now_ms)) {
        return "421 4.4.2 the session took too long";
    }
    return now_ms >= s->deadline_ms ? "421 4.4.2 timed out" : NULL;
}

void pp_smtp_server_pump(struct pp_smtp_server *s, struct pp_buf *in, struct pp_buf *out,
                         pp_time_ms now_ms)
{
    while (s->event == PP_SERVER_EVENT_NONE && step(s, in, out, now_ms)) {
    }
    const char *timeout_z = s->event == PP_SERVER_EVENT_NONE ? find_timeout(s, now_ms) : NULL;
    if (timeout_z != NULL && s->state != PP_SERVER_AWAIT_TLS) {
        pp_smtp_server_close(s, out, timeout_z, now_ms);
    }
}

enum pp_server_event pp_smtp_server_event(const struct pp_smtp_server *s)
{
    return s->event;
}

bool pp_smtp_server_finished(const struct pp_smtp_server *s)
{
    return s->state == PP_SERVER_CLOSED;
}

static pp_time_ms end_of(pp_time_ms since_ms, uint32_t span_ms)
{
    return span_ms > 0 ? pp_time_add(since_ms, span_ms) : PP_TIME_NEVER;
}

pp_time_ms pp_smtp_server_deadline_ms(const struct pp_smtp_server *s)
{
    pp_time_ms at_ms = s->deadline_ms;

    /* While the owner thinks, nobody is late. */
    if (s->event == PP_SERVER_EVENT_END || s->event == PP_SERVER_EVENT_AUTH) {
        return PP_TIME_NEVER;
    }
    if (s->state == PP_SERVER_CLOSED || s->state == PP_SERVER_AWAIT_TLS) {
        return at_ms;
    }
    if (s->state == PP_SERVER_GREET && s->params.early_talker_ms > 0) {
        at_ms = pp_time_min(at_ms, greeting_at_ms(s));
    }
    at_ms = pp_time_min(at_ms, end_of(s->command_at_ms, s->params.command_ms));
    at_ms = pp_time_min(at_ms, end_of(s->content_at_ms, s->params.message_ms));
    return in_message(s) ? at_ms : pp_time_min(at_ms, end_of(s->begun_ms, s->params.session_ms));
}

const struct pp_server_auth *pp_smtp_server_auth(const struct pp_smtp_server *s)
{
    return &s->auth;
}

const struct pp_server_mail *pp_smtp_server_mail(const struct pp_smtp_server *s)
{
    return &s->mail;
}

const struct pp_recipient *pp_smtp_server_recipient(const struct pp_smtp_server *s)
{
    return &s->recipient;
}

struct pp_text pp_smtp_server_hello(const struct pp_smtp_server *s)
{
    return pp_text_n(s->hello, s->hello_len);
}

bool pp_smtp_server_is_esmtp(const struct pp_smtp_server *s)
{
    return s->esmtp;
}

struct pp_text pp_smtp_server_content(const struct pp_smtp_server *s)
{
    return s->content;
}

enum pp_err pp_smtp_server_refusal(const struct pp_smtp_server *s)
{
    return in_message(s) ? s->refusal : PP_OK;
}
