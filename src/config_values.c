/*
 * config_values.c - one value of pinpost.conf, from text into its field
 *
 * Job:      check and store by the key's type; durations and sizes both ways.
 * Not here: which keys there are (config_keys.c), words for what is wrong (config.c).
 */
#include <string.h>

#include "base/bytes.h"
#include "config_keys.h"

struct unit {
    const char *name_z;
    uint64_t factor;
};
static const struct unit duration_units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
static const struct unit size_units[] = {
    {"G", UINT64_C(1) << 30}, {"M", UINT64_C(1) << 20}, {"K", UINT64_C(1) << 10}};

/* A number and a unit behind it, spaces between allowed. */
static enum pp_err read_with_unit(struct pp_text text, const struct unit *units, size_t count,
                                  uint64_t bare_factor, uint64_t *value)
{
    size_t digits = 0;
    while (digits < text.len && pp_ascii_is_digit(text.p[digits]))
        digits++;
    uint64_t number = 0, factor = bare_factor;
    enum pp_err err = pp_text_to_u64(pp_text_n(text.p, digits), UINT64_MAX, &number);
    if (err != PP_OK)
        return err;
    struct pp_text name = pp_text_trim(pp_text_n(text.p + digits, text.len - digits));
    if (name.len > 0) {
        size_t i = 0;
        while (i < count && !pp_text_equal_nocase(name, pp_text_z(units[i].name_z)))
            i++;
        if (i == count)
            return PP_ERR_SYNTAX;
        factor = units[i].factor;
    }
    if (number > UINT64_MAX / factor)
        return PP_ERR_RANGE;
    *value = number * factor;
    return PP_OK;
}

enum pp_err pp_config_duration(struct pp_text text, uint64_t *value_ms)
{
    return read_with_unit(text, duration_units, sizeof duration_units / sizeof *duration_units,
                          1000, value_ms);
}

enum pp_err pp_config_size(struct pp_text text, uint64_t *value_bytes)
{
    return read_with_unit(text, size_units, sizeof size_units / sizeof *size_units, 1, value_bytes);
}

static void put_with_unit(struct pp_writer *w, uint64_t value, const struct unit *units,
                          size_t count)
{
    for (size_t i = 0; value != 0 && i < count; i++) {
        if (value % units[i].factor == 0) {
            pp_put_u64(w, value / units[i].factor);
            pp_put_z(w, units[i].name_z);
            return;
        }
    }
    pp_put_u64(w, value);
}

void pp_config_put_duration(struct pp_writer *w, uint64_t value_ms)
{
    put_with_unit(w, value_ms, duration_units, sizeof duration_units / sizeof *duration_units);
}

void pp_config_put_size(struct pp_writer *w, uint64_t value_bytes)
{
    put_with_unit(w, value_bytes, size_units, sizeof size_units / sizeof *size_units);
}

static bool has_control(struct pp_text text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c < 0x20 || c == 0x7f)
            return true;
    }
    return false;
}

static bool is_name_char(char c)
{
    return pp_ascii_is_alpha(c) || pp_ascii_is_digit(c) || c == '-' || c == '_' || c == '.';
}

static bool is_name(struct pp_text text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_name_char(text.p[i]))
            return false;
    }
    return text.len > 0 && text.p[0] != '-';
}

/* RFC 1123 2.1 with the underscore that people use; labels of 1 to 63, no dot at either end. */
bool pp_config_is_domain(struct pp_text text)
{
    if (!is_name(text) || text.len > 253 || text.p[text.len - 1] == '.')
        return false;
    while (text.len > 0) {
        struct pp_text label = pp_text_cut(&text, '.');
        if (label.len == 0 || label.len > 63 || label.p[0] == '-' || label.p[label.len - 1] == '-')
            return false;
    }
    return true;
}

/* Whether it is a good IPv6 address is for the look-up to say; a scope may follow. */
static bool looks_like_ipv6(struct pp_text text)
{
    size_t colons = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        colons += c == ':';
        if (c == '%')
            return colons >= 2 && is_name(pp_text_n(text.p + i + 1, text.len - i - 1));
        if (!pp_ascii_is_digit(c) && !(pp_ascii_lower(c) >= 'a' && pp_ascii_lower(c) <= 'f') &&
            c != ':' && c != '.')
            return false;
    }
    return colons >= 2;
}

static bool is_host(struct pp_text text)
{
    return pp_config_is_domain(text) || looks_like_ipv6(text);
}

/* What would break an envelope or a list; the grammar is checked where mail is taken in. */
static bool is_address(struct pp_text text)
{
    if (text.len == 0 || text.len > 254 || has_control(text) || !pp_text_is_utf8(text))
        return false;
    const struct pp_text bad = pp_text_z(" <>,;:()[]\\\"");
    size_t at = text.len;
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == '@')
            at = i;
        if (pp_text_find(bad, text.p[i]) < bad.len)
            return false;
    }
    size_t first = pp_text_find(text, '@');
    if (first != at || at == 0 || at > 64)
        return false;
    struct pp_text domain = pp_text_n(text.p + at, text.len - at);
    if (domain.len == 0)
        return true;
    domain.p++;
    domain.len--;
    return domain.len > 0 && (pp_config_is_domain(domain) || !pp_text_is_ascii(domain));
}

static bool is_list(struct pp_text text)
{
    while (text.len > 0) {
        bool more = pp_text_find(text, ',') < text.len;
        if (!is_address(pp_text_trim(pp_text_cut(&text, ','))))
            return false;
        if (more && text.len == 0)
            return false;
    }
    return true;
}

/* An address, or `*` in place of its local part or of all. Elsewhere it would look like a pattern
 * and be none. */
static bool is_pattern(struct pp_text text)
{
    if (pp_text_equal(text, pp_text_z("*")))
        return true;
    if (pp_text_starts_nocase(text, pp_text_z("*@")))
        return pp_config_is_domain(pp_text_n(text.p + 2, text.len - 2));
    return pp_text_find(text, '*') == text.len && is_address(text);
}

static bool is_patterns(struct pp_text text)
{
    while (text.len > 0) {
        bool more = pp_text_find(text, ',') < text.len;
        if (!is_pattern(pp_text_trim(pp_text_cut(&text, ','))) || (more && text.len == 0))
            return false;
    }
    return true;
}

static bool is_path(struct pp_text text)
{
    return text.len > 0 && text.p[0] == '/' && !has_control(text);
}

static bool is_text_of(enum pp_config_type type, struct pp_text value)
{
    switch (type) {
    case PP_CONFIG_TEXT:
        return !has_control(value) && pp_text_is_utf8(value);
    case PP_CONFIG_SECRET:
        return !pp_text_has_line_break(value);
    case PP_CONFIG_NAME:
        return is_name(value);
    case PP_CONFIG_HOST:
        return is_host(value);
    case PP_CONFIG_DOMAIN:
        return pp_config_is_domain(value);
    case PP_CONFIG_ADDRESS:
        return is_address(value);
    case PP_CONFIG_LIST:
        return is_list(value);
    case PP_CONFIG_PATH:
        return is_path(value);
    case PP_CONFIG_PATTERNS:
        return is_patterns(value);
    case PP_CONFIG_MATCH:
        return pp_config_check_match(value) == PP_OK;
    case PP_CONFIG_DESTINATIONS:
        return pp_config_check_destinations(value) == PP_OK;
    default:
        return false;
    }
}

static enum pp_err store_text(const struct pp_config_key *key, char *field, struct pp_text value)
{
    if (value.len >= key->size)
        return PP_ERR_TOO_BIG;
    if (!is_text_of(key->type, value))
        return PP_ERR_SYNTAX;
    memset(field, 0, key->size);
    memcpy(field, value.p, value.len);
    return PP_OK;
}

static enum pp_err store_number(const struct pp_config_key *key, void *field, uint64_t value)
{
    if (value < key->min || value > key->max)
        return PP_ERR_RANGE;
    uint8_t byte = (uint8_t)value;
    uint16_t half = (uint16_t)value;
    uint32_t word = (uint32_t)value;
    switch (key->size) {
    case 1:
        memcpy(field, &byte, 1);
        break;
    case 2:
        memcpy(field, &half, 2);
        break;
    case 4:
        memcpy(field, &word, 4);
        break;
    default:
        memcpy(field, &value, 8);
        break;
    }
    return PP_OK;
}

static enum pp_err store_word(const struct pp_config_key *key, void *field, struct pp_text value)
{
    for (const struct pp_config_word *word = key->words; word->name_z; word++) {
        struct pp_config_key any = *key;
        any.min = 0;
        any.max = UINT32_MAX;
        if (pp_text_equal_nocase(value, pp_text_z(word->name_z)))
            return store_number(&any, field, word->value);
    }
    return PP_ERR_SYNTAX;
}

/* A list lies behind its count. */
_Static_assert(offsetof(struct pp_tls_policy, pins) ==
                   offsetof(struct pp_tls_policy, pin_count) + sizeof(uint32_t),
               "pins behind their count");
_Static_assert(offsetof(struct pp_listener_config, client_pins) ==
                   offsetof(struct pp_listener_config, client_pin_count) + sizeof(uint32_t),
               "pins behind their count");
_Static_assert(offsetof(struct pp_listener_config, networks) ==
                   offsetof(struct pp_listener_config, network_count) + sizeof(uint32_t),
               "networks behind their count");
_Static_assert(offsetof(struct pp_dns_config, servers) ==
                   offsetof(struct pp_dns_config, server_count) + sizeof(uint32_t),
               "servers behind their count");

static enum pp_err parse_one(const struct pp_config_key *key, struct pp_text text, uint8_t *out)
{
    struct pp_pin pin = {PP_PIN_ANY, PP_DIGEST_SHA256, {0}};
    if (key->type == PP_CONFIG_NETWORKS)
        return pp_network_parse(text, (void *)out);
    if (key->type == PP_CONFIG_SERVERS)
        return pp_dns_server_parse(text, (void *)out);
    enum pp_err err = pp_pin_parse(text, &pin);
    /* What a ticket keeps of a client is a SHA-256, and its issuers are not looked at. */
    bool of_client = pin.digest == PP_DIGEST_SHA256 && pin.kind <= PP_PIN_KEY;
    if (err == PP_OK && key->type == PP_CONFIG_CLIENT_PIN && !of_client)
        err = PP_ERR_UNSUPPORTED;
    if (err == PP_OK)
        memcpy(out, &pin, sizeof pin);
    return err;
}

/* All of the list or nothing. */
static enum pp_err store_list(const struct pp_config_key *key, uint8_t *field, struct pp_text value)
{
    size_t one = key->size / key->max;
    uint32_t count;
    memcpy(&count, field - sizeof count, sizeof count);
    do {
        bool more = pp_text_find(value, ',') < value.len;
        struct pp_text text = pp_text_trim(pp_text_cut(&value, ','));
        if (count == key->max)
            return PP_ERR_DRY;
        enum pp_err err = parse_one(key, text, field + count * one);
        if (err != PP_OK)
            return err;
        count++;
        if (more && value.len == 0)
            return PP_ERR_SYNTAX;
    } while (value.len > 0);
    memcpy(field - sizeof count, &count, sizeof count);
    return PP_OK;
}

enum pp_err pp_config_store(const struct pp_config_key *key, void *base, struct pp_text value)
{
    void *field = (char *)base + key->offset;
    uint64_t number = 0;
    enum pp_err err;
    switch (key->type) {
    case PP_CONFIG_PIN:
    case PP_CONFIG_CLIENT_PIN:
    case PP_CONFIG_NETWORKS:
    case PP_CONFIG_SERVERS:
        return store_list(key, field, value);
    case PP_CONFIG_VERIFIER:
        return pp_scram_verifier_parse(value, field);
    case PP_CONFIG_PROTOCOLS:
        return pp_config_protocols(value, field);
    case PP_CONFIG_CIPHERS:
        return pp_config_ciphers(value, field);
    case PP_CONFIG_WORD:
        return store_word(key, field, value);
    case PP_CONFIG_PERCENT:
        if (value.len > 0 && value.p[value.len - 1] == '%')
            value = pp_text_trim(pp_text_n(value.p, value.len - 1));
        err = pp_text_to_u64(value, UINT64_MAX, &number);
        break;
    case PP_CONFIG_NUMBER:
        err = pp_text_to_u64(value, UINT64_MAX, &number);
        break;
    case PP_CONFIG_SIZE:
        err = pp_config_size(value, &number);
        break;
    case PP_CONFIG_DURATION:
        err = pp_config_duration(value, &number);
        break;
    default:
        return store_text(key, field, value);
    }
    return err == PP_OK ? store_number(key, field, number) : err;
}
