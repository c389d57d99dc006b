/*
 * schedule.h - which message is tried next, and when again
 *
 * Job:      a heap of due times over the queue's entries; the most severe first among those
 *           that are due; the backoff: exponential, with jitter.
 * Not here: the backoff of a whole smarthost (delivery/route.h uses pp_backoff_ms).
 */
#ifndef PP_QUEUE_SCHEDULE_H
#define PP_QUEUE_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"
#include "queue/queue.h"

struct pp_backoff {
    uint64_t first_ms;
    uint64_t longest_ms;
};

/* first * 2^(failures-1), at most longest, then jittered to 75..125 % (never below 1 ms) so that a
 * fleet does not come back in step (RFC 5321 4.5.4.1). `failures` from 1; 0 gives 0. */
uint64_t pp_backoff_ms(const struct pp_backoff *backoff, uint32_t failures);

struct pp_schedule {
    struct pp_queue *queue;
    uint32_t heap[PP_QUEUE_MESSAGES];     /* entry indices, by due time */
    pp_time_ms due_ms[PP_QUEUE_MESSAGES]; /* by entry index */
    uint32_t count;
};

void pp_schedule_init(struct pp_schedule *s, struct pp_queue *queue);
/* Put or move a message: due at `at_ms`. PP_TIME_NEVER takes it out (held, failed, being
 * delivered). */
void pp_schedule_set(struct pp_schedule *s, struct pp_queue_entry *entry, pp_time_ms at_ms);
void pp_schedule_remove(struct pp_schedule *s, struct pp_queue_entry *entry);
/* The entry to try at `now_ms`: among the due ones (up to a bounded look) the most severe, then the
 * one longest due; NULL when none is due. It stays in the heap until set or removed. */
struct pp_queue_entry *pp_schedule_due(struct pp_schedule *s, pp_time_ms now_ms);
/* Instant at which the next one is due, or PP_TIME_NEVER. */
pp_time_ms pp_schedule_next_ms(const struct pp_schedule *s);
pp_time_ms pp_schedule_at(const struct pp_schedule *s, const struct pp_queue_entry *entry);

#endif
