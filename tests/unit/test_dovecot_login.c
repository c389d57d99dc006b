/*
 * test_dovecot_login.c - Dovecot's authentication protocol against a server played by the test
 *
 * Job:      logins at once, in every order and in every split; a server that goes, comes back, is
 *           another after a reload, or says what it should not. Nobody hears another's verdict.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../port/posix/dovecot_login.h"

#define HELLO                                                                                      \
    "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tANONYMOUS\tanonymous\nMECH\tLOGIN\tplaintext\n"  \
    "MECH\tplain\nSPID\t7\nCUID\t1\nCOOKIE\tabc\nDONE\n"

static struct pp_posix_port posix;
static struct pp_dovecot dovecot;
static char directory[] = "/tmp/pinpost-dovecot-XXXXXX";
static char path[64], other_path[64];
static int listener = -1, server = -1;
static uint64_t now;
static const struct pp_peer peer = {.address = {.family = 4, .ip = {192, 0, 2, 9}, .port = 1234}};

static uint64_t clock_ms(void *ctx)
{
    (void)ctx;
    return now;
}

/* ---- the server ---- */

static int listen_at(const char *path_z)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    snprintf(a.sun_path, sizeof a.sun_path, "%s", path_z);
    (void)unlink(path_z);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 4), 0);
    return fd;
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void take(int from)
{
    pp_dovecot_turn(&dovecot);
    close_one(&server);
    server = accept(from, NULL, NULL);
    assert_true(server >= 0);
}

static void say_n(const char *text, size_t len)
{
    assert_int_equal(send(server, text, len, MSG_NOSIGNAL), len);
    pp_dovecot_turn(&dovecot);
}

static void say(const char *text_z)
{
    say_n(text_z, strlen(text_z));
}

/* All that was said to the server since. */
static const char *heard(void)
{
    static char text[20000];
    ssize_t n = recv(server, text, sizeof text - 1, MSG_DONTWAIT);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

/* ---- the relay's side ---- */

static int begin(const char *response_z)
{
    return posix.port.login_begin(&posix, "PLAIN", &peer, response_z);
}

static int answer(int login, const char *response_z)
{
    return posix.port.login_answer(&posix, login, response_z);
}

static void end(int login)
{
    posix.port.login_end(&posix, login);
}

static const char *mechanisms(void)
{
    return posix.port.login_mechanisms(&posix);
}

/* 0: nothing yet. */
static int verdict(int login, const char *text_z)
{
    struct pp_port_login out;

    if (posix.port.login_ask(&posix, login, &out) == 0)
        return 0;
    if (text_z != NULL)
        assert_string_equal(out.text, text_z);
    return (int)out.said;
}

static uint32_t id_of(int login)
{
    return dovecot.logins[login - 1].id;
}

static void sayf(const char *format_z, int login, const char *rest_z)
{
    char line[3000];

    snprintf(line, sizeof line, format_z, id_of(login), rest_z);
    say(line);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "%s/auth", directory);
    snprintf(other_path, sizeof other_path, "%s/other", directory);
    now = 10000;
    assert_int_equal(pp_posix_port_init(&posix, NULL, NULL), 0);
    posix.port.now_ms = clock_ms;
    listener = listen_at(path);
    pp_dovecot_open(&dovecot, &posix, path);
    return 0;
}

static int set_up_ready(void **state)
{
    set_up(state);
    take(listener);
    say(HELLO);
    (void)heard();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pp_dovecot_close(&dovecot);
    pp_posix_port_close(&posix);
    close_one(&server);
    close_one(&listener);
    (void)unlink(path);
    (void)unlink(other_path);
    return 0;
}

/* ---- tests ---- */

static void it_offers_what_dovecot_has_once_it_said_all(void **state)
{
    char hello[100];

    (void)state;
    assert_string_equal(mechanisms(), "");
    take(listener);
    snprintf(hello, sizeof hello, "VERSION\t1\t1\nCPID\t%ld\n", (long)getpid());
    assert_string_equal(heard(), hello);
    for (size_t i = 0; i < strlen(HELLO); i++) {
        assert_string_equal(mechanisms(), "");
        assert_true(begin("AHgAeA==") < 0);
        say_n(&HELLO[i], 1);
    }
    assert_string_equal(mechanisms(), "PLAIN LOGIN");
    assert_string_equal(heard(), "");
}

static void a_login_says_who_and_hears_its_verdict(void **state)
{
    char line[200];
    int login = begin("AHgAeA==");

    (void)state;
    assert_true(login > 0);
    snprintf(line, sizeof line,
             "AUTH\t%u\tPLAIN\tservice=smtp\tsecured\trip=192.0.2.9\tresp=AHgAeA==\n",
             id_of(login));
    assert_string_equal(heard(), line);
    assert_int_equal(verdict(login, NULL), 0);
    sayf("OK\t%u\t%s\n", login, "uid=5\tuser=joe@x\tnologin");
    assert_int_equal(verdict(login, "joe@x"), PP_PORT_LOGIN_ACCEPTED);
    sayf("FAIL\t%u%s\n", login, ""); /* it has been said */
    assert_int_equal(verdict(login, "joe@x"), PP_PORT_LOGIN_ACCEPTED);
    end(login);
    login = begin("=");
    assert_non_null(strstr(heard(), "\tresp=\n"));
    end(login);
    login = begin(NULL);
    assert_null(strstr(heard(), "resp"));
    sayf("CONT\t%u\t%s\n", login, "VXNlcm5hbWU6");
    assert_int_equal(verdict(login, "VXNlcm5hbWU6"), PP_PORT_LOGIN_CHALLENGE);
    assert_int_equal(answer(login, ""), 0);
    snprintf(line, sizeof line, "CONT\t%u\t\n", id_of(login));
    assert_string_equal(heard(), line);
    assert_int_equal(verdict(login, NULL), 0);
    sayf("FAIL\t%u\t%s\n", login, "user=ann\treason=No");
    assert_int_equal(verdict(login, "ann"), PP_PORT_LOGIN_REFUSED);
    end(login);
}

static void only_a_clear_word_accepts(void **state)
{
    static char large[2200] = "user=";
    static const struct {
        const char *format_z, *rest_z;
        int said;
    } cases[] = {
        {"OK\t%u\t%s\n", "user=x", PP_PORT_LOGIN_ACCEPTED},
        {"OK\t%u%s\n", "", PP_PORT_LOGIN_LATER},
        {"OK\t%u\t%s\n", "user=", PP_PORT_LOGIN_LATER},
        {"OK\t%u\t%s\n", "auser=x", PP_PORT_LOGIN_LATER},
        {"OK\t%u\t%s\n", large, PP_PORT_LOGIN_LATER},
        {"CONT\t%u\t%s\n", large, PP_PORT_LOGIN_LATER},
        {"FAIL\t%u\t%s\n", "user=x", PP_PORT_LOGIN_REFUSED},
        {"FAIL\t%u%s\n", "", PP_PORT_LOGIN_REFUSED},
        {"FAIL\t%u\t%s\n", "user=x\ttemp", PP_PORT_LOGIN_LATER},
        {"FAIL\t%u\t%s\n", "code=temp_fail", PP_PORT_LOGIN_LATER},
        {"OK\t0%u\t%s\n", "user=x", PP_PORT_LOGIN_ACCEPTED},
        {"OK\t-%u\t%s\n", "user=x", 0},
        {"OK\t%u0\t%s\n", "user=x", 0},
        {"OK \t%u\t%s\n", "user=x", 0},
        {"ok\t%u\t%s\n", "user=x", 0},
        {"OK%u\t%s\n", "user=x", 0},
        {"OK\t%u\t%s", "user=x", 0}, /* no end yet */
    };

    (void)state;
    memset(large + 5, 'a', sizeof large - 6);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int login = begin("eA==");
        sayf(cases[i].format_z, login, cases[i].rest_z);
        assert_int_equal(verdict(login, NULL), cases[i].said);
        end(login);
    }
}

static void logins_at_once_each_hear_their_own(void **state)
{
    int logins[PP_DOVECOT_LOGINS];
    char words[20];

    (void)state;
    for (int i = 0; i < PP_DOVECOT_LOGINS; i++)
        assert_true((logins[i] = begin("eA==")) > 0);
    assert_int_equal(begin("eA=="), PP_IO_FAILED);
    for (int i = 0; i < PP_DOVECOT_LOGINS; i++) {
        int k = (i * 37 + 5) % PP_DOVECOT_LOGINS;
        snprintf(words, sizeof words, "user=u%d", k);
        sayf(k % 3 == 0 ? "FAIL\t%u\t%s\n" : "OK\t%u\t%s\n", logins[k], words);
    }
    for (int i = 0; i < PP_DOVECOT_LOGINS; i++) {
        snprintf(words, sizeof words, "u%d", i);
        assert_int_equal(verdict(logins[i], words),
                         i % 3 == 0 ? PP_PORT_LOGIN_REFUSED : PP_PORT_LOGIN_ACCEPTED);
        end(logins[i]);
    }
    assert_true(begin("eA==") > 0);
}

/* The slot's next login does not hear what was meant for the one before. */
static void a_verdict_that_comes_late_is_nobodys(void **state)
{
    char late[100];
    int first = begin("eA==");

    (void)state;
    snprintf(late, sizeof late, "OK\t%u\tuser=first\n", id_of(first));
    end(first);
    int second = begin("eQ==");
    assert_int_equal(first, second);
    say(late);
    assert_int_equal(verdict(second, NULL), 0);
    sayf("FAIL\t%u%s\n", second, "");
    assert_int_equal(verdict(second, ""), PP_PORT_LOGIN_REFUSED);
    /* "OK\t0": slots that nobody has */
    end(second);
    say("OK\t0\tuser=x\nCONT\t0\teA==\n");
    assert_int_equal(verdict(begin("eA=="), NULL), 0);
}

static void nothing_of_a_client_ends_a_field(void **state)
{
    int login = begin(NULL);

    (void)state;
    (void)heard();
    assert_true(begin("eA==\tuser=root") < 0);
    assert_true(begin("eA==\nOK") < 0);
    assert_true(posix.port.login_begin(&posix, "PLAIN\tnologin", &peer, NULL) < 0);
    sayf("CONT\t%u\t%s\n", login, "eA==");
    assert_true(answer(login, "eA==\nAUTH") < 0);
    assert_true(answer(login, "eA==\tx") < 0);
    assert_string_equal(heard(), "");
}

static void who_waits_when_it_goes_comes_again_later(void **state)
{
    int waits = begin("eA=="), challenged = begin(NULL);

    (void)state;
    sayf("CONT\t%u\t%s\n", challenged, "eA==");
    close_one(&server);
    assert_int_equal(verdict(waits, NULL), PP_PORT_LOGIN_LATER);
    assert_string_equal(mechanisms(), "");
    assert_true(begin("eA==") < 0);
    now += 5000;
    take(listener);
    say(HELLO);
    assert_string_equal(mechanisms(), "PLAIN LOGIN");
    (void)heard();
    /* The one that is there now knows nothing of the exchange under way. */
    assert_true(answer(challenged, "eA==") < 0);
    assert_string_equal(heard(), "");
    assert_int_equal(verdict(waits, NULL), PP_PORT_LOGIN_LATER);
    int later = begin("eA==");
    assert_true(later > 0 && later != waits && later != challenged);
}

static void it_is_tried_again_but_not_all_the_time(void **state)
{
    int tries = 0;

    (void)state;
    close_one(&listener);
    assert_string_equal(mechanisms(), "");
    listener = listen_at(path);
    for (int i = 0; i < 100; i++, now += 100) {
        (void)mechanisms();
        int fd = accept(listener, NULL, NULL);
        tries += fd >= 0;
        close_one(&fd);
    }
    assert_in_range(tries, 5, 11);
}

/* A reload names another socket while clients are in the middle of their logins. */
static void a_move_gives_nobody_anothers_verdict(void **state)
{
    int waits = begin("eA=="), challenged = begin(NULL);
    int other = listen_at(other_path);

    (void)state;
    sayf("CONT\t%u\t%s\n", challenged, "eA==");
    pp_dovecot_move(&dovecot, other_path);
    assert_int_equal(verdict(waits, NULL), PP_PORT_LOGIN_LATER);
    take(other);
    say(HELLO);
    int login = begin("eQ==");
    assert_true(login > 0 && login != waits && login != challenged);
    sayf("OK\t%u\t%s\n", login, "user=joe");
    assert_int_equal(verdict(waits, NULL), PP_PORT_LOGIN_LATER);
    assert_true(answer(challenged, "eA==") < 0);
    assert_int_equal(verdict(login, "joe"), PP_PORT_LOGIN_ACCEPTED);
    /* and to none at all */
    pp_dovecot_move(&dovecot, "");
    now += 5000;
    assert_string_equal(mechanisms(), "");
    close(other);
}

static void a_strange_server_is_left(void **state)
{
    static char large[PP_DOVECOT_LINE_CAP + 10];
    static const char *const texts[] = {"VERSION\t2\t0\nMECH\tPLAIN\nDONE\n",
                                        "VERSION\nMECH\tPLAIN\nDONE\n", large};

    (void)state;
    memset(large, 'x', sizeof large - 1);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++, now += 5000) {
        take(listener);
        say(texts[i]);
        assert_string_equal(mechanisms(), "");
        assert_int_equal(dovecot.fd, -1);
    }
    take(listener);
    say(HELLO);
    assert_string_equal(mechanisms(), "PLAIN LOGIN");
}

/* Pieces of lines in any order: bounded, and nobody is accepted without a line that says so. */
static void any_bytes_do_no_harm(void **state)
{
    static const char *const pieces[] = {"OK\t",
                                         "FAIL\t",
                                         "CONT\t",
                                         "1",
                                         "2",
                                         "3",
                                         "\t",
                                         "user=",
                                         "\n",
                                         "DONE\n",
                                         "MECH",
                                         "PLAIN",
                                         "VERSION",
                                         "\t1\t1",
                                         "temp",
                                         "=",
                                         "\001",
                                         "\xff",
                                         "SPID\n",
                                         "99999999999999999999999",
                                         "AAAAAAAAAAAAAAAAAA",
                                         "code=temp_fail"};
    unsigned seed = 1;

    (void)state;
    dovecot.next_id = 4000000; /* ids that the pieces cannot make */
    for (int round = 0; round < 3000; round++) {
        int login = begin("eA==");
        if (login < 0) {
            now += 5000;
            take(listener);
            say(HELLO);
            assert_true((login = begin("eA==")) > 0);
        }
        (void)heard();
        char text[400] = "\n";
        for (int i = 0; i < 12; i++) {
            seed = seed * 1103515245u + 12345u;
            strcat(text, pieces[(seed >> 16) % (sizeof pieces / sizeof pieces[0])]);
        }
        say(text);
        assert_int_equal(verdict(login, NULL), dovecot.fd < 0 ? PP_PORT_LOGIN_LATER : 0);
        assert_true(strlen(mechanisms()) < sizeof dovecot.mechanisms);
        end(login);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_offers_what_dovecot_has_once_it_said_all, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_login_says_who_and_hears_its_verdict, set_up_ready,
                                        tear_down),
        cmocka_unit_test_setup_teardown(only_a_clear_word_accepts, set_up_ready, tear_down),
        cmocka_unit_test_setup_teardown(logins_at_once_each_hear_their_own, set_up_ready,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_verdict_that_comes_late_is_nobodys, set_up_ready,
                                        tear_down),
        cmocka_unit_test_setup_teardown(nothing_of_a_client_ends_a_field, set_up_ready, tear_down),
        cmocka_unit_test_setup_teardown(who_waits_when_it_goes_comes_again_later, set_up_ready,
                                        tear_down),
        cmocka_unit_test_setup_teardown(it_is_tried_again_but_not_all_the_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_move_gives_nobody_anothers_verdict, set_up_ready,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_strange_server_is_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_bytes_do_no_harm, set_up_ready, tear_down),
    };

    if (mkdtemp(directory) == NULL)
        return 1;
    int failed = cmocka_run_group_tests_name("dovecot_login", tests, NULL, NULL);
    (void)rmdir(directory);
    return failed;
}
