/*
 * dns_address.c - IP addresses as text
 *
 * Job:      read and write IPv4 and IPv6 addresses.
 * Not here: look-ups (wire/dns.c, wire/dns_lookup.c).
 * Follows:  RFC 4291 2.2 (reading), RFC 5952 (writing), RFC 5321 4.1.3 (brackets, "IPv6:")
 */
#include <string.h>

#include "wire/dns.h"

static bool parse_4(struct pp_text text, uint8_t ip[4])
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
        if (last && len + 4 <= cap && parse_4(part, out + len))
            return len + 4;
        if (len + 2 > cap || !parse_group(part, out + len))
            return -1;
        if (!last && text.len == 0) /* a colon at the end */
            return -1;
        len += 2;
    }
    return len;
}

static bool parse_6(struct pp_text text, uint8_t ip[16])
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

bool pp_address_parse(struct pp_text text, struct pp_address *address)
{
    struct pp_text prefix = pp_text_z("IPv6:");
    uint64_t scope = 0;
    memset(address, 0, sizeof *address);
    if (text.len >= 2 && text.p[0] == '[' && text.p[text.len - 1] == ']')
        text = pp_text_n(text.p + 1, text.len - 2);
    bool named = pp_text_starts_nocase(text, prefix);
    if (named)
        text = pp_text_n(text.p + prefix.len, text.len - prefix.len);
    else if (parse_4(text, address->ip)) {
        address->family = 4;
        return true;
    }
    size_t percent = pp_text_find(text, '%');
    if (percent < text.len) {
        struct pp_text index = pp_text_n(text.p + percent + 1, text.len - percent - 1);
        if (pp_text_to_u64(index, UINT32_MAX, &scope) != PP_OK)
            return false;
        text.len = percent;
    }
    if (!parse_6(text, address->ip)) {
        memset(address, 0, sizeof *address);
        return false;
    }
    address->family = 6;
    address->scope = (uint32_t)scope;
    return true;
}

static void put_4(struct pp_writer *w, const uint8_t ip[4])
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

static void put_6(struct pp_writer *w, const uint8_t ip[16])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    int gap_len, gap = find_gap(ip, &gap_len);
    if (memcmp(ip, mapped, sizeof mapped) == 0) {
        pp_put_z(w, "::ffff:");
        put_4(w, ip + 12);
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

void pp_put_address(struct pp_writer *w, const struct pp_address *address, bool with_port)
{
    if (address->family == 4) {
        put_4(w, address->ip);
    } else if (address->family == 6) {
        if (with_port)
            pp_put_char(w, '[');
        put_6(w, address->ip);
        if (address->scope != 0) {
            pp_put_char(w, '%');
            pp_put_u64(w, address->scope);
        }
        if (with_port)
            pp_put_char(w, ']');
    } else {
        pp_put_z(w, "local");
        return;
    }
    if (with_port) {
        pp_put_char(w, ':');
        pp_put_u64(w, address->port);
    }
}
