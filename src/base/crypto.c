/*
 * crypto.c - hashes and randomness, over mbedTLS
 *
 * Job:      one CTR-DRBG for the whole process, SHA-256, and SipHash of our own.
 * Not here: TLS, entropy.
 * Follows:  NIST SP 800-90A (CTR_DRBG, AES-256), FIPS 180-4, SipHash-2-4
 *
 * Nothing here allocates, so no arena has to be selected.
 */
#include "base/crypto.h"

#include <stdbool.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/sha256.h>

#include "base/bytes.h"

#define STIR_BYTES 32u /* at a time; MBEDTLS_CTR_DRBG_MAX_SEED_INPUT is far more */

static struct {
    bool seeded;
    pp_entropy_fn entropy;
    void *ctx;
    mbedtls_ctr_drbg_context drbg;
} generator;

static const unsigned char personalisation[] = "pinpost random generator";

static int take_entropy(void *unused, unsigned char *out, size_t len)
{
    (void)unused;
    return generator.entropy(generator.ctx, out, len) == 0
               ? 0
               : MBEDTLS_ERR_CTR_DRBG_ENTROPY_SOURCE_FAILED;
}

enum pp_err pp_crypto_seed(pp_entropy_fn entropy, void *ctx)
{
    int ret;
    generator.entropy = entropy;
    generator.ctx = ctx;
    if (generator.seeded) {
        ret = mbedtls_ctr_drbg_reseed(&generator.drbg, NULL, 0);
    } else {
        mbedtls_ctr_drbg_init(&generator.drbg);
        ret = mbedtls_ctr_drbg_seed(&generator.drbg, take_entropy, NULL, personalisation,
                                    sizeof personalisation - 1);
    }
    if (ret != 0) {
        /* What the old state would still give may be known by now: nothing goes on without. */
        mbedtls_ctr_drbg_free(&generator.drbg);
        generator.seeded = false;
        return PP_ERR_ENTROPY;
    }
    generator.seeded = true;
    return PP_OK;
}

enum pp_err pp_crypto_stir(const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    while (len > 0) {
        size_t part = len < STIR_BYTES ? len : STIR_BYTES;
        if (!generator.seeded || mbedtls_ctr_drbg_update(&generator.drbg, p, part) != 0)
            return PP_ERR_ENTROPY;
        p += part;
        len -= part;
    }
    return PP_OK;
}

enum pp_err pp_random(void *out, size_t len)
{
    unsigned char *p = out;
    while (len > 0) {
        size_t part = len < MBEDTLS_CTR_DRBG_MAX_REQUEST ? len : MBEDTLS_CTR_DRBG_MAX_REQUEST;
        if (!generator.seeded || mbedtls_ctr_drbg_random(&generator.drbg, p, part) != 0) {
            pp_wipe(out, (size_t)(p - (unsigned char *)out) + len);
            return PP_ERR_ENTROPY;
        }
        p += part;
        len -= part;
    }
    return PP_OK;
}

uint64_t pp_random_below(uint64_t below)
{
    uint64_t value;
    if (below == 0)
        return 0;
    /* The last, incomplete round of `below` would favour small values. */
    uint64_t rest = (UINT64_MAX % below + 1) % below;
    do {
        if (pp_random(&value, sizeof value) != PP_OK)
            return 0;
    } while (value > UINT64_MAX - rest);
    return value % below;
}

enum pp_err pp_sha256(const void *bytes, size_t len, uint8_t out[PP_SHA256_BYTES])
{
    return mbedtls_sha256(bytes, len, out, 0) == 0 ? PP_OK : PP_ERR_STATE;
}

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

uint64_t pp_siphash(const uint8_t key[16], const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    uint64_t k0 = pp_le64_get(key), k1 = pp_le64_get(key + 8);
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
                     k1 ^ 0x7465646279746573u};
    uint64_t last = (uint64_t)(len & 255) << 56;
    size_t whole = len / 8 * 8;
    for (size_t at = 0; at < whole; at += 8)
        sip_word(v, pp_le64_get(p + at));
    for (size_t at = whole; at < len; at++)
        last |= (uint64_t)p[at] << (8 * (at - whole));
    sip_word(v, last);
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
