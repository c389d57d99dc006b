/* test_flash_file.c - a flash in one file, flash rules enforced */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../port/posix/flash_file.h"
#include "queue/queue.h"

static char dir_z[64];
static char path_z[128];
static struct pp_queue q;

static int setup(void **state)
{
    (void)state;
    (void)snprintf(dir_z, sizeof(dir_z), "/tmp/flash_file.XXXXXX");
    if (mkdtemp(dir_z) == NULL)
        return -1;
    (void)snprintf(path_z, sizeof(path_z), "%s/store", dir_z);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)unlink(path_z);
    return rmdir(dir_z); /* nothing else was left behind */
}

static void makes_a_file(void **state)
{
    (void)state;
    struct pp_flash_file f;
    struct pp_flash flash;
    struct stat st;
    uint8_t bytes[16];
    assert_int_equal(pp_flash_file_open(&f, path_z, 8 * 1024 * 1024 + 1, &flash), 0);
    assert_int_equal(stat(path_z, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size, 129 * 65536);
    assert_int_equal(flash.block_bytes, 65536);
    assert_int_equal(flash.block_count, 129);
    assert_int_equal(flash.read(flash.ctx, 12345, bytes, sizeof(bytes)), 0);
    for (size_t i = 0; i < sizeof(bytes); i++)
        assert_int_equal(bytes[i], flash.erased_value);
    pp_flash_file_close(&f);
    pp_flash_file_close(&f);
}

static void a_small_file_has_small_blocks_and_keeps_its_size(void **state)
{
    (void)state;
    struct pp_flash_file f;
    struct pp_flash flash;
    assert_int_equal(pp_flash_file_open(&f, path_z, 100000, &flash), 0);
    assert_int_equal(flash.block_bytes, 4096);
    assert_int_equal(flash.block_count, 25);
    pp_flash_file_close(&f);
    assert_int_equal(pp_flash_file_open(&f, path_z, 8 * 1024 * 1024, &flash), 0);
    assert_int_equal(flash.block_count, 25);
    pp_flash_file_close(&f);
}

static void refuses_two_at_once(void **state)
{
    (void)state;
    struct pp_flash_file f;
    struct pp_flash_file second;
    struct pp_flash flash;
    assert_int_equal(pp_flash_file_open(&f, path_z, 65536, &flash), 0);
    assert_int_equal(pp_flash_file_open(&second, path_z, 65536, &flash), PP_IO_BUSY);
    pp_flash_file_close(&f);
    assert_int_equal(pp_flash_file_open(&second, path_z, 65536, &flash), 0);
    pp_flash_file_close(&second);
}

static void refuses_what_is_no_store(void **state)
{
    (void)state;
    struct pp_flash_file f;
    struct pp_flash flash;
    char link_z[140];
    assert_int_equal(pp_flash_file_open(&f, path_z, 65535, &flash), PP_IO_FAILED);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(pp_flash_file_open(&f, dir_z, 65536, &flash), PP_IO_FAILED);
    assert_int_equal(pp_flash_file_open(&f, "/nowhere/at/all", 65536, &flash), PP_IO_FAILED);
    assert_int_equal(errno, ENOENT);
    int fd = open(path_z, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(pp_flash_file_open(&f, path_z, 65536, &flash), PP_IO_FAILED);
    assert_int_equal(errno, EINVAL);
    (void)snprintf(link_z, sizeof(link_z), "%s/link", dir_z);
    assert_int_equal(symlink(path_z, link_z), 0);
    assert_int_equal(pp_flash_file_open(&f, link_z, 65536, &flash), PP_IO_FAILED);
    assert_int_equal(errno, ELOOP);
    assert_int_equal(unlink(link_z), 0);
}

static void enforces_the_rules(void **state)
{
    (void)state;
    struct pp_flash_file f;
    struct pp_flash flash;
    char got[4];
    static const uint8_t page[5000] = {1};
    assert_int_equal(pp_flash_file_open(&f, path_z, 65536, &flash), 0);
    f.checked = true;
    assert_int_equal(flash.program(flash.ctx, 4096, "abcd", 4), 0);
    assert_int_equal(flash.program(flash.ctx, 4100, "efgh", 4), 0);
    assert_true(flash.program(flash.ctx, 4102, "x", 1) < 0);
    assert_true(flash.program(flash.ctx, 4094, "abcd", 4) < 0);
    assert_true(flash.program(flash.ctx, 8192, page, sizeof(page)) < 0);
    assert_true(flash.program(flash.ctx, 8192, page, 0) < 0);
    assert_int_equal(flash.read(flash.ctx, 4098, got, 4), 0);
    assert_memory_equal(got, "cdef", 4);
    assert_true(flash.read(flash.ctx, 65534, got, 4) < 0);
    assert_int_equal(flash.erase(flash.ctx, 1), 0);
    assert_int_equal(flash.read(flash.ctx, 4098, got, 4), 0);
    assert_memory_equal(got, "\0\0\0\0", 4);
    assert_int_equal(flash.program(flash.ctx, 4096, "wxyz", 4), 0);
    /* A file system that cannot zero a range: zeros are written. */
    f.zero_range = false;
    assert_int_equal(flash.erase(flash.ctx, 1), 0);
    assert_int_equal(flash.program(flash.ctx, 4096, "wxyz", 4), 0);
    assert_int_equal(flash.sync_begin(flash.ctx), 1);
    assert_int_equal(flash.sync_done(flash.ctx), 1);
    pp_flash_file_close(&f);
}

static void a_queue_lives_in_it(void **state)
{
    (void)state;
    struct pp_flash_file f;
    struct pp_flash flash;
    struct pp_queue_writer *w;
    struct pp_ticket ticket;
    const struct pp_queue_limits limits = {.message_bytes = 1u << 20, .recipients = 100};
    const struct pp_envelope e = {.sender = {"a@b", 3}};
    static uint8_t content[3000];
    for (int round = 0; round < 100; round++) {
        assert_int_equal(pp_flash_file_open(&f, path_z, 200000, &flash), 0);
        assert_int_equal(pp_queue_mount(&q, &flash, &limits), PP_OK);
        assert_int_equal(q.entry_count, round > 0 ? 1 : 0);
        if (round > 0) {
            const struct pp_result done = {0, PP_OUTCOME_DELIVERED, {NULL, 0}};
            assert_int_equal(pp_queue_results(&q, ticket.id, &done, 1), PP_OK);
        }
        assert_int_equal(pp_queue_open(&q, &e, sizeof(content), 0, &w), PP_OK);
        assert_int_equal(pp_queue_recipient(&q, w, pp_text_z("c@d")), PP_OK);
        assert_int_equal(pp_queue_write(&q, w, content, sizeof(content)), PP_OK);
        assert_int_equal(pp_queue_seal(&q, w, 0, &ticket), PP_OK);
        while (pp_queue_clean(&q) || pp_queue_wants_sync(&q))
            assert_int_equal(pp_queue_sync(&q), PP_OK);
        assert_int_equal(pp_queue_ticket(&q, &ticket), PP_TICKET_DURABLE);
        pp_flash_file_close(&f);
    }
    assert_true(q.ring.next_lap > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(makes_a_file, setup, teardown),
        cmocka_unit_test_setup_teardown(a_small_file_has_small_blocks_and_keeps_its_size, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(refuses_two_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_store, setup, teardown),
        cmocka_unit_test_setup_teardown(enforces_the_rules, setup, teardown),
        cmocka_unit_test_setup_teardown(a_queue_lives_in_it, setup, teardown),
    };
    return cmocka_run_group_tests_name("flash_file", tests, NULL, NULL);
}
