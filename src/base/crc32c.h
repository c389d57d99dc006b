/*
 * crc32c.h - CRC-32C (Castagnoli), as in RFC 3720 B.4
 *
 * Job:      the checksum of everything that lies in flash.
 */
#ifndef PP_BASE_CRC32C_H
#define PP_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Start with crc = 0 and pass the result on: crc(b, crc(a, 0)) is the crc of a then b. */
uint32_t pp_crc32c(uint32_t crc, const void *bytes, size_t len);

#endif
