/*
 * crypto.h - hashes and randomness
 *
 * Job:      SHA-256, HMAC, PBKDF2 and the random generator, over mbedTLS; a keyed hash for
 *           tables whose keys a peer chooses.
 * Not here: TLS (wire/tls.h), where entropy comes from (port.h).
 */
#ifndef PP_BASE_CRYPTO_H
#define PP_BASE_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define PP_SHA256_BYTES 32

/* All or PP_ERR_ENTROPY. Called at start and at each reseed. */
typedef int (*pp_entropy_fn)(void *ctx, uint8_t *out, size_t len);

/*
 * Seed the process's generator (HMAC-DRBG or CTR-DRBG, NIST SP 800-90A). To be called once
 * before anything random is asked for; asked again it reseeds.
 * Returns PP_ERR_ENTROPY when the source has nothing to give: nothing goes on without.
 */
PP_MUST_USE enum pp_err pp_crypto_seed(pp_entropy_fn entropy, void *ctx);
/* Stir bytes into the generator; they count for no entropy. PP_ERR_ENTROPY when it is not seeded,
 * or refuses and goes on as it was. */
PP_MUST_USE enum pp_err pp_crypto_stir(const void *bytes, size_t len);
PP_MUST_USE enum pp_err pp_random(void *out, size_t len);
/* Uniform in [0, below); 0 when below is 0 or the generator fails: for jitter, not for keys. */
uint64_t pp_random_below(uint64_t below);
PP_MUST_USE enum pp_err pp_sha256(const void *bytes, size_t len, uint8_t out[PP_SHA256_BYTES]);
PP_MUST_USE enum pp_err pp_sha384(const void *bytes, size_t len, uint8_t out[48]);
PP_MUST_USE enum pp_err pp_sha512(const void *bytes, size_t len, uint8_t out[64]);
/* HMAC-SHA-256 (RFC 2104). `out` may be `bytes`. */
PP_MUST_USE enum pp_err pp_hmac_sha256(const void *key, size_t key_len, const void *bytes,
                                       size_t len, uint8_t out[PP_SHA256_BYTES]);
/* PBKDF2 with HMAC-SHA-256 (RFC 8018 5.2), one block; RFC 5802 calls it Hi(). Time: two
 * compressions an iteration, about 3 ms for 4,096 on a PC. `salt` up to 64 bytes: PP_ERR_RANGE. */
PP_MUST_USE enum pp_err pp_pbkdf2_sha256(const void *password, size_t password_len,
                                         const void *salt, size_t salt_len, uint32_t iterations,
                                         uint8_t out[PP_SHA256_BYTES]);
/*
 * ChaCha20-Poly1305 (RFC 8439 2.8) in place, with a key of 32 bytes and a nonce of 12 that is never
 * used twice with it; `extra` is vouched for and not hidden. PP_ERR_STATE.
 */
#define PP_SEAL_NONCE_BYTES 12
#define PP_SEAL_TAG_BYTES   16
PP_MUST_USE enum pp_err pp_seal(const uint8_t key[32], const uint8_t nonce[PP_SEAL_NONCE_BYTES],
                                const void *extra, size_t extra_len, void *bytes, size_t len,
                                uint8_t tag[PP_SEAL_TAG_BYTES]);
/* PP_ERR_DAMAGED: it is not what was sealed; `bytes` are wiped. */
PP_MUST_USE enum pp_err pp_unseal(const uint8_t key[32], const uint8_t nonce[PP_SEAL_NONCE_BYTES],
                                  const void *extra, size_t extra_len, void *bytes, size_t len,
                                  const uint8_t tag[PP_SEAL_TAG_BYTES]);
/* Are they equal? Takes as long whatever is different. */
bool pp_equal_in_time(const void *a, const void *b, size_t len);
/* SipHash-2-4 (Aumasson and Bernstein 2012): `key` is 16 bytes. */
uint64_t pp_siphash(const uint8_t key[16], const void *bytes, size_t len);

#endif
