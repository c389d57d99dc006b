/*
 * time.h - instants and dates
 *
 * Job:      the type of an instant, and a civil date from seconds since 1970 (UTC), as
 *           RFC 5322 3.3 writes it.
 * Not here: reading a clock (port.h).
 */
#ifndef PP_BASE_TIME_H
#define PP_BASE_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

typedef uint64_t pp_time_ms; /* monotonic milliseconds since an arbitrary start */
#define PP_TIME_NEVER   ((pp_time_ms)UINT64_MAX)
#define PP_WALL_UNKNOWN ((int64_t)-1) /* wall clock in seconds since 1970, UTC */

struct pp_date {
    int32_t year;
    uint8_t month; /* 1-12 */
    uint8_t day;   /* 1-31 */
    uint8_t hour, minute, second;
    uint8_t weekday; /* 0 is Sunday */
};

pp_time_ms pp_time_add(pp_time_ms at_ms, uint64_t span_ms); /* stops at PP_TIME_NEVER */
pp_time_ms pp_time_min(pp_time_ms a, pp_time_ms b);
/* Any second from 1970 to 9999; others are clamped. */
struct pp_date pp_date_from_wall(int64_t wall_s);
/* The other way round: a date from 1970 to 9999, others are clamped; `weekday` does not count. */
int64_t pp_date_to_wall(const struct pp_date *date);
void pp_put_date_rfc5322(struct pp_writer *w, int64_t wall_s); /* Sun, 22 Nov 2026 21:24:00 +0000 */
void pp_put_date_iso(struct pp_writer *w, int64_t wall_s);     /* 2026-11-22T21:24:00Z */
/* "5 days", "30 min", "45 s": for words to an operator. */
void pp_put_span(struct pp_writer *w, uint64_t span_ms);

#endif
