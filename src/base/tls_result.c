/*
 * tls_result.c - how TLS to a smarthost went, in the words that reports on TLS use
 *
 * Job:      see tls_result.h.
 */
#include "base/tls_result.h"

const char *pp_tls_result_name(enum pp_tls_result result)
{
    static const char *const names[PP_TLS_RESULT_COUNT] = {
        [PP_TLS_RESULT_NONE] = "",
        [PP_TLS_RESULT_STARTTLS_NOT_SUPPORTED] = "starttls-not-supported",
        [PP_TLS_RESULT_CERTIFICATE_HOST_MISMATCH] = "certificate-host-mismatch",
        [PP_TLS_RESULT_CERTIFICATE_EXPIRED] = "certificate-expired",
        [PP_TLS_RESULT_CERTIFICATE_NOT_TRUSTED] = "certificate-not-trusted",
        [PP_TLS_RESULT_VALIDATION_FAILURE] = "validation-failure",
        [PP_TLS_RESULT_TLSA_INVALID] = "tlsa-invalid",
        [PP_TLS_RESULT_DNSSEC_INVALID] = "dnssec-invalid",
        [PP_TLS_RESULT_DANE_REQUIRED] = "dane-required",
    };
    return (unsigned)result < PP_TLS_RESULT_COUNT ? names[result] : "";
}
