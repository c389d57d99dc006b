/*
 * identity_file.h - certificates and keys of our own, from their files
 *
 * Job:      read both, refuse a key that others can read, hand them over, notice when they change.
 * Not here: what is in them (wire/tls.h: pp_tls_identity_set).
 */
#ifndef PP_POSIX_IDENTITY_FILE_H
#define PP_POSIX_IDENTITY_FILE_H

#include <sys/stat.h>

#include "pinpost.h"

/* All zero at the start, but for `client`. */
struct pp_identity_file {
    bool client; /* what the smarthost is shown, in place of what the relay's clients are */
    size_t cert_len, key_len;
    char cert[PP_TLS_IDENTITY_BYTES];
    char key[PP_TLS_IDENTITY_BYTES]; /* wiped once it was handed over */
    struct timespec changed[2];      /* of the files when they were read */
    uint64_t look_at_ms;             /* next look whether they changed */
};

/* Does any listener need them, or the smarthost? */
bool pp_identity_file_wanted(const struct pp_identity_file *f, const struct pp_config *config);
/* Read both, with the rights that the process still has. `words` (`cap` bytes) gets what is wrong.
 * PP_ERR_NOT_FOUND, PP_ERR_DENIED, PP_ERR_TOO_BIG, PP_ERR_IO. */
PP_MUST_USE enum pp_err pp_identity_file_read(struct pp_identity_file *f,
                                              const struct pp_config *config, char *words,
                                              size_t cap);
/* Hand them over, after pp_relay_start() or pp_trust_init(). `words` gets what is wrong, or subject
 * and end of the certificate. Returns what pp_identity_set() does; without files for the smarthost
 * what was shown before is forgotten. */
PP_MUST_USE enum pp_err pp_identity_file_apply(struct pp_identity_file *f, char *words, size_t cap);
/* Is it time to look, and has one of the files changed since it was read? */
bool pp_identity_file_changed(struct pp_identity_file *f, const struct pp_config *config,
                              uint64_t now_ms);

#endif
