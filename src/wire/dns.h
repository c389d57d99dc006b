/*
 * dns.h - DNS messages: queries, and answers that fit them
 *
 * Job:      the bytes of a query, and what an answer that nobody is trusted for says to it.
 * Not here: servers and retries (wire/dns_lookup.h), what is remembered (wire/dns_cache.h).
 * Follows:  RFC 1035 4, RFC 3596 (AAAA), RFC 2782 (SRV), RFC 6698 2 (TLSA), RFC 6891 (EDNS), RFC
 * 5452 (which answers count), RFC 2308 (how long a "no" counts), RFC 6840 5.7 (the AD bit)
 */
#ifndef PP_WIRE_DNS_H
#define PP_WIRE_DNS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/text.h"
#include "port.h"
#include "profile.h"
#include "wire/tlsa.h"

#define PP_DNS_HOST_CAP    254 /* a name as text, NUL included */
#define PP_DNS_MESSAGE_CAP 1232

enum pp_dns_type {
    PP_DNS_A = 1,
    PP_DNS_MX = 15,
    PP_DNS_AAAA = 28,
    PP_DNS_SRV = 33,
    PP_DNS_TLSA = 52
};

/* Of MX and SRV. An empty host: there is no such service (RFC 7505, RFC 2782). */
struct pp_dns_service {
    uint16_t priority, weight, port; /* of MX weight and port are 0 */
    char host[PP_DNS_HOST_CAP];
};

struct pp_dns_answer {
    uint32_t count;
    uint32_t ttl_s;    /* of what was found, or of the "no"; 0: not to be remembered */
    uint32_t unusable; /* TLSA records of a kind that RFC 7672 has no use for, or too many; services
                        * of what is no host name */
    bool authentic; /* the server says that DNSSEC vouches for all of it: is the server trusted? */
    char name[PP_DNS_HOST_CAP]; /* what aliases led to; "" where it is no host name */
    union {
        struct pp_address addresses[PP_DNS_ADDRESSES];
        struct pp_dns_service services[PP_DNS_SERVICES];
        struct pp_tlsa_record tlsa[PP_TLSA_RECORDS];
    };
};

/*
 * Letters stand in the query as they do in `name_z`, which may end in a dot. Asks for the AD bit
 * and, last, where it can be cut off (PP_DNS_EDNS_BYTES), for EDNS. PP_ERR_SYNTAX (no host name:
 * label over 63, whole over 253, empty label), PP_ERR_TOO_BIG.
 */
#define PP_DNS_EDNS_BYTES 11
PP_MUST_USE enum pp_err pp_dns_query(uint8_t *out, size_t cap, size_t *len, uint16_t id,
                                     const char *name_z, enum pp_dns_type type);
/*
 * Read a response to exactly that query. PP_OK: answer->count of it, perhaps none (NODATA).
 * PP_ERR_NOT_FOUND (NXDOMAIN), PP_ERR_REFUSED (SERVFAIL and other codes), PP_ERR_TOO_BIG
 * (truncated: ask over TCP), PP_ERR_SYNTAX (malformed), PP_ERR_STATE (not an answer to this query:
 * ignore it and go on waiting), PP_ERR_TRUST (it would be one, but for the case of letters: either
 * a guess of somebody who did not see the query, or a server that folds them).
 */
PP_MUST_USE enum pp_err pp_dns_response(const uint8_t *bytes, size_t len, uint16_t id,
                                        const char *name_z, enum pp_dns_type type,
                                        struct pp_dns_answer *answer);
/* localhost and all names under it (RFC 6761 6.3): they are the machine itself whatever a server
 * says. */
bool pp_dns_is_localhost(const char *name_z);

/* Parse an address text; false if it is none. Brackets and "IPv6:" are accepted. */
bool pp_address_parse(struct pp_text text, struct pp_address *address);
void pp_put_address(struct pp_writer *w, const struct pp_address *address, bool with_port);

#endif
