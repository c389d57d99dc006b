/*
 * pinpost.h - the public API: all that a firmware image includes, beside port.h
 *
 *     struct pp_relay *relay;
 *     if (pp_relay_start(&port, &config, &relay) != PP_OK) ...
 *     pp_submit_alert(relay, &alert, &ticket);
 *     for (;;) {
 *         uint64_t next_ms = pp_relay_turn(relay);
 *         port.wait(port.ctx, next_ms);
 *     }
 *
 * One relay a process (mbedTLS's allocator is one); its memory is static, sized by
 * config/profile_*.h. All calls from one thread. Interrupt handlers only set flags.
 */
#ifndef PP_PINPOST_H
#define PP_PINPOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/content.h"
#include "base/err.h"
#include "base/text.h"
#include "base/time.h"
#include "base/tls_result.h"
#include "config.h"
#include "delivery/probe_report.h"
#include "intake/submission.h"
#include "port.h"
#include "queue/ticket.h"

#define PP_PINPOST_VERSION "0.1.0"

struct pp_relay;

/* ---- life ---- */
/*
 * Mount the queue, seed the random generator, start. `port` and `config` are used (the
 * configuration is copied) until stop. Returns PP_ERR_ENTROPY, PP_ERR_FLASH, PP_ERR_VERSION
 * (foreign or newer store, left untouched), PP_ERR_RANGE.
 */
PP_MUST_USE enum pp_err pp_relay_start(const struct pp_port *port, const struct pp_config *config,
                                       struct pp_relay **relay);
/*
 * One turn: pump every link that has something to do, one flash sync for all that finished,
 * release what waited for it. Bounded work. Returns the instant (monotonic ms) of the next turn;
 * now or earlier: at once; UINT64_MAX: when something happens.
 */
uint64_t pp_relay_turn(struct pp_relay *relay);
/* A reread configuration takes effect from the next turn on; connections under way go on with what
 * they began. */
void pp_relay_configure(struct pp_relay *relay, const struct pp_config *config);
/* No new work; what is under way is finished or given up by `deadline_ms`; true when all is quiet
 * and synced. */
bool pp_relay_drain(struct pp_relay *relay, uint64_t deadline_ms);
/* Close everything. What is not durable by now was never acknowledged. */
void pp_relay_stop(struct pp_relay *relay);

/* ---- handing in ---- */
struct pp_alert {
    struct pp_text subject; /* UTF-8, one line, up to 900 bytes */
    struct pp_text text;    /* UTF-8, any length up to the message limit; LF or CRLF */
    enum pp_severity severity;
    struct pp_text recipients; /* "a@example.org, b" or empty: the configuration's default ones */
};
/*
 * Take one alert. All texts are copied.
 * Returns PP_ERR_FULL, PP_ERR_DRY, PP_ERR_TOO_BIG, PP_ERR_EMPTY (no recipient anywhere; neither
 * subject nor text), PP_ERR_INJECTION (CR, LF or NUL in subject or address), PP_ERR_SYNTAX
 * (address), PP_ERR_NOT_FOUND (bare local part and no domain), PP_ERR_FLASH.
 */
PP_MUST_USE enum pp_err pp_submit_alert(struct pp_relay *relay, const struct pp_alert *alert,
                                        struct pp_ticket *ticket);

/* A message in pieces (intake/submission.h): open, recipients, content, seal. Up to
 * PP_QUEUE_WRITERS at once. */
PP_MUST_USE enum pp_err pp_submit_open(struct pp_relay *relay,
                                       const struct pp_submission *submission,
                                       struct pp_submit **submit);
PP_MUST_USE enum pp_err pp_submit_recipient(struct pp_submit *submit, struct pp_text address);
/* The configuration's default recipients. PP_ERR_EMPTY when there are none. */
PP_MUST_USE enum pp_err pp_submit_default_recipients(struct pp_submit *submit);
/* Content with LF, CR or CRLF line ends, in pieces of any size. */
PP_MUST_USE enum pp_err pp_submit_write(struct pp_submit *submit, const void *bytes, size_t len);
PP_MUST_USE enum pp_err pp_submit_seal(struct pp_submit *submit, struct pp_ticket *ticket);
void pp_submit_abort(struct pp_submit *submit);
/* PENDING until a turn's sync made it DURABLE or FAILED. */
enum pp_ticket_state pp_ticket_state(struct pp_relay *relay, const struct pp_ticket *ticket);

/* ---- looking at the queue ---- */
enum pp_message_state {
    PP_MESSAGE_WAITING,
    PP_MESSAGE_SENDING,
    PP_MESSAGE_HELD,
    PP_MESSAGE_FAILED
};
struct pp_message_info {
    uint32_t id;
    enum pp_message_state state;
    enum pp_kind kind;
    enum pp_severity severity;
    uint32_t size_bytes;
    int64_t accepted_s; /* PP_WALL_UNKNOWN: no clock then */
    uint32_t recipient_count, open_count, failed_count;
    uint32_t attempts;
    uint64_t next_in_ms; /* until the next attempt; UINT64_MAX: none planned */
};
/* *cursor starts at 0; PP_ERR_NOT_FOUND at the end. */
PP_MUST_USE enum pp_err pp_messages_next(struct pp_relay *relay, uint32_t *cursor,
                                         struct pp_message_info *info);
PP_MUST_USE enum pp_err pp_message_find(struct pp_relay *relay, uint32_t id,
                                        struct pp_message_info *info);
/* True when a message handed in with this token (struct pp_submission) is in the queue. Time: reads
 * the envelope of every message in it. */
bool pp_message_is_queued(struct pp_relay *relay, struct pp_text token);
/* Envelope sender and subject (alerts) of a message, copied into the writers. */
PP_MUST_USE enum pp_err pp_message_envelope(struct pp_relay *relay, uint32_t id,
                                            struct pp_writer *sender, struct pp_writer *subject,
                                            struct pp_writer *origin);
/* One recipient: address, outcome, last words of the server. PP_ERR_NOT_FOUND behind the last. */
PP_MUST_USE enum pp_err pp_message_recipient(struct pp_relay *relay, uint32_t id, uint32_t index,
                                             struct pp_writer *address, enum pp_outcome *outcome,
                                             struct pp_writer *reply);
/* Content as stored, from `offset`: up to `cap` bytes; *len 0 at the end. For `queue show`. */
PP_MUST_USE enum pp_err pp_message_content(struct pp_relay *relay, uint32_t id, uint32_t offset,
                                           void *out, size_t cap, size_t *len);
/* PP_ERR_NOT_FOUND; PP_ERR_BUSY: being sent just now. */
PP_MUST_USE enum pp_err pp_message_hold(struct pp_relay *relay, uint32_t id);
/* Of a held message, and "send again" of a failed one. */
PP_MUST_USE enum pp_err pp_message_release(struct pp_relay *relay, uint32_t id);
PP_MUST_USE enum pp_err pp_message_remove(struct pp_relay *relay, uint32_t id);
/* Everything that waits is due now, and so is the smarthost. id 0: all. */
PP_MUST_USE enum pp_err pp_message_flush(struct pp_relay *relay, uint32_t id);

struct pp_relay_status {
    uint32_t messages, waiting, held, failed, sending;
    uint32_t messages_cap;
    uint64_t store_bytes, store_free_bytes;
    uint32_t boot_count;
    uint32_t messages_damaged, records_damaged, blocks_bad;
    uint64_t delivered_recipients, failed_recipients; /* since start */
    uint64_t accepted_messages;
    bool store_failed; /* the medium failed: nothing is taken in until a restart */
    char smarthost[PP_NAME_CAP];
    bool route_up;              /* the last connection got as far as the login */
    struct pp_tls_counts tls;   /* of this smarthost since the start, by RFC 8460 4.3 */
    uint64_t route_retry_in_ms; /* until the next try of the smarthost, 0 now */
    char last_error[400];       /* of the route, "" when it is up */
    uint64_t uptime_ms;
    uint32_t pool_writers_high, pool_deliveries_high, pool_intake_high, messages_high;
};
void pp_relay_status(struct pp_relay *relay, struct pp_relay_status *status);

/*
 * Accept the certificate that a CA vouched for and no pin matched (pin_rule = and-ca), as it was
 * seen last: its key counts beside the configured pins from now on, after a restart too. The pin
 * goes to `w`. An explicit act of the owner (RFC 8314 5.4). PP_ERR_NOT_FOUND: there is none.
 * PP_ERR_DRY: no room beside the configured pins. PP_ERR_FLASH.
 */
PP_MUST_USE enum pp_err pp_pin_accept(struct pp_relay *relay, struct pp_writer *w);

/* ---- one walk to the smarthost, for `pinpost test` and `pinpost pin` ---- */
/*
 * DNS, TCP, greeting, TLS, pin, login, MAIL with the configured sender, QUIT; no mail is sent
 * (delivery/probe.h has the report). `inspect`: stop after TLS with the certificate's facts,
 * whatever the policy (never logs in). `on_step` is called as each step is done or fails. Drive it
 * with pp_probe_turn() until it returns false. Needs no relay and no store; seeds the random
 * generator. PP_ERR_ENTROPY.
 */
PP_MUST_USE enum pp_err
pp_probe_start(const struct pp_port *port, const struct pp_config *config, uint32_t smarthost,
               bool inspect, void (*on_step)(void *ctx, const struct pp_probe_report *report),
               void *ctx);
/* True while it goes on; *next_ms as of pp_relay_turn(). */
bool pp_probe_turn(uint64_t *next_ms);

/* Seed the random generator and begin with TLS, for a command that has no relay. PP_ERR_ENTROPY. */
PP_MUST_USE enum pp_err pp_trust_init(const struct pp_port *port);
/* What stands behind `password =` of a [user] section, with a salt of its own. After
 * pp_trust_init(). `iterations` 4096 to 1,000,000: PP_ERR_RANGE. PP_ERR_ENTROPY. */
PP_MUST_USE enum pp_err pp_password_verifier(struct pp_text password, uint32_t iterations,
                                             struct pp_writer *w);
/* Certificate and key of the relay server, PEM (wire/tls.h: pp_tls_identity_set). To be given
 * after pp_relay_start(), before the first connection, and again when they change. */
PP_MUST_USE enum pp_err pp_identity_set(const char *cert, size_t cert_len, const char *key,
                                        size_t key_len, char *words, size_t cap);

/* The same for what is shown to the smarthost, with client_certificate_file; to be given after
 * pp_relay_start() or pp_trust_init() too. `cert_len` 0: none any more. */
PP_MUST_USE enum pp_err pp_client_identity_set(const char *cert, size_t cert_len, const char *key,
                                               size_t key_len, char *words, size_t cap);

/* CA certificates for relay and probe: PEM text in pieces between begin and end (wire/tls.h has the
 * details). */
void pp_trust_begin(void);
PP_MUST_USE enum pp_err pp_trust_feed(const char *bytes, size_t len);
PP_MUST_USE enum pp_err pp_trust_end(uint32_t *count, uint32_t *skipped);

#endif
