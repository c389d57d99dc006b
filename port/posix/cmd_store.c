/*
 * cmd_store.c - `pinpost store`: look into a store's image
 *
 * Job:      options, the image, which form; what to say when it cannot be looked into.
 * Not here: the forms (store_text.c, store_json.c, store_svg.c).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "store_survey.h"

enum form { FORM_TEXT, FORM_JSON, FORM_SVG };

static const char usage[] =
    "usage: pinpost store [--json | --svg | --blocks] [FILE]\n"
    "\n"
    "Looks into a store and changes nothing: a queue file, a block device, or a dump of a\n"
    "flash chip; without FILE the store of the configuration. What is damaged is shown as that.\n"
    "\n"
    "  --json     all of it as JSON\n"
    "  --svg      a picture of the ring\n"
    "  --blocks   a line for each block, however many there are\n"
    "\n"
    "Exit status: 0; 64 the command line is wrong; 65 no store of this format is in it;\n"
    "66 it cannot be read.\n";

static int refuse(const struct pp_cmd_context *context, const char *path_z,
                  const struct pp_store_image *image)
{
    if (image->other_version != 0)
        pp_cmd_say(context,
                   "store: %s: format version %u; this pinpost knows version 2. Deliver "
                   "its mail with the pinpost that wrote it",
                   path_z, image->other_version);
    else
        pp_cmd_say(context, "store: %s: no pinpost store is in it, or it is new and empty", path_z);
    return EX_DATAERR;
}

static int look(const struct pp_cmd_context *context, const char *path_z, enum form form,
                bool all_blocks)
{
    struct pp_store_image image;
    struct pp_store_survey survey = {.path_z = path_z};
    enum pp_err err = pp_store_image_open(&image, path_z);
    if (err != PP_OK) {
        pp_cmd_say(context, "store: %s: %s", path_z,
                   err == PP_ERR_EMPTY ? "it is empty" : strerror(errno));
        return EX_NOINPUT;
    }
    if (!image.found) {
        int status = refuse(context, path_z, &image);
        pp_store_image_close(&image);
        return status;
    }
    err = pp_store_survey(&survey, &image);
    if (err != PP_OK)
        pp_cmd_say(context, "store: %s: %s", path_z, pp_err_text(err));
    else if (form == FORM_JSON)
        pp_store_print_json(&survey);
    else if (form == FORM_SVG)
        pp_store_print_svg(&survey);
    else
        pp_store_print_text(&survey, all_blocks);
    pp_store_survey_end(&survey);
    pp_store_image_close(&image);
    return err != PP_OK ? EX_DATAERR : fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

int pp_cmd_store(struct pp_cmd_context *context, int argc, char **argv)
{
    enum form form = FORM_TEXT;
    bool all_blocks = false;
    const char *path_z = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            (void)fputs(usage, stdout);
            return EX_OK;
        }
        if (strcmp(argv[i], "--json") == 0)
            form = FORM_JSON;
        else if (strcmp(argv[i], "--svg") == 0)
            form = FORM_SVG;
        else if (strcmp(argv[i], "--blocks") == 0)
            all_blocks = true;
        else if (argv[i][0] != '-' && path_z == NULL)
            path_z = argv[i];
        else {
            pp_cmd_say(context, "store: \"%.60s\"? `pinpost store --help`", argv[i]);
            return EX_USAGE;
        }
    }
    if (path_z == NULL) {
        int status = pp_cmd_load_client(context);
        if (status != EX_OK)
            return status;
        path_z = context->config.queue.path;
    }
    return look(context, path_z, form, all_blocks);
}
