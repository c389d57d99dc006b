/*
 * json_write.c - one object of JSON into a writer
 *
 * Job:      commas where something stands before, escapes where a reader needs them.
 * Follows:  RFC 8259 section 7
 */
#include "json_write.h"

#include "base/bytes.h"
#include "base/utf8.h"

static void put_key(struct pp_writer *w, const char *key_z)
{
    if (w->len > 0 && w->data[w->len - 1] != '{' && w->data[w->len - 1] != '[')
        pp_put_char(w, ',');
    if (key_z) {
        pp_put_char(w, '"');
        pp_put_z(w, key_z);
        pp_put_z(w, "\":");
    }
}

void pp_json_open(struct pp_writer *w, const char *key_z, char bracket)
{
    put_key(w, key_z);
    pp_put_char(w, bracket);
}

void pp_json_close(struct pp_writer *w, char bracket)
{
    pp_put_char(w, bracket);
}

/* The character at the start of `text` as it stands in a string; *taken bytes of it are done. */
static void put_character(struct pp_writer *w, struct pp_text text, size_t *taken)
{
    unsigned char c = (unsigned char)text.p[0];

    *taken = 1;
    if (c == '"' || c == '\\') {
        pp_put_char(w, '\\');
        pp_put_char(w, (char)c);
    } else if (c == '\n') {
        pp_put_z(w, "\\n");
    } else if (c >= 0x20 && c < 0x7f) {
        pp_put_char(w, (char)c);
    } else {
        size_t len = c < 0x80 ? 0 : pp_utf8_sequence(text);
        if (len > 0) {
            pp_put(w, text.p, len);
            *taken = len;
        } else {
            pp_put_z(w, "\\u00");
            pp_put_hex(w, &c, 1, 0);
        }
    }
}

void pp_json_put_text(struct pp_writer *w, const char *key_z, struct pp_text text, size_t max)
{
    put_key(w, key_z);
    pp_put_char(w, '"');
    size_t begin = w->len, taken;
    while (text.len > 0 && w->len - begin + 6 <= max && !w->overflow) {
        put_character(w, text, &taken);
        text = pp_text_n(text.p + taken, text.len - taken);
    }
    pp_put_char(w, '"');
}

void pp_json_put_z(struct pp_writer *w, const char *key_z, const char *text_z)
{
    pp_json_put_text(w, key_z, pp_text_z(text_z), w->cap);
}

void pp_json_put_u64(struct pp_writer *w, const char *key_z, uint64_t value)
{
    put_key(w, key_z);
    pp_put_u64(w, value);
}

void pp_json_put_bool(struct pp_writer *w, const char *key_z, bool value)
{
    put_key(w, key_z);
    pp_put_z(w, value ? "true" : "false");
}

void pp_json_put_null(struct pp_writer *w, const char *key_z)
{
    put_key(w, key_z);
    pp_put_z(w, "null");
}

void pp_json_put_id(struct pp_writer *w, const char *key_z, uint32_t id)
{
    uint8_t bytes[4] = {(uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};

    put_key(w, key_z);
    pp_put_char(w, '"');
    pp_put_hex(w, bytes, sizeof bytes, 0);
    pp_put_char(w, '"');
}
