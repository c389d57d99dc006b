/*
 * watch.h - what the smarthost's certificate gives cause to tell
 *
 * Job:      a certificate that a CA vouches for and no pin matches is remembered and told with the
 *           line that would accept it; one that is pinned and soon expires is told once a day; each
 *           is told once in a mail, too.
 * Not here: the decision (wire/tls_trust.c), handing in the mail and accepting (relay_watch.c).
 * Follows:  RFC 8314 5.4: a pin is accepted by an explicit act, never by itself
 */
#ifndef PP_DELIVERY_WATCH_H
#define PP_DELIVERY_WATCH_H

#include <stdbool.h>

#include "base/log.h"
#include "config.h"
#include "wire/tls.h"

#define PP_WATCH_EXPIRY_DAYS 14

enum pp_watch_kind { PP_WATCH_NEW_PIN, PP_WATCH_EXPIRY, PP_WATCH_KINDS };

struct pp_watch_mail {
    bool due;  /* the owner hands it in and makes this false */
    bool told; /* ... about the key below */
    uint8_t key[32];
    char subject[160], text[900];
};

struct pp_watch {
    bool staged;
    uint8_t staged_key[32]; /* SHA-256 of the SPKI; meant by `pinpost pin --accept` */
    char staged_host[PP_NAME_CAP];
    int64_t expiry_said_s; /* when it was last in the log */
    struct pp_watch_mail mails[PP_WATCH_KINDS];
};

/* After each handshake with a certificate, good or not. `wall_s` or PP_WALL_UNKNOWN. */
void pp_watch_look(struct pp_watch *watch, const struct pp_smarthost_config *host,
                   const struct pp_tls_facts *facts, const struct pp_log *log, int64_t wall_s);

#endif
