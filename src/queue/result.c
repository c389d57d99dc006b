/*
 * result.c - what became of each recipient
 *
 * Job:      RESULT and STATE records: each tells the outcomes of all recipients, so the newest
 *           alone is enough, and is linked to the one before, where older replies are.
 * Not here: verdicts (delivery/), when to try again (schedule.c).
 */
#include <assert.h>
#include <string.h>

#include "base/bytes.h"
#include "queue/record.h"

#define FLAG_HELD 1u

static uint32_t fixed_bytes(const struct pp_queue_entry *entry)
{
    return PP_STATE_HEAD_BYTES + PP_OUTCOME_BYTES(entry->recipient_count);
}

/* ---- the record ---- */

static enum pp_outcome outcome_at(const uint8_t *payload, uint32_t recipient)
{
    unsigned bits = payload[PP_STATE_HEAD_BYTES + recipient / 4] >> (2 * (recipient % 4)) & 3u;
    /* The fourth value is never written. */
    return bits == 3u ? PP_OUTCOME_OPEN : (enum pp_outcome)bits;
}

enum pp_outcome pp_queue_state_outcome(const struct pp_queue_state *state, uint32_t recipient)
{
    return outcome_at(state->bytes, recipient);
}

static void set_outcome(struct pp_queue_state *state, uint32_t recipient, enum pp_outcome outcome)
{
    uint8_t *byte = &state->bytes[PP_STATE_HEAD_BYTES + recipient / 4];
    unsigned shift = 2 * (recipient % 4);
    *byte = (uint8_t)((*byte & ~(3u << shift)) | (unsigned)outcome << shift);
}

static void count_outcomes(struct pp_queue_entry *entry, const uint8_t *payload)
{
    uint16_t open = 0;
    uint16_t failed = 0;
    for (uint32_t i = 0; i < entry->recipient_count; i++) {
        enum pp_outcome outcome = outcome_at(payload, i);
        open = (uint16_t)(open + (outcome == PP_OUTCOME_OPEN ? 1 : 0));
        failed = (uint16_t)(failed + (outcome == PP_OUTCOME_FAILED ? 1 : 0));
    }
    entry->open_count = open;
    entry->failed_count = failed;
}

bool pp_queue_state_apply(struct pp_queue_entry *entry, const uint8_t *payload, uint32_t len)
{
    if (len < fixed_bytes(entry))
        return false;
    entry->attempts = pp_le16_get(payload + 8);
    entry->held = payload[10] & FLAG_HELD;
    count_outcomes(entry, payload);
    return true;
}

void pp_queue_state_step_back(struct pp_queue *q, struct pp_queue_entry *entry)
{
    struct pp_place place = {0, 0};
    struct pp_record record;
    struct pp_place bad = entry->last_result;
    entry->last_result = (struct pp_place){0, 0};
    entry->open_count = entry->recipient_count;
    entry->failed_count = 0;
    entry->attempts = 0;
    entry->held = 0;
    while (pp_ring_walk(&q->ring, &place, &record) == PP_OK && pp_place_before(record.place, bad)) {
        if (record.id == entry->id &&
            (record.type == PP_RECORD_RESULT || record.type == PP_RECORD_STATE) &&
            pp_ring_read(&q->ring, record.place, &record, q->scratch, sizeof(q->scratch)) ==
                PP_OK &&
            pp_queue_state_apply(entry, q->scratch, record.len))
            entry->last_result = record.place;
    }
}

static enum pp_err read_state(struct pp_queue *q, const struct pp_queue_entry *entry,
                              struct pp_queue_state *state)
{
    struct pp_record record;
    state->len = fixed_bytes(entry);
    memset(state->bytes, 0, state->len);
    if (entry->last_result.lap == 0)
        return PP_OK;
    enum pp_err err =
        pp_ring_read(&q->ring, entry->last_result, &record, q->scratch, sizeof(q->scratch));
    if (err == PP_ERR_FLASH)
        return err;
    if (err != PP_OK || record.id != entry->id || record.len < state->len)
        return PP_ERR_DAMAGED;
    memcpy(state->bytes, q->scratch, state->len);
    return PP_OK;
}

enum pp_err pp_queue_state_load(struct pp_queue *q, struct pp_queue_entry *entry,
                                struct pp_queue_state *state)
{
    enum pp_err err;
    while ((err = read_state(q, entry, state)) == PP_ERR_DAMAGED) {
        q->ring.report.records_damaged++;
        pp_queue_state_step_back(q, entry);
    }
    return err;
}

bool pp_queue_state_reply(const struct pp_queue *q, const struct pp_queue_entry *entry,
                          struct pp_queue_state *state, uint16_t recipient, struct pp_text reply)
{
    uint32_t max = pp_ring_payload_max(&q->ring);
    if (max > sizeof(state->bytes))
        max = sizeof(state->bytes);
    uint32_t len = reply.len < PP_REPLY_MAX ? (uint32_t)reply.len : PP_REPLY_MAX;
    uint32_t room = max - state->len;
    if (len + PP_REPLY_HEAD_BYTES > room) {
        if (state->len > fixed_bytes(entry))
            return false;
        len = room - PP_REPLY_HEAD_BYTES;
    }
    uint8_t *p = state->bytes + state->len;
    pp_le16_put(p, recipient);
    p[2] = (uint8_t)pp_queue_state_outcome(state, recipient);
    pp_le16_put(p + 3, (uint16_t)len);
    if (len > 0)
        memcpy(p + PP_REPLY_HEAD_BYTES, reply.p, len);
    state->len += PP_REPLY_HEAD_BYTES + len;
    return true;
}

enum pp_err pp_queue_state_append(struct pp_queue *q, const struct pp_queue_entry *entry,
                                  struct pp_queue_state *state, struct pp_place before,
                                  struct pp_place *place, uint32_t *bytes)
{
    uint32_t fixed = fixed_bytes(entry);
    uint8_t type = state->len > fixed ? PP_RECORD_RESULT : PP_RECORD_STATE;
    pp_place_put(state->bytes, before);
    pp_le16_put(state->bytes + 8, entry->attempts);
    state->bytes[10] = entry->held ? FLAG_HELD : 0;
    state->bytes[11] = 0;
    *bytes = pp_ring_record_bytes(state->len);
    enum pp_err err =
        pp_ring_append(&q->ring, type, entry->id, state->bytes, (uint16_t)state->len, place);
    state->len = fixed;
    return err;
}

/* ---- reading replies ---- */

struct wanted {
    uint32_t from;
    uint32_t count; /* gets smaller when memory runs out */
    struct pp_text *texts;
    struct pp_writer memory;
};

static void take_reply(struct wanted *w, uint32_t recipient, const uint8_t *reply, size_t len)
{
    uint32_t i = recipient - w->from;
    if (recipient < w->from || i >= w->count || w->texts[i].p != NULL || len == 0)
        return;
    if (len > w->memory.cap - w->memory.len) {
        w->count = i;
        return;
    }
    w->texts[i] = pp_text_n(w->memory.data + w->memory.len, len);
    pp_put(&w->memory, reply, len);
}

static void take_replies(struct wanted *w, const uint8_t *payload, uint32_t at, uint32_t len)
{
    while (at + PP_REPLY_HEAD_BYTES <= len) {
        uint32_t recipient = pp_le16_get(payload + at);
        uint32_t reply_len = pp_le16_get(payload + at + 3);
        at += PP_REPLY_HEAD_BYTES;
        if (reply_len > len - at)
            return;
        take_reply(w, recipient, payload + at, reply_len);
        at += reply_len;
    }
}

/* Follow the links from the newest record back; what is found first is newest. */
static void follow(struct pp_queue *q, const struct pp_queue_entry *entry, struct wanted *w,
                   uint32_t *read)
{
    struct pp_place place = entry->last_result;
    for (uint32_t i = 0; i < w->count; i++)
        w->texts[i] = pp_text_n(NULL, 0);
    w->memory.len = 0;
    while (place.lap != 0 && w->count > 0) {
        struct pp_record record;
        (*read)++;
        if (pp_ring_read(&q->ring, place, &record, q->scratch, sizeof(q->scratch)) != PP_OK ||
            record.id != entry->id || record.len < fixed_bytes(entry))
            break;
        take_replies(w, q->scratch, fixed_bytes(entry), record.len);
        struct pp_place before = pp_place_get(q->scratch);
        /* Links lead backwards, or the record was not written by us. */
        if (!pp_place_before(before, place))
            break;
        place = before;
    }
}

uint32_t pp_queue_replies(struct pp_queue *q, const struct pp_queue_entry *entry, uint32_t from,
                          uint32_t count, struct pp_text *texts, char *memory, size_t cap,
                          uint32_t *read)
{
    struct wanted w = {.from = from, .count = count, .texts = texts};
    pp_writer_init(&w.memory, memory, cap);
    follow(q, entry, &w, read);
    if (w.count == 0 && count > 0) {
        /* Later recipients took the memory that the first one needs. */
        w.count = 1;
        follow(q, entry, &w, read);
    }
    return w.count;
}

enum pp_err pp_queue_last_reply(struct pp_queue *q, uint32_t id, uint16_t recipient, char *text,
                                size_t cap, size_t *len)
{
    const struct pp_queue_entry *entry = pp_queue_find(q, id);
    char memory[PP_REPLY_MAX];
    struct pp_text reply;
    uint32_t read = 0;
    *len = 0;
    if (entry == NULL)
        return PP_ERR_NOT_FOUND;
    if (recipient >= entry->recipient_count)
        return PP_ERR_RANGE;
    (void)pp_queue_replies(q, entry, recipient, 1, &reply, memory, sizeof(memory), &read);
    *len = reply.len < cap ? reply.len : cap;
    if (*len > 0)
        memcpy(text, reply.p, *len);
    return PP_OK;
}

enum pp_err pp_queue_outcomes(struct pp_queue *q, uint32_t id, uint8_t *out, size_t cap)
{
    struct pp_queue_entry *entry = pp_queue_find(q, id);
    struct pp_queue_state state;
    if (entry == NULL)
        return PP_ERR_NOT_FOUND;
    if (cap < entry->recipient_count)
        return PP_ERR_TOO_BIG;
    enum pp_err err = pp_queue_state_load(q, entry, &state);
    for (uint32_t i = 0; i < entry->recipient_count && err == PP_OK; i++)
        out[i] = (uint8_t)pp_queue_state_outcome(&state, i);
    return err;
}

/* ---- writing ---- */

static enum pp_err append(struct pp_queue *q, struct pp_queue_entry *entry,
                          struct pp_queue_state *state)
{
    struct pp_place place;
    uint32_t bytes;
    if (!pp_queue_may_append(q, state->len))
        return PP_ERR_FULL;
    enum pp_err err = pp_queue_state_append(q, entry, state, entry->last_result, &place, &bytes);
    if (err != PP_OK)
        return err;
    if (entry->last_result.lap != 0)
        q->garbage_bytes += bytes;
    entry->last_result = place;
    entry->stored_bytes += bytes;
    pp_queue_group_add(q, entry->first.lap, bytes);
    q->sync_wanted = true;
    return PP_OK;
}

enum pp_err pp_queue_append_gone(struct pp_queue *q, const struct pp_queue_entry *entry)
{
    struct pp_place place;
    enum pp_err err = pp_ring_append(&q->ring, PP_RECORD_GONE, entry->id, "", 0, &place);
    if (err == PP_OK) {
        q->garbage_bytes += pp_ring_record_bytes(0);
        q->sync_wanted = true;
    }
    return err;
}

enum pp_err pp_queue_append_end(struct pp_queue *q, const struct pp_queue_entry *entry)
{
    return pp_queue_may_append(q, 0) ? pp_queue_append_gone(q, entry) : PP_ERR_FULL;
}

/* Put outcomes into `state`; *settled counts recipients that are no longer open by them. */
static void put_outcomes(struct pp_queue_state *state, const struct pp_result *results,
                         size_t count, size_t *settled)
{
    *settled = 0;
    for (size_t i = 0; i < count; i++) {
        enum pp_outcome before = pp_queue_state_outcome(state, results[i].recipient);
        if (before == PP_OUTCOME_DELIVERED || before == results[i].outcome)
            continue;
        set_outcome(state, results[i].recipient, results[i].outcome);
        (*settled)++;
    }
}

/* Outcomes and replies in as many records as they take; when room is short, in one. */
static enum pp_err append_results(struct pp_queue *q, struct pp_queue_entry *entry,
                                  struct pp_queue_state *state, const struct pp_result *results,
                                  size_t count, size_t settled)
{
    bool is_short = pp_queue_is_short(q);
    for (size_t i = 0; i < count; i++) {
        const struct pp_result *result = &results[i];
        if (result->reply.len == 0 || (is_short && result->outcome != PP_OUTCOME_FAILED))
            continue;
        if (!pp_queue_state_reply(q, entry, state, result->recipient, result->reply)) {
            if (is_short)
                break;
            enum pp_err err = append(q, entry, state);
            if (err != PP_OK)
                return err;
            (void)pp_queue_state_reply(q, entry, state, result->recipient, result->reply);
        }
    }
    if (state->len > fixed_bytes(entry) || settled > 0)
        return append(q, entry, state);
    return PP_OK;
}

enum pp_err pp_queue_results(struct pp_queue *q, uint32_t id, const struct pp_result *results,
                             size_t count)
{
    struct pp_queue_entry *entry = pp_queue_find(q, id);
    struct pp_queue_state state;
    size_t settled;
    if (entry == NULL)
        return PP_ERR_NOT_FOUND;
    for (size_t i = 0; i < count; i++) {
        if (results[i].recipient >= entry->recipient_count)
            return PP_ERR_RANGE;
    }
    enum pp_err err = pp_queue_state_load(q, entry, &state);
    if (err != PP_OK)
        return err;
    put_outcomes(&state, results, count, &settled);
    count_outcomes(entry, state.bytes);
    if (entry->open_count == 0 && entry->failed_count == 0) {
        bool urgent = q->sync_wanted;
        err = pp_queue_append_end(q, entry);
        q->sync_wanted = urgent;
        pp_queue_sync_soon(q);
        if (err == PP_ERR_FULL)
            pp_queue_forget_later(q, entry);
        else
            pp_queue_forget(q, entry);
        return err;
    }
    return append_results(q, entry, &state, results, count, settled);
}

enum pp_err pp_queue_attempted(struct pp_queue *q, uint32_t id)
{
    struct pp_queue_entry *entry = pp_queue_find(q, id);
    struct pp_queue_state state;
    if (entry == NULL)
        return PP_ERR_NOT_FOUND;
    enum pp_err err = pp_queue_state_load(q, entry, &state);
    if (err != PP_OK)
        return err;
    if (entry->attempts < UINT16_MAX)
        entry->attempts++;
    return pp_queue_is_short(q) ? PP_OK : append(q, entry, &state);
}

enum pp_err pp_queue_hold(struct pp_queue *q, uint32_t id, bool held)
{
    struct pp_queue_entry *entry = pp_queue_find(q, id);
    struct pp_queue_state state;
    if (entry == NULL)
        return PP_ERR_NOT_FOUND;
    enum pp_err err = pp_queue_state_load(q, entry, &state);
    if (err != PP_OK || entry->held == held)
        return err;
    entry->held = held;
    err = append(q, entry, &state);
    if (err != PP_OK)
        entry->held = !held;
    return err;
}

enum pp_err pp_queue_requeue(struct pp_queue *q, uint32_t id)
{
    struct pp_queue_entry *entry = pp_queue_find(q, id);
    struct pp_queue_state state;
    if (entry == NULL)
        return PP_ERR_NOT_FOUND;
    enum pp_err err = pp_queue_state_load(q, entry, &state);
    if (err != PP_OK || entry->failed_count == 0)
        return err;
    for (uint32_t i = 0; i < entry->recipient_count; i++) {
        if (pp_queue_state_outcome(&state, i) == PP_OUTCOME_FAILED)
            set_outcome(&state, i, PP_OUTCOME_OPEN);
    }
    struct pp_queue_entry before = *entry;
    count_outcomes(entry, state.bytes);
    err = append(q, entry, &state);
    if (err != PP_OK)
        *entry = before;
    return err;
}

enum pp_err pp_queue_remove(struct pp_queue *q, uint32_t id)
{
    struct pp_queue_entry *entry = pp_queue_find(q, id);
    if (entry == NULL)
        return PP_ERR_NOT_FOUND;
    enum pp_err err = pp_queue_append_end(q, entry);
    if (err == PP_OK)
        pp_queue_forget(q, entry);
    return err;
}
