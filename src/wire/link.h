/*
 * link.h - pumps a protocol machine over a stream, with TLS swapped in
 *
 * Job:      bytes from the stream (through TLS once it is on) to the machine and back, one
 *           write a flight; the only place where TLS begins.
 * Not here: what is said (the machines), who is connected to (delivery/dial).
 *
 * On STARTTLS, on either side, no unread plaintext may be left: else PP_ERR_TRUST ("bytes before
 * TLS"), the link is dead. The handshake is done, the policy checked, and only then the machine
 * hears `secured`.
 */
#ifndef PP_WIRE_LINK_H
#define PP_WIRE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/time.h"
#include "port.h"
#include "profile.h"
#include "wire/tls.h"

/* A protocol machine: bytes in, bytes out, no I/O. `ctx` is the machine. */
struct pp_machine {
    void *ctx;
    /* Take bytes from `in` (consume what was understood; what stays is offered again with
     * more) and put bytes to `out` as far as there is room. Called whenever either changed. */
    void (*pump)(void *ctx, struct pp_buf *in, struct pp_buf *out, pp_time_ms now_ms);
    /* True when the machine's last word went out and TLS must begin before it goes on. */
    bool (*wants_tls)(void *ctx);
    void (*secured)(void *ctx, pp_time_ms now_ms);
    /* True when all was said: what is in `out` is still sent, then the stream is closed. */
    bool (*finished)(void *ctx);
    /* May be NULL. True while the machine owes the peer an answer that somebody else decides: a
     * peer that closed its side is kept until it has that answer. */
    bool (*waits)(void *ctx);
};

/* Bytes read at once where TLS asks for a record's head and then for its few bytes. */
#define PP_LINK_AHEAD_BYTES 256u

enum pp_link_state { PP_LINK_IDLE, PP_LINK_OPEN, PP_LINK_HANDSHAKE, PP_LINK_CLOSED };

struct pp_link {
    const struct pp_port *port;
    struct pp_machine machine;
    int stream;
    enum pp_link_state state;
    enum pp_err error; /* why it is closed; PP_OK: all was said */
    bool encrypted;
    bool peer_closed;
    struct pp_tls *tls;          /* the owner's slot, may be NULL where TLS is never wanted */
    bool accepted;               /* somebody connected to us: we are the server of TLS */
    bool ask_certificate;        /* see pp_tls_open_server() */
    bool tls_at_once;            /* it is to begin with the next pump */
    struct pp_tls_target target; /* of a link that we connected */
    pp_time_ms last_progress_ms; /* when bytes last moved in either direction */
    pp_time_ms last_write_ms;    /* when the transport last took bytes of ours */
    pp_time_ms handshake_deadline_ms;
    uint32_t handshake_timeout_ms;
    uint16_t ahead_at, ahead_len; /* what was read from the stream and TLS has not taken yet */
    struct pp_buf in, out;
    uint8_t ahead[PP_LINK_AHEAD_BYTES];
    uint8_t in_bytes[PP_LINK_IN_BYTES];
    uint8_t out_bytes[PP_LINK_OUT_BYTES];
};

/* Take over a stream that we connected. TLS begins with the first pump when the target's policy
 * says PP_TLS_IMPLICIT (and its level is not none). What `target` points to is used until the link
 * is closed. */
void pp_link_begin(struct pp_link *l, const struct pp_port *port, int stream,
                   const struct pp_machine *machine, struct pp_tls *tls,
                   const struct pp_tls_target *target, uint32_t handshake_timeout_ms);
/* Take over an accepted stream (no TLS yet). */
void pp_link_accept(struct pp_link *l, const struct pp_port *port, int stream,
                    const struct pp_machine *machine);
/* Give an accepted link a slot for TLS: before its machine wants it (its wants_tls() is early
 * enough), or with `at_once` before the first pump for TLS from the first byte. Bytes behind
 * STARTTLS drop the connection (PP_ERR_TRUST), and so does a machine that wants TLS where there is
 * no slot or no identity (PP_ERR_STATE). */
void pp_link_accept_tls(struct pp_link *l, struct pp_tls *tls, bool ask_certificate, bool at_once,
                        uint32_t handshake_timeout_ms);
/*
 * Do what can be done now, a bounded amount (about one buffer each way). Returns true when
 * there is more to do at once. When it ends, state is PP_LINK_CLOSED and error says why; TLS and
 * stream are closed.
 */
bool pp_link_pump(struct pp_link *l, pp_time_ms now_ms);
/* Drop it now, saying nothing. */
/* The words of our own for an error of the port. */
enum pp_err pp_link_error(int io);
void pp_link_close(struct pp_link *l, enum pp_err why);
/* Instant at which the link itself must be pumped again (handshake), or PP_TIME_NEVER. */
pp_time_ms pp_link_deadline_ms(const struct pp_link *l);

#endif
