/*
 * complete.h - addresses without a domain in a header field get one
 *
 * Job:      `From: root`, `To: root, admin`, `From: root (Cron Daemon)`, `From: mdadm <root>`: the
 *           local part alone becomes an address, as the envelope's does.
 * Not here: which fields (render_header.c), addresses of envelopes (address.h).
 * Follows:  RFC 5322 3.4, RFC 6409 8.1 (a submission server may do this)
 */
#ifndef PP_MESSAGE_COMPLETE_H
#define PP_MESSAGE_COMPLETE_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

#define PP_COMPLETE_MAX 32 /* addresses of one field */

/*
 * Insert `@domain` behind each bare local part of a whole field, name, folds and CRLF as they are.
 * Every other byte stays. A field with anything but plain mailboxes (groups, routes, open quotes or
 * comments, two words without brackets), with more than PP_COMPLETE_MAX to complete, or that would
 * be longer than `cap`, is left alone. Returns the new length.
 */
size_t pp_complete_field(uint8_t *field, size_t len, size_t cap, struct pp_text domain);

#endif
