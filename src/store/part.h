/*
 * part.h - a range of blocks of a medium as a medium of its own
 *
 * Job:      a struct pp_flash for some blocks of another one, and the rule that says which blocks
 *           the log and the small key-value have.
 * Not here: what they store (ring.h, kv.h).
 */
#ifndef PP_STORE_PART_H
#define PP_STORE_PART_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "port.h"

/* `flash` refers to this struct and to `whole`: both stay where they are while it is used. */
struct pp_flash_part {
    struct pp_flash flash;
    const struct pp_flash *whole;
    uint32_t first_block;
    /* A sync goes to the whole medium: what the other parts wrote before it began is durable too
     * when it is done. NULL, or called with `done` false as one begins and true when it is well
     * done. May read and program; not begin a sync. */
    void (*on_sync)(void *ctx, bool done);
    void *on_sync_ctx;
};

/* `first_block` and `block_count` lie within `whole`. Reads, programs and erases outside of the
 * part fail. Syncs of all parts of a medium go through one of them. */
void pp_flash_part_init(struct pp_flash_part *part, const struct pp_flash *whole,
                        uint32_t first_block, uint32_t block_count);

/* Blocks of a medium; the log's come first. */
struct pp_store_split {
    uint32_t log_blocks;
    uint32_t kv_blocks;
};

/*
 * The rule: the last blocks are the key-value's, in two halves of one block each, or of two
 * where blocks are below 8 KiB and the medium has 64 or more of them. The log gets the rest.
 * Returns PP_ERR_RANGE when that leaves the log less than 4 blocks.
 */
PP_MUST_USE enum pp_err pp_store_split(const struct pp_flash *whole, struct pp_store_split *split);

#endif
