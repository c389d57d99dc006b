/*
 * route.h - whether the smarthost may be tried, and when again
 *
 * Job:      keep what was learnt about the path: up or down, since when, why, until when we
 *           wait. A path that failed holds back all mail with one backoff instead of one a message.
 * Not here: the verdict on mail (delivery/verdict), the connection (delivery/path).
 */
#ifndef PP_DELIVERY_ROUTE_H
#define PP_DELIVERY_ROUTE_H

#include <stdbool.h>

#include "base/time.h"
#include "delivery/verdict.h"
#include "queue/schedule.h"

struct pp_route {
    bool proven;            /* the last connection got as far as the login */
    uint32_t failures;      /* in a row */
    pp_time_ms retry_at_ms; /* not before */
    enum pp_stage stage;    /* of the last failure */
    struct pp_reply reply;
    uint32_t lost;    /* connections in a row that were lost within a message, none got through */
    uint32_t lost_id; /* the message of the last of them */
};

/* So many different messages lose their connection in a row before the path itself rests. */
#define PP_ROUTE_LOST_MAX 3

void pp_route_init(struct pp_route *route);
void pp_route_up(struct pp_route *route);
/* Returns how long the route rests, ms. */
uint64_t pp_route_down(struct pp_route *route, const struct pp_backoff *backoff,
                       enum pp_stage stage, const struct pp_reply *reply, pp_time_ms now_ms);
/* A message was answered to its end, whatever the answer. */
void pp_route_served(struct pp_route *route);
/*
 * A connection was lost within message `id`. One message that a server cannot digest holds up no
 * other; but where one after the other is lost (421 to each MAIL), the path rests for the first
 * backoff. Returns how long, ms; 0: not at all.
 */
uint64_t pp_route_lost(struct pp_route *route, const struct pp_backoff *backoff, uint32_t id,
                       enum pp_stage stage, const struct pp_reply *reply, pp_time_ms now_ms);
void pp_route_retry_now(struct pp_route *route);
bool pp_route_open(const struct pp_route *route, pp_time_ms now_ms);
/* What an operator can do about a failure at this stage. Never NULL. */
const char *pp_route_advice(enum pp_stage stage);

#endif
