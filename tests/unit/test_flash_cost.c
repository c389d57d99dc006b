/* test_flash_cost.c - what mail costs a flash, in bytes programmed and in wear */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bench/count_flash.h"
#include "bench/mail.h"
#include "bench/mixed_mail.h"

#define SIZE 2048u

static struct pp_queue q;

/* Passes messages until the ring has gone round twice more; returns how many. */
static uint64_t pass(const struct count_flash *f)
{
    uint64_t until = f->programmed_bytes + 2 * f->size;
    uint64_t count = 0;
    for (; f->programmed_bytes < until; count++)
        assert_int_equal(mail_pass(&q, SIZE), PP_OK);
    return count;
}

/* Messages of 2 KiB, each synced alone and delivered before the next. */
static double amplification(uint32_t unit, uint32_t page)
{
    struct count_flash f;
    const struct count_geometry g = {unit, page, 4096, 256, 0xFF};
    count_flash_init(&f, &g);
    mail_mount(&q, &f.flash);
    (void)pass(&f);
    uint64_t before = f.programmed_bytes;
    uint64_t count = pass(&f);
    double reached = (double)(f.programmed_bytes - before) / (double)(count * SIZE);
    assert_int_equal(f.rules_broken, 0);
    count_flash_free(&f);
    return reached;
}

static void little_more_than_the_message_is_programmed(void **state)
{
    (void)state;
    double reached = amplification(1, 256);
    assert_true(reached <= 1.15);
    assert_true(reached > mail_least(1, SIZE)); /* or nothing was measured */
}

static void large_units_cost_little_more_than_they_must(void **state)
{
    (void)state;
    static const uint32_t units[] = {16, 256, 512};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        double least = mail_least(units[i], SIZE);
        double reached = amplification(units[i], units[i] < 256 ? 256 : units[i]);
        assert_true(reached >= least);
        /* One unit more a message says that the log begins later. */
        assert_true(reached <= least + 0.12 + (double)units[i] / SIZE);
    }
}

/* All sizes, failed attempts, messages that wait, restarts: the blocks wear alike. */
static void all_blocks_wear_alike(void **state)
{
    (void)state;
    static const struct count_geometry geometries[] = {
        {1, 256, 4096, 256, 0xFF}, {256, 256, 4096, 256, 0xFF}, {512, 512, 16384, 64, 0x00}};
    for (size_t i = 0; i < sizeof(geometries) / sizeof(geometries[0]); i++) {
        struct count_flash f;
        uint32_t fewest;
        uint32_t most;
        count_flash_init(&f, &geometries[i]);
        (void)mixed_mail_run(&q, &f, 4000, 997);
        mixed_mail_erases(&f, &fewest, &most);
        assert_true(fewest >= 10);
        assert_true(most - fewest <= 2);
        assert_int_equal(f.rules_broken, 0);
        count_flash_free(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(little_more_than_the_message_is_programmed),
        cmocka_unit_test(large_units_cost_little_more_than_they_must),
        cmocka_unit_test(all_blocks_wear_alike),
    };
    return cmocka_run_group_tests_name("flash_cost", tests, NULL, NULL);
}
