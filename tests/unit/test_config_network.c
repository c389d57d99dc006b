/*
 * test_config_network.c - networks and salted verifiers as text, both ways
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SALT     "c2FsdHNhbHQ=" /* 8 bytes */
#define KEY      "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define VERIFIER "SCRAM-SHA-256$4096:" SALT "$" KEY ":" KEY

static void reads(const char *text, const char *written)
{
    struct pp_network network;
    char out[64];
    struct pp_writer w;
    assert_int_equal(pp_network_parse(pp_text_z(text), &network), PP_OK);
    pp_writer_init(&w, out, sizeof out - 1);
    pp_network_put(&w, &network);
    assert_false(w.overflow);
    out[w.len] = '\0';
    assert_string_equal(out, written);
}

static void test_networks(void **state)
{
    (void)state;
    struct pp_network network;
    reads("192.168.0.0/16", "192.168.0.0/16");
    reads("192.0.2.7", "192.0.2.7");
    reads("192.0.2.7/32", "192.0.2.7");
    reads("192.0.2.128/25", "192.0.2.128/25");
    reads("0.0.0.0/0", "0.0.0.0/0");
    reads("FD00:0::/8", "fd00::/8");
    reads("2001:db8::1", "2001:db8::1");
    reads("::/0", "::/0");
    reads("::ffff:192.0.2.0/120", "192.0.2.0/24");
    reads("::ffff:0:0/96", "0.0.0.0/0");
    assert_int_equal(pp_network_parse(pp_text_z("10.0.0.0/8"), &network), PP_OK);
    assert_int_equal(network.family, 4);
    assert_int_equal(network.prefix, 8);
    static const uint8_t ten[16] = {10};
    assert_memory_equal(network.ip, ten, sizeof ten);
}

static void test_what_is_no_network(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum pp_err err;
    } rows[] = {
        {"", PP_ERR_SYNTAX},
        {"/", PP_ERR_SYNTAX},
        {"/8", PP_ERR_SYNTAX},
        {"lan", PP_ERR_SYNTAX},
        {"10", PP_ERR_SYNTAX},
        {"10.0.0/8", PP_ERR_SYNTAX},
        {"010.0.0.0/8", PP_ERR_SYNTAX},
        {"256.0.0.0/8", PP_ERR_SYNTAX},
        {"10.0.0.0/", PP_ERR_SYNTAX},
        {"10.0.0.0/-1", PP_ERR_SYNTAX},
        {"10.0.0.0/+8", PP_ERR_SYNTAX},
        {"10.0.0.0/8/8", PP_ERR_SYNTAX},
        {"10.0.0.0 /8", PP_ERR_SYNTAX},
        {"10.0.0.0/255.0.0.0", PP_ERR_SYNTAX},
        {"[fd00::]/8", PP_ERR_SYNTAX},
        {"fd00::%eth0/8", PP_ERR_SYNTAX},
        {"1::2::3", PP_ERR_SYNTAX},
        {"10.0.0.0/33", PP_ERR_RANGE},
        {"10.0.0.0/264", PP_ERR_RANGE},
        {"10.0.0.0/18446744073709551624", PP_ERR_RANGE},
        {"fd00::/129", PP_ERR_RANGE},
        {"192.168.1.1/16", PP_ERR_RANGE},
        {"0.0.0.1/31", PP_ERR_RANGE},
        {"128.0.0.0/0", PP_ERR_RANGE},
        {"fd00::1/64", PP_ERR_RANGE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pp_network network;
        if (pp_network_parse(pp_text_z(rows[i].text), &network) != rows[i].err)
            fail_msg("%s", rows[i].text);
    }
}

static void test_verifiers(void **state)
{
    (void)state;
    struct pp_scram_verifier verifier;
    char out[300];
    struct pp_writer w;
    assert_int_equal(pp_scram_verifier_parse(pp_text_z(VERIFIER), &verifier), PP_OK);
    assert_int_equal(verifier.iterations, 4096);
    assert_int_equal(verifier.salt_len, 8);
    assert_memory_equal(verifier.salt, "saltsalt", 8);
    assert_int_equal(verifier.stored_key[31], 31);
    assert_int_equal(verifier.server_key[1], 1);
    pp_writer_init(&w, out, sizeof out - 1);
    pp_scram_verifier_put(&w, &verifier);
    out[w.len] = '\0';
    assert_string_equal(out, VERIFIER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_what_is_no_network),
        cmocka_unit_test(test_verifiers),
    };
    return cmocka_run_group_tests_name("config_network", tests, NULL, NULL);
}
