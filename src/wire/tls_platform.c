/*
 * tls_platform.c - what mbedTLS asks of the machine: time and randomness
 *
 * Job:      the functions that config/mbedtls_config.h says are ours, and the library's start.
 * Not here: memory (wire/tls_alloc.c), the generator itself (base/crypto.c).
 *
 * Three names here do not begin with pp_: mbedTLS calls them by its own.
 */
#include <mbedtls/platform_time.h>
#include <mbedtls/platform_util.h>
#include <psa/crypto.h>

#include "base/crypto.h"
#include "base/time.h"
#include "wire/tls_session.h"

static struct {
    int64_t (*wall_s)(void *ctx);
    uint64_t (*now_ms)(void *ctx);
    void *ctx;
    int64_t floor_s; /* it is not earlier than this either */
} clocks;

bool pp_tls_clock_known(void)
{
    return clocks.wall_s != NULL && clocks.wall_s(clocks.ctx) >= PP_WALL_FLOOR_S;
}

void pp_tls_time_floor(int64_t floor_s)
{
    clocks.floor_s = floor_s;
}

/* Certificates are compared with this; where it is only the floor, wire/tls_trust.c allows for it.
 */
static mbedtls_time_t wall_time(mbedtls_time_t *out)
{
    int64_t now_s = clocks.floor_s > PP_WALL_FLOOR_S ? clocks.floor_s : PP_WALL_FLOOR_S;
    if (pp_tls_clock_known())
        now_s = clocks.wall_s(clocks.ctx);
    if (out != NULL)
        *out = (mbedtls_time_t)now_s;
    return (mbedtls_time_t)now_s;
}

int64_t pp_tls_wall_s(void)
{
    return (int64_t)wall_time(NULL);
}

mbedtls_ms_time_t mbedtls_ms_time(void)
{
    return clocks.now_ms != NULL ? (mbedtls_ms_time_t)clocks.now_ms(clocks.ctx) : 0;
}

struct tm *mbedtls_platform_gmtime_r(const mbedtls_time_t *tt, struct tm *tm_buf)
{
    struct pp_date date = pp_date_from_wall((int64_t)*tt);
    *tm_buf = (struct tm){.tm_year = date.year - 1900,
                          .tm_mon = date.month - 1,
                          .tm_mday = date.day,
                          .tm_hour = date.hour,
                          .tm_min = date.minute,
                          .tm_sec = date.second,
                          .tm_wday = date.weekday};
    return tm_buf;
}

psa_status_t mbedtls_psa_external_get_random(mbedtls_psa_external_random_context_t *context,
                                             uint8_t *output, size_t output_size,
                                             size_t *output_length)
{
    (void)context;
    *output_length = 0;
    if (pp_random(output, output_size) != PP_OK)
        return PSA_ERROR_INSUFFICIENT_ENTROPY;
    *output_length = output_size;
    return PSA_SUCCESS;
}

enum pp_err pp_tls_library_init(int64_t (*wall_s)(void *ctx), uint64_t (*now_ms)(void *ctx),
                                void *ctx)
{
    clocks.wall_s = wall_s;
    clocks.now_ms = now_ms;
    clocks.ctx = ctx;
    struct pp_tls_arena *before = pp_tls_arena_select(pp_tls_arena_shared());
    bool good = mbedtls_platform_set_time(wall_time) == 0 && psa_crypto_init() == PSA_SUCCESS;
    (void)pp_tls_arena_select(before);
    return good ? PP_OK : PP_ERR_STATE;
}
