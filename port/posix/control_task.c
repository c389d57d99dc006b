/*
 * control_task.c - one request of control.sock, answered line by line
 *
 * Job:      the table of commands and a step of each.
 * Follows:  docs/control-protocol.md
 */
#include "control_task.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "cmd.h"
#include "control_status.h"
#include "json_read.h"
#include "json_write.h"

#define ACTS_A_STEP   32   /* messages that `all` touches in one step */
#define LISTED_TO     3    /* recipients named in a list */
#define LOOKED_AT     8    /* recipients whose reply may be the last error */
#define CONTENT_PIECE 4095 /* bytes; whole groups of base64 */

/* ---- requests ---- */

enum needs { NEEDS_NOTHING, NEEDS_ID, NEEDS_ID_OR_ALL, TAKES_ID };

typedef bool (*step_fn)(struct pp_control_task *task, const struct pp_control_world *world,
                        struct pp_writer *w);

struct verb {
    const char *name_z;
    enum needs needs;
    step_fn step;
};

static bool step_list(struct pp_control_task *task, const struct pp_control_world *world,
                      struct pp_writer *w);
static bool step_show(struct pp_control_task *task, const struct pp_control_world *world,
                      struct pp_writer *w);
static bool step_flush(struct pp_control_task *task, const struct pp_control_world *world,
                       struct pp_writer *w);
static bool step_act(struct pp_control_task *task, const struct pp_control_world *world,
                     struct pp_writer *w);
static bool step_status(struct pp_control_task *task, const struct pp_control_world *world,
                        struct pp_writer *w);

static bool step_accept(struct pp_control_task *task, const struct pp_control_world *world,
                        struct pp_writer *w);

enum { VERB_HOLD = 3, VERB_RELEASE, VERB_REMOVE };
static const struct verb verbs[] = {
    {"list", NEEDS_NOTHING, step_list},
    {"show", NEEDS_ID, step_show},
    {"flush", TAKES_ID, step_flush},
    [VERB_HOLD] = {"hold", NEEDS_ID_OR_ALL, step_act},
    [VERB_RELEASE] = {"release", NEEDS_ID_OR_ALL, step_act},
    [VERB_REMOVE] = {"remove", NEEDS_ID_OR_ALL, step_act},
    {"status", NEEDS_NOTHING, step_status},
    {"accept-pin", NEEDS_NOTHING, step_accept},
};
#define VERB_COUNT ((int)(sizeof verbs / sizeof *verbs))

void pp_control_task_refuse(struct pp_control_task *task, const char *error_z, const char *words_z)
{
    memset(task, 0, sizeof *task);
    task->verb = -1;
    task->error_z = error_z;
    snprintf(task->words, sizeof task->words, "%s", words_z);
}

/* One to eight hexadecimal digits, not all of them 0. */
static bool read_id(const char *text_z, uint32_t *id)
{
    uint32_t value = 0;
    size_t len = strlen(text_z);

    for (size_t i = 0; i < len; i++) {
        char c = pp_ascii_lower(text_z[i]);
        if (!pp_ascii_is_digit(c) && !(c >= 'a' && c <= 'f'))
            return false;
        value = value << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *id = value;
    return len >= 1 && len <= 8 && value != 0;
}

static void take_id(struct pp_control_task *task, const struct pp_json *json, enum needs needs)
{
    char text[16];

    pp_json_text(json, "id", text, sizeof text);
    if (needs == NEEDS_NOTHING || (needs == TAKES_ID && !pp_json_has(json, "id")))
        return;
    task->all = strcmp(text, "all") == 0;
    if (task->all && needs == TAKES_ID)
        return;
    if (task->all ? needs != NEEDS_ID_OR_ALL : !read_id(text, &task->id))
        pp_control_task_refuse(task, "syntax", "\"id\" is missing, or is no queue id");
}

void pp_control_task_begin(struct pp_control_task *task, struct pp_text line)
{
    struct pp_json json;
    char name[16];

    memset(task, 0, sizeof *task);
    if (pp_json_read(&json, line) != PP_OK) {
        pp_control_task_refuse(task, "syntax", "the line is no JSON object");
        return;
    }
    pp_json_text(&json, "cmd", name, sizeof name);
    while (task->verb < VERB_COUNT && strcmp(verbs[task->verb].name_z, name) != 0)
        task->verb++;
    if (name[0] == '\0') {
        pp_control_task_refuse(task, "syntax", "\"cmd\" is missing");
    } else if (task->verb == VERB_COUNT) {
        pp_control_task_refuse(
            task, "unknown",
            "there are list, show, flush, hold, release, remove, status, accept-pin");
    } else {
        task->wants_content = pp_json_true(&json, "content");
        take_id(task, &json, verbs[task->verb].needs);
    }
}

/* ---- answers ---- */

static bool put_error(const struct pp_control_task *task, struct pp_writer *w)
{
    pp_json_open(w, NULL, '{');
    pp_json_put_bool(w, "ok", false);
    pp_json_put_z(w, "error", task->error_z);
    pp_json_put_z(w, "words", task->words);
    pp_json_close(w, '}');
    return false;
}

static bool put_done(const struct pp_control_task *task, struct pp_writer *w)
{
    pp_json_open(w, NULL, '{');
    pp_json_put_bool(w, "ok", true);
    pp_json_put_u64(w, "count", task->count);
    if (task->busy > 0)
        pp_json_put_u64(w, "busy", task->busy);
    pp_json_close(w, '}');
    return false;
}

static bool put_failure(struct pp_control_task *task, enum pp_err err, struct pp_writer *w)
{
    uint32_t id = task->id;
    char words[120];

    if (err == PP_ERR_NOT_FOUND) {
        snprintf(words, sizeof words, "no message %08" PRIX32, id);
        pp_control_task_refuse(task, "not-found", words);
    } else if (err == PP_ERR_BUSY) {
        snprintf(words, sizeof words, "message %08" PRIX32 " is being sent just now", id);
        pp_control_task_refuse(task, "busy", words);
    } else if (err == PP_ERR_STATE) {
        snprintf(words, sizeof words, "message %08" PRIX32 " is neither held nor failed", id);
        pp_control_task_refuse(task, "state", words);
    } else {
        snprintf(words, sizeof words, "message %08" PRIX32 ": %s", id, pp_err_text(err));
        pp_control_task_refuse(task, "failed", words);
    }
    return put_error(task, w);
}

/* ---- list, show ---- */

static const char *const states[] = {[PP_MESSAGE_WAITING] = "waiting",
                                     [PP_MESSAGE_SENDING] = "sending",
                                     [PP_MESSAGE_HELD] = "held",
                                     [PP_MESSAGE_FAILED] = "failed"};
static const char *const outcomes[] = {[PP_OUTCOME_OPEN] = "open",
                                       [PP_OUTCOME_DELIVERED] = "delivered",
                                       [PP_OUTCOME_FAILED] = "failed"};

static void put_times(const struct pp_message_info *info, const struct pp_control_world *world,
                      struct pp_writer *w)
{
    int64_t now_s = world->port->wall_s(world->port->ctx);

    if (info->accepted_s < 0)
        pp_json_put_null(w, "accepted");
    else
        pp_json_put_u64(w, "accepted", (uint64_t)info->accepted_s);
    if (info->accepted_s < 0 || now_s < info->accepted_s)
        pp_json_put_null(w, "age_s");
    else
        pp_json_put_u64(w, "age_s", (uint64_t)(now_s - info->accepted_s));
}

/* Who gets it, and the newest words about somebody who has not got it yet. */
static void put_recipients(const struct pp_message_info *info, const struct pp_control_world *world,
                           struct pp_writer *w)
{
    char address[PP_ADDRESS_CAP], reply[512], last_error[512];
    size_t last_len = 0;
    bool of_failed = false;

    pp_json_open(w, "to", '[');
    for (uint32_t i = 0; i < info->recipient_count && i < LOOKED_AT; i++) {
        struct pp_writer to, words;
        enum pp_outcome outcome = PP_OUTCOME_OPEN;
        pp_writer_init(&to, address, sizeof address);
        pp_writer_init(&words, reply, sizeof reply);
        if (pp_message_recipient(world->relay, info->id, i, &to, &outcome, &words) != PP_OK)
            break;
        if (i < LISTED_TO)
            pp_json_put_text(w, NULL, pp_writer_text(&to), 400);
        bool better = outcome == PP_OUTCOME_FAILED ? !of_failed : last_len == 0;
        if (outcome != PP_OUTCOME_DELIVERED && words.len > 0 && better) {
            memcpy(last_error, reply, words.len);
            last_len = words.len;
            of_failed = outcome == PP_OUTCOME_FAILED;
        }
    }
    pp_json_close(w, ']');
    pp_json_put_text(w, "last_error", pp_text_n(last_error, last_len), 1000);
}

static void put_message(const struct pp_message_info *info, const struct pp_control_world *world,
                        struct pp_writer *w)
{
    char from[PP_ADDRESS_CAP], subject[1024], origin[160];
    struct pp_writer from_w, subject_w, origin_w;

    pp_writer_init(&from_w, from, sizeof from);
    pp_writer_init(&subject_w, subject, sizeof subject);
    pp_writer_init(&origin_w, origin, sizeof origin);
    /* A damaged message is listed with what the index knows. */
    (void)!pp_message_envelope(world->relay, info->id, &from_w, &subject_w, &origin_w);
    pp_json_open(w, NULL, '{');
    pp_json_put_id(w, "id", info->id);
    pp_json_put_z(w, "state", states[info->state]);
    pp_json_put_z(w, "kind", info->kind == PP_KIND_ALERT ? "alert" : "message");
    pp_json_put_z(w, "severity", pp_severity_name(info->severity));
    pp_json_put_u64(w, "size", info->size_bytes);
    put_times(info, world, w);
    pp_json_put_u64(w, "recipients", info->recipient_count);
    pp_json_put_u64(w, "open", info->open_count);
    pp_json_put_u64(w, "failed", info->failed_count);
    pp_json_put_u64(w, "attempts", info->attempts);
    if (info->next_in_ms == UINT64_MAX)
        pp_json_put_null(w, "next_in_ms");
    else
        pp_json_put_u64(w, "next_in_ms", info->next_in_ms);
    pp_json_put_text(w, "from", pp_writer_text(&from_w), 400);
    pp_json_put_text(w, "subject", pp_writer_text(&subject_w), 1200);
    pp_json_put_text(w, "origin", pp_writer_text(&origin_w), 200);
    put_recipients(info, world, w);
    pp_json_close(w, '}');
}

static bool step_list(struct pp_control_task *task, const struct pp_control_world *world,
                      struct pp_writer *w)
{
    struct pp_message_info info;

    if (pp_messages_next(world->relay, &task->cursor, &info) != PP_OK)
        return put_done(task, w);
    put_message(&info, world, w);
    task->count++;
    return true;
}

enum { SHOW_MESSAGE, SHOW_RECIPIENTS, SHOW_CONTENT, SHOW_END };

static bool show_recipient(struct pp_control_task *task, const struct pp_control_world *world,
                           struct pp_writer *w)
{
    char address[PP_ADDRESS_CAP], reply[512];
    struct pp_writer to, words;
    enum pp_outcome outcome = PP_OUTCOME_OPEN;

    pp_writer_init(&to, address, sizeof address);
    pp_writer_init(&words, reply, sizeof reply);
    enum pp_err err =
        pp_message_recipient(world->relay, task->id, task->offset++, &to, &outcome, &words);
    if (err == PP_ERR_NOT_FOUND) {
        task->phase = task->wants_content ? SHOW_CONTENT : SHOW_END;
        task->offset = 0;
        return true;
    }
    if (err != PP_OK)
        return put_failure(task, err, w);
    pp_json_open(w, NULL, '{');
    pp_json_put_text(w, "recipient", pp_writer_text(&to), 2000);
    pp_json_put_z(w, "outcome", outcomes[outcome]);
    pp_json_put_text(w, "reply", pp_writer_text(&words), 2000);
    pp_json_close(w, '}');
    return true;
}

static bool show_content(struct pp_control_task *task, const struct pp_control_world *world,
                         struct pp_writer *w)
{
    char bytes[CONTENT_PIECE];
    size_t len = 0, n = 1;
    enum pp_err err = PP_OK;

    /* Filled up, so that each piece but the last is whole groups of three bytes. */
    while (err == PP_OK && n > 0 && len < sizeof bytes) {
        err = pp_message_content(world->relay, task->id, task->offset + (uint32_t)len, bytes + len,
                                 sizeof bytes - len, &n);
        len += err == PP_OK ? n : 0;
    }
    if (err != PP_OK)
        return put_failure(task, err, w);
    task->offset += (uint32_t)len;
    if (len < sizeof bytes)
        task->phase = SHOW_END;
    if (len == 0)
        return true;
    pp_json_open(w, NULL, '{');
    pp_put_z(w, "\"content\":\"");
    pp_base64_put(w, bytes, len);
    pp_put_z(w, "\"}");
    return true;
}

static bool step_show(struct pp_control_task *task, const struct pp_control_world *world,
                      struct pp_writer *w)
{
    struct pp_message_info info;

    if (task->phase == SHOW_RECIPIENTS)
        return show_recipient(task, world, w);
    if (task->phase == SHOW_CONTENT)
        return show_content(task, world, w);
    if (task->phase == SHOW_END)
        return put_done(task, w);
    enum pp_err err = pp_message_find(world->relay, task->id, &info);
    if (err != PP_OK)
        return put_failure(task, err, w);
    put_message(&info, world, w);
    task->count = 1;
    task->phase = SHOW_RECIPIENTS;
    return true;
}

/* ---- acting ---- */

static bool step_flush(struct pp_control_task *task, const struct pp_control_world *world,
                       struct pp_writer *w)
{
    struct pp_relay_status status;
    enum pp_err err = pp_message_flush(world->relay, task->id);

    if (err != PP_OK)
        return put_failure(task, err, w);
    task->count = 1;
    if (task->id == 0) {
        pp_relay_status(world->relay, &status);
        task->count = status.waiting;
    }
    return put_done(task, w);
}

static bool applies(int verb, enum pp_message_state state)
{
    if (verb == VERB_RELEASE)
        return state == PP_MESSAGE_HELD || state == PP_MESSAGE_FAILED;
    return verb == VERB_REMOVE || state != PP_MESSAGE_HELD;
}

static enum pp_err act(int verb, struct pp_relay *relay, const struct pp_message_info *info)
{
    if (info->state == PP_MESSAGE_SENDING)
        return PP_ERR_BUSY;
    if (verb == VERB_HOLD)
        return info->state == PP_MESSAGE_HELD ? PP_OK : pp_message_hold(relay, info->id);
    if (verb == VERB_REMOVE)
        return pp_message_remove(relay, info->id);
    /* Of several recipients one may have failed while others still wait. */
    if (!applies(verb, info->state) && info->failed_count == 0)
        return PP_ERR_STATE;
    return pp_message_release(relay, info->id);
}

static bool step_act(struct pp_control_task *task, const struct pp_control_world *world,
                     struct pp_writer *w)
{
    struct pp_message_info info;
    enum pp_err err;

    if (!task->all) {
        err = pp_message_find(world->relay, task->id, &info);
        if (err == PP_OK)
            err = act(task->verb, world->relay, &info);
        if (err != PP_OK)
            return put_failure(task, err, w);
        task->count = 1;
        return put_done(task, w);
    }
    for (int i = 0; i < ACTS_A_STEP; i++) {
        if (pp_messages_next(world->relay, &task->cursor, &info) != PP_OK)
            return put_done(task, w);
        if (info.state != PP_MESSAGE_SENDING && !applies(task->verb, info.state) &&
            (task->verb != VERB_RELEASE || info.failed_count == 0))
            continue;
        err = act(task->verb, world->relay, &info);
        if (err != PP_OK && err != PP_ERR_BUSY) {
            task->id = info.id;
            return put_failure(task, err, w);
        }
        task->count += err == PP_OK ? 1 : 0;
        task->busy += err == PP_ERR_BUSY ? 1 : 0;
    }
    return true;
}

static bool step_status(struct pp_control_task *task, const struct pp_control_world *world,
                        struct pp_writer *w)
{
    (void)task;
    pp_control_put_status(world, w);
    return false;
}

/* ---- accept-pin ---- */

static bool step_accept(struct pp_control_task *task, const struct pp_control_world *world,
                        struct pp_writer *w)
{
    char pin[128];
    struct pp_writer pin_w;

    pp_writer_init(&pin_w, pin, sizeof pin);
    enum pp_err err = pp_pin_accept(world->relay, &pin_w);
    if (err == PP_ERR_NOT_FOUND)
        pp_control_task_refuse(task, "not-found", "no new certificate waits to be accepted");
    else if (err == PP_ERR_DRY)
        pp_control_task_refuse(
            task, "failed", "the configuration has as many pins as this build takes: replace one");
    else if (err != PP_OK)
        pp_control_task_refuse(task, "failed", pp_err_text(err));
    if (err != PP_OK)
        return put_error(task, w);
    pp_json_open(w, NULL, '{');
    pp_json_put_bool(w, "ok", true);
    pp_json_put_text(w, "pin", pp_writer_text(&pin_w), sizeof pin);
    pp_json_put_u64(w, "count", 1);
    pp_json_close(w, '}');
    return false;
}

bool pp_control_task_step(struct pp_control_task *task, const struct pp_control_world *world,
                          struct pp_writer *w)
{
    size_t before = w->len;
    struct pp_writer line;

    pp_writer_init(&line, w->data + before, w->cap - before);
    bool more =
        task->verb < 0 ? put_error(task, &line) : verbs[task->verb].step(task, world, &line);
    if (line.len > 0)
        pp_put_char(&line, '\n');
    w->len += line.len;
    w->overflow |= line.overflow;
    return more;
}
