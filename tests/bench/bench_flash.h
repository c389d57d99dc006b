/*
 * bench_flash.h - the tables of `make bench-flash`
 *
 * Job:      what the tables share. Each prints itself to standard output, 100 columns wide at
 *           the most, and says by pp_bench_goal() whether it came out as it should.
 * Not here: the figures of a day, and what they mean (docs/flash.md).
 */
#ifndef PP_BENCH_FLASH_H
#define PP_BENCH_FLASH_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/queue.h"

#define BENCH_KIB (UINT64_C(1) << 10)
#define BENCH_MIB (UINT64_C(1) << 20)
#define BENCH_GIB (UINT64_C(1) << 30)

struct bench {
    struct pp_queue *q; /* for a million messages; a table mounts what it wants */
    const char *dir_z;  /* on the disk that is measured */
    bool full;          /* the large files too */
    unsigned missed;    /* goals */
};

/* Print whether a goal was met, and count it when it was not. */
void pp_bench_goal(struct bench *b, bool met, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Print why and end the program: what was measured is worth nothing. */
void pp_bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
double pp_bench_now_s(void);
/* "200 B", "4 KiB", "1 GiB" into one of a few buffers that are used in turn. */
const char *pp_bench_size(uint64_t bytes);
/* Sorts `values`. */
double pp_bench_median(double *values, unsigned count);
/* What is free in `dir_z` for a file of `bytes`, and something to spare; prints it when not. */
bool pp_bench_has_room(const char *dir_z, uint64_t bytes);

void pp_bench_cost(struct bench *b);
void pp_bench_wear(struct bench *b);
void pp_bench_enqueue(struct bench *b);
void pp_bench_mount(struct bench *b);
void pp_bench_ram(struct bench *b);
void pp_bench_disk(struct bench *b);

#endif
