/*
 * tls_words.c - what failed, in words that say what to do
 *
 * Job:      one line for the operator from flags, alerts and errors of a failed handshake.
 * Not here: the decision (wire/tls_trust.c); a server's words (wire/tls_server_words.c); the log
 *           line around it.
 * Follows:  RFC 8446 6 (alerts)
 */
#include <mbedtls/error.h>

#include "wire/pin.h"
#include "wire/tls_session.h"

/* A host name or a peer's text is shown up to this many bytes. */
#define SHOWN_MAX 64

struct words {
    uint32_t flag;
    const char *text_z;
};

static const struct words flag_words[] = {
    {MBEDTLS_X509_BADCERT_BAD_MD, "its chain is signed with a weak hash"},
    {MBEDTLS_X509_BADCERT_BAD_PK, "its chain has a kind of key that is not accepted"},
    {MBEDTLS_X509_BADCERT_BAD_KEY, "its chain has a key that is too weak"},
    {MBEDTLS_X509_BADCERT_KEY_USAGE, "its key usage does not allow TLS"},
    {MBEDTLS_X509_BADCERT_EXT_KEY_USAGE, "it is not meant for TLS servers"},
    {MBEDTLS_X509_BADCERT_NS_CERT_TYPE, "it is not meant for TLS servers"},
};

static const struct words alert_words[] = {
    {20, "bad_record_mac"},          {22, "record_overflow"},
    {40, "handshake_failure"},       {42, "bad_certificate"},
    {43, "unsupported_certificate"}, {46, "certificate_unknown"},
    {47, "illegal_parameter"},       {48, "unknown_ca"},
    {49, "access_denied"},           {50, "decode_error"},
    {51, "decrypt_error"},           {70, "protocol_version"},
    {71, "insufficient_security"},   {80, "internal_error"},
    {90, "user_canceled"},           {109, "missing_extension"},
    {112, "unrecognized_name"},      {116, "certificate_required"},
};

static void put_host(struct pp_writer *w, const struct pp_tls *t)
{
    pp_put_safe(w, pp_text_z(t->host), SHOWN_MAX);
}

/* "; " between what is held against one certificate. */
static void put_next(struct pp_writer *w, bool *first)
{
    if (!*first)
        pp_put_z(w, "; ");
    *first = false;
}

static void put_pins(struct pp_writer *w, const struct pp_tls *t)
{
    pp_put_z(w, "certificate of ");
    put_host(w, t);
    pp_put_z(w, " matches none of ");
    pp_put_u64(w, t->policy.pin_count);
    pp_put_z(w, t->policy.pin_count == 1 ? " pin; presented " : " pins; presented ");
    pp_put_pin(w, PP_PIN_CERTIFICATE, t->facts.certificate_sha256);
    pp_put_char(w, ' ');
    pp_put_pin(w, PP_PIN_KEY, t->facts.key_sha256);
}

static void put_dates(struct pp_writer *w, const struct pp_tls *t)
{
    bool early = (t->flags & MBEDTLS_X509_BADCERT_FUTURE) != 0;
    if (t->flaw_depth > 0) {
        pp_put_z(w, "the CA certificate \"");
        pp_put_z(w, t->flaw_name);
        pp_put_z(w, "\" ");
    } else {
        pp_put_z(w, "it ");
    }
    pp_put_z(w, early ? "is not valid before " : "expired on ");
    pp_put_z(w, t->flaw_date);
    if (early)
        pp_put_z(w, " (is the clock right?)");
}

static void put_untrusted(struct pp_writer *w, const struct pp_tls *t)
{
    bool own = pp_text_equal(pp_text_z(t->facts.subject), pp_text_z(t->facts.issuer));
    pp_put_z(w, own ? "it is self-signed (pin it, or add it to the CA file)"
                    : "it is signed by no CA of the CA file (issuer ");
    if (!own) {
        pp_put_safe(w, pp_text_z(t->facts.issuer), SHOWN_MAX);
        pp_put_char(w, ')');
    }
}

static void put_chain(struct pp_writer *w, const struct pp_tls *t)
{
    const uint32_t dates = MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE;
    bool first = true;
    pp_put_z(w, "certificate of ");
    put_host(w, t);
    pp_put_z(w, ": ");
    if (t->flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) {
        put_next(w, &first);
        put_untrusted(w, t);
    }
    if (t->flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) {
        put_next(w, &first);
        pp_put_z(w, "it is for ");
        pp_put_safe(w, pp_text_z(t->facts.names[0] != '\0' ? t->facts.names : "no name"), 100);
        pp_put_z(w, ", not for this host");
    }
    if (t->flags & dates) {
        put_next(w, &first);
        put_dates(w, t);
    }
    for (size_t i = 0; i < sizeof flag_words / sizeof *flag_words; i++) {
        if (t->flags & flag_words[i].flag) {
            put_next(w, &first);
            pp_put_z(w, flag_words[i].text_z);
        }
    }
    if (first)
        pp_put_z(w, "it was not accepted");
}

void pp_tls_explain_trust(struct pp_tls *t)
{
    struct pp_writer w;
    pp_writer_init(&w, t->facts.failure, sizeof t->facts.failure - 1);
    if (!t->facts.has_peer)
        pp_put_z(&w, "the server showed no certificate");
    else if (t->policy.level == PP_TLS_FINGERPRINT)
        put_pins(&w, t);
    else
        put_chain(&w, t);
    pp_tls_end_text(t->facts.failure, sizeof t->facts.failure, &w);
}

void pp_tls_put_alert(struct pp_writer *w, uint8_t alert)
{
    pp_put_z(w, "alert ");
    pp_put_u64(w, alert);
    for (size_t i = 0; i < sizeof alert_words / sizeof *alert_words; i++) {
        if (alert_words[i].flag == alert) {
            pp_put_char(w, ' ');
            pp_put_z(w, alert_words[i].text_z);
        }
    }
}

static void put_alert(struct pp_writer *w, const struct pp_tls *t, uint8_t alert)
{
    /* A server that showed its certificate had agreed on a version and a cipher. */
    bool nothing_common = !t->facts.has_peer && (alert == 40 || alert == 70 || alert == 71);
    pp_put_z(w, nothing_common ? "server offers no common TLS version or cipher ("
                               : "server refused the TLS handshake (");
    pp_tls_put_alert(w, alert);
    pp_put_char(w, ')');
}

/* A TLS record begins with its type, 20 to 23, and the major version 3. */
bool pp_tls_looks_like_tls(const struct pp_tls *t)
{
    return t->first_len == 0 ||
           (t->first[0] >= 20 && t->first[0] <= 23 && (t->first_len == 1 || t->first[1] == 3));
}

void pp_tls_put_error(struct pp_writer *w, int ret)
{
    const char *text_z = mbedtls_high_level_strerr(ret);
    pp_put_z(w, "TLS handshake failed: ");
    pp_put_z(w, text_z != NULL                          ? text_z
                : mbedtls_low_level_strerr(ret) != NULL ? mbedtls_low_level_strerr(ret)
                                                        : "unknown error");
    pp_put_z(w, " (mbedTLS ");
    pp_put_i64(w, ret);
    pp_put_char(w, ')');
}

static void put_failure(struct pp_writer *w, const struct pp_tls *t, enum pp_err err, int ret)
{
    if (err == PP_ERR_DRY) {
        pp_put_z(w, "no memory left for this TLS handshake (PP_TLS_ARENA_BYTES of the build)");
    } else if (ret == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) {
        put_alert(w, t, t->session->ssl.MBEDTLS_PRIVATE(in_msg)[1]);
    } else if (err == PP_ERR_CLOSED) {
        pp_put_z(w, "closed by the server during the TLS handshake");
    } else if (err == PP_ERR_IO) {
        pp_put_z(w, "connection lost during the TLS handshake");
    } else if (!pp_tls_looks_like_tls(t)) {
        pp_put_z(w, "not TLS: the server sent \"");
        pp_put_safe(w, pp_text_n(t->first, t->first_len), sizeof t->first);
        pp_put_z(w, "\" (is this a STARTTLS port?)");
    } else if (ret == MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION) {
        pp_put_z(w, "server offers neither TLS 1.2 nor TLS 1.3");
    } else {
        pp_tls_put_error(w, ret);
    }
}

void pp_tls_explain(struct pp_tls *t, enum pp_err err, int ret)
{
    struct pp_writer w;
    if (t->is_server) {
        pp_tls_explain_client(t, err, ret);
        return;
    }
    if (err == PP_ERR_TRUST && pp_tls_was_refused(t)) {
        pp_tls_explain_trust(t);
        return;
    }
    pp_writer_init(&w, t->facts.failure, sizeof t->facts.failure - 1);
    put_failure(&w, t, err, ret);
    pp_tls_end_text(t->facts.failure, sizeof t->facts.failure, &w);
}
