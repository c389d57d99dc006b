/*
 * ram_flash.h - a flash in memory with its rules enforced, and a power switch
 *
 * Job:      any geometry; each broken rule is counted and said. The power goes at operation
 *           number `cut_at`: that operation and all that were not synced before it reach the medium
 *           in full, in part or not at all, by a seeded choice; all later ones fail.
 */
#ifndef PP_TEST_RAM_FLASH_H
#define PP_TEST_RAM_FLASH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "port.h"

struct ram_op {
    uint64_t address;
    uint32_t len;
    bool erase;
    uint8_t *bytes; /* NULL for an erase */
};

struct ram_flash {
    struct pp_flash flash;
    uint8_t *now;     /* what reads see */
    uint8_t *durable; /* what is there after a power cut */
    size_t bytes;
    struct ram_op *ops; /* since the last sync */
    size_t op_count, op_cap;
    uint64_t operations; /* programs and erases since start */
    uint64_t cut_at;     /* power goes at this one; 0 never */
    bool off;
    bool lazy_sync;   /* a sync is done at the second question */
    bool broken_sync; /* every sync fails */
    bool sync_pending;
    bool unreadable; /* all reads fail */
    unsigned rules_broken;
    uint64_t seed;
    unsigned syncs;
};

static inline uint64_t ram_random(struct ram_flash *f)
{
    uint64_t x = f->seed += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

static inline void ram_note(struct ram_flash *f, uint64_t address, const void *bytes, size_t len)
{
    if (f->op_count == f->op_cap) {
        f->op_cap = f->op_cap == 0 ? 64 : f->op_cap * 2;
        f->ops = realloc(f->ops, f->op_cap * sizeof(*f->ops));
    }
    struct ram_op *op = &f->ops[f->op_count++];
    *op = (struct ram_op){address, (uint32_t)len, bytes == NULL, NULL};
    if (bytes != NULL) {
        op->bytes = malloc(len > 0 ? len : 1);
        memcpy(op->bytes, bytes, len);
    }
}

static inline void ram_forget_ops(struct ram_flash *f)
{
    for (size_t i = 0; i < f->op_count; i++)
        free(f->ops[i].bytes);
    f->op_count = 0;
}

/* Part of an operation: a run from its start, a run to its end, or scattered bytes. */
static inline void ram_tear(struct ram_flash *f, const struct ram_op *op)
{
    uint32_t where = (uint32_t)(ram_random(f) % (op->len + 1));
    unsigned how = (unsigned)(ram_random(f) % 3);
    for (uint32_t i = 0; i < op->len; i++) {
        bool done = how == 0 ? i < where : how == 1 ? i >= where : (ram_random(f) & 1) != 0;
        if (done)
            f->durable[op->address + i] = op->erase ? f->flash.erased_value : op->bytes[i];
    }
}

static inline void ram_power_off(struct ram_flash *f)
{
    /* 0: nothing unsynced arrives, 1: all but the last in part, 2 and 3: any of it. */
    unsigned mood = (unsigned)(ram_random(f) % 4);
    for (size_t i = 0; i < f->op_count; i++) {
        struct ram_op *op = &f->ops[i];
        bool last = i + 1 == f->op_count;
        unsigned fate = (unsigned)(ram_random(f) % 4);
        if (mood == 0 || (mood > 1 && fate == 0))
            continue;
        if ((mood == 1 && last) || (mood > 1 && fate == 1)) {
            ram_tear(f, op);
        } else if (op->erase) {
            memset(f->durable + op->address, f->flash.erased_value, op->len);
        } else {
            memcpy(f->durable + op->address, op->bytes, op->len);
        }
    }
    ram_forget_ops(f);
    f->off = true;
}

static inline void ram_power_on(struct ram_flash *f)
{
    if (!f->off)
        ram_power_off(f);
    memcpy(f->now, f->durable, f->bytes);
    f->off = false;
    f->sync_pending = false;
    f->cut_at = 0;
}

static inline int ram_broken(struct ram_flash *f, const char *rule, uint64_t address)
{
    f->rules_broken++;
    (void)fprintf(stderr, "ram_flash: %s at %llu\n", rule, (unsigned long long)address);
    return -1;
}

/* True when the power goes with this operation, which was noted. */
static inline bool ram_operation(struct ram_flash *f, uint64_t address, const void *bytes,
                                 size_t len)
{
    f->operations++;
    ram_note(f, address, bytes, len);
    if (f->operations != f->cut_at)
        return false;
    ram_power_off(f);
    return true;
}

static inline int ram_read(void *ctx, uint64_t address, void *out, size_t len)
{
    struct ram_flash *f = ctx;
    if (f->off || f->unreadable)
        return -1;
    if (address > f->bytes || len > f->bytes - address)
        return ram_broken(f, "read outside", address);
    memcpy(out, f->now + address, len);
    return 0;
}

static inline int ram_program(void *ctx, uint64_t address, const void *bytes, size_t len)
{
    struct ram_flash *f = ctx;
    const struct pp_flash *g = &f->flash;
    if (f->off)
        return -1;
    if (address > f->bytes || len > f->bytes - address || len == 0)
        return ram_broken(f, "program outside", address);
    if (address % g->program_unit_bytes != 0 || len % g->program_unit_bytes != 0)
        return ram_broken(f, "program not in whole units", address);
    if (address / g->page_bytes != (address + len - 1) / g->page_bytes)
        return ram_broken(f, "program crosses a page", address);
    for (size_t i = 0; i < len; i++) {
        if (f->now[address + i] != g->erased_value)
            return ram_broken(f, "program of what is not erased", address + i);
    }
    if (ram_operation(f, address, bytes, len))
        return -1;
    memcpy(f->now + address, bytes, len);
    return 0;
}

static inline int ram_erase(void *ctx, uint32_t block)
{
    struct ram_flash *f = ctx;
    uint64_t address = (uint64_t)block * f->flash.block_bytes;
    if (f->off)
        return -1;
    if (block >= f->flash.block_count)
        return ram_broken(f, "erase outside", address);
    if (ram_operation(f, address, NULL, f->flash.block_bytes))
        return -1;
    memset(f->now + address, f->flash.erased_value, f->flash.block_bytes);
    return 0;
}

static inline void ram_sync_now(struct ram_flash *f)
{
    memcpy(f->durable, f->now, f->bytes);
    ram_forget_ops(f);
    f->syncs++;
}

static inline int ram_sync_begin(void *ctx)
{
    struct ram_flash *f = ctx;
    if (f->off || f->broken_sync)
        return -1;
    if (f->lazy_sync) {
        f->sync_pending = true;
        return 0;
    }
    ram_sync_now(f);
    return 1;
}

static inline int ram_sync_done(void *ctx)
{
    struct ram_flash *f = ctx;
    if (f->off || f->broken_sync)
        return -1;
    if (f->sync_pending) {
        f->sync_pending = false;
        return 0;
    }
    ram_sync_now(f);
    return 1;
}

static inline void ram_flash_init(struct ram_flash *f, uint32_t unit, uint32_t page, uint32_t block,
                                  uint32_t count, uint8_t erased)
{
    memset(f, 0, sizeof(*f));
    f->bytes = (size_t)block * count;
    f->now = malloc(f->bytes);
    f->durable = malloc(f->bytes);
    memset(f->now, erased, f->bytes);
    memset(f->durable, erased, f->bytes);
    f->flash = (struct pp_flash){
        .ctx = f,
        .program_unit_bytes = unit,
        .page_bytes = page,
        .block_bytes = block,
        .block_count = count,
        .erased_value = erased,
        .read = ram_read,
        .program = ram_program,
        .erase = ram_erase,
        .sync_begin = ram_sync_begin,
        .sync_done = ram_sync_done,
    };
}

static inline void ram_flash_free(struct ram_flash *f)
{
    ram_forget_ops(f);
    free(f->ops);
    free(f->now);
    free(f->durable);
}

#endif
