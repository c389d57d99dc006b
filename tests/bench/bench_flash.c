/*
 * bench_flash.c - what keeping mail in flash costs: `make bench-flash`
 *
 * Job:      run the tables that were asked for (all by default), end with 1 when a goal was missed.
 * Not here: the tables (bench_flash_*.c), what they mean (docs/flash.md).
 *
 * bench_flash DIRECTORY [full] [TABLE...]
 */
#include "bench_flash.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

static struct pp_queue queue;

static const struct {
    const char *name_z;
    void (*run)(struct bench *b);
} tables[] = {
    {"cost", pp_bench_cost},   {"wear", pp_bench_wear}, {"enqueue", pp_bench_enqueue},
    {"mount", pp_bench_mount}, {"ram", pp_bench_ram},   {"disk", pp_bench_disk},
};
#define TABLES (sizeof(tables) / sizeof(tables[0]))

void pp_bench_goal(struct bench *b, bool met, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("goal %s: ", met ? "met" : "MISSED");
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    b->missed += met ? 0 : 1;
}

void pp_bench_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fprintf(stderr, "bench_flash: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(2);
}

double pp_bench_now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

const char *pp_bench_size(uint64_t bytes)
{
    static char texts[8][32];
    static unsigned turn;
    char *text = texts[turn++ % 8];
    unsigned long long n = bytes;
    if (n >= BENCH_GIB && n % BENCH_GIB == 0)
        snprintf(text, sizeof(texts[0]), "%llu GiB", n / BENCH_GIB);
    else if (n >= BENCH_MIB && n % BENCH_MIB == 0)
        snprintf(text, sizeof(texts[0]), "%llu MiB", n / BENCH_MIB);
    else if (n >= BENCH_KIB && n % BENCH_KIB == 0)
        snprintf(text, sizeof(texts[0]), "%llu KiB", n / BENCH_KIB);
    else
        snprintf(text, sizeof(texts[0]), "%llu B", n);
    return text;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

double pp_bench_median(double *values, unsigned count)
{
    qsort(values, count, sizeof(*values), ascending);
    return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

bool pp_bench_has_room(const char *dir_z, uint64_t bytes)
{
    struct statvfs fs;
    uint64_t wanted = bytes + bytes / 4 + 64 * BENCH_MIB;
    if (statvfs(dir_z, &fs) != 0)
        pp_bench_fail("%s: no such directory", dir_z);
    uint64_t there = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (there < wanted)
        printf("left out: a file of %s; it wants %llu MiB on the disk, %llu are free\n",
               pp_bench_size(bytes), (unsigned long long)(wanted / BENCH_MIB),
               (unsigned long long)(there / BENCH_MIB));
    return there >= wanted;
}

static bool is_table(const char *word_z)
{
    for (unsigned t = 0; t < TABLES; t++) {
        if (strcmp(word_z, tables[t].name_z) == 0)
            return true;
    }
    return false;
}

static bool is_wanted(const char *name_z, int words, char **word)
{
    unsigned named = 0;
    for (int i = 0; i < words; i++) {
        if (strcmp(word[i], name_z) == 0)
            return true;
        named += is_table(word[i]) ? 1 : 0;
    }
    return named == 0;
}

int main(int argc, char **argv)
{
    struct bench b = {.q = &queue};
    if (argc < 2)
        pp_bench_fail("which directory?");
    b.dir_z = argv[1];
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "full") == 0)
            b.full = true;
        else if (!is_table(argv[i]))
            pp_bench_fail("%s: there are full, cost, wear, enqueue, mount, ram, disk", argv[i]);
    }
    for (unsigned t = 0; t < TABLES; t++) {
        if (!is_wanted(tables[t].name_z, argc - 2, argv + 2))
            continue;
        double began_s = pp_bench_now_s();
        tables[t].run(&b);
        printf("(%s: %.0f s)\n\n", tables[t].name_z, pp_bench_now_s() - began_s);
        fflush(stdout);
    }
    printf("%u goals missed\n", b.missed);
    return b.missed > 0 ? 1 : 0;
}
