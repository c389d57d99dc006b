/*
 * dns_name.h - host names as DNS messages hold them
 *
 * Job:      labels with a length byte each, the root's zero byte at the end; from text and to it,
 *           out of a message, compared.
 * Not here: messages (wire/dns.h).
 * Follows:  RFC 1035 3.1 and 4.1.4 (compression), RFC 2782 and 6698 3 (labels that begin with _)
 */
#ifndef PP_WIRE_DNS_NAME_H
#define PP_WIRE_DNS_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define PP_DNS_NAME_BYTES   255 /* RFC 1035 2.3.4 */
#define PP_DNS_HEADER_BYTES 12  /* of a message: the question's name follows (RFC 1035 4.1.1) */

struct pp_dns_name {
    uint8_t len;
    uint8_t wire[PP_DNS_NAME_BYTES];
};

/* A place in a message that remembers when it wanted to go past the end. */
struct pp_dns_cursor {
    const uint8_t *bytes;
    size_t len, at;
    bool failed;
};

/* A dot at the end is allowed. PP_ERR_SYNTAX: a label of 0 or more than 63 bytes, more than 253 in
 * all, or what is not printable ASCII. */
PP_MUST_USE enum pp_err pp_dns_name_from_text(struct pp_dns_name *name, const char *name_z);
/* Without a dot at the end; "" for the root. PP_ERR_SYNTAX: a label holds other than letters,
 * digits, - and _: it cannot be the name of a host. PP_ERR_TOO_BIG. */
PP_MUST_USE enum pp_err pp_dns_name_to_text(const struct pp_dns_name *name, char *out, size_t cap);
/* Whatever the case of letters. */
bool pp_dns_name_equal(const struct pp_dns_name *a, const struct pp_dns_name *b);
bool pp_dns_name_identical(const struct pp_dns_name *a, const struct pp_dns_name *b);
/* Is `name` the zone `above` or a name under it? */
bool pp_dns_name_is_under(const struct pp_dns_name *name, const struct pp_dns_name *above);
/*
 * Read a name, compressed or not. A pointer must lead to before the place where the last one led to
 * (RFC 1035 4.1.4 speaks of a prior occurrence), so there is an end to following them, and never
 * into the message's header: the id there is no name, whatever it may look like.
 */
void pp_dns_read_name(struct pp_dns_cursor *c, struct pp_dns_name *name);

#endif
