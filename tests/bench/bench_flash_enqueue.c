/*
 * bench_flash_enqueue.c - does taking a message in cost more when many are waiting?
 *
 * Job:      from an empty queue to 100,000 waiting messages: time, bytes and operations for
 *           each. Time only as a ratio to the first ten thousand, on a flash in memory.
 */
#include <stdio.h>

#include "bench_flash.h"
#include "count_flash.h"
#include "mail.h"

#define MESSAGES   100000u
#define SIZE       512u
#define STEP       1000u /* messages that are timed together */
#define STEPS      (MESSAGES / STEP)
#define ROW_STEPS  10u /* steps in a row of the table */
#define ROUNDS     3u  /* the quickest counts: the others were disturbed */
#define BYTES_GOAL 1.05
#define TIME_GOAL  2.0

struct step {
    double seconds;
    uint64_t bytes, operations;
};

static void run(struct pp_queue *q, struct step steps[STEPS], bool first)
{
    static struct count_flash f;
    const struct count_geometry g = {1, 256, 65536, 2048, 0xFF};
    count_flash_init(&f, &g);
    mail_mount(q, &f.flash);
    for (uint32_t s = 0; s < STEPS; s++) {
        uint64_t bytes = f.programmed_bytes;
        uint64_t operations = f.programs + f.erases + f.syncs + f.reads;
        double began_s = pp_bench_now_s();
        for (uint32_t i = 0; i < STEP; i++) {
            uint32_t id;
            if (mail_add(q, SIZE, &id) != PP_OK)
                pp_bench_fail("the queue is full at %u", s * STEP + i);
            mail_idle(q);
        }
        double seconds = pp_bench_now_s() - began_s;
        if (first || seconds < steps[s].seconds)
            steps[s].seconds = seconds;
        steps[s].bytes = f.programmed_bytes - bytes;
        steps[s].operations = f.programs + f.erases + f.syncs + f.reads - operations;
    }
    count_flash_free(&f);
}

/* Sums of one row. */
static struct step sum(const struct step *steps)
{
    struct step total = {0, 0, 0};
    for (uint32_t i = 0; i < ROW_STEPS; i++) {
        total.seconds += steps[i].seconds;
        total.bytes += steps[i].bytes;
        total.operations += steps[i].operations;
    }
    return total;
}

void pp_bench_enqueue(struct bench *b)
{
    static struct step steps[STEPS];
    for (unsigned round = 0; round < ROUNDS; round++)
        run(b->q, steps, round == 0);
    struct step first = sum(steps);
    double time_worst = 0;
    double bytes_worst = 0;
    printf("ENQUEUE: %u B each, synced alone, none delivered; flash of 128 MiB in memory\n\n",
           SIZE);
    printf("%10s %14s %18s %16s %18s\n", "waiting", "time (ratio)", "slowest thousand",
           "bytes a message", "operations each");
    for (uint32_t s = 0; s < STEPS; s += ROW_STEPS) {
        struct step row = sum(steps + s);
        double slowest = 0;
        for (uint32_t i = s; i < s + ROW_STEPS; i++)
            slowest = steps[i].seconds > slowest ? steps[i].seconds : slowest;
        double time = row.seconds / first.seconds;
        double bytes = (double)row.bytes / (double)first.bytes;
        printf("%10u %14.2f %18.2f %16.1f %18.2f\n", (s + ROW_STEPS) * STEP, time,
               slowest * ROW_STEPS / first.seconds, (double)row.bytes / (ROW_STEPS * STEP),
               (double)row.operations / (ROW_STEPS * STEP));
        time_worst = time > time_worst ? time : time_worst;
        bytes_worst = bytes > bytes_worst ? bytes : bytes_worst;
    }
    pp_bench_goal(b, bytes_worst <= BYTES_GOAL, "bytes a message grow by %.0f %% at the most",
                  (BYTES_GOAL - 1) * 100);
    pp_bench_goal(b, time_worst <= TIME_GOAL, "time stays below %.1f times the first", TIME_GOAL);
}
