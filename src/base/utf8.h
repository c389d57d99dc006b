/*
 * utf8.h - one character of UTF-8 at a time
 *
 * Job:      tell how long the sequence at the start of a text is.
 * Follows:  RFC 3629 section 4: no overlong forms, no surrogates, nothing above U+10FFFF
 */
#ifndef PP_BASE_UTF8_H
#define PP_BASE_UTF8_H

#include <stddef.h>

#include "base/text.h"

/* Bytes of the character that `text` begins with, 1 to 4; 0 when it is empty or not UTF-8. */
size_t pp_utf8_sequence(struct pp_text text);

#endif
