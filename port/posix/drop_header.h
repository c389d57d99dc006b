/*
 * drop_header.h - the header of a file in the drop directory
 *
 * Job:      lines of a file through a bounded buffer; what the header says.
 * Not here: the directory, and handing the mail in (drop_take.h).
 * Follows:  drop.h
 */
#ifndef PP_POSIX_DROP_HEADER_H
#define PP_POSIX_DROP_HEADER_H

#include "drop.h"

struct pp_drop_reader {
    int fd;
    size_t at, len;
    char bytes[16384];
};

struct pp_drop_header {
    enum pp_kind kind;
    enum pp_severity severity;
    bool body_8bitmime, smtputf8;
    uint64_t bytes;                       /* of the file, up to the content */
    struct pp_text sender, name, subject; /* views into `text` */
    size_t text_len;
    char text[PP_ADDRESS_CAP + 256 + 900];
};

/* From the start of the file again. PP_ERR_IO. */
PP_MUST_USE enum pp_err pp_drop_rewind(struct pp_drop_reader *r);
/*
 * The next line without its LF, valid until the next call. PP_ERR_TOO_BIG (longer than
 * PP_DROP_LINE_MAX), PP_ERR_CLOSED (the file ends before the LF), PP_ERR_IO.
 */
PP_MUST_USE enum pp_err pp_drop_line(struct pp_drop_reader *r, struct pp_text *line);
/* Bytes behind the line read last: up to what is buffered; *len 0 at the end of the file.
 * PP_ERR_IO. */
PP_MUST_USE enum pp_err pp_drop_content(struct pp_drop_reader *r, const char **bytes, size_t *len);
/*
 * All lines of the header, the empty one too; recipients are only checked to be lines.
 * PP_ERR_SYNTAX (unknown key, bad value, given twice, no first line), PP_ERR_TOO_BIG,
 * PP_ERR_CLOSED, PP_ERR_IO.
 */
PP_MUST_USE enum pp_err pp_drop_header_read(struct pp_drop_reader *r,
                                            struct pp_drop_header *header);
/* "KEY VALUE" into its parts. */
struct pp_text pp_drop_key(struct pp_text line, struct pp_text *value);

#endif
