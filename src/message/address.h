/*
 * address.h - mail addresses of envelopes and headers
 *
 * Job:      check and complete an envelope address, find the addresses in To/Cc/Bcc fields.
 * Follows:  RFC 5321 4.1.2 (Mailbox, limits 4.5.3.1), RFC 5322 3.4, RFC 6531 (UTF-8)
 */
#ifndef PP_MESSAGE_ADDRESS_H
#define PP_MESSAGE_ADDRESS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/text.h"

#define PP_ADDRESS_MAX 320 /* 64 + @ + 255 */

/*
 * Check `address` (no angle brackets) and write it to `out` in the form that goes into the queue. A
 * bare local part gets `@domain`; with an empty domain it is refused. Returns PP_ERR_INJECTION (CR,
 * LF, NUL, other controls), PP_ERR_SYNTAX, PP_ERR_TOO_BIG (local part 64, domain 255),
 * PP_ERR_EMPTY, PP_ERR_NOT_FOUND (no domain and none configured). Source routes are refused. Quoted
 * local parts and address literals of IPv4 and IPv6 are taken. A local part is nobody's but the
 * last host's: with `%`, `!` or a quoted @ in it, it goes on as it is, and is never taken apart.
 */
PP_MUST_USE enum pp_err pp_address_complete(struct pp_text address, struct pp_text domain,
                                            struct pp_writer *out);
/*
 * May `address` stand between < and > in a MAIL or RCPT command? 1 to PP_ADDRESS_MAX octets; a last
 * guard, not a check of form: PP_ERR_INJECTION for control characters and angle brackets (even in
 * quotes), PP_ERR_SYNTAX for blanks outside quotes or open quotes, PP_ERR_EMPTY, PP_ERR_TOO_BIG.
 */
PP_MUST_USE enum pp_err pp_address_check(struct pp_text address);
/*
 * Walk a list of addresses as found in a header field or on a command line: display names,
 * comments, quoted strings, groups, commas. *rest is moved on; PP_ERR_NOT_FOUND at the end;
 * PP_ERR_SYNTAX for an entry that cannot be understood (rest is moved behind it).
 */
PP_MUST_USE enum pp_err pp_address_next(struct pp_text *rest, struct pp_text *address);

#endif
