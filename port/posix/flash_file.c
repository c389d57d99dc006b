/*
 * flash_file.c - a flash in one file (or block device), flash rules enforced
 *
 * Job:      pread, pwrite, fallocate and fdatasync behind struct pp_flash.
 * Not here: what is stored in it (src/store/ring.h).
 */
#include "flash_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profile.h"

#define PIECE_BYTES       4096u
#define ERASED            0x00
#define SMALL_BLOCK_BYTES 4096u
#define LARGE_BLOCK_BYTES 65536u
#define LARGE_FROM_BYTES  (4u * 1024 * 1024)
#define HUGE_BLOCK_BYTES  262144u
#define HUGE_FROM_BYTES   (1024u * 1024 * 1024)
#define BLOCK_UNITS_MIN   8u
#define PATH_BYTES        4096u

/* ---- operations ---- */

static int read_all(int fd, uint64_t address, void *out, size_t len)
{
    uint8_t *to = out;
    while (len > 0) {
        ssize_t n = pread(fd, to, len, (off_t)address);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return PP_IO_FAILED;
        to += n;
        address += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

static int write_all(int fd, uint64_t address, const void *bytes, size_t len)
{
    const uint8_t *from = bytes;
    while (len > 0) {
        ssize_t n = pwrite(fd, from, len, (off_t)address);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return PP_IO_FAILED;
        from += n;
        address += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

static int flash_read(void *ctx, uint64_t address, void *out, size_t len)
{
    const struct pp_flash_file *f = ctx;
    return read_all(f->fd, address, out, len);
}

static int broken_rule(const char *rule_z, uint64_t address)
{
    (void)fprintf(stderr, "flash_file: %s at %llu\n", rule_z, (unsigned long long)address);
    return PP_IO_FAILED;
}

/* For tests: is the medium erased where a program goes? */
static int check_erased(const struct pp_flash_file *f, uint64_t address, size_t len)
{
    uint8_t before[PIECE_BYTES];
    for (size_t done = 0; done < len; done += sizeof(before)) {
        size_t take = len - done < sizeof(before) ? len - done : sizeof(before);
        if (read_all(f->fd, address + done, before, take) < 0)
            return PP_IO_FAILED;
        for (size_t i = 0; i < take; i++) {
            if (before[i] != ERASED)
                return broken_rule("a program hits bytes that are not erased", address + done + i);
        }
    }
    return 0;
}

static int flash_program(void *ctx, uint64_t address, const void *bytes, size_t len)
{
    const struct pp_flash_file *f = ctx;
    if (len == 0 || len > f->block_bytes - address % f->block_bytes)
        return broken_rule("a program crosses a page", address);
    if (address % f->unit_bytes != 0 || len % f->unit_bytes != 0)
        return broken_rule("a program is not of whole sectors", address);
    if (f->checked && check_erased(f, address, len) < 0)
        return PP_IO_FAILED;
    return write_all(f->fd, address, bytes, len);
}

static int write_zeros(int fd, uint64_t address, uint32_t len)
{
    static const uint8_t zeros[PIECE_BYTES];
    for (uint32_t done = 0; done < len; done += PIECE_BYTES) {
        if (write_all(fd, address + done, zeros, PIECE_BYTES) < 0)
            return PP_IO_FAILED;
    }
    return 0;
}

static int flash_erase(void *ctx, uint32_t block)
{
    struct pp_flash_file *f = ctx;
    uint64_t address = (uint64_t)block * f->block_bytes;
    if (f->zero_range) {
        if (fallocate(f->fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, (off_t)address,
                      (off_t)f->block_bytes) == 0)
            return 0;
        f->zero_range = false;
    }
    return write_zeros(f->fd, address, f->block_bytes);
}

static int flash_sync_begin(void *ctx)
{
    struct pp_flash_file *f = ctx;
    /* After a failure Linux takes the pages for clean: a second call would lie. */
    if (f->sync_failed || fdatasync(f->fd) < 0) {
        f->sync_failed = true;
        return PP_IO_FAILED;
    }
    return 1;
}

static int flash_sync_done(void *ctx)
{
    const struct pp_flash_file *f = ctx;
    return f->sync_failed ? PP_IO_FAILED : 1;
}

/* ---- opening ---- */

static uint32_t block_bytes_for(uint64_t size_bytes, uint32_t unit_bytes)
{
    if (size_bytes < LARGE_FROM_BYTES)
        return unit_bytes * BLOCK_UNITS_MIN > SMALL_BLOCK_BYTES ? LARGE_BLOCK_BYTES
                                                                : SMALL_BLOCK_BYTES;
    return size_bytes < HUGE_FROM_BYTES ? LARGE_BLOCK_BYTES : HUGE_BLOCK_BYTES;
}

static int lock(int fd)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    return errno == EWOULDBLOCK ? PP_IO_BUSY : PP_IO_FAILED;
}

static int sync_directory(const char *path_z)
{
    char dir[PATH_BYTES];
    const char *slash = strrchr(path_z, '/');
    size_t len = slash == NULL ? 0 : slash == path_z ? 1 : (size_t)(slash - path_z);
    memcpy(dir, path_z, len);
    if (len == 0)
        dir[len++] = '.';
    dir[len] = '\0';
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return PP_IO_FAILED;
    int result = fsync(fd) == 0 ? 0 : PP_IO_FAILED;
    (void)close(fd);
    return result;
}

/* A file system that cannot allocate ahead gets a file with holes. */
static int allocate(int fd, uint64_t size_bytes)
{
    if (ftruncate(fd, 0) < 0)
        return PP_IO_FAILED;
    if (fallocate(fd, 0, 0, (off_t)size_bytes) == 0)
        return 0;
    if (errno != EOPNOTSUPP && errno != ENOSYS)
        return PP_IO_FAILED;
    return ftruncate(fd, (off_t)size_bytes) == 0 ? 0 : PP_IO_FAILED;
}

/* Give a complete file its name; a name that exists is not replaced where links are known. */
static int give_name(const char *new_z, const char *path_z)
{
    if (link(new_z, path_z) == 0)
        return unlink(new_z) == 0 ? 0 : PP_IO_FAILED;
    if (errno == EEXIST)
        return PP_IO_BUSY;
    /* FAT has no links. */
    if (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS)
        return rename(new_z, path_z) == 0 ? 0 : PP_IO_FAILED;
    return PP_IO_FAILED;
}

static int create(const char *path_z, uint64_t size_bytes, int *fd)
{
    char new_z[PATH_BYTES];
    uint64_t block = block_bytes_for(size_bytes, 1);
    if (strlen(path_z) + sizeof(".new") > sizeof(new_z) || size_bytes < PP_FLASH_FILE_BYTES_MIN) {
        errno = EINVAL;
        return PP_IO_FAILED;
    }
    (void)snprintf(new_z, sizeof(new_z), "%s.new", path_z);
    *fd = open(new_z, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (*fd < 0)
        return PP_IO_FAILED;
    int result = lock(*fd);
    if (result != 0)
        return result;
    result = allocate(*fd, (size_bytes + block - 1) / block * block);
    if (result == 0 && fsync(*fd) < 0)
        result = PP_IO_FAILED;
    if (result == 0)
        result = give_name(new_z, path_z);
    if (result == 0)
        return sync_directory(path_z);
    int kept = errno;
    (void)unlink(new_z);
    errno = kept;
    return result;
}

static int open_existing(const char *path_z, int *fd)
{
    *fd = open(path_z, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return PP_IO_FAILED;
    return lock(*fd);
}

/* A device is written in whole sectors: none that was synced is written again, so that a power
 * cut cannot take it along. */
static int measure_unit(int fd, const struct stat *st, uint32_t *unit_bytes)
{
    int sector = 1;
    if (S_ISBLK(st->st_mode) && ioctl(fd, BLKSSZGET, &sector) < 0)
        return PP_IO_FAILED;
    if (sector < 1 || (uint32_t)sector > PP_STORE_UNIT_MAX) {
        errno = EINVAL;
        return PP_IO_FAILED;
    }
    *unit_bytes = (uint32_t)sector;
    return 0;
}

/*
 * What the file holds is what the disk holds. When a sync fails Linux takes the pages for clean:
 * they read as if they had been written, to the next process too, and a sync then succeeds. So
 * what is clean is forgotten and comes from the disk again.
 */
static int read_from_disk(int fd)
{
    if (fdatasync(fd) < 0)
        return PP_IO_FAILED;
    int error = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    if (error != 0)
        errno = error;
    return error == 0 ? 0 : PP_IO_FAILED;
}

/* Look at what was opened: its size and sectors, and that all of it is durable. */
static int measure(struct pp_flash_file *f, uint64_t *size_bytes)
{
    struct stat st;
    if (fstat(f->fd, &st) < 0)
        return PP_IO_FAILED;
    off_t end = lseek(f->fd, 0, SEEK_END);
    *size_bytes = end > 0 ? (uint64_t)end : 0;
    if ((!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) || *size_bytes < PP_FLASH_FILE_BYTES_MIN) {
        errno = EINVAL;
        return PP_IO_FAILED;
    }
    if (measure_unit(f->fd, &st, &f->unit_bytes) != 0)
        return PP_IO_FAILED;
    f->block_bytes = block_bytes_for(*size_bytes, f->unit_bytes);
    if (*size_bytes / f->block_bytes > UINT32_MAX) {
        errno = EFBIG;
        return PP_IO_FAILED;
    }
    return read_from_disk(f->fd);
}

int pp_flash_file_open(struct pp_flash_file *f, const char *path_z, uint64_t size_bytes,
                       struct pp_flash *out)
{
    *f = (struct pp_flash_file){.fd = -1, .zero_range = true};
    int result = open_existing(path_z, &f->fd);
    if (f->fd < 0 && errno == ENOENT)
        result = create(path_z, size_bytes, &f->fd);
    if (result == 0)
        result = measure(f, &size_bytes);
    if (result != 0) {
        int kept = errno;
        pp_flash_file_close(f);
        errno = kept;
        return result;
    }
    *out = (struct pp_flash){
        .ctx = f,
        .program_unit_bytes = f->unit_bytes,
        .page_bytes = f->block_bytes,
        .block_bytes = f->block_bytes,
        .block_count = (uint32_t)(size_bytes / f->block_bytes),
        .erased_value = ERASED,
        .read = flash_read,
        .program = flash_program,
        .erase = flash_erase,
        .sync_begin = flash_sync_begin,
        .sync_done = flash_sync_done,
    };
    return 0;
}

void pp_flash_file_close(struct pp_flash_file *f)
{
    if (f->fd >= 0)
        (void)close(f->fd);
    f->fd = -1;
}
