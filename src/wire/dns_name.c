/*
 * dns_name.c - host names as DNS messages hold them
 *
 * Job:      see dns_name.h.
 */
#include "wire/dns_name.h"

#include <string.h>

#include "base/text.h"

enum pp_err pp_dns_name_from_text(struct pp_dns_name *name, const char *name_z)
{
    struct pp_text text = pp_text_z(name_z);
    size_t at = 0;
    if (text.len > 0 && text.p[text.len - 1] == '.')
        text.len--;
    if (text.len == 0 || text.len > 253)
        return PP_ERR_SYNTAX;
    for (bool more = true; more;) {
        more = pp_text_find(text, '.') < text.len;
        struct pp_text label = pp_text_cut(&text, '.');
        if (label.len < 1 || label.len > 63)
            return PP_ERR_SYNTAX;
        name->wire[at++] = (uint8_t)label.len;
        for (size_t i = 0; i < label.len; i++) {
            if (label.p[i] <= ' ' || label.p[i] > '~')
                return PP_ERR_SYNTAX;
            name->wire[at++] = (uint8_t)label.p[i];
        }
    }
    name->wire[at++] = 0;
    name->len = (uint8_t)at;
    return PP_OK;
}

enum pp_err pp_dns_name_to_text(const struct pp_dns_name *name, char *out, size_t cap)
{
    size_t at = 0, len = 0;
    out[0] = '\0';
    while (at < name->len && name->wire[at] != 0) {
        size_t end = at + 1 + name->wire[at];
        if (len + (end - at) + 1 > cap)
            return PP_ERR_TOO_BIG;
        if (len > 0)
            out[len++] = '.';
        for (at++; at < end; at++) {
            char c = (char)name->wire[at];
            if (!pp_ascii_is_alpha(c) && !pp_ascii_is_digit(c) && c != '-' && c != '_')
                return PP_ERR_SYNTAX;
            out[len++] = c;
        }
    }
    out[len] = '\0';
    return PP_OK;
}

/* Length bytes are below 'A', so case may be folded over the whole wire form. */
static bool equal_bytes(const uint8_t *a, const uint8_t *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (pp_ascii_lower((char)a[i]) != pp_ascii_lower((char)b[i]))
            return false;
    }
    return true;
}

bool pp_dns_name_equal(const struct pp_dns_name *a, const struct pp_dns_name *b)
{
    return a->len == b->len && equal_bytes(a->wire, b->wire, a->len);
}

bool pp_dns_name_identical(const struct pp_dns_name *a, const struct pp_dns_name *b)
{
    return a->len == b->len && memcmp(a->wire, b->wire, a->len) == 0;
}

bool pp_dns_name_is_under(const struct pp_dns_name *name, const struct pp_dns_name *above)
{
    size_t at = 0;
    while (at < name->len && (size_t)(name->len - at) > above->len)
        at += (size_t)name->wire[at] + 1;
    return at < name->len && (size_t)(name->len - at) == above->len &&
           equal_bytes(name->wire + at, above->wire, above->len);
}

void pp_dns_read_name(struct pp_dns_cursor *c, struct pp_dns_name *name)
{
    size_t at = c->at, lowest = c->at;
    bool jumped = false;
    name->len = 0;
    while (!c->failed) {
        uint8_t head = at < c->len ? c->bytes[at] : 0xff;
        if (head < 64) {
            if (at + 1 + head > c->len || (size_t)name->len + 1 + head > PP_DNS_NAME_BYTES)
                break;
            memcpy(name->wire + name->len, c->bytes + at, (size_t)1 + head);
            name->len = (uint8_t)(name->len + 1 + head);
            at += (size_t)1 + head;
            if (!jumped)
                c->at = at;
            if (head == 0)
                return;
        } else {
            if (head < 0xc0 || at + 2 > c->len)
                break;
            size_t target = (size_t)(head & 0x3f) << 8 | c->bytes[at + 1];
            if (!jumped)
                c->at = at + 2;
            jumped = true;
            if (target >= lowest || target < PP_DNS_HEADER_BYTES)
                break;
            at = lowest = target;
        }
    }
    c->failed = true;
}
