/*
 * queue_model.h - a queue over a flash in memory, and what ought to be in it
 *
 * Job:      each message is made from a number, so it can be checked byte for byte; the model
 *           remembers which are queued and what became of their recipients.
 */
#ifndef PP_TEST_QUEUE_MODEL_H
#define PP_TEST_QUEUE_MODEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "queue/queue.h"
#include "support/ram_flash.h"

#define MODEL_MESSAGES 4096

struct ram_geometry {
    uint32_t unit, page, block, count;
    uint8_t erased;
};

enum model_state { MODEL_NONE, MODEL_QUEUED, MODEL_GONE };

struct model_message {
    uint32_t id;
    uint32_t number; /* what its bytes are made from */
    uint32_t size_bytes;
    uint32_t recipients;
    enum model_state state;
    bool gone_sure;  /* its end was synced */
    bool there_sure; /* it was synced */
    uint8_t outcomes[1000];
};

struct model {
    struct ram_flash flash;
    struct pp_queue_limits limits;
    struct model_message *messages;
    size_t count;
    uint32_t next_number;
    struct pp_ticket ticket; /* of the newest */
};

static struct pp_queue q;

static inline void model_init(struct model *m, const struct ram_geometry *g)
{
    memset(m, 0, sizeof(*m));
    ram_flash_init(&m->flash, g->unit, g->page, g->block, g->count, g->erased);
    m->messages = calloc(MODEL_MESSAGES, sizeof(*m->messages));
    m->limits = (struct pp_queue_limits){.message_bytes = 1u << 24, .recipients = 1000};
    assert_int_equal(pp_queue_mount(&q, &m->flash.flash, &m->limits), PP_OK);
}

static inline void model_free(struct model *m)
{
    assert_int_equal(m->flash.rules_broken, 0);
    ram_flash_free(&m->flash);
    free(m->messages);
}

/* Forget what is done for sure: room for more. */
static inline void model_compact(struct model *m)
{
    size_t kept = 0;
    for (size_t i = 0; i < m->count; i++) {
        if (!m->messages[i].gone_sure)
            m->messages[kept++] = m->messages[i];
    }
    m->count = kept;
}

static inline uint8_t model_byte(const struct model_message *msg, size_t at)
{
    return (uint8_t)(msg->number * 31 + at * 7 + at / 251);
}

static inline size_t model_address(const struct model_message *msg, uint32_t i, char *out,
                                   size_t cap)
{
    return (size_t)snprintf(out, cap, "r%u.%u%s@example.org", msg->number, i,
                            i % 7 == 3 ? "-somewhat-longer-than-the-others" : "");
}

static inline enum pp_err model_put(struct model_message *msg, struct pp_queue_writer *w)
{
    enum pp_err err = PP_OK;
    char address[100];
    uint8_t piece[3000];
    for (uint32_t i = 0; i < msg->recipients && err == PP_OK; i++) {
        size_t len = model_address(msg, i, address, sizeof(address));
        err = pp_queue_recipient(&q, w, pp_text_n(address, len));
    }
    for (size_t done = 0; done < msg->size_bytes && err == PP_OK;) {
        size_t take = 1 + (msg->number * 613 + done) % sizeof(piece);
        if (take > msg->size_bytes - done)
            take = msg->size_bytes - done;
        for (size_t i = 0; i < take; i++)
            piece[i] = model_byte(msg, done + i);
        err = pp_queue_write(&q, w, piece, take);
        done += take;
    }
    return err;
}

static inline enum pp_err model_add_severity(struct model *m, uint32_t size_bytes,
                                             uint32_t recipients, enum pp_severity severity)
{
    struct pp_queue_writer *w;
    struct pp_envelope e = {.kind = PP_KIND_MESSAGE,
                            .severity = severity,
                            .sender = pp_text_z("sender@example.org"),
                            .origin = pp_text_z("test")};
    if (m->count == MODEL_MESSAGES)
        model_compact(m);
    struct model_message *msg = &m->messages[m->count];
    memset(msg, 0, sizeof(*msg));
    msg->number = m->next_number++;
    msg->size_bytes = size_bytes;
    msg->recipients = recipients;
    enum pp_err err = pp_queue_open(&q, &e, size_bytes, 1000, &w);
    if (err != PP_OK)
        return err;
    /* A write that failed says so again when the message is sealed. */
    (void)!model_put(msg, w);
    err = pp_queue_seal(&q, w, 0, &m->ticket);
    if (err != PP_OK)
        return err;
    msg->id = m->ticket.id;
    msg->state = MODEL_QUEUED;
    m->count++;
    return PP_OK;
}

static inline enum pp_err model_add(struct model *m, uint32_t size_bytes, uint32_t recipients)
{
    return model_add_severity(m, size_bytes, recipients, PP_SEVERITY_INFO);
}

static inline struct model_message *model_find(struct model *m, uint32_t id)
{
    for (size_t i = m->count; i > 0; i--) {
        if (m->messages[i - 1].id == id)
            return &m->messages[i - 1];
    }
    return NULL;
}

/* One result; the model follows when it was kept. */
static inline void model_sync(struct model *m);

/* As a turn of the relay. */
static inline void model_turn(struct model *m)
{
    model_sync(m);
    for (int i = 0; i < 8 && pp_queue_clean(&q); i++) {
    }
}

static inline enum pp_err model_result(struct model *m, uint32_t id, uint16_t recipient,
                                       enum pp_outcome outcome)
{
    struct model_message *msg = model_find(m, id);
    const struct pp_result result = {recipient, outcome, {"the server said so", 18}};
    enum pp_err err = pp_queue_results(&q, id, &result, 1);
    /* Without room for its end it is remembered, and written when cleaning has made room. */
    bool ended = err == PP_ERR_FULL && pp_queue_find(&q, id) == NULL;
    if (err != PP_OK && !ended)
        return err;
    if (msg->outcomes[recipient] != PP_OUTCOME_DELIVERED)
        msg->outcomes[recipient] = (uint8_t)outcome;
    if (pp_queue_find(&q, id) == NULL)
        msg->state = MODEL_GONE;
    return PP_OK;
}

/* A block that was emptied is given back behind the next sync: then there is room. */
static inline enum pp_err model_settle(struct model *m, uint32_t id, uint16_t recipient)
{
    enum pp_err err = model_result(m, id, recipient, PP_OUTCOME_DELIVERED);
    for (int turn = 0; turn < 4 && err == PP_ERR_FULL; turn++) {
        model_turn(m);
        err = model_result(m, id, recipient, PP_OUTCOME_DELIVERED);
    }
    return err;
}

static inline void model_finish(struct model *m, uint32_t id)
{
    struct model_message *msg = model_find(m, id);
    for (uint16_t i = 0; i < msg->recipients; i++)
        assert_int_equal(model_settle(m, id, i), PP_OK);
    assert_null(pp_queue_find(&q, id));
}

static inline void model_synced(struct model *m)
{
    for (size_t i = 0; i < m->count; i++) {
        m->messages[i].there_sure = true;
        m->messages[i].gone_sure |= m->messages[i].state == MODEL_GONE && q.ended_count == 0;
    }
}

static inline void model_sync(struct model *m)
{
    enum pp_err err;
    do
        err = pp_queue_sync(&q);
    while (err == PP_ERR_LATER);
    assert_int_equal(err, PP_OK);
    model_synced(m);
}

/* Cleaning until it rests. */
static inline void model_clean(struct model *m)
{
    for (int i = 0; i < 10000; i++) {
        bool more = pp_queue_clean(&q);
        if (!more && !pp_queue_wants_sync(&q))
            return;
        if (pp_queue_wants_sync(&q))
            model_sync(m);
    }
    fail_msg("cleaning does not come to rest");
}

static inline void model_remount(struct model *m)
{
    model_sync(m);
    assert_int_equal(pp_queue_mount(&q, &m->flash.flash, &m->limits), PP_OK);
}

static inline void model_check_address(const struct model_message *msg, uint32_t i,
                                       struct pp_text address)
{
    char want[100];
    size_t len = model_address(msg, i, want, sizeof(want));
    assert_int_equal(address.len, len);
    assert_memory_equal(address.p, want, len);
}

static inline bool model_is_content(const struct model_message *msg, size_t at,
                                    const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (at + i >= msg->size_bytes || bytes[i] != model_byte(msg, at + i))
            return false;
    }
    return true;
}

/* True when it can be read to its end; then what was read must be right. */
static inline bool model_is_whole(const struct model_message *msg)
{
    static struct pp_queue_reader r;
    struct pp_envelope e;
    struct pp_text address;
    const uint8_t *bytes;
    size_t len = 1;
    size_t done = 0;
    bool right = true;
    if (pp_queue_reader_open(&q, msg->id, &r, &e) != PP_OK)
        return false;
    assert_true(pp_text_equal(e.sender, pp_text_z("sender@example.org")));
    for (uint32_t i = 0; i < msg->recipients; i++) {
        if (pp_queue_reader_recipient(&r, &address) != PP_OK)
            return false;
        model_check_address(msg, i, address);
    }
    while (len > 0) {
        if (pp_queue_reader_content(&r, &bytes, &len) != PP_OK)
            return false;
        right = right && model_is_content(msg, done, bytes, len);
        done += len;
    }
    assert_true(right);
    assert_int_equal(done, msg->size_bytes);
    return true;
}

static inline void model_check_message(const struct model_message *msg)
{
    uint8_t outcomes[1000];
    struct pp_queue_entry *entry = pp_queue_find(&q, msg->id);
    if (entry == NULL)
        fail_msg("message %u is lost", msg->id);
    assert_int_equal(entry->size_bytes, msg->size_bytes);
    assert_int_equal(entry->recipient_count, msg->recipients);
    if (!model_is_whole(msg))
        fail_msg("message %u is damaged", msg->id);
    assert_int_equal(pp_queue_outcomes(&q, msg->id, outcomes, sizeof(outcomes)), PP_OK);
    assert_memory_equal(outcomes, msg->outcomes, msg->recipients);
}

/* All that is queued is there, whole, with its outcomes; nothing else is. */
static inline void model_check(struct model *m)
{
    size_t queued = 0;
    for (size_t i = 0; i < m->count; i++) {
        if (m->messages[i].state == MODEL_QUEUED) {
            model_check_message(&m->messages[i]);
            queued++;
        } else {
            assert_null(pp_queue_find(&q, m->messages[i].id));
        }
    }
    assert_int_equal(q.entry_count, queued);
}

#endif
