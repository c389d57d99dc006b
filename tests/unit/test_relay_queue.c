/*
 * test_relay_queue.c - the queue commands of pinpost.h when the store refuses what they ask
 *
 * Job:      a message that could not be removed goes on as before: it waits for its next attempt,
 *           and neither the log nor the answer claims anything else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "posix/control_task.h"
#include "relay.h"
#include "support/ram_flash.h"

static struct ram_flash ram;
static struct pp_port port;
static struct pp_config config;
static struct pp_relay *relay;
static char log_text[65536];
static struct pp_writer log_w;

static uint64_t now_ms(void *ctx)
{
    (void)ctx;
    return 1000;
}

static int64_t wall_s(void *ctx)
{
    (void)ctx;
    return 1800000000;
}

static int entropy(void *ctx, uint8_t *out, size_t len)
{
    (void)ctx;
    memset(out, 7, len);
    return 0;
}

static void log_line(void *ctx, enum pp_port_log level, const char *line, size_t len)
{
    (void)ctx;
    (void)level;
    pp_put(&log_w, line, len);
    pp_put_char(&log_w, '\n');
}

static bool was_logged(const char *words_z)
{
    log_text[log_w.len] = '\0';
    return strstr(log_text, words_z) != NULL;
}

/* A relay without a smarthost, and one message that is due. */
static uint32_t start(void)
{
    struct pp_alert alert = {.subject = pp_text_z("disk"), .text = pp_text_z("bay 3\n")};
    struct pp_ticket ticket;

    ram_flash_init(&ram, 1, 256, 4096, 64, 0xFF);
    port = (struct pp_port){.now_ms = now_ms,
                            .wall_s = wall_s,
                            .entropy = entropy,
                            .log = log_line,
                            .flash = ram.flash};
    pp_writer_init(&log_w, log_text, sizeof log_text - 1);
    pp_config_defaults(&config);
    memcpy(config.identity.from, "a@x.example", sizeof "a@x.example");
    memcpy(config.identity.to, "b@x.example", sizeof "b@x.example");
    config.queue.message_limit_bytes = 10000;
    assert_int_equal(pp_relay_start(&port, &config, &relay), PP_OK);
    assert_int_equal(pp_submit_alert(relay, &alert, &ticket), PP_OK);
    (void)pp_relay_turn(relay);
    assert_int_equal(pp_ticket_state(relay, &ticket), PP_TICKET_DURABLE);
    return ticket.id;
}

static void stop(void)
{
    pp_relay_stop(relay);
    ram_flash_free(&ram);
}

static bool is_planned(uint32_t id)
{
    struct pp_message_info info;

    assert_int_equal(pp_message_find(relay, id, &info), PP_OK);
    return info.next_in_ms != UINT64_MAX;
}

/* The medium fails: nothing is written any more. */
static void break_store(void)
{
    const struct ram_fault fault = {.kind = RAM_FAIL_SYNC};
    const struct pp_alert alert = {.subject = pp_text_z("next")};
    struct pp_ticket ticket;

    ram_flash_fault(&ram, fault);
    assert_int_equal(pp_submit_alert(relay, &alert, &ticket), PP_OK);
    (void)pp_relay_turn(relay);
}

static void test_what_cannot_be_removed_is_still_sent(void **state)
{
    uint32_t id = start();

    (void)state;
    assert_true(is_planned(id));
    break_store();
    assert_int_not_equal(pp_message_remove(relay, id), PP_OK);
    assert_true(is_planned(id));
    assert_false(was_logged("event=removed"));
    stop();
}

static void test_what_is_removed_is_gone(void **state)
{
    struct pp_message_info info;
    uint32_t id = start();

    (void)state;
    assert_int_equal(pp_message_remove(relay, id), PP_OK);
    assert_int_equal(pp_message_find(relay, id, &info), PP_ERR_NOT_FOUND);
    assert_true(was_logged("event=removed"));
    stop();
}

static void test_a_store_that_fails_is_not_called_busy(void **state)
{
    static struct pp_control_task task;
    char text[2048];
    struct pp_writer w;

    (void)state;
    (void)start();
    break_store();
    const struct pp_control_world world = {.relay = relay, .port = &port, .config = &config};
    pp_control_task_begin(&task, pp_text_z("{\"cmd\":\"remove\",\"id\":\"all\"}"));
    pp_writer_init(&w, text, sizeof text - 1);
    while (pp_control_task_step(&task, &world, &w)) {
    }
    text[w.len] = '\0';
    assert_non_null(strstr(text, "\"error\":\"failed\""));
    assert_null(strstr(text, "busy"));
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_cannot_be_removed_is_still_sent),
        cmocka_unit_test(test_what_is_removed_is_gone),
        cmocka_unit_test(test_a_store_that_fails_is_not_called_busy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
