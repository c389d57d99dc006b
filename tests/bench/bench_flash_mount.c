/*
 * bench_flash_mount.c - how long a mount takes, against the size of the log
 *
 * Job:      fill a file with small messages, with large ones, with garbage; mount it with its
 *           pages in memory and from the disk; count reads.
 *
 * The file is removed as soon as it is open: nothing is left behind, however this ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench_flash.h"
#include "mail.h"
#include "posix/flash_file.h"

#define MOUNTS        3u
#define MILLION       1000000u
#define GOAL_S        10.0
#define COLD_PERCENT  5u /* of the file may be left in memory */
#define BATCH         64u
#define RECORDS_BYTES 220u /* of a message beside its content, about */

/* A file that counts reads and leaves syncs out while it is filled. */
struct counted_file {
    struct pp_flash_file file;
    struct pp_flash inner;
    struct pp_flash flash;
    uint64_t size;
    uint64_t reads, read_bytes;
    bool no_sync;
};

static int file_read(void *ctx, uint64_t address, void *out, size_t len)
{
    struct counted_file *f = ctx;
    f->reads++;
    f->read_bytes += len;
    return f->inner.read(f->inner.ctx, address, out, len);
}

static int file_program(void *ctx, uint64_t address, const void *bytes, size_t len)
{
    struct counted_file *f = ctx;
    return f->inner.program(f->inner.ctx, address, bytes, len);
}

static int file_erase(void *ctx, uint32_t block)
{
    struct counted_file *f = ctx;
    return f->inner.erase(f->inner.ctx, block);
}

static int file_sync_begin(void *ctx)
{
    struct counted_file *f = ctx;
    return f->no_sync ? 1 : f->inner.sync_begin(f->inner.ctx);
}

static int file_sync_done(void *ctx)
{
    struct counted_file *f = ctx;
    return f->no_sync ? 1 : f->inner.sync_done(f->inner.ctx);
}

static void open_file(struct counted_file *f, const char *dir_z, uint64_t size)
{
    char path[4096];
    memset(f, 0, sizeof(*f));
    (void)snprintf(path, sizeof(path), "%s/mount.flash", dir_z);
    (void)unlink(path);
    if (pp_flash_file_open(&f->file, path, size, &f->inner) != 0)
        pp_bench_fail("%s: %s", path, strerror(errno));
    (void)unlink(path);
    f->size = size;
    f->flash = f->inner;
    f->flash.ctx = f;
    f->flash.read = file_read;
    f->flash.program = file_program;
    f->flash.erase = file_erase;
    f->flash.sync_begin = file_sync_begin;
    f->flash.sync_done = file_sync_done;
}

/* ---- what is in it ---- */

/* Messages that wait, until the flash is full or there are `most`. */
static void fill_waiting(struct pp_queue *q, uint32_t size, uint32_t most)
{
    uint32_t id;
    for (uint32_t i = 0; i < most && mail_add(q, size, &id) == PP_OK; i++) {
        if (i % BATCH == 0)
            mail_idle(q);
    }
    mail_idle(q);
}

/* One message that waits, and behind it delivered ones, as many as fit before cleaning begins. */
static void fill_garbage(struct pp_queue *q, uint32_t size, uint64_t bytes)
{
    uint32_t ids[BATCH];
    if (mail_add(q, size, &ids[0]) != PP_OK)
        pp_bench_fail("no room in a blank file");
    for (uint64_t done = 0; done < bytes;) {
        for (uint32_t i = 0; i < BATCH; i++) {
            if (mail_add(q, size, &ids[i]) != PP_OK)
                pp_bench_fail("no room for garbage");
        }
        mail_idle(q);
        for (uint32_t i = 0; i < BATCH; i++)
            mail_deliver(q, ids[i]);
        mail_idle(q);
        done += (uint64_t)BATCH * (size + RECORDS_BYTES);
    }
}

/* ---- mounts ---- */

/* Put the file's pages out of memory. False when too many of them stay. */
static bool make_cold(struct counted_file *f)
{
    static unsigned char pages[4 * BENCH_GIB / 4096];
    size_t count = (size_t)(f->size / 4096);
    size_t resident = 0;
    if (fdatasync(f->file.fd) != 0 || posix_fadvise(f->file.fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
        return false;
    void *map = mmap(NULL, f->size, PROT_READ, MAP_SHARED, f->file.fd, 0);
    if (map == MAP_FAILED)
        return false;
    bool known = count <= sizeof(pages) && mincore(map, f->size, pages) == 0;
    (void)munmap(map, f->size);
    for (size_t i = 0; known && i < count; i++)
        resident += pages[i] & 1u;
    return known && resident <= count * COLD_PERCENT / 100;
}

/* What a mount writes again is synced behind it, and its reads are not counted. */
static double mount(struct pp_queue *q, struct counted_file *f)
{
    f->reads = 0;
    f->read_bytes = 0;
    double began_s = pp_bench_now_s();
    mail_mount(q, &f->flash);
    double seconds = pp_bench_now_s() - began_s;
    uint64_t reads = f->reads;
    uint64_t read_bytes = f->read_bytes;
    mail_idle(q);
    f->reads = reads;
    f->read_bytes = read_bytes;
    return seconds;
}

static void check_mounted(const struct pp_queue *q, uint32_t messages)
{
    uint32_t damaged = q->ring.report.records_damaged;
    if (q->entry_count != messages || q->messages_damaged + q->messages_torn + damaged > 0)
        pp_bench_fail("a mount found %u messages of %u; %u damaged, %u torn; %u records damaged",
                      q->entry_count, messages, q->messages_damaged, q->messages_torn, damaged);
}

/* Prints a row; returns the seconds of a mount with all pages in memory. */
static double measure(struct pp_queue *q, struct counted_file *f, const char *content_z,
                      uint32_t size)
{
    uint32_t messages = q->entry_count;
    uint32_t blocks = q->ring.next_lap - q->ring.oldest_lap;
    double cold_s = -1;
    double warm_s = 0;
    f->no_sync = false;
    mail_idle(q);
    if (make_cold(f))
        cold_s = mount(q, f);
    for (unsigned i = 0; i < MOUNTS; i++) {
        double seconds = mount(q, f);
        warm_s = i == 0 || seconds < warm_s ? seconds : warm_s;
        check_mounted(q, messages);
    }
    printf("%8s %-8s %8s %9u %9.1f %10llu %9.1f %10.3f", pp_bench_size(f->size), content_z,
           pp_bench_size(size), messages, (double)blocks * f->flash.block_bytes / (double)BENCH_MIB,
           (unsigned long long)f->reads, (double)f->read_bytes / (double)BENCH_MIB, warm_s);
    if (cold_s >= 0)
        printf(" %10.3f\n", cold_s);
    else
        printf(" %10s\n", "-");
    fflush(stdout);
    return warm_s;
}

enum content { WAITING_SMALL, WAITING_LARGE, GARBAGE };

static double run(struct bench *b, uint64_t file_bytes, enum content content, uint32_t size)
{
    static struct counted_file f;
    static const char *const names_z[] = {"waiting", "waiting", "garbage"};
    double warm_s = 0;
    if (!pp_bench_has_room(b->dir_z, file_bytes))
        return warm_s;
    open_file(&f, b->dir_z, file_bytes);
    f.no_sync = true;
    mail_mount(b->q, &f.flash);
    if (content == GARBAGE)
        fill_garbage(b->q, size, file_bytes / 100 * 80);
    else
        fill_waiting(b->q, size, MILLION);
    warm_s = measure(b->q, &f, names_z[content], size);
    pp_flash_file_close(&f.file);
    return warm_s;
}

/* Small: the file is full of them, or of a million. */
static uint32_t small_for(uint64_t file_bytes)
{
    uint64_t share = file_bytes / 10 * 9 / MILLION;
    return share > 200 + RECORDS_BYTES ? (uint32_t)share - RECORDS_BYTES : 200;
}

void pp_bench_mount(struct bench *b)
{
    static const uint64_t sizes[] = {BENCH_MIB, 16 * BENCH_MIB, 256 * BENCH_MIB, BENCH_GIB,
                                     4 * BENCH_GIB};
    unsigned count = b->full ? 5 : 3;
    printf("MOUNT: seconds, with the file's pages in memory and from the disk; best of %u\n\n",
           MOUNTS);
    printf("%8s %-8s %8s %9s %9s %10s %9s %10s %10s\n", "file", "content", "of each", "messages",
           "log MiB", "reads", "read MiB", "in memory", "from disk");
    for (unsigned i = 0; i < count; i++) {
        (void)run(b, sizes[i], WAITING_SMALL, small_for(sizes[i]));
        (void)run(b, sizes[i], WAITING_LARGE, 65536);
        (void)run(b, sizes[i], GARBAGE, 2048);
    }
    double million_s = run(b, 4 * BENCH_GIB, WAITING_SMALL, 200);
    if (million_s > 0)
        pp_bench_goal(b, million_s <= GOAL_S, "a million messages within %.0f s: %.1f s", GOAL_S,
                      million_s);
}
