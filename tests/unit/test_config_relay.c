/*
 * test_config_relay.c - the relay server's part of pinpost.conf: listeners, networks, users, and
 * what is refused before anybody could use it
 */
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
#define SALT     "c2FsdHNhbHQ=" /* 8 bytes */
#define KEY      "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define VERIFIER "SCRAM-SHA-256$4096:" SALT "$" KEY ":" KEY

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
    if (!strstr(error.text, words))
        fail_msg("\"%s\" is not in: %s", words, error.text);
}

static enum pp_err section(const char *name)
{
    return pp_config_section(&config, pp_text_z(name), &error);
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

/* A smarthost, a certificate and one user: what listeners stand on. */
static void ground(void)
{
    fresh(NULL);
    good("smarthost", "host", "mail.example.org");
    good("server", "certificate", "/etc/pinpost/cert.pem");
    good("server", "key", "/etc/pinpost/key.pem");
    good("user joe", "password", VERIFIER);
}

static void lan(const char *networks)
{
    ground();
    good("listener lan", "networks", networks);
}

/* ---- networks ---- */

static void test_lists_of_networks(void **state)
{
    (void)state;
    const struct pp_listener_config *listener = &config.listeners[0];
    good("listener lan", "networks", "10.0.0.0/8, fd00::/8");
    good("listener lan", "networks", "192.0.2.7");
    assert_int_equal(listener->network_count, 3);
    assert_int_equal(listener->networks[1].family, 6);
    assert_int_equal(listener->networks[2].prefix, 32);
    bad("listener lan", "networks", "10.0.0.0/8, lan", PP_ERR_SYNTAX, "192.168.0.0/16 or fd00::/8");
    bad("listener lan", "networks", "10.0.0.0/8,", PP_ERR_SYNTAX, "allowed are networks");
    bad("listener lan", "networks", "10.0.0.1/8", PP_ERR_RANGE, "\"10.0.0.1/8\"");
    bad("listener lan", "networks", "", PP_ERR_SYNTAX, "empty");
    assert_int_equal(listener->network_count, 3);
    for (int i = 3; i < PP_LISTENER_NETWORKS; i++)
        good("listener lan", "networks", "10.0.0.0/8");
    bad("listener lan", "networks", "10.0.0.0/8", PP_ERR_DRY, "too many");
    assert_int_equal(listener->network_count, PP_LISTENER_NETWORKS);
}

/* ---- sections with names ---- */

static void test_defaults_of_a_listener(void **state)
{
    (void)state;
    lan("10.0.0.0/8");
    finishes();
    const struct pp_listener_config *listener = &config.listeners[0];
    assert_int_equal(config.listener_count, 1);
    assert_string_equal(listener->name, "lan");
    assert_string_equal(listener->address, "*");
    assert_int_equal(listener->port, 25);
    assert_int_equal(listener->tls, PP_LISTENER_TLS_MAY);
    assert_int_equal(listener->auth, PP_LISTENER_AUTH_OFF);
    assert_int_equal(listener->line_ends, PP_LINE_ENDS_REJECT);
    assert_false(listener->rewrite_sender);
    assert_true(listener->received_client);
    assert_int_equal(listener->early_talker_ms, 0);
    assert_int_equal(listener->client_pin_count, 0);
}

static void test_defaults_of_the_server(void **state)
{
    (void)state;
    const struct pp_server_config *server = &config.server;
    assert_string_equal(server->certificate_file, "");
    assert_string_equal(server->auth_socket, "");
    assert_true(server->connections >= 1 && server->connections <= PP_INTAKE_SESSIONS);
    assert_int_equal(server->connections_a_client, 20);
    assert_int_equal(server->commands, 0);
    assert_int_equal(server->errors, 20);
    assert_int_equal(server->messages, 0);
    assert_int_equal(server->command_ms, 60000);
    assert_int_equal(server->login_ms, 120000);
    assert_int_equal(server->message_ms, 1800000);
    assert_int_equal(server->session_ms, 4 * 3600000);
    assert_int_equal(server->handshake_ms, 30000);
    assert_int_equal(server->failed_login_ms, 1000);
    assert_int_equal(server->lockout_failures, 10);
    assert_int_equal(server->lockout_ms, 900000);
    assert_int_equal(server->messages_an_hour, 0);
    assert_int_equal(server->recipients_an_hour, 0);
    assert_int_equal(server->bytes_an_hour, 0);
}

static void test_ports_follow_from_what_is_asked(void **state)
{
    (void)state;
    ground();
    good("listener a", "auth", "require");
    good("listener b", "auth", "require");
    good("listener b", "tls", "implicit");
    good("listener c", "auth", "optional");
    good("listener d", "auth", "require");
    good("listener d", "port", "2587");
    finishes();
    static const uint16_t ports[] = {587, 465, 25, 2587};
    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++)
        assert_int_equal(config.listeners[i].port, ports[i]);
}

static void test_every_section_keeps_its_own(void **state)
{
    (void)state;
    ground();
    good("listener a", "networks", "10.0.0.0/8");
    good("listener b", "networks", "192.168.0.0/16");
    good("listener a", "port", "2525");
    good("listener b", "port", "2526");
    good("listener  b", "rewrite_sender", "yes");
    good("identity", "from", "nas@example.org");
    good("user ann@example.org", "password", VERIFIER);
    good("user ann@example.org", "senders", "*@example.org, ann@example.net");
    good("user ann@example.org", "bytes_an_hour", "5M");
    good("user joe", "messages_an_hour", "7");
    finishes();
    assert_int_equal(config.listener_count, 2);
    assert_int_equal(config.listeners[0].port, 2525);
    assert_int_equal(config.listeners[0].network_count, 1);
    assert_false(config.listeners[0].rewrite_sender);
    assert_int_equal(config.listeners[1].port, 2526);
    assert_int_equal(config.listeners[1].network_count, 1);
    assert_true(config.listeners[1].rewrite_sender);
    assert_int_equal(config.user_count, 2);
    assert_int_equal(config.users[0].messages_an_hour, 7);
    assert_string_equal(config.users[0].senders, "");
    assert_string_equal(config.users[1].name, "ann@example.org");
    assert_string_equal(config.users[1].senders, "*@example.org, ann@example.net");
    assert_int_equal(config.users[1].bytes_an_hour, 5 << 20);
    bad("listener b", "port", "2527", PP_ERR_STATE, "[listener] port: given twice");
    bad("user joe", "password", VERIFIER, PP_ERR_STATE, "[user] password: given twice");
}

static void test_names_of_sections(void **state)
{
    (void)state;
    char name[PP_USER_CAP + 16];
    assert_int_equal(section("listener"), PP_ERR_SYNTAX);
    assert_non_null(strstr(error.text, "needs a name: [listener lan]"));
    assert_int_equal(section("user  "), PP_ERR_SYNTAX);
    assert_int_equal(section("user a\nb"), PP_ERR_SYNTAX);
    assert_int_equal(section("user \xFF"), PP_ERR_SYNTAX);
    assert_int_equal(section("listeners x"), PP_ERR_NOT_FOUND);
    memset(name, 'n', sizeof name);
    memcpy(name, "listener ", 9);
    name[9 + 64] = '\0';
    assert_int_equal(section(name), PP_ERR_TOO_BIG);
    name[9 + 63] = '\0';
    assert_int_equal(section(name), PP_OK);
    memset(name, 'n', sizeof name);
    memcpy(name, "user ", 5);
    name[5 + PP_USER_CAP] = '\0';
    assert_int_equal(section(name), PP_ERR_TOO_BIG);
    assert_int_equal(config.listener_count, 1);
    assert_int_equal(config.user_count, 0);
}

static void test_as_many_as_the_build_has_room_for(void **state)
{
    (void)state;
    char name[32];
    for (int i = 0; i < PP_LISTENERS + PP_USERS; i++) {
        snprintf(name, sizeof name, i < PP_LISTENERS ? "listener %d" : "user %d", i);
        assert_int_equal(section(name), PP_OK);
    }
    assert_int_equal(section("listener more"), PP_ERR_DRY);
    assert_non_null(strstr(error.text, "too many listeners"));
    assert_int_equal(section("user more"), PP_ERR_DRY);
    assert_non_null(strstr(error.text, "too many users"));
    assert_int_equal(section("listener 0"), PP_OK);
    assert_int_equal(config.listener_count, PP_LISTENERS);
    assert_int_equal(config.user_count, PP_USERS);
}

/* ---- values ---- */

static void test_what_is_no_verifier(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum pp_err err;
    } rows[] = {
        {"hunter2", PP_ERR_SYNTAX},
        {"SCRAM-SHA-1$4096:" SALT "$" KEY ":" KEY, PP_ERR_SYNTAX},
        {"SCRAM-SHA-256$", PP_ERR_SYNTAX},
        {"SCRAM-SHA-256$4096:" SALT "$" KEY, PP_ERR_SYNTAX},
        {"SCRAM-SHA-256$4096:" SALT "$" KEY ":" KEY ":" KEY, PP_ERR_SYNTAX},
        {"SCRAM-SHA-256$4096:" SALT "$" KEY ":" SALT, PP_ERR_SYNTAX},
        {"SCRAM-SHA-256$4096:" SALT "$" KEY ":" KEY "A", PP_ERR_SYNTAX},
        {"SCRAM-SHA-256$4096:c2FsdHNhbH$" KEY ":" KEY, PP_ERR_SYNTAX},
        {"SCRAM-SHA-256$4096:" KEY "AAAA$" KEY ":" KEY, PP_ERR_SYNTAX},
        {"SCRAM-SHA-256$-4096:" SALT "$" KEY ":" KEY, PP_ERR_SYNTAX},
        {"SCRAM-SHA-256$4095:" SALT "$" KEY ":" KEY, PP_ERR_RANGE},
        {"SCRAM-SHA-256$1000001:" SALT "$" KEY ":" KEY, PP_ERR_RANGE},
        {"SCRAM-SHA-256$4096:$" KEY ":" KEY, PP_ERR_RANGE},
        {"SCRAM-SHA-256$4096:c2FsdA==$" KEY ":" KEY, PP_ERR_RANGE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (set("user joe", "password", rows[i].text) != rows[i].err)
            fail_msg("%s: %s", rows[i].text, error.text);
        /* What was tried may be a password. */
        assert_non_null(strstr(error.text, "bad value (not shown)"));
        assert_non_null(strstr(error.text, "pinpost passwd"));
        assert_null(strstr(error.text, "hunter2"));
        assert_null(strstr(error.text, "AAECAw"));
    }
    assert_int_equal(config.users[0].password.iterations, 0);
}

static void test_patterns_of_senders(void **state)
{
    (void)state;
    static const char *const wrong[] = {"**",      "*@",       "*@*",  "*@*.example.org",
                                        "a*@b",    "*a",       "@b",   "a b@c.d",
                                        "<a@b.c>", "a@b,,c@d", "a@b,", ",",
                                        "*,",      "*@a..b",   "*@-a", "a@b@c.d",
                                        "a@b;c@d", "*@b*",     "* @b", "\"a\"@b"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (set("user joe", "senders", wrong[i]) != PP_ERR_SYNTAX)
            fail_msg("%s", wrong[i]);
    }
    good("user a", "senders", "*");
    good("user b", "senders", "*@example.org");
    good("user c", "senders", "joe, joe@example.org , *@x.example,*");
    char longer[PP_SENDERS_CAP + 1];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    bad("user d", "senders", longer, PP_ERR_TOO_BIG, "too long");
}

static void test_words_and_numbers(void **state)
{
    (void)state;
    bad("listener x", "tls", "starttls", PP_ERR_SYNTAX, "none, may, require, implicit");
    bad("listener x", "auth", "yes", PP_ERR_SYNTAX, "off, optional, require");
    bad("listener x", "line_ends", "any", PP_ERR_SYNTAX, "reject, normalize");
    bad("listener x", "port", "0", PP_ERR_RANGE, "1 to 65535");
    bad("listener x", "port", "65536", PP_ERR_RANGE, "1 to 65535");
    bad("listener x", "early_talker", "61s", PP_ERR_RANGE, "to 1m");
    bad("server", "errors", "0", PP_ERR_RANGE, "1 to");
    bad("server", "connections", "0", PP_ERR_RANGE, "1 to");
    bad("server", "failed_login", "31s", PP_ERR_RANGE, "to 30s");
    bad("server", "certificate", "cert.pem", PP_ERR_SYNTAX, "begins with /");
    bad("user x", "passwd", "x", PP_ERR_NOT_FOUND, "did you mean [user] password?");
    bad("listener x", "network", "10.0.0.0/8", PP_ERR_NOT_FOUND,
        "did you mean [listener] networks?");
    bad("server", "networks", "10.0.0.0/8", PP_ERR_NOT_FOUND, "did you mean [listener] networks?");
}

static void test_client_pins(void **state)
{
    (void)state;
    ground();
    good("listener x", "client_pin", "cert:" PIN ", key:" PIN);
    good("listener x", "client_pin", PIN);
    finishes();
    assert_int_equal(config.listeners[0].client_pin_count, 3);
    assert_int_equal(config.listeners[0].client_pins[1].kind, PP_PIN_KEY);
    assert_int_equal(config.smarthosts[0].tls.pin_count, 0);
    good("listener x", "tls", "none");
    refused("[listener x] client_pin: certificates are shown in TLS only");
}

/* ---- what must never be listened to ---- */

static void test_an_open_relay_is_refused(void **state)
{
    (void)state;
    static const char *const open[] = {"0.0.0.0/0",
                                       "0.0.0.0/1",
                                       "128.0.0.0/1",
                                       "::/0",
                                       "2000::/3",
                                       "8000::/1",
                                       "10.0.0.0/7",
                                       "8.0.0.0/8",
                                       "126.0.0.0/7",
                                       "172.0.0.0/11",
                                       "172.0.0.0/8",
                                       "192.168.0.0/15",
                                       "100.0.0.0/8",
                                       "100.0.0.0/9",
                                       "198.50.0.0/15",
                                       "fc00::/6",
                                       "fe00::/8",
                                       "2001:da0::/27",
                                       "2001::/16",
                                       "::/1",
                                       "::ffff:0:0/96",
                                       "::ffff:8.0.0.0/104",
                                       "10.0.0.0/8, 0.0.0.0/1, 128.0.0.0/1",
                                       "192.168.0.0/16, ::/0"};
    static const char *const tls[] = {"none", "may", "require", "implicit"};
    static const char *const auth[] = {"off", "optional", "require"};
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        lan(open[i]);
        refused("[listener lan] networks: would make an open relay of it");
    }
    for (size_t i = 0; i < 4 * 3; i++) {
        lan("0.0.0.0/0");
        good("listener lan", "tls", tls[i % 4]);
        good("listener lan", "auth", auth[i / 4]);
        good("listener lan", "address", "127.0.0.1");
        refused("open relay");
    }
}

static void test_private_networks_and_small_ones_are_fine(void **state)
{
    (void)state;
    static const char *const closed[] = {"10.0.0.0/8",
                                         "172.16.0.0/12",
                                         "172.31.0.0/16",
                                         "192.168.0.0/16",
                                         "127.0.0.0/8",
                                         "100.64.0.0/10",
                                         "169.254.0.0/16",
                                         "fc00::/7",
                                         "fd00::/8",
                                         "fe80::/10",
                                         "::1",
                                         "198.51.0.0/16",
                                         "198.51.100.0/24",
                                         "2001:db8::/32",
                                         "2001:db8:1::/48",
                                         "203.0.113.9",
                                         "::ffff:192.168.0.0/112",
                                         "10.0.0.0/8, 192.168.0.0/16, fd00::/8, ::1"};
    for (size_t i = 0; i < sizeof closed / sizeof *closed; i++) {
        lan(closed[i]);
        finishes();
    }
}

static void test_a_listener_for_nobody_is_refused(void **state)
{
    (void)state;
    ground();
    assert_int_equal(section("listener lan"), PP_OK);
    refused("[listener lan] can relay for nobody: give networks, auth or client_pin");
    good("listener lan", "auth", "optional");
    finishes();
}

static void test_tls_needs_a_certificate(void **state)
{
    (void)state;
    static const char *const tls[] = {"may", "require", "implicit"};
    static const char *const files[] = {"certificate", "key"};
    for (size_t i = 0; i < 3 * 3; i++) {
        fresh(state);
        good("smarthost", "host", "mail.example.org");
        good("listener lan", "networks", "10.0.0.0/8");
        good("listener lan", "tls", tls[i % 3]);
        if (i / 3 < 2)
            good("server", files[i / 3], "/etc/pinpost/half");
        refused("[listener lan] tls: needs [server] certificate and key; or set tls = none");
    }
    fresh(state);
    good("smarthost", "host", "mail.example.org");
    good("listener lan", "networks", "10.0.0.0/8");
    good("listener lan", "tls", "none");
    finishes();
}

static void test_no_login_in_the_clear(void **state)
{
    (void)state;
    lan("10.0.0.0/8");
    good("listener lan", "tls", "none");
    good("listener lan", "auth", "optional");
    refused("[listener lan] auth: logins need TLS");
    lan("10.0.0.0/8");
    good("listener lan", "tls", "none");
    good("listener lan", "auth", "require");
    refused("[listener lan] auth: logins need TLS");
}

static void test_logins_need_users(void **state)
{
    (void)state;
    lan("10.0.0.0/8");
    config.user_count = 0;
    good("listener lan", "auth", "require");
    refused("[listener lan] auth: there are no users");
    good("server", "auth_socket", "/run/dovecot/auth-client");
    finishes();
}

static void test_users_need_a_password(void **state)
{
    (void)state;
    ground();
    good("user ann", "senders", "*");
    refused("[user ann] password: is missing; `pinpost passwd` prints it");
    good("server", "auth_socket", "/run/dovecot/auth-client");
    finishes();
}

static void test_rewriting_needs_an_account(void **state)
{
    (void)state;
    lan("10.0.0.0/8");
    good("listener lan", "rewrite_sender", "yes");
    refused("[listener lan] rewrite_sender: needs [identity] from");
    good("identity", "from", "nas@example.org");
    finishes();
}

static void test_addresses_to_listen_on(void **state)
{
    (void)state;
    static const char *const right[] = {"*", "0.0.0.0", "127.0.0.1", "::", "::1", "fd00::2"};
    static const char *const wrong[] = {"localhost", "10.0.0.0/8",       "10.0.0.1/32",  "::/0",
                                        "[::1]",     "::ffff:127.0.0.1", "127.0.0.1:25", "**"};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        lan("10.0.0.0/8");
        good("listener lan", "address", right[i]);
        finishes();
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        lan("10.0.0.0/8");
        good("listener lan", "address", wrong[i]);
        refused("[listener lan] address: allowed are an IPv4 or IPv6 address, or *");
    }
}

static void test_two_on_one_address_and_port(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool overlap;
    } rows[] = {
        {"*", "*", true},
        {"*", "127.0.0.1", true},
        {"::1", "*", true},
        {"127.0.0.1", "127.0.0.1", true},
        {"::1", "0:0:0:0:0:0:0:1", true},
        {"0.0.0.0", "127.0.0.1", true},
        {"::1", "::", true},
        {"0.0.0.0", "::", false},
        {"0.0.0.0", "::1", false},
        {"127.0.0.1", "127.0.0.2", false},
        {"127.0.0.1", "::1", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        lan("10.0.0.0/8");
        good("listener two", "networks", "10.0.0.0/8");
        good("listener lan", "address", rows[i].a);
        good("listener two", "address", rows[i].b);
        if (rows[i].overlap)
            refused("[listener two] address and port: another listener has them");
        else
            finishes();
        good("listener two", "port", "2525");
        config.listeners[0].port = 2525;
        if (rows[i].overlap)
            refused("another listener has them");
        config.listeners[0].port = 25;
        finishes();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_lists_of_networks, fresh),
        cmocka_unit_test_setup(test_defaults_of_a_listener, fresh),
        cmocka_unit_test_setup(test_defaults_of_the_server, fresh),
        cmocka_unit_test_setup(test_ports_follow_from_what_is_asked, fresh),
        cmocka_unit_test_setup(test_every_section_keeps_its_own, fresh),
        cmocka_unit_test_setup(test_names_of_sections, fresh),
        cmocka_unit_test_setup(test_as_many_as_the_build_has_room_for, fresh),
        cmocka_unit_test_setup(test_what_is_no_verifier, fresh),
        cmocka_unit_test_setup(test_patterns_of_senders, fresh),
        cmocka_unit_test_setup(test_words_and_numbers, fresh),
        cmocka_unit_test_setup(test_client_pins, fresh),
        cmocka_unit_test_setup(test_an_open_relay_is_refused, fresh),
        cmocka_unit_test_setup(test_private_networks_and_small_ones_are_fine, fresh),
        cmocka_unit_test_setup(test_a_listener_for_nobody_is_refused, fresh),
        cmocka_unit_test_setup(test_tls_needs_a_certificate, fresh),
        cmocka_unit_test_setup(test_no_login_in_the_clear, fresh),
        cmocka_unit_test_setup(test_logins_need_users, fresh),
        cmocka_unit_test_setup(test_users_need_a_password, fresh),
        cmocka_unit_test_setup(test_rewriting_needs_an_account, fresh),
        cmocka_unit_test_setup(test_addresses_to_listen_on, fresh),
        cmocka_unit_test_setup(test_two_on_one_address_and_port, fresh),
    };
    return cmocka_run_group_tests_name("config_relay", tests, NULL, NULL);
}
