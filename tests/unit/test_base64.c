/* test_base64.c - base64: RFC 4648 section 10, and what is refused */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"

static const struct {
    const char *plain, *coded;
} pairs[] = {{"", ""},
             {"f", "Zg=="},
             {"fo", "Zm8="},
             {"foo", "Zm9v"},
             {"foob", "Zm9vYg=="},
             {"fooba", "Zm9vYmE="},
             {"foobar", "Zm9vYmFy"},
             {"Username:", "VXNlcm5hbWU6"}};

static void test_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char text[64], plain[64];
        size_t len = 99;
        struct pp_writer w;
        pp_writer_init(&w, text, sizeof text);
        pp_base64_put(&w, pairs[i].plain, strlen(pairs[i].plain));
        assert_int_equal(w.len, strlen(pairs[i].coded));
        assert_int_equal(w.len, PP_BASE64_LEN(strlen(pairs[i].plain)));
        assert_memory_equal(text, pairs[i].coded, w.len);
        assert_int_equal(pp_base64_decode(pp_text_z(pairs[i].coded), plain, sizeof plain, &len),
                         PP_OK);
        assert_int_equal(len, strlen(pairs[i].plain));
        assert_memory_equal(plain, pairs[i].plain, len);
    }
}

static void test_all_bytes(void **state)
{
    uint8_t bytes[256], back[256];
    char text[512];
    size_t len;
    struct pp_writer w;
    (void)state;
    for (size_t i = 0; i < 256; i++)
        bytes[i] = (uint8_t)(i * 7);
    for (size_t n = 0; n <= 256; n++) {
        pp_writer_init(&w, text, sizeof text);
        pp_base64_put(&w, bytes, n);
        assert_int_equal(pp_base64_decode(pp_writer_text(&w), back, n, &len), PP_OK);
        assert_int_equal(len, n);
        assert_memory_equal(bytes, back, n);
        if (n > 0)
            assert_int_equal(pp_base64_decode(pp_writer_text(&w), back, n - 1, &len),
                             PP_ERR_TOO_BIG);
    }
}

static void test_refused(void **state)
{
    static const char *const bad[] = {"Z",    "Zg",   "Zg=",  "Zg==Zg==", "Zh==",
                                      "Zm9=", "Z===", "====", "Zm9v\n",   "Zm 9",
                                      "Zm-_", "=Zg=", "Zg=v", "Zm9v===="};
    uint8_t out[64];
    size_t len;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(pp_base64_decode(pp_text_z(bad[i]), out, sizeof out, &len), PP_ERR_SYNTAX);
    assert_int_equal(pp_base64_decode(pp_text_n("Zm\0v", 4), out, sizeof out, &len), PP_ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_all_bytes),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
