/*
 * received.c - the Received field of our own relay server
 *
 * Job:      see received.h.
 */
#include "message/received.h"

#include "base/time.h"

#define NAME_MAX 255

/* What a client calls itself is a word of letters, digits and a few signs; others become `?`. */
static void put_name(struct pp_writer *w, struct pp_text name)
{
    static const char signs[] = "-._:[]";
    size_t len = name.len < NAME_MAX ? name.len : NAME_MAX;

    for (size_t i = 0; i < len; i++) {
        char c = name.p[i];
        bool good = pp_ascii_is_alpha(c) || pp_ascii_is_digit(c);

        for (size_t k = 0; k < sizeof(signs) - 1 && !good; k++) {
            good = c == signs[k];
        }
        pp_put_char(w, good ? c : '?');
    }
}

static void put_from(struct pp_writer *w, const struct pp_received_facts *facts)
{
    bool is_ipv6 = pp_text_find(facts->address, ':') < facts->address.len;

    if (facts->hello.len == 0) {
        return;
    }
    pp_put_z(w, "from ");
    put_name(w, facts->hello);
    if (facts->address.len > 0) {
        pp_put_z(w, is_ipv6 ? " ([IPv6:" : " ([");
        put_name(w, facts->address);
        pp_put_z(w, "])");
    }
    pp_put_z(w, "\r\n\t");
}

void pp_put_tls_suite(struct pp_writer *w, struct pp_text name)
{
    static const char tls13[] = "TLS1-3-";
    struct pp_text rest = name;

    if (pp_text_starts_nocase(name, pp_text_z(tls13))) {
        pp_put_z(w, "TLS_");
        rest = pp_text_n(name.p + sizeof(tls13) - 1, name.len - (sizeof(tls13) - 1));
    }
    for (size_t i = 0; i < rest.len; i++) {
        bool good = pp_ascii_is_alpha(rest.p[i]) || pp_ascii_is_digit(rest.p[i]);
        pp_put_char(w, good ? rest.p[i] : '_');
    }
}

/* RFC 3848: S for TLS, A for a login; RFC 6531: UTF8SMTP for ESMTP. */
static void put_with(struct pp_writer *w, const struct pp_received_facts *facts)
{
    bool secure = facts->tls_version.len > 0;
    bool extended = facts->esmtp || secure || facts->authenticated;

    pp_put_z(w, " with ");
    pp_put_z(w, facts->smtputf8 ? "UTF8SMTP" : extended ? "ESMTP" : "SMTP");
    pp_put_z(w, secure ? "S" : "");
    pp_put_z(w, facts->authenticated ? "A" : "");
    if (secure) {
        pp_put_z(w, "\r\n\ttls ");
        pp_put_tls_suite(w, facts->tls_cipher);
    }
}

void pp_put_received(struct pp_writer *w, const struct pp_received_facts *facts)
{
    pp_put_z(w, "Received: ");
    put_from(w, facts);
    pp_put_z(w, "by ");
    put_name(w, facts->hostname);
    pp_put_z(w, " (pinpost)");
    put_with(w, facts);
    pp_put_z(w, ";\r\n\t");
    pp_put_date_rfc5322(w, facts->now_s);
    pp_put_z(w, "\r\n");
}
