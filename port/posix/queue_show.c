/*
 * queue_show.c - the queue as a person reads it
 *
 * Job:      rows, pages, and loud words about what failed.
 */
#include "queue_show.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/time.h"

#define CONTENT_CAP 8192

/* One line of output. */
struct line {
    struct pp_writer w;
    char bytes[4096];
};

static void begin(struct line *l)
{
    pp_writer_init(&l->w, l->bytes, sizeof(l->bytes) - 2);
}

static void end(struct line *l)
{
    size_t len = l->w.len;

    while (len > 0 && l->bytes[len - 1] == ' ') {
        len--;
    }
    l->bytes[len++] = '\n';
    (void)fwrite(l->bytes, 1, len, stdout);
}

/* Blanks up to column `width` of what began at `from`, one at least. */
static void pad(struct line *l, size_t from, size_t width)
{
    size_t columns = 0;

    for (size_t i = from; i < l->w.len; i++) {
        columns += ((unsigned char)l->bytes[i] & 0xC0) != 0x80;
    }
    do {
        pp_put_char(&l->w, ' ');
        columns++;
    } while (columns < width);
}

static void put_cell_z(struct line *l, const char *text_z, size_t width)
{
    size_t from = l->w.len;

    pp_put_safe(&l->w, pp_text_z(text_z), 320);
    pad(l, from, width);
}

static void put_member(struct line *l, const struct pp_json *item, const char *name_z)
{
    char text[1024];

    pp_json_text(item, name_z, text, sizeof(text));
    pp_put_safe(&l->w, pp_text_z(text), sizeof(text));
}

static void put_size(struct pp_writer *w, uint64_t bytes)
{
    static const char units[] = "BKMG";
    size_t unit = 0;
    uint64_t tenths = bytes * 10;

    while (tenths >= 10240 && unit < 3) {
        tenths /= 1024;
        unit++;
    }
    pp_put_u64(w, tenths / 10);
    if (unit > 0 && tenths < 100) {
        pp_put_char(w, '.');
        pp_put_u64(w, tenths % 10);
    }
    pp_put_char(w, units[unit]);
}

static void put_age(struct pp_writer *w, const struct pp_json *item)
{
    uint64_t age_s = pp_json_u64(item, "age_s", UINT64_MAX);

    if (age_s == UINT64_MAX) {
        pp_put_char(w, '?');
    } else {
        pp_put_span(w, age_s > UINT64_MAX / 1000 ? UINT64_MAX : age_s * 1000);
    }
}

static void put_next(struct pp_writer *w, const struct pp_json *item)
{
    uint64_t next_ms = pp_json_u64(item, "next_in_ms", UINT64_MAX);

    if (next_ms == UINT64_MAX) {
        pp_put_char(w, '-');
    } else if (next_ms == 0) {
        pp_put_z(w, "now");
    } else {
        pp_put_z(w, "in ");
        /* Up to the next second: `in 0 s` would be no time at all. */
        pp_put_span(w, next_ms < 60000 ? (next_ms + 999) / 1000 * 1000 : next_ms);
    }
}

static void put_recipients(struct line *l, const struct pp_json *item)
{
    char address[400];
    uint64_t all = pp_json_u64(item, "recipients", 0);
    unsigned shown = 0;

    while (pp_json_element(item, "to", shown, address, sizeof(address))) {
        pp_put_z(&l->w, shown > 0 ? ", " : "");
        pp_put_safe(&l->w, pp_text_z(address), sizeof(address));
        shown++;
    }
    if (all > shown) {
        pp_put_z(&l->w, " and ");
        pp_put_u64(&l->w, all - shown);
        pp_put_z(&l->w, " more");
    }
}

/* ---- list ---- */

static void show_head(void)
{
    (void)printf("%-10s%-13s%-7s%-9s%-16s%-28s%s\n", "ID", "AGE", "SIZE", "STATE", "NEXT TRY",
                 "FROM", "TO");
}

static bool show_note(const struct pp_json *item, const char *name_z, const char *before_z)
{
    struct line l;
    char text[1024];

    pp_json_text(item, name_z, text, sizeof(text));
    if (text[0] == '\0') {
        return false;
    }
    begin(&l);
    pp_put_z(&l.w, "          ");
    pp_put_z(&l.w, before_z);
    pp_put_safe(&l.w, pp_text_z(text), sizeof(text));
    end(&l);
    return true;
}

static void show_what_to_do(const char *id_z)
{
    (void)printf(
        "          `pinpost queue release %s` sends it again, `pinpost queue remove %s` drops "
        "it\n",
        id_z, id_z);
}

static void show_cells(const struct pp_json *item, const char *id_z, const char *state_z)
{
    struct line l;
    char from[400];
    size_t start;

    begin(&l);
    put_cell_z(&l, id_z, 10);
    start = l.w.len;
    put_age(&l.w, item);
    pad(&l, start, 13);
    start = l.w.len;
    put_size(&l.w, pp_json_u64(item, "size", 0));
    pad(&l, start, 7);
    put_cell_z(&l, state_z, 9);
    start = l.w.len;
    put_next(&l.w, item);
    pad(&l, start, 16);
    pp_json_text(item, "from", from, sizeof(from));
    put_cell_z(&l, from[0] != '\0' ? from : "<>", 28);
    put_recipients(&l, item);
    end(&l);
}

void pp_queue_show_row(const struct pp_json *item, struct pp_queue_totals *totals)
{
    char id[16], state[16];
    bool some_failed = pp_json_u64(item, "failed", 0) > 0;

    if (totals->messages++ == 0) {
        show_head();
    }
    pp_json_text(item, "id", id, sizeof(id));
    pp_json_text(item, "state", state, sizeof(state));
    totals->failed += some_failed;
    totals->held += strcmp(state, "held") == 0;
    show_cells(item, id, strcmp(state, "failed") == 0 ? "FAILED" : state);
    (void)show_note(item, "subject", "");
    (void)show_note(item, "last_error", some_failed ? "FAILED: " : "");
    if (some_failed) {
        show_what_to_do(id);
    }
}

void pp_queue_show_totals(const struct pp_queue_totals *totals)
{
    if (totals->messages == 0) {
        (void)printf("queue is empty\n");
        return;
    }
    (void)printf("%u %s", totals->messages, totals->messages == 1 ? "message" : "messages");
    if (totals->held > 0) {
        (void)printf(", %u held", totals->held);
    }
    if (totals->failed > 0) {
        (void)printf(", %u FAILED", totals->failed);
    }
    (void)printf("\n");
}

/* ---- show ---- */

enum { SHOW_NOTHING, SHOW_MESSAGE, SHOW_CONTENT };

static void begin_field(struct line *l, const char *name_z)
{
    begin(l);
    put_cell_z(l, name_z, 13);
}

static void show_field(const struct pp_json *item, const char *name_z, const char *member_z)
{
    struct line l;

    begin_field(&l, name_z);
    put_member(&l, item, member_z);
    end(&l);
}

static void show_accepted(const struct pp_json *item)
{
    struct line l;
    uint64_t accepted_s = pp_json_u64(item, "accepted", UINT64_MAX);

    begin_field(&l, "accepted:");
    if (accepted_s > INT64_MAX) {
        pp_put_z(&l.w, "when the machine had no time");
    } else {
        pp_put_date_iso(&l.w, (int64_t)accepted_s);
        pp_put_z(&l.w, ", ");
        put_age(&l.w, item);
        pp_put_z(&l.w, " ago");
    }
    end(&l);
}

static void show_attempts(const struct pp_json *item)
{
    struct line l;

    begin_field(&l, "attempts:");
    pp_put_u64(&l.w, pp_json_u64(item, "attempts", 0));
    pp_put_z(&l.w, ", next ");
    put_next(&l.w, item);
    end(&l);
}

static void show_message(const struct pp_json *item)
{
    struct line l;

    show_field(item, "id:", "id");
    show_field(item, "state:", "state");
    begin_field(&l, "kind:");
    put_member(&l, item, "kind");
    pp_put_z(&l.w, ", ");
    put_member(&l, item, "severity");
    end(&l);
    begin_field(&l, "size:");
    pp_put_u64(&l.w, pp_json_u64(item, "size", 0));
    pp_put_z(&l.w, " bytes");
    end(&l);
    show_accepted(item);
    show_field(item, "origin:", "origin");
    show_field(item, "from:", "from");
    show_field(item, "subject:", "subject");
    show_attempts(item);
}

static void show_recipient(const struct pp_json *item)
{
    struct line l;
    char outcome[16];

    pp_json_text(item, "outcome", outcome, sizeof(outcome));
    begin_field(&l, "to:");
    put_member(&l, item, "recipient");
    pp_put_z(&l.w, "  ");
    pp_put_z(&l.w, strcmp(outcome, "failed") == 0 ? "FAILED" : outcome);
    pp_put_z(&l.w, "  ");
    put_member(&l, item, "reply");
    end(&l);
}

/* A terminal must not be driven by what a message holds; U+0080 to U+009F, written as 0xC2 and a
 * byte, do what the older control bytes do. `*before` is the last byte of the piece before. */
static size_t tame(char *bytes, size_t len, unsigned char *before)
{
    size_t kept = 0;

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        bool old = (c < ' ' && c != '\n' && c != '\t') || c == 0x7F;
        bool late = *before == 0xC2 && c >= 0x80 && c < 0xA0;
        *before = c;
        if (late && kept > 0) {
            bytes[kept - 1] = '?';
        }
        if (c != '\r') {
            bytes[kept++] = old || late ? '?' : (char)c;
        }
    }
    return kept;
}

static void show_content(const struct pp_json *item)
{
    static char text[CONTENT_CAP], bytes[CONTENT_CAP];
    static unsigned char before;
    size_t len;

    pp_json_text(item, "content", text, sizeof(text));
    if (pp_base64_decode(pp_text_z(text), bytes, sizeof(bytes), &len) == PP_OK) {
        if (isatty(STDOUT_FILENO)) {
            len = tame(bytes, len, &before);
        }
        (void)fwrite(bytes, 1, len, stdout);
    }
}

void pp_queue_show_item(const struct pp_json *item, int *state)
{
    if (pp_json_has(item, "recipient")) {
        show_recipient(item);
    } else if (pp_json_has(item, "content")) {
        if (*state != SHOW_CONTENT) {
            (void)printf("\n");
        }
        *state = SHOW_CONTENT;
        show_content(item);
    } else {
        *state = SHOW_MESSAGE;
        show_message(item);
    }
}
