/*
 * test_dial.c - which of several addresses is connected to, and how soon
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "delivery/dial.h"

#define STREAMS 16

/* A world in which each address answers after some time, or never; known by its last byte. */
static struct {
    int answers_ms[STREAMS]; /* after so long; < 0: an error of the port after -1 - it, see below */
    int fails_ms[STREAMS];   /* with which error instead; 0: at the call */
    bool fails[STREAMS];
    pp_time_ms now_ms, begun_ms[STREAMS];
    bool open[STREAMS];
    int open_count, most_open;
    char order[100]; /* "4a 6b": family and address in the order of their beginning */
} world;

static int stream_connect(void *ctx, const struct pp_address *to)
{
    (void)ctx;
    uint8_t i = to->ip[15] != 0 ? to->ip[15] : to->ip[3];
    size_t at = strlen(world.order);
    (void)snprintf(world.order + at, sizeof world.order - at, "%s%u%c", at > 0 ? " " : "",
                   to->family, 'a' + i - 1);
    if (world.fails[i] && world.fails_ms[i] == 0)
        return PP_IO_UNREACHABLE;
    world.begun_ms[i] = world.now_ms;
    world.open[i] = true;
    world.open_count++;
    if (world.open_count > world.most_open)
        world.most_open = world.open_count;
    return i;
}

static int stream_connected(void *ctx, int stream)
{
    (void)ctx;
    assert_true(world.open[stream]);
    pp_time_ms since_ms = world.now_ms - world.begun_ms[stream];
    if (world.fails[stream])
        return since_ms >= (pp_time_ms)world.fails_ms[stream] ? PP_IO_REFUSED : 0;
    return since_ms >= (pp_time_ms)world.answers_ms[stream] ? 1 : 0;
}

static void stream_watch(void *ctx, int stream, bool wants_read, bool wants_write)
{
    (void)ctx;
    assert_true(world.open[stream] && wants_write && !wants_read);
}

static void stream_close(void *ctx, int stream)
{
    (void)ctx;
    assert_true(world.open[stream]);
    world.open[stream] = false;
    world.open_count--;
}

static const struct pp_port port = {.stream_connect = stream_connect,
                                    .stream_connected = stream_connected,
                                    .stream_watch = stream_watch,
                                    .stream_close = stream_close};

#define NEVER 1000000

static struct pp_dial dial;
static int stream;

static void add(uint8_t family, uint8_t i)
{
    struct pp_address address = {.family = family, .port = 587};
    address.ip[family == 4 ? 3 : 15] = i;
    pp_dial_add(&dial, &address);
}

static void begin(const char *families)
{
    memset(&world, 0, sizeof world);
    world.now_ms = 5000;
    pp_dial_begin(&dial, &port, 30000);
    for (uint8_t i = 0; families[i] != '\0'; i++) {
        add((uint8_t)(families[i] - '0'), (uint8_t)(i + 1));
        world.answers_ms[i + 1] = NEVER;
    }
}

/* As the loop does it: sleeps until the deadline, or what a stream has to tell. Ends when there is
 * a result; how long it took. */
static pp_time_ms run(enum pp_err expected)
{
    pp_time_ms start_ms = world.now_ms;
    enum pp_err err = pp_dial_pump(&dial, world.now_ms, &stream);
    for (int i = 0; i < 200000 && err == PP_ERR_LATER; i++) {
        assert_true(pp_dial_deadline_ms(&dial) > world.now_ms);
        world.now_ms++;
        err = pp_dial_pump(&dial, world.now_ms, &stream);
    }
    assert_int_equal(err, expected);
    return world.now_ms - start_ms;
}

static void test_first_answers(void **state)
{
    (void)state;
    begin("646");
    world.answers_ms[1] = 80;
    assert_int_equal(run(PP_OK), 80);
    assert_int_equal(stream, 1);
    assert_string_equal(world.order, "6a");
    assert_int_equal(world.open_count, 1);
    assert_false(dial.ipv6_was_slower);
    assert_true(pp_dial_has_more(&dial));
}

static void test_dead_family(void **state)
{
    (void)state;
    /* IPv6 swallows everything: a quarter of a second, not half a minute. */
    begin("6464");
    world.answers_ms[2] = 20;
    assert_int_equal(run(PP_OK), PP_DIAL_DELAY_MS + 20);
    assert_int_equal(stream, 2);
    assert_true(dial.ipv6_was_slower);
    assert_int_equal(world.open_count, 1);
    /* It is refused at once, or has no route at all. */
    for (int at_call = 0; at_call < 2; at_call++) {
        begin("64");
        world.fails[1] = true;
        world.fails_ms[1] = at_call ? 0 : 3;
        world.answers_ms[2] = 20;
        assert_int_equal(run(PP_OK), at_call ? 20 : 23);
        assert_true(dial.ipv6_was_slower);
    }
    /* Then it goes last. */
    begin("664");
    world.answers_ms[3] = 20;
    pp_dial_prefer_ipv4(&dial);
    assert_int_equal(run(PP_OK), 20);
    assert_string_equal(world.order, "4c");
    assert_false(dial.ipv6_was_slower);
    /* IPv4 alone, or IPv6 alone, is what it is. */
    begin("66");
    pp_dial_prefer_ipv4(&dial);
    world.answers_ms[1] = 1;
    assert_int_equal(run(PP_OK), 1);
}

static void test_later_one_wins(void **state)
{
    (void)state;
    begin("64");
    world.answers_ms[1] = 300;
    world.answers_ms[2] = 200;
    assert_int_equal(run(PP_OK), 300); /* the first after all */
    assert_int_equal(stream, 1);
    assert_int_equal(world.open_count, 1);
    assert_string_equal(world.order, "6a 4b");
}

static void test_all_fail(void **state)
{
    (void)state;
    begin("6464");
    assert_int_equal(run(PP_ERR_EMPTY), 60250); /* two at once, 30 s each */
    assert_int_equal(dial.error, PP_ERR_TIMEOUT);
    assert_int_equal(world.most_open, PP_DIAL_AT_ONCE);
    assert_int_equal(world.open_count, 0);
    begin("64");
    world.fails[1] = world.fails[2] = true;
    world.fails_ms[1] = world.fails_ms[2] = 7;
    assert_int_equal(run(PP_ERR_EMPTY), 14);
    assert_int_equal(dial.error, PP_ERR_REFUSED);
    begin("");
    assert_int_equal(run(PP_ERR_EMPTY), 0);
}

static void test_goes_on(void **state)
{
    (void)state;
    begin("646");
    world.answers_ms[1] = world.answers_ms[2] = 5;
    assert_int_equal(run(PP_OK), 5);
    stream_close(NULL, stream);
    assert_int_equal(run(PP_OK), PP_DIAL_DELAY_MS - 5 + 5 - 245 > 0 ? 5 : 5);
    assert_int_equal(stream, 2);
    stream_close(NULL, stream);
    assert_int_equal(dial.connected, 1);
    /* What came late is tried too, and nothing twice. */
    add(4, 2);
    add(4, 9);
    world.answers_ms[9] = 1;
    world.fails[3] = true;
    world.fails_ms[3] = 2;
    (void)run(PP_OK);
    assert_int_equal(stream, 9);
    stream_close(NULL, stream);
    assert_int_equal(run(PP_ERR_EMPTY), 0);
    assert_string_equal(world.order, "6a 4b 6c 4i");
}

static void test_stop(void **state)
{
    (void)state;
    begin("64");
    assert_int_equal(pp_dial_pump(&dial, world.now_ms, &stream), PP_ERR_LATER);
    world.now_ms += PP_DIAL_DELAY_MS;
    assert_int_equal(pp_dial_pump(&dial, world.now_ms, &stream), PP_ERR_LATER);
    assert_int_equal(world.open_count, 2);
    pp_dial_stop(&dial);
    assert_int_equal(world.open_count, 0);
    pp_dial_stop(&dial);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_answers),  cmocka_unit_test(test_dead_family),
        cmocka_unit_test(test_later_one_wins), cmocka_unit_test(test_all_fail),
        cmocka_unit_test(test_goes_on),        cmocka_unit_test(test_stop),
    };
    return cmocka_run_group_tests_name("dial", tests, NULL, NULL);
}
