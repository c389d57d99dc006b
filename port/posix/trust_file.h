/*
 * trust_file.h - the CA file into the relay's store of trusted certificates
 *
 * Job:      hand ca_file to pp_trust_*() piece by piece where the policy wants it.
 */
#ifndef PP_POSIX_TRUST_FILE_H
#define PP_POSIX_TRUST_FILE_H

#include "pinpost.h"

/*
 * For policies verify and secure; others need no CA and get none. To be called before
 * pp_relay_start() or pp_probe_start(), and again after a reread. `words` (`cap` bytes,
 * NUL-terminated) gets what went wrong. Returns PP_OK, PP_ERR_NOT_FOUND, PP_ERR_DENIED, PP_ERR_IO,
 * PP_ERR_EMPTY (not one certificate), or what pp_trust_feed() and pp_trust_end() return.
 */
PP_MUST_USE enum pp_err pp_trust_file_load(const struct pp_config *config, char *words, size_t cap);

#endif
