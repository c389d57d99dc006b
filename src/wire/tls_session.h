/*
 * tls_session.h - what the files wire/tls*.c share with each other, and with nobody else
 *
 * Job:      mbedTLS's part of a connection, and the calls between connection (tls.c), trust
 * (tls_trust.c), facts (tls_facts.c), words (tls_words.c), CAs (tls_ca.c) and platform
 * (tls_platform.c).
 */
#ifndef PP_WIRE_TLS_SESSION_H
#define PP_WIRE_TLS_SESSION_H

#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>

#include "wire/tls_slot.h"

struct pp_tls_session {
    mbedtls_ssl_context ssl;
    mbedtls_ssl_config conf;
};

/* ---- tls_platform.c ---- */
/* False while the wall clock is unknown, or shows a time before PP_WALL_FLOOR_S. */
bool pp_tls_clock_known(void);

/* ---- tls_ca.c ---- */
/* For mbedtls_ssl_conf_ca_cb: the CAs that may have signed `child`, parsed into the selected arena.
 */
int pp_tls_ca_candidates(void *unused, const mbedtls_x509_crt *child,
                         mbedtls_x509_crt **candidates);
/* True if exactly this certificate stands in the CA file. */
bool pp_tls_ca_contains(const mbedtls_x509_crt *certificate);

/* ---- tls_facts.c ---- */
/* Digests, names and dates of the peer's own certificate. PP_ERR_STATE: hashing failed. */
PP_MUST_USE enum pp_err pp_tls_describe_peer(struct pp_tls_facts *facts,
                                             const mbedtls_x509_crt *certificate);
void pp_tls_put_name(struct pp_writer *w, const mbedtls_x509_name *name);
void pp_tls_put_time(struct pp_writer *w, const mbedtls_x509_time *time);
/* End what was written to `data` of `cap` bytes with a NUL, dropping its tail where it has to. */
void pp_tls_end_text(char *data, size_t cap, const struct pp_writer *w);

/* ---- tls_trust.c ---- */
/* Set the policy's demands on a new connection; `t->policy`, `t->host` and `t->inspect` are set. */
PP_MUST_USE enum pp_err pp_tls_set_trust(struct pp_tls *t);
/* After a handshake that the library calls good: is the policy met? Sets facts->trusted. */
PP_MUST_USE enum pp_err pp_tls_check_trust(struct pp_tls *t);
/* After a handshake that failed: was it for the peer's certificate? */
bool pp_tls_was_refused(struct pp_tls *t);

/* ---- tls_words.c ---- */
/* Fill facts->failure for a handshake that ended with the library's error `ret`. */
void pp_tls_explain(struct pp_tls *t, enum pp_err err, int ret);
/* The same for a certificate that does not meet the policy. */
void pp_tls_explain_trust(struct pp_tls *t);

#endif
