/*
 * drop_write.h - leaves one message in the drop directory
 *
 * Job:      the writing side of drop.h: the file is there whole and durable, or not at all.
 * Not here: the format (drop.h), taking it in (drop.c), when to drop (handover.h).
 */
#ifndef PP_POSIX_DROP_WRITE_H
#define PP_POSIX_DROP_WRITE_H

#include "submit_client.h"

/*
 * Returns PP_ERR_IO (errno says what failed on the way), PP_ERR_TOO_BIG (a header line over
 * PP_DROP_LINE_MAX). On any error nothing is left behind. Texts of `mail` have no line breaks.
 */
PP_MUST_USE enum pp_err pp_drop_write(const char *directory_z, const struct pp_handover *mail);

#endif
