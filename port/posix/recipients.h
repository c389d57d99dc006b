/*
 * recipients.h - the recipients of one message, gathered before it is handed over
 *
 * Job:      a bounded list of addresses, from the command line or from header fields To, Cc and
 *           Bcc (Resent-To, -Cc and -Bcc where there are any).
 * Not here: completing an address and checking it against limits; the daemon does that from
 *           its configuration.
 * Follows:  RFC 5322 2.2.3 (folding), 3.6.3, 3.6.6
 */
#ifndef PP_POSIX_RECIPIENTS_H
#define PP_POSIX_RECIPIENTS_H

#include <stddef.h>

#include "base/err.h"
#include "base/text.h"
#include "profile.h"

#define PP_RECIPIENTS_BYTES (256 * 1024)

struct pp_recipients {
    size_t count;
    size_t used;
    char bytes[PP_RECIPIENTS_BYTES]; /* addresses, each ended by NUL */
};

void pp_recipients_clear(struct pp_recipients *list);
/*
 * Add all addresses of `text`, commas between them, display names and comments left out. An address
 * that is there already is not added again. Returns PP_ERR_SYNTAX (*bad is what could not be
 * understood), PP_ERR_INJECTION (a line break or NUL in `text`), PP_ERR_EMPTY (no address in it),
 * PP_ERR_TOO_BIG.
 */
PP_MUST_USE enum pp_err pp_recipients_add(struct pp_recipients *list, struct pp_text text,
                                          struct pp_text *bad);
/*
 * Add what the header section at the start of `message` names. Ends at the first line that is
 * no header field. Returns PP_ERR_SYNTAX (*bad is the entry), PP_ERR_TOO_BIG (too many, or the
 * section does not end within `message` although `whole` is false).
 */
PP_MUST_USE enum pp_err pp_recipients_from_header(struct pp_recipients *list,
                                                  struct pp_text message, bool whole,
                                                  struct pp_text *bad);
/* Walk: *cursor starts at 0; PP_ERR_NOT_FOUND behind the last. */
PP_MUST_USE enum pp_err pp_recipients_next(const struct pp_recipients *list, size_t *cursor,
                                           struct pp_text *address);

#endif
