/*
 * dns_record.c - the data of a DNS record
 *
 * Job:      see dns_record.h.
 * Follows:  RFC 1035 3.3.9 (MX), RFC 2782 (SRV), RFC 6698 2.1 and RFC 7672 2.1.3, 3.1 (TLSA)
 */
#include "wire/dns_record.h"

#include <string.h>

#include "base/bytes.h"

static size_t left(const struct pp_dns_cursor *data)
{
    return data->len - data->at;
}

static bool is_unspecified(const uint8_t *ip, size_t len)
{
    uint8_t all = 0;
    for (size_t i = 0; i < len; i++)
        all |= ip[i];
    return all == 0;
}

static enum pp_err add_address(struct pp_dns_answer *answer, const struct pp_dns_cursor *data,
                               uint8_t family)
{
    const uint8_t *ip = data->bytes + data->at;
    size_t len = family == 4 ? 4 : 16;
    if (left(data) != len)
        return PP_ERR_SYNTAX;
    /* 0.0.0.0 and :: are how blocking resolvers say no; connecting would reach ourselves. */
    if (is_unspecified(ip, len) || answer->count >= PP_DNS_ADDRESSES)
        return PP_OK;
    struct pp_address *address = &answer->addresses[answer->count++];
    memset(address, 0, sizeof *address);
    address->family = family;
    memcpy(address->ip, ip, len);
    return PP_OK;
}

/* The best ones are kept: lower priority first. Those of the same priority stay as they came. */
static void insert_service(struct pp_dns_answer *answer, const struct pp_dns_service *service)
{
    uint32_t at = answer->count;
    while (at > 0 && answer->services[at - 1].priority > service->priority)
        at--;
    if (at >= PP_DNS_SERVICES)
        return;
    if (answer->count < PP_DNS_SERVICES)
        answer->count++;
    for (uint32_t i = answer->count - 1; i > at; i--)
        answer->services[i] = answer->services[i - 1];
    answer->services[at] = *service;
}

static enum pp_err add_service(struct pp_dns_answer *answer, struct pp_dns_cursor *data, bool srv)
{
    struct pp_dns_service service = {0};
    struct pp_dns_name host;
    const uint8_t *p = data->bytes + data->at;
    size_t head = srv ? 6 : 2;
    if (left(data) < head + 1)
        return PP_ERR_SYNTAX;
    service.priority = pp_be16_get(p);
    if (srv) {
        service.weight = pp_be16_get(p + 2);
        service.port = pp_be16_get(p + 4);
    }
    data->at += head;
    pp_dns_read_name(data, &host);
    if (data->failed || left(data) != 0)
        return PP_ERR_SYNTAX;
    /* What cannot be the name of a host is left out; the others may do. */
    if (pp_dns_name_to_text(&host, service.host, sizeof service.host) == PP_OK)
        insert_service(answer, &service);
    else
        answer->unusable++;
    return PP_OK;
}

static enum pp_err add_tlsa(struct pp_dns_answer *answer, const struct pp_dns_cursor *data)
{
    const uint8_t *p = data->bytes + data->at;
    if (left(data) < 4)
        return PP_ERR_SYNTAX;
    size_t len = left(data) - 3;
    size_t digest = p[2] == 1 ? 32 : p[2] == 2 ? 64 : 0;
    bool usable = (p[0] == 2 || p[0] == 3) && p[1] <= 1 && digest != 0 && len == digest;
    if (!usable || answer->count >= PP_TLSA_RECORDS) {
        answer->unusable++;
        return PP_OK;
    }
    struct pp_tlsa_record *record = &answer->tlsa[answer->count++];
    memset(record, 0, sizeof *record);
    record->usage = p[0];
    record->selector = p[1];
    record->matching = p[2];
    record->len = (uint8_t)len;
    memcpy(record->data, p + 3, len);
    return PP_OK;
}

enum pp_err pp_dns_add_record(struct pp_dns_answer *answer, enum pp_dns_type type,
                              struct pp_dns_cursor *data)
{
    switch (type) {
    case PP_DNS_A:
        return add_address(answer, data, 4);
    case PP_DNS_AAAA:
        return add_address(answer, data, 6);
    case PP_DNS_MX:
        return add_service(answer, data, false);
    case PP_DNS_SRV:
        return add_service(answer, data, true);
    case PP_DNS_TLSA:
        return add_tlsa(answer, data);
    }
    return PP_ERR_STATE;
}
