/*
 * config_pin.c - a fingerprint from text
 *
 * Job:      read the forms in which people find fingerprints.
 * Not here: writing one, comparing with a certificate (wire/pin.h).
 * Follows:  Postfix TLS_README (colon form), RFC 7469 2.4 (SHA-256 over the SPKI)
 */
#include "base/base64.h"
#include "config.h"

#define DIGEST_BYTES   32
#define DIGEST_LONGEST 64 /* SHA-512: recognised, so that the refusal can say what it is */

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
static size_t read_hex(struct pp_text text, uint8_t out[DIGEST_LONGEST])
{
    bool colons = text.len > 2 && text.p[2] == ':';
    size_t step = colons ? 3 : 2, count = (text.len + (colons ? 1 : 0)) / step;
    if (text.len < 2 || count > DIGEST_LONGEST || count * step != text.len + (colons ? 1 : 0))
        return 0;
    for (size_t i = 0; i < count; i++) {
        int high = hex_value(text.p[i * step]), low = hex_value(text.p[i * step + 1]);
        if (high < 0 || low < 0 || (colons && i > 0 && text.p[i * step - 1] != ':'))
            return 0;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return count;
}

/* Lengths of MD5, SHA-1, SHA-384 and SHA-512. */
static bool is_other_digest(size_t len)
{
    return len == 16 || len == 20 || len == 48 || len == 64;
}

static bool names_other_digest(struct pp_text *text)
{
    static const char *const others[] = {
        "md5:", "sha1:", "sha384:", "sha512:", "md5 Fingerprint=", "sha1 Fingerprint="};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (take_prefix(text, others[i]))
            return true;
    }
    return false;
}

enum pp_err pp_pin_parse(struct pp_text text, struct pp_pin *pin)
{
    uint8_t digest[DIGEST_LONGEST];
    size_t len = 0;
    text = pp_text_trim(text);
    pin->kind = PP_PIN_ANY;
    if (take_prefix(&text, "cert:"))
        pin->kind = PP_PIN_CERTIFICATE;
    else if (take_prefix(&text, "key:"))
        pin->kind = PP_PIN_KEY;
    if (names_other_digest(&text))
        return PP_ERR_UNSUPPORTED;
    bool named = take_prefix(&text, "sha256:");
    /* As `openssl x509 -fingerprint -sha256` prints it: of the certificate. */
    if (!named && take_prefix(&text, "sha256 Fingerprint=")) {
        if (pin->kind == PP_PIN_KEY)
            return PP_ERR_SYNTAX;
        pin->kind = PP_PIN_CERTIFICATE;
    }
    len = read_hex(text, digest);
    if (len == 0 && named && pp_base64_decode(text, digest, sizeof digest, &len) != PP_OK)
        len = 0;
    if (len != DIGEST_BYTES)
        return is_other_digest(len) && !named ? PP_ERR_UNSUPPORTED : PP_ERR_SYNTAX;
    for (size_t i = 0; i < DIGEST_BYTES; i++)
        pin->sha256[i] = digest[i];
    return PP_OK;
}
