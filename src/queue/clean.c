/*
 * clean.c - winning back blocks
 *
 * Job:      give the oldest block back when nothing in it lives; before that, when room is
 *           short and there is garbage to win, append again what lives in it.
 * Not here: how much room must stay (room.c).
 *
 * A message lives in the block where its META is; it is moved whole, with one set of RESULT
 * records in place of all before. It may end or get results meanwhile: each step looks again.
 * The copy counts from its last record on. A block is given back only when all is durable that
 * made it empty, copies and ends of messages: whatever arrives of what was written later, "the log
 * begins behind it" is true.
 *
 * Moving stops by itself: it needs garbage to win, and all that is moved takes something off the
 * account of garbage, for which there is no more than what became garbage, nor than what lies
 * between the living. So where little is to be won, little is moved for it.
 */
#include <string.h>

#include "base/bytes.h"
#include "queue/record.h"

#define STEP_RECORDS    64u
#define STEP_BYTES      (256u * 1024)
#define REPLIES_AT_ONCE 16u
/* Bytes moved for one byte of garbage, at the most. */
#define MOVED_FOR_GARBAGE 16u

enum step { STEP_ON, STEP_WAIT, STEP_IDLE };

struct budget {
    uint32_t records;
    uint32_t bytes;
};

static void spend(struct budget *b, uint32_t bytes)
{
    b->records -= b->records > 0 ? 1 : 0;
    b->bytes -= bytes < b->bytes ? bytes : b->bytes;
}

static uint64_t garbage_blocks(const struct pp_queue *q)
{
    return q->garbage_bytes / q->ring.flash->block_bytes;
}

/* New messages will soon be refused: blocks enough for all that must stay free, and an eighth. */
static uint32_t blocks_wanted(const struct pp_queue *q)
{
    uint32_t eighth = pp_ring_good_blocks(&q->ring) / 8;
    uint32_t kept = pp_queue_blocks_kept(q) + pp_queue_blocks_reserved(q) + 2;
    uint32_t wanted = eighth > 4 ? eighth : 4;
    return kept > wanted ? kept : wanted;
}

static bool should_move(struct pp_queue *q)
{
    uint32_t spare = pp_ring_spare_blocks(&q->ring);
    uint32_t blocks = pp_ring_good_blocks(&q->ring);
    uint32_t sixteenth = blocks / 16;
    if (q->unindexed || (q->clean.gave_up_blocks != 0 && spare <= q->clean.gave_up_blocks))
        return false;
    if (spare >= q->refused_blocks)
        q->refused_blocks = 0;
    if (spare <= pp_queue_blocks_kept(q) || q->refused_blocks > 0)
        return garbage_blocks(q) >= 1;
    if (spare < blocks_wanted(q))
        return garbage_blocks(q) >= (sixteenth > 2 ? sixteenth : 2);
    /* Ahead of need, where little is in the way: it keeps the log short, and mounts with it. */
    return spare < blocks / 2 && garbage_blocks(q) > (blocks - spare) / 4 * 3;
}

static bool lives_here(const struct pp_queue *q, const struct pp_queue_entry *entry)
{
    return entry->in_use && entry->first.lap == q->clean.lap;
}

/* ---- the copy ---- */

/* Is there a block to go on with, and one more for results? When only a sync is missing, one is
 * asked for. In a tight move all blocks may be used, for it fits: in the end it gives one back. */
static enum step make_room(struct pp_queue *q)
{
    uint32_t left = q->clean.tight ? 0 : 1;
    if (pp_ring_free_blocks(&q->ring) > left)
        return STEP_ON;
    if (pp_ring_spare_blocks(&q->ring) > left) {
        q->sync_wanted = true;
        return STEP_WAIT;
    }
    return q->clean.tight ? STEP_ON : STEP_IDLE;
}

static void end_copy(struct pp_queue *q)
{
    q->garbage_bytes += q->clean.stored_bytes;
    q->clean.stored_bytes = 0;
    q->clean.id = 0;
}

static enum step give_up(struct pp_queue *q)
{
    end_copy(q);
    q->clean.moving = false;
    q->clean.gave_up_blocks = pp_ring_spare_blocks(&q->ring);
    if (q->clean.gave_up_blocks == 0)
        q->clean.gave_up_blocks = 1;
    return STEP_IDLE;
}

static void note_copied(struct pp_queue *q, uint32_t bytes)
{
    q->clean.stored_bytes += bytes;
    q->clean.moved_bytes += bytes;
}

static enum pp_err copy_stream(struct pp_queue *q, const struct pp_record *record)
{
    uint16_t done = 0;
    while (done < record->len) {
        struct pp_place place;
        uint16_t piece = pp_queue_piece(q, (uint32_t)record->len - done);
        enum pp_err err =
            pp_ring_append(&q->ring, record->type, record->id, q->scratch + done, piece, &place);
        if (err != PP_OK)
            return err;
        if (q->clean.first.lap == 0)
            q->clean.first = place;
        note_copied(q, pp_ring_record_bytes(piece));
        done = (uint16_t)(done + piece);
    }
    return PP_OK;
}

static enum pp_err copy_commit(struct pp_queue *q, const struct pp_record *record)
{
    uint32_t bytes = pp_ring_record_bytes(PP_COMMIT_BYTES);
    if (record->len != PP_COMMIT_BYTES || q->clean.first.lap == 0)
        return PP_ERR_DAMAGED;
    pp_place_put(q->scratch, q->clean.first);
    pp_le32_put(q->scratch + 28, q->clean.stored_bytes + bytes);
    pp_le32_put(q->scratch + 32, q->ring.generation);
    enum pp_err err = pp_ring_append(&q->ring, PP_RECORD_COMMIT, record->id, q->scratch,
                                     PP_COMMIT_BYTES, &q->clean.commit);
    if (err == PP_OK)
        note_copied(q, bytes);
    return err;
}

/* A message that cannot be read to its end, or has lost its envelope, is no more. */
static enum step lose(struct pp_queue *q, struct pp_queue_entry *entry)
{
    end_copy(q);
    pp_queue_forget(q, entry);
    q->messages_damaged++;
    return STEP_ON;
}

/* Copy the next record of the message. One that is damaged is left out: the CRC of the whole,
 * which is kept, will tell whoever reads it. */
static enum step copy_next(struct pp_queue *q, struct pp_queue_entry *entry, struct budget *budget)
{
    struct pp_record record;
    do {
        if (budget->records == 0)
            return STEP_ON;
        spend(budget, 0);
        if (pp_ring_walk(&q->ring, &q->clean.next, &record) != PP_OK ||
            pp_place_before(entry->commit, record.place))
            return lose(q, entry);
    } while (record.id != entry->id || record.type < PP_RECORD_META ||
             record.type > PP_RECORD_COMMIT);
    enum pp_err err = pp_ring_read(&q->ring, record.place, &record, q->scratch, sizeof(q->scratch));
    spend(budget, record.len);
    if (err == PP_OK)
        err = record.type == PP_RECORD_COMMIT ? copy_commit(q, &record) : copy_stream(q, &record);
    if (err == PP_ERR_FULL || q->ring.failed)
        return give_up(q);
    if (err != PP_OK && (record.type == PP_RECORD_COMMIT || q->clean.first.lap == 0))
        return lose(q, entry);
    return STEP_ON;
}

/* ---- its results ---- */

static void restart_results(struct pp_queue *q, const struct pp_queue_entry *entry)
{
    q->clean.recipient = 0;
    q->clean.results = (struct pp_place){0, 0};
    q->clean.replaces = entry->last_result;
}

/* Put the newest replies of the next few recipients; false when the record is full. */
static bool collect_replies(struct pp_queue *q, const struct pp_queue_entry *entry,
                            struct pp_queue_state *state, struct budget *budget)
{
    struct pp_text texts[REPLIES_AT_ONCE];
    char memory[PP_REPLY_MAX];
    uint32_t left = entry->recipient_count - q->clean.recipient;
    uint32_t read = 0;
    uint32_t count = pp_queue_replies(q, entry, q->clean.recipient,
                                      left < REPLIES_AT_ONCE ? left : REPLIES_AT_ONCE, texts,
                                      memory, sizeof(memory), &read);
    for (; read > 0; read--)
        spend(budget, 0);
    for (uint32_t i = 0; i < count; i++) {
        uint16_t recipient = (uint16_t)q->clean.recipient;
        bool kept =
            texts[i].len > 0 && pp_queue_state_outcome(state, recipient) != PP_OUTCOME_DELIVERED;
        if (kept && !pp_queue_state_reply(q, entry, state, recipient, texts[i]))
            return false;
        q->clean.recipient++;
    }
    return true;
}

/* One more RESULT record, as full of replies as it gets. */
static enum pp_err copy_results(struct pp_queue *q, struct pp_queue_entry *entry,
                                struct budget *budget)
{
    struct pp_queue_state state;
    uint32_t bytes;
    enum pp_err err = pp_queue_state_load(q, entry, &state);
    if (err != PP_OK)
        return err;
    while (q->clean.recipient < entry->recipient_count) {
        if (!collect_replies(q, entry, &state, budget))
            break;
    }
    err = pp_queue_state_append(q, entry, &state, q->clean.results, &q->clean.results, &bytes);
    if (err == PP_OK)
        note_copied(q, bytes);
    return err;
}

/* From now on the copy is the message. */
static void take_copy(struct pp_queue *q, struct pp_queue_entry *entry)
{
    pp_queue_group_sub(q, entry->first.lap, entry->stored_bytes);
    entry->first = q->clean.first;
    entry->commit = q->clean.commit;
    entry->last_result = q->clean.results;
    entry->stored_bytes = q->clean.stored_bytes;
    pp_queue_group_add(q, entry->first.lap, entry->stored_bytes);
    q->clean.stored_bytes = 0;
    q->clean.id = 0;
}

static enum step copy_results_next(struct pp_queue *q, struct pp_queue_entry *entry,
                                   struct budget *budget)
{
    if (!pp_place_equal(entry->last_result, q->clean.replaces))
        restart_results(q, entry);
    if (entry->last_result.lap != 0 && q->clean.recipient < entry->recipient_count) {
        enum pp_err err = copy_results(q, entry, budget);
        if (err == PP_ERR_FULL || q->ring.failed)
            return give_up(q);
        if (err == PP_OK)
            return STEP_ON;
        /* Results that cannot be read are lost: better twice than never. */
        entry->open_count = entry->recipient_count;
        entry->failed_count = 0;
    }
    take_copy(q, entry);
    return STEP_ON;
}

/* ---- one message, one block ---- */

static void begin_copy(struct pp_queue *q, const struct pp_queue_entry *entry)
{
    q->clean.id = entry->id;
    q->clean.source = entry->first;
    q->clean.next = entry->first;
    q->clean.first = (struct pp_place){0, 0};
    q->clean.commit = (struct pp_place){0, 0};
    q->clean.stored_bytes = 0;
    restart_results(q, entry);
}

static enum step copy_step(struct pp_queue *q, struct budget *budget)
{
    struct pp_queue_entry *entry = pp_queue_find(q, q->clean.id);
    if (entry == NULL || !pp_place_equal(entry->first, q->clean.source)) {
        end_copy(q);
        return STEP_ON;
    }
    enum step step = make_room(q);
    if (step == STEP_IDLE)
        return give_up(q);
    if (step == STEP_WAIT)
        return step;
    if (q->clean.commit.lap == 0)
        return copy_next(q, entry, budget);
    return copy_results_next(q, entry, budget);
}

enum pp_err pp_queue_copy(struct pp_queue *q, struct pp_queue_entry *entry)
{
    uint32_t id = entry->id;
    uint32_t old_bytes = entry->stored_bytes;
    enum step step = STEP_ON;
    begin_copy(q, entry);
    while (q->clean.id != 0 && step == STEP_ON) {
        struct budget budget = {STEP_RECORDS, STEP_BYTES};
        step = copy_step(q, &budget);
    }
    bool copied = q->clean.id == 0 && pp_queue_find(q, id) == entry;
    if (q->clean.id != 0)
        end_copy(q);
    if (copied)
        q->garbage_bytes += old_bytes;
    if (q->ring.failed)
        return PP_ERR_FLASH;
    return step == STEP_ON ? PP_OK : PP_ERR_FULL;
}

/* All that lives in the block must find room at once, and `bytes` more: until the last has moved
 * nothing is won. */
static bool block_fits(const struct pp_queue *q, uint64_t bytes)
{
    for (uint32_t i = q->clean.cursor; i < q->entry_high_water; i++) {
        if (lives_here(q, &q->entries[i]))
            bytes += q->entries[i].stored_bytes;
    }
    return bytes <= pp_queue_free_bytes(q);
}

static enum step move_entry(struct pp_queue *q, const struct pp_queue_entry *entry)
{
    if (!q->clean.moving) {
        if (!should_move(q))
            return STEP_IDLE;
        bool fits = block_fits(q, pp_queue_block_room(q));
        if (!fits && make_room(q) == STEP_WAIT)
            return STEP_WAIT;
        if (!fits && !block_fits(q, 0))
            return give_up(q);
        q->clean.tight = !fits;
        q->clean.moving = true;
    }
    begin_copy(q, entry);
    return STEP_ON;
}

/* Writers that began in the oldest block keep it, until others are refused for want of room. */
static bool has_writers(struct pp_queue *q)
{
    bool found = false;
    bool evict = pp_ring_spare_blocks(&q->ring) <= pp_queue_blocks_kept(q);
    for (unsigned i = 0; i < q->writer_high_water; i++) {
        struct pp_queue_writer *w = &q->writers[i];
        if (!w->in_use || w->first.lap != q->clean.lap)
            continue;
        if (evict)
            pp_queue_evict(q, w, PP_ERR_FULL);
        else
            found = true;
    }
    return found;
}

/* The newest BOOT record must not go with the block. */
static enum pp_err keep_boot(struct pp_queue *q)
{
    if (q->boot_lap == 0 || q->boot_lap > q->clean.lap)
        return PP_OK;
    return pp_queue_append_boot(q);
}

static enum step drop_block(struct pp_queue *q)
{
    struct pp_queue_clean *c = &q->clean;
    if (keep_boot(q) != PP_OK)
        return STEP_IDLE;
    if (!c->emptied) {
        c->emptied = true;
        c->generation = q->ring.appended_generation;
    }
    if (!pp_ring_is_durable(&q->ring, c->generation)) {
        pp_queue_sync_soon(q);
        return STEP_WAIT;
    }
    if (pp_ring_drop_oldest(&q->ring) != PP_OK)
        return STEP_IDLE;
    /* What was padded meanwhile was counted as garbage, and the next move would pad it again. */
    uint64_t padded = c->moved_bytes > 0 ? q->ring.report.bytes_padded - c->padded_before : 0;
    uint64_t price = c->moved_bytes / MOVED_FOR_GARBAGE + padded;
    uint64_t loose = pp_queue_loose_bytes(q);
    q->garbage_bytes -= price < q->garbage_bytes ? price : q->garbage_bytes;
    if (q->garbage_bytes > loose)
        q->garbage_bytes = loose;
    uint32_t gave_up_blocks = c->gave_up_blocks;
    memset(c, 0, sizeof(*c));
    c->gave_up_blocks = gave_up_blocks;
    pp_queue_sync_soon(q);
    return STEP_ON;
}

/* Messages that ended when there was no room to say so. */
static void write_ends(struct pp_queue *q)
{
    for (uint32_t i = 0; i < q->entry_high_water && q->ended_count > 0; i++) {
        struct pp_queue_entry *entry = &q->entries[i];
        if (!entry->ended)
            continue;
        if (pp_queue_append_end(q, entry) != PP_OK)
            return;
        entry->ended = 0;
        q->ended_count--;
        pp_queue_give_entry(q, entry);
    }
}

static enum step clean_step(struct pp_queue *q, struct budget *budget)
{
    struct pp_queue_clean *c = &q->clean;
    struct pp_ring *ring = &q->ring;
    if (ring->failed || q->unindexed || ring->oldest_lap == ring->head_lap ||
        ring->oldest_lap >= ring->next_lap)
        return STEP_IDLE;
    if (c->lap == 0) {
        c->lap = ring->oldest_lap;
        c->padded_before = ring->report.bytes_padded;
        (void)keep_boot(q); /* early, while there is room; needed when the block is dropped */
    }
    if (c->id != 0)
        return copy_step(q, budget);
    while (c->cursor < q->entry_high_water && !lives_here(q, &q->entries[c->cursor]))
        c->cursor++;
    if (c->cursor < q->entry_high_water) {
        c->emptied = false;
        return move_entry(q, &q->entries[c->cursor]);
    }
    if (has_writers(q)) {
        c->emptied = false;
        c->cursor = 0;
        return STEP_IDLE;
    }
    spend(budget, 0);
    return drop_block(q);
}

bool pp_queue_clean(struct pp_queue *q)
{
    struct budget budget = {STEP_RECORDS, STEP_BYTES};
    if (q->ended_count > 0)
        write_ends(q);
    if (!q->unindexed)
        (void)!pp_queue_note_boot(q);
    while (budget.records > 0 && budget.bytes > 0) {
        if (clean_step(q, &budget) != STEP_ON)
            return false;
    }
    pp_queue_sync_soon(q);
    return true;
}
