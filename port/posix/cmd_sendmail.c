/*
 * cmd_sendmail.c - called as sendmail: what cron, smartd, mdadm and mailx expect
 *
 * Job:      options, recipients from arguments and header, the caller as sender, one hand-over.
 *           -bp lists the queue, -q flushes it.
 * Not here: options (sendmail_options.c), recipients (recipients.c), the hand-over (handover.c).
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "handover.h"
#include "message/address.h"
#include "sendmail_options.h"

/* One message a process: too large for the stack, and never asked for twice. */
static struct pp_input the_input;
static struct pp_recipients the_recipients;

/* Who calls, for messages that name no sender. */
struct caller {
    char login[64];
    char name[128];
};

static void copy(char *out, size_t cap, const char *text_z, size_t len)
{
    struct pp_writer w;

    pp_writer_init(&w, out, cap - 1);
    pp_put(&w, text_z, len);
    out[w.len] = '\0';
}

static void find_caller(struct caller *caller)
{
    char bytes[4096];
    struct passwd entry, *user = NULL;
    struct pp_writer w;

    if (getpwuid_r(getuid(), &entry, bytes, sizeof(bytes), &user) == 0 && user != NULL &&
        user->pw_name[0] != '\0') {
        copy(caller->login, sizeof(caller->login), user->pw_name, strlen(user->pw_name));
        copy(caller->name, sizeof(caller->name), user->pw_gecos, strcspn(user->pw_gecos, ","));
        if (!pp_text_is_utf8(pp_text_z(caller->name))) {
            caller->name[0] = '\0';
        }
        return;
    }
    pp_writer_init(&w, caller->login, sizeof(caller->login) - 1);
    pp_put_z(&w, "uid-");
    pp_put_u64(&w, getuid());
    caller->login[w.len] = '\0';
    caller->name[0] = '\0';
}

/* `<a@b>`, `Name <a@b>`, `a@b`, "", `<>`. */
static bool read_sender(const char *text_z, struct pp_text *sender)
{
    struct pp_text rest = pp_text_trim(pp_text_z(text_z)), more;

    if (rest.len == 0 || pp_text_equal(rest, pp_text_z("<>"))) {
        *sender = pp_text_n(rest.p, 0);
        return true;
    }
    return !pp_text_has_line_break(rest) && pp_address_next(&rest, sender) == PP_OK &&
           pp_address_next(&rest, &more) == PP_ERR_NOT_FOUND;
}

static int read_header(const struct pp_cmd_context *context)
{
    char words[120];
    struct pp_writer w;
    struct pp_text bad;
    bool whole = the_input.size_bytes == the_input.memory_len;
    enum pp_err err =
        pp_recipients_from_header(&the_recipients, pp_input_memory(&the_input), whole, &bad);

    if (err == PP_ERR_TOO_BIG) {
        pp_cmd_say(context, "header too long or too many recipients: at most %d recipients",
                   PP_RECIPIENTS_MAX);
        return EX_DATAERR;
    }
    if (err != PP_OK) {
        pp_writer_init(&w, words, sizeof(words) - 1);
        pp_put_safe(&w, bad, 100);
        words[w.len] = '\0';
        pp_cmd_say(context, "not an address in To, Cc or Bcc: %s", words);
        return EX_DATAERR;
    }
    return EX_OK;
}

static int read_message(const struct pp_cmd_context *context,
                        const struct pp_sendmail_options *options)
{
    enum pp_err err = pp_input_read(&the_input, STDIN_FILENO, !options->dots_are_text);

    if (err == PP_ERR_TOO_BIG) {
        pp_cmd_say(context, "the message is too big");
        return EX_DATAERR;
    }
    if (err != PP_OK) {
        pp_cmd_say(context, "cannot read the message: %s", strerror(errno));
        return EX_IOERR;
    }
    return options->from_header ? read_header(context) : EX_OK;
}

static int give(struct pp_cmd_context *context, const struct pp_handover *mail)
{
    struct pp_handover_outcome outcome;

    pp_handover_give(context->config.daemon.submit_socket, context->config.daemon.drop_directory,
                     mail, &outcome);
    /* What is safe in the drop directory is no complaint: cron would mail it. */
    if (outcome.exit_code != EX_OK) {
        pp_cmd_say(context, "%s", outcome.text);
    }
    return outcome.exit_code;
}

static int send_message(struct pp_cmd_context *context, const struct pp_sendmail_options *options)
{
    struct caller caller;
    struct pp_handover mail = {
        .kind = PP_KIND_MESSAGE,
        .severity = PP_SEVERITY_INFO,
        .recipients = &the_recipients,
        .input = &the_input,
    };
    int status;

    if (the_recipients.count == 0 && !options->from_header) {
        pp_cmd_say(context, "no recipient: name one, or give -t to take To, Cc and Bcc");
        return EX_USAGE;
    }
    find_caller(&caller);
    mail.sender = pp_text_z(caller.login);
    mail.sender_name =
        pp_text_z(options->sender_name_z != NULL ? options->sender_name_z : caller.name);
    if (options->sender_z != NULL && !read_sender(options->sender_z, &mail.sender)) {
        pp_cmd_say(context, "-f: not an address");
        return EX_USAGE;
    }
    status = read_message(context, options);
    if (status == EX_OK) {
        status = give(context, &mail);
        pp_input_close(&the_input);
    }
    return status;
}

static int call_queue(struct pp_cmd_context *context, const char *verb_z)
{
    char queue[] = "queue", verb[16];
    char *arguments[] = {queue, verb, NULL};

    copy(verb, sizeof(verb), verb_z, strlen(verb_z));
    return pp_cmd_queue(context, 2, arguments);
}

int pp_cmd_sendmail(struct pp_cmd_context *context, int argc, char **argv)
{
    struct pp_sendmail_options options;
    enum pp_err err;
    int status;

    pp_recipients_clear(&the_recipients);
    err = pp_sendmail_options_read(&options, &the_recipients, argc, argv);
    if (err != PP_OK) {
        pp_cmd_say(context, "%s", options.error);
        return options.address_wrong ? EX_DATAERR : EX_USAGE;
    }
    if (options.config_path_z != NULL) {
        context->config_path_z = options.config_path_z;
        context->config_path_given = true;
    }
    if (options.mode != PP_SENDMAIL_SEND) {
        return call_queue(context, options.mode == PP_SENDMAIL_LIST ? "list" : "flush");
    }
    status = pp_cmd_load_client(context);
    return status != EX_OK ? status : send_message(context, &options);
}
