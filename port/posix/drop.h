/*
 * drop.h - mail that waits for the daemon in a directory
 *
 * Job:      the format that drop_write.c writes and drop.c takes in.
 *
 * When the daemon is down, send and sendmail leave mail in the drop directory, which belongs to the
 * relay's user and group, mode 3733: anybody may create a file in it, nobody may list it or remove
 * another's, and files get the directory's group, so that the relay may read them.
 *
 * Writing: create `tmp-RANDOM` (O_CREAT|O_EXCL|O_NOFOLLOW, mode 0640 by fchmod whatever the umask),
 * write, fsync, rename to `new-RANDOM`, make the rename durable: fsync of the directory, or, as a
 * caller who may not read the directory cannot open it, syncfs() of the file. RANDOM is 32
 * hexadecimal digits of getrandom(). On any failure the file is unlinked.
 *
 * A file is a header of lines `KEY VALUE` ending in LF, an empty line, and the content with any
 * line ends:
 *
 *     pinpost-drop 1                 first line, exactly
 *     kind alert                     or message
 *     severity critical              info, notice, warning, critical; default info
 *     sender root@nas.example        or <> for the null sender; default the configuration's
 *     name QmFja3Vw                  sender's name, base64 of UTF-8
 *     subject RGlzayAzIGZhaWxlZA==   base64 of UTF-8; alerts only
 *     recipient admin@example.org    one a line, any number
 *     default-to                     also the configuration's recipients
 *     8bitmime                       BODY=8BITMIME was declared
 *     smtputf8
 *
 * Who wrote it is the owner of the file as fstat() tells; nothing in the file can change that. A
 * file that is not like this is renamed to `bad-RANDOM` and reported in the log; so is one without
 * any good recipient, while a bad recipient among good ones is reported alone. A `tmp-` file older
 * than a day is removed. A `new-` file is unlinked only when its message is durable in the
 * store; after a crash in between the queue knows it by its digits, and it is not taken in again.
 */
#ifndef PP_POSIX_DROP_H
#define PP_POSIX_DROP_H

#include <sys/types.h>

#include "pinpost.h"

#define PP_DROP_FIRST_LINE     "pinpost-drop 1"
#define PP_DROP_KIND           "kind"
#define PP_DROP_SEVERITY       "severity"
#define PP_DROP_SENDER         "sender"
#define PP_DROP_NAME           "name"
#define PP_DROP_SUBJECT        "subject"
#define PP_DROP_RECIPIENT      "recipient"
#define PP_DROP_DEFAULT_TO     "default-to"
#define PP_DROP_8BITMIME       "8bitmime"
#define PP_DROP_SMTPUTF8       "smtputf8"
#define PP_DROP_TMP            "tmp-"
#define PP_DROP_NEW            "new-"
#define PP_DROP_BAD            "bad-"
#define PP_DROP_RANDOM_DIGITS  32
#define PP_DROP_NAME_LEN       36   /* prefix and digits */
#define PP_DROP_LINE_MAX       2048 /* of the header, without the LF */
#define PP_DROP_LINES_MAX      (PP_RECIPIENTS_MAX + 16)
#define PP_DROP_FILE_MODE      0640
#define PP_DROP_DIRECTORY_MODE 03733
#define PP_DROP_TMP_AGE_S      86400

#endif
