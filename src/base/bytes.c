/*
 * bytes.c - numbers in stored and sent bytes, and wiping
 *
 * Job:      little endian for flash, big endian for the network; byte by byte, so that
 *           neither alignment nor the processor's own order matters.
 */
#include "base/bytes.h"

#include <string.h>

void pp_le16_put(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

void pp_le32_put(uint8_t *p, uint32_t v)
{
    pp_le16_put(p, (uint16_t)v);
    pp_le16_put(p + 2, (uint16_t)(v >> 16));
}

void pp_le64_put(uint8_t *p, uint64_t v)
{
    pp_le32_put(p, (uint32_t)v);
    pp_le32_put(p + 4, (uint32_t)(v >> 32));
}

uint16_t pp_le16_get(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t pp_le32_get(const uint8_t *p)
{
    return pp_le16_get(p) | (uint32_t)pp_le16_get(p + 2) << 16;
}

uint64_t pp_le64_get(const uint8_t *p)
{
    return pp_le32_get(p) | (uint64_t)pp_le32_get(p + 4) << 32;
}

void pp_be16_put(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

uint16_t pp_be16_get(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

uint32_t pp_be32_get(const uint8_t *p)
{
    return (uint32_t)pp_be16_get(p) << 16 | pp_be16_get(p + 2);
}

void pp_wipe(void *p, size_t len)
{
    if (len == 0)
        return;
    memset(p, 0, len);
    /* The compiler must believe that somebody reads the zeros. */
    __asm__ volatile("" : : "r"(p) : "memory");
}

int pp_compare_constant_time(const void *a, const void *b, size_t len)
{
    const volatile uint8_t *x = a;
    const volatile uint8_t *y = b;
    uint8_t differ = 0;
    for (size_t i = 0; i < len; i++)
        differ = (uint8_t)(differ | (x[i] ^ y[i]));
    return differ;
}
