/*
 * ram_flash.c - a flash in memory: the operations of a medium and its rules
 *
 * Job:      read, program, erase, sync as a struct pp_flash; faults that an operation meets.
 * Not here: what arrives when the power goes (ram_power.c).
 */
#include "support/ram_flash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/ram_image.h"

static int broken(struct ram_flash *f, const char *rule, uint64_t address)
{
    f->rules_broken++;
    (void)fprintf(stderr, "ram_flash: %s at %llu\n", rule, (unsigned long long)address);
    return -1;
}

/* ---- faults ---- */

/* Counts the operation at each fault that it meets; true when one of them is due. */
static bool meets_fault(struct ram_flash *f, enum ram_fault_kind kind, uint64_t address,
                        uint64_t len)
{
    bool due = false;
    for (unsigned i = 0; i < f->fault_count; i++) {
        struct ram_fault *fault = &f->faults[i];
        bool touched =
            kind == RAM_FAIL_SYNC || (address + len > fault->address &&
                                      (fault->len == 0 || address < fault->address + fault->len));
        if (fault->kind != kind || !touched)
            continue;
        fault->seen++;
        due = due || (fault->seen > fault->after &&
                      (fault->times == 0 || fault->seen <= fault->after + fault->times));
    }
    f->faults_hit += due;
    return due;
}

void ram_flash_fault(struct ram_flash *f, struct ram_fault fault)
{
    if (f->fault_count == RAM_FAULTS)
        abort();
    fault.seen = 0;
    f->faults[f->fault_count++] = fault;
}

void ram_flash_wear_out(struct ram_flash *f, uint32_t block, uint64_t after)
{
    ram_flash_fault(f, (struct ram_fault){.kind = RAM_FAIL_ERASE,
                                          .address = (uint64_t)block * f->flash.block_bytes,
                                          .len = f->flash.block_bytes,
                                          .after = after});
}

void ram_flash_flip(struct ram_flash *f, uint64_t address, uint8_t bits)
{
    f->now[address] ^= bits;
    f->durable[address] ^= bits;
}

/* ---- operations ---- */

static void note(struct ram_flash *f, uint64_t address, const void *bytes, size_t len)
{
    if (f->op_count == f->op_cap) {
        f->op_cap = f->op_cap == 0 ? 64 : f->op_cap * 2;
        f->ops = ram_memory(realloc(f->ops, f->op_cap * sizeof(*f->ops)));
    }
    struct ram_op *op = &f->ops[f->op_count++];
    *op = (struct ram_op){.address = address, .len = (uint32_t)len, .erase = bytes == NULL};
    if (bytes != NULL) {
        op->bytes = ram_memory(malloc(len));
        memcpy(op->bytes, bytes, len);
    }
}

void ram_forget_ops(struct ram_flash *f)
{
    for (size_t i = 0; i < f->op_count; i++)
        free(f->ops[i].bytes);
    f->op_count = 0;
}

/* The operation is noted and the world may look; true when the power went with it. */
static bool begin(struct ram_flash *f, uint64_t address, const void *bytes, size_t len)
{
    f->operations++;
    note(f, address, bytes, len);
    if (f->at_operation != NULL)
        f->at_operation(f, f->at_operation_ctx);
    if (f->operations == f->cut_at)
        ram_power_off(f);
    return f->off;
}

/* Do what was noted last, or what its fault makes of it. Returns what the caller is told. */
static int finish(struct ram_flash *f, bool fails)
{
    struct ram_op *op = &f->ops[f->op_count - 1];
    if (fails)
        ram_spoil(f, op);
    else
        ram_apply(f, &f->image_now, op);
    if (f->write_through) {
        ram_copy(f, &f->image_durable, &f->image_now, op);
        ram_forget_ops(f);
    }
    return fails ? -1 : 0;
}

static int ram_read(void *ctx, uint64_t address, void *out, size_t len)
{
    struct ram_flash *f = ctx;
    if (f->off || f->unreadable)
        return -1;
    if (address > f->bytes || len > f->bytes - address)
        return broken(f, "read outside", address);
    f->reads++;
    f->bytes_read += len;
    if (meets_fault(f, RAM_FAIL_READ, address, len))
        return -1;
    memcpy(out, f->now + address, len);
    if (f->weak_units)
        ram_waver(f, address, out, len);
    return 0;
}

/* The rule that a program would break, or NULL. */
static const char *rule_against(const struct ram_flash *f, uint64_t address, size_t len)
{
    const struct pp_flash *g = &f->flash;
    uint32_t unit = g->program_unit_bytes;
    if (address > f->bytes || len > f->bytes - address || len == 0)
        return "program outside";
    if (address % unit != 0 || len % unit != 0)
        return "program not in whole units";
    if (address / g->page_bytes != (address + len - 1) / g->page_bytes)
        return "program crosses a page";
    for (size_t i = 0; i < len; i++) {
        if (f->now[address + i] != g->erased_value)
            return "program of what is not erased";
    }
    for (size_t i = 0; i < len; i += unit) {
        if (f->image_now.used[(address + i) / unit])
            return "unit programmed twice";
    }
    return NULL;
}

static int ram_program(void *ctx, uint64_t address, const void *bytes, size_t len)
{
    struct ram_flash *f = ctx;
    if (f->off)
        return -1;
    const char *rule = rule_against(f, address, len);
    if (rule != NULL)
        return broken(f, rule, address);
    if (begin(f, address, bytes, len))
        return -1;
    return finish(f, meets_fault(f, RAM_FAIL_PROGRAM, address, len));
}

static int ram_erase(void *ctx, uint32_t block)
{
    struct ram_flash *f = ctx;
    uint64_t address = (uint64_t)block * f->flash.block_bytes;
    if (f->off)
        return -1;
    if (block >= f->flash.block_count)
        return broken(f, "erase outside", address);
    if (begin(f, address, NULL, f->flash.block_bytes))
        return -1;
    return finish(f, meets_fault(f, RAM_FAIL_ERASE, address, f->flash.block_bytes));
}

/* ---- sync ---- */

static void sync_now(struct ram_flash *f)
{
    for (size_t i = 0; i < f->op_count; i++)
        ram_copy(f, &f->image_durable, &f->image_now, &f->ops[i]);
    ram_forget_ops(f);
    f->syncs++;
}

static int ram_sync_begin(void *ctx)
{
    struct ram_flash *f = ctx;
    if (f->off || f->broken_sync || meets_fault(f, RAM_FAIL_SYNC, 0, 0))
        return -1;
    if (f->lazy_sync) {
        f->sync_pending = true;
        return 0;
    }
    sync_now(f);
    return 1;
}

static int ram_sync_done(void *ctx)
{
    struct ram_flash *f = ctx;
    if (f->off || f->broken_sync)
        return -1;
    if (f->sync_pending) {
        f->sync_pending = false;
        return 0;
    }
    sync_now(f);
    return 1;
}

/* ---- life ---- */

void ram_flash_init(struct ram_flash *f, uint32_t unit, uint32_t page, uint32_t block,
                    uint32_t count, uint8_t erased)
{
    memset(f, 0, sizeof(*f));
    f->bytes = (size_t)block * count;
    f->units = f->bytes / unit;
    f->flash = (struct pp_flash){
        .ctx = f,
        .program_unit_bytes = unit,
        .page_bytes = page,
        .block_bytes = block,
        .block_count = count,
        .erased_value = erased,
        .read = ram_read,
        .program = ram_program,
        .erase = ram_erase,
        .sync_begin = ram_sync_begin,
        .sync_done = ram_sync_done,
    };
    ram_image_init(f, &f->image_now);
    ram_image_init(f, &f->image_durable);
    f->now = f->image_now.bytes;
    f->durable = f->image_durable.bytes;
}

void ram_flash_free(struct ram_flash *f)
{
    ram_forget_ops(f);
    free(f->ops);
    ram_image_free(&f->image_now);
    ram_image_free(&f->image_durable);
}
