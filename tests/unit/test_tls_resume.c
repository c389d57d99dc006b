/*
 * test_tls_resume.c - sessions that the client keeps and resumes, against a server in memory
 */
#include "base/bytes.h"
#include "tls_client.h"
#include "wire/tls_kept.h"

static struct pp_tls_kept_session kept;
static uint64_t at_ms = 5000000;

static uint64_t moving_ms(void *ctx)
{
    (void)ctx;
    return at_ms;
}

/* ---- a server that gives tickets, or ids ---- */

static struct server {
    bool tickets, ids;
    bool refuses; /* what it gave out */
    bool breaks;  /* it fails instead of going on with a full handshake */
    int given, taken;
    uint32_t lifetime_s;
    size_t padding;   /* of a ticket */
    int64_t ahead_ms; /* its clock went on while ours began again */
    uint8_t cached[8192];
    size_t cached_len;
    uint8_t id[32];
    size_t id_len;
} server;

static int write_ticket(void *ctx, const mbedtls_ssl_session *session, unsigned char *start,
                        const unsigned char *end, size_t *len, uint32_t *lifetime_s)
{
    (void)ctx;
    server.given++;
    *lifetime_s = server.lifetime_s;
    int ret = mbedtls_ssl_session_save(session, start, (size_t)(end - start), len);
    if (ret == 0 && server.padding > 0) {
        memset(start + *len, 0, server.padding);
        *len += server.padding;
    }
    return ret;
}

static int parse_ticket(void *ctx, mbedtls_ssl_session *session, unsigned char *ticket, size_t len)
{
    (void)ctx;
    if (server.breaks)
        return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
    if (server.refuses)
        return MBEDTLS_ERR_SSL_INVALID_MAC;
    int ret = mbedtls_ssl_session_load(session, ticket, len - server.padding);
    session->MBEDTLS_PRIVATE(ticket_creation_time) += server.ahead_ms;
    server.taken += ret == 0;
    return ret;
}

static int cache_set(void *ctx, unsigned char const *id, size_t id_len,
                     const mbedtls_ssl_session *session)
{
    (void)ctx;
    memcpy(server.id, id, id_len);
    server.id_len = id_len;
    server.given++;
    return mbedtls_ssl_session_save(session, server.cached, sizeof server.cached,
                                    &server.cached_len);
}

static int cache_get(void *ctx, unsigned char const *id, size_t id_len,
                     mbedtls_ssl_session *session)
{
    (void)ctx;
    if (server.refuses || id_len != server.id_len || memcmp(id, server.id, id_len) != 0)
        return -1;
    server.taken++;
    return mbedtls_ssl_session_load(session, server.cached, server.cached_len);
}

static void start_server(const char *name, mbedtls_ssl_protocol_version version)
{
    peer_start(&peer, name, version);
    if (server.tickets)
        mbedtls_ssl_conf_session_tickets_cb(&peer.conf, write_ticket, parse_ticket, NULL);
    if (server.ids)
        mbedtls_ssl_conf_session_cache(&peer.conf, NULL, cache_get, cache_set);
}

/* ---- a client's connection ---- */

static struct pp_tls_policy policy;
static struct pp_tls_target target;

/* One connection with a word each way, whereby tickets of TLS 1.3 come. */
static enum pp_err come(const char *name, mbedtls_ssl_protocol_version version)
{
    uint8_t out[16];
    start_server(name, version);
    assert_int_equal(pp_tls_open(&tls, &target, &io), PP_OK);
    enum pp_err err = shake();
    if (err == PP_OK) {
        int n = 0;
        assert_int_equal(peer_write(&peer, "220 hi\r\n", 8), 8);
        for (int i = 0; i < 50 && n == 0; i++)
            n = pp_tls_read(&tls, out, sizeof out);
        assert_int_equal(n, 8);
        assert_int_equal(pp_tls_write(&tls, (const uint8_t *)"QUIT\r\n", 6), 6);
        assert_int_equal(peer_read(&peer, out, sizeof out), 6);
    }
    close_both();
    return err;
}

static bool came_again(mbedtls_ssl_protocol_version version)
{
    assert_int_equal(come("leaf", version), PP_OK);
    assert_true(tls.facts.trusted);
    assert_true(tls.facts.has_peer);
    return tls.facts.resumed;
}

static void begin_with(enum pp_tls_level level)
{
    static bool moved;
    if (!moved)
        assert_int_equal(pp_tls_library_init(wall_s, moving_ms, NULL), PP_OK);
    moved = true;
    pp_tls_kept_forget(&kept);
    memset(&kept, 0, sizeof kept);
    server = (struct server){.tickets = true, .lifetime_s = 7200};
    policy = policy_of(level);
    target = (struct pp_tls_target){
        .policy = &policy, .host_z = "mail.example.org", .port = 587, .kept = &kept};
}

static const mbedtls_ssl_protocol_version versions[] = {V12, V13};

/* ---- it works ---- */

static void test_second_connection_resumes(void **state)
{
    static const enum pp_tls_level levels[] = {PP_TLS_MAY, PP_TLS_ENCRYPT, PP_TLS_VERIFY,
                                               PP_TLS_SECURE};
    (void)state;
    for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
        for (size_t v = 0; v < 2; v++) {
            begin_with(levels[l]);
            assert_false(came_again(versions[v]));
            const struct pp_tls_facts first = tls.facts;
            for (int i = 0; i < 3; i++) {
                assert_true(came_again(versions[v]));
                assert_memory_equal(tls.facts.certificate_sha256, first.certificate_sha256, 32);
                assert_memory_equal(tls.facts.key_sha256, first.key_sha256, 32);
                assert_string_equal(tls.facts.not_after, first.not_after);
                assert_string_equal(tls.facts.subject, first.subject);
                assert_string_equal(tls.facts.issuer, first.issuer);
                assert_int_equal(tls.facts.expiry_s, first.expiry_s);
                assert_non_null(strstr(tls.facts.how, "resumed"));
            }
            assert_int_equal(server.taken, 3);
        }
    }
}

static void test_session_by_id(void **state)
{
    (void)state;
    begin_with(PP_TLS_SECURE);
    server.tickets = false;
    server.ids = true;
    assert_false(came_again(V12));
    assert_true(came_again(V12));
    assert_true(came_again(V12));
    assert_int_equal(server.given, 1);
    server.refuses = true;
    assert_false(came_again(V12));
}

static void test_pins_are_remembered(void **state)
{
    struct pp_pin certificate, key;
    (void)state;
    pins_of("leaf", &certificate, &key);
    for (size_t v = 0; v < 2; v++) {
        begin_with(PP_TLS_FINGERPRINT);
        policy.pin_count = 2;
        policy.pins[0] = (struct pp_pin){PP_PIN_ANY, PP_DIGEST_SHA256, {1}};
        policy.pins[1] = key;
        assert_false(came_again(versions[v]));
        assert_true(came_again(versions[v]));
        assert_int_equal(tls.facts.pin_index, 1);
    }
}

/* ---- it must not ---- */

static struct pp_pin other_pin = {PP_PIN_KEY, PP_DIGEST_SHA256, {7}};

static void change_nothing(void)
{
}
static void change_level(void)
{
    policy.level = PP_TLS_VERIFY;
}
static void change_host(void)
{
    target.host_z = "a.wild.example";
}
static void change_port(void)
{
    target.port = 465;
}
static void change_server(void)
{
    target.server_z = "mail.example.org";
}
static void change_mode(void)
{
    policy.mode = PP_TLS_IMPLICIT;
}
static void change_rule(void)
{
    policy.on_new_pin = PP_NEW_PIN_SEND;
}
static void change_name(void)
{
    strcpy(policy.tls_name, "b.wild.example");
}
static void change_match(void)
{
    strcpy(policy.match, "nexthop, mail.example.net");
}
static void change_protocols(void)
{
    policy.protocols = PP_TLS_1_2 | PP_TLS_1_3;
}
static void change_ciphers(void)
{
    policy.ciphers = PP_CIPHER_AES128_GCM | PP_CIPHER_AES256_GCM | PP_CIPHER_CHACHA20_POLY1305;
}
static void change_pins(void)
{
    policy.pins[policy.pin_count++] = other_pin;
}
static void change_cas(void)
{
    load_cas("root.pem", 1);
}

static const struct {
    const char *name;
    void (*change)(void);
    bool resumes;
} changes[] = {
    {"nothing", change_nothing, true},  {"level", change_level, false},
    {"host", change_host, false},       {"port", change_port, false},
    {"server", change_server, false},   {"mode", change_mode, false},
    {"on_new_pin", change_rule, false}, {"tls_name", change_name, false},
    {"match", change_match, false},     {"protocols", change_protocols, false},
    {"ciphers", change_ciphers, false}, {"pins", change_pins, false},
    {"CA file", change_cas, false},
};

/* Pins stand beside a CA here, so that each change leaves a policy that the server meets. */
static void test_a_change_does_not_resume(void **state)
{
    struct pp_pin certificate, key;
    (void)state;
    pins_of("leaf", &certificate, &key);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        for (size_t v = 0; v < 2; v++) {
            begin_with(PP_TLS_SECURE);
            load_cas("ca.bundle", 3);
            policy.pin_rule = PP_PIN_AND_CA;
            policy.pin_count = 1;
            policy.pins[0] = key;
            assert_false(came_again(versions[v]));
            changes[i].change();
            bool resumed = came_again(versions[v]);
            if (resumed != changes[i].resumes)
                fail_msg("%s, version %zu: resumed %d", changes[i].name, v, resumed);
            assert_int_equal(server.taken, resumed ? 1 : 0);
            /* And what was kept then counts for the new policy. */
            assert_true(came_again(versions[v]));
        }
    }
}

static void test_taken_away_pin(void **state)
{
    struct pp_pin certificate, key;
    (void)state;
    pins_of("leaf", &certificate, &key);
    for (size_t v = 0; v < 2; v++) {
        begin_with(PP_TLS_FINGERPRINT);
        policy.pin_count = 1;
        policy.pins[0] = certificate;
        assert_false(came_again(versions[v]));
        policy.pins[0] = other_pin;
        assert_int_equal(come("leaf", versions[v]), PP_ERR_TRUST);
        assert_int_equal(server.taken, 0);
        assert_int_equal(kept.session_len, 0);
    }
}

static void test_expired_meanwhile(void **state)
{
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        begin_with(PP_TLS_SECURE);
        assert_false(came_again(versions[v]));
        int64_t expiry_s = tls.facts.expiry_s;
        wall = expiry_s - 60; /* the root was made before it */
        assert_true(came_again(versions[v]));
        wall = expiry_s + 1;
        assert_int_equal(come("leaf", versions[v]), PP_ERR_TRUST);
        assert_words("expired");
        wall = (int64_t)time(NULL);
    }
}

/* A pin of the certificate asks for no dates. */
static void test_pin_outlives_the_date(void **state)
{
    struct pp_pin certificate, key;
    (void)state;
    pins_of("leaf", &certificate, &key);
    begin_with(PP_TLS_FINGERPRINT);
    policy.pin_count = 1;
    policy.pins[0] = certificate;
    assert_false(came_again(V13));
    wall += INT64_C(400) * 86400;
    assert_true(came_again(V13));
    wall = (int64_t)time(NULL);
}

static void test_lifetime(void **state)
{
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        begin_with(PP_TLS_SECURE);
        assert_false(came_again(versions[v]));
        at_ms += UINT64_C(7199) * 1000;
        assert_true(came_again(versions[v]));
        at_ms += UINT64_C(7200) * 1000;
        assert_false(came_again(versions[v]));
        /* Each ticket is young, but the certificate was last seen a day ago. */
        for (int hour = 0; hour < 23; hour++) {
            at_ms += UINT64_C(3600) * 1000;
            assert_true(came_again(versions[v]));
        }
        at_ms += UINT64_C(3600) * 1000;
        assert_false(came_again(versions[v]));
    }
}

static void test_a_ticket_of_a_week_counts_a_day(void **state)
{
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        begin_with(PP_TLS_SECURE);
        server.lifetime_s = 7 * 86400;
        assert_false(came_again(versions[v]));
        at_ms += UINT64_C(86401) * 1000;
        assert_false(came_again(versions[v]));
    }
}

/* RFC 8446 C.4: while a connection uses it, nobody else can, and a lost one takes it along. */
static void test_ticket_is_used_once(void **state)
{
    (void)state;
    begin_with(PP_TLS_SECURE);
    assert_false(came_again(V13));
    assert_true(kept.session_len > 0);
    start_server("leaf", V13);
    assert_int_equal(pp_tls_open(&tls, &target, &io), PP_OK);
    assert_true(tls.facts.offered);
    assert_int_equal(kept.session_len, 0);
    close_both();
    assert_false(came_again(V13));
}

static void test_refused_ticket(void **state)
{
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        begin_with(PP_TLS_SECURE);
        assert_false(came_again(versions[v]));
        server.refuses = true;
        assert_false(came_again(versions[v]));
        assert_true(tls.facts.offered);
        server.refuses = false;
        assert_true(came_again(versions[v]));
    }
}

/* A server that cannot do with it fails the handshake: it is not offered again. */
static void test_failed_resumption_forgets(void **state)
{
    (void)state;
    begin_with(PP_TLS_SECURE);
    assert_false(came_again(V12));
    start_server("leaf", V12);
    peer.to_client.cut_at = 1; /* the line goes dead within the handshake */
    assert_int_equal(pp_tls_open(&tls, &target, &io), PP_OK);
    assert_int_not_equal(shake(), PP_OK);
    assert_true(tls.facts.offered);
    assert_false(tls.facts.resumed);
    close_both();
    assert_int_equal(kept.session_len, 0);
    assert_false(came_again(V12));
}

/* A stranger who learnt the ticket on the way does not know the secrets. */
static void test_stranger_with_the_ticket(void **state)
{
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        begin_with(PP_TLS_SECURE);
        assert_false(came_again(versions[v]));
        /* The session's secrets: TLS 1.2 the master, TLS 1.3 the resumption key. */
        for (size_t i = kept.once ? 20 : 60; i < (kept.once ? 40u : 80u); i++)
            kept.session[i] ^= 0x55;
        enum pp_err err = come("leaf", versions[v]);
        assert_false(tls.facts.resumed);
        assert_true(err == PP_OK || !tls.facts.trusted);
    }
}

/* Another server that says it knows the ticket, and shows its own certificate instead. */
static void test_other_server(void **state)
{
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        begin_with(PP_TLS_SECURE);
        assert_false(came_again(versions[v]));
        server.refuses = true;
        assert_int_equal(come("self", versions[v]), PP_ERR_TRUST);
        assert_int_equal(kept.session_len, 0);
    }
}

static void test_staged_and_inspected_are_not_kept(void **state)
{
    (void)state;
    begin_with(PP_TLS_SECURE);
    policy.pin_rule = PP_PIN_AND_CA;
    policy.on_new_pin = PP_NEW_PIN_SEND;
    policy.pin_count = 1;
    policy.pins[0] = other_pin;
    assert_false(came_again(V13));
    assert_true(tls.facts.staged);
    assert_int_equal(kept.session_len, 0);
    begin_with(PP_TLS_SECURE);
    target.inspect = true;
    assert_int_equal(come("leaf", V13), PP_OK);
    assert_int_equal(kept.session_len, 0);
}

static void test_too_long_a_ticket(void **state)
{
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        begin_with(PP_TLS_SECURE);
        server.padding = PP_TLS_KEPT_BYTES;
        assert_false(came_again(versions[v]));
        assert_int_equal(kept.session_len, 0);
        assert_false(came_again(versions[v]));
    }
}

/* ---- as bytes ---- */

static size_t pack(uint8_t *out, size_t cap)
{
    size_t len;
    assert_int_equal(pp_tls_kept_pack(&kept, wall, at_ms, out, cap, &len), PP_OK);
    return len;
}

/* A restart: the machine's own clock begins again. */
static void test_over_a_restart(void **state)
{
    uint8_t bytes[PP_TLS_KEPT_PACKED];
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        begin_with(PP_TLS_SECURE);
        assert_false(came_again(versions[v]));
        const struct pp_tls_kept_session before = kept;
        size_t len = pack(bytes, sizeof bytes);
        wall += 600;
        server.ahead_ms = 20000 - 600000 - (int64_t)at_ms;
        at_ms = 20000;
        assert_int_equal(pp_tls_kept_unpack(&kept, wall, at_ms, bytes, len), PP_OK);
        assert_memory_equal(kept.session, before.session, before.session_len);
        assert_int_equal(kept.kept_at_ms, 20000 - 600000);
        assert_string_equal(kept.facts.how, before.facts.how);
        assert_true(came_again(versions[v]));
        /* Too old after a longer one. */
        assert_int_equal(pp_tls_kept_unpack(&kept, wall + 7200, at_ms, bytes, len), PP_OK);
        assert_false(came_again(versions[v]));
        wall = (int64_t)time(NULL);
        at_ms = 5000000;
    }
}

static void test_without_a_clock(void **state)
{
    uint8_t bytes[PP_TLS_KEPT_PACKED];
    size_t len;
    (void)state;
    begin_with(PP_TLS_SECURE);
    assert_false(came_again(V13));
    assert_int_equal(pp_tls_kept_pack(&kept, PP_WALL_UNKNOWN, at_ms, bytes, sizeof bytes, &len),
                     PP_OK);
    assert_int_equal(pp_tls_kept_unpack(&kept, wall, 77, bytes, len), PP_OK);
    assert_int_equal(kept.kept_at_ms, 77);
    assert_int_equal(kept.facts.verified_at_ms, 77);
    pack(bytes, sizeof bytes);
    assert_int_equal(pp_tls_kept_unpack(&kept, PP_WALL_UNKNOWN, 99, bytes, len), PP_OK);
    assert_int_equal(kept.kept_at_ms, 99);
}

/* Each byte bent, each end cut off: an error or a session that harms nobody. */
static void test_damaged(void **state)
{
    uint8_t bytes[PP_TLS_KEPT_PACKED], bent[PP_TLS_KEPT_PACKED];
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        begin_with(PP_TLS_SECURE);
        assert_false(came_again(versions[v]));
        size_t len = pack(bytes, sizeof bytes);
        for (size_t cut = 0; cut < len; cut++) {
            assert_int_equal(pp_tls_kept_unpack(&kept, wall, at_ms, bytes, cut), PP_ERR_SYNTAX);
            assert_int_equal(kept.session_len, 0);
        }
        for (size_t i = 0; i < len; i++) {
            memcpy(bent, bytes, len);
            bent[i] ^= 0xFF;
            (void)!pp_tls_kept_unpack(&kept, wall, at_ms, bent, len);
            if (kept.session_len > 0 && i % 4 == v) {
                start_server("leaf", versions[v]);
                assert_int_equal(pp_tls_open(&tls, &target, &io), PP_OK);
                (void)!shake();
                close_both();
            }
        }
    }
}

static void test_short_room(void **state)
{
    uint8_t bytes[PP_TLS_KEPT_PACKED];
    size_t len, least = 0;
    (void)state;
    begin_with(PP_TLS_SECURE);
    assert_int_equal(pp_tls_kept_pack(&kept, wall, at_ms, bytes, sizeof bytes, &len), PP_ERR_EMPTY);
    assert_false(came_again(V13));
    const struct pp_tls_kept_session before = kept;
    size_t full = pack(bytes, sizeof bytes);
    for (size_t cap = 0; cap < full; cap++) {
        if (pp_tls_kept_pack(&before, wall, at_ms, bytes, cap, &len) != PP_OK)
            continue;
        least = least == 0 ? cap : least;
        assert_true(len <= cap);
        assert_int_equal(pp_tls_kept_unpack(&kept, wall, at_ms, bytes, len), PP_OK);
        assert_int_equal(kept.session_len, before.session_len);
    }
    assert_true(least > 0 && least <= 190u + before.session_len);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, each, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(test_second_connection_resumes),
        EACH(test_session_by_id),
        EACH(test_pins_are_remembered),
        EACH(test_a_change_does_not_resume),
        EACH(test_taken_away_pin),
        EACH(test_expired_meanwhile),
        EACH(test_pin_outlives_the_date),
        EACH(test_lifetime),
        EACH(test_a_ticket_of_a_week_counts_a_day),
        EACH(test_ticket_is_used_once),
        EACH(test_refused_ticket),
        EACH(test_failed_resumption_forgets),
        EACH(test_stranger_with_the_ticket),
        EACH(test_other_server),
        EACH(test_staged_and_inspected_are_not_kept),
        EACH(test_too_long_a_ticket),
        EACH(test_over_a_restart),
        EACH(test_without_a_clock),
        EACH(test_damaged),
        EACH(test_short_room),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
