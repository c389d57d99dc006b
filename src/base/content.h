/*
 * content.h - what a message is and what its content showed
 *
 * Job:      words that the queue keeps and that message/ reads and writes: how urgent a
 *           message is, and what was seen while its content streamed in.
 * Not here: the scan (message/content_scan.h), what follows from it (message/render.h).
 */
#ifndef PP_BASE_CONTENT_H
#define PP_BASE_CONTENT_H

#include "base/err.h"
#include "base/text.h"

enum pp_severity {
    PP_SEVERITY_INFO,
    PP_SEVERITY_NOTICE,
    PP_SEVERITY_WARNING,
    PP_SEVERITY_CRITICAL
};

/* "info", "notice", "warning", "critical"; "unknown" for anything else. */
const char *pp_severity_name(enum pp_severity severity);
/* The other way, without regard to case. PP_ERR_SYNTAX for another word. */
PP_MUST_USE enum pp_err pp_severity_from_text(struct pp_text text, enum pp_severity *severity);

#define PP_ENVID_MAX 100 /* octets: RFC 3461 4.4 */
#define PP_ORCPT_MAX 500 /* octets: RFC 3461 4.2 */

/* Delivery status notifications as asked for by the sender (RFC 3461 4). */
enum pp_dsn_ret { PP_DSN_RET_UNSAID, PP_DSN_RET_FULL, PP_DSN_RET_HDRS };
enum pp_dsn_notify {                          /* bits */
                     PP_DSN_NOTIFY_NEVER = 1, /* alone */
                     PP_DSN_NOTIFY_SUCCESS = 2,
                     PP_DSN_NOTIFY_FAILURE = 4,
                     PP_DSN_NOTIFY_DELAY = 8
};

/* One recipient as it was handed in, and as it goes on. */
struct pp_recipient {
    struct pp_text address; /* a forward-path without <>, 1 to 320 octets */
    uint8_t notify;         /* enum pp_dsn_notify; 0: not said */
    struct pp_text orcpt;   /* RFC 3461 4.2, `type;xtext` as it came; may be empty */
};

/* Bits of a uint16_t that is kept with the commit. */
enum pp_content {
    PP_CONTENT_8BIT = 1 << 0,        /* a byte above 127 in the body */
    PP_CONTENT_LONG_LINE = 1 << 1,   /* a line of more than 998 octets in the body */
    PP_CONTENT_8BIT_HEADER = 1 << 2, /* a byte above 127 in the header section */
    PP_CONTENT_HAS_DATE = 1 << 3,
    PP_CONTENT_HAS_MESSAGE_ID = 1 << 4,
    PP_CONTENT_HAS_FROM = 1 << 5,
    PP_CONTENT_HAS_TO = 1 << 6, /* To, Cc or Bcc */
    PP_CONTENT_HAS_NUL = 1 << 7,
    PP_CONTENT_HAS_MIME = 1 << 8,           /* MIME-Version */
    PP_CONTENT_NO_HEADER = 1 << 9,          /* does not begin with a header field */
    PP_CONTENT_HAS_SENDER_FIELDS = 1 << 10, /* reserved for Sender/Resent */
    PP_CONTENT_NOT_UTF8 = 1 << 11,          /* bytes above 127 that are not UTF-8 */
    PP_CONTENT_LONG_HEADER_LINE = 1 << 12,  /* a line of more than 998 octets before the body */
    PP_CONTENT_LOOPS = 1 << 13,             /* more than 30 Received fields (RFC 5321 6.3) */
    PP_CONTENT_HAS_REPLY_TO = 1 << 14
};

#endif
