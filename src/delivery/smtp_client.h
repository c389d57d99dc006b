/*
 * smtp_client.h - our side of SMTP to the smarthost: a machine without I/O
 *
 * Job:      turn server replies into the next command and, at the end, into a verdict a
 *           recipient: delivered, later, never.
 * Not here: sockets, TLS, clocks, flash (wire/link.h, delivery/session.c).
 * Flow:     GREETING > EHLO > STARTTLS > EHLO > AUTH > READY > MAIL > RCPT > DATA > BODY > DOT >
 *           READY > ... > QUIT
 * Follows:  RFC 5321 (4.2, 4.5.3.2), 1870 (SIZE), 2920 (PIPELINING), 3207, 4954, 6152
 *
 * The owner pumps bytes with pp_smtp_client_pump() and then looks at pp_smtp_client_event().
 * A reply that is malformed, overlong (PP_SMTP_LINE_CAP octets a line; a bare LF as line end
 * is taken, a NUL or a bare CR within is not; PP_SMTP_REPLY_LINES lines), or bytes that were not
 * asked for (only 421 may come at any time; at STARTTLS not even that), ends the session: LATER,
 * scope PATH.
 * A reply to the final dot counts only once the dot has left `out`. Text of a reply to AUTH that
 * repeats the login is left out.
 *
 * error after CLOSED: PP_OK (orderly QUIT), PP_ERR_SYNTAX and PP_ERR_TOO_BIG (unlawful replies),
 * PP_ERR_REFUSED (greeting, EHLO, STARTTLS or RSET refused), PP_ERR_UNSUPPORTED (no STARTTLS, no
 * AUTH, no common mechanism), PP_ERR_DENIED (login refused), PP_ERR_TRUST (login without TLS),
 * PP_ERR_CLOSED (421), PP_ERR_STATE (quit in the middle), or what _lost() was given.
 */
#ifndef PP_DELIVERY_SMTP_CLIENT_H
#define PP_DELIVERY_SMTP_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/content.h"
#include "base/err.h"
#include "base/time.h"
#include "config.h"
#include "delivery/smtp_ehlo.h"
#include "delivery/smtp_reply.h"
#include "delivery/verdict.h"

enum pp_smtp_event {
    PP_SMTP_EVENT_NONE,      /* feed more input, send the output */
    PP_SMTP_EVENT_START_TLS, /* STARTTLS was accepted: swap TLS in, then _secured() */
    PP_SMTP_EVENT_READY,     /* logged in and idle: _mail() or _quit() */
    PP_SMTP_EVENT_RECIPIENT, /* wants recipients: _recipient() each, _recipients_end() behind the
                                last */
    PP_SMTP_EVENT_BODY,      /* wants content: _body() ..., _body_end() */
    PP_SMTP_EVENT_DONE,      /* message ended, all verdicts were handed out: _next() */
    PP_SMTP_EVENT_CLOSED     /* session over: see failure */
};

struct pp_smtp_params {
    const char *hostname_z; /* for EHLO; an address literal or a name */
    bool wants_tls;         /* STARTTLS is to be used; missing means failure, never plaintext */
    bool tls_optional;      /* ... but it goes on in the clear where it is not offered */
    bool encrypted;         /* implicit TLS is on already */
    enum pp_auth auth;
    bool auth_without_tls; /* asked for by name in the configuration */
    bool has_certificate;  /* ... of our own, shown in TLS: EXTERNAL is a login */
    const char *user_z;    /* empty: no login but that */
    const char *password_z;
    const struct pp_timeouts *timeouts;
    /* One call a recipient of the current message, in any order, each once, before EVENT_DONE or
     * CLOSED. */
    void (*on_verdict)(void *ctx, uint16_t recipient, enum pp_verdict verdict, enum pp_scope scope,
                       enum pp_stage stage, const struct pp_reply *reply);
    void *ctx;
};

struct pp_smtp_mail {
    struct pp_text sender; /* reverse-path without <>, empty for <> */
    uint64_t size_bytes;   /* of the rendered message, 0 when unknown (SIZE= then left out) */
    uint32_t recipient_count;
    bool body_8bit; /* BODY=8BITMIME is to be said (the server offered it) */
    bool smtputf8;  /* an address is not ASCII: the server must offer SMTPUTF8, else NEVER 5.6.7 */
    enum pp_dsn_ret ret;  /* said, as ENVID, where the server announced DSN (RFC 3461) */
    struct pp_text envid; /* xtext, up to 100 octets */
};

#define PP_SMTP_RECIPIENT_BYTES ((PP_RECIPIENTS_MAX + 7) / 8)

/* The message under way; what is asked of it and how far it got. */
struct pp_smtp_transaction {
    struct pp_smtp_mail mail; /* its sender points to `sender` */
    char sender[PP_ADDRESS_CAP];
    char envid[PP_ENVID_MAX];
    bool active; /* between _mail() and EVENT_DONE: verdicts are owed */
    bool mail_replied;
    bool refused; /* MAIL was refused: replies still to come are passed over */
    bool recipients_ended, data_wanted, data_sent;
    bool discard;         /* 354 came though nobody was accepted: an empty message ends it */
    bool rset;            /* the server has a transaction open that nobody wants */
    uint32_t handed;      /* recipients that the owner gave */
    uint32_t outstanding; /* RCPT commands not yet answered */
    uint32_t next_reply;  /* no recipient before this index waits for a reply to RCPT */
    uint32_t accepted_count;
    uint8_t decided[PP_SMTP_RECIPIENT_BYTES]; /* the verdict was handed out */
    bool line_start, previous_cr;             /* of the content sent so far */
};

/* Fields that the owner may read: capabilities, stage, failure, failure_stage, error,
 * messages_done. */
struct pp_smtp_client {
    struct pp_smtp_params params;
    struct pp_smtp_capabilities capabilities;
    uint8_t state;       /* enum in smtp_states.h */
    enum pp_stage stage; /* for words and timeouts */
    pp_time_ms deadline_ms;
    bool unsaid;      /* the command of this state is not in `out` yet */
    bool unsolicited; /* bytes came that nobody asked for: lawful only as 421 */
    bool encrypted, logged_in;
    struct pp_reply_reader reader;
    uint8_t mechanism, auth_step;
    struct pp_smtp_transaction transaction;
    /* how it ended */
    struct pp_reply
        failure; /* code 0 where the server said nothing; text says what and what to do */
    enum pp_stage failure_stage;
    enum pp_err error;      /* PP_OK after an orderly QUIT */
    uint32_t messages_done; /* whose content the server took */
};

void pp_smtp_client_init(struct pp_smtp_client *c, const struct pp_smtp_params *params,
                         pp_time_ms now_ms);
/* The pump of struct pp_machine (wire/link.h): takes replies from `in`, puts commands into `out`.
 */
void pp_smtp_client_pump(void *client, struct pp_buf *in, struct pp_buf *out, pp_time_ms now_ms);
bool pp_smtp_client_wants_tls(void *client); /* event is START_TLS */
void pp_smtp_client_secured(void *client, pp_time_ms now_ms);
bool pp_smtp_client_finished(void *client); /* event is CLOSED */

enum pp_smtp_event pp_smtp_client_event(const struct pp_smtp_client *c);
/* EVENT_READY: begin a message. PP_ERR_STATE otherwise; PP_ERR_INJECTION for a sender with line
 * breaks or <>. PP_ERR_EMPTY, PP_ERR_RANGE: no recipient, more than PP_RECIPIENTS_MAX;
 * PP_ERR_SYNTAX: sender with blanks or overlong. A SIZE the server's limit forbids ends it at once:
 * NEVER 5.3.4 for every recipient, then EVENT_DONE. */
PP_MUST_USE enum pp_err pp_smtp_client_mail(struct pp_smtp_client *c,
                                            const struct pp_smtp_mail *mail, pp_time_ms now_ms);
/* EVENT_RECIPIENT: PP_OK taken; PP_ERR_LATER no room in `out` now (pump and come again);
 * PP_ERR_INJECTION, PP_ERR_SYNTAX: this recipient got its verdict NEVER 5.1.3 and counts as handed
 * over. */
PP_MUST_USE enum pp_err pp_smtp_client_recipient(struct pp_smtp_client *c, struct pp_buf *out,
                                                 const struct pp_recipient *recipient,
                                                 pp_time_ms now_ms);
void pp_smtp_client_recipients_end(struct pp_smtp_client *c, struct pp_buf *out, pp_time_ms now_ms);
/* EVENT_BODY: takes up to `len` bytes of content (CRLF line ends), returns how many were taken:
 * dots are stuffed, bare CR or LF become CRLF, so that what goes out is always clean (RFC
 * 5321 2.3.8). */
size_t pp_smtp_client_body(struct pp_smtp_client *c, struct pp_buf *out, const uint8_t *bytes,
                           size_t len, pp_time_ms now_ms);
/* Content is complete: ends the last line, sends the dot. False when there is no room yet. */
bool pp_smtp_client_body_end(struct pp_smtp_client *c, struct pp_buf *out, pp_time_ms now_ms);
/* Content cannot be completed (damaged in flash): the session is ended without the dot; open
 * recipients get LATER, or NEVER with `text_z` when `never`. */
void pp_smtp_client_body_failed(struct pp_smtp_client *c, bool never, const char *text_z,
                                pp_time_ms now_ms);
/* EVENT_DONE: back to READY (or RSET first where the transaction needs it). */
void pp_smtp_client_next(struct pp_smtp_client *c, struct pp_buf *out, pp_time_ms now_ms);
void pp_smtp_client_quit(struct pp_smtp_client *c, struct pp_buf *out, pp_time_ms now_ms);
/*
 * The connection ended or the deadline passed: every recipient of a message under way gets its
 * verdict (LATER; after the final dot the text says that it may have been delivered), then CLOSED.
 */
void pp_smtp_client_lost(struct pp_smtp_client *c, enum pp_err why, const char *text_z,
                         pp_time_ms now_ms);
/* Instant at which the current step is over: call _lost(PP_ERR_TIMEOUT). Moves with progress of the
 * body. */
pp_time_ms pp_smtp_client_deadline_ms(const struct pp_smtp_client *c);
/* Bytes of ours were taken by the network: restarts the data-block timeout. */
void pp_smtp_client_progress(struct pp_smtp_client *c, pp_time_ms now_ms);

#endif
