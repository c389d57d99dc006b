/*
 * fuzz_server.c - any bytes as a client: the server machine stays within its bounds, how the bytes
 * are cut into pieces changes neither what it says nor what it hands over, and what it hands over
 * to its end has no bare CR, bare LF or NUL
 *
 * The last byte says what the listener is like, see the bits below.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "intake/smtp_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NORMALIZE    0x01
#define LOCAL        0x02
#define STARTTLS     0x04
#define ANYBODY      0x08 /* neither TLS nor login needed; with LOCAL it is LF, as old inputs end */
#define IMPLICIT_TLS 0x10

struct world {
    struct pp_smtp_server server;
    struct pp_buf in, out;
    uint8_t in_bytes[PP_SERVER_LINE_MAX], out_bytes[PP_SERVER_REPLY_ROOM * 2];
    uint32_t said, heard; /* checksums of replies, and of content that was taken to its end */
    uint32_t message;     /* of the message under way */
    uint64_t messages;
    char last;  /* octet of content */
    bool dirty; /* content that nobody may get to see whole */
    bool in_tls, logged_in;
};

static void demand(bool truth)
{
    if (!truth) {
        abort();
    }
}

static void hear(uint32_t *crc, struct pp_text text)
{
    *crc = pp_crc32c(*crc, text.p, text.len);
}

/* Some addresses are refused, always the same ones. */
static enum pp_err verdict(struct pp_text text)
{
    return text.len > 0 && (text.p[0] & 7) == 7 ? PP_ERR_FULL : PP_OK;
}

static void on_mail(struct world *w)
{
    const struct pp_server_mail *mail = pp_smtp_server_mail(&w->server);

    demand((w->in_tls && w->logged_in) || !w->server.params.needs_login);
    w->message = 0;
    w->last = '\0';
    w->dirty = false;
    hear(&w->message, mail->sender);
    hear(&w->message, mail->envid);
    demand(mail->envid.len <= PP_ENVID_MAX);
    hear(&w->message, mail->subject);
    hear(&w->message, mail->sender_name);
    demand(mail->smtputf8 || pp_text_is_ascii(mail->sender));
    demand(!pp_text_has_line_break(mail->sender));
    demand(mail->size_bytes <= w->server.params.size_limit);
    pp_smtp_server_reply(&w->server, &w->out, verdict(mail->sender), 1);
}

static void on_recipient(struct world *w)
{
    const struct pp_recipient *recipient = pp_smtp_server_recipient(&w->server);

    hear(&w->message, recipient->address);
    hear(&w->message, recipient->orcpt);
    hear(&w->message, pp_text_n((const char *)&recipient->notify, 1));
    demand(!pp_text_has_line_break(recipient->address) &&
           !pp_text_has_line_break(recipient->orcpt));
    demand(recipient->orcpt.len <= PP_ORCPT_MAX);
    demand((recipient->notify & PP_DSN_NOTIFY_NEVER) == 0 ||
           recipient->notify == PP_DSN_NOTIFY_NEVER);
    pp_smtp_server_reply(&w->server, &w->out, verdict(recipient->address), 1);
}

/* All that can become of a login, by its first octet. */
static void on_auth(struct world *w)
{
    const struct pp_server_auth *auth = pp_smtp_server_auth(&w->server);
    struct pp_text text = auth->begins && !auth->has_response ? auth->mechanism : auth->response;
    int what = text.len > 0 ? text.p[0] & 7 : 7;

    demand(w->in_tls && !w->logged_in);
    hear(&w->heard, auth->mechanism);
    hear(&w->heard, auth->response);
    if (what > PP_SERVER_LOGIN_LATER) {
        pp_smtp_server_challenge(&w->server, &w->out, pp_text_n("Z28gb24=", what == 7 ? 8 : 0), 1);
        return;
    }
    w->logged_in = what == PP_SERVER_LOGIN_ACCEPTED;
    pp_smtp_server_login(&w->server, &w->out, (enum pp_server_login)what, 1);
}

static void on_etrn(struct world *w)
{
    struct pp_text domain = pp_smtp_server_recipient(&w->server)->address;

    demand(domain.len > 0 && domain.len <= 255 && !pp_text_has_line_break(domain));
    hear(&w->heard, domain);
    pp_smtp_server_reply(&w->server, &w->out, verdict(domain), 1);
}

static void look_for_dirt(struct world *w, struct pp_text content)
{
    for (size_t i = 0; i < content.len; i++) {
        char c = content.p[i];

        w->dirty = w->dirty || c == '\0' || (c == '\n') != (w->last == '\r');
        w->last = c;
    }
}

static void on_content(struct world *w)
{
    struct pp_text content = pp_smtp_server_content(&w->server);

    demand(content.len > 0);
    hear(&w->message, content);
    look_for_dirt(w, content);
    pp_smtp_server_content_done(&w->server, PP_OK);
}

/* False when there is no event. */
static bool answer(struct world *w)
{
    switch (pp_smtp_server_event(&w->server)) {
    case PP_SERVER_EVENT_MAIL:
        on_mail(w);
        return true;
    case PP_SERVER_EVENT_RECIPIENT:
        on_recipient(w);
        return true;
    case PP_SERVER_EVENT_CONTENT:
        on_content(w);
        return true;
    case PP_SERVER_EVENT_AUTH:
        on_auth(w);
        return true;
    case PP_SERVER_EVENT_ETRN:
        on_etrn(w);
        return true;
    case PP_SERVER_EVENT_END:
        demand(!w->dirty && w->last != '\r');
        hear(&w->heard, pp_text_n(&w->message, sizeof(w->message)));
        w->messages++;
        pp_smtp_server_reply_end(&w->server, &w->out, PP_OK, 7, 1);
        return true;
    case PP_SERVER_EVENT_RESET:
        w->message = 0;
        pp_smtp_server_continue(&w->server);
        return true;
    default:
        return false;
    }
}

static void run(struct world *w)
{
    size_t left, said;
    bool began_tls;

    do {
        left = pp_buf_len(&w->in);
        pp_smtp_server_pump(&w->server, &w->in, &w->out, 1);
        while (answer(w)) {
            pp_smtp_server_pump(&w->server, &w->in, &w->out, 1);
        }
        said = pp_buf_len(&w->out);
        hear(&w->said, pp_text_n(pp_buf_head(&w->out), said));
        pp_buf_consume(&w->out, said);
        /* The link would drop who says more in the clear; here it goes on as if in TLS. */
        began_tls = pp_smtp_server_wants_tls(&w->server);
        if (began_tls) {
            demand(!w->in_tls);
            w->in_tls = true;
            pp_smtp_server_secured(&w->server, 1);
        }
    } while (began_tls || said > 0 || pp_buf_len(&w->in) != left);
}

/* Pieces of `piece` bytes. */
static void play(struct world *w, const uint8_t *data, size_t size, size_t piece)
{
    unsigned listener = size > 0 ? data[size - 1] : 0;
    const struct pp_server_params params = {.hostname_z = "fuzz.test",
                                            .size_limit = 500,
                                            .idle_ms = 1000,
                                            .commands_max = 200,
                                            .errors_max = 50,
                                            .recipient_limit = 5,
                                            .local = (listener & LOCAL) != 0,
                                            .starttls = (listener & STARTTLS) != 0,
                                            .needs_tls = (listener & ANYBODY) == 0,
                                            .needs_login = (listener & ANYBODY) == 0,
                                            .mechanisms_z = "PLAIN LOGIN",
                                            .normalize = (listener & NORMALIZE) != 0};

    memset(w, 0, sizeof(*w));
    pp_smtp_server_init(&w->server, &params, 0);
    if ((listener & IMPLICIT_TLS) != 0) {
        w->in_tls = true;
        pp_smtp_server_secured(&w->server, 0);
    }
    pp_buf_init(&w->in, w->in_bytes, sizeof(w->in_bytes));
    pp_buf_init(&w->out, w->out_bytes, sizeof(w->out_bytes));
    while (size > 0 && !pp_smtp_server_finished(&w->server)) {
        size_t room = pp_buf_room(&w->in);
        size_t len = size < piece ? size : piece;

        len = len < room ? len : room;
        demand(len > 0);
        demand(pp_buf_put(&w->in, data, len));
        data += len;
        size -= len;
        run(w);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world whole, pieces;
    size_t piece = size > 0 ? 1 + data[0] % 16u : 1;

    play(&whole, data, size, SIZE_MAX);
    play(&pieces, data, size, piece);
    demand(whole.said == pieces.said);
    demand(whole.heard == pieces.heard && whole.messages == pieces.messages);
    return 0;
}
