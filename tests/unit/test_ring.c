/* test_ring.c - the log of records over raw flash */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "store/ring.h"
#include "support/ram_flash.h"

struct geometry {
    uint32_t unit, page, block, count;
    uint8_t erased;
};

static const struct geometry geometries[] = {
    {1, 256, 4096, 8, 0xFF},    {4, 256, 4096, 6, 0xFF},   {16, 16, 2048, 5, 0xFF},
    {256, 256, 4096, 8, 0xFF},  {512, 512, 4096, 4, 0x00}, {1, 4096, 65536, 6, 0x00},
    {512, 4096, 8192, 7, 0xFF}, {8, 64, 1024, 9, 0x00},
};
#define GEOMETRIES (sizeof(geometries) / sizeof(geometries[0]))

static struct pp_ring ring;

static void start(struct ram_flash *f, const struct geometry *g)
{
    ram_flash_init(f, g->unit, g->page, g->block, g->count, g->erased);
    assert_int_equal(pp_ring_mount(&ring, &f->flash), PP_OK);
}

static void sync(void)
{
    for (int i = 0; i < 10 && ring.unsynced; i++) {
        assert_int_equal(pp_ring_sync_begin(&ring), PP_OK);
        while (pp_ring_sync_poll(&ring) == PP_ERR_LATER)
            continue;
    }
    assert_false(ring.unsynced);
}

static uint32_t len_of(uint32_t id)
{
    return id * 37 % 300;
}

static void fill(uint8_t *payload, uint32_t id)
{
    for (uint32_t i = 0; i < len_of(id); i++)
        payload[i] = (uint8_t)(id * 7 + i);
}

static enum pp_err append(uint32_t id, struct pp_place *place)
{
    uint8_t payload[300];
    fill(payload, id);
    return pp_ring_append(&ring, (uint8_t)(1 + id % 252), id, payload, (uint16_t)len_of(id), place);
}

/* Walk all and read all: ids follow each other from *first; returns how many. */
static uint32_t check_all(uint32_t *first)
{
    struct pp_place place = {0, 0};
    struct pp_record record;
    uint32_t count = 0;
    uint8_t got[PP_STORE_CHUNK_BYTES];
    uint8_t want[300];
    while (pp_ring_walk(&ring, &place, &record) == PP_OK) {
        if (count == 0)
            *first = record.id;
        assert_int_equal(record.id, *first + count);
        assert_int_equal(record.len, len_of(record.id));
        assert_int_equal(record.type, 1 + record.id % 252);
        assert_int_equal(pp_ring_read(&ring, record.place, &record, got, sizeof(got)), PP_OK);
        fill(want, record.id);
        assert_memory_equal(got, want, record.len);
        count++;
    }
    return count;
}

static void appends_and_finds_again(void **state)
{
    (void)state;
    for (size_t g = 0; g < GEOMETRIES; g++) {
        struct ram_flash f;
        struct pp_place place;
        uint32_t first = 0;
        start(&f, &geometries[g]);
        for (uint32_t id = 1; id <= 20; id++) {
            assert_int_equal(append(id, &place), PP_OK);
            if (id % 3 == 0)
                sync();
        }
        assert_int_equal(check_all(&first), 20); /* what is staged too */
        assert_int_equal(first, 1);
        sync();
        assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_OK);
        assert_int_equal(check_all(&first), 20);
        assert_int_equal(ring.report.records_damaged, 0);
        assert_int_equal(f.rules_broken, 0);
        ram_flash_free(&f);
    }
}

static void goes_round_many_times(void **state)
{
    (void)state;
    for (size_t g = 0; g < GEOMETRIES; g++) {
        struct ram_flash f;
        struct pp_place place;
        uint32_t first = 0;
        uint32_t id = 0;
        start(&f, &geometries[g]);
        for (int round = 0; round < 40; round++) {
            enum pp_err err;
            while ((err = append(id + 1, &place)) == PP_OK)
                id++;
            assert_int_equal(err, PP_ERR_FULL);
            assert_true(check_all(&first) > 0);
            assert_int_equal(pp_ring_free_blocks(&ring), 0);
            for (uint32_t i = 0; i < geometries[g].count / 2; i++)
                assert_int_equal(pp_ring_drop_oldest(&ring), PP_OK);
            assert_int_equal(pp_ring_spare_blocks(&ring), geometries[g].count / 2);
            sync();
            if (round % 5 == 4) {
                assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_OK);
                uint32_t count = check_all(&first);
                assert_int_equal(first + count - 1, id);
            }
        }
        assert_true(ring.next_lap > 4 * geometries[g].count);
        assert_int_equal(f.rules_broken, 0);
        ram_flash_free(&f);
    }
}

static void the_head_is_not_dropped(void **state)
{
    (void)state;
    struct ram_flash f;
    struct pp_place place;
    start(&f, &geometries[0]);
    assert_int_equal(pp_ring_drop_oldest(&ring), PP_ERR_STATE);
    assert_int_equal(append(1, &place), PP_OK);
    assert_int_equal(pp_ring_drop_oldest(&ring), PP_ERR_STATE);
    ram_flash_free(&f);
}

static void sizes_are_bounded(void **state)
{
    (void)state;
    struct ram_flash f;
    struct pp_place place;
    struct pp_record record;
    static uint8_t big[PP_STORE_CHUNK_BYTES + 1];
    uint8_t small[10];
    start(&f, &geometries[5]);
    assert_int_equal(pp_ring_payload_max(&ring), PP_STORE_CHUNK_BYTES);
    assert_int_equal(pp_ring_append(&ring, 1, 1, big, sizeof(big), &place), PP_ERR_TOO_BIG);
    assert_int_equal(pp_ring_append(&ring, 1, 1, big, PP_STORE_CHUNK_BYTES, &place), PP_OK);
    assert_int_equal(pp_ring_read(&ring, place, &record, small, sizeof(small)), PP_ERR_TOO_BIG);
    assert_int_equal(record.len, PP_STORE_CHUNK_BYTES);
    place.offset += 4;
    assert_int_equal(pp_ring_read(&ring, place, &record, small, sizeof(small)), PP_ERR_NOT_FOUND);
    place = (struct pp_place){7, PP_RING_BLOCK_HEADER_BYTES};
    assert_int_equal(pp_ring_read(&ring, place, &record, small, sizeof(small)), PP_ERR_NOT_FOUND);
    place = (struct pp_place){1, 0xFFFFFFF0u};
    assert_int_equal(pp_ring_read(&ring, place, &record, small, sizeof(small)), PP_ERR_NOT_FOUND);
    ram_flash_free(&f);
    start(&f, &geometries[7]);
    /* Beside it: headers, where the log begins, retired blocks, a summary of one. */
    uint32_t max = 1024 - 60 - 16 - 24 - (16 + 32 * 4) - 20;
    assert_int_equal(pp_ring_payload_max(&ring), max);
    assert_int_equal(pp_ring_append(&ring, 1, 1, big, (uint16_t)max, &place), PP_OK);
    assert_int_equal(pp_ring_append(&ring, 1, 2, big, (uint16_t)max, &place), PP_OK);
    assert_int_equal(place.lap, 2);
    ram_flash_free(&f);
}

static void refuses_a_geometry_that_does_not_fit(void **state)
{
    (void)state;
    struct ram_flash f;
    ram_flash_init(&f, 1, 256, 4096, 8, 0xFF);
    struct pp_flash good = f.flash;
    f.flash.program_unit_bytes = PP_STORE_UNIT_MAX * 2;
    assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_ERR_RANGE);
    f.flash = good;
    f.flash.block_count = 3;
    assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_ERR_RANGE);
    f.flash = good;
    f.flash.page_bytes = 300;
    assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_ERR_RANGE);
    f.flash = good;
    f.flash.erased_value = 7;
    assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_ERR_RANGE);
    f.flash = good;
    f.flash.program_unit_bytes = 0;
    assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_ERR_RANGE);
    ram_flash_free(&f);
}

static void leaves_foreign_media_alone(void **state)
{
    (void)state;
    struct ram_flash f;
    /* A text, a superblock behind zeros, one in the second block. */
    const uint32_t places[] = {0, 1080, 4096 + 64, 3 * 4096};
    for (size_t i = 0; i < 4; i++) {
        ram_flash_init(&f, 1, 256, 4096, 8, 0xFF);
        memset(f.now, 0, 4096);
        memcpy(f.now + places[i], "somebody else's data", 20);
        assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_ERR_VERSION);
        assert_int_equal(f.operations, 0);
        ram_flash_free(&f);
    }
    /* All of one value, whichever, is a new medium. */
    ram_flash_init(&f, 1, 256, 4096, 8, 0xFF);
    memset(f.now, 0, f.bytes);
    assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_OK);
    assert_int_equal(pp_ring_spare_blocks(&ring), 8);
    f.unreadable = true;
    assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_ERR_FLASH);
    ram_flash_free(&f);
}

static void leaves_other_versions_alone(void **state)
{
    (void)state;
    struct ram_flash f;
    struct pp_place place;
    start(&f, &geometries[0]);
    for (uint32_t id = 1; id < 60; id++)
        assert_int_equal(append(id, &place), PP_OK);
    sync();
    uint64_t before = f.operations;
    uint8_t *header = f.now + 4096;
    header[4] = 1;
    pp_le32_put(header + 32, pp_crc32c(0, header, 32));
    assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_ERR_VERSION);
    header[4] = 2;
    pp_le32_put(header + 32, pp_crc32c(0, header, 32));
    assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_OK);
    f.flash.block_count--;
    assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_ERR_VERSION);
    assert_int_equal(f.operations, before);
    ram_flash_free(&f);
}

/* The power goes while the very first header is written: still an empty log. */
static void survives_a_cut_of_the_first_header(void **state)
{
    (void)state;
    for (size_t g = 0; g < GEOMETRIES; g++) {
        for (uint64_t seed = 0; seed < 100; seed++) {
            struct ram_flash f;
            struct pp_place place;
            start(&f, &geometries[g]);
            f.seed = seed * 977;
            f.cut_at = 1 + seed % 4;
            for (uint32_t id = 1; id < 4; id++)
                (void)!append(id, &place);
            (void)!pp_ring_sync_begin(&ring);
            (void)!pp_ring_sync_begin(&ring);
            ram_power_on(&f);
            assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_OK);
            assert_int_equal(append(1, &place), PP_OK);
            sync();
            ram_flash_free(&f);
        }
    }
}

static void skips_damage_and_keeps_the_rest(void **state)
{
    (void)state;
    struct ram_flash f;
    struct pp_place places[20];
    struct pp_place place = {0, 0};
    struct pp_record record;
    uint32_t seen = 0;
    uint8_t payload[PP_STORE_CHUNK_BYTES];
    start(&f, &geometries[5]);
    for (uint32_t id = 1; id < 20; id++)
        assert_int_equal(append(id, &places[id]), PP_OK);
    sync();
    f.now[places[5].offset + 2] ^= 0x10;  /* header of 5 */
    f.now[places[9].offset + 20] ^= 0x10; /* payload of 9 */
    assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_OK);
    while (pp_ring_walk(&ring, &place, &record) == PP_OK) {
        enum pp_err err = pp_ring_read(&ring, record.place, &record, payload, sizeof(payload));
        assert_int_not_equal(record.id, 5);
        assert_int_equal(err, record.id == 9 ? PP_ERR_DAMAGED : PP_OK);
        seen++;
    }
    assert_int_equal(seen, 18);
    assert_int_equal(ring.report.records_damaged, 1);
    ram_flash_free(&f);
}

static void a_bad_block_header_loses_that_block_only(void **state)
{
    (void)state;
    struct ram_flash f;
    struct pp_place place;
    struct pp_place walk = {0, 0};
    struct pp_record record;
    uint32_t in_lap[16] = {0};
    start(&f, &geometries[0]);
    for (uint32_t id = 1; id < 100; id++)
        assert_int_equal(append(id, &place), PP_OK);
    sync();
    f.now[4096 + 17] ^= 1;
    assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_OK);
    assert_int_equal(ring.report.blocks_bad_header, 1);
    while (pp_ring_walk(&ring, &walk, &record) == PP_OK)
        in_lap[record.place.lap]++;
    assert_true(in_lap[1] > 0);
    assert_int_equal(in_lap[2], 0);
    assert_true(in_lap[3] > 0);
    ram_flash_free(&f);
}

static void failures_stick(void **state)
{
    (void)state;
    struct ram_flash f;
    struct pp_place place;
    start(&f, &geometries[0]);
    assert_int_equal(append(1, &place), PP_OK);
    sync();
    assert_int_equal(append(2, &place), PP_OK);
    f.broken_sync = true;
    uint32_t generation = ring.generation;
    assert_int_equal(pp_ring_sync_begin(&ring), PP_ERR_FLASH);
    assert_true(ring.failed);
    assert_false(pp_ring_is_durable(&ring, generation));
    f.broken_sync = false;
    assert_int_equal(append(3, &place), PP_ERR_FLASH);
    assert_int_equal(pp_ring_sync_begin(&ring), PP_ERR_FLASH);
    assert_int_equal(pp_ring_sync_poll(&ring), PP_ERR_FLASH);
    ram_flash_free(&f);
}

static void a_sync_covers_what_was_appended_before_it(void **state)
{
    (void)state;
    struct ram_flash f;
    struct pp_place place;
    uint32_t first = 0;
    start(&f, &geometries[0]);
    assert_int_equal(append(1, &place), PP_OK);
    sync();
    f.lazy_sync = true;
    assert_int_equal(append(2, &place), PP_OK);
    uint32_t second = ring.generation;
    assert_int_equal(pp_ring_sync_begin(&ring), PP_OK);
    assert_int_equal(append(3, &place), PP_OK);
    uint32_t third = ring.generation;
    assert_int_not_equal(second, third);
    assert_false(pp_ring_is_durable(&ring, second));
    assert_int_equal(pp_ring_sync_begin(&ring), PP_ERR_LATER);
    assert_int_equal(pp_ring_sync_poll(&ring), PP_ERR_LATER);
    assert_int_equal(pp_ring_sync_poll(&ring), PP_OK);
    assert_true(pp_ring_is_durable(&ring, second));
    assert_false(pp_ring_is_durable(&ring, third));
    ram_power_on(&f);
    assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_OK);
    assert_int_equal(check_all(&first), 2);
    ram_flash_free(&f);
}

/*
 * Power cuts in any order of arrival: what was synced is there, nothing given back and synced
 * comes back before something that was appended after it is lost.
 */
static void survives_power_cuts(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 1500; seed++) {
        struct ram_flash f;
        struct pp_place place;
        uint32_t durable = 0;
        uint32_t id = 0;
        uint32_t kept_from = 1;
        uint32_t first = 1;
        start(&f, &geometries[seed % GEOMETRIES]);
        f.seed = seed;
        f.cut_at = 1 + ram_random(&f) % 300;
        while (!f.off) {
            unsigned what = (unsigned)(ram_random(&f) % 16);
            if (what == 0) {
                if (pp_ring_sync_begin(&ring) == PP_OK && !ring.unsynced)
                    durable = id;
            } else if (append(id + 1, &place) == PP_OK) {
                id++;
            } else if (!f.off) {
                uint32_t drops = 1 + (uint32_t)(ram_random(&f) % 3);
                for (uint32_t i = 0; i < drops; i++)
                    (void)!pp_ring_drop_oldest(&ring);
                (void)check_all(&kept_from);
                if (pp_ring_sync_begin(&ring) == PP_OK && !ring.unsynced)
                    durable = id;
            }
        }
        ram_power_on(&f);
        assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_OK);
        struct pp_place walk = {0, 0};
        struct pp_record record;
        uint32_t last = 0;
        uint8_t payload[PP_STORE_CHUNK_BYTES];
        while (pp_ring_walk(&ring, &walk, &record) == PP_OK) {
            bool sound =
                pp_ring_read(&ring, record.place, &record, payload, sizeof(payload)) == PP_OK;
            assert_true(record.id > last);
            assert_true(sound || record.id > durable);
            /* Up to what is durable there is no gap, from wherever the log begins. */
            if (last == 0)
                first = record.id;
            else if (record.id <= durable)
                assert_int_equal(record.id, last + 1);
            last = record.id;
        }
        assert_true(durable == 0 || (last >= durable && first <= kept_from));
        assert_int_equal(f.rules_broken, 0);
        ram_flash_free(&f);
    }
}

/* Records inside content are content: a reader that looks for the next header passes them. */
static void content_does_not_pose_as_records(void **state)
{
    (void)state;
    struct ram_flash f;
    struct pp_place place;
    struct pp_place walk = {0, 0};
    struct pp_record record;
    uint8_t payload[1024];
    start(&f, &geometries[5]);
    assert_int_equal(append(1, &place), PP_OK);
    sync();
    /* Whole records of this very block, moved by a record's length. */
    memcpy(payload, f.now + 36, sizeof(payload));
    struct pp_place outer;
    assert_int_equal(pp_ring_append(&ring, 9, 9, payload, sizeof(payload), &outer), PP_OK);
    sync();
    f.now[outer.offset] ^= 1;
    assert_int_equal(pp_ring_mount(&ring, &f.flash), PP_OK);
    assert_int_equal(pp_ring_walk(&ring, &walk, &record), PP_OK);
    assert_int_equal(record.id, 1);
    assert_int_equal(pp_ring_walk(&ring, &walk, &record), PP_ERR_NOT_FOUND);
    ram_flash_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_and_finds_again),
        cmocka_unit_test(goes_round_many_times),
        cmocka_unit_test(the_head_is_not_dropped),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(refuses_a_geometry_that_does_not_fit),
        cmocka_unit_test(leaves_foreign_media_alone),
        cmocka_unit_test(leaves_other_versions_alone),
        cmocka_unit_test(survives_a_cut_of_the_first_header),
        cmocka_unit_test(skips_damage_and_keeps_the_rest),
        cmocka_unit_test(a_bad_block_header_loses_that_block_only),
        cmocka_unit_test(failures_stick),
        cmocka_unit_test(a_sync_covers_what_was_appended_before_it),
        cmocka_unit_test(survives_power_cuts),
        cmocka_unit_test(content_does_not_pose_as_records),
    };
    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
