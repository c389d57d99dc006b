/*
 * submit_client.h - hands one message to the daemon over submit.sock
 *
 * Job:      speak SMTP with the daemon's extension X-PINPOST, wait with time limits, and say in
 *           one word what became of the message.
 * Not here: what to do when the daemon is down (handover.h), exit codes (handover.h).
 * Follows:  RFC 5321, 1870 (SIZE), 6152 (8BITMIME), 6531 (SMTPUTF8), 3461 4 (xtext)
 */
#ifndef PP_POSIX_SUBMIT_CLIENT_H
#define PP_POSIX_SUBMIT_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "input.h"
#include "pinpost.h"
#include "recipients.h"

/* A message and its envelope, as a command was told. Nothing in it is copied. */
struct pp_handover {
    enum pp_kind kind;
    enum pp_severity severity;
    bool default_sender;        /* the configuration's; else `sender`, "" is the null sender */
    bool default_recipients;    /* the configuration's, beside those of the list */
    struct pp_text sender;      /* one line; a bare local part is completed by the daemon */
    struct pp_text sender_name; /* UTF-8, one line */
    struct pp_text subject;     /* alerts: UTF-8, one line */
    const struct pp_recipients *recipients;
    struct pp_input *input;
};

enum pp_submit_end {
    PP_SUBMIT_TAKEN,     /* durable in the daemon's flash: `id` */
    PP_SUBMIT_NOT_ASKED, /* the daemon is not there, or went away before it had all: it has nothing
                          */
    PP_SUBMIT_LATER,     /* it said "not now" (4yz): it has nothing */
    PP_SUBMIT_REFUSED,   /* it said "never" (5yz): it has nothing */
    PP_SUBMIT_UNKNOWN,   /* lost between the last byte and the reply: it may have the message */
    PP_SUBMIT_UNREAD     /* our own input cannot be read again: errno */
};

struct pp_submit_result {
    enum pp_submit_end end;
    unsigned code;           /* of the reply that decided, 0 when there was none */
    char id[16];             /* the queue id as the daemon wrote it, "" when unknown */
    char text[600];          /* the reply, or what failed; safe to print */
    uint32_t refused;        /* recipients refused one by one, though others were taken */
    unsigned refused_code;   /* of the last of them */
    char refused_reply[600]; /* to the last of them */
    char refused_text[900];  /* which and why, the first of them */
};

struct pp_submit_limits {
    uint32_t greeting_ms; /* to be let in: a busy daemon serves others first */
    uint32_t reply_ms;    /* a reply, or the daemon taking a block of content */
    uint32_t end_ms;      /* the last reply, which waits for the flash */
};
extern const struct pp_submit_limits pp_submit_limits_usual; /* 20 s, 1 min, 5 min */

/* Blocks for as long as `limits` say. The message is read from its start. */
void pp_submit_client_send(const char *socket_path_z, const struct pp_handover *mail,
                           const struct pp_submit_limits *limits, struct pp_submit_result *result);

#endif
