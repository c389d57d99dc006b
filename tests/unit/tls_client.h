/*
 * tls_client.h - what the tests of the TLS client share: one connection to the server of tls_peer.h
 */
#ifndef TESTS_TLS_CLIENT_H
#define TESTS_TLS_CLIENT_H

#include <setjmp.h>
#include <stdarg.h>

#include "tls_peer.h"

#include <cmocka.h>

#include "wire/pin.h"
#include "wire/tls_slot.h"

/* Under TLS 1.3 the server here cannot sign with a key of 1024 bits. */
#define NEWEST(name) (strcmp(name, "tiny") == 0 ? V12 : V13)
#define V12          MBEDTLS_SSL_VERSION_TLS1_2
#define V13          MBEDTLS_SSL_VERSION_TLS1_3

static struct peer peer;
static struct pp_tls tls;
static struct pp_tls_memory tls_memory;
static int64_t wall = PP_WALL_UNKNOWN;

static inline int64_t wall_s(void *ctx)
{
    (void)ctx;
    return wall;
}

static inline uint64_t now_ms(void *ctx)
{
    (void)ctx;
    return 1000;
}

static inline int client_read(void *ctx, uint8_t *out, size_t cap)
{
    return pipe_read(&((struct peer *)ctx)->to_client, out, cap);
}

static inline int client_write(void *ctx, const uint8_t *bytes, size_t len)
{
    return pipe_write(&((struct peer *)ctx)->to_server, bytes, len);
}

static const struct pp_tls_io io = {.ctx = &peer, .read = client_read, .write = client_write};

static inline void open_client(const struct pp_tls_policy *policy, const char *host, bool inspect)
{
    const struct pp_tls_target target = {.policy = policy, .host_z = host, .inspect = inspect};
    assert_int_equal(pp_tls_open(&tls, &target, &io), PP_OK);
}

/* Both sides in turn until the client knows. */
static inline enum pp_err shake(void)
{
    enum pp_err err = PP_ERR_LATER;
    for (int i = 0; i < 200000 && err == PP_ERR_LATER; i++) {
        err = pp_tls_handshake(&tls);
        peer_step(&peer);
    }
    for (int i = 0; i < 10 && err == PP_OK; i++)
        peer_step(&peer);
    return err;
}

/* After each connection: nothing may be left in its arena. */
static inline void close_both(void)
{
    pp_tls_close(&tls);
    pp_tls_close(&tls);
    peer_stop(&peer);
    assert_int_equal(pp_tls_alloc_faults(), 0);
}

static inline struct pp_tls_policy policy_of(enum pp_tls_level level)
{
    return (struct pp_tls_policy){.level = level};
}

/* One connection: its result, with facts left to look at. */
static inline enum pp_err visit(const char *server, mbedtls_ssl_protocol_version version,
                                const struct pp_tls_policy *policy, const char *host)
{
    peer_start(&peer, server, version);
    open_client(policy, host, false);
    enum pp_err err = shake();
    assert_int_equal(pp_tls_facts(&tls)->trusted, err == PP_OK);
    close_both();
    return err;
}

static inline void assert_words(const char *part)
{
    if (strstr(tls.facts.failure, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, tls.facts.failure);
}

/* The pins of NAME.pins: first line of the certificate, second of the key. */
static inline void pins_of(const char *name, struct pp_pin *certificate, struct pp_pin *key)
{
    char text[1024], both[256];
    load(name, ".pins", text, sizeof text);
    char *second = strchr(text, '\n');
    *second++ = '\0';
    second[strcspn(second, "\n")] = '\0';
    assert_int_equal(pp_pin_parse(pp_text_z(text), certificate), PP_OK);
    snprintf(both, sizeof both, "key:sha256:%s", second);
    assert_int_equal(pp_pin_parse(pp_text_z(both), key), PP_OK);
}

static inline void load_cas(const char *name, uint32_t expected)
{
    static char text[256 * 1024];
    uint32_t count, skipped;
    size_t len = load(name, "", text, sizeof text);
    pp_ca_begin();
    for (size_t at = 0; at < len; at += 7)
        assert_int_equal(pp_ca_feed(text + at, len - at < 7 ? len - at : 7), PP_OK);
    assert_int_equal(pp_ca_end(&count, &skipped), PP_OK);
    assert_int_equal(count, expected);
}

static inline int set_up(void **state)
{
    (void)state;
    pp_tls_give_memory(&tls, &tls_memory, sizeof tls_memory);
    wall = (int64_t)time(NULL);
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

/* Each test starts with the same CAs and the right time. */
static inline int each(void **state)
{
    (void)state;
    wall = (int64_t)time(NULL);
    load_cas("ca.bundle", 3);
    return 0;
}

/* After a test that failed half-way, the next one starts from nothing too. */
static inline int clean(void **state)
{
    (void)state;
    pp_tls_close(&tls);
    peer_stop(&peer);
    return 0;
}

#endif
