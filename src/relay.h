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
#include "store/kv.h"
#include "store/part.h"

/* Messages sealed in this turn, waiting for the sync before they are scheduled. */
#define PP_RELAY_FRESH (PP_QUEUE_WRITERS * 4)

#define PP_SEED_BYTES 32u

/* What is kept beside the mail (relay_kept.c). */
struct pp_relay_kept {
    enum { PP_KEPT_WANTS_SEED, PP_KEPT_AWAITS_SYNC, PP_KEPT_SETTLED } step;
    bool has_seed;
    bool synced;      /* there was a good sync since the mount */
    bool floor_kept;  /* ... a time floor written */
    bool floor_waits; /* it is due and could not be written yet: with the next turn that comes */
    int64_t floor_s;  /* 0: none yet */
    pp_time_ms look_at_ms;
    uint8_t seed[PP_SEED_BYTES]; /* to be used when the next one is durable; then wiped */
};

/* TLS sessions with the smarthosts (relay_sessions.c). */
struct pp_relay_sessions {
    struct pp_tls_kept_session kept[PP_SMARTHOSTS];
    uint32_t written[PP_SMARTHOSTS];       /* of its changes, what is in flash */
    pp_time_ms write_at_ms[PP_SMARTHOSTS]; /* not before */
    bool cleared;                          /* nothing of them is in flash */
};

struct pp_relay {
    const struct pp_port *port;
    struct pp_config config;
    struct pp_log log;
    bool draining;
    pp_time_ms started_ms;
    struct pp_flash_part log_part, kv_part;
    struct pp_queue queue;
    struct pp_kv kv;
    struct pp_relay_kept kept;
    struct pp_relay_sessions sessions;
    struct pp_schedule schedule;
    struct pp_intake intake;
    struct pp_resolver resolver;
    struct pp_delivery delivery;
    struct pp_intake_server server;
    struct pp_pool intake_pool;
    uint8_t intake_used[PP_INTAKE_SESSIONS];
    struct pp_intake_session intake_sessions[PP_INTAKE_SESSIONS];
    struct pp_pool delivery_pool;
    uint8_t delivery_used[PP_DELIVERY_SESSIONS];
    struct pp_delivery_session delivery_sessions[PP_DELIVERY_SESSIONS];
    struct pp_ticket fresh[PP_RELAY_FRESH];
    uint32_t fresh_count;
    bool store_failed;            /* said so in the log */
    pp_time_ms own_look_at_ms;    /* next look at how long our certificates are valid */
    int64_t own_expiry_said_s[2]; /* when it was last in the log, by enum pp_tls_role */
    pp_time_ms expiry_at_ms;      /* next look for expired messages */
    uint32_t expiry_cursor;
    pp_time_ms sync_at_ms; /* of what nobody waits for; PP_TIME_NEVER: nothing */
};

/* ---- relay_kept.c ---- */
/* Split the medium and look at its key-value; writes nothing. Before the queue is mounted on
 * `log_part`. Returns PP_ERR_VERSION, PP_ERR_RANGE. */
PP_MUST_USE enum pp_err pp_relay_mount_kept(struct pp_relay *relay);
/* After the queue's mount: read what is kept. */
void pp_relay_start_kept(struct pp_relay *relay);
/* Put what is due. Before the turn's sync, which it may want. */
void pp_relay_turn_kept(struct pp_relay *relay, pp_time_ms now_ms);
/* May connections be opened? Not while a kept seed is still to be stirred in. */
bool pp_relay_kept_settled(const struct pp_relay *relay);

/* A power cut must not leave values on a medium that nothing says is ours. */
bool pp_relay_may_put(const struct pp_relay *relay);
void pp_relay_log_not_kept(const struct pp_relay *relay, const char *what_z, enum pp_err err);

/* ---- relay_sessions.c ---- */
/* After pp_relay_start_kept(): read the sessions of before the restart, where they are wanted. */
void pp_relay_start_sessions(struct pp_relay *relay);
/* Write what is due. Before the turn's sync. */
void pp_relay_turn_sessions(struct pp_relay *relay, pp_time_ms now_ms);

/* ---- relay_watch.c ---- */
/* Put the pin that was accepted before beside those of the configuration that is in force. */
void pp_relay_add_kept_pin(struct pp_relay *relay);
/* Hand in the mails about the smarthost's certificate that are due. */
void pp_relay_tell(struct pp_relay *relay);

/* ---- relay_queue.c ---- */
void pp_relay_schedule_entry(struct pp_relay *relay, struct pp_queue_entry *entry,
                             pp_time_ms at_ms);
/* RFC 1985: what waits for a domain is due now. `ctx` is the relay. PP_ERR_NOT_FOUND. */
PP_MUST_USE enum pp_err pp_relay_etrn(void *ctx, struct pp_text domain);

#endif
