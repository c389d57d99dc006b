/*
 * relay_mail.h - the mails of bench-relay: 2 KiB, each with a token, each known to its last byte
 *
 * The subject says `bench RUN NUMBER BEGAN`: which run, which mail of it, and when its submission
 * began (nanoseconds of CLOCK_MONOTONIC). The text follows from the number, so the sink can tell a
 * mail that came as it went in from one that did not.
 */
#ifndef PP_BENCH_RELAY_MAIL_H
#define PP_BENCH_RELAY_MAIL_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RELAY_SENDER       "sender@bench.example.test"
#define RELAY_RECIPIENT    "recipient@bench.example.test"
#define RELAY_SUBJECT      "Subject: bench "
#define RELAY_BODY_LINES   28u
#define RELAY_LINE_BYTES   66u /* with its end */
#define RELAY_BODY_BYTES   (RELAY_BODY_LINES * RELAY_LINE_BYTES)
#define RELAY_CONTENT_CAP  4096u
#define RELAY_MESSAGES_MAX 1000000u

struct relay_token {
    uint32_t run;
    uint32_t number;
    uint64_t began_ns;
};

static inline void relay_put_body(char out[RELAY_BODY_BYTES], uint32_t number)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-+";
    for (unsigned line = 0; line < RELAY_BODY_LINES; line++) {
        unsigned turn = (number * 7 + line) % (RELAY_LINE_BYTES - 2);
        char *at = out + (size_t)line * RELAY_LINE_BYTES;
        memcpy(at, letters + turn, RELAY_LINE_BYTES - 2 - turn);
        memcpy(at + RELAY_LINE_BYTES - 2 - turn, letters, turn);
        memcpy(at + RELAY_LINE_BYTES - 2, "\r\n", 2);
    }
}

/* Header, text and the final dot; the length. */
static inline size_t relay_put_content(char out[RELAY_CONTENT_CAP], const struct relay_token *token)
{
    int head =
        snprintf(out, RELAY_CONTENT_CAP,
                 "From: <" RELAY_SENDER ">\r\nTo: <" RELAY_RECIPIENT ">\r\n" RELAY_SUBJECT
                 "%" PRIu32 " %" PRIu32 " %" PRIu64 "\r\nDate: Mon, 05 Jan 2026 10:00:00 +0000\r\n"
                 "Message-ID: <%" PRIu32 ".%" PRIu32 "@bench.example.test>\r\n\r\n",
                 token->run, token->number, token->began_ns, token->run, token->number);
    size_t len = (size_t)head;
    relay_put_body(out + len, token->number);
    len += RELAY_BODY_BYTES;
    memcpy(out + len, ".\r\n", 3);
    return len + 3;
}

/* False when `content`, without its final dot, has no token or is not what was sent. */
static inline int relay_read_content(const char *content, size_t len, struct relay_token *token)
{
    char body[RELAY_BODY_BYTES];
    const char *subject = memmem(content, len, RELAY_SUBJECT, sizeof(RELAY_SUBJECT) - 1);
    const char *text = memmem(content, len, "\r\n\r\n", 4);
    if (subject == NULL || text == NULL ||
        sscanf(subject + sizeof(RELAY_SUBJECT) - 1, "%" SCNu32 " %" SCNu32 " %" SCNu64, &token->run,
               &token->number, &token->began_ns) != 3)
        return 0;
    text += 4;
    relay_put_body(body, token->number);
    return (size_t)(content + len - text) == sizeof(body) && memcmp(text, body, sizeof(body)) == 0;
}

#endif
