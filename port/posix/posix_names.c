/*
 * posix_names.c - name servers and the table of hosts, from the machine's files
 *
 * Job:      read /etc/resolv.conf when it changed and /etc/hosts when asked. Each line bounded, all
 * of a file bounded, no library that could block. Follows:  resolv.conf(5) (`nameserver`; also
 * ADDRESS:PORT and [ADDRESS]:PORT), hosts(5)
 */
#include "posix_names.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "posix_port.h"

#define FILE_MAX_BYTES 65536
#define DNS_PORT       53

/* One file at a time, from one thread. */
static char file_bytes[FILE_MAX_BYTES + 1];

/* The start of a file, terminated; NULL when it cannot be read. What is beyond the bound is not
 * seen. */
static char *read_file(const char *path_z)
{
    size_t len = 0;
    ssize_t n;
    int fd = open(path_z, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        return NULL;
    }
    while (len < FILE_MAX_BYTES && (n = read(fd, file_bytes + len, FILE_MAX_BYTES - len)) > 0) {
        len += (size_t)n;
    }
    close(fd);
    file_bytes[len] = '\0';
    return file_bytes;
}

static bool parse_ip(const char *text_z, struct pp_address *out)
{
    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, text_z, out->ip) == 1) {
        out->family = 4;
    } else if (inet_pton(AF_INET6, text_z, out->ip) == 1) {
        out->family = 6;
    }
    return out->family != 0;
}

/* "fe80::1%eth0" */
static void cut_scope(char *text_z, uint32_t *scope)
{
    char *percent = strchr(text_z, '%');

    if (percent != NULL) {
        *percent = '\0';
        *scope = if_nametoindex(percent + 1);
    }
}

static bool parse_port(const char *text_z, uint16_t *port)
{
    char *end;
    unsigned long value = strtoul(text_z, &end, 10);

    if (!isdigit((unsigned char)*text_z) || *end != '\0' || value == 0 || value > 65535) {
        return false;
    }
    *port = (uint16_t)value;
    return true;
}

static bool parse_server(char *text_z, struct pp_address *out)
{
    uint16_t port = DNS_PORT;
    uint32_t scope = 0;
    char *close_z = strchr(text_z, ']');
    char *colon = strchr(text_z, ':');

    if (text_z[0] == '[' && close_z != NULL) {
        *close_z = '\0';
        if (close_z[1] == ':' && !parse_port(close_z + 2, &port)) {
            return false;
        }
        text_z++;
    } else if (colon != NULL && strchr(colon + 1, ':') == NULL) {
        *colon = '\0';
        if (!parse_port(colon + 1, &port)) {
            return false;
        }
    }
    cut_scope(text_z, &scope);
    if (!parse_ip(text_z, out)) {
        return false;
    }
    out->port = port;
    out->scope = scope;
    return true;
}

static void read_servers(struct pp_posix_port *p)
{
    char *rest = read_file(p->resolv_path);
    char *line;

    p->server_count = 0;
    while (rest != NULL && (line = strsep(&rest, "\n")) != NULL) {
        char *word = line;
        char *key = strsep(&word, " \t");
        while (word != NULL && (*word == ' ' || *word == '\t')) {
            word++;
        }
        if (strcmp(key, "nameserver") == 0 && word != NULL && p->server_count < PP_POSIX_SERVERS) {
            word[strcspn(word, " \t\r#;")] = '\0';
            if (parse_server(word, &p->servers[p->server_count])) {
                p->server_count++;
            }
        }
    }
}

unsigned pp_posix_name_servers(void *ctx, struct pp_address *out, unsigned cap)
{
    struct pp_posix_port *p = ctx;
    struct stat st;

    if (stat(p->resolv_path, &st) != 0) {
        memset(&st, 0, sizeof(st));
    }
    if (p->resolv_stamp[0] != st.st_mtim.tv_sec || p->resolv_stamp[1] != st.st_mtim.tv_nsec ||
        p->resolv_stamp[2] != st.st_size) {
        p->resolv_stamp[0] = st.st_mtim.tv_sec;
        p->resolv_stamp[1] = st.st_mtim.tv_nsec;
        p->resolv_stamp[2] = st.st_size;
        read_servers(p);
        if (p->server_count == 0) {
            /* resolv.conf(5): without an entry, the name server on the local machine. */
            p->servers[0] =
                (struct pp_address){.family = 4, .ip = {127, 0, 0, 1}, .port = DNS_PORT};
            p->server_count = 1;
        }
    }
    unsigned count = p->server_count < cap ? p->server_count : cap;
    memcpy(out, p->servers, count * sizeof(*out));
    return count;
}

/* True when one of the names on the line is `name_z`, a root dot aside. */
static bool line_names(char *names_z, const char *name_z)
{
    size_t len = strlen(name_z);
    char *word;

    if (len > 0 && name_z[len - 1] == '.') {
        len--;
    }
    while ((word = strsep(&names_z, " \t\r")) != NULL) {
        if (strlen(word) == len && len > 0 && strncasecmp(word, name_z, len) == 0) {
            return true;
        }
    }
    return false;
}

unsigned pp_posix_hosts(void *ctx, const char *name_z, int family, struct pp_address *out,
                        unsigned cap)
{
    struct pp_posix_port *p = ctx;
    char *rest = read_file(p->hosts_path);
    unsigned count = 0;
    char *line;

    while (rest != NULL && count < cap && (line = strsep(&rest, "\n")) != NULL) {
        uint32_t scope = 0;
        char *names;
        line[strcspn(line, "#")] = '\0';
        line += strspn(line, " \t");
        names = line + strcspn(line, " \t");
        if (*names == '\0') {
            continue;
        }
        *names++ = '\0';
        cut_scope(line, &scope);
        if (parse_ip(line, &out[count]) && out[count].family == family &&
            line_names(names, name_z)) {
            out[count++].scope = scope;
        }
    }
    return count;
}
