/*
 * dns.c - DNS messages: queries for A and AAAA, and answers that fit them
 *
 * Job:      bytes of a query, and addresses from the bytes of an answer that nobody is trusted for.
 * Not here: sockets, servers, retries (wire/dns_lookup.c).
 * Follows:  RFC 1035 4, RFC 3596, RFC 6891 (EDNS), RFC 5452 (which answers count), RFC 6761 6.3
 *
 * Names are held in wire form: labels with a length byte each, the root's zero byte at the end.
 */
#include "wire/dns.h"

#include <string.h>

#include "base/bytes.h"

#define NAME_CAP     255 /* RFC 1035 2.3.4 */
#define HEADER_BYTES 12
#define EDNS_BYTES   11
#define CLASS_IN     1
#define TYPE_CNAME   5
#define TYPE_OPT     41
/* Aliases followed within one answer, and records looked at. */
#define CHAIN_MAX   8
#define RECORDS_MAX 256

#define FLAG_RESPONSE  0x8000u
#define FLAG_TRUNCATED 0x0200u
#define FLAG_RECURSION 0x0100u

struct name {
    uint8_t len;
    uint8_t wire[NAME_CAP];
};

/* A place in a message that remembers when it wanted to go past the end. */
struct cursor {
    const uint8_t *bytes;
    size_t len, at;
    bool failed;
};

struct record {
    struct name owner;
    uint16_t type, class;
    uint32_t ttl_s;
    size_t data, data_len; /* place in the message */
};

static enum pp_err name_from_text(struct name *name, const char *name_z)
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

/* Length bytes are below 'A', so case may be folded over the whole wire form. */
static bool name_equal(const struct name *a, const struct name *b)
{
    if (a->len != b->len)
        return false;
    for (size_t i = 0; i < a->len; i++) {
        if (pp_ascii_lower((char)a->wire[i]) != pp_ascii_lower((char)b->wire[i]))
            return false;
    }
    return true;
}

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
    struct name name;
    *len = 0;
    enum pp_err err = name_from_text(&name, name_z);
    if (err != PP_OK)
        return err;
    if (cap < HEADER_BYTES + (size_t)name.len + 4 + EDNS_BYTES)
        return PP_ERR_TOO_BIG;
    memset(out, 0, HEADER_BYTES);
    pp_be16_put(out, id);
    pp_be16_put(out + 2, FLAG_RECURSION);
    pp_be16_put(out + 4, 1);  /* questions */
    pp_be16_put(out + 10, 1); /* additional: EDNS, last, so that it can be cut off */
    uint8_t *p = out + HEADER_BYTES;
    memcpy(p, name.wire, name.len);
    p += name.len;
    pp_be16_put(p, (uint16_t)type);
    pp_be16_put(p + 2, CLASS_IN);
    p += 4;
    memset(p, 0, EDNS_BYTES);
    pp_be16_put(p + 1, TYPE_OPT);
    pp_be16_put(p + 3, PP_DNS_MESSAGE_CAP);
    *len = (size_t)(p - out) + EDNS_BYTES;
    return PP_OK;
}

static uint16_t read_16(struct cursor *c)
{
    if (c->failed || c->len - c->at < 2) {
        c->failed = true;
        return 0;
    }
    c->at += 2;
    return pp_be16_get(c->bytes + c->at - 2);
}

/*
 * A name, compressed or not. A pointer must lead to before the place where the last one led to
 * (RFC 1035 4.1.4 speaks of a prior occurrence), so there is an end to following them.
 */
static void read_name(struct cursor *c, struct name *name)
{
    size_t at = c->at, lowest = c->at;
    bool jumped = false;
    name->len = 0;
    while (!c->failed) {
        uint8_t head = at < c->len ? c->bytes[at] : 0xff;
        if (head < 64) {
            if (at + 1 + head > c->len || (size_t)name->len + 1 + head > NAME_CAP)
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
            if (target >= lowest)
                break;
            at = lowest = target;
        }
    }
    c->failed = true;
}

static void read_record(struct cursor *c, struct record *r)
{
    read_name(c, &r->owner);
    r->type = read_16(c);
    r->class = read_16(c);
    r->ttl_s = (uint32_t)read_16(c) << 16;
    r->ttl_s |= read_16(c);
    r->data_len = read_16(c);
    r->data = c->at;
    if (c->failed || c->len - c->at < r->data_len)
        c->failed = true;
    else
        c->at += r->data_len;
}

static bool is_unspecified(const uint8_t *ip, size_t len)
{
    uint8_t all = 0;
    for (size_t i = 0; i < len; i++)
        all |= ip[i];
    return all == 0;
}

static enum pp_err add_address(struct pp_dns_answer *answer, const uint8_t *ip, size_t len,
                               enum pp_dns_type type)
{
    size_t wanted = type == PP_DNS_A ? 4 : 16;
    if (len != wanted)
        return PP_ERR_SYNTAX;
    /* 0.0.0.0 and :: are how blocking resolvers say no; connecting would reach ourselves. */
    if (is_unspecified(ip, len) || answer->count >= PP_DNS_ADDRESSES)
        return PP_OK;
    struct pp_address *address = &answer->addresses[answer->count++];
    memset(address, 0, sizeof *address);
    address->family = type == PP_DNS_A ? 4 : 6;
    memcpy(address->ip, ip, len);
    return PP_OK;
}

struct reading {
    struct cursor answers; /* at the first record */
    uint16_t count;
    bool partial; /* the end of the message is missing: records up to there count */
    enum pp_dns_type type;
};

/*
 * One pass over all records: addresses of `name` are added, and if it is an alias, `name`
 * becomes what it stands for and *alias true.
 */
static enum pp_err pass(const struct reading *reading, struct name *name,
                        struct pp_dns_answer *answer, bool *alias)
{
    struct cursor c = reading->answers;
    struct name target;
    *alias = false;
    for (uint16_t i = 0; i < reading->count && i < RECORDS_MAX; i++) {
        struct record r;
        read_record(&c, &r);
        if (c.failed && reading->partial)
            break;
        if (c.failed)
            return PP_ERR_SYNTAX;
        if (r.class != CLASS_IN || !name_equal(&r.owner, name))
            continue;
        /* Top bit set: to be taken as 0 (RFC 2181 section 8). */
        uint32_t ttl_s = r.ttl_s > INT32_MAX ? 0 : r.ttl_s;
        if (r.type == (uint16_t)reading->type) {
            enum pp_err err = add_address(answer, c.bytes + r.data, r.data_len, reading->type);
            if (err != PP_OK)
                return err;
        } else if (r.type == TYPE_CNAME) {
            struct cursor inside = {.bytes = c.bytes, .len = r.data + r.data_len, .at = r.data};
            read_name(&inside, &target);
            if (inside.failed)
                return PP_ERR_SYNTAX;
            *alias = true;
        } else {
            continue;
        }
        if (ttl_s < answer->ttl_s)
            answer->ttl_s = ttl_s;
    }
    if (*alias)
        *name = target;
    return PP_OK;
}

/* Aliases may stand in any order, so each step of the chain is a pass of its own. */
static enum pp_err collect(const struct reading *reading, struct name *name,
                           struct pp_dns_answer *answer)
{
    answer->ttl_s = UINT32_MAX;
    for (int i = 0; i < CHAIN_MAX; i++) {
        bool alias;
        enum pp_err err = pass(reading, name, answer, &alias);
        if (err != PP_OK || answer->count > 0 || !alias)
            return err;
    }
    return PP_OK;
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

enum pp_err pp_dns_response(const uint8_t *bytes, size_t len, uint16_t id, const char *name_z,
                            enum pp_dns_type type, struct pp_dns_answer *answer)
{
    struct cursor c = {.bytes = bytes, .len = len, .at = HEADER_BYTES};
    struct name wanted, asked;
    memset(answer, 0, sizeof *answer);
    if (name_from_text(&wanted, name_z) != PP_OK || len < HEADER_BYTES || pp_be16_get(bytes) != id)
        return PP_ERR_STATE;
    uint16_t flags = pp_be16_get(bytes + 2), questions = pp_be16_get(bytes + 4);
    if (!(flags & FLAG_RESPONSE) || (flags & 0x7800u) != 0)
        return PP_ERR_STATE;
    enum pp_err verdict = verdict_of(flags);
    if (questions == 0 && verdict == PP_ERR_REFUSED) /* a server that did not understand us */
        return verdict;
    read_name(&c, &asked);
    uint16_t asked_type = read_16(&c), asked_class = read_16(&c);
    if (questions != 1 || c.failed || asked_type != (uint16_t)type || asked_class != CLASS_IN ||
        !name_equal(&asked, &wanted))
        return PP_ERR_STATE;
    if (verdict != PP_OK)
        return verdict;
    struct reading reading = {.answers = c,
                              .count = pp_be16_get(bytes + 6),
                              .partial = len >= PP_DNS_MESSAGE_CAP,
                              .type = type};
    verdict = collect(&reading, &wanted, answer);
    if (verdict != PP_OK)
        memset(answer, 0, sizeof *answer);
    return verdict;
}
