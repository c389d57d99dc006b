/*
 * text.h - text as pointer and length, and a bounded writer
 *
 * Job:      views of text, comparisons, parsing of numbers, and a writer that never
 *           passes its end and remembers that it wanted to.
 * Not here: what the text means (message/, config/).
 */
#ifndef PP_BASE_TEXT_H
#define PP_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A view: bytes that somebody else owns. `p` may be NULL when `len` is 0. */
struct pp_text {
    const char *p;
    size_t len;
};

struct pp_text pp_text_z(const char *text_z); /* NULL gives the empty text */
struct pp_text pp_text_n(const void *p, size_t len);
bool pp_text_equal(struct pp_text a, struct pp_text b);
/* ASCII letters are compared without regard to case (RFC 5321 2.4). */
bool pp_text_equal_nocase(struct pp_text a, struct pp_text b);
bool pp_text_starts_nocase(struct pp_text text, struct pp_text prefix);
struct pp_text pp_text_trim(struct pp_text text); /* spaces and tabs at both ends */
/* Cut the part up to `separator` off `*rest`; without one, all of it. */
struct pp_text pp_text_cut(struct pp_text *rest, char separator);
/* First position of `c`, or text.len. */
size_t pp_text_find(struct pp_text text, char c);
/* True if a byte is CR, LF or NUL: such text must not get into a command or a header. */
bool pp_text_has_line_break(struct pp_text text);
bool pp_text_is_ascii(struct pp_text text);
/* True if the bytes are well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates). */
bool pp_text_is_utf8(struct pp_text text);
/* Decimal digits only. PP_ERR_SYNTAX for anything else, PP_ERR_RANGE above `max`. */
PP_MUST_USE enum pp_err pp_text_to_u64(struct pp_text text, uint64_t max, uint64_t *value);
char pp_ascii_lower(char c);
bool pp_ascii_is_digit(char c);
bool pp_ascii_is_alpha(char c);

/*
 * A writer into `cap` bytes at `data`. What does not fit is left out whole byte by byte and
 * `overflow` is set, once and for all: check it at the end, as one checks an error.
 */
struct pp_writer {
    char *data;
    size_t cap;
    size_t len;
    bool overflow;
};

void pp_writer_init(struct pp_writer *w, void *data, size_t cap);
void pp_put(struct pp_writer *w, const void *bytes, size_t len);
void pp_put_z(struct pp_writer *w, const char *text_z);
void pp_put_text(struct pp_writer *w, struct pp_text text);
void pp_put_char(struct pp_writer *w, char c);
void pp_put_u64(struct pp_writer *w, uint64_t value);
void pp_put_u64_pad(struct pp_writer *w, uint64_t value, unsigned digits); /* leading zeros */
void pp_put_i64(struct pp_writer *w, int64_t value);
void pp_put_hex(struct pp_writer *w, const void *bytes, size_t len, char separator); /* 0: none */
/*
 * Text from a peer or a file made safe for one line of a log: control bytes, `"`, `\` and
 * bytes that are not UTF-8 become \xHH; at most `max` bytes of input are shown.
 */
void pp_put_safe(struct pp_writer *w, struct pp_text text, size_t max);
/* The same as a value of key=value: quoted where it has a space, `=` or is empty. */
void pp_put_value(struct pp_writer *w, struct pp_text text, size_t max);
struct pp_text pp_writer_text(const struct pp_writer *w);

#endif
