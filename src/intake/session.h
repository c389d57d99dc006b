/*
 * session.h - mail that comes in over SMTP, from submit.sock
 *
 * Job:      run one smtp_server over one accepted link, put what it takes into the queue through
 *           intake/submit, answer 250 only when the ticket says DURABLE.
 * Not here: the dialogue (intake/smtp_server), opening listeners (the port's owner).
 *
 * A client that goes away before the end of its message leaves nothing behind; one that goes away
 * after it, without waiting for the answer, has its message in the queue.
 */
#ifndef PP_INTAKE_SESSION_H
#define PP_INTAKE_SESSION_H

#include <stdbool.h>

#include "base/log.h"
#include "config.h"
#include "intake/smtp_server.h"
#include "intake/submit.h"
#include "port.h"
#include "queue/queue.h"
#include "wire/link.h"

struct pp_intake_session {
    bool active;
    bool waits_for_ticket;    /* AWAIT_COMMIT: nothing is read meanwhile */
    struct pp_intake *intake; /* the room's shared parts */
    struct pp_peer peer;
    struct pp_submit *submit; /* the message under way, or NULL */
    struct pp_ticket ticket;
    pp_time_ms sealed_at_ms;
    struct pp_smtp_server server;
    struct pp_link link;
};

/* Take over an accepted stream. Nothing was said yet: pump it. */
void pp_intake_session_start(struct pp_intake_session *s, struct pp_intake *intake,
                             const struct pp_port *port, int stream, const struct pp_peer *peer,
                             pp_time_ms now_ms);
/* A bounded amount of work; true when there is more to do at once. `active` turns false at the end.
 * To be called each turn: a ticket that became durable is noticed here. */
bool pp_intake_session_pump(struct pp_intake_session *s, pp_time_ms now_ms);
/* Instant at which it wants to be pumped whatever comes in; PP_TIME_NEVER while it waits for a
 * ticket, which is the owner's turn. */
pp_time_ms pp_intake_session_deadline_ms(const struct pp_intake_session *s);
/* Say 421 where that is possible, and close. */
void pp_intake_session_stop(struct pp_intake_session *s);

#endif
