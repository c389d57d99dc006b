/*
 * tls_server.c - our side of TLS where somebody connects to us
 *
 * Job:      open a connection as a server, and the facts of the client behind it.
 * Not here: certificate and key (wire/tls_identity.c), tickets (wire/tls_ticket.c), records and
 *           closing (wire/tls.c), what a client's certificate is good for (intake/).
 * Follows:  RFC 8446, RFC 5246; RFC 9325 for what is accepted
 *
 * A client's certificate counts for its digests only, so its chain, dates and names are not looked
 * at; that the client has its key is checked by the library in every full handshake. In a resumed
 * one the ticket, which only we can make, says what was proved.
 */
#include <mbedtls/platform.h>
#include <string.h>

#include "wire/tls_session.h"

/*
 * Where AES has instructions of its own it is several times as fast as ChaCha20, and else slower.
 * Under TLS 1.3 the library goes by the client's order.
 */
static const int suites_fast_aes[] = {MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
                                      MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
                                      MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
                                      MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                                      MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                                      MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                                      MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                                      MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                                      MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
                                      0};
static const int suites_slow_aes[] = {MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
                                      MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
                                      MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
                                      MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                                      MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
                                      MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                                      MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                                      MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                                      MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                                      0};

_Static_assert(PP_TLS_SERVER_ARENA_BYTES % PP_TLS_ALIGN == 0,
               "PP_TLS_SERVER_ARENA_BYTES: make it a multiple of 16");

struct pp_tls *pp_tls_server_slot(struct pp_tls_server_slot *slot)
{
    pp_tls_give_memory(&slot->tls, slot->memory, sizeof slot->memory);
    return &slot->tls;
}

/* Called for each certificate that the client sent; what is held against it does not matter. */
static int on_certificate(void *ctx, mbedtls_x509_crt *c, int depth, uint32_t *flags)
{
    struct pp_tls *t = ctx;
    *flags = 0;
    if (depth == 0 && pp_tls_describe_peer(&t->facts, c) != PP_OK)
        return MBEDTLS_ERR_X509_FATAL_ERROR;
    return 0;
}

/* The slot's arena is selected, the identity taken. */
static enum pp_err set_up_server(struct pp_tls *t)
{
    enum pp_err err = pp_tls_set_up(t, MBEDTLS_SSL_IS_SERVER);
    if (err != PP_OK)
        return err;
    mbedtls_ssl_config *conf = &t->session->conf;
    mbedtls_ssl_conf_ciphersuites(conf, PP_TLS_FAST_AES ? suites_fast_aes : suites_slow_aes);
    mbedtls_ssl_conf_tls13_key_exchange_modes(
        conf, MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL |
                  MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL);
    mbedtls_ssl_conf_session_tickets_cb(conf, pp_tls_ticket_write, pp_tls_ticket_parse, t);
    mbedtls_ssl_conf_authmode(conf, t->asks_certificate ? MBEDTLS_SSL_VERIFY_OPTIONAL
                                                        : MBEDTLS_SSL_VERIFY_NONE);
    mbedtls_ssl_conf_verify(conf, on_certificate, t);
    if (mbedtls_ssl_conf_own_cert(conf, &t->identity->chain, &t->identity->key) != 0)
        return PP_ERR_DRY;
    return pp_tls_start(t);
}

enum pp_err pp_tls_open_server(struct pp_tls *tls, bool ask_certificate, const struct pp_tls_io *io)
{
    enum pp_err err = pp_tls_begin(tls, io);
    if (err != PP_OK)
        return err;
    tls->is_server = true;
    tls->asks_certificate = ask_certificate;
    tls->identity = pp_tls_identity_take(PP_TLS_AS_SERVER);
    if (tls->identity == NULL) {
        pp_tls_note_failure(tls, "no certificate is loaded");
        return PP_ERR_STATE;
    }
    pp_tls_arena_begin(&tls->arena, tls->memory, tls->memory_bytes);
    struct pp_tls_arena *before = pp_tls_arena_select(&tls->arena);
    err = set_up_server(tls);
    if (err != PP_OK)
        pp_tls_explain(tls, err, 0);
    (void)pp_tls_arena_select(before);
    if (err != PP_OK)
        pp_tls_close(tls);
    return err;
}

void pp_tls_accept_client(struct pp_tls *t)
{
    const struct pp_tls_kept *kept = &t->session->kept;
    struct pp_tls_facts *facts = &t->facts;
    t->accepted = true;
    if (!t->asks_certificate || t->session->is_full || !kept->has_peer)
        return;
    memcpy(facts->certificate_sha256, kept->certificate_sha256, sizeof facts->certificate_sha256);
    memcpy(facts->key_sha256, kept->key_sha256, sizeof facts->key_sha256);
    memcpy(facts->subject, kept->subject, sizeof facts->subject);
    facts->has_peer = true;
}
