/*
 * probe_report.h - what a walk to the smarthost tells its caller, step by step
 *
 * Job:      the part of delivery/probe.h that callers of pinpost.h see.
 */
#ifndef PP_DELIVERY_PROBE_REPORT_H
#define PP_DELIVERY_PROBE_REPORT_H

#include <stdbool.h>

#include "wire/tls.h"

enum pp_probe_step {
    PP_PROBE_RESOLVE,
    PP_PROBE_CONNECT,
    PP_PROBE_GREETING,
    PP_PROBE_TLS,
    PP_PROBE_TRUST,
    PP_PROBE_LOGIN,
    PP_PROBE_SENDER,
    PP_PROBE_DONE
};

struct pp_probe_report {
    enum pp_probe_step step; /* the one reached, or at which it failed */
    bool failed;
    char text[512];   /* what was found, or what failed */
    char advice[200]; /* when failed: what to do */
    char address[64]; /* connected to */
    bool has_certificate;
    struct pp_tls_facts tls;
    const struct pp_tls_chain *chain; /* with inspect; valid within the call; NULL: none */
};

#endif
