/*
 * session_login.c - a client logs in
 *
 * Job:      AUTH from its first line to its verdict: by the verifiers of the configuration, or by
 *           the port's backend; the wait behind a failure; who is locked out.
 * Not here: the exchange itself (sasl_server.c), the commands (smtp_server.c).
 * Follows:  RFC 4954 4 and 6
 */
#include <string.h>

#include "base/bytes.h"
#include "intake/session_parts.h"

/* For the backend to say something. */
#define BACKEND_MS 30000

static bool has_backend(const struct pp_intake_server *shared)
{
    return shared->intake->config->server.auth_socket[0] != '\0';
}

const char *pp_session_mechanisms(const struct pp_intake_server *shared, bool offers_login)
{
    const struct pp_port *port = shared->port;

    if (!offers_login) {
        return "";
    }
    if (has_backend(shared)) {
        return port->login_mechanisms != NULL ? port->login_mechanisms(port->ctx) : "";
    }
    return "PLAIN LOGIN SCRAM-SHA-256";
}

static void log_login(const struct pp_intake_session *s, bool good, struct pp_text name)
{
    struct pp_log_line line;

    pp_session_log_begin(s, &line, good ? PP_LOG_INFO : PP_LOG_WARN, 0,
                         good ? "login" : "login_failed");
    if (!good) {
        pp_log_text(&line, "user", name);
    }
    pp_log_end(&line);
}

/* ---- the verdict ---- */

static void keep_name(struct pp_intake_session *s, struct pp_text name)
{
    size_t len = name.len < sizeof(s->user_name) ? name.len : sizeof(s->user_name) - 1;

    memcpy(s->user_name, name.p, len);
    s->user_name[len] = '\0';
}

static void accept(struct pp_intake_session *s, struct pp_text name, struct pp_buf *out,
                   pp_time_ms now_ms)
{

    pp_access_login_worked(&s->shared->access, s->client);
    keep_name(s, name);
    s->user = pp_access_find_user(s->shared->intake->config, name);
    s->logged_in = true;
    s->served_ms = now_ms;
    log_login(s, true, name);
    pp_session_end_login(s);
    pp_smtp_server_login(&s->server, out, PP_SERVER_LOGIN_ACCEPTED, now_ms);
}

/* Not at once: who guesses is to wait. */
static void refuse(struct pp_intake_session *s, struct pp_text name, pp_time_ms now_ms)
{
    uint32_t wait_ms = pp_access_login_failed(&s->shared->access, s->client, now_ms);

    log_login(s, false, name);
    pp_session_end_login(s);
    s->login.waits = true;
    s->login.said = PP_SERVER_LOGIN_REFUSED;
    s->login.answer_at_ms = pp_time_add(now_ms, wait_ms);
}

static void answer(struct pp_intake_session *s, struct pp_buf *out, enum pp_server_login login,
                   pp_time_ms now_ms)
{
    pp_session_end_login(s);
    pp_smtp_server_login(&s->server, out, login, now_ms);
}

/* ---- by our own verifiers ---- */

static void take_step(struct pp_intake_session *s, enum pp_sasl_step step, struct pp_text challenge,
                      struct pp_buf *out, pp_time_ms now_ms)
{
    switch (step) {
    case PP_SASL_CHALLENGE:
        pp_smtp_server_challenge(&s->server, out, challenge, now_ms);
        return;
    case PP_SASL_ACCEPTED:
        accept(s, pp_sasl_server_name(&s->login.sasl), out, now_ms);
        return;
    case PP_SASL_REFUSED:
        refuse(s, pp_sasl_server_name(&s->login.sasl), now_ms);
        return;
    case PP_SASL_MALFORMED:
        answer(s, out, PP_SERVER_LOGIN_MALFORMED, now_ms);
        return;
    }
}

static void ask_verifiers(struct pp_intake_session *s, const struct pp_server_auth *auth,
                          struct pp_buf *out, pp_time_ms now_ms)
{
    char challenge[PP_SASL_CHALLENGE_CAP];
    struct pp_writer w;
    enum pp_sasl_step step;

    pp_writer_init(&w, challenge, sizeof(challenge));
    if (auth->begins) {
        struct pp_text initial = auth->has_response ? auth->response : pp_text_n(NULL, 0);
        enum pp_sasl_mechanism mechanism = pp_sasl_mechanism(auth->mechanism);
        if (mechanism == PP_SASL_UNKNOWN) {
            answer(s, out, PP_SERVER_LOGIN_UNKNOWN, now_ms);
            return;
        }
        step =
            pp_sasl_server_begin(&s->login.sasl, s->shared->intake->config, mechanism, initial, &w);
    } else {
        step = pp_sasl_server_answer(&s->login.sasl, auth->response, &w);
    }
    take_step(s, step, pp_writer_text(&w), out, now_ms);
}

/* ---- by the port's backend ---- */

static bool is_offered(const struct pp_intake_session *s, struct pp_text mechanism)
{
    struct pp_text rest = pp_text_z(pp_session_mechanisms(s->shared, true));

    while (rest.len > 0) {
        if (pp_text_equal_nocase(pp_text_cut(&rest, ' '), mechanism)) {
            return true;
        }
    }
    return false;
}

static bool to_z(char *out, size_t cap, struct pp_text text)
{
    if (text.len >= cap) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        out[i] = text.p[i];
        if (out[i] == '\0') {
            return false;
        }
    }
    out[text.len] = '\0';
    return true;
}

static void ask_backend(struct pp_intake_session *s, const struct pp_server_auth *auth,
                        struct pp_buf *out, pp_time_ms now_ms)
{
    const struct pp_port *port = s->shared->port;
    char mechanism[40], response[PP_SASL_RESPONSE_CAP];
    bool good = to_z(response, sizeof(response), auth->response) &&
                (!auth->begins || to_z(mechanism, sizeof(mechanism), auth->mechanism));
    int done = -1;

    if (!good) {
        answer(s, out, PP_SERVER_LOGIN_MALFORMED, now_ms);
        return;
    }
    if (auth->begins && !is_offered(s, auth->mechanism)) {
        answer(s, out, PP_SERVER_LOGIN_UNKNOWN, now_ms);
        return;
    }
    if (port->login_begin != NULL && auth->begins) {
        done =
            port->login_begin(port->ctx, mechanism, &s->peer, auth->has_response ? response : NULL);
        s->login.backend = done > 0 ? done : 0;
    } else if (s->login.backend > 0) {
        done = port->login_answer(port->ctx, s->login.backend, response);
    }
    pp_wipe(response, sizeof(response));
    if (done < 0) {
        answer(s, out, PP_SERVER_LOGIN_LATER, now_ms);
        return;
    }
    s->login.waits = true;
    s->login.said = PP_SERVER_LOGIN_LATER;
    s->login.answer_at_ms = pp_time_add(now_ms, BACKEND_MS);
}

/* True when the backend said something. */
static bool hear_backend(struct pp_intake_session *s, pp_time_ms now_ms)
{
    const struct pp_port *port = s->shared->port;
    struct pp_port_login heard;

    if (s->login.backend == 0 || port->login_ask(port->ctx, s->login.backend, &heard) == 0) {
        return false;
    }
    s->login.waits = false;
    switch (heard.said) {
    case PP_PORT_LOGIN_CHALLENGE:
        pp_smtp_server_challenge(&s->server, &s->link.out, pp_text_z(heard.text), now_ms);
        break;
    case PP_PORT_LOGIN_ACCEPTED:
        accept(s, pp_text_z(heard.text), &s->link.out, now_ms);
        break;
    case PP_PORT_LOGIN_REFUSED:
        refuse(s, pp_text_z(heard.text), now_ms);
        break;
    case PP_PORT_LOGIN_LATER:
        answer(s, &s->link.out, PP_SERVER_LOGIN_LATER, now_ms);
        break;
    }
    pp_wipe(&heard, sizeof(heard));
    return !s->login.waits;
}

/* ---- events ---- */

void pp_session_on_auth(struct pp_intake_session *s, struct pp_buf *out, pp_time_ms now_ms)
{
    const struct pp_server_auth *auth = pp_smtp_server_auth(&s->server);

    if (auth->begins) {
        pp_session_end_login(s); /* the one before was cancelled: nobody said so until now */
    }
    if (auth->begins && pp_access_is_locked(&s->shared->access, s->client, now_ms)) {
        refuse(s, pp_text_z("(locked out)"), now_ms);
    } else if (has_backend(s->shared)) {
        ask_backend(s, auth, out, now_ms);
    } else {
        ask_verifiers(s, auth, out, now_ms);
    }
}

bool pp_session_settle_login(struct pp_intake_session *s, pp_time_ms now_ms)
{
    if (hear_backend(s, now_ms)) {
        return true;
    }
    if (now_ms < s->login.answer_at_ms) {
        return false;
    }
    answer(s, &s->link.out, s->login.said, now_ms);
    return true;
}

void pp_session_end_login(struct pp_intake_session *s)
{
    const struct pp_port *port = s->shared->port;

    if (s->login.backend > 0) {
        port->login_end(port->ctx, s->login.backend);
    }
    pp_sasl_server_wipe(&s->login.sasl);
    s->login.backend = 0;
    s->login.waits = false;
}
