/*
 * path.c - the way to the smarthost: name, address, stream, TLS, login
 *
 * Job:      drive look-up, link and SMTP client through one connection.
 * Not here: messages (session.c), the dialogue (smtp_client.c).
 */
#include "delivery/path.h"

#include <string.h>

static void set_failure(struct pp_path *path, enum pp_stage stage, const char *text_z)
{
    struct pp_writer w;

    path->failed = true;
    path->failure_stage = stage;
    memset(&path->failure, 0, sizeof(path->failure));
    pp_writer_init(&w, path->failure.text, sizeof(path->failure.text));
    pp_put_z(&w, text_z);
    path->failure.text_len = (uint16_t)w.len;
}

static void close_failed(struct pp_path *path, enum pp_stage stage, const char *text_z)
{
    set_failure(path, stage, text_z);
    path->state = PP_PATH_CLOSED;
}

static void set_words(char *out, size_t cap, const char *text_z)
{
    struct pp_writer w;

    pp_writer_init(&w, out, cap - 1);
    pp_put_z(&w, text_z);
    out[w.len < cap ? w.len : cap - 1] = '\0';
}

static void step(struct pp_path *path, enum pp_path_step reached)
{
    if (path->on_step != NULL) {
        path->on_step(path->ctx, reached);
    }
}

const struct pp_address *pp_path_address(const struct pp_path *path)
{
    return pp_reach_address(&path->reach);
}

static const struct pp_tls_policy no_tls = {.level = PP_TLS_NONE};

struct pp_tls_target pp_path_target(const struct pp_path *path)
{
    return (struct pp_tls_target){
        .policy = path->plaintext ? &no_tls : &path->smarthost.tls,
        .host_z = path->smarthost.host,
        .server_z = path->reach.server[0] != '\0' ? path->reach.server : NULL,
        .tlsa = path->reach.tlsa_known ? &path->reach.tlsa : NULL,
        .tlsa_base_z = path->reach.tlsa_base[0] != '\0' ? path->reach.tlsa_base : NULL,
        .port = path->smarthost.port,
        .show_certificate = path->smarthost.client_certificate_file[0] != '\0',
        .kept = path->kept,
        .inspect = path->inspect,
        .chain = path->chain,
    };
}

static bool wants_starttls(const struct pp_path *path)
{
    return path->smarthost.tls.level != PP_TLS_NONE && !path->plaintext &&
           path->smarthost.tls.mode == PP_TLS_STARTTLS;
}

static bool has_login(const struct pp_path *path)
{
    return path->smarthost.auth == PP_AUTH_EXTERNAL ||
           (path->smarthost.user[0] != '\0' && path->smarthost.auth != PP_AUTH_OFF);
}

/* Only MAY, which dane without records is too, does without. */
static bool is_optional(const struct pp_path *path)
{
    struct pp_tls_target target = pp_path_target(path);

    return !path->inspect && pp_tls_level_in_force(&target) == PP_TLS_MAY &&
           (!has_login(path) || path->smarthost.auth_without_tls);
}

static bool wants_implicit_tls(const struct pp_path *path)
{
    return path->smarthost.tls.level != PP_TLS_NONE && path->smarthost.tls.mode == PP_TLS_IMPLICIT;
}

void pp_path_start(struct pp_path *path, const struct pp_path_setup *setup, pp_time_ms now_ms)
{
    struct pp_writer w;

    path->port = setup->port;
    path->smarthost = *setup->smarthost;
    path->timeouts = *setup->timeouts;
    pp_writer_init(&w, path->hostname, sizeof(path->hostname) - 1);
    pp_put_z(&w, setup->hostname_z);
    path->hostname[w.len] = '\0';
    path->inspect = setup->inspect;
    path->chain = setup->chain;
    path->kept = setup->kept;
    path->clear_result = PP_TLS_RESULT_NONE;
    path->plaintext = false;
    path->clear_why[0] = '\0';
    path->on_step = setup->on_step;
    path->ctx = setup->ctx;
    path->greeted = path->secured = path->ready = path->failed = false;
    path->started_ms = now_ms;
    memset(&path->link, 0, offsetof(struct pp_link, in_bytes));
    path->link.stream = -1;
    path->params = (struct pp_smtp_params){
        .hostname_z = path->hostname,
        .wants_tls = wants_starttls(path),
        .encrypted = wants_implicit_tls(path),
        .auth = path->smarthost.auth,
        .auth_without_tls = path->smarthost.auth_without_tls,
        .has_certificate = path->smarthost.client_certificate_file[0] != '\0',
        .user_z = path->smarthost.user,
        .password_z = path->smarthost.password,
        .timeouts = &path->timeouts,
        .on_verdict = setup->on_verdict,
        .ctx = setup->ctx,
    };
    pp_smtp_client_init(&path->client, &path->params, now_ms);
    path->state = PP_PATH_RESOLVING;
    pp_reach_start(&path->reach, setup->resolver, &path->smarthost, &path->timeouts, now_ms);
}

/* Somebody answered: from here on there is a dialogue. */
static void begin_talking(struct pp_path *path, int stream, pp_time_ms now_ms)
{
    const struct pp_machine machine = {
        .ctx = &path->client,
        .pump = pp_smtp_client_pump,
        .wants_tls = pp_smtp_client_wants_tls,
        .secured = pp_smtp_client_secured,
        .finished = pp_smtp_client_finished,
    };
    const struct pp_tls_target target = pp_path_target(path);

    pp_tls_give_memory(&path->tls, &path->tls_memory, sizeof(path->tls_memory));
    pp_link_begin(&path->link, path->port, stream, &machine, &path->tls, &target,
                  path->timeouts.handshake_ms);
    path->last_write_ms = now_ms;
    path->state = PP_PATH_TALKING;
    pp_smtp_client_init(&path->client, &path->params, now_ms);
    step(path, PP_PATH_CONNECTED);
}

/* A server was found: what DNS says of its certificate, or does not say, may forbid it. */
static void consider(struct pp_path *path, pp_time_ms now_ms)
{
    const struct pp_tls_target target = pp_path_target(path);
    bool login_at_stake = has_login(path) && !path->smarthost.auth_without_tls;
    const char *why_z = pp_tls_why_not_connect(&target, login_at_stake);

    step(path, PP_PATH_RESOLVED);
    if (why_z != NULL) {
        pp_reach_refuse(&path->reach, PP_STAGE_TRUST, why_z, now_ms);
        return;
    }
    path->params.tls_optional = is_optional(path);
    pp_reach_dial(&path->reach);
}

/* True when there is more to do at once. */
static bool pump_reach(struct pp_path *path, pp_time_ms now_ms)
{
    int stream;
    enum pp_err err = path->reach.state == PP_REACH_FAILED
                          ? PP_ERR_STATE
                          : pp_reach_pump(&path->reach, now_ms, &stream);

    if (err == PP_OK) {
        begin_talking(path, stream, now_ms);
        return true;
    }
    if (err == PP_ERR_LATER && path->reach.state == PP_REACH_FOUND) {
        consider(path, now_ms);
        return true;
    }
    if (path->reach.state == PP_REACH_FAILED) {
        close_failed(path, path->reach.stage, path->reach.words_z);
    }
    path->state = path->state == PP_PATH_CLOSED           ? PP_PATH_CLOSED
                  : path->reach.state == PP_REACH_DIALING ? PP_PATH_CONNECTING
                                                          : PP_PATH_RESOLVING;
    return false;
}

/* Steps that the client or the link reached since we looked last. */
static void notice_steps(struct pp_path *path)
{
    if (!path->secured && path->link.encrypted) {
        if (!path->greeted && wants_starttls(path)) {
            path->greeted = true;
            step(path, PP_PATH_GREETED);
        }
        path->secured = true;
        step(path, PP_PATH_SECURED);
    }
    if (!path->greeted && path->client.stage > PP_STAGE_GREETING && path->client.error == PP_OK) {
        path->greeted = true;
        step(path, PP_PATH_GREETED);
    }
    if (!path->ready && pp_smtp_client_event(&path->client) == PP_SMTP_EVENT_READY) {
        path->ready = true;
        if (!path->secured && path->smarthost.tls.level != PP_TLS_NONE) {
            if (!path->plaintext) {
                path->clear_result = PP_TLS_RESULT_STARTTLS_NOT_SUPPORTED;
                set_words(path->clear_why, sizeof(path->clear_why),
                          "the server does not offer STARTTLS");
            }
            step(path, PP_PATH_CLEAR);
        }
        step(path, PP_PATH_READY);
    }
}

/* Words for a link that ended before the client had said all. */
static const char *link_words(const struct pp_path *path)
{
    const struct pp_tls_facts *facts = pp_tls_facts(&path->tls);

    switch (path->link.error) {
    case PP_ERR_TRUST:
        return facts->failure[0] != '\0' ? facts->failure
                                         : "the server sent bytes before TLS began: refused";
    case PP_ERR_TIMEOUT:
        return "the TLS handshake took too long";
    case PP_ERR_CLOSED:
        return "the server closed the connection";
    case PP_ERR_DRY:
        return facts->failure[0] != '\0' ? facts->failure
                                         : "too little memory for this server's TLS "
                                           "(PP_TLS_ARENA_BYTES)";
    default:
        return facts->failure[0] != '\0' && !path->secured ? facts->failure
                                                           : "the connection was lost";
    }
}

static void finish_talking(struct pp_path *path, pp_time_ms now_ms)
{
    const struct pp_smtp_client *c = &path->client;

    if (pp_smtp_client_event(c) != PP_SMTP_EVENT_CLOSED) {
        bool in_handshake = pp_smtp_client_event(c) == PP_SMTP_EVENT_START_TLS ||
                            (wants_implicit_tls(path) && !path->secured);
        const char *words_z = link_words(path);
        enum pp_err why = path->link.error == PP_OK ? PP_ERR_CLOSED : path->link.error;

        pp_smtp_client_lost(&path->client, why, words_z, now_ms);
        if (in_handshake) {
            close_failed(path, PP_STAGE_HANDSHAKE, words_z);
            return;
        }
    }
    path->state = PP_PATH_CLOSED;
    if (c->error != PP_OK) {
        path->failed = true;
        path->failure_stage = c->failure_stage;
        path->failure = c->failure;
    }
}

/* Before the greeting nothing was said: another address may do better (RFC 5321 5.1). */
static bool may_try_next_address(const struct pp_path *path)
{
    return path->failed && !path->greeted && pp_reach_has_more(&path->reach) &&
           path->failure_stage == PP_STAGE_GREETING;
}

/*
 * With TLS that does not work, `may` comes again without it, on a connection on which nothing of
 * the failed handshake is left. With a login to lose it waits, whatever else is allowed.
 */
static bool may_go_without_tls(const struct pp_path *path)
{
    return path->failed && !path->secured && !path->plaintext && is_optional(path) &&
           !has_login(path) && path->smarthost.tls.mode == PP_TLS_STARTTLS &&
           (path->failure_stage == PP_STAGE_STARTTLS || path->failure_stage == PP_STAGE_HANDSHAKE);
}

/*
 * A server that cannot do with the session that it was offered: the session is forgotten by now,
 * and the next handshake is a full one. Once, therefore.
 */
static bool may_go_without_session(const struct pp_path *path)
{
    const struct pp_tls_facts *facts = pp_tls_facts(&path->tls);

    return path->failed && path->failure_stage == PP_STAGE_HANDSHAKE && !path->secured &&
           facts->offered && !facts->resumed;
}

static void dial_again(struct pp_path *path)
{
    path->failed = path->greeted = false;
    pp_reach_again(&path->reach);
    path->state = PP_PATH_CONNECTING;
}

static void go_without_tls(struct pp_path *path)
{
    char text[sizeof(path->clear_why)];
    struct pp_writer w;

    pp_writer_init(&w, text, sizeof(text) - 1);
    pp_put_reply(&w, &path->failure);
    text[w.len < sizeof(text) ? w.len : sizeof(text) - 1] = '\0';
    set_words(path->clear_why, sizeof(path->clear_why), text);
    path->clear_result = path->failure_stage == PP_STAGE_HANDSHAKE
                             ? pp_tls_facts(&path->tls)->result
                             : PP_TLS_RESULT_STARTTLS_NOT_SUPPORTED;
    path->plaintext = true;
    path->params.wants_tls = false;
    dial_again(path);
}

static bool pump_talking(struct pp_path *path, pp_time_ms now_ms)
{
    bool more = pp_link_pump(&path->link, now_ms);

    notice_steps(path);
    if (path->link.last_write_ms != path->last_write_ms) {
        path->last_write_ms = path->link.last_write_ms;
        pp_smtp_client_progress(&path->client, now_ms);
    }
    if (path->link.state != PP_LINK_CLOSED && path->link.state != PP_LINK_HANDSHAKE &&
        pp_smtp_client_event(&path->client) != PP_SMTP_EVENT_CLOSED &&
        now_ms >= pp_smtp_client_deadline_ms(&path->client)) {
        pp_smtp_client_lost(&path->client, PP_ERR_TIMEOUT, "no answer in time", now_ms);
        pp_link_close(&path->link, PP_ERR_TIMEOUT);
    }
    if (path->inspect && path->secured && path->link.state != PP_LINK_CLOSED) {
        pp_smtp_client_lost(&path->client, PP_ERR_CLOSED, "seen enough", now_ms);
        pp_link_close(&path->link, PP_OK);
        path->state = PP_PATH_CLOSED;
        return false;
    }
    if (pp_smtp_client_event(&path->client) == PP_SMTP_EVENT_CLOSED) {
        /* All was said: what a server that does not read left in our buffer must not keep us. */
        pp_link_close(&path->link, PP_OK);
    }
    if (path->link.state == PP_LINK_CLOSED) {
        finish_talking(path, now_ms);
        if (may_go_without_session(path)) {
            dial_again(path);
            return true;
        }
        if (may_go_without_tls(path)) {
            go_without_tls(path);
            return true;
        }
        if (may_try_next_address(path)) {
            path->failed = path->secured = false;
            path->state = PP_PATH_CONNECTING;
            return true;
        }
        return false;
    }
    return more;
}

bool pp_path_pump(struct pp_path *path, pp_time_ms now_ms)
{
    switch (path->state) {
    case PP_PATH_RESOLVING:
    case PP_PATH_CONNECTING:
        return pump_reach(path, now_ms);
    case PP_PATH_TALKING:
        return pump_talking(path, now_ms);
    case PP_PATH_IDLE:
    case PP_PATH_CLOSED:
        break;
    }
    return false;
}

pp_time_ms pp_path_deadline_ms(const struct pp_path *path)
{
    switch (path->state) {
    case PP_PATH_RESOLVING:
    case PP_PATH_CONNECTING:
        return pp_reach_deadline_ms(&path->reach);
    case PP_PATH_TALKING:
        if (path->link.state == PP_LINK_HANDSHAKE) {
            return pp_link_deadline_ms(&path->link);
        }
        return pp_time_min(pp_smtp_client_deadline_ms(&path->client),
                           pp_link_deadline_ms(&path->link));
    default:
        return PP_TIME_NEVER;
    }
}

void pp_path_abort(struct pp_path *path, const char *why_z, pp_time_ms now_ms)
{
    if (path->state == PP_PATH_TALKING) {
        if (pp_smtp_client_event(&path->client) != PP_SMTP_EVENT_CLOSED) {
            pp_smtp_client_lost(&path->client, PP_ERR_CLOSED, why_z, now_ms);
        }
        pp_link_close(&path->link, PP_ERR_CLOSED);
    }
    if (path->state != PP_PATH_IDLE) {
        pp_reach_stop(&path->reach);
        close_failed(path, PP_STAGE_IDLE, why_z);
    }
}
