/*
 * queue.h - how mail waits: messages in flash, an index of them in RAM
 *
 * Job:      take a message in piece by piece, make it real, read it back for delivery, keep
 *           what became of each recipient, forget it when all is done, clean the ring.
 * Not here: when to try again (queue/schedule.h), what a message looks like (message/).
 *
 * One index entry a message; envelope, recipients, body and results lie in flash only.
 * A message's records: META, RCPT..., DATA..., COMMIT; later RESULT and STATE records, chained
 * backwards from the index entry; GONE ends it. See record.h.
 *
 * Room. The ring can always be cleaned, and what became of a message can always be written
 * down, because a new message is refused (PP_ERR_FULL) before that point. To free the oldest
 * block, all messages that begin in it are appended again whole; so a new message is taken
 * only while, behind it, as much stays free as the messages that begin in any one block take,
 * twice (once more for a copy that a power cut left unfinished, but not more than an eighth of the
 * medium), and PP_QUEUE_SPARE_BLOCKS blocks more. GONE, RESULT and STATE records may use these.
 * They cannot use them up: with less than that free, an attempt that settled no recipient writes
 * nothing, and each recipient is settled once. So the largest message is somewhat less than
 * half of the medium. Blocks count without the stretch at their end that the longest undivided
 * record might leave empty.
 */
#ifndef PP_QUEUE_QUEUE_H
#define PP_QUEUE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/content.h"
#include "base/err.h"
#include "base/index.h"
#include "base/text.h"
#include "base/time.h"
#include "profile.h"
#include "queue/ticket.h"
#include "store/ring.h"

/* Envelope and origin, as stored. Views point into the caller's or the reader's memory. */
struct pp_envelope {
    enum pp_kind kind;
    enum pp_severity severity;
    struct pp_text sender;      /* reverse-path without <>, "" is the null sender; <= 254 */
    struct pp_text sender_name; /* for From:, may be empty; <= 256 */
    struct pp_text subject;     /* alerts: UTF-8, one line; <= 900 */
    struct pp_text origin;      /* who handed it in, for the log: "uid=1000", "api"; <= 128 */
    struct pp_text token; /* makes the Message-ID in place of id and device; may be empty; <= 100 */
    bool body_8bitmime;   /* BODY=8BITMIME was declared */
    bool smtputf8;
    bool rewrite_sender;  /* From: becomes the configuration's (message/render.h) */
    enum pp_dsn_ret ret;  /* RFC 3461 4.3 */
    struct pp_text envid; /* RFC 3461 4.4, xtext as it came; <= 100 */
};

/* One message in the index. 64 bytes or less (asserted). */
struct pp_queue_entry {
    uint32_t id;                 /* queue id, never 0, never used twice on one medium */
    struct pp_place first;       /* META */
    struct pp_place commit;      /* COMMIT */
    struct pp_place last_result; /* newest RESULT or STATE, {0,0} when none */
    uint32_t size_bytes;         /* of the content as stored */
    uint32_t stored_bytes;       /* of all its records in flash */
    uint32_t accepted_s;         /* wall clock at acceptance (seconds since 1970), 0 unknown */
    uint16_t recipient_count;
    uint16_t open_count;   /* recipients neither delivered nor failed */
    uint16_t failed_count; /* recipients that failed for good */
    uint16_t attempts;
    uint16_t content; /* enum pp_content */
    uint8_t severity : 3, kind : 1, held : 1, in_use : 1, ended : 1, delivering : 1;
    uint8_t heap_valid : 1; /* used by schedule */
    uint8_t twice : 1;      /* used by mount: more than one copy is in flash */
    uint32_t heap_index;    /* used by schedule */
    uint32_t
        released_s; /* wall clock when it was last sent again by hand; 0 never since the mount */
};

/* What became of one recipient in one attempt; a RESULT record holds several. */
struct pp_result {
    uint16_t recipient;      /* index from 0 in the order given */
    enum pp_outcome outcome; /* OPEN: will be tried again; the reply says why */
    struct pp_text reply;    /* the server's last words or ours, made safe; <= 400 kept */
};

/* One message being taken in; for the queue's own eyes. */
struct pp_queue_writer {
    uint32_t id;
    uint32_t index; /* reserved entry */
    bool in_use;
    enum pp_err error; /* first error; sticky */
    struct pp_place first;
    uint32_t size_bytes;
    uint32_t trace_bytes; /* of these, not held against the limit */
    uint32_t crc;         /* of all content */
    uint16_t recipient_count;
    uint8_t severity, kind;
    uint32_t accepted_s;   /* wall clock at open, 0 unknown */
    uint32_t stored_bytes; /* of its records in flash so far */
    uint16_t chunk_len;
    uint16_t head_len;  /* of these, META in front of the first RCPT */
    uint8_t chunk_type; /* META, RCPT or DATA being gathered; 0 none */
    uint8_t chunk[PP_STORE_CHUNK_BYTES];
};

struct pp_queue_limits {
    uint64_t message_bytes;  /* largest message */
    uint32_t recipients;     /* of one message, at most PP_RECIPIENTS_MAX */
    uint8_t reserve_percent; /* of the blocks, kept for PP_SEVERITY_CRITICAL; 0 to 50 */
};

/* Blocks kept for what became of messages, on a medium of 12 blocks or more; less on less. */
#define PP_QUEUE_SPARE_BLOCKS 3
/* Places of the index by id, and counters of bytes by block: powers of two. */
#define PP_QUEUE_PLACES                                                                            \
    (PP_QUEUE_MESSAGES <= 512     ? 1024u                                                          \
     : PP_QUEUE_MESSAGES <= 4096  ? 8192u                                                          \
     : PP_QUEUE_MESSAGES <= 16384 ? 32768u                                                         \
     : PP_QUEUE_MESSAGES <= 65536 ? 131072u                                                        \
                                  : 2097152u)
#define PP_QUEUE_GROUPS (PP_QUEUE_MESSAGES < 64 ? 16 : PP_QUEUE_MESSAGES < 1024 ? 32 : 256)
/* So few are found by looking at each: an index would be larger than what it finds. */
#define PP_QUEUE_INDEX (PP_QUEUE_MESSAGES > 64)

/* How far cleaning has come with the oldest block; see clean.c. */
struct pp_queue_clean {
    uint32_t lap;             /* the block; 0: none yet */
    uint32_t cursor;          /* entries before this one do not begin in it */
    bool moving;              /* it was decided to move what lives in it */
    bool tight;               /* ... into the last free blocks */
    bool emptied;             /* nothing lives in it any more */
    uint32_t generation;      /* ... once this sync is done */
    uint64_t moved_bytes;     /* out of this block */
    uint64_t padded_before;   /* bytes_padded when its turn came */
    uint32_t gave_up_blocks;  /* spare blocks when a move found no room; 0: it did not */
    uint32_t id;              /* message being moved; 0: none */
    struct pp_place source;   /* its entry->first when the move began */
    struct pp_place next;     /* next record to copy */
    struct pp_place first;    /* of the copy */
    struct pp_place commit;   /* of the copy; {0,0} until all content is copied */
    uint32_t stored_bytes;    /* of the copy */
    uint32_t recipient;       /* next one whose newest reply is to be kept */
    struct pp_place results;  /* newest result record of the copy */
    struct pp_place replaces; /* entry->last_result that `results` tells */
};

struct pp_queue {
    struct pp_ring ring;
    struct pp_queue_limits limits;
    struct pp_queue_entry entries[PP_QUEUE_MESSAGES];
    uint32_t entry_free;       /* list of free entries, through `id` */
    uint32_t entry_count;      /* in use */
    uint32_t entry_high_water; /* most in use at once; entries from here on were never used */
    uint32_t next_id;
    uint32_t boot_count;   /* mounts of this medium, this one included */
    uint64_t device;       /* random, made once for this medium; 0 when there was no randomness */
    uint32_t boot_lap;     /* block of the newest BOOT record; 0 none */
    struct pp_place tail;  /* what lay from here on at mount may have been cut off */
    uint32_t tail_end_lap; /* ... up to this block */
    bool boot_is_due;      /* this boot is not written down yet */
    uint32_t ended_count;  /* entries whose message has ended, which is still to be written down */
    bool sync_wanted;      /* somebody waits for what was appended */
    bool sync_can_wait;    /* nobody does, but it says which messages were delivered */
    bool looking;          /* nothing is written: pp_queue_look() */
    bool unindexed;        /* messages are in flash that this build has no room for */
    uint32_t refused_blocks; /* spare blocks that a refused message would have needed; 0: none */
    uint64_t garbage_bytes;  /* in flash, that cleaning could win back */
    uint64_t padded_seen;    /* bytes_padded already counted as garbage */
    uint64_t group_bytes[PP_QUEUE_GROUPS]; /* of living messages, by the block of `first` */
    struct pp_queue_clean clean;
    struct pp_queue_writer writers[PP_QUEUE_WRITERS];
    uint32_t writer_high_water;
    struct pp_index by_id; /* PP_QUEUE_INDEX: entries by id */
    struct pp_index_place by_id_places[PP_QUEUE_INDEX ? PP_QUEUE_PLACES : 1];
    uint8_t scratch[PP_STORE_CHUNK_BYTES];
    uint32_t messages_damaged; /* found at mount or when cleaning, and lost */
    uint32_t messages_torn;    /* found at mount: the power went while they came in */
};

/* ---- life ---- */
/* Mount and replay. Each mount counts as a boot and writes one BOOT record (made durable by the
 * next sync). Returns what pp_ring_mount returns; messages that are damaged are counted, the rest
 * is kept. Messages beyond PP_QUEUE_MESSAGES stay in flash, untouched and unseen, until a later
 * mount has room for them (`unindexed`). */
PP_MUST_USE enum pp_err pp_queue_mount(struct pp_queue *q, const struct pp_flash *flash,
                                       const struct pp_queue_limits *limits);
/* As pp_queue_mount(), to look into an image: nothing is written, not even staged. Of the rest of
 * this header only reading may follow. */
PP_MUST_USE enum pp_err pp_queue_look(struct pp_queue *q, const struct pp_flash *flash);
/* Is a record part of what waits? `entry` is that of record->id, NULL when there is none. */
bool pp_queue_needs(const struct pp_queue *q, const struct pp_queue_entry *entry,
                    const struct pp_record *record);
/* Today's limits (a reread configuration). */
void pp_queue_set_limits(struct pp_queue *q, const struct pp_queue_limits *limits);

/* ---- taking in ---- */
/*
 * Begin a message. `declared_bytes` (0: unknown) is checked against the limit and the room.
 * Returns PP_ERR_TOO_BIG (over the limit), PP_ERR_FULL (queue or flash, or only the reserve is left
 * for a severity below critical), PP_ERR_DRY (no writer free), PP_ERR_FLASH, PP_ERR_INJECTION
 * (CR, LF, NUL in envelope text). The writer is given back by seal or abort.
 */
PP_MUST_USE enum pp_err pp_queue_open(struct pp_queue *q, const struct pp_envelope *envelope,
                                      uint64_t declared_bytes, int64_t wall_s,
                                      struct pp_queue_writer **writer);
/* One recipient: a forward-path without <>, 1 to 320 octets. All recipients come before content.
 * PP_ERR_TOO_BIG: more than the limit. */
PP_MUST_USE enum pp_err pp_queue_recipient(struct pp_queue *q, struct pp_queue_writer *w,
                                           struct pp_text address);
/* The same with what its sender asked for. */
PP_MUST_USE enum pp_err pp_queue_recipient_dsn(struct pp_queue *q, struct pp_queue_writer *w,
                                               const struct pp_recipient *recipient);
/* Header fields of ours before the content, once, behind the recipients: stored as its beginning,
 * but not held against the limit of a message. */
PP_MUST_USE enum pp_err pp_queue_trace(struct pp_queue *q, struct pp_queue_writer *w,
                                       struct pp_text fields);
/* Content, in pieces of any size, lines already ending in CRLF. Errors stick until seal.
 * PP_ERR_TOO_BIG when it passes the limit. */
PP_MUST_USE enum pp_err pp_queue_write(struct pp_queue *q, struct pp_queue_writer *w,
                                       const void *bytes, size_t len);
/*
 * Seal a message: from the next good sync on it survives power loss.
 * Returns the first error of the writer (nothing is kept), PP_ERR_EMPTY (no recipient),
 * PP_ERR_FULL, PP_ERR_FLASH. The writer is free afterwards whatever is returned.
 */
PP_MUST_USE enum pp_err pp_queue_seal(struct pp_queue *q, struct pp_queue_writer *w,
                                      uint16_t content, struct pp_ticket *ticket);
void pp_queue_abort(struct pp_queue *q, struct pp_queue_writer *w);
enum pp_ticket_state pp_queue_ticket(const struct pp_queue *q, const struct pp_ticket *ticket);

/* ---- each turn ---- */
/* One sync for all that was appended; returns PP_ERR_LATER while one is under way, PP_ERR_FLASH
 * when it failed: then nothing is taken in until a remount. */
PP_MUST_USE enum pp_err pp_queue_sync(struct pp_queue *q);
/* True when somebody waits for a sync: a sealed message, a result, cleaning. Content still coming
 * in does not. */
bool pp_queue_wants_sync(const struct pp_queue *q);
/* True when it has to be now: all but the ends of messages that were delivered. */
bool pp_queue_sync_is_urgent(const struct pp_queue *q);
/* Hand what was appended to a medium that takes single bytes, without a sync: it outlives the
 * process, not the power. Else it waits for the sync: a unit is programmed once. */
PP_MUST_USE enum pp_err pp_queue_program(struct pp_queue *q);
/* Somebody else wrote to the same medium, and wants what pp_queue_sync() does. */
void pp_queue_want_sync(struct pp_queue *q);
/*
 * Clean ahead of need: give back the oldest block when nothing in it lives, move what lives
 * in it when room is short and there is garbage to win. A bounded piece of work: up to 64
 * records or 256 KiB. True when there is more to do now; false too when it waits for the
 * next sync (which it then wants). A writer that has been open while the whole ring went
 * round is aborted with PP_ERR_FULL.
 */
bool pp_queue_clean(struct pp_queue *q);

/* ---- reading ---- */
/* Entry by id, NULL when there is none. Pointers stay valid while the message exists. */
struct pp_queue_entry *pp_queue_find(struct pp_queue *q, uint32_t id);
/* All entries in order of their slot: *cursor starts at 0; NULL at the end. */
struct pp_queue_entry *pp_queue_next(struct pp_queue *q, uint32_t *cursor);

/* Reads one message. Memory is the reader's own; views die with the next call on it. While it is
 * open the message may be moved by cleaning: the reader finds it again by itself. */
struct pp_queue_reader {
    struct pp_queue *queue;
    uint32_t id;
    struct pp_place base; /* entry->first when positions were taken */
    struct pp_place next;
    uint64_t content_done; /* content bytes handed out */
    uint32_t crc;
    uint32_t recipients_done;
    uint16_t payload_len, payload_pos;
    uint8_t payload_type;
    uint8_t notify;
    uint16_t address_len, orcpt_len;
    uint8_t address[320];
    uint8_t orcpt[PP_ORCPT_MAX];
    uint8_t payload[PP_STORE_CHUNK_BYTES];
    uint8_t envelope_text[2048]; /* stays as it is until the next open */
};

PP_MUST_USE enum pp_err pp_queue_reader_open(struct pp_queue *q, uint32_t id,
                                             struct pp_queue_reader *r,
                                             struct pp_envelope *envelope);
/* Next recipient in order; PP_ERR_NOT_FOUND behind the last. */
PP_MUST_USE enum pp_err pp_queue_reader_recipient(struct pp_queue_reader *r,
                                                  struct pp_text *address);
/* What the sender asked for with the recipient that was read last; valid until the next one. */
void pp_queue_reader_dsn(const struct pp_queue_reader *r, struct pp_recipient *recipient);
/* Go back to the first recipient. */
PP_MUST_USE enum pp_err pp_queue_reader_rewind(struct pp_queue_reader *r);
/* Next piece of content: `*bytes` points into the reader. *len 0 at the end, which is reached
 * only when length and CRC of the whole are right; PP_ERR_DAMAGED otherwise. Recipients need not
 * have been read. */
PP_MUST_USE enum pp_err pp_queue_reader_content(struct pp_queue_reader *r, const uint8_t **bytes,
                                                size_t *len);
/* Outcome of every recipient (enum pp_outcome), PP_ERR_TOO_BIG when `cap` is too small: out[i] for
 * i < recipient_count, `cap` bytes. */
PP_MUST_USE enum pp_err pp_queue_outcomes(struct pp_queue *q, uint32_t id, uint8_t *out,
                                          size_t cap);
/* Newest reply kept for a recipient, into `text` (cap bytes, not terminated); *len 0 when none. */
PP_MUST_USE enum pp_err pp_queue_last_reply(struct pp_queue *q, uint32_t id, uint16_t recipient,
                                            char *text, size_t cap, size_t *len);

/* ---- results ---- */
/*
 * Keep results of an attempt (any number of calls). When no recipient is open and none failed
 * the message is gone from the index, and from flash with the next sync: do not touch its
 * entry after. Returns PP_ERR_NOT_FOUND, PP_ERR_RANGE (no such recipient), PP_ERR_DAMAGED
 * (earlier results cannot be read), PP_ERR_FULL, PP_ERR_FLASH; with the last two the index
 * follows all the same, so that nothing is sent twice while we run.
 */
PP_MUST_USE enum pp_err pp_queue_results(struct pp_queue *q, uint32_t id,
                                         const struct pp_result *results, size_t count);
/* Count an attempt; kept in flash while there is room. */
PP_MUST_USE enum pp_err pp_queue_attempted(struct pp_queue *q, uint32_t id);
PP_MUST_USE enum pp_err pp_queue_hold(struct pp_queue *q, uint32_t id, bool held);
/* Failed recipients become open again ("send again"). This, hold and remove change nothing when
 * they fail. */
PP_MUST_USE enum pp_err pp_queue_requeue(struct pp_queue *q, uint32_t id);
PP_MUST_USE enum pp_err pp_queue_remove(struct pp_queue *q, uint32_t id);

#endif
