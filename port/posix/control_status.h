/*
 * control_status.h - the daemon's state as one line of JSON
 *
 * Job:      the answer to `status`, without the end of its line.
 */
#ifndef PP_POSIX_CONTROL_STATUS_H
#define PP_POSIX_CONTROL_STATUS_H

#include "control_task.h"

void pp_control_put_status(const struct pp_control_world *world, struct pp_writer *w);

#endif
