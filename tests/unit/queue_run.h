/*
 * queue_run.h - one run of random work: its medium, its model, its mounts
 *
 * Job:      draw a geometry and what fails on it; mount, with and without a cut, and see that each
 *           message is in a state that it may be in.
 * Not here: the work between the mounts (test_queue_random.c).
 */
#ifndef PP_TEST_QUEUE_RUN_H
#define PP_TEST_QUEUE_RUN_H

#include "queue/record.h"
#include "queue_history.h"

#define MESSAGES 160
#define STREAMS  4
#define NESTED   3
#define TRIES    2000
#define MOUNTS   20

struct stream {
    struct pp_queue_writer *writer; /* NULL: none open */
    struct model_message message;
    uint32_t done;
    uint32_t recipients_done;
};

struct run {
    struct ram_flash f;
    struct pp_queue_limits limits;
    uint64_t dice;
    struct history *messages;
    size_t count;
    uint32_t next_number;
    uint64_t device;     /* of this medium, once that was durable */
    uint32_t boot_count; /* newest one that was durable */
    bool boot_is_written;
    uint32_t highest_id; /* of the messages that were acknowledged */
    struct stream streams[STREAMS];
    bool calm;            /* cuts are far between: more mail comes in, more is cleaned */
    unsigned lean_mounts; /* since more blocks were free than must be kept */
    bool stuck;           /* see try_again() */
};

static struct {
    uint64_t operations, mounts, cuts, faults, retired, taken, stuck;
} total;

/* ---- chance ---- */

static inline uint32_t roll(struct run *r, uint32_t below)
{
    uint64_t x = r->dice += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    return (uint32_t)((x ^ x >> 31) % below);
}

static inline void make_medium(struct run *r)
{
    static const uint32_t units[] = {1, 1, 4, 16, 256, 512};
    uint32_t block = 512u << roll(r, 8);
    uint32_t unit;
    do
        unit = units[roll(r, 6)];
    while (unit > block / 4);
    uint32_t page = unit;
    while (page < block && (page < 16 || roll(r, 3) > 0))
        page *= 2;
    uint32_t most = 512u * 1024 / block;
    uint32_t count = 4 + roll(r, most < 64 ? most - 3 : 61);
    ram_flash_init(&r->f, unit, page, block, count, roll(r, 2) == 0 ? 0x00 : 0xFF);
    r->f.seed = r->dice;
    r->f.write_through = roll(r, 4) == 0;
    r->f.torn_bits = roll(r, 2) == 0;
    r->f.weak_units = roll(r, 2) == 0 && getenv("PP_WEAK") != NULL;
    r->limits = (struct pp_queue_limits){.message_bytes = 1u << 24,
                                         .recipients = 1000,
                                         .reserve_percent = (uint8_t)(roll(r, 3) * 10)};
}

/* Some blocks that wear out or cannot be programmed any more. */
static inline void break_blocks(struct run *r)
{
    const struct pp_flash *flash = &r->f.flash;
    if (flash->block_count < 16 || roll(r, 3) > 0)
        return;
    for (uint32_t i = 1 + roll(r, 3); i > 0; i--) {
        uint32_t block = roll(r, flash->block_count);
        uint32_t from = roll(r, flash->block_bytes);
        struct ram_fault fault = {.kind = RAM_FAIL_PROGRAM,
                                  .address = (uint64_t)block * flash->block_bytes + from,
                                  .len = flash->block_bytes - from,
                                  .after = roll(r, 20)};
        if (roll(r, 2) == 0)
            ram_flash_wear_out(&r->f, block, roll(r, 4));
        else
            ram_flash_fault(&r->f, fault);
    }
}

/* ---- the model ---- */

/* Nothing goes on without a mount: no power, or a block failed when there was no other. */
static inline bool is_down(const struct run *r)
{
    return r->f.off || (q.ring.failed && r->f.fault_count > 0);
}

static inline void settle(struct run *r)
{
    for (size_t i = 0; i < r->count; i++) {
        struct history *h = &r->messages[i];
        history_settle(h);
        if (h->acknowledged && h->message.id > r->highest_id)
            r->highest_id = h->message.id;
    }
}

static inline void forget_over(struct run *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->count; i++) {
        if (history_is_over(&r->messages[i]))
            continue;
        if (kept < i)
            r->messages[kept] = r->messages[i];
        kept++;
    }
    r->count = kept;
}

static inline enum pp_err sync_all(struct run *r)
{
    enum pp_err err = PP_ERR_LATER;
    while (err == PP_ERR_LATER && !is_down(r))
        err = pp_queue_sync(&q);
    if (err == PP_OK && r->boot_is_written) {
        r->boot_count = q.boot_count;
        r->device = q.device;
    }
    settle(r);
    return err;
}

/* True when something was won that is worth another try. */
static inline bool make_room(struct run *r)
{
    for (unsigned i = 0; i < TRIES; i++) {
        if (sync_all(r) != PP_OK)
            return false;
        bool more = pp_queue_clean(&q);
        settle(r);
        if (!more && !pp_queue_wants_sync(&q))
            return true;
    }
    return true;
}

static inline void check_now(struct run *r)
{
    size_t there = 0;
    size_t writing = 0;
    for (size_t i = 0; i < r->count; i++) {
        history_check(&r->messages[i]);
        there += history_is_there(&r->messages[i]);
    }
    for (unsigned i = 0; i < STREAMS; i++)
        writing += r->streams[i].writer != NULL;
    assert_int_equal(q.entry_count, there + writing + q.ended_count);
    assert_int_equal(q.messages_damaged, 0);
}

/* ---- mounts ---- */

static inline void mount(struct run *r, bool clean)
{
    for (unsigned i = 0; i < STREAMS; i++)
        r->streams[i].writer = NULL;
    for (unsigned nested = 0;; nested++) {
        total.mounts++;
        r->lean_mounts++;
        if (nested < NESTED && !r->calm && roll(r, 3) > 0)
            r->f.cut_at = r->f.operations + 1 + roll(r, 12);
        enum pp_err err = pp_queue_mount(&q, &r->f.flash, &r->limits);
        if (!is_down(r)) {
            assert_int_equal(err, PP_OK);
            break;
        }
        assert_true(nested < MOUNTS);
        clean = false;
        total.cuts++;
        ram_power_on(&r->f);
    }
    for (size_t i = 0; i < r->count; i++)
        history_follow(&r->messages[i], clean);
    check_now(r);
    /* On a full medium it is left out. */
    r->boot_is_written = q.ring.head_lap != 0 && q.boot_lap == q.ring.head_lap;
    assert_true(q.boot_count > r->boot_count);
    if (r->device != 0)
        assert_true(q.device == r->device);
}

static inline void cut_and_mount(struct run *r)
{
    total.cuts++;
    ram_power_on(&r->f);
    mount(r, false);
}

/* The daemon is restarted; nothing else happens to the machine. */
static inline void restart(struct run *r)
{
    bool synced = roll(r, 2) == 0 && sync_all(r) == PP_OK && q.ended_count == 0;
    if (is_down(r))
        return;
    /* As the port does before it hands a medium out. */
    int done = r->f.flash.sync_begin(&r->f);
    while (done == 0)
        done = r->f.flash.sync_done(&r->f);
    assert_int_equal(done, 1);
    r->f.cut_at = 0;
    mount(r, synced);
}

/* What was not synced when a sync failed is lost, or not, as after a cut. */
static inline void fail_sync(struct run *r)
{
    struct pp_queue_writer *w;
    const struct pp_envelope e = {.sender = {"a@b", 3}};
    r->f.broken_sync = true;
    enum pp_err err = sync_all(r);
    if (err == PP_ERR_FLASH)
        assert_int_equal(pp_queue_open(&q, &e, 0, 0, &w), PP_ERR_FLASH);
    r->f.broken_sync = false;
    if (err == PP_ERR_FLASH || is_down(r))
        cut_and_mount(r);
}

#endif
