/*
 * tls_slot.h - what a pool of TLS connections is made of
 *
 * Job:      completes struct pp_tls for whoever owns slots of it. Only wire/tls*.c looks inside.
 * Cost:     about 3 KiB a slot, and the memory that its owner gives it: PP_TLS_ARENA_BYTES for a
 *           client, PP_TLS_SERVER_ARENA_BYTES for a server.
 *
 * A slot that is all zeros is closed; with memory given it is ready for use.
 */
#ifndef PP_WIRE_TLS_SLOT_H
#define PP_WIRE_TLS_SLOT_H

#include "profile.h"
#include "wire/tls.h"
#include "wire/tls_alloc.h"

struct pp_tls_session;  /* mbedTLS's part, inside the arena */
struct pp_tls_identity; /* a certificate and key of our own */

struct pp_tls {
    struct pp_tls_session *session; /* NULL: closed */
    struct pp_tls_io io;
    struct pp_tls_target target; /* of a client */
    enum pp_tls_level level;     /* of it, in force */
    struct pp_tls_facts facts;
    char host[256];      /* sent as SNI where it is no address */
    bool accepted;       /* the trust decision was made and is good */
    bool blocked;        /* the transport took nothing last time */
    bool starved;        /* this call's share of reading was used up: more may wait */
    int io_error;        /* the first of enum pp_io that the transport told, or 0 */
    size_t budget_bytes; /* what may still be read in this call */
    size_t pending_len;  /* bytes of the owner in a record that is not yet sent; 0 none */
    uint8_t first[40];   /* the peer's first bytes, for words about what is no TLS */
    size_t first_len;
    uint32_t flags;       /* what mbedTLS holds against the chain */
    uint32_t leaf_hits;   /* pins of the server's own certificate; a bit each */
    uint32_t issuer_hits; /* pins of issuers below which all is good so far; a bit each */
    uint32_t anchor_hits; /* the same of TLSA records with usage 2 */
    int leaf_record;      /* the TLSA record of the server's own certificate, -1 none */
    int record;           /* the TLSA record that decided, -1 none */
    int64_t until_s;      /* the first end of validity in the chain, seconds since 1970 */
    int flaw_depth;       /* whose dates or signature failed, -1 none */
    char flaw_date[24];   /* of that certificate */
    char flaw_name[100];
    struct pp_tls_identity *identity; /* ours, held while it is open; NULL: none */
    bool is_server;
    bool asks_certificate; /* a server's: of the client */
    struct pp_tls_arena arena;
    void *memory; /* given by the owner, NULL: none */
    size_t memory_bytes;
};

/* What a client's connection uses, and what a server's does: one of each for each slot. */
struct pp_tls_memory {
    _Alignas(PP_TLS_ALIGN) uint8_t bytes[PP_TLS_ARENA_BYTES];
};
struct pp_tls_server_slot {
    struct pp_tls tls;
    _Alignas(PP_TLS_ALIGN) uint8_t memory[PP_TLS_SERVER_ARENA_BYTES];
};

/*
 * Give a slot the memory of its connections: `bytes` at `memory`, aligned to PP_TLS_ALIGN, which
 * the owner keeps as long as the slot. To be called while it is closed, before each opening or
 * once.
 */
void pp_tls_give_memory(struct pp_tls *tls, void *memory, size_t bytes);
/* The connection of a server's slot, with its memory. The slot may be open. */
struct pp_tls *pp_tls_server_slot(struct pp_tls_server_slot *slot);

#endif
