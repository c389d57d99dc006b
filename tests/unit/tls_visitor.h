/*
 * tls_visitor.h - a TLS client in memory, for tests of the server
 *
 * Job:      mbedTLS's own client, free to do what ours never does: old versions, one cipher, kept
 * sessions, a certificate of its own. Its far end is a server's slot of ours; pipes and
 * certificates come from tls_peer.h.
 */
#ifndef TESTS_TLS_VISITOR_H
#define TESTS_TLS_VISITOR_H

#include <setjmp.h>
#include <stdarg.h>

#include "tls_peer.h"

#include <cmocka.h>

#include "wire/tls_slot.h"

#define V12 MBEDTLS_SSL_VERSION_TLS1_2
#define V13 MBEDTLS_SSL_VERSION_TLS1_3

/* What a visit is to be like; zeros are a plain one. */
struct manner {
    mbedtls_ssl_protocol_version version; /* up to; 0: the newest */
    const char *certificate;              /* name of the client's own, NULL none */
    const char *key;                      /* whose key it uses, NULL: the certificate's */
    int suite;                            /* the only one offered, 0 all */
    bool resume;                          /* with the session kept */
};

struct visitor {
    struct pipe to_server, to_client;
    struct pp_tls_arena arena;
    mbedtls_ssl_context ssl;
    mbedtls_ssl_config conf;
    mbedtls_x509_crt chain;
    mbedtls_pk_context key;
    int suites[2];
    bool up, done, failed;
    int error;
    _Alignas(16) uint8_t memory[256 * 1024];
};

/* A session, serialised as a program would keep it. */
static struct {
    uint8_t bytes[16384];
    size_t len;
} kept;

static int64_t wall = PP_WALL_UNKNOWN;
static uint64_t clock_ms = 1000;

static inline int64_t wall_s(void *ctx)
{
    (void)ctx;
    return wall;
}

static inline uint64_t now_ms(void *ctx)
{
    (void)ctx;
    return clock_ms;
}

static inline int visitor_send(void *ctx, const unsigned char *bytes, size_t len)
{
    int n = pipe_write(&((struct visitor *)ctx)->to_server, bytes, len);
    return n == 0 ? MBEDTLS_ERR_SSL_WANT_WRITE : n;
}

static inline int visitor_receive(void *ctx, unsigned char *out, size_t cap)
{
    int n = pipe_read(&((struct visitor *)ctx)->to_client, out, cap);
    return n == 0 ? MBEDTLS_ERR_SSL_WANT_READ : n < 0 ? 0 : n;
}

static inline int server_read(void *ctx, uint8_t *out, size_t cap)
{
    return pipe_read(&((struct visitor *)ctx)->to_server, out, cap);
}

static inline int server_write(void *ctx, const uint8_t *bytes, size_t len)
{
    return pipe_write(&((struct visitor *)ctx)->to_client, bytes, len);
}

static inline void visitor_load_own(struct visitor *v, const struct manner *m)
{
    static char text[64 * 1024];
    size_t len = load(m->certificate, ".chain", text, sizeof text);
    assert_int_equal(mbedtls_x509_crt_parse(&v->chain, (unsigned char *)text, len + 1), 0);
    len = load(m->key != NULL ? m->key : m->certificate, ".key", text, sizeof text);
    assert_int_equal(
        mbedtls_pk_parse_key(&v->key, (unsigned char *)text, len + 1, NULL, 0, peer_random, NULL),
        0);
    assert_int_equal(mbedtls_ssl_conf_own_cert(&v->conf, &v->chain, &v->key), 0);
}

static inline void visitor_resume(struct visitor *v)
{
    mbedtls_ssl_session session;
    mbedtls_ssl_session_init(&session);
    assert_int_equal(mbedtls_ssl_session_load(&session, kept.bytes, kept.len), 0);
    assert_int_equal(mbedtls_ssl_set_session(&v->ssl, &session), 0);
    mbedtls_ssl_session_free(&session);
}

static inline void visitor_start(struct visitor *v, const struct manner *m)
{
    pipe_reset(&v->to_server);
    pipe_reset(&v->to_client);
    v->done = v->failed = false;
    v->error = 0;
    pp_tls_arena_begin(&v->arena, v->memory, sizeof v->memory);
    struct pp_tls_arena *before = pp_tls_arena_select(&v->arena);
    mbedtls_ssl_init(&v->ssl);
    mbedtls_ssl_config_init(&v->conf);
    mbedtls_x509_crt_init(&v->chain);
    mbedtls_pk_init(&v->key);
    v->up = true;
    assert_int_equal(mbedtls_ssl_config_defaults(&v->conf, MBEDTLS_SSL_IS_CLIENT,
                                                 MBEDTLS_SSL_TRANSPORT_STREAM,
                                                 MBEDTLS_SSL_PRESET_DEFAULT),
                     0);
    mbedtls_ssl_conf_rng(&v->conf, peer_random, NULL);
    mbedtls_ssl_conf_authmode(&v->conf, MBEDTLS_SSL_VERIFY_NONE);
    mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
        &v->conf, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
    mbedtls_ssl_conf_session_tickets(&v->conf, MBEDTLS_SSL_SESSION_TICKETS_ENABLED);
    if (m->version != 0)
        mbedtls_ssl_conf_max_tls_version(&v->conf, m->version);
    if (m->certificate != NULL)
        visitor_load_own(v, m);
    if (m->suite != 0) {
        v->suites[0] = m->suite;
        v->suites[1] = 0;
        mbedtls_ssl_conf_ciphersuites(&v->conf, v->suites);
    }
    assert_int_equal(mbedtls_ssl_setup(&v->ssl, &v->conf), 0);
    assert_int_equal(mbedtls_ssl_set_hostname(&v->ssl, NULL), 0);
    if (m->resume)
        visitor_resume(v);
    mbedtls_ssl_set_bio(&v->ssl, v, visitor_send, visitor_receive, NULL);
    (void)pp_tls_arena_select(before);
}

static inline void visitor_stop(struct visitor *v)
{
    if (!v->up)
        return;
    struct pp_tls_arena *before = pp_tls_arena_select(&v->arena);
    mbedtls_ssl_free(&v->ssl);
    mbedtls_ssl_config_free(&v->conf);
    mbedtls_x509_crt_free(&v->chain);
    mbedtls_pk_free(&v->key);
    (void)pp_tls_arena_select(before);
    v->up = false;
    assert_true(pp_tls_arena_end(&v->arena));
}

/* Go on with the handshake. */
static inline void visitor_step(struct visitor *v)
{
    if (v->done || v->failed)
        return;
    struct pp_tls_arena *before = pp_tls_arena_select(&v->arena);
    int ret = mbedtls_ssl_handshake(&v->ssl);
    (void)pp_tls_arena_select(before);
    v->done = ret == 0;
    v->failed = ret != 0 && ret != MBEDTLS_ERR_SSL_WANT_READ && ret != MBEDTLS_ERR_SSL_WANT_WRITE;
    v->error = ret;
}

static inline void visitor_keep(struct visitor *v)
{
    mbedtls_ssl_session session;
    mbedtls_ssl_session_init(&session);
    assert_int_equal(mbedtls_ssl_get_session(&v->ssl, &session), 0);
    assert_int_equal(mbedtls_ssl_session_save(&session, kept.bytes, sizeof kept.bytes, &kept.len),
                     0);
    mbedtls_ssl_session_free(&session);
}

/* > 0 bytes, 0 later, -1 the end. A TLS 1.3 ticket that comes on the way is kept. */
static inline int visitor_read(struct visitor *v, void *out, size_t cap)
{
    struct pp_tls_arena *before = pp_tls_arena_select(&v->arena);
    int ret = mbedtls_ssl_read(&v->ssl, out, cap);
    while (ret == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
        visitor_keep(v);
        ret = mbedtls_ssl_read(&v->ssl, out, cap);
    }
    (void)pp_tls_arena_select(before);
    v->error = ret;
    return ret > 0 ? ret : ret == MBEDTLS_ERR_SSL_WANT_READ ? 0 : -1;
}

static inline int visitor_write(struct visitor *v, const void *bytes, size_t len)
{
    if (len == 0)
        return 0;
    struct pp_tls_arena *before = pp_tls_arena_select(&v->arena);
    int ret = mbedtls_ssl_write(&v->ssl, bytes, len);
    (void)pp_tls_arena_select(before);
    return ret >= 0 ? ret : ret == MBEDTLS_ERR_SSL_WANT_WRITE ? 0 : -1;
}

/* What the client keeps under TLS 1.2. */
static inline void visitor_keep_now(struct visitor *v)
{
    struct pp_tls_arena *before = pp_tls_arena_select(&v->arena);
    visitor_keep(v);
    (void)pp_tls_arena_select(before);
}

/* A file of the directory as the identity; what came of it. */
static inline enum pp_err set_identity(const char *chain, const char *key, const char *key_suffix,
                                       char *words, size_t cap)
{
    static char certificates[64 * 1024], secret[16 * 1024];
    size_t cert_len = load(chain, ".chain", certificates, sizeof certificates);
    size_t key_len = load(key, key_suffix, secret, sizeof secret);
    /* What stands behind is not the caller's. */
    certificates[cert_len] = secret[key_len] = 'x';
    return pp_tls_identity_set(PP_TLS_AS_SERVER, certificates, cert_len, secret, key_len, words,
                               cap);
}

static inline void use_identity(const char *name)
{
    char words[256];
    if (set_identity(name, name, ".key", words, sizeof words) != PP_OK)
        fail_msg("%s: %s", name, words);
}

/* ---- one connection ---- */

static struct visitor visitor;
static struct pp_tls_server_slot slot;
static struct pp_tls *tls;

static const struct pp_tls_io io = {.ctx = &visitor, .read = server_read, .write = server_write};

static inline int set_up(void **state)
{
    (void)state;
    wall = (int64_t)time(NULL);
    tls = pp_tls_server_slot(&slot);
    if (make_certs() != 0 || pp_crypto_seed(test_entropy, NULL) != PP_OK ||
        pp_tls_library_init(wall_s, now_ms, NULL) != PP_OK)
        return -1;
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    drop_certs();
    return pp_tls_alloc_faults() == 0 ? 0 : -1;
}

static inline int each(void **state)
{
    (void)state;
    wall = (int64_t)time(NULL);
    use_identity("leaf");
    return 0;
}

static inline int clean(void **state)
{
    (void)state;
    pp_tls_close(tls);
    visitor_stop(&visitor);
    return 0;
}

/* Both sides in turn until the server knows. */
static inline enum pp_err shake(void)
{
    enum pp_err err = PP_ERR_LATER;
    for (int i = 0; i < 200000 && err == PP_ERR_LATER; i++) {
        visitor_step(&visitor);
        err = pp_tls_handshake(tls);
    }
    for (int i = 0; i < 10; i++)
        visitor_step(&visitor);
    return err;
}

static inline void start(const struct manner *m, bool ask)
{
    visitor_start(&visitor, m);
    assert_int_equal(pp_tls_open_server(tls, ask, &io), PP_OK);
}

static inline void close_both(void)
{
    pp_tls_close(tls);
    pp_tls_close(tls);
    visitor_stop(&visitor);
    assert_int_equal(pp_tls_alloc_faults(), 0);
}

/* A word each way, whereby the client gets its ticket. */
static inline void talk(void)
{
    char out[16];
    assert_true(visitor.done);
    assert_int_equal(pp_tls_write(tls, (const uint8_t *)"220 hi\r\n", 8), 8);
    int n = 0;
    for (int i = 0; i < 5 && n == 0; i++) /* it stops behind a ticket */
        n = visitor_read(&visitor, out, sizeof out);
    assert_int_equal(n, 8);
    assert_int_equal(visitor_write(&visitor, "QUIT\r\n", 6), 6);
    assert_int_equal(pp_tls_read(tls, (uint8_t *)out, sizeof out), 6);
    assert_memory_equal(out, "QUIT\r\n", 6);
}

/* A whole visit. Its session is kept; facts are left to look at. */
static inline enum pp_err visit(const struct manner *m, bool ask)
{
    start(m, ask);
    enum pp_err err = shake();
    if (err == PP_OK) {
        if (m->version == V12)
            visitor_keep_now(&visitor);
        talk();
    }
    close_both();
    return err;
}

static inline void assert_words(const char *part)
{
    if (strstr(tls->facts.failure, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, tls->facts.failure);
}

#endif
