/*
 * writer.c - a writer that never passes its end and remembers that it wanted to
 *
 * Job:      put text, numbers and hex into bounded memory; make strange bytes safe.
 * Not here: views of text (text.c), dates (time.c), base64 (base64.c).
 */
#include <string.h>

#include "base/text.h"
#include "base/utf8.h"

static const char hex_digits[] = "0123456789ABCDEF";

void pp_writer_init(struct pp_writer *w, void *data, size_t cap)
{
    w->data = data;
    w->cap = cap;
    w->len = 0;
    w->overflow = false;
}

void pp_put(struct pp_writer *w, const void *bytes, size_t len)
{
    size_t room = w->cap - w->len;
    if (len > room) {
        w->overflow = true;
        len = room;
    }
    if (len == 0)
        return;
    memcpy(w->data + w->len, bytes, len);
    w->len += len;
}

void pp_put_z(struct pp_writer *w, const char *text_z)
{
    pp_put_text(w, pp_text_z(text_z));
}

void pp_put_text(struct pp_writer *w, struct pp_text text)
{
    pp_put(w, text.p, text.len);
}

void pp_put_char(struct pp_writer *w, char c)
{
    pp_put(w, &c, 1);
}

void pp_put_u64(struct pp_writer *w, uint64_t value)
{
    pp_put_u64_pad(w, value, 1);
}

void pp_put_u64_pad(struct pp_writer *w, uint64_t value, unsigned digits)
{
    char text[20];
    size_t at = sizeof(text);
    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    for (size_t have = sizeof(text) - at; have < digits; have++)
        pp_put_char(w, '0');
    pp_put(w, text + at, sizeof(text) - at);
}

void pp_put_i64(struct pp_writer *w, int64_t value)
{
    uint64_t magnitude = (uint64_t)value;
    if (value < 0) {
        pp_put_char(w, '-');
        magnitude = 0 - magnitude;
    }
    pp_put_u64(w, magnitude);
}

static void put_hex_byte(struct pp_writer *w, uint8_t byte)
{
    pp_put_char(w, hex_digits[byte >> 4]);
    pp_put_char(w, hex_digits[byte & 15]);
}

void pp_put_hex(struct pp_writer *w, const void *bytes, size_t len, char separator)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < len; i++) {
        if (i > 0 && separator != 0)
            pp_put_char(w, separator);
        put_hex_byte(w, p[i]);
    }
}

/* How many of the first bytes may be shown as they are: 0, or one whole character. */
static size_t showable(struct pp_text text)
{
    size_t len = pp_utf8_sequence(text);
    uint8_t c = (uint8_t)text.p[0];
    if (len == 1)
        return c >= 0x20 && c != 0x7F && c != '"' && c != '\\' ? 1 : 0;
    /* U+0080 to U+009F move a terminal's cursor as the older control bytes do. */
    if (len == 2 && c == 0xC2 && (uint8_t)text.p[1] < 0xA0)
        return 0;
    return len;
}

void pp_put_safe(struct pp_writer *w, struct pp_text text, size_t max)
{
    size_t shown = 0;
    while (shown < text.len && shown < max) {
        struct pp_text rest = {text.p + shown, text.len - shown};
        size_t len = showable(rest);
        if (len > max - shown)
            return;
        if (len > 0) {
            pp_put(w, rest.p, len);
        } else {
            pp_put_z(w, "\\x");
            put_hex_byte(w, (uint8_t)rest.p[0]);
            len = 1;
        }
        shown += len;
    }
}

void pp_put_value(struct pp_writer *w, struct pp_text text, size_t max)
{
    bool quoted = text.len == 0;
    for (size_t i = 0; i < text.len && i < max; i++) {
        if (text.p[i] == ' ' || text.p[i] == '=')
            quoted = true;
    }
    if (quoted)
        pp_put_char(w, '"');
    pp_put_safe(w, text, max);
    if (quoted)
        pp_put_char(w, '"');
}

struct pp_text pp_writer_text(const struct pp_writer *w)
{
    return pp_text_n(w->data, w->len);
}
