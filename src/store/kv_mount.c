/*
 * kv_mount.c - a small key-value of two copies: finding it on a medium
 *
 * Job:      tell our halves from blank, torn and foreign ones, choose one, index its values.
 * Not here: reading values (kv_read.c), writing (kv.c).
 *
 * Which half counts. The newer one when it is sealed, for what was acknowledged may be there alone;
 * the older one otherwise. By that rule, at a mount and after it, halves are erased, so it must not
 * say one thing today and another tomorrow: a seal that was torn when the power went may be seen at
 * one mount and not at the next. So one that is not the same at each of many reads is none.
 * Nothing was acknowledged by it: that waits for a sync behind the seal.
 */
#include <string.h>

#include "base/crc32c.h"
#include "store/kv_parts.h"

#define BLOCKS_MAX      16u
#define BLOCK_BYTES_MIN 512u
#define BLOCK_BYTES_MAX (16u * 1024 * 1024)
#define READS_OF_A_SEAL 16 /* a single bit that wavers passes one time in 65,536 */

struct look {
    enum pp_kv_header kind;
    bool readable;
    bool magic;
    bool sealed;
};

static bool geometry_fits(const struct pp_flash *flash)
{
    uint32_t unit = flash->program_unit_bytes;
    uint32_t page = flash->page_bytes;
    uint32_t block = flash->block_bytes;
    return unit >= 1 && unit <= PP_STORE_UNIT_MAX && pp_kv_align(flash) % unit == 0 &&
           page >= unit && page % unit == 0 && block >= BLOCK_BYTES_MIN &&
           block <= BLOCK_BYTES_MAX && block / 4 >= unit && block % page == 0 &&
           block % pp_kv_align(flash) == 0 && flash->block_count >= 2 &&
           flash->block_count <= BLOCKS_MAX && flash->block_count % 2 == 0 &&
           (flash->erased_value == 0x00 || flash->erased_value == 0xFF);
}

static bool read_header(const struct pp_kv *kv, unsigned which, unsigned number,
                        uint8_t bytes[PP_KV_HEADER_BYTES])
{
    uint32_t at = pp_kv_at(kv, which, pp_kv_header_offset(kv->flash, number));
    return kv->flash->read(kv->flash->ctx, at, bytes, PP_KV_HEADER_BYTES) >= 0;
}

static bool is_sealed(const struct pp_kv *kv, unsigned which, unsigned number)
{
    uint8_t header[PP_KV_HEADER_BYTES];
    pp_kv_header_encode(kv->flash, which, &kv->half[which], header);
    for (int i = 0; i < READS_OF_A_SEAL; i++) {
        uint8_t seal[PP_KV_HEADER_BYTES];
        if (!read_header(kv, which, number, seal) || memcmp(seal, header, sizeof(header)) != 0)
            return false;
    }
    return true;
}

static void look_at(struct pp_kv *kv, unsigned which, struct look *look)
{
    struct pp_kv_half *half = &kv->half[which];
    *look = (struct look){.kind = PP_KV_HEADER_BAD};
    for (unsigned i = 0; i < PP_KV_HEADERS && look->kind == PP_KV_HEADER_BAD; i++) {
        uint8_t bytes[PP_KV_HEADER_BYTES];
        if (!read_header(kv, which, i, bytes))
            continue;
        look->readable = true;
        look->magic = look->magic || memcmp(bytes, pp_kv_magic, PP_KV_MAGIC_BYTES) == 0;
        look->kind = pp_kv_header_decode(kv->flash, which, bytes, half);
    }
    if (look->kind != PP_KV_HEADER_GOOD) {
        *half = (struct pp_kv_half){0};
        return;
    }
    look->sealed = is_sealed(kv, which, 1) || is_sealed(kv, which, 2);
    if (half->generation > kv->newest)
        kv->newest = half->generation;
}

/* From `offset` on all bytes are FF, or all are 00: a new medium may have either, whatever it
 * erases to. */
static bool is_blank(const struct pp_kv *kv, unsigned which, uint32_t offset)
{
    uint8_t bytes[128];
    uint32_t len = pp_kv_half_bytes(kv->flash) - offset;
    uint8_t fill = 0;
    for (uint32_t done = 0; done < len; done += sizeof(bytes)) {
        uint32_t at = pp_kv_at(kv, which, offset + done);
        size_t take = len - done < sizeof(bytes) ? len - done : sizeof(bytes);
        if (kv->flash->read(kv->flash->ctx, at, bytes, take) < 0)
            return false;
        if (done == 0)
            fill = bytes[0];
        for (size_t i = 0; i < take; i++) {
            if (bytes[i] != fill || (fill != 0x00 && fill != 0xFF))
                return false;
        }
    }
    return true;
}

/* ---- which half counts ---- */

static unsigned choose(const struct pp_kv *kv, const struct look look[2])
{
    bool good[2] = {look[0].kind == PP_KV_HEADER_GOOD, look[1].kind == PP_KV_HEADER_GOOD};
    if (!good[0] || !good[1])
        return good[0] ? 0 : good[1] ? 1 : PP_KV_NO_HALF;
    unsigned newer = kv->half[1].generation > kv->half[0].generation;
    return look[newer].sealed ? newer : 1 - newer;
}

/* ---- its values ---- */

/* Returns the keys of which there is a record. */
static uint64_t index_records(struct pp_kv *kv)
{
    struct pp_kv_record record;
    uint64_t seen = 0;
    uint32_t offset = pp_kv_base_offset(kv->flash);
    const struct pp_kv_half *half = &kv->half[kv->current];
    kv->tail = offset + half->base_bytes;
    kv->salt = pp_kv_seed(half);
    while (pp_kv_walk(kv, kv->current, &offset, &record)) {
        uint32_t index = pp_kv_index(record.key);
        if (record.number != kv->records)
            kv->report.records_damaged++;
        kv->records = record.number + 1;
        kv->salt = pp_crc32c(kv->salt, &record.crc, sizeof(record.crc));
        seen |= (uint64_t)1 << record.key;
        if (record.next > kv->tail)
            kv->tail = record.next;
        if (index == PP_KV_KEYS || record.len > PP_KV_VALUE_MAX)
            continue;
        kv->values[index].at = record.removed ? 0 : pp_kv_at(kv, kv->current, record.offset);
        kv->values[index].len = record.len;
    }
    if (kv->records < half->records)
        kv->report.records_damaged++;
    if (!is_blank(kv, kv->current, kv->tail))
        kv->report.ends_torn++;
    return seen;
}

/* A record of the base was lost, header and all: the other half may have the key. */
static void find_missing(struct pp_kv *kv, uint64_t seen)
{
    for (uint32_t i = 0; i < PP_KV_KEYS; i++) {
        uint64_t bit = (uint64_t)1 << pp_kv_key_at(i);
        if ((kv->half[kv->current].keys & bit) != 0 && (seen & bit) == 0)
            pp_kv_fall_back(kv, i, kv->current, 0);
    }
}

/* Neither half has a header: PP_OK when the medium is blank, or what lies there was ours. */
static enum pp_err take_rubbish(struct pp_kv *kv, const struct look look[2], bool ours)
{
    bool known = ours || look[0].magic || look[1].magic;
    if (!look[0].readable || !look[1].readable)
        return PP_ERR_FLASH;
    for (unsigned which = 0; which < 2; which++) {
        if (!is_blank(kv, which, 0))
            kv->report.halves_lost++;
    }
    return known || kv->report.halves_lost == 0 ? PP_OK : PP_ERR_VERSION;
}

enum pp_err pp_kv_mount(struct pp_kv *kv, const struct pp_flash *flash, bool ours)
{
    struct look look[2];
    memset(kv, 0, sizeof(*kv));
    kv->flash = flash;
    kv->current = PP_KV_NO_HALF;
    kv->sealed = true;
    kv->headers = PP_KV_HEADERS; /* nothing more to do for what is found */
    kv->failed = true;           /* until all is well */
    if (!geometry_fits(flash))
        return PP_ERR_RANGE;
    look_at(kv, 0, &look[0]);
    look_at(kv, 1, &look[1]);
    if (look[0].kind == PP_KV_HEADER_OTHER || look[1].kind == PP_KV_HEADER_OTHER)
        return PP_ERR_VERSION;
    kv->current = choose(kv, look);
    if (kv->current == PP_KV_NO_HALF) {
        enum pp_err err = take_rubbish(kv, look, ours);
        kv->failed = err != PP_OK;
        return err;
    }
    kv->failed = false;
    const struct pp_kv_half *other = &kv->half[1 - kv->current];
    kv->readable[kv->current] = true;
    kv->readable[1 - kv->current] =
        other->generation != 0 && other->generation < kv->half[kv->current].generation;
    find_missing(kv, index_records(kv));
    return PP_OK;
}
