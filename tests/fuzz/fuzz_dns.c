/*
 * fuzz_dns.c - any bytes as an answer to a query
 *
 * The first byte chooses the type and the name; answers that are taken must hold to the contract.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "wire/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"mail.example", "a", "x.y.z.", "192.0.2.1"};
    struct pp_dns_answer answer;
    struct pp_address address;
    char text[64];
    struct pp_writer w;
    if (size < 3)
        return 0;
    enum pp_dns_type type = data[0] & 1 ? PP_DNS_A : PP_DNS_AAAA;
    const char *name = names[data[0] >> 1 & 3];
    uint16_t id = pp_be16_get(data + 1);
    enum pp_err err = pp_dns_response(data + 1, size - 1, id, name, type, &answer);
    if (answer.count > PP_DNS_ADDRESSES || (err != PP_OK && answer.count != 0))
        abort();
    for (uint32_t i = 0; i < answer.count; i++) {
        if (answer.addresses[i].family != (type == PP_DNS_A ? 4 : 6))
            abort();
        /* What is written is read again as the same. */
        pp_writer_init(&w, text, sizeof text);
        pp_put_address(&w, &answer.addresses[i], false);
        if (w.overflow || !pp_address_parse(pp_writer_text(&w), &address) ||
            memcmp(address.ip, answer.addresses[i].ip, 16) != 0)
            abort();
    }
    (void)pp_address_parse(pp_text_n(data, size), &address);
    return 0;
}
