/*
 * test_queue_cut.c - the power goes at every program and erase of a mixed workload
 *
 * After each cut: every message that was synced is there and whole, with the outcomes that were
 * synced; none is half there; none whose end was synced is back. Then the same medium goes on,
 * to the next cut. What was not synced arrives in any order, in part or not at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "queue_model.h"

static const struct ram_geometry geometries[] = {
    {1, 256, 2048, 24, 0xFF},   {4, 256, 4096, 16, 0xFF},   {16, 16, 2048, 24, 0xFF},
    {256, 256, 4096, 16, 0xFF}, {512, 512, 8192, 12, 0x00}, {1, 4096, 4096, 16, 0x00},
};
#define GEOMETRIES (sizeof(geometries) / sizeof(geometries[0]))
#define CUTS       6

struct run {
    struct model m;
    uint8_t (*sure)[1000]; /* outcomes that were synced, by message */
};

static void note_sure(struct run *r)
{
    model_synced(&r->m);
    for (size_t i = 0; i < r->m.count; i++)
        memcpy(r->sure[i], r->m.messages[i].outcomes, r->m.messages[i].recipients);
}

static struct model_message *pick(struct run *r)
{
    if (r->m.count == 0)
        return NULL;
    struct model_message *msg = &r->m.messages[ram_random(&r->m.flash) % r->m.count];
    return msg->state == MODEL_QUEUED ? msg : NULL;
}

/* A result whose record may or may not arrive; the model takes it as kept. */
static void result(struct run *r, struct model_message *msg)
{
    uint16_t recipient = (uint16_t)(ram_random(&r->m.flash) % msg->recipients);
    unsigned what = (unsigned)(ram_random(&r->m.flash) % 6);
    (void)!model_result(&r->m, msg->id, recipient,
                        what == 0   ? PP_OUTCOME_FAILED
                        : what == 1 ? PP_OUTCOME_OPEN
                                    : PP_OUTCOME_DELIVERED);
    if (pp_queue_find(&q, msg->id) == NULL)
        msg->state = MODEL_GONE; /* even if writing that down failed: it may have arrived */
}

static void remove_one(struct run *r, struct model_message *msg)
{
    if (pp_queue_remove(&q, msg->id) == PP_OK || r->m.flash.off)
        msg->state = MODEL_GONE;
}

static void work(struct run *r)
{
    struct ram_flash *f = &r->m.flash;
    unsigned what = (unsigned)(ram_random(f) % 16);
    struct model_message *msg = pick(r);
    if (what < 4) {
        if (r->m.count < MODEL_MESSAGES)
            (void)!model_add(&r->m, (uint32_t)(ram_random(f) % 3000),
                             1 + (uint32_t)(ram_random(f) % 4));
    } else if (what < 9 && msg != NULL) {
        result(r, msg);
    } else if (what == 9 && msg != NULL && ram_random(f) % 4 == 0) {
        remove_one(r, msg);
    } else if (what < 13) {
        (void)pp_queue_clean(&q);
    } else if (pp_queue_sync(&q) == PP_OK && !f->off) {
        note_sure(r);
    }
}

/* What must be true of one message after a cut; the model then follows what is there. */
static void check_after_cut(struct run *r, size_t i)
{
    struct model_message *msg = &r->m.messages[i];
    struct pp_queue_entry *entry = pp_queue_find(&q, msg->id);
    uint8_t outcomes[1000];
    bool ended = msg->state == MODEL_GONE;
    if (entry == NULL) {
        if (msg->there_sure && !ended)
            fail_msg("message %u was synced and is lost", msg->id);
        msg->state = MODEL_GONE;
        if (!msg->there_sure)
            msg->id = 0; /* nobody was told that it is there: its id may be used again */
        return;
    }
    if (msg->gone_sure)
        fail_msg("message %u came back", msg->id);
    msg->state = MODEL_QUEUED;
    if (!model_is_whole(msg))
        fail_msg("message %u is not whole", msg->id);
    assert_int_equal(entry->recipient_count, msg->recipients);
    assert_int_equal(pp_queue_outcomes(&q, msg->id, outcomes, sizeof(outcomes)), PP_OK);
    for (uint32_t k = 0; k < msg->recipients; k++) {
        if (msg->there_sure && r->sure[i][k] == PP_OUTCOME_DELIVERED)
            assert_int_equal(outcomes[k], PP_OUTCOME_DELIVERED);
    }
    memcpy(msg->outcomes, outcomes, msg->recipients);
}

static void remount(struct run *r)
{
    struct ram_flash *f = &r->m.flash;
    size_t queued = 0;
    ram_power_on(f);
    assert_int_equal(pp_queue_mount(&q, &f->flash, &r->m.limits), PP_OK);
    for (size_t i = 0; i < r->m.count; i++) {
        check_after_cut(r, i);
        queued += r->m.messages[i].state == MODEL_QUEUED;
    }
    assert_int_equal(q.messages_damaged, 0);
    assert_int_equal(q.entry_count, queued);
}

static void run(const struct ram_geometry *g, uint64_t seed, uint64_t span)
{
    struct run r;
    memset(&r, 0, sizeof(r));
    model_init(&r.m, g);
    r.sure = calloc(MODEL_MESSAGES, sizeof(*r.sure));
    struct ram_flash *f = &r.m.flash;
    f->seed = seed;
    for (unsigned cut = 0; cut < CUTS; cut++) {
        f->cut_at = f->operations + 1 + (cut == 0 ? seed % span : ram_random(f) % span);
        for (unsigned i = 0; i < 4000 && !f->off; i++)
            work(&r);
        remount(&r);
    }
    assert_int_equal(f->rules_broken, 0);
    free(r.sure);
    model_free(&r.m);
}

static void survives_a_cut_at_every_operation(void **state)
{
    /* PP_CUT_SEEDS=10000 for a night. */
    const char *asked_z = getenv("PP_CUT_SEEDS");
    uint64_t seeds = asked_z != NULL ? strtoull(asked_z, NULL, 10) : 100;
    (void)state;
    for (size_t g = 0; g < GEOMETRIES; g++) {
        for (uint64_t seed = 0; seed < seeds; seed++)
            run(&geometries[g], seed * 7919, 400);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives_a_cut_at_every_operation),
    };
    return cmocka_run_group_tests_name("queue_cut", tests, NULL, NULL);
}
