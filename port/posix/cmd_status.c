/*
 * cmd_status.c - `pinpost status`: is all well?
 *
 * Job:      ask the daemon, show what matters first; exit 69 when mail cannot get through now.
 */
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "cmd.h"
#include "control_client.h"

static struct pp_control_client the_control; /* too large for the stack */

static const char usage[] =
    "usage: pinpost status [--json]\n"
    "\n"
    "Exit status: 0 all is well; 69 the daemon is down, the smarthost cannot "
    "be reached,\n"
    "messages have failed for good, or the store has.\n";

static unsigned long long number(const char *name_z)
{
    return pp_json_u64(&the_control.item, name_z, 0);
}

static void show_text(const char *label_z, const char *name_z)
{
    char text[512], safe[2048];
    struct pp_writer w;

    pp_json_text(&the_control.item, name_z, text, sizeof(text));
    pp_writer_init(&w, safe, sizeof(safe) - 1);
    pp_put_safe(&w, pp_text_z(text), sizeof(text));
    safe[w.len] = '\0';
    if (safe[0] != '\0') {
        (void)printf("%-13s%s\n", label_z, safe);
    }
}

static void put_span_z(char out[32], uint64_t span_ms)
{
    struct pp_writer w;

    pp_writer_init(&w, out, 31);
    pp_put_span(&w, span_ms);
    out[w.len] = '\0';
}

static void show_route(void)
{
    char span[32];

    show_text("smarthost:", "smarthost");
    if (pp_json_true(&the_control.item, "route_up")) {
        (void)printf("%-13sup\n", "route:");
        return;
    }
    if (!pp_json_has(&the_control.item, "last_error") || number("route_retry_in_ms") == 0) {
        (void)printf("%-13snot tried since it was last seen down, or since the start\n", "route:");
    } else {
        put_span_z(span, number("route_retry_in_ms"));
        (void)printf("%-13sDOWN, next try in %s\n", "route:", span);
    }
    show_text("last error:", "last_error");
}

/* RFC 8460's words; only what there was. */
static void show_tls(void)
{
    unsigned long long good = pp_json_inner_u64(&the_control.item, "tls", "successful", 0);
    unsigned long long resumed = pp_json_inner_u64(&the_control.item, "tls", "resumed", 0);

    (void)printf("%-13s%llu sessions, %llu of them resumed", "tls:", good, resumed);
    for (int i = PP_TLS_RESULT_NONE + 1; i < PP_TLS_RESULT_COUNT; i++) {
        const char *name_z = pp_tls_result_name((enum pp_tls_result)i);
        unsigned long long count = pp_json_inner_u64(&the_control.item, "tls", name_z, 0);
        if (count > 0) {
            (void)printf("; %llu %s", count, name_z);
        }
    }
    (void)printf("\n");
}

static void show_store(void)
{
    unsigned long long all = number("store_bytes"), left = number("store_free_bytes");

    (void)printf("%-13s%llu KiB, %llu%% free%s\n", "store:", all / 1024,
                 all > 0 ? left * 100 / all : 0,
                 pp_json_true(&the_control.item, "store_failed")
                     ? ", FAILED: nothing is taken in until the daemon is started again"
                     : "");
    if (number("messages_damaged") + number("records_damaged") + number("blocks_bad") > 0) {
        (void)printf("%-13s%llu messages, %llu records, %llu blocks\n",
                     "damaged:", number("messages_damaged"), number("records_damaged"),
                     number("blocks_bad"));
    }
}

static int show(void)
{
    char span[32];
    char error[400];

    put_span_z(span, number("uptime_ms"));
    (void)printf("%-13srunning for %s, pid %llu\n", "daemon:", span, number("pid"));
    show_route();
    show_tls();
    (void)printf("%-13s%llu of %llu: %llu waiting, %llu being sent, %llu held, %llu %s\n",
                 "queue:", number("messages"), number("messages_cap"), number("waiting"),
                 number("sending"), number("held"), number("failed"),
                 number("failed") > 0 ? "FAILED (`pinpost queue`)" : "failed");
    (void)printf("%-13s%llu accepted, %llu recipients delivered, %llu failed\n",
                 "since start:", number("accepted_messages"), number("delivered_recipients"),
                 number("failed_recipients"));
    show_store();
    pp_json_text(&the_control.item, "last_error", error, sizeof(error));
    return (error[0] != '\0' && !pp_json_true(&the_control.item, "route_up")) ||
                   number("failed") > 0 || pp_json_true(&the_control.item, "store_failed")
               ? EX_UNAVAILABLE
               : EX_OK;
}

static int fail(const struct pp_cmd_context *context, enum pp_err err)
{
    pp_cmd_say(context, "status: %s", the_control.words);
    return pp_control_client_exit_code(&the_control, err);
}

int pp_cmd_status(struct pp_cmd_context *context, int argc, char **argv)
{
    bool json = false;
    enum pp_err err;
    int status;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            (void)fputs(usage, stdout);
            return EX_OK;
        } else {
            pp_cmd_say(context, "status: takes --json only; `pinpost status --help`");
            return EX_USAGE;
        }
    }
    status = pp_cmd_load_client(context);
    if (status != EX_OK) {
        return status;
    }
    err = pp_control_client_open(&the_control, context->config.daemon.control_socket);
    if (err != PP_OK) {
        return fail(context, err);
    }
    err = pp_control_client_ask(&the_control, "{\"cmd\":\"status\"}");
    if (err == PP_OK) {
        err = pp_control_client_next(&the_control);
    }
    if (err == PP_ERR_NOT_FOUND && json) {
        (void)printf("%.*s\n", (int)the_control.item.line.len, the_control.item.line.p);
    } else if (err == PP_ERR_NOT_FOUND) {
        status = show();
    } else {
        status = fail(context, err == PP_OK ? PP_ERR_SYNTAX : err);
    }
    pp_control_client_close(&the_control);
    return status;
}
