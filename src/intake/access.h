/*
 * access.h - who may come in, and how much
 *
 * Job:      trusted networks; how many connections a client has; failed logins, waits and lockouts;
 *           which addresses a user may send as; quotas by the hour.
 * Not here: the dialogue (intake/smtp_server.h), passwords (intake/sasl_server.h).
 * Follows:  RFC 4954 (codes are the caller's), RFC 6177 (a /64 is one client)
 *
 * A client is an IPv4 address, an IPv6 /64, or the local socket (family 0: all users of it are one,
 * never locked out and without a limit of connections). An IPv4 address mapped into IPv6 is the
 * IPv4 one. The table is bounded: the client without connections that was away longest gives way,
 * one that is locked out last of all.
 */
#ifndef PP_INTAKE_ACCESS_H
#define PP_INTAKE_ACCESS_H

#include "base/table.h"
#include "base/time.h"
#include "config.h"
#include "port.h"

#define PP_ACCESS_NONE UINT32_MAX

/* What was taken in within an hour: the one under way, and the one before. */
struct pp_access_quota {
    pp_time_ms hour_ms; /* when the one under way began */
    uint32_t messages, recipients, former_messages, former_recipients;
    uint64_t bytes, former_bytes;
};

struct pp_access_client {
    uint8_t key[PP_TABLE_KEY_BYTES]; /* the address, see access.c; zeros: a free slot */
    uint32_t connections;
    uint32_t failures; /* logins that failed since the last good one */
    pp_time_ms seen_ms;
    pp_time_ms failed_ms; /* the last of them */
    struct pp_access_quota quota;
};

/* So few are found by looking at each: a table would be larger than what it finds. */
#define PP_ACCESS_TABLE (PP_ACCESS_CLIENTS > 64)
#define PP_ACCESS_BUCKETS                                                                          \
    (PP_ACCESS_CLIENTS <= 256 ? 64u : PP_ACCESS_CLIENTS <= 4096 ? 1024u : 16384u)

struct pp_access {
    const struct pp_config *config;
    struct pp_table by_key; /* PP_ACCESS_TABLE: clients by key */
    uint8_t by_key_memory[PP_ACCESS_TABLE ? PP_TABLE_BYTES(PP_ACCESS_CLIENTS, PP_ACCESS_BUCKETS)
                                          : 1] __attribute__((aligned(16)));
    uint32_t connections; /* in all, but those of the local socket */
    struct pp_access_client clients[PP_ACCESS_CLIENTS];
    struct pp_access_quota users[PP_USERS];
};

/* PP_ERR_ENTROPY: pp_crypto_seed() comes first. */
PP_MUST_USE enum pp_err pp_access_init(struct pp_access *a, const struct pp_config *config);
/* The configuration was reread: users may be others. */
void pp_access_configure(struct pp_access *a, const struct pp_config *config);

/* Is this address in one of the listener's networks? */
bool pp_access_is_trusted(const struct pp_listener_config *listener,
                          const struct pp_address *address);
/*
 * A connection comes. PP_OK: *client is its number until pp_access_leave(). PP_ERR_DRY: it has too
 * many, or there are too many in all; PP_ERR_DENIED: locked out.
 */
PP_MUST_USE enum pp_err pp_access_enter(struct pp_access *a, const struct pp_address *address,
                                        pp_time_ms now_ms, uint32_t *client);
void pp_access_leave(struct pp_access *a, uint32_t client, pp_time_ms now_ms);

/* A login failed: returns how long to wait with the answer, milliseconds; twice as long each time,
 * up to 30 s. */
uint32_t pp_access_login_failed(struct pp_access *a, uint32_t client, pp_time_ms now_ms);
void pp_access_login_worked(struct pp_access *a, uint32_t client);
bool pp_access_is_locked(const struct pp_access *a, uint32_t client, pp_time_ms now_ms);

/* Index of the user of this name in the configuration, octet by octet; PP_ACCESS_NONE. */
uint32_t pp_access_find_user(const struct pp_config *config, struct pp_text name);
/*
 * May who logged in as `name` send with this reverse-path (without <>; "" is the null sender:
 * always)? The patterns of its [user] section: `a@b`, `*@b`, `*`; without any, and for a name that
 * only a backend knows, its name where that is an address, and [identity] from.
 */
bool pp_access_may_send_as(const struct pp_config *config, struct pp_text name,
                           struct pp_text sender);

/*
 * Quotas of a user, or with user PP_ACCESS_NONE of a client; a sliding hour, the former one counts
 * by the part of it that is left. PP_ERR_LIMIT: this much more does not fit.
 */
PP_MUST_USE enum pp_err pp_access_quota(struct pp_access *a, uint32_t user, uint32_t client,
                                        uint32_t messages, uint32_t recipients, uint64_t bytes,
                                        pp_time_ms now_ms);
void pp_access_count(struct pp_access *a, uint32_t user, uint32_t client, uint32_t messages,
                     uint32_t recipients, uint64_t bytes, pp_time_ms now_ms);

#endif
