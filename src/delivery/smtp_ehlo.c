/*
 * smtp_ehlo.c - what a server announces in reply to EHLO
 *
 * Job:      see smtp_ehlo.h.
 * Follows:  RFC 5321 4.1.1.1 (ehlo-line), RFC 1870 3
 */
#include "delivery/smtp_ehlo.h"

#include <stddef.h>

struct keyword {
    const char *name_z;
    size_t offset; /* of a bool in the capabilities */
};

#define CAPABILITY(field) offsetof(struct pp_smtp_capabilities, field)

static const struct keyword keywords[] = {
    {"STARTTLS", CAPABILITY(starttls)},
    {"PIPELINING", CAPABILITY(pipelining)},
    {"8BITMIME", CAPABILITY(eight_bit_mime)},
    {"SIZE", CAPABILITY(size)},
    {"SMTPUTF8", CAPABILITY(smtputf8)},
    {"ENHANCEDSTATUSCODES", CAPABILITY(enhanced_codes)},
    {"DSN", CAPABILITY(dsn)},
    {"CHUNKING", CAPABILITY(chunking)},
    {"AUTH", CAPABILITY(auth)},
};

static const struct keyword mechanisms[] = {
    {"PLAIN", CAPABILITY(auth_plain)},
    {"LOGIN", CAPABILITY(auth_login)},
    {"EXTERNAL", CAPABILITY(auth_external)},
    {"SCRAM-SHA-256", CAPABILITY(auth_scram_sha256)},
    {"OAUTHBEARER", CAPABILITY(auth_oauthbearer)},
    {"XOAUTH2", CAPABILITY(auth_xoauth2)},
};

/* Sets the capability that `name` stands for; false when it is none of ours. */
static bool set_flag(struct pp_smtp_capabilities *capabilities, const struct keyword *list,
                     size_t count, struct pp_text name)
{
    for (size_t i = 0; i < count; i++) {
        if (pp_text_equal_nocase(name, pp_text_z(list[i].name_z))) {
            *(bool *)((char *)capabilities + list[i].offset) = true;
            return true;
        }
    }
    return false;
}

static void auth_line(struct pp_smtp_capabilities *capabilities, struct pp_text rest)
{
    while (rest.len > 0) {
        struct pp_text name = pp_text_cut(&rest, ' ');

        if (name.len > 0) {
            (void)set_flag(capabilities, mechanisms, sizeof mechanisms / sizeof mechanisms[0],
                           name);
        }
    }
}

void pp_ehlo_keyword(struct pp_smtp_capabilities *capabilities, struct pp_text line)
{
    struct pp_text rest = pp_text_trim(line);
    struct pp_text old_auth = pp_text_z("AUTH=");

    if (pp_text_starts_nocase(rest, old_auth)) {
        capabilities->auth = true;
        auth_line(capabilities, pp_text_n(rest.p + old_auth.len, rest.len - old_auth.len));
        return;
    }
    struct pp_text name = pp_text_cut(&rest, ' ');
    if (!set_flag(capabilities, keywords, sizeof keywords / sizeof keywords[0], name)) {
        return;
    }
    if (pp_text_equal_nocase(name, pp_text_z("AUTH"))) {
        auth_line(capabilities, rest);
    } else if (pp_text_equal_nocase(name, pp_text_z("SIZE"))) {
        uint64_t limit = 0;

        /* A limit that is no number is as good as none stated. */
        if (pp_text_to_u64(pp_text_trim(rest), UINT64_MAX, &limit) == PP_OK) {
            capabilities->size_limit = limit;
        }
    }
}
