/* test_pin.c - the forms of a fingerprint, what is refused, and which pin matches */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/crypto.h"
#include "wire/pin.h"

#define COLONS                                                                                     \
    "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:"   \
    "1e:"                                                                                          \
    "1f"
#define HALF   "202122232425262728292a2b2c2d2e2f"
#define DIGITS "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define LONG   DIGITS HALF "303132333435363738393a3b3c3d3e3f"
#define BASE64 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static void check(const char *text, enum pp_pin_kind kind, enum pp_digest digest)
{
    struct pp_pin pin;
    if (pp_pin_parse(pp_text_z(text), &pin) != PP_OK)
        fail_msg("not read: %s", text);
    assert_int_equal(pin.kind, kind);
    assert_int_equal(pin.digest, digest);
    for (uint8_t i = 0; i < PP_DIGEST_MOST; i++)
        assert_int_equal(pin.value[i], i < pp_digest_bytes(digest) ? i : 0);
}

static void test_forms(void **state)
{
    const enum pp_digest sha256 = PP_DIGEST_SHA256;
    (void)state;
    check(COLONS, PP_PIN_ANY, sha256);
    check("  " COLONS "\t", PP_PIN_ANY, sha256);
    check(DIGITS, PP_PIN_ANY, sha256);
    check("sha256:" DIGITS, PP_PIN_ANY, sha256);
    check("SHA256:" COLONS, PP_PIN_ANY, sha256);
    check("sha256:" BASE64, PP_PIN_ANY, sha256);
    check("cert:" COLONS, PP_PIN_CERTIFICATE, sha256);
    check("key:" COLONS, PP_PIN_KEY, sha256);
    check("issuer-cert:" COLONS, PP_PIN_ISSUER_CERTIFICATE, sha256);
    check("issuer-key: sha256:" BASE64, PP_PIN_ISSUER_KEY, sha256);
    check("key:sha256:" BASE64, PP_PIN_KEY, sha256);
    check("Cert:sha256:" DIGITS, PP_PIN_CERTIFICATE, sha256);
    check("SHA256 Fingerprint=" COLONS, PP_PIN_CERTIFICATE, sha256);
    check("issuer-cert:sha256 Fingerprint=" COLONS, PP_PIN_ISSUER_CERTIFICATE, sha256);
    check("sha384:" DIGITS HALF, PP_PIN_ANY, PP_DIGEST_SHA384);
    check("key:" DIGITS HALF, PP_PIN_KEY, PP_DIGEST_SHA384);
    check("sha512:" LONG, PP_PIN_ANY, PP_DIGEST_SHA512);
    check("Issuer-Key:" LONG, PP_PIN_ISSUER_KEY, PP_DIGEST_SHA512);
    check("sha512 Fingerprint=" LONG, PP_PIN_CERTIFICATE, PP_DIGEST_SHA512);
}

static void test_refused(void **state)
{
    static const char *const syntax[] = {"",
                                         "sha256:",
                                         "key:",
                                         "cert:key:" COLONS,
                                         "issuer:" COLONS,
                                         COLONS ":",
                                         COLONS ":20",
                                         ":" COLONS,
                                         DIGITS "0",
                                         LONG "00",
                                         "sha256:AAEC",
                                         "sha256:00:01",
                                         "sha512:" DIGITS,
                                         "sha256:" LONG,
                                         "sha384:sha384:" DIGITS HALF,
                                         "sha512" LONG,
                                         BASE64,
                                         "key:sha256 Fingerprint=" COLONS,
                                         "issuer-key:sha256 Fingerprint=" COLONS,
                                         "00:01",
                                         "xx:01:02",
                                         "00-01-02",
                                         "hello world"};
    static const char *const other[] = {
        "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13", /* SHA-1 */
        "000102030405060708090a0b0c0d0e0f",                            /* MD5 */
        "sha1:000102030405060708090a0b0c0d0e0f10111213",
        "cert:md5:000102030405060708090a0b0c0d0e0f",
        "issuer-key:SHA1:000102030405060708090a0b0c0d0e0f10111213",
        "SHA1 Fingerprint=00:01",
    };
    struct pp_pin pin;
    (void)state;
    for (size_t i = 0; i < sizeof syntax / sizeof *syntax; i++) {
        if (pp_pin_parse(pp_text_z(syntax[i]), &pin) != PP_ERR_SYNTAX)
            fail_msg("not refused: %s", syntax[i]);
    }
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        if (pp_pin_parse(pp_text_z(other[i]), &pin) != PP_ERR_UNSUPPORTED)
            fail_msg("not known as another digest: %s", other[i]);
    }
    /* One digit replaced, at each place. */
    for (size_t i = 0; i < strlen(COLONS); i++) {
        char text[] = COLONS;
        text[i] = 'g';
        assert_int_equal(pp_pin_parse(pp_text_z(text), &pin), PP_ERR_SYNTAX);
    }
}

static void test_round_trip(void **state)
{
    char text[300];
    struct pp_pin pin, read;
    struct pp_writer w;
    (void)state;
    for (int kind = PP_PIN_ANY; kind <= PP_PIN_ISSUER_KEY; kind++) {
        for (int digest = PP_DIGEST_SHA256; digest <= PP_DIGEST_SHA512; digest++) {
            memset(&pin, 0, sizeof pin);
            pin.kind = (enum pp_pin_kind)kind;
            pin.digest = (enum pp_digest)digest;
            for (size_t i = 0; i < pp_digest_bytes(pin.digest); i++)
                pin.value[i] = (uint8_t)(i * 9 + 3);
            pp_writer_init(&w, text, sizeof text);
            pp_put_pin_value(&w, &pin);
            assert_false(w.overflow);
            assert_int_equal(pp_pin_parse(pp_writer_text(&w), &read), PP_OK);
            assert_memory_equal(&read, &pin, sizeof pin);
        }
    }
}

static struct pp_pin pin_of(enum pp_pin_kind kind, enum pp_digest digest, const char *bytes_z)
{
    struct pp_pin pin = {kind, digest, {0}};
    size_t len = strlen(bytes_z);
    enum pp_err err = digest == PP_DIGEST_SHA512   ? pp_sha512(bytes_z, len, pin.value)
                      : digest == PP_DIGEST_SHA384 ? pp_sha384(bytes_z, len, pin.value)
                                                   : pp_sha256(bytes_z, len, pin.value);
    assert_int_equal(err, PP_OK);
    return pin;
}

static uint32_t hits(const struct pp_tls_policy *policy, bool as_issuer)
{
    const struct pp_pin_subject subject = {(const uint8_t *)"certificate", 11,
                                           (const uint8_t *)"key", 3};
    uint32_t found = 0xFFFFFFFF;
    assert_int_equal(pp_pin_match(policy, as_issuer, &subject, &found), PP_OK);
    return found;
}

/* Kind, digest, what it is the digest of: hit as the server's own, hit as an issuer's. */
static void test_match(void **state)
{
    (void)state;
    for (int kind = PP_PIN_ANY; kind <= PP_PIN_ISSUER_KEY; kind++) {
        for (int digest = PP_DIGEST_SHA256; digest <= PP_DIGEST_SHA512; digest++) {
            for (int of = 0; of < 3; of++) {
                static const char *const bytes[] = {"certificate", "key", "other"};
                struct pp_tls_policy policy = {.level = PP_TLS_FINGERPRINT, .pin_count = 3};
                enum pp_pin_kind k = (enum pp_pin_kind)kind;
                bool issuer = k >= PP_PIN_ISSUER_CERTIFICATE;
                bool right = of == 0   ? k != PP_PIN_KEY && k != PP_PIN_ISSUER_KEY
                             : of == 1 ? k != PP_PIN_CERTIFICATE && k != PP_PIN_ISSUER_CERTIFICATE
                                       : false;
                policy.pins[1] = pin_of(k, (enum pp_digest)digest, bytes[of]);
                assert_int_equal(hits(&policy, false), right && !issuer ? 2 : 0);
                assert_int_equal(hits(&policy, true), right && issuer ? 2 : 0);
            }
        }
    }
}

static void test_every_bit_counts(void **state)
{
    struct pp_tls_policy policy = {.level = PP_TLS_FINGERPRINT, .pin_count = 1};
    (void)state;
    policy.pins[0] = pin_of(PP_PIN_ANY, PP_DIGEST_SHA512, "key");
    assert_int_equal(hits(&policy, false), 1);
    for (size_t bit = 0; bit < 512; bit++) {
        policy.pins[0].value[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(hits(&policy, false), 0);
        policy.pins[0].value[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    policy.pin_count = 0;
    assert_int_equal(hits(&policy, false), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_every_bit_counts),
    };
    return cmocka_run_group_tests_name("pin", tests, NULL, NULL);
}
