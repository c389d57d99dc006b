/*
 * smtp_mail.c - the arguments of MAIL and RCPT
 *
 * Job:      see smtp_mail.h.
 * Follows:  RFC 5321 4.1.1.11 (parameters), 4.1.1.2; RFC 3461 4 (xtext)
 */
#include "intake/smtp_mail.h"

#include <string.h>

static const char bad_mail[] = "501 5.5.4 syntax: MAIL FROM:<address>";
static const char bad_rcpt[] = "501 5.5.4 syntax: RCPT TO:<address>";
static const char bad_value[] = "501 5.5.4 bad value of a parameter";
static const char unknown[] = "555 5.5.4 unknown parameter";

/* ---- paths ---- */

/* Length up to the `>` that ends the path, text.len when there is none. A quoted local part may
 * hold one itself. */
static size_t path_len(struct pp_text text)
{
    bool quoted = false;
    size_t i;

    for (i = 0; i < text.len && (quoted || text.p[i] != '>'); i++) {
        if (text.p[i] == '"') {
            quoted = !quoted;
        } else if (text.p[i] == '\\') {
            i++;
        }
    }
    return i < text.len ? i : text.len;
}

/* `@a,@b:user@c` is user@c: a route is taken and passed over (RFC 5321 4.1.1.3, appendix C). One to
 * nobody stays, and is no address: `<@a:>` must not pass for the null sender. */
static struct pp_text without_route(struct pp_text path)
{
    size_t colon = path.len > 0 && path.p[0] == '@' ? pp_text_find(path, ':') : path.len;

    return colon + 1 < path.len ? pp_text_n(path.p + colon + 1, path.len - colon - 1) : path;
}

/* Take `KEYWORD:<path>` off *rest. Blanks after the colon are no SMTP, but common. */
static bool take_path(struct pp_text *rest, const char *keyword_z, struct pp_text *path)
{
    struct pp_text keyword = pp_text_z(keyword_z);
    struct pp_text text;
    size_t len;

    if (!pp_text_starts_nocase(*rest, keyword)) {
        return false;
    }
    text = pp_text_trim(pp_text_n(rest->p + keyword.len, rest->len - keyword.len));
    if (text.len < 2 || text.p[0] != '<') {
        return false;
    }
    text = pp_text_n(text.p + 1, text.len - 1);
    len = path_len(text);
    if (len == text.len || (len + 1 < text.len && text.p[len + 1] != ' ')) {
        return false;
    }
    *path = without_route(pp_text_n(text.p, len));
    *rest = pp_text_n(text.p + len + 1, text.len - len - 1);
    return true;
}

/* ---- values ---- */

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, pp_ascii_lower(c)) : NULL;

    return at != NULL ? (int)(at - digits) : -1;
}

/* The byte that `+HH` stands for at `p`, of which `len` bytes are there; -1: none. */
static int decode_hex(const char *p, size_t len)
{
    int high = len > 2 ? hex_digit(p[1]) : -1;
    int low = len > 2 ? hex_digit(p[2]) : -1;

    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* In place: what is decoded is never longer. */
static bool decode_xtext(char *value, size_t len, struct pp_text *text)
{
    size_t put = 0;

    for (size_t i = 0; i < len; i++) {
        char c = value[i];

        if (c == '=') {
            return false;
        }
        if (c == '+') {
            int byte = decode_hex(value + i, len - i);
            if (byte < 0) {
                return false;
            }
            c = (char)byte;
            i += 2;
        }
        value[put++] = c;
    }
    *text = pp_text_n(value, put);
    return true;
}

static bool is_word(const char *value, size_t len, const char *word_z)
{
    return pp_text_equal_nocase(pp_text_n(value, len), pp_text_z(word_z));
}

/* ---- parameters of MAIL ---- */

struct reading {
    struct pp_server_mail *mail; /* of MAIL */
    struct pp_recipient *rcpt;   /* of RCPT */
    uint64_t size_limit;
};

static const char *take_size(struct reading *r, char *value, size_t len)
{
    enum pp_err err = pp_text_to_u64(pp_text_n(value, len), r->size_limit, &r->mail->size_bytes);

    if (err == PP_ERR_RANGE) {
        return "552 5.3.4 the message is larger than the limit";
    }
    return err == PP_OK ? NULL : bad_value;
}

static const char *take_body(struct reading *r, char *value, size_t len)
{
    r->mail->body_8bitmime = is_word(value, len, "8BITMIME");
    return r->mail->body_8bitmime || is_word(value, len, "7BIT") ? NULL : bad_value;
}

static const char *take_smtputf8(struct reading *r, char *value, size_t len)
{
    (void)value;
    (void)len;
    r->mail->smtputf8 = true;
    return NULL;
}

/* xtext of printable octets: kept as sent (RFC 3461 4). */
static bool is_xtext(const char *value, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        int byte = value[i] == '+' ? decode_hex(value + i, len - i) : value[i];

        if (value[i] == '=' || byte < 0x20 || byte > 0x7E) {
            return false;
        }
        i += value[i] == '+' ? 2 : 0;
    }
    return true;
}

static const char *take_ret(struct reading *r, char *value, size_t len)
{
    r->mail->ret = is_word(value, len, "FULL")   ? PP_DSN_RET_FULL
                   : is_word(value, len, "HDRS") ? PP_DSN_RET_HDRS
                                                 : PP_DSN_RET_UNSAID;
    return r->mail->ret != PP_DSN_RET_UNSAID ? NULL : bad_value;
}

static const char *take_envid(struct reading *r, char *value, size_t len)
{
    r->mail->envid = pp_text_n(value, len);
    return len <= PP_ENVID_MAX && is_xtext(value, len) ? NULL : bad_value;
}

/* RFC 4954 5: who submitted it first, which we neither check nor pass on. */
static const char *take_auth(struct reading *r, char *value, size_t len)
{
    (void)r;
    (void)value;
    (void)len;
    return NULL;
}

static const char *take_kind(struct reading *r, char *value, size_t len)
{
    r->mail->alert = is_word(value, len, "alert");
    return r->mail->alert || is_word(value, len, "message") ? NULL : bad_value;
}

static const char *take_severity(struct reading *r, char *value, size_t len)
{
    return pp_severity_from_text(pp_text_n(value, len), &r->mail->severity) == PP_OK ? NULL
                                                                                     : bad_value;
}

static const char *take_subject(struct reading *r, char *value, size_t len)
{
    return decode_xtext(value, len, &r->mail->subject) ? NULL : bad_value;
}

static const char *take_name(struct reading *r, char *value, size_t len)
{
    return decode_xtext(value, len, &r->mail->sender_name) ? NULL : bad_value;
}

static const char *take_default_from(struct reading *r, char *value, size_t len)
{
    (void)value;
    (void)len;
    r->mail->default_sender = true;
    return NULL;
}

static const char *take_default_to(struct reading *r, char *value, size_t len)
{
    (void)value;
    (void)len;
    r->mail->default_recipients = true;
    return NULL;
}

/* ---- parameters of RCPT ---- */

static const char *take_notify(struct reading *r, char *value, size_t len)
{
    struct pp_text rest = pp_text_n(value, len);
    uint8_t notify = 0;

    if (value[len - 1] == ',') {
        return bad_value;
    }
    while (rest.len > 0) {
        struct pp_text word = pp_text_cut(&rest, ',');
        uint8_t bit = is_word(word.p, word.len, "NEVER")     ? PP_DSN_NOTIFY_NEVER
                      : is_word(word.p, word.len, "SUCCESS") ? PP_DSN_NOTIFY_SUCCESS
                      : is_word(word.p, word.len, "FAILURE") ? PP_DSN_NOTIFY_FAILURE
                      : is_word(word.p, word.len, "DELAY")   ? PP_DSN_NOTIFY_DELAY
                                                             : 0;
        if (bit == 0 || (notify & bit) != 0) {
            return bad_value;
        }
        notify |= bit;
    }
    r->rcpt->notify = notify;
    return (notify & PP_DSN_NOTIFY_NEVER) != 0 && notify != PP_DSN_NOTIFY_NEVER ? bad_value : NULL;
}

static const char *take_orcpt(struct reading *r, char *value, size_t len)
{
    struct pp_text text = pp_text_n(value, len);
    struct pp_text type = pp_text_cut(&text, ';');

    r->rcpt->orcpt = pp_text_n(value, len);
    return len <= PP_ORCPT_MAX && type.len > 0 && text.len > 0 && is_xtext(type.p, type.len) &&
                   is_xtext(text.p, text.len)
               ? NULL
               : bad_value;
}

static const struct parameter {
    const char *name_z;
    bool of_rcpt;
    bool has_value;
    bool local; /* of X-PINPOST */
    const char *(*take)(struct reading *r, char *value, size_t len);
} parameters[] = {
    {"SIZE", false, true, false, take_size},
    {"BODY", false, true, false, take_body},
    {"SMTPUTF8", false, false, false, take_smtputf8},
    {"AUTH", false, true, false, take_auth},
    {"RET", false, true, false, take_ret},
    {"ENVID", false, true, false, take_envid},
    {"X-KIND", false, true, true, take_kind},
    {"X-SEVERITY", false, true, true, take_severity},
    {"X-SUBJECT", false, true, true, take_subject},
    {"X-NAME", false, true, true, take_name},
    {"X-DEFAULT-FROM", false, false, true, take_default_from},
    {"X-DEFAULT-TO", false, false, true, take_default_to},
    {"NOTIFY", true, true, false, take_notify},
    {"ORCPT", true, true, false, take_orcpt},
};

#define PARAMETER_COUNT (sizeof(parameters) / sizeof(parameters[0]))

/* Index in the table, or PARAMETER_COUNT. */
static size_t find_parameter(const struct reading *r, struct pp_text name, bool local)
{
    for (size_t i = 0; i < PARAMETER_COUNT; i++) {
        if (parameters[i].of_rcpt == (r->rcpt != NULL) &&
            pp_text_equal_nocase(name, pp_text_z(parameters[i].name_z))) {
            return parameters[i].local && !local ? PARAMETER_COUNT : i;
        }
    }
    return PARAMETER_COUNT;
}

/* One `NAME` or `NAME=value` at `word`, `len` bytes. *seen has a bit a row of the table. */
static const char *take_parameter(struct reading *r, char *word, size_t len, bool local,
                                  unsigned *seen)
{
    size_t name_len = pp_text_find(pp_text_n(word, len), '=');
    bool has_value = name_len < len;
    size_t value_at = has_value ? name_len + 1 : len;
    size_t i = find_parameter(r, pp_text_n(word, name_len), local);

    if (i == PARAMETER_COUNT) {
        return unknown;
    }
    if ((*seen & (1u << i)) != 0) {
        return "501 5.5.4 a parameter is given twice";
    }
    *seen |= 1u << i;
    if (has_value != parameters[i].has_value || (has_value && value_at == len)) {
        return bad_value;
    }
    return parameters[i].take(r, word + value_at, len - value_at);
}

/* `text` begins at a blank, or is empty. */
static const char *take_parameters(struct reading *r, char *text, size_t len, bool local)
{
    unsigned seen = 0;
    size_t at = 0;

    while (at < len) {
        size_t end;

        if (text[at] == ' ') {
            at++;
            continue;
        }
        end = at + pp_text_find(pp_text_n(text + at, len - at), ' ');
        const char *refusal = take_parameter(r, text + at, end - at, local, &seen);
        if (refusal != NULL) {
            return refusal;
        }
        at = end;
    }
    return NULL;
}

/* ---- the commands ---- */

const char *pp_server_mail_parse(char *line, size_t len, bool local, uint64_t size_limit,
                                 struct pp_server_mail *mail)
{
    struct reading r = {.mail = mail, .size_limit = size_limit};
    struct pp_text rest = pp_text_n(line, len);
    const char *refusal;

    memset(mail, 0, sizeof(*mail));
    if (!take_path(&rest, "FROM:", &mail->sender)) {
        return bad_mail;
    }
    if (!pp_text_is_ascii(rest)) {
        return bad_value;
    }
    refusal = take_parameters(&r, line + (len - rest.len), rest.len, local);
    if (refusal != NULL) {
        return refusal;
    }
    if (!mail->smtputf8 && !pp_text_is_ascii(mail->sender)) {
        return "550 5.6.7 an address that is not ASCII needs SMTPUTF8";
    }
    if (mail->default_sender && mail->sender.len > 0) {
        return "501 5.5.4 X-DEFAULT-FROM goes with FROM:<>";
    }
    if (mail->subject.len > 0 && !mail->alert) {
        return "501 5.5.4 X-SUBJECT goes with X-KIND=alert";
    }
    return NULL;
}

const char *pp_server_rcpt_parse(char *line, size_t len, bool smtputf8, struct pp_recipient *rcpt)
{
    struct reading r = {.rcpt = rcpt};
    struct pp_text rest = pp_text_n(line, len);
    const char *refusal;

    memset(rcpt, 0, sizeof(*rcpt));
    if (!take_path(&rest, "TO:", &rcpt->address)) {
        return bad_rcpt;
    }
    if (!pp_text_is_ascii(rest)) {
        return bad_value;
    }
    refusal = take_parameters(&r, line + (len - rest.len), rest.len, false);
    if (refusal != NULL) {
        return refusal;
    }
    if (!smtputf8 && !pp_text_is_ascii(rcpt->address)) {
        return "553 5.6.7 an address that is not ASCII needs SMTPUTF8";
    }
    return NULL;
}
