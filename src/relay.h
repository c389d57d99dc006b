/*
 * relay.h - owns every pool and slot; one turn of the loop
 *
 * Job:      the struct behind pinpost.h, for relay.c and the files beside it.
 * Not here: protocols, flash, rendering: the rooms.
 */
#ifndef PP_RELAY_H
#define PP_RELAY_H

#include "base/pool.h"
#include "delivery/probe.h"
#include "delivery/session.h"
#include "intake/session.h"
#include "intake/submit.h"
#include "pinpost.h"

/* Messages sealed in this turn, waiting for the sync before they are scheduled. */
#define PP_RELAY_FRESH (PP_QUEUE_WRITERS * 4)

struct pp_relay {
    const struct pp_port *port;
    struct pp_config config;
    struct pp_log log;
    bool draining;
    pp_time_ms started_ms;
    struct pp_queue queue;
    struct pp_schedule schedule;
    struct pp_intake intake;
    struct pp_delivery delivery;
    struct pp_pool intake_pool;
    uint8_t intake_used[PP_INTAKE_SESSIONS];
    struct pp_intake_session intake_sessions[PP_INTAKE_SESSIONS];
    struct pp_pool delivery_pool;
    uint8_t delivery_used[PP_DELIVERY_SESSIONS];
    struct pp_delivery_session delivery_sessions[PP_DELIVERY_SESSIONS];
    struct pp_ticket fresh[PP_RELAY_FRESH];
    uint32_t fresh_count;
    bool store_failed;       /* said so in the log */
    pp_time_ms expiry_at_ms; /* next look for expired messages */
    uint32_t expiry_cursor;
};

/* relay_queue.c */
void pp_relay_schedule_entry(struct pp_relay *relay, struct pp_queue_entry *entry,
                             pp_time_ms at_ms);

#endif
