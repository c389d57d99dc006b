/*
 * cmd_check.c - `pinpost check`: is the configuration all right?
 *
 * Job:      load all of it as `run` would, CAs too; say what it comes to, and what is allowed but
 *           unwise.
 * Not here: whether the smarthost agrees (cmd_test.c).
 */
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "cmd.h"
#include "identity_file.h"
#include "posix_port.h"
#include "privileges.h"
#include "trust_file.h"

static const char usage[] =
    "usage: pinpost [-c FILE] check\n"
    "\n"
    "Exit status: 0 all right; 78 something is wrong, and every problem was "
    "printed.\n";

static int check_cas(const struct pp_cmd_context *context)
{
    char words[400];

    if (pp_trust_file_load(&context->config, words, sizeof(words)) != PP_OK) {
        pp_cmd_say(context, "%s: %s", context->config_path_z, words);
        return EX_CONFIG;
    }
    if (pp_tls_policy_wants_cas(&context->config.smarthosts[0].tls)) {
        (void)printf("  %-11s%s\n", "CAs", context->config.ca_file);
    }
    return EX_OK;
}

/* Names that this machine does not know; whether we may become them is no question here. */
static int check_privileges(const struct pp_cmd_context *context)
{
    struct pp_privileges privileges;
    char words[PP_NAME_CAP + 200];

    if (pp_privileges_find(&context->config, &privileges, words, sizeof(words)) !=
        PP_ERR_NOT_FOUND) {
        return EX_OK;
    }
    pp_cmd_say(context, "%s: %s", context->config_path_z, words);
    return EX_CONFIG;
}

static void show_smarthost(const struct pp_smarthost_config *host)
{
    (void)printf("  %-11s%s:%u, tls = %s, policy = %s", "smarthost", host->host, host->port,
                 host->tls.level == PP_TLS_NONE      ? "none"
                 : host->tls.mode == PP_TLS_IMPLICIT ? "implicit"
                                                     : "starttls",
                 pp_tls_level_name(host->tls.level));
    if (host->tls.pin_count > 0) {
        (void)printf(", %u %s", host->tls.pin_count, host->tls.pin_count == 1 ? "pin" : "pins");
    }
    if (host->user[0] != '\0') {
        (void)printf(", login as %s\n", host->user);
    } else {
        (void)printf(", no login\n");
    }
}

/* What narrows the level, and where the policy came from. */
static void show_policy(const struct pp_config *config, const struct pp_smarthost_config *host)
{
    static const char *const rules[] = {"alone", "and a CA", "or a CA"};
    const struct pp_tls_policy *tls = &host->tls;

    (void)printf("  %-11s%s", "TLS policy", pp_tls_level_name(tls->level));
    if (tls->pin_count > 0) {
        (void)printf(", pins %s", rules[tls->pin_rule]);
    }
    if (tls->tls_name[0] != '\0') {
        (void)printf(", name %s", tls->tls_name);
    }
    if (tls->match[0] != '\0') {
        (void)printf(", match %s", tls->match);
    }
    if (tls->protocols != 0) {
        (void)printf(",%s%s", (tls->protocols & PP_TLS_1_2) != 0 ? " TLSv1.2" : "",
                     (tls->protocols & PP_TLS_1_3) != 0 ? " TLSv1.3" : "");
    }
    if (host->tls_policy > 0) {
        (void)printf(", from [tls_policy %s] for %s\n",
                     config->tls_policies[host->tls_policy - 1].name, host->tls_matched);
    } else {
        (void)printf(", from [smarthost]\n");
    }
}

static void warn_policies(const struct pp_config *config)
{
    for (uint32_t i = 0; i < config->tls_policy_count; i++) {
        if (config->smarthosts[0].tls_policy != i + 1) {
            (void)printf("  warning: [tls_policy %s] is used by no smarthost\n",
                         config->tls_policies[i].name);
        }
    }
}

/* Who may relay over it, commas between. */
static void put_clients(struct pp_writer *w, const struct pp_config *config,
                        const struct pp_listener_config *l)
{
    const char *between_z = " ";

    /* Where everybody has to log in, a network opens nothing. */
    for (uint32_t i = 0; l->auth != PP_LISTENER_AUTH_REQUIRE && i < l->network_count; i++) {
        pp_put_z(w, between_z);
        pp_network_put(w, &l->networks[i]);
        between_z = ", ";
    }
    if (l->auth != PP_LISTENER_AUTH_OFF) {
        pp_put_z(w, between_z);
        if (config->server.auth_socket[0] != '\0') {
            pp_put_z(w, "users of ");
            pp_put_z(w, config->server.auth_socket);
        } else {
            pp_put_u64(w, config->user_count);
            pp_put_z(w, config->user_count == 1 ? " user" : " users");
        }
        between_z = ", ";
    }
    if (l->client_pin_count > 0) {
        pp_put_z(w, between_z);
        pp_put_u64(w, l->client_pin_count);
        pp_put_z(w, l->client_pin_count == 1 ? " listed certificate" : " listed certificates");
    }
}

static void show_listener(const struct pp_config *config, const struct pp_listener_config *l)
{
    static const char *const tls[] = {"no TLS", "TLS offered", "TLS required",
                                      "TLS from the first byte"};
    char clients[PP_LISTENER_NETWORKS * 64 + PP_PATH_CAP + 64];
    struct pp_writer w;

    pp_writer_init(&w, clients, sizeof(clients) - 1);
    put_clients(&w, config, l);
    clients[w.len] = '\0';
    (void)printf("  %-11s%s: %s port %u, %s, relays for%s\n", "listener", l->name, l->address,
                 (unsigned)l->port, tls[l->tls], clients);
}

/* As the daemon would use them. */
static int check_identity(const struct pp_cmd_context *context, bool client)
{
    static struct pp_identity_file file;
    static struct pp_posix_port posix;
    char words[PP_PATH_CAP + 400];

    file = (struct pp_identity_file){.client = client};
    if (!pp_identity_file_wanted(&file, &context->config)) {
        return EX_OK;
    }
    enum pp_err err = pp_identity_file_read(&file, &context->config, words, sizeof(words));
    if (err == PP_OK && pp_posix_port_init(&posix, NULL, NULL) == 0) {
        err = pp_trust_init(&posix.port);
        if (err == PP_OK) {
            err = pp_identity_file_apply(&file, words, sizeof(words));
        }
        pp_posix_port_close(&posix);
    }
    if (err != PP_OK) {
        pp_cmd_say(context, "%s: %s", context->config_path_z, words);
        return EX_CONFIG;
    }
    (void)printf("  %-11s %s%s\n", "certificate", client ? "for the smarthost: " : "", words);
    return EX_OK;
}

static void show_queue(const struct pp_config *config)
{
    char expire[48];
    struct pp_writer w;

    pp_writer_init(&w, expire, sizeof(expire) - 1);
    if (config->queue.expire_ms == 0) {
        pp_put_z(&w, "never given up");
    } else {
        pp_put_z(&w, "given up after ");
        pp_put_span(&w, config->queue.expire_ms);
    }
    expire[w.len] = '\0';
    (void)printf("  %-11s%s: %llu KiB, messages up to %llu KiB, %s\n", "queue", config->queue.path,
                 (unsigned long long)config->queue.size_bytes / 1024,
                 (unsigned long long)config->queue.message_limit_bytes / 1024, expire);
}

static void show_identity(const struct pp_config *config)
{
    (void)printf("  %-11s%s, from %s, to %s\n", "identity", config->identity.hostname,
                 config->identity.from[0] != '\0' ? config->identity.from : "(not given)",
                 config->identity.to[0] != '\0' ? config->identity.to : "(nobody by default)");
}

static void warn_listener(const struct pp_listener_config *l)
{
    if (l->auth == PP_LISTENER_AUTH_REQUIRE && l->network_count > 0) {
        (void)printf("  warning: [listener %s] networks: everybody has to log in there; with auth "
                     "= optional the networks need not\n",
                     l->name);
    }
}

static void warn(const struct pp_config *config)
{
    const struct pp_smarthost_config *host = &config->smarthosts[0];

    if (host->tls.level == PP_TLS_NONE) {
        (void)printf("  warning: policy = none sends mail%s in the clear\n",
                     host->user[0] != '\0' ? " and password" : "");
    } else if (host->tls.level == PP_TLS_ENCRYPT) {
        (void)printf("  warning: policy = encrypt trusts whoever answers\n");
    } else if (host->tls.level == PP_TLS_MAY) {
        (void)printf("  warning: policy = may trusts whoever answers, and sends mail%s in the "
                     "clear where TLS is not to be had\n",
                     host->user[0] != '\0' ? " and password" : "");
    }
    warn_policies(config);
    if (config->identity.from[0] == '\0') {
        (void)printf("  warning: [identity] from is not given; many smarthosts want the account's "
                     "address there\n");
    }
    if (config->identity.to[0] == '\0') {
        (void)printf(
            "  warning: [identity] to is not given: an alert has to name its recipients\n");
    }
    if (config->identity.domain[0] == '\0') {
        (void)printf("  warning: [identity] domain is not given: mail for `root` is refused\n");
    }
    if (config->daemon.user[0] == '\0') {
        (void)printf(
            "  warning: [daemon] user is not given: a daemon started by root stays root\n");
    }
    for (uint32_t i = 0; i < config->listener_count; i++) {
        warn_listener(&config->listeners[i]);
    }
}

int pp_cmd_check(struct pp_cmd_context *context, int argc, char **argv)
{
    int status;

    if (argc > 1) {
        bool help = strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0;
        if (!help) {
            pp_cmd_say(context, "check: takes no argument; `pinpost check --help`");
        } else {
            (void)fputs(usage, stdout);
        }
        return help ? EX_OK : EX_USAGE;
    }
    status = pp_cmd_load(context);
    if (status != EX_OK) {
        return status;
    }
    (void)printf("%s:\n", context->config_path_z);
    show_identity(&context->config);
    show_smarthost(&context->config.smarthosts[0]);
    show_policy(&context->config, &context->config.smarthosts[0]);
    show_queue(&context->config);
    for (uint32_t i = 0; i < context->config.listener_count; i++) {
        show_listener(&context->config, &context->config.listeners[i]);
    }
    status = check_privileges(context);
    if (check_cas(context) != EX_OK) {
        status = EX_CONFIG;
    }
    if (check_identity(context, false) != EX_OK || check_identity(context, true) != EX_OK) {
        status = EX_CONFIG;
    }
    warn(&context->config);
    if (status == EX_OK) {
        (void)printf("all right\n");
    }
    return status;
}
