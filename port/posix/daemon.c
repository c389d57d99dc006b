/*
 * daemon.c - the relay as a daemon: loop, reread, stop
 *
 * Job:      the turns of relay, control socket and drop directory, and what signals ask for.
 * Not here: opening things (daemon_start.c).
 */
#include "daemon.h"

#include <string.h>
#include <unistd.h>

#include "base/time.h"
#include "config_file.h"
#include "signals.h"
#include "trust_file.h"

#define DRAIN_MS 10000

static void log_words(struct pp_daemon *d, enum pp_log_level level, const char *event_z,
                      const char *key_z, const char *words_z)
{
    struct pp_log_line line;

    pp_log_begin(&line, &d->log, level, 0, event_z);
    if (words_z)
        pp_log_z(&line, key_z, words_z);
    pp_log_end(&line);
}

/* ---- SIGHUP ---- */

static void log_problem(void *ctx, const char *words_z)
{
    log_words(ctx, PP_LOG_ERROR, "config_refused", "error", words_z);
}

/* What was opened at start stays as it is. */
static void keep_fixed(struct pp_daemon *d, const struct pp_config *now)
{
    struct pp_config *next = &d->candidate;

    if (memcmp(&now->daemon, &next->daemon, sizeof now->daemon) != 0)
        log_words(d, PP_LOG_WARN, "config_needs_restart", "section", "daemon");
    if (strcmp(now->queue.path, next->queue.path) != 0)
        log_words(d, PP_LOG_WARN, "config_needs_restart", "key", "[queue] path");
    /* Sockets stay as they are; the other rules of a listener may change. */
    bool same = now->listener_count == next->listener_count;
    for (uint32_t i = 0; i < now->listener_count && same; i++)
        same = strcmp(now->listeners[i].address, next->listeners[i].address) == 0 &&
               now->listeners[i].port == next->listeners[i].port;
    if (!same) {
        log_words(d, PP_LOG_WARN, "config_needs_restart", "section", "listener");
        next->listener_count = now->listener_count;
        memcpy(next->listeners, now->listeners, sizeof next->listeners);
    }
    next->daemon = now->daemon;
    memcpy(next->queue.path, now->queue.path, sizeof next->queue.path);
}

/* What was read of the refused file has taken the place of the CAs in force. */
static void restore_trust(struct pp_daemon *d)
{
    char words[PP_PATH_CAP + 200];

    if (pp_trust_file_load(&d->context->config, words, sizeof words) != PP_OK)
        log_words(d, PP_LOG_ERROR, "trust_incomplete", "error", words);
}

/* A renewed certificate. What was in force stays where something is wrong with it. */
static void reread_one(struct pp_daemon *d, struct pp_identity_file *file)
{
    char words[PP_PATH_CAP + 400];
    enum pp_err err = pp_identity_file_read(file, &d->context->config, words, sizeof words);

    if (err == PP_OK)
        err = pp_identity_file_apply(file, words, sizeof words);
    if (err != PP_OK)
        log_words(d, PP_LOG_ERROR, "certificate_kept", "error", words);
    else if (words[0] != '\0')
        log_words(d, PP_LOG_INFO, "certificate_read", "certificate", words);
}

static void reread_identities(struct pp_daemon *d)
{
    reread_one(d, &d->identity);
    reread_one(d, &d->client_identity);
}

static void reread(struct pp_daemon *d)
{
    const struct pp_config_report report = {.problem = log_problem, .ctx = d};
    struct pp_config *config = &d->context->config;
    char words[PP_PATH_CAP + 200];

    pp_drop_look_now(&d->drop);
    enum pp_err err = pp_config_file_load(d->context->config_path_z, &d->candidate, &report);
    if (err == PP_OK) {
        err = pp_trust_file_load(&d->candidate, words, sizeof words);
        if (err != PP_OK) {
            log_problem(d, words);
            restore_trust(d);
        }
    }
    if (err != PP_OK) {
        log_words(d, PP_LOG_ERROR, "config_kept", "words",
                  "the configuration from before stays in force");
        pp_config_wipe(&d->candidate);
        reread_identities(d);
        return;
    }
    keep_fixed(d, config);
    if (strcmp(config->server.auth_socket, d->candidate.server.auth_socket) != 0)
        pp_dovecot_move(&d->dovecot, d->candidate.server.auth_socket);
    *config = d->candidate;
    pp_config_wipe(&d->candidate);
    d->log.level = config->log.level;
    pp_posix_port_log_to_syslog(&d->posix, config->log.target == PP_LOG_SYSLOG);
    pp_relay_configure(d->relay, config);
    reread_identities(d);
    log_words(d, PP_LOG_INFO, "config_reread", "file", d->context->config_path_z);
}

/* ---- the loop ---- */

static uint64_t now_ms(const struct pp_daemon *d)
{
    return d->posix.port.now_ms(d->posix.port.ctx);
}

/* Returns when the next turn is due. */
static uint64_t turn(struct pp_daemon *d)
{
    pp_dovecot_turn(&d->dovecot);
    uint64_t next_ms = pp_relay_turn(d->relay);
    uint64_t at_ms = now_ms(d);
    return pp_time_min(next_ms, pp_control_turn(&d->control, at_ms, next_ms <= at_ms));
}

static void drain(struct pp_daemon *d)
{
    uint64_t deadline_ms = now_ms(d) + DRAIN_MS;
    bool quiet = pp_relay_drain(d->relay, deadline_ms);

    log_words(d, PP_LOG_INFO, "stopping", "", NULL);
    /* Who comes now finds nobody, and leaves mail in the drop directory. */
    pp_daemon_unlisten(&d->submit_socket);
    pp_tcp_unlisten(&d->tcp);
    while ((!quiet || !pp_drop_drain(&d->drop)) && pp_signals_stops() < 2 &&
           now_ms(d) < deadline_ms) {
        uint64_t next_ms = turn(d);
        d->posix.port.wait(d->posix.port.ctx, pp_time_min(next_ms, deadline_ms));
        pp_signals_clear();
        quiet = pp_relay_drain(d->relay, deadline_ms);
    }
}

void pp_daemon_loop(struct pp_daemon *d)
{
    for (;;) {
        /* In this order: a signal that comes after the first line wakes the wait. */
        pp_signals_clear();
        if (pp_signals_stops() > 0)
            break;
        if (pp_signals_hangup())
            reread(d);
        uint64_t next_ms = turn(d);
        next_ms = pp_time_min(next_ms, pp_drop_turn(&d->drop, now_ms(d)));
        if (pp_identity_file_changed(&d->identity, &d->context->config, now_ms(d)))
            reread_one(d, &d->identity);
        if (pp_identity_file_changed(&d->client_identity, &d->context->config, now_ms(d)))
            reread_one(d, &d->client_identity);
        next_ms = pp_time_min(next_ms, d->identity.look_at_ms);
        next_ms = pp_time_min(next_ms, d->client_identity.look_at_ms);
        d->posix.port.wait(d->posix.port.ctx, next_ms);
    }
    drain(d);
}

void pp_daemon_stop(struct pp_daemon *d)
{
    bool ran = d->relay != NULL;

    if (ran) {
        pp_control_close(&d->control);
        pp_drop_close(&d->drop);
        pp_relay_stop(d->relay);
        d->relay = NULL;
    }
    pp_dovecot_close(&d->dovecot);
    pp_tcp_unlisten(&d->tcp);
    pp_daemon_unlisten(&d->submit_socket);
    pp_daemon_unlisten(&d->control_socket);
    pp_flash_device_close(&d->flash);
    if (ran)
        log_words(d, PP_LOG_INFO, "stopped", "", NULL);
    if (d->posix.epoll_fd >= 0)
        pp_posix_port_close(&d->posix);
    pp_config_wipe(&d->context->config);
}
