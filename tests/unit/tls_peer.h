/*
 * tls_peer.h - a TLS server in memory, for tests of the client
 *
 * Job:      two byte pipes with limits on how much moves at once, and mbedTLS's own server on the
 * far end with memory of its own. Certificates come from make_certs.sh.
 */
#ifndef TESTS_TLS_PEER_H
#define TESTS_TLS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>

#include "base/crypto.h"
#include "port.h"
#include "wire/tls_alloc.h"

#define PIPE_BYTES (256 * 1024)

struct pipe {
    uint8_t bytes[PIPE_BYTES];
    size_t head, tail;
    size_t most;   /* bytes a call moves at most, 0 any */
    size_t room;   /* bytes it takes before it is full, 0 any */
    size_t total;  /* bytes put in so far */
    size_t cut_at; /* after this many bytes nothing comes any more but the end; 0 never */
    bool closed;
};

static inline void pipe_reset(struct pipe *p)
{
    p->head = p->tail = p->most = p->room = p->total = p->cut_at = 0;
    p->closed = false;
}

static inline int pipe_write(struct pipe *p, const void *bytes, size_t len)
{
    if (p->most > 0 && len > p->most)
        len = p->most;
    if (p->head == p->tail)
        p->head = p->tail = 0;
    size_t room = (p->room > 0 ? p->room : PIPE_BYTES);
    room = p->tail - p->head < room ? room - (p->tail - p->head) : 0;
    if (room > PIPE_BYTES - p->tail)
        room = PIPE_BYTES - p->tail;
    if (len > room)
        len = room;
    memcpy(p->bytes + p->tail, bytes, len);
    p->tail += len;
    p->total += len;
    return (int)len;
}

static inline int pipe_read(struct pipe *p, void *out, size_t cap)
{
    size_t len = p->tail - p->head;
    size_t gone = p->total - len; /* bytes read so far */
    if (p->cut_at > 0 && gone + len > p->cut_at)
        len = p->cut_at > gone ? p->cut_at - gone : 0;
    if (len == 0)
        return p->closed || (p->cut_at > 0 && gone >= p->cut_at) ? PP_IO_CLOSED : 0;
    if (len > cap)
        len = cap;
    if (p->most > 0 && len > p->most)
        len = p->most;
    memcpy(out, p->bytes + p->head, len);
    p->head += len;
    return (int)len;
}

struct peer {
    struct pipe to_server, to_client;
    struct pp_tls_arena arena;
    mbedtls_ssl_context ssl;
    mbedtls_ssl_config conf;
    mbedtls_x509_crt chain;
    mbedtls_pk_context key;
    bool up, done, failed;
    char sni[256]; /* what the client asked for, "" nothing */
    _Alignas(16) uint8_t memory[2 * 1024 * 1024];
};

static char cert_dir[256];

static inline int test_entropy(void *ctx, uint8_t *out, size_t len)
{
    static uint8_t counter;
    (void)ctx;
    counter++;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(i + counter);
    return 0;
}

/* Make all certificates; 0 when it worked. */
static inline int make_certs(void)
{
    char command[1024], source[] = __FILE__;
    const char *given = getenv("PP_TEST_CERTS"); /* made before: saves time */
    if (given != NULL) {
        snprintf(cert_dir, sizeof cert_dir, "%s", given);
        return 0;
    }
    *strrchr(source, '/') = '\0';
    snprintf(cert_dir, sizeof cert_dir, "/tmp/pinpost-certs-XXXXXX");
    if (mkdtemp(cert_dir) == NULL)
        return -1;
    snprintf(command, sizeof command, "timeout 120 sh '%s/make_certs.sh' '%s' >'%s/log' 2>&1",
             source, cert_dir, cert_dir);
    return system(command);
}

static inline void drop_certs(void)
{
    char command[512];
    if (getenv("PP_TEST_CERTS") != NULL)
        return;
    snprintf(command, sizeof command, "rm -rf '%s'", cert_dir);
    if (system(command) != 0)
        fprintf(stderr, "left behind: %s\n", cert_dir);
}

/* A file of the directory, NUL-terminated; returns its length without the NUL. */
static inline size_t load(const char *name, const char *suffix, char *out, size_t cap)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s%s", cert_dir, name, suffix);
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        fprintf(stderr, "missing: %s\n", path);
        abort();
    }
    size_t len = fread(out, 1, cap - 1, f);
    fclose(f);
    out[len] = '\0';
    return len;
}

static inline int peer_send(void *ctx, const unsigned char *bytes, size_t len)
{
    struct peer *p = ctx;
    int n = pipe_write(&p->to_client, bytes, len);
    return n == 0 ? MBEDTLS_ERR_SSL_WANT_WRITE : n;
}

static inline int peer_receive(void *ctx, unsigned char *out, size_t cap)
{
    struct peer *p = ctx;
    int n = pipe_read(&p->to_server, out, cap);
    return n == 0 ? MBEDTLS_ERR_SSL_WANT_READ : n < 0 ? 0 : n;
}

static inline int peer_random(void *ctx, unsigned char *out, size_t len)
{
    (void)ctx;
    return pp_random(out, len) == PP_OK ? 0 : -1;
}

static inline int peer_on_name(void *ctx, mbedtls_ssl_context *ssl, const unsigned char *name,
                               size_t len)
{
    struct peer *p = ctx;
    (void)ssl;
    if (len < sizeof p->sni) {
        memcpy(p->sni, name, len);
        p->sni[len] = '\0';
    }
    return 0;
}

/* Start a server with the chain and key `name`, speaking up to `version`. */
static inline void peer_start(struct peer *p, const char *name,
                              mbedtls_ssl_protocol_version version)
{
    static char text[256 * 1024];
    pipe_reset(&p->to_server);
    pipe_reset(&p->to_client);
    p->done = p->failed = false;
    p->sni[0] = '\0';
    pp_tls_arena_begin(&p->arena, p->memory, sizeof p->memory);
    struct pp_tls_arena *before = pp_tls_arena_select(&p->arena);
    mbedtls_ssl_init(&p->ssl);
    mbedtls_ssl_config_init(&p->conf);
    mbedtls_x509_crt_init(&p->chain);
    mbedtls_pk_init(&p->key);
    size_t len = load(name, ".chain", text, sizeof text);
    if (mbedtls_x509_crt_parse(&p->chain, (const unsigned char *)text, len + 1) != 0)
        abort();
    len = load(name, ".key", text, sizeof text);
    if (mbedtls_pk_parse_key(&p->key, (const unsigned char *)text, len + 1, NULL, 0, peer_random,
                             NULL) != 0)
        abort();
    if (mbedtls_ssl_config_defaults(&p->conf, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
                                    MBEDTLS_SSL_PRESET_DEFAULT) != 0 ||
        mbedtls_ssl_conf_own_cert(&p->conf, &p->chain, &p->key) != 0)
        abort();
    mbedtls_ssl_conf_rng(&p->conf, peer_random, NULL);
    mbedtls_ssl_conf_max_tls_version(&p->conf, version);
    mbedtls_ssl_conf_sni(&p->conf, peer_on_name, p);
    if (mbedtls_ssl_setup(&p->ssl, &p->conf) != 0)
        abort();
    mbedtls_ssl_set_bio(&p->ssl, p, peer_send, peer_receive, NULL);
    (void)pp_tls_arena_select(before);
    p->up = true;
}

static inline void peer_stop(struct peer *p)
{
    if (!p->up)
        return;
    struct pp_tls_arena *before = pp_tls_arena_select(&p->arena);
    mbedtls_ssl_free(&p->ssl);
    mbedtls_ssl_config_free(&p->conf);
    mbedtls_x509_crt_free(&p->chain);
    mbedtls_pk_free(&p->key);
    (void)pp_tls_arena_select(before);
    if (!pp_tls_arena_end(&p->arena))
        abort();
    p->up = false;
}

/* Go on with the handshake. */
static inline void peer_step(struct peer *p)
{
    if (!p->up || p->done || p->failed)
        return;
    struct pp_tls_arena *before = pp_tls_arena_select(&p->arena);
    int ret = mbedtls_ssl_handshake(&p->ssl);
    (void)pp_tls_arena_select(before);
    p->done = ret == 0;
    p->failed = ret != 0 && ret != MBEDTLS_ERR_SSL_WANT_READ && ret != MBEDTLS_ERR_SSL_WANT_WRITE;
}

/* > 0 bytes, 0 later, -1 the end. */
static inline int peer_read(struct peer *p, void *out, size_t cap)
{
    struct pp_tls_arena *before = pp_tls_arena_select(&p->arena);
    int ret = mbedtls_ssl_read(&p->ssl, out, cap);
    (void)pp_tls_arena_select(before);
    return ret > 0 ? ret : ret == MBEDTLS_ERR_SSL_WANT_READ ? 0 : -1;
}

static inline int peer_write(struct peer *p, const void *bytes, size_t len)
{
    if (len == 0) /* it would send an empty record */
        return 0;
    struct pp_tls_arena *before = pp_tls_arena_select(&p->arena);
    int ret = mbedtls_ssl_write(&p->ssl, bytes, len);
    (void)pp_tls_arena_select(before);
    return ret >= 0 ? ret : ret == MBEDTLS_ERR_SSL_WANT_WRITE ? 0 : -1;
}

static inline void peer_say_goodbye(struct peer *p)
{
    struct pp_tls_arena *before = pp_tls_arena_select(&p->arena);
    (void)mbedtls_ssl_close_notify(&p->ssl);
    (void)pp_tls_arena_select(before);
}

#endif
