/*
 * dns_record.h - the data of a DNS record
 *
 * Job:      add what one record says to an answer.
 * Not here: whose record it is (wire/dns.c).
 */
#ifndef PP_WIRE_DNS_RECORD_H
#define PP_WIRE_DNS_RECORD_H

#include "wire/dns.h"
#include "wire/dns_name.h"

/* `data` begins at the record's data and ends with it, in the whole message. What there is no room
 * for is left out. PP_ERR_SYNTAX: the data is not what the type says. */
PP_MUST_USE enum pp_err pp_dns_add_record(struct pp_dns_answer *answer, enum pp_dns_type type,
                                          struct pp_dns_cursor *data);

#endif
