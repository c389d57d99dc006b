/*
 * base64.c - base64 of RFC 4648 section 4, strict
 *
 * Job:      encode and decode whole texts.
 * Not here: line breaks (message/encode), the web alphabet.
 * Follows:  RFC 4648 sections 3.3 (nothing outside the alphabet), 3.5 (no stray bits), 4
 */
#include "base/base64.h"

static const char alphabet[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* One to three bytes as four characters. */
static void put_group(struct pp_writer *w, const uint8_t *p, size_t len)
{
    uint8_t second = len > 1 ? p[1] : 0, third = len > 2 ? p[2] : 0;
    uint32_t group = (uint32_t)p[0] << 16 | (uint32_t)second << 8 | third;
    pp_put_char(w, alphabet[group >> 18 & 63]);
    pp_put_char(w, alphabet[group >> 12 & 63]);
    pp_put_char(w, len > 1 ? alphabet[group >> 6 & 63] : '=');
    pp_put_char(w, len > 2 ? alphabet[group & 63] : '=');
}

void pp_base64_put(struct pp_writer *w, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    for (; len > 3; len -= 3, p += 3)
        put_group(w, p, 3);
    if (len > 0)
        put_group(w, p, len);
}

/* 0 to 63, or -1. Without a table by value: passwords pass here, and a cache keeps traces. */
static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

/* Four characters of which the last `pad` are '='. */
static bool decode_group(const char *c, size_t pad, uint8_t out[3])
{
    uint32_t group = 0;
    for (size_t i = 0; i < 4; i++) {
        int v = i < 4 - pad ? value_of(c[i]) : 0;
        if (v < 0)
            return false;
        group = group << 6 | (uint32_t)v;
    }
    out[0] = (uint8_t)(group >> 16);
    out[1] = (uint8_t)(group >> 8);
    out[2] = (uint8_t)group;
    return (pad < 1 || out[2] == 0) && (pad < 2 || out[1] == 0);
}

enum pp_err pp_base64_decode(struct pp_text text, void *out, size_t cap, size_t *len)
{
    uint8_t *o = out;
    *len = 0;
    if (text.len % 4 != 0)
        return PP_ERR_SYNTAX;
    for (size_t at = 0; at < text.len; at += 4) {
        const char *c = text.p + at;
        size_t pad = 0;
        uint8_t bytes[3];
        if (at + 4 == text.len && c[3] == '=')
            pad = c[2] == '=' ? 2 : 1;
        if (!decode_group(c, pad, bytes))
            return PP_ERR_SYNTAX;
        if (cap - *len < 3 - pad)
            return PP_ERR_TOO_BIG;
        for (size_t i = 0; i < 3 - pad; i++)
            o[(*len)++] = bytes[i];
    }
    return PP_OK;
}
