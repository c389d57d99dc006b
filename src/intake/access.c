/*
 * access.c - who may come in, and how much
 *
 * Job:      see access.h.
 * Not here: what a client is told.
 */
#include "intake/access.h"

#include <string.h>

#include "base/crypto.h"

#define HOUR_MS     UINT64_C(3600000)
#define WAIT_MAX_MS 30000u

/* ---- addresses ---- */

/* IPv4, also when it is mapped into IPv6 (RFC 4291 2.5.5.2): its four octets, or NULL. */
static const uint8_t *ipv4_of(const struct pp_address *address)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

    if (address->family == 4) {
        return address->ip;
    }
    return address->family == 6 && memcmp(address->ip, mapped, sizeof(mapped)) == 0
               ? address->ip + sizeof(mapped)
               : NULL;
}

static bool has_prefix(const uint8_t *ip, const uint8_t *network, unsigned prefix)
{
    unsigned whole = prefix / 8, bits = prefix % 8;
    uint8_t mask = (uint8_t)(0xFF00u >> bits);

    return memcmp(ip, network, whole) == 0 &&
           (bits == 0 || ((ip[whole] ^ network[whole]) & mask) == 0);
}

bool pp_access_is_trusted(const struct pp_listener_config *listener,
                          const struct pp_address *address)
{
    const uint8_t *ipv4 = ipv4_of(address);

    for (uint32_t i = 0; i < listener->network_count && address->family != 0; i++) {
        const struct pp_network *network = &listener->networks[i];
        const uint8_t *ip = network->family == 4 ? ipv4 : ipv4 == NULL ? address->ip : NULL;

        if (ip != NULL && has_prefix(ip, network->ip, network->prefix)) {
            return true;
        }
    }
    return false;
}

/* ---- clients ---- */

static bool is_local(const struct pp_address *address)
{
    return address->family == 0;
}

static void put_key(const struct pp_address *address, uint8_t key[PP_TABLE_KEY_BYTES])
{
    const uint8_t *ipv4 = ipv4_of(address);

    memset(key, 0, PP_TABLE_KEY_BYTES);
    key[0] = ipv4 != NULL ? 4 : 6;
    memcpy(key + 8, ipv4 != NULL ? ipv4 : address->ip, ipv4 != NULL ? 4 : 8);
}

static bool is_free(const struct pp_access_client *c)
{
    return c->key[0] == 0;
}

static bool is_locked(const struct pp_access *a, const struct pp_access_client *c,
                      pp_time_ms now_ms)
{
    const struct pp_server_config *server = &a->config->server;

    return server->lockout_failures > 0 && c->failures >= server->lockout_failures &&
           now_ms < pp_time_add(c->failed_ms, server->lockout_ms);
}

/* Does `a` give way before `b`? */
static bool gives_way(const struct pp_access *access, const struct pp_access_client *a,
                      const struct pp_access_client *b, pp_time_ms now_ms)
{
    bool a_locked = is_locked(access, a, now_ms), b_locked = is_locked(access, b, now_ms);

    return a_locked != b_locked ? b_locked : a->seen_ms < b->seen_ms;
}

static struct pp_access_client *find(struct pp_access *a, const uint8_t *key)
{
    if (PP_ACCESS_TABLE) {
        uint32_t slot = pp_table_get(&a->by_key, key);
        return slot != PP_TABLE_NONE ? &a->clients[slot] : NULL;
    }
    for (uint32_t i = 0; i < PP_ACCESS_CLIENTS; i++) {
        if (memcmp(a->clients[i].key, key, PP_TABLE_KEY_BYTES) == 0) {
            return &a->clients[i];
        }
    }
    return NULL;
}

/* A slot for who was not known: a free one, or whose owner is to be forgotten; NULL: all have
 * connections. */
static struct pp_access_client *make_room(struct pp_access *a, pp_time_ms now_ms)
{
    struct pp_access_client *best = NULL;

    for (uint32_t i = 0; i < PP_ACCESS_CLIENTS; i++) {
        struct pp_access_client *c = &a->clients[i];

        if (is_free(c)) {
            return c;
        }
        if (c->connections == 0 && (best == NULL || gives_way(a, c, best, now_ms))) {
            best = c;
        }
    }
    if (best != NULL && PP_ACCESS_TABLE) {
        pp_table_remove(&a->by_key, best->key);
    }
    return best;
}

/* Its slot, or one for it; NULL: all have connections. */
static struct pp_access_client *find_or_add(struct pp_access *a, const uint8_t *key,
                                            pp_time_ms now_ms)
{
    struct pp_access_client *c = find(a, key);

    if (c != NULL) {
        return c;
    }
    c = make_room(a, now_ms);
    if (c == NULL) {
        return NULL;
    }
    memset(c, 0, sizeof(*c));
    if (PP_ACCESS_TABLE && pp_table_put(&a->by_key, key, (uint32_t)(c - a->clients)) != PP_OK) {
        return NULL; /* as many nodes as slots: does not happen */
    }
    memcpy(c->key, key, PP_TABLE_KEY_BYTES);
    return c;
}

enum pp_err pp_access_init(struct pp_access *a, const struct pp_config *config)
{
    uint8_t secret[16];
    enum pp_err err = pp_random(secret, sizeof(secret));

    a->config = config;
    a->connections = 0;
    memset(a->clients, 0, sizeof(a->clients));
    memset(a->users, 0, sizeof(a->users));
    if (err == PP_OK && PP_ACCESS_TABLE) {
        err = pp_table_init(&a->by_key, a->by_key_memory, sizeof(a->by_key_memory),
                            PP_ACCESS_CLIENTS, PP_ACCESS_BUCKETS, secret);
    }
    return err;
}

void pp_access_configure(struct pp_access *a, const struct pp_config *config)
{
    a->config = config;
    memset(a->users, 0, sizeof(a->users));
}

enum pp_err pp_access_enter(struct pp_access *a, const struct pp_address *address,
                            pp_time_ms now_ms, uint32_t *client)
{
    const struct pp_server_config *server = &a->config->server;
    uint8_t key[PP_TABLE_KEY_BYTES];

    *client = PP_ACCESS_NONE;
    if (is_local(address)) {
        return PP_OK;
    }
    put_key(address, key);
    /* First: nobody is forgotten for who does not get in. */
    if (a->connections >= server->connections) {
        return PP_ERR_DRY;
    }
    struct pp_access_client *c = find_or_add(a, key, now_ms);
    if (c == NULL ||
        (server->connections_a_client > 0 && c->connections >= server->connections_a_client)) {
        return PP_ERR_DRY;
    }
    c->seen_ms = now_ms;
    if (is_locked(a, c, now_ms)) {
        return PP_ERR_DENIED;
    }
    c->connections++;
    a->connections++;
    *client = (uint32_t)(c - a->clients);
    return PP_OK;
}

void pp_access_leave(struct pp_access *a, uint32_t client, pp_time_ms now_ms)
{
    if (client < PP_ACCESS_CLIENTS && a->clients[client].connections > 0) {
        a->clients[client].connections--;
        a->clients[client].seen_ms = now_ms;
        a->connections--;
    }
}

/* ---- logins ---- */

uint32_t pp_access_login_failed(struct pp_access *a, uint32_t client, pp_time_ms now_ms)
{
    const struct pp_server_config *server = &a->config->server;
    uint64_t wait_ms = server->failed_login_ms;

    if (client >= PP_ACCESS_CLIENTS) {
        return server->failed_login_ms;
    }
    struct pp_access_client *c = &a->clients[client];
    /* What is long ago is forgotten. */
    if (now_ms >= pp_time_add(c->failed_ms, server->lockout_ms)) {
        c->failures = 0;
    }
    for (uint32_t i = 0; i < c->failures && wait_ms < WAIT_MAX_MS; i++) {
        wait_ms *= 2;
    }
    c->failures++;
    c->failed_ms = now_ms;
    return wait_ms < WAIT_MAX_MS ? (uint32_t)wait_ms : WAIT_MAX_MS;
}

void pp_access_login_worked(struct pp_access *a, uint32_t client)
{
    if (client < PP_ACCESS_CLIENTS) {
        a->clients[client].failures = 0;
    }
}

bool pp_access_is_locked(const struct pp_access *a, uint32_t client, pp_time_ms now_ms)
{
    return client < PP_ACCESS_CLIENTS && is_locked(a, &a->clients[client], now_ms);
}

/* ---- senders ---- */

uint32_t pp_access_find_user(const struct pp_config *config, struct pp_text name)
{
    for (uint32_t i = 0; i < config->user_count; i++) {
        if (pp_text_equal(pp_text_z(config->users[i].name), name)) {
            return i;
        }
    }
    return PP_ACCESS_NONE;
}

/* The @ before the domain; text.len: none. */
static size_t last_at(struct pp_text address)
{
    size_t at = address.len;

    while (at > 0 && address.p[at - 1] != '@') {
        at--;
    }
    return at > 0 ? at - 1 : address.len;
}

static bool matches(struct pp_text pattern, struct pp_text sender)
{
    size_t a = last_at(pattern), b = last_at(sender);

    if (pp_text_equal(pattern, pp_text_z("*"))) {
        return true;
    }
    if (a == pattern.len || b == sender.len) {
        return pp_text_equal(pattern, sender); /* bare local parts */
    }
    return (pp_text_equal(pp_text_n(pattern.p, a), pp_text_z("*")) ||
            pp_text_equal(pp_text_n(pattern.p, a), pp_text_n(sender.p, b))) &&
           pp_text_equal_nocase(pp_text_n(pattern.p + a, pattern.len - a),
                                pp_text_n(sender.p + b, sender.len - b));
}

bool pp_access_may_send_as(const struct pp_config *config, struct pp_text name,
                           struct pp_text sender)
{
    uint32_t user = pp_access_find_user(config, name);
    struct pp_text rest = pp_text_z(user != PP_ACCESS_NONE ? config->users[user].senders : "");

    if (sender.len == 0) {
        return true;
    }
    if (rest.len == 0) {
        return matches(pp_text_z(config->identity.from), sender) ||
               (last_at(name) < name.len && matches(name, sender));
    }
    while (rest.len > 0) {
        if (matches(pp_text_trim(pp_text_cut(&rest, ',')), sender)) {
            return true;
        }
    }
    return false;
}

/* ---- quotas ---- */

static struct pp_access_quota *quota_of(struct pp_access *a, uint32_t user, uint32_t client)
{
    if (user < PP_USERS) {
        return &a->users[user];
    }
    return client < PP_ACCESS_CLIENTS ? &a->clients[client].quota : NULL;
}

static void turn_hour(struct pp_access_quota *q, pp_time_ms now_ms)
{
    uint64_t hours = now_ms < q->hour_ms ? 0 : (now_ms - q->hour_ms) / HOUR_MS;

    if (hours == 0) {
        return;
    }
    q->former_messages = hours == 1 ? q->messages : 0;
    q->former_recipients = hours == 1 ? q->recipients : 0;
    q->former_bytes = hours == 1 ? q->bytes : 0;
    q->messages = q->recipients = 0;
    q->bytes = 0;
    q->hour_ms = q->hour_ms == 0 && hours > 1 ? now_ms : q->hour_ms + hours * HOUR_MS;
}

/* `part` of an hour in thousandths is left of the former one. */
static bool fits(uint64_t former, uint64_t part, uint64_t so_far, uint64_t more, uint64_t limit)
{
    uint64_t old = former / 1000 * part + former % 1000 * part / 1000;

    return limit == 0 || (more <= limit && old <= limit - more && so_far <= limit - more - old);
}

enum pp_err pp_access_quota(struct pp_access *a, uint32_t user, uint32_t client, uint32_t messages,
                            uint32_t recipients, uint64_t bytes, pp_time_ms now_ms)
{
    const struct pp_server_config *all = &a->config->server;
    const struct pp_user_config *own =
        user < a->config->user_count ? &a->config->users[user] : NULL;
    struct pp_access_quota *q = quota_of(a, user, client);

    if (q == NULL) {
        return PP_OK;
    }
    turn_hour(q, now_ms);
    uint64_t part = 1000 - (now_ms - q->hour_ms) * 1000 / HOUR_MS;
    bool has_own_messages = own != NULL && own->messages_an_hour > 0;
    bool has_own_recipients = own != NULL && own->recipients_an_hour > 0;
    bool has_own_bytes = own != NULL && own->bytes_an_hour > 0;
    return fits(q->former_messages, part, q->messages, messages,
                has_own_messages ? own->messages_an_hour : all->messages_an_hour) &&
                   fits(q->former_recipients, part, q->recipients, recipients,
                        has_own_recipients ? own->recipients_an_hour : all->recipients_an_hour) &&
                   fits(q->former_bytes, part, q->bytes, bytes,
                        has_own_bytes ? own->bytes_an_hour : all->bytes_an_hour)
               ? PP_OK
               : PP_ERR_LIMIT;
}

void pp_access_count(struct pp_access *a, uint32_t user, uint32_t client, uint32_t messages,
                     uint32_t recipients, uint64_t bytes, pp_time_ms now_ms)
{
    struct pp_access_quota *q = quota_of(a, user, client);

    if (q != NULL) {
        turn_hour(q, now_ms);
        q->messages += messages;
        q->recipients += recipients;
        q->bytes += bytes;
    }
}
