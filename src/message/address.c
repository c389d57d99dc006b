/*
 * address.c - mail addresses of envelopes: their form, and their domain where it is missing
 *
 * Job:      see address.h. Lists of addresses are in address_list.c.
 * Follows:  RFC 5321 4.1.2, 4.1.3, 4.5.3.1; RFC 6531 3.3 (UTF-8); RFC 1035 2.3.4 (labels of 63)
 */
#include "message/address.h"

#include <string.h>

#include "base/ip.h"

#define LOCAL_MAX  64
#define DOMAIN_MAX 255
#define LABEL_MAX  63

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7F;
}

/* Controls and brackets: what could end the path or the line that it stands in. */
static bool could_inject(struct pp_text text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (is_control(text.p[i]) || text.p[i] == '<' || text.p[i] == '>') {
            return true;
        }
    }
    return false;
}

static bool is_alnum(char c)
{
    return pp_ascii_is_alpha(c) || pp_ascii_is_digit(c);
}

/* RFC 5322 3.2.3 atext; bytes above 127 were checked to be UTF-8. */
static bool is_atext(char c)
{
    return is_alnum(c) || (unsigned char)c > 127 ||
           (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool is_dot_string(struct pp_text text)
{
    bool atom = false;

    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == '.' ? !atom : !is_atext(text.p[i])) {
            return false;
        }
        atom = text.p[i] != '.';
    }
    return atom;
}

/* Length of the quoted string at the start of `text`, quotes included; 0 when it does not end. */
static size_t quoted_len(struct pp_text text)
{
    for (size_t i = 1; i < text.len; i++) {
        if (text.p[i] == '"') {
            return i + 1;
        }
        if (text.p[i] == '\\') {
            i++;
        }
    }
    return 0;
}

/* RFC 5321 4.1.3: an IPv4 address, or "IPv6:" and one; no other tag was ever registered. */
static bool is_literal(struct pp_text domain)
{
    struct pp_text tag = pp_text_z("IPv6:");
    uint8_t ip[16];

    if (domain.len < 3 || domain.p[domain.len - 1] != ']') {
        return false;
    }
    struct pp_text inner = pp_text_n(domain.p + 1, domain.len - 2);
    if (pp_text_starts_nocase(inner, tag)) {
        return pp_ipv6_parse(pp_text_n(inner.p + tag.len, inner.len - tag.len), ip);
    }
    return pp_ipv4_parse(inner, ip);
}

/* Hosts on a LAN do have underscores in their names, so they pass as letters. */
static bool is_label(struct pp_text label)
{
    if (label.len == 0 || label.len > LABEL_MAX || label.p[0] == '-' ||
        label.p[label.len - 1] == '-') {
        return false;
    }
    for (size_t i = 0; i < label.len; i++) {
        char c = label.p[i];

        if (!is_alnum(c) && c != '-' && c != '_' && (unsigned char)c <= 127) {
            return false;
        }
    }
    return true;
}

static enum pp_err check_domain(struct pp_text domain)
{
    struct pp_text rest = domain;

    if (domain.len > DOMAIN_MAX) {
        return PP_ERR_TOO_BIG;
    }
    if (domain.len > 0 && domain.p[0] == '[') {
        return is_literal(domain) ? PP_OK : PP_ERR_SYNTAX;
    }
    if (domain.len == 0 || domain.p[domain.len - 1] == '.') {
        return PP_ERR_SYNTAX;
    }
    while (rest.len > 0) {
        if (!is_label(pp_text_cut(&rest, '.'))) {
            return PP_ERR_SYNTAX;
        }
    }
    return PP_OK;
}

static enum pp_err check_local(struct pp_text local)
{
    if (local.len > LOCAL_MAX) {
        return PP_ERR_TOO_BIG;
    }
    if (local.len > 0 && local.p[0] == '"') {
        return local.len > 2 && quoted_len(local) == local.len ? PP_OK : PP_ERR_SYNTAX;
    }
    return is_dot_string(local) ? PP_OK : PP_ERR_SYNTAX;
}

enum pp_err pp_address_complete(struct pp_text address, struct pp_text domain,
                                struct pp_writer *out)
{
    if (address.len == 0) {
        return PP_ERR_EMPTY;
    }
    if (could_inject(address) || could_inject(domain)) {
        return PP_ERR_INJECTION;
    }
    if (!pp_text_is_utf8(address) || !pp_text_is_utf8(domain)) {
        return PP_ERR_SYNTAX;
    }
    size_t quoted = address.p[0] == '"' ? quoted_len(address) : 0;
    size_t at = quoted + pp_text_find(pp_text_n(address.p + quoted, address.len - quoted), '@');
    struct pp_text local = pp_text_n(address.p, at);
    struct pp_text host = domain;
    if (at < address.len) {
        host = pp_text_n(address.p + at + 1, address.len - at - 1);
    }
    enum pp_err err = check_local(local);
    if (err != PP_OK) {
        return err;
    }
    if (at == address.len && domain.len == 0) {
        return PP_ERR_NOT_FOUND;
    }
    err = check_domain(host);
    if (err != PP_OK) {
        return err;
    }
    pp_put_text(out, local);
    pp_put_char(out, '@');
    pp_put_text(out, host);
    return out->overflow ? PP_ERR_TOO_BIG : PP_OK;
}

enum pp_err pp_address_check(struct pp_text address)
{
    bool quoted = false;

    if (address.len == 0 || address.len > PP_ADDRESS_MAX) {
        return address.len == 0 ? PP_ERR_EMPTY : PP_ERR_TOO_BIG;
    }
    if (could_inject(address)) {
        return PP_ERR_INJECTION;
    }
    for (size_t i = 0; i < address.len; i++) {
        char c = address.p[i];

        if (c == ' ' && !quoted) {
            return PP_ERR_SYNTAX;
        }
        if (c == '"') {
            quoted = !quoted;
        } else if (c == '\\' && quoted) {
            i++;
        }
    }
    return quoted ? PP_ERR_SYNTAX : PP_OK;
}
