/*
 * dns.c - DNS messages: queries, and answers that fit them
 *
 * Job:      see dns.h.
 * Not here: names (wire/dns_name.c), the data of records (wire/dns_record.c).
 */
#include "wire/dns.h"

#include <string.h>

#include "base/bytes.h"
#include "wire/dns_name.h"
#include "wire/dns_record.h"

#define CLASS_IN   1
#define TYPE_CNAME 5
#define TYPE_SOA   6
#define TYPE_OPT   41
/* Aliases followed within one answer, and records looked at. */
#define CHAIN_MAX   8
#define RECORDS_MAX 256

#define FLAG_RESPONSE  0x8000u
#define FLAG_TRUNCATED 0x0200u
#define FLAG_RECURSION 0x0100u
#define FLAG_AUTHENTIC 0x0020u

struct record {
    struct pp_dns_name owner;
    uint16_t type, class;
    uint32_t ttl_s;
    size_t data, data_len; /* place in the message */
};

bool pp_dns_is_localhost(const char *name_z)
{
    struct pp_text text = pp_text_z(name_z), local = pp_text_z("localhost");
    if (text.len > 0 && text.p[text.len - 1] == '.')
        text.len--;
    if (text.len < local.len)
        return false;
    struct pp_text tail = pp_text_n(text.p + text.len - local.len, local.len);
    return pp_text_equal_nocase(tail, local) &&
           (text.len == local.len || text.p[text.len - local.len - 1] == '.');
}

enum pp_err pp_dns_query(uint8_t *out, size_t cap, size_t *len, uint16_t id, const char *name_z,
                         enum pp_dns_type type)
{
    struct pp_dns_name name;
    *len = 0;
    enum pp_err err = pp_dns_name_from_text(&name, name_z);
    if (err != PP_OK)
        return err;
    if (cap < PP_DNS_HEADER_BYTES + (size_t)name.len + 4 + PP_DNS_EDNS_BYTES)
        return PP_ERR_TOO_BIG;
    memset(out, 0, PP_DNS_HEADER_BYTES);
    pp_be16_put(out, id);
    pp_be16_put(out + 2, FLAG_RECURSION | FLAG_AUTHENTIC);
    pp_be16_put(out + 4, 1);  /* questions */
    pp_be16_put(out + 10, 1); /* additional */
    uint8_t *p = out + PP_DNS_HEADER_BYTES;
    memcpy(p, name.wire, name.len);
    p += name.len;
    pp_be16_put(p, (uint16_t)type);
    pp_be16_put(p + 2, CLASS_IN);
    p += 4;
    memset(p, 0, PP_DNS_EDNS_BYTES);
    pp_be16_put(p + 1, TYPE_OPT);
    pp_be16_put(p + 3, PP_DNS_MESSAGE_CAP);
    *len = (size_t)(p - out) + PP_DNS_EDNS_BYTES;
    return PP_OK;
}

static uint16_t read_16(struct pp_dns_cursor *c)
{
    if (c->failed || c->len - c->at < 2) {
        c->failed = true;
        return 0;
    }
    c->at += 2;
    return pp_be16_get(c->bytes + c->at - 2);
}

static uint32_t read_32(struct pp_dns_cursor *c)
{
    uint32_t high = read_16(c);
    return high << 16 | read_16(c);
}

static void read_record(struct pp_dns_cursor *c, struct record *r)
{
    pp_dns_read_name(c, &r->owner);
    r->type = read_16(c);
    r->class = read_16(c);
    r->ttl_s = read_32(c);
    /* Top bit set: to be taken as 0 (RFC 2181 section 8). */
    r->ttl_s = r->ttl_s > INT32_MAX ? 0 : r->ttl_s;
    r->data_len = read_16(c);
    r->data = c->at;
    if (c->failed || c->len - c->at < r->data_len)
        c->failed = true;
    else
        c->at += r->data_len;
}

struct reading {
    struct pp_dns_cursor answers; /* at the first record */
    uint16_t count, authority_count;
    bool partial; /* the end of the message is missing: records up to there count */
    enum pp_dns_type type;
};

static struct pp_dns_cursor data_of(const struct pp_dns_cursor *c, const struct record *r)
{
    return (struct pp_dns_cursor){.bytes = c->bytes, .len = r->data + r->data_len, .at = r->data};
}

/*
 * One pass over all records: those of `name` are added, and if it is an alias, `name` becomes what
 * it stands for and *alias true.
 */
static enum pp_err pass(const struct reading *reading, struct pp_dns_name *name,
                        struct pp_dns_answer *answer, bool *alias)
{
    struct pp_dns_cursor c = reading->answers;
    struct pp_dns_name target;
    *alias = false;
    for (uint16_t i = 0; i < reading->count && i < RECORDS_MAX; i++) {
        struct record r;
        read_record(&c, &r);
        if (c.failed && reading->partial)
            break;
        if (c.failed)
            return PP_ERR_SYNTAX;
        if (r.class != CLASS_IN || !pp_dns_name_equal(&r.owner, name))
            continue;
        struct pp_dns_cursor data = data_of(&c, &r);
        if (r.type == (uint16_t)reading->type) {
            enum pp_err err = pp_dns_add_record(answer, reading->type, &data);
            if (err != PP_OK)
                return err;
        } else if (r.type == TYPE_CNAME) {
            pp_dns_read_name(&data, &target);
            if (data.failed)
                return PP_ERR_SYNTAX;
            *alias = true;
        } else {
            continue;
        }
        if (r.ttl_s < answer->ttl_s)
            answer->ttl_s = r.ttl_s;
    }
    if (*alias)
        *name = target;
    return PP_OK;
}

/* Aliases may stand in any order, so each step of the chain is a pass of its own. */
static enum pp_err collect(const struct reading *reading, struct pp_dns_name *name,
                           struct pp_dns_answer *answer)
{
    answer->ttl_s = UINT32_MAX;
    for (int i = 0; i < CHAIN_MAX; i++) {
        bool alias;
        enum pp_err err = pass(reading, name, answer, &alias);
        bool found = answer->count > 0 || answer->unusable > 0;
        if (err != PP_OK || found || !alias)
            return err;
    }
    return PP_OK;
}

/* RFC 2308 5: of the SOA record of a zone that the name lies in; 0: there is none. */
static uint32_t time_of_no(const struct reading *reading, const struct pp_dns_name *name)
{
    struct pp_dns_cursor c = reading->answers;
    uint32_t total = (uint32_t)reading->count + reading->authority_count;
    for (uint32_t i = 0; i < total && i < RECORDS_MAX; i++) {
        struct record r;
        read_record(&c, &r);
        if (c.failed)
            return 0;
        if (i < reading->count || r.type != TYPE_SOA || r.class != CLASS_IN || r.data_len < 22 ||
            !pp_dns_name_is_under(name, &r.owner))
            continue;
        uint32_t minimum_s = pp_be32_get(c.bytes + r.data + r.data_len - 4);
        return minimum_s < r.ttl_s ? minimum_s : r.ttl_s;
    }
    return 0;
}

static enum pp_err verdict_of(uint16_t flags)
{
    switch (flags & 15) {
    case 0:
        return flags & FLAG_TRUNCATED ? PP_ERR_TOO_BIG : PP_OK;
    case 3:
        return PP_ERR_NOT_FOUND;
    default:
        return PP_ERR_REFUSED;
    }
}

/* The question must be ours, letter by letter. */
static enum pp_err check_question(struct pp_dns_cursor *c, const struct pp_dns_name *wanted,
                                  enum pp_dns_type type)
{
    struct pp_dns_name asked;
    pp_dns_read_name(c, &asked);
    uint16_t asked_type = read_16(c), asked_class = read_16(c);
    if (c->failed || asked_type != (uint16_t)type || asked_class != CLASS_IN ||
        !pp_dns_name_equal(&asked, wanted))
        return PP_ERR_STATE;
    return pp_dns_name_identical(&asked, wanted) ? PP_OK : PP_ERR_TRUST;
}

static enum pp_err read_answer(const struct reading *reading, struct pp_dns_name *name,
                               enum pp_err verdict, struct pp_dns_answer *answer)
{
    if (verdict == PP_OK)
        verdict = collect(reading, name, answer);
    if (verdict == PP_OK && pp_dns_name_to_text(name, answer->name, sizeof answer->name) != PP_OK)
        answer->name[0] = '\0';
    bool is_no = verdict == PP_ERR_NOT_FOUND ||
                 (verdict == PP_OK && answer->count == 0 && answer->unusable == 0);
    if (is_no)
        answer->ttl_s = reading->partial ? 0 : time_of_no(reading, name);
    return verdict;
}

enum pp_err pp_dns_response(const uint8_t *bytes, size_t len, uint16_t id, const char *name_z,
                            enum pp_dns_type type, struct pp_dns_answer *answer)
{
    struct pp_dns_cursor c = {.bytes = bytes, .len = len, .at = PP_DNS_HEADER_BYTES};
    struct pp_dns_name wanted;
    memset(answer, 0, sizeof *answer);
    if (pp_dns_name_from_text(&wanted, name_z) != PP_OK || len < PP_DNS_HEADER_BYTES ||
        pp_be16_get(bytes) != id)
        return PP_ERR_STATE;
    uint16_t flags = pp_be16_get(bytes + 2), questions = pp_be16_get(bytes + 4);
    if (!(flags & FLAG_RESPONSE) || (flags & 0x7800u) != 0)
        return PP_ERR_STATE;
    enum pp_err verdict = verdict_of(flags);
    if (questions == 0 && verdict == PP_ERR_REFUSED) /* a server that did not understand us */
        return verdict;
    enum pp_err fits = questions != 1 ? PP_ERR_STATE : check_question(&c, &wanted, type);
    if (fits != PP_OK)
        return fits;
    if (verdict == PP_ERR_TOO_BIG || verdict == PP_ERR_REFUSED)
        return verdict;
    const struct reading reading = {.answers = c,
                                    .count = pp_be16_get(bytes + 6),
                                    .authority_count = pp_be16_get(bytes + 8),
                                    .partial = len >= PP_DNS_MESSAGE_CAP,
                                    .type = type};
    answer->authentic = (flags & FLAG_AUTHENTIC) != 0;
    verdict = read_answer(&reading, &wanted, verdict, answer);
    if (verdict != PP_OK && verdict != PP_ERR_NOT_FOUND)
        memset(answer, 0, sizeof *answer);
    return verdict;
}
