/*
 * asks_os.c - a portable room that prints (expect: portable) (expect: libc)
 */
#include <stdio.h>

void pp_asks_os(int value)
{
    printf("%d\n", value);
}
