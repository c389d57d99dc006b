/*
 * ring.c - an append-only log of records over raw flash: writing
 *
 * Job:      append records through the stage, open and give back blocks, sync.
 * Not here: the bytes (ring_format.h), finding the log again (ring_mount.c), reading
 *           (ring_read.c).
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
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "store/ring_format.h"

#define OLDEST_BYTES 4u /* payload of the record that says where the log begins */
/* How often the first sync of a blank medium is asked for, when it cannot be waited for. */
#define FIRST_SYNC_POLLS 1000000u

static enum pp_err fail(struct pp_ring *ring)
{
    ring->failed = true;
    return PP_ERR_FLASH;
}

static uint32_t units_up(const struct pp_ring *ring, uint32_t len)
{
    uint32_t unit = ring->flash->program_unit_bytes;
    return (len + unit - 1) / unit * unit;
}

/* Program the first `len` bytes of the stage, whole units, and keep the rest. */
static enum pp_err program_units(struct pp_ring *ring, uint32_t len)
{
    const struct pp_flash *flash = ring->flash;
    uint32_t done = 0;
    while (done < len) {
        struct pp_place place = {ring->head_lap, ring->stage_offset};
        uint32_t in_page = flash->page_bytes - ring->stage_offset % flash->page_bytes;
        uint32_t take = len - done < in_page ? len - done : in_page;
        if (flash->program(flash->ctx, pp_ring_address(ring, place), ring->stage + done, take) < 0)
            return fail(ring);
        ring->stage_offset += take;
        ring->report.bytes_programmed += take;
        done += take;
    }
    ring->stage_len -= len;
    memmove(ring->stage, ring->stage + len, ring->stage_len);
    return PP_OK;
}

/* Fill the stage with erased bytes up to the end of a unit. */
static void pad_stage(struct pp_ring *ring, uint32_t len)
{
    uint32_t full = units_up(ring, len);
    if (full <= ring->stage_len)
        return;
    memset(ring->stage + ring->stage_len, ring->flash->erased_value, full - ring->stage_len);
    ring->report.bytes_padded += full - ring->stage_len;
    ring->head_offset += full - ring->stage_len;
    ring->stage_len = full;
}

/*
 * The first header on a blank medium becomes durable before anything else is written: else a
 * power cut could leave records without it, and the medium would look like somebody else's.
 * Returns PP_ERR_LATER while its sync is under way.
 */
static enum pp_err begin_first_header(struct pp_ring *ring)
{
    pad_stage(ring, PP_RING_BLOCK_HEADER_BYTES);
    enum pp_err err = program_units(ring, units_up(ring, PP_RING_BLOCK_HEADER_BYTES));
    if (err != PP_OK)
        return err;
    ring->virgin = false;
    int done = ring->flash->sync_begin(ring->flash->ctx);
    if (done < 0)
        return fail(ring);
    return done > 0 ? PP_OK : PP_ERR_LATER;
}

static enum pp_err program_stage(struct pp_ring *ring, uint32_t len)
{
    if (ring->virgin && len > 0) {
        uint32_t before = ring->stage_offset;
        enum pp_err err = begin_first_header(ring);
        /* More came in than the stage holds before the first sync was asked for. */
        for (uint32_t i = 0; i < FIRST_SYNC_POLLS && err == PP_ERR_LATER; i++) {
            int done = ring->flash->sync_done(ring->flash->ctx);
            if (done != 0)
                err = done > 0 ? PP_OK : fail(ring);
        }
        if (err == PP_ERR_FLASH)
            return err;
        len -= ring->stage_offset - before;
    }
    return program_units(ring, len);
}

static enum pp_err flush(struct pp_ring *ring)
{
    if (ring->head_lap == 0)
        return PP_OK;
    pad_stage(ring, ring->stage_len);
    return program_stage(ring, ring->stage_len);
}

/* `bytes` NULL: erased bytes. */
static enum pp_err stage_put(struct pp_ring *ring, const void *bytes, uint32_t len)
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

/* How many blocks can be opened before the one that holds `oldest`. */
static uint32_t blocks_before(const struct pp_ring *ring, uint32_t oldest)
{
    uint64_t end = (uint64_t)oldest + ring->flash->block_count;
    return end > ring->next_lap ? (uint32_t)(end - ring->next_lap) : 0;
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

/* How often the block was erased, by its last header; by the last opened one if that is lost. */
static uint32_t erases_of(const struct pp_ring *ring, uint32_t lap)
{
    uint8_t bytes[PP_RING_BLOCK_HEADER_BYTES];
    struct pp_ring_block old;
    const struct pp_flash *flash = ring->flash;
    uint64_t address = pp_ring_address(ring, (struct pp_place){lap, 0});
    uint32_t number = (lap - 1) % flash->block_count;
    if (flash->read(flash->ctx, address, bytes, sizeof(bytes)) < 0 ||
        pp_ring_block_decode(flash, number, bytes, &old) != PP_RING_HEADER_GOOD)
        return ring->erases;
    return old.erases;
}

static enum pp_err open_next(struct pp_ring *ring)
{
    uint8_t header[PP_RING_BLOCK_HEADER_BYTES];
    uint32_t lap = ring->next_lap;
    if (lap == UINT32_MAX || pp_ring_free_blocks(ring) == 0)
        return PP_ERR_FULL;
    enum pp_err err = flush(ring);
    if (err != PP_OK)
        return err;
    ring->erases = erases_of(ring, lap) + 1;
    if (ring->flash->erase(ring->flash->ctx, (lap - 1) % ring->flash->block_count) < 0)
        return fail(ring);
    ring->report.blocks_erased++;
    struct pp_ring_block block = {lap, ring->erases, ring->oldest_lap, ring->salt};
    pp_ring_block_encode(ring->flash, &block, header);
    ring->noted_oldest = ring->oldest_lap;
    ring->head_lap = lap;
    ring->next_lap = lap + 1;
    ring->head_offset = 0;
    ring->stage_offset = 0;
    ring->stage_len = 0;
    ring->seed_lap = lap;
    ring->seed = pp_ring_seed(lap, ring->salt);
    ring->unsynced = true;
    return stage_put(ring, header, sizeof(header));
}

static enum pp_err put_record(struct pp_ring *ring, struct pp_record *record, const void *payload)
{
    uint8_t header[PP_RECORD_HEADER_BYTES];
    uint32_t seed;
    record->place = (struct pp_place){ring->head_lap, ring->head_offset};
    enum pp_err err = pp_ring_seed_of(ring, ring->head_lap, &seed);
    if (err != PP_OK)
        return err;
    pp_ring_record_encode(seed, record, pp_crc32c(0, payload, record->len), header);
    ring->salt = pp_crc32c(ring->salt, header, sizeof(header));
    ring->unsynced = true;
    err = stage_put(ring, header, sizeof(header));
    if (err == PP_OK)
        err = stage_put(ring, payload, record->len);
    if (err == PP_OK)
        err = stage_put(ring, NULL,
                        pp_ring_record_bytes(record->len) - PP_RECORD_HEADER_BYTES - record->len);
    return err;
}

/* What each block keeps for a record that says where the log begins. */
static uint32_t kept_bytes(const struct pp_ring *ring)
{
    return units_up(ring, pp_ring_record_bytes(OLDEST_BYTES));
}

static bool fits_head(const struct pp_ring *ring, uint32_t payload_len)
{
    uint32_t end = ring->flash->block_bytes - kept_bytes(ring);
    return ring->head_lap != 0 && ring->head_offset + pp_ring_record_bytes(payload_len) <= end;
}

enum pp_err pp_ring_append(struct pp_ring *ring, uint8_t type, uint32_t id, const void *payload,
                           uint16_t len, struct pp_place *place)
{
    struct pp_record record = {.type = type, .id = id, .len = len};
    assert(type != 0 && type != PP_RING_TYPE_OLDEST);
    if (ring->failed)
        return PP_ERR_FLASH;
    if (len > pp_ring_payload_max(ring))
        return PP_ERR_TOO_BIG;
    enum pp_err err = fits_head(ring, len) ? PP_OK : open_next(ring);
    if (err == PP_OK)
        err = put_record(ring, &record, payload);
    if (err == PP_OK)
        *place = record.place;
    return err;
}

uint32_t pp_ring_block_room(const struct pp_ring *ring)
{
    return ring->flash->block_bytes - PP_RING_BLOCK_HEADER_BYTES - kept_bytes(ring);
}

uint32_t pp_ring_payload_max(const struct pp_ring *ring)
{
    uint32_t fits = pp_ring_block_room(ring) - PP_RECORD_HEADER_BYTES;
    return fits < PP_STORE_CHUNK_BYTES ? fits : PP_STORE_CHUNK_BYTES;
}

uint32_t pp_ring_room(const struct pp_ring *ring)
{
    if (!fits_head(ring, 0))
        return 0;
    uint32_t end = ring->flash->block_bytes - kept_bytes(ring);
    uint32_t room = end - ring->head_offset - PP_RECORD_HEADER_BYTES;
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
    uint8_t payload[OLDEST_BYTES];
    uint32_t bytes = pp_ring_record_bytes(sizeof(payload));
    struct pp_record record = {.type = PP_RING_TYPE_OLDEST, .len = sizeof(payload)};
    *later = false;
    if (ring->oldest_lap == ring->noted_oldest)
        return PP_OK;
    if (ring->head_lap == 0 || ring->head_offset + bytes > ring->flash->block_bytes) {
        enum pp_err err = open_next(ring);
        *later = err == PP_ERR_FULL;
        return err == PP_ERR_FULL ? PP_OK : err;
    }
    pp_le32_put(payload, ring->oldest_lap);
    ring->noted_oldest = ring->oldest_lap;
    return put_record(ring, &record, payload);
}

static void sync_is_done(struct pp_ring *ring)
{
    ring->syncing = false;
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
        sync_is_done(ring);
    return PP_OK;
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
        return begun(ring, begin_first_header(ring));
    }
    enum pp_err err = note_oldest(ring, &later);
    if (err == PP_OK)
        err = flush(ring);
    if (err != PP_OK)
        return err;
    ring->unsynced = later;
    ring->syncing_generation = ring->generation;
    ring->generation++;
    int done = ring->flash->sync_begin(ring->flash->ctx);
    return begun(ring, done < 0 ? fail(ring) : done == 0 ? PP_ERR_LATER : PP_OK);
}

enum pp_err pp_ring_sync_poll(struct pp_ring *ring)
{
    if (ring->failed)
        return PP_ERR_FLASH;
    if (!ring->syncing)
        return PP_OK;
    int done = ring->flash->sync_done(ring->flash->ctx);
    if (done < 0)
        return fail(ring);
    if (done == 0)
        return PP_ERR_LATER;
    sync_is_done(ring);
    return PP_OK;
}

void pp_ring_resume(struct pp_ring *ring, uint32_t generation)
{
    ring->generation = generation;
    ring->synced_generation = generation - 1;
}

bool pp_ring_is_durable(const struct pp_ring *ring, uint32_t generation)
{
    return ring->synced_generation - generation < UINT32_MAX / 2;
}
