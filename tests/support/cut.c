/*
 * cut.c - the power goes at every operation of a workload: cutting and recovering
 *
 * Job:      which operations are cut; mount, check, go on, mount again after each.
 * Not here: the live queue's own calls (cut_live.c).
 */
#include "support/cut.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/cut_content.h"

static struct pp_queue queues[CUT_LEVELS + 1];

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

/* What arrives follows from where the cut is, so a replay needs no more than that. */
static uint64_t seed_of(const struct cut_path *path)
{
    uint64_t seed = 0;
    for (unsigned i = 0; i < path->len; i++)
        seed = mix(seed + path->steps[i].operation * 64 + path->steps[i].arrival + 1);
    return seed;
}

/* ---- saying what failed ---- */

void cut_require_good(struct cut *c)
{
    if (!c->model.broken)
        return;
    print_message("%s\nworkload %s, geometry %u, medium %s, cut at operation", c->model.problem,
                  c->workload, c->geometry, c->medium->name);
    for (unsigned i = 0; i < c->path.len; i++)
        print_message("%s %llu (arrival %u)", i > 0 ? ", then in recovery at" : "",
                      (unsigned long long)c->path.steps[i].operation, c->path.steps[i].arrival);
    print_message("\nreplay: PP_CUT=%s:%u:%s", c->workload, c->geometry, c->medium->name);
    for (unsigned i = 0; i < c->path.len; i++)
        print_message(":%llu.%u", (unsigned long long)c->path.steps[i].operation,
                      c->path.steps[i].arrival);
    print_message(" build/host/tests/unit/test_power_cut\n");
    fail_msg("%s", c->model.problem);
}

static void require(struct cut *c, bool good, const char *what)
{
    if (!good)
        cut_problem(&c->model, "%s", what);
    cut_require_good(c);
}

/* ---- a queue after a cut ---- */

static void sync_queue(struct cut *c, struct pp_queue *q)
{
    enum pp_err err;
    do
        err = pp_queue_sync(q);
    while (err == PP_ERR_LATER);
    require(c, err == PP_OK, "a sync after the cut fails");
}

static void rest_queue(struct cut *c, struct pp_queue *q)
{
    for (unsigned i = 0; i < 10000; i++) {
        bool more = pp_queue_clean(q);
        if (!more && !pp_queue_wants_sync(q))
            return;
        if (pp_queue_wants_sync(q))
            sync_queue(c, q);
    }
    require(c, false, "cleaning after the cut does not come to rest");
}

static void mount(struct cut *c, unsigned level)
{
    enum pp_err err = pp_queue_mount(&queues[level], &c->flash[level].flash, &c->limits);
    if (err != PP_OK)
        cut_problem(&c->model, "mount says %s", pp_err_text(err));
    cut_require_good(c);
}

/* What the queue told after its first sync stays so. `but` is passed over. */
static void check_told(struct cut *c, struct pp_queue *q, uint32_t but)
{
    for (uint32_t i = 0; i < c->model.count; i++) {
        if (c->model.messages[i].id != 0 && c->model.messages[i].id != but)
            cut_check_again(&c->model, q, &c->model.messages[i], c->told[i]);
    }
    cut_require_good(c);
}

/* Returns the first message that is there, by its number in the model; UINT32_MAX: none. */
static uint32_t note_told(struct cut *c, struct pp_queue *q)
{
    uint32_t first = UINT32_MAX;
    for (uint32_t i = 0; i < c->model.count; i++) {
        const struct cut_message *msg = &c->model.messages[i];
        uint32_t told = msg->id != 0 ? cut_told(q, msg) : 0;
        if (told != 0 && first == UINT32_MAX)
            first = i;
        if (c->told[i] != CUT_WAVERS)
            c->told[i] = told;
    }
    return first;
}

/* What is told from now on; but not by messages that may waver. */
static void note_told_first(struct cut *c, struct pp_queue *q)
{
    for (uint32_t i = 0; i < c->model.count; i++)
        c->told[i] = cut_may_waver(q, &c->model.messages[i]) ? CUT_WAVERS : 0;
    (void)note_told(c, q);
}

/* Make room: the first message there is goes. */
static void remove_first(struct cut *c, struct pp_queue *q)
{
    uint32_t first = note_told(c, q);
    require(c, first != UINT32_MAX, "an empty queue refuses a message");
    enum pp_err err = pp_queue_remove(q, c->model.messages[first].id);
    require(c, err == PP_OK, "a message cannot be removed after the cut");
    rest_queue(c, q);
}

/* A new message is taken in: the queue accepts again, if need be when others have gone. */
static struct cut_message *add_one(struct cut *c, struct cut_model *extra)
{
    for (unsigned tries = 0; extra->count < extra->cap; tries++) {
        struct cut_message *msg = cut_open(extra, 700, 2, PP_SEVERITY_INFO);
        if (msg != NULL && cut_seal(extra, msg))
            return msg;
        require(c, !extra->broken, extra->problem);
        if (tries == 0)
            rest_queue(c, extra->queue);
        else
            remove_first(c, extra->queue);
    }
    require(c, false, "a new message finds no room whatever goes");
    return NULL;
}

static void check_new_id(struct cut *c, uint32_t id)
{
    for (uint32_t i = 0; i < c->model.count; i++)
        require(c, c->model.messages[i].id != id || !c->model.messages[i].there.sure,
                "an id is used twice");
}

/* The queue goes on: takes one in, delivers it, gives another a result; a mount shows that. */
static void go_on(struct cut *c, unsigned level)
{
    struct pp_queue *q = &queues[level];
    struct cut_model extra;
    note_told_first(c, q);
    cut_model_init(&extra, q, 16, 30000 + level * 16); /* other bytes than the workload's */
    struct cut_message *msg = add_one(c, &extra);
    uint32_t id = msg->id;
    check_new_id(c, id);
    sync_queue(c, q);
    require(c, cut_is_whole(q, msg), "a message taken in after the cut is not whole");
    cut_results(&extra, msg, 0, 2, PP_OUTCOME_DELIVERED);
    require(c, !extra.broken, extra.problem);
    uint32_t first = note_told(c, q);
    if (first != UINT32_MAX && c->model.messages[first].id != id) {
        const struct pp_result result = {0, PP_OUTCOME_FAILED, {"550 no", 6}};
        enum pp_err err = pp_queue_results(q, c->model.messages[first].id, &result, 1);
        require(c, err == PP_OK, "a result is refused after the cut");
    }
    sync_queue(c, q);
    rest_queue(c, q);
    (void)note_told(c, q);
    ram_power_on(&c->flash[level]);
    mount(c, level);
    require(c, pp_queue_find(q, id) == NULL, "a message delivered after the cut is back");
    check_told(c, q, id);
    cut_model_free(&extra);
}

static void at_operation(struct ram_flash *f, void *ctx);

/* The flash of this level was cut: all that follows. */
static void recover(struct cut *c, unsigned level)
{
    struct ram_flash *f = &c->flash[level];
    struct pp_queue *q = &queues[level];
    f->at_operation = level < CUT_LEVELS ? at_operation : NULL;
    f->at_operation_ctx = c;
    mount(c, level);
    cut_check(&c->model, q);
    cut_require_good(c);
    sync_queue(c, q);
    f->at_operation = NULL;
    cut_check(&c->model, q);
    note_told_first(c, q);
    ram_power_on(f);
    mount(c, level);
    check_told(c, q, 0);
    if (level == 1 || seed_of(&c->path) % 4 == 0)
        go_on(c, level);
    require(c, f->rules_broken == 0, "a rule of the flash was broken");
}

/* ---- where to cut ---- */

static bool is_wanted(const struct cut *c, unsigned level, uint64_t operation)
{
    if (level < c->only.len)
        return operation == c->only.steps[level].operation;
    /* Small pages make many operations of little difference. */
    uint32_t page = c->flash[0].flash.page_bytes;
    uint32_t small = page < 128 ? 128 / page : 1;
    if (level == 0)
        return operation % (c->stride * (small + 3) / 4) == 0;
    if (level == 1 && mix(seed_of(&c->path)) % c->nested_stride != 0)
        return false;
    return mix(seed_of(&c->path) + operation) % (level > 1 ? c->deep_stride * small : small) == 0;
}

static bool is_arrival_wanted(const struct cut *c, unsigned level, uint32_t arrival)
{
    return level >= c->only.len || arrival == c->only.steps[level].arrival;
}

/* Syncs fail the live queue only: a queue in recovery is to come to its end. */
static void let_syncs_be(struct ram_flash *f)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < f->fault_count; i++) {
        if (f->faults[i].kind != RAM_FAIL_SYNC)
            f->faults[kept++] = f->faults[i];
    }
    f->fault_count = kept;
}

static void cut_at(struct cut *c, unsigned level, uint64_t operation)
{
    if (!is_wanted(c, level, operation))
        return;
    if (level == 0)
        cut_settle(&c->model);
    uint32_t arrivals = level == 0 || c->only.len > 0 ? c->arrivals : 1;
    for (uint32_t arrival = 0; arrival < arrivals; arrival++) {
        if (!is_arrival_wanted(c, level, arrival))
            continue;
        c->path.len = level + 1;
        c->path.steps[level] = (struct cut_step){operation, arrival};
        ram_flash_cut(&c->flash[level + 1], &c->flash[level], seed_of(&c->path));
        let_syncs_be(&c->flash[level + 1]);
        c->cuts[level]++;
        recover(c, level + 1);
        c->path.len = level;
    }
}

static void at_operation(struct ram_flash *f, void *ctx)
{
    struct cut *c = ctx;
    cut_at(c, (unsigned)(f - c->flash), f->operations);
}

/* ---- one run ---- */

void cut_begin(struct cut *c, const struct cut_geometry *g)
{
    for (unsigned i = 0; i <= CUT_LEVELS; i++)
        ram_flash_init(&c->flash[i], g->unit, g->page, g->block, g->count, g->erased);
    struct ram_flash *live = &c->flash[0];
    live->write_through = c->medium->write_through;
    live->torn_bits = c->medium->torn_bits;
    live->weak_units = c->medium->weak_units;
    live->at_operation = at_operation;
    live->at_operation_ctx = c;
    c->queue = &queues[0];
    c->limits = (struct pp_queue_limits){.message_bytes = CUT_CONTENT_MAX, .recipients = 1000};
    c->random = 1;
    c->path.len = 0;
    cut_model_init(&c->model, c->queue, 4096, 1);
    c->told = calloc(c->model.cap, sizeof(*c->told));
    if (c->told == NULL)
        abort();
}

void cut_start(struct cut *c)
{
    mount(c, 0);
}

void cut_end(struct cut *c)
{
    cut_at(c, 0, c->flash[0].operations + 1);
    require(c, c->flash[0].rules_broken == 0, "a rule of the flash was broken");
    c->operations += c->flash[0].operations;
    for (unsigned i = 0; i <= CUT_LEVELS; i++)
        ram_flash_free(&c->flash[i]);
    cut_model_free(&c->model);
    free(c->told);
}
