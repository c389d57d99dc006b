/*
 * cmd.h - the commands of the pinpost program and what they share
 *
 * Job:      one function a command (cmd_NAME.c), the context they get, how they end.
 * Not here: choosing one (main.c), reading the configuration (config_file.h).
 *
 * Each command gets its own arguments, argv[0] being the command's name, argv[argc] NULL, and
 * returns an exit status of <sysexits.h>:
 *
 *     0   done               64  EX_USAGE        the command line is wrong: one line and a hint
 *     65  EX_DATAERR         the mail or an address in it is wrong; too big; empty
 *     66  EX_NOINPUT         no such message in the queue
 *     69  EX_UNAVAILABLE     the smarthost or the daemon cannot be reached, or the step failed
 *     70  EX_SOFTWARE        our own mistake
 *     73  EX_CANTCREAT       a file or socket cannot be made
 *     74  EX_IOERR           reading or writing failed
 *     75  EX_TEMPFAIL        try again later; nothing was kept; another daemon uses the store
 *     77  EX_NOPERM          the caller may not do this
 *     78  EX_CONFIG          something in the configuration is wrong
 */
#ifndef PP_POSIX_CMD_H
#define PP_POSIX_CMD_H

#include <stdbool.h>
#include <sysexits.h>

#include "pinpost.h"

#define PP_DEFAULT_CONFIG "/etc/pinpost/pinpost.conf"

struct pp_cmd_context {
    const char *program_z;     /* for messages: "pinpost", "sendmail", "mailq" */
    const char *config_path_z; /* of -c, or PP_DEFAULT_CONFIG */
    bool config_path_given;    /* -c was given: a file that cannot be read is an error for all */
    struct pp_config config;   /* as one of the calls below left it; defaults before that */
};

/*
 * Load all of the configuration, secrets too: for run, check, test. Each problem is printed to
 * stderr as FILE:LINE: words. Returns 0 or EX_CONFIG, EX_NOINPUT (no such file), EX_NOPERM (may not
 * be read).
 */
PP_MUST_USE int pp_cmd_load(struct pp_cmd_context *context);
/*
 * Load what a client of the daemon needs, paths of sockets and of the drop directory, for send,
 * sendmail, queue, status. Mail must get through when the file is not readable for this caller or
 * has a mistake in it: what cannot be read keeps its default, silently. Returns 0; EX_NOINPUT or
 * EX_NOPERM with words only when -c named the file.
 */
PP_MUST_USE int pp_cmd_load_client(struct pp_cmd_context *context);

/* "PROGRAM: " and the words, to stderr, with a line end. printf-like. */
void pp_cmd_say(const struct pp_cmd_context *context, const char *format_z, ...)
    __attribute__((format(printf, 2, 3)));

int pp_cmd_run(struct pp_cmd_context *context, int argc, char **argv);
int pp_cmd_send(struct pp_cmd_context *context, int argc, char **argv);
int pp_cmd_sendmail(struct pp_cmd_context *context, int argc, char **argv);
int pp_cmd_queue(struct pp_cmd_context *context, int argc, char **argv);
int pp_cmd_status(struct pp_cmd_context *context, int argc, char **argv);
int pp_cmd_passwd(struct pp_cmd_context *context, int argc, char **argv);
int pp_cmd_pin(struct pp_cmd_context *context, int argc, char **argv);
int pp_cmd_check(struct pp_cmd_context *context, int argc, char **argv);
int pp_cmd_store(struct pp_cmd_context *context, int argc, char **argv);
int pp_cmd_test(struct pp_cmd_context *context, int argc, char **argv);

#endif
