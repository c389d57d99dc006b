/* test_pin.c - the forms of a fingerprint, what is refused, and which pin matches */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/pin.h"

#define COLONS                                                                                     \
    "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:"   \
    "1e:"                                                                                          \
    "1f"
#define DIGITS "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define BASE64 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static void check(const char *text, enum pp_pin_kind kind)
{
    struct pp_pin pin;
    if (pp_pin_parse(pp_text_z(text), &pin) != PP_OK)
        fail_msg("not read: %s", text);
    assert_int_equal(pin.kind, kind);
    for (uint8_t i = 0; i < 32; i++)
        assert_int_equal(pin.sha256[i], i);
}

static void test_forms(void **state)
{
    (void)state;
    check(COLONS, PP_PIN_ANY);
    check("  " COLONS "\t", PP_PIN_ANY);
    check(DIGITS, PP_PIN_ANY);
    check("sha256:" DIGITS, PP_PIN_ANY);
    check("SHA256:" COLONS, PP_PIN_ANY);
    check("sha256:" BASE64, PP_PIN_ANY);
    check("cert:" COLONS, PP_PIN_CERTIFICATE);
    check("key:" COLONS, PP_PIN_KEY);
    check("key:sha256:" BASE64, PP_PIN_KEY);
    check("Cert:sha256:" DIGITS, PP_PIN_CERTIFICATE);
    check("SHA256 Fingerprint=" COLONS, PP_PIN_CERTIFICATE);
    check("sha256 Fingerprint=" COLONS, PP_PIN_CERTIFICATE);
}

static void test_refused(void **state)
{
    static const char *const syntax[] = {"",
                                         "sha256:",
                                         "key:",
                                         "cert:key:" COLONS,
                                         COLONS ":",
                                         COLONS ":20",
                                         ":" COLONS,
                                         DIGITS "0",
                                         "sha256:AAEC",
                                         "sha256:00:01",
                                         BASE64,
                                         "key:sha256 Fingerprint=" COLONS,
                                         "00:01",
                                         "xx:01:02",
                                         "00-01-02",
                                         "hello world"};
    static const char *const other[] = {
        "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13", /* SHA-1 */
        "000102030405060708090a0b0c0d0e0f",                            /* MD5 */
        DIGITS DIGITS,                                                 /* SHA-512 */
        "sha512:" DIGITS DIGITS,
        "sha1:000102030405060708090a0b0c0d0e0f10111213",
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
    static const enum pp_pin_kind kinds[] = {PP_PIN_ANY, PP_PIN_CERTIFICATE, PP_PIN_KEY};
    char text[128];
    struct pp_pin pin;
    struct pp_writer w;
    uint8_t digest[32];
    (void)state;
    for (size_t i = 0; i < 32; i++)
        digest[i] = (uint8_t)(i * 9 + 3);
    for (size_t i = 0; i < 3; i++) {
        pp_writer_init(&w, text, sizeof text);
        pp_put_pin(&w, kinds[i], digest);
        assert_false(w.overflow);
        assert_int_equal(pp_pin_parse(pp_writer_text(&w), &pin), PP_OK);
        assert_int_equal(pin.kind, kinds[i]);
        assert_memory_equal(pin.sha256, digest, 32);
    }
}

static void test_match(void **state)
{
    struct pp_tls_policy policy = {.level = PP_TLS_FINGERPRINT, .pin_count = 3};
    uint8_t certificate[32], key[32], other[32];
    (void)state;
    memset(certificate, 1, 32);
    memset(key, 2, 32);
    memset(other, 3, 32);
    memset(policy.pins[0].sha256, 9, 32);
    memset(policy.pins[1].sha256, 1, 32);
    memset(policy.pins[2].sha256, 2, 32);
    assert_int_equal(pp_pin_match(&policy, certificate, key), 1);
    assert_int_equal(pp_pin_match(&policy, other, key), 2);
    assert_int_equal(pp_pin_match(&policy, other, other), -1);
    /* A pin of a key says nothing of a certificate, and the other way round. */
    policy.pins[1].kind = PP_PIN_KEY;
    policy.pins[2].kind = PP_PIN_CERTIFICATE;
    assert_int_equal(pp_pin_match(&policy, certificate, key), -1);
    policy.pins[1].kind = PP_PIN_CERTIFICATE;
    assert_int_equal(pp_pin_match(&policy, certificate, key), 1);
    /* One bit is enough. */
    for (size_t bit = 0; bit < 256; bit++) {
        certificate[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(pp_pin_match(&policy, certificate, key), -1);
        certificate[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    policy.pin_count = 0;
    assert_int_equal(pp_pin_match(&policy, certificate, key), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_match),
    };
    return cmocka_run_group_tests_name("pin", tests, NULL, NULL);
}
