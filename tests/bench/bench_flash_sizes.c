/*
 * bench_flash_sizes.c - sizeof, in the profile that this object is compiled with
 *
 * BENCH_SIZES names what it exports.
 */
#include "bench_flash_sizes.h"

#include "queue/schedule.h"

#define SIZE(member) sizeof(((struct pp_queue *)0)->member)

const struct bench_sizes BENCH_SIZES = {
    .messages = PP_QUEUE_MESSAGES,
    .entry = sizeof(struct pp_queue_entry),
    .entries = SIZE(entries),
    .groups = SIZE(group_bytes),
    .by_id = SIZE(by_id) + SIZE(by_id_places),
    .schedule = sizeof(struct pp_schedule),
    .writers = SIZE(writers),
    .stage = SIZE(ring.stage),
    .scratch = SIZE(scratch),
    .rest = sizeof(struct pp_queue) - SIZE(entries) - SIZE(group_bytes) - SIZE(by_id) -
            SIZE(by_id_places) - SIZE(writers) - SIZE(ring.stage) - SIZE(scratch),
    .reader = sizeof(struct pp_queue_reader),
};
