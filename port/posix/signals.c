/*
 * signals.c - SIGTERM, SIGINT and SIGHUP as flags that a turn looks at
 *
 * Job:      what a handler may do and no more (POSIX 2.4.3): set flags, write to an eventfd.
 */
#include "signals.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Handlers have no context argument: the one place where file-level state is the way. */
static volatile sig_atomic_t stops, hangup, pending;
static int wake_fd = -1;

static void on_signal(int number)
{
    const uint64_t one = 1;
    int kept = errno;

    if (number == SIGHUP)
        hangup = 1;
    else if (stops < 2)
        stops = stops + 1;
    pending = 1;
    (void)!write(wake_fd, &one, sizeof one);
    errno = kept;
}

int pp_signals_open(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    sigemptyset(&action.sa_mask);
    if (wake_fd < 0 || sigaction(SIGTERM, &action, NULL) != 0 ||
        sigaction(SIGINT, &action, NULL) != 0 || sigaction(SIGHUP, &action, NULL) != 0)
        return -1;
    action.sa_handler = SIG_IGN;
    return sigaction(SIGPIPE, &action, NULL) == 0 ? wake_fd : -1;
}

int pp_signals_stops(void)
{
    return stops;
}

bool pp_signals_hangup(void)
{
    bool was = hangup != 0;
    hangup = 0;
    return was;
}

void pp_signals_clear(void)
{
    uint64_t count;

    if (!pending)
        return;
    pending = 0;
    (void)!read(wake_fd, &count, sizeof count);
}
