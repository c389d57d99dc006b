/*
 * queue_show.h - the queue as a person reads it
 *
 * Job:      the daemon's item lines (docs/control-protocol.md) as a table and as a page. All that
 * came from peers is made safe for a terminal. Not here: asking (cmd_queue.c).
 */
#ifndef PP_POSIX_QUEUE_SHOW_H
#define PP_POSIX_QUEUE_SHOW_H

#include <stdint.h>

#include "json_read.h"

/* What was seen while a list was shown. */
struct pp_queue_totals {
    uint32_t messages, failed, held;
};

/* One message of `list`; the first brings the table's head. */
void pp_queue_show_row(const struct pp_json *item, struct pp_queue_totals *totals);
void pp_queue_show_totals(const struct pp_queue_totals *totals);
/* One line of `show`: the message, a recipient, or a piece of content; *state starts at 0. */
void pp_queue_show_item(const struct pp_json *item, int *state);

#endif
