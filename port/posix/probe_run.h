/*
 * probe_run.h - one walk to the smarthost, driven to its end by a command
 *
 * Job:      a port of its own, patience of a person in place of a mail server's, the loop.
 * Not here: the walk (delivery/probe.h), how its steps are shown (cmd_pin.c, cmd_test.c).
 */
#ifndef PP_POSIX_PROBE_RUN_H
#define PP_POSIX_PROBE_RUN_H

#include "cmd.h"

#define PP_PROBE_STEP_MS 30000 /* each step takes at most this long */

typedef void (*pp_probe_step_fn)(void *ctx, const struct pp_probe_report *report);

/*
 * Walk to the first smarthost of the context's configuration, whose timeouts are shortened to
 * PP_PROBE_STEP_MS. on_step is called for each step. Returns EX_OK when the walk took place,
 * EX_OSERR or EX_SOFTWARE with words when it could not begin.
 */
PP_MUST_USE int pp_probe_run(struct pp_cmd_context *context, bool inspect, pp_probe_step_fn on_step,
                             void *ctx);

#endif
