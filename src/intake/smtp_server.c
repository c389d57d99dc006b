/*
 * smtp_server.c - our side of SMTP towards those who hand mail in
 *
 * Job:      a flat table of commands, each with the states in which it may come; lines; replies.
 * Not here: see smtp_server.h. STARTTLS, AUTH and BDAT stand in the table as not offered.
 * Flow:     GREET > HELLO > MAIL > RCPT... > DATA > CONTENT > MAIL
 * Follows:  RFC 5321 (3.3, 4.1.4 sequences, 4.2 replies), RFC 2034, RFC 3463
 */
#include "intake/smtp_server.h"

#include <assert.h>
#include <string.h>

#include "intake/smtp_answer.h"

/* For the peer to take our last words. */
#define LINGER_MS 10000

#define IN(state) (1u << (state))
#define ANYTIME   (IN(PP_SERVER_AWAIT_HELLO) | GREETED)
#define GREETED   (IN(PP_SERVER_AWAIT_MAIL) | IN(PP_SERVER_AWAIT_RCPT))

/* ---- what we say ---- */

/* Room was there before anything was taken in. Without, as for a peer that reads nothing, only our
 * last words are lost. */
static void put_line(struct pp_buf *out, struct pp_text line)
{
    if (pp_buf_room(out) >= line.len + 2) {
        pp_buf_put(out, line.p, line.len);
        pp_buf_put(out, "\r\n", 2);
    }
}

static void say(struct pp_buf *out, const char *line_z)
{
    put_line(out, pp_text_z(line_z));
}

static void touch(struct pp_smtp_server *s, pp_time_ms now_ms)
{
    s->deadline_ms = pp_time_add(now_ms, s->params.idle_ms);
}

void pp_smtp_server_close(struct pp_smtp_server *s, struct pp_buf *out, const char *reply_z,
                          pp_time_ms now_ms)
{
    if (s->state == PP_SERVER_CLOSED) {
        return;
    }
    say(out, reply_z);
    s->state = PP_SERVER_CLOSED;
    s->event = PP_SERVER_EVENT_CLOSED;
    s->deadline_ms = pp_time_add(now_ms, LINGER_MS);
}

/* A command that was wrong, whatever else is right. */
static void refuse(struct pp_smtp_server *s, struct pp_buf *out, const char *reply_z,
                   pp_time_ms now_ms)
{
    say(out, reply_z);
    if (++s->errors >= PP_SERVER_ERRORS_MAX) {
        pp_smtp_server_close(s, out, "421 4.7.0 too many errors", now_ms);
    }
}

static void say_hello(struct pp_smtp_server *s, struct pp_buf *out, const char *prefix_z,
                      const char *suffix_z)
{
    char line[300];
    struct pp_writer w;

    pp_writer_init(&w, line, sizeof(line));
    pp_put_z(&w, prefix_z);
    pp_put_z(&w, s->params.hostname_z[0] != '\0' ? s->params.hostname_z : "localhost");
    pp_put_z(&w, suffix_z);
    put_line(out, pp_writer_text(&w));
}

/* ---- the message under way ---- */

/* Back to no message; the owner is told when it knows of one. */
static void reset(struct pp_smtp_server *s)
{
    if (s->state == PP_SERVER_AWAIT_RCPT) {
        s->event = PP_SERVER_EVENT_RESET;
    }
    s->state = PP_SERVER_AWAIT_MAIL;
}

/* ---- commands ---- */

/* What a command gets: the rest of its line without blanks at both ends. */
struct call {
    char *argument;
    size_t len;
    struct pp_buf *out;
    pp_time_ms now_ms;
};

static void run_ehlo(struct pp_smtp_server *s, const struct call *c)
{
    char line[32];
    struct pp_writer w;

    reset(s);
    pp_writer_init(&w, line, sizeof(line));
    pp_put_z(&w, "250-SIZE ");
    pp_put_u64(&w, s->params.size_limit);
    say_hello(s, c->out, "250-", "");
    say(c->out, "250-PIPELINING");
    put_line(c->out, pp_writer_text(&w));
    say(c->out, "250-8BITMIME");
    say(c->out, "250-SMTPUTF8");
    if (s->params.local) {
        say(c->out, "250-X-PINPOST");
    }
    say(c->out, "250 ENHANCEDSTATUSCODES");
}

static void run_helo(struct pp_smtp_server *s, const struct call *c)
{
    reset(s);
    say_hello(s, c->out, "250 ", "");
}

static void run_mail(struct pp_smtp_server *s, const struct call *c)
{
    const char *refusal =
        pp_server_mail_parse(c->argument, c->len, s->params.local, s->params.size_limit, &s->mail);

    if (refusal != NULL) {
        refuse(s, c->out, refusal, c->now_ms);
        return;
    }
    s->event = PP_SERVER_EVENT_MAIL;
}

static void run_rcpt(struct pp_smtp_server *s, const struct call *c)
{
    const char *refusal =
        pp_server_rcpt_parse(c->argument, c->len, s->mail.smtputf8, &s->recipient);

    if (refusal != NULL) {
        refuse(s, c->out, refusal, c->now_ms);
        return;
    }
    s->event = PP_SERVER_EVENT_RECIPIENT;
}

static void run_data(struct pp_smtp_server *s, const struct call *c)
{
    if (s->recipients == 0) {
        /* No error of the client: with PIPELINING it said DATA before it knew. */
        say(c->out, "554 5.5.1 no valid recipients");
        return;
    }
    memset(&s->data, 0, sizeof(s->data));
    s->content_bytes = 0;
    s->refusal = PP_OK;
    s->state = PP_SERVER_AWAIT_CONTENT;
    say(c->out, "354 end data with <CR><LF>.<CR><LF>");
}

static void run_rset(struct pp_smtp_server *s, const struct call *c)
{
    if (s->state != PP_SERVER_AWAIT_HELLO) {
        reset(s);
    }
    say(c->out, "250 2.0.0 ok");
}

static void run_noop(struct pp_smtp_server *s, const struct call *c)
{
    (void)s;
    say(c->out, "250 2.0.0 ok");
}

/* RFC 5321 3.5.3: neither yes nor no. */
static void run_vrfy(struct pp_smtp_server *s, const struct call *c)
{
    (void)s;
    say(c->out, "252 2.0.0 send some mail, and see");
}

static void run_help(struct pp_smtp_server *s, const struct call *c)
{
    (void)s;
    say(c->out, "214 2.0.0 EHLO HELO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT");
}

static void run_quit(struct pp_smtp_server *s, const struct call *c)
{
    pp_smtp_server_close(s, c->out, "221 2.0.0 bye", c->now_ms);
}

static void run_absent(struct pp_smtp_server *s, const struct call *c)
{
    refuse(s, c->out, "502 5.5.1 not offered here", c->now_ms);
}

enum argument { NONE, SOME, ANY };

static const struct command {
    const char *verb_z;
    unsigned states;
    enum argument argument;
    bool utf8; /* bytes above 127 may be in it */
    void (*run)(struct pp_smtp_server *s, const struct call *c);
} commands[] = {
    {"EHLO", ANYTIME, SOME, false, run_ehlo},
    {"HELO", ANYTIME, SOME, false, run_helo},
    {"MAIL", IN(PP_SERVER_AWAIT_MAIL), SOME, true, run_mail},
    {"RCPT", IN(PP_SERVER_AWAIT_RCPT), SOME, true, run_rcpt},
    {"DATA", IN(PP_SERVER_AWAIT_RCPT), NONE, false, run_data},
    {"RSET", ANYTIME, NONE, false, run_rset},
    {"NOOP", ANYTIME, ANY, false, run_noop},
    {"VRFY", ANYTIME, SOME, true, run_vrfy},
    {"HELP", ANYTIME, ANY, false, run_help},
    {"QUIT", ANYTIME, NONE, false, run_quit},
    {"EXPN", ANYTIME, ANY, true, run_absent},
    {"STARTTLS", ANYTIME, ANY, false, run_absent},
    {"AUTH", ANYTIME, ANY, false, run_absent},
    {"BDAT", ANYTIME, ANY, false, run_absent},
};

static const struct command *find_command(struct pp_text verb)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (pp_text_equal_nocase(verb, pp_text_z(commands[i].verb_z))) {
            return &commands[i];
        }
    }
    return NULL;
}

static bool has_control(struct pp_text line)
{
    for (size_t i = 0; i < line.len; i++) {
        if ((unsigned char)line.p[i] < 0x20 || line.p[i] == 0x7F) {
            return true;
        }
    }
    return false;
}

/* One line without its line end. */
static void run_line(struct pp_smtp_server *s, char *line, size_t len, struct pp_buf *out,
                     pp_time_ms now_ms)
{
    struct pp_text verb = pp_text_trim(pp_text_n(line, len));
    struct pp_text rest = verb;
    const struct command *command;
    const char *refusal = NULL;

    verb = pp_text_cut(&rest, ' ');
    rest = pp_text_trim(rest);
    command = find_command(verb);
    if (has_control(pp_text_n(line, len)) ||
        (!pp_text_is_ascii(pp_text_n(line, len)) && (command == NULL || !command->utf8))) {
        refusal = "500 5.5.2 a command is one line of ASCII";
    } else if (command == NULL) {
        refusal = "500 5.5.1 unknown command";
    } else if ((command->states & IN(s->state)) == 0) {
        refusal = s->state == PP_SERVER_AWAIT_HELLO ? "503 5.5.1 say EHLO first"
                                                    : "503 5.5.1 bad sequence of commands";
    } else if (command->argument == NONE && rest.len > 0) {
        refusal = "501 5.5.4 no argument allowed";
    } else if (command->argument == SOME && rest.len == 0) {
        refusal = "501 5.5.4 argument missing";
    }
    if (refusal != NULL) {
        refuse(s, out, refusal, now_ms);
        return;
    }
    const struct call call = {line + (rest.len > 0 ? (size_t)(rest.p - line) : len), rest.len, out,
                              now_ms};
    command->run(s, &call);
}

/* False when there is no whole line yet. */
static bool take_line(struct pp_smtp_server *s, struct pp_buf *in, struct pp_buf *out,
                      pp_time_ms now_ms)
{
    char *line = (char *)in->data + in->head; /* ours to change until it is consumed */
    size_t len = pp_buf_len(in);
    size_t look = len < PP_SERVER_LINE_MAX || s->skipping_line ? len : PP_SERVER_LINE_MAX;
    const char *lf = len > 0 ? memchr(line, '\n', look) : NULL;

    if (lf == NULL) {
        if (look >= PP_SERVER_LINE_MAX) {
            s->skipping_line = true;
        }
        if (s->skipping_line) {
            pp_buf_consume(in, look);
        }
        return s->skipping_line && look < len;
    }
    s->taken = (size_t)(lf - line) + 1;
    touch(s, now_ms);
    if (s->skipping_line) {
        s->skipping_line = false;
        refuse(s, out, "500 5.5.2 line too long", now_ms);
    } else if (s->taken < 2 || lf[-1] != '\r') {
        refuse(s, out, "500 5.5.2 lines end in CRLF", now_ms);
    } else {
        run_line(s, line, s->taken - 2, out, now_ms);
    }
    return true;
}

/* ---- content ---- */

static void refuse_content(struct pp_smtp_server *s, enum pp_err err)
{
    if (s->refusal == PP_OK) {
        s->refusal = err;
        s->event = PP_SERVER_EVENT_RESET;
    }
}

/* False when there is nothing to take. */
static bool take_content(struct pp_smtp_server *s, struct pp_buf *in, struct pp_buf *out,
                         pp_time_ms now_ms)
{
    size_t skipped = pp_server_data_skip(&s->data, pp_buf_head(in), pp_buf_len(in));
    size_t run;

    pp_buf_consume(in, skipped);
    if (s->data.place == PP_DATA_END) {
        touch(s, now_ms);
        s->event = PP_SERVER_EVENT_END;
        if (s->refusal != PP_OK) {
            /* Of two reasons the one that time does not mend, however the bytes came in. */
            pp_smtp_server_reply_end(s, out, s->data.unclean ? PP_ERR_INJECTION : s->refusal, 0,
                                     now_ms);
        }
        return true;
    }
    run = pp_server_data_run(&s->data, pp_buf_head(in), pp_buf_len(in));
    if (run == 0 && skipped == 0) {
        return false;
    }
    touch(s, now_ms);
    s->taken = run;
    s->content = pp_text_n(pp_buf_head(in), run);
    s->content_bytes += run;
    if (s->data.unclean) {
        refuse_content(s, PP_ERR_INJECTION);
    } else if (s->content_bytes > s->params.size_limit) {
        refuse_content(s, PP_ERR_TOO_BIG);
    }
    if (s->refusal == PP_OK && run > 0) {
        s->event = PP_SERVER_EVENT_CONTENT;
    }
    return true;
}

void pp_smtp_server_content_done(struct pp_smtp_server *s, enum pp_err err)
{
    assert(s->event == PP_SERVER_EVENT_CONTENT);
    s->event = PP_SERVER_EVENT_NONE;
    if (s->refusal == PP_OK) {
        s->refusal = err;
    }
}

void pp_smtp_server_continue(struct pp_smtp_server *s)
{
    assert(s->event == PP_SERVER_EVENT_RESET);
    s->event = PP_SERVER_EVENT_NONE;
}

/* ---- answers of the owner ---- */

void pp_smtp_server_reply(struct pp_smtp_server *s, struct pp_buf *out, enum pp_err err,
                          pp_time_ms now_ms)
{
    bool is_mail = s->event == PP_SERVER_EVENT_MAIL;

    assert(is_mail || s->event == PP_SERVER_EVENT_RECIPIENT);
    s->event = PP_SERVER_EVENT_NONE;
    touch(s, now_ms);
    if (err != PP_OK) {
        say(out, pp_server_answer(is_mail ? PP_ANSWER_MAIL : PP_ANSWER_RCPT, err));
        return;
    }
    if (is_mail) {
        s->state = PP_SERVER_AWAIT_RCPT;
        s->recipients = s->mail.default_recipients ? 1 : 0;
    } else {
        s->recipients++;
    }
    say(out, is_mail ? "250 2.1.0 ok" : "250 2.1.5 ok");
}

void pp_smtp_server_reply_end(struct pp_smtp_server *s, struct pp_buf *out, enum pp_err err,
                              uint32_t id, pp_time_ms now_ms)
{
    char line[64];
    struct pp_writer w;
    const uint8_t id_bytes[4] = {(uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8),
                                 (uint8_t)id};

    assert(s->event == PP_SERVER_EVENT_END);
    s->event = PP_SERVER_EVENT_NONE;
    s->state = PP_SERVER_AWAIT_MAIL;
    touch(s, now_ms);
    if (err != PP_OK) {
        say(out, pp_server_answer(PP_ANSWER_END, err));
        return;
    }
    pp_writer_init(&w, line, sizeof(line));
    pp_put_z(&w, "250 2.0.0 queued as ");
    pp_put_hex(&w, id_bytes, sizeof(id_bytes), 0);
    put_line(out, pp_writer_text(&w));
}

/* ---- the machine ---- */

void pp_smtp_server_init(struct pp_smtp_server *s, const struct pp_server_params *params,
                         pp_time_ms now_ms)
{
    memset(s, 0, sizeof(*s));
    s->params = *params;
    s->state = PP_SERVER_GREET;
    touch(s, now_ms);
}

/* False when nothing can be done without more input, or room. */
static bool step(struct pp_smtp_server *s, struct pp_buf *in, struct pp_buf *out, pp_time_ms now_ms)
{
    pp_buf_consume(in, s->taken);
    s->taken = 0;
    if (pp_buf_room(out) < PP_SERVER_REPLY_ROOM) {
        return false;
    }
    switch (s->state) {
    case PP_SERVER_GREET:
        say_hello(s, out, "220 ", " ESMTP pinpost");
        s->state = PP_SERVER_AWAIT_HELLO;
        return true;
    case PP_SERVER_AWAIT_CONTENT:
        return take_content(s, in, out, now_ms);
    case PP_SERVER_CLOSED:
        return false;
    default:
        return take_line(s, in, out, now_ms);
    }
}

void pp_smtp_server_pump(struct pp_smtp_server *s, struct pp_buf *in, struct pp_buf *out,
                         pp_time_ms now_ms)
{
    while (s->event == PP_SERVER_EVENT_NONE && step(s, in, out, now_ms)) {
    }
    if (s->event == PP_SERVER_EVENT_NONE && now_ms >= s->deadline_ms) {
        pp_smtp_server_close(s, out, "421 4.4.2 timed out", now_ms);
    }
}

enum pp_server_event pp_smtp_server_event(const struct pp_smtp_server *s)
{
    return s->event;
}

bool pp_smtp_server_finished(const struct pp_smtp_server *s)
{
    return s->state == PP_SERVER_CLOSED;
}

/* While the owner thinks, nobody is late. */
pp_time_ms pp_smtp_server_deadline_ms(const struct pp_smtp_server *s)
{
    return s->event == PP_SERVER_EVENT_END ? PP_TIME_NEVER : s->deadline_ms;
}

const struct pp_server_mail *pp_smtp_server_mail(const struct pp_smtp_server *s)
{
    return &s->mail;
}

struct pp_text pp_smtp_server_recipient(const struct pp_smtp_server *s)
{
    return s->recipient;
}

struct pp_text pp_smtp_server_content(const struct pp_smtp_server *s)
{
    return s->content;
}

enum pp_err pp_smtp_server_refusal(const struct pp_smtp_server *s)
{
    return s->state == PP_SERVER_AWAIT_CONTENT ? s->refusal : PP_OK;
}
