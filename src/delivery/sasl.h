/*
 * sasl.h - what a login says
 *
 * Job:      the base64 text of PLAIN and LOGIN answers.
 * Not here: when they are sent, and whether they may be (smtp_client.h).
 * Follows:  RFC 4616 (PLAIN), draft-murchison-sasl-login (LOGIN), RFC 4954 4
 */
#ifndef PP_DELIVERY_SASL_H
#define PP_DELIVERY_SASL_H

#include "base/err.h"
#include "base/text.h"

/* Longest answer: PLAIN with a user of 255 and a password of 511 octets, in base64. */
#define PP_SASL_ANSWER_CAP 1028

/* PLAIN: NUL user NUL password, no authorization identity. PP_ERR_TOO_BIG: longer than the
 * configuration allows. */
PP_MUST_USE enum pp_err pp_sasl_plain(struct pp_writer *w, const char *user_z,
                                      const char *password_z);
/* LOGIN: user and password, each an answer of its own. PP_ERR_TOO_BIG as above. */
PP_MUST_USE enum pp_err pp_sasl_login(struct pp_writer *w, const char *text_z);

#endif
