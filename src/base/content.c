/*
 * content.c - the words for a severity
 *
 * Job:      see content.h.
 */
#include "base/content.h"

#include <stddef.h>

static const char *const severity_names[] = {
    [PP_SEVERITY_INFO] = "info",
    [PP_SEVERITY_NOTICE] = "notice",
    [PP_SEVERITY_WARNING] = "warning",
    [PP_SEVERITY_CRITICAL] = "critical",
};

#define SEVERITY_COUNT (sizeof(severity_names) / sizeof(severity_names[0]))

const char *pp_severity_name(enum pp_severity severity)
{
    return (size_t)severity < SEVERITY_COUNT ? severity_names[severity] : "unknown";
}

enum pp_err pp_severity_from_text(struct pp_text text, enum pp_severity *severity)
{
    for (size_t i = 0; i < SEVERITY_COUNT; i++) {
        if (pp_text_equal_nocase(text, pp_text_z(severity_names[i]))) {
            *severity = (enum pp_severity)i;
            return PP_OK;
        }
    }
    return PP_ERR_SYNTAX;
}
