/*
 * relay_load.c - the clients of bench-relay: connections that submit 2 KiB mails
 *
 * Use:      relay_load HOST:PORT|SOCKET CLIENTS MESSAGES RUN [PAUSE_MS]
 *           prints one line of JSON at the end.
 * Job:      each client keeps its connection and hands in one mail after the other; MAIL, RCPT and
 *           DATA go together where the server offers PIPELINING. Times each mail's 250. With a
 *           pause every mail has a connection of its own, and a pause after it: an alert.
 *           A 4yz is counted, and the mail handed in again after a moment.
 * Not here: whether the mails arrive (relay_sink.c).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "relay_conn.h"
#include "relay_mail.h"

#define CLIENTS       256u
#define EVENTS        64
#define AGAIN_NS      UINT64_C(10000000) /* after a 4yz */
#define GIVE_UP_NS    UINT64_C(60000000000)
#define WAITS_FOREVER UINT64_MAX

/* What the next reply answers. */
enum step { STEP_GREETING, STEP_EHLO, STEP_MAIL, STEP_RCPT, STEP_DATA, STEP_CONTENT };

struct client {
    struct relay_conn conn;
    enum step step;
    bool pipelining, refused;
    bool watched_for_room;
    uint64_t resume_ns; /* 0: under way */
    struct relay_token token;
};

struct load {
    struct sockaddr_storage to;
    socklen_t to_len;
    int epoll_fd;
    uint32_t clients, messages, next, accepted, deferred;
    uint64_t pause_ns, begin_ns, last_ns;
    uint64_t *latencies_ns; /* of the 250s */
    uint32_t run;
    struct client client[CLIENTS];
};

static struct load the_load;

/* ---- life of a connection ---- */

static void connect_client(struct load *l, uint32_t index)
{
    struct client *c = &l->client[index];
    int fd = socket(l->to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&l->to, l->to_len) != 0)
        relay_fail("connect: %s", strerror(errno));
    relay_conn_open(&c->conn, fd);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        relay_fail("epoll: %s", strerror(errno));
    c->step = STEP_GREETING;
    c->resume_ns = 0;
    c->watched_for_room = false;
}

static void say(struct client *c, const char *bytes_z)
{
    relay_conn_say(&c->conn, bytes_z, strlen(bytes_z));
}

static void say_step(struct client *c, enum step step)
{
    c->step = step;
    switch (step) {
    case STEP_EHLO:
        say(c, "EHLO client.example.test\r\n");
        break;
    case STEP_MAIL:
        say(c, "MAIL FROM:<" RELAY_SENDER ">\r\n");
        break;
    case STEP_RCPT:
        say(c, "RCPT TO:<" RELAY_RECIPIENT ">\r\n");
        break;
    case STEP_DATA:
        say(c, "DATA\r\n");
        break;
    case STEP_CONTENT: {
        char content[RELAY_CONTENT_CAP];
        relay_conn_say(&c->conn, content, relay_put_content(content, &c->token));
        break;
    }
    case STEP_GREETING:
        break;
    }
}

/* ---- a mail ---- */

static void say_envelope(struct client *c)
{
    c->refused = false;
    say_step(c, STEP_MAIL);
    if (c->pipelining) {
        say_step(c, STEP_RCPT);
        say_step(c, STEP_DATA);
        c->step = STEP_MAIL;
    }
}

/* The next mail, or none: then the client rests for good. */
static bool take_mail(struct load *l, struct client *c)
{
    if (l->next == l->messages) {
        c->resume_ns = WAITS_FOREVER;
        return false;
    }
    c->token.number = l->next++;
    return true;
}

static void begin_mail(struct load *l, struct client *c)
{
    if (l->pause_ns == 0) {
        if (!take_mail(l, c))
            return;
        c->token.began_ns = relay_now_ns();
    }
    say_envelope(c);
}

static void finish_mail(struct load *l, struct client *c)
{
    l->last_ns = relay_now_ns();
    l->latencies_ns[l->accepted++] = l->last_ns - c->token.began_ns;
    if (l->pause_ns == 0) {
        begin_mail(l, c);
        return;
    }
    say(c, "QUIT\r\n");
    (void)relay_conn_flush(&c->conn);
    relay_conn_close(&c->conn);
    c->resume_ns = l->next == l->messages ? WAITS_FOREVER : l->last_ns + l->pause_ns;
}

static void defer(struct load *l, struct client *c, const char *reply)
{
    if (reply[0] != '4' && reply[0] != '5')
        relay_fail("an answer out of order: %.60s", reply);
    if (l->deferred++ == 0)
        (void)fprintf(stderr, "bench-relay: handed in again: %.*s\n", (int)strcspn(reply, "\r\n"),
                      reply);
    say(c, "RSET\r\n");
    c->step = STEP_GREETING; /* its 250 is waited for, and then the pause is over */
    c->resume_ns = relay_now_ns() + AGAIN_NS;
}

static void on_reply(struct load *l, struct client *c, const char *reply)
{
    bool good = reply[0] == '2' || reply[0] == '3';
    switch (c->step) {
    case STEP_GREETING:
        if (c->resume_ns != 0)
            return; /* to our RSET */
        if (!good)
            relay_fail("the greeting: %.80s", reply);
        if (l->pause_ns > 0)
            c->token.began_ns = relay_now_ns();
        say_step(c, STEP_EHLO);
        return;
    case STEP_EHLO:
        begin_mail(l, c);
        return;
    case STEP_MAIL:
    case STEP_RCPT:
        if (!good && !c->refused)
            (void)fprintf(stderr, "bench-relay: %.*s\n", (int)strcspn(reply, "\r\n"), reply);
        c->refused |= !good;
        if (c->pipelining)
            c->step = c->step == STEP_MAIL ? STEP_RCPT : STEP_DATA;
        else if (!good)
            defer(l, c, reply);
        else
            say_step(c, c->step == STEP_MAIL ? STEP_RCPT : STEP_DATA);
        return;
    case STEP_DATA:
        if (reply[0] == '3')
            say_step(c, STEP_CONTENT);
        else
            defer(l, c, reply);
        return;
    case STEP_CONTENT:
        if (good)
            finish_mail(l, c);
        else
            defer(l, c, reply);
        return;
    }
}

/* Takes one line of a reply. False when none is whole. */
static bool take_line(struct load *l, struct client *c)
{
    struct relay_conn *conn = &c->conn;
    const char *end = memmem(conn->in, conn->in_len, "\r\n", 2);
    char line[512];
    if (conn->fd < 0 || end == NULL)
        return false;
    size_t len = (size_t)(end - conn->in), kept = len < sizeof(line) ? len : sizeof(line) - 1;
    memcpy(line, conn->in, kept);
    line[kept] = '\0';
    relay_conn_consume(conn, len + 2);
    if (c->step == STEP_EHLO && strncmp(line + (kept > 4 ? 4 : kept), "PIPELINING", 10) == 0)
        c->pipelining = true;
    if (kept < 4 || line[3] != '-')
        on_reply(l, c, line);
    return true;
}

static void serve(struct load *l, uint32_t index)
{
    struct client *c = &l->client[index];
    if (c->conn.fd < 0)
        return;
    if (!relay_conn_fill(&c->conn)) {
        if (c->resume_ns != WAITS_FOREVER)
            relay_fail("the server closed client %u", index);
        relay_conn_close(&c->conn);
        return;
    }
    while (take_line(l, c)) {
    }
    if (c->conn.fd < 0)
        return;
    if (!relay_conn_flush(&c->conn))
        relay_fail("the server closed client %u", index);
    bool wants = c->conn.out_len > 0;
    if (wants != c->watched_for_room) {
        struct epoll_event event = {.events = EPOLLIN | (wants ? (uint32_t)EPOLLOUT : 0u),
                                    .data.u32 = index};
        (void)epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, c->conn.fd, &event);
        c->watched_for_room = wants;
    }
}

/* ---- the whole ---- */

/* Clients whose pause is over go on. Milliseconds until the next is. */
static int resume(struct load *l)
{
    uint64_t now_ns = relay_now_ns(), next_ns = now_ns + GIVE_UP_NS;
    for (uint32_t i = 0; i < l->clients; i++) {
        struct client *c = &l->client[i];
        if (c->resume_ns == 0 || c->resume_ns == WAITS_FOREVER)
            continue;
        if (c->resume_ns > now_ns) {
            next_ns = c->resume_ns < next_ns ? c->resume_ns : next_ns;
        } else if (c->conn.fd < 0) {
            (void)take_mail(l, c);
            connect_client(l, i);
        } else {
            c->resume_ns = 0;
            say_envelope(c);
            (void)relay_conn_flush(&c->conn);
        }
    }
    return (int)((next_ns - now_ns) / 1000000u) + 1;
}

static void set_target(struct load *l, char *target_z)
{
    struct sockaddr_un *local = (struct sockaddr_un *)&l->to;
    struct sockaddr_in *remote = (struct sockaddr_in *)&l->to;
    char *colon = strrchr(target_z, ':');
    if (target_z[0] == '/' && strlen(target_z) < sizeof(local->sun_path)) {
        local->sun_family = AF_UNIX;
        memcpy(local->sun_path, target_z, strlen(target_z) + 1);
        l->to_len = sizeof(*local);
        return;
    }
    if (colon == NULL)
        relay_fail("%s: HOST:PORT or a path", target_z);
    *colon = '\0';
    remote->sin_family = AF_INET;
    remote->sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    l->to_len = sizeof(*remote);
    if (inet_pton(AF_INET, target_z, &remote->sin_addr) != 1)
        relay_fail("%s: no IPv4 address", target_z);
}

static void run(struct load *l)
{
    struct epoll_event events[EVENTS];
    l->begin_ns = relay_now_ns();
    for (uint32_t i = 0; i < l->clients; i++) {
        l->client[i].token.run = l->run;
        if (l->pause_ns > 0)
            (void)take_mail(l, &l->client[i]);
        connect_client(l, i);
    }
    while (l->accepted < l->messages) {
        int count = epoll_wait(l->epoll_fd, events, EVENTS, resume(l));
        if (count == 0 && relay_now_ns() - l->last_ns > GIVE_UP_NS &&
            relay_now_ns() - l->begin_ns > GIVE_UP_NS)
            relay_fail("no answer for a minute");
        for (int i = 0; i < count; i++)
            serve(l, events[i].data.u32);
    }
}

int main(int argc, char **argv)
{
    struct load *l = &the_load;
    if (argc < 5)
        relay_fail("relay_load HOST:PORT|SOCKET CLIENTS MESSAGES RUN [PAUSE_MS]");
    set_target(l, argv[1]);
    l->clients = (uint32_t)strtoul(argv[2], NULL, 10);
    l->messages = (uint32_t)strtoul(argv[3], NULL, 10);
    l->run = (uint32_t)strtoul(argv[4], NULL, 10);
    l->pause_ns = argc > 5 ? strtoull(argv[5], NULL, 10) * 1000000u : 0;
    if (l->clients == 0 || l->clients > CLIENTS || l->messages == 0 ||
        l->messages > RELAY_MESSAGES_MAX)
        relay_fail("1 to %u clients, 1 to %u messages", CLIENTS, RELAY_MESSAGES_MAX);
    l->latencies_ns = calloc(l->messages, sizeof(uint64_t));
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (l->latencies_ns == NULL || l->epoll_fd < 0)
        relay_fail("no memory");
    run(l);
    uint64_t p95 = relay_percentile(l->latencies_ns, l->accepted, 95);
    printf("{\"run\": %u, \"accepted\": %u, \"deferred\": %u, \"begin_ns\": %" PRIu64
           ", \"last_ns\": %" PRIu64 ", \"p50_ns\": %" PRIu64 ", \"p95_ns\": %" PRIu64
           ", \"cpu_s\": %.3f}\n",
           l->run, l->accepted, l->deferred, l->begin_ns, l->last_ns,
           relay_percentile(l->latencies_ns, l->accepted, 50), p95, relay_cpu_s());
    return 0;
}
