/*
 * test_access.c - networks, connections, lockouts, senders, quotas
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/crypto.h"
#include "base/ip.h"
#include "intake/access.h"

static struct pp_config config;
static struct pp_access access_;

static int some_entropy(void *ctx, uint8_t *out, size_t len)
{
    (void)ctx;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(i * 7 + 1);
    return 0;
}

static int seed(void **state)
{
    (void)state;
    return pp_crypto_seed(some_entropy, NULL) == PP_OK ? 0 : -1;
}

static int fresh(void **state)
{
    (void)state;
    pp_config_defaults(&config);
    config.server.connections = 50;
    config.server.connections_a_client = 3;
    config.server.failed_login_ms = 100;
    config.server.lockout_failures = 4;
    config.server.lockout_ms = 60000;
    return pp_access_init(&access_, &config) == PP_OK ? 0 : -1;
}

static struct pp_address address(const char *text_z)
{
    struct pp_address a = {.family = 4};

    if (!pp_ipv4_parse(pp_text_z(text_z), a.ip)) {
        a.family = 6;
        assert_true(pp_ipv6_parse(pp_text_z(text_z), a.ip));
    }
    return a;
}

static enum pp_err enter(const char *text_z, uint64_t now_ms, uint32_t *client)
{
    struct pp_address a = address(text_z);

    return pp_access_enter(&access_, &a, now_ms, client);
}

static void test_networks(void **state)
{
    (void)state;
    static const struct {
        const char *text_z;
        enum pp_err err;
    } texts[] = {{"192.168.0.0/16", PP_OK},
                 {"10.0.0.1", PP_OK},
                 {"::1", PP_OK},
                 {"fd00::/8", PP_OK},
                 {"0.0.0.0/0", PP_OK},
                 {"192.168.0.1/16", PP_ERR_RANGE},
                 {"10.0.0.0/33", PP_ERR_RANGE},
                 {"fd00::1/8", PP_ERR_RANGE},
                 {"10.0.0/8", PP_ERR_SYNTAX},
                 {"x", PP_ERR_SYNTAX},
                 {"10.0.0.0/", PP_ERR_SYNTAX},
                 {"/8", PP_ERR_SYNTAX},
                 {"::/129", PP_ERR_RANGE}};
    static const struct {
        const char *network_z, *address_z;
        bool inside;
    } cases[] = {{"192.168.0.0/16", "192.168.255.255", true},
                 {"192.168.0.0/16", "192.169.0.0", false},
                 {"10.1.2.128/25", "10.1.2.127", false},
                 {"10.1.2.128/25", "10.1.2.200", true},
                 {"10.0.0.1", "10.0.0.1", true},
                 {"10.0.0.1", "10.0.0.2", false},
                 {"10.0.0.0/8", "::ffff:10.1.1.1", true},
                 {"::/0", "10.1.1.1", false},
                 {"::/0", "::ffff:10.1.1.1", false},
                 {"0.0.0.0/0", "2001:db8::1", false},
                 {"2001:db8::/33", "2001:db8:7fff::1", true},
                 {"2001:db8::/33", "2001:db8:8000::1", false}};
    struct pp_network network;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(pp_network_parse(pp_text_z(texts[i].text_z), &network), texts[i].err);
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pp_listener_config listener = {.network_count = 1};
        struct pp_address a = address(cases[i].address_z);
        assert_int_equal(pp_network_parse(pp_text_z(cases[i].network_z), &listener.networks[0]),
                         PP_OK);
        assert_int_equal(pp_access_is_trusted(&listener, &a), cases[i].inside);
    }
    const struct pp_listener_config none = {.network_count = 0};
    struct pp_address a = address("127.0.0.1");
    assert_false(pp_access_is_trusted(&none, &a));
}

static void test_connections(void **state)
{
    (void)state;
    uint32_t client, other;

    for (int i = 0; i < 3; i++) {
        assert_int_equal(enter("10.0.0.1", 1, &client), PP_OK);
    }
    assert_int_equal(enter("10.0.0.1", 1, &other), PP_ERR_DRY);
    assert_int_equal(enter("::ffff:10.0.0.1", 1, &other), PP_ERR_DRY); /* the same one */
    assert_int_equal(enter("10.0.0.2", 1, &other), PP_OK);
    pp_access_leave(&access_, client, 2);
    assert_int_equal(enter("10.0.0.1", 3, &client), PP_OK);
    /* all addresses of a /64 are one */
    for (int i = 0; i < 3; i++) {
        char text[] = "2001:db8::0";
        text[10] = (char)('1' + i);
        assert_int_equal(enter(text, 1, &client), PP_OK);
    }
    assert_int_equal(enter("2001:db8::abcd", 1, &client), PP_ERR_DRY);
    assert_int_equal(enter("2001:db8:0:1::1", 1, &client), PP_OK);
    for (int i = 0; i < 42; i++) {
        uint8_t ip[4] = {172, 16, 0, (uint8_t)i};
        struct pp_address a = {.family = 4};
        memcpy(a.ip, ip, 4);
        assert_int_equal(pp_access_enter(&access_, &a, 5, &client), PP_OK);
    }
    assert_int_equal(access_.connections, 50);
    assert_int_equal(enter("9.9.9.9", 6, &client), PP_ERR_DRY);
    struct pp_address local = {0};
    assert_int_equal(pp_access_enter(&access_, &local, 6, &client), PP_OK);
    assert_int_equal(client, PP_ACCESS_NONE);
    pp_access_leave(&access_, client, 6);
    assert_int_equal(access_.connections, 50);
}

/* More clients than slots: who was away longest is forgotten, who is locked out last. */
static void test_table(void **state)
{
    (void)state;
    uint32_t locked, client;

    assert_int_equal(enter("10.0.0.1", 1, &locked), PP_OK);
    for (int i = 0; i < 4; i++) {
        (void)pp_access_login_failed(&access_, locked, 10);
    }
    pp_access_leave(&access_, locked, 11);
    for (uint32_t i = 0; i < PP_ACCESS_CLIENTS * 3; i++) {
        struct pp_address a = {.family = 4,
                               .ip = {20, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
        assert_int_equal(pp_access_enter(&access_, &a, 100 + i, &client), PP_OK);
        pp_access_leave(&access_, client, 100 + i);
    }
    assert_int_equal(enter("10.0.0.1", 5000, &client), PP_ERR_DENIED);
    assert_int_equal(access_.connections, 0);
}

/* Who does not get in pushes nobody out. */
static void test_full(void **state)
{
    (void)state;
    static struct pp_access_client before[PP_ACCESS_CLIENTS];
    uint32_t client = PP_ACCESS_NONE;

    for (uint32_t i = 0; i < PP_ACCESS_CLIENTS; i++) {
        struct pp_address a = {.family = 4, .ip = {20, 0, (uint8_t)(i >> 8), (uint8_t)i}};
        pp_access_leave(&access_, client, i);
        assert_int_equal(pp_access_enter(&access_, &a, i, &client), PP_OK);
    }
    config.server.connections = 1;
    memcpy(before, access_.clients, sizeof(before));
    assert_int_equal(enter("9.9.9.9", 5000, &client), PP_ERR_DRY);
    assert_memory_equal(before, access_.clients, sizeof(before));
}

static void test_lockout(void **state)
{
    (void)state;
    static const uint32_t waits[] = {100, 200, 400, 800};
    uint32_t client, other;

    assert_int_equal(enter("10.0.0.1", 1, &client), PP_OK);
    for (size_t i = 0; i < 4; i++) {
        assert_false(pp_access_is_locked(&access_, client, 1000));
        assert_int_equal(pp_access_login_failed(&access_, client, 1000), waits[i]);
    }
    assert_true(pp_access_is_locked(&access_, client, 1000 + 59999));
    assert_int_equal(enter("10.0.0.1", 2000, &other), PP_ERR_DENIED);
    assert_int_equal(enter("10.0.0.2", 2000, &other), PP_OK);
    assert_false(pp_access_is_locked(&access_, client, 1000 + 60000));
    assert_int_equal(pp_access_login_failed(&access_, client, 62000), 100); /* forgotten */
    pp_access_login_worked(&access_, client);
    for (int i = 0; i < 20; i++) {
        assert_true(pp_access_login_failed(&access_, client, 62000) <= 30000);
    }
    config.server.lockout_failures = 0;
    assert_false(pp_access_is_locked(&access_, client, 62000));
}

static void test_senders(void **state)
{
    (void)state;
    static const struct {
        const char *senders_z, *sender_z;
        bool may;
    } cases[] = {{"a@b.c", "a@b.c", true}, {"a@b.c", "a@B.C", true},    {"a@b.c", "A@b.c", false},
                 {"a@b.c", "", true},      {"a@b.c, *@d", "x@d", true}, {"*@d", "x@e", false},
                 {"*@d", "x@y@d", true},   {"*", "x@y", true},          {"*@d", "x@d.evil", false},
                 {"*@d", "d", false},      {"", "me@box", true},        {"", "joe@x", true},
                 {"", "other@x", false},   {"a@b.c", "a@b.c, x", false}};

    strcpy(config.identity.from, "me@box");
    config.user_count = 1;
    strcpy(config.users[0].name, "joe@x");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        strcpy(config.users[0].senders, cases[i].senders_z);
        assert_int_equal(
            pp_access_may_send_as(&config, pp_text_z("joe@x"), pp_text_z(cases[i].sender_z)),
            cases[i].may);
    }
    assert_int_equal(pp_access_find_user(&config, pp_text_z("joe@x")), 0);
    assert_int_equal(pp_access_find_user(&config, pp_text_z("Joe@x")), PP_ACCESS_NONE);
    assert_false(pp_access_may_send_as(&config, pp_text_z("nobody"), pp_text_z("nobody@y")));
}

static void test_quota(void **state)
{
    (void)state;
    const uint64_t hour = 3600000;
    uint32_t client;

    config.server.messages_an_hour = 10;
    config.server.bytes_an_hour = 1000;
    config.user_count = 1;
    config.users[0].messages_an_hour = 3;
    assert_int_equal(enter("10.0.0.1", 1, &client), PP_OK);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(pp_access_quota(&access_, PP_ACCESS_NONE, client, 1, 1, 50, hour), PP_OK);
        pp_access_count(&access_, PP_ACCESS_NONE, client, 1, 1, 50, hour);
    }
    assert_int_equal(pp_access_quota(&access_, PP_ACCESS_NONE, client, 1, 1, 0, hour),
                     PP_ERR_LIMIT);
    assert_int_equal(pp_access_quota(&access_, PP_ACCESS_NONE, client, 0, 1, 501, hour),
                     PP_ERR_LIMIT);
    assert_int_equal(pp_access_quota(&access_, PP_ACCESS_NONE, client, 0, 1, 500, hour), PP_OK);
    /* an hour later they still count, by the part of the hour that is left */
    assert_int_equal(pp_access_quota(&access_, PP_ACCESS_NONE, client, 1, 1, 0, 2 * hour),
                     PP_ERR_LIMIT);
    assert_int_equal(
        pp_access_quota(&access_, PP_ACCESS_NONE, client, 5, 1, 0, 2 * hour + hour / 2), PP_OK);
    assert_int_equal(
        pp_access_quota(&access_, PP_ACCESS_NONE, client, 6, 1, 0, 2 * hour + hour / 2),
        PP_ERR_LIMIT);
    assert_int_equal(pp_access_quota(&access_, PP_ACCESS_NONE, client, 10, 1, 0, 4 * hour), PP_OK);
    /* a user has its own */
    pp_access_count(&access_, 0, client, 3, 3, 10, hour);
    assert_int_equal(pp_access_quota(&access_, 0, client, 1, 1, 0, hour), PP_ERR_LIMIT);
    assert_int_equal(pp_access_quota(&access_, PP_ACCESS_NONE, PP_ACCESS_NONE, 9999, 1, 0, hour),
                     PP_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_networks, fresh),
        cmocka_unit_test_setup(test_connections, fresh),
        cmocka_unit_test_setup(test_table, fresh),
        cmocka_unit_test_setup(test_full, fresh),
        cmocka_unit_test_setup(test_lockout, fresh),
        cmocka_unit_test_setup(test_senders, fresh),
        cmocka_unit_test_setup(test_quota, fresh),
    };

    return cmocka_run_group_tests_name("access", tests, seed, NULL);
}
