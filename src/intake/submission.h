/*
 * submission.h - what a way in says about the mail it hands over
 *
 * Job:      the plain struct shared by pinpost.h and intake/submit.h.
 * Not here: what is checked and completed (intake/submit.h).
 */
#ifndef PP_INTAKE_SUBMISSION_H
#define PP_INTAKE_SUBMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/content.h"
#include "base/text.h"
#include "queue/ticket.h"

struct pp_submission {
    enum pp_kind kind; /* PP_KIND_MESSAGE: RFC 5322 header and body; PP_KIND_ALERT: text only */
    enum pp_severity severity;
    struct pp_text sender; /* reverse-path; empty: the configuration's; "<>": the null sender */
    struct pp_text sender_name; /* UTF-8, for From: where the message has none; may be empty */
    struct pp_text subject;     /* alerts only: UTF-8, one line, up to 900 bytes */
    struct pp_text origin;      /* for the log: "api", "uid=1000" */
    bool body_8bitmime;
    bool smtputf8;
    bool rewrite_sender;  /* it goes out as [identity] from: envelope and From (message/render.h) */
    enum pp_dsn_ret ret;  /* RFC 3461 4.3 */
    struct pp_text envid; /* RFC 3461 4.4: xtext, up to 100 octets; may be empty */
    struct pp_text trace; /* header fields with their CRLF that stand before the content: the
                             Received field of the relay server; may be empty */
    /* Letters, digits and dashes that name this mail wherever it was before, so that handing it in
     * twice makes one Message-ID; up to 64, may be empty. */
    struct pp_text token;
    uint64_t size_bytes; /* 0: unknown */
};

struct pp_submit; /* a message being handed in: a slot, given back by seal or abort */

#endif
