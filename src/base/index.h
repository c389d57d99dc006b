/*
 * index.h - slots by numbers that we count up ourselves
 *
 * Job:      find the slot of a number in constant time, 16 bytes a slot; nothing grows.
 * Not here: the slots (the owner's array); keys that a peer may choose (base/table.h).
 * Follows:  open addressing with linear probing, Knuth 6.4: algorithms L and R
 */
#ifndef PP_BASE_INDEX_H
#define PP_BASE_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pp_index_place {
    uint32_t number;
    uint32_t slot_and_1; /* 0: nothing lies here */
};

struct pp_index {
    struct pp_index_place *places; /* the owner's */
    uint32_t mask;                 /* places - 1 */
    uint32_t count, count_max;
};

#define PP_INDEX_NONE UINT32_MAX

/*
 * `places` is a power of two, more than `count_max`: twice as many keep it quick. Only those that
 * are not zero are written to, so what was never used costs a system with pages nothing.
 */
void pp_index_init(struct pp_index *index, struct pp_index_place *memory, uint32_t places,
                   uint32_t count_max);
/* PP_ERR_DRY when `count_max` numbers are in it, PP_ERR_STATE when this one already is. */
PP_MUST_USE enum pp_err pp_index_put(struct pp_index *index, uint32_t number, uint32_t slot);
/* A slot or PP_INDEX_NONE. */
uint32_t pp_index_get(const struct pp_index *index, uint32_t number);
void pp_index_remove(struct pp_index *index, uint32_t number);

#endif
