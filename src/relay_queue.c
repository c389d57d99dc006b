/*
 * relay_queue.c - the queue as pinpost.h shows it: handing in, looking, acting on messages
 *
 * Job:      thin calls into intake/submit and queue/, and the schedule kept in step.
 * Not here: the loop (relay.c), how mail is checked (intake/submit), how it lies in flash.
 */
#include <string.h>

#include "message/address.h"
#include "relay.h"

void pp_relay_schedule_entry(struct pp_relay *r, struct pp_queue_entry *entry, pp_time_ms at_ms)
{
    if (entry->held || entry->open_count == 0) {
        pp_schedule_remove(&r->schedule, entry);
    } else if (!entry->delivering) {
        pp_schedule_set(&r->schedule, entry, at_ms);
    }
}

static pp_time_ms now(const struct pp_relay *r)
{
    return r->port->now_ms(r->port->ctx);
}

/* ---- handing in ---- */

/* All of a list, or what was wrong with the first bad one. */
static enum pp_err add_list(struct pp_submit *s, struct pp_text list)
{
    struct pp_text address;
    enum pp_err err;

    while ((err = pp_address_next(&list, &address)) != PP_ERR_NOT_FOUND) {
        if (err == PP_OK) {
            err = pp_intake_recipient(s, &(const struct pp_recipient){.address = address});
        }
        if (err != PP_OK) {
            return err;
        }
    }
    return PP_OK;
}

enum pp_err pp_submit_alert(struct pp_relay *r, const struct pp_alert *alert,
                            struct pp_ticket *ticket)
{
    const struct pp_submission submission = {
        .kind = PP_KIND_ALERT,
        .severity = alert->severity,
        .subject = alert->subject,
        .origin = pp_text_z("api"),
        .size_bytes = alert->text.len,
    };
    struct pp_submit *s;
    enum pp_err err = pp_intake_open(&r->intake, &submission, &s);

    if (err != PP_OK) {
        return err;
    }
    err = alert->recipients.len > 0 ? add_list(s, alert->recipients)
                                    : pp_intake_default_recipients(s);
    if (err == PP_OK) {
        err = pp_intake_write(s, alert->text.p, alert->text.len);
    }
    if (err != PP_OK) {
        pp_intake_abort(s);
        return err;
    }
    return pp_intake_seal(s, ticket);
}

enum pp_err pp_submit_open(struct pp_relay *r, const struct pp_submission *submission,
                           struct pp_submit **submit)
{
    return pp_intake_open(&r->intake, submission, submit);
}

enum pp_err pp_submit_recipient(struct pp_submit *submit, struct pp_text address)
{
    return pp_intake_recipient(submit, &(const struct pp_recipient){.address = address});
}

enum pp_err pp_submit_default_recipients(struct pp_submit *submit)
{
    return pp_intake_default_recipients(submit);
}

enum pp_err pp_submit_write(struct pp_submit *submit, const void *bytes, size_t len)
{
    return pp_intake_write(submit, bytes, len);
}

enum pp_err pp_submit_seal(struct pp_submit *submit, struct pp_ticket *ticket)
{
    return pp_intake_seal(submit, ticket);
}

void pp_submit_abort(struct pp_submit *submit)
{
    pp_intake_abort(submit);
}

enum pp_ticket_state pp_ticket_state(struct pp_relay *r, const struct pp_ticket *ticket)
{
    return pp_queue_ticket(&r->queue, ticket);
}

/* ---- looking ---- */

static enum pp_message_state state_of(const struct pp_queue_entry *entry)
{
    if (entry->delivering) {
        return PP_MESSAGE_SENDING;
    }
    if (entry->held) {
        return PP_MESSAGE_HELD;
    }
    return entry->open_count == 0 ? PP_MESSAGE_FAILED : PP_MESSAGE_WAITING;
}

static void fill_info(struct pp_relay *r, const struct pp_queue_entry *entry,
                      struct pp_message_info *info)
{
    pp_time_ms at_ms = pp_schedule_at(&r->schedule, entry);
    pp_time_ms now_ms = now(r);

    if (at_ms != PP_TIME_NEVER && at_ms < r->delivery.route.retry_at_ms) {
        at_ms = r->delivery.route.retry_at_ms;
    }
    *info = (struct pp_message_info){
        .id = entry->id,
        .state = state_of(entry),
        .kind = (enum pp_kind)entry->kind,
        .severity = (enum pp_severity)entry->severity,
        .size_bytes = entry->size_bytes,
        .accepted_s = entry->accepted_s == 0 ? PP_WALL_UNKNOWN : (int64_t)entry->accepted_s,
        .recipient_count = entry->recipient_count,
        .open_count = entry->open_count,
        .failed_count = entry->failed_count,
        .attempts = entry->attempts,
        .next_in_ms = at_ms == PP_TIME_NEVER ? UINT64_MAX
                      : at_ms > now_ms       ? at_ms - now_ms
                                             : 0,
    };
}

enum pp_err pp_messages_next(struct pp_relay *r, uint32_t *cursor, struct pp_message_info *info)
{
    const struct pp_queue_entry *entry = pp_queue_next(&r->queue, cursor);

    if (entry == NULL) {
        return PP_ERR_NOT_FOUND;
    }
    fill_info(r, entry, info);
    return PP_OK;
}

enum pp_err pp_message_find(struct pp_relay *r, uint32_t id, struct pp_message_info *info)
{
    const struct pp_queue_entry *entry = pp_queue_find(&r->queue, id);

    if (entry == NULL) {
        return PP_ERR_NOT_FOUND;
    }
    fill_info(r, entry, info);
    return PP_OK;
}

/* One reader for all that is looked at from outside: each call begins anew. */
static struct pp_queue_reader the_reader;

bool pp_message_is_queued(struct pp_relay *r, struct pp_text token)
{
    struct pp_envelope envelope;
    const struct pp_queue_entry *entry;
    uint32_t cursor = 0;
    bool found = false;

    while (!found && (entry = pp_queue_next(&r->queue, &cursor)) != NULL) {
        found = pp_queue_reader_open(&r->queue, entry->id, &the_reader, &envelope) == PP_OK &&
                envelope.token.len > 0 && pp_text_equal(envelope.token, token);
    }
    return found;
}

enum pp_err pp_message_envelope(struct pp_relay *r, uint32_t id, struct pp_writer *sender,
                                struct pp_writer *subject, struct pp_writer *origin)
{
    struct pp_envelope envelope;
    enum pp_err err = pp_queue_reader_open(&r->queue, id, &the_reader, &envelope);

    if (err == PP_OK) {
        pp_put_text(sender, envelope.sender);
        pp_put_text(subject, envelope.subject);
        pp_put_text(origin, envelope.origin);
    }
    return err;
}

enum pp_err pp_message_recipient(struct pp_relay *r, uint32_t id, uint32_t index,
                                 struct pp_writer *address, enum pp_outcome *outcome,
                                 struct pp_writer *reply)
{
    static uint8_t outcomes[PP_RECIPIENTS_MAX];
    char words[PP_REPLY_TEXT_CAP];
    size_t len = 0;
    struct pp_envelope envelope;
    struct pp_text text = {NULL, 0};
    const struct pp_queue_entry *entry = pp_queue_find(&r->queue, id);
    enum pp_err err;

    if (entry == NULL || index >= entry->recipient_count) {
        return PP_ERR_NOT_FOUND;
    }
    err = pp_queue_outcomes(&r->queue, id, outcomes, sizeof(outcomes));
    if (err == PP_OK) {
        err = pp_queue_reader_open(&r->queue, id, &the_reader, &envelope);
    }
    for (uint32_t i = 0; i <= index && err == PP_OK; i++) {
        err = pp_queue_reader_recipient(&the_reader, &text);
    }
    if (err == PP_OK) {
        pp_put_text(address, text);
        *outcome = (enum pp_outcome)outcomes[index];
        if (pp_queue_last_reply(&r->queue, id, (uint16_t)index, words, sizeof(words), &len) ==
            PP_OK) {
            pp_put(reply, words, len);
        }
    }
    return err;
}

/* Pieces are mostly asked for in order: the reader goes on where it was. */
static struct {
    struct pp_queue_reader reader;
    const uint8_t *piece;
    size_t len;  /* of the piece */
    uint32_t at; /* offset of the piece */
} view;

static enum pp_err next_piece(void)
{
    enum pp_err err;

    view.at += (uint32_t)view.len;
    err = pp_queue_reader_content(&view.reader, &view.piece, &view.len);
    if (err != PP_OK) {
        view.len = 0;
    }
    return err;
}

enum pp_err pp_message_content(struct pp_relay *r, uint32_t id, uint32_t offset, void *out,
                               size_t cap, size_t *len)
{
    struct pp_envelope envelope;
    enum pp_err err = PP_OK;

    *len = 0;
    if (view.reader.id != id || offset < view.at) {
        view.at = 0;
        view.len = 0;
        err = pp_queue_reader_open(&r->queue, id, &view.reader, &envelope);
        if (err == PP_OK) {
            err = next_piece();
        }
    }
    while (err == PP_OK && view.len > 0 && offset >= view.at + view.len) {
        err = next_piece();
    }
    if (err == PP_OK && view.len > 0) {
        size_t skip = offset - view.at;
        *len = view.len - skip < cap ? view.len - skip : cap;
        memcpy(out, view.piece + skip, *len);
        return PP_OK;
    }
    view.reader.id = 0; /* the end, or damage: the next one begins anew */
    return err;
}

/* ---- acting ---- */

static enum pp_err find_quiet(struct pp_relay *r, uint32_t id, struct pp_queue_entry **entry)
{
    *entry = pp_queue_find(&r->queue, id);
    if (*entry == NULL) {
        return PP_ERR_NOT_FOUND;
    }
    return (*entry)->delivering ? PP_ERR_BUSY : PP_OK;
}

enum pp_err pp_message_hold(struct pp_relay *r, uint32_t id)
{
    struct pp_queue_entry *entry;
    enum pp_err err = find_quiet(r, id, &entry);

    if (err == PP_OK) {
        err = pp_queue_hold(&r->queue, id, true);
    }
    if (err == PP_OK) {
        pp_schedule_remove(&r->schedule, entry);
    }
    return err;
}

enum pp_err pp_message_release(struct pp_relay *r, uint32_t id)
{
    struct pp_queue_entry *entry;
    enum pp_err err = find_quiet(r, id, &entry);

    /* In this order: where the second step finds no room the message is still held, not forgotten.
     */
    if (err == PP_OK && entry->failed_count > 0) {
        err = pp_queue_requeue(&r->queue, id);
    }
    if (err == PP_OK && entry->held) {
        err = pp_queue_hold(&r->queue, id, false);
    }
    if (err == PP_OK) {
        int64_t wall_s = r->port->wall_s(r->port->ctx);
        entry->released_s = wall_s == PP_WALL_UNKNOWN ? 0 : (uint32_t)wall_s;
        pp_relay_schedule_entry(r, entry, now(r));
    }
    return err;
}

enum pp_err pp_message_remove(struct pp_relay *r, uint32_t id)
{
    struct pp_queue_entry *entry;
    struct pp_log_line line;
    enum pp_err err = find_quiet(r, id, &entry);

    if (err != PP_OK) {
        return err;
    }
    const pp_time_ms at_ms = pp_schedule_at(&r->schedule, entry);
    pp_schedule_remove(&r->schedule, entry);
    err = pp_queue_remove(&r->queue, id);
    if (err != PP_OK) {
        if (at_ms != PP_TIME_NEVER) {
            pp_relay_schedule_entry(r, entry, at_ms);
        }
        return err;
    }
    pp_log_begin(&line, &r->log, PP_LOG_INFO, id, "removed");
    pp_log_end(&line);
    return PP_OK;
}

enum pp_err pp_message_flush(struct pp_relay *r, uint32_t id)
{
    uint32_t cursor = 0;
    struct pp_queue_entry *entry;

    pp_route_retry_now(&r->delivery.route);
    if (id != 0) {
        entry = pp_queue_find(&r->queue, id);
        if (entry == NULL) {
            return PP_ERR_NOT_FOUND;
        }
        pp_relay_schedule_entry(r, entry, now(r));
        return PP_OK;
    }
    while ((entry = pp_queue_next(&r->queue, &cursor)) != NULL) {
        pp_relay_schedule_entry(r, entry, now(r));
    }
    return PP_OK;
}

/* ---- ETRN ---- */

/* Messages whose recipients are read for one command; what is behind them is flushed unread. */
#define ETRN_LOOKS 256

static bool is_for(struct pp_relay *r, const struct pp_queue_entry *entry, struct pp_text domain)
{
    struct pp_envelope envelope;
    struct pp_text address;

    if (pp_queue_reader_open(&r->queue, entry->id, &the_reader, &envelope) != PP_OK) {
        return false;
    }
    while (pp_queue_reader_recipient(&the_reader, &address) == PP_OK) {
        if (address.len > domain.len && address.p[address.len - domain.len - 1] == '@' &&
            pp_text_equal_nocase(pp_text_n(address.p + address.len - domain.len, domain.len),
                                 domain)) {
            return true;
        }
    }
    return false;
}

enum pp_err pp_relay_etrn(void *ctx, struct pp_text domain)
{
    struct pp_relay *r = ctx;
    struct pp_queue_entry *entry;
    enum pp_err err = PP_ERR_NOT_FOUND;
    uint32_t cursor = 0;
    uint32_t looks = 0;

    while ((entry = pp_queue_next(&r->queue, &cursor)) != NULL) {
        if (looks++ < ETRN_LOOKS && !is_for(r, entry, domain)) {
            continue;
        }
        pp_relay_schedule_entry(r, entry, now(r));
        err = PP_OK;
    }
    if (err == PP_OK) {
        pp_route_retry_now(&r->delivery.route);
    }
    return err;
}

/* ---- status ---- */

static void count_messages(struct pp_relay *r, struct pp_relay_status *status)
{
    uint32_t cursor = 0;
    const struct pp_queue_entry *entry;

    while ((entry = pp_queue_next(&r->queue, &cursor)) != NULL) {
        status->messages++;
        status->waiting += state_of(entry) == PP_MESSAGE_WAITING;
        status->held += state_of(entry) == PP_MESSAGE_HELD;
        status->failed += entry->failed_count > 0;
        status->sending += state_of(entry) == PP_MESSAGE_SENDING;
    }
}

static void put_route(struct pp_relay *r, struct pp_relay_status *status)
{
    const struct pp_route *route = &r->delivery.route;
    pp_time_ms now_ms = now(r);
    struct pp_writer w;

    status->route_up = route->proven;
    status->tls = r->delivery.tls_counts[0];
    status->route_retry_in_ms = route->retry_at_ms > now_ms ? route->retry_at_ms - now_ms : 0;
    if (route->failures > 0) {
        pp_writer_init(&w, status->last_error, sizeof(status->last_error) - 1);
        pp_put_z(&w, pp_stage_words(route->stage));
        pp_put_z(&w, ": ");
        pp_put_reply(&w, &route->reply);
        status->last_error[w.len] = '\0';
    }
}

void pp_relay_status(struct pp_relay *r, struct pp_relay_status *status)
{
    const struct pp_ring *ring = &r->queue.ring;

    memset(status, 0, sizeof(*status));
    count_messages(r, status);
    put_route(r, status);
    status->messages_cap = PP_QUEUE_MESSAGES;
    status->messages_high = r->queue.entry_high_water;
    status->store_bytes = (uint64_t)ring->flash->block_bytes * ring->flash->block_count;
    status->store_free_bytes = (uint64_t)pp_ring_spare_blocks(ring) * ring->flash->block_bytes;
    status->store_failed = r->store_failed || ring->failed;
    status->boot_count = r->queue.boot_count;
    status->messages_damaged = r->queue.messages_damaged;
    status->records_damaged = ring->report.records_damaged;
    status->blocks_bad = ring->report.blocks_bad_header;
    status->delivered_recipients = r->delivery.delivered_recipients;
    status->failed_recipients = r->delivery.failed_recipients;
    status->accepted_messages = r->intake.accepted_messages;
    memcpy(status->smarthost, r->config.smarthosts[0].host, sizeof(status->smarthost));
    status->uptime_ms = now(r) - r->started_ms;
    status->pool_writers_high = r->queue.writer_high_water;
    status->pool_intake_high = (uint32_t)r->intake_pool.high_water;
    status->pool_deliveries_high = (uint32_t)r->delivery_pool.high_water;
}
