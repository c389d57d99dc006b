/*
 * probe_run.c - one walk to the smarthost, driven to its end by a command
 *
 * Job:      the daemon's loop in small.
 */
#include "probe_run.h"

#include <errno.h>
#include <string.h>

#include "identity_file.h"
#include "posix_port.h"

static struct pp_posix_port the_port; /* too large for the stack */
static struct pp_identity_file the_identity = {.client = true};

/* After the generator was seeded: the key is tried. */
static int load_identity(const struct pp_cmd_context *context)
{
    char words[PP_PATH_CAP + 400];
    enum pp_err err = pp_identity_file_read(&the_identity, &context->config, words, sizeof(words));

    if (err == PP_OK) {
        err = pp_identity_file_apply(&the_identity, words, sizeof(words));
    }
    if (err != PP_OK) {
        pp_cmd_say(context, "%s", words);
    }
    return err == PP_OK ? EX_OK : EX_CONFIG;
}

static void shorten(uint32_t *ms)
{
    *ms = *ms == 0 || *ms > PP_PROBE_STEP_MS ? PP_PROBE_STEP_MS : *ms;
}

static void shorten_all(struct pp_timeouts *t)
{
    shorten(&t->dns_ms);
    shorten(&t->connect_ms);
    shorten(&t->greeting_ms);
    shorten(&t->ehlo_ms);
    shorten(&t->starttls_ms);
    shorten(&t->handshake_ms);
    shorten(&t->auth_ms);
    shorten(&t->mail_ms);
    shorten(&t->rcpt_ms);
    shorten(&t->rset_ms);
    shorten(&t->quit_ms);
}

int pp_probe_run(struct pp_cmd_context *context, bool inspect, pp_probe_step_fn on_step, void *ctx)
{
    const struct pp_port *port = &the_port.port;
    uint64_t next_ms = 0;
    enum pp_err err;

    shorten_all(&context->config.timeouts);
    if (pp_posix_port_init(&the_port, context->config.daemon.resolv_conf,
                           context->config.daemon.hosts_file) != 0) {
        pp_cmd_say(context, "cannot open sockets: %s", strerror(errno));
        return EX_OSERR;
    }
    err = pp_probe_start(port, &context->config, 0, inspect, on_step, ctx);
    if (err != PP_OK) {
        pp_cmd_say(context, "cannot begin: %s", pp_err_text(err));
        pp_posix_port_close(&the_port);
        return EX_SOFTWARE;
    }
    if (load_identity(context) != EX_OK) {
        pp_posix_port_close(&the_port);
        return EX_CONFIG;
    }
    while (pp_probe_turn(&next_ms)) {
        port->wait(port->ctx, next_ms);
    }
    pp_posix_port_close(&the_port);
    return EX_OK;
}
