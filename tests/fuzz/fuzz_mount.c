/*
 * fuzz_mount.c - any image of a small flash is mounted, read, written to and cleaned
 *
 * The first byte chooses the geometry. Checksums would keep nearly all inputs out, so where the
 * second byte says so they are made right first: then what is inside must be taken for hostile.
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

/* Walk the records of one block as a reader would, making each header and payload sound. */
static void mend_block(struct ram_flash *f, uint32_t number)
{
    const struct pp_flash *flash = &f->flash;
    uint8_t *block = f->now + (size_t)number * flash->block_bytes;
    struct pp_ring_block header;
    if (pp_ring_block_decode(flash, number, block, &header) != PP_RING_HEADER_GOOD) {
        uint32_t rounds = block[16] % 3;
        header = (struct pp_ring_block){number + 1 + rounds * flash->block_count, block[20], 0,
                                        block[28]};
        header.oldest_lap = header.lap - block[24] % header.lap;
        pp_ring_block_encode(flash, &header, block);
    }
    struct pp_place place = {header.lap, PP_RING_BLOCK_HEADER_BYTES};
    uint32_t seed = pp_ring_seed(header.lap, header.salt);
    while (place.offset + PP_RECORD_HEADER_BYTES <= flash->block_bytes) {
        uint8_t *p = block + place.offset;
        uint32_t room = flash->block_bytes - place.offset - PP_RECORD_HEADER_BYTES;
        struct pp_record record = {.type = (uint8_t)(1 + p[0] % 10),
                                   .id = p[4] % 8,
                                   .len = (uint16_t)(pp_le16_get(p + 2) % 128),
                                   .place = place};
        if (record.len > room)
            record.len = (uint16_t)room;
        pp_ring_record_encode(seed, &record, pp_crc32c(0, p + PP_RECORD_HEADER_BYTES, record.len),
                              p);
        place.offset += pp_ring_record_bytes(record.len);
    }
}

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

static void add(void)
{
    static const uint8_t content[700] = "x";
    const struct pp_envelope e = {.sender = {"a@b", 3}};
    struct pp_queue_writer *w;
    struct pp_ticket ticket;
    if (pp_queue_open(&q, &e, 0, 0, &w) != PP_OK)
        return;
    (void)!pp_queue_recipient(&q, w, pp_text_z("c@d"));
    (void)!pp_queue_write(&q, w, content, sizeof(content));
    (void)!pp_queue_seal(&q, w, 0, &ticket);
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
        add();
        for (int k = 0; k < 50 && pp_queue_clean(&q); k++)
            (void)!pp_queue_sync(&q);
        (void)!pp_queue_sync(&q);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct pp_queue_limits limits = {.message_bytes = 100000, .recipients = 100};
    struct ram_flash f;
    if (size < 3)
        return 0;
    const struct shape *g = &shapes[data[0] % 4];
    ram_flash_init(&f, g->unit, g->page, g->block, g->count, g->erased);
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
