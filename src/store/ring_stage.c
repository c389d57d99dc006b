/*
 * ring_stage.c - from the stage to the medium
 *
 * Job:      gather bytes of the open block, program whole units, go on in another block where
 *           a program fails.
 * Not here: what is staged (ring.c), which block is next (ring_block.c).
 *
 * A program that fails may have changed anything from its address on. So what is still staged is
 * programmed again in the next good block, and in front of it the record that had left the stage
 * in part: it is read back. Nothing of that was synced, so no order has to be kept, and the
 * places that were handed out stay true (ring.h). What the stage had programmed before
 * stays in the block that failed: it was read well so far, and cleaning moves it on.
 */
#include <string.h>

#include "store/ring_private.h"

/* How often the first sync of a blank medium is asked for, when it cannot be waited for. */
#define FIRST_SYNC_POLLS 1000000u
/* Bytes carried over into another block in one program. */
#define CARRY_BYTES (PP_STORE_UNIT_MAX > 256u ? PP_STORE_UNIT_MAX : 256u)

enum pp_err pp_ring_fail(struct pp_ring *ring)
{
    ring->failed = true;
    return PP_ERR_FLASH;
}

/* ---- going on in another block ---- */

/* Bytes from `at` on as they are in the block that continues the head: its own header, and what
 * the head had from `from` on. */
static void carried_bytes(struct pp_ring *ring, const uint8_t *header, uint32_t from, uint32_t at,
                          uint8_t *out, uint32_t len)
{
    struct pp_place place = {ring->head_lap, at};
    /* What cannot be read back is left out: its record is found damaged. */
    if (at + len <= from || pp_ring_bytes(ring, place, out, len) != PP_OK)
        memset(out, ring->flash->erased_value, len);
    for (uint32_t i = 0; i < len; i++) {
        if (at + i < PP_RING_BLOCK_HEADER_BYTES)
            out[i] = header[at + i];
        else if (at + i < from)
            out[i] = ring->flash->erased_value;
    }
}

/* Program what comes before the stage into the block that continues the head. */
static int carry(struct pp_ring *ring, uint32_t lap, const uint8_t *header, uint32_t from)
{
    const struct pp_flash *flash = ring->flash;
    uint32_t step = CARRY_BYTES / flash->program_unit_bytes * flash->program_unit_bytes;
    uint64_t start = (uint64_t)pp_ring_block_of(ring, lap) * flash->block_bytes;
    uint8_t bytes[CARRY_BYTES];
    uint32_t len;
    from -= from % flash->program_unit_bytes;
    for (uint32_t at = 0; at < ring->stage_offset; at += len) {
        uint32_t in_page = flash->page_bytes - at % flash->page_bytes;
        len = in_page < step ? in_page : step;
        if (len > ring->stage_offset - at)
            len = ring->stage_offset - at;
        if (at >= PP_RING_BLOCK_HEADER_BYTES && at + len <= from)
            continue;
        carried_bytes(ring, header, from, at, bytes, len);
        pp_ring_forget_ahead(ring, start + at, len);
        int done = flash->program(flash->ctx, start + at, bytes, len);
        if (done < 0)
            return done;
        ring->report.bytes_programmed += len;
    }
    return 0;
}

/* The head failed: begin to go on in block `lap`. False when that fails too. */
static bool continue_in(struct pp_ring *ring, uint32_t lap)
{
    uint8_t header[PP_RING_BLOCK_HEADER_BYTES];
    uint32_t from = ring->stage_offset == 0 ? 0 : ring->whole_until;
    struct pp_ring_block block = {.lap = lap,
                                  .erases = ring->erases,
                                  .oldest_lap = ring->oldest_lap,
                                  .salt = ring->head_salt,
                                  .stands_for = ring->head_lap,
                                  .from = from,
                                  .generation = ring->generation,
                                  .summary_offset = ring->summary.written_at,
                                  .retired_lap = ring->retired.lap};
    pp_ring_block_encode(ring->flash, &block, header);
    if (ring->stage_offset == 0)
        memcpy(ring->stage, header, sizeof(header));
    return carry(ring, lap, header, from) >= 0 &&
           pp_ring_note_continued(ring, ring->head_lap, from, lap);
}

/* A program failed in the block that `place` lies in. */
static enum pp_err continue_head(struct pp_ring *ring, struct pp_place place)
{
    uint32_t lap = pp_ring_resolve(ring, place, NULL);
    do {
        ring->report.programs_failed++;
        pp_ring_retire(ring, pp_ring_block_of(ring, lap));
        if (pp_ring_take_block(ring, &lap) != PP_OK)
            return pp_ring_fail(ring);
    } while (!continue_in(ring, lap));
    return PP_OK;
}

/* ---- the stage ---- */

/* Program the first `len` bytes of the stage, whole units, and keep the rest. */
static enum pp_err program_units(struct pp_ring *ring, uint32_t len)
{
    const struct pp_flash *flash = ring->flash;
    uint32_t done = 0;
    while (done < len) {
        struct pp_place place = {ring->head_lap, ring->stage_offset + done};
        uint32_t in_page = flash->page_bytes - place.offset % flash->page_bytes;
        uint32_t take = len - done < in_page ? len - done : in_page;
        uint64_t address = pp_ring_address(ring, place);
        pp_ring_forget_ahead(ring, address, take);
        if (flash->program(flash->ctx, address, ring->stage + done, take) >= 0) {
            ring->report.bytes_programmed += take;
            done += take;
            continue;
        }
        enum pp_err err = continue_head(ring, place);
        if (err != PP_OK)
            return err;
        done = 0;
    }
    bool all = len == ring->stage_len;
    ring->stage_offset += len;
    ring->stage_len -= len;
    memmove(ring->stage, ring->stage + len, ring->stage_len);
    /* Of a part it is not known where its last record begins: then the border stays. */
    if (all)
        ring->whole_until =
            ring->record_offset < ring->stage_offset ? ring->record_offset : ring->stage_offset;
    return PP_OK;
}

/* Fill the stage with erased bytes up to the end of a unit. */
static void pad_stage(struct pp_ring *ring, uint32_t len)
{
    uint32_t full = pp_ring_units_up(ring, len);
    if (full <= ring->stage_len)
        return;
    memset(ring->stage + ring->stage_len, ring->flash->erased_value, full - ring->stage_len);
    ring->report.bytes_padded += full - ring->stage_len;
    ring->head_offset += full - ring->stage_len;
    ring->stage_len = full;
}

enum pp_err pp_ring_begin_first_header(struct pp_ring *ring)
{
    pad_stage(ring, PP_RING_BLOCK_HEADER_BYTES);
    enum pp_err err = program_units(ring, pp_ring_units_up(ring, PP_RING_BLOCK_HEADER_BYTES));
    if (err != PP_OK)
        return err;
    ring->virgin = false;
    int done = ring->flash->sync_begin(ring->flash->ctx);
    if (done < 0)
        return pp_ring_fail(ring);
    ring->header_syncing = done == 0;
    return done > 0 ? PP_OK : PP_ERR_LATER;
}

/* More came in than the stage holds while the first header was not durable. */
static enum pp_err await_first_header(struct pp_ring *ring)
{
    for (uint32_t i = 0; i < FIRST_SYNC_POLLS && ring->header_syncing; i++) {
        int done = ring->flash->sync_done(ring->flash->ctx);
        if (done < 0)
            return pp_ring_fail(ring);
        ring->header_syncing = done == 0;
    }
    if (ring->header_syncing)
        return pp_ring_fail(ring);
    if (ring->syncing)
        pp_ring_sync_is_done(ring);
    return PP_OK;
}

static enum pp_err program_stage(struct pp_ring *ring, uint32_t len)
{
    if (ring->virgin && len > 0) {
        uint32_t before = ring->stage_offset;
        enum pp_err err = pp_ring_begin_first_header(ring);
        if (err == PP_ERR_FLASH)
            return err;
        len -= ring->stage_offset - before;
    }
    if (ring->header_syncing && len > 0) {
        enum pp_err err = await_first_header(ring);
        if (err != PP_OK)
            return err;
    }
    return program_units(ring, len);
}

enum pp_err pp_ring_flush(struct pp_ring *ring)
{
    if (ring->head_lap == 0)
        return PP_OK;
    pad_stage(ring, ring->stage_len);
    ring->record_offset = ring->head_offset;
    return program_stage(ring, ring->stage_len);
}

enum pp_err pp_ring_stage_put(struct pp_ring *ring, const void *bytes, uint32_t len)
{
    const uint8_t *from = bytes;
    while (len > 0) {
        uint32_t room = PP_STORE_STAGE_BYTES - ring->stage_len;
        uint32_t take = len < room ? len : room;
        if (from != NULL)
            memcpy(ring->stage + ring->stage_len, from, take);
        else
            memset(ring->stage + ring->stage_len, ring->flash->erased_value, take);
        ring->stage_len += take;
        ring->head_offset += take;
        len -= take;
        if (from != NULL)
            from += take;
        if (ring->stage_len == PP_STORE_STAGE_BYTES) {
            enum pp_err err = program_stage(ring, ring->stage_len);
            if (err != PP_OK)
                return err;
        }
    }
    return PP_OK;
}
