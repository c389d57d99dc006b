/*
 * encode.c - the body of one part, as it goes out
 *
 * Job:      see encode.h.
 * Follows:  RFC 2045 6.7
 */
#include "message/encode.h"

#include <string.h>

#include "message/content_scan.h"

#define QP_COLUMN_MAX      75  /* and the = of a soft break: RFC 2045 6.7 rule 5 */
#define BASE64_COLUMN_MAX  988 /* a multiple of 4 and of 76 */
#define QP_WRAP_COLUMN_MAX 990

void pp_encode_begin(struct pp_encoder *e, enum pp_encoding encoding, bool eight_bit)
{
    enum pp_err error = e->error;

    memset(e, 0, sizeof *e);
    e->encoding = (uint8_t)encoding;
    e->eight_bit = eight_bit;
    e->error = error;
}

/* The caller has made room. */
static void put(struct pp_encoder *e, struct pp_buf *out, const char *text, uint16_t len)
{
    if (!pp_buf_put(out, text, len)) {
        pp_err_keep(&e->error, PP_ERR_TOO_BIG);
    }
    e->column = (uint16_t)(e->column + len);
}

static void put_escaped(struct pp_encoder *e, struct pp_buf *out, uint8_t c)
{
    static const char digits[] = "0123456789ABCDEF";
    char text[3] = {'=', digits[c >> 4], digits[c & 15]};

    put(e, out, text, 3);
}

static void soft_break(struct pp_encoder *e, struct pp_buf *out)
{
    put(e, out, "=\r\n", 3);
    e->column = 0;
    e->soft = true;
}

/* One byte of text as itself or escaped, behind a soft break where the line is full. */
static void put_qp(struct pp_encoder *e, struct pp_buf *out, uint8_t c, bool escape)
{
    /* A line that we broke must not begin like the boundary of a multipart. */
    bool dash = c == '-';

    if (e->column + (escape ? 3 : 1) > QP_COLUMN_MAX) {
        soft_break(e, out);
    }
    if (escape || (dash && e->soft && e->column == 0)) {
        put_escaped(e, out, c);
    } else {
        put(e, out, (const char *)&c, 1);
    }
}

static void put_blank(struct pp_encoder *e, struct pp_buf *out, bool escape)
{
    if (e->blank != 0) {
        put_qp(e, out, e->blank, escape);
        e->blank = 0;
    }
}

static void encode_qp(struct pp_encoder *e, struct pp_buf *out, uint8_t c)
{
    put_blank(e, out, false);
    if (c == ' ' || c == '\t') {
        e->blank = c;
    } else {
        put_qp(e, out, c, c == '=' || c < ' ' || c > '~');
    }
}

static void wrap_qp(struct pp_encoder *e, struct pp_buf *out, uint8_t c)
{
    if (e->column >= QP_WRAP_COLUMN_MAX && e->escape == 0) {
        soft_break(e, out);
    }
    if (c == 0 || c > 127 || (c == '-' && e->soft && e->column == 0)) {
        put_escaped(e, out, c);
        e->escape = 0;
        return;
    }
    put(e, out, (const char *)&c, 1);
    e->escape = c == '=' ? 2 : (uint8_t)(e->escape - (e->escape > 0));
}

void pp_encode_byte(struct pp_encoder *e, struct pp_buf *out, uint8_t c)
{
    bool bad = c == 0 || (c > 127 && !e->eight_bit);

    switch ((enum pp_encoding)e->encoding) {
    case PP_ENCODE_QP:
        encode_qp(e, out, c);
        return;
    case PP_ENCODE_QP_WRAP:
        wrap_qp(e, out, c);
        return;
    case PP_ENCODE_BASE64_WRAP:
        if (e->column >= BASE64_COLUMN_MAX) {
            put(e, out, "\r\n", 2);
            e->column = 0;
        }
        break;
    case PP_ENCODE_IGNORED:
        if (e->column < PP_TEXT_LINE_MAX) {
            put(e, out, bad ? "?" : (const char *)&c, 1);
        }
        return;
    case PP_ENCODE_PASS:
        bad = bad || e->column >= PP_TEXT_LINE_MAX;
        break;
    }
    if (bad) {
        pp_err_keep(&e->error, PP_ERR_UNSUPPORTED);
    } else {
        put(e, out, (const char *)&c, 1);
    }
}

void pp_encode_line_end(struct pp_encoder *e, struct pp_buf *out)
{
    put_blank(e, out, true);
    put(e, out, "\r\n", 2);
    e->column = 0;
    e->escape = 0;
    e->soft = false;
}

void pp_encode_end(struct pp_encoder *e, struct pp_buf *out)
{
    put_blank(e, out, true);
}
