/*
 * test_sasl.c - answers of a login
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "config.h"
#include "delivery/sasl.h"

static void test_plain(void **state)
{
    char text[PP_SASL_ANSWER_CAP];
    char user[PP_NAME_CAP + PP_SECRET_CAP];
    struct pp_writer w;

    (void)state;
    /* RFC 4616 4 has tim and tanstaaftanstaaf. */
    pp_writer_init(&w, text, sizeof text);
    assert_int_equal(pp_sasl_plain(&w, "tim", "tanstaaftanstaaf"), PP_OK);
    assert_true(pp_text_equal(pp_writer_text(&w), pp_text_z("AHRpbQB0YW5zdGFhZnRhbnN0YWFm")));
    pp_writer_init(&w, text, 10);
    assert_int_equal(pp_sasl_plain(&w, "tim", "tanstaaftanstaaf"), PP_ERR_TOO_BIG);
    memset(user, 'u', sizeof user);
    user[sizeof user - 1] = '\0';
    pp_writer_init(&w, text, sizeof text);
    assert_int_equal(pp_sasl_plain(&w, user, "p"), PP_ERR_TOO_BIG);
    /* The longest that the configuration takes does fit. */
    user[PP_NAME_CAP - 1] = '\0';
    char password[PP_SECRET_CAP];
    memset(password, 'p', sizeof password);
    password[sizeof password - 1] = '\0';
    pp_writer_init(&w, text, sizeof text);
    assert_int_equal(pp_sasl_plain(&w, user, password), PP_OK);
}

static void test_login(void **state)
{
    char text[16];
    struct pp_writer w;

    (void)state;
    pp_writer_init(&w, text, sizeof text);
    assert_int_equal(pp_sasl_login(&w, "tim"), PP_OK);
    assert_true(pp_text_equal(pp_writer_text(&w), pp_text_z("dGlt")));
    pp_writer_init(&w, text, sizeof text);
    assert_int_equal(pp_sasl_login(&w, "this is too long"), PP_ERR_TOO_BIG);
    pp_writer_init(&w, text, sizeof text);
    assert_int_equal(pp_sasl_login(&w, ""), PP_OK);
    assert_int_equal(w.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_login),
    };

    return cmocka_run_group_tests_name("sasl", tests, NULL, NULL);
}
