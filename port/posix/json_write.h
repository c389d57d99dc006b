/*
 * json_write.h - one object of JSON into a writer
 *
 * Job:      members with their commas, strings with their escapes.
 * Not here: taking JSON apart (json_read.h).
 * Follows:  RFC 8259
 *
 * A `key_z` of NULL puts an element of an array. Overflow is the writer's.
 */
#ifndef PP_POSIX_JSON_WRITE_H
#define PP_POSIX_JSON_WRITE_H

#include "pinpost.h"

/* `bracket` is '{' or '['. */
void pp_json_open(struct pp_writer *w, const char *key_z, char bracket);
void pp_json_close(struct pp_writer *w, char bracket); /* '}' or ']' */
/* Bytes that are not UTF-8 become \u0080 to \u00ff. At most `max` bytes are put, cut between
 * characters. */
void pp_json_put_text(struct pp_writer *w, const char *key_z, struct pp_text text, size_t max);
void pp_json_put_z(struct pp_writer *w, const char *key_z, const char *text_z);
void pp_json_put_u64(struct pp_writer *w, const char *key_z, uint64_t value);
void pp_json_put_bool(struct pp_writer *w, const char *key_z, bool value);
void pp_json_put_null(struct pp_writer *w, const char *key_z);
void pp_json_put_id(struct pp_writer *w, const char *key_z, uint32_t id); /* "0000002A" */

#endif
