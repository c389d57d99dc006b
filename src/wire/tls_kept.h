/*
 * tls_kept.h - a TLS session that a client keeps for its next connection
 *
 * Job:      the session of one smarthost, with whom and under what policy it was made and what was
 *           verified then; its bytes for flash.
 * Not here: making and resuming one (wire/tls_resume.c), flash and its seal (relay_sessions.c).
 * Follows:  RFC 8446 2.2, 4.6.1 and C.4; RFC 5246 7.3; RFC 5077
 *
 * A resumed connection shows no certificate. So what was found out about it stands beside the
 * session, and the session counts for exactly what it was made for: `binding` is a digest over
 * host, port, policy, pins, names, TLSA records, CA file and our own certificate.
 */
#ifndef PP_WIRE_TLS_KEPT_H
#define PP_WIRE_TLS_KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "profile.h"

#define PP_TLS_KEPT_TEXT   96
#define PP_TLS_KEPT_MAX_S  86400 /* of what was verified; a day later it is looked at again */
#define PP_TLS_KEPT_PACKED (190 + 4 * PP_TLS_KEPT_TEXT + PP_TLS_KEPT_BYTES)

/* What was found out about the server when its certificate was seen. */
struct pp_tls_kept_facts {
    int64_t verified_at_ms; /* monotonic; before the machine's start it is negative */
    int64_t
        until_s; /* the chain is valid so long, seconds since 1970; INT64_MAX: dates are no matter
                  */
    int pin_index;
    uint8_t certificate_sha256[32], key_sha256[32];
    int64_t begin_s, expiry_s;
    char how[PP_TLS_KEPT_TEXT], issuer[PP_TLS_KEPT_TEXT];
    char subject[PP_TLS_KEPT_TEXT], names[PP_TLS_KEPT_TEXT];
};

/* All zeros: none. The owner keeps it as long as connections may use it; only wire/tls*.c changes
 * it. Holds secrets: pp_tls_kept_forget() wipes them. */
struct pp_tls_kept_session {
    uint16_t session_len; /* 0: none */
    bool once;            /* a ticket of TLS 1.3: taken away when it is used (RFC 8446 C.4) */
    uint8_t binding[32];
    int64_t kept_at_ms;  /* when the ticket came, monotonic as above */
    uint32_t lifetime_s; /* of the ticket, by the server; never more than PP_TLS_KEPT_MAX_S */
    struct pp_tls_kept_facts facts;
    uint32_t changes; /* grows with each change, forgetting too */
    uint8_t session[PP_TLS_KEPT_BYTES];
};

/* Wipe it. */
void pp_tls_kept_forget(struct pp_tls_kept_session *kept);
/*
 * Its bytes into `out`, with instants of the wall clock in place of the machine's own: `wall_s` is
 * PP_WALL_UNKNOWN or now, `now_ms` the same instant. Texts are shortened to what room there is.
 * PP_ERR_EMPTY: there is none. PP_ERR_TOO_BIG: `cap` (PP_TLS_KEPT_PACKED takes any).
 */
PP_MUST_USE enum pp_err pp_tls_kept_pack(const struct pp_tls_kept_session *kept, int64_t wall_s,
                                         uint64_t now_ms, uint8_t *out, size_t cap, size_t *len);
/*
 * Back again. Where either clock was unknown its age counts from now. PP_ERR_SYNTAX: no session of
 * this format, or none that this build could have made; `kept` is empty then.
 */
PP_MUST_USE enum pp_err pp_tls_kept_unpack(struct pp_tls_kept_session *kept, int64_t wall_s,
                                           uint64_t now_ms, const uint8_t *bytes, size_t len);

#endif
