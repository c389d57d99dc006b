/*
 * relay.c - owns every pool and slot; one turn of the loop
 *
 * Job:      start and stop; a turn: intake, delivery, cleaning, one sync, what waited for it.
 * Not here: the queue seen from outside (relay_queue.c), protocols and flash (the rooms).
 */
#include "relay.h"

#include <string.h>

#include "base/crypto.h"
#include "delivery/transfer.h"

#define ACCEPTS_A_TURN  64
#define IDLE_MS         3000 /* who got nowhere for so long gives its place to a new client */
#define CLEANING_ROUNDS 8
#define LAZY_SYNC_MS    20    /* what was delivered is durable so much later at the most */
#define EXPIRY_LOOKS    256   /* entries looked at in a turn */
#define EXPIRY_EVERY_MS 60000 /* at the least; sooner where `expire` is short */

/* One relay a process: mbedTLS's allocator is one (wire/tls_alloc.h). */
static struct pp_relay the_relay;

static pp_time_ms now(const struct pp_relay *r)
{
    return r->port->now_ms(r->port->ctx);
}

/* ---- log ---- */

static void sink(void *ctx, enum pp_log_level level, const char *line, size_t len)
{
    const struct pp_port *port = ctx;

    port->log(port->ctx, (enum pp_port_log)level, line, len);
}

/* ---- start and stop ---- */

static struct pp_queue_limits limits_of(const struct pp_config *config)
{
    return (struct pp_queue_limits){
        .message_bytes = config->queue.message_limit_bytes,
        .recipients = config->queue.recipient_limit,
        .reserve_percent = config->queue.reserve_percent,
    };
}

/* Whatever waits from before the restart is due now; held and failed mail is not. */
static void schedule_all(struct pp_relay *r)
{
    uint32_t cursor = 0;
    struct pp_queue_entry *entry;

    while ((entry = pp_queue_next(&r->queue, &cursor)) != NULL) {
        pp_relay_schedule_entry(r, entry, now(r));
    }
}

static void log_mounted(struct pp_relay *r)
{
    struct pp_log_line line;
    const struct pp_ring_report *report = &r->queue.ring.report;
    uint32_t damaged = r->queue.messages_damaged + report->records_damaged;

    pp_log_begin(&line, &r->log, damaged > 0 ? PP_LOG_ERROR : PP_LOG_INFO, 0, "mounted");
    pp_log_u64(&line, "messages", r->queue.entry_count);
    pp_log_u64(&line, "boot", r->queue.boot_count);
    pp_log_u64(&line, "blocks", report->blocks_used);
    if (r->queue.messages_torn > 0) {
        /* They were coming in when the power went; nobody was told that they were accepted. */
        pp_log_u64(&line, "torn", r->queue.messages_torn);
    }
    if (damaged > 0 || report->blocks_bad_header > 0) {
        pp_log_u64(&line, "messages_damaged", r->queue.messages_damaged);
        pp_log_u64(&line, "records_damaged", report->records_damaged);
        pp_log_u64(&line, "blocks_bad", report->blocks_bad_header);
        pp_log_u64(&line, "bytes_skipped", report->bytes_skipped);
    }
    pp_log_end(&line);
}

static void on_sealed(void *ctx, const struct pp_ticket *ticket)
{
    struct pp_relay *r = ctx;

    if (r->fresh_count < PP_RELAY_FRESH) {
        r->fresh[r->fresh_count++] = *ticket;
        return;
    }
    /* More than a turn's worth: sent before its sync, which costs nobody anything. */
    struct pp_queue_entry *entry = pp_queue_find(&r->queue, ticket->id);
    if (entry != NULL) {
        pp_relay_schedule_entry(r, entry, now(r));
    }
}

static enum pp_err init_rooms(struct pp_relay *r)
{
    pp_schedule_init(&r->schedule, &r->queue);
    pp_intake_init(&r->intake, &r->queue, &r->config, r->port, &r->log);
    r->intake.on_sealed = on_sealed;
    r->intake.on_sealed_ctx = r;
    pp_resolver_init(&r->resolver, r->port, &r->config.dns);
    r->delivery = (struct pp_delivery){
        .port = r->port,
        .resolver = &r->resolver,
        .config = &r->config,
        .queue = &r->queue,
        .schedule = &r->schedule,
        .log = &r->log,
        .kept = r->sessions.kept,
    };
    pp_route_init(&r->delivery.route);
    r->server.on_etrn = pp_relay_etrn;
    r->server.on_etrn_ctx = r;
    pp_pool_init(&r->intake_pool, r->intake_used, PP_INTAKE_SESSIONS);
    pp_pool_init(&r->delivery_pool, r->delivery_used, PP_DELIVERY_SESSIONS);
    r->fresh_count = 0;
    r->draining = r->store_failed = false;
    r->expiry_at_ms = 0;
    r->expiry_cursor = 0;
    r->sync_at_ms = PP_TIME_NEVER;
    return pp_intake_server_init(&r->server, &r->intake, r->port);
}

enum pp_err pp_relay_start(const struct pp_port *port, const struct pp_config *config,
                           struct pp_relay **relay)
{
    struct pp_relay *r = &the_relay;
    struct pp_queue_limits limits = limits_of(config);
    enum pp_err err;

    r->port = port;
    r->config = *config;
    r->log = (struct pp_log){.sink = sink, .ctx = (void *)port, .level = config->log.level};
    r->started_ms = now(r);
    err = pp_trust_init(port);
    /* Both or none, and nothing is written before it is known that both are ours. */
    if (err == PP_OK) {
        err = pp_relay_mount_kept(r);
    }
    if (err == PP_OK) {
        err = pp_queue_mount(&r->queue, &r->log_part.flash, &limits);
    }
    if (err == PP_OK) {
        err = init_rooms(r);
    }
    if (err != PP_OK) {
        return err;
    }
    log_mounted(r);
    pp_relay_start_kept(r);
    pp_relay_start_sessions(r);
    pp_relay_add_kept_pin(r);
    schedule_all(r);
    *relay = r;
    return PP_OK;
}

void pp_relay_configure(struct pp_relay *r, const struct pp_config *config)
{
    struct pp_queue_limits limits = limits_of(config);

    r->config = *config;
    r->log.level = config->log.level;
    pp_queue_set_limits(&r->queue, &limits);
    pp_relay_add_kept_pin(r);
    r->own_look_at_ms = 0;
    pp_access_configure(&r->server.access, &r->config);
    pp_resolver_configure(&r->resolver, &r->config.dns);
    r->delivery.generation++;
    pp_route_served(&r->delivery.route);
    pp_route_retry_now(&r->delivery.route);
}

void pp_relay_stop(struct pp_relay *r)
{
    for (size_t i = 0; i < PP_DELIVERY_SESSIONS; i++) {
        if (r->delivery_used[i]) {
            pp_delivery_session_stop(&r->delivery_sessions[i], now(r));
            pp_pool_give(&r->delivery_pool, i);
        }
    }
    for (size_t i = 0; i < PP_INTAKE_SESSIONS; i++) {
        if (r->intake_used[i]) {
            pp_intake_session_stop(&r->intake_sessions[i], "421 4.3.2 shutting down");
            pp_pool_give(&r->intake_pool, i);
        }
    }
    /* Best effort: nobody was told about what is not durable yet. */
    (void)!pp_queue_sync(&r->queue);
    pp_config_wipe(&r->config);
}

bool pp_relay_drain(struct pp_relay *r, uint64_t deadline_ms)
{
    r->draining = r->delivery.draining = r->intake.draining = true;
    return (r->delivery_pool.in_use == 0 && r->intake_pool.in_use == 0 && r->fresh_count == 0 &&
            !pp_queue_wants_sync(&r->queue) && !pp_kv_wants_sync(&r->kv)) ||
           now(r) >= deadline_ms;
}

/* ---- a turn ---- */

/* The client that got nowhere for longest; NULL when each has got somewhere of late. */
static struct pp_intake_session *find_idlest(struct pp_relay *r, bool with_tls, pp_time_ms now_ms)
{
    struct pp_intake_session *idlest = NULL;
    uint64_t longest_ms = IDLE_MS;

    for (size_t i = 0; i < PP_INTAKE_SESSIONS; i++) {
        struct pp_intake_session *s = &r->intake_sessions[i];
        uint64_t idle_ms = r->intake_used[i] ? pp_intake_session_idle_ms(s, now_ms) : 0;
        if (idle_ms >= longest_ms && (!with_tls || s->tls_slot != PP_POOL_NONE)) {
            longest_ms = idle_ms;
            idlest = s;
        }
    }
    return idlest;
}

static void end_session(struct pp_relay *r, struct pp_intake_session *s)
{
    pp_intake_session_stop(s, "421 4.3.2 too busy for idle clients");
    pp_pool_give(&r->intake_pool, (size_t)(s - r->intake_sessions));
}

/* All places are taken: the idlest client gives its own to a new one. */
static size_t make_place(struct pp_relay *r, pp_time_ms now_ms)
{
    bool crowded = r->intake_pool.in_use == PP_INTAKE_SESSIONS ||
                   r->server.access.connections >= r->config.server.connections;
    struct pp_intake_session *idlest = crowded ? find_idlest(r, false, now_ms) : NULL;

    if (idlest != NULL) {
        end_session(r, idlest);
    }
    return pp_pool_take(&r->intake_pool);
}

/* So that a place for TLS is free before somebody asks for it. */
static void make_tls_place(struct pp_relay *r, pp_time_ms now_ms)
{
    struct pp_intake_session *idlest = NULL;

    if (PP_INTAKE_TLS > 0 && r->server.tls_pool.in_use == PP_INTAKE_TLS) {
        idlest = find_idlest(r, true, now_ms);
    }
    if (idlest != NULL) {
        end_session(r, idlest);
    }
}

/* False when there is nobody, or no place. */
static bool accept_one(struct pp_relay *r, unsigned listener, pp_time_ms now_ms)
{
    struct pp_peer peer = {0};
    int stream;

    /* Nobody loses a place before there is somebody to take it. */
    stream = r->port->stream_accept(r->port->ctx, listener, &peer);
    if (stream <= 0) {
        return false;
    }
    size_t slot = make_place(r, now_ms);
    if (slot == PP_POOL_NONE) {
        r->server.refused_connections++;
        r->port->stream_close(r->port->ctx, stream);
        return true;
    }
    if (!pp_intake_session_start(
            &r->intake_sessions[slot], &r->server, stream, &peer,
            r->port->listener_config != NULL ? r->port->listener_config[listener] : PP_PORT_LOCAL,
            now_ms)) {
        pp_pool_give(&r->intake_pool, slot);
    }
    return true;
}

/* Returns true when more may be waiting. */
static bool accept_streams(struct pp_relay *r, pp_time_ms now_ms)
{
    bool more = false;

    for (unsigned listener = 0; listener < r->port->listener_count && !r->draining; listener++) {
        int accepted = 0;
        while (accepted < ACCEPTS_A_TURN && accept_one(r, listener, now_ms)) {
            accepted++;
        }
        more |= accepted == ACCEPTS_A_TURN;
    }
    return more;
}

/* Returns true when a session has more to do at once. */
static bool pump_intake(struct pp_relay *r, pp_time_ms now_ms)
{
    bool more = false;

    for (size_t i = 0; i < PP_INTAKE_SESSIONS; i++) {
        if (!r->intake_used[i] || !pp_intake_session_is_due(&r->intake_sessions[i], now_ms)) {
            continue;
        }
        more |= pp_intake_session_pump(&r->intake_sessions[i], now_ms);
        if (!r->intake_sessions[i].active) {
            pp_pool_give(&r->intake_pool, i);
            more = true;
        }
    }
    return more;
}

/* One that is still on its way will take what is due when it gets there. */
static bool has_coming_delivery(const struct pp_relay *r)
{
    for (size_t i = 0; i < PP_DELIVERY_SESSIONS; i++) {
        if (r->delivery_used[i] && !r->delivery_sessions[i].path.ready) {
            return true;
        }
    }
    return false;
}

static bool has_idle_delivery(const struct pp_relay *r)
{
    for (size_t i = 0; i < PP_DELIVERY_SESSIONS; i++) {
        if (r->delivery_used[i] && pp_delivery_session_idle(&r->delivery_sessions[i])) {
            return true;
        }
    }
    return false;
}

/* A path that is not proven is tried by one connection alone. */
static bool may_open_delivery(const struct pp_relay *r)
{
    size_t limit = r->delivery.route.proven ? r->config.delivery.connections : 1;

    return !r->draining && pp_relay_kept_settled(r) && r->config.smarthost_count > 0 &&
           r->delivery_pool.in_use < limit && !has_coming_delivery(r);
}

static bool wants_delivery(struct pp_relay *r, pp_time_ms now_ms)
{
    return may_open_delivery(r) && pp_route_open(&r->delivery.route, now_ms) &&
           !has_idle_delivery(r) && pp_schedule_due(&r->schedule, now_ms) != NULL;
}

static bool pump_delivery(struct pp_relay *r, pp_time_ms now_ms)
{
    bool more = false;

    for (size_t i = 0; i < PP_DELIVERY_SESSIONS; i++) {
        if (!r->delivery_used[i]) {
            continue;
        }
        more |= pp_delivery_session_pump(&r->delivery_sessions[i], now_ms);
        if (!r->delivery_sessions[i].active) {
            pp_pool_give(&r->delivery_pool, i);
            more = true;
        }
    }
    if (wants_delivery(r, now_ms)) {
        size_t slot = pp_pool_take(&r->delivery_pool);
        if (slot != PP_POOL_NONE) {
            pp_delivery_session_start(&r->delivery_sessions[slot], &r->delivery, now_ms);
            more = true;
        }
    }
    return more;
}

/* Mail whose time is over while the path is down must not wait in silence. */
static void look_for_expired(struct pp_relay *r, pp_time_ms now_ms)
{
    uint64_t every_ms = r->config.queue.expire_ms / 8;
    struct pp_queue_entry *entry;

    if (now_ms < r->expiry_at_ms || r->config.queue.expire_ms == 0) {
        return;
    }
    for (int i = 0; i < EXPIRY_LOOKS; i++) {
        entry = pp_queue_next(&r->queue, &r->expiry_cursor);
        if (entry == NULL) {
            r->expiry_cursor = 0;
            every_ms = every_ms > EXPIRY_EVERY_MS ? EXPIRY_EVERY_MS : every_ms;
            r->expiry_at_ms = pp_time_add(now_ms, every_ms > 0 ? every_ms : 1);
            return;
        }
        if (!entry->delivering && !entry->held && entry->open_count > 0 &&
            pp_transfer_expired(&r->delivery, entry)) {
            pp_transfer_expire(&r->delivery, entry);
        }
    }
}

/* What is durable now may be sent. */
static void schedule_fresh(struct pp_relay *r, pp_time_ms now_ms)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < r->fresh_count; i++) {
        struct pp_ticket ticket = r->fresh[i];
        struct pp_queue_entry *entry = pp_queue_find(&r->queue, ticket.id);
        if (pp_queue_ticket(&r->queue, &ticket) == PP_TICKET_PENDING) {
            r->fresh[kept++] = ticket;
        } else if (entry != NULL && pp_queue_ticket(&r->queue, &ticket) == PP_TICKET_DURABLE) {
            pp_relay_schedule_entry(r, entry, now_ms);
        }
    }
    r->fresh_count = kept;
}

static void sync(struct pp_relay *r, pp_time_ms now_ms)
{
    enum pp_err err = pp_queue_sync(&r->queue);

    if (err != PP_OK && err != PP_ERR_LATER && !r->store_failed) {
        struct pp_log_line line;
        r->store_failed = true;
        pp_kv_sync_failed(&r->kv);
        pp_log_begin(&line, &r->log, PP_LOG_ERROR, 0, "store_failed");
        pp_log_err(&line, err);
        pp_log_z(&line, "effect", "no mail is taken in until a restart; what was accepted is kept");
        pp_log_end(&line);
    }
    schedule_fresh(r, now_ms);
}

/*
 * A sender who waits is served at once. What was delivered waits a moment for company: power that
 * goes within it costs a second copy, no mail, and on a disk each sync holds up everybody.
 */
static bool sync_is_due(struct pp_relay *r, pp_time_ms now_ms)
{
    if (!pp_queue_wants_sync(&r->queue)) {
        r->sync_at_ms = PP_TIME_NEVER;
        return false;
    }
    r->sync_at_ms = pp_time_min(r->sync_at_ms, pp_time_add(now_ms, LAZY_SYNC_MS));
    if (!pp_queue_sync_is_urgent(&r->queue) && !r->draining && now_ms < r->sync_at_ms) {
        (void)!pp_queue_program(&r->queue); /* a failure is met again at the sync */
        return false;
    }
    r->sync_at_ms = PP_TIME_NEVER;
    return true;
}

static pp_time_ms next_turn(const struct pp_relay *r)
{
    pp_time_ms at_ms = pp_time_min(r->kept.look_at_ms, r->sync_at_ms);

    for (size_t i = 0; i < PP_INTAKE_SESSIONS; i++) {
        if (r->intake_used[i]) {
            at_ms = pp_time_min(at_ms, pp_intake_session_deadline_ms(&r->intake_sessions[i]));
        }
    }
    for (size_t i = 0; i < PP_DELIVERY_SESSIONS; i++) {
        if (r->delivery_used[i]) {
            at_ms = pp_time_min(at_ms, pp_delivery_session_deadline_ms(&r->delivery_sessions[i]));
        }
    }
    if (!r->draining && r->queue.entry_count > 0) {
        pp_time_ms due_ms = pp_schedule_next_ms(&r->schedule);
        if (has_idle_delivery(r)) {
            at_ms = pp_time_min(at_ms, due_ms);
        } else if (may_open_delivery(r)) {
            pp_time_ms open_ms = r->delivery.route.retry_at_ms;
            at_ms = pp_time_min(at_ms, due_ms < open_ms ? open_ms : due_ms);
        }
        if (r->config.queue.expire_ms != 0) {
            at_ms = pp_time_min(at_ms, r->expiry_at_ms);
        }
    }
    return at_ms;
}

uint64_t pp_relay_turn(struct pp_relay *r)
{
    pp_time_ms now_ms = now(r);
    bool more = false;

    make_tls_place(r, now_ms);
    more |= accept_streams(r, now_ms);
    more |= pump_intake(r, now_ms);
    more |= pump_delivery(r, now_ms);
    pp_relay_tell(r);
    look_for_expired(r, now_ms);
    for (int i = 0; i < CLEANING_ROUNDS && pp_queue_clean(&r->queue); i++) {
    }
    pp_relay_turn_sessions(r, now_ms);
    pp_relay_turn_kept(r, now_ms);
    if (sync_is_due(r, now_ms)) {
        sync(r, now_ms);
        more = true;
    }
    return more ? now_ms : next_turn(r);
}
