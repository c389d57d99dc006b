/*
 * fuzz_kept_session.c - any bytes as a session kept in flash are read and offered to a server
 *
 * The binding would keep nearly all inputs out, so it is made right first: then what is inside must
 * be taken for hostile. What comes behind the first 1024 bytes is the server's answer.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "port.h"
#include "wire/tls_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEPT_MOST 1024
#define NOW_S     INT64_C(1800000000)
#define NOW_MS    UINT64_C(5000000)

static struct pp_tls tls;
static struct pp_tls_memory memory;
static const struct pp_tls_policy policy = {.level = PP_TLS_ENCRYPT};
static uint8_t binding[32];

struct answer {
    const uint8_t *p;
    size_t left;
};

static int hear(void *ctx, uint8_t *out, size_t cap)
{
    struct answer *a = ctx;
    size_t len = a->left < cap ? a->left : cap;
    if (len == 0)
        return PP_IO_CLOSED;
    memcpy(out, a->p, len);
    a->p += len;
    a->left -= len;
    return (int)len;
}

static int say(void *ctx, const uint8_t *bytes, size_t len)
{
    (void)ctx;
    (void)bytes;
    return (int)len;
}

static int64_t wall_s(void *ctx)
{
    (void)ctx;
    return NOW_S;
}

static uint64_t now_ms(void *ctx)
{
    (void)ctx;
    return NOW_MS;
}

static int entropy(void *ctx, uint8_t *out, size_t len)
{
    (void)ctx;
    memset(out, 7, len);
    return 0;
}

static void open_with(struct pp_tls_kept_session *kept, struct answer *answer)
{
    const struct pp_tls_target target = {
        .policy = &policy, .host_z = "mail.example.org", .port = 587, .kept = kept};
    const struct pp_tls_io io = {.ctx = answer, .read = hear, .write = say};
    if (pp_tls_open(&tls, &target, &io) != PP_OK)
        abort();
}

static void begin(void)
{
    struct answer none = {NULL, 0};
    struct pp_tls_kept_session empty = {0};
    if (pp_crypto_seed(entropy, NULL) != PP_OK ||
        pp_tls_library_init(wall_s, now_ms, NULL) != PP_OK)
        abort();
    pp_tls_give_memory(&tls, &memory, sizeof memory);
    open_with(&empty, &none);
    if (pp_tls_resume_binding(&tls, binding) != PP_OK)
        abort();
    pp_tls_close(&tls);
}

/* What was read is written, and read again, the same. */
static void check_bytes(const struct pp_tls_kept_session *kept)
{
    uint8_t once[PP_TLS_KEPT_PACKED], twice[PP_TLS_KEPT_PACKED];
    struct pp_tls_kept_session again = {0};
    size_t len, len2;
    if (pp_tls_kept_pack(kept, NOW_S, NOW_MS, once, sizeof once, &len) != PP_OK ||
        pp_tls_kept_unpack(&again, NOW_S, NOW_MS, once, len) != PP_OK ||
        pp_tls_kept_pack(&again, NOW_S, NOW_MS, twice, sizeof twice, &len2) != PP_OK)
        abort();
    assert(len == len2 && memcmp(once, twice, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pp_tls_kept_session kept;
    static bool begun;
    size_t len = size < KEPT_MOST ? size : KEPT_MOST;
    struct answer answer = {data + len, size - len};
    if (!begun)
        begin();
    begun = true;
    if (pp_tls_kept_unpack(&kept, NOW_S, NOW_MS, data, len) != PP_OK)
        return 0;
    check_bytes(&kept);
    memcpy(kept.binding, binding, sizeof binding);
    open_with(&kept, &answer);
    enum pp_err err = PP_ERR_LATER;
    for (int i = 0; i < 100 && err == PP_ERR_LATER; i++)
        err = pp_tls_handshake(&tls);
    assert(err != PP_OK || !tls.facts.resumed || tls.facts.offered);
    pp_tls_close(&tls);
    assert(pp_tls_alloc_faults() == 0);
    pp_tls_kept_forget(&kept);
    return 0;
}
