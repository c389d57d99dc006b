/*
 * dns_lookup.c - one name looked up over a port, without ever waiting
 *
 * Job:      both families over one datagram socket, servers in turn, TCP after a truncated answer.
 * Not here: messages (wire/dns.c), address texts (wire/dns_address.c).
 * Follows:  RFC 1035 7.2, RFC 7766 (TCP), RFC 5452 9.2 (new id and port each attempt), RFC 6761 6.3
 *
 * What does not fit our question is passed over, not counted as an answer: else anyone who can send
 * us a datagram could end a look-up.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/crypto.h"
#include "wire/dns.h"

#define DNS_PORT      53
#define SERVERS_MAX   4
#define FIRST_WAIT_MS 2000u
/* Waits double with each round over all servers, this often. */
#define DOUBLINGS_MAX 3
/* Datagrams looked at in one call. */
#define DATAGRAMS_MAX 16

static const enum pp_dns_type types[2] = {PP_DNS_A, PP_DNS_AAAA};

static bool wants(const struct pp_dns_lookup *l, size_t i)
{
    return l->family == 0 || l->family == (i == 0 ? 4 : 6);
}

static void close_socket(struct pp_dns_lookup *l)
{
    if (l->socket >= 0)
        l->port->datagram_close(l->port->ctx, l->socket);
    l->socket = -1;
}

static void close_stream(struct pp_dns_lookup *l)
{
    if (l->stream >= 0)
        l->port->stream_close(l->port->ctx, l->stream);
    l->stream = -1;
}

void pp_dns_stop(struct pp_dns_lookup *l)
{
    if (!l->active)
        return;
    close_socket(l);
    close_stream(l);
    l->active = false;
}

pp_time_ms pp_dns_deadline_ms(const struct pp_dns_lookup *l)
{
    return l->active ? pp_time_min(l->resend_ms, l->deadline_ms) : PP_TIME_NEVER;
}

static void add_found(struct pp_dns_lookup *l, size_t i, const struct pp_address *address)
{
    struct pp_dns_answer *found = &l->found[i];
    if (wants(l, i) && found->count < PP_DNS_ADDRESSES)
        found->addresses[found->count++] = *address;
}

/* Names that need no server. True when the answer, perhaps an empty one, is there. */
static bool answer_at_once(struct pp_dns_lookup *l)
{
    struct pp_address addresses[PP_DNS_ADDRESSES] = {{0}};
    if (pp_address_parse(pp_text_z(l->name), &addresses[0])) {
        add_found(l, addresses[0].family == 4 ? 0 : 1, &addresses[0]);
        return true;
    }
    if (pp_dns_is_localhost(l->name)) {
        add_found(l, 0, &(struct pp_address){.family = 4, .ip = {127, 0, 0, 1}});
        add_found(l, 1, &(struct pp_address){.family = 6, .ip = {[15] = 1}});
        return true;
    }
    for (size_t i = 0; i < 2 && l->port->hosts != NULL; i++) {
        unsigned count =
            l->port->hosts(l->port->ctx, l->name, i == 0 ? 4 : 6, addresses, PP_DNS_ADDRESSES);
        for (unsigned k = 0; k < count && k < PP_DNS_ADDRESSES; k++)
            add_found(l, i, &addresses[k]);
    }
    return l->found[0].count + l->found[1].count > 0;
}

enum pp_err pp_dns_start(struct pp_dns_lookup *l, const struct pp_port *port, const char *name_z,
                         uint8_t family, uint32_t timeout_ms, pp_time_ms now_ms)
{
    size_t len = strlen(name_z), query_len;
    memset(l, 0, sizeof *l);
    l->socket = l->stream = -1;
    l->port = port;
    l->family = family;
    if (len > 1 && name_z[len - 1] == '.')
        len--;
    if (len == 0 || len >= sizeof l->name)
        return PP_ERR_SYNTAX;
    memcpy(l->name, name_z, len);
    l->name[len] = '\0';
    if (!answer_at_once(l)) {
        enum pp_err err =
            pp_dns_query(l->message, sizeof l->message, &query_len, 0, l->name, PP_DNS_A);
        if (err != PP_OK)
            return err;
        l->query[0].wanted = wants(l, 0);
        l->query[1].wanted = wants(l, 1);
    }
    l->deadline_ms = pp_time_add(now_ms, timeout_ms);
    l->resend_ms = now_ms;
    l->active = true;
    return PP_OK;
}

static bool is_open(const struct pp_dns_lookup *l, size_t i)
{
    return l->query[i].wanted && !l->query[i].done;
}

static void give_up(struct pp_dns_lookup *l, enum pp_err err)
{
    for (size_t i = 0; i < 2; i++) {
        if (is_open(l, i)) {
            l->query[i].done = true;
            l->query[i].error = err;
        }
    }
}

/* The server did not serve query `i`: the next one is asked, until each had its turn. */
static void refused(struct pp_dns_lookup *l, size_t i, pp_time_ms now_ms)
{
    uint32_t turns = l->servers < 2 ? 2 : l->servers;
    l->query[i].truncated = false;
    if (++l->query[i].refusals >= turns) {
        l->query[i].done = true;
        l->query[i].error = PP_ERR_REFUSED;
    } else {
        l->resend_ms = now_ms;
    }
}

static void take_answer(struct pp_dns_lookup *l, size_t i, const uint8_t *bytes, size_t len,
                        bool over_tcp, pp_time_ms now_ms)
{
    struct pp_dns_answer answer;
    enum pp_err err = pp_dns_response(bytes, len, l->query[i].id, l->name, types[i], &answer);
    if (err == PP_ERR_STATE && !over_tcp)
        return;
    l->failures = 0;
    if (err == PP_OK || err == PP_ERR_NOT_FOUND) {
        l->found[i] = answer;
        l->query[i].done = true;
        l->query[i].error = err;
    } else if (err == PP_ERR_TOO_BIG && !over_tcp) {
        l->query[i].truncated = true;
    } else {
        refused(l, i, now_ms);
    }
}

/* A query with a fresh id; after a refusal without EDNS, which old servers do not know. */
static enum pp_err make_query(struct pp_dns_lookup *l, size_t i, uint8_t *out, size_t cap,
                              size_t *len)
{
    uint8_t id[2];
    enum pp_err err = pp_random(id, sizeof id);
    if (err != PP_OK)
        return err;
    l->query[i].id = pp_be16_get(id);
    err = pp_dns_query(out, cap, len, l->query[i].id, l->name, types[i]);
    if (err == PP_OK && l->query[i].refusals > 0) {
        *len -= 11; /* the record of EDNS, which stands last */
        pp_be16_put(out + 10, 0);
    }
    return err;
}

/* Ask what is open of the current server. False when it cannot be reached. */
static bool ask(struct pp_dns_lookup *l)
{
    uint8_t query[300];
    size_t len;
    l->socket = l->port->datagram_open(l->port->ctx, &l->server);
    if (l->socket < 0) {
        l->socket = -1;
        return false;
    }
    for (size_t i = 0; i < 2; i++) {
        if (!is_open(l, i) || l->query[i].truncated)
            continue;
        enum pp_err err = make_query(l, i, query, sizeof query, &len);
        if (err != PP_OK)
            give_up(l, err);
        else if (l->port->datagram_send(l->port->ctx, l->socket, query, len) < 0)
            return false;
    }
    return true;
}

/* Turn to the next server that can be reached. */
static void next_attempt(struct pp_dns_lookup *l, pp_time_ms now_ms)
{
    struct pp_address servers[SERVERS_MAX];
    unsigned count = l->port->name_servers(l->port->ctx, servers, SERVERS_MAX);
    bool asked = false;
    if (count > SERVERS_MAX)
        count = SERVERS_MAX;
    l->servers = count;
    while (!asked && l->failures < count) {
        close_socket(l);
        close_stream(l);
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
    for (int k = 0; k < DATAGRAMS_MAX && l->socket >= 0; k++) {
        int n = l->port->datagram_receive(l->port->ctx, l->socket, bytes, sizeof bytes);
        if (n == 0)
            return;
        if (n < 0) { /* nobody listens there */
            close_socket(l);
            l->failures++;
            l->resend_ms = now_ms;
            return;
        }
        for (size_t i = 0; i < 2; i++) {
            if (is_open(l, i) && !l->query[i].truncated)
                take_answer(l, i, bytes, (size_t)n, false, now_ms);
        }
    }
}

static void tcp_begin(struct pp_dns_lookup *l, size_t i, pp_time_ms now_ms)
{
    size_t len;
    if (make_query(l, i, l->message + 2, sizeof l->message - 2, &len) != PP_OK) {
        refused(l, i, now_ms);
        return;
    }
    pp_be16_put(l->message, (uint16_t)len);
    l->tcp_query = (uint8_t)i;
    l->tcp_sending = true;
    l->tcp_len = (uint16_t)(len + 2);
    l->tcp_pos = 0;
    l->stream = l->port->stream_connect(l->port->ctx, &l->server);
    if (l->stream < 0) {
        l->stream = -1;
        refused(l, i, now_ms);
        return;
    }
    l->port->stream_watch(l->port->ctx, l->stream, false, true);
}

/* < 0: the stream failed. */
static int tcp_send(struct pp_dns_lookup *l)
{
    while (l->tcp_pos < l->tcp_len) {
        int n = l->port->stream_write(l->port->ctx, l->stream, l->message + l->tcp_pos,
                                      (size_t)(l->tcp_len - l->tcp_pos));
        if (n <= 0)
            return n;
        l->tcp_pos = (uint16_t)(l->tcp_pos + n);
    }
    l->tcp_sending = false;
    l->tcp_len = 2; /* the length comes first */
    l->tcp_pos = 0;
    l->port->stream_watch(l->port->ctx, l->stream, true, false);
    return 0;
}

/* 1: all of the answer, or as much of it as we have room for, is there. */
static int tcp_receive(struct pp_dns_lookup *l)
{
    while (l->tcp_pos < l->tcp_len) {
        int n = l->port->stream_read(l->port->ctx, l->stream, l->message + l->tcp_pos,
                                     (size_t)(l->tcp_len - l->tcp_pos));
        if (n <= 0)
            return n;
        l->tcp_pos = (uint16_t)(l->tcp_pos + n);
        if (l->tcp_pos == 2) {
            size_t len = pp_be16_get(l->message);
            l->tcp_len = (uint16_t)(2 + (len < PP_DNS_MESSAGE_CAP ? len : PP_DNS_MESSAGE_CAP));
        }
    }
    return 1;
}

static void pump_tcp(struct pp_dns_lookup *l, pp_time_ms now_ms)
{
    int ret = 0;
    for (size_t i = 0; i < 2 && l->stream < 0; i++) {
        if (is_open(l, i) && l->query[i].truncated)
            tcp_begin(l, i, now_ms);
    }
    if (l->stream < 0)
        return;
    if (l->tcp_sending)
        ret = tcp_send(l);
    if (ret == 0 && !l->tcp_sending)
        ret = tcp_receive(l);
    if (ret == 0)
        return;
    close_stream(l);
    if (ret < 0)
        refused(l, l->tcp_query, now_ms);
    else
        take_answer(l, l->tcp_query, l->message + 2, (size_t)(l->tcp_len - 2), true, now_ms);
}

/* Both families in turn, IPv6 first. */
static void merge(const struct pp_dns_lookup *l, struct pp_dns_answer *answer)
{
    answer->ttl_s = UINT32_MAX;
    for (uint32_t k = 0; k < PP_DNS_ADDRESSES; k++) {
        for (size_t f = 2; f-- > 0;) {
            const struct pp_dns_answer *found = &l->found[f];
            if (k >= found->count || answer->count >= PP_DNS_ADDRESSES)
                continue;
            answer->addresses[answer->count++] = found->addresses[k];
            if (found->ttl_s < answer->ttl_s)
                answer->ttl_s = found->ttl_s;
        }
    }
}

static enum pp_err finish(struct pp_dns_lookup *l, struct pp_dns_answer *answer)
{
    pp_dns_stop(l);
    l->error = PP_OK;
    for (size_t i = 0; i < 2; i++) {
        enum pp_err err = l->query[i].error;
        /* Not knowing outweighs knowing that there is none. */
        if (err != PP_OK && (l->error == PP_OK || l->error == PP_ERR_NOT_FOUND))
            l->error = err;
    }
    merge(l, answer);
    if (answer->count > 0)
        l->error = PP_OK;
    else if (l->error == PP_OK)
        l->error = PP_ERR_NOT_FOUND;
    return l->error;
}

enum pp_err pp_dns_poll(struct pp_dns_lookup *l, pp_time_ms now_ms, struct pp_dns_answer *answer)
{
    memset(answer, 0, sizeof *answer);
    if (!l->active)
        return PP_ERR_STATE;
    receive(l, now_ms);
    pump_tcp(l, now_ms);
    if (!is_open(l, 0) && !is_open(l, 1))
        return finish(l, answer);
    bool found = l->found[0].count + l->found[1].count > 0;
    if (now_ms >= l->deadline_ms || (found && now_ms >= l->resend_ms)) {
        give_up(l, l->failures > 0 ? PP_ERR_UNREACHABLE : PP_ERR_TIMEOUT);
        return finish(l, answer);
    }
    if (now_ms >= l->resend_ms)
        next_attempt(l, now_ms);
    return !is_open(l, 0) && !is_open(l, 1) ? finish(l, answer) : PP_ERR_LATER;
}
