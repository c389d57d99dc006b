/*
 * ring_format.c - the bytes of the ring on the medium, version 2
 *
 * Job:      encode and decode block headers and record headers.
 * Not here: where they lie and when they are written (ring.c).
 */
#include "store/ring_format.h"

#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"

#define RECORD_MARK 0xC3
/* The header in two parts, each with its CRC behind it; the second covers the first one's, so that
 * halves of two headers written at the same place do not pass for one. */
#define FIRST_BYTES   32u
#define SECOND_OFFSET 32u
#define SECOND_BYTES  24u

const uint8_t pp_ring_magic[PP_RING_MAGIC_BYTES] = {'P', 'i', 'n', 'Q'};

void pp_ring_block_encode(const struct pp_flash *flash, const struct pp_ring_block *block,
                          uint8_t out[PP_RING_BLOCK_HEADER_BYTES])
{
    memcpy(out, pp_ring_magic, PP_RING_MAGIC_BYTES);
    out[4] = PP_RING_VERSION;
    out[5] = flash->erased_value;
    pp_le16_put(out + 6, (uint16_t)flash->program_unit_bytes);
    pp_le32_put(out + 8, flash->block_bytes);
    pp_le32_put(out + 12, flash->block_count);
    pp_le32_put(out + 16, block->lap);
    pp_le32_put(out + 20, block->erases);
    pp_le32_put(out + 24, block->oldest_lap);
    pp_le32_put(out + 28, block->salt);
    pp_le32_put(out + FIRST_BYTES, pp_crc32c(0, out, FIRST_BYTES));
    pp_le32_put(out + 36, block->stands_for);
    pp_le32_put(out + 40, block->from);
    pp_le32_put(out + 44, block->generation);
    pp_le32_put(out + 48, block->summary_offset);
    pp_le32_put(out + 52, block->retired_lap);
    pp_le32_put(out + SECOND_OFFSET + SECOND_BYTES,
                pp_crc32c(0, out + SECOND_OFFSET, SECOND_BYTES));
}

static bool is_consistent(const struct pp_flash *flash, uint32_t number,
                          const struct pp_ring_block *block)
{
    if (block->lap == 0 || block->lap == UINT32_MAX ||
        (block->lap - 1) % flash->block_count != number)
        return false;
    if (block->oldest_lap == 0 || block->oldest_lap > block->lap)
        return false;
    return block->stands_for < block->lap && block->from < flash->block_bytes &&
           block->from % 4 == 0;
}

enum pp_ring_header pp_ring_block_decode(const struct pp_flash *flash, uint32_t number,
                                         const uint8_t bytes[PP_RING_BLOCK_HEADER_BYTES],
                                         struct pp_ring_block *block)
{
    if (memcmp(bytes, pp_ring_magic, PP_RING_MAGIC_BYTES) != 0 ||
        pp_le32_get(bytes + FIRST_BYTES) != pp_crc32c(0, bytes, FIRST_BYTES))
        return PP_RING_HEADER_BAD;
    if (bytes[4] != PP_RING_VERSION || bytes[5] != flash->erased_value ||
        pp_le16_get(bytes + 6) != flash->program_unit_bytes ||
        pp_le32_get(bytes + 8) != flash->block_bytes ||
        pp_le32_get(bytes + 12) != flash->block_count)
        return PP_RING_HEADER_OTHER;
    if (pp_le32_get(bytes + SECOND_OFFSET + SECOND_BYTES) !=
        pp_crc32c(0, bytes + SECOND_OFFSET, SECOND_BYTES))
        return PP_RING_HEADER_BAD;
    block->lap = pp_le32_get(bytes + 16);
    block->erases = pp_le32_get(bytes + 20);
    block->oldest_lap = pp_le32_get(bytes + 24);
    block->salt = pp_le32_get(bytes + 28);
    block->stands_for = pp_le32_get(bytes + 36);
    block->from = pp_le32_get(bytes + 40);
    block->generation = pp_le32_get(bytes + 44);
    block->summary_offset = pp_le32_get(bytes + 48);
    block->retired_lap = pp_le32_get(bytes + 52);
    return is_consistent(flash, number, block) ? PP_RING_HEADER_GOOD : PP_RING_HEADER_BAD;
}

uint32_t pp_ring_seed(uint32_t lap, uint32_t salt)
{
    uint8_t bytes[8];
    pp_le32_put(bytes, lap);
    pp_le32_put(bytes + 4, salt);
    return pp_crc32c(0, bytes, sizeof(bytes));
}

static uint32_t header_crc(uint32_t seed, uint32_t offset, const uint8_t *bytes)
{
    uint8_t where[4];
    pp_le32_put(where, offset);
    return pp_crc32c(pp_crc32c(seed, bytes, 12), where, sizeof(where));
}

void pp_ring_record_encode(uint32_t seed, const struct pp_record *record, uint32_t payload_crc,
                           uint8_t out[PP_RECORD_HEADER_BYTES])
{
    out[0] = record->type;
    out[1] = RECORD_MARK;
    pp_le16_put(out + 2, record->len);
    pp_le32_put(out + 4, record->id);
    pp_le32_put(out + 8, payload_crc);
    pp_le32_put(out + 12, header_crc(seed, record->place.offset, out));
}

bool pp_ring_record_decode(uint32_t seed, uint32_t block_bytes, struct pp_place place,
                           const uint8_t bytes[PP_RECORD_HEADER_BYTES], struct pp_record *record,
                           uint32_t *payload_crc)
{
    if (bytes[1] != RECORD_MARK || bytes[0] == 0 ||
        pp_le32_get(bytes + 12) != header_crc(seed, place.offset, bytes))
        return false;
    record->type = bytes[0];
    record->len = pp_le16_get(bytes + 2);
    record->id = pp_le32_get(bytes + 4);
    record->place = place;
    record->next = place;
    record->next.offset += pp_ring_record_bytes(record->len);
    *payload_crc = pp_le32_get(bytes + 8);
    return record->next.offset <= block_bytes;
}

uint32_t pp_ring_record_bytes(uint32_t payload_len)
{
    return (PP_RECORD_HEADER_BYTES + payload_len + 3) & ~(uint32_t)3;
}
