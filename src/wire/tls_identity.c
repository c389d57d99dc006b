/*
 * tls_identity.c - certificate and key of our own: as a server, and as a smarthost's client
 *
 * Job:      parse both, hold them against each other, and keep them until the last connection that
 *           began with them is gone.
 * Not here: reading the files (the port), handshakes (wire/tls.c, wire/tls_server.c).
 * Follows:  RFC 7468 (PEM), RFC 5280; RFC 9325 4.1 for the keys
 *
 * There is room for two of each: one for new handshakes, and the one before.
 *
 * The library keeps values in an RSA key that it computes with first use (blinding, Montgomery
 * constants) and changes with each. Made in a handshake they would lie in the arena of a connection
 * and die with it, so a new key signs twice here: from then on these values change in place. Where
 * memory runs out in the middle of that, the two halves of the blinding no longer fit each other
 * and each later signature would be wrong: they are made anew.
 */
#include <mbedtls/ecp.h>
#include <mbedtls/error.h>
#include <mbedtls/platform.h>
#include <mbedtls/rsa.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crypto.h"
#include "wire/tls_session.h"

#define RSA_BITS_MIN 2048
#define SUBJECT_MAX  100

#define LEAST_BYTES 1024 /* with less, a build has no room for any */

_Static_assert(PP_TLS_IDENTITY_BYTES % PP_TLS_ALIGN == 0,
               "PP_TLS_IDENTITY_BYTES: make it a multiple of 16");
_Static_assert(PP_TLS_CLIENT_IDENTITY_BYTES % PP_TLS_ALIGN == 0,
               "PP_TLS_CLIENT_IDENTITY_BYTES: make it a multiple of 16");

static _Alignas(PP_TLS_ALIGN) uint8_t server_memory[2][PP_TLS_IDENTITY_BYTES];
static _Alignas(PP_TLS_ALIGN) uint8_t client_memory[2][PP_TLS_CLIENT_IDENTITY_BYTES];

static struct identities {
    struct pp_tls_identity both[2];
    struct pp_tls_identity *current; /* NULL: none */
    const char *size_z;
} identities[2] = {
    [PP_TLS_AS_SERVER] = {.both = {{.role = PP_TLS_AS_SERVER,
                                    .memory = server_memory[0],
                                    .memory_bytes = sizeof server_memory[0]},
                                   {.role = PP_TLS_AS_SERVER,
                                    .memory = server_memory[1],
                                    .memory_bytes = sizeof server_memory[1]}},
                          .size_z = "PP_TLS_IDENTITY_BYTES"},
    [PP_TLS_AS_CLIENT] = {.both = {{.role = PP_TLS_AS_CLIENT,
                                    .memory = client_memory[0],
                                    .memory_bytes = sizeof client_memory[0]},
                                   {.role = PP_TLS_AS_CLIENT,
                                    .memory = client_memory[1],
                                    .memory_bytes = sizeof client_memory[1]}},
                          .size_z = "PP_TLS_CLIENT_IDENTITY_BYTES"},
};

/* What is wrong, for the caller of pp_tls_identity_set(). */
struct verdict {
    enum pp_err err;
    const char *words_z;
    int library; /* its error, shown behind the words; 0 none */
};

static const struct verdict good = {.err = PP_OK};

static void drop(struct pp_tls_identity *i)
{
    if (!i->loaded)
        return;
    struct pp_tls_arena *before = pp_tls_arena_select(&i->arena);
    mbedtls_x509_crt_free(&i->chain);
    mbedtls_pk_free(&i->key);
    (void)pp_tls_arena_select(before);
    (void)pp_tls_arena_end(&i->arena);
    pp_wipe(i->memory, i->memory_bytes);
    i->loaded = false;
}

/* A copy that ends with a NUL, as the library wants PEM; NULL: no room. */
static char *copy_text(const struct pp_tls_identity *i, const char *text, size_t len)
{
    if (len >= i->memory_bytes)
        return NULL;
    char *copy = mbedtls_calloc(1, len + 1);
    if (copy != NULL)
        memcpy(copy, text, len);
    return copy;
}

static struct verdict read_chain(struct pp_tls_identity *i, const char *pem, size_t len)
{
    char *text = copy_text(i, pem, len);
    if (text == NULL)
        return (struct verdict){PP_ERR_TOO_BIG, "the certificate chain is too long", 0};
    bool is_pem = strstr(text, "-----BEGIN CERTIFICATE-----") != NULL;
    int ret = is_pem ? mbedtls_x509_crt_parse(&i->chain, (const unsigned char *)text, len + 1) : 0;
    mbedtls_free(text);
    if (!is_pem)
        return (struct verdict){PP_ERR_SYNTAX, "there is no BEGIN CERTIFICATE in it (not PEM?)", 0};
    if (i->arena.dry > 0)
        return (struct verdict){PP_ERR_TOO_BIG, "the certificate chain is too long", 0};
    /* More than zero is how many of several could not be parsed; what the kind of key is that none
     * of them may have does not come out of that. */
    if (ret != 0)
        return (struct verdict){PP_ERR_SYNTAX, "the certificate does not parse", ret < 0 ? ret : 0};
    return good;
}

static bool is_unsupported(int ret)
{
    return ret == MBEDTLS_ERR_PK_UNKNOWN_PK_ALG || ret == MBEDTLS_ERR_PK_UNKNOWN_NAMED_CURVE ||
           ret == MBEDTLS_ERR_PK_FEATURE_UNAVAILABLE || ret == MBEDTLS_ERR_PK_INVALID_ALG;
}

static struct verdict read_key(struct pp_tls_identity *i, const char *pem, size_t len)
{
    char *text = copy_text(i, pem, len);
    if (text == NULL)
        return (struct verdict){PP_ERR_TOO_BIG, "the key is too long", 0};
    bool is_pem = strstr(text, "PRIVATE KEY-----") != NULL;
    bool locked = strstr(text, "BEGIN ENCRYPTED PRIVATE KEY-----") != NULL ||
                  strstr(text, "Proc-Type: 4,ENCRYPTED") != NULL;
    int ret = 0;
    if (is_pem && !locked)
        ret = mbedtls_pk_parse_key(&i->key, (const unsigned char *)text, len + 1, NULL, 0,
                                   pp_tls_random, NULL);
    pp_wipe(text, len);
    mbedtls_free(text);
    if (!is_pem)
        return (struct verdict){PP_ERR_SYNTAX, "there is no BEGIN PRIVATE KEY in it (not PEM?)", 0};
    if (locked)
        return (struct verdict){PP_ERR_UNSUPPORTED,
                                "the key is encrypted; give it without a password "
                                "(openssl pkey -in KEY -out NEW)",
                                0};
    if (i->arena.dry > 0)
        return (struct verdict){PP_ERR_TOO_BIG, "the key is too long", 0};
    if (is_unsupported(ret))
        return (struct verdict){PP_ERR_UNSUPPORTED, "the key is neither RSA nor P-256 or P-384", 0};
    if (ret != 0)
        return (struct verdict){PP_ERR_SYNTAX, "the key does not parse", ret};
    return good;
}

static struct verdict judge_kind(const mbedtls_pk_context *key)
{
    if (mbedtls_pk_get_type(key) == MBEDTLS_PK_RSA) {
        if (mbedtls_pk_get_bitlen(key) < RSA_BITS_MIN)
            return (struct verdict){PP_ERR_UNSUPPORTED, "an RSA key needs 2048 bits or more", 0};
        return good;
    }
    if (mbedtls_pk_get_type(key) == MBEDTLS_PK_ECKEY) {
        mbedtls_ecp_group_id id = mbedtls_ecp_keypair_get_group_id(mbedtls_pk_ec(*key));
        if (id == MBEDTLS_ECP_DP_SECP256R1 || id == MBEDTLS_ECP_DP_SECP384R1)
            return good;
    }
    return (struct verdict){PP_ERR_UNSUPPORTED, "the key is neither RSA nor P-256 or P-384", 0};
}

/* See the file's head. The room for the two blinding values is made as large as it can get. */
static int warm_up(mbedtls_pk_context *key)
{
    static const uint8_t digest[32] = {1};
    uint8_t signature[MBEDTLS_PK_SIGNATURE_MAX_SIZE];
    size_t len = 0;
    int ret = 0;
    for (int i = 0; i < 2 && ret == 0; i++)
        ret = mbedtls_pk_sign(key, MBEDTLS_MD_SHA256, digest, sizeof digest, signature,
                              sizeof signature, &len, pp_tls_random, NULL);
    if (ret == 0 && mbedtls_pk_get_type(key) == MBEDTLS_PK_RSA) {
        mbedtls_rsa_context *rsa = mbedtls_pk_rsa(*key);
        size_t limbs = 2 * (size_t)rsa->MBEDTLS_PRIVATE(N).MBEDTLS_PRIVATE(n) + 2;
        ret = mbedtls_mpi_grow(&rsa->MBEDTLS_PRIVATE(Vi), limbs);
        if (ret == 0)
            ret = mbedtls_mpi_grow(&rsa->MBEDTLS_PRIVATE(Vf), limbs);
    }
    return ret;
}

void pp_tls_identity_repair(struct pp_tls_identity *identity)
{
    if (mbedtls_pk_get_type(&identity->key) != MBEDTLS_PK_RSA)
        return;
    mbedtls_rsa_context *rsa = mbedtls_pk_rsa(identity->key);
    struct pp_tls_arena *before = pp_tls_arena_select(&identity->arena);
    mbedtls_mpi_free(&rsa->MBEDTLS_PRIVATE(Vi));
    mbedtls_mpi_free(&rsa->MBEDTLS_PRIVATE(Vf));
    int ret = warm_up(&identity->key);
    (void)pp_tls_arena_select(before);
    /* It worked once with the same memory; without randomness nothing else works either. */
    if (ret != 0 && identities[identity->role].current == identity)
        identities[identity->role].current = NULL;
}

/* The arena of `i` is selected. */
static struct verdict read_both(struct pp_tls_identity *i, const char *cert, size_t cert_len,
                                const char *key, size_t key_len)
{
    struct verdict v = read_chain(i, cert, cert_len);
    if (v.err == PP_OK)
        v = read_key(i, key, key_len);
    if (v.err == PP_OK)
        v = judge_kind(&i->key);
    if (v.err != PP_OK)
        return v;
    if (mbedtls_pk_check_pair(&i->chain.pk, &i->key, pp_tls_random, NULL) != 0)
        v = (struct verdict){PP_ERR_STATE, "the key is not that of the (first) certificate", 0};
    else if (warm_up(&i->key) != 0)
        v = (struct verdict){PP_ERR_STATE, "the key does not sign", 0};
    if (i->arena.dry > 0)
        v = (struct verdict){PP_ERR_TOO_BIG, "certificates and key are too long", 0};
    return v;
}

static void say(char *words, size_t cap, const struct verdict *v, const char *size_z,
                const mbedtls_x509_crt *leaf)
{
    struct pp_writer w;
    if (cap == 0)
        return;
    pp_writer_init(&w, words, cap - 1);
    if (v->err == PP_OK) {
        char subject[SUBJECT_MAX];
        struct pp_writer name;
        pp_writer_init(&name, subject, sizeof subject - 1);
        pp_tls_put_name(&name, &leaf->subject);
        pp_tls_end_text(subject, sizeof subject, &name);
        pp_put_z(&w, subject);
        pp_put_z(&w, ", until ");
        pp_put_u64_pad(&w, (uint64_t)leaf->valid_to.year, 4);
        pp_put_char(&w, '-');
        pp_put_u64_pad(&w, (uint64_t)leaf->valid_to.mon, 2);
        pp_put_char(&w, '-');
        pp_put_u64_pad(&w, (uint64_t)leaf->valid_to.day, 2);
    } else {
        pp_put_z(&w, v->words_z);
        if (v->err == PP_ERR_TOO_BIG) {
            pp_put_z(&w, " (");
            pp_put_z(&w, size_z);
            pp_put_z(&w, " of the build)");
        }
        if (v->library != 0) {
            const char *high_z = mbedtls_high_level_strerr(v->library);
            pp_put_z(&w, ": ");
            pp_put_z(&w, high_z != NULL ? high_z : "unknown error");
        }
    }
    pp_tls_end_text(words, cap, &w);
}

static struct verdict renew(struct pp_tls_identity *i, const char *cert, size_t cert_len,
                            const char *key, size_t key_len)
{
    pp_tls_arena_begin(&i->arena, i->memory, i->memory_bytes);
    struct pp_tls_arena *before = pp_tls_arena_select(&i->arena);
    mbedtls_x509_crt_init(&i->chain);
    mbedtls_pk_init(&i->key);
    i->loaded = true;
    i->users = 0;
    struct verdict v = read_both(i, cert, cert_len, key, key_len);
    (void)pp_tls_arena_select(before);
    return v;
}

enum pp_err pp_tls_identity_set(enum pp_tls_role role, const char *cert, size_t cert_len,
                                const char *key, size_t key_len, char *words, size_t cap)
{
    struct identities *all = &identities[role];
    struct pp_tls_identity *old = all->current;
    struct pp_tls_identity *fresh = &all->both[old == &all->both[0] ? 1 : 0];
    if (old == NULL && fresh->loaded)
        fresh = &all->both[1];
    struct verdict v = good;
    uint8_t byte;
    if ((role == PP_TLS_AS_SERVER && PP_INTAKE_TLS == 0) || fresh->memory_bytes < LEAST_BYTES)
        v = (struct verdict){PP_ERR_UNSUPPORTED,
                             role == PP_TLS_AS_SERVER ? "this build is no TLS server"
                                                      : "this build shows no certificate",
                             0};
    else if (fresh->loaded)
        v = (struct verdict){PP_ERR_BUSY, "connections still use the certificate before the last",
                             0};
    else if (pp_random(&byte, sizeof byte) != PP_OK)
        v = (struct verdict){PP_ERR_STATE, "there is no randomness yet to check the key with", 0};
    if (v.err != PP_OK) {
        say(words, cap, &v, all->size_z, NULL);
        return v.err;
    }
    v = renew(fresh, cert, cert_len, key, key_len);
    say(words, cap, &v, all->size_z, &fresh->chain);
    if (v.err != PP_OK) {
        drop(fresh);
        return v.err;
    }
    all->current = fresh;
    if (old != NULL && old->users == 0)
        drop(old);
    return PP_OK;
}

void pp_tls_identity_drop(enum pp_tls_role role)
{
    struct pp_tls_identity *old = identities[role].current;
    identities[role].current = NULL;
    if (old != NULL && old->users == 0)
        drop(old);
}

bool pp_tls_identity_known(enum pp_tls_role role)
{
    return identities[role].current != NULL;
}

int64_t pp_tls_identity_expiry_s(enum pp_tls_role role)
{
    const struct pp_tls_identity *i = identities[role].current;
    return i != NULL ? pp_tls_seconds(&i->chain.valid_to) : 0;
}

struct pp_tls_identity *pp_tls_identity_take(enum pp_tls_role role)
{
    if (identities[role].current != NULL)
        identities[role].current->users++;
    return identities[role].current;
}

void pp_tls_identity_release(struct pp_tls_identity *identity)
{
    identity->users--;
    if (identity->users == 0 && identity != identities[identity->role].current)
        drop(identity);
}
