/*
 * fuzz_config.c - any lines as a configuration: refused with words or taken, never out of bounds
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_words(const struct pp_config_error *error)
{
    size_t len = strnlen(error->text, sizeof error->text);
    if (len == 0 || len == sizeof error->text)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pp_config config;
    struct pp_text rest = pp_text_n(data, size), section = pp_text_z("smarthost");
    pp_config_defaults(&config);
    while (rest.len > 0) {
        struct pp_config_error error = {0, ""};
        struct pp_text line = pp_text_cut(&rest, '\n');
        enum pp_err err;
        if (line.len > 0 && line.p[0] == '[') {
            section = pp_text_n(line.p + 1, line.len - 1);
            err = pp_config_section(&config, section, &error);
        } else {
            struct pp_text key = pp_text_trim(pp_text_cut(&line, '='));
            err = pp_config_set(&config, section, key, pp_text_trim(line), &error);
        }
        if (err != PP_OK)
            check_words(&error);
    }
    struct pp_config_error error = {0, ""};
    if (pp_config_finish(&config, &error) != PP_OK)
        check_words(&error);
    pp_config_wipe(&config);
    return 0;
}
