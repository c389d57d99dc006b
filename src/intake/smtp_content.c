/*
 * smtp_content.c - the message under way on our side of SMTP
 *
 * Job:      what follows DATA and BDAT, out of `in` and to the owner; why it is refused, and its
 * end. Not here: where content ends and what is clean (smtp_data.c), commands (smtp_commands.c).
 * Follows:  RFC 5321 4.1.1.4, RFC 3030 2 (BDAT)
 */
#include <assert.h>
#include <string.h>

#include "intake/smtp_server_parts.h"

/* ---- the message under way ---- */

void pp_server_forget(struct pp_smtp_server *s)
{
    memset(&s->data, 0, sizeof(s->data));
    s->content_at_ms = PP_TIME_NEVER;
    s->content_bytes = 0;
    s->refusal = PP_OK;
    s->recipients = 0;
}

void pp_server_reset(struct pp_smtp_server *s)
{
    if (s->state == PP_SERVER_AWAIT_RCPT) {
        s->event = PP_SERVER_EVENT_RESET;
    }
    pp_server_forget(s);
    s->state = PP_SERVER_AWAIT_MAIL;
}

void pp_server_begin_content(struct pp_smtp_server *s, bool chunks, pp_time_ms now_ms)
{
    memset(&s->data, 0, sizeof(s->data));
    s->data.chunks = chunks;
    s->data.normalize = s->params.normalize;
    s->content_at_ms = now_ms;
    s->content_bytes = 0;
    s->refusal = PP_OK;
}

/* ---- content ---- */

static void refuse_content(struct pp_smtp_server *s, enum pp_err err)
{
    if (s->refusal == PP_OK) {
        s->refusal = err;
        s->event = PP_SERVER_EVENT_RESET;
    }
}

/* Of two reasons the one that time does not mend, however the bytes came in. */
static enum pp_err refusal_of(const struct pp_smtp_server *s)
{
    return s->data.unclean ? PP_ERR_INJECTION : s->refusal;
}

static void offer(struct pp_smtp_server *s, struct pp_text piece)
{
    s->content = piece;
    s->content_bytes += piece.len;
    if (s->data.unclean) {
        refuse_content(s, PP_ERR_INJECTION);
    } else if (s->content_bytes > s->params.size_limit) {
        refuse_content(s, PP_ERR_TOO_BIG);
    }
    if (s->refusal == PP_OK && piece.len > 0) {
        s->event = PP_SERVER_EVENT_CONTENT;
    }
}

static void end_content(struct pp_smtp_server *s, struct pp_buf *out, pp_time_ms now_ms)
{
    pp_server_touch(s, now_ms);
    s->event = PP_SERVER_EVENT_END;
    if (s->refusal != PP_OK) {
        pp_smtp_server_reply_end(s, out, refusal_of(s), 0, now_ms);
    }
}

bool pp_server_take_content(struct pp_smtp_server *s, struct pp_buf *in, struct pp_buf *out,
                            pp_time_ms now_ms)
{
    enum pp_data_place before = s->data.place;
    size_t skipped = pp_server_data_skip(&s->data, pp_buf_head(in), pp_buf_len(in));
    size_t taken;

    pp_buf_consume(in, skipped);
    if (s->data.place == PP_DATA_END) {
        end_content(s, out, now_ms);
        return true;
    }
    struct pp_text piece = pp_server_data_next(&s->data, pp_buf_head(in), pp_buf_len(in), &taken);
    if (piece.len + taken + skipped == 0 && s->data.place == before) {
        return false;
    }
    pp_server_touch(s, now_ms);
    s->taken = taken;
    offer(s, piece);
    return true;
}

static void say_chunk(const struct pp_smtp_server *s, struct pp_buf *out)
{
    char line[64];
    struct pp_writer w;

    pp_writer_init(&w, line, sizeof(line));
    pp_put_z(&w, "250 2.0.0 ");
    pp_put_u64(&w, s->chunk_bytes);
    pp_put_z(&w, " octets received");
    pp_server_put_line(out, pp_writer_text(&w));
}

/* All octets of the chunk are here. */
static void end_chunk(struct pp_smtp_server *s, struct pp_buf *out, pp_time_ms now_ms)
{
    if (s->chunk_reply_z != NULL) {
        s->state = s->chunk_from;
        if (s->state == PP_SERVER_AWAIT_RCPT) {
            pp_server_say(out, s->chunk_reply_z); /* no error, as with DATA */
        } else {
            pp_server_refuse(s, out, s->chunk_reply_z, now_ms);
        }
    } else if (s->refusal == PP_OK && s->chunk_last && s->data.place != PP_DATA_END) {
        offer(s, pp_server_data_last(&s->data)); /* then here again */
    } else if (s->refusal != PP_OK || s->chunk_last) {
        end_content(s, out, now_ms); /* the message is over: later chunks are out of sequence */
    } else {
        s->state = PP_SERVER_AWAIT_RCPT;
        say_chunk(s, out);
    }
}

bool pp_server_take_chunk(struct pp_smtp_server *s, struct pp_buf *in, struct pp_buf *out,
                          pp_time_ms now_ms)
{
    size_t len = pp_buf_len(in) < s->chunk_left ? pp_buf_len(in) : (size_t)s->chunk_left;
    size_t taken = len;
    struct pp_text piece = pp_text_n(NULL, 0);

    if (s->chunk_left == 0) {
        end_chunk(s, out, now_ms);
        return true;
    }
    if (len == 0) {
        return false;
    }
    /* A message that is refused already is looked at all the same: what is said at its end must not
     * hang on the pieces that it came in. */
    if (s->chunk_reply_z == NULL) {
        piece = pp_server_data_next(&s->data, pp_buf_head(in), len, &taken);
    }
    pp_server_touch(s, now_ms);
    s->taken = taken;
    s->chunk_left -= taken;
    if (s->chunk_reply_z == NULL) {
        offer(s, piece);
    }
    return true;
}

void pp_smtp_server_content_done(struct pp_smtp_server *s, enum pp_err err)
{
    assert(s->event == PP_SERVER_EVENT_CONTENT);
    s->event = PP_SERVER_EVENT_NONE;
    if (s->refusal == PP_OK) {
        s->refusal = err;
    }
}

void pp_smtp_server_continue(struct pp_smtp_server *s)
{
    assert(s->event == PP_SERVER_EVENT_RESET);
    s->event = PP_SERVER_EVENT_NONE;
}
