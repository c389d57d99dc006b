/*
 * test_submit_relay.c - what the relay server hands over beside the mail itself
 *
 * DSN parameters are kept with message and recipient, the sender is rewritten, our own header
 * fields stand before the content and are no part of it, a mail that goes round is refused.
 */
#include "intake_world.h"

#include "queue/record.h"

static const struct pp_submission message = {.kind = PP_KIND_MESSAGE,
                                             .sender = {"user@example.org", 16}};

static struct pp_submit *begin(const struct pp_submission *submission)
{
    struct pp_submit *s = NULL;

    assert_int_equal(pp_intake_open(&world.intake, submission, &s), PP_OK);
    return s;
}

static enum pp_err to(struct pp_submit *s, const char *address_z, uint8_t notify,
                      struct pp_text orcpt)
{
    const struct pp_recipient recipient = {pp_text_z(address_z), notify, orcpt};

    return pp_intake_recipient(s, &recipient);
}

static uint32_t seal(struct pp_submit *s)
{
    struct pp_ticket ticket;

    assert_int_equal(pp_intake_seal(s, &ticket), PP_OK);
    assert_int_equal(pp_queue_sync(&world.queue), PP_OK);
    return ticket.id;
}

static enum pp_err write_z(struct pp_submit *s, const char *text_z)
{
    return pp_intake_write_crlf(s, text_z, strlen(text_z));
}

/* A message to one recipient, up to its content; trace_z may be NULL. */
static struct pp_submit *begin_one(const char *trace_z)
{
    struct pp_submission submission = message;

    submission.trace = pp_text_z(trace_z);
    struct pp_submit *s = begin(&submission);

    assert_int_equal(to(s, "a@b", 0, pp_text_z("")), PP_OK);
    return s;
}

/* ---- DSN ---- */

static void assert_recipient(const char *address_z, uint8_t notify, struct pp_text orcpt)
{
    struct pp_recipient recipient;
    struct pp_text address;

    assert_int_equal(pp_queue_reader_recipient(&world_reader, &address), PP_OK);
    pp_queue_reader_dsn(&world_reader, &recipient);
    assert_text(recipient.address, address_z);
    assert_int_equal(recipient.notify, notify);
    assert_true(pp_text_equal(recipient.orcpt, orcpt));
}

static void test_dsn_is_kept(void **state)
{
    (void)state;
    char envid[PP_ENVID_MAX], orcpt[PP_ORCPT_MAX];
    struct pp_submission submission = message;

    memset(envid, 'e', sizeof(envid));
    memset(orcpt, 'o', sizeof(orcpt));
    struct pp_text longest = pp_text_n(orcpt, sizeof(orcpt));
    submission.ret = PP_DSN_RET_HDRS;
    submission.envid = pp_text_n(envid, sizeof(envid));
    struct pp_submit *s = begin(&submission);
    assert_int_equal(to(s, "a@b", PP_DSN_NOTIFY_NEVER, longest), PP_OK);
    assert_int_equal(to(s, "local", 0, pp_text_z("")), PP_OK);
    assert_int_equal(to(s, "c@d", 14, pp_text_z("rfc822;c+2Bx@d")), PP_OK);
    assert_int_equal(write_z(s, "x\r\n"), PP_OK);
    uint32_t id = seal(s);

    assert_int_equal(pp_queue_mount(&world.queue, &world.port.flash, &world.queue.limits), PP_OK);
    struct pp_envelope e = world_envelope(id);
    assert_int_equal(e.ret, PP_DSN_RET_HDRS);
    assert_true(pp_text_equal(e.envid, submission.envid));
    assert_false(e.rewrite_sender);
    assert_recipient("a@b", PP_DSN_NOTIFY_NEVER, longest);
    assert_recipient("local@example.org", 0, pp_text_z(""));
    assert_recipient("c@d", 14, pp_text_z("rfc822;c+2Bx@d"));
}

static void test_dsn_limits(void **state)
{
    (void)state;
    char text[PP_ORCPT_MAX + 1];
    struct pp_submission submission = message;
    struct pp_submit *none = NULL;
    struct pp_submit *s = begin(&message);

    memset(text, 'x', sizeof(text));
    submission.envid = pp_text_n(text, PP_ENVID_MAX + 1);
    assert_int_equal(pp_intake_open(&world.intake, &submission, &none), PP_ERR_TOO_BIG);
    submission.envid = pp_text_z("e\r\nDATA");
    assert_int_equal(pp_intake_open(&world.intake, &submission, &none), PP_ERR_INJECTION);
    assert_int_equal(to(s, "a@b", 0, pp_text_n(text, PP_ORCPT_MAX + 1)), PP_ERR_TOO_BIG);
    /* What was refused left the message as it was. */
    assert_int_equal(to(s, "c@d", 0, pp_text_z("utf-8;\xC3\xA9@d")), PP_OK);
    assert_int_equal(write_z(s, "x\r\n"), PP_OK);
    assert_recipients(seal(s), "c@d ");
}

/* What lies in flash is told by its records: a mount that reads all of it again finds it whole. */
static void test_dsn_is_moved(void **state)
{
    (void)state;
    struct pp_submit *s = begin(&message);

    assert_int_equal(to(s, "a@b", 15, pp_text_z("rfc822;a@b")), PP_OK);
    assert_int_equal(to(s, "c@d", 1, pp_text_z("")), PP_OK);
    assert_int_equal(to(s, "e@f", 0, pp_text_z("rfc822;e@f")), PP_OK);
    assert_int_equal(write_z(s, "x\r\n"), PP_OK);
    uint32_t id = seal(s);
    struct pp_queue_entry *entry = pp_queue_find(&world.queue, id);
    assert_true(pp_queue_is_whole(&world.queue, entry));
    assert_int_equal(pp_queue_copy(&world.queue, entry), PP_OK);
    assert_true(pp_queue_is_whole(&world.queue, entry));
    (void)world_envelope(id);
    assert_recipient("a@b", 15, pp_text_z("rfc822;a@b"));
    assert_recipient("c@d", 1, pp_text_z(""));
    assert_recipient("e@f", 0, pp_text_z("rfc822;e@f"));
}

/* ---- rewriting ---- */

static void test_sender_is_rewritten(void **state)
{
    (void)state;
    static const struct {
        const char *given_z, *from_z, *kept_z;
    } cases[] = {
        {"user@example.org", "nas@isp.example", "nas@isp.example"},
        {"", "nas@isp.example", "nas@isp.example"},
        {"<>", "nas@isp.example", ""},
        {"user@example.org", "", "pinpost@example.org"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pp_submission submission = message;

        WORLD_SET(world.config.identity.from, cases[i].from_z);
        submission.sender = pp_text_z(cases[i].given_z);
        submission.rewrite_sender = true;
        struct pp_submit *s = begin(&submission);
        assert_int_equal(to(s, "a@b", 0, pp_text_z("")), PP_OK);
        assert_int_equal(write_z(s, "x\r\n"), PP_OK);
        struct pp_envelope e = world_envelope(seal(s));
        assert_text(e.sender, cases[i].kept_z);
        assert_true(e.rewrite_sender);
    }
}

/* ---- our own fields ---- */

static const char trace_z[] = "Received: from a ([127.0.0.1])\r\n by b (pinpost)\r\n";

static void test_trace_stands_before_the_content(void **state)
{
    (void)state;
    static const struct {
        const char *content_z, *kept_z;
        unsigned flags;
    } cases[] = {
        {"Date: x\r\n\r\nbody\r\n", "Date: x\r\n\r\nbody\r\n", PP_CONTENT_HAS_DATE},
        {"\r\nbody\r\n", "\r\nbody\r\n", PP_CONTENT_NO_HEADER},
        {"no field\r\n", "no field\r\n", PP_CONTENT_NO_HEADER},
        /* It must not become a part of our field. */
        {" blank\r\nbody\r\n", "\r\n blank\r\nbody\r\n", PP_CONTENT_NO_HEADER},
        {"\tX: y\r\n", "\r\n\tX: y\r\n", PP_CONTENT_NO_HEADER},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char expected[200];
        struct pp_submit *s = begin_one(trace_z);

        for (const char *c = cases[i].content_z; *c != '\0'; c++) {
            assert_int_equal(pp_intake_write_crlf(s, c, 1), PP_OK);
        }
        uint32_t id = seal(s);
        (void)snprintf(expected, sizeof(expected), "%s%s", trace_z, cases[i].kept_z);
        assert_content(id, expected);
        assert_int_equal(pp_queue_find(&world.queue, id)->content, cases[i].flags);
    }
}

/* A message without content stays one, and the largest stays within its limit. */
static void test_trace_is_not_counted(void **state)
{
    (void)state;
    static char block[10000];
    struct pp_ticket ticket;
    struct pp_submit *s = begin_one(trace_z);

    assert_int_equal(pp_intake_seal(s, &ticket), PP_ERR_EMPTY);
    assert_nothing_kept();
    memset(block, 'x', sizeof(block));
    s = begin_one(trace_z);
    for (size_t i = 0; i < WORLD_LIMIT / sizeof(block); i++) {
        assert_int_equal(pp_intake_write(s, block, sizeof(block)), PP_OK);
    }
    assert_int_equal(pp_intake_write(s, "x", 1), PP_ERR_TOO_BIG);
    assert_int_equal(pp_intake_seal(s, &ticket), PP_ERR_TOO_BIG);
}

/* ---- loops ---- */

static enum pp_err write_relays(struct pp_submit *s, unsigned count, const char *name_z)
{
    enum pp_err err = PP_OK;

    for (unsigned i = 0; i < count && err == PP_OK; i++) {
        err = write_z(s, name_z);
        if (err == PP_OK) {
            err = write_z(s, ": from a\r\n by b\r\n");
        }
    }
    return err == PP_OK ? write_z(s, "Subject: x\r\n\r\nReceived: in the body\r\n") : err;
}

static void test_loops(void **state)
{
    (void)state;
    struct pp_ticket ticket;

    for (int trace = 0; trace < 2; trace++) {
        for (unsigned count = 29; count < 34; count++) {
            struct pp_submit *s = begin_one(trace == 1 ? trace_z : NULL);
            enum pp_err expected = count > 30 ? PP_ERR_LOOP : PP_OK;

            assert_int_equal(write_relays(s, count, count % 2 == 0 ? "Received" : "rEcEiVeD "),
                             expected);
            assert_int_equal(pp_intake_seal(s, &ticket), expected);
            if (expected == PP_OK) {
                assert_int_equal(pp_queue_remove(&world.queue, ticket.id), PP_OK);
            }
            assert_nothing_kept();
        }
    }
    struct pp_submit *s = begin_one(NULL);
    assert_int_equal(write_relays(s, 300, "X-Received"), PP_OK);
    assert_int_equal(pp_intake_seal(s, &ticket), PP_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_begin, world_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_dsn_is_kept),
        TEST(test_dsn_limits),
        TEST(test_sender_is_rewritten),
        TEST(test_trace_stands_before_the_content),
        TEST(test_dsn_is_moved),
        TEST(test_trace_is_not_counted),
        TEST(test_loops),
    };

    return cmocka_run_group_tests_name("submit_relay", tests, NULL, NULL);
}
