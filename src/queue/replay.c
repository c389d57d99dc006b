/*
 * replay.c - building the index at mount
 *
 * Job:      walk all records in order; COMMIT, RESULT, STATE and GONE say what there is.
 *           Content is not read.
 * Not here: finding the blocks (store/ring_mount.c).
 *
 * A message may be met twice, when it was moved and the power went before its old block was
 * given back: the later COMMIT wins, results before it stay in force until later ones come. A
 * COMMIT whose META lies before the beginning of the log belongs to a message that was moved or
 * has ended.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/crypto.h"
#include "queue/record.h"

static void init(struct pp_queue *q, const struct pp_queue_limits *limits)
{
    /* Not the ring, which the mount has filled in, nor the large buffers. */
    pp_queue_set_limits(q, limits);
    memset(q->entries, 0, sizeof(q->entries));
    memset(q->group_bytes, 0, sizeof(q->group_bytes));
    memset(&q->clean, 0, sizeof(q->clean));
    for (uint32_t i = 0; i < PP_QUEUE_MESSAGES; i++)
        q->entries[i].id = i + 1 < PP_QUEUE_MESSAGES ? i + 1 : PP_TABLE_NONE;
    for (unsigned i = 0; i < PP_QUEUE_WRITERS; i++)
        q->writers[i].in_use = false;
    q->entry_free = 0;
    q->entry_count = 0;
    q->entry_high_water = 0;
    q->next_id = 1;
    q->boot_count = 0;
    q->device = 0;
    q->boot_lap = 0;
    q->sync_wanted = false;
    q->unindexed = false;
    q->garbage_bytes = 0;
    q->padded_seen = 0;
    q->messages_damaged = 0;
}

static void on_boot(struct pp_queue *q, const struct pp_record *record)
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
}

/* No more than the stretch of the log that it spans, whatever the record says. */
static uint32_t bounded_bytes(const struct pp_queue *q, uint32_t bytes, struct pp_place first,
                              struct pp_place commit)
{
    uint64_t span = (uint64_t)(commit.lap - first.lap + 1) * q->ring.flash->block_bytes;
    return bytes < span ? bytes : (uint32_t)span;
}

static void on_commit(struct pp_queue *q, const struct pp_record *record)
{
    const uint8_t *p = q->scratch;
    struct pp_place first = pp_place_get(p);
    struct pp_queue_entry *entry = pp_queue_find(q, record->id);
    uint16_t recipients = pp_le16_get(p + 20);
    if (record->len != PP_COMMIT_BYTES || record->id == 0 || recipients == 0 ||
        first.lap < q->ring.oldest_lap || !pp_place_before(first, record->place))
        return;
    if (recipients > PP_RECIPIENTS_MAX) {
        q->unindexed = true;
        return;
    }
    bool known = entry != NULL;
    if (!known)
        entry = pp_queue_take_entry(q);
    if (entry == NULL) {
        q->unindexed = true;
        return;
    }
    if (!known) {
        entry->id = record->id;
        entry->open_count = recipients;
        entry->recipient_count = recipients;
    }
    entry->first = first;
    entry->commit = record->place;
    entry->size_bytes = pp_le32_get(p + 8);
    entry->accepted_s = pp_le32_get(p + 16);
    entry->content = pp_le16_get(p + 22);
    entry->kind = p[24] & 1u;
    entry->severity = p[25] & 3u;
    entry->stored_bytes = bounded_bytes(q, pp_le32_get(p + 28), first, record->place);
    if (!known && pp_queue_enter(q, entry) != PP_OK)
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

static void on_gone(struct pp_queue *q, const struct pp_record *record)
{
    struct pp_queue_entry *entry = pp_queue_find(q, record->id);
    if (entry == NULL)
        return;
    pp_table_remove(&q->by_id, entry->id);
    pp_queue_give_entry(q, entry);
}

static void on_record(struct pp_queue *q, struct pp_record *record)
{
    if (record->id >= q->next_id)
        q->next_id = record->id + 1;
    if (record->type == PP_RECORD_META || record->type == PP_RECORD_RCPT ||
        record->type == PP_RECORD_DATA)
        return;
    if (pp_ring_read(&q->ring, record->place, record, q->scratch, sizeof(q->scratch)) != PP_OK) {
        q->ring.report.records_damaged++;
        return;
    }
    switch (record->type) {
    case PP_RECORD_BOOT:
        on_boot(q, record);
        break;
    case PP_RECORD_COMMIT:
        on_commit(q, record);
        break;
    case PP_RECORD_RESULT:
    case PP_RECORD_STATE:
        on_result(q, record);
        break;
    case PP_RECORD_GONE:
        on_gone(q, record);
        break;
    default: /* nobody writes these */
        break;
    }
}

/* What lives must at least have its envelope; sums up what it takes. */
static void check_living(struct pp_queue *q)
{
    struct pp_queue_entry *entry;
    uint32_t cursor = 0;
    uint64_t living = 0;
    uint64_t used = (uint64_t)(q->ring.next_lap - q->ring.oldest_lap) * pp_queue_block_room(q);
    while ((entry = pp_queue_next(q, &cursor)) != NULL) {
        struct pp_record record;
        enum pp_err err =
            pp_ring_read(&q->ring, entry->first, &record, q->scratch, sizeof(q->scratch));
        pp_queue_group_add(q, entry->first.lap, entry->stored_bytes);
        living += entry->stored_bytes;
        if (err == PP_OK && record.type == PP_RECORD_META && record.id == entry->id)
            continue;
        q->messages_damaged++;
        living -= entry->stored_bytes;
        pp_queue_forget(q, entry);
    }
    q->entry_high_water = q->entry_count;
    q->garbage_bytes = used > living ? used - living : 0;
}

static enum pp_err begin_boot(struct pp_queue *q)
{
    q->boot_count++;
    if (q->device == 0 && pp_random(&q->device, sizeof(q->device)) != PP_OK)
        q->device = 0;
    q->sync_wanted = true;
    /* The last block is left for results. */
    if (pp_ring_spare_blocks(&q->ring) <= 1)
        return PP_OK;
    enum pp_err err = pp_queue_append_boot(q);
    return err == PP_ERR_FULL ? PP_OK : err;
}

enum pp_err pp_queue_mount(struct pp_queue *q, const struct pp_flash *flash,
                           const struct pp_queue_limits *limits)
{
    struct pp_place place = {0, 0};
    struct pp_record record;
    enum pp_err err = pp_ring_mount(&q->ring, flash);
    init(q, limits);
    if (err == PP_OK)
        err = pp_table_init(&q->by_id, q->by_id_memory, sizeof(q->by_id_memory), PP_QUEUE_MESSAGES,
                            PP_QUEUE_BUCKETS);
    if (err != PP_OK)
        return err;
    while (pp_ring_walk(&q->ring, &place, &record) == PP_OK)
        on_record(q, &record);
    check_living(q);
    return begin_boot(q);
}
