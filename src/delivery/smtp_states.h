/*
 * smtp_states.h - what the three files of the SMTP client share
 *
 * Job:      the states, and the steps that session (smtp_client.c), login (smtp_login.c) and
 *           transaction (smtp_transaction.c) take together. For these files only.
 */
#ifndef PP_DELIVERY_SMTP_STATES_H
#define PP_DELIVERY_SMTP_STATES_H

#include "delivery/smtp_client.h"

/* Named after what is awaited: from the server, or from the owner. */
enum pp_smtp_state {
    PP_SMTP_AWAIT_GREETING,
    PP_SMTP_AWAIT_EHLO_REPLY,
    PP_SMTP_AWAIT_HELO_REPLY,
    PP_SMTP_AWAIT_STARTTLS_REPLY,
    PP_SMTP_AWAIT_TLS, /* owner */
    PP_SMTP_AWAIT_AUTH_REPLY,
    PP_SMTP_AWAIT_MESSAGE, /* owner */
    PP_SMTP_AWAIT_MAIL_REPLY,
    PP_SMTP_AWAIT_RECIPIENT, /* owner */
    PP_SMTP_AWAIT_RCPT_REPLY,
    PP_SMTP_AWAIT_DATA_REPLY,
    PP_SMTP_AWAIT_BODY, /* owner */
    PP_SMTP_AWAIT_DOT_REPLY,
    PP_SMTP_AWAIT_NEXT, /* owner */
    PP_SMTP_AWAIT_RSET_REPLY,
    PP_SMTP_AWAIT_QUIT_REPLY,
    PP_SMTP_CLOSED,
    PP_SMTP_STATE_COUNT
};

/* Into a state: stage, deadline and event follow from it; its command is to be said. */
void pp_smtp_enter(struct pp_smtp_client *c, enum pp_smtp_state state, pp_time_ms now_ms);
/*
 * The session failed: failure, error and stage are kept (the first only), open recipients get
 * LATER with the failure as reply. Polite: QUIT is said first; else the session is closed at once.
 * `reply` may be NULL, `words_z` (what to do) NULL; both given, the words follow the reply's text.
 */
void pp_smtp_fail(struct pp_smtp_client *c, enum pp_err err, const struct pp_reply *reply,
                  const char *words_z, bool polite, pp_time_ms now_ms);

/* ---- smtp_login.c ---- */
bool pp_smtp_login_wanted(const struct pp_smtp_client *c);
/* Choose a mechanism and go on to AUTH, or fail. */
void pp_smtp_start_login(struct pp_smtp_client *c, pp_time_ms now_ms);
/* Put AUTH or the answer that is due; false when there is no room. */
bool pp_smtp_say_auth(struct pp_smtp_client *c, struct pp_buf *out, pp_time_ms now_ms);
void pp_smtp_on_auth_reply(struct pp_smtp_client *c, const struct pp_reply *reply,
                           pp_time_ms now_ms);

/* Takes the text out of a reply to AUTH that repeats user or password: replies are logged. */
void pp_smtp_hide_secret(struct pp_smtp_client *c, struct pp_reply *reply);

/* ---- smtp_transaction.c ---- */
/* Put MAIL into `out`; false when there is no room. */
bool pp_smtp_say_mail(struct pp_smtp_client *c, struct pp_buf *out);
/* Put DATA into `out` if it is due and there is room. */
void pp_smtp_say_data(struct pp_smtp_client *c, struct pp_buf *out);
/* A whole reply in one of the states from AWAIT_MAIL_REPLY to AWAIT_DOT_REPLY. */
void pp_smtp_on_transaction_reply(struct pp_smtp_client *c, const struct pp_reply *reply,
                                  pp_time_ms now_ms);
/* A whole reply while content was being sent: never a success. */
void pp_smtp_on_early_reply(struct pp_smtp_client *c, const struct pp_reply *reply,
                            pp_time_ms now_ms);
/* Every recipient without a verdict gets this one. */
void pp_smtp_decide_open(struct pp_smtp_client *c, struct pp_decision d,
                         const struct pp_reply *reply);
/* A line of text and CRLF, all or nothing. */
bool pp_smtp_put_line(struct pp_buf *out, const char *line_z);

#endif
