/*
 * ip.h - IP addresses as text
 *
 * Job:      read and write IPv4 and IPv6 addresses.
 * Not here: ports, scopes and brackets (wire/dns.h), networks (config.h).
 * Follows:  RFC 4291 2.2 (reading), RFC 5952 (writing)
 */
#ifndef PP_BASE_IP_H
#define PP_BASE_IP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

/* An IPv4 address goes to ip[0..3]. No leading zeros in it: some readers take them for octal. */
bool pp_ipv4_parse(struct pp_text text, uint8_t ip[4]);
bool pp_ipv6_parse(struct pp_text text, uint8_t ip[16]);
void pp_put_ipv4(struct pp_writer *w, const uint8_t ip[4]);
void pp_put_ipv6(struct pp_writer *w, const uint8_t ip[16]);

#endif
