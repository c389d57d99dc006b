/*
 * test_config_file.c - pinpost.conf as a file: lines, other files, permissions, what is reported
 */
#include "posix/config_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define GOOD "[smarthost]\nhost = mail.example.org\npolicy = encrypt\n"

static char directory[] = "/tmp/pinpost-config-XXXXXX";
static char conf[64], secret[64], reported[4096];
static unsigned report_count;
static struct pp_config config;

static void on_problem(void *ctx, const char *words_z)
{
    (void)ctx;
    size_t len = strlen(reported);
    /* Without the directory, which has another name each time. */
    snprintf(reported + len, sizeof reported - len, "%s\n", words_z + strlen(directory) + 1);
    report_count++;
}

static void write_bytes(const char *path, const char *bytes, size_t len, mode_t mode)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

static enum pp_err load(const char *text)
{
    const struct pp_config_report report = {.problem = on_problem};
    if (text)
        write_bytes(conf, text, strlen(text), 0600);
    reported[0] = '\0';
    report_count = 0;
    return pp_config_file_load(conf, &config, &report);
}

static void good(const char *text)
{
    if (load(text) != PP_OK)
        fail_msg("%s", reported);
    assert_int_equal(report_count, 0);
}

static void bad(const char *text, const char *words)
{
    assert_int_equal(load(text), PP_ERR_SYNTAX);
    assert_string_equal(reported, words);
}

static void test_a_good_file(void **state)
{
    (void)state;
    good("\xEF\xBB\xBF; comment\r\n# another\n\n[smarthost]\r\nhost = mail.example.org\r\n"
         "  policy=encrypt\n[identity]\nfrom_name = a ; b # c\nto : x@example.org");
    assert_string_equal(config.smarthosts[0].host, "mail.example.org");
    assert_string_equal(config.identity.from_name, "a ; b # c");
    assert_string_equal(config.identity.to, "x@example.org");
    assert_true(config.identity.hostname[0] != '\0');
}

static void test_all_problems_with_their_lines(void **state)
{
    (void)state;
    bad("[smarthost]\nhost = a b\npolcy = none\n[quue]\nsize = 5\nfoo = bar\n[queue]\nsize = 5\n"
        "what\n",
        "c:2: [smarthost] host: bad value \"a b\": allowed are a host name, an IPv4 or an IPv6 "
        "address, up to 255 bytes\n"
        "c:3: [smarthost] polcy: unknown key; did you mean [smarthost] policy?\n"
        "c:4: [quue]: unknown section; did you mean [queue]?\n"
        "c:8: [queue] size: bad value \"5\": allowed are 64K to 64G (K, M, G; a bare number is "
        "bytes)\n"
        "c:9: \"what...\" is neither [section] nor key = value\n");
}

static void test_what_only_the_whole_shows(void **state)
{
    (void)state;
    bad("[identity]\n", "c: [smarthost] host: is missing\n");
    bad("[smarthost]\nhost = x\npolicy = fingerprint\n",
        "c:3: [smarthost] policy: fingerprint needs at least one pin; `pinpost pin HOST` prints "
        "ready lines\n");
}

static void test_sections(void **state)
{
    (void)state;
    bad("[smarthost\n" GOOD, "c:1: a section without its closing ]\n");
    bad(GOOD "[queue] size = 5M\nsize = 6M\n", "c:4: something stands behind the ] of a section\n");
    bad(GOOD "[queue                                              queue]\n",
        "c:4: the section's name is too long: up to 49 bytes are allowed\n");
    good(GOOD "[queue] ; comment\nsize = 6M\n");
    bad("host = x\n" GOOD,
        "c:1: []: unknown section: there are [identity], [smarthost], [dns], [tls], [tls_policy], "
        "[queue], [delivery], [listener], [user], [server], [timeouts], [log], "
        "[daemon]\n");
}

static void test_long_lines(void **state)
{
    (void)state;
    char text[3000];
    size_t head = (size_t)snprintf(text, sizeof text, "%s; ", GOOD);
    memset(text + head, 'x', 1020);
    memcpy(text + head + 1020, "\n", 2); /* 1022 bytes and the line's end */
    good(text);
    memcpy(text + head + 1020, "x\n", 3);
    bad(text, "c:4: the line is too long: up to 1022 bytes are allowed\n");
    memset(text + head, 'x', 1100);
    memcpy(text + head + 1100, "\n[log]\nlevel = no\n", 19);
    bad(text, "c:4: the line is too long: up to 1022 bytes are allowed\n"
              "c:6: [log] level: bad value \"no\": allowed are error, warn, info, debug\n");
    memcpy(text + head + 1020, "", 1); /* at the end of the file */
    good(text);
}

static void test_nul_bytes(void **state)
{
    (void)state;
    static const char text[] = GOOD "[identity]\nfrom_name = a\0b\n";
    write_bytes(conf, text, sizeof text - 1, 0600);
    bad(NULL, "c:5: the line has a NUL byte\n");
}

static void test_files_that_are_missing(void **state)
{
    (void)state;
    unlink(conf);
    assert_int_equal(load(NULL), PP_ERR_NOT_FOUND);
    assert_string_equal(reported, "c: No such file or directory\n");
    bad("[smarthost]\nhost = x\n[tls]\nca_file = /nowhere/ca.pem\n",
        "c:4: [tls] ca_file: /nowhere/ca.pem: No such file or directory\n");
    bad(GOOD "user = u\npassword_file = /nowhere/p\n",
        "c:5: [smarthost] password_file: /nowhere/p: No such file or directory\n");
    bad(GOOD "user = u\npassword_file = /dev/null\n",
        "c:5: [smarthost] password_file: /dev/null: it is no regular file\n");
}

static void test_password_file(void **state)
{
    (void)state;
    char text[256];
    snprintf(text, sizeof text, "%suser = u\npassword_file = %s\n", GOOD, secret);
    write_bytes(secret, "hush ;\r\nmore\n", 13, 0600);
    good(text);
    assert_string_equal(config.smarthosts[0].password, "hush ;");
    assert_int_equal(chmod(secret, 0640), 0);
    assert_int_equal(load(text), PP_ERR_SYNTAX);
    assert_non_null(strstr(reported, "group or others may use it"));
    write_bytes(secret, "\nmore\n", 6, 0600);
    assert_int_equal(load(text), PP_ERR_SYNTAX);
    assert_non_null(strstr(reported, "its first line is empty"));
    write_bytes(secret, "a\0b\n", 4, 0600);
    assert_int_equal(load(text), PP_ERR_SYNTAX);
    char longer[PP_SECRET_CAP + 1];
    memset(longer, 'l', sizeof longer);
    write_bytes(secret, longer, PP_SECRET_CAP, 0600);
    assert_int_equal(load(text), PP_ERR_SYNTAX);
    assert_null(strstr(reported, "ll"));
    write_bytes(secret, longer, PP_SECRET_CAP - 1, 0600);
    good(text);
    snprintf(text, sizeof text, "%suser = u\npassword_file = %s\npassword = x\n", GOOD, secret);
    assert_int_equal(load(text), PP_ERR_SYNTAX);
    assert_non_null(strstr(reported, "leave one"));
}

static void test_a_password_asks_for_a_private_file(void **state)
{
    (void)state;
    static const char text[] = GOOD "user = u\npassword = hush\n";
    good(text);
    write_bytes(conf, text, sizeof text - 1, 0604);
    bad(NULL, "c: there is a password in it, and group or others may use it (chmod 600, owner "
              "root or the reader)\n");
    assert_string_equal(config.smarthosts[0].password, "");
}

static void test_what_a_client_needs(void **state)
{
    (void)state;
    static const char text[] = "[smarthost]\nhost = a b\nuser\n[daemon]\ndirectory = /tmp/d\n"
                               "user = pinpost\nnonsense = 1\n";
    write_bytes(conf, text, sizeof text - 1, 0600);
    assert_int_equal(pp_config_file_load_client(conf, &config), PP_OK);
    assert_string_equal(config.daemon.submit_socket, "/tmp/d/submit.sock");
    unlink(conf);
    assert_int_equal(pp_config_file_load_client(conf, &config), PP_ERR_NOT_FOUND);
    assert_string_equal(config.daemon.submit_socket, "/run/pinpost/submit.sock");
}

static int make_directory(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(conf, sizeof conf, "%s/c", directory);
    snprintf(secret, sizeof secret, "%s/secret", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(conf);
    unlink(secret);
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_good_file),
        cmocka_unit_test(test_all_problems_with_their_lines),
        cmocka_unit_test(test_what_only_the_whole_shows),
        cmocka_unit_test(test_sections),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_nul_bytes),
        cmocka_unit_test(test_files_that_are_missing),
        cmocka_unit_test(test_password_file),
        cmocka_unit_test(test_a_password_asks_for_a_private_file),
        cmocka_unit_test(test_what_a_client_needs),
    };
    return cmocka_run_group_tests_name("config_file", tests, make_directory, remove_directory);
}
