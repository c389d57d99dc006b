/*
 * config.c - from one line of pinpost.conf to a struct that any room may read
 *
 * Job:      defaults, sections, finding the key, and for what is wrong the words that help to mend
 * it. Not here: the keys (config_keys.c), values (config_values.c), keys against each other
 * (config_finish.c).
 */
#include "config.h"

#include <string.h>

#include "base/bytes.h"
#include "config_keys.h"

#define SHOWN_MAX 60 /* bytes of a bad value in a message */
#define WORD_MAX  40 /* longest unknown word that a suggestion is looked for */

/* A writer into an error's text, of which one byte is kept for the NUL. */
static struct pp_writer begin_words(struct pp_config_error *error)
{
    memset(error->text, 0, sizeof error->text);
    struct pp_writer w;
    pp_writer_init(&w, error->text, sizeof error->text - 1);
    return w;
}

/* Of the keys of section `section_z` (NULL: of all sections without a name) at `base`. */
static void store_defaults(void *base, const char *section_z)
{
    for (uint32_t i = 0; i < pp_config_key_count(); i++) {
        const struct pp_config_key *key = pp_config_key(i);
        bool wanted = section_z ? strcmp(key->section_z, section_z) == 0
                                : !pp_config_has_name(pp_text_z(key->section_z));
        if (!key->default_z || !wanted)
            continue;
        /* A default outside of its own range would be our mistake: the unit test sets each. */
        if (pp_config_store(key, base, pp_text_z(key->default_z)) != PP_OK)
            continue;
    }
}

void pp_config_defaults(struct pp_config *config)
{
    memset(config, 0, sizeof *config);
    store_defaults(config, NULL);
    config->queue.recipient_limit = PP_RECIPIENTS_MAX;
    config->server.connections = PP_INTAKE_SESSIONS > 16 ? PP_INTAKE_SESSIONS - 8 : 1;
    config->delivery.connections = PP_DELIVERY_SESSIONS < 2 ? PP_DELIVERY_SESSIONS : 2;
}

void pp_config_wipe(struct pp_config *config)
{
    pp_wipe(config, sizeof *config);
}

/* Steps of one letter from `a` to `b` (Levenshtein); at most WORD_MAX letters each. */
static size_t distance(struct pp_text a, struct pp_text b)
{
    size_t row[WORD_MAX + 1];
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            bool same = pp_ascii_lower(a.p[i - 1]) == pp_ascii_lower(b.p[j - 1]);
            size_t best = corner + (same ? 0 : 1);
            corner = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b.len];
}

/* Smaller is nearer; a word is only near when less than half of it has to change. */
static size_t nearness(struct pp_text written, const char *known_z)
{
    struct pp_text known = pp_text_z(known_z);
    if (written.len == 0 || written.len > WORD_MAX || known.len > WORD_MAX)
        return SIZE_MAX;
    size_t steps = distance(written, known);
    return steps * 2 < (written.len < known.len ? known.len : written.len) ? steps : SIZE_MAX;
}

static void unknown_section(struct pp_text section, struct pp_config_error *error)
{
    struct pp_writer w = begin_words(error);
    pp_put_z(&w, "[");
    pp_put_safe(&w, section, SHOWN_MAX);
    pp_put_z(&w, "]: unknown section");
    const char *best_z = NULL;
    size_t best = SIZE_MAX;
    for (uint32_t i = 0; i < pp_config_key_count(); i++) {
        size_t near = nearness(section, pp_config_key(i)->section_z);
        if (near < best) {
            best = near;
            best_z = pp_config_key(i)->section_z;
        }
    }
    if (best_z) {
        pp_put_z(&w, "; did you mean [");
        pp_put_z(&w, best_z);
        pp_put_z(&w, "]?");
        return;
    }
    pp_put_z(&w, ": there are ");
    const char *last_z = "";
    for (uint32_t i = 0; i < pp_config_key_count(); i++) {
        const char *name_z = pp_config_key(i)->section_z;
        if (strcmp(name_z, last_z) != 0) {
            pp_put_z(&w, i == 0 ? "[" : ", [");
            pp_put_z(&w, name_z);
            pp_put_z(&w, "]");
        }
        last_z = name_z;
    }
}

static void unknown_key(struct pp_text section, struct pp_text name, struct pp_config_error *error)
{
    struct pp_writer w = begin_words(error);
    pp_put_z(&w, "[");
    pp_put_text(&w, section);
    pp_put_z(&w, "] ");
    pp_put_safe(&w, name, SHOWN_MAX);
    pp_put_z(&w, ": unknown key");
    const struct pp_config_key *best_key = NULL;
    size_t best = SIZE_MAX;
    for (uint32_t i = 0; i < pp_config_key_count(); i++) {
        const struct pp_config_key *key = pp_config_key(i);
        bool here = pp_text_equal(section, pp_text_z(key->section_z));
        size_t near = nearness(name, key->name_z);
        /* A key of another section is meant only when it is written without a mistake. */
        if (near < best && (here || near == 0)) {
            best = near;
            best_key = key;
        }
    }
    if (best_key) {
        pp_put_z(&w, "; did you mean [");
        pp_put_z(&w, best_key->section_z);
        pp_put_z(&w, "] ");
        pp_put_z(&w, best_key->name_z);
        pp_put_z(&w, "?");
    }
}

static const char *why_unsupported(const struct pp_config_key *key)
{
    if (key->type == PP_CONFIG_PROTOCOLS)
        return "versions before TLS 1.2 are broken and not in this build (RFC 8996); ";
    if (key->type == PP_CONFIG_CLIENT_PIN)
        return "a fingerprint, but not by SHA-256; ";
    return "a fingerprint, but not by SHA-256, SHA-384 or SHA-512: MD5 and SHA-1 can be forged; ";
}

static void bad_value(const struct pp_config_key *key, struct pp_text value, enum pp_err err,
                      struct pp_config_error *error)
{
    struct pp_writer w = begin_words(error);
    pp_put_z(&w, "[");
    pp_put_z(&w, key->section_z);
    pp_put_z(&w, "] ");
    pp_put_z(&w, key->name_z);
    pp_put_z(&w, ": ");
    if (err == PP_ERR_STATE) {
        pp_put_z(&w, "given twice; leave one");
        return;
    }
    if (value.len == 0) {
        pp_put_z(&w, "the value is empty: allowed are ");
    } else if (key->type == PP_CONFIG_SECRET || key->type == PP_CONFIG_VERIFIER) {
        pp_put_z(&w, "bad value (not shown): allowed are ");
    } else {
        pp_put_z(&w, "bad value \"");
        pp_put_safe(&w, value, SHOWN_MAX);
        pp_put_z(&w, value.len > SHOWN_MAX ? "...\": " : "\": ");
        pp_put_z(&w, err == PP_ERR_UNSUPPORTED ? why_unsupported(key) : "");
        pp_put_z(&w, err == PP_ERR_DRY ? "too many; " : "");
        pp_put_z(&w, err == PP_ERR_TOO_BIG ? "too long; " : "");
        pp_put_z(&w, "allowed are ");
    }
    pp_config_put_allowed(&w, key);
}

bool pp_config_has_name(struct pp_text section)
{
    return pp_text_equal(section, pp_text_z("smarthost")) ||
           pp_text_equal(section, pp_text_z("listener")) ||
           pp_text_equal(section, pp_text_z("tls_policy")) ||
           pp_text_equal(section, pp_text_z("user"));
}

/* "smarthost NAME" into its two words; other sections have no name. */
static struct pp_text section_word(struct pp_text section, struct pp_text *name)
{
    *name = pp_text_n(NULL, 0);
    struct pp_text rest = section;
    struct pp_text word = pp_text_cut(&rest, ' ');
    if (!pp_config_has_name(word))
        return section;
    *name = pp_text_trim(rest);
    return word;
}

static enum pp_err refuse_section(struct pp_text section, const char *words_z, enum pp_err err,
                                  struct pp_config_error *error)
{
    struct pp_writer w = begin_words(error);
    pp_put_z(&w, "[");
    pp_put_safe(&w, section, SHOWN_MAX);
    pp_put_z(&w, "]: ");
    pp_put_z(&w, words_z);
    return err;
}

static enum pp_err begin_smarthost(struct pp_config *config, struct pp_text section,
                                   struct pp_text name, struct pp_config_error *error)
{
    struct pp_smarthost_config *host = &config->smarthosts[0];
    if (name.len >= sizeof host->name)
        return refuse_section(section, "the name is too long: up to 63 bytes are allowed",
                              PP_ERR_TOO_BIG, error);
    if (pp_text_has_line_break(name) || !pp_text_is_utf8(name))
        return refuse_section(section, "the name is not text in UTF-8", PP_ERR_SYNTAX, error);
    if (config->smarthost_count > 0 && !pp_text_equal(name, pp_text_z(host->name)))
        return refuse_section(section, "a second smarthost; this version has only one", PP_ERR_DRY,
                              error);
    if (config->smarthost_count == 0) {
        memset(host, 0, sizeof *host);
        store_defaults(host, "smarthost");
        memcpy(host->name, name.len > 0 ? name.p : "", name.len);
        config->smarthost_count = 1;
    }
    return PP_OK;
}

static enum pp_err check_name(struct pp_text section, struct pp_text name, size_t cap,
                              struct pp_config_error *error)
{
    if (name.len == 0)
        return refuse_section(section,
                              "needs a name: [listener lan], [user printer], [tls_policy lan]",
                              PP_ERR_SYNTAX, error);
    if (name.len >= cap)
        return refuse_section(section, "the name is too long", PP_ERR_TOO_BIG, error);
    if (pp_text_has_line_break(name) || !pp_text_is_utf8(name))
        return refuse_section(section, "the name is not text in UTF-8", PP_ERR_SYNTAX, error);
    return PP_OK;
}

static struct pp_listener_config *find_listener(struct pp_config *config, struct pp_text name)
{
    for (uint32_t i = 0; i < config->listener_count; i++) {
        if (pp_text_equal(pp_text_z(config->listeners[i].name), name))
            return &config->listeners[i];
    }
    return NULL;
}

static enum pp_err begin_listener(struct pp_config *config, struct pp_text section,
                                  struct pp_text name, struct pp_config_error *error)
{
    enum pp_err err = check_name(section, name, sizeof config->listeners[0].name, error);
    if (err != PP_OK || find_listener(config, name) != NULL)
        return err;
    if (config->listener_count == PP_LISTENERS)
        return refuse_section(section, "too many listeners for this build", PP_ERR_DRY, error);
    struct pp_listener_config *listener = &config->listeners[config->listener_count++];
    memset(listener, 0, sizeof *listener);
    memcpy(listener->name, name.p, name.len);
    store_defaults(listener, "listener");
    return PP_OK;
}

static struct pp_user_config *find_user(struct pp_config *config, struct pp_text name)
{
    for (uint32_t i = 0; i < config->user_count; i++) {
        if (pp_text_equal(pp_text_z(config->users[i].name), name))
            return &config->users[i];
    }
    return NULL;
}

static enum pp_err begin_user(struct pp_config *config, struct pp_text section, struct pp_text name,
                              struct pp_config_error *error)
{
    enum pp_err err = check_name(section, name, sizeof config->users[0].name, error);
    if (err != PP_OK || find_user(config, name) != NULL)
        return err;
    if (config->user_count == PP_USERS)
        return refuse_section(section, "too many users for this build", PP_ERR_DRY, error);
    struct pp_user_config *user = &config->users[config->user_count++];
    memset(user, 0, sizeof *user);
    memcpy(user->name, name.p, name.len);
    store_defaults(user, "user");
    return PP_OK;
}

static struct pp_tls_policy_config *find_policy(struct pp_config *config, struct pp_text name)
{
    for (uint32_t i = 0; i < config->tls_policy_count; i++) {
        if (pp_text_equal(pp_text_z(config->tls_policies[i].name), name))
            return &config->tls_policies[i];
    }
    return NULL;
}

static enum pp_err begin_policy(struct pp_config *config, struct pp_text section,
                                struct pp_text name, struct pp_config_error *error)
{
    enum pp_err err = check_name(section, name, sizeof config->tls_policies[0].name, error);
    if (err != PP_OK || find_policy(config, name) != NULL)
        return err;
    if (config->tls_policy_count == PP_TLS_POLICIES)
        return refuse_section(section, "too many TLS policies for this build", PP_ERR_DRY, error);
    struct pp_tls_policy_config *policy = &config->tls_policies[config->tls_policy_count++];
    memset(policy, 0, sizeof *policy);
    memcpy(policy->name, name.p, name.len);
    store_defaults(policy, "tls_policy");
    return PP_OK;
}

enum pp_err pp_config_section(struct pp_config *config, struct pp_text section,
                              struct pp_config_error *error)
{
    struct pp_text name;
    struct pp_text word = section_word(pp_text_trim(section), &name);
    if (pp_text_equal(word, pp_text_z("smarthost")))
        return begin_smarthost(config, section, name, error);
    if (pp_text_equal(word, pp_text_z("listener")))
        return begin_listener(config, section, name, error);
    if (pp_text_equal(word, pp_text_z("user")))
        return begin_user(config, section, name, error);
    if (pp_text_equal(word, pp_text_z("tls_policy")))
        return begin_policy(config, section, name, error);
    for (uint32_t i = 0; i < pp_config_key_count(); i++) {
        if (pp_text_equal(word, pp_text_z(pp_config_key(i)->section_z)))
            return PP_OK;
    }
    unknown_section(word, error);
    return PP_ERR_NOT_FOUND;
}

/* The struct that a section's keys are in, and the bits of what was given in it. It is there:
 * pp_config_section() made it. */
static void *find_base(struct pp_config *config, struct pp_text word, struct pp_text instance,
                       uint32_t **given)
{
    struct pp_listener_config *listener = find_listener(config, instance);
    struct pp_user_config *user = find_user(config, instance);
    struct pp_tls_policy_config *policy = find_policy(config, instance);
    *given = config->given;
    if (pp_text_equal(word, pp_text_z("tls_policy")) && policy != NULL) {
        *given = policy->given;
        return policy;
    }
    if (pp_text_equal(word, pp_text_z("listener")) && listener != NULL) {
        *given = listener->given;
        return listener;
    }
    if (pp_text_equal(word, pp_text_z("user")) && user != NULL) {
        *given = user->given;
        return user;
    }
    return pp_text_equal(word, pp_text_z("smarthost")) ? (void *)&config->smarthosts[0]
                                                       : (void *)config;
}

enum pp_err pp_config_set(struct pp_config *config, struct pp_text section, struct pp_text name,
                          struct pp_text value, struct pp_config_error *error)
{
    enum pp_err err = pp_config_section(config, section, error);
    if (err != PP_OK)
        return err;
    struct pp_text instance;
    struct pp_text word = section_word(pp_text_trim(section), &instance);
    uint32_t index = pp_config_key_find(word, name);
    if (index == PP_CONFIG_NO_KEY) {
        unknown_key(word, name, error);
        return PP_ERR_NOT_FOUND;
    }
    const struct pp_config_key *key = pp_config_key(index);
    uint32_t bit = UINT32_C(1) << index % 32;
    uint32_t *given;
    void *base = find_base(config, word, instance, &given);
    bool again = key->type == PP_CONFIG_PIN || key->type == PP_CONFIG_CLIENT_PIN ||
                 key->type == PP_CONFIG_NETWORKS || key->type == PP_CONFIG_SERVERS;
    if ((given[index / 32] & bit) != 0 && !again)
        err = PP_ERR_STATE;
    else if (value.len == 0)
        err = PP_ERR_SYNTAX;
    else
        err = pp_config_store(key, base, value);
    if (err != PP_OK)
        bad_value(key, value, err, error);
    else
        given[index / 32] |= bit;
    return err;
}
