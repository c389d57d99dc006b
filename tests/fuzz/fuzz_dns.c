/*
 * fuzz_dns.c - any bytes as an answer to a query
 *
 * The first byte chooses the type and the name; answers that are taken must hold to the contract.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "wire/dns.h"
#include "wire/dns_cache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_services(const struct pp_dns_answer *answer, enum pp_dns_type type)
{
    for (uint32_t i = 0; i < answer->count && type == PP_DNS_TLSA; i++) {
        if (answer->tlsa[i].len != (answer->tlsa[i].matching == 1 ? 32 : 64))
            abort();
    }
    for (uint32_t i = 1; i < answer->count && (type == PP_DNS_MX || type == PP_DNS_SRV); i++) {
        if (answer->services[i].priority < answer->services[i - 1].priority ||
            strlen(answer->services[i].host) >= PP_DNS_HOST_CAP)
            abort();
    }
}

/* What is remembered says the same. */
static void remember(const uint8_t *bytes, size_t len, const char *name, enum pp_dns_type type,
                     const struct pp_dns_answer *answer, enum pp_err err)
{
    static struct pp_dns_cache cache;
    struct pp_dns_answer again;
    if (err != PP_OK && err != PP_ERR_NOT_FOUND)
        return;
    pp_dns_cache_clear(&cache);
    pp_dns_cache_put(&cache, bytes, len, answer, true, 1000);
    enum pp_err got = pp_dns_cache_get(&cache, name, type, 1000, &again);
    if (got != PP_ERR_EMPTY &&
        (got != err || again.count != answer->count || again.authentic != answer->authentic))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"mail.example", "a", "x.y.z.", "192.0.2.1"};
    struct pp_dns_answer answer;
    struct pp_address address;
    char text[64];
    struct pp_writer w;
    if (size < 3)
        return 0;
    static const enum pp_dns_type types[] = {PP_DNS_A,    PP_DNS_AAAA, PP_DNS_MX,   PP_DNS_SRV,
                                             PP_DNS_TLSA, PP_DNS_A,    PP_DNS_AAAA, PP_DNS_MX};
    enum pp_dns_type type = types[data[0] & 7];
    const char *name = names[data[0] >> 3 & 3];
    uint16_t id = pp_be16_get(data + 1);
    enum pp_err err = pp_dns_response(data + 1, size - 1, id, name, type, &answer);
    uint32_t most = type == PP_DNS_TLSA                       ? PP_TLSA_RECORDS
                    : type == PP_DNS_MX || type == PP_DNS_SRV ? PP_DNS_SERVICES
                                                              : PP_DNS_ADDRESSES;
    if (answer.count > most || (err != PP_OK && answer.count != 0))
        abort();
    check_services(&answer, type);
    remember(data + 1, size - 1, name, type, &answer, err);
    if (type != PP_DNS_A && type != PP_DNS_AAAA)
        return 0;
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
