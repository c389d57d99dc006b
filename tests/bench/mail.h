/*
 * mail.h - a relay's traffic without the relay: messages in, turns, messages delivered
 *
 * Job:      put a message of some size into a queue, do what a turn of the relay does (clean,
 *           then one sync for all), say that a message was delivered.
 * Not here: what it costs (count_flash.h).
 */
#ifndef PP_BENCH_MAIL_H
#define PP_BENCH_MAIL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "queue/queue.h"

#define MAIL_SENDER         "sender@example.org"
#define MAIL_RECIPIENT      "recipient@example.org"
#define MAIL_ENVELOPE_BYTES (sizeof(MAIL_SENDER) - 1 + sizeof(MAIL_RECIPIENT) - 1)
#define MAIL_PIECE_BYTES    1024u /* as intake hands content on when it is least favourable */
#define MAIL_CLEAN_ROUNDS   8     /* as in src/relay.c */
#define MAIL_IDLE_TURNS     100000

static const struct pp_queue_limits mail_limits = {.message_bytes = 64u << 20, .recipients = 100};

static inline void mail_fail(const char *what_z, enum pp_err err)
{
    (void)fprintf(stderr, "%s: %s\n", what_z, pp_err_text(err));
    exit(2);
}

static inline void mail_mount(struct pp_queue *q, const struct pp_flash *flash)
{
    enum pp_err err = pp_queue_mount(q, flash, &mail_limits);
    if (err != PP_OK)
        mail_fail("mount", err);
}

/* One message of `size` bytes, sealed but not synced; PP_ERR_FULL is the only error returned. */
static inline enum pp_err mail_add(struct pp_queue *q, uint32_t size, uint32_t *id)
{
    static uint8_t piece[MAIL_PIECE_BYTES];
    const struct pp_envelope envelope = {
        .kind = PP_KIND_MESSAGE, .severity = PP_SEVERITY_INFO, .sender = pp_text_z(MAIL_SENDER)};
    struct pp_queue_writer *w;
    struct pp_ticket ticket;
    piece[0]++; /* no two alike */
    enum pp_err err = pp_queue_open(q, &envelope, size, 1800000000, &w);
    if (err == PP_OK) {
        (void)!pp_queue_recipient(q, w, pp_text_z(MAIL_RECIPIENT));
        for (uint32_t done = 0; done < size; done += MAIL_PIECE_BYTES)
            (void)!pp_queue_write(q, w, piece,
                                  size - done < MAIL_PIECE_BYTES ? size - done : MAIL_PIECE_BYTES);
        err = pp_queue_seal(q, w, 0, &ticket);
    }
    if (err != PP_OK && err != PP_ERR_FULL && err != PP_ERR_TOO_BIG)
        mail_fail("a message", err);
    if (err == PP_OK)
        *id = ticket.id;
    return err;
}

/* The message is gone from the index; from flash with the next turn. */
static inline void mail_deliver(struct pp_queue *q, uint32_t id)
{
    const struct pp_result result = {.recipient = 0, .outcome = PP_OUTCOME_DELIVERED};
    enum pp_err err = pp_queue_results(q, id, &result, 1);
    if (err != PP_OK && err != PP_ERR_FULL)
        mail_fail("a result", err);
}

/* As pp_relay_turn(). True when another turn has something to do. */
static inline bool mail_turn(struct pp_queue *q)
{
    bool more = true;
    for (unsigned i = 0; i < MAIL_CLEAN_ROUNDS && more; i++)
        more = pp_queue_clean(q);
    if (!pp_queue_wants_sync(q))
        return more;
    enum pp_err err = pp_queue_sync(q);
    if (err != PP_OK && err != PP_ERR_LATER)
        mail_fail("a sync", err);
    return true;
}

/* Turns until there is nothing to do. */
static inline void mail_idle(struct pp_queue *q)
{
    for (unsigned i = 0; mail_turn(q); i++) {
        if (i == MAIL_IDLE_TURNS)
            mail_fail("cleaning does not end", PP_ERR_STATE);
    }
}

/* A message that is synced, delivered, and its end synced. */
static inline enum pp_err mail_pass(struct pp_queue *q, uint32_t size)
{
    uint32_t id;
    enum pp_err err = mail_add(q, size, &id);
    mail_idle(q);
    if (err != PP_OK)
        return err;
    mail_deliver(q, id);
    mail_idle(q);
    return PP_OK;
}

/*
 * Bytes programmed for each byte of message at the least: message and addresses in whole units, and
 * one unit to say that it is done. No log that syncs both can do with less.
 */
static inline double mail_least(uint32_t unit, uint32_t size)
{
    uint64_t bytes = size + MAIL_ENVELOPE_BYTES;
    uint64_t message_units = (bytes + unit - 1) / unit;
    return (double)((message_units + 1) * unit) / size;
}

#endif
