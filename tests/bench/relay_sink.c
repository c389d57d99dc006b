/*
 * relay_sink.c - the smarthost of the benchmark: STARTTLS, a login, and each message counted once
 *
 * Usage:    relay_sink PORT CERTIFICATE KEY REPORT
 * Job:      take what comes, with our own server room over our own link; at SIGTERM write to REPORT
 *           a line `NUMBER NANOSECONDS` for each message, in the order of their ends, and a last
 *           line `messages N duplicates N`.
 * Not here: who hands mail in (relay_load.c).
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../../port/posix/posix_port.h"
#include "base/crypto.h"
#include "intake/smtp_server.h"
#include "wire/link.h"
#include "wire/tls_slot.h"

#define SESSIONS     128
#define MESSAGES_MAX 1000000u

struct session {
    bool active;
    struct pp_smtp_server server;
    struct pp_link link;
    char head[512]; /* the content's beginning: the number is in its subject */
    size_t head_len;
};

static struct pp_posix_port posix;
static struct session sessions[SESSIONS];
static struct pp_tls_server_slot slots[SESSIONS];
static uint8_t seen[MESSAGES_MAX];
static struct {
    unsigned number;
    uint64_t ns;
} ends[MESSAGES_MAX];
static unsigned end_count, duplicates;
static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
    (void)signal_number;
    stopped = 1;
}

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void note_end(struct session *s)
{
    unsigned number;
    char *subject;

    s->head[s->head_len] = '\0';
    subject = strstr(s->head, "Subject: number ");
    if (subject == NULL || sscanf(subject, "Subject: number %u", &number) != 1 ||
        number >= MESSAGES_MAX || end_count == MESSAGES_MAX)
        return;
    duplicates += seen[number];
    seen[number] = 1;
    ends[end_count].number = number;
    ends[end_count++].ns = now_ns();
}

static void pump(void *ctx, struct pp_buf *in, struct pp_buf *out, pp_time_ms now_ms)
{
    struct session *s = ctx;
    struct pp_text text;

    for (;;) {
        pp_smtp_server_pump(&s->server, in, out, now_ms);
        switch (pp_smtp_server_event(&s->server)) {
        case PP_SERVER_EVENT_MAIL:
            s->head_len = 0;
            pp_smtp_server_reply(&s->server, out, PP_OK, now_ms);
            break;
        case PP_SERVER_EVENT_RECIPIENT:
        case PP_SERVER_EVENT_ETRN:
            pp_smtp_server_reply(&s->server, out, PP_OK, now_ms);
            break;
        case PP_SERVER_EVENT_CONTENT:
            text = pp_smtp_server_content(&s->server);
            for (size_t i = 0; i < text.len && s->head_len < sizeof s->head - 1; i++)
                s->head[s->head_len++] = text.p[i];
            pp_smtp_server_content_done(&s->server, PP_OK);
            break;
        case PP_SERVER_EVENT_END:
            note_end(s);
            pp_smtp_server_reply_end(&s->server, out, PP_OK, 1, now_ms);
            break;
        case PP_SERVER_EVENT_AUTH:
            pp_smtp_server_login(&s->server, out, PP_SERVER_LOGIN_ACCEPTED, now_ms);
            break;
        case PP_SERVER_EVENT_RESET:
            pp_smtp_server_continue(&s->server);
            break;
        case PP_SERVER_EVENT_NONE:
        case PP_SERVER_EVENT_CLOSED:
            return;
        }
    }
}

static bool wants_tls(void *ctx)
{
    return pp_smtp_server_wants_tls(&((struct session *)ctx)->server);
}

static void secured(void *ctx, pp_time_ms now_ms)
{
    pp_smtp_server_secured(&((struct session *)ctx)->server, now_ms);
}

static bool finished(void *ctx)
{
    return pp_smtp_server_finished(&((struct session *)ctx)->server);
}

static void accept_all(void)
{
    static const struct pp_server_params params = {.hostname_z = "sink.example.test",
                                                   .size_limit = 100000000,
                                                   .idle_ms = 600000,
                                                   .starttls = true,
                                                   .needs_tls = true,
                                                   .needs_login = true,
                                                   .mechanisms_z = "PLAIN LOGIN"};
    struct pp_peer peer;
    int stream;

    for (int i = 0; i < SESSIONS; i++) {
        struct session *s = &sessions[i];
        if (s->active)
            continue;
        if ((stream = posix.port.stream_accept(posix.port.ctx, 0, &peer)) <= 0)
            return;
        const struct pp_machine machine = {s, pump, wants_tls, secured, finished, NULL};
        s->active = true;
        pp_smtp_server_init(&s->server, &params, posix.port.now_ms(posix.port.ctx));
        pp_link_accept(&s->link, &posix.port, stream, &machine);
        pp_link_accept_tls(&s->link, pp_tls_server_slot(&slots[i]), false, false, 30000);
    }
}

static size_t read_file(const char *path_z, char *out, size_t cap)
{
    FILE *file = fopen(path_z, "r");
    size_t len = file != NULL ? fread(out, 1, cap, file) : 0;

    if (file != NULL)
        fclose(file);
    return len;
}

static bool begin(char **argv)
{
    static char cert[16384], key[16384];
    char words[300];
    const int one = 1;
    const struct sockaddr_in here = {.sin_family = AF_INET,
                                     .sin_port = htons((uint16_t)atoi(argv[1])),
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    size_t cert_len = read_file(argv[2], cert, sizeof cert);
    size_t key_len = read_file(argv[3], key, sizeof key);

    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    return pp_posix_port_init(&posix, NULL, NULL) == 0 &&
           bind(fd, (const struct sockaddr *)&here, sizeof here) == 0 && listen(fd, 1024) == 0 &&
           pp_posix_port_listen(&posix, fd, 0) == 0 &&
           pp_crypto_seed(posix.port.entropy, posix.port.ctx) == PP_OK &&
           pp_tls_library_init(posix.port.wall_s, posix.port.now_ms, posix.port.ctx) == PP_OK &&
           pp_tls_identity_set(cert, cert_len, key, key_len, words, sizeof words) == PP_OK;
}

int main(int argc, char **argv)
{
    const struct sigaction action = {.sa_handler = stop};

    if (argc != 5 || !begin(argv)) {
        fprintf(stderr, "relay_sink: cannot begin\n");
        return 1;
    }
    sigaction(SIGTERM, &action, NULL);
    puts("ready");
    fflush(stdout);
    while (!stopped) {
        uint64_t now_ms = posix.port.now_ms(posix.port.ctx);
        bool more = false;
        accept_all();
        for (int i = 0; i < SESSIONS; i++) {
            if (!sessions[i].active)
                continue;
            more |= pp_link_pump(&sessions[i].link, now_ms);
            sessions[i].active = sessions[i].link.state != PP_LINK_CLOSED;
        }
        posix.port.wait(posix.port.ctx, more ? now_ms : now_ms + 100);
    }
    FILE *report = fopen(argv[4], "w");
    if (report == NULL)
        return 1;
    for (unsigned i = 0; i < end_count; i++)
        fprintf(report, "%u %" PRIu64 "\n", ends[i].number, ends[i].ns);
    fprintf(report, "messages %u duplicates %u\n", end_count, duplicates);
    return fclose(report);
}
