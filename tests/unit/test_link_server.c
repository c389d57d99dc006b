/*
 * test_link_server.c - TLS on a link that somebody else opened: STARTTLS, from the first byte, and
 * what may go wrong with it
 */
#include "tls_visitor.h"

#include "wire/link.h"

static struct pp_link link_;
static struct {
    bool open;
    pp_time_ms now_ms;
} world;

static uint64_t world_ms(void *ctx)
{
    (void)ctx;
    return world.now_ms;
}

static int stream_read(void *ctx, int stream, void *out, size_t cap)
{
    (void)ctx;
    assert_int_equal(stream, 5);
    return pipe_read(&visitor.to_server, out, cap);
}

static int stream_write(void *ctx, int stream, const void *bytes, size_t len)
{
    (void)ctx;
    assert_int_equal(stream, 5);
    return pipe_write(&visitor.to_client, bytes, len);
}

static void stream_watch(void *ctx, int stream, bool wants_read, bool wants_write)
{
    (void)ctx;
    (void)wants_read;
    (void)wants_write;
    assert_int_equal(stream, 5);
}

static void stream_close(void *ctx, int stream)
{
    (void)ctx;
    assert_int_equal(stream, 5);
    assert_true(world.open);
    world.open = false;
}

static const struct pp_port port = {.now_ms = world_ms,
                                    .wall_s = wall_s,
                                    .stream_read = stream_read,
                                    .stream_write = stream_write,
                                    .stream_watch = stream_watch,
                                    .stream_close = stream_close};

/* A machine that greets, echoes lines, and knows STARTTLS ("tls") and "bye". */
static struct {
    char heard[256];
    size_t heard_len;
    bool greeted, wants_tls, secured, finished, gives_slot;
} machine;

static void pump(void *ctx, struct pp_buf *in, struct pp_buf *out, pp_time_ms now)
{
    (void)ctx;
    (void)now;
    if (!machine.greeted)
        assert_true(pp_buf_put(out, "hi\n", 3));
    machine.greeted = true;
    while (pp_buf_len(in) > 0 && !machine.wants_tls && !machine.finished) {
        const char *head = (const char *)pp_buf_head(in);
        const char *end = memchr(head, '\n', pp_buf_len(in));
        if (end == NULL)
            break;
        size_t len = (size_t)(end - head) + 1;
        assert_true(machine.heard_len + len < sizeof machine.heard);
        memcpy(machine.heard + machine.heard_len, head, len);
        machine.heard_len += len;
        machine.wants_tls = len == 4 && memcmp(head, "tls\n", 4) == 0;
        machine.finished = len == 4 && memcmp(head, "bye\n", 4) == 0;
        assert_true(pp_buf_put(out, head, len));
        pp_buf_consume(in, len);
    }
}

static bool wants_tls(void *ctx)
{
    (void)ctx;
    if (machine.wants_tls && machine.gives_slot && link_.tls == NULL)
        pp_link_accept_tls(&link_, tls, true, false, 5000);
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

static void accept_one(void)
{
    memset(&machine, 0, sizeof machine);
    world.open = true;
    world.now_ms = 1000;
    machine.gives_slot = true;
    pp_link_accept(&link_, &port, 5, &ops);
}

static int put_away(void **state)
{
    pp_link_close(&link_, PP_OK);
    return clean(state);
}

static void pump_all(void)
{
    for (int i = 0; i < 10000 && pp_link_pump(&link_, world.now_ms); i++)
        ;
}

static void say(const char *text)
{
    assert_int_equal(pipe_write(&visitor.to_server, text, strlen(text)), strlen(text));
}

static void assert_said(const char *text)
{
    char out[64];
    int n = pipe_read(&visitor.to_client, out, sizeof out);
    assert_int_equal(n, strlen(text));
    assert_memory_equal(out, text, strlen(text));
}

static void upgrade(void)
{
    for (int i = 0; i < 100000 && !(visitor.done && machine.secured); i++) {
        visitor_step(&visitor);
        (void)pp_link_pump(&link_, world.now_ms);
        if (visitor.failed || link_.state == PP_LINK_CLOSED)
            break;
    }
}

static void assert_inside(const char *text)
{
    char out[64];
    int n = 0;
    for (int i = 0; i < 100 && n == 0; i++) {
        pump_all();
        n = visitor_read(&visitor, out, sizeof out);
    }
    assert_int_equal(n, strlen(text));
    assert_memory_equal(out, text, strlen(text));
}

static void test_starttls(void **state)
{
    (void)state;
    for (int v = 0; v < 2; v++) {
        struct manner m = {.version = v ? V13 : V12, .certificate = "client"};
        visitor_start(&visitor, &m);
        accept_one();
        say("a\ntls\n");
        pump_all();
        assert_said("hi\na\ntls\n");
        assert_int_equal(link_.state, PP_LINK_HANDSHAKE);
        assert_int_equal(pp_link_deadline_ms(&link_), 6000);
        upgrade();
        assert_true(machine.secured && link_.encrypted);
        assert_true(pp_tls_facts(tls)->has_peer);
        assert_int_equal(visitor_write(&visitor, "inside\n", 7), 7);
        assert_inside("inside\n");
        assert_int_equal(visitor_write(&visitor, "bye\n", 4), 4);
        assert_inside("bye\n");
        assert_int_equal(link_.state, PP_LINK_CLOSED);
        assert_int_equal(link_.error, PP_OK);
        assert_int_equal(visitor_read(&visitor, machine.heard, 1), -1);
        assert_int_equal(visitor.error, MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
        assert_false(world.open);
        close_both();
    }
}

static void test_at_once(void **state)
{
    struct manner m = {0};
    (void)state;
    for (size_t most = 0; most < 4; most++) {
        visitor_start(&visitor, &m);
        accept_one();
        visitor.to_server.most = visitor.to_client.most = most;
        pp_link_accept_tls(&link_, tls, false, true, 5000);
        pump_all();
        assert_int_equal(link_.state, PP_LINK_HANDSHAKE);
        assert_false(machine.greeted); /* not a byte in the clear */
        assert_int_equal(visitor.to_client.total, 0);
        upgrade();
        assert_true(machine.secured);
        visitor.to_client.most = visitor.to_server.most = 0;
        pump_all();
        assert_inside("hi\n");
        pp_link_close(&link_, PP_OK);
        close_both();
    }
    /* In the clear on such a port. */
    accept_one();
    pipe_reset(&visitor.to_server);
    pipe_reset(&visitor.to_client);
    pp_link_accept_tls(&link_, tls, false, true, 5000);
    say("EHLO mail.example.org\r\n");
    pump_all();
    assert_int_equal(link_.error, PP_ERR_TRUST);
    assert_false(machine.greeted);
    assert_words("not TLS: the client sent \"EHLO mail.example.org");
    /* It says nothing. */
    accept_one();
    pipe_reset(&visitor.to_server);
    pp_link_accept_tls(&link_, tls, false, true, 5000);
    pump_all();
    world.now_ms += 4999;
    pump_all();
    assert_int_equal(link_.state, PP_LINK_HANDSHAKE);
    world.now_ms += 1;
    pump_all();
    assert_int_equal(link_.error, PP_ERR_TIMEOUT);
    assert_words("the client did not finish the TLS handshake in time");
}

static void test_injection(void **state)
{
    static const char *const texts[] = {"tls\nforged\n", "tls\n ", "one\ntls\nx"};
    struct manner m = {0};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        visitor_start(&visitor, &m);
        accept_one();
        say(texts[i]);
        visitor_step(&visitor); /* a good ClientHello behind it does not help */
        pump_all();
        assert_int_equal(link_.state, PP_LINK_CLOSED);
        assert_int_equal(link_.error, PP_ERR_TRUST);
        assert_false(machine.secured);
        assert_null(strstr(machine.heard, "forged"));
        assert_words("bytes before TLS: the client");
        assert_false(world.open);
        close_both();
    }
    /* A moment later: it is no TLS record. */
    visitor_start(&visitor, &m);
    accept_one();
    say("tls\n");
    pump_all();
    assert_int_equal(link_.state, PP_LINK_HANDSHAKE);
    say("MAIL FROM:<a@b.example>\r\n");
    visitor_step(&visitor);
    pump_all();
    assert_int_equal(link_.error, PP_ERR_TRUST);
    assert_false(machine.secured);
    close_both();
    /* And not twice. */
    visitor_start(&visitor, &m);
    accept_one();
    say("tls\n");
    pump_all();
    assert_said("hi\ntls\n");
    upgrade();
    assert_true(machine.secured);
    assert_int_equal(visitor_write(&visitor, "tls\n", 4), 4);
    pump_all();
    assert_int_equal(link_.error, PP_ERR_STATE);
    close_both();
}

static void test_no_slot(void **state)
{
    (void)state;
    pipe_reset(&visitor.to_server);
    pipe_reset(&visitor.to_client);
    accept_one();
    machine.gives_slot = false;
    say("tls\n");
    pump_all();
    assert_int_equal(link_.error, PP_ERR_STATE);
    assert_false(world.open);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_starttls, each, put_away),
        cmocka_unit_test_setup_teardown(test_at_once, each, put_away),
        cmocka_unit_test_setup_teardown(test_injection, each, put_away),
        cmocka_unit_test_setup_teardown(test_no_slot, each, put_away),
    };
    return cmocka_run_group_tests_name("link_server", tests, set_up, tear_down);
}
