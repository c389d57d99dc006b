/*
 * config.h - the configuration as plain structs, and how text becomes them
 *
 * Job:      what any room may read of today's settings, their defaults and ranges, and the parser
 * of one key = value. Not here: reading files (port/posix/config_file.c brings lines through inih).
 *
 * Texts are NUL-terminated in place: a configuration can be copied and swapped whole.
 */
#ifndef PP_CONFIG_H
#define PP_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "base/text.h"
#include "profile.h"

#define PP_NAME_CAP        256 /* host names, addresses */
#define PP_ADDRESS_CAP     321 /* local part 64, @, domain 255, NUL */
#define PP_PATH_CAP        256
#define PP_SECRET_CAP      512
#define PP_LIST_CAP        2048 /* a list of addresses as written, commas between */
#define PP_USER_CAP        128  /* name of a user of the relay server */
#define PP_SECTION_CAP     49   /* "user NAME": what inih keeps of a section's name */
#define PP_SENDERS_CAP     512  /* patterns of addresses, commas between */
#define PP_DESTINATION_CAP 512  /* destinations of a TLS policy, commas between */

#define PP_CONFIG_GIVEN_WORDS 6 /* room for 192 keys */

/* Postfix's names of TLS security levels (TLS_README). */
enum pp_tls_level {
    PP_TLS_NONE,        /* no TLS */
    PP_TLS_MAY,         /* TLS where it is offered and works, else none, if no login is at stake */
    PP_TLS_ENCRYPT,     /* TLS, whoever it is */
    PP_TLS_FINGERPRINT, /* the certificate, its key or an issuer is one of the pins */
    PP_TLS_VERIFY,      /* chain to a CA, and the certificate names the server */
    PP_TLS_SECURE,      /* chain to a CA, and the certificate names the host as configured */
    PP_TLS_DANE,        /* as the TLSA records say (RFC 7672); none of them: as may */
    PP_TLS_DANE_ONLY    /* as the TLSA records say; none of them: no mail */
};
enum pp_tls_mode { PP_TLS_STARTTLS, PP_TLS_IMPLICIT };

/* What of a chain a pin is about. ANY: the server's certificate or its key, as Postfix does. */
enum pp_pin_kind {
    PP_PIN_ANY,
    PP_PIN_CERTIFICATE,
    PP_PIN_KEY,
    PP_PIN_ISSUER_CERTIFICATE,
    PP_PIN_ISSUER_KEY
};
enum pp_digest { PP_DIGEST_SHA256, PP_DIGEST_SHA384, PP_DIGEST_SHA512 };
#define PP_DIGEST_MOST 64
struct pp_pin {
    enum pp_pin_kind kind;
    enum pp_digest digest;
    uint8_t value[PP_DIGEST_MOST]; /* 32, 48 or 64 bytes, zeros behind */
};
/* Pins beside the check of the chain by a CA and of its name. */
enum pp_pin_rule { PP_PIN_ALONE, PP_PIN_AND_CA, PP_PIN_OR_CA };
/* A chain that a CA vouches for and no pin matches, where both are asked for. */
enum pp_new_pin { PP_NEW_PIN_WAIT, PP_NEW_PIN_SEND };

/* TLS sessions for the next connection to a smarthost. */
enum pp_keep_sessions { PP_KEEP_NO, PP_KEEP_MEMORY, PP_KEEP_FLASH };

#define PP_TLS_1_2                  1u /* of pp_tls_policy.protocols; 0: both */
#define PP_TLS_1_3                  2u
#define PP_CIPHER_AES128_GCM        1u /* of pp_tls_policy.ciphers; 0: all */
#define PP_CIPHER_AES256_GCM        2u
#define PP_CIPHER_CHACHA20_POLY1305 4u

struct pp_tls_policy {
    enum pp_tls_level level;
    enum pp_tls_mode mode;
    enum pp_pin_rule pin_rule;
    enum pp_new_pin on_new_pin;
    uint8_t protocols, ciphers;
    char tls_name[PP_NAME_CAP]; /* in place of the host's: verified, and sent as SNI */
    char match[PP_NAME_CAP];    /* names, commas between; empty: the level's own */
    uint32_t pin_count;
    struct pp_pin pins[PP_PINS];
};

/* [tls_policy NAME]: what smarthosts at its destinations are asked for. */
struct pp_tls_policy_config {
    char name[64];
    char destination[PP_DESTINATION_CAP]; /* host, host:port, .suffix, default; commas between */
    struct pp_tls_policy tls;
    uint32_t given[PP_CONFIG_GIVEN_WORDS]; /* as of pp_config */
};

/* How the host of a smarthost becomes servers. */
enum pp_lookup {
    PP_LOOKUP_HOST, /* its addresses */
    PP_LOOKUP_MX,   /* its MX records (RFC 5321 5.1) */
    PP_LOOKUP_SRV   /* _submission._tcp or _submissions._tcp of it (RFC 6186, RFC 8314 5.1) */
};

enum pp_auth { PP_AUTH_AUTO, PP_AUTH_PLAIN, PP_AUTH_LOGIN, PP_AUTH_EXTERNAL, PP_AUTH_OFF };

struct pp_smarthost_config {
    char name[64]; /* of the section, "" for [smarthost] */
    char host[PP_NAME_CAP];
    uint16_t port;                     /* default 587; 465 for implicit TLS, 25 for MX */
    bool port_given;                   /* else SRV records may say another */
    struct pp_tls_policy tls;          /* after pp_config_finish() the one in force */
    uint32_t tls_policy;               /* 1 + index of the [tls_policy] that it is from, 0 none */
    char tls_matched[PP_NAME_CAP + 8]; /* the destination of it that matched */
    enum pp_auth auth;
    bool auth_without_tls; /* has to be asked for by name */
    char user[PP_NAME_CAP];
    char password[PP_SECRET_CAP];
    char password_file[PP_PATH_CAP];
    char client_certificate_file[PP_PATH_CAP], client_key_file[PP_PATH_CAP]; /* PEM; both or none */
    uint8_t family;                                                          /* 0 both, 4, 6 */
    enum pp_lookup lookup;
};

/* A name server. Whose word counts that DNSSEC vouches for an answer (the AD bit): LOCAL, of one on
 * this machine. */
struct pp_dns_server {
    uint8_t family; /* 4 or 6 */
    uint8_t ip[16]; /* IPv4 in ip[0..3] */
    uint16_t port;  /* 0: 53 */
};
enum pp_dns_trusted { PP_DNS_TRUSTED_LOCAL, PP_DNS_TRUSTED_YES, PP_DNS_TRUSTED_NO };
struct pp_dns_config {
    enum pp_dns_trusted trusted;
    uint32_t server_count; /* 0: the machine's own, resolv_conf */
    struct pp_dns_server servers[PP_DNS_SERVERS];
};

/* ---- the relay server ---- */

/* An IP network: the first `prefix` bits of `ip` count. */
struct pp_network {
    uint8_t family; /* 4 or 6 */
    uint8_t prefix; /* 0 to 32 or 128 */
    uint8_t ip[16]; /* IPv4 in ip[0..3]; bits behind the prefix are 0 */
};

enum pp_listener_tls {
    PP_LISTENER_TLS_NONE,    /* not offered */
    PP_LISTENER_TLS_MAY,     /* STARTTLS is offered */
    PP_LISTENER_TLS_REQUIRE, /* nothing but EHLO, NOOP, RSET, QUIT before STARTTLS */
    PP_LISTENER_TLS_IMPLICIT /* from the first byte (RFC 8314) */
};
enum pp_listener_auth {
    PP_LISTENER_AUTH_OFF,      /* not offered */
    PP_LISTENER_AUTH_OPTIONAL, /* who logs in may relay; who does not has to be in `networks` */
    PP_LISTENER_AUTH_REQUIRE   /* 530 before a login, whatever the network */
};
enum pp_line_ends { PP_LINE_ENDS_REJECT, PP_LINE_ENDS_NORMALIZE };

struct pp_listener_config {
    char name[64];    /* of the section [listener NAME] */
    char address[64]; /* to listen on: an IPv4 or IPv6 address; "*": any of both families */
    uint16_t port;    /* default 465 for tls = implicit, 587 for auth = require, else 25 */
    enum pp_listener_tls tls;
    enum pp_listener_auth auth;
    uint32_t network_count;
    struct pp_network networks[PP_LISTENER_NETWORKS]; /* may relay without a login */
    uint32_t client_pin_count;
    struct pp_pin client_pins[PP_PINS]; /* client certificates that may relay */
    enum pp_line_ends line_ends;        /* default reject */
    bool rewrite_sender;                /* mail goes out as [identity] from; default no */
    bool received_client; /* the client's name and address stand in Received:; default yes */
    uint32_t
        early_talker_ms; /* wait so long with the greeting, who talks before it is refused; 0 */
    uint32_t given[PP_CONFIG_GIVEN_WORDS]; /* as of pp_config */
};

/* Salted verifier of a password (RFC 5802 3): made by `pinpost passwd`. */
struct pp_scram_verifier {
    uint32_t iterations; /* 4096 to 1,000,000 */
    uint8_t salt_len;
    uint8_t salt[32];
    uint8_t stored_key[32], server_key[32];
};

struct pp_user_config {
    char name[PP_USER_CAP]; /* of the section [user NAME] */
    struct pp_scram_verifier password;
    char senders[PP_SENDERS_CAP]; /* patterns, commas between: a@b, *@b, *; see intake/access.h */
    /* Quotas; 0: those of [server]. */
    uint32_t messages_an_hour, recipients_an_hour;
    uint64_t bytes_an_hour;
    uint32_t given[PP_CONFIG_GIVEN_WORDS]; /* as of pp_config */
};

/* What is the same for all listeners. */
struct pp_server_config {
    char certificate_file[PP_PATH_CAP], key_file[PP_PATH_CAP]; /* PEM */
    char auth_socket[PP_PATH_CAP]; /* Dovecot's auth-client; empty: the [user] sections */
    uint32_t connections;          /* in all; default the build's most but those of submit.sock */
    uint32_t connections_a_client; /* by address, IPv6 by /64; 0 no limit */
    /* Of one session; 0 no limit. */
    uint32_t commands, errors, messages;
    uint32_t command_ms;   /* from the first byte of a command to its CRLF */
    uint32_t login_ms;     /* until a client that may not relay yet has logged in */
    uint32_t message_ms;   /* from DATA to the final dot */
    uint32_t session_ms;   /* all in all */
    uint32_t handshake_ms; /* TLS */
    /* Failed logins: the wait before the answer doubles with each; after so many the client is
     * locked out (0: never), and for so long failures are remembered. */
    uint32_t failed_login_ms, lockout_failures, lockout_ms;
    /* Quotas of a user, or of a client; 0 no limit. */
    uint32_t messages_an_hour, recipients_an_hour;
    uint64_t bytes_an_hour;
};

/* By stage of the dialogue, milliseconds; defaults of RFC 5321 4.5.3.2. */
struct pp_timeouts {
    uint32_t dns_ms;       /* one look-up in all: 30 s */
    uint32_t connect_ms;   /* 30 s an address */
    uint32_t greeting_ms;  /* 5 min */
    uint32_t ehlo_ms;      /* 5 min */
    uint32_t starttls_ms;  /* 2 min: reply to STARTTLS */
    uint32_t handshake_ms; /* 2 min: the TLS handshake */
    uint32_t auth_ms;      /* 2 min a reply */
    uint32_t mail_ms;      /* 5 min */
    uint32_t rcpt_ms;      /* 5 min */
    uint32_t data_ms;      /* 2 min: reply to DATA */
    uint32_t block_ms;     /* 3 min: a block of data taken by the network */
    uint32_t dot_ms;       /* 10 min: reply to the final dot */
    uint32_t rset_ms;      /* 1 min */
    uint32_t quit_ms;      /* 10 s */
    uint32_t server_ms;    /* 5 min: our own server waits for a client */
};

struct pp_config {
    struct {
        char hostname[PP_NAME_CAP]; /* EHLO name, Message-ID; default the machine's */
        char domain[PP_NAME_CAP];   /* completes bare local parts; empty: they are refused */
        char from[PP_ADDRESS_CAP]; /* envelope and From: of alerts, and where a submitter names none
                                    */
        char from_name[128];
        char to[PP_LIST_CAP]; /* default recipients */
    } identity;
    uint32_t smarthost_count;
    struct pp_smarthost_config smarthosts[PP_SMARTHOSTS];
    uint32_t tls_policy_count;
    struct pp_tls_policy_config tls_policies[PP_TLS_POLICIES];
    char ca_file[PP_PATH_CAP];
    enum pp_keep_sessions keep_sessions;
    struct {
        char path[PP_PATH_CAP];
        uint64_t size_bytes;          /* of a new store */
        uint64_t message_limit_bytes; /* default 25 MiB at most a quarter of the store */
        uint32_t recipient_limit;     /* default PP_RECIPIENTS_MAX */
        uint8_t reserve_percent;      /* default 10 */
        uint64_t expire_ms;           /* 5 days; 0: never */
        uint64_t retry_first_ms;      /* 1 min */
        uint64_t retry_longest_ms;    /* 1 h */
    } queue;
    struct {
        uint32_t connections; /* to a smarthost at once; default 2 */
        uint32_t messages;    /* over one connection; default 100; 0 no limit */
        uint32_t idle_ms;     /* a connection is kept for the next message; default 2 s */
    } delivery;
    struct pp_dns_config dns;
    struct pp_timeouts timeouts;
    struct pp_server_config server;
    uint32_t listener_count;
    struct pp_listener_config listeners[PP_LISTENERS];
    uint32_t user_count;
    struct pp_user_config users[PP_USERS];
    struct {
        enum pp_log_level level;
        enum { PP_LOG_STDERR, PP_LOG_SYSLOG } target;
    } log;
    struct {
        char user[64];
        char group[64];              /* of the relay: may use control.sock; default the user's */
        char directory[PP_PATH_CAP]; /* run-time directory: sockets; default /run/pinpost */
        char submit_socket[PP_PATH_CAP];  /* default DIRECTORY/submit.sock */
        char control_socket[PP_PATH_CAP]; /* default DIRECTORY/control.sock */
        char drop_directory[PP_PATH_CAP]; /* default /var/spool/pinpost/drop */
        char resolv_conf[PP_PATH_CAP];    /* name servers; default /etc/resolv.conf */
        char hosts_file[PP_PATH_CAP];     /* default /etc/hosts */
    } daemon;
    uint32_t given[PP_CONFIG_GIVEN_WORDS]; /* a bit a key of the table: which were set by a line */
};

/* Where and what is wrong, in words for the person who wrote it. */
struct pp_config_error {
    uint32_t line;  /* set by the caller who knows */
    char text[640]; /* "[section] key: bad value "x": allowed are ..."; never a secret */
};

/* All defaults. What has none is empty. */
void pp_config_defaults(struct pp_config *config);
/*
 * A line `[section]`: a smarthost begins. PP_ERR_NOT_FOUND (unknown section), PP_ERR_TOO_BIG
 * (name), PP_ERR_DRY (more than one smarthost). pp_config_set() does the same for the section that
 * it is given.
 */
PP_MUST_USE enum pp_err pp_config_section(struct pp_config *config, struct pp_text section,
                                          struct pp_config_error *error);
/*
 * One `key = value` of `section` ("smarthost" or "smarthost NAME" begins or continues one).
 * Returns PP_ERR_NOT_FOUND (unknown section or key), PP_ERR_SYNTAX, PP_ERR_RANGE, PP_ERR_TOO_BIG,
 * PP_ERR_DRY (too many smarthosts or pins), PP_ERR_STATE (key given twice); error->text names the
 * value and what is allowed.
 */
PP_MUST_USE enum pp_err pp_config_set(struct pp_config *config, struct pp_text section,
                                      struct pp_text key, struct pp_text value,
                                      struct pp_config_error *error);
/* Everything that only shows when all keys are known (level fingerprint without a pin, user
 * without password, login over a level none without being asked for, ...). Fills derived defaults
 * too. */
PP_MUST_USE enum pp_err pp_config_finish(struct pp_config *config, struct pp_config_error *error);
void pp_config_wipe(struct pp_config *config); /* secrets and all */
/*
 * A pin from text: `AA:BB:...` (Postfix; certificate or key), `sha256:`, `sha384:`, `sha512:` and
 * hex or base64 (either), `cert:`, `key:`, `issuer-cert:` or `issuer-key:` before any of these to
 * say of what. Upper and lower case, with colons or without; digits alone say by their number which
 * digest it is; what `openssl x509 -fingerprint -sha256` prints is read too. PP_ERR_SYNTAX;
 * PP_ERR_UNSUPPORTED: a fingerprint by MD5 or SHA-1.
 */
PP_MUST_USE enum pp_err pp_pin_parse(struct pp_text text, struct pp_pin *pin);
size_t pp_digest_bytes(enum pp_digest digest);
const char *pp_digest_name(enum pp_digest digest); /* "sha256" */
const char *pp_tls_level_name(enum pp_tls_level level);
/* True when the policy asks for a chain to a CA, so that there have to be CAs. */
bool pp_tls_policy_wants_cas(const struct pp_tls_policy *policy);
/* True when a name of the server's certificate counts for the policy. */
bool pp_tls_policy_wants_names(const struct pp_tls_policy *policy);
/* One `address/prefix`, or an address alone: IPv4 or IPv6; IPv4 mapped into IPv6 becomes IPv4.
 * PP_ERR_SYNTAX, PP_ERR_RANGE (prefix, or bits behind it that are not 0). */
PP_MUST_USE enum pp_err pp_network_parse(struct pp_text text, struct pp_network *network);
void pp_network_put(struct pp_writer *w, const struct pp_network *network);
/* `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1`, `[2001:db8::1]:53`. PP_ERR_SYNTAX, PP_ERR_RANGE
 * (port). */
PP_MUST_USE enum pp_err pp_dns_server_parse(struct pp_text text, struct pp_dns_server *server);
/* `SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY`, the last three in base64. PP_ERR_SYNTAX,
 * PP_ERR_RANGE (iterations, length of the salt). */
PP_MUST_USE enum pp_err pp_scram_verifier_parse(struct pp_text text,
                                                struct pp_scram_verifier *verifier);
void pp_scram_verifier_put(struct pp_writer *w, const struct pp_scram_verifier *verifier);

#endif
