/*
 * test_tls_server.c - TLS as a server: versions, suites, kinds of keys, tickets, certificates of
 * clients, memory
 */
#include "tls_visitor.h"

#include "wire/tls_session.h"

/* ---- versions, suites, keys ---- */

static void test_keys(void **state)
{
    static const char *const names[] = {"leaf", "below", "aged", "ec384", "big"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        use_identity(names[i]);
        for (int v = 0; v < 2; v++) {
            struct manner m = {.version = v ? V13 : V12};
            if (visit(&m, false) != PP_OK)
                fail_msg("%s, TLS 1.%d: %s", names[i], v ? 3 : 2, tls->facts.failure);
            assert_string_equal(tls->facts.version, v ? "TLSv1.3" : "TLSv1.2");
            /* Under TLS 1.2 the first of our list; under 1.3 the library goes by the client's. */
            if (!v && PP_TLS_FAST_AES && strstr(tls->facts.cipher, "AES-128-GCM") == NULL)
                fail_msg("%s", tls->facts.cipher);
            assert_false(tls->facts.has_peer);
            assert_string_equal(tls->facts.failure, "");
        }
    }
}

static void test_suites(void **state)
{
    static const int good[] = {0x1301, 0x1302, 0x1303, 0xc02b, 0xc02c, 0xcca9};
    static const int rsa[] = {0xc02f, 0xc030, 0xcca8};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct manner m = {.version = good[i] < 0x1400 ? V13 : V12, .suite = good[i]};
        assert_int_equal(visit(&m, false), PP_OK);
    }
    for (size_t i = 0; i < sizeof rsa / sizeof *rsa; i++) {
        struct manner m = {.version = V12, .suite = rsa[i]};
        assert_int_equal(visit(&m, false), PP_ERR_TRUST); /* our key is another */
        assert_words("in common");
    }
    use_identity("aged");
    for (size_t i = 0; i < sizeof rsa / sizeof *rsa; i++) {
        struct manner m = {.version = V12, .suite = rsa[i]};
        assert_int_equal(visit(&m, false), PP_OK);
    }
}

/* A ClientHello in pieces that the tests change: version, suites, and nothing behind them. */
static enum pp_err greet(uint16_t version, const uint8_t *suites, size_t suites_len)
{
    uint8_t hello[128] = {22, 3, 1, 0, 0, 1, 0, 0, 0};
    size_t at = 9;
    hello[at++] = (uint8_t)(version >> 8);
    hello[at++] = (uint8_t)version;
    at += 32;
    hello[at++] = 0;
    hello[at++] = 0;
    hello[at++] = (uint8_t)suites_len;
    memcpy(hello + at, suites, suites_len);
    at += suites_len;
    hello[at++] = 1;
    hello[at++] = 0;
    static const uint8_t groups[] = {0, 8, 0, 10, 0, 4, 0, 2, 0, 23};
    hello[at++] = 0;
    hello[at++] = sizeof groups - 2;
    memcpy(hello + at, groups + 2, sizeof groups - 2);
    at += sizeof groups - 2;
    hello[4] = (uint8_t)(at - 5);
    hello[8] = (uint8_t)(at - 9);
    pipe_reset(&visitor.to_server);
    pipe_reset(&visitor.to_client);
    assert_int_equal(pipe_write(&visitor.to_server, hello, at), at);
    assert_int_equal(pp_tls_open_server(tls, false, &io), PP_OK);
    enum pp_err err = pp_tls_handshake(tls);
    pp_tls_close(tls);
    return err;
}

static void test_old_clients(void **state)
{
    static const uint8_t aead[] = {0xc0, 0x2b}, cbc[] = {0xc0, 0x23, 0xc0, 0x09},
                         rsa[] = {0x00, 0x9c, 0x00, 0x2f};
    (void)state;
    assert_int_equal(greet(0x0303, aead, sizeof aead), PP_ERR_LATER);
    for (uint16_t version = 0x0300; version < 0x0303; version++) {
        assert_int_equal(greet(version, aead, sizeof aead), PP_ERR_TRUST);
        assert_words("neither TLS 1.2 nor TLS 1.3");
    }
    assert_int_equal(greet(0x0303, cbc, sizeof cbc), PP_ERR_TRUST);
    assert_words("in common");
    use_identity("aged");
    assert_int_equal(greet(0x0303, rsa, sizeof rsa), PP_ERR_TRUST);
    assert_words("in common");
}

static void test_no_tls(void **state)
{
    static const char *const words[] = {"EHLO mail.example.org\r\nMAIL FROM:<a@b.example>\r\n",
                                        "GET / HTTP/1.1\r\n\r\n", "\r\n\r\n\r\n\r\n",
                                        "\x80\x2e\x01\x00\x02\x00"};
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        pipe_reset(&visitor.to_server);
        pipe_reset(&visitor.to_client);
        size_t len = i < 3 ? strlen(words[i]) : 6;
        assert_int_equal(pipe_write(&visitor.to_server, words[i], len), len);
        assert_int_equal(pp_tls_open_server(tls, false, &io), PP_OK);
        assert_int_equal(pp_tls_handshake(tls), PP_ERR_TRUST);
        assert_words("not TLS: the client sent");
        assert_int_equal(pp_tls_handshake(tls), PP_ERR_STATE);
        close_both();
    }
}

/* ---- the identity ---- */

static void test_identity(void **state)
{
    static const struct {
        const char *chain, *key, *suffix;
        enum pp_err err;
        const char *words;
    } cases[] = {
        {"leaf", "leaf", ".key", PP_OK, "CN=mail.example.org, until 20"},
        {"aged", "aged", ".pkcs8", PP_OK, "CN=mail.example.org"},
        {"ec384", "ec384", ".key", PP_OK, "CN=ec384.example"},
        {"leaf", "below", ".key", PP_ERR_STATE, "not that of the (first) certificate"},
        {"leaf", "aged", ".key", PP_ERR_STATE, "not that of the (first) certificate"},
        {"tiny", "tiny", ".key", PP_ERR_UNSUPPORTED, "2048"},
        {"leaf", "locked", ".pkcs8", PP_ERR_UNSUPPORTED, "encrypted"},
        {"aged", "locked", ".key", PP_ERR_UNSUPPORTED, "encrypted"},
        {"leaf", "edwards", ".key", PP_ERR_UNSUPPORTED, "neither RSA nor P-256 or P-384"},
        {"leaf", "ec521", ".key", PP_ERR_UNSUPPORTED, "neither RSA nor P-256 or P-384"},
        {"edwards", "edwards", ".key", PP_ERR_SYNTAX, "certificate does not parse"},
        {"leaf", "leaf", ".chain", PP_ERR_SYNTAX, "no BEGIN PRIVATE KEY"},
        {"huge", "huge", ".key", PP_ERR_TOO_BIG, "PP_TLS_IDENTITY_BYTES"},
    };
    struct manner m = {.version = V13};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char words[256] = "";
        use_identity("ec384"); /* it stays in force where the new one is refused */
        enum pp_err err =
            set_identity(cases[i].chain, cases[i].key, cases[i].suffix, words, sizeof words);
        if (err != cases[i].err || strstr(words, cases[i].words) == NULL)
            fail_msg("%s with %s%s: %d, %s", cases[i].chain, cases[i].key, cases[i].suffix,
                     (int)err, words);
        assert_true(pp_tls_identity_known(PP_TLS_AS_SERVER));
        assert_int_equal(visit(&m, false), PP_OK);
        assert_int_equal(pp_tls_alloc_faults(), 0);
    }
    assert_int_equal(pp_tls_identity_set(PP_TLS_AS_SERVER, "no", 2, "no", 2, NULL, 0),
                     PP_ERR_SYNTAX);
}

/* Cut at any place, it is refused and leaves nothing. */
static void test_identity_cut(void **state)
{
    char chain[8192], key[8192], words[128];
    (void)state;
    size_t chain_len = load("below", ".chain", chain, sizeof chain);
    size_t key_len = load("below", ".key", key, sizeof key);
    size_t one = (size_t)(strstr(chain, "-----END") - chain);
    for (size_t cut = 0; cut < one; cut += 7) {
        assert_int_not_equal(
            pp_tls_identity_set(PP_TLS_AS_SERVER, chain, cut, key, key_len, words, sizeof words),
            PP_OK);
        assert_true(words[0] != '\0');
    }
    for (size_t cut = 0; cut + 10 < key_len; cut += 3)
        assert_int_not_equal(
            pp_tls_identity_set(PP_TLS_AS_SERVER, chain, chain_len, key, cut, words, sizeof words),
            PP_OK);
    /* Words in any room. */
    for (size_t cap = 1; cap < sizeof words; cap++) {
        assert_int_equal(
            pp_tls_identity_set(PP_TLS_AS_SERVER, chain, chain_len, key, key_len, words, cap),
            PP_OK);
        assert_true(strlen(words) < cap);
    }
    assert_int_equal(pp_tls_alloc_faults(), 0);
}

static void test_renewal(void **state)
{
    static struct pp_tls_server_slot other;
    struct pp_tls *second = pp_tls_server_slot(&other);
    struct manner m = {.version = V13};
    char words[256];
    (void)state;
    start(&m, false);
    use_identity("aged"); /* the visit goes on with what it began with */
    assert_int_equal(pp_tls_open_server(second, false, &io), PP_OK);
    assert_int_equal(set_identity("leaf", "leaf", ".key", words, sizeof words), PP_ERR_BUSY);
    assert_non_null(strstr(words, "still use"));
    pp_tls_close(second);
    assert_int_equal(set_identity("leaf", "leaf", ".key", words, sizeof words), PP_ERR_BUSY);
    assert_int_equal(shake(), PP_OK);
    assert_non_null(strstr(mbedtls_ssl_get_ciphersuite(&visitor.ssl), "TLS1-3"));
    assert_int_equal(mbedtls_pk_get_type(&mbedtls_ssl_get_peer_cert(&visitor.ssl)->pk),
                     MBEDTLS_PK_ECKEY);
    close_both();
    start(&m, false);
    assert_int_equal(shake(), PP_OK);
    assert_int_equal(mbedtls_pk_get_type(&mbedtls_ssl_get_peer_cert(&visitor.ssl)->pk),
                     MBEDTLS_PK_RSA);
    close_both();
    for (int i = 0; i < 10; i++)
        use_identity(i & 1 ? "aged" : "leaf");
}

/* ---- certificates of clients ---- */

static void digests_of(const char *name, uint8_t certificate[32], uint8_t key[32])
{
    char text[8192];
    mbedtls_x509_crt c;
    static struct pp_tls_arena arena;
    static _Alignas(16) uint8_t memory[16384];
    size_t len = load(name, ".pem", text, sizeof text);
    pp_tls_arena_begin(&arena, memory, sizeof memory);
    struct pp_tls_arena *before = pp_tls_arena_select(&arena);
    mbedtls_x509_crt_init(&c);
    assert_int_equal(mbedtls_x509_crt_parse(&c, (unsigned char *)text, len + 1), 0);
    assert_int_equal(pp_sha256(c.raw.p, c.raw.len, certificate), PP_OK);
    assert_int_equal(pp_sha256(c.pk_raw.p, c.pk_raw.len, key), PP_OK);
    mbedtls_x509_crt_free(&c);
    (void)pp_tls_arena_select(before);
    assert_true(pp_tls_arena_end(&arena));
}

static void assert_peer(const char *name, const char *subject)
{
    uint8_t certificate[32], key[32];
    digests_of(name, certificate, key);
    assert_true(tls->facts.has_peer);
    assert_memory_equal(tls->facts.certificate_sha256, certificate, 32);
    assert_memory_equal(tls->facts.key_sha256, key, 32);
    assert_string_equal(tls->facts.subject, subject);
}

static void test_client_certificate(void **state)
{
    static const struct {
        const char *name, *subject;
    } clients[] = {{"client", "CN=client.example"},
                   {"rsaclient", "CN=rsaclient.example"},
                   {"ec384", "CN=ec384.example"},
                   {"below", "CN=mail.example.org"},
                   {"self", "C=DE, O=Caf\xc3\xa9 \\x22x\\x22, CN=self.example"}};
    (void)state;
    for (int v = 0; v < 2; v++) {
        for (size_t i = 0; i < sizeof clients / sizeof *clients; i++) {
            struct manner m = {.version = v ? V13 : V12, .certificate = clients[i].name};
            wall = i == 0 ? 4102444800 : PP_WALL_UNKNOWN; /* dates do not matter */
            if (visit(&m, true) != PP_OK)
                fail_msg("%s, TLS 1.%d: %s", clients[i].name, v ? 3 : 2, tls->facts.failure);
            assert_peer(clients[i].name, clients[i].subject);
            assert_int_equal(visit(&m, false), PP_OK); /* not asked for */
            assert_false(tls->facts.has_peer);
            /* It does not have the key. */
            m.key = "leaf";
            if (strcmp(clients[i].name, "rsaclient") == 0)
                m.key = "aged";
            if (strcmp(clients[i].name, "ec384") == 0)
                m.key = "inter";
            assert_int_equal(visit(&m, true), PP_ERR_TRUST);
            assert_words("did not prove that it has the key");
        }
        struct manner plain = {.version = v ? V13 : V12};
        assert_int_equal(visit(&plain, true), PP_OK);
        assert_false(tls->facts.has_peer);
    }
}

/* ---- tickets ---- */

static bool was_resumed;

/* One visit that offers what was kept: was it taken? */
static void visit_again(mbedtls_ssl_protocol_version version, const char *own, bool ask)
{
    struct manner m = {.version = version, .resume = true, .certificate = own};
    start(&m, ask);
    assert_int_equal(shake(), PP_OK);
    was_resumed = !tls->session->is_full;
    talk();
    close_both();
}

static void test_resume(void **state)
{
    (void)state;
    for (int v = 0; v < 2; v++) {
        mbedtls_ssl_protocol_version version = v ? V13 : V12;
        struct manner m = {.version = version};
        assert_int_equal(visit(&m, false), PP_OK);
        for (int i = 0; i < 5; i++) { /* TLS 1.3 gives another each time */
            clock_ms += 1000;
            visit_again(version, NULL, false);
            assert_true(was_resumed);
            assert_string_equal(tls->facts.version, v ? "TLSv1.3" : "TLSv1.2");
            assert_false(tls->facts.has_peer);
            if (version == V12)
                break;
        }
        /* It goes on with another certificate of ours, and where a certificate is asked for. */
        use_identity(v ? "leaf" : "below");
        visit_again(version, "client", true);
        assert_true(was_resumed);
        assert_false(tls->facts.has_peer);
    }
}

/* What a ticket says of the client is what was proved when it was made. */
static void test_resume_with_certificate(void **state)
{
    (void)state;
    for (int v = 0; v < 2; v++) {
        mbedtls_ssl_protocol_version version = v ? V13 : V12;
        struct manner m = {.version = version, .certificate = "rsaclient"};
        assert_int_equal(visit(&m, true), PP_OK);
        for (int i = 0; i < 3; i++) { /* from ticket to ticket under TLS 1.3 */
            visit_again(version, NULL, true);
            assert_true(was_resumed);
            assert_peer("rsaclient", "CN=rsaclient.example");
        }
        visit_again(version, NULL, false);
        assert_true(was_resumed);
        assert_false(tls->facts.has_peer);
    }
}

/* Old, of another process, damaged: a full handshake, and nothing of it counts. */
static void test_tickets_refused(void **state)
{
    (void)state;
    for (int v = 0; v < 2; v++) {
        mbedtls_ssl_protocol_version version = v ? V13 : V12;
        struct manner m = {.version = version, .certificate = "client"};
        assert_int_equal(visit(&m, true), PP_OK);
        clock_ms += 23 * 3600 * 1000;
        visit_again(version, NULL, true);
        if (version == V12) { /* mbedTLS's client of TLS 1.3 counts by the same clock */
            assert_true(was_resumed);
        }
        clock_ms += 25ull * 3600 * 1000;
        visit_again(version, NULL, true);
        assert_false(was_resumed);
        assert_false(tls->facts.has_peer);
    }
}

/*
 * A ticket that opens well and is not resumed, here for an age that the library does not believe,
 * proves nothing: the client is whom its certificate says it is, which is nobody.
 */
static void test_ticket_not_resumed(void **state)
{
    struct manner m = {.version = V13, .certificate = "client"};
    (void)state;
    assert_int_equal(visit(&m, true), PP_OK);
    m.certificate = NULL;
    m.resume = true;
    start(&m, true);
    visitor_step(&visitor);
    clock_ms += 60 * 1000;
    assert_int_equal(shake(), PP_OK);
    assert_true(tls->session->kept.has_peer);
    assert_true(tls->session->is_full);
    assert_false(tls->facts.has_peer);
    close_both();
}

/* The bytes of a ticket, each changed in turn, straight to its reader. */
static void test_ticket_damaged(void **state)
{
    static uint8_t ticket[2048], copy[2048];
    mbedtls_ssl_session session;
    uint32_t lifetime_s = 0;
    size_t len = 0;
    (void)state;
    for (int v = 0; v < 2; v++) {
        struct manner m = {.version = v ? V13 : V12, .certificate = "client"};
        start(&m, true);
        assert_int_equal(shake(), PP_OK);
        struct pp_tls_arena *before = pp_tls_arena_select(&tls->arena);
        mbedtls_ssl_session *own = tls->session->ssl.MBEDTLS_PRIVATE(session);
        assert_int_equal(
            pp_tls_ticket_write(tls, own, ticket, ticket + sizeof ticket, &len, &lifetime_s), 0);
        assert_int_equal(lifetime_s, 86400);
        for (size_t i = 0; i <= len; i++) {
            memcpy(copy, ticket, len);
            if (i < len)
                copy[i] ^= (uint8_t)(1u << (i & 7));
            mbedtls_ssl_session_init(&session);
            int ret = pp_tls_ticket_parse(tls, &session, copy, len);
            assert_true((ret == 0) == (i == len));
            assert_true(tls->session->kept.has_peer == (i == len));
            mbedtls_ssl_session_free(&session);
            if (i == len)
                continue;
            memcpy(copy, ticket, len);
            mbedtls_ssl_session_init(&session);
            assert_int_not_equal(pp_tls_ticket_parse(tls, &session, copy, i), 0);
            mbedtls_ssl_session_free(&session);
        }
        /* A ticket of one version is none for the other. */
        tls->session->ssl.MBEDTLS_PRIVATE(tls_version) = v ? V12 : V13;
        memcpy(copy, ticket, len);
        mbedtls_ssl_session_init(&session);
        assert_int_not_equal(pp_tls_ticket_parse(tls, &session, copy, len), 0);
        assert_false(tls->session->kept.has_peer);
        mbedtls_ssl_session_free(&session);
        tls->session->ssl.MBEDTLS_PRIVATE(tls_version) = v ? V13 : V12;
        size_t unused = 0;
        for (size_t room = 0; room < len; room++)
            assert_int_not_equal(
                pp_tls_ticket_write(tls, own, copy, copy + room, &unused, &lifetime_s), 0);
        (void)pp_tls_arena_select(before);
        close_both();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_keys, each, clean),
        cmocka_unit_test_setup_teardown(test_suites, each, clean),
        cmocka_unit_test_setup_teardown(test_old_clients, each, clean),
        cmocka_unit_test_setup_teardown(test_no_tls, each, clean),
        cmocka_unit_test_setup_teardown(test_identity, each, clean),
        cmocka_unit_test_setup_teardown(test_identity_cut, each, clean),
        cmocka_unit_test_setup_teardown(test_renewal, each, clean),
        cmocka_unit_test_setup_teardown(test_client_certificate, each, clean),
        cmocka_unit_test_setup_teardown(test_resume, each, clean),
        cmocka_unit_test_setup_teardown(test_resume_with_certificate, each, clean),
        cmocka_unit_test_setup_teardown(test_tickets_refused, each, clean),
        cmocka_unit_test_setup_teardown(test_ticket_not_resumed, each, clean),
        cmocka_unit_test_setup_teardown(test_ticket_damaged, each, clean),
    };
    return cmocka_run_group_tests_name("tls_server", tests, set_up, tear_down);
}
