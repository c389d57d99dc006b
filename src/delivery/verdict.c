/*
 * verdict.c - what a reply means for the mail
 *
 * Job:      the words of each stage, and the one decision: delivered, later, never.
 * Not here: receiving replies (smtp_reply.h), trying again (queue/schedule.h).
 * Follows:  RFC 5321 4.2, 4.5.3.1.10; RFC 3463; RFC 4954 6
 */
#include "delivery/verdict.h"

static const char *const stage_words[PP_STAGE_COUNT] = {
    [PP_STAGE_RESOLVE] = "looking up the smarthost's name",
    [PP_STAGE_TRUST] = "looking up the smarthost's TLSA records",
    [PP_STAGE_CONNECT] = "connecting to the smarthost",
    [PP_STAGE_GREETING] = "waiting for the greeting",
    [PP_STAGE_EHLO] = "waiting for the reply to EHLO",
    [PP_STAGE_STARTTLS] = "waiting for the reply to STARTTLS",
    [PP_STAGE_HANDSHAKE] = "in the TLS handshake",
    [PP_STAGE_AUTH] = "logging in",
    [PP_STAGE_MAIL] = "waiting for the reply to MAIL FROM",
    [PP_STAGE_RCPT] = "waiting for the reply to RCPT TO",
    [PP_STAGE_DATA] = "waiting for the reply to DATA",
    [PP_STAGE_BODY] = "sending the message",
    [PP_STAGE_DOT] = "waiting for the reply to the end of data (the message may be sent twice)",
    [PP_STAGE_RSET] = "waiting for the reply to RSET",
    [PP_STAGE_QUIT] = "waiting for the reply to QUIT",
    [PP_STAGE_IDLE] = "idle",
};

const char *pp_stage_words(enum pp_stage stage)
{
    return (unsigned)stage < PP_STAGE_COUNT ? stage_words[stage] : "in an unknown stage";
}

static bool has_enhanced(const struct pp_reply *reply, uint8_t subject, uint8_t detail)
{
    return reply->enhanced[0] == 5 && reply->enhanced[1] == subject && reply->enhanced[2] == detail;
}

static bool text_has(const struct pp_reply *reply, const char *words_z)
{
    struct pp_text words = pp_text_z(words_z);

    for (size_t i = 0; i + words.len <= reply->text_len; i++) {
        if (pp_text_starts_nocase(pp_text_n(reply->text + i, reply->text_len - i), words)) {
            return true;
        }
    }
    return false;
}

/* The server misses a login or TLS: that is the account's matter, not this mail's. */
static bool wants_login(enum pp_stage stage, const struct pp_reply *reply)
{
    switch (reply->code) {
    case 530:
    case 534:
    case 535:
    case 538:
        return true;
    default:
        break;
    }
    if (has_enhanced(reply, 7, 8) || has_enhanced(reply, 7, 9) || has_enhanced(reply, 7, 11)) {
        return true;
    }
    /* 5.7.0 and 5.7.1 are also how content is refused, so there the words decide. */
    return stage < PP_STAGE_BODY &&
           (text_has(reply, "authentication required") || text_has(reply, "must issue a STARTTLS"));
}

static bool speaks_of_content(const struct pp_reply *reply)
{
    return reply->code == 552 || has_enhanced(reply, 3, 4) || has_enhanced(reply, 2, 3) ||
           (reply->enhanced[0] == 5 && reply->enhanced[1] == 6);
}

static struct pp_decision decision(enum pp_verdict verdict, enum pp_scope scope)
{
    return (struct pp_decision){.verdict = verdict, .scope = scope};
}

static struct pp_decision decide_refused(enum pp_stage stage, const struct pp_reply *reply)
{
    switch (stage) {
    case PP_STAGE_MAIL:
        /* The sender's address is the account's: only size and kind speak of this message. */
        return speaks_of_content(reply) ? decision(PP_VERDICT_NEVER, PP_SCOPE_MESSAGE)
                                        : decision(PP_VERDICT_LATER, PP_SCOPE_PATH);
    case PP_STAGE_RCPT:
        if (reply->code == 552 || has_enhanced(reply, 5, 3)) {
            return decision(PP_VERDICT_LATER, PP_SCOPE_RECIPIENT);
        }
        return decision(PP_VERDICT_NEVER, PP_SCOPE_RECIPIENT);
    case PP_STAGE_DATA:
    case PP_STAGE_BODY:
    case PP_STAGE_DOT:
        return decision(PP_VERDICT_NEVER, PP_SCOPE_MESSAGE);
    default:
        return decision(PP_VERDICT_LATER, PP_SCOPE_PATH);
    }
}

struct pp_decision pp_verdict_decide(enum pp_stage stage, const struct pp_reply *reply)
{
    unsigned code = reply->code;

    if (code < 200 || code > 599 || code / 10 % 10 > 5) {
        return decision(PP_VERDICT_LATER, PP_SCOPE_PATH);
    }
    if (code / 100 == 2) {
        return stage == PP_STAGE_DOT ? decision(PP_VERDICT_DELIVERED, PP_SCOPE_MESSAGE)
                                     : decision(PP_VERDICT_LATER, PP_SCOPE_PATH);
    }
    /* 503: we and the server disagree about where we are, which no recipient can help. */
    if (code / 100 == 3 || code == 421 || code == 503 || wants_login(stage, reply)) {
        return decision(PP_VERDICT_LATER, PP_SCOPE_PATH);
    }
    if (code / 100 == 5) {
        return decide_refused(stage, reply);
    }
    switch (stage) {
    case PP_STAGE_RCPT:
        return decision(PP_VERDICT_LATER, PP_SCOPE_RECIPIENT);
    case PP_STAGE_MAIL:
    case PP_STAGE_DATA:
    case PP_STAGE_BODY:
    case PP_STAGE_DOT:
        return decision(PP_VERDICT_LATER, PP_SCOPE_MESSAGE);
    default:
        return decision(PP_VERDICT_LATER, PP_SCOPE_PATH);
    }
}

void pp_put_reply(struct pp_writer *w, const struct pp_reply *reply)
{
    size_t before = w->len;

    if (reply->code != 0) {
        pp_put_u64(w, reply->code);
    }
    if (reply->enhanced[0] != 0) {
        pp_put_z(w, w->len > before ? " " : "");
        for (size_t i = 0; i < 3; i++) {
            pp_put_z(w, i > 0 ? "." : "");
            pp_put_u64(w, reply->enhanced[i]);
        }
    }
    if (reply->text_len > 0) {
        pp_put_z(w, w->len > before ? " " : "");
        pp_put(w, reply->text, reply->text_len);
    }
}
