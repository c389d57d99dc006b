/*
 * relay_watch.c - tells what the smarthost's certificate gives cause to, and accepts a new pin
 *
 * Job:      hand in the mails that delivery/watch wrote; keep the key that somebody accepted beside
 *           the mail, and put it beside the configuration's pins; log the end of our own
 *           certificates' validity in time.
 * Not here: when there is cause (delivery/watch.c), how values lie in flash (store/kv.h).
 *
 * What is kept is for one host: SHA-256 over its name, then the key's. With another host in the
 * configuration it means nothing.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/crypto.h"
#include "relay.h"
#include "wire/pin.h"

#define KEPT_BYTES 64u

static enum pp_err digest_host(const struct pp_smarthost_config *host, uint8_t out[32])
{
    return pp_sha256(host->host, strlen(host->host), out);
}

/* Beside those of the configuration, unless it is among them. PP_ERR_DRY: no room. */
static enum pp_err add_pin(struct pp_tls_policy *tls, const uint8_t key[32])
{
    struct pp_pin pin = {PP_PIN_KEY, PP_DIGEST_SHA256, {0}};

    memcpy(pin.value, key, 32);
    for (uint32_t i = 0; i < tls->pin_count; i++) {
        if (memcmp(&tls->pins[i], &pin, sizeof(pin)) == 0) {
            return PP_OK;
        }
    }
    if (tls->pin_count == PP_PINS) {
        return PP_ERR_DRY;
    }
    tls->pins[tls->pin_count++] = pin;
    return PP_OK;
}

void pp_relay_add_kept_pin(struct pp_relay *r)
{
    struct pp_smarthost_config *host = &r->config.smarthosts[0];
    uint8_t kept[KEPT_BYTES], wanted[32];
    size_t len = 0;

    if (r->config.smarthost_count == 0 || host->tls.pin_rule != PP_PIN_AND_CA ||
        pp_kv_get(&r->kv, PP_KV_ACCEPTED_PIN, kept, sizeof(kept), &len) != PP_OK ||
        len != sizeof(kept) || digest_host(host, wanted) != PP_OK ||
        memcmp(kept, wanted, sizeof(wanted)) != 0) {
        return;
    }
    struct pp_log_line line;
    bool added = add_pin(&host->tls, kept + 32) == PP_OK;
    pp_log_begin(&line, &r->log, added ? PP_LOG_INFO : PP_LOG_WARN, 0, "accepted_pin");
    pp_log_z(&line, "host", host->host);
    pp_log_z(&line, "effect",
             added ? "counts beside those of the configuration"
                   : "no room: the configuration has as many pins as this build takes");
    pp_log_end(&line);
}

enum pp_err pp_pin_accept(struct pp_relay *r, struct pp_writer *w)
{
    struct pp_smarthost_config *host = &r->config.smarthosts[0];
    struct pp_watch *watch = &r->delivery.watch;
    uint8_t kept[KEPT_BYTES];

    if (!watch->staged || strcmp(watch->staged_host, host->host) != 0) {
        return PP_ERR_NOT_FOUND;
    }
    enum pp_err err = digest_host(host, kept);
    memcpy(kept + 32, watch->staged_key, 32);
    if (err == PP_OK) {
        err = add_pin(&host->tls, watch->staged_key);
    }
    if (err == PP_OK) {
        err = pp_kv_put(&r->kv, PP_KV_ACCEPTED_PIN, kept, sizeof(kept));
    }
    if (err != PP_OK) {
        return err;
    }
    watch->staged = false;
    r->delivery.generation++; /* connections under way were made with the pins of before */
    pp_route_retry_now(&r->delivery.route);
    pp_put_pin(w, PP_PIN_KEY, kept + 32);
    struct pp_log_line line;
    pp_log_begin(&line, &r->log, PP_LOG_WARN, 0, "pin_accepted");
    pp_log_z(&line, "host", host->host);
    pp_log_text(&line, "pin", pp_writer_text(w));
    pp_log_end(&line);
    return PP_OK;
}

/* ---- our own certificates ---- */

#define DAY_S         INT64_C(86400)
#define LOOK_EVERY_MS (60u * 60 * 1000)

static void warn_of_own(struct pp_relay *r, enum pp_tls_role role, int64_t wall_s)
{
    int64_t expiry_s = pp_tls_identity_expiry_s(role), *said_s = &r->own_expiry_said_s[role];
    struct pp_log_line line;
    char text[32];
    struct pp_writer w;

    if (expiry_s == 0 || wall_s < PP_WALL_FLOOR_S ||
        expiry_s >= wall_s + PP_WATCH_EXPIRY_DAYS * DAY_S ||
        (*said_s != 0 && wall_s >= *said_s && wall_s < *said_s + DAY_S)) {
        return;
    }
    *said_s = wall_s;
    pp_writer_init(&w, text, sizeof(text));
    pp_put_date_iso(&w, expiry_s);
    pp_log_begin(&line, &r->log, PP_LOG_WARN, 0, "own_certificate_expires");
    pp_log_z(&line, "shown_to",
             role == PP_TLS_AS_SERVER ? "clients of the relay" : "the smarthost");
    pp_log_text(&line, expiry_s < wall_s ? "expired" : "expires", pp_writer_text(&w));
    pp_log_z(&line, "action", "renew it; the new one is read when the file changes");
    pp_log_end(&line);
}

/* Once a day each, from 14 days before the end on. */
static void look_at_own(struct pp_relay *r)
{
    pp_time_ms now_ms = r->port->now_ms(r->port->ctx);

    if (now_ms < r->own_look_at_ms) {
        return;
    }
    r->own_look_at_ms = pp_time_add(now_ms, LOOK_EVERY_MS);
    warn_of_own(r, PP_TLS_AS_SERVER, r->port->wall_s(r->port->ctx));
    warn_of_own(r, PP_TLS_AS_CLIENT, r->port->wall_s(r->port->ctx));
}

void pp_relay_tell(struct pp_relay *r)
{
    look_at_own(r);
    for (size_t i = 0; i < PP_WATCH_KINDS; i++) {
        struct pp_watch_mail *mail = &r->delivery.watch.mails[i];
        const struct pp_alert alert = {.subject = pp_text_z(mail->subject),
                                       .text = pp_text_z(mail->text),
                                       .severity = PP_SEVERITY_WARNING};
        struct pp_ticket ticket;
        if (!mail->due || r->draining) {
            continue;
        }
        enum pp_err err = pp_submit_alert(r, &alert, &ticket);
        if (err == PP_ERR_DRY || err == PP_ERR_LATER) {
            continue; /* with a later turn */
        }
        mail->due = false;
        if (err != PP_OK) {
            struct pp_log_line line;
            pp_log_begin(&line, &r->log, PP_LOG_WARN, 0, "not_told");
            pp_log_z(&line, "subject", mail->subject);
            pp_log_err(&line, err);
            pp_log_end(&line);
        }
    }
}
