/*
 * count_flash.h - a flash in memory that counts what is done to it
 *
 * Job:      any geometry; bytes programmed, operations, erases of each block. Rules are checked:
 *           whole units, within a page, erased bytes only.
 * Not here: faults and power cuts (tests/unit/ram_flash.h): this one is for figures, and fast.
 */
#ifndef PP_BENCH_COUNT_FLASH_H
#define PP_BENCH_COUNT_FLASH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "port.h"

struct count_geometry {
    uint32_t unit, page, block, count;
    uint8_t erased;
};

struct count_flash {
    struct pp_flash flash;
    uint8_t *bytes;
    uint32_t *block_erases; /* of each block, since it was made */
    uint64_t size;
    uint64_t reads, read_bytes;
    uint64_t programs, programmed_bytes;
    uint64_t erases, syncs;
    unsigned rules_broken;
};

static inline int count_broken(struct count_flash *f, const char *rule_z, uint64_t address)
{
    f->rules_broken++;
    (void)fprintf(stderr, "count_flash: %s at %llu\n", rule_z, (unsigned long long)address);
    return -1;
}

static inline int count_read(void *ctx, uint64_t address, void *out, size_t len)
{
    struct count_flash *f = ctx;
    if (address > f->size || len > f->size - address)
        return count_broken(f, "read outside", address);
    f->reads++;
    f->read_bytes += len;
    memcpy(out, f->bytes + address, len);
    return 0;
}

static inline int count_program(void *ctx, uint64_t address, const void *bytes, size_t len)
{
    struct count_flash *f = ctx;
    const struct pp_flash *g = &f->flash;
    uint8_t *to = f->bytes + address;
    if (address > f->size || len > f->size - address || len == 0)
        return count_broken(f, "program outside", address);
    if (address % g->program_unit_bytes != 0 || len % g->program_unit_bytes != 0)
        return count_broken(f, "program not in whole units", address);
    if (address / g->page_bytes != (address + len - 1) / g->page_bytes)
        return count_broken(f, "program crosses a page", address);
    /* All bytes are erased when the first is and each is like the one before. */
    if (to[0] != g->erased_value || memcmp(to, to + 1, len - 1) != 0)
        return count_broken(f, "program of what is not erased", address);
    f->programs++;
    f->programmed_bytes += len;
    memcpy(to, bytes, len);
    return 0;
}

static inline int count_erase(void *ctx, uint32_t block)
{
    struct count_flash *f = ctx;
    const struct pp_flash *g = &f->flash;
    if (block >= g->block_count)
        return count_broken(f, "erase outside", block);
    f->erases++;
    f->block_erases[block]++;
    memset(f->bytes + (uint64_t)block * g->block_bytes, g->erased_value, g->block_bytes);
    return 0;
}

static inline int count_sync_begin(void *ctx)
{
    struct count_flash *f = ctx;
    f->syncs++;
    return 1;
}

static inline int count_sync_done(void *ctx)
{
    (void)ctx;
    return 1;
}

/* Blank. Ends the program when there is no memory. */
static inline void count_flash_init(struct count_flash *f, const struct count_geometry *g)
{
    memset(f, 0, sizeof(*f));
    f->size = (uint64_t)g->block * g->count;
    f->bytes = malloc(f->size);
    f->block_erases = calloc(g->count, sizeof(*f->block_erases));
    if (f->bytes == NULL || f->block_erases == NULL) {
        (void)fprintf(stderr, "count_flash: no memory\n");
        exit(2);
    }
    memset(f->bytes, g->erased, f->size);
    f->flash = (struct pp_flash){
        .ctx = f,
        .program_unit_bytes = g->unit,
        .page_bytes = g->page,
        .block_bytes = g->block,
        .block_count = g->count,
        .erased_value = g->erased,
        .read = count_read,
        .program = count_program,
        .erase = count_erase,
        .sync_begin = count_sync_begin,
        .sync_done = count_sync_done,
    };
}

static inline void count_flash_free(struct count_flash *f)
{
    free(f->bytes);
    free(f->block_erases);
}

#endif
