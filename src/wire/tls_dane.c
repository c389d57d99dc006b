/*
 * tls_dane.c - is a certificate one that DNS names?
 *
 * Job:      compare a certificate with TLSA records.
 * Not here: finding records (wire/dns.h), when a match decides (wire/tls_trust.c).
 * Follows:  RFC 6698 2.1, RFC 7672 3.1 (usages 2 and 3 only; what is not a digest is not used)
 */
#include "base/bytes.h"
#include "base/crypto.h"
#include "wire/tls_session.h"

#define USAGE_TA 2
#define USAGE_EE 3

static bool matches(const struct pp_tlsa_record *record, const mbedtls_x509_crt *c)
{
    uint8_t digest[64];
    const mbedtls_x509_buf *of = record->selector == 1 ? &c->pk_raw : &c->raw;
    size_t len = record->matching == 1 ? 32 : 64;
    if (record->selector > 1 || record->len != len)
        return false;
    if (record->matching == 1 && pp_sha256(of->p, of->len, digest) != PP_OK)
        return false;
    if (record->matching == 2 && pp_sha512(of->p, of->len, digest) != PP_OK)
        return false;
    return (record->matching == 1 || record->matching == 2) &&
           pp_compare_constant_time(record->data, digest, len) == 0;
}

int pp_tls_dane_match(const struct pp_tlsa_set *tlsa, bool as_anchor, const mbedtls_x509_crt *c)
{
    if (tlsa == NULL || tlsa->state != PP_TLSA_SECURE)
        return -1;
    for (uint32_t i = 0; i < tlsa->count && i < PP_TLSA_RECORDS; i++) {
        const struct pp_tlsa_record *record = &tlsa->records[i];
        if (record->usage == (as_anchor ? USAGE_TA : USAGE_EE) && matches(record, c))
            return (int)i;
    }
    return -1;
}

void pp_tls_put_record(struct pp_writer *w, const struct pp_tlsa_record *record)
{
    pp_put_z(w, "TLSA ");
    pp_put_u64(w, record->usage);
    pp_put_char(w, ' ');
    pp_put_u64(w, record->selector);
    pp_put_char(w, ' ');
    pp_put_u64(w, record->matching);
}
