/*
 * dns_lookup_parts.h - what the files of a look-up share with each other, and with nobody else
 *
 * Job:      the calls between wire/dns_lookup.c and wire/dns_tcp.c.
 */
#ifndef PP_WIRE_DNS_LOOKUP_PARTS_H
#define PP_WIRE_DNS_LOOKUP_PARTS_H

#include "wire/dns_lookup.h"

/* ---- dns_lookup.c ---- */
/* The server did not serve question `i`: the next one is asked, until each had its turn. */
void pp_dns_refused(struct pp_dns_lookup *l, uint32_t i, pp_time_ms now_ms);
void pp_dns_take_answer(struct pp_dns_lookup *l, uint32_t i, const uint8_t *bytes, size_t len,
                        bool over_tcp, pp_time_ms now_ms);
/* A query with a fresh id; after a refusal without EDNS, which old servers do not know. */
PP_MUST_USE enum pp_err pp_dns_make_query(struct pp_dns_lookup *l, uint32_t i, uint8_t *out,
                                          size_t cap, size_t *len);

/* ---- dns_tcp.c ---- */
void pp_dns_tcp_close(struct pp_dns_lookup *l);
/* Questions that are to be asked over TCP, one after the other. */
void pp_dns_tcp_pump(struct pp_dns_lookup *l, pp_time_ms now_ms);

#endif
