/*
 * ring_read.c - reading at a place of the ring
 *
 * Job:      bytes and records, what is still staged too, wherever a block that failed left them.
 * Not here: finding blocks (ring_mount.c), going from record to record (ring_walk.c), writing
 *           (ring.c).
 */
#include <string.h>

#include "base/crc32c.h"
#include "store/ring_private.h"

/* Read at once for a record: its header and, mostly, all of a short payload. */
#define FIRST_BYTES 64u

uint32_t pp_ring_resolve(const struct pp_ring *ring, struct pp_place place, uint32_t *until)
{
    uint32_t lap = place.lap;
    uint32_t from = 0;
    uint32_t end = ring->flash->block_bytes;
    for (uint32_t i = 0; i < ring->continued_count; i++) {
        const struct pp_ring_continued *c = &ring->continued[i];
        if (c->lap != place.lap)
            continue;
        if (c->from > place.offset) {
            end = c->from < end ? c->from : end;
        } else if (c->from >= from) {
            from = c->from;
            lap = c->in_lap;
        }
    }
    if (until != NULL)
        *until = end;
    return lap;
}

uint64_t pp_ring_address(const struct pp_ring *ring, struct pp_place place)
{
    uint64_t block = pp_ring_block_of(ring, pp_ring_resolve(ring, place, NULL));
    return block * ring->flash->block_bytes + place.offset;
}

void pp_ring_forget_ahead(struct pp_ring *ring, uint64_t address, uint64_t len)
{
    if (address < ring->ahead.address + ring->ahead.len && ring->ahead.address < address + len)
        ring->ahead.len = 0;
}

/* Read `len` bytes, and ahead of them up to `most`. */
static bool read_ahead(struct pp_ring *ring, uint64_t address, uint8_t *out, uint32_t len,
                       uint32_t most)
{
    struct pp_ring_ahead *a = &ring->ahead;
    const struct pp_flash *flash = ring->flash;
    if (address < a->address || address + len > a->address + a->len) {
        uint32_t want = most > PP_STORE_AHEAD_BYTES ? PP_STORE_AHEAD_BYTES : most;
        a->len = 0;
        /* What cannot be read may lie behind what was asked for. */
        if (want < len || flash->read(flash->ctx, address, a->bytes, want) < 0)
            return flash->read(flash->ctx, address, out, len) >= 0;
        a->address = address;
        a->len = want;
    }
    memcpy(out, a->bytes + (address - a->address), len);
    return true;
}

/* Bytes that have left the stage; they may lie in several blocks. */
static enum pp_err flash_bytes(struct pp_ring *ring, struct pp_place place, uint8_t *out,
                               uint32_t len)
{
    while (len > 0) {
        uint32_t until;
        uint64_t block = pp_ring_block_of(ring, pp_ring_resolve(ring, place, &until));
        if (place.lap == ring->head_lap && ring->stage_offset < until)
            until = ring->stage_offset;
        uint32_t take = until - place.offset < len ? until - place.offset : len;
        uint64_t address = block * ring->flash->block_bytes + place.offset;
        if (!read_ahead(ring, address, out, take, until - place.offset))
            return PP_ERR_FLASH;
        out += take;
        place.offset += take;
        len -= take;
    }
    return PP_OK;
}

enum pp_err pp_ring_bytes(struct pp_ring *ring, struct pp_place place, void *out, uint32_t len)
{
    uint8_t *to = out;
    uint32_t in_flash = len;
    if (place.lap == ring->head_lap && place.offset + len > ring->stage_offset) {
        in_flash = place.offset < ring->stage_offset ? ring->stage_offset - place.offset : 0;
        memcpy(to + in_flash, ring->stage + (place.offset + in_flash - ring->stage_offset),
               len - in_flash);
    }
    return flash_bytes(ring, place, to, in_flash);
}

bool pp_ring_header_of(const struct pp_ring *ring, uint32_t lap, struct pp_ring_block *block)
{
    uint8_t bytes[PP_RING_BLOCK_HEADER_BYTES];
    const struct pp_flash *flash = ring->flash;
    uint32_t number = pp_ring_block_of(ring, lap);
    return flash->read(flash->ctx, (uint64_t)number * flash->block_bytes, bytes, sizeof(bytes)) >=
               0 &&
           pp_ring_block_decode(flash, number, bytes, block) == PP_RING_HEADER_GOOD &&
           block->lap == lap;
}

/* The header that tells how `lap` was salted: its own, or that of a block that continues it. */
static bool find_salt(const struct pp_ring *ring, uint32_t lap, uint32_t *salt)
{
    struct pp_ring_block block;
    if (pp_ring_header_of(ring, lap, &block)) {
        *salt = block.salt;
        return block.stands_for == 0;
    }
    for (uint32_t i = 0; i < ring->continued_count; i++) {
        if (ring->continued[i].lap != lap ||
            !pp_ring_header_of(ring, ring->continued[i].in_lap, &block))
            continue;
        *salt = block.salt;
        return true;
    }
    return false;
}

enum pp_err pp_ring_seed_of(struct pp_ring *ring, uint32_t lap, uint32_t *seed)
{
    uint32_t salt;
    if (lap == ring->head_lap) {
        *seed = pp_ring_seed(lap, ring->head_salt);
        return PP_OK;
    }
    if (lap != ring->seed_lap) {
        if (!find_salt(ring, lap, &salt))
            return PP_ERR_NOT_FOUND;
        ring->seed = pp_ring_seed(lap, salt);
        ring->seed_lap = lap;
    }
    *seed = ring->seed;
    return PP_OK;
}

uint32_t pp_ring_end_of(const struct pp_ring *ring, uint32_t lap)
{
    return lap == ring->head_lap ? ring->head_offset : ring->flash->block_bytes;
}

static bool is_in_use(const struct pp_ring *ring, struct pp_place place)
{
    uint32_t end = pp_ring_end_of(ring, place.lap);
    return place.lap >= ring->oldest_lap && place.lap < ring->next_lap && place.lap != 0 &&
           place.offset % 4 == 0 && place.offset >= PP_RING_BLOCK_HEADER_BYTES &&
           end >= PP_RECORD_HEADER_BYTES && place.offset <= end - PP_RECORD_HEADER_BYTES;
}

enum pp_err pp_ring_read(struct pp_ring *ring, struct pp_place place, struct pp_record *record,
                         void *payload, uint32_t cap)
{
    uint8_t first[FIRST_BYTES];
    uint8_t *out = payload;
    uint32_t seed;
    uint32_t crc;
    if (!is_in_use(ring, place))
        return PP_ERR_NOT_FOUND;
    uint32_t left = pp_ring_end_of(ring, place.lap) - place.offset;
    uint32_t have = left < sizeof(first) ? left : (uint32_t)sizeof(first);
    enum pp_err err = pp_ring_seed_of(ring, place.lap, &seed);
    if (err == PP_OK)
        err = pp_ring_bytes(ring, place, first, have);
    if (err == PP_ERR_FLASH && have > PP_RECORD_HEADER_BYTES) {
        /* What cannot be read may lie behind a short record. */
        have = PP_RECORD_HEADER_BYTES;
        err = pp_ring_bytes(ring, place, first, have);
    }
    if (err != PP_OK)
        return err;
    if (!pp_ring_record_decode(seed, place.offset + left, place, first, record, &crc))
        return PP_ERR_NOT_FOUND;
    if (record->len > cap)
        return PP_ERR_TOO_BIG;
    have -= PP_RECORD_HEADER_BYTES;
    have = have < record->len ? have : record->len;
    if (have > 0)
        memcpy(out, first + PP_RECORD_HEADER_BYTES, have);
    place.offset += PP_RECORD_HEADER_BYTES + have;
    if (record->len > have)
        err = pp_ring_bytes(ring, place, out + have, record->len - have);
    if (err != PP_OK)
        return err;
    ring->report.records_read++;
    return pp_crc32c(0, payload, record->len) == crc ? PP_OK : PP_ERR_DAMAGED;
}
