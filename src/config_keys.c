/*
 * config_keys.c - the table of all keys of pinpost.conf
 *
 * Job:      the table itself, finding a key, and words for what it allows.
 * Not here: reading a value (config_values.c), keys against each other (config_finish.c).
 */
#include "config_keys.h"

#define SECOND_MS UINT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)
#define KIB       UINT64_C(1024)
#define MIB       (1024 * KIB)
#define GIB       (1024 * MIB)

#define FIELD(name)                                                                                \
    (uint32_t) offsetof(struct pp_config, name), sizeof(((struct pp_config *)0)->name)
#define HOST(name)                                                                                 \
    (uint32_t) offsetof(struct pp_smarthost_config, name),                                         \
        sizeof(((struct pp_smarthost_config *)0)->name)

#define LISTENER(name)                                                                             \
    (uint32_t) offsetof(struct pp_listener_config, name),                                          \
        sizeof(((struct pp_listener_config *)0)->name)
#define USER(name)                                                                                 \
    (uint32_t) offsetof(struct pp_user_config, name), sizeof(((struct pp_user_config *)0)->name)

#define POLICY(name)                                                                               \
    (uint32_t) offsetof(struct pp_tls_policy_config, name),                                        \
        sizeof(((struct pp_tls_policy_config *)0)->name)

static const struct pp_config_word listener_tls[] = {{"none", PP_LISTENER_TLS_NONE},
                                                     {"may", PP_LISTENER_TLS_MAY},
                                                     {"require", PP_LISTENER_TLS_REQUIRE},
                                                     {"implicit", PP_LISTENER_TLS_IMPLICIT},
                                                     {NULL, 0}};
static const struct pp_config_word listener_auth[] = {{"off", PP_LISTENER_AUTH_OFF},
                                                      {"optional", PP_LISTENER_AUTH_OPTIONAL},
                                                      {"require", PP_LISTENER_AUTH_REQUIRE},
                                                      {NULL, 0}};
static const struct pp_config_word line_ends[] = {
    {"reject", PP_LINE_ENDS_REJECT}, {"normalize", PP_LINE_ENDS_NORMALIZE}, {NULL, 0}};
static const struct pp_config_word tls_modes[] = {
    {"starttls", PP_TLS_STARTTLS}, {"implicit", PP_TLS_IMPLICIT}, {NULL, 0}};
static const struct pp_config_word tls_levels[] = {{"none", PP_TLS_NONE},
                                                   {"may", PP_TLS_MAY},
                                                   {"encrypt", PP_TLS_ENCRYPT},
                                                   {"fingerprint", PP_TLS_FINGERPRINT},
                                                   {"verify", PP_TLS_VERIFY},
                                                   {"secure", PP_TLS_SECURE},
                                                   {"dane", PP_TLS_DANE},
                                                   {"dane-only", PP_TLS_DANE_ONLY},
                                                   {NULL, 0}};
static const struct pp_config_word pin_rules[] = {
    {"alone", PP_PIN_ALONE}, {"and-ca", PP_PIN_AND_CA}, {"or-ca", PP_PIN_OR_CA}, {NULL, 0}};
static const struct pp_config_word new_pins[] = {
    {"wait", PP_NEW_PIN_WAIT}, {"send", PP_NEW_PIN_SEND}, {NULL, 0}};
static const struct pp_config_word keep_sessions[] = {
    {"no", PP_KEEP_NO}, {"memory", PP_KEEP_MEMORY}, {"flash", PP_KEEP_FLASH}, {NULL, 0}};
static const struct pp_config_word auths[] = {
    {"auto", PP_AUTH_AUTO},         {"plain", PP_AUTH_PLAIN}, {"login", PP_AUTH_LOGIN},
    {"external", PP_AUTH_EXTERNAL}, {"off", PP_AUTH_OFF},     {NULL, 0}};
static const struct pp_config_word yes_no[] = {{"yes", 1}, {"no", 0}, {NULL, 0}};
static const struct pp_config_word lookups[] = {
    {"host", PP_LOOKUP_HOST}, {"mx", PP_LOOKUP_MX}, {"srv", PP_LOOKUP_SRV}, {NULL, 0}};
static const struct pp_config_word dns_trusted[] = {{"local", PP_DNS_TRUSTED_LOCAL},
                                                    {"yes", PP_DNS_TRUSTED_YES},
                                                    {"no", PP_DNS_TRUSTED_NO},
                                                    {NULL, 0}};
static const struct pp_config_word families[] = {{"any", 0}, {"ipv4", 4}, {"ipv6", 6}, {NULL, 0}};
static const struct pp_config_word log_levels[] = {{"error", PP_LOG_ERROR},
                                                   {"warn", PP_LOG_WARN},
                                                   {"info", PP_LOG_INFO},
                                                   {"debug", PP_LOG_DEBUG},
                                                   {NULL, 0}};
static const struct pp_config_word log_targets[] = {
    {"stderr", PP_LOG_STDERR}, {"syslog", PP_LOG_SYSLOG}, {NULL, 0}};

/* clang-format off */
static const struct pp_config_key keys[] = {
    {"identity", "hostname", PP_CONFIG_DOMAIN, FIELD(identity.hostname), 0, 0, NULL,
     NULL, "the machine's name", "Name in EHLO and in Message-ID."},
    {"identity", "domain", PP_CONFIG_DOMAIN, FIELD(identity.domain), 0, 0, NULL,
     NULL, NULL, "Completes addresses without a domain (root, pi). Without it such recipients are refused."},
    {"identity", "from", PP_CONFIG_ADDRESS, FIELD(identity.from), 0, 0, NULL,
     NULL, "pinpost@HOSTNAME", "Sender of alerts: envelope and From. Most smarthosts want the account's own address."},
    {"identity", "from_name", PP_CONFIG_TEXT, FIELD(identity.from_name), 0, 0, NULL,
     NULL, NULL, "Name shown with the sender of alerts."},
    {"identity", "to", PP_CONFIG_LIST, FIELD(identity.to), 0, 0, NULL,
     NULL, NULL, "Recipients of alerts that name none."},

    {"smarthost", "host", PP_CONFIG_HOST, HOST(host), 0, 0, NULL,
     NULL, NULL, "The server that mail is handed to. Must be given."},
    {"smarthost", "port", PP_CONFIG_NUMBER, HOST(port), 1, 65535, NULL,
     NULL, "587; 465 with tls = implicit; 25 with lookup = mx", "TCP port."},
    {"smarthost", "tls", PP_CONFIG_WORD, HOST(tls.mode), 0, 0, tls_modes,
     "starttls", NULL, "TLS after STARTTLS (RFC 3207), or from the first byte (RFC 8314)."},
    {"smarthost", "policy", PP_CONFIG_WORD, HOST(tls.level), 0, 0, tls_levels,
     "secure", NULL, "What the server has to prove, by Postfix's names: nothing and no TLS; TLS where it is offered; TLS; a pin; "
     "certificate chain and name (verify, secure); what the TLSA records say."},
    {"smarthost", "pin", PP_CONFIG_PIN, HOST(tls.pins), 0, PP_PINS, NULL,
     NULL, NULL, "Fingerprint (SHA-256, 384 or 512) of the certificate (cert:AA:BB:...), of its key (key:AA:BB:...), or of an issuer in the chain "
     "(issuer-cert:, issuer-key:), below which all signatures, the dates and the name have to be good. Any one of several matches. `pinpost pin HOST` prints them."},
    {"smarthost", "pin_rule", PP_CONFIG_WORD, HOST(tls.pin_rule), 0, 0, pin_rules,
     "alone", NULL, "A pin is all that is asked for; a pin and a chain to a CA with the right name; one of both."},
    {"smarthost", "on_new_pin", PP_CONFIG_WORD, HOST(tls.on_new_pin), 0, 0, new_pins,
     "wait", NULL, "With pin_rule = and-ca, a certificate that a CA vouches for and no pin matches: mail waits until `pinpost pin --accept`, or goes out with a warning."},
    {"smarthost", "match", PP_CONFIG_MATCH, HOST(tls.match), 0, 0, NULL,
     NULL, "hostname with policy = verify; else nexthop, dot-nexthop", "Names of which the certificate must have one: the server's (hostname), host itself (nexthop), "
     "any below it (dot-nexthop), NAME, any below .NAME."},
    {"smarthost", "tls_name", PP_CONFIG_DOMAIN, HOST(tls.tls_name), 0, 0, NULL,
     NULL, "host", "Name that is verified and sent as SNI in place of host."},
    {"smarthost", "protocols", PP_CONFIG_PROTOCOLS, HOST(tls.protocols), 0, 0, NULL,
     NULL, "TLSv1.2, TLSv1.3", "Versions of TLS; >=TLSv1.3 and !TLSv1.2 are understood too."},
    {"smarthost", "ciphers", PP_CONFIG_CIPHERS, HOST(tls.ciphers), 0, 0, NULL,
     NULL, "all", "Ciphers, to narrow the choice."},
    {"smarthost", "auth", PP_CONFIG_WORD, HOST(auth), 0, 0, auths,
     "auto", NULL, "Login mechanism; auto takes the best that the server offers. external: the client certificate is the login."},
    {"smarthost", "auth_without_tls", PP_CONFIG_WORD, HOST(auth_without_tls), 0, 0, yes_no,
     "no", NULL, "With policy = none or may: send the password in the clear. With dane: log in where there are no TLSA records."},
    {"smarthost", "user", PP_CONFIG_TEXT, HOST(user), 0, 0, NULL,
     NULL, NULL, "Account. Without it there is no login."},
    {"smarthost", "password", PP_CONFIG_SECRET, HOST(password), 0, 0, NULL,
     NULL, NULL, "Its password. The configuration file must then be unreadable for others (chmod 600)."},
    {"smarthost", "password_file", PP_CONFIG_PATH, HOST(password_file), 0, 0, NULL,
     NULL, NULL, "A file whose first line is the password; unreadable for others (chmod 600)."},
    {"smarthost", "client_certificate_file", PP_CONFIG_PATH, HOST(client_certificate_file), 0, 0, NULL,
     NULL, NULL, "Our own certificate, with its chain (PEM): shown to a server that asks for one. Read again when the daemon gets SIGHUP, or when it changes."},
    {"smarthost", "client_key_file", PP_CONFIG_PATH, HOST(client_key_file), 0, 0, NULL,
     NULL, NULL, "Its key (PEM, RSA from 2048 bits or P-256 or P-384); unreadable for others (chmod 600)."},
    {"smarthost", "family", PP_CONFIG_WORD, HOST(family), 0, 0, families,
     "any", NULL, "Which addresses of the server are tried."},
    {"smarthost", "lookup", PP_CONFIG_WORD, HOST(lookup), 0, 0, lookups,
     "host", NULL, "What host is: a server; a domain whose MX records name the servers; one whose SRV records do (_submissions._tcp with tls = implicit, else _submission._tcp), "
     "and then the port too, unless it is given."},

    {"dns", "server", PP_CONFIG_SERVERS, FIELD(dns.servers), 0, PP_DNS_SERVERS, NULL,
     NULL, "those of resolv_conf", "Name servers, asked in turn."},
    {"dns", "trusted", PP_CONFIG_WORD, FIELD(dns.trusted), 0, 0, dns_trusted,
     "local", NULL, "Whose word counts that DNSSEC vouches for an answer (the AD bit), which policy = dane needs: of a name server on this machine; of any; of none. "
     "Anybody on the way to a name server could say so: yes is for a network in which nobody can."},

    {"tls", "ca_file", PP_CONFIG_PATH, FIELD(ca_file), 0, 0, NULL,
     "/etc/ssl/certs/ca-certificates.crt", NULL, "CA certificates (PEM) for policy = verify and secure, and for pins beside a CA."},

    {"tls", "keep_sessions", PP_CONFIG_WORD, FIELD(keep_sessions), 0, 0, keep_sessions,
     "memory", NULL, "TLS sessions with the smarthost are resumed: never; until a restart; after a restart too, from the store. "
     "A store on a file or a disk holds them as they are, and who can read it can resume them, for a day; boards with a hardware key seal them."},

    {"tls_policy", "destination", PP_CONFIG_DESTINATIONS, POLICY(destination), 0, 0, NULL,
     NULL, NULL, "Smarthosts that the policy is for: host, host:port, .suffix (all below it), default. The best fit counts, in that order with host:port first. Must be given."},
    {"tls_policy", "tls", PP_CONFIG_WORD, POLICY(tls.mode), 0, 0, tls_modes,
     "starttls", NULL, "TLS after STARTTLS (RFC 3207), or from the first byte (RFC 8314)."},
    {"tls_policy", "policy", PP_CONFIG_WORD, POLICY(tls.level), 0, 0, tls_levels,
     "secure", NULL, "What the server has to prove, by Postfix's names: nothing and no TLS; TLS where it is offered; TLS; a pin; "
     "certificate chain and name (verify, secure); what the TLSA records say."},
    {"tls_policy", "pin", PP_CONFIG_PIN, POLICY(tls.pins), 0, PP_PINS, NULL,
     NULL, NULL, "Fingerprint (SHA-256, 384 or 512) of the certificate (cert:AA:BB:...), of its key (key:AA:BB:...), or of an issuer in the chain "
     "(issuer-cert:, issuer-key:), below which all signatures, the dates and the name have to be good. Any one of several matches. `pinpost pin HOST` prints them."},
    {"tls_policy", "pin_rule", PP_CONFIG_WORD, POLICY(tls.pin_rule), 0, 0, pin_rules,
     "alone", NULL, "A pin is all that is asked for; a pin and a chain to a CA with the right name; one of both."},
    {"tls_policy", "on_new_pin", PP_CONFIG_WORD, POLICY(tls.on_new_pin), 0, 0, new_pins,
     "wait", NULL, "With pin_rule = and-ca, a certificate that a CA vouches for and no pin matches: mail waits until `pinpost pin --accept`, or goes out with a warning."},
    {"tls_policy", "match", PP_CONFIG_MATCH, POLICY(tls.match), 0, 0, NULL,
     NULL, "hostname with policy = verify; else nexthop, dot-nexthop", "Names of which the certificate must have one: the server's (hostname), host itself (nexthop), "
     "any below it (dot-nexthop), NAME, any below .NAME."},
    {"tls_policy", "tls_name", PP_CONFIG_DOMAIN, POLICY(tls.tls_name), 0, 0, NULL,
     NULL, "host", "Name that is verified and sent as SNI in place of host."},
    {"tls_policy", "protocols", PP_CONFIG_PROTOCOLS, POLICY(tls.protocols), 0, 0, NULL,
     NULL, "TLSv1.2, TLSv1.3", "Versions of TLS; >=TLSv1.3 and !TLSv1.2 are understood too."},
    {"tls_policy", "ciphers", PP_CONFIG_CIPHERS, POLICY(tls.ciphers), 0, 0, NULL,
     NULL, "all", "Ciphers, to narrow the choice."},

    {"queue", "path", PP_CONFIG_PATH, FIELD(queue.path), 0, 0, NULL,
     "/var/spool/pinpost/store", NULL, "The store: a file with the layout of raw flash, a block device (an SD card) or a flash chip (/dev/mtd0)."},
    {"queue", "size", PP_CONFIG_SIZE, FIELD(queue.size_bytes), 64 * KIB, 64 * GIB, NULL,
     "64M", NULL, "Size of a new store. One that exists keeps its size."},
    {"queue", "message_limit", PP_CONFIG_SIZE, FIELD(queue.message_limit_bytes), 1 * KIB, 1 * GIB, NULL,
     NULL, "25M, at most a quarter of size", "Largest message that is taken in."},
    {"queue", "recipient_limit", PP_CONFIG_NUMBER, FIELD(queue.recipient_limit), 1, PP_RECIPIENTS_MAX, NULL,
     NULL, "the build's most", "Recipients of one message."},
    {"queue", "reserve", PP_CONFIG_PERCENT, FIELD(queue.reserve_percent), 0, 50, NULL,
     "10%", NULL, "Part of the store kept for alerts of severity critical."},
    {"queue", "expire", PP_CONFIG_DURATION, FIELD(queue.expire_ms), 0, 3650 * DAY_MS, NULL,
     "5d", NULL, "A message undelivered for so long has failed (RFC 5321 4.5.4.1). 0: never."},
    {"queue", "retry_first", PP_CONFIG_DURATION, FIELD(queue.retry_first_ms), 100, DAY_MS, NULL,
     "1m", NULL, "Wait after the first failed attempt; it doubles with each further one."},
    {"queue", "retry_longest", PP_CONFIG_DURATION, FIELD(queue.retry_longest_ms), 100, 7 * DAY_MS, NULL,
     "1h", NULL, "The wait stops growing here."},

    {"delivery", "connections", PP_CONFIG_NUMBER, FIELD(delivery.connections), 1, PP_DELIVERY_SESSIONS, NULL,
     NULL, "2", "Connections to the smarthost at once."},
    {"delivery", "messages", PP_CONFIG_NUMBER, FIELD(delivery.messages), 0, 1000000, NULL,
     "100", NULL, "Messages over one connection. 0: no limit."},
    {"delivery", "idle", PP_CONFIG_DURATION, FIELD(delivery.idle_ms), 0, 5 * MINUTE_MS, NULL,
     "2s", NULL, "An idle connection is kept for so long for the next message."},

    {"listener", "address", PP_CONFIG_TEXT, LISTENER(address), 0, 0, NULL,
     "*", NULL, "Address to listen on, IPv4 or IPv6; `*` is any of both families."},
    {"listener", "port", PP_CONFIG_NUMBER, LISTENER(port), 1, 65535, NULL,
     NULL, "465 with tls = implicit, 587 with auth = require, else 25", "TCP port."},
    {"listener", "tls", PP_CONFIG_WORD, LISTENER(tls), 0, 0, listener_tls,
     "may", NULL, "STARTTLS is not offered, offered, or required before anything else; or TLS from the first byte (RFC 8314)."},
    {"listener", "auth", PP_CONFIG_WORD, LISTENER(auth), 0, 0, listener_auth,
     "off", NULL, "Logins are not offered, offered, or required of everybody. They are only offered in TLS."},
    {"listener", "networks", PP_CONFIG_NETWORKS, LISTENER(networks), 0, PP_LISTENER_NETWORKS, NULL,
     NULL, NULL, "Clients in these may relay without a login."},
    {"listener", "client_pin", PP_CONFIG_CLIENT_PIN, LISTENER(client_pins), 0, PP_PINS, NULL,
     NULL, NULL, "Clients with one of these certificates or keys (SHA-256) may relay without a login."},
    {"listener", "line_ends", PP_CONFIG_WORD, LISTENER(line_ends), 0, 0, line_ends,
     "reject", NULL, "A message with a bare CR or LF is refused, or made clean. CRLF.CRLF alone ends it either way."},
    {"listener", "rewrite_sender", PP_CONFIG_WORD, LISTENER(rewrite_sender), 0, 0, yes_no,
     "no", NULL, "Mail goes out as [identity] from: envelope and From; what stood there goes to Reply-To and X-Original-From."},
    {"listener", "received_client", PP_CONFIG_WORD, LISTENER(received_client), 0, 0, yes_no,
     "yes", NULL, "Name and address of the client stand in the Received field."},
    {"listener", "early_talker", PP_CONFIG_DURATION, LISTENER(early_talker_ms), 0, MINUTE_MS, NULL,
     "0", NULL, "The greeting waits so long, and who talks before it is refused. 0: no wait."},

    {"user", "password", PP_CONFIG_VERIFIER, USER(password), 0, 0, NULL,
     NULL, NULL, "What `pinpost passwd` prints: salted, the password cannot be read from it. Must be given, but with auth_socket."},
    {"user", "senders", PP_CONFIG_PATTERNS, USER(senders), 0, 0, NULL,
     NULL, "[identity] from, and the user's name where it is an address", "Addresses that the user may send as: user@example.org, *@example.org, or * for any."},
    {"user", "messages_an_hour", PP_CONFIG_NUMBER, USER(messages_an_hour), 0, 1000000000, NULL,
     NULL, "as in [server]", "Quota of this user."},
    {"user", "recipients_an_hour", PP_CONFIG_NUMBER, USER(recipients_an_hour), 0, 1000000000, NULL,
     NULL, "as in [server]", "Quota of this user."},
    {"user", "bytes_an_hour", PP_CONFIG_SIZE, USER(bytes_an_hour), 0, 1024 * GIB, NULL,
     NULL, "as in [server]", "Quota of this user."},

    {"server", "certificate", PP_CONFIG_PATH, FIELD(server.certificate_file), 0, 0, NULL,
     NULL, NULL, "The relay server's certificate and the chain behind it (PEM). Read again at SIGHUP and when it changes."},
    {"server", "key", PP_CONFIG_PATH, FIELD(server.key_file), 0, 0, NULL,
     NULL, NULL, "Its private key (PEM), RSA or ECDSA, unreadable for others."},
    {"server", "auth_socket", PP_CONFIG_PATH, FIELD(server.auth_socket), 0, 0, NULL,
     NULL, NULL, "Dovecot's auth-client socket: it decides on logins, not the passwords of [user] sections."},
    {"server", "connections", PP_CONFIG_NUMBER, FIELD(server.connections), 1, PP_INTAKE_SESSIONS, NULL,
     NULL, "the build's most", "Connections of all listeners at once."},
    {"server", "connections_a_client", PP_CONFIG_NUMBER, FIELD(server.connections_a_client), 0, PP_INTAKE_SESSIONS, NULL,
     "20", NULL, "Connections of one address (IPv6: of one /64) at once. 0: no limit."},
    {"server", "commands", PP_CONFIG_NUMBER, FIELD(server.commands), 0, 1000000000, NULL,
     "0", NULL, "Commands in one connection. 0: no limit."},
    {"server", "errors", PP_CONFIG_NUMBER, FIELD(server.errors), 1, 1000000, NULL,
     "20", NULL, "As many bad commands end a connection."},
    {"server", "messages", PP_CONFIG_NUMBER, FIELD(server.messages), 0, 1000000000, NULL,
     "0", NULL, "Messages in one connection. 0: no limit."},
    {"server", "command", PP_CONFIG_DURATION, FIELD(server.command_ms), 1000, DAY_MS, NULL,
     "1m", NULL, "From the first byte of a command to its end."},
    {"server", "login", PP_CONFIG_DURATION, FIELD(server.login_ms), 1000, DAY_MS, NULL,
     "2m", NULL, "A client that may not relay without a login has to log in within it."},
    {"server", "message", PP_CONFIG_DURATION, FIELD(server.message_ms), 1000, DAY_MS, NULL,
     "30m", NULL, "From DATA to the end of the message."},
    {"server", "session", PP_CONFIG_DURATION, FIELD(server.session_ms), 1000, 7 * DAY_MS, NULL,
     "4h", NULL, "A connection in all; a message under way is still taken."},
    {"server", "handshake", PP_CONFIG_DURATION, FIELD(server.handshake_ms), 1000, DAY_MS, NULL,
     "30s", NULL, "The TLS handshake of a client."},
    {"server", "failed_login", PP_CONFIG_DURATION, FIELD(server.failed_login_ms), 0, 30 * SECOND_MS, NULL,
     "1s", NULL, "Wait before a failed login is answered; it doubles with each, up to 30 s."},
    {"server", "lockout_failures", PP_CONFIG_NUMBER, FIELD(server.lockout_failures), 0, 1000000, NULL,
     "10", NULL, "After as many failed logins a client is locked out. 0: never."},
    {"server", "lockout", PP_CONFIG_DURATION, FIELD(server.lockout_ms), 1000, 30 * DAY_MS, NULL,
     "15m", NULL, "For so long; failures are remembered as long."},
    {"server", "messages_an_hour", PP_CONFIG_NUMBER, FIELD(server.messages_an_hour), 0, 1000000000, NULL,
     "0", NULL, "Quota of each user, and of each client without a login. 0: no limit."},
    {"server", "recipients_an_hour", PP_CONFIG_NUMBER, FIELD(server.recipients_an_hour), 0, 1000000000, NULL,
     "0", NULL, "The same for recipients."},
    {"server", "bytes_an_hour", PP_CONFIG_SIZE, FIELD(server.bytes_an_hour), 0, 1024 * GIB, NULL,
     "0", NULL, "The same for bytes of mail."},

    {"timeouts", "dns", PP_CONFIG_DURATION, FIELD(timeouts.dns_ms), 100, DAY_MS, NULL,
     "30s", NULL, "One look-up in all."},
    {"timeouts", "connect", PP_CONFIG_DURATION, FIELD(timeouts.connect_ms), 100, DAY_MS, NULL,
     "30s", NULL, "Connecting to one address."},
    {"timeouts", "greeting", PP_CONFIG_DURATION, FIELD(timeouts.greeting_ms), 100, DAY_MS, NULL,
     "5m", NULL, "The server's 220 (RFC 5321 4.5.3.2, as those below)."},
    {"timeouts", "ehlo", PP_CONFIG_DURATION, FIELD(timeouts.ehlo_ms), 100, DAY_MS, NULL,
     "5m", NULL, "Reply to EHLO."},
    {"timeouts", "starttls", PP_CONFIG_DURATION, FIELD(timeouts.starttls_ms), 100, DAY_MS, NULL,
     "2m", NULL, "Reply to STARTTLS."},
    {"timeouts", "handshake", PP_CONFIG_DURATION, FIELD(timeouts.handshake_ms), 100, DAY_MS, NULL,
     "2m", NULL, "The TLS handshake."},
    {"timeouts", "auth", PP_CONFIG_DURATION, FIELD(timeouts.auth_ms), 100, DAY_MS, NULL,
     "2m", NULL, "Each reply of the login."},
    {"timeouts", "mail", PP_CONFIG_DURATION, FIELD(timeouts.mail_ms), 100, DAY_MS, NULL,
     "5m", NULL, "Reply to MAIL."},
    {"timeouts", "rcpt", PP_CONFIG_DURATION, FIELD(timeouts.rcpt_ms), 100, DAY_MS, NULL,
     "5m", NULL, "Reply to RCPT."},
    {"timeouts", "data", PP_CONFIG_DURATION, FIELD(timeouts.data_ms), 100, DAY_MS, NULL,
     "2m", NULL, "Reply to DATA."},
    {"timeouts", "block", PP_CONFIG_DURATION, FIELD(timeouts.block_ms), 100, DAY_MS, NULL,
     "3m", NULL, "A block of content taken by the network."},
    {"timeouts", "dot", PP_CONFIG_DURATION, FIELD(timeouts.dot_ms), 100, DAY_MS, NULL,
     "10m", NULL, "Reply to the final dot. A short one makes duplicates."},
    {"timeouts", "rset", PP_CONFIG_DURATION, FIELD(timeouts.rset_ms), 100, DAY_MS, NULL,
     "1m", NULL, "Reply to RSET."},
    {"timeouts", "quit", PP_CONFIG_DURATION, FIELD(timeouts.quit_ms), 100, DAY_MS, NULL,
     "10s", NULL, "Reply to QUIT."},
    {"timeouts", "server", PP_CONFIG_DURATION, FIELD(timeouts.server_ms), 100, DAY_MS, NULL,
     "5m", NULL, "Our own server waits so long for a client's next line."},

    {"log", "level", PP_CONFIG_WORD, FIELD(log.level), 0, 0, log_levels,
     "info", NULL, "Least weighty lines that are logged."},
    {"log", "target", PP_CONFIG_WORD, FIELD(log.target), 0, 0, log_targets,
     "stderr", NULL, "Where they go. systemd keeps what goes to stderr."},

    {"daemon", "user", PP_CONFIG_NAME, FIELD(daemon.user), 0, 0, NULL,
     NULL, NULL, "Started as root, the daemon becomes this user."},
    {"daemon", "group", PP_CONFIG_NAME, FIELD(daemon.group), 0, 0, NULL,
     NULL, "the user's", "Its group. Members may use the queue commands."},
    {"daemon", "directory", PP_CONFIG_PATH, FIELD(daemon.directory), 0, 0, NULL,
     "/run/pinpost", NULL, "Run-time directory, made when missing."},
    {"daemon", "submit_socket", PP_CONFIG_PATH, FIELD(daemon.submit_socket), 0, 0, NULL,
     NULL, "submit.sock in directory", "Where local programs hand in mail."},
    {"daemon", "control_socket", PP_CONFIG_PATH, FIELD(daemon.control_socket), 0, 0, NULL,
     NULL, "control.sock in directory", "Where the queue commands reach the daemon."},
    {"daemon", "drop_directory", PP_CONFIG_PATH, FIELD(daemon.drop_directory), 0, 0, NULL,
     "/var/spool/pinpost/drop", NULL, "Where mail waits while the daemon is down."},
    {"daemon", "resolv_conf", PP_CONFIG_PATH, FIELD(daemon.resolv_conf), 0, 0, NULL,
     "/etc/resolv.conf", NULL, "Name servers; ADDRESS:PORT is understood too."},
    {"daemon", "hosts_file", PP_CONFIG_PATH, FIELD(daemon.hosts_file), 0, 0, NULL,
     "/etc/hosts", NULL, "The machine's own table of host names."},
};
/* clang-format on */

#define KEY_COUNT (sizeof keys / sizeof *keys)
_Static_assert(KEY_COUNT <= PP_CONFIG_GIVEN_WORDS * 32, "raise PP_CONFIG_GIVEN_WORDS");

uint32_t pp_config_key_count(void)
{
    return KEY_COUNT;
}

const struct pp_config_key *pp_config_key(uint32_t index)
{
    return &keys[index];
}

uint32_t pp_config_key_find(struct pp_text section, struct pp_text name)
{
    for (uint32_t i = 0; i < KEY_COUNT; i++) {
        if (pp_text_equal(section, pp_text_z(keys[i].section_z)) &&
            pp_text_equal(name, pp_text_z(keys[i].name_z)))
            return i;
    }
    return PP_CONFIG_NO_KEY;
}

static void put_words(struct pp_writer *w, const struct pp_config_word *word)
{
    for (; word->name_z; word++) {
        pp_put_z(w, word->name_z);
        if (word[1].name_z)
            pp_put_z(w, ", ");
    }
}

static void put_range(struct pp_writer *w, const struct pp_config_key *key,
                      void (*put)(struct pp_writer *, uint64_t), const char *unit_z)
{
    put(w, key->min);
    pp_put_z(w, " to ");
    put(w, key->max);
    pp_put_z(w, unit_z);
}

/* Words that `max` or the field's size ends. */
static void put_up_to(struct pp_writer *w, const char *words_z, uint64_t most, const char *unit_z)
{
    pp_put_z(w, words_z);
    pp_put_z(w, ", up to ");
    pp_put_u64(w, most);
    pp_put_z(w, unit_z);
}

static void put_allowed_text(struct pp_writer *w, const struct pp_config_key *key)
{
    static const char *const words[] = {
        [PP_CONFIG_TEXT] = "one line of text in UTF-8",
        [PP_CONFIG_SECRET] = "one line",
        [PP_CONFIG_NAME] = "a name of the system: letters, digits, `_`, `-`, `.`",
        [PP_CONFIG_HOST] = "a host name, an IPv4 or an IPv6 address",
        [PP_CONFIG_DOMAIN] = "a host name: letters, digits, `-`, `_`, `.`",
        [PP_CONFIG_ADDRESS] = "an address like user@example.org",
        [PP_CONFIG_LIST] = "addresses like user@example.org, commas between",
        [PP_CONFIG_PATH] = "a path that begins with /",
        [PP_CONFIG_MATCH] =
            "hostname, nexthop, dot-nexthop, mail.example.org or .example.org, commas between",
        [PP_CONFIG_DESTINATIONS] = "host, host:port, .suffix or default, commas between",
        [PP_CONFIG_PATTERNS] = "user@example.org, *@example.org or *, commas between",
    };
    put_up_to(w, words[key->type], key->size - 1, " bytes");
}

void pp_config_put_allowed(struct pp_writer *w, const struct pp_config_key *key)
{
    switch (key->type) {
    case PP_CONFIG_VERIFIER:
        pp_put_z(w, "what `pinpost passwd` prints: SCRAM-SHA-256$...");
        break;
    case PP_CONFIG_NETWORKS:
        put_up_to(w, "networks as 192.168.0.0/16 or fd00::/8, and addresses, commas between",
                  key->max, "");
        break;
    case PP_CONFIG_SERVERS:
        put_up_to(w,
                  "addresses as 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:53, commas between",
                  key->max, "");
        break;
    case PP_CONFIG_PIN:
        put_up_to(w,
                  "fingerprints (SHA-256, 384, 512) as cert:AA:BB:..., key:, issuer-cert: or "
                  "issuer-key:, commas between",
                  key->max, "");
        break;
    case PP_CONFIG_CLIENT_PIN:
        put_up_to(w, "SHA-256 fingerprints as cert:AA:BB:... or key:AA:BB:..., commas between",
                  key->max, "");
        break;
    case PP_CONFIG_PROTOCOLS:
        pp_put_z(w, "TLSv1.2, TLSv1.3, >=TLSv1.2, >=TLSv1.3, commas between");
        break;
    case PP_CONFIG_CIPHERS:
        pp_put_z(w, "aes128-gcm, aes256-gcm, chacha20-poly1305, commas between");
        break;
    case PP_CONFIG_NUMBER:
        put_range(w, key, pp_put_u64, "");
        break;
    case PP_CONFIG_PERCENT:
        put_range(w, key, pp_put_u64, " percent");
        break;
    case PP_CONFIG_SIZE:
        put_range(w, key, pp_config_put_size, " (K, M, G; a bare number is bytes)");
        break;
    case PP_CONFIG_DURATION:
        put_range(w, key, pp_config_put_duration, " (ms, s, m, h, d; a bare number is seconds)");
        break;
    case PP_CONFIG_WORD:
        put_words(w, key->words);
        break;
    default:
        put_allowed_text(w, key);
        break;
    }
}

void pp_config_put_default(struct pp_writer *w, const struct pp_config_key *key)
{
    if (key->default_z)
        pp_put_z(w, key->default_z);
    else
        pp_put_z(w, key->derived_z ? key->derived_z : "none");
}
