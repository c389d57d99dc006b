/*
 * relay_sink.c - the smarthost of bench-relay: takes every mail, and knows which it had
 *
 * Use:      relay_sink CERTIFICATE KEY AUTH-PLAIN      (the base64 that a login must show)
 *           prints `port N`; reads `begin RUN COUNT` and answers with one line of JSON when COUNT
 *           mails of the run came, or at `report`; ends with its input.
 * Job:      STARTTLS, AUTH PLAIN, PIPELINING; nothing is taken without both. Counts mails, finds
 *           those that came twice or changed, and times each from its submission's first byte to
 *           the end of its data here.
 * Not here: anything that a real server would check; no disk is touched.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "relay_conn.h"
#include "relay_mail.h"

#define CONNECTIONS  512u
#define EVENTS       64
#define OF_LISTENER  UINT32_MAX
#define OF_INPUT     (UINT32_MAX - 1)
#define COMMAND_ROOM 256u

struct peer {
    struct relay_conn conn;
    bool secure, logged_in, in_content, leaving, starts_tls, waits_for_room;
    size_t looked_at; /* bytes of content in which the end is not */
};

struct run {
    uint32_t number, wanted;
    uint32_t messages, duplicates, wrong, connections;
    uint64_t last_ns;
    bool told;
    double cpu_s;
    uint8_t *seen;          /* RELAY_MESSAGES_MAX */
    uint64_t *latencies_ns; /* RELAY_MESSAGES_MAX */
};

struct sink {
    int epoll_fd, listener_fd;
    SSL_CTX *tls;
    const char *login_z;
    struct run run;
    struct peer peers[CONNECTIONS];
};

static struct sink the_sink;

/* ---- a run ---- */

static void report(struct run *run)
{
    uint64_t p95 = relay_percentile(run->latencies_ns, run->messages, 95);
    printf(
        "{\"run\": %u, \"messages\": %u, \"duplicates\": %u, \"wrong\": %u, \"connections\": %u, "
        "\"last_ns\": %" PRIu64 ", \"p50_ns\": %" PRIu64 ", \"p95_ns\": %" PRIu64
        ", \"cpu_s\": %.3f}\n",
        run->number, run->messages, run->duplicates, run->wrong, run->connections, run->last_ns,
        relay_percentile(run->latencies_ns, run->messages, 50), p95, relay_cpu_s() - run->cpu_s);
    (void)fflush(stdout);
    run->told = true;
}

static void begin_run(struct run *run, uint32_t number, uint32_t wanted)
{
    uint8_t *seen = run->seen;
    uint64_t *latencies_ns = run->latencies_ns;
    memset(seen, 0, RELAY_MESSAGES_MAX);
    *run = (struct run){.number = number, .wanted = wanted, .cpu_s = relay_cpu_s()};
    run->seen = seen;
    run->latencies_ns = latencies_ns;
}

static void count_content(struct run *run, const char *content, size_t len)
{
    struct relay_token token;
    uint64_t now_ns = relay_now_ns();
    if (!relay_read_content(content, len, &token) || token.run != run->number ||
        token.number >= RELAY_MESSAGES_MAX) {
        run->wrong++;
        return;
    }
    if (run->seen[token.number]) {
        run->duplicates++;
        return;
    }
    run->seen[token.number] = 1;
    run->latencies_ns[run->messages++] = now_ns - token.began_ns;
    run->last_ns = now_ns;
    if (run->messages == run->wanted && !run->told)
        report(run);
}

/* ---- SMTP ---- */

static void say(struct peer *p, const char *reply_z)
{
    relay_conn_say(&p->conn, reply_z, strlen(reply_z));
}

static bool is(const char *line, size_t len, const char *verb_z)
{
    size_t verb_len = strlen(verb_z);
    return len >= verb_len && strncasecmp(line, verb_z, verb_len) == 0;
}

static void log_in(struct sink *s, struct peer *p, const char *line, size_t len)
{
    const char *shown = line + strlen("AUTH PLAIN ");
    size_t login_len = strlen(s->login_z);
    p->logged_in = p->secure && len == strlen("AUTH PLAIN ") + login_len &&
                   memcmp(shown, s->login_z, login_len) == 0;
    say(p, p->logged_in ? "235 2.7.0 welcome\r\n" : "535 5.7.8 no\r\n");
}

static void on_command(struct sink *s, struct peer *p, const char *line, size_t len)
{
    if (is(line, len, "EHLO")) {
        say(p, "250-sink.example.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 10000000\r\n"
               "250-ENHANCEDSTATUSCODES\r\n");
        say(p, p->secure ? "250 AUTH PLAIN\r\n" : "250 STARTTLS\r\n");
    } else if (is(line, len, "STARTTLS") && !p->secure) {
        say(p, "220 2.0.0 go ahead\r\n");
        p->starts_tls = true;
    } else if (is(line, len, "AUTH PLAIN ")) {
        log_in(s, p, line, len);
    } else if (is(line, len, "QUIT")) {
        say(p, "221 2.0.0 bye\r\n");
        p->leaving = true;
    } else if (is(line, len, "RSET") || is(line, len, "NOOP")) {
        say(p, "250 2.0.0 ok\r\n");
    } else if (!p->logged_in) {
        say(p, "530 5.7.0 first TLS, then a login\r\n");
    } else if (is(line, len, "MAIL FROM:") || is(line, len, "RCPT TO:")) {
        say(p, "250 2.1.0 ok\r\n");
    } else if (is(line, len, "DATA")) {
        say(p, "354 go on\r\n");
        p->in_content = true;
        p->looked_at = 0;
    } else {
        say(p, "502 5.5.1 unknown here\r\n");
    }
}

/* Takes one command or one content of what came. False when it is not whole yet. */
static bool take_one(struct sink *s, struct peer *p)
{
    struct relay_conn *c = &p->conn;
    const char *end_z = p->in_content ? "\r\n.\r\n" : "\r\n";
    size_t end_len = strlen(end_z), from = p->in_content ? p->looked_at : 0;
    const char *end = memmem(c->in + from, c->in_len - from, end_z, end_len);
    if (end == NULL) {
        p->looked_at = c->in_len > end_len ? c->in_len - end_len : 0;
        if (c->in_len == sizeof(c->in))
            relay_fail("a line or a mail that is too long");
        return false;
    }
    size_t len = (size_t)(end - c->in);
    if (p->in_content) {
        count_content(&s->run, c->in, len + 2);
        p->in_content = false;
        say(p, "250 2.0.0 taken\r\n");
    } else {
        on_command(s, p, c->in, len);
    }
    relay_conn_consume(c, len + end_len);
    return true;
}

static void close_peer(struct peer *p)
{
    relay_conn_close(&p->conn);
}

static void watch(const struct sink *s, struct peer *p, uint32_t index)
{
    bool wants = p->conn.out_len > 0;
    if (wants == p->waits_for_room)
        return;
    struct epoll_event event = {.events = EPOLLIN | (wants ? (uint32_t)EPOLLOUT : 0u),
                                .data.u32 = index};
    (void)epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, p->conn.fd, &event);
    p->waits_for_room = wants;
}

static void serve(struct sink *s, uint32_t index)
{
    struct peer *p = &s->peers[index];
    struct relay_conn *c = &p->conn;
    bool open = relay_conn_fill(c);
    while (!p->starts_tls && !p->leaving && sizeof(c->out) - c->out_len > COMMAND_ROOM &&
           take_one(s, p)) {
    }
    if (!relay_conn_flush(c) || !open || (p->leaving && c->out_len == 0)) {
        close_peer(p);
        return;
    }
    if (p->starts_tls && c->out_len == 0) {
        p->starts_tls = false;
        p->secure = true;
        relay_conn_accept_tls(c, s->tls);
    }
    watch(s, p, index);
}

/* ---- life ---- */

static void take_connections(struct sink *s)
{
    int fd;
    while ((fd = accept(s->listener_fd, NULL, NULL)) >= 0) {
        uint32_t index = 0;
        while (index < CONNECTIONS && s->peers[index].conn.fd >= 0)
            index++;
        if (index == CONNECTIONS)
            relay_fail("more than %u connections", CONNECTIONS);
        struct peer *p = &s->peers[index];
        p->secure = p->logged_in = p->in_content = p->leaving = p->starts_tls = false;
        p->waits_for_room = false;
        relay_conn_open(&p->conn, fd);
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
        if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
            relay_fail("epoll: %s", strerror(errno));
        s->run.connections++;
        say(p, "220 sink.example.test ESMTP\r\n");
        (void)relay_conn_flush(&p->conn);
    }
}

/* False when nobody wants anything any more. */
static bool take_order(struct sink *s)
{
    char line[256];
    uint32_t run, count;
    ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);
    if (n <= 0)
        return false;
    line[n] = '\0';
    if (sscanf(line, "begin %" SCNu32 " %" SCNu32, &run, &count) == 2)
        begin_run(&s->run, run, count);
    else if (strcmp(line, "report\n") == 0 && !s->run.told)
        report(&s->run);
    return true;
}

static void listen_on_loopback(struct sink *s)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    s->listener_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->listener_fd < 0 || bind(s->listener_fd, (const struct sockaddr *)&address, len) != 0 ||
        listen(s->listener_fd, 512) != 0 ||
        getsockname(s->listener_fd, (struct sockaddr *)&address, &len) != 0)
        relay_fail("a listener: %s", strerror(errno));
    printf("port %u\n", ntohs(address.sin_port));
    (void)fflush(stdout);
}

static void open_sink(struct sink *s, char **argv)
{
    struct epoll_event listener = {.events = EPOLLIN, .data.u32 = OF_LISTENER};
    struct epoll_event input = {.events = EPOLLIN, .data.u32 = OF_INPUT};
    s->tls = SSL_CTX_new(TLS_server_method());
    if (s->tls == NULL || SSL_CTX_use_certificate_chain_file(s->tls, argv[1]) != 1 ||
        SSL_CTX_use_PrivateKey_file(s->tls, argv[2], SSL_FILETYPE_PEM) != 1)
        relay_fail("%s or %s: no certificate or key", argv[1], argv[2]);
    (void)SSL_CTX_set_mode(s->tls,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    s->login_z = argv[3];
    s->run.seen = calloc(RELAY_MESSAGES_MAX, 1);
    s->run.latencies_ns = calloc(RELAY_MESSAGES_MAX, sizeof(uint64_t));
    if (s->run.seen == NULL || s->run.latencies_ns == NULL)
        relay_fail("no memory");
    for (uint32_t i = 0; i < CONNECTIONS; i++)
        s->peers[i].conn.fd = -1;
    listen_on_loopback(s);
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (s->epoll_fd < 0 || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->listener_fd, &listener) != 0 ||
        epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &input) != 0)
        relay_fail("epoll: %s", strerror(errno));
}

int main(int argc, char **argv)
{
    struct sink *s = &the_sink;
    struct epoll_event events[EVENTS];
    if (argc != 4)
        relay_fail("relay_sink CERTIFICATE KEY AUTH-PLAIN");
    open_sink(s, argv);
    for (;;) {
        int count = epoll_wait(s->epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            uint32_t index = events[i].data.u32;
            if (index == OF_LISTENER)
                take_connections(s);
            else if (index != OF_INPUT)
                serve(s, index);
            else if (!take_order(s))
                return 0;
        }
    }
}
