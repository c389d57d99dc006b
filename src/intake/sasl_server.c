/*
 * sasl_server.c - a client's login: one exchange, a machine without I/O
 *
 * Job:      see sasl_server.h.
 */
#include "intake/sasl_server.h"

#include <string.h>

#include "base/base64.h"
#include "base/bytes.h"
#include "base/crypto.h"
#include "intake/access.h"

#define NONCE_BYTES 18 /* of ours; 24 letters of base64 */
#define SALT_BYTES  16

enum awaits {
    AWAIT_NOTHING,
    AWAIT_PLAIN,
    AWAIT_USER,
    AWAIT_PASSWORD,
    AWAIT_FIRST,
    AWAIT_FINAL,
    AWAIT_END
};

/* A response, decoded; holds a password. */
struct response {
    size_t len;
    char text[PP_SASL_RESPONSE_CAP / 4 * 3 + 3];
};

static bool decode(struct pp_text base64, struct response *r)
{
    r->len = 0;
    return base64.len <= PP_SASL_RESPONSE_CAP &&
           (base64.len == 0 ||
            pp_base64_decode(base64, r->text, sizeof(r->text), &r->len) == PP_OK);
}

static void say(struct pp_writer *challenge, struct pp_text text)
{
    pp_base64_put(challenge, text.p, text.len);
}

/* ---- verifiers ---- */

static bool derive(const uint8_t salted[32], struct pp_scram_verifier *v)
{
    uint8_t client_key[32];
    bool good = pp_hmac_sha256(salted, 32, "Client Key", 10, client_key) == PP_OK &&
                pp_sha256(client_key, sizeof(client_key), v->stored_key) == PP_OK &&
                pp_hmac_sha256(salted, 32, "Server Key", 10, v->server_key) == PP_OK;

    pp_wipe(client_key, sizeof(client_key));
    return good;
}

static bool salt_password(struct pp_scram_verifier *v, struct pp_text password)
{
    uint8_t salted[32];
    bool good = pp_pbkdf2_sha256(password.p, password.len, v->salt, v->salt_len, v->iterations,
                                 salted) == PP_OK &&
                derive(salted, v);

    pp_wipe(salted, sizeof(salted));
    return good;
}

enum pp_err pp_scram_verifier_make(struct pp_scram_verifier *v, struct pp_text password,
                                   uint32_t iterations)
{
    memset(v, 0, sizeof(*v));
    if (iterations < 4096 || iterations > 1000000) {
        return PP_ERR_RANGE;
    }
    v->iterations = iterations;
    v->salt_len = SALT_BYTES;
    enum pp_err err = pp_random(v->salt, SALT_BYTES);
    if (err == PP_OK && !salt_password(v, password)) {
        err = PP_ERR_STATE;
    }
    return err;
}

bool pp_scram_verifier_matches(const struct pp_scram_verifier *verifier, struct pp_text password)
{
    struct pp_scram_verifier v = *verifier;
    bool good = salt_password(&v, password) &&
                pp_equal_in_time(v.stored_key, verifier->stored_key, sizeof(v.stored_key));

    pp_wipe(&v, sizeof(v));
    return good;
}

/* For a name that nobody has: a salt that stays the same for it as a user's does, also when the
 * relay starts again. The secrets behind it are those of the configuration: who knows one password
 * cannot tell names apart by it. Done for every name, so that it takes the same time. */
static void make_up(struct pp_sasl_server *s)
{
    uint8_t digest[32] = {0};
    const struct pp_config *config = s->config;
    bool good = pp_sha256(s->name, s->name_len, digest) == PP_OK;

    for (uint32_t i = 0; i < config->user_count; i++) {
        good = good && pp_hmac_sha256(config->users[i].password.server_key, 32, digest,
                                      sizeof(digest), digest) == PP_OK;
    }
    if (!good) {
        memset(digest, 0, sizeof(digest));
    }
    memset(&s->verifier, 0, sizeof(s->verifier));
    s->verifier.iterations = config->user_count > 0 && config->users[0].password.iterations > 0
                                 ? config->users[0].password.iterations
                                 : 4096;
    s->verifier.salt_len = SALT_BYTES;
    memcpy(s->verifier.salt, digest, SALT_BYTES);
    memcpy(s->verifier.stored_key, digest, sizeof(s->verifier.stored_key));
    pp_wipe(digest, sizeof(digest));
}

static void find_user(struct pp_sasl_server *s, struct pp_text name)
{
    uint32_t user =
        name.len < sizeof(s->name) ? pp_access_find_user(s->config, name) : PP_ACCESS_NONE;

    s->name_len = name.len < sizeof(s->name) ? name.len : sizeof(s->name) - 1;
    memcpy(s->name, name.len > 0 ? name.p : "", s->name_len);
    s->known = user != PP_ACCESS_NONE && s->config->users[user].password.iterations > 0;
    make_up(s);
    if (s->known) {
        s->verifier = s->config->users[user].password;
    }
}

static enum pp_sasl_step check_password(struct pp_sasl_server *s, struct pp_text password)
{
    bool good = pp_scram_verifier_matches(&s->verifier, password);

    s->awaits = AWAIT_NOTHING;
    return good && s->known && password.len > 0 ? PP_SASL_ACCEPTED : PP_SASL_REFUSED;
}

/* ---- PLAIN and LOGIN ---- */

/* [authzid] NUL authcid NUL password (RFC 4616 2). */
static enum pp_sasl_step hear_plain(struct pp_sasl_server *s, const struct response *r)
{
    struct pp_text rest = pp_text_n(r->text, r->len);
    struct pp_text authzid = pp_text_cut(&rest, '\0');
    struct pp_text name = pp_text_cut(&rest, '\0');
    bool whole = authzid.len + 1 + name.len + 1 <= r->len && name.len > 0;

    if (!whole || memchr(rest.len > 0 ? rest.p : "x", '\0', rest.len) != NULL) {
        return PP_SASL_MALFORMED;
    }
    find_user(s, name);
    /* To act for somebody else is nobody's right. */
    s->known = s->known && (authzid.len == 0 || pp_text_equal(authzid, name));
    return check_password(s, rest);
}

static enum pp_sasl_step hear_user(struct pp_sasl_server *s, const struct response *r,
                                   struct pp_writer *challenge)
{
    find_user(s, pp_text_n(r->text, r->len));
    s->awaits = AWAIT_PASSWORD;
    say(challenge, pp_text_z("Password:"));
    return PP_SASL_CHALLENGE;
}

/* To HMAC a password with a NUL behind it is the same as without. */
static enum pp_sasl_step hear_password(struct pp_sasl_server *s, const struct response *r)
{
    return memchr(r->text, '\0', r->len) != NULL ? PP_SASL_MALFORMED
                                                 : check_password(s, pp_text_n(r->text, r->len));
}

/* ---- SCRAM ---- */

/* The value of `a=` at the start of *rest, up to the next comma. */
static bool take_attribute(struct pp_text *rest, char name, struct pp_text *value)
{
    *value = pp_text_cut(rest, ',');
    if (value->len < 2 || value->p[0] != name || value->p[1] != '=') {
        return false;
    }
    *value = pp_text_n(value->p + 2, value->len - 2);
    return true;
}

/* `=2C` and `=3D` in a name (RFC 5802 5.1). */
static bool decode_name(struct pp_text text, char *out, size_t cap, size_t *len)
{
    *len = 0;
    for (size_t i = 0; i < text.len && *len < cap; i++) {
        char c = text.p[i];

        if (c == '=') {
            bool comma = i + 2 < text.len && text.p[i + 1] == '2' && text.p[i + 2] == 'C';
            bool equals = i + 2 < text.len && text.p[i + 1] == '3' && text.p[i + 2] == 'D';
            if (!comma && !equals) {
                return false;
            }
            c = comma ? ',' : '=';
            i += 2;
        }
        out[(*len)++] = c;
    }
    return *len > 0 && *len < cap;
}

static bool is_nonce(struct pp_text text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] < 0x21 || text.p[i] > 0x7E || text.p[i] == ',') {
            return false;
        }
    }
    return text.len >= 8 && text.len <= 64;
}

static bool keep(struct pp_sasl_server *s, struct pp_text text)
{
    if (text.len > sizeof(s->auth) - s->auth_len) {
        return false;
    }
    memcpy(s->auth + s->auth_len, text.p, text.len);
    s->auth_len += text.len;
    return true;
}

/* r=NONCE,s=SALT,i=ITERATIONS */
static enum pp_sasl_step say_first(struct pp_sasl_server *s, struct pp_text client_nonce,
                                   struct pp_writer *challenge)
{
    uint8_t random[NONCE_BYTES];
    char line[256];
    struct pp_writer w, n;

    if (pp_random(random, sizeof(random)) != PP_OK) {
        return PP_SASL_REFUSED;
    }
    pp_writer_init(&n, s->nonce, sizeof(s->nonce));
    pp_put_text(&n, client_nonce);
    pp_base64_put(&n, random, sizeof(random));
    s->nonce_len = n.len;
    pp_writer_init(&w, line, sizeof(line));
    pp_put_z(&w, "r=");
    pp_put_text(&w, pp_writer_text(&n));
    pp_put_z(&w, ",s=");
    pp_base64_put(&w, s->verifier.salt, s->verifier.salt_len);
    pp_put_z(&w, ",i=");
    pp_put_u64(&w, s->verifier.iterations);
    if (n.overflow || w.overflow || !keep(s, pp_text_z(",")) || !keep(s, pp_writer_text(&w))) {
        return PP_SASL_MALFORMED;
    }
    say(challenge, pp_writer_text(&w));
    s->awaits = AWAIT_FINAL;
    return PP_SASL_CHALLENGE;
}

/* n,[a=AUTHZID],n=USER,r=NONCE[,extensions] */
static enum pp_sasl_step hear_first(struct pp_sasl_server *s, const struct response *r,
                                    struct pp_writer *challenge)
{
    struct pp_text rest = pp_text_n(r->text, r->len), nonce, name, authzid;
    char user[PP_USER_CAP];
    size_t len;
    struct pp_text binding = pp_text_cut(&rest, ',');

    authzid = pp_text_cut(&rest, ',');
    struct pp_text bare = rest;
    /* "y": the client could bind a channel and thinks that we cannot, which is so. */
    if ((!pp_text_equal(binding, pp_text_z("n")) && !pp_text_equal(binding, pp_text_z("y"))) ||
        !take_attribute(&rest, 'n', &name) || !take_attribute(&rest, 'r', &nonce) ||
        !decode_name(name, user, sizeof(user), &len) || !is_nonce(nonce)) {
        return PP_SASL_MALFORMED;
    }
    find_user(s, pp_text_n(user, len));
    s->known = s->known && authzid.len == 0;
    /* c= of the last message has to say this again. */
    s->gs2 = binding.p[0];
    return keep(s, bare) ? say_first(s, nonce, challenge) : PP_SASL_MALFORMED;
}

static bool proof_matches(const struct pp_sasl_server *s, const uint8_t proof[32])
{
    uint8_t signature[32], key[32], stored[32];
    bool good =
        pp_hmac_sha256(s->verifier.stored_key, 32, s->auth, s->auth_len, signature) == PP_OK;

    for (size_t i = 0; i < sizeof(key); i++) {
        key[i] = proof[i] ^ signature[i];
    }
    good = good && pp_sha256(key, sizeof(key), stored) == PP_OK &&
           pp_equal_in_time(stored, s->verifier.stored_key, sizeof(stored));
    pp_wipe(key, sizeof(key));
    return good;
}

static enum pp_sasl_step say_final(struct pp_sasl_server *s, struct pp_writer *challenge)
{
    uint8_t signature[32];
    char line[64];
    struct pp_writer w;

    if (pp_hmac_sha256(s->verifier.server_key, 32, s->auth, s->auth_len, signature) != PP_OK) {
        return PP_SASL_REFUSED;
    }
    pp_writer_init(&w, line, sizeof(line));
    pp_put_z(&w, "v=");
    pp_base64_put(&w, signature, sizeof(signature));
    say(challenge, pp_writer_text(&w));
    s->awaits = AWAIT_END;
    return PP_SASL_CHALLENGE;
}

/* c=BINDING,r=NONCE[,extensions],p=PROOF */
static enum pp_sasl_step hear_final(struct pp_sasl_server *s, const struct response *r,
                                    struct pp_writer *challenge)
{
    struct pp_text all = pp_text_n(r->text, r->len), rest = all, binding, nonce;
    uint8_t proof[32];
    size_t len, at = all.len;

    s->awaits = AWAIT_NOTHING;
    while (at > 0 && all.p[at - 1] != ',') {
        at--;
    }
    struct pp_text last = pp_text_n(all.p + at, all.len - at);
    if (at == 0 || last.len < 3 || last.p[0] != 'p' || last.p[1] != '=' ||
        !take_attribute(&rest, 'c', &binding) || !take_attribute(&rest, 'r', &nonce) ||
        pp_base64_decode(pp_text_n(last.p + 2, last.len - 2), proof, sizeof(proof), &len) !=
            PP_OK ||
        len != sizeof(proof)) {
        return PP_SASL_MALFORMED;
    }
    /* "n,," and "y,," in base64. */
    bool bound = pp_text_equal(binding, pp_text_z(s->gs2 == 'n' ? "biws" : "eSws"));
    bool fresh = pp_text_equal(nonce, pp_text_n(s->nonce, s->nonce_len));
    if (!keep(s, pp_text_z(",")) || !keep(s, pp_text_n(all.p, at - 1))) {
        return PP_SASL_MALFORMED;
    }
    bool good = proof_matches(s, proof);
    return good && bound && fresh && s->known ? say_final(s, challenge) : PP_SASL_REFUSED;
}

/* ---- the machine ---- */

enum pp_sasl_mechanism pp_sasl_mechanism(struct pp_text name)
{
    static const char *const names[] = {[PP_SASL_PLAIN] = "PLAIN",
                                        [PP_SASL_LOGIN] = "LOGIN",
                                        [PP_SASL_SCRAM_SHA_256] = "SCRAM-SHA-256"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (pp_text_equal_nocase(name, pp_text_z(names[i]))) {
            return (enum pp_sasl_mechanism)i;
        }
    }
    return PP_SASL_UNKNOWN;
}

static enum pp_sasl_step hear(struct pp_sasl_server *s, const struct response *r,
                              struct pp_writer *challenge)
{
    switch ((enum awaits)s->awaits) {
    case AWAIT_PLAIN:
        return hear_plain(s, r);
    case AWAIT_USER:
        return hear_user(s, r, challenge);
    case AWAIT_PASSWORD:
        return hear_password(s, r);
    case AWAIT_FIRST:
        return hear_first(s, r, challenge);
    case AWAIT_FINAL:
        return hear_final(s, r, challenge);
    case AWAIT_END:
        s->awaits = AWAIT_NOTHING;
        return r->len == 0 ? PP_SASL_ACCEPTED : PP_SASL_MALFORMED;
    case AWAIT_NOTHING:
        break;
    }
    return PP_SASL_MALFORMED;
}

enum pp_sasl_step pp_sasl_server_answer(struct pp_sasl_server *s, struct pp_text line,
                                        struct pp_writer *challenge)
{
    struct response r;
    enum pp_sasl_step step = decode(line, &r) ? hear(s, &r, challenge) : PP_SASL_MALFORMED;

    pp_wipe(&r, sizeof(r));
    if (step != PP_SASL_CHALLENGE) {
        s->awaits = AWAIT_NOTHING;
    }
    return step;
}

enum pp_sasl_step pp_sasl_server_begin(struct pp_sasl_server *s, const struct pp_config *config,
                                       enum pp_sasl_mechanism mechanism, struct pp_text response,
                                       struct pp_writer *challenge)
{
    static const uint8_t first[] = {[PP_SASL_PLAIN] = AWAIT_PLAIN,
                                    [PP_SASL_LOGIN] = AWAIT_USER,
                                    [PP_SASL_SCRAM_SHA_256] = AWAIT_FIRST};

    pp_sasl_server_wipe(s);
    if (mechanism == PP_SASL_UNKNOWN) {
        return PP_SASL_MALFORMED;
    }
    s->config = config;
    s->mechanism = mechanism;
    s->awaits = first[mechanism];
    if (response.p != NULL) {
        /* An empty one; behind a challenge an empty line says that (RFC 4954 4). */
        bool empty = pp_text_equal(response, pp_text_z("="));
        return pp_sasl_server_answer(s, empty ? pp_text_z("") : response, challenge);
    }
    if (mechanism == PP_SASL_LOGIN) {
        say(challenge, pp_text_z("Username:"));
    }
    return PP_SASL_CHALLENGE;
}

struct pp_text pp_sasl_server_name(const struct pp_sasl_server *s)
{
    return pp_text_n(s->name, s->name_len);
}

void pp_sasl_server_wipe(struct pp_sasl_server *s)
{
    pp_wipe(s, sizeof(*s));
}
