/*
 * pin.h - fingerprints of certificates and keys
 *
 * Job:      write a pin, and compare a certificate with a list.
 * Not here: a pin from text (pp_pin_parse() of config.h), when a pin decides (wire/tls_trust.c).
 */
#ifndef PP_WIRE_PIN_H
#define PP_WIRE_PIN_H

#include "config.h"

/* The bytes that fingerprints are of; both stay the caller's. */
struct pp_pin_subject {
    const uint8_t *certificate; /* DER */
    size_t certificate_len;
    const uint8_t *key; /* its SubjectPublicKeyInfo, DER */
    size_t key_len;
};

/* key:AA:BB:..., by SHA-256. */
void pp_put_pin(struct pp_writer *w, enum pp_pin_kind kind, const uint8_t sha256[32]);
/* The same of any digest: key:sha512:AA:BB:..., as pp_pin_parse() reads it. */
void pp_put_pin_value(struct pp_writer *w, const struct pp_pin *pin);
/*
 * Bit i of *hits: pin i of the policy is of this certificate. `as_issuer`: pins of issuers, else
 * those of the server itself. Compared in constant time. PP_ERR_STATE: hashing failed, no hits.
 */
PP_MUST_USE enum pp_err pp_pin_match(const struct pp_tls_policy *policy, bool as_issuer,
                                     const struct pp_pin_subject *subject, uint32_t *hits);

#endif
