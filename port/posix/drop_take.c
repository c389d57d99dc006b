/*
 * drop_take.c - mail that waited in the drop directory comes in
 *
 * Job:      a pass over the directory in bounded pieces; files of strangers are opened with care:
 *           no links, no devices, no fifos, one name only. Nothing that somebody leaves there may
 *           keep the files behind it waiting.
 * Not here: the header of a file (drop_header.c).
 * Follows:  drop.h
 */
#include "drop_take.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/time.h"

#define LOOK_EVERY_MS  2000
#define STALLED_MS     30000
#define BAD_NAMES      4  /* tried for one file */
#define PIECES_A_TURN  8  /* of content, 16 KiB each */
#define ENTRIES_A_TURN 32 /* names looked at */

/* ---- log ---- */

static void log_file(const struct pp_drop_take *d, enum pp_log_level level, const char *event_z,
                     const char *name_z, const char *words_z)
{
    struct pp_log_line line;

    pp_log_begin(&line, d->log, level, 0, event_z);
    pp_log_z(&line, "file", name_z);
    pp_log_z(&line, "error", words_z);
    pp_log_end(&line);
}

/* ---- what becomes of a file ---- */

/* bad-DIGITS: those of the file, or others where somebody has put that name in the way. */
static bool put_bad_name(const struct pp_drop_take *d, const char *name_z, int attempt, char *bad_z)
{
    uint8_t random[PP_DROP_RANDOM_DIGITS / 2];
    struct pp_writer w;

    pp_writer_init(&w, bad_z, PP_DROP_NAME_LEN);
    pp_put_z(&w, PP_DROP_BAD);
    if (attempt == 0) {
        pp_put_z(&w, name_z + sizeof(PP_DROP_NEW) - 1);
    } else if (d->port->entropy(d->port->ctx, random, sizeof random) == 0) {
        pp_put_hex(&w, random, sizeof random, 0);
    }
    bad_z[w.len] = '\0';
    return w.len == PP_DROP_NAME_LEN && !w.overflow;
}

/* False: it is still there. Where a file system knows no RENAME_NOREPLACE, an earlier bad file of
 * the same digits is replaced. */
static bool put_aside(struct pp_drop_take *d, const char *name_z, const char *words_z)
{
    char bad[PP_DROP_NAME_LEN + 1];

    for (int i = 0; i < BAD_NAMES && put_bad_name(d, name_z, i, bad); i++) {
        int result = renameat2(d->directory, name_z, d->directory, bad, RENAME_NOREPLACE);
        if (result != 0 && (errno == EINVAL || errno == ENOSYS))
            result = renameat(d->directory, name_z, d->directory, bad);
        if (result == 0) {
            log_file(d, PP_LOG_ERROR, "drop_refused", bad, words_z);
            return true;
        }
        if (errno == ENOENT)
            return true; /* its owner took it away */
    }
    d->slow = true; /* or it would be looked at again and again */
    log_file(d, PP_LOG_ERROR, "drop_refused", name_z, words_z);
    return false;
}

static void end_file(struct pp_drop_take *d)
{
    if (d->submit)
        pp_submit_abort(d->submit);
    d->submit = NULL;
    if (d->reader.fd >= 0)
        close(d->reader.fd);
    d->reader.fd = -1;
}

/* Of this file at this moment: another one may be smaller, more urgent, or readable. */
static bool is_passing(enum pp_err err)
{
    return err == PP_ERR_FULL || err == PP_ERR_IO;
}

/* Of the relay: it takes nothing at all now. */
static bool is_stall(enum pp_err err)
{
    return err == PP_ERR_DRY || err == PP_ERR_FLASH || err == PP_ERR_BUSY || err == PP_ERR_LATER;
}

/* What is neither is the file's own fault, and stays so. */
static void give_up(struct pp_drop_take *d, enum pp_err err)
{
    end_file(d);
    if (!is_passing(err) && !is_stall(err)) {
        (void)put_aside(d, d->name, pp_err_text(err));
        return;
    }
    if (!d->slow) /* once a pass is enough */
        log_file(d, PP_LOG_WARN, "drop_waits", d->name, pp_err_text(err));
    d->slow = true;
    d->stalled |= is_stall(err);
}

/* ---- one file ---- */

/* PP_ERR_SYNTAX: nothing that we take; PP_ERR_IO: gone, or not now. */
static enum pp_err open_file(struct pp_drop_take *d, struct stat *st)
{
    int fd =
        openat(d->directory, d->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return errno == EMFILE || errno == ENFILE ? PP_ERR_IO : PP_ERR_DENIED;
    if (fstat(fd, st) != 0 || !S_ISREG(st->st_mode) || st->st_nlink != 1) {
        close(fd);
        return PP_ERR_SYNTAX;
    }
    d->reader.fd = fd;
    return PP_OK;
}

/* The digits of the file's name: taken in twice, it is known by them. */
static struct pp_text token_of(const struct pp_drop_take *d)
{
    return pp_text_z(d->name + sizeof(PP_DROP_NEW) - 1);
}

/* With its size, what finds no room is known before a byte is written. */
static enum pp_err open_submit(struct pp_drop_take *d, const struct stat *st)
{
    uint64_t size_bytes = (uint64_t)st->st_size, header_bytes = d->header.bytes;
    char origin[32];
    int len = snprintf(origin, sizeof origin, "uid=%" PRIu32, (uint32_t)st->st_uid);
    const struct pp_submission submission = {
        .kind = d->header.kind,
        .severity = d->header.severity,
        .sender = d->header.sender,
        .sender_name = d->header.name,
        .subject = d->header.subject,
        .origin = pp_text_n(origin, (size_t)len),
        .token = token_of(d),
        .body_8bitmime = d->header.body_8bitmime,
        .smtputf8 = d->header.smtputf8,
        .size_bytes = size_bytes > header_bytes ? size_bytes - header_bytes : 0,
    };
    return pp_submit_open(d->relay, &submission, &d->submit);
}

static void log_recipient(const struct pp_drop_take *d, struct pp_text address, enum pp_err err)
{
    struct pp_log_line line;

    pp_log_begin(&line, d->log, PP_LOG_ERROR, 0, "drop_recipient_refused");
    pp_log_z(&line, "file", d->name);
    pp_log_text(&line, "address", address);
    pp_log_err(&line, err);
    pp_log_end(&line);
}

/* What would be refused at any time; other recipients need not suffer. */
static bool is_bad_address(enum pp_err err)
{
    return err == PP_ERR_SYNTAX || err == PP_ERR_INJECTION || err == PP_ERR_NOT_FOUND ||
           err == PP_ERR_EMPTY;
}

/* The header once more: the message had to be open for its recipients. Whoever wrote it may have
 * changed it meanwhile, so it is bounded once more. */
static enum pp_err give_recipients(struct pp_drop_take *d)
{
    struct pp_text line, value;
    enum pp_err err = pp_drop_rewind(&d->reader), refused = PP_OK;
    uint32_t taken = 0;

    for (int i = 0; err == PP_OK && i < PP_DROP_LINES_MAX; i++) {
        err = pp_drop_line(&d->reader, &line);
        if (err == PP_OK && line.len == 0)
            return taken > 0 || refused == PP_OK ? PP_OK : refused;
        if (err != PP_OK)
            return err;
        struct pp_text key = pp_drop_key(line, &value);
        bool named = pp_text_equal(key, pp_text_z(PP_DROP_RECIPIENT));
        if (named)
            err = pp_submit_recipient(d->submit, value);
        else if (pp_text_equal(key, pp_text_z(PP_DROP_DEFAULT_TO)))
            err = pp_submit_default_recipients(d->submit);
        else
            continue;
        taken += err == PP_OK;
        if (named && is_bad_address(err)) {
            log_recipient(d, value, err);
            pp_err_keep(&refused, err);
            err = PP_OK;
        }
    }
    return err == PP_OK ? PP_ERR_TOO_BIG : err;
}

/* The power went between the store's sync and the file's end. */
static void remove_taken(struct pp_drop_take *d)
{
    if (unlinkat(d->directory, d->name, 0) == 0) {
        log_file(d, PP_LOG_INFO, "drop_was_taken", d->name, "it is in the queue already");
        d->removed = true;
    } else {
        d->stuck |= !put_aside(d, d->name, "it is in the queue, but cannot be removed");
    }
    end_file(d);
}

static void begin_file(struct pp_drop_take *d)
{
    struct stat st;
    enum pp_err err = open_file(d, &st);

    /* Reads the whole queue: what was left by this very daemon is known without. */
    if (err == PP_OK && !d->knows_all && pp_message_is_queued(d->relay, token_of(d))) {
        remove_taken(d);
        return;
    }
    if (err == PP_OK)
        err = pp_drop_header_read(&d->reader, &d->header);
    if (err == PP_OK)
        err = open_submit(d, &st);
    if (err == PP_OK)
        err = give_recipients(d);
    if (err != PP_OK)
        give_up(d, err);
}

static void seal_file(struct pp_drop_take *d)
{
    struct pp_ticket ticket;
    enum pp_err err = pp_submit_seal(d->submit, &ticket);

    d->submit = NULL;
    if (err != PP_OK) {
        give_up(d, err);
        return;
    }
    end_file(d);
    d->pending[d->pending_count].ticket = ticket;
    memcpy(d->pending[d->pending_count].name, d->name, sizeof d->name);
    d->pending_count++;
}

static void feed_file(struct pp_drop_take *d)
{
    const char *bytes;
    size_t len;

    for (int i = 0; i < PIECES_A_TURN && d->submit; i++) {
        enum pp_err err = pp_drop_content(&d->reader, &bytes, &len);
        if (err == PP_OK && len == 0) {
            seal_file(d);
            return;
        }
        if (err == PP_OK)
            err = pp_submit_write(d->submit, bytes, len);
        if (err != PP_OK)
            give_up(d, err);
    }
}

/* ---- what was taken in ---- */

static void log_durable(const struct pp_drop_take *d, uint32_t id, const char *name_z)
{
    struct pp_log_line line;

    pp_log_begin(&line, d->log, PP_LOG_INFO, id, "durable");
    pp_log_z(&line, "file", name_z);
    pp_log_end(&line);
}

static void look_at_pending(struct pp_drop_take *d)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < d->pending_count; i++) {
        enum pp_ticket_state state = pp_ticket_state(d->relay, &d->pending[i].ticket);
        if (state == PP_TICKET_PENDING) {
            d->pending[kept++] = d->pending[i];
        } else if (state == PP_TICKET_FAILED) {
            d->stalled = true;
        } else if (unlinkat(d->directory, d->pending[i].name, 0) == 0) {
            log_durable(d, d->pending[i].ticket.id, d->pending[i].name);
            d->removed = true;
        } else {
            /* Taken again it would be sent twice, over and over. */
            log_file(d, PP_LOG_ERROR, "drop_stays", d->pending[i].name, strerror(errno));
            d->stuck |= !put_aside(d, d->pending[i].name, "it was taken in, but cannot be removed");
        }
    }
    d->pending_count = kept;
}

/* ---- the directory ---- */

static bool has_form(const char *name_z, const char *prefix_z)
{
    size_t len = strlen(prefix_z);

    if (strncmp(name_z, prefix_z, len) != 0 || strlen(name_z) != PP_DROP_NAME_LEN)
        return false;
    return strspn(name_z + len, "0123456789abcdefABCDEF") == PP_DROP_RANDOM_DIGITS;
}

/* What a writer left half done: nobody was told that it was taken. */
static void remove_if_old(const struct pp_drop_take *d, const char *name_z)
{
    struct stat st;
    int64_t now_s = d->port->wall_s(d->port->ctx);

    if (now_s >= 0 && fstatat(d->directory, name_z, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        now_s - (int64_t)st.st_mtim.tv_sec > PP_DROP_TMP_AGE_S)
        (void)unlinkat(d->directory, name_z, 0);
}

/* The next name of the pass; NULL at its end. */
static const char *next_entry(struct pp_drop_take *d)
{
    if (d->entries_at == d->entries_len) {
        ssize_t n = getdents64(d->directory, d->entries, sizeof d->entries);
        d->entries_at = 0;
        d->entries_len = n > 0 ? (size_t)n : 0;
        d->stalled |= n < 0;
        if (n <= 0)
            return NULL;
    }
    const struct dirent64 *entry = (const void *)(d->entries + d->entries_at);
    d->entries_at += entry->d_reclen;
    return entry->d_name;
}

static void end_pass(struct pp_drop_take *d, uint64_t now_ms)
{
    d->scanning = false;
    d->entries_at = d->entries_len = 0;
    d->knows_all |= !d->stalled;
    if (d->removed)
        (void)fsync(d->directory);
    d->removed = false;
    /* A mount's copies, or what is being delivered, may leave room in a moment. */
    uint64_t longer_ms = d->rest_ms < STALLED_MS / 2 ? 2 * d->rest_ms : STALLED_MS;
    d->rest_ms = (d->slow || d->stalled) && d->rest_ms > 0 ? longer_ms : LOOK_EVERY_MS;
    d->next_ms = now_ms + d->rest_ms;
    if (d->stuck) {
        log_file(d, PP_LOG_ERROR, "drop_stopped", "",
                 "what was taken in stays there: nothing more is taken before a restart");
        d->next_ms = PP_TIME_NEVER;
    }
}

static void look_at_entries(struct pp_drop_take *d)
{
    for (int i = 0; i < ENTRIES_A_TURN; i++) {
        const char *name_z = next_entry(d);
        if (!name_z) {
            d->scanning = false;
            return;
        }
        if (has_form(name_z, PP_DROP_TMP)) {
            remove_if_old(d, name_z);
        } else if (has_form(name_z, PP_DROP_NEW)) {
            memcpy(d->name, name_z, sizeof d->name);
            begin_file(d);
            return;
        }
    }
}

static void begin_pass(struct pp_drop_take *d)
{
    d->stalled = d->slow = false;
    d->entries_at = d->entries_len = 0;
    d->scanning = lseek(d->directory, 0, SEEK_SET) == 0;
}

uint64_t pp_drop_turn(struct pp_drop_take *d, uint64_t now_ms)
{
    bool in_pass = d->scanning || d->submit || d->pending_count > 0;

    if (!in_pass && now_ms < d->next_ms)
        return d->next_ms;
    if (!in_pass)
        begin_pass(d);
    look_at_pending(d);
    if (d->stalled || d->stuck)
        d->scanning = false;
    if (d->submit)
        feed_file(d);
    else if (d->scanning && d->pending_count < PP_DROP_PENDING)
        look_at_entries(d);
    if (d->scanning || d->submit || d->pending_count > 0)
        return now_ms;
    end_pass(d, now_ms);
    return d->next_ms;
}

void pp_drop_look_now(struct pp_drop_take *d)
{
    d->next_ms = d->stuck ? PP_TIME_NEVER : 0;
}

bool pp_drop_drain(struct pp_drop_take *d)
{
    end_file(d);
    d->scanning = false;
    look_at_pending(d);
    return d->pending_count == 0;
}

enum pp_err pp_drop_open(struct pp_drop_take *d, const char *path_z, struct pp_relay *relay,
                         const struct pp_port *port, const struct pp_log *log)
{
    memset(d, 0, sizeof *d);
    d->relay = relay;
    d->port = port;
    d->log = log;
    d->reader.fd = -1;
    d->directory = open(path_z, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return d->directory >= 0 ? PP_OK : PP_ERR_IO;
}

void pp_drop_close(struct pp_drop_take *d)
{
    end_file(d);
    if (d->directory >= 0)
        close(d->directory);
    d->directory = -1;
}
