/*
 * submit.c - the one door into the queue
 *
 * Job:      see submit.h.
 */
#include "intake/submit.h"

#include <assert.h>
#include <string.h>

#include "message/address.h"

/* Clean bytes are made this many at a time. */
#define PIECE_BYTES 1024

/* ---- texts ---- */

static struct pp_text own_domain(const struct pp_config *config)
{
    struct pp_text domain = pp_text_z(config->identity.domain);

    if (domain.len == 0) {
        domain = pp_text_z(config->identity.hostname);
    }
    return domain.len > 0 ? domain : pp_text_z("localhost");
}

/* No address is larger than an address may be: that word is kept for messages. */
static enum pp_err complete(struct pp_text address, struct pp_text domain, struct pp_writer *out)
{
    enum pp_err err = pp_address_complete(address, domain, out);

    return err == PP_ERR_TOO_BIG ? PP_ERR_SYNTAX : err;
}

/* The reverse-path as it goes into the queue. */
static enum pp_err resolve_sender(const struct pp_config *config, struct pp_text given,
                                  bool rewrite, struct pp_writer *out)
{
    struct pp_text sender = rewrite ? pp_text_n(NULL, 0) : given;

    if (pp_text_equal(given, pp_text_z("<>"))) {
        return PP_OK;
    }
    if (sender.len == 0) {
        sender = pp_text_z(config->identity.from);
    }
    if (sender.len == 0) {
        sender = pp_text_z("pinpost");
    }
    return complete(sender, own_domain(config), out);
}

static enum pp_err check_text(struct pp_text text, size_t max)
{
    if (pp_text_has_line_break(text)) {
        return PP_ERR_INJECTION;
    }
    if (text.len > max) {
        return PP_ERR_TOO_BIG;
    }
    return pp_text_is_utf8(text) ? PP_OK : PP_ERR_SYNTAX;
}

/* It becomes part of a Message-ID. */
static enum pp_err check_token(struct pp_text token)
{
    for (size_t i = 0; i < token.len; i++) {
        if (!pp_ascii_is_alpha(token.p[i]) && !pp_ascii_is_digit(token.p[i]) && token.p[i] != '-') {
            return PP_ERR_SYNTAX;
        }
    }
    return token.len <= PP_TOKEN_MAX ? PP_OK : PP_ERR_TOO_BIG;
}

static enum pp_err check_submission(const struct pp_submission *submission)
{
    enum pp_err err = check_text(submission->subject, PP_SUBJECT_MAX);

    pp_err_keep(&err, check_text(submission->sender_name, PP_SENDER_NAME_MAX));
    pp_err_keep(&err, check_token(submission->token));
    pp_err_keep(&err, check_text(submission->envid, PP_ENVID_MAX));
    if (submission->kind == PP_KIND_MESSAGE && submission->subject.len > 0) {
        pp_err_keep(&err, PP_ERR_STATE);
    }
    return err;
}

/* ---- open ---- */

void pp_intake_init(struct pp_intake *intake, struct pp_queue *queue,
                    const struct pp_config *config, const struct pp_port *port,
                    const struct pp_log *log)
{
    memset(intake, 0, offsetof(struct pp_intake, submits));
    /* What is not written to costs a system with pages nothing. */
    for (size_t i = 0; i < PP_QUEUE_WRITERS; i++) {
        if (intake->submits[i].in_use) {
            intake->submits[i].in_use = false;
        }
    }
    intake->queue = queue;
    intake->config = config;
    intake->port = port;
    intake->log = log;
}

static struct pp_submit *find_slot(struct pp_intake *intake)
{
    for (size_t i = 0; i < PP_QUEUE_WRITERS; i++) {
        if (!intake->submits[i].in_use) {
            return &intake->submits[i];
        }
    }
    return NULL;
}

/* What the slot remembers beside the queue's writer. */
static enum pp_err fill_slot(struct pp_submit *s, struct pp_intake *intake,
                             const struct pp_submission *submission)
{
    struct pp_writer sender, origin;
    enum pp_err err;

    memset(s, 0, sizeof(*s));
    s->intake = intake;
    s->kind = submission->kind;
    s->severity = submission->severity;
    s->has_subject = submission->subject.len > 0;
    pp_content_scan_init(&s->scan);
    s->scan.in_body = submission->kind == PP_KIND_ALERT; /* it has no header section */
    pp_writer_init(&sender, s->sender, sizeof(s->sender));
    err = resolve_sender(intake->config, submission->sender, submission->rewrite_sender, &sender);
    s->sender_len = sender.len;
    pp_writer_init(&origin, s->origin, sizeof(s->origin));
    pp_put_safe(&origin, submission->origin, sizeof(s->origin));
    s->origin_len = origin.len;
    if (submission->trace.len > sizeof(s->trace)) {
        return PP_ERR_TOO_BIG;
    }
    s->trace_len = submission->trace.len;
    memcpy(s->trace, s->trace_len > 0 ? submission->trace.p : "", s->trace_len);
    return err;
}

enum pp_err pp_intake_open(struct pp_intake *intake, const struct pp_submission *submission,
                           struct pp_submit **submit)
{
    struct pp_submit *s = find_slot(intake);
    enum pp_err err;

    if (intake->draining || s == NULL) {
        return PP_ERR_DRY;
    }
    err = check_submission(submission);
    if (err == PP_OK) {
        err = fill_slot(s, intake, submission);
    }
    if (err != PP_OK) {
        return err;
    }
    const struct pp_text sender = pp_text_n(s->sender, s->sender_len);
    const struct pp_envelope envelope = {
        .kind = submission->kind,
        .severity = submission->severity,
        .sender = sender,
        .sender_name = submission->sender_name,
        .subject = submission->subject,
        .origin = pp_text_n(s->origin, s->origin_len),
        .token = submission->token,
        .rewrite_sender = submission->rewrite_sender,
        .ret = submission->ret,
        .envid = submission->envid,
        .body_8bitmime = submission->body_8bitmime,
        .smtputf8 = submission->smtputf8 || !pp_text_is_ascii(sender),
    };
    err = pp_queue_open(intake->queue, &envelope, submission->size_bytes,
                        intake->port->wall_s(intake->port->ctx), &s->writer);
    if (err == PP_OK) {
        s->in_use = true;
        *submit = s;
    }
    return err;
}

/* ---- recipients ---- */

enum pp_err pp_intake_recipient(struct pp_submit *s, const struct pp_recipient *recipient)
{
    char completed[PP_ADDRESS_MAX];
    struct pp_writer w;
    enum pp_err err;

    if (s->error != PP_OK) {
        return s->error;
    }
    if (s->content_bytes > 0) {
        return PP_ERR_STATE;
    }
    struct pp_recipient complete_one = *recipient;
    pp_writer_init(&w, completed, sizeof(completed));
    err = complete(recipient->address, pp_text_z(s->intake->config->identity.domain), &w);
    if (err != PP_OK) {
        return err;
    }
    complete_one.address = pp_writer_text(&w);
    err = pp_queue_recipient_dsn(s->intake->queue, s->writer, &complete_one);
    if (err == PP_OK) {
        s->recipient_count++;
    } else if (err != PP_ERR_TOO_BIG) {
        s->error = err;
    }
    return err;
}

enum pp_err pp_intake_default_recipients(struct pp_submit *s)
{
    struct pp_text rest = pp_text_z(s->intake->config->identity.to);
    struct pp_text address;
    bool any = false;
    enum pp_err err;

    while ((err = pp_address_next(&rest, &address)) != PP_ERR_NOT_FOUND) {
        if (err == PP_OK) {
            err = pp_intake_recipient(s, &(const struct pp_recipient){.address = address});
        }
        if (err != PP_OK) {
            return err;
        }
        any = true;
    }
    return any ? PP_OK : PP_ERR_EMPTY;
}

/* ---- content ---- */

/*
 * Before the first octet of content: all recipients are there by then. It is not scanned: content
 * is told as it came. Text that begins with a blank has no header, and must not continue our field.
 */
static enum pp_err write_trace(struct pp_submit *s, uint8_t first)
{
    struct pp_queue *queue = s->intake->queue;
    struct pp_text trace = pp_text_n(s->trace, s->trace_len);
    enum pp_err err;

    s->trace_len = 0;
    if (trace.len == 0) {
        return PP_OK;
    }
    err = pp_queue_trace(queue, s->writer, trace);
    if (err == PP_OK && (first == ' ' || first == '\t')) {
        err = pp_queue_write(queue, s->writer, "\r\n", 2);
    }
    return err;
}

enum pp_err pp_intake_write_crlf(struct pp_submit *s, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;

    if (s->error != PP_OK || len == 0) {
        return s->error;
    }
    s->error = write_trace(s, p[0]);
    if (s->error != PP_OK) {
        return s->error;
    }
    pp_content_scan(&s->scan, p, len);
    if ((s->scan.flags & PP_CONTENT_HAS_NUL) != 0) {
        s->error = PP_ERR_INJECTION;
        return s->error;
    }
    if ((s->scan.flags & PP_CONTENT_LOOPS) != 0) {
        s->error = PP_ERR_LOOP;
        return s->error;
    }
    s->error = pp_queue_write(s->intake->queue, s->writer, bytes, len);
    s->content_bytes += len;
    s->line_open = p[len - 1] != '\n';
    return s->error;
}

enum pp_err pp_intake_write(struct pp_submit *s, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    uint8_t piece[PIECE_BYTES];

    while (len > 0 && s->error == PP_OK) {
        size_t put;
        size_t taken = pp_normalize(&s->normalize, p, len, piece, sizeof(piece), &put);

        p += taken;
        len -= taken;
        s->error = pp_intake_write_crlf(s, piece, put);
    }
    return s->error;
}

/* ---- the end ---- */

static void log_accepted(const struct pp_submit *s, uint32_t id)
{
    struct pp_log_line line;

    pp_log_begin(&line, s->intake->log, PP_LOG_INFO, id, "accepted");
    pp_log_z(&line, "kind", s->kind == PP_KIND_ALERT ? "alert" : "message");
    pp_log_z(&line, "severity", pp_severity_name(s->severity));
    pp_log_text(&line, "from",
                s->sender_len > 0 ? pp_text_n(s->sender, s->sender_len) : pp_text_z("<>"));
    pp_log_u64(&line, "recipients", s->recipient_count);
    pp_log_u64(&line, "size", s->content_bytes);
    pp_log_text(&line, "origin", pp_text_n(s->origin, s->origin_len));
    pp_log_end(&line);
}

static enum pp_err end_content(struct pp_submit *s)
{
    if (s->line_open) {
        s->error = pp_intake_write_crlf(s, "\r\n", 2);
    }
    if (s->error == PP_OK &&
        (s->recipient_count == 0 || (s->content_bytes == 0 && !s->has_subject))) {
        s->error = PP_ERR_EMPTY;
    }
    return s->error;
}

enum pp_err pp_intake_seal(struct pp_submit *s, struct pp_ticket *ticket)
{
    struct pp_intake *intake = s->intake;
    enum pp_err err;

    assert(s->in_use);
    err = end_content(s);
    if (err != PP_OK) {
        pp_intake_abort(s);
        return err;
    }
    err = pp_queue_seal(intake->queue, s->writer, pp_content_scan_end(&s->scan), ticket);
    s->in_use = false;
    if (err == PP_OK) {
        intake->accepted_messages++;
        log_accepted(s, ticket->id);
        if (intake->on_sealed != NULL) {
            intake->on_sealed(intake->on_sealed_ctx, ticket);
        }
    }
    return err;
}

void pp_intake_abort(struct pp_submit *s)
{
    assert(s->in_use);
    pp_queue_abort(s->intake->queue, s->writer);
    s->in_use = false;
}
