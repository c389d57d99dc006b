/*
 * config_verifier.c - a password's salted verifier as text
 *
 * Job:      read and write `SCRAM-SHA-256$4096:SALT$STOREDKEY:SERVERKEY`.
 * Not here: making one from a password, and checking one (intake/sasl_server.c).
 * Follows:  RFC 5802 3, RFC 5803 (the form), RFC 7677
 */
#include <string.h>

#include "base/base64.h"
#include "config.h"

#define SCHEME         "SCRAM-SHA-256$"
#define ITERATIONS_MIN 4096
#define ITERATIONS_MAX 1000000

static enum pp_err take_key(struct pp_text text, uint8_t key[32])
{
    size_t len;
    enum pp_err err = pp_base64_decode(text, key, 32, &len);
    return err != PP_OK || len != 32 ? PP_ERR_SYNTAX : PP_OK;
}

enum pp_err pp_scram_verifier_parse(struct pp_text text, struct pp_scram_verifier *verifier)
{
    struct pp_scram_verifier v = {0};
    struct pp_text rest = text;
    uint64_t iterations;
    size_t salt_len = 0;
    if (!pp_text_starts_nocase(text, pp_text_z(SCHEME)))
        return PP_ERR_SYNTAX;
    rest = pp_text_n(text.p + sizeof SCHEME - 1, text.len - (sizeof SCHEME - 1));
    struct pp_text count = pp_text_cut(&rest, ':');
    struct pp_text salt = pp_text_cut(&rest, '$');
    struct pp_text stored = pp_text_cut(&rest, ':');
    enum pp_err err = pp_text_to_u64(count, ITERATIONS_MAX, &iterations);
    if (err == PP_OK && iterations < ITERATIONS_MIN)
        err = PP_ERR_RANGE;
    if (err == PP_OK && pp_base64_decode(salt, v.salt, sizeof v.salt, &salt_len) != PP_OK)
        err = PP_ERR_SYNTAX;
    if (err == PP_OK && salt_len < 8)
        err = PP_ERR_RANGE;
    pp_err_keep(&err, take_key(stored, v.stored_key));
    pp_err_keep(&err, take_key(rest, v.server_key));
    if (err != PP_OK)
        return err;
    v.iterations = (uint32_t)iterations;
    v.salt_len = (uint8_t)salt_len;
    *verifier = v;
    return PP_OK;
}

void pp_scram_verifier_put(struct pp_writer *w, const struct pp_scram_verifier *verifier)
{
    pp_put_z(w, SCHEME);
    pp_put_u64(w, verifier->iterations);
    pp_put_char(w, ':');
    pp_base64_put(w, verifier->salt, verifier->salt_len);
    pp_put_char(w, '$');
    pp_base64_put(w, verifier->stored_key, sizeof verifier->stored_key);
    pp_put_char(w, ':');
    pp_base64_put(w, verifier->server_key, sizeof verifier->server_key);
}
