/*
 * smtp_server.h - our side of SMTP towards those who hand mail in: a machine without I/O
 *
 * Job:      commands in, replies out, events for the owner; the sequences, limits and reply codes
 *           of RFC 5321 with enhanced codes.
 * Not here: sockets, the queue, who may relay (intake/session.h, intake/access.h), logins
 *           (intake/sasl_server.h); the arguments of MAIL and RCPT (intake/smtp_mail.h), the end of
 *           data (intake/smtp_data.h).
 * Follows:  RFC 5321, 1870 (SIZE), 1985 (ETRN), 2034 (enhanced codes), 2920 (PIPELINING), 3030
 *           (CHUNKING), 3207 (STARTTLS), 3461 (DSN), 4954 (AUTH), 6152 (8BITMIME), 6531 (SMTPUTF8)
 *
 * Only CRLF ends a command, and only CRLF.CRLF ends a message. A bare LF or a control byte in a
 * command is refused (500); a bare CR, a bare LF or NUL in content spoils the message: the rest is
 * swallowed and its end is answered with 554 5.6.11. With `normalize` a bare CR or LF becomes CRLF.
 *
 * BDAT is held to the same: a chunk that is refused is swallowed to its last octet, and answered
 * there; behind a length that nobody can read the session ends (421 4.5.0), since nobody knows
 * where the next command is.
 *
 *     pp_smtp_server_pump(&s, in, out, now_ms);
 *     switch (pp_smtp_server_event(&s)) ...        answer the event
 *     ... until there is no event
 *
 * Texts and content of an event are views into `in`: valid until it is answered, and until then the
 * owner leaves `in` alone.
 */
#ifndef PP_INTAKE_SMTP_SERVER_H
#define PP_INTAKE_SMTP_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "base/time.h"
#include "intake/smtp_data.h"
#include "intake/smtp_mail.h"

/* Longest command with its CRLF: 512 of RFC 5321 4.5.3.1.4, and what the extensions add. `in` has
 * room for it. */
#define PP_SERVER_LINE_MAX 4096
/* Room in `out` that any reply fits in: without it nothing is taken in. */
#define PP_SERVER_REPLY_ROOM 1024
/* Longest line of a login's exchange (RFC 4954 4), where `in` has room for it. */
#define PP_SERVER_ANSWER_MAX 12288

enum pp_server_event {
    PP_SERVER_EVENT_NONE,
    PP_SERVER_EVENT_AUTH, /* a login begins or goes on, see _auth(): answer with _challenge() or
                             _login(), at once or later; nothing is read meanwhile. A login that
                             the client takes back is no event: the next one begins anew */
    PP_SERVER_EVENT_ETRN, /* see _recipient(), the domain: answer with _reply() */
    PP_SERVER_EVENT_MAIL, /* a message begins, see _mail(): answer with _reply() */
    PP_SERVER_EVENT_RECIPIENT, /* see _recipient(): answer with _reply() */
    PP_SERVER_EVENT_CONTENT,   /* see _content(): go on with _content_done() */
    PP_SERVER_EVENT_END,   /* that was all: answer with _reply_end(), at once or later; nothing is
                              read meanwhile */
    PP_SERVER_EVENT_RESET, /* the message is off: go on with _continue() */
    PP_SERVER_EVENT_CLOSED /* the session is over, an unfinished message with it */
};

enum pp_server_state {
    PP_SERVER_GREET,
    PP_SERVER_AWAIT_HELLO,
    PP_SERVER_AWAIT_MAIL,
    PP_SERVER_AWAIT_RCPT, /* or DATA */
    PP_SERVER_AWAIT_CONTENT,
    PP_SERVER_AWAIT_TLS,    /* 220 was said: the link begins TLS, nothing is read */
    PP_SERVER_AWAIT_ANSWER, /* 334 was said: a line of the login's exchange */
    PP_SERVER_AWAIT_CHUNK,  /* octets of BDAT */
    PP_SERVER_CLOSED
};

struct pp_server_params {
    const char *hostname_z; /* outlives the machine */
    uint64_t size_limit;    /* of a message in bytes: announced, and held */
    uint32_t recipient_limit;
    uint32_t idle_ms;    /* between commands, and between pieces of content (RFC 5321 4.5.3.2.7) */
    uint32_t command_ms; /* from the first byte of a command to its CRLF; 0 no limit, as below */
    uint32_t message_ms; /* from DATA or the first BDAT to the end of the message */
    uint32_t session_ms; /* all in all */
    uint32_t early_talker_ms; /* the greeting waits so long: who talks before is refused (554) */
    uint32_t commands_max;    /* of the session; then 421 4.7.0 */
    uint32_t errors_max;      /* 421 4.7.0 behind so many bad commands */
    uint32_t messages_max;    /* of the session; then MAIL gets 421 4.7.0 */
    bool local;               /* offer X-PINPOST (intake/smtp_mail.h) */
    bool starttls;            /* offered while in the clear */
    bool tls_busy;            /* 454 4.7.0 to STARTTLS; the owner may change it at any time */
    bool needs_tls;           /* 530 5.7.0 for all but EHLO, NOOP, RSET, STARTTLS, QUIT before it */
    bool needs_login;         /* 530 5.7.0 for MAIL, ETRN, VRFY before a login */
    const char *mechanisms_z; /* "PLAIN LOGIN SCRAM-SHA-256"; "": no AUTH. Only offered, and only
                                 taken, in TLS: 538 5.7.11 before */
    bool normalize;           /* a bare CR or LF in content becomes CRLF; only CRLF.CRLF ends it */
};

/* What an AUTH command or an answer in its exchange said; views into the line. */
struct pp_server_auth {
    bool begins;              /* else an answer to the last challenge */
    struct pp_text mechanism; /* as written, when it begins */
    bool has_response;        /* an initial response, or always in an answer */
    struct pp_text response;  /* base64 as sent; "=" is an initial response of no octets */
};

enum pp_server_login {                            /* what became of it */
                       PP_SERVER_LOGIN_ACCEPTED,  /* 235 2.7.0 */
                       PP_SERVER_LOGIN_REFUSED,   /* 535 5.7.8 */
                       PP_SERVER_LOGIN_MALFORMED, /* 501 5.5.2 */
                       PP_SERVER_LOGIN_UNKNOWN,   /* 504 5.5.4: no such mechanism */
                       PP_SERVER_LOGIN_LATER      /* 454 4.7.0: the backend is away */
};

struct pp_smtp_server {
    struct pp_server_params params;
    enum pp_server_state state;
    enum pp_server_event event;
    bool secure, logged_in, esmtp;
    size_t hello_len;
    char hello[255]; /* what EHLO or HELO named */
    /* Time. */
    pp_time_ms begun_ms;
    pp_time_ms deadline_ms;   /* idle */
    pp_time_ms command_at_ms; /* the first byte of the command under way; PP_TIME_NEVER: none */
    pp_time_ms content_at_ms; /* DATA or the first BDAT; PP_TIME_NEVER: none */
    /* Counts. */
    uint32_t errors, commands, messages;
    bool skipping_line; /* an overlong command, up to its end */
    size_t taken;       /* bytes of `in` that the event or the last command was about */
    bool taken_secret;  /* ... to be wiped */
    struct pp_server_auth auth;
    struct pp_server_mail mail;
    struct pp_recipient recipient;
    uint32_t recipients; /* accepted */
    /* Content. */
    struct pp_server_data data;
    uint64_t chunk_bytes, chunk_left; /* of BDAT: as said, and still to come */
    bool chunk_last;
    const char *chunk_reply_z;       /* why this chunk is only swallowed; NULL: it is taken */
    enum pp_server_state chunk_from; /* the state in which BDAT came */
    uint64_t content_bytes;
    struct pp_text content;
    /* Why the message under way will be refused at its end; the first reason. */
    enum pp_err refusal;
};

void pp_smtp_server_init(struct pp_smtp_server *s, const struct pp_server_params *params,
                         pp_time_ms now_ms);
/* Take in what can be taken, up to the next event. */
void pp_smtp_server_pump(struct pp_smtp_server *s, struct pp_buf *in, struct pp_buf *out,
                         pp_time_ms now_ms);
enum pp_server_event pp_smtp_server_event(const struct pp_smtp_server *s);
/* All was said: what is in `out` still goes. The deadline is then for the peer to take it. */
bool pp_smtp_server_finished(const struct pp_smtp_server *s);
pp_time_ms pp_smtp_server_deadline_ms(const struct pp_smtp_server *s);

/* True when 220 was said to STARTTLS: TLS begins when `out` is empty. */
bool pp_smtp_server_wants_tls(const struct pp_smtp_server *s);
/* TLS is on (after STARTTLS, or from the start): all that was said before is forgotten. */
void pp_smtp_server_secured(struct pp_smtp_server *s, pp_time_ms now_ms);
const struct pp_server_auth *pp_smtp_server_auth(const struct pp_smtp_server *s);
/* Answer AUTH. `challenge` is base64 without CRLF, up to 1,000 octets, and may be empty. */
void pp_smtp_server_challenge(struct pp_smtp_server *s, struct pp_buf *out,
                              struct pp_text challenge, pp_time_ms now_ms);
void pp_smtp_server_login(struct pp_smtp_server *s, struct pp_buf *out, enum pp_server_login login,
                          pp_time_ms now_ms);

const struct pp_server_mail *pp_smtp_server_mail(const struct pp_smtp_server *s);
const struct pp_recipient *pp_smtp_server_recipient(const struct pp_smtp_server *s);
/* What the client called itself, as sent; and whether by EHLO. */
struct pp_text pp_smtp_server_hello(const struct pp_smtp_server *s);
bool pp_smtp_server_is_esmtp(const struct pp_smtp_server *s);
struct pp_text pp_smtp_server_content(const struct pp_smtp_server *s);
/* At RESET within content: why the message will be refused at its end. PP_OK: the client wants so.
 */
enum pp_err pp_smtp_server_refusal(const struct pp_smtp_server *s);

/*
 * Answer MAIL, RECIPIENT or ETRN. PP_OK accepts. Others:
 *   FULL, DRY 452 4.3.1   TOO_BIG 552 5.3.4 (RCPT: 452 4.5.3, too many)   LIMIT 452 4.7.1
 *   DENIED 553 5.7.1 (RCPT: 554 5.7.1), an error of the client's   LOOP 554 5.4.6
 *   SYNTAX, INJECTION 501 5.1.7 (RCPT: 5.1.3)   NOT_FOUND 550 5.1.2: no domain to complete it with
 *   EMPTY 550 5.1.1: no default recipients (RCPT: 501 5.1.3)   any other 451 4.3.0
 * Of ETRN: PP_OK 250, NOT_FOUND 251 2.0.0: nothing waits, any other 459 4.7.1.
 */
void pp_smtp_server_reply(struct pp_smtp_server *s, struct pp_buf *out, enum pp_err err,
                          pp_time_ms now_ms);
/* The piece was taken, or, with an error, the message was dropped: then the rest is swallowed and
 * the machine answers its end by itself. */
void pp_smtp_server_content_done(struct pp_smtp_server *s, enum pp_err err);
/*
 * Answer END: `250 2.0.0 queued as ID`. Others: FULL, DRY 452 4.3.1, LIMIT 452 4.7.1, TOO_BIG 552
 * 5.3.4, SYNTAX, NOT_FOUND, EMPTY 554 5.6.0, INJECTION 554 5.6.11, DENIED 554 5.7.1, LOOP
 * 554 5.4.6, any other 451 4.3.0.
 */
void pp_smtp_server_reply_end(struct pp_smtp_server *s, struct pp_buf *out, enum pp_err err,
                              uint32_t id, pp_time_ms now_ms);
/* After RESET. */
void pp_smtp_server_continue(struct pp_smtp_server *s);
/* Say `reply_z` (421, without CRLF) and be over. No event may be open but END. */
void pp_smtp_server_close(struct pp_smtp_server *s, struct pp_buf *out, const char *reply_z,
                          pp_time_ms now_ms);

#endif
