/*
 * kv.c - a small key-value of two copies: writing
 *
 * Job:      append a value, begin a new half with all of them, seal it.
 * Not here: finding it again (kv_mount.c), reading (kv_read.c), the bytes (kv_format.h).
 *
 * A half is erased only when all that is in the other one is durable. The header goes last into a
 * new half, and a half without one is nothing; but order on the medium is nobody's promise, so a
 * half counts only by its seal, which is written after a sync. The second seal is there for damage
 * to the first.
 */
#include <assert.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "store/kv_parts.h"

/* What a put changes. */
struct change {
    uint32_t index;
    const uint8_t *bytes; /* NULL: the key is removed */
    uint16_t len;
};

/* A half being begun; records gather in kv->buffer. */
struct base {
    unsigned which;
    uint32_t offset; /* in the half, of the buffer's first byte */
    uint32_t fill;   /* of the buffer */
    uint64_t saved;  /* values whose only copy lay in this half: they are in the buffer */
    struct pp_kv_half half;
    struct pp_kv_value values[PP_KV_KEYS];
};

/* ---- bytes ---- */

static enum pp_err refused(struct pp_kv *kv)
{
    kv->report.writes_failed++;
    return PP_ERR_FLASH;
}

static enum pp_err program(struct pp_kv *kv, unsigned which, uint32_t offset, const uint8_t *bytes,
                           uint32_t len)
{
    const struct pp_flash *flash = kv->flash;
    uint32_t done = 0;
    kv->changes++;
    while (done < len) {
        uint32_t at = pp_kv_at(kv, which, offset + done);
        uint32_t in_page = flash->page_bytes - at % flash->page_bytes;
        uint32_t take = len - done < in_page ? len - done : in_page;
        if (flash->program(flash->ctx, at, bytes + done, take) < 0)
            return refused(kv);
        kv->report.bytes_programmed += take;
        done += take;
    }
    return PP_OK;
}

static enum pp_err erase(struct pp_kv *kv, unsigned which)
{
    uint32_t blocks = kv->flash->block_count / 2;
    kv->changes++;
    for (uint32_t i = 0; i < blocks; i++) {
        if (kv->flash->erase(kv->flash->ctx, which * blocks + i) < 0)
            return refused(kv);
    }
    return PP_OK;
}

/* Put a record at `p` around the value that stands there already; returns the bytes it takes. */
static uint32_t frame(struct pp_kv *kv, uint32_t seed, struct pp_kv_record *record, uint8_t *p)
{
    uint32_t bytes = pp_kv_record_bytes(kv->flash, record->len);
    uint32_t end = PP_KV_RECORD_BYTES + record->len;
    record->crc = pp_crc32c(0, p + PP_KV_RECORD_BYTES, record->len);
    pp_kv_record_encode(seed, record, p);
    kv->salt = pp_crc32c(kv->salt, p, PP_KV_RECORD_BYTES);
    memset(p + end, kv->flash->erased_value, bytes - end);
    return bytes;
}

/* ---- appending ---- */

static enum pp_err append(struct pp_kv *kv, const struct change *change)
{
    struct pp_kv_record record = {
        .key = (uint8_t)pp_kv_key_at(change->index),
        .removed = change->bytes == NULL,
        .len = change->len,
        .number = kv->records,
        .offset = kv->tail,
    };
    uint32_t room = pp_kv_half_bytes(kv->flash) - kv->tail;
    if (!kv->open || pp_kv_record_bytes(kv->flash, record.len) > room)
        return PP_ERR_FULL;
    if (change->bytes != NULL)
        memcpy(kv->buffer + PP_KV_RECORD_BYTES, change->bytes, change->len);
    uint32_t bytes = frame(kv, pp_kv_seed(&kv->half[kv->current]), &record, kv->buffer);
    enum pp_err err = program(kv, kv->current, kv->tail, kv->buffer, bytes);
    if (err != PP_OK) {
        kv->open = false; /* what is there now, nobody knows */
        return err;
    }
    kv->values[change->index].at = record.removed ? 0 : pp_kv_at(kv, kv->current, record.offset);
    kv->values[change->index].len = record.len;
    kv->tail += bytes;
    kv->records++;
    return PP_OK;
}

/* ---- a new half ---- */

static enum pp_err flush(struct pp_kv *kv, struct base *b)
{
    enum pp_err err = program(kv, b->which, b->offset, kv->buffer, b->fill);
    b->offset += b->fill;
    b->fill = 0;
    return err;
}

/* Add a value of `len` bytes to the base that stands where its record's value will be. */
static void add(struct pp_kv *kv, struct base *b, uint32_t index, uint16_t len)
{
    struct pp_kv_record record = {
        .key = (uint8_t)pp_kv_key_at(index),
        .len = len,
        .number = b->half.records,
        .offset = b->offset + b->fill,
    };
    assert(b->fill + pp_kv_record_bytes(kv->flash, len) <= PP_KV_BUFFER_BYTES);
    b->values[index].at = pp_kv_at(kv, b->which, record.offset);
    b->values[index].len = len;
    b->fill += frame(kv, pp_kv_seed(&b->half), &record, kv->buffer + b->fill);
    b->half.keys |= (uint64_t)1 << record.key;
    b->half.records++;
}

/* The longest value whose record still fits the buffer. */
static uint32_t buffer_room(const struct pp_kv *kv, const struct base *b)
{
    uint32_t align = pp_kv_align(kv->flash);
    uint32_t rest = (PP_KV_BUFFER_BYTES - b->fill) / align * align;
    return rest > PP_KV_RECORD_BYTES ? rest - PP_KV_RECORD_BYTES : 0;
}

static bool fits_rest(const struct pp_kv *kv, const struct base *b, uint32_t len)
{
    uint32_t rest = pp_kv_half_bytes(kv->flash) - b->offset - b->fill;
    return pp_kv_record_bytes(kv->flash, len) <= rest;
}

/* The half to be erased may have the last good copy of a value: as many as the buffer holds. */
static void save_fallen_back(struct pp_kv *kv, struct base *b, const struct change *change)
{
    for (uint32_t i = 0; i < PP_KV_KEYS; i++) {
        const struct pp_kv_value *value = &kv->values[i];
        uint32_t room = buffer_room(kv, b);
        if (value->at == 0 || change->index == i || room == 0 ||
            value->at / pp_kv_half_bytes(kv->flash) != b->which)
            continue;
        uint8_t *to = kv->buffer + b->fill + PP_KV_RECORD_BYTES;
        if (pp_kv_fetch(kv, i, to, room) && fits_rest(kv, b, value->len)) {
            add(kv, b, i, value->len);
            b->saved |= (uint64_t)1 << i;
        }
    }
}

/* Where the value of the next record goes, of up to `len` bytes. */
static uint8_t *room_for(struct pp_kv *kv, struct base *b, uint32_t len, enum pp_err *err)
{
    if (pp_kv_record_bytes(kv->flash, len) > PP_KV_BUFFER_BYTES - b->fill)
        *err = flush(kv, b);
    return kv->buffer + b->fill + PP_KV_RECORD_BYTES;
}

/* Copy a value into the base; one that is damaged in all its copies is left out, and counted. */
static enum pp_err copy(struct pp_kv *kv, struct base *b, uint32_t index)
{
    const struct pp_kv_value *value = &kv->values[index];
    enum pp_err err = PP_OK;
    uint8_t *to = room_for(kv, b, PP_KV_VALUE_MAX, &err);
    if (err != PP_OK || !pp_kv_fetch(kv, index, to, PP_KV_VALUE_MAX))
        return err;
    if (!fits_rest(kv, b, value->len)) /* an older value may be longer */
        return PP_ERR_FULL;
    add(kv, b, index, value->len);
    return PP_OK;
}

static enum pp_err add_new(struct pp_kv *kv, struct base *b, const struct change *change)
{
    enum pp_err err = PP_OK;
    uint8_t *to = room_for(kv, b, change->len, &err);
    if (err == PP_OK && !fits_rest(kv, b, change->len))
        err = PP_ERR_FULL;
    if (err != PP_OK)
        return err;
    memcpy(to, change->bytes, change->len);
    add(kv, b, change->index, change->len);
    return PP_OK;
}

static enum pp_err write_base(struct pp_kv *kv, struct base *b, const struct change *change)
{
    enum pp_err err = PP_OK;
    for (uint32_t i = 0; i < PP_KV_KEYS && err == PP_OK; i++) {
        bool replaced = change->index == i;
        if (kv->values[i].at != 0 && !replaced && (b->saved >> i & 1) == 0)
            err = copy(kv, b, i);
    }
    if (err == PP_OK && change->bytes != NULL)
        err = add_new(kv, b, change);
    if (err == PP_OK && b->fill > 0)
        err = flush(kv, b);
    b->half.base_bytes = b->offset - pp_kv_base_offset(kv->flash);
    return err;
}

static enum pp_err write_header(struct pp_kv *kv, unsigned which, const struct pp_kv_half *half,
                                unsigned number)
{
    uint32_t offset = pp_kv_header_offset(kv->flash, number);
    uint32_t bytes = pp_kv_header_offset(kv->flash, number + 1) - offset;
    memset(kv->buffer, kv->flash->erased_value, bytes);
    pp_kv_header_encode(kv->flash, which, half, kv->buffer);
    return program(kv, which, offset, kv->buffer, bytes);
}

static void switch_to(struct pp_kv *kv, const struct base *b)
{
    unsigned other = 1 - b->which;
    kv->readable[other] = kv->current == other;
    kv->readable[b->which] = true;
    kv->current = b->which;
    kv->half[b->which] = b->half;
    memcpy(kv->values, b->values, sizeof(kv->values));
    kv->tail = b->offset;
    kv->records = b->half.records;
    kv->open = true;
    kv->sealed = false;
    kv->headers = 1;
    kv->step_change = kv->changes;
    kv->report.halves_begun++;
}

static enum pp_err begin_half(struct pp_kv *kv, const struct change *change)
{
    struct base b = {.which = kv->current == PP_KV_NO_HALF ? kv->first : 1 - kv->current,
                     .offset = pp_kv_base_offset(kv->flash)};
    if (kv->changes != kv->durable)
        return PP_ERR_LATER;
    assert(kv->sealed); /* a base that is durable has got a seal, and that is durable too */
    if (kv->newest == UINT32_MAX)
        return PP_ERR_FULL;
    b.half.generation = ++kv->newest; /* one that fails may be found, too */
    b.half.erases = kv->half[b.which].erases + 1;
    b.half.salt = kv->salt;
    save_fallen_back(kv, &b, change);
    kv->readable[b.which] = false;
    enum pp_err err = erase(kv, b.which);
    if (err == PP_OK)
        err = write_base(kv, &b, change);
    if (err == PP_OK)
        err = write_header(kv, b.which, &b.half, 0);
    if (err == PP_OK)
        switch_to(kv, &b);
    kv->first = 1 - b.which; /* matters while there is none: then the other one is tried */
    return err;
}

/* ---- puts ---- */

/* Would all values fit a half, with this one? */
static bool fits_half(const struct pp_kv *kv, const struct change *change)
{
    uint32_t bytes = pp_kv_base_offset(kv->flash) + pp_kv_record_bytes(kv->flash, change->len);
    for (uint32_t i = 0; i < PP_KV_KEYS; i++) {
        if (kv->values[i].at != 0 && i != change->index)
            bytes += pp_kv_record_bytes(kv->flash, kv->values[i].len);
    }
    return bytes <= pp_kv_half_bytes(kv->flash);
}

static enum pp_err put(struct pp_kv *kv, const struct change *change)
{
    if (kv->failed)
        return PP_ERR_FLASH;
    if (change->bytes != NULL && !fits_half(kv, change))
        return PP_ERR_FULL;
    enum pp_err err = append(kv, change);
    if (err != PP_OK)
        err = begin_half(kv, change);
    pp_wipe(kv->buffer, sizeof(kv->buffer));
    return err;
}

uint32_t pp_kv_value_max(const struct pp_kv *kv)
{
    uint32_t room = pp_kv_half_bytes(kv->flash) - pp_kv_base_offset(kv->flash);
    room = room / pp_kv_align(kv->flash) * pp_kv_align(kv->flash);
    room = room > PP_KV_RECORD_BYTES ? room - PP_KV_RECORD_BYTES : 0;
    return room < PP_KV_VALUE_MAX ? room : PP_KV_VALUE_MAX;
}

enum pp_err pp_kv_put(struct pp_kv *kv, unsigned key, const void *bytes, size_t len)
{
    static const uint8_t nothing[1];
    uint32_t index = pp_kv_index(key);
    if (index == PP_KV_KEYS)
        return PP_ERR_RANGE;
    if (!kv->failed && len > pp_kv_value_max(kv))
        return PP_ERR_TOO_BIG;
    const struct change change = {index, len == 0 ? nothing : bytes, (uint16_t)len};
    return put(kv, &change);
}

enum pp_err pp_kv_remove(struct pp_kv *kv, unsigned key)
{
    const struct change change = {pp_kv_index(key), NULL, 0};
    if (change.index == PP_KV_KEYS)
        return PP_ERR_RANGE;
    return kv->values[change.index].at == 0 ? PP_ERR_NOT_FOUND : put(kv, &change);
}

/* ---- group commit ---- */

bool pp_kv_wants_sync(const struct pp_kv *kv)
{
    return !kv->failed && kv->changes != kv->begun;
}

void pp_kv_sync_begun(struct pp_kv *kv)
{
    kv->begun = kv->changes;
}

/* Returns PP_ERR_FLASH when neither seal can be written: what was put since the half was begun may
 * not be found by a mount, and no more is taken until there was one. */
static enum pp_err seal(struct pp_kv *kv)
{
    uint32_t changes = kv->changes;
    unsigned which = kv->current;
    enum pp_err err = write_header(kv, which, &kv->half[which], kv->headers++);
    if (kv->sealed) /* nobody waits for the second one: any later sync will do */
        kv->changes = changes;
    kv->sealed = kv->sealed || err == PP_OK;
    kv->step_change = kv->changes;
    kv->failed = !kv->sealed && kv->headers == PP_KV_HEADERS;
    return kv->failed ? PP_ERR_FLASH : PP_OK;
}

enum pp_err pp_kv_synced(struct pp_kv *kv)
{
    kv->durable = kv->begun;
    if (kv->failed)
        return PP_ERR_FLASH;
    if (kv->headers == PP_KV_HEADERS || kv->durable - kv->step_change > UINT32_MAX / 2)
        return PP_OK;
    return seal(kv);
}

void pp_kv_sync_failed(struct pp_kv *kv)
{
    kv->failed = true;
}

bool pp_kv_is_durable(const struct pp_kv *kv)
{
    return !kv->failed && kv->changes == kv->durable && kv->sealed;
}
