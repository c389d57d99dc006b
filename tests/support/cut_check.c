/*
 * cut_check.c - what a queue has promised: is it kept?
 *
 * Job:      settle promises, compare a queue that was mounted after a cut with them.
 * Not here: how promises come about (cut_model.c).
 */
#include <string.h>

#include "base/crc32c.h"
#include "queue/record.h"
#include "support/cut_content.h"
#include "support/cut_model.h"

/* ---- settling ---- */

static void settle(const struct cut_model *m, struct cut_promise *p)
{
    const struct pp_ticket ticket = {1, p->generation};
    if (p->given && !p->sure)
        p->sure = pp_queue_ticket(m->queue, &ticket) == PP_TICKET_DURABLE;
}

/* States before the newest sure one cannot be seen any more. */
static void drop_old_states(struct cut_message *msg)
{
    uint32_t first = 0;
    for (uint32_t i = 1; i < msg->states; i++) {
        if (msg->kept[i].sure)
            first = i;
    }
    if (first == 0)
        return;
    msg->states -= first;
    memmove(msg->kept, msg->kept + first, msg->states * sizeof(msg->kept[0]));
    memmove(msg->outcomes, msg->outcomes + (size_t)first * (msg->recipients + 1),
            (size_t)msg->states * (msg->recipients + 1));
}

void cut_settle(struct cut_model *m)
{
    for (uint32_t i = 0; i < m->count && !m->frozen; i++) {
        struct cut_message *msg = &m->messages[i];
        if (msg->id == 0 || msg->gone.sure)
            continue;
        settle(m, &msg->there);
        settle(m, &msg->gone);
        for (uint32_t k = 1; k < msg->states; k++)
            settle(m, &msg->kept[k]);
        drop_old_states(msg);
    }
}

/* ---- reading ---- */

static bool has_recipients(struct pp_queue_reader *r, const struct cut_message *msg)
{
    char want[CUT_ADDRESS_MAX];
    struct pp_text address;
    for (uint32_t i = 0; i < msg->recipients; i++) {
        size_t len = cut_address(msg->number, i, want);
        if (pp_queue_reader_recipient(r, &address) != PP_OK || address.len != len ||
            memcmp(address.p, want, len) != 0)
            return false;
    }
    return pp_queue_reader_recipient(r, &address) == PP_ERR_NOT_FOUND;
}

bool cut_is_whole(struct pp_queue *q, const struct cut_message *msg)
{
    static struct pp_queue_reader r;
    struct pp_envelope e;
    const uint8_t *bytes;
    size_t len = 1;
    uint32_t done = 0;
    if (pp_queue_reader_open(q, msg->id, &r, &e) != PP_OK ||
        !pp_text_equal(e.sender, pp_text_z(CUT_SENDER)) || !has_recipients(&r, msg))
        return false;
    while (len > 0) {
        if (pp_queue_reader_content(&r, &bytes, &len) != PP_OK || len > msg->size_bytes - done ||
            memcmp(bytes, cut_content(msg->number, done), len) != 0)
            return false;
        done += (uint32_t)len;
    }
    return done == msg->size_bytes;
}

/* Outcomes and held into `state`, recipients + 1 bytes; false when they cannot be read. */
static bool read_state(struct pp_queue *q, const struct cut_message *msg, uint8_t *state)
{
    const struct pp_queue_entry *entry = pp_queue_find(q, msg->id);
    if (entry == NULL || entry->recipient_count != msg->recipients ||
        pp_queue_outcomes(q, msg->id, state, msg->recipients) != PP_OK)
        return false;
    state[msg->recipients] = entry->held;
    return true;
}

static uint32_t checksum(const struct cut_message *msg, const uint8_t *state)
{
    return pp_crc32c(0, state, msg->recipients + 1) | 1;
}

uint32_t cut_told(struct pp_queue *q, const struct cut_message *msg)
{
    uint8_t state[CUT_RECIPIENTS_MAX + 1];
    if (!read_state(q, msg, state))
        return 0;
    return checksum(msg, state);
}

/* ---- promises ---- */

static bool may_show(const struct cut_message *msg, const uint8_t *state)
{
    size_t len = msg->recipients + 1;
    for (uint32_t i = 0; i < msg->states; i++) {
        if (memcmp(msg->outcomes + i * len, state, len) == 0)
            return true;
    }
    return false;
}

/* How many recipients the index says are open or have failed follows from the outcomes. */
static bool counts_fit(const struct pp_queue_entry *entry, const uint8_t *state)
{
    uint32_t open = 0;
    uint32_t failed = 0;
    for (uint32_t i = 0; i < entry->recipient_count; i++) {
        open += state[i] == PP_OUTCOME_OPEN;
        failed += state[i] == PP_OUTCOME_FAILED;
    }
    return entry->open_count == open && entry->failed_count == failed;
}

bool cut_may_waver(struct pp_queue *q, const struct cut_message *msg)
{
    const struct pp_queue_entry *entry = pp_queue_find(q, msg->id);
    return !msg->there.sure &&
           !pp_queue_admits_copy(q, entry != NULL ? entry->stored_bytes : msg->size_bytes);
}

/* It is in the index: is that allowed, and is it right? */
static void check_present(struct cut_model *m, struct pp_queue *q, const struct cut_message *msg,
                          const struct pp_queue_entry *entry)
{
    uint8_t state[CUT_RECIPIENTS_MAX + 1];
    if (!msg->sealed)
        cut_problem(m, "message %u is there and was never sealed", msg->id);
    else if (msg->gone.sure)
        cut_problem(m, "message %u came back, its end was durable", msg->id);
    else if (cut_may_waver(q, msg))
        return;
    else if (!cut_is_whole(q, msg))
        cut_problem(m, "message %u is not whole", msg->id);
    else if (!read_state(q, msg, state))
        cut_problem(m, "the outcomes of message %u cannot be read", msg->id);
    else if (!may_show(msg, state))
        cut_problem(m, "message %u shows outcomes that it did not have, or older ones", msg->id);
    else if (!counts_fit(entry, state))
        cut_problem(m, "message %u counts its recipients wrongly", msg->id);
}

void cut_check(struct cut_model *m, struct pp_queue *q)
{
    uint32_t present = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        const struct cut_message *msg = &m->messages[i];
        const struct pp_queue_entry *entry = msg->id != 0 ? pp_queue_find(q, msg->id) : NULL;
        if (entry != NULL) {
            present++;
            check_present(m, q, msg, entry);
        } else if (msg->there.sure && !msg->ended && !msg->revived) {
            cut_problem(m, "message %u is lost, it was durable", msg->id);
        }
    }
    if (present != q->entry_count)
        cut_problem(m, "%u messages are there that nobody handed in", q->entry_count - present);
    if (q->messages_damaged != 0)
        cut_problem(m, "%u messages are called damaged", q->messages_damaged);
}

/* May `now` be told where `told` was: is it a later state? */
static bool may_follow(const struct cut_message *msg, uint32_t told, uint32_t now)
{
    bool found = false;
    for (uint32_t i = 0; i < msg->states && now != told; i++) {
        uint32_t sum = checksum(msg, msg->outcomes + i * (msg->recipients + 1));
        if (found && sum == now)
            return true;
        found = found || sum == told;
    }
    return now == told;
}

void cut_check_again(struct cut_model *m, struct pp_queue *q, const struct cut_message *msg,
                     uint32_t told)
{
    const struct pp_queue_entry *entry = pp_queue_find(q, msg->id);
    if (told == CUT_WAVERS)
        return;
    if (entry == NULL && told != 0 && !msg->ended && !msg->revived)
        cut_problem(m, "message %u was there after the first sync and is lost", msg->id);
    else if (entry != NULL && told == 0 && msg->there.sure)
        cut_problem(m, "message %u was gone after the first sync and is back", msg->id);
    else if (entry != NULL && told == 0)
        check_present(m, q, msg, entry);
    else if (entry != NULL && !cut_is_whole(q, msg))
        cut_problem(m, "message %u was whole after the first sync", msg->id);
    else if (entry != NULL && !may_follow(msg, told, cut_told(q, msg)))
        cut_problem(m, "message %u showed later outcomes after the first sync", msg->id);
}

/* ---- going on ---- */

/*
 * What is shown is promised with the next sync. States behind it, that did not read, may read at a
 * later mount. The newest in the list is what the queue goes on from.
 */
static void adopt_state(struct cut_model *m, struct cut_message *msg, struct cut_promise next_sync)
{
    uint8_t state[CUT_RECIPIENTS_MAX + 1];
    size_t len = msg->recipients + 1;
    if (!read_state(m->queue, msg, state) || msg->states == CUT_STATES_MAX) {
        cut_problem(m, "the outcomes of message %u cannot be followed", msg->id);
        return;
    }
    uint32_t shown = msg->states;
    while (shown > 0 && memcmp(msg->outcomes + (shown - 1) * len, state, len) != 0)
        shown--;
    if (shown > 1)
        msg->kept[shown - 1] = next_sync;
    if (shown < msg->states) {
        msg->kept[msg->states] = (struct cut_promise){false, false, 0};
        memcpy(msg->outcomes + msg->states * len, state, len);
        msg->states++;
    }
}

/* Generations of the life before mean nothing any more. */
static void forget_unsure(struct cut_message *msg)
{
    msg->there.given = msg->there.sure;
    msg->gone.given = false;
    for (uint32_t i = 0; i < msg->states; i++)
        msg->kept[i].given = msg->kept[i].sure;
}

void cut_adopt(struct cut_model *m)
{
    const struct cut_promise next_sync = {true, false, m->queue->ring.generation};
    for (uint32_t i = 0; i < m->count; i++) {
        struct cut_message *msg = &m->messages[i];
        msg->writer = NULL;
        if (msg->id == 0 || msg->gone.sure)
            continue;
        forget_unsure(msg);
        if (pp_queue_find(m->queue, msg->id) == NULL) {
            msg->ended = true;
            if (msg->there.sure)
                msg->gone = next_sync;
            continue;
        }
        msg->revived = msg->revived || msg->ended;
        msg->ended = false;
        if (!msg->there.sure)
            msg->there = next_sync;
        adopt_state(m, msg, next_sync);
    }
}
