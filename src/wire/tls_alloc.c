/*
 * tls_alloc.c - the memory that mbedTLS gets
 *
 * Job:      a first-fit allocator over static arenas; the free list is kept in order of
 *           address, so that neighbours grow together again at once.
 * Not here: when an arena is selected (wire/tls.c).
 * Follows:  Kernighan and Ritchie 8.7; Knuth 2.5 for why first fit by address serves long runs
 */
#include "wire/tls_alloc.h"

#include <string.h>

#include "base/bytes.h"
#include "profile.h"

#define BLOCK_USED 0x75736564u
#define BLOCK_FREE 0x66726565u
#define NO_BLOCK   UINT32_MAX

/* Stands before the payload of each block, free or not. */
struct block {
    uint32_t size; /* header included, a multiple of PP_TLS_ALIGN */
    uint32_t next; /* of a free block: offset of the next free one, or NO_BLOCK */
    uint32_t mark;
    uint32_t unused;
};

_Static_assert(sizeof(struct block) == PP_TLS_ALIGN, "a header takes one unit of alignment");
_Static_assert(PP_TLS_SHARED_ARENA_BYTES % PP_TLS_ALIGN == 0,
               "PP_TLS_SHARED_ARENA_BYTES: make it a multiple of 16");

static struct {
    struct pp_tls_arena *selected;
    struct pp_tls_arena *open;
    uint32_t faults;
    struct pp_tls_arena shared;
    _Alignas(PP_TLS_ALIGN) uint8_t shared_memory[PP_TLS_SHARED_ARENA_BYTES];
} alloc;

static struct block *block_at(const struct pp_tls_arena *a, uint32_t offset)
{
    return (struct block *)(void *)(a->base + offset);
}

/* One free block over everything. */
static void make_empty(struct pp_tls_arena *a)
{
    struct block *all = block_at(a, 0);
    *all = (struct block){.size = a->cap, .next = NO_BLOCK, .mark = BLOCK_FREE};
    a->free_head = 0;
    a->used_bytes = 0;
    a->blocks = 0;
}

void pp_tls_arena_begin(struct pp_tls_arena *arena, void *memory, size_t cap)
{
    arena->base = memory;
    arena->cap = (uint32_t)(cap / PP_TLS_ALIGN * PP_TLS_ALIGN);
    arena->dry = 0;
    make_empty(arena);
    arena->next = alloc.open;
    alloc.open = arena;
}

bool pp_tls_arena_end(struct pp_tls_arena *arena)
{
    struct pp_tls_arena **link = &alloc.open;
    bool empty = arena->blocks == 0;
    while (*link != NULL && *link != arena)
        link = &(*link)->next;
    if (*link != NULL)
        *link = arena->next;
    if (alloc.selected == arena)
        alloc.selected = NULL;
    if (!empty) {
        alloc.faults++;
        pp_wipe(arena->base, arena->cap);
        make_empty(arena);
    }
    return empty;
}

struct pp_tls_arena *pp_tls_arena_select(struct pp_tls_arena *arena)
{
    struct pp_tls_arena *before = alloc.selected;
    alloc.selected = arena;
    return before;
}

struct pp_tls_arena *pp_tls_arena_shared(void)
{
    if (alloc.shared.base == NULL)
        pp_tls_arena_begin(&alloc.shared, alloc.shared_memory, sizeof alloc.shared_memory);
    return &alloc.shared;
}

uint32_t pp_tls_alloc_faults(void)
{
    return alloc.faults;
}

/* Take `size` bytes from the free block at `offset`; `link` is what points to it. */
static void take(struct pp_tls_arena *a, uint32_t *link, uint32_t offset, uint32_t size)
{
    struct block *b = block_at(a, offset);
    if (b->size - size >= 2 * PP_TLS_ALIGN) {
        struct block *rest = block_at(a, offset + size);
        *rest = (struct block){.size = b->size - size, .next = b->next, .mark = BLOCK_FREE};
        *link = offset + size;
        b->size = size;
    } else {
        *link = b->next;
    }
    b->mark = BLOCK_USED;
    b->next = NO_BLOCK;
    a->used_bytes += b->size;
    a->blocks++;
    if (a->used_bytes > a->high_bytes)
        a->high_bytes = a->used_bytes;
}

void *pp_tls_calloc(size_t count, size_t size)
{
    struct pp_tls_arena *a = alloc.selected;
    if (a == NULL || count == 0 || size == 0)
        return NULL;
    if (size > a->cap || count > a->cap / size) {
        a->dry++;
        return NULL;
    }
    uint32_t want = (uint32_t)(count * size + 2 * PP_TLS_ALIGN - 1) / PP_TLS_ALIGN * PP_TLS_ALIGN;
    uint32_t *link = &a->free_head;
    while (*link != NO_BLOCK) {
        uint32_t offset = *link;
        struct block *b = block_at(a, offset);
        if (b->size >= want) {
            take(a, link, offset, want);
            memset(b + 1, 0, b->size - sizeof *b);
            return b + 1;
        }
        link = &b->next;
    }
    a->dry++;
    return NULL;
}

static struct pp_tls_arena *arena_of(const void *p)
{
    uintptr_t at = (uintptr_t)p;
    for (struct pp_tls_arena *a = alloc.open; a != NULL; a = a->next) {
        if (at >= (uintptr_t)a->base && at < (uintptr_t)a->base + a->cap)
            return a;
    }
    return NULL;
}

/* Join the free block at `offset` with the free one right behind it, if they touch. */
static void join(struct pp_tls_arena *a, uint32_t offset)
{
    struct block *b = block_at(a, offset);
    if (b->next != NO_BLOCK && offset + b->size == b->next) {
        struct block *next = block_at(a, b->next);
        b->size += next->size;
        b->next = next->next;
        pp_wipe(next, sizeof *next);
    }
}

void pp_tls_free(void *p)
{
    if (p == NULL)
        return;
    struct pp_tls_arena *a = arena_of(p);
    struct block *b = (struct block *)p - 1;
    if (a == NULL || (uintptr_t)p % PP_TLS_ALIGN != 0 || (uint8_t *)p == a->base ||
        b->mark != BLOCK_USED) {
        alloc.faults++;
        return;
    }
    uint32_t offset = (uint32_t)((uint8_t *)b - a->base), before = NO_BLOCK;
    uint32_t *link = &a->free_head;
    a->used_bytes -= b->size;
    a->blocks--;
    pp_wipe(p, b->size - sizeof *b);
    while (*link != NO_BLOCK && *link < offset) {
        before = *link;
        link = &block_at(a, before)->next;
    }
    b->mark = BLOCK_FREE;
    b->next = *link;
    *link = offset;
    join(a, offset);
    if (before != NO_BLOCK)
        join(a, before);
}
