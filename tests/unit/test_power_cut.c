/*
 * test_power_cut.c - the power goes at every operation of many workloads, and again in recovery
 *
 * Prints how many cuts were tried. A failure prints the line that replays it:
 *   PP_CUT=workload:geometry:medium:operation.arrival[:operation.arrival...]
 * PP_CUT_STRIDE=1 cuts at every operation of every run, PP_CUT_NESTED=1 each of these again in
 * recovery (many hours), PP_CUT_ARRIVALS=n lets each cut arrive in n ways.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "support/cut.h"

static const struct cut_geometry geometries[] = {
    {1, 256, 2048, 24, 0xFF},   {4, 256, 4096, 16, 0xFF},   {16, 16, 2048, 24, 0xFF},
    {256, 256, 4096, 16, 0xFF}, {512, 512, 8192, 12, 0x00}, {1, 4096, 4096, 16, 0x00},
};
#define GEOMETRIES (sizeof(geometries) / sizeof(geometries[0]))

static const struct cut_medium media[] = {
    {"card", false, false, false}, /* a cache, sectors old or new */
    {"nor", true, true, true},     /* each operation is durable; bits are torn and waver */
    {"raw", false, true, true},    /* both */
};
#define MEDIA (sizeof(media) / sizeof(media[0]))

struct workload {
    const char *name;
    void (*run)(struct cut *c);
    uint32_t arrivals; /* of each cut; few operations are cut in many ways */
};

/* Blocks opened since the medium was new, as a multiple of the blocks there are. */
static bool has_gone_round(const struct cut *c, uint32_t times)
{
    return c->queue->ring.next_lap > times * c->queue->ring.flash->block_count;
}

/* ---- the workloads ---- */

static void fresh_medium(struct cut *c)
{
    cut_start(c);
    (void)cut_add(c, 100, 1);
    cut_sync(c);
    (void)cut_add(c, 900, 3);
    cut_deliver(c, cut_waiting(&c->model, 0));
    cut_sync(c);
}

static void steady_deliveries(struct cut *c)
{
    cut_start(c);
    for (unsigned i = 0; i < 300 && !has_gone_round(c, 2); i++) {
        if (cut_add(c, (uint32_t)(cut_random(c) % 2500), 1 + i % 3))
            cut_sync(c);
        if (cut_waiting_count(&c->model) > i % 4)
            cut_deliver(c, cut_waiting(&c->model, 0));
        cut_sync(c);
        cut_clean(c);
    }
}

/* Old mail moves with the ring while other mail comes and goes. */
static void cleaning_goes_on(struct cut *c)
{
    for (uint32_t i = 0; i < 4; i++)
        (void)cut_add(c, 200 + i * 500, 4);
    for (unsigned i = 0; i < 400 && !has_gone_round(c, 3); i++) {
        (void)cut_add(c, (uint32_t)(cut_random(c) % 3000), 1);
        if (i % 3 == 0)
            cut_sync(c);
        if (cut_waiting_count(&c->model) > 5)
            cut_deliver(c, cut_waiting(&c->model, 4));
        struct cut_message *old = cut_waiting(&c->model, 3);
        if (i % 16 == 7 && old != NULL)
            cut_results(&c->model, old, 0, 1 + i / 16 % old->recipients, PP_OUTCOME_FAILED);
        for (unsigned k = 0; k < i % 5; k++)
            cut_clean(c);
    }
    cut_rest(c);
}

static void cleaning_under_way(struct cut *c)
{
    cut_start(c);
    cleaning_goes_on(c);
}

/* Until it says no. */
static void fill(struct cut *c, uint32_t size_bytes)
{
    for (unsigned i = 0; i < 400 && cut_add(c, size_bytes + i % 7 * 50, 1 + i % 2); i++) {
        if (i % 4 == 3)
            cut_sync(c);
    }
    cut_sync(c);
}

static void nearly_full(struct cut *c)
{
    cut_start(c);
    fill(c, 1200);
    for (unsigned i = 0; i < 200 && !has_gone_round(c, 3); i++) {
        cut_deliver(c, cut_waiting(&c->model, cut_random(c)));
        if (i % 2 == 0)
            cut_sync(c);
        cut_rest(c);
        (void)cut_add(c, 300 + (uint32_t)(cut_random(c) % 1200), 1);
        cut_clean(c);
    }
    cut_sync(c);
}

/* Refused again and again; the reserve takes what is critical; results are kept all the same. */
static void full_with_refusals(struct cut *c)
{
    c->limits.reserve_percent = 20;
    cut_start(c);
    fill(c, 700);
    for (unsigned i = 0; i < 60; i++) {
        struct cut_message *msg =
            cut_open(&c->model, 400, 1, i % 3 == 0 ? PP_SEVERITY_CRITICAL : PP_SEVERITY_INFO);
        if (msg != NULL)
            (void)cut_seal(&c->model, msg);
        msg = cut_waiting(&c->model, cut_random(c));
        if (msg != NULL)
            cut_results(&c->model, msg, 0, 1, i % 4 == 0 ? PP_OUTCOME_FAILED : PP_OUTCOME_OPEN);
        if (msg != NULL && i % 5 == 4)
            cut_remove(&c->model, msg);
        cut_require_good(c);
        cut_clean(c);
        if (i % 2 == 0)
            cut_sync(c);
    }
    cut_rest(c);
}

static void half_the_medium(struct cut *c)
{
    cut_start(c);
    (void)cut_add(c, 600, 2);
    cut_sync(c);
    uint32_t size_bytes = c->queue->ring.flash->block_count * c->queue->ring.flash->block_bytes / 2;
    for (unsigned i = 0; i < 40 && !has_gone_round(c, 3); i++) {
        while (size_bytes > 2000 && !cut_add(c, size_bytes, 1)) {
            cut_rest(c);
            if (!cut_add(c, size_bytes, 1))
                size_bytes -= size_bytes / 16;
            else
                break;
        }
        cut_sync(c);
        while (cut_waiting_count(&c->model) > 1)
            cut_deliver(c, cut_waiting(&c->model, 1));
        cut_sync(c);
        cut_rest(c);
    }
}

/* Many blocks are given back and opened again before the next sync. */
static void many_blocks_a_sync(struct cut *c)
{
    uint32_t block = c->flash[0].flash.block_bytes;
    cut_start(c);
    for (unsigned i = 0; i < 40 && !has_gone_round(c, 3); i++) {
        for (unsigned k = 0; k < 5; k++)
            (void)cut_add(c, block / 2 + (uint32_t)(cut_random(c) % block), 1);
        if (i % 2 == 0)
            cut_sync(c);
        while (cut_waiting_count(&c->model) > 1)
            cut_deliver(c, cut_waiting(&c->model, cut_random(c)));
        if (i % 2 != 0)
            cut_sync(c);
        while (pp_queue_clean(c->queue))
            continue;
    }
    cut_sync(c);
}

static void interleaved_writers(struct cut *c)
{
    struct cut_message *writing[5] = {NULL};
    cut_start(c);
    for (unsigned i = 0; i < 900 && !has_gone_round(c, 2); i++) {
        struct cut_message **msg = &writing[cut_random(c) % 5];
        if (*msg == NULL) {
            *msg =
                cut_open(&c->model, (uint32_t)(cut_random(c) % 4000), 1 + i % 4, PP_SEVERITY_INFO);
        } else if ((*msg)->done_bytes < (*msg)->size_bytes) {
            cut_write(&c->model, *msg, 300);
        } else {
            if (cut_random(c) % 6 == 0)
                cut_abort(&c->model, *msg);
            else
                (void)cut_seal(&c->model, *msg);
            *msg = NULL;
        }
        if (i % 23 == 0)
            cut_sync(c);
        if (cut_waiting_count(&c->model) > 4)
            cut_deliver(c, cut_waiting(&c->model, 0));
        cut_clean(c);
    }
    cut_sync(c);
}

static void many_recipients(struct cut *c)
{
    cut_start(c);
    for (unsigned round = 0; round < 5; round++) {
        if (!cut_add(c, 800, 200))
            cut_rest(c);
        struct cut_message *msg = cut_waiting(&c->model, 0);
        for (unsigned i = 0; i < 12 && msg != NULL; i++) {
            uint32_t from = (uint32_t)(cut_random(c) % 180);
            cut_results(&c->model, msg, from, from + 1 + (uint32_t)(cut_random(c) % 20),
                        (enum pp_outcome)(cut_random(c) % 3));
            if (i % 3 == 0)
                cut_sync(c);
            cut_clean(c);
        }
        if (msg != NULL)
            cut_deliver(c, msg);
        cut_rest(c);
    }
}

static void hold_requeue_remove(struct cut *c)
{
    cut_start(c);
    for (unsigned i = 0; i < 250 && !has_gone_round(c, 2); i++) {
        struct cut_message *msg = cut_waiting(&c->model, cut_random(c));
        unsigned what = (unsigned)(cut_random(c) % 8);
        if (msg == NULL || what < 2)
            (void)cut_add(c, (uint32_t)(cut_random(c) % 1500), 3);
        else if (what == 2)
            cut_hold(&c->model, msg, cut_random(c) % 2 == 0);
        else if (what == 3)
            cut_requeue(&c->model, msg);
        else if (what == 4 && cut_waiting_count(&c->model) > 3)
            cut_remove(&c->model, msg);
        else if (what < 7)
            cut_results(&c->model, msg, i % 3, i % 3 + 1, (enum pp_outcome)(cut_random(c) % 3));
        else
            cut_sync(c);
        cut_require_good(c);
        cut_clean(c);
    }
    cut_sync(c);
}

static void restart_again_and_again(struct cut *c)
{
    cut_start(c);
    for (unsigned i = 0; i < 30; i++) {
        for (unsigned k = 0; k < i % 4; k++)
            (void)cut_add(c, (uint32_t)(cut_random(c) % 1500), 2);
        if (i % 3 != 0)
            cut_sync(c);
        if (cut_waiting_count(&c->model) > i % 6)
            cut_deliver(c, cut_waiting(&c->model, cut_random(c)));
        if (i % 5 == 0)
            cut_rest(c);
        cut_restart(c);
    }
}

/* A sync takes its time, and more comes in meanwhile. */
static void syncs_under_way(struct cut *c)
{
    c->flash[0].lazy_sync = true;
    cut_start(c);
    for (unsigned i = 0; i < 400 && !has_gone_round(c, 2); i++) {
        (void)cut_add(c, (uint32_t)(cut_random(c) % 1200), 1);
        if (pp_queue_sync(c->queue) == PP_OK)
            cut_synced(&c->model);
        if (cut_waiting_count(&c->model) > 4)
            cut_deliver(c, cut_waiting(&c->model, cut_random(c) % 3));
        cut_clean(c);
    }
}

/* Records of a few bytes: each block that is closed lists as many as there can be. */
static void summaries_of_blocks(struct cut *c)
{
    cut_start(c);
    for (unsigned i = 0; i < 500 && !has_gone_round(c, 2); i++) {
        (void)cut_add(c, 1, 1);
        if (i % 11 == 0)
            cut_sync(c);
        while (cut_waiting_count(&c->model) > 12)
            cut_deliver(c, cut_waiting(&c->model, cut_random(c) % 8));
        cut_clean(c);
    }
    cut_sync(c);
}

static void all_of_it(struct cut *c)
{
    cut_start(c);
    for (unsigned i = 0; i < 700 && !has_gone_round(c, 4); i++) {
        unsigned what = (unsigned)(cut_random(c) % 16);
        struct cut_message *msg = cut_waiting(&c->model, cut_random(c));
        if (what < 4)
            (void)cut_add(c, (uint32_t)(cut_random(c) % 3000), 1 + (uint32_t)(cut_random(c) % 4));
        else if (what < 9 && msg != NULL)
            cut_results(&c->model, msg, 0, 1 + (uint32_t)(cut_random(c) % msg->recipients),
                        cut_random(c) % 4 == 0 ? PP_OUTCOME_FAILED : PP_OUTCOME_DELIVERED);
        else if (what == 9 && msg != NULL && cut_waiting_count(&c->model) > 8)
            cut_remove(&c->model, msg);
        else if (what < 13)
            cut_clean(c);
        else
            cut_sync(c);
        cut_require_good(c);
        if (i % 200 == 199)
            cut_restart(c);
    }
    cut_rest(c);
}

/* ---- media that fail ---- */

/* Every few syncs one fails. What was appended since the last good one is promised to nobody. */
static void syncs_that_fail(struct cut *c)
{
    for (unsigned i = 0; i < 6; i++)
        ram_flash_fault(&c->flash[0],
                        (struct ram_fault){.kind = RAM_FAIL_SYNC, .after = 3 + i * 7, .times = 1});
    cut_start(c);
    for (unsigned i = 0; i < 120 && !has_gone_round(c, 2); i++) {
        (void)cut_add(c, (uint32_t)(cut_random(c) % 2500), 2);
        cut_sync_or_remount(c);
        if (cut_waiting_count(&c->model) > 2)
            cut_deliver(c, cut_waiting(&c->model, cut_random(c)));
        (void)pp_queue_clean(c->queue);
        cut_sync_or_remount(c);
    }
}

/* Blocks fail to erase, one at once, some when they were used a while. */
static void erases_that_fail(struct cut *c)
{
    uint32_t count = c->flash[0].flash.block_count;
    ram_flash_wear_out(&c->flash[0], 1, 0);
    ram_flash_wear_out(&c->flash[0], count / 2, 1);
    ram_flash_wear_out(&c->flash[0], count - 1, 2);
    steady_deliveries(c);
    cleaning_goes_on(c);
}

/* A program fails in the block that is being filled, with old mail in the block. */
static void programs_that_fail(struct cut *c)
{
    uint64_t block = c->flash[0].flash.block_bytes;
    uint32_t count = c->flash[0].flash.block_count;
    ram_flash_fault(&c->flash[0], (struct ram_fault){RAM_FAIL_PROGRAM, 2 * block + block / 2,
                                                     block / 4, 1, 1, 0});
    ram_flash_fault(&c->flash[0], (struct ram_fault){RAM_FAIL_PROGRAM, 4 * block, block, 0, 1, 0});
    ram_flash_fault(&c->flash[0],
                    (struct ram_fault){RAM_FAIL_PROGRAM, (count - 2) * block, block, 3, 0, 0});
    cut_start(c);
    cleaning_goes_on(c);
}

/* More than one in a row, and the block that is to continue another fails too. */
static void failures_in_a_row(struct cut *c)
{
    uint64_t block = c->flash[0].flash.block_bytes;
    ram_flash_fault(&c->flash[0],
                    (struct ram_fault){RAM_FAIL_PROGRAM, 3 * block + 100, block, 1, 0, 0});
    ram_flash_wear_out(&c->flash[0], 5, 0);
    ram_flash_wear_out(&c->flash[0], 6, 1);
    ram_flash_fault(&c->flash[0], (struct ram_fault){RAM_FAIL_PROGRAM, 7 * block, 1, 2, 0, 0});
    cut_start(c);
    cleaning_goes_on(c);
    for (unsigned i = 0; i < 4; i++) {
        cut_restart(c);
        (void)cut_add(c, 900, 2);
        cut_sync(c);
    }
}

/* Two blocks are retired, and the ring goes round and round: the list moves with it. */
static void list_of_retired_moves(struct cut *c)
{
    ram_flash_wear_out(&c->flash[0], 2, 0);
    ram_flash_wear_out(&c->flash[0], 3, 0);
    cut_start(c);
    for (unsigned i = 0; i < 600 && !has_gone_round(c, 6); i++) {
        if (cut_add(c, 1500 + (uint32_t)(cut_random(c) % 2000), 1))
            cut_sync(c);
        while (cut_waiting_count(&c->model) > 1)
            cut_deliver(c, cut_waiting(&c->model, 1));
        cut_rest(c);
        if (i % 40 == 39)
            cut_restart(c);
    }
}

static const struct workload workloads[] = {
    {"fresh-medium", fresh_medium, 24},
    {"steady-deliveries", steady_deliveries, 1},
    {"cleaning-under-way", cleaning_under_way, 1},
    {"nearly-full", nearly_full, 1},
    {"full-with-refusals", full_with_refusals, 2},
    {"half-the-medium", half_the_medium, 1},
    {"many-blocks-a-sync", many_blocks_a_sync, 1},
    {"interleaved-writers", interleaved_writers, 1},
    {"many-recipients", many_recipients, 2},
    {"hold-requeue-remove", hold_requeue_remove, 1},
    {"restart-again-and-again", restart_again_and_again, 1},
    {"syncs-under-way", syncs_under_way, 1},
    {"summaries-of-blocks", summaries_of_blocks, 1},
    {"all-of-it", all_of_it, 1},
    {"syncs-that-fail", syncs_that_fail, 1},
    {"erases-that-fail", erases_that_fail, 1},
    {"programs-that-fail", programs_that_fail, 1},
    {"failures-in-a-row", failures_in_a_row, 1},
    {"list-of-retired-moves", list_of_retired_moves, 1},
};
#define WORKLOADS (sizeof(workloads) / sizeof(workloads[0]))

/* ---- running them ---- */

/* What the environment asks for. */
struct wanted {
    uint32_t stride, arrivals, nested_stride;
    char workload[40];
    unsigned geometry;
    char medium[8];
    struct cut_path path;
};

/* Only in a program with AddressSanitizer, which is several times slower. */
extern void __asan_init(void) __attribute__((weak));

static uint32_t number_from(const char *name_z, uint32_t otherwise)
{
    const char *text_z = getenv(name_z);
    return text_z != NULL ? (uint32_t)strtoul(text_z, NULL, 10) : otherwise;
}

static struct wanted read_wanted(void)
{
    struct wanted w = {.stride = number_from("PP_CUT_STRIDE", __asan_init != NULL ? 60 : 12),
                       .arrivals = number_from("PP_CUT_ARRIVALS", 1),
                       .nested_stride = number_from("PP_CUT_NESTED", 40)};
    const char *text_z = getenv("PP_CUT");
    int at = 0;
    if (text_z == NULL)
        return w;
    assert_int_equal(sscanf(text_z, "%39[^:]:%u:%7[^:]%n", w.workload, &w.geometry, w.medium, &at),
                     3);
    while (text_z[at] == ':' && w.path.len < CUT_LEVELS) {
        struct cut_step *step = &w.path.steps[w.path.len++];
        unsigned long long operation;
        int len = 0;
        assert_int_equal(sscanf(text_z + at, ":%llu.%u%n", &operation, &step->arrival, &len), 2);
        step->operation = operation;
        at += len;
    }
    return w;
}

static bool is_wanted(const struct wanted *w, const struct workload *load, unsigned geometry,
                      const struct cut_medium *medium)
{
    return w->workload[0] == '\0' ||
           (strcmp(w->workload, load->name) == 0 && w->geometry == geometry &&
            strcmp(w->medium, medium->name) == 0);
}

static void run_one(struct cut *c, const struct wanted *w, const struct workload *load,
                    unsigned geometry, const struct cut_medium *medium)
{
    c->workload = load->name;
    c->geometry = geometry;
    c->medium = medium;
    c->stride = load->arrivals > 8 ? 1 : w->stride;
    c->arrivals = load->arrivals * w->arrivals;
    c->nested_stride = w->nested_stride;
    c->deep_stride = 12;
    c->only = w->path;
    cut_begin(c, &geometries[geometry]);
    load->run(c);
    cut_end(c);
}

static void print_row(const char *name, const struct cut *c, double seconds)
{
    print_message("%-26s %10llu %10llu %10llu %10llu %8.1f\n", name,
                  (unsigned long long)c->operations, (unsigned long long)c->cuts[0],
                  (unsigned long long)c->cuts[1], (unsigned long long)c->cuts[2], seconds);
}

static void every_promise_is_kept(void **state)
{
    static struct cut total;
    static struct cut c;
    struct wanted w = read_wanted();
    clock_t began = clock();
    (void)state;
    print_message("%-26s %10s %10s %10s %10s %8s\n", "workload", "operations", "cuts", "in recov.",
                  "and again", "seconds");
    for (size_t i = 0; i < WORKLOADS; i++) {
        clock_t then = clock();
        memset(&c, 0, sizeof(c));
        for (unsigned g = 0; g < GEOMETRIES; g++) {
            for (size_t k = 0; k < MEDIA; k++) {
                if (is_wanted(&w, &workloads[i], g, &media[k]))
                    run_one(&c, &w, &workloads[i], g, &media[k]);
            }
        }
        print_row(workloads[i].name, &c, (double)(clock() - then) / CLOCKS_PER_SEC);
        total.operations += c.operations;
        for (unsigned k = 0; k < CUT_LEVELS; k++)
            total.cuts[k] += c.cuts[k];
    }
    print_row("in all", &total, (double)(clock() - began) / CLOCKS_PER_SEC);
    assert_true(total.cuts[0] > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_promise_is_kept),
    };
    return cmocka_run_group_tests_name("power_cut", tests, NULL, NULL);
}
