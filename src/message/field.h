/*
 * field.h - is this line a header field, and which?
 *
 * Job:      the start of a header line, byte by byte: a field with its name, a continuation,
 *           the blank line, a mailbox file's "From " line, or something else.
 * Not here: values.
 * Follows:  RFC 5322 2.2 and 4.5 (blanks before the colon)
 */
#ifndef PP_MESSAGE_FIELD_H
#define PP_MESSAGE_FIELD_H

#include <stdint.h>

#include "base/text.h"

#define PP_FIELD_NAME_CAP   40  /* of a name that we know */
#define PP_FIELD_NAME_MAX   200 /* of any name that we take for one */
#define PP_FIELD_BLANKS_MAX 40  /* between name and colon: what a line is shows within 256 bytes */

enum pp_line_kind {
    PP_LINE_OPEN,         /* not known yet: more bytes */
    PP_LINE_FIELD,        /* its name is known */
    PP_LINE_CONTINUATION, /* begins with a blank */
    PP_LINE_FROM,         /* "From " of a mailbox file */
    PP_LINE_OTHER         /* no header line */
};

/* All zero is the start of a line. */
struct pp_field_scan {
    uint8_t kind; /* enum pp_line_kind */
    uint8_t name_len;
    uint8_t blanks; /* behind the name */
    char name[PP_FIELD_NAME_CAP];
};

/* The next byte of the line (no CR or LF). Bytes after the kind is known are passed over. */
void pp_field_scan(struct pp_field_scan *s, char c);

/* Names that mean something to us. */
enum pp_field {
    PP_FIELD_OTHER,
    PP_FIELD_DATE,
    PP_FIELD_FROM,
    PP_FIELD_TO,
    PP_FIELD_CC,
    PP_FIELD_BCC, /* Resent-Bcc too */
    PP_FIELD_SENDER,
    PP_FIELD_SUBJECT,
    PP_FIELD_MESSAGE_ID,
    PP_FIELD_RETURN_PATH,
    PP_FIELD_MIME_VERSION,
    PP_FIELD_CONTENT_TYPE,
    PP_FIELD_CONTENT_TRANSFER_ENCODING,
    PP_FIELD_RECEIVED,
    PP_FIELD_REPLY_TO,
    PP_FIELD_DKIM_SIGNATURE
};
/* Of a line of kind PP_LINE_FIELD. */
enum pp_field pp_field_of(const struct pp_field_scan *s);

#endif
