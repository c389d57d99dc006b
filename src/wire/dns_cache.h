/*
 * dns_cache.h - answers that may be used again
 *
 * Job:      keep few answers for as long as their records allow, as the messages that they were.
 * Not here: asking (wire/dns_lookup.h), reading a message (wire/dns.h).
 * Follows:  RFC 1035 7.4, RFC 2308 5 (a "no" is kept too), RFC 8767 not: nothing is served stale
 */
#ifndef PP_WIRE_DNS_CACHE_H
#define PP_WIRE_DNS_CACHE_H

#include "base/time.h"
#include "wire/dns.h"

/* An answer is kept at the most so long, a "no" at the most so long, and none larger than that. */
#define PP_DNS_CACHE_TTL_S    86400u
#define PP_DNS_CACHE_NO_TTL_S 300u
#define PP_DNS_CACHED_BYTES   512u

struct pp_dns_cached {
    pp_time_ms until_ms; /* 0: free */
    uint16_t len;
    uint8_t bytes[PP_DNS_CACHED_BYTES];
};

/* All zeros: empty. */
struct pp_dns_cache {
    struct pp_dns_cached slots[PP_DNS_CACHE];
};

void pp_dns_cache_clear(struct pp_dns_cache *cache);
/* Keep the response `bytes` to that query, which says `answer`; a trusted server's AD bit counts
 * later too, that of others is cleared. The one that ends first gives way. */
void pp_dns_cache_put(struct pp_dns_cache *cache, const uint8_t *bytes, size_t len,
                      const struct pp_dns_answer *answer, bool trusted, pp_time_ms now_ms);
/* PP_OK and PP_ERR_NOT_FOUND as of pp_dns_response(), ttl_s is what is left of it; PP_ERR_EMPTY:
 * nothing is known. */
PP_MUST_USE enum pp_err pp_dns_cache_get(const struct pp_dns_cache *cache, const char *name_z,
                                         enum pp_dns_type type, pp_time_ms now_ms,
                                         struct pp_dns_answer *answer);
/* What is known of a name is of no use any more: nothing answered at its addresses. */
void pp_dns_cache_forget(struct pp_dns_cache *cache, const char *name_z);

#endif
