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
    return &path->answer.addresses[path->address];
}

static const struct pp_tls_policy no_tls = {.level = PP_TLS_NONE};

struct pp_tls_target pp_path_target(const struct pp_path *path)
{
    return (struct pp_tls_target){
        .policy = path->plaintext ? &no_tls : &path->smarthost.tls,
        .host_z = path->smarthost.host,
        .tlsa = path->tlsa_known ? &path->tlsa : NULL,
        .tlsa_base_z = path->tlsa_base,
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
    return path->smarthost.user[0] != '\0' && path->smarthost.auth != PP_AUTH_OFF;
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
    enum pp_err err;
    struct pp_writer w;

    path->port = setup->port;
    path->smarthost = *setup->smarthost;
    path->timeouts = *setup->timeouts;
    pp_writer_init(&w, path->hostname, sizeof(path->hostname) - 1);
    pp_put_z(&w, setup->hostname_z);
    path->hostname[w.len] = '\0';
    path->inspect = setup->inspect;
    path->chain = setup->chain;
    path->plaintext = path->tlsa_known = false;
    path->clear_why[0] = path->tlsa_base[0] = '\0';
    path->on_step = setup->on_step;
    path->ctx = setup->ctx;
    path->greeted = path->secured = path->ready = path->failed = false;
    path->started_ms = now_ms;
    path->address = 0;
    memset(&path->answer, 0, sizeof(path->answer));
    memset(&path->link, 0, offsetof(struct pp_link, in_bytes));
    path->link.stream = -1;
    path->params = (struct pp_smtp_params){
        .hostname_z = path->hostname,
        .wants_tls = wants_starttls(path),
        .encrypted = wants_implicit_tls(path),
        .auth = path->smarthost.auth,
        .auth_without_tls = path->smarthost.auth_without_tls,
        .user_z = path->smarthost.user,
        .password_z = path->smarthost.password,
        .timeouts = &path->timeouts,
        .on_verdict = setup->on_verdict,
        .ctx = setup->ctx,
    };
    pp_smtp_client_init(&path->client, &path->params, now_ms);
    path->state = PP_PATH_RESOLVING;
    err = pp_dns_start(&path->lookup, path->port, path->smarthost.host, path->smarthost.family,
                       path->timeouts.dns_ms, now_ms);
    if (err != PP_OK && err != PP_ERR_LATER) {
        close_failed(path, PP_STAGE_RESOLVE, pp_err_text(err));
    }
}

/* Dial the address at `path->address`; PP_OK when a connection is on its way. */
static enum pp_err dial(struct pp_path *path, pp_time_ms now_ms)
{
    const struct pp_machine machine = {
        .ctx = &path->client,
        .pump = pp_smtp_client_pump,
        .wants_tls = pp_smtp_client_wants_tls,
        .secured = pp_smtp_client_secured,
        .finished = pp_smtp_client_finished,
    };
    struct pp_address to = *pp_path_address(path);
    const struct pp_tls_target target = pp_path_target(path);
    enum pp_err err;

    to.port = path->smarthost.port;
    pp_tls_give_memory(&path->tls, &path->tls_memory, sizeof(path->tls_memory));
    err = pp_link_connect(&path->link, path->port, &to, &machine, &path->tls, &target,
                          path->timeouts.handshake_ms);
    if (err != PP_OK) {
        return err;
    }
    path->last_write_ms = now_ms;
    path->connect_deadline_ms = pp_time_add(now_ms, path->timeouts.connect_ms);
    path->state = PP_PATH_CONNECTING;
    return PP_OK;
}

/* Try addresses from `path->address` on; the last one's failure is the one that is told. */
static void dial_from(struct pp_path *path, enum pp_stage stage, enum pp_err err, pp_time_ms now_ms)
{
    for (; path->address < path->answer.count; path->address++) {
        pp_smtp_client_init(&path->client, &path->params, now_ms);
        err = dial(path, now_ms);
        stage = PP_STAGE_CONNECT;
        if (err == PP_OK) {
            return;
        }
    }
    path->address = path->answer.count > 0 ? path->answer.count - 1 : 0;
    close_failed(path, stage, pp_err_text(err));
}

static const char *resolve_words(enum pp_err err)
{
    switch (err) {
    case PP_ERR_NOT_FOUND:
        return "no such host name, or it has no address: check `host` of [smarthost]";
    case PP_ERR_TIMEOUT:
        return "the name servers did not answer in time";
    case PP_ERR_UNREACHABLE:
        return "no name server can be reached: is the network up?";
    case PP_ERR_REFUSED:
        return "the name servers failed to answer for this name";
    default:
        return pp_err_text(err);
    }
}

/* What DNS says of the server's certificate, or does not say, may forbid it. */
static bool is_forbidden(struct pp_path *path)
{
    const struct pp_tls_target target = pp_path_target(path);
    bool login_at_stake = has_login(path) && !path->smarthost.auth_without_tls;
    const char *why_z = pp_tls_why_not_connect(&target, login_at_stake);

    if (why_z != NULL) {
        close_failed(path, PP_STAGE_TRUST, why_z);
    }
    return why_z != NULL;
}

static void pump_resolving(struct pp_path *path, pp_time_ms now_ms)
{
    enum pp_err err = pp_dns_poll(&path->lookup, now_ms, &path->answer);

    if (err == PP_ERR_LATER) {
        return;
    }
    pp_dns_stop(&path->lookup);
    if (err != PP_OK) {
        close_failed(path, PP_STAGE_RESOLVE, resolve_words(err));
        return;
    }
    step(path, PP_PATH_RESOLVED);
    path->address = 0;
    if (is_forbidden(path)) {
        return;
    }
    path->params.tls_optional = is_optional(path);
    dial_from(path, PP_STAGE_CONNECT, PP_ERR_UNREACHABLE, now_ms);
}

static void pump_connecting(struct pp_path *path, pp_time_ms now_ms)
{
    enum pp_err why;

    if (path->link.state == PP_LINK_CONNECTING && now_ms < path->connect_deadline_ms) {
        return;
    }
    if (path->link.state == PP_LINK_CONNECTING) {
        pp_link_close(&path->link, PP_ERR_TIMEOUT);
    }
    if (path->link.state != PP_LINK_CLOSED) {
        path->state = PP_PATH_TALKING;
        /* The time for the greeting begins now. */
        pp_smtp_client_init(&path->client, &path->params, now_ms);
        step(path, PP_PATH_CONNECTED);
        return;
    }
    why = path->link.error;
    path->address++;
    dial_from(path, PP_STAGE_CONNECT, why, now_ms);
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
        return "too little memory for this server's TLS (PP_TLS_ARENA_BYTES)";
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
    return path->failed && !path->greeted && path->address + 1 < path->answer.count &&
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

static void go_without_tls(struct pp_path *path, pp_time_ms now_ms)
{
    char text[sizeof(path->clear_why)];
    struct pp_writer w;

    pp_writer_init(&w, text, sizeof(text) - 1);
    pp_put_reply(&w, &path->failure);
    text[w.len < sizeof(text) ? w.len : sizeof(text) - 1] = '\0';
    set_words(path->clear_why, sizeof(path->clear_why), text);
    path->plaintext = true;
    path->failed = path->greeted = false;
    path->params.wants_tls = false;
    dial_from(path, path->failure_stage, PP_ERR_CLOSED, now_ms);
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
        if (may_go_without_tls(path)) {
            go_without_tls(path, now_ms);
            return true;
        }
        if (may_try_next_address(path)) {
            path->failed = path->secured = false;
            path->address++;
            dial_from(path, path->failure_stage, PP_ERR_CLOSED, now_ms);
            return true;
        }
        return false;
    }
    return more;
}

bool pp_path_pump(struct pp_path *path, pp_time_ms now_ms)
{
    bool more = false;

    if (path->state == PP_PATH_RESOLVING) {
        pump_resolving(path, now_ms);
        more = path->state == PP_PATH_CONNECTING;
    } else if (path->state == PP_PATH_CONNECTING) {
        (void)pp_link_pump(&path->link, now_ms);
        pump_connecting(path, now_ms);
        more = path->state == PP_PATH_TALKING;
    } else if (path->state == PP_PATH_TALKING) {
        more = pump_talking(path, now_ms);
    }
    return more;
}

pp_time_ms pp_path_deadline_ms(const struct pp_path *path)
{
    switch (path->state) {
    case PP_PATH_RESOLVING:
        return pp_dns_deadline_ms(&path->lookup);
    case PP_PATH_CONNECTING:
        return path->connect_deadline_ms;
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
    if (path->state == PP_PATH_RESOLVING) {
        pp_dns_stop(&path->lookup);
    }
    if (path->state == PP_PATH_CONNECTING || path->state == PP_PATH_TALKING) {
        if (pp_smtp_client_event(&path->client) != PP_SMTP_EVENT_CLOSED) {
            pp_smtp_client_lost(&path->client, PP_ERR_CLOSED, why_z, now_ms);
        }
        pp_link_close(&path->link, PP_ERR_CLOSED);
    }
    if (path->state != PP_PATH_IDLE) {
        close_failed(path, PP_STAGE_IDLE, why_z);
    }
}
