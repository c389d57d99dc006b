/*
 * input.h - a message from standard input, kept until it is handed over
 *
 * Job:      read all of it once, so that its size is known, its header can be looked at, and
 *           it can be offered a second time when the daemon goes away in the middle. The
 *           first PP_INPUT_MEMORY bytes stay in memory, the rest in a file without a name.
 * Not here: who gets it (handover.h).
 */
#ifndef PP_POSIX_INPUT_H
#define PP_POSIX_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/text.h"

/* The header section of a message has to lie in here. */
#define PP_INPUT_MEMORY (256 * 1024)
/* More than any message limit; what is longer is refused before it fills a disk. */
#define PP_INPUT_MAX_BYTES (1024ULL * 1024 * 1024)

struct pp_input {
    uint64_t size_bytes;
    size_t memory_len;
    int file; /* the bytes behind memory[], -1 when there are none */
    bool has_8bit, has_nul;
    bool line_start; /* of the byte to come: while reading in */
    uint8_t dot_state;
    uint64_t position; /* of pp_input_next() */
    char memory[PP_INPUT_MEMORY];
};

/*
 * Read `fd` to its end, or with `dot_ends` to a line that is a single dot (which is left out).
 * Waits for as long as the writer takes. Returns PP_ERR_TOO_BIG, PP_ERR_IO (errno is set:
 * reading, or the temporary file); then nothing is to be closed.
 */
PP_MUST_USE enum pp_err pp_input_read(struct pp_input *input, int fd, bool dot_ends);
/* The bytes in memory: all, or the first PP_INPUT_MEMORY. */
struct pp_text pp_input_memory(const struct pp_input *input);
void pp_input_rewind(struct pp_input *input);
/* The next bytes, up to `cap`: *len 0 at the end. PP_ERR_IO with errno. */
PP_MUST_USE enum pp_err pp_input_next(struct pp_input *input, void *out, size_t cap, size_t *len);
void pp_input_close(struct pp_input *input);

#endif
