/*
 * fuzz_drop.c - any bytes as a file of the drop directory, and as a request of control.sock
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "posix/control_task.h"
#include "posix/drop_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_drop(const uint8_t *data, size_t size)
{
    static struct pp_drop_reader reader;
    static struct pp_drop_header header;
    const char *bytes;
    size_t len = 1, total = 0;

    reader.fd = memfd_create("drop", MFD_CLOEXEC);
    if (reader.fd < 0 || write(reader.fd, data, size) != (ssize_t)size)
        abort();
    if (pp_drop_header_read(&reader, &header) == PP_OK) {
        while (len > 0) {
            if (pp_drop_content(&reader, &bytes, &len) != PP_OK)
                abort();
            total += len;
        }
        if (total > size)
            abort();
    }
    close(reader.fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pp_control_task task;

    read_drop(data, size);
    pp_control_task_begin(&task, pp_text_n(data, size));
    return 0;
}
