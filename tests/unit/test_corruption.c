/*
 * test_corruption.c - damage anywhere in an image: found, counted, and nothing else is lost
 *
 * An image holds messages in every state, some moved by cleaning, one over three blocks, blocks
 * given back and not yet erased; one image has a block that failed while it was filled. A map
 * tells whose bytes lie where. Then, again and again, one thing is damaged and the image mounted:
 * the mount ends with a bounded number of reads; what was not touched is whole, in its state; what
 * was touched is whole, refused or gone, and gone only with a count; work goes on.
 *
 * PP_EVERY_BIT=1 flips every bit of every byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "queue/record.h"
#include "queue_model.h"
#include "store/ring_private.h"

/* There in a build with AddressSanitizer. */
extern void __asan_init(void) __attribute__((weak));

#define KNOWN      64
#define READS_MAX  40  /* bytes read by a mount, by bytes of the image; a read counts 16 more */
#define ROUND_STEP 257 /* one flip in so many goes on until each block was used again */

struct shape {
    struct ram_geometry geometry;
    bool fails; /* a block fails while it is filled, another when it is erased */
};

static const struct shape shapes[] = {
    {{1, 256, 2048, 24, 0xFF}, false},
    {{16, 16, 1024, 32, 0x00}, false},
    {{256, 256, 4096, 20, 0xFF}, false},
    {{4, 64, 2048, 28, 0xFF}, true},
};
#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

/* Whose byte is it? */
struct owner {
    uint8_t type; /* of the record; 0: none */
    uint32_t id;
    uint32_t header_of; /* lap, in a block header */
};

struct image {
    struct model m;      /* what is in it */
    struct owner *owner; /* of each byte */
};

/* One mount of a damaged copy. */
struct trial {
    struct model m;
    const struct image *image;
    uint32_t touched[KNOWN];
    size_t touched_count;
};

/* What is done now, for whoever reads a failure. */
static struct {
    bool running;
    size_t shape;
    const char *damage_z;
    uint64_t at;   /* which one: for a flip the address in bits */
    unsigned done; /* of that test */
} now;

/* ---- the image ---- */

static void put(struct model *m, uint32_t size_bytes, uint32_t recipients)
{
    enum pp_err err;
    for (unsigned i = 0; (err = model_add(m, size_bytes, recipients)) != PP_OK; i++) {
        if (i == 100)
            fail_msg("no room for %u bytes: %d; %u blocks are spare, %u kept", size_bytes, err,
                     pp_ring_spare_blocks(&q.ring), pp_queue_blocks_kept(&q));
        model_sync(m);
        model_clean(m);
    }
}

static uint32_t newest_id(const struct model *m)
{
    return m->messages[m->count - 1].id;
}

/* Mail comes and goes until block `lap` is open. */
static void pass_time(struct model *m, uint32_t lap)
{
    for (unsigned i = 0; q.ring.next_lap <= lap; i++) {
        assert_true(i < 10000);
        put(m, 150 + i % 5 * 40, 1 + i % 2);
        model_sync(m);
        model_finish(m, newest_id(m));
        model_sync(m);
        model_clean(m);
        model_compact(m);
    }
}

static void fill(struct model *m)
{
    const struct pp_flash *flash = &m->flash.flash;
    put(m, 300, 2); /* will be moved */
    uint32_t moved = newest_id(m);
    pass_time(m, flash->block_count + flash->block_count / 2);
    assert_true(pp_queue_find(&q, moved)->first.lap > 1);
    put(m, 100, 1); /* waiting */
    put(m, 500, 4); /* part delivered, and tried */
    assert_int_equal(model_result(m, newest_id(m), 2, PP_OUTCOME_DELIVERED), PP_OK);
    model_sync(m);
    assert_int_equal(model_result(m, newest_id(m), 1, PP_OUTCOME_OPEN), PP_OK);
    assert_int_equal(pp_queue_attempted(&q, newest_id(m)), PP_OK);
    put(m, 0, 2); /* failed */
    assert_int_equal(model_result(m, newest_id(m), 0, PP_OUTCOME_FAILED), PP_OK);
    assert_int_equal(model_result(m, newest_id(m), 1, PP_OUTCOME_DELIVERED), PP_OK);
    model_sync(m);
    put(m, 200, 1); /* gone */
    model_sync(m);
    put(m, flash->block_bytes * 9 / 4, 3); /* over three blocks */
    model_sync(m);
    model_finish(m, m->messages[m->count - 2].id);
    put(m, 250, 1); /* held */
    assert_int_equal(pp_queue_hold(&q, newest_id(m), true), PP_OK);
    model_sync(m);
    put(m, 40, 1);
    put(m, 60, 1); /* removed */
    model_sync(m);
    assert_int_equal(pp_queue_remove(&q, newest_id(m)), PP_OK);
    m->messages[m->count - 1].state = MODEL_GONE;
    model_sync(m);
}

static void claim(struct image *image, uint64_t address, uint32_t len, struct owner owner)
{
    for (uint32_t i = 0; i < len; i++)
        image->owner[address + i] = owner;
}

static void draw_map(struct image *image)
{
    struct pp_ring *ring = &q.ring;
    struct pp_ring_block block;
    struct pp_record record;
    image->owner = calloc(image->m.flash.bytes, sizeof(*image->owner));
    for (uint32_t lap = ring->oldest_lap; lap < ring->next_lap; lap++) {
        struct pp_place place = {lap, 0};
        if (pp_ring_header_of(ring, lap, &block))
            claim(image, (uint64_t)pp_ring_block_of(ring, lap) * ring->flash->block_bytes,
                  PP_RING_BLOCK_HEADER_BYTES, (struct owner){.header_of = lap});
        while (pp_ring_walk_block(ring, &place, &record) == PP_OK) {
            for (uint32_t i = 0; i < pp_ring_record_bytes(record.len); i++) {
                struct pp_place at = {record.place.lap, record.place.offset + i};
                claim(image, pp_ring_address(ring, at), 1,
                      (struct owner){.type = record.type, .id = record.id});
            }
        }
    }
}

static void make_image(struct image *image, const struct shape *shape)
{
    memset(image, 0, sizeof(*image));
    model_init(&image->m, &shape->geometry);
    struct ram_flash *f = &image->m.flash;
    if (shape->fails) {
        const struct ram_fault stuck = {.kind = RAM_FAIL_PROGRAM,
                                        .address = 9 * f->flash.block_bytes + 700,
                                        .len = 100,
                                        .after = 1};
        ram_flash_fault(f, stuck);
        ram_flash_wear_out(f, 4, 1);
    }
    fill(&image->m);
    model_check(&image->m);
    assert_int_equal(q.ring.retired.count, shape->fails ? 2 : 0);
    draw_map(image);
}

static void free_image(struct image *image)
{
    free(image->owner);
    model_free(&image->m);
}

/* ---- a damaged copy ---- */

/* A copy that is still whole. `t` was zeroed before its first use. */
static void begin(struct trial *t, const struct image *image)
{
    const struct pp_flash *flash = &image->m.flash.flash;
    if (t->image == NULL) {
        ram_flash_init(&t->m.flash, flash->program_unit_bytes, flash->page_bytes,
                       flash->block_bytes, flash->block_count, flash->erased_value);
        t->m.messages = calloc(MODEL_MESSAGES, sizeof(*t->m.messages));
        t->m.limits = image->m.limits;
    }
    t->image = image;
    t->touched_count = 0;
    t->m.count = image->m.count;
    t->m.next_number = image->m.next_number;
    memcpy(t->m.messages, image->m.messages, image->m.count * sizeof(*t->m.messages));
    ram_flash_cut(&t->m.flash, &image->m.flash, 1);
}

static void end(struct trial *t)
{
    assert_int_equal(t->m.flash.rules_broken, 0);
    ram_flash_free(&t->m.flash);
    free(t->m.messages);
}

static bool is_touched(const struct trial *t, uint32_t id)
{
    for (size_t i = 0; i < t->touched_count; i++) {
        if (t->touched[i] == id)
            return true;
    }
    return false;
}

static void touch_id(struct trial *t, uint32_t id)
{
    if (id == 0 || is_touched(t, id))
        return;
    assert_true(t->touched_count < KNOWN);
    t->touched[t->touched_count++] = id;
}

/* All whose bytes lie there; for a block's header all whose bytes lie in the block. */
static void touch(struct trial *t, uint64_t address, uint64_t len)
{
    uint32_t block_bytes = t->m.flash.flash.block_bytes;
    for (uint64_t i = address; i < address + len; i++) {
        const struct owner *owner = &t->image->owner[i];
        touch_id(t, owner->id);
        if (owner->header_of == 0)
            continue;
        const struct owner *block = owner - i % block_bytes;
        for (uint32_t k = 0; k < block_bytes; k++)
            touch_id(t, block[k].id);
    }
}

/* ---- what a mount shows ---- */

static uint64_t count_reads(const struct ram_flash *f)
{
    return f->reads * 16 + f->bytes_read;
}

static void mount(struct trial *t)
{
    struct ram_flash *f = &t->m.flash;
    uint64_t before = count_reads(f);
    assert_int_equal(pp_queue_mount(&q, &f->flash, &t->m.limits), PP_OK);
    /* Some searches of all there is, and each message once. */
    assert_true(count_reads(f) - before < READS_MAX * f->bytes);
}

static uint32_t damage_counted(void)
{
    return q.ring.report.records_damaged + q.ring.report.blocks_bad_header + q.messages_damaged +
           q.messages_torn;
}

static enum pp_err read_to_end(uint32_t id)
{
    static struct pp_queue_reader r;
    struct pp_envelope e;
    struct pp_text address;
    const uint8_t *bytes;
    size_t len = 1;
    enum pp_err err = pp_queue_reader_open(&q, id, &r, &e);
    while (err == PP_OK)
        err = pp_queue_reader_recipient(&r, &address);
    if (err != PP_ERR_NOT_FOUND)
        return err;
    do
        err = pp_queue_reader_content(&r, &bytes, &len);
    while (err == PP_OK && len > 0);
    return err;
}

/* It is there, but its bytes were damaged somewhere: whole, or refused. */
static void check_touched(const struct trial *t, struct model_message *msg)
{
    enum pp_err err = read_to_end(msg->id);
    if (err == PP_OK)
        assert_true(model_is_whole(msg));
    else
        assert_true(err == PP_ERR_DAMAGED || (err == PP_ERR_FLASH && t->m.flash.fault_count > 0));
    assert_int_equal(pp_queue_outcomes(&q, msg->id, msg->outcomes, sizeof(msg->outcomes)), PP_OK);
    msg->state = MODEL_QUEUED;
}

/* Messages that had ended before the image was made: what told that may be damaged. */
static size_t count_returned(struct trial *t)
{
    struct pp_queue_entry *entry;
    uint32_t cursor = 0;
    size_t count = 0;
    while ((entry = pp_queue_next(&q, &cursor)) != NULL) {
        if (model_find(&t->m, entry->id) != NULL)
            continue;
        assert_true(is_touched(t, entry->id));
        enum pp_err err = read_to_end(entry->id);
        assert_true(err == PP_OK || err == PP_ERR_DAMAGED);
        count++;
    }
    return count;
}

/* `lost` counts messages of the image that are not there. */
static void check(struct trial *t, unsigned *lost)
{
    size_t there = 0;
    *lost = 0;
    for (size_t i = 0; i < t->m.count; i++) {
        struct model_message *msg = &t->m.messages[i];
        bool found = pp_queue_find(&q, msg->id) != NULL;
        there += found;
        if (!is_touched(t, msg->id)) {
            if (msg->state == MODEL_QUEUED)
                model_check_message(msg);
            else
                assert_false(found);
        } else if (found) {
            check_touched(t, msg);
        } else if (msg->state == MODEL_QUEUED) {
            msg->state = MODEL_GONE;
            (*lost)++;
        }
    }
    assert_int_equal(q.entry_count, there + count_returned(t));
}

static void remove_touched(struct trial *t)
{
    for (size_t i = 0; i < t->m.count; i++) {
        struct model_message *msg = &t->m.messages[i];
        if (!is_touched(t, msg->id) || msg->state != MODEL_QUEUED)
            continue;
        assert_int_equal(pp_queue_remove(&q, msg->id), PP_OK);
        msg->state = MODEL_GONE;
    }
}

/* Where the header of the newest block looks erased, it was never there. */
static bool is_newest_erased(const struct trial *t)
{
    const struct ram_flash *f = &t->m.flash;
    uint64_t newest = 0;
    uint32_t lap = 0;
    for (uint64_t i = 0; i < f->bytes; i += f->flash.block_bytes) {
        if (t->image->owner[i].header_of > lap) {
            lap = t->image->owner[i].header_of;
            newest = i;
        }
    }
    for (uint32_t i = 0; i < PP_RING_BLOCK_HEADER_BYTES; i++) {
        if (f->now[newest + i] != f->flash.erased_value)
            return false;
    }
    return true;
}

/* Mount what was damaged, and work with it. `round`: until each block was used again. */
static void run(struct trial *t, bool round)
{
    struct model *m = &t->m;
    unsigned lost;
    bool is_silent = is_newest_erased(t);
    mount(t);
    check(t, &lost);
    if (lost > 0 && !is_silent)
        assert_true(damage_counted() > 0);
    uint32_t end_lap = q.ring.next_lap + m->flash.flash.block_count;
    if (ram_random(&m->flash) % 2 == 0)
        remove_touched(t);
    put(m, 200, 2);
    model_sync(m);
    assert_int_equal(model_result(m, newest_id(m), 1, PP_OUTCOME_DELIVERED), PP_OK);
    if (round)
        pass_time(m, end_lap);
    model_sync(m);
    mount(t);
    check(t, &lost);
    assert_int_equal(m->flash.rules_broken, 0);
}

/* ---- damage ---- */

/* Is damage number `at` to be done? PP_ONLY=shape,at leaves only one. */
static bool is_next(size_t shape, const char *damage_z, uint64_t at)
{
    const char *only_z = getenv("PP_ONLY");
    char *end_z;
    if (only_z != NULL && (strtoull(only_z, &end_z, 10) != shape || *end_z != ',' ||
                           strtoull(end_z + 1, NULL, 10) != at))
        return false;
    now.running = true;
    now.done++;
    now.shape = shape;
    now.damage_z = damage_z;
    now.at = at;
    return true;
}

static void flip(struct trial *t, const struct image *image, uint64_t at)
{
    begin(t, image);
    t->m.flash.seed = at;
    ram_flash_flip(&t->m.flash, at / 8, (uint8_t)(1u << at % 8));
    touch(t, at / 8, 1);
    run(t, at % ROUND_STEP == 0);
}

/* Every bit of block headers; one of each other byte of the log; of what is erased or was given
 * back, one of each eighth byte. A fifth of that where each run is slow. */
static bool is_sampled(const struct image *image, uint64_t at)
{
    const struct owner *owner = &image->owner[at / 8];
    if (getenv("PP_EVERY_BIT") != NULL)
        return true;
    if (__asan_init != NULL && at % 5 != 0)
        return false;
    if (owner->header_of != 0)
        return true;
    return at % 8 == at / 8 * 5 % 8 && (owner->type != 0 || at / 8 % 8 == 0);
}

static void finds_a_flipped_bit(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHAPES; i++) {
        struct image image;
        struct trial t;
        memset(&t, 0, sizeof(t));
        make_image(&image, &shapes[i]);
        for (uint64_t at = 0; at < image.m.flash.bytes * 8; at++) {
            if (is_sampled(&image, at) && is_next(i, "finds_a_flipped_bit", at))
                flip(&t, &image, at);
        }
        end(&t);
        free_image(&image);
    }
    now.running = false;
}

/* Bytes of a copy, in both images of its flash. */
static void overwrite(struct trial *t, uint64_t address, const uint8_t *bytes, size_t len)
{
    memcpy(t->m.flash.now + address, bytes, len);
    memcpy(t->m.flash.durable + address, bytes, len);
    touch(t, address, len);
}

static void zero_page(struct trial *t, uint32_t n)
{
    static const uint8_t zeros[4096];
    const struct ram_flash *f = &t->m.flash;
    size_t page = f->flash.page_bytes < 64 ? 64 : f->flash.page_bytes;
    overwrite(t, n % (f->bytes / page) * page, zeros, page);
}

static void fill_with_noise(struct trial *t, uint32_t n)
{
    uint8_t noise[4096];
    uint32_t block = t->m.flash.flash.block_bytes;
    uint32_t from = n % 3 == 0 ? 0 : (uint32_t)(ram_random(&t->m.flash) % block);
    for (uint32_t i = 0; i < block; i++)
        noise[i] = (uint8_t)ram_random(&t->m.flash);
    overwrite(t, n % t->m.flash.flash.block_count * block + from, noise, block - from);
}

static void swap_blocks(struct trial *t, uint32_t n)
{
    uint8_t first[4096];
    uint8_t second[4096];
    uint32_t block = t->m.flash.flash.block_bytes;
    uint32_t count = t->m.flash.flash.block_count;
    uint64_t a = (uint64_t)(n % count) * block;
    uint64_t b = (uint64_t)((n + 1 + n / count) % count) * block;
    memcpy(first, t->m.flash.now + a, block);
    memcpy(second, t->m.flash.now + b, block);
    overwrite(t, a, second, block);
    overwrite(t, b, first, block);
}

static void copy_block(struct trial *t, uint32_t n)
{
    uint8_t bytes[4096];
    uint32_t block = t->m.flash.flash.block_bytes;
    uint32_t count = t->m.flash.flash.block_count;
    memcpy(bytes, t->m.flash.now + (uint64_t)(n % count) * block, block);
    overwrite(t, (uint64_t)((n + 1 + n / count) % count) * block, bytes, block);
}

static void damage_all(void (*damage)(struct trial *t, uint32_t n), uint32_t times,
                       const char *damage_z)
{
    for (size_t i = 0; i < SHAPES; i++) {
        struct image image;
        struct trial t;
        memset(&t, 0, sizeof(t));
        make_image(&image, &shapes[i]);
        for (uint32_t n = 0; n < times; n++) {
            if (!is_next(i, damage_z, n))
                continue;
            begin(&t, &image);
            t.m.flash.seed = n;
            damage(&t, n);
            run(&t, n % 4 == 0);
        }
        end(&t);
        free_image(&image);
    }
    now.running = false;
}

static void survives_a_page_of_zeros(void **state)
{
    (void)state;
    damage_all(zero_page, 600, __func__);
}

static void survives_a_block_of_noise(void **state)
{
    (void)state;
    damage_all(fill_with_noise, 200, __func__);
}

static void survives_blocks_that_changed_places(void **state)
{
    (void)state;
    damage_all(swap_blocks, 200, __func__);
}

static void survives_a_block_written_over_another(void **state)
{
    (void)state;
    damage_all(copy_block, 200, __func__);
}

/* A page that cannot be read, whatever is written there later. */
static void lose_page(struct trial *t, uint64_t address, uint32_t len)
{
    unsigned lost;
    ram_flash_fault(&t->m.flash,
                    (struct ram_fault){.kind = RAM_FAIL_READ, .address = address, .len = len});
    touch(t, address, len);
    mount(t);
    check(t, &lost);
    if (lost > 0)
        assert_true(damage_counted() > 0);
    put(&t->m, 200, 2);
    model_sync(&t->m);
    model_clean(&t->m);
}

static void survives_what_cannot_be_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHAPES; i++) {
        struct image image;
        struct trial t;
        uint32_t page = shapes[i].geometry.page;
        memset(&t, 0, sizeof(t));
        make_image(&image, &shapes[i]);
        for (uint64_t address = 0; address < image.m.flash.bytes; address += page) {
            if (!is_next(i, __func__, address))
                continue;
            begin(&t, &image);
            lose_page(&t, address, page);
        }
        end(&t);
        free_image(&image);
    }
    now.running = false;
}

static int tell(void **state)
{
    (void)state;
    if (now.running)
        (void)fprintf(stderr,
                      "replay: PP_ONLY=%zu,%llu PP_TEST=%s "
                      "build/host/tests/unit/test_corruption\n",
                      now.shape, (unsigned long long)now.at, now.damage_z);
    else
        (void)printf("%u times damaged and mounted\n", now.done);
    now.running = false;
    now.done = 0;
    return 0;
}

int main(void)
{
    const char *filter_z = getenv("PP_TEST");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(finds_a_flipped_bit, tell),
        cmocka_unit_test_teardown(survives_a_page_of_zeros, tell),
        cmocka_unit_test_teardown(survives_a_block_of_noise, tell),
        cmocka_unit_test_teardown(survives_blocks_that_changed_places, tell),
        cmocka_unit_test_teardown(survives_a_block_written_over_another, tell),
        cmocka_unit_test_teardown(survives_what_cannot_be_read, tell),
    };
    if (filter_z != NULL)
        cmocka_set_test_filter(filter_z);
    return cmocka_run_group_tests_name("corruption", tests, NULL, NULL);
}
