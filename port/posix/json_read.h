/*
 * json_read.h - members of one line of JSON
 *
 * Job:      take an object apart and look up its members by name.
 * Not here: writing JSON, the connection (control_client.h).
 * Follows:  RFC 8259
 */
#ifndef PP_POSIX_JSON_READ_H
#define PP_POSIX_JSON_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/text.h"

#define PP_JSON_TOKENS 128

/* One object of a line; a view into it. Nested values are found by their member, too. */
struct pp_json {
    struct pp_text line;
    unsigned count;
    struct pp_json_token {
        uint8_t type;
        uint16_t start, end, size;
    } tokens[PP_JSON_TOKENS];
};

/* PP_ERR_SYNTAX: not one object, or deeper and longer than expected. */
PP_MUST_USE enum pp_err pp_json_read(struct pp_json *json, struct pp_text line);
/* A string member of the object, unescaped into `out` (NUL-terminated, cut at cap - 1); "" when it
 * is not there. */
void pp_json_text(const struct pp_json *json, const char *name_z, char *out, size_t cap);
/* A number; `otherwise` when it is not there, null, or no whole number. */
uint64_t pp_json_u64(const struct pp_json *json, const char *name_z, uint64_t otherwise);
bool pp_json_true(const struct pp_json *json, const char *name_z);
bool pp_json_has(const struct pp_json *json, const char *name_z);
/* Element `index` of an array of strings; false behind the last. */
bool pp_json_element(const struct pp_json *json, const char *name_z, unsigned index, char *out,
                     size_t cap);
/* A member of a member that is an object. */
uint64_t pp_json_inner_u64(const struct pp_json *json, const char *outer_z, const char *name_z,
                           uint64_t otherwise);

#endif
