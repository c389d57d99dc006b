/*
 * fuzz_login.c - any lines as a login: the machine stays within its bounds, and only who knows the
 * password is let in
 *
 * The first byte says which mechanism, and whether a response comes with it; then lines. A line
 * that begins with '!' is encoded in base64, so that the fuzzer need not; one that begins with '?'
 * is SCRAM's last message made from the password behind it. A second reading of all that was sent
 * tells who may be accepted. The whole is read as a verifier's text, too.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/crypto.h"
#include "intake/sasl_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define USER      "user"
#define PASSWORD  "pencil"
#define LINES_MAX 6
#define NO_FIRST  0x04 /* no response behind the mechanism */

struct world {
    struct pp_sasl_server server;
    enum pp_sasl_mechanism mechanism;
    unsigned lines;
    char sent[LINES_MAX][PP_SASL_RESPONSE_CAP]; /* decoded */
    size_t sent_len[LINES_MAX];
    bool proven; /* the last proof was made from the password */
    char line[4096];
    char challenge[PP_SASL_CHALLENGE_CAP];
    struct pp_writer said;
};

static struct pp_config config;

static void demand(bool truth)
{
    if (!truth) {
        abort();
    }
}

static int entropy(void *ctx, uint8_t *out, size_t len)
{
    (void)ctx;
    memset(out, 0x5a, len);
    return 0;
}

/* One iteration: what is tried here is not how long it takes. */
static void begin_once(void)
{
    static const uint8_t salt[16] = "0123456789abcdef";
    struct pp_user_config *user = &config.users[0];
    uint8_t salted[32], key[32];

    if (config.user_count > 0) {
        return;
    }
    demand(pp_crypto_seed(entropy, NULL) == PP_OK);
    config.user_count = 1;
    strcpy(user->name, USER);
    user->password.iterations = 1;
    user->password.salt_len = sizeof salt;
    memcpy(user->password.salt, salt, sizeof salt);
    demand(pp_pbkdf2_sha256(PASSWORD, strlen(PASSWORD), salt, sizeof salt, 1, salted) == PP_OK &&
           pp_hmac_sha256(salted, 32, "Client Key", 10, key) == PP_OK &&
           pp_sha256(key, 32, user->password.stored_key) == PP_OK &&
           pp_hmac_sha256(salted, 32, "Server Key", 10, user->password.server_key) == PP_OK);
}

/* ---- the client ---- */

/* c=,r=,p= from the server's first message, which the last challenge is. */
static size_t put_proof(const struct world *w, struct pp_text password, char *out, size_t cap)
{
    char first[PP_SASL_CHALLENGE_CAP], message[4096];
    uint8_t salted[32], key[32], stored[32], signature[32], salt[64];
    size_t len = 0, salt_len = 0;
    struct pp_text challenge = pp_writer_text(&w->said);

    if (w->lines == 0 || w->sent_len[0] < 3 || challenge.len == 0 ||
        pp_base64_decode(challenge, first, sizeof first, &len) != PP_OK) {
        return 0;
    }
    struct pp_text server = pp_text_n(first, len), rest = server;
    struct pp_text nonce = pp_text_cut(&rest, ','), salt_text = pp_text_cut(&rest, ',');
    if (nonce.len < 2 || salt_text.len < 2 ||
        pp_base64_decode(pp_text_n(salt_text.p + 2, salt_text.len - 2), salt, sizeof salt,
                         &salt_len) != PP_OK) {
        return 0;
    }
    /* Behind "n,," or "y,,", perhaps with an identity to act as between the commas. */
    struct pp_text bare = pp_text_n(w->sent[0], w->sent_len[0]);
    (void)pp_text_cut(&bare, ',');
    (void)pp_text_cut(&bare, ',');
    struct pp_writer m, o;
    pp_writer_init(&m, message, sizeof message);
    pp_put_text(&m, bare);
    pp_put_z(&m, ",");
    pp_put_text(&m, server);
    pp_put_z(&m, ",");
    size_t final_at = m.len;
    pp_put_z(&m, w->sent[0][0] == 'y' ? "c=eSws," : "c=biws,");
    pp_put_text(&m, nonce);
    demand(!m.overflow);
    demand(pp_pbkdf2_sha256(password.p, password.len, salt, salt_len, 1, salted) == PP_OK &&
           pp_hmac_sha256(salted, 32, "Client Key", 10, key) == PP_OK &&
           pp_sha256(key, 32, stored) == PP_OK &&
           pp_hmac_sha256(stored, 32, message, m.len, signature) == PP_OK);
    for (int i = 0; i < 32; i++) {
        key[i] ^= signature[i];
    }
    pp_writer_init(&o, out, cap);
    pp_put(&o, message + final_at, m.len - final_at);
    pp_put_z(&o, ",p=");
    pp_base64_put(&o, key, sizeof key);
    return o.overflow ? 0 : o.len;
}

/* As it goes over the wire. */
static struct pp_text make_line(struct world *w, struct pp_text line)
{
    char plain[2048];
    size_t len = line.len;
    struct pp_writer o;
    char kind = len > 0 ? line.p[0] : '\0';

    w->proven = false;
    if ((kind != '!' && kind != '?') || len > sizeof plain) {
        return line;
    }
    struct pp_text rest = pp_text_n(line.p + 1, len - 1);
    if (kind == '?') {
        len = put_proof(w, rest, plain, sizeof plain);
        while (rest.len > 0 && rest.p[rest.len - 1] == '\0') {
            rest.len--; /* HMAC fills a key up with zeros: it is the same one */
        }
        w->proven = len > 0 && pp_text_equal(rest, pp_text_z(PASSWORD));
        rest = pp_text_n(plain, len);
    }
    pp_writer_init(&o, w->line, sizeof w->line);
    pp_base64_put(&o, rest.p, rest.len);
    return o.overflow ? line : pp_writer_text(&o);
}

static void keep_sent(struct world *w, struct pp_text line, bool first)
{
    size_t len = 0;
    bool nothing = line.len == 0 || (first && pp_text_equal(line, pp_text_z("=")));

    if (nothing || pp_base64_decode(line, w->sent[w->lines], sizeof w->sent[0], &len) != PP_OK) {
        len = 0;
    }
    w->sent_len[w->lines++] = len;
}

/* ---- who may be let in ---- */

static bool sent(const struct world *w, unsigned line, const char *bytes, size_t len)
{
    return line < w->lines && w->sent_len[line] == len && memcmp(w->sent[line], bytes, len) == 0;
}

static bool may_be_accepted(const struct world *w)
{
    static const char plain[] = "\0" USER "\0" PASSWORD, named[] = USER "\0" USER "\0" PASSWORD;

    switch (w->mechanism) {
    case PP_SASL_PLAIN:
        return sent(w, 0, plain, sizeof plain - 1) || sent(w, 0, named, sizeof named - 1);
    case PP_SASL_LOGIN:
        return sent(w, 0, USER, strlen(USER)) && sent(w, 1, PASSWORD, strlen(PASSWORD));
    case PP_SASL_SCRAM_SHA_256: {
        static const char n[] = "n,,n=" USER ",r=", y[] = "y,,n=" USER ",r=";
        return w->lines == 3 && w->sent_len[2] == 0 && w->sent_len[0] > sizeof n &&
               (memcmp(w->sent[0], n, sizeof n - 1) == 0 ||
                memcmp(w->sent[0], y, sizeof y - 1) == 0);
    }
    case PP_SASL_UNKNOWN:
        break;
    }
    return false;
}

static void check(const struct world *w, enum pp_sasl_step step, bool was_proven)
{
    demand(!w->said.overflow && w->said.len < PP_SASL_CHALLENGE_CAP);
    demand(pp_sasl_server_name(&w->server).len < PP_USER_CAP);
    demand(step == PP_SASL_CHALLENGE || w->said.len == 0);
    if (step == PP_SASL_ACCEPTED) {
        demand(may_be_accepted(w));
        demand(w->mechanism != PP_SASL_SCRAM_SHA_256 || was_proven);
        demand(pp_text_equal(pp_sasl_server_name(&w->server), pp_text_z(USER)));
    }
}

static void log_in(struct world *w, uint8_t kind, struct pp_text rest)
{
    enum pp_sasl_step step = PP_SASL_CHALLENGE;
    bool begun = false, was_proven = false;

    w->mechanism = (enum pp_sasl_mechanism)(kind % 4);
    while (step == PP_SASL_CHALLENGE && w->lines < LINES_MAX) {
        bool with = begun || (kind & NO_FIRST) == 0;
        struct pp_text line = with ? make_line(w, pp_text_cut(&rest, '\n')) : pp_text_n(NULL, 0);
        bool proven = w->proven;
        line.p = with && line.p == NULL ? "" : line.p;
        pp_writer_init(&w->said, w->challenge, sizeof w->challenge);
        if (begun) {
            step = pp_sasl_server_answer(&w->server, line, &w->said);
        } else {
            step = pp_sasl_server_begin(&w->server, &config, w->mechanism, line, &w->said);
        }
        if (with) {
            keep_sent(w, line, !begun);
        }
        begun = true;
        check(w, step, was_proven);
        /* Of the proof that it answered with its own. */
        was_proven = proven && step == PP_SASL_CHALLENGE;
    }
    demand(step != PP_SASL_CHALLENGE); /* no exchange is longer */
    pp_writer_init(&w->said, w->challenge, sizeof w->challenge);
    demand(pp_sasl_server_answer(&w->server, pp_text_z(""), &w->said) == PP_SASL_MALFORMED);
}

/* What is read as a verifier is written as it was, but for its scheme's case and leading zeros. */
static void read_verifier(struct pp_text text)
{
    struct pp_scram_verifier v, again;
    char out[300];
    struct pp_writer w;

    memset(&v, 0, sizeof v);
    memset(&again, 0, sizeof again);
    if (pp_scram_verifier_parse(text, &v) != PP_OK) {
        return;
    }
    pp_writer_init(&w, out, sizeof out);
    pp_scram_verifier_put(&w, &v);
    demand(!w.overflow && v.salt_len <= sizeof v.salt);
    demand(pp_scram_verifier_parse(pp_writer_text(&w), &again) == PP_OK);
    demand(memcmp(&v, &again, sizeof v) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;

    begin_once();
    memset(&w, 0, sizeof w);
    if (size > 0) {
        log_in(&w, data[0], pp_text_n(data + 1, size - 1));
        read_verifier(pp_text_n(data + 1, size - 1));
    }
    return 0;
}
