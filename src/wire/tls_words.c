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

static void put_shown(struct pp_writer *w, const struct pp_tls *t)
{
    pp_put_z(w, "; presented ");
    pp_put_pin(w, PP_PIN_CERTIFICATE, t->facts.certificate_sha256);
    pp_put_char(w, ' ');
    pp_put_pin(w, PP_PIN_KEY, t->facts.key_sha256);
}

static bool has_issuer_pin(const struct pp_tls_policy *policy)
{
    for (uint32_t i = 0; i < policy->pin_count && i < PP_PINS; i++) {
        if (policy->pins[i].kind >= PP_PIN_ISSUER_CERTIFICATE)
            return true;
    }
    return false;
}

static void put_pins(struct pp_writer *w, const struct pp_tls *t)
{
    uint32_t count = t->target.policy->pin_count;
    pp_put_z(w, "certificate of ");
    put_host(w, t);
    pp_put_z(w, " matches none of ");
    pp_put_u64(w, count);
    pp_put_z(w, count == 1 ? " pin" : " pins");
    put_shown(w, t);
    if (has_issuer_pin(t->target.policy))
        pp_put_z(w, "; an issuer's pin counts with good signatures, dates and name below it only");
}

static void put_dane(struct pp_writer *w, const struct pp_tls *t)
{
    uint32_t count = t->target.tlsa != NULL ? t->target.tlsa->count : 0;
    pp_put_z(w, "certificate of ");
    put_host(w, t);
    pp_put_z(w, " matches none of ");
    pp_put_u64(w, count);
    pp_put_z(w, count == 1 ? " TLSA record" : " TLSA records");
    put_shown(w, t);
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

/* Is it for want of a pin, and not of a chain, that it was refused? */
static bool misses_pin(const struct pp_tls *t)
{
    const struct pp_tls_policy *policy = t->target.policy;
    return policy->pin_count > 0 && t->facts.pin_index < 0 &&
           (policy->pin_rule == PP_PIN_ALONE || t->flags == 0);
}

/* RFC 8460 4.3.2: what weighs most, where several things are held against a certificate. */
static enum pp_tls_result result_of_flags(uint32_t flags)
{
    static const struct {
        uint32_t flags;
        enum pp_tls_result result;
    } table[] = {
        {MBEDTLS_X509_BADCERT_NOT_TRUSTED, PP_TLS_RESULT_CERTIFICATE_NOT_TRUSTED},
        {MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE,
         PP_TLS_RESULT_CERTIFICATE_EXPIRED},
        {MBEDTLS_X509_BADCERT_CN_MISMATCH, PP_TLS_RESULT_CERTIFICATE_HOST_MISMATCH},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if ((flags & table[i].flags) != 0)
            return table[i].result;
    }
    return PP_TLS_RESULT_VALIDATION_FAILURE;
}

void pp_tls_explain_trust(struct pp_tls *t)
{
    const struct pp_tls_policy *policy = t->target.policy;
    struct pp_writer w;
    t->facts.result = PP_TLS_RESULT_VALIDATION_FAILURE;
    pp_writer_init(&w, t->facts.failure, sizeof t->facts.failure - 1);
    t->facts.staged = pp_tls_is_staged(t);
    if (!t->facts.has_peer) {
        pp_put_z(&w, "the server showed no certificate");
    } else if (t->level >= PP_TLS_DANE) {
        put_dane(&w, t);
        t->facts.result = PP_TLS_RESULT_TLSA_INVALID;
    } else if ((t->level == PP_TLS_FINGERPRINT && policy->pin_rule == PP_PIN_ALONE) ||
               misses_pin(t)) {
        put_pins(&w, t);
    } else {
        put_chain(&w, t);
        t->facts.result = result_of_flags(t->flags);
        if (policy->pin_count > 0 && policy->pin_rule == PP_PIN_OR_CA)
            pp_put_z(&w, "; and no pin matches");
    }
    pp_tls_end_text(t->facts.failure, sizeof t->facts.failure, &w);
}

/* dane whose records say nothing of the certificate. */
static void put_how_not(struct pp_writer *w, const struct pp_tls *t)
{
    const struct pp_tlsa_set *tlsa = t->target.tlsa;
    pp_put_z(w, "not checked: policy = ");
    pp_put_z(w, pp_tls_level_name(t->target.policy->level));
    if (t->target.policy->level != PP_TLS_DANE || tlsa == NULL)
        return;
    pp_put_z(w, tlsa->state == PP_TLSA_ABSENT ? ", no TLSA records" : ", no usable TLSA record");
    if (tlsa->why[0] != '\0') {
        pp_put_z(w, ": ");
        pp_put_safe(w, pp_text_z(tlsa->why), sizeof tlsa->why);
    }
}

void pp_tls_explain_how(struct pp_tls *t)
{
    struct pp_writer w;
    pp_writer_init(&w, t->facts.how, sizeof t->facts.how - 1);
    t->facts.staged = pp_tls_is_staged(t);
    if (t->level < PP_TLS_FINGERPRINT) {
        put_how_not(&w, t);
    } else if (t->level >= PP_TLS_DANE) {
        pp_tls_put_record(&w, &t->target.tlsa->records[t->record]);
        pp_put_z(&w, t->leaf_record >= 0 ? " is of this certificate: names and dates do not count"
                                         : " is of an issuer: chain, names and dates are good");
    } else if (t->facts.pin_index >= 0) {
        pp_put_z(&w, "pin ");
        pp_put_u64(&w, (uint64_t)t->facts.pin_index + 1);
        pp_put_z(&w, " of ");
        pp_put_u64(&w, t->target.policy->pin_count);
        pp_put_z(&w, " matches");
        if (t->target.policy->pin_rule == PP_PIN_AND_CA)
            pp_put_z(&w, ", signed by a known CA, and for this host name");
    } else {
        pp_put_z(&w, "signed by a known CA, and for this host name");
        if (t->facts.staged)
            pp_put_z(&w, "; no pin matches, sent by on_new_pin = send");
    }
    pp_tls_end_text(t->facts.how, sizeof t->facts.how, &w);
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

/* mbedtls/x509.h and pk.h: their errors, a reason of ASN.1 added to them or not. Keys are read with
 * the certificate that they are in. */
static bool is_of_certificate(const struct pp_tls *t, int ret)
{
    bool of_x509 =
        ret <= MBEDTLS_ERR_X509_FEATURE_UNAVAILABLE && ret > MBEDTLS_ERR_X509_FATAL_ERROR;
    bool of_key = ret <= MBEDTLS_ERR_PK_SIG_LEN_MISMATCH && ret > MBEDTLS_ERR_PK_ALLOC_FAILED;
    return of_x509 || (of_key && !t->facts.has_peer);
}

static void put_too_large(struct pp_writer *w, const char *name_z, size_t bytes)
{
    pp_put_z(w, "the server's certificate chain is too large for this build: ");
    pp_put_z(w, name_z);
    pp_put_z(w, " is ");
    pp_put_u64(w, bytes);
    pp_put_z(w, "; raise it, or have the server send fewer certificates");
}

static void put_failure(struct pp_writer *w, const struct pp_tls *t, enum pp_err err, int ret)
{
    if (err == PP_ERR_DRY) {
        put_too_large(w, "PP_TLS_ARENA_BYTES", t->memory_bytes);
    } else if (ret == MBEDTLS_ERR_SSL_BAD_INPUT_DATA && !t->facts.has_peer) {
        put_too_large(w, "PP_TLS_IN_BYTES", PP_TLS_IN_BYTES);
    } else if (is_of_certificate(t, ret)) {
        pp_put_z(w, "a certificate of the server cannot be read: ");
        pp_tls_put_error(w, ret);
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
        uint8_t protocols = t->target.policy->protocols;
        pp_put_z(w, protocols == PP_TLS_1_3   ? "server does not offer TLS 1.3"
                    : protocols == PP_TLS_1_2 ? "server does not offer TLS 1.2"
                                              : "server offers neither TLS 1.2 nor TLS 1.3");
    } else if (ret == MBEDTLS_ERR_X509_FATAL_ERROR) {
        pp_put_z(w, "the server's certificate chain cannot be checked: more than 8 issuers, or a "
                    "key that is not supported");
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
    t->facts.result = PP_TLS_RESULT_VALIDATION_FAILURE;
    pp_tls_end_text(t->facts.failure, sizeof t->facts.failure, &w);
}
