/*
 * smtp_data.h - where a message ends, and where it is not clean
 *
 * Job:      the bytes behind DATA: takes stuffed dots out, finds the end of data, notices bare
 *           CR, bare LF and NUL.
 * Not here: what follows from a notice (intake/smtp_server.c).
 * Follows:  RFC 5321 4.5.2 (transparency), 2.3.8 and 4.1.1.4 (CRLF alone ends a line; only
 *           CRLF.CRLF ends a message)
 */
#ifndef PP_INTAKE_SMTP_DATA_H
#define PP_INTAKE_SMTP_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pp_data_place {
    PP_DATA_LINE_START, /* behind CRLF, or at the very start */
    PP_DATA_DOT,        /* behind CRLF and a dot */
    PP_DATA_DOT_CR,     /* behind CRLF, a dot and CR */
    PP_DATA_TEXT,
    PP_DATA_CR, /* behind a CR in text */
    PP_DATA_END /* the end of data was taken */
};

/* All zero is the start of a message. */
struct pp_server_data {
    enum pp_data_place place;
    bool unclean; /* a bare CR, a bare LF or NUL was seen */
};

/*
 * Bytes at the start of `p` that are no content: a stuffed dot, or the end of data, at which place
 * becomes PP_DATA_END. Goes first, whenever bytes came.
 */
size_t pp_server_data_skip(struct pp_server_data *c, const uint8_t *p, size_t len);
/*
 * Bytes at the start of `p` that are content as it stands, in one piece. The rest is for skip, then
 * for this one again. Nothing is held back: a message in pieces of any size gives the same content.
 */
size_t pp_server_data_run(struct pp_server_data *c, const uint8_t *p, size_t len);

#endif
