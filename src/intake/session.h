/*
 * session.h - mail that comes in over SMTP: from submit.sock, and from the network
 *
 * Job:      run one smtp_server over one accepted link, put what it takes into the queue through
 *           intake/submit, answer 250 only when the ticket says DURABLE; what its listener's rules
 *           say of TLS, logins and relaying.
 * Not here: the dialogue (intake/smtp_server.h), passwords (intake/sasl_server.h), networks,
 *           lockouts and quotas (intake/access.h), opening listeners (the port's owner).
 * Follows:  RFC 5321, 4954, 8314
 *
 * A client that goes away before the end of its message leaves nothing behind; one that goes away
 * after it, without waiting for the answer, has its message in the queue.
 *
 * Who may relay: the local socket, a client in the listener's networks, one that logged in, one
 * whose certificate is listed. What follows from a reread configuration holds for later
 * connections.
 */
#ifndef PP_INTAKE_SESSION_H
#define PP_INTAKE_SESSION_H

#include <stdbool.h>

#include "base/log.h"
#include "base/pool.h"
#include "config.h"
#include "intake/access.h"
#include "intake/sasl_server.h"
#include "intake/smtp_server.h"
#include "intake/submit.h"
#include "port.h"
#include "queue/queue.h"
#include "wire/link.h"
#include "wire/tls_slot.h"

#define PP_INTAKE_TLS_SLOTS (PP_INTAKE_TLS > 0 ? PP_INTAKE_TLS : 1)

/* Shared by all sessions; the relay owns it. */
struct pp_intake_server {
    struct pp_intake *intake;
    const struct pp_port *port;
    struct pp_access access;
    struct pp_pool tls_pool;
    uint8_t tls_used[PP_INTAKE_TLS_SLOTS];
    struct pp_tls_server_slot tls[PP_INTAKE_TLS_SLOTS];
    /* Send what waits for this domain now. PP_ERR_NOT_FOUND: nothing does. */
    enum pp_err (*on_etrn)(void *ctx, struct pp_text domain);
    void *on_etrn_ctx;
    uint64_t refused_connections; /* since the start: too many, or locked out */
};

/* Of the login under way. */
struct pp_intake_login {
    bool waits;                /* for the backend, or for the time of a refusal */
    int backend;               /* the port's handle, 0 none */
    enum pp_server_login said; /* what is answered at answer_at_ms */
    pp_time_ms answer_at_ms;
    struct pp_sasl_server sasl;
};

struct pp_intake_session {
    bool active;
    bool waits_for_ticket; /* AWAIT_COMMIT: nothing is read meanwhile */
    bool more;             /* it did not come to its end in the last turn */
    struct pp_intake_server *shared;
    struct pp_peer peer;
    uint32_t client; /* of access */
    /* Of its listener, as it was when the connection came. */
    uint32_t listener; /* index in the configuration; PP_PORT_LOCAL_LISTENER */
    bool offers_login, rewrite_sender, received_client;
    bool trusted; /* local, in the networks, or with a listed certificate */
    uint32_t client_pin_count;
    struct pp_pin client_pins[PP_PINS];
    /* The login. */
    bool logged_in;
    uint32_t user;               /* index in the configuration, PP_ACCESS_NONE */
    char user_name[PP_USER_CAP]; /* "" before a login; as logged in */
    struct pp_intake_login login;
    pp_time_ms login_deadline_ms;
    /* The message. */
    struct pp_submit *submit; /* under way, or NULL */
    uint32_t recipients;
    uint64_t content_bytes;
    struct pp_ticket ticket;
    pp_time_ms sealed_at_ms;
    pp_time_ms
        served_ms;   /* when it last got somewhere: a message, a login, the connection itself */
    size_t tls_slot; /* PP_POOL_NONE */
    struct pp_smtp_server server;
    struct pp_link link;
};

/* PP_ERR_ENTROPY: pp_crypto_seed() comes first. */
PP_MUST_USE enum pp_err pp_intake_server_init(struct pp_intake_server *shared,
                                              struct pp_intake *intake, const struct pp_port *port);
/* Take over an accepted stream. Nothing was said yet: pump it. False when it was refused (too many
 * connections, locked out, no room for TLS): it is closed then, and the slot free. */
bool pp_intake_session_start(struct pp_intake_session *s, struct pp_intake_server *shared,
                             int stream, const struct pp_peer *peer, uint32_t listener,
                             pp_time_ms now_ms);
/* A bounded amount of work; true when there is more to do at once. `active` turns false at the end.
 * To be called each turn: a ticket that became durable is noticed here. */
bool pp_intake_session_pump(struct pp_intake_session *s, pp_time_ms now_ms);
/* Would a pump do anything? Cheap: without it each turn would ask every stream. */
bool pp_intake_session_is_due(const struct pp_intake_session *s, pp_time_ms now_ms);
/* Instant at which it wants to be pumped whatever comes in; PP_TIME_NEVER while it waits for a
 * ticket, which is the owner's turn. */
pp_time_ms pp_intake_session_deadline_ms(const struct pp_intake_session *s);
/* How long it has got nowhere, milliseconds; 0 while it waits for us, and for a local one: who
 * waits longest gives its place to a new client when all are taken. */
uint64_t pp_intake_session_idle_ms(const struct pp_intake_session *s, pp_time_ms now_ms);
/* Say 421 with these words where that is possible, and close. */
void pp_intake_session_stop(struct pp_intake_session *s, const char *reply_z);

#endif
