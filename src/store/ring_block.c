/*
 * ring_block.c - blocks of the ring: free, opened, closed, retired
 *
 * Job:      count what is free, erase the next good block, write its header, close the block
 *           before with a summary, keep the list of blocks that failed.
 * Not here: records (ring.c), a block that fails while it is filled (ring_stage.c).
 *
 * The list of retired blocks is written at the beginning of a block when it has changed, and again
 * when the ring went half round, so that it is never erased before it is written anew. A
 * list that was not synced is lost with its power cut: then those blocks fail once more.
 */
#include <string.h>

#include "base/bytes.h"
#include "store/ring_private.h"

/* ---- retired blocks ---- */

uint32_t pp_ring_retired_max(const struct pp_flash *flash)
{
    /* The list takes an eighth of a block at the most. */
    uint32_t fits = flash->block_bytes / 8 / 4;
    return fits < PP_STORE_RETIRED_MAX ? fits : PP_STORE_RETIRED_MAX;
}

uint32_t pp_ring_retired_bytes(uint32_t count)
{
    return count > 0 ? pp_ring_record_bytes(count * 4) : 0;
}

bool pp_ring_is_retired(const struct pp_ring *ring, uint32_t block)
{
    for (uint32_t i = 0; i < ring->retired.count; i++) {
        if (ring->retired.blocks[i] == block)
            return true;
    }
    return false;
}

void pp_ring_retire(struct pp_ring *ring, uint32_t block)
{
    struct pp_ring_retired *retired = &ring->retired;
    if (pp_ring_is_retired(ring, block))
        return;
    if (retired->count == pp_ring_retired_max(ring->flash)) {
        retired->count--;
        memmove(retired->blocks, retired->blocks + 1, retired->count * sizeof(retired->blocks[0]));
    }
    retired->blocks[retired->count++] = block;
    retired->noted = false;
    ring->unsynced = true;
}

/* Retired blocks whose next turn comes from lap `from` on and before `end`. */
static uint32_t retired_between(const struct pp_ring *ring, uint32_t from, uint64_t end)
{
    uint32_t count = ring->flash->block_count;
    uint32_t found = 0;
    for (uint32_t i = 0; i < ring->retired.count; i++) {
        uint32_t ahead = (ring->retired.blocks[i] + count - pp_ring_block_of(ring, from)) % count;
        found += (uint64_t)from + ahead < end ? 1 : 0;
    }
    return found;
}

enum pp_err pp_ring_note_retired(struct pp_ring *ring)
{
    uint8_t payload[PP_STORE_RETIRED_MAX * 4];
    uint32_t len = ring->retired.count * 4;
    struct pp_record record = {.type = PP_RING_TYPE_RETIRED, .len = (uint16_t)len};
    if (ring->retired.count == 0 || ring->retired.noted || !pp_ring_fits_head(ring, len))
        return PP_OK;
    for (uint32_t i = 0; i < ring->retired.count; i++)
        pp_le32_put(payload + 4 * i, ring->retired.blocks[i]);
    ring->retired.noted = true;
    ring->retired.lap = ring->head_lap;
    return pp_ring_put_record(ring, &record, payload);
}

bool pp_ring_note_continued(struct pp_ring *ring, uint32_t lap, uint32_t from, uint32_t in_lap)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < ring->continued_count; i++) {
        const struct pp_ring_continued *c = &ring->continued[i];
        bool hidden = c->lap == lap && c->from >= from;
        if (c->lap >= ring->oldest_lap && !hidden)
            ring->continued[kept++] = *c;
    }
    ring->continued_count = kept;
    if (kept == PP_STORE_CONTINUED_MAX)
        return false;
    ring->continued[ring->continued_count++] = (struct pp_ring_continued){lap, from, in_lap};
    return true;
}

/* ---- free blocks ---- */

uint32_t pp_ring_good_blocks(const struct pp_ring *ring)
{
    return ring->flash->block_count - ring->retired.count;
}

/* How many good blocks can be opened before the one that holds `oldest`. */
static uint32_t blocks_before(const struct pp_ring *ring, uint32_t oldest)
{
    uint64_t end = (uint64_t)oldest + ring->flash->block_count;
    if (end <= ring->next_lap)
        return 0;
    return (uint32_t)(end - ring->next_lap) - retired_between(ring, ring->next_lap, end);
}

uint32_t pp_ring_spare_blocks(const struct pp_ring *ring)
{
    return blocks_before(ring, ring->oldest_lap);
}

uint32_t pp_ring_free_blocks(const struct pp_ring *ring)
{
    uint32_t durable = blocks_before(ring, ring->synced_oldest);
    if (durable == 0 && ring->head_lap == 0 && pp_ring_spare_blocks(ring) > 0)
        return 1;
    return durable;
}

/* How often the block of a lap was erased: by its last header, or once each time round. */
static uint32_t erases_of(const struct pp_ring *ring, uint32_t lap)
{
    uint8_t bytes[PP_RING_BLOCK_HEADER_BYTES];
    struct pp_ring_block old;
    const struct pp_flash *flash = ring->flash;
    uint32_t number = pp_ring_block_of(ring, lap);
    uint64_t address = (uint64_t)number * flash->block_bytes;
    if (flash->read(flash->ctx, address, bytes, sizeof(bytes)) < 0 ||
        pp_ring_block_decode(flash, number, bytes, &old) != PP_RING_HEADER_GOOD)
        return (lap - 1) / flash->block_count;
    return old.erases;
}

enum pp_err pp_ring_take_block(struct pp_ring *ring, uint32_t *lap)
{
    while (ring->next_lap < UINT32_MAX && pp_ring_free_blocks(ring) > 0) {
        uint32_t number = pp_ring_block_of(ring, ring->next_lap);
        *lap = ring->next_lap++;
        if (pp_ring_is_retired(ring, number))
            continue;
        uint32_t erases = erases_of(ring, *lap) + 1;
        pp_ring_forget_ahead(ring, (uint64_t)number * ring->flash->block_bytes,
                             ring->flash->block_bytes);
        if (ring->flash->erase(ring->flash->ctx, number) >= 0) {
            ring->erases = erases;
            ring->report.blocks_erased++;
            return PP_OK;
        }
        ring->report.erases_failed++;
        pp_ring_retire(ring, number);
    }
    return PP_ERR_FULL;
}

/* ---- closing and opening ---- */

/* The open block is full: list what a mount must read of it. */
static enum pp_err close_head(struct pp_ring *ring)
{
    struct pp_ring_summary *s = &ring->summary;
    uint8_t payload[PP_STORE_SUMMARY_RECORDS * 2];
    uint32_t bytes = pp_ring_record_bytes(s->count * 2);
    struct pp_record record = {.type = PP_RING_TYPE_SUMMARY, .id = s->highest_id};
    if (ring->head_lap == 0 || s->closed)
        return PP_OK;
    s->written_at = 0;
    s->closed = true;
    if (s->count > PP_STORE_SUMMARY_RECORDS || ring->head_offset + bytes > ring->flash->block_bytes)
        return PP_OK;
    record.len = (uint16_t)(s->count * 2);
    for (uint32_t i = 0; i < s->count; i++)
        pp_le16_put(payload + 2 * i, s->offsets[i]);
    enum pp_err err = pp_ring_put_record(ring, &record, payload);
    if (err == PP_OK)
        s->written_at = record.place.offset;
    return err;
}

static void begin_head(struct pp_ring *ring, uint32_t lap)
{
    ring->noted_oldest = ring->oldest_lap;
    ring->head_lap = lap;
    ring->head_salt = ring->salt;
    ring->head_offset = 0;
    ring->stage_offset = 0;
    ring->stage_len = 0;
    ring->record_offset = 0;
    ring->whole_until = 0;
    ring->summary.count = 0;
    ring->summary.highest_id = 0;
    ring->summary.closed = false;
    ring->seed_lap = lap;
    ring->seed = pp_ring_seed(lap, ring->salt);
    ring->unsynced = true;
}

enum pp_err pp_ring_open_next(struct pp_ring *ring)
{
    uint8_t header[PP_RING_BLOCK_HEADER_BYTES];
    uint32_t lap;
    if (pp_ring_free_blocks(ring) == 0)
        return PP_ERR_FULL;
    enum pp_err err = close_head(ring);
    if (err == PP_OK)
        err = pp_ring_flush(ring);
    if (err == PP_OK)
        err = pp_ring_take_block(ring, &lap);
    if (err != PP_OK)
        return err;
    if (lap - ring->retired.lap > ring->flash->block_count / 2)
        ring->retired.noted = false;
    if (ring->retired.count > 0 && !ring->retired.noted)
        ring->retired.lap = lap;
    begin_head(ring, lap);
    struct pp_ring_block block = {.lap = lap,
                                  .erases = ring->erases,
                                  .oldest_lap = ring->oldest_lap,
                                  .salt = ring->salt,
                                  .generation = ring->generation,
                                  .summary_offset = ring->summary.written_at,
                                  .retired_lap = ring->retired.lap};
    pp_ring_block_encode(ring->flash, &block, header);
    err = pp_ring_stage_put(ring, header, sizeof(header));
    ring->record_offset = ring->head_offset;
    return err == PP_OK ? pp_ring_note_retired(ring) : err;
}
