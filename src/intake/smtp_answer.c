/*
 * smtp_answer.c - what a client is told when its message is not taken
 *
 * Job:      see smtp_answer.h.
 */
#include "intake/smtp_answer.h"

#include <stddef.h>

#define FULL "452 4.3.1 the queue is full, try again later"
#define BUSY "452 4.3.1 too busy, try again later"
#define OVER "452 4.7.1 over the quota of this hour, try again later"

static const struct answer {
    enum pp_err err;
    const char *by_stage[3];
} answers[] = {
    {PP_ERR_FULL, {FULL, FULL, FULL}},
    {PP_ERR_DRY, {BUSY, BUSY, BUSY}},
    {PP_ERR_TOO_BIG,
     {"552 5.3.4 message, subject or name is larger than the limit",
      "452 4.5.3 too many recipients", "552 5.3.4 the message is larger than the limit"}},
    {PP_ERR_SYNTAX,
     {"501 5.1.7 malformed sender, name or subject", "501 5.1.3 malformed address",
      "554 5.6.0 malformed message"}},
    {PP_ERR_INJECTION,
     {"501 5.1.7 control characters in sender, name or subject",
      "501 5.1.3 control characters or brackets in the address",
      "554 5.6.11 bare CR, bare LF or NUL in the message"}},
    {PP_ERR_NOT_FOUND,
     {"550 5.1.2 an address has no domain, and none is configured",
      "550 5.1.2 the address has no domain, and none is configured",
      "554 5.6.0 malformed message"}},
    {PP_ERR_EMPTY,
     {"550 5.1.1 no default recipients are configured", "501 5.1.3 empty address",
      "554 5.6.0 the message is empty"}},
    {PP_ERR_DENIED,
     {"553 5.7.1 this user may not send as this address", "554 5.7.1 relaying denied",
      "554 5.7.1 not allowed"}},
    {PP_ERR_LIMIT, {OVER, OVER, OVER}},
    {PP_ERR_LOOP,
     {"554 5.4.6 mail loop", "554 5.4.6 mail loop",
      "554 5.4.6 mail loop: more than 30 Received fields"}},
};

const char *pp_server_answer(enum pp_answer_stage stage, enum pp_err err)
{
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        if (answers[i].err == err) {
            return answers[i].by_stage[stage];
        }
    }
    return stage == PP_ANSWER_END ? "451 4.3.0 not stored, try again later"
                                  : "451 4.3.0 failed here, try again later";
}
