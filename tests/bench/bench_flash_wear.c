/*
 * bench_flash_wear.c - are all blocks erased equally often?
 *
 * Job:      100,000 messages of mixed sizes, some of which wait for long, with attempts that are
 *           written down and a restart now and then; then count the erases of each block.
 */
#include <stdio.h>

#include "bench_flash.h"
#include "count_flash.h"
#include "mixed_mail.h"

#define MESSAGES      100000u
#define RESTART_EVERY 9973u
#define GOAL          2u

static const struct count_geometry geometries[] = {
    {1, 256, 4096, 1024, 0xFF},
    {256, 256, 4096, 1024, 0xFF},
    {512, 512, 65536, 256, 0x00},
    {1, 4096, 65536, 256, 0x00},
};

void pp_bench_wear(struct bench *b)
{
    static struct count_flash f;
    printf("WEAR: erases of a block after %u messages of 100 B to 64 KiB\n\n", MESSAGES);
    printf("%8s %8s %5s %5s %10s %9s %9s %9s\n", "flash", "blocks of", "unit", "page", "mail MiB",
           "least", "most", "apart");
    unsigned worst = 0;
    for (unsigned i = 0; i < sizeof(geometries) / sizeof(geometries[0]); i++) {
        const struct count_geometry *g = &geometries[i];
        uint32_t most;
        uint32_t fewest;
        count_flash_init(&f, g);
        uint64_t bytes = mixed_mail_run(b->q, &f, MESSAGES, RESTART_EVERY);
        mixed_mail_erases(&f, &fewest, &most);
        printf("%8s %8s %6u %5u %10llu %9u %9u %9u\n", pp_bench_size(f.size),
               pp_bench_size(g->block), g->unit, g->page, (unsigned long long)(bytes / BENCH_MIB),
               fewest, most, most - fewest);
        if (most - fewest > worst)
            worst = most - fewest;
        if (f.rules_broken > 0)
            pp_bench_fail("rules of the flash were broken");
        count_flash_free(&f);
    }
    pp_bench_goal(b, worst <= GOAL, "at most %u erases apart", GOAL);
}
