/*
 * fuzz_reply.c - anything at all as the server of a whole SMTP session
 *
 * Job:      the input is what the server says, cut into flights at 0xFE; the owner plays along.
 *           Each recipient must get one verdict, and what we say must be clean lines.
 */
#include <stdlib.h>
#include <string.h>

#include "delivery/smtp_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RECIPIENTS 3

struct world {
    struct pp_smtp_client client;
    struct pp_buf in, out;
    uint8_t in_bytes[4096], out_bytes[512];
    uint32_t given;
    unsigned verdicts[RECIPIENTS];
    bool under_way, body_done;
};

static void on_verdict(void *ctx, uint16_t recipient, enum pp_verdict verdict, enum pp_scope scope,
                       enum pp_stage stage, const struct pp_reply *reply)
{
    struct world *w = ctx;

    (void)scope;
    (void)stage;
    if (!w->under_way || recipient >= RECIPIENTS || w->verdicts[recipient]++ != 0 ||
        reply->text_len > sizeof reply->text) {
        abort();
    }
    if (verdict == PP_VERDICT_DELIVERED && (!w->body_done || reply->code / 100 != 2)) {
        abort();
    }
}

static void end_message(struct world *w)
{
    for (unsigned i = 0; w->under_way && i < RECIPIENTS; i++) {
        if (w->verdicts[i] != 1) {
            abort();
        }
    }
    w->under_way = false;
}

static void act(struct world *w)
{
    static const char *const to[RECIPIENTS] = {"a@b", "bad one", "c@d"};
    const struct pp_smtp_mail mail = {.sender = {"s@t", 3}, .recipient_count = RECIPIENTS};

    switch (pp_smtp_client_event(&w->client)) {
    case PP_SMTP_EVENT_START_TLS:
        pp_smtp_client_secured(&w->client, 0);
        break;
    case PP_SMTP_EVENT_READY:
        memset(w->verdicts, 0, sizeof w->verdicts);
        w->given = 0;
        w->under_way = true;
        w->body_done = false;
        if (pp_smtp_client_mail(&w->client, &mail, 0) != PP_OK) {
            abort();
        }
        break;
    case PP_SMTP_EVENT_RECIPIENT:
        if (w->given == RECIPIENTS) {
            pp_smtp_client_recipients_end(&w->client, &w->out, 0);
        } else if (pp_smtp_client_recipient(
                       &w->client, &w->out,
                       &(const struct pp_recipient){.address = pp_text_z(to[w->given])},
                       0) != PP_ERR_LATER) {
            w->given++;
        }
        break;
    case PP_SMTP_EVENT_BODY:
        (void)pp_smtp_client_body(&w->client, &w->out, (const uint8_t *)".x\r\ny", 6, 0);
        w->body_done = true;
        (void)pp_smtp_client_body_end(&w->client, &w->out, 0);
        break;
    case PP_SMTP_EVENT_DONE:
        end_message(w);
        pp_smtp_client_next(&w->client, &w->out, 0);
        break;
    case PP_SMTP_EVENT_NONE:
    case PP_SMTP_EVENT_CLOSED:
        break;
    }
}

/* The owner's turn; what was said is looked at and thrown away. */
static void turn(struct world *w)
{
    for (int i = 0; i < 12; i++) {
        pp_smtp_client_pump(&w->client, &w->in, &w->out, 0);
        act(w);
        pp_smtp_client_pump(&w->client, &w->in, &w->out, 0);
        const uint8_t *said = pp_buf_head(&w->out);
        for (size_t k = 0; k < pp_buf_len(&w->out); k++) {
            if ((said[k] == '\n') != (k > 0 && said[k - 1] == '\r')) {
                abort();
            }
        }
        pp_buf_clear(&w->out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    static const struct pp_timeouts timeouts;
    struct pp_smtp_params params = {.hostname_z = "h",
                                    .user_z = "u",
                                    .password_z = "p",
                                    .timeouts = &timeouts,
                                    .on_verdict = on_verdict,
                                    .ctx = &w};

    if (size < 1) {
        return 0;
    }
    memset(&w, 0, sizeof w);
    params.wants_tls = (data[0] & 1) != 0;
    params.auth_without_tls = (data[0] & 2) != 0;
    params.auth = (data[0] & 4) != 0 ? PP_AUTH_OFF : PP_AUTH_AUTO;
    pp_buf_init(&w.in, w.in_bytes, sizeof w.in_bytes);
    pp_buf_init(&w.out, w.out_bytes, sizeof w.out_bytes);
    pp_smtp_client_init(&w.client, &params, 0);
    for (size_t i = 1; i < size && !pp_smtp_client_finished(&w.client); i++) {
        if (data[i] == 0xFE || !pp_buf_put(&w.in, &data[i], 1)) {
            turn(&w);
        }
    }
    turn(&w);
    pp_smtp_client_lost(&w.client, PP_ERR_CLOSED, NULL, 0);
    if (!pp_smtp_client_finished(&w.client)) {
        abort();
    }
    end_message(&w);
    return 0;
}
