/*
 * transfer.c - one message of a session: envelope, content, verdicts
 *
 * Job:      read a message back from the queue, feed the SMTP client, keep what it decides.
 * Not here: which message is next and what happens to the connection (session.c).
 * Follows:  RFC 5321 4.5.4.1 (retry, expiry), 4.2.5 (5yz for one recipient alone)
 */
#include "delivery/transfer.h"

#include <string.h>

#define FAILED_AT_ONCE 32 /* recipients whose end goes into one record */
#define CONTENT_ROUNDS 32 /* pieces moved in one call: other links want their turn */

static int64_t wall_s(const struct pp_delivery *d)
{
    return d->port->wall_s(d->port->ctx);
}

/* ---- results ---- */

static void keep_results(struct pp_delivery_session *s)
{
    struct pp_queue *queue = s->delivery->queue;

    if (s->result_count == 0 || pp_queue_find(queue, s->id) == NULL) {
        s->result_count = 0;
        return;
    }
    enum pp_err err = pp_queue_results(queue, s->id, s->results, s->result_count);
    s->result_count = 0;
    if (err != PP_OK) {
        struct pp_log_line line;
        pp_log_begin(&line, s->delivery->log, PP_LOG_ERROR, s->id, "result_not_kept");
        pp_log_err(&line, err);
        pp_log_z(&line, "effect", "what was delivered may be sent again after a restart");
        pp_log_end(&line);
    }
}

/* Delivered recipients share a record; one with words gets there at once, since they die soon. */
static void add_result(struct pp_delivery_session *s, uint16_t recipient, enum pp_outcome outcome,
                       struct pp_text words)
{
    s->results[s->result_count++] =
        (struct pp_result){.recipient = recipient, .outcome = outcome, .reply = words};
    if (words.len > 0 || s->result_count == PP_SESSION_RESULTS) {
        keep_results(s);
    }
}

/* The address of a recipient; recipients are mostly asked for in order, so this is cheap. */
static enum pp_err read_recipient(struct pp_delivery_session *s, uint16_t index,
                                  struct pp_text *address)
{
    struct pp_queue_reader *reader = &s->recipients;
    enum pp_err err = PP_OK;

    if (reader->recipients_done > index) {
        err = pp_queue_reader_rewind(reader);
    }
    while (err == PP_OK && reader->recipients_done <= index) {
        err = pp_queue_reader_recipient(reader, address);
    }
    return err;
}

static void log_verdict(struct pp_delivery_session *s, uint16_t recipient, const char *event_z,
                        enum pp_log_level level, enum pp_stage stage, const struct pp_reply *reply)
{
    char words[PP_REPLY_TEXT_CAP + 32];
    struct pp_text address = {NULL, 0};
    struct pp_writer w;
    struct pp_log_line line;
    struct pp_delivery *d = s->delivery;

    if (read_recipient(s, recipient, &address) != PP_OK) {
        address = pp_text_z("unreadable");
    }
    pp_writer_init(&w, words, sizeof(words));
    pp_put_reply(&w, reply);
    pp_log_begin(&line, d->log, level, s->id, event_z);
    pp_log_text(&line, "to", address);
    if (level != PP_LOG_INFO) {
        pp_log_z(&line, "stage", pp_stage_words(stage));
    }
    if (reply->code != 0) {
        pp_log_u64(&line, "code", reply->code);
    }
    pp_log_text(&line, "reply", pp_writer_text(&w));
    pp_log_u64(&line, "session", s->number);
    pp_log_u64(&line, "ms", d->port->now_ms(d->port->ctx) - s->begun_ms);
    pp_log_end(&line);
}

void pp_transfer_verdict(void *session, uint16_t recipient, enum pp_verdict verdict,
                         enum pp_scope scope, enum pp_stage stage, const struct pp_reply *reply)
{
    struct pp_delivery_session *s = session;
    char words[PP_REPLY_TEXT_CAP + 32];
    struct pp_writer w;
    uint16_t index;

    if (s->id == 0 || recipient >= s->map_count) {
        return;
    }
    index = s->map[recipient];
    pp_writer_init(&w, words, sizeof(words));
    pp_put_reply(&w, reply);
    switch (verdict) {
    case PP_VERDICT_DELIVERED:
        s->outcomes[index] = PP_OUTCOME_DELIVERED;
        s->delivery->delivered_recipients++;
        log_verdict(s, index, "delivered", PP_LOG_INFO, stage, reply);
        add_result(s, index, PP_OUTCOME_DELIVERED, (struct pp_text){NULL, 0});
        break;
    case PP_VERDICT_NEVER:
        s->outcomes[index] = PP_OUTCOME_FAILED;
        s->delivery->failed_recipients++;
        log_verdict(s, index, "failed", PP_LOG_ERROR, stage, reply);
        add_result(s, index, PP_OUTCOME_FAILED, pp_writer_text(&w));
        break;
    case PP_VERDICT_LATER:
        s->path_trouble |= scope == PP_SCOPE_PATH && reply->code != 0;
        /* One record says it for all when the reply is not about a recipient. */
        if (scope == PP_SCOPE_RECIPIENT || !s->later_said) {
            s->later_said |= scope != PP_SCOPE_RECIPIENT;
            log_verdict(s, index, "deferred", PP_LOG_WARN, stage, reply);
            add_result(s, index, PP_OUTCOME_OPEN, pp_writer_text(&w));
        }
        break;
    }
}

/* ---- expiry ---- */

bool pp_transfer_expired(const struct pp_delivery *d, const struct pp_queue_entry *entry)
{
    int64_t now_s = wall_s(d);
    uint64_t limit_ms = d->config->queue.expire_ms;
    /* Who sends it again by hand wants it tried for as long as a new one. */
    int64_t since_s = entry->released_s > entry->accepted_s ? entry->released_s : entry->accepted_s;

    if (limit_ms == 0 || now_s == PP_WALL_UNKNOWN || entry->accepted_s == 0 || now_s < since_s) {
        return false;
    }
    return (uint64_t)(now_s - since_s) * 1000u >= limit_ms;
}

/* Every recipient still open fails with `words`. */
static void fail_open(struct pp_delivery *d, struct pp_queue_entry *entry, struct pp_text words)
{
    uint8_t outcomes[PP_RECIPIENTS_MAX];
    struct pp_result results[FAILED_AT_ONCE];
    uint32_t id = entry->id;
    uint16_t count = entry->recipient_count;
    uint16_t failed = 0;

    pp_schedule_remove(d->schedule, entry);
    if (pp_queue_outcomes(d->queue, id, outcomes, sizeof(outcomes)) != PP_OK) {
        return;
    }
    for (uint16_t i = 0; i < count; i++) {
        if (outcomes[i] == PP_OUTCOME_OPEN) {
            results[failed++] = (struct pp_result){i, PP_OUTCOME_FAILED, words};
        }
        if (failed == FAILED_AT_ONCE || (i + 1 == count && failed > 0)) {
            d->failed_recipients += failed;
            if (pp_queue_results(d->queue, id, results, failed) != PP_OK) {
                return;
            }
            failed = 0;
        }
    }
}

void pp_transfer_expire(struct pp_delivery *d, struct pp_queue_entry *entry)
{
    char words[200];
    struct pp_writer w;
    struct pp_log_line line;

    pp_writer_init(&w, words, sizeof(words));
    pp_put_z(&w, "expired after ");
    pp_put_span(&w, d->config->queue.expire_ms);
    pp_put_z(&w, " in the queue");
    pp_log_begin(&line, d->log, PP_LOG_ERROR, entry->id, "expired");
    pp_log_u64(&line, "recipients", entry->open_count);
    pp_log_z(&line, "action", "`pinpost queue release ID` sends it again");
    pp_log_end(&line);
    fail_open(d, entry, pp_writer_text(&w));
}

/* ---- begin ---- */

/* To: of an alert; too many for one field and it names nobody (RFC 5322 3.6.3 lets it). */
static void collect_to_header(struct pp_delivery_session *s)
{
    struct pp_writer w;
    struct pp_text address;

    pp_writer_init(&w, s->to_header, sizeof(s->to_header));
    while (!w.overflow && pp_queue_reader_recipient(&s->recipients, &address) == PP_OK) {
        if (w.len > 0) {
            pp_put_z(&w, ", ");
        }
        pp_put_text(&w, address);
    }
    s->facts.to = w.overflow ? (struct pp_text){NULL, 0} : pp_writer_text(&w);
}

/* Of header addresses that have none: as the envelope's sender is completed. */
static struct pp_text own_domain(const struct pp_config *config)
{
    return pp_text_z(config->identity.domain[0] != '\0' ? config->identity.domain
                                                        : config->identity.hostname);
}

static void set_facts(struct pp_delivery_session *s, const struct pp_queue_entry *entry)
{
    const struct pp_config *config = s->delivery->config;
    const struct pp_smtp_capabilities *can = &s->path.client.capabilities;
    const struct pp_envelope *e = &s->envelope;

    s->facts = (struct pp_render_facts){
        .alert = e->kind == PP_KIND_ALERT,
        .from = e->sender.len > 0 ? e->sender : pp_text_z(config->identity.from),
        .from_name =
            e->sender_name.len > 0 ? e->sender_name : pp_text_z(config->identity.from_name),
        .subject = e->subject,
        .hostname = pp_text_z(config->identity.hostname),
        .domain = own_domain(config),
        .token = e->token,
        .queue_id = entry->id,
        .device = s->delivery->queue->device,
        .accepted_s = entry->accepted_s == 0 ? PP_WALL_UNKNOWN : (int64_t)entry->accepted_s,
        .now_s = wall_s(s->delivery),
        .severity = (uint8_t)e->severity,
        .content = entry->content,
        .rewrite_sender = e->rewrite_sender,
        .eight_bit_ok = can->eight_bit_mime,
        .smtputf8_ok = can->smtputf8,
    };
}

/* It can never be sent as it is: all of it fails, loudly, and stays listed. */
static void put_aside(struct pp_delivery_session *s, struct pp_queue_entry *entry,
                      const char *event_z, enum pp_err err, const char *words_z)
{
    struct pp_log_line line;

    pp_log_begin(&line, s->delivery->log, PP_LOG_ERROR, entry->id, event_z);
    pp_log_err(&line, err);
    pp_log_z(&line, "reply", words_z);
    pp_log_z(&line, "action", "look with `pinpost queue show ID`");
    pp_log_end(&line);
    entry->delivering = 0;
    s->id = 0;
    fail_open(s->delivery, entry, pp_text_z(words_z));
}

static enum pp_err read_envelope(struct pp_delivery_session *s, struct pp_queue_entry *entry)
{
    struct pp_envelope second;
    struct pp_queue *queue = s->delivery->queue;
    enum pp_err err = pp_queue_reader_open(queue, entry->id, &s->recipients, &second);

    if (err == PP_OK) {
        err = pp_queue_reader_open(queue, entry->id, &s->content, &s->envelope);
    }
    if (err == PP_OK) {
        err = pp_queue_outcomes(queue, entry->id, s->outcomes, sizeof(s->outcomes));
    }
    if (err == PP_OK) {
        set_facts(s, entry);
        collect_to_header(s);
        err = pp_queue_reader_rewind(&s->recipients);
    }
    return err;
}

bool pp_transfer_begin(struct pp_delivery_session *s, struct pp_queue_entry *entry,
                       pp_time_ms now_ms)
{
    struct pp_smtp_mail mail;
    enum pp_err err;

    s->id = entry->id;
    s->begun_ms = now_ms;
    s->path_trouble = s->later_said = s->content_ended = s->render_failed = false;
    s->handed = s->map_count = 0;
    s->result_count = 0;
    s->piece_len = 0;
    entry->delivering = 1;
    err = read_envelope(s, entry);
    if (err != PP_OK) {
        put_aside(s, entry, "damaged", err, "5.3.0 damaged in flash: it cannot be read");
        return false;
    }
    pp_schedule_remove(s->delivery->schedule, entry);
    for (uint16_t i = 0; i < entry->recipient_count && i < PP_RECIPIENTS_MAX; i++) {
        if (s->outcomes[i] == PP_OUTCOME_OPEN) {
            s->map[s->map_count++] = i;
        }
    }
    pp_render_init(&s->render, &s->facts);
    mail = (struct pp_smtp_mail){
        .sender = s->envelope.sender,
        .size_bytes = pp_render_size_estimate(&s->facts, entry->size_bytes),
        .recipient_count = s->map_count,
        .body_8bit = pp_render_is_8bit(&s->facts),
        .smtputf8 = s->envelope.smtputf8 || !pp_text_is_ascii(s->envelope.sender),
        .ret = s->envelope.ret,
        .envid = s->envelope.envid,
    };
    s->messages++;
    err = pp_smtp_client_mail(&s->path.client, &mail, now_ms);
    if (err != PP_OK) {
        put_aside(s, entry, "failed", err, "5.1.7 the sender's address is malformed: not sent");
        return false;
    }
    return true;
}

/* ---- envelope and content ---- */

void pp_transfer_recipients(struct pp_delivery_session *s, pp_time_ms now_ms)
{
    struct pp_text address = {NULL, 0};
    struct pp_recipient recipient;
    struct pp_smtp_client *c = &s->path.client;

    while (pp_smtp_client_event(c) == PP_SMTP_EVENT_RECIPIENT) {
        if (s->handed == s->map_count || read_recipient(s, s->map[s->handed], &address) != PP_OK) {
            pp_smtp_client_recipients_end(c, &s->path.link.out, now_ms);
            return;
        }
        pp_queue_reader_dsn(&s->recipients, &recipient);
        if (pp_smtp_client_recipient(c, &s->path.link.out, &recipient, now_ms) == PP_ERR_LATER) {
            return;
        }
        s->handed++;
    }
}

/* Next piece of content into the render; false when the flash gave out. */
static bool feed_render(struct pp_delivery_session *s)
{
    if (s->piece_len == 0 && !s->content_ended) {
        enum pp_err err = pp_queue_reader_content(&s->content, &s->piece, &s->piece_len);
        if (err != PP_OK) {
            return false;
        }
        s->content_ended = s->piece_len == 0;
    }
    if (s->content_ended) {
        return true;
    }
    size_t taken = pp_render_feed(&s->render, s->piece, s->piece_len);
    s->piece += taken;
    s->piece_len -= taken;
    return true;
}

static void fail_content(struct pp_delivery_session *s, const char *words_z, pp_time_ms now_ms)
{
    s->render_failed = true;
    pp_smtp_client_body_failed(&s->path.client, true, words_z, now_ms);
}

/* The render's output to the client: how many bytes it took. */
static size_t drain_render(struct pp_delivery_session *s, pp_time_ms now_ms)
{
    size_t taken = 0;

    if (pp_buf_len(&s->render.out) > 0) {
        taken = pp_smtp_client_body(&s->path.client, &s->path.link.out, pp_buf_head(&s->render.out),
                                    pp_buf_len(&s->render.out), now_ms);
        pp_buf_consume(&s->render.out, taken);
    }
    return taken;
}

bool pp_transfer_content(struct pp_delivery_session *s, pp_time_ms now_ms)
{
    struct pp_smtp_client *c = &s->path.client;
    bool moved = false;

    for (int i = 0; i < CONTENT_ROUNDS && pp_smtp_client_event(c) == PP_SMTP_EVENT_BODY; i++) {
        bool ended = s->content_ended && s->piece_len == 0 && pp_render_end(&s->render);

        if (s->render.error != PP_OK) {
            fail_content(s, s->render.error_z, now_ms);
            return true;
        }
        if (ended && pp_buf_len(&s->render.out) == 0) {
            return pp_smtp_client_body_end(c, &s->path.link.out, now_ms) || moved;
        }
        if (!s->content_ended && !feed_render(s)) {
            fail_content(s,
                         "5.3.0 the message is damaged in flash; the part that is left can be "
                         "seen with pinpost queue show",
                         now_ms);
            return true;
        }
        size_t drained = drain_render(s, now_ms);
        moved |= drained > 0;
        if (drained == 0 && pp_buf_len(&s->render.out) > 0) {
            return moved; /* the link is full: what went in is still to be sent */
        }
    }
    return true;
}

/* ---- end ---- */

static void log_next(struct pp_delivery_session *s, const struct pp_queue_entry *entry,
                     uint64_t rest_ms)
{
    struct pp_log_line line;

    pp_log_begin(&line, s->delivery->log, PP_LOG_INFO, entry->id, "retry");
    pp_log_u64(&line, "open", entry->open_count);
    pp_log_u64(&line, "attempts", entry->attempts);
    pp_log_u64(&line, "in_s", rest_ms / 1000);
    if (s->path_trouble) {
        pp_log_z(&line, "notice", "the server spoke of the account or the path, not of the mail");
    }
    pp_log_end(&line);
}

void pp_transfer_end(struct pp_delivery_session *s, pp_time_ms now_ms)
{
    struct pp_delivery *d = s->delivery;
    struct pp_queue_entry *entry;
    uint32_t id = s->id;

    if (id == 0) {
        return;
    }
    keep_results(s);
    s->id = 0;
    s->recipients.id = 0;
    entry = pp_queue_find(d->queue, id);
    if (entry == NULL) {
        return; /* all delivered: it is gone */
    }
    entry->delivering = 0;
    if (entry->open_count == 0) {
        struct pp_log_line line;
        pp_log_begin(&line, d->log, PP_LOG_ERROR, id, "kept_failed");
        pp_log_u64(&line, "failed", entry->failed_count);
        pp_log_z(&line, "action",
                 "`pinpost queue release ID` sends it again, `remove ID` drops it");
        pp_log_end(&line);
        return;
    }
    if (pp_transfer_expired(d, entry)) {
        pp_transfer_expire(d, entry);
        return;
    }
    /* A count that flash does not take costs a shorter backoff after a restart, no mail. */
    if (pp_queue_attempted(d->queue, id) != PP_OK && entry->attempts < UINT16_MAX) {
        entry->attempts++;
    }
    const struct pp_backoff backoff = {d->config->queue.retry_first_ms,
                                       d->config->queue.retry_longest_ms};
    uint64_t rest_ms = pp_backoff_ms(&backoff, entry->attempts);
    if (entry->held == 0) {
        pp_schedule_set(d->schedule, entry, pp_time_add(now_ms, rest_ms));
    }
    log_next(s, entry, rest_ms);
}
