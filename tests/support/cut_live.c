/*
 * cut_live.c - the power goes at every operation of a workload: what the live queue does
 *
 * Job:      calls of the live queue that a workload is made of.
 * Not here: single messages (cut_model.c), cuts (cut.c).
 */
#include "support/cut.h"

uint64_t cut_random(struct cut *c)
{
    c->random = c->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return c->random >> 33;
}

bool cut_add(struct cut *c, uint32_t size_bytes, uint32_t recipients)
{
    struct cut_message *msg = cut_open(&c->model, size_bytes, recipients, PP_SEVERITY_INFO);
    bool taken = msg != NULL && cut_seal(&c->model, msg);
    cut_require_good(c);
    return taken;
}

void cut_deliver(struct cut *c, struct cut_message *msg)
{
    cut_results(&c->model, msg, 0, msg->recipients, PP_OUTCOME_DELIVERED);
    cut_require_good(c);
}

static enum pp_err sync_to_its_end(struct cut *c)
{
    enum pp_err err;
    do
        err = pp_queue_sync(c->queue);
    while (err == PP_ERR_LATER);
    if (err == PP_OK)
        cut_synced(&c->model);
    return err;
}

void cut_sync(struct cut *c)
{
    enum pp_err err = sync_to_its_end(c);
    if (err != PP_OK)
        cut_problem(&c->model, "a sync says %s", pp_err_text(err));
    cut_require_good(c);
}

void cut_clean(struct cut *c)
{
    (void)pp_queue_clean(c->queue);
    cut_require_good(c);
}

void cut_rest(struct cut *c)
{
    for (unsigned i = 0; i < 10000; i++) {
        bool more = pp_queue_clean(c->queue);
        if (!more && !pp_queue_wants_sync(c->queue))
            return;
        if (pp_queue_wants_sync(c->queue))
            cut_sync(c);
    }
    cut_problem(&c->model, "cleaning does not come to rest");
    cut_require_good(c);
}

/* Mount the live queue again. What was not sure before is not promised by what was. */
static void start_again(struct cut *c)
{
    c->model.frozen = true;
    cut_start(c);
    cut_check(&c->model, c->queue);
    cut_require_good(c);
    cut_adopt(&c->model);
    c->model.frozen = false;
    cut_require_good(c);
}

void cut_restart(struct cut *c)
{
    cut_settle(&c->model);
    c->flash[0].seed = cut_random(c);
    c->flash[0].read_seed = cut_random(c);
    ram_power_on(&c->flash[0]);
    start_again(c);
}

void cut_sync_or_remount(struct cut *c)
{
    const struct pp_flash *flash = &c->flash[0].flash;
    if (sync_to_its_end(c) == PP_OK)
        return;
    cut_settle(&c->model);
    /* A port syncs a medium before it hands it out. */
    int done = flash->sync_begin(flash->ctx);
    while (done == 0)
        done = flash->sync_done(flash->ctx);
    if (done < 0)
        cut_problem(&c->model, "the medium fails to sync once more than it was to");
    start_again(c);
}
