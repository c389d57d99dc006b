/*
 * cmd_run.c - `pinpost run`: the daemon
 *
 * Job:      options; configuration, start, loop, stop.
 * Not here: all of that (daemon.h). It stays in the foreground: systemd, runit and the like watch
 * it.
 */
#include <stdio.h>
#include <string.h>

#include "daemon.h"

static const char usage[] =
    "usage: pinpost [-c FILE] run\n"
    "\n"
    "Takes mail in, keeps it in the store and delivers it to the smarthost. Stays in the\n"
    "foreground. SIGHUP rereads the configuration, SIGTERM finishes and stops.\n";

/* Large, and one a process. */
static struct pp_daemon the_daemon;

int pp_cmd_run(struct pp_cmd_context *context, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(usage, stdout);
            return EX_OK;
        }
        if (strcmp(argv[i], "--foreground") != 0) {
            pp_cmd_say(context, "run: unknown argument \"%.60s\"; pinpost run --help says more",
                       argv[i]);
            return EX_USAGE;
        }
    }
    int status = pp_cmd_load(context);
    if (status != EX_OK)
        return status;
    status = pp_daemon_start(&the_daemon, context);
    if (status == EX_OK)
        pp_daemon_loop(&the_daemon);
    pp_daemon_stop(&the_daemon);
    return status;
}
