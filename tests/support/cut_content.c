/*
 * cut_content.c - the bytes of test messages
 *
 * Each message is a stretch of one long row of random bytes, so that comparing is one memcmp().
 */
#include "support/cut_content.h"

#include <stdio.h>

#define STARTS 65536u

const uint8_t *cut_content(uint32_t number, uint32_t at)
{
    static uint8_t row[STARTS + CUT_CONTENT_MAX];
    if (row[0] == 0) {
        uint32_t x = 1;
        for (size_t i = 0; i < sizeof(row); i++) {
            x = x * 1664525u + 1013904223u;
            row[i] = (uint8_t)(x >> 24);
        }
        row[0] = 1;
    }
    return row + number * 40503u % STARTS + at;
}

size_t cut_address(uint32_t number, uint32_t i, char *out)
{
    int len = snprintf(out, CUT_ADDRESS_MAX, "r%u.%u%s@example.org", number, i,
                       i % 7 == 3 ? "-somewhat-longer-than-the-others" : "");
    return (size_t)len;
}
