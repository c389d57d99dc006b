/*
 * log.h - one line an event: key=value, the queue id first
 *
 * Job:      build a bounded line and hand it to a sink.
 * Not here: where lines go (port.h), what is worth saying (the rooms).
 *
 *     struct pp_log_line l;
 *     pp_log_begin(&l, log, PP_LOG_INFO, id, "delivered");
 *     pp_log_text(&l, "to", recipient);
 *     pp_log_u64(&l, "code", 250);
 *     pp_log_end(&l);
 *
 * gives `id=00000007 event=delivered to=a@b code=250`. Values are made safe (text.h):
 * a peer cannot forge a line. A line too long is cut and ends in ` cut=yes`.
 */
#ifndef PP_BASE_LOG_H
#define PP_BASE_LOG_H

#include <stdint.h>

#include "base/err.h"
#include "base/text.h"

enum pp_log_level { PP_LOG_ERROR, PP_LOG_WARN, PP_LOG_INFO, PP_LOG_DEBUG };

#define PP_LOG_LINE_CAP 1024

struct pp_log {
    void (*sink)(void *ctx, enum pp_log_level level, const char *line, size_t len);
    void *ctx;
    enum pp_log_level level; /* lines above this level cost one comparison */
};

struct pp_log_line {
    const struct pp_log *log; /* NULL when the line is not wanted */
    enum pp_log_level level;
    struct pp_writer w;
    char text[PP_LOG_LINE_CAP];
};

/* id 0: the line is about no message, and starts with event=. */
void pp_log_begin(struct pp_log_line *line, const struct pp_log *log, enum pp_log_level level,
                  uint32_t id, const char *event_z);
void pp_log_text(struct pp_log_line *line, const char *key_z, struct pp_text value);
void pp_log_z(struct pp_log_line *line, const char *key_z, const char *value_z);
void pp_log_u64(struct pp_log_line *line, const char *key_z, uint64_t value);
void pp_log_err(struct pp_log_line *line, enum pp_err err); /* error="..." */
void pp_log_end(struct pp_log_line *line);
/* "error", "warn", "info", "debug". */
const char *pp_log_level_name(enum pp_log_level level);

#endif
