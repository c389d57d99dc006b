/*
 * test_drop_header.c - files of the drop directory, as anybody on the machine may have written them
 */
#include "posix/drop_header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define FIRST PP_DROP_FIRST_LINE "\n"

static struct pp_drop_reader reader;
static struct pp_drop_header header;

static int close_file(void **state)
{
    (void)state;
    if (reader.fd > 0)
        close(reader.fd);
    reader.fd = -1;
    return 0;
}

static enum pp_err read_bytes(const char *text, size_t len)
{
    close_file(NULL);
    memset(&reader, 0, sizeof reader);
    reader.fd = memfd_create("drop", MFD_CLOEXEC);
    assert_true(reader.fd > 0);
    assert_int_equal(write(reader.fd, text, len), len);
    return pp_drop_header_read(&reader, &header);
}

static enum pp_err read_text(const char *text)
{
    return read_bytes(text, strlen(text));
}

static void equal(struct pp_text text, const char *wanted)
{
    assert_int_equal(text.len, strlen(wanted));
    assert_memory_equal(text.p ? text.p : "", wanted, text.len);
}

static void test_all_keys(void **state)
{
    (void)state;
    const char *bytes;
    size_t len;
    assert_int_equal(read_text(FIRST "kind alert\nseverity critical\nsender root@nas.example\n"
                                     "name QmFja3Vw\nsubject RGlzayAzIGZhaWxlZA==\n"
                                     "recipient admin@example.org\nrecipient b@x\ndefault-to\n"
                                     "8bitmime\nsmtputf8\n\nbody\n\nmore"),
                     PP_OK);
    assert_int_equal(header.kind, PP_KIND_ALERT);
    assert_int_equal(header.severity, PP_SEVERITY_CRITICAL);
    assert_true(header.body_8bitmime && header.smtputf8);
    equal(header.sender, "root@nas.example");
    equal(header.name, "Backup");
    equal(header.subject, "Disk 3 failed");
    assert_int_equal(pp_drop_content(&reader, &bytes, &len), PP_OK);
    equal(pp_text_n(bytes, len), "body\n\nmore");
    assert_int_equal(pp_drop_content(&reader, &bytes, &len), PP_OK);
    assert_int_equal(len, 0);
}

static void test_least(void **state)
{
    (void)state;
    assert_int_equal(read_text(FIRST "\n"), PP_OK);
    assert_int_equal(header.kind, PP_KIND_MESSAGE);
    assert_int_equal(header.severity, PP_SEVERITY_INFO);
    assert_int_equal(header.sender.len, 0);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const syntax[] = {
        "pinpost-drop 2\n\n",     "\n",
        FIRST "kind letter\n\n",  FIRST "severity high\n\n",
        FIRST "sender\n\n",       FIRST "sender a\nsender b\n\n",
        FIRST "name ###\n\n",     FIRST "subject QQ\n\n",
        FIRST "subject\n\n",      FIRST "recipient\n\n",
        FIRST "recipient \n\n",   FIRST "8bitmime yes\n\n",
        FIRST "default-to x\n\n", FIRST "colour red\n\n",
        FIRST "Kind alert\n\n",   FIRST " kind alert\n\n",
        FIRST "kind alert\r\n\n",
    };
    for (size_t i = 0; i < sizeof syntax / sizeof *syntax; i++)
        assert_int_equal(read_text(syntax[i]), PP_ERR_SYNTAX);
    static const char *const ends[] = {"", "pinpost-drop 1", FIRST, FIRST "kind alert\n",
                                       FIRST "kind alert"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        assert_int_equal(read_text(ends[i]), PP_ERR_CLOSED);
}

static void test_bounds(void **state)
{
    (void)state;
    static char text[400000];
    memset(text, 'x', sizeof text);
    memcpy(text, FIRST, sizeof FIRST - 1);
    assert_int_equal(read_bytes(text, sizeof text), PP_ERR_TOO_BIG);
    size_t len = sizeof FIRST - 1;
    for (int i = 0; i < PP_RECIPIENTS_MAX + 20; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "recipient user%d@example.org\n", i);
    text[len++] = '\n';
    assert_int_equal(read_bytes(text, len), PP_ERR_TOO_BIG);
    /* A sender longer than any address. */
    len = (size_t)snprintf(text, sizeof text, FIRST "sender %0*d\n\n", PP_ADDRESS_CAP + 1, 0);
    assert_int_equal(read_bytes(text, len), PP_ERR_TOO_BIG);
}

static void test_lines_across_the_buffer(void **state)
{
    (void)state;
    static char text[100000];
    struct pp_text line;
    size_t len = sizeof FIRST - 1;
    memcpy(text, FIRST, len);
    for (int i = 0; i < 900; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "recipient u%d@%060d\n", i, i);
    text[len++] = '\n';
    assert_int_equal(read_bytes(text, len), PP_OK);
    assert_int_equal(pp_drop_rewind(&reader), PP_OK);
    assert_int_equal(pp_drop_line(&reader, &line), PP_OK);
    for (int i = 0; i < 900; i++) {
        char wanted[128];
        snprintf(wanted, sizeof wanted, "recipient u%d@%060d", i, i);
        assert_int_equal(pp_drop_line(&reader, &line), PP_OK);
        equal(line, wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_all_keys, close_file),
        cmocka_unit_test_teardown(test_least, close_file),
        cmocka_unit_test_teardown(test_refused, close_file),
        cmocka_unit_test_teardown(test_bounds, close_file),
        cmocka_unit_test_teardown(test_lines_across_the_buffer, close_file),
    };
    return cmocka_run_group_tests_name("drop_header", tests, NULL, NULL);
}
