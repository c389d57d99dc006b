/*
 * inspect.h - what is in each block of a mounted ring, for who wants to look
 *
 * Job:      state, wear and content of one block. Reads only.
 * Not here: whether a record is still needed: its owner says so.
 */
#ifndef PP_STORE_INSPECT_H
#define PP_STORE_INSPECT_H

#include "store/ring.h"

enum pp_block_state {
    PP_BLOCK_BLANK,      /* erased or new */
    PP_BLOCK_GIVEN_BACK, /* of an earlier round; erased when its turn comes */
    PP_BLOCK_IN_USE,     /* part of the log */
    PP_BLOCK_CONTINUES,  /* part of the log: goes on for a block that failed */
    PP_BLOCK_NEWEST,     /* in use, and the last one written */
    PP_BLOCK_RETIRED,    /* failed; may still hold a part of the log */
    PP_BLOCK_BAD,        /* its header is damaged, or was torn when the power went */
    PP_BLOCK_STATES
};

/* What the bytes of a block are. */
enum pp_block_bytes {
    PP_BYTES_LIVING,  /* records that their owner needs */
    PP_BYTES_GARBAGE, /* records that it does not */
    PP_BYTES_OWN,     /* headers, summaries, where the log begins, retired blocks */
    PP_BYTES_DAMAGED,
    PP_BYTES_PADDING, /* erased, in a block that is not written any more */
    PP_BYTES_FREE,
    PP_BYTES_KINDS
};

struct pp_block_view {
    enum pp_block_state state;
    uint32_t lap;    /* 0 unknown */
    uint32_t erases; /* PP_ERASES_UNKNOWN when its header does not tell */
    uint32_t stands_for;
    uint32_t from;
    uint32_t records;
    uint32_t records_damaged;
    uint32_t bytes[PP_BYTES_KINDS]; /* sum: the size of a block */
};

#define PP_ERASES_UNKNOWN UINT32_MAX

/* Who knows what records mean. */
struct pp_block_owner {
    void *ctx;
    /* Asked for each record of the owner's types: is it needed? `sound` false: the payload is not
     * what was written. */
    bool (*needs)(void *ctx, const struct pp_record *record, bool sound);
};

/* Look at block `number`; what cannot be read counts as damaged. Uses the ring's stage: only before
 * the first append. */
void pp_ring_inspect(struct pp_ring *ring, uint32_t number, const struct pp_block_owner *owner,
                     struct pp_block_view *view);

#endif
