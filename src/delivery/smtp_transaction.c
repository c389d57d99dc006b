/*
 * smtp_transaction.c - speaks our side of SMTP to the smarthost: one message
 *
 * Job:      MAIL, RCPT, DATA (in one flight where the server takes it), content with its dots
 *           stuffed, the final dot; a verdict for each recipient, once.
 * Not here: the session around it (smtp_client.c), what a reply means (verdict.h).
 * Follows:  RFC 5321 (3.3, 4.1.1, 4.5.2), 1870, 2920, 6152, 6531
 */
#include <string.h>

#include "delivery/smtp_states.h"
#include "message/address.h"

#define MAIL_LINE_CAP (PP_ADDRESS_CAP + 256) /* address, SIZE, BODY, SMTPUTF8, RET and ENVID */
#define RCPT_LINE_CAP (PP_ADDRESS_CAP + PP_ORCPT_MAX + 64)

static bool bit(const uint8_t *bits, uint32_t i)
{
    return (bits[i / 8] >> (i % 8) & 1) != 0;
}

static void set_bit(uint8_t *bits, uint32_t i)
{
    bits[i / 8] = (uint8_t)(bits[i / 8] | 1u << (i % 8));
}

/* ---- verdicts ---- */

static void decide_one(struct pp_smtp_client *c, uint32_t recipient, struct pp_decision d,
                       enum pp_stage stage, const struct pp_reply *reply)
{
    if (!bit(c->transaction.decided, recipient)) {
        set_bit(c->transaction.decided, recipient);
        c->params.on_verdict(c->params.ctx, (uint16_t)recipient, d.verdict, d.scope, stage, reply);
    }
}

void pp_smtp_decide_open(struct pp_smtp_client *c, struct pp_decision d,
                         const struct pp_reply *reply)
{
    struct pp_smtp_transaction *t = &c->transaction;

    if (!t->active) {
        return;
    }
    for (uint32_t i = 0; i < t->mail.recipient_count; i++) {
        decide_one(c, i, d, c->stage, reply);
    }
}

static void finish(struct pp_smtp_client *c, pp_time_ms now_ms)
{
    c->transaction.active = false;
    c->transaction.data_wanted = false;
    pp_smtp_enter(c, PP_SMTP_AWAIT_NEXT, now_ms);
}

/* ---- envelope ---- */

/* What is awaited next follows from what was said and what was answered. */
static void await_next_step(struct pp_smtp_client *c, pp_time_ms now_ms)
{
    struct pp_smtp_transaction *t = &c->transaction;

    if (t->outstanding > 0) {
        pp_smtp_enter(c, PP_SMTP_AWAIT_RCPT_REPLY, now_ms);
    } else if (t->data_sent) {
        pp_smtp_enter(c, PP_SMTP_AWAIT_DATA_REPLY, now_ms);
        c->unsaid = false;
    } else if (t->refused) {
        finish(c, now_ms);
    } else if (!t->recipients_ended) {
        pp_smtp_enter(c, PP_SMTP_AWAIT_RECIPIENT, now_ms);
    } else if (t->accepted_count == 0) {
        t->rset = true;
        finish(c, now_ms);
    } else {
        pp_smtp_enter(c, PP_SMTP_AWAIT_DATA_REPLY, now_ms);
    }
}

/* The message cannot go to this server at all: nothing is said to it. */
static void refuse_unsent(struct pp_smtp_client *c, const uint8_t enhanced[3], const char *text_z,
                          pp_time_ms now_ms)
{
    struct pp_reply reply;

    pp_reply_own(&reply, enhanced, text_z);
    c->stage = PP_STAGE_MAIL;
    pp_smtp_decide_open(
        c, (struct pp_decision){.verdict = PP_VERDICT_NEVER, .scope = PP_SCOPE_MESSAGE}, &reply);
    finish(c, now_ms);
}

/* May it follow ENVID= or ORCPT= (RFC 3461 4, 6533 3)? Empty or unlawful: it is left out. */
static bool is_parameter(const struct pp_smtp_client *c, struct pp_text value, size_t cap)
{
    bool lawful = value.len > 0 && value.len <= cap;

    for (size_t i = 0; i < value.len && lawful; i++) {
        lawful = value.p[i] != '=' && (unsigned char)value.p[i] > ' ' && value.p[i] != 0x7F;
    }
    return lawful && (c->capabilities.smtputf8 || pp_text_is_ascii(value));
}

enum pp_err pp_smtp_client_mail(struct pp_smtp_client *c, const struct pp_smtp_mail *mail,
                                pp_time_ms now_ms)
{
    static const uint8_t too_big[3] = {5, 3, 4};
    static const uint8_t not_ascii[3] = {5, 6, 7};
    struct pp_smtp_transaction *t = &c->transaction;
    const struct pp_smtp_capabilities *can = &c->capabilities;

    if (c->state != PP_SMTP_AWAIT_MESSAGE) {
        return PP_ERR_STATE;
    }
    if (mail->recipient_count == 0 || mail->recipient_count > PP_RECIPIENTS_MAX) {
        return mail->recipient_count == 0 ? PP_ERR_EMPTY : PP_ERR_RANGE;
    }
    enum pp_err err = mail->sender.len == 0 ? PP_OK : pp_address_check(mail->sender);
    if (err != PP_OK) {
        return err;
    }
    memset(t, 0, sizeof *t);
    t->mail = *mail;
    if (mail->sender.len > 0) {
        memcpy(t->sender, mail->sender.p, mail->sender.len);
    }
    t->mail.sender = pp_text_n(t->sender, mail->sender.len);
    t->mail.envid = pp_text_n(t->envid, 0);
    if (is_parameter(c, mail->envid, sizeof t->envid)) {
        memcpy(t->envid, mail->envid.p, mail->envid.len);
        t->mail.envid.len = mail->envid.len;
    }
    t->active = true;
    t->line_start = true;
    if ((mail->smtputf8 || !pp_text_is_ascii(mail->sender)) && !can->smtputf8) {
        refuse_unsent(c, not_ascii, "the server takes no addresses outside ASCII (SMTPUTF8)",
                      now_ms);
    } else if (can->size_limit != 0 && mail->size_bytes > can->size_limit) {
        refuse_unsent(c, too_big, "the message is larger than the server takes", now_ms);
    } else {
        pp_smtp_enter(c, PP_SMTP_AWAIT_MAIL_REPLY, now_ms);
    }
    return PP_OK;
}

/* RFC 3461 4.3 and 4.4. */
static void put_return(struct pp_writer *w, const struct pp_smtp_mail *mail)
{
    if (mail->ret != PP_DSN_RET_UNSAID) {
        pp_put_z(w, mail->ret == PP_DSN_RET_FULL ? " RET=FULL" : " RET=HDRS");
    }
    if (mail->envid.len > 0) {
        pp_put_z(w, " ENVID=");
        pp_put_text(w, mail->envid);
    }
}

/* RFC 3461 4.1 and 4.2. */
static void put_notify(struct pp_writer *w, const struct pp_smtp_client *c,
                       const struct pp_recipient *recipient)
{
    static const struct {
        uint8_t bit;
        const char *name_z;
    } words[] = {{PP_DSN_NOTIFY_NEVER, "NEVER"},
                 {PP_DSN_NOTIFY_SUCCESS, "SUCCESS"},
                 {PP_DSN_NOTIFY_FAILURE, "FAILURE"},
                 {PP_DSN_NOTIFY_DELAY, "DELAY"}};
    const char *before_z = " NOTIFY=";

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if ((recipient->notify & words[i].bit) != 0) {
            pp_put_z(w, before_z);
            pp_put_z(w, words[i].name_z);
            before_z = ",";
        }
    }
    if (is_parameter(c, recipient->orcpt, PP_ORCPT_MAX)) {
        pp_put_z(w, " ORCPT=");
        pp_put_text(w, recipient->orcpt);
    }
}

bool pp_smtp_say_mail(struct pp_smtp_client *c, struct pp_buf *out)
{
    const struct pp_smtp_mail *mail = &c->transaction.mail;
    char line[MAIL_LINE_CAP];
    struct pp_writer w;

    pp_writer_init(&w, line, sizeof line);
    pp_put_z(&w, "MAIL FROM:<");
    pp_put_text(&w, mail->sender);
    pp_put_z(&w, ">");
    if (c->capabilities.size && mail->size_bytes > 0) {
        pp_put_z(&w, " SIZE=");
        pp_put_u64(&w, mail->size_bytes);
    }
    if (c->capabilities.eight_bit_mime && mail->body_8bit) {
        pp_put_z(&w, " BODY=8BITMIME");
    }
    if (c->capabilities.smtputf8 && (mail->smtputf8 || !pp_text_is_ascii(mail->sender))) {
        pp_put_z(&w, " SMTPUTF8");
    }
    if (c->capabilities.dsn) {
        put_return(&w, mail);
    }
    pp_put_z(&w, "\r\n");
    return pp_buf_put(out, line, w.len);
}

/* Checks an address; one that cannot be sent gets its verdict here. */
static enum pp_err check_recipient(struct pp_smtp_client *c, struct pp_text address)
{
    static const uint8_t bad_syntax[3] = {5, 1, 3};
    static const uint8_t not_ascii[3] = {5, 6, 7};
    struct pp_smtp_transaction *t = &c->transaction;
    struct pp_reply reply;
    enum pp_err err = pp_address_check(address);

    if (err != PP_OK) {
        err = err == PP_ERR_INJECTION ? err : PP_ERR_SYNTAX;
        pp_reply_own(&reply, bad_syntax, "the recipient's address is malformed and was not sent");
    } else if (!pp_text_is_ascii(address) && !t->mail.smtputf8) {
        err = PP_ERR_SYNTAX;
        pp_reply_own(&reply, not_ascii, "the recipient's address is not ASCII and was not sent");
    } else {
        return PP_OK;
    }
    decide_one(c, t->handed, (struct pp_decision){PP_VERDICT_NEVER, PP_SCOPE_RECIPIENT},
               PP_STAGE_RCPT, &reply);
    t->handed++;
    return err;
}

enum pp_err pp_smtp_client_recipient(struct pp_smtp_client *c, struct pp_buf *out,
                                     const struct pp_recipient *recipient, pp_time_ms now_ms)
{
    struct pp_smtp_transaction *t = &c->transaction;
    char line[RCPT_LINE_CAP];
    struct pp_writer w;

    if (pp_smtp_client_event(c) != PP_SMTP_EVENT_RECIPIENT ||
        t->handed >= t->mail.recipient_count) {
        return PP_ERR_STATE;
    }
    if (c->unsolicited) {
        return PP_ERR_LATER;
    }
    enum pp_err err = check_recipient(c, recipient->address);
    if (err != PP_OK) {
        return err;
    }
    pp_writer_init(&w, line, sizeof line);
    pp_put_z(&w, "RCPT TO:<");
    pp_put_text(&w, recipient->address);
    pp_put_z(&w, ">");
    if (c->capabilities.dsn) {
        put_notify(&w, c, recipient);
    }
    pp_put_z(&w, "\r\n");
    if (!pp_buf_put(out, line, w.len)) {
        return PP_ERR_LATER;
    }
    t->handed++;
    t->outstanding++;
    if (c->state == PP_SMTP_AWAIT_RECIPIENT) {
        pp_smtp_enter(c, PP_SMTP_AWAIT_RCPT_REPLY, now_ms);
    }
    return PP_OK;
}

void pp_smtp_client_recipients_end(struct pp_smtp_client *c, struct pp_buf *out, pp_time_ms now_ms)
{
    struct pp_smtp_transaction *t = &c->transaction;

    if (pp_smtp_client_event(c) != PP_SMTP_EVENT_RECIPIENT) {
        return;
    }
    t->recipients_ended = true;
    t->mail.recipient_count = t->handed;
    t->data_wanted = c->capabilities.pipelining && t->outstanding > 0;
    if (c->state == PP_SMTP_AWAIT_RECIPIENT) {
        await_next_step(c, now_ms);
        if (c->state == PP_SMTP_AWAIT_DATA_REPLY && !c->unsolicited &&
            pp_smtp_put_line(out, "DATA")) {
            c->unsaid = false;
            t->data_sent = true;
        }
    }
    pp_smtp_say_data(c, out);
}

void pp_smtp_say_data(struct pp_smtp_client *c, struct pp_buf *out)
{
    struct pp_smtp_transaction *t = &c->transaction;

    /* RFC 2920 3.1: DATA may be the last of a flight. */
    if (t->data_wanted && !t->data_sent && !c->unsaid && !c->unsolicited) {
        t->data_sent = pp_smtp_put_line(out, "DATA");
    }
}

/* ---- replies ---- */

static void fail_unlawful(struct pp_smtp_client *c, const struct pp_reply *reply, pp_time_ms now_ms)
{
    pp_smtp_fail(c, PP_ERR_SYNTAX, reply,
                 c->state == PP_SMTP_AWAIT_DOT_REPLY
                     ? "not a lawful reply here; the message may have been delivered"
                     : "not a lawful reply here",
                 false, now_ms);
}

static void on_mail_reply(struct pp_smtp_client *c, const struct pp_reply *reply, pp_time_ms now_ms)
{
    struct pp_smtp_transaction *t = &c->transaction;

    if (reply->code / 100 == 3) {
        fail_unlawful(c, reply, now_ms);
        return;
    }
    t->mail_replied = true;
    if (reply->code / 100 != 2) {
        t->refused = true;
        t->recipients_ended = true;
        t->data_wanted = false;
        pp_smtp_decide_open(c, pp_verdict_decide(PP_STAGE_MAIL, reply), reply);
    }
    await_next_step(c, now_ms);
}

static void on_rcpt_reply(struct pp_smtp_client *c, const struct pp_reply *reply, pp_time_ms now_ms)
{
    struct pp_smtp_transaction *t = &c->transaction;

    if (reply->code / 100 == 3) {
        fail_unlawful(c, reply, now_ms);
        return;
    }
    t->outstanding--;
    if (!t->refused) {
        /* Those that were not sent have their verdict already. */
        while (bit(t->decided, t->next_reply)) {
            t->next_reply++;
        }
        if (reply->code / 100 == 2) {
            t->accepted_count++;
        } else {
            decide_one(c, t->next_reply, pp_verdict_decide(PP_STAGE_RCPT, reply), PP_STAGE_RCPT,
                       reply);
        }
        t->next_reply++;
    }
    await_next_step(c, now_ms);
}

static void on_data_reply(struct pp_smtp_client *c, const struct pp_reply *reply, pp_time_ms now_ms)
{
    struct pp_smtp_transaction *t = &c->transaction;
    bool wanted = !t->refused && t->accepted_count > 0;

    if (reply->code == 354 && wanted) {
        pp_smtp_enter(c, PP_SMTP_AWAIT_BODY, now_ms);
    } else if (reply->code == 354) {
        /* RFC 2920 3.1: go-ahead for nobody; only an empty message gets us out. */
        t->discard = true;
        pp_smtp_enter(c, PP_SMTP_AWAIT_DOT_REPLY, now_ms);
        c->unsaid = true;
    } else if (reply->code < 400) {
        fail_unlawful(c, reply, now_ms);
    } else {
        t->rset = !t->refused;
        pp_smtp_decide_open(c, pp_verdict_decide(PP_STAGE_DATA, reply), reply);
        finish(c, now_ms);
    }
}

static void on_dot_reply(struct pp_smtp_client *c, const struct pp_reply *reply, pp_time_ms now_ms)
{
    struct pp_smtp_transaction *t = &c->transaction;

    if (reply->code / 100 == 3) {
        fail_unlawful(c, reply, now_ms);
        return;
    }
    if (!t->discard) {
        c->messages_done += reply->code / 100 == 2;
        pp_smtp_decide_open(c, pp_verdict_decide(PP_STAGE_DOT, reply), reply);
    }
    finish(c, now_ms);
}

void pp_smtp_on_transaction_reply(struct pp_smtp_client *c, const struct pp_reply *reply,
                                  pp_time_ms now_ms)
{
    switch ((enum pp_smtp_state)c->state) {
    case PP_SMTP_AWAIT_MAIL_REPLY:
        on_mail_reply(c, reply, now_ms);
        break;
    case PP_SMTP_AWAIT_RCPT_REPLY:
        on_rcpt_reply(c, reply, now_ms);
        break;
    case PP_SMTP_AWAIT_DATA_REPLY:
        on_data_reply(c, reply, now_ms);
        break;
    case PP_SMTP_AWAIT_DOT_REPLY:
        on_dot_reply(c, reply, now_ms);
        break;
    default:
        fail_unlawful(c, reply, now_ms);
        break;
    }
}

void pp_smtp_on_early_reply(struct pp_smtp_client *c, const struct pp_reply *reply,
                            pp_time_ms now_ms)
{
    if (reply->code >= 400) {
        pp_smtp_decide_open(c, pp_verdict_decide(PP_STAGE_BODY, reply), reply);
    }
    /* The rest of the message would be read as commands: there is no way on from here. */
    pp_smtp_fail(c, PP_ERR_SYNTAX, reply, "the server answered before the message was complete",
                 false, now_ms);
}

/* ---- content ---- */

/* Puts one byte with what belongs to it; at most two bytes. */
static size_t put_content_byte(struct pp_smtp_transaction *t, uint8_t c, uint8_t *to)
{
    size_t n = 0;

    if (c == '\n' && t->previous_cr) {
        t->previous_cr = false;
        return 0;
    }
    t->previous_cr = c == '\r';
    if (c == '\r' || c == '\n') {
        to[n++] = '\r';
        to[n++] = '\n';
        t->line_start = true;
        return n;
    }
    if (c == '.' && t->line_start) {
        to[n++] = '.';
    }
    to[n++] = c;
    t->line_start = false;
    return n;
}

size_t pp_smtp_client_body(struct pp_smtp_client *c, struct pp_buf *out, const uint8_t *bytes,
                           size_t len, pp_time_ms now_ms)
{
    size_t taken = 0;
    size_t room = 0;

    (void)now_ms;
    if (c->state != PP_SMTP_AWAIT_BODY || c->unsolicited || len == 0) {
        return 0;
    }
    uint8_t *to = pp_buf_reserve(out, &room);
    size_t put = 0;
    while (taken < len && room - put >= 2) {
        put += put_content_byte(&c->transaction, bytes[taken++], to + put);
    }
    pp_buf_commit(out, put);
    return taken;
}

bool pp_smtp_client_body_end(struct pp_smtp_client *c, struct pp_buf *out, pp_time_ms now_ms)
{
    if (c->state != PP_SMTP_AWAIT_BODY) {
        return true;
    }
    if (c->unsolicited || !pp_buf_put(out, c->transaction.line_start ? ".\r\n" : "\r\n.\r\n",
                                      c->transaction.line_start ? 3 : 5)) {
        return false;
    }
    pp_smtp_enter(c, PP_SMTP_AWAIT_DOT_REPLY, now_ms);
    return true;
}

void pp_smtp_client_body_failed(struct pp_smtp_client *c, bool never, const char *text_z,
                                pp_time_ms now_ms)
{
    struct pp_reply reply;

    if (c->state == PP_SMTP_CLOSED) {
        return;
    }
    pp_reply_own(&reply, NULL, text_z);
    pp_smtp_decide_open(
        c, (struct pp_decision){never ? PP_VERDICT_NEVER : PP_VERDICT_LATER, PP_SCOPE_MESSAGE},
        &reply);
    pp_smtp_fail(c, PP_ERR_DAMAGED, &reply, NULL, false, now_ms);
}
