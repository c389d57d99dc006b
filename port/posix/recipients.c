/*
 * recipients.c - the recipients of one message, gathered before it is handed over
 *
 * Job:      walk arguments and header fields, keep each address once.
 */
#include "recipients.h"

#include <string.h>

#include "message/address.h"

void pp_recipients_clear(struct pp_recipients *list)
{
    list->count = 0;
    list->used = 0;
}

enum pp_err pp_recipients_next(const struct pp_recipients *list, size_t *cursor,
                               struct pp_text *address)
{
    if (*cursor >= list->used) {
        return PP_ERR_NOT_FOUND;
    }
    *address = pp_text_z(list->bytes + *cursor);
    *cursor += address->len + 1;
    return PP_OK;
}

static bool is_known(const struct pp_recipients *list, struct pp_text address)
{
    size_t cursor = 0;
    struct pp_text other;

    while (pp_recipients_next(list, &cursor, &other) == PP_OK) {
        if (pp_text_equal(other, address)) {
            return true;
        }
    }
    return false;
}

static enum pp_err keep(struct pp_recipients *list, struct pp_text address)
{
    if (is_known(list, address)) {
        return PP_OK;
    }
    if (list->count >= PP_RECIPIENTS_MAX || address.len >= sizeof(list->bytes) - list->used) {
        return PP_ERR_TOO_BIG;
    }
    memcpy(list->bytes + list->used, address.p, address.len);
    list->bytes[list->used + address.len] = '\0';
    list->used += address.len + 1;
    list->count++;
    return PP_OK;
}

/* `rest` is on one line; *found counts the addresses in it. */
static enum pp_err add_line(struct pp_recipients *list, struct pp_text rest, size_t *found,
                            struct pp_text *bad)
{
    for (;;) {
        struct pp_text address;
        const char *from = rest.p;
        enum pp_err err = pp_address_next(&rest, &address);
        if (err == PP_ERR_NOT_FOUND) {
            return PP_OK;
        }
        if (err == PP_OK) {
            (*found)++;
            err = keep(list, address);
        }
        if (err != PP_OK) {
            size_t len = rest.p > from ? (size_t)(rest.p - from) : rest.len;
            *bad = pp_text_trim(pp_text_n(from, len));
            return err;
        }
    }
}

enum pp_err pp_recipients_add(struct pp_recipients *list, struct pp_text text, struct pp_text *bad)
{
    size_t found = 0;
    enum pp_err err;

    *bad = text;
    if (pp_text_has_line_break(text)) {
        return PP_ERR_INJECTION;
    }
    err = add_line(list, text, &found, bad);
    return err == PP_OK && found == 0 ? PP_ERR_EMPTY : err;
}

/* ---- header fields ---- */

/* Cut the next line off, its end included. */
static struct pp_text cut_line(struct pp_text *rest)
{
    size_t end = pp_text_find(*rest, '\n');
    struct pp_text line = pp_text_n(rest->p, end < rest->len ? end + 1 : end);

    *rest = pp_text_n(rest->p + line.len, rest->len - line.len);
    return line;
}

/*
 * Cut the next field off, continuation lines included. Returns false at the end of the header
 * section: an empty line, or one that is no field.
 */
static bool cut_field(struct pp_text *rest, struct pp_text *name, struct pp_text *value)
{
    const char *start = rest->p;
    struct pp_text line = cut_line(rest);
    size_t colon = pp_text_find(line, ':');

    *name = pp_text_trim(pp_text_n(line.p, colon));
    if (line.len == 0 || colon == line.len || name->len == 0 || line.p[0] == ' ' ||
        line.p[0] == '\t' || pp_text_find(*name, ' ') < name->len) {
        return false;
    }
    while (rest->len > 0 && (rest->p[0] == ' ' || rest->p[0] == '\t')) {
        (void)cut_line(rest);
    }
    *value = pp_text_n(line.p + colon + 1, (size_t)(rest->p - start) - colon - 1);
    return true;
}

static bool is_one_of(struct pp_text name, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (pp_text_equal_nocase(name, pp_text_z(*names))) {
            return true;
        }
    }
    return false;
}

static const char *const plain_names[] = {"To", "Cc", "Bcc", NULL};
static const char *const resent_names[] = {"Resent-To", "Resent-Cc", "Resent-Bcc", NULL};

/* mailers of old put a line `From user date` before the header. */
static struct pp_text skip_mbox_line(struct pp_text message)
{
    if (message.len >= 5 && memcmp(message.p, "From ", 5) == 0) {
        (void)cut_line(&message);
    }
    return message;
}

/* Unfolded into `unfolded`, in one line. */
static struct pp_text unfold(struct pp_text value, char *unfolded)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.p[i];
        unfolded[i] = (char)(c == '\r' || c == '\n' ? ' ' : c);
    }
    return pp_text_n(unfolded, value.len);
}

enum pp_err pp_recipients_from_header(struct pp_recipients *list, struct pp_text message,
                                      bool whole, struct pp_text *bad)
{
    static char unfolded[PP_RECIPIENTS_BYTES];
    const char *const *names = plain_names;
    struct pp_text rest = skip_mbox_line(message), name, value;
    size_t found = 0;

    *bad = pp_text_z("");
    while (cut_field(&rest, &name, &value)) {
        if (is_one_of(name, resent_names)) {
            names = resent_names;
        }
    }
    if (rest.len == 0 && !whole) {
        return PP_ERR_TOO_BIG;
    }
    rest = skip_mbox_line(message);
    while (cut_field(&rest, &name, &value)) {
        enum pp_err err = PP_OK;
        if (!is_one_of(name, names)) {
            continue;
        }
        if (value.len > sizeof(unfolded)) {
            return PP_ERR_TOO_BIG;
        }
        err = add_line(list, unfold(value, unfolded), &found, bad);
        if (err != PP_OK) {
            return err;
        }
    }
    return PP_OK;
}
