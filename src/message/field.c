/*
 * field.c - is this line a header field, and which?
 *
 * Job:      see field.h.
 * Follows:  RFC 5322 2.2 (ftext is 33 to 126 without the colon)
 */
#include "message/field.h"

#include <stddef.h>

static const struct {
    const char *name_z;
    enum pp_field field;
} fields[] = {
    {"Date", PP_FIELD_DATE},
    {"From", PP_FIELD_FROM},
    {"To", PP_FIELD_TO},
    {"Cc", PP_FIELD_CC},
    {"Bcc", PP_FIELD_BCC},
    {"Resent-Bcc", PP_FIELD_BCC},
    {"Sender", PP_FIELD_SENDER},
    {"Subject", PP_FIELD_SUBJECT},
    {"Message-ID", PP_FIELD_MESSAGE_ID},
    {"Return-Path", PP_FIELD_RETURN_PATH},
    {"MIME-Version", PP_FIELD_MIME_VERSION},
    {"Content-Type", PP_FIELD_CONTENT_TYPE},
    {"Content-Transfer-Encoding", PP_FIELD_CONTENT_TRANSFER_ENCODING},
    {"Received", PP_FIELD_RECEIVED},
    {"Reply-To", PP_FIELD_REPLY_TO},
    {"DKIM-Signature", PP_FIELD_DKIM_SIGNATURE},
};

static struct pp_text name_of(const struct pp_field_scan *s)
{
    return pp_text_n(s->name, s->name_len < PP_FIELD_NAME_CAP ? s->name_len : PP_FIELD_NAME_CAP);
}

void pp_field_scan(struct pp_field_scan *s, char c)
{
    bool blank = c == ' ' || c == '\t';

    if (s->kind != PP_LINE_OPEN) {
        return;
    }
    if (c == ':' && s->name_len > 0) {
        s->kind = PP_LINE_FIELD;
    } else if (blank && s->name_len == 0) {
        s->kind = PP_LINE_CONTINUATION;
    } else if (blank && s->blanks < PP_FIELD_BLANKS_MAX) {
        s->blanks++;
    } else if (s->blanks > 0 && s->name_len == 4 && pp_text_equal(name_of(s), pp_text_z("From"))) {
        s->kind = PP_LINE_FROM;
    } else if (s->blanks > 0 || c <= ' ' || c > '~' || c == ':' ||
               s->name_len >= PP_FIELD_NAME_MAX) {
        s->kind = PP_LINE_OTHER;
    } else {
        if (s->name_len < PP_FIELD_NAME_CAP) {
            s->name[s->name_len] = c;
        }
        s->name_len++;
    }
}

enum pp_field pp_field_of(const struct pp_field_scan *s)
{
    struct pp_text name = pp_text_n(s->name, s->name_len);

    if (s->name_len > PP_FIELD_NAME_CAP) {
        return PP_FIELD_OTHER;
    }
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (pp_text_equal_nocase(name, pp_text_z(fields[i].name_z))) {
            return fields[i].field;
        }
    }
    return PP_FIELD_OTHER;
}
