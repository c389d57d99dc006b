/*
 * tls_policy.c - what a client's connection demands of TLS, and of whom
 *
 * Job:      the level in force, and the names that count.
 * Not here: certificates and chains (wire/tls_trust.c).
 * Follows:  Postfix TLS_README (match; its match_servername() for wildcards), RFC 7672 3.2
 */
#include "wire/tls_policy.h"

#include "port.h"
#include "wire/dns.h"

enum pp_tls_level pp_tls_level_in_force(const struct pp_tls_target *target)
{
    const struct pp_tlsa_set *tlsa = target->tlsa;
    if (target->policy->level != PP_TLS_DANE || tlsa == NULL)
        return target->policy->level;
    if (tlsa->state == PP_TLSA_ABSENT)
        return PP_TLS_MAY;
    /* RFC 7672 2.2: records of which none is usable still say that there is TLS. */
    if (tlsa->state == PP_TLSA_SECURE && tlsa->count == 0)
        return PP_TLS_ENCRYPT;
    return PP_TLS_DANE;
}

const char *pp_tls_why_not_connect(const struct pp_tls_target *target, bool has_login)
{
    const struct pp_tlsa_set *tlsa = target->tlsa;
    enum pp_tls_level level = target->policy->level;
    if (target->inspect || level < PP_TLS_DANE)
        return NULL;
    if (tlsa == NULL)
        return "policy = dane: nobody asked for TLSA records";
    if (tlsa->state == PP_TLSA_FAILED)
        return tlsa->why[0] != '\0' ? tlsa->why : "the look-up of TLSA records failed";
    if (level == PP_TLS_DANE_ONLY && tlsa->state == PP_TLSA_ABSENT)
        return "policy = dane-only, but there are no TLSA records that DNSSEC vouches for";
    if (level == PP_TLS_DANE_ONLY && tlsa->count == 0)
        return "policy = dane-only, but no TLSA record is usable";
    if (level == PP_TLS_DANE && has_login && pp_tls_level_in_force(target) != PP_TLS_DANE)
        return "policy = dane, but no usable TLSA record says who the server is: the password is "
               "not sent there";
    return NULL;
}

enum pp_tls_result pp_tls_why_not_result(const struct pp_tls_target *target)
{
    const struct pp_tlsa_set *tlsa = target->tlsa;
    return tlsa == NULL || tlsa->state == PP_TLSA_FAILED ? PP_TLS_RESULT_DNSSEC_INVALID
                                                         : PP_TLS_RESULT_DANE_REQUIRED;
}

static const char *server_of(const struct pp_tls_target *target)
{
    return target->server_z != NULL ? target->server_z : target->host_z;
}

static const char *base_of(const struct pp_tls_target *target)
{
    return target->tlsa_base_z != NULL && target->tlsa_base_z[0] != '\0' ? target->tlsa_base_z
                                                                         : target->host_z;
}

static bool is_dane(const struct pp_tls_target *target)
{
    return pp_tls_level_in_force(target) >= PP_TLS_DANE;
}

const char *pp_tls_wanted_name(const struct pp_tls_target *target)
{
    /* RFC 7672 8.1: the name that the records were found at. */
    if (is_dane(target))
        return base_of(target);
    if (target->policy->tls_name[0] != '\0')
        return target->policy->tls_name;
    return target->policy->level == PP_TLS_SECURE ? target->host_z : server_of(target);
}

/* ---- names ---- */

static struct pp_text without_dot(const char *name_z)
{
    struct pp_text name = pp_text_z(name_z);
    if (name.len > 0 && name.p[name.len - 1] == '.')
        name.len--;
    return name;
}

static bool is_address(struct pp_text name)
{
    struct pp_address address;
    return pp_address_parse(name, &address);
}

/* A name with any other byte, above all a NUL, is none (RFC 6125 6.4, RFC 5280 4.2.1.6). */
static bool is_sound(struct pp_text name)
{
    size_t begin = name.len > 2 && name.p[0] == '*' && name.p[1] == '.' ? 2 : 0;
    for (size_t i = begin; i < name.len; i++) {
        char c = name.p[i];
        bool dot_twice = c == '.' && i + 1 < name.len && name.p[i + 1] == '.';
        if ((!pp_ascii_is_alpha(c) && !pp_ascii_is_digit(c) && c != '-' && c != '_' && c != '.') ||
            dot_twice)
            return false;
    }
    return name.len > begin && name.p[begin] != '.' && name.p[name.len - 1] != '.';
}

/* Below `domain`, at any depth. */
static bool is_below(struct pp_text name, struct pp_text domain)
{
    if (domain.len == 0 || is_address(domain) || name.len <= domain.len + 1)
        return false;
    struct pp_text tail = pp_text_n(name.p + name.len - domain.len, domain.len);
    return name.p[name.len - domain.len - 1] == '.' && pp_text_equal_nocase(tail, domain);
}

/* Equal, or `*.` in the place of the first label. */
static bool is_same(struct pp_text name, struct pp_text wanted)
{
    if (wanted.len == 0 || is_address(wanted))
        return false;
    if (pp_text_equal_nocase(name, wanted))
        return true;
    size_t first = pp_text_find(wanted, '.');
    return name.p[0] == '*' && first > 0 && first < wanted.len &&
           pp_text_equal_nocase(pp_text_n(name.p + 1, name.len - 1),
                                pp_text_n(wanted.p + first, wanted.len - first));
}

static bool matches_word(const struct pp_tls_target *t, struct pp_text word, struct pp_text name)
{
    const char *own_z = t->policy->tls_name[0] != '\0' ? t->policy->tls_name : NULL;
    struct pp_text host = without_dot(own_z != NULL ? own_z : t->host_z);
    if (pp_text_equal_nocase(word, pp_text_z("nexthop")))
        return is_same(name, host);
    if (pp_text_equal_nocase(word, pp_text_z("dot-nexthop")))
        return is_below(name, host);
    if (pp_text_equal_nocase(word, pp_text_z("hostname")))
        return is_same(name, without_dot(own_z != NULL ? own_z : server_of(t)));
    if (word.len > 1 && word.p[0] == '.')
        return is_below(name, pp_text_n(word.p + 1, word.len - 1));
    return is_same(name, word);
}

static const char *match_of(const struct pp_tls_target *target)
{
    if (target->policy->match[0] != '\0')
        return target->policy->match;
    return target->policy->level == PP_TLS_VERIFY ? "hostname" : "nexthop, dot-nexthop";
}

bool pp_tls_name_matches(const struct pp_tls_target *target, struct pp_text name)
{
    if (!is_sound(name))
        return false;
    if (is_dane(target))
        return is_same(name, without_dot(base_of(target))) ||
               is_same(name, without_dot(target->host_z));
    struct pp_text list = pp_text_z(match_of(target));
    while (list.len > 0) {
        if (matches_word(target, pp_text_trim(pp_text_cut(&list, ',')), name))
            return true;
    }
    return false;
}

bool pp_tls_wanted_address(const struct pp_tls_target *target, struct pp_text *address)
{
    struct pp_text list = pp_text_z(match_of(target));
    *address = without_dot(target->host_z);
    if (target->policy->tls_name[0] != '\0' || !is_address(*address))
        return false;
    while (list.len > 0) {
        struct pp_text word = pp_text_trim(pp_text_cut(&list, ','));
        if (pp_text_equal_nocase(word, pp_text_z("nexthop")) ||
            pp_text_equal_nocase(word, pp_text_z("hostname")))
            return true;
    }
    return false;
}
