/*
 * verdict.h - what a reply means for the mail
 *
 * Job:      stages of the dialogue, a reply taken apart, and the one function that decides:
 *           delivered, later, never; and whom it speaks of.
 * Not here: when to try again (queue/schedule.h, delivery/route.h).
 * Follows:  RFC 5321 4.2 and 4.5.3.1.10 (552 to RCPT), RFC 3463, RFC 2034
 */
#ifndef PP_DELIVERY_VERDICT_H
#define PP_DELIVERY_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

enum pp_verdict { PP_VERDICT_DELIVERED, PP_VERDICT_LATER, PP_VERDICT_NEVER };

/* Where in the dialogue we are. Kept beside timeouts and operator words in one table. */
enum pp_stage {
    PP_STAGE_RESOLVE,
    PP_STAGE_TRUST, /* of what DNS says about the certificate, before a connection */
    PP_STAGE_CONNECT,
    PP_STAGE_GREETING,
    PP_STAGE_EHLO,
    PP_STAGE_STARTTLS,
    PP_STAGE_HANDSHAKE,
    PP_STAGE_AUTH,
    PP_STAGE_MAIL,
    PP_STAGE_RCPT,
    PP_STAGE_DATA,
    PP_STAGE_BODY,
    PP_STAGE_DOT,
    PP_STAGE_RSET,
    PP_STAGE_QUIT,
    PP_STAGE_IDLE,
    PP_STAGE_COUNT
};
/* "waiting for the reply to RCPT TO", ... for a log line. Never NULL. */
const char *pp_stage_words(enum pp_stage stage);

#define PP_REPLY_TEXT_CAP 400
struct pp_reply {
    uint16_t code;       /* 200 to 599; 0: no reply (connection lost, timeout, ...) */
    uint8_t enhanced[3]; /* class, subject, detail; detail over 255 is kept as 255; all 0: none was
                            given */
    uint16_t text_len;   /* lines joined by " / ", made safe, without code and enhanced code */
    char text[PP_REPLY_TEXT_CAP];
};

enum pp_scope {
    PP_SCOPE_RECIPIENT, /* this recipient alone */
    PP_SCOPE_MESSAGE,   /* this message: all recipients still open */
    PP_SCOPE_PATH       /* account, server or network: nothing about the mail; a notice */
};
struct pp_decision {
    enum pp_verdict verdict;
    enum pp_scope scope;
};
/*
 * The only place that decides. 2yz is success only where the stage can succeed (DOT: any
 * lawful 2yz); 4yz, no reply and anything unlawful is later; 5yz at RCPT is never for that
 * recipient (552 and 5.5.3 there: later), at DATA and DOT never for the message; at MAIL later
 * with scope PATH, but never for the message when it speaks of size (552, 5.3.4, 5.2.3) or content
 * (5.6.x); at greeting, EHLO, STARTTLS, handshake, AUTH always later, scope PATH. 421 anywhere:
 * later, PATH. 530/535/538-like (5.7.0 authentication required, 5.7.8) after MAIL..: later, PATH.
 */
struct pp_decision pp_verdict_decide(enum pp_stage stage, const struct pp_reply *reply);
/* "550 5.1.1 no such user" into `w`. */
void pp_put_reply(struct pp_writer *w, const struct pp_reply *reply);

#endif
