/* test_queue.c - messages in flash: taking in, reading back, results, remounts, damage */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/crypto.h"
#include "queue_model.h"
#include "store/ring_private.h"

static const struct ram_geometry geometries[] = {
    {1, 256, 4096, 64, 0xFF},     {4, 256, 4096, 64, 0xFF},    {16, 16, 4096, 64, 0xFF},
    {256, 256, 8192, 64, 0xFF},   {512, 512, 65536, 16, 0x00}, {1, 4096, 65536, 16, 0x00},
    {512, 4096, 16384, 32, 0xFF}, {8, 64, 2048, 96, 0x00},
};
#define GEOMETRIES (sizeof(geometries) / sizeof(geometries[0]))

static const struct pp_envelope envelope = {
    .kind = PP_KIND_MESSAGE,
    .severity = PP_SEVERITY_WARNING,
    .sender = {"a@b", 3},
};

static void keeps_what_came_in(void **state)
{
    (void)state;
    for (size_t g = 0; g < GEOMETRIES; g++) {
        struct model m;
        model_init(&m, &geometries[g]);
        for (uint32_t i = 0; i < 20; i++)
            assert_int_equal(model_add(&m, i * 300 % 4500, 1 + i % 5), PP_OK);
        model_check(&m); /* from the stage */
        model_sync(&m);
        model_check(&m);
        model_remount(&m);
        model_check(&m);
        assert_int_equal(q.messages_damaged, 0);
        assert_int_equal(q.ring.report.records_damaged, 0);
        model_free(&m);
    }
}

/* Two messages that come in at once, turn by turn: each lies in one piece, and is read in few. */
static void a_message_lies_in_one_piece(void **state)
{
    (void)state;
    struct model m;
    struct pp_queue_writer *w[2];
    struct pp_ticket tickets[2];
    static struct pp_queue_reader r;
    struct pp_envelope e = {.kind = PP_KIND_MESSAGE, .sender = pp_text_z("a@example.org")};
    struct pp_text address;
    static const uint8_t content[1500];
    const uint8_t *bytes;
    size_t len;
    model_init(&m, &geometries[0]);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pp_queue_open(&q, &e, 0, 1000, &w[i]), PP_OK);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pp_queue_recipient(&q, w[i], pp_text_z("b@example.org")), PP_OK);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pp_queue_write(&q, w[i], content, sizeof(content)), PP_OK);
        assert_int_equal(pp_queue_seal(&q, w[i], 0, &tickets[i]), PP_OK);
    }
    model_sync(&m);
    const struct pp_queue_entry *first = pp_queue_find(&q, tickets[0].id);
    const struct pp_queue_entry *second = pp_queue_find(&q, tickets[1].id);
    assert_true(first->commit.lap < second->first.lap ||
                first->commit.offset < second->first.offset);
    uint64_t reads = m.flash.reads;
    assert_int_equal(pp_queue_reader_open(&q, tickets[0].id, &r, &e), PP_OK);
    assert_int_equal(pp_queue_reader_recipient(&r, &address), PP_OK);
    do
        assert_int_equal(pp_queue_reader_content(&r, &bytes, &len), PP_OK);
    while (len > 0);
    assert_true(m.flash.reads - reads <= 3);
    model_free(&m);
}

static void keeps_the_envelope(void **state)
{
    (void)state;
    struct model m;
    struct pp_queue_writer *w;
    struct pp_ticket ticket;
    static struct pp_queue_reader r;
    struct pp_envelope got;
    char subject[900];
    memset(subject, 's', sizeof(subject));
    struct pp_envelope e = {
        .kind = PP_KIND_ALERT,
        .severity = PP_SEVERITY_CRITICAL,
        .sender = pp_text_z("me@example.org"),
        .sender_name = pp_text_z("Name"),
        .subject = {subject, sizeof(subject)},
        .origin = pp_text_z("uid=1000"),
        .token = pp_text_z("xyz"),
        .body_8bitmime = true,
    };
    model_init(&m, &geometries[0]);
    assert_int_equal(pp_queue_open(&q, &e, 0, 1700000000, &w), PP_OK);
    assert_int_equal(pp_queue_recipient(&q, w, pp_text_z("you@example.org")), PP_OK);
    assert_int_equal(pp_queue_write(&q, w, "text\r\n", 6), PP_OK);
    assert_int_equal(pp_queue_seal(&q, w, PP_CONTENT_8BIT, &ticket), PP_OK);
    model_sync(&m);
    assert_int_equal(pp_queue_mount(&q, &m.flash.flash, &m.limits), PP_OK);
    struct pp_queue_entry *entry = pp_queue_find(&q, ticket.id);
    assert_non_null(entry);
    assert_int_equal(entry->severity, PP_SEVERITY_CRITICAL);
    assert_int_equal(entry->kind, PP_KIND_ALERT);
    assert_int_equal(entry->accepted_s, 1700000000);
    assert_int_equal(entry->content, PP_CONTENT_8BIT);
    assert_int_equal(entry->size_bytes, 6);
    assert_int_equal(pp_queue_reader_open(&q, ticket.id, &r, &got), PP_OK);
    assert_int_equal(got.kind, PP_KIND_ALERT);
    assert_true(pp_text_equal(got.sender, e.sender));
    assert_true(pp_text_equal(got.sender_name, e.sender_name));
    assert_true(pp_text_equal(got.subject, e.subject));
    assert_true(pp_text_equal(got.origin, e.origin));
    assert_true(pp_text_equal(got.token, e.token));
    assert_true(got.body_8bitmime);
    assert_false(got.smtputf8);
    assert_int_equal(pp_queue_reader_open(&q, ticket.id + 1, &r, &got), PP_ERR_NOT_FOUND);
    model_free(&m);
}

static void refuses_what_is_wrong(void **state)
{
    (void)state;
    struct model m;
    struct pp_queue_writer *w;
    struct pp_ticket ticket;
    char long_text[1000];
    static char content[4000];
    memset(long_text, 'x', sizeof(long_text));
    model_init(&m, &geometries[0]);
    m.limits.message_bytes = 3000;
    m.limits.recipients = 2;
    pp_queue_set_limits(&q, &m.limits);
    struct pp_envelope e = envelope;
    e.sender = pp_text_n("a\r\nb", 4);
    assert_int_equal(pp_queue_open(&q, &e, 0, 0, &w), PP_ERR_INJECTION);
    e.sender = pp_text_n("a\0b", 3);
    assert_int_equal(pp_queue_open(&q, &e, 0, 0, &w), PP_ERR_INJECTION);
    e.sender = pp_text_n(long_text, 255);
    assert_int_equal(pp_queue_open(&q, &e, 0, 0, &w), PP_ERR_TOO_BIG);
    e = envelope;
    e.subject = pp_text_n(long_text, 901);
    assert_int_equal(pp_queue_open(&q, &e, 0, 0, &w), PP_ERR_TOO_BIG);
    assert_int_equal(pp_queue_open(&q, &envelope, 3001, 0, &w), PP_ERR_TOO_BIG);
    assert_int_equal(pp_queue_open(&q, &envelope, 3000, 0, &w), PP_OK);
    assert_int_equal(pp_queue_recipient(&q, w, pp_text_z("")), PP_ERR_EMPTY);
    assert_int_equal(pp_queue_recipient(&q, w, pp_text_z("a\nb")), PP_ERR_INJECTION);
    assert_int_equal(pp_queue_recipient(&q, w, pp_text_n(long_text, 321)), PP_ERR_TOO_BIG);
    assert_int_equal(pp_queue_recipient(&q, w, pp_text_n(long_text, 320)), PP_OK);
    assert_int_equal(pp_queue_recipient(&q, w, pp_text_z("b@c")), PP_OK);
    assert_int_equal(pp_queue_recipient(&q, w, pp_text_z("c@d")), PP_ERR_TOO_BIG);
    assert_int_equal(pp_queue_write(&q, w, content, 3000), PP_OK);
    assert_int_equal(pp_queue_recipient(&q, w, pp_text_z("c@d")), PP_ERR_STATE);
    assert_int_equal(pp_queue_write(&q, w, content, 1), PP_ERR_TOO_BIG);
    assert_int_equal(pp_queue_write(&q, w, content, 0), PP_ERR_TOO_BIG);
    assert_int_equal(pp_queue_seal(&q, w, 0, &ticket), PP_ERR_TOO_BIG);
    assert_int_equal(pp_queue_open(&q, &envelope, 0, 0, &w), PP_OK);
    assert_int_equal(pp_queue_write(&q, w, content, 10), PP_OK);
    assert_int_equal(pp_queue_seal(&q, w, 0, &ticket), PP_ERR_EMPTY);
    assert_int_equal(q.entry_count, 0);
    model_free(&m);
}

static void writers_are_a_pool(void **state)
{
    (void)state;
    struct model m;
    struct pp_queue_writer *w[PP_QUEUE_WRITERS];
    struct pp_queue_writer *more;
    model_init(&m, &geometries[5]);
    for (unsigned i = 0; i < PP_QUEUE_WRITERS; i++)
        assert_int_equal(pp_queue_open(&q, &envelope, 0, 0, &w[i]), PP_OK);
    assert_int_equal(pp_queue_open(&q, &envelope, 0, 0, &more), PP_ERR_DRY);
    pp_queue_abort(&q, w[3]);
    assert_int_equal(pp_queue_open(&q, &envelope, 0, 0, &more), PP_OK);
    assert_ptr_equal(more, w[3]);
    for (unsigned i = 0; i < PP_QUEUE_WRITERS; i++)
        pp_queue_abort(&q, w[i]);
    assert_int_equal(q.entry_count, 0);
    assert_int_equal(q.group_bytes[1], 0);
    model_free(&m);
}

/* Several messages come in at once, in small pieces, their records mixed. */
static void takes_in_several_at_once(void **state)
{
    (void)state;
    for (size_t g = 0; g < GEOMETRIES; g++) {
        struct model m;
        struct pp_queue_writer *w[4];
        struct pp_ticket ticket[4];
        uint8_t piece[97];
        model_init(&m, &geometries[g]);
        for (unsigned i = 0; i < 4; i++) {
            assert_int_equal(pp_queue_open(&q, &envelope, 0, 0, &w[i]), PP_OK);
            assert_int_equal(pp_queue_recipient(&q, w[i], pp_text_z("a@b")), PP_OK);
        }
        for (unsigned n = 0; n < 60; n++) {
            for (unsigned i = 0; i < 4; i++) {
                memset(piece, (int)(n * 4 + i), sizeof(piece));
                assert_int_equal(pp_queue_write(&q, w[i], piece, sizeof(piece)), PP_OK);
            }
        }
        for (unsigned i = 0; i < 4; i++)
            assert_int_equal(pp_queue_seal(&q, w[i], 0, &ticket[i]), PP_OK);
        model_sync(&m);
        for (unsigned i = 0; i < 4; i++) {
            static struct pp_queue_reader r;
            struct pp_envelope e;
            const uint8_t *bytes;
            size_t len;
            size_t done = 0;
            assert_int_equal(pp_queue_reader_open(&q, ticket[i].id, &r, &e), PP_OK);
            for (;;) {
                assert_int_equal(pp_queue_reader_content(&r, &bytes, &len), PP_OK);
                if (len == 0)
                    break;
                for (size_t k = 0; k < len; k++, done++)
                    assert_int_equal(bytes[k], (uint8_t)(done / 97 * 4 + i));
            }
            assert_int_equal(done, 60 * 97);
        }
        model_free(&m);
    }
}

static void tickets_follow_the_sync(void **state)
{
    (void)state;
    struct model m;
    struct pp_ticket first;
    struct pp_ticket second;
    struct pp_queue_writer *w;
    model_init(&m, &geometries[0]);
    model_sync(&m);
    m.flash.lazy_sync = true;
    assert_int_equal(model_add(&m, 100, 1), PP_OK);
    first = m.ticket;
    assert_true(pp_queue_wants_sync(&q));
    assert_int_equal(pp_queue_ticket(&q, &first), PP_TICKET_PENDING);
    assert_int_equal(pp_queue_sync(&q), PP_ERR_LATER);
    assert_int_equal(model_add(&m, 100, 1), PP_OK);
    second = m.ticket;
    assert_true(pp_queue_wants_sync(&q));
    (void)!pp_queue_sync(&q);
    assert_int_equal(pp_queue_ticket(&q, &first), PP_TICKET_DURABLE);
    assert_int_equal(pp_queue_ticket(&q, &second), PP_TICKET_PENDING);
    m.flash.broken_sync = true;
    while (pp_queue_sync(&q) == PP_ERR_LATER)
        continue;
    assert_int_equal(pp_queue_ticket(&q, &first), PP_TICKET_DURABLE);
    assert_int_equal(pp_queue_ticket(&q, &second), PP_TICKET_FAILED);
    assert_int_equal(pp_queue_open(&q, &envelope, 0, 0, &w), PP_ERR_FLASH);
    assert_false(pp_queue_wants_sync(&q));
    assert_false(pp_queue_clean(&q));
    model_free(&m);
}

static void content_alone_wants_no_sync(void **state)
{
    (void)state;
    struct model m;
    struct pp_queue_writer *w;
    struct pp_ticket ticket;
    static uint8_t content[5000];
    model_init(&m, &geometries[0]);
    assert_true(pp_queue_wants_sync(&q)); /* the boot */
    model_sync(&m);
    assert_false(pp_queue_wants_sync(&q));
    assert_int_equal(pp_queue_open(&q, &envelope, 0, 0, &w), PP_OK);
    assert_int_equal(pp_queue_recipient(&q, w, pp_text_z("a@b")), PP_OK);
    assert_int_equal(pp_queue_write(&q, w, content, sizeof(content)), PP_OK);
    assert_false(pp_queue_wants_sync(&q));
    assert_int_equal(pp_queue_seal(&q, w, 0, &ticket), PP_OK);
    assert_true(pp_queue_wants_sync(&q));
    model_free(&m);
}

static void boots_are_counted_and_ids_are_new(void **state)
{
    (void)state;
    struct model m;
    uint32_t last_id = 0;
    model_init(&m, &geometries[0]);
    uint64_t device = q.device;
    assert_true(device != 0);
    for (uint32_t boot = 1; boot < 200; boot++) {
        assert_int_equal(q.boot_count, boot);
        assert_true(q.device == device);
        assert_int_equal(model_add(&m, 50, 1), PP_OK);
        assert_true(m.ticket.id > last_id);
        last_id = m.ticket.id;
        model_sync(&m);
        model_finish(&m, last_id);
        model_sync(&m);
        model_clean(&m);
        model_remount(&m);
    }
    model_free(&m);
}

static void results_are_kept(void **state)
{
    (void)state;
    struct model m;
    char text[500];
    size_t len;
    uint8_t outcomes[5];
    model_init(&m, &geometries[0]);
    assert_int_equal(model_add(&m, 100, 5), PP_OK);
    uint32_t id = m.ticket.id;
    const struct pp_result results[] = {
        {0, PP_OUTCOME_DELIVERED, {"250 ok", 6}},
        {1, PP_OUTCOME_FAILED, {"550 no such user", 16}},
        {2, PP_OUTCOME_OPEN, {"450 later", 9}},
    };
    assert_int_equal(pp_queue_results(&q, id, results, 3), PP_OK);
    assert_int_equal(pp_queue_attempted(&q, id), PP_OK);
    const struct pp_result later = {2, PP_OUTCOME_OPEN, {"451 again", 9}};
    assert_int_equal(pp_queue_results(&q, id, &later, 1), PP_OK);
    assert_int_equal(pp_queue_hold(&q, id, true), PP_OK);
    for (int i = 0; i < 2; i++) {
        struct pp_queue_entry *entry = pp_queue_find(&q, id);
        assert_int_equal(entry->open_count, 3);
        assert_int_equal(entry->failed_count, 1);
        assert_int_equal(entry->attempts, 1);
        assert_true(entry->held);
        assert_int_equal(pp_queue_outcomes(&q, id, outcomes, 4), PP_ERR_TOO_BIG);
        assert_int_equal(pp_queue_outcomes(&q, id, outcomes, 5), PP_OK);
        assert_int_equal(outcomes[0], PP_OUTCOME_DELIVERED);
        assert_int_equal(outcomes[1], PP_OUTCOME_FAILED);
        assert_int_equal(outcomes[2], PP_OUTCOME_OPEN);
        assert_int_equal(outcomes[4], PP_OUTCOME_OPEN);
        assert_int_equal(pp_queue_last_reply(&q, id, 2, text, sizeof(text), &len), PP_OK);
        assert_int_equal(len, 9);
        assert_memory_equal(text, "451 again", 9);
        assert_int_equal(pp_queue_last_reply(&q, id, 1, text, 3, &len), PP_OK);
        assert_int_equal(len, 3);
        assert_int_equal(pp_queue_last_reply(&q, id, 4, text, sizeof(text), &len), PP_OK);
        assert_int_equal(len, 0);
        assert_int_equal(pp_queue_last_reply(&q, id, 5, text, sizeof(text), &len), PP_ERR_RANGE);
        model_sync(&m);
        assert_int_equal(pp_queue_mount(&q, &m.flash.flash, &m.limits), PP_OK);
    }
    assert_int_equal(pp_queue_requeue(&q, id), PP_OK);
    assert_int_equal(pp_queue_find(&q, id)->open_count, 4);
    assert_int_equal(pp_queue_find(&q, id)->failed_count, 0);
    const struct pp_result bad = {5, PP_OUTCOME_DELIVERED, {NULL, 0}};
    assert_int_equal(pp_queue_results(&q, id, &bad, 1), PP_ERR_RANGE);
    assert_int_equal(pp_queue_results(&q, id + 9, &later, 1), PP_ERR_NOT_FOUND);
    model_free(&m);
}

static void the_last_recipient_ends_it(void **state)
{
    (void)state;
    struct model m;
    model_init(&m, &geometries[0]);
    assert_int_equal(model_add(&m, 100, 2), PP_OK);
    uint32_t id = m.ticket.id;
    struct pp_result result = {0, PP_OUTCOME_FAILED, {"no", 2}};
    assert_int_equal(pp_queue_results(&q, id, &result, 1), PP_OK);
    result = (struct pp_result){1, PP_OUTCOME_DELIVERED, {NULL, 0}};
    assert_int_equal(pp_queue_results(&q, id, &result, 1), PP_OK);
    assert_non_null(pp_queue_find(&q, id)); /* failed mail stays listed */
    assert_int_equal(pp_queue_requeue(&q, id), PP_OK);
    result = (struct pp_result){0, PP_OUTCOME_DELIVERED, {NULL, 0}};
    assert_int_equal(pp_queue_results(&q, id, &result, 1), PP_OK);
    assert_null(pp_queue_find(&q, id));
    assert_int_equal(q.entry_count, 0);
    assert_int_equal(pp_queue_remove(&q, id), PP_ERR_NOT_FOUND);
    model_sync(&m);
    assert_int_equal(pp_queue_mount(&q, &m.flash.flash, &m.limits), PP_OK);
    assert_int_equal(q.entry_count, 0);
    model_free(&m);
}

static void a_thousand_recipients(void **state)
{
    (void)state;
    struct model m;
    static struct pp_result results[1000];
    static const char reply[] = "451 4.7.1 greylisted, come back in a while";
    char text[100];
    size_t len;
    model_init(&m, &(struct ram_geometry){1, 256, 4096, 256, 0xFF});
    assert_int_equal(model_add(&m, 2000, 1000), PP_OK);
    uint32_t id = m.ticket.id;
    for (uint16_t i = 0; i < 1000; i++)
        results[i] = (struct pp_result){
            i, i % 3 == 0 ? PP_OUTCOME_DELIVERED : PP_OUTCOME_OPEN, {reply, sizeof(reply) - 1}};
    assert_int_equal(pp_queue_results(&q, id, results, 1000), PP_OK);
    for (uint16_t i = 0; i < 1000; i++)
        m.messages[0].outcomes[i] = (uint8_t)results[i].outcome;
    model_check(&m);
    model_remount(&m);
    model_check(&m);
    /* Moved as a whole, its replies too. */
    struct pp_place first = pp_queue_find(&q, id)->first;
    for (int i = 0; i < 3000 && pp_queue_find(&q, id)->first.lap == first.lap; i++) {
        assert_int_equal(model_add(&m, 3000, 1), PP_OK);
        model_finish(&m, m.ticket.id);
        model_sync(&m);
        model_clean(&m);
    }
    assert_int_not_equal(pp_queue_find(&q, id)->first.lap, first.lap);
    model_check(&m);
    assert_int_equal(pp_queue_last_reply(&q, id, 998, text, sizeof(text), &len), PP_OK);
    assert_int_equal(len, sizeof(reply) - 1);
    model_remount(&m);
    model_check(&m);
    assert_int_equal(pp_queue_last_reply(&q, id, 1, text, sizeof(text), &len), PP_OK);
    assert_memory_equal(text, reply, sizeof(reply) - 1);
    model_free(&m);
}

static void a_reader_follows_a_message_that_moves(void **state)
{
    (void)state;
    struct model m;
    static struct pp_queue_reader content;
    static struct pp_queue_reader recipients;
    struct pp_envelope e;
    struct pp_text address;
    const uint8_t *bytes;
    size_t len;
    size_t done = 0;
    uint32_t moves = 0;
    model_init(&m, &geometries[0]);
    assert_int_equal(model_add(&m, 20000, 40), PP_OK);
    model_sync(&m);
    uint32_t id = m.ticket.id;
    assert_int_equal(pp_queue_reader_open(&q, id, &content, &e), PP_OK);
    assert_int_equal(pp_queue_reader_open(&q, id, &recipients, &e), PP_OK);
    struct pp_place first = pp_queue_find(&q, id)->first;
    for (uint32_t i = 0;; i++) {
        if (i < 40) {
            assert_int_equal(pp_queue_reader_recipient(&recipients, &address), PP_OK);
            model_check_address(&m.messages[0], i, address);
        }
        assert_int_equal(pp_queue_reader_content(&content, &bytes, &len), PP_OK);
        if (len == 0)
            break;
        assert_true(model_is_content(&m.messages[0], done, bytes, len));
        done += len;
        /* Churn until it has moved. */
        for (int k = 0; k < 3000 && pp_queue_find(&q, id)->first.lap == first.lap; k++) {
            assert_int_equal(model_add(&m, 3000, 1), PP_OK);
            model_finish(&m, m.ticket.id);
            model_sync(&m);
            model_clean(&m);
        }
        moves += pp_queue_find(&q, id)->first.lap != first.lap;
        first = pp_queue_find(&q, id)->first;
    }
    assert_int_equal(done, 20000);
    assert_true(moves >= 5);
    for (uint32_t i = 0; i < 40; i++) {
        if (i == 0)
            assert_int_equal(pp_queue_reader_rewind(&recipients), PP_OK);
        assert_int_equal(pp_queue_reader_recipient(&recipients, &address), PP_OK);
        model_check_address(&m.messages[0], i, address);
    }
    assert_int_equal(pp_queue_reader_recipient(&recipients, &address), PP_ERR_NOT_FOUND);
    model_finish(&m, id);
    assert_int_equal(pp_queue_reader_content(&content, &bytes, &len), PP_ERR_NOT_FOUND);
    model_free(&m);
}

static void little_is_programmed_for_a_small_mail(void **state)
{
    (void)state;
    struct model m;
    model_init(&m, &geometries[5]);
    model_sync(&m);
    uint64_t before = q.ring.report.bytes_programmed;
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(model_add(&m, 2048, 1), PP_OK);
        model_sync(&m);
        model_finish(&m, m.ticket.id);
        model_sync(&m);
        model_clean(&m);
    }
    uint64_t programmed = q.ring.report.bytes_programmed - before;
    assert_true(programmed < UINT64_C(100) * 2048 * 115 / 100);
    model_free(&m);
}

/* Each byte of a small medium is damaged in turn: whole messages are read or said to be damaged. */
static void damage_stays_where_it_is(void **state)
{
    (void)state;
    struct model m;
    model_init(&m, &(struct ram_geometry){1, 256, 1024, 16, 0xFF});
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(model_add(&m, 40 + i * 150, 1 + i % 3), PP_OK);
    const struct pp_result result = {0, PP_OUTCOME_OPEN, {"451 no", 6}};
    assert_int_equal(pp_queue_results(&q, m.messages[2].id, &result, 1), PP_OK);
    model_finish(&m, m.messages[1].id);
    model_sync(&m);
    uint8_t *good = malloc(m.flash.bytes);
    memcpy(good, m.flash.now, m.flash.bytes);
    size_t used = (size_t)q.ring.head_lap * 1024;
    for (size_t at = 0; at < used; at++) {
        memcpy(m.flash.now, good, m.flash.bytes);
        m.flash.now[at] ^= (uint8_t)(1u << (at % 8));
        uint32_t whole = 0;
        uint32_t back = 0;
        assert_int_equal(pp_queue_mount(&q, &m.flash.flash, &m.limits), PP_OK);
        for (size_t i = 0; i < m.count; i++) {
            if (m.messages[i].state == MODEL_GONE)
                back += pp_queue_find(&q, m.messages[i].id) != NULL;
            else
                whole += model_is_whole(&m.messages[i]);
        }
        /* A byte belongs to one message, a block header to those with a record in the block. */
        bool in_header = at % 1024 < PP_RING_BLOCK_HEADER_BYTES;
        assert_true(whole >= (in_header ? 2u : 4u));
        assert_true(back <= 1);
    }
    free(good);
    model_free(&m);
}

/* While the queue runs: the message goes on with the results before, and stays deliverable. */
static void a_result_that_is_damaged_gives_way_to_the_one_before(void **state)
{
    (void)state;
    struct model m;
    uint8_t outcomes[3];
    model_init(&m, &geometries[0]);
    assert_int_equal(model_add(&m, 100, 3), PP_OK);
    uint32_t id = m.ticket.id;
    for (uint16_t i = 0; i < 2; i++) {
        assert_int_equal(model_result(&m, id, i, PP_OUTCOME_DELIVERED), PP_OK);
        model_sync(&m);
    }
    struct pp_queue_entry *entry = pp_queue_find(&q, id);
    for (uint16_t left = 2; left > 0; left--) {
        uint64_t block = pp_ring_block_of(&q.ring, entry->last_result.lap);
        m.flash.now[block * 4096 + entry->last_result.offset + 20] ^= 8;
        q.ring.ahead.len = 0; /* it may have been read while it was sound */
        assert_int_equal(pp_queue_outcomes(&q, id, outcomes, 3), PP_OK);
        assert_int_equal(outcomes[0], left > 1 ? PP_OUTCOME_DELIVERED : PP_OUTCOME_OPEN);
        assert_int_equal(outcomes[1], PP_OUTCOME_OPEN);
        assert_int_equal(entry->open_count, 4 - left);
        assert_int_equal(q.ring.report.records_damaged, 3 - left);
    }
    for (uint16_t i = 0; i < 3; i++)
        assert_int_equal(model_result(&m, id, i, PP_OUTCOME_DELIVERED), PP_OK);
    assert_null(pp_queue_find(&q, id));
    model_free(&m);
}

static void as_many_messages_as_fit(void **state)
{
    (void)state;
    struct model m;
    struct pp_queue_writer *w;
    struct pp_ticket ticket;
    uint32_t count = 0;
    model_init(&m, &(struct ram_geometry){1, 4096, 65536, 64, 0x00});
    while (pp_queue_open(&q, &envelope, 0, 0, &w) == PP_OK) {
        assert_int_equal(pp_queue_recipient(&q, w, pp_text_z("a@b")), PP_OK);
        assert_int_equal(pp_queue_seal(&q, w, 0, &ticket), PP_OK);
        count++;
    }
    assert_true(count <= PP_QUEUE_MESSAGES);
    assert_int_equal(q.entry_count, count);
    assert_int_equal(pp_queue_open(&q, &envelope, 0, 0, &w), PP_ERR_FULL);
    model_sync(&m);
    assert_int_equal(pp_queue_mount(&q, &m.flash.flash, &m.limits), PP_OK);
    assert_int_equal(q.entry_count, count);
    assert_false(q.unindexed);
    model_free(&m);
}

static int some_entropy(void *ctx, uint8_t *out, size_t len)
{
    (void)ctx;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(i * 7 + 1);
    return 0;
}

static int seed(void **state)
{
    (void)state;
    return pp_crypto_seed(some_entropy, NULL) == PP_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_came_in),
        cmocka_unit_test(a_message_lies_in_one_piece),
        cmocka_unit_test(keeps_the_envelope),
        cmocka_unit_test(refuses_what_is_wrong),
        cmocka_unit_test(writers_are_a_pool),
        cmocka_unit_test(takes_in_several_at_once),
        cmocka_unit_test(tickets_follow_the_sync),
        cmocka_unit_test(content_alone_wants_no_sync),
        cmocka_unit_test(boots_are_counted_and_ids_are_new),
        cmocka_unit_test(results_are_kept),
        cmocka_unit_test(the_last_recipient_ends_it),
        cmocka_unit_test(a_thousand_recipients),
        cmocka_unit_test(a_reader_follows_a_message_that_moves),
        cmocka_unit_test(little_is_programmed_for_a_small_mail),
        cmocka_unit_test(damage_stays_where_it_is),
        cmocka_unit_test(a_result_that_is_damaged_gives_way_to_the_one_before),
        cmocka_unit_test(as_many_messages_as_fit),
    };
    return cmocka_run_group_tests_name("queue", tests, seed, NULL);
}
