/*
 * err.h - the one list of things that can go wrong
 *
 * Job:      error codes that every room returns, and their words for a log line.
 * Not here: verdicts on mail (delivery/verdict.h): an error says what happened to us,
 *           a verdict says what happens to the mail.
 */
#ifndef PP_BASE_ERR_H
#define PP_BASE_ERR_H

#define PP_MUST_USE __attribute__((warn_unused_result))

enum pp_err {
    PP_OK = 0,
    PP_ERR_LATER,       /* nothing wrong: call again when there is more input or time */
    PP_ERR_CLOSED,      /* the other end closed in an orderly way */
    PP_ERR_IO,          /* the transport failed */
    PP_ERR_REFUSED,     /* the other end refused the connection */
    PP_ERR_UNREACHABLE, /* no route to the other end */
    PP_ERR_TIMEOUT,     /* the time for this step is over */
    PP_ERR_FULL,        /* no room in the queue or in flash; nothing was kept */
    PP_ERR_DRY,         /* a memory pool is empty for now */
    PP_ERR_TOO_BIG,     /* larger than a stated limit */
    PP_ERR_SYNTAX,      /* the input is malformed */
    PP_ERR_RANGE,       /* a number outside what is allowed */
    PP_ERR_INJECTION,   /* CR, LF or NUL where text of one line belongs */
    PP_ERR_EMPTY,       /* no content or no recipient */
    PP_ERR_NOT_FOUND,   /* no such thing */
    PP_ERR_STATE,       /* not possible in this state */
    PP_ERR_FLASH,       /* the medium failed to read, program, erase or sync */
    PP_ERR_DAMAGED,     /* stored bytes fail their checksum */
    PP_ERR_VERSION,     /* stored by a format that we do not know; left untouched */
    PP_ERR_BUSY,        /* somebody else holds it */
    PP_ERR_ENTROPY,     /* no randomness to be had */
    PP_ERR_TRUST,       /* TLS failed, or the peer is not whom the policy wants */
    PP_ERR_UNSUPPORTED, /* known, but not in this build or not from this peer */
    PP_ERR_DENIED,      /* the caller may not do this */
    PP_ERR_LIMIT,       /* more than its quota allows for now */
    PP_ERR_LOOP         /* the message has been through too many relays */
};

/* A short English phrase for `err`, NUL-terminated, never NULL. */
const char *pp_err_text(enum pp_err err);

/* Keep the first error: assigns `next` to `*first` only if `*first` is PP_OK. */
void pp_err_keep(enum pp_err *first, enum pp_err next);

#endif
