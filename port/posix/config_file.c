/*
 * config_file.c - pinpost.conf from a file
 *
 * Job:      give inih one good line at a time, report what it would pass over in silence (lines and
 * section names that are too long, NUL bytes, words that are no setting), read secrets from files
 * that keep them secret. Not here: keys, ranges, defaults (config.h).
 */
#include "config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_keys.h"
#include "privileges.h"

#define LINE_CAP       (INI_MAX_LINE - 1) /* of a line with its LF, as inih reads */
#define KEYS_MAX       (PP_CONFIG_GIVEN_WORDS * 32)
#define WORDS_CAP      (PP_PATH_CAP + 800)
#define PASSWORD_NEEDS "chmod 600, owner root or the reader"

struct reading {
    const char *path_z;
    struct pp_config *config;
    const struct pp_config_report *report; /* NULL: only [daemon], and mistakes are passed over */
    int fd;
    int line;
    bool failed;        /* something was reported */
    bool skips_section; /* its heading was refused: its keys are not looked at */
    bool io_failed;
    uint32_t line_of[KEYS_MAX];                                /* where a key was given */
    uint32_t listener_line[PP_LISTENERS], user_line[PP_USERS]; /* where the section began */
    size_t at, len;
    char bytes[4096];
};

/* One at a time, from one thread: a configuration is large for a stack. */
static struct reading the_reading;

__attribute__((format(printf, 3, 4))) static void problem(struct reading *r, uint32_t line,
                                                          const char *format_z, ...)
{
    char words[WORDS_CAP];
    va_list args;

    r->failed = true;
    if (!r->report)
        return;
    int n = line > 0 ? snprintf(words, sizeof words, "%s:%u: ", r->path_z, line)
                     : snprintf(words, sizeof words, "%s: ", r->path_z);
    va_start(args, format_z);
    vsnprintf(words + n, sizeof words - (size_t)n, format_z, args);
    va_end(args);
    r->report->problem(r->report->ctx, words);
}

/* ---- lines ---- */

/* The next byte, or -1 at the end. */
static int next_byte(struct reading *r)
{
    if (r->at == r->len) {
        ssize_t n;
        do {
            n = read(r->fd, r->bytes, sizeof r->bytes);
        } while (n < 0 && errno == EINTR);
        r->io_failed |= n < 0;
        if (n <= 0)
            return -1;
        r->at = 0;
        r->len = (size_t)n;
    }
    return (unsigned char)r->bytes[r->at++];
}

/* One line with its LF, if it has one; its length may pass `cap`, of which no more is kept. */
static size_t read_line(struct reading *r, char *out, size_t cap, bool *has_nul)
{
    size_t len = 0;
    int c = 0;

    *has_nul = false;
    while (c != '\n' && (c = next_byte(r)) >= 0) {
        if (len < cap)
            out[len] = (char)c;
        len++;
        *has_nul |= c == 0;
    }
    return len;
}

static struct pp_text trim_line(struct pp_text line, bool first)
{
    if (first && line.len >= 3 && memcmp(line.p, "\xEF\xBB\xBF", 3) == 0)
        line = pp_text_n(line.p + 3, line.len - 3);
    while (line.len > 0 && strchr(" \t\r\n\v\f", line.p[line.len - 1]))
        line.len--;
    while (line.len > 0 && strchr(" \t\v\f", line.p[0]))
        line = pp_text_n(line.p + 1, line.len - 1);
    return line;
}

static bool is_comment(struct pp_text line)
{
    return line.len == 0 || line.p[0] == ';' || line.p[0] == '#';
}

static enum pp_err begin_section(struct reading *r, struct pp_text section,
                                 struct pp_config_error *error)
{
    uint32_t listener = r->config->listener_count, user = r->config->user_count;
    enum pp_err err = pp_config_section(r->config, section, error);

    if (r->config->listener_count > listener)
        r->listener_line[listener] = (uint32_t)r->line;
    if (r->config->user_count > user)
        r->user_line[user] = (uint32_t)r->line;
    return err;
}

/* inih passes over what stands behind `]`, and cuts long names. */
static bool check_heading(struct reading *r, struct pp_text line)
{
    size_t end = pp_text_find(line, ']');
    struct pp_config_error error;

    r->skips_section = true;
    if (end == line.len) {
        problem(r, (uint32_t)r->line, "a section without its closing ]");
        return false;
    }
    struct pp_text behind = trim_line(pp_text_n(line.p + end + 1, line.len - end - 1), false);
    if (!is_comment(behind)) {
        problem(r, (uint32_t)r->line, "something stands behind the ] of a section");
        return false;
    }
    if (end - 1 > PP_SECTION_CAP) {
        problem(r, (uint32_t)r->line, "the section's name is too long: up to %d bytes are allowed",
                PP_SECTION_CAP);
        return false;
    }
    if (r->report && begin_section(r, pp_text_n(line.p + 1, end - 1), &error) != PP_OK) {
        problem(r, (uint32_t)r->line, "%s", error.text);
        return false;
    }
    r->skips_section = false;
    return true;
}

/* False: reported, and inih must not see it. */
static bool check_line(struct reading *r, struct pp_text line)
{
    if (is_comment(line))
        return true;
    if (line.p[0] == '[')
        return check_heading(r, line);
    if (pp_text_find(line, '=') == line.len && pp_text_find(line, ':') == line.len) {
        char shown[80] = "";
        struct pp_writer w;
        pp_writer_init(&w, shown, sizeof shown - 1);
        /* Not all of it: it may be a password on a line of its own. */
        pp_put_safe(&w, line, 4);
        problem(r, (uint32_t)r->line, "\"%s...\" is neither [section] nor key = value", shown);
        return false;
    }
    return true;
}

/* As fgets(): what inih calls for each line. A line that was refused becomes an empty one. */
static char *next_line(char *out, int cap, void *stream)
{
    struct reading *r = stream;
    bool has_nul;
    size_t len = read_line(r, out, (size_t)cap - 1, &has_nul);

    if (len == 0)
        return NULL;
    r->line++;
    bool too_long = len > LINE_CAP || (len == LINE_CAP && out[len - 1] != '\n');
    if (too_long)
        problem(r, (uint32_t)r->line, "the line is too long: up to %d bytes are allowed",
                LINE_CAP - 1);
    else if (has_nul)
        problem(r, (uint32_t)r->line, "the line has a NUL byte");
    else
        out[len] = '\0';
    if (too_long || has_nul || !check_line(r, trim_line(pp_text_n(out, len), r->line == 1)))
        memcpy(out, "\n", 2);
    return out;
}

/* ---- settings ---- */

/* inih's handler: one setting. */
static int on_setting(void *user, const char *section_z, const char *name_z, const char *value_z,
                      int line)
{
    struct reading *r = user;
    struct pp_config_error error;

    if (r->skips_section || (!r->report && strcmp(section_z, "daemon") != 0))
        return 1;
    enum pp_err err = pp_config_set(r->config, pp_text_z(section_z), pp_text_z(name_z),
                                    pp_text_z(value_z), &error);
    if (err != PP_OK)
        problem(r, (uint32_t)line, "%s", error.text);
    struct pp_text word = pp_text_z(section_z);
    uint32_t key = pp_config_key_find(pp_text_cut(&word, ' '), pp_text_z(name_z));
    if (key != PP_CONFIG_NO_KEY && r->line_of[key] == 0)
        r->line_of[key] = (uint32_t)line;
    return 1;
}

static uint32_t key_of(const char *section_z, const char *name_z)
{
    return pp_config_key_find(pp_text_z(section_z), pp_text_z(name_z));
}

/* Where a key was given, 0 when it was not. */
static uint32_t line_of(const struct reading *r, const char *section_z, const char *name_z)
{
    uint32_t key = key_of(section_z, name_z);
    return key == PP_CONFIG_NO_KEY ? 0 : r->line_of[key];
}

/* Of `[listener NAME]` and `[user NAME]`: where it began. 0: no such section. */
static uint32_t line_of_section(const struct reading *r, struct pp_text section)
{
    struct pp_text name = section;
    struct pp_text word = pp_text_cut(&name, ' ');

    for (uint32_t i = 0; i < r->config->listener_count; i++) {
        if (pp_text_equal(word, pp_text_z("listener")) &&
            pp_text_equal(name, pp_text_z(r->config->listeners[i].name)))
            return r->listener_line[i];
    }
    for (uint32_t i = 0; i < r->config->user_count; i++) {
        if (pp_text_equal(word, pp_text_z("user")) &&
            pp_text_equal(name, pp_text_z(r->config->users[i].name)))
            return r->user_line[i];
    }
    return 0;
}

/* The line of the key that the words begin with, "[section] key: ..."; of a section with a name,
 * of its heading. */
static uint32_t line_of_words(const struct reading *r, const char *words_z)
{
    struct pp_text rest = pp_text_z(words_z);
    if (rest.len == 0 || rest.p[0] != '[')
        return 0;
    struct pp_text section = pp_text_cut(&rest, ']');
    struct pp_text name = pp_text_trim(pp_text_cut(&rest, ':'));
    section = pp_text_n(section.p + 1, section.len - 1);
    uint32_t key = pp_config_key_find(section, name);
    return key == PP_CONFIG_NO_KEY ? line_of_section(r, section) : r->line_of[key];
}

/* ---- other files that it names ---- */

const char *pp_config_file_why_not_secret(int fd, const struct pp_config *config, bool may_own)
{
    struct pp_privileges daemon;
    struct stat st;
    char words[PP_NAME_CAP + 200];

    if (fstat(fd, &st) != 0)
        return strerror(errno);
    if (!S_ISREG(st.st_mode))
        return "it is no regular file";
    bool known = config->daemon.user[0] != '\0' &&
                 pp_privileges_find(config, &daemon, words, sizeof words) == PP_OK;
    bool trusted = known && daemon.drops && may_own && st.st_uid == daemon.uid;
    if (st.st_uid != 0 && st.st_uid != geteuid() && !trusted)
        return "it belongs to another user (" PASSWORD_NEEDS ")";
    bool shared = known && st.st_uid == 0 && st.st_gid == daemon.gid;
    if ((st.st_mode & (shared ? 037 : 077)) != 0)
        return "group or others may use it (" PASSWORD_NEEDS ")";
    return NULL;
}

/* The first line of the file without its end. -1: reported. */
static ssize_t read_password(struct reading *r, uint32_t line, int fd, char *out, size_t cap)
{
    const char *path_z = r->config->smarthosts[0].password_file;
    size_t len = 0;
    ssize_t n = 1;

    while (len < cap && n != 0) {
        n = read(fd, out + len, cap - len);
        if (n < 0 && errno != EINTR) {
            problem(r, line, "[smarthost] password_file: %s: %s", path_z, strerror(errno));
            return -1;
        }
        len += n > 0 ? (size_t)n : 0;
    }
    struct pp_text rest = pp_text_n(out, len);
    struct pp_text first = pp_text_cut(&rest, '\n');
    if (first.len > 0 && first.p[first.len - 1] == '\r')
        first.len--;
    return (ssize_t)first.len;
}

static void take_password_file(struct reading *r)
{
    struct pp_smarthost_config *host = &r->config->smarthosts[0];
    uint32_t line = line_of(r, "smarthost", "password_file");
    char text[PP_SECRET_CAP + 2];

    if (r->config->smarthost_count == 0 || host->password_file[0] == '\0')
        return;
    if (line_of(r, "smarthost", "password") != 0) {
        problem(r, line, "[smarthost] password_file: password is given too; leave one");
        return;
    }
    int fd = open(host->password_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        problem(r, line, "[smarthost] password_file: %s: %s", host->password_file, strerror(errno));
        return;
    }
    const char *why_z = pp_config_file_why_not_secret(fd, r->config, true);
    ssize_t len = why_z ? -1 : read_password(r, line, fd, text, sizeof text);
    if (why_z)
        problem(r, line, "[smarthost] password_file: %s: %s", host->password_file, why_z);
    else if (len >= 0 &&
             (len == 0 || pp_config_store(pp_config_key(key_of("smarthost", "password")), host,
                                          pp_text_n(text, (size_t)len)) != PP_OK))
        problem(r, line,
                "[smarthost] password_file: %s: its first line is empty, longer than %d bytes, or "
                "has a NUL byte",
                host->password_file, PP_SECRET_CAP - 1);
    explicit_bzero(text, sizeof text);
    close(fd);
}

static void check_ca_file(struct reading *r)
{
    const struct pp_smarthost_config *host = &r->config->smarthosts[0];

    if (r->config->smarthost_count == 0 || !pp_tls_policy_wants_cas(&host->tls))
        return;
    int fd = open(r->config->ca_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        problem(r, line_of(r, "tls", "ca_file"), "[tls] ca_file: %s: %s", r->config->ca_file,
                strerror(errno));
    else
        close(fd);
}

/* ---- the whole ---- */

void pp_config_file_defaults(struct pp_config *config)
{
    char name[256];

    pp_config_defaults(config);
    if (gethostname(name, sizeof name) != 0)
        return;
    name[sizeof name - 1] = '\0';
    /* A machine's name that is none for SMTP leaves the default. */
    (void)!pp_config_store(pp_config_key(key_of("identity", "hostname")), config, pp_text_z(name));
}

static enum pp_err open_file(struct reading *r)
{
    struct stat st;

    r->fd = open(r->path_z, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (r->fd >= 0 && fstat(r->fd, &st) == 0 && S_ISREG(st.st_mode))
        return PP_OK;
    int why = r->fd < 0 ? errno : 0;
    problem(r, 0, "%s", why != 0 ? strerror(why) : "it is no regular file");
    if (r->fd >= 0)
        close(r->fd);
    if (why == ENOENT || why == ENOTDIR)
        return PP_ERR_NOT_FOUND;
    return why == EACCES || why == EPERM ? PP_ERR_DENIED : PP_ERR_IO;
}

/* What a password can be guessed from is a secret too. */
static bool has_verifier(const struct pp_config *config)
{
    for (uint32_t i = 0; i < config->user_count; i++) {
        if (config->users[i].password.iterations > 0)
            return true;
    }
    return false;
}

static enum pp_err parse(struct reading *r, const char *path_z, struct pp_config *config,
                         const struct pp_config_report *report)
{
    memset(r, 0, sizeof *r);
    r->path_z = path_z;
    r->config = config;
    r->report = report;
    pp_config_file_defaults(config);
    enum pp_err err = open_file(r);
    if (err != PP_OK)
        return err;
    /* Its result is the first bad line: all of them were reported by next_line(). */
    (void)!ini_parse_stream(next_line, r, on_setting, r);
    if (r->io_failed)
        problem(r, 0, "reading failed");
    if (line_of(r, "smarthost", "password") != 0 || has_verifier(config)) {
        const char *why_z = pp_config_file_why_not_secret(r->fd, config, false);
        if (why_z)
            problem(r, 0, "there is a password in it, and %s", why_z);
    }
    close(r->fd);
    return r->io_failed ? PP_ERR_IO : PP_OK;
}

enum pp_err pp_config_file_load(const char *path_z, struct pp_config *config,
                                const struct pp_config_report *report)
{
    struct reading *r = &the_reading;
    struct pp_config_error error;
    enum pp_err err = parse(r, path_z, config, report);

    if (err == PP_OK) {
        take_password_file(r);
        check_ca_file(r);
        /* Keys that were refused are missing: what follows from that would only confuse. */
        if (!r->failed && pp_config_finish(config, &error) != PP_OK)
            problem(r, line_of_words(r, error.text), "%s", error.text);
        err = r->failed ? PP_ERR_SYNTAX : PP_OK;
    }
    if (err != PP_OK)
        pp_config_wipe(config);
    explicit_bzero(r, sizeof *r);
    return err;
}

enum pp_err pp_config_file_load_client(const char *path_z, struct pp_config *config)
{
    struct reading *r = &the_reading;
    struct pp_config_error error;
    enum pp_err err = parse(r, path_z, config, NULL);

    /* A client has no smarthost and need not: the paths are filled in first. */
    (void)!pp_config_finish(config, &error);
    explicit_bzero(r, sizeof *r);
    return err;
}
