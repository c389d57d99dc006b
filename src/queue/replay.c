/*
 * replay.c - building the index at mount
 *
 * Job:      read the records in order that blocks list for a mount; COMMIT, RESULT, STATE and GONE
 *           say what there is. Content is read only where it is in doubt.
 * Not here: finding the blocks (store/ring_mount.c), which records are in doubt (tail.c).
 *
 * A message may be met twice, when it was moved and the power went before its old block was
 * given back, or when a mount wrote it again. record.h says which copy counts; for that the
 * log is read once more, when all of it is known. Results are taken as they come, whichever
 * copy they were written with. A COMMIT whose META lies before the beginning of the log belongs
 * to a message that was moved or has ended.
 *
 * What was not synced may have arrived in any order: a COMMIT without all of its content. So
 * messages of the tail are read whole and their CRC is checked; those before were synced.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/crypto.h"
#include "queue/record.h"

#define IDS_LOST 0xFFu

static void init(struct pp_queue *q, const struct pp_queue_limits *limits)
{
    /* Not the ring, which the mount has filled in, nor the large buffers. */
    pp_queue_set_limits(q, limits);
    memset(q->group_bytes, 0, sizeof(q->group_bytes));
    memset(&q->clean, 0, sizeof(q->clean));
    /* Each has pages of its own: what is not written to costs a system with pages nothing. */
    for (unsigned i = 0; i < PP_QUEUE_WRITERS; i++) {
        if (q->writers[i].in_use)
            q->writers[i].in_use = false;
    }
    q->entry_free = PP_INDEX_NONE;
    q->entry_count = 0;
    q->entry_high_water = 0;
    q->writer_high_water = 0;
    q->next_id = 1;
    q->boot_count = 0;
    q->device = 0;
    q->boot_lap = 0;
    q->boot_is_due = false;
    q->ended_count = 0;
    q->sync_wanted = q->sync_can_wait = false;
    q->unindexed = false;
    q->refused_blocks = 0;
    q->garbage_bytes = 0;
    q->padded_seen = 0;
    q->messages_damaged = 0;
    q->messages_torn = 0;
}

static void on_boot(struct pp_queue *q, struct pp_queue_generations *g,
                    const struct pp_record *record)
{
    const uint8_t *p = q->scratch;
    if (record->len != PP_BOOT_BYTES)
        return;
    q->boot_lap = record->place.lap;
    if (pp_le32_get(p) > q->boot_count)
        q->boot_count = pp_le32_get(p);
    if (pp_le32_get(p + 4) > q->next_id)
        q->next_id = pp_le32_get(p + 4);
    q->device = pp_le64_get(p + 8);
    pp_queue_note_generation(g, pp_le32_get(p + 16), record->next);
    pp_queue_note_former_tail(g, pp_place_get(p + 20), pp_le32_get(p + 28));
}

/* No more than the stretch of the log that it spans, whatever the record says. */
static uint32_t bounded_bytes(const struct pp_queue *q, uint32_t bytes, struct pp_place first,
                              struct pp_place commit)
{
    uint64_t span = (uint64_t)(commit.lap - first.lap + 1) * q->ring.flash->block_bytes;
    return bytes < span ? bytes : (uint32_t)span;
}

static bool has_envelope(struct pp_queue *q, const struct pp_queue_entry *entry)
{
    struct pp_record record;
    return pp_ring_read(&q->ring, entry->first, &record, q->scratch, sizeof(q->scratch)) == PP_OK &&
           record.type == PP_RECORD_META && record.id == entry->id;
}

/* Counts the recipients in a stream of RCPT records. */
struct address_count {
    uint32_t count;
    uint32_t left; /* bytes of the current text still to come */
    uint32_t head; /* bytes of its head seen */
    uint32_t len;  /* the head: length and flags */
    bool is_orcpt; /* the text belongs to the address before it */
};

static void end_text(struct address_count *a)
{
    a->is_orcpt = !a->is_orcpt && (a->len & PP_RCPT_HAS_ORCPT) != 0;
    a->count += !a->is_orcpt;
    a->head = 0;
    a->len = 0;
}

static void count_addresses(struct address_count *a, const uint8_t *bytes, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        if (a->head < 2) {
            a->len |= (uint32_t)bytes[i] << (8 * a->head);
            a->head++;
            a->left = a->len & ((1u << PP_RCPT_NOTIFY_SHIFT) - 1);
        } else {
            a->left--;
        }
        if (a->head == 2 && a->left == 0) {
            end_text(a);
        }
    }
}

bool pp_queue_is_whole(struct pp_queue *q, const struct pp_queue_entry *entry)
{
    struct pp_place place = entry->first;
    struct address_count addresses = {.count = 0};
    struct pp_record record;
    uint64_t size = 0;
    uint32_t crc = 0;
    if (!has_envelope(q, entry))
        return false;
    while (pp_ring_walk(&q->ring, &place, &record) == PP_OK &&
           !pp_place_before(entry->commit, record.place)) {
        if (record.id != entry->id || record.type > PP_RECORD_COMMIT)
            continue;
        if (pp_ring_read(&q->ring, record.place, &record, q->scratch, sizeof(q->scratch)) != PP_OK)
            return false;
        if (record.type == PP_RECORD_RCPT)
            count_addresses(&addresses, q->scratch, record.len);
        if (record.type == PP_RECORD_DATA) {
            crc = pp_crc32c(crc, q->scratch, record.len);
            size += record.len;
        }
        if (record.type == PP_RECORD_COMMIT)
            return size == pp_le32_get(q->scratch + 8) && crc == pp_le32_get(q->scratch + 12) &&
                   addresses.count == entry->recipient_count;
    }
    return false;
}

/* Fill in an entry from a COMMIT's payload. */
static void take_commit(struct pp_queue *q, struct pp_queue_entry *entry, struct pp_place place)
{
    const uint8_t *p = q->scratch;
    entry->first = pp_place_get(p);
    entry->commit = place;
    entry->size_bytes = pp_le32_get(p + 8);
    entry->accepted_s = pp_le32_get(p + 16);
    entry->content = pp_le16_get(p + 22);
    entry->kind = p[24] & 1u;
    entry->severity = p[25] & 3u;
    entry->stored_bytes = bounded_bytes(q, pp_le32_get(p + 28), entry->first, place);
}

static void on_commit(struct pp_queue *q, struct pp_queue_generations *g,
                      const struct pp_record *record)
{
    const uint8_t *p = q->scratch;
    struct pp_place first = pp_place_get(p);
    uint16_t recipients = pp_le16_get(p + 20);
    struct pp_queue_entry *entry = pp_queue_find(q, record->id);
    if (record->len != PP_COMMIT_BYTES || record->id == 0)
        return;
    pp_queue_note_generation(g, pp_le32_get(p + 32), record->next);
    if (recipients == 0 || first.lap < q->ring.oldest_lap || !pp_place_before(first, record->place))
        return;
    if (entry != NULL) {
        entry->twice = 1;
        return;
    }
    entry = recipients <= PP_RECIPIENTS_MAX ? pp_queue_take_entry(q) : NULL;
    if (entry == NULL) {
        q->unindexed = true;
        return;
    }
    entry->id = record->id;
    entry->open_count = recipients;
    entry->recipient_count = recipients;
    take_commit(q, entry, record->place);
    if (pp_queue_enter(q, entry) != PP_OK)
        pp_queue_give_entry(q, entry);
}

static void on_result(struct pp_queue *q, const struct pp_record *record)
{
    struct pp_queue_entry *entry = pp_queue_find(q, record->id);
    if (entry == NULL || !pp_queue_state_apply(entry, q->scratch, record->len))
        return;
    entry->last_result = record->place;
    entry->stored_bytes += pp_ring_record_bytes(record->len);
}

static void on_gone(struct pp_queue *q, struct pp_queue_generations *g,
                    const struct pp_record *record)
{
    pp_queue_note_gone(g, record);
    struct pp_queue_entry *entry = pp_queue_find(q, record->id);
    if (entry == NULL)
        return;
    pp_queue_leave(q, entry);
    pp_queue_give_entry(q, entry);
}

static void on_record(struct pp_queue *q, struct pp_queue_generations *g, struct pp_record *record)
{
    if (record->id >= q->next_id)
        q->next_id = record->id + 1;
    if (record->type < PP_RECORD_COMMIT)
        return;
    g->counting_lap = record->place.lap;
    if (pp_ring_read(&q->ring, record->place, record, q->scratch, sizeof(q->scratch)) != PP_OK) {
        q->ring.report.records_damaged++;
        return;
    }
    switch (record->type) {
    case PP_RECORD_BOOT:
        on_boot(q, g, record);
        break;
    case PP_RECORD_COMMIT:
        on_commit(q, g, record);
        break;
    case PP_RECORD_RESULT:
    case PP_RECORD_STATE:
        on_result(q, record);
        break;
    case PP_RECORD_GONE:
        on_gone(q, g, record);
        break;
    default: /* nobody writes these */
        break;
    }
}

static bool any_twice(struct pp_queue *q)
{
    struct pp_queue_entry *entry;
    uint32_t cursor = 0;
    while ((entry = pp_queue_next(q, &cursor)) != NULL) {
        if (entry->twice)
            return true;
    }
    return false;
}

/* All records that count, in order. True when a message was met twice. */
static bool read_log(struct pp_queue *q, struct pp_queue_generations *g)
{
    struct pp_ring_cursor cursor = {0};
    struct pp_record record;
    uint32_t lap = 0;
    while (pp_ring_walk_listed(&q->ring, &cursor, &record) == PP_OK) {
        if (cursor.place.lap != lap) {
            lap = cursor.place.lap;
            pp_queue_note_generation(g, cursor.generation, (struct pp_place){lap, 0});
        }
        on_record(q, g, &record);
    }
    if (cursor.highest_id >= q->next_id)
        q->next_id = cursor.highest_id + 1;
    if (g->known[0].generation > 0)
        pp_ring_resume(&q->ring, g->known[0].generation);
    return any_twice(q);
}

/* ---- copies ---- */

/* A later copy of a message: is it the one that counts? */
static void on_copy(struct pp_queue *q, struct pp_queue_entry *entry, struct pp_place place,
                    struct pp_place tail)
{
    struct pp_queue_entry copy = *entry;
    take_commit(q, &copy, place);
    if (copy.first.lap < q->ring.oldest_lap || !pp_place_before(copy.first, place))
        return;
    if (!pp_queue_is_whole(q, &copy))
        return;
    /* One that was cut off behind its COMMIT: the results are still with the first copy. */
    bool lacks_results =
        entry->last_result.lap != 0 && pp_place_before(entry->last_result, copy.first);
    if ((lacks_results || !pp_place_before(place, tail)) && pp_queue_is_whole(q, entry))
        return;
    /* What results took was added to the first copy's. */
    if (copy.stored_bytes < entry->stored_bytes)
        copy.stored_bytes = entry->stored_bytes;
    *entry = copy;
}

static void choose_copies(struct pp_queue *q, struct pp_place tail)
{
    struct pp_ring_cursor cursor = {0};
    struct pp_record record;
    while (pp_ring_walk_listed(&q->ring, &cursor, &record) == PP_OK) {
        struct pp_queue_entry *entry =
            record.type == PP_RECORD_COMMIT ? pp_queue_find(q, record.id) : NULL;
        if (entry == NULL || !entry->twice || !pp_place_before(entry->commit, record.place))
            continue;
        if (pp_ring_read(&q->ring, record.place, &record, q->scratch, sizeof(q->scratch)) ==
                PP_OK &&
            record.len == PP_COMMIT_BYTES)
            on_copy(q, entry, record.place, tail);
    }
}

bool pp_queue_other_copy(struct pp_queue *q, struct pp_queue_entry *entry)
{
    struct pp_place place = {0, 0};
    struct pp_record record;
    while (entry->twice && pp_ring_walk(&q->ring, &place, &record) == PP_OK) {
        struct pp_queue_entry copy = *entry;
        if (record.type != PP_RECORD_COMMIT || record.id != entry->id ||
            pp_place_equal(record.place, entry->commit) ||
            pp_ring_read(&q->ring, record.place, &record, q->scratch, sizeof(q->scratch)) !=
                PP_OK ||
            record.len != PP_COMMIT_BYTES)
            continue;
        take_commit(q, &copy, record.place);
        if (copy.first.lap < q->ring.oldest_lap || !pp_place_before(copy.first, record.place) ||
            !pp_queue_is_whole(q, &copy))
            continue;
        *entry = copy;
        return true;
    }
    return false;
}

/* ---- what lives ---- */

/* What lives must have its envelope, and all of its content where that is in doubt. */
static void check_living(struct pp_queue *q, const struct pp_queue_generations *g)
{
    struct pp_queue_entry *entry;
    uint32_t cursor = 0;
    while ((entry = pp_queue_next(q, &cursor)) != NULL) {
        bool doubtful = pp_queue_is_in_doubt(g, entry->commit);
        bool lives = doubtful ? pp_queue_is_whole(q, entry) : has_envelope(q, entry);
        if (!lives)
            lives = pp_queue_other_copy(q, entry);
        pp_queue_group_add(q, entry->first.lap, entry->stored_bytes);
        if (lives)
            continue;
        q->messages_torn += doubtful ? 1 : 0;
        q->messages_damaged += doubtful ? 0 : 1;
        /* Later mounts would not doubt it any more. */
        if (doubtful && !q->looking && pp_queue_append_gone(q, entry) == PP_ERR_FLASH)
            return;
        pp_queue_forget(q, entry);
    }
    q->garbage_bytes = pp_queue_loose_bytes(q);
}

static enum pp_err begin_boot(struct pp_queue *q)
{
    q->boot_count++;
    /* Ids of what was lost unsynced were seen by senders and logs: they are not used again. */
    if (q->ring.next_lap > 1)
        q->next_id = (q->next_id | IDS_LOST) + 1;
    if (q->device == 0 && pp_random(&q->device, sizeof(q->device)) != PP_OK)
        q->device = 0;
    q->sync_wanted = true;
    q->boot_is_due = true;
    return pp_queue_note_boot(q) == PP_ERR_FLASH ? PP_ERR_FLASH : PP_OK;
}

/* The log is read: find out what of it counts, and make sure of its end. */
static enum pp_err settle(struct pp_queue *q, const struct pp_queue_generations *g, bool twice)
{
    struct pp_place tail = pp_queue_tail(g);
    if (twice)
        choose_copies(q, tail);
    if (!q->unindexed)
        pp_queue_go_back(q, g);
    uint32_t end_lap = q->ring.next_lap;
    q->tail = tail;
    q->tail_end_lap = end_lap;
    check_living(q, g);
    if (q->looking)
        return PP_OK;
    enum pp_err err = q->unindexed ? PP_OK : pp_queue_rewrite_tail(q, g, end_lap);
    if (err == PP_OK)
        err = begin_boot(q);
    memset(&q->clean, 0, sizeof(q->clean)); /* it was used to copy */
    return err;
}

static enum pp_err replay(struct pp_queue *q, const struct pp_flash *flash,
                          const struct pp_queue_limits *limits)
{
    struct pp_queue_generations generations;
    enum pp_err err = pp_ring_mount(&q->ring, flash);
    memset(&generations, 0, sizeof(generations));
    init(q, limits);
    pp_queue_index_init(q);
    if (err != PP_OK)
        return err;
    return settle(q, &generations, read_log(q, &generations));
}

enum pp_err pp_queue_mount(struct pp_queue *q, const struct pp_flash *flash,
                           const struct pp_queue_limits *limits)
{
    q->looking = false;
    return replay(q, flash, limits);
}

enum pp_err pp_queue_look(struct pp_queue *q, const struct pp_flash *flash)
{
    const struct pp_queue_limits limits = {0};
    q->looking = true;
    return replay(q, flash, &limits);
}

bool pp_queue_needs(const struct pp_queue *q, const struct pp_queue_entry *entry,
                    const struct pp_record *record)
{
    if (record->type == PP_RECORD_BOOT)
        return record->place.lap == q->boot_lap;
    if (entry == NULL || record->type == PP_RECORD_GONE ||
        pp_place_before(record->place, entry->first))
        return false;
    return record->type > PP_RECORD_COMMIT || !pp_place_before(entry->commit, record->place);
}
