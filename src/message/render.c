/*
 * render.c - the message as it goes out, made from what lies in the queue
 *
 * Job:      takes content byte by byte: header sections go to render_header.c, bodies through
 *           an encoder; an alert's header is written here.
 * Not here: single fields (header.c), encoders (encode.c), MIME's grammar (mime.c).
 * Follows:  RFC 5322, RFC 2046 5.1, RFC 6152
 *
 * Room in `out` is asked for before a byte is taken, as much as that byte can cause; so no
 * step below can fail for want of room.
 */
#include "message/render.h"

#include <string.h>

#include "message/header.h"
#include "message/render_parts.h"

/* A whole field, what a rewritten From puts beside it, the fields that we add behind the last, and
 * 256 bytes that prove to be body. */
#define HEADER_ROOM (PP_RENDER_LINE_BYTES + 3200)
/* A line that was thought to be a boundary, encoded. */
#define BODY_ROOM (PP_RENDER_CANDIDATE_MAX * 4 + 128)

_Static_assert(HEADER_ROOM + 512 <= PP_RENDER_OUT_BYTES,
               "PP_RENDER_OUT_BYTES: raise it above PP_RENDER_LINE_BYTES + 3712");

void pp_render_fail(struct pp_render *r, const char *words_z)
{
    if (r->error == PP_OK) {
        r->error = PP_ERR_UNSUPPORTED;
        r->error_z = words_z;
    }
}

/* ---- what is known beforehand ---- */

enum pp_render_plan pp_render_plan_for(const struct pp_render_facts *facts)
{
    unsigned content = facts->content;

    if (facts->alert) {
        return (content & (PP_CONTENT_8BIT | PP_CONTENT_8BIT_HEADER | PP_CONTENT_LONG_LINE |
                           PP_CONTENT_LONG_HEADER_LINE | PP_CONTENT_HAS_NUL)) != 0
                   ? PP_RENDER_CONVERT
                   : PP_RENDER_AS_IS;
    }
    if ((content & (PP_CONTENT_LONG_LINE | PP_CONTENT_HAS_NUL)) != 0) {
        return PP_RENDER_CONVERT;
    }
    return (content & (PP_CONTENT_8BIT | PP_CONTENT_8BIT_HEADER)) != 0 && !facts->eight_bit_ok
               ? PP_RENDER_CONVERT
               : PP_RENDER_AS_IS;
}

bool pp_render_is_8bit(const struct pp_render_facts *facts)
{
    return (facts->content & (PP_CONTENT_8BIT | PP_CONTENT_8BIT_HEADER)) != 0 &&
           pp_render_plan_for(facts) == PP_RENDER_AS_IS;
}

uint64_t pp_render_size_estimate(const struct pp_render_facts *facts, uint64_t content_bytes)
{
    uint64_t header = 1024 + facts->from.len + 2 * (uint64_t)facts->from_name.len +
                      2 * (uint64_t)facts->subject.len + 2 * (uint64_t)facts->to.len +
                      2 * (uint64_t)facts->hostname.len;

    if (!facts->alert) {
        header += PP_RENDER_COMPLETED_MAX * (facts->domain.len + 1);
        header += facts->rewrite_sender ? 2 * PP_RENDER_REPLY_TO_MAX : 0;
    }

    return pp_render_plan_for(facts) == PP_RENDER_CONVERT ? 0 : header + content_bytes;
}

/* ---- writing into out ---- */

struct pp_writer pp_render_open_writer(struct pp_render *r)
{
    struct pp_writer w;
    size_t room;
    uint8_t *to = pp_buf_reserve(&r->out, &room);

    pp_writer_init(&w, to, room);
    return w;
}

void pp_render_close_writer(struct pp_render *r, const struct pp_writer *w)
{
    if (w->overflow) {
        pp_render_fail(r, "5.6.0 a header field is too long");
    }
    pp_buf_commit(&r->out, r->error == PP_OK ? w->len : 0);
}

void pp_render_put(struct pp_render *r, const void *bytes, size_t len)
{
    if (r->error == PP_OK && !pp_buf_put(&r->out, bytes, len)) {
        pp_render_fail(r, "5.6.0 a header field is too long");
    }
}

/* ---- body ---- */

static void begin_part_header(struct pp_render *r)
{
    r->state = PP_RENDER_IN_HEADER;
    r->field_open = false;
    r->field_spilled = false;
    r->type_seen = false;
    r->type = PP_MIME_NONE;
    r->cte = PP_MIME_CTE_NONE;
    r->boundary.len = 0;
    r->line_len = 0;
    r->line_at = 0;
    r->line_started = false;
}

bool pp_render_is_delimiter(struct pp_render *r, size_t at, bool *close)
{
    return r->mime.depth > 0 && r->line_len >= at + 2 &&
           pp_mime_delimiter(&r->mime, pp_text_n(r->line + at, r->line_len - at), close);
}

void pp_render_pass_delimiter(struct pp_render *r, size_t at, bool close)
{
    pp_render_put(r, r->line + at, r->line_len - at);
    pp_render_put(r, "\r\n", 2);
    begin_part_header(r);
    if (close) {
        pp_encode_begin(&r->encoder, PP_ENCODE_IGNORED, false);
        r->state = PP_RENDER_IN_BODY;
    }
}

/* What was held back is no boundary. */
static void release_candidate(struct pp_render *r)
{
    for (size_t i = 0; i < r->line_len && r->error == PP_OK; i++) {
        pp_encode_byte(&r->encoder, &r->out, r->line[i]);
    }
    r->line_len = 0;
}

void pp_render_body_byte(struct pp_render *r, uint8_t c)
{
    bool candidate = r->line_len > 0 || (!r->line_started && c == '-' && r->mime.depth > 0);

    r->line_started = true;
    if (r->error != PP_OK) {
        return;
    }
    if (!candidate) {
        pp_encode_byte(&r->encoder, &r->out, c);
        return;
    }
    r->line[r->line_len++] = c;
    if (r->line_len > PP_RENDER_CANDIDATE_MAX || (r->line_len == 2 && c != '-')) {
        release_candidate(r);
    }
}

void pp_render_body_line_end(struct pp_render *r)
{
    bool close;

    if (r->line_len > 0 && pp_render_is_delimiter(r, 0, &close)) {
        pp_render_pass_delimiter(r, 0, close);
        return;
    }
    release_candidate(r);
    pp_encode_line_end(&r->encoder, &r->out);
    r->line_started = false;
}

/* ---- alerts ---- */

static void alert_step(struct pp_render *r)
{
    const struct pp_render_facts *facts = &r->facts;
    struct pp_writer w = pp_render_open_writer(r);

    switch (r->step++) {
    case 0:
        pp_put_date_field(&w, facts);
        pp_put_from_field(&w, facts);
        break;
    case 1:
        pp_put_to_piece(&w, facts, &r->to_pos);
        r->step = r->to_pos < facts->to.len ? 1 : 2;
        break;
    case 2:
        pp_put_header(&w, "Subject", facts->subject);
        break;
    case 3:
        pp_put_message_id_field(&w, facts);
        pp_put_severity_fields(&w, facts);
        break;
    default:
        pp_put_z(&w, "MIME-Version: 1.0\r\n");
        pp_put_content_type_field(&w, facts);
        pp_put_z(&w, r->plan == PP_RENDER_CONVERT
                         ? "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                         : "Content-Transfer-Encoding: 7bit\r\n\r\n");
        pp_encode_begin(&r->encoder, r->plan == PP_RENDER_CONVERT ? PP_ENCODE_QP : PP_ENCODE_PASS,
                        false);
        r->state = PP_RENDER_IN_BODY;
        break;
    }
    pp_render_close_writer(r, &w);
}

/* ---- the way in ---- */

void pp_render_init(struct pp_render *r, const struct pp_render_facts *facts)
{
    memset(r, 0, sizeof *r);
    r->facts = *facts;
    r->plan = pp_render_plan_for(facts);
    pp_buf_init(&r->out, r->out_bytes, sizeof r->out_bytes);
    r->state = facts->alert ? PP_RENDER_IN_ALERT_HEADER : PP_RENDER_IN_HEADER;
}

/* True when there is room for what one more byte can cause. */
static bool make_ready(struct pp_render *r)
{
    while (r->state == PP_RENDER_IN_ALERT_HEADER && pp_buf_room(&r->out) >= HEADER_ROOM) {
        alert_step(r);
    }
    return r->state != PP_RENDER_IN_ALERT_HEADER &&
           pp_buf_room(&r->out) >= (r->state == PP_RENDER_IN_HEADER ? HEADER_ROOM : BODY_ROOM);
}

static void take_byte(struct pp_render *r, uint8_t c)
{
    bool header = r->state == PP_RENDER_IN_HEADER;
    bool line_end = c == '\r' || (c == '\n' && !r->previous_cr);
    bool behind_cr = c == '\n' && r->previous_cr;

    r->previous_cr = c == '\r';
    if (behind_cr) {
        return;
    }
    if (line_end && header) {
        pp_render_header_line_end(r);
    } else if (line_end) {
        pp_render_body_line_end(r);
    } else if (header) {
        pp_render_header_byte(r, c);
    } else {
        pp_render_body_byte(r, c);
    }
    if (r->encoder.error != PP_OK) {
        pp_render_fail(r, "5.6.3 a part of the message cannot be converted for this server");
    }
}

size_t pp_render_feed(struct pp_render *r, const uint8_t *content, size_t len)
{
    size_t taken = 0;

    if (r->state == PP_RENDER_DONE) {
        return 0;
    }
    while (taken < len && r->error == PP_OK && make_ready(r)) {
        take_byte(r, content[taken++]);
    }
    return r->error == PP_OK ? taken : len;
}

bool pp_render_end(struct pp_render *r)
{
    bool close;

    if (r->error != PP_OK || r->state == PP_RENDER_DONE) {
        return true;
    }
    if (!make_ready(r) || pp_buf_room(&r->out) < HEADER_ROOM) {
        return false;
    }
    if (r->state == PP_RENDER_IN_HEADER) {
        if (r->line_started) {
            pp_render_header_line_end(r);
        }
        if (r->state == PP_RENDER_IN_HEADER && r->error == PP_OK) {
            pp_render_header_end(r);
        }
    } else if (pp_render_is_delimiter(r, 0, &close)) {
        pp_render_pass_delimiter(r, 0, close);
    } else {
        release_candidate(r);
    }
    pp_encode_end(&r->encoder, &r->out);
    if (r->encoder.error != PP_OK) {
        pp_render_fail(r, "5.6.3 a part of the message cannot be converted for this server");
    }
    r->state = PP_RENDER_DONE;
    return true;
}
