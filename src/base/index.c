/*
 * index.c - slots by numbers that we count up ourselves
 *
 * Job:      see index.h.
 * Not here: a keyed hash: nobody but us chooses the numbers.
 */
#include "base/index.h"

#include <assert.h>
#include <string.h>

/* Neighbours fall far from each other (Knuth 6.4, Fibonacci hashing): a row of numbers that stay
 * must not become a row of places that each later number has to walk along. */
static uint32_t home(const struct pp_index *index, uint32_t number)
{
    uint32_t hash = number * UINT32_C(2654435769);

    return (hash ^ hash >> 15) & index->mask;
}

/* Where it lies, or the free place where it would. */
static uint32_t look(const struct pp_index *index, uint32_t number)
{
    uint32_t at = home(index, number);

    while (index->places[at].slot_and_1 != 0 && index->places[at].number != number) {
        at = (at + 1) & index->mask;
    }
    return at;
}

void pp_index_init(struct pp_index *index, struct pp_index_place *memory, uint32_t places,
                   uint32_t count_max)
{
    assert(places > count_max && (places & (places - 1)) == 0);
    index->places = memory;
    index->mask = places - 1;
    index->count = 0;
    index->count_max = count_max;
    for (uint32_t i = 0; i < places; i++) {
        if (memory[i].slot_and_1 != 0) {
            memory[i].slot_and_1 = 0;
        }
    }
}

enum pp_err pp_index_put(struct pp_index *index, uint32_t number, uint32_t slot)
{
    struct pp_index_place *place = &index->places[look(index, number)];

    assert(slot != PP_INDEX_NONE);
    if (place->slot_and_1 != 0) {
        return PP_ERR_STATE;
    }
    if (index->count == index->count_max) {
        return PP_ERR_DRY;
    }
    place->number = number;
    place->slot_and_1 = slot + 1;
    index->count++;
    return PP_OK;
}

uint32_t pp_index_get(const struct pp_index *index, uint32_t number)
{
    return index->places[look(index, number)].slot_and_1 - 1;
}

void pp_index_remove(struct pp_index *index, uint32_t number)
{
    uint32_t hole = look(index, number);

    if (index->places[hole].slot_and_1 == 0) {
        return;
    }
    index->count--;
    /* What follows closes up, unless it would get before its home. */
    for (uint32_t at = (hole + 1) & index->mask; index->places[at].slot_and_1 != 0;
         at = (at + 1) & index->mask) {
        uint32_t from_home = (at - home(index, index->places[at].number)) & index->mask;

        if (from_home >= ((at - hole) & index->mask)) {
            index->places[hole] = index->places[at];
            hole = at;
        }
    }
    index->places[hole].slot_and_1 = 0;
}
