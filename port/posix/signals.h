/*
 * signals.h - SIGTERM, SIGINT and SIGHUP as flags that a turn looks at
 *
 * Job:      handlers that set a flag and wake the loop; SIGPIPE is ignored.
 */
#ifndef PP_POSIX_SIGNALS_H
#define PP_POSIX_SIGNALS_H

#include <stdbool.h>

/* Install the handlers. Returns a descriptor that can be read after each signal, or -1 with errno.
 */
int pp_signals_open(void);
/* How many of SIGTERM and SIGINT came so far. */
int pp_signals_stops(void);
/* True once a SIGHUP. */
bool pp_signals_hangup(void);
/* Empty the descriptor: to be called each turn; costs nothing when nothing came. */
void pp_signals_clear(void);

#endif
