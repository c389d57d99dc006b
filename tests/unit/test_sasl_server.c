/*
 * test_sasl_server.c - logins against verifiers, by a client of our own
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/crypto.h"
#include "intake/sasl_server.h"

static struct pp_config config;
static struct pp_sasl_server server;
static char challenge[PP_SASL_CHALLENGE_CAP];
static struct pp_writer w;

static int entropy(void *ctx, uint8_t *out, size_t len)
{
    static uint8_t next;

    (void)ctx;
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)(next++ * 73 + 5);
    }
    return 0;
}

static int fresh(void **state)
{
    (void)state;
    assert_int_equal(pp_crypto_seed(entropy, NULL), PP_OK);
    memset(&config, 0, sizeof(config));
    config.user_count = 2;
    strcpy(config.users[0].name, "user");
    strcpy(config.users[1].name, "a,b=c");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            pp_scram_verifier_make(&config.users[i].password, pp_text_z("pencil"), 4096), PP_OK);
    }
    return 0;
}

static struct pp_text encode(const void *bytes, size_t len)
{
    static char text[4][2048];
    static int next;
    struct pp_writer out;

    next = (next + 1) % 4;
    pp_writer_init(&out, text[next], sizeof(text[next]));
    pp_base64_put(&out, bytes, len);
    return pp_writer_text(&out);
}

static struct pp_text encode_z(const char *text_z)
{
    return encode(text_z, strlen(text_z));
}

static enum pp_sasl_step begin(enum pp_sasl_mechanism mechanism, struct pp_text response)
{
    pp_writer_init(&w, challenge, sizeof(challenge));
    return pp_sasl_server_begin(&server, &config, mechanism, response, &w);
}

static enum pp_sasl_step answer(struct pp_text line)
{
    pp_writer_init(&w, challenge, sizeof(challenge));
    return pp_sasl_server_answer(&server, line, &w);
}

static bool challenged(const char *text_z)
{
    return pp_text_equal(pp_writer_text(&w), pp_text_z(text_z));
}

#define NONE pp_text_n(NULL, 0)

static void test_plain(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        enum pp_sasl_step step;
    } cases[] = {
        {"\0user\0pencil", 12, PP_SASL_ACCEPTED},
        {"user\0user\0pencil", 16, PP_SASL_ACCEPTED},
        {"\0user\0Pencil", 12, PP_SASL_REFUSED},
        {"\0User\0pencil", 12, PP_SASL_REFUSED},
        {"\0user\0pencil2", 13, PP_SASL_REFUSED},
        {"\0user\0", 6, PP_SASL_REFUSED},
        {"root\0user\0pencil", 16, PP_SASL_REFUSED},
        {"\0nobody\0pencil", 14, PP_SASL_REFUSED},
        {"\0\0pencil", 8, PP_SASL_MALFORMED},
        {"user", 4, PP_SASL_MALFORMED},
        {"\0user", 5, PP_SASL_MALFORMED},
        {"", 0, PP_SASL_MALFORMED},
        {"\0user\0pen\0cil", 13, PP_SASL_MALFORMED},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(begin(PP_SASL_PLAIN, encode(cases[i].bytes, cases[i].len)), cases[i].step);
        assert_int_equal(begin(PP_SASL_PLAIN, NONE), PP_SASL_CHALLENGE);
        assert_true(challenged(""));
        assert_int_equal(answer(encode(cases[i].bytes, cases[i].len)), cases[i].step);
        assert_int_equal(answer(encode_z("x")), PP_SASL_MALFORMED); /* it is over */
    }
    assert_int_equal(begin(PP_SASL_PLAIN, pp_text_z("=")), PP_SASL_MALFORMED);
    assert_int_equal(begin(PP_SASL_PLAIN, pp_text_z("AHVzZXI*")), PP_SASL_MALFORMED);
    assert_true(pp_text_equal(pp_sasl_server_name(&server), pp_text_z("")));
    static char large[4000];
    memset(large, 'A', sizeof(large));
    assert_int_equal(begin(PP_SASL_PLAIN, pp_text_n(large, sizeof(large))), PP_SASL_MALFORMED);
    memset(large, 0, 300);
    memset(large + 1, 'x', 200); /* a name longer than any */
    assert_int_equal(begin(PP_SASL_PLAIN, encode(large, 300)), PP_SASL_MALFORMED);
}

static void test_login(void **state)
{
    (void)state;
    assert_int_equal(begin(PP_SASL_LOGIN, NONE), PP_SASL_CHALLENGE);
    assert_true(challenged("VXNlcm5hbWU6"));
    assert_int_equal(answer(encode_z("user")), PP_SASL_CHALLENGE);
    assert_true(challenged("UGFzc3dvcmQ6"));
    assert_int_equal(answer(encode_z("pencil")), PP_SASL_ACCEPTED);
    assert_true(pp_text_equal(pp_sasl_server_name(&server), pp_text_z("user")));
    assert_int_equal(begin(PP_SASL_LOGIN, encode_z("nobody")), PP_SASL_CHALLENGE);
    assert_int_equal(answer(encode_z("pencil")), PP_SASL_REFUSED);
    assert_int_equal(begin(PP_SASL_LOGIN, encode_z("user")), PP_SASL_CHALLENGE);
    assert_int_equal(answer(encode_z("")), PP_SASL_REFUSED);
    assert_int_equal(begin(PP_SASL_LOGIN, encode_z("user")), PP_SASL_CHALLENGE);
    assert_int_equal(answer(encode("pencil\0", 7)), PP_SASL_MALFORMED);
    assert_int_equal(begin(PP_SASL_LOGIN, NONE), PP_SASL_CHALLENGE);
    assert_int_equal(answer(pp_text_z("=")), PP_SASL_MALFORMED);
}

/* ---- SCRAM ---- */

static size_t decoded(char *out, size_t cap)
{
    size_t len;

    assert_int_equal(pp_base64_decode(pp_writer_text(&w), out, cap - 1, &len), PP_OK);
    out[len] = '\0';
    return len;
}

/* The client's last message to the challenge, with a password; `bend` spoils one thing. */
static enum pp_sasl_step finish(const char *bare_z, const char *gs2_z, const char *password_z,
                                char bend, uint8_t server_key[32], char *auth, size_t cap)
{
    char first[512], without[512], final[700];
    uint8_t salted[32], key[32], stored[32], signature[32], salt[32];
    size_t salt_len;
    struct pp_text rest, nonce, salt_text, rounds;
    uint64_t iterations;

    (void)decoded(first, sizeof(first));
    rest = pp_text_z(first);
    nonce = pp_text_cut(&rest, ',');
    salt_text = pp_text_cut(&rest, ',');
    rounds = rest;
    assert_int_equal(pp_base64_decode(pp_text_n(salt_text.p + 2, salt_text.len - 2), salt,
                                      sizeof(salt), &salt_len),
                     PP_OK);
    assert_int_equal(pp_text_to_u64(pp_text_n(rounds.p + 2, rounds.len - 2), 100000, &iterations),
                     PP_OK);
    snprintf(without, sizeof(without), "c=%.*s,r=%.*s%s", 4, encode_z(gs2_z).p, (int)nonce.len - 2,
             nonce.p + 2, bend == 'r' ? "x" : "");
    snprintf(auth, cap, "%s,%s,%s", bare_z, first, without);
    assert_int_equal(pp_pbkdf2_sha256(password_z, strlen(password_z), salt, salt_len,
                                      (uint32_t)iterations, salted),
                     PP_OK);
    assert_int_equal(pp_hmac_sha256(salted, 32, "Client Key", 10, key), PP_OK);
    assert_int_equal(pp_hmac_sha256(salted, 32, "Server Key", 10, server_key), PP_OK);
    assert_int_equal(pp_sha256(key, 32, stored), PP_OK);
    assert_int_equal(pp_hmac_sha256(stored, 32, auth, strlen(auth), signature), PP_OK);
    for (int i = 0; i < 32; i++) {
        key[i] ^= signature[i];
    }
    key[0] ^= bend == 'p' ? 1 : 0;
    struct pp_text proof = encode(key, 32);
    snprintf(final, sizeof(final), "%s,p=%.*s", without, (int)proof.len, proof.p);
    return answer(encode_z(final));
}

static enum pp_sasl_step scram(const char *gs2_z, const char *bare_z, const char *password_z,
                               char bend)
{
    char first[400], auth[1600], said[200], expected[200];
    uint8_t server_key[32], signature[32];

    snprintf(first, sizeof(first), "%s%s", gs2_z, bare_z);
    enum pp_sasl_step step = begin(PP_SASL_SCRAM_SHA_256, encode_z(first));
    if (step != PP_SASL_CHALLENGE) {
        return step;
    }
    step = finish(bare_z, gs2_z, password_z, bend, server_key, auth, sizeof(auth));
    if (step != PP_SASL_CHALLENGE) {
        return step;
    }
    /* the server knows the password's verifier too */
    assert_int_equal(pp_hmac_sha256(server_key, 32, auth, strlen(auth), signature), PP_OK);
    (void)decoded(said, sizeof(said));
    struct pp_text text = encode(signature, 32);
    snprintf(expected, sizeof(expected), "v=%.*s", (int)text.len, text.p);
    assert_string_equal(said, expected);
    return answer(bend == 'e' ? encode_z("x") : pp_text_z(""));
}

static void test_scram(void **state)
{
    (void)state;
    static const struct {
        const char *gs2_z, *bare_z, *password_z;
        char bend;
        enum pp_sasl_step step;
    } cases[] = {
        {"n,,", "n=user,r=fyko+d2lbbFgONRv9qkxdawL", "pencil", 0, PP_SASL_ACCEPTED},
        {"y,,", "n=user,r=fyko+d2lbbFgONRv9qkxdawL", "pencil", 0, PP_SASL_ACCEPTED},
        {"n,,", "n=a=2Cb=3Dc,r=fyko+d2lbbFgONRv9", "pencil", 0, PP_SASL_ACCEPTED},
        {"n,,", "n=user,r=fyko+d2lbbFgONRv9qkxdawL,ext=1", "pencil", 0, PP_SASL_ACCEPTED},
        {"n,,", "n=user,r=fyko+d2lbbFgONRv9qkxdawL", "Pencil", 0, PP_SASL_REFUSED},
        {"n,,", "n=nobody,r=fyko+d2lbbFgONRv9qkxdawL", "pencil", 0, PP_SASL_REFUSED},
        {"n,,", "n=user,r=fyko+d2lbbFgONRv9qkxdawL", "pencil", 'p', PP_SASL_REFUSED},
        {"n,,", "n=user,r=fyko+d2lbbFgONRv9qkxdawL", "pencil", 'r', PP_SASL_REFUSED},
        {"n,,", "n=user,r=fyko+d2lbbFgONRv9qkxdawL", "pencil", 'e', PP_SASL_MALFORMED},
        {"p=tls-exporter,,", "n=user,r=fyko+d2lbbFgONRv9", "pencil", 0, PP_SASL_MALFORMED},
        {"n,,", "m=x,n=user,r=fyko+d2lbbFgONRv9", "pencil", 0, PP_SASL_MALFORMED},
        {"n,,", "n=us=er,r=fyko+d2lbbFgONRv9", "pencil", 0, PP_SASL_MALFORMED},
        {"n,,", "n=,r=fyko+d2lbbFgONRv9", "pencil", 0, PP_SASL_MALFORMED},
        {"n,,", "n=user,r=short", "pencil", 0, PP_SASL_MALFORMED},
        {"n,,", "n=user", "pencil", 0, PP_SASL_MALFORMED},
        {"", "", "pencil", 0, PP_SASL_MALFORMED},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum pp_sasl_step step =
            scram(cases[i].gs2_z, cases[i].bare_z, cases[i].password_z, cases[i].bend);
        if (step != cases[i].step) {
            print_error("case %zu\n", i);
        }
        assert_int_equal(step, cases[i].step);
    }
}

/* Asked again, an unknown name has the same salt, as a known one does; not by the generator, which
 * starts anew with the relay, but by what is secret in the configuration. */
static void test_unknown_users_look_known(void **state)
{
    (void)state;
    char first[300], second[300];

    for (int i = 0; i < 2; i++) {
        assert_int_equal(begin(PP_SASL_SCRAM_SHA_256, encode_z("n,,n=nobody,r=fyko+d2lbbFgONRv9")),
                         PP_SASL_CHALLENGE);
        (void)decoded(i == 0 ? first : second, sizeof(first));
    }
    assert_string_equal(strstr(first, ",s="), strstr(second, ",s="));
    assert_string_not_equal(first, second);
    assert_int_equal(begin(PP_SASL_SCRAM_SHA_256, encode_z("n,,n=nobodz,r=fyko+d2lbbFgONRv9")),
                     PP_SASL_CHALLENGE);
    (void)decoded(second, sizeof(second));
    assert_string_not_equal(strstr(first, ",s="), strstr(second, ",s="));
    config.users[1].password.server_key[31] ^= 1;
    assert_int_equal(begin(PP_SASL_SCRAM_SHA_256, encode_z("n,,n=nobody,r=fyko+d2lbbFgONRv9")),
                     PP_SASL_CHALLENGE);
    (void)decoded(second, sizeof(second));
    assert_string_not_equal(strstr(first, ",s="), strstr(second, ",s="));
}

/* RFC 7677 3: its salt, password and keys. */
static void test_vector(void **state)
{
    (void)state;
    static const char text[] =
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
    struct pp_scram_verifier v;
    char put[300];

    assert_int_equal(pp_scram_verifier_parse(pp_text_z(text), &v), PP_OK);
    assert_true(pp_scram_verifier_matches(&v, pp_text_z("pencil")));
    assert_false(pp_scram_verifier_matches(&v, pp_text_z("pencil ")));
    pp_writer_init(&w, put, sizeof(put));
    pp_scram_verifier_put(&w, &v);
    assert_true(pp_text_equal(pp_writer_text(&w), pp_text_z(text)));
#define KEYS                                                                                       \
    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    static const char *const bad[] = {
        "",
        "pencil",
        "SCRAM-SHA-1$4096:W22ZaJ0SNY7soEsUEjb6gQ==$x:y",
        "SCRAM-SHA-256$",
        ("SCRAM-SHA-256$4095:W22ZaJ0SNY7soEsUEjb6gQ==$" KEYS),
        ("SCRAM-SHA-256$4096:W22ZaJ0=$" KEYS),
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_not_equal(pp_scram_verifier_parse(pp_text_z(bad[i]), &v), PP_OK);
    }
    assert_int_equal(pp_scram_verifier_make(&v, pp_text_z("x"), 4095), PP_ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_plain, fresh),
        cmocka_unit_test_setup(test_login, fresh),
        cmocka_unit_test_setup(test_scram, fresh),
        cmocka_unit_test_setup(test_unknown_users_look_known, fresh),
        cmocka_unit_test_setup(test_vector, fresh),
    };

    return cmocka_run_group_tests_name("sasl_server", tests, NULL, NULL);
}
