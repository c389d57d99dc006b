/*
 * content_scan.h - what content shows while it streams in
 *
 * Job:      the bits of enum pp_content, from lines that already end in CRLF.
 * Not here: line ends (normalize.h), what follows from the bits (render.h).
 * Follows:  RFC 5322 2.1 and 3.6, RFC 5321 4.5.3.1.6 (998 octets), RFC 3629 (UTF-8)
 */
#ifndef PP_MESSAGE_CONTENT_SCAN_H
#define PP_MESSAGE_CONTENT_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/content.h"
#include "message/field.h"

#define PP_TEXT_LINE_MAX                                                                           \
    998 /* octets of a line without CRLF: RFC 5321 4.5.3.1.6, RFC 5322 2.1.1                       \
         */

/* More of these fields, and the message goes round in a loop (RFC 5321 6.3 asks for 100 at the
 * least; 30 is what the field uses). */
#define PP_RECEIVED_COUNT_MAX 30

struct pp_content_scan {
    uint16_t flags;
    bool in_body;
    bool field_seen;
    bool field_open; /* a line that begins with a blank would continue it */
    bool other_seen; /* a field that is not Received */
    uint32_t line_len;
    uint32_t received;          /* Received fields so far */
    struct pp_field_scan field; /* the line under way, in the header section */
    /* the character of UTF-8 under way */
    uint8_t utf8_need, utf8_low, utf8_high;
};

void pp_content_scan_init(struct pp_content_scan *s);
void pp_content_scan(struct pp_content_scan *s, const uint8_t *bytes, size_t len);
/* The bits; the scan is over. */
uint16_t pp_content_scan_end(struct pp_content_scan *s);

#endif
