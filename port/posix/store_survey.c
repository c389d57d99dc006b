/*
 * store_survey.c - all that can be told of a store's image
 *
 * Job:      look at each block and each message, add up.
 * Not here: finding the log and its messages (src/store, src/queue).
 */
#include "store_survey.h"

#include <string.h>
#include <sys/mman.h>

#include "queue/record.h"

const char *const pp_block_state_words[PP_BLOCK_STATES] = {
    "blank", "given-back", "in-use", "continues", "newest", "retired", "bad-header"};
const char *const pp_block_bytes_words[PP_BYTES_KINDS] = {"living",  "garbage", "own",
                                                          "damaged", "padding", "free"};
const char *const pp_record_words[PP_SURVEY_TYPES] = {"other",  "META",  "RCPT", "DATA", "COMMIT",
                                                      "RESULT", "STATE", "GONE", "BOOT"};

/* Large: one a process. */
static struct pp_queue_reader the_reader;

static bool needs(void *ctx, const struct pp_record *record, bool sound)
{
    struct pp_store_survey *survey = ctx;
    (void)sound;
    survey->records[record->type < PP_SURVEY_TYPES ? record->type : 0]++;
    return pp_queue_needs(survey->queue, pp_queue_find(survey->queue, record->id), record);
}

static void add_block(struct pp_store_survey *survey, const struct pp_block_view *view)
{
    survey->states[view->state]++;
    survey->records_damaged += view->records_damaged;
    for (unsigned i = 0; i < PP_BYTES_KINDS; i++)
        survey->bytes[i] += view->bytes[i];
    if (view->erases == PP_ERASES_UNKNOWN)
        return;
    survey->erases_known++;
    survey->erases_sum += view->erases;
    if (view->erases < survey->erases_least)
        survey->erases_least = view->erases;
    if (view->erases > survey->erases_most)
        survey->erases_most = view->erases;
}

enum pp_err pp_store_survey(struct pp_store_survey *survey, const struct pp_store_image *image)
{
    const struct pp_flash *flash = &image->flash;
    const struct pp_block_owner owner = {survey, needs};
    survey->image = image;
    survey->erases_least = UINT32_MAX;
    survey->queue = pp_store_pages(sizeof(*survey->queue));
    survey->blocks = pp_store_pages(flash->block_count * sizeof(*survey->blocks));
    if (survey->queue == NULL || survey->blocks == NULL)
        return PP_ERR_DRY;
    enum pp_err err = pp_queue_look(survey->queue, flash);
    if (err != PP_OK)
        return err;
    for (uint32_t number = 0; number < flash->block_count; number++) {
        pp_ring_inspect(&survey->queue->ring, number, &owner, &survey->blocks[number]);
        add_block(survey, &survey->blocks[number]);
    }
    return PP_OK;
}

void pp_store_survey_end(struct pp_store_survey *survey)
{
    if (survey->queue != NULL)
        (void)munmap(survey->queue, sizeof(*survey->queue));
    if (survey->blocks != NULL)
        (void)munmap(survey->blocks, survey->image->flash.block_count * sizeof(*survey->blocks));
    survey->queue = NULL;
    survey->blocks = NULL;
}

static bool is_whole(struct pp_queue *q, uint32_t id)
{
    struct pp_envelope envelope;
    struct pp_text address;
    const uint8_t *bytes;
    size_t len = 1;
    enum pp_err err = pp_queue_reader_open(q, id, &the_reader, &envelope);
    const struct pp_queue_entry *entry = pp_queue_find(q, id);
    for (uint32_t i = 0; err == PP_OK && i < entry->recipient_count; i++)
        err = pp_queue_reader_recipient(&the_reader, &address);
    while (err == PP_OK && len > 0)
        err = pp_queue_reader_content(&the_reader, &bytes, &len);
    return err == PP_OK;
}

bool pp_store_survey_next(struct pp_store_survey *survey, uint32_t *cursor,
                          struct pp_store_message *message)
{
    message->entry = pp_queue_next(survey->queue, cursor);
    if (message->entry == NULL)
        return false;
    message->whole = is_whole(survey->queue, message->entry->id);
    return true;
}

const char *pp_store_message_state(const struct pp_queue_entry *entry)
{
    if (entry->held)
        return "held";
    return entry->open_count == 0 ? "failed" : "waiting";
}
