/*
 * smtp_answer.h - what a client is told when its message is not taken
 *
 * Job:      from an error of ours to a reply with its enhanced code.
 * Not here: replies to commands that were wrong in themselves (intake/smtp_server.c).
 * Follows:  RFC 5321 4.2, RFC 3463; 4yz wherever trying again may help
 */
#ifndef PP_INTAKE_SMTP_ANSWER_H
#define PP_INTAKE_SMTP_ANSWER_H

#include "base/err.h"

enum pp_answer_stage { PP_ANSWER_MAIL, PP_ANSWER_RCPT, PP_ANSWER_END };

/* A reply line without CRLF; `err` is not PP_OK. The table is in smtp_server.h. */
const char *pp_server_answer(enum pp_answer_stage stage, enum pp_err err);

#endif
