/*
 * good.h - a sample with nothing wrong
 */
#ifndef PP_BASE_GOOD_H
#define PP_BASE_GOOD_H

int pp_good(int value);

#endif
