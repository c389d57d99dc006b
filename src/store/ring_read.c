/*
 * ring_read.c - reading records of the ring, one or all in order
 *
 * Job:      read at a place, what is still staged too; walk over records, and over what is
 *           no record: erased bytes quietly, damaged bytes with a count.
 * Not here: finding blocks (ring_mount.c), writing (ring.c).
 */
#include <string.h>

#include "base/crc32c.h"
#include "store/ring_format.h"

/* Bytes looked at in one piece where the next record has to be searched for. */
#define WINDOW_BYTES 496u

uint64_t pp_ring_address(const struct pp_ring *ring, struct pp_place place)
{
    uint64_t block = (place.lap - 1) % ring->flash->block_count;
    return block * ring->flash->block_bytes + place.offset;
}

enum pp_err pp_ring_bytes(const struct pp_ring *ring, struct pp_place place, void *out,
                          uint32_t len)
{
    uint8_t *to = out;
    uint32_t in_flash = len;
    if (place.lap == ring->head_lap && place.offset + len > ring->stage_offset) {
        in_flash = place.offset < ring->stage_offset ? ring->stage_offset - place.offset : 0;
        memcpy(to + in_flash, ring->stage + (place.offset + in_flash - ring->stage_offset),
               len - in_flash);
    }
    if (in_flash > 0 &&
        ring->flash->read(ring->flash->ctx, pp_ring_address(ring, place), to, in_flash) < 0)
        return PP_ERR_FLASH;
    return PP_OK;
}

enum pp_err pp_ring_seed_of(struct pp_ring *ring, uint32_t lap, uint32_t *seed)
{
    uint8_t bytes[PP_RING_BLOCK_HEADER_BYTES];
    struct pp_ring_block block;
    if (lap != ring->seed_lap) {
        uint32_t number = (lap - 1) % ring->flash->block_count;
        enum pp_err err = pp_ring_bytes(ring, (struct pp_place){lap, 0}, bytes, sizeof(bytes));
        if (err != PP_OK)
            return err;
        if (pp_ring_block_decode(ring->flash, number, bytes, &block) != PP_RING_HEADER_GOOD ||
            block.lap != lap)
            return PP_ERR_NOT_FOUND;
        ring->seed = pp_ring_seed(lap, block.salt);
        ring->seed_lap = lap;
    }
    *seed = ring->seed;
    return PP_OK;
}

/* One past the last byte of a block that may belong to a record. */
static uint32_t end_of(const struct pp_ring *ring, uint32_t lap)
{
    return lap == ring->head_lap ? ring->head_offset : ring->flash->block_bytes;
}

static bool is_in_use(const struct pp_ring *ring, struct pp_place place)
{
    return place.lap >= ring->oldest_lap && place.lap < ring->next_lap && place.lap != 0 &&
           place.offset % 4 == 0 && place.offset >= PP_RING_BLOCK_HEADER_BYTES &&
           place.offset <= end_of(ring, place.lap) - PP_RECORD_HEADER_BYTES;
}

enum pp_err pp_ring_read(struct pp_ring *ring, struct pp_place place, struct pp_record *record,
                         void *payload, uint32_t cap)
{
    uint8_t header[PP_RECORD_HEADER_BYTES];
    uint32_t seed;
    uint32_t crc;
    if (!is_in_use(ring, place))
        return PP_ERR_NOT_FOUND;
    enum pp_err err = pp_ring_seed_of(ring, place.lap, &seed);
    if (err == PP_OK)
        err = pp_ring_bytes(ring, place, header, sizeof(header));
    if (err != PP_OK)
        return err;
    if (!pp_ring_record_decode(seed, end_of(ring, place.lap), place, header, record, &crc))
        return PP_ERR_NOT_FOUND;
    if (record->len > cap)
        return PP_ERR_TOO_BIG;
    place.offset += PP_RECORD_HEADER_BYTES;
    err = record->len > 0 ? pp_ring_bytes(ring, place, payload, record->len) : PP_OK;
    if (err != PP_OK)
        return err;
    ring->report.records_read++;
    return pp_crc32c(0, payload, record->len) == crc ? PP_OK : PP_ERR_DAMAGED;
}

static bool is_erased(const struct pp_ring *ring, const uint8_t *bytes)
{
    uint8_t e = ring->flash->erased_value;
    return bytes[0] == e && bytes[1] == e && bytes[2] == e && bytes[3] == e;
}

/*
 * Look through one window from *place on: true when a sound header was found, and *place is
 * there; else *place is behind the window. *bad counts bytes that are not erased.
 */
static bool search_window(struct pp_ring *ring, uint32_t seed, struct pp_place *place,
                          uint32_t *bad)
{
    uint8_t window[WINDOW_BYTES + PP_RECORD_HEADER_BYTES];
    struct pp_record found;
    uint32_t crc;
    uint32_t end = end_of(ring, place->lap);
    uint32_t len = end - place->offset < sizeof(window) ? end - place->offset : sizeof(window);
    if (pp_ring_bytes(ring, *place, window, len) != PP_OK) {
        place->offset += WINDOW_BYTES;
        *bad += WINDOW_BYTES;
        return false;
    }
    for (uint32_t i = 0; i < WINDOW_BYTES && i + PP_RECORD_HEADER_BYTES <= len; i += 4) {
        if (pp_ring_record_decode(seed, end, *place, window + i, &found, &crc))
            return true;
        if (!is_erased(ring, window + i))
            *bad += 4;
        place->offset += 4;
    }
    return false;
}

static void skip_to_record(struct pp_ring *ring, uint32_t seed, struct pp_place *place)
{
    uint32_t end = end_of(ring, place->lap);
    uint32_t bad = 0;
    while (place->offset + PP_RECORD_HEADER_BYTES <= end) {
        if (search_window(ring, seed, place, &bad))
            break;
    }
    if (bad > 0) {
        ring->report.records_damaged++;
        ring->report.bytes_skipped += bad;
    }
}

enum pp_err pp_ring_walk_block(struct pp_ring *ring, struct pp_place *place,
                               struct pp_record *record)
{
    uint8_t header[PP_RECORD_HEADER_BYTES];
    uint32_t seed;
    uint32_t crc;
    uint32_t end = end_of(ring, place->lap);
    if (pp_ring_seed_of(ring, place->lap, &seed) != PP_OK)
        return PP_ERR_NOT_FOUND;
    if (place->offset < PP_RING_BLOCK_HEADER_BYTES)
        place->offset = PP_RING_BLOCK_HEADER_BYTES;
    place->offset = (place->offset + 3) & ~(uint32_t)3;
    for (unsigned tries = 0; tries < 2; tries++) {
        if (place->offset > end - PP_RECORD_HEADER_BYTES)
            return PP_ERR_NOT_FOUND;
        if (pp_ring_bytes(ring, *place, header, sizeof(header)) == PP_OK &&
            pp_ring_record_decode(seed, end, *place, header, record, &crc)) {
            *place = record->next;
            return PP_OK;
        }
        skip_to_record(ring, seed, place);
    }
    return PP_ERR_NOT_FOUND;
}

enum pp_err pp_ring_walk(struct pp_ring *ring, struct pp_place *place, struct pp_record *record)
{
    if (place->lap < ring->oldest_lap)
        *place = (struct pp_place){ring->oldest_lap, 0};
    while (place->lap < ring->next_lap) {
        if (pp_ring_walk_block(ring, place, record) != PP_OK)
            *place = (struct pp_place){place->lap + 1, 0};
        else if (record->type != PP_RING_TYPE_OLDEST)
            return PP_OK;
    }
    return PP_ERR_NOT_FOUND;
}
