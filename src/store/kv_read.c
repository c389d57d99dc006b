/*
 * kv_read.c - a small key-value of two copies: reading
 *
 * Job:      walk the records of a half, read a value, fall back to an older one.
 * Not here: choosing a half (kv_mount.c), writing (kv.c).
 */
#include <string.h>

#include "base/crc32c.h"
#include "store/kv_parts.h"

#define WINDOW_BYTES 128u
#define READ_TRIES   3 /* bits that were programmed weakly may read well the next time */
#define FIRST_SLOT   4u

_Static_assert(sizeof(struct pp_kv_value) == 8, "an index entry has 8 bytes");
_Static_assert(sizeof(((struct pp_kv *)0)->values) == 8 * PP_KV_KEYS, "the index");

uint32_t pp_kv_index(unsigned key)
{
    if (key >= PP_KV_TIME_FLOOR && key <= PP_KV_ACCEPTED_PIN)
        return key - PP_KV_TIME_FLOOR;
    if (key >= PP_KV_SESSION && key < PP_KV_SESSION + PP_SMARTHOSTS)
        return FIRST_SLOT + key - PP_KV_SESSION;
    if (key >= PP_KV_TOKEN && key < PP_KV_TOKEN + PP_SMARTHOSTS)
        return FIRST_SLOT + PP_SMARTHOSTS + key - PP_KV_TOKEN;
    return PP_KV_KEYS;
}

unsigned pp_kv_key_at(uint32_t index)
{
    if (index < FIRST_SLOT)
        return PP_KV_TIME_FLOOR + index;
    if (index < FIRST_SLOT + PP_SMARTHOSTS)
        return PP_KV_SESSION + index - FIRST_SLOT;
    return PP_KV_TOKEN + index - FIRST_SLOT - PP_SMARTHOSTS;
}

uint32_t pp_kv_at(const struct pp_kv *kv, unsigned which, uint32_t offset)
{
    return which * pp_kv_half_bytes(kv->flash) + offset;
}

static bool read_at(const struct pp_kv *kv, uint32_t at, void *out, uint32_t len)
{
    return kv->flash->read(kv->flash->ctx, at, out, len) >= 0;
}

/* CRC-32C of `len` bytes; false when they cannot be read. */
static bool crc_of(const struct pp_kv *kv, uint32_t at, uint32_t len, uint32_t *crc)
{
    uint8_t bytes[WINDOW_BYTES];
    for (uint32_t done = 0; done < len; done += WINDOW_BYTES) {
        uint32_t take = len - done < WINDOW_BYTES ? len - done : WINDOW_BYTES;
        if (!read_at(kv, at + done, bytes, take))
            return false;
        *crc = pp_crc32c(*crc, bytes, take);
    }
    return true;
}

/* ---- walking ---- */

/* Move *offset to where a record header may begin; false at the end. */
static bool find_header(const struct pp_kv *kv, unsigned which, uint32_t *offset)
{
    uint8_t bytes[WINDOW_BYTES];
    uint32_t end = pp_kv_half_bytes(kv->flash);
    uint32_t align = pp_kv_align(kv->flash);
    while (*offset < end && end - *offset >= PP_KV_RECORD_BYTES) {
        uint32_t len = align < WINDOW_BYTES / 2 ? WINDOW_BYTES : PP_KV_RECORD_BYTES;
        if (len > end - *offset)
            len = end - *offset;
        bool readable = read_at(kv, pp_kv_at(kv, which, *offset), bytes, len);
        for (uint32_t i = 0; i < len; i += align, *offset += align) {
            if (readable && i + 2 <= len && pp_kv_record_looks(bytes + i))
                return end - *offset >= PP_KV_RECORD_BYTES;
        }
    }
    return false;
}

bool pp_kv_walk(const struct pp_kv *kv, unsigned which, uint32_t *offset,
                struct pp_kv_record *record)
{
    uint8_t bytes[PP_KV_RECORD_BYTES];
    uint32_t seed = pp_kv_seed(&kv->half[which]);
    while (find_header(kv, which, offset)) {
        if (read_at(kv, pp_kv_at(kv, which, *offset), bytes, sizeof(bytes)) &&
            pp_kv_record_decode(kv->flash, seed, *offset, bytes, record)) {
            *offset = record->next;
            return true;
        }
        *offset += pp_kv_align(kv->flash);
    }
    return false;
}

/* ---- one value ---- */

static bool is_sound(const struct pp_kv *kv, unsigned which, const struct pp_kv_record *record)
{
    uint32_t crc = 0;
    uint32_t at = pp_kv_at(kv, which, record->offset + PP_KV_RECORD_BYTES);
    return record->removed || (crc_of(kv, at, record->len, &crc) && crc == record->crc);
}

static unsigned half_of(const struct pp_kv *kv, uint32_t at)
{
    return at >= pp_kv_half_bytes(kv->flash);
}

/* Read a value whole; false when it is damaged. */
static bool load(const struct pp_kv *kv, uint32_t index, void *out)
{
    const struct pp_kv_value *value = &kv->values[index];
    unsigned which = half_of(kv, value->at);
    uint32_t offset = value->at - pp_kv_at(kv, which, 0);
    uint32_t seed = pp_kv_seed(&kv->half[which]);
    for (int i = 0; i < READ_TRIES; i++) {
        uint8_t bytes[PP_KV_RECORD_BYTES];
        struct pp_kv_record record;
        if (read_at(kv, value->at, bytes, sizeof(bytes)) &&
            pp_kv_record_decode(kv->flash, seed, offset, bytes, &record) &&
            record.key == pp_kv_key_at(index) && record.len == value->len &&
            read_at(kv, value->at + PP_KV_RECORD_BYTES, out, value->len) &&
            pp_crc32c(0, out, value->len) == record.crc)
            return true;
    }
    return false;
}

/* The last sound record of a key in a half before `end`. */
static bool find_last(const struct pp_kv *kv, unsigned which, uint32_t end, unsigned key,
                      struct pp_kv_record *found)
{
    struct pp_kv_record record;
    uint32_t offset = pp_kv_base_offset(kv->flash);
    bool any = false;
    while (pp_kv_walk(kv, which, &offset, &record) && record.offset < end) {
        if (record.key == key && record.len <= PP_KV_VALUE_MAX && is_sound(kv, which, &record)) {
            *found = record;
            any = true;
        }
    }
    return any;
}

void pp_kv_fall_back(struct pp_kv *kv, uint32_t index, unsigned which, uint32_t offset)
{
    struct pp_kv_value *value = &kv->values[index];
    struct pp_kv_record record;
    unsigned key = pp_kv_key_at(index);
    kv->report.values_damaged++;
    bool found = find_last(kv, which, offset, key, &record);
    /* What was not in the base had no value when the half was begun, whatever the other one says.
     */
    bool older = which == kv->current && (kv->half[which].keys >> key & 1) != 0;
    if (!found && older && kv->readable[1 - which]) {
        which = 1 - which;
        found = find_last(kv, which, UINT32_MAX, key, &record);
    }
    if (!found)
        kv->report.values_lost++;
    value->at = found && !record.removed ? pp_kv_at(kv, which, record.offset) : 0;
    value->len = found ? record.len : 0;
}

bool pp_kv_fetch(struct pp_kv *kv, uint32_t index, void *out, size_t cap)
{
    const struct pp_kv_value *value = &kv->values[index];
    while (value->at != 0 && value->len <= cap && !load(kv, index, out)) {
        unsigned which = half_of(kv, value->at);
        pp_kv_fall_back(kv, index, which, value->at - pp_kv_at(kv, which, 0));
    }
    return value->at != 0 && value->len <= cap;
}

enum pp_err pp_kv_get(struct pp_kv *kv, unsigned key, void *buf, size_t cap, size_t *len)
{
    uint32_t index = pp_kv_index(key);
    *len = 0;
    if (index == PP_KV_KEYS)
        return PP_ERR_RANGE;
    const struct pp_kv_value *value = &kv->values[index];
    bool there = value->at != 0;
    bool good = pp_kv_fetch(kv, index, buf, cap);
    if (value->at == 0)
        return there ? PP_ERR_DAMAGED : PP_ERR_NOT_FOUND;
    *len = value->len;
    return good ? PP_OK : PP_ERR_TOO_BIG;
}
