/*
 * dns_message.h - DNS answers put together for tests
 */
#ifndef TESTS_DNS_MESSAGE_H
#define TESTS_DNS_MESSAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/crypto.h"
#include "wire/dns.h"
#include "wire/dns_lookup.h"

struct message {
    uint8_t bytes[4096];
    size_t len;
};

static inline void put(struct message *m, const void *bytes, size_t len)
{
    memcpy(m->bytes + m->len, bytes, len);
    m->len += len;
}

static inline void put_16(struct message *m, unsigned v)
{
    uint8_t b[2] = {(uint8_t)(v >> 8), (uint8_t)v};
    put(m, b, 2);
}

/* "a.b" as labels; "@12" is a pointer to byte 12. */
static inline void put_name(struct message *m, const char *name)
{
    if (name[0] == '@') {
        unsigned at = 0;
        for (name++; *name != '\0'; name++)
            at = at * 10 + (unsigned)(*name - '0');
        put_16(m, 0xc000u | at);
        return;
    }
    while (*name != '\0') {
        size_t len = strcspn(name, ".");
        uint8_t head = (uint8_t)len;
        put(m, &head, 1);
        put(m, name, len);
        name += len + (name[len] == '.');
    }
    put(m, "", 1);
}

static inline void begin_answer(struct message *m, unsigned id, unsigned flags, const char *name,
                                unsigned type, unsigned answers)
{
    m->len = 0;
    put_16(m, id);
    put_16(m, 0x8180u | flags);
    put_16(m, 1);
    put_16(m, answers);
    put_16(m, 0);
    put_16(m, 0);
    put_name(m, name);
    put_16(m, type);
    put_16(m, 1);
}

static inline void put_record_for(struct message *m, const char *owner, unsigned type,
                                  unsigned ttl_s, const void *data, size_t len)
{
    put_name(m, owner);
    put_16(m, type);
    put_16(m, 1);
    put_16(m, ttl_s >> 16);
    put_16(m, ttl_s & 0xffff);
    put_16(m, (unsigned)len);
    put(m, data, len);
}

static inline void put_record(struct message *m, const char *owner, unsigned type, const void *data,
                              size_t len)
{
    put_record_for(m, owner, type, 300, data, len);
}

/* Of MX: `weight` and `port` are left out where they are negative. */
static inline void put_service(struct message *m, unsigned type, unsigned priority, int weight,
                               int port, const char *host)
{
    struct message data = {.len = 0};
    put_16(&data, priority);
    if (weight >= 0)
        put_16(&data, (unsigned)weight);
    if (port >= 0)
        put_16(&data, (unsigned)port);
    put_name(&data, host);
    put_record(m, "@12", type, data.bytes, data.len);
}

/* The end of an answer that says no for `minimum_s`: it stands in the authority section. */
static inline void put_soa(struct message *m, const char *zone, unsigned minimum_s)
{
    struct message data = {.len = 0};
    put_name(&data, "ns.example");
    put_name(&data, "root.example");
    for (int i = 0; i < 8; i++)
        put_16(&data, 0);
    put_16(&data, minimum_s >> 16);
    put_16(&data, minimum_s & 0xffff);
    put_record_for(m, zone, 6, 3600, data.bytes, data.len);
    m->bytes[9]++;
}

static inline void put_alias(struct message *m, const char *owner, const char *target)
{
    struct message name = {.len = 0};
    put_name(&name, target);
    put_record(m, owner, 5, name.bytes, name.len);
}

static const uint8_t ip4[4] = {192, 0, 2, 1}, ip4b[4] = {192, 0, 2, 2};
static const uint8_t ip6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};

#endif
