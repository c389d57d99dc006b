/*
 * test_mime.c - Content-Type, boundaries, and the encoders of bodies
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "message/encode.h"
#include "message/mime.h"

static void check_type(const char *value, enum pp_err err, enum pp_mime_type type,
                       const char *boundary)
{
    struct pp_mime_boundary b;
    enum pp_mime_type found;

    assert_int_equal(pp_mime_content_type(pp_text_z(value), &found, &b), err);
    assert_int_equal(found, type);
    if (err == PP_OK) {
        assert_true(pp_text_equal(pp_text_n(b.text, b.len), pp_text_z(boundary)));
    }
}

#define B70 "0123456789012345678901234567890123456789012345678901234567890123456789"

static void test_content_type(void **state)
{
    (void)state;
    check_type(" text/plain; boundary=x", PP_OK, PP_MIME_LEAF, "");
    check_type("(a (b)) Text (c) / (d) Plain", PP_OK, PP_MIME_LEAF, "");
    check_type("message/rfc822", PP_OK, PP_MIME_MESSAGE, "");
    check_type("Multipart/Mixed; charset=x;\r\n\tBoundary=abc", PP_OK, PP_MIME_MULTIPART, "abc");
    check_type("multipart/mixed; x=\";boundary=no\"; boundary=\"a \\\"b\"", PP_OK,
               PP_MIME_MULTIPART, "a \"b");
    check_type("multipart/mixed; boundary=----=_Part/1", PP_OK, PP_MIME_MULTIPART, "----=_Part/1");
    check_type("multipart/digest;boundary=a", PP_OK, PP_MIME_DIGEST, "a");
    check_type("multipart/signed; micalg=x; boundary=a", PP_OK, PP_MIME_SEALED, "a");
    check_type("multipart/mixed; boundary=" B70, PP_OK, PP_MIME_MULTIPART, B70);
    check_type("multipart/mixed; boundary=" B70 "x", PP_ERR_UNSUPPORTED, PP_MIME_MULTIPART, "");
    check_type("multipart/mixed", PP_ERR_UNSUPPORTED, PP_MIME_MULTIPART, "");
    check_type("multipart/mixed; boundary=", PP_ERR_UNSUPPORTED, PP_MIME_MULTIPART, "");
    check_type("multipart/mixed; boundary=\"open", PP_ERR_UNSUPPORTED, PP_MIME_MULTIPART, "");
    check_type("multipart/mixed; boundary=\"a \"", PP_ERR_UNSUPPORTED, PP_MIME_MULTIPART, "");
    check_type("", PP_ERR_SYNTAX, PP_MIME_LEAF, "");
    check_type("text", PP_ERR_SYNTAX, PP_MIME_LEAF, "");
    check_type("(open", PP_ERR_SYNTAX, PP_MIME_LEAF, "");
}

static void test_transfer_encoding(void **state)
{
    (void)state;
    assert_int_equal(pp_mime_transfer_encoding(pp_text_z(" 7BIT\r\n")), PP_MIME_CTE_PLAIN);
    assert_int_equal(pp_mime_transfer_encoding(pp_text_z("binary")), PP_MIME_CTE_8BIT);
    assert_int_equal(pp_mime_transfer_encoding(pp_text_z("Quoted-Printable (x)")), PP_MIME_CTE_QP);
    assert_int_equal(pp_mime_transfer_encoding(pp_text_z("base64")), PP_MIME_CTE_BASE64);
    assert_int_equal(pp_mime_transfer_encoding(pp_text_z("")), PP_MIME_CTE_OTHER);
}

static void test_delimiters(void **state)
{
    struct pp_mime_stack s = {0};
    bool close = false;

    (void)state;
    assert_int_equal(pp_mime_push(&s, &(struct pp_mime_boundary){1, "a"}, false), PP_OK);
    assert_int_equal(pp_mime_push(&s, &(struct pp_mime_boundary){2, "ab"}, true), PP_OK);
    assert_false(pp_mime_delimiter(&s, pp_text_z("--abc"), &close));
    assert_false(pp_mime_delimiter(&s, pp_text_z("--ab -"), &close));
    assert_false(pp_mime_delimiter(&s, pp_text_z("--"), &close));
    assert_true(pp_mime_delimiter(&s, pp_text_z("--ab  "), &close));
    assert_true(!close && s.depth == 2);
    assert_true(pp_mime_delimiter(&s, pp_text_z("--ab--\t"), &close));
    assert_true(close && s.depth == 1);
    s.depth = 2;
    assert_true(pp_mime_delimiter(&s, pp_text_z("--a"), &close));
    assert_true(!close && s.depth == 1);
    while (s.depth < PP_MIME_DEPTH) {
        assert_int_equal(pp_mime_push(&s, &(struct pp_mime_boundary){1, "x"}, false), PP_OK);
    }
    assert_int_equal(pp_mime_push(&s, &(struct pp_mime_boundary){1, "x"}, false),
                     PP_ERR_UNSUPPORTED);
}

/* ---- encoders ---- */

static char encoded[8192];

static enum pp_err encode(enum pp_encoding encoding, bool eight_bit, const char *in, size_t len)
{
    struct pp_encoder e = {0};
    struct pp_buf out;

    pp_buf_init(&out, (uint8_t *)encoded, sizeof encoded - 1);
    pp_encode_begin(&e, encoding, eight_bit);
    for (size_t i = 0; i < len; i++) {
        size_t before = pp_buf_len(&out);

        if (in[i] == '\n') {
            pp_encode_line_end(&e, &out);
        } else {
            pp_encode_byte(&e, &out, (uint8_t)in[i]);
        }
        assert_true(pp_buf_len(&out) - before <= PP_ENCODE_ROOM);
    }
    pp_encode_end(&e, &out);
    encoded[pp_buf_len(&out)] = '\0';
    return e.error;
}

static void check_encoded(enum pp_encoding encoding, const char *in, const char *expected)
{
    assert_int_equal(encode(encoding, false, in, strlen(in)), PP_OK);
    assert_string_equal(encoded, expected);
}

#define X60  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X75  X60 "xxxxxxxxxxxxxxx"
#define X90  X60 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X988 X90 X90 X90 X90 X90 X90 X90 X90 X90 X90 X75 "xxxxxxxxxxxxx"

static void test_qp(void **state)
{
    (void)state;
    check_encoded(PP_ENCODE_QP, "a=b\xC3\t.\n", "a=3Db=C3\t.\r\n");
    check_encoded(PP_ENCODE_QP, "a \nb\t\n \n x ", "a=20\r\nb=09\r\n=20\r\n x=20");
    check_encoded(PP_ENCODE_QP, X75 "\n", X75 "\r\n");
    check_encoded(PP_ENCODE_QP, X75 "xy\n", X75 "=\r\nxy\r\n");
    check_encoded(PP_ENCODE_QP, X75 "-- b\n--\n", X75 "=\r\n=2D- b\r\n--\r\n");
    check_encoded(PP_ENCODE_QP, X75 " \n", X75 "=\r\n=20\r\n");
    check_encoded(PP_ENCODE_QP, X60 "xxxxxxxxxxxxx=\n", X60 "xxxxxxxxxxxxx=\r\n=3D\r\n");
}

static void test_wraps(void **state)
{
    (void)state;
    check_encoded(PP_ENCODE_BASE64_WRAP, X988 "yz\nab\n", X988 "\r\nyz\r\nab\r\n");
    check_encoded(PP_ENCODE_QP_WRAP, X988 "=3Dab\n", X988 "=3D=\r\nab\r\n");
    check_encoded(PP_ENCODE_QP_WRAP, X988 "xx--\xFC\n", X988 "xx=\r\n=2D-=FC\r\n");
    check_encoded(PP_ENCODE_IGNORED, "\xFC\x01\n", "?\x01\r\n");
    check_encoded(PP_ENCODE_IGNORED, X988 "0123456789abc\n", X988 "0123456789\r\n");
    check_encoded(PP_ENCODE_PASS, X988 "0123456789\n", X988 "0123456789\r\n");
    assert_int_equal(encode(PP_ENCODE_PASS, true, X988 "0123456789a", 999), PP_ERR_UNSUPPORTED);
    assert_int_equal(encode(PP_ENCODE_PASS, false, "\xFC", 1), PP_ERR_UNSUPPORTED);
    assert_int_equal(encode(PP_ENCODE_PASS, true, "\xFC", 1), PP_OK);
    assert_int_equal(encode(PP_ENCODE_PASS, true, "\0", 1), PP_ERR_UNSUPPORTED);
    assert_int_equal(encode(PP_ENCODE_BASE64_WRAP, false, "\xFC", 1), PP_ERR_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_content_type), cmocka_unit_test(test_transfer_encoding),
        cmocka_unit_test(test_delimiters),   cmocka_unit_test(test_qp),
        cmocka_unit_test(test_wraps),
    };

    return cmocka_run_group_tests_name("mime", tests, NULL, NULL);
}
