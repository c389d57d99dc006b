/*
 * tls_ca.c - the certificates of the CA file
 *
 * Job:      PEM text in pieces to DER in one static store, an index by subject, and the
 *           candidates that may have signed a certificate.
 * Not here: reading the file (the port), verifying (mbedTLS, wire/tls_trust.c).
 * Follows:  RFC 7468 (PEM), RFC 5280 4.1.2.4 (names)
 *
 * The index is by a digest of the subject that ignores case and the kind of string: what it finds
 * are candidates, which mbedTLS compares by its own rules and whose signature it checks.
 */
#include <mbedtls/platform.h>
#include <mbedtls/sha256.h>
#include <string.h>

#include "base/base64.h"
#include "base/bytes.h"
#include "base/crypto.h"
#include "wire/tls_session.h"

/* CAs of one subject that are tried: a peer chooses the issuer it claims. */
#define CANDIDATES_MAX 8
#define LINE_CAP       64

struct ca {
    uint32_t offset, len; /* of the DER in the store */
    uint64_t subject;     /* digest, see digest_name() */
};

static struct {
    uint8_t der[PP_CA_STORE_BYTES];
    size_t der_len;
    struct ca index[PP_CA_COUNT];
    uint32_t count, skipped;
    enum pp_err error;
    uint8_t digest[32]; /* of all of them */
    /* The reader of PEM text. */
    char line[LINE_CAP]; /* a line that begins with '-' */
    size_t line_len;
    bool at_line_start, in_marker, in_certificate, damaged;
    char group[4]; /* of base64 */
    size_t group_len;
    size_t begin; /* where the certificate being read starts in `der` */
} store;

static void digest_part(mbedtls_sha256_context *sha, const mbedtls_asn1_buf *part, bool fold)
{
    uint8_t head[4];
    pp_le32_put(head, (uint32_t)part->len);
    (void)mbedtls_sha256_update(sha, head, sizeof head);
    for (size_t i = 0; i < part->len; i++) {
        uint8_t byte = part->p[i];
        if (fold)
            byte = (uint8_t)pp_ascii_lower((char)byte);
        (void)mbedtls_sha256_update(sha, &byte, 1);
    }
}

static uint64_t digest_name(const mbedtls_x509_name *name)
{
    uint8_t digest[32] = {0};
    mbedtls_sha256_context sha;
    mbedtls_sha256_init(&sha);
    (void)mbedtls_sha256_starts(&sha, 0);
    for (; name != NULL; name = name->next) {
        digest_part(&sha, &name->oid, false);
        digest_part(&sha, &name->val, true);
    }
    (void)mbedtls_sha256_finish(&sha, digest);
    mbedtls_sha256_free(&sha);
    return pp_le64_get(digest);
}

void pp_ca_begin(void)
{
    memset(&store, 0, sizeof store);
    store.at_line_start = true;
}

/* The certificate between `begin` and `der_len` is complete: into the index, or away. */
static void certificate_end(void)
{
    mbedtls_x509_crt certificate;
    size_t len = store.der_len - store.begin;
    struct pp_tls_arena *before = pp_tls_arena_select(pp_tls_arena_shared());
    mbedtls_x509_crt_init(&certificate);
    if (store.group_len != 0 || store.damaged ||
        mbedtls_x509_crt_parse_der_nocopy(&certificate, store.der + store.begin, len) != 0) {
        store.skipped++;
        store.der_len = store.begin;
    } else if (store.count == PP_CA_COUNT) {
        store.error = PP_ERR_TOO_BIG;
    } else {
        store.index[store.count++] = (struct ca){.offset = (uint32_t)store.begin,
                                                 .len = (uint32_t)len,
                                                 .subject = digest_name(&certificate.subject)};
    }
    mbedtls_x509_crt_free(&certificate);
    (void)pp_tls_arena_select(before);
}

static void marker_end(void)
{
    struct pp_text line = pp_text_trim(pp_text_n(store.line, store.line_len));
    if (pp_text_equal(line, pp_text_z("-----BEGIN CERTIFICATE-----")) ||
        pp_text_equal(line, pp_text_z("-----BEGIN X509 CERTIFICATE-----"))) {
        if (store.in_certificate) /* the one before has no end */
            store.skipped++;
        store.der_len = store.in_certificate ? store.begin : store.der_len;
        store.in_certificate = true;
        store.damaged = false;
        store.group_len = 0;
        store.begin = store.der_len;
    } else if (store.in_certificate) {
        store.damaged =
            store.damaged || (!pp_text_equal(line, pp_text_z("-----END CERTIFICATE-----")) &&
                              !pp_text_equal(line, pp_text_z("-----END X509 CERTIFICATE-----")));
        certificate_end();
        store.in_certificate = false;
    }
}

static void take_base64(char c)
{
    uint8_t bytes[3];
    size_t len = 0;
    store.group[store.group_len++] = c;
    if (store.group_len < sizeof store.group)
        return;
    store.group_len = 0;
    if (pp_base64_decode(pp_text_n(store.group, sizeof store.group), bytes, sizeof bytes, &len) !=
        PP_OK) {
        store.damaged = true;
    } else if (sizeof store.der - store.der_len < len) {
        store.error = PP_ERR_TOO_BIG;
    } else {
        memcpy(store.der + store.der_len, bytes, len);
        store.der_len += len;
    }
}

static void take_char(char c)
{
    if (c == '\n') {
        if (store.in_marker)
            marker_end();
        store.in_marker = false;
        store.at_line_start = true;
        return;
    }
    if (store.at_line_start && c == '-') {
        store.in_marker = true;
        store.line_len = 0;
    }
    store.at_line_start = false;
    if (store.in_marker) {
        if (c != '\r' && store.line_len < sizeof store.line)
            store.line[store.line_len++] = c;
    } else if (store.in_certificate && c != '\r' && c != ' ' && c != '\t' && !store.damaged) {
        take_base64(c);
    }
}

enum pp_err pp_ca_feed(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len && store.error == PP_OK; i++)
        take_char(bytes[i]);
    return store.error;
}

enum pp_err pp_ca_end(uint32_t *count, uint32_t *skipped)
{
    if (store.error == PP_OK)
        take_char('\n');
    if (store.in_certificate) {
        store.skipped++;
        store.der_len = store.begin;
        store.in_certificate = false;
    }
    if (store.error == PP_OK)
        store.error = pp_sha256(store.der, store.der_len, store.digest);
    *count = store.count;
    *skipped = store.skipped;
    if (store.error != PP_OK)
        return store.error;
    return store.count > 0 ? PP_OK : PP_ERR_EMPTY;
}

const uint8_t *pp_tls_ca_digest(void)
{
    return store.digest;
}

int pp_tls_ca_candidates(void *unused, const mbedtls_x509_crt *child, mbedtls_x509_crt **candidates)
{
    uint64_t wanted = digest_name(&child->issuer);
    uint32_t found = 0;
    int ret = 0;
    (void)unused;
    *candidates = NULL;
    for (uint32_t i = 0; i < store.count && found < CANDIDATES_MAX && ret == 0; i++) {
        const struct ca *ca = &store.index[i];
        if (ca->subject != wanted)
            continue;
        if (*candidates == NULL) {
            *candidates = mbedtls_calloc(1, sizeof **candidates);
            if (*candidates == NULL)
                return MBEDTLS_ERR_X509_ALLOC_FAILED;
            mbedtls_x509_crt_init(*candidates);
        }
        ret = mbedtls_x509_crt_parse_der_nocopy(*candidates, store.der + ca->offset, ca->len);
        found++;
    }
    if (ret != 0) {
        mbedtls_x509_crt_free(*candidates);
        mbedtls_free(*candidates);
        *candidates = NULL;
    }
    return ret;
}

bool pp_tls_ca_contains(const mbedtls_x509_crt *certificate)
{
    for (uint32_t i = 0; i < store.count; i++) {
        const struct ca *ca = &store.index[i];
        if (ca->len == certificate->raw.len &&
            memcmp(store.der + ca->offset, certificate->raw.p, ca->len) == 0)
            return true;
    }
    return false;
}
