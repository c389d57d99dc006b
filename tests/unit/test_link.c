/*
 * test_link.c - bytes between a stream in memory and a machine, STARTTLS and what may go wrong with
 * it
 */
#include <setjmp.h>
#include <stdarg.h>

#include "tls_peer.h"

#include <cmocka.h>

#include "wire/link.h"
#include "wire/tls_slot.h"

#define NEWEST MBEDTLS_SSL_VERSION_TLS1_3

/* ---- a port with one stream, whose far end is the test ---- */

static struct peer peer;
static struct pp_tls tls;
static struct pp_tls_memory tls_memory;
static struct pp_link link_;
static struct {
    int fail_read, fail_write;
    bool open, wants_read, wants_write;
    unsigned writes;
    pp_time_ms now_ms;
} world;

static uint64_t now_ms(void *ctx)
{
    (void)ctx;
    return world.now_ms;
}

static int64_t wall_s(void *ctx)
{
    (void)ctx;
    return (int64_t)time(NULL);
}

static int stream_read(void *ctx, int stream, void *out, size_t cap)
{
    (void)ctx;
    assert_int_equal(stream, 5);
    int n = pipe_read(&peer.to_client, out, cap);
    return n == 0 && world.fail_read != 0 ? world.fail_read : n;
}

static int stream_write(void *ctx, int stream, const void *bytes, size_t len)
{
    (void)ctx;
    assert_int_equal(stream, 5);
    world.writes++;
    return world.fail_write != 0 ? world.fail_write : pipe_write(&peer.to_server, bytes, len);
}

static void stream_watch(void *ctx, int stream, bool wants_read, bool wants_write)
{
    (void)ctx;
    assert_int_equal(stream, 5);
    world.wants_read = wants_read;
    world.wants_write = wants_write;
}

static void stream_close(void *ctx, int stream)
{
    (void)ctx;
    assert_int_equal(stream, 5);
    assert_true(world.open);
    world.open = false;
}

static const struct pp_port port = {.now_ms = now_ms,
                                    .wall_s = wall_s,
                                    .stream_read = stream_read,
                                    .stream_write = stream_write,
                                    .stream_watch = stream_watch,
                                    .stream_close = stream_close};

/* ---- a machine: takes lines, answers each, knows STARTTLS and BYE ---- */

static struct {
    char heard[4096]; /* all lines */
    size_t heard_len;
    bool wants_tls, secured, finished, deaf;
    size_t chatter; /* bytes still to be said */
} machine;

static void on_line(const char *line, size_t len, struct pp_buf *out)
{
    memcpy(machine.heard + machine.heard_len, line, len);
    machine.heard_len += len;
    if (len == 4 && memcmp(line, "tls\n", 4) == 0)
        machine.wants_tls = true;
    else if (len == 4 && memcmp(line, "bye\n", 4) == 0)
        machine.finished = true;
    else
        assert_true(pp_buf_put(out, "ok\n", 3));
}

static void pump(void *ctx, struct pp_buf *in, struct pp_buf *out, pp_time_ms now)
{
    size_t room;
    (void)ctx;
    assert_int_equal(now, world.now_ms);
    while (machine.chatter > 0) {
        uint8_t *at = pp_buf_reserve(out, &room);
        if (room == 0)
            break;
        if (room > machine.chatter)
            room = machine.chatter;
        memset(at, 'c', room);
        pp_buf_commit(out, room);
        machine.chatter -= room;
    }
    while (pp_buf_len(in) > 0 && !machine.wants_tls && !machine.deaf) {
        const char *head = (const char *)pp_buf_head(in);
        const char *end = memchr(head, '\n', pp_buf_len(in));
        if (end == NULL)
            break;
        size_t len = (size_t)(end - head) + 1;
        on_line(head, len, out);
        pp_buf_consume(in, len);
    }
}

static bool wants_tls(void *ctx)
{
    (void)ctx;
    return machine.wants_tls;
}

static void secured(void *ctx, pp_time_ms now)
{
    (void)ctx;
    (void)now;
    machine.wants_tls = false;
    machine.secured = true;
}

static bool finished(void *ctx)
{
    (void)ctx;
    return machine.finished;
}

static const struct pp_machine ops = {
    .pump = pump, .wants_tls = wants_tls, .secured = secured, .finished = finished};

static int each(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    memset(&machine, 0, sizeof machine);
    world.now_ms = 1000;
    pp_tls_give_memory(&tls, &tls_memory, sizeof tls_memory);
    pipe_reset(&peer.to_client);
    pipe_reset(&peer.to_server);
    return 0;
}

static int clean(void **state)
{
    (void)state;
    pp_link_close(&link_, PP_OK);
    peer_stop(&peer);
    return 0;
}

static enum pp_err connect_with(enum pp_tls_level level, enum pp_tls_mode mode)
{
    static struct pp_tls_policy policy;
    const struct pp_tls_target target = {.policy = &policy, .host_z = "mail.example.org"};
    policy = (struct pp_tls_policy){.level = level, .mode = mode};
    world.open = true;
    pp_link_begin(&link_, &port, 5, &ops, &tls, &target, 5000);
    return PP_OK;
}

static void pump_all(void)
{
    for (int i = 0; i < 10000 && pp_link_pump(&link_, world.now_ms); i++)
        ;
}

static void say(const char *text)
{
    assert_int_equal(pipe_write(&peer.to_client, text, strlen(text)), strlen(text));
}

static void assert_heard(const char *text)
{
    assert_int_equal(machine.heard_len, strlen(text));
    assert_memory_equal(machine.heard, text, machine.heard_len);
}

/* ---- in the clear ---- */

static void test_lines(void **state)
{
    char out[64];
    (void)state;
    assert_int_equal(connect_with(PP_TLS_NONE, PP_TLS_STARTTLS), PP_OK);
    pump_all();
    assert_int_equal(link_.state, PP_LINK_OPEN);
    assert_true(world.wants_read && !world.wants_write);
    say("one\ntwo\nthr");
    pump_all();
    assert_heard("one\ntwo\n");
    assert_int_equal(world.writes, 1); /* a flight is one write */
    assert_int_equal(pipe_read(&peer.to_server, out, sizeof out), 6);
    say("ee\nbye\n");
    pump_all();
    assert_heard("one\ntwo\nthree\nbye\n");
    assert_int_equal(link_.state, PP_LINK_CLOSED);
    assert_int_equal(link_.error, PP_OK);
    assert_false(world.open);
    assert_int_equal(pipe_read(&peer.to_server, out, sizeof out), 3);
    assert_false(pp_link_pump(&link_, world.now_ms));
}

static void test_end_of_stream(void **state)
{
    (void)state;
    /* The machine sees what came before the end. */
    assert_int_equal(connect_with(PP_TLS_NONE, PP_TLS_STARTTLS), PP_OK);
    say("421 no\nhalf");
    peer.to_client.closed = true;
    pump_all();
    assert_heard("421 no\n");
    assert_int_equal(link_.state, PP_LINK_CLOSED);
    assert_int_equal(link_.error, PP_ERR_CLOSED);
    /* So it does before a reset. */
    each(NULL);
    assert_int_equal(connect_with(PP_TLS_NONE, PP_TLS_STARTTLS), PP_OK);
    say("a\n");
    world.fail_read = PP_IO_FAILED;
    pump_all();
    assert_heard("a\n");
    assert_int_equal(link_.error, PP_ERR_IO);
    /* A peer that closed its half gets its answer, however slowly it takes it. */
    each(NULL);
    pp_link_accept(&link_, &port, 5, &ops);
    world.open = true;
    assert_true(world.wants_read);
    peer.to_server.room = 2;
    say("x\ny\nbye\n");
    peer.to_client.closed = true;
    pump_all();
    assert_int_equal(link_.state, PP_LINK_OPEN);
    assert_true(world.wants_write && !world.wants_read);
    char out[8];
    for (size_t got = 0; got < 6;) {
        int n = pipe_read(&peer.to_server, out, sizeof out);
        assert_true(n > 0);
        got += (size_t)n;
        pump_all();
    }
    assert_int_equal(link_.state, PP_LINK_CLOSED);
    assert_int_equal(link_.error, PP_OK);
    /* Writing fails. */
    each(NULL);
    assert_int_equal(connect_with(PP_TLS_NONE, PP_TLS_STARTTLS), PP_OK);
    world.fail_write = PP_IO_FAILED;
    say("a\n");
    pump_all();
    assert_int_equal(link_.error, PP_ERR_IO);
}

static void test_back_pressure(void **state)
{
    static char lots[PP_LINK_IN_BYTES * 2];
    (void)state;
    assert_int_equal(connect_with(PP_TLS_NONE, PP_TLS_STARTTLS), PP_OK);
    machine.deaf = true;
    memset(lots, '\n', sizeof lots);
    assert_int_equal(pipe_write(&peer.to_client, lots, sizeof lots), sizeof lots);
    pump_all();
    assert_int_equal(pp_buf_room(&link_.in), 0);
    assert_false(world.wants_read);
    assert_int_equal(link_.state, PP_LINK_OPEN);
    /* A full output waits, and nothing is lost. */
    pp_link_close(&link_, PP_OK);
    each(NULL);
    world.open = true;
    pp_link_accept(&link_, &port, 5, &ops);
    machine.chatter = 200000;
    peer.to_server.room = 1000;
    size_t got = 0;
    for (int i = 0; i < 1000 && got < 200000; i++) {
        pump_all();
        assert_true(world.wants_write || got + 1000 >= 200000);
        int n = pipe_read(&peer.to_server, lots, sizeof lots);
        assert_true(n > 0);
        got += (size_t)n;
    }
    assert_int_equal(got, 200000);
}

/* A peer that never stops does not hold the loop. */
static void test_bounded(void **state)
{
    static char lots[PIPE_BYTES];
    (void)state;
    assert_int_equal(connect_with(PP_TLS_NONE, PP_TLS_STARTTLS), PP_OK);
    memset(lots, 'x', sizeof lots);
    for (size_t i = 1023; i < sizeof lots; i += 1024)
        lots[i] = '\n';
    machine.heard_len = 0;
    assert_int_equal(pipe_write(&peer.to_client, lots, sizeof lots / 2), sizeof lots / 2);
    machine.deaf = true;
    assert_true(pp_link_pump(&link_, world.now_ms) || pp_buf_room(&link_.in) == 0);
    assert_true(peer.to_client.head <= PP_LINK_IN_BYTES);
}

/* ---- TLS ---- */

/* Both sides until the machine was told, or the link died. */
static void upgrade(void)
{
    for (int i = 0; i < 100000 && link_.state != PP_LINK_CLOSED && !machine.secured; i++) {
        (void)pp_link_pump(&link_, world.now_ms);
        peer_step(&peer);
    }
    for (int i = 0; i < 10; i++)
        peer_step(&peer);
}

static void test_starttls(void **state)
{
    char out[64];
    (void)state;
    peer_start(&peer, "leaf", NEWEST);
    assert_int_equal(connect_with(PP_TLS_ENCRYPT, PP_TLS_STARTTLS), PP_OK);
    (void)pp_link_pump(&link_, world.now_ms); /* connected, and nothing more in that call */
    say("hello\ntls\n");
    peer.to_server.room = 1; /* what was said before goes out first */
    (void)pp_link_pump(&link_, world.now_ms);
    assert_int_equal(link_.state, PP_LINK_OPEN);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pipe_read(&peer.to_server, out, 1), 1);
        assert_int_equal(out[0], "ok\n"[i]);
        if (i == 2)
            peer.to_server.room = 0;
        (void)pp_link_pump(&link_, world.now_ms);
    }
    assert_int_equal(link_.state, PP_LINK_HANDSHAKE);
    assert_int_equal(pp_link_deadline_ms(&link_), 6000);
    upgrade();
    assert_true(machine.secured && link_.encrypted);
    assert_true(pp_tls_facts(&tls)->trusted);
    assert_int_equal(pp_link_deadline_ms(&link_), PP_TIME_NEVER);
    assert_int_equal(peer_write(&peer, "inside\n", 7), 7);
    pump_all();
    assert_heard("hello\ntls\ninside\n");
    assert_int_equal(peer_read(&peer, out, sizeof out), 3);
    assert_int_equal(peer_write(&peer, "bye\n", 4), 4);
    pump_all();
    assert_int_equal(link_.state, PP_LINK_CLOSED);
    assert_int_equal(link_.error, PP_OK);
    assert_int_equal(peer_read(&peer, out, sizeof out), -1); /* close_notify */
    assert_int_equal(pp_tls_alloc_faults(), 0);
}

static void test_implicit(void **state)
{
    (void)state;
    peer_start(&peer, "leaf", MBEDTLS_SSL_VERSION_TLS1_2);
    assert_int_equal(connect_with(PP_TLS_ENCRYPT, PP_TLS_IMPLICIT), PP_OK);
    upgrade();
    assert_true(machine.secured && link_.encrypted);
    assert_int_equal(peer_write(&peer, "inside\n", 7), 7);
    pump_all();
    assert_heard("inside\n");
    /* The end without close_notify is a failure. */
    peer.to_client.closed = true;
    pump_all();
    assert_int_equal(link_.error, PP_ERR_IO);
}

static void test_injection(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        each(NULL);
        assert_int_equal(connect_with(PP_TLS_ENCRYPT, PP_TLS_STARTTLS), PP_OK);
        say(how == 0 ? "tls\nforged\n" : how == 1 ? "tls\n " : "one\ntls\nx");
        pump_all();
        assert_int_equal(link_.state, PP_LINK_CLOSED);
        assert_int_equal(link_.error, PP_ERR_TRUST);
        assert_false(machine.secured);
        assert_non_null(strstr(pp_tls_facts(&tls)->failure, "bytes before TLS"));
        assert_false(world.open);
    }
    /* The same a moment later: it is no TLS record. */
    each(NULL);
    assert_int_equal(connect_with(PP_TLS_ENCRYPT, PP_TLS_STARTTLS), PP_OK);
    say("tls\n");
    pump_all();
    assert_int_equal(link_.state, PP_LINK_HANDSHAKE);
    say("250 forged\r\n");
    pump_all();
    assert_int_equal(link_.error, PP_ERR_TRUST);
    assert_false(machine.secured);
    assert_heard("tls\n");
}

static void test_refused_trust(void **state)
{
    (void)state;
    peer_start(&peer, "self", NEWEST);
    assert_int_equal(connect_with(PP_TLS_FINGERPRINT, PP_TLS_STARTTLS), PP_OK);
    say("tls\n");
    upgrade();
    assert_int_equal(link_.error, PP_ERR_TRUST);
    assert_false(machine.secured);
    assert_false(peer.done);
    assert_non_null(strstr(pp_tls_facts(&tls)->failure, "matches none"));
    /* No TLS where there is no slot, or where the policy forbids it. */
    peer_stop(&peer);
    each(NULL);
    assert_int_equal(connect_with(PP_TLS_NONE, PP_TLS_STARTTLS), PP_OK);
    say("tls\n");
    pump_all();
    assert_int_equal(link_.error, PP_ERR_STATE);
    assert_string_equal(pp_tls_facts(&tls)->failure, ""); /* nothing of the one before */
    each(NULL);
    world.open = true;
    pp_link_accept(&link_, &port, 5, &ops);
    say("tls\n");
    pump_all();
    assert_int_equal(link_.error, PP_ERR_STATE);
}

static void test_handshake_timeout(void **state)
{
    (void)state;
    assert_int_equal(connect_with(PP_TLS_ENCRYPT, PP_TLS_IMPLICIT), PP_OK);
    pump_all();
    assert_int_equal(link_.state, PP_LINK_HANDSHAKE);
    assert_true(world.wants_read);
    world.now_ms += 4999;
    pump_all();
    assert_int_equal(link_.state, PP_LINK_HANDSHAKE);
    world.now_ms += 1;
    pump_all();
    assert_int_equal(link_.error, PP_ERR_TIMEOUT);
    assert_non_null(strstr(pp_tls_facts(&tls)->failure, "in time"));
}

/* Whatever the network cuts the stream into, the machine hears the same. */
static void test_splits(void **state)
{
    char out[64];
    (void)state;
    for (size_t most = 1; most < 300; most += most < 8 ? 1 : 97) {
        each(NULL);
        peer_start(&peer, "leaf", NEWEST);
        peer.to_client.most = peer.to_server.most = most;
        assert_int_equal(connect_with(PP_TLS_ENCRYPT, PP_TLS_STARTTLS), PP_OK);
        for (const char *c = "a\nbc\ntls\n"; *c != '\0'; c++)
            assert_int_equal(pipe_write(&peer.to_client, c, 1), 1);
        while (link_.state != PP_LINK_HANDSHAKE) {
            assert_int_not_equal(link_.state, PP_LINK_CLOSED);
            (void)pp_link_pump(&link_, world.now_ms);
        }
        size_t plain = 0;
        while (plain < 6)
            plain += (size_t)pipe_read(&peer.to_server, out, 6 - plain);
        upgrade();
        assert_true(machine.secured);
        assert_int_equal(peer_write(&peer, "d\nbye\n", 6), 6);
        pump_all();
        assert_heard("a\nbc\ntls\nd\nbye\n");
        assert_int_equal(link_.error, PP_OK);
        peer_stop(&peer);
    }
}

static int set_up(void **state)
{
    (void)state;
    if (make_certs() != 0 || pp_crypto_seed(test_entropy, NULL) != PP_OK ||
        pp_tls_library_init(wall_s, now_ms, NULL) != PP_OK)
        return -1;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    drop_certs();
    return pp_tls_alloc_faults() == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines, each, clean),
        cmocka_unit_test_setup_teardown(test_end_of_stream, each, clean),
        cmocka_unit_test_setup_teardown(test_back_pressure, each, clean),
        cmocka_unit_test_setup_teardown(test_bounded, each, clean),
        cmocka_unit_test_setup_teardown(test_starttls, each, clean),
        cmocka_unit_test_setup_teardown(test_implicit, each, clean),
        cmocka_unit_test_setup_teardown(test_injection, each, clean),
        cmocka_unit_test_setup_teardown(test_refused_trust, each, clean),
        cmocka_unit_test_setup_teardown(test_handshake_timeout, each, clean),
        cmocka_unit_test_setup_teardown(test_splits, each, clean),
    };
    return cmocka_run_group_tests_name("link", tests, set_up, tear_down);
}
