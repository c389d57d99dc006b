/*
 * dial.h - one connection out of several addresses
 *
 * Job:      begin with the first address, and with the next a moment later while nobody has
 *           answered; who connects first is taken, the others are closed.
 * Not here: where addresses come from (delivery/reach.h), what is said (delivery/path.h).
 * Follows:  RFC 8305 4 and 5: families in turn, IPv6 first, 250 ms between two attempts; two at
 *           once at the most
 */
#ifndef PP_DELIVERY_DIAL_H
#define PP_DELIVERY_DIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/time.h"
#include "port.h"
#include "profile.h"

#define PP_DIAL_DELAY_MS 250u
#define PP_DIAL_AT_ONCE  2

struct pp_dial_attempt {
    int stream; /* -1: none */
    uint32_t address;
    pp_time_ms begun_ms;
};

struct pp_dial {
    const struct pp_port *port;
    uint32_t connect_ms;  /* for each address */
    uint32_t count, next; /* addresses, and the first that was not tried */
    pp_time_ms next_at_ms;
    enum pp_err error;    /* of the last attempt that failed */
    uint32_t connected;   /* index of the address that answered */
    bool ipv6_was_slower; /* IPv4 connected while IPv6 did not, or had failed */
    struct pp_address addresses[PP_DNS_ADDRESSES]; /* with their port */
    struct pp_dial_attempt attempts[PP_DIAL_AT_ONCE];
};

void pp_dial_begin(struct pp_dial *d, const struct pp_port *port, uint32_t connect_ms);
/* One more address; one that is there already, or has no room, is left out. */
void pp_dial_add(struct pp_dial *d, const struct pp_address *address);
/* Let IPv4 go first: IPv6 was slower a moment ago. Before the first pump. */
void pp_dial_prefer_ipv4(struct pp_dial *d);
/*
 * PP_OK: *stream is connected and the caller's, d->connected its address. PP_ERR_LATER.
 * PP_ERR_EMPTY: all were tried; d->error is why the last one failed. Called again after PP_OK it
 * goes on with what was not tried.
 */
PP_MUST_USE enum pp_err pp_dial_pump(struct pp_dial *d, pp_time_ms now_ms, int *stream);
bool pp_dial_has_more(const struct pp_dial *d);
pp_time_ms pp_dial_deadline_ms(const struct pp_dial *d);
/* Close what is under way. */
void pp_dial_stop(struct pp_dial *d);

#endif
