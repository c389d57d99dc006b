/*
 * path.h - the way to the smarthost: name, address, stream, TLS, login
 *
 * Job:      resolve, connect to one address after the other, run the SMTP client over the
 *           link, notice each step, and say at the end what failed.
 * Not here: messages (delivery/session), when to come again (delivery/route).
 */
#ifndef PP_DELIVERY_PATH_H
#define PP_DELIVERY_PATH_H

#include <stdbool.h>

#include "base/log.h"
#include "config.h"
#include "delivery/reach.h"
#include "delivery/smtp_client.h"
#include "wire/link.h"
#include "wire/tls_slot.h"

/* Steps in the order in which they are reached; a step that is not wanted (no TLS, no login) is
 * left out. */
enum pp_path_step {
    PP_PATH_RESOLVED, /* once for each server of the domain that is tried */
    PP_PATH_CONNECTED,
    PP_PATH_GREETED,
    PP_PATH_SECURED, /* handshake done and the policy met */
    PP_PATH_CLEAR,   /* in place of it: the policy is content without TLS, see clear_why */
    PP_PATH_READY    /* logged in where a login is wanted */
};

enum pp_path_state {
    PP_PATH_IDLE,
    PP_PATH_RESOLVING,
    PP_PATH_CONNECTING,
    PP_PATH_TALKING,
    PP_PATH_CLOSED
};

struct pp_path_setup {
    const struct pp_port *port;
    struct pp_resolver *resolver;
    const struct pp_smarthost_config *smarthost; /* copied */
    const struct pp_timeouts *timeouts;          /* copied */
    const char *hostname_z;                      /* copied */
    bool inspect; /* any certificate will do, and after TLS nothing is said but QUIT */
    struct pp_tls_chain *chain;       /* with inspect: gets what was shown; may be NULL */
    struct pp_tls_kept_session *kept; /* of this smarthost; NULL: no session is resumed */
    void (*on_step)(void *ctx, enum pp_path_step step);
    void (*on_verdict)(void *ctx, uint16_t recipient, enum pp_verdict verdict, enum pp_scope scope,
                       enum pp_stage stage, const struct pp_reply *reply);
    void *ctx;
};

struct pp_path {
    const struct pp_port *port;
    struct pp_smarthost_config smarthost;
    struct pp_timeouts timeouts;
    char hostname[PP_NAME_CAP];
    bool inspect;
    struct pp_tls_chain *chain;
    struct pp_tls_kept_session *kept;
    void (*on_step)(void *ctx, enum pp_path_step step);
    void *ctx;
    enum pp_path_state state;
    bool greeted, secured, ready;
    bool plaintext; /* TLS failed, and the policy is content without it: none on this connection */
    enum pp_tls_result clear_result; /* ... for a report */
    char clear_why[200];             /* why there is no TLS where the policy would have had it */
    pp_time_ms started_ms;
    pp_time_ms last_write_ms;
    struct pp_reach reach;
    struct pp_smtp_params params;
    struct pp_smtp_client client;
    struct pp_link link;
    struct pp_tls tls;
    struct pp_tls_memory tls_memory;
    enum pp_stage failure_stage; /* when CLOSED and failed */
    struct pp_reply failure;
    bool failed;
};

void pp_path_start(struct pp_path *path, const struct pp_path_setup *setup, pp_time_ms now_ms);
/*
 * Do what can be done now, a bounded amount; true when there is more to do at once. Afterwards look
 * at pp_smtp_client_event(&path->client) while state is TALKING. When CLOSED every recipient under
 * way has its verdict, and `failed`, `failure_stage` and `failure` tell why.
 */
bool pp_path_pump(struct pp_path *path, pp_time_ms now_ms);
pp_time_ms pp_path_deadline_ms(const struct pp_path *path);
/* Drop it: recipients under way get LATER. */
void pp_path_abort(struct pp_path *path, const char *why_z, pp_time_ms now_ms);
/* Whom the connection means, and what is asked of him; points into the path. */
struct pp_tls_target pp_path_target(const struct pp_path *path);
/* Of the server that is talked to, with its port. */
const struct pp_address *pp_path_address(const struct pp_path *path);

#endif
