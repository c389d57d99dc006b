/*
 * submit_client.c - hands one message to the daemon over submit.sock
 *
 * Job:      one command at a time, each with its time limit; content with CRLF line ends and
 *           stuffed dots (RFC 5321 4.5.2).
 * Not here: bounds on what the daemon bounds: it refuses, and its words are passed on.
 */
#include "submit_client.h"

#include <errno.h>
#include <string.h>

#include "socket_io.h"

#define COMMAND_CAP 4096 /* what the daemon takes in one line, its end included */
#define REPLY_LINES 100

const struct pp_submit_limits pp_submit_limits_usual = {20000, 60000, 300000};

struct dialogue {
    struct pp_socket_io io;
    const struct pp_submit_limits *limits;
    struct pp_submit_result *result;
    unsigned code; /* of the last reply; 0 when none came */
    bool is_pinpost;
    char text[600];
    size_t text_len;
};

static void set_text(char *out, size_t cap, const char *a_z, const char *b_z)
{
    struct pp_writer w;

    pp_writer_init(&w, out, cap - 1);
    pp_put_z(&w, a_z);
    pp_put_z(&w, b_z);
    out[w.len] = '\0';
}

static void end(struct dialogue *d, enum pp_submit_end how, const char *words_z)
{
    d->result->end = how;
    d->result->code = d->code;
    set_text(d->result->text, sizeof(d->result->text), words_z, "");
}

/* ---- replies ---- */

static bool read_code(struct pp_text line, unsigned *code, bool *last)
{
    uint64_t value;

    if (line.len < 3 || pp_text_to_u64(pp_text_n(line.p, 3), 599, &value) != PP_OK || value < 200 ||
        (line.len > 3 && line.p[3] != ' ' && line.p[3] != '-')) {
        return false;
    }
    *code = (unsigned)value;
    *last = line.len == 3 || line.p[3] == ' ';
    return true;
}

/* A whole reply; its last line's text is kept, code in front. */
static enum pp_err read_reply(struct dialogue *d, uint64_t limit_ms)
{
    uint64_t until_ms = pp_socket_now_ms() + limit_ms;
    struct pp_text line;
    struct pp_writer w;
    bool last = false;

    d->code = 0;
    for (int i = 0; i < REPLY_LINES; i++) {
        enum pp_err err = pp_socket_line(&d->io, until_ms, &line);
        if (err != PP_OK) {
            return err;
        }
        if (!read_code(line, &d->code, &last)) {
            d->code = 0;
            return PP_ERR_SYNTAX;
        }
        pp_writer_init(&w, d->text, sizeof(d->text) - 1);
        pp_put_safe(&w, line, 200);
        d->text[w.len] = '\0';
        d->is_pinpost |= line.len > 4 && pp_text_equal_nocase(pp_text_n(line.p + 4, line.len - 4),
                                                              pp_text_z("X-PINPOST"));
        if (last) {
            return PP_OK;
        }
    }
    return PP_ERR_SYNTAX;
}

/* The connection is of no more use: before the last byte of content the daemon has nothing. */
static void lost(struct dialogue *d, enum pp_err err)
{
    const char *words = pp_err_text(err);

    if (err == PP_ERR_CLOSED) {
        words = "the daemon closed the connection";
    } else if (err == PP_ERR_TIMEOUT) {
        words = "the daemon did not answer in time";
    } else if (err == PP_ERR_SYNTAX) {
        words = "what answers does not speak SMTP";
    }
    d->code = 0;
    end(d, PP_SUBMIT_NOT_ASKED, words);
}

/* A reply that is not the one hoped for. */
static void refused(struct dialogue *d)
{
    if (d->code == 421) {
        end(d, PP_SUBMIT_NOT_ASKED, d->text);
    } else {
        end(d, d->code < 500 ? PP_SUBMIT_LATER : PP_SUBMIT_REFUSED, d->text);
    }
}

/* Say `w` and read the reply. False when the connection was lost: the result is set. */
static bool say(struct dialogue *d, const struct pp_writer *w)
{
    enum pp_err err = pp_socket_write(&d->io, w->data, w->len, d->limits->reply_ms);
    enum pp_err heard = PP_OK;

    d->code = 0;
    if (err == PP_OK || err == PP_ERR_CLOSED) {
        heard = read_reply(d, d->limits->reply_ms);
    }
    if (err == PP_OK || heard != PP_OK) {
        err = heard;
    }
    if (err != PP_OK && d->code == 0) {
        lost(d, err);
        return false;
    }
    return true;
}

static bool say_z(struct dialogue *d, const char *command_z)
{
    char line[64];
    struct pp_writer w;

    pp_writer_init(&w, line, sizeof(line));
    pp_put_z(&w, command_z);
    pp_put_z(&w, "\r\n");
    return say(d, &w);
}

/* ---- the envelope ---- */

static void put_xtext(struct pp_writer *w, struct pp_text text)
{
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c > ' ' && c < 0x7F && c != '+' && c != '=') {
            pp_put_char(w, (char)c);
        } else {
            pp_put_char(w, '+');
            pp_put_char(w, hex[c >> 4]);
            pp_put_char(w, hex[c & 15]);
        }
    }
}

static bool wants_utf8(const struct pp_handover *mail)
{
    size_t cursor = 0;
    struct pp_text address;
    bool wanted = !pp_text_is_ascii(mail->sender);

    while (pp_recipients_next(mail->recipients, &cursor, &address) == PP_OK) {
        wanted |= !pp_text_is_ascii(address);
    }
    return wanted;
}

static void put_mail(struct pp_writer *w, const struct pp_handover *mail)
{
    pp_put_z(w, "MAIL FROM:<");
    if (!mail->default_sender) {
        pp_put_text(w, mail->sender);
    }
    pp_put_z(w, "> SIZE=");
    pp_put_u64(w, mail->input->size_bytes);
    if (mail->input->has_8bit) {
        pp_put_z(w, " BODY=8BITMIME");
    }
    if (wants_utf8(mail)) {
        pp_put_z(w, " SMTPUTF8");
    }
    if (mail->default_sender) {
        pp_put_z(w, " X-DEFAULT-FROM");
    }
    if (mail->default_recipients) {
        pp_put_z(w, " X-DEFAULT-TO");
    }
    pp_put_z(w, mail->kind == PP_KIND_ALERT ? " X-KIND=alert" : " X-KIND=message");
    pp_put_z(w, " X-SEVERITY=");
    pp_put_z(w, pp_severity_name(mail->severity));
    if (mail->subject.len > 0) {
        pp_put_z(w, " X-SUBJECT=");
        put_xtext(w, mail->subject);
    }
    if (mail->sender_name.len > 0) {
        pp_put_z(w, " X-NAME=");
        put_xtext(w, mail->sender_name);
    }
    pp_put_z(w, "\r\n");
}

static bool say_mail(struct dialogue *d, const struct pp_handover *mail)
{
    char line[COMMAND_CAP];
    struct pp_writer w;

    pp_writer_init(&w, line, sizeof(line));
    put_mail(&w, mail);
    d->code = 0;
    if (w.overflow) {
        end(d, PP_SUBMIT_REFUSED, "sender, name and subject are too long together");
        return false;
    }
    if (!say(d, &w)) {
        return false;
    }
    if (d->code != 250) {
        refused(d);
    }
    return d->code == 250;
}

static void note_refused(struct dialogue *d, struct pp_text address)
{
    struct pp_submit_result *r = d->result;
    struct pp_writer w;

    r->refused_code = d->code;
    set_text(r->refused_reply, sizeof(r->refused_reply), d->text, "");
    if (r->refused++ > 0) {
        return;
    }
    pp_writer_init(&w, r->refused_text, sizeof(r->refused_text) - 1);
    pp_put_safe(&w, address, 200);
    pp_put_z(&w, ": ");
    pp_put_z(&w, d->text);
    r->refused_text[w.len] = '\0';
}

/* False when nobody is left, or the connection: the result is set. */
static bool say_recipients(struct dialogue *d, const struct pp_handover *mail)
{
    size_t cursor = 0, taken = mail->default_recipients ? 1 : 0;
    struct pp_text address;

    while (pp_recipients_next(mail->recipients, &cursor, &address) == PP_OK) {
        char line[COMMAND_CAP];
        struct pp_writer w;
        pp_writer_init(&w, line, sizeof(line));
        pp_put_z(&w, "RCPT TO:<");
        pp_put_text(&w, address);
        pp_put_z(&w, ">\r\n");
        if (w.overflow) {
            d->code = 501;
            set_text(d->text, sizeof(d->text), "501 5.1.3 address too long", "");
            note_refused(d, address);
            continue;
        }
        if (!say(d, &w)) {
            return false;
        }
        if (d->code < 500 && d->code / 100 != 2) {
            /* Not now: all or nothing, else a second try would send to the others twice. */
            refused(d);
            return false;
        }
        if (d->code / 100 == 2) {
            taken++;
        } else {
            note_refused(d, address);
        }
    }
    if (taken == 0) {
        end(d, d->code < 500 ? PP_SUBMIT_LATER : PP_SUBMIT_REFUSED, d->result->refused_text);
    }
    return taken > 0;
}

/* ---- content ---- */

struct stuffing {
    bool line_start, after_cr;
    size_t len;
    char bytes[32768];
};

/* Any of CR, LF and CRLF ends a line. Room for twice `len` is there. */
static void stuff(struct stuffing *s, const char *in, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = in[i];
        if (c == '\n' && s->after_cr) {
            s->after_cr = false;
            continue;
        }
        s->after_cr = c == '\r';
        if (c == '\r' || c == '\n') {
            s->bytes[s->len++] = '\r';
            s->bytes[s->len++] = '\n';
            s->line_start = true;
            continue;
        }
        if (c == '.' && s->line_start) {
            s->bytes[s->len++] = '.';
        }
        s->bytes[s->len++] = c;
        s->line_start = false;
    }
}

/* A daemon that gives up in the middle may have said why. */
static void content_lost(struct dialogue *d, enum pp_err err)
{
    if (err == PP_ERR_CLOSED && read_reply(d, 1000) == PP_OK) {
        refused(d);
    } else {
        lost(d, err);
    }
}

static bool send_content(struct dialogue *d, struct pp_input *input)
{
    static struct stuffing s;
    char bytes[sizeof(s.bytes) / 2 - 8];
    size_t len;

    s.line_start = true;
    s.after_cr = false;
    do {
        enum pp_err err = pp_input_next(input, bytes, sizeof(bytes), &len);
        if (err != PP_OK) {
            end(d, PP_SUBMIT_UNREAD, strerror(errno));
            return false;
        }
        s.len = 0;
        stuff(&s, bytes, len);
        if (len == 0) {
            static const char dot[] = "\r\n.\r\n";
            const char *tail = s.line_start ? dot + 2 : dot;
            s.len = strlen(tail);
            memcpy(s.bytes, tail, s.len);
        }
        err = pp_socket_write(&d->io, s.bytes, s.len, d->limits->reply_ms);
        if (err != PP_OK) {
            content_lost(d, err);
            return false;
        }
    } while (len > 0);
    return true;
}

static void take_id(struct dialogue *d)
{
    static const char marker[] = "queued as ";
    const char *at = strstr(d->text, marker);
    struct pp_submit_result *r = d->result;
    struct pp_writer w;

    if (at == NULL) {
        return;
    }
    at += strlen(marker);
    pp_writer_init(&w, r->id, sizeof(r->id) - 1);
    pp_put(&w, at, strspn(at, "0123456789ABCDEFabcdef"));
    r->id[w.len] = '\0';
}

static void read_verdict(struct dialogue *d)
{
    enum pp_err err = read_reply(d, d->limits->end_ms);

    if (err != PP_OK || d->code == 421) {
        end(d, PP_SUBMIT_UNKNOWN,
            err == PP_OK ? d->text : "no answer at the end: the daemon may have the message");
    } else if (d->code / 100 != 2) {
        refused(d);
    } else {
        end(d, PP_SUBMIT_TAKEN, d->text);
        take_id(d);
    }
}

/* ---- the whole ---- */

/* False when the result is set. */
static bool greet(struct dialogue *d)
{
    enum pp_err err = read_reply(d, d->limits->greeting_ms);

    if (err != PP_OK) {
        lost(d, err);
        return false;
    }
    if (d->code / 100 != 2) {
        end(d, PP_SUBMIT_NOT_ASKED, d->text);
        return false;
    }
    if (!say_z(d, "EHLO localhost")) {
        return false;
    }
    if (d->code / 100 != 2 || !d->is_pinpost) {
        d->code = 0;
        end(d, PP_SUBMIT_REFUSED, "what listens there is no pinpost daemon");
        return false;
    }
    return true;
}

static void converse(struct dialogue *d, const struct pp_handover *mail)
{
    if (!greet(d) || !say_mail(d, mail) || !say_recipients(d, mail) || !say_z(d, "DATA")) {
        return;
    }
    if (d->code != 354) {
        refused(d);
        return;
    }
    if (!send_content(d, mail->input)) {
        return;
    }
    read_verdict(d);
    if (d->result->end == PP_SUBMIT_TAKEN && pp_socket_write(&d->io, "QUIT\r\n", 6, 0) != PP_OK) {
        return; /* nothing depends on it */
    }
}

void pp_submit_client_send(const char *socket_path_z, const struct pp_handover *mail,
                           const struct pp_submit_limits *limits, struct pp_submit_result *result)
{
    struct dialogue d = {.limits = limits, .result = result};
    enum pp_err err;

    memset(result, 0, sizeof(*result));
    pp_input_rewind(mail->input);
    err = pp_socket_connect(&d.io, socket_path_z, pp_socket_now_ms() + limits->greeting_ms);
    if (err != PP_OK) {
        end(&d, PP_SUBMIT_NOT_ASKED,
            err == PP_ERR_REFUSED ? "the daemon is not running" : pp_err_text(err));
        return;
    }
    converse(&d, mail);
    pp_socket_close(&d.io);
}
