/*
 * content_scan.c - what content shows while it streams in
 *
 * Job:      see content_scan.h. Nothing is kept but a few bytes, whatever the size.
 * Follows:  RFC 5322 2.1, RFC 3629 4
 */
#include "message/content_scan.h"

#include <string.h>

void pp_content_scan_init(struct pp_content_scan *s)
{
    memset(s, 0, sizeof *s);
}

static void set(struct pp_content_scan *s, unsigned flags)
{
    s->flags = (uint16_t)(s->flags | flags);
}

static void begin_utf8(struct pp_content_scan *s, uint8_t c)
{
    s->utf8_low = 0x80;
    s->utf8_high = 0xBF;
    if (c >= 0xC2 && c <= 0xDF) {
        s->utf8_need = 1;
    } else if (c >= 0xE0 && c <= 0xEF) {
        s->utf8_need = 2;
        s->utf8_low = c == 0xE0 ? 0xA0 : 0x80;
        s->utf8_high = c == 0xED ? 0x9F : 0xBF;
    } else if (c >= 0xF0 && c <= 0xF4) {
        s->utf8_need = 3;
        s->utf8_low = c == 0xF0 ? 0x90 : 0x80;
        s->utf8_high = c == 0xF4 ? 0x8F : 0xBF;
    } else {
        set(s, PP_CONTENT_NOT_UTF8);
    }
}

static void check_utf8(struct pp_content_scan *s, uint8_t c)
{
    if (s->utf8_need > 0 && c >= s->utf8_low && c <= s->utf8_high) {
        s->utf8_need--;
        s->utf8_low = 0x80;
        s->utf8_high = 0xBF;
        return;
    }
    if (s->utf8_need > 0) {
        set(s, PP_CONTENT_NOT_UTF8);
        s->utf8_need = 0;
    }
    if (c > 127) {
        begin_utf8(s, c);
    }
}

static void note_field(struct pp_content_scan *s)
{
    static const uint16_t bits[] = {
        [PP_FIELD_DATE] = PP_CONTENT_HAS_DATE,
        [PP_FIELD_MESSAGE_ID] = PP_CONTENT_HAS_MESSAGE_ID,
        [PP_FIELD_FROM] = PP_CONTENT_HAS_FROM,
        [PP_FIELD_TO] = PP_CONTENT_HAS_TO,
        [PP_FIELD_CC] = PP_CONTENT_HAS_TO,
        [PP_FIELD_BCC] = PP_CONTENT_HAS_TO,
        [PP_FIELD_MIME_VERSION] = PP_CONTENT_HAS_MIME,
        [PP_FIELD_SENDER] = PP_CONTENT_HAS_SENDER_FIELDS,
        [PP_FIELD_REPLY_TO] = PP_CONTENT_HAS_REPLY_TO,
        [PP_FIELD_DKIM_SIGNATURE] = 0,
    };
    enum pp_field field = pp_field_of(&s->field);

    s->field_seen = true;
    s->field_open = true;
    s->other_seen |= field != PP_FIELD_RECEIVED;
    if (field == PP_FIELD_RECEIVED && ++s->received > PP_RECEIVED_COUNT_MAX) {
        set(s, PP_CONTENT_LOOPS);
    }
    set(s, bits[field]);
}

/* The first line that is none of a header's begins the body, blank line or not. */
static void begin_body(struct pp_content_scan *s)
{
    s->in_body = true;
    if (!s->field_seen) {
        set(s, PP_CONTENT_NO_HEADER);
    }
}

static void scan_header_byte(struct pp_content_scan *s, uint8_t c)
{
    if (s->field.kind != PP_LINE_OPEN) {
        return;
    }
    pp_field_scan(&s->field, (char)c);
    if (s->field.kind == PP_LINE_FIELD) {
        note_field(s);
    } else if (s->field.kind == PP_LINE_OTHER || (s->field.kind == PP_LINE_FROM && s->other_seen) ||
               (s->field.kind == PP_LINE_CONTINUATION && !s->field_open)) {
        begin_body(s);
    } else if (s->field.kind == PP_LINE_FROM) {
        s->field_open = false;
    }
}

static void end_line(struct pp_content_scan *s)
{
    if (s->line_len > PP_TEXT_LINE_MAX) {
        set(s, s->in_body ? PP_CONTENT_LONG_LINE : PP_CONTENT_LONG_HEADER_LINE);
    }
    if (!s->in_body && s->field.kind == PP_LINE_OPEN) {
        begin_body(s);
    }
    memset(&s->field, 0, sizeof s->field);
    s->line_len = 0;
}

void pp_content_scan(struct pp_content_scan *s, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint8_t c = bytes[i];

        if (c > 127 || s->utf8_need > 0) {
            check_utf8(s, c);
        }
        if (c == '\r') {
            continue;
        }
        if (c == '\n') {
            end_line(s);
            continue;
        }
        s->line_len += s->line_len < UINT32_MAX;
        if (!s->in_body) {
            scan_header_byte(s, c);
        }
        if (c == 0) {
            set(s, PP_CONTENT_HAS_NUL);
        } else if (c > 127) {
            set(s, s->in_body ? PP_CONTENT_8BIT : PP_CONTENT_8BIT_HEADER);
        }
    }
}

uint16_t pp_content_scan_end(struct pp_content_scan *s)
{
    if (s->line_len > 0) {
        end_line(s);
    }
    if (s->utf8_need > 0) {
        set(s, PP_CONTENT_NOT_UTF8);
    }
    if (!s->field_seen) {
        set(s, PP_CONTENT_NO_HEADER);
    }
    return s->flags;
}
