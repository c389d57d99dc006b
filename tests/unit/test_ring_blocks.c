/* test_ring_blocks.c - blocks of the ring that fail, and blocks that list what a mount must read */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/ring.h"
#include "store/ring_format.h"
#include "support/ram_flash.h"

struct geometry {
    uint32_t unit, page, block, count;
    uint8_t erased;
};

static const struct geometry geometries[] = {{1, 256, 4096, 12, 0xFF},  {4, 256, 2048, 12, 0xFF},
                                             {16, 16, 2048, 10, 0xFF},  {8, 64, 1024, 16, 0x00},
                                             {256, 256, 4096, 8, 0xFF}, {512, 512, 4096, 8, 0x00},
                                             {512, 512, 8192, 8, 0xFF}};
#define GEOMETRIES (sizeof(geometries) / sizeof(geometries[0]))

static struct pp_ring ring;

/* Records in the order of their ids; the payload follows from the id. */
static uint16_t make(uint32_t id, uint8_t *payload)
{
    uint16_t len = (uint16_t)(id * 37 % 300);
    for (uint32_t i = 0; i < len; i++)
        payload[i] = (uint8_t)(id * 7 + i);
    return len;
}

static uint8_t type_of(uint32_t id)
{
    return (uint8_t)(1 + id % 8);
}

static enum pp_err append(uint32_t id, struct pp_place *place)
{
    uint8_t payload[300];
    uint16_t len = make(id, payload);
    return pp_ring_append(&ring, type_of(id), id, payload, len, place);
}

static bool reads_well(struct pp_place place, uint32_t id)
{
    uint8_t want[300];
    uint8_t got[PP_STORE_CHUNK_BYTES];
    struct pp_record record;
    uint16_t len = make(id, want);
    return pp_ring_read(&ring, place, &record, got, sizeof(got)) == PP_OK && record.id == id &&
           record.len == len && record.type == type_of(id) && memcmp(got, want, len) == 0;
}

/* Ids follow each other from the first one found, all whole; returns the last, 0 for none. */
static uint32_t check_all(uint32_t *first)
{
    struct pp_place place = {0, 0};
    struct pp_record record;
    uint32_t last = 0;
    *first = 0;
    while (pp_ring_walk(&ring, &place, &record) == PP_OK) {
        if (last != 0)
            assert_int_equal(record.id, last + 1);
        else
            *first = record.id;
        assert_true(reads_well(record.place, record.id));
        last = record.id;
    }
    return last;
}

static enum pp_err sync(void)
{
    enum pp_err err = PP_OK;
    for (int i = 0; i < 10 && err == PP_OK && ring.unsynced; i++) {
        err = pp_ring_sync_begin(&ring);
        while (err == PP_OK && (err = pp_ring_sync_poll(&ring)) == PP_ERR_LATER)
            err = PP_OK;
    }
    return err;
}

static void init(struct ram_flash *f, const struct geometry *g)
{
    ram_flash_init(f, g->unit, g->page, g->block, g->count, g->erased);
}

/* Fill up and give back, `rounds` times; all that is there reads well. Returns the last id. */
static uint32_t go_round(uint32_t id, unsigned rounds)
{
    struct pp_place place;
    uint32_t first;
    for (unsigned round = 0; round < rounds; round++) {
        enum pp_err err;
        while ((err = append(id + 1, &place)) == PP_OK)
            id++;
        assert_int_equal(err, PP_ERR_FULL);
        assert_int_equal(check_all(&first), id);
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(pp_ring_drop_oldest(&ring), PP_OK);
        assert_int_equal(sync(), PP_OK);
    }
    return id;
}

/* ---- blocks that fail to erase ---- */

static void a_block_that_fails_to_erase_is_skipped_and_remembered(void **state)
{
    (void)state;
    for (size_t g = 0; g < GEOMETRIES; g++) {
        struct ram_flash f;
        uint32_t first;
        init(&f, &geometries[g]);
        ram_flash_wear_out(&f, 0, 2);
        ram_flash_wear_out(&f, 3, 0);
        assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_OK);
        uint32_t id = go_round(0, 40);
        assert_int_equal(ring.retired.count, 2);
        assert_int_equal(ring.report.erases_failed, 2);
        assert_int_equal(pp_ring_good_blocks(&ring), geometries[g].count - 2);
        unsigned hit = f.faults_hit;
        assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_OK);
        assert_int_equal(check_all(&first), id);
        assert_int_equal(ring.retired.count, 2);
        (void)go_round(id, 40);
        assert_int_equal(f.faults_hit, hit); /* nobody tried them again */
        assert_int_equal(f.rules_broken, 0);
        ram_flash_free(&f);
    }
}

static void a_medium_without_a_good_block_is_full(void **state)
{
    (void)state;
    struct ram_flash f;
    struct pp_place place;
    init(&f, &geometries[0]);
    ram_flash_fault(&f, (struct ram_fault){.kind = RAM_FAIL_ERASE});
    assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_OK);
    assert_int_equal(append(1, &place), PP_ERR_FULL);
    assert_int_equal(ring.retired.count, 12);
    assert_int_equal(pp_ring_spare_blocks(&ring), 0);
    ram_flash_free(&f);
}

static void more_failing_blocks_than_are_remembered(void **state)
{
    (void)state;
    struct ram_flash f;
    uint32_t first;
    /* The list holds 16 blocks where a block has 512 bytes. */
    ram_flash_init(&f, 1, 64, 512, 64, 0xFF);
    for (uint32_t i = 0; i < RAM_FAULTS; i++)
        ram_flash_fault(&f, (struct ram_fault){.kind = RAM_FAIL_ERASE,
                                               .address = (uint64_t)i * 3 * 512,
                                               .len = 512 + 512 * (i % 2)});
    assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_OK);
    uint32_t id = go_round(0, 60);
    assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_OK);
    assert_int_equal(check_all(&first), id);
    (void)go_round(id, 60);
    assert_int_equal(f.rules_broken, 0);
    ram_flash_free(&f);
}

/* ---- blocks that fail to program ---- */

#define PLACES 400
struct run {
    struct pp_place places[PLACES];
    uint32_t appended;
};

/* Some records, a sync after every few; false when the power went. */
static bool append_some(struct run *r, uint32_t until)
{
    while (r->appended < until) {
        if (append(r->appended + 1, &r->places[r->appended]) != PP_OK)
            return false;
        r->appended++;
        if (r->appended % 5 == 0 && sync() != PP_OK)
            return false;
    }
    return sync() == PP_OK;
}

static void a_program_that_fails_anywhere_loses_nothing(void **state)
{
    (void)state;
    for (size_t g = 0; g < GEOMETRIES; g++) {
        uint32_t step = geometries[g].unit > 16 ? geometries[g].unit : 52;
        for (uint64_t at = 0; at < 3 * (uint64_t)geometries[g].block; at += step) {
            struct ram_flash f;
            struct run r = {.appended = 0};
            uint32_t first;
            init(&f, &geometries[g]);
            ram_flash_fault(&f, (struct ram_fault){RAM_FAIL_PROGRAM, at, 4, 0, 0, 0});
            assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_OK);
            assert_true(append_some(&r, 50));
            assert_int_equal(ring.retired.count, f.faults_hit > 0 ? 1 : 0);
            for (uint32_t i = 0; i < 50; i++)
                assert_true(reads_well(r.places[i], i + 1));
            assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_OK);
            assert_int_equal(check_all(&first), 50);
            assert_int_equal(first, 1);
            for (uint32_t i = 0; i < 50; i++)
                assert_true(reads_well(r.places[i], i + 1));
            assert_int_equal(f.rules_broken, 0);
            ram_flash_free(&f);
        }
    }
}

static void the_block_that_goes_on_may_fail_too(void **state)
{
    (void)state;
    for (size_t g = 0; g < GEOMETRIES; g++) {
        for (uint32_t at = 0; at < geometries[g].block; at += geometries[g].block / 16) {
            struct ram_flash f;
            struct run r = {.appended = 0};
            uint32_t first;
            init(&f, &geometries[g]);
            for (uint32_t i = 0; i < 4; i++) {
                uint64_t block = (uint64_t)i * geometries[g].block;
                ram_flash_fault(
                    &f, (struct ram_fault){RAM_FAIL_PROGRAM, block + at * (1 + i) / 4, 4, 0, 0, 0});
            }
            assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_OK);
            assert_true(append_some(&r, 20));
            for (uint32_t i = 0; i < 20; i++)
                assert_true(reads_well(r.places[i], i + 1));
            assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_OK);
            assert_int_equal(check_all(&first), 20);
            assert_int_equal(first, 1);
            assert_int_equal(f.rules_broken, 0);
            ram_flash_free(&f);
        }
    }
}

static void power_cuts_while_going_on_elsewhere(void **state)
{
    (void)state;
    unsigned cuts = 0;
    for (size_t g = 0; g < GEOMETRIES; g++) {
        for (uint64_t cut = 1; cut < 400; cut++) {
            struct ram_flash f;
            struct run r = {.appended = 0};
            uint32_t first;
            uint32_t synced = 0;
            init(&f, &geometries[g]);
            f.seed = cut * 7919 + g;
            f.cut_at = cut;
            f.write_through = cut % 2 == 0;
            f.torn_bits = f.write_through;
            for (uint32_t i = 0; i < 6; i++)
                ram_flash_fault(&f,
                                (struct ram_fault){RAM_FAIL_PROGRAM,
                                                   geometries[g].block * (uint64_t)i +
                                                       (cut * 97 + i * 331) % geometries[g].block,
                                                   4, 0, 0, 0});
            if (pp_ring_mount(&ring, &f.flash) != PP_OK)
                fail();
            while (append_some(&r, synced + 5) && synced < 60)
                synced += 5;
            bool was_cut = f.off;
            ram_power_on(&f);
            assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_OK);
            for (uint32_t i = 0; i < synced; i++)
                assert_true(reads_well(r.places[i], i + 1));
            if (synced > 0) {
                struct pp_place place = {0, 0};
                struct pp_record record;
                assert_int_equal(pp_ring_walk(&ring, &place, &record), PP_OK);
                first = record.id;
                assert_int_equal(first, 1);
            }
            assert_int_equal(f.rules_broken, 0);
            ram_flash_free(&f);
            cuts += was_cut;
            if (!was_cut)
                break;
        }
    }
    print_message("%u cuts\n", cuts);
    assert_true(cuts > 200);
}

/* ---- summaries ---- */

static uint32_t count_listed(uint32_t *summaries)
{
    struct pp_ring_cursor cursor = {0};
    struct pp_record record;
    uint32_t listed = 0;
    uint32_t last = 0;
    while (pp_ring_walk_listed(&ring, &cursor, &record) == PP_OK) {
        assert_true(record.id > last);
        last = record.id;
        assert_true(reads_well(record.place, record.id));
        listed += record.type >= PP_RING_LISTED_FROM;
    }
    *summaries = ring.report.summaries_read;
    return listed;
}

static uint32_t count_walked(void)
{
    struct pp_place place = {0, 0};
    struct pp_record record;
    uint32_t listed = 0;
    while (pp_ring_walk(&ring, &place, &record) == PP_OK)
        listed += record.type >= PP_RING_LISTED_FROM;
    return listed;
}

static void a_mount_reads_what_is_listed(void **state)
{
    (void)state;
    for (size_t g = 0; g < GEOMETRIES; g++) {
        struct ram_flash f;
        uint32_t summaries;
        init(&f, &geometries[g]);
        ram_flash_fault(
            &f, (struct ram_fault){RAM_FAIL_PROGRAM, geometries[g].block + 900, 4, 0, 0, 0});
        assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_OK);
        (void)go_round(0, 5);
        uint32_t used = ring.next_lap - ring.oldest_lap;
        assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_OK);
        uint32_t listed = count_listed(&summaries);
        assert_int_equal(listed, count_walked());
        /* The last block is open; where units are large, some have no room for a summary. */
        assert_true(summaries + (geometries[g].unit < 256 ? 2 : used / 2) >= used);
        ram_flash_free(&f);
    }
}

static void a_damaged_summary_is_done_without(void **state)
{
    (void)state;
    struct ram_flash f;
    uint32_t summaries;
    init(&f, &geometries[0]);
    assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_OK);
    (void)go_round(0, 3);
    assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_OK);
    uint32_t listed = count_listed(&summaries);
    uint32_t before = summaries;
    struct pp_ring_block block;
    uint8_t *second = f.now + (ring.oldest_lap % 12) * 4096;
    assert_int_equal(pp_ring_block_decode(&f.flash, ring.oldest_lap % 12, second, &block),
                     PP_RING_HEADER_GOOD);
    f.now[((ring.oldest_lap - 1) % 12) * 4096 + block.summary_offset + 18] ^= 1;
    assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_OK);
    assert_int_equal(count_listed(&summaries), listed);
    assert_int_equal(summaries, before - 1);
    ram_flash_free(&f);
}

static void large_messages_need_few_reads(void **state)
{
    (void)state;
    struct ram_flash f;
    struct pp_place place;
    struct pp_record record;
    struct pp_ring_cursor cursor = {0};
    static uint8_t payload[PP_STORE_CHUNK_BYTES];
    unsigned found = 0;
    ram_flash_init(&f, 1, 256, 65536, 64, 0xFF);
    assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_OK);
    for (uint32_t i = 0; i < 900; i++)
        assert_int_equal(pp_ring_append(&ring, i == 500 ? PP_RING_LISTED_FROM : 1, i + 1, payload,
                                        sizeof(payload), &place),
                         PP_OK);
    assert_int_equal(sync(), PP_OK);
    assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_OK);
    uint64_t before = f.reads;
    while (pp_ring_walk_listed(&ring, &cursor, &record) == PP_OK)
        found += record.type >= PP_RING_LISTED_FROM;
    assert_int_equal(found, 1);
    assert_int_equal(cursor.highest_id > 800, 1);
    /* A few for each of the 60 blocks, and the records of the last one. */
    assert_true(f.reads - before < 60 * 6 + 20);
    ram_flash_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_that_fails_to_erase_is_skipped_and_remembered),
        cmocka_unit_test(a_medium_without_a_good_block_is_full),
        cmocka_unit_test(more_failing_blocks_than_are_remembered),
        cmocka_unit_test(a_program_that_fails_anywhere_loses_nothing),
        cmocka_unit_test(the_block_that_goes_on_may_fail_too),
        cmocka_unit_test(power_cuts_while_going_on_elsewhere),
        cmocka_unit_test(a_mount_reads_what_is_listed),
        cmocka_unit_test(a_damaged_summary_is_done_without),
        cmocka_unit_test(large_messages_need_few_reads),
    };
    return cmocka_run_group_tests_name("ring_blocks", tests, NULL, NULL);
}
