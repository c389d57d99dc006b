/*
 * control.c - control.sock: the queue commands reach the daemon here
 *
 * Job:      accept, ask the kernel who it is, read lines, write answers as the peer takes them.
 * Not here: what requests mean (control_task.c).
 */
#include "control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/time.h"

#define BUSY_LOOK_MS 10    /* while mail goes through */
#define SILENT_MS    60000 /* a connection that does nothing is closed */
#define ROUNDS       4     /* of one connection in a turn */
#define STEPS        32    /* of a task in a round */
#define GROUPS_MAX   256

static void end_session(struct pp_control_session *s)
{
    close(s->fd);
    s->fd = -1;
}

/* ---- who may ---- */

static bool has_group(int fd, gid_t gid)
{
    gid_t groups[GROUPS_MAX];
    socklen_t len = sizeof groups;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) != 0)
        return false;
    for (size_t i = 0; i < len / sizeof *groups; i++) {
        if (groups[i] == gid)
            return true;
    }
    return false;
}

static bool may_use(const struct pp_control *c, int fd, struct ucred *peer)
{
    socklen_t len = sizeof *peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &len) != 0)
        return false;
    return peer->uid == 0 || peer->uid == c->uid || peer->gid == c->gid || has_group(fd, c->gid);
}

static void log_denied(const struct pp_control *c, const struct ucred *peer)
{
    struct pp_log_line line;

    pp_log_begin(&line, c->log, PP_LOG_WARN, 0, "control_denied");
    pp_log_u64(&line, "uid", peer->uid);
    pp_log_end(&line);
}

/* ---- connections ---- */

/* The connection that has been silent for longest, if it has been for too long. */
static struct pp_control_session *free_slot(struct pp_control *c, uint64_t now_ms)
{
    struct pp_control_session *oldest = &c->sessions[0];

    for (size_t i = 0; i < PP_CONTROL_SESSIONS; i++) {
        struct pp_control_session *s = &c->sessions[i];
        if (s->fd < 0)
            return s;
        if (s->seen_ms < oldest->seen_ms)
            oldest = s;
    }
    if (now_ms - oldest->seen_ms < SILENT_MS)
        return NULL;
    end_session(oldest);
    return oldest;
}

static void refuse_busy(int fd)
{
    static const char words[] = "{\"ok\":false,\"error\":\"limit\",\"words\":\"all control "
                                "connections are in use; try again\"}\n";

    (void)!send(fd, words, sizeof words - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
}

/* True when one came. */
static bool accept_one(struct pp_control *c, uint64_t now_ms)
{
    struct ucred peer = {0};
    int fd = accept4(c->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return false;
    struct pp_control_session *s = free_slot(c, now_ms);
    if (!s) {
        refuse_busy(fd);
        return true;
    }
    memset(s, 0, sizeof *s);
    s->fd = fd;
    s->seen_ms = now_ms;
    if (!may_use(c, fd, &peer)) {
        log_denied(c, &peer);
        pp_control_task_refuse(&s->task, "denied",
                               "only root and the relay's group may use this socket");
        s->has_task = s->closing = true;
    }
    return true;
}

static void watch(struct pp_control *c, struct pp_control_session *s, bool wants_write)
{
    if (s->watched && s->wants_write == wants_write)
        return;
    if (pp_posix_port_watch(c->posix, s->fd, !wants_write, wants_write, s->watched) != 0) {
        end_session(s);
        return;
    }
    s->watched = true;
    s->wants_write = wants_write;
}

/* A whole line that came, or too much without one, becomes the task. */
static bool take_line(struct pp_control_session *s)
{
    struct pp_text rest = pp_text_n(s->in, s->in_len);
    size_t end = pp_text_find(rest, '\n');

    if (end == s->in_len && s->in_len < sizeof s->in)
        return false;
    s->has_task = true;
    if (end == s->in_len) {
        pp_control_task_refuse(&s->task, "syntax", "the line is too long");
        s->closing = true;
        return true;
    }
    pp_control_task_begin(&s->task, pp_text_n(s->in, end));
    s->in_len -= end + 1;
    memmove(s->in, s->in + end + 1, s->in_len);
    return true;
}

static void run_task(struct pp_control *c, struct pp_control_session *s)
{
    struct pp_writer w;

    pp_writer_init(&w, s->out, sizeof s->out);
    for (int i = 0; i < STEPS && s->has_task && sizeof s->out - w.len >= PP_CONTROL_LINE_MAX; i++)
        s->has_task = pp_control_task_step(&s->task, &c->world, &w);
    s->out_len = w.len;
    s->out_done = 0;
}

/* Bytes moved; 0: the peer is not ready; -1: it is gone. */
static int move(struct pp_control_session *s)
{
    bool writes = s->out_done < s->out_len;
    ssize_t n = writes ? send(s->fd, s->out + s->out_done, s->out_len - s->out_done, MSG_NOSIGNAL)
                       : recv(s->fd, s->in + s->in_len, sizeof s->in - s->in_len, 0);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if (n == 0)
        return -1;
    if (writes)
        s->out_done += (size_t)n;
    else
        s->in_len += (size_t)n;
    return (int)n;
}

/* True when there is more to do at once. */
static bool pump(struct pp_control *c, struct pp_control_session *s, uint64_t now_ms)
{
    for (int i = 0; i < ROUNDS; i++) {
        bool writes = s->out_done < s->out_len;
        if (!writes && s->has_task) {
            run_task(c, s);
            continue;
        }
        if (!writes && s->closing) {
            end_session(s);
            return false;
        }
        if (!writes && take_line(s))
            continue;
        int moved = move(s);
        if (moved < 0) {
            end_session(s);
            return false;
        }
        if (moved == 0) {
            watch(c, s, writes);
            return false;
        }
        s->seen_ms = now_ms;
    }
    return true;
}

uint64_t pp_control_turn(struct pp_control *c, uint64_t now_ms, bool busy)
{
    bool more = false;

    if (busy && now_ms - c->looked_ms < BUSY_LOOK_MS)
        return PP_TIME_NEVER;
    c->looked_ms = now_ms;
    more |= accept_one(c, now_ms);
    for (size_t i = 0; i < PP_CONTROL_SESSIONS; i++) {
        bool has_work = c->sessions[i].fd >= 0;
        if (has_work && pump(c, &c->sessions[i], now_ms))
            more = true;
        /* What was done may have changed when the relay's next turn is due. */
        more |= has_work && c->sessions[i].seen_ms == now_ms;
    }
    return more ? now_ms : PP_TIME_NEVER;
}

enum pp_err pp_control_open(struct pp_control *c, const struct pp_control_world *world,
                            struct pp_posix_port *posix, const struct pp_log *log, int listener,
                            const struct pp_privileges *owner)
{
    c->world = *world;
    c->posix = posix;
    c->log = log;
    c->listener = listener;
    c->uid = owner->uid;
    c->gid = owner->gid;
    c->looked_ms = 0;
    for (size_t i = 0; i < PP_CONTROL_SESSIONS; i++)
        c->sessions[i].fd = -1;
    return pp_posix_port_watch(posix, listener, true, false, false) == 0 ? PP_OK : PP_ERR_IO;
}

void pp_control_close(struct pp_control *c)
{
    for (size_t i = 0; i < PP_CONTROL_SESSIONS; i++) {
        if (c->sessions[i].fd >= 0)
            end_session(&c->sessions[i]);
    }
}
