/*
 * part.c - a range of blocks of a medium as a medium of its own
 *
 * Job:      move addresses by the part's beginning; nothing outside of it is touched.
 * Not here: geometry checks (ring_mount.c, kv_mount.c).
 */
#include "store/part.h"

#include <assert.h>

#define LOG_BLOCKS_MIN    4u
#define SMALL_BLOCK_BYTES (8u * 1024) /* below it a half may have two blocks */
#define MANY_BLOCKS       64u         /* ... from so many on */

static bool inside(const struct pp_flash_part *part, uint64_t address, size_t len)
{
    uint64_t bytes = (uint64_t)part->flash.block_bytes * part->flash.block_count;
    return address <= bytes && len <= bytes - address;
}

static uint64_t moved(const struct pp_flash_part *part, uint64_t address)
{
    return address + (uint64_t)part->first_block * part->flash.block_bytes;
}

static int part_read(void *ctx, uint64_t address, void *out, size_t len)
{
    const struct pp_flash_part *part = ctx;
    if (!inside(part, address, len))
        return PP_IO_FAILED;
    return part->whole->read(part->whole->ctx, moved(part, address), out, len);
}

static int part_program(void *ctx, uint64_t address, const void *bytes, size_t len)
{
    const struct pp_flash_part *part = ctx;
    if (!inside(part, address, len))
        return PP_IO_FAILED;
    return part->whole->program(part->whole->ctx, moved(part, address), bytes, len);
}

static int part_erase(void *ctx, uint32_t block)
{
    const struct pp_flash_part *part = ctx;
    if (block >= part->flash.block_count)
        return PP_IO_FAILED;
    return part->whole->erase(part->whole->ctx, part->first_block + block);
}

static void tell(const struct pp_flash_part *part, bool done)
{
    if (part->on_sync != NULL)
        part->on_sync(part->on_sync_ctx, done);
}

static int part_sync_begin(void *ctx)
{
    const struct pp_flash_part *part = ctx;
    tell(part, false);
    int done = part->whole->sync_begin(part->whole->ctx);
    if (done > 0)
        tell(part, true);
    return done;
}

static int part_sync_done(void *ctx)
{
    const struct pp_flash_part *part = ctx;
    int done = part->whole->sync_done(part->whole->ctx);
    if (done > 0)
        tell(part, true);
    return done;
}

void pp_flash_part_init(struct pp_flash_part *part, const struct pp_flash *whole,
                        uint32_t first_block, uint32_t block_count)
{
    assert(first_block <= whole->block_count && block_count <= whole->block_count - first_block);
    *part = (struct pp_flash_part){.flash = *whole, .whole = whole, .first_block = first_block};
    part->flash.ctx = part;
    part->flash.block_count = block_count;
    part->flash.read = part_read;
    part->flash.program = part_program;
    part->flash.erase = part_erase;
    part->flash.sync_begin = part_sync_begin;
    part->flash.sync_done = part_sync_done;
}

enum pp_err pp_store_split(const struct pp_flash *whole, struct pp_store_split *split)
{
    bool two = whole->block_bytes < SMALL_BLOCK_BYTES && whole->block_count >= MANY_BLOCKS;
    split->kv_blocks = two ? 4 : 2;
    if (whole->block_count < split->kv_blocks + LOG_BLOCKS_MIN)
        return PP_ERR_RANGE;
    split->log_blocks = whole->block_count - split->kv_blocks;
    return PP_OK;
}
