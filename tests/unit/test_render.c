/*
 * test_render.c - messages as they go out
 *
 * Job:      golden texts for alerts and ready messages, as they are and converted, each fed in
 *           pieces of several sizes; then random content, of which the rules must hold.
 * Not here: the encoders' and fields' own tables (test_encode.c, test_header.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/time.h"
#include "message/render.h"

static char output[4 << 20];
static size_t output_len;

static struct pp_render_facts facts_for(bool alert)
{
    return (struct pp_render_facts){.alert = alert,
                                    .from = {"nas@example.org", 15},
                                    .hostname = {"nas.example.org", 15},
                                    .queue_id = 7,
                                    .device = 0xABCDEF,
                                    .accepted_s = 1795381440,
                                    .now_s = 1795381500};
}

static uint16_t scan(const char *content, size_t len)
{
    struct pp_content_scan s;

    pp_content_scan_init(&s);
    for (size_t i = 0; i < len; i++) {
        pp_content_scan(&s, (const uint8_t *)content + i, 1);
    }
    return pp_content_scan_end(&s);
}

static void take_output(struct pp_render *r, size_t piece)
{
    size_t len = pp_buf_len(&r->out);

    len = piece != 0 && len > piece ? piece : len;
    assert_true(output_len + len < sizeof output);
    memcpy(output + output_len, pp_buf_head(&r->out), len);
    output_len += len;
    pp_buf_consume(&r->out, len);
}

/* Renders in pieces of `piece` bytes in (0: all at once); every step is bounded. */
static enum pp_err render(const struct pp_render_facts *facts, const char *content, size_t len,
                          size_t piece)
{
    static struct pp_render r;
    size_t fed = 0;

    pp_render_init(&r, facts);
    output_len = 0;
    while (fed < len) {
        size_t n = piece != 0 && len - fed > piece ? piece : len - fed;
        size_t taken = pp_render_feed(&r, (const uint8_t *)content + fed, n);

        fed += taken;
        assert_true(taken > 0 || pp_buf_len(&r.out) > 0);
        take_output(&r, taken == 0 ? 0 : piece * 3);
    }
    for (int i = 0; !pp_render_end(&r); i++) {
        assert_true(i < 1000);
        take_output(&r, 0);
    }
    take_output(&r, 0);
    output[output_len] = '\0';
    assert_true(r.error == PP_OK || (r.error_z != NULL && strncmp(r.error_z, "5.6.", 4) == 0));
    return r.error;
}

/* What every output must keep, whatever came in. */
static void check_rules(bool ascii)
{
    size_t column = 0;

    for (size_t i = 0; i < output_len; i++) {
        unsigned char c = (unsigned char)output[i];

        if (c == '\r') {
            assert_true(i + 1 < output_len && output[i + 1] == '\n');
        } else if (c == '\n') {
            assert_true(i > 0 && output[i - 1] == '\r');
            column = 0;
        } else {
            assert_true(++column <= 998);
            assert_true(c != 0 && (!ascii || c < 128));
        }
    }
}

static void check_golden(const struct pp_render_facts *facts, const char *content, size_t len,
                         const char *expected)
{
    static const size_t pieces[] = {0, 1, 2, 3, 7, 64};

    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        assert_int_equal(render(facts, content, len, pieces[i]), PP_OK);
        assert_string_equal(output, expected);
        check_rules(pp_render_plan_for(facts) == PP_RENDER_CONVERT && !facts->smtputf8_ok);
    }
}

/* A ready message, all else by default. */
static void check_message(const char *content, bool eight_bit_ok, const char *expected)
{
    struct pp_render_facts facts = facts_for(false);

    facts.content = scan(content, strlen(content));
    facts.eight_bit_ok = eight_bit_ok;
    check_golden(&facts, content, strlen(content), expected);
}

static void check_refused(const char *content, const char *status)
{
    static struct pp_render r;
    struct pp_render_facts facts = facts_for(false);
    size_t len = strlen(content);

    facts.content = scan(content, len);
    assert_int_equal(pp_render_plan_for(&facts), PP_RENDER_CONVERT);
    assert_int_equal(render(&facts, content, len, 0), PP_ERR_UNSUPPORTED);
    assert_int_equal(render(&facts, content, len, 1), PP_ERR_UNSUPPORTED);
    pp_render_init(&r, &facts);
    while (r.error == PP_OK) {
        (void)pp_render_feed(&r, (const uint8_t *)content, len);
        pp_buf_clear(&r.out);
        (void)pp_render_end(&r);
    }
    assert_memory_equal(r.error_z, status, 5);
}

/* ---- alerts ---- */

#define ID     "Message-ID: <7.abcdef@nas.example.org>\r\n"
#define DATE   "Date: Sun, 22 Nov 2026 21:04:00 +0000\r\n"
#define FROM   "From: nas@example.org\r\n"
#define NOBODY "To: undisclosed-recipients:;\r\n"

static void test_alert(void **state)
{
    struct pp_render_facts facts = facts_for(true);
    const char *text = "Disk 1 is failing.\r\n.\r\n";

    (void)state;
    facts.to = pp_text_z("a@b, c@d");
    facts.from_name = pp_text_z("NAS");
    facts.subject = pp_text_z("Disk failure");
    facts.severity = PP_SEVERITY_CRITICAL;
    facts.content = scan(text, strlen(text));
    check_golden(&facts, text, strlen(text),
                 DATE "From: \"NAS\" <nas@example.org>\r\n"
                      "To: a@b,\r\n c@d\r\n"
                      "Subject: Disk failure\r\n" ID "Auto-Submitted: auto-generated\r\n"
                      "X-Pinpost-Severity: critical\r\n"
                      "X-Priority: 1 (Highest)\r\n"
                      "Importance: high\r\n"
                      "MIME-Version: 1.0\r\n"
                      "Content-Type: text/plain; charset=utf-8\r\n"
                      "Content-Transfer-Encoding: 7bit\r\n"
                      "\r\n"
                      "Disk 1 is failing.\r\n.\r\n");
}

static void test_empty_alert(void **state)
{
    struct pp_render_facts facts = facts_for(true);

    (void)state;
    facts.accepted_s = PP_WALL_UNKNOWN;
    facts.now_s = PP_WALL_UNKNOWN;
    check_golden(&facts, "", 0,
                 FROM NOBODY "Subject: \r\n" ID "Auto-Submitted: auto-generated\r\n"
                             "X-Pinpost-Severity: info\r\n"
                             "MIME-Version: 1.0\r\n"
                             "Content-Type: text/plain; charset=utf-8\r\n"
                             "Content-Transfer-Encoding: 7bit\r\n"
                             "\r\n");
}

static void test_utf8_alert(void **state)
{
    struct pp_render_facts facts = facts_for(true);
    const char *text = "T\xC3\xBCr auf = 3 \r\n\tok\t\r\nend";

    (void)state;
    facts.subject = pp_text_z("T\xC3\xBCr\r\nBcc: x@y");
    facts.content = scan(text, strlen(text));
    check_golden(&facts, text, strlen(text),
                 DATE FROM NOBODY "Subject: =?utf-8?B?VMO8ciAgQmNjOiB4QHk=?=\r\n" ID
                                  "Auto-Submitted: auto-generated\r\n"
                                  "X-Pinpost-Severity: info\r\n"
                                  "MIME-Version: 1.0\r\n"
                                  "Content-Type: text/plain; charset=utf-8\r\n"
                                  "Content-Transfer-Encoding: quoted-printable\r\n"
                                  "\r\n"
                                  "T=C3=BCr auf =3D 3=20\r\n\tok=09\r\nend");
}

/* ---- ready messages as they are ---- */

static void test_as_is(void **state)
{
    (void)state;
    check_message(
        "From: a@b\r\nTo: c@d\r\nDate: x\r\nMessage-ID: <1@2>\r\nSubject: s\r\n\r\nbody\r\n", false,
        "From: a@b\r\nTo: c@d\r\nDate: x\r\nMessage-ID: <1@2>\r\nSubject: s\r\n\r\nbody\r\n");
}

static void test_missing_fields(void **state)
{
    (void)state;
    check_message("Subject: s\r\n\r\nbody\r\n", false,
                  "Subject: s\r\n" DATE FROM NOBODY ID "\r\nbody\r\n");
    check_message("no header here\r\nbody\r\n", false,
                  DATE FROM NOBODY ID "\r\nno header here\r\nbody\r\n");
    check_message("\r\nbody\r\n", false, DATE FROM NOBODY ID "\r\nbody\r\n");
    check_message(" body\r\n", false, DATE FROM NOBODY ID "\r\n body\r\n");
    check_message("word", false, DATE FROM NOBODY ID "\r\nword\r\n");
    check_message("", false, DATE FROM NOBODY ID "\r\n");
    check_message("Subject: s", false, "Subject: s\r\n" DATE FROM NOBODY ID "\r\n");
    check_message("Subject: s\r\nnot a field\r\n\r\nx\r\n", false,
                  "Subject: s\r\n" DATE FROM NOBODY ID "\r\nnot a field\r\n\r\nx\r\n");
}

static void test_dropped_fields(void **state)
{
    (void)state;
    check_message("From nas Mon Nov 23 00:24:00 2026\r\n"
                  "Return-Path: <x@y>\r\nBcc: a@b,\r\n\tc@d\r\n , e@f\r\nresent-bcc : g@h\r\n"
                  "Bcc:\r\nCc: i@j\r\nX: 1\r\n\r\nBcc: stays\r\n",
                  false, "Cc: i@j\r\nX: 1\r\n" DATE FROM ID "\r\nBcc: stays\r\n");
}

static void test_8bit_labels(void **state)
{
    (void)state;
    check_message("To: a@b\r\n\r\n\xC3\xBC\r\n", true,
                  "To: a@b\r\n" DATE FROM ID "MIME-Version: 1.0\r\n"
                  "Content-Type: text/plain; charset=utf-8\r\n"
                  "Content-Transfer-Encoding: 8bit\r\n\r\n\xC3\xBC\r\n");
    check_message("To: a@b\r\n\r\n\xFC\r\n", true,
                  "To: a@b\r\n" DATE FROM ID "MIME-Version: 1.0\r\n"
                  "Content-Type: text/plain; charset=unknown-8bit\r\n"
                  "Content-Transfer-Encoding: 8bit\r\n\r\n\xFC\r\n");
    check_message("To: a@b\r\nSubject: \xC3\xBC\r\n\r\nx\r\n", true,
                  "To: a@b\r\nSubject: \xC3\xBC\r\n" DATE FROM ID "\r\nx\r\n");
}

static void test_bare_line_ends(void **state)
{
    (void)state;
    check_message("To: a@b\nX: 1\r\n\ra\nb\rc\r\n", false,
                  "To: a@b\r\nX: 1\r\n" DATE FROM ID "\r\na\r\nb\r\nc\r\n");
}

/* ---- converted ---- */

#define MIME_LATE                                                                                  \
    "MIME-Version: 1.0\r\n"                                                                        \
    "Content-Type: text/plain; charset=utf-8\r\n"                                                  \
    "Content-Transfer-Encoding: quoted-printable\r\n"

static void test_convert_single(void **state)
{
    (void)state;
    check_message("To: a@b\r\n\r\n\xC3\xBC=\r\n", false,
                  "To: a@b\r\n" DATE FROM ID MIME_LATE "\r\n=C3=BC=3D\r\n");
    check_message(
        "To: a@b\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n"
        "Content-Type: text/html;\r\n charset=iso-8859-1\r\nSubject: \xC3\xBC\r\n\r\n\xFC",
        false,
        "To: a@b\r\nMIME-Version: 1.0\r\nContent-Type: text/html;\r\n "
        "charset=iso-8859-1\r\nSubject: =?utf-8?B?w7w=?=\r\n" DATE FROM ID
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n=FC");
}

static void test_convert_multipart(void **state)
{
    (void)state;
    check_message("To: a@b\r\nMIME-Version: 1.0\r\n"
                  "Content-Type: multipart/mixed; boundary=\"o u\" (x)\r\n"
                  "Content-Transfer-Encoding: 8bit\r\n\r\n"
                  "pre\r\n--o u\r\n\r\nplain \xC3\xBC\r\n--o\r\n--o ux\r\n"
                  "--o u  \r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n"
                  "--in\r\nContent-Type: text/html\r\ncontent-transfer-encoding: BASE64\r\n\r\n"
                  "eHg=\r\n--in--\r\nepi\r\n"
                  "--o u\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
                  "Subject: in\r\n\r\nascii\r\n"
                  "--o u--\r\nend \xFC\r\n",
                  false,
                  "To: a@b\r\nMIME-Version: 1.0\r\n"
                  "Content-Type: multipart/mixed; boundary=\"o u\" (x)\r\n" DATE FROM ID
                  "Content-Transfer-Encoding: 7bit\r\n\r\n"
                  "pre\r\n--o u\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
                  "plain =C3=BC\r\n--o\r\n--o ux\r\n"
                  "--o u  \r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n"
                  "--in\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n"
                  "eHg=\r\n--in--\r\nepi\r\n"
                  "--o u\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
                  "Subject: in\r\n\r\nascii\r\n"
                  "--o u--\r\nend ?\r\n");
}

static void test_parts_cut_short(void **state)
{
    (void)state;
    /* A part without header and body, one without body, a message that ends in a part's header. */
    check_message("Content-Type: multipart/mixed; boundary=a:b\r\nTo: x@y\r\n\r\n"
                  "--a:b\r\n--a:b\r\nX: 1\r\n--a:b\r\n\r\n\xC3\xBC\r\n--a:b\r\nX: 2",
                  false,
                  "Content-Type: multipart/mixed; boundary=a:b\r\nTo: x@y\r\n" DATE FROM ID
                  "MIME-Version: 1.0\r\n\r\n"
                  "--a:b\r\n\r\n--a:b\r\nX: 1\r\n\r\n--a:b\r\n"
                  "Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC\r\n"
                  "--a:b\r\nX: 2\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n");
}

#define WORDS_100                                                                                  \
    " 3456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 "    \
    "1234567890"
#define TEN(x)    x x x x x x x x x x
#define LONG_TEXT TEN(WORDS_100)

static void test_long_header(void **state)
{
    static char content[32768];
    static const size_t pieces[] = {0, 1, 13};
    struct pp_render_facts facts = facts_for(false);
    size_t len = 0;

    (void)state;
    /* 20 kB in one line, which can be folded; and the same in a field that is dropped. */
    for (int field = 0; field < 2; field++) {
        const char *name = field == 0 ? "Received:" : "Bcc:";

        memcpy(content + len, name, strlen(name));
        len += strlen(name);
        for (int i = 0; i < (field == 0 ? 20 : 8); i++) {
            memcpy(content + len, LONG_TEXT, strlen(LONG_TEXT));
            len += strlen(LONG_TEXT);
        }
        memcpy(content + len, "\r\n", 2);
        len += 2;
    }
    memcpy(content + len, "To: a@b\r\n\r\nbody\r\n", 17);
    len += 17;
    facts.content = scan(content, len);
    assert_int_equal(facts.content & PP_CONTENT_LONG_LINE, 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(render(&facts, content, len, pieces[i]), PP_OK);
        check_rules(true);
        assert_null(strstr(output, "Bcc:"));
        assert_non_null(strstr(output, "\r\nTo: a@b\r\n"));
        size_t text = 0;
        for (const char *p = output; strncmp(p, "\r\nTo:", 5) != 0; p++) {
            text += *p != '\r' && *p != '\n';
        }
        assert_int_equal(text, strlen("Received:") + 20 * strlen(LONG_TEXT));
    }
}

static void test_refused(void **state)
{
    static char content[6000];

    (void)state;
    check_refused("To: a@b\r\nX: \xC3\xBC\r\n\r\nx\r\n", "5.6.7");
    check_refused("Content-Type: multipart/mixed\r\n\r\n\xFC\r\n", "5.6.3");
    check_refused("Content-Type: multipart/mixed; boundary*0=a; boundary*1=b\r\n\r\n\xFC\r\n",
                  "5.6.3");
    check_refused("Content-Type: multipart/mixed; boundary=a\r\n\r\n\xFC\r\n--b\r\n", "5.6.3");
    check_refused("Content-Type: multipart/signed; boundary=a\r\n\r\n\xFC\r\n", "5.6.3");
    check_refused("Content-Type: message/rfc822\r\n\r\n\xFC\r\n", "5.6.3");
    check_refused("Content-Transfer-Encoding: x\xFC\r\n\r\nx\r\n", "5.6.3");
    check_refused("Content-Transfer-Encoding: x-own\r\n\r\n\xFC\r\n", "5.6.3");
    check_refused(
        "Content-Type: multipart/mixed; boundary=a\r\nContent-Transfer-Encoding: base64\r\n"
        "\r\n\xFC\r\n",
        "5.6.3");
    /* A header line that nothing can fold, in a message that is converted anyway. */
    memset(content, 'x', 5000);
    memcpy(content, "X: ", 3);
    memcpy(content + 5000, "\r\n\r\n\xFC\r\n", 8);
    check_refused(content, "5.6.0");
}

static void test_nul(void **state)
{
    struct pp_render_facts facts = facts_for(false);
    static const char body[] = "To: a@b\r\n\r\nx\0y\r\n";
    static const char header[] = "To: a\0b\r\n\r\nx\r\n";

    (void)state;
    facts.content = scan(body, sizeof body - 1);
    facts.eight_bit_ok = true;
    assert_int_equal(render(&facts, body, sizeof body - 1, 0), PP_OK);
    assert_non_null(strstr(output, "\r\nx=00y\r\n"));
    facts.content = scan(header, sizeof header - 1);
    assert_int_equal(render(&facts, header, sizeof header - 1, 0), PP_ERR_UNSUPPORTED);
}

static void test_deep_nesting(void **state)
{
    static char content[4096];
    struct pp_writer w;

    (void)state;
    pp_writer_init(&w, content, sizeof content - 1);
    for (char b = 'a'; b < 'j'; b++) {
        pp_put_z(&w, "Content-Type: multipart/mixed; boundary=");
        pp_put_char(&w, b);
        pp_put_z(&w, "\r\n\r\n--");
        pp_put_char(&w, b);
        pp_put_z(&w, "\r\n");
    }
    pp_put_z(&w, "\r\n\xFC\r\n");
    content[w.len] = '\0';
    check_refused(content, "5.6.3");
}

/* ---- what was converted reads as what was given ---- */

static size_t decode_qp(const char *text, char *out)
{
    size_t n = 0;

    while (*text != '\0') {
        if (text[0] != '=') {
            out[n++] = *text++;
        } else if (text[1] == '\r') {
            text += 3;
        } else {
            const char *digits = "0123456789ABCDEF";

            out[n++] = (char)((strchr(digits, text[1]) - digits) * 16 +
                              (strchr(digits, text[2]) - digits));
            text += 3;
        }
    }
    return n;
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static size_t random_text(char *text, size_t cap, uint32_t *seed)
{
    size_t len = next_random(seed) % cap;
    uint32_t kind = next_random(seed) % 4;
    size_t n = 0;

    while (n + 2 < len) {
        uint32_t r = next_random(seed);

        if (r % 97 < (kind == 0 ? 0u : 4u)) {
            text[n++] = '\r';
            text[n++] = '\n';
        } else if (kind == 1) {
            text[n++] = (char)(r >> 8 & 0xFF);
            n -= text[n - 1] == '\r' || text[n - 1] == '\n';
        } else {
            text[n++] = " \t.=-ab\xC3"[r >> 8 & 7];
        }
    }
    return n;
}

static void test_random_alerts(void **state)
{
    static char text[20000];
    static char decoded[20000];

    (void)state;
    for (uint32_t seed = 1; seed < 400; seed++) {
        uint32_t random = seed;
        struct pp_render_facts facts = facts_for(true);
        size_t len = random_text(text, sizeof text, &random);

        facts.content = scan(text, len);
        assert_int_equal(render(&facts, text, len, next_random(&random) % 500), PP_OK);
        check_rules(true);
        const char *body = strstr(output, "\r\n\r\n") + 4;
        if (pp_render_plan_for(&facts) == PP_RENDER_CONVERT) {
            assert_int_equal(decode_qp(body, decoded), len);
            assert_memory_equal(decoded, text, len);
        } else {
            assert_int_equal(strlen(body), len);
            assert_memory_equal(body, text, len);
            assert_true(output_len <= pp_render_size_estimate(&facts, len));
        }
    }
}

/* Pieces of headers and MIME in any order: whatever it is, the rules hold. */
static void test_random_messages(void **state)
{
    static const char *const pieces[] = {"Subject: x\r\n",
                                         "Content-Type: multipart/mixed; boundary=a\r\n",
                                         "--a\r\n",
                                         "--a--\r\n",
                                         "\r\n",
                                         "Content-Type: text/plain\r\n",
                                         "Content-Transfer-Encoding: 8bit\r\n",
                                         "\xC3\xBC",
                                         "\xFF",
                                         " fold\r\n",
                                         "Content-Type: message/rfc822\r\n",
                                         "--",
                                         "=",
                                         "a",
                                         "Bcc: x@y\r\n",
                                         "From x\r\n",
                                         LONG_TEXT,
                                         "Content-Transfer-Encoding: base64\r\n",
                                         "Content-Transfer-Encoding: quoted-printable\r\n",
                                         "Content-Type: multipart/digest; boundary=\"b\"\r\n",
                                         "--b\r\n",
                                         ": x\r\n",
                                         "\r",
                                         "\n",
                                         "Subject: \xC3\xBC"};
    static char text[40000];
    unsigned rendered = 0;

    (void)state;
    for (uint32_t seed = 1; seed < 6000; seed++) {
        uint32_t random = seed;
        struct pp_render_facts facts = facts_for(false);
        size_t len = 0;

        for (uint32_t i = next_random(&random) % 30; i > 0; i--) {
            const char *piece = pieces[next_random(&random) % (sizeof pieces / sizeof pieces[0])];

            memcpy(text + len, piece, strlen(piece));
            len += strlen(piece);
        }
        facts.content = scan(text, len);
        facts.eight_bit_ok = next_random(&random) % 2 != 0;
        if (render(&facts, text, len, next_random(&random) % 40) == PP_OK) {
            bool convert = pp_render_plan_for(&facts) == PP_RENDER_CONVERT;

            rendered++;
            check_rules(convert || !pp_render_is_8bit(&facts));
            if (!convert) {
                assert_true(output_len <= pp_render_size_estimate(&facts, len) + len);
            }
        }
    }
    assert_true(rendered > 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alert),           cmocka_unit_test(test_empty_alert),
        cmocka_unit_test(test_utf8_alert),      cmocka_unit_test(test_as_is),
        cmocka_unit_test(test_missing_fields),  cmocka_unit_test(test_dropped_fields),
        cmocka_unit_test(test_8bit_labels),     cmocka_unit_test(test_bare_line_ends),
        cmocka_unit_test(test_convert_single),  cmocka_unit_test(test_convert_multipart),
        cmocka_unit_test(test_parts_cut_short), cmocka_unit_test(test_long_header),
        cmocka_unit_test(test_refused),         cmocka_unit_test(test_nul),
        cmocka_unit_test(test_deep_nesting),    cmocka_unit_test(test_random_alerts),
        cmocka_unit_test(test_random_messages),
    };

    return cmocka_run_group_tests_name("render", tests, NULL, NULL);
}
