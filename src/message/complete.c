/*
 * complete.c - addresses without a domain in a header field get one
 *
 * Job:      see complete.h. First all places are found, then the field is changed: a field that is
 *           not understood to its end is not touched.
 * Follows:  RFC 5322 3.2.3 (atext), 3.4
 */
#include "message/complete.h"

#include <stdbool.h>
#include <string.h>

struct search {
    struct pp_text text; /* the whole field */
    size_t at;
    bool failed; /* not understood */
    /* the mailbox under way */
    uint32_t words;
    bool bare, angle, has_at; /* of its last word, and of any */
    size_t word_end;
    uint32_t count;
    size_t places[PP_COMPLETE_MAX];
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* RFC 5322 3.2.3, and the dot; ASCII only. */
static bool is_local_byte(char c)
{
    return pp_ascii_is_alpha(c) || pp_ascii_is_digit(c) ||
           (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL);
}

static bool is_bare_local(struct pp_text word)
{
    for (size_t i = 0; i < word.len; i++) {
        bool dot = word.p[i] == '.';

        if (!is_local_byte(word.p[i]) ||
            (dot && (i == 0 || i + 1 == word.len || word.p[i + 1] == '.'))) {
            return false;
        }
    }
    return word.len > 0 && word.len <= 64;
}

static void add_place(struct search *s, size_t place)
{
    if (s->count == PP_COMPLETE_MAX) {
        s->failed = true;
        return;
    }
    s->places[s->count++] = place;
}

static void end_mailbox(struct search *s)
{
    if (!s->angle && s->words == 1 && s->bare) {
        add_place(s, s->word_end);
    } else if (!s->angle && s->words > 0 && !s->has_at) {
        s->failed = true;
    }
    s->words = 0;
    s->bare = s->angle = s->has_at = false;
}

/* RFC 5322 3.2.2, 3.2.4: up to the end of a quoted string or comment. */
static void skip_quoted(struct search *s, char open, char close)
{
    uint32_t depth = 0;

    for (; s->at < s->text.len; s->at++) {
        char c = s->text.p[s->at];

        if (c == '\\') {
            s->at++;
        } else if (c == close && (open != close || depth > 0)) {
            depth--;
        } else if (c == open) {
            depth++;
        }
        if (depth == 0) {
            s->at++;
            return;
        }
    }
    s->failed = true;
}

static void take_angle(struct search *s)
{
    struct pp_text rest = pp_text_n(s->text.p + s->at + 1, s->text.len - s->at - 1);
    size_t len = pp_text_find(rest, '>');
    struct pp_text inner = pp_text_n(rest.p, len);

    if (len == 0 || len == rest.len || s->angle || pp_text_find(inner, '"') < len ||
        pp_text_find(inner, '<') < len ||
        (pp_text_find(inner, '@') == len && !is_bare_local(inner))) {
        s->failed = true;
        return;
    }
    s->angle = true;
    if (pp_text_find(inner, '@') == len) {
        add_place(s, s->at + 1 + len);
    }
    s->at += len + 2;
}

static void take_word(struct search *s)
{
    size_t begin = s->at;
    struct pp_text word;

    while (s->at < s->text.len && !is_blank(s->text.p[s->at]) &&
           (s->text.p[s->at] == '\0' || strchr(",()\"<>:;[]\\", s->text.p[s->at]) == NULL)) {
        s->at++;
    }
    word = pp_text_n(s->text.p + begin, s->at - begin);
    s->failed |= word.len == 0 || s->angle;
    s->words++;
    s->bare = is_bare_local(word);
    s->has_at |= pp_text_find(word, '@') < word.len;
    s->word_end = s->at;
}

static void take_next(struct search *s)
{
    char c = s->text.p[s->at];

    if (is_blank(c)) {
        s->at++;
    } else if (c == ',') {
        end_mailbox(s);
        s->at++;
    } else if (c == '(') {
        skip_quoted(s, '(', ')');
    } else if (c == '"') {
        skip_quoted(s, '"', '"');
        s->words++;
        s->bare = false;
        s->failed |= s->angle;
    } else if (c == '<') {
        take_angle(s);
    } else {
        take_word(s);
    }
}

size_t pp_complete_field(uint8_t *field, size_t len, size_t cap, struct pp_text domain)
{
    struct search s = {.text = pp_text_n(field, len)};
    size_t colon = pp_text_find(s.text, ':');

    for (s.at = colon + 1; s.at < len && !s.failed;) {
        take_next(&s);
    }
    end_mailbox(&s);
    if (s.failed || s.count == 0 || domain.len == 0 || !pp_text_is_ascii(domain) ||
        pp_text_has_line_break(domain) || len + s.count * (domain.len + 1) > cap) {
        return len;
    }
    for (uint32_t i = s.count; i > 0; i--) {
        uint8_t *place = field + s.places[i - 1];

        memmove(place + domain.len + 1, place, len - s.places[i - 1]);
        place[0] = '@';
        memcpy(place + 1, domain.p, domain.len);
        len += domain.len + 1;
    }
    return len;
}
