/*
 * drop_header.c - the header of a file in the drop directory
 *
 * Job:      anybody on the machine may have written the file: every line is bounded and known.
 * Follows:  drop.h
 */
#include "drop_header.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"

enum pp_err pp_drop_rewind(struct pp_drop_reader *r)
{
    r->at = r->len = 0;
    return lseek(r->fd, 0, SEEK_SET) == 0 ? PP_OK : PP_ERR_IO;
}

/* More bytes behind those that wait. PP_ERR_CLOSED at the end of the file. */
static enum pp_err fill(struct pp_drop_reader *r)
{
    if (r->at > 0) {
        memmove(r->bytes, r->bytes + r->at, r->len - r->at);
        r->len -= r->at;
        r->at = 0;
    }
    ssize_t n;
    do {
        n = read(r->fd, r->bytes + r->len, sizeof r->bytes - r->len);
    } while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n == 0 ? PP_ERR_CLOSED : PP_ERR_IO;
    r->len += (size_t)n;
    return PP_OK;
}

enum pp_err pp_drop_line(struct pp_drop_reader *r, struct pp_text *line)
{
    for (;;) {
        struct pp_text rest = pp_text_n(r->bytes + r->at, r->len - r->at);
        size_t end = pp_text_find(rest, '\n');
        if (end > PP_DROP_LINE_MAX)
            return PP_ERR_TOO_BIG;
        if (end < rest.len) {
            *line = pp_text_n(rest.p, end);
            r->at += end + 1;
            return PP_OK;
        }
        enum pp_err err = fill(r);
        if (err != PP_OK)
            return err;
    }
}

enum pp_err pp_drop_content(struct pp_drop_reader *r, const char **bytes, size_t *len)
{
    enum pp_err err = r->at == r->len ? fill(r) : PP_OK;
    *bytes = r->bytes + r->at;
    *len = r->len - r->at;
    r->at = r->len;
    return err == PP_ERR_CLOSED ? PP_OK : err;
}

struct pp_text pp_drop_key(struct pp_text line, struct pp_text *value)
{
    struct pp_text rest = line;
    struct pp_text key = pp_text_cut(&rest, ' ');
    *value = rest;
    return key;
}

/* Copy, or decode, into the header's own memory. */
static enum pp_err keep(struct pp_drop_header *h, struct pp_text value, bool base64, size_t most,
                        struct pp_text *field)
{
    char *out = h->text + h->text_len;
    size_t room = sizeof h->text - h->text_len, len = value.len;
    enum pp_err err = PP_OK;

    if (field->p || value.len == 0)
        return PP_ERR_SYNTAX;
    if (base64)
        err = pp_base64_decode(value, out, room < most ? room : most, &len);
    else if (len > room || len > most)
        err = PP_ERR_TOO_BIG;
    else
        memcpy(out, value.p, len);
    if (err != PP_OK)
        return err;
    *field = pp_text_n(out, len);
    h->text_len += len;
    return PP_OK;
}

static enum pp_err take(struct pp_drop_header *h, struct pp_text line)
{
    struct pp_text value;
    struct pp_text key = pp_drop_key(line, &value);

    if (pp_text_equal(key, pp_text_z(PP_DROP_RECIPIENT)))
        return value.len > 0 ? PP_OK : PP_ERR_SYNTAX;
    if (pp_text_equal(key, pp_text_z(PP_DROP_SENDER)))
        return keep(h, value, false, PP_ADDRESS_CAP, &h->sender);
    if (pp_text_equal(key, pp_text_z(PP_DROP_NAME)))
        return keep(h, value, true, 256, &h->name);
    if (pp_text_equal(key, pp_text_z(PP_DROP_SUBJECT)))
        return keep(h, value, true, 900, &h->subject);
    if (pp_text_equal(key, pp_text_z(PP_DROP_KIND))) {
        bool alert = pp_text_equal(value, pp_text_z("alert"));
        h->kind = alert ? PP_KIND_ALERT : PP_KIND_MESSAGE;
        return alert || pp_text_equal(value, pp_text_z("message")) ? PP_OK : PP_ERR_SYNTAX;
    }
    if (pp_text_equal(key, pp_text_z(PP_DROP_SEVERITY)))
        return pp_severity_from_text(value, &h->severity);
    if (value.len > 0)
        return PP_ERR_SYNTAX;
    if (pp_text_equal(key, pp_text_z(PP_DROP_8BITMIME)))
        h->body_8bitmime = true;
    else if (pp_text_equal(key, pp_text_z(PP_DROP_SMTPUTF8)))
        h->smtputf8 = true;
    else if (!pp_text_equal(key, pp_text_z(PP_DROP_DEFAULT_TO)))
        return PP_ERR_SYNTAX;
    return PP_OK;
}

enum pp_err pp_drop_header_read(struct pp_drop_reader *r, struct pp_drop_header *header)
{
    struct pp_text line;

    memset(header, 0, sizeof *header);
    header->kind = PP_KIND_MESSAGE;
    enum pp_err err = pp_drop_rewind(r);
    if (err == PP_OK)
        err = pp_drop_line(r, &line);
    if (err == PP_OK && !pp_text_equal(line, pp_text_z(PP_DROP_FIRST_LINE)))
        err = PP_ERR_SYNTAX;
    header->bytes = sizeof(PP_DROP_FIRST_LINE);
    for (int i = 1; err == PP_OK && i < PP_DROP_LINES_MAX; i++) {
        err = pp_drop_line(r, &line);
        if (err == PP_OK)
            header->bytes += line.len + 1;
        if (err == PP_OK && line.len == 0)
            return PP_OK;
        if (err == PP_OK)
            err = take(header, line);
    }
    return err == PP_OK ? PP_ERR_TOO_BIG : err;
}
