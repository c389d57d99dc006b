/*
 * mixed_mail.h - the life of a busy queue: all sizes, failed attempts, messages that wait, restarts
 *
 * Job:      pass many messages; the same each time it is run.
 */
#ifndef PP_BENCH_MIXED_MAIL_H
#define PP_BENCH_MIXED_MAIL_H

#include <string.h>

#include "count_flash.h"
#include "mail.h"

#define MIXED_WAITING 256  /* at the most */
#define MIXED_STAYS   4000 /* messages that come in while one waits */

struct mixed_mail {
    struct pp_queue *q;
    uint64_t seed;
    uint64_t bytes; /* of messages taken in */
    uint32_t waiting_id[MIXED_WAITING];
    uint32_t waiting_until[MIXED_WAITING]; /* that many messages have come in */
    uint64_t waiting_bytes;
    uint32_t waiting_size[MIXED_WAITING];
};

static inline uint32_t mixed_random(struct mixed_mail *m, uint32_t below)
{
    m->seed = m->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((m->seed >> 33) % below);
}

static inline uint32_t mixed_size(struct mixed_mail *m)
{
    uint32_t kind = mixed_random(m, 100);
    if (kind < 60)
        return 100 + mixed_random(m, 900);
    if (kind < 96)
        return 1000 + mixed_random(m, 7000);
    return 8000 + mixed_random(m, 57536);
}

/* Delivers those that have waited long enough. */
static inline void mixed_release(struct mixed_mail *m, uint32_t now)
{
    for (unsigned i = 0; i < MIXED_WAITING; i++) {
        if (m->waiting_id[i] == 0 || m->waiting_until[i] > now)
            continue;
        mail_deliver(m->q, m->waiting_id[i]);
        m->waiting_id[i] = 0;
        m->waiting_bytes -= m->waiting_size[i];
    }
}

/* Keeps a message for long: its first attempts failed. A third of the flash waits at the most. */
static inline bool mixed_keep(struct mixed_mail *m, const struct count_flash *f, uint32_t id,
                              uint32_t size, uint32_t now)
{
    const struct pp_result later = {.recipient = 0,
                                    .outcome = PP_OUTCOME_OPEN,
                                    .reply = pp_text_z("451 4.3.0 mailbox busy, try again later")};
    unsigned i = mixed_random(m, MIXED_WAITING);
    if (m->waiting_id[i] != 0 || m->waiting_bytes + size > f->size / 3)
        return false;
    if (pp_queue_results(m->q, id, &later, 1) != PP_OK || pp_queue_attempted(m->q, id) != PP_OK)
        return false;
    m->waiting_id[i] = id;
    m->waiting_until[i] = now + 1 + mixed_random(m, MIXED_STAYS * 2);
    m->waiting_size[i] = size;
    m->waiting_bytes += size;
    return true;
}

/* Passes `messages` through a blank flash, with a restart after every so many; returns their bytes.
 */
static inline uint64_t mixed_mail_run(struct pp_queue *q, struct count_flash *f, uint32_t messages,
                                      uint32_t restart_every)
{
    static struct mixed_mail m;
    memset(&m, 0, sizeof(m));
    m.q = q;
    mail_mount(q, &f->flash);
    for (uint32_t n = 0; n < messages; n++) {
        uint32_t size = mixed_size(&m);
        uint32_t id;
        for (unsigned tries = 0; mail_add(q, size, &id) != PP_OK; tries++) {
            if (tries == 1000)
                mail_fail("no room comes free", PP_ERR_FULL);
            mail_idle(q);
        }
        m.bytes += size;
        (void)mail_turn(q);
        if (n % 16 != 0 || !mixed_keep(&m, f, id, size, n))
            mail_deliver(q, id);
        (void)mail_turn(q);
        mixed_release(&m, n);
        if (n % restart_every == restart_every - 1) {
            mail_idle(q);
            mail_mount(q, &f->flash);
        }
    }
    mail_idle(q);
    return m.bytes;
}

/* Erases of the least and of the most worn block. */
static inline void mixed_mail_erases(const struct count_flash *f, uint32_t *fewest, uint32_t *most)
{
    *fewest = UINT32_MAX;
    *most = 0;
    for (uint32_t i = 0; i < f->flash.block_count; i++) {
        if (f->block_erases[i] < *fewest)
            *fewest = f->block_erases[i];
        if (f->block_erases[i] > *most)
            *most = f->block_erases[i];
    }
}

#endif
