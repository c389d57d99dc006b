/*
 * pin.c - fingerprints of certificates and keys
 *
 * Job:      a pin to text, and the comparison with what a peer showed.
 * Not here: a pin from text (config_pin.c), when a pin decides (wire/tls_trust.c).
 * Follows:  Postfix TLS_README (colon form), RFC 7469 2.4 (SHA-256 over the SPKI)
 */
#include "wire/pin.h"

#include "base/bytes.h"

#define DIGEST_BYTES 32

void pp_put_pin(struct pp_writer *w, enum pp_pin_kind kind, const uint8_t sha256[32])
{
    if (kind != PP_PIN_ANY)
        pp_put_z(w, kind == PP_PIN_KEY ? "key:" : "cert:");
    pp_put_hex(w, sha256, DIGEST_BYTES, ':');
}

int pp_pin_match(const struct pp_tls_policy *policy, const uint8_t certificate_sha256[32],
                 const uint8_t key_sha256[32])
{
    int found = -1;
    uint32_t count = policy->pin_count < PP_PINS ? policy->pin_count : PP_PINS;
    for (uint32_t i = count; i-- > 0;) {
        const struct pp_pin *pin = &policy->pins[i];
        bool is_certificate =
            pp_compare_constant_time(pin->sha256, certificate_sha256, DIGEST_BYTES) == 0;
        bool is_key = pp_compare_constant_time(pin->sha256, key_sha256, DIGEST_BYTES) == 0;
        if ((is_certificate && pin->kind != PP_PIN_KEY) ||
            (is_key && pin->kind != PP_PIN_CERTIFICATE))
            found = (int)i;
    }
    return found;
}
