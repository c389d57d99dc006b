/*
 * session.c - mail that comes in over SMTP, from submit.sock
 *
 * Job:      see session.h.
 * Follows:  RFC 5321 4.2.5: with the 250 at the end the message is ours to keep
 */
#include "intake/session.h"

#include "intake/smtp_answer.h"

/* Events handled before the link gets its turn again. */
#define EVENTS_MAX 256

/* ---- log ---- */

static struct pp_text origin_of(const struct pp_peer *peer, struct pp_writer *w)
{
    if (peer->uid_known) {
        pp_put_z(w, "uid=");
        pp_put_u64(w, peer->uid);
    } else {
        pp_put_z(w, "smtp");
    }
    return pp_writer_text(w);
}

static void log_refused(const struct pp_intake_session *s, enum pp_answer_stage stage,
                        struct pp_text address, enum pp_err err)
{
    static const char *const stages[] = {"mail", "rcpt", "content"};
    struct pp_log_line line;
    char origin[32];
    struct pp_writer w;

    pp_writer_init(&w, origin, sizeof(origin));
    pp_log_begin(&line, s->intake->log, PP_LOG_WARN, 0, "refused");
    pp_log_z(&line, "stage", stages[stage]);
    if (address.len > 0) {
        pp_log_text(&line, "address", address);
    }
    pp_log_text(&line, "origin", origin_of(&s->peer, &w));
    pp_log_err(&line, err);
    pp_log_z(&line, "reply", pp_server_answer(stage, err));
    pp_log_end(&line);
}

static void log_durable(const struct pp_intake_session *s, pp_time_ms now_ms)
{
    struct pp_log_line line;

    pp_log_begin(&line, s->intake->log, PP_LOG_INFO, s->ticket.id, "durable");
    pp_log_u64(&line, "ms", now_ms - s->sealed_at_ms);
    pp_log_end(&line);
}

/* ---- events ---- */

static void drop_message(struct pp_intake_session *s)
{
    if (s->submit != NULL) {
        pp_intake_abort(s->submit);
        s->submit = NULL;
    }
}

static enum pp_err open_message(struct pp_intake_session *s)
{
    const struct pp_server_mail *mail = pp_smtp_server_mail(&s->server);
    char origin[32];
    struct pp_writer w;
    enum pp_err err;

    pp_writer_init(&w, origin, sizeof(origin));
    const struct pp_submission submission = {
        .kind = mail->alert ? PP_KIND_ALERT : PP_KIND_MESSAGE,
        .severity = mail->severity,
        .sender = mail->sender.len > 0 || mail->default_sender ? mail->sender : pp_text_z("<>"),
        .sender_name = mail->sender_name,
        .subject = mail->subject,
        .origin = origin_of(&s->peer, &w),
        .body_8bitmime = mail->body_8bitmime,
        .smtputf8 = mail->smtputf8,
        .size_bytes = mail->size_bytes,
    };
    err = pp_intake_open(s->intake, &submission, &s->submit);
    if (err == PP_OK && mail->default_recipients) {
        err = pp_intake_default_recipients(s->submit);
        if (err != PP_OK) {
            drop_message(s);
        }
    }
    return err;
}

static void on_mail(struct pp_intake_session *s, struct pp_buf *out, pp_time_ms now_ms)
{
    enum pp_err err = open_message(s);

    if (err != PP_OK) {
        log_refused(s, PP_ANSWER_MAIL, pp_smtp_server_mail(&s->server)->sender, err);
    }
    pp_smtp_server_reply(&s->server, out, err, now_ms);
}

static void on_recipient(struct pp_intake_session *s, struct pp_buf *out, pp_time_ms now_ms)
{
    struct pp_text address = pp_smtp_server_recipient(&s->server);
    enum pp_err err = pp_intake_recipient(s->submit, address);

    if (err != PP_OK) {
        log_refused(s, PP_ANSWER_RCPT, address, err);
    }
    pp_smtp_server_reply(&s->server, out, err, now_ms);
}

static void on_content(struct pp_intake_session *s)
{
    struct pp_text content = pp_smtp_server_content(&s->server);
    enum pp_err err = pp_intake_write_crlf(s->submit, content.p, content.len);

    if (err != PP_OK) {
        log_refused(s, PP_ANSWER_END, pp_text_n(NULL, 0), err);
        drop_message(s);
    }
    pp_smtp_server_content_done(&s->server, err);
}

static void on_end(struct pp_intake_session *s, struct pp_buf *out, pp_time_ms now_ms)
{
    enum pp_err err = pp_intake_seal(s->submit, &s->ticket);

    s->submit = NULL;
    s->sealed_at_ms = now_ms;
    if (err == PP_OK) {
        s->waits_for_ticket = true;
        return;
    }
    log_refused(s, PP_ANSWER_END, pp_text_n(NULL, 0), err);
    pp_smtp_server_reply_end(&s->server, out, err, 0, now_ms);
}

static void on_reset(struct pp_intake_session *s)
{
    enum pp_err err = pp_smtp_server_refusal(&s->server);

    if (err != PP_OK) {
        log_refused(s, PP_ANSWER_END, pp_text_n(NULL, 0), err);
    }
    drop_message(s);
    pp_smtp_server_continue(&s->server);
}

/* ---- the machine that the link pumps ---- */

/* An event is answered before anybody touches `in` again: its texts are views into it. */
static void pump(void *ctx, struct pp_buf *in, struct pp_buf *out, pp_time_ms now_ms)
{
    struct pp_intake_session *s = ctx;

    for (int i = 0; i < EVENTS_MAX && !s->waits_for_ticket; i++) {
        pp_smtp_server_pump(&s->server, in, out, now_ms);
        switch (pp_smtp_server_event(&s->server)) {
        case PP_SERVER_EVENT_MAIL:
            on_mail(s, out, now_ms);
            break;
        case PP_SERVER_EVENT_RECIPIENT:
            on_recipient(s, out, now_ms);
            break;
        case PP_SERVER_EVENT_CONTENT:
            on_content(s);
            break;
        case PP_SERVER_EVENT_END:
            on_end(s, out, now_ms);
            break;
        case PP_SERVER_EVENT_RESET:
            on_reset(s);
            break;
        case PP_SERVER_EVENT_AUTH:
        case PP_SERVER_EVENT_ETRN:
        case PP_SERVER_EVENT_NONE:
        case PP_SERVER_EVENT_CLOSED:
            return;
        }
    }
}

static bool wants_tls(void *ctx)
{
    (void)ctx;
    return false;
}

static void secured(void *ctx, pp_time_ms now_ms)
{
    (void)ctx;
    (void)now_ms;
}

static bool finished(void *ctx)
{
    const struct pp_intake_session *s = ctx;

    return pp_smtp_server_finished(&s->server);
}

static bool waits(void *ctx)
{
    const struct pp_intake_session *s = ctx;

    return s->waits_for_ticket;
}

/* ---- life ---- */

void pp_intake_session_start(struct pp_intake_session *s, struct pp_intake *intake,
                             const struct pp_port *port, int stream, const struct pp_peer *peer,
                             pp_time_ms now_ms)
{
    const struct pp_config *config = intake->config;
    const struct pp_machine machine = {s, pump, wants_tls, secured, finished, waits};
    const struct pp_server_params params = {
        .hostname_z = config->identity.hostname,
        .size_limit = config->queue.message_limit_bytes,
        .idle_ms = config->timeouts.server_ms,
        .local = peer->address.family == 0,
    };

    s->active = true;
    s->waits_for_ticket = false;
    s->intake = intake;
    s->peer = *peer;
    s->submit = NULL;
    pp_smtp_server_init(&s->server, &params, now_ms);
    pp_link_accept(&s->link, port, stream, &machine);
}

/* True when the message's fate is known, and was told. */
static bool settle_ticket(struct pp_intake_session *s, pp_time_ms now_ms)
{
    enum pp_ticket_state state = pp_queue_ticket(s->intake->queue, &s->ticket);

    if (state == PP_TICKET_PENDING) {
        return false;
    }
    s->waits_for_ticket = false;
    if (state == PP_TICKET_DURABLE) {
        log_durable(s, now_ms);
    } else {
        log_refused(s, PP_ANSWER_END, pp_text_n(NULL, 0), PP_ERR_FLASH);
    }
    pp_smtp_server_reply_end(&s->server, &s->link.out,
                             state == PP_TICKET_DURABLE ? PP_OK : PP_ERR_FLASH, s->ticket.id,
                             now_ms);
    return true;
}

static void end(struct pp_intake_session *s)
{
    drop_message(s);
    s->active = false;
}

bool pp_intake_session_pump(struct pp_intake_session *s, pp_time_ms now_ms)
{
    bool more;

    if (s->waits_for_ticket && !settle_ticket(s, now_ms)) {
        return false;
    }
    if (s->intake->draining && s->submit == NULL && !s->waits_for_ticket) {
        pp_smtp_server_close(&s->server, &s->link.out, "421 4.3.2 shutting down", now_ms);
    }
    more = pp_link_pump(&s->link, now_ms);
    if (s->link.state != PP_LINK_CLOSED && pp_smtp_server_finished(&s->server) &&
        now_ms >= pp_smtp_server_deadline_ms(&s->server)) {
        pp_link_close(&s->link, PP_ERR_TIMEOUT); /* it does not take our last words */
    }
    if (s->link.state == PP_LINK_CLOSED) {
        end(s);
        return false;
    }
    if (s->waits_for_ticket) {
        s->link.port->stream_watch(s->link.port->ctx, s->link.stream, false, false);
        return false;
    }
    return more;
}

pp_time_ms pp_intake_session_deadline_ms(const struct pp_intake_session *s)
{
    return s->waits_for_ticket ? PP_TIME_NEVER : pp_smtp_server_deadline_ms(&s->server);
}

void pp_intake_session_stop(struct pp_intake_session *s)
{
    if (!s->active) {
        return;
    }
    if (!s->waits_for_ticket) {
        pp_time_ms now_ms = s->link.port->now_ms(s->link.port->ctx);
        pp_smtp_server_close(&s->server, &s->link.out, "421 4.3.2 shutting down", now_ms);
        (void)pp_link_pump(&s->link, now_ms);
    }
    pp_link_close(&s->link, PP_OK);
    end(s);
}
