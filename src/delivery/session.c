/*
 * session.c - messages from the queue over one connection to the smarthost
 *
 * Job:      the life of a connection: steps into the log, message after message while they
 *           are due, idle for a moment, QUIT; failures of the path to the route.
 * Not here: what one message needs (transfer.c).
 */
#include "delivery/session.h"

#include <string.h>

#include "delivery/transfer.h"
#include "wire/pin.h"
#include "wire/tls_alloc.h"

#define SESSION_ROUNDS 16 /* events handled in one call: other links want their turn */

static void begin_line(struct pp_delivery_session *s, struct pp_log_line *line,
                       enum pp_log_level level, const char *event_z)
{
    struct pp_delivery *d = s->delivery;

    pp_log_begin(line, d->log, level, 0, event_z);
    pp_log_u64(line, "session", s->number);
}

static void end_line(struct pp_delivery_session *s, struct pp_log_line *line)
{
    struct pp_delivery *d = s->delivery;

    pp_log_u64(line, "ms", d->port->now_ms(d->port->ctx) - s->path.started_ms);
    pp_log_end(line);
}

static void log_pin_value(struct pp_log_line *line, const char *key_z, const struct pp_pin *pin)
{
    char text[256];
    struct pp_writer w;

    pp_writer_init(&w, text, sizeof(text));
    pp_put_pin_value(&w, pin);
    pp_log_text(line, key_z, pp_writer_text(&w));
}

static void log_pin(struct pp_log_line *line, const char *key_z, enum pp_pin_kind kind,
                    const uint8_t sha256[32])
{
    char text[128];
    struct pp_writer w;

    pp_writer_init(&w, text, sizeof(text));
    pp_put_pin(&w, kind, sha256);
    pp_log_text(line, key_z, pp_writer_text(&w));
}

static void log_secured(struct pp_delivery_session *s)
{
    struct pp_log_line line;
    const struct pp_tls_facts *facts = pp_tls_facts(&s->path.tls);
    const struct pp_tls_policy *policy = &s->path.smarthost.tls;
    const struct pp_tls_target target = pp_path_target(&s->path);
    enum pp_tls_level level = pp_tls_level_in_force(&target);

    begin_line(s, &line, PP_LOG_INFO, "tls");
    pp_log_z(&line, "version", facts->version);
    pp_log_z(&line, "cipher", facts->cipher);
    if (facts->resumed) {
        pp_log_z(&line, "resumed", "yes");
    }
    end_line(s, &line);
    if (level >= PP_TLS_FINGERPRINT && facts->pin_index >= 0) {
        const struct pp_pin *pin = &policy->pins[facts->pin_index];
        begin_line(s, &line, PP_LOG_INFO, "pin_matched");
        log_pin_value(&line, "pin", pin);
        pp_log_u64(&line, "number", (uint64_t)facts->pin_index + 1);
    } else if (level < PP_TLS_FINGERPRINT) {
        begin_line(s, &line, PP_LOG_WARN, "not_verified");
        pp_log_z(&line, "policy",
                 policy->level == PP_TLS_ENCRYPT ? "encrypt: nobody checked who the server is"
                                                 : pp_tls_level_name(policy->level));
    } else {
        begin_line(s, &line, PP_LOG_INFO, "verified");
        pp_log_z(&line, "name", pp_tls_wanted_name(&target));
        pp_log_z(&line, "issuer", facts->issuer);
    }
    pp_log_z(&line, "how", facts->how);
    end_line(s, &line);
}

/* Of each handshake, good or failed, what its certificate gives cause to tell. */
static void watch_certificate(struct pp_delivery_session *s)
{
    const struct pp_port *port = s->delivery->port;

    pp_watch_look(&s->delivery->watch, &s->path.smarthost, pp_tls_facts(&s->path.tls),
                  s->delivery->log, port->wall_s(port->ctx));
}

/* ---- counts for `pinpost status` ---- */

static void count_success(struct pp_delivery_session *s)
{
    struct pp_tls_counts *counts = &s->delivery->tls_counts[0];

    counts->successful++;
    counts->resumed += pp_tls_facts(&s->path.tls)->resumed ? 1 : 0;
}

static void count_failure(struct pp_delivery_session *s)
{
    const struct pp_tls_target target = pp_path_target(&s->path);
    enum pp_tls_result result = PP_TLS_RESULT_NONE;

    switch (s->path.failure_stage) {
    case PP_STAGE_STARTTLS:
        result = PP_TLS_RESULT_STARTTLS_NOT_SUPPORTED;
        break;
    case PP_STAGE_HANDSHAKE:
        result = pp_tls_facts(&s->path.tls)->result;
        result = result == PP_TLS_RESULT_NONE ? PP_TLS_RESULT_VALIDATION_FAILURE : result;
        break;
    case PP_STAGE_TRUST:
        result = pp_tls_why_not_result(&target);
        break;
    default:
        return;
    }
    s->delivery->tls_counts[0].failed[result]++;
}

static void log_clear(struct pp_delivery_session *s)
{
    struct pp_log_line line;

    begin_line(s, &line, PP_LOG_WARN, "not_encrypted");
    pp_log_z(&line, "policy", pp_tls_level_name(s->path.smarthost.tls.level));
    pp_log_z(&line, "reason", s->path.clear_why);
    end_line(s, &line);
}

static void on_step(void *ctx, enum pp_path_step step)
{
    struct pp_delivery_session *s = ctx;
    struct pp_log_line line;
    char text[80];
    struct pp_writer w;

    switch (step) {
    case PP_PATH_RESOLVED:
        break;
    case PP_PATH_CONNECTED: {
        pp_writer_init(&w, text, sizeof(text));
        pp_put_address(&w, pp_path_address(&s->path), true);
        begin_line(s, &line, PP_LOG_INFO, "connected");
        pp_log_z(&line, "host", s->path.reach.server);
        pp_log_text(&line, "address", pp_writer_text(&w));
        end_line(s, &line);
        break;
    }
    case PP_PATH_GREETED:
        begin_line(s, &line, PP_LOG_DEBUG, "greeted");
        pp_log_text(
            &line, "reply",
            pp_text_n(s->path.client.reader.reply.text, s->path.client.reader.reply.text_len));
        end_line(s, &line);
        break;
    case PP_PATH_SECURED:
        count_success(s);
        log_secured(s);
        watch_certificate(s);
        break;
    case PP_PATH_CLEAR:
        s->delivery->tls_counts[0].failed[s->path.clear_result]++;
        log_clear(s);
        break;
    case PP_PATH_READY:
        if (s->path.client.logged_in) {
            begin_line(s, &line, PP_LOG_INFO, "authenticated");
            pp_log_z(&line, "user",
                     s->path.smarthost.user[0] != '\0' ? s->path.smarthost.user
                                                       : "of the client certificate");
            end_line(s, &line);
        }
        pp_route_up(&s->delivery->route);
        break;
    }
}

void pp_delivery_session_start(struct pp_delivery_session *s, struct pp_delivery *delivery,
                               pp_time_ms now_ms)
{
    const struct pp_config *config = delivery->config;
    const struct pp_path_setup setup = {
        .port = delivery->port,
        .resolver = delivery->resolver,
        .smarthost = &config->smarthosts[0],
        .timeouts = &config->timeouts,
        .hostname_z = config->identity.hostname,
        .kept = config->keep_sessions != PP_KEEP_NO ? delivery->kept : NULL,
        .on_step = on_step,
        .on_verdict = pp_transfer_verdict,
        .ctx = s,
    };

    s->active = true;
    s->delivery = delivery;
    s->number = ++delivery->sessions_opened;
    s->generation = delivery->generation;
    s->messages = 0;
    s->id = 0;
    s->idle_until_ms = PP_TIME_NEVER;
    pp_path_start(&s->path, &setup, now_ms);
}

/* ---- the end of a connection ---- */

static const char *failure_event(enum pp_stage stage)
{
    switch (stage) {
    case PP_STAGE_STARTTLS:
    case PP_STAGE_HANDSHAKE:
    case PP_STAGE_TRUST:
        return "tls_failed";
    case PP_STAGE_AUTH:
        return "login_failed";
    default:
        return "path_failed";
    }
}

static void log_failure(struct pp_delivery_session *s, uint64_t rest_ms)
{
    struct pp_log_line line;
    char text[PP_REPLY_TEXT_CAP + 32];
    struct pp_writer w;
    const struct pp_path *path = &s->path;
    const struct pp_tls_facts *facts = pp_tls_facts(&path->tls);

    pp_writer_init(&w, text, sizeof(text));
    pp_put_reply(&w, &path->failure);
    begin_line(s, &line, PP_LOG_WARN, failure_event(path->failure_stage));
    pp_log_z(&line, "host", path->smarthost.host);
    pp_log_z(&line, "stage", pp_stage_words(path->failure_stage));
    pp_log_text(&line, "reason", pp_writer_text(&w));
    if (path->failure_stage == PP_STAGE_HANDSHAKE && facts->has_peer) {
        log_pin(&line, "certificate", PP_PIN_CERTIFICATE, facts->certificate_sha256);
        log_pin(&line, "key", PP_PIN_KEY, facts->key_sha256);
        pp_log_z(&line, "subject", facts->subject);
    }
    pp_log_z(&line, "action", pp_route_advice(path->failure_stage));
    pp_log_u64(&line, "retry_in_s", rest_ms / 1000);
    end_line(s, &line);
}

/* A TLS session that left memory behind is our mistake or the library's: it must not stay unseen.
 */
static void log_tls_faults(struct pp_delivery_session *s)
{
    struct pp_log_line line;
    uint32_t faults = (uint32_t)pp_tls_alloc_faults();

    if (faults != s->delivery->tls_faults_told) {
        s->delivery->tls_faults_told = faults;
        begin_line(s, &line, PP_LOG_ERROR, "tls_memory_left");
        pp_log_u64(&line, "faults", faults);
        end_line(s, &line);
    }
}

/* A server may end a connection on which nothing is under way: worth a word, no warning. */
static void log_closed(struct pp_delivery_session *s)
{
    struct pp_log_line line;
    char text[PP_REPLY_TEXT_CAP + 32];
    struct pp_writer w;

    pp_writer_init(&w, text, sizeof(text));
    pp_put_reply(&w, &s->path.failure);
    begin_line(s, &line, PP_LOG_INFO, "closed_by_server");
    pp_log_text(&line, "reason", pp_writer_text(&w));
    end_line(s, &line);
}

/* What failed goes to the route and into the log; `id` is the message that was under way, or 0. */
static void finish_failed(struct pp_delivery_session *s, uint32_t id, pp_time_ms now_ms)
{
    struct pp_delivery *d = s->delivery;
    const struct pp_path *path = &s->path;
    const struct pp_backoff backoff = {d->config->queue.retry_first_ms,
                                       d->config->queue.retry_longest_ms};
    uint64_t rest_ms = 0;

    if (path->ready && id != 0 && s->render_failed) {
        return; /* our own doing: the message had to be broken off */
    }
    if (path->ready && id == 0 && path->client.error == PP_ERR_CLOSED) {
        log_closed(s);
        return;
    }
    if (!path->ready) {
        rest_ms = pp_route_down(&d->route, &backoff, path->failure_stage, &path->failure, now_ms);
    } else if (id != 0) {
        rest_ms =
            pp_route_lost(&d->route, &backoff, id, path->failure_stage, &path->failure, now_ms);
    }
    log_failure(s, rest_ms);
    count_failure(s);
    if (path->failure_stage == PP_STAGE_HANDSHAKE) {
        watch_certificate(s);
    }
}

/*
 * A path that failed before its first message rests. One that was lost within a message says
 * nothing sure about the path: the message alone waits, so that it cannot hold up the others.
 */
static void finish(struct pp_delivery_session *s, pp_time_ms now_ms)
{
    uint32_t id = s->id;

    if (id != 0) {
        pp_transfer_end(s, now_ms);
    }
    if (s->path.failed && !s->delivery->draining) {
        finish_failed(s, id, now_ms);
    }
    log_tls_faults(s);
    s->active = false;
}

/* ---- events ---- */

static bool may_take_another(const struct pp_delivery_session *s)
{
    uint32_t limit = s->delivery->config->delivery.messages;

    return !s->delivery->draining && s->generation == s->delivery->generation &&
           (limit == 0 || s->messages < limit);
}

/* True when a message was begun. */
static bool take_next(struct pp_delivery_session *s, pp_time_ms now_ms)
{
    struct pp_delivery *d = s->delivery;
    struct pp_queue_entry *entry;

    while ((entry = pp_schedule_due(d->schedule, now_ms)) != NULL) {
        if (entry->attempts > 0 && pp_transfer_expired(d, entry)) {
            pp_transfer_expire(d, entry);
        } else if (pp_transfer_begin(s, entry, now_ms)) {
            s->idle_until_ms = PP_TIME_NEVER;
            return true;
        }
    }
    return false;
}

static bool on_ready(struct pp_delivery_session *s, pp_time_ms now_ms)
{
    if (may_take_another(s) && take_next(s, now_ms)) {
        return true;
    }
    if (!may_take_another(s) || now_ms >= s->idle_until_ms) {
        pp_smtp_client_quit(&s->path.client, &s->path.link.out, now_ms);
        return true;
    }
    if (s->idle_until_ms == PP_TIME_NEVER) {
        s->idle_until_ms = pp_time_add(now_ms, s->delivery->config->delivery.idle_ms);
    }
    return false;
}

/* Act on the client's event; true when the client has something new to say or do. */
static bool on_event(struct pp_delivery_session *s, pp_time_ms now_ms)
{
    switch (pp_smtp_client_event(&s->path.client)) {
    case PP_SMTP_EVENT_READY:
        return on_ready(s, now_ms);
    case PP_SMTP_EVENT_RECIPIENT: {
        uint16_t before = s->handed;
        pp_transfer_recipients(s, now_ms);
        return s->handed != before ||
               pp_smtp_client_event(&s->path.client) != PP_SMTP_EVENT_RECIPIENT;
    }
    case PP_SMTP_EVENT_BODY:
        return pp_transfer_content(s, now_ms);
    case PP_SMTP_EVENT_DONE:
        pp_transfer_end(s, now_ms);
        pp_route_served(&s->delivery->route);
        pp_smtp_client_next(&s->path.client, &s->path.link.out, now_ms);
        return true;
    default:
        return false;
    }
}

/* Answer the client's events, and let it say what follows, before anything is sent: the end of one
 * message and the envelope of the next make one flight. */
static bool answer_events(struct pp_delivery_session *s, pp_time_ms now_ms)
{
    struct pp_link *link = &s->path.link;
    bool moved = false;

    for (int i = 0; i < SESSION_ROUNDS && on_event(s, now_ms); i++) {
        pp_smtp_client_pump(&s->path.client, &link->in, &link->out, now_ms);
        moved = true;
    }
    return moved;
}

bool pp_delivery_session_pump(struct pp_delivery_session *s, pp_time_ms now_ms)
{
    bool more = false;

    for (int i = 0; i < SESSION_ROUNDS && s->active; i++) {
        more = pp_path_pump(&s->path, now_ms);
        if (s->path.state == PP_PATH_CLOSED) {
            finish(s, now_ms);
            return true;
        }
        if (s->path.state == PP_PATH_TALKING && answer_events(s, now_ms)) {
            more = true;
        }
        if (!more) {
            break;
        }
    }
    return more;
}

pp_time_ms pp_delivery_session_deadline_ms(const struct pp_delivery_session *s)
{
    pp_time_ms at_ms = pp_path_deadline_ms(&s->path);

    if (pp_delivery_session_idle(s)) {
        at_ms = pp_time_min(at_ms, s->idle_until_ms);
    }
    return at_ms;
}

bool pp_delivery_session_idle(const struct pp_delivery_session *s)
{
    return s->path.state == PP_PATH_TALKING && s->id == 0 &&
           pp_smtp_client_event(&s->path.client) == PP_SMTP_EVENT_READY;
}

void pp_delivery_session_stop(struct pp_delivery_session *s, pp_time_ms now_ms)
{
    if (s->active) {
        pp_path_abort(&s->path, "pinpost stops", now_ms);
        finish(s, now_ms);
    }
}
