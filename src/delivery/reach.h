/*
 * reach.h - from the name of a smarthost to a connection with one of its servers
 *
 * Job:      the look-ups in their order (MX or SRV, addresses, TLSA), then a connection to one of
 *           the addresses; server after server where a domain has several.
 * Not here: one look-up (wire/dns_lookup.h), one server's addresses (delivery/dial.h), what TLSA
 *           records mean (wire/tls_policy.h), what is said on the connection (delivery/path.h).
 * Follows:  RFC 5321 5.1 (MX), RFC 7505 (null MX), RFC 6186 and 8314 5.1 (SRV), RFC 2782 (weights),
 *           RFC 7672 2.2 and 3 (when TLSA records are asked for, and of which name)
 */
#ifndef PP_DELIVERY_REACH_H
#define PP_DELIVERY_REACH_H

#include <stdbool.h>

#include "config.h"
#include "delivery/dial.h"
#include "delivery/verdict.h"
#include "wire/dns_lookup.h"

enum pp_reach_state {
    PP_REACH_IDLE,
    PP_REACH_SERVERS,   /* MX or SRV of the domain */
    PP_REACH_ADDRESSES, /* of one server */
    PP_REACH_TLSA,
    PP_REACH_FOUND, /* all is known of this server: pp_reach_dial() goes on */
    PP_REACH_DIALING,
    PP_REACH_FAILED
};

struct pp_reach {
    struct pp_resolver *resolver;
    const struct pp_smarthost_config *smarthost; /* the caller's */
    uint32_t dns_ms;
    enum pp_reach_state state;
    struct pp_dns_lookup lookup;
    uint32_t server_count, server_next;
    struct pp_dns_service servers[PP_DNS_SERVICES];
    bool servers_authentic; /* DNSSEC vouches for their names, or nobody had to be asked */
    char server[PP_NAME_CAP];
    uint16_t port;
    bool tlsa_known; /* TLSA records were asked for */
    struct pp_tlsa_set tlsa;
    char tlsa_base[PP_NAME_CAP];     /* the name they were asked for */
    char canonical[PP_DNS_HOST_CAP]; /* what the server's name is an alias of, by DNSSEC; or "" */
    struct pp_dial dial;
    enum pp_stage stage; /* when it failed */
    const char *words_z;
};

/* `smarthost` stays as it is until the end. What fails at once shows at the first pump. */
void pp_reach_start(struct pp_reach *r, struct pp_resolver *resolver,
                    const struct pp_smarthost_config *smarthost, const struct pp_timeouts *timeouts,
                    pp_time_ms now_ms);
/*
 * PP_ERR_LATER: look at `state`; FOUND waits for pp_reach_dial(). PP_OK: *stream is connected, and
 * the caller's. Other errors: no server is left, `stage` and `words_z` say why the last one failed.
 * Called again after PP_OK it goes on with the next address or server.
 */
PP_MUST_USE enum pp_err pp_reach_pump(struct pp_reach *r, pp_time_ms now_ms, int *stream);
/* Connect to the server that was found. */
void pp_reach_dial(struct pp_reach *r);
/* Do not: on to the next server, or all has failed with these words. */
void pp_reach_refuse(struct pp_reach *r, enum pp_stage stage, const char *words_z,
                     pp_time_ms now_ms);
/* The same address again, on a new connection. */
void pp_reach_again(struct pp_reach *r);
bool pp_reach_has_more(const struct pp_reach *r);
const struct pp_address *pp_reach_address(const struct pp_reach *r); /* the one that answered */
pp_time_ms pp_reach_deadline_ms(const struct pp_reach *r);
void pp_reach_stop(struct pp_reach *r);

#endif
