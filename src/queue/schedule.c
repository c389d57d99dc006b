/*
 * schedule.c - which message is tried next, and when again
 *
 * Job:      a binary heap of entry indices by due time; each entry knows its place in it.
 * Not here: what failed (delivery/), the backoff of a smarthost (delivery/route.h).
 */
#include "queue/schedule.h"

#include "base/crypto.h"
#include "queue/record.h"

/* How many of the due messages are compared by severity. */
#define LOOK 64u

uint64_t pp_backoff_ms(const struct pp_backoff *backoff, uint32_t failures)
{
    uint64_t longest = backoff->longest_ms < UINT64_MAX / 4 ? backoff->longest_ms : UINT64_MAX / 4;
    uint64_t span = backoff->first_ms < longest ? backoff->first_ms : longest;
    if (failures == 0)
        return 0;
    for (uint32_t i = 1; i < failures && span < longest; i++) {
        if (span == 0)
            break;
        span = span > longest / 2 ? longest : span * 2;
    }
    span = span - span / 4 + pp_random_below(span / 2 + 1);
    return span > 0 ? span : 1;
}

static struct pp_queue_entry *entry_at(const struct pp_schedule *s, uint32_t position)
{
    return &s->queue->entries[s->heap[position]];
}

static pp_time_ms due_at(const struct pp_schedule *s, uint32_t position)
{
    return s->due_ms[s->heap[position]];
}

static void put(struct pp_schedule *s, uint32_t position, uint32_t index)
{
    s->heap[position] = index;
    s->queue->entries[index].heap_index = position;
}

static void sift_up(struct pp_schedule *s, uint32_t position)
{
    uint32_t index = s->heap[position];
    while (position > 0) {
        uint32_t parent = (position - 1) / 2;
        if (s->due_ms[index] >= due_at(s, parent))
            break;
        put(s, position, s->heap[parent]);
        position = parent;
    }
    put(s, position, index);
}

static void sift_down(struct pp_schedule *s, uint32_t position)
{
    uint32_t index = s->heap[position];
    for (;;) {
        uint32_t child = 2 * position + 1;
        if (child + 1 < s->count && due_at(s, child + 1) < due_at(s, child))
            child++;
        if (child >= s->count || due_at(s, child) >= s->due_ms[index])
            break;
        put(s, position, s->heap[child]);
        position = child;
    }
    put(s, position, index);
}

void pp_schedule_init(struct pp_schedule *s, struct pp_queue *queue)
{
    s->queue = queue;
    s->count = 0;
    for (uint32_t i = 0; i < queue->entry_high_water; i++)
        queue->entries[i].heap_valid = 0;
}

static void take_out(struct pp_schedule *s, struct pp_queue_entry *entry)
{
    uint32_t position = entry->heap_index;
    entry->heap_valid = 0;
    s->count--;
    if (position == s->count)
        return;
    put(s, position, s->heap[s->count]);
    sift_up(s, position);
    sift_down(s, position);
}

void pp_schedule_set(struct pp_schedule *s, struct pp_queue_entry *entry, pp_time_ms at_ms)
{
    uint32_t index = pp_queue_index(s->queue, entry);
    if (at_ms == PP_TIME_NEVER) {
        pp_schedule_remove(s, entry);
        return;
    }
    s->due_ms[index] = at_ms;
    if (!entry->heap_valid) {
        entry->heap_valid = 1;
        put(s, s->count++, index);
    }
    sift_up(s, entry->heap_index);
    sift_down(s, entry->heap_index);
}

void pp_schedule_remove(struct pp_schedule *s, struct pp_queue_entry *entry)
{
    if (entry->heap_valid)
        take_out(s, entry);
}

/* The messages that are due form a tree at the top of the heap: look through it level by level. */
static struct pp_queue_entry *most_severe(const struct pp_schedule *s, pp_time_ms now_ms)
{
    uint32_t level[LOOK] = {0};
    uint32_t count = 1;
    uint32_t best = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t position = level[i];
        unsigned severity = entry_at(s, position)->severity;
        unsigned most = entry_at(s, best)->severity;
        if (severity > most || (severity == most && due_at(s, position) < due_at(s, best)))
            best = position;
        for (uint32_t child = 2 * position + 1; child <= 2 * position + 2; child++) {
            if (child < s->count && count < LOOK && due_at(s, child) <= now_ms)
                level[count++] = child;
        }
    }
    return entry_at(s, best);
}

struct pp_queue_entry *pp_schedule_due(struct pp_schedule *s, pp_time_ms now_ms)
{
    while (s->count > 0 && due_at(s, 0) <= now_ms) {
        struct pp_queue_entry *entry = most_severe(s, now_ms);
        if (entry->in_use)
            return entry;
        take_out(s, entry); /* the message ended while it was waiting */
    }
    return NULL;
}

pp_time_ms pp_schedule_next_ms(const struct pp_schedule *s)
{
    return s->count > 0 ? due_at(s, 0) : PP_TIME_NEVER;
}

pp_time_ms pp_schedule_at(const struct pp_schedule *s, const struct pp_queue_entry *entry)
{
    return entry->heap_valid ? s->due_ms[pp_queue_index(s->queue, entry)] : PP_TIME_NEVER;
}
