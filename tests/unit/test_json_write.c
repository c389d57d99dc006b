/*
 * test_json_write.c - what goes over control.sock is JSON, whatever a peer said
 */
#include "posix/json_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "posix/json_read.h"
#include <cmocka.h>

static char out[512];
static struct pp_writer w;

static int fresh(void **state)
{
    (void)state;
    pp_writer_init(&w, out, sizeof out);
    return 0;
}

static void wrote(const char *wanted)
{
    assert_false(w.overflow);
    assert_int_equal(w.len, strlen(wanted));
    assert_memory_equal(out, wanted, w.len);
}

static void test_an_object(void **state)
{
    (void)state;
    pp_json_open(&w, NULL, '{');
    pp_json_put_bool(&w, "ok", true);
    pp_json_put_u64(&w, "n", UINT64_MAX);
    pp_json_put_null(&w, "age");
    pp_json_put_id(&w, "id", 42);
    pp_json_open(&w, "to", '[');
    pp_json_put_z(&w, NULL, "a");
    pp_json_put_z(&w, NULL, "b");
    pp_json_close(&w, ']');
    pp_json_open(&w, "none", '[');
    pp_json_close(&w, ']');
    pp_json_close(&w, '}');
    wrote("{\"ok\":true,\"n\":18446744073709551615,\"age\":null,\"id\":\"0000002A\","
          "\"to\":[\"a\",\"b\"],\"none\":[]}");
}

static void test_escapes(void **state)
{
    (void)state;
    pp_json_put_text(&w, NULL, pp_text_n("a\"\\\n\r\0\x1f\x7f\xff\xc3\xbc", 11), sizeof out);
    wrote("\"a\\\"\\\\\\n\\u000D\\u0000\\u001F\\u007F\\u00FF\xc3\xbc\"");
}

static void test_cut_between_characters(void **state)
{
    (void)state;
    pp_json_put_text(&w, NULL, pp_text_z("\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc"), 9);
    wrote("\"\xc3\xbc\xc3\xbc\"");
}

static void test_a_reader_gets_it_back(void **state)
{
    (void)state;
    struct pp_json json;
    char text[64];
    pp_json_open(&w, NULL, '{');
    pp_json_put_text(&w, "a", pp_text_z("x,{\"y\":1}\t\\"), 100);
    pp_json_put_u64(&w, "b", 7);
    pp_json_close(&w, '}');
    assert_int_equal(pp_json_read(&json, pp_writer_text(&w)), PP_OK);
    pp_json_text(&json, "a", text, sizeof text);
    assert_string_equal(text, "x,{\"y\":1}\t\\");
    assert_int_equal(pp_json_u64(&json, "b", 0), 7);
}

static void test_no_room(void **state)
{
    (void)state;
    pp_writer_init(&w, out, 8);
    pp_json_put_z(&w, "key", "a long text");
    assert_true(w.overflow);
    assert_true(w.len <= 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_an_object, fresh),
        cmocka_unit_test_setup(test_escapes, fresh),
        cmocka_unit_test_setup(test_cut_between_characters, fresh),
        cmocka_unit_test_setup(test_a_reader_gets_it_back, fresh),
        cmocka_unit_test_setup(test_no_room, fresh),
    };
    return cmocka_run_group_tests_name("json_write", tests, NULL, NULL);
}
