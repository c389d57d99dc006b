/*
 * relay_conn.c - see relay_conn.h
 */
#include "relay_conn.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

void relay_fail(const char *format_z, ...)
{
    va_list arguments;
    va_start(arguments, format_z);
    (void)fputs("bench-relay: ", stderr);
    (void)vfprintf(stderr, format_z, arguments);
    (void)fputc('\n', stderr);
    va_end(arguments);
    exit(2);
}

/* ---- figures ---- */

uint64_t relay_now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

double relay_cpu_s(void)
{
    struct rusage used;
    (void)getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static int compare(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *)a, two = *(const uint64_t *)b;
    return (one > two) - (one < two);
}

uint64_t relay_percentile(uint64_t *values, size_t count, unsigned percent)
{
    if (count == 0)
        return 0;
    qsort(values, count, sizeof(*values), compare);
    size_t at = (count * percent + 99) / 100;
    return values[at > 0 ? at - 1 : 0];
}

/* ---- life ---- */

void relay_conn_open(struct relay_conn *c, int fd)
{
    const int on = 1;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        relay_fail("a socket: %s", strerror(errno));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* a local one has no delay */
    c->fd = fd;
    c->ssl = NULL;
    c->handshaking = false;
    c->in_len = c->out_len = 0;
}

void relay_conn_close(struct relay_conn *c)
{
    if (c->ssl != NULL)
        SSL_free(c->ssl);
    if (c->fd >= 0)
        (void)close(c->fd);
    c->ssl = NULL;
    c->fd = -1;
}

void relay_conn_accept_tls(struct relay_conn *c, SSL_CTX *tls)
{
    c->ssl = SSL_new(tls);
    if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1)
        relay_fail("no TLS session");
    SSL_set_accept_state(c->ssl);
    c->handshaking = true;
}

/* ---- bytes ---- */

/* Bytes moved; 0: later; -1: the connection has ended. */
static long result_of(const struct relay_conn *c, long n)
{
    if (n > 0)
        return n;
    if (c->ssl != NULL) {
        int error = SSL_get_error(c->ssl, (int)n);
        return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
    }
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static long read_some(struct relay_conn *c, size_t room)
{
    char *at = c->in + c->in_len;
    return result_of(c, c->ssl != NULL ? SSL_read(c->ssl, at, (int)room)
                                       : (long)recv(c->fd, at, room, 0));
}

bool relay_conn_fill(struct relay_conn *c)
{
    if (c->handshaking) {
        int n = SSL_do_handshake(c->ssl);
        c->handshaking = n != 1;
        if (n != 1)
            return result_of(c, n) == 0;
    }
    while (c->in_len < sizeof(c->in)) {
        size_t room = sizeof(c->in) - c->in_len;
        long n = read_some(c, room);
        if (n < 0)
            return false;
        c->in_len += (size_t)n;
        /* A short read in the clear emptied the socket; a TLS record is shorter than what waits. */
        if (n == 0 || (c->ssl == NULL && (size_t)n < room))
            break;
    }
    return true;
}

void relay_conn_consume(struct relay_conn *c, size_t len)
{
    memmove(c->in, c->in + len, c->in_len - len);
    c->in_len -= len;
}

void relay_conn_say(struct relay_conn *c, const char *bytes, size_t len)
{
    if (len > sizeof(c->out) - c->out_len)
        relay_fail("more to say than there is room for");
    memcpy(c->out + c->out_len, bytes, len);
    c->out_len += len;
}

bool relay_conn_flush(struct relay_conn *c)
{
    while (c->out_len > 0 && !c->handshaking) {
        long n = result_of(c, c->ssl != NULL ? SSL_write(c->ssl, c->out, (int)c->out_len)
                                             : (long)send(c->fd, c->out, c->out_len, MSG_NOSIGNAL));
        if (n < 0)
            return false;
        if (n == 0)
            break;
        c->out_len -= (size_t)n;
        memmove(c->out, c->out + n, c->out_len);
    }
    return true;
}
