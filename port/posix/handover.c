/*
 * handover.c - one message to the daemon, or to the drop directory while it is away
 *
 * Job:      from what became of it to words and an exit code.
 */
#include "handover.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>

#include "drop_write.h"
#include "message/address.h"

static void say(struct pp_handover_outcome *o, int exit_code, const char *a_z, const char *b_z,
                const char *c_z)
{
    struct pp_writer w;

    o->exit_code = exit_code;
    pp_writer_init(&w, o->text, sizeof(o->text) - 1);
    pp_put_z(&w, a_z);
    pp_put_z(&w, b_z);
    pp_put_z(&w, c_z);
    o->text[w.len] = '\0';
}

/* True when the enhanced code (RFC 3463) of a reply such as `550 5.1.2 text` begins with
 * `prefix_z`. */
static bool has_enhanced(const char *reply_z, const char *prefix_z)
{
    return strlen(reply_z) > 4 && strncmp(reply_z + 4, prefix_z, strlen(prefix_z)) == 0;
}

int pp_handover_exit_code(unsigned code, const char *reply_z)
{
    if (code < 500) {
        return EX_TEMPFAIL;
    }
    switch (code) {
    case 500:
    case 502:
    case 503:
    case 504:
    case 555:
        return EX_SOFTWARE;
    case 550:
    case 551:
        return has_enhanced(reply_z, "5.6.") ? EX_DATAERR : EX_NOUSER;
    case 530:
    case 535:
        return EX_NOPERM;
    default:
        return has_enhanced(reply_z, "5.7.") ? EX_NOPERM : EX_DATAERR;
    }
}

bool pp_handover_check(const struct pp_handover *mail, struct pp_handover_outcome *outcome)
{
    memset(outcome, 0, sizeof(*outcome));
    if (pp_text_has_line_break(mail->subject) || pp_text_has_line_break(mail->sender) ||
        pp_text_has_line_break(mail->sender_name)) {
        say(outcome, EX_DATAERR, "a line break in subject, sender or name: nothing was sent", "",
            "");
    } else if (!pp_text_is_utf8(mail->subject) || !pp_text_is_utf8(mail->sender_name)) {
        say(outcome, EX_DATAERR, "subject or name is not UTF-8: nothing was sent", "", "");
    } else if (mail->input->size_bytes == 0 &&
               (mail->kind == PP_KIND_MESSAGE || mail->subject.len == 0)) {
        say(outcome, EX_DATAERR, "the message is empty: nothing was sent", "", "");
    } else if (mail->input->has_nul) {
        say(outcome, EX_DATAERR, "a NUL byte in the message: nothing was sent", "", "");
    } else if (mail->recipients->count == 0 && !mail->default_recipients) {
        say(outcome, EX_USAGE, "no recipient", "", "");
    } else {
        return true;
    }
    return false;
}

/* Of the form that the daemon will ask for; whether it has a domain to add, it alone knows. */
static bool is_address(struct pp_text text)
{
    char whole[PP_ADDRESS_MAX];
    struct pp_writer w;

    pp_writer_init(&w, whole, sizeof(whole));
    return pp_address_complete(text, pp_text_z("localhost"), &w) == PP_OK;
}

/* How many recipients would be refused; the first of them in words. */
static size_t count_bad(const struct pp_handover *mail, char words[300])
{
    struct pp_text address;
    size_t cursor = 0, bad = 0;
    struct pp_writer w;

    while (pp_recipients_next(mail->recipients, &cursor, &address) == PP_OK) {
        if (!is_address(address) && bad++ == 0) {
            pp_writer_init(&w, words, 299);
            pp_put_safe(&w, address, 200);
            pp_put_z(&w, ": malformed address");
            words[w.len] = '\0';
        }
    }
    return bad;
}

/* False: it would be refused later, when nobody is there to be told. */
static bool check_addresses(const struct pp_handover *mail, size_t bad, const char *bad_z,
                            struct pp_handover_outcome *outcome)
{
    if (!mail->default_sender && mail->sender.len > 0 && !is_address(mail->sender)) {
        say(outcome, EX_DATAERR, "malformed sender: nothing was sent", "", "");
        return false;
    }
    if (bad > 0 && bad == mail->recipients->count && !mail->default_recipients) {
        say(outcome, EX_DATAERR, "refused: ", bad_z, "");
        return false;
    }
    return true;
}

static void drop(const char *directory_z, const struct pp_handover *mail, const char *why_z,
                 struct pp_handover_outcome *outcome)
{
    char words[300], bad_words[300] = "";
    struct pp_writer w;
    size_t bad = count_bad(mail, bad_words);
    enum pp_err err;
    int saved;

    if (!check_addresses(mail, bad, bad_words, outcome)) {
        return;
    }
    err = pp_drop_write(directory_z, mail);
    saved = errno;

    pp_writer_init(&w, words, sizeof(words) - 1);
    if (err == PP_OK) {
        outcome->dropped = true;
        pp_put_z(&w, ": kept in ");
        pp_put_z(&w, directory_z);
        words[w.len] = '\0';
        if (bad > 0) {
            say(outcome, EX_DATAERR, "not for ", bad_words, bad > 1 ? " (and others)" : "");
        } else {
            say(outcome, EX_OK, why_z, words, ", sent when the daemon runs");
        }
        return;
    }
    pp_put_z(&w, ", and it could not be kept in ");
    pp_put_z(&w, directory_z);
    pp_put_z(&w, ": ");
    words[w.len] = '\0';
    say(outcome, EX_TEMPFAIL, why_z, words, err == PP_ERR_IO ? strerror(saved) : pp_err_text(err));
}

static void taken(const struct pp_submit_result *r, struct pp_handover_outcome *outcome)
{
    memcpy(outcome->id, r->id, sizeof(outcome->id));
    if (r->refused == 0) {
        return;
    }
    say(outcome, pp_handover_exit_code(r->refused_code, r->refused_reply), "not for ",
        r->refused_text, r->refused > 1 ? " (and others)" : "");
}

void pp_handover_give(const char *submit_socket_z, const char *drop_directory_z,
                      const struct pp_handover *mail, struct pp_handover_outcome *outcome)
{
    struct pp_submit_result r;

    if (!pp_handover_check(mail, outcome)) {
        return;
    }
    pp_submit_client_send(submit_socket_z, mail, &pp_submit_limits_usual, &r);
    switch (r.end) {
    case PP_SUBMIT_TAKEN:
        taken(&r, outcome);
        break;
    case PP_SUBMIT_NOT_ASKED:
        drop(drop_directory_z, mail, r.text, outcome);
        break;
    case PP_SUBMIT_LATER:
        say(outcome, EX_TEMPFAIL, "not taken now: ", r.text, "");
        break;
    case PP_SUBMIT_REFUSED:
        say(outcome, r.code == 0 ? EX_UNAVAILABLE : pp_handover_exit_code(r.code, r.text),
            "refused: ", r.text, "");
        break;
    case PP_SUBMIT_UNKNOWN:
        say(outcome, EX_TEMPFAIL, r.text, "", "");
        break;
    case PP_SUBMIT_UNREAD:
        say(outcome, EX_IOERR, "the message cannot be read again: ", r.text, "");
        break;
    }
}
