/*
 * encode.h - the body of one part, as it goes out
 *
 * Job:      pass content on with a check, or as quoted-printable; break long lines of what is
 *           encoded already.
 * Not here: which part gets which (render.c).
 * Follows:  RFC 2045 6.7 (quoted-printable), 6.8 (base64), RFC 5321 4.5.3.1.6
 */
#ifndef PP_MESSAGE_ENCODE_H
#define PP_MESSAGE_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum pp_encoding {
    PP_ENCODE_PASS,        /* as it is; what must not go out is an error */
    PP_ENCODE_QP,          /* becomes quoted-printable */
    PP_ENCODE_BASE64_WRAP, /* is base64: long lines are broken */
    PP_ENCODE_QP_WRAP,     /* is quoted-printable: long lines are broken, strange bytes encoded */
    PP_ENCODE_IGNORED      /* between parts, shown to nobody: replaced and cut where needed */
};

struct pp_encoder {
    uint8_t encoding; /* enum pp_encoding */
    bool eight_bit;   /* bytes above 127 may pass */
    bool soft;        /* this line began with a soft break */
    uint8_t blank;    /* a blank not yet put: it must not end a line (RFC 2045 6.7 rule 3) */
    uint8_t escape;   /* bytes still to come of a =XX */
    uint16_t column;
    enum pp_err error; /* PP_ERR_UNSUPPORTED: a byte or line that must not go out */
};

#define PP_ENCODE_ROOM 16 /* bytes that one call below may put */

/* Anew, at the start of a body. Errors stay. */
void pp_encode_begin(struct pp_encoder *e, enum pp_encoding encoding, bool eight_bit);
/* One byte that is neither CR nor LF. */
void pp_encode_byte(struct pp_encoder *e, struct pp_buf *out, uint8_t c);
/* The end of a line. */
void pp_encode_line_end(struct pp_encoder *e, struct pp_buf *out);
/* The end of the content, where the last line has no end. */
void pp_encode_end(struct pp_encoder *e, struct pp_buf *out);

#endif
