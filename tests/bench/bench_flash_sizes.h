/*
 * bench_flash_sizes.h - what the queue and the ring take of RAM, one profile an object
 *
 * Each profile's object is compiled from bench_flash_sizes.c with its own PP_QUEUE_MESSAGES and
 * exports one of these. Bytes.
 */
#ifndef PP_BENCH_FLASH_SIZES_H
#define PP_BENCH_FLASH_SIZES_H

#include <stddef.h>

struct bench_sizes {
    size_t messages; /* not bytes */
    size_t entry;    /* of one message */
    size_t entries;
    size_t groups;
    size_t by_id;
    size_t schedule;
    size_t writers;
    size_t stage;
    size_t scratch;
    size_t rest; /* of the queue and its ring */
    size_t reader;
};

extern const struct bench_sizes pp_bench_sizes_16;
extern const struct bench_sizes pp_bench_sizes_256;
extern const struct bench_sizes pp_bench_sizes_16384;
extern const struct bench_sizes pp_bench_sizes_1000000;

#endif
