/*
 * fuzz_kv.c - any image of the small key-value is mounted, read, put to and mounted again
 *
 * The first byte chooses the geometry. Checksums would keep nearly all inputs out, so where the
 * second byte says so they are made right first: then what is inside must be taken for hostile.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "store/kv.h"
#include "support/ram_flash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pp_kv kv;

struct shape {
    uint32_t unit, page, block, count;
    uint8_t erased;
};

static const struct shape shapes[] = {
    {1, 256, 1024, 2, 0xFF},
    {16, 16, 512, 2, 0xFF},
    {4, 256, 512, 4, 0x00},
    {128, 128, 1024, 2, 0},
};

/* A half's headers made sound, the seals too where the choice says so, and its records after. */
static void mend_half(struct ram_flash *f, unsigned which, uint8_t choice)
{
    const struct pp_flash *flash = &f->flash;
    uint32_t bytes = pp_kv_half_bytes(flash);
    uint8_t *half = f->now + (size_t)which * bytes;
    struct pp_kv_half header;
    if (pp_kv_header_decode(flash, which, half, &header) != PP_KV_HEADER_GOOD) {
        header = (struct pp_kv_half){.generation = half[16] == 0xFF ? UINT32_MAX : 1u + half[16],
                                     .erases = half[20],
                                     .salt = half[24],
                                     .keys = pp_le64_get(half + 28),
                                     .base_bytes = pp_le16_get(half + 36) % 256,
                                     .records = half[15]};
        for (unsigned i = 0; i < PP_KV_HEADERS; i++) {
            if (i == 0 || (choice >> i & 1) != 0)
                pp_kv_header_encode(flash, which, &header, half + pp_kv_header_offset(flash, i));
        }
    }
    uint32_t offset = pp_kv_base_offset(flash);
    while (offset + PP_KV_RECORD_BYTES <= bytes) {
        uint8_t *p = half + offset;
        uint32_t room = bytes - offset - PP_KV_RECORD_BYTES;
        struct pp_kv_record record = {.key = (uint8_t)(1 + p[0] % 40),
                                      .removed = p[2] == 0xFF,
                                      .len = (uint16_t)(pp_le16_get(p + 2) % 300),
                                      .number = p[4],
                                      .offset = offset};
        if (record.len > room || record.removed)
            record.len = 0;
        record.crc = pp_crc32c(0, p + PP_KV_RECORD_BYTES, record.len) ^ (p[8] == 7);
        pp_kv_record_encode(pp_kv_seed(&header), &record, p);
        offset += pp_kv_record_bytes(flash, record.len);
    }
}

static void read_all(void)
{
    uint8_t value[PP_KV_VALUE_MAX];
    for (unsigned key = 0; key < 64; key++) {
        size_t len = 0;
        if (pp_kv_get(&kv, key, value, sizeof(value), &len) == PP_OK)
            assert(len <= sizeof(value));
    }
}

static void sync(struct ram_flash *f)
{
    for (int i = 0; i < 3 && pp_kv_wants_sync(&kv); i++) {
        pp_kv_sync_begun(&kv);
        assert(f->flash.sync_begin(f) == 1);
        (void)!pp_kv_synced(&kv);
    }
}

/* Put, and what was put is there, now and after a mount. */
static void use(struct ram_flash *f, uint8_t choice)
{
    uint8_t value[64], got[PP_KV_VALUE_MAX];
    size_t len = 0;
    bool kept = false;
    memset(value, choice, sizeof(value));
    for (unsigned i = 0; i < 6; i++) {
        enum pp_err err = pp_kv_put(&kv, PP_KV_CONFIG, value, sizeof(value) - i);
        if (err == PP_OK) {
            kept = true;
            assert(pp_kv_get(&kv, PP_KV_CONFIG, got, sizeof(got), &len) == PP_OK);
            assert(len == sizeof(value) - i && memcmp(got, value, len) == 0);
        }
        sync(f);
        (void)!pp_kv_remove(&kv, PP_KV_SESSION + (choice + i) % PP_SMARTHOSTS);
    }
    sync(f);
    size_t last = len;
    if (!kept || !pp_kv_is_durable(&kv))
        return;
    assert(pp_kv_mount(&kv, &f->flash, true) == PP_OK);
    assert(pp_kv_get(&kv, PP_KV_CONFIG, got, sizeof(got), &len) == PP_OK && len == last);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ram_flash f;
    if (size < 3)
        return 0;
    const struct shape *g = &shapes[data[0] % 4];
    ram_flash_init(&f, g->unit, g->page, g->block, g->count, g->erased);
    memcpy(f.now, data + 3, size - 3 < f.bytes ? size - 3 : f.bytes);
    for (unsigned which = 0; which < 2 && (data[1] & 1) != 0; which++)
        mend_half(&f, which, (uint8_t)(data[1] >> (1 + 3 * which)));
    if (pp_kv_mount(&kv, &f.flash, (data[2] & 1) != 0) == PP_OK) {
        read_all();
        use(&f, data[2]);
        read_all();
    } else if (f.operations > 0) {
        abort();
    }
    if (f.rules_broken > 0)
        abort();
    ram_flash_free(&f);
    return 0;
}
