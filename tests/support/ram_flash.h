/*
 * ram_flash.h - a flash in memory with its rules enforced, the faults of real parts and a power
 *               switch
 *
 * Job:      any geometry; each broken rule is counted and said. The power goes at operation number
 *           `cut_at` (a program or an erase), or wherever the owner calls ram_power_off(): what was
 *           not durable then reaches the medium in full, in part or not at all, by a seeded choice.
 *           Parts that wear out, tear and forget are switched on by the fields below.
 * Not here: what a store promises over such a medium (the tests).
 *
 * Two images are kept: what reads see now, and what is there after a power cut. Bytes may be
 * changed in `now` directly (damage); ram_flash_flip() changes both.
 */
#ifndef PP_TEST_RAM_FLASH_H
#define PP_TEST_RAM_FLASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "port.h"

/* What breaks, and where: an operation that touches any byte of the range. */
enum ram_fault_kind {
    RAM_FAIL_ERASE, /* a worn block: the erase says no; the block is as before, erased or between */
    RAM_FAIL_PROGRAM, /* a worn or stuck cell: the program says no; part of the bytes are written */
    RAM_FAIL_READ,    /* uncorrectable sectors of a card, a bus error */
    RAM_FAIL_SYNC     /* a card's write-back error: what was not synced may be lost. No range */
};

struct ram_fault {
    enum ram_fault_kind kind;
    uint64_t address; /* from here on */
    uint64_t len;     /* ... so many bytes; 0: to the end of the medium */
    uint64_t after;   /* so many such operations still go well: wear */
    uint64_t times;   /* then so many fail; 0: all, for ever */
    uint64_t seen;    /* counted by the flash */
};

#define RAM_FAULTS 16

/* One operation that is not durable yet. */
struct ram_op {
    uint64_t address;
    uint32_t len;
    bool erase;
    uint8_t *bytes; /* NULL for an erase; of one that failed, what it left */
};

/* The state of all cells. */
struct ram_image {
    uint8_t *bytes;
    uint8_t *weak; /* bits of each byte that a read may see either way */
    uint8_t *used; /* each unit: programmed since its block was erased in full */
};

struct ram_flash {
    struct pp_flash flash;
    uint8_t *now;     /* what reads see */
    uint8_t *durable; /* what is there after a power cut */
    size_t bytes;

    /* ---- what part this is; set after ram_flash_init() ---- */
    /* NOR on a bus, a file opened with O_DSYNC: an operation is durable when it returns, and only
     * the one at the cut is torn. Otherwise, a card or a disk with a cache: any subset of what was
     * not synced arrives. */
    bool write_through;
    /* NOR and NAND when the power sags: bits of a torn unit are written in part, only in the
     * direction that the operation changes them. Otherwise bytes are old or new. */
    bool torn_bits;
    /* ... and cells left between two levels: units touched by a torn operation are read differently
     * from time to time until their block is erased in full. */
    bool weak_units;
    bool lazy_sync;   /* a sync is done at the second question */
    bool broken_sync; /* every sync fails */
    bool unreadable;  /* all reads fail */
    struct ram_fault faults[RAM_FAULTS];
    unsigned fault_count;

    /* ---- the power switch ---- */
    uint64_t cut_at; /* the power goes at this operation; 0 never */
    bool off;
    /* Called within each program and erase, before it is done and with it noted as the newest that
     * is not durable: ram_flash_cut() then shows a cut at this operation. May be NULL. */
    void (*at_operation)(struct ram_flash *f, void *ctx);
    void *at_operation_ctx;
    uint64_t seed;      /* of what arrives and how it is torn; also ram_random() for tests */
    uint64_t read_seed; /* of what weak bits read as */

    /* ---- what happened ---- */
    uint64_t operations; /* programs and erases since start */
    uint64_t reads;
    uint64_t bytes_read;
    unsigned syncs;
    unsigned rules_broken;
    unsigned faults_hit;

    /* ---- its own ---- */
    struct ram_image image_now, image_durable; /* `now` and `durable` are their bytes */
    struct ram_op *ops;                        /* since the last sync */
    size_t op_count, op_cap;
    size_t units;
    bool sync_pending;
};

/* A blank flash that keeps all rules; `unit` to `erased` as in struct pp_flash. Aborts when there
 * is no memory. */
void ram_flash_init(struct ram_flash *f, uint32_t unit, uint32_t page, uint32_t block,
                    uint32_t count, uint8_t erased);
void ram_flash_free(struct ram_flash *f);
/* Add a fault; `seen` starts at 0. At most RAM_FAULTS. */
void ram_flash_fault(struct ram_flash *f, struct ram_fault fault);
/* The erase of one block fails, after so many that still go well, for ever. */
void ram_flash_wear_out(struct ram_flash *f, uint32_t block, uint64_t after);
/* Turn these bits of a byte, now and for good. */
void ram_flash_flip(struct ram_flash *f, uint64_t address, uint8_t bits);

uint64_t ram_random(struct ram_flash *f);

/* The power goes now: what is not durable arrives by f->seed; everything fails until power on. */
void ram_power_off(struct ram_flash *f);
/* On again, with what is durable; off first when it was on. No cut is set any more. */
void ram_power_on(struct ram_flash *f);
/*
 * Make `to`, a flash of the same geometry, what `from` would be after a cut at this instant and
 * power on: what arrived is chosen by `seed`. `from` is not changed and goes on. Faults and kind
 * of part are copied; the hook is not, and operations are counted from 0.
 */
void ram_flash_cut(struct ram_flash *to, const struct ram_flash *from, uint64_t seed);

#endif
