/*
 * fuzz_address.c - any bytes as an address and as a list of them
 *
 * Job:      what is accepted can stand in a command: one line, no brackets, no control bytes.
 */
#include <stdlib.h>

#include "message/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void complete(struct pp_text text)
{
    char out[PP_ADDRESS_MAX];
    struct pp_writer w;

    pp_writer_init(&w, out, sizeof out);
    if (pp_address_complete(text, pp_text_z("example.org"), &w) != PP_OK) {
        return;
    }
    if (w.overflow || pp_address_check(pp_writer_text(&w)) != PP_OK) {
        abort();
    }
    for (size_t i = 0; i < w.len; i++) {
        if ((unsigned char)out[i] < 0x20 || out[i] == '<' || out[i] == '>') {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pp_text rest = pp_text_n(data, size);
    struct pp_text address;
    enum pp_err err;

    complete(rest);
    while ((err = pp_address_next(&rest, &address)) != PP_ERR_NOT_FOUND) {
        if (err == PP_OK) {
            complete(address);
        }
    }
    return rest.len == 0 ? 0 : (abort(), 0);
}
