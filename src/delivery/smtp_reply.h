/*
 * smtp_reply.h - replies of an SMTP server, line by line
 *
 * Job:      take lines from a buffer, check their form, join them into one pp_reply.
 * Not here: what a reply means (verdict.h), when one is due (smtp_client.h).
 * Follows:  RFC 5321 4.2 and 4.5.3.1.5, RFC 2034 (enhanced codes)
 */
#ifndef PP_DELIVERY_SMTP_REPLY_H
#define PP_DELIVERY_SMTP_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "delivery/verdict.h"

#define PP_SMTP_LINE_CAP    1024 /* octets of a line; RFC 5321 grants 512: beyond this we hang up */
#define PP_SMTP_REPLY_LINES 100  /* lines of one reply */

/* A reply being received; `reply` is whole once the last line was taken. */
struct pp_reply_reader {
    struct pp_reply reply;
    uint16_t lines;
    bool open; /* further lines follow */
};

void pp_reply_reader_init(struct pp_reply_reader *r);
/*
 * Take one line. *text is what follows the code, raw, a view into `in` that dies with the next
 * change of it. Call until `r->open` is false after PP_OK: then r->reply is whole.
 * Returns PP_ERR_LATER (no whole line yet), PP_ERR_SYNTAX (no lawful reply line: code, NUL, bare
 * CR, a code other than the first line's), PP_ERR_TOO_BIG (line or number of lines).
 */
PP_MUST_USE enum pp_err pp_reply_read_line(struct pp_reply_reader *r, struct pp_buf *in,
                                           struct pp_text *text);
/* A reply of our own: no code, `enhanced` three numbers, or NULL: taken from the front of the
 * words, if there. */
void pp_reply_own(struct pp_reply *reply, const uint8_t enhanced[3], const char *text_z);
/* Append words to the text, cut to what fits. */
void pp_reply_add(struct pp_reply *reply, struct pp_text text);

#endif
