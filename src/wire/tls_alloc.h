/*
 * tls_alloc.h - the memory that mbedTLS gets
 *
 * Job:      calloc and free for mbedTLS from static arenas: one a connection, one shared by
 *           the process. The arena is selected before each call into the library; free()
 *           decides by address.
 * Not here: when an arena is selected (wire/tls.c), how large it is (config/profile.h).
 */
#ifndef PP_WIRE_TLS_ALLOC_H
#define PP_WIRE_TLS_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Blocks start at multiples of this; a block costs as much on top of what was asked for. */
#define PP_TLS_ALIGN 16

/* Memory given to one owner. All fields belong to tls_alloc.c; high_bytes and dry may be read. */
struct pp_tls_arena {
    uint8_t *base;             /* aligned to PP_TLS_ALIGN */
    uint32_t cap;              /* bytes, a multiple of PP_TLS_ALIGN */
    uint32_t free_head;        /* offset of the first free block, in order of address */
    uint32_t used_bytes;       /* headers included */
    uint32_t high_bytes;       /* the most that was ever used */
    uint32_t blocks;           /* in use */
    uint32_t dry;              /* requests that found no room */
    struct pp_tls_arena *next; /* of all that are open */
};

/*
 * Open an arena over `cap` bytes at `memory` (aligned to PP_TLS_ALIGN; the owner keeps both
 * alive until pp_tls_arena_end). The high-water mark is kept over several openings.
 */
void pp_tls_arena_begin(struct pp_tls_arena *arena, void *memory, size_t cap);
/*
 * Close it. True when it was empty, as it must be; false when the library left blocks behind:
 * counted (pp_tls_alloc_faults), and all memory wiped. It must not be selected any more.
 */
bool pp_tls_arena_end(struct pp_tls_arena *arena);
/* From now on memory comes from `arena` (NULL: from none). Returns what was selected before. */
struct pp_tls_arena *pp_tls_arena_select(struct pp_tls_arena *arena);
/* The arena of what outlives a connection: PSA and the CAs' parsing. Opened by its first use. */
struct pp_tls_arena *pp_tls_arena_shared(void);
/* Mistakes seen: blocks left behind, frees of what is no block. 0 in a sound program. */
uint32_t pp_tls_alloc_faults(void);

/* What mbedTLS calls. NULL when there is no room or the product overflows; zeroed. */
void *pp_tls_calloc(size_t count, size_t size);
/* Wipes the block: keys and plaintext pass here. NULL is allowed. */
void pp_tls_free(void *p);

#endif
