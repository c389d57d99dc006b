/*
 * test_tls.c - trust of the TLS client: every level good and bad, with TLS 1.2 and 1.3
 */
#include "tls_client.h"

/* ---- levels ---- */

static void test_encrypt_takes_anyone(void **state)
{
    static const char *const servers[] = {"leaf", "self", "aged", "weak", "tiny", "forged"};
    struct pp_tls_policy policy = policy_of(PP_TLS_ENCRYPT);
    (void)state;
    for (size_t i = 0; i < sizeof servers / sizeof *servers; i++) {
        if (visit(servers[i], V12, &policy, "other.example") != PP_OK)
            fail_msg("%s: %s", servers[i], tls.facts.failure);
        assert_true(tls.facts.has_peer);
        assert_string_equal(tls.facts.failure, "");
        assert_int_equal(tls.facts.pin_index, -1);
        if (visit(servers[i], NEWEST(servers[i]), &policy, "other.example") != PP_OK)
            fail_msg("%s: %s", servers[i], tls.facts.failure);
    }
}

static void test_facts(void **state)
{
    struct pp_tls_policy policy = policy_of(PP_TLS_ENCRYPT);
    struct pp_pin certificate, key;
    (void)state;
    assert_int_equal(visit("leaf", V13, &policy, "mail.example.org"), PP_OK);
    pins_of("leaf", &certificate, &key);
    assert_memory_equal(tls.facts.certificate_sha256, certificate.value, 32);
    assert_memory_equal(tls.facts.key_sha256, key.value, 32);
    assert_string_equal(tls.facts.subject, "CN=mail.example.org");
    assert_string_equal(tls.facts.issuer, "O=Test, CN=Test Root");
    assert_string_equal(tls.facts.names, "mail.example.org *.wild.example 127.0.0.1 2001:db8::25");
    assert_int_equal(strlen(tls.facts.not_before), 20);
    assert_true(strcmp(tls.facts.not_before, tls.facts.not_after) < 0);
    assert_int_equal(visit("self", V13, &policy, "mail.example.org"), PP_OK);
    assert_string_equal(tls.facts.subject, "C=DE, O=Caf\xc3\xa9 \\x22x\\x22, CN=self.example");
    assert_int_equal(visit("plain", V13, &policy, "mail.example.org"), PP_OK);
    assert_string_equal(tls.facts.names, "plain.example");
}

static void test_pins(void **state)
{
    static const char *const servers[] = {"leaf", "self", "aged", "tiny", "below"};
    struct pp_pin certificate, key;
    (void)state;
    wall = 4102444800; /* 2100: names, dates and chain do not matter to a pin */
    for (size_t i = 0; i < sizeof servers / sizeof *servers; i++) {
        for (int v = 0; v < 2; v++) {
            struct pp_tls_policy policy = policy_of(PP_TLS_FINGERPRINT);
            pins_of(servers[i], &certificate, &key);
            policy.pin_count = 1;
            policy.pins[0] = certificate;
            assert_int_equal(visit(servers[i], v ? NEWEST(servers[i]) : V12, &policy, "192.0.2.7"),
                             PP_OK);
            assert_int_equal(tls.facts.pin_index, 0);
            /* The second of three, by key. */
            policy.pin_count = 3;
            policy.pins[1] = key;
            memset(policy.pins[0].value, 1, 32);
            memset(policy.pins[2].value, 2, 32);
            assert_int_equal(visit(servers[i], v ? NEWEST(servers[i]) : V12, &policy, "other"),
                             PP_OK);
            assert_int_equal(tls.facts.pin_index, 1);
            /* A pin counts for what it says it is of. */
            policy.pins[1] = key;
            policy.pins[1].kind = PP_PIN_CERTIFICATE;
            assert_int_equal(visit(servers[i], v ? NEWEST(servers[i]) : V12, &policy, "x"),
                             PP_ERR_TRUST);
        }
    }
}

static void test_wrong_pin(void **state)
{
    struct pp_tls_policy policy = policy_of(PP_TLS_FINGERPRINT);
    struct pp_pin certificate, key;
    char text[256];
    struct pp_writer w;
    (void)state;
    pins_of("self", &policy.pins[0], &policy.pins[1]);
    policy.pin_count = 2;
    pins_of("leaf", &certificate, &key);
    for (int v = 0; v < 2; v++) {
        /* A chain and a name in good order do not make up for it. */
        peer_start(&peer, "leaf", v ? V13 : V12);
        open_client(&policy, "mail.example.org", false);
        assert_int_equal(shake(), PP_ERR_TRUST);
        assert_int_equal(pp_tls_write(&tls, (const uint8_t *)"secret", 6), PP_IO_FAILED);
        for (int i = 0; i < 5; i++)
            peer_step(&peer);
        assert_false(peer.done);
        close_both();
        assert_false(tls.facts.trusted);
        assert_true(tls.facts.has_peer);
        assert_words("certificate of mail.example.org matches none of 2 pins; presented cert:");
        pp_writer_init(&w, text, sizeof text - 1);
        pp_put_pin(&w, PP_PIN_CERTIFICATE, certificate.value);
        pp_put_char(&w, ' ');
        pp_put_pin(&w, PP_PIN_KEY, key.value);
        text[w.len] = '\0';
        assert_words(text);
    }
    /* The root's and the intermediate's digests are no pins of the server. */
    policy.pin_count = 0;
    assert_int_equal(visit("leaf", V13, &policy, "mail.example.org"), PP_ERR_TRUST);
}

static void test_secure(void **state)
{
    static const enum pp_tls_level levels[] = {PP_TLS_VERIFY, PP_TLS_SECURE};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct pp_tls_policy policy = policy_of(levels[i]);
        for (int v = 0; v < 2; v++) {
            mbedtls_ssl_protocol_version version = v ? V13 : V12;
            assert_int_equal(visit("leaf", version, &policy, "mail.example.org"), PP_OK);
            assert_int_equal(visit("leaf", version, &policy, "MAIL.Example.ORG."), PP_OK);
            assert_string_equal(peer.sni, "MAIL.Example.ORG");
            assert_int_equal(visit("leaf", version, &policy, "a.wild.example"), PP_OK);
            assert_int_equal(visit("below", version, &policy, "mail.example.org"), PP_OK);
            assert_int_equal(visit("aged", version, &policy, "mail.example.org"), PP_OK);
            assert_int_equal(visit("plain", version, &policy, "plain.example"), PP_OK);
        }
    }
}

static void test_secure_refuses(void **state)
{
    static const struct {
        const char *server, *host, *words;
    } cases[] = {
        {"leaf", "other.example", "it is for mail.example.org *.wild.example"},
        {"leaf", "a.b.wild.example", "not for this host"},
        {"self", "self.example", "self-signed"},
        {"forged", "mail.example.org", "signed by no CA"},
        {"weak", "mail.example.org", "weak hash"},
        {"tiny", "tiny.example", "too weak"},
        {"leaf", "192.0.2.1", "not for this host"},
        {"plain", "192.0.2.1", "it is for plain.example"},
    };
    struct pp_tls_policy policy = policy_of(PP_TLS_SECURE);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int v = 0; v < 2; v++) {
            enum pp_err err =
                visit(cases[i].server, v ? NEWEST(cases[i].server) : V12, &policy, cases[i].host);
            if (err != PP_ERR_TRUST)
                fail_msg("%s as %s: %d", cases[i].server, cases[i].host, (int)err);
            assert_words(cases[i].words);
        }
    }
}

/* As Postfix: secure takes names below the host's as well, verify does not. */
static void test_names_below_the_host(void **state)
{
    struct pp_tls_policy secure = policy_of(PP_TLS_SECURE), verify = policy_of(PP_TLS_VERIFY);
    (void)state;
    assert_int_equal(visit("leaf", V13, &secure, "wild.example"), PP_OK);
    assert_int_equal(visit("leaf", V13, &secure, "example.org"), PP_OK);
    assert_int_equal(visit("leaf", V13, &verify, "wild.example"), PP_ERR_TRUST);
    assert_words("not for this host");
    assert_int_equal(visit("leaf", V13, &verify, "example.org"), PP_ERR_TRUST);
}

static void test_address_host(void **state)
{
    struct pp_tls_policy policy = policy_of(PP_TLS_SECURE);
    (void)state;
    assert_int_equal(visit("leaf", V13, &policy, "127.0.0.1"), PP_OK);
    assert_string_equal(peer.sni, ""); /* RFC 6066 section 3 */
    assert_int_equal(visit("leaf", V12, &policy, "[IPv6:2001:db8:0::25]"), PP_OK);
    assert_string_equal(peer.sni, "");
    assert_int_equal(visit("leaf", V12, &policy, "127.0.0.2"), PP_ERR_TRUST);
    assert_int_equal(visit("leaf", V13, &policy, "2001:db8::26"), PP_ERR_TRUST);
}

#define DAY_S 86400

static void test_dates(void **state)
{
    struct pp_tls_policy policy = policy_of(PP_TLS_SECURE);
    int64_t today = wall;
    (void)state;
    wall = today + 40 * DAY_S;
    assert_int_equal(visit("leaf", V13, &policy, "mail.example.org"), PP_ERR_TRUST);
    assert_words("it expired on 20");
    wall = PP_WALL_FLOOR_S; /* a clock that is known, and behind */
    assert_int_equal(visit("leaf", V12, &policy, "mail.example.org"), PP_ERR_TRUST);
    assert_words("is the clock right?");
    /* No clock, or one that starts in 1970: not yet valid is then no error. */
    wall = PP_WALL_UNKNOWN;
    assert_int_equal(visit("leaf", V13, &policy, "mail.example.org"), PP_OK);
    wall = 17;
    assert_int_equal(visit("below", V12, &policy, "mail.example.org"), PP_OK);
    /* It is later than the latest time that was ever seen, and a known clock says more than that.
     */
    pp_tls_time_floor(today + 40 * DAY_S);
    assert_int_equal(visit("leaf", V13, &policy, "mail.example.org"), PP_ERR_TRUST);
    assert_words("it expired on 20");
    wall = today;
    assert_int_equal(visit("leaf", V13, &policy, "mail.example.org"), PP_OK);
    wall = PP_WALL_UNKNOWN;
    pp_tls_time_floor(1); /* the build's own is later */
    assert_int_equal(visit("leaf", V13, &policy, "mail.example.org"), PP_OK);
    pp_tls_time_floor(0);
}

static void test_cas(void **state)
{
    struct pp_tls_policy policy = policy_of(PP_TLS_SECURE);
    uint32_t count, skipped;
    char text[8192];
    (void)state;
    /* A server's own self-signed certificate as the CA file. */
    load_cas("self.pem", 1);
    assert_int_equal(visit("self", V13, &policy, "self.example"), PP_OK);
    assert_int_equal(visit("self", V12, &policy, "other.example"), PP_ERR_TRUST);
    assert_int_equal(visit("leaf", V13, &policy, "mail.example.org"), PP_ERR_TRUST);
    /* The intermediate alone: trusted as it stands there. */
    load_cas("inter.pem", 1);
    assert_int_equal(visit("below", V13, &policy, "mail.example.org"), PP_OK);
    assert_int_equal(visit("forged", V13, &policy, "mail.example.org"), PP_ERR_TRUST);
    pp_ca_begin();
    assert_int_equal(pp_ca_end(&count, &skipped), PP_ERR_EMPTY);
    assert_int_equal(visit("leaf", V13, &policy, "mail.example.org"), PP_ERR_TRUST);
    /* Cut at any place, a file gives no certificate and no crash. */
    size_t len = load("root", ".pem", text, sizeof text);
    for (size_t cut = 0; cut <= len; cut++) {
        pp_ca_begin();
        assert_int_equal(pp_ca_feed(text, cut), PP_OK);
        enum pp_err err = pp_ca_end(&count, &skipped);
        assert_int_equal(err, cut + 1 >= len ? PP_OK : PP_ERR_EMPTY);
        assert_int_equal(count, cut + 1 >= len ? 1 : 0);
    }
    /* CR LF and one damaged character. */
    for (size_t at = 28; at < len - 30; at += 13) {
        char damaged[8192];
        memcpy(damaged, text, len);
        damaged[at] = '!';
        pp_ca_begin();
        assert_int_equal(pp_ca_feed(damaged, len), PP_OK);
        assert_int_equal(pp_ca_end(&count, &skipped), PP_ERR_EMPTY);
        assert_int_equal(skipped, 1);
    }
    pp_ca_begin();
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\n')
            assert_int_equal(pp_ca_feed("\r", 1), PP_OK);
        assert_int_equal(pp_ca_feed(text + i, 1), PP_OK);
    }
    assert_int_equal(pp_ca_end(&count, &skipped), PP_OK);
    /* More than there is room for. */
    enum pp_err err = PP_OK;
    pp_ca_begin();
    for (size_t i = 0; i < 4 * PP_CA_COUNT && err == PP_OK; i++)
        err = pp_ca_feed(text, len);
    assert_int_equal(err, PP_ERR_TOO_BIG);
    assert_int_equal(pp_ca_end(&count, &skipped), PP_ERR_TOO_BIG);
}

static void test_inspect(void **state)
{
    struct pp_tls_policy policy = policy_of(PP_TLS_SECURE);
    (void)state;
    for (int v = 0; v < 2; v++) {
        peer_start(&peer, "self", v ? V13 : V12);
        open_client(&policy, "other.example", true);
        assert_int_equal(shake(), PP_OK);
        assert_false(tls.facts.trusted);
        assert_true(tls.facts.has_peer);
        assert_words("self-signed");
        assert_int_equal(pp_tls_write(&tls, (const uint8_t *)"QUIT\r\n", 6), 6);
        close_both();
        peer_start(&peer, "leaf", v ? V13 : V12);
        open_client(&policy, "mail.example.org", true);
        assert_int_equal(shake(), PP_OK);
        assert_true(tls.facts.trusted);
        assert_string_equal(tls.facts.failure, "");
        close_both();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_encrypt_takes_anyone, each, clean),
        cmocka_unit_test_setup_teardown(test_facts, each, clean),
        cmocka_unit_test_setup_teardown(test_pins, each, clean),
        cmocka_unit_test_setup_teardown(test_wrong_pin, each, clean),
        cmocka_unit_test_setup_teardown(test_secure, each, clean),
        cmocka_unit_test_setup_teardown(test_secure_refuses, each, clean),
        cmocka_unit_test_setup_teardown(test_names_below_the_host, each, clean),
        cmocka_unit_test_setup_teardown(test_address_host, each, clean),
        cmocka_unit_test_setup_teardown(test_dates, each, clean),
        cmocka_unit_test_setup_teardown(test_cas, each, clean),
        cmocka_unit_test_setup_teardown(test_inspect, each, clean),
    };
    return cmocka_run_group_tests_name("tls", tests, set_up, tear_down);
}
