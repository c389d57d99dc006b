/*
 * render_header.c - the header section of a message or of a part, as it goes out
 *
 * Job:      gather a field, drop it, fold it or pass it on; at the end add what is missing and
 *           decide what becomes of the body.
 * Not here: bodies and alerts (render.c), the fields that we write (header.c).
 * Follows:  RFC 5322 2.2 and 3.6, RFC 2045 5 and 6
 */
#include <string.h>

#include "message/address.h"
#include "message/complete.h"
#include "message/header.h"
#include "message/render_parts.h"

/* What stood in From: before it was rewritten. Room is kept for its name. */
#define ORIGINAL_FROM "X-Original-From: "

/* ---- header fields ---- */

/* RFC 5322 2.2.3: puts one line without its CRLF, folded so that no piece is too long; what is left
 * when it is not `whole` is returned. */
static size_t put_folded(struct pp_render *r, const uint8_t *line, size_t len, bool whole)
{
    size_t at = 0;

    while (len - at > PP_TEXT_LINE_MAX) {
        size_t cut = at + PP_TEXT_LINE_MAX;
        size_t text = at;

        while (text < cut && (line[text] == ' ' || line[text] == '\t')) {
            text++;
        }
        while (cut > text && line[cut] != ' ' && line[cut] != '\t') {
            cut--;
        }
        if (cut <= text) {
            pp_render_fail(r, "5.6.0 a header line is over 998 octets and cannot be folded");
            return 0;
        }
        pp_render_put(r, line + at, cut - at);
        pp_render_put(r, "\r\n", 2);
        at = cut;
    }
    if (whole) {
        pp_render_put(r, line + at, len - at);
        pp_render_put(r, "\r\n", 2);
        return 0;
    }
    return len - at;
}

/* Puts all whole lines in the buffer; `rest` bytes of an unfinished one move to its front. */
static void put_field_lines(struct pp_render *r, bool whole)
{
    size_t at = 0;

    while (at < r->line_len) {
        const uint8_t *cr = memchr(r->line + at, '\r', r->line_len - at);
        size_t end = cr != NULL ? (size_t)(cr - r->line) : r->line_len;
        bool last = cr == NULL;
        size_t rest = put_folded(r, r->line + at, end - at, !last || whole);

        if (last) {
            memmove(r->line, r->line + end - rest, rest);
            r->line_len = rest;
            r->line_at = 0;
            return;
        }
        at = end + 2;
    }
    r->line_len = 0;
    r->line_at = 0;
}

static struct pp_text field_value(const struct pp_render *r)
{
    struct pp_text text = pp_text_n(r->line, r->line_len);
    size_t colon = pp_text_find(text, ':');

    return colon < text.len ? pp_text_n(text.p + colon + 1, text.len - colon - 1) : text;
}

static void read_content_type(struct pp_render *r)
{
    enum pp_mime_type type = PP_MIME_LEAF;

    if (r->type_seen) {
        return;
    }
    r->type_seen = true;
    enum pp_err err = pp_mime_content_type(field_value(r), &type, &r->boundary);
    r->type = (uint8_t)type;
    if (err == PP_ERR_UNSUPPORTED && type != PP_MIME_SEALED && r->plan == PP_RENDER_CONVERT) {
        pp_render_fail(r, "5.6.3 a multipart without a usable boundary cannot be converted");
    }
}

static void read_transfer_encoding(struct pp_render *r)
{
    struct pp_text value = pp_text_trim(field_value(r));

    if (r->cte != PP_MIME_CTE_NONE) {
        return;
    }
    r->cte = (uint8_t)pp_mime_transfer_encoding(value);
    if (r->cte == PP_MIME_CTE_OTHER) {
        struct pp_writer w;

        value = pp_text_trim(pp_text_n(value.p, pp_text_find(value, '\r')));
        pp_writer_init(&w, r->cte_text, sizeof r->cte_text - 1);
        pp_put_text(&w, value);
        r->cte_text[w.len] = '\0';
        if (w.overflow || !pp_text_is_ascii(value)) {
            pp_render_fail(r, "5.6.3 an unknown content transfer encoding");
        }
    }
}

static bool has_seen(const struct pp_render *r, enum pp_field field)
{
    return (r->seen >> field & 1) != 0;
}

static bool is_dropped(const struct pp_render *r)
{
    bool message = r->mime.depth == 0;

    return (message && (r->field == PP_FIELD_BCC || r->field == PP_FIELD_RETURN_PATH)) ||
           (message && r->field == PP_FIELD_SENDER && r->facts.rewrite_sender) ||
           (r->field == PP_FIELD_CONTENT_TRANSFER_ENCODING && r->plan == PP_RENDER_CONVERT);
}

/* ---- addresses ---- */

static bool is_rewritten(const struct pp_render *r)
{
    return r->facts.rewrite_sender && r->mime.depth == 0 && r->field == PP_FIELD_FROM;
}

/* A signed field stays as it was signed. */
static void complete_addresses(struct pp_render *r)
{
    static const uint32_t address_fields = 1u << PP_FIELD_FROM | 1u << PP_FIELD_SENDER |
                                           1u << PP_FIELD_REPLY_TO | 1u << PP_FIELD_TO |
                                           1u << PP_FIELD_CC;
    size_t most = PP_RENDER_COMPLETED_MAX * (r->facts.domain.len + 1) - r->completed;
    size_t cap = sizeof r->line - sizeof ORIGINAL_FROM;
    size_t before = r->line_len;

    if ((address_fields >> r->field & 1) == 0 || has_seen(r, PP_FIELD_DKIM_SIGNATURE)) {
        return;
    }
    cap = before + most < cap ? before + most : cap;
    r->line_len = pp_complete_field(r->line, before, cap, r->facts.domain);
    r->completed += (uint32_t)(r->line_len - before);
}

/* Answers go where they went before. */
static void put_reply_to(struct pp_render *r, struct pp_writer *w, bool whole)
{
    struct pp_text value = field_value(r);
    struct pp_text rest = value;
    struct pp_text address;
    bool plain = pp_text_is_ascii(value) || r->plan == PP_RENDER_AS_IS;

    if (pp_address_next(&rest, &address) != PP_OK || pp_address_check(address) != PP_OK) {
        return;
    }
    if (whole && plain && value.len <= PP_RENDER_REPLY_TO_MAX && value.len > 2) {
        pp_put_z(w, value.p[0] == ' ' || value.p[0] == '\t' ? "Reply-To:" : "Reply-To: ");
        pp_put_text(w, value);
    } else if (pp_text_is_ascii(address)) {
        pp_put_z(w, "Reply-To: <");
        pp_put_text(w, address);
        pp_put_z(w, ">\r\n");
    }
}

/* From: is ours; the field under way becomes X-Original-From. */
static void rewrite_from(struct pp_render *r, bool whole)
{
    size_t colon = pp_text_find(pp_text_n(r->line, r->line_len), ':');
    size_t skip = colon + 1;
    size_t name_len = sizeof ORIGINAL_FROM - 1;

    if (!r->from_put) {
        struct pp_writer w = pp_render_open_writer(r);

        r->from_put = true;
        pp_put_from_field(&w, &r->facts);
        if ((r->facts.content & PP_CONTENT_HAS_REPLY_TO) == 0) {
            put_reply_to(r, &w, whole);
        }
        pp_render_close_writer(r, &w);
    }
    if (skip < r->line_len && (r->line[skip] == ' ' || r->line[skip] == '\t')) {
        skip++;
    }
    memmove(r->line + name_len, r->line + skip, r->line_len - skip);
    memcpy(r->line, ORIGINAL_FROM, name_len);
    r->line_len += name_len - skip;
}

/* Bytes that may not stand in a header of this message; only what is no more than text can be
 * encoded. */
static bool put_encoded(struct pp_render *r, bool whole)
{
    bool original_from = is_rewritten(r);
    struct pp_text text = pp_text_n(r->line, r->line_len);

    if (memchr(r->line, 0, r->line_len) != NULL) {
        pp_render_fail(r, "5.6.0 a NUL in a header field");
        return true;
    }
    if (r->plan != PP_RENDER_CONVERT || r->facts.smtputf8_ok || pp_text_is_ascii(text)) {
        return false;
    }
    if ((r->field != PP_FIELD_SUBJECT && !original_from) || r->field_spilled || !whole ||
        r->line_len > PP_RENDER_LINE_BYTES / 2) {
        pp_render_fail(r, "5.6.7 a header field is not ASCII and the server takes no UTF-8 there");
        return true;
    }
    struct pp_writer w = pp_render_open_writer(r);
    pp_put_header(&w, original_from ? "X-Original-From" : "Subject", field_value(r));
    pp_render_close_writer(r, &w);
    return true;
}

/* The field under way goes out or not: `whole`, or as much of it as must make room. */
static void flush_field(struct pp_render *r, bool whole)
{
    if (r->field_open && !r->field_spilled && r->mime.depth == 0) {
        if (whole) {
            complete_addresses(r);
        }
        if (is_rewritten(r)) {
            rewrite_from(r, whole);
        }
    }
    if (r->field_open && !r->field_spilled) {
        if (r->field == PP_FIELD_CONTENT_TYPE) {
            read_content_type(r);
        } else if (r->field == PP_FIELD_CONTENT_TRANSFER_ENCODING) {
            read_transfer_encoding(r);
        }
    }
    if (!r->field_open || is_dropped(r) || put_encoded(r, whole)) {
        r->line_len = 0;
        r->line_at = 0;
    } else {
        put_field_lines(r, whole);
    }
    r->field_spilled = !whole;
    r->field_open = r->field_open && !whole;
}

/* ---- the end of a header section ---- */

static void put_missing_fields(struct pp_render *r)
{
    /* RFC 6376 5.4: a signature may cover the absence of a field. */
    bool is_signed = r->plan == PP_RENDER_AS_IS && has_seen(r, PP_FIELD_DKIM_SIGNATURE);
    struct pp_writer w = pp_render_open_writer(r);

    if (!has_seen(r, PP_FIELD_DATE)) {
        pp_put_date_field(&w, &r->facts);
    }
    if (!has_seen(r, PP_FIELD_FROM)) {
        pp_put_from_field(&w, &r->facts);
    }
    if (!is_signed && !has_seen(r, PP_FIELD_TO) && !has_seen(r, PP_FIELD_CC)) {
        pp_put_z(&w, "To: undisclosed-recipients:;\r\n");
    }
    if (!has_seen(r, PP_FIELD_MESSAGE_ID)) {
        pp_put_message_id_field(&w, &r->facts);
    }
    bool labels =
        r->plan == PP_RENDER_CONVERT || ((r->facts.content & PP_CONTENT_8BIT) != 0 && !is_signed);
    bool mime = has_seen(r, PP_FIELD_MIME_VERSION) || r->type_seen;
    if (labels && !has_seen(r, PP_FIELD_MIME_VERSION)) {
        pp_put_z(&w, "MIME-Version: 1.0\r\n");
    }
    if (labels && !mime) {
        pp_put_content_type_field(&w, &r->facts);
        if (r->plan == PP_RENDER_AS_IS && r->cte == PP_MIME_CTE_NONE) {
            pp_put_z(&w, "Content-Transfer-Encoding: 8bit\r\n");
        }
    }
    pp_render_close_writer(r, &w);
}

static enum pp_encoding encoding_of_leaf(const struct pp_render *r)
{
    switch ((enum pp_mime_cte)r->cte) {
    case PP_MIME_CTE_QP:
        return PP_ENCODE_QP_WRAP;
    case PP_MIME_CTE_BASE64:
        return PP_ENCODE_BASE64_WRAP;
    case PP_MIME_CTE_OTHER:
        return PP_ENCODE_PASS;
    default:
        return PP_ENCODE_QP;
    }
}

/* How the body behind this header is to be converted. */
static enum pp_encoding plan_part(struct pp_render *r)
{
    bool in_digest = r->mime.depth > 0 && r->mime.digest[r->mime.depth - 1];
    enum pp_mime_type type = (enum pp_mime_type)r->type;
    bool encoded = r->cte == PP_MIME_CTE_QP || r->cte == PP_MIME_CTE_BASE64;

    if (type == PP_MIME_NONE && in_digest) {
        type = PP_MIME_MESSAGE;
    }
    switch (type) {
    case PP_MIME_NONE:
    case PP_MIME_LEAF:
        return encoding_of_leaf(r);
    case PP_MIME_MULTIPART:
    case PP_MIME_DIGEST:
        if (encoded || r->cte == PP_MIME_CTE_OTHER ||
            pp_mime_push(&r->mime, &r->boundary, type == PP_MIME_DIGEST) != PP_OK) {
            pp_render_fail(r, "5.6.3 a multipart is encoded or nested too deep to be converted");
        }
        /* Text before the first part: should the boundary never come, it was not nobody's. */
        return PP_ENCODE_PASS;
    case PP_MIME_SEALED:
    case PP_MIME_MESSAGE:
        break;
    }
    return encoded ? encoding_of_leaf(r) : PP_ENCODE_PASS;
}

/* The encoding that goes with it, as a field. */
static void put_transfer_encoding(struct pp_render *r, enum pp_encoding encoding)
{
    static const char *const names[] = {
        [PP_MIME_CTE_NONE] = "",         [PP_MIME_CTE_PLAIN] = "7bit",
        [PP_MIME_CTE_8BIT] = "7bit",     [PP_MIME_CTE_QP] = "quoted-printable",
        [PP_MIME_CTE_BASE64] = "base64", [PP_MIME_CTE_OTHER] = ""};
    const char *name_z = names[r->cte];

    if (encoding == PP_ENCODE_QP) {
        name_z = "quoted-printable";
    } else if (r->cte == PP_MIME_CTE_OTHER) {
        name_z = r->cte_text;
    }
    if (name_z[0] != '\0') {
        struct pp_writer w = pp_render_open_writer(r);

        pp_put_z(&w, "Content-Transfer-Encoding: ");
        pp_put_z(&w, name_z);
        pp_put_z(&w, "\r\n");
        pp_render_close_writer(r, &w);
    }
}

static void end_header(struct pp_render *r)
{
    bool convert = r->plan == PP_RENDER_CONVERT;
    enum pp_encoding encoding = PP_ENCODE_PASS;

    if (r->mime.depth == 0) {
        put_missing_fields(r);
    }
    if (convert) {
        encoding = plan_part(r);
        put_transfer_encoding(r, encoding);
    }
    pp_render_put(r, "\r\n", 2);
    pp_encode_begin(&r->encoder, encoding, !convert && r->facts.eight_bit_ok);
    r->state = PP_RENDER_IN_BODY;
    r->line_started = false;
}

/* ---- header lines ---- */

/* The line under way belongs to no header: it is the body's first. */
static void leave_header(struct pp_render *r)
{
    uint8_t line[PP_FIELD_NAME_MAX + PP_FIELD_BLANKS_MAX + 16];
    size_t len = r->line_len - r->line_at;

    if (len > sizeof line) {
        pp_render_fail(r, "5.6.0 a malformed header");
        return;
    }
    memcpy(line, r->line + r->line_at, len);
    r->line_len = r->line_at;
    flush_field(r, true);
    end_header(r);
    for (size_t i = 0; i < len; i++) {
        pp_render_body_byte(r, line[i]);
    }
}

static void note_field(struct pp_render *r)
{
    r->field_open = true;
    r->field = (uint8_t)pp_field_of(&r->scan);
    if (r->mime.depth == 0) {
        r->seen = r->seen | 1u << r->field;
    }
}

void pp_render_header_byte(struct pp_render *r, uint8_t c)
{
    if (!r->line_started) {
        r->line_started = true;
        memset(&r->scan, 0, sizeof r->scan);
        if (c != ' ' && c != '\t') {
            flush_field(r, true);
        }
        r->line_at = r->line_len;
    }
    r->line[r->line_len++] = c;
    if (r->scan.kind == PP_LINE_OPEN) {
        /* The relay server's Received field may stand before such a line (content_scan.c). */
        bool had_field = (r->seen & ~(1u << PP_FIELD_RECEIVED)) != 0;

        pp_field_scan(&r->scan, (char)c);
        if (r->scan.kind == PP_LINE_FIELD) {
            note_field(r);
        } else if (r->scan.kind == PP_LINE_OTHER ||
                   (r->scan.kind == PP_LINE_FROM && (had_field || r->mime.depth > 0)) ||
                   (r->scan.kind == PP_LINE_CONTINUATION && !r->field_open)) {
            leave_header(r);
            return;
        }
    }
    if (r->scan.kind == PP_LINE_FROM) {
        r->line_len = r->line_at;
    } else if (r->line_len + 2 + sizeof ORIGINAL_FROM >= sizeof r->line) {
        flush_field(r, false);
    }
}

void pp_render_header_line_end(struct pp_render *r)
{
    bool close;

    if (!r->line_started) {
        flush_field(r, true);
        end_header(r);
    } else if (r->scan.kind != PP_LINE_CONTINUATION &&
               pp_render_is_delimiter(r, r->line_at, &close)) {
        /* A part without a body. */
        uint8_t line[PP_RENDER_CANDIDATE_MAX];
        size_t len = r->line_len < sizeof line ? r->line_len : sizeof line;

        memcpy(line, r->line, len);
        r->line_len = 0;
        r->field_open = false;
        pp_render_put(r, "\r\n", 2);
        memcpy(r->line, line, len);
        r->line_len = len;
        pp_render_pass_delimiter(r, 0, close);
    } else if (r->scan.kind == PP_LINE_OPEN) {
        leave_header(r);
        if (r->state == PP_RENDER_IN_BODY) {
            pp_render_body_line_end(r);
        }
    } else if (r->scan.kind != PP_LINE_FROM) {
        r->line[r->line_len++] = '\r';
        r->line[r->line_len++] = '\n';
    }
    r->line_started = false;
}

void pp_render_header_end(struct pp_render *r)
{
    flush_field(r, true);
    end_header(r);
}
