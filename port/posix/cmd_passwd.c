/*
 * cmd_passwd.c - `pinpost passwd`: a password's salted verifier, ready for pinpost.conf
 *
 * Job:      ask for a password twice, or read a line, and print the section of a user.
 * Not here: what a verifier is (config.h, intake/sasl_server.h).
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/bytes.h"
#include "cmd.h"
#include "posix_port.h"

static const char usage[] =
    "usage: pinpost passwd [-i ITERATIONS] [USER]\n"
    "\n"
    "  USER   name of the [user] section that is printed; without it the password line alone\n"
    "  -i     rounds of PBKDF2, 4096 to 1000000 (default 4096): slower to guess, slower to check\n"
    "\n"
    "The password is asked for twice, or read as one line from standard input.\n";

/* Signals that would leave the terminal without echo wait until it has it again. */
static void hold_signals(sigset_t *before)
{
    static const int held[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP};
    sigset_t set;

    (void)sigemptyset(&set);
    for (size_t i = 0; i < sizeof held / sizeof held[0]; i++)
        (void)sigaddset(&set, held[i]);
    (void)sigprocmask(SIG_BLOCK, &set, before);
}

/* 0: without its line end in `out`; -1: none, or longer than there is room. */
static int read_line(const char *prompt_z, char *out, int cap)
{
    struct termios before, quiet;
    sigset_t signals;
    bool terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;

    if (terminal) {
        quiet = before;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        (void)fputs(prompt_z, stderr);
        hold_signals(&signals);
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    bool good = fgets(out, cap, stdin) != NULL;
    if (terminal) {
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        (void)fputs("\n", stderr);
        (void)sigprocmask(SIG_SETMASK, &signals, NULL);
    }
    good = good && (strlen(out) < (size_t)cap - 1 || out[cap - 2] == '\n');
    out[good ? strcspn(out, "\r\n") : 0] = '\0';
    return good ? 0 : -1;
}

static int ask(const struct pp_cmd_context *context, char *password, int cap)
{
    char again[PP_SECRET_CAP];
    int status = EX_OK;

    if (read_line("password: ", password, cap) != 0 || password[0] == '\0') {
        pp_cmd_say(context, "passwd: no password was given, or one of more than %d octets",
                   cap - 2);
        return EX_DATAERR;
    }
    if (isatty(STDIN_FILENO) &&
        (read_line("again: ", again, sizeof again) != 0 || strcmp(password, again) != 0)) {
        pp_cmd_say(context, "passwd: the two are not the same");
        status = EX_DATAERR;
    }
    pp_wipe(again, sizeof again);
    return status;
}

static int print(const struct pp_cmd_context *context, const char *user_z, const char *password_z,
                 uint32_t iterations)
{
    static struct pp_posix_port posix;
    char text[300];
    struct pp_writer w;

    if (pp_posix_port_init(&posix, NULL, NULL) != 0 || pp_trust_init(&posix.port) != PP_OK)
        return EX_OSERR;
    pp_writer_init(&w, text, sizeof text - 1);
    enum pp_err err = pp_password_verifier(pp_text_z(password_z), iterations, &w);
    pp_posix_port_close(&posix);
    if (err != PP_OK) {
        pp_cmd_say(context, "passwd: %s", pp_err_text(err));
        return EX_SOFTWARE;
    }
    text[w.len] = '\0';
    if (user_z != NULL)
        (void)printf("[user %s]\n", user_z);
    (void)printf("password = %s\n", text);
    return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

int pp_cmd_passwd(struct pp_cmd_context *context, int argc, char **argv)
{
    char password[PP_SECRET_CAP] = "";
    unsigned long iterations = 4096;
    const char *user_z = NULL;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            (void)fputs(usage, stdout);
            return EX_OK;
        }
        char *end = NULL;
        if (strcmp(argv[i], "-i") == 0 && i + 1 < argc) {
            iterations = strtoul(argv[++i], &end, 10);
        } else if (argv[i][0] != '-' && user_z == NULL && argv[i][0] != '\0' &&
                   strpbrk(argv[i], "[]\r\n") == NULL) {
            user_z = argv[i];
            if (strlen("user ") + strlen(user_z) <= PP_SECTION_CAP)
                continue;
            pp_cmd_say(context, "passwd: a user's name has %zu bytes at the most",
                       (size_t)PP_SECTION_CAP - strlen("user "));
            return EX_USAGE;
        }
        if (end == NULL || *end != '\0' || iterations < 4096 || iterations > 1000000) {
            pp_cmd_say(context, "passwd: \"%.60s\" is not understood; `pinpost passwd --help`",
                       argv[i]);
            return EX_USAGE;
        }
    }
    int status = ask(context, password, sizeof password);
    if (status == EX_OK)
        status = print(context, user_z, password, (uint32_t)iterations);
    pp_wipe(password, sizeof password);
    return status;
}
