/*
 * table.h - a hash table of slots by a 32-bit key, over uthash and a static arena
 *
 * Job:      find the slot of a key in constant time. Buckets and handles lie in storage
 *           that the owner gives; nothing grows.
 * Not here: the slots (the owner's array); who may use uthash: this file alone.
 */
#ifndef PP_BASE_TABLE_H
#define PP_BASE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Bytes of storage for a table of `count` slots with `buckets` buckets (a power of two). */
#define PP_TABLE_NODE_BYTES 80
#define PP_TABLE_BYTES(count, buckets)                                                             \
    (((size_t)(count) + 1) * PP_TABLE_NODE_BYTES + (size_t)(buckets)*16 + 256)

struct pp_table {
    void *head;      /* uthash's list */
    uint8_t *memory; /* nodes and one more, then the arena for uthash's own two allocations */
    size_t bytes;
    uint32_t count;
    uint32_t buckets;
    uint32_t free_first; /* nodes that were given back */
    uint32_t fresh;      /* nodes from here on were never used nor touched */
    size_t arena_used;
};

#define PP_TABLE_NONE UINT32_MAX

/* `memory` must be aligned for a pointer. PP_ERR_DRY when `bytes` is too small. */
PP_MUST_USE enum pp_err pp_table_init(struct pp_table *t, void *memory, size_t bytes,
                                      uint32_t count, uint32_t buckets);
/* PP_ERR_DRY when `count` keys are in it, PP_ERR_STATE when the key already is. */
PP_MUST_USE enum pp_err pp_table_put(struct pp_table *t, uint32_t key, uint32_t slot);
uint32_t pp_table_get(const struct pp_table *t, uint32_t key); /* a slot or PP_TABLE_NONE */
void pp_table_remove(struct pp_table *t, uint32_t key);

#endif
