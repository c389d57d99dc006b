/*
 * store_survey.h - all that can be told of a store's image
 *
 * Job:      block by block, message by message, in numbers.
 * Not here: how they are shown (store_text.c, store_json.c, store_svg.c).
 */
#ifndef PP_POSIX_STORE_SURVEY_H
#define PP_POSIX_STORE_SURVEY_H

#include "queue/queue.h"
#include "store/inspect.h"
#include "store_image.h"

#define PP_SURVEY_TYPES 9u /* types of the queue's records, and 0 for others */

struct pp_store_survey {
    const char *path_z;
    const struct pp_store_image *image;
    struct pp_queue *queue;       /* looked at; pages of its own */
    struct pp_block_view *blocks; /* block_count of them; too */
    uint32_t states[PP_BLOCK_STATES];
    uint64_t bytes[PP_BYTES_KINDS];
    uint64_t records[PP_SURVEY_TYPES];
    uint64_t records_damaged;
    uint32_t erases_least, erases_most; /* of blocks that tell; least > most: none does */
    uint64_t erases_sum;
    uint32_t erases_known; /* blocks that tell */
};

/* A message, beside its index entry. */
struct pp_store_message {
    const struct pp_queue_entry *entry;
    bool whole; /* all of it reads, and is what came in */
};

/*
 * Look at an image whose format was found. Returns PP_ERR_RANGE (a geometry that this build does
 * not take), PP_ERR_DRY (no memory); what the image lacks is no error. To be ended in any case.
 */
PP_MUST_USE enum pp_err pp_store_survey(struct pp_store_survey *survey,
                                        const struct pp_store_image *image);
void pp_store_survey_end(struct pp_store_survey *survey);
/* Messages one by one, *cursor from 0; reads each whole. False behind the last. */
bool pp_store_survey_next(struct pp_store_survey *survey, uint32_t *cursor,
                          struct pp_store_message *message);

/* ---- words and forms ---- */
extern const char *const pp_block_state_words[PP_BLOCK_STATES];
extern const char *const pp_block_bytes_words[PP_BYTES_KINDS];
extern const char *const pp_record_words[PP_SURVEY_TYPES];
const char *pp_store_message_state(const struct pp_queue_entry *entry);

/* Each prints all of it to stdout. */
void pp_store_print_text(struct pp_store_survey *survey, bool all_blocks);
void pp_store_print_json(struct pp_store_survey *survey);
void pp_store_print_svg(struct pp_store_survey *survey);

#endif
