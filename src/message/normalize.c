/*
 * normalize.c - line ends of any kind become CRLF
 *
 * Job:      see normalize.h.
 * Follows:  RFC 5321 2.3.8
 */
#include "message/normalize.h"

size_t pp_normalize(struct pp_normalize *n, const uint8_t *in, size_t len, uint8_t *out, size_t cap,
                    size_t *put)
{
    size_t taken = 0;
    size_t at = 0;

    while (taken < len && cap - at >= 2) {
        uint8_t c = in[taken++];

        if (c == '\r' || (c == '\n' && !n->previous_cr)) {
            out[at++] = '\r';
            out[at++] = '\n';
        } else if (c != '\n') {
            out[at++] = c;
        }
        n->previous_cr = c == '\r';
    }
    *put = at;
    return taken;
}
