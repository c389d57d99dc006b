/*
 * tls_server_words.c - what failed with a client, in words that say what to do
 *
 * Job:      one line for the operator from alerts and errors of a failed handshake as a server.
 * Not here: a client's words and the names of alerts (wire/tls_words.c); the log line around it.
 * Follows:  RFC 8446 6 (alerts)
 */
#include <mbedtls/ecp.h>
#include <mbedtls/rsa.h>

#include "wire/tls_session.h"

/* Alerts with which a client says that our certificate does not please it. */
static bool is_distrust(uint8_t alert)
{
    return (alert >= 42 && alert <= 46) || alert == 48;
}

static void put_alert(struct pp_writer *w, uint8_t alert)
{
    pp_put_z(w, is_distrust(alert) ? "the client does not trust our certificate ("
                                   : "the client refused the TLS handshake (");
    pp_tls_put_alert(w, alert);
    pp_put_char(w, ')');
}

/* A signature whose number is not below the key's modulus fails before it is compared: RSA's error
 * above one of the arithmetic. */
static bool is_no_rsa_signature(int ret)
{
    return ret <= MBEDTLS_ERR_RSA_PUBLIC_FAILED && ret > MBEDTLS_ERR_RSA_PUBLIC_FAILED - 0x80;
}

/* It showed a certificate, and the signature with its key is wrong. Under TLS 1.2 the library's
 * state has gone on by then. */
static bool has_proved_nothing(const struct pp_tls *t, int ret)
{
    if (!t->facts.has_peer)
        return false;
    return t->session->ssl.MBEDTLS_PRIVATE(state) == MBEDTLS_SSL_CLIENT_CERTIFICATE_VERIFY ||
           ret == MBEDTLS_ERR_ECP_VERIFY_FAILED || ret == MBEDTLS_ERR_RSA_VERIFY_FAILED ||
           ret == MBEDTLS_ERR_RSA_INVALID_PADDING || is_no_rsa_signature(ret) ||
           ret == MBEDTLS_ERR_PK_SIG_LEN_MISMATCH;
}

static void put_failure(struct pp_writer *w, const struct pp_tls *t, enum pp_err err, int ret)
{
    if (err == PP_ERR_DRY) {
        pp_put_z(w, "no memory left for this TLS handshake (PP_TLS_SERVER_ARENA_BYTES of the "
                    "build)");
    } else if (ret == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) {
        put_alert(w, t->session->ssl.MBEDTLS_PRIVATE(in_msg)[1]);
    } else if (err == PP_ERR_CLOSED) {
        pp_put_z(w, "closed by the client during the TLS handshake");
    } else if (err == PP_ERR_IO) {
        pp_put_z(w, "connection lost during the TLS handshake");
    } else if (!pp_tls_looks_like_tls(t)) {
        pp_put_z(w, "not TLS: the client sent \"");
        pp_put_safe(w, pp_text_n(t->first, t->first_len), sizeof t->first);
        pp_put_z(w, "\" (does it expect a port without TLS, or with STARTTLS?)");
    } else if (ret == MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION) {
        pp_put_z(w, "the client offers neither TLS 1.2 nor TLS 1.3");
    } else if (ret == MBEDTLS_ERR_SSL_INVALID_MAC && t->session->is_full) {
        /* OpenSSL sends its alert in the clear where TLS 1.3 wants it sealed. */
        pp_put_z(w, "the client's answer to our certificate does not decrypt; most likely it does "
                    "not trust the certificate");
    } else if (has_proved_nothing(t, ret)) {
        pp_put_z(w, "the client did not prove that it has the key of its certificate");
    } else if (ret == MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE) {
        pp_put_z(w, "no cipher, group or signature in common with the client");
    } else {
        pp_tls_put_error(w, ret);
    }
}

void pp_tls_explain_client(struct pp_tls *t, enum pp_err err, int ret)
{
    struct pp_writer w;
    pp_writer_init(&w, t->facts.failure, sizeof t->facts.failure - 1);
    put_failure(&w, t, err, ret);
    pp_tls_end_text(t->facts.failure, sizeof t->facts.failure, &w);
}
