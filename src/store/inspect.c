/*
 * inspect.c - what is in each block of a mounted ring, for who wants to look
 *
 * Job:      tell a block's state by its header, walk its records, add up its bytes.
 * Not here: how that is shown (the port's tool).
 */
#include "store/inspect.h"

#include <string.h>

#include "store/ring_private.h"

static bool is_uniform(const uint8_t *bytes, size_t len)
{
    for (size_t i = 1; i < len; i++) {
        if (bytes[i] != bytes[0])
            return false;
    }
    return bytes[0] == 0x00 || bytes[0] == 0xFF;
}

/* Fills in what the header tells; the whole block is taken for free. */
static void read_header(struct pp_ring *ring, uint32_t number, struct pp_block_view *view)
{
    uint8_t bytes[PP_RING_BLOCK_HEADER_BYTES];
    struct pp_ring_block block;
    const struct pp_flash *flash = ring->flash;
    uint64_t address = (uint64_t)number * flash->block_bytes;
    memset(view, 0, sizeof(*view));
    view->erases = PP_ERASES_UNKNOWN;
    view->bytes[PP_BYTES_FREE] = flash->block_bytes;
    view->state = PP_BLOCK_BAD;
    if (flash->read(flash->ctx, address, bytes, sizeof(bytes)) < 0)
        return;
    if (pp_ring_block_decode(flash, number, bytes, &block) != PP_RING_HEADER_GOOD) {
        if (is_uniform(bytes, sizeof(bytes)))
            view->state = PP_BLOCK_BLANK;
        return;
    }
    view->lap = block.lap;
    view->erases = block.erases;
    view->stands_for = block.stands_for;
    view->from = block.from;
    if (block.lap < ring->oldest_lap)
        view->state = PP_BLOCK_GIVEN_BACK;
    else if (block.lap + 1 == ring->next_lap)
        view->state = PP_BLOCK_NEWEST;
    else
        view->state = block.stands_for != 0 ? PP_BLOCK_CONTINUES : PP_BLOCK_IN_USE;
}

static void count_record(struct pp_ring *ring, struct pp_record *record,
                         const struct pp_block_owner *owner, struct pp_block_view *view)
{
    uint32_t bytes = pp_ring_record_bytes(record->len);
    bool sound =
        pp_ring_read(ring, record->place, record, ring->stage, sizeof(ring->stage)) == PP_OK;
    enum pp_block_bytes kind = PP_BYTES_OWN;
    if (record->type < PP_RING_TYPE_SUMMARY)
        kind = owner->needs(owner->ctx, record, sound) ? PP_BYTES_LIVING : PP_BYTES_GARBAGE;
    view->records++;
    view->records_damaged += sound ? 0 : 1;
    view->bytes[sound ? kind : PP_BYTES_DAMAGED] += bytes;
}

/* Records of the log that lie in this block: of its own lap, or of the one it goes on for. */
static void walk(struct pp_ring *ring, const struct pp_block_owner *owner,
                 struct pp_block_view *view)
{
    uint64_t skipped = ring->report.bytes_skipped;
    struct pp_place place = {view->stands_for != 0 ? view->stands_for : view->lap, 0};
    struct pp_record record;
    while (pp_ring_walk_block(ring, &place, &record) == PP_OK) {
        if (pp_ring_resolve(ring, record.place, NULL) == view->lap)
            count_record(ring, &record, owner, view);
    }
    view->bytes[PP_BYTES_DAMAGED] += (uint32_t)(ring->report.bytes_skipped - skipped);
}

void pp_ring_inspect(struct pp_ring *ring, uint32_t number, const struct pp_block_owner *owner,
                     struct pp_block_view *view)
{
    uint32_t size = ring->flash->block_bytes;
    read_header(ring, number, view);
    bool in_log = view->lap >= ring->oldest_lap && view->lap < ring->next_lap;
    bool newest = view->state == PP_BLOCK_NEWEST;
    if (pp_ring_is_retired(ring, number))
        view->state = PP_BLOCK_RETIRED;
    if (!in_log) {
        if (view->state == PP_BLOCK_RETIRED || view->state == PP_BLOCK_BAD) {
            view->bytes[PP_BYTES_FREE] = 0;
            view->bytes[PP_BYTES_DAMAGED] = size;
        }
        return;
    }
    view->bytes[PP_BYTES_FREE] = 0;
    view->bytes[PP_BYTES_OWN] = PP_RING_BLOCK_HEADER_BYTES;
    walk(ring, owner, view);
    uint32_t told = 0;
    for (unsigned i = 0; i < PP_BYTES_KINDS; i++)
        told += view->bytes[i];
    if (told > size) { /* more was skipped than there is, of a block in two parts */
        uint32_t more = told - size;
        view->bytes[PP_BYTES_DAMAGED] -=
            more < view->bytes[PP_BYTES_DAMAGED] ? more : view->bytes[PP_BYTES_DAMAGED];
        return;
    }
    view->bytes[newest ? PP_BYTES_FREE : PP_BYTES_PADDING] += size - told;
}
