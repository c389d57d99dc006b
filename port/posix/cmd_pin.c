/*
 * cmd_pin.c - `pinpost pin HOST[:PORT]`: what a server shows, and lines for pinpost.conf
 *
 * Job:      connect, do the TLS handshake, trust nobody, log in nowhere, print the certificate's
 *           facts as comments and its pins as keys: the whole output can be pasted.
 * Not here: whether to trust it. That is for the person who compares the fingerprint with what
 *           the server's owner says over another path (RFC 8314 5.4: pinning is an explicit act).
 */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "config_file.h"
#include "control_client.h"
#include "probe_run.h"

static const char usage[] =
    "usage: pinpost pin [--tls starttls|implicit] HOST[:PORT]\n"
    "       pinpost pin --accept\n"
    "\n"
    "  HOST   name, IPv4 address or [IPv6 address]\n"
    "  PORT   default 587, or 465 with --tls implicit\n"
    "  --tls  default starttls, but implicit with port 465\n"
    "  --accept  the daemon takes the new key of the smarthost, which a CA\n"
    "            vouched for and no pin matched, beside the configured pins\n";

struct pin_walk {
    struct pp_probe_report last; /* of the step reached, or of the one that failed */
    struct pp_tls_chain chain;
};

static void on_step(void *ctx, const struct pp_probe_report *report)
{
    struct pin_walk *walk = ctx;

    /* What is said while the connection is closed politely is no news. */
    if (!walk->last.has_certificate) {
        walk->last = *report;
    }
    if (report->chain != NULL) {
        walk->chain = *report->chain;
    }
}

/* ---- the command line ---- */

static bool set_host(struct pp_smarthost_config *host, struct pp_text text)
{
    struct pp_writer w;

    pp_writer_init(&w, host->host, sizeof(host->host) - 1);
    pp_put_text(&w, text);
    host->host[w.len] = '\0';
    return text.len > 0 && !w.overflow && pp_text_find(text, ' ') == text.len &&
           !pp_text_has_line_break(text) && pp_text_is_ascii(text);
}

/* NAME, NAME:PORT, 1.2.3.4:PORT, [::1]:PORT, ::1. */
static bool read_host(struct pp_smarthost_config *host, const char *word_z)
{
    struct pp_text text = pp_text_z(word_z), port = {NULL, 0};
    size_t colon = pp_text_find(text, ':'), close = pp_text_find(text, ']');
    uint64_t value;

    if (text.len > 0 && text.p[0] == '[' && close < text.len) {
        port = pp_text_n(text.p + close + 1, text.len - close - 1);
        text = pp_text_n(text.p + 1, close - 1);
        if (port.len > 0 && port.p[0] != ':') {
            return false;
        }
    } else if (colon < text.len && strchr(text.p + colon + 1, ':') == NULL) {
        port = pp_text_n(text.p + colon, text.len - colon);
        text = pp_text_n(text.p, colon);
    }
    if (port.len > 0) {
        port = pp_text_n(port.p + 1, port.len - 1);
        if (pp_text_to_u64(port, UINT16_MAX, &value) != PP_OK || value == 0) {
            return false;
        }
        host->port = (uint16_t)value;
    }
    return set_host(host, text);
}

static bool read_mode(const char *text_z, enum pp_tls_mode *mode)
{
    *mode = strcmp(text_z, "implicit") == 0 ? PP_TLS_IMPLICIT : PP_TLS_STARTTLS;
    return *mode == PP_TLS_IMPLICIT || strcmp(text_z, "starttls") == 0;
}

static int usage_error(const struct pp_cmd_context *context, const char *words_z)
{
    pp_cmd_say(context, "pin: %s; `pinpost pin --help` shows all", words_z);
    return EX_USAGE;
}

static int read_arguments(const struct pp_cmd_context *context, int argc, char **argv,
                          struct pp_smarthost_config *host)
{
    const char *word_z = NULL, *mode_z = NULL;

    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--tls=", 6) == 0) {
            mode_z = argv[i] + 6;
        } else if (strcmp(argv[i], "--tls") == 0 && i + 1 < argc) {
            mode_z = argv[++i];
        } else if (argv[i][0] == '-' || word_z != NULL) {
            return usage_error(context,
                               argv[i][0] == '-' ? "unknown option" : "one HOST at a time");
        } else {
            word_z = argv[i];
        }
    }
    if (word_z == NULL || !read_host(host, word_z)) {
        return usage_error(context,
                           word_z == NULL ? "HOST is missing" : "HOST[:PORT] is not understood");
    }
    host->tls.level = PP_TLS_ENCRYPT; /* wants TLS; nothing is checked on this walk */
    host->tls.mode = host->port == 465 ? PP_TLS_IMPLICIT : PP_TLS_STARTTLS;
    if (mode_z != NULL && !read_mode(mode_z, &host->tls.mode)) {
        return usage_error(context, "--tls is starttls or implicit");
    }
    if (host->port == 0) {
        host->port = host->tls.mode == PP_TLS_IMPLICIT ? 465 : 587;
    }
    return EX_OK;
}

/* ---- the answer ---- */

static void print_pin(const char *before_z, const char *kind_z, const uint8_t sha256[32])
{
    char text[128];
    struct pp_writer w;

    pp_writer_init(&w, text, sizeof(text) - 1);
    pp_put_hex(&w, sha256, 32, ':');
    text[w.len] = '\0';
    (void)printf("%s%s:%s\n", before_z, kind_z, text);
}

/* Those above the server's own certificate. */
static void print_issuers(const struct pp_tls_chain *chain)
{
    for (uint32_t i = 1; i < chain->count; i++) {
        const struct pp_tls_shown *c = &chain->shown[i];
        (void)printf("#\n# issuer %u: %s\n#   issued by: %s\n#   valid:     %s to %s\n"
                     "#   key:       %s\n",
                     i, c->subject, c->issuer, c->not_before, c->not_after, c->key);
        print_pin("# pin = ", "issuer-cert", c->certificate_sha256);
        print_pin("# pin = ", "issuer-key", c->key_sha256);
    }
    if (chain->more > 0) {
        (void)printf("# and %u more certificates\n", chain->more);
    }
}

static void print_choices(const struct pp_tls_chain *chain)
{
    if (chain->count > 1) {
        (void)printf(
            "#\n"
            "# An issuer's pin, with the same policy, lasts through renewals by that issuer: the\n"
            "# chain below it, dates and name have to be good. The server chose what it showed.\n");
        print_issuers(chain);
    }
    (void)printf("#\n"
                 "# Where a CA of this machine has signed it, no pin is needed:\n"
                 "# policy = secure\n"
                 "# and both together, a CA and a pin:\n"
                 "# policy = secure\n"
                 "# pin_rule = and-ca\n");
}

static void print_facts(const struct pp_smarthost_config *host, const struct pin_walk *walk)
{
    const struct pp_tls_facts *facts = &walk->last.tls;

    (void)printf("# %s port %u at %s, %s %s\n", host->host, host->port, walk->last.address,
                 facts->version, facts->cipher);
    (void)printf("# subject: %s\n# issuer:  %s\n# names:   %s\n# valid:   %s to %s\n",
                 facts->subject, facts->issuer, facts->names, facts->not_before, facts->not_after);
    if (walk->chain.count > 0) {
        (void)printf("# key:     %s\n# shown:   %u certificate%s\n", walk->chain.shown[0].key,
                     walk->chain.count + walk->chain.more,
                     walk->chain.count + walk->chain.more == 1 ? "" : "s");
    }
    (void)printf("#\n"
                 "# Anybody on the way could have answered. Compare a fingerprint with what the\n"
                 "# server's owner tells you over another path before you rely on it.\n"
                 "#\n"
                 "# Either pin is enough. cert: is for this certificate alone, to be replaced at\n"
                 "# each renewal; key: lasts through renewals that keep the key.\n"
                 "policy = fingerprint\n");
    print_pin("pin = ", "cert", facts->certificate_sha256);
    print_pin("pin = ", "key", facts->key_sha256);
    print_choices(&walk->chain);
}

/* The daemon knows what it saw; only root and the relay's group get to it. */
static int accept_pin(struct pp_cmd_context *context)
{
    static struct pp_control_client control;
    char pin[160];
    int status = pp_cmd_load_client(context);

    if (status != EX_OK) {
        return status;
    }
    enum pp_err err = pp_control_client_open(&control, context->config.daemon.control_socket);
    if (err == PP_OK) {
        err = pp_control_client_ask(&control, "{\"cmd\":\"accept-pin\"}");
        if (err == PP_OK) {
            err = pp_control_client_next(&control);
        }
        pp_control_client_close(&control);
    }
    if (err != PP_ERR_NOT_FOUND) {
        pp_cmd_say(context, "pin: %s", control.words);
        return pp_control_client_exit_code(&control, err);
    }
    pp_json_text(&control.item, "pin", pin, sizeof(pin));
    (void)printf("accepted, and kept by the daemon. To have it in the configuration as well:\n"
                 "pin = %s\n",
                 pin);
    return EX_OK;
}

int pp_cmd_pin(struct pp_cmd_context *context, int argc, char **argv)
{
    static struct pin_walk walk;
    struct pp_smarthost_config *host = &context->config.smarthosts[0];
    int status;

    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        (void)fputs(usage, stdout);
        return EX_OK;
    }
    if (argc == 2 && strcmp(argv[1], "--accept") == 0) {
        return accept_pin(context);
    }
    if (context->config_path_given) {
        status = pp_cmd_load_client(context); /* name servers and hosts file */
        if (status != EX_OK) {
            return status;
        }
    } else {
        pp_config_file_defaults(&context->config);
    }
    memset(host, 0, sizeof(*host));
    context->config.smarthost_count = 1;
    status = read_arguments(context, argc, argv, host);
    if (status == EX_OK) {
        memset(&walk, 0, sizeof(walk));
        status = pp_probe_run(context, true, on_step, &walk);
    }
    if (status != EX_OK) {
        return status;
    }
    if (!walk.last.has_certificate) {
        pp_cmd_say(context, "pin: %s: %s", host->host, walk.last.text);
        /* Up to the greeting; what to do about TLS would be to call `pinpost pin`. */
        if (walk.last.advice[0] != '\0' && walk.last.step <= PP_PROBE_GREETING) {
            pp_cmd_say(context, "pin: %s", walk.last.advice);
        }
        return EX_UNAVAILABLE;
    }
    print_facts(host, &walk);
    return EX_OK;
}
