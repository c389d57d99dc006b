/*
 * tls.h - one TLS connection over a stream that is not its own
 *
 * Job:      handshake, trust decision, records, as a client and as a server. mbedTLS 3.6; TLS 1.2
 *           and 1.3.
 * Not here: the socket (wire/link.c), what to do about a failure (delivery/, intake/).
 * Memory:   everything of a connection lies in its slot's arena; after pp_tls_close the arena is
 *           empty (asserted).
 */
#ifndef PP_WIRE_TLS_H
#define PP_WIRE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/time.h"
#include "base/tls_result.h"
#include "config.h"
#include "wire/tls_policy.h"

/* One certificate that was shown, in the order of showing: for people. */
struct pp_tls_shown {
    char subject[120], issuer[120];
    char not_before[24], not_after[24];
    char key[24]; /* "RSA 2048", "EC 256" */
    uint8_t certificate_sha256[32], key_sha256[32];
};
#define PP_TLS_SHOWN 8
struct pp_tls_chain {
    uint32_t count, more; /* `more`: shown, and not kept here */
    struct pp_tls_shown shown[PP_TLS_SHOWN];
};

/* Transport below: like the port's streams: > 0 bytes, 0 later, < 0 enum pp_io. */
struct pp_tls_io {
    void *ctx;
    int (*read)(void *ctx, uint8_t *out, size_t cap);
    int (*write)(void *ctx, const uint8_t *bytes, size_t len);
};

/* What is known of a handshake, good or failed. Texts are made safe for a log. */
struct pp_tls_facts {
    bool handshake_done;
    bool has_peer;    /* the digests and names below are set */
    bool trusted;     /* the policy is met */
    char version[16]; /* "TLSv1.3" */
    char cipher[64];
    uint8_t certificate_sha256[32];
    uint8_t key_sha256[32];
    int pin_index; /* which pin matched, -1 none */
    bool offered;  /* a kept session was offered to the server; a failure forgets it */
    bool
        resumed; /* ... and it was taken: what stands here about the certificate was kept with it */
    enum pp_tls_result result; /* of what failed */
    bool staged; /* a CA vouches for it, the policy asks for a pin too, and none matches */
    int64_t begin_s, expiry_s; /* notBefore, notAfter: seconds since 1970 */
    char how[160]; /* by what it is trusted, or why no more was asked for; "" when it is not */
    char subject[200];
    char issuer[200];
    char names[200];                    /* DNS names of the certificate, space between */
    char not_before[24], not_after[24]; /* ISO 8601 UTC */
    char failure[400]; /* what failed in words that say what to do, "" when nothing did */
};

struct pp_tls; /* a slot; complete in wire/tls_slot.h for whoever owns a pool of them */

/*
 * Once at start, after pp_crypto_seed(). The clock decides on certificate dates; while it says
 * PP_WALL_UNKNOWN the build's own time, or the kept floor if that is later, stands in for it (a
 * certificate not yet valid is then no error).
 */
PP_MUST_USE enum pp_err pp_tls_library_init(int64_t (*wall_s)(void *ctx),
                                            uint64_t (*now_ms)(void *ctx), void *ctx);

/* The latest time that the machine is known to have seen, seconds since 1970; 0 none. */
void pp_tls_time_floor(int64_t floor_s);

/* ---- the CAs: read once, from PEM text in pieces of any size ---- */
void pp_ca_begin(void);                                            /* forget all */
PP_MUST_USE enum pp_err pp_ca_feed(const char *bytes, size_t len); /* PP_ERR_TOO_BIG: store full */
/* How many certificates; PP_ERR_EMPTY for none. A certificate that cannot be parsed is skipped and
 * counted. */
PP_MUST_USE enum pp_err pp_ca_end(uint32_t *count, uint32_t *skipped);

/* ---- who we are ---- */
/* The certificate that we show as a server, and the one as a client of a smarthost. */
enum pp_tls_role { PP_TLS_AS_SERVER, PP_TLS_AS_CLIENT };
/*
 * The certificate chain and its key, PEM, in one piece each (`cert_len`, `key_len` without a NUL),
 * parsed and held against each other, used from the next handshake on: connections under way keep
 * what they began with. RSA of 2048 bits or more, or ECDSA on P-256 or P-384. PP_ERR_SYNTAX (not
 * PEM), PP_ERR_UNSUPPORTED (the key, or one behind a password), PP_ERR_STATE (the key is not the
 * certificate's, which stands first; or there is no randomness yet: pp_crypto_seed()),
 * PP_ERR_TOO_BIG (PP_TLS_IDENTITY_BYTES, PP_TLS_CLIENT_IDENTITY_BYTES), PP_ERR_BUSY (connections
 * still use the two before); then what was in force stays, and `words` (`cap` bytes) says what is
 * wrong. On PP_OK it gets subject and date: "CN=..., until 2027-01-01".
 */
PP_MUST_USE enum pp_err pp_tls_identity_set(enum pp_tls_role role, const char *cert,
                                            size_t cert_len, const char *key, size_t key_len,
                                            char *words, size_t cap);
/* Forget it. Connections under way keep it. */
void pp_tls_identity_drop(enum pp_tls_role role);
bool pp_tls_identity_known(enum pp_tls_role role);
/* Until when the certificate in force is valid, seconds since 1970; 0: there is none. */
int64_t pp_tls_identity_expiry_s(enum pp_tls_role role);
/* ---- as a client ---- */
/*
 * Begin as a client. An IP address as host is matched against IP subject alternative names and
 * sends no SNI. What `target` points to is used until pp_tls_close(). PP_ERR_SYNTAX (host name),
 * PP_ERR_STATE (no memory given), PP_ERR_DRY.
 */
PP_MUST_USE enum pp_err pp_tls_open(struct pp_tls *tls, const struct pp_tls_target *target,
                                    const struct pp_tls_io *io);
/* ---- as a server ---- */
/*
 * Begin as a server: TLS 1.2 and 1.3, forward-secret AEAD suites (by our order under TLS 1.2);
 * tickets, whose keys are this process's own and change each day. `ask_certificate`: a client's
 * certificate is asked for, not demanded, and no chain is checked, only that the client has its
 * key: facts->has_peer, the digests and the subject are for whoever knows pins, after a resumption
 * too; facts->trusted stays false. Client and server differ in the memory of their slot
 * (wire/tls_slot.h). PP_ERR_STATE: no identity, or a slot without memory. PP_ERR_DRY.
 */
PP_MUST_USE enum pp_err pp_tls_open_server(struct pp_tls *tls, bool ask_certificate,
                                           const struct pp_tls_io *io);
/* Go on with the handshake. PP_OK: done and the policy is met. PP_ERR_LATER. PP_ERR_TRUST,
 * PP_ERR_IO, PP_ERR_CLOSED, PP_ERR_DRY (arena too small): failed, facts->failure says why. */
PP_MUST_USE enum pp_err pp_tls_handshake(struct pp_tls *tls);
/* > 0 bytes, 0 later, < 0 enum pp_io of port.h. A truncation without close_notify reads as
 * PP_IO_FAILED. */
int pp_tls_read(struct pp_tls *tls, uint8_t *out, size_t cap);
/* The same bytes must be offered again after 0 (later), as with the library. */
int pp_tls_write(struct pp_tls *tls, const uint8_t *bytes, size_t len);
bool pp_tls_pending(const struct pp_tls *tls); /* decrypted bytes wait: the stream may look idle */
bool pp_tls_wants_write(const struct pp_tls *tls); /* the transport was full last time */
/* close_notify as far as the transport takes it at once; frees and wipes all. May be called twice.
 */
void pp_tls_close(struct pp_tls *tls);
/* Facts of the connection that is open, or of the last one: they outlive pp_tls_close. */
const struct pp_tls_facts *pp_tls_facts(const struct pp_tls *tls);
/* Say what failed where the library did not see it: a time-out, plaintext before TLS. On a closed
 * slot all older facts are forgotten. "" only forgets. */
void pp_tls_note_failure(struct pp_tls *tls, const char *failure_z);

#endif
