/*
 * cmd_queue.c - `pinpost queue`: list, show, flush, hold, release, remove
 *
 * Job:      check the arguments, ask the daemon for each, show the answer.
 * Not here: how it looks (queue_show.c), who may (the daemon decides).
 */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "control_client.h"
#include "queue_show.h"

static struct pp_control_client the_control; /* too large for the stack */

static const char usage[] =
    "usage: pinpost queue [--json] [list]             what waits, is held or has failed\n"
    "       pinpost queue [--json] show ID...         one message: envelope, replies, content\n"
    "       pinpost queue [--json] flush [ID...]      try to send now\n"
    "       pinpost queue [--json] hold ID...|all     do not send until released\n"
    "       pinpost queue [--json] release ID...|all  send held and failed messages again\n"
    "       pinpost queue [--json] remove ID...|all   drop for good\n"
    "\n"
    "--json prints the daemon's lines as they are, one object each (docs/control-protocol.md).\n";

struct verb {
    const char *name_z;
    const char *done_z; /* behind the count; NULL: items are shown */
    bool wants_id, takes_all;
};

static const struct verb verbs[] = {
    {"list", NULL, false, false},        {"show", NULL, true, false},
    {"flush", "due now", false, false},  {"hold", "held", true, true},
    {"release", "released", true, true}, {"remove", "removed", true, true},
};

static bool is_id(const char *word_z)
{
    size_t len = strlen(word_z);

    return len > 0 && len <= 8 && strspn(word_z, "0123456789abcdefABCDEF") == len;
}

static void show_line(const struct pp_json *item, enum pp_err err)
{
    if (err == PP_OK || pp_json_has(item, "ok")) {
        (void)fwrite(item->line.p, 1, item->line.len, stdout);
        (void)fputc('\n', stdout);
    }
}

/* Show one answer to its end. */
static enum pp_err read_answer(const struct verb *verb, bool json)
{
    struct pp_queue_totals totals = {0};
    int state = 0;
    enum pp_err err;

    do {
        the_control.item.count = 0;
        err = pp_control_client_next(&the_control);
        if (json) {
            show_line(&the_control.item, err);
        } else if (err == PP_OK && strcmp(verb->name_z, "list") == 0) {
            pp_queue_show_row(&the_control.item, &totals);
        } else if (err == PP_OK) {
            pp_queue_show_item(&the_control.item, &state);
        }
    } while (err == PP_OK);
    if (err == PP_ERR_NOT_FOUND && !json && strcmp(verb->name_z, "list") == 0) {
        pp_queue_show_totals(&totals);
    }
    return err;
}

/* Words about an action, and its exit status. */
static int tell_count(const struct pp_cmd_context *context, const struct verb *verb, bool json)
{
    uint64_t count = pp_json_u64(&the_control.item, "count", 0);
    uint64_t busy = pp_json_u64(&the_control.item, "busy", 0);

    if (verb->done_z != NULL && !json) {
        (void)printf("%llu %s %s\n", (unsigned long long)count, count == 1 ? "message" : "messages",
                     verb->done_z);
    }
    if (busy > 0) {
        pp_cmd_say(context, "queue: %llu left alone, being sent just now: try again",
                   (unsigned long long)busy);
        return EX_TEMPFAIL;
    }
    return EX_OK;
}

static int ask(const struct pp_cmd_context *context, const struct verb *verb, const char *id_z,
               bool json)
{
    char request[128];
    struct pp_writer w;
    enum pp_err err;

    pp_writer_init(&w, request, sizeof(request) - 1);
    pp_put_z(&w, "{\"cmd\":\"");
    pp_put_z(&w, verb->name_z);
    pp_put_char(&w, '"');
    if (id_z != NULL) {
        pp_put_z(&w, ",\"id\":\"");
        pp_put_z(&w, id_z);
        pp_put_char(&w, '"');
    }
    pp_put_z(&w, strcmp(verb->name_z, "show") == 0 ? ",\"content\":true}" : "}");
    request[w.len] = '\0';
    err = pp_control_client_ask(&the_control, request);
    if (err == PP_OK) {
        err = read_answer(verb, json);
    }
    if (err != PP_ERR_NOT_FOUND) {
        pp_cmd_say(context, "queue: %s", the_control.words);
        return pp_control_client_exit_code(&the_control, err);
    }
    return tell_count(context, verb, json);
}

static int usage_error(const struct pp_cmd_context *context, const char *words_z,
                       const char *value_z)
{
    char safe[120];
    struct pp_writer w;

    pp_writer_init(&w, safe, sizeof(safe) - 1);
    pp_put_safe(&w, pp_text_z(value_z), 80);
    safe[w.len] = '\0';
    pp_cmd_say(context, "queue: %s%s; `pinpost queue --help` shows all", words_z, safe);
    return EX_USAGE;
}

static const struct verb *find_verb(const char *name_z)
{
    for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
        if (strcmp(verbs[i].name_z, name_z) == 0) {
            return &verbs[i];
        }
    }
    return NULL;
}

static int check_ids(const struct pp_cmd_context *context, const struct verb *verb, int count,
                     char **ids)
{
    if (count == 0 && verb->wants_id) {
        return usage_error(context, "an ID is missing behind ", verb->name_z);
    }
    if (count > 0 && strcmp(verb->name_z, "list") == 0) {
        return usage_error(context, "list takes no argument: ", ids[0]);
    }
    for (int i = 0; i < count; i++) {
        if (!is_id(ids[i]) && !(verb->takes_all && strcmp(ids[i], "all") == 0)) {
            return usage_error(context, "an ID is up to eight hexadecimal digits, not ", ids[i]);
        }
    }
    return EX_OK;
}

static int ask_all(const struct pp_cmd_context *context, const struct verb *verb, int count,
                   char **ids, bool json)
{
    int worst = EX_OK, i = 0;
    enum pp_err err = pp_control_client_open(&the_control, context->config.daemon.control_socket);

    if (err != PP_OK) {
        pp_cmd_say(context, "queue: %s", the_control.words);
        return pp_control_client_exit_code(&the_control, err);
    }
    do {
        int status = ask(context, verb, count > 0 ? ids[i] : NULL, json);
        worst = worst == EX_OK ? status : worst;
        i++;
    } while (i < count && (worst == EX_OK || the_control.error[0] != '\0'));
    pp_control_client_close(&the_control);
    return worst;
}

int pp_cmd_queue(struct pp_cmd_context *context, int argc, char **argv)
{
    const struct verb *verb = &verbs[0];
    bool json = false;
    int kept = 0, status;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            (void)fputs(usage, stdout);
            return EX_OK;
        } else if (argv[i][0] == '-') {
            return usage_error(context, "unknown option ", argv[i]);
        } else {
            argv[kept++] = argv[i];
        }
    }
    if (kept > 0) {
        verb = find_verb(argv[0]);
        if (verb == NULL) {
            return usage_error(context, "unknown command ", argv[0]);
        }
        status = check_ids(context, verb, kept - 1, argv + 1);
        if (status != EX_OK) {
            return status;
        }
    }
    status = pp_cmd_load_client(context);
    return status == EX_OK ? ask_all(context, verb, kept > 0 ? kept - 1 : 0, argv + 1, json)
                           : status;
}
