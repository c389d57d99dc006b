/*
 * probe.h - one walk to the smarthost without mail, step by step
 *
 * Job:      DNS, TCP, greeting, TLS, trust, login, sender; at the first failure say what to do.
 *           `inspect` stops after TLS with the certificate's facts.
 * Not here: the connection itself (delivery/path).
 */
#ifndef PP_DELIVERY_PROBE_H
#define PP_DELIVERY_PROBE_H

#include "delivery/path.h"
#include "delivery/probe_report.h"

struct pp_probe {
    struct pp_path path;
    struct pp_resolver resolver;
    struct pp_probe_report report;
    char sender[PP_ADDRESS_CAP];
    struct pp_tls_chain chain; /* with inspect: what was shown */
    bool mail_sent, done;
    void (*on_step)(void *ctx, const struct pp_probe_report *report);
    void *ctx;
};

void pp_probe_begin(struct pp_probe *probe, const struct pp_port *port,
                    const struct pp_config *config, uint32_t smarthost, bool inspect,
                    void (*on_step)(void *ctx, const struct pp_probe_report *report), void *ctx);
/* True while it goes on. *next_ms: when to come again. */
bool pp_probe_pump(struct pp_probe *probe, pp_time_ms now_ms, pp_time_ms *next_ms);

#endif
