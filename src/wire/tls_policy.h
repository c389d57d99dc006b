/*
 * tls_policy.h - what a client's connection demands of TLS, and of whom
 *
 * Job:      the target that is given to link and TLS; the level that is in force for it; whether a
 *           name of a certificate is one of those that the policy asks for.
 * Not here: the text of a policy (config_tls.c), certificates (wire/tls_trust.c).
 * Follows:  Postfix TLS_README (levels, match), RFC 6125 6.4, RFC 7672 2.2 and 3.2
 */
#ifndef PP_WIRE_TLS_POLICY_H
#define PP_WIRE_TLS_POLICY_H

#include "base/tls_result.h"
#include "config.h"
#include "wire/tlsa.h"

struct pp_tls_chain;
struct pp_tls_kept_session;

/* Whom a client means, and what it asks of him. What it points to stays the caller's, unchanged
 * until the connection is closed. */
struct pp_tls_target {
    const struct pp_tls_policy *policy;
    const char *host_z;             /* as configured; Postfix's nexthop */
    const char *server_z;           /* the server that a look-up led to; NULL: host_z */
    const struct pp_tlsa_set *tlsa; /* NULL: nobody asked */
    const char *tlsa_base_z;        /* the name that they were asked for; NULL: host_z */
    uint16_t port;
    bool show_certificate;            /* our own as a client, where the server asks for it */
    struct pp_tls_kept_session *kept; /* resumed where it fits, and kept anew; NULL: neither */
    bool inspect; /* any certificate is accepted and only facts are wanted (`pinpost pin`): nothing
                     may be sent but QUIT */
    struct pp_tls_chain *chain; /* NULL, or with `inspect`: gets all certificates that were shown */
};

/* The policy's level, or for `dane` what the records make of it: MAY, ENCRYPT or DANE. */
enum pp_tls_level pp_tls_level_in_force(const struct pp_tls_target *target);
/*
 * NULL, or why no connection may be made at all: the records cannot be known, `dane-only` has none,
 * or there is a login (`has_login`, and nobody asked for it without TLS) and nothing says whom it
 * would be given to.
 */
const char *pp_tls_why_not_connect(const struct pp_tls_target *target, bool has_login);
/* What that is in a report: of a target that may not be connected to. */
enum pp_tls_result pp_tls_why_not_result(const struct pp_tls_target *target);
/* The name sent as SNI and shown in words; never NULL. */
const char *pp_tls_wanted_name(const struct pp_tls_target *target);
/* Is `name`, one of a certificate's (`*.` before it or not), a name that the policy asks for? */
bool pp_tls_name_matches(const struct pp_tls_target *target, struct pp_text name);
/* The address that the certificate must name, where it is asked for by address and not by name. */
bool pp_tls_wanted_address(const struct pp_tls_target *target, struct pp_text *address);

#endif
