/*
 * test_submit_client.c - a message to the daemon, and what became of it, against a scripted daemon
 *
 * The daemon is a child process: it sends what stands behind `S`, and reads one line for each `C`,
 * or all lines up to the lone dot for `D`, into a transcript.
 */
#include "posix/submit_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "posix/handover.h"
#include <cmocka.h>

#define TRANSCRIPT_CAP 8192

static const struct pp_submit_limits quick = {300, 300, 300};
static char socket_path[64], transcript[TRANSCRIPT_CAP];
static struct pp_input input;
static struct pp_recipients list;
static struct pp_submit_result result;

/* One line of the client into the pipe; false at the end. */
static bool pass_line(FILE *from, FILE *to, bool *is_dot)
{
    char line[8192];

    if (fgets(line, sizeof(line), from) == NULL) {
        return false;
    }
    *is_dot = strcmp(line, ".\r\n") == 0;
    return fputs(line, to) >= 0;
}

static void play(int fd, const char *const *script, FILE *to)
{
    FILE *from = fdopen(fd, "r");
    bool is_dot = false;

    for (; *script != NULL; script++) {
        const char *step = *script;
        switch (step[0]) {
        case 'S':
            if (write(fd, step + 1, strlen(step + 1)) < 0) {
                return;
            }
            break;
        case 'C':
            if (!pass_line(from, to, &is_dot)) {
                return;
            }
            break;
        case 'D':
            do {
                is_dot = false;
            } while (pass_line(from, to, &is_dot) && !is_dot);
            break;
        default: /* W: say nothing until the client has gone */
            while (pass_line(from, to, &is_dot)) {
            }
            return;
        }
    }
}

static int listen_at_path(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", socket_path);
    (void)unlink(socket_path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 4), 0);
    return fd;
}

static void send_to(const char *const *script, const struct pp_handover *mail)
{
    int listener = listen_at_path(), ends[2], status;
    size_t len;
    FILE *from;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        FILE *to = fdopen(ends[1], "w");
        (void)alarm(20);
        play(accept(listener, NULL, NULL), script, to);
        (void)fflush(to);
        _exit(0);
    }
    close(ends[1]);
    close(listener);
    pp_submit_client_send(socket_path, mail, &quick, &result);
    from = fdopen(ends[0], "r");
    len = fread(transcript, 1, sizeof(transcript) - 1, from);
    transcript[len] = '\0';
    fclose(from);
    assert_int_equal(waitpid(child, &status, 0), child);
    (void)unlink(socket_path);
}

static int prepare(void **state)
{
    (void)state;
    (void)snprintf(socket_path, sizeof(socket_path), "/tmp/pinpost-test-%d.sock", (int)getpid());
    pp_recipients_clear(&list);
    return 0;
}

static struct pp_handover make_mail(const char *text_z, const char *to_z)
{
    struct pp_handover mail = {
        .kind = PP_KIND_MESSAGE,
        .sender = pp_text_z("root"),
        .recipients = &list,
        .input = &input,
    };
    struct pp_text bad;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], text_z, strlen(text_z)), (ssize_t)strlen(text_z));
    close(ends[1]);
    assert_int_equal(pp_input_read(&input, ends[0], false), PP_OK);
    close(ends[0]);
    assert_int_equal(pp_recipients_add(&list, pp_text_z(to_z), &bad), PP_OK);
    return mail;
}

#define GREETING "S220 host ESMTP pinpost\r\n", "C", "S250-host\r\n250-X-PINPOST\r\n250 SIZE 1\r\n"
#define OK       "C", "S250 2.1.0 ok\r\n"
#define GO       "C", "S354 go\r\n", "D"

static void test_message(void **state)
{
    static const char *const script[] = {
        GREETING, OK, OK, OK, GO, "S250 2.0.0 queued as 0000002A\r\n", "C", NULL};
    struct pp_handover mail = make_mail("To: a\n\n.dot\n..\nbare\rcr\r\nlast", "a, b@c.example");

    (void)state;
    send_to(script, &mail);
    assert_int_equal(result.end, PP_SUBMIT_TAKEN);
    assert_string_equal(result.id, "0000002A");
    assert_string_equal(transcript, "EHLO localhost\r\n"
                                    "MAIL FROM:<root> SIZE=28 X-KIND=message X-SEVERITY=info\r\n"
                                    "RCPT TO:<a>\r\n"
                                    "RCPT TO:<b@c.example>\r\n"
                                    "DATA\r\n"
                                    "To: a\r\n\r\n..dot\r\n...\r\nbare\r\ncr\r\nlast\r\n.\r\n"
                                    "QUIT\r\n");
}

static void test_alert(void **state)
{
    static const char *const script[] = {GREETING, OK, OK, GO, "S250 queued as 7\r\n", NULL};
    struct pp_handover mail = make_mail("\xc3\xbc\n", "a@b");

    (void)state;
    mail.kind = PP_KIND_ALERT;
    mail.severity = PP_SEVERITY_CRITICAL;
    mail.default_sender = mail.default_recipients = true;
    mail.subject = pp_text_z("Disk 3 + \xc3\xbc=");
    mail.sender_name = pp_text_z("NAS");
    send_to(script, &mail);
    assert_int_equal(result.end, PP_SUBMIT_TAKEN);
    assert_non_null(strstr(transcript, "MAIL FROM:<> SIZE=3 BODY=8BITMIME X-DEFAULT-FROM "
                                       "X-DEFAULT-TO X-KIND=alert X-SEVERITY=critical "
                                       "X-SUBJECT=Disk+203+20+2B+20+C3+BC+3D X-NAME=NAS\r\n"));
}

/* A bad recipient keeps nobody else from the mail. */
static void test_some_refused(void **state)
{
    static const char *const script[] = {
        GREETING, OK, "C", "S550 5.1.2 no domain\r\n", OK, GO, "S250 queued as 7\r\n", NULL};
    struct pp_handover mail = make_mail("x\n", "a, b@c");

    (void)state;
    send_to(script, &mail);
    assert_int_equal(result.end, PP_SUBMIT_TAKEN);
    assert_int_equal(result.refused, 1);
    assert_int_equal(result.refused_code, 550);
    assert_string_equal(result.refused_text, "a: 550 5.1.2 no domain");
}

static void expect(const char *const *script, enum pp_submit_end end, unsigned code)
{
    struct pp_handover mail;

    pp_recipients_clear(&list);
    mail = make_mail("x\n", "a@b");
    send_to(script, &mail);
    assert_int_equal(result.end, end);
    assert_int_equal(result.code, code);
    assert_true(result.text[0] != '\0');
}

static void test_refusals(void **state)
{
    static const char *const full[] = {GREETING, "C", "S452 4.3.1 queue is full\r\n", NULL};
    static const char *const big[] = {GREETING, "C", "S552 5.3.4 too big\r\n", NULL};
    static const char *const nobody[] = {GREETING, OK, "C", "S550 5.1.2 no domain\r\n", NULL};
    static const char *const bad[] = {GREETING, OK, OK, GO, "S554 5.6.11 no\r\n", NULL};
    static const char *const later[] = {GREETING, OK, OK, GO, "S451 4.3.0 flash\r\n", NULL};

    (void)state;
    expect(full, PP_SUBMIT_LATER, 452);
    expect(big, PP_SUBMIT_REFUSED, 552);
    expect(nobody, PP_SUBMIT_REFUSED, 550);
    expect(bad, PP_SUBMIT_REFUSED, 554);
    expect(later, PP_SUBMIT_LATER, 451);
}

/* Nothing was handed over: the drop directory may take it. */
static void test_not_asked(void **state)
{
    static const char *const busy[] = {"S421 4.3.2 busy\r\n", NULL};
    static const char *const silent[] = {"W", NULL};
    static const char *const gone[] = {GREETING, NULL};
    static const char *const stops[] = {GREETING, OK, "C", "S421 4.3.2 stopping\r\n", NULL};
    static const char *const in_data[] = {GREETING, OK, OK, "C", NULL};
    static const char *const noise[] = {"SHTTP/1.1 400 Bad\r\n", NULL};

    (void)state;
    expect(busy, PP_SUBMIT_NOT_ASKED, 421);
    expect(silent, PP_SUBMIT_NOT_ASKED, 0);
    expect(gone, PP_SUBMIT_NOT_ASKED, 0);
    expect(stops, PP_SUBMIT_NOT_ASKED, 421);
    expect(in_data, PP_SUBMIT_NOT_ASKED, 0);
    expect(noise, PP_SUBMIT_NOT_ASKED, 0);
}

/* All was handed over, and no answer came: it may be in the queue. */
static void test_unknown(void **state)
{
    static const char *const gone[] = {GREETING, OK, OK, GO, NULL};
    static const char *const silent[] = {GREETING, OK, OK, GO, "W", NULL};

    (void)state;
    expect(gone, PP_SUBMIT_UNKNOWN, 0);
    expect(silent, PP_SUBMIT_UNKNOWN, 0);
}

static void test_not_pinpost(void **state)
{
    static const char *const other[] = {"S220 other ESMTP\r\n", "C", "S250 other\r\n", NULL};

    (void)state;
    expect(other, PP_SUBMIT_REFUSED, 0);
}

static void test_nobody_there(void **state)
{
    struct pp_handover mail = make_mail("x\n", "a@b");

    (void)state;
    pp_submit_client_send(socket_path, &mail, &quick, &result);
    assert_int_equal(result.end, PP_SUBMIT_NOT_ASKED);
    assert_string_equal(result.text, "the daemon is not running");
}

/* Replies are bounded, and what they hold cannot drive a terminal. */
static void test_hostile_replies(void **state)
{
    static char endless[20000];
    static const char *const long_line[] = {endless, NULL};
    static const char *const control[] = {"S421 \033[2Jx\r\n", NULL};

    (void)state;
    memset(endless, 'x', sizeof(endless) - 1);
    endless[0] = 'S';
    expect(long_line, PP_SUBMIT_NOT_ASKED, 0);
    expect(control, PP_SUBMIT_NOT_ASKED, 421);
    assert_null(strchr(result.text, '\033'));
}

/* ---- handover ---- */

static void test_exit_codes(void **state)
{
    (void)state;
    assert_int_equal(pp_handover_exit_code(452, "452 4.3.1 full"), 75);
    assert_int_equal(pp_handover_exit_code(550, "550 5.1.2 no domain"), 67);
    assert_int_equal(pp_handover_exit_code(552, "552 5.3.4 too big"), 65);
    assert_int_equal(pp_handover_exit_code(554, "554 5.7.1 not you"), 77);
    assert_int_equal(pp_handover_exit_code(554, "554 5.6.11 bare LF"), 65);
    assert_int_equal(pp_handover_exit_code(501, "501 5.1.3 bad address"), 65);
    assert_int_equal(pp_handover_exit_code(503, "503 5.5.1 order"), 70);
}

static void test_checks(void **state)
{
    struct pp_handover mail = make_mail("x\n", "a@b");
    struct pp_handover_outcome outcome;

    (void)state;
    assert_true(pp_handover_check(&mail, &outcome));
    mail.subject = pp_text_z("a\nBcc: x@y");
    assert_false(pp_handover_check(&mail, &outcome));
    assert_int_equal(outcome.exit_code, 65);
    mail.subject = pp_text_z("caf\xe9");
    assert_false(pp_handover_check(&mail, &outcome));
    mail.subject = pp_text_z("");
    input.has_nul = true;
    assert_false(pp_handover_check(&mail, &outcome));
    assert_int_equal(outcome.exit_code, 65);
    mail = make_mail("", "a@b");
    assert_false(pp_handover_check(&mail, &outcome));
    assert_int_equal(outcome.exit_code, 65);
    mail.kind = PP_KIND_ALERT;
    assert_false(pp_handover_check(&mail, &outcome));
    mail.subject = pp_text_z("subject alone");
    assert_true(pp_handover_check(&mail, &outcome));
    pp_recipients_clear(&list);
    assert_false(pp_handover_check(&mail, &outcome));
    assert_int_equal(outcome.exit_code, 64);
}

static void test_no_daemon_no_drop(void **state)
{
    struct pp_handover mail = make_mail("x\n", "a@b");
    struct pp_handover_outcome outcome;

    (void)state;
    pp_handover_give(socket_path, "/nonexistent/drop", &mail, &outcome);
    assert_int_equal(outcome.exit_code, 75);
    assert_false(outcome.dropped);
    assert_non_null(strstr(outcome.text, "/nonexistent/drop"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_message, prepare),
        cmocka_unit_test_setup(test_alert, prepare),
        cmocka_unit_test_setup(test_some_refused, prepare),
        cmocka_unit_test_setup(test_refusals, prepare),
        cmocka_unit_test_setup(test_not_asked, prepare),
        cmocka_unit_test_setup(test_unknown, prepare),
        cmocka_unit_test_setup(test_not_pinpost, prepare),
        cmocka_unit_test_setup(test_nobody_there, prepare),
        cmocka_unit_test_setup(test_hostile_replies, prepare),
        cmocka_unit_test_setup(test_exit_codes, prepare),
        cmocka_unit_test_setup(test_checks, prepare),
        cmocka_unit_test_setup(test_no_daemon_no_drop, prepare),
    };

    return cmocka_run_group_tests_name("submit_client", tests, NULL, NULL);
}
