/*
 * cmd_test.c - `pinpost test`: would mail get through?
 *
 * Job:      walk to the smarthost step by step without sending mail, show each step, and at the
 *           first that fails say what to do.
 * Not here: the walk (delivery/probe.h). After a failed check of trust no pin is offered to be
 *           pasted (RFC 8314 5.4); the fingerprints are facts to compare.
 */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "probe_run.h"
#include "trust_file.h"

static const char usage[] =
    "usage: pinpost [-c FILE] test\n"
    "\n"
    "Exit status: 0 mail would get through; 69 a step failed; 78 the configuration is wrong.\n";

static const char *step_name(enum pp_probe_step step)
{
    switch (step) {
    case PP_PROBE_RESOLVE:
        return "name";
    case PP_PROBE_CONNECT:
        return "connection";
    case PP_PROBE_GREETING:
        return "greeting";
    case PP_PROBE_TLS:
        return "TLS";
    case PP_PROBE_TRUST:
        return "trust";
    case PP_PROBE_LOGIN:
        return "login";
    case PP_PROBE_SENDER:
        return "sender";
    case PP_PROBE_DONE:
        break;
    }
    return "all";
}

static void print_fingerprint(const char *label_z, const uint8_t sha256[32])
{
    char text[128];
    struct pp_writer w;

    pp_writer_init(&w, text, sizeof(text) - 1);
    pp_put_hex(&w, sha256, 32, ':');
    text[w.len] = '\0';
    (void)printf("            %s %s\n", label_z, text);
}

static void print_peer(const struct pp_probe_report *r)
{
    const struct pp_tls_facts *facts = &r->tls;

    (void)printf("            the server showed: subject %s, issuer %s,\n"
                 "            names %s, valid %s to %s\n",
                 facts->subject, facts->issuer, facts->names, facts->not_before, facts->not_after);
    if (strstr(r->text, "cert:") == NULL) { /* a failed pin names them itself */
        print_fingerprint("certificate", facts->certificate_sha256);
        print_fingerprint("key        ", facts->key_sha256);
    }
}

static void on_step(void *ctx, const struct pp_probe_report *r)
{
    int *status = ctx;

    (void)printf("%-12s%-8s%s\n", step_name(r->step), r->failed ? "FAILED" : "ok", r->text);
    if (r->failed) {
        *status = EX_UNAVAILABLE;
        if (r->step == PP_PROBE_TRUST && r->has_certificate) {
            print_peer(r);
        }
        if (r->advice[0] != '\0') {
            (void)printf("            what to do: %s\n", r->advice);
        }
    }
    if (r->step == PP_PROBE_DONE && !r->failed) {
        *status = EX_OK;
    }
    (void)fflush(stdout);
}

static int load_cas(const struct pp_cmd_context *context)
{
    char words[400];

    if (pp_trust_file_load(&context->config, words, sizeof(words)) == PP_OK) {
        return EX_OK;
    }
    pp_cmd_say(context, "test: %s", words);
    return EX_CONFIG;
}

int pp_cmd_test(struct pp_cmd_context *context, int argc, char **argv)
{
    int walked = EX_UNAVAILABLE; /* unless the walk gets to its end */
    int status;

    if (argc > 1) {
        bool help = strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0;
        if (!help) {
            pp_cmd_say(context, "test: takes no argument; `pinpost test --help`");
        } else {
            (void)fputs(usage, stdout);
        }
        return help ? EX_OK : EX_USAGE;
    }
    status = pp_cmd_load(context);
    if (status == EX_OK) {
        status = load_cas(context);
    }
    if (status == EX_OK) {
        status = pp_probe_run(context, false, on_step, &walked);
    }
    return status == EX_OK ? walked : status;
}
