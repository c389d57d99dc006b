/*
 * leaky.h - a header that shows mbedTLS to others (expect: strangers)
 */
#ifndef PP_WIRE_LEAKY_H
#define PP_WIRE_LEAKY_H

#include <mbedtls/ssl.h>

#endif
