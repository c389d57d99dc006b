/*
 * cc.h - what lwIP asks of the compiler and of us
 *
 * lwIP includes this as "arch/cc.h". Randomness is the relay's generator, never the clock;
 * a broken assumption inside lwIP is reported through one function of ours.
 */
#ifndef PP_ARCH_CC_H
#define PP_ARCH_CC_H

#include <stdint.h>

#define LWIP_NO_UNISTD_H 1

/* Both are defined by port/lwip. pp_lwip_failed() does not return. */
uint32_t pp_lwip_random(void);
void pp_lwip_failed(const char *what_z);

#define LWIP_RAND()                pp_lwip_random()
#define LWIP_PLATFORM_ASSERT(what) pp_lwip_failed(what)
#define LWIP_PLATFORM_DIAG(what)   ((void)0)

#endif
