/*
 * tls_trust.c - is the peer whom the policy wants?
 *
 * Job:      a policy's level as settings of mbedTLS, and the decision on the peer's certificate.
 * Not here: reading pins (wire/pin.c), CAs (wire/tls_ca.c), words for a failure (wire/tls_words.c).
 * Follows:  RFC 5280 6, RFC 6125 6.4, RFC 6066 3, RFC 7469 2.6
 *
 * The library calls the callback for each certificate of the chain that it built, root first, after
 * all of it was checked. The decision falls at depth 0, and nothing counts as accepted that did not
 * pass there: a handshake which the library calls good but where it was never asked is refused.
 */
#include <mbedtls/oid.h>
#include <string.h>

#include "port.h"
#include "wire/dns.h"
#include "wire/pin.h"
#include "wire/tls_session.h"

/* Pins and `encrypt` take what the library can parse: a pin says it all. */
static const mbedtls_x509_crt_profile profile_any = {0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 512};

static bool wants_chain(const struct pp_tls *t)
{
    return t->policy.level == PP_TLS_VERIFY || t->policy.level == PP_TLS_SECURE;
}

static bool is_address(const struct pp_tls *t, struct pp_address *address)
{
    return pp_address_parse(pp_text_z(t->host), address);
}

/*
 * An address is compared here: given to the library as host name it would be sent as SNI too,
 * which RFC 6066 section 3 forbids. Common names never count for addresses (RFC 6125 6.4.4).
 */
static bool names_address(const mbedtls_x509_crt *c, const struct pp_address *address)
{
    size_t len = address->family == 4 ? 4 : 16;
    if (!mbedtls_x509_crt_has_ext_type(c, MBEDTLS_X509_EXT_SUBJECT_ALT_NAME))
        return false;
    for (const mbedtls_x509_sequence *s = &c->subject_alt_names; s != NULL; s = s->next) {
        int kind = s->buf.tag & (int)MBEDTLS_ASN1_TAG_VALUE_MASK;
        if (kind == MBEDTLS_X509_SAN_IP_ADDRESS && s->buf.len == len &&
            memcmp(s->buf.p, address->ip, len) == 0)
            return true;
    }
    return false;
}

/* A self-signed server certificate that stands in the CA file itself, CA or not. */
static bool is_trusted_itself(const mbedtls_x509_crt *c)
{
    return c->issuer_raw.len == c->subject_raw.len &&
           memcmp(c->issuer_raw.p, c->subject_raw.p, c->issuer_raw.len) == 0 &&
           pp_tls_ca_contains(c);
}

/* Remember the flaw nearest to the leaf, for words. */
static void note_flaw(struct pp_tls *t, const mbedtls_x509_crt *c, int depth, uint32_t flags)
{
    struct pp_writer w;
    bool early = (flags & MBEDTLS_X509_BADCERT_FUTURE) != 0;
    t->flags |= flags;
    if (flags == 0)
        return;
    t->flaw_depth = depth;
    pp_writer_init(&w, t->flaw_date, sizeof t->flaw_date - 1);
    pp_tls_put_time(&w, early ? &c->valid_from : &c->valid_to);
    pp_tls_end_text(t->flaw_date, sizeof t->flaw_date, &w);
    pp_writer_init(&w, t->flaw_name, sizeof t->flaw_name - 1);
    pp_tls_put_name(&w, &c->subject);
    pp_tls_end_text(t->flaw_name, sizeof t->flaw_name, &w);
}

static bool meets_policy(const struct pp_tls *t)
{
    switch (t->policy.level) {
    case PP_TLS_ENCRYPT:
        return true;
    case PP_TLS_FINGERPRINT:
        return t->facts.pin_index >= 0;
    case PP_TLS_VERIFY:
    case PP_TLS_SECURE:
        return t->flags == 0;
    case PP_TLS_NONE:
        break;
    }
    return false;
}

static int decide(struct pp_tls *t, const mbedtls_x509_crt *leaf)
{
    if (pp_tls_describe_peer(&t->facts, leaf) != PP_OK)
        return MBEDTLS_ERR_X509_FATAL_ERROR;
    t->facts.pin_index = pp_pin_match(&t->policy, t->facts.certificate_sha256, t->facts.key_sha256);
    t->accepted = meets_policy(t);
    /* An error ends the handshake under VERIFY_OPTIONAL too; flags alone would not. */
    if (!t->accepted && !t->inspect && !wants_chain(t))
        return MBEDTLS_ERR_X509_CERT_VERIFY_FAILED;
    return 0;
}

static int on_certificate(void *ctx, mbedtls_x509_crt *c, int depth, uint32_t *flags)
{
    struct pp_tls *t = ctx;
    struct pp_address address;
    if (!pp_tls_clock_known())
        *flags &= ~(uint32_t)MBEDTLS_X509_BADCERT_FUTURE;
    if (depth == 0 && is_address(t, &address) && !names_address(c, &address))
        *flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
    if (depth == 0 && wants_chain(t) && is_trusted_itself(c))
        *flags &= ~(uint32_t)MBEDTLS_X509_BADCERT_NOT_TRUSTED;
    note_flaw(t, c, depth, *flags);
    return depth == 0 ? decide(t, c) : 0;
}

enum pp_err pp_tls_set_trust(struct pp_tls *t)
{
    struct pp_tls_session *s = t->session;
    struct pp_address address;
    bool required = wants_chain(t) && !t->inspect;
    mbedtls_ssl_conf_authmode(&s->conf,
                              required ? MBEDTLS_SSL_VERIFY_REQUIRED : MBEDTLS_SSL_VERIFY_OPTIONAL);
    mbedtls_ssl_conf_verify(&s->conf, on_certificate, t);
    if (wants_chain(t))
        mbedtls_ssl_conf_ca_cb(&s->conf, pp_tls_ca_candidates, NULL);
    else
        mbedtls_ssl_conf_cert_profile(&s->conf, &profile_any);
    /* NULL, said outright, is "no SNI, and the name is compared elsewhere". */
    const char *name_z = is_address(t, &address) ? NULL : t->host;
    return mbedtls_ssl_set_hostname(&s->ssl, name_z) == 0 ? PP_OK : PP_ERR_DRY;
}

/* What the library found after the callback: usage extensions, the key's curve. */
static void take_late_flags(struct pp_tls *t)
{
    uint32_t flags = mbedtls_ssl_get_verify_result(&t->session->ssl);
    if (flags != UINT32_MAX) /* which says that there is no result */
        t->flags |= flags;
}

bool pp_tls_was_refused(struct pp_tls *t)
{
    take_late_flags(t);
    return t->facts.has_peer && !t->inspect && !meets_policy(t);
}

enum pp_err pp_tls_check_trust(struct pp_tls *t)
{
    take_late_flags(t);
    t->accepted = t->accepted && t->facts.has_peer && meets_policy(t);
    t->facts.trusted = t->accepted;
    if (!t->accepted)
        pp_tls_explain_trust(t);
    return t->accepted || t->inspect ? PP_OK : PP_ERR_TRUST;
}
