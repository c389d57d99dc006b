/*
 * ring.c - an append-only log of records over raw flash: appending
 *
 * Job:      append records to the open block, give blocks back, sync.
 * Not here: the bytes (ring_format.h), the stage (ring_stage.c), opening blocks (ring_block.c),
 *           finding the log again (ring_mount.c), reading (ring_read.c, ring_walk.c).
 *
 * Order is made, not hoped for. What was not synced may reach the medium in any order, in
 * part or not at all, erases too. Were "message 7 is done" erased while message 7 itself, in
 * an older block or in the other half of the same one, outlives its own erase, 7 would come
 * back. So where the log begins is itself written down, in each block header and in a record
 * of type 255 at a sync, and only blocks before a beginning that is durable are erased.
 * Each block keeps room for one such record, so there is always a way on: either the head has that
 * room, or the record was synced and has set free a block whose header says the next.
 *
 * One case is left: a log without any free block at mount, where no head is open. There the
 * oldest block is erased on its owner's word alone.
 */
#include <assert.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "store/ring_private.h"

enum pp_err pp_ring_put_record(struct pp_ring *ring, struct pp_record *record, const void *payload)
{
    uint8_t header[PP_RECORD_HEADER_BYTES];
    uint32_t seed;
    uint32_t padding = pp_ring_record_bytes(record->len) - PP_RECORD_HEADER_BYTES - record->len;
    record->place = (struct pp_place){ring->head_lap, ring->head_offset};
    enum pp_err err = pp_ring_seed_of(ring, ring->head_lap, &seed);
    if (err != PP_OK)
        return err;
    pp_ring_record_encode(seed, record, pp_crc32c(0, payload, record->len), header);
    ring->salt = pp_crc32c(ring->salt, header, sizeof(header));
    ring->record_offset = ring->head_offset;
    ring->unsynced = true;
    err = pp_ring_stage_put(ring, header, sizeof(header));
    if (err == PP_OK)
        err = pp_ring_stage_put(ring, payload, record->len);
    if (err == PP_OK)
        err = pp_ring_stage_put(ring, NULL, padding);
    ring->record_offset = ring->head_offset;
    return err;
}

/* What each block keeps for a record that says where the log begins. */
static uint32_t kept_bytes(const struct pp_ring *ring)
{
    return pp_ring_units_up(ring, pp_ring_record_bytes(PP_RING_OLDEST_BYTES));
}

/* Where the open block's records end: behind them it keeps room for its summary too, one more
 * record counted in. */
static uint32_t records_end(const struct pp_ring *ring)
{
    uint32_t listed = ring->summary.count + 1;
    uint32_t summary = listed <= PP_STORE_SUMMARY_RECORDS ? pp_ring_record_bytes(2 * listed) : 0;
    return ring->flash->block_bytes - kept_bytes(ring) - summary;
}

bool pp_ring_fits_head(const struct pp_ring *ring, uint32_t payload_len)
{
    return ring->head_lap != 0 && !ring->summary.closed &&
           ring->head_offset + pp_ring_record_bytes(payload_len) <= records_end(ring);
}

/* Keep in mind what the block's summary will tell. */
static void list(struct pp_ring_summary *s, const struct pp_record *record)
{
    uint32_t offset = record->place.offset / 4;
    if (record->id > s->highest_id)
        s->highest_id = record->id;
    if (record->type < PP_RING_LISTED_FROM)
        return;
    if (s->count >= PP_STORE_SUMMARY_RECORDS || offset > UINT16_MAX)
        s->count = PP_STORE_SUMMARY_RECORDS + 1;
    else
        s->offsets[s->count++] = (uint16_t)offset;
}

enum pp_err pp_ring_append(struct pp_ring *ring, uint8_t type, uint32_t id, const void *payload,
                           uint16_t len, struct pp_place *place)
{
    struct pp_record record = {.type = type, .id = id, .len = len};
    assert(type != 0 && type < PP_RING_TYPE_SUMMARY);
    if (ring->failed)
        return PP_ERR_FLASH;
    if (len > pp_ring_payload_max(ring))
        return PP_ERR_TOO_BIG;
    enum pp_err err = pp_ring_fits_head(ring, len) ? PP_OK : pp_ring_open_next(ring);
    if (err == PP_OK)
        err = pp_ring_put_record(ring, &record, payload);
    if (err != PP_OK)
        return err;
    list(&ring->summary, &record);
    ring->appended_generation = ring->generation;
    *place = record.place;
    return PP_OK;
}

/* Bytes for records in a block whose list of retired blocks has that many. */
static uint32_t room_beside(const struct pp_ring *ring, uint32_t retired)
{
    return ring->flash->block_bytes - PP_RING_BLOCK_HEADER_BYTES - kept_bytes(ring) -
           pp_ring_retired_bytes(retired) - pp_ring_record_bytes(2);
}

uint32_t pp_ring_block_room(const struct pp_ring *ring)
{
    return room_beside(ring, ring->retired.count);
}

uint32_t pp_ring_payload_max(const struct pp_ring *ring)
{
    uint32_t fits = room_beside(ring, pp_ring_retired_max(ring->flash)) - PP_RECORD_HEADER_BYTES;
    return fits < PP_STORE_CHUNK_BYTES ? fits : PP_STORE_CHUNK_BYTES;
}

uint32_t pp_ring_room(const struct pp_ring *ring)
{
    if (!pp_ring_fits_head(ring, 0))
        return 0;
    uint32_t room = records_end(ring) - ring->head_offset - PP_RECORD_HEADER_BYTES;
    uint32_t max = pp_ring_payload_max(ring);
    return room < max ? room : max;
}

enum pp_err pp_ring_drop_oldest(struct pp_ring *ring)
{
    if (ring->oldest_lap == ring->head_lap || ring->oldest_lap >= ring->next_lap)
        return PP_ERR_STATE;
    ring->oldest_lap++;
    ring->unsynced = true;
    return PP_OK;
}

/* Write down where the log begins, if that is new. Sets *later when another sync has to do it. */
static enum pp_err note_oldest(struct pp_ring *ring, bool *later)
{
    uint8_t payload[PP_RING_OLDEST_BYTES];
    uint32_t bytes = pp_ring_record_bytes(sizeof(payload));
    struct pp_record record = {.type = PP_RING_TYPE_OLDEST, .len = sizeof(payload)};
    *later = false;
    if (ring->oldest_lap == ring->noted_oldest)
        return PP_OK;
    if (ring->head_lap == 0 || ring->head_offset + bytes > ring->flash->block_bytes) {
        enum pp_err err = pp_ring_open_next(ring);
        *later = err == PP_ERR_FULL;
        return err == PP_ERR_FULL ? PP_OK : err;
    }
    pp_le32_put(payload, ring->oldest_lap);
    ring->noted_oldest = ring->oldest_lap;
    return pp_ring_put_record(ring, &record, payload);
}

void pp_ring_sync_is_done(struct pp_ring *ring)
{
    ring->syncing = false;
    ring->header_syncing = false;
    ring->synced_generation = ring->syncing_generation;
    ring->synced_oldest = ring->syncing_oldest;
}

/* A sync was begun, with this result. */
static enum pp_err begun(struct pp_ring *ring, enum pp_err result)
{
    if (result == PP_ERR_FLASH)
        return result;
    ring->syncing = true;
    ring->syncing_oldest = ring->noted_oldest;
    if (result == PP_OK)
        pp_ring_sync_is_done(ring);
    return PP_OK;
}

enum pp_err pp_ring_program(struct pp_ring *ring)
{
    bool may = !ring->failed && !ring->virgin && ring->flash->program_unit_bytes == 1;
    return may ? pp_ring_flush(ring) : PP_OK;
}

enum pp_err pp_ring_sync_begin(struct pp_ring *ring)
{
    bool later;
    if (ring->failed)
        return PP_ERR_FLASH;
    if (ring->syncing)
        return PP_ERR_LATER;
    if (!ring->unsynced)
        return PP_OK;
    if (ring->virgin && ring->head_lap != 0) {
        ring->syncing_generation = ring->synced_generation;
        return begun(ring, pp_ring_begin_first_header(ring));
    }
    enum pp_err err = note_oldest(ring, &later);
    if (err == PP_OK && ring->head_lap != 0)
        err = pp_ring_note_retired(ring);
    if (err == PP_OK)
        err = pp_ring_flush(ring);
    if (err != PP_OK)
        return err;
    ring->unsynced = later;
    ring->syncing_generation = ring->generation;
    ring->generation++;
    int done = ring->flash->sync_begin(ring->flash->ctx);
    return begun(ring, done < 0 ? pp_ring_fail(ring) : done == 0 ? PP_ERR_LATER : PP_OK);
}

enum pp_err pp_ring_sync_poll(struct pp_ring *ring)
{
    if (ring->failed)
        return PP_ERR_FLASH;
    if (!ring->syncing)
        return PP_OK;
    int done = ring->flash->sync_done(ring->flash->ctx);
    if (done < 0)
        return pp_ring_fail(ring);
    if (done == 0)
        return PP_ERR_LATER;
    pp_ring_sync_is_done(ring);
    return PP_OK;
}

void pp_ring_resume(struct pp_ring *ring, uint32_t generation)
{
    ring->generation = generation;
    ring->synced_generation = generation - 1;
    ring->appended_generation = generation - 1;
}

bool pp_ring_is_durable(const struct pp_ring *ring, uint32_t generation)
{
    return ring->synced_generation - generation < UINT32_MAX / 2;
}
