/*
 * transfer.h - one message of a session: envelope, content, verdicts
 *
 * Job:      the part of a delivery session that knows the message under way.
 * Not here: the connection and what comes after (session.c).
 */
#ifndef PP_DELIVERY_TRANSFER_H
#define PP_DELIVERY_TRANSFER_H

#include "delivery/session.h"

/* Begin with the message of `entry`; false when it cannot be read: it was put aside, take another.
 */
bool pp_transfer_begin(struct pp_delivery_session *s, struct pp_queue_entry *entry,
                       pp_time_ms now_ms);
/* Hand recipients to the client as far as there is room. */
void pp_transfer_recipients(struct pp_delivery_session *s, pp_time_ms now_ms);
/* Move content to the client, a bounded amount; true when it could go on at once. */
bool pp_transfer_content(struct pp_delivery_session *s, pp_time_ms now_ms);
/* The client's verdict on one recipient (struct pp_smtp_params). `session` is the session. */
void pp_transfer_verdict(void *session, uint16_t recipient, enum pp_verdict verdict,
                         enum pp_scope scope, enum pp_stage stage, const struct pp_reply *reply);
/* All verdicts are in: keep them, plan the next attempt, let go of the message. */
void pp_transfer_end(struct pp_delivery_session *s, pp_time_ms now_ms);

/* True when the message is older than the configuration lets it be (RFC 5321 4.5.4.1). */
bool pp_transfer_expired(const struct pp_delivery *d, const struct pp_queue_entry *entry);
/* Open recipients of an expired message fail, loudly. */
void pp_transfer_expire(struct pp_delivery *d, struct pp_queue_entry *entry);

#endif
