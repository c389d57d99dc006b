/*
 * config_keys.h - the one table of all keys of pinpost.conf
 *
 * Job:      what each key is called, where its value goes, what is allowed, its default and its
 * help: parser, error messages and docs/pinpost.conf.md are made from it. Not here: keys against
 * each other (config_finish.c).
 */
#ifndef PP_CONFIG_KEYS_H
#define PP_CONFIG_KEYS_H

#include "config.h"

enum pp_config_type {
    PP_CONFIG_TEXT,         /* UTF-8, one line */
    PP_CONFIG_SECRET,       /* any bytes but NUL, CR, LF; never shown */
    PP_CONFIG_NAME,         /* of a user or group */
    PP_CONFIG_HOST,         /* a host name or IP address */
    PP_CONFIG_DOMAIN,       /* a host name */
    PP_CONFIG_ADDRESS,      /* a mail address, or a bare local part */
    PP_CONFIG_LIST,         /* mail addresses, commas between */
    PP_CONFIG_PATH,         /* absolute */
    PP_CONFIG_PATTERNS,     /* mail addresses, *@domain or *, commas between */
    PP_CONFIG_VERIFIER,     /* pp_scram_verifier_parse(); never shown */
    PP_CONFIG_NETWORKS,     /* networks, commas between; may be given several times */
    PP_CONFIG_SERVERS,      /* name servers, commas between; may be given several times */
    PP_CONFIG_PIN,          /* fingerprints, commas between; may be given several times */
    PP_CONFIG_CLIENT_PIN,   /* those of clients: SHA-256, certificate or key */
    PP_CONFIG_MATCH,        /* pp_config_check_match() */
    PP_CONFIG_PROTOCOLS,    /* a mask: pp_config_protocols() */
    PP_CONFIG_CIPHERS,      /* a mask: pp_config_ciphers() */
    PP_CONFIG_DESTINATIONS, /* pp_config_check_destinations() */
    PP_CONFIG_NUMBER,
    PP_CONFIG_PERCENT,
    PP_CONFIG_SIZE,     /* bytes */
    PP_CONFIG_DURATION, /* milliseconds */
    PP_CONFIG_WORD      /* one of `words` */
};

struct pp_config_word {
    const char *name_z; /* NULL ends the list */
    uint32_t value;
};

struct pp_config_key {
    const char *section_z;
    const char *name_z;
    enum pp_config_type type;
    uint32_t offset;   /* of the field in pp_config; in the struct of a section that has names */
    uint32_t size;     /* of the field */
    uint64_t min, max; /* numbers, sizes, durations */
    const struct pp_config_word *words;
    const char *default_z; /* a value as it would be written; NULL: empty, or as `derived_z` says */
    const char *derived_z; /* words for a default that depends on something */
    const char *help_z;
};

#define PP_CONFIG_NO_KEY UINT32_MAX

uint32_t pp_config_key_count(void);
const struct pp_config_key *pp_config_key(uint32_t index);
/* Index of a key, or PP_CONFIG_NO_KEY. `section` without a smarthost's name. */
uint32_t pp_config_key_find(struct pp_text section, struct pp_text name);
/* Sections of which there may be several, told apart by name: smarthost, listener, user,
 * tls_policy. */
bool pp_config_has_name(struct pp_text section);
/* What may be written: "a duration from 100ms to 1d", "one of starttls, implicit". */
void pp_config_put_allowed(struct pp_writer *w, const struct pp_config_key *key);
void pp_config_put_default(struct pp_writer *w, const struct pp_config_key *key);

/* config_tls.c: */
/* `hostname, nexthop, dot-nexthop, NAME, .NAME`. PP_ERR_SYNTAX. */
PP_MUST_USE enum pp_err pp_config_check_match(struct pp_text list);
/* `TLSv1.2, TLSv1.3`, with >=, <= or ! before one, as Postfix. PP_ERR_SYNTAX, PP_ERR_UNSUPPORTED
 * (an older one), PP_ERR_RANGE (none is left). */
PP_MUST_USE enum pp_err pp_config_protocols(struct pp_text list, uint8_t *mask);
/* `aes128-gcm, aes256-gcm, chacha20-poly1305`, or the names of TLS 1.3. PP_ERR_SYNTAX. */
PP_MUST_USE enum pp_err pp_config_ciphers(struct pp_text list, uint8_t *mask);
/* `host, host:port, .suffix, default`. PP_ERR_SYNTAX. */
PP_MUST_USE enum pp_err pp_config_check_destinations(struct pp_text list);
/* The table itself, the policy of `host` from it, its keys against each other. PP_ERR_STATE. */
PP_MUST_USE enum pp_err pp_config_finish_tls(struct pp_config *config,
                                             struct pp_smarthost_config *host,
                                             struct pp_config_error *error);

/* config_values.c: */
bool pp_config_is_domain(struct pp_text text); /* a host name */
/*
 * Check `value` and store it in the field of `key` at `base` (the pp_config or
 * pp_smarthost_config). PP_ERR_SYNTAX, PP_ERR_RANGE, PP_ERR_TOO_BIG, PP_ERR_DRY (pins),
 * PP_ERR_UNSUPPORTED (a pin by MD5 or SHA-1, an old protocol); nothing is stored then.
 */
PP_MUST_USE enum pp_err pp_config_store(const struct pp_config_key *key, void *base,
                                        struct pp_text value);
/* "250ms", "5m", "2h", bare numbers are seconds. PP_ERR_SYNTAX, PP_ERR_RANGE. */
PP_MUST_USE enum pp_err pp_config_duration(struct pp_text text, uint64_t *value_ms);
/* "64K", "25M", "1G", bare numbers are bytes. PP_ERR_SYNTAX, PP_ERR_RANGE. */
PP_MUST_USE enum pp_err pp_config_size(struct pp_text text, uint64_t *value_bytes);
void pp_config_put_duration(struct pp_writer *w, uint64_t value_ms);
void pp_config_put_size(struct pp_writer *w, uint64_t value_bytes);

#endif
