/*
 * smtp_commands.c - the commands of our side of SMTP
 *
 * Job:      a flat table of commands, each with the states in which it may come and what it needs
 *           before; what each does.
 * Not here: lines and content (smtp_server.c), the arguments of MAIL and RCPT (smtp_mail.c).
 * Follows:  RFC 5321 (4.1.1, 4.1.4 sequences), 3207 (STARTTLS), 4954 (AUTH), 3030 (BDAT), 1985
 *           (ETRN), 2034 and 3463 (enhanced codes)
 */
#include <string.h>

#include "intake/smtp_server_parts.h"

#define IN(state) (1u << (state))
#define ANYTIME   (IN(PP_SERVER_AWAIT_HELLO) | GREETED)
#define GREETED   (IN(PP_SERVER_AWAIT_MAIL) | IN(PP_SERVER_AWAIT_RCPT))

/* Octets of one BDAT that are worth swallowing; behind a larger lie the session ends. */
#define CHUNK_MAX (UINT64_C(1) << 31)

#define DOMAIN_MAX 255 /* RFC 5321 4.5.3.1.2 */

/* What a command gets: the rest of its line without blanks at both ends. */
struct call {
    char *argument;
    size_t len;
    struct pp_buf *out;
    pp_time_ms now_ms;
};

static void say(const struct call *c, const char *line_z)
{
    pp_server_say(c->out, line_z);
}

static void refuse(struct pp_smtp_server *s, const struct call *c, const char *reply_z)
{
    pp_server_refuse(s, c->out, reply_z, c->now_ms);
}

/* ---- hello ---- */

static bool offers_login(const struct pp_smtp_server *s)
{
    return s->secure && !s->logged_in && s->params.mechanisms_z[0] != '\0';
}

static void say_with(const struct call *c, const char *prefix_z, const char *text_z)
{
    char line[200];
    struct pp_writer w;

    pp_writer_init(&w, line, sizeof(line));
    pp_put_z(&w, prefix_z);
    pp_put_z(&w, text_z);
    pp_server_put_line(c->out, pp_writer_text(&w));
}

static void say_size(const struct pp_smtp_server *s, const struct call *c)
{
    char line[40];
    struct pp_writer w;

    pp_writer_init(&w, line, sizeof(line));
    pp_put_z(&w, "250-SIZE ");
    pp_put_u64(&w, s->params.size_limit);
    pp_server_put_line(c->out, pp_writer_text(&w));
}

static void hear_hello(struct pp_smtp_server *s, const struct call *c, bool esmtp)
{
    pp_server_reset(s);
    s->esmtp = esmtp;
    s->hello_len = c->len < sizeof(s->hello) ? c->len : sizeof(s->hello);
    memcpy(s->hello, c->argument, s->hello_len);
}

static void run_ehlo(struct pp_smtp_server *s, const struct call *c)
{
    hear_hello(s, c, true);
    pp_server_say_hello(s, c->out, "250-", "");
    say(c, "250-PIPELINING");
    say_size(s, c);
    say(c, "250-8BITMIME");
    say(c, "250-SMTPUTF8");
    say(c, "250-DSN");
    say(c, "250-CHUNKING");
    if (s->params.starttls && !s->secure) {
        say(c, "250-STARTTLS");
    }
    if (offers_login(s)) {
        say_with(c, "250-AUTH ", s->params.mechanisms_z);
        say_with(c, "250-AUTH=", s->params.mechanisms_z); /* of before RFC 2554 */
    }
    if (s->params.local) {
        say(c, "250-X-PINPOST");
    } else {
        say(c, "250-ETRN");
    }
    say(c, "250 ENHANCEDSTATUSCODES");
}

static void run_helo(struct pp_smtp_server *s, const struct call *c)
{
    hear_hello(s, c, false);
    pp_server_say_hello(s, c->out, "250 ", "");
}

/* ---- the message ---- */

static void run_mail(struct pp_smtp_server *s, const struct call *c)
{
    const char *refusal =
        pp_server_mail_parse(c->argument, c->len, s->params.local, s->params.size_limit, &s->mail);

    if (refusal != NULL) {
        refuse(s, c, refusal);
        return;
    }
    if (s->params.messages_max > 0 && s->messages >= s->params.messages_max) {
        pp_smtp_server_close(s, c->out, "421 4.7.0 enough messages for one connection", c->now_ms);
        return;
    }
    s->event = PP_SERVER_EVENT_MAIL;
}

static void run_rcpt(struct pp_smtp_server *s, const struct call *c)
{
    if (s->data.chunks) {
        refuse(s, c, "503 5.5.1 BDAT was said, go on with it");
        return;
    }
    const char *refusal =
        pp_server_rcpt_parse(c->argument, c->len, s->mail.smtputf8, &s->recipient);

    if (refusal != NULL) {
        refuse(s, c, refusal);
        return;
    }
    if (s->params.recipient_limit > 0 && s->recipients >= s->params.recipient_limit) {
        say(c, "452 4.5.3 too many recipients");
        return;
    }
    s->event = PP_SERVER_EVENT_RECIPIENT;
}

static void run_data(struct pp_smtp_server *s, const struct call *c)
{
    if (s->recipients == 0) {
        /* No error of the client: with PIPELINING it said DATA before it knew. */
        say(c, "554 5.5.1 no valid recipients");
        return;
    }
    if (s->data.chunks) {
        refuse(s, c, "503 5.5.1 BDAT was said, go on with it");
        return;
    }
    pp_server_begin_content(s, false, c->now_ms);
    s->state = PP_SERVER_AWAIT_CONTENT;
    say(c, "354 end data with <CR><LF>.<CR><LF>");
}

/* `BDAT 1000` or `BDAT 1000 LAST`; its octets come whatever we think of it (RFC 3030 2). */
static void run_bdat(struct pp_smtp_server *s, const struct call *c)
{
    struct pp_text rest = pp_text_n(c->argument, c->len);
    struct pp_text number = pp_text_cut(&rest, ' ');
    bool last = pp_text_equal_nocase(pp_text_trim(rest), pp_text_z("LAST"));

    if (pp_text_to_u64(number, CHUNK_MAX, &s->chunk_left) != PP_OK || (!last && rest.len > 0)) {
        /* Nobody knows what is a command from here on. */
        pp_smtp_server_close(s, c->out, "421 4.5.0 a chunk of unknown length", c->now_ms);
        return;
    }
    s->chunk_bytes = s->chunk_left;
    s->chunk_last = last;
    s->chunk_reply_z = NULL;
    if (s->params.needs_tls && !s->secure) {
        s->chunk_reply_z = "530 5.7.0 say STARTTLS first";
    } else if (s->state != PP_SERVER_AWAIT_RCPT) {
        s->chunk_reply_z = "503 5.5.1 bad sequence of commands";
    } else if (s->recipients == 0) {
        s->chunk_reply_z = "554 5.5.1 no valid recipients";
    } else if (!s->data.chunks) {
        pp_server_begin_content(s, true, c->now_ms);
    }
    s->chunk_from = s->state;
    s->state = PP_SERVER_AWAIT_CHUNK;
}

static void run_rset(struct pp_smtp_server *s, const struct call *c)
{
    if (s->state != PP_SERVER_AWAIT_HELLO) {
        pp_server_reset(s);
    }
    say(c, "250 2.0.0 ok");
}

/* ---- TLS and login ---- */

static void run_starttls(struct pp_smtp_server *s, const struct call *c)
{
    if (!s->params.starttls) {
        refuse(s, c, "502 5.5.1 not offered here");
    } else if (s->secure) {
        refuse(s, c, "503 5.5.1 TLS is on already");
    } else if (s->params.tls_busy) {
        say(c, "454 4.7.0 no room for TLS now, try again later");
    } else {
        say(c, "220 2.0.0 go on with TLS");
        pp_server_reset(s);
        s->state = PP_SERVER_AWAIT_TLS;
    }
}

static void run_auth(struct pp_smtp_server *s, const struct call *c)
{
    struct pp_text rest = pp_text_n(c->argument, c->len);
    struct pp_text mechanism = pp_text_cut(&rest, ' ');

    if (s->params.local || s->params.mechanisms_z[0] == '\0') {
        refuse(s, c, "502 5.5.1 not offered here");
    } else if (!s->secure) {
        refuse(s, c, "538 5.7.11 only in TLS");
    } else if (s->logged_in) {
        refuse(s, c, "503 5.5.1 logged in already");
    } else if (s->state == PP_SERVER_AWAIT_RCPT) {
        refuse(s, c, "503 5.5.1 not within a message");
    } else {
        rest = pp_text_trim(rest);
        s->auth = (struct pp_server_auth){true, mechanism, rest.len > 0, rest};
        s->event = PP_SERVER_EVENT_AUTH;
    }
}

/* ---- others ---- */

static void run_noop(struct pp_smtp_server *s, const struct call *c)
{
    (void)s;
    say(c, "250 2.0.0 ok");
}

/* RFC 5321 3.5.3: neither yes nor no. */
static void run_vrfy(struct pp_smtp_server *s, const struct call *c)
{
    (void)s;
    say(c, "252 2.0.0 send some mail, and see");
}

static void run_help(struct pp_smtp_server *s, const struct call *c)
{
    (void)s;
    say(c, "214 2.0.0 EHLO HELO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY ETRN HELP QUIT");
}

static bool could_be_domain(struct pp_text text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];

        if (!pp_ascii_is_alpha(c) && !pp_ascii_is_digit(c) && strchr("-._[]:", c) == NULL) {
            return false;
        }
    }
    return text.len > 0 && text.len <= DOMAIN_MAX;
}

/* `ETRN domain`; `@domain` asks for those below it too, `#name` for a queue of that name. */
static void run_etrn(struct pp_smtp_server *s, const struct call *c)
{
    bool below = c->argument[0] == '@';
    struct pp_text domain = pp_text_n(c->argument + below, c->len - below);

    if (s->params.local) {
        refuse(s, c, "502 5.5.1 not offered here");
    } else if (c->argument[0] == '#') {
        say(c, "458 4.0.0 there is no queue of that name");
    } else if (!could_be_domain(domain)) {
        refuse(s, c, "501 5.5.4 syntax: ETRN domain");
    } else {
        memset(&s->recipient, 0, sizeof(s->recipient));
        s->recipient.address = domain;
        s->event = PP_SERVER_EVENT_ETRN;
    }
}

static void run_quit(struct pp_smtp_server *s, const struct call *c)
{
    pp_smtp_server_close(s, c->out, "221 2.0.0 bye", c->now_ms);
}

static void run_absent(struct pp_smtp_server *s, const struct call *c)
{
    refuse(s, c, "502 5.5.1 not offered here");
}

/* ---- the table ---- */

enum argument { NONE, SOME, ANY };
enum needs {
    NOTHING,
    TLS,  /* where the listener requires it */
    LOGIN /* and TLS */
};

static const struct command {
    const char *verb_z;
    unsigned states;
    enum argument argument;
    bool utf8; /* bytes above 127 may be in it */
    enum needs needs;
    void (*run)(struct pp_smtp_server *s, const struct call *c);
} commands[] = {
    {"EHLO", ANYTIME, SOME, false, NOTHING, run_ehlo},
    {"HELO", ANYTIME, SOME, false, NOTHING, run_helo},
    {"MAIL", IN(PP_SERVER_AWAIT_MAIL), SOME, true, LOGIN, run_mail},
    {"RCPT", IN(PP_SERVER_AWAIT_RCPT), SOME, true, LOGIN, run_rcpt},
    {"DATA", IN(PP_SERVER_AWAIT_RCPT), NONE, false, LOGIN, run_data},
    {"BDAT", ANYTIME, SOME, false, NOTHING, run_bdat},
    {"RSET", ANYTIME, NONE, false, NOTHING, run_rset},
    {"NOOP", ANYTIME, ANY, false, NOTHING, run_noop},
    {"VRFY", ANYTIME, SOME, true, LOGIN, run_vrfy},
    {"HELP", ANYTIME, ANY, false, TLS, run_help},
    {"QUIT", ANYTIME, NONE, false, NOTHING, run_quit},
    {"STARTTLS", GREETED, NONE, false, NOTHING, run_starttls},
    {"AUTH", GREETED, SOME, false, TLS, run_auth},
    {"ETRN", IN(PP_SERVER_AWAIT_MAIL), SOME, false, LOGIN, run_etrn},
    {"EXPN", ANYTIME, ANY, true, NOTHING, run_absent},
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

/* Why the command is not run; NULL: it is. */
static const char *find_fault(const struct pp_smtp_server *s, const struct command *command,
                              struct pp_text line, struct pp_text rest)
{
    if (has_control(line) || (!pp_text_is_ascii(line) && (command == NULL || !command->utf8))) {
        return "500 5.5.2 a command is one line of ASCII";
    }
    if (command == NULL) {
        return "500 5.5.1 unknown command";
    }
    if (command->needs != NOTHING && s->params.needs_tls && !s->secure) {
        return "530 5.7.0 say STARTTLS first";
    }
    if ((command->states & IN(s->state)) == 0) {
        return s->state == PP_SERVER_AWAIT_HELLO ? "503 5.5.1 say EHLO first"
                                                 : "503 5.5.1 bad sequence of commands";
    }
    if (command->needs == LOGIN && s->params.needs_login && !s->logged_in) {
        return "530 5.7.0 log in first";
    }
    if (command->argument == NONE && rest.len > 0) {
        return "501 5.5.4 no argument allowed";
    }
    return command->argument == SOME && rest.len == 0 ? "501 5.5.4 argument missing" : NULL;
}

/* A web browser was made to post mail here, from a page of a stranger: its first line gives it
 * away, and what follows must not be read as commands. */
static bool is_http(struct pp_text verb)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT"};

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (pp_text_equal_nocase(verb, pp_text_z(methods[i]))) {
            return true;
        }
    }
    return false;
}

void pp_server_run_line(struct pp_smtp_server *s, char *line, size_t len, struct pp_buf *out,
                        pp_time_ms now_ms)
{
    struct pp_text verb = pp_text_trim(pp_text_n(line, len));
    struct pp_text rest = verb;

    verb = pp_text_cut(&rest, ' ');
    rest = pp_text_trim(rest);
    const struct command *command = find_command(verb);
    if (is_http(verb)) {
        pp_smtp_server_close(s, out, "421 4.7.0 this is no web server", now_ms);
        return;
    }
    const char *fault = find_fault(s, command, pp_text_n(line, len), rest);
    if (fault != NULL) {
        pp_server_refuse(s, out, fault, now_ms);
        return;
    }
    const struct call call = {line + (rest.len > 0 ? (size_t)(rest.p - line) : len), rest.len, out,
                              now_ms};
    command->run(s, &call);
}
