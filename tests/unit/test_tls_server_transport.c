/*
 * test_tls_server_transport.c - records, memory and errors of TLS as a server: transports that
 * trickle and break, bytes that were changed, arenas that run dry, a thousand handshakes
 */
#include "tls_visitor.h"

#include "wire/tls_session.h"

/* Records of 16 KiB and of one byte, both ways. */
static void test_data(void **state)
{
    static uint8_t sent[100000], got[100000];
    static const size_t pieces[] = {sizeof sent, 16384, 1};
    (void)state;
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (uint8_t)(i * i >> 3);
    for (int v = 0; v < 6; v++) {
        struct manner m = {.version = v & 1 ? V13 : V12};
        size_t piece = pieces[v / 2], all = piece == 1 ? 300 : sizeof sent, in = 0;
        start(&m, false);
        assert_int_equal(shake(), PP_OK);
        talk();
        for (size_t out = 0; in < all;) {
            int n = visitor_write(&visitor, sent + out, all - out < piece ? all - out : piece);
            assert_true(n >= 0);
            out += (size_t)n;
            n = pp_tls_read(tls, got + in, sizeof got - in);
            assert_true(n >= 0);
            in += (size_t)n;
        }
        assert_memory_equal(sent, got, all);
        memset(got, 0, sizeof got);
        in = 0;
        for (size_t out = 0; in < all;) {
            int n = pp_tls_write(tls, sent + out, all - out < piece ? all - out : piece);
            assert_true(n >= 0);
            out += (size_t)n;
            n = visitor_read(&visitor, got + in, sizeof got - in);
            assert_true(n >= 0);
            in += (size_t)n;
        }
        assert_memory_equal(sent, got, all);
        close_both();
    }
}

static void test_goodbye(void **state)
{
    uint8_t out[16];
    (void)state;
    for (int v = 0; v < 2; v++) {
        struct manner m = {.version = v ? V13 : V12};
        start(&m, false);
        assert_int_equal(shake(), PP_OK);
        talk();
        /* Ours. */
        pp_tls_close(tls);
        assert_int_equal(visitor_read(&visitor, out, sizeof out), -1);
        assert_int_equal(visitor.error, MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
        visitor_stop(&visitor);
        /* The client's, and its absence. */
        for (int polite = 0; polite < 2; polite++) {
            start(&m, false);
            assert_int_equal(shake(), PP_OK);
            talk();
            struct pp_tls_arena *before = pp_tls_arena_select(&visitor.arena);
            if (polite)
                assert_int_equal(mbedtls_ssl_close_notify(&visitor.ssl), 0);
            (void)pp_tls_arena_select(before);
            visitor.to_server.closed = true;
            assert_int_equal(pp_tls_read(tls, out, sizeof out),
                             polite ? PP_IO_CLOSED : PP_IO_FAILED);
            close_both();
        }
    }
}

static void test_trickle(void **state)
{
    (void)state;
    for (int v = 0; v < 2; v++) {
        struct manner m = {.version = v ? V13 : V12, .certificate = "client"};
        start(&m, true);
        visitor.to_server.most = visitor.to_client.most = 1;
        visitor.to_client.room = 1;
        enum pp_err err = PP_ERR_LATER;
        char out[8];
        for (int i = 0; i < 200000 && err == PP_ERR_LATER; i++) {
            err = pp_tls_handshake(tls);
            visitor_step(&visitor);
            if (visitor.done) /* the ticket comes behind its handshake */
                assert_int_equal(visitor_read(&visitor, out, sizeof out), 0);
        }
        assert_int_equal(err, PP_OK);
        assert_true(tls->facts.has_peer);
        visitor.to_client.room = 0;
        visitor.to_client.most = visitor.to_server.most = 0;
        talk();
        close_both();
    }
}

/* The client goes away after each byte of its part of the handshake. */
static void test_cut_everywhere(void **state)
{
    (void)state;
    for (int v = 0; v < 2; v++) {
        struct manner m = {.version = v ? V13 : V12, .certificate = "client"};
        bool whole = false;
        size_t cut, step = getenv("PP_TEST_THOROUGH") != NULL ? 1 : 11;
        for (cut = 1; !whole && cut < 20000; cut += cut < 20 ? 1 : step) {
            start(&m, true);
            visitor.to_server.cut_at = cut;
            enum pp_err err = shake();
            whole = err == PP_OK;
            if (!whole && err != PP_ERR_CLOSED)
                fail_msg("cut at %zu: %d %s", cut, (int)err, tls->facts.failure);
            if (!whole)
                assert_words("closed by the client");
            close_both();
        }
        assert_true(whole && cut > 500);
    }
}

/* A bit is changed in each place of what the client sends: no handshake comes to its end with
 * another client than the one that it is, and nothing is left over. */
static void test_damaged(void **state)
{
    size_t failed = 0;
    (void)state;
    for (int v = 0; v < 2; v++) {
        struct manner m = {.version = v ? V13 : V12, .certificate = "client"};
        for (size_t at = 0; at < 1400; at += at < 12 ? 1 : 13) {
            enum pp_err err = PP_ERR_LATER;
            bool changed = false;
            start(&m, true);
            for (int i = 0; i < 50 && err == PP_ERR_LATER; i++) {
                struct pipe *p = &visitor.to_server;
                visitor_step(&visitor);
                size_t first = p->total - (p->tail - p->head);
                if (!changed && at >= first && at < p->total) {
                    p->bytes[p->head + at - first] ^= 0x10;
                    changed = true;
                }
                err = pp_tls_handshake(tls);
            }
            assert_true(err != PP_OK || !changed || at < 12);
            failed += err != PP_OK && err != PP_ERR_LATER;
            assert_true(err == PP_OK || err == PP_ERR_LATER || tls->facts.failure[0] != '\0');
            close_both();
        }
    }
    assert_true(failed > 100);
}

static void test_refused_by_client(void **state)
{
    static const uint8_t alert[] = {21, 3, 3, 0, 2, 2, 48};
    struct manner m = {.version = V12};
    (void)state;
    start(&m, false);
    visitor_step(&visitor);
    assert_int_equal(pp_tls_handshake(tls), PP_ERR_LATER);
    assert_int_equal(pipe_write(&visitor.to_server, alert, sizeof alert), sizeof alert);
    assert_int_equal(pp_tls_handshake(tls), PP_ERR_TRUST);
    assert_words("the client does not trust our certificate (alert 48 unknown_ca)");
    close_both();
    /* OpenSSL under TLS 1.3. */
    m.version = V13;
    start(&m, false);
    visitor_step(&visitor);
    assert_int_equal(pp_tls_handshake(tls), PP_ERR_LATER);
    assert_int_equal(pipe_write(&visitor.to_server, alert, sizeof alert), sizeof alert);
    assert_int_equal(pp_tls_handshake(tls), PP_ERR_TRUST);
    assert_words("not trust the certificate");
    close_both();
}

/* ---- memory ---- */

static uint32_t high_water(const char *name, mbedtls_ssl_protocol_version version, const char *own)
{
    struct manner m = {.version = version, .certificate = own};
    use_identity(name);
    tls->arena.high_bytes = 0;
    if (visit(&m, own != NULL) != PP_OK)
        fail_msg("%s: %s", name, tls->facts.failure);
    m.resume = true;
    assert_int_equal(visit(&m, own != NULL), PP_OK);
    return tls->arena.high_bytes;
}

static void test_memory(void **state)
{
    static const char *const names[] = {"leaf", "aged", "big"};
    static const char *const owns[] = {NULL, "client", "rsaclient", "big"};
    uint32_t most = 0;
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        for (size_t k = 0; k < 4; k++) {
            uint32_t v12 = high_water(names[i], V12, owns[k]);
            uint32_t v13 = high_water(names[i], V13, owns[k]);
            print_message("arena with %s, client %s: TLS 1.2 %u, 1.3 %u of %u\n", names[i],
                          owns[k] != NULL ? owns[k] : "has none", v12, v13,
                          (unsigned)PP_TLS_SERVER_ARENA_BYTES);
            most = v12 > most ? v12 : most;
            most = v13 > most ? v13 : most;
        }
    }
    assert_true(most < PP_TLS_SERVER_ARENA_BYTES - PP_TLS_SERVER_ARENA_BYTES / 16);
    print_message("shared arena: %u of %u\n", pp_tls_arena_shared()->high_bytes,
                  (unsigned)PP_TLS_SHARED_ARENA_BYTES);
}

/* A longer chain than there is room for is the client's mistake, not ours. */
static void test_huge_client(void **state)
{
    (void)state;
    for (int v = 0; v < 2; v++) {
        struct manner m = {.version = v ? V13 : V12, .certificate = "long"};
        enum pp_err err = visit(&m, true);
        assert_true(err == PP_OK || err == PP_ERR_DRY);
        if (err == PP_ERR_DRY)
            assert_words("no memory left");
    }
}

/* Whatever allocation is the first to fail, it is an ordinary event. */
static void test_dry(void **state)
{
    (void)state;
    use_identity("aged");
    struct manner plain = {.version = V12};
    struct pp_tls_identity *identity = pp_tls_identity_take(PP_TLS_AS_SERVER);
    uint32_t used = identity->arena.used_bytes;
    for (int v = 0; v < 2; v++) {
        struct manner m = {.version = v ? V13 : V12, .certificate = "client"};
        bool enough = false;
        size_t dry_runs = 0;
        for (uint32_t size = 512; !enough; size += 733) {
            start(&m, true);
            void *hole = NULL;
            struct pp_tls_arena *before = pp_tls_arena_select(&tls->arena);
            if (tls->arena.cap - tls->arena.used_bytes > size + 64)
                hole = pp_tls_calloc(1, tls->arena.cap - tls->arena.used_bytes - size - 64);
            (void)pp_tls_arena_select(before);
            enough = hole == NULL;
            enum pp_err err = shake();
            assert_true(err == PP_OK || err == PP_ERR_DRY);
            if (err == PP_ERR_DRY) {
                dry_runs++;
                assert_words("no memory left");
            }
            pp_tls_free(hole);
            close_both();
            assert_int_equal(identity->arena.used_bytes, used);
            /* The key signs as before: TLS 1.2's client looks at each signature. */
            if (err == PP_ERR_DRY)
                assert_int_equal(visit(&plain, false), PP_OK);
        }
        assert_true(dry_runs > 5);
    }
    pp_tls_identity_release(identity);
}

/*
 * Handshakes in several slots at once, each begun before the one before is done: what the library
 * keeps in the key stays in the identity's arena, which does not grow.
 */
static void test_thousand(void **state)
{
    static const char *const names[] = {"aged", "leaf"};
    static struct visitor visitors[8];
    static struct pp_tls_server_slot slots[8];
    static struct pp_tls_io ios[8];
    const char *given = getenv("PP_TEST_HANDSHAKES");
    size_t rounds = given != NULL ? (size_t)atoi(given) / 16 : 63;
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        use_identity(names[i]);
        struct pp_tls_identity *identity = pp_tls_identity_take(PP_TLS_AS_SERVER);
        uint32_t used = identity->arena.used_bytes, blocks = identity->arena.blocks;
        for (size_t round = 0; round < rounds; round++) {
            bool all = false;
            for (size_t k = 0; k < 8; k++) {
                struct manner m = {.version = (round + k) & 1 ? V13 : V12};
                visitor_start(&visitors[k], &m);
                ios[k] = io;
                ios[k].ctx = &visitors[k];
                assert_int_equal(pp_tls_open_server(pp_tls_server_slot(&slots[k]), false, &ios[k]),
                                 PP_OK);
            }
            for (int step = 0; step < 50 && !all; step++) {
                all = true;
                for (size_t k = 0; k < 8; k++) {
                    visitor_step(&visitors[k]);
                    if (!slots[k].tls.facts.handshake_done) {
                        enum pp_err err = pp_tls_handshake(&slots[k].tls);
                        assert_true(err == PP_OK || err == PP_ERR_LATER);
                    }
                    all = all && slots[k].tls.facts.handshake_done;
                }
            }
            assert_true(all);
            for (size_t k = 8; k-- > 0;) {
                pp_tls_close(&slots[(k + round) % 8].tls);
                visitor_stop(&visitors[k]);
            }
            assert_int_equal(identity->arena.used_bytes, used);
            assert_int_equal(identity->arena.blocks, blocks);
        }
        assert_int_equal(pp_tls_alloc_faults(), 0);
        print_message("identity %s: %u bytes, at most %u of %u\n", names[i], used,
                      identity->arena.high_bytes, (unsigned)PP_TLS_IDENTITY_BYTES);
        pp_tls_identity_release(identity);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_data, each, clean),
        cmocka_unit_test_setup_teardown(test_goodbye, each, clean),
        cmocka_unit_test_setup_teardown(test_trickle, each, clean),
        cmocka_unit_test_setup_teardown(test_cut_everywhere, each, clean),
        cmocka_unit_test_setup_teardown(test_damaged, each, clean),
        cmocka_unit_test_setup_teardown(test_refused_by_client, each, clean),
        cmocka_unit_test_setup_teardown(test_memory, each, clean),
        cmocka_unit_test_setup_teardown(test_huge_client, each, clean),
        cmocka_unit_test_setup_teardown(test_dry, each, clean),
        cmocka_unit_test_setup_teardown(test_thousand, each, clean),
    };
    return cmocka_run_group_tests_name("tls_server_transport", tests, set_up, tear_down);
}
