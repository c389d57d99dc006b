/*
 * test_sendmail_options.c - the command lines that cron, smartd, mdadm, mailx and others use
 */
#include "posix/sendmail_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define WORDS 24

static struct pp_sendmail_options options;
static struct pp_recipients list;

/* `line` split at blanks; '' stands for the empty word. */
static enum pp_err read_line(const char *line)
{
    static char text[512];
    char *words[WORDS] = {NULL};
    int count = 0;

    (void)strcpy(text, line);
    for (char *word = strtok(text, " "); word != NULL && count < WORDS - 1;
         word = strtok(NULL, " ")) {
        if (strcmp(word, "''") == 0) {
            word[0] = '\0';
        }
        words[count++] = word;
    }
    pp_recipients_clear(&list);
    return pp_sendmail_options_read(&options, &list, count, words);
}

static void test_real_callers(void **state)
{
    (void)state;
    /* Debian's cron */
    assert_int_equal(read_line("sendmail -FCronDaemon -i -B8BITMIME -oem root"), PP_OK);
    assert_string_equal(options.sender_name_z, "CronDaemon");
    assert_true(options.dots_are_text);
    assert_int_equal(list.count, 1);
    assert_int_equal(read_line("sendmail -i -FCronDaemon -B8BITMIME -oem root"), PP_OK);
    /* mdadm */
    assert_int_equal(read_line("sendmail -t"), PP_OK);
    assert_true(options.from_header);
    assert_false(options.dots_are_text);
    /* bsd-mailx, s-nail */
    assert_int_equal(read_line("sendmail -i admin@example.org ops"), PP_OK);
    assert_int_equal(list.count, 2);
    assert_int_equal(read_line("sendmail -oi -f me@here.example -- admin@example.org"), PP_OK);
    assert_string_equal(options.sender_z, "me@here.example");
    assert_int_equal(list.count, 1);
    /* PHP, git send-email, logwatch */
    assert_int_equal(read_line("sendmail -t -i -fwww@example.org"), PP_OK);
    assert_string_equal(options.sender_z, "www@example.org");
    assert_int_equal(read_line("sendmail -ti"), PP_OK);
    assert_true(options.from_header && options.dots_are_text);
}

static void test_modes(void **state)
{
    (void)state;
    assert_int_equal(read_line("sendmail -bp"), PP_OK);
    assert_int_equal(options.mode, PP_SENDMAIL_LIST);
    assert_int_equal(read_line("sendmail -q"), PP_OK);
    assert_int_equal(options.mode, PP_SENDMAIL_FLUSH);
    assert_int_equal(read_line("sendmail -q15m"), PP_OK);
    assert_int_equal(options.mode, PP_SENDMAIL_FLUSH);
    assert_int_equal(read_line("sendmail -bm a@b"), PP_OK);
    assert_int_equal(options.mode, PP_SENDMAIL_SEND);
    assert_int_equal(read_line("sendmail -bs"), PP_ERR_UNSUPPORTED);
    assert_non_null(strstr(options.error, "-bs"));
    assert_int_equal(read_line("sendmail -bd"), PP_ERR_UNSUPPORTED);
    assert_int_equal(read_line("sendmail -b ''"), PP_ERR_UNSUPPORTED);
}

static void test_senders(void **state)
{
    (void)state;
    assert_int_equal(read_line("sendmail a@b"), PP_OK);
    assert_null(options.sender_z);
    assert_int_equal(read_line("sendmail -f '' a@b"), PP_OK);
    assert_string_equal(options.sender_z, "");
    assert_int_equal(read_line("sendmail -f<> a@b"), PP_OK);
    assert_string_equal(options.sender_z, "<>");
    assert_int_equal(read_line("sendmail -r old@style a@b"), PP_OK);
    assert_string_equal(options.sender_z, "old@style");
}

static void test_passed_over(void **state)
{
    (void)state;
    assert_int_equal(
        read_line(
            "sendmail -v -n -N never -R hdrs -V id -O Timeout=1 -oem -odb -X /log -L tag a@b"),
        PP_OK);
    assert_int_equal(list.count, 1);
    assert_int_equal(read_line("sendmail -o i a@b"), PP_OK);
    assert_true(options.dots_are_text);
    assert_int_equal(read_line("sendmail -- -t"), PP_OK);
    assert_false(options.from_header);
    assert_int_equal(list.count, 1);
    assert_int_equal(read_line("sendmail -C /etc/other.conf a@b"), PP_OK);
    assert_string_equal(options.config_path_z, "/etc/other.conf");
}

static void test_errors(void **state)
{
    (void)state;
    assert_int_equal(read_line("sendmail -f"), PP_ERR_SYNTAX);
    assert_false(options.address_wrong);
    assert_non_null(strstr(options.error, "-f"));
    assert_int_equal(read_line("sendmail -s subject a@b"), PP_ERR_SYNTAX);
    assert_int_equal(read_line("sendmail --help"), PP_ERR_SYNTAX);
    assert_int_equal(read_line("sendmail -tZ"), PP_ERR_SYNTAX);
    assert_int_equal(read_line("sendmail ''"), PP_ERR_EMPTY);
    assert_true(options.address_wrong);
    assert_int_equal(read_line("sendmail a@b\nc@d"), PP_ERR_INJECTION);
    assert_true(options.address_wrong);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_callers), cmocka_unit_test(test_modes),
        cmocka_unit_test(test_senders),      cmocka_unit_test(test_passed_over),
        cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests_name("sendmail_options", tests, NULL, NULL);
}
