/*
 * dns_lookup.c - one question put to name servers over a port, without ever waiting
 *
 * Job:      see dns_lookup.h.
 * Not here: the stream of a question asked over TCP (wire/dns_tcp.c).
 *
 * What does not fit our question is passed over, not counted as an answer: else anyone who can send
 * us a datagram could end a look-up. An answer that fits but for the case of letters is either a
 * guess, or of a server that folds them: over TCP it cannot be guessed.
 */
#include "wire/dns_lookup.h"

#include <string.h>

#include "base/bytes.h"
#include "base/crypto.h"
#include "wire/dns_lookup_parts.h"
#include "wire/dns_name.h"

#define DNS_PORT      53
#define FIRST_WAIT_MS 2000u
/* Waits double with each round over all servers, this often. */
#define DOUBLINGS_MAX 3
/* Datagrams looked at in one call. */
#define DATAGRAMS_MAX 16
/* RFC 8305 3: so long the family that came first waits for the other. */
#define RESOLUTION_DELAY_MS 50u

/* ---- whom we ask ---- */

void pp_resolver_init(struct pp_resolver *resolver, const struct pp_port *port,
                      const struct pp_dns_config *config)
{
    resolver->port = port;
    resolver->ipv6_late_until_ms = 0;
    pp_resolver_configure(resolver, config);
}

void pp_resolver_configure(struct pp_resolver *resolver, const struct pp_dns_config *config)
{
    resolver->config = *config;
    pp_dns_cache_clear(&resolver->cache);
}

static uint32_t list_servers(const struct pp_resolver *r, struct pp_address *out)
{
    unsigned count = r->config.server_count;
    for (unsigned i = 0; i < count && i < PP_DNS_SERVERS; i++) {
        const struct pp_dns_server *server = &r->config.servers[i];
        out[i] = (struct pp_address){.family = server->family, .port = server->port};
        memcpy(out[i].ip, server->ip, sizeof server->ip);
    }
    if (count == 0)
        count = r->port->name_servers(r->port->ctx, out, PP_DNS_SERVERS);
    return count < PP_DNS_SERVERS ? count : PP_DNS_SERVERS;
}

static bool is_loopback(const struct pp_address *a)
{
    static const uint8_t one[16] = {[15] = 1};
    return a->family == 4 ? a->ip[0] == 127 : memcmp(a->ip, one, sizeof one) == 0;
}

/* Anybody on the way to a server can set a bit: by itself only one on this machine is believed. */
static bool is_trusted(const struct pp_dns_lookup *l)
{
    switch (l->resolver->config.trusted) {
    case PP_DNS_TRUSTED_YES:
        return true;
    case PP_DNS_TRUSTED_NO:
        return false;
    case PP_DNS_TRUSTED_LOCAL:
        break;
    }
    return is_loopback(&l->server);
}

/* ---- the life of a look-up ---- */

static const struct pp_port *port_of(const struct pp_dns_lookup *l)
{
    return l->resolver->port;
}

static void close_socket(struct pp_dns_lookup *l)
{
    if (l->socket >= 0)
        port_of(l)->datagram_close(port_of(l)->ctx, l->socket);
    l->socket = -1;
}

void pp_dns_stop(struct pp_dns_lookup *l)
{
    if (!l->active)
        return;
    close_socket(l);
    pp_dns_tcp_close(l);
    l->active = false;
}

static bool is_for_addresses(const struct pp_dns_lookup *l)
{
    return l->questions[0].type == PP_DNS_A || l->questions[0].type == PP_DNS_AAAA;
}

static bool has_found(const struct pp_dns_lookup *l)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < l->count; i++)
        found += l->found[i].count;
    return is_for_addresses(l) && found > 0;
}

pp_time_ms pp_dns_deadline_ms(const struct pp_dns_lookup *l)
{
    pp_time_ms at_ms = pp_time_min(l->resend_ms, l->deadline_ms);
    if (!l->active)
        return PP_TIME_NEVER;
    return has_found(l) ? pp_time_min(at_ms, pp_time_add(l->found_ms, RESOLUTION_DELAY_MS)) : at_ms;
}

static void add_found(struct pp_dns_lookup *l, uint8_t family, const struct pp_address *address)
{
    for (uint32_t i = 0; i < l->count; i++) {
        struct pp_dns_answer *found = &l->found[i];
        bool fits = l->questions[i].type == (family == 4 ? PP_DNS_A : PP_DNS_AAAA);
        if (fits && found->count < PP_DNS_ADDRESSES)
            found->addresses[found->count++] = *address;
    }
}

/* Names that need no server. True when the answer, perhaps an empty one, is there. */
static bool answer_at_once(struct pp_dns_lookup *l)
{
    struct pp_address addresses[PP_DNS_ADDRESSES] = {{0}};
    const struct pp_port *port = port_of(l);
    if (pp_address_parse(pp_text_z(l->name), &addresses[0])) {
        add_found(l, addresses[0].family, &addresses[0]);
        return true;
    }
    if (pp_dns_is_localhost(l->name)) {
        add_found(l, 4, &(struct pp_address){.family = 4, .ip = {127, 0, 0, 1}});
        add_found(l, 6, &(struct pp_address){.family = 6, .ip = {[15] = 1}});
        return true;
    }
    for (uint8_t family = 4; family <= 6 && port->hosts != NULL; family += 2) {
        unsigned count = port->hosts(port->ctx, l->name, family, addresses, PP_DNS_ADDRESSES);
        for (unsigned k = 0; k < count && k < PP_DNS_ADDRESSES; k++)
            add_found(l, family, &addresses[k]);
    }
    return has_found(l);
}

static void take_from_cache(struct pp_dns_lookup *l, pp_time_ms now_ms)
{
    for (uint32_t i = 0; i < l->count; i++) {
        struct pp_dns_question *q = &l->questions[i];
        enum pp_err err =
            pp_dns_cache_get(&l->resolver->cache, l->name, q->type, now_ms, &l->found[i]);
        if (err != PP_ERR_EMPTY) {
            q->done = true;
            q->error = err;
        }
    }
}

static enum pp_err begin(struct pp_dns_lookup *l, struct pp_resolver *resolver, const char *name_z,
                         uint32_t timeout_ms, pp_time_ms now_ms)
{
    size_t len = strlen(name_z), query_len;
    memset(l, 0, sizeof *l);
    l->socket = l->stream = -1;
    l->resolver = resolver;
    if (len > 1 && name_z[len - 1] == '.')
        len--;
    if (len == 0 || len >= sizeof l->name)
        return PP_ERR_SYNTAX;
    memcpy(l->name, name_z, len);
    l->name[len] = '\0';
    l->deadline_ms = pp_time_add(now_ms, timeout_ms);
    l->resend_ms = l->found_ms = now_ms;
    l->active = true;
    /* An address text is no host name, and needs none. */
    struct pp_address address;
    if (pp_address_parse(pp_text_z(l->name), &address))
        return PP_OK;
    enum pp_err err = pp_dns_query(l->message, sizeof l->message, &query_len, 0, l->name, PP_DNS_A);
    l->active = err == PP_OK;
    return err;
}

enum pp_err pp_dns_start(struct pp_dns_lookup *l, struct pp_resolver *resolver, const char *name_z,
                         uint8_t family, uint32_t timeout_ms, pp_time_ms now_ms)
{
    enum pp_err err = begin(l, resolver, name_z, timeout_ms, now_ms);
    if (err != PP_OK)
        return err;
    if (family != 6)
        l->questions[l->count++].type = PP_DNS_A;
    if (family != 4)
        l->questions[l->count++].type = PP_DNS_AAAA;
    if (answer_at_once(l)) {
        for (uint32_t i = 0; i < l->count; i++)
            l->questions[i].done = true;
    } else {
        take_from_cache(l, now_ms);
    }
    return PP_OK;
}

enum pp_err pp_dns_start_type(struct pp_dns_lookup *l, struct pp_resolver *resolver,
                              const char *name_z, enum pp_dns_type type, uint32_t timeout_ms,
                              pp_time_ms now_ms)
{
    enum pp_err err = begin(l, resolver, name_z, timeout_ms, now_ms);
    if (err != PP_OK)
        return err;
    l->count = 1;
    l->questions[0].type = type;
    take_from_cache(l, now_ms);
    return PP_OK;
}

/* ---- answers ---- */

static bool is_open(const struct pp_dns_lookup *l)
{
    for (uint32_t i = 0; i < l->count; i++) {
        if (!l->questions[i].done)
            return true;
    }
    return false;
}

static void give_up(struct pp_dns_lookup *l, enum pp_err err)
{
    for (uint32_t i = 0; i < l->count; i++) {
        if (!l->questions[i].done) {
            l->questions[i].done = true;
            l->questions[i].error = err;
        }
    }
}

void pp_dns_refused(struct pp_dns_lookup *l, uint32_t i, pp_time_ms now_ms)
{
    struct pp_dns_question *q = &l->questions[i];
    uint32_t turns = l->servers < 2 ? 2 : l->servers;
    q->by_tcp = false;
    if (++q->refusals >= turns) {
        q->done = true;
        q->error = PP_ERR_REFUSED;
    } else {
        l->resend_ms = now_ms;
    }
}

/*
 * A server that folds the case of letters folds it over TCP too, where nobody else can answer:
 * there the letters are taken as they came back.
 */
static enum pp_err read_answer(const struct pp_dns_lookup *l, const struct pp_dns_question *q,
                               const uint8_t *bytes, size_t len, bool over_tcp,
                               struct pp_dns_answer *answer)
{
    enum pp_err err = pp_dns_response(bytes, len, q->id, l->name, q->type, answer);
    struct pp_dns_cursor c = {.bytes = bytes, .len = len, .at = PP_DNS_HEADER_BYTES};
    struct pp_dns_name asked;
    char name[PP_DNS_HOST_CAP];
    if (err != PP_ERR_TRUST || !over_tcp)
        return err;
    pp_dns_read_name(&c, &asked);
    if (c.failed || pp_dns_name_to_text(&asked, name, sizeof name) != PP_OK)
        return err;
    return pp_dns_response(bytes, len, q->id, name, q->type, answer);
}

void pp_dns_take_answer(struct pp_dns_lookup *l, uint32_t i, const uint8_t *bytes, size_t len,
                        bool over_tcp, pp_time_ms now_ms)
{
    struct pp_dns_question *q = &l->questions[i];
    struct pp_dns_answer answer;
    enum pp_err err = read_answer(l, q, bytes, len, over_tcp, &answer);
    if (err == PP_ERR_STATE && !over_tcp)
        return;
    l->failures = 0;
    if (err == PP_OK || err == PP_ERR_NOT_FOUND) {
        if (!has_found(l))
            l->found_ms = now_ms;
        pp_dns_cache_put(&l->resolver->cache, bytes, len, &answer, is_trusted(l), now_ms);
        answer.authentic = answer.authentic && is_trusted(l);
        l->found[i] = answer;
        q->done = true;
        q->error = err;
    } else if ((err == PP_ERR_TOO_BIG || err == PP_ERR_TRUST) && !over_tcp) {
        q->by_tcp = true;
    } else {
        pp_dns_refused(l, i, now_ms);
    }
}

/* ---- questions ---- */

/* Letters of any case mean the same name, and come back as they were sent: what a guess has to hit
 * beside id and port. */
static enum pp_err mix_case(struct pp_dns_lookup *l)
{
    uint8_t random[(sizeof l->name + 7) / 8];
    enum pp_err err = pp_random(random, sizeof random);
    for (size_t i = 0; l->name[i] != '\0' && err == PP_OK; i++) {
        char c = pp_ascii_lower(l->name[i]);
        bool upper = pp_ascii_is_alpha(c) && (random[i / 8] >> (i % 8) & 1) != 0;
        l->name[i] = (char)(upper ? c - 'a' + 'A' : c);
    }
    return err;
}

enum pp_err pp_dns_make_query(struct pp_dns_lookup *l, uint32_t i, uint8_t *out, size_t cap,
                              size_t *len)
{
    uint8_t id[2];
    enum pp_err err = pp_random(id, sizeof id);
    if (err != PP_OK)
        return err;
    l->questions[i].id = pp_be16_get(id);
    err = pp_dns_query(out, cap, len, l->questions[i].id, l->name, l->questions[i].type);
    if (err == PP_OK && l->questions[i].refusals > 0) {
        *len -= PP_DNS_EDNS_BYTES;
        pp_be16_put(out + 10, 0);
    }
    return err;
}

/* Ask what is open of the current server. False when it cannot be reached. */
static bool ask(struct pp_dns_lookup *l)
{
    uint8_t query[300];
    size_t len;
    const struct pp_port *port = port_of(l);
    enum pp_err err = mix_case(l);
    l->socket = port->datagram_open(port->ctx, &l->server);
    if (l->socket < 0) {
        l->socket = -1;
        return false;
    }
    for (uint32_t i = 0; i < l->count; i++) {
        if (l->questions[i].done || l->questions[i].by_tcp)
            continue;
        if (err == PP_OK)
            err = pp_dns_make_query(l, i, query, sizeof query, &len);
        if (err != PP_OK)
            give_up(l, err);
        else if (port->datagram_send(port->ctx, l->socket, query, len) < 0)
            return false;
    }
    return true;
}

/* Turn to the next server that can be reached. */
static void next_attempt(struct pp_dns_lookup *l, pp_time_ms now_ms)
{
    struct pp_address servers[PP_DNS_SERVERS];
    uint32_t count = list_servers(l->resolver, servers);
    bool asked = false;
    l->servers = count;
    while (!asked && l->failures < count) {
        close_socket(l);
        pp_dns_tcp_close(l);
        l->server = servers[l->attempt % count];
        if (l->server.port == 0)
            l->server.port = DNS_PORT;
        uint32_t round = l->attempt++ / count;
        l->resend_ms =
            pp_time_add(now_ms, FIRST_WAIT_MS << (round < DOUBLINGS_MAX ? round : DOUBLINGS_MAX));
        asked = ask(l);
        if (!asked)
            l->failures++;
    }
    if (!asked)
        give_up(l, PP_ERR_UNREACHABLE);
}

static void receive(struct pp_dns_lookup *l, pp_time_ms now_ms)
{
    uint8_t bytes[PP_DNS_MESSAGE_CAP];
    const struct pp_port *port = port_of(l);
    for (int k = 0; k < DATAGRAMS_MAX && l->socket >= 0; k++) {
        int n = port->datagram_receive(port->ctx, l->socket, bytes, sizeof bytes);
        if (n == 0)
            return;
        if (n < 0) { /* nobody listens there */
            close_socket(l);
            l->failures++;
            l->resend_ms = now_ms;
            return;
        }
        for (uint32_t i = 0; i < l->count; i++) {
            if (!l->questions[i].done && !l->questions[i].by_tcp)
                pp_dns_take_answer(l, i, bytes, (size_t)n, false, now_ms);
        }
    }
}

/* ---- the end ---- */

static void add_merged(struct pp_dns_answer *answer, const struct pp_dns_answer *found, uint32_t k)
{
    if (k >= found->count || answer->count >= PP_DNS_ADDRESSES)
        return;
    if (answer->count == 0) {
        answer->authentic = true;
        answer->ttl_s = UINT32_MAX;
        memcpy(answer->name, found->name, sizeof answer->name);
    }
    answer->addresses[answer->count++] = found->addresses[k];
    answer->authentic = answer->authentic && found->authentic;
    answer->ttl_s = found->ttl_s < answer->ttl_s ? found->ttl_s : answer->ttl_s;
}

/* Both families in turn, IPv6 first, which was asked last. */
static void merge(const struct pp_dns_lookup *l, struct pp_dns_answer *answer)
{
    for (uint32_t k = 0; k < PP_DNS_ADDRESSES; k++) {
        for (uint32_t i = l->count; i-- > 0;)
            add_merged(answer, &l->found[i], k);
    }
}

static enum pp_err finish(struct pp_dns_lookup *l, struct pp_dns_answer *answer)
{
    bool all_authentic = true;
    pp_dns_stop(l);
    l->error = PP_OK;
    for (uint32_t i = 0; i < l->count; i++) {
        enum pp_err err = l->questions[i].error;
        all_authentic = all_authentic && l->found[i].authentic;
        /* Not knowing outweighs knowing that there is none. */
        if (err != PP_OK && (l->error == PP_OK || l->error == PP_ERR_NOT_FOUND))
            l->error = err;
    }
    if (is_for_addresses(l))
        merge(l, answer);
    else
        *answer = l->found[0];
    if (answer->count > 0 || answer->unusable > 0) {
        l->error = PP_OK;
    } else {
        answer->authentic = all_authentic;
        l->error = l->error == PP_OK ? PP_ERR_NOT_FOUND : l->error;
    }
    return l->error;
}

enum pp_err pp_dns_poll(struct pp_dns_lookup *l, pp_time_ms now_ms, struct pp_dns_answer *answer)
{
    memset(answer, 0, sizeof *answer);
    if (!l->active)
        return PP_ERR_STATE;
    receive(l, now_ms);
    pp_dns_tcp_pump(l, now_ms);
    if (!is_open(l))
        return finish(l, answer);
    if (now_ms >= l->deadline_ms || (has_found(l) && now_ms >= l->resend_ms)) {
        give_up(l, l->failures > 0 ? PP_ERR_UNREACHABLE : PP_ERR_TIMEOUT);
        return finish(l, answer);
    }
    if (has_found(l) && now_ms >= pp_time_add(l->found_ms, RESOLUTION_DELAY_MS)) {
        merge(l, answer);
        return PP_OK;
    }
    if (now_ms >= l->resend_ms)
        next_attempt(l, now_ms);
    return !is_open(l) ? finish(l, answer) : PP_ERR_LATER;
}
