/*
 * tlsa.h - what DNS says about the certificate of a server
 *
 * Job:      the TLSA records of a port and host, as a look-up found them.
 * Not here: the look-up (wire/dns.h), what follows from them (wire/tls_dane.c).
 * Follows:  RFC 6698, RFC 7671, RFC 7672 2.2
 */
#ifndef PP_WIRE_TLSA_H
#define PP_WIRE_TLSA_H

#include <stdint.h>

#define PP_TLSA_RECORDS 8

/* ABSENT: surely none, or the zone is not signed. FAILED: it cannot be known; mail waits. */
enum pp_tlsa_state { PP_TLSA_ABSENT, PP_TLSA_SECURE, PP_TLSA_FAILED };

struct pp_tlsa_record {
    uint8_t usage, selector, matching, len;
    uint8_t data[64];
};

struct pp_tlsa_set {
    enum pp_tlsa_state state;
    uint32_t count;    /* usable ones: usage 2 or 3, selector 0 or 1, matching 1 or 2 */
    uint32_t unusable; /* others */
    struct pp_tlsa_record records[PP_TLSA_RECORDS];
    char why[120]; /* in words, above all when it failed */
};

#endif
