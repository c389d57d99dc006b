/*
 * dns_address.c - addresses with brackets, scope and port as text
 *
 * Job:      read and write struct pp_address.
 * Not here: IP addresses alone (base/ip.c), look-ups (wire/dns.c, wire/dns_lookup.c).
 * Follows:  RFC 5321 4.1.3 (brackets, "IPv6:"), RFC 4007 11 (scope)
 */
#include <string.h>

#include "base/ip.h"
#include "wire/dns.h"

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
    else if (pp_ipv4_parse(text, address->ip)) {
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
    if (!pp_ipv6_parse(text, address->ip)) {
        memset(address, 0, sizeof *address);
        return false;
    }
    address->family = 6;
    address->scope = (uint32_t)scope;
    return true;
}

void pp_put_address(struct pp_writer *w, const struct pp_address *address, bool with_port)
{
    if (address->family == 4) {
        pp_put_ipv4(w, address->ip);
    } else if (address->family == 6) {
        if (with_port)
            pp_put_char(w, '[');
        pp_put_ipv6(w, address->ip);
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
