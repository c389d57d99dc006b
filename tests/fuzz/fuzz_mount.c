/*
 * fuzz_mount.c - any image of a small flash is mounted, read, written to and cleaned
 *
 * The first byte chooses the geometry, the second one what the rest is:
 *   +1  checksums are made right, for they would keep nearly all inputs out: then what is inside
 *       must be taken for hostile
 *   +2  not an image, but work that makes a real one: a byte each, 0 ends it; then changes of
 *       that image: 2 bytes where, 1 what
 *   +4  a block cannot be programmed to its end, and another one not erased
 * The third byte says what is done with the messages that are found.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "queue/queue.h"
#include "store/ring_format.h"

#include "support/ram_flash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Work that makes one image. */
#define WORK_MAX 400u

static struct pp_queue q;

struct shape {
    uint32_t unit, page, block, count;
    uint8_t erased;
};

static const struct shape shapes[] = {
    {1, 256, 1024, 8, 0xFF},
    {16, 16, 512, 12, 0xFF},
    {4, 256, 4096, 4, 0x00},
    {1, 512, 512, 6, 0},
};

/* ---- checksums made right ---- */

/* The fields as they are, within what a header may say at all. */
static void mend_header(const struct pp_flash *flash, uint32_t number, uint8_t *bytes,
                        struct pp_ring_block *header)
{
    uint32_t lap = pp_le32_get(bytes + 16);
    if (lap == 0 || lap > UINT32_MAX / 2 || (lap - 1) % flash->block_count != number)
        lap = number + 1 + bytes[16] % 3u * flash->block_count;
    *header = (struct pp_ring_block){.lap = lap,
                                     .erases = pp_le32_get(bytes + 20),
                                     .oldest_lap = lap - bytes[24] % lap,
                                     .salt = pp_le32_get(bytes + 28),
                                     .generation = pp_le32_get(bytes + 44),
                                     .summary_offset = pp_le32_get(bytes + 48),
                                     .retired_lap = pp_le32_get(bytes + 52)};
    if (bytes[36] % 4 == 1 && lap > 1) {
        header->stands_for = lap - 1 - bytes[37] % (lap - 1);
        header->from = pp_le16_get(bytes + 40) % flash->block_bytes / 4 * 4;
    }
    pp_ring_block_encode(flash, header, bytes);
}

/* Make of what lies at `p` a record: as it is where it looks like one. */
static struct pp_record guess_record(const uint8_t *p, uint32_t room)
{
    static const uint8_t types[] = {PP_RING_TYPE_SUMMARY, PP_RING_TYPE_RETIRED,
                                    PP_RING_TYPE_OLDEST};
    uint8_t type = (uint8_t)(1 + p[0] % 12);
    struct pp_record record = {
        .type = p[0], .id = pp_le32_get(p + 4), .len = (uint16_t)pp_le16_get(p + 2)};
    if (p[1] != 0xC3 || p[0] == 0) {
        record.type = type <= 9 ? type : types[type - 10];
        record.id = p[4] % 8;
        record.len %= 128;
    }
    if (record.len > room)
        record.len = (uint16_t)room;
    return record;
}

/* Walk the records of one block as a reader would, making each header and payload sound. */
static void mend_block(struct ram_flash *f, uint32_t number)
{
    const struct pp_flash *flash = &f->flash;
    uint8_t *block = f->now + (size_t)number * flash->block_bytes;
    struct pp_ring_block header;
    if (pp_ring_block_decode(flash, number, block, &header) != PP_RING_HEADER_GOOD)
        mend_header(flash, number, block, &header);
    uint32_t seed =
        pp_ring_seed(header.stands_for != 0 ? header.stands_for : header.lap, header.salt);
    uint32_t at = PP_RING_BLOCK_HEADER_BYTES;
    if (header.stands_for != 0 && header.from > at)
        at = header.from;
    while (at + PP_RECORD_HEADER_BYTES <= flash->block_bytes) {
        uint8_t *p = block + at;
        if (p[0] == flash->erased_value && p[1] == p[0] && p[2] == p[0] && p[3] == p[0]) {
            at += 4;
            continue;
        }
        struct pp_record record = guess_record(p, flash->block_bytes - at - PP_RECORD_HEADER_BYTES);
        record.place = (struct pp_place){header.lap, at};
        pp_ring_record_encode(seed, &record, pp_crc32c(0, p + PP_RECORD_HEADER_BYTES, record.len),
                              p);
        at += pp_ring_record_bytes(record.len);
    }
}

/* ---- work ---- */

static void read_all(uint32_t id)
{
    static struct pp_queue_reader r;
    static uint8_t outcomes[PP_RECIPIENTS_MAX];
    char reply[100];
    struct pp_envelope e;
    struct pp_text address;
    const uint8_t *bytes;
    size_t len = 1;
    if (pp_queue_reader_open(&q, id, &r, &e) == PP_OK) {
        while (pp_queue_reader_recipient(&r, &address) == PP_OK)
            assert(address.len <= 320);
        while (len > 0 && pp_queue_reader_content(&r, &bytes, &len) == PP_OK)
            continue;
    }
    (void)!pp_queue_outcomes(&q, id, outcomes, sizeof(outcomes));
    (void)!pp_queue_last_reply(&q, id, 0, reply, sizeof(reply), &len);
}

static void add(size_t size)
{
    static const uint8_t content[4000] = "x";
    const struct pp_envelope e = {.sender = {"a@b", 3}};
    struct pp_queue_writer *w;
    struct pp_ticket ticket;
    if (pp_queue_open(&q, &e, 0, 0, &w) != PP_OK)
        return;
    (void)!pp_queue_recipient(&q, w, pp_text_z("c@d"));
    (void)!pp_queue_recipient(&q, w, pp_text_z("e@f"));
    (void)!pp_queue_write(&q, w, content, size);
    (void)!pp_queue_seal(&q, w, 0, &ticket);
}

static void finish(uint32_t id, enum pp_outcome outcome)
{
    const struct pp_result results[] = {{0, PP_OUTCOME_DELIVERED, {NULL, 0}},
                                        {1, outcome, {"no", 2}}};
    (void)!pp_queue_results(&q, id, results, 2);
}

static void work(uint8_t op)
{
    uint32_t cursor = 0;
    struct pp_queue_entry *oldest = pp_queue_next(&q, &cursor);
    switch (op % 8) {
    case 1:
        add(op / 8 * 20u);
        break;
    case 2:
        add(op / 8 * 120u);
        break;
    case 3:
        if (oldest != NULL)
            finish(oldest->id, (enum pp_outcome)(op / 8 % 3));
        break;
    case 4:
        if (oldest != NULL)
            (void)!pp_queue_hold(&q, oldest->id, op / 8 % 2);
        break;
    case 5:
        if (oldest != NULL)
            (void)!pp_queue_remove(&q, oldest->id);
        break;
    case 6:
        (void)pp_queue_clean(&q);
        break;
    default:
        (void)!pp_queue_sync(&q);
    }
}

/* A real image, changed. */
static void make_image(struct ram_flash *f, const struct pp_queue_limits *limits,
                       const uint8_t *data, size_t size)
{
    size_t at = 0;
    if (pp_queue_mount(&q, &f->flash, limits) != PP_OK)
        return;
    for (; at < size && at < WORK_MAX && data[at] != 0; at++)
        work(data[at]);
    (void)!pp_queue_sync(&q);
    for (at++; at + 3 <= size; at += 3)
        f->now[pp_le16_get(data + at) % f->bytes] = data[at + 2];
}

static void use(uint8_t choice)
{
    struct pp_queue_entry *entry;
    uint32_t cursor = 0;
    while ((entry = pp_queue_next(&q, &cursor)) != NULL) {
        const struct pp_result results[] = {{0, PP_OUTCOME_OPEN, {"later", 5}},
                                            {0, PP_OUTCOME_DELIVERED, {NULL, 0}}};
        uint32_t id = entry->id;
        read_all(id);
        if ((choice & 1) != 0)
            (void)!pp_queue_results(&q, id, &results[id % 2], 1);
        if ((choice & 2) != 0 && pp_queue_find(&q, id) != NULL)
            (void)!pp_queue_attempted(&q, id);
        if ((choice & 4) != 0 && pp_queue_find(&q, id) != NULL)
            (void)!pp_queue_requeue(&q, id);
    }
    for (int i = 0; i < 8; i++) {
        add(700);
        for (int k = 0; k < 50 && pp_queue_clean(&q); k++)
            (void)!pp_queue_sync(&q);
        (void)!pp_queue_sync(&q);
    }
}

static void break_blocks(struct ram_flash *f)
{
    const struct ram_fault stuck = {
        .kind = RAM_FAIL_PROGRAM, .address = f->bytes / f->flash.block_count * 5 / 2, .len = 16};
    ram_flash_fault(f, stuck);
    ram_flash_wear_out(f, 1, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct pp_queue_limits limits = {.message_bytes = 100000, .recipients = 100};
    struct ram_flash f;
    if (size < 3)
        return 0;
    const struct shape *g = &shapes[data[0] % 4];
    ram_flash_init(&f, g->unit, g->page, g->block, g->count, g->erased);
    if ((data[1] & 4) != 0)
        break_blocks(&f);
    if ((data[1] & 2) != 0)
        make_image(&f, &limits, data + 3, size - 3);
    else
        memcpy(f.now, data + 3, size - 3 < f.bytes ? size - 3 : f.bytes);
    for (uint32_t i = 0; i < g->count && (data[1] & 1) != 0; i++)
        mend_block(&f, i);
    /* Twice: what the first mount left must be fine for the second. */
    for (int i = 0; i < 2; i++) {
        if (pp_queue_mount(&q, &f.flash, &limits) != PP_OK)
            break;
        use(data[2]);
    }
    if (f.rules_broken > 0)
        abort();
    ram_flash_free(&f);
    return 0;
}
