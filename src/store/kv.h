/*
 * kv.h - a small key-value of two copies, beside the log
 *
 * Job:      keep few values that change now and then: time floor, random seed, kept sessions,
 *           tokens, provisioned configuration.
 * Not here: mail (ring.h), which blocks are its own (part.h), its bytes (kv_format.h).
 *
 * Two halves of the same size. One is current: values are appended to it as records, the last of
 * a key wins. When it is full, at the first put after a mount, or after a failed write, the other
 * one is erased, all newest values are written there (its base), and it becomes current once it
 * is sealed: a seal is written when the base is known durable. So there is a whole copy on the
 * medium at any time, in whatever order writes arrive there.
 *
 * Durability is by the group commit of the log: what is put is programmed at once and survives a
 * power cut from the next good sync on; the first put into a new half needs two syncs, for base
 * and seal. The owner syncs the medium and says so (pp_kv_sync_begun, pp_kv_synced).
 *
 * Damage: every record has checksums of header and value. Where a value is damaged the one before
 * it is given, from the same half or the other one.
 *
 * Wear: a put takes its value and 16 bytes in whole program units. An erase of one half comes with
 * each mount that is followed by a put, and with each half full of puts: a value of 8 bytes a day
 * in halves of 4 KiB with units of 256 bytes is an erase in ten days, with units of 512 bytes in
 * three. Halves take turns.
 */
#ifndef PP_STORE_KV_H
#define PP_STORE_KV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "port.h"
#include "profile.h"
#include "store/kv_format.h"

/* Keys, as they stand on the medium. Sessions and tokens have one a smarthost: add its slot, 0 to
 * PP_SMARTHOSTS - 1. Values of slots that this build does not have are dropped with the next new
 * half. */
enum pp_kv_key {
    PP_KV_TIME_FLOOR = 1,
    PP_KV_RANDOM_SEED = 2,
    PP_KV_CONFIG = 3,
    PP_KV_ACCEPTED_PIN = 4,
    PP_KV_SESSION = 16,
    PP_KV_TOKEN = 32
};

#define PP_KV_KEYS (4u + 2u * PP_SMARTHOSTS)

/* Where the newest value of a key lies: 8 bytes a key, 88 with four smarthosts. */
struct pp_kv_value {
    uint32_t at; /* from the start of the first half; 0: no value */
    uint16_t len;
};

/* What was found and done; grows only. */
struct pp_kv_report {
    uint32_t halves_lost;     /* ours, and nothing could be read from it */
    uint32_t records_damaged; /* skipped; one for each damaged stretch */
    uint32_t ends_torn;       /* bytes behind the last record: cut short by the power, or damaged */
    uint32_t values_damaged;  /* the newest of a key could not be read */
    uint32_t values_lost;     /* of these, without an older one */
    uint32_t writes_failed;   /* programs and erases that the medium refused */
    uint32_t halves_begun;
    uint64_t bytes_programmed;
};

#define PP_KV_NO_HALF      2u
#define PP_KV_BUFFER_BYTES (PP_KV_RECORD_BYTES + PP_KV_VALUE_MAX + PP_STORE_UNIT_MAX + 4)

struct pp_kv {
    const struct pp_flash *flash;
    struct pp_kv_half half[2];
    bool readable[2]; /* the current half; the other one where it is older */
    unsigned current; /* 0, 1 or PP_KV_NO_HALF */
    uint32_t tail;    /* offset behind the last record of the current half */
    uint32_t records; /* number of its next record */
    uint32_t newest;  /* generation, of all halves ever seen */
    uint32_t salt;    /* of the next half; follows from all that was put, as in ring.h */
    unsigned first;   /* the half to begin with, while none is current */
    bool open;        /* the current half may be appended to */
    bool sealed;
    unsigned headers;     /* written of the current half: one, and its seals */
    bool failed;          /* a sync failed: no more puts until a remount */
    uint32_t changes;     /* writes so far */
    uint32_t begun;       /* of them, covered by the newest sync begun */
    uint32_t durable;     /* ... by the newest sync done */
    uint32_t step_change; /* ... when base or seal was complete; the next seal waits for it */
    struct pp_kv_report report;
    struct pp_kv_value values[PP_KV_KEYS];
    uint8_t buffer[PP_KV_BUFFER_BYTES]; /* records on their way; wiped after use */
};

/*
 * Look at a medium of an even number of blocks, 2 to 16, the first half in the first of them.
 * Writes nothing. What can be read now is taken for durable: the port syncs a medium before it
 * hands it out. Time: reads the current half about twice.
 *
 * ours      the medium is known to be ours, from a sound header of the log beside it: rubbish in
 *           both halves is then what damage left (halves_lost), and not somebody else's data.
 *           Nothing may be put into a blank key-value before that is so and durable, or a power cut
 *           could leave what nobody knows again.
 * Returns   PP_ERR_VERSION (another format's, a later one's or another geometry's: left
 *           untouched), PP_ERR_RANGE (a geometry outside the profile), PP_ERR_FLASH (nothing can
 *           be read; `kv` is empty then and refuses puts). A blank medium is empty.
 */
PP_MUST_USE enum pp_err pp_kv_mount(struct pp_kv *kv, const struct pp_flash *flash, bool ours);
/*
 * Read a value, up to `cap` bytes; *len is its length. Where the newest one is damaged, the one
 * before it.
 * Returns PP_ERR_NOT_FOUND, PP_ERR_TOO_BIG (*len is set), PP_ERR_DAMAGED (it is there no more, and
 * counted), PP_ERR_RANGE (no such key).
 */
PP_MUST_USE enum pp_err pp_kv_get(struct pp_kv *kv, unsigned key, void *buf, size_t cap,
                                  size_t *len);
/*
 * Give a key a value of 0 to pp_kv_value_max() bytes.
 * Returns PP_ERR_LATER (not done: again after the next sync, which it needs), PP_ERR_FULL (all
 * values together would not fit a half), PP_ERR_TOO_BIG, PP_ERR_RANGE, PP_ERR_FLASH (the medium
 * refused). After an error the value before is still there; where the medium had a part in it
 * (pp_kv_report, writes_failed) the next mount may find either.
 * Time: may erase a half and copy all values.
 */
PP_MUST_USE enum pp_err pp_kv_put(struct pp_kv *kv, unsigned key, const void *bytes, size_t len);
/* Take a key's value away. Errors as above; PP_ERR_NOT_FOUND when it has none. */
PP_MUST_USE enum pp_err pp_kv_remove(struct pp_kv *kv, unsigned key);
uint32_t pp_kv_value_max(const struct pp_kv *kv);

/* ---- group commit: the owner syncs the medium, and says so ---- */
/* Something was written that no sync begun so far covers. */
bool pp_kv_wants_sync(const struct pp_kv *kv);
/* A sync of the medium begins with all that was put so far. */
void pp_kv_sync_begun(struct pp_kv *kv);
/* The sync that was begun last is well done. May write a seal, which wants the next sync. Returns
 * PP_ERR_FLASH when the medium refuses both: what was put since the half was begun may be lost with
 * the next mount, and puts are refused until then. */
PP_MUST_USE enum pp_err pp_kv_synced(struct pp_kv *kv);
/* It failed, or no more will be: puts are refused, what is there can be read. */
void pp_kv_sync_failed(struct pp_kv *kv);
/* True when all that was put since the mount survives a power cut; with the first of these, so does
 * all that the mount found. */
bool pp_kv_is_durable(const struct pp_kv *kv);

#endif
