/*
 * tls_trust.c - is the peer whom the policy wants?
 *
 * Job:      a policy's level as settings of mbedTLS, and the decision on the peer's certificate.
 * Not here: pins (wire/pin.c), TLSA records (wire/tls_dane.c), which names count
 *           (wire/tls_policy.c), CAs (wire/tls_ca.c), words for a failure (wire/tls_words.c).
 * Follows:  RFC 5280 6, RFC 6125 6.4, RFC 6066 3, RFC 7469 2.6, RFC 7672 3.1 and 3.2
 *
 * The library calls the callback for each certificate of the chain that it built, root first, after
 * all of it was checked. The decision falls at depth 0, and nothing counts as accepted that did not
 * pass there: a handshake which the library calls good but where it was never asked is refused.
 *
 * Anybody can send a genuine issuer above a leaf of his own. So a pin of an issuer, or a TLSA
 * record of one, counts only as long as nothing is held against the certificates below it: a
 * signature that its issuer did not make shows as NOT_TRUSTED at the certificate that bears it.
 */
#include <mbedtls/oid.h>
#include <string.h>

#include "port.h"
#include "wire/dns.h"
#include "wire/pin.h"
#include "wire/tls_session.h"

/* Pins of the server itself and `encrypt` take what the library can parse: a pin says it all. */
static const mbedtls_x509_crt_profile profile_any = {0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 512};

#define DATES (MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE)

static bool wants_chain(const struct pp_tls *t)
{
    return pp_tls_policy_wants_cas(t->target.policy);
}

/* Without the chain there is nothing: the library may end the handshake by itself. */
static bool needs_chain(const struct pp_tls *t)
{
    const struct pp_tls_policy *policy = t->target.policy;
    return wants_chain(t) && (policy->pin_count == 0 || policy->pin_rule != PP_PIN_OR_CA);
}

/* ---- names ---- */

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

/* RFC 6125 6.4.4: the common name counts only where there is no other, and then the last one. */
static bool names_by_common_name(const struct pp_tls *t, const mbedtls_x509_crt *c)
{
    const mbedtls_x509_name *last = NULL;
    for (const mbedtls_x509_name *n = &c->subject; n != NULL; n = n->next) {
        if (n->oid.p != NULL && MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &n->oid) == 0)
            last = n;
    }
    return last != NULL && pp_tls_name_matches(&t->target, pp_text_n(last->val.p, last->val.len));
}

static bool names_host(const struct pp_tls *t, const mbedtls_x509_crt *c)
{
    bool has_list = mbedtls_x509_crt_has_ext_type(c, MBEDTLS_X509_EXT_SUBJECT_ALT_NAME);
    bool has_names = false;
    for (const mbedtls_x509_sequence *s = &c->subject_alt_names; has_list && s != NULL;
         s = s->next) {
        int kind = s->buf.tag & (int)MBEDTLS_ASN1_TAG_VALUE_MASK;
        if (kind != MBEDTLS_X509_SAN_DNS_NAME)
            continue;
        has_names = true;
        if (pp_tls_name_matches(&t->target, pp_text_n(s->buf.p, s->buf.len)))
            return true;
    }
    return !has_names && names_by_common_name(t, c);
}

static bool has_wanted_name(const struct pp_tls *t, const mbedtls_x509_crt *c)
{
    struct pp_text text;
    struct pp_address address;
    if (pp_tls_wanted_address(&t->target, &text) && pp_address_parse(text, &address) &&
        names_address(c, &address))
        return true;
    return names_host(t, c);
}

/* ---- the chain ---- */

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

static struct pp_pin_subject subject_of(const mbedtls_x509_crt *c)
{
    return (struct pp_pin_subject){c->raw.p, c->raw.len, c->pk_raw.p, c->pk_raw.len};
}

/* PP_ERR_STATE: hashing failed. */
static enum pp_err look_at_issuer(struct pp_tls *t, const mbedtls_x509_crt *c, uint32_t flags)
{
    const struct pp_pin_subject subject = subject_of(c);
    uint32_t hits = 0;
    /* What is held against this one lies below those above it. */
    if (flags != 0)
        t->issuer_hits = t->anchor_hits = 0;
    /* An anchor needs nobody's signature, but it has to be valid now. */
    if ((flags & DATES) != 0)
        return PP_OK;
    enum pp_err err = pp_pin_match(t->target.policy, true, &subject, &hits);
    int record = pp_tls_dane_match(t->target.tlsa, true, c);
    t->issuer_hits |= hits;
    if (record >= 0)
        t->anchor_hits |= UINT32_C(1) << record;
    return err;
}

static int first_bit(uint32_t bits)
{
    for (int i = 0; i < 32; i++) {
        if ((bits >> i & 1) != 0)
            return i;
    }
    return -1;
}

/* ---- the decision ---- */

static bool meets_pins(const struct pp_tls *t)
{
    const struct pp_tls_policy *policy = t->target.policy;
    bool pinned = t->facts.pin_index >= 0, chained = wants_chain(t) && t->flags == 0;
    if (policy->pin_count == 0)
        return t->level != PP_TLS_FINGERPRINT && chained;
    if (t->level == PP_TLS_FINGERPRINT && policy->pin_rule == PP_PIN_ALONE)
        return pinned;
    if (policy->pin_rule == PP_PIN_OR_CA)
        return pinned || chained;
    bool sends_new = policy->pin_rule == PP_PIN_AND_CA && policy->on_new_pin == PP_NEW_PIN_SEND;
    return chained && (pinned || sends_new);
}

static bool meets_policy(const struct pp_tls *t)
{
    switch (t->level) {
    case PP_TLS_MAY:
    case PP_TLS_ENCRYPT:
        return true;
    case PP_TLS_FINGERPRINT:
    case PP_TLS_VERIFY:
    case PP_TLS_SECURE:
        return meets_pins(t);
    case PP_TLS_DANE:
    case PP_TLS_DANE_ONLY:
        return t->record >= 0;
    case PP_TLS_NONE:
        break;
    }
    return false;
}

static void take_hits(struct pp_tls *t)
{
    t->facts.pin_index = first_bit(t->leaf_hits | t->issuer_hits);
    t->record = t->leaf_record >= 0 ? t->leaf_record : first_bit(t->anchor_hits);
}

/* What was found at the leaf, with all above it. */
static enum pp_err weigh(struct pp_tls *t, const mbedtls_x509_crt *leaf, uint32_t flags)
{
    const struct pp_pin_subject subject = subject_of(leaf);
    enum pp_err err = pp_tls_describe_peer(&t->facts, leaf);
    if (err == PP_OK)
        err = pp_pin_match(t->target.policy, false, &subject, &t->leaf_hits);
    if (err != PP_OK)
        return err;
    t->leaf_record = pp_tls_dane_match(t->target.tlsa, false, leaf);
    if (flags != 0) /* the name among them */
        t->issuer_hits = t->anchor_hits = 0;
    take_hits(t);
    return PP_OK;
}

static int decide(struct pp_tls *t, const mbedtls_x509_crt *leaf, uint32_t flags)
{
    if (weigh(t, leaf, flags) != PP_OK)
        return MBEDTLS_ERR_X509_FATAL_ERROR;
    t->accepted = meets_policy(t);
    /* An error ends the handshake under VERIFY_OPTIONAL too; flags alone would not. */
    bool by_flags = needs_chain(t) && t->flags != 0;
    if (!t->accepted && !t->target.inspect && !by_flags)
        return MBEDTLS_ERR_X509_CERT_VERIFY_FAILED;
    return 0;
}

int pp_tls_on_certificate(void *ctx, mbedtls_x509_crt *c, int depth, uint32_t *flags)
{
    struct pp_tls *t = ctx;
    if (!pp_tls_clock_known())
        *flags &= ~(uint32_t)MBEDTLS_X509_BADCERT_FUTURE;
    if (depth == 0) {
        *flags &= ~(uint32_t)MBEDTLS_X509_BADCERT_CN_MISMATCH;
        if (!has_wanted_name(t, c))
            *flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
        if (wants_chain(t) && is_trusted_itself(c))
            *flags &= ~(uint32_t)MBEDTLS_X509_BADCERT_NOT_TRUSTED;
    }
    note_flaw(t, c, depth, *flags);
    int64_t until_s = pp_tls_seconds(&c->valid_to);
    t->until_s = until_s < t->until_s ? until_s : t->until_s;
    if (depth == 0)
        return decide(t, c, *flags);
    return look_at_issuer(t, c, *flags) == PP_OK ? 0 : MBEDTLS_ERR_X509_FATAL_ERROR;
}

enum pp_err pp_tls_set_trust(struct pp_tls *t)
{
    struct pp_tls_session *s = t->session;
    struct pp_address address;
    bool required = needs_chain(t) && !t->target.inspect;
    mbedtls_ssl_conf_authmode(&s->conf,
                              required ? MBEDTLS_SSL_VERIFY_REQUIRED : MBEDTLS_SSL_VERIFY_OPTIONAL);
    mbedtls_ssl_conf_verify(&s->conf, pp_tls_on_certificate, t);
    if (wants_chain(t))
        mbedtls_ssl_conf_ca_cb(&s->conf, pp_tls_ca_candidates, NULL);
    else if (!pp_tls_policy_wants_names(t->target.policy))
        mbedtls_ssl_conf_cert_profile(&s->conf, &profile_any);
    /* NULL, said outright, is "no SNI, and the name is compared elsewhere". */
    const char *name_z = pp_address_parse(pp_text_z(t->host), &address) ? NULL : t->host;
    return mbedtls_ssl_set_hostname(&s->ssl, name_z) == 0 ? PP_OK : PP_ERR_DRY;
}

/* What the library found after the callback: usage extensions, the key's curve. The name is ours.
 */
static void take_late_flags(struct pp_tls *t)
{
    uint32_t flags = mbedtls_ssl_get_verify_result(&t->session->ssl);
    if (flags == UINT32_MAX) /* which says that there is no result */
        return;
    t->flags |= flags;
    /* A server may do with a certificate what its issuer did not mean it for: then the issuer says
     * nothing. Those flags come after all others, so that they are not seen above. */
    const uint32_t usage = MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE |
                           MBEDTLS_X509_BADCERT_NS_CERT_TYPE;
    if ((flags & usage) != 0 && t->facts.has_peer) {
        t->issuer_hits = t->anchor_hits = 0;
        take_hits(t);
    }
}

bool pp_tls_was_refused(struct pp_tls *t)
{
    take_late_flags(t);
    return t->facts.has_peer && !t->target.inspect && !meets_policy(t);
}

enum pp_err pp_tls_check_trust(struct pp_tls *t)
{
    take_late_flags(t);
    t->accepted = t->accepted && t->facts.has_peer && meets_policy(t);
    t->facts.trusted = t->accepted;
    if (t->target.inspect && t->target.chain != NULL)
        pp_tls_describe_chain(t->target.chain, mbedtls_ssl_get_peer_cert(&t->session->ssl));
    if (t->accepted)
        pp_tls_explain_how(t);
    else
        pp_tls_explain_trust(t);
    return t->accepted || t->target.inspect ? PP_OK : PP_ERR_TRUST;
}

bool pp_tls_is_staged(const struct pp_tls *t)
{
    const struct pp_tls_policy *policy = t->target.policy;
    return policy->pin_count > 0 && policy->pin_rule == PP_PIN_AND_CA && wants_chain(t) &&
           t->facts.has_peer && t->facts.pin_index < 0 && t->flags == 0;
}
