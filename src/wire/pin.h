/*
 * pin.h - fingerprints of certificates and keys
 *
 * Job:      write a pin, and compare a certificate with a list.
 * Not here: a pin from text (pp_pin_parse() of config.h), when a pin decides (wire/tls.c).
 */
#ifndef PP_WIRE_PIN_H
#define PP_WIRE_PIN_H

#include "config.h"

void pp_put_pin(struct pp_writer *w, enum pp_pin_kind kind,
                const uint8_t sha256[32]); /* key:AA:BB:... */
/* Index of the matching pin, or -1. Compared in constant time. */
int pp_pin_match(const struct pp_tls_policy *policy, const uint8_t certificate_sha256[32],
                 const uint8_t key_sha256[32]);

#endif
