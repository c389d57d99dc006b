/*
 * dns.h - A and AAAA look-ups: a machine without I/O, and its small driver
 *
 * Job:      build queries, accept only answers that fit (id, question, source), follow CNAMEs
 * within an answer, try servers in turn, give addresses. The loop never waits on it. Not here:
 * which addresses are tried first (delivery/session), caching beyond the records' TTL. Follows: RFC
 * 1035, RFC 3596, RFC 5452 (id and port not to be guessed), RFC 6891 (EDNS 1232 bytes), RFC 6724 in
 * so far as both families alternate.
 */
#ifndef PP_WIRE_DNS_H
#define PP_WIRE_DNS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/text.h"
#include "base/time.h"
#include "port.h"
#include "profile.h"

struct pp_dns_answer {
    uint32_t count;
    struct pp_address addresses[PP_DNS_ADDRESSES];
    uint32_t ttl_s;
};

/* ---- the codec, for tests and fuzzing ---- */
enum pp_dns_type { PP_DNS_A = 1, PP_DNS_AAAA = 28 };
/* PP_ERR_SYNTAX: the name is no host name (label over 63, whole over 253, empty label). */
PP_MUST_USE enum pp_err pp_dns_query(uint8_t *out, size_t cap, size_t *len, uint16_t id,
                                     const char *name_z, enum pp_dns_type type);
/*
 * Read a response to exactly that query. PP_OK: addresses were added (perhaps none: NODATA).
 * PP_ERR_NOT_FOUND (NXDOMAIN), PP_ERR_REFUSED (SERVFAIL and other codes), PP_ERR_TOO_BIG
 * (truncated: ask over TCP), PP_ERR_SYNTAX (malformed), PP_ERR_STATE (not an answer to this query:
 * ignore it and go on waiting). A name may end in a dot.
 */
PP_MUST_USE enum pp_err pp_dns_response(const uint8_t *bytes, size_t len, uint16_t id,
                                        const char *name_z, enum pp_dns_type type,
                                        struct pp_dns_answer *answer);

/* ---- one look-up over a port ---- */
#define PP_DNS_MESSAGE_CAP 1232
struct pp_dns_lookup {
    const struct pp_port *port;
    char name[256];
    uint8_t family; /* 0 both, 4, 6 */
    bool active;
    enum pp_err error;
    pp_time_ms deadline_ms; /* of the whole */
    pp_time_ms resend_ms;
    uint32_t attempt;
    struct {
        bool wanted, done;
        bool truncated;   /* to be asked over TCP */
        uint8_t refusals; /* servers that answered with an error; then it is asked without EDNS */
        uint16_t id;
        enum pp_err error;
    } query[2]; /* A, AAAA */
    int socket; /* datagram, -1 none */
    int stream; /* TCP after a truncated answer, -1 none */
    struct pp_address server;
    uint32_t servers;  /* that were configured at the last attempt */
    uint32_t failures; /* servers in a row that could not be reached at all */
    struct pp_dns_answer found[2];
    bool tcp_sending;
    uint16_t tcp_len, tcp_pos;
    uint8_t tcp_query;
    uint8_t message[PP_DNS_MESSAGE_CAP + 2];
};

/* An address text ("192.0.2.1", "2001:db8::1", "[...]") and the machine's hosts table answer at
 * once. */
PP_MUST_USE enum pp_err pp_dns_start(struct pp_dns_lookup *l, const struct pp_port *port,
                                     const char *name_z, uint8_t family, uint32_t timeout_ms,
                                     pp_time_ms now_ms);
/*
 * PP_OK: answer->count > 0, families alternating, IPv6 first. PP_ERR_LATER. PP_ERR_NOT_FOUND (no
 * such name, or no address), PP_ERR_TIMEOUT, PP_ERR_UNREACHABLE (no name server configured or
 * reachable), PP_ERR_REFUSED.
 */
PP_MUST_USE enum pp_err pp_dns_poll(struct pp_dns_lookup *l, pp_time_ms now_ms,
                                    struct pp_dns_answer *answer);
void pp_dns_stop(struct pp_dns_lookup *l);
pp_time_ms pp_dns_deadline_ms(const struct pp_dns_lookup *l);
/* localhost and all names under it (RFC 6761 6.3): they are the machine itself whatever a server
 * says. */
bool pp_dns_is_localhost(const char *name_z);
/* Parse an address text; false if it is none. Brackets and "IPv6:" are accepted. */
bool pp_address_parse(struct pp_text text, struct pp_address *address);
void pp_put_address(struct pp_writer *w, const struct pp_address *address, bool with_port);

#endif
