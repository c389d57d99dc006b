/*
 * json_read.c - members of one line of JSON
 *
 * Job:      look up members of an object that jsmn took apart.
 * Not here: the connection (control_client.c).
 * Follows:  RFC 8259 (strings: section 7)
 */
#include "json_read.h"

#include <string.h>

#define JSMN_STATIC
#define JSMN_STRICT
#include <jsmn.h>

enum pp_err pp_json_read(struct pp_json *json, struct pp_text line)
{
    jsmntok_t tokens[PP_JSON_TOKENS];
    jsmn_parser parser;
    int count;

    json->line = line;
    json->count = 0;
    if (line.len > UINT16_MAX) {
        return PP_ERR_SYNTAX;
    }
    jsmn_init(&parser);
    count = jsmn_parse(&parser, line.p, line.len, tokens, PP_JSON_TOKENS);
    if (count < 1 || tokens[0].type != JSMN_OBJECT) {
        return PP_ERR_SYNTAX;
    }
    for (int i = 0; i < count; i++) {
        json->tokens[i].type = (uint8_t)tokens[i].type;
        json->tokens[i].start = (uint16_t)tokens[i].start;
        json->tokens[i].end = (uint16_t)tokens[i].end;
        json->tokens[i].size = (uint16_t)tokens[i].size;
    }
    json->count = (unsigned)count;
    return PP_OK;
}

static struct pp_text text_of(const struct pp_json *json, unsigned at)
{
    const struct pp_json_token *t = &json->tokens[at];

    return pp_text_n(json->line.p + t->start, (size_t)(t->end - t->start));
}

/* The token behind the value at `at`, and behind all within it. */
static unsigned behind(const struct pp_json *json, unsigned at)
{
    unsigned end = json->tokens[at].end;

    do {
        at++;
    } while (at < json->count && json->tokens[at].start < end);
    return at;
}

/* Index of the value of a member of the object at `object`, 0 when there is none. */
static unsigned find(const struct pp_json *json, unsigned object, const char *name_z)
{
    unsigned at = object + 1;

    if (object >= json->count || json->tokens[object].type != JSMN_OBJECT) {
        return 0;
    }
    for (unsigned i = 0; i < json->tokens[object].size && at + 1 < json->count; i++) {
        if (pp_text_equal(text_of(json, at), pp_text_z(name_z))) {
            return at + 1;
        }
        at = behind(json, at + 1);
    }
    return 0;
}

static bool read_hex4(struct pp_text text, unsigned *value)
{
    *value = 0;
    if (text.len < 4) {
        return false;
    }
    for (size_t i = 0; i < 4; i++) {
        char c = pp_ascii_lower(text.p[i]);
        if (c >= '0' && c <= '9') {
            *value = *value * 16 + (unsigned)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            *value = *value * 16 + (unsigned)(c - 'a') + 10;
        } else {
            return false;
        }
    }
    return true;
}

static void put_utf8(struct pp_writer *w, unsigned c)
{
    if (c < 0x80) {
        pp_put_char(w, (char)c);
        return;
    }
    if (c < 0x800) {
        pp_put_char(w, (char)(0xC0 | (c >> 6)));
    } else if (c < 0x10000) {
        pp_put_char(w, (char)(0xE0 | (c >> 12)));
        pp_put_char(w, (char)(0x80 | ((c >> 6) & 0x3F)));
    } else {
        pp_put_char(w, (char)(0xF0 | (c >> 18)));
        pp_put_char(w, (char)(0x80 | ((c >> 12) & 0x3F)));
        pp_put_char(w, (char)(0x80 | ((c >> 6) & 0x3F)));
    }
    pp_put_char(w, (char)(0x80 | (c & 0x3F)));
}

/* `rest` begins behind \u; returns how many bytes were taken. */
static size_t put_escaped_utf16(struct pp_writer *w, struct pp_text rest)
{
    unsigned high, low;

    if (!read_hex4(rest, &high)) {
        return 0;
    }
    if (high < 0xD800 || high > 0xDFFF) {
        put_utf8(w, high);
        return 4;
    }
    if (high < 0xDC00 && rest.len >= 10 && rest.p[4] == '\\' && rest.p[5] == 'u' &&
        read_hex4(pp_text_n(rest.p + 6, 4), &low) && low >= 0xDC00 && low <= 0xDFFF) {
        put_utf8(w, 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00));
        return 10;
    }
    put_utf8(w, 0xFFFD);
    return 4;
}

static void put_unescaped(struct pp_writer *w, struct pp_text text)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";

    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if (c != '\\' || i + 1 == text.len) {
            pp_put_char(w, c);
            continue;
        }
        c = text.p[++i];
        if (c == 'u') {
            i += put_escaped_utf16(w, pp_text_n(text.p + i + 1, text.len - i - 1));
        } else {
            const char *at = strchr(from, c);
            pp_put_char(w, at != NULL ? to[at - from] : c);
        }
    }
}

static void copy_string(const struct pp_json *json, unsigned at, char *out, size_t cap)
{
    struct pp_writer w;

    pp_writer_init(&w, out, cap - 1);
    if (at != 0 && json->tokens[at].type == JSMN_STRING) {
        put_unescaped(&w, text_of(json, at));
    }
    out[w.len] = '\0';
}

void pp_json_text(const struct pp_json *json, const char *name_z, char *out, size_t cap)
{
    copy_string(json, find(json, 0, name_z), out, cap);
}

static uint64_t number(const struct pp_json *json, unsigned at, uint64_t otherwise)
{
    uint64_t value;

    if (at == 0 || json->tokens[at].type != JSMN_PRIMITIVE ||
        pp_text_to_u64(text_of(json, at), UINT64_MAX, &value) != PP_OK) {
        return otherwise;
    }
    return value;
}

uint64_t pp_json_u64(const struct pp_json *json, const char *name_z, uint64_t otherwise)
{
    return number(json, find(json, 0, name_z), otherwise);
}

uint64_t pp_json_inner_u64(const struct pp_json *json, const char *outer_z, const char *name_z,
                           uint64_t otherwise)
{
    unsigned outer = find(json, 0, outer_z);

    return outer == 0 ? otherwise : number(json, find(json, outer, name_z), otherwise);
}

bool pp_json_true(const struct pp_json *json, const char *name_z)
{
    unsigned at = find(json, 0, name_z);

    return at != 0 && json->tokens[at].type == JSMN_PRIMITIVE &&
           pp_text_equal(text_of(json, at), pp_text_z("true"));
}

bool pp_json_has(const struct pp_json *json, const char *name_z)
{
    return find(json, 0, name_z) != 0;
}

bool pp_json_element(const struct pp_json *json, const char *name_z, unsigned index, char *out,
                     size_t cap)
{
    unsigned array = find(json, 0, name_z), at;

    if (array == 0 || json->tokens[array].type != JSMN_ARRAY || index >= json->tokens[array].size) {
        return false;
    }
    at = array + 1;
    for (unsigned i = 0; i < index && at < json->count; i++) {
        at = behind(json, at);
    }
    if (at >= json->count) {
        return false;
    }
    copy_string(json, at, out, cap);
    return true;
}
