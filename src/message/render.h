/*
 * render.h - the message as it goes out, made from what lies in the queue
 *
 * Job:      an alert becomes a MIME message; a ready message gets the header fields it lacks and
 *           loses Bcc and Return-Path, its bare addresses get a domain, From is rewritten where
 *           that was asked for; where the next hop cannot take it as it is, content is converted.
 *           Output comes in pieces, so a message of any size passes through one small buffer.
 * Not here: reading flash (the owner feeds content), envelopes, dot-stuffing
 *           (delivery/smtp_client.h).
 * Follows:  RFC 5322, 2045-2047, 5321 4.5.3.1.6 (998 octets), 6152, 3834 (Auto-Submitted)
 */
#ifndef PP_MESSAGE_RENDER_H
#define PP_MESSAGE_RENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/content.h"
#include "base/err.h"
#include "base/text.h"
#include "message/content_scan.h"
#include "message/encode.h"
#include "message/field.h"
#include "message/mime.h"

#define PP_RENDER_OUT_BYTES  8192
#define PP_RENDER_LINE_BYTES 4096

/* Fields of a message that are known beside its content. */
struct pp_render_facts {
    bool alert;               /* else a ready message */
    struct pp_text from;      /* address for From: where it has none (never empty) */
    struct pp_text from_name; /* UTF-8 or empty */
    struct pp_text
        to; /* alerts: the To: list, "a@b, c@d"; may be empty: undisclosed-recipients:; */
    struct pp_text subject;  /* alerts; UTF-8 */
    struct pp_text hostname; /* right side of the Message-ID */
    struct pp_text domain;   /* completes header addresses without one; empty: they stay */
    struct pp_text token;    /* makes the Message-ID where it is not empty */
    uint32_t queue_id;
    uint64_t
        device; /* random number of the store, made once: ids do not meet those of another device */
    int64_t accepted_s; /* wall clock at acceptance, PP_WALL_UNKNOWN: `now_s` stands in */
    int64_t now_s;
    uint8_t severity;    /* enum pp_severity: X-Priority, Importance */
    uint16_t content;    /* enum pp_content bits, as found while it streamed in */
    bool rewrite_sender; /* From: becomes `from`; what stood there goes to Reply-To: (where there is
                            none) and X-Original-From: */
    bool eight_bit_ok;   /* the next hop takes 8-bit bodies */
    bool smtputf8_ok;
};

enum pp_render_plan { PP_RENDER_AS_IS, PP_RENDER_CONVERT };

struct pp_render {
    struct pp_render_facts facts;
    struct pp_buf out; /* bytes ready to be taken */
    uint8_t out_bytes[PP_RENDER_OUT_BYTES];
    enum pp_render_plan plan;
    enum pp_err error;   /* PP_ERR_UNSUPPORTED: cannot be converted safely; sticky */
    const char *error_z; /* in words, "5.6.x ..."; NULL without error */
    uint8_t state;       /* enum in render.c */
    uint8_t step;        /* next field of an alert's header */
    size_t to_pos;       /* of an alert's To: list, what was written */
    bool previous_cr, line_started;
    /* the header section under way: of the message (depth 0) or of a part */
    struct pp_field_scan scan; /* of the physical line under way */
    bool field_open, field_spilled;
    bool from_put;      /* From: was rewritten */
    uint32_t completed; /* bytes that addresses got as their domains */
    uint8_t field;      /* enum pp_field of the one under way */
    uint32_t seen;      /* bits 1 << enum pp_field, of the message's own header */
    bool type_seen;
    uint8_t type, cte; /* enum pp_mime_type, enum pp_mime_cte */
    char cte_text[32]; /* of an encoding that we do not know */
    struct pp_mime_boundary boundary;
    struct pp_mime_stack mime;
    struct pp_encoder encoder;
    size_t line_at; /* where the physical line under way begins */
    size_t line_len;
    uint8_t line[PP_RENDER_LINE_BYTES]; /* a header field, or a body line that may be a boundary */
};

/* Facts' views must outlive the render. */
void pp_render_init(struct pp_render *r, const struct pp_render_facts *facts);
/* Give content; returns how many bytes were taken (0: take output first). */
size_t pp_render_feed(struct pp_render *r, const uint8_t *content, size_t len);
/* Content is complete; may have to be called again after output was taken: true when all is in
 * `out`. */
bool pp_render_end(struct pp_render *r);
/* After an error feed takes all and puts nothing, and end returns true: look at r->error. */
/* Output: pp_buf_head(&r->out), pp_buf_len(&r->out), pp_buf_consume(&r->out, n). */

/*
 * Asked before MAIL: is the message to be converted, must BODY=8BITMIME be said, and how large is
 * it at most (0: not known before it is rendered; SIZE= is left out then)?
 */
enum pp_render_plan pp_render_plan_for(const struct pp_render_facts *facts);
bool pp_render_is_8bit(const struct pp_render_facts *facts);
uint64_t pp_render_size_estimate(const struct pp_render_facts *facts, uint64_t content_bytes);

/* For tests and for the Message-ID in a log: "<...@host>". */
void pp_put_message_id(struct pp_writer *w, const struct pp_render_facts *facts);
/* "Subject: ..." with RFC 2047 encoded words where it is not ASCII, folded at 76, CRLF at the end.
 * Line breaks in `value` become spaces. */
void pp_put_header(struct pp_writer *w, const char *name_z, struct pp_text value);

#endif
