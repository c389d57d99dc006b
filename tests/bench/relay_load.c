/*
 * relay_load.c - clients that hand in mail as fast as it is taken
 *
 * Usage:    relay_load PORT CLIENTS MESSAGES [PAUSE_MS]
 * Job:      each client on one connection: MAIL, RCPT, DATA in one write, content of 2 KiB in
 *           another, the next message behind the 250. Prints the seconds that all took; with a
 *           pause between messages `NUMBER NANOSECONDS` for each, when its first byte went.
 * Not here: TLS and logins of these clients: both relays are handed mail by a trusted network.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 256
#define MAIL_BYTES  2048
#define LIMIT_S     600

enum state { AWAIT_GREETING, AWAIT_EHLO, AWAIT_MAIL, AWAIT_RCPT, AWAIT_DATA, AWAIT_END, DONE };

struct client {
    int fd;
    enum state state;
    char in[4096];
    size_t in_len;
    unsigned number;
};

static struct client clients[CLIENTS_MAX];
static struct pollfd polls[CLIENTS_MAX];
static unsigned wanted, begun, taken, pause_ms;

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void fail(const char *words_z, const char *line)
{
    fprintf(stderr, "relay_load: %s: %s\n", words_z, line);
    exit(1);
}

static void send_all(const struct client *c, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = send(c->fd, text, len, MSG_NOSIGNAL);
        if (n <= 0)
            fail("the server went away", "");
        text += n;
        len -= (size_t)n;
    }
}

static void say(const struct client *c, const char *text_z)
{
    send_all(c, text_z, strlen(text_z));
}

static void begin_message(struct client *c)
{
    if (begun == wanted) {
        say(c, "QUIT\r\n");
        c->state = DONE;
        return;
    }
    if (pause_ms > 0 && begun > 0)
        (void)poll(NULL, 0, (int)pause_ms);
    c->number = begun++;
    if (pause_ms > 0)
        printf("%u %" PRIu64 "\n", c->number, now_ns());
    say(c, "MAIL FROM:<load@example.test>\r\nRCPT TO:<sink@example.test>\r\nDATA\r\n");
    c->state = AWAIT_MAIL;
}

static void send_content(const struct client *c)
{
    static const char line[] =
        "The quick brown fox jumps over the lazy dog, and does so once more.\r\n";
    char mail[MAIL_BYTES + 256];
    int len = snprintf(mail, sizeof mail,
                       "Subject: number %u\r\nFrom: load@example.test\r\nTo: sink@example.test\r\n"
                       "Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
                       "Message-ID: <%u.%" PRIu64 "@load.example.test>\r\n\r\n",
                       c->number, c->number, now_ns());
    size_t at = (size_t)len;

    while (at + sizeof line - 1 <= MAIL_BYTES) {
        memcpy(mail + at, line, sizeof line - 1);
        at += sizeof line - 1;
    }
    memcpy(mail + at, ".\r\n", 3);
    send_all(c, mail, at + 3);
}

/* The last line of a reply. */
static void on_reply(struct client *c, const char *line)
{
    static const char *const expected[] = {"220", "250", "250", "250", "354", "250", "221"};

    if (strncmp(line, expected[c->state], 3) != 0)
        fail("refused", line);
    switch (c->state) {
    case AWAIT_GREETING:
        say(c, "EHLO load.example.test\r\n");
        c->state = AWAIT_EHLO;
        break;
    case AWAIT_MAIL:
    case AWAIT_RCPT:
        c->state++;
        break;
    case AWAIT_DATA:
        send_content(c);
        c->state = AWAIT_END;
        break;
    case AWAIT_END:
        taken++;
        begin_message(c);
        break;
    case AWAIT_EHLO:
        begin_message(c);
        break;
    case DONE:
        break;
    }
}

static void hear(struct client *c)
{
    ssize_t n = recv(c->fd, c->in + c->in_len, sizeof c->in - 1 - c->in_len, 0);
    char *line = c->in, *end;

    if (n <= 0 && c->state != DONE)
        fail("the server closed", "");
    c->in_len += n > 0 ? (size_t)n : 0;
    c->in[c->in_len] = '\0';
    while ((end = strstr(line, "\r\n")) != NULL) {
        *end = '\0';
        if (strlen(line) < 4 || line[3] != '-')
            on_reply(c, line);
        line = end + 2;
    }
    c->in_len -= (size_t)(line - c->in);
    memmove(c->in, line, c->in_len);
}

static int connect_to(uint16_t port)
{
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) != 0)
        fail("cannot connect", "");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        fail("usage", "relay_load PORT CLIENTS MESSAGES [PAUSE_MS]");
    unsigned count = (unsigned)atoi(argv[2]);
    wanted = (unsigned)atoi(argv[3]);
    pause_ms = argc > 4 ? (unsigned)atoi(argv[4]) : 0;
    if (count < 1 || count > CLIENTS_MAX)
        fail("clients", argv[2]);
    alarm(LIMIT_S);
    for (unsigned i = 0; i < count; i++) {
        clients[i].fd = connect_to((uint16_t)atoi(argv[1]));
        polls[i] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
    }
    uint64_t began_ns = now_ns();
    while (taken < wanted) {
        if (poll(polls, count, -1) < 0)
            fail("poll", "");
        for (unsigned i = 0; i < count; i++) {
            if (polls[i].revents != 0 && clients[i].state != DONE)
                hear(&clients[i]);
            if (clients[i].state == DONE)
                polls[i].fd = -1;
        }
    }
    printf("seconds %.6f\n", (double)(now_ns() - began_ns) / 1e9);
    return 0;
}
