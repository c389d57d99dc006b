/*
 * kv_format.h - the bytes of the key-value on the medium, version 1
 *
 * Job:      encode and decode the headers of halves and their records.
 * Not here: where they lie and when they are written (kv.c), finding them again (kv_mount.c).
 *
 * A half has as many whole blocks as the other one. In it, each beginning with a new unit: the
 * header three times, the base (records of all values when the half was begun), then records as
 * they come. The header is written when the base is, once more (the seal) when both are known
 * durable, and a third time when the seal is.
 *
 * Header, 44 bytes:
 *      0  4  'P' 'i' 'n' 'K'
 *      4  1  version
 *      5  1  erased value
 *      6  2  program unit
 *      8  4  block bytes
 *     12  2  blocks of a half
 *     14  1  which half, 0 or 1
 *     15  1  records of the base
 *     16  4  generation: the half begun later has the greater one
 *     20  4  how often this half was erased
 *     24  4  salt of this half's record headers
 *     28  8  keys that the base holds: bit k for key k
 *     36  4  bytes of the base
 *     40  4  CRC-32C of the 40 bytes before
 * Bytes 0 to 4 and the CRC have this place in every version of 44 bytes.
 *
 * Record, padded with the erased value to whole units and to a multiple of 4:
 *      0  1  key, 1 to 63
 *      1  1  0xC5
 *      2  2  length of the value; 0xFFFF: the key is removed, no value follows
 *      4  4  number of the record in its half, from 0
 *      8  4  CRC-32C of the value
 *     12  4  CRC-32C of generation, salt, the 12 bytes before and the record's offset in the half
 *     16     value
 */
#ifndef PP_STORE_KV_FORMAT_H
#define PP_STORE_KV_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "port.h"

#define PP_KV_MAGIC_BYTES  4u
#define PP_KV_HEADER_BYTES 44u
#define PP_KV_HEADERS      3u /* the second and the third are seals */
#define PP_KV_RECORD_BYTES 16u
#define PP_KV_KEY_MAX      63u
#define PP_KV_REMOVED      0xFFFFu

extern const uint8_t pp_kv_magic[PP_KV_MAGIC_BYTES];

struct pp_kv_half {
    uint32_t generation;
    uint32_t erases;
    uint32_t salt;
    uint64_t keys;
    uint32_t base_bytes;
    uint8_t records;
};

struct pp_kv_record {
    uint8_t key;
    bool removed;
    uint16_t len; /* of the value, 0 when removed */
    uint32_t number;
    uint32_t crc;    /* of the value */
    uint32_t offset; /* in the half */
    uint32_t next;   /* offset behind it */
};

enum pp_kv_header {
    PP_KV_HEADER_GOOD,
    PP_KV_HEADER_BAD,
    PP_KV_HEADER_OTHER /* sound, but of another version or geometry */
};

/* ---- layout: all in bytes, `flash` has the blocks of both halves ---- */
uint32_t pp_kv_half_bytes(const struct pp_flash *flash);
/* Records begin at multiples of this. */
uint32_t pp_kv_align(const struct pp_flash *flash);
/* Offset of header 0 to 2. */
uint32_t pp_kv_header_offset(const struct pp_flash *flash, unsigned number);
uint32_t pp_kv_base_offset(const struct pp_flash *flash);
uint32_t pp_kv_record_bytes(const struct pp_flash *flash, uint32_t value_len);

/* ---- headers ---- */
void pp_kv_header_encode(const struct pp_flash *flash, unsigned which,
                         const struct pp_kv_half *half, uint8_t out[PP_KV_HEADER_BYTES]);
enum pp_kv_header pp_kv_header_decode(const struct pp_flash *flash, unsigned which,
                                      const uint8_t bytes[PP_KV_HEADER_BYTES],
                                      struct pp_kv_half *half);

/* ---- records ---- */
/* What the checksums of a half's record headers begin with. */
uint32_t pp_kv_seed(const struct pp_kv_half *half);
/* Key, removed, len, number, crc and offset of `record` are used. */
void pp_kv_record_encode(uint32_t seed, const struct pp_kv_record *record,
                         uint8_t out[PP_KV_RECORD_BYTES]);
/* Could a header begin with these two bytes? */
bool pp_kv_record_looks(const uint8_t *bytes);
/* True for a sound header at `offset` whose record lies within the half. */
bool pp_kv_record_decode(const struct pp_flash *flash, uint32_t seed, uint32_t offset,
                         const uint8_t bytes[PP_KV_RECORD_BYTES], struct pp_kv_record *record);

#endif
