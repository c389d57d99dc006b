/*
 * control_status.c - the daemon's state as one line of JSON
 *
 * Job:      the answer to `status`.
 * Not here: other requests (control_task.c), how it is shown (cmd_status.c).
 * Follows:  docs/control-protocol.md
 */
#include "control_status.h"

#include <stdio.h>
#include <unistd.h>

#include "json_write.h"

static void put_counts(const struct pp_relay_status *s, struct pp_writer *w)
{
    pp_json_put_u64(w, "uptime_ms", s->uptime_ms);
    pp_json_put_u64(w, "messages", s->messages);
    pp_json_put_u64(w, "waiting", s->waiting);
    pp_json_put_u64(w, "sending", s->sending);
    pp_json_put_u64(w, "held", s->held);
    pp_json_put_u64(w, "failed", s->failed);
    pp_json_put_u64(w, "messages_cap", s->messages_cap);
    pp_json_put_u64(w, "store_bytes", s->store_bytes);
    pp_json_put_u64(w, "store_free_bytes", s->store_free_bytes);
    pp_json_put_u64(w, "boot_count", s->boot_count);
    pp_json_put_u64(w, "messages_damaged", s->messages_damaged);
    pp_json_put_u64(w, "records_damaged", s->records_damaged);
    pp_json_put_u64(w, "blocks_bad", s->blocks_bad);
    pp_json_put_u64(w, "accepted_messages", s->accepted_messages);
    pp_json_put_u64(w, "delivered_recipients", s->delivered_recipients);
    pp_json_put_u64(w, "failed_recipients", s->failed_recipients);
    pp_json_put_bool(w, "store_failed", s->store_failed);
}

static void put_smarthost(const struct pp_relay_status *s, const struct pp_config *config,
                          struct pp_writer *w)
{
    char text[PP_NAME_CAP + 8];

    snprintf(text, sizeof text, "%s:%u", s->smarthost, config->smarthosts[0].port);
    pp_json_put_z(w, "smarthost", text);
    pp_json_put_bool(w, "route_up", s->route_up);
    pp_json_put_u64(w, "route_retry_in_ms", s->route_retry_in_ms);
    pp_json_put_text(w, "last_error", pp_text_z(s->last_error), 2000);
}

static void put_tls(const struct pp_tls_counts *counts, struct pp_writer *w)
{
    pp_json_open(w, "tls", '{');
    pp_json_put_u64(w, "successful", counts->successful);
    pp_json_put_u64(w, "resumed", counts->resumed);
    for (int i = PP_TLS_RESULT_NONE + 1; i < PP_TLS_RESULT_COUNT; i++)
        pp_json_put_u64(w, pp_tls_result_name((enum pp_tls_result)i), counts->failed[i]);
    pp_json_close(w, '}');
}

void pp_control_put_status(const struct pp_control_world *world, struct pp_writer *w)
{
    struct pp_relay_status s;

    pp_relay_status(world->relay, &s);
    pp_json_open(w, NULL, '{');
    pp_json_put_bool(w, "ok", true);
    pp_json_put_z(w, "version", PP_PINPOST_VERSION);
    pp_json_put_u64(w, "pid", (uint64_t)getpid());
    put_counts(&s, w);
    put_smarthost(&s, world->config, w);
    put_tls(&s.tls, w);
    pp_json_open(w, "high_water", '{');
    pp_json_put_u64(w, "messages", s.messages_high);
    pp_json_put_u64(w, "writers", s.pool_writers_high);
    pp_json_put_u64(w, "deliveries", s.pool_deliveries_high);
    pp_json_put_u64(w, "intake", s.pool_intake_high);
    pp_json_close(w, '}');
    pp_json_close(w, '}');
}
