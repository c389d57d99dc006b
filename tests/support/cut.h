/*
 * cut.h - the power goes at every operation of a workload, and again while the queue recovers
 *
 * Job:      a workload runs once on a live queue; within each program and erase a second flash is
 * made what the medium would be after a cut there, mounted by a second queue, and every promise
 *           checked. During its recovery a third one is cut, and so on. Counts, and says how to
 * replay what failed. Not here: the workloads (the tests), what is promised (cut_model.h), the
 * medium (ram_flash.h).
 *
 * That a cut is shown elsewhere while the live queue waits within its operation is the same as a
 * cut: of all that the live queue will do later nothing is known there.
 */
#ifndef PP_TEST_CUT_H
#define PP_TEST_CUT_H

#include "support/cut_model.h"
#include "support/ram_flash.h"

#define CUT_LEVELS 3 /* cuts in one another */

struct cut_geometry {
    uint32_t unit, page, block, count;
    uint8_t erased;
};

struct cut_medium {
    const char *name;
    bool write_through, torn_bits, weak_units; /* see ram_flash.h */
};

/* One cut: the operation, counted from power on, and which of several arrivals. */
struct cut_step {
    uint64_t operation;
    uint32_t arrival;
};

struct cut_path {
    unsigned len;
    struct cut_step steps[CUT_LEVELS];
};

struct cut {
    /* ---- set by cut_begin() from what the test asks for ---- */
    const char *workload;
    unsigned geometry;
    const struct cut_medium *medium;
    uint32_t stride;        /* every so many operations one is cut */
    uint32_t arrivals;      /* at each, so many times */
    uint32_t nested_stride; /* of so many cuts one is cut again in recovery, at each operation */
    uint32_t deep_stride;   /* and of so many operations of the next recovery again one */
    struct cut_path only;   /* len 0: all */

    /* ---- the run ---- */
    struct ram_flash flash[CUT_LEVELS + 1]; /* the first is live */
    struct pp_queue *queue;                 /* live */
    struct cut_model model;
    struct pp_queue_limits limits;
    uint64_t random;
    struct cut_path path; /* where we are */
    uint32_t *told;       /* what a queue told of each message after its first sync */

    /* ---- what was tried ---- */
    uint64_t operations;
    uint64_t cuts[CUT_LEVELS]; /* single, two nested, three nested */
};

/* Counts are added up over runs; c is zero before the first. The live queue is not mounted yet, so
 * that the medium and its faults can be chosen. */
void cut_begin(struct cut *c, const struct cut_geometry *geometry);
/* Mount the live queue: from here on every operation is cut. */
void cut_start(struct cut *c);
/* One more cut behind the last operation; everything is given back. */
void cut_end(struct cut *c);

/* Fails the test when a promise was broken, with the line to replay it. */
void cut_require_good(struct cut *c);
uint64_t cut_random(struct cut *c);

/* ---- what workloads do, beside cut_model.h ---- */
/* Take in one message. False when it is refused. */
bool cut_add(struct cut *c, uint32_t size_bytes, uint32_t recipients);
/* Deliver to all recipients of a message. */
void cut_deliver(struct cut *c, struct cut_message *msg);
/* A sync, to its end. */
void cut_sync(struct cut *c);
/* The same, on a medium that may fail to: then the live queue is mounted again, the power stays on.
 */
void cut_sync_or_remount(struct cut *c);
/* One turn of cleaning. */
void cut_clean(struct cut *c);
/* Cleaning and syncs until there is no more to do. */
void cut_rest(struct cut *c);
/* The power goes and comes back; the live queue goes on with what arrived. */
void cut_restart(struct cut *c);

#endif
