/*
 * relay_kept.c - what the relay keeps beside the mail: time floor, random seed
 *
 * Job:      the medium's two parts; the small key-value, mounted before anything is written and
 *           synced with the queue; a new seed at each start; the latest time once a day.
 * Not here: the loop (relay.c), how values lie in flash (store/kv.h).
 *
 * A seed must not be used twice. So the next one is made of the kept one and of fresh randomness,
 * and only when it is durable in its place the kept one is stirred into the generator. No
 * connection is opened before. Nothing depends on it alone: the machine's own entropy is asked for
 * at each start, and all of it or none is had.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/crypto.h"
#include "relay.h"
#include "store/ring_format.h"
#include "wire/tls.h"

#define DAY_S         86400
#define LOOK_EVERY_MS (60u * 60 * 1000) /* at the clock: it may have been set since */
#define FLOOR_BYTES   8u

static const char next_label[] = "pinpost: the next seed";

/* ---- mounting ---- */

/* A sound header of the log: what lies beside it is ours too. */
static bool log_is_ours(const struct pp_flash *flash)
{
    uint8_t bytes[PP_RING_BLOCK_HEADER_BYTES];
    struct pp_ring_block block;
    for (uint32_t number = 0; number < flash->block_count; number++) {
        uint64_t address = (uint64_t)number * flash->block_bytes;
        if (flash->read(flash->ctx, address, bytes, sizeof(bytes)) >= 0 &&
            pp_ring_block_decode(flash, number, bytes, &block) == PP_RING_HEADER_GOOD)
            return true;
    }
    return false;
}

static void on_sync(void *ctx, bool done)
{
    struct pp_relay *r = ctx;
    if (!done) {
        pp_kv_sync_begun(&r->kv);
        return;
    }
    r->kept.synced = true;
    (void)!pp_kv_synced(&r->kv); /* when it fails, it is never durable: see settle_seed() */
}

enum pp_err pp_relay_mount_kept(struct pp_relay *r)
{
    const struct pp_flash *whole = &r->port->flash;
    struct pp_store_split split;
    enum pp_err err = pp_store_split(whole, &split);
    r->kept = (struct pp_relay_kept){.step = PP_KEPT_WANTS_SEED};
    if (err != PP_OK)
        return err;
    pp_flash_part_init(&r->log_part, whole, 0, split.log_blocks);
    pp_flash_part_init(&r->kv_part, whole, split.log_blocks, split.kv_blocks);
    r->log_part.on_sync = on_sync;
    r->log_part.on_sync_ctx = r;
    err = pp_kv_mount(&r->kv, &r->kv_part.flash, false);
    if (err == PP_ERR_VERSION && log_is_ours(&r->log_part.flash))
        err = pp_kv_mount(&r->kv, &r->kv_part.flash, true);
    /* Mail goes on without what cannot be read. */
    return err == PP_ERR_FLASH ? PP_OK : err;
}

static void log_damage(struct pp_relay *r)
{
    const struct pp_kv_report *report = &r->kv.report;
    struct pp_log_line line;
    if (!r->kv.failed &&
        report->halves_lost + report->records_damaged + report->values_damaged == 0)
        return;
    pp_log_begin(&line, &r->log, PP_LOG_WARN, 0, "kept_damaged");
    pp_log_u64(&line, "halves_lost", report->halves_lost);
    pp_log_u64(&line, "records_damaged", report->records_damaged);
    pp_log_u64(&line, "values_damaged", report->values_damaged);
    pp_log_u64(&line, "values_lost", report->values_lost);
    pp_log_end(&line);
}

void pp_relay_start_kept(struct pp_relay *r)
{
    struct pp_relay_kept *k = &r->kept;
    uint8_t floor[FLOOR_BYTES];
    size_t len;
    if (pp_kv_get(&r->kv, PP_KV_TIME_FLOOR, floor, sizeof(floor), &len) == PP_OK &&
        len == sizeof(floor))
        k->floor_s = (int64_t)(pp_le64_get(floor) & INT64_MAX);
    pp_tls_time_floor(k->floor_s);
    k->has_seed = pp_kv_get(&r->kv, PP_KV_RANDOM_SEED, k->seed, sizeof(k->seed), &len) == PP_OK &&
                  len == sizeof(k->seed);
    log_damage(r);
}

/* ---- each turn ---- */

bool pp_relay_may_put(const struct pp_relay *r)
{
    return !r->queue.ring.virgin && (r->kept.synced || r->kv.current != PP_KV_NO_HALF);
}

void pp_relay_log_not_kept(const struct pp_relay *r, const char *what_z, enum pp_err err)
{
    struct pp_log_line line;
    pp_log_begin(&line, &r->log, PP_LOG_WARN, 0, "not_kept");
    pp_log_z(&line, "what", what_z);
    pp_log_err(&line, err);
    pp_log_end(&line);
}

static enum pp_err put_next_seed(struct pp_relay *r)
{
    uint8_t material[sizeof(next_label) + 2 * PP_SEED_BYTES];
    uint8_t next[PP_SEED_BYTES];
    memcpy(material, next_label, sizeof(next_label));
    memcpy(material + sizeof(next_label), r->kept.seed, PP_SEED_BYTES);
    enum pp_err err = pp_random(material + sizeof(next_label) + PP_SEED_BYTES, PP_SEED_BYTES);
    if (err == PP_OK)
        err = pp_sha256(material, sizeof(material), next);
    if (err == PP_OK)
        err = pp_kv_put(&r->kv, PP_KV_RANDOM_SEED, next, sizeof(next));
    pp_wipe(material, sizeof(material));
    pp_wipe(next, sizeof(next));
    return err;
}

static void settled(struct pp_relay *r)
{
    pp_wipe(r->kept.seed, sizeof(r->kept.seed));
    r->kept.step = PP_KEPT_SETTLED;
}

static void settle_seed(struct pp_relay *r)
{
    struct pp_relay_kept *k = &r->kept;
    enum pp_err err = PP_ERR_LATER;
    if (r->kv.failed || r->queue.ring.failed)
        err = PP_ERR_FLASH;
    else if (k->step == PP_KEPT_WANTS_SEED && pp_relay_may_put(r))
        err = put_next_seed(r);
    else if (k->step == PP_KEPT_AWAITS_SYNC && pp_kv_is_durable(&r->kv))
        err = k->has_seed ? pp_crypto_stir(k->seed, sizeof(k->seed)) : PP_OK;
    if (err == PP_ERR_LATER)
        return;
    if (err != PP_OK)
        pp_relay_log_not_kept(r, "seed", err);
    if (err == PP_OK && k->step == PP_KEPT_WANTS_SEED)
        k->step = PP_KEPT_AWAITS_SYNC;
    else
        settled(r);
}

/* A clock that was wrong once, and is right now, must not shut certificates out for years: a
 * known one is believed, backwards too. */
static bool is_floor_due(const struct pp_relay_kept *k, int64_t wall_s)
{
    if (k->floor_kept)
        return wall_s >= k->floor_s + DAY_S || wall_s < k->floor_s - DAY_S;
    return wall_s > k->floor_s || wall_s < k->floor_s - DAY_S;
}

static void keep_floor(struct pp_relay *r, pp_time_ms now_ms)
{
    struct pp_relay_kept *k = &r->kept;
    uint8_t floor[FLOOR_BYTES];
    int64_t wall_s = r->port->wall_s(r->port->ctx);
    if (now_ms < k->look_at_ms && !k->floor_waits)
        return;
    k->look_at_ms = pp_time_add(now_ms, LOOK_EVERY_MS);
    k->floor_waits = false;
    if (r->kv.failed || wall_s < PP_WALL_FLOOR_S || !is_floor_due(k, wall_s))
        return;
    pp_le64_put(floor, (uint64_t)wall_s);
    enum pp_err err = PP_ERR_LATER;
    if (pp_relay_may_put(r))
        err = pp_kv_put(&r->kv, PP_KV_TIME_FLOOR, floor, sizeof(floor));
    k->floor_waits = err == PP_ERR_LATER;
    if (k->floor_waits)
        return;
    if (err != PP_OK)
        pp_relay_log_not_kept(r, "time floor", err);
    k->floor_s = wall_s;
    k->floor_kept = true;
    pp_tls_time_floor(wall_s);
}

void pp_relay_turn_kept(struct pp_relay *r, pp_time_ms now_ms)
{
    if (r->kept.step != PP_KEPT_SETTLED)
        settle_seed(r);
    keep_floor(r, now_ms);
    if (pp_kv_wants_sync(&r->kv))
        pp_queue_want_sync(&r->queue);
}

bool pp_relay_kept_settled(const struct pp_relay *r)
{
    return r->kept.step == PP_KEPT_SETTLED || !r->kept.has_seed;
}
