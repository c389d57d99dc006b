/*
 * bench_tiny.c - does the smallest profile do what it is for?
 *
 * Job:      in 256 KiB of flash, with the queue and the ring compiled for 16 messages: take 16 in,
 *           refuse the next, find them after a restart, deliver them, and go on for many laps.
 */
#include "bench/count_flash.h"
#include "bench/mail.h"

#define SIZE 2000u
#define LAPS 20u

static struct pp_queue q;

static unsigned fill(void)
{
    uint32_t id;
    unsigned count = 0;
    while (mail_add(&q, SIZE, &id) == PP_OK) {
        mail_idle(&q);
        count++;
    }
    return count;
}

int main(void)
{
    struct count_flash f;
    const struct count_geometry g = {1, 256, 4096, 64, 0xFF};
    count_flash_init(&f, &g);
    mail_mount(&q, &f.flash);
    while (f.programmed_bytes < LAPS * f.size) {
        struct pp_queue_entry *entry;
        uint32_t cursor = 0;
        unsigned taken = fill();
        mail_mount(&q, &f.flash);
        if (taken != PP_QUEUE_MESSAGES || q.entry_count != PP_QUEUE_MESSAGES)
            mail_fail("not 16 messages", PP_ERR_FULL);
        while ((entry = pp_queue_next(&q, &cursor)) != NULL) {
            mail_deliver(&q, entry->id);
            mail_idle(&q);
        }
    }
    printf("16 messages in 256 KiB, %u times round: %llu bytes programmed, %u rules broken\n", LAPS,
           (unsigned long long)f.programmed_bytes, f.rules_broken);
    return f.rules_broken > 0 ? 1 : 0;
}
