/*
 * record.h - what the queue's records hold, and what its files share
 *
 * Job:      types and layouts of the records; the index, room and result functions that
 *           several files of this room use.
 * Not here: the public side (queue.h).
 *
 * Integers are little endian.
 *   BOOT    boot count 4, next id 4, device 8, generation 4, the tail of this mount (tail.c): the
 *           place where it began 8, the block before which it ended 4
 *   META    kind 1, severity 1, flags 1 (1: 8BITMIME, 2: SMTPUTF8, 4: the sender is rewritten, 8
 *           and 16: enum pp_dsn_ret), 0 1, accepted 4, lengths of sender, name, subject, origin,
 *           token, ENVID 2 each; then these texts
 *   RCPT    length 2 (9 bits; above them 4 of enum pp_dsn_notify, and in the highest whether
 *           ORCPT follows), address, and where it does: length 2, ORCPT; again and again
 *   DATA    content
 *   COMMIT  place of the first META 8, content size 4, CRC-32C of the content 4, accepted 4,
 *           recipients 2, content bits 2, kind 1, severity 1, 0 2, bytes of all records 4,
 *           generation 4
 *   RESULT, STATE
 *           place of the message's RESULT or STATE before 8, attempts 2, flags 1 (1: held), 0 1,
 *           outcomes of all recipients (2 bits each, the first in the lowest); RESULT then has
 *           replies: recipient 2, outcome 1, length 2, text
 *   GONE    nothing
 * META, RCPT and DATA are streams: where one record ends and the next begins means nothing.
 * Generation is that of the sync that was to make the record durable (store/ring.h).
 * A message that is moved is written again from META to COMMIT, then one or more RESULT records
 * that tell all that those before told. Of two COMMITs of the same id the later one counts when it
 * was surely synced and is whole, or when the earlier one is not whole; a later RESULT or STATE
 * replaces all outcomes before; GONE ends the message.
 */
#ifndef PP_QUEUE_RECORD_H
#define PP_QUEUE_RECORD_H

#include "queue/queue.h"

enum pp_record_type {
    PP_RECORD_META = 1,
    PP_RECORD_RCPT,
    PP_RECORD_DATA,
    PP_RECORD_COMMIT, /* a mount reads records from this type on */
    PP_RECORD_RESULT,
    PP_RECORD_STATE,
    PP_RECORD_GONE,
    PP_RECORD_BOOT
};

#define PP_BOOT_BYTES                32u
#define PP_META_FIXED_BYTES          20u
#define PP_META_TEXTS                6u
#define PP_COMMIT_BYTES              36u
#define PP_RCPT_NOTIFY_SHIFT         9u
#define PP_RCPT_HAS_ORCPT            0x8000u
#define PP_ADDRESS_MAX               320u
#define PP_REPLY_MAX                 400u
#define PP_REPLY_HEAD_BYTES          5u
#define PP_STATE_HEAD_BYTES          12u
#define PP_OUTCOME_BYTES(recipients) (((uint32_t)(recipients) + 3) / 4)
#define PP_STATE_BYTES_MAX                                                                         \
    (PP_STATE_HEAD_BYTES + PP_OUTCOME_BYTES(PP_RECIPIENTS_MAX) + PP_REPLY_HEAD_BYTES + PP_REPLY_MAX)
/* A stream's record is cut to fit the rest of a block when at least so much of it fits. */
#define PP_PIECE_BYTES_MIN 128u

void pp_place_put(uint8_t *p, struct pp_place place);
struct pp_place pp_place_get(const uint8_t *p);
bool pp_place_equal(struct pp_place a, struct pp_place b);
bool pp_place_before(struct pp_place a, struct pp_place b);

/* ---- the tail (tail.c) ---- */
/* What the records say about syncs, newest first: up to `end` nothing is of a later generation. */
struct pp_queue_generations {
    struct {
        uint32_t generation;
        struct pp_place end;
    } known[3];
    uint32_t counting_lap; /* newest block with any record but pieces of messages */
    uint32_t gone_count;   /* ever seen */
    struct {
        uint32_t id;
        struct pp_place place;
    } gone[64]; /* the last messages that ended, round and round */
    uint32_t former_count;
    struct {
        struct pp_place from;
        uint32_t end_lap;
    } former[8]; /* tails of earlier mounts that are still in the log, oldest first */
};
void pp_queue_note_generation(struct pp_queue_generations *g, uint32_t generation,
                              struct pp_place end);
void pp_queue_note_gone(struct pp_queue_generations *g, const struct pp_record *record);
void pp_queue_note_former_tail(struct pp_queue_generations *g, struct pp_place from,
                               uint32_t end_lap);
/* May a record there have been cut off, in this tail or in an earlier one? */
bool pp_queue_is_in_doubt(const struct pp_queue_generations *g, struct pp_place place);
/* Short of room, and the newest blocks hold nothing that counts: they are used again. */
void pp_queue_go_back(struct pp_queue *q, const struct pp_queue_generations *g);
/* Records from here on may not have been synced. */
struct pp_place pp_queue_tail(const struct pp_queue_generations *g);
/* Write again what lives in doubt, and the ends told there, before block `end_lap`. What
 * finds no room stays as it is. PP_ERR_FLASH. */
PP_MUST_USE enum pp_err
pp_queue_rewrite_tail(struct pp_queue *q, const struct pp_queue_generations *g, uint32_t end_lap);

/* ---- mount (replay.c) ---- */
/* A message that was met twice does not read any more where it was taken from: take another copy
 * that is whole. False: there is none. Uses q->scratch. */
bool pp_queue_other_copy(struct pp_queue *q, struct pp_queue_entry *entry);
/* Read all of a message: is it what its COMMIT says? Uses q->scratch. */
bool pp_queue_is_whole(struct pp_queue *q, const struct pp_queue_entry *entry);

/* ---- cleaning (clean.c) ---- */
/* Append a message again, whole and with its results. PP_ERR_FULL: it stays where it is. What
 * cannot be read any more is forgotten and counted as damaged. */
PP_MUST_USE enum pp_err pp_queue_copy(struct pp_queue *q, struct pp_queue_entry *entry);

/* ---- index (queue.c) ---- */
uint32_t pp_queue_index(const struct pp_queue *q, const struct pp_queue_entry *entry);
/* An entry off the free list, cleared, not yet in use; NULL when there is none. */
struct pp_queue_entry *pp_queue_take_entry(struct pp_queue *q);
void pp_queue_give_entry(struct pp_queue *q, struct pp_queue_entry *entry);
/* Nothing is known by its id. PP_ERR_DRY: the table has too little memory. */
void pp_queue_index_init(struct pp_queue *q);
/* What was appended is to be durable, but nobody is waiting for it. */
void pp_queue_sync_soon(struct pp_queue *q);
/* Not known by its id any more; nothing else changes. */
void pp_queue_leave(struct pp_queue *q, struct pp_queue_entry *entry);
/* Make a filled-in entry known by its id. */
PP_MUST_USE enum pp_err pp_queue_enter(struct pp_queue *q, struct pp_queue_entry *entry);
/* The message has ended: all it had in flash is garbage. */
void pp_queue_forget(struct pp_queue *q, struct pp_queue_entry *entry);
/* As forget, but its end is still to be written down: tried again by pp_queue_clean(). */
void pp_queue_forget_later(struct pp_queue *q, struct pp_queue_entry *entry);
/* Write that it has ended; PP_ERR_FULL when that has to wait for cleaning. */
PP_MUST_USE enum pp_err pp_queue_append_end(struct pp_queue *q, const struct pp_queue_entry *entry);
/* The same as long as there is any room. */
PP_MUST_USE enum pp_err pp_queue_append_gone(struct pp_queue *q,
                                             const struct pp_queue_entry *entry);
/* Write a BOOT record: what must outlive all messages. */
PP_MUST_USE enum pp_err pp_queue_append_boot(struct pp_queue *q);
/* The same if it is due and room is not short: a mount that ends early is to use up no block. */
PP_MUST_USE enum pp_err pp_queue_note_boot(struct pp_queue *q);

/* ---- room (room.c) ---- */
/* Few blocks are left, however little lives in the log: what can wait is not written. */
bool pp_queue_is_tight(const struct pp_queue *q);
/* May a record of `len` bytes be appended that cleaning does not need? It leaves blocks to move
 * the messages of any one block, while there is garbage to win by that. */
bool pp_queue_may_append(const struct pp_queue *q, uint32_t len);
/* Bytes of records that surely fit a block. */
uint32_t pp_queue_block_room(const struct pp_queue *q);
uint32_t pp_queue_blocks_for(const struct pp_queue *q, uint64_t bytes);
/* Blocks that new messages must leave free. */
uint32_t pp_queue_blocks_kept(const struct pp_queue *q);
/* Bytes in the blocks of the log, but for the one being filled, that belong to no living message;
 * what no move would win back is among them: padding, the ends of blocks. */
uint64_t pp_queue_loose_bytes(const struct pp_queue *q);
/* Bytes of records that surely fit before the next sync. */
uint64_t pp_queue_free_bytes(const struct pp_queue *q);
/* Blocks that only the most urgent class may use. */
uint32_t pp_queue_blocks_reserved(const struct pp_queue *q);
/* May `need` more bytes of a message that begins in block `lap` (0: the next record's) be
 * appended, and leave what has to be left? When not, cleaning is asked for the room. */
bool pp_queue_admits(struct pp_queue *q, uint32_t lap, uint64_t need, uint8_t severity);
/* May `need` bytes of a message that is there be written again at mount? What is kept for one more
 * copy may be used up, but not what cleaning needs to move on. */
bool pp_queue_admits_copy(const struct pp_queue *q, uint64_t need);
/* So little room that only what settles a recipient is written. */
bool pp_queue_is_short(const struct pp_queue *q);
void pp_queue_group_add(struct pp_queue *q, uint32_t lap, uint64_t bytes);
void pp_queue_group_sub(struct pp_queue *q, uint32_t lap, uint64_t bytes);
/* How many of `len` bytes of a stream go into the next record. */
uint16_t pp_queue_piece(const struct pp_queue *q, uint32_t len);

/* ---- writers (accept.c) ---- */
/* Take a writer's flash back; it hears of it with its next call. */
void pp_queue_evict(struct pp_queue *q, struct pp_queue_writer *w, enum pp_err err);

/* ---- results (result.c) ---- */
struct pp_queue_state {
    uint32_t len;
    uint8_t bytes[PP_STATE_BYTES_MAX];
};

/* The newest outcomes of a message, without replies; all open when none were kept. Where the newest
 * result is damaged it is counted, and the one before it is the newest. Uses q->scratch.
 * PP_ERR_FLASH. */
PP_MUST_USE enum pp_err pp_queue_state_load(struct pp_queue *q, struct pp_queue_entry *entry,
                                            struct pp_queue_state *state);
/* The newest result does not read any more: the one before it counts, none when there is none.
 * Walks the log, and uses q->scratch. */
void pp_queue_state_step_back(struct pp_queue *q, struct pp_queue_entry *entry);
/* Take counts, attempts and held from a RESULT or STATE payload; false when it is malformed. */
bool pp_queue_state_apply(struct pp_queue_entry *entry, const uint8_t *payload, uint32_t len);
enum pp_outcome pp_queue_state_outcome(const struct pp_queue_state *state, uint32_t recipient);
/* Add a reply, cut to PP_REPLY_MAX. False when it does not fit: write this record first. */
bool pp_queue_state_reply(const struct pp_queue *q, const struct pp_queue_entry *entry,
                          struct pp_queue_state *state, uint16_t recipient, struct pp_text reply);
/*
 * Write the record, linked to `before`, and leave `state` without replies for the next one. On
 * PP_OK *place is where it went and *bytes what it took.
 */
PP_MUST_USE enum pp_err pp_queue_state_append(struct pp_queue *q,
                                              const struct pp_queue_entry *entry,
                                              struct pp_queue_state *state, struct pp_place before,
                                              struct pp_place *place, uint32_t *bytes);
/*
 * The newest replies of `count` recipients from `from` on, into texts[]: views of `memory`,
 * empty where none was kept. Returns how many recipients in a row, from the first, had room
 * there: 1 at least when cap is PP_REPLY_MAX or more. Adds records read to *read. Uses
 * q->scratch.
 */
uint32_t pp_queue_replies(struct pp_queue *q, const struct pp_queue_entry *entry, uint32_t from,
                          uint32_t count, struct pp_text *texts, char *memory, size_t cap,
                          uint32_t *read);

#endif
