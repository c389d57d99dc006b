/*
 * smtp_ehlo.h - what a server announces in reply to EHLO
 *
 * Job:      one keyword line into the capabilities.
 * Not here: which of them are used (smtp_client.h).
 * Follows:  RFC 5321 4.1.1.1, RFC 1870 (SIZE), 4954 (AUTH), and `AUTH=` of servers before RFC 2554
 */
#ifndef PP_DELIVERY_SMTP_EHLO_H
#define PP_DELIVERY_SMTP_EHLO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

/* What the server announced after the last EHLO that counts. */
struct pp_smtp_capabilities {
    bool esmtp, starttls, pipelining, eight_bit_mime, size, smtputf8, enhanced_codes, dsn, chunking;
    bool auth, auth_plain, auth_login, auth_external, auth_scram_sha256, auth_oauthbearer,
        auth_xoauth2;
    uint64_t size_limit; /* 0: none stated */
};

/* A line of the reply behind the first, without its code. Unknown keywords are passed over. */
void pp_ehlo_keyword(struct pp_smtp_capabilities *capabilities, struct pp_text line);

#endif
