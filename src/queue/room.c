/*
 * room.c - how much may still be written
 *
 * Job:      keep, behind every message taken in, the room that cleaning and results need.
 * Not here: cleaning itself (clean.c).
 *
 * queue.h says why this is enough. Bytes are summed by the block in which their message
 * begins, in a small table by block number: blocks that share a counter make the sum too
 * large, never too small.
 */
#include "queue/record.h"

uint32_t pp_queue_block_room(const struct pp_queue *q)
{
    uint32_t body = pp_ring_block_room(&q->ring);
    uint32_t undivided = PP_RECORD_HEADER_BYTES + PP_STATE_BYTES_MAX;
    return body - (undivided < body / 4 ? undivided : body / 4);
}

uint32_t pp_queue_blocks_for(const struct pp_queue *q, uint64_t bytes)
{
    uint32_t room = pp_queue_block_room(q);
    uint64_t blocks = (bytes + room - 1) / room;
    return blocks < UINT32_MAX / 4 ? (uint32_t)blocks : UINT32_MAX / 4;
}

static uint32_t kept_for(const struct pp_queue *q, uint64_t group_bytes)
{
    uint32_t quarter = pp_ring_good_blocks(&q->ring) / 4;
    uint32_t spare = quarter < PP_QUEUE_SPARE_BLOCKS ? quarter : PP_QUEUE_SPARE_BLOCKS;
    uint32_t blocks = pp_queue_blocks_for(q, group_bytes);
    uint32_t eighth = pp_ring_good_blocks(&q->ring) / 8;
    return blocks + (blocks < eighth ? blocks : eighth) + spare;
}

uint64_t pp_queue_loose_bytes(const struct pp_queue *q)
{
    uint32_t used = pp_ring_good_blocks(&q->ring) - pp_ring_spare_blocks(&q->ring);
    uint64_t bytes = used > 1 ? (uint64_t)(used - 1) * pp_ring_block_room(&q->ring) : 0;
    uint64_t living = 0;
    for (uint32_t i = 0; i < PP_QUEUE_GROUPS; i++)
        living += q->group_bytes[i];
    return bytes > living ? bytes - living : 0;
}

static uint64_t largest_group(const struct pp_queue *q)
{
    uint64_t largest = 0;
    for (uint32_t i = 0; i < PP_QUEUE_GROUPS; i++) {
        if (q->group_bytes[i] > largest)
            largest = q->group_bytes[i];
    }
    return largest;
}

uint32_t pp_queue_blocks_kept(const struct pp_queue *q)
{
    return kept_for(q, largest_group(q));
}

uint64_t pp_queue_free_bytes(const struct pp_queue *q)
{
    const struct pp_ring *ring = &q->ring;
    uint32_t undivided = PP_RECORD_HEADER_BYTES + PP_STATE_BYTES_MAX;
    uint64_t blocks = pp_ring_free_blocks(ring);
    uint32_t head = 0;
    if (pp_ring_room(ring) > 0)
        head = PP_RING_BLOCK_HEADER_BYTES + pp_ring_block_room(ring) - ring->head_offset;
    return blocks * pp_queue_block_room(q) + (head > undivided ? head - undivided : 0);
}

uint32_t pp_queue_blocks_reserved(const struct pp_queue *q)
{
    return (uint32_t)((uint64_t)pp_ring_good_blocks(&q->ring) * q->limits.reserve_percent / 100);
}

/* The largest group once `need` bytes more belong to what begins in block `lap`. */
static uint64_t largest_group_with(const struct pp_queue *q, uint32_t lap, uint64_t need)
{
    uint64_t largest = largest_group(q);
    uint32_t head = q->ring.head_lap != 0 ? q->ring.head_lap : q->ring.next_lap;
    uint64_t group = q->group_bytes[(lap != 0 ? lap : head) % PP_QUEUE_GROUPS] + need;
    return group > largest ? group : largest;
}

static bool leaves(const struct pp_queue *q, uint64_t need, uint32_t blocks)
{
    uint64_t free_bytes = pp_queue_free_bytes(q);
    return need <= free_bytes && (free_bytes - need) / pp_queue_block_room(q) >= blocks;
}

bool pp_queue_admits_copy(const struct pp_queue *q, uint64_t need)
{
    return leaves(q, need, pp_queue_blocks_for(q, largest_group_with(q, 0, need)) + 2);
}

bool pp_queue_admits(struct pp_queue *q, uint32_t lap, uint64_t need, uint8_t severity)
{
    uint32_t keep = kept_for(q, largest_group_with(q, lap, need));
    if (severity < PP_SEVERITY_CRITICAL)
        keep += pp_queue_blocks_reserved(q);
    if (leaves(q, need, keep))
        return true;
    /* Cleaning is to win this much back, if there is garbage enough. */
    uint32_t wanted = keep + pp_queue_blocks_for(q, need) + 1;
    if (wanted > q->refused_blocks)
        q->refused_blocks = wanted;
    return false;
}

bool pp_queue_is_short(const struct pp_queue *q)
{
    return pp_ring_spare_blocks(&q->ring) < pp_queue_blocks_kept(q);
}

bool pp_queue_is_tight(const struct pp_queue *q)
{
    return pp_ring_spare_blocks(&q->ring) <= pp_ring_good_blocks(&q->ring) / 4 + 1;
}

bool pp_queue_may_append(const struct pp_queue *q, uint32_t len)
{
    uint32_t group = pp_queue_blocks_for(q, largest_group(q));
    uint32_t spare = pp_ring_spare_blocks(&q->ring);
    bool hopeless = q->garbage_bytes < q->ring.flash->block_bytes ||
                    (q->clean.gave_up_blocks != 0 && spare <= q->clean.gave_up_blocks);
    /* Room for nothing may be none at all. */
    return (len > 0 ? len : 1) <= pp_ring_room(&q->ring) || hopeless ||
           spare > (group > 1 ? group : 1);
}

void pp_queue_group_add(struct pp_queue *q, uint32_t lap, uint64_t bytes)
{
    q->group_bytes[lap % PP_QUEUE_GROUPS] += bytes;
}

void pp_queue_group_sub(struct pp_queue *q, uint32_t lap, uint64_t bytes)
{
    q->group_bytes[lap % PP_QUEUE_GROUPS] -= bytes;
}

uint16_t pp_queue_piece(const struct pp_queue *q, uint32_t len)
{
    uint32_t max = pp_ring_payload_max(&q->ring);
    uint32_t room = pp_ring_room(&q->ring);
    uint32_t piece = len < max ? len : max;
    if (piece > room && room >= PP_PIECE_BYTES_MIN)
        piece = room;
    return (uint16_t)piece;
}
