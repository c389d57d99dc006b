/*
 * buf.c - bytes waiting between two machines
 *
 * Job:      one linear buffer with a head and a tail.
 * Not here: wrapping around: a machine wants its bytes in one piece, and moving what little
 *           waits costs less than every reader caring about two pieces.
 */
#include "base/buf.h"

#include <assert.h>
#include <string.h>

#include "base/bytes.h"

void pp_buf_init(struct pp_buf *buf, uint8_t *storage, size_t cap)
{
    buf->data = storage;
    buf->cap = cap;
    buf->used = 0;
    pp_buf_clear(buf);
}

static void grow(struct pp_buf *buf, size_t len)
{
    buf->tail += len;
    if (buf->tail > buf->used)
        buf->used = buf->tail;
}

void pp_buf_clear(struct pp_buf *buf)
{
    buf->head = 0;
    buf->tail = 0;
}

size_t pp_buf_len(const struct pp_buf *buf)
{
    return buf->tail - buf->head;
}

size_t pp_buf_room(const struct pp_buf *buf)
{
    return buf->cap - pp_buf_len(buf);
}

const uint8_t *pp_buf_head(const struct pp_buf *buf)
{
    return buf->data + buf->head;
}

uint8_t *pp_buf_reserve(struct pp_buf *buf, size_t *room)
{
    if (buf->head > 0) {
        size_t len = pp_buf_len(buf);
        memmove(buf->data, buf->data + buf->head, len);
        buf->head = 0;
        buf->tail = len;
    }
    *room = buf->cap - buf->tail;
    return buf->data + buf->tail;
}

void pp_buf_commit(struct pp_buf *buf, size_t len)
{
    assert(len <= buf->cap - buf->tail);
    grow(buf, len);
}

void pp_buf_consume(struct pp_buf *buf, size_t len)
{
    assert(len <= pp_buf_len(buf));
    buf->head += len;
    if (buf->head == buf->tail)
        pp_buf_clear(buf);
}

bool pp_buf_put(struct pp_buf *buf, const void *bytes, size_t len)
{
    size_t room;
    if (len > pp_buf_room(buf))
        return false;
    if (len == 0)
        return true;
    if (len > buf->cap - buf->tail)
        (void)pp_buf_reserve(buf, &room);
    memcpy(buf->data + buf->tail, bytes, len);
    grow(buf, len);
    return true;
}

void pp_buf_wipe(struct pp_buf *buf)
{
    /* Memory that was never touched stays so: to a system with pages it costs nothing. */
    pp_wipe(buf->data, buf->used);
    buf->used = 0;
    pp_buf_clear(buf);
}
