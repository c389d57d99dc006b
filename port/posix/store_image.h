/*
 * store_image.h - a store's image, opened to be looked into
 *
 * Job:      map a queue file, a block device or a dump of a chip; find the geometry in it; offer it
 *           as a flash that cannot be written.
 * Not here: what is in it (store_survey.h).
 */
#ifndef PP_POSIX_STORE_IMAGE_H
#define PP_POSIX_STORE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "port.h"

struct pp_store_image {
    const uint8_t *bytes; /* mapped */
    uint64_t size;
    void *mapping;         /* the same, to be given back */
    bool in_use;           /* a daemon has it open: what is seen may change under the eyes */
    bool found;            /* there is a header of this format, and `flash` is filled in */
    uint8_t other_version; /* there are only headers of this version; 0: none */
    struct pp_flash flash; /* of the log; its page is not known and is as large as a block */
};

/*
 * Open `path_z` for reading. PP_ERR_IO (errno says why), PP_ERR_EMPTY (no bytes). A sound image
 * without any header of ours opens well: see `found`.
 */
PP_MUST_USE enum pp_err pp_store_image_open(struct pp_store_image *image, const char *path_z);
void pp_store_image_close(struct pp_store_image *image);

/* Zeroed pages of our own, for what is as large as the image wants it; NULL when there are none. */
void *pp_store_pages(size_t bytes);

#endif
