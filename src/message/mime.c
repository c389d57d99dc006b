/*
 * mime.c - what a MIME entity says of itself
 *
 * Job:      see mime.h.
 * Follows:  RFC 2045 5.1 (grammar of Content-Type), RFC 2046 5.1.1
 */
#include "message/mime.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip(struct pp_text *rest, size_t n)
{
    rest->p += n;
    rest->len -= n;
}

/* Blanks and comments, which may be nested. */
static void skip_blanks(struct pp_text *rest)
{
    size_t depth = 0;

    while (rest->len > 0 && (depth > 0 || is_blank(rest->p[0]) || rest->p[0] == '(')) {
        char c = rest->p[0];

        if (c == '(') {
            depth++;
        } else if (c == ')') {
            depth--;
        } else if (c == '\\' && rest->len > 1) {
            skip(rest, 1);
        }
        skip(rest, 1);
    }
}

/* RFC 2045 5.1: a token has no blanks, controls or specials. */
static struct pp_text cut_token(struct pp_text *rest)
{
    size_t n = 0;

    while (n < rest->len && rest->p[n] > ' ' && rest->p[n] <= '~' &&
           strchr("()<>@,;:\\\"/[]?=", rest->p[n]) == NULL) {
        n++;
    }
    struct pp_text token = pp_text_n(rest->p, n);
    skip(rest, n);
    return token;
}

/*
 * A value, quoted or not, into `out`; what is too long overflows it. False when there is no end.
 * Many write specials without quotes, so there only a blank or ; ends it.
 */
static bool cut_value(struct pp_text *rest, struct pp_writer *out)
{
    if (rest->len == 0 || rest->p[0] != '"') {
        while (rest->len > 0 && rest->p[0] != ';' && !is_blank(rest->p[0])) {
            pp_put_char(out, rest->p[0]);
            skip(rest, 1);
        }
        return true;
    }
    skip(rest, 1);
    while (rest->len > 0 && rest->p[0] != '"') {
        if (rest->p[0] == '\\' && rest->len > 1) {
            skip(rest, 1);
        }
        pp_put_char(out, rest->p[0]);
        skip(rest, 1);
    }
    if (rest->len == 0) {
        return false;
    }
    skip(rest, 1);
    return true;
}

static bool cut_char(struct pp_text *rest, char c)
{
    skip_blanks(rest);
    if (rest->len == 0 || rest->p[0] != c) {
        return false;
    }
    skip(rest, 1);
    skip_blanks(rest);
    return true;
}

/* The parameters behind the type: only boundary matters. */
static enum pp_err find_boundary(struct pp_text rest, struct pp_mime_boundary *boundary)
{
    while (cut_char(&rest, ';')) {
        struct pp_text name = cut_token(&rest);
        char text[PP_MIME_BOUNDARY_MAX + 1];
        struct pp_writer value;

        pp_writer_init(&value, text, sizeof text);
        if (name.len == 0) {
            continue;
        }
        if (!cut_char(&rest, '=') || !cut_value(&rest, &value)) {
            return PP_ERR_UNSUPPORTED;
        }
        if (pp_text_equal_nocase(name, pp_text_z("boundary"))) {
            if (value.len == 0 || value.len > PP_MIME_BOUNDARY_MAX ||
                pp_text_has_line_break(pp_writer_text(&value)) || text[value.len - 1] == ' ') {
                return PP_ERR_UNSUPPORTED;
            }
            memcpy(boundary->text, text, value.len);
            boundary->len = (uint8_t)value.len;
            return PP_OK;
        }
    }
    return PP_ERR_UNSUPPORTED;
}

enum pp_err pp_mime_content_type(struct pp_text value, enum pp_mime_type *type,
                                 struct pp_mime_boundary *boundary)
{
    struct pp_text rest = value;

    boundary->len = 0;
    *type = PP_MIME_LEAF;
    skip_blanks(&rest);
    struct pp_text major = cut_token(&rest);
    if (major.len == 0 || !cut_char(&rest, '/')) {
        return PP_ERR_SYNTAX;
    }
    struct pp_text minor = cut_token(&rest);
    if (pp_text_equal_nocase(major, pp_text_z("message"))) {
        *type = PP_MIME_MESSAGE;
        return PP_OK;
    }
    if (!pp_text_equal_nocase(major, pp_text_z("multipart"))) {
        return PP_OK;
    }
    *type = PP_MIME_MULTIPART;
    if (pp_text_equal_nocase(minor, pp_text_z("digest"))) {
        *type = PP_MIME_DIGEST;
    } else if (pp_text_equal_nocase(minor, pp_text_z("signed")) ||
               pp_text_equal_nocase(minor, pp_text_z("encrypted"))) {
        *type = PP_MIME_SEALED;
    }
    return find_boundary(rest, boundary);
}

enum pp_mime_cte pp_mime_transfer_encoding(struct pp_text value)
{
    static const struct {
        const char *name_z;
        enum pp_mime_cte cte;
    } names[] = {{"7bit", PP_MIME_CTE_PLAIN},
                 {"8bit", PP_MIME_CTE_8BIT},
                 {"binary", PP_MIME_CTE_8BIT},
                 {"quoted-printable", PP_MIME_CTE_QP},
                 {"base64", PP_MIME_CTE_BASE64}};
    struct pp_text rest = value;

    skip_blanks(&rest);
    struct pp_text token = cut_token(&rest);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (pp_text_equal_nocase(token, pp_text_z(names[i].name_z))) {
            return names[i].cte;
        }
    }
    return PP_MIME_CTE_OTHER;
}

enum pp_err pp_mime_push(struct pp_mime_stack *s, const struct pp_mime_boundary *boundary,
                         bool digest)
{
    if (s->depth >= PP_MIME_DEPTH) {
        return PP_ERR_UNSUPPORTED;
    }
    s->boundary[s->depth] = *boundary;
    s->digest[s->depth] = digest;
    s->depth++;
    return PP_OK;
}

/* RFC 2046 5.1.1: "--" boundary, "--" at the last one, then only blanks. */
static bool matches(const struct pp_mime_boundary *b, struct pp_text line, bool *close)
{
    if (line.len < (size_t)b->len + 2 || memcmp(line.p, "--", 2) != 0 ||
        memcmp(line.p + 2, b->text, b->len) != 0) {
        return false;
    }
    struct pp_text rest = pp_text_n(line.p + 2 + b->len, line.len - 2 - b->len);
    *close = rest.len >= 2 && memcmp(rest.p, "--", 2) == 0;
    if (*close) {
        skip(&rest, 2);
    }
    return pp_text_trim(rest).len == 0;
}

bool pp_mime_delimiter(struct pp_mime_stack *s, struct pp_text line, bool *close)
{
    for (uint8_t i = s->depth; i > 0; i--) {
        if (matches(&s->boundary[i - 1], line, close)) {
            s->depth = (uint8_t)(*close ? i - 1 : i);
            return true;
        }
    }
    return false;
}
