/*
 * smtp_login.c - speaks our side of SMTP to the smarthost: the login
 *
 * Job:      choose a mechanism, answer challenges, never send a password where it may be read.
 * Not here: the text of the answers (sasl.h).
 * Follows:  RFC 4954
 */
#include <string.h>

#include "base/bytes.h"
#include "delivery/sasl.h"
#include "delivery/smtp_states.h"

#define AUTH_LINE_CAP                                                                              \
    512 /* RFC 4954 4: an initial response that makes AUTH longer is sent apart                    \
         */

#define REPEATED_LEN 12
#define REPEATED_MIN 4 /* shorter ones are in many words */

enum mechanism {
    MECHANISM_NONE,
    MECHANISM_EXTERNAL,
    MECHANISM_PLAIN,
    MECHANISM_LOGIN,
    MECHANISM_CANCEL
};
/* Answers that a mechanism gives in all; a challenge beyond them is cancelled. */
static const uint8_t mechanism_answers[] = {[MECHANISM_NONE] = 0,
                                            [MECHANISM_EXTERNAL] = 1,
                                            [MECHANISM_PLAIN] = 1,
                                            [MECHANISM_LOGIN] = 2,
                                            [MECHANISM_CANCEL] = 0};

/* RFC 4422 A: as whom the certificate's owner wants to act; nothing: as himself (RFC 4954 4). */
static enum pp_err put_external(const struct pp_smtp_client *c, struct pp_writer *w, uint8_t *step)
{
    if (*step == 0) {
        pp_put_z(w, "AUTH EXTERNAL ");
    }
    *step = 1;
    if (c->params.auth == PP_AUTH_EXTERNAL && c->params.user_z[0] != '\0') {
        return pp_sasl_login(w, c->params.user_z);
    }
    pp_put_z(w, "=");
    return PP_OK;
}

/* The text of the answer due now; PLAIN's goes along with AUTH where that line stays short. */
static enum pp_err put_auth_line(struct pp_smtp_client *c, struct pp_writer *w, uint8_t *step)
{
    enum pp_err err = PP_OK;

    if (c->mechanism == MECHANISM_CANCEL) {
        pp_put_z(w, "*");
    } else if (c->mechanism == MECHANISM_EXTERNAL) {
        err = put_external(c, w, step);
    } else if (c->mechanism == MECHANISM_PLAIN) {
        if (*step == 0) {
            pp_put_z(w, "AUTH PLAIN ");
        }
        err = pp_sasl_plain(w, c->params.user_z, c->params.password_z);
        if (*step == 0 && w->len + 2 > AUTH_LINE_CAP) {
            pp_wipe(w->data, w->len);
            w->len = 0;
            pp_put_z(w, "AUTH PLAIN");
        } else {
            *step = 1;
        }
    } else if (*step == 0) {
        pp_put_z(w, "AUTH LOGIN");
    } else {
        err = pp_sasl_login(w, *step == 1 ? c->params.user_z : c->params.password_z);
    }
    pp_put_z(w, "\r\n");
    return err == PP_OK && w->overflow ? PP_ERR_TOO_BIG : err;
}

bool pp_smtp_say_auth(struct pp_smtp_client *c, struct pp_buf *out, pp_time_ms now_ms)
{
    char line[PP_SASL_ANSWER_CAP + 16];
    struct pp_writer w;
    uint8_t step = c->auth_step;
    bool said = true;

    pp_writer_init(&w, line, sizeof line);
    if (put_auth_line(c, &w, &step) != PP_OK) {
        pp_smtp_fail(c, PP_ERR_TOO_BIG, NULL, "user or password is too long to log in with", false,
                     now_ms);
    } else if (pp_buf_put(out, line, w.len)) {
        c->auth_step = step;
    } else {
        said = false;
    }
    pp_wipe(line, sizeof line);
    return said;
}

/* In TLS, where it was shown. */
static bool may_use_certificate(const struct pp_smtp_client *c)
{
    return c->params.has_certificate && c->encrypted && c->capabilities.auth_external &&
           (c->params.auth == PP_AUTH_AUTO || c->params.auth == PP_AUTH_EXTERNAL);
}

bool pp_smtp_login_wanted(const struct pp_smtp_client *c)
{
    if (c->params.auth == PP_AUTH_EXTERNAL) {
        return true;
    }
    return c->params.auth != PP_AUTH_OFF &&
           (pp_text_z(c->params.user_z).len > 0 || may_use_certificate(c));
}

static void choose_password(struct pp_smtp_client *c, pp_time_ms now_ms)
{
    const struct pp_smtp_capabilities *can = &c->capabilities;
    enum pp_auth auth = c->params.auth;

    if (can->auth_plain && (auth == PP_AUTH_AUTO || auth == PP_AUTH_PLAIN)) {
        c->mechanism = MECHANISM_PLAIN;
    } else if (can->auth_login && (auth == PP_AUTH_AUTO || auth == PP_AUTH_LOGIN)) {
        c->mechanism = MECHANISM_LOGIN;
    } else {
        pp_smtp_fail(c, PP_ERR_UNSUPPORTED, NULL,
                     auth == PP_AUTH_AUTO
                         ? "the server offers neither AUTH PLAIN nor AUTH LOGIN"
                         : "the server does not offer the configured login mechanism",
                     true, now_ms);
        return;
    }
    c->auth_step = 0;
    pp_smtp_enter(c, PP_SMTP_AWAIT_AUTH_REPLY, now_ms);
}

void pp_smtp_start_login(struct pp_smtp_client *c, pp_time_ms now_ms)
{
    c->stage = PP_STAGE_AUTH;
    if (!c->encrypted && !c->params.auth_without_tls) {
        pp_smtp_fail(c, PP_ERR_TRUST, NULL,
                     "the password is not sent without TLS; use a TLS level above none", true,
                     now_ms);
        return;
    }
    if (!c->capabilities.auth) {
        pp_smtp_fail(c, PP_ERR_UNSUPPORTED, NULL,
                     "the server offers no login here; check the port (587 or 465), or set no user",
                     true, now_ms);
        return;
    }
    if (!may_use_certificate(c)) {
        choose_password(c, now_ms);
        return;
    }
    c->mechanism = MECHANISM_EXTERNAL;
    c->auth_step = 0;
    pp_smtp_enter(c, PP_SMTP_AWAIT_AUTH_REPLY, now_ms);
}

/* The first letters are enough to know an answer again: the server may have cut it short. */
static bool repeats(const struct pp_reply *reply, struct pp_text secret)
{
    size_t len = secret.len < REPEATED_LEN ? secret.len : REPEATED_LEN;

    for (size_t i = 0; len >= REPEATED_MIN && i + len <= reply->text_len; i++) {
        if (memcmp(reply->text + i, secret.p, len) == 0) {
            return true;
        }
    }
    return false;
}

void pp_smtp_hide_secret(struct pp_smtp_client *c, struct pp_reply *reply)
{
    char line[PP_SASL_ANSWER_CAP];
    struct pp_writer w;
    bool found = repeats(reply, pp_text_z(c->params.password_z));

    pp_writer_init(&w, line, sizeof line);
    found |= pp_sasl_plain(&w, c->params.user_z, c->params.password_z) == PP_OK &&
             repeats(reply, pp_writer_text(&w));
    pp_writer_init(&w, line, sizeof line);
    found |= pp_sasl_login(&w, c->params.password_z) == PP_OK && repeats(reply, pp_writer_text(&w));
    pp_wipe(line, sizeof line);
    if (found) {
        pp_wipe(reply->text, sizeof reply->text);
        reply->text_len = 0;
        pp_reply_add(reply, pp_text_z("(text left out: it repeats the login)"));
    }
}

static void on_challenge(struct pp_smtp_client *c, const struct pp_reply *reply, pp_time_ms now_ms)
{
    if (c->mechanism == MECHANISM_CANCEL) {
        pp_smtp_fail(c, PP_ERR_SYNTAX, reply, "the server goes on asking after the login ended",
                     false, now_ms);
        return;
    }
    if (c->auth_step >= mechanism_answers[c->mechanism]) {
        c->mechanism = MECHANISM_CANCEL;
    } else {
        c->auth_step++;
    }
    pp_smtp_enter(c, PP_SMTP_AWAIT_AUTH_REPLY, now_ms);
}

void pp_smtp_on_auth_reply(struct pp_smtp_client *c, const struct pp_reply *reply,
                           pp_time_ms now_ms)
{
    bool answered = c->auth_step >= mechanism_answers[c->mechanism];

    if (reply->code == 334) {
        on_challenge(c, reply, now_ms);
    } else if (c->mechanism == MECHANISM_CANCEL) {
        pp_smtp_fail(c, PP_ERR_DENIED, reply, "login given up: the server asked for more", true,
                     now_ms);
    } else if (reply->code == 235 && answered) {
        c->logged_in = true;
        pp_smtp_enter(c, PP_SMTP_AWAIT_MESSAGE, now_ms);
    } else if (reply->code < 400) {
        pp_smtp_fail(c, PP_ERR_SYNTAX, reply, "an unlawful reply to AUTH", false, now_ms);
    } else if (reply->code / 100 == 5 && c->mechanism == MECHANISM_EXTERNAL &&
               c->params.user_z[0] != '\0' && c->params.password_z[0] != '\0') {
        choose_password(c, now_ms); /* it knows another way, and so do we */
    } else if (reply->code == 504 && c->mechanism == MECHANISM_PLAIN &&
               c->params.auth == PP_AUTH_AUTO && c->capabilities.auth_login) {
        c->mechanism = MECHANISM_LOGIN;
        c->auth_step = 0;
        pp_smtp_enter(c, PP_SMTP_AWAIT_AUTH_REPLY, now_ms);
    } else {
        pp_smtp_fail(c, PP_ERR_DENIED, reply,
                     reply->code / 100 != 5 ? NULL
                     : c->mechanism == MECHANISM_EXTERNAL
                         ? "login refused: check the certificate"
                         : "login refused: check user and password",
                     true, now_ms);
    }
}
