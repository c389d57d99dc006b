/*
 * tls_resume.c - a client's sessions, kept and resumed
 *
 * Job:      what a session counts for, as a digest; offering one; its facts for the connection that
 *           it resumes; keeping the next one.
 * Not here: where sessions are kept (wire/tls_kept.h, relay_sessions.c), our tickets as a server
 *           (wire/tls_ticket.c).
 * Follows:  RFC 8446 2.2, 4.6.1, 8 (no early data) and C.4; RFC 5246 7.3; RFC 5077 3.4
 *
 * A resumed handshake shows no certificate: the server proves that it made, or was told, the
 * secrets of a session whose certificate was accepted. So it is accepted for what it was then, and
 * only as long as that would be accepted now: under the same demands, within the dates of the chain
 * where they count, and for a day. Renewed tickets do not lengthen the day.
 *
 * The library saves the server's certificate with a session of TLS 1.2, and the host name with one
 * of TLS 1.3. We know both: they are left out.
 */
#include <mbedtls/platform.h>
#include <mbedtls/platform_time.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crypto.h"
#include "wire/tls_session.h"

/* ---- what a session counts for ---- */

#define MIX_MAX (PP_NAME_CAP + 8)

/* A digest that goes on with each thing that is put to it. */
struct binding {
    uint8_t digest[32];
    enum pp_err err;
};

static void mix(struct binding *b, const void *bytes, size_t len)
{
    uint8_t material[32 + 8 + MIX_MAX];
    if (b->err != PP_OK)
        return;
    if (len > MIX_MAX) {
        b->err = PP_ERR_TOO_BIG;
        return;
    }
    memcpy(material, b->digest, 32);
    pp_le64_put(material + 32, len);
    memcpy(material + 40, bytes, len);
    b->err = pp_sha256(material, 40 + len, b->digest);
}

static void mix_number(struct binding *b, uint64_t number)
{
    uint8_t bytes[8];
    pp_le64_put(bytes, number);
    mix(b, bytes, sizeof bytes);
}

static void mix_text(struct binding *b, const char *text_z)
{
    mix(b, text_z != NULL ? text_z : "", text_z != NULL ? strlen(text_z) : 0);
}

static void mix_policy(struct binding *b, const struct pp_tls_policy *policy)
{
    mix_number(b, policy->level);
    mix_number(b, policy->mode);
    mix_number(b, policy->pin_rule);
    mix_number(b, policy->on_new_pin);
    mix_number(b, policy->protocols);
    mix_number(b, policy->ciphers);
    mix_text(b, policy->tls_name);
    mix_text(b, policy->match);
    mix_number(b, policy->pin_count);
    for (uint32_t i = 0; i < policy->pin_count && i < PP_PINS; i++) {
        mix_number(b, policy->pins[i].kind);
        mix_number(b, policy->pins[i].digest);
        mix(b, policy->pins[i].value, sizeof policy->pins[i].value);
    }
}

static void mix_records(struct binding *b, const struct pp_tlsa_set *tlsa)
{
    mix_number(b, tlsa != NULL);
    if (tlsa == NULL)
        return;
    mix_number(b, tlsa->state);
    mix_number(b, tlsa->count);
    for (uint32_t i = 0; i < tlsa->count && i < PP_TLSA_RECORDS; i++) {
        const struct pp_tlsa_record *record = &tlsa->records[i];
        mix_number(b, (uint64_t)record->usage << 16 | (uint64_t)record->selector << 8 |
                          record->matching);
        mix(b, record->data, record->len <= sizeof record->data ? record->len : 0);
    }
}

enum pp_err pp_tls_resume_binding(const struct pp_tls *t, uint8_t out[32])
{
    const struct pp_tls_target *target = &t->target;
    struct binding b = {{0}, PP_OK};
    uint8_t own[32];
    mix_text(&b, "pinpost: a kept TLS session 1");
    mix_text(&b, target->host_z);
    mix_text(&b, target->server_z);
    mix_text(&b, target->tlsa_base_z);
    mix_number(&b, target->port);
    mix_text(&b, t->host);
    mix_number(&b, t->level);
    mix_policy(&b, target->policy);
    mix_records(&b, target->tlsa);
    mix(&b, pp_tls_ca_digest(), 32);
    mix_number(&b, t->identity != NULL);
    if (t->identity != NULL && b.err == PP_OK) {
        const mbedtls_x509_buf *raw = &t->identity->chain.raw;
        b.err = pp_sha256(raw->p, raw->len, own);
        mix(&b, own, sizeof own);
    }
    memcpy(out, b.digest, 32);
    return b.err;
}

/* ---- offering one ---- */

static bool is_young(int64_t since_ms, uint32_t limit_s)
{
    int64_t age_ms = (int64_t)mbedtls_ms_time() - since_ms;
    return age_ms >= 0 && age_ms < (int64_t)limit_s * 1000;
}

static bool counts_here(const struct pp_tls *t, const struct pp_tls_kept_session *kept)
{
    uint8_t binding[32];
    return pp_tls_resume_binding(t, binding) == PP_OK &&
           pp_compare_constant_time(binding, kept->binding, sizeof binding) == 0 &&
           is_young(kept->kept_at_ms, kept->lifetime_s) &&
           is_young(kept->facts.verified_at_ms, PP_TLS_KEPT_MAX_S) &&
           pp_tls_wall_s() < kept->facts.until_s;
}

/* The name that the library compares, and what it left out of the bytes. */
static bool put_name(const struct pp_tls *t, mbedtls_ssl_session *session)
{
    const char *name_z = t->session->ssl.MBEDTLS_PRIVATE(hostname);
    if (name_z != NULL && name_z[0] == '\0') /* the library's way to say that there is none */
        name_z = NULL;
    mbedtls_free(session->MBEDTLS_PRIVATE(hostname));
    session->MBEDTLS_PRIVATE(hostname) = NULL;
    if (name_z == NULL)
        return true;
    session->MBEDTLS_PRIVATE(hostname) = mbedtls_calloc(1, strlen(name_z) + 1);
    if (session->MBEDTLS_PRIVATE(hostname) == NULL)
        return false;
    memcpy(session->MBEDTLS_PRIVATE(hostname), name_z, strlen(name_z));
    return true;
}

static bool give_to_library(struct pp_tls *t, const struct pp_tls_kept_session *kept)
{
    mbedtls_ssl_session session;
    mbedtls_ssl_session_init(&session);
    int ret = mbedtls_ssl_session_load(&session, kept->session, kept->session_len);
    bool new = session.MBEDTLS_PRIVATE(tls_version) == MBEDTLS_SSL_VERSION_TLS1_3;
    bool good = ret == 0 && new == kept->once &&session.MBEDTLS_PRIVATE(endpoint) ==
                                MBEDTLS_SSL_IS_CLIENT &&put_name(t, &session);
    /* What it was told last may have been before the machine's start. */
    session.MBEDTLS_PRIVATE(ticket_reception_time) = (mbedtls_ms_time_t)kept->kept_at_ms;
    good = good && mbedtls_ssl_set_session(&t->session->ssl, &session) == 0;
    mbedtls_ssl_session_free(&session);
    return good;
}

void pp_tls_resume_offer(struct pp_tls *t)
{
    struct pp_tls_kept_session *kept = t->target.kept;
    if (kept->session_len == 0)
        return;
    t->facts.offered = counts_here(t, kept) && give_to_library(t, kept);
    if (t->facts.offered)
        t->session->before = kept->facts;
    if (!t->facts.offered || kept->once)
        pp_tls_kept_forget(kept);
}

/* ---- what became of it ---- */

bool pp_tls_resume_happened(const struct pp_tls *t)
{
    return t->facts.offered && !t->session->is_full && !t->facts.has_peer;
}

static void copy_text(char *out, size_t cap, const char *text_z)
{
    struct pp_writer w;
    pp_writer_init(&w, out, cap - 1);
    pp_put_z(&w, text_z);
    pp_tls_end_text(out, cap, &w);
}

static void put_date(char *out, size_t cap, int64_t wall_s)
{
    struct pp_date date = pp_date_from_wall(wall_s);
    const mbedtls_x509_time time = {.year = date.year,
                                    .mon = date.month,
                                    .day = date.day,
                                    .hour = date.hour,
                                    .min = date.minute,
                                    .sec = date.second};
    struct pp_writer w;
    pp_writer_init(&w, out, cap - 1);
    pp_tls_put_time(&w, &time);
    pp_tls_end_text(out, cap, &w);
}

void pp_tls_resume_accept(struct pp_tls *t)
{
    const struct pp_tls_kept_facts *before = &t->session->before;
    struct pp_tls_facts *facts = &t->facts;
    struct pp_writer w;
    facts->has_peer = facts->trusted = facts->resumed = t->accepted = true;
    facts->pin_index = before->pin_index;
    memcpy(facts->certificate_sha256, before->certificate_sha256, 32);
    memcpy(facts->key_sha256, before->key_sha256, 32);
    facts->begin_s = before->begin_s;
    facts->expiry_s = before->expiry_s;
    copy_text(facts->subject, sizeof facts->subject, before->subject);
    copy_text(facts->issuer, sizeof facts->issuer, before->issuer);
    copy_text(facts->names, sizeof facts->names, before->names);
    put_date(facts->not_before, sizeof facts->not_before, before->begin_s);
    put_date(facts->not_after, sizeof facts->not_after, before->expiry_s);
    pp_writer_init(&w, facts->how, sizeof facts->how - 1);
    pp_put_z(&w, "session resumed; when it was made: ");
    pp_put_z(&w, before->how);
    pp_tls_end_text(facts->how, sizeof facts->how, &w);
}

void pp_tls_resume_failed(struct pp_tls *t)
{
    if (t->facts.offered)
        pp_tls_kept_forget(t->target.kept);
}

/* ---- keeping the next one ---- */

/* Is it by its dates, too, that the chain was accepted? */
static bool dates_count(const struct pp_tls *t)
{
    if (t->level < PP_TLS_FINGERPRINT)
        return false;
    if (t->level == PP_TLS_FINGERPRINT && t->target.policy->pin_rule == PP_PIN_ALONE)
        return t->leaf_hits == 0;
    return t->level < PP_TLS_DANE || t->leaf_record < 0;
}

static struct pp_tls_kept_facts facts_of(const struct pp_tls *t)
{
    const struct pp_tls_facts *facts = &t->facts;
    struct pp_tls_kept_facts kept = t->session->before;
    if (facts->resumed)
        return kept;
    memset(&kept, 0, sizeof kept);
    kept.verified_at_ms = (int64_t)mbedtls_ms_time();
    kept.until_s = dates_count(t) ? t->until_s : INT64_MAX;
    kept.pin_index = facts->pin_index;
    memcpy(kept.certificate_sha256, facts->certificate_sha256, 32);
    memcpy(kept.key_sha256, facts->key_sha256, 32);
    kept.begin_s = facts->begin_s;
    kept.expiry_s = facts->expiry_s;
    copy_text(kept.how, sizeof kept.how, facts->how);
    copy_text(kept.issuer, sizeof kept.issuer, facts->issuer);
    copy_text(kept.subject, sizeof kept.subject, facts->subject);
    copy_text(kept.names, sizeof kept.names, facts->names);
    return kept;
}

/* Without what we know anyway. 0: it is longer than what is kept. */
static size_t save(mbedtls_ssl_session *session, uint8_t *out, size_t cap)
{
    mbedtls_x509_crt *certificate = session->MBEDTLS_PRIVATE(peer_cert);
    char *name = session->MBEDTLS_PRIVATE(hostname);
    size_t len = 0;
    session->MBEDTLS_PRIVATE(peer_cert) = NULL;
    session->MBEDTLS_PRIVATE(hostname) = NULL;
    int ret = mbedtls_ssl_session_save(session, out, cap, &len);
    session->MBEDTLS_PRIVATE(peer_cert) = certificate;
    session->MBEDTLS_PRIVATE(hostname) = name;
    return ret == 0 ? len : 0;
}

/* The server gave something to come back with. */
static bool is_resumable(const mbedtls_ssl_session *session)
{
    bool has_ticket = session->MBEDTLS_PRIVATE(ticket_len) > 0;
    return has_ticket || (session->MBEDTLS_PRIVATE(tls_version) == MBEDTLS_SSL_VERSION_TLS1_2 &&
                          session->MBEDTLS_PRIVATE(id_len) > 0);
}

void pp_tls_resume_keep(struct pp_tls *t)
{
    struct pp_tls_kept_session *kept = t->target.kept;
    mbedtls_ssl_session *session = t->session->ssl.MBEDTLS_PRIVATE(session);
    /* What waits for somebody's word is to be seen again each time. */
    if (kept == NULL || t->target.inspect || !t->accepted || t->facts.staged || session == NULL ||
        !is_resumable(session))
        return;
    uint32_t lifetime_s = session->MBEDTLS_PRIVATE(ticket_lifetime);
    const struct pp_tls_kept_facts facts = facts_of(t);
    pp_tls_kept_forget(kept);
    size_t len = save(session, kept->session, sizeof kept->session);
    if (len == 0 || pp_tls_resume_binding(t, kept->binding) != PP_OK) {
        pp_wipe(kept->session, sizeof kept->session);
        return;
    }
    kept->session_len = (uint16_t)len;
    kept->once = session->MBEDTLS_PRIVATE(tls_version) == MBEDTLS_SSL_VERSION_TLS1_3;
    kept->kept_at_ms = (int64_t)mbedtls_ms_time();
    /* TLS 1.2: 0 says nothing (RFC 5077 3.3), and an id has none. */
    kept->lifetime_s =
        lifetime_s == 0 || lifetime_s > PP_TLS_KEPT_MAX_S ? PP_TLS_KEPT_MAX_S : lifetime_s;
    kept->facts = facts;
    kept->changes++;
}
