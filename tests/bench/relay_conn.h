/*
 * relay_conn.h - a connection of bench-relay's load and sink: a socket, TLS over it, two buffers
 *
 * Job:      bytes in and out without ever blocking; TLS by OpenSSL, as a peer of another make.
 * Not here: what is said (relay_load.c, relay_sink.c).
 */
#ifndef PP_BENCH_RELAY_CONN_H
#define PP_BENCH_RELAY_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

#define RELAY_CONN_IN  32768u
#define RELAY_CONN_OUT 16384u

struct relay_conn {
    int fd;   /* -1: closed */
    SSL *ssl; /* NULL: in the clear */
    bool handshaking;
    size_t in_len, out_len;
    char in[RELAY_CONN_IN];
    char out[RELAY_CONN_OUT];
};

/* Says what and why, and ends the program with status 2. */
__attribute__((format(printf, 1, 2), noreturn)) void relay_fail(const char *format_z, ...);

/* Nanoseconds of CLOCK_MONOTONIC: the same in all processes of a machine. */
uint64_t relay_now_ns(void);

/* CPU seconds of this process, user and system. */
double relay_cpu_s(void);

/* Sorts `values`; the value that `percent` of them do not exceed, 0 of none. */
uint64_t relay_percentile(uint64_t *values, size_t count, unsigned percent);

/* Takes over a socket, which becomes non-blocking and without Nagle's delay. */
void relay_conn_open(struct relay_conn *c, int fd);
void relay_conn_close(struct relay_conn *c);

/* From the next byte on the peer, a client, speaks TLS. */
void relay_conn_accept_tls(struct relay_conn *c, SSL_CTX *tls);

/* Reads until nothing is left or `in` is full. False when the connection has ended. */
bool relay_conn_fill(struct relay_conn *c);

/* Forgets the first `len` bytes of `in`. */
void relay_conn_consume(struct relay_conn *c, size_t len);

/* More than there is room for is a mistake of the caller's. */
void relay_conn_say(struct relay_conn *c, const char *bytes, size_t len);

/* Writes what it can of `out`. False when the connection has ended. */
bool relay_conn_flush(struct relay_conn *c);

#endif
