/*
 * cut_model.h - what a queue has promised, at any instant
 *
 * Job:      hand in mail and results while keeping count of what became durable and what is only
 *           under way; tell whether a queue that was mounted after a power cut keeps every promise.
 * Not here: when the power goes (cut.h), what is done with the queue (the tests).
 *
 * A message is made from a number, so it can be checked byte for byte. A promise is made with the
 * generation of a sync; it is sure once pp_queue_ticket() says so. Before each call of the queue
 * the model notes what the call may bring about, for the power may go in the middle of it.
 *
 * The states of a message are the outcomes of all recipients after each step. After a cut any of
 * them may be seen from the newest sure one on, never an older one, never a mixture. What was
 * written and promised to nobody may or may not read at each mount (src/queue/tail.c).
 */
#ifndef PP_TEST_CUT_MODEL_H
#define PP_TEST_CUT_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/queue.h"

#define CUT_RECIPIENTS_MAX 255
#define CUT_STATES_MAX     64

struct cut_promise {
    bool given; /* with the sync `generation` it becomes sure */
    bool sure;
    uint32_t generation;
};

struct cut_message {
    uint32_t id;     /* 0: lost without a promise, and the id is another's now */
    uint32_t number; /* what its bytes are made from */
    uint32_t size_bytes;
    uint32_t done_bytes; /* written so far */
    uint32_t recipients;
    bool sealed;  /* a seal was asked for: it may be there */
    bool ended;   /* its end was asked for: it may be gone */
    bool revived; /* its end was lost in a cut: at a later mount it may read after all */
    struct cut_promise there, gone;
    uint32_t states; /* 1 at least once sealed */
    struct cut_promise kept[CUT_STATES_MAX];
    uint8_t *outcomes; /* CUT_STATES_MAX times (recipients + 1); the last of each: is it held */
    struct pp_queue_writer *writer;
};

struct cut_model {
    struct pp_queue *queue;
    struct cut_message *messages;
    uint32_t count, cap, first_number;
    bool frozen; /* the live queue is being mounted: nothing becomes sure meanwhile */
    bool broken; /* a promise was: `problem` says which */
    char problem[200];
};

/* Room for `cap` messages; the first is made from `first_number`. */
void cut_model_init(struct cut_model *m, struct pp_queue *queue, uint32_t cap,
                    uint32_t first_number);
void cut_model_free(struct cut_model *m);
/* The first problem is kept. */
void cut_problem(struct cut_model *m, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- the live queue. What is refused with PP_ERR_FULL is no problem; any other error is ---- */
/* Begin a message; NULL when it is refused. */
struct cut_message *cut_open(struct cut_model *m, uint32_t size_bytes, uint32_t recipients,
                             enum pp_severity severity);
/* The next `len` bytes at the most. */
void cut_write(struct cut_model *m, struct cut_message *msg, uint32_t len);
/* True when it was taken. The rest of its content is written first. */
bool cut_seal(struct cut_model *m, struct cut_message *msg);
void cut_abort(struct cut_model *m, struct cut_message *msg);
/* Recipients from..to of a message get this outcome in one call. */
void cut_results(struct cut_model *m, struct cut_message *msg, uint32_t from, uint32_t to,
                 enum pp_outcome outcome);
void cut_hold(struct cut_model *m, struct cut_message *msg, bool held);
void cut_requeue(struct cut_model *m, struct cut_message *msg);
void cut_remove(struct cut_model *m, struct cut_message *msg);
/* A message that waits; number `which` of them, counted round. NULL when there is none. */
struct cut_message *cut_waiting(const struct cut_model *m, uint64_t which);
uint32_t cut_waiting_count(const struct cut_model *m);
/* After each sync of the live queue that was good: ends that had found no room may be written. */
void cut_synced(struct cut_model *m);

/* ---- promises ---- */
/* See which promises have become sure. At the latest when the power goes. */
void cut_settle(struct cut_model *m);
/* Is all that was promised in `q`, mounted after a cut, and nothing else? Says what is wrong as a
 * problem. */
void cut_check(struct cut_model *m, struct pp_queue *q);
/* The live queue was mounted again and checked: follow what it shows. */
void cut_adopt(struct cut_model *m);

/* Read all of one message: is it this one, byte for byte? */
bool cut_is_whole(struct pp_queue *q, const struct cut_message *msg);
/*
 * A message that nobody was promised, between two levels when the power went, and no room to write
 * it again: it may read otherwise each time, and whoever reads it to its end is told so.
 */
bool cut_may_waver(struct pp_queue *q, const struct cut_message *msg);
#define CUT_WAVERS 2u /* in place of a checksum */
/* Checksum of what a queue tells of a message beside its content: outcomes, held, an odd number; 0
 * when it is not there. */
uint32_t cut_told(struct pp_queue *q, const struct cut_message *msg);
/*
 * `q` was mounted again, after its first sync behind a cut had made it tell `told`: is it still so?
 * What was written and promised to nobody, and did not read then, may read now: a message, an end,
 * a later outcome. Nothing that did read may be lost.
 */
void cut_check_again(struct cut_model *m, struct pp_queue *q, const struct cut_message *msg,
                     uint32_t told);

#endif
