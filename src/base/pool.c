/*
 * pool.c - fixed slots in a static array
 *
 * Job:      a scan for the first free slot: pools have a few dozen slots, and the lowest
 *           ones being taken first keeps the memory that is ever touched small.
 */
#include "base/pool.h"

#include <assert.h>
#include <string.h>

void pp_pool_init(struct pp_pool *pool, uint8_t *used, size_t count)
{
    memset(used, 0, count);
    pool->used = used;
    pool->count = count;
    pool->in_use = 0;
    pool->high_water = 0;
}

size_t pp_pool_take(struct pp_pool *pool)
{
    if (pool->in_use == pool->count)
        return PP_POOL_NONE;
    for (size_t i = 0; i < pool->count; i++) {
        if (pool->used[i] != 0)
            continue;
        pool->used[i] = 1;
        pool->in_use++;
        if (pool->in_use > pool->high_water)
            pool->high_water = pool->in_use;
        return i;
    }
    return PP_POOL_NONE;
}

void pp_pool_give(struct pp_pool *pool, size_t index)
{
    assert(index < pool->count && pool->used[index] != 0);
    pool->used[index] = 0;
    pool->in_use--;
}
