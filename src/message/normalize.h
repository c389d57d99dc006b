/*
 * normalize.h - line ends of any kind become CRLF
 *
 * Job:      LF, CR and CRLF in text that a program handed in become CRLF, piece by piece.
 * Not here: what a network peer may send (its server decides), dots (delivery/smtp_client.h).
 * Follows:  RFC 5321 2.3.8
 */
#ifndef PP_MESSAGE_NORMALIZE_H
#define PP_MESSAGE_NORMALIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero is the start of a text. */
struct pp_normalize {
    bool previous_cr;
};

/*
 * Take up to `len` bytes of `in`, write clean bytes to `out` (`cap` bytes; 2 or more are needed for
 * progress) and set *put. Returns how many bytes of `in` were taken. Nothing is held back: there is
 * no call at the end.
 */
size_t pp_normalize(struct pp_normalize *n, const uint8_t *in, size_t len, uint8_t *out, size_t cap,
                    size_t *put);

#endif
