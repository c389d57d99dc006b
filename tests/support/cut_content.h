/*
 * cut_content.h - the bytes of test messages
 *
 * Job:      content and addresses that follow from a message's number, no two messages alike.
 */
#ifndef PP_TEST_CUT_CONTENT_H
#define PP_TEST_CUT_CONTENT_H

#include <stddef.h>
#include <stdint.h>

#define CUT_SENDER      "sender@example.org"
#define CUT_ADDRESS_MAX 64
/* Largest content of a message. */
#define CUT_CONTENT_MAX (1u << 20)

/* Content from `at` on; valid up to CUT_CONTENT_MAX. */
const uint8_t *cut_content(uint32_t number, uint32_t at);
/* Recipient i into `out`, CUT_ADDRESS_MAX bytes; returns its length. */
size_t cut_address(uint32_t number, uint32_t i, char *out);

#endif
