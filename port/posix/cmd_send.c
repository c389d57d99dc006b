/*
 * cmd_send.c - `pinpost send`: an alert, or a ready message, from standard input
 *
 * Job:      options, one hand-over, the queue id on standard output; with --wait the end of it.
 * Not here: the hand-over (handover.c), the queue's answers (control_client.c).
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "control_client.h"
#include "handover.h"

#define WAIT_DEFAULT_S 60
#define WAIT_MAX_S     (30 * 24 * 3600)
#define LOOK_EVERY_MS  250

/* One message a process: too large for the stack, and never asked for twice. */
static struct pp_input the_input;
static struct pp_recipients the_recipients;
static struct pp_control_client the_control;

static const char usage[] =
    "usage: pinpost send [-s SUBJECT] [-S SEVERITY] [-f FROM] [-n NAME] [--wait[=SECONDS]]\n"
    "                    [--message] [TO...] < text\n"
    "\n"
    "  -s, --subject SUBJECT    one line of UTF-8\n"
    "  -S, --severity SEVERITY  info, notice, warning or critical (default info)\n"
    "  -f, --from FROM          sender address; <> is the null sender (default: the "
    "configuration's)\n"
    "  -n, --name NAME          sender's name for From:\n"
    "  -m, --message            the text is a ready message with header fields (RFC 5322)\n"
    "  -w, --wait[=SECONDS]     wait until it is delivered (default 60 s; root and the relay's "
    "group)\n"
    "  TO                       recipients (default: the configuration's)\n";

struct options {
    bool message, help;
    enum pp_severity severity;
    const char *subject_z, *from_z, *name_z;
    uint32_t wait_s; /* 0: do not */
};

static bool read_wait(const char *text_z, uint32_t *wait_s)
{
    uint64_t value = WAIT_DEFAULT_S;

    if (text_z != NULL &&
        (pp_text_to_u64(pp_text_z(text_z), WAIT_MAX_S, &value) != PP_OK || value == 0)) {
        return false;
    }
    *wait_s = (uint32_t)value;
    return true;
}

static int usage_error(const struct pp_cmd_context *context, const char *words_z,
                       const char *value_z)
{
    char safe[120];
    struct pp_writer w;

    pp_writer_init(&w, safe, sizeof(safe) - 1);
    pp_put_safe(&w, pp_text_z(value_z), 80);
    safe[w.len] = '\0';
    pp_cmd_say(context, "send: %s%s; `pinpost send --help` shows all", words_z, safe);
    return EX_USAGE;
}

static int read_options(const struct pp_cmd_context *context, int argc, char **argv,
                        struct options *o)
{
    static const struct option names[] = {
        {"subject", required_argument, NULL, 's'}, {"severity", required_argument, NULL, 'S'},
        {"from", required_argument, NULL, 'f'},    {"name", required_argument, NULL, 'n'},
        {"message", no_argument, NULL, 'm'},       {"wait", optional_argument, NULL, 'w'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    int letter;

    *o = (struct options){.subject_z = "", .name_z = ""};
    optind = 0; /* begin anew: main.c may have read its own options */
    opterr = 0;
    while ((letter = getopt_long(argc, argv, ":s:S:f:n:mw::h", names, NULL)) != -1) {
        switch (letter) {
        case 's':
            o->subject_z = optarg;
            break;
        case 'S':
            if (pp_severity_from_text(pp_text_z(optarg), &o->severity) != PP_OK) {
                return usage_error(context, "severity is info, notice, warning or critical, not ",
                                   optarg);
            }
            break;
        case 'f':
            o->from_z = optarg;
            break;
        case 'n':
            o->name_z = optarg;
            break;
        case 'm':
            o->message = true;
            break;
        case 'w':
            if (!read_wait(optarg, &o->wait_s)) {
                return usage_error(context, "--wait takes seconds, not ", optarg);
            }
            break;
        case 'h':
            o->help = true;
            break;
        default:
            return usage_error(context,
                               letter == ':' ? "an argument is missing behind " : "unknown option ",
                               argv[optind - 1]);
        }
    }
    if (o->message && o->subject_z[0] != '\0') {
        return usage_error(context,
                           "a ready message has its own subject: -s goes without --message", "");
    }
    return EX_OK;
}

static int read_recipients(const struct pp_cmd_context *context, char **words)
{
    pp_recipients_clear(&the_recipients);
    for (; *words != NULL; words++) {
        struct pp_text bad;
        enum pp_err err = pp_recipients_add(&the_recipients, pp_text_z(*words), &bad);
        char safe[120];
        struct pp_writer w;
        if (err == PP_OK) {
            continue;
        }
        pp_writer_init(&w, safe, sizeof(safe) - 1);
        pp_put_safe(&w, bad, 100);
        safe[w.len] = '\0';
        pp_cmd_say(context,
                   err == PP_ERR_TOO_BIG ? "too many recipients at %s" : "not an address: %s",
                   safe);
        return EX_DATAERR;
    }
    return EX_OK;
}

/* ---- --wait ---- */

/* Ask for message `id_z`: its state and last error are kept. */
static enum pp_err ask(const struct pp_cmd_context *context, const char *id_z, char state[16],
                       char error[400])
{
    char request[64];
    struct pp_writer w;
    enum pp_err err = pp_control_client_open(&the_control, context->config.daemon.control_socket);

    pp_writer_init(&w, request, sizeof(request) - 1);
    pp_put_z(&w, "{\"cmd\":\"show\",\"id\":\"");
    pp_put_z(&w, id_z);
    pp_put_z(&w, "\"}");
    request[w.len] = '\0';
    if (err == PP_OK) {
        err = pp_control_client_ask(&the_control, request);
    }
    while (err == PP_OK && (err = pp_control_client_next(&the_control)) == PP_OK) {
        if (pp_json_has(&the_control.item, "state")) {
            pp_json_text(&the_control.item, "state", state, 16);
            pp_json_text(&the_control.item, "last_error", error, 400);
        }
    }
    pp_control_client_close(&the_control);
    return err;
}

/*
 * EX_OK: gone from the queue, delivered. -1: not decided yet; a daemon that is being restarted
 * goes on with its queue.
 */
static int look(const struct pp_cmd_context *context, const char *id_z)
{
    char state[16] = "", error[400] = "";
    enum pp_err err = ask(context, id_z, state, error);

    if (err == PP_ERR_REFUSED && strcmp(the_control.error, "not-found") == 0) {
        return EX_OK;
    }
    if (err == PP_ERR_NOT_FOUND && strcmp(state, "failed") == 0) {
        pp_cmd_say(context, "%s FAILED: %s", id_z, error);
        return EX_UNAVAILABLE;
    }
    return -1;
}

static int wait_for_end(const struct pp_cmd_context *context, const char *id_z, uint32_t wait_s)
{
    uint64_t until_ms = pp_socket_now_ms() + (uint64_t)wait_s * 1000;

    for (;;) {
        int status = look(context, id_z);
        if (status == EX_OK) {
            (void)printf("delivered\n");
        }
        if (status >= 0) {
            return status;
        }
        if (pp_socket_now_ms() >= until_ms) {
            pp_cmd_say(context, "%s is still in the queue: `pinpost queue show %s`", id_z, id_z);
            return EX_TEMPFAIL;
        }
        (void)poll(NULL, 0, LOOK_EVERY_MS);
    }
}

/* ---- the whole ---- */

static int give(struct pp_cmd_context *context, const struct options *o,
                const struct pp_handover *mail)
{
    struct pp_handover_outcome outcome;

    pp_handover_give(context->config.daemon.submit_socket, context->config.daemon.drop_directory,
                     mail, &outcome);
    if (outcome.id[0] != '\0') {
        (void)printf("queued as %s\n", outcome.id);
        (void)fflush(stdout);
    }
    if (outcome.text[0] != '\0') {
        pp_cmd_say(context, "%s", outcome.text);
    }
    if (outcome.exit_code == EX_OK && o->wait_s > 0) {
        if (outcome.id[0] == '\0') {
            return EX_TEMPFAIL; /* in the drop directory: not delivered yet */
        }
        return wait_for_end(context, outcome.id, o->wait_s);
    }
    return outcome.exit_code;
}

static int read_text(const struct pp_cmd_context *context)
{
    enum pp_err err = pp_input_read(&the_input, STDIN_FILENO, false);

    if (err == PP_OK) {
        return EX_OK;
    }
    if (err == PP_ERR_TOO_BIG) {
        pp_cmd_say(context, "the text is too big");
        return EX_DATAERR;
    }
    pp_cmd_say(context, "cannot read the text: %s", strerror(errno));
    return EX_IOERR;
}

/* --wait asks the daemon for what not everybody may see: better known before than after. */
static int check_wait(const struct pp_cmd_context *context)
{
    enum pp_err err = pp_control_client_open(&the_control, context->config.daemon.control_socket);

    if (err != PP_OK) {
        pp_cmd_say(context, "--wait: %s; nothing was sent", the_control.words);
        return pp_control_client_exit_code(&the_control, err);
    }
    pp_control_client_close(&the_control);
    return EX_OK;
}

static int send_mail(struct pp_cmd_context *context, const struct options *o)
{
    struct pp_text from = pp_text_trim(pp_text_z(o->from_z));
    const struct pp_handover mail = {
        .kind = o->message ? PP_KIND_MESSAGE : PP_KIND_ALERT,
        .severity = o->severity,
        .default_sender = from.len == 0,
        .default_recipients = the_recipients.count == 0,
        .sender = pp_text_equal(from, pp_text_z("<>")) ? pp_text_n(NULL, 0) : from,
        .sender_name = pp_text_z(o->name_z),
        .subject = pp_text_z(o->subject_z),
        .recipients = &the_recipients,
        .input = &the_input,
    };
    int status = o->wait_s > 0 ? check_wait(context) : EX_OK;

    if (status == EX_OK) {
        status = read_text(context);
        if (status == EX_OK) {
            status = give(context, o, &mail);
            pp_input_close(&the_input);
        }
    }
    return status;
}

int pp_cmd_send(struct pp_cmd_context *context, int argc, char **argv)
{
    struct options o;
    int status = read_options(context, argc, argv, &o);

    if (status == EX_OK && o.help) {
        (void)fputs(usage, stdout);
        return EX_OK;
    }
    if (status == EX_OK) {
        status = read_recipients(context, argv + optind);
    }
    if (status == EX_OK) {
        status = pp_cmd_load_client(context);
    }
    return status == EX_OK ? send_mail(context, &o) : status;
}
