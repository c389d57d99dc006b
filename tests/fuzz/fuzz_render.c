/*
 * fuzz_render.c - any bytes as a message or an alert
 *
 * Job:      whatever was handed in, what goes out keeps the rules: lines of 998 octets, CRLF
 *           only, no NUL, ASCII where the server takes nothing else.
 */
#include <stdlib.h>
#include <string.h>

#include "message/render.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct check {
    size_t column;
    bool cr, ascii;
};

static void check_output(struct check *c, struct pp_render *r)
{
    const uint8_t *p = pp_buf_head(&r->out);
    size_t len = pp_buf_len(&r->out);

    for (size_t i = 0; i < len; i++) {
        if (c->cr != (p[i] == '\n') || p[i] == 0 || (c->ascii && p[i] > 127)) {
            abort();
        }
        c->cr = p[i] == '\r';
        c->column = p[i] == '\n' || c->cr ? 0 : c->column + 1;
        if (c->column > 998) {
            abort();
        }
    }
    pp_buf_consume(&r->out, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pp_render r;
    struct pp_content_scan scan;
    struct pp_render_facts facts = {.from = {"a@b", 3}, .hostname = {"h", 1}};
    struct check check = {0};
    size_t fed = 0;

    if (size < 2) {
        return 0;
    }
    facts.alert = (data[0] & 1) != 0;
    facts.eight_bit_ok = (data[0] & 2) != 0;
    facts.subject = pp_text_n(data, facts.alert && size > 100 ? 100 : 0);
    size_t piece = (size_t)data[1] + 1;
    data += 2;
    size -= 2;
    pp_content_scan_init(&scan);
    pp_content_scan(&scan, data, size);
    facts.content = pp_content_scan_end(&scan);
    check.ascii = !pp_render_is_8bit(&facts);
    pp_render_init(&r, &facts);
    while (fed < size) {
        size_t n = size - fed < piece ? size - fed : piece;
        size_t taken = pp_render_feed(&r, data + fed, n);

        fed += taken;
        if (taken == 0 && pp_buf_len(&r.out) == 0) {
            abort();
        }
        check_output(&check, &r);
    }
    while (!pp_render_end(&r)) {
        check_output(&check, &r);
    }
    check_output(&check, &r);
    if ((r.error == PP_OK) == (r.error_z != NULL) || check.cr) {
        abort();
    }
    return 0;
}
