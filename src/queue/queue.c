/*
 * queue.c - how mail waits: the index of messages in RAM, syncs and tickets
 *
 * Job:      find entries, take and give them, one sync for all that was appended.
 * Not here: taking in (accept.c), room (room.c), mount (replay.c), reading (reader.c),
 *           results (result.c), cleaning (clean.c), when to try again (schedule.c).
 */
#include "queue/queue.h"

#include <assert.h>
#include <string.h>

#include "base/bytes.h"
#include "queue/record.h"

/* Of the blocks, beside those kept for the critical: with so many free nobody waits for more. */
#define ROOMY_PERCENT 25

_Static_assert(sizeof(struct pp_queue_entry) <= 64, "an index entry takes 64 bytes at the most");
_Static_assert(PP_STORE_CHUNK_BYTES >= PP_STATE_HEAD_BYTES + PP_OUTCOME_BYTES(PP_RECIPIENTS_MAX) +
                                           PP_REPLY_HEAD_BYTES + 64,
               "PP_STORE_CHUNK_BYTES: raise it, the outcomes of PP_RECIPIENTS_MAX recipients and a "
               "reply must fit");

void pp_place_put(uint8_t *p, struct pp_place place)
{
    pp_le32_put(p, place.lap);
    pp_le32_put(p + 4, place.offset);
}

struct pp_place pp_place_get(const uint8_t *p)
{
    return (struct pp_place){pp_le32_get(p), pp_le32_get(p + 4)};
}

bool pp_place_equal(struct pp_place a, struct pp_place b)
{
    return a.lap == b.lap && a.offset == b.offset;
}

bool pp_place_before(struct pp_place a, struct pp_place b)
{
    return a.lap < b.lap || (a.lap == b.lap && a.offset < b.offset);
}

void pp_queue_set_limits(struct pp_queue *q, const struct pp_queue_limits *limits)
{
    q->limits = *limits;
    if (q->limits.recipients > PP_RECIPIENTS_MAX)
        q->limits.recipients = PP_RECIPIENTS_MAX;
    if (q->limits.reserve_percent > 50)
        q->limits.reserve_percent = 50;
    if (q->limits.message_bytes > UINT32_MAX)
        q->limits.message_bytes = UINT32_MAX;
}

/* ---- index ---- */

uint32_t pp_queue_index(const struct pp_queue *q, const struct pp_queue_entry *entry)
{
    return (uint32_t)(entry - q->entries);
}

struct pp_queue_entry *pp_queue_take_entry(struct pp_queue *q)
{
    if (q->entry_free == PP_INDEX_NONE) {
        /* Entries are touched when they are first needed: memory that never is costs nothing. */
        if (q->entry_high_water == PP_QUEUE_MESSAGES)
            return NULL;
        struct pp_queue_entry *fresh = &q->entries[q->entry_high_water++];
        memset(fresh, 0, sizeof(*fresh));
        q->entry_count++;
        return fresh;
    }
    struct pp_queue_entry *entry = &q->entries[q->entry_free];
    /* The schedule may still hold the slot: what it noted there stays true. */
    struct pp_queue_entry clear = {.heap_valid = entry->heap_valid,
                                   .heap_index = entry->heap_index};
    q->entry_free = entry->id;
    *entry = clear;
    q->entry_count++;
    return entry;
}

void pp_queue_give_entry(struct pp_queue *q, struct pp_queue_entry *entry)
{
    entry->in_use = 0;
    entry->id = q->entry_free;
    q->entry_free = pp_queue_index(q, entry);
    q->entry_count--;
}

void pp_queue_index_init(struct pp_queue *q)
{
    if (PP_QUEUE_INDEX)
        pp_index_init(&q->by_id, q->by_id_places, PP_QUEUE_PLACES, PP_QUEUE_MESSAGES);
}

enum pp_err pp_queue_enter(struct pp_queue *q, struct pp_queue_entry *entry)
{
    enum pp_err err = PP_OK;
    if (PP_QUEUE_INDEX)
        err = pp_index_put(&q->by_id, entry->id, pp_queue_index(q, entry));
    if (err == PP_OK)
        entry->in_use = 1;
    return err;
}

void pp_queue_leave(struct pp_queue *q, struct pp_queue_entry *entry)
{
    if (PP_QUEUE_INDEX)
        pp_index_remove(&q->by_id, entry->id);
    entry->in_use = 0;
}

static void take_from_index(struct pp_queue *q, struct pp_queue_entry *entry)
{
    pp_queue_leave(q, entry);
    pp_queue_group_sub(q, entry->first.lap, entry->stored_bytes);
    q->garbage_bytes += entry->stored_bytes;
    q->clean.gave_up_blocks = 0;
}

void pp_queue_forget(struct pp_queue *q, struct pp_queue_entry *entry)
{
    take_from_index(q, entry);
    pp_queue_give_entry(q, entry);
}

void pp_queue_forget_later(struct pp_queue *q, struct pp_queue_entry *entry)
{
    take_from_index(q, entry);
    entry->ended = 1;
    q->ended_count++;
}

static struct pp_queue_entry *look_at_each(struct pp_queue *q, uint32_t id)
{
    for (uint32_t i = 0; i < q->entry_high_water; i++) {
        if (q->entries[i].in_use && q->entries[i].id == id)
            return &q->entries[i];
    }
    return NULL;
}

struct pp_queue_entry *pp_queue_find(struct pp_queue *q, uint32_t id)
{
    if (!PP_QUEUE_INDEX)
        return look_at_each(q, id);
    uint32_t slot = pp_index_get(&q->by_id, id);
    return slot != PP_INDEX_NONE ? &q->entries[slot] : NULL;
}

struct pp_queue_entry *pp_queue_next(struct pp_queue *q, uint32_t *cursor)
{
    while (*cursor < q->entry_high_water) {
        struct pp_queue_entry *entry = &q->entries[(*cursor)++];
        if (entry->in_use)
            return entry;
    }
    return NULL;
}

/* ---- syncs ---- */

enum pp_err pp_queue_append_boot(struct pp_queue *q)
{
    uint8_t payload[PP_BOOT_BYTES];
    struct pp_place place;
    pp_le32_put(payload, q->boot_count);
    pp_le32_put(payload + 4, q->next_id);
    pp_le64_put(payload + 8, q->device);
    pp_le32_put(payload + 16, q->ring.generation);
    pp_place_put(payload + 20, q->tail);
    pp_le32_put(payload + 28, q->tail_end_lap);
    enum pp_err err = pp_ring_append(&q->ring, PP_RECORD_BOOT, 0, payload, sizeof(payload), &place);
    if (err == PP_OK) {
        q->boot_lap = place.lap;
        q->boot_is_due = false;
    }
    return err;
}

enum pp_err pp_queue_note_boot(struct pp_queue *q)
{
    return q->boot_is_due && !pp_queue_is_tight(q) ? pp_queue_append_boot(q) : PP_OK;
}

enum pp_err pp_queue_sync(struct pp_queue *q)
{
    enum pp_err err = pp_ring_sync_poll(&q->ring);
    /* The first sync on a blank medium is for its first header only: then once more. */
    for (unsigned i = 0; i < 2 && err == PP_OK && q->ring.unsynced; i++) {
        err = pp_ring_sync_begin(&q->ring);
        if (err == PP_OK)
            err = pp_ring_sync_poll(&q->ring);
    }
    q->garbage_bytes += q->ring.report.bytes_padded - q->padded_seen;
    q->padded_seen = q->ring.report.bytes_padded;
    if (err != PP_ERR_LATER)
        q->sync_wanted = q->sync_can_wait = false;
    return err;
}

bool pp_queue_wants_sync(const struct pp_queue *q)
{
    return !q->ring.failed && (q->sync_wanted || q->sync_can_wait || q->ring.syncing);
}

bool pp_queue_sync_is_urgent(const struct pp_queue *q)
{
    return q->sync_wanted || q->ring.syncing;
}

enum pp_err pp_queue_program(struct pp_queue *q)
{
    return pp_ring_program(&q->ring);
}

/* Space that was given back is of use only after a sync: where it is short, somebody may wait. */
void pp_queue_sync_soon(struct pp_queue *q)
{
    uint64_t enough =
        (uint64_t)pp_ring_good_blocks(&q->ring) * (q->limits.reserve_percent + ROOMY_PERCENT) / 100;
    if (pp_ring_free_blocks(&q->ring) < enough)
        q->sync_wanted = true;
    else
        q->sync_can_wait = true;
}

void pp_queue_want_sync(struct pp_queue *q)
{
    q->sync_wanted = true;
    q->ring.unsynced = true;
}

enum pp_ticket_state pp_queue_ticket(const struct pp_queue *q, const struct pp_ticket *ticket)
{
    if (pp_ring_is_durable(&q->ring, ticket->generation))
        return PP_TICKET_DURABLE;
    return q->ring.failed ? PP_TICKET_FAILED : PP_TICKET_PENDING;
}
