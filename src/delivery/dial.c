/*
 * dial.c - one connection out of several addresses
 *
 * Job:      see dial.h.
 */
#include "delivery/dial.h"

#include <string.h>

#include "wire/link.h"

void pp_dial_begin(struct pp_dial *d, const struct pp_port *port, uint32_t connect_ms)
{
    d->port = port;
    d->connect_ms = connect_ms;
    d->count = d->next = d->connected = 0;
    d->next_at_ms = 0;
    d->error = PP_ERR_UNREACHABLE;
    d->ipv6_was_slower = false;
    for (size_t i = 0; i < PP_DIAL_AT_ONCE; i++) {
        d->attempts[i].stream = -1;
    }
}

static bool is_same(const struct pp_address *a, const struct pp_address *b)
{
    return a->family == b->family && a->port == b->port && a->scope == b->scope &&
           memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

void pp_dial_add(struct pp_dial *d, const struct pp_address *address)
{
    for (uint32_t i = 0; i < d->count; i++) {
        if (is_same(&d->addresses[i], address)) {
            return;
        }
    }
    if (d->count < PP_DNS_ADDRESSES) {
        d->addresses[d->count++] = *address;
    }
}

/* Stable: within a family the order stays. */
void pp_dial_prefer_ipv4(struct pp_dial *d)
{
    for (uint32_t i = 1; i < d->count; i++) {
        struct pp_address address = d->addresses[i];
        uint32_t at = i;

        /* The first of IPv4 goes to the front; from there on families take turns as before. */
        if (address.family != 4) {
            continue;
        }
        for (; at > 0; at--) {
            d->addresses[at] = d->addresses[at - 1];
        }
        d->addresses[0] = address;
        return;
    }
}

static void close_attempt(struct pp_dial *d, struct pp_dial_attempt *attempt)
{
    if (attempt->stream >= 0) {
        d->port->stream_close(d->port->ctx, attempt->stream);
    }
    attempt->stream = -1;
}

void pp_dial_stop(struct pp_dial *d)
{
    for (size_t i = 0; i < PP_DIAL_AT_ONCE && d->port != NULL; i++) {
        close_attempt(d, &d->attempts[i]);
    }
}

static void note_failed(struct pp_dial *d, uint32_t address, enum pp_err why, pp_time_ms now_ms)
{
    d->error = why;
    d->ipv6_was_slower |= d->addresses[address].family == 6;
    d->next_at_ms = now_ms; /* nobody has to wait for this one */
}

/* The index of the attempt that connected, or -1. */
static int look(struct pp_dial *d, pp_time_ms now_ms)
{
    for (int i = 0; i < PP_DIAL_AT_ONCE; i++) {
        struct pp_dial_attempt *attempt = &d->attempts[i];

        if (attempt->stream < 0) {
            continue;
        }
        int ret = d->port->stream_connected(d->port->ctx, attempt->stream);
        if (ret > 0) {
            return i;
        }
        bool late = now_ms >= pp_time_add(attempt->begun_ms, d->connect_ms);
        if (ret < 0 || late) {
            close_attempt(d, attempt);
            note_failed(d, attempt->address, ret < 0 ? pp_link_error(ret) : PP_ERR_TIMEOUT, now_ms);
        }
    }
    return -1;
}

static bool is_under_way(const struct pp_dial *d)
{
    for (size_t i = 0; i < PP_DIAL_AT_ONCE; i++) {
        if (d->attempts[i].stream >= 0) {
            return true;
        }
    }
    return false;
}

static struct pp_dial_attempt *free_attempt(struct pp_dial *d)
{
    for (size_t i = 0; i < PP_DIAL_AT_ONCE; i++) {
        if (d->attempts[i].stream < 0) {
            return &d->attempts[i];
        }
    }
    return NULL;
}

static void begin_next(struct pp_dial *d, pp_time_ms now_ms)
{
    struct pp_dial_attempt *attempt = free_attempt(d);
    bool due = now_ms >= d->next_at_ms || !is_under_way(d);

    while (attempt != NULL && attempt->stream < 0 && due && d->next < d->count) {
        uint32_t address = d->next++;
        int stream = d->port->stream_connect(d->port->ctx, &d->addresses[address]);

        if (stream < 0) {
            note_failed(d, address, pp_link_error(stream), now_ms);
            continue;
        }
        *attempt = (struct pp_dial_attempt){stream, address, now_ms};
        d->port->stream_watch(d->port->ctx, stream, false, true);
        d->next_at_ms = pp_time_add(now_ms, PP_DIAL_DELAY_MS);
    }
}

static enum pp_err take(struct pp_dial *d, int winner, int *stream)
{
    *stream = d->attempts[winner].stream;
    d->connected = d->attempts[winner].address;
    d->attempts[winner].stream = -1;
    for (int i = 0; i < PP_DIAL_AT_ONCE; i++) {
        struct pp_dial_attempt *other = &d->attempts[i];

        if (other->stream < 0) {
            continue;
        }
        d->ipv6_was_slower |= d->addresses[other->address].family == 6;
        close_attempt(d, other);
    }
    d->ipv6_was_slower = d->ipv6_was_slower && d->addresses[d->connected].family == 4;
    return PP_OK;
}

enum pp_err pp_dial_pump(struct pp_dial *d, pp_time_ms now_ms, int *stream)
{
    int winner = look(d, now_ms);

    *stream = -1;
    if (winner < 0) {
        begin_next(d, now_ms);
        winner = look(d, now_ms); /* on the same machine it is there at once */
    }
    if (winner >= 0) {
        return take(d, winner, stream);
    }
    return is_under_way(d) || d->next < d->count ? PP_ERR_LATER : PP_ERR_EMPTY;
}

bool pp_dial_has_more(const struct pp_dial *d)
{
    return d->next < d->count;
}

pp_time_ms pp_dial_deadline_ms(const struct pp_dial *d)
{
    pp_time_ms at_ms = PP_TIME_NEVER;
    bool has_room = false;

    for (size_t i = 0; i < PP_DIAL_AT_ONCE; i++) {
        const struct pp_dial_attempt *attempt = &d->attempts[i];

        if (attempt->stream < 0) {
            has_room = true;
        } else {
            at_ms = pp_time_min(at_ms, pp_time_add(attempt->begun_ms, d->connect_ms));
        }
    }
    return has_room && d->next < d->count ? pp_time_min(at_ms, d->next_at_ms) : at_ms;
}
