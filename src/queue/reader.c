/*
 * reader.c - reading one message back: envelope, recipients, content
 *
 * Job:      walk the message's records from its META on; other messages' records between
 *           them are passed over by their headers.
 * Not here: rendering (message/), results (result.c).
 *
 * META, RCPT, DATA and COMMIT have rising types and follow each other in the log, so what is
 * wanted next is always ahead. When cleaning has moved the message the reader starts anew at
 * the new place and passes over what it has handed out.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "queue/record.h"

/*
 * Load the message's next record of type `wanted`, passing over earlier types. Returns
 * PP_ERR_NOT_FOUND when a later type comes first (it is not passed), PP_ERR_DAMAGED.
 */
static enum pp_err next_record(struct pp_queue_reader *r, const struct pp_queue_entry *entry,
                               uint8_t wanted)
{
    struct pp_ring *ring = &r->queue->ring;
    struct pp_record record;
    while (pp_ring_walk(ring, &r->next, &record) == PP_OK) {
        if (pp_place_before(entry->commit, record.place))
            return PP_ERR_DAMAGED;
        if (record.id != r->id || record.type < wanted || record.type > PP_RECORD_COMMIT)
            continue;
        if (record.type > wanted) {
            r->next = record.place;
            return PP_ERR_NOT_FOUND;
        }
        enum pp_err err = pp_ring_read(ring, record.place, &record, r->payload, sizeof(r->payload));
        r->payload_type = record.type;
        r->payload_len = err == PP_OK ? record.len : 0;
        r->payload_pos = 0;
        return err == PP_ERR_FLASH ? err : err == PP_OK ? PP_OK : PP_ERR_DAMAGED;
    }
    return PP_ERR_DAMAGED;
}

/* Exactly `len` bytes of a stream. */
static enum pp_err stream_get(struct pp_queue_reader *r, const struct pp_queue_entry *entry,
                              uint8_t type, uint8_t *out, size_t len)
{
    while (len > 0) {
        if (r->payload_type != type || r->payload_pos == r->payload_len) {
            enum pp_err err = next_record(r, entry, type);
            if (err != PP_OK)
                return err == PP_ERR_NOT_FOUND ? PP_ERR_DAMAGED : err;
        }
        size_t have = (size_t)r->payload_len - r->payload_pos;
        size_t take = len < have ? len : have;
        memcpy(out, r->payload + r->payload_pos, take);
        r->payload_pos = (uint16_t)(r->payload_pos + take);
        out += take;
        len -= take;
    }
    return PP_OK;
}

static void go_to_start(struct pp_queue_reader *r, const struct pp_queue_entry *entry)
{
    r->base = entry->first;
    r->next = entry->first;
    r->payload_type = 0;
    r->payload_len = 0;
    r->payload_pos = 0;
}

static enum pp_err read_envelope(struct pp_queue_reader *r, const struct pp_queue_entry *entry,
                                 struct pp_envelope *envelope)
{
    uint8_t *text = r->envelope_text;
    struct pp_text *views[PP_META_TEXTS] = {&envelope->sender,  &envelope->sender_name,
                                            &envelope->subject, &envelope->origin,
                                            &envelope->token,   &envelope->envid};
    size_t total = PP_META_FIXED_BYTES;
    enum pp_err err = stream_get(r, entry, PP_RECORD_META, text, PP_META_FIXED_BYTES);
    if (err != PP_OK)
        return err;
    envelope->kind = (text[0] & 1u) != 0 ? PP_KIND_MESSAGE : PP_KIND_ALERT;
    envelope->severity = (enum pp_severity)(text[1] & 3u);
    envelope->body_8bitmime = (text[2] & 1u) != 0;
    envelope->smtputf8 = (text[2] & 2u) != 0;
    envelope->rewrite_sender = (text[2] & 4u) != 0;
    envelope->ret = (enum pp_dsn_ret)(text[2] >> 3 & 3u);
    for (unsigned i = 0; i < PP_META_TEXTS; i++) {
        size_t len = pp_le16_get(text + 8 + 2 * i);
        if (len > sizeof(r->envelope_text) - total)
            return PP_ERR_DAMAGED;
        *views[i] = pp_text_n(text + total, len);
        total += len;
    }
    return stream_get(r, entry, PP_RECORD_META, text + PP_META_FIXED_BYTES,
                      total - PP_META_FIXED_BYTES);
}

enum pp_err pp_queue_reader_open(struct pp_queue *q, uint32_t id, struct pp_queue_reader *r,
                                 struct pp_envelope *envelope)
{
    const struct pp_queue_entry *entry = pp_queue_find(q, id);
    memset(envelope, 0, sizeof(*envelope));
    r->queue = q;
    r->id = id;
    r->content_done = 0;
    r->crc = 0;
    r->recipients_done = 0;
    if (entry == NULL)
        return PP_ERR_NOT_FOUND;
    go_to_start(r, entry);
    return read_envelope(r, entry, envelope);
}

/* One text of the stream of recipients; *flags gets what stands above its length. */
static enum pp_err get_text(struct pp_queue_reader *r, const struct pp_queue_entry *entry,
                            uint8_t *out, size_t cap, uint16_t *len, unsigned *flags)
{
    uint8_t head[2];
    enum pp_err err = stream_get(r, entry, PP_RECORD_RCPT, head, sizeof(head));
    if (err != PP_OK)
        return err;
    *len = pp_le16_get(head) & ((1u << PP_RCPT_NOTIFY_SHIFT) - 1);
    *flags = (unsigned)pp_le16_get(head) >> PP_RCPT_NOTIFY_SHIFT << PP_RCPT_NOTIFY_SHIFT;
    if (*len > cap)
        return PP_ERR_DAMAGED;
    return stream_get(r, entry, PP_RECORD_RCPT, out, *len);
}

static enum pp_err get_address(struct pp_queue_reader *r, const struct pp_queue_entry *entry,
                               struct pp_text *address)
{
    unsigned flags, none;
    enum pp_err err = get_text(r, entry, r->address, sizeof(r->address), &r->address_len, &flags);
    r->orcpt_len = 0;
    if (err != PP_OK)
        return err;
    r->notify = (uint8_t)(flags >> PP_RCPT_NOTIFY_SHIFT & 15u);
    *address = pp_text_n(r->address, r->address_len);
    return (flags & PP_RCPT_HAS_ORCPT) != 0
               ? get_text(r, entry, r->orcpt, sizeof(r->orcpt), &r->orcpt_len, &none)
               : PP_OK;
}

void pp_queue_reader_dsn(const struct pp_queue_reader *r, struct pp_recipient *recipient)
{
    recipient->address = pp_text_n(r->address, r->address_len);
    recipient->notify = r->notify;
    recipient->orcpt = pp_text_n(r->orcpt, r->orcpt_len);
}

/* Load content from byte `r->content_done` on; PP_ERR_NOT_FOUND at its end. */
static enum pp_err skip_content(struct pp_queue_reader *r, const struct pp_queue_entry *entry)
{
    uint64_t left = r->content_done;
    enum pp_err err;
    while ((err = next_record(r, entry, PP_RECORD_DATA)) == PP_OK) {
        if (left < r->payload_len) {
            r->payload_pos = (uint16_t)left;
            return PP_OK;
        }
        left -= r->payload_len;
        r->payload_pos = r->payload_len;
        if (left == 0)
            return PP_OK;
    }
    return err;
}

/* Find the entry again, and the position in it when the message was moved. */
static enum pp_err find_again(struct pp_queue_reader *r, const struct pp_queue_entry **entry)
{
    struct pp_text address;
    bool in_content = r->payload_type >= PP_RECORD_DATA;
    enum pp_err err = PP_OK;
    *entry = pp_queue_find(r->queue, r->id);
    if (*entry == NULL)
        return PP_ERR_NOT_FOUND;
    if (pp_place_equal((*entry)->first, r->base))
        return PP_OK;
    go_to_start(r, *entry);
    if (in_content && r->content_done > 0)
        return skip_content(r, *entry);
    for (uint32_t i = 0; i < r->recipients_done && err == PP_OK; i++)
        err = get_address(r, *entry, &address);
    return err;
}

enum pp_err pp_queue_reader_recipient(struct pp_queue_reader *r, struct pp_text *address)
{
    const struct pp_queue_entry *entry;
    *address = pp_text_n(NULL, 0);
    enum pp_err err = find_again(r, &entry);
    if (err != PP_OK)
        return err;
    if (r->payload_type >= PP_RECORD_DATA)
        return PP_ERR_STATE;
    if (r->recipients_done >= entry->recipient_count)
        return PP_ERR_NOT_FOUND;
    err = get_address(r, entry, address);
    if (err == PP_OK)
        r->recipients_done++;
    return err;
}

enum pp_err pp_queue_reader_rewind(struct pp_queue_reader *r)
{
    const struct pp_queue_entry *entry = pp_queue_find(r->queue, r->id);
    if (entry == NULL)
        return PP_ERR_NOT_FOUND;
    go_to_start(r, entry);
    r->recipients_done = 0;
    r->content_done = 0;
    r->crc = 0;
    return PP_OK;
}

/* All content was handed out: was it what came in? */
static enum pp_err check_end(struct pp_queue_reader *r, const struct pp_queue_entry *entry)
{
    enum pp_err err = next_record(r, entry, PP_RECORD_COMMIT);
    if (err != PP_OK)
        return err == PP_ERR_NOT_FOUND ? PP_ERR_DAMAGED : err;
    if (r->payload_len != PP_COMMIT_BYTES || r->content_done != pp_le32_get(r->payload + 8) ||
        r->crc != pp_le32_get(r->payload + 12))
        return PP_ERR_DAMAGED;
    r->payload_pos = r->payload_len;
    return PP_OK;
}

enum pp_err pp_queue_reader_content(struct pp_queue_reader *r, const uint8_t **bytes, size_t *len)
{
    const struct pp_queue_entry *entry;
    *bytes = r->payload;
    *len = 0;
    enum pp_err err = find_again(r, &entry);
    if (err != PP_OK)
        return err == PP_ERR_NOT_FOUND && entry != NULL ? PP_ERR_DAMAGED : err;
    if (r->payload_type == PP_RECORD_COMMIT)
        return r->payload_len > 0 ? PP_OK : PP_ERR_DAMAGED;
    if (r->payload_type != PP_RECORD_DATA || r->payload_pos == r->payload_len) {
        err = next_record(r, entry, PP_RECORD_DATA);
        if (err == PP_ERR_NOT_FOUND)
            return check_end(r, entry);
        if (err != PP_OK)
            return err;
    }
    *bytes = r->payload + r->payload_pos;
    *len = (size_t)r->payload_len - r->payload_pos;
    r->payload_pos = r->payload_len;
    r->crc = pp_crc32c(r->crc, *bytes, *len);
    r->content_done += *len;
    return PP_OK;
}
