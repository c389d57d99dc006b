/*
 * test_submit.c - what is checked and completed before mail gets into the queue
 */
#include "intake_world.h"

static enum pp_err give_recipient(struct pp_submit *s, struct pp_text address)
{
    return pp_intake_recipient(s, &(const struct pp_recipient){.address = address});
}

static const struct pp_submission message = {.kind = PP_KIND_MESSAGE};

static struct pp_submission alert(const char *subject_z)
{
    return (struct pp_submission){.kind = PP_KIND_ALERT,
                                  .severity = PP_SEVERITY_CRITICAL,
                                  .subject = pp_text_z(subject_z),
                                  .origin = pp_text_z("api")};
}

static struct pp_submit *begin(const struct pp_submission *submission)
{
    struct pp_submit *s = NULL;

    assert_int_equal(pp_intake_open(&world.intake, submission, &s), PP_OK);
    assert_non_null(s);
    return s;
}

static void to(struct pp_submit *s, const char *address_z)
{
    assert_int_equal(give_recipient(s, pp_text_z(address_z)), PP_OK);
}

static enum pp_err write_z(struct pp_submit *s, const char *text_z)
{
    return pp_intake_write(s, text_z, strlen(text_z));
}

static uint32_t seal(struct pp_submit *s)
{
    struct pp_ticket ticket;

    assert_int_equal(pp_intake_seal(s, &ticket), PP_OK);
    return ticket.id;
}

static void test_alert(void **state)
{
    (void)state;
    const struct pp_submission submission = alert("Disk 3: fehlgeschlagen \xC3\xA4");
    struct pp_submit *s = begin(&submission);

    to(s, "root");
    to(s, "b@example.net");
    assert_int_equal(write_z(s, "line: one\nline \xC3\xA4\r\nli"), PP_OK);
    assert_int_equal(write_z(s, "ne\rend"), PP_OK);
    uint32_t id = seal(s);
    struct pp_envelope envelope = world_envelope(id);
    assert_int_equal(envelope.kind, PP_KIND_ALERT);
    assert_int_equal(envelope.severity, PP_SEVERITY_CRITICAL);
    assert_text(envelope.sender, "pinpost@example.org");
    assert_text(envelope.subject, "Disk 3: fehlgeschlagen \xC3\xA4");
    assert_text(envelope.origin, "api");
    assert_recipients(id, "root@example.org b@example.net ");
    assert_content(id, "line: one\r\nline \xC3\xA4\r\nline\r\nend\r\n");
    struct pp_queue_entry *entry = pp_queue_find(&world.queue, id);
    assert_non_null(entry);
    assert_int_equal(entry->accepted_s, WORLD_WALL_S);
    /* an alert has no header section, whatever its first line looks like */
    assert_true((entry->content & PP_CONTENT_8BIT) != 0);
    assert_int_equal(entry->content & PP_CONTENT_8BIT_HEADER, 0);
    assert_int_equal(world.sealed.id, id);
    assert_int_equal(world.intake.accepted_messages, 1);
    assert_true(world_logged("event=accepted kind=alert severity=critical "
                             "from=pinpost@example.org recipients=2 size=31 origin=api"));
}

static void test_content_flags(void **state)
{
    (void)state;
    struct pp_submit *s = begin(&message);

    to(s, "a");
    assert_int_equal(write_z(s, "From: a@b\nDate: x\n\ntext"), PP_OK);
    struct pp_queue_entry *entry = pp_queue_find(&world.queue, seal(s));
    assert_non_null(entry);
    assert_int_equal(entry->content, PP_CONTENT_HAS_FROM | PP_CONTENT_HAS_DATE);
    assert_int_equal(entry->size_bytes, 28);
}

/* Pieces of any size, in either form of line ends, give the same content. */
static void test_pieces(void **state)
{
    (void)state;
    static const char text[] = "a\r\n\r\nb\rc\n\nd";
    struct pp_submit *s;

    for (size_t at = 0; at < sizeof(text); at++) {
        s = begin(&message);
        to(s, "a");
        assert_int_equal(pp_intake_write(s, text, at), PP_OK);
        assert_int_equal(pp_intake_write(s, text + at, sizeof(text) - 1 - at), PP_OK);
        assert_content(seal(s), "a\r\n\r\nb\r\nc\r\n\r\nd\r\n");
    }
    s = begin(&message);
    to(s, "a");
    assert_int_equal(pp_intake_write_crlf(s, "a\r\n\r\nb", 6), PP_OK);
    assert_content(seal(s), "a\r\n\r\nb\r\n");
}

/* ---- senders ---- */

static void assert_sender(const char *given_z, const char *expected_z)
{
    const struct pp_submission submission = {
        .kind = PP_KIND_MESSAGE, .sender = pp_text_z(given_z), .sender_name = pp_text_z("N")};
    struct pp_submit *s = begin(&submission);

    to(s, "a@b");
    assert_int_equal(write_z(s, "x"), PP_OK);
    struct pp_envelope envelope = world_envelope(seal(s));
    assert_text(envelope.sender, expected_z);
    assert_text(envelope.sender_name, "N");
}

static void test_senders(void **state)
{
    (void)state;
    assert_sender("<>", "");
    assert_sender("x@y", "x@y");
    assert_sender("www-data", "www-data@example.org");
    assert_sender("", "pinpost@example.org");
    WORLD_SET(world.config.identity.from, "alerts@example.com");
    assert_sender("", "alerts@example.com");
    assert_sender("<>", "");
    WORLD_SET(world.config.identity.from, "nas");
    assert_sender("", "nas@example.org");
    /* a sender is never refused for lack of a domain */
    WORLD_SET(world.config.identity.domain, "");
    assert_sender("root", "root@nas.example");
    WORLD_SET(world.config.identity.hostname, "");
    assert_sender("root", "root@localhost");
}

static void test_sender_utf8(void **state)
{
    (void)state;
    const struct pp_submission submission = {.kind = PP_KIND_MESSAGE,
                                             .sender = pp_text_z("\xC3\xA4@b")};
    struct pp_submit *s = begin(&submission);

    to(s, "a@b");
    assert_int_equal(write_z(s, "x"), PP_OK);
    assert_true(world_envelope(seal(s)).smtputf8);
}

/* ---- what is refused when a message begins ---- */

static void refused(struct pp_submission submission, enum pp_err err)
{
    struct pp_submit *s = NULL;

    assert_int_equal(pp_intake_open(&world.intake, &submission, &s), err);
    assert_null(s);
    assert_nothing_kept();
}

static void test_open_refuses(void **state)
{
    (void)state;
    static char long_text[PP_SUBJECT_MAX + 2];
    struct pp_submission s = alert("x");

    refused(alert("a\nBcc: b@c"), PP_ERR_INJECTION);
    refused(alert("a\rb"), PP_ERR_INJECTION);
    s.subject = pp_text_n("a\0b", 3);
    refused(s, PP_ERR_INJECTION);
    refused(alert("\xFF"), PP_ERR_SYNTAX);
    memset(long_text, 'x', PP_SUBJECT_MAX + 1);
    refused(alert(long_text), PP_ERR_TOO_BIG);
    pp_intake_abort(begin(&(struct pp_submission){
        .kind = PP_KIND_ALERT, .subject = pp_text_n(long_text, PP_SUBJECT_MAX)}));
    s = message;
    s.subject = pp_text_z("x");
    refused(s, PP_ERR_STATE);
    s = message;
    s.sender_name = pp_text_z("a\nb");
    refused(s, PP_ERR_INJECTION);
    s.sender_name = pp_text_n(long_text, PP_SENDER_NAME_MAX + 1);
    refused(s, PP_ERR_TOO_BIG);
    s = message;
    s.sender = pp_text_z("a b@c");
    refused(s, PP_ERR_SYNTAX);
    s.sender = pp_text_z("a@c\r\nRCPT TO:<x@y>");
    refused(s, PP_ERR_INJECTION);
    s.sender = pp_text_n(long_text, 80);
    refused(s, PP_ERR_SYNTAX);
    s = message;
    s.size_bytes = WORLD_LIMIT + 1;
    refused(s, PP_ERR_TOO_BIG);
    world.intake.draining = true;
    refused(message, PP_ERR_DRY);
}

static void test_slots(void **state)
{
    (void)state;
    struct pp_submit *submits[PP_QUEUE_WRITERS], *more;

    for (size_t i = 0; i < PP_QUEUE_WRITERS; i++) {
        submits[i] = begin(&message);
    }
    assert_int_equal(pp_intake_open(&world.intake, &message, &more), PP_ERR_DRY);
    pp_intake_abort(submits[3]);
    submits[3] = begin(&message);
    for (size_t i = 0; i < PP_QUEUE_WRITERS; i++) {
        pp_intake_abort(submits[i]);
    }
    assert_nothing_kept();
}

/* ---- recipients ---- */

/* A refused address leaves the message as it was. */
static void test_recipients(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        enum pp_err err;
    } cases[] = {
        {"", PP_ERR_EMPTY},
        {"a b@c", PP_ERR_SYNTAX},
        {"a@", PP_ERR_SYNTAX},
        {"a@b..c", PP_ERR_SYNTAX},
        {"a@b\r\nDATA", PP_ERR_INJECTION},
        {"<a@b>", PP_ERR_INJECTION},
        {"root", PP_ERR_NOT_FOUND},
        {"\xFF@b", PP_ERR_SYNTAX},
        {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx@b", PP_ERR_SYNTAX},
    };
    struct pp_submit *s = begin(&message);

    WORLD_SET(world.config.identity.domain, "");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(give_recipient(s, pp_text_z(cases[i].address)), cases[i].err);
    }
    for (int i = 0; i < 5; i++) {
        to(s, "a@b");
    }
    assert_int_equal(give_recipient(s, pp_text_z("a@b")), PP_ERR_TOO_BIG);
    assert_int_equal(write_z(s, "x"), PP_OK);
    assert_int_equal(give_recipient(s, pp_text_z("a@b")), PP_ERR_STATE);
    assert_recipients(seal(s), "a@b a@b a@b a@b a@b ");
}

static void test_default_recipients(void **state)
{
    (void)state;
    const struct pp_submission submission = alert("x");
    struct pp_submit *s = begin(&submission);
    struct pp_ticket ticket;

    assert_int_equal(pp_intake_default_recipients(s), PP_OK);
    to(s, "c");
    assert_recipients(seal(s), "admin@example.org watch@example.net c@example.org ");
    WORLD_SET(world.config.identity.to, "");
    s = begin(&submission);
    assert_int_equal(pp_intake_default_recipients(s), PP_ERR_EMPTY);
    assert_int_equal(pp_intake_seal(s, &ticket), PP_ERR_EMPTY);
}

/* ---- what is refused at the end ---- */

static void not_sealed(struct pp_submit *s, enum pp_err err)
{
    struct pp_ticket ticket;

    assert_int_equal(pp_intake_seal(s, &ticket), err);
    assert_nothing_kept();
    assert_int_equal(world.sealed_count, 0);
    assert_false(world_logged("event=accepted"));
}

static void test_empty(void **state)
{
    (void)state;
    struct pp_submission submission = alert("");
    struct pp_submit *s = begin(&submission);

    to(s, "a@b");
    not_sealed(s, PP_ERR_EMPTY);
    s = begin(&message);
    to(s, "a@b");
    assert_int_equal(pp_intake_write(s, NULL, 0), PP_OK);
    not_sealed(s, PP_ERR_EMPTY);
    s = begin(&message);
    assert_int_equal(write_z(s, "x"), PP_OK);
    not_sealed(s, PP_ERR_EMPTY);
    /* a subject alone is enough, and so is text alone */
    submission = alert("x");
    s = begin(&submission);
    to(s, "a@b");
    (void)seal(s);
    submission = alert("");
    s = begin(&submission);
    to(s, "a@b");
    assert_int_equal(write_z(s, "x"), PP_OK);
    (void)seal(s);
}

static void test_nul(void **state)
{
    (void)state;
    struct pp_submit *s = begin(&message);

    to(s, "a@b");
    assert_int_equal(pp_intake_write(s, "a\0b", 3), PP_ERR_INJECTION);
    assert_int_equal(write_z(s, "more"), PP_ERR_INJECTION);
    assert_int_equal(give_recipient(s, pp_text_z("a@b")), PP_ERR_INJECTION);
    not_sealed(s, PP_ERR_INJECTION);
}

static void test_too_big(void **state)
{
    (void)state;
    static char block[10000];
    struct pp_submit *s = begin(&message);

    memset(block, 'x', sizeof(block));
    to(s, "a@b");
    for (size_t i = 0; i < WORLD_LIMIT / sizeof(block); i++) {
        assert_int_equal(pp_intake_write(s, block, sizeof(block)), PP_OK);
    }
    assert_int_equal(pp_intake_write(s, "x", 1), PP_ERR_TOO_BIG);
    not_sealed(s, PP_ERR_TOO_BIG);
}

static void test_full(void **state)
{
    (void)state;
    static char block[10000];
    struct pp_submit *s;
    enum pp_err err = PP_OK;
    unsigned taken = 0;

    memset(block, 'x', sizeof(block));
    for (;;) {
        err = pp_intake_open(&world.intake, &message, &s);
        if (err != PP_OK) {
            break;
        }
        to(s, "a@b");
        for (int i = 0; i < 8 && err == PP_OK; i++) {
            err = pp_intake_write(s, block, sizeof(block));
        }
        if (err != PP_OK) {
            pp_intake_abort(s);
            break;
        }
        (void)seal(s);
        taken++;
        assert_true(taken < WORLD_BLOCKS);
    }
    assert_int_equal(err, PP_ERR_FULL);
    assert_true(taken > 0);
    assert_int_equal(world.queue.entry_count, taken);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_begin, world_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_alert),   TEST(test_content_flags), TEST(test_pieces),
        TEST(test_senders), TEST(test_sender_utf8),   TEST(test_open_refuses),
        TEST(test_slots),   TEST(test_recipients),    TEST(test_default_recipients),
        TEST(test_empty),   TEST(test_nul),           TEST(test_too_big),
        TEST(test_full),
    };

    return cmocka_run_group_tests_name("submit", tests, NULL, NULL);
}
