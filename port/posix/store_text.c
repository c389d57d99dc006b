/*
 * store_text.c - what is in a store's image, as text
 *
 * Job:      for people: what matters first, a line a block where there are few.
 * Not here: the numbers (store_survey.c).
 */
#include <stdio.h>

#include "store_survey.h"

#define BLOCKS_SHOWN 64u

static void print_geometry(const struct pp_store_survey *survey)
{
    const struct pp_flash *flash = &survey->image->flash;
    uint64_t ring_bytes = (uint64_t)flash->block_bytes * flash->block_count;
    (void)printf("%s: pinpost store, format %u%s\n", survey->path_z, 2u,
                 survey->image->in_use ? "; IN USE by a daemon: it may change under your eyes"
                                       : "");
    (void)printf("%-10s%u blocks of %u bytes, unit %u, erased %02X, %llu KiB\n",
                 "geometry:", flash->block_count, flash->block_bytes, flash->program_unit_bytes,
                 flash->erased_value, (unsigned long long)(ring_bytes / 1024));
    if (survey->image->size > ring_bytes)
        (void)printf("%-10s%llu bytes, the key-value\n",
                     "behind:", (unsigned long long)(survey->image->size - ring_bytes));
    if (survey->image->size < ring_bytes)
        (void)printf("%-10s%llu bytes: the image is CUT OFF\n",
                     "missing:", (unsigned long long)(ring_bytes - survey->image->size));
}

static void print_log(const struct pp_store_survey *survey)
{
    const struct pp_ring *ring = &survey->queue->ring;
    (void)printf("%-10slaps %u to %u, boot %u\n", "log:", ring->oldest_lap, ring->next_lap - 1,
                 survey->queue->boot_count);
    if (survey->erases_known > 0)
        (void)printf("%-10s%u to %u a block, %.1f on average\n", "erases:", survey->erases_least,
                     survey->erases_most,
                     (double)survey->erases_sum / (double)survey->erases_known);
    (void)printf("%-10s", "blocks:");
    for (unsigned i = 0, shown = 0; i < PP_BLOCK_STATES; i++) {
        if (survey->states[i] > 0)
            (void)printf("%s%u %s", shown++ > 0 ? ", " : "", survey->states[i],
                         pp_block_state_words[i]);
    }
    (void)printf("\n%-10s", "records:");
    for (unsigned i = 1; i <= PP_SURVEY_TYPES; i++) {
        unsigned type = i % PP_SURVEY_TYPES;
        if (survey->records[type] > 0)
            (void)printf("%llu %s, ", (unsigned long long)survey->records[type],
                         pp_record_words[type]);
    }
    (void)printf("%llu damaged\n", (unsigned long long)survey->records_damaged);
}

static void print_space(const struct pp_store_survey *survey)
{
    const struct pp_flash *flash = &survey->image->flash;
    double all = (double)flash->block_bytes * flash->block_count;
    (void)printf("space:\n");
    for (unsigned i = 0; i < PP_BYTES_KINDS; i++)
        (void)printf("  %-8s%14llu bytes %6.1f %%\n", pp_block_bytes_words[i],
                     (unsigned long long)survey->bytes[i], (double)survey->bytes[i] * 100 / all);
}

static void print_messages(struct pp_store_survey *survey)
{
    struct pp_store_message message;
    uint32_t cursor = 0;
    (void)printf("messages:  %u", survey->queue->entry_count);
    if (survey->queue->messages_torn > 0)
        (void)printf("; %u more came in when the power went, and are not whole",
                     survey->queue->messages_torn);
    if (survey->queue->messages_damaged > 0)
        (void)printf("; %u more are DAMAGED and lost", survey->queue->messages_damaged);
    if (survey->queue->unindexed)
        (void)printf("; MORE than this build can index are there");
    (void)printf("\n");
    while (pp_store_survey_next(survey, &cursor, &message)) {
        const struct pp_queue_entry *e = message.entry;
        (void)printf("  %08X  %-8s%10u bytes  %u recipients: %u open, %u failed  %u attempts  at "
                     "%u:%u%s\n",
                     e->id, pp_store_message_state(e), e->size_bytes, e->recipient_count,
                     e->open_count, e->failed_count, e->attempts, e->first.lap, e->first.offset,
                     message.whole ? "" : "  DAMAGED");
    }
}

static void print_block(uint32_t number, const struct pp_block_view *view)
{
    (void)printf("  %6u  %-11s", number, pp_block_state_words[view->state]);
    if (view->lap != 0)
        (void)printf(" lap %-8u erased %-6u", view->lap, view->erases);
    if (view->records > 0)
        (void)printf(" %4u records, %u living, %u garbage", view->records,
                     view->bytes[PP_BYTES_LIVING], view->bytes[PP_BYTES_GARBAGE]);
    if (view->records_damaged > 0)
        (void)printf(", %u DAMAGED", view->records_damaged);
    if (view->stands_for != 0)
        (void)printf(" (goes on for lap %u from byte %u)", view->stands_for, view->from);
    (void)printf("\n");
}

void pp_store_print_text(struct pp_store_survey *survey, bool all_blocks)
{
    uint32_t count = survey->image->flash.block_count;
    print_geometry(survey);
    print_log(survey);
    print_space(survey);
    print_messages(survey);
    if (!all_blocks && count > BLOCKS_SHOWN) {
        (void)printf("%u blocks: `--blocks` lists each\n", count);
        return;
    }
    (void)printf("blocks:\n");
    for (uint32_t number = 0; number < count; number++)
        print_block(number, &survey->blocks[number]);
}
