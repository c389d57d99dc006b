/*
 * session_parts.h - what the files intake/session*.c share with each other, and with nobody else
 *
 * Job:      the calls between life (session.c), messages (session_mail.c) and logins
 *           (session_login.c).
 */
#ifndef PP_INTAKE_SESSION_PARTS_H
#define PP_INTAKE_SESSION_PARTS_H

#include "intake/session.h"
#include "intake/smtp_answer.h"

static inline bool pp_session_may_relay(const struct pp_intake_session *s)
{
    return s->trusted || s->logged_in;
}

/* A line about this client: its address or user id, and its login. */
void pp_session_log_begin(const struct pp_intake_session *s, struct pp_log_line *line,
                          enum pp_log_level level, uint32_t id, const char *event_z);

/* ---- session_mail.c: events of a message ---- */
void pp_session_on_mail(struct pp_intake_session *s, struct pp_buf *out, pp_time_ms now_ms);
void pp_session_on_recipient(struct pp_intake_session *s, struct pp_buf *out, pp_time_ms now_ms);
void pp_session_on_content(struct pp_intake_session *s);
void pp_session_on_end(struct pp_intake_session *s, struct pp_buf *out, pp_time_ms now_ms);
void pp_session_on_reset(struct pp_intake_session *s);
void pp_session_on_etrn(struct pp_intake_session *s, struct pp_buf *out, pp_time_ms now_ms);
/* True when the ticket's fate is known, and was told. */
bool pp_session_settle_ticket(struct pp_intake_session *s, pp_time_ms now_ms);
void pp_session_drop_message(struct pp_intake_session *s);

/* ---- session_login.c ---- */
void pp_session_on_auth(struct pp_intake_session *s, struct pp_buf *out, pp_time_ms now_ms);
/* True when the answer that was waited for was given. */
bool pp_session_settle_login(struct pp_intake_session *s, pp_time_ms now_ms);
void pp_session_end_login(struct pp_intake_session *s);
/* "PLAIN LOGIN SCRAM-SHA-256", what is offered in TLS; "" nothing. */
const char *pp_session_mechanisms(const struct pp_intake_server *shared, bool offers_login);

#endif
