/*
 * test_config.c - pinpost.conf, line by line: defaults, values, and the words for what is wrong
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "config_keys.h"
#include <cmocka.h>

#define PIN                                                                                        \
    "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:"   \
    "EE:FF"

static struct pp_config config;
static struct pp_config_error error;

static int fresh(void **state)
{
    (void)state;
    pp_config_defaults(&config);
    memset(&error, 0, sizeof error);
    return 0;
}

static enum pp_err set(const char *section, const char *key, const char *value)
{
    return pp_config_set(&config, pp_text_z(section), pp_text_z(key), pp_text_z(value), &error);
}

static void good(const char *section, const char *key, const char *value)
{
    enum pp_err err = set(section, key, value);
    if (err != PP_OK)
        fail_msg("[%s] %s = %s: %s", section, key, value, error.text);
}

static void bad(const char *section, const char *key, const char *value, enum pp_err err,
                const char *words)
{
    assert_int_equal(set(section, key, value), err);
    assert_string_equal(error.text, words);
}

static void smarthost(void)
{
    good("smarthost", "host", "mail.example.org");
}

static void finishes(void)
{
    if (pp_config_finish(&config, &error) != PP_OK)
        fail_msg("%s", error.text);
}

static void refused(const char *words)
{
    assert_int_equal(pp_config_finish(&config, &error), PP_ERR_STATE);
    if (!strstr(error.text, words))
        fail_msg("\"%s\" is not in: %s", words, error.text);
}

static void test_defaults(void **state)
{
    (void)state;
    smarthost();
    finishes();
    const struct pp_smarthost_config *host = &config.smarthosts[0];
    assert_int_equal(config.smarthost_count, 1);
    assert_string_equal(host->name, "");
    assert_int_equal(host->port, 587);
    assert_int_equal(host->tls.level, PP_TLS_SECURE);
    assert_int_equal(host->tls.mode, PP_TLS_STARTTLS);
    assert_int_equal(host->auth, PP_AUTH_AUTO);
    assert_false(host->auth_without_tls);
    assert_int_equal(config.queue.size_bytes, 64 << 20);
    assert_int_equal(config.queue.message_limit_bytes, 16 << 20);
    assert_int_equal(config.queue.expire_ms, 5 * 86400000LL);
    assert_int_equal(config.queue.reserve_percent, 10);
    assert_int_equal(config.timeouts.dot_ms, 600000);
    assert_int_equal(config.timeouts.server_ms, 300000);
    assert_int_equal(config.delivery.connections, 2);
    assert_int_equal(config.log.level, PP_LOG_INFO);
    assert_string_equal(config.identity.hostname, "localhost");
    assert_string_equal(config.ca_file, "/etc/ssl/certs/ca-certificates.crt");
    assert_string_equal(config.daemon.submit_socket, "/run/pinpost/submit.sock");
    assert_string_equal(config.daemon.control_socket, "/run/pinpost/control.sock");
}

static void test_every_default_is_allowed(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < pp_config_key_count(); i++) {
        const struct pp_config_key *key = pp_config_key(i);
        char section[64];
        bool named = pp_config_has_name(pp_text_z(key->section_z)) &&
                     strcmp(key->section_z, "smarthost") != 0;
        snprintf(section, sizeof section, "%s%s", key->section_z, named ? " x" : "");
        if (key->default_z)
            good(section, key->name_z, key->default_z);
        assert_false(key->default_z && key->derived_z);
    }
}

static void test_derived(void **state)
{
    (void)state;
    smarthost();
    good("smarthost", "tls", "implicit");
    good("queue", "size", "1G");
    good("daemon", "directory", "/tmp/x/");
    good("daemon", "control_socket", "/tmp/c");
    finishes();
    assert_int_equal(config.smarthosts[0].port, 465);
    assert_int_equal(config.queue.message_limit_bytes, 25 << 20);
    assert_string_equal(config.daemon.submit_socket, "/tmp/x/submit.sock");
    assert_string_equal(config.daemon.control_socket, "/tmp/c");
}

static void test_values(void **state)
{
    (void)state;
    good("smarthost nas", "port", "2525");
    good("smarthost nas", "family", "ipv6");
    good("smarthost nas", "auth_without_tls", "YES");
    good("smarthost nas", "password", "a;b \"#=c");
    good("queue", "reserve", "20 %");
    good("queue", "retry_first", "250ms");
    good("queue", "retry_longest", "2 h");
    good("timeouts", "dns", "7");
    good("identity", "to", "a@example.org, root , b@x");
    good("identity", "from_name", "Büro-NAS");
    good("log", "target", "syslog");
    assert_string_equal(config.smarthosts[0].name, "nas");
    assert_int_equal(config.smarthosts[0].port, 2525);
    assert_int_equal(config.smarthosts[0].family, 6);
    assert_true(config.smarthosts[0].auth_without_tls);
    assert_string_equal(config.smarthosts[0].password, "a;b \"#=c");
    assert_int_equal(config.queue.reserve_percent, 20);
    assert_int_equal(config.queue.retry_first_ms, 250);
    assert_int_equal(config.queue.retry_longest_ms, 7200000);
    assert_int_equal(config.timeouts.dns_ms, 7000);
    assert_int_equal(config.log.target, PP_LOG_SYSLOG);
}

static void test_pins(void **state)
{
    (void)state;
    smarthost();
    good("smarthost", "policy", "fingerprint");
    good("smarthost", "pin", "cert:" PIN ", key:" PIN);
    good("smarthost", "pin", PIN);
    finishes();
    const struct pp_tls_policy *tls = &config.smarthosts[0].tls;
    assert_int_equal(tls->pin_count, 3);
    assert_int_equal(tls->pins[0].kind, PP_PIN_CERTIFICATE);
    assert_int_equal(tls->pins[1].kind, PP_PIN_KEY);
    assert_int_equal(tls->pins[2].kind, PP_PIN_ANY);
    for (int i = 3; i < PP_PINS; i++)
        good("smarthost", "pin", PIN);
    assert_int_equal(set("smarthost", "pin", PIN), PP_ERR_DRY);
    assert_int_equal(tls->pin_count, PP_PINS);
}

static void test_half_a_list_of_pins_is_none(void **state)
{
    (void)state;
    assert_int_equal(set("smarthost", "pin", PIN ", cert:12"), PP_ERR_SYNTAX);
    assert_int_equal(set("smarthost", "pin", PIN ","), PP_ERR_SYNTAX);
    assert_int_equal(set("smarthost", "pin", "AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99"),
                     PP_ERR_UNSUPPORTED);
    assert_non_null(strstr(error.text, "not by SHA-256"));
    assert_int_equal(config.smarthosts[0].tls.pin_count, 0);
}

static void test_words_for_bad_values(void **state)
{
    (void)state;
    bad("smarthost", "policy", "trust", PP_ERR_SYNTAX,
        "[smarthost] policy: bad value \"trust\": allowed are none, may, encrypt, "
        "fingerprint, verify, secure, dane, dane-only");
    bad("smarthost", "port", "65536", PP_ERR_RANGE,
        "[smarthost] port: bad value \"65536\": allowed are 1 to 65535");
    bad("smarthost", "port", "58 7", PP_ERR_SYNTAX,
        "[smarthost] port: bad value \"58 7\": allowed are 1 to 65535");
    bad("queue", "size", "1T", PP_ERR_SYNTAX,
        "[queue] size: bad value \"1T\": allowed are 64K to 64G (K, M, G; a bare number is bytes)");
    bad("timeouts", "dot", "50ms", PP_ERR_RANGE,
        "[timeouts] dot: bad value \"50ms\": allowed are 100ms to 1d (ms, s, m, h, d; a bare "
        "number "
        "is seconds)");
    bad("queue", "reserve", "51%", PP_ERR_RANGE,
        "[queue] reserve: bad value \"51%\": allowed are 0 to 50 percent");
    bad("tls", "ca_file", "certs.pem", PP_ERR_SYNTAX,
        "[tls] ca_file: bad value \"certs.pem\": allowed are a path that begins with /, up to 255 "
        "bytes");
    bad("log", "level", "", PP_ERR_SYNTAX,
        "[log] level: the value is empty: allowed are error, warn, info, debug");
    good("log", "level", "warn");
    bad("log", "level", "info", PP_ERR_STATE, "[log] level: given twice; leave one");
    assert_int_equal(config.log.level, PP_LOG_WARN);
}

static void test_numbers_out_of_bounds(void **state)
{
    (void)state;
    assert_int_equal(set("queue", "expire", "99999999999999999999d"), PP_ERR_RANGE);
    assert_int_equal(set("queue", "expire", "18446744073709551615d"), PP_ERR_RANGE);
    assert_int_equal(set("queue", "size", "18446744073709551615G"), PP_ERR_RANGE);
    assert_int_equal(set("queue", "expire", "-1"), PP_ERR_SYNTAX);
    assert_int_equal(set("queue", "expire", "d"), PP_ERR_SYNTAX);
    assert_int_equal(set("delivery", "connections", "0"), PP_ERR_RANGE);
    good("queue", "expire", "0");
    good("delivery", "messages", "0");
}

static void test_secrets_are_not_shown(void **state)
{
    (void)state;
    char secret[PP_SECRET_CAP + 8];
    memset(secret, 'S', sizeof secret - 1);
    secret[sizeof secret - 1] = '\0';
    assert_int_equal(set("smarthost", "password", secret), PP_ERR_TOO_BIG);
    assert_null(strstr(error.text, "SS"));
    struct pp_text value = pp_text_n("pw\0x", 4);
    assert_int_equal(
        pp_config_set(&config, pp_text_z("smarthost"), pp_text_z("password"), value, &error),
        PP_ERR_SYNTAX);
    assert_null(strstr(error.text, "pw"));
    value = pp_text_n("pw\r\nQUIT", 8);
    assert_int_equal(
        pp_config_set(&config, pp_text_z("smarthost"), pp_text_z("password"), value, &error),
        PP_ERR_SYNTAX);
    assert_int_equal(set("smarthost", "password", ""), PP_ERR_SYNTAX);
}

static void test_unknown(void **state)
{
    (void)state;
    bad("smarthst", "host", "x", PP_ERR_NOT_FOUND,
        "[smarthst]: unknown section; did you mean [smarthost]?");
    bad("smarthost", "polcy", "x", PP_ERR_NOT_FOUND,
        "[smarthost] polcy: unknown key; did you mean [smarthost] policy?");
    bad("smarthost", "to", "x", PP_ERR_NOT_FOUND,
        "[smarthost] to: unknown key; did you mean [identity] to?");
    bad("log", "colour", "x", PP_ERR_NOT_FOUND, "[log] colour: unknown key");
    assert_int_equal(set("", "host", "x"), PP_ERR_NOT_FOUND);
    assert_non_null(strstr(error.text, "there are [identity], [smarthost], [dns], [tls]"));
    bad("log", "a\x01\x02", "x", PP_ERR_NOT_FOUND, "[log] a\\x01\\x02: unknown key");
}

static void test_sections(void **state)
{
    (void)state;
    assert_int_equal(pp_config_section(&config, pp_text_z("smarthost one"), &error), PP_OK);
    assert_int_equal(pp_config_section(&config, pp_text_z("smarthost one"), &error), PP_OK);
    assert_int_equal(pp_config_section(&config, pp_text_z("smarthost two"), &error), PP_ERR_DRY);
    assert_string_equal(error.text,
                        "[smarthost two]: a second smarthost; this version has only one");
    assert_int_equal(pp_config_section(&config, pp_text_z("log file"), &error), PP_ERR_NOT_FOUND);
}

static void test_addresses_and_hosts(void **state)
{
    (void)state;
    static const char *const addresses[] = {"a b@x.org", "<a@x.org>", "a@",     "@x",      "a@b@c",
                                            "a@-x.org",  "a@x..org",  "a\"b@x", "a@x.org."};
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++)
        assert_int_equal(set("identity", "from", addresses[i]), PP_ERR_SYNTAX);
    static const char *const hosts[] = {"a b",  "-a",       "a.",    ".a",
                                        "a..b", "mail:587", "[::1]", "1:2"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        assert_int_equal(set("smarthost", "host", hosts[i]), PP_ERR_SYNTAX);
    good("smarthost", "host", "fe80::1%eth0");
    pp_config_defaults(&config);
    good("smarthost", "host", "192.0.2.1");
    good("identity", "from", "nas+disk@example.org");
    assert_int_equal(set("identity", "to", "a@x,,b@x"), PP_ERR_SYNTAX);
    assert_int_equal(set("identity", "to", "a@x,"), PP_ERR_SYNTAX);
}

static void test_keys_against_each_other(void **state)
{
    refused("[smarthost] host: is missing");
    smarthost();
    good("smarthost", "policy", "fingerprint");
    refused("needs at least one pin");
    fresh(state);
    smarthost();
    good("smarthost", "pin", PIN);
    refused("only with policy = fingerprint");
    fresh(state);
    smarthost();
    good("smarthost", "user", "me");
    refused("password_file: is missing");
    fresh(state);
    smarthost();
    good("smarthost", "password", "x");
    refused("user: is missing");
    good("smarthost", "user", "me");
    good("smarthost", "policy", "none");
    refused("in the clear");
    good("smarthost", "auth_without_tls", "yes");
    finishes();
    fresh(state);
    smarthost();
    good("identity", "to", "a@x.org, root");
    refused("without a domain");
    good("identity", "domain", "x.org");
    finishes();
    good("queue", "message_limit", "17M");
    refused("quarter of size");
    fresh(state);
    smarthost();
    good("queue", "retry_first", "2h");
    refused("longer than retry_longest");
}

static void test_wipe(void **state)
{
    (void)state;
    good("smarthost", "password", "hush");
    pp_config_wipe(&config);
    static const struct pp_config zero;
    assert_memory_equal(&config, &zero, sizeof zero);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_defaults, fresh),
        cmocka_unit_test_setup(test_every_default_is_allowed, fresh),
        cmocka_unit_test_setup(test_derived, fresh),
        cmocka_unit_test_setup(test_values, fresh),
        cmocka_unit_test_setup(test_pins, fresh),
        cmocka_unit_test_setup(test_half_a_list_of_pins_is_none, fresh),
        cmocka_unit_test_setup(test_words_for_bad_values, fresh),
        cmocka_unit_test_setup(test_numbers_out_of_bounds, fresh),
        cmocka_unit_test_setup(test_secrets_are_not_shown, fresh),
        cmocka_unit_test_setup(test_unknown, fresh),
        cmocka_unit_test_setup(test_sections, fresh),
        cmocka_unit_test_setup(test_addresses_and_hosts, fresh),
        cmocka_unit_test_setup(test_keys_against_each_other, fresh),
        cmocka_unit_test_setup(test_wipe, fresh),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
