/*
 * table.c - slots by keys that a peer chooses, over uthash and a static arena
 *
 * Job:      give uthash its memory out of the owner's storage, a keyed hash, and keep it from
 *           growing.
 */
#include "base/table.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "base/crypto.h"

static void *arena_take(struct pp_table *t, size_t len);

/* `t` and `failed` are names in the function that uses a macro of uthash. */
#define uthash_malloc(len)        arena_take(t, len)
#define uthash_free(p, len)       ((void)(p), (void)(len))
#define uthash_nonfatal_oom(node) (failed = true)
#define HASH_NONFATAL_OOM         1
#define HASH_FUNCTION(key_at, key_len, hash_value)                                                 \
    ((hash_value) = (uint32_t)pp_siphash(t->secret, key_at, key_len))
#include <uthash.h>
/* uthash knows one size for all tables and sets it unasked; its macros look when they are used. */
#undef HASH_INITIAL_NUM_BUCKETS
#undef HASH_INITIAL_NUM_BUCKETS_LOG2
#define HASH_INITIAL_NUM_BUCKETS      (t->buckets)
#define HASH_INITIAL_NUM_BUCKETS_LOG2 1U

struct node {
    uint8_t key[PP_TABLE_KEY_BYTES];
    uint32_t slot; /* while the node is free: index of the next free one */
    UT_hash_handle hh;
};

_Static_assert(sizeof(struct node) <= PP_TABLE_NODE_BYTES, "raise PP_TABLE_NODE_BYTES");
_Static_assert(sizeof(UT_hash_bucket) <= 16, "raise the bucket's share in PP_TABLE_BYTES");
_Static_assert(sizeof(UT_hash_table) <= 192, "raise the constant in PP_TABLE_BYTES");

static struct node *node_at(const struct pp_table *t, uint32_t index)
{
    return (struct node *)(void *)(t->memory + (size_t)index * PP_TABLE_NODE_BYTES);
}

static void *arena_take(struct pp_table *t, size_t len)
{
    size_t start = ((size_t)t->count + 1) * PP_TABLE_NODE_BYTES + t->arena_used;
    size_t want = (len + 15) & ~(size_t)15;
    if (want > t->bytes - start)
        return NULL;
    t->arena_used += want;
    return t->memory + start;
}

enum pp_err pp_table_init(struct pp_table *t, void *memory, size_t bytes, uint32_t count,
                          uint32_t buckets, const uint8_t secret[16])
{
    assert((uintptr_t)memory % _Alignof(struct node) == 0);
    assert(buckets > 0 && (buckets & (buckets - 1)) == 0);
    if (count == PP_TABLE_NONE || bytes < PP_TABLE_BYTES(count, buckets))
        return PP_ERR_DRY;
    t->head = NULL;
    memcpy(t->secret, secret, sizeof(t->secret));
    t->memory = memory;
    t->bytes = bytes;
    t->count = count;
    t->buckets = buckets;
    t->arena_used = 0;
    t->free_first = PP_TABLE_NONE;
    t->fresh = 0;
    return PP_OK;
}

static struct node *find(const struct pp_table *t, const uint8_t *key)
{
    struct node *head = t->head;
    struct node *found = NULL;
    HASH_FIND(hh, head, key, PP_TABLE_KEY_BYTES, found);
    return found;
}

/*
 * With its last node uthash gives buckets back, and clears them all for the next: for each
 * client of a relay that is idle between them. So one node stays, whose key has a length that
 * nobody asks for.
 */
static enum pp_err add_anchor(struct pp_table *t)
{
    struct node *head = NULL;
    struct node *anchor = node_at(t, t->count);
    bool failed = false;
    memset(anchor->key, 0, sizeof(anchor->key));
    HASH_ADD(hh, head, key, 1, anchor);
    if (failed)
        return PP_ERR_DRY;
    head->hh.tbl->noexpand = 1;
    t->head = head;
    return PP_OK;
}

enum pp_err pp_table_put(struct pp_table *t, const uint8_t key[PP_TABLE_KEY_BYTES], uint32_t slot)
{
    bool failed = false;
    if (find(t, key) != NULL)
        return PP_ERR_STATE;
    bool reused = t->free_first != PP_TABLE_NONE;
    if (!reused && t->fresh == t->count)
        return PP_ERR_DRY;
    if (t->head == NULL && add_anchor(t) != PP_OK)
        return PP_ERR_DRY;
    struct node *head = t->head;
    struct node *node = node_at(t, reused ? t->free_first : t->fresh);
    uint32_t next_free = reused ? node->slot : PP_TABLE_NONE;
    memcpy(node->key, key, sizeof(node->key));
    node->slot = slot;
    HASH_ADD(hh, head, key, sizeof(node->key), node);
    if (failed) {
        node->slot = next_free;
        return PP_ERR_DRY;
    }
    if (reused)
        t->free_first = next_free;
    else
        t->fresh++;
    t->head = head;
    return PP_OK;
}

uint32_t pp_table_get(const struct pp_table *t, const uint8_t key[PP_TABLE_KEY_BYTES])
{
    const struct node *node = find(t, key);
    return node != NULL ? node->slot : PP_TABLE_NONE;
}

void pp_table_remove(struct pp_table *t, const uint8_t key[PP_TABLE_KEY_BYTES])
{
    struct node *head = t->head;
    struct node *node = find(t, key);
    if (node == NULL)
        return;
    HASH_DELETE(hh, head, node);
    t->head = head;
    node->slot = t->free_first;
    t->free_first = (uint32_t)(((uint8_t *)node - t->memory) / PP_TABLE_NODE_BYTES);
}
