/*
 * kv_format.c - the bytes of the key-value on the medium, version 1
 *
 * Job:      encode and decode the headers of halves and their records.
 * Not here: where they lie and when they are written (kv.c).
 */
#include "store/kv_format.h"

#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"

#define VERSION     1
#define RECORD_MARK 0xC5

const uint8_t pp_kv_magic[PP_KV_MAGIC_BYTES] = {'P', 'i', 'n', 'K'};

/* ---- layout ---- */

uint32_t pp_kv_half_bytes(const struct pp_flash *flash)
{
    return flash->block_count / 2 * flash->block_bytes;
}

uint32_t pp_kv_align(const struct pp_flash *flash)
{
    return flash->program_unit_bytes < 4 ? 4 : flash->program_unit_bytes;
}

static uint32_t aligned(const struct pp_flash *flash, uint32_t len)
{
    uint32_t align = pp_kv_align(flash);
    return (len + align - 1) / align * align;
}

uint32_t pp_kv_header_offset(const struct pp_flash *flash, unsigned number)
{
    return number * aligned(flash, PP_KV_HEADER_BYTES);
}

uint32_t pp_kv_base_offset(const struct pp_flash *flash)
{
    return pp_kv_header_offset(flash, PP_KV_HEADERS);
}

uint32_t pp_kv_record_bytes(const struct pp_flash *flash, uint32_t value_len)
{
    return aligned(flash, PP_KV_RECORD_BYTES + value_len);
}

/* ---- headers ---- */

void pp_kv_header_encode(const struct pp_flash *flash, unsigned which,
                         const struct pp_kv_half *half, uint8_t out[PP_KV_HEADER_BYTES])
{
    memcpy(out, pp_kv_magic, PP_KV_MAGIC_BYTES);
    out[4] = VERSION;
    out[5] = flash->erased_value;
    pp_le16_put(out + 6, (uint16_t)flash->program_unit_bytes);
    pp_le32_put(out + 8, flash->block_bytes);
    pp_le16_put(out + 12, (uint16_t)(flash->block_count / 2));
    out[14] = (uint8_t)which;
    out[15] = half->records;
    pp_le32_put(out + 16, half->generation);
    pp_le32_put(out + 20, half->erases);
    pp_le32_put(out + 24, half->salt);
    pp_le64_put(out + 28, half->keys);
    pp_le32_put(out + 36, half->base_bytes);
    pp_le32_put(out + 40, pp_crc32c(0, out, 40));
}

static bool is_in_bounds(const struct pp_flash *flash, const struct pp_kv_half *half)
{
    uint32_t bytes = pp_kv_half_bytes(flash);
    return half->generation != 0 && half->base_bytes <= bytes - pp_kv_base_offset(flash);
}

enum pp_kv_header pp_kv_header_decode(const struct pp_flash *flash, unsigned which,
                                      const uint8_t bytes[PP_KV_HEADER_BYTES],
                                      struct pp_kv_half *half)
{
    if (memcmp(bytes, pp_kv_magic, PP_KV_MAGIC_BYTES) != 0 ||
        pp_le32_get(bytes + 40) != pp_crc32c(0, bytes, 40))
        return PP_KV_HEADER_BAD;
    if (bytes[4] != VERSION || bytes[5] != flash->erased_value ||
        pp_le16_get(bytes + 6) != flash->program_unit_bytes ||
        pp_le32_get(bytes + 8) != flash->block_bytes ||
        pp_le16_get(bytes + 12) != flash->block_count / 2)
        return PP_KV_HEADER_OTHER;
    half->records = bytes[15];
    half->generation = pp_le32_get(bytes + 16);
    half->erases = pp_le32_get(bytes + 20);
    half->salt = pp_le32_get(bytes + 24);
    half->keys = pp_le64_get(bytes + 28);
    half->base_bytes = pp_le32_get(bytes + 36);
    return bytes[14] == which && is_in_bounds(flash, half) ? PP_KV_HEADER_GOOD : PP_KV_HEADER_BAD;
}

/* ---- records ---- */

uint32_t pp_kv_seed(const struct pp_kv_half *half)
{
    uint8_t bytes[8];
    pp_le32_put(bytes, half->generation);
    pp_le32_put(bytes + 4, half->salt);
    return pp_crc32c(0, bytes, sizeof(bytes));
}

static uint32_t record_crc(uint32_t seed, uint32_t offset, const uint8_t *bytes)
{
    uint8_t where[4];
    pp_le32_put(where, offset);
    return pp_crc32c(pp_crc32c(seed, bytes, 12), where, sizeof(where));
}

void pp_kv_record_encode(uint32_t seed, const struct pp_kv_record *record,
                         uint8_t out[PP_KV_RECORD_BYTES])
{
    out[0] = record->key;
    out[1] = RECORD_MARK;
    pp_le16_put(out + 2, record->removed ? PP_KV_REMOVED : record->len);
    pp_le32_put(out + 4, record->number);
    pp_le32_put(out + 8, record->crc);
    pp_le32_put(out + 12, record_crc(seed, record->offset, out));
}

bool pp_kv_record_looks(const uint8_t *bytes)
{
    return bytes[0] != 0 && bytes[0] <= PP_KV_KEY_MAX && bytes[1] == RECORD_MARK;
}

bool pp_kv_record_decode(const struct pp_flash *flash, uint32_t seed, uint32_t offset,
                         const uint8_t bytes[PP_KV_RECORD_BYTES], struct pp_kv_record *record)
{
    uint16_t len = pp_le16_get(bytes + 2);
    if (!pp_kv_record_looks(bytes) || pp_le32_get(bytes + 12) != record_crc(seed, offset, bytes))
        return false;
    record->key = bytes[0];
    record->removed = len == PP_KV_REMOVED;
    record->len = record->removed ? 0 : len;
    record->number = pp_le32_get(bytes + 4);
    record->crc = pp_le32_get(bytes + 8);
    record->offset = offset;
    record->next = offset + pp_kv_record_bytes(flash, record->len);
    return record->next <= pp_kv_half_bytes(flash);
}
