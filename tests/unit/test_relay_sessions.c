/* test_relay_sessions.c - kept TLS sessions in flash: written seldom, sealed, damaged, cleared */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "relay.h"
#include "support/ram_flash.h"

#define START_S (PP_WALL_FLOOR_S + 1000000)
#define HOUR_MS (60u * 60 * 1000)

static struct pp_port port;
static struct pp_config config;
static struct ram_flash ram;
static uint64_t clock_ms;
static int64_t wall;
static uint8_t entropy_byte, key_byte;
static struct pp_relay *relay;

static uint64_t now_ms(void *ctx)
{
    (void)ctx;
    return clock_ms;
}

static int64_t wall_s(void *ctx)
{
    (void)ctx;
    return wall;
}

static int entropy(void *ctx, uint8_t *out, size_t len)
{
    (void)ctx;
    memset(out, entropy_byte++, len);
    return 0;
}

static int seal_key(void *ctx, uint8_t out[32])
{
    (void)ctx;
    memset(out, key_byte, 32);
    return 0;
}

static int no_seal_key(void *ctx, uint8_t out[32])
{
    (void)ctx;
    (void)out;
    return -1;
}

static void log_line(void *ctx, enum pp_port_log level, const char *line, size_t len)
{
    (void)ctx;
    (void)level;
    (void)line;
    (void)len;
}

static void turns(void)
{
    for (int i = 0; i < 40; i++) {
        uint64_t next_ms = pp_relay_turn(relay);
        if (next_ms > clock_ms + 100)
            return;
        clock_ms = next_ms > clock_ms ? next_ms : clock_ms;
    }
}

static void start(enum pp_keep_sessions keep)
{
    config.keep_sessions = keep;
    port.flash = ram.flash;
    assert_int_equal(pp_relay_start(&port, &config, &relay), PP_OK);
}

static void stop(void)
{
    turns();
    pp_relay_stop(relay);
    wall += 100;
    clock_ms = 5000; /* the machine's own clock begins again */
}

static struct pp_tls_kept_session *slot(void)
{
    return &relay->sessions.kept[0];
}

/* As a connection would leave it. */
static void keep(uint8_t mark)
{
    struct pp_tls_kept_session *kept = slot();
    kept->session_len = 200;
    memset(kept->session, mark, kept->session_len);
    memset(kept->binding, mark + 1, sizeof(kept->binding));
    kept->kept_at_ms = kept->facts.verified_at_ms = (int64_t)clock_ms;
    kept->lifetime_s = 3600;
    kept->facts.until_s = INT64_MAX;
    strcpy(kept->facts.subject, "CN=mail.example.org");
    kept->changes++;
    turns();
}

/* Does anything on the medium look like the session of that mark? */
static bool is_in_the_clear(uint8_t mark)
{
    size_t run = 0, bytes = (size_t)ram.flash.block_bytes * ram.flash.block_count;
    for (size_t i = 0; i < bytes; i++) {
        run = ram.now[i] == mark ? run + 1 : 0;
        if (run == 200)
            return true;
    }
    return false;
}

static int begin(void **state)
{
    (void)state;
    ram_flash_init(&ram, 1, 256, 4096, 16, 0xFF);
    port = (struct pp_port){.now_ms = now_ms,
                            .wall_s = wall_s,
                            .entropy = entropy,
                            .log = log_line,
                            .flash = ram.flash};
    clock_ms = 5000;
    wall = START_S;
    key_byte = 9;
    return 0;
}

static int finish(void **state)
{
    (void)state;
    assert_int_equal(ram.rules_broken, 0);
    ram_flash_free(&ram);
    return 0;
}

static void comes_back_after_a_restart(void **state)
{
    (void)state;
    start(PP_KEEP_FLASH);
    keep(0x5A);
    stop();
    assert_true(is_in_the_clear(0x5A));
    start(PP_KEEP_FLASH);
    assert_int_equal(slot()->session_len, 200);
    assert_int_equal(slot()->session[199], 0x5A);
    assert_int_equal(slot()->binding[0], 0x5B);
    assert_string_equal(slot()->facts.subject, "CN=mail.example.org");
    assert_true(slot()->kept_at_ms <= 5000 - 100 * 1000); /* as old as it is */
    stop();
}

static void memory_forgets(void **state)
{
    (void)state;
    start(PP_KEEP_MEMORY);
    keep(0x5A);
    stop();
    assert_false(is_in_the_clear(0x5A));
    start(PP_KEEP_FLASH);
    assert_int_equal(slot()->session_len, 0);
    stop();
}

/* What was written under another setting does not come back. */
static void turned_off_it_is_removed(void **state)
{
    (void)state;
    start(PP_KEEP_FLASH);
    keep(0x5A);
    stop();
    start(PP_KEEP_NO);
    assert_int_equal(slot()->session_len, 0);
    stop();
    start(PP_KEEP_FLASH);
    assert_int_equal(slot()->session_len, 0);
    keep(0x66);
    config.keep_sessions = PP_KEEP_NO; /* at a reload */
    pp_relay_configure(relay, &config);
    turns();
    assert_int_equal(slot()->session_len, 0);
    stop();
    start(PP_KEEP_FLASH);
    assert_int_equal(slot()->session_len, 0);
    stop();
}

static void sealed_where_there_is_a_key(void **state)
{
    (void)state;
    port.seal_key = seal_key;
    start(PP_KEEP_FLASH);
    keep(0x5A);
    stop();
    assert_false(is_in_the_clear(0x5A));
    start(PP_KEEP_FLASH);
    assert_int_equal(slot()->session_len, 200);
    assert_int_equal(slot()->session[0], 0x5A);
    stop();
    key_byte = 10; /* another machine's flash */
    start(PP_KEEP_FLASH);
    assert_int_equal(slot()->session_len, 0);
    stop();
    key_byte = 9;
    port.seal_key = no_seal_key; /* ... and one without a key */
    start(PP_KEEP_FLASH);
    assert_int_equal(slot()->session_len, 0);
    keep(0x5A);
    stop();
    assert_true(is_in_the_clear(0x5A));
    port.seal_key = seal_key; /* what is not sealed may be anybody's */
    start(PP_KEEP_FLASH);
    assert_int_equal(slot()->session_len, 0);
    stop();
}

static void written_once_an_hour(void **state)
{
    (void)state;
    start(PP_KEEP_FLASH);
    keep(1);
    uint64_t programmed = relay->kv.report.bytes_programmed;
    for (uint8_t i = 2; i < 60; i++) {
        clock_ms += 59 * 1000;
        keep(i);
    }
    assert_int_equal(relay->kv.report.bytes_programmed, programmed);
    clock_ms += 4 * 60 * 1000;
    keep(99);
    assert_true(relay->kv.report.bytes_programmed > programmed);
    stop();
    start(PP_KEEP_FLASH);
    assert_int_equal(slot()->session[0], 99);
    stop();
}

static void rubbish_is_ignored(void **state)
{
    uint8_t rubbish[PP_KV_VALUE_MAX];
    static const size_t lengths[] = {0, 1, 2, 28, 29, 30, 150, 400, 900};
    (void)state;
    for (size_t i = 0; i < 2 * sizeof(lengths) / sizeof(*lengths); i++) {
        start(PP_KEEP_MEMORY);
        turns();
        memset(rubbish, (int)(i * 37), sizeof(rubbish));
        rubbish[0] = i % 2;
        enum pp_err err = PP_ERR_LATER;
        for (int k = 0; k < 5 && err == PP_ERR_LATER; k++) {
            err = pp_kv_put(&relay->kv, PP_KV_SESSION, rubbish, lengths[i / 2]);
            turns();
        }
        assert_int_equal(err, PP_OK);
        pp_relay_stop(relay);
        port.seal_key = i % 2 != 0 ? seal_key : NULL;
        start(PP_KEEP_FLASH);
        assert_int_equal(slot()->session_len, 0);
        stop();
        start(PP_KEEP_NO);
        stop();
    }
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(comes_back_after_a_restart), EACH(memory_forgets),
        EACH(turned_off_it_is_removed),   EACH(sealed_where_there_is_a_key),
        EACH(written_once_an_hour),       EACH(rubbish_is_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
