/*
 * ring_format.h - the bytes of the ring on the medium, version 1
 *
 * Job:      encode and decode block headers and record headers.
 * Not here: where they lie and when they are written (ring.c).
 *
 * Block header, 36 bytes at the start of each block in use:
 *      0  4  'P' 'i' 'n' 'Q'
 *      4  1  version
 *      5  1  erased value
 *      6  2  program unit
 *      8  4  block bytes
 *     12  4  block count
 *     16  4  lap: block number in the order of use, from 1; it lies in block (lap - 1) % count
 *     20  4  how often this block was erased
 *     24  4  the oldest lap in use when this block was opened
 *     28  4  salt of this block's record headers
 *     32  4  CRC-32C of the 32 bytes before
 * Bytes 0 to 4 and the CRC have this place in every version.
 *
 * Record, at multiples of 4, padded to a multiple of 4 with the erased value:
 *      0  1  type; 255 is the ring's own: its payload is the oldest lap in use
 *      1  1  0xC3
 *      2  2  length of the payload
 *      4  4  id
 *      8  4  CRC-32C of the payload
 *     12  4  CRC-32C of lap, salt, the 12 bytes before and the record's offset in the block
 *     16     payload
 *
 * Between records there may be erased bytes, up to the end of a program unit, and behind the
 * last record up to the end of the block.
 */
#ifndef PP_STORE_RING_FORMAT_H
#define PP_STORE_RING_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "store/ring.h"

#define PP_RING_MAGIC_BYTES 4u
#define PP_RING_TYPE_OLDEST 255u /* where the log begins */

extern const uint8_t pp_ring_magic[PP_RING_MAGIC_BYTES];

struct pp_ring_block {
    uint32_t lap;
    uint32_t erases;
    uint32_t oldest_lap;
    uint32_t salt;
};

enum pp_ring_header {
    PP_RING_HEADER_GOOD,
    PP_RING_HEADER_BAD,
    PP_RING_HEADER_OTHER /* sound, but of another version or geometry */
};

void pp_ring_block_encode(const struct pp_flash *flash, const struct pp_ring_block *block,
                          uint8_t out[PP_RING_BLOCK_HEADER_BYTES]);
/* `number` is the block's place on the medium: a header found elsewhere is bad. */
enum pp_ring_header pp_ring_block_decode(const struct pp_flash *flash, uint32_t number,
                                         const uint8_t bytes[PP_RING_BLOCK_HEADER_BYTES],
                                         struct pp_ring_block *block);

/* What the record headers of a block are seeded with. */
uint32_t pp_ring_seed(uint32_t lap, uint32_t salt);
void pp_ring_record_encode(uint32_t seed, const struct pp_record *record, uint32_t payload_crc,
                           uint8_t out[PP_RECORD_HEADER_BYTES]);
/* Sets type, id, len, and `next` as it follows from `place`; false when the header is not sound
 * or the record would pass the block's end. */
bool pp_ring_record_decode(uint32_t seed, uint32_t block_bytes, struct pp_place place,
                           const uint8_t bytes[PP_RECORD_HEADER_BYTES], struct pp_record *record,
                           uint32_t *payload_crc);

/* Bytes of a block, those still staged too. PP_ERR_FLASH. */
PP_MUST_USE enum pp_err pp_ring_bytes(const struct pp_ring *ring, struct pp_place place, void *out,
                                      uint32_t len);
/* The seed of a block; PP_ERR_NOT_FOUND when its header is bad. */
PP_MUST_USE enum pp_err pp_ring_seed_of(struct pp_ring *ring, uint32_t lap, uint32_t *seed);
/* As pp_ring_walk() within one block, the ring's own records too; PP_ERR_NOT_FOUND at its end. */
PP_MUST_USE enum pp_err pp_ring_walk_block(struct pp_ring *ring, struct pp_place *place,
                                           struct pp_record *record);
uint64_t pp_ring_address(const struct pp_ring *ring, struct pp_place place);

#endif
