/*
 * smtp_data.c - where a message ends, and where it is not clean
 *
 * Job:      see smtp_data.h.
 * Follows:  RFC 5321 4.5.2
 */
#include "intake/smtp_data.h"

#include <string.h>

size_t pp_server_data_skip(struct pp_server_data *c, const uint8_t *p, size_t len)
{
    size_t i = 0;

    if (c->place == PP_DATA_LINE_START && i < len && p[i] == '.') {
        c->place = PP_DATA_DOT;
        i++;
    }
    if (c->place == PP_DATA_DOT && i < len) {
        if (p[i] != '\r') {
            c->place = PP_DATA_TEXT;
            return i;
        }
        c->place = PP_DATA_DOT_CR;
        i++;
    }
    if (c->place == PP_DATA_DOT_CR && i < len) {
        if (p[i] == '\n') {
            c->place = PP_DATA_END;
            return i + 1;
        }
        /* That CR is behind us and was no line end. */
        c->unclean = true;
        c->place = PP_DATA_TEXT;
    }
    return i;
}

/* One line or what there is of it, from within its text up to its CR. */
static size_t run_text(struct pp_server_data *c, const uint8_t *p, size_t len)
{
    const uint8_t *cr = memchr(p, '\r', len);
    size_t text_len = cr != NULL ? (size_t)(cr - p) : len;

    if (memchr(p, '\n', text_len) != NULL || memchr(p, '\0', text_len) != NULL) {
        c->unclean = true;
    }
    c->place = cr != NULL ? PP_DATA_CR : PP_DATA_TEXT;
    return cr != NULL ? text_len + 1 : text_len;
}

size_t pp_server_data_run(struct pp_server_data *c, const uint8_t *p, size_t len)
{
    size_t i = 0;

    while (i < len) {
        switch (c->place) {
        case PP_DATA_LINE_START:
            if (p[i] == '.') {
                return i;
            }
            c->place = PP_DATA_TEXT;
            break;
        case PP_DATA_TEXT:
            i += run_text(c, p + i, len - i);
            break;
        case PP_DATA_CR:
            if (p[i] == '\n') {
                c->place = PP_DATA_LINE_START;
                i++;
            } else {
                c->unclean = true;
                c->place = PP_DATA_TEXT;
            }
            break;
        case PP_DATA_DOT:
        case PP_DATA_DOT_CR:
        case PP_DATA_END:
            return i;
        }
    }
    return i;
}
