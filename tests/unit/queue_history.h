/*
 * queue_history.h - what each message of a queue may look like after a power cut
 *
 * Job:      keep, for each message, its newest durable state and each later one that was written;
 *           after a mount one of these must be there, whole; the newest after a clean one.
 * Not here: choosing what to do (test_queue_random.c), the bytes of a message (queue_model.h).
 *
 * A state is durable when a ticket taken as it was written says so. What a mount finds counts as
 * durable only with the first sync after it: until then a cut may bring back any other one.
 */
#ifndef PP_TEST_QUEUE_HISTORY_H
#define PP_TEST_QUEUE_HISTORY_H

#include "queue_model.h"

#define HISTORY_STATES     24
#define HISTORY_RECIPIENTS 48

struct history_state {
    bool there;
    bool held;
    bool dropped; /* a mount did not show it as the newest: a ticket of before says nothing now */
    uint16_t attempts;
    uint32_t generation; /* of the sync that makes it durable */
    uint8_t outcomes[HISTORY_RECIPIENTS];
};

struct history {
    struct model_message message;
    uint16_t attempts; /* as counted in memory; not each is written down */
    uint16_t attempts_most;
    struct pp_place last_result; /* before the operation under way */
    bool end_is_owed;            /* it has ended, and there was no room to write that */
    bool acknowledged;           /* it was durable once */
    unsigned count;
    struct history_state states[HISTORY_STATES]; /* [0] is durable, [count - 1] is newest */
};

static inline struct history_state *history_newest(struct history *h)
{
    return &h->states[h->count - 1];
}

static inline bool history_is_there(struct history *h)
{
    return h->count > 0 && history_newest(h)->there;
}

/* A further state, a copy of the newest one. */
static inline struct history_state *history_push(struct history *h)
{
    assert_true(h->count < HISTORY_STATES);
    h->states[h->count] = h->states[h->count - 1];
    struct history_state *s = &h->states[h->count++];
    s->generation = q.ring.generation;
    s->dropped = false;
    return s;
}

/* A message that was sealed just now: before, it was not there. */
static inline void history_begin(struct history *h)
{
    memset(h->states, 0, 2 * sizeof(h->states[0]));
    h->count = 1;
    h->attempts = 0;
    h->attempts_most = 0;
    h->end_is_owed = false;
    h->acknowledged = false;
    history_push(h)->there = true;
}

/* What cannot be there any more: it may be forgotten. */
static inline bool history_is_over(const struct history *h)
{
    for (unsigned i = 0; i < h->count; i++) {
        if (h->states[i].there || h->end_is_owed)
            return false;
    }
    return true;
}

static inline bool history_is_durable(const struct history *h, const struct history_state *s)
{
    const struct pp_ticket ticket = {h->message.id, s->generation};
    return !s->dropped && pp_queue_ticket(&q, &ticket) == PP_TICKET_DURABLE;
}

/* After anything that may have synced, or written down an end that was owed. */
static inline void history_settle(struct history *h)
{
    if (h->end_is_owed && q.ended_count == 0) {
        h->end_is_owed = false;
        history_newest(h)->generation = q.ring.generation;
    }
    unsigned end = h->count - (h->end_is_owed ? 1 : 0);
    for (unsigned i = end; i > 1; i--) {
        if (!history_is_durable(h, &h->states[i - 1]))
            continue;
        memmove(h->states, &h->states[i - 1], (h->count - i + 1) * sizeof(h->states[0]));
        h->count -= i - 1;
        h->acknowledged |= h->states[0].there;
        return;
    }
}

/* Replies name message and recipient, so that none can be taken for another's. */
static inline size_t history_reply(const struct history *h, uint32_t recipient, size_t len,
                                   char *out, size_t cap)
{
    int head = snprintf(out, cap, "451 m%u r%u;", h->message.number, recipient);
    size_t total = (size_t)head + len < cap ? (size_t)head + len : cap - 1;
    memset(out + head, 'x', total - (size_t)head);
    return total;
}

static inline void history_check_reply(const struct history *h, uint32_t recipient)
{
    char got[500];
    char want[500];
    size_t len;
    size_t head = history_reply(h, recipient, 0, want, sizeof(want));
    assert_int_equal(
        pp_queue_last_reply(&q, h->message.id, (uint16_t)recipient, got, sizeof(got), &len), PP_OK);
    if (len == 0)
        return;
    assert_true(len >= head);
    assert_memory_equal(got, want, head);
}

static inline void history_check_entry(const struct history *h, const struct history_state *s)
{
    const struct pp_queue_entry *entry = pp_queue_find(&q, h->message.id);
    unsigned open = 0;
    unsigned failed = 0;
    for (uint32_t i = 0; i < h->message.recipients; i++) {
        open += s->outcomes[i] == PP_OUTCOME_OPEN;
        failed += s->outcomes[i] == PP_OUTCOME_FAILED;
    }
    assert_int_equal(entry->size_bytes, h->message.size_bytes);
    assert_int_equal(entry->recipient_count, h->message.recipients);
    assert_int_equal(entry->open_count, open);
    assert_int_equal(entry->failed_count, failed);
    assert_int_equal(entry->held, s->held);
}

/* The message as the queue shows it now: whole, and in its newest state. */
static inline void history_check(struct history *h)
{
    const struct history_state *s = history_newest(h);
    const struct pp_queue_entry *entry = pp_queue_find(&q, h->message.id);
    uint8_t outcomes[HISTORY_RECIPIENTS];
    if (!s->there) {
        if (entry != NULL)
            fail_msg("message %u has ended and is there", h->message.id);
        return;
    }
    if (entry == NULL)
        fail_msg("message %u is lost", h->message.id);
    history_check_entry(h, s);
    assert_int_equal(entry->attempts, h->attempts);
    if (!model_is_whole(&h->message))
        fail_msg("message %u is not whole", h->message.id);
    assert_int_equal(pp_queue_outcomes(&q, h->message.id, outcomes, sizeof(outcomes)), PP_OK);
    assert_memory_equal(outcomes, s->outcomes, h->message.recipients);
    for (uint32_t i = 0; i < h->message.recipients; i++)
        history_check_reply(h, i);
}

/* Is this what the mount found? */
static inline bool history_matches(const struct history *h, const struct history_state *s,
                                   const struct pp_queue_entry *entry, const uint8_t *outcomes)
{
    if (entry == NULL || !s->there)
        return (entry == NULL) == !s->there;
    return s->held == entry->held && s->attempts <= entry->attempts &&
           entry->attempts <= h->attempts_most &&
           memcmp(s->outcomes, outcomes, h->message.recipients) == 0;
}

static inline void history_tell(const struct history *h, const struct pp_queue_entry *entry,
                                const uint8_t *outcomes)
{
    (void)fprintf(stderr, "message %u (%u bytes): %s held %d attempts %d of %u, outcomes",
                  h->message.id, h->message.size_bytes, entry != NULL ? "there" : "not there",
                  entry != NULL ? entry->held : 0, entry != NULL ? entry->attempts : 0,
                  h->attempts);
    for (uint32_t i = 0; entry != NULL && i < h->message.recipients; i++)
        (void)fprintf(stderr, " %u", outcomes[i]);
    for (unsigned k = 0; k < h->count; k++) {
        const struct history_state *s = &h->states[k];
        (void)fprintf(stderr, "\n  may be: %s held %d attempts %u, outcomes",
                      s->there ? "there" : "not there", s->held, s->attempts);
        for (uint32_t i = 0; s->there && i < h->message.recipients; i++)
            (void)fprintf(stderr, " %u", s->outcomes[i]);
    }
    (void)fprintf(stderr, "\n");
}

/*
 * After a mount: one of the states is there. It is the newest from now on; with `clean` it has
 * to be the newest already. The older ones may still come back until the next sync.
 */
static inline void history_follow(struct history *h, bool clean)
{
    const struct pp_queue_entry *entry = pp_queue_find(&q, h->message.id);
    uint8_t outcomes[HISTORY_RECIPIENTS];
    unsigned k = h->count;
    if (entry != NULL) {
        assert_int_equal(entry->recipient_count, h->message.recipients);
        assert_int_equal(pp_queue_outcomes(&q, h->message.id, outcomes, sizeof(outcomes)), PP_OK);
    }
    while (k > 0 && !history_matches(h, &h->states[k - 1], entry, outcomes))
        k--;
    if (k == 0 || (clean && k < h->count && !h->end_is_owed)) {
        history_tell(h, entry, outcomes);
        fail_msg("message %u is in a state that it was not in", h->message.id);
    }
    struct history_state found = h->states[k - 1];
    for (unsigned i = 1; i < h->count; i++)
        h->states[i].dropped = true;
    if (k == h->count && h->count > 1)
        h->count--;
    *history_push(h) = found;
    history_newest(h)->generation = q.ring.generation;
    history_newest(h)->dropped = false;
    h->end_is_owed = false;
    if (entry != NULL) {
        h->attempts = entry->attempts;
        history_newest(h)->attempts = entry->attempts;
    }
    history_check(h);
}

#endif
