/*
 * smtp_reply.c - what the owner decided, in words for the client
 *
 * Job:      the answers to the events of our side of SMTP, and the state behind each.
 * Not here: the words for each error (smtp_answer.c), commands (smtp_commands.c).
 * Follows:  RFC 5321 4.2, RFC 1985 (ETRN), RFC 4954 4 and 6
 */
#include <assert.h>

#include "intake/smtp_answer.h"
#include "intake/smtp_server_parts.h"

static void reply_etrn(struct pp_smtp_server *s, struct pp_buf *out, enum pp_err err,
                       pp_time_ms now_ms)
{
    if (err == PP_OK) {
        pp_server_say(out, "250 2.0.0 queuing for this domain started");
    } else if (err == PP_ERR_NOT_FOUND) {
        pp_server_say(out, "251 2.0.0 nothing waits for this domain");
    } else {
        pp_server_refuse(s, out, "459 4.7.1 not allowed", now_ms);
    }
}

void pp_smtp_server_reply(struct pp_smtp_server *s, struct pp_buf *out, enum pp_err err,
                          pp_time_ms now_ms)
{
    enum pp_server_event event = s->event;
    bool is_mail = event == PP_SERVER_EVENT_MAIL;

    assert(is_mail || event == PP_SERVER_EVENT_RECIPIENT || event == PP_SERVER_EVENT_ETRN);
    s->event = PP_SERVER_EVENT_NONE;
    pp_server_touch(s, now_ms);
    if (event == PP_SERVER_EVENT_ETRN) {
        reply_etrn(s, out, err, now_ms);
        return;
    }
    if (err != PP_OK) {
        const char *reply_z = pp_server_answer(is_mail ? PP_ANSWER_MAIL : PP_ANSWER_RCPT, err);
        /* Who may not relay and tries again and again is no client of ours. */
        if (err == PP_ERR_DENIED) {
            pp_server_refuse(s, out, reply_z, now_ms);
        } else {
            pp_server_say(out, reply_z);
        }
        return;
    }
    if (is_mail) {
        pp_server_forget(s);
        s->messages++;
        s->state = PP_SERVER_AWAIT_RCPT;
        s->recipients = s->mail.default_recipients ? 1 : 0;
    } else {
        s->recipients++;
    }
    pp_server_say(out, is_mail ? "250 2.1.0 ok" : "250 2.1.5 ok");
}

void pp_smtp_server_reply_end(struct pp_smtp_server *s, struct pp_buf *out, enum pp_err err,
                              uint32_t id, pp_time_ms now_ms)
{
    char line[64];
    struct pp_writer w;
    const uint8_t id_bytes[4] = {(uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8),
                                 (uint8_t)id};

    assert(s->event == PP_SERVER_EVENT_END);
    s->event = PP_SERVER_EVENT_NONE;
    s->state = PP_SERVER_AWAIT_MAIL;
    pp_server_forget(s);
    pp_server_touch(s, now_ms);
    if (err != PP_OK) {
        pp_server_say(out, pp_server_answer(PP_ANSWER_END, err));
        return;
    }
    pp_writer_init(&w, line, sizeof(line));
    pp_put_z(&w, "250 2.0.0 queued as ");
    pp_put_hex(&w, id_bytes, sizeof(id_bytes), 0);
    pp_server_put_line(out, pp_writer_text(&w));
}

void pp_smtp_server_challenge(struct pp_smtp_server *s, struct pp_buf *out,
                              struct pp_text challenge, pp_time_ms now_ms)
{
    assert(s->event == PP_SERVER_EVENT_AUTH);
    s->event = PP_SERVER_EVENT_NONE;
    s->state = PP_SERVER_AWAIT_ANSWER;
    pp_server_touch(s, now_ms);
    if (pp_buf_room(out) >= challenge.len + 6) {
        pp_buf_put(out, "334 ", 4);
        pp_server_put_line(out, challenge);
    }
}

void pp_smtp_server_login(struct pp_smtp_server *s, struct pp_buf *out, enum pp_server_login login,
                          pp_time_ms now_ms)
{
    static const char *const replies[] = {
        [PP_SERVER_LOGIN_ACCEPTED] = "235 2.7.0 logged in",
        [PP_SERVER_LOGIN_REFUSED] = "535 5.7.8 wrong user or password",
        [PP_SERVER_LOGIN_MALFORMED] = "501 5.5.2 malformed login",
        [PP_SERVER_LOGIN_UNKNOWN] = "504 5.5.4 no such mechanism here",
        [PP_SERVER_LOGIN_LATER] = "454 4.7.0 cannot check logins now, try again later",
    };

    assert(s->event == PP_SERVER_EVENT_AUTH);
    s->event = PP_SERVER_EVENT_NONE;
    s->state = PP_SERVER_AWAIT_MAIL;
    pp_server_touch(s, now_ms);
    s->logged_in = login == PP_SERVER_LOGIN_ACCEPTED;
    if (s->logged_in || login == PP_SERVER_LOGIN_LATER) {
        pp_server_say(out, replies[login]);
    } else {
        pp_server_refuse(s, out, replies[login], now_ms);
    }
}
