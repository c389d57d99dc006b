/*
 * config_finish.c - what only shows when all keys of pinpost.conf are known
 *
 * Job:      keys against each other; defaults that follow from other keys.
 * Not here: files that a key names (port/posix/config_file.c).
 */
#include <string.h>

#include "config_keys.h"

#define MESSAGE_LIMIT_DEFAULT (UINT64_C(25) << 20)

/* PP_ERR_STATE, with the words of what does not go together. */
static enum pp_err refuse(struct pp_config_error *error, const char *words_z)
{
    memset(error->text, 0, sizeof error->text);
    struct pp_writer w;
    pp_writer_init(&w, error->text, sizeof error->text - 1);
    pp_put_z(&w, words_z);
    return PP_ERR_STATE;
}

static enum pp_err check_login(const struct pp_smarthost_config *host,
                               struct pp_config_error *error)
{
    bool has_password = host->password[0] != '\0' || host->password_file[0] != '\0';
    bool has_certificate = host->client_certificate_file[0] != '\0';
    if (has_certificate != (host->client_key_file[0] != '\0'))
        return refuse(error, has_certificate
                                 ? "[smarthost] client_key_file: is missing, but "
                                   "client_certificate_file is given"
                                 : "[smarthost] client_certificate_file: is missing, but "
                                   "client_key_file is given");
    if (has_certificate && host->tls.level == PP_TLS_NONE)
        return refuse(error, "[smarthost] policy: none shows no client_certificate_file");
    if (host->auth == PP_AUTH_EXTERNAL && !has_certificate)
        return refuse(error, "[smarthost] client_certificate_file: is missing, but auth = external "
                             "logs in with it");
    if (host->auth == PP_AUTH_EXTERNAL && host->tls.level == PP_TLS_MAY)
        return refuse(error, "[smarthost] policy: may could come without TLS, and then auth = "
                             "external is no login; choose encrypt or better");
    if (host->auth == PP_AUTH_EXTERNAL && has_password)
        return refuse(error, "[smarthost] password: auth = external needs none; remove it");
    if (host->auth == PP_AUTH_EXTERNAL)
        return PP_OK;
    if (host->user[0] == '\0' && has_password)
        return refuse(error, "[smarthost] user: is missing, but a password is given");
    if (host->user[0] == '\0' && (host->auth == PP_AUTH_PLAIN || host->auth == PP_AUTH_LOGIN))
        return refuse(error, "[smarthost] user: is missing, but auth asks for a login");
    if (host->user[0] == '\0')
        return PP_OK;
    if (host->auth == PP_AUTH_OFF)
        return refuse(error, "[smarthost] auth: off contradicts user; remove one");
    if (!has_password)
        return refuse(error,
                      "[smarthost] password_file: is missing (or password), but user is given");
    if (host->tls.level == PP_TLS_NONE && !host->auth_without_tls)
        return refuse(error, "[smarthost] policy: none would send the password in the clear; "
                             "choose another, or ask for it with auth_without_tls = yes");
    if (host->tls.level == PP_TLS_MAY && !host->auth_without_tls)
        return refuse(error, "[smarthost] policy: may could send the password in the clear; choose "
                             "encrypt or better, or ask for it with auth_without_tls = yes");
    return PP_OK;
}

static enum pp_err finish_smarthost(struct pp_config *config, struct pp_config_error *error)
{
    struct pp_smarthost_config *host = &config->smarthosts[0];
    if (config->smarthost_count == 0 || host->host[0] == '\0')
        return refuse(error, "[smarthost] host: is missing");
    enum pp_err err = pp_config_finish_tls(config, host, error);
    return err == PP_OK ? check_login(host, error) : err;
}

static enum pp_err finish_queue(struct pp_config *config, struct pp_config_error *error)
{
    uint64_t most = config->queue.size_bytes / 4;
    if (config->queue.message_limit_bytes == 0)
        config->queue.message_limit_bytes =
            most < MESSAGE_LIMIT_DEFAULT ? most : MESSAGE_LIMIT_DEFAULT;
    if (config->queue.message_limit_bytes > most)
        return refuse(error, "[queue] message_limit: at most a quarter of size is allowed");
    if (config->queue.retry_first_ms > config->queue.retry_longest_ms)
        return refuse(error, "[queue] retry_first: is longer than retry_longest");
    return PP_OK;
}

static enum pp_err check_recipients(const struct pp_config *config, struct pp_config_error *error)
{
    struct pp_text list = pp_text_z(config->identity.to);
    while (config->identity.domain[0] == '\0' && list.len > 0) {
        struct pp_text one = pp_text_trim(pp_text_cut(&list, ','));
        if (pp_text_find(one, '@') == one.len)
            return refuse(error,
                          "[identity] to: an address without a domain, and [identity] domain "
                          "is not given");
    }
    return PP_OK;
}

/* ---- the relay server ---- */

static enum pp_err refuse_named(struct pp_config_error *error, const char *section_z,
                                const char *name_z, const char *words_z)
{
    memset(error->text, 0, sizeof error->text);
    struct pp_writer w;
    pp_writer_init(&w, error->text, sizeof error->text - 1);
    pp_put_z(&w, "[");
    pp_put_z(&w, section_z);
    pp_put_z(&w, " ");
    pp_put_safe(&w, pp_text_z(name_z), PP_USER_CAP);
    pp_put_z(&w, "] ");
    pp_put_z(&w, words_z);
    return PP_ERR_STATE;
}

static enum pp_err refuse_listener(struct pp_config_error *error,
                                   const struct pp_listener_config *listener, const char *words_z)
{
    return refuse_named(error, "listener", listener->name, words_z);
}

/* Loopback, private and link-local networks (RFC 1918, 4193, 4291, 6598, 3927): whatever their
 * size, strangers are not in them. */
static bool is_private(const struct pp_network *network)
{
    static const struct pp_network privates[] = {
        {4, 8, {127}},       {4, 8, {10}},          {4, 12, {172, 16}},
        {4, 16, {192, 168}}, {4, 10, {100, 64}},    {4, 16, {169, 254}},
        {6, 7, {0xFC}},      {6, 10, {0xFE, 0x80}}, {6, 128, {[15] = 1}}};
    for (size_t i = 0; i < sizeof privates / sizeof *privates; i++) {
        const struct pp_network *p = &privates[i];
        unsigned whole = p->prefix / 8, bits = p->prefix % 8;
        uint8_t mask = (uint8_t)(0xFF00u >> bits);
        if (p->family == network->family && network->prefix >= p->prefix &&
            memcmp(p->ip, network->ip, whole) == 0 &&
            (bits == 0 || ((p->ip[whole] ^ network->ip[whole]) & mask) == 0))
            return true;
    }
    return false;
}

/* Public networks that strangers are in: larger than a provider gives to one customer, or so many
 * that they add up. */
static bool is_open(const struct pp_listener_config *listener)
{
    for (uint32_t i = 0; i < listener->network_count; i++) {
        const struct pp_network *network = &listener->networks[i];
        unsigned most = network->family == 4 ? 16 : 32;
        if (network->prefix < most && !is_private(network))
            return true;
    }
    return false;
}

/* Family 0: any address of both families. IPv4 written as IPv6 cannot be listened on. */
static bool read_address(const char *address_z, struct pp_network *address)
{
    struct pp_text text = pp_text_z(address_z);
    memset(address, 0, sizeof *address);
    if (pp_text_equal(text, pp_text_z("*")))
        return true;
    return pp_text_find(text, '/') == text.len && pp_network_parse(text, address) == PP_OK &&
           (address->family == 4) == (pp_text_find(text, ':') == text.len);
}

static bool has_users(const struct pp_config *config)
{
    return config->user_count > 0 || config->server.auth_socket[0] != '\0';
}

static enum pp_err check_listener(const struct pp_config *config,
                                  const struct pp_listener_config *listener,
                                  struct pp_config_error *error)
{
    bool tls = listener->tls != PP_LISTENER_TLS_NONE, auth = listener->auth != PP_LISTENER_AUTH_OFF;
    bool has_certificate =
        config->server.certificate_file[0] != '\0' && config->server.key_file[0] != '\0';
    struct pp_network address;
    if (!read_address(listener->address, &address))
        return refuse_listener(error, listener,
                               "address: allowed are an IPv4 or IPv6 address, or *");
    if (is_open(listener))
        return refuse_listener(
            error, listener,
            "networks: would make an open relay of it: strangers are in a public "
            "network of that size. Name your own networks, or ask for a login");
    if (tls && !has_certificate)
        return refuse_listener(error, listener,
                               "tls: needs [server] certificate and key; or set tls = none");
    if (tls && PP_INTAKE_TLS == 0)
        return refuse_listener(error, listener, "tls: this build has no TLS for listeners");
    if (auth && !tls)
        return refuse_listener(error, listener,
                               "auth: logins need TLS; set tls = may, require or implicit");
    if (auth && !has_users(config))
        return refuse_listener(error, listener,
                               "auth: there are no users; add [user] sections (`pinpost passwd` "
                               "prints them), or [server] auth_socket");
    if (listener->client_pin_count > 0 && !tls)
        return refuse_listener(error, listener, "client_pin: certificates are shown in TLS only");
    if (listener->network_count == 0 && !auth && listener->client_pin_count == 0)
        return refuse_listener(error, listener,
                               "can relay for nobody: give networks, auth or client_pin");
    if (listener->rewrite_sender && config->identity.from[0] == '\0')
        return refuse_listener(error, listener, "rewrite_sender: needs [identity] from");
    return PP_OK;
}

static bool is_any(const struct pp_network *address)
{
    static const uint8_t any[sizeof address->ip];
    return memcmp(address->ip, any, sizeof any) == 0;
}

/* Both would have to listen on the same address, however it is written. */
static bool overlap(const struct pp_listener_config *a, const struct pp_listener_config *b)
{
    struct pp_network x, y;
    if (a->port != b->port || !read_address(a->address, &x) || !read_address(b->address, &y))
        return false;
    if (x.family != y.family)
        return x.family == 0 || y.family == 0;
    return is_any(&x) || is_any(&y) || memcmp(x.ip, y.ip, sizeof x.ip) == 0;
}

static enum pp_err check_users(const struct pp_config *config, struct pp_config_error *error)
{
    for (uint32_t i = 0; i < config->user_count; i++) {
        const struct pp_user_config *user = &config->users[i];
        if (user->password.iterations == 0 && config->server.auth_socket[0] == '\0')
            return refuse_named(error, "user", user->name,
                                "password: is missing; `pinpost passwd` prints it");
    }
    return PP_OK;
}

static enum pp_err finish_listeners(struct pp_config *config, struct pp_config_error *error)
{
    enum pp_err err = check_users(config, error);
    for (uint32_t i = 0; i < config->listener_count && err == PP_OK; i++) {
        struct pp_listener_config *listener = &config->listeners[i];
        if (listener->port == 0)
            listener->port = listener->tls == PP_LISTENER_TLS_IMPLICIT    ? 465
                             : listener->auth == PP_LISTENER_AUTH_REQUIRE ? 587
                                                                          : 25;
        err = check_listener(config, listener, error);
        for (uint32_t k = 0; k < i && err == PP_OK; k++) {
            if (overlap(&config->listeners[k], listener))
                err =
                    refuse_listener(error, listener, "address and port: another listener has them");
        }
    }
    return err;
}

/* DIRECTORY/name, when the path was not given. */
static bool derive_path(char *path, const char *directory_z, const char *name_z)
{
    if (path[0] != '\0')
        return true;
    struct pp_writer w;
    pp_writer_init(&w, path, PP_PATH_CAP - 1);
    pp_put_z(&w, directory_z);
    if (w.len > 0 && path[w.len - 1] != '/')
        pp_put_char(&w, '/');
    pp_put_z(&w, name_z);
    path[w.len] = '\0';
    return !w.overflow;
}

enum pp_err pp_config_finish(struct pp_config *config, struct pp_config_error *error)
{
    if (config->identity.hostname[0] == '\0')
        memcpy(config->identity.hostname, "localhost", sizeof "localhost");
    if (!derive_path(config->daemon.submit_socket, config->daemon.directory, "submit.sock") ||
        !derive_path(config->daemon.control_socket, config->daemon.directory, "control.sock"))
        return refuse(error, "[daemon] directory: is too long");
    enum pp_err err = check_recipients(config, error);
    if (err == PP_OK)
        err = finish_queue(config, error);
    if (err == PP_OK)
        err = finish_smarthost(config, error);
    return err == PP_OK ? finish_listeners(config, error) : err;
}
