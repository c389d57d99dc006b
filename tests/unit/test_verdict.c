/*
 * test_verdict.c - the one decision on mail, as a table
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "delivery/verdict.h"

struct example {
    enum pp_stage stage;
    uint16_t code;
    uint8_t enhanced[3];
    const char *text;
    enum pp_verdict verdict;
    enum pp_scope scope;
};

static const struct example examples[] = {
    {PP_STAGE_DOT, 250, {2, 0, 0}, "ok", PP_VERDICT_DELIVERED, PP_SCOPE_MESSAGE},
    {PP_STAGE_DOT, 299, {0}, "", PP_VERDICT_LATER, PP_SCOPE_PATH}, /* second digit 9 */
    {PP_STAGE_DOT, 259, {0}, "", PP_VERDICT_DELIVERED, PP_SCOPE_MESSAGE},
    {PP_STAGE_DOT, 354, {0}, "", PP_VERDICT_LATER, PP_SCOPE_PATH},
    {PP_STAGE_DOT, 150, {0}, "", PP_VERDICT_LATER, PP_SCOPE_PATH},
    {PP_STAGE_DOT, 0, {0}, "", PP_VERDICT_LATER, PP_SCOPE_PATH},
    {PP_STAGE_DOT, 600, {0}, "", PP_VERDICT_LATER, PP_SCOPE_PATH},
    {PP_STAGE_DOT, 451, {0}, "", PP_VERDICT_LATER, PP_SCOPE_MESSAGE},
    {PP_STAGE_DOT, 421, {0}, "", PP_VERDICT_LATER, PP_SCOPE_PATH},
    {PP_STAGE_DOT, 554, {5, 7, 1}, "spam", PP_VERDICT_NEVER, PP_SCOPE_MESSAGE},
    {PP_STAGE_DOT, 552, {5, 7, 0}, "content", PP_VERDICT_NEVER, PP_SCOPE_MESSAGE},
    {PP_STAGE_DOT, 530, {5, 7, 0}, "", PP_VERDICT_LATER, PP_SCOPE_PATH},
    {PP_STAGE_BODY, 250, {0}, "", PP_VERDICT_LATER, PP_SCOPE_PATH},
    {PP_STAGE_BODY, 552, {0}, "", PP_VERDICT_NEVER, PP_SCOPE_MESSAGE},
    {PP_STAGE_DATA, 250, {0}, "", PP_VERDICT_LATER, PP_SCOPE_PATH},
    {PP_STAGE_DATA, 554, {0}, "", PP_VERDICT_NEVER, PP_SCOPE_MESSAGE},
    {PP_STAGE_DATA, 503, {0}, "", PP_VERDICT_LATER, PP_SCOPE_PATH},
    {PP_STAGE_DATA, 450, {0}, "", PP_VERDICT_LATER, PP_SCOPE_MESSAGE},
    {PP_STAGE_RCPT, 250, {0}, "", PP_VERDICT_LATER, PP_SCOPE_PATH},
    {PP_STAGE_RCPT, 550, {5, 1, 1}, "", PP_VERDICT_NEVER, PP_SCOPE_RECIPIENT},
    {PP_STAGE_RCPT, 550, {5, 7, 1}, "relaying denied", PP_VERDICT_NEVER, PP_SCOPE_RECIPIENT},
    {PP_STAGE_RCPT,
     550,
     {5, 7, 1},
     "SMTP Authentication Required",
     PP_VERDICT_LATER,
     PP_SCOPE_PATH},
    {PP_STAGE_RCPT,
     554,
     {0},
     "Must issue a STARTTLS command first",
     PP_VERDICT_LATER,
     PP_SCOPE_PATH},
    {PP_STAGE_RCPT, 552, {0}, "too many", PP_VERDICT_LATER, PP_SCOPE_RECIPIENT},
    {PP_STAGE_RCPT, 550, {5, 5, 3}, "", PP_VERDICT_LATER, PP_SCOPE_RECIPIENT},
    {PP_STAGE_RCPT, 452, {4, 5, 3}, "", PP_VERDICT_LATER, PP_SCOPE_RECIPIENT},
    {PP_STAGE_RCPT, 530, {5, 7, 0}, "", PP_VERDICT_LATER, PP_SCOPE_PATH},
    {PP_STAGE_RCPT, 550, {5, 7, 8}, "", PP_VERDICT_LATER, PP_SCOPE_PATH},
    {PP_STAGE_RCPT, 421, {0}, "", PP_VERDICT_LATER, PP_SCOPE_PATH},
    {PP_STAGE_MAIL, 550, {5, 1, 8}, "", PP_VERDICT_LATER, PP_SCOPE_PATH},
    {PP_STAGE_MAIL, 552, {0}, "", PP_VERDICT_NEVER, PP_SCOPE_MESSAGE},
    {PP_STAGE_MAIL, 554, {5, 3, 4}, "", PP_VERDICT_NEVER, PP_SCOPE_MESSAGE},
    {PP_STAGE_MAIL, 550, {5, 2, 3}, "", PP_VERDICT_NEVER, PP_SCOPE_MESSAGE},
    {PP_STAGE_MAIL, 550, {5, 6, 7}, "", PP_VERDICT_NEVER, PP_SCOPE_MESSAGE},
    {PP_STAGE_MAIL, 452, {4, 3, 1}, "", PP_VERDICT_LATER, PP_SCOPE_MESSAGE},
    {PP_STAGE_RSET, 500, {0}, "", PP_VERDICT_LATER, PP_SCOPE_PATH},
    {PP_STAGE_IDLE, 550, {0}, "", PP_VERDICT_LATER, PP_SCOPE_PATH},
};

static void test_examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        const struct example *e = &examples[i];
        struct pp_reply reply = {.code = e->code, .text_len = (uint16_t)strlen(e->text)};

        memcpy(reply.enhanced, e->enhanced, 3);
        memcpy(reply.text, e->text, reply.text_len);
        struct pp_decision d = pp_verdict_decide(e->stage, &reply);
        if (d.verdict != e->verdict || d.scope != e->scope) {
            fail_msg("example %zu: %d %d", i, (int)d.verdict, (int)d.scope);
        }
    }
}

/* Whatever a server or a forger says, only a lawful 2yz to the dot delivers, and no reply before
 * MAIL ends mail. */
static void test_every_code(void **state)
{
    (void)state;
    for (unsigned stage = 0; stage < PP_STAGE_COUNT; stage++) {
        for (unsigned code = 0; code < 1000; code++) {
            struct pp_reply reply = {.code = (uint16_t)code};
            struct pp_decision d = pp_verdict_decide((enum pp_stage)stage, &reply);
            bool success = stage == PP_STAGE_DOT && code >= 200 && code < 260;

            assert_true((d.verdict == PP_VERDICT_DELIVERED) == success);
            if (stage < PP_STAGE_MAIL || stage > PP_STAGE_DOT || code < 500 || code > 559) {
                assert_true(d.verdict != PP_VERDICT_NEVER);
            }
        }
    }
}

static void test_words(void **state)
{
    (void)state;
    for (unsigned stage = 0; stage <= PP_STAGE_COUNT; stage++) {
        assert_true(strlen(pp_stage_words((enum pp_stage)stage)) > 3);
    }
}

static void check_put(const struct pp_reply *reply, const char *expected)
{
    char text[100];
    struct pp_writer w;

    pp_writer_init(&w, text, sizeof text);
    pp_put_reply(&w, reply);
    assert_int_equal(w.len, strlen(expected));
    assert_memory_equal(text, expected, w.len);
}

static void test_put_reply(void **state)
{
    (void)state;
    check_put(&(struct pp_reply){.code = 550, .enhanced = {5, 1, 255}, .text_len = 2, .text = "no"},
              "550 5.1.255 no");
    check_put(&(struct pp_reply){.code = 250}, "250");
    check_put(&(struct pp_reply){.enhanced = {5, 1, 3}, .text_len = 1, .text = "x"}, "5.1.3 x");
    check_put(&(struct pp_reply){.text_len = 4, .text = "lost"}, "lost");
    check_put(&(struct pp_reply){.code = 0}, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_every_code),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_put_reply),
    };

    return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
