/*
 * tls_session.h - what the files wire/tls*.c share with each other, and with nobody else
 *
 * Job:      mbedTLS's part of a connection, and the calls between connection (tls.c), trust
 * (tls_trust.c), facts (tls_facts.c), words (tls_words.c), CAs (tls_ca.c), platform
 * (tls_platform.c), and of the server's side (tls_server.c, tls_identity.c, tls_ticket.c,
 * tls_server_words.c).
 */
#ifndef PP_WIRE_TLS_SESSION_H
#define PP_WIRE_TLS_SESSION_H

#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>

#include "wire/tls_kept.h"
#include "wire/tls_slot.h"

/* What a ticket says of the client: its certificate, as it was proved when the ticket was made. */
struct pp_tls_kept {
    bool has_peer;
    uint8_t certificate_sha256[32];
    uint8_t key_sha256[32];
    char subject[200];
};

struct pp_tls_session {
    mbedtls_ssl_context ssl;
    mbedtls_ssl_config conf;
    int suites[10];                  /* a client's, where the policy narrows them; 0 ends them */
    struct pp_tls_kept_facts before; /* a client's: of the session that is offered */
    bool is_full; /* the server's certificate was due in this handshake: nothing is resumed */
    /* A server's. */
    struct pp_tls_kept kept; /* of the last ticket that was opened; counts once it is resumed */
};

/* A certificate chain and its key; connections hold the one that they began with. */
struct pp_tls_identity {
    bool loaded;
    enum pp_tls_role role;
    uint32_t users; /* connections */
    mbedtls_x509_crt chain;
    mbedtls_pk_context key;
    struct pp_tls_arena arena;
    uint8_t *memory;
    size_t memory_bytes;
};

/* ---- tls.c: what client and server open with; the slot's arena is selected ---- */
/* Close, forget, and take the transport; selects nothing. PP_ERR_STATE: the slot has no memory. */
PP_MUST_USE enum pp_err pp_tls_begin(struct pp_tls *t, const struct pp_tls_io *io);
/* The session with what both sides have in common; `endpoint` as of mbedTLS. PP_ERR_DRY. */
PP_MUST_USE enum pp_err pp_tls_set_up(struct pp_tls *t, int endpoint);
/* The last step: the configuration is complete. PP_ERR_DRY. */
PP_MUST_USE enum pp_err pp_tls_start(struct pp_tls *t);
/* For mbedTLS: 0, or its internal error. */
int pp_tls_random(void *unused, unsigned char *out, size_t len);

/* ---- tls_identity.c ---- */
/* The one in force, held until it is released; NULL: none. */
struct pp_tls_identity *pp_tls_identity_take(enum pp_tls_role role);
void pp_tls_identity_release(struct pp_tls_identity *identity);
/* A connection ran out of memory, maybe in the middle of a signature. While it is still open. */
void pp_tls_identity_repair(struct pp_tls_identity *identity);

/* ---- tls_resume.c: the slot's arena is selected ---- */
/* What a session of this connection counts for; `t` is open. PP_ERR_STATE, PP_ERR_TOO_BIG. */
PP_MUST_USE enum pp_err pp_tls_resume_binding(const struct pp_tls *t, uint8_t out[32]);
/* Offer the target's kept session where it counts for this connection, and else forget it. */
void pp_tls_resume_offer(struct pp_tls *t);
/* After a handshake that the library calls good: was it without a certificate, by what we kept? */
bool pp_tls_resume_happened(const struct pp_tls *t);
/* Then what was kept are its facts. */
void pp_tls_resume_accept(struct pp_tls *t);
/* A connection that offered one failed: it is not offered again. */
void pp_tls_resume_failed(struct pp_tls *t);
/* Keep the session as it is now, if the next connection can use it: after a handshake, and with
 * each ticket of TLS 1.3. */
void pp_tls_resume_keep(struct pp_tls *t);

/* ---- tls_server.c ---- */
/* After it: the facts of the client, from its certificate or from the ticket that it resumed. */
void pp_tls_accept_client(struct pp_tls *t);

/* ---- tls_ticket.c: for mbedtls_ssl_conf_session_tickets_cb; `ctx` is the struct pp_tls ---- */
int pp_tls_ticket_write(void *ctx, const mbedtls_ssl_session *session, unsigned char *start,
                        const unsigned char *end, size_t *len, uint32_t *lifetime_s);
/* Decrypts in place. */
int pp_tls_ticket_parse(void *ctx, mbedtls_ssl_session *session, unsigned char *ticket, size_t len);

/* ---- tls_platform.c ---- */
/* False while the wall clock is unknown, or shows a time before PP_WALL_FLOOR_S. */
bool pp_tls_clock_known(void);

/* Seconds since 1970; where the clock is unknown, the latest time that is certain. */
int64_t pp_tls_wall_s(void);

/* ---- tls_ca.c ---- */
/* SHA-256 over all CAs, as they were read. */
const uint8_t *pp_tls_ca_digest(void);
/* For mbedtls_ssl_conf_ca_cb: the CAs that may have signed `child`, parsed into the selected arena.
 */
int pp_tls_ca_candidates(void *unused, const mbedtls_x509_crt *child,
                         mbedtls_x509_crt **candidates);
/* True if exactly this certificate stands in the CA file. */
bool pp_tls_ca_contains(const mbedtls_x509_crt *certificate);

/* ---- tls_facts.c ---- */
/* All that was shown, for `pinpost pin`. */
void pp_tls_describe_chain(struct pp_tls_chain *chain, const mbedtls_x509_crt *certificate);
/* Digests, names and dates of the peer's own certificate. PP_ERR_STATE: hashing failed. */
PP_MUST_USE enum pp_err pp_tls_describe_peer(struct pp_tls_facts *facts,
                                             const mbedtls_x509_crt *certificate);
int64_t pp_tls_seconds(const mbedtls_x509_time *time);
void pp_tls_put_name(struct pp_writer *w, const mbedtls_x509_name *name);
void pp_tls_put_time(struct pp_writer *w, const mbedtls_x509_time *time);
/* End what was written to `data` of `cap` bytes with a NUL, dropping its tail where it has to. */
void pp_tls_end_text(char *data, size_t cap, const struct pp_writer *w);

/* ---- tls_dane.c ---- */
/* Index of a TLSA record that is of this certificate; `as_anchor`: usage 2, else 3; -1 none. */
int pp_tls_dane_match(const struct pp_tlsa_set *tlsa, bool as_anchor, const mbedtls_x509_crt *c);
/* "TLSA 3 1 1". */
void pp_tls_put_record(struct pp_writer *w, const struct pp_tlsa_record *record);

/* ---- tls_trust.c ---- */
/* Set the policy's demands on a new connection; `t->target`, `t->level` and `t->host` are set. */
PP_MUST_USE enum pp_err pp_tls_set_trust(struct pp_tls *t);
/* For mbedtls_ssl_conf_verify(): a certificate of the chain, root first, and what is held against
 * it; `ctx` is the struct pp_tls. An error ends the handshake. */
int pp_tls_on_certificate(void *ctx, mbedtls_x509_crt *c, int depth, uint32_t *flags);
/* A chain that a CA vouches for, a policy that asks for a pin as well, and none matches. */
bool pp_tls_is_staged(const struct pp_tls *t);
/* After a handshake that the library calls good: is the policy met? Sets facts->trusted. */
PP_MUST_USE enum pp_err pp_tls_check_trust(struct pp_tls *t);
/* After a handshake that failed: was it for the peer's certificate? */
bool pp_tls_was_refused(struct pp_tls *t);

/* ---- tls_words.c ---- */
/* Fill facts->failure for a handshake that ended with the library's error `ret`. */
void pp_tls_explain(struct pp_tls *t, enum pp_err err, int ret);
/* The same for a certificate that does not meet the policy. */
void pp_tls_explain_trust(struct pp_tls *t);
/* Fill facts->how for one that does. */
void pp_tls_explain_how(struct pp_tls *t);
/* For both sides: "alert 48 unknown_ca"; an error of the library; is it TLS what the peer sent? */
void pp_tls_put_alert(struct pp_writer *w, uint8_t alert);
void pp_tls_put_error(struct pp_writer *w, int ret);
bool pp_tls_looks_like_tls(const struct pp_tls *t);

/* ---- tls_server_words.c ---- */
/* pp_tls_explain() for a server. */
void pp_tls_explain_client(struct pp_tls *t, enum pp_err err, int ret);

#endif
