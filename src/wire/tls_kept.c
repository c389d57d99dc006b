/*
 * tls_kept.c - a TLS session that a client keeps, as bytes for flash
 *
 * Job:      see tls_kept.h.
 * Not here: what the library's part of it means (wire/tls_resume.c).
 *
 * Little endian. Bytes: format 1, flags 1, binding 32, verified 8, kept 8, lifetime 4, until 8,
 * pin 1, certificate 32, key 32, begin 8, expiry 8, length 2 and session, four texts behind a byte
 * with the length each. Instants are seconds since 1970, -1 unknown.
 */
#include "wire/tls_kept.h"

#include <string.h>

#include "base/bytes.h"
#include "base/time.h"

#define FORMAT     1u
#define FLAG_ONCE  1u
#define HEAD_BYTES (1 + 1 + 32 + 8 + 8 + 4 + 8 + 1 + 32 + 32 + 8 + 8 + 2)

_Static_assert(HEAD_BYTES + 4 <= 190, "PP_TLS_KEPT_PACKED: too small");
_Static_assert(PP_TLS_KEPT_BYTES >= 256 && PP_TLS_KEPT_BYTES <= 4096,
               "PP_TLS_KEPT_BYTES: 256 to 4096");

void pp_tls_kept_forget(struct pp_tls_kept_session *kept)
{
    uint32_t changes = kept->changes + (kept->session_len > 0 ? 1 : 0);
    if (kept->session_len == 0)
        return;
    pp_wipe(kept, sizeof *kept);
    kept->changes = changes;
}

/* ---- out ---- */

struct out {
    uint8_t *p;
    size_t left;
};

static void put_bytes(struct out *o, const void *bytes, size_t len)
{
    memcpy(o->p, bytes, len);
    o->p += len;
    o->left -= len;
}

static void put_byte(struct out *o, uint8_t byte)
{
    put_bytes(o, &byte, 1);
}

static void put_u64(struct out *o, uint64_t value)
{
    uint8_t bytes[8];
    pp_le64_put(bytes, value);
    put_bytes(o, bytes, sizeof bytes);
}

/* What room `after` texts behind it need is left to them. */
static void put_text(struct out *o, const char *text_z, size_t after)
{
    size_t len = strlen(text_z);
    if (len > o->left - 1 - after)
        len = o->left - 1 - after;
    put_byte(o, (uint8_t)len);
    put_bytes(o, text_z, len);
}

/* Of an instant of the machine's own clock; -1 where the wall clock is unknown. */
static uint64_t wall_of(int64_t at_ms, int64_t wall_s, uint64_t now_ms)
{
    int64_t age_s = ((int64_t)now_ms - at_ms) / 1000;
    return wall_s < PP_WALL_FLOOR_S ? UINT64_MAX : (uint64_t)(wall_s - (age_s > 0 ? age_s : 0));
}

enum pp_err pp_tls_kept_pack(const struct pp_tls_kept_session *kept, int64_t wall_s,
                             uint64_t now_ms, uint8_t *out, size_t cap, size_t *len)
{
    struct out o = {out, cap};
    uint8_t number[4];
    *len = 0;
    if (kept->session_len == 0)
        return PP_ERR_EMPTY;
    if (cap < HEAD_BYTES + kept->session_len + 4u)
        return PP_ERR_TOO_BIG;
    put_byte(&o, FORMAT);
    put_byte(&o, kept->once ? FLAG_ONCE : 0);
    put_bytes(&o, kept->binding, sizeof kept->binding);
    put_u64(&o, wall_of(kept->facts.verified_at_ms, wall_s, now_ms));
    put_u64(&o, wall_of(kept->kept_at_ms, wall_s, now_ms));
    pp_le32_put(number, kept->lifetime_s);
    put_bytes(&o, number, 4);
    put_u64(&o, (uint64_t)kept->facts.until_s);
    put_byte(&o, (uint8_t)(kept->facts.pin_index + 1));
    put_bytes(&o, kept->facts.certificate_sha256, 32);
    put_bytes(&o, kept->facts.key_sha256, 32);
    put_u64(&o, (uint64_t)kept->facts.begin_s);
    put_u64(&o, (uint64_t)kept->facts.expiry_s);
    pp_le16_put(number, kept->session_len);
    put_bytes(&o, number, 2);
    put_bytes(&o, kept->session, kept->session_len);
    put_text(&o, kept->facts.how, 3);
    put_text(&o, kept->facts.issuer, 2);
    put_text(&o, kept->facts.subject, 1);
    put_text(&o, kept->facts.names, 0);
    *len = cap - o.left;
    return PP_OK;
}

/* ---- in ---- */

struct in {
    const uint8_t *p;
    size_t left;
    bool bad; /* sticks */
};

static void get_bytes(struct in *in, void *out, size_t len)
{
    if (in->bad || len > in->left) {
        in->bad = true;
        memset(out, 0, len);
        return;
    }
    memcpy(out, in->p, len);
    in->p += len;
    in->left -= len;
}

static uint8_t get_byte(struct in *in)
{
    uint8_t byte;
    get_bytes(in, &byte, 1);
    return byte;
}

static uint64_t get_u64(struct in *in)
{
    uint8_t bytes[8];
    get_bytes(in, bytes, sizeof bytes);
    return pp_le64_get(bytes);
}

/* Such as a log may show; what was kept is. */
static void get_text(struct in *in, char out[PP_TLS_KEPT_TEXT])
{
    size_t len = get_byte(in);
    if (len >= PP_TLS_KEPT_TEXT) {
        in->bad = true;
        return;
    }
    get_bytes(in, out, len);
    out[len] = '\0';
    for (size_t i = 0; i < len; i++) {
        if ((uint8_t)out[i] < ' ' || out[i] == 0x7F)
            in->bad = true;
    }
}

/* Back to the machine's own clock; what lies ahead, or too far back, is somebody else's. */
static int64_t instant_of(struct in *in, int64_t wall_s, uint64_t now_ms)
{
    uint64_t at_s = get_u64(in);
    if (at_s == UINT64_MAX || wall_s < PP_WALL_FLOOR_S)
        return (int64_t)now_ms;
    if (at_s > (uint64_t)wall_s || (uint64_t)wall_s - at_s > UINT32_MAX) {
        in->bad = true;
        return 0;
    }
    return (int64_t)now_ms - (wall_s - (int64_t)at_s) * 1000;
}

static void get_all(struct in *in, struct pp_tls_kept_session *kept, int64_t wall_s,
                    uint64_t now_ms)
{
    uint8_t format = get_byte(in), flags = get_byte(in), number[4];
    in->bad = in->bad || format != FORMAT || flags > FLAG_ONCE;
    kept->once = flags == FLAG_ONCE;
    get_bytes(in, kept->binding, sizeof kept->binding);
    kept->facts.verified_at_ms = instant_of(in, wall_s, now_ms);
    kept->kept_at_ms = instant_of(in, wall_s, now_ms);
    get_bytes(in, number, 4);
    kept->lifetime_s = pp_le32_get(number);
    kept->facts.until_s = (int64_t)(get_u64(in) & INT64_MAX);
    uint8_t pin = get_byte(in);
    in->bad = in->bad || pin > PP_PINS;
    kept->facts.pin_index = (int)pin - 1;
    get_bytes(in, kept->facts.certificate_sha256, 32);
    get_bytes(in, kept->facts.key_sha256, 32);
    kept->facts.begin_s = (int64_t)(get_u64(in) & INT64_MAX);
    kept->facts.expiry_s = (int64_t)(get_u64(in) & INT64_MAX);
    get_bytes(in, number, 2);
    kept->session_len = pp_le16_get(number);
    if (kept->session_len == 0 || kept->session_len > sizeof kept->session)
        in->bad = true;
    else
        get_bytes(in, kept->session, kept->session_len);
    get_text(in, kept->facts.how);
    get_text(in, kept->facts.issuer);
    get_text(in, kept->facts.subject);
    get_text(in, kept->facts.names);
}

enum pp_err pp_tls_kept_unpack(struct pp_tls_kept_session *kept, int64_t wall_s, uint64_t now_ms,
                               const uint8_t *bytes, size_t len)
{
    struct in in = {bytes, len, false};
    uint32_t changes = kept->changes;
    pp_wipe(kept, sizeof *kept);
    get_all(&in, kept, wall_s, now_ms);
    if (in.bad || in.left > 0) {
        pp_wipe(kept, sizeof *kept);
        kept->changes = changes;
        return PP_ERR_SYNTAX;
    }
    kept->changes = changes;
    return PP_OK;
}
