/*
 * calls_up.c - a room that calls up (expect: rooms)
 */
#include "delivery/verdict.h"

int pp_calls_up(void)
{
    return pp_verdict();
}
