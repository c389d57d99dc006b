/*
 * relay_sessions.c - TLS sessions with the smarthosts, over a restart too
 *
 * Job:      the sessions that deliveries resume; with keep_sessions = flash their bytes into the
 *           key-value and back, sealed where the machine has a key for that.
 * Not here: what is in a session (wire/tls_kept.h), resuming one (wire/tls_resume.c).
 *
 * A value is 0 and the session's bytes; or 1, a nonce of 12 bytes, the bytes sealed, a tag of 16.
 * What was written without a key is not read by a machine that has one, and the other way round.
 *
 * Wear: one value an hour at the most, and one with the first connection after a start. That is 24
 * values of up to 2 KiB a day: with halves of 4 KiB a dozen erases of each a day, 20 years and more
 * of a flash that is good for 100,000. The ticket in flash is at most an hour older than the newest
 * one, and may have been used once: RFC 8446 C.4 lets a client do that where being known again is
 * no harm to it, as it is none to a device with an account.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/crypto.h"
#include "relay.h"

#define WRITE_EVERY_MS (60u * 60 * 1000)
#define PLAIN          0u
#define SEALED         1u
#define SEAL_BYTES     (PP_SEAL_NONCE_BYTES + PP_SEAL_TAG_BYTES)

/* True when the machine has one. */
static bool get_seal_key(const struct pp_relay *r, uint8_t key[32])
{
    return r->port->seal_key != NULL && r->port->seal_key(r->port->ctx, key) == 0;
}

/* ---- reading ---- */

/* In place; PP_ERR_DAMAGED: it is not what we wrote. */
static enum pp_err open_value(const struct pp_relay *r, uint8_t slot, uint8_t *value, size_t *len,
                              uint8_t **clear)
{
    const uint8_t extra[2] = {SEALED, slot};
    uint8_t key[32];
    bool has_key = get_seal_key(r, key);
    enum pp_err err = PP_ERR_DAMAGED;

    if (!has_key && *len > 1 && value[0] == PLAIN) {
        *clear = value + 1;
        *len -= 1;
        return PP_OK;
    }
    if (has_key && *len > 1 + SEAL_BYTES && value[0] == SEALED) {
        *clear = value + 1 + PP_SEAL_NONCE_BYTES;
        *len -= 1 + SEAL_BYTES;
        err = pp_unseal(key, value + 1, extra, sizeof(extra), *clear, *len, *clear + *len);
    }
    pp_wipe(key, sizeof(key));
    return err;
}

static void read_one(struct pp_relay *r, uint8_t slot)
{
    const struct pp_port *port = r->port;
    uint8_t value[PP_KV_VALUE_MAX];
    uint8_t *clear = value;
    size_t len = 0;

    /* What cannot be read costs one full handshake, and no word. */
    if (pp_kv_get(&r->kv, PP_KV_SESSION + slot, value, sizeof(value), &len) == PP_OK &&
        open_value(r, slot, value, &len, &clear) == PP_OK) {
        (void)!pp_tls_kept_unpack(&r->sessions.kept[slot], port->wall_s(port->ctx),
                                  port->now_ms(port->ctx), clear, len);
    }
    pp_wipe(value, sizeof(value));
}

void pp_relay_start_sessions(struct pp_relay *r)
{
    memset(&r->sessions, 0, sizeof(r->sessions));
    for (uint8_t slot = 0; slot < PP_SMARTHOSTS && r->config.keep_sessions == PP_KEEP_FLASH;
         slot++) {
        read_one(r, slot);
    }
}

/* ---- writing ---- */

static enum pp_err seal_value(const struct pp_relay *r, uint8_t slot, uint8_t *value, size_t *len)
{
    const uint8_t extra[2] = {SEALED, slot};
    uint8_t *clear = value + 1 + PP_SEAL_NONCE_BYTES;
    uint8_t key[32];
    bool has_key = get_seal_key(r, key);
    enum pp_err err = PP_OK;

    value[0] = has_key ? SEALED : PLAIN;
    if (has_key) {
        err = pp_random(value + 1, PP_SEAL_NONCE_BYTES);
        if (err == PP_OK) {
            err = pp_seal(key, value + 1, extra, sizeof(extra), clear, *len, clear + *len);
        }
        *len += 1 + SEAL_BYTES;
    } else {
        memmove(value + 1, clear, *len);
        *len += 1;
    }
    pp_wipe(key, sizeof(key));
    return err;
}

static enum pp_err write_one(struct pp_relay *r, uint8_t slot)
{
    const struct pp_port *port = r->port;
    const struct pp_tls_kept_session *kept = &r->sessions.kept[slot];
    uint8_t value[PP_KV_VALUE_MAX];
    size_t cap = pp_kv_value_max(&r->kv) < sizeof(value) ? pp_kv_value_max(&r->kv) : sizeof(value);
    size_t len = 0;
    enum pp_err err = PP_ERR_TOO_BIG;

    if (kept->session_len == 0) {
        err = pp_kv_remove(&r->kv, PP_KV_SESSION + slot);
        return err == PP_ERR_NOT_FOUND ? PP_OK : err;
    }
    if (cap > 1 + SEAL_BYTES) {
        err = pp_tls_kept_pack(kept, port->wall_s(port->ctx), port->now_ms(port->ctx),
                               value + 1 + PP_SEAL_NONCE_BYTES, cap - 1 - SEAL_BYTES, &len);
    }
    if (err == PP_OK) {
        err = seal_value(r, slot, value, &len);
    }
    if (err == PP_OK) {
        err = pp_kv_put(&r->kv, PP_KV_SESSION + slot, value, len);
    }
    pp_wipe(value, sizeof(value));
    return err;
}

static void write_due(struct pp_relay *r, uint8_t slot, pp_time_ms now_ms)
{
    struct pp_relay_sessions *s = &r->sessions;
    uint32_t changes = s->kept[slot].changes;

    if (changes == s->written[slot] || now_ms < s->write_at_ms[slot]) {
        return;
    }
    enum pp_err err = write_one(r, slot);
    if (err == PP_ERR_LATER) {
        return;
    }
    if (err != PP_OK) {
        pp_relay_log_not_kept(r, "TLS session", err);
    }
    s->written[slot] = changes;
    s->write_at_ms[slot] = pp_time_add(now_ms, WRITE_EVERY_MS);
}

/* Secrets that nobody wants any more do not stay. */
static void clear_flash(struct pp_relay *r)
{
    for (uint8_t slot = 0; slot < PP_SMARTHOSTS; slot++) {
        enum pp_err err = pp_kv_remove(&r->kv, PP_KV_SESSION + slot);
        if (err == PP_ERR_LATER) {
            return;
        }
        r->sessions.written[slot] = 0;
    }
    r->sessions.cleared = true;
}

void pp_relay_turn_sessions(struct pp_relay *r, pp_time_ms now_ms)
{
    struct pp_relay_sessions *s = &r->sessions;

    for (uint8_t slot = 0; slot < PP_SMARTHOSTS && r->config.keep_sessions == PP_KEEP_NO; slot++) {
        pp_tls_kept_forget(&s->kept[slot]);
    }
    if (r->kv.failed || r->queue.ring.failed || !pp_relay_may_put(r)) {
        return;
    }
    if (r->config.keep_sessions != PP_KEEP_FLASH && !s->cleared) {
        clear_flash(r);
    }
    for (uint8_t slot = 0; slot < PP_SMARTHOSTS && r->config.keep_sessions == PP_KEEP_FLASH;
         slot++) {
        s->cleared = false;
        write_due(r, slot, now_ms);
    }
}
