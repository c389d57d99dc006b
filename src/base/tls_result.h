/*
 * tls_result.h - how TLS to a smarthost went, in the words that reports on TLS use
 *
 * Job:      the result types, their names, and a count of each.
 * Not here: which failure is which (wire/tls_words.c), who counts (delivery/session.c).
 * Follows:  RFC 8460 4.3; those of MTA-STS are not used
 */
#ifndef PP_BASE_TLS_RESULT_H
#define PP_BASE_TLS_RESULT_H

#include <stdint.h>

enum pp_tls_result {
    PP_TLS_RESULT_NONE, /* nothing failed */
    PP_TLS_RESULT_STARTTLS_NOT_SUPPORTED,
    PP_TLS_RESULT_CERTIFICATE_HOST_MISMATCH,
    PP_TLS_RESULT_CERTIFICATE_EXPIRED, /* or not yet valid */
    PP_TLS_RESULT_CERTIFICATE_NOT_TRUSTED,
    PP_TLS_RESULT_VALIDATION_FAILURE, /* any other */
    PP_TLS_RESULT_TLSA_INVALID,       /* no TLSA record is of what the server showed */
    PP_TLS_RESULT_DNSSEC_INVALID,     /* TLSA records cannot be had from a resolver to be trusted */
    PP_TLS_RESULT_DANE_REQUIRED,      /* policy = dane-only, and no usable record */
    PP_TLS_RESULT_COUNT
};

/* Sessions of one smarthost since the start. */
struct pp_tls_counts {
    uint64_t successful, resumed;         /* resumed ones are successful too */
    uint64_t failed[PP_TLS_RESULT_COUNT]; /* by result */
};

/* "certificate-host-mismatch"; "" for NONE. */
const char *pp_tls_result_name(enum pp_tls_result result);

#endif
