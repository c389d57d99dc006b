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

static enum pp_err check_trust(const struct pp_smarthost_config *host,
                               struct pp_config_error *error)
{
    const struct pp_tls_policy *tls = &host->tls;
    if (tls->level == PP_TLS_FINGERPRINT && tls->pin_count == 0)
        return refuse(error, "[smarthost] policy: fingerprint needs at least one pin; `pinpost pin "
                             "HOST` prints ready lines");
    if (tls->level != PP_TLS_FINGERPRINT && tls->pin_count > 0)
        return refuse(error, "[smarthost] pin: pins decide only with policy = fingerprint; set it, "
                             "or remove the pins");
    if (tls->level == PP_TLS_NONE && tls->mode == PP_TLS_IMPLICIT)
        return refuse(error, "[smarthost] tls: implicit contradicts policy = none; remove one");
    return PP_OK;
}

static enum pp_err check_login(const struct pp_smarthost_config *host,
                               struct pp_config_error *error)
{
    bool has_password = host->password[0] != '\0' || host->password_file[0] != '\0';
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
    return PP_OK;
}

static enum pp_err finish_smarthost(struct pp_config *config, struct pp_config_error *error)
{
    struct pp_smarthost_config *host = &config->smarthosts[0];
    if (config->smarthost_count == 0 || host->host[0] == '\0')
        return refuse(error, "[smarthost] host: is missing");
    if (host->port == 0)
        host->port = host->tls.mode == PP_TLS_IMPLICIT ? 465 : 587;
    enum pp_err err = check_trust(host, error);
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
    return err;
}
