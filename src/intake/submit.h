/*
 * submit.h - the one door into the queue
 *
 * Job:      check and complete what any way in hands over (API, SMTP, drop directory): addresses,
 *           subject, defaults from today's configuration, line ends, limits; then write it to the
 *           queue.
 * Not here: who may (intake/access, later), protocols (intake/smtp_server).
 * Follows:  RFC 5321 2.3.5 (addresses have a domain), 2.3.8 (lines end in CRLF)
 *
 * pp_submit_*() and pp_submit_alert() of pinpost.h are thin calls of relay.c into this.
 */
#ifndef PP_INTAKE_SUBMIT_H
#define PP_INTAKE_SUBMIT_H

#include <stdbool.h>

#include "base/log.h"
#include "config.h"
#include "intake/submission.h"
#include "message/content_scan.h"
#include "message/normalize.h"
#include "message/received.h"
#include "port.h"
#include "queue/queue.h"

#define PP_SUBJECT_MAX     900 /* bytes of UTF-8 */
#define PP_TOKEN_MAX       64
#define PP_SENDER_NAME_MAX 256
#define PP_SENDER_MAX      254 /* RFC 5321 4.5.3.1.3: a path of 256 with its brackets */
#define PP_ORIGIN_MAX      128 /* what is longer is cut */

struct pp_intake;

struct pp_submit {
    struct pp_intake *intake;
    struct pp_queue_writer *writer;
    bool in_use;
    enum pp_err error; /* first that spoils the message; sticky until seal */
    enum pp_kind kind;
    enum pp_severity severity;
    bool has_subject;
    bool line_open; /* content does not end in CRLF by now */
    uint32_t recipient_count;
    uint64_t content_bytes; /* without the trace */
    struct pp_content_scan scan;
    struct pp_normalize normalize;
    size_t sender_len, origin_len; /* kept for the log */
    char sender[PP_SENDER_MAX];
    char origin[PP_ORIGIN_MAX];
    size_t trace_len; /* not yet written */
    char trace[PP_RECEIVED_MAX];
};

/* Shared by all ways in; relay owns it. */
struct pp_intake {
    struct pp_queue *queue;
    const struct pp_config *config; /* today's; the owner may change what it points to */
    const struct pp_port *port;     /* for the wall clock */
    const struct pp_log *log;
    bool draining; /* take nothing new: PP_ERR_DRY */
    uint64_t accepted_messages;
    /* Called by seal on PP_OK: the relay schedules the message once its ticket is DURABLE. May be
     * NULL. */
    void (*on_sealed)(void *ctx, const struct pp_ticket *ticket);
    void *on_sealed_ctx;
    struct pp_submit submits[PP_QUEUE_WRITERS];
};

void pp_intake_init(struct pp_intake *intake, struct pp_queue *queue,
                    const struct pp_config *config, const struct pp_port *port,
                    const struct pp_log *log);
/*
 * Begin a message. Texts are copied. A bare sender gets the configuration's domain, or without one
 * the host name; without any sender it is `from` of the configuration, or pinpost@ that domain.
 * Returns PP_ERR_DRY (no slot, or draining), PP_ERR_INJECTION (line breaks in sender, name or
 * subject), PP_ERR_SYNTAX (malformed or too long sender, name or subject not UTF-8),
 * PP_ERR_TOO_BIG (name, subject, or declared size over the limit), PP_ERR_STATE (a message with a
 * subject), PP_ERR_FULL, PP_ERR_FLASH.
 */
PP_MUST_USE enum pp_err pp_intake_open(struct pp_intake *intake,
                                       const struct pp_submission *submission,
                                       struct pp_submit **submit);
/*
 * One address, without <>: checked and completed with the configuration's domain. All come before
 * content. Refused, it leaves the message as it was: PP_ERR_SYNTAX, PP_ERR_INJECTION, PP_ERR_EMPTY,
 * PP_ERR_NOT_FOUND (no domain), PP_ERR_TOO_BIG (too many recipients), PP_ERR_STATE (behind
 * content). Others spoil the message: PP_ERR_FULL, PP_ERR_FLASH.
 */
PP_MUST_USE enum pp_err pp_intake_recipient(struct pp_submit *s,
                                            const struct pp_recipient *recipient);
/* The configuration's default recipients. PP_ERR_EMPTY when there are none; else as above. */
PP_MUST_USE enum pp_err pp_intake_default_recipients(struct pp_submit *s);
/* Content, in pieces of any size; _crlf where every line already ends in CRLF. The first error is
 * kept: PP_ERR_TOO_BIG, PP_ERR_INJECTION (NUL), PP_ERR_FULL, PP_ERR_FLASH. */
PP_MUST_USE enum pp_err pp_intake_write(struct pp_submit *s, const void *bytes, size_t len);
PP_MUST_USE enum pp_err pp_intake_write_crlf(struct pp_submit *s, const void *bytes, size_t len);
/*
 * Ends the last line, seals, logs `accepted`. The slot is free afterwards whatever is returned:
 * PP_ERR_EMPTY (no recipient; an alert with neither subject nor text; a message without content),
 * PP_ERR_LOOP (more than 30 Received fields),
 * or the first error, and nothing is kept.
 */
PP_MUST_USE enum pp_err pp_intake_seal(struct pp_submit *s, struct pp_ticket *ticket);
void pp_intake_abort(struct pp_submit *s);

#endif
