/*
 * intake_world.h - what the intake room stands on, in memory: a flash, a queue, a clock, a stream
 *
 * Job:      shared by test_submit.c and test_intake_session.c; static, one world a program.
 */
#ifndef PP_TESTS_INTAKE_WORLD_H
#define PP_TESTS_INTAKE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "intake/session.h"
#include "intake/submit.h"
#include "support/ram_flash.h"

#define WORLD_BLOCK_BYTES 16384u
#define WORLD_BLOCKS      64u
#define WORLD_WALL_S      1800000000
#define WORLD_LIMIT       100000u

struct intake_world {
    struct pp_port port;
    struct pp_config config;
    struct pp_log log;
    struct pp_queue queue;
    struct pp_intake intake;
    struct pp_ticket sealed; /* the last one that on_sealed() got */
    unsigned sealed_count;
    uint64_t now_ms;
    struct ram_flash ram;
    char log_text[65536];
    struct pp_writer log_w;
    /* the other end of the one stream */
    const char *in;
    size_t in_len, in_piece; /* bytes left to read, and at most so many at once */
    bool in_closed, closed;  /* the peer closed; we did */
    bool wants_read;
    size_t out_room;
    char out[65536];
    struct pp_writer out_w;
};

static struct intake_world world;

/* ---- clocks and stream ---- */

static inline uint64_t world_now_ms(void *ctx)
{
    (void)ctx;
    return world.now_ms;
}

static inline int64_t world_wall_s(void *ctx)
{
    (void)ctx;
    return WORLD_WALL_S;
}

static inline int world_stream_read(void *ctx, int stream, void *out, size_t cap)
{
    size_t len = world.in_len < cap ? world.in_len : cap;

    (void)ctx;
    assert_int_equal(stream, 7);
    assert_false(world.closed);
    len = world.in_piece > 0 && len > world.in_piece ? world.in_piece : len;
    if (len == 0) {
        return world.in_closed ? PP_IO_CLOSED : PP_IO_LATER;
    }
    memcpy(out, world.in, len);
    world.in += len;
    world.in_len -= len;
    return (int)len;
}

static inline int world_stream_write(void *ctx, int stream, const void *bytes, size_t len)
{
    size_t taken = len < world.out_room ? len : world.out_room;

    (void)ctx;
    assert_int_equal(stream, 7);
    pp_put(&world.out_w, bytes, taken);
    world.out_room -= taken;
    return (int)taken;
}

static inline void world_stream_watch(void *ctx, int stream, bool wants_read, bool wants_write)
{
    (void)ctx;
    (void)stream;
    (void)wants_write;
    world.wants_read = wants_read;
}

static inline void world_stream_close(void *ctx, int stream)
{
    (void)ctx;
    assert_int_equal(stream, 7);
    assert_false(world.closed);
    world.closed = true;
}

/* ---- the world ---- */

static inline void world_log(void *ctx, enum pp_log_level level, const char *line, size_t len)
{
    (void)ctx;
    (void)level;
    pp_put(&world.log_w, line, len);
    pp_put_char(&world.log_w, '\n');
}

static inline void world_sealed(void *ctx, const struct pp_ticket *ticket)
{
    (void)ctx;
    world.sealed = *ticket;
    world.sealed_count++;
}

static inline void world_set(char *field, size_t cap, const char *text_z)
{
    assert_true(strlen(text_z) < cap);
    memcpy(field, text_z, strlen(text_z) + 1);
}

#define WORLD_SET(field, text_z) world_set(field, sizeof(field), text_z)

static inline void world_config(void)
{
    struct pp_config *c = &world.config;

    memset(c, 0, sizeof(*c));
    WORLD_SET(c->identity.hostname, "nas.example");
    WORLD_SET(c->identity.domain, "example.org");
    WORLD_SET(c->identity.to, "admin, \"Night watch\" <watch@example.net>");
    c->queue.message_limit_bytes = WORLD_LIMIT;
    c->queue.recipient_limit = 5;
    c->timeouts.server_ms = 300000;
}

static inline int world_begin(void **state)
{
    const struct pp_queue_limits limits = {WORLD_LIMIT, 5, 10};

    (void)state;
    memset(&world, 0, sizeof(world));
    world_config();
    world.now_ms = 1000000;
    world.out_room = SIZE_MAX;
    pp_writer_init(&world.log_w, world.log_text, sizeof(world.log_text) - 1);
    pp_writer_init(&world.out_w, world.out, sizeof(world.out) - 1);
    world.log = (struct pp_log){.sink = world_log, .level = PP_LOG_DEBUG};
    world.port = (struct pp_port){.now_ms = world_now_ms,
                                  .wall_s = world_wall_s,
                                  .stream_read = world_stream_read,
                                  .stream_write = world_stream_write,
                                  .stream_watch = world_stream_watch,
                                  .stream_close = world_stream_close};
    ram_flash_init(&world.ram, 1, 4096, WORLD_BLOCK_BYTES, WORLD_BLOCKS, 0xFF);
    world.port.flash = world.ram.flash;
    assert_int_equal(pp_queue_mount(&world.queue, &world.port.flash, &limits), PP_OK);
    pp_intake_init(&world.intake, &world.queue, &world.config, &world.port, &world.log);
    world.intake.on_sealed = world_sealed;
    return 0;
}

static inline int world_end(void **state)
{
    (void)state;
    assert_int_equal(world.ram.rules_broken, 0);
    ram_flash_free(&world.ram);
    return 0;
}

static inline bool world_logged(const char *text_z)
{
    world.log_text[world.log_w.len] = '\0';
    return strstr(world.log_text, text_z) != NULL;
}

/* ---- what lies in the queue ---- */

static struct pp_queue_reader world_reader;

static inline struct pp_envelope world_envelope(uint32_t id)
{
    struct pp_envelope envelope;

    assert_int_equal(pp_queue_reader_open(&world.queue, id, &world_reader, &envelope), PP_OK);
    return envelope;
}

static inline void assert_text(struct pp_text text, const char *expected_z)
{
    if (!pp_text_equal(text, pp_text_z(expected_z))) {
        print_error("\"%.*s\" is not \"%s\"\n", (int)text.len, text.p, expected_z);
        fail();
    }
}

/* All recipients, a blank behind each. */
static inline void assert_recipients(uint32_t id, const char *expected_z)
{
    char text[2000];
    struct pp_writer w;
    struct pp_text address;

    pp_writer_init(&w, text, sizeof(text));
    (void)world_envelope(id);
    while (pp_queue_reader_recipient(&world_reader, &address) == PP_OK) {
        pp_put_text(&w, address);
        pp_put_char(&w, ' ');
    }
    assert_text(pp_writer_text(&w), expected_z);
}

static inline void assert_content(uint32_t id, const char *expected_z)
{
    static char text[WORLD_LIMIT];
    struct pp_writer w;
    const uint8_t *bytes;
    size_t len;

    pp_writer_init(&w, text, sizeof(text));
    (void)world_envelope(id);
    do {
        assert_int_equal(pp_queue_reader_content(&world_reader, &bytes, &len), PP_OK);
        pp_put(&w, bytes, len);
    } while (len > 0);
    assert_text(pp_writer_text(&w), expected_z);
}

/* No message, and no slot held. */
static inline void assert_nothing_kept(void)
{
    uint32_t cursor = 0;

    assert_null(pp_queue_next(&world.queue, &cursor));
    for (size_t i = 0; i < PP_QUEUE_WRITERS; i++) {
        assert_false(world.intake.submits[i].in_use);
        assert_false(world.queue.writers[i].in_use);
    }
}

#endif
