/*
 * store_image.c - a store's image, opened to be looked into
 *
 * Job:      mmap, and the search for a block header.
 * Not here: the log itself (src/store).
 */
#include "store_image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "store/ring_format.h"

/* Blocks are not smaller. */
#define STEP_BYTES 512u

static int image_read(void *ctx, uint64_t address, void *out, size_t len)
{
    const struct pp_store_image *image = ctx;
    if (address > image->size || len > image->size - address)
        return PP_IO_FAILED;
    memcpy(out, image->bytes + address, len);
    return 0;
}

static int no_program(void *ctx, uint64_t address, const void *bytes, size_t len)
{
    (void)ctx;
    (void)address;
    (void)bytes;
    (void)len;
    return PP_IO_FAILED;
}

static int no_erase(void *ctx, uint32_t block)
{
    (void)ctx;
    (void)block;
    return PP_IO_FAILED;
}

static int no_sync(void *ctx)
{
    (void)ctx;
    return PP_IO_FAILED;
}

/* The geometry that a header at `at` tells; false when there is none, or not of that place. */
static bool take_geometry(struct pp_store_image *image, uint64_t at)
{
    const uint8_t *p = image->bytes + at;
    struct pp_ring_block block;
    if (memcmp(p, pp_ring_magic, PP_RING_MAGIC_BYTES) != 0 ||
        pp_le32_get(p + 32) != pp_crc32c(0, p, 32))
        return false;
    if (p[4] != PP_RING_VERSION) {
        image->other_version = p[4];
        return false;
    }
    struct pp_flash flash = {
        .ctx = image,
        .program_unit_bytes = pp_le16_get(p + 6),
        .page_bytes = pp_le32_get(p + 8),
        .block_bytes = pp_le32_get(p + 8),
        .block_count = pp_le32_get(p + 12),
        .erased_value = p[5],
        .read = image_read,
        .program = no_program,
        .erase = no_erase,
        .sync_begin = no_sync,
        .sync_done = no_sync,
    };
    if (flash.block_bytes == 0 || at % flash.block_bytes != 0 || flash.block_count == 0 ||
        pp_ring_block_decode(&flash, (uint32_t)(at / flash.block_bytes), p, &block) !=
            PP_RING_HEADER_GOOD)
        return false;
    image->flash = flash;
    return true;
}

static void find_geometry(struct pp_store_image *image)
{
    for (uint64_t at = 0; at + STEP_BYTES <= image->size && !image->found; at += STEP_BYTES)
        image->found = take_geometry(image, at);
}

static enum pp_err map(struct pp_store_image *image, int fd)
{
    off_t end = lseek(fd, 0, SEEK_END);
    if (end < 0)
        return PP_ERR_IO;
    if (end == 0)
        return PP_ERR_EMPTY;
    void *bytes = mmap(NULL, (size_t)end, PROT_READ, MAP_SHARED, fd, 0);
    if (bytes == MAP_FAILED)
        return PP_ERR_IO;
    image->bytes = image->mapping = bytes;
    image->size = (uint64_t)end;
    return PP_OK;
}

enum pp_err pp_store_image_open(struct pp_store_image *image, const char *path_z)
{
    memset(image, 0, sizeof(*image));
    int fd = open(path_z, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return PP_ERR_IO;
    /* Asked, not kept: no daemon that starts now is in its way. */
    if (flock(fd, LOCK_SH | LOCK_NB) < 0)
        image->in_use = errno == EWOULDBLOCK;
    else
        (void)flock(fd, LOCK_UN);
    enum pp_err err = map(image, fd);
    int kept = errno;
    (void)close(fd);
    errno = kept;
    if (err == PP_OK)
        find_geometry(image);
    return err;
}

void pp_store_image_close(struct pp_store_image *image)
{
    if (image->mapping != NULL)
        (void)munmap(image->mapping, (size_t)image->size);
    image->mapping = NULL;
    image->bytes = NULL;
}

void *pp_store_pages(size_t bytes)
{
    int fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    (void)close(fd);
    if (pages == MAP_FAILED)
        return NULL;
    return pages;
}
