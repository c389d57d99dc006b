/*
 * sendmail_options.h - the command line of sendmail(8), as cron, smartd, mdadm and mailx use it
 *
 * Job:      options to a plain struct; what other mailers know and we have no use for is passed
 * over with its argument. Not here: doing it (cmd_sendmail.c). Follows:  Postfix sendmail(1),
 * sendmail(8)
 */
#ifndef PP_POSIX_SENDMAIL_OPTIONS_H
#define PP_POSIX_SENDMAIL_OPTIONS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/text.h"
#include "recipients.h"

enum pp_sendmail_mode {
    PP_SENDMAIL_SEND, /* -bm, and what is neither of these */
    PP_SENDMAIL_LIST, /* -bp */
    PP_SENDMAIL_FLUSH /* -q */
};

struct pp_sendmail_options {
    enum pp_sendmail_mode mode;
    bool from_header;          /* -t */
    bool dots_are_text;        /* -i, -oi */
    const char *sender_z;      /* -f, -r; NULL: the caller; "" or "<>": null sender */
    const char *sender_name_z; /* -F; NULL: none given */
    const char *config_path_z; /* -C */
    bool address_wrong;        /* the error is about a recipient, not about an option */
    char error[200];           /* one line when something is wrong */
};

/*
 * Read argv[1] ... argv[argc - 1]; recipients among them are added to `recipients`.
 * Returns PP_ERR_SYNTAX (unknown option, argument missing), PP_ERR_UNSUPPORTED (-bs, -bd and their
 * like), or as pp_recipients_add(); `error` has words.
 */
PP_MUST_USE enum pp_err pp_sendmail_options_read(struct pp_sendmail_options *options,
                                                 struct pp_recipients *recipients, int argc,
                                                 char **argv);

#endif
