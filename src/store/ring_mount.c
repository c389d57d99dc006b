/*
 * ring_mount.c - finding the log on a medium
 *
 * Job:      tell our blocks from blank, torn and foreign ones, and put them in order; learn which
 *           are retired.
 * Not here: records (ring_walk.c), but for the ring's own.
 *
 * Block number (lap - 1) % count holds lap, so the newest lap gives each block its expected
 * one: a block with another lap is what an unsynced erase left behind, and is not read.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "store/ring_private.h"

#define BLOCK_BYTES_MIN 512u /* and not less than four units */
#define BLOCK_BYTES_MAX (16u * 1024 * 1024)
/* How much of a medium without any header of ours is searched for somebody else's data; where
 * file systems have their superblocks. Of the rest, the start of each block. */
#define SEARCH_BYTES (4u * 1024 * 1024)

static bool geometry_fits(const struct pp_flash *flash)
{
    uint32_t unit = flash->program_unit_bytes;
    uint32_t page = flash->page_bytes;
    uint32_t block = flash->block_bytes;
    return unit >= 1 && unit <= PP_STORE_UNIT_MAX && PP_STORE_STAGE_BYTES % unit == 0 &&
           page >= unit && page % unit == 0 && block >= BLOCK_BYTES_MIN &&
           block <= BLOCK_BYTES_MAX && block / 4 >= unit && block >= page && block % page == 0 &&
           block % 4 == 0 && flash->block_count >= 4 && flash->block_count <= UINT32_MAX / 4 &&
           (flash->erased_value == 0x00 || flash->erased_value == 0xFF);
}

static bool read_header(const struct pp_flash *flash, uint32_t number,
                        uint8_t bytes[PP_RING_BLOCK_HEADER_BYTES])
{
    uint64_t address = (uint64_t)number * flash->block_bytes;
    return flash->read(flash->ctx, address, bytes, PP_RING_BLOCK_HEADER_BYTES) >= 0;
}

/* Sets *newest; its lap is 0 when no block has a header of ours. */
static enum pp_err find_newest(const struct pp_flash *flash, struct pp_ring_block *newest)
{
    uint8_t bytes[PP_RING_BLOCK_HEADER_BYTES];
    bool unreadable = false;
    newest->lap = 0;
    for (uint32_t number = 0; number < flash->block_count; number++) {
        struct pp_ring_block block;
        if (!read_header(flash, number, bytes)) {
            unreadable = true;
            continue;
        }
        enum pp_ring_header kind = pp_ring_block_decode(flash, number, bytes, &block);
        if (kind == PP_RING_HEADER_OTHER)
            return PP_ERR_VERSION;
        if (kind == PP_RING_HEADER_GOOD && block.lap > newest->lap)
            *newest = block;
    }
    return newest->lap == 0 && unreadable ? PP_ERR_FLASH : PP_OK;
}

/* Could these be the magic bytes, not all of their bits programmed yet? */
static bool is_torn_magic(uint8_t erased, const uint8_t *bytes)
{
    for (unsigned i = 0; i < PP_RING_MAGIC_BYTES; i++) {
        uint8_t wrong = erased == 0xFF ? (uint8_t)(pp_ring_magic[i] & ~bytes[i])
                                       : (uint8_t)(bytes[i] & ~pp_ring_magic[i]);
        if (wrong != 0)
            return false;
    }
    return true;
}

/* All bytes are FF, or all are 00: a new medium may have either, whatever it erases to. */
static enum pp_err is_blank(const struct pp_flash *flash, uint64_t address, uint64_t len,
                            bool *blank)
{
    uint8_t bytes[512];
    uint8_t fill = 0;
    *blank = true;
    for (uint64_t done = 0; done < len && *blank; done += sizeof(bytes)) {
        size_t take = len - done < sizeof(bytes) ? (size_t)(len - done) : sizeof(bytes);
        if (flash->read(flash->ctx, address + done, bytes, take) < 0)
            return PP_ERR_FLASH;
        if (done == 0)
            fill = bytes[0];
        *blank = fill == 0x00 || fill == 0xFF;
        for (size_t i = 0; i < take && *blank; i++)
            *blank = bytes[i] == fill;
    }
    return PP_OK;
}

/* How many bytes at a block's start may be the first header, cut off while it was written. */
static enum pp_err torn_header_bytes(const struct pp_flash *flash, uint32_t number, uint32_t *len)
{
    uint8_t bytes[PP_RING_BLOCK_HEADER_BYTES];
    uint32_t unit = flash->program_unit_bytes;
    if (!read_header(flash, number, bytes))
        return PP_ERR_FLASH;
    *len = 0;
    if (is_torn_magic(flash->erased_value, bytes))
        *len = (PP_RING_BLOCK_HEADER_BYTES + unit - 1) / unit * unit;
    return PP_OK;
}

/* No header of ours anywhere: PP_OK when nobody else's data is there either. */
static enum pp_err check_blank(const struct pp_flash *flash)
{
    for (uint32_t number = 0; number < flash->block_count; number++) {
        uint64_t address = (uint64_t)number * flash->block_bytes;
        uint32_t len = address < SEARCH_BYTES ? flash->block_bytes : BLOCK_BYTES_MIN;
        uint32_t skip;
        bool blank = true;
        enum pp_err err = torn_header_bytes(flash, number, &skip);
        if (err == PP_OK && len > skip)
            err = is_blank(flash, address + skip, len - skip, &blank);
        if (err != PP_OK)
            return err;
        if (!blank)
            return PP_ERR_VERSION;
    }
    return PP_OK;
}

/* ---- the log ---- */

/* Blocks of the log that continue others. */
static void find_continued(struct pp_ring *ring, uint32_t newest_lap)
{
    for (uint32_t lap = ring->oldest_lap; lap <= newest_lap; lap++) {
        struct pp_ring_block block;
        if (pp_ring_header_of(ring, lap, &block) && block.stands_for >= ring->oldest_lap)
            (void)pp_ring_note_continued(ring, block.stands_for, block.from, lap);
    }
}

static void take_retired(struct pp_ring *ring, const struct pp_record *record,
                         const uint8_t *payload)
{
    struct pp_ring_retired *retired = &ring->retired;
    retired->count = 0;
    for (uint32_t i = 0; i < record->len / 4u; i++) {
        uint32_t block = pp_le32_get(payload + 4 * i);
        if (block < ring->flash->block_count)
            pp_ring_retire(ring, block);
    }
    retired->lap = record->place.lap;
    retired->noted = true;
}

/* What the ring wrote for itself into a block. */
static void read_notes(struct pp_ring *ring, uint32_t lap, uint32_t newest_lap)
{
    struct pp_place place = {lap, 0};
    struct pp_record record;
    struct pp_ring_report report = ring->report;
    uint8_t payload[PP_STORE_RETIRED_MAX * 4];
    while (pp_ring_walk_block(ring, &place, &record) == PP_OK) {
        if (record.type < PP_RING_TYPE_RETIRED ||
            pp_ring_read(ring, record.place, &record, payload, sizeof(payload)) != PP_OK)
            continue;
        if (record.type == PP_RING_TYPE_RETIRED) {
            take_retired(ring, &record, payload);
        } else if (record.len == PP_RING_OLDEST_BYTES) {
            uint32_t oldest = pp_le32_get(payload);
            if (oldest > ring->oldest_lap && oldest <= newest_lap)
                ring->oldest_lap = oldest;
        }
    }
    ring->report = report; /* what is damaged there is counted when the log is walked */
}

/* The list of retired blocks may lie in a block that was given back, but not erased. */
static void read_retired(struct pp_ring *ring, uint32_t lap)
{
    uint32_t oldest_lap = ring->oldest_lap;
    if (lap == 0 || lap >= ring->next_lap || ring->next_lap - lap > ring->flash->block_count)
        return;
    ring->oldest_lap = lap;
    read_notes(ring, lap, 0);
    ring->oldest_lap = oldest_lap;
}

/* Was the block after the newest one in use too, by all that is left of its header? */
static bool is_lost(const struct pp_ring *ring, uint32_t lap)
{
    uint8_t bytes[PP_RING_BLOCK_HEADER_BYTES];
    struct pp_ring_block block;
    uint32_t number = pp_ring_block_of(ring, lap);
    if (pp_ring_is_retired(ring, number))
        return false;
    if (!read_header(ring->flash, number, bytes))
        return true;
    if (pp_ring_block_decode(ring->flash, number, bytes, &block) == PP_RING_HEADER_GOOD)
        return false;
    for (uint32_t i = 0; i < sizeof(bytes); i++) {
        if (bytes[i] != ring->flash->erased_value)
            return true;
    }
    return false;
}

/* Count the blocks of the log and set oldest_lap to the first that is there. */
static void count_blocks(struct pp_ring *ring, uint32_t newest_lap)
{
    uint32_t from_lap = ring->oldest_lap;
    ring->oldest_lap = newest_lap;
    for (uint32_t lap = from_lap; lap <= newest_lap; lap++) {
        struct pp_ring_block block;
        if (pp_ring_header_of(ring, lap, &block)) {
            uint32_t first = block.stands_for >= from_lap ? block.stands_for : lap;
            if (first < ring->oldest_lap)
                ring->oldest_lap = first;
            ring->report.blocks_used++;
        } else if (!pp_ring_is_retired(ring, pp_ring_block_of(ring, lap))) {
            ring->report.blocks_bad_header++;
        }
    }
    if (is_lost(ring, newest_lap + 1))
        ring->report.blocks_bad_header++;
}

static void find_log(struct pp_ring *ring, const struct pp_ring_block *newest)
{
    const struct pp_flash *flash = ring->flash;
    uint32_t span = newest->lap < flash->block_count ? newest->lap : flash->block_count;
    uint32_t first = newest->lap - span + 1;
    ring->next_lap = newest->lap + 1;
    ring->erases = newest->erases;
    ring->salt = newest->salt;
    ring->oldest_lap = newest->oldest_lap > first ? newest->oldest_lap : first;
    find_continued(ring, newest->lap);
    read_retired(ring, newest->retired_lap);
    read_notes(ring, newest->stands_for != 0 ? newest->stands_for : newest->lap, newest->lap);
    count_blocks(ring, newest->lap);
    ring->unsynced = false;
}

void pp_ring_go_back(struct pp_ring *ring, uint32_t lap)
{
    struct pp_ring_block before;
    for (uint32_t i = 0; i < ring->continued_count; i++) {
        if (ring->continued[i].in_lap >= lap)
            return;
    }
    if (lap <= ring->oldest_lap || !pp_ring_header_of(ring, lap - 1, &before))
        return;
    /* That the log begins later may have been told in what is erased now. */
    ring->noted_oldest = before.oldest_lap;
    ring->synced_oldest = before.oldest_lap;
    ring->next_lap = lap;
    ring->seed_lap = 0;
    if (ring->retired.lap >= lap)
        ring->retired.noted = false;
    /* Should the erase not arrive, records of before are not to pass for new ones. */
    ring->salt = pp_crc32c(ring->salt, &before.generation, sizeof(before.generation));
}

enum pp_err pp_ring_mount(struct pp_ring *ring, const struct pp_flash *flash)
{
    struct pp_ring_block newest;
    memset(ring, 0, sizeof(*ring));
    ring->flash = flash;
    ring->generation = 1;
    ring->next_lap = 1;
    ring->oldest_lap = 1;
    if (!geometry_fits(flash))
        return PP_ERR_RANGE;
    enum pp_err err = find_newest(flash, &newest);
    if (err == PP_OK && newest.lap == 0) {
        ring->virgin = true;
        err = check_blank(flash);
    } else if (err == PP_OK) {
        find_log(ring, &newest);
    }
    ring->noted_oldest = ring->oldest_lap;
    ring->synced_oldest = ring->oldest_lap;
    return err;
}
