/*
 * tls.c - one TLS connection over a stream that is not its own
 *
 * Job:      open, handshake, read, write, close; each call into mbedTLS with the slot's arena
 *           selected and a bounded share of reading.
 * Not here: trust (wire/tls_trust.c), kept sessions (wire/tls_resume.c), words (wire/tls_words.c),
 * CAs (wire/tls_ca.c), how a server opens (wire/tls_server.c). Follows:  RFC 8446, RFC 5246; RFC
 * 9325 for what is offered
 */
#include "wire/tls.h"

#include <mbedtls/net_sockets.h>
#include <mbedtls/platform.h>
#include <mbedtls/ssl_ciphersuites.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crypto.h"
#include "port.h"
#include "wire/tls_session.h"

/* Read at most this much in one call: a peer that floods must not starve the others. */
#define CALL_BUDGET_BYTES (64 * 1024)
/* Messages inside TLS that are no data (session tickets) and are passed over in one call. */
#define PASSED_OVER_MAX 8

_Static_assert(PP_TLS_ARENA_BYTES % PP_TLS_ALIGN == 0,
               "PP_TLS_ARENA_BYTES: make it a multiple of 16");

static int io_send(void *ctx, const unsigned char *bytes, size_t len)
{
    struct pp_tls *t = ctx;
    int n = t->io.write(t->io.ctx, bytes, len);
    t->blocked = n == 0;
    if (n < 0 && t->io_error == 0)
        t->io_error = n;
    if (n < 0)
        return MBEDTLS_ERR_NET_CONN_RESET;
    return n == 0 ? MBEDTLS_ERR_SSL_WANT_WRITE : n;
}

static int io_receive(void *ctx, unsigned char *out, size_t len)
{
    struct pp_tls *t = ctx;
    if (t->budget_bytes == 0) {
        t->starved = true;
        return MBEDTLS_ERR_SSL_WANT_READ;
    }
    if (len > t->budget_bytes)
        len = t->budget_bytes;
    int n = t->io.read(t->io.ctx, out, len);
    if (n < 0 && t->io_error == 0)
        t->io_error = n;
    if (n < 0)
        return n == PP_IO_CLOSED ? MBEDTLS_ERR_SSL_CONN_EOF : MBEDTLS_ERR_NET_CONN_RESET;
    if (n == 0)
        return MBEDTLS_ERR_SSL_WANT_READ;
    t->budget_bytes -= (size_t)n;
    for (int i = 0; i < n && t->first_len < sizeof t->first; i++)
        t->first[t->first_len++] = out[i];
    return n;
}

int pp_tls_random(void *unused, unsigned char *out, size_t len)
{
    (void)unused;
    return pp_random(out, len) == PP_OK ? 0 : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

/*
 * In the order of our liking. PKCS#1 stands before PSS, which TLS 1.3 takes anyway: mbedTLS 3.6.6
 * offers PSS to a TLS 1.2 server too and then refuses it, so a server that goes by our order must
 * not meet it first.
 */
static const uint16_t signature_algorithms[] = {
    MBEDTLS_TLS1_3_SIG_ECDSA_SECP256R1_SHA256, MBEDTLS_TLS1_3_SIG_ECDSA_SECP384R1_SHA384,
    MBEDTLS_TLS1_3_SIG_ECDSA_SECP521R1_SHA512, MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA256,
    MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA384,       MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA512,
    MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA256,    MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA384,
    MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA512,    MBEDTLS_TLS1_3_SIG_NONE};

/* Ask for smaller records where ours are small (RFC 6066 section 4). */
static int set_record_size(mbedtls_ssl_config *conf)
{
    if (PP_TLS_IN_BYTES >= 16384)
        return 0;
    if (PP_TLS_IN_BYTES >= 4096)
        return mbedtls_ssl_conf_max_frag_len(conf, MBEDTLS_SSL_MAX_FRAG_LEN_4096);
    return mbedtls_ssl_conf_max_frag_len(conf, PP_TLS_IN_BYTES >= 2048
                                                   ? MBEDTLS_SSL_MAX_FRAG_LEN_2048
                                                   : MBEDTLS_SSL_MAX_FRAG_LEN_1024);
}

enum pp_err pp_tls_set_up(struct pp_tls *t, int endpoint)
{
    struct pp_tls_session *s = mbedtls_calloc(1, sizeof *s);
    if (s == NULL)
        return PP_ERR_DRY;
    t->session = s;
    mbedtls_ssl_init(&s->ssl);
    mbedtls_ssl_config_init(&s->conf);
    if (mbedtls_ssl_config_defaults(&s->conf, endpoint, MBEDTLS_SSL_TRANSPORT_STREAM,
                                    MBEDTLS_SSL_PRESET_DEFAULT) != 0)
        return PP_ERR_DRY;
    mbedtls_ssl_conf_min_tls_version(&s->conf, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_sig_algs(&s->conf, signature_algorithms);
    mbedtls_ssl_conf_rng(&s->conf, pp_tls_random, NULL);
    return PP_OK;
}

enum pp_err pp_tls_start(struct pp_tls *t)
{
    struct pp_tls_session *s = t->session;
    if (mbedtls_ssl_setup(&s->ssl, &s->conf) != 0)
        return PP_ERR_DRY;
    mbedtls_ssl_set_bio(&s->ssl, t, io_send, io_receive, NULL);
    return PP_OK;
}

/* To the policy's versions and ciphers; the library keeps the pointer to the list. */
static void narrow(struct pp_tls *t)
{
    static const struct {
        int suite;
        uint8_t group;
    } all[] = {{MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256, PP_CIPHER_CHACHA20_POLY1305},
               {MBEDTLS_TLS1_3_AES_256_GCM_SHA384, PP_CIPHER_AES256_GCM},
               {MBEDTLS_TLS1_3_AES_128_GCM_SHA256, PP_CIPHER_AES128_GCM},
               {MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, PP_CIPHER_CHACHA20_POLY1305},
               {MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, PP_CIPHER_CHACHA20_POLY1305},
               {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, PP_CIPHER_AES256_GCM},
               {MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, PP_CIPHER_AES256_GCM},
               {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, PP_CIPHER_AES128_GCM},
               {MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, PP_CIPHER_AES128_GCM}};
    const struct pp_tls_policy *policy = t->target.policy;
    struct pp_tls_session *s = t->session;
    size_t count = 0;
    _Static_assert(sizeof s->suites / sizeof *s->suites > sizeof all / sizeof *all, "and a 0");
    if (policy->protocols == PP_TLS_1_3)
        mbedtls_ssl_conf_min_tls_version(&s->conf, MBEDTLS_SSL_VERSION_TLS1_3);
    else if (policy->protocols == PP_TLS_1_2)
        mbedtls_ssl_conf_max_tls_version(&s->conf, MBEDTLS_SSL_VERSION_TLS1_2);
    if (policy->ciphers == 0)
        return;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if ((policy->ciphers & all[i].group) != 0)
            s->suites[count++] = all[i].suite;
    }
    s->suites[count] = 0;
    mbedtls_ssl_conf_ciphersuites(&s->conf, s->suites);
}

/* The slot's arena is selected. */
static enum pp_err set_up_client(struct pp_tls *t)
{
    enum pp_err err = pp_tls_set_up(t, MBEDTLS_SSL_IS_CLIENT);
    if (err != PP_OK)
        return err;
    struct pp_tls_session *s = t->session;
    if (set_record_size(&s->conf) != 0)
        return PP_ERR_DRY;
    bool keeps = t->target.kept != NULL && !t->target.inspect;
    mbedtls_ssl_conf_session_tickets(&s->conf, keeps ? MBEDTLS_SSL_SESSION_TICKETS_ENABLED
                                                     : MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
    if (keeps)
        mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
            &s->conf, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
    mbedtls_ssl_conf_tls13_key_exchange_modes(
        &s->conf, keeps ? MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL |
                              MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL
                        : MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL);
    narrow(t);
    if (t->identity != NULL &&
        mbedtls_ssl_conf_own_cert(&s->conf, &t->identity->chain, &t->identity->key) != 0)
        return PP_ERR_DRY;
    err = pp_tls_start(t);
    if (err == PP_OK)
        err = pp_tls_set_trust(t);
    if (err == PP_OK && keeps)
        pp_tls_resume_offer(t);
    return err;
}

/* The name as it is compared and sent: no root dot (RFC 6066 section 3). */
static enum pp_err set_host(struct pp_tls *t, const char *host_z)
{
    struct pp_text host = pp_text_z(host_z);
    if (host.len > 0 && host.p[host.len - 1] == '.')
        host.len--;
    if (host.len == 0 || host.len >= sizeof t->host || pp_text_has_line_break(host))
        return PP_ERR_SYNTAX;
    memcpy(t->host, host.p, host.len);
    t->host[host.len] = '\0';
    return PP_OK;
}

static void reset(struct pp_tls *t)
{
    memset(&t->facts, 0, sizeof t->facts);
    t->facts.pin_index = -1;
    t->accepted = t->blocked = t->starved = false;
    t->io_error = 0;
    t->pending_len = t->first_len = 0;
    t->flags = 0;
    t->until_s = INT64_MAX;
    t->flaw_depth = -1;
    t->flaw_date[0] = t->flaw_name[0] = '\0';
    t->leaf_hits = t->issuer_hits = t->anchor_hits = 0;
    t->leaf_record = t->record = -1;
    memset(&t->target, 0, sizeof t->target);
    t->level = PP_TLS_NONE;
    t->host[0] = '\0';
    t->is_server = t->asks_certificate = false;
}

void pp_tls_give_memory(struct pp_tls *tls, void *memory, size_t bytes)
{
    tls->memory = memory;
    tls->memory_bytes = bytes;
}

enum pp_err pp_tls_begin(struct pp_tls *t, const struct pp_tls_io *io)
{
    pp_tls_close(t);
    reset(t);
    t->io = *io;
    return t->memory != NULL ? PP_OK : PP_ERR_STATE;
}

enum pp_err pp_tls_open(struct pp_tls *tls, const struct pp_tls_target *target,
                        const struct pp_tls_io *io)
{
    enum pp_err err = pp_tls_begin(tls, io);
    if (err != PP_OK)
        return err;
    tls->target = *target;
    tls->level = pp_tls_level_in_force(target);
    err = set_host(tls, pp_tls_wanted_name(target));
    if (err != PP_OK)
        return err;
    if (target->show_certificate)
        tls->identity = pp_tls_identity_take(PP_TLS_AS_CLIENT);
    if (target->show_certificate && tls->identity == NULL) {
        pp_tls_note_failure(tls, "the client certificate is not loaded");
        return PP_ERR_STATE;
    }
    pp_tls_arena_begin(&tls->arena, tls->memory, tls->memory_bytes);
    struct pp_tls_arena *before = pp_tls_arena_select(&tls->arena);
    err = set_up_client(tls);
    if (err != PP_OK)
        pp_tls_explain(tls, err, 0);
    (void)pp_tls_arena_select(before);
    if (err != PP_OK)
        pp_tls_close(tls);
    return err;
}

static void copy_z(char *out, size_t cap, const char *text_z)
{
    size_t len = strlen(text_z);
    if (len >= cap)
        len = cap - 1;
    memcpy(out, text_z, len);
    out[len] = '\0';
}

/* The library stops after a record's head: what is no TLS is shown to the operator with some more.
 */
static void look_further(struct pp_tls *t)
{
    if (t->io_error != 0 || t->first_len == 0 || t->first_len == sizeof t->first)
        return;
    int n = t->io.read(t->io.ctx, t->first + t->first_len, sizeof t->first - t->first_len);
    if (n > 0)
        t->first_len += (size_t)n;
}

static enum pp_err handshake_error(struct pp_tls *t, int ret)
{
    if (t->arena.dry > 0 || ret == MBEDTLS_ERR_SSL_ALLOC_FAILED)
        return PP_ERR_DRY;
    if (ret == MBEDTLS_ERR_SSL_CONN_EOF || t->io_error == PP_IO_CLOSED)
        return PP_ERR_CLOSED;
    return t->io_error != 0 ? PP_ERR_IO : PP_ERR_TRUST;
}

/* mbedtls_ssl_handshake(), with an eye on what comes by. */
static int shake(struct pp_tls *t)
{
    struct pp_tls_session *s = t->session;
    int ret = 0;
    while (ret == 0 && s->ssl.MBEDTLS_PRIVATE(state) != MBEDTLS_SSL_HANDSHAKE_OVER) {
        /* A resumed handshake does not come by here. */
        if (s->ssl.MBEDTLS_PRIVATE(state) == MBEDTLS_SSL_SERVER_CERTIFICATE)
            s->is_full = true;
        ret = mbedtls_ssl_handshake_step(&s->ssl);
    }
    return ret;
}

static enum pp_err accept_server(struct pp_tls *t)
{
    enum pp_err err = PP_OK;
    if (pp_tls_resume_happened(t))
        pp_tls_resume_accept(t);
    else
        err = pp_tls_check_trust(t);
    if (err == PP_OK)
        pp_tls_resume_keep(t);
    else
        pp_tls_resume_failed(t);
    return err;
}

static enum pp_err handshake(struct pp_tls *t)
{
    mbedtls_ssl_context *ssl = &t->session->ssl;
    t->starved = false;
    t->budget_bytes = CALL_BUDGET_BYTES;
    int ret = shake(t);
    if (ret == MBEDTLS_ERR_SSL_WANT_READ || ret == MBEDTLS_ERR_SSL_WANT_WRITE)
        return PP_ERR_LATER;
    if (ret != 0) {
        enum pp_err err = handshake_error(t, ret);
        if (t->identity != NULL && t->arena.dry > 0)
            pp_tls_identity_repair(t->identity);
        look_further(t);
        if (t->io_error == 0)
            t->io_error = PP_IO_FAILED;
        t->accepted = false;
        pp_tls_resume_failed(t);
        pp_tls_explain(t, err, ret);
        return err;
    }
    t->facts.handshake_done = true;
    copy_z(t->facts.version, sizeof t->facts.version, mbedtls_ssl_get_version(ssl));
    copy_z(t->facts.cipher, sizeof t->facts.cipher, mbedtls_ssl_get_ciphersuite(ssl));
    if (!t->is_server)
        return accept_server(t);
    pp_tls_accept_client(t);
    return PP_OK;
}

enum pp_err pp_tls_handshake(struct pp_tls *tls)
{
    if (tls->session == NULL || tls->io_error != 0)
        return PP_ERR_STATE;
    struct pp_tls_arena *before = pp_tls_arena_select(&tls->arena);
    enum pp_err err = handshake(tls);
    (void)pp_tls_arena_select(before);
    return err;
}

/* Nothing is read or written by a connection whose peer was not accepted. */
static bool is_usable(const struct pp_tls *t)
{
    return t->session != NULL && t->facts.handshake_done && (t->accepted || t->target.inspect);
}

static bool is_later(int ret)
{
    return ret == MBEDTLS_ERR_SSL_WANT_READ || ret == MBEDTLS_ERR_SSL_WANT_WRITE;
}

/* After a fatal error the library must not be called again: it is remembered. */
static int give_up(struct pp_tls *t, int io_error)
{
    t->io_error = io_error;
    return io_error;
}

int pp_tls_read(struct pp_tls *tls, uint8_t *out, size_t cap)
{
    if (!is_usable(tls))
        return PP_IO_FAILED;
    if (tls->io_error != 0 || cap == 0)
        return tls->io_error;
    struct pp_tls_arena *before = pp_tls_arena_select(&tls->arena);
    int ret = MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET;
    tls->starved = false;
    tls->budget_bytes = CALL_BUDGET_BYTES;
    for (int i = 0; i < PASSED_OVER_MAX && ret == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET;
         i++) {
        ret = mbedtls_ssl_read(&tls->session->ssl, out, cap);
        if (ret == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
            pp_tls_resume_keep(tls);
    }
    (void)pp_tls_arena_select(before);
    if (ret > 0)
        return ret;
    if (ret == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
        tls->starved = true; /* more of them may wait, and something behind them */
        return PP_IO_LATER;
    }
    if (is_later(ret))
        return PP_IO_LATER;
    /* Under TLS 1.3 a server that refuses us says so only after our handshake is done. */
    if (ret == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE && tls->facts.failure[0] == '\0')
        pp_tls_explain(tls, PP_ERR_IO, ret);
    return give_up(tls, ret == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY ? PP_IO_CLOSED : PP_IO_FAILED);
}

int pp_tls_write(struct pp_tls *tls, const uint8_t *bytes, size_t len)
{
    if (!is_usable(tls))
        return PP_IO_FAILED;
    /* An orderly end of the peer's side does not forbid an answer (RFC 8446 6.1). */
    if (tls->io_error != 0 && tls->io_error != PP_IO_CLOSED)
        return tls->io_error;
    /*
     * A record that waits is in the library's buffer already, made of the first pending_len
     * bytes. Offered more, the library would report all of it as sent.
     */
    if (tls->pending_len > 0 && len > tls->pending_len)
        len = tls->pending_len;
    if (len == 0)
        return PP_IO_LATER;
    struct pp_tls_arena *before = pp_tls_arena_select(&tls->arena);
    int ret = mbedtls_ssl_write(&tls->session->ssl, bytes, len);
    if (ret == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) { /* it was left half read */
        pp_tls_resume_keep(tls);
        ret = MBEDTLS_ERR_SSL_WANT_WRITE;
    }
    (void)pp_tls_arena_select(before);
    tls->pending_len = is_later(ret) ? len : 0;
    if (ret > 0)
        return ret;
    return is_later(ret) ? PP_IO_LATER : give_up(tls, PP_IO_FAILED);
}

bool pp_tls_pending(const struct pp_tls *tls)
{
    return tls->session != NULL &&
           (tls->starved || mbedtls_ssl_get_bytes_avail(&tls->session->ssl) > 0);
}

bool pp_tls_wants_write(const struct pp_tls *tls)
{
    return tls->session != NULL && tls->blocked;
}

void pp_tls_close(struct pp_tls *tls)
{
    if (tls->arena.base == NULL)
        return;
    struct pp_tls_arena *before = pp_tls_arena_select(&tls->arena);
    struct pp_tls_session *s = tls->session;
    if (s != NULL) {
        if (tls->facts.handshake_done && (tls->io_error == 0 || tls->io_error == PP_IO_CLOSED))
            (void)mbedtls_ssl_close_notify(&s->ssl);
        mbedtls_ssl_free(&s->ssl);
        mbedtls_ssl_config_free(&s->conf);
        mbedtls_free(s);
        tls->session = NULL;
    }
    (void)pp_tls_arena_select(before);
    (void)pp_tls_arena_end(&tls->arena);
    tls->arena.base = NULL;
    if (tls->identity != NULL)
        pp_tls_identity_release(tls->identity);
    tls->identity = NULL;
    pp_wipe(tls->first, sizeof tls->first);
}

const struct pp_tls_facts *pp_tls_facts(const struct pp_tls *tls)
{
    return &tls->facts;
}

void pp_tls_note_failure(struct pp_tls *tls, const char *failure_z)
{
    if (tls->session == NULL)
        reset(tls);
    copy_z(tls->facts.failure, sizeof tls->facts.failure, failure_z);
    tls->facts.result =
        failure_z[0] != '\0' ? PP_TLS_RESULT_VALIDATION_FAILURE : PP_TLS_RESULT_NONE;
}
