/*
 * posix_port.c - the world of the relay on Linux: sockets, clocks, log, waiting
 *
 * Job:      streams, datagrams and listeners over epoll, without Nagle's delay.
 * Not here: name servers and hosts (posix_names.c), flash (flash_file.c).
 */
#include "posix_port.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "posix_names.h"

#define EVENTS_A_WAIT 256
/* What epoll gives back: a stream's handle above this bit, or a descriptor that is none of ours. */
#define OF_STREAM (UINT64_C(1) << 32)

/* ---- clocks, entropy, log ---- */

static uint64_t now_ms(void *ctx)
{
    struct timespec ts;

    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

/* A machine that starts in 1970 does not know the time: nothing before this program was written
 * counts. */
#define WALL_FLOOR_S 1767225600 /* 2026-01-01 */

static int64_t wall_s(void *ctx)
{
    struct timespec ts;

    (void)ctx;
    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec < WALL_FLOOR_S ? -1 : (int64_t)ts.tv_sec;
}

static int entropy(void *ctx, uint8_t *out, size_t len)
{
    size_t done = 0;

    (void)ctx;
    while (done < len) {
        ssize_t n = getrandom(out + done, len - done, 0);
        if (n < 0 && errno != EINTR) {
            return -1;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static void log_line(void *ctx, enum pp_port_log level, const char *line, size_t len)
{
    static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};
    const struct pp_posix_port *p = ctx;
    struct timespec ts;
    struct tm tm;
    char text[1200];
    int n;

    if (p->to_syslog) {
        syslog(priorities[level], "%.*s", (int)len, line);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    n = snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s %.*s\n",
                 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                 ts.tv_nsec / 1000000, pp_log_level_name((enum pp_log_level)level), (int)len, line);
    if (n > 0) {
        size_t want = (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
        /* A log that cannot be written must not stop mail. */
        (void)!write(STDERR_FILENO, text, want);
    }
}

/* ---- sockets ---- */

static int io_error(int err)
{
    switch (err) {
    case ECONNREFUSED:
        return PP_IO_REFUSED;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
        return PP_IO_UNREACHABLE;
    case EADDRINUSE:
        return PP_IO_BUSY;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return PP_IO_NO_SLOT;
    default:
        return PP_IO_FAILED;
    }
}

static int io_result(ssize_t n)
{
    if (n > 0) {
        return (int)n;
    }
    if (n == 0) {
        return PP_IO_CLOSED;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? PP_IO_LATER
                                                                     : io_error(errno);
}

/* Handles are index + 1. */
static struct pp_posix_socket *of(struct pp_posix_port *p, int handle)
{
    return &p->sockets[handle - 1];
}

static int keep(struct pp_posix_port *p, int fd, bool connected)
{
    for (int i = 0; i < PP_POSIX_SOCKETS; i++) {
        if (p->sockets[i].fd < 0) {
            p->sockets[i] =
                (struct pp_posix_socket){.fd = fd, .ready = true, .connected = connected};
            return i + 1;
        }
    }
    close(fd);
    return PP_IO_NO_SLOT;
}

static socklen_t to_sockaddr(const struct pp_address *a, struct sockaddr_storage *out)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(a->port)};
    struct sockaddr_in6 in6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(a->port), .sin6_scope_id = a->scope};

    memset(out, 0, sizeof(*out));
    if (a->family == 4) {
        memcpy(&in4.sin_addr, a->ip, 4);
        memcpy(out, &in4, sizeof(in4));
        return sizeof(in4);
    }
    memcpy(&in6.sin6_addr, a->ip, 16);
    memcpy(out, &in6, sizeof(in6));
    return sizeof(in6);
}

static int open_connected(struct pp_posix_port *p, const struct pp_address *to, int type)
{
    struct sockaddr_storage address;
    socklen_t len = to_sockaddr(to, &address);
    int on = 1;
    int fd = socket(address.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return io_error(errno);
    }
    if (type == SOCK_STREAM) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    if (connect(fd, (const struct sockaddr *)&address, len) != 0 && errno != EINPROGRESS) {
        int err = io_error(errno);
        close(fd);
        return err;
    }
    return keep(p, fd, type == SOCK_DGRAM);
}

static int stream_connect(void *ctx, const struct pp_address *to)
{
    return open_connected(ctx, to, SOCK_STREAM);
}

static int stream_connected(void *ctx, int handle)
{
    struct pp_posix_socket *s = of(ctx, handle);
    struct sockaddr_storage peer;
    socklen_t peer_len = sizeof(peer);
    int err = 0;
    socklen_t err_len = sizeof(err);

    if (s->connected) {
        return 1;
    }
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &err_len) != 0 || err != 0) {
        return io_error(err != 0 ? err : errno);
    }
    s->connected = getpeername(s->fd, (struct sockaddr *)&peer, &peer_len) == 0;
    return s->connected ? 1 : 0;
}

static int stream_read(void *ctx, int handle, void *out, size_t cap)
{
    struct pp_posix_socket *s = of(ctx, handle);
    ssize_t n = recv(s->fd, out, cap, 0);

    /* All was read: what comes from now on epoll tells. */
    s->ready = n > 0 && (size_t)n == cap;
    return io_result(n);
}

static bool stream_ready(void *ctx, int handle)
{
    return of(ctx, handle)->ready;
}

static int stream_write(void *ctx, int handle, const void *bytes, size_t len)
{
    ssize_t n = send(of(ctx, handle)->fd, bytes, len, MSG_NOSIGNAL);

    return n == 0 ? PP_IO_LATER : io_result(n);
}

static void set_watch(struct pp_posix_port *p, int handle)
{
    struct pp_posix_socket *s = of(p, handle);
    struct epoll_event event = {.events = s->wanted,
                                .data.u64 = OF_STREAM | (uint64_t)(unsigned)handle};

    if (s->wanted == 0) {
        /* Out of the set altogether: EPOLLHUP would come unasked, again and again. */
        epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
    } else {
        epoll_ctl(p->epoll_fd, s->watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, s->fd, &event);
    }
    s->watched = s->wanted;
}

/* To want less costs no system call until something comes that is not wanted (wait_until): mostly
 * it is wanted again before that. */
static void stream_watch(void *ctx, int handle, bool wants_read, bool wants_write)
{
    struct pp_posix_port *p = ctx;
    struct pp_posix_socket *s = of(p, handle);

    s->wanted = (wants_read ? (uint32_t)(EPOLLIN | EPOLLRDHUP) : 0u) |
                (wants_write ? (uint32_t)EPOLLOUT : 0u);
    if ((s->wanted & ~s->watched) != 0) {
        set_watch(p, handle);
    }
}

static void socket_close(void *ctx, int handle)
{
    struct pp_posix_port *p = ctx;
    struct pp_posix_socket *s = of(p, handle);

    close(s->fd);
    *s = (struct pp_posix_socket){.fd = -1};
    p->accepted = p->accepted || p->starved; /* try again to accept */
    p->starved = false;
}

static void put_address(const struct sockaddr_storage *from, struct pp_address *out)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    const struct sockaddr_in *in4 = (const void *)from;
    const struct sockaddr_in6 *in6 = (const void *)from;

    if (from->ss_family == AF_INET) {
        out->family = 4;
        memcpy(out->ip, &in4->sin_addr, 4);
        out->port = ntohs(in4->sin_port);
    } else if (from->ss_family == AF_INET6) {
        bool is_mapped = memcmp(&in6->sin6_addr, mapped, sizeof(mapped)) == 0;
        out->family = is_mapped ? 4 : 6;
        memcpy(out->ip, (const uint8_t *)&in6->sin6_addr + (is_mapped ? 12 : 0),
               is_mapped ? 4 : 16);
        out->port = ntohs(in6->sin6_port);
        out->scope = in6->sin6_scope_id;
    }
}

static void put_credentials(int fd, struct pp_peer *peer)
{
    struct ucred credentials;
    socklen_t len = sizeof(credentials);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len) == 0) {
        peer->uid_known = true;
        peer->uid = credentials.uid;
    }
}

static int stream_accept(void *ctx, unsigned listener, struct pp_peer *peer)
{
    struct pp_posix_port *p = ctx;
    struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
    socklen_t from_len = sizeof(from);
    int fd = accept4(p->listeners[listener], (struct sockaddr *)&from, &from_len,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0) {
        p->starved = p->starved || errno == EMFILE || errno == ENFILE || errno == ENOBUFS;
        return errno == EAGAIN || errno == EINTR || errno == ECONNABORTED ? PP_IO_LATER
                                                                          : io_error(errno);
    }
    p->accepted = true;
    memset(peer, 0, sizeof(*peer));
    if (from.ss_family == AF_INET || from.ss_family == AF_INET6) {
        const int one = 1;
        put_address(&from, &peer->address);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    } else {
        put_credentials(fd, peer);
    }
    return keep(p, fd, true);
}

/* A connected datagram socket: the kernel picks a random source port and drops strangers' packets.
 */
static int datagram_open(void *ctx, const struct pp_address *to)
{
    int handle = open_connected(ctx, to, SOCK_DGRAM);

    if (handle > 0) {
        stream_watch(ctx, handle, true, false);
    }
    return handle;
}

static int datagram_receive(void *ctx, int handle, void *out, size_t cap)
{
    ssize_t n = recv(of(ctx, handle)->fd, out, cap, 0);

    return n == 0 ? PP_IO_LATER : io_result(n); /* an empty datagram says nothing */
}

/* ---- waiting ---- */

static void wait_until(void *ctx, uint64_t until_ms)
{
    struct pp_posix_port *p = ctx;
    struct epoll_event events[EVENTS_A_WAIT];
    uint64_t now = now_ms(NULL);
    int timeout_ms = -1;

    if (until_ms != UINT64_MAX) {
        uint64_t span_ms = until_ms > now ? until_ms - now : 0;
        timeout_ms = span_ms > 3600000 ? 3600000 : (int)span_ms;
    }
    if (p->accepted) {
        p->accepted = false;
        timeout_ms = 0; /* more connections may wait, of which there will be no further event */
    }
    int count = epoll_wait(p->epoll_fd, events, EVENTS_A_WAIT, timeout_ms);
    for (int i = 0; i < count; i++) {
        if ((events[i].data.u64 & OF_STREAM) != 0) {
            int handle = (int)(events[i].data.u64 & INT32_MAX);
            struct pp_posix_socket *s = of(p, handle);
            s->ready = true;
            if (s->watched != s->wanted) {
                set_watch(p, handle);
            }
        }
    }
}

int pp_posix_port_watch(struct pp_posix_port *p, int fd, bool reads, bool writes, bool watched)
{
    struct epoll_event event = {.events = (reads ? (uint32_t)(EPOLLIN | EPOLLRDHUP) : 0u) |
                                          (writes ? (uint32_t)EPOLLOUT : 0u),
                                .data.u64 = (uint64_t)(unsigned)fd};

    return epoll_ctl(p->epoll_fd, watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
}

int pp_posix_port_listen(struct pp_posix_port *p, int fd, uint32_t config)
{
    if (p->port.listener_count == PP_POSIX_LISTENERS) {
        errno = EMFILE;
        return -1;
    }
    /* Edge-triggered: while all sessions are taken, those who wait must not wake the loop again and
     * again. */
    struct epoll_event event = {.events = EPOLLIN | (uint32_t)EPOLLET,
                                .data.u64 = (uint64_t)(unsigned)fd};
    p->listener_config[p->port.listener_count] = config;
    p->listeners[p->port.listener_count++] = fd;
    return epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

/* ---- life ---- */

static void fill(struct pp_posix_port *p)
{
    p->port = (struct pp_port){
        .ctx = p,
        .now_ms = now_ms,
        .wall_s = wall_s,
        .stream_connect = stream_connect,
        .stream_connected = stream_connected,
        .stream_read = stream_read,
        .stream_write = stream_write,
        .stream_watch = stream_watch,
        .stream_close = socket_close,
        .stream_ready = stream_ready,
        .listener_config = p->listener_config,
        .stream_accept = stream_accept,
        .datagram_open = datagram_open,
        .datagram_send = stream_write,
        .datagram_receive = datagram_receive,
        .datagram_close = socket_close,
        .name_servers = pp_posix_name_servers,
        .hosts = pp_posix_hosts,
        .entropy = entropy,
        .log = log_line,
        .wait = wait_until,
    };
}

int pp_posix_port_init(struct pp_posix_port *p, const char *resolv_path_z, const char *hosts_path_z)
{
    memset(p, 0, sizeof(*p));
    fill(p);
    for (int i = 0; i < PP_POSIX_SOCKETS; i++) {
        p->sockets[i].fd = -1;
    }
    snprintf(p->resolv_path, sizeof(p->resolv_path), "%s",
             resolv_path_z != NULL ? resolv_path_z : "/etc/resolv.conf");
    snprintf(p->hosts_path, sizeof(p->hosts_path), "%s",
             hosts_path_z != NULL ? hosts_path_z : "/etc/hosts");
    p->resolv_stamp[0] = -1;
    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return p->epoll_fd < 0 ? -1 : 0;
}

void pp_posix_port_close(struct pp_posix_port *p)
{
    for (int i = 0; i < PP_POSIX_SOCKETS; i++) {
        if (p->sockets[i].fd >= 0) {
            close(p->sockets[i].fd);
        }
    }
    close(p->epoll_fd);
}

void pp_posix_port_log_to_syslog(struct pp_posix_port *p, bool yes)
{
    if (yes && !p->to_syslog) {
        openlog("pinpost", LOG_PID | LOG_NDELAY, LOG_MAIL);
    }
    p->to_syslog = yes;
}
