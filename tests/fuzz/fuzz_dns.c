/*
 * fuzz_dns.c - any bytes as an answer to a query, and what is remembered of it
 *
 * The first byte chooses the name and the type. Answers that are taken must hold to the contract,
 * and come out of the cache as they went in.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "wire/dns.h"
#include "wire/dns_cache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_MS 1000u

static const enum pp_dns_type types[] = {PP_DNS_A, PP_DNS_AAAA, PP_DNS_MX, PP_DNS_SRV, PP_DNS_TLSA};
static const char *const names[] = {"mail.example", "a", "x.y.z.", "_25._tcp.mail.example"};

static void expect(bool fact)
{
    if (!fact) {
        abort();
    }
}

/* What is written is read again as the same. */
static void check_address(const struct pp_address *address, enum pp_dns_type type)
{
    char text[64];
    struct pp_writer w;
    struct pp_address again;

    expect(address->family == (type == PP_DNS_A ? 4 : 6));
    pp_writer_init(&w, text, sizeof text);
    pp_put_address(&w, address, false);
    expect(!w.overflow && pp_address_parse(pp_writer_text(&w), &again) &&
           memcmp(again.ip, address->ip, sizeof again.ip) == 0);
}

/* Text that can stand in a log line and in another query. */
static void check_host(const char *host_z)
{
    expect(memchr(host_z, '\0', PP_DNS_HOST_CAP) != NULL);
    for (size_t i = 0; host_z[i] != '\0'; i++) {
        expect(pp_ascii_is_alpha(host_z[i]) || pp_ascii_is_digit(host_z[i]) || host_z[i] == '-' ||
               host_z[i] == '_' || host_z[i] == '.');
    }
}

static void check_services(const struct pp_dns_answer *answer, enum pp_dns_type type)
{
    expect(answer->count <= PP_DNS_SERVICES);
    for (uint32_t i = 0; i < answer->count; i++) {
        const struct pp_dns_service *service = &answer->services[i];

        check_host(service->host);
        expect(i == 0 || service[-1].priority <= service->priority);
        expect(type == PP_DNS_SRV || (service->weight == 0 && service->port == 0));
    }
}

static void check_tlsa(const struct pp_dns_answer *answer)
{
    expect(answer->count <= PP_TLSA_RECORDS);
    for (uint32_t i = 0; i < answer->count; i++) {
        const struct pp_tlsa_record *record = &answer->tlsa[i];

        expect((record->usage == 2 || record->usage == 3) && record->selector <= 1);
        expect((record->matching == 1 && record->len == 32) ||
               (record->matching == 2 && record->len == 64));
    }
}

static void check(const struct pp_dns_answer *answer, enum pp_err err, enum pp_dns_type type)
{
    if (err != PP_OK) {
        expect(answer->count == 0 && answer->unusable == 0);
        return;
    }
    check_host(answer->name);
    switch (type) {
    case PP_DNS_A:
    case PP_DNS_AAAA:
        expect(answer->count <= PP_DNS_ADDRESSES);
        for (uint32_t i = 0; i < answer->count; i++) {
            check_address(&answer->addresses[i], type);
        }
        break;
    case PP_DNS_MX:
    case PP_DNS_SRV:
        check_services(answer, type);
        break;
    case PP_DNS_TLSA:
        check_tlsa(answer);
        break;
    }
}

/* Kept, found again as it was, and never as the answer to another question. */
static void check_cache(const uint8_t *bytes, size_t len, const char *name, enum pp_dns_type type,
                        const struct pp_dns_answer *answer, enum pp_err err)
{
    static struct pp_dns_cache cache;
    struct pp_dns_answer again;

    pp_dns_cache_clear(&cache);
    pp_dns_cache_put(&cache, bytes, len, answer, false, NOW_MS);
    enum pp_err found = pp_dns_cache_get(&cache, name, type, NOW_MS, &again);
    if (found == PP_ERR_EMPTY) {
        expect(pp_dns_cache_get(&cache, "other.example", type, NOW_MS, &again) == PP_ERR_EMPTY);
        return;
    }
    expect(found == err && again.count == answer->count && again.unusable == answer->unusable &&
           !again.authentic && again.ttl_s <= PP_DNS_CACHE_TTL_S && answer->ttl_s > 0);
    check(&again, found, type);
    expect(pp_dns_cache_get(&cache, "other.example", type, NOW_MS, &again) == PP_ERR_EMPTY);
    expect(pp_dns_cache_get(&cache, name, type, NOW_MS + PP_DNS_CACHE_TTL_S * UINT64_C(1000),
                            &again) == PP_ERR_EMPTY);
    pp_dns_cache_forget(&cache, name);
    expect(pp_dns_cache_get(&cache, name, type, NOW_MS, &again) == PP_ERR_EMPTY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pp_dns_answer answer;
    struct pp_address address;

    if (size < 3) {
        return 0;
    }
    (void)pp_address_parse(pp_text_n(data, size), &address);
    const char *name = names[data[0] & 3];
    enum pp_dns_type type = types[(data[0] >> 2) % (sizeof types / sizeof types[0])];
    const uint8_t *bytes = data + 1;
    size_t len = size - 1;
    enum pp_err err = pp_dns_response(bytes, len, pp_be16_get(bytes), name, type, &answer);

    check(&answer, err, type);
    if (err == PP_OK || err == PP_ERR_NOT_FOUND) {
        check_cache(bytes, len, name, type, &answer, err);
    }
    return 0;
}
