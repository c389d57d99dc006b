/*
 * sasl.c - what a login says
 *
 * Job:      see sasl.h. Scratch that held a secret is wiped before it is left.
 * Follows:  RFC 4616 2
 */
#include "delivery/sasl.h"

#include <stdint.h>

#include "base/base64.h"
#include "base/bytes.h"
#include "config.h"

enum pp_err pp_sasl_plain(struct pp_writer *w, const char *user_z, const char *password_z)
{
    uint8_t message[PP_NAME_CAP + PP_SECRET_CAP];
    struct pp_writer plain;
    enum pp_err err = PP_ERR_TOO_BIG;

    pp_writer_init(&plain, message, sizeof message);
    pp_put_char(&plain, '\0');
    pp_put_z(&plain, user_z);
    pp_put_char(&plain, '\0');
    pp_put_z(&plain, password_z);
    if (!plain.overflow) {
        pp_base64_put(w, message, plain.len);
        err = w->overflow ? PP_ERR_TOO_BIG : PP_OK;
    }
    pp_wipe(message, sizeof message);
    return err;
}

enum pp_err pp_sasl_login(struct pp_writer *w, const char *text_z)
{
    struct pp_text text = pp_text_z(text_z);

    pp_base64_put(w, text.p, text.len);
    return w->overflow ? PP_ERR_TOO_BIG : PP_OK;
}
