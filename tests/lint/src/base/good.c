/*
 * good.c - a sample with nothing wrong
 */
#include "base/good.h"

#include <string.h>

int pp_good(int value)
{
    return memcmp(&value, &value, sizeof value);
}
