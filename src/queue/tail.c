/*
 * tail.c - the end of the log, written again at mount
 *
 * Job:      tell which records may not have been synced when the power went, and write again
 *           what they say that still counts.
 * Not here: replaying the log (replay.c), copying a message (clean.c).
 *
 * A program that the power cut off leaves bits that read well today and otherwise tomorrow. What
 * was not synced is promised to nobody; but once this mount has shown it, it is to stay. So
 * messages that came in there are copied, results and ends are said once more, and the first
 * sync makes that durable. Nothing is given back before (clean.c).
 *
 * The other way is left open: a message that no sender was told of and that did not read at this
 * mount may read at a later one, and is then there, whole; so may an end or an outcome. Each
 * is true: it was written so, and what was appended since still comes after it. But then it
 * may waver for as long as it is in the log: so each BOOT record says where the tail of its
 * mount was, and what is found there later is in doubt as it was then.
 *
 * A record of generation n was appended after sync n - 1 was begun, and that after sync n - 2
 * was done: so from the newest generation on record, all but the last two are durable.
 */
#include "base/bytes.h"
#include "queue/record.h"

#define KNOWN  3u
#define GONE   64u
#define FORMER 8u
/* A copy of what the power may have cut off is tried so often. */
#define COPIES 4u

void pp_queue_note_generation(struct pp_queue_generations *g, uint32_t generation,
                              struct pp_place end)
{
    if (generation > g->known[0].generation) {
        for (unsigned i = KNOWN - 1; i > 0; i--)
            g->known[i] = g->known[i - 1];
        g->known[0].generation = generation;
    }
    if (generation == g->known[0].generation)
        g->known[0].end = end;
}

void pp_queue_note_gone(struct pp_queue_generations *g, const struct pp_record *record)
{
    uint32_t count = g->gone_count < GONE ? g->gone_count : GONE;
    uint32_t slot = 0;
    /* What each mount says again takes one place, not one more a mount. */
    while (slot < count && g->gone[slot].id != record->id)
        slot++;
    if (slot == count)
        slot = g->gone_count++ % GONE;
    g->gone[slot].id = record->id;
    g->gone[slot].place = record->place;
}

struct pp_place pp_queue_tail(const struct pp_queue_generations *g)
{
    for (unsigned i = 1; i < KNOWN; i++) {
        if (g->known[i].generation + 2 <= g->known[0].generation)
            return g->known[i].end;
    }
    return (struct pp_place){0, 0};
}

void pp_queue_note_former_tail(struct pp_queue_generations *g, struct pp_place from,
                               uint32_t end_lap)
{
    uint32_t slot = g->former_count;
    /* Mounts in a row have tails that overlap; when there are too many, one for the newest two. */
    if (slot > 0 && (slot == FORMER ||
                     !pp_place_before((struct pp_place){g->former[slot - 1].end_lap, 0}, from)))
        slot--;
    else
        g->former[g->former_count++].from = from;
    if (pp_place_before(from, g->former[slot].from))
        g->former[slot].from = from;
    g->former[slot].end_lap = end_lap;
}

bool pp_queue_is_in_doubt(const struct pp_queue_generations *g, struct pp_place place)
{
    bool doubtful = !pp_place_before(place, pp_queue_tail(g));
    for (uint32_t i = 0; i < g->former_count && !doubtful; i++)
        doubtful = !pp_place_before(place, g->former[i].from) && place.lap < g->former[i].end_lap;
    return doubtful;
}

/* May `len` bytes more be written? The BOOT record of this mount takes a block in any case. */
static bool has_room(const struct pp_queue *q, uint32_t len)
{
    if (!pp_queue_is_short(q))
        return true;
    if (q->ring.head_lap == 0)
        return pp_ring_spare_blocks(&q->ring) > 1;
    return pp_ring_room(&q->ring) > len;
}

void pp_queue_go_back(struct pp_queue *q, const struct pp_queue_generations *g)
{
    /* With room enough the log goes forward: each block has its turn. */
    if (pp_queue_is_tight(q) && g->counting_lap != 0 && g->counting_lap + 1 < q->ring.next_lap)
        pp_ring_go_back(&q->ring, g->counting_lap + 1);
}

/* Ends are said again from memory: the records may already read otherwise. */
static enum pp_err rewrite_ends(struct pp_queue *q, const struct pp_queue_generations *g)
{
    uint32_t count = g->gone_count < GONE ? g->gone_count : GONE;
    for (uint32_t i = 0; i < count; i++) {
        const struct pp_queue_entry entry = {.id = g->gone[i].id};
        if (!pp_queue_is_in_doubt(g, g->gone[i].place) || pp_queue_find(q, entry.id) != NULL ||
            !has_room(q, 0))
            continue;
        enum pp_err err = pp_queue_append_gone(q, &entry);
        if (err != PP_OK)
            return err == PP_ERR_FLASH ? err : PP_OK;
    }
    return PP_OK;
}

/* Make sure of each message's newest result while nothing is appended yet. */
static void check_results(struct pp_queue *q, const struct pp_queue_generations *g)
{
    struct pp_queue_entry *entry;
    struct pp_queue_state state;
    uint32_t cursor = 0;
    uint32_t damaged = q->ring.report.records_damaged;
    while ((entry = pp_queue_next(q, &cursor)) != NULL) {
        if (pp_queue_is_in_doubt(g, entry->last_result))
            (void)!pp_queue_state_load(q, entry, &state);
    }
    q->ring.report.records_damaged = damaged; /* torn is not damaged */
}

/* One that reads well now and does not the next time is let go for the one before it. */
static enum pp_err rewrite_result(struct pp_queue *q, struct pp_queue_entry *entry)
{
    struct pp_record record;
    struct pp_place place;
    while (entry->last_result.lap != 0 && pp_ring_read(&q->ring, entry->last_result, &record,
                                                       q->scratch, sizeof(q->scratch)) != PP_OK)
        pp_queue_state_step_back(q, entry);
    if (entry->last_result.lap == 0 || !has_room(q, record.len) ||
        !pp_queue_state_apply(entry, q->scratch, record.len))
        return PP_OK;
    enum pp_err err =
        pp_ring_append(&q->ring, record.type, entry->id, q->scratch, record.len, &place);
    if (err != PP_OK)
        return err == PP_ERR_FLASH ? err : PP_OK;
    uint32_t bytes = pp_ring_record_bytes(record.len);
    entry->last_result = place;
    entry->stored_bytes += bytes;
    q->garbage_bytes += bytes;
    pp_queue_group_add(q, entry->first.lap, bytes);
    return PP_OK;
}

/* No good copy was made, and perhaps the message was taken for lost: it stays where it is, or where
 * another copy of it is whole. False when there is none. */
static bool take_back(struct pp_queue *q, struct pp_queue_entry **entry,
                      const struct pp_queue_entry *before)
{
    if (pp_queue_find(q, before->id) != NULL)
        pp_queue_forget(q, *entry);
    *entry = pp_queue_take_entry(q);
    if (*entry == NULL)
        return false;
    **entry = *before;
    if (!pp_queue_is_whole(q, *entry) && !pp_queue_other_copy(q, *entry)) {
        pp_queue_give_entry(q, *entry);
        return false;
    }
    if (pp_queue_enter(q, *entry) != PP_OK)
        return false;
    pp_queue_group_add(q, (*entry)->first.lap, (*entry)->stored_bytes);
    q->garbage_bytes -=
        before->stored_bytes < q->garbage_bytes ? before->stored_bytes : q->garbage_bytes;
    return true;
}

/*
 * Bits between two levels may spoil one copy and not the next: tried again while the message itself
 * reads well. PP_ERR_DAMAGED: it does not any more.
 */
static enum pp_err copy_whole(struct pp_queue *q, struct pp_queue_entry *entry)
{
    const struct pp_queue_entry before = *entry;
    uint32_t damaged = q->messages_damaged;
    for (unsigned tries = 0; tries < COPIES; tries++) {
        if (!pp_queue_admits_copy(q, entry->stored_bytes))
            return PP_OK;
        enum pp_err err = pp_queue_copy(q, entry);
        if (err != PP_OK)
            return err == PP_ERR_FLASH ? err : PP_OK;
        if (pp_queue_find(q, before.id) == entry && pp_queue_is_whole(q, entry))
            return PP_OK;
        q->messages_damaged = damaged;
        if (!take_back(q, &entry, &before))
            return PP_ERR_DAMAGED;
    }
    return PP_OK;
}

static enum pp_err rewrite_message(struct pp_queue *q, struct pp_queue_entry *entry)
{
    const struct pp_queue_entry gone = {.id = entry->id};
    enum pp_err err = copy_whole(q, entry);
    if (err != PP_ERR_DAMAGED)
        return err;
    /* It read well a moment ago, but was never surely there. */
    q->messages_torn++;
    err = pp_queue_append_gone(q, &gone);
    return err == PP_ERR_FLASH ? err : PP_OK;
}

enum pp_err pp_queue_rewrite_tail(struct pp_queue *q, const struct pp_queue_generations *g,
                                  uint32_t end_lap)
{
    struct pp_queue_entry *entry;
    uint32_t cursor = 0;
    check_results(q, g);
    enum pp_err err = rewrite_ends(q, g);
    while (err == PP_OK && (entry = pp_queue_next(q, &cursor)) != NULL) {
        /* The result first: a copy of the message would read it again, and it may waver. */
        if (entry->last_result.lap != 0 && entry->last_result.lap < end_lap &&
            pp_queue_is_in_doubt(g, entry->last_result))
            err = rewrite_result(q, entry);
        if (err == PP_OK && entry->commit.lap < end_lap && pp_queue_is_in_doubt(g, entry->commit))
            err = rewrite_message(q, entry);
    }
    return err;
}
