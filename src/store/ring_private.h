/*
 * ring_private.h - what the files of the ring share
 *
 * Job:      bytes of a block wherever they lie now; blocks taken, retired and continued; the
 *           stage.
 * Not here: the public side (ring.h), the bytes on the medium (ring_format.h).
 */
#ifndef PP_STORE_RING_PRIVATE_H
#define PP_STORE_RING_PRIVATE_H

#include "store/ring_format.h"

static inline uint32_t pp_ring_block_of(const struct pp_ring *ring, uint32_t lap)
{
    return (lap - 1) % ring->flash->block_count;
}

static inline uint32_t pp_ring_units_up(const struct pp_ring *ring, uint32_t len)
{
    uint32_t unit = ring->flash->program_unit_bytes;
    return (len + unit - 1) / unit * unit;
}

/* ---- bytes (ring_read.c) ---- */
/* The lap of the block in which a place's byte lies, and (NULL: not asked for) up to which offset
 * the bytes behind it do too. */
uint32_t pp_ring_resolve(const struct pp_ring *ring, struct pp_place place, uint32_t *until);
/* Of a place that is programmed, or will be. */
uint64_t pp_ring_address(const struct pp_ring *ring, struct pp_place place);
/* Bytes of a block, those still staged too. PP_ERR_FLASH. */
PP_MUST_USE enum pp_err pp_ring_bytes(struct pp_ring *ring, struct pp_place place, void *out,
                                      uint32_t len);
/* These bytes of the medium change: what was read of them is no longer true. */
void pp_ring_forget_ahead(struct pp_ring *ring, uint64_t address, uint64_t len);
/* The header of the block that holds `lap` on the medium; false when it is not sound or is another
 * lap's. */
bool pp_ring_header_of(const struct pp_ring *ring, uint32_t lap, struct pp_ring_block *block);
/* The seed of a block; PP_ERR_NOT_FOUND when no header tells it. */
PP_MUST_USE enum pp_err pp_ring_seed_of(struct pp_ring *ring, uint32_t lap, uint32_t *seed);
/* One past the last byte of a block that may belong to a record. */
uint32_t pp_ring_end_of(const struct pp_ring *ring, uint32_t lap);

/* ---- walking (ring_walk.c) ---- */
/* As pp_ring_walk() within one block, the ring's own records too; PP_ERR_NOT_FOUND at its end. */
PP_MUST_USE enum pp_err pp_ring_walk_block(struct pp_ring *ring, struct pp_place *place,
                                           struct pp_record *record);

/* ---- blocks (ring_block.c) ---- */
/* Erase the next good block: *lap is its. Those that fail are retired. PP_ERR_FULL: none left. */
PP_MUST_USE enum pp_err pp_ring_take_block(struct pp_ring *ring, uint32_t *lap);
void pp_ring_retire(struct pp_ring *ring, uint32_t block);
bool pp_ring_is_retired(const struct pp_ring *ring, uint32_t block);
/* Close the head with its summary and open the next block. PP_ERR_FULL, PP_ERR_FLASH. */
PP_MUST_USE enum pp_err pp_ring_open_next(struct pp_ring *ring);
/* Remember that what lies at `lap` from `from` on is in `in_lap` now. False: no room for that. */
bool pp_ring_note_continued(struct pp_ring *ring, uint32_t lap, uint32_t from, uint32_t in_lap);
/* The longest list of retired blocks on this medium. */
uint32_t pp_ring_retired_max(const struct pp_flash *flash);
/* Bytes of the record that lists them, when it lists `count`; 0 for none. */
uint32_t pp_ring_retired_bytes(uint32_t count);
/* Write the list of retired blocks into the head, if that is new and has room there. */
PP_MUST_USE enum pp_err pp_ring_note_retired(struct pp_ring *ring);

/* ---- appending (ring.c) ---- */
/* Stage a record in the head, which has room for it. Sets record->place. */
PP_MUST_USE enum pp_err pp_ring_put_record(struct pp_ring *ring, struct pp_record *record,
                                           const void *payload);
/* Does a record of that payload fit the head, and leave what has to be left? */
bool pp_ring_fits_head(const struct pp_ring *ring, uint32_t payload_len);

/* The sync under way has made durable what it was begun for. */
void pp_ring_sync_is_done(struct pp_ring *ring);

/* ---- the stage (ring_stage.c) ---- */
/* The medium has failed for good. */
enum pp_err pp_ring_fail(struct pp_ring *ring);
/* Add to the stage, which is programmed when it is full. `bytes` NULL: erased bytes. */
PP_MUST_USE enum pp_err pp_ring_stage_put(struct pp_ring *ring, const void *bytes, uint32_t len);
/* Program all that is staged, padded to the end of a unit. */
PP_MUST_USE enum pp_err pp_ring_flush(struct pp_ring *ring);
/*
 * The first header on a blank medium becomes durable before anything else is written: else a
 * power cut could leave records without it, and the medium would look like somebody else's.
 * Returns PP_ERR_LATER while its sync is under way.
 */
PP_MUST_USE enum pp_err pp_ring_begin_first_header(struct pp_ring *ring);

#endif
