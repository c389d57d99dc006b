/*
 * bench_flash_cost.c - bytes programmed for each byte of message, erases for each MiB of mail
 *
 * Job:      for each size of message, kind of flash and number of messages that wait: run until the
 *           ring has gone round twice, then measure as long again.
 *
 * Each message is synced alone, delivered, and its end synced alone. Those that wait are as
 * large as the ones that pass, older than all of them, and move with the ring.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench_flash.h"
#include "count_flash.h"
#include "mail.h"

#define UNITS       4
#define FILLS       4
#define ROUNDS      2  /* of the ring, before and while it is measured */
#define PASSES_MIN  16 /* messages measured, at the least */
#define REFUSED_MAX 64 /* in a row, with cleaning between: then there is no room for this */
#define GOAL        1.15
#define GOAL_SIZE   2048u

struct medium {
    uint32_t block, count;
};

static const struct medium media[] = {{4096, 1024}, {65536, 256}};
static const struct {
    uint32_t unit, page;
} units[UNITS] = {{1, 256}, {16, 256}, {256, 256}, {512, 512}};
static const uint32_t sizes[] = {200, 2048, 65536, 1u << 20};
static const struct {
    const char *name_z;
    unsigned percent; /* of what the medium takes before it refuses */
} fills[FILLS] = {{"none", 0}, {"nearly empty", 1}, {"half full", 50}, {"nearly full", 80}};

struct cost {
    bool possible;
    double programmed; /* bytes for each byte of message */
    double erases;     /* for each MiB of mail */
};

/* Takes in messages until no more are taken, then delivers the newest: `percent` stay. */
static uint32_t fill(struct pp_queue *q, uint32_t size, unsigned percent)
{
    uint32_t *ids = malloc(PP_QUEUE_MESSAGES * sizeof(*ids));
    uint32_t count = 0;
    if (ids == NULL)
        pp_bench_fail("no memory");
    while (percent > 0 && count < PP_QUEUE_MESSAGES && mail_add(q, size, &ids[count]) == PP_OK) {
        count++;
        mail_idle(q);
    }
    uint32_t kept = (uint32_t)((uint64_t)count * percent / 100);
    /* A single one that waits is called nearly empty, and nothing else. */
    if (kept == 0 && count > 0 && percent > 0 && percent < 50)
        kept = 1;
    for (uint32_t i = count; i > kept; i--) {
        mail_deliver(q, ids[i - 1]);
        if (i % 16 == 0)
            mail_idle(q);
    }
    mail_idle(q);
    free(ids);
    return kept;
}

/* Passes messages until the flash has programmed `bytes` more. 0: there is no room for them. */
static uint64_t pass(struct pp_queue *q, const struct count_flash *f, uint32_t size, uint64_t bytes)
{
    uint64_t until = f->programmed_bytes + bytes;
    uint64_t count = 0;
    unsigned refused = 0;
    while (f->programmed_bytes < until || count < PASSES_MIN) {
        if (mail_pass(q, size) == PP_OK) {
            refused = 0;
            count++;
        } else if (++refused == REFUSED_MAX) {
            return 0;
        }
    }
    return count;
}

static struct cost measure(struct pp_queue *q, const struct count_geometry *g, uint32_t size,
                           unsigned percent)
{
    static struct count_flash f;
    struct cost cost = {.possible = false, .programmed = 0, .erases = 0};
    count_flash_init(&f, g);
    mail_mount(q, &f.flash);
    uint32_t kept = fill(q, size, percent);
    if ((kept > 0 || percent == 0) && pass(q, &f, size, ROUNDS * f.size) > 0) {
        uint64_t programmed = f.programmed_bytes;
        uint64_t erases = f.erases;
        uint64_t mail_bytes = pass(q, &f, size, ROUNDS * f.size) * size;
        cost.possible = mail_bytes > 0;
        cost.programmed = (double)(f.programmed_bytes - programmed) / (double)mail_bytes;
        cost.erases = (double)(f.erases - erases) / ((double)mail_bytes / (double)BENCH_MIB);
    }
    if (f.rules_broken > 0)
        pp_bench_fail("rules of the flash were broken");
    count_flash_free(&f);
    return cost;
}

static void print_cost(const struct cost *cost)
{
    if (cost->possible)
        printf(" %9.3f %8.1f", cost->programmed, cost->erases);
    else
        printf(" %9s %8s", "-", "-");
}

/* Sets *reached to the highest that counts for the goal. */
static void print_rows(struct bench *b, const struct medium *medium, uint32_t size, double *reached)
{
    printf("%8s %-13s", pp_bench_size(size), "least");
    for (unsigned u = 0; u < UNITS; u++)
        printf(" %9.3f %8s", mail_least(units[u].unit, size), "");
    printf("\n");
    for (unsigned i = 0; i < FILLS; i++) {
        printf("%8s %-13s", "", fills[i].name_z);
        for (unsigned u = 0; u < UNITS; u++) {
            const struct count_geometry g = {units[u].unit, units[u].page, medium->block,
                                             medium->count, 0xFF};
            struct cost cost = measure(b->q, &g, size, fills[i].percent);
            print_cost(&cost);
            fflush(stdout);
            if (size == GOAL_SIZE && i < 2 && u == 0 && cost.programmed > *reached)
                *reached = cost.programmed;
        }
        printf("\n");
    }
}

void pp_bench_cost(struct bench *b)
{
    double reached = 0;
    printf(
        "WRITE AMPLIFICATION: bytes programmed for each byte of message, and erases for each MiB "
        "of mail\n");
    for (unsigned m = 0; m < sizeof(media) / sizeof(media[0]); m++) {
        uint64_t bytes = (uint64_t)media[m].block * media[m].count;
        printf("\nFlash of %s in blocks of %s\n%22s", pp_bench_size(bytes),
               pp_bench_size(media[m].block), "");
        for (unsigned u = 0; u < UNITS; u++)
            printf("  unit %3u page %3u ", units[u].unit, units[u].page);
        printf("\n%8s %-13s", "message", "waiting");
        for (unsigned u = 0; u < UNITS; u++)
            printf(" %9s %8s", "bytes", "erases");
        printf("\n");
        for (unsigned s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
            print_rows(b, &media[m], sizes[s], &reached);
    }
    pp_bench_goal(b, reached > 0 && reached <= GOAL,
                  "at most %.2f for %s, unit 1, none or few waiting: %.3f", GOAL,
                  pp_bench_size(GOAL_SIZE), reached);
}
