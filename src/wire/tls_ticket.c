/*
 * tls_ticket.c - tickets with which a client resumes its session
 *
 * Job:      a session, and what the client's certificate proved, sealed with a key that is this
 *           process's own and is changed each day; and back.
 * Not here: whether the session is then resumed (mbedTLS), what follows from it
 *           (wire/tls_server.c).
 * Follows:  RFC 5077 4 and 5.5, RFC 8446 4.6.1
 *
 * A ticket is the key's name (4 bytes), a nonce (12), and sealed with AES-256-GCM, the name and the
 * nonce included: 1 or 0 for whether there is a certificate; if so its digest, its key's digest,
 * and its subject behind a byte with the length; then the session as the library saves it.
 *
 * TLS 1.3 does not keep the client's certificate with a session, which is why we do. A ticket of
 * the other version is none: what the library loads from it would be a session with empty secrets.
 */
#include <mbedtls/gcm.h>
#include <mbedtls/platform_time.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crypto.h"
#include "wire/tls_session.h"

#define LIFETIME_S  86400
#define LIFETIME_MS ((mbedtls_ms_time_t)LIFETIME_S * 1000)
#define NAME_BYTES  4
#define NONCE_BYTES 12
#define HEAD_BYTES  (NAME_BYTES + NONCE_BYTES)
#define TAG_BYTES   16
#define KEPT_MAX    (1 + 32 + 32 + 1 + 199)

struct ticket_key {
    bool made;
    uint8_t name[NAME_BYTES];
    uint8_t key[32];
    mbedtls_ms_time_t born_ms;
};

/* Tickets are made with the newest; those of the one before are still taken. */
static struct {
    struct ticket_key keys[2];
    unsigned newest;
} tickets;

static const struct ticket_key *key_to_seal(void)
{
    const struct ticket_key *newest = &tickets.keys[tickets.newest];
    mbedtls_ms_time_t now_ms = mbedtls_ms_time();
    if (newest->made && now_ms - newest->born_ms < LIFETIME_MS)
        return newest;
    struct ticket_key fresh = {.made = true, .born_ms = now_ms};
    if (pp_random(fresh.name, sizeof fresh.name) != PP_OK ||
        pp_random(fresh.key, sizeof fresh.key) != PP_OK)
        return NULL;
    tickets.newest = 1 - tickets.newest;
    tickets.keys[tickets.newest] = fresh;
    pp_wipe(&fresh, sizeof fresh);
    return &tickets.keys[tickets.newest];
}

static const struct ticket_key *key_of(const unsigned char *name)
{
    for (size_t i = 0; i < 2; i++) {
        const struct ticket_key *key = &tickets.keys[i];
        if (key->made && memcmp(key->name, name, NAME_BYTES) == 0)
            return mbedtls_ms_time() - key->born_ms < 2 * LIFETIME_MS ? key : NULL;
    }
    return NULL;
}

/* Seal or open `len` bytes in place; `head` stands before them in both cases. */
static int crypt(const struct ticket_key *key, bool seal, const unsigned char *head,
                 unsigned char *bytes, size_t len, unsigned char *tag)
{
    mbedtls_gcm_context gcm;
    mbedtls_gcm_init(&gcm);
    int ret = mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key->key, 256);
    if (ret == 0 && seal)
        ret =
            mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, len, head + NAME_BYTES,
                                      NONCE_BYTES, head, HEAD_BYTES, bytes, bytes, TAG_BYTES, tag);
    else if (ret == 0)
        ret = mbedtls_gcm_auth_decrypt(&gcm, len, head + NAME_BYTES, NONCE_BYTES, head, HEAD_BYTES,
                                       tag, TAG_BYTES, bytes, bytes);
    mbedtls_gcm_free(&gcm);
    return ret;
}

/* What this connection knows of the client, from its certificate or from the ticket resumed. */
static size_t put_kept(const struct pp_tls *t, unsigned char *out)
{
    const struct pp_tls_session *s = t->session;
    struct pp_tls_kept kept = {.has_peer = t->facts.has_peer};
    if (t->facts.has_peer) {
        memcpy(kept.certificate_sha256, t->facts.certificate_sha256, sizeof kept.key_sha256);
        memcpy(kept.key_sha256, t->facts.key_sha256, sizeof kept.key_sha256);
        memcpy(kept.subject, t->facts.subject, sizeof kept.subject);
    } else if (!s->is_full) {
        kept = s->kept;
    }
    out[0] = kept.has_peer ? 1 : 0;
    if (!kept.has_peer)
        return 1;
    size_t subject_len = strlen(kept.subject);
    memcpy(out + 1, kept.certificate_sha256, 32);
    memcpy(out + 33, kept.key_sha256, 32);
    out[65] = (unsigned char)subject_len;
    memcpy(out + 66, kept.subject, subject_len);
    return 66 + subject_len;
}

/* Bytes taken; 0: malformed. */
static size_t get_kept(struct pp_tls_kept *kept, const unsigned char *in, size_t len)
{
    memset(kept, 0, sizeof *kept);
    if (len < 1 || in[0] == 0)
        return len < 1 ? 0 : 1;
    if (len < 66 || in[65] >= sizeof kept->subject || len < 66u + in[65])
        return 0;
    memcpy(kept->certificate_sha256, in + 1, 32);
    memcpy(kept->key_sha256, in + 33, 32);
    memcpy(kept->subject, in + 66, in[65]);
    kept->has_peer = true;
    return 66u + in[65];
}

int pp_tls_ticket_write(void *ctx, const mbedtls_ssl_session *session, unsigned char *start,
                        const unsigned char *end, size_t *len, uint32_t *lifetime_s)
{
    const struct pp_tls *t = ctx;
    size_t session_len = 0, room = (size_t)(end - start);
    const struct ticket_key *key = key_to_seal();
    *len = 0;
    *lifetime_s = LIFETIME_S;
    if (key == NULL)
        return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
    if (room < HEAD_BYTES + KEPT_MAX + TAG_BYTES)
        return MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL;
    memcpy(start, key->name, NAME_BYTES);
    if (pp_random(start + NAME_BYTES, NONCE_BYTES) != PP_OK)
        return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
    size_t kept_len = put_kept(t, start + HEAD_BYTES);
    unsigned char *at = start + HEAD_BYTES + kept_len;
    int ret = mbedtls_ssl_session_save(session, at, room - HEAD_BYTES - kept_len - TAG_BYTES,
                                       &session_len);
    if (ret != 0)
        return ret;
    ret = crypt(key, true, start, start + HEAD_BYTES, kept_len + session_len, at + session_len);
    if (ret == 0)
        *len = HEAD_BYTES + kept_len + session_len + TAG_BYTES;
    return ret;
}

/* Of this version, and not too old. */
static bool is_fresh(const struct pp_tls *t, mbedtls_ssl_session *session)
{
    mbedtls_ms_time_t born_ms = 0;
    if (session->MBEDTLS_PRIVATE(tls_version) != mbedtls_ssl_get_version_number(&t->session->ssl) ||
        mbedtls_ssl_session_get_ticket_creation_time(session, &born_ms) != 0)
        return false;
    mbedtls_ms_time_t age_ms = mbedtls_ms_time() - born_ms;
    return age_ms >= 0 && age_ms <= LIFETIME_MS;
}

int pp_tls_ticket_parse(void *ctx, mbedtls_ssl_session *session, unsigned char *ticket, size_t len)
{
    struct pp_tls *t = ctx;
    struct pp_tls_kept *kept = &t->session->kept;
    memset(kept, 0, sizeof *kept);
    if (len < HEAD_BYTES + 1 + TAG_BYTES)
        return MBEDTLS_ERR_SSL_INVALID_MAC;
    const struct ticket_key *key = key_of(ticket);
    if (key == NULL)
        return MBEDTLS_ERR_SSL_SESSION_TICKET_EXPIRED;
    unsigned char *clear = ticket + HEAD_BYTES;
    size_t clear_len = len - HEAD_BYTES - TAG_BYTES;
    if (crypt(key, false, ticket, clear, clear_len, clear + clear_len) != 0)
        return MBEDTLS_ERR_SSL_INVALID_MAC;
    size_t kept_len = get_kept(kept, clear, clear_len);
    int ret = kept_len == 0
                  ? MBEDTLS_ERR_SSL_BAD_INPUT_DATA
                  : mbedtls_ssl_session_load(session, clear + kept_len, clear_len - kept_len);
    if (ret == 0 && !is_fresh(t, session))
        ret = MBEDTLS_ERR_SSL_SESSION_TICKET_EXPIRED;
    if (ret != 0)
        memset(kept, 0, sizeof *kept);
    return ret;
}
