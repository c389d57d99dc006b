/*
 * cmd.c - what the commands of the pinpost program share
 *
 * Job:      load the configuration as a command needs it, say things to stderr.
 * Not here: the commands (cmd_NAME.c), choosing one (main.c).
 */
#include "cmd.h"

#include <stdarg.h>
#include <stdio.h>

#include "config_file.h"

static void print_problem(void *ctx, const char *words_z)
{
    const struct pp_cmd_context *context = ctx;
    fprintf(stderr, "%s: %s\n", context->program_z, words_z);
}

static int status_of(enum pp_err err)
{
    switch (err) {
    case PP_OK:
        return EX_OK;
    case PP_ERR_NOT_FOUND:
        return EX_NOINPUT;
    case PP_ERR_DENIED:
        return EX_NOPERM;
    default:
        return EX_CONFIG;
    }
}

int pp_cmd_load(struct pp_cmd_context *context)
{
    const struct pp_config_report report = {.problem = print_problem, .ctx = context};
    return status_of(pp_config_file_load(context->config_path_z, &context->config, &report));
}

int pp_cmd_load_client(struct pp_cmd_context *context)
{
    enum pp_err err = pp_config_file_load_client(context->config_path_z, &context->config);
    if (err == PP_OK || !context->config_path_given)
        return EX_OK;
    pp_cmd_say(context, "%s: %s", context->config_path_z,
               err == PP_ERR_NOT_FOUND ? "no such file"
               : err == PP_ERR_DENIED  ? "it may not be read by this user"
                                       : "reading failed");
    return err == PP_ERR_NOT_FOUND ? EX_NOINPUT : EX_NOPERM;
}

void pp_cmd_say(const struct pp_cmd_context *context, const char *format_z, ...)
{
    va_list args;
    fprintf(stderr, "%s: ", context->program_z);
    va_start(args, format_z);
    vfprintf(stderr, format_z, args);
    va_end(args);
    fputc('\n', stderr);
}
