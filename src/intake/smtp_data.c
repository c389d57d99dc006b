/*
 * smtp_data.c - where a message ends, and where it is not clean
 *
 * Job:      see smtp_data.h.
 * Follows:  RFC 5321 4.5.2
 */
#include "intake/smtp_data.h"

#include <string.h>

static const char line_end[] = "\r\n";

size_t pp_server_data_skip(struct pp_server_data *c, const uint8_t *p, size_t len)
{
    size_t i = 0;

    if (c->chunks) {
        return 0;
    }
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
        /* That CR is behind us and was no line end: normalized it is one, and the line was empty.
         */
        c->unclean = c->unclean || !c->normalize;
        c->place = c->normalize ? PP_DATA_CR : PP_DATA_TEXT;
    }
    return i;
}

/* ---- as it stands ---- */

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

static size_t run(struct pp_server_data *c, const uint8_t *p, size_t len)
{
    size_t i = 0;

    while (i < len) {
        switch (c->place) {
        case PP_DATA_LINE_START:
            if (p[i] == '.' && !c->chunks) {
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

/* ---- made clean ---- */

/* Text up to the next CR or LF, whatever comes first. */
static size_t clean_len(struct pp_server_data *c, const uint8_t *p, size_t len)
{
    const uint8_t *lf = memchr(p, '\n', len);
    size_t max = lf != NULL ? (size_t)(lf - p) : len;
    const uint8_t *cr = memchr(p, '\r', max);

    max = cr != NULL ? (size_t)(cr - p) : max;
    c->unclean = c->unclean || memchr(p, '\0', max) != NULL;
    return max;
}

static struct pp_text next_clean(struct pp_server_data *c, const uint8_t *p, size_t len,
                                 size_t *taken)
{
    *taken = 0;
    if (c->place == PP_DATA_CR) {
        bool whole = p[0] == '\n';
        *taken = whole ? 1 : 0;
        c->place = whole ? PP_DATA_LINE_START : PP_DATA_TEXT;
        return pp_text_z(line_end);
    }
    if (c->place != PP_DATA_TEXT &&
        (c->place != PP_DATA_LINE_START || (p[0] == '.' && !c->chunks))) {
        return pp_text_n(NULL, 0);
    }
    c->place = PP_DATA_TEXT;
    *taken = clean_len(c, p, len);
    if (*taken > 0) {
        return pp_text_n((const char *)p, *taken);
    }
    *taken = 1;
    if (p[0] == '\r') {
        c->place = PP_DATA_CR; /* its LF decides */
        return pp_text_n(NULL, 0);
    }
    return pp_text_z(line_end);
}

struct pp_text pp_server_data_next(struct pp_server_data *c, const uint8_t *p, size_t len,
                                   size_t *taken)
{
    *taken = 0;
    if (len == 0) {
        return pp_text_n(NULL, 0);
    }
    if (c->normalize) {
        return next_clean(c, p, len, taken);
    }
    *taken = run(c, p, len);
    return pp_text_n((const char *)p, *taken);
}

struct pp_text pp_server_data_last(struct pp_server_data *c)
{
    bool open = c->place == PP_DATA_CR;

    c->unclean = c->unclean || (open && !c->normalize);
    c->place = PP_DATA_END;
    return open && c->normalize ? pp_text_z(line_end) : pp_text_n(NULL, 0);
}
