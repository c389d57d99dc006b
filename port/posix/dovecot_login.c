/*
 * dovecot_login.c - Dovecot decides on logins
 *
 * Job:      see dovecot_login.h.
 */
#include "dovecot_login.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/ip.h"

#define RETRY_MS     1000
#define READS_A_TURN 8

static const char *const known[] = {"PLAIN", "LOGIN", "SCRAM-SHA-256"};

/* ---- the connection ---- */

static uint64_t now_ms(const struct pp_dovecot *d)
{
    return d->posix->port.now_ms(d->posix->port.ctx);
}

/* Whoever waits is told to come again. */
static void lose(struct pp_dovecot *d)
{
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
    d->ready = false;
    d->in_len = 0;
    d->mechanisms[0] = d->offered[0] = '\0';
    d->retry_at_ms = now_ms(d) + RETRY_MS;
    for (int i = 0; i < PP_DOVECOT_LOGINS; i++) {
        struct pp_dovecot_login *login = &d->logins[i];
        login->lost = login->id != 0;
        if (login->lost && !login->heard) {
            login->heard = true;
            login->said.said = PP_PORT_LOGIN_LATER;
        }
    }
}

/* All or the connection is lost: the kernel's buffer takes far more than all logins say at once. */
static bool send_all(struct pp_dovecot *d, const char *text, size_t len)
{
    ssize_t n = d->fd >= 0 ? send(d->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT) : -1;

    if (n < 0 || (size_t)n != len) {
        lose(d);
        return false;
    }
    return true;
}

static void connect_now(struct pp_dovecot *d)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char hello[64];

    d->retry_at_ms = now_ms(d) + RETRY_MS;
    if (strlen(d->path) >= sizeof address.sun_path)
        return;
    memcpy(address.sun_path, d->path, strlen(d->path) + 1);
    d->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int len = snprintf(hello, sizeof hello, "VERSION\t1\t1\nCPID\t%ld\n", (long)getpid());
    if (d->fd < 0 || connect(d->fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        pp_posix_port_watch(d->posix, d->fd, true, false, false) != 0) {
        lose(d);
        return;
    }
    (void)send_all(d, hello, (size_t)len);
}

/* ---- what it says ---- */

static struct pp_dovecot_login *find(struct pp_dovecot *d, struct pp_text id_text)
{
    uint64_t id;

    if (pp_text_to_u64(id_text, UINT32_MAX, &id) != PP_OK || id == 0)
        return NULL;
    for (int i = 0; i < PP_DOVECOT_LOGINS; i++) {
        if (d->logins[i].id == id && !d->logins[i].heard)
            return &d->logins[i];
    }
    return NULL;
}

static void keep(struct pp_dovecot_login *login, enum pp_port_login_said said, struct pp_text text)
{
    bool fits = text.len < sizeof login->said.text;

    login->heard = true;
    login->said.said = fits ? said : PP_PORT_LOGIN_LATER;
    memcpy(login->said.text, fits && text.len > 0 ? text.p : "", fits ? text.len : 0);
    login->said.text[fits ? text.len : 0] = '\0';
}

/* The value of `name=` among the fields of a line; empty: it is not there. */
static struct pp_text field(struct pp_text rest, const char *name_z)
{
    struct pp_text name = pp_text_z(name_z);

    while (rest.len > 0) {
        struct pp_text one = pp_text_cut(&rest, '\t');
        if (pp_text_starts_nocase(one, name))
            return pp_text_n(one.p + name.len, one.len - name.len);
    }
    return pp_text_n(NULL, 0);
}

static bool has_word(struct pp_text rest, const char *word_z)
{
    while (rest.len > 0) {
        if (pp_text_equal(pp_text_cut(&rest, '\t'), pp_text_z(word_z)))
            return true;
    }
    return false;
}

static void hear_mechanism(struct pp_dovecot *d, struct pp_text name)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t len = strlen(d->offered);
        if (pp_text_equal_nocase(name, pp_text_z(known[i])) &&
            strstr(d->offered, known[i]) == NULL && len + strlen(known[i]) + 2 < sizeof d->offered)
            snprintf(d->offered + len, sizeof d->offered - len, "%s%s", len > 0 ? " " : "",
                     known[i]);
    }
}

static void hear_verdict(struct pp_dovecot *d, struct pp_text word, struct pp_text rest)
{
    struct pp_dovecot_login *login = find(d, pp_text_cut(&rest, '\t'));
    struct pp_text user = field(rest, "user=");

    if (login == NULL)
        return;
    if (pp_text_equal(word, pp_text_z("CONT")))
        keep(login, PP_PORT_LOGIN_CHALLENGE, pp_text_cut(&rest, '\t'));
    else if (pp_text_equal(word, pp_text_z("FAIL")))
        keep(login,
             has_word(rest, "temp") || has_word(rest, "code=temp_fail") ? PP_PORT_LOGIN_LATER
                                                                        : PP_PORT_LOGIN_REFUSED,
             user);
    else /* An OK that names nobody is none. */
        keep(login, user.len > 0 ? PP_PORT_LOGIN_ACCEPTED : PP_PORT_LOGIN_LATER, user);
}

/* False: a protocol that we do not speak. */
static bool hear_line(struct pp_dovecot *d, struct pp_text line)
{
    struct pp_text word = pp_text_cut(&line, '\t');

    if (pp_text_equal(word, pp_text_z("VERSION")))
        return pp_text_equal(pp_text_cut(&line, '\t'), pp_text_z("1"));
    if (pp_text_equal(word, pp_text_z("MECH"))) {
        hear_mechanism(d, pp_text_cut(&line, '\t'));
    } else if (pp_text_equal(word, pp_text_z("DONE"))) {
        d->ready = true;
        memcpy(d->mechanisms, d->offered, sizeof d->mechanisms);
    } else if (pp_text_equal(word, pp_text_z("CONT")) || pp_text_equal(word, pp_text_z("OK")) ||
               pp_text_equal(word, pp_text_z("FAIL"))) {
        hear_verdict(d, word, line);
    }
    return true; /* of others we need to know nothing */
}

static bool hear_lines(struct pp_dovecot *d)
{
    size_t done = 0;
    const char *lf;

    while ((lf = memchr(d->in + done, '\n', d->in_len - done)) != NULL) {
        size_t len = (size_t)(lf - (d->in + done));
        if (!hear_line(d, pp_text_n(d->in + done, len)))
            return false;
        done += len + 1;
    }
    memmove(d->in, d->in + done, d->in_len - done);
    d->in_len -= done;
    return d->in_len < sizeof d->in;
}

void pp_dovecot_turn(struct pp_dovecot *d)
{
    if (d->fd < 0 && d->path[0] != '\0' && now_ms(d) >= d->retry_at_ms)
        connect_now(d);
    for (int i = 0; i < READS_A_TURN && d->fd >= 0; i++) {
        ssize_t n = recv(d->fd, d->in + d->in_len, sizeof d->in - d->in_len, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        d->in_len += n > 0 ? (size_t)n : 0;
        if (n <= 0 || !hear_lines(d))
            lose(d);
    }
}

/* ---- port.login_* ---- */

static struct pp_dovecot *of(void *ctx)
{
    return ((struct pp_posix_port *)ctx)->login_ctx;
}

static int say(struct pp_dovecot *d, const char *text, int len, size_t cap)
{
    return len > 0 && (size_t)len < cap && send_all(d, text, (size_t)len) ? 0 : -1;
}

static int login_begin(void *ctx, const char *mechanism_z, const struct pp_peer *peer,
                       const char *response_z)
{
    struct pp_dovecot *d = of(ctx);
    char line[PP_DOVECOT_LINE_CAP], address[64] = "";
    struct pp_writer w;
    int slot = 0;

    pp_dovecot_turn(d);
    while (slot < PP_DOVECOT_LOGINS && d->logins[slot].id != 0)
        slot++;
    /* What stands in a line of theirs must not end a field of it. */
    if (!d->ready || slot == PP_DOVECOT_LOGINS || strpbrk(mechanism_z, "\t\n") != NULL ||
        (response_z != NULL && strpbrk(response_z, "\t\n") != NULL))
        return PP_IO_FAILED;
    pp_writer_init(&w, address, sizeof address - 1);
    if (peer->address.family == 4)
        pp_put_ipv4(&w, peer->address.ip);
    else if (peer->address.family == 6)
        pp_put_ipv6(&w, peer->address.ip);
    address[w.len] = '\0';
    d->next_id += d->next_id == UINT32_MAX ? 2 : 1;
    bool empty = response_z != NULL && strcmp(response_z, "=") == 0;
    int len = snprintf(line, sizeof line, "AUTH\t%" PRIu32 "\t%s\tservice=smtp\tsecured%s%s%s%s\n",
                       d->next_id, mechanism_z, w.len > 0 ? "\trip=" : "", address,
                       response_z != NULL ? "\tresp=" : "",
                       response_z != NULL && !empty ? response_z : "");
    d->logins[slot] = (struct pp_dovecot_login){.id = d->next_id};
    int done = say(d, line, len, sizeof line);
    pp_wipe(line, sizeof line);
    if (done != 0) {
        d->logins[slot].id = 0;
        return PP_IO_FAILED;
    }
    return slot + 1;
}

static int login_answer(void *ctx, int handle, const char *response_z)
{
    struct pp_dovecot *d = of(ctx);
    struct pp_dovecot_login *login = &d->logins[handle - 1];
    char line[PP_DOVECOT_LINE_CAP];

    if (!d->ready || login->lost || strpbrk(response_z, "\t\n") != NULL)
        return PP_IO_FAILED;
    login->heard = false;
    int len = snprintf(line, sizeof line, "CONT\t%" PRIu32 "\t%s\n", login->id, response_z);
    int done = say(d, line, len, sizeof line);
    pp_wipe(line, sizeof line);
    return done == 0 ? 0 : PP_IO_FAILED;
}

static int login_ask(void *ctx, int handle, struct pp_port_login *out)
{
    struct pp_dovecot *d = of(ctx);

    pp_dovecot_turn(d);
    if (!d->logins[handle - 1].heard)
        return 0;
    *out = d->logins[handle - 1].said;
    return 1;
}

static void login_end(void *ctx, int handle)
{
    struct pp_dovecot_login *login = &of(ctx)->logins[handle - 1];

    pp_wipe(login, sizeof *login);
}

static const char *login_mechanisms(void *ctx)
{
    struct pp_dovecot *d = of(ctx);

    pp_dovecot_turn(d);
    return d->mechanisms;
}

void pp_dovecot_open(struct pp_dovecot *d, struct pp_posix_port *posix, const char *path_z)
{
    memset(d, 0, sizeof *d);
    d->posix = posix;
    d->fd = -1;
    snprintf(d->path, sizeof d->path, "%s", path_z);
    posix->login_ctx = d;
    posix->port.login_begin = login_begin;
    posix->port.login_answer = login_answer;
    posix->port.login_ask = login_ask;
    posix->port.login_end = login_end;
    posix->port.login_mechanisms = login_mechanisms;
}

void pp_dovecot_move(struct pp_dovecot *d, const char *path_z)
{
    lose(d);
    snprintf(d->path, sizeof d->path, "%s", path_z);
    d->retry_at_ms = 0;
}

void pp_dovecot_close(struct pp_dovecot *d)
{
    if (d->posix != NULL && d->fd >= 0)
        close(d->fd);
    d->fd = -1;
}
