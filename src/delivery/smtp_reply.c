/*
 * smtp_reply.c - replies of an SMTP server, line by line
 *
 * Job:      see smtp_reply.h. Text from the server is kept in a form that is safe on a screen.
 * Follows:  RFC 5321 4.2.1 (Reply-code, Reply-line), RFC 2034 4
 */
#include "delivery/smtp_reply.h"

#include <string.h>

#include "base/utf8.h"

void pp_reply_reader_init(struct pp_reply_reader *r)
{
    memset(r, 0, sizeof *r);
}

/* How many of the first bytes make one character that a screen may show; 0: none. */
static size_t showable(struct pp_text text)
{
    size_t len = pp_utf8_sequence(text);
    unsigned char c = (unsigned char)text.p[0];
    bool control = (len == 1 && (c < 0x20 || c == 0x7F)) ||
                   (len == 2 && c == 0xC2 && (unsigned char)text.p[1] < 0xA0);

    return control ? 0 : len;
}

void pp_reply_add(struct pp_reply *reply, struct pp_text text)
{
    for (size_t i = 0; i < text.len;) {
        size_t len = showable(pp_text_n(text.p + i, text.len - i));

        if (reply->text_len + (len > 0 ? len : 1) > sizeof reply->text) {
            return;
        }
        if (len > 0) {
            memcpy(reply->text + reply->text_len, text.p + i, len);
            reply->text_len = (uint16_t)(reply->text_len + len);
            i += len;
        } else {
            reply->text[reply->text_len++] = text.p[i++] == '\t' ? ' ' : '?';
        }
    }
}

/* One number of an enhanced code: 1 to 3 digits; more than 255 is kept as 255. */
static bool cut_number(struct pp_text *rest, uint8_t *number)
{
    unsigned value = 0;
    size_t i = 0;

    while (i < rest->len && i < 3 && pp_ascii_is_digit(rest->p[i])) {
        value = value * 10 + (unsigned)(rest->p[i++] - '0');
    }
    *number = value > 255 ? 255 : (uint8_t)value;
    rest->p += i;
    rest->len -= i;
    return i > 0;
}

static bool cut_char(struct pp_text *rest, char c)
{
    if (rest->len == 0 || rest->p[0] != c) {
        return false;
    }
    rest->p++;
    rest->len--;
    return true;
}

/* Cuts "5.1.1 " off the front and sets code; without it, code stays as it was. */
static struct pp_text cut_enhanced(struct pp_text text, uint8_t code[3])
{
    struct pp_text rest = text;
    uint8_t found[3];

    if (text.len == 0 || !cut_number(&rest, &found[0]) || !cut_char(&rest, '.') ||
        !cut_number(&rest, &found[1]) || !cut_char(&rest, '.') || !cut_number(&rest, &found[2])) {
        return text;
    }
    if (found[0] == 3 || found[0] < 2 || found[0] > 5 || (rest.len > 0 && rest.p[0] != ' ')) {
        return text;
    }
    memcpy(code, found, 3);
    return pp_text_trim(rest);
}

/* RFC 2034: the code stands before the text of every line, and its class is the reply's. */
static struct pp_text strip_enhanced(struct pp_reply *reply, struct pp_text text)
{
    uint8_t code[3] = {0};
    struct pp_text rest = cut_enhanced(text, code);

    if (code[0] != reply->code / 100) {
        return text;
    }
    if (reply->enhanced[0] == 0) {
        memcpy(reply->enhanced, code, 3);
    }
    return rest;
}

void pp_reply_own(struct pp_reply *reply, const uint8_t enhanced[3], const char *text_z)
{
    struct pp_text text = pp_text_z(text_z);

    memset(reply, 0, sizeof *reply);
    if (enhanced != NULL) {
        memcpy(reply->enhanced, enhanced, 3);
    } else {
        text = cut_enhanced(text, reply->enhanced);
    }
    pp_reply_add(reply, text);
}

static bool parse_code(struct pp_text line, uint16_t *code)
{
    if (line.len < 3 || line.p[0] < '2' || line.p[0] > '5' || line.p[1] < '0' || line.p[1] > '5' ||
        !pp_ascii_is_digit(line.p[2])) {
        return false;
    }
    *code = (uint16_t)((line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + (line.p[2] - '0'));
    return line.len == 3 || line.p[3] == ' ' || line.p[3] == '-';
}

static enum pp_err add_line(struct pp_reply_reader *r, struct pp_text line, struct pp_text *text)
{
    uint16_t code = 0;

    if (pp_text_has_line_break(line) || !parse_code(line, &code)) {
        return PP_ERR_SYNTAX;
    }
    if (!r->open) {
        pp_reply_reader_init(r);
        r->reply.code = code;
    } else if (code != r->reply.code) {
        return PP_ERR_SYNTAX;
    }
    if (++r->lines > PP_SMTP_REPLY_LINES) {
        return PP_ERR_TOO_BIG;
    }
    r->open = line.len > 3 && line.p[3] == '-';
    *text = line.len > 4 ? pp_text_n(line.p + 4, line.len - 4) : pp_text_n(line.p, 0);

    struct pp_text words = pp_text_trim(strip_enhanced(&r->reply, *text));
    if (words.len > 0) {
        if (r->reply.text_len > 0) {
            pp_reply_add(&r->reply, pp_text_z(" / "));
        }
        pp_reply_add(&r->reply, words);
    }
    return PP_OK;
}

enum pp_err pp_reply_read_line(struct pp_reply_reader *r, struct pp_buf *in, struct pp_text *text)
{
    const uint8_t *head = pp_buf_head(in);
    size_t len = pp_buf_len(in);
    size_t look = len < PP_SMTP_LINE_CAP ? len : PP_SMTP_LINE_CAP;
    const uint8_t *lf = look > 0 ? memchr(head, '\n', look) : NULL;

    if (lf == NULL) {
        return len >= PP_SMTP_LINE_CAP || pp_buf_room(in) == 0 ? PP_ERR_TOO_BIG : PP_ERR_LATER;
    }
    struct pp_text line = pp_text_n(head, (size_t)(lf - head));
    size_t taken = line.len + 1;
    if (line.len > 0 && line.p[line.len - 1] == '\r') {
        line.len--;
    }
    enum pp_err err = add_line(r, line, text);
    pp_buf_consume(in, taken);
    return err;
}
