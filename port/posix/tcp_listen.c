/*
 * tcp_listen.c - the relay server's listeners on TCP
 *
 * Job:      see tcp_listen.h.
 */
#include "tcp_listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/ip.h"

#define BACKLOG   4096 /* the kernel takes net.core.somaxconn of it */
#define OTHER_FDS 64   /* store, log, control socket, drop directory, listeners */

static socklen_t to_sockaddr(int family, const char *address_z, uint16_t port,
                             struct sockaddr_storage *out)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct pp_text text = pp_text_z(address_z);

    memset(out, 0, sizeof *out);
    if (family == AF_INET) {
        (void)pp_ipv4_parse(text, (uint8_t *)&in4.sin_addr); /* `*` is any: all zeros */
        memcpy(out, &in4, sizeof in4);
        return sizeof in4;
    }
    (void)pp_ipv6_parse(text, (uint8_t *)&in6.sin6_addr);
    memcpy(out, &in6, sizeof in6);
    return sizeof in6;
}

static int open_one(int family, const struct pp_listener_config *listener)
{
    struct sockaddr_storage address;
    const int one = 1;
    socklen_t len = to_sockaddr(family, listener->address, listener->port, &address);
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if ((family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) != 0) ||
        bind(fd, (const struct sockaddr *)&address, len) != 0 || listen(fd, BACKLOG) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static enum pp_err explain(const struct pp_listener_config *listener, char *words, size_t cap)
{
    int error = errno;

    snprintf(words, cap, "[listener %s] %s port %u: %s%s", listener->name, listener->address,
             (unsigned)listener->port, strerror(error),
             error == EACCES ? "; ports below 1024 need root at the start" : "");
    return error == EADDRINUSE ? PP_ERR_BUSY : error == EACCES ? PP_ERR_DENIED : PP_ERR_IO;
}

static enum pp_err add(struct pp_tcp_listeners *l, struct pp_posix_port *posix, int family,
                       const struct pp_config *config, uint32_t index)
{
    int fd = open_one(family, &config->listeners[index]);

    if (fd < 0)
        return PP_ERR_IO;
    l->fds[l->count++] = fd;
    return pp_posix_port_listen(posix, fd, index) == 0 ? PP_OK : PP_ERR_IO;
}

static enum pp_err add_all(struct pp_tcp_listeners *l, struct pp_posix_port *posix,
                           const struct pp_config *config, uint32_t index)
{
    const char *address_z = config->listeners[index].address;
    bool any = strcmp(address_z, "*") == 0;
    bool is_ipv6 = strchr(address_z, ':') != NULL;
    enum pp_err err = is_ipv6 ? PP_OK : add(l, posix, AF_INET, config, index);

    if (err != PP_OK || (!any && !is_ipv6))
        return err;
    err = add(l, posix, AF_INET6, config, index);
    /* A machine without IPv6 has no address of it to listen on. */
    return any && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL) ? PP_OK : err;
}

enum pp_err pp_tcp_listen(struct pp_tcp_listeners *l, struct pp_posix_port *posix,
                          const struct pp_config *config, char *words, size_t cap)
{
    l->count = 0;
    for (uint32_t i = 0; i < config->listener_count; i++) {
        errno = 0;
        if (add_all(l, posix, config, i) != PP_OK)
            return explain(&config->listeners[i], words, cap);
    }
    return PP_OK;
}

void pp_tcp_unlisten(struct pp_tcp_listeners *l)
{
    for (unsigned i = 0; i < l->count; i++)
        close(l->fds[i]);
    l->count = 0;
}

void pp_tcp_raise_limit(void)
{
    struct rlimit limit;
    const rlim_t wanted = PP_POSIX_SOCKETS + OTHER_FDS;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur =
        limit.rlim_max == RLIM_INFINITY || limit.rlim_max > wanted ? wanted : limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}
