/*
 * bench_flash_ram.c - RAM against messages
 *
 * Job:      print what each part takes, for the profiles that were compiled in.
 */
#include <stdio.h>

#include "bench_flash.h"
#include "bench_flash_sizes.h"

#define PROFILES   4
#define INDEX_GOAL 1024u /* for 16 messages */

static const struct bench_sizes *const profiles[PROFILES] = {
    &pp_bench_sizes_16, &pp_bench_sizes_256, &pp_bench_sizes_16384, &pp_bench_sizes_1000000};

#define ROW(name_z, member)                                                                        \
    {                                                                                              \
        name_z, offsetof(struct bench_sizes, member)                                               \
    }
static const struct {
    const char *name_z;
    size_t offset;
} rows[] = {
    ROW("index: entries", entries),
    ROW("index: by id", by_id),
    ROW("bytes of mail by block", groups),
    ROW("schedule (heap, due times)", schedule),
    ROW("messages coming in (writers)", writers),
    ROW("stage of the ring", stage),
    ROW("scratch", scratch),
    ROW("the rest of queue and ring", rest),
    ROW("one reader (each delivery has one)", reader),
};

static size_t value(const struct bench_sizes *sizes, size_t offset)
{
    return *(const size_t *)(const void *)((const char *)sizes + offset);
}

static size_t index_bytes(const struct bench_sizes *sizes)
{
    return sizes->entries + sizes->by_id;
}

void pp_bench_ram(struct bench *b)
{
    printf("RAM: bytes, by the messages that the profile has room for\n\n%-36s", "messages");
    for (unsigned p = 0; p < PROFILES; p++)
        printf(" %14zu", profiles[p]->messages);
    printf("\n");
    for (unsigned r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        printf("%-36s", rows[r].name_z);
        for (unsigned p = 0; p < PROFILES; p++)
            printf(" %14zu", value(profiles[p], rows[r].offset));
        printf("\n");
    }
    printf("%-36s", "index and schedule, for a message");
    for (unsigned p = 0; p < PROFILES; p++)
        printf(" %14.1f", (double)(index_bytes(profiles[p]) + profiles[p]->schedule) /
                              (double)profiles[p]->messages);
    printf("\n");
    pp_bench_goal(b, profiles[0]->entry <= 64, "an index entry takes at most 64 bytes: %zu",
                  profiles[0]->entry);
    pp_bench_goal(b, index_bytes(profiles[0]) < INDEX_GOAL,
                  "the index of 16 messages takes less than 1 KiB: %zu", index_bytes(profiles[0]));
}
