/* test_crypto.c - SHA-256, HMAC, PBKDF2, SipHash and the generator against published vectors and a
 * source that fails */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/crypto.h"

static bool source_fails;
static unsigned source_calls;

static int source(void *ctx, uint8_t *out, size_t len)
{
    source_calls++;
    if (source_fails)
        return -1;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(i * 31 + source_calls + *(const uint8_t *)ctx);
    return 0;
}

static uint8_t salt = 7;

static void test_unseeded(void **state)
{
    uint8_t bytes[16];
    (void)state;
    memset(bytes, 0xaa, sizeof bytes);
    assert_int_equal(pp_random(bytes, sizeof bytes), PP_ERR_ENTROPY);
    assert_int_equal(bytes[3], 0);
    assert_int_equal(pp_crypto_stir(bytes, sizeof bytes), PP_ERR_ENTROPY);
    assert_int_equal(pp_random_below(100), 0);
    source_fails = true;
    assert_int_equal(pp_crypto_seed(source, &salt), PP_ERR_ENTROPY);
    assert_int_equal(pp_random(bytes, sizeof bytes), PP_ERR_ENTROPY);
    source_fails = false;
}

/* What the generator gives next, in a process of its own, after `stirred` was stirred in. */
static void next_bytes(const char *stirred, uint8_t out[32])
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        uint8_t bytes[32];
        bool good = pp_crypto_stir(stirred, strlen(stirred)) == PP_OK &&
                    pp_random(bytes, sizeof bytes) == PP_OK &&
                    write(ends[1], bytes, sizeof bytes) == sizeof bytes;
        _exit(good ? 0 : 1);
    }
    (void)close(ends[1]);
    assert_int_equal(read(ends[0], out, 32), 32);
    (void)close(ends[0]);
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_stir(void **state)
{
    uint8_t none[32], same[32], one[32], other[32];
    (void)state;
    assert_int_equal(pp_crypto_seed(source, &salt), PP_OK);
    next_bytes("", none);
    next_bytes("", same);
    next_bytes("the seed that was kept, and somewhat longer than one block of it", one);
    next_bytes("the seed that was kept, and somewhat longer than one block of id", other);
    assert_memory_equal(none, same, sizeof none);
    assert_memory_not_equal(none, one, sizeof none);
    assert_memory_not_equal(one, other, sizeof one);
}

static void test_random(void **state)
{
    static uint8_t a[5000], b[5000];
    unsigned seen[10] = {0};
    (void)state;
    assert_int_equal(pp_crypto_seed(source, &salt), PP_OK);
    assert_int_equal(pp_random(a, sizeof a), PP_OK);
    assert_int_equal(pp_random(b, sizeof b), PP_OK);
    assert_memory_not_equal(a, b, sizeof a);
    assert_memory_not_equal(a + 4900, b + 4900, 100);
    for (int i = 0; i < 1000; i++) {
        uint64_t v = pp_random_below(10);
        assert_true(v < 10);
        seen[v]++;
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(seen[i], 50, 150);
    assert_int_equal(pp_random_below(0), 0);
    assert_int_equal(pp_random_below(1), 0);
    (void)pp_random_below(UINT64_MAX);
}

static void test_reseed(void **state)
{
    uint8_t bytes[16];
    unsigned before = source_calls;
    (void)state;
    assert_int_equal(pp_crypto_seed(source, &salt), PP_OK);
    assert_true(source_calls > before);
    /* The generator asks again by itself; when it gets nothing, nothing goes on. */
    source_fails = true;
    enum pp_err err = PP_OK;
    for (int i = 0; i < 20000 && err == PP_OK; i++)
        err = pp_random(bytes, sizeof bytes);
    assert_int_equal(err, PP_ERR_ENTROPY);
    assert_int_equal(pp_crypto_seed(source, &salt), PP_ERR_ENTROPY);
    assert_int_equal(pp_random(bytes, sizeof bytes), PP_ERR_ENTROPY);
    source_fails = false;
    assert_int_equal(pp_crypto_seed(source, &salt), PP_OK);
    assert_int_equal(pp_random(bytes, sizeof bytes), PP_OK);
}

static void test_sha256(void **state)
{
    static const uint8_t abc[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                                  0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                                  0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    uint8_t out[PP_SHA256_BYTES];
    (void)state;
    assert_int_equal(pp_sha256("abc", 3, out), PP_OK);
    assert_memory_equal(out, abc, sizeof out);
    assert_int_equal(pp_sha256("", 0, out), PP_OK);
    assert_int_equal(out[0], 0xe3);
}

static void assert_hex(const uint8_t *bytes, const char *hex_z)
{
    char text[2 * PP_SHA256_BYTES + 1];

    for (size_t i = 0; i < PP_SHA256_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    assert_string_equal(text, hex_z);
}

/* RFC 4231 4.2 to 4.4 and 4.7. */
static void test_hmac(void **state)
{
    uint8_t key[131], text[64], out[PP_SHA256_BYTES];
    static const char large[] = "Test Using Larger Than Block-Size Key - Hash Key First";

    (void)state;
    memset(key, 0x0b, 20);
    assert_int_equal(pp_hmac_sha256(key, 20, "Hi There", 8, out), PP_OK);
    assert_hex(out, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    assert_int_equal(pp_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out), PP_OK);
    assert_hex(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    memset(text, 0xdd, 50);
    assert_int_equal(pp_hmac_sha256(key, 20, text, 50, text), PP_OK); /* in place */
    assert_hex(text, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    assert_int_equal(pp_hmac_sha256(key, 131, large, sizeof large - 1, out), PP_OK);
    assert_hex(out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    assert_int_equal(pp_hmac_sha256(NULL, 0, "", 0, out), PP_OK);
    assert_hex(out, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

/* RFC 7914 11, their first block; the second with a tenth of its iterations as OpenSSL has it. */
static void test_pbkdf2(void **state)
{
    uint8_t out[PP_SHA256_BYTES], long_salt[65] = {0};

    (void)state;
    assert_int_equal(pp_pbkdf2_sha256("passwd", 6, "salt", 4, 1, out), PP_OK);
    assert_hex(out, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
    assert_int_equal(pp_pbkdf2_sha256("Password", 8, "NaCl", 4, 8000, out), PP_OK);
    assert_hex(out, "7f256b9dadf7544d75a9c56b6293c7744f5de67c8f45547526eaac5917f2dcb4");
    assert_int_equal(pp_pbkdf2_sha256("", 0, "", 0, 2, out), PP_OK);
    assert_hex(out, "97398411d6aea43a77acef92226ab8278d4db0668bd1d7a76a725f7680ac45c5");
    assert_int_equal(pp_pbkdf2_sha256("x", 1, long_salt, 64, 1, out), PP_OK);
    assert_int_equal(pp_pbkdf2_sha256("x", 1, long_salt, 65, 1, out), PP_ERR_RANGE);
    assert_int_equal(pp_pbkdf2_sha256("x", 1, long_salt, 8, 0, out), PP_ERR_RANGE);
}

static void test_equal_in_time(void **state)
{
    uint8_t a[40] = {0}, b[40] = {0};

    (void)state;
    assert_true(pp_equal_in_time(a, b, 0));
    for (size_t i = 0; i < sizeof a * 8; i++) {
        assert_true(pp_equal_in_time(a, b, sizeof a));
        b[i / 8] = (uint8_t)(1u << i % 8);
        assert_false(pp_equal_in_time(a, b, sizeof a));
        assert_true(pp_equal_in_time(a, b, i / 8));
        b[i / 8] = 0;
    }
}

/* The first, the eighth and the last of the vectors in the reference implementation. */
static void test_siphash(void **state)
{
    uint8_t key[16], text[64];
    (void)state;
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)i;
    assert_true(pp_siphash(key, text, 0) == 0x726fdb47dd0e0e31u);
    assert_true(pp_siphash(key, text, 15) == 0xa129ca6149be45e5u);
    assert_true(pp_siphash(key, text, 8) == 0x93f5f5799a932462u);
    assert_true(pp_siphash(key, text, 63) == 0x958a324ceb064572u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unseeded), cmocka_unit_test(test_stir),
        cmocka_unit_test(test_random),   cmocka_unit_test(test_reseed),
        cmocka_unit_test(test_sha256),   cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_pbkdf2),   cmocka_unit_test(test_equal_in_time),
        cmocka_unit_test(test_siphash),
    };
    return cmocka_run_group_tests_name("crypto", tests, NULL, NULL);
}
