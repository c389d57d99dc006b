/*
 * base64.h - base64 of RFC 4648 section 4, strict
 *
 * Job:      encode and decode whole texts (SASL, pins). MIME bodies: message/encode.
 */
#ifndef PP_BASE_BASE64_H
#define PP_BASE_BASE64_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/text.h"

#define PP_BASE64_LEN(bytes_len) ((((bytes_len) + 2) / 3) * 4)

void pp_base64_put(struct pp_writer *w, const void *bytes, size_t len);
/*
 * Decode all of `text` to `out` (`cap` bytes), setting *len.
 * Returns PP_ERR_SYNTAX (a byte outside the alphabet, wrong padding, stray bits),
 * PP_ERR_TOO_BIG.
 */
PP_MUST_USE enum pp_err pp_base64_decode(struct pp_text text, void *out, size_t cap, size_t *len);

#endif
