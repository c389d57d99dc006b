/*
 * log.c - one line an event: key=value, the queue id first
 *
 * Job:      build a bounded line and hand it to a sink.
 * Not here: where lines go (port.h), what is worth saying (the rooms).
 */
#include "base/log.h"

#include <stddef.h>

#define VALUE_MAX  512 /* bytes of one value that are looked at */
#define CUT_MARK_Z " cut=yes"
#define CUT_LEN    (sizeof(CUT_MARK_Z) - 1)

/* Put " key=value" whole; a value that does not fit is shortened until it does. */
static void put_pair(struct pp_log_line *line, const char *key_z, struct pp_text value)
{
    struct pp_writer *w = &line->w;
    size_t start = w->len;
    if (line->log == NULL || w->overflow)
        return;
    for (size_t max = VALUE_MAX; max > 0; max /= 2) {
        w->len = start;
        w->overflow = false;
        if (start > 0)
            pp_put_char(w, ' ');
        pp_put_z(w, key_z);
        pp_put_char(w, '=');
        pp_put_value(w, value, max);
        if (!w->overflow) {
            w->overflow = max < VALUE_MAX;
            return;
        }
    }
    w->len = start;
}

void pp_log_begin(struct pp_log_line *line, const struct pp_log *log, enum pp_log_level level,
                  uint32_t id, const char *event_z)
{
    line->log = log != NULL && log->sink != NULL && level <= log->level ? log : NULL;
    line->level = level;
    if (line->log == NULL)
        return;
    pp_writer_init(&line->w, line->text, sizeof(line->text) - CUT_LEN);
    if (id != 0) {
        const uint8_t bytes[4] = {(uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8),
                                  (uint8_t)id};
        pp_put_z(&line->w, "id=");
        pp_put_hex(&line->w, bytes, sizeof(bytes), 0);
    }
    pp_log_z(line, "event", event_z);
}

void pp_log_text(struct pp_log_line *line, const char *key_z, struct pp_text value)
{
    put_pair(line, key_z, value);
}

void pp_log_z(struct pp_log_line *line, const char *key_z, const char *value_z)
{
    put_pair(line, key_z, pp_text_z(value_z));
}

void pp_log_u64(struct pp_log_line *line, const char *key_z, uint64_t value)
{
    char digits[20];
    struct pp_writer w;
    if (line->log == NULL)
        return;
    pp_writer_init(&w, digits, sizeof(digits));
    pp_put_u64(&w, value);
    put_pair(line, key_z, pp_writer_text(&w));
}

void pp_log_err(struct pp_log_line *line, enum pp_err err)
{
    pp_log_z(line, "error", pp_err_text(err));
}

void pp_log_end(struct pp_log_line *line)
{
    if (line->log == NULL)
        return;
    bool cut = line->w.overflow;
    line->w.cap = sizeof(line->text);
    if (cut)
        pp_put_z(&line->w, CUT_MARK_Z);
    line->log->sink(line->log->ctx, line->level, line->text, line->w.len);
    line->log = NULL;
}

const char *pp_log_level_name(enum pp_log_level level)
{
    switch (level) {
    case PP_LOG_ERROR:
        return "error";
    case PP_LOG_WARN:
        return "warn";
    case PP_LOG_INFO:
        return "info";
    case PP_LOG_DEBUG:
        return "debug";
    }
    return "unknown";
}
