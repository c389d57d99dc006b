/*
 * test_input.c - a message from standard input: kept whole, read twice, ended by a lone dot
 */
#include "posix/input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct pp_input input;

/* `text` through a pipe in pieces of `step` bytes: not more than the pipe holds. */
static void read_text(const char *text, size_t len, bool dot_ends)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], text, len), (ssize_t)len);
    close(ends[1]);
    assert_int_equal(pp_input_read(&input, ends[0], dot_ends), PP_OK);
    close(ends[0]);
}

static void assert_kept(const char *expected_z)
{
    struct pp_text all = pp_input_memory(&input);

    assert_int_equal(input.size_bytes, strlen(expected_z));
    assert_int_equal(all.len, strlen(expected_z));
    assert_memory_equal(all.p, expected_z, all.len);
    pp_input_close(&input);
}

static void test_lone_dot(void **state)
{
    static const struct {
        const char *in_z, *kept_z;
    } cases[] = {
        {"a\n.\nb\n", "a\n"},
        {"a\r\n.\r\nb\r\n", "a\r\n"},
        {".\n", ""},
        {".", ""},
        {"a\n..\nb\n", "a\n..\nb\n"},
        {"a\n.b\n.", "a\n.b\n"},
        {"a.\nb\n", "a.\nb\n"},
        {"a\n.\rb\n", "a\n.\rb\n"},
        {"a\n.\r", "a\n.\r"},
        {"a\n. \n.\n", "a\n. \n"},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        read_text(cases[i].in_z, strlen(cases[i].in_z), true);
        assert_kept(cases[i].kept_z);
    }
}

/* Every byte a read of its own: the dot is found across reads too. */
static void test_lone_dot_byte_by_byte(void **state)
{
    static const char text[] = "a\n..\n.b\r\n.\r\nrest\n";
    int ends[2];
    pid_t child;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        for (size_t i = 0; i < sizeof(text) - 1; i++) {
            if (write(ends[1], text + i, 1) != 1) {
                _exit(1);
            }
            usleep(500);
        }
        _exit(0);
    }
    close(ends[1]);
    assert_int_equal(pp_input_read(&input, ends[0], true), PP_OK);
    assert_kept("a\n..\n.b\r\n");
    close(ends[0]);
}

static void test_dots_are_text(void **state)
{
    (void)state;
    read_text("a\n.\nb\n", 6, false);
    assert_kept("a\n.\nb\n");
}

static void test_what_it_holds(void **state)
{
    (void)state;
    read_text("plain\n", 6, false);
    assert_false(input.has_8bit);
    assert_false(input.has_nul);
    read_text("gr\xc3\xbc\xc3\x9f\x65\n", 9, false);
    assert_true(input.has_8bit);
    read_text("a\0b\n", 4, false);
    assert_true(input.has_nul);
}

/* Longer than memory: the rest lies in a file, and all of it is read twice. */
static void test_long_message(void **state)
{
    enum { LEN = PP_INPUT_MEMORY * 2 + 4321 };
    char name[] = "/tmp/pinpost-test-XXXXXX";
    char *text = malloc(LEN), *got = malloc(LEN);
    int fd = mkstemp(name);

    (void)state;
    assert_true(fd >= 0);
    for (size_t i = 0; i < LEN; i++) {
        text[i] = (char)('a' + i * 7 % 26);
    }
    assert_int_equal(write(fd, text, LEN), LEN);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(pp_input_read(&input, fd, false), PP_OK);
    assert_int_equal(input.size_bytes, LEN);
    assert_int_equal(pp_input_memory(&input).len, PP_INPUT_MEMORY);
    for (int round = 0; round < 2; round++) {
        size_t all = 0, len;
        pp_input_rewind(&input);
        do {
            assert_int_equal(pp_input_next(&input, got + all, LEN - all, &len), PP_OK);
            all += len;
        } while (len > 0);
        assert_int_equal(all, LEN);
        assert_memory_equal(got, text, LEN);
    }
    pp_input_close(&input);
    close(fd);
    unlink(name);
    free(text);
    free(got);
}

static void test_unreadable(void **state)
{
    (void)state;
    assert_int_equal(pp_input_read(&input, -1, false), PP_ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lone_dot),      cmocka_unit_test(test_lone_dot_byte_by_byte),
        cmocka_unit_test(test_dots_are_text), cmocka_unit_test(test_what_it_holds),
        cmocka_unit_test(test_long_message),  cmocka_unit_test(test_unreadable),
    };

    return cmocka_run_group_tests_name("input", tests, NULL, NULL);
}
