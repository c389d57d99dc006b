/*
 * ram_image.c - the cells of the flash in memory
 *
 * Job:      whole, torn and failed operations on an image; reads of weak cells.
 * Not here: which operations are torn when the power goes (ram_power.c).
 */
#include "support/ram_image.h"

#include <stdlib.h>
#include <string.h>

uint64_t ram_random(struct ram_flash *f)
{
    uint64_t x = f->seed += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

void *ram_memory(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

void ram_image_init(const struct ram_flash *f, struct ram_image *image)
{
    image->bytes = ram_memory(malloc(f->bytes));
    image->weak = ram_memory(calloc(f->bytes, 1));
    image->used = ram_memory(calloc(f->units, 1));
    memset(image->bytes, f->flash.erased_value, f->bytes);
}

void ram_image_free(struct ram_image *image)
{
    free(image->bytes);
    free(image->weak);
    free(image->used);
}

/* ---- whole operations ---- */

static void set_used(const struct ram_flash *f, struct ram_image *image, const struct ram_op *op,
                     int used)
{
    uint32_t unit = f->flash.program_unit_bytes;
    memset(image->used + op->address / unit, used, op->len / unit);
}

void ram_apply(const struct ram_flash *f, struct ram_image *image, const struct ram_op *op)
{
    if (op->bytes == NULL)
        memset(image->bytes + op->address, f->flash.erased_value, op->len);
    else
        memcpy(image->bytes + op->address, op->bytes, op->len);
    memset(image->weak + op->address, 0, op->len);
    set_used(f, image, op, op->bytes != NULL);
}

void ram_copy(const struct ram_flash *f, struct ram_image *to, const struct ram_image *from,
              const struct ram_op *op)
{
    uint32_t unit = f->flash.program_unit_bytes;
    memcpy(to->bytes + op->address, from->bytes + op->address, op->len);
    memcpy(to->weak + op->address, from->weak + op->address, op->len);
    memcpy(to->used + op->address / unit, from->used + op->address / unit, op->len / unit);
}

/* ---- torn operations ---- */

enum how { PREFIX, SUFFIX, SCATTERED, HOWS };

static uint8_t wanted(const struct ram_flash *f, const struct ram_op *op, uint32_t at)
{
    return op->bytes == NULL ? f->flash.erased_value : op->bytes[at];
}

/* Bytes from..to of a torn operation; `done` in 0..8 says how much of each is written. */
static void tear_bytes(struct ram_flash *f, struct ram_image *image, const struct ram_op *op,
                       uint32_t from, uint32_t to, unsigned done)
{
    bool weak = f->weak_units && ram_random(f) % 4 != 0;
    for (uint32_t i = from; i < to; i++) {
        uint8_t *byte = image->bytes + op->address + i;
        uint8_t change = *byte ^ wanted(f, op, i);
        uint8_t mask = 0xFF;
        if (done == 0)
            mask = 0;
        else if (f->torn_bits && done < 8)
            mask = (uint8_t)(ram_random(f) & ram_random(f) >> 8);
        else if (done < 8)
            mask = ram_random(f) % 8 < done ? 0xFF : 0;
        *byte ^= change & mask;
        /* All that was to change may read either way, and what was already weak stays so. */
        if (weak)
            image->weak[op->address + i] |= change;
    }
}

static void tear_unit(struct ram_flash *f, struct ram_image *image, const struct ram_op *op,
                      uint32_t at, unsigned done)
{
    uint32_t unit = f->flash.program_unit_bytes;
    tear_bytes(f, image, op, at, at + unit, done);
    image->used[(op->address + at) / unit] = 1;
}

void ram_tear(struct ram_flash *f, struct ram_image *image, const struct ram_op *op)
{
    uint32_t unit = f->flash.program_unit_bytes;
    uint32_t units = op->len / unit;
    uint32_t where = (uint32_t)(ram_random(f) % (units + 1));
    enum how how = (enum how)(ram_random(f) % HOWS);
    unsigned at_edge = (unsigned)(ram_random(f) % 9);
    for (uint32_t i = 0; i < units; i++) {
        bool touched = how == PREFIX ? i <= where : how == SUFFIX ? i >= where : false;
        unsigned done = i == where ? at_edge : 8;
        if (how == SCATTERED) {
            touched = (ram_random(f) & 1) != 0;
            done = (unsigned)(ram_random(f) % 12);
        }
        if (touched)
            tear_unit(f, image, op, i * unit, done < 8 ? done : 8);
    }
}

void ram_spoil(struct ram_flash *f, struct ram_op *op)
{
    unsigned fate = (unsigned)(ram_random(f) % 4);
    if (fate == 0)
        ram_apply(f, &f->image_now, op);
    else if (fate != 1)
        ram_tear(f, &f->image_now, op);
    set_used(f, &f->image_now, op, 1);
    if (op->bytes == NULL)
        op->bytes = ram_memory(malloc(op->len));
    memcpy(op->bytes, f->now + op->address, op->len);
}

/* ---- weak cells ---- */

static uint64_t read_random(struct ram_flash *f)
{
    f->read_seed = f->read_seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return f->read_seed >> 33;
}

/* Each unit reads as it is, as if nothing of the operation or all of it had been done, or mixed. */
void ram_waver(struct ram_flash *f, uint64_t address, uint8_t *bytes, size_t len)
{
    uint32_t unit = f->flash.program_unit_bytes;
    const uint8_t *weak = f->image_now.weak + address;
    uint64_t unit_now = UINT64_MAX;
    unsigned how = 0;
    for (size_t i = 0; i < len; i++) {
        if (weak[i] == 0)
            continue;
        if ((address + i) / unit != unit_now) {
            unit_now = (address + i) / unit;
            how = (unsigned)(read_random(f) % 4);
        }
        uint8_t seen = how == 0   ? bytes[i]
                       : how == 1 ? f->flash.erased_value
                       : how == 2 ? (uint8_t)~f->flash.erased_value
                                  : (uint8_t)read_random(f);
        bytes[i] = (uint8_t)((bytes[i] & ~weak[i]) | (seen & weak[i]));
    }
}
