/*
 * config_network.c - networks and name servers from text
 *
 * Job:      `192.168.0.0/16`, `fd00::/8`, or an address alone, read and written; an address with a
 *           port.
 * Not here: who is in it (intake/access.c).
 * Follows:  RFC 4632 3.1, RFC 4291 2.3
 */
#include <string.h>

#include "base/ip.h"
#include "config.h"

/* Bits behind the prefix would be a mistake: 192.168.1.1/16 means something else to everybody. */
static bool ends_in_zeros(const struct pp_network *network, unsigned bits)
{
    for (unsigned bit = network->prefix; bit < bits; bit++) {
        if ((network->ip[bit / 8] >> (7 - bit % 8) & 1) != 0)
            return false;
    }
    return true;
}

/* IPv4 mapped into IPv6 is IPv4: that is how clients are told apart (RFC 4291 2.5.5.2). */
static void unmap(struct pp_network *network)
{
    static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};
    if (network->family != 6 || network->prefix < 96 ||
        memcmp(network->ip, mapped, sizeof mapped) != 0)
        return;
    memmove(network->ip, network->ip + 12, 4);
    memset(network->ip + 4, 0, 12);
    network->family = 4;
    network->prefix = (uint8_t)(network->prefix - 96);
}

enum pp_err pp_network_parse(struct pp_text text, struct pp_network *network)
{
    struct pp_text rest = text;
    struct pp_text address = pp_text_cut(&rest, '/');
    bool has_prefix = address.len < text.len;
    uint64_t prefix;
    memset(network, 0, sizeof *network);
    if (pp_ipv4_parse(address, network->ip))
        network->family = 4;
    else if (pp_ipv6_parse(address, network->ip))
        network->family = 6;
    else
        return PP_ERR_SYNTAX;
    unsigned bits = network->family == 4 ? 32 : 128;
    prefix = bits;
    enum pp_err err = has_prefix ? pp_text_to_u64(rest, bits, &prefix) : PP_OK;
    if (err != PP_OK)
        return err;
    network->prefix = (uint8_t)prefix;
    if (!ends_in_zeros(network, bits))
        return PP_ERR_RANGE;
    unmap(network);
    return PP_OK;
}

void pp_network_put(struct pp_writer *w, const struct pp_network *network)
{
    unsigned bits = network->family == 4 ? 32 : 128;
    if (network->family == 4)
        pp_put_ipv4(w, network->ip);
    else
        pp_put_ipv6(w, network->ip);
    if (network->prefix < bits) {
        pp_put_char(w, '/');
        pp_put_u64(w, network->prefix);
    }
}

enum pp_err pp_dns_server_parse(struct pp_text text, struct pp_dns_server *server)
{
    struct pp_text port = pp_text_n(NULL, 0);
    uint64_t number = 0;
    memset(server, 0, sizeof *server);
    bool bracket = text.len > 0 && text.p[0] == '[';
    size_t colon = pp_text_find(text, ':');
    struct pp_text behind = pp_text_n(text.p + colon, text.len - colon);
    bool single = behind.len > 0 &&
                  pp_text_find(pp_text_n(behind.p + 1, behind.len - 1), ':') == behind.len - 1;
    if (bracket) {
        port = pp_text_n(text.p + 1, text.len - 1);
        text = pp_text_cut(&port, ']');
    } else if (single) {
        port = behind;
        text.len = colon;
    }
    if (pp_ipv6_parse(text, server->ip))
        server->family = 6;
    else if (!bracket && pp_ipv4_parse(text, server->ip))
        server->family = 4;
    else
        return PP_ERR_SYNTAX;
    if (port.len == 0)
        return PP_OK;
    if (port.p[0] != ':')
        return PP_ERR_SYNTAX;
    enum pp_err err = pp_text_to_u64(pp_text_n(port.p + 1, port.len - 1), 65535, &number);
    server->port = (uint16_t)number;
    return err == PP_OK && number == 0 ? PP_ERR_RANGE : err;
}
