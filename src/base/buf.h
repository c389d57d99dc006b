/*
 * buf.h - bytes waiting between two machines
 *
 * Job:      a buffer over storage that the owner gives: bytes are put at the end and
 *           taken from the front. Room at the front is won back when it is needed.
 * Not here: growing; a full buffer is the reader's turn.
 */
#ifndef PP_BASE_BUF_H
#define PP_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pp_buf {
    uint8_t *data;
    size_t cap;
    size_t head; /* first byte not yet taken */
    size_t tail; /* one past the last byte */
    size_t used; /* no byte was ever behind this one since it was wiped */
};

void pp_buf_init(struct pp_buf *buf, uint8_t *storage, size_t cap);
void pp_buf_clear(struct pp_buf *buf);
size_t pp_buf_len(const struct pp_buf *buf);
size_t pp_buf_room(const struct pp_buf *buf); /* all free bytes, front included */
const uint8_t *pp_buf_head(const struct pp_buf *buf);
/* Free bytes in one piece at the end, moving what waits to the front; *room may be 0. */
uint8_t *pp_buf_reserve(struct pp_buf *buf, size_t *room);
void pp_buf_commit(struct pp_buf *buf, size_t len); /* after writing into reserve */
void pp_buf_consume(struct pp_buf *buf, size_t len);
/* All of `bytes` or nothing. */
bool pp_buf_put(struct pp_buf *buf, const void *bytes, size_t len);
/* Overwrite with zeros all storage, used or not: for what carried a secret. */
void pp_buf_wipe(struct pp_buf *buf);

#endif
