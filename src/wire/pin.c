/*
 * pin.c - fingerprints of certificates and keys
 *
 * Job:      a pin to text, and the comparison with what a peer showed.
 * Not here: a pin from text (config_pin.c), when a pin decides (wire/tls_trust.c).
 * Follows:  Postfix TLS_README (colon form), RFC 7469 2.4 (a key's digest is over its SPKI)
 */
#include "wire/pin.h"

#include "base/bytes.h"
#include "base/crypto.h"

static void put_kind(struct pp_writer *w, enum pp_pin_kind kind)
{
    static const char *const prefixes[] = {[PP_PIN_ANY] = "",
                                           [PP_PIN_CERTIFICATE] = "cert:",
                                           [PP_PIN_KEY] = "key:",
                                           [PP_PIN_ISSUER_CERTIFICATE] = "issuer-cert:",
                                           [PP_PIN_ISSUER_KEY] = "issuer-key:"};
    pp_put_z(w, prefixes[kind]);
}

void pp_put_pin(struct pp_writer *w, enum pp_pin_kind kind, const uint8_t sha256[32])
{
    put_kind(w, kind);
    pp_put_hex(w, sha256, PP_SHA256_BYTES, ':');
}

void pp_put_pin_value(struct pp_writer *w, const struct pp_pin *pin)
{
    put_kind(w, pin->kind);
    if (pin->digest != PP_DIGEST_SHA256) {
        pp_put_z(w, pp_digest_name(pin->digest));
        pp_put_char(w, ':');
    }
    pp_put_hex(w, pin->value, pp_digest_bytes(pin->digest), ':');
}

static enum pp_err digest_of(enum pp_digest digest, const uint8_t *bytes, size_t len, uint8_t *out)
{
    if (digest == PP_DIGEST_SHA512)
        return pp_sha512(bytes, len, out);
    return digest == PP_DIGEST_SHA384 ? pp_sha384(bytes, len, out) : pp_sha256(bytes, len, out);
}

static bool is_of_issuer(const struct pp_pin *pin)
{
    return pin->kind == PP_PIN_ISSUER_CERTIFICATE || pin->kind == PP_PIN_ISSUER_KEY;
}

static bool is_of_key_only(const struct pp_pin *pin)
{
    return pin->kind == PP_PIN_KEY || pin->kind == PP_PIN_ISSUER_KEY;
}

static bool is_of_certificate_only(const struct pp_pin *pin)
{
    return pin->kind == PP_PIN_CERTIFICATE || pin->kind == PP_PIN_ISSUER_CERTIFICATE;
}

/* The pins of one digest: it is made once for all of them, and not where there are none. */
static enum pp_err match_digest(const struct pp_tls_policy *policy, enum pp_digest digest,
                                bool as_issuer, const struct pp_pin_subject *s, uint32_t *hits)
{
    uint8_t certificate[PP_DIGEST_MOST], key[PP_DIGEST_MOST];
    size_t bytes = pp_digest_bytes(digest);
    bool made = false;
    for (uint32_t i = 0; i < policy->pin_count && i < PP_PINS; i++) {
        const struct pp_pin *pin = &policy->pins[i];
        if (pin->digest != digest || is_of_issuer(pin) != as_issuer)
            continue;
        if (!made && (digest_of(digest, s->certificate, s->certificate_len, certificate) != PP_OK ||
                      digest_of(digest, s->key, s->key_len, key) != PP_OK))
            return PP_ERR_STATE;
        made = true;
        bool is_certificate = pp_compare_constant_time(pin->value, certificate, bytes) == 0;
        bool is_key = pp_compare_constant_time(pin->value, key, bytes) == 0;
        if ((is_certificate && !is_of_key_only(pin)) || (is_key && !is_of_certificate_only(pin)))
            *hits |= UINT32_C(1) << i;
    }
    return PP_OK;
}

enum pp_err pp_pin_match(const struct pp_tls_policy *policy, bool as_issuer,
                         const struct pp_pin_subject *subject, uint32_t *hits)
{
    enum pp_err err = PP_OK;
    *hits = 0;
    for (int digest = PP_DIGEST_SHA256; digest <= PP_DIGEST_SHA512 && err == PP_OK; digest++)
        err = match_digest(policy, (enum pp_digest)digest, as_issuer, subject, hits);
    if (err != PP_OK)
        *hits = 0;
    return err;
}
