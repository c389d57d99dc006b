/*
 * dns_lookup.h - one question put to name servers over a port, without ever waiting
 *
 * Job:      servers in turn, a new id, port and case of letters each time, TCP after a truncated
 *           answer; what was answered before comes from the cache. The loop never waits on it.
 * Not here: messages (wire/dns.h), which address is tried first (delivery/dial.h), what a service
 *           or a TLSA record leads to (delivery/reach.h).
 * Follows:  RFC 1035 7.2, RFC 7766 (TCP), RFC 5452 9.2, draft-vixie-dnsext-dns0x20, RFC 6761 6.3,
 *           RFC 8305 3 (how long one family waits for the other), RFC 7672 2.2 (whose AD bit
 * counts)
 */
#ifndef PP_WIRE_DNS_LOOKUP_H
#define PP_WIRE_DNS_LOOKUP_H

#include "base/time.h"
#include "config.h"
#include "wire/dns.h"
#include "wire/dns_cache.h"

/* What all look-ups of a relay share; its owner keeps it. */
struct pp_resolver {
    const struct pp_port *port;
    struct pp_dns_config config;
    struct pp_dns_cache cache;
    pp_time_ms ipv6_late_until_ms; /* IPv4 goes first until then: see delivery/dial.h; 0 */
};

void pp_resolver_init(struct pp_resolver *resolver, const struct pp_port *port,
                      const struct pp_dns_config *config);
/* Today's settings; what was remembered is forgotten. */
void pp_resolver_configure(struct pp_resolver *resolver, const struct pp_dns_config *config);

struct pp_dns_question {
    enum pp_dns_type type;
    bool done;
    bool by_tcp;      /* to be asked over TCP: truncated, or the case of letters was lost */
    uint8_t refusals; /* servers that answered with an error; then it is asked without EDNS */
    uint16_t id;
    enum pp_err error;
};

struct pp_dns_lookup {
    struct pp_resolver *resolver;
    char name[PP_DNS_HOST_CAP + 2];
    bool active;
    enum pp_err error;
    pp_time_ms deadline_ms; /* of the whole */
    pp_time_ms resend_ms;
    pp_time_ms found_ms; /* when the first of two families was there */
    uint32_t attempt;
    uint32_t count; /* questions: addresses have one for each family */
    struct pp_dns_question questions[2];
    struct pp_dns_answer found[2];
    int socket; /* datagram, -1 none */
    int stream; /* TCP, -1 none */
    struct pp_address server;
    uint32_t servers;  /* that there were at the last attempt */
    uint32_t failures; /* servers in a row that could not be reached at all */
    bool tcp_sending;
    uint16_t tcp_len, tcp_pos;
    uint8_t tcp_question;
    uint8_t message[PP_DNS_MESSAGE_CAP + 2];
};

/*
 * Addresses of a host: `family` 4, 6 or 0 for both. An address text ("192.0.2.1", "2001:db8::1",
 * "[...]"), localhost and the machine's hosts table answer at once. PP_ERR_SYNTAX (no host name),
 * PP_ERR_ENTROPY.
 */
PP_MUST_USE enum pp_err pp_dns_start(struct pp_dns_lookup *l, struct pp_resolver *resolver,
                                     const char *name_z, uint8_t family, uint32_t timeout_ms,
                                     pp_time_ms now_ms);
/* Records of another type. */
PP_MUST_USE enum pp_err pp_dns_start_type(struct pp_dns_lookup *l, struct pp_resolver *resolver,
                                          const char *name_z, enum pp_dns_type type,
                                          uint32_t timeout_ms, pp_time_ms now_ms);
/*
 * PP_OK: answer->count > 0 or, of services and TLSA, answer->unusable > 0; addresses have families
 * alternating, IPv6 first. While `active` stays set, one family came and the other may still:
 * polled again it gives more. `authentic` is true only by a server that is trusted with it.
 * PP_ERR_LATER. PP_ERR_NOT_FOUND (no such name, or none of these records; `authentic` is set),
 * PP_ERR_TIMEOUT, PP_ERR_UNREACHABLE (no name server configured or reachable), PP_ERR_REFUSED.
 */
PP_MUST_USE enum pp_err pp_dns_poll(struct pp_dns_lookup *l, pp_time_ms now_ms,
                                    struct pp_dns_answer *answer);
void pp_dns_stop(struct pp_dns_lookup *l);
pp_time_ms pp_dns_deadline_ms(const struct pp_dns_lookup *l);

#endif
