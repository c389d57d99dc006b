/*
 * sees_tls.c - sees mbedTLS through a header of ours (expect: strangers)
 */
#include "wire/leaky.h"
