/*
 * dns_tcp.c - a question over TCP: what does not fit a datagram, or must not be guessed
 *
 * Job:      one stream for one question; its length in front (RFC 1035 4.2.2, RFC 7766).
 * Not here: when to (wire/dns_lookup.c).
 */
#include "base/bytes.h"
#include "wire/dns_lookup_parts.h"

void pp_dns_tcp_close(struct pp_dns_lookup *l)
{
    const struct pp_port *port = l->resolver->port;
    if (l->stream >= 0)
        port->stream_close(port->ctx, l->stream);
    l->stream = -1;
}

static void begin(struct pp_dns_lookup *l, uint32_t i, pp_time_ms now_ms)
{
    const struct pp_port *port = l->resolver->port;
    size_t len;
    if (pp_dns_make_query(l, i, l->message + 2, sizeof l->message - 2, &len) != PP_OK) {
        pp_dns_refused(l, i, now_ms);
        return;
    }
    pp_be16_put(l->message, (uint16_t)len);
    l->tcp_question = (uint8_t)i;
    l->tcp_sending = true;
    l->tcp_len = (uint16_t)(len + 2);
    l->tcp_pos = 0;
    l->stream = port->stream_connect(port->ctx, &l->server);
    if (l->stream < 0) {
        l->stream = -1;
        pp_dns_refused(l, i, now_ms);
        return;
    }
    port->stream_watch(port->ctx, l->stream, false, true);
}

/* < 0: the stream failed. */
static int send_query(struct pp_dns_lookup *l)
{
    const struct pp_port *port = l->resolver->port;
    while (l->tcp_pos < l->tcp_len) {
        int n = port->stream_write(port->ctx, l->stream, l->message + l->tcp_pos,
                                   (size_t)(l->tcp_len - l->tcp_pos));
        if (n <= 0)
            return n;
        l->tcp_pos = (uint16_t)(l->tcp_pos + n);
    }
    l->tcp_sending = false;
    l->tcp_len = 2; /* the length comes first */
    l->tcp_pos = 0;
    port->stream_watch(port->ctx, l->stream, true, false);
    return 0;
}

/* 1: all of the answer, or as much of it as we have room for, is there. */
static int receive_answer(struct pp_dns_lookup *l)
{
    const struct pp_port *port = l->resolver->port;
    while (l->tcp_pos < l->tcp_len) {
        int n = port->stream_read(port->ctx, l->stream, l->message + l->tcp_pos,
                                  (size_t)(l->tcp_len - l->tcp_pos));
        if (n <= 0)
            return n;
        l->tcp_pos = (uint16_t)(l->tcp_pos + n);
        if (l->tcp_pos == 2) {
            size_t len = pp_be16_get(l->message);
            l->tcp_len = (uint16_t)(2 + (len < PP_DNS_MESSAGE_CAP ? len : PP_DNS_MESSAGE_CAP));
        }
    }
    return 1;
}

void pp_dns_tcp_pump(struct pp_dns_lookup *l, pp_time_ms now_ms)
{
    int ret = 0;
    for (uint32_t i = 0; i < l->count && l->stream < 0; i++) {
        if (!l->questions[i].done && l->questions[i].by_tcp)
            begin(l, i, now_ms);
    }
    if (l->stream < 0)
        return;
    if (l->tcp_sending)
        ret = send_query(l);
    if (ret == 0 && !l->tcp_sending)
        ret = receive_answer(l);
    if (ret == 0)
        return;
    pp_dns_tcp_close(l);
    if (ret < 0)
        pp_dns_refused(l, l->tcp_question, now_ms);
    else
        pp_dns_take_answer(l, l->tcp_question, l->message + 2, (size_t)(l->tcp_len - 2), true,
                           now_ms);
}
