/*
 * bytes.h - numbers in stored and sent bytes, and wiping
 *
 * Job:      little endian for flash (our format), big endian for the network (DNS).
 */
#ifndef PP_BASE_BYTES_H
#define PP_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>

void pp_le16_put(uint8_t *p, uint16_t v);
void pp_le32_put(uint8_t *p, uint32_t v);
void pp_le64_put(uint8_t *p, uint64_t v);
uint16_t pp_le16_get(const uint8_t *p);
uint32_t pp_le32_get(const uint8_t *p);
uint64_t pp_le64_get(const uint8_t *p);
void pp_be16_put(uint8_t *p, uint16_t v);
uint16_t pp_be16_get(const uint8_t *p);
uint32_t pp_be32_get(const uint8_t *p);
/* Overwrites with zeros; the compiler does not leave it out. */
void pp_wipe(void *p, size_t len);
/* 0 when equal; the time taken does not depend on where they differ. */
int pp_compare_constant_time(const void *a, const void *b, size_t len);

#endif
