/*
 * test_queue_random.c - a model check: random work on a random medium, cut at random
 *
 * Each seed makes a geometry and then some hundred operations: writers interleaved and given up,
 * results, hold, send again, remove, cleaning, syncs that take their time or fail, restarts with
 * and without a power cut, cuts in the recovery from cuts. After each mount every message must be
 * in one of the states that queue_history.h allows, and nothing else may be there.
 *
 * PP_SEEDS=100000 for a night; PP_SEED=n for one seed, as a failure prints it, with both n and
 * those behind it. PP_WEAK=1: cells that a cut left between two levels waver, too.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "queue_run.h"

/* There in a build with AddressSanitizer. */
extern void __asan_init(void) __attribute__((weak));

#define SEEDS      2000
#define SEEDS_ASAN 300
#define OPERATIONS 400
#define RESULTS    6

static uint64_t running_seed;

/* ---- taking in ---- */

static uint32_t some_size(struct run *r)
{
    uint64_t medium = (uint64_t)r->f.flash.block_bytes * r->f.flash.block_count;
    switch (roll(r, 8)) {
    case 0:
        return 0;
    case 1:
        return roll(r, 2 * r->f.flash.block_bytes);
    case 2:
        return roll(r, (uint32_t)(medium / 3));
    default:
        return roll(r, r->f.flash.block_bytes / 2);
    }
}

static void begin(struct run *r)
{
    struct stream *s = &r->streams[roll(r, STREAMS)];
    const struct pp_envelope e = {.kind = PP_KIND_MESSAGE,
                                  .severity = (enum pp_severity)roll(r, 4),
                                  .sender = pp_text_z("sender@example.org"),
                                  .origin = pp_text_z("test")};
    if (s->writer != NULL || r->count + STREAMS >= MESSAGES)
        return;
    memset(s, 0, sizeof(*s));
    s->message.number = r->next_number++;
    s->message.size_bytes = some_size(r);
    s->message.recipients = 1 + roll(r, roll(r, 6) == 0 ? HISTORY_RECIPIENTS : 4);
    enum pp_err err =
        pp_queue_open(&q, &e, roll(r, 2) == 0 ? 0 : s->message.size_bytes, 1000, &s->writer);
    if (err != PP_OK) {
        assert_true(err == PP_ERR_FULL || err == PP_ERR_TOO_BIG || is_down(r));
        s->writer = NULL;
        return;
    }
    assert_true(s->writer->id > r->highest_id);
}

/* The message that had this id, was never acknowledged, and was lost in a cut; NULL: none. */
static struct history *history_of(struct run *r, uint32_t id)
{
    for (size_t i = 0; i < r->count; i++) {
        struct history *h = &r->messages[i];
        if (h->message.id != id)
            continue;
        assert_false(h->acknowledged || history_is_there(h));
        return h;
    }
    return NULL;
}

static void seal(struct run *r, struct stream *s)
{
    struct pp_ticket ticket;
    enum pp_err err = pp_queue_seal(&q, s->writer, 0, &ticket);
    s->writer = NULL;
    if (err != PP_OK) {
        assert_true(err == PP_ERR_FULL || is_down(r));
        return;
    }
    struct history *h = history_of(r, ticket.id);
    if (h == NULL)
        h = &r->messages[r->count++];
    total.taken++;
    h->message = s->message;
    h->message.id = ticket.id;
    history_begin(h);
    assert_int_equal(pp_queue_ticket(&q, &ticket), PP_TICKET_PENDING);
}

/* Some more of one stream; its end when nothing is left. */
static void go_on(struct run *r)
{
    struct stream *s = &r->streams[roll(r, STREAMS)];
    uint8_t piece[3000];
    char address[100];
    if (s->writer == NULL)
        return;
    for (; s->recipients_done < s->message.recipients; s->recipients_done++) {
        size_t len = model_address(&s->message, s->recipients_done, address, sizeof(address));
        (void)!pp_queue_recipient(&q, s->writer, pp_text_n(address, len));
    }
    for (uint32_t i = 1 + roll(r, 8); i > 0 && s->done < s->message.size_bytes; i--) {
        uint32_t take = 1 + roll(r, sizeof(piece));
        if (take > s->message.size_bytes - s->done)
            take = s->message.size_bytes - s->done;
        for (uint32_t k = 0; k < take; k++)
            piece[k] = model_byte(&s->message, s->done + k);
        (void)!pp_queue_write(&q, s->writer, piece, take);
        s->done += take;
    }
    if (s->done == s->message.size_bytes)
        seal(r, s);
}

static void give_up(struct run *r)
{
    struct stream *s = &r->streams[roll(r, STREAMS)];
    if (s->writer != NULL)
        pp_queue_abort(&q, s->writer);
    s->writer = NULL;
}

/* ---- what becomes of messages ---- */

static struct history *pick(struct run *r)
{
    for (unsigned i = 0; i < 4 && r->count > 0; i++) {
        struct history *h = &r->messages[roll(r, (uint32_t)r->count)];
        if (history_is_there(h))
            return h;
    }
    return NULL;
}

/*
 * Room for what became of a message can always be made: when it could not be written down, once
 * more behind a sync and cleaning. True when it is to be tried again. Not so when mounts in a row
 * have each used up a block before cleaning came to win one back: then the seed ends here.
 */
static bool try_again(struct run *r, enum pp_err err, unsigned tries)
{
    if (is_down(r) || err == PP_OK)
        return false;
    assert_int_equal(err, PP_ERR_FULL);
    if (tries == 3 && (pp_ring_spare_blocks(&q.ring) > 0 || r->lean_mounts == 0))
        fail_msg("no room for what became of a message in %u blocks of %u; %u are free",
                 r->f.flash.block_count, r->f.flash.block_bytes, pp_ring_free_blocks(&q.ring));
    r->stuck = tries == 3;
    if (r->stuck)
        return false;
    return make_room(r);
}

/*
 * A state that was written, or was about to be when the power went. The count of attempts is
 * written with it, or not at all while room is short.
 */
static struct history_state *written(const struct run *r, struct history *h)
{
    const struct pp_queue_entry *entry = pp_queue_find(&q, h->message.id);
    struct history_state *s = history_push(h);
    if (!is_down(r) && entry != NULL && pp_place_before(h->last_result, entry->last_result))
        s->attempts = h->attempts;
    return s;
}

static void ended(const struct run *r, struct history *h)
{
    written(r, h)->there = false;
    h->end_is_owed = q.ended_count > 0;
}

static unsigned make_results(struct run *r, const struct history *h, struct pp_result *list,
                             char (*replies)[500], uint8_t *outcomes)
{
    unsigned count = 1 + roll(r, RESULTS);
    bool goes_well = roll(r, 3) > 0;
    for (unsigned i = 0; i < count; i++) {
        uint16_t to = (uint16_t)roll(r, h->message.recipients);
        enum pp_outcome outcome = goes_well ? PP_OUTCOME_DELIVERED : (enum pp_outcome)roll(r, 3);
        size_t len = history_reply(h, to, roll(r, roll(r, 3) == 0 ? 420 : 10), replies[i], 500);
        list[i] = (struct pp_result){to, outcome, {replies[i], roll(r, 3) == 0 ? 0 : len}};
        if (outcomes[to] != PP_OUTCOME_DELIVERED)
            outcomes[to] = (uint8_t)outcome;
    }
    return count;
}

static void results(struct run *r, struct history *h)
{
    struct pp_result list[RESULTS];
    char replies[RESULTS][500];
    uint32_t id = h->message.id;
    uint8_t outcomes[HISTORY_RECIPIENTS];
    memcpy(outcomes, history_newest(h)->outcomes, sizeof(outcomes));
    unsigned count = make_results(r, h, list, replies, outcomes);
    enum pp_err err = pp_queue_results(&q, id, list, count);
    for (unsigned tries = 0; pp_queue_find(&q, id) != NULL && try_again(r, err, tries); tries++)
        err = pp_queue_results(&q, id, list, count);
    if (pp_queue_find(&q, id) == NULL)
        ended(r, h);
    else
        memcpy(written(r, h)->outcomes, outcomes, sizeof(outcomes));
}

static void attempted(struct run *r, struct history *h)
{
    enum pp_err err = pp_queue_attempted(&q, h->message.id);
    assert_true(err == PP_OK || err == PP_ERR_FULL || is_down(r));
    h->attempts++;
    if (h->attempts > h->attempts_most)
        h->attempts_most = h->attempts;
    (void)written(r, h);
}

static void hold(struct run *r, struct history *h)
{
    bool held = !history_newest(h)->held;
    enum pp_err err = pp_queue_hold(&q, h->message.id, held);
    for (unsigned tries = 0; try_again(r, err, tries); tries++)
        err = pp_queue_hold(&q, h->message.id, held);
    written(r, h)->held = held;
}

static void send_again(struct run *r, struct history *h)
{
    enum pp_err err = pp_queue_requeue(&q, h->message.id);
    for (unsigned tries = 0; try_again(r, err, tries); tries++)
        err = pp_queue_requeue(&q, h->message.id);
    struct history_state *s = written(r, h);
    for (uint32_t i = 0; i < h->message.recipients; i++) {
        if (s->outcomes[i] == PP_OUTCOME_FAILED)
            s->outcomes[i] = PP_OUTCOME_OPEN;
    }
}

static void remove_it(struct run *r, struct history *h)
{
    enum pp_err err = pp_queue_remove(&q, h->message.id);
    for (unsigned tries = 0; try_again(r, err, tries); tries++)
        err = pp_queue_remove(&q, h->message.id);
    written(r, h)->there = false;
}

static void change(struct run *r)
{
    struct history *h = pick(r);
    if (h == NULL)
        return;
    h->last_result = pp_queue_find(&q, h->message.id)->last_result;
    switch (roll(r, 12)) {
    case 0:
        hold(r, h);
        break;
    case 1:
        send_again(r, h);
        break;
    case 2:
        remove_it(r, h);
        break;
    case 3:
    case 4:
        attempted(r, h);
        break;
    default:
        results(r, h);
    }
}

/* ---- one seed ---- */

/* Each state takes room in the model; a sync makes it. */
static bool is_long(const struct run *r)
{
    for (size_t i = 0; i < r->count; i++) {
        if (r->messages[i].count > HISTORY_STATES / 2)
            return true;
    }
    return false;
}

static void work(struct run *r)
{
    uint32_t what = roll(r, 100);
    if (what < 15)
        begin(r);
    else if (what < 40)
        go_on(r);
    else if (what < 42)
        give_up(r);
    else if (what < 65)
        change(r);
    else if (what < 80)
        (void)pp_queue_clean(&q);
    else if (what < 92)
        (void)!pp_queue_sync(&q);
    else if (what < 94)
        r->f.lazy_sync = !r->f.lazy_sync;
    else if (what < 96)
        check_now(r);
    else if (what < 97)
        fail_sync(r);
    else if (what < 98)
        restart(r);
    else if (r->f.cut_at == 0 && (!r->calm || roll(r, 8) == 0))
        r->f.cut_at = r->f.operations + 1 + roll(r, 40);
}

/* All is delivered: then there is room again for a message of an eighth of the medium. */
static void drain(struct run *r)
{
    const struct pp_envelope e = {.severity = PP_SEVERITY_CRITICAL, .sender = {"a@b", 3}};
    struct pp_queue_writer *w;
    r->f.cut_at = 0;
    for (unsigned i = 0; i < STREAMS; i++) {
        if (r->streams[i].writer != NULL)
            pp_queue_abort(&q, r->streams[i].writer);
        r->streams[i].writer = NULL;
    }
    for (size_t i = 0; i < r->count; i++) {
        if (history_is_there(&r->messages[i]))
            remove_it(r, &r->messages[i]);
        if (r->stuck)
            return;
        settle(r);
    }
    assert_true(make_room(r));
    forget_over(r);
    check_now(r);
    assert_int_equal(q.entry_count, 0);
    if (r->f.flash.block_count < 12 || r->f.flash.block_bytes < 4096)
        return;
    enum pp_err err = pp_queue_open(&q, &e, r->f.bytes / 8, 0, &w);
    if (err != PP_OK)
        fail_msg(
            "an empty queue of %u blocks of %u refuses a message of an eighth: %d; %u are free",
            r->f.flash.block_count, r->f.flash.block_bytes, err, pp_ring_free_blocks(&q.ring));
    pp_queue_abort(&q, w);
}

static void run(uint64_t seed)
{
    struct run r;
    memset(&r, 0, sizeof(r));
    r.dice = seed * 7919;
    r.calm = roll(&r, 2) == 0;
    make_medium(&r);
    break_blocks(&r);
    r.messages = calloc(MESSAGES, sizeof(*r.messages));
    mount(&r, false);
    for (unsigned i = 0; i < (r.calm ? 3 : 1) * OPERATIONS && !r.stuck; i++) {
        if (is_long(&r))
            (void)!sync_all(&r);
        else
            work(&r);
        settle(&r);
        forget_over(&r);
        if (pp_ring_spare_blocks(&q.ring) > pp_queue_blocks_kept(&q))
            r.lean_mounts = 0;
        if (is_down(&r))
            cut_and_mount(&r);
    }
    if (!r.stuck)
        drain(&r);
    total.stuck += r.stuck;
    assert_int_equal(r.f.rules_broken, 0);
    total.operations += r.f.operations;
    total.faults += r.f.faults_hit;
    total.retired += q.ring.retired.count;
    free(r.messages);
    ram_flash_free(&r.f);
}

static void every_seed_keeps_every_promise(void **state)
{
    const char *count_z = getenv("PP_SEEDS");
    const char *one_z = getenv("PP_SEED");
    uint64_t count = __asan_init != NULL ? SEEDS_ASAN : SEEDS;
    uint64_t first = 1;
    (void)state;
    if (one_z != NULL) {
        first = strtoull(one_z, NULL, 10);
        count = 1;
    }
    if (count_z != NULL)
        count = strtoull(count_z, NULL, 10);
    for (running_seed = first; running_seed < first + count; running_seed++)
        run(running_seed);
    running_seed = 0;
    (void)printf("%llu seeds: %llu messages, %llu programs and erases, %llu mounts, %llu cuts, "
                 "%llu faults, %llu blocks retired, %llu ran out of blocks\n",
                 count + 0ull, total.taken + 0ull, total.operations + 0ull, total.mounts + 0ull,
                 total.cuts + 0ull, total.faults + 0ull, total.retired + 0ull, total.stuck + 0ull);
}

/* ---- what to type after a failure ---- */

/* There in a build with AddressSanitizer. */
extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void tell_seed(void)
{
    if (running_seed != 0)
        (void)fprintf(stderr, "replay: PP_SEED=%llu build/host/tests/unit/test_queue_random\n",
                      (unsigned long long)running_seed);
}

static void on_abort(int number)
{
    tell_seed();
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static int tell_failed_seed(void **state)
{
    (void)state;
    tell_seed();
    return 0;
}

int main(void)
{

    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_seed_keeps_every_promise, tell_failed_seed),
    };
    (void)signal(SIGABRT, on_abort);
    if (__sanitizer_set_death_callback != NULL)
        __sanitizer_set_death_callback(tell_seed);
    return cmocka_run_group_tests_name("queue_random", tests, NULL, NULL);
}
