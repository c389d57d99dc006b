/*
 * store_json.c - what is in a store's image, as one object of JSON
 *
 * Job:      every number that the text has, and each block and message.
 * Not here: the numbers (store_survey.c). The members are described in docs/store.md.
 */
#include <stdio.h>

#include "json_write.h"
#include "store_survey.h"

static char memory[8192];

static void print(const struct pp_writer *w)
{
    (void)fwrite(w->data, 1, w->len, stdout);
}

static void put_counts(struct pp_writer *w, const char *key_z, const char *const *words,
                       const uint64_t *counts, unsigned count)
{
    pp_json_open(w, key_z, '{');
    for (unsigned i = 0; i < count; i++)
        pp_json_put_u64(w, words[i], counts[i]);
    pp_json_close(w, '}');
}

static void put_head(const struct pp_store_survey *survey, struct pp_writer *w)
{
    const struct pp_flash *flash = &survey->image->flash;
    const struct pp_queue *q = survey->queue;
    uint64_t states[PP_BLOCK_STATES];
    for (unsigned i = 0; i < PP_BLOCK_STATES; i++)
        states[i] = survey->states[i];
    pp_json_put_u64(w, "format", 2);
    pp_json_put_bool(w, "in_use", survey->image->in_use);
    pp_json_put_u64(w, "image_bytes", survey->image->size);
    pp_json_put_u64(w, "block_count", flash->block_count);
    pp_json_put_u64(w, "block_bytes", flash->block_bytes);
    pp_json_put_u64(w, "unit_bytes", flash->program_unit_bytes);
    pp_json_put_u64(w, "erased_value", flash->erased_value);
    pp_json_put_u64(w, "oldest_lap", q->ring.oldest_lap);
    pp_json_put_u64(w, "newest_lap", q->ring.next_lap - 1);
    pp_json_put_u64(w, "boot_count", q->boot_count);
    if (survey->erases_known > 0) {
        pp_json_put_u64(w, "erases_least", survey->erases_least);
        pp_json_put_u64(w, "erases_most", survey->erases_most);
    }
    put_counts(w, "blocks_by_state", pp_block_state_words, states, PP_BLOCK_STATES);
    put_counts(w, "bytes", pp_block_bytes_words, survey->bytes, PP_BYTES_KINDS);
    put_counts(w, "records", pp_record_words, survey->records, PP_SURVEY_TYPES);
    pp_json_put_u64(w, "records_damaged", survey->records_damaged);
    pp_json_put_u64(w, "messages_damaged", q->messages_damaged);
    pp_json_put_u64(w, "messages_torn", q->messages_torn);
    pp_json_put_bool(w, "unindexed", q->unindexed);
}

static void put_message(struct pp_writer *w, const struct pp_store_message *message)
{
    const struct pp_queue_entry *e = message->entry;
    pp_json_open(w, NULL, '{');
    pp_json_put_id(w, "id", e->id);
    pp_json_put_z(w, "state", pp_store_message_state(e));
    pp_json_put_u64(w, "severity", e->severity);
    pp_json_put_u64(w, "size", e->size_bytes);
    pp_json_put_u64(w, "stored_bytes", e->stored_bytes);
    pp_json_put_u64(w, "accepted", e->accepted_s);
    pp_json_put_u64(w, "recipients", e->recipient_count);
    pp_json_put_u64(w, "open", e->open_count);
    pp_json_put_u64(w, "failed", e->failed_count);
    pp_json_put_u64(w, "attempts", e->attempts);
    pp_json_put_u64(w, "lap", e->first.lap);
    pp_json_put_u64(w, "offset", e->first.offset);
    pp_json_put_bool(w, "whole", message->whole);
    pp_json_close(w, '}');
}

static void put_block(struct pp_writer *w, uint32_t number, const struct pp_block_view *view)
{
    uint64_t bytes[PP_BYTES_KINDS];
    for (unsigned i = 0; i < PP_BYTES_KINDS; i++)
        bytes[i] = view->bytes[i];
    pp_json_open(w, NULL, '{');
    pp_json_put_u64(w, "block", number);
    pp_json_put_z(w, "state", pp_block_state_words[view->state]);
    if (view->lap != 0) {
        pp_json_put_u64(w, "lap", view->lap);
        pp_json_put_u64(w, "erases", view->erases);
    }
    if (view->stands_for != 0) {
        pp_json_put_u64(w, "stands_for", view->stands_for);
        pp_json_put_u64(w, "from", view->from);
    }
    pp_json_put_u64(w, "records", view->records);
    pp_json_put_u64(w, "records_damaged", view->records_damaged);
    put_counts(w, "bytes", pp_block_bytes_words, bytes, PP_BYTES_KINDS);
    pp_json_close(w, '}');
}

/* Members are written one by one: an image may have a million of them. */
void pp_store_print_json(struct pp_store_survey *survey)
{
    struct pp_store_message message;
    struct pp_writer w;
    uint32_t cursor = 0;
    pp_writer_init(&w, memory, sizeof(memory));
    pp_json_open(&w, NULL, '{');
    put_head(survey, &w);
    print(&w);
    (void)printf(",\n\"messages\":[");
    for (bool first = true; pp_store_survey_next(survey, &cursor, &message); first = false) {
        pp_writer_init(&w, memory, sizeof(memory));
        put_message(&w, &message);
        (void)printf(first ? "\n" : ",\n");
        print(&w);
    }
    (void)printf("],\n\"blocks\":[");
    for (uint32_t number = 0; number < survey->image->flash.block_count; number++) {
        pp_writer_init(&w, memory, sizeof(memory));
        put_block(&w, number, &survey->blocks[number]);
        (void)printf(number == 0 ? "\n" : ",\n");
        print(&w);
    }
    (void)printf("]}\n");
}
