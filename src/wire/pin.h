/*
 * pin.h - fingerprints of certificates and keys
 *
 * Job:      read a pin from text, write one, and compare a certificate with a list.
 * Not here: when a pin decides (wire/tls.c).
 * Forms:    `AA:BB:...` (Postfix; certificate or key), `sha256:` hex or base64 (either),
 *           `cert:` or `key:` before any of these to say which.
 */
#ifndef PP_WIRE_PIN_H
#define PP_WIRE_PIN_H

#include "config.h"

/*
 * Upper and lower case, with colons or without; what `openssl x509 -fingerprint -sha256` prints is
 * read too. PP_ERR_SYNTAX; PP_ERR_UNSUPPORTED: a fingerprint, but not by SHA-256 (MD5, SHA-1, ...).
 */
PP_MUST_USE enum pp_err pp_pin_parse(struct pp_text text, struct pp_pin *pin);
void pp_put_pin(struct pp_writer *w, enum pp_pin_kind kind,
                const uint8_t sha256[32]); /* key:AA:BB:... */
/* Index of the matching pin, or -1. Compared in constant time. */
int pp_pin_match(const struct pp_tls_policy *policy, const uint8_t certificate_sha256[32],
                 const uint8_t key_sha256[32]);

#endif
