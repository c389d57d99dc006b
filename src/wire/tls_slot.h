/*
 * tls_slot.h - what a pool of TLS connections is made of
 *
 * Job:      completes struct pp_tls for whoever owns slots of it. Only wire/tls*.c looks inside.
 * Cost:     PP_TLS_ARENA_BYTES and about 3 KiB a slot.
 *
 * A slot that is all zeros is closed and ready for use.
 */
#ifndef PP_WIRE_TLS_SLOT_H
#define PP_WIRE_TLS_SLOT_H

#include "profile.h"
#include "wire/tls.h"
#include "wire/tls_alloc.h"

struct pp_tls_session; /* mbedTLS's part, inside the arena */

struct pp_tls {
    struct pp_tls_session *session; /* NULL: closed */
    struct pp_tls_io io;
    struct pp_tls_policy policy;
    struct pp_tls_facts facts;
    char host[256];
    bool inspect;
    bool accepted;       /* the trust decision was made and is good */
    bool blocked;        /* the transport took nothing last time */
    bool starved;        /* this call's share of reading was used up: more may wait */
    int io_error;        /* the first of enum pp_io that the transport told, or 0 */
    size_t budget_bytes; /* what may still be read in this call */
    size_t pending_len;  /* bytes of the owner in a record that is not yet sent; 0 none */
    uint8_t first[40];   /* the peer's first bytes, for words about what is no TLS */
    size_t first_len;
    uint32_t flags;     /* what mbedTLS holds against the chain */
    int flaw_depth;     /* whose dates or signature failed, -1 none */
    char flaw_date[24]; /* of that certificate */
    char flaw_name[100];
    struct pp_tls_arena arena;
    _Alignas(PP_TLS_ALIGN) uint8_t memory[PP_TLS_ARENA_BYTES];
};

/* A slot of the relay server's pool. */
struct pp_tls_server_slot {
    struct pp_tls tls;
};

static inline struct pp_tls *pp_tls_server_slot(struct pp_tls_server_slot *slot)
{
    return &slot->tls;
}

#endif
