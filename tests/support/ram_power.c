/*
 * ram_power.c - the flash in memory when the power goes
 *
 * Job:      which of the operations that are not durable arrive, and how much of each.
 * Not here: how an operation is torn (ram_image.c).
 */
#include <string.h>

#include "support/ram_image.h"

/* How it goes with all that is not durable. */
enum mood {
    NOTHING,      /* nothing arrives: a cache that was never written back */
    ALL_BUT_LAST, /* all before the last arrived, the last is torn, done or not begun */
    ANY           /* each arrives or not or in part, whatever came before or after */
};

static const enum mood moods[] = {NOTHING, ALL_BUT_LAST, ANY, ANY};

enum fate { LOST, TORN, WHOLE };

static const enum fate fates_of_any[] = {LOST, TORN, WHOLE, WHOLE};
static const enum fate fates_of_last[] = {LOST, TORN, TORN, WHOLE};

/* Let the operations that `from` noted arrive in `image`, by the seed of f. */
static void arrive(struct ram_flash *f, struct ram_image *image, const struct ram_flash *from)
{
    enum mood mood = moods[ram_random(f) % 4];
    if (f->write_through)
        mood = ALL_BUT_LAST;
    for (size_t i = 0; i < from->op_count && mood != NOTHING; i++) {
        unsigned drawn = (unsigned)(ram_random(f) % 4);
        enum fate fate = fates_of_any[drawn];
        if (mood == ALL_BUT_LAST)
            fate = i + 1 == from->op_count ? fates_of_last[drawn] : WHOLE;
        if (fate == TORN)
            ram_tear(f, image, &from->ops[i]);
        else if (fate == WHOLE)
            ram_apply(f, image, &from->ops[i]);
    }
}

void ram_power_off(struct ram_flash *f)
{
    arrive(f, &f->image_durable, f);
    ram_forget_ops(f);
    f->off = true;
}

static void image_is(const struct ram_flash *f, struct ram_image *to, const struct ram_image *from)
{
    memcpy(to->bytes, from->bytes, f->bytes);
    memcpy(to->used, from->used, f->units);
    memcpy(to->weak, from->weak, f->bytes);
}

void ram_power_on(struct ram_flash *f)
{
    if (!f->off)
        ram_power_off(f);
    image_is(f, &f->image_now, &f->image_durable);
    f->off = false;
    f->sync_pending = false;
    f->cut_at = 0;
}

void ram_flash_cut(struct ram_flash *to, const struct ram_flash *from, uint64_t seed)
{
    ram_forget_ops(to);
    to->write_through = from->write_through;
    to->torn_bits = from->torn_bits;
    to->weak_units = from->weak_units;
    to->lazy_sync = from->lazy_sync;
    memcpy(to->faults, from->faults, sizeof(to->faults));
    to->fault_count = from->fault_count;
    to->seed = seed;
    to->read_seed = seed * 31 + 7;
    to->operations = 0;
    to->rules_broken = 0;
    image_is(to, &to->image_durable, &from->image_durable);
    arrive(to, &to->image_durable, from);
    to->off = true;
    ram_power_on(to);
}
