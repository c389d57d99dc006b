/*
 * session_mail.c - one message of a session, from MAIL to its answer
 *
 * Job:      the server machine's events: who may send as whom and relay, quotas, what goes into the
 *           queue and with which trace.
 * Not here: checks of the message itself (submit.c), the replies' words (smtp_answer.c).
 * Follows:  RFC 5321 4.2.5: with the 250 at the end the message is ours to keep; RFC 6409 6
 */
#include <string.h>

#include "intake/session_parts.h"
#include "message/received.h"
#include "wire/dns.h"

static struct pp_text origin_of(const struct pp_intake_session *s, struct pp_writer *w)
{
    if (s->peer.uid_known) {
        pp_put_z(w, "uid=");
        pp_put_u64(w, s->peer.uid);
    } else if (s->user_name[0] != '\0') {
        pp_put_z(w, "user=");
        pp_put_z(w, s->user_name);
    } else if (s->peer.address.family != 0) {
        pp_put_z(w, "client=");
        pp_put_address(w, &s->peer.address, false);
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
    char origin[PP_ORIGIN_MAX];
    struct pp_writer w;

    pp_writer_init(&w, origin, sizeof(origin));
    pp_log_begin(&line, s->shared->intake->log, PP_LOG_WARN, 0, "refused");
    pp_log_z(&line, "stage", stages[stage]);
    if (address.len > 0) {
        pp_log_text(&line, "address", address);
    }
    pp_log_text(&line, "origin", origin_of(s, &w));
    pp_log_err(&line, err);
    pp_log_z(&line, "reply", pp_server_answer(stage, err));
    pp_log_end(&line);
}

static void log_durable(const struct pp_intake_session *s, pp_time_ms now_ms)
{
    struct pp_log_line line;

    pp_log_begin(&line, s->shared->intake->log, PP_LOG_INFO, s->ticket.id, "durable");
    pp_log_u64(&line, "ms", now_ms - s->sealed_at_ms);
    pp_log_end(&line);
}

/* ---- who may ---- */

static bool is_local(const struct pp_intake_session *s)
{
    return s->peer.address.family == 0;
}

/* Of one message more with `recipients` and `bytes`; the local socket has none. */
static enum pp_err check_quota(struct pp_intake_session *s, uint32_t recipients, uint64_t bytes,
                               pp_time_ms now_ms)
{
    return is_local(s) ? PP_OK
                       : pp_access_quota(&s->shared->access, s->user, s->client, 1, recipients,
                                         bytes, now_ms);
}

static enum pp_err check_sender(struct pp_intake_session *s, const struct pp_server_mail *mail,
                                pp_time_ms now_ms)
{
    enum pp_err err = check_quota(s, 1, mail->size_bytes, now_ms);

    /* What is sent as somebody else in the end may come in as anybody. */
    if (err == PP_OK && s->logged_in && !s->rewrite_sender &&
        !pp_access_may_send_as(s->shared->intake->config, pp_text_z(s->user_name), mail->sender)) {
        err = PP_ERR_DENIED;
    }
    return err;
}

/* ---- MAIL ---- */

void pp_session_drop_message(struct pp_intake_session *s)
{
    if (s->submit != NULL) {
        pp_intake_abort(s->submit);
        s->submit = NULL;
    }
}

static struct pp_text trace_of(const struct pp_intake_session *s, struct pp_writer *w)
{
    const struct pp_intake *intake = s->shared->intake;
    const struct pp_server_mail *mail = pp_smtp_server_mail(&s->server);
    char address[64];
    struct pp_writer a;

    if (is_local(s)) {
        return pp_text_n(NULL, 0);
    }
    pp_writer_init(&a, address, sizeof(address));
    pp_put_address(&a, &s->peer.address, false);
    const struct pp_received_facts facts = {
        .hello = s->received_client ? pp_smtp_server_hello(&s->server) : pp_text_n(NULL, 0),
        .address = s->received_client ? pp_writer_text(&a) : pp_text_n(NULL, 0),
        .hostname = pp_text_z(intake->config->identity.hostname),
        .esmtp = pp_smtp_server_is_esmtp(&s->server),
        .authenticated = s->logged_in,
        .smtputf8 = mail->smtputf8,
        .tls_version =
            s->link.encrypted ? pp_text_z(pp_tls_facts(s->link.tls)->version) : pp_text_n(NULL, 0),
        .tls_cipher =
            s->link.encrypted ? pp_text_z(pp_tls_facts(s->link.tls)->cipher) : pp_text_n(NULL, 0),
        .now_s = intake->port->wall_s(intake->port->ctx),
    };
    pp_put_received(w, &facts);
    return pp_writer_text(w);
}

static enum pp_err open_message(struct pp_intake_session *s)
{
    const struct pp_server_mail *mail = pp_smtp_server_mail(&s->server);
    char origin[PP_ORIGIN_MAX], trace[PP_RECEIVED_MAX];
    struct pp_writer w, t;
    enum pp_err err;

    pp_writer_init(&w, origin, sizeof(origin));
    pp_writer_init(&t, trace, sizeof(trace));
    const struct pp_submission submission = {
        .kind = mail->alert ? PP_KIND_ALERT : PP_KIND_MESSAGE,
        .severity = mail->severity,
        .sender = mail->sender.len > 0 || mail->default_sender ? mail->sender : pp_text_z("<>"),
        .sender_name = mail->sender_name,
        .subject = mail->subject,
        .origin = origin_of(s, &w),
        .trace = mail->alert ? pp_text_n(NULL, 0) : trace_of(s, &t),
        .rewrite_sender = s->rewrite_sender,
        .ret = mail->ret,
        .envid = mail->envid,
        .body_8bitmime = mail->body_8bitmime,
        .smtputf8 = mail->smtputf8,
        .size_bytes = mail->size_bytes,
    };
    err = pp_intake_open(s->shared->intake, &submission, &s->submit);
    if (err == PP_OK && mail->default_recipients) {
        err = pp_intake_default_recipients(s->submit);
        if (err != PP_OK) {
            pp_session_drop_message(s);
        }
    }
    return err;
}

void pp_session_on_mail(struct pp_intake_session *s, struct pp_buf *out, pp_time_ms now_ms)
{
    const struct pp_server_mail *mail = pp_smtp_server_mail(&s->server);
    enum pp_err err = PP_OK;

    s->recipients = 0;
    s->content_bytes = 0;
    /* Who may not relay hears so at RCPT, and has no place in the queue meanwhile. */
    if (pp_session_may_relay(s)) {
        err = check_sender(s, mail, now_ms);
        if (err == PP_OK) {
            err = open_message(s);
        }
    }
    if (err != PP_OK) {
        log_refused(s, PP_ANSWER_MAIL, mail->sender, err);
    }
    pp_smtp_server_reply(&s->server, out, err, now_ms);
}

/* ---- RCPT ---- */

static enum pp_err take_recipient(struct pp_intake_session *s, const struct pp_recipient *rcpt,
                                  pp_time_ms now_ms)
{
    enum pp_err err;

    if (s->submit == NULL) {
        return PP_ERR_DENIED;
    }
    err = check_quota(s, s->recipients + 1, 0, now_ms);
    if (err == PP_OK) {
        err = pp_intake_recipient(s->submit, rcpt);
    }
    s->recipients += err == PP_OK;
    return err;
}

void pp_session_on_recipient(struct pp_intake_session *s, struct pp_buf *out, pp_time_ms now_ms)
{
    const struct pp_recipient *rcpt = pp_smtp_server_recipient(&s->server);
    enum pp_err err = take_recipient(s, rcpt, now_ms);

    if (err != PP_OK) {
        log_refused(s, PP_ANSWER_RCPT, rcpt->address, err);
    }
    pp_smtp_server_reply(&s->server, out, err, now_ms);
}

/* ---- content and its end ---- */

void pp_session_on_content(struct pp_intake_session *s)
{
    struct pp_text content = pp_smtp_server_content(&s->server);
    enum pp_err err = pp_intake_write_crlf(s->submit, content.p, content.len);

    s->content_bytes += content.len;
    if (err != PP_OK) {
        log_refused(s, PP_ANSWER_END, pp_text_n(NULL, 0), err);
        pp_session_drop_message(s);
    }
    pp_smtp_server_content_done(&s->server, err);
}

void pp_session_on_end(struct pp_intake_session *s, struct pp_buf *out, pp_time_ms now_ms)
{
    enum pp_err err = check_quota(s, s->recipients, s->content_bytes, now_ms);

    if (err != PP_OK) {
        pp_session_drop_message(s);
    } else {
        err = pp_intake_seal(s->submit, &s->ticket);
        s->submit = NULL;
    }
    s->sealed_at_ms = now_ms;
    if (err == PP_OK) {
        if (!is_local(s)) {
            pp_access_count(&s->shared->access, s->user, s->client, 1, s->recipients,
                            s->content_bytes, now_ms);
        }
        s->waits_for_ticket = true;
        return;
    }
    log_refused(s, PP_ANSWER_END, pp_text_n(NULL, 0), err);
    pp_smtp_server_reply_end(&s->server, out, err, 0, now_ms);
}

void pp_session_on_reset(struct pp_intake_session *s)
{
    enum pp_err err = pp_smtp_server_refusal(&s->server);

    if (err != PP_OK) {
        log_refused(s, PP_ANSWER_END, pp_text_n(NULL, 0), err);
    }
    pp_session_drop_message(s);
    pp_smtp_server_continue(&s->server);
}

bool pp_session_settle_ticket(struct pp_intake_session *s, pp_time_ms now_ms)
{
    enum pp_ticket_state state = pp_queue_ticket(s->shared->intake->queue, &s->ticket);

    if (state == PP_TICKET_PENDING) {
        return false;
    }
    s->waits_for_ticket = false;
    s->served_ms = now_ms;
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

/* ---- ETRN ---- */

void pp_session_on_etrn(struct pp_intake_session *s, struct pp_buf *out, pp_time_ms now_ms)
{
    const struct pp_intake_server *shared = s->shared;
    enum pp_err err = PP_ERR_DENIED;

    if (pp_session_may_relay(s) && shared->on_etrn != NULL) {
        err = shared->on_etrn(shared->on_etrn_ctx, pp_smtp_server_recipient(&s->server)->address);
    }
    pp_smtp_server_reply(&s->server, out, err, now_ms);
}
