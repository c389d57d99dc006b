/*
 * test_tls_transport.c - the TLS client's records, memory and errors: transports that trickle,
 * stall and break, peers that are no TLS server, arenas that run dry
 */
#include "tls_client.h"

static void test_data(void **state)
{
    static uint8_t sent[100000], got[100000];
    struct pp_tls_policy policy = policy_of(PP_TLS_ENCRYPT);
    (void)state;
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (uint8_t)(i * i >> 3);
    for (int v = 0; v < 2; v++) {
        size_t out = 0, in = 0;
        peer_start(&peer, "leaf", v ? V13 : V12);
        open_client(&policy, "mail.example.org", false);
        assert_int_equal(shake(), PP_OK);
        assert_string_equal(tls.facts.version, v ? "TLSv1.3" : "TLSv1.2");
        assert_true(strlen(tls.facts.cipher) > 10);
        assert_string_equal(peer.sni, "mail.example.org");
        while (in < sizeof sent) {
            int n = pp_tls_write(&tls, sent + out, sizeof sent - out);
            assert_true(n >= 0);
            out += (size_t)n;
            n = peer_read(&peer, got + in, sizeof got - in);
            assert_true(n >= 0);
            in += (size_t)n;
        }
        assert_memory_equal(sent, got, sizeof sent);
        memset(got, 0, sizeof got);
        for (out = in = 0; in < sizeof sent;) {
            int n = peer_write(&peer, sent + out, sizeof sent - out);
            assert_true(n >= 0);
            out += (size_t)n;
            n = pp_tls_read(&tls, got + in, sizeof got - in < 777 ? sizeof got - in : 777);
            assert_true(n >= 0);
            in += (size_t)n;
        }
        assert_memory_equal(sent, got, sizeof sent);
        /* In the middle of a record the stream may look idle. */
        assert_int_equal(peer_write(&peer, "0123456789", 10), 10);
        assert_int_equal(pp_tls_read(&tls, got, 3), 3);
        assert_true(pp_tls_pending(&tls));
        assert_int_equal(pp_tls_read(&tls, got, 100), 7);
        assert_false(pp_tls_pending(&tls));
        assert_int_equal(pp_tls_read(&tls, got, 100), PP_IO_LATER);
        peer_say_goodbye(&peer);
        assert_int_equal(pp_tls_read(&tls, got, 100), PP_IO_CLOSED);
        assert_int_equal(pp_tls_read(&tls, got, 100), PP_IO_CLOSED);
        close_both();
        assert_int_equal(pp_tls_read(&tls, got, 100), PP_IO_FAILED);
    }
}

/* ---- transports ---- */

static void test_trickle(void **state)
{
    struct pp_tls_policy policy = policy_of(PP_TLS_SECURE);
    uint8_t out[64];
    (void)state;
    for (int v = 0; v < 2; v++) {
        peer_start(&peer, "below", v ? V13 : V12);
        peer.to_client.most = peer.to_server.most = 1;
        peer.to_server.room = 1;
        open_client(&policy, "mail.example.org", false);
        assert_int_equal(shake(), PP_OK);
        assert_int_equal(peer_write(&peer, "hello", 5), 5);
        int n = 0;
        for (int i = 0; i < 100 && n == 0; i++)
            n = pp_tls_read(&tls, out, sizeof out);
        assert_int_equal(n, 5);
        close_both();
    }
}

/* A record that waits is not counted twice when more is offered behind it. */
static void test_blocked_write(void **state)
{
    static uint8_t bytes[40000], got[40000];
    struct pp_tls_policy policy = policy_of(PP_TLS_ENCRYPT);
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i % 251);
    for (int v = 0; v < 2; v++) {
        size_t out = 0, in = 0, offered = 10;
        bool waited = false;
        peer_start(&peer, "leaf", v ? V13 : V12);
        open_client(&policy, "mail.example.org", false);
        assert_int_equal(shake(), PP_OK);
        peer.to_server.room = 300;
        for (int i = 0; i < 100000 && in < sizeof bytes; i++) {
            int n = pp_tls_write(&tls, bytes + out, offered - out);
            assert_true(n >= 0);
            waited = waited || (n == 0 && pp_tls_wants_write(&tls));
            out += (size_t)n;
            offered = offered + 777 < sizeof bytes ? offered + 777 : sizeof bytes;
            n = peer_read(&peer, got + in, sizeof got - in);
            assert_true(n >= 0);
            in += (size_t)n;
        }
        assert_true(waited);
        assert_int_equal(out, sizeof bytes);
        assert_memory_equal(bytes, got, sizeof bytes);
        close_both();
    }
}

static void test_cut_everywhere(void **state)
{
    struct pp_tls_policy policy = policy_of(PP_TLS_SECURE);
    (void)state;
    for (int v = 0; v < 2; v++) {
        bool whole = false;
        size_t step = v ? 17 : 13, cut;
        for (cut = 1; !whole && cut < 20000; cut += cut < 40 ? 1 : step) {
            peer_start(&peer, "below", v ? V13 : V12);
            peer.to_client.cut_at = cut;
            open_client(&policy, "mail.example.org", false);
            enum pp_err err = shake();
            whole = err == PP_OK;
            if (!whole) {
                assert_int_equal(err, PP_ERR_CLOSED);
                assert_false(tls.facts.trusted);
                assert_words("closed by the server during the TLS handshake");
            }
            close_both();
        }
        assert_true(whole);
        assert_true(cut > 800);
    }
}

/* Each byte of a server's answer damaged in turn never makes a good handshake of a bad one. */
static void test_damaged(void **state)
{
    struct pp_tls_policy policy = policy_of(PP_TLS_SECURE);
    (void)state;
    for (int v = 0; v < 2; v++) {
        for (size_t at = 0; at < 1500; at += 41) {
            enum pp_err err = PP_ERR_LATER;
            peer_start(&peer, "leaf", v ? V13 : V12);
            open_client(&policy, "mail.example.org", false);
            for (int i = 0; i < 100 && err == PP_ERR_LATER; i++) {
                struct pipe *p = &peer.to_client;
                err = pp_tls_handshake(&tls);
                size_t from = p->total;
                peer_step(&peer);
                if (from <= at && p->total > at)
                    p->bytes[p->tail - (p->total - at)] ^= 0x55;
            }
            if (err == PP_OK)
                assert_true(peer.to_client.total <= at || at < 3);
            assert_true(err == PP_OK || tls.facts.trusted == false);
            close_both();
        }
    }
}

static void test_truncation(void **state)
{
    struct pp_tls_policy policy = policy_of(PP_TLS_ENCRYPT);
    uint8_t out[16];
    (void)state;
    peer_start(&peer, "leaf", V13);
    open_client(&policy, "mail.example.org", false);
    assert_int_equal(shake(), PP_OK);
    assert_int_equal(peer_write(&peer, "abc", 3), 3);
    peer.to_client.closed = true;
    assert_int_equal(pp_tls_read(&tls, out, sizeof out), 3);
    assert_int_equal(pp_tls_read(&tls, out, sizeof out), PP_IO_FAILED);
    assert_int_equal(pp_tls_write(&tls, out, 1), PP_IO_FAILED);
    close_both();
}

/* ---- what is no TLS, and what is too much ---- */

static enum pp_err answer_with(const void *bytes, size_t len, bool end)
{
    struct pp_tls_policy policy = policy_of(PP_TLS_SECURE);
    pipe_reset(&peer.to_client);
    pipe_reset(&peer.to_server);
    (void)pipe_write(&peer.to_client, bytes, len);
    peer.to_client.closed = end;
    open_client(&policy, "mail.example.org", false);
    enum pp_err err = shake();
    close_both();
    return err;
}

static void test_not_tls(void **state)
{
    static const char greeting[] = "220 mail.example.org ESMTP\r\n";
    static const uint8_t refusal[] = {21, 3, 3, 0, 2, 2, 40};
    static const uint8_t too_old[] = {21, 3, 1, 0, 2, 2, 70};
    static const uint8_t access[] = {21, 3, 3, 0, 2, 2, 49};
    static const uint8_t old_hello[] = {22, 3, 1, 0, 44, 2, 0, 0, 40, 3, 1};
    uint8_t hello[64] = {0};
    (void)state;
    assert_int_equal(answer_with(greeting, sizeof greeting - 1, false), PP_ERR_TRUST);
    assert_words("not TLS: the server sent \"220 mail.example.org ESMTP");
    assert_words("STARTTLS port?");
    assert_int_equal(answer_with(refusal, sizeof refusal, false), PP_ERR_TRUST);
    assert_words("no common TLS version or cipher (alert 40 handshake_failure)");
    assert_int_equal(answer_with(too_old, sizeof too_old, true), PP_ERR_TRUST);
    assert_words("alert 70 protocol_version");
    assert_int_equal(answer_with(access, sizeof access, true), PP_ERR_TRUST);
    assert_words("alert 49 access_denied");
    memcpy(hello, old_hello, sizeof old_hello);
    assert_int_equal(answer_with(hello, 49, true), PP_ERR_TRUST);
    assert_words("neither TLS 1.2 nor TLS 1.3");
    assert_int_equal(answer_with("", 0, true), PP_ERR_CLOSED);
    /* Noise of every first byte. */
    for (unsigned i = 0; i < 256; i++) {
        uint8_t noise[100];
        for (size_t k = 0; k < sizeof noise; k++)
            noise[k] = (uint8_t)(k * k + i);
        noise[0] = (uint8_t)i;
        enum pp_err err = answer_with(noise, sizeof noise, true);
        assert_true(err == PP_ERR_TRUST || err == PP_ERR_CLOSED);
        assert_true(tls.facts.failure[0] != '\0');
    }
}

/* Records that carry nothing keep nobody busy without end. */
static void test_flood(void **state)
{
    static const uint8_t empty[] = {20, 3, 3, 0, 1, 1}; /* change_cipher_spec: ignored in TLS 1.3 */
    struct pp_tls_policy policy = policy_of(PP_TLS_ENCRYPT);
    (void)state;
    pipe_reset(&peer.to_client);
    pipe_reset(&peer.to_server);
    open_client(&policy, "mail.example.org", false);
    for (int i = 0; i < 40000; i++)
        (void)pipe_write(&peer.to_client, empty, sizeof empty);
    size_t before = peer.to_client.head;
    enum pp_err err = pp_tls_handshake(&tls);
    assert_true(peer.to_client.head - before <= 64 * 1024);
    if (err == PP_ERR_LATER)
        assert_true(pp_tls_pending(&tls));
    close_both();
}

static void test_huge_chain(void **state)
{
    struct pp_tls_policy policy = policy_of(PP_TLS_ENCRYPT);
    (void)state;
    for (int v = 0; v < 2; v++) {
        peer_start(&peer, "huge", v ? V13 : V12);
        open_client(&policy, "mail.example.org", false);
        enum pp_err err = shake();
        assert_true(err == PP_ERR_TRUST || err == PP_ERR_LATER || err == PP_ERR_DRY ||
                    err == PP_ERR_CLOSED);
        close_both();
    }
}

static uint32_t high_water(const char *server, mbedtls_ssl_protocol_version version,
                           const struct pp_tls_policy *policy)
{
    tls.arena.high_bytes = 0;
    assert_int_equal(visit(server, version, policy, "mail.example.org"), PP_OK);
    return tls.arena.high_bytes;
}

static void test_memory(void **state)
{
    struct pp_tls_policy secure = policy_of(PP_TLS_SECURE), any = policy_of(PP_TLS_ENCRYPT);
    (void)state;
    for (int v = 0; v < 2; v++) {
        mbedtls_ssl_protocol_version version = v ? V13 : V12;
        uint32_t big = high_water("big", version, &secure);
        uint32_t longest = high_water("long", version, &secure);
        print_message("arena, TLS 1.%d: RSA-4096 chain of four %u, of ten %u, P-256 %u of %u\n",
                      v ? 3 : 2, big, longest, high_water("leaf", version, &any),
                      (unsigned)PP_TLS_ARENA_BYTES);
        assert_true(big < PP_TLS_ARENA_BYTES - PP_TLS_ARENA_BYTES / 8);
    }
    print_message("shared arena: %u of %u\n", pp_tls_arena_shared()->high_bytes,
                  (unsigned)PP_TLS_SHARED_ARENA_BYTES);
}

/* Whatever allocation is the first to fail, it is an ordinary event. */
static void test_dry(void **state)
{
    struct pp_tls_policy policy = policy_of(PP_TLS_SECURE);
    (void)state;
    for (int v = 0; v < 2; v++) {
        bool enough = false;
        size_t dry_runs = 0;
        for (uint32_t size = 1024; !enough; size += 1531) {
            peer_start(&peer, "below", v ? V13 : V12);
            enum pp_err err = pp_tls_open(
                &tls, &(struct pp_tls_target){.policy = &policy, .host_z = "mail.example.org"},
                &io);
            if (err == PP_OK) {
                /* The rest of the arena is taken away. */
                void *hole = NULL;
                struct pp_tls_arena *before = pp_tls_arena_select(&tls.arena);
                if (tls.arena.cap - tls.arena.used_bytes > size + 64)
                    hole = pp_tls_calloc(1, tls.arena.cap - tls.arena.used_bytes - size - 64);
                (void)pp_tls_arena_select(before);
                enough = hole == NULL;
                err = shake();
                assert_true(err == PP_OK || err == PP_ERR_DRY);
                if (err == PP_ERR_DRY) {
                    dry_runs++;
                    assert_words("too large for this build: PP_TLS_ARENA_BYTES");
                    assert_false(tls.facts.trusted);
                }
                pp_tls_free(hole);
            }
            close_both();
        }
        assert_true(dry_runs > 10);
    }
}

/* ---- the allocator ---- */

static void test_allocator(void **state)
{
    static _Alignas(16) uint8_t memory[4096];
    struct pp_tls_arena arena = {0};
    void *p[64];
    uint32_t seed = 1;
    (void)state;
    pp_tls_arena_begin(&arena, memory, sizeof memory);
    struct pp_tls_arena *before = pp_tls_arena_select(&arena);
    assert_null(pp_tls_calloc(SIZE_MAX, 2));
    assert_null(pp_tls_calloc(SIZE_MAX / 2, 3));
    assert_null(pp_tls_calloc(1, 4096));
    assert_null(pp_tls_calloc(0, 4));
    assert_int_equal(arena.dry, 3);
    memset(p, 0, sizeof p);
    for (int i = 0; i < 20000; i++) {
        seed = seed * 1664525u + 1013904223u;
        size_t k = seed >> 26, len = (seed >> 8) % 200 + 1;
        if (p[k] == NULL) {
            p[k] = pp_tls_calloc(1, len);
            if (p[k] != NULL) {
                assert_int_equal((uintptr_t)p[k] % 16, 0);
                for (size_t b = 0; b < len; b++)
                    assert_int_equal(((uint8_t *)p[k])[b], 0);
                memset(p[k], 0xa5, len);
            }
        } else {
            pp_tls_free(p[k]);
            p[k] = NULL;
        }
    }
    for (size_t k = 0; k < 64; k++)
        pp_tls_free(p[k]);
    assert_int_equal(arena.used_bytes, 0);
    assert_int_equal(arena.blocks, 0);
    assert_true(arena.high_bytes > 3000);
    /* All grown together again, and nothing of what was written is left. */
    void *all = pp_tls_calloc(1, sizeof memory - 16);
    assert_non_null(all);
    pp_tls_free(all);
    for (size_t i = 16; i < sizeof memory; i++)
        assert_int_equal(memory[i], 0);
    assert_true(pp_tls_arena_end(&arena));
    (void)pp_tls_arena_select(before);
}

/* Several connections at once, closed in another order than opened. */
static void test_slots(void **state)
{
    static struct pp_tls slots[3];
    static struct pp_tls_memory memory[3];
    struct pp_tls_policy policy = policy_of(PP_TLS_ENCRYPT);
    (void)state;
    pipe_reset(&peer.to_client);
    pipe_reset(&peer.to_server);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            pp_tls_open(&slots[i],
                        &(struct pp_tls_target){.policy = &policy, .host_z = "a.example"}, &io),
            PP_ERR_STATE);
        pp_tls_give_memory(&slots[i], &memory[i], sizeof memory[i]);
        assert_int_equal(
            pp_tls_open(&slots[i],
                        &(struct pp_tls_target){.policy = &policy, .host_z = "a.example"}, &io),
            PP_OK);
        assert_int_equal(pp_tls_handshake(&slots[i]), PP_ERR_LATER);
    }
    pp_tls_close(&slots[1]);
    assert_int_equal(pp_tls_handshake(&slots[0]), PP_ERR_LATER);
    pp_tls_close(&slots[0]);
    assert_int_equal(
        pp_tls_open(&slots[1], &(struct pp_tls_target){.policy = &policy, .host_z = ""}, &io),
        PP_ERR_SYNTAX);
    assert_int_equal(
        pp_tls_open(&slots[1], &(struct pp_tls_target){.policy = &policy, .host_z = "b\n"}, &io),
        PP_ERR_SYNTAX);
    pp_tls_close(&slots[2]);
    assert_int_equal(pp_tls_handshake(&slots[2]), PP_ERR_STATE);
    assert_int_equal(pp_tls_alloc_faults(), 0);
    pp_tls_note_failure(&slots[2], "because");
    assert_string_equal(pp_tls_facts(&slots[2])->failure, "because");
    pp_tls_note_failure(&slots[2], "");
    assert_string_equal(pp_tls_facts(&slots[2])->failure, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_allocator, each, clean),
        cmocka_unit_test_setup_teardown(test_slots, each, clean),
        cmocka_unit_test_setup_teardown(test_data, each, clean),
        cmocka_unit_test_setup_teardown(test_trickle, each, clean),
        cmocka_unit_test_setup_teardown(test_blocked_write, each, clean),
        cmocka_unit_test_setup_teardown(test_cut_everywhere, each, clean),
        cmocka_unit_test_setup_teardown(test_damaged, each, clean),
        cmocka_unit_test_setup_teardown(test_truncation, each, clean),
        cmocka_unit_test_setup_teardown(test_not_tls, each, clean),
        cmocka_unit_test_setup_teardown(test_flood, each, clean),
        cmocka_unit_test_setup_teardown(test_huge_chain, each, clean),
        cmocka_unit_test_setup_teardown(test_memory, each, clean),
        cmocka_unit_test_setup_teardown(test_dry, each, clean),
    };
    return cmocka_run_group_tests_name("tls_transport", tests, set_up, tear_down);
}
