/*
 * link.c - pumps a protocol machine over a stream, with TLS swapped in
 *
 * Job:      moves bytes between stream (or TLS) and machine, gathers each flight into one write,
 * and begins TLS when the machine has said its last word in the clear. Not here: what is said (the
 * machines), trust (wire/tls_trust.c), who is called (delivery/session.c). Follows:  RFC 3207 4.2
 * and RFC 8314 (nothing learnt before TLS, no plaintext byte left over)
 */
#include "wire/link.h"

#include <string.h>

/* One call moves at most this many times what the buffers hold. */
#define ROUNDS_MAX 4
/* Times that a machine is asked again because it moved something. */
#define PUMPS_MAX 64

enum pp_err pp_link_error(int io)
{
    switch (io) {
    case PP_IO_CLOSED:
        return PP_ERR_CLOSED;
    case PP_IO_REFUSED:
        return PP_ERR_REFUSED;
    case PP_IO_UNREACHABLE:
        return PP_ERR_UNREACHABLE;
    case PP_IO_NO_SLOT:
        return PP_ERR_DRY;
    case PP_IO_BUSY:
        return PP_ERR_BUSY;
    default:
        return PP_ERR_IO;
    }
}

static int raw_read(void *ctx, uint8_t *out, size_t cap)
{
    struct pp_link *l = ctx;
    const struct pp_port *port = l->port;
    if (port->stream_ready != NULL && !port->stream_ready(port->ctx, l->stream))
        return PP_IO_LATER;
    return port->stream_read(port->ctx, l->stream, out, cap);
}

/* As raw_read(), for TLS, which asks for little at a time: one read gets some of it. */
static int ahead_read(void *ctx, uint8_t *out, size_t cap)
{
    struct pp_link *l = ctx;
    if (l->ahead_len == 0) {
        if (cap >= sizeof l->ahead)
            return raw_read(l, out, cap);
        int n = raw_read(l, l->ahead, sizeof l->ahead);
        if (n <= 0)
            return n;
        l->ahead_at = 0;
        l->ahead_len = (uint16_t)n;
    }
    size_t take = cap < l->ahead_len ? cap : l->ahead_len;
    memcpy(out, l->ahead + l->ahead_at, take);
    l->ahead_at = (uint16_t)(l->ahead_at + take);
    l->ahead_len = (uint16_t)(l->ahead_len - take);
    return (int)take;
}

static int raw_write(void *ctx, const uint8_t *bytes, size_t len)
{
    struct pp_link *l = ctx;
    int n = l->port->stream_write(l->port->ctx, l->stream, bytes, len);
    if (n > 0)
        l->last_write_ms = l->port->now_ms(l->port->ctx);
    return n;
}

static void begin(struct pp_link *l, const struct pp_port *port, int stream,
                  const struct pp_machine *machine)
{
    l->port = port;
    l->machine = *machine;
    l->stream = stream;
    l->state = PP_LINK_OPEN;
    l->error = PP_OK;
    l->encrypted = l->peer_closed = false;
    l->accepted = l->ask_certificate = l->tls_at_once = false;
    l->tls = NULL;
    memset(&l->target, 0, sizeof l->target);
    l->last_progress_ms = l->last_write_ms = port->now_ms(port->ctx);
    l->handshake_deadline_ms = PP_TIME_NEVER;
    l->handshake_timeout_ms = 0;
    l->ahead_at = l->ahead_len = 0;
    pp_buf_init(&l->in, l->in_bytes, sizeof l->in_bytes);
    pp_buf_init(&l->out, l->out_bytes, sizeof l->out_bytes);
}

static bool wants_tls(const struct pp_link *l)
{
    return l->target.policy != NULL && l->target.policy->level != PP_TLS_NONE;
}

void pp_link_begin(struct pp_link *l, const struct pp_port *port, int stream,
                   const struct pp_machine *machine, struct pp_tls *tls,
                   const struct pp_tls_target *target, uint32_t handshake_timeout_ms)
{
    begin(l, port, stream, machine);
    l->tls = tls;
    l->target = *target;
    l->handshake_timeout_ms = handshake_timeout_ms;
    l->tls_at_once = wants_tls(l) && target->policy->mode == PP_TLS_IMPLICIT;
    if (tls != NULL)
        pp_tls_note_failure(tls, "");
    port->stream_watch(port->ctx, stream, true, false);
}

void pp_link_accept(struct pp_link *l, const struct pp_port *port, int stream,
                    const struct pp_machine *machine)
{
    begin(l, port, stream, machine);
    l->accepted = true;
    port->stream_watch(port->ctx, stream, true, false);
}

void pp_link_accept_tls(struct pp_link *l, struct pp_tls *tls, bool ask_certificate, bool at_once,
                        uint32_t handshake_timeout_ms)
{
    l->tls = tls;
    l->ask_certificate = ask_certificate;
    l->tls_at_once = at_once;
    l->handshake_timeout_ms = handshake_timeout_ms;
    pp_tls_note_failure(tls, "");
}

void pp_link_close(struct pp_link *l, enum pp_err why)
{
    if (l->state == PP_LINK_IDLE || l->state == PP_LINK_CLOSED)
        return;
    if (l->tls != NULL)
        pp_tls_close(l->tls);
    l->port->stream_close(l->port->ctx, l->stream);
    l->stream = -1;
    l->error = why;
    l->state = PP_LINK_CLOSED;
    l->handshake_deadline_ms = PP_TIME_NEVER;
    pp_buf_wipe(&l->in);
    pp_buf_wipe(&l->out);
}

pp_time_ms pp_link_deadline_ms(const struct pp_link *l)
{
    return l->state == PP_LINK_HANDSHAKE ? l->handshake_deadline_ms : PP_TIME_NEVER;
}

static void watch(struct pp_link *l)
{
    bool reads = false, writes = false;
    switch (l->state) {
    case PP_LINK_HANDSHAKE:
        reads = true;
        writes = pp_tls_wants_write(l->tls);
        break;
    case PP_LINK_OPEN:
        reads = !l->peer_closed && pp_buf_room(&l->in) > 0;
        writes = pp_buf_len(&l->out) > 0 || (l->encrypted && pp_tls_wants_write(l->tls));
        break;
    case PP_LINK_IDLE:
    case PP_LINK_CLOSED:
        return;
    }
    l->port->stream_watch(l->port->ctx, l->stream, reads, writes);
}

static void fail_trust(struct pp_link *l, const char *words_z)
{
    if (l->tls != NULL)
        pp_tls_note_failure(l->tls, words_z);
    pp_link_close(l, PP_ERR_TRUST);
}

/* The machine's last word in the clear is out: from here on there is TLS or nothing. */
static void start_tls(struct pp_link *l, pp_time_ms now_ms)
{
    struct pp_tls_io io = {.ctx = l, .read = ahead_read, .write = raw_write};
    l->tls_at_once = false;
    if (pp_buf_len(&l->in) > 0) {
        fail_trust(l, l->accepted ? "bytes before TLS: the client, or someone in between, sent "
                                    "text behind STARTTLS"
                                  : "bytes before TLS: the server, or someone in between, sent "
                                    "text behind its answer to STARTTLS");
        return;
    }
    if (l->tls == NULL || l->encrypted || (!l->accepted && !wants_tls(l))) {
        pp_link_close(l, PP_ERR_STATE);
        return;
    }
    pp_buf_wipe(&l->in);
    pp_buf_wipe(&l->out);
    enum pp_err err = l->accepted ? pp_tls_open_server(l->tls, l->ask_certificate, &io)
                                  : pp_tls_open(l->tls, &l->target, &io);
    if (err != PP_OK) {
        pp_link_close(l, err);
        return;
    }
    l->state = PP_LINK_HANDSHAKE;
    l->handshake_deadline_ms = pp_time_add(now_ms, l->handshake_timeout_ms);
}

static bool pump_handshake(struct pp_link *l, pp_time_ms now_ms)
{
    enum pp_err err = pp_tls_handshake(l->tls);
    if (err == PP_ERR_LATER && now_ms >= l->handshake_deadline_ms) {
        pp_tls_note_failure(l->tls, l->accepted
                                        ? "the client did not finish the TLS handshake in time"
                                        : "the server did not finish the TLS handshake in time");
        err = PP_ERR_TIMEOUT;
    }
    if (err == PP_ERR_LATER)
        return false;
    if (err != PP_OK) {
        pp_link_close(l, err);
        return false;
    }
    l->encrypted = true;
    l->state = PP_LINK_OPEN;
    l->last_progress_ms = now_ms;
    l->handshake_deadline_ms = PP_TIME_NEVER;
    l->machine.secured(l->machine.ctx, now_ms);
    return true;
}

/* True when bytes came. */
static bool fill(struct pp_link *l, pp_time_ms now_ms)
{
    bool moved = false;
    for (int i = 0; i < ROUNDS_MAX && !l->peer_closed; i++) {
        size_t room;
        uint8_t *at = pp_buf_reserve(&l->in, &room);
        if (room == 0)
            break;
        int n = l->encrypted ? pp_tls_read(l->tls, at, room) : raw_read(l, at, room);
        if (n == PP_IO_CLOSED) {
            l->peer_closed = true;
        } else if (n < 0) {
            /* What came before is still the machine's: a reply may stand in front of a reset. */
            l->peer_closed = true;
            l->error = pp_link_error(n);
        } else if (n > 0) {
            pp_buf_commit(&l->in, (size_t)n);
            l->last_progress_ms = now_ms;
            moved = true;
        }
        /* A short read emptied the stream; under TLS it is only the end of a record. */
        if (n <= 0 || (!l->encrypted && (size_t)n < room))
            break;
    }
    return moved;
}

/* Ask the machine until it moves nothing more. True when it moved something. */
static bool run_machine(struct pp_link *l, pp_time_ms now_ms)
{
    bool moved = false;
    for (int i = 0; i < PUMPS_MAX; i++) {
        size_t in = pp_buf_len(&l->in), out = pp_buf_len(&l->out);
        if (l->machine.wants_tls(l->machine.ctx))
            break;
        l->machine.pump(l->machine.ctx, &l->in, &l->out, now_ms);
        if (pp_buf_len(&l->in) == in && pp_buf_len(&l->out) == out)
            break;
        moved = true;
    }
    return moved;
}

/* True when bytes went. On failure the link is closed. */
static bool flush(struct pp_link *l, pp_time_ms now_ms)
{
    bool moved = false;
    while (pp_buf_len(&l->out) > 0) {
        const uint8_t *head = pp_buf_head(&l->out);
        size_t len = pp_buf_len(&l->out);
        int n = l->encrypted ? pp_tls_write(l->tls, head, len) : raw_write(l, head, len);
        if (n < 0) {
            pp_link_close(l, l->error != PP_OK ? l->error : pp_link_error(n));
            return false;
        }
        if (n == 0)
            break;
        pp_buf_consume(&l->out, (size_t)n);
        l->last_progress_ms = now_ms;
        moved = true;
    }
    return moved;
}

/* What follows from the state in which machine and buffers are left. */
static void settle(struct pp_link *l, bool moved, pp_time_ms now_ms)
{
    if (pp_buf_len(&l->out) > 0)
        return;
    if (l->machine.finished(l->machine.ctx))
        pp_link_close(l, PP_OK);
    else if (l->machine.wants_tls(l->machine.ctx))
        start_tls(l, now_ms);
    else if (l->peer_closed && !moved &&
             (l->machine.waits == NULL || !l->machine.waits(l->machine.ctx)))
        pp_link_close(l, l->error != PP_OK ? l->error : PP_ERR_CLOSED);
}

static bool pump_open(struct pp_link *l, pp_time_ms now_ms)
{
    if (l->tls_at_once) {
        start_tls(l, now_ms);
        return l->state == PP_LINK_HANDSHAKE;
    }
    /* Nothing is read any more once TLS is to begin: its first record is not the machine's. */
    bool leaving = l->machine.wants_tls(l->machine.ctx);
    bool moved = !leaving && fill(l, now_ms);
    moved = run_machine(l, now_ms) || moved;
    moved = flush(l, now_ms) || moved;
    if (l->state == PP_LINK_OPEN)
        settle(l, moved, now_ms);
    if (l->state == PP_LINK_HANDSHAKE)
        return true;
    return l->state == PP_LINK_OPEN && moved;
}

/* Bytes of which the stream will tell nothing more. */
static bool has_read(const struct pp_link *l)
{
    return l->ahead_len > 0 || pp_tls_pending(l->tls);
}

bool pp_link_pump(struct pp_link *l, pp_time_ms now_ms)
{
    bool more = true;
    for (int i = 0; i < ROUNDS_MAX && more; i++) {
        switch (l->state) {
        case PP_LINK_HANDSHAKE:
            more = pump_handshake(l, now_ms);
            break;
        case PP_LINK_OPEN:
            more = pump_open(l, now_ms);
            break;
        case PP_LINK_IDLE:
        case PP_LINK_CLOSED:
            return false;
        }
    }
    if (l->state == PP_LINK_OPEN && l->encrypted && has_read(l) && pp_buf_room(&l->in) > 0)
        more = true;
    if (l->state == PP_LINK_HANDSHAKE && has_read(l))
        more = true;
    watch(l);
    return more && l->state != PP_LINK_CLOSED;
}
