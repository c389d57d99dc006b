/*
 * fuzz_trust.c - any chain and any verdict of the library on it, against the decision
 *
 * Input: level, rule, two pins, a TLSA record (a byte each, see below), then certificates, root
 * first: two bytes of length, four of flags that the library holds against it, DER. What is
 * accepted must have a reason that is found here by other means.
 */
#include <stdlib.h>
#include <string.h>

#include <mbedtls/sha256.h>
#include <mbedtls/sha512.h>

#include "base/bytes.h"
#include "base/crypto.h"
#include "wire/pin.h"
#include "wire/tls_session.h"

#define HEAD_BYTES 5
#define DEPTH_MAX  8
#define DATES      (MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pp_tls tls;
static struct pp_tls_memory memory;
static struct pp_tls_arena chain_arena;
static _Alignas(PP_TLS_ALIGN) uint8_t chain_memory[256 * 1024];
static mbedtls_x509_crt chain[DEPTH_MAX]; /* leaf first */
static uint32_t flags[DEPTH_MAX];
static struct pp_tls_policy policy;
static struct pp_tlsa_set tlsa;

static int entropy(void *ctx, uint8_t *out, size_t len)
{
    (void)ctx;
    memset(out, 7, len);
    return 0;
}

static int64_t wall_s(void *ctx)
{
    (void)ctx;
    return PP_WALL_FLOOR_S + 86400;
}

static uint64_t now_ms(void *ctx)
{
    (void)ctx;
    return 1000;
}

static int no_bytes(void *ctx, uint8_t *out, size_t cap)
{
    (void)ctx;
    (void)out;
    (void)cap;
    return 0;
}

static int not_now(void *ctx, const uint8_t *bytes, size_t len)
{
    (void)ctx;
    (void)bytes;
    (void)len;
    return 0;
}

static void digest(const mbedtls_x509_crt *c, bool key, unsigned which, uint8_t out[64])
{
    const mbedtls_x509_buf *part = key ? &c->pk_raw : &c->raw;
    memset(out, 0, 64);
    if (which == 0)
        (void)mbedtls_sha256(part->p, part->len, out, 0);
    else
        (void)mbedtls_sha512(part->p, part->len, out, which == 1);
}

/* Bits: 0-2 kind, 3-4 digest, 5-7 the certificate that it is made from; beyond: of none. */
static void choose_pin(struct pp_pin *pin, uint8_t byte, int count)
{
    int at = byte >> 5;
    memset(pin, 0, sizeof *pin);
    pin->kind = (enum pp_pin_kind)((byte & 7) % 5);
    pin->digest = (enum pp_digest)((byte >> 3 & 3) % 3);
    bool key = pin->kind == PP_PIN_KEY || pin->kind == PP_PIN_ISSUER_KEY ||
               (pin->kind == PP_PIN_ANY && (byte & 7) >= 5);
    if (at < count)
        digest(&chain[at], key, (unsigned)pin->digest, pin->value);
}

/* Bits: 0 usage 2 or 3, 1 selector, 2 matching, 3-4 state, 5-7 certificate. */
static void choose_record(uint8_t byte, int count)
{
    struct pp_tlsa_record *r = &tlsa.records[0];
    int at = byte >> 5;
    memset(&tlsa, 0, sizeof tlsa);
    tlsa.state = (enum pp_tlsa_state)((byte >> 3 & 3) % 3);
    if (tlsa.state != PP_TLSA_SECURE)
        return;
    tlsa.count = 1;
    *r = (struct pp_tlsa_record){.usage = (uint8_t)(2 + (byte & 1)),
                                 .selector = byte >> 1 & 1,
                                 .matching = (uint8_t)(1 + (byte >> 2 & 1))};
    r->len = r->matching == 1 ? 32 : 64;
    if (at < count)
        digest(&chain[at], r->selector == 1, r->matching == 1 ? 0 : 2, r->data);
}

/* Nothing is held against the certificates below `depth`, but for the name, which is asked here. */
static bool is_good_below(int depth)
{
    for (int i = 0; i < depth; i++) {
        if ((flags[i] & ~(i == 0 ? (uint32_t)MBEDTLS_X509_BADCERT_CN_MISMATCH : 0)) != 0)
            return false;
    }
    return true;
}

static bool pin_fits(const struct pp_pin *pin, int at)
{
    uint8_t value[64];
    bool any = pin->kind == PP_PIN_ANY;
    bool key = pin->kind == PP_PIN_KEY || pin->kind == PP_PIN_ISSUER_KEY;
    for (int k = 0; k < 2; k++) {
        digest(&chain[at], k == 1, (unsigned)pin->digest, value);
        if ((any || key == (k == 1)) && memcmp(value, pin->value, 64) == 0)
            return true;
    }
    return false;
}

static bool is_pinned(int count)
{
    for (uint32_t i = 0; i < policy.pin_count; i++) {
        const struct pp_pin *pin = &policy.pins[i];
        bool of_issuer = pin->kind >= PP_PIN_ISSUER_CERTIFICATE;
        if (!of_issuer && pin_fits(pin, 0))
            return true;
        for (int at = 1; of_issuer && at < count; at++) {
            if (pin_fits(pin, at) && (flags[at] & DATES) == 0 && is_good_below(at))
                return true;
        }
    }
    return false;
}

static bool has_record(int count)
{
    const struct pp_tlsa_record *r = &tlsa.records[0];
    uint8_t value[64];
    for (int at = 0; at < count && tlsa.state == PP_TLSA_SECURE; at++) {
        digest(&chain[at], r->selector == 1, r->matching == 1 ? 0 : 2, value);
        if (memcmp(value, r->data, r->len) != 0)
            continue;
        if (r->usage == 3 && at == 0)
            return true;
        if (r->usage == 2 && at > 0 && (flags[at] & DATES) == 0 && is_good_below(at))
            return true;
    }
    return false;
}

static bool may_be_accepted(int count)
{
    bool chained = is_good_below(count);
    switch (policy.level) {
    case PP_TLS_MAY:
    case PP_TLS_ENCRYPT:
        return true;
    case PP_TLS_FINGERPRINT:
    case PP_TLS_VERIFY:
    case PP_TLS_SECURE:
        if (policy.pin_count == 0)
            return policy.level != PP_TLS_FINGERPRINT && chained;
        if (policy.pin_rule == PP_PIN_OR_CA)
            return chained || is_pinned(count);
        if (policy.level == PP_TLS_FINGERPRINT && policy.pin_rule == PP_PIN_ALONE)
            return is_pinned(count);
        return chained && (policy.on_new_pin == PP_NEW_PIN_SEND || is_pinned(count));
    case PP_TLS_DANE:
        return tlsa.state != PP_TLSA_SECURE || has_record(count);
    case PP_TLS_DANE_ONLY:
        return has_record(count);
    case PP_TLS_NONE:
        break;
    }
    return false;
}

static int read_chain(const uint8_t *data, size_t size)
{
    int count = 0;
    size_t at = HEAD_BYTES;
    while (count < DEPTH_MAX && size - at >= 6) {
        size_t len = pp_be16_get(data + at);
        uint32_t held = pp_be32_get(data + at + 2);
        at += 6;
        if (len > size - at)
            break;
        mbedtls_x509_crt_init(&chain[count]);
        if (mbedtls_x509_crt_parse_der(&chain[count], data + at, len) == 0)
            flags[count++] = held;
        else
            mbedtls_x509_crt_free(&chain[count]);
        at += len;
    }
    /* They come root first. */
    for (int i = 0; i < count / 2; i++) {
        mbedtls_x509_crt c = chain[i];
        uint32_t f = flags[i];
        chain[i] = chain[count - 1 - i];
        flags[i] = flags[count - 1 - i];
        chain[count - 1 - i] = c;
        flags[count - 1 - i] = f;
    }
    return count;
}

static void choose_policy(const uint8_t *data, int count)
{
    memset(&policy, 0, sizeof policy);
    policy.level = (enum pp_tls_level)(1 + data[0] % 7);
    policy.pin_rule = (enum pp_pin_rule)((data[1] & 3) % 3);
    policy.on_new_pin = (enum pp_new_pin)(data[1] >> 2 & 1);
    policy.pin_count = (uint32_t)(data[1] >> 3 & 3) % 3;
    choose_pin(&policy.pins[0], data[2], count);
    choose_pin(&policy.pins[1], data[3], count);
    choose_record(data[4], count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct pp_tls_io io = {.read = no_bytes, .write = not_now};
    static bool ready;
    const struct pp_tls_target target = {
        .policy = &policy, .host_z = "mail.example.test", .tlsa = &tlsa};
    if (!ready && (pp_crypto_seed(entropy, NULL) != PP_OK ||
                   pp_tls_library_init(wall_s, now_ms, NULL) != PP_OK))
        abort();
    ready = true;
    if (size < HEAD_BYTES)
        return 0;
    pp_tls_arena_begin(&chain_arena, chain_memory, sizeof chain_memory);
    struct pp_tls_arena *before = pp_tls_arena_select(&chain_arena);
    int count = read_chain(data, size);
    choose_policy(data, count);
    pp_tls_give_memory(&tls, &memory, sizeof memory);
    if (pp_tls_open(&tls, &target, &io) != PP_OK)
        abort();
    bool ended = false;
    for (int depth = count; depth-- > 0 && !ended;) {
        uint32_t held = flags[depth];
        ended = pp_tls_on_certificate(&tls, &chain[depth], depth, &held) != 0;
    }
    if (tls.accepted && (ended || count == 0 || !may_be_accepted(count)))
        abort();
    pp_tls_close(&tls);
    for (int i = 0; i < count; i++)
        mbedtls_x509_crt_free(&chain[i]);
    (void)pp_tls_arena_select(before);
    if (!pp_tls_arena_end(&chain_arena))
        abort();
    return 0;
}
