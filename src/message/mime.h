/*
 * mime.h - what a MIME entity says of itself
 *
 * Job:      Content-Type and Content-Transfer-Encoding as far as they matter for passing a
 *           message on, and the boundaries of nested multiparts.
 * Follows:  RFC 2045 5 and 6, RFC 2046 5.1
 */
#ifndef PP_MESSAGE_MIME_H
#define PP_MESSAGE_MIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/text.h"

#define PP_MIME_DEPTH        8
#define PP_MIME_BOUNDARY_MAX 70 /* RFC 2046 5.1.1 */

enum pp_mime_type {
    PP_MIME_NONE, /* no Content-Type: text/plain, or message/rfc822 within a digest */
    PP_MIME_LEAF, /* text, image, application, ... */
    PP_MIME_MULTIPART,
    PP_MIME_DIGEST, /* multipart/digest */
    PP_MIME_SEALED, /* multipart/signed, multipart/encrypted: not to be touched */
    PP_MIME_MESSAGE
};
enum pp_mime_cte {
    PP_MIME_CTE_NONE,
    PP_MIME_CTE_PLAIN, /* 7bit */
    PP_MIME_CTE_8BIT,  /* 8bit or binary */
    PP_MIME_CTE_QP,
    PP_MIME_CTE_BASE64,
    PP_MIME_CTE_OTHER
};

struct pp_mime_boundary {
    uint8_t len; /* 0: none given */
    char text[PP_MIME_BOUNDARY_MAX];
};

/* The multiparts that we are in, the innermost last. */
struct pp_mime_stack {
    uint8_t depth;
    bool digest[PP_MIME_DEPTH];
    struct pp_mime_boundary boundary[PP_MIME_DEPTH];
};

/*
 * The value of a Content-Type field, folded lines and all. PP_ERR_SYNTAX: not understood (type is
 * PP_MIME_LEAF then); a multipart's boundary that is missing, too long or split by RFC 2231 is
 * PP_ERR_UNSUPPORTED.
 */
PP_MUST_USE enum pp_err pp_mime_content_type(struct pp_text value, enum pp_mime_type *type,
                                             struct pp_mime_boundary *boundary);
enum pp_mime_cte pp_mime_transfer_encoding(struct pp_text value);

/* PP_ERR_UNSUPPORTED: nested too deep. */
PP_MUST_USE enum pp_err pp_mime_push(struct pp_mime_stack *s,
                                     const struct pp_mime_boundary *boundary, bool digest);
/*
 * Is `line` (without CRLF) a delimiter of one of the multiparts? Then deeper ones are left, and
 * *close says whether it is the last of its own, which is left too.
 */
bool pp_mime_delimiter(struct pp_mime_stack *s, struct pp_text line, bool *close);

#endif
