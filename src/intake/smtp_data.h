/*
 * smtp_data.h - where a message ends, and where it is not clean
 *
 * Job:      the bytes behind DATA or BDAT: takes stuffed dots out, finds the end of data, notices
 *           bare CR, bare LF and NUL, or makes line ends of them.
 * Not here: what follows from a notice (intake/smtp_server.c).
 * Follows:  RFC 5321 4.5.2 (transparency), 2.3.8 and 4.1.1.4 (CRLF alone ends a line; only
 *           CRLF.CRLF ends a message)
 */
#ifndef PP_INTAKE_SMTP_DATA_H
#define PP_INTAKE_SMTP_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

enum pp_data_place {
    PP_DATA_LINE_START, /* behind CRLF, or at the very start */
    PP_DATA_DOT,        /* behind CRLF and a dot */
    PP_DATA_DOT_CR,     /* behind CRLF, a dot and CR */
    PP_DATA_TEXT,
    PP_DATA_CR, /* behind a CR in text */
    PP_DATA_END /* the end of data was taken */
};

/* All zero but the two modes is the start of a message. */
struct pp_server_data {
    bool normalize; /* a bare CR or LF becomes CRLF; else it spoils the message */
    bool chunks;    /* of BDAT: dots mean nothing, and nothing in it is its end */
    enum pp_data_place place;
    bool unclean; /* a bare CR, a bare LF or NUL was seen */
};

/*
 * Bytes at the start of `p` that are no content: a stuffed dot, or the end of data, at which place
 * becomes PP_DATA_END. Goes first, whenever bytes came.
 */
size_t pp_server_data_skip(struct pp_server_data *c, const uint8_t *p, size_t len);
/*
 * The next piece of content, of which *taken bytes lie at the start of `p` (they differ where it is
 * made clean). The rest is for skip, then for this one again. Nothing that is clean is held back,
 * but with `normalize` a CR for its LF: a message in pieces of any size gives the same content.
 * Empty with *taken 0: nothing to take.
 */
struct pp_text pp_server_data_next(struct pp_server_data *c, const uint8_t *p, size_t len,
                                   size_t *taken);
/* The last chunk is over: what is still to come of a line end, or a bare CR is noticed. */
struct pp_text pp_server_data_last(struct pp_server_data *c);

#endif
