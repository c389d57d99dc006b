/*
 * ring_walk.c - from record to record of the ring
 *
 * Job:      walk over records, and over what is no record: erased bytes quietly, damaged bytes
 *           with a count; at mount over those alone that the blocks' summaries list.
 * Not here: reading one (ring_read.c), finding blocks (ring_mount.c).
 */
#include <assert.h>
#include <string.h>

#include "base/bytes.h"
#include "store/ring_private.h"

/* Bytes looked at in one piece where the next record has to be searched for. */
#define WINDOW_BYTES 496u
/* What cannot be read is taken to end at a page, or at a multiple of this. */
#define SECTOR_BYTES 512u
/* Headers asked where a block's summary is: the next one's, or further ones when that is bad. */
#define HEADERS_ASKED 8u

static bool is_erased(const struct pp_ring *ring, const uint8_t *bytes)
{
    uint8_t e = ring->flash->erased_value;
    return bytes[0] == e && bytes[1] == e && bytes[2] == e && bytes[3] == e;
}

/* Read at most *len bytes. Where that fails only to the end of the page, which fails by itself
 * then: *len gets smaller. False when that cannot be read either. */
static bool read_window(struct pp_ring *ring, struct pp_place place, uint8_t *window, uint32_t *len)
{
    uint32_t page = ring->flash->page_bytes < SECTOR_BYTES ? ring->flash->page_bytes : SECTOR_BYTES;
    uint32_t in_page = page - place.offset % page;
    if (pp_ring_bytes(ring, place, window, *len) == PP_OK)
        return true;
    if (in_page < *len)
        *len = in_page;
    return pp_ring_bytes(ring, place, window, *len) == PP_OK;
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
    uint32_t end = pp_ring_end_of(ring, place->lap);
    uint32_t len = end - place->offset < sizeof(window) ? end - place->offset : sizeof(window);
    if (!read_window(ring, *place, window, &len) || len < PP_RECORD_HEADER_BYTES) {
        place->offset += (len + 3) & ~(uint32_t)3;
        *bad += len;
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
    uint32_t end = pp_ring_end_of(ring, place->lap);
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
    uint32_t end = pp_ring_end_of(ring, place->lap);
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

static bool is_ours(uint8_t type)
{
    return type >= PP_RING_TYPE_SUMMARY;
}

enum pp_err pp_ring_walk(struct pp_ring *ring, struct pp_place *place, struct pp_record *record)
{
    if (place->lap < ring->oldest_lap)
        *place = (struct pp_place){ring->oldest_lap, 0};
    while (place->lap < ring->next_lap) {
        if (pp_ring_walk_block(ring, place, record) != PP_OK)
            *place = (struct pp_place){place->lap + 1, 0};
        else if (!is_ours(record->type))
            return PP_OK;
    }
    return PP_ERR_NOT_FOUND;
}

/* ---- by summaries ---- */

/* Where the block after `lap` says that the summary of `lap` is; 0: nowhere. */
static uint32_t summary_offset(const struct pp_ring *ring, uint32_t lap)
{
    struct pp_ring_block block;
    for (uint32_t i = 1; i <= HEADERS_ASKED && lap + i < ring->next_lap; i++) {
        /* A block that continues this one knows no more of its end. */
        if (pp_ring_header_of(ring, lap + i, &block) && block.stands_for != lap)
            return block.summary_offset;
    }
    return 0;
}

/* Look for the block's summary, and leave it in the stage. What is not this block's, or not
 * sound, fails its CRC: then the block is walked. */
static void enter(struct pp_ring *ring, struct pp_ring_cursor *cursor)
{
    struct pp_ring_block block;
    struct pp_record record;
    struct pp_place place = {cursor->place.lap, 0};
    cursor->entered = place.lap;
    cursor->summarized = false;
    cursor->next_listed = 0;
    bool found = pp_ring_header_of(ring, place.lap, &block);
    cursor->generation = found ? block.generation : 0;
    place.offset = summary_offset(ring, place.lap);
    if (place.offset == 0 ||
        pp_ring_read(ring, place, &record, ring->stage, sizeof(ring->stage)) != PP_OK ||
        record.type != PP_RING_TYPE_SUMMARY)
        return;
    cursor->summarized = true;
    cursor->listed = record.len / 2u;
    ring->report.summaries_read++;
    if (record.id > cursor->highest_id)
        cursor->highest_id = record.id;
}

/* The next record that the block's summary lists; false at its end. */
static bool next_listed(struct pp_ring *ring, struct pp_ring_cursor *cursor,
                        struct pp_record *record)
{
    uint8_t header[PP_RECORD_HEADER_BYTES];
    uint32_t seed;
    uint32_t crc;
    uint32_t end = ring->flash->block_bytes;
    if (pp_ring_seed_of(ring, cursor->place.lap, &seed) != PP_OK)
        return false;
    while (cursor->next_listed < cursor->listed) {
        struct pp_place place = {cursor->place.lap, 0};
        place.offset = pp_le16_get(ring->stage + 2 * cursor->next_listed++) * 4u;
        if (place.offset + sizeof(header) <= end &&
            pp_ring_bytes(ring, place, header, sizeof(header)) == PP_OK &&
            pp_ring_record_decode(seed, end, place, header, record, &crc))
            return true;
        ring->report.records_damaged++;
    }
    return false;
}

enum pp_err pp_ring_walk_listed(struct pp_ring *ring, struct pp_ring_cursor *cursor,
                                struct pp_record *record)
{
    assert(ring->head_lap == 0); /* the stage has what will be programmed */
    if (cursor->place.lap < ring->oldest_lap)
        cursor->place = (struct pp_place){ring->oldest_lap, 0};
    while (cursor->place.lap < ring->next_lap) {
        if (cursor->entered != cursor->place.lap)
            enter(ring, cursor);
        bool found = cursor->summarized ? next_listed(ring, cursor, record)
                                        : pp_ring_walk_block(ring, &cursor->place, record) == PP_OK;
        if (!found)
            cursor->place = (struct pp_place){cursor->place.lap + 1, 0};
        else if (!is_ours(record->type))
            return PP_OK;
    }
    return PP_ERR_NOT_FOUND;
}
