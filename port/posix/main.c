/*
 * main.c - the pinpost program: which command was meant
 *
 * Job:      options before the command, the table of commands, other names of the program.
 * Not here: the commands (cmd_NAME.c).
 */
#include <stdio.h>
#include <string.h>

#include "cmd.h"

struct command {
    const char *name_z;
    int (*run)(struct pp_cmd_context *context, int argc, char **argv);
    const char *help_z;
};

static const struct command commands[] = {
    {"run", pp_cmd_run, "take mail in and deliver it: the daemon"},
    {"send", pp_cmd_send, "send the text on standard input as an alert"},
    {"queue", pp_cmd_queue, "list, show, flush, hold, release, remove waiting mail"},
    {"status", pp_cmd_status, "how the daemon, its store and its smarthost are"},
    {"store", pp_cmd_store, "look into a store's image: blocks, wear, messages, damage"},
    {"check", pp_cmd_check, "look for mistakes in the configuration"},
    {"test", pp_cmd_test, "walk to the smarthost step by step, without sending mail"},
    {"pin", pp_cmd_pin, "show a server's certificate and its fingerprints"},
    {"passwd", pp_cmd_passwd, "make the password line of a user who submits over the network"},
    {"sendmail", pp_cmd_sendmail, "what programs call as /usr/sbin/sendmail"},
};

/* Large, and one a process. */
static struct pp_cmd_context the_context;

static void print_usage(FILE *out)
{
    fprintf(out, "usage: pinpost [-c FILE] COMMAND [ARGUMENTS]\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(out, "  %-9s %s\n", commands[i].name_z, commands[i].help_z);
    fprintf(out, "\n  -c FILE   the configuration; otherwise " PP_DEFAULT_CONFIG "\n"
                 "  pinpost COMMAND --help says more about each.\n");
}

static const char *base_name(const char *path_z)
{
    const char *slash = strrchr(path_z, '/');
    return slash ? slash + 1 : path_z;
}

static int run_command(const char *name_z, int argc, char **argv)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(name_z, commands[i].name_z) == 0)
            return commands[i].run(&the_context, argc, argv);
    }
    pp_cmd_say(&the_context, "no command \"%.60s\"; pinpost --help lists them", name_z);
    return EX_USAGE;
}

/* mailq lists the queue and newaliases has nothing to do; anything else but sendmail is pinpost. */
static int run_as(const char *name_z, int argc, char **argv, int *status)
{
    static char queue[] = "queue", list[] = "list";
    char *arguments[] = {queue, list, NULL};

    the_context.program_z = name_z;
    if (strcmp(name_z, "sendmail") == 0)
        *status = pp_cmd_sendmail(&the_context, argc, argv);
    else if (strcmp(name_z, "mailq") == 0)
        *status = pp_cmd_queue(&the_context, 2, arguments);
    else if (strcmp(name_z, "newaliases") == 0)
        *status = EX_OK;
    else
        return 0;
    return 1;
}

int main(int argc, char **argv)
{
    const char *name_z = argc > 0 ? base_name(argv[0]) : "pinpost";
    int at = 1, status = EX_OK;

    the_context.config_path_z = PP_DEFAULT_CONFIG;
    pp_config_defaults(&the_context.config);
    if (run_as(name_z, argc, argv, &status))
        return status;
    the_context.program_z = "pinpost";
    while (at < argc && argv[at][0] == '-') {
        if (strcmp(argv[at], "-c") == 0 && at + 1 < argc) {
            the_context.config_path_z = argv[at + 1];
            the_context.config_path_given = true;
            at += 2;
        } else if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0) {
            print_usage(stdout);
            return EX_OK;
        } else if (strcmp(argv[at], "--version") == 0) {
            printf("pinpost " PP_PINPOST_VERSION "\n");
            return EX_OK;
        } else {
            pp_cmd_say(&the_context, "no option \"%.60s\"; pinpost --help lists them", argv[at]);
            return EX_USAGE;
        }
    }
    if (at >= argc) {
        print_usage(stderr);
        return EX_USAGE;
    }
    return run_command(argv[at], argc - at, argv + at);
}
