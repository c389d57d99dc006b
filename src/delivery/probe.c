/*
 * probe.c - one walk to the smarthost without mail, step by step
 *
 * Job:      turn the steps of a path, and its failure, into reports for a person.
 */
#include "delivery/probe.h"

#include <string.h>

#include "delivery/route.h"

static void say(struct pp_probe *probe, enum pp_probe_step step, struct pp_text text)
{
    struct pp_probe_report *r = &probe->report;
    struct pp_writer w;

    r->step = step;
    pp_writer_init(&w, r->text, sizeof(r->text) - 1);
    pp_put_text(&w, text);
    r->text[w.len] = '\0';
    if (probe->on_step != NULL) {
        probe->on_step(probe->ctx, r);
    }
}

static void say_address(struct pp_probe *probe)
{
    struct pp_writer w;

    pp_writer_init(&w, probe->report.address, sizeof(probe->report.address) - 1);
    pp_put_address(&w, pp_path_address(&probe->path), true);
    probe->report.address[w.len] = '\0';
    say(probe, PP_PROBE_CONNECT, pp_writer_text(&w));
}

static void take_facts(struct pp_probe *probe)
{
    const struct pp_tls_facts *facts = pp_tls_facts(&probe->path.tls);

    probe->report.has_certificate = facts->has_peer;
    probe->report.tls = *facts;
    probe->report.chain = probe->chain.count > 0 ? &probe->chain : NULL;
}

static void say_tls(struct pp_probe *probe)
{
    char text[160];
    struct pp_writer w;
    const struct pp_tls_facts *facts = &probe->report.tls;

    take_facts(probe);
    pp_writer_init(&w, text, sizeof(text));
    pp_put_z(&w, facts->version);
    pp_put_char(&w, ' ');
    pp_put_z(&w, facts->cipher);
    say(probe, PP_PROBE_TLS, pp_writer_text(&w));
    if (probe->path.inspect) {
        return;
    }
    say(probe, PP_PROBE_TRUST,
        probe->path.smarthost.tls.level == PP_TLS_ENCRYPT
            ? pp_text_z("not checked: policy = encrypt trusts anybody")
            : pp_text_z(facts->how));
}

static void on_step(void *ctx, enum pp_path_step step)
{
    struct pp_probe *probe = ctx;
    const struct pp_reply *reply = &probe->path.client.reader.reply;

    switch (step) {
    case PP_PATH_RESOLVED:
        say(probe, PP_PROBE_RESOLVE, pp_text_z(probe->path.smarthost.host));
        break;
    case PP_PATH_CONNECTED:
        say_address(probe);
        break;
    case PP_PATH_GREETED:
        say(probe, PP_PROBE_GREETING, pp_text_n(reply->text, reply->text_len));
        break;
    case PP_PATH_SECURED:
        say_tls(probe);
        break;
    case PP_PATH_CLEAR:
        say(probe, PP_PROBE_TLS, pp_text_z("none: policy = may, and TLS was not to be had"));
        break;
    case PP_PATH_READY:
        say(probe, PP_PROBE_LOGIN,
            probe->path.smarthost.user[0] != '\0' ? pp_text_z(probe->path.smarthost.user)
                                                  : pp_text_z("no login configured"));
        break;
    }
}

static enum pp_probe_step step_of(enum pp_stage stage, bool has_certificate)
{
    switch (stage) {
    case PP_STAGE_RESOLVE:
        return PP_PROBE_RESOLVE;
    case PP_STAGE_CONNECT:
        return PP_PROBE_CONNECT;
    case PP_STAGE_GREETING:
    case PP_STAGE_EHLO:
        return PP_PROBE_GREETING;
    case PP_STAGE_STARTTLS:
    case PP_STAGE_TRUST:
        return PP_PROBE_TLS;
    case PP_STAGE_HANDSHAKE:
        return has_certificate ? PP_PROBE_TRUST : PP_PROBE_TLS;
    case PP_STAGE_AUTH:
        return PP_PROBE_LOGIN;
    default:
        return PP_PROBE_SENDER;
    }
}

static void fail(struct pp_probe *probe, enum pp_stage stage, const struct pp_reply *reply)
{
    char text[PP_REPLY_TEXT_CAP + 32];
    struct pp_writer w;

    take_facts(probe);
    probe->report.failed = true;
    pp_writer_init(&w, probe->report.advice, sizeof(probe->report.advice) - 1);
    pp_put_z(&w, pp_route_advice(stage));
    probe->report.advice[w.len] = '\0';
    pp_writer_init(&w, text, sizeof(text));
    pp_put_reply(&w, reply);
    say(probe, step_of(stage, probe->report.has_certificate), pp_writer_text(&w));
    probe->done = true;
}

/* Nobody is written to, so there is nothing to keep. */
static void on_verdict(void *ctx, uint16_t recipient, enum pp_verdict verdict, enum pp_scope scope,
                       enum pp_stage stage, const struct pp_reply *reply)
{
    (void)ctx;
    (void)recipient;
    (void)verdict;
    (void)scope;
    (void)stage;
    (void)reply;
}

void pp_probe_begin(struct pp_probe *probe, const struct pp_port *port,
                    const struct pp_config *config, uint32_t smarthost, bool inspect,
                    void (*on_step_told)(void *ctx, const struct pp_probe_report *report),
                    void *ctx)
{
    const struct pp_path_setup setup = {
        .port = port,
        .resolver = &probe->resolver,
        .smarthost = &config->smarthosts[smarthost],
        .timeouts = &config->timeouts,
        .hostname_z = config->identity.hostname,
        .inspect = inspect,
        .chain = &probe->chain,
        .on_step = on_step,
        .on_verdict = on_verdict,
        .ctx = probe,
    };
    struct pp_writer w;

    memset(&probe->report, 0, sizeof(probe->report));
    memset(&probe->chain, 0, sizeof(probe->chain));
    probe->report.tls.pin_index = -1;
    probe->mail_sent = probe->done = false;
    probe->on_step = on_step_told;
    probe->ctx = ctx;
    pp_writer_init(&w, probe->sender, sizeof(probe->sender) - 1);
    pp_put_z(&w, config->identity.from);
    probe->sender[w.len] = '\0';
    pp_resolver_init(&probe->resolver, port, &config->dns);
    pp_path_start(&probe->path, &setup, port->now_ms(port->ctx));
}

/* READY comes twice: before MAIL, and after MAIL and RSET. */
static bool on_ready(struct pp_probe *probe, pp_time_ms now_ms)
{
    struct pp_smtp_client *c = &probe->path.client;
    /* Room for one recipient is asked for, and none is given: RSET follows. */
    const struct pp_smtp_mail mail = {.sender = pp_text_z(probe->sender), .recipient_count = 1};

    if (!probe->mail_sent) {
        probe->mail_sent = true;
        return pp_smtp_client_mail(c, &mail, now_ms) == PP_OK;
    }
    pp_smtp_client_quit(c, &probe->path.link.out, now_ms);
    return true;
}

static bool on_event(struct pp_probe *probe, pp_time_ms now_ms)
{
    struct pp_smtp_client *c = &probe->path.client;

    switch (pp_smtp_client_event(c)) {
    case PP_SMTP_EVENT_READY:
        return on_ready(probe, now_ms);
    case PP_SMTP_EVENT_RECIPIENT:
        pp_smtp_client_recipients_end(c, &probe->path.link.out, now_ms);
        return true;
    case PP_SMTP_EVENT_DONE:
        if (c->reader.reply.code / 100 == 2) {
            say(probe, PP_PROBE_SENDER, pp_text_z(probe->sender));
        } else {
            fail(probe, PP_STAGE_MAIL, &c->reader.reply);
        }
        pp_smtp_client_next(c, &probe->path.link.out, now_ms);
        return true;
    default:
        return false;
    }
}

bool pp_probe_pump(struct pp_probe *probe, pp_time_ms now_ms, pp_time_ms *next_ms)
{
    bool more = pp_path_pump(&probe->path, now_ms);

    if (probe->path.state == PP_PATH_CLOSED) {
        if (probe->path.failed && !probe->done) {
            fail(probe, probe->path.failure_stage, &probe->path.failure);
        } else if (!probe->done) {
            take_facts(probe);
            probe->done = true;
            say(probe, PP_PROBE_DONE, pp_text_z("all well"));
        }
        return false;
    }
    if (probe->path.state == PP_PATH_TALKING && on_event(probe, now_ms)) {
        more = true;
    }
    *next_ms = more ? now_ms : pp_path_deadline_ms(&probe->path);
    return true;
}
