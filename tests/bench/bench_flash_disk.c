/*
 * bench_flash_disk.c - against one file a message, on the same disk
 *
 * Job:      take messages in, each durable before the next (or 16 at once), in our way and in that
 *           of a maildir: write below tmp/, fsync, rename into new/, fsync new/. Rounds
 *           alternate. What is compared is taking in; cleaning up goes on between the rounds.
 *
 * 16 at once: we sync once for all of them; the maildir has 16 threads, each for its own
 * message, so that the file system can put their journal commits together.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "bench_flash.h"
#include "mail.h"
#include "posix/flash_file.h"

#define ROUNDS     7u
#define AT_ONCE    16u
#define FILE_BYTES (64 * BENCH_MIB)
#define PATH       4096

struct side {
    double rates[ROUNDS];  /* messages a second */
    double own[ROUNDS];    /* bytes that we were charged for, a message */
    double device[ROUNDS]; /* bytes that the device wrote meanwhile, a message */
};

struct written {
    uint64_t own;
    uint64_t device;
};

/* ---- what was written ---- */

static uint64_t own_bytes(void)
{
    FILE *io = fopen("/proc/self/io", "r");
    char line[128];
    unsigned long long bytes = 0;
    while (io != NULL && fgets(line, sizeof(line), io) != NULL) {
        if (sscanf(line, "write_bytes: %llu", &bytes) == 1)
            break;
    }
    if (io != NULL)
        (void)fclose(io);
    return bytes;
}

static uint64_t device_bytes(const char *dir_z)
{
    char path[128];
    struct stat st;
    unsigned long long sectors = 0;
    if (stat(dir_z, &st) != 0)
        return 0;
    (void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/stat", major(st.st_dev),
                   minor(st.st_dev));
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*u %*u %*u %*u %*u %*u %llu", &sectors) != 1)
        sectors = 0;
    (void)fclose(file);
    return sectors * 512;
}

static struct written written(const char *dir_z)
{
    return (struct written){own_bytes(), device_bytes(dir_z)};
}

static void note(struct side *side, unsigned round, const char *dir_z, unsigned messages,
                 double seconds, struct written before)
{
    struct written now = written(dir_z);
    side->rates[round] = messages / seconds;
    side->own[round] = (double)(now.own - before.own) / messages;
    side->device[round] = (double)(now.device - before.device) / messages;
}

/* ---- ours ---- */

static void pass_ours(struct pp_queue *q, unsigned messages, unsigned at_once, uint32_t size,
                      uint32_t *ids)
{
    for (unsigned done = 0; done < messages; done += at_once) {
        for (unsigned i = 0; i < at_once; i++) {
            if (mail_add(q, size, &ids[done + i]) != PP_OK)
                pp_bench_fail("the queue is full");
        }
        mail_idle(q);
    }
}

static void clear_ours(struct pp_queue *q, unsigned messages, const uint32_t *ids)
{
    for (unsigned i = 0; i < messages; i++)
        mail_deliver(q, ids[i]);
    mail_idle(q);
}

/* ---- a maildir ---- */

struct maildir {
    const char *dir_z;
    int new_fd; /* the directory new/ */
    uint32_t size;
    unsigned next; /* number in the file's name; of a thread, in steps of `step` */
    unsigned step;
    unsigned count;
};

static void write_one(const struct maildir *m, unsigned number)
{
    static const char content[65536];
    char tmp[PATH];
    char new[PATH];
    (void)snprintf(tmp, sizeof(tmp), "%s/tmp/%u", m->dir_z, number);
    (void)snprintf(new, sizeof(new), "%s/new/%u", m->dir_z, number);
    int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, content, m->size) != (ssize_t)m->size || fsync(fd) != 0 ||
        close(fd) != 0 || rename(tmp, new) != 0 || fsync(m->new_fd) != 0)
        pp_bench_fail("%s: %s", tmp, strerror(errno));
}

static void *write_many(void *argument)
{
    const struct maildir *m = argument;
    for (unsigned i = 0; i < m->count; i++)
        write_one(m, m->next + i * m->step);
    return NULL;
}

static void pass_maildir(const struct maildir *m, unsigned messages, unsigned at_once)
{
    struct maildir parts[AT_ONCE];
    pthread_t threads[AT_ONCE];
    for (unsigned i = 0; i < at_once; i++) {
        parts[i] = *m;
        parts[i].next = i;
        parts[i].step = at_once;
        parts[i].count = messages / at_once;
        if (at_once == 1)
            (void)write_many(&parts[i]);
        else if (pthread_create(&threads[i], NULL, write_many, &parts[i]) != 0)
            pp_bench_fail("no thread");
    }
    for (unsigned i = 0; i < at_once && at_once > 1; i++)
        (void)pthread_join(threads[i], NULL);
}

static void clear_maildir(const struct maildir *m, unsigned messages)
{
    char path[PATH];
    for (unsigned i = 0; i < messages; i++) {
        (void)snprintf(path, sizeof(path), "%s/new/%u", m->dir_z, i);
        (void)unlink(path);
    }
    (void)fsync(m->new_fd);
}

static void open_maildir(struct maildir *m, const char *dir_z)
{
    char path[PATH];
    m->dir_z = dir_z;
    (void)snprintf(path, sizeof(path), "%s/tmp", dir_z);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof(path), "%s/new", dir_z);
    (void)mkdir(path, 0700);
    m->new_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (m->new_fd < 0)
        pp_bench_fail("%s: %s", path, strerror(errno));
}

static void close_maildir(const struct maildir *m)
{
    char path[PATH];
    (void)close(m->new_fd);
    (void)snprintf(path, sizeof(path), "%s/tmp", m->dir_z);
    (void)rmdir(path);
    (void)snprintf(path, sizeof(path), "%s/new", m->dir_z);
    (void)rmdir(path);
}

/* ---- side by side ---- */

static void print_spread(double *values, const char *format)
{
    double median = pp_bench_median(values, ROUNDS);
    printf(format, values[0], median, values[ROUNDS - 1]);
}

static void compare(struct bench *b, struct maildir *m, uint32_t size, unsigned at_once,
                    unsigned messages)
{
    static struct side ours;
    static struct side theirs;
    static uint32_t ids[1024];
    double ratios[ROUNDS];
    m->size = size;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct written before = written(b->dir_z);
        double began_s = pp_bench_now_s();
        pass_ours(b->q, messages, at_once, size, ids);
        note(&ours, round, b->dir_z, messages, pp_bench_now_s() - began_s, before);
        clear_ours(b->q, messages, ids);
        before = written(b->dir_z);
        began_s = pp_bench_now_s();
        pass_maildir(m, messages, at_once);
        note(&theirs, round, b->dir_z, messages, pp_bench_now_s() - began_s, before);
        clear_maildir(m, messages);
        ratios[round] = ours.rates[round] / theirs.rates[round];
    }
    printf("%7s %7u", pp_bench_size(size), at_once);
    print_spread(ratios, " %7.1f %7.1f %7.1f");
    printf(" %8.0f %8.0f", pp_bench_median(ours.rates, ROUNDS),
           pp_bench_median(theirs.rates, ROUNDS));
    printf(" %8.0f %8.0f %8.0f %8.0f\n", pp_bench_median(ours.own, ROUNDS),
           pp_bench_median(theirs.own, ROUNDS), pp_bench_median(ours.device, ROUNDS),
           pp_bench_median(theirs.device, ROUNDS));
    fflush(stdout);
}

void pp_bench_disk(struct bench *b)
{
    struct pp_flash_file file;
    struct pp_flash flash;
    struct maildir m;
    char path[PATH];
    printf("AGAINST ONE FILE A MESSAGE (maildir: write, fsync, rename, fsync), same disk, %u "
           "rounds\n\n",
           ROUNDS);
    if (!pp_bench_has_room(b->dir_z, FILE_BYTES))
        return;
    (void)snprintf(path, sizeof(path), "%s/disk.flash", b->dir_z);
    (void)unlink(path);
    if (pp_flash_file_open(&file, path, FILE_BYTES, &flash) != 0)
        pp_bench_fail("%s: %s", path, strerror(errno));
    (void)unlink(path);
    open_maildir(&m, b->dir_z);
    mail_mount(b->q, &flash);
    mail_idle(b->q);
    printf("%15s %23s %17s %17s %17s\n", "", "rate, ours / theirs", "messages a s", "bytes charged",
           "written by device");
    printf("%7s %7s %7s %7s %7s %8s %8s %8s %8s %8s %8s\n", "message", "at once", "least", "median",
           "most", "ours", "theirs", "ours", "theirs", "ours", "theirs");
    compare(b, &m, 2048, 1, 128);
    compare(b, &m, 2048, AT_ONCE, 512);
    compare(b, &m, 65536, 1, 64);
    compare(b, &m, 65536, AT_ONCE, 128);
    close_maildir(&m);
    pp_flash_file_close(&file);
}
