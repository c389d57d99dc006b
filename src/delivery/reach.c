/*
 * reach.c - from the name of a smarthost to a connection with one of its servers
 *
 * Job:      see reach.h.
 */
#include "delivery/reach.h"

#include <string.h>

#include "base/crypto.h"

#define IPV6_LATE_MS UINT64_C(600000) /* so long IPv4 goes first after IPv6 was slower */

/* ---- words ---- */

static const char *resolve_words(enum pp_err err)
{
    switch (err) {
    case PP_ERR_NOT_FOUND:
        return "no such host name, or it has no address: check `host` of [smarthost]";
    case PP_ERR_TIMEOUT:
        return "the name servers did not answer in time";
    case PP_ERR_UNREACHABLE:
        return "no name server can be reached: is the network up?";
    case PP_ERR_REFUSED:
        return "the name servers failed to answer for this name";
    default:
        return pp_err_text(err);
    }
}

/* Of a domain's MX or SRV records. */
static const char *servers_words(enum pp_lookup lookup, enum pp_err err)
{
    if (err == PP_ERR_NOT_FOUND && lookup == PP_LOOKUP_SRV) {
        return "the domain has no SRV records for mail submission: check `host` and `lookup` of "
               "[smarthost]";
    }
    return err == PP_ERR_NOT_FOUND ? "no such domain: check `host` of [smarthost]"
                                   : resolve_words(err);
}

static enum pp_err fail(struct pp_reach *r, enum pp_stage stage, const char *words_z,
                        enum pp_err err)
{
    pp_dns_stop(&r->lookup);
    r->state = PP_REACH_FAILED;
    r->stage = stage;
    r->words_z = words_z;
    return err;
}

/* ---- names ---- */

static void set_name(char *out, size_t cap, const char *name_z)
{
    struct pp_writer w;

    pp_writer_init(&w, out, cap - 1);
    pp_put_z(&w, name_z);
    out[w.overflow ? 0 : w.len] = '\0';
}

/* "_587._tcp.mail.example.org" */
static void put_service_name(char *out, size_t cap, const char *service_z, uint16_t port,
                             const char *host_z)
{
    struct pp_writer w;

    pp_writer_init(&w, out, cap - 1);
    pp_put_char(&w, '_');
    if (service_z != NULL) {
        pp_put_z(&w, service_z);
    } else {
        pp_put_u64(&w, port);
    }
    pp_put_z(&w, "._tcp.");
    pp_put_z(&w, host_z);
    out[w.overflow ? 0 : w.len] = '\0';
}

static bool wants_dane(const struct pp_reach *r)
{
    return r->smarthost->tls.level == PP_TLS_DANE || r->smarthost->tls.level == PP_TLS_DANE_ONLY;
}

/* ---- one server ---- */

static enum pp_err begin_server(struct pp_reach *r, const char *server_z, uint16_t port,
                                pp_time_ms now_ms)
{
    set_name(r->server, sizeof(r->server), server_z);
    r->port = port;
    r->tlsa_known = false;
    r->canonical[0] = r->tlsa_base[0] = '\0';
    memset(&r->tlsa, 0, sizeof(r->tlsa));
    pp_dial_begin(&r->dial, r->resolver->port, r->dial.connect_ms);
    r->state = PP_REACH_ADDRESSES;
    return pp_dns_start(&r->lookup, r->resolver, r->server, r->smarthost->family, r->dns_ms,
                        now_ms);
}

/* The next server whose name can be asked for; else what the last one failed with stands. */
static enum pp_err next_server(struct pp_reach *r, enum pp_stage stage, const char *words_z,
                               enum pp_err err, pp_time_ms now_ms)
{
    pp_dns_stop(&r->lookup);
    while (r->server_next < r->server_count) {
        const struct pp_dns_service *next = &r->servers[r->server_next++];
        bool has_port = r->smarthost->lookup == PP_LOOKUP_SRV && !r->smarthost->port_given;
        uint16_t port = has_port ? next->port : r->smarthost->port;

        err = begin_server(r, next->host, port, now_ms);
        if (err == PP_OK) {
            return PP_ERR_LATER;
        }
        stage = PP_STAGE_RESOLVE;
        words_z = resolve_words(err);
    }
    return fail(r, stage, words_z, err);
}

static void add_addresses(struct pp_reach *r, const struct pp_dns_answer *answer)
{
    for (uint32_t i = 0; i < answer->count; i++) {
        struct pp_address address = answer->addresses[i];

        address.port = r->port;
        pp_dial_add(&r->dial, &address);
    }
}

/* ---- TLSA ---- */

static void set_tlsa(struct pp_reach *r, enum pp_tlsa_state state, const char *why_z)
{
    r->tlsa_known = true;
    r->tlsa.state = state;
    set_name(r->tlsa.why, sizeof(r->tlsa.why), why_z);
    r->state = PP_REACH_FOUND;
}

static void ask_tlsa(struct pp_reach *r, const char *base_z, pp_time_ms now_ms)
{
    char name[PP_NAME_CAP + 16];

    set_name(r->tlsa_base, sizeof(r->tlsa_base), base_z);
    put_service_name(name, sizeof(name), NULL, r->port, base_z);
    r->state = PP_REACH_TLSA;
    if (pp_dns_start_type(&r->lookup, r->resolver, name, PP_DNS_TLSA, r->dns_ms, now_ms) != PP_OK) {
        set_tlsa(r, PP_TLSA_ABSENT, "the host's name is too long for TLSA records");
    }
}

/*
 * RFC 7672 2.2: where DNSSEC does not vouch for the addresses nobody asks for TLSA records, since
 * an unsigned zone has no signed ones. An alias that it vouches for is asked first (2.2.2).
 */
static void begin_tlsa(struct pp_reach *r, const struct pp_dns_answer *answer, pp_time_ms now_ms)
{
    if (!answer->authentic || !r->servers_authentic) {
        set_tlsa(r, PP_TLSA_ABSENT,
                 "DNSSEC does not vouch for the server's name, or the name server is not trusted "
                 "([dns] trusted)");
        return;
    }
    set_name(r->canonical, sizeof(r->canonical), answer->name);
    ask_tlsa(r, r->canonical[0] != '\0' ? r->canonical : r->server, now_ms);
}

static void take_tlsa(struct pp_reach *r, const struct pp_dns_answer *answer)
{
    r->tlsa.count = answer->count;
    r->tlsa.unusable = answer->unusable;
    memcpy(r->tlsa.records, answer->tlsa, answer->count * sizeof(r->tlsa.records[0]));
    set_tlsa(r, PP_TLSA_SECURE, "");
}

static bool is_same_name(const char *a_z, const char *b_z)
{
    struct pp_text a = pp_text_z(a_z), b = pp_text_z(b_z);

    b.len -= b.len > 0 && b.p[b.len - 1] == '.';
    return pp_text_equal_nocase(a, b);
}

static enum pp_err pump_tlsa(struct pp_reach *r, pp_time_ms now_ms)
{
    struct pp_dns_answer answer;
    enum pp_err err = pp_dns_poll(&r->lookup, now_ms, &answer);

    if (err == PP_ERR_LATER) {
        return err;
    }
    pp_dns_stop(&r->lookup);
    if (err == PP_OK && answer.authentic) {
        take_tlsa(r, &answer);
    } else if (err != PP_OK && err != PP_ERR_NOT_FOUND) {
        /* It may be that somebody keeps them from us. */
        set_tlsa(r, PP_TLSA_FAILED, resolve_words(err));
    } else if (!is_same_name(r->tlsa_base, r->server)) {
        ask_tlsa(r, r->server, now_ms);
    } else {
        set_tlsa(r, PP_TLSA_ABSENT,
                 err == PP_OK ? "DNSSEC does not vouch for the TLSA records"
                              : "the host has no TLSA records");
    }
    return PP_ERR_LATER;
}

/* ---- addresses ---- */

static enum pp_err pump_addresses(struct pp_reach *r, pp_time_ms now_ms)
{
    struct pp_dns_answer answer;
    enum pp_err err = pp_dns_poll(&r->lookup, now_ms, &answer);

    if (err == PP_ERR_LATER) {
        return err;
    }
    if (err != PP_OK) {
        return next_server(r, PP_STAGE_RESOLVE, resolve_words(err), err, now_ms);
    }
    add_addresses(r, &answer);
    if (now_ms < r->resolver->ipv6_late_until_ms) {
        pp_dial_prefer_ipv4(&r->dial);
    }
    r->state = PP_REACH_FOUND;
    if (wants_dane(r)) {
        pp_dns_stop(&r->lookup);
        begin_tlsa(r, &answer, now_ms);
    }
    return PP_ERR_LATER;
}

/* ---- servers of a domain ---- */

/* RFC 2782: the next of one priority by chance, in proportion to its weight; MX have none, and are
 * equal (RFC 5321 5.1). */
static void shuffle(struct pp_dns_service *services, uint32_t count)
{
    for (uint32_t first = 0; first < count; first++) {
        uint32_t end = first;
        uint64_t total = 0;

        while (end < count && services[end].priority == services[first].priority) {
            total += (uint64_t)services[end++].weight + 1;
        }
        uint64_t chance = pp_random_below(total);
        uint32_t chosen = first;
        while (chosen + 1 < end && chance > services[chosen].weight) {
            chance -= (uint64_t)services[chosen++].weight + 1;
        }
        struct pp_dns_service service = services[chosen];
        services[chosen] = services[first];
        services[first] = service;
    }
}

static enum pp_err take_servers(struct pp_reach *r, const struct pp_dns_answer *answer,
                                pp_time_ms now_ms)
{
    bool is_mx = r->smarthost->lookup == PP_LOOKUP_MX;

    r->servers_authentic = answer->authentic;
    for (uint32_t i = 0; i < answer->count; i++) {
        if (answer->services[i].host[0] != '\0') {
            r->servers[r->server_count++] = answer->services[i];
        }
    }
    if (r->server_count == 0 && answer->count > 0) {
        return fail(r, PP_STAGE_RESOLVE,
                    is_mx ? "the domain takes no mail: its MX record says so (RFC 7505)"
                          : "the domain offers no mail submission: its SRV record says so",
                    PP_ERR_NOT_FOUND);
    }
    shuffle(r->servers, r->server_count);
    return next_server(r, PP_STAGE_RESOLVE, "the domain's records name no host", PP_ERR_SYNTAX,
                       now_ms);
}

static enum pp_err pump_servers(struct pp_reach *r, pp_time_ms now_ms)
{
    struct pp_dns_answer answer;
    enum pp_err err = pp_dns_poll(&r->lookup, now_ms, &answer);

    if (err == PP_ERR_LATER) {
        return err;
    }
    pp_dns_stop(&r->lookup);
    if (err == PP_OK) {
        return take_servers(r, &answer, now_ms);
    }
    /* RFC 5321 5.1: a domain without MX records is its own server. */
    if (err == PP_ERR_NOT_FOUND && r->smarthost->lookup == PP_LOOKUP_MX) {
        r->servers_authentic = answer.authentic;
        err = begin_server(r, r->smarthost->host, r->smarthost->port, now_ms);
        return err == PP_OK ? PP_ERR_LATER : fail(r, PP_STAGE_RESOLVE, resolve_words(err), err);
    }
    return fail(r, PP_STAGE_RESOLVE, servers_words(r->smarthost->lookup, err), err);
}

/* ---- connections ---- */

static enum pp_err pump_dialing(struct pp_reach *r, pp_time_ms now_ms, int *stream)
{
    struct pp_dns_answer answer;

    /* The other family may still come. */
    if (r->lookup.active && pp_dns_poll(&r->lookup, now_ms, &answer) == PP_OK) {
        add_addresses(r, &answer);
    }
    enum pp_err err = pp_dial_pump(&r->dial, now_ms, stream);
    if (err == PP_OK) {
        pp_dns_stop(&r->lookup);
        r->resolver->ipv6_late_until_ms =
            r->dial.ipv6_was_slower            ? pp_time_add(now_ms, IPV6_LATE_MS)
            : pp_reach_address(r)->family == 6 ? 0
                                               : r->resolver->ipv6_late_until_ms;
        return PP_OK;
    }
    if (err != PP_ERR_EMPTY || r->lookup.active) {
        return PP_ERR_LATER;
    }
    /* Tomorrow's addresses may be others. */
    pp_dns_cache_forget(&r->resolver->cache, r->server);
    return next_server(r, PP_STAGE_CONNECT, pp_err_text(r->dial.error), r->dial.error, now_ms);
}

void pp_reach_dial(struct pp_reach *r)
{
    r->state = PP_REACH_DIALING;
}

void pp_reach_refuse(struct pp_reach *r, enum pp_stage stage, const char *words_z,
                     pp_time_ms now_ms)
{
    (void)!next_server(r, stage, words_z, PP_ERR_TRUST, now_ms);
}

void pp_reach_again(struct pp_reach *r)
{
    struct pp_address address = *pp_reach_address(r);

    /* First the same, then those that were not tried. */
    if (r->dial.next > 0) {
        r->dial.addresses[--r->dial.next] = address;
    }
    r->state = PP_REACH_DIALING;
}

bool pp_reach_has_more(const struct pp_reach *r)
{
    return pp_dial_has_more(&r->dial) || r->server_next < r->server_count || r->lookup.active;
}

const struct pp_address *pp_reach_address(const struct pp_reach *r)
{
    return &r->dial.addresses[r->dial.connected];
}

/* ---- life ---- */

void pp_reach_start(struct pp_reach *r, struct pp_resolver *resolver,
                    const struct pp_smarthost_config *smarthost, const struct pp_timeouts *timeouts,
                    pp_time_ms now_ms)
{
    char name[PP_NAME_CAP + 16];
    enum pp_err err;

    r->resolver = resolver;
    r->smarthost = smarthost;
    r->dns_ms = timeouts->dns_ms;
    r->server_count = r->server_next = 0;
    r->servers_authentic = true;
    r->tlsa_known = false;
    r->words_z = "";
    r->server[0] = r->tlsa_base[0] = '\0';
    r->lookup.active = false;
    pp_dial_begin(&r->dial, resolver->port, timeouts->connect_ms);
    memset(&r->dial.addresses[0], 0, sizeof(r->dial.addresses[0]));
    r->state = PP_REACH_SERVERS;
    switch (smarthost->lookup) {
    case PP_LOOKUP_MX:
        err =
            pp_dns_start_type(&r->lookup, resolver, smarthost->host, PP_DNS_MX, r->dns_ms, now_ms);
        break;
    case PP_LOOKUP_SRV:
        put_service_name(name, sizeof(name),
                         smarthost->tls.mode == PP_TLS_IMPLICIT ? "submissions" : "submission", 0,
                         smarthost->host);
        err = pp_dns_start_type(&r->lookup, resolver, name, PP_DNS_SRV, r->dns_ms, now_ms);
        break;
    default:
        err = begin_server(r, smarthost->host, smarthost->port, now_ms);
        break;
    }
    if (err != PP_OK) {
        (void)!fail(r, PP_STAGE_RESOLVE, pp_err_text(err), err);
    }
}

enum pp_err pp_reach_pump(struct pp_reach *r, pp_time_ms now_ms, int *stream)
{
    *stream = -1;
    switch (r->state) {
    case PP_REACH_SERVERS:
        return pump_servers(r, now_ms);
    case PP_REACH_ADDRESSES:
        return pump_addresses(r, now_ms);
    case PP_REACH_TLSA:
        return pump_tlsa(r, now_ms);
    case PP_REACH_DIALING:
        return pump_dialing(r, now_ms, stream);
    case PP_REACH_FOUND:
        return PP_ERR_LATER;
    case PP_REACH_IDLE:
    case PP_REACH_FAILED:
        break;
    }
    return PP_ERR_STATE;
}

pp_time_ms pp_reach_deadline_ms(const struct pp_reach *r)
{
    pp_time_ms at_ms = pp_dns_deadline_ms(&r->lookup);

    return r->state == PP_REACH_DIALING ? pp_time_min(at_ms, pp_dial_deadline_ms(&r->dial)) : at_ms;
}

void pp_reach_stop(struct pp_reach *r)
{
    if (r->state != PP_REACH_IDLE) {
        pp_dns_stop(&r->lookup);
        pp_dial_stop(&r->dial);
        r->state = PP_REACH_IDLE;
    }
}
