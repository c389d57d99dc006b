/*
 * daemon_start.c - the relay as a daemon: everything opened in its order
 *
 * Job:      store (its lock first: it says whether there is another daemon), sockets, privileges,
 * relay. Not here: what goes on then (daemon.c).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon.h"
#include "signals.h"
#include "trust_file.h"

static void sink(void *ctx, enum pp_log_level level, const char *line, size_t len)
{
    const struct pp_port *port = ctx;
    port->log(port->ctx, (enum pp_port_log)level, line, len);
}

static int exit_code(enum pp_err err)
{
    switch (err) {
    case PP_OK:
        return EX_OK;
    case PP_ERR_BUSY:
        return EX_TEMPFAIL;
    case PP_ERR_DENIED:
        return EX_NOPERM;
    case PP_ERR_NOT_FOUND:
    case PP_ERR_EMPTY:
    case PP_ERR_TOO_BIG:
        return EX_CONFIG;
    case PP_ERR_VERSION:
        return EX_DATAERR;
    case PP_ERR_FLASH:
        return EX_IOERR;
    default:
        return EX_CANTCREAT;
    }
}

/* ---- the machine ---- */

static int open_machine(struct pp_daemon *d)
{
    const struct pp_config *config = &d->context->config;

    umask(077);
    tzset();
    if (pp_posix_port_init(&d->posix, config->daemon.resolv_conf, config->daemon.hosts_file) != 0) {
        pp_cmd_say(d->context, "epoll: %s", strerror(errno));
        return EX_OSERR;
    }
    d->log = (struct pp_log){.sink = sink, .ctx = &d->posix.port, .level = config->log.level};
    int fd = pp_signals_open();
    if (fd < 0 || pp_posix_port_watch(&d->posix, fd, true, false, false) != 0) {
        pp_cmd_say(d->context, "signals: %s", strerror(errno));
        return EX_OSERR;
    }
    return EX_OK;
}

/* ---- the store ---- */

static int open_store(struct pp_daemon *d)
{
    const struct pp_config *config = &d->context->config;
    const struct pp_privileges *owner = &d->privileges;
    char words[PP_PATH_CAP + 200];

    enum pp_err err = pp_daemon_directory(config->queue.path, true, owner, words, sizeof words);
    if (err != PP_OK) {
        pp_cmd_say(d->context, "[queue] path: %s", words);
        return exit_code(err);
    }
    int result = pp_flash_device_open(&d->flash, config->queue.path, config->queue.size_bytes,
                                      &d->posix.port.flash, words, sizeof words);
    if (result == PP_IO_BUSY) {
        pp_cmd_say(d->context, "%s: another daemon uses this store", config->queue.path);
        return EX_TEMPFAIL;
    }
    if (result != 0) {
        int error = errno;
        pp_cmd_say(d->context, "[queue] path: %s: %s", config->queue.path, words);
        return error == EACCES ? EX_NOPERM : EX_CANTCREAT;
    }
    /* So that it can be opened again by the user it belongs to. */
    if (owner->drops && fchown(pp_flash_device_fd(&d->flash), owner->uid, owner->gid) != 0) {
        pp_cmd_say(d->context, "[queue] path: %s: %s", config->queue.path, strerror(errno));
        return EX_NOPERM;
    }
    return EX_OK;
}

/* ---- sockets and the drop directory ---- */

static enum pp_err open_places(struct pp_daemon *d, char *words, size_t cap)
{
    const struct pp_config *config = &d->context->config;
    const struct pp_privileges *owner = &d->privileges;

    enum pp_err err = pp_daemon_directory(config->daemon.directory, false, owner, words, cap);
    if (err == PP_OK)
        err = pp_daemon_directory(config->daemon.drop_directory, true, owner, words, cap);
    if (err == PP_OK)
        err = pp_daemon_drop_directory(config->daemon.drop_directory, owner, words, cap);
    if (err == PP_OK)
        err = pp_daemon_listen(&d->submit_socket, config->daemon.submit_socket, 0666, owner, words,
                               cap);
    if (err == PP_OK)
        err = pp_daemon_listen(&d->control_socket, config->daemon.control_socket, 0660, owner,
                               words, cap);
    if (err == PP_OK && pp_posix_port_listen(&d->posix, d->submit_socket.fd, PP_PORT_LOCAL) != 0) {
        snprintf(words, cap, "%s: %s", config->daemon.submit_socket, strerror(errno));
        err = PP_ERR_IO;
    }
    pp_tcp_raise_limit();
    return err == PP_OK ? pp_tcp_listen(&d->tcp, &d->posix, config, words, cap) : err;
}

static int open_world(struct pp_daemon *d)
{
    char words[PP_PATH_CAP + 200];

    enum pp_err err = open_places(d, words, sizeof words);
    if (err == PP_OK)
        err = pp_trust_file_load(&d->context->config, words, sizeof words);
    if (err == PP_OK)
        err = pp_identity_file_read(&d->identity, &d->context->config, words, sizeof words);
    d->client_identity.client = true;
    if (err == PP_OK)
        err = pp_identity_file_read(&d->client_identity, &d->context->config, words, sizeof words);
    if (err != PP_OK) {
        pp_cmd_say(d->context, "%s", words);
        return exit_code(err);
    }
    /* Before privileges go: a jail or a strict /dev may hide the log from others. */
    pp_posix_port_log_to_syslog(&d->posix, d->context->config.log.target == PP_LOG_SYSLOG);
    if (pp_privileges_drop(&d->privileges) != PP_OK) {
        pp_cmd_say(d->context, "[daemon] user: cannot become \"%s\": %s", d->privileges.user,
                   strerror(errno));
        return EX_NOPERM;
    }
    return EX_OK;
}

/* ---- the relay ---- */

static int start_relay(struct pp_daemon *d)
{
    const struct pp_config *config = &d->context->config;
    const struct pp_port *port = &d->posix.port;

    pp_dovecot_open(&d->dovecot, &d->posix, config->server.auth_socket);
    enum pp_err err = pp_relay_start(port, config, &d->relay);
    if (err != PP_OK) {
        d->relay = NULL;
        pp_cmd_say(d->context, "%s: %s%s", config->queue.path, pp_err_text(err),
                   err == PP_ERR_VERSION ? "; `pinpost store` says more" : "");
        return exit_code(err);
    }
    char words[PP_PATH_CAP + 400];
    err = pp_identity_file_apply(&d->identity, words, sizeof words);
    if (err == PP_OK)
        err = pp_identity_file_apply(&d->client_identity, words, sizeof words);
    if (err != PP_OK) {
        pp_cmd_say(d->context, "%s", words);
        return EX_CONFIG;
    }
    const struct pp_control_world world = {.relay = d->relay, .port = port, .config = config};
    err = pp_drop_open(&d->drop, config->daemon.drop_directory, d->relay, port, &d->log);
    if (err != PP_OK)
        pp_cmd_say(d->context, "%s: %s", config->daemon.drop_directory, strerror(errno));
    enum pp_err control_err = pp_control_open(&d->control, &world, &d->posix, &d->log,
                                              d->control_socket.fd, &d->privileges);
    if (control_err != PP_OK)
        pp_cmd_say(d->context, "%s: %s", config->daemon.control_socket, strerror(errno));
    pp_err_keep(&err, control_err);
    return exit_code(err);
}

static void log_ready(const struct pp_daemon *d)
{
    const struct pp_config *config = &d->context->config;
    struct pp_log_line line;

    pp_log_begin(&line, &d->log, PP_LOG_INFO, 0, "ready");
    pp_log_z(&line, "version", PP_PINPOST_VERSION);
    pp_log_u64(&line, "pid", (uint64_t)getpid());
    pp_log_u64(&line, "uid", geteuid());
    pp_log_z(&line, "smarthost", config->smarthosts[0].host);
    pp_log_u64(&line, "port", config->smarthosts[0].port);
    pp_log_z(&line, "policy", pp_tls_level_name(config->smarthosts[0].tls.level));
    pp_log_z(&line, "submit", config->daemon.submit_socket);
    pp_log_end(&line);
}

int pp_daemon_start(struct pp_daemon *d, struct pp_cmd_context *context)
{
    char words[PP_NAME_CAP + 200];

    d->context = context;
    pp_flash_device_init(&d->flash);
    d->submit_socket.fd = d->control_socket.fd = -1;
    d->drop.directory = d->drop.reader.fd = -1;
    d->posix.epoll_fd = -1;
    enum pp_err err = pp_privileges_find(&context->config, &d->privileges, words, sizeof words);
    int status = exit_code(err);
    if (err != PP_OK)
        pp_cmd_say(context, "%s", words);
    if (status == EX_OK)
        status = open_machine(d);
    if (status == EX_OK)
        status = open_store(d);
    if (status == EX_OK)
        status = open_world(d);
    if (status == EX_OK)
        status = start_relay(d);
    if (status == EX_OK)
        log_ready(d);
    return status;
}
