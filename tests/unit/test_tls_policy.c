/*
 * test_tls_policy.c - pins of issuers, pins beside a CA, TLSA records, names, versions and ciphers
 */
#include "tls_client.h"

static struct pp_tls_policy policy;
static struct pp_tlsa_set tlsa;
static struct pp_tls_target target;
static struct pp_tls_chain chain;

static int fresh(void **state)
{
    memset(&policy, 0, sizeof policy);
    memset(&tlsa, 0, sizeof tlsa);
    target = (struct pp_tls_target){.policy = &policy, .host_z = "mail.example.org"};
    return each(state);
}

/* One connection with each version; both have to come to the same. */
static enum pp_err meet(const char *server)
{
    enum pp_err first = PP_OK;
    for (int v = 0; v < 2; v++) {
        peer_start(&peer, server, v ? V13 : V12);
        assert_int_equal(pp_tls_open(&tls, &target, &io), PP_OK);
        enum pp_err err = shake();
        assert_int_equal(pp_tls_facts(&tls)->trusted, err == PP_OK);
        assert_int_equal(pp_tls_facts(&tls)->failure[0] == '\0', err == PP_OK);
        close_both();
        if (v == 0)
            first = err;
        assert_int_equal(err, first);
    }
    return first;
}

static void expect(const char *server, enum pp_err wanted)
{
    enum pp_err err = meet(server);
    if (err != wanted)
        fail_msg("%s: %d and not %d: %s", server, (int)err, (int)wanted, tls.facts.failure);
}

static void pin_issuer(const char *name, bool key)
{
    struct pp_pin pins[2];
    pins_of(name, &pins[0], &pins[1]);
    policy.pins[0] = pins[key ? 1 : 0];
    policy.pins[0].kind = key ? PP_PIN_ISSUER_KEY : PP_PIN_ISSUER_CERTIFICATE;
    policy.pin_count = 1;
}

/* ---- pins of issuers ---- */

static void test_issuer_alone(void **state)
{
    (void)state;
    policy.level = PP_TLS_FINGERPRINT;
    for (int key = 0; key < 2; key++) {
        pin_issuer("inter", key != 0);
        expect("below", PP_OK);
        assert_int_equal(tls.facts.pin_index, 0);
        /* The genuine intermediate above a leaf that it did not sign. */
        expect("forged", PP_ERR_TRUST);
        assert_int_equal(tls.facts.pin_index, -1);
        assert_words("good signatures, dates and name below");
        expect("misled", PP_ERR_TRUST);
        expect("other", PP_ERR_TRUST); /* its own, and for another host */
        expect("over", PP_ERR_TRUST);
        expect("clients", PP_ERR_TRUST);
        expect("alone", PP_ERR_TRUST);
        expect("leaf", PP_ERR_TRUST);
        expect("self", PP_ERR_TRUST);
        target.host_z = "other.example";
        expect("other", PP_OK);
        expect("below", PP_ERR_TRUST);
        target.host_z = "mail.example.org";
    }
}

static void test_issuer_at_every_depth(void **state)
{
    static const char *const issuers[] = {"big2", "big1", "bigroot"};
    (void)state;
    policy.level = PP_TLS_FINGERPRINT;
    for (size_t i = 0; i < 3; i++) {
        pin_issuer(issuers[i], i % 2 == 0);
        expect("big", PP_OK);
    }
    /* The CAs of the machine are no anchors of a policy that names its own. */
    pin_issuer("root", true);
    expect("leaf", PP_ERR_TRUST);
}

static void test_issuer_dates(void **state)
{
    (void)state;
    policy.level = PP_TLS_FINGERPRINT;
    pin_issuer("inter", true);
    wall += 40 * INT64_C(86400);
    expect("below", PP_ERR_TRUST);
    wall = PP_WALL_UNKNOWN;
    expect("below", PP_OK);
}

static void test_leaf_pin_is_no_issuer_pin(void **state)
{
    struct pp_pin certificate, key;
    (void)state;
    policy.level = PP_TLS_FINGERPRINT;
    pin_issuer("below", false);
    expect("below", PP_ERR_TRUST);
    pins_of("inter", &certificate, &key);
    policy.pins[0] = certificate;
    expect("below", PP_ERR_TRUST);
    policy.pins[0] = key;
    expect("below", PP_ERR_TRUST);
}

/* ---- pins beside a CA ---- */

static void test_pin_and_ca(void **state)
{
    struct pp_pin pins[2];
    (void)state;
    policy.level = PP_TLS_SECURE;
    policy.pin_rule = PP_PIN_AND_CA;
    pin_issuer("inter", true);
    expect("below", PP_OK);
    assert_string_equal(tls.facts.how,
                        "pin 1 of 1 matches, signed by a known CA, and for this host name");
    expect("leaf", PP_ERR_TRUST);
    assert_true(tls.facts.staged);
    assert_words("matches none of 1 pin; presented cert:");
    pins_of("self", &pins[0], &pins[1]);
    policy.pins[0] = pins[0];
    target.host_z = "self.example";
    expect("self", PP_ERR_TRUST); /* pinned, and of no CA */
    assert_false(tls.facts.staged);
    assert_words("self-signed");
    /* A root of the CA file, which the server does not send. */
    target.host_z = "mail.example.org";
    pin_issuer("root", false);
    expect("leaf", PP_OK);
    expect("aged", PP_ERR_TRUST);
    expect("forged", PP_ERR_TRUST);
    assert_false(tls.facts.staged);
}

static void test_new_pin_is_sent_when_asked_for(void **state)
{
    (void)state;
    policy.level = PP_TLS_SECURE;
    policy.pin_rule = PP_PIN_AND_CA;
    policy.on_new_pin = PP_NEW_PIN_SEND;
    pin_issuer("big2", true);
    expect("below", PP_OK);
    assert_true(tls.facts.staged);
    assert_int_equal(tls.facts.pin_index, -1);
    expect("forged", PP_ERR_TRUST);
    assert_false(tls.facts.staged);
    /* Without the rule it says nothing. */
    policy.pin_rule = PP_PIN_ALONE;
    expect("below", PP_ERR_TRUST);
}

static void test_pin_or_ca(void **state)
{
    struct pp_pin pins[2];
    (void)state;
    policy.level = PP_TLS_SECURE;
    policy.pin_rule = PP_PIN_OR_CA;
    pins_of("self", &pins[0], &pins[1]);
    policy.pins[0] = pins[1];
    policy.pin_count = 1;
    expect("self", PP_OK);
    expect("leaf", PP_OK);
    expect("forged", PP_ERR_TRUST);
    assert_words("signed by no CA");
    assert_words("and no pin matches");
    expect("over", PP_ERR_TRUST);
    expect("clients", PP_ERR_TRUST);
}

/* ---- DANE ---- */

static void record(uint8_t usage, uint8_t selector, const char *name)
{
    struct pp_pin pins[2];
    pins_of(name, &pins[0], &pins[1]);
    struct pp_tlsa_record *r = &tlsa.records[tlsa.count++];
    *r = (struct pp_tlsa_record){usage, selector, 1, 32, {0}};
    memcpy(r->data, pins[selector].value, 32);
    tlsa.state = PP_TLSA_SECURE;
}

static void test_dane_ee(void **state)
{
    (void)state;
    target.tlsa = &tlsa;
    for (uint8_t selector = 0; selector < 2; selector++) {
        for (int only = 0; only < 2; only++) {
            policy.level = only ? PP_TLS_DANE_ONLY : PP_TLS_DANE;
            tlsa.count = 0;
            record(3, selector, "big"); /* one that has gone, or is to come */
            record(3, selector, "over");
            expect("over", PP_OK); /* names and dates do not count (RFC 7672 3.1.1) */
            expect("leaf", PP_ERR_TRUST);
            assert_words("matches none of 2 TLSA records");
            record(3, selector, "self");
            expect("self", PP_OK);
        }
    }
    tlsa.count = 0;
    record(3, 1, "leaf");
    expect("leaf", PP_OK);
    tlsa.records[0].selector = 0;
    expect("leaf", PP_ERR_TRUST);
    tlsa.records[0].selector = 1;
    tlsa.records[0].len = 31;
    expect("leaf", PP_ERR_TRUST);
    tlsa.records[0].len = 32;
    tlsa.records[0].usage = 1;
    expect("leaf", PP_ERR_TRUST);
}

static void test_dane_ta(void **state)
{
    (void)state;
    target.tlsa = &tlsa;
    policy.level = PP_TLS_DANE;
    for (uint8_t selector = 0; selector < 2; selector++) {
        tlsa.count = 0;
        record(2, selector, "inter");
        expect("below", PP_OK);
        expect("forged", PP_ERR_TRUST);
        expect("misled", PP_ERR_TRUST);
        expect("other", PP_ERR_TRUST);
        expect("over", PP_ERR_TRUST);
        expect("alone", PP_ERR_TRUST);
        expect("leaf", PP_ERR_TRUST);
        target.tlsa_base_z = "other.example";
        expect("other", PP_OK);
        expect("below", PP_OK); /* nexthop counts too (RFC 7672 3.2.2) */
        target.tlsa_base_z = NULL;
        /* The CA's own record does not make a server of it. */
        tlsa.count = 0;
        record(2, selector, "below");
        expect("below", PP_ERR_TRUST);
    }
}

static void test_dane_without_records(void **state)
{
    (void)state;
    target.tlsa = &tlsa;
    policy.level = PP_TLS_DANE;
    tlsa.state = PP_TLSA_ABSENT;
    assert_int_equal(pp_tls_level_in_force(&target), PP_TLS_MAY);
    assert_null(pp_tls_why_not_connect(&target, false));
    assert_non_null(pp_tls_why_not_connect(&target, true));
    expect("self", PP_OK);
    assert_non_null(strstr(tls.facts.how, "no TLSA records"));
    tlsa.state = PP_TLSA_SECURE;
    tlsa.unusable = 1;
    assert_int_equal(pp_tls_level_in_force(&target), PP_TLS_ENCRYPT);
    assert_null(pp_tls_why_not_connect(&target, false));
    assert_non_null(pp_tls_why_not_connect(&target, true));
    expect("self", PP_OK);
    policy.level = PP_TLS_DANE_ONLY;
    assert_int_equal(pp_tls_level_in_force(&target), PP_TLS_DANE_ONLY);
    assert_non_null(pp_tls_why_not_connect(&target, false));
    expect("leaf", PP_ERR_TRUST);
    tlsa.state = PP_TLSA_FAILED;
    tlsa.count = 0;
    record(3, 1, "leaf");
    for (int only = 0; only < 2; only++) {
        policy.level = only ? PP_TLS_DANE_ONLY : PP_TLS_DANE;
        tlsa.state = PP_TLSA_FAILED;
        assert_non_null(pp_tls_why_not_connect(&target, false));
        expect("leaf", PP_ERR_TRUST);
        target.tlsa = NULL;
        assert_non_null(pp_tls_why_not_connect(&target, false));
        expect("leaf", PP_ERR_TRUST);
        target.tlsa = &tlsa;
    }
}

/* ---- names ---- */

static void test_names(void **state)
{
    static const struct {
        enum pp_tls_level level;
        const char *match, *tls_name, *server, *name;
        bool good;
    } cases[] = {
        {PP_TLS_VERIFY, "", "", NULL, "mail.example.org", true},
        {PP_TLS_VERIFY, "", "", NULL, "MAIL.example.ORG", true},
        {PP_TLS_VERIFY, "", "", NULL, "a.mail.example.org", false},
        {PP_TLS_VERIFY, "", "", "mx.example.net", "mx.example.net", true},
        {PP_TLS_VERIFY, "", "", "mx.example.net", "mail.example.org", false},
        {PP_TLS_SECURE, "", "", "mx.example.net", "mx.example.net", false},
        {PP_TLS_SECURE, "", "", "mx.example.net", "mail.example.org", true},
        {PP_TLS_SECURE, "", "", NULL, "a.b.mail.example.org", true},
        {PP_TLS_SECURE, "", "", NULL, "xmail.example.org", false},
        {PP_TLS_SECURE, "", "", NULL, ".mail.example.org", false},
        {PP_TLS_SECURE, "", "", NULL, "*.mail.example.org", true},
        {PP_TLS_VERIFY, "", "", NULL, "*.example.org", true},
        {PP_TLS_VERIFY, "", "", NULL, "*.org", false},
        {PP_TLS_VERIFY, "", "", NULL, "m*.example.org", false},
        {PP_TLS_VERIFY, "", "", NULL, "*", false},
        {PP_TLS_VERIFY, "", "", NULL, "*.", false},
        {PP_TLS_VERIFY, "", "", NULL, "*.*.org", false},
        {PP_TLS_VERIFY, "", "", NULL, "", false},
        {PP_TLS_VERIFY, "", "", NULL, "mail.example.org.", false},
        {PP_TLS_VERIFY, "hostname, mx.example.net", "", NULL, "mx.example.net", true},
        {PP_TLS_VERIFY, "dot-nexthop", "", NULL, "mail.example.org", false},
        {PP_TLS_SECURE, ".example.net", "", NULL, "a.b.example.net", true},
        {PP_TLS_SECURE, ".example.net", "", NULL, "example.net", false},
        {PP_TLS_SECURE, ".example.net", "", NULL, "mail.example.org", false},
        {PP_TLS_SECURE, "", "in.example.com", NULL, "in.example.com", true},
        {PP_TLS_SECURE, "", "in.example.com", NULL, "mail.example.org", false},
        {PP_TLS_VERIFY, "", "in.example.com", "mx.example.net", "mx.example.net", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        policy.level = cases[i].level;
        snprintf(policy.match, sizeof policy.match, "%s", cases[i].match);
        snprintf(policy.tls_name, sizeof policy.tls_name, "%s", cases[i].tls_name);
        target.server_z = cases[i].server;
        if (pp_tls_name_matches(&target, pp_text_z(cases[i].name)) != cases[i].good)
            fail_msg("case %zu: %s", i, cases[i].name);
    }
}

static void test_names_with_odd_bytes(void **state)
{
    (void)state;
    policy.level = PP_TLS_SECURE;
    for (int byte = 0; byte < 256; byte++) {
        char name[] = "x?.mail.example.org";
        name[1] = (char)byte;
        bool sound =
            pp_ascii_is_alpha(name[1]) || pp_ascii_is_digit(name[1]) || byte == '-' || byte == '_';
        assert_int_equal(pp_tls_name_matches(&target, pp_text_n(name, sizeof name - 1)), sound);
    }
    assert_false(pp_tls_name_matches(&target, pp_text_n("mail.example.org\0", 17)));
    assert_false(pp_tls_name_matches(&target, pp_text_n("mail.example.org\0.evil.example", 30)));
}

static void test_name_set_apart(void **state)
{
    (void)state;
    policy.level = PP_TLS_SECURE;
    target.host_z = "192.0.2.1";
    expect("leaf", PP_ERR_TRUST);
    snprintf(policy.tls_name, sizeof policy.tls_name, "mail.example.org");
    expect("leaf", PP_OK);
    assert_string_equal(peer.sni, "mail.example.org");
    policy.tls_name[0] = '\0';
    snprintf(policy.match, sizeof policy.match, ".wild.example, mail.example.org");
    expect("leaf", PP_OK);
    assert_string_equal(peer.sni, "");
}

/* ---- versions, ciphers, keys ---- */

static void test_versions_and_ciphers(void **state)
{
    static const struct {
        uint8_t ciphers;
        const char *words;
    } groups[] = {{PP_CIPHER_AES128_GCM, "AES-128-GCM"},
                  {PP_CIPHER_AES256_GCM, "AES-256-GCM"},
                  {PP_CIPHER_CHACHA20_POLY1305, "CHACHA20"}};
    (void)state;
    policy.level = PP_TLS_ENCRYPT;
    for (size_t i = 0; i < 3; i++) {
        policy.ciphers = groups[i].ciphers;
        expect("leaf", PP_OK);
        assert_non_null(strstr(tls.facts.cipher, groups[i].words));
    }
    policy.ciphers = 0;
    policy.protocols = PP_TLS_1_3;
    assert_int_equal(visit("leaf", V13, &policy, "a.example"), PP_OK);
    assert_string_equal(tls.facts.version, "TLSv1.3");
    assert_int_equal(visit("leaf", V12, &policy, "a.example"), PP_ERR_TRUST);
    policy.protocols = PP_TLS_1_2;
    assert_int_equal(visit("leaf", V13, &policy, "a.example"), PP_OK);
    assert_string_equal(tls.facts.version, "TLSv1.2");
}

static void test_p521(void **state)
{
    (void)state;
    policy.level = PP_TLS_SECURE;
    expect("ecbig", PP_OK);
}

static void test_chain_is_shown(void **state)
{
    struct pp_pin pins[2];
    (void)state;
    policy.level = PP_TLS_ENCRYPT;
    target.inspect = true;
    target.chain = &chain;
    peer_start(&peer, "big", V13);
    assert_int_equal(pp_tls_open(&tls, &target, &io), PP_OK);
    assert_int_equal(shake(), PP_OK);
    close_both();
    assert_int_equal(chain.count, 4);
    assert_string_equal(chain.shown[1].subject, "CN=Big Intermediate 2");
    assert_string_equal(chain.shown[1].issuer, "CN=Big Intermediate 1");
    assert_string_equal(chain.shown[1].key, "RSA 4096");
    pins_of("big2", &pins[0], &pins[1]);
    assert_memory_equal(chain.shown[1].certificate_sha256, pins[0].value, 32);
    assert_memory_equal(chain.shown[1].key_sha256, pins[1].value, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_issuer_alone, fresh, clean),
        cmocka_unit_test_setup_teardown(test_issuer_at_every_depth, fresh, clean),
        cmocka_unit_test_setup_teardown(test_issuer_dates, fresh, clean),
        cmocka_unit_test_setup_teardown(test_leaf_pin_is_no_issuer_pin, fresh, clean),
        cmocka_unit_test_setup_teardown(test_pin_and_ca, fresh, clean),
        cmocka_unit_test_setup_teardown(test_new_pin_is_sent_when_asked_for, fresh, clean),
        cmocka_unit_test_setup_teardown(test_pin_or_ca, fresh, clean),
        cmocka_unit_test_setup_teardown(test_dane_ee, fresh, clean),
        cmocka_unit_test_setup_teardown(test_dane_ta, fresh, clean),
        cmocka_unit_test_setup_teardown(test_dane_without_records, fresh, clean),
        cmocka_unit_test_setup_teardown(test_names, fresh, clean),
        cmocka_unit_test_setup_teardown(test_names_with_odd_bytes, fresh, clean),
        cmocka_unit_test_setup_teardown(test_name_set_apart, fresh, clean),
        cmocka_unit_test_setup_teardown(test_versions_and_ciphers, fresh, clean),
        cmocka_unit_test_setup_teardown(test_p521, fresh, clean),
        cmocka_unit_test_setup_teardown(test_chain_is_shown, fresh, clean),
    };
    return cmocka_run_group_tests_name("tls_policy", tests, set_up, tear_down);
}
