/*
 * test_drop_write.c - a message left in the drop directory: whole, durable, readable by the relay
 */
#include "posix/drop_write.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "posix/drop.h"
#include <cmocka.h>

static char directory[64];
static struct pp_input input;
static struct pp_recipients list;

static int make_directory(void **state)
{
    (void)state;
    (void)strcpy(directory, "/tmp/pinpost-drop-XXXXXX");
    pp_recipients_clear(&list);
    return mkdtemp(directory) != NULL ? 0 : -1;
}

/* The name of the only file, "" when there is none; fails when there are several. */
static const char *only_file(void)
{
    static char name[256];
    DIR *d = opendir(directory);

    assert_non_null(d);
    name[0] = '\0';
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        if (e->d_name[0] != '.') {
            assert_string_equal(name, "");
            (void)snprintf(name, sizeof(name), "%s", e->d_name);
        }
    }
    closedir(d);
    return name;
}

static int remove_directory(void **state)
{
    char path[512];
    const char *name = only_file();

    (void)state;
    if (name[0] != '\0') {
        (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
        (void)unlink(path);
    }
    return rmdir(directory);
}

static void read_text(const char *text, size_t len)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], text, len), (ssize_t)len);
    close(ends[1]);
    assert_int_equal(pp_input_read(&input, ends[0], false), PP_OK);
    close(ends[0]);
}

static void assert_file(const char *expected, size_t len)
{
    char path[512], bytes[4096];
    const char *name = only_file();
    struct stat st;
    FILE *file;

    assert_int_equal(strlen(name), PP_DROP_NAME_LEN);
    assert_memory_equal(name, PP_DROP_NEW, strlen(PP_DROP_NEW));
    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, PP_DROP_FILE_MODE);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fread(bytes, 1, sizeof(bytes), file), len);
    assert_memory_equal(bytes, expected, len);
    fclose(file);
}

static void add(const char *address_z)
{
    struct pp_text bad;

    assert_int_equal(pp_recipients_add(&list, pp_text_z(address_z), &bad), PP_OK);
}

static void test_alert(void **state)
{
    struct pp_handover mail = {
        .kind = PP_KIND_ALERT,
        .severity = PP_SEVERITY_CRITICAL,
        .default_sender = true,
        .default_recipients = true,
        .sender_name = pp_text_z("Backup"),
        .subject = pp_text_z("Disk 3 failed"),
        .recipients = &list,
        .input = &input,
    };
    static const char expected[] = "pinpost-drop 1\n"
                                   "kind alert\n"
                                   "severity critical\n"
                                   "name QmFja3Vw\n"
                                   "subject RGlzayAzIGZhaWxlZA==\n"
                                   "default-to\n"
                                   "\n"
                                   "bay 3\n.\nend";
    mode_t before = umask(077); /* the relay's group has to read it all the same */

    (void)state;
    read_text("bay 3\n.\nend", 11);
    assert_int_equal(pp_drop_write(directory, &mail), PP_OK);
    (void)umask(before);
    assert_file(expected, sizeof(expected) - 1);
}

static void test_message(void **state)
{
    struct pp_handover mail = {
        .kind = PP_KIND_MESSAGE,
        .recipients = &list,
        .input = &input,
    };
    static const char expected[] = "pinpost-drop 1\n"
                                   "kind message\n"
                                   "severity info\n"
                                   "sender <>\n"
                                   "recipient root\n"
                                   "recipient gr\xc3\xbc\xc3\x9f@b.example\n"
                                   "8bitmime\n"
                                   "smtputf8\n"
                                   "\n"
                                   "To: root\r\n\r\n\xc3\xbc\r\n";

    (void)state;
    add("root, gr\xc3\xbc\xc3\x9f@b.example");
    read_text("To: root\r\n\r\n\xc3\xbc\r\n", 16);
    assert_int_equal(pp_drop_write(directory, &mail), PP_OK);
    assert_file(expected, sizeof(expected) - 1);
}

static void test_nothing_is_left(void **state)
{
    static char sender[PP_DROP_LINE_MAX];
    struct pp_handover mail = {
        .kind = PP_KIND_MESSAGE,
        .sender = pp_text_n(sender, sizeof(sender)),
        .recipients = &list,
        .input = &input,
    };

    (void)state;
    memset(sender, 'a', sizeof(sender));
    read_text("x\n", 2);
    assert_int_equal(pp_drop_write(directory, &mail), PP_ERR_TOO_BIG);
    assert_string_equal(only_file(), "");
    mail.sender = pp_text_z("a@b");
    assert_int_equal(pp_drop_write("/nonexistent/drop", &mail), PP_ERR_IO);
    assert_int_equal(errno, ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_alert, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_message, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_nothing_is_left, make_directory, remove_directory),
    };

    return cmocka_run_group_tests_name("drop_write", tests, NULL, NULL);
}
