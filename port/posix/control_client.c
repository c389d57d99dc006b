/*
 * control_client.c - asks the daemon over control.sock
 *
 * Job:      lines with a time limit; failures in words.
 */
#include "control_client.h"

#include <string.h>
#include <sysexits.h>

#define LIMIT_MS 20000 /* for a line: the daemon's turn may wait for its flash */

static enum pp_err fail(struct pp_control_client *c, enum pp_err err, const char *words_z,
                        const char *more_z)
{
    struct pp_writer w;

    pp_writer_init(&w, c->words, sizeof(c->words) - 1);
    pp_put_z(&w, words_z);
    pp_put_z(&w, more_z);
    c->words[w.len] = '\0';
    return err;
}

static enum pp_err lost(struct pp_control_client *c, enum pp_err err)
{
    switch (err) {
    case PP_ERR_TIMEOUT:
        return fail(c, err, "the daemon does not answer", "");
    case PP_ERR_CLOSED:
        return fail(c, err, "the daemon closed the connection", "");
    default:
        return fail(c, err, "control socket: ", pp_err_text(err));
    }
}

enum pp_err pp_control_client_open(struct pp_control_client *c, const char *socket_path_z)
{
    enum pp_err err = pp_socket_connect(&c->io, socket_path_z, pp_socket_now_ms() + LIMIT_MS);

    c->error[0] = c->words[0] = '\0';
    switch (err) {
    case PP_OK:
        return PP_OK;
    case PP_ERR_REFUSED:
        return fail(c, err, "the daemon is not running: nobody listens on ", socket_path_z);
    case PP_ERR_DENIED:
        return fail(c, err, "only root and the relay's group may use ", socket_path_z);
    default:
        return lost(c, err);
    }
}

enum pp_err pp_control_client_ask(struct pp_control_client *c, const char *request_z)
{
    char line[512];
    struct pp_writer w;
    enum pp_err err;

    c->error[0] = c->words[0] = '\0';
    pp_writer_init(&w, line, sizeof(line));
    pp_put_z(&w, request_z);
    pp_put_char(&w, '\n');
    if (w.overflow) {
        return fail(c, PP_ERR_TOO_BIG, "request too long", "");
    }
    err = pp_socket_write(&c->io, w.data, w.len, LIMIT_MS);
    /* A daemon that sends us away has said why before it closed. */
    return err == PP_OK || err == PP_ERR_CLOSED ? PP_OK : lost(c, err);
}

enum pp_err pp_control_client_next(struct pp_control_client *c)
{
    struct pp_text line;
    enum pp_err err = pp_socket_line(&c->io, pp_socket_now_ms() + LIMIT_MS, &line);

    if (err != PP_OK) {
        return lost(c, err);
    }
    if (pp_json_read(&c->item, line) != PP_OK) {
        return fail(c, PP_ERR_SYNTAX, "the daemon's answer is not understood", "");
    }
    if (!pp_json_has(&c->item, "ok")) {
        return PP_OK;
    }
    if (pp_json_true(&c->item, "ok")) {
        return PP_ERR_NOT_FOUND;
    }
    pp_json_text(&c->item, "error", c->error, sizeof(c->error));
    pp_json_text(&c->item, "words", c->words, sizeof(c->words));
    return PP_ERR_REFUSED;
}

void pp_control_client_close(struct pp_control_client *c)
{
    pp_socket_close(&c->io);
}

static int exit_code_of_error(const char *error_z)
{
    static const struct {
        const char *error_z;
        int exit_code;
    } codes[] = {
        {"not-found", EX_NOINPUT}, {"busy", EX_TEMPFAIL}, {"limit", EX_TEMPFAIL},
        {"state", EX_DATAERR},     {"denied", EX_NOPERM}, {"failed", EX_IOERR},
    };

    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
        if (strcmp(codes[i].error_z, error_z) == 0) {
            return codes[i].exit_code;
        }
    }
    return EX_SOFTWARE;
}

int pp_control_client_exit_code(const struct pp_control_client *c, enum pp_err err)
{
    switch (err) {
    case PP_OK:
    case PP_ERR_NOT_FOUND:
        return EX_OK;
    case PP_ERR_DENIED:
        return EX_NOPERM;
    case PP_ERR_SYNTAX:
    case PP_ERR_TOO_BIG:
        return EX_SOFTWARE;
    default:
        return c->error[0] != '\0' ? exit_code_of_error(c->error) : EX_UNAVAILABLE;
    }
}
