/*
 * pool.h - fixed slots in a static array
 *
 * Job:      hand out and take back the slots of an array that the profile sized, and
 *           remember how many were ever in use at once.
 * Not here: waiting for one; an empty pool is an ordinary event for its caller.
 */
#ifndef PP_BASE_POOL_H
#define PP_BASE_POOL_H

#include <stddef.h>
#include <stdint.h>

/* `used` holds one byte a slot. The slots themselves are the owner's array. */
struct pp_pool {
    uint8_t *used;
    size_t count;
    size_t in_use;
    size_t high_water;
};

#define PP_POOL_NONE ((size_t)-1)

void pp_pool_init(struct pp_pool *pool, uint8_t *used, size_t count);
size_t pp_pool_take(struct pp_pool *pool); /* an index, or PP_POOL_NONE */
void pp_pool_give(struct pp_pool *pool, size_t index);

#endif
