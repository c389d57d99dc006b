/*
 * table.h - slots by keys that a peer chooses, over uthash and a static arena
 *
 * Job:      find the slot of a key of 16 bytes in constant time, whatever keys are sent: the hash
 *           is SipHash under a key that nobody knows. Buckets and handles lie in storage that the
 *           owner gives; nothing grows.
 * Not here: the slots (the owner's array); numbers of our own (base/index.h). No other file uses
 *           uthash.
 */
#ifndef PP_BASE_TABLE_H
#define PP_BASE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Bytes of storage for a table of `count` slots with `buckets` buckets (a power of two). */
#define PP_TABLE_KEY_BYTES  16
#define PP_TABLE_NODE_BYTES 80
#define PP_TABLE_BYTES(count, buckets)                                                             \
    (((size_t)(count) + 1) * PP_TABLE_NODE_BYTES + (size_t)(buckets)*16 + 256)

struct pp_table {
    void *head;         /* uthash's list */
    uint8_t secret[16]; /* of the hash */
    uint8_t *memory;    /* nodes and one more, then the arena for uthash's own two allocations */
    size_t bytes;
    uint32_t count;
    uint32_t buckets;
    uint32_t free_first; /* nodes that were given back */
    uint32_t fresh;      /* nodes from here on were never used nor touched */
    size_t arena_used;
};

#define PP_TABLE_NONE UINT32_MAX

/* `memory` must be aligned for a pointer; `secret` is 16 random bytes. PP_ERR_DRY when `bytes` is
 * too small. */
PP_MUST_USE enum pp_err pp_table_init(struct pp_table *t, void *memory, size_t bytes,
                                      uint32_t count, uint32_t buckets, const uint8_t secret[16]);
/* PP_ERR_DRY when `count` keys are in it, PP_ERR_STATE when the key already is. */
PP_MUST_USE enum pp_err pp_table_put(struct pp_table *t, const uint8_t key[PP_TABLE_KEY_BYTES],
                                     uint32_t slot);
/* A slot or PP_TABLE_NONE. */
uint32_t pp_table_get(const struct pp_table *t, const uint8_t key[PP_TABLE_KEY_BYTES]);
void pp_table_remove(struct pp_table *t, const uint8_t key[PP_TABLE_KEY_BYTES]);

#endif
