/*
 * test_intake_session.c - mail over one stream into a real queue
 *
 * Job:      what is acknowledged, when, and what is left behind when either side gives up.
 * Not here: the dialogue itself (test_smtp_server.c).
 */
#include "base/crypto.h"
#include "intake_world.h"

static struct pp_intake_session session;
static struct pp_intake_server shared;

#define HELLO "EHLO c\r\n"
#define MAIL  "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"
#define BODY  "From: a@b\r\n\r\nhello\r\n..\r\n"

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

static void begin(const struct pp_peer *peer, uint32_t listener)
{
    world.closed = false;
    assert_int_equal(pp_intake_server_init(&shared, &world.intake, &world.port), PP_OK);
    assert_true(pp_intake_session_start(&session, &shared, 7, peer, listener, world.now_ms));
}

static void begin_local(void)
{
    begin(&(struct pp_peer){.uid_known = true, .uid = 1000}, PP_PORT_LOCAL);
}

/* One turn as the relay's loop does it, without the sync. */
static void pump(void)
{
    for (int i = 0; i < 1000 && session.active; i++) {
        if (!pp_intake_session_pump(&session, world.now_ms)) {
            return;
        }
    }
    assert_false(session.active);
}

static void give(const char *bytes, size_t len)
{
    world.in = bytes;
    world.in_len = len;
    pump();
}

static void give_z(const char *text_z)
{
    give(text_z, strlen(text_z));
}

static enum pp_err sync(void)
{
    enum pp_err err = pp_queue_sync(&world.queue);

    pump();
    return err;
}

/* What was said since the last question ends in `text_z`. */
static void assert_said(const char *text_z)
{
    struct pp_text said = pp_writer_text(&world.out_w);
    size_t len = strlen(text_z);

    if (said.len < len || memcmp(said.p + said.len - len, text_z, len) != 0) {
        print_error("said:\n%.*s\nnot:\n%s\n", (int)said.len, said.p, text_z);
        fail();
    }
    world.out_w.len = 0;
}

static void assert_silent(void)
{
    assert_int_equal(world.out_w.len, 0);
}

static void test_durable_then_250(void **state)
{
    (void)state;
    begin_local();
    pump();
    assert_said("220 nas.example ESMTP pinpost\r\n");
    give_z(HELLO MAIL);
    assert_said("354 end data with <CR><LF>.<CR><LF>\r\n");
    give_z(BODY ".\r\nNOOP\r\n");
    assert_silent();
    assert_int_equal(world.sealed_count, 1);
    assert_true(session.waits_for_ticket);
    /* nothing is read, and nobody is late */
    assert_false(world.wants_read);
    assert_int_equal(pp_intake_session_deadline_ms(&session), PP_TIME_NEVER);
    world.now_ms += 1000000;
    pump();
    assert_silent();
    assert_int_equal(pp_queue_ticket(&world.queue, &world.sealed), PP_TICKET_PENDING);
    assert_int_equal(sync(), PP_OK);
    char expected[100];
    snprintf(expected, sizeof(expected), "250 2.0.0 queued as %08X\r\n250 2.0.0 ok\r\n",
             world.sealed.id);
    assert_said(expected);
    assert_true(world.wants_read);
    assert_content(world.sealed.id, "From: a@b\r\n\r\nhello\r\n.\r\n");
    assert_recipients(world.sealed.id, "c@d ");
    assert_text(world_envelope(world.sealed.id).sender, "a@b");
    assert_text(world_envelope(world.sealed.id).origin, "uid=1000");
    assert_true(world_logged("event=durable ms=1000000"));
    give_z("QUIT\r\n");
    assert_said("221 2.0.0 bye\r\n");
    assert_true(world.closed);
    assert_false(session.active);
}

/* Whatever pieces the stream gives, and with a sync only when nothing else is left to do. */
static void test_pieces(void **state)
{
    (void)state;
    static const char in[] = HELLO MAIL BODY ".\r\n" MAIL "second\r\n.\r\nQUIT\r\n";

    for (size_t piece = 1; piece < 40; piece++) {
        world.in_piece = piece;
        world.sealed_count = 0;
        world.out_w.len = 0;
        begin_local();
        world.in = in;
        world.in_len = strlen(in);
        for (int i = 0; i < 1000 && session.active; i++) {
            pump();
            (void)!pp_queue_sync(&world.queue);
        }
        assert_false(session.active);
        assert_int_equal(world.sealed_count, 2);
        assert_content(world.sealed.id, "second\r\n");
        assert_said("221 2.0.0 bye\r\n");
    }
}

static void test_sync_fails(void **state)
{
    (void)state;
    begin_local();
    give_z(HELLO MAIL BODY ".\r\n");
    world.ram.broken_sync = true;
    assert_int_equal(sync(), PP_ERR_FLASH);
    assert_said("451 4.3.0 not stored, try again later\r\n");
    assert_true(world_logged("event=refused stage=content origin=\"uid=1000\""));
    give_z("MAIL FROM:<a@b>\r\n");
    assert_said("451 4.3.0 failed here, try again later\r\n");
    pp_intake_session_stop(&session, "421 4.3.2 shutting down");
}

static void test_slow_sync(void **state)
{
    (void)state;
    world.ram.lazy_sync = true;
    begin_local();
    give_z(HELLO MAIL BODY ".\r\n");
    world.out_w.len = 0;
    enum pp_err err = sync();
    for (int i = 0; i < 5 && err == PP_ERR_LATER; i++) {
        assert_silent();
        err = sync();
    }
    assert_int_equal(err, PP_OK);
    assert_int_equal(pp_queue_ticket(&world.queue, &world.sealed), PP_TICKET_DURABLE);
    pp_intake_session_stop(&session, "421 4.3.2 shutting down");
}

static void test_own_parameters(void **state)
{
    (void)state;
    begin_local();
    give_z(HELLO);
    assert_said("250-X-PINPOST\r\n250 ENHANCEDSTATUSCODES\r\n");
    give_z("MAIL FROM:<> X-DEFAULT-FROM X-DEFAULT-TO X-KIND=alert X-SEVERITY=warning "
           "X-SUBJECT=Disk+203 X-NAME=NAS\r\nRCPT TO:<root>\r\nDATA\r\n.\r\n");
    (void)sync();
    struct pp_envelope envelope = world_envelope(world.sealed.id);
    assert_int_equal(envelope.kind, PP_KIND_ALERT);
    assert_int_equal(envelope.severity, PP_SEVERITY_WARNING);
    assert_text(envelope.sender, "pinpost@example.org");
    assert_text(envelope.sender_name, "NAS");
    assert_text(envelope.subject, "Disk 3");
    assert_recipients(world.sealed.id, "admin@example.org watch@example.net root@example.org ");
    give_z("MAIL FROM:<>\r\nRCPT TO:<root>\r\nDATA\r\n.\r\n");
    assert_said("554 5.6.0 the message is empty\r\n");
    give_z("MAIL FROM:<>\r\nRCPT TO:<root>\r\nDATA\r\nx\r\n.\r\n");
    (void)sync();
    assert_text(world_envelope(world.sealed.id).sender, "");
    WORLD_SET(world.config.identity.to, "");
    give_z("MAIL FROM:<> X-DEFAULT-TO\r\n");
    assert_said("550 5.1.1 no default recipients are configured\r\n");
    assert_true(world_logged("event=refused stage=mail origin=\"uid=1000\""));
    pp_intake_session_stop(&session, "421 4.3.2 shutting down");
}

/* Those are for the local socket alone. */
static void test_over_the_network(void **state)
{
    (void)state;
    world.config.server.connections = 10;
    world.config.listener_count = 1;
    world.config.listeners[0] = (struct pp_listener_config){
        .network_count = 1, .networks = {{4, 8, {127}}}, .received_client = true};
    begin(&(struct pp_peer){.address = {.family = 4, .ip = {127, 0, 0, 1}, .port = 1}}, 0);
    give_z(HELLO "MAIL FROM:<> X-DEFAULT-TO\r\n");
    assert_said("250 ENHANCEDSTATUSCODES\r\n555 5.5.4 unknown parameter\r\n");
    pp_intake_session_stop(&session, "421 4.3.2 shutting down");
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"MAIL FROM:<a b@c>\r\n", "501 5.1.7 malformed sender, name or subject\r\n"},
        {"MAIL FROM:<a@b> SIZE=100001\r\n", "552 5.3.4 the message is larger than the limit\r\n"},
        {"MAIL FROM:<> X-KIND=alert X-SUBJECT=a+0D+0ABcc:+20x@y\r\n",
         "501 5.1.7 control characters in sender, name or subject\r\n"},
        {"MAIL FROM:<>\r\nRCPT TO:<a@>\r\n", "501 5.1.3 malformed address\r\n"},
        {MAIL "a\nb\r\n.\r\n", "554 5.6.11 bare CR, bare LF or NUL in the message\r\n"},
        {"MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nRCPT TO:<a@b>\r\nRCPT TO:<a@b>\r\nRCPT TO:<a@b>\r\n"
         "RCPT TO:<a@b>\r\nRCPT TO:<a@b>\r\n",
         "250 2.1.5 ok\r\n452 4.5.3 too many recipients\r\n"},
    };

    begin_local();
    give_z(HELLO);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        give_z(cases[i].in);
        assert_said(cases[i].out);
        give_z("RSET\r\n");
        assert_nothing_kept();
    }
    assert_int_equal(world.sealed_count, 0);
    pp_intake_session_stop(&session, "421 4.3.2 shutting down");
}

static void test_too_big(void **state)
{
    (void)state;
    static char line[1000];
    uint64_t programs;

    memset(line, 'x', sizeof(line) - 2);
    memcpy(line + sizeof(line) - 2, "\r\n", 2);
    begin_local();
    give_z(HELLO MAIL);
    for (size_t i = 0; i < WORLD_LIMIT / sizeof(line); i++) {
        give(line, sizeof(line));
    }
    assert_non_null(session.submit);
    give_z("x");
    /* given up at once; what still comes goes nowhere */
    assert_nothing_kept();
    programs = world.ram.operations;
    for (size_t i = 0; i < WORLD_LIMIT / sizeof(line); i++) {
        give(line, sizeof(line));
    }
    assert_int_equal(world.ram.operations, programs);
    give_z(".\r\n");
    assert_said("552 5.3.4 the message is larger than the limit\r\n");
    assert_true(world_logged("event=refused stage=content origin=\"uid=1000\""));
    pp_intake_session_stop(&session, "421 4.3.2 shutting down");
}

/* ---- the client goes away ---- */

static void test_lost(void **state)
{
    (void)state;
    static const char in[] = HELLO MAIL BODY;

    for (size_t len = 0; len <= strlen(in); len++) {
        world.in_closed = false;
        begin_local();
        give(in, len);
        world.in_closed = true;
        pump();
        assert_false(session.active);
        assert_true(world.closed);
        assert_nothing_kept();
    }
    assert_int_equal(world.sealed_count, 0);
}

/* It was accepted: that nobody waits for the answer changes nothing. */
static void test_lost_while_waiting(void **state)
{
    (void)state;
    begin_local();
    give_z(HELLO MAIL BODY ".\r\n");
    world.in_closed = true;
    pump();
    assert_int_equal(sync(), PP_OK);
    pump();
    assert_false(session.active);
    assert_int_equal(pp_queue_ticket(&world.queue, &world.sealed), PP_TICKET_DURABLE);
    assert_non_null(pp_queue_find(&world.queue, world.sealed.id));
}

static void test_idle(void **state)
{
    (void)state;
    begin_local();
    give_z(HELLO MAIL "half a mes");
    world.now_ms = pp_intake_session_deadline_ms(&session);
    pump();
    assert_said("421 4.4.2 timed out\r\n");
    assert_false(session.active);
    assert_true(world.closed);
    assert_nothing_kept();
}

/* It reads nothing: its slot is won back all the same. */
static void test_stuck(void **state)
{
    (void)state;
    static char in[10000];

    for (size_t i = 0; i + 6 <= sizeof(in); i += 6) {
        memcpy(in + i, "NOOP\r\n", 6);
    }
    begin_local();
    world.out_room = 100;
    give(in, sizeof(in) / 6 * 6);
    world.now_ms = pp_intake_session_deadline_ms(&session);
    pump();
    assert_true(session.active);
    world.now_ms = pp_intake_session_deadline_ms(&session);
    pump();
    assert_false(session.active);
    assert_true(world.closed);
}

/* ---- we go away ---- */

static void test_draining(void **state)
{
    (void)state;
    begin_local();
    give_z(HELLO MAIL);
    world.intake.draining = true;
    pump();
    assert_true(session.active);
    /* what was begun is finished */
    give_z(BODY ".\r\n" MAIL);
    (void)sync();
    assert_said("421 4.3.2 shutting down\r\n");
    assert_false(session.active);
    assert_non_null(pp_queue_find(&world.queue, world.sealed.id));
}

static void test_stop(void **state)
{
    (void)state;
    begin_local();
    give_z(HELLO MAIL "half a mes");
    pp_intake_session_stop(&session, "421 4.3.2 shutting down");
    assert_said("421 4.3.2 shutting down\r\n");
    assert_false(session.active);
    assert_true(world.closed);
    assert_nothing_kept();
    pp_intake_session_stop(&session, "421 4.3.2 shutting down");
    /* no answer while its fate is open: the client must not think that it was refused */
    begin_local();
    give_z(HELLO MAIL BODY ".\r\n");
    world.out_w.len = 0;
    pp_intake_session_stop(&session, "421 4.3.2 shutting down");
    assert_silent();
    assert_true(world.closed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_begin, world_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_durable_then_250),   TEST(test_pieces),         TEST(test_sync_fails),
        TEST(test_slow_sync),          TEST(test_own_parameters), TEST(test_over_the_network),
        TEST(test_refusals),           TEST(test_too_big),        TEST(test_lost),
        TEST(test_lost_while_waiting), TEST(test_idle),           TEST(test_stuck),
        TEST(test_draining),           TEST(test_stop),
    };

    return cmocka_run_group_tests_name("intake_session", tests, seed, NULL);
}
