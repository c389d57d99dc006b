/*
 * ring.h - an append-only log of records over raw flash, used as a ring of erase blocks
 *
 * Job:      append records, make them survive a power cut, read one at a place, walk all of
 *           them at mount, give back the oldest block, go round blocks that fail.
 * Not here: what records mean and which are still needed (queue/queue.c).
 * Format:   version 2; see ring_format.h. Every block header, record header and payload carries
 *           a CRC-32C. Integers are little endian.
 *
 * A record lies within one block. Its place is the block's number in the order of use (`lap`,
 * growing by one for each block ever opened) and the offset in the block; a place stays valid
 * until that block is erased.
 *
 * A block that fails to erase or to program is retired: its laps are skipped from then on. What
 * was programmed before stays where it is. Where the open block fails, the next good one
 * continues it: places in it keep their names. The list of retired blocks is kept in the log.
 */
#ifndef PP_STORE_RING_H
#define PP_STORE_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "port.h"
#include "profile.h"

struct pp_place {
    uint32_t lap; /* 0 is "nowhere" */
    uint32_t offset;
};

#define PP_RECORD_HEADER_BYTES     16u
#define PP_RING_BLOCK_HEADER_BYTES 60u
/* Records of types from this one on are listed in their block's summary: a mount that asks for
 * them alone need not pass over the others. */
#define PP_RING_LISTED_FROM 4u

struct pp_record {
    uint8_t type; /* 1 to 252; the ring gives them no meaning */
    uint32_t id;  /* the message it belongs to, or 0 */
    uint16_t len; /* of the payload */
    struct pp_place place;
    struct pp_place next; /* where to go on walking */
};

/* What mount and reading found; grows only. */
struct pp_ring_report {
    uint32_t blocks_used;
    uint32_t blocks_bad_header; /* erased when their turn comes; what is in them is lost */
    uint32_t records_read;
    uint32_t records_damaged; /* skipped; one for each damaged stretch */
    uint64_t bytes_skipped;
    uint64_t bytes_programmed; /* since start, for benchmarks */
    uint64_t bytes_padded;     /* of these: to the end of a unit, at a sync */
    uint64_t blocks_erased;
    uint32_t erases_failed;
    uint32_t programs_failed;
    uint32_t summaries_read; /* at mount: blocks that had not to be walked */
};

/* Blocks that failed. The list holds the newest; one that fell off it is found out again. */
struct pp_ring_retired {
    uint32_t count;
    uint32_t blocks[PP_STORE_RETIRED_MAX]; /* their numbers on the medium */
    uint32_t lap;                          /* block that holds the newest list; 0 none */
    bool noted;                            /* ... and all of it */
};

/* Bytes of block `lap` from `from` on lie in block `in_lap`, at the same offsets. */
struct pp_ring_continued {
    uint32_t lap;
    uint32_t from;
    uint32_t in_lap;
};

/* A block's records that a mount must read, by offset / 4. */
struct pp_ring_summary {
    uint32_t count; /* more than PP_STORE_SUMMARY_RECORDS: too many, the block gets none */
    uint32_t highest_id;
    uint32_t written_at; /* offset of the newest written one, in the block filled before; 0 none */
    bool closed;         /* the open block has its summary: no more records */
    uint16_t offsets[PP_STORE_SUMMARY_RECORDS];
};

/* Bytes read ahead: records of a message are asked for one by one, and mostly lie together. */
struct pp_ring_ahead {
    uint64_t address;
    uint32_t len; /* 0: none */
    uint8_t bytes[PP_STORE_AHEAD_BYTES > 0 ? PP_STORE_AHEAD_BYTES : 1];
};

struct pp_ring {
    const struct pp_flash *flash;
    uint32_t oldest_lap;   /* first block that holds records */
    uint32_t head_lap;     /* block being filled; 0 when none is open */
    uint32_t next_lap;     /* the number that the next opened block gets */
    uint32_t head_offset;  /* next free byte in the head block, stage included */
    uint32_t stage_offset; /* where the stage's first byte goes */
    uint32_t stage_len;
    uint32_t record_offset; /* of the record being staged, or head_offset */
    uint32_t whole_until;   /* records before this offset have left the stage whole */
    uint32_t head_salt;
    bool virgin;         /* nothing of ours is on the medium yet */
    bool header_syncing; /* the first header is, but is not known to be durable */
    bool failed;         /* the medium failed for good: no more appends until a remount */
    bool syncing;
    bool unsynced;       /* something was appended or given back since the last sync began */
    uint32_t generation; /* of the sync that will make the newest append durable */
    uint32_t syncing_generation;  /* of the sync under way */
    uint32_t synced_generation;   /* the newest that is known durable */
    uint32_t appended_generation; /* of the newest append: durable means that all is */
    uint32_t noted_oldest;        /* oldest_lap as last written down */
    uint32_t syncing_oldest;      /* ... and in the sync under way */
    uint32_t synced_oldest;       /* ... and durable: blocks before it may be erased */
    uint32_t erases;              /* of the head block */
    uint32_t seed_lap;            /* block whose checksum seed is kept in `seed` */
    uint32_t seed;
    /* Goes into the checksums of the next block's record headers, so that content cannot pose as
     * records where a reader looks for the next sound one. It follows from all that was
     * appended; the owner may stir in randomness at any time. */
    uint32_t salt;
    struct pp_ring_retired retired;
    uint32_t continued_count;
    struct pp_ring_continued continued[PP_STORE_CONTINUED_MAX]; /* the later one counts */
    struct pp_ring_summary summary;
    struct pp_ring_report report;
    struct pp_ring_ahead ahead;
    uint8_t stage[PP_STORE_STAGE_BYTES];
};

/*
 * Look at a medium: find its blocks and their order. Writes nothing. What can be read now is
 * taken for durable: the port syncs a medium before it hands it out.
 * Returns PP_ERR_VERSION (another format's, a later one's or another geometry's: left
 * untouched), PP_ERR_RANGE (a geometry outside the profile), PP_ERR_FLASH. A medium that is
 * blank is an empty log, and so is one where the power went while the very first block
 * header was written.
 */
PP_MUST_USE enum pp_err pp_ring_mount(struct pp_ring *ring, const struct pp_flash *flash);
/*
 * Walk: *place = {0, 0} begins at the oldest record. On PP_OK `record` is the next sound
 * record at or behind *place and *place is moved behind it; damaged stretches are skipped
 * and counted, unreadable ones too. PP_ERR_NOT_FOUND at the end. The payload is not read:
 * only its header is known to be sound.
 */
PP_MUST_USE enum pp_err pp_ring_walk(struct pp_ring *ring, struct pp_place *place,
                                     struct pp_record *record);
/*
 * Walk at mount, before the first append: as pp_ring_walk(), but where a block has a sound summary
 * only the records that it lists come. A zeroed cursor begins at the oldest record. Uses
 * the stage.
 */
struct pp_ring_cursor {
    struct pp_place place;
    uint32_t generation; /* of the block at `place`; 0 unknown */
    uint32_t highest_id; /* in the blocks passed over so far */
    uint32_t entered;    /* lap whose summary was looked for */
    bool summarized;     /* ... and found, with so many records */
    uint32_t listed;
    uint32_t next_listed;
};
PP_MUST_USE enum pp_err pp_ring_walk_listed(struct pp_ring *ring, struct pp_ring_cursor *cursor,
                                            struct pp_record *record);
/*
 * Read the record at `place`, what is still staged too. `payload` has `cap` bytes.
 * Returns PP_ERR_TOO_BIG (`record` is set), PP_ERR_DAMAGED (the payload's CRC; `record` is
 * set), PP_ERR_NOT_FOUND (no record header there), PP_ERR_FLASH.
 */
PP_MUST_USE enum pp_err pp_ring_read(struct pp_ring *ring, struct pp_place place,
                                     struct pp_record *record, void *payload, uint32_t cap);
/*
 * Append one record: staged, programmed when the stage is full or at the sync. Opens (and
 * erases) the next good block when it does not fit.
 * Returns PP_ERR_FULL when that would be a block still in use or one whose giving back is not
 * durable yet (a sync helps), PP_ERR_FLASH when the medium failed a sync, or a program when no
 * good block was left to go on in, PP_ERR_TOO_BIG above pp_ring_payload_max().
 */
PP_MUST_USE enum pp_err pp_ring_append(struct pp_ring *ring, uint8_t type, uint32_t id,
                                       const void *payload, uint16_t len, struct pp_place *place);
/* Largest payload of a record: PP_STORE_CHUNK_BYTES, or what fits a block when that is less. */
uint32_t pp_ring_payload_max(const struct pp_ring *ring);
/* Bytes that a record takes in flash. */
uint32_t pp_ring_record_bytes(uint32_t payload_len);
/* Largest payload that fits the head block as it is, at most pp_ring_payload_max(); may be 0. */
uint32_t pp_ring_room(const struct pp_ring *ring);
/* Bytes for records in a block. */
uint32_t pp_ring_block_room(const struct pp_ring *ring);
/* Blocks that can be opened before the next sync, the open one not counted. */
uint32_t pp_ring_free_blocks(const struct pp_ring *ring);
/* The same once all that was given back is durable. */
uint32_t pp_ring_spare_blocks(const struct pp_ring *ring);
/* Blocks of the medium that are not retired. */
uint32_t pp_ring_good_blocks(const struct pp_ring *ring);
/*
 * At mount, before the first append: go on with block `lap` and not behind the newest one, since
 * nothing in it and in those behind it is needed. Otherwise each mount that a power cut ends early
 * would use up a block. Nothing is changed when blocks there continue others.
 */
void pp_ring_go_back(struct pp_ring *ring, uint32_t lap);
/* Give the oldest block back: nothing in it is needed any more (and copies are synced).
 * Never the head block, nor a block that is not there (PP_ERR_STATE). */
PP_MUST_USE enum pp_err pp_ring_drop_oldest(struct pp_ring *ring);

/* Program what is staged where that wastes no space, on a medium of single bytes: it outlives the
 * process then, not the power. Elsewhere nothing is done. PP_ERR_FLASH. */
PP_MUST_USE enum pp_err pp_ring_program(struct pp_ring *ring);
/*
 * Group commit. begin: program what is staged and start a sync of everything appended so far;
 * nothing to do: PP_OK at once; PP_ERR_LATER when one is under way, PP_ERR_FLASH. On a medium
 * that is still blank the first sync makes the first block header durable and no more: then
 * `unsynced` stays set.
 * poll: PP_OK when no sync is under way any more, PP_ERR_LATER while one is, PP_ERR_FLASH
 * when it failed; then the ring is `failed`.
 */
PP_MUST_USE enum pp_err pp_ring_sync_begin(struct pp_ring *ring);
PP_MUST_USE enum pp_err pp_ring_sync_poll(struct pp_ring *ring);
/*
 * Go on counting generations from `generation`, the newest that the owner found in its records
 * at mount: a record of generation n is proof that all of n - 2 and before was durable, over
 * any number of mounts. Before the first append.
 */
void pp_ring_resume(struct pp_ring *ring, uint32_t generation);
/* True when all that was appended up to `generation` is durable. */
bool pp_ring_is_durable(const struct pp_ring *ring, uint32_t generation);

#endif
