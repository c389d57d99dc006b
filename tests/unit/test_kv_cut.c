/*
 * test_kv_cut.c - the small key-value of two copies when the power goes
 *
 * At every program and erase of every workload the power goes, in several ways each; then, at
 * operations of what follows, again, and once more. After each cut: a value that was said to be
 * durable is there, or a later one; what is there is whole; no rule of the flash is broken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "store/kv.h"
#include "support/ram_flash.h"

#define KEYS   5u
#define MAYBE  64u
#define LEVELS 4u /* worlds: uncut, cut once, twice, three times */

static const unsigned keys[KEYS] = {PP_KV_TIME_FLOOR, PP_KV_RANDOM_SEED, PP_KV_CONFIG,
                                    PP_KV_SESSION, PP_KV_TOKEN + 1};

struct geometry {
    uint32_t unit, page, block, count;
    uint8_t erased;
};

static const struct geometry geometries[] = {
    {1, 256, 1024, 2, 0xFF},   {4, 256, 512, 4, 0xFF},    {16, 16, 1024, 2, 0xFF},
    {256, 256, 4096, 2, 0xFF}, {512, 512, 4096, 2, 0x00}, {8, 64, 1024, 2, 0x00},
};
#define GEOMETRIES (sizeof(geometries) / sizeof(geometries[0]))

/* Parts that are torn and forget in different ways. */
struct part {
    bool write_through, torn_bits, weak_units;
};

static const struct part parts[] = {
    {false, false, false}, /* a card with a cache */
    {true, true, true},    /* NOR */
    {true, false, false},
    {false, true, true}, /* both kinds of trouble at once */
};
#define PARTS (sizeof(parts) / sizeof(parts[0]))

/* What may be found; an id 0 is "no value". */
struct model {
    uint32_t sure[KEYS];         /* known durable */
    uint32_t maybe[KEYS][MAYBE]; /* put since */
    uint32_t maybe_count[KEYS];
    uint32_t put[KEYS]; /* in this life, UINT32_MAX none */
    uint32_t next_id;
    /* A put was refused in this half: what it left may be found until all is in another one. */
    uint32_t doubtful_generation;
};

struct world {
    struct ram_flash f;
    struct pp_kv kv;
    struct model m;
    bool made;
    unsigned level;
    unsigned ways;  /* cuts tried at each operation */
    unsigned every; /* ... that is a multiple of this */
};

static struct world worlds[LEVELS];
static uint64_t cuts[LEVELS];
static const char *now_workload;
static size_t now_geometry, now_part;
static uint64_t now_seed;

static size_t len_of(uint32_t id)
{
    return 4 + id * 11 % 60;
}

static void fill(uint8_t *value, uint32_t id)
{
    for (size_t i = 0; i < len_of(id); i++)
        value[i] = (uint8_t)(id >> 8 * (i % 4) ^ (i / 4 * 29));
}

#define assert_holds(c) assert_line((c), #c, __LINE__)
static void assert_line(bool holds, const char *words, int line)
{
    if (!holds)
        fail_msg("line %d: %s (workload %s, geometry %zu, part %zu, seed %llu, cuts before %llu)",
                 line, words, now_workload, now_geometry, now_part, (unsigned long long)now_seed,
                 (unsigned long long)(cuts[1] + cuts[2] + cuts[3]));
}

static bool is(const uint8_t *got, size_t len, uint32_t id)
{
    uint8_t want[64];
    if (id == 0)
        return false;
    fill(want, id);
    return len == len_of(id) && memcmp(got, want, len) == 0;
}

/* The id that a key has, which must be one of those that it may have. */
static uint32_t read_id(struct world *w, unsigned k)
{
    uint8_t got[PP_KV_VALUE_MAX];
    size_t len;
    const struct model *m = &w->m;
    enum pp_err err = pp_kv_get(&w->kv, keys[k], got, sizeof(got), &len);
    bool none = err == PP_ERR_NOT_FOUND || err == PP_ERR_DAMAGED;
    assert_holds(none || err == PP_OK);
    if (none ? m->sure[k] == 0 : is(got, len, m->sure[k]))
        return m->sure[k];
    for (uint32_t i = 0; i < m->maybe_count[k]; i++) {
        if (none ? m->maybe[k][i] == 0 : is(got, len, m->maybe[k][i]))
            return m->maybe[k][i];
    }
    assert_line(false, "a value that was durable is gone", __LINE__);
    return 0;
}

static uint32_t generation(const struct world *w)
{
    return w->kv.current == PP_KV_NO_HALF ? 0 : w->kv.half[w->kv.current].generation;
}

static void settle(struct world *w)
{
    bool doubtful = generation(w) == w->m.doubtful_generation;
    for (unsigned k = 0; k < KEYS; k++) {
        uint32_t id = read_id(w, k);
        assert_holds(w->m.put[k] == UINT32_MAX || w->m.put[k] == id);
        w->m.sure[k] = id;
        if (!doubtful)
            w->m.maybe_count[k] = 0;
    }
}

/* Put a new value, or with id 0 none. */
static enum pp_err change(struct world *w, unsigned k, bool remove)
{
    uint8_t value[64];
    struct model *m = &w->m;
    uint32_t id = remove ? 0 : ++m->next_id;
    if (w->f.off || m->maybe_count[k] == MAYBE)
        return PP_ERR_LATER;
    m->maybe[k][m->maybe_count[k]++] = id;
    fill(value, id);
    uint32_t failures = w->kv.report.writes_failed;
    enum pp_err err =
        remove ? pp_kv_remove(&w->kv, keys[k]) : pp_kv_put(&w->kv, keys[k], value, len_of(id));
    if (err == PP_OK)
        m->put[k] = id;
    else if (w->kv.report.writes_failed == failures)
        m->maybe_count[k]--; /* nothing of it was written */
    else
        m->doubtful_generation = generation(w);
    return err;
}

static void sync_begin(struct world *w)
{
    pp_kv_sync_begun(&w->kv);
}

static void sync_done(struct world *w)
{
    if (w->f.flash.sync_begin(&w->f) == 1)
        assert_holds(pp_kv_synced(&w->kv) == PP_OK);
    else
        pp_kv_sync_failed(&w->kv);
    /* What a mount found may be torn: it is written again with the first half begun after. */
    if (!w->f.off && pp_kv_is_durable(&w->kv) && w->kv.report.halves_begun > 0)
        settle(w);
}

static void sync(struct world *w)
{
    for (int i = 0; i < 3 && pp_kv_wants_sync(&w->kv); i++) {
        sync_begin(w);
        sync_done(w);
    }
}

static void mount(struct world *w)
{
    assert_holds(pp_kv_mount(&w->kv, &w->f.flash, true) == PP_OK);
    for (unsigned k = 0; k < KEYS; k++)
        w->m.put[k] = UINT32_MAX;
}

/* ---- workloads ---- */

static void one_key_again_and_again(struct world *w)
{
    for (int i = 0; i < 40; i++) {
        (void)!change(w, 0, false);
        sync(w);
    }
}

static void all_keys_in_turn(struct world *w)
{
    for (unsigned i = 0; i < 40; i++) {
        (void)!change(w, i % KEYS, false);
        if (i % 3 == 2)
            sync(w);
    }
}

static void a_mount_between(struct world *w)
{
    for (unsigned i = 0; i < 12; i++) {
        (void)!change(w, 1, false);
        (void)!change(w, i % KEYS, false);
        sync(w);
        mount(w);
    }
}

static void values_come_and_go(struct world *w)
{
    for (unsigned i = 0; i < 40; i++) {
        (void)!change(w, i * 7 % KEYS, i % 3 == 1);
        if (i % 2 == 0)
            sync(w);
    }
}

static void puts_while_a_sync_is_under_way(struct world *w)
{
    for (unsigned i = 0; i < 30; i++) {
        (void)!change(w, i % 2, false);
        sync_begin(w);
        (void)!change(w, 2 + i % 2, false);
        sync_done(w);
    }
}

static void never_synced_for_long(struct world *w)
{
    for (unsigned i = 0; i < 40; i++) {
        if (change(w, i % KEYS, false) == PP_ERR_LATER)
            sync(w);
    }
}

static void one_sync_at_a_time(struct world *w)
{
    for (unsigned i = 0; i < 60; i++) {
        (void)!change(w, i % KEYS, false);
        if (i % 9 == 8) {
            sync_begin(w);
            sync_done(w);
        }
    }
}

static void first_puts_ever(struct world *w)
{
    for (unsigned i = 0; i < 4; i++) {
        (void)!change(w, i, false);
        mount(w);
    }
}

static void a_write_fails_now_and_then(struct world *w)
{
    for (unsigned i = 0; i < 5; i++)
        ram_flash_fault(&w->f, (struct ram_fault){.kind = RAM_FAIL_PROGRAM,
                                                  .after = 5 + i * (4 + now_seed % 5),
                                                  .times = 1});
    for (unsigned i = 0; i < 30; i++) {
        (void)!change(w, i % KEYS, false);
        sync(w);
    }
}

static const struct {
    const char *name;
    void (*run)(struct world *w);
} workloads[] = {
    {"one key again and again", one_key_again_and_again},
    {"all keys in turn", all_keys_in_turn},
    {"a mount between", a_mount_between},
    {"values come and go", values_come_and_go},
    {"puts while a sync is under way", puts_while_a_sync_is_under_way},
    {"never synced for long", never_synced_for_long},
    {"one sync at a time", one_sync_at_a_time},
    {"the first puts ever", first_puts_ever},
    {"a write fails now and then", a_write_fails_now_and_then},
};
#define WORKLOADS (sizeof(workloads) / sizeof(workloads[0]))

/* ---- cuts ---- */

/* What a relay does after it started: seed and floor are replaced, then a value changes. */
static void after_a_mount(struct world *w)
{
    (void)!change(w, 1, false);
    (void)!change(w, 0, false);
    sync(w);
    (void)!change(w, 2, false);
    sync(w);
}

static void cut_here(struct ram_flash *f, void *ctx);

/* A cut at this instant, seen from the next world, which then goes on and is cut itself. */
static void try_cut(const struct world *w, uint64_t seed)
{
    struct world *next = &worlds[w->level + 1];
    cuts[next->level]++;
    ram_flash_cut(&next->f, &w->f, seed);
    next->m = w->m;
    mount(next);
    for (unsigned k = 0; k < KEYS; k++)
        (void)read_id(next, k);
    if (next->level + 1 < LEVELS) {
        next->f.at_operation = cut_here;
        next->f.at_operation_ctx = next;
    }
    after_a_mount(next);
    next->f.at_operation = NULL;
    mount(next);
    for (unsigned k = 0; k < KEYS; k++)
        (void)read_id(next, k);
    assert_holds(next->f.rules_broken == 0);
}

static void cut_here(struct ram_flash *f, void *ctx)
{
    const struct world *w = ctx;
    uint64_t seed = now_seed * 1000003 + f->operations * 17 + w->level;
    if ((f->operations + now_seed) % w->every != 0)
        return;
    for (unsigned i = 0; i < w->ways; i++)
        try_cut(w, seed + i * UINT64_C(0x9E3779B97F4A7C15) + cuts[w->level]);
}

static void make_world(unsigned level, const struct geometry *g, const struct part *part)
{
    static const unsigned ways[LEVELS] = {3, 2, 2, 0};
    static const unsigned every[LEVELS] = {1, 29, 13, 1};
    struct world *w = &worlds[level];
    memset(w, 0, sizeof(*w));
    w->m.doubtful_generation = UINT32_MAX;
    ram_flash_init(&w->f, g->unit, g->page, g->block, g->count, g->erased);
    w->f.write_through = part->write_through;
    w->f.torn_bits = part->torn_bits;
    w->f.weak_units = part->weak_units;
    w->level = level;
    w->ways = ways[level];
    w->every = every[level];
}

static void run(size_t workload, uint64_t seed)
{
    now_workload = workloads[workload].name;
    now_seed = seed;
    for (unsigned i = 0; i < LEVELS; i++)
        make_world(i, &geometries[now_geometry], &parts[now_part]);
    struct world *w = &worlds[0];
    w->f.seed = seed;
    mount(w);
    w->f.at_operation = cut_here;
    w->f.at_operation_ctx = w;
    workloads[workload].run(w);
    assert_holds(w->f.rules_broken == 0);
    for (unsigned i = 0; i < LEVELS; i++)
        ram_flash_free(&worlds[i].f);
}

/* PP_TEST_SEEDS: more than one pass over everything. */
static void nothing_durable_is_lost_by_a_cut(void **state)
{
    (void)state;
    const char *seeds_z = getenv("PP_TEST_SEEDS");
    uint64_t seeds = seeds_z != NULL ? strtoull(seeds_z, NULL, 10) : 1;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        for (now_geometry = 0; now_geometry < GEOMETRIES; now_geometry++) {
            for (now_part = 0; now_part < PARTS; now_part++) {
                for (size_t i = 0; i < WORKLOADS; i++)
                    run(i, seed);
            }
        }
    }
    print_message("%llu cuts, %llu of them the second and %llu the third in a row\n",
                  (unsigned long long)(cuts[1] + cuts[2] + cuts[3]), (unsigned long long)cuts[2],
                  (unsigned long long)cuts[3]);
    assert_true(cuts[1] > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_durable_is_lost_by_a_cut)};
    return cmocka_run_group_tests_name("kv cuts", tests, NULL, NULL);
}
