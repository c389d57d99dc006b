/*
 * header.c - header fields that we write ourselves
 *
 * Job:      see header.h. Nothing in a value can end its field: line breaks become blanks.
 * Follows:  RFC 5322 2.2.3 (folding), 3.4, 3.6; RFC 2047 2 and 5
 */
#include "message/header.h"

#include <string.h>

#include "base/base64.h"
#include "base/time.h"
#include "base/utf8.h"

#define WORD_MAX       75  /* octets of an encoded word: RFC 2047 2 */
#define ASCII_WORD_MAX 900 /* a longer piece without blanks could not be folded */

/* Column in a line that is being folded. */
struct fold {
    struct pp_writer *w;
    size_t line_start; /* in w->len */
};

static size_t column(const struct fold *f)
{
    return f->w->len - f->line_start;
}

static void new_line(struct fold *f)
{
    pp_put_z(f->w, "\r\n");
    f->line_start = f->w->len;
    pp_put_char(f->w, ' ');
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7F;
}

/* ---- encoded words ---- */

/* Bytes of `text` that make whole characters and fit into `max`; at least one. */
static size_t whole_characters(struct pp_text text, size_t max)
{
    size_t taken = 0;

    while (taken < text.len) {
        size_t n = pp_utf8_sequence(pp_text_n(text.p + taken, text.len - taken));

        n = n > 0 ? n : 1;
        if (taken > 0 && taken + n > max) {
            break;
        }
        taken += n;
    }
    return taken;
}

static void put_word(struct fold *f, const char *open_z, struct pp_text piece)
{
    char clean[WORD_MAX];

    for (size_t i = 0; i < piece.len; i++) {
        clean[i] = is_control(piece.p[i]) ? ' ' : piece.p[i];
    }
    pp_put_z(f->w, open_z);
    pp_base64_put(f->w, clean, piece.len);
    pp_put_z(f->w, "?=");
}

static void put_encoded(struct fold *f, struct pp_text value)
{
    const char *open_z = pp_text_is_utf8(value) ? "=?utf-8?B?" : "=?unknown-8bit?B?";
    size_t extra = pp_text_z(open_z).len + 2;
    struct pp_text rest = value;

    while (rest.len > 0) {
        size_t room = column(f) + extra + 8 > PP_HEADER_LINE_MAX
                          ? 0
                          : (PP_HEADER_LINE_MAX - column(f) - extra) / 4 * 3;
        if (room == 0) {
            new_line(f);
            continue;
        }
        size_t most = (WORD_MAX - extra) / 4 * 3;
        size_t n = whole_characters(rest, room < most ? room : most);
        put_word(f, open_z, pp_text_n(rest.p, n));
        rest = pp_text_n(rest.p + n, rest.len - n);
        if (rest.len > 0) {
            new_line(f);
        }
    }
}

/* ---- plain text ---- */

/* True when the text stands for itself in a header: ASCII, foldable, not like an encoded word. */
static bool is_plain(struct pp_text value)
{
    size_t word = 0;

    for (size_t i = 0; i < value.len; i++) {
        char c = value.p[i];

        word = c == ' ' || c == '\t' ? 0 : word + 1;
        if ((unsigned char)c > 127 || word > ASCII_WORD_MAX ||
            (c == '=' && i + 1 < value.len && value.p[i + 1] == '?')) {
            return false;
        }
    }
    return true;
}

static void put_plain(struct fold *f, struct pp_text value)
{
    size_t i = 0;

    while (i < value.len) {
        size_t end = i;

        /* A run of blanks and the word behind it: the fold goes before the blanks. */
        while (end < value.len && (value.p[end] == ' ' || is_control(value.p[end]))) {
            end++;
        }
        while (end < value.len && value.p[end] != ' ' && !is_control(value.p[end])) {
            end++;
        }
        bool blank = value.p[i] == ' ' || is_control(value.p[i]);
        if (blank && column(f) + (end - i) > PP_HEADER_LINE_MAX) {
            new_line(f);
            i++;
        }
        for (; i < end; i++) {
            pp_put_char(f->w, is_control(value.p[i]) ? ' ' : value.p[i]);
        }
    }
}

static struct pp_text trim_controls(struct pp_text value)
{
    while (value.len > 0 && (value.p[0] == ' ' || is_control(value.p[0]))) {
        value = pp_text_n(value.p + 1, value.len - 1);
    }
    while (value.len > 0 && (value.p[value.len - 1] == ' ' || is_control(value.p[value.len - 1]))) {
        value.len--;
    }
    return value;
}

void pp_put_header(struct pp_writer *w, const char *name_z, struct pp_text value)
{
    struct fold f = {.w = w, .line_start = w->len};
    struct pp_text text = trim_controls(value);

    pp_put_z(w, name_z);
    pp_put_z(w, ": ");
    if (is_plain(text)) {
        put_plain(&f, text);
    } else {
        put_encoded(&f, text);
    }
    pp_put_z(w, "\r\n");
}

/* ---- the fields ---- */

/* A host name or an address literal; anything else would break the identifier. */
static struct pp_text identifier_host(struct pp_text host)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = host.p[i];

        if (!pp_ascii_is_alpha(c) && !pp_ascii_is_digit(c) && strchr(".-_[]:", c) == NULL) {
            return pp_text_z("localhost");
        }
    }
    return host.len == 0 || host.len > 255 ? pp_text_z("localhost") : host;
}

static void put_hex_number(struct pp_writer *w, uint64_t value)
{
    char text[16];
    size_t at = sizeof text;

    do {
        text[--at] = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (value > 0);
    pp_put(w, text + at, sizeof text - at);
}

void pp_put_message_id(struct pp_writer *w, const struct pp_render_facts *facts)
{
    pp_put_char(w, '<');
    if (facts->token.len > 0) {
        pp_put_text(w, facts->token);
    } else {
        put_hex_number(w, facts->queue_id);
        pp_put_char(w, '.');
        put_hex_number(w, facts->device);
    }
    pp_put_char(w, '@');
    pp_put_text(w, identifier_host(facts->hostname));
    pp_put_char(w, '>');
}

void pp_put_message_id_field(struct pp_writer *w, const struct pp_render_facts *facts)
{
    pp_put_z(w, "Message-ID: ");
    pp_put_message_id(w, facts);
    pp_put_z(w, "\r\n");
}

void pp_put_date_field(struct pp_writer *w, const struct pp_render_facts *facts)
{
    int64_t wall_s = facts->accepted_s != PP_WALL_UNKNOWN ? facts->accepted_s : facts->now_s;

    if (wall_s != PP_WALL_UNKNOWN) {
        pp_put_z(w, "Date: ");
        pp_put_date_rfc5322(w, wall_s);
        pp_put_z(w, "\r\n");
    }
}

/* RFC 5322 3.2.4: anything ASCII may stand in quotes, escaped where it must be. */
static void put_quoted(struct pp_writer *w, struct pp_text text)
{
    pp_put_char(w, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == '"' || text.p[i] == '\\') {
            pp_put_char(w, '\\');
        }
        pp_put_char(w, is_control(text.p[i]) ? ' ' : text.p[i]);
    }
    pp_put_char(w, '"');
}

static void put_clean(struct pp_writer *w, struct pp_text text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_control(text.p[i])) {
            pp_put_char(w, text.p[i]);
        }
    }
}

void pp_put_from_field(struct pp_writer *w, const struct pp_render_facts *facts)
{
    struct fold f = {.w = w, .line_start = w->len};
    struct pp_text name = trim_controls(facts->from_name);

    pp_put_z(w, "From: ");
    if (name.len > 0 && is_plain(name) && name.len <= 256) {
        put_quoted(w, name);
    } else if (name.len > 0) {
        put_encoded(&f, name);
    }
    if (name.len > 0) {
        if (column(&f) + facts->from.len + 3 > PP_HEADER_LINE_MAX) {
            new_line(&f);
        } else {
            pp_put_char(w, ' ');
        }
    }
    pp_put_z(w, name.len > 0 ? "<" : "");
    put_clean(w, facts->from);
    pp_put_z(w, name.len > 0 ? ">\r\n" : "\r\n");
}

void pp_put_to_piece(struct pp_writer *w, const struct pp_render_facts *facts, size_t *pos)
{
    bool first = *pos == 0;

    if (facts->to.len == 0) {
        pp_put_z(w, "To: undisclosed-recipients:;\r\n");
        return;
    }
    struct pp_text rest = pp_text_n(facts->to.p + *pos, facts->to.len - *pos);
    struct pp_text address = trim_controls(pp_text_cut(&rest, ','));
    *pos = facts->to.len - rest.len;
    pp_put_z(w, first ? "To: " : " ");
    /* One a line; what is longer than any address is none. */
    put_clean(w, address.len <= PP_HEADER_PIECE - 16 ? address : pp_text_n("", 0));
    pp_put_z(w, rest.len > 0 ? ",\r\n" : "\r\n");
}

void pp_put_content_type_field(struct pp_writer *w, const struct pp_render_facts *facts)
{
    const char *charset_z = "us-ascii";

    if ((facts->content & PP_CONTENT_NOT_UTF8) != 0) {
        charset_z = "unknown-8bit"; /* RFC 1428 3 */
    } else if (facts->alert || (facts->content & PP_CONTENT_8BIT) != 0) {
        charset_z = "utf-8";
    }
    pp_put_z(w, "Content-Type: text/plain; charset=");
    pp_put_z(w, charset_z);
    pp_put_z(w, "\r\n");
}

void pp_put_severity_fields(struct pp_writer *w, const struct pp_render_facts *facts)
{
    uint8_t severity = facts->severity <= PP_SEVERITY_CRITICAL ? facts->severity : 0;

    pp_put_z(w, "Auto-Submitted: auto-generated\r\nX-Pinpost-Severity: ");
    pp_put_z(w, pp_severity_name((enum pp_severity)severity));
    pp_put_z(w, "\r\n");
    if (severity >= PP_SEVERITY_WARNING) {
        pp_put_z(w, severity == PP_SEVERITY_CRITICAL ? "X-Priority: 1 (Highest)\r\n"
                                                     : "X-Priority: 2 (High)\r\n");
        pp_put_z(w, "Importance: high\r\n");
    }
}
