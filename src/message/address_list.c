/*
 * address_list.c - the addresses in a header field or on a command line
 *
 * Job:      find one address after the other between names, comments, quotes and groups.
 * Not here: whether an address is well formed (address.c).
 * Follows:  RFC 5322 3.4 (address-list, mailbox, group), 3.2.2 (comments), 3.2.4 (quotes)
 */
#include <string.h>

#include "message/address.h"

/* What was seen of one entry so far. A view's p is NULL until it is found. */
struct entry {
    struct pp_text angle; /* between < and > */
    struct pp_text run;   /* the first piece without blanks outside of brackets */
    bool run_open;        /* the byte before belongs to the run */
    bool many;            /* more than one piece: a display name, unless there is no < */
    bool after_angle;     /* something but a comment behind > */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Index behind the closing `close` that matches text.p[at]; text.len + 1 when there is none. */
static size_t skip_enclosed(struct pp_text text, size_t at, char close)
{
    char open = text.p[at];
    size_t depth = 0;

    for (size_t i = at; i < text.len; i++) {
        char c = text.p[i];

        if (c == '\\') {
            i++;
        } else if (c == close && (open != close || i > at)) {
            if (depth <= 1) {
                return i + 1;
            }
            depth--;
        } else if (c == open && (open == '(' || i == at)) {
            depth++;
        }
    }
    return text.len + 1;
}

/* As skip_enclosed for < >, where a quoted local part may hold a >. */
static size_t skip_angle(struct pp_text text, size_t at)
{
    size_t i = at + 1;

    while (i < text.len && text.p[i] != '>') {
        i = text.p[i] == '"' ? skip_enclosed(text, i, '"') : i + 1;
    }
    return i + 1;
}

static void add_run(struct entry *e, struct pp_text text, size_t from, size_t to)
{
    if (e->angle.p != NULL) {
        e->after_angle = true;
    } else if (e->run.p == NULL) {
        e->run = pp_text_n(text.p + from, to - from);
    } else if (e->run_open) {
        e->run.len += to - from;
    } else {
        e->many = true;
    }
    e->run_open = true;
}

/* Takes one token at `at` into the entry and returns the index behind it, beyond text.len when it
 * does not end. */
static size_t take_token(struct entry *e, struct pp_text text, size_t at)
{
    size_t end = at + 1;
    char c = text.p[at];

    if (is_blank(c)) {
        e->run_open = false;
    } else if (c == '(') {
        end = skip_enclosed(text, at, ')');
        e->run_open = false;
    } else if (c == '<') {
        end = skip_angle(text, at);
        if (end <= text.len) {
            e->after_angle = e->angle.p != NULL;
            e->angle = pp_text_trim(pp_text_n(text.p + at + 1, end - at - 2));
        }
        e->run_open = false;
    } else {
        if (c == '"') {
            end = skip_enclosed(text, at, '"');
        } else if (c == '[') {
            end = skip_enclosed(text, at, ']');
        }
        if (end <= text.len) {
            add_run(e, text, at, end);
        }
    }
    return end;
}

static enum pp_err entry_address(const struct entry *e, struct pp_text *address)
{
    if (e->angle.p != NULL) {
        *address = e->angle;
        return e->after_angle || e->angle.len == 0 ? PP_ERR_SYNTAX : PP_OK;
    }
    *address = e->run;
    return e->many ? PP_ERR_SYNTAX : PP_OK;
}

enum pp_err pp_address_next(struct pp_text *rest, struct pp_text *address)
{
    struct pp_text text = *rest;
    struct entry e = {0};
    size_t i = 0;

    *address = pp_text_n(NULL, 0);
    while (i < text.len) {
        char c = text.p[i];

        if (c == ':') {
            /* What stood before was the name of a group. */
            memset(&e, 0, sizeof e);
            i++;
        } else if (c == ',' || c == ';') {
            i++;
            if (e.run.p != NULL || e.angle.p != NULL) {
                break;
            }
        } else {
            i = take_token(&e, text, i);
        }
    }
    bool open = i > text.len;
    i = open ? text.len : i;
    *rest = pp_text_n(text.p + i, text.len - i);
    if (open) {
        return PP_ERR_SYNTAX;
    }
    if (e.run.p == NULL && e.angle.p == NULL) {
        return PP_ERR_NOT_FOUND;
    }
    return entry_address(&e, address);
}
