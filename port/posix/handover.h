/*
 * handover.h - one message to the daemon, or to the drop directory while it is away
 *
 * Job:      try submit.sock, fall back to the drop directory when the daemon has certainly taken
 *           nothing, tell the caller in words and in a sysexits code.
 * Not here: the dialogue (submit_client.h), the file (drop_write.h), options (cmd_*.c).
 * Follows:  sysexits.h
 */
#ifndef PP_POSIX_HANDOVER_H
#define PP_POSIX_HANDOVER_H

#include <stdbool.h>

#include "submit_client.h"

struct pp_handover_outcome {
    int exit_code;   /* 0: durable in the queue, or in the drop directory */
    bool dropped;    /* it lies in the drop directory */
    char id[16];     /* queue id, "" when dropped or unknown */
    char text[1400]; /* one line for a person; "" when there is nothing to say */
};

/*
 * Hand it over. A daemon that says "not now" keeps its word: EX_TEMPFAIL, and nothing is dropped
 * behind its back. Recipients refused one by one do not keep the others waiting: the message is
 * taken, and exit_code and text speak of them.
 */
void pp_handover_give(const char *submit_socket_z, const char *drop_directory_z,
                      const struct pp_handover *mail, struct pp_handover_outcome *outcome);

/*
 * What is refused without asking anybody: an empty message, NUL in it, line breaks in texts of one
 * line. True when it may go on.
 */
bool pp_handover_check(const struct pp_handover *mail, struct pp_handover_outcome *outcome);

/* The sysexits code of a reply: see docs/sendmail.md. */
int pp_handover_exit_code(unsigned code, const char *reply_z);

#endif
