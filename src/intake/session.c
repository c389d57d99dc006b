/*
 * session.c - mail that comes in over SMTP: the life of one connection
 *
 * Job:      see session.h: begin, pump, deadlines, TLS, end.
 * Not here: messages (session_mail.c), logins (session_login.c).
 */
#include "intake/session.h"

#include <string.h>

#include "intake/session_parts.h"
#include "wire/dns.h"

/* Events handled before the link gets its turn again. */
#define EVENTS_MAX 256

/* ---- log ---- */

void pp_session_log_begin(const struct pp_intake_session *s, struct pp_log_line *line,
                          enum pp_log_level level, uint32_t id, const char *event_z)
{
    char address[64];
    struct pp_writer w;

    pp_log_begin(line, s->shared->intake->log, level, id, event_z);
    if (s->peer.address.family != 0) {
        pp_writer_init(&w, address, sizeof(address));
        pp_put_address(&w, &s->peer.address, false);
        pp_log_text(line, "client", pp_writer_text(&w));
    } else if (s->peer.uid_known) {
        pp_log_u64(line, "uid", s->peer.uid);
    }
    if (s->user_name[0] != '\0') {
        pp_log_z(line, "user", s->user_name);
    }
}

static void log_tls(const struct pp_intake_session *s, const struct pp_tls_facts *facts)
{
    struct pp_log_line line;

    pp_session_log_begin(s, &line, PP_LOG_INFO, 0, "tls");
    pp_log_z(&line, "version", facts->version);
    pp_log_z(&line, "cipher", facts->cipher);
    if (facts->has_peer) {
        pp_log_z(&line, "certificate", facts->subject);
        pp_log_z(&line, "listed", s->trusted ? "yes" : "no");
    }
    pp_log_end(&line);
}

static void log_tls_failed(const struct pp_intake_session *s)
{
    const struct pp_tls_facts *facts = pp_tls_facts(s->link.tls);
    struct pp_log_line line;

    if (facts->failure[0] == '\0') {
        return;
    }
    pp_session_log_begin(s, &line, PP_LOG_WARN, 0, "tls_failed");
    pp_log_z(&line, "reason", facts->failure);
    pp_log_end(&line);
}

static bool is_waiting(const struct pp_intake_session *s)
{
    return s->waits_for_ticket || s->login.waits;
}

/* ---- the machine that the link pumps ---- */

/* An event is answered before anybody touches `in` again: its texts are views into it. */
static void pump(void *ctx, struct pp_buf *in, struct pp_buf *out, pp_time_ms now_ms)
{
    struct pp_intake_session *s = ctx;

    for (int i = 0; i < EVENTS_MAX && !is_waiting(s); i++) {
        pp_smtp_server_pump(&s->server, in, out, now_ms);
        switch (pp_smtp_server_event(&s->server)) {
        case PP_SERVER_EVENT_MAIL:
            pp_session_on_mail(s, out, now_ms);
            break;
        case PP_SERVER_EVENT_RECIPIENT:
            pp_session_on_recipient(s, out, now_ms);
            break;
        case PP_SERVER_EVENT_CONTENT:
            pp_session_on_content(s);
            break;
        case PP_SERVER_EVENT_END:
            pp_session_on_end(s, out, now_ms);
            break;
        case PP_SERVER_EVENT_RESET:
            pp_session_on_reset(s);
            break;
        case PP_SERVER_EVENT_AUTH:
            pp_session_on_auth(s, out, now_ms);
            break;
        case PP_SERVER_EVENT_ETRN:
            pp_session_on_etrn(s, out, now_ms);
            break;
        case PP_SERVER_EVENT_NONE:
        case PP_SERVER_EVENT_CLOSED:
            return;
        }
    }
}

/* ---- TLS ---- */

static bool give_tls(struct pp_intake_session *s, bool at_once)
{
    struct pp_intake_server *shared = s->shared;

    s->tls_slot = PP_INTAKE_TLS > 0 ? pp_pool_take(&shared->tls_pool) : PP_POOL_NONE;
    if (s->tls_slot == PP_POOL_NONE) {
        return false;
    }
    pp_link_accept_tls(&s->link, pp_tls_server_slot(&shared->tls[s->tls_slot]),
                       s->client_pin_count > 0, at_once,
                       shared->intake->config->server.handshake_ms);
    return true;
}

static void take_tls_back(struct pp_intake_session *s)
{
    if (s->tls_slot != PP_POOL_NONE) {
        pp_pool_give(&s->shared->tls_pool, s->tls_slot);
        s->tls_slot = PP_POOL_NONE;
    }
}

/* A slot is taken when TLS is about to begin: those in the clear need none. */
static void prepare_tls(struct pp_intake_session *s)
{
    if (s->tls_slot == PP_POOL_NONE && s->server.params.starttls) {
        s->server.params.tls_busy = s->shared->tls_pool.in_use == PP_INTAKE_TLS;
    }
}

static bool wants_tls(void *ctx)
{
    struct pp_intake_session *s = ctx;
    bool wanted = pp_smtp_server_wants_tls(&s->server);

    /* There is a slot: the machine was told before (prepare_tls). Without, the link ends it. */
    if (wanted && s->tls_slot == PP_POOL_NONE) {
        (void)give_tls(s, false);
    }
    return wanted;
}

static bool has_listed_certificate(const struct pp_intake_session *s,
                                   const struct pp_tls_facts *facts)
{
    for (uint32_t i = 0; i < s->client_pin_count && facts->has_peer; i++) {
        const struct pp_pin *pin = &s->client_pins[i];
        bool key = memcmp(pin->value, facts->key_sha256, sizeof(facts->key_sha256)) == 0;
        bool certificate =
            memcmp(pin->value, facts->certificate_sha256, sizeof(facts->certificate_sha256)) == 0;
        if ((key && pin->kind != PP_PIN_CERTIFICATE) || (certificate && pin->kind != PP_PIN_KEY)) {
            return true;
        }
    }
    return false;
}

static void secured(void *ctx, pp_time_ms now_ms)
{
    struct pp_intake_session *s = ctx;
    const struct pp_tls_facts *facts = pp_tls_facts(s->link.tls);

    pp_session_drop_message(s);
    s->trusted = s->trusted || has_listed_certificate(s, facts);
    s->server.params.needs_login =
        s->server.params.needs_login && !has_listed_certificate(s, facts);
    log_tls(s, facts);
    pp_smtp_server_secured(&s->server, now_ms);
}

static bool finished(void *ctx)
{
    const struct pp_intake_session *s = ctx;

    return pp_smtp_server_finished(&s->server);
}

static bool waits(void *ctx)
{
    return is_waiting(ctx);
}

/* ---- life ---- */

enum pp_err pp_intake_server_init(struct pp_intake_server *shared, struct pp_intake *intake,
                                  const struct pp_port *port)
{
    shared->intake = intake;
    shared->port = port;
    shared->refused_connections = 0;
    pp_pool_init(&shared->tls_pool, shared->tls_used, PP_INTAKE_TLS_SLOTS);
    return pp_access_init(&shared->access, intake->config);
}

static void keep_rules(struct pp_intake_session *s, const struct pp_listener_config *listener)
{
    bool local = listener == NULL;

    s->trusted = local || pp_access_is_trusted(listener, &s->peer.address);
    s->offers_login = !local && listener->auth != PP_LISTENER_AUTH_OFF;
    s->rewrite_sender = !local && listener->rewrite_sender;
    s->received_client = !local && listener->received_client;
    s->client_pin_count = local ? 0 : listener->client_pin_count;
    memcpy(s->client_pins, local ? s->client_pins : listener->client_pins, sizeof(s->client_pins));
}

static struct pp_server_params params_of(const struct pp_intake_session *s,
                                         const struct pp_listener_config *listener)
{
    const struct pp_config *config = s->shared->intake->config;
    const struct pp_server_config *server = &config->server;
    struct pp_server_params params = {
        .hostname_z = config->identity.hostname,
        .size_limit = config->queue.message_limit_bytes,
        .recipient_limit = config->queue.recipient_limit,
        .idle_ms = config->timeouts.server_ms,
        .command_ms = server->command_ms,
        .message_ms = server->message_ms,
        .session_ms = server->session_ms,
        .commands_max = server->commands,
        .errors_max = server->errors,
        .messages_max = server->messages,
        .mechanisms_z = pp_session_mechanisms(s->shared, s->offers_login),
    };

    if (listener == NULL) {
        params.local = true;
        params.commands_max = params.messages_max = params.session_ms = 0;
        params.mechanisms_z = "";
        return params;
    }
    params.starttls =
        listener->tls == PP_LISTENER_TLS_MAY || listener->tls == PP_LISTENER_TLS_REQUIRE;
    params.needs_tls = listener->tls == PP_LISTENER_TLS_REQUIRE;
    params.needs_login = listener->auth == PP_LISTENER_AUTH_REQUIRE;
    params.normalize = listener->line_ends == PP_LINE_ENDS_NORMALIZE;
    params.early_talker_ms = listener->early_talker_ms;
    return params;
}

static void close_refused(struct pp_intake_session *s, const struct pp_port *port, int stream,
                          const char *reply_z)
{
    s->shared->refused_connections++;
    if (reply_z != NULL) {
        (void)port->stream_write(port->ctx, stream, reply_z, strlen(reply_z));
    }
    port->stream_close(port->ctx, stream);
}

/* A connection that gets no session hears why, where it would understand it. */
static bool enter(struct pp_intake_session *s, int stream, bool in_the_clear, pp_time_ms now_ms)
{
    enum pp_err err = pp_access_enter(&s->shared->access, &s->peer.address, now_ms, &s->client);
    const char *reply_z = err == PP_ERR_DENIED
                              ? "554 5.7.1 too many failed logins, try again later\r\n"
                              : "421 4.7.0 too many connections\r\n";
    struct pp_log_line line;

    if (err == PP_OK) {
        return true;
    }
    pp_session_log_begin(s, &line, PP_LOG_WARN, 0, "connection_refused");
    pp_log_z(&line, "reason", err == PP_ERR_DENIED ? "locked out" : "too many connections");
    pp_log_end(&line);
    close_refused(s, s->shared->port, stream, in_the_clear ? reply_z : NULL);
    return false;
}

bool pp_intake_session_start(struct pp_intake_session *s, struct pp_intake_server *shared,
                             int stream, const struct pp_peer *peer, uint32_t listener_index,
                             pp_time_ms now_ms)
{
    const struct pp_config *config = shared->intake->config;
    const struct pp_machine machine = {s, pump, wants_tls, secured, finished, waits};
    const struct pp_listener_config *listener =
        listener_index < config->listener_count ? &config->listeners[listener_index] : NULL;

    s->shared = shared;
    s->peer = *peer;
    s->user_name[0] = '\0';
    bool implicit = listener != NULL && listener->tls == PP_LISTENER_TLS_IMPLICIT;
    if (!enter(s, stream, !implicit, now_ms)) {
        return false;
    }
    s->active = s->more = true;
    s->waits_for_ticket = s->logged_in = false;
    s->user = PP_ACCESS_NONE;
    memset(&s->login, 0, sizeof(s->login));
    s->submit = NULL;
    s->tls_slot = PP_POOL_NONE;
    s->served_ms = now_ms;
    keep_rules(s, listener);
    const struct pp_server_params params = params_of(s, listener);
    s->login_deadline_ms = s->trusted || !s->offers_login
                               ? PP_TIME_NEVER
                               : pp_time_add(now_ms, config->server.login_ms);
    pp_smtp_server_init(&s->server, &params, now_ms);
    pp_link_accept(&s->link, shared->port, stream, &machine);
    if (implicit && !give_tls(s, true)) {
        pp_intake_session_stop(s, NULL);
        return false;
    }
    return true;
}

static void end(struct pp_intake_session *s)
{
    if (s->link.tls != NULL) {
        log_tls_failed(s);
    }
    pp_session_drop_message(s);
    pp_session_end_login(s);
    take_tls_back(s);
    pp_access_leave(&s->shared->access, s->client, s->link.port->now_ms(s->link.port->ctx));
    s->active = false;
}

/* True when there is nothing to wait for any more. */
static bool settle(struct pp_intake_session *s, pp_time_ms now_ms)
{
    return (!s->waits_for_ticket || pp_session_settle_ticket(s, now_ms)) &&
           (!s->login.waits || pp_session_settle_login(s, now_ms));
}

/* What the session, not its machine, has to say to the time. */
static void look_at_clock(struct pp_intake_session *s, pp_time_ms now_ms)
{
    if (s->shared->intake->draining && s->submit == NULL) {
        pp_smtp_server_close(&s->server, &s->link.out, "421 4.3.2 shutting down", now_ms);
    }
    if (!pp_session_may_relay(s) && now_ms >= s->login_deadline_ms) {
        pp_smtp_server_close(&s->server, &s->link.out, "421 4.7.0 no login in time", now_ms);
    }
}

bool pp_intake_session_pump(struct pp_intake_session *s, pp_time_ms now_ms)
{
    s->more = false;
    if (!settle(s, now_ms)) {
        return false;
    }
    look_at_clock(s, now_ms);
    prepare_tls(s);
    s->more = pp_link_pump(&s->link, now_ms);
    if (s->link.state != PP_LINK_CLOSED && pp_smtp_server_finished(&s->server) &&
        now_ms >= pp_smtp_server_deadline_ms(&s->server)) {
        pp_link_close(&s->link, PP_ERR_TIMEOUT); /* it does not take our last words */
    }
    /* It said STARTTLS, and does not read the answer. */
    if (s->link.state == PP_LINK_OPEN && pp_smtp_server_wants_tls(&s->server) &&
        now_ms >= pp_smtp_server_deadline_ms(&s->server)) {
        pp_link_close(&s->link, PP_ERR_TIMEOUT);
    }
    if (s->link.state == PP_LINK_CLOSED) {
        end(s);
        return s->more = false;
    }
    if (is_waiting(s)) {
        s->link.port->stream_watch(s->link.port->ctx, s->link.stream, false, false);
        return s->more = false;
    }
    return s->more;
}

bool pp_intake_session_is_due(const struct pp_intake_session *s, pp_time_ms now_ms)
{
    const struct pp_port *port = s->link.port;

    return s->more || is_waiting(s) || now_ms >= pp_intake_session_deadline_ms(s) ||
           s->shared->intake->draining || port->stream_ready == NULL ||
           port->stream_ready(port->ctx, s->link.stream);
}

pp_time_ms pp_intake_session_deadline_ms(const struct pp_intake_session *s)
{
    pp_time_ms at_ms;

    if (s->waits_for_ticket) {
        return PP_TIME_NEVER;
    }
    if (s->login.waits) {
        return s->login.answer_at_ms;
    }
    /* The handshake has a time of its own. */
    at_ms = s->link.state == PP_LINK_HANDSHAKE ? pp_link_deadline_ms(&s->link)
                                               : pp_smtp_server_deadline_ms(&s->server);
    return pp_session_may_relay(s) || pp_smtp_server_finished(&s->server)
               ? at_ms
               : pp_time_min(at_ms, s->login_deadline_ms);
}

uint64_t pp_intake_session_idle_ms(const struct pp_intake_session *s, pp_time_ms now_ms)
{
    /* Who is sending a message gets somewhere with each piece of it. */
    pp_time_ms since_ms = s->submit != NULL ? s->link.last_progress_ms : s->served_ms;

    if (s->peer.address.family == 0 || is_waiting(s) || now_ms < since_ms) {
        return 0;
    }
    return now_ms - since_ms;
}

void pp_intake_session_stop(struct pp_intake_session *s, const char *reply_z)
{
    if (!s->active) {
        return;
    }
    if (!is_waiting(s) && reply_z != NULL) {
        pp_time_ms now_ms = s->link.port->now_ms(s->link.port->ctx);
        pp_smtp_server_close(&s->server, &s->link.out, reply_z, now_ms);
        (void)pp_link_pump(&s->link, now_ms);
    }
    pp_link_close(&s->link, PP_OK);
    end(s);
}
