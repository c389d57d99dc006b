/*
 * dns_cache.c - answers that may be used again
 *
 * Job:      see dns_cache.h.
 */
#include "wire/dns_cache.h"

#include <string.h>

#include "base/bytes.h"
#include "base/text.h"
#include "wire/dns_name.h"

#define FLAGS_AT       2
#define FLAG_AUTHENTIC 0x0020u

void pp_dns_cache_clear(struct pp_dns_cache *cache)
{
    for (size_t i = 0; i < PP_DNS_CACHE; i++)
        cache->slots[i].until_ms = 0;
}

/* The name and the type that a kept message answers. */
static uint16_t question_of(const struct pp_dns_cached *slot, struct pp_dns_name *name)
{
    struct pp_dns_cursor c = {.bytes = slot->bytes, .len = slot->len, .at = PP_DNS_HEADER_BYTES};
    pp_dns_read_name(&c, name);
    return pp_be16_get(slot->bytes + c.at);
}

static void fold(uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)pp_ascii_lower((char)bytes[i]);
}

static struct pp_dns_cached *find(struct pp_dns_cache *cache, const struct pp_dns_name *wanted,
                                  uint16_t type)
{
    struct pp_dns_name name;
    for (size_t i = 0; i < PP_DNS_CACHE; i++) {
        struct pp_dns_cached *slot = &cache->slots[i];
        if (slot->until_ms != 0 && question_of(slot, &name) == type &&
            pp_dns_name_equal(&name, wanted))
            return slot;
    }
    return NULL;
}

static struct pp_dns_cached *first_to_end(struct pp_dns_cache *cache)
{
    struct pp_dns_cached *first = &cache->slots[0];
    for (size_t i = 1; i < PP_DNS_CACHE; i++) {
        if (cache->slots[i].until_ms < first->until_ms)
            first = &cache->slots[i];
    }
    return first;
}

void pp_dns_cache_put(struct pp_dns_cache *cache, const uint8_t *bytes, size_t len,
                      const struct pp_dns_answer *answer, bool trusted, pp_time_ms now_ms)
{
    struct pp_dns_cached probe = {.len = (uint16_t)len};
    struct pp_dns_name name;
    bool found = answer->count > 0 || answer->unusable > 0;
    uint32_t most_s = found ? PP_DNS_CACHE_TTL_S : PP_DNS_CACHE_NO_TTL_S;
    uint32_t ttl_s = answer->ttl_s < most_s ? answer->ttl_s : most_s;
    if (ttl_s == 0 || len > PP_DNS_CACHED_BYTES)
        return;
    memcpy(probe.bytes, bytes, len);
    uint16_t type = question_of(&probe, &name);
    if (memcmp(name.wire, bytes + PP_DNS_HEADER_BYTES, name.len) != 0)
        return; /* a question that points elsewhere */
    struct pp_dns_cached *slot = find(cache, &name, type);
    if (slot == NULL)
        slot = first_to_end(cache);
    *slot = probe;
    fold(slot->bytes + PP_DNS_HEADER_BYTES, name.len); /* each query has letters of another case */
    slot->until_ms = pp_time_add(now_ms, (uint64_t)ttl_s * 1000);
    if (!trusted) {
        uint16_t flags = pp_be16_get(bytes + FLAGS_AT);
        pp_be16_put(slot->bytes + FLAGS_AT, (uint16_t)(flags & ~FLAG_AUTHENTIC));
    }
}

enum pp_err pp_dns_cache_get(const struct pp_dns_cache *cache, const char *name_z,
                             enum pp_dns_type type, pp_time_ms now_ms, struct pp_dns_answer *answer)
{
    char folded[PP_DNS_HOST_CAP + 1] = "";
    size_t name_len = strlen(name_z);
    if (name_len < sizeof folded)
        memcpy(folded, name_z, name_len + 1);
    fold((uint8_t *)folded, strlen(folded));
    for (size_t i = 0; i < PP_DNS_CACHE; i++) {
        const struct pp_dns_cached *slot = &cache->slots[i];
        if (slot->until_ms == 0 || now_ms >= slot->until_ms)
            continue;
        enum pp_err err =
            pp_dns_response(slot->bytes, slot->len, pp_be16_get(slot->bytes), folded, type, answer);
        if (err != PP_OK && err != PP_ERR_NOT_FOUND)
            continue;
        answer->ttl_s = (uint32_t)((slot->until_ms - now_ms) / 1000);
        return err;
    }
    memset(answer, 0, sizeof *answer);
    return PP_ERR_EMPTY;
}

void pp_dns_cache_forget(struct pp_dns_cache *cache, const char *name_z)
{
    struct pp_dns_name wanted, name;
    if (pp_dns_name_from_text(&wanted, name_z) != PP_OK)
        return;
    for (size_t i = 0; i < PP_DNS_CACHE; i++) {
        struct pp_dns_cached *slot = &cache->slots[i];
        if (slot->until_ms != 0) {
            (void)question_of(slot, &name);
            if (pp_dns_name_equal(&name, &wanted))
                slot->until_ms = 0;
        }
    }
}
