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

#include <string.h>

#include <mbedtls/chachapoly.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/sha256.h>
#include <mbedtls/sha512.h>

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

enum pp_err pp_sha384(const void *bytes, size_t len, uint8_t out[48])
{
    return mbedtls_sha512(bytes, len, out, 1) == 0 ? PP_OK : PP_ERR_STATE;
}

enum pp_err pp_sha512(const void *bytes, size_t len, uint8_t out[64])
{
    return mbedtls_sha512(bytes, len, out, 0) == 0 ? PP_OK : PP_ERR_STATE;
}

/* ---- HMAC ---- */

#define BLOCK_BYTES 64

/* The two states behind the key: each message then begins with a copy. */
struct hmac {
    mbedtls_sha256_context inner, outer;
};

static int hmac_key(struct hmac *h, const uint8_t *key, size_t len)
{
    uint8_t pad[BLOCK_BYTES] = {0};
    int ret = 0;
    if (len > sizeof pad)
        ret = mbedtls_sha256(key, len, pad, 0);
    else if (len > 0)
        memcpy(pad, key, len);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36;
    mbedtls_sha256_init(&h->inner);
    mbedtls_sha256_init(&h->outer);
    ret = ret != 0 ? ret : mbedtls_sha256_starts(&h->inner, 0);
    ret = ret != 0 ? ret : mbedtls_sha256_update(&h->inner, pad, sizeof pad);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    ret = ret != 0 ? ret : mbedtls_sha256_starts(&h->outer, 0);
    ret = ret != 0 ? ret : mbedtls_sha256_update(&h->outer, pad, sizeof pad);
    pp_wipe(pad, sizeof pad);
    return ret;
}

static int hmac_one(const struct hmac *h, const void *bytes, size_t len, uint8_t *out)
{
    mbedtls_sha256_context c;
    mbedtls_sha256_init(&c);
    mbedtls_sha256_clone(&c, &h->inner);
    int ret = mbedtls_sha256_update(&c, bytes, len);
    ret = ret != 0 ? ret : mbedtls_sha256_finish(&c, out);
    mbedtls_sha256_clone(&c, &h->outer);
    ret = ret != 0 ? ret : mbedtls_sha256_update(&c, out, PP_SHA256_BYTES);
    ret = ret != 0 ? ret : mbedtls_sha256_finish(&c, out);
    mbedtls_sha256_free(&c);
    return ret;
}

enum pp_err pp_hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len,
                           uint8_t out[PP_SHA256_BYTES])
{
    struct hmac h;
    int ret = hmac_key(&h, key, key_len);
    ret = ret != 0 ? ret : hmac_one(&h, bytes, len, out);
    pp_wipe(&h, sizeof h);
    return ret == 0 ? PP_OK : PP_ERR_STATE;
}

enum pp_err pp_pbkdf2_sha256(const void *password, size_t password_len, const void *salt,
                             size_t salt_len, uint32_t iterations, uint8_t out[PP_SHA256_BYTES])
{
    static const uint8_t first_block[4] = {0, 0, 0, 1};
    uint8_t u[BLOCK_BYTES + 4];
    struct hmac h;
    if (salt_len > BLOCK_BYTES || iterations == 0)
        return PP_ERR_RANGE;
    if (salt_len > 0)
        memcpy(u, salt, salt_len);
    memcpy(u + salt_len, first_block, sizeof first_block);
    int ret = hmac_key(&h, password, password_len);
    ret = ret != 0 ? ret : hmac_one(&h, u, salt_len + 4, u);
    memcpy(out, u, PP_SHA256_BYTES);
    for (uint32_t i = 1; i < iterations && ret == 0; i++) {
        ret = hmac_one(&h, u, PP_SHA256_BYTES, u);
        for (size_t k = 0; k < PP_SHA256_BYTES; k++)
            out[k] ^= u[k];
    }
    pp_wipe(&h, sizeof h);
    pp_wipe(u, sizeof u);
    return ret == 0 ? PP_OK : PP_ERR_STATE;
}

bool pp_equal_in_time(const void *a, const void *b, size_t len)
{
    const volatile uint8_t *x = a, *y = b;
    uint8_t different = 0;
    for (size_t i = 0; i < len; i++)
        different |= (uint8_t)(x[i] ^ y[i]);
    return different == 0;
}

/* ---- SipHash ---- */

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

enum pp_err pp_seal(const uint8_t key[32], const uint8_t nonce[PP_SEAL_NONCE_BYTES],
                    const void *extra, size_t extra_len, void *bytes, size_t len,
                    uint8_t tag[PP_SEAL_TAG_BYTES])
{
    mbedtls_chachapoly_context c;
    mbedtls_chachapoly_init(&c);
    int ret = mbedtls_chachapoly_setkey(&c, key);
    if (ret == 0)
        ret =
            mbedtls_chachapoly_encrypt_and_tag(&c, len, nonce, extra, extra_len, bytes, bytes, tag);
    mbedtls_chachapoly_free(&c);
    return ret == 0 ? PP_OK : PP_ERR_STATE;
}

enum pp_err pp_unseal(const uint8_t key[32], const uint8_t nonce[PP_SEAL_NONCE_BYTES],
                      const void *extra, size_t extra_len, void *bytes, size_t len,
                      const uint8_t tag[PP_SEAL_TAG_BYTES])
{
    mbedtls_chachapoly_context c;
    mbedtls_chachapoly_init(&c);
    int ret = mbedtls_chachapoly_setkey(&c, key);
    if (ret == 0)
        ret = mbedtls_chachapoly_auth_decrypt(&c, len, nonce, extra, extra_len, tag, bytes, bytes);
    mbedtls_chachapoly_free(&c);
    if (ret != 0)
        pp_wipe(bytes, len);
    return ret == 0 ? PP_OK : PP_ERR_DAMAGED;
}
