/*
 * received.h - the Received field of our own relay server
 *
 * Job:      one trace field, folded, from what is known of a session.
 * Not here: when it is written (intake/session_mail.c), counting those of others
 *           (message/content_scan.h).
 * Follows:  RFC 5321 4.4 (Received), 3848 and 6531 4.3 (with), 8314 4.3 (tls), 5322 3.2.2
 * (comments)
 */
#ifndef PP_MESSAGE_RECEIVED_H
#define PP_MESSAGE_RECEIVED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

/* Longest field with its CRLF: names of 255 octets on both sides. */
#define PP_RECEIVED_MAX 900

struct pp_received_facts {
    struct pp_text hello;   /* what the client called itself; empty: no from clause */
    struct pp_text address; /* "192.0.2.1", "2001:db8::1"; may be empty */
    struct pp_text hostname;
    bool esmtp, authenticated, smtputf8;
    struct pp_text tls_version; /* "TLSv1.3"; empty: no TLS */
    struct pp_text tls_cipher;  /* mbedTLS's name of the suite */
    int64_t now_s;              /* PP_WALL_UNKNOWN: a date of 1970 */
};

/* "Received: from ... by ... with ESMTPSA tls ...; date" and CRLF. Whatever the client said:
 * nothing of it ends the line, a comment or a clause. */
void pp_put_received(struct pp_writer *w, const struct pp_received_facts *facts);
/* The IANA name of a suite that mbedTLS calls TLS1-3-AES-128-GCM-SHA256 or
 * TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256. */
void pp_put_tls_suite(struct pp_writer *w, struct pp_text name);

#endif
