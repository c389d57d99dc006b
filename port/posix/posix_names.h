/*
 * posix_names.h - name servers and the table of hosts, from the machine's files
 *
 * Job:      resolv.conf(5), reread when it changed; hosts(5). For posix_port.c.
 */
#ifndef PP_POSIX_POSIX_NAMES_H
#define PP_POSIX_POSIX_NAMES_H

#include "port.h"

/* The operations of struct pp_port; ctx is a struct pp_posix_port. */
unsigned pp_posix_name_servers(void *ctx, struct pp_address *out, unsigned cap);
unsigned pp_posix_hosts(void *ctx, const char *name_z, int family, struct pp_address *out,
                        unsigned cap);

#endif
