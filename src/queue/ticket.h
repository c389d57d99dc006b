/*
 * ticket.h - what those who hand mail in and look at it know of the queue
 *
 * Job:      the plain words that pinpost.h shares with the queue.
 * Not here: the queue itself (queue/queue.h), which firmware need not see.
 */
#ifndef PP_QUEUE_TICKET_H
#define PP_QUEUE_TICKET_H

#include <stdint.h>

enum pp_kind {
    PP_KIND_ALERT,  /* subject and text; header fields are rendered at delivery */
    PP_KIND_MESSAGE /* a ready message of RFC 5322, lines ending in CRLF */
};

enum pp_outcome { PP_OUTCOME_OPEN, PP_OUTCOME_DELIVERED, PP_OUTCOME_FAILED };

enum pp_ticket_state { PP_TICKET_PENDING, PP_TICKET_DURABLE, PP_TICKET_FAILED };
/* A receipt for a sealed message. */
struct pp_ticket {
    uint32_t id;         /* the message's queue id */
    uint32_t generation; /* of the sync that makes it durable */
};

#endif
