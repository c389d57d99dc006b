/*
 * verdict.h - a header for the samples to include
 */
#ifndef PP_DELIVERY_VERDICT_H
#define PP_DELIVERY_VERDICT_H

int pp_verdict(void);

#endif
