/*
 * session.h - messages from the queue over one connection to the smarthost
 *
 * Job:      take due messages one after the other, hand envelope and rendered content to the
 *           SMTP client, keep every verdict in the queue, say it in the log.
 * Not here: the connection (delivery/path), the dialogue (delivery/smtp_client), when a
 *           session is worth opening (relay.c).
 */
#ifndef PP_DELIVERY_SESSION_H
#define PP_DELIVERY_SESSION_H

#include <stdbool.h>

#include "base/log.h"
#include "config.h"
#include "delivery/path.h"
#include "delivery/route.h"
#include "delivery/watch.h"
#include "message/render.h"
#include "port.h"
#include "queue/queue.h"
#include "queue/schedule.h"
#include "wire/tls_kept.h"

/* What all sessions of the relay share; the relay owns it. */
struct pp_delivery {
    const struct pp_port *port;
    struct pp_resolver *resolver;
    const struct pp_config *config; /* today's */
    struct pp_queue *queue;
    struct pp_schedule *schedule;
    const struct pp_log *log;
    struct pp_route route;
    uint32_t sessions_opened; /* numbers the sessions in the log */
    uint64_t delivered_recipients, failed_recipients;
    uint32_t tls_faults_told; /* of pp_tls_alloc_faults(): already in the log */
    uint32_t generation;      /* of the configuration: sessions of an older one take no more mail */
    struct pp_tls_kept_session *kept; /* of each smarthost; NULL: none are */
    struct pp_tls_counts tls_counts[PP_SMARTHOSTS];
    struct pp_watch watch; /* over the smarthost's certificate */
    bool draining;
};

/* Results gathered before they go to flash in one record. */
#define PP_SESSION_RESULTS 64

struct pp_delivery_session {
    bool active;
    struct pp_delivery *delivery;
    uint32_t number;
    uint32_t generation; /* of the configuration that it was begun with */
    uint32_t messages;   /* begun on this connection */
    pp_time_ms idle_until_ms;
    struct pp_path path;
    /* the message under way; id 0: none */
    uint32_t id;
    bool later_said;   /* a reply about the message as a whole was kept */
    bool path_trouble; /* what went wrong speaks of the account or the path */
    pp_time_ms begun_ms;
    struct pp_queue_reader recipients;
    struct pp_queue_reader content;
    struct pp_envelope envelope;
    struct pp_render render;
    struct pp_render_facts facts;
    bool content_ended, render_failed;
    const uint8_t *piece; /* content read and not yet given to the render */
    size_t piece_len;
    char to_header[1000];
    uint16_t handed;                 /* recipients given to the client */
    uint16_t map_count;              /* recipients of this attempt */
    uint16_t map[PP_RECIPIENTS_MAX]; /* client's index -> index in the message */
    uint8_t outcomes[PP_RECIPIENTS_MAX];
    struct pp_result results[PP_SESSION_RESULTS];
    size_t result_count;
};

void pp_delivery_session_start(struct pp_delivery_session *s, struct pp_delivery *delivery,
                               pp_time_ms now_ms);
/* A bounded amount of work; true when there is more to do at once. `active` turns false at the end.
 */
bool pp_delivery_session_pump(struct pp_delivery_session *s, pp_time_ms now_ms);
pp_time_ms pp_delivery_session_deadline_ms(const struct pp_delivery_session *s);
/* True when it waits for a message. */
bool pp_delivery_session_idle(const struct pp_delivery_session *s);
void pp_delivery_session_stop(struct pp_delivery_session *s, pp_time_ms now_ms);

#endif
