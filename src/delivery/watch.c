/*
 * watch.c - what the smarthost's certificate gives cause to tell
 *
 * Job:      remember what is staged, log it, and write the mails.
 * Not here: handing them in (relay_watch.c).
 */
#include "delivery/watch.h"

#include <string.h>

#include "base/time.h"
#include "wire/pin.h"

#define DAY_S INT64_C(86400)

static void end_text(char *text, size_t cap, const struct pp_writer *w)
{
    text[w->len < cap ? w->len : cap - 1] = '\0';
}

/* True for a key that no mail was about yet. */
static bool begin_mail(struct pp_watch_mail *mail, const uint8_t key[32])
{
    if (mail->due || (mail->told && memcmp(mail->key, key, sizeof(mail->key)) == 0)) {
        return false;
    }
    memcpy(mail->key, key, sizeof(mail->key));
    mail->due = mail->told = true;
    return true;
}

static void write_new_pin(struct pp_watch_mail *mail, const char *host_z,
                          const struct pp_tls_facts *facts, bool waits)
{
    struct pp_writer w;

    pp_writer_init(&w, mail->subject, sizeof(mail->subject) - 1);
    pp_put_z(&w, "certificate of ");
    pp_put_safe(&w, pp_text_z(host_z), 80);
    pp_put_z(&w, " matches no pin");
    end_text(mail->subject, sizeof(mail->subject), &w);
    pp_writer_init(&w, mail->text, sizeof(mail->text) - 1);
    pp_put_z(&w, waits ? "Mail waits: " : "Mail goes on, by on_new_pin = send: ");
    pp_put_z(&w, "a CA vouches for the certificate, but no pin of the configuration matches.\n"
                 "It may have been renewed with a new key. Compare it with what the server's owner "
                 "says, then run\n\n    pinpost pin --accept\n\nor put this line into pinpost.conf:"
                 "\n\n    pin = ");
    pp_put_pin(&w, PP_PIN_KEY, facts->key_sha256);
    pp_put_z(&w, "\n\nsubject: ");
    pp_put_z(&w, facts->subject);
    pp_put_z(&w, "\nissuer:  ");
    pp_put_z(&w, facts->issuer);
    pp_put_z(&w, "\n");
    end_text(mail->text, sizeof(mail->text), &w);
}

static void stage(struct pp_watch *watch, const struct pp_smarthost_config *host,
                  const struct pp_tls_facts *facts, const struct pp_log *log)
{
    struct pp_watch_mail *mail = &watch->mails[PP_WATCH_NEW_PIN];
    bool waits = host->tls.on_new_pin == PP_NEW_PIN_WAIT;
    struct pp_log_line line;
    char text[128];
    struct pp_writer w;

    watch->staged = true;
    memcpy(watch->staged_key, facts->key_sha256, sizeof(watch->staged_key));
    memcpy(watch->staged_host, host->host, sizeof(watch->staged_host));
    pp_writer_init(&w, text, sizeof(text));
    pp_put_z(&w, "pin = ");
    pp_put_pin(&w, PP_PIN_KEY, facts->key_sha256);
    pp_log_begin(&line, log, PP_LOG_WARN, 0, "new_pin");
    pp_log_z(&line, "host", host->host);
    pp_log_z(&line, "effect", waits ? "mail waits" : "mail goes on");
    pp_log_text(&line, "line", pp_writer_text(&w));
    pp_log_z(&line, "subject", facts->subject);
    pp_log_z(&line, "action",
             "compare it with what the server's owner says, then `pinpost pin --accept`, or that "
             "line in pinpost.conf");
    pp_log_end(&line);
    if (begin_mail(mail, facts->key_sha256)) {
        write_new_pin(mail, host->host, facts, waits);
    }
}

static bool is_pinned_itself(const struct pp_smarthost_config *host,
                             const struct pp_tls_facts *facts)
{
    return facts->pin_index >= 0 && facts->pin_index < PP_PINS &&
           host->tls.pins[facts->pin_index].kind <= PP_PIN_KEY;
}

/* A certificate that never has 14 days to live would be in the mail with each renewal: the last
 * third of its life is soon enough. One that is over was told before. */
static bool wants_mail(const struct pp_tls_facts *facts, int64_t wall_s)
{
    int64_t left_s = facts->expiry_s - wall_s;

    return left_s >= 0 && left_s < (facts->expiry_s - facts->begin_s) / 3;
}

static void warn_expiry(struct pp_watch *watch, const struct pp_smarthost_config *host,
                        const struct pp_tls_facts *facts, const struct pp_log *log, int64_t wall_s)
{
    struct pp_watch_mail *mail = &watch->mails[PP_WATCH_EXPIRY];
    struct pp_log_line line;
    struct pp_writer w;
    bool over = facts->expiry_s < wall_s;

    if (watch->expiry_said_s == 0 || wall_s >= watch->expiry_said_s + DAY_S ||
        wall_s < watch->expiry_said_s) {
        watch->expiry_said_s = wall_s;
        pp_log_begin(&line, log, PP_LOG_WARN, 0, "certificate_expires");
        pp_log_z(&line, "host", host->host);
        pp_log_z(&line, over ? "expired" : "expires", facts->not_after);
        pp_log_z(&line, "action", "ask the server's owner for the next pin, and add it in time");
        pp_log_end(&line);
    }
    if (!wants_mail(facts, wall_s) || !begin_mail(mail, facts->certificate_sha256)) {
        return;
    }
    pp_writer_init(&w, mail->subject, sizeof(mail->subject) - 1);
    pp_put_z(&w, "pinned certificate of ");
    pp_put_safe(&w, pp_text_z(host->host), 80);
    pp_put_z(&w, " expires soon");
    end_text(mail->subject, sizeof(mail->subject), &w);
    pp_writer_init(&w, mail->text, sizeof(mail->text) - 1);
    pp_put_z(&w, "It is valid until ");
    pp_put_z(&w, facts->not_after);
    pp_put_z(&w, ". The next one will match no pin unless its own is added before: ask the "
                 "server's owner, and add a `pin =` line beside the old one.\n");
    end_text(mail->text, sizeof(mail->text), &w);
}

void pp_watch_look(struct pp_watch *watch, const struct pp_smarthost_config *host,
                   const struct pp_tls_facts *facts, const struct pp_log *log, int64_t wall_s)
{
    if (!facts->has_peer) {
        return;
    }
    if (facts->staged) {
        stage(watch, host, facts, log);
    } else if (facts->trusted) {
        watch->staged = false; /* the old one is back, or the new one is known by now */
    }
    if (facts->trusted && is_pinned_itself(host, facts) && wall_s != PP_WALL_UNKNOWN &&
        facts->expiry_s < wall_s + PP_WATCH_EXPIRY_DAYS * DAY_S) {
        warn_expiry(watch, host, facts, log, wall_s);
    }
}
