/*
 * accept.c - taking a message in, piece by piece
 *
 * Job:      stream envelope, recipients and content into the ring; the COMMIT record makes
 *           it a message.
 * Not here: line ends, scanning of content (message/), what a sender is told (intake/).
 */
#include <assert.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "queue/record.h"

/* Content in pieces of at least this goes into the ring's stage without being gathered first. */
#define DIRECT_BYTES 1024u
/* Envelope and records around the content, for the check when a message begins. */
#define ENVELOPE_BYTES 512u

static const uint16_t text_max[PP_META_TEXTS] = {254, 256, 900, 128, 100, PP_ENVID_MAX};

/* ---- streams ---- */

static enum pp_err append(struct pp_queue *q, struct pp_queue_writer *w, uint8_t type,
                          const void *bytes, uint16_t len)
{
    uint32_t record_bytes = pp_ring_record_bytes(len);
    struct pp_place place;
    if (!pp_queue_admits(q, w->first.lap, record_bytes, w->severity))
        return PP_ERR_FULL;
    enum pp_err err = pp_ring_append(&q->ring, type, w->id, bytes, len, &place);
    if (err != PP_OK)
        return err;
    if (w->first.lap == 0)
        w->first = place;
    w->stored_bytes += record_bytes;
    pp_queue_group_add(q, w->first.lap, record_bytes);
    return PP_OK;
}

/* In two records where the first fills a block. */
static enum pp_err append_all(struct pp_queue *q, struct pp_queue_writer *w, uint8_t type,
                              const uint8_t *bytes, uint32_t len)
{
    uint32_t done = 0;
    while (done < len) {
        uint16_t piece = pp_queue_piece(q, len - done);
        enum pp_err err = append(q, w, type, bytes + done, piece);
        if (err != PP_OK)
            return err;
        done += piece;
    }
    return PP_OK;
}

/* Write what was gathered. */
static enum pp_err flush(struct pp_queue *q, struct pp_queue_writer *w)
{
    uint16_t head = w->head_len;
    uint16_t rest = (uint16_t)(w->chunk_len - head);
    w->chunk_len = w->head_len = 0;
    enum pp_err err = append_all(q, w, PP_RECORD_META, w->chunk, head);
    return err == PP_OK ? append_all(q, w, w->chunk_type, w->chunk + head, rest) : err;
}

/* Gather bytes of a stream into whole records. */
static enum pp_err gather(struct pp_queue *q, struct pp_queue_writer *w, uint8_t type,
                          const void *bytes, size_t len)
{
    const uint8_t *from = bytes;
    enum pp_err err = PP_OK;
    /* The envelope waits for the content: written at once, a message lies in one piece among the
     * others that come in, and a reader need not pass over those. */
    if (w->chunk_type == PP_RECORD_META && type == PP_RECORD_RCPT)
        w->head_len = w->chunk_len;
    else if (w->chunk_type != type)
        err = flush(q, w);
    w->chunk_type = type;
    while (err == PP_OK && len > 0) {
        uint32_t max = pp_ring_payload_max(&q->ring);
        size_t room = max - w->chunk_len;
        size_t take = len < room ? len : room;
        if (w->chunk_len == 0 && len >= DIRECT_BYTES) {
            take = pp_queue_piece(q, (uint32_t)take);
            err = append(q, w, type, from, (uint16_t)take);
        } else {
            memcpy(w->chunk + w->chunk_len, from, take);
            w->chunk_len = (uint16_t)(w->chunk_len + take);
        }
        from += take;
        len -= take;
        if (w->chunk_len == max)
            err = flush(q, w);
    }
    return err;
}

/* ---- open ---- */

static enum pp_err check_envelope(const struct pp_text texts[PP_META_TEXTS])
{
    for (unsigned i = 0; i < PP_META_TEXTS; i++) {
        if (texts[i].len > text_max[i])
            return PP_ERR_TOO_BIG;
        if (pp_text_has_line_break(texts[i]))
            return PP_ERR_INJECTION;
    }
    return PP_OK;
}

static enum pp_err put_envelope(struct pp_queue *q, struct pp_queue_writer *w,
                                const struct pp_envelope *e, const struct pp_text texts[])
{
    uint8_t fixed[PP_META_FIXED_BYTES] = {
        (uint8_t)e->kind, (uint8_t)e->severity,
        (uint8_t)((e->body_8bitmime ? 1 : 0) | (e->smtputf8 ? 2 : 0) | (e->rewrite_sender ? 4 : 0) |
                  (unsigned)e->ret << 3)};
    pp_le32_put(fixed + 4, w->accepted_s);
    for (unsigned i = 0; i < PP_META_TEXTS; i++)
        pp_le16_put(fixed + 8 + 2 * i, (uint16_t)texts[i].len);
    enum pp_err err = gather(q, w, PP_RECORD_META, fixed, sizeof(fixed));
    for (unsigned i = 0; i < PP_META_TEXTS && err == PP_OK; i++)
        err = gather(q, w, PP_RECORD_META, texts[i].p, texts[i].len);
    return err;
}

/* More than this never fits, however empty the medium is. */
static uint64_t largest_possible(const struct pp_queue *q)
{
    return (uint64_t)pp_ring_good_blocks(&q->ring) * pp_queue_block_room(q) / 2;
}

static enum pp_err check_room(struct pp_queue *q, uint64_t declared_bytes, uint8_t severity)
{
    uint32_t reserve = 0;
    if (q->ring.failed)
        return PP_ERR_FLASH;
    if (declared_bytes > q->limits.message_bytes || declared_bytes > largest_possible(q))
        return PP_ERR_TOO_BIG;
    if (severity < PP_SEVERITY_CRITICAL)
        reserve = (uint32_t)((uint64_t)PP_QUEUE_MESSAGES * q->limits.reserve_percent / 100);
    if (q->unindexed || q->entry_count + reserve >= PP_QUEUE_MESSAGES)
        return PP_ERR_FULL;
    return pp_queue_admits(q, 0, declared_bytes + ENVELOPE_BYTES, severity) ? PP_OK : PP_ERR_FULL;
}

static struct pp_queue_writer *free_writer(struct pp_queue *q)
{
    for (unsigned i = 0; i < PP_QUEUE_WRITERS; i++) {
        if (q->writers[i].in_use)
            continue;
        /* The first free one is taken, so the highest ever taken is how many there were. */
        if (i >= q->writer_high_water)
            q->writer_high_water = i + 1;
        return &q->writers[i];
    }
    return NULL;
}

static uint32_t new_id(struct pp_queue *q)
{
    uint32_t id;
    do {
        id = q->next_id++;
    } while (id == 0 || pp_queue_find(q, id) != NULL);
    return id;
}

/* Everything but the chunk, which is large and needs no clearing. */
static void init_writer(struct pp_queue_writer *w, const struct pp_envelope *e, int64_t wall_s)
{
    w->in_use = true;
    w->error = PP_OK;
    w->first = (struct pp_place){0, 0};
    w->size_bytes = 0;
    w->trace_bytes = 0;
    w->crc = 0;
    w->recipient_count = 0;
    w->severity = (uint8_t)e->severity;
    w->kind = (uint8_t)e->kind;
    w->accepted_s = wall_s > 0 && wall_s <= UINT32_MAX ? (uint32_t)wall_s : 0;
    w->stored_bytes = 0;
    w->chunk_len = w->head_len = 0;
    w->chunk_type = PP_RECORD_META;
}

enum pp_err pp_queue_open(struct pp_queue *q, const struct pp_envelope *envelope,
                          uint64_t declared_bytes, int64_t wall_s, struct pp_queue_writer **writer)
{
    const struct pp_text texts[PP_META_TEXTS] = {envelope->sender,  envelope->sender_name,
                                                 envelope->subject, envelope->origin,
                                                 envelope->token,   envelope->envid};
    enum pp_err err = check_envelope(texts);
    if (err == PP_OK)
        err = check_room(q, declared_bytes, (uint8_t)envelope->severity);
    if (err != PP_OK)
        return err;
    struct pp_queue_writer *w = free_writer(q);
    if (w == NULL)
        return PP_ERR_DRY;
    struct pp_queue_entry *entry = pp_queue_take_entry(q);
    if (entry == NULL)
        return PP_ERR_FULL;
    init_writer(w, envelope, wall_s);
    w->id = new_id(q);
    w->index = pp_queue_index(q, entry);
    err = put_envelope(q, w, envelope, texts);
    if (err != PP_OK) {
        pp_queue_abort(q, w);
        return err;
    }
    *writer = w;
    return PP_OK;
}

/* ---- recipients and content ---- */

static enum pp_err check_recipient(const struct pp_queue *q, const struct pp_queue_writer *w,
                                   const struct pp_recipient *recipient)
{
    uint32_t outcomes_fit =
        (pp_ring_payload_max(&q->ring) - PP_STATE_HEAD_BYTES - PP_REPLY_HEAD_BYTES) * 4;
    if (w->error != PP_OK)
        return w->error;
    if (w->chunk_type == PP_RECORD_DATA)
        return PP_ERR_STATE;
    if (recipient->address.len == 0)
        return PP_ERR_EMPTY;
    if (pp_text_has_line_break(recipient->address) || pp_text_has_line_break(recipient->orcpt))
        return PP_ERR_INJECTION;
    if (recipient->address.len > PP_ADDRESS_MAX || recipient->orcpt.len > PP_ORCPT_MAX ||
        w->recipient_count >= q->limits.recipients || w->recipient_count >= outcomes_fit)
        return PP_ERR_TOO_BIG;
    return PP_OK;
}

static enum pp_err gather_text(struct pp_queue *q, struct pp_queue_writer *w, struct pp_text text,
                               unsigned flags)
{
    uint8_t head[2];
    pp_le16_put(head, (uint16_t)(text.len | flags));
    enum pp_err err = gather(q, w, PP_RECORD_RCPT, head, sizeof(head));
    return err == PP_OK ? gather(q, w, PP_RECORD_RCPT, text.p, text.len) : err;
}

enum pp_err pp_queue_recipient_dsn(struct pp_queue *q, struct pp_queue_writer *w,
                                   const struct pp_recipient *recipient)
{
    bool has_orcpt = recipient->orcpt.len > 0;
    unsigned flags = (recipient->notify & 15u) << PP_RCPT_NOTIFY_SHIFT;
    enum pp_err err = check_recipient(q, w, recipient);
    if (err != PP_OK)
        return err;
    w->error = gather_text(q, w, recipient->address, flags | (has_orcpt ? PP_RCPT_HAS_ORCPT : 0));
    if (w->error == PP_OK && has_orcpt)
        w->error = gather_text(q, w, recipient->orcpt, 0);
    if (w->error == PP_OK)
        w->recipient_count++;
    return w->error;
}

enum pp_err pp_queue_recipient(struct pp_queue *q, struct pp_queue_writer *w,
                               struct pp_text address)
{
    return pp_queue_recipient_dsn(q, w, &(const struct pp_recipient){.address = address});
}

enum pp_err pp_queue_trace(struct pp_queue *q, struct pp_queue_writer *w, struct pp_text fields)
{
    if (w->error == PP_OK && w->size_bytes > 0)
        return PP_ERR_STATE;
    w->trace_bytes = (uint32_t)fields.len;
    return pp_queue_write(q, w, fields.p, fields.len);
}

enum pp_err pp_queue_write(struct pp_queue *q, struct pp_queue_writer *w, const void *bytes,
                           size_t len)
{
    if (w->error == PP_OK && len > q->limits.message_bytes + w->trace_bytes - w->size_bytes)
        w->error = PP_ERR_TOO_BIG;
    if (w->error != PP_OK || len == 0)
        return w->error;
    w->error = gather(q, w, PP_RECORD_DATA, bytes, len);
    w->size_bytes += (uint32_t)len;
    w->crc = pp_crc32c(w->crc, bytes, len);
    return w->error;
}

/* ---- end ---- */

static void put_commit(const struct pp_queue *q, const struct pp_queue_writer *w, uint16_t content,
                       uint8_t *out)
{
    memset(out, 0, PP_COMMIT_BYTES);
    pp_place_put(out, w->first);
    pp_le32_put(out + 8, w->size_bytes);
    pp_le32_put(out + 12, w->crc);
    pp_le32_put(out + 16, w->accepted_s);
    pp_le16_put(out + 20, w->recipient_count);
    pp_le16_put(out + 22, content);
    out[24] = w->kind;
    out[25] = w->severity;
    pp_le32_put(out + 28, w->stored_bytes + pp_ring_record_bytes(PP_COMMIT_BYTES));
    pp_le32_put(out + 32, q->ring.generation);
}

static enum pp_err commit(struct pp_queue *q, struct pp_queue_writer *w, uint16_t content,
                          struct pp_place *place)
{
    uint8_t payload[PP_COMMIT_BYTES];
    uint32_t record_bytes = pp_ring_record_bytes(PP_COMMIT_BYTES);
    pp_err_keep(&w->error, w->recipient_count == 0 ? PP_ERR_EMPTY : PP_OK);
    if (w->error == PP_OK)
        w->error = flush(q, w);
    if (w->error == PP_OK && !pp_queue_admits(q, w->first.lap, record_bytes, w->severity))
        w->error = PP_ERR_FULL;
    if (w->error != PP_OK)
        return w->error;
    put_commit(q, w, content, payload);
    enum pp_err err =
        pp_ring_append(&q->ring, PP_RECORD_COMMIT, w->id, payload, PP_COMMIT_BYTES, place);
    if (err == PP_OK) {
        w->stored_bytes += record_bytes;
        pp_queue_group_add(q, w->first.lap, record_bytes);
    }
    return err;
}

enum pp_err pp_queue_seal(struct pp_queue *q, struct pp_queue_writer *w, uint16_t content,
                          struct pp_ticket *ticket)
{
    struct pp_queue_entry *entry = &q->entries[w->index];
    struct pp_place place;
    enum pp_err err = commit(q, w, content, &place);
    if (err == PP_OK) {
        entry->id = w->id;
        entry->first = w->first;
        entry->commit = place;
        entry->size_bytes = w->size_bytes;
        entry->stored_bytes = w->stored_bytes;
        entry->accepted_s = w->accepted_s;
        entry->recipient_count = w->recipient_count;
        entry->open_count = w->recipient_count;
        entry->content = content;
        entry->severity = w->severity & 7u;
        entry->kind = w->kind & 1u;
        err = pp_queue_enter(q, entry);
    }
    if (err != PP_OK) {
        pp_queue_abort(q, w);
        return err;
    }
    w->in_use = false;
    if (entry->first.lap == q->clean.lap)
        q->clean.cursor = 0; /* it may be an entry that cleaning has passed */
    *ticket = (struct pp_ticket){entry->id, q->ring.generation};
    q->sync_wanted = true;
    return PP_OK;
}

void pp_queue_evict(struct pp_queue *q, struct pp_queue_writer *w, enum pp_err err)
{
    pp_err_keep(&w->error, err);
    pp_queue_group_sub(q, w->first.lap, w->stored_bytes);
    q->garbage_bytes += w->stored_bytes;
    w->stored_bytes = 0;
    w->first = (struct pp_place){0, 0};
}

void pp_queue_abort(struct pp_queue *q, struct pp_queue_writer *w)
{
    assert(w->in_use);
    pp_queue_evict(q, w, PP_ERR_STATE);
    pp_queue_give_entry(q, &q->entries[w->index]);
    w->in_use = false;
}
