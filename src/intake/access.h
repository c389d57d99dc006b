/*
 * access.h - who may come in, and how much
 *
 * Job:      trusted networks; how many connections a client has; failed logins, waits and lockouts;
 *           which addresses a user may send as; quotas by the hour.
 * Not here: the dialogue (intake/smtp_server.h), passwords (intake/sasl_server.h).
 * Follows:  RFC 4954 (codes are the caller's), RFC 6177 (a /64 is one client)
 *
 * A client is an IPv4 address, an IPv6 /64, or the local socket (family 0: all users of it are one,
 * never locked out and without a limit of connections). An IPv4 address mapped into IPv6 is the
 * IPv4 one. All tables are bounded: the client that was away longest gives way, a locked one last
 * of all.
 */
#ifndef PP_INTAKE_ACCESS_H
#define PP_INTAKE_ACCESS_H

#include "base/table.h"
#include "base/time.h"
#include "config.h"
#include "port.h"

#define PP_ACCESS_NONE UINT32_MAX

/* Is this address in one of the listener's networks? */
bool pp_access_is_trusted(const struct pp_listener_config *listener,
                          const struct pp_address *address);

#endif
