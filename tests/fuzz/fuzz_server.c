/*
 * fuzz_server.c - any bytes as a client: the server machine stays within its bounds, and how the
 * bytes are cut into pieces changes neither what it says nor what it hands over
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "intake/smtp_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct pp_smtp_server server;
    struct pp_buf in, out;
    uint8_t in_bytes[PP_SERVER_LINE_MAX], out_bytes[PP_SERVER_REPLY_ROOM * 2];
    uint32_t said, heard; /* checksums of replies, and of content that was taken to its end */
    uint32_t message;     /* of the message under way */
    uint64_t messages;
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

    w->message = 0;
    hear(&w->message, mail->sender);
    hear(&w->message, mail->subject);
    hear(&w->message, mail->sender_name);
    demand(mail->smtputf8 || pp_text_is_ascii(mail->sender));
    demand(!pp_text_has_line_break(mail->sender));
    demand(mail->size_bytes <= w->server.params.size_limit);
    pp_smtp_server_reply(&w->server, &w->out, verdict(mail->sender), 1);
}

static void on_recipient(struct world *w)
{
    struct pp_text recipient = pp_smtp_server_recipient(&w->server);

    hear(&w->message, recipient);
    demand(!pp_text_has_line_break(recipient));
    pp_smtp_server_reply(&w->server, &w->out, verdict(recipient), 1);
}

static void on_content(struct world *w)
{
    struct pp_text content = pp_smtp_server_content(&w->server);

    demand(content.len > 0);
    hear(&w->message, content);
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
    case PP_SERVER_EVENT_END:
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

    do {
        left = pp_buf_len(&w->in);
        pp_smtp_server_pump(&w->server, &w->in, &w->out, 1);
        while (answer(w)) {
            pp_smtp_server_pump(&w->server, &w->in, &w->out, 1);
        }
        said = pp_buf_len(&w->out);
        hear(&w->said, pp_text_n(pp_buf_head(&w->out), said));
        pp_buf_consume(&w->out, said);
    } while (said > 0 || pp_buf_len(&w->in) != left);
}

/* Pieces of `piece` bytes. */
static void play(struct world *w, const uint8_t *data, size_t size, size_t piece)
{
    const struct pp_server_params params = {
        .hostname_z = "fuzz.test", .size_limit = 500, .idle_ms = 1000, .local = true};

    memset(w, 0, sizeof(*w));
    pp_smtp_server_init(&w->server, &params, 0);
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
