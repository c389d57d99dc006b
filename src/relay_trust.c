/*
 * relay_trust.c - what commands need without a relay: trust, certificates, passwords, the probe
 *
 * Job:      thin calls of pinpost.h into wire and delivery.
 * Not here: the relay (relay.c).
 */
#include "relay.h"

#include "base/crypto.h"
#include "intake/sasl_server.h"

enum pp_err pp_trust_init(const struct pp_port *port)
{
    enum pp_err err = pp_crypto_seed(port->entropy, port->ctx);

    return err != PP_OK ? err : pp_tls_library_init(port->wall_s, port->now_ms, port->ctx);
}

enum pp_err pp_password_verifier(struct pp_text password, uint32_t iterations, struct pp_writer *w)
{
    struct pp_scram_verifier verifier;
    enum pp_err err = pp_scram_verifier_make(&verifier, password, iterations);

    if (err == PP_OK) {
        pp_scram_verifier_put(w, &verifier);
    }
    return err;
}

enum pp_err pp_identity_set(const char *cert, size_t cert_len, const char *key, size_t key_len,
                            char *words, size_t cap)
{
    return pp_tls_identity_set(PP_TLS_AS_SERVER, cert, cert_len, key, key_len, words, cap);
}

enum pp_err pp_client_identity_set(const char *cert, size_t cert_len, const char *key,
                                   size_t key_len, char *words, size_t cap)
{
    if (cert_len == 0) {
        pp_tls_identity_drop(PP_TLS_AS_CLIENT);
        return PP_OK;
    }
    return pp_tls_identity_set(PP_TLS_AS_CLIENT, cert, cert_len, key, key_len, words, cap);
}

void pp_trust_begin(void)
{
    pp_ca_begin();
}

enum pp_err pp_trust_feed(const char *bytes, size_t len)
{
    return pp_ca_feed(bytes, len);
}

enum pp_err pp_trust_end(uint32_t *count, uint32_t *skipped)
{
    return pp_ca_end(count, skipped);
}

static struct pp_probe the_probe;

enum pp_err pp_probe_start(const struct pp_port *port, const struct pp_config *config,
                           uint32_t smarthost, bool inspect,
                           void (*on_step)(void *ctx, const struct pp_probe_report *report),
                           void *ctx)
{
    enum pp_err err = pp_trust_init(port);

    if (err == PP_OK) {
        pp_probe_begin(&the_probe, port, config, smarthost, inspect, on_step, ctx);
    }
    return err;
}

bool pp_probe_turn(uint64_t *next_ms)
{
    const struct pp_port *port = the_probe.path.port;

    return pp_probe_pump(&the_probe, port->now_ms(port->ctx), next_ms);
}
