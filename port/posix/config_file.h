/*
 * config_file.h - pinpost.conf from a file
 *
 * Job:      read lines through inih, hand each to pp_config_set(), read password files, fill in the
 * machine's name; say FILE:LINE and words for everything that is wrong. Not here: keys, ranges and
 * defaults (config.h).
 */
#ifndef PP_POSIX_CONFIG_FILE_H
#define PP_POSIX_CONFIG_FILE_H

#include "pinpost.h"

/* One problem: "FILE:LINE: [section] key: words", NUL-terminated, no line end, no secrets. */
struct pp_config_report {
    void (*problem)(void *ctx, const char *words_z);
    void *ctx;
};

/*
 * Defaults, the file, password files, pp_config_finish(). Every problem is reported, not only the
 * first; `*config` is to be used only on PP_OK. A password in a file that others can read is a
 * problem. Returns PP_OK, PP_ERR_NOT_FOUND (no such file), PP_ERR_DENIED (may not be read),
 * PP_ERR_IO, PP_ERR_SYNTAX (anything in it).
 */
PP_MUST_USE enum pp_err pp_config_file_load(const char *path_z, struct pp_config *config,
                                            const struct pp_config_report *report);
/*
 * Only [daemon], and whatever else is wrong is passed over: paths for clients. `*config` is always
 * usable (defaults). Returns PP_OK, PP_ERR_NOT_FOUND, PP_ERR_DENIED, PP_ERR_IO.
 */
PP_MUST_USE enum pp_err pp_config_file_load_client(const char *path_z, struct pp_config *config);
/*
 * Defaults and the machine's name, nothing read: for `pin`, which works without a configuration.
 */
void pp_config_file_defaults(struct pp_config *config);

/*
 * NULL, or why others may have read what is in the file. It is to belong to root or to who reads
 * it, mode 600. The daemon has to read it again at SIGHUP, as the user that it became: so where
 * root owns it, the daemon's group (the one of [daemon] user, or [daemon] group) may read it, mode
 * 640; and with `may_own` that user may own it.
 */
const char *pp_config_file_why_not_secret(int fd, const struct pp_config *config, bool may_own);

#endif
