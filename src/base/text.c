/*
 * text.c - views of text: comparisons, cutting, parsing
 *
 * Job:      what every parser of ours needs, on bytes with a length; never on C strings.
 * Not here: the writer (writer.c).
 * Follows:  RFC 5321 2.4 (case of ASCII letters only), RFC 3629 (UTF-8)
 */
#include "base/text.h"

#include <string.h>

#include "base/utf8.h"

struct pp_text pp_text_z(const char *text_z)
{
    return pp_text_n(text_z, text_z != NULL ? strlen(text_z) : 0);
}

struct pp_text pp_text_n(const void *p, size_t len)
{
    return (struct pp_text){p, len};
}

bool pp_text_equal(struct pp_text a, struct pp_text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

bool pp_text_equal_nocase(struct pp_text a, struct pp_text b)
{
    return a.len == b.len && pp_text_starts_nocase(a, b);
}

bool pp_text_starts_nocase(struct pp_text text, struct pp_text prefix)
{
    if (text.len < prefix.len)
        return false;
    for (size_t i = 0; i < prefix.len; i++) {
        if (pp_ascii_lower(text.p[i]) != pp_ascii_lower(prefix.p[i]))
            return false;
    }
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct pp_text pp_text_trim(struct pp_text text)
{
    while (text.len > 0 && is_blank(text.p[0])) {
        text.p++;
        text.len--;
    }
    while (text.len > 0 && is_blank(text.p[text.len - 1]))
        text.len--;
    return text;
}

struct pp_text pp_text_cut(struct pp_text *rest, char separator)
{
    struct pp_text part = *rest;
    part.len = pp_text_find(*rest, separator);
    size_t gone = part.len < rest->len ? part.len + 1 : part.len;
    rest->len -= gone;
    if (gone > 0)
        rest->p += gone;
    return part;
}

size_t pp_text_find(struct pp_text text, char c)
{
    const char *at = text.len > 0 ? memchr(text.p, c, text.len) : NULL;
    return at != NULL ? (size_t)(at - text.p) : text.len;
}

bool pp_text_has_line_break(struct pp_text text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == '\r' || text.p[i] == '\n' || text.p[i] == '\0')
            return true;
    }
    return false;
}

bool pp_text_is_ascii(struct pp_text text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((uint8_t)text.p[i] > 127)
            return false;
    }
    return true;
}

size_t pp_utf8_sequence(struct pp_text text)
{
    const uint8_t *p = (const uint8_t *)text.p;
    size_t len;
    if (text.len == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xC2 && p[0] <= 0xDF)
        len = 2;
    else if (p[0] >= 0xE0 && p[0] <= 0xEF)
        len = 3;
    else if (p[0] >= 0xF0 && p[0] <= 0xF4)
        len = 4;
    else
        return 0;
    if (text.len < len)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    }
    /* Overlong forms, surrogates, beyond U+10FFFF: all told by the second byte. */
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
        (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
        return 0;
    return len;
}

bool pp_text_is_utf8(struct pp_text text)
{
    while (text.len > 0) {
        size_t len = pp_utf8_sequence(text);
        if (len == 0)
            return false;
        text.p += len;
        text.len -= len;
    }
    return true;
}

enum pp_err pp_text_to_u64(struct pp_text text, uint64_t max, uint64_t *value)
{
    uint64_t v = 0;
    bool over = false;
    if (text.len == 0)
        return PP_ERR_SYNTAX;
    for (size_t i = 0; i < text.len; i++) {
        if (!pp_ascii_is_digit(text.p[i]))
            return PP_ERR_SYNTAX;
        uint64_t digit = (uint64_t)(text.p[i] - '0');
        if (v > (UINT64_MAX - digit) / 10)
            over = true;
        if (!over)
            v = v * 10 + digit;
    }
    if (over || v > max)
        return PP_ERR_RANGE;
    *value = v;
    return PP_OK;
}

char pp_ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool pp_ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool pp_ascii_is_alpha(char c)
{
    char lower = pp_ascii_lower(c);
    return lower >= 'a' && lower <= 'z';
}
