/*
 * tls_facts.c - what a peer's certificate says, as text that is safe in a log
 *
 * Job:      digests, names and dates of a certificate into struct pp_tls_facts.
 * Not here: whether it is trusted (wire/tls_trust.c).
 * Follows:  RFC 5280 4.1 and 4.2.1.6; RFC 7469 2.4 (the key's digest is over its SPKI)
 */
#include <mbedtls/oid.h>
#include <string.h>

#include "base/crypto.h"
#include "port.h"
#include "wire/dns.h"
#include "wire/tls_session.h"

/* One attribute or name is shown up to this many bytes. */
#define SHOWN_MAX 100

void pp_tls_end_text(char *data, size_t cap, const struct pp_writer *w)
{
    data[w->len < cap ? w->len : cap - 1] = '\0';
}

void pp_tls_put_name(struct pp_writer *w, const mbedtls_x509_name *name)
{
    for (bool first = true; name != NULL; name = name->next) {
        const char *key_z = NULL;
        if (name->oid.p == NULL)
            continue;
        if (!first)
            pp_put_z(w, ", ");
        first = false;
        pp_put_z(w, mbedtls_oid_get_attr_short_name(&name->oid, &key_z) == 0 ? key_z : "OID");
        pp_put_char(w, '=');
        pp_put_safe(w, pp_text_n(name->val.p, name->val.len), SHOWN_MAX);
    }
}

void pp_tls_put_time(struct pp_writer *w, const mbedtls_x509_time *time)
{
    pp_put_u64_pad(w, (uint64_t)time->year, 4);
    pp_put_char(w, '-');
    pp_put_u64_pad(w, (uint64_t)time->mon, 2);
    pp_put_char(w, '-');
    pp_put_u64_pad(w, (uint64_t)time->day, 2);
    pp_put_char(w, 'T');
    pp_put_u64_pad(w, (uint64_t)time->hour, 2);
    pp_put_char(w, ':');
    pp_put_u64_pad(w, (uint64_t)time->min, 2);
    pp_put_char(w, ':');
    pp_put_u64_pad(w, (uint64_t)time->sec, 2);
    pp_put_char(w, 'Z');
}

static void put_alternative_name(struct pp_writer *w, const mbedtls_x509_buf *name)
{
    int kind = name->tag & (int)MBEDTLS_ASN1_TAG_VALUE_MASK;
    struct pp_address address = {.family = name->len == 4 ? 4 : 6};
    if (kind == MBEDTLS_X509_SAN_DNS_NAME) {
        pp_put_char(w, ' ');
        pp_put_safe(w, pp_text_n(name->p, name->len), SHOWN_MAX);
    } else if (kind == MBEDTLS_X509_SAN_IP_ADDRESS && (name->len == 4 || name->len == 16)) {
        for (size_t i = 0; i < name->len; i++)
            address.ip[i] = name->p[i];
        pp_put_char(w, ' ');
        pp_put_address(w, &address, false);
    }
}

/* The names that a host is compared with: the alternative ones, or else the common name. */
static void put_names(struct pp_writer *w, const mbedtls_x509_crt *c)
{
    if (mbedtls_x509_crt_has_ext_type(c, MBEDTLS_X509_EXT_SUBJECT_ALT_NAME)) {
        for (const mbedtls_x509_sequence *s = &c->subject_alt_names; s != NULL; s = s->next)
            put_alternative_name(w, &s->buf);
        return;
    }
    for (const mbedtls_x509_name *n = &c->subject; n != NULL; n = n->next) {
        if (n->oid.p != NULL && MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &n->oid) == 0) {
            pp_put_char(w, ' ');
            pp_put_safe(w, pp_text_n(n->val.p, n->val.len), SHOWN_MAX);
        }
    }
}

int64_t pp_tls_seconds(const mbedtls_x509_time *time)
{
    const struct pp_date date = {.year = time->year,
                                 .month = (uint8_t)time->mon,
                                 .day = (uint8_t)time->day,
                                 .hour = (uint8_t)time->hour,
                                 .minute = (uint8_t)time->min,
                                 .second = (uint8_t)time->sec};
    return pp_date_to_wall(&date);
}

static void show(struct pp_tls_shown *shown, const mbedtls_x509_crt *c)
{
    struct pp_writer w;
    pp_writer_init(&w, shown->subject, sizeof shown->subject - 1);
    pp_tls_put_name(&w, &c->subject);
    pp_tls_end_text(shown->subject, sizeof shown->subject, &w);
    pp_writer_init(&w, shown->issuer, sizeof shown->issuer - 1);
    pp_tls_put_name(&w, &c->issuer);
    pp_tls_end_text(shown->issuer, sizeof shown->issuer, &w);
    pp_writer_init(&w, shown->not_before, sizeof shown->not_before - 1);
    pp_tls_put_time(&w, &c->valid_from);
    pp_tls_end_text(shown->not_before, sizeof shown->not_before, &w);
    pp_writer_init(&w, shown->not_after, sizeof shown->not_after - 1);
    pp_tls_put_time(&w, &c->valid_to);
    pp_tls_end_text(shown->not_after, sizeof shown->not_after, &w);
    pp_writer_init(&w, shown->key, sizeof shown->key - 1);
    pp_put_z(&w, mbedtls_pk_get_name(&c->pk));
    pp_put_char(&w, ' ');
    pp_put_u64(&w, mbedtls_pk_get_bitlen(&c->pk));
    pp_tls_end_text(shown->key, sizeof shown->key, &w);
}

void pp_tls_describe_chain(struct pp_tls_chain *chain, const mbedtls_x509_crt *certificate)
{
    memset(chain, 0, sizeof *chain);
    for (const mbedtls_x509_crt *c = certificate; c != NULL; c = c->next) {
        if (chain->count == PP_TLS_SHOWN) {
            chain->more++;
            continue;
        }
        struct pp_tls_shown *shown = &chain->shown[chain->count];
        if (pp_sha256(c->raw.p, c->raw.len, shown->certificate_sha256) != PP_OK ||
            pp_sha256(c->pk_raw.p, c->pk_raw.len, shown->key_sha256) != PP_OK)
            return;
        show(shown, c);
        chain->count++;
    }
}

enum pp_err pp_tls_describe_peer(struct pp_tls_facts *facts, const mbedtls_x509_crt *certificate)
{
    struct pp_writer w;
    char names[sizeof facts->names + 1];
    if (pp_sha256(certificate->raw.p, certificate->raw.len, facts->certificate_sha256) != PP_OK ||
        pp_sha256(certificate->pk_raw.p, certificate->pk_raw.len, facts->key_sha256) != PP_OK)
        return PP_ERR_STATE;
    pp_writer_init(&w, facts->subject, sizeof facts->subject - 1);
    pp_tls_put_name(&w, &certificate->subject);
    pp_tls_end_text(facts->subject, sizeof facts->subject, &w);
    pp_writer_init(&w, facts->issuer, sizeof facts->issuer - 1);
    pp_tls_put_name(&w, &certificate->issuer);
    pp_tls_end_text(facts->issuer, sizeof facts->issuer, &w);
    pp_writer_init(&w, facts->not_before, sizeof facts->not_before - 1);
    pp_tls_put_time(&w, &certificate->valid_from);
    pp_tls_end_text(facts->not_before, sizeof facts->not_before, &w);
    pp_writer_init(&w, facts->not_after, sizeof facts->not_after - 1);
    pp_tls_put_time(&w, &certificate->valid_to);
    pp_tls_end_text(facts->not_after, sizeof facts->not_after, &w);
    pp_writer_init(&w, names, sizeof names - 1);
    put_names(&w, certificate);
    /* Each name was written with a space before it. */
    for (size_t i = 1; i < w.len; i++)
        facts->names[i - 1] = names[i];
    facts->names[w.len > 0 ? w.len - 1 : 0] = '\0';
    facts->begin_s = pp_tls_seconds(&certificate->valid_from);
    facts->expiry_s = pp_tls_seconds(&certificate->valid_to);
    facts->has_peer = true;
    return PP_OK;
}
