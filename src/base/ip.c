/*
 * ip.c - IP addresses as text
 *
 * Job:      see ip.h.
 */
#include "base/ip.h"

#include <string.h>

bool pp_ipv4_parse(struct pp_text text, uint8_t ip[4])
{
    for (int i = 0; i < 4; i++) {
        uint64_t value = 0;
        bool last = pp_text_find(text, '.') == text.len;
        struct pp_text part = pp_text_cut(&text, '.');
        /* No leading zeros: some readers take them for octal. */
        if (last != (i == 3) || part.len > 3 || (part.len > 1 && part.p[0] == '0') ||
            pp_text_to_u64(part, 255, &value) != PP_OK)
            return false;
        ip[i] = (uint8_t)value;
    }
    return true;
}

static bool parse_group(struct pp_text part, uint8_t out[2])
{
    unsigned value = 0;
    if (part.len < 1 || part.len > 4)
        return false;
    for (size_t i = 0; i < part.len; i++) {
        char c = pp_ascii_lower(part.p[i]);
        if (!pp_ascii_is_digit(c) && (c < 'a' || c > 'f'))
            return false;
        value = value << 4 | (unsigned)(pp_ascii_is_digit(c) ? c - '0' : c - 'a' + 10);
    }
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
    return true;
}

/* Groups between single colons, the last perhaps an IPv4 address. Returns bytes, -1 for malformed.
 */
static int parse_groups(struct pp_text text, uint8_t *out, int cap)
{
    int len = 0;
    while (text.len > 0) {
        bool last = pp_text_find(text, ':') == text.len;
        struct pp_text part = pp_text_cut(&text, ':');
        if (last && len + 4 <= cap && pp_ipv4_parse(part, out + len))
            return len + 4;
        if (len + 2 > cap || !parse_group(part, out + len))
            return -1;
        if (!last && text.len == 0) /* a colon at the end */
            return -1;
        len += 2;
    }
    return len;
}

bool pp_ipv6_parse(struct pp_text text, uint8_t ip[16])
{
    uint8_t front[16], back[16];
    size_t gap = 0;
    while (gap + 1 < text.len && !(text.p[gap] == ':' && text.p[gap + 1] == ':'))
        gap++;
    if (gap + 1 >= text.len)
        return parse_groups(text, ip, 16) == 16;
    int before = parse_groups(pp_text_n(text.p, gap), front, 14);
    int after = parse_groups(pp_text_n(text.p + gap + 2, text.len - gap - 2), back, 14);
    /* An IPv4 address ends a text, and does not stand before the gap. */
    if (before < 0 || after < 0 || before + after > 14 ||
        pp_text_find(pp_text_n(text.p, gap), '.') < gap)
        return false;
    memset(ip, 0, 16);
    memcpy(ip, front, (size_t)before);
    memcpy(ip + 16 - after, back, (size_t)after);
    return true;
}

void pp_put_ipv4(struct pp_writer *w, const uint8_t ip[4])
{
    for (int i = 0; i < 4; i++) {
        if (i > 0)
            pp_put_char(w, '.');
        pp_put_u64(w, ip[i]);
    }
}

static void put_group(struct pp_writer *w, const uint8_t *ip)
{
    static const char digits[] = "0123456789abcdef";
    unsigned value = (unsigned)ip[0] << 8 | ip[1];
    bool shown = false;
    for (int shift = 12; shift >= 0; shift -= 4) {
        shown = shown || (value >> shift) != 0 || shift == 0;
        if (shown)
            pp_put_char(w, digits[value >> shift & 15]);
    }
}

/* The longest run of zero groups, the first of equals; a single one is none (RFC 5952 4.2). */
static int find_gap(const uint8_t ip[16], int *len)
{
    int best = -1;
    *len = 1;
    for (int i = 0, run = 0; i < 8; i++) {
        run = ip[2 * i] == 0 && ip[2 * i + 1] == 0 ? run + 1 : 0;
        if (run > *len) {
            *len = run;
            best = i - run + 1;
        }
    }
    return best;
}

void pp_put_ipv6(struct pp_writer *w, const uint8_t ip[16])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    int gap_len, gap = find_gap(ip, &gap_len);
    if (memcmp(ip, mapped, sizeof mapped) == 0) {
        pp_put_z(w, "::ffff:");
        pp_put_ipv4(w, ip + 12);
        return;
    }
    for (int i = 0; i < 8; i++) {
        if (i == gap) {
            pp_put_z(w, "::");
            i += gap_len - 1;
            continue;
        }
        if (i > 0 && i != gap + gap_len)
            pp_put_char(w, ':');
        else if (i > 0 && gap < 0)
            pp_put_char(w, ':');
        put_group(w, ip + 2 * (size_t)i);
    }
}
