/*
 * route.c - whether the smarthost may be tried, and when again
 *
 * Job:      one backoff for the path, and words about what to do.
 */
#include "delivery/route.h"

#include <string.h>

void pp_route_init(struct pp_route *route)
{
    memset(route, 0, sizeof(*route));
}

void pp_route_up(struct pp_route *route)
{
    uint32_t lost = route->lost;
    uint32_t lost_id = route->lost_id;
    pp_time_ms retry_at_ms = lost >= PP_ROUTE_LOST_MAX ? route->retry_at_ms : 0;

    pp_route_init(route);
    route->proven = true;
    route->lost = lost;
    route->lost_id = lost_id;
    /* A login alone does not end the rest that lost messages earned: another connection was on its
     * way when they were lost. */
    route->retry_at_ms = retry_at_ms;
}

void pp_route_served(struct pp_route *route)
{
    if (route->lost >= PP_ROUTE_LOST_MAX) {
        route->retry_at_ms = 0;
    }
    route->lost = route->lost_id = 0;
}

uint64_t pp_route_lost(struct pp_route *route, const struct pp_backoff *backoff, uint32_t id,
                       enum pp_stage stage, const struct pp_reply *reply, pp_time_ms now_ms)
{
    if (id != route->lost_id && route->lost < PP_ROUTE_LOST_MAX) {
        route->lost++;
    }
    route->lost_id = id;
    if (route->lost < PP_ROUTE_LOST_MAX || !pp_route_open(route, now_ms)) {
        return 0;
    }
    route->failures = 0; /* the login works: this rest does not grow */
    return pp_route_down(route, backoff, stage, reply, now_ms);
}

uint64_t pp_route_down(struct pp_route *route, const struct pp_backoff *backoff,
                       enum pp_stage stage, const struct pp_reply *reply, pp_time_ms now_ms)
{
    uint64_t rest_ms;

    route->proven = false;
    if (route->failures < UINT32_MAX) {
        route->failures++;
    }
    route->stage = stage;
    route->reply = *reply;
    rest_ms = pp_backoff_ms(backoff, route->failures);
    route->retry_at_ms = pp_time_add(now_ms, rest_ms);
    return rest_ms;
}

void pp_route_retry_now(struct pp_route *route)
{
    route->retry_at_ms = 0;
}

bool pp_route_open(const struct pp_route *route, pp_time_ms now_ms)
{
    return now_ms >= route->retry_at_ms;
}

const char *pp_route_advice(enum pp_stage stage)
{
    switch (stage) {
    case PP_STAGE_RESOLVE:
        return "check host in [smarthost] and the machine's name servers";
    case PP_STAGE_TRUST:
        return "mail waits until its TLSA records are there; or choose another policy";
    case PP_STAGE_CONNECT:
        return "check host and port in [smarthost] and that the network lets them through";
    case PP_STAGE_GREETING:
    case PP_STAGE_EHLO:
        return "the server does not serve us now; port 465 wants tls = implicit, 587 tls = "
               "starttls";
    case PP_STAGE_STARTTLS:
        return "the server gives no TLS here; check port and tls in [smarthost]";
    case PP_STAGE_HANDSHAKE:
        return "compare with `pinpost pin HOST:PORT`, then mend pin, policy or ca_file";
    case PP_STAGE_AUTH:
        return "check user, password and auth in [smarthost]; nothing is lost, mail waits";
    case PP_STAGE_MAIL:
        return "the account may not send from this address; check from in [identity]";
    default:
        return "it is tried again by itself";
    }
}
