/*
 * ring_format.h - the bytes of the ring on the medium, version 2
 *
 * Job:      encode and decode block headers and record headers.
 * Not here: where they lie and when they are written (ring.c).
 *
 * Block header, 60 bytes at the start of each block in use:
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
 *     36  4  the lap that this block continues, because a program failed there; 0: none
 *     40  4  ... from this offset on
 *     44  4  generation: of the sync that was to make this header durable
 *     48  4  offset of the summary in the block filled before; 0: it has none
 *     52  4  the newest block with a list of retired blocks; 0: none
 *     56  4  CRC-32C of the 24 bytes before
 * In every version bytes 0 to 4 and the CRC over the first 32 have this place.
 *
 * Record, at multiples of 4, padded to a multiple of 4 with the erased value:
 *      0  1  type
 *      1  1  0xC3
 *      2  2  length of the payload
 *      4  4  id
 *      8  4  CRC-32C of the payload
 *     12  4  CRC-32C of lap, salt, the 12 bytes before and the record's offset in the block
 *     16     payload
 * Types of the ring's own:
 *    255  the oldest lap in use, 4 bytes
 *    254  numbers of retired blocks, 4 bytes each: all that are known
 *    253  summary, the last record of a block that was filled: offsets divided by 4, 2 bytes each,
 * of all records of types from PP_RING_LISTED_FROM on; its id is the highest in the block
 *
 * Between records there may be erased bytes, up to the end of a program unit, and behind the
 * last record up to the end of the block. In a block that continues another one the records have
 * that one's lap and salt in their CRC, and the offsets that they would have had there.
 */
#ifndef PP_STORE_RING_FORMAT_H
#define PP_STORE_RING_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "store/ring.h"

#define PP_RING_VERSION      2u
#define PP_RING_MAGIC_BYTES  4u
#define PP_RING_TYPE_OLDEST  255u
#define PP_RING_TYPE_RETIRED 254u
#define PP_RING_TYPE_SUMMARY 253u
#define PP_RING_OLDEST_BYTES 4u

extern const uint8_t pp_ring_magic[PP_RING_MAGIC_BYTES];

struct pp_ring_block {
    uint32_t lap;
    uint32_t erases;
    uint32_t oldest_lap;
    uint32_t salt;
    uint32_t stands_for;
    uint32_t from;
    uint32_t generation;
    uint32_t summary_offset;
    uint32_t retired_lap;
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

#endif
