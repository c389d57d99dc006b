/*
 * cut_model.c - what a queue has promised: handing in mail and results
 *
 * Job:      each call of the queue with a note before it, what may happen, and one behind it, what
 *           was promised.
 * Not here: checking promises (cut_check.c).
 */
#include "support/cut_model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/cut_content.h"

void cut_problem(struct cut_model *m, const char *format, ...)
{
    va_list args;
    if (m->broken)
        return;
    m->broken = true;
    va_start(args, format);
    (void)vsnprintf(m->problem, sizeof(m->problem), format, args);
    va_end(args);
}

void cut_model_init(struct cut_model *m, struct pp_queue *queue, uint32_t cap,
                    uint32_t first_number)
{
    memset(m, 0, sizeof(*m));
    m->queue = queue;
    m->cap = cap;
    m->first_number = first_number;
    m->messages = calloc(m->cap, sizeof(*m->messages));
    if (m->messages == NULL)
        abort();
}

void cut_model_free(struct cut_model *m)
{
    for (uint32_t i = 0; i < m->count; i++)
        free(m->messages[i].outcomes);
    free(m->messages);
}

static void promise(const struct cut_model *m, struct cut_promise *p)
{
    p->given = true;
    p->generation = m->queue->ring.generation;
}

/* ---- taking in ---- */

static enum pp_err put_recipients(struct cut_model *m, struct cut_message *msg)
{
    char address[CUT_ADDRESS_MAX];
    enum pp_err err = PP_OK;
    for (uint32_t i = 0; i < msg->recipients && err == PP_OK; i++) {
        size_t len = cut_address(msg->number, i, address);
        err = pp_queue_recipient(m->queue, msg->writer, pp_text_n(address, len));
    }
    return err;
}

/* An id is never used twice; but one that nobody was promised may be. */
static void take_id(struct cut_model *m, struct cut_message *msg)
{
    msg->id = msg->writer->id;
    for (uint32_t i = 0; i < m->count; i++) {
        if (m->messages[i].id != msg->id)
            continue;
        if (m->messages[i].there.sure)
            cut_problem(m, "id %u is used twice", msg->id);
        m->messages[i].id = 0;
    }
}

struct cut_message *cut_open(struct cut_model *m, uint32_t size_bytes, uint32_t recipients,
                             enum pp_severity severity)
{
    const struct pp_envelope e = {.kind = PP_KIND_MESSAGE,
                                  .severity = severity,
                                  .sender = pp_text_z(CUT_SENDER),
                                  .origin = pp_text_z("test")};
    if (m->count == m->cap)
        abort();
    struct cut_message *msg = &m->messages[m->count];
    *msg = (struct cut_message){
        .number = m->first_number + m->count, .size_bytes = size_bytes, .recipients = recipients};
    enum pp_err err = pp_queue_open(m->queue, &e, size_bytes, 1000, &msg->writer);
    if (err != PP_OK) {
        if (err != PP_ERR_FULL && err != PP_ERR_TOO_BIG)
            cut_problem(m, "open says %s", pp_err_text(err));
        return NULL;
    }
    msg->outcomes = calloc(CUT_STATES_MAX, recipients + 1);
    if (msg->outcomes == NULL)
        abort();
    take_id(m, msg);
    m->count++;
    (void)!put_recipients(m, msg); /* what went wrong is said again when it is sealed */
    return msg;
}

void cut_write(struct cut_model *m, struct cut_message *msg, uint32_t len)
{
    uint32_t left = msg->size_bytes - msg->done_bytes;
    uint32_t take = len < left ? len : left;
    (void)!pp_queue_write(m->queue, msg->writer, cut_content(msg->number, msg->done_bytes), take);
    msg->done_bytes += take;
}

bool cut_seal(struct cut_model *m, struct cut_message *msg)
{
    struct pp_ticket ticket;
    while (msg->done_bytes < msg->size_bytes)
        cut_write(m, msg, 1 + (msg->number * 613 + msg->done_bytes) % 3000);
    msg->sealed = true;
    msg->states = 1;
    enum pp_err err = pp_queue_seal(m->queue, msg->writer, 0, &ticket);
    msg->writer = NULL;
    if (err == PP_OK) {
        msg->there = (struct cut_promise){.given = true, .generation = ticket.generation};
        return true;
    }
    if (err != PP_ERR_FULL)
        cut_problem(m, "seal says %s", pp_err_text(err));
    msg->sealed = false;
    return false;
}

void cut_abort(struct cut_model *m, struct cut_message *msg)
{
    pp_queue_abort(m->queue, msg->writer);
    msg->writer = NULL;
}

/* ---- results ---- */

static uint8_t *state_at(const struct cut_message *msg, uint32_t i)
{
    return msg->outcomes + (size_t)i * (msg->recipients + 1);
}

/* Add a state like the newest, for the call to change; states that nobody may see any more go. */
static uint8_t *begin_state(struct cut_model *m, struct cut_message *msg)
{
    if (msg->states == CUT_STATES_MAX)
        cut_settle(m);
    if (msg->states == CUT_STATES_MAX)
        abort();
    uint8_t *state = state_at(msg, msg->states);
    memcpy(state, state_at(msg, msg->states - 1), msg->recipients + 1);
    msg->kept[msg->states] = (struct cut_promise){false, false, 0};
    msg->states++;
    return state;
}

/* The call returned. */
static void end_state(struct cut_model *m, struct cut_message *msg, enum pp_err err,
                      const char *call)
{
    uint32_t last = msg->states - 1;
    if (err != PP_OK)
        cut_problem(m, "%s of message %u says %s", call, msg->id, pp_err_text(err));
    if (memcmp(state_at(msg, last), state_at(msg, last - 1), msg->recipients + 1) == 0)
        msg->states--;
    else
        promise(m, &msg->kept[last]);
}

/* The call was to end the message. When there was no room to say so, that comes with a later sync.
 */
static void end_message(struct cut_model *m, struct cut_message *msg, enum pp_err err,
                        const char *call)
{
    if (err == PP_OK)
        promise(m, &msg->gone);
    else if (err != PP_ERR_FULL)
        cut_problem(m, "%s of message %u says %s", call, msg->id, pp_err_text(err));
    if (pp_queue_find(m->queue, msg->id) != NULL)
        cut_problem(m, "message %u is still there after %s", msg->id, call);
}

static bool all_delivered(const struct cut_message *msg, const uint8_t *state)
{
    for (uint32_t i = 0; i < msg->recipients; i++) {
        if (state[i] != PP_OUTCOME_DELIVERED)
            return false;
    }
    return true;
}

void cut_results(struct cut_model *m, struct cut_message *msg, uint32_t from, uint32_t to,
                 enum pp_outcome outcome)
{
    static const char reply[] = "250 2.0.0 the server said so, in as many words as servers use";
    struct pp_result results[CUT_RECIPIENTS_MAX];
    uint8_t *state = begin_state(m, msg);
    for (uint32_t i = from; i < to; i++) {
        results[i - from] =
            (struct pp_result){(uint16_t)i, outcome, {reply, 10 + i % (sizeof(reply) - 10)}};
        if (state[i] != PP_OUTCOME_DELIVERED)
            state[i] = (uint8_t)outcome;
    }
    msg->ended = all_delivered(msg, state);
    enum pp_err err = pp_queue_results(m->queue, msg->id, results, to - from);
    if (msg->ended)
        end_message(m, msg, err, "results");
    else
        end_state(m, msg, err, "results");
}

void cut_hold(struct cut_model *m, struct cut_message *msg, bool held)
{
    begin_state(m, msg)[msg->recipients] = held;
    end_state(m, msg, pp_queue_hold(m->queue, msg->id, held), "hold");
}

void cut_requeue(struct cut_model *m, struct cut_message *msg)
{
    uint8_t *state = begin_state(m, msg);
    for (uint32_t i = 0; i < msg->recipients; i++) {
        if (state[i] == PP_OUTCOME_FAILED)
            state[i] = PP_OUTCOME_OPEN;
    }
    end_state(m, msg, pp_queue_requeue(m->queue, msg->id), "requeue");
}

void cut_remove(struct cut_model *m, struct cut_message *msg)
{
    msg->ended = true;
    enum pp_err err = pp_queue_remove(m->queue, msg->id);
    if (err == PP_ERR_FULL) {
        msg->ended = false; /* it stays */
        return;
    }
    end_message(m, msg, err, "remove");
}

/* ---- what there is ---- */

static bool waits(const struct cut_message *msg)
{
    return msg->id != 0 && msg->sealed && msg->writer == NULL && !msg->ended;
}

uint32_t cut_waiting_count(const struct cut_model *m)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->count; i++)
        count += waits(&m->messages[i]);
    return count;
}

struct cut_message *cut_waiting(const struct cut_model *m, uint64_t which)
{
    uint32_t count = cut_waiting_count(m);
    if (count == 0)
        return NULL;
    which %= count;
    for (uint32_t i = 0; i < m->count; i++) {
        if (waits(&m->messages[i]) && which-- == 0)
            return &m->messages[i];
    }
    return NULL;
}

void cut_synced(struct cut_model *m)
{
    for (uint32_t i = 0; i < m->count && m->queue->ended_count == 0; i++) {
        struct cut_message *msg = &m->messages[i];
        if (msg->ended && !msg->gone.given)
            promise(m, &msg->gone);
    }
}
