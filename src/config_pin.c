/*
 * config_pin.c - a fingerprint from text
 *
 * Job:      read the forms in which people find fingerprints.
 * Not here: writing one, comparing with a certificate (wire/pin.h).
 * Follows:  Postfix TLS_README (colon form), RFC 7469 2.4 (a key's digest is over its SPKI)
 */
#include <string.h>

#include "base/base64.h"
#include "config.h"

static const struct {
    const char *name_z;
    size_t bytes;
} digests[] = {[PP_DIGEST_SHA256] = {"sha256", 32},
               [PP_DIGEST_SHA384] = {"sha384", 48},
               [PP_DIGEST_SHA512] = {"sha512", 64}};
#define DIGEST_COUNT (sizeof digests / sizeof *digests)

size_t pp_digest_bytes(enum pp_digest digest)
{
    return digests[digest].bytes;
}

const char *pp_digest_name(enum pp_digest digest)
{
    return digests[digest].name_z;
}

static bool take_prefix(struct pp_text *text, const char *prefix_z)
{
    struct pp_text prefix = pp_text_z(prefix_z);
    if (!pp_text_starts_nocase(*text, prefix))
        return false;
    *text = pp_text_trim(pp_text_n(text->p + prefix.len, text->len - prefix.len));
    return true;
}

static int hex_value(char c)
{
    c = pp_ascii_lower(c);
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Pairs of digits, with a colon between all of them or none. Returns bytes, 0 for no such text. */
static size_t read_hex(struct pp_text text, uint8_t out[PP_DIGEST_MOST])
{
    bool colons = text.len > 2 && text.p[2] == ':';
    size_t step = colons ? 3 : 2, count = (text.len + (colons ? 1 : 0)) / step;
    if (text.len < 2 || count > PP_DIGEST_MOST || count * step != text.len + (colons ? 1 : 0))
        return 0;
    for (size_t i = 0; i < count; i++) {
        int high = hex_value(text.p[i * step]), low = hex_value(text.p[i * step + 1]);
        if (high < 0 || low < 0 || (colons && i > 0 && text.p[i * step - 1] != ':'))
            return 0;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return count;
}

/* MD5 and SHA-1: known, so that the refusal can say why. */
static bool names_weak_digest(struct pp_text *text)
{
    static const char *const weak[] = {"md5:", "sha1:", "md5 Fingerprint=", "sha1 Fingerprint="};
    for (size_t i = 0; i < sizeof weak / sizeof *weak; i++) {
        if (take_prefix(text, weak[i]))
            return true;
    }
    return false;
}

static void take_kind(struct pp_text *text, enum pp_pin_kind *kind)
{
    static const struct {
        const char *prefix_z;
        enum pp_pin_kind kind;
    } kinds[] = {{"cert:", PP_PIN_CERTIFICATE},
                 {"key:", PP_PIN_KEY},
                 {"issuer-cert:", PP_PIN_ISSUER_CERTIFICATE},
                 {"issuer-key:", PP_PIN_ISSUER_KEY}};
    *kind = PP_PIN_ANY;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && *kind == PP_PIN_ANY; i++) {
        if (take_prefix(text, kinds[i].prefix_z))
            *kind = kinds[i].kind;
    }
}

enum form { BARE, NAMED, PRINTED };

/* `sha256:`, or `sha256 Fingerprint=` as `openssl x509 -fingerprint` prints it. */
static enum form take_digest(struct pp_text *text, enum pp_digest *digest)
{
    struct pp_text rest = *text;
    for (size_t i = 0; i < DIGEST_COUNT; i++) {
        if (!take_prefix(&rest, digests[i].name_z))
            continue;
        *digest = (enum pp_digest)i;
        enum form form = BARE;
        if (rest.len > 0 && rest.p[0] == ':') {
            rest = pp_text_trim(pp_text_n(rest.p + 1, rest.len - 1));
            form = NAMED;
        } else if (take_prefix(&rest, "Fingerprint=")) {
            form = PRINTED;
        }
        *text = form == BARE ? *text : rest;
        return form;
    }
    return BARE;
}

/* PP_ERR_SYNTAX: no digest has that length. */
static enum pp_err digest_of_length(size_t len, enum pp_digest *digest)
{
    for (size_t i = 0; i < DIGEST_COUNT; i++) {
        if (digests[i].bytes == len) {
            *digest = (enum pp_digest)i;
            return PP_OK;
        }
    }
    return len == 16 || len == 20 ? PP_ERR_UNSUPPORTED : PP_ERR_SYNTAX;
}

enum pp_err pp_pin_parse(struct pp_text text, struct pp_pin *pin)
{
    uint8_t value[PP_DIGEST_MOST];
    struct pp_pin read = {PP_PIN_ANY, PP_DIGEST_SHA256, {0}};
    text = pp_text_trim(text);
    take_kind(&text, &read.kind);
    if (names_weak_digest(&text))
        return PP_ERR_UNSUPPORTED;
    enum form form = take_digest(&text, &read.digest);
    /* What openssl prints is of the certificate. */
    if (form == PRINTED && (read.kind == PP_PIN_KEY || read.kind == PP_PIN_ISSUER_KEY))
        return PP_ERR_SYNTAX;
    if (form == PRINTED && read.kind == PP_PIN_ANY)
        read.kind = PP_PIN_CERTIFICATE;
    size_t len = read_hex(text, value);
    if (len == 0 && form == NAMED && pp_base64_decode(text, value, sizeof value, &len) != PP_OK)
        len = 0;
    enum pp_err err = PP_OK;
    if (form == BARE)
        err = digest_of_length(len, &read.digest);
    else if (len != digests[read.digest].bytes)
        err = PP_ERR_SYNTAX;
    if (err != PP_OK)
        return err;
    memcpy(read.value, value, len);
    *pin = read;
    return PP_OK;
}
