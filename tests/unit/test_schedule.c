/* test_schedule.c - which message is tried next, and when again */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/crypto.h"
#include "queue/schedule.h"
#include "queue_model.h"

static struct pp_schedule s;
static struct model m;

static int entropy(void *ctx, uint8_t *out, size_t len)
{
    (void)ctx;
    memset(out, 0x42, len);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    model_init(&m, &(struct ram_geometry){1, 4096, 65536, 32, 0x00});
    pp_schedule_init(&s, &q);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    model_free(&m);
    return 0;
}

static struct pp_queue_entry *add(enum pp_severity severity, pp_time_ms at_ms)
{
    assert_int_equal(model_add_severity(&m, 10, 1, severity), PP_OK);
    struct pp_queue_entry *entry = pp_queue_find(&q, m.ticket.id);
    pp_schedule_set(&s, entry, at_ms);
    return entry;
}

static void check_heap(void)
{
    for (uint32_t i = 0; i < s.count; i++) {
        assert_int_equal(q.entries[s.heap[i]].heap_index, i);
        if (i > 0)
            assert_true(s.due_ms[s.heap[(i - 1) / 2]] <= s.due_ms[s.heap[i]]);
    }
}

static void backs_off(void **state)
{
    (void)state;
    const struct pp_backoff b = {1000, 60000};
    assert_int_equal(pp_crypto_seed(entropy, NULL), PP_OK);
    assert_true(pp_backoff_ms(&b, 0) == 0);
    for (uint32_t failures = 1; failures < 100; failures++) {
        uint64_t whole = failures < 7 ? UINT64_C(1000) << (failures - 1) : 60000;
        for (int i = 0; i < 50; i++) {
            uint64_t ms = pp_backoff_ms(&b, failures);
            assert_true(ms >= whole * 3 / 4 && ms <= whole * 5 / 4);
        }
    }
    assert_true(pp_backoff_ms(&b, 3) != pp_backoff_ms(&b, 3) ||
                pp_backoff_ms(&b, 3) != pp_backoff_ms(&b, 3));
    assert_true(pp_backoff_ms(&(struct pp_backoff){0, 0}, 5) >= 1);
    assert_true(pp_backoff_ms(&(struct pp_backoff){UINT64_MAX, UINT64_MAX}, UINT32_MAX) > 0);
}

static void gives_the_earliest(void **state)
{
    (void)state;
    assert_null(pp_schedule_due(&s, 1000));
    assert_true(pp_schedule_next_ms(&s) == PP_TIME_NEVER);
    struct pp_queue_entry *b = add(PP_SEVERITY_INFO, 200);
    struct pp_queue_entry *a = add(PP_SEVERITY_INFO, 100);
    assert_true(pp_schedule_next_ms(&s) == 100);
    assert_null(pp_schedule_due(&s, 99));
    assert_ptr_equal(pp_schedule_due(&s, 100), a);
    assert_ptr_equal(pp_schedule_due(&s, 300), a);
    pp_schedule_set(&s, a, 400);
    assert_true(pp_schedule_at(&s, a) == 400);
    assert_ptr_equal(pp_schedule_due(&s, 300), b);
    pp_schedule_remove(&s, b);
    pp_schedule_remove(&s, b);
    assert_true(pp_schedule_at(&s, b) == PP_TIME_NEVER);
    assert_null(pp_schedule_due(&s, 300));
    pp_schedule_set(&s, a, PP_TIME_NEVER);
    assert_int_equal(s.count, 0);
}

static void prefers_the_severe_among_the_due(void **state)
{
    (void)state;
    (void)add(PP_SEVERITY_INFO, 10);
    struct pp_queue_entry *severe = add(PP_SEVERITY_CRITICAL, 50);
    struct pp_queue_entry *older = add(PP_SEVERITY_CRITICAL, 40);
    struct pp_queue_entry *late = add(PP_SEVERITY_CRITICAL, 1000);
    assert_ptr_equal(pp_schedule_due(&s, 100), older);
    pp_schedule_remove(&s, older);
    assert_ptr_equal(pp_schedule_due(&s, 100), severe);
    pp_schedule_remove(&s, severe);
    assert_ptr_not_equal(pp_schedule_due(&s, 100), late);
}

static void passes_over_what_has_ended(void **state)
{
    (void)state;
    struct pp_queue_entry *first = add(PP_SEVERITY_INFO, 10);
    struct pp_queue_entry *second = add(PP_SEVERITY_INFO, 20);
    model_finish(&m, first->id);
    assert_ptr_equal(pp_schedule_due(&s, 100), second);
    assert_int_equal(s.count, 1);
    /* A slot that is used again while its old message is still in the heap. */
    struct pp_queue_entry *third = add(PP_SEVERITY_INFO, 500);
    model_finish(&m, third->id);
    struct pp_queue_entry *again = add(PP_SEVERITY_INFO, 30);
    assert_ptr_equal(again, third);
    assert_int_equal(s.count, 2);
    assert_true(pp_schedule_at(&s, again) == 30);
    check_heap();
}

static void stays_a_heap(void **state)
{
    (void)state;
    struct pp_queue_entry *entries[200];
    struct ram_flash dice = {.seed = 5};
    for (size_t i = 0; i < 200; i++)
        entries[i] = add(PP_SEVERITY_INFO, ram_random(&dice) % 1000);
    for (int i = 0; i < 20000; i++) {
        struct pp_queue_entry *entry = entries[ram_random(&dice) % 200];
        if (ram_random(&dice) % 3 == 0)
            pp_schedule_remove(&s, entry);
        else
            pp_schedule_set(&s, entry, ram_random(&dice) % 1000);
        if (i % 100 == 0)
            check_heap();
    }
    pp_time_ms last = 0;
    while (s.count > 0) {
        struct pp_queue_entry *entry = pp_schedule_due(&s, 1000);
        assert_true(pp_schedule_at(&s, entry) >= last);
        last = pp_schedule_at(&s, entry);
        pp_schedule_remove(&s, entry);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backs_off),
        cmocka_unit_test_setup_teardown(gives_the_earliest, setup, teardown),
        cmocka_unit_test_setup_teardown(prefers_the_severe_among_the_due, setup, teardown),
        cmocka_unit_test_setup_teardown(passes_over_what_has_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(stays_a_heap, setup, teardown),
    };
    return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
