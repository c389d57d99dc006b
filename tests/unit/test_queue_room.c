/* test_queue_room.c - a queue that is full, is emptied and goes round for many laps */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "queue_model.h"

static const struct ram_geometry geometries[] = {
    {1, 256, 4096, 32, 0xFF},    {16, 16, 4096, 24, 0xFF},   {256, 256, 8192, 32, 0xFF},
    {512, 512, 16384, 16, 0x00}, {1, 4096, 65536, 16, 0x00}, {4, 64, 2048, 64, 0x00},
    {1, 256, 4096, 8, 0xFF},
};
#define GEOMETRIES (sizeof(geometries) / sizeof(geometries[0]))

static uint32_t size_for(const struct model *m, uint32_t i)
{
    return (i * 2654435761u >> 8) % (m->flash.flash.block_bytes * 3 / 2);
}

/* Until the queue says no; returns how many. */
static uint32_t fill(struct model *m, uint32_t salt)
{
    uint32_t count = 0;
    uint32_t refused = 0;
    while (refused < 3) {
        enum pp_err err = model_add(m, size_for(m, salt + count + refused), 1 + count % 3);
        if (err == PP_OK) {
            count++;
        } else {
            assert_int_equal(err, PP_ERR_FULL);
            refused++;
        }
        if (count % 4 == 0)
            model_sync(m);
        model_clean(m);
    }
    return count;
}

static void finish_some(struct model *m, uint32_t keep_every)
{
    for (size_t i = 0; i < m->count; i++) {
        if (m->messages[i].state != MODEL_QUEUED || (keep_every != 0 && i % keep_every == 0))
            continue;
        model_finish(m, m->messages[i].id);
        if (i % 3 == 0)
            model_sync(m);
        (void)pp_queue_clean(&q);
    }
    model_sync(m);
    model_clean(m);
}

static void check_empty(void)
{
    assert_int_equal(q.entry_count, 0);
    for (unsigned i = 0; i < PP_QUEUE_GROUPS; i++)
        assert_true(q.group_bytes[i] == 0);
}

static void fills_and_drains_for_many_laps(void **state)
{
    (void)state;
    for (size_t g = 0; g < GEOMETRIES; g++) {
        struct model m;
        uint32_t most = 0;
        uint32_t least = UINT32_MAX;
        model_init(&m, &geometries[g]);
        for (uint32_t round = 0; round < 30; round++) {
            uint32_t count = fill(&m, 7);
            most = count > most ? count : most;
            least = count < least ? count : least;
            model_check(&m);
            if (round % 4 == 1) {
                model_remount(&m);
                model_check(&m);
            }
            finish_some(&m, 0);
            check_empty();
            model_compact(&m);
        }
        /* No room is lost on the way. On eight blocks it depends on how the sizes fall. */
        assert_true(least > 0);
        assert_true(geometries[g].count == 8 || most <= least + least / 4 + 2);
        assert_true(q.ring.next_lap > 4 * geometries[g].count);
        model_free(&m);
    }
}

static void what_is_stuck_moves_with_the_ring(void **state)
{
    (void)state;
    for (size_t g = 0; g < GEOMETRIES - 1; g++) {
        struct model m;
        model_init(&m, &geometries[g]);
        assert_int_equal(model_add(&m, 1500, 3), PP_OK);
        uint32_t id = m.ticket.id;
        assert_int_equal(model_result(&m, id, 1, PP_OUTCOME_DELIVERED), PP_OK);
        assert_int_equal(model_result(&m, id, 2, PP_OUTCOME_FAILED), PP_OK);
        for (uint32_t round = 0; round < 20; round++) {
            (void)fill(&m, round * 100);
            /* Some stay for another round. */
            finish_some(&m, round % 3 == 0 ? 0 : 5);
            if (round % 3 == 0) {
                /* The stuck one was finished with the rest: begin anew. */
                assert_int_equal(model_add(&m, 1500, 3), PP_OK);
                id = m.ticket.id;
                assert_int_equal(model_result(&m, id, 0, PP_OUTCOME_FAILED), PP_OK);
            }
            model_check(&m);
            if (round % 5 == 2)
                model_remount(&m);
            model_check(&m);
            model_compact(&m);
        }
        assert_true(q.ring.next_lap > 3 * geometries[g].count);
        model_free(&m);
    }
}

/* Almost all is garbage and one old message stands in the way: cleaning begins in time. */
static void one_old_message_does_not_fill_the_medium(void **state)
{
    (void)state;
    for (uint8_t reserve = 0; reserve <= 50; reserve = (uint8_t)(reserve + 10)) {
        struct model m;
        model_init(&m, &(struct ram_geometry){1, 4096, 4096, 128, 0x00});
        m.limits.reserve_percent = reserve;
        pp_queue_set_limits(&q, &m.limits);
        assert_int_equal(model_add(&m, 5000, 1), PP_OK);
        uint32_t old = m.ticket.id;
        for (int i = 0; i < 300; i++) {
            enum pp_err err = model_add(&m, 14400, 1);
            for (int again = 0; err == PP_ERR_FULL && again < 10; again++) {
                (void)pp_queue_clean(&q);
                if (pp_queue_wants_sync(&q))
                    model_sync(&m);
                err = model_add(&m, 14400, 1);
            }
            assert_int_equal(err, PP_OK);
            model_sync(&m);
            model_finish(&m, m.ticket.id);
            (void)pp_queue_clean(&q);
            if (i % 50 == 49)
                model_remount(&m);
        }
        assert_true(pp_queue_find(&q, old)->first.lap > 5 * 128);
        model_check(&m);
        model_free(&m);
    }
}

/* Large messages wait in half of the medium, and others pass: what those leave behind is won back
 * however often the ring goes round. */
static void half_full_is_not_full(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1500, 9000, 30000};
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        struct model m;
        model_init(&m, &(struct ram_geometry){1, 256, 4096, 128, 0xFF});
        for (uint32_t bytes = 0; bytes < 64 * 4096 - sizes[s]; bytes += sizes[s]) {
            assert_int_equal(model_add(&m, sizes[s], 1), PP_OK);
            model_sync(&m);
        }
        while (q.ring.next_lap < 128 * 20) {
            enum pp_err err = model_add(&m, sizes[s], 1);
            if (err == PP_ERR_FULL) {
                model_clean(&m);
                err = model_add(&m, sizes[s], 1);
            }
            assert_int_equal(err, PP_OK);
            model_sync(&m);
            model_finish(&m, m.ticket.id);
            model_sync(&m);
            (void)pp_queue_clean(&q);
        }
        model_check(&m);
        model_free(&m);
    }
}

/* Small messages, each padded to a unit when it was synced, and so again when it moves: moving them
 * ends by itself. */
static void moving_comes_to_rest(void **state)
{
    (void)state;
    static const struct ram_geometry large_units[] = {
        {256, 256, 4096, 128, 0xFF}, {512, 512, 4096, 128, 0x00}, {512, 512, 16384, 32, 0xFF}};
    for (size_t g = 0; g < sizeof(large_units) / sizeof(large_units[0]); g++) {
        for (size_t percent = 30; percent < 100; percent += 20) {
            struct model m;
            model_init(&m, &large_units[g]);
            while (model_add(&m, 200, 1) == PP_OK) {
                model_sync(&m);
                model_clean(&m);
            }
            for (size_t i = m.count; i > m.count * percent / 100; i--) {
                model_finish(&m, m.messages[i - 1].id);
                model_sync(&m);
                model_clean(&m);
            }
            model_check(&m);
            model_free(&m);
        }
    }
}

/* The most that attempts can write, for days, with the queue full: all can still be finished. */
static void attempts_do_not_use_up_the_room(void **state)
{
    (void)state;
    for (size_t g = 0; g < GEOMETRIES; g++) {
        struct model m;
        model_init(&m, &geometries[g]);
        (void)fill(&m, 3);
        for (int round = 0; round < 200; round++) {
            for (size_t i = 0; i < m.count; i++) {
                uint32_t id = m.messages[i].id;
                assert_int_equal(model_result(&m, id, 0, PP_OUTCOME_OPEN), PP_OK);
                assert_int_equal(pp_queue_attempted(&q, id), PP_OK);
            }
            model_sync(&m);
            (void)pp_queue_clean(&q);
        }
        model_check(&m);
        model_clean(&m);
        model_remount(&m);
        model_check(&m);
        finish_some(&m, 0);
        check_empty();
        model_compact(&m);
        assert_true(fill(&m, 3) > 0);
        model_free(&m);
    }
}

static void restarts_do_not_use_up_the_room(void **state)
{
    (void)state;
    for (size_t g = 0; g < GEOMETRIES; g++) {
        struct model m;
        model_init(&m, &geometries[g]);
        (void)fill(&m, 11);
        for (int boot = 0; boot < 60; boot++) {
            /* As after a crash: what was staged is lost, nothing was cleaned. */
            model_remount(&m);
            model_sync(&m);
        }
        model_check(&m);
        model_clean(&m);
        finish_some(&m, 0);
        check_empty();
        model_free(&m);
    }
}

static void the_most_urgent_have_a_reserve(void **state)
{
    (void)state;
    struct model m;
    model_init(&m, &geometries[0]);
    m.limits.reserve_percent = 25;
    pp_queue_set_limits(&q, &m.limits);
    while (model_add(&m, 500, 1) == PP_OK)
        model_sync(&m);
    assert_int_equal(model_add(&m, 500, 1), PP_ERR_FULL);
    uint32_t more = 0;
    while (model_add_severity(&m, 500, 1, PP_SEVERITY_CRITICAL) == PP_OK) {
        model_sync(&m);
        more++;
    }
    assert_true(more > 8 * 5);
    model_check(&m);
    model_free(&m);
}

static void a_message_too_large_for_the_medium_is_refused(void **state)
{
    (void)state;
    struct model m;
    struct pp_queue_writer *w;
    struct pp_ticket ticket;
    const struct pp_envelope e = {.sender = {"a@b", 3}};
    static uint8_t piece[1000];
    enum pp_err err = PP_OK;
    model_init(&m, &geometries[0]);
    assert_int_equal(pp_queue_open(&q, &e, 32 * 4096, 0, &w), PP_ERR_TOO_BIG);
    for (int round = 0; round < 3; round++) {
        /* Undeclared it is refused on the way, and leaves no trace but garbage. */
        assert_int_equal(pp_queue_open(&q, &e, 0, 0, &w), PP_OK);
        assert_int_equal(pp_queue_recipient(&q, w, pp_text_z("a@b")), PP_OK);
        uint32_t bytes = 0;
        while ((err = pp_queue_write(&q, w, piece, sizeof(piece))) == PP_OK)
            bytes += sizeof(piece);
        assert_int_equal(err, PP_ERR_FULL);
        assert_true(bytes > 8 * 4096);
        assert_int_equal(pp_queue_seal(&q, w, 0, &ticket), PP_ERR_FULL);
        model_sync(&m);
        model_clean(&m);
        assert_true(pp_ring_spare_blocks(&q.ring) >= 30);
    }
    check_empty();
    model_free(&m);
}

/* A sender that takes its time must not hold the whole ring. */
static void a_slow_writer_gives_way(void **state)
{
    (void)state;
    struct model m;
    struct pp_queue_writer *w;
    struct pp_ticket ticket;
    const struct pp_envelope e = {.sender = {"a@b", 3}};
    static uint8_t piece[2000];
    model_init(&m, &geometries[0]);
    assert_int_equal(pp_queue_open(&q, &e, 0, 0, &w), PP_OK);
    assert_int_equal(pp_queue_recipient(&q, w, pp_text_z("a@b")), PP_OK);
    assert_int_equal(pp_queue_write(&q, w, piece, sizeof(piece)), PP_OK);
    for (int i = 0; i < 400; i++) {
        enum pp_err err = model_add(&m, 1000, 1);
        if (err == PP_OK)
            model_finish(&m, m.ticket.id);
        else
            assert_int_equal(err, PP_ERR_FULL);
        model_sync(&m);
        model_clean(&m);
    }
    assert_true(q.ring.next_lap > 60);
    assert_int_equal(pp_queue_write(&q, w, piece, 1), PP_ERR_FULL);
    assert_int_equal(pp_queue_seal(&q, w, 0, &ticket), PP_ERR_FULL);
    assert_int_equal(q.entry_count, 0);
    model_free(&m);
}

/* It is sealed while cleaning is at work in the block where it began. */
static void a_message_sealed_late_is_not_cleaned_away(void **state)
{
    (void)state;
    struct model m;
    struct pp_queue_writer *w;
    struct pp_ticket ticket;
    const struct pp_envelope e = {.sender = {"a@b", 3}};
    static struct pp_queue_reader r;
    struct pp_envelope got;
    model_init(&m, &geometries[0]);
    assert_int_equal(pp_queue_open(&q, &e, 0, 0, &w), PP_OK);
    assert_int_equal(pp_queue_recipient(&q, w, pp_text_z("a@b")), PP_OK);
    assert_int_equal(model_add(&m, 1000, 1), PP_OK);
    uint32_t stuck = m.ticket.id;
    for (int i = 0; i < 25 && pp_queue_find(&q, stuck)->first.lap == 1; i++) {
        for (int k = 0; k < 3; k++) {
            assert_int_equal(model_add(&m, 900, 1), PP_OK);
            model_finish(&m, m.ticket.id);
        }
        model_sync(&m);
        (void)pp_queue_clean(&q);
    }
    assert_int_equal(pp_queue_seal(&q, w, 0, &ticket), PP_OK);
    model_sync(&m);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(model_add(&m, 900, 1), PP_OK);
        model_finish(&m, m.ticket.id);
        model_sync(&m);
        model_clean(&m);
    }
    assert_int_equal(pp_queue_reader_open(&q, ticket.id, &r, &got), PP_OK);
    assert_int_equal(pp_queue_mount(&q, &m.flash.flash, &m.limits), PP_OK);
    assert_int_equal(pp_queue_reader_open(&q, ticket.id, &r, &got), PP_OK);
    model_free(&m);
}

/* A queue in which nothing happens writes nothing, however full it is. */
static void rests_when_nothing_happens(void **state)
{
    (void)state;
    for (size_t g = 0; g < GEOMETRIES; g++) {
        struct model m;
        model_init(&m, &geometries[g]);
        (void)fill(&m, 5);
        model_clean(&m);
        uint64_t operations = m.flash.operations;
        for (int i = 0; i < 100; i++)
            assert_false(pp_queue_clean(&q));
        assert_false(pp_queue_wants_sync(&q));
        assert_int_equal(m.flash.operations, operations);
        model_free(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_and_drains_for_many_laps),
        cmocka_unit_test(what_is_stuck_moves_with_the_ring),
        cmocka_unit_test(one_old_message_does_not_fill_the_medium),
        cmocka_unit_test(half_full_is_not_full),
        cmocka_unit_test(moving_comes_to_rest),
        cmocka_unit_test(attempts_do_not_use_up_the_room),
        cmocka_unit_test(restarts_do_not_use_up_the_room),
        cmocka_unit_test(the_most_urgent_have_a_reserve),
        cmocka_unit_test(a_message_too_large_for_the_medium_is_refused),
        cmocka_unit_test(a_slow_writer_gives_way),
        cmocka_unit_test(a_message_sealed_late_is_not_cleaned_away),
        cmocka_unit_test(rests_when_nothing_happens),
    };
    return cmocka_run_group_tests_name("queue_room", tests, NULL, NULL);
}
