/*
 * smtp_mail.h - the arguments of MAIL and RCPT
 *
 * Job:      paths and parameters, and the words with which a bad one is refused.
 * Not here: whether an address is well formed (message/address.h), when a command may come
 *           (intake/smtp_server.c).
 * Follows:  RFC 5321 4.1.1.2, 4.1.1.3, 4.1.2; RFC 1870 (SIZE), 4954 5 (AUTH=), 6152 (BODY),
 *           6531 3.5 (SMTPUTF8), 3461 4 (DSN, xtext)
 *
 * On the local socket EHLO offers X-PINPOST: parameters of MAIL for pinpost's own tools.
 *
 *     X-KIND=alert | message    what the content is; message when absent
 *     X-SEVERITY=WORD           info, notice, warning, critical
 *     X-SUBJECT=XTEXT           UTF-8; alerts only
 *     X-NAME=XTEXT              UTF-8, the sender's name
 *     X-DEFAULT-FROM            with FROM:<>: the configuration's sender, not the null sender
 *     X-DEFAULT-TO              the configuration's recipients, beside those of RCPT
 */
#ifndef PP_INTAKE_SMTP_MAIL_H
#define PP_INTAKE_SMTP_MAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/content.h"
#include "base/text.h"

/* What a MAIL command said. Texts are views into its line. */
struct pp_server_mail {
    struct pp_text sender; /* without <>; empty: the null sender, or default_sender */
    bool default_sender, default_recipients;
    bool alert; /* else a ready message */
    enum pp_severity severity;
    struct pp_text subject, sender_name; /* decoded, not checked */
    bool body_8bitmime, smtputf8;
    uint64_t size_bytes;  /* as declared; 0: unknown */
    enum pp_dsn_ret ret;  /* RFC 3461 4.3 */
    struct pp_text envid; /* xtext as sent, up to 100 octets; empty: none */
};

/*
 * Read what follows `MAIL ` or `RCPT `: printable ASCII and bytes above 127, no blanks at the end.
 * xtext is decoded in place, so `line` changes. Returns NULL, or the reply that refuses it (a line
 * without CRLF).
 *
 * local       X-PINPOST is offered
 * size_limit  of a message, in bytes
 * smtputf8    was declared by MAIL
 *
 * Of a recipient all texts are views into the line.
 */
const char *pp_server_mail_parse(char *line, size_t len, bool local, uint64_t size_limit,
                                 struct pp_server_mail *mail);
const char *pp_server_rcpt_parse(char *line, size_t len, bool smtputf8, struct pp_recipient *rcpt);

#endif
