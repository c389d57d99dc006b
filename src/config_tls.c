/*
 * config_tls.c - TLS policies: their values, which one a smarthost gets, and what contradicts
 *
 * Job:      names, protocols, ciphers and destinations from text; the [tls_policy] of a smarthost's
 *           destination put into it; the keys of a policy against each other.
 * Not here: other keys (config_finish.c), pins (config_pin.c), what a policy does
 * (wire/tls_trust.c). Follows:  Postfix TLS_README and smtp_tls_policy_maps(5): levels, match,
 * protocols
 */
#include <string.h>

#include "base/ip.h"
#include "config_keys.h"

const char *pp_tls_level_name(enum pp_tls_level level)
{
    static const char *const names[] = {"none",   "may",    "encrypt", "fingerprint",
                                        "verify", "secure", "dane",    "dane-only"};
    return (unsigned)level < sizeof names / sizeof *names ? names[level] : "unknown";
}

static bool wants_chain(const struct pp_tls_policy *policy)
{
    return policy->level == PP_TLS_VERIFY || policy->level == PP_TLS_SECURE ||
           (policy->level == PP_TLS_FINGERPRINT && policy->pin_rule != PP_PIN_ALONE);
}

bool pp_tls_policy_wants_cas(const struct pp_tls_policy *policy)
{
    return wants_chain(policy);
}

bool pp_tls_policy_wants_names(const struct pp_tls_policy *policy)
{
    bool issuer = false;
    for (uint32_t i = 0; i < policy->pin_count && i < PP_PINS; i++)
        issuer = issuer || policy->pins[i].kind == PP_PIN_ISSUER_CERTIFICATE ||
                 policy->pins[i].kind == PP_PIN_ISSUER_KEY;
    return wants_chain(policy) || issuer || policy->level >= PP_TLS_DANE;
}

/* ---- values ---- */

/* The next of a list with commas, or colons as Postfix has them; an empty one is a mistake. */
static bool next_word(struct pp_text *list, struct pp_text *word)
{
    size_t end = 0;
    if (list->len == 0)
        return false;
    while (end < list->len && list->p[end] != ',')
        end++;
    *word = pp_text_trim(pp_text_n(list->p, end));
    /* A comma at the end begins one more word, which is empty. */
    bool last = end + 1 == list->len;
    *list = end < list->len && !last ? pp_text_n(list->p + end + 1, list->len - end - 1)
                                     : pp_text_n(list->p + list->len, 0);
    if (last)
        *word = pp_text_n(NULL, 0);
    return true;
}

static struct pp_text without_first(struct pp_text text)
{
    return pp_text_n(text.p + 1, text.len - 1);
}

static bool is_match_word(struct pp_text word)
{
    static const char *const kinds[] = {"hostname", "nexthop", "dot-nexthop"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (pp_text_equal_nocase(word, pp_text_z(kinds[i])))
            return true;
    }
    if (word.len > 1 && word.p[0] == '.')
        word = without_first(word);
    /* A bare word is a name written wrong: `hostnam` would match nothing. */
    return pp_config_is_domain(word) && pp_text_find(word, '.') < word.len;
}

enum pp_err pp_config_check_match(struct pp_text list)
{
    struct pp_text word;
    if (list.len == 0)
        return PP_ERR_SYNTAX;
    while (next_word(&list, &word)) {
        if (!is_match_word(word))
            return PP_ERR_SYNTAX;
    }
    return PP_OK;
}

/* TLSv1.2, TLSv1.3. PP_ERR_UNSUPPORTED: an older one. */
static enum pp_err protocol_bit(struct pp_text word, uint8_t *bit)
{
    static const char *const old[] = {"SSLv2", "SSLv3", "TLSv1", "TLSv1.0", "TLSv1.1"};
    *bit = 0;
    if (pp_text_equal_nocase(word, pp_text_z("TLSv1.2")))
        *bit = PP_TLS_1_2;
    if (pp_text_equal_nocase(word, pp_text_z("TLSv1.3")))
        *bit = PP_TLS_1_3;
    for (size_t i = 0; i < sizeof old / sizeof *old; i++) {
        if (pp_text_equal_nocase(word, pp_text_z(old[i])))
            return PP_ERR_UNSUPPORTED;
    }
    return *bit != 0 ? PP_OK : PP_ERR_SYNTAX;
}

struct protocols {
    uint8_t named, excluded, allowed; /* allowed: between the bounds */
};

static enum pp_err take_protocol(struct pp_text word, struct protocols *p)
{
    uint8_t bit;
    bool at_least = pp_text_starts_nocase(word, pp_text_z(">="));
    bool at_most = pp_text_starts_nocase(word, pp_text_z("<="));
    bool excluded = word.len > 0 && word.p[0] == '!';
    if (at_least || at_most)
        word = pp_text_n(word.p + 2, word.len - 2);
    else if (excluded)
        word = without_first(word);
    word = pp_text_trim(word);
    enum pp_err err = protocol_bit(word, &bit);
    /* To exclude an old one asks for what is so anyway. */
    if (err == PP_ERR_UNSUPPORTED && excluded)
        return PP_OK;
    if (err != PP_OK)
        return err;
    if (at_least)
        p->allowed &= bit == PP_TLS_1_3 ? PP_TLS_1_3 : PP_TLS_1_2 | PP_TLS_1_3;
    else if (at_most)
        p->allowed &= bit == PP_TLS_1_2 ? PP_TLS_1_2 : PP_TLS_1_2 | PP_TLS_1_3;
    else if (excluded)
        p->excluded |= bit;
    else
        p->named |= bit;
    return PP_OK;
}

enum pp_err pp_config_protocols(struct pp_text list, uint8_t *mask)
{
    struct protocols p = {0, 0, PP_TLS_1_2 | PP_TLS_1_3};
    struct pp_text word;
    if (list.len == 0)
        return PP_ERR_SYNTAX;
    while (next_word(&list, &word)) {
        enum pp_err err = take_protocol(word, &p);
        if (err != PP_OK)
            return err;
    }
    uint8_t left = p.named != 0 ? p.named : PP_TLS_1_2 | PP_TLS_1_3;
    left = (uint8_t)(left & p.allowed & ~p.excluded);
    if (left == 0)
        return PP_ERR_RANGE;
    *mask = left;
    return PP_OK;
}

enum pp_err pp_config_ciphers(struct pp_text list, uint8_t *mask)
{
    static const struct {
        const char *name_z;
        uint8_t bits;
    } groups[] = {{"aes128-gcm", PP_CIPHER_AES128_GCM},
                  {"aes256-gcm", PP_CIPHER_AES256_GCM},
                  {"chacha20-poly1305", PP_CIPHER_CHACHA20_POLY1305},
                  {"TLS_AES_128_GCM_SHA256", PP_CIPHER_AES128_GCM},
                  {"TLS_AES_256_GCM_SHA384", PP_CIPHER_AES256_GCM},
                  {"TLS_CHACHA20_POLY1305_SHA256", PP_CIPHER_CHACHA20_POLY1305}};
    const size_t count = sizeof groups / sizeof *groups;
    uint8_t bits = 0;
    struct pp_text word;
    if (list.len == 0)
        return PP_ERR_SYNTAX;
    while (next_word(&list, &word)) {
        size_t i = 0;
        while (i < count && !pp_text_equal_nocase(word, pp_text_z(groups[i].name_z)))
            i++;
        if (i == count)
            return PP_ERR_SYNTAX;
        bits = (uint8_t)(bits | groups[i].bits);
    }
    *mask = bits;
    return PP_OK;
}

/* ---- destinations ---- */

struct destination {
    enum { DESTINATION_DEFAULT, DESTINATION_SUFFIX, DESTINATION_HOST } kind;
    struct pp_text name; /* of a suffix with its dot */
    uint16_t port;       /* 0: any */
};

static bool is_address(struct pp_text text)
{
    uint8_t ip[16];
    return pp_ipv4_parse(text, ip) || pp_ipv6_parse(text, ip);
}

/* `[fd00::1]:587`, `[host]:587`, `host:587`, `host`; Postfix's brackets mean nothing here. */
static bool split_port(struct pp_text text, struct destination *d)
{
    size_t close = pp_text_find(text, ']'), colon = pp_text_find(text, ':');
    struct pp_text port = {NULL, 0};
    uint64_t number = 0;
    d->name = text;
    if (text.len > 0 && text.p[0] == '[') {
        if (close == text.len)
            return false;
        d->name = pp_text_n(text.p + 1, close - 1);
        port = pp_text_n(text.p + close + 1, text.len - close - 1);
    } else if (!is_address(text) && colon < text.len) {
        d->name = pp_text_n(text.p, colon);
        port = pp_text_n(text.p + colon, text.len - colon);
    }
    if (port.len == 0)
        return true;
    if (port.p[0] != ':' || pp_text_to_u64(without_first(port), UINT16_MAX, &number) != PP_OK)
        return false;
    d->port = (uint16_t)number;
    return number > 0;
}

static bool read_destination(struct pp_text word, struct destination *d)
{
    memset(d, 0, sizeof *d);
    if (pp_text_equal_nocase(word, pp_text_z("default")))
        return true;
    if (word.len > 1 && word.p[0] == '.') {
        d->kind = DESTINATION_SUFFIX;
        d->name = word;
        return pp_config_is_domain(without_first(word));
    }
    d->kind = DESTINATION_HOST;
    return split_port(word, d) && (pp_config_is_domain(d->name) || is_address(d->name));
}

enum pp_err pp_config_check_destinations(struct pp_text list)
{
    struct pp_text word;
    struct destination d;
    if (list.len == 0)
        return PP_ERR_SYNTAX;
    while (next_word(&list, &word)) {
        if (!read_destination(word, &d))
            return PP_ERR_SYNTAX;
    }
    return PP_OK;
}

/* How well it fits: 0 not at all; the suffix longest, then the host, then host and port. */
static size_t fit(const struct destination *d, struct pp_text host, uint16_t port)
{
    struct pp_text tail;
    switch (d->kind) {
    case DESTINATION_DEFAULT:
        return 1;
    case DESTINATION_SUFFIX:
        if (host.len <= d->name.len)
            return 0;
        tail = pp_text_n(host.p + host.len - d->name.len, d->name.len);
        return pp_text_equal_nocase(tail, d->name) ? 1 + d->name.len : 0;
    case DESTINATION_HOST:
        break;
    }
    if (!pp_text_equal_nocase(host, d->name) || (d->port != 0 && d->port != port))
        return 0;
    return 2 * PP_NAME_CAP + (d->port != 0 ? 1 : 0);
}

static bool is_same(const struct destination *a, const struct destination *b)
{
    return a->kind == b->kind && a->port == b->port &&
           (a->kind == DESTINATION_DEFAULT || pp_text_equal_nocase(a->name, b->name));
}

/* ---- the table ---- */

static enum pp_err refuse(struct pp_config_error *error, const char *section_z, struct pp_text name,
                          const char *words_z)
{
    struct pp_writer w;
    memset(error->text, 0, sizeof error->text);
    pp_writer_init(&w, error->text, sizeof error->text - 1);
    pp_put_z(&w, "[");
    pp_put_z(&w, section_z);
    if (name.len > 0)
        pp_put_char(&w, ' ');
    pp_put_safe(&w, name, sizeof((struct pp_tls_policy_config *)0)->name);
    pp_put_z(&w, "] ");
    pp_put_z(&w, words_z);
    return PP_ERR_STATE;
}

/* Does `d`, word number `at` of policy `of`, stand before that too? */
static bool is_doubled(const struct pp_config *config, const struct destination *d, uint32_t of,
                       size_t at)
{
    struct destination other;
    struct pp_text word;
    for (uint32_t i = 0; i <= of; i++) {
        struct pp_text list = pp_text_z(config->tls_policies[i].destination);
        for (size_t k = 0; (i < of || k < at) && next_word(&list, &word); k++) {
            if (read_destination(word, &other) && is_same(&other, d))
                return true;
        }
    }
    return false;
}

static enum pp_err check_table(const struct pp_config *config, struct pp_config_error *error)
{
    for (uint32_t i = 0; i < config->tls_policy_count; i++) {
        const struct pp_tls_policy_config *policy = &config->tls_policies[i];
        struct pp_text list = pp_text_z(policy->destination), word;
        struct destination d;
        if (list.len == 0)
            return refuse(error, "tls_policy", pp_text_z(policy->name), "destination: is missing");
        for (size_t at = 0; next_word(&list, &word); at++) {
            if (read_destination(word, &d) && is_doubled(config, &d, i, at))
                return refuse(error, "tls_policy", pp_text_z(policy->name),
                              "destination: one of them stands in the table twice; leave one");
        }
    }
    return PP_OK;
}

/* The one that fits best, or NULL. */
static const struct pp_tls_policy_config *find_policy(const struct pp_config *config,
                                                      struct pp_smarthost_config *host)
{
    const struct pp_tls_policy_config *found = NULL;
    size_t best = 0;
    struct pp_text name = pp_text_z(host->host), word;
    if (name.len > 0 && name.p[name.len - 1] == '.')
        name.len--;
    for (uint32_t i = 0; i < config->tls_policy_count; i++) {
        struct pp_text list = pp_text_z(config->tls_policies[i].destination);
        struct destination d;
        while (next_word(&list, &word)) {
            size_t how = read_destination(word, &d) ? fit(&d, name, host->port) : 0;
            if (how <= best || word.len >= sizeof host->tls_matched)
                continue;
            best = how;
            found = &config->tls_policies[i];
            memset(host->tls_matched, 0, sizeof host->tls_matched);
            memcpy(host->tls_matched, word.p, word.len);
        }
    }
    return found;
}

static bool is_given(const uint32_t *given, uint32_t key)
{
    return (given[key / 32] >> key % 32 & 1) != 0;
}

/* Each key that the policy gives and the smarthost does not. */
static void take_keys(const struct pp_config *config, struct pp_smarthost_config *host,
                      const struct pp_tls_policy_config *policy)
{
    for (uint32_t i = 0; i < pp_config_key_count(); i++) {
        const struct pp_config_key *key = pp_config_key(i);
        if (strcmp(key->section_z, "tls_policy") != 0 || !is_given(policy->given, i))
            continue;
        uint32_t own = pp_config_key_find(pp_text_z("smarthost"), pp_text_z(key->name_z));
        if (own == PP_CONFIG_NO_KEY || is_given(config->given, own))
            continue;
        memcpy((char *)host + pp_config_key(own)->offset, (const char *)policy + key->offset,
               key->size);
        if (key->type == PP_CONFIG_PIN)
            host->tls.pin_count = policy->tls.pin_count;
    }
}

/* ---- keys of a policy against each other ---- */

static const char *what_contradicts_pins(const struct pp_tls_policy *tls, bool rule_given)
{
    bool chain = tls->level == PP_TLS_VERIFY || tls->level == PP_TLS_SECURE;
    if (tls->level == PP_TLS_FINGERPRINT && tls->pin_count == 0)
        return "policy: fingerprint needs at least one pin; `pinpost pin HOST` prints ready lines";
    if (tls->pin_count == 0)
        return rule_given ? "pin_rule: there are no pins; add one, or remove it" : NULL;
    if (!chain && tls->level != PP_TLS_FINGERPRINT)
        return "pin: pins decide only with policy = fingerprint, or beside a CA with verify or "
               "secure; set one of these, or remove the pins";
    if (chain && !rule_given)
        return "pin: pins decide only with policy = fingerprint; set it, say pin_rule = and-ca or "
               "or-ca, or remove the pins";
    if (chain && tls->pin_rule == PP_PIN_ALONE)
        return "pin_rule: alone is policy = fingerprint; choose and-ca or or-ca, or that policy";
    return NULL;
}

static const char *what_contradicts(const struct pp_smarthost_config *host, bool rule_given)
{
    const struct pp_tls_policy *tls = &host->tls;
    const char *words_z = what_contradicts_pins(tls, rule_given);
    if (words_z != NULL)
        return words_z;
    if (host->lookup != PP_LOOKUP_HOST && is_address(pp_text_z(host->host)))
        return "lookup: an address has no MX or SRV records; give a domain as host, or remove it";
    if (tls->mode == PP_TLS_IMPLICIT && tls->level == PP_TLS_NONE)
        return "tls: implicit contradicts policy = none; remove one";
    if (tls->mode == PP_TLS_IMPLICIT && tls->level == PP_TLS_MAY)
        return "tls: implicit contradicts policy = may, which begins in the clear; choose encrypt "
               "or better";
    if (tls->match[0] != '\0' && !pp_tls_policy_wants_names(tls))
        return "match: names count only with policy = verify or secure, and for issuers; "
               "remove it, or set one of these";
    if (tls->level >= PP_TLS_DANE && tls->match[0] != '\0')
        return "match: with dane the names are those that the TLSA records were asked for; "
               "remove it";
    if (tls->on_new_pin == PP_NEW_PIN_SEND && tls->pin_rule != PP_PIN_AND_CA)
        return "on_new_pin: send needs pin_rule = and-ca: a CA has to vouch for what no pin "
               "matches";
    return NULL;
}

static uint16_t usual_port(const struct pp_smarthost_config *host)
{
    if (host->tls.mode == PP_TLS_IMPLICIT)
        return 465;
    return host->lookup == PP_LOOKUP_MX ? 25 : 587;
}

enum pp_err pp_config_finish_tls(struct pp_config *config, struct pp_smarthost_config *host,
                                 struct pp_config_error *error)
{
    enum pp_err err = check_table(config, error);
    if (err != PP_OK)
        return err;
    /* host:port is looked for, so the port is needed; the mode may come from the table. */
    bool derived = host->port == 0;
    host->port_given = !derived;
    if (derived)
        host->port = usual_port(host);
    const struct pp_tls_policy_config *policy = find_policy(config, host);
    host->tls_policy = 0;
    if (policy != NULL) {
        host->tls_policy = 1 + (uint32_t)(policy - config->tls_policies);
        take_keys(config, host, policy);
    }
    if (derived)
        host->port = usual_port(host);
    uint32_t rule = pp_config_key_find(pp_text_z("smarthost"), pp_text_z("pin_rule"));
    uint32_t table_rule = pp_config_key_find(pp_text_z("tls_policy"), pp_text_z("pin_rule"));
    bool rule_given =
        is_given(config->given, rule) || (policy != NULL && is_given(policy->given, table_rule));
    const char *words_z = what_contradicts(host, rule_given);
    if (words_z == NULL)
        return PP_OK;
    /* The table's mistake is told where it was made, unless [smarthost] has a part in it. */
    return refuse(error, "smarthost", pp_text_z(host->name), words_z);
}
