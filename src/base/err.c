/*
 * err.c - words for error codes
 *
 * Job:      one phrase a code, for a log line or an operator.
 * Not here: advice (the rooms that know the circumstances give it).
 */
#include "base/err.h"

const char *pp_err_text(enum pp_err err)
{
    switch (err) {
    case PP_OK:
        return "no error";
    case PP_ERR_LATER:
        return "not yet";
    case PP_ERR_CLOSED:
        return "connection closed by the other end";
    case PP_ERR_IO:
        return "connection lost";
    case PP_ERR_REFUSED:
        return "connection refused";
    case PP_ERR_UNREACHABLE:
        return "host or network unreachable";
    case PP_ERR_TIMEOUT:
        return "timed out";
    case PP_ERR_FULL:
        return "no room left";
    case PP_ERR_DRY:
        return "out of slots for now";
    case PP_ERR_TOO_BIG:
        return "too big";
    case PP_ERR_SYNTAX:
        return "malformed";
    case PP_ERR_RANGE:
        return "out of range";
    case PP_ERR_INJECTION:
        return "line break or NUL inside a line";
    case PP_ERR_EMPTY:
        return "no content or no recipient";
    case PP_ERR_NOT_FOUND:
        return "not found";
    case PP_ERR_STATE:
        return "not possible now";
    case PP_ERR_FLASH:
        return "the store's medium failed";
    case PP_ERR_DAMAGED:
        return "stored bytes are damaged";
    case PP_ERR_VERSION:
        return "stored in an unknown format, left untouched";
    case PP_ERR_BUSY:
        return "in use by somebody else";
    case PP_ERR_ENTROPY:
        return "no randomness to be had";
    case PP_ERR_TRUST:
        return "TLS failed or the peer is not trusted";
    case PP_ERR_UNSUPPORTED:
        return "not supported";
    case PP_ERR_DENIED:
        return "not allowed";
    case PP_ERR_LIMIT:
        return "over its quota for now";
    case PP_ERR_LOOP:
        return "the message goes round in a loop";
    }
    return "unknown error";
}

void pp_err_keep(enum pp_err *first, enum pp_err next)
{
    if (*first == PP_OK)
        *first = next;
}
