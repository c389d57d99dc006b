/*
 * port.h - all that the relay asks of the machine under it
 *
 * Fill in one `struct pp_port` and hand it to pp_relay_start(). The relay calls these from
 * one thread only. Nothing here may block, but wait() and bounded work on flash.
 *
 * Reads and writes return > 0 bytes done, 0 "later" (never "closed"), < 0 one of enum
 * pp_io. Handles are small integers > 0 of the port's own choosing.
 */
#ifndef PP_PORT_H
#define PP_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pp_io {
    PP_IO_LATER = 0,
    PP_IO_CLOSED = -1,      /* the peer closed in an orderly way */
    PP_IO_FAILED = -2,      /* reset, or any failure not named below */
    PP_IO_REFUSED = -3,     /* connection refused */
    PP_IO_UNREACHABLE = -4, /* no route, host or network unreachable */
    PP_IO_NO_SLOT = -5,     /* the port has no free stream, datagram or buffer */
    PP_IO_BUSY = -6         /* the address or the store is taken */
};

/* An IP address and port. IPv4 uses ip[0..3]. Port in host order. */
struct pp_address {
    uint8_t family; /* 4 or 6; 0 is none */
    uint8_t ip[16];
    uint16_t port;
    uint32_t scope; /* IPv6 link-local: interface index, else 0 */
};

#define PP_PORT_LOCAL UINT32_MAX /* a listener for programs of this machine */

/* Who is at the other end of an accepted stream. */
struct pp_peer {
    struct pp_address address; /* family 0: local socket */
    bool uid_known;            /* local socket: the kernel told the caller's user */
    uint32_t uid;
};

/* What a login's backend said. */
enum pp_port_login_said {
    PP_PORT_LOGIN_CHALLENGE = 1,
    PP_PORT_LOGIN_ACCEPTED,
    PP_PORT_LOGIN_REFUSED,
    PP_PORT_LOGIN_LATER /* it cannot decide now */
};
struct pp_port_login {
    enum pp_port_login_said said;
    char text[1024]; /* challenge in base64, or the user's name when accepted; ends in NUL */
};

/*
 * Raw flash. The store obeys its rules: a unit is programmed only when its block was erased
 * and not yet programmed since; a program starts and ends at unit boundaries and does not
 * cross a page; an erase takes a whole block.
 */
struct pp_flash {
    void *ctx;
    uint32_t program_unit_bytes; /* smallest write: 1, 4, 16, 256, 512 */
    uint32_t page_bytes;         /* a program may not cross this; a multiple of the unit */
    uint32_t block_bytes;        /* erase block: 4 KiB to 256 KiB, a multiple of the page */
    uint32_t block_count;        /* at least 6: the last 2 or 4 are the key-value's */
    uint8_t erased_value;        /* 0xFF or 0x00 */
    /* Each returns 0 or < 0. Time: read and program at most one page's worth or what the
     * medium does at once; erase one block. Addresses are bytes from the start. */
    int (*read)(void *ctx, uint64_t address, void *out, size_t len);
    int (*program)(void *ctx, uint64_t address, const void *bytes, size_t len);
    int (*erase)(void *ctx, uint32_t block);
    /* Begin to make everything programmed and erased so far survive a power cut. Returns 1
     * when it is done already, 0 when begun (then ask sync_done), < 0 failed. */
    int (*sync_begin)(void *ctx);
    /* 1 done, 0 not yet, < 0 failed: what was written since the last good sync is unknown. */
    int (*sync_done)(void *ctx);
};

enum pp_port_log { PP_PORT_ERROR, PP_PORT_WARN, PP_PORT_INFO, PP_PORT_DEBUG };

struct pp_port {
    void *ctx;

    /* Clocks. Monotonic milliseconds never step back. Wall: seconds since 1970 UTC, or -1
     * when the machine does not know the time. */
    uint64_t (*now_ms)(void *ctx);
    int64_t (*wall_s)(void *ctx);

    /* Streams (TCP, without Nagle's delay). connect returns a handle at once; write and read
     * say LATER until it is connected, or the error. close frees the handle; what was
     * written is still sent where the machine can. `wants_write` in stream_watch means that
     * wait() must return when the stream can be written (or has connected). */
    int (*stream_connect)(void *ctx, const struct pp_address *to);
    int (*stream_connected)(void *ctx, int stream); /* 1 yes, 0 not yet, < 0 failed */
    int (*stream_read)(void *ctx, int stream, void *out, size_t cap);
    int (*stream_write)(void *ctx, int stream, const void *bytes, size_t len);
    void (*stream_watch)(void *ctx, int stream, bool wants_read, bool wants_write);
    void (*stream_close)(void *ctx, int stream);

    /* May be NULL: all streams are. False when a read, and a write that was told LATER, would be
     * told LATER again: the relay passes over a connection on which nothing happened. */
    bool (*stream_ready)(void *ctx, int stream);

    /* Listeners are opened by the port's owner and known by index 0 .. listener_count-1.
     * accept returns a stream handle (> 0), LATER (0), or an error. */
    unsigned listener_count;
    const uint32_t *listener_config; /* of each, its index in pp_config.listeners, or
                                        PP_PORT_LOCAL; NULL: all are local */
    int (*stream_accept)(void *ctx, unsigned listener, struct pp_peer *peer);

    /* Logins that somebody else decides (Dovecot's auth socket); all NULL where there is none.
     * Texts are base64 as SMTP sends them. begin returns a handle (> 0) or an error; `response_z`
     * NULL: none was sent. ask: 0 not yet, else what came. wait() returns when something did. */
    int (*login_begin)(void *ctx, const char *mechanism_z, const struct pp_peer *peer,
                       const char *response_z);
    int (*login_answer)(void *ctx, int login, const char *response_z);
    int (*login_ask)(void *ctx, int login, struct pp_port_login *out);
    void (*login_end)(void *ctx, int login);
    /* "PLAIN LOGIN": what the backend can; "" while it is away. */
    const char *(*login_mechanisms)(void *ctx);

    /* Datagrams (for DNS): one socket each with a source port that cannot be guessed. */
    int (*datagram_open)(void *ctx, const struct pp_address *to);
    int (*datagram_send)(void *ctx, int socket, const void *bytes, size_t len);
    int (*datagram_receive)(void *ctx, int socket, void *out, size_t cap); /* only from `to` */
    void (*datagram_close)(void *ctx, int socket);

    /* Name servers in order of preference: up to `cap` addresses into `out`; returns how
     * many. Cheap enough to be asked before each look-up. */
    unsigned (*name_servers)(void *ctx, struct pp_address *out, unsigned cap);
    /* The machine's own table of hosts (/etc/hosts): addresses of `name_z`, 0 when it has
     * none. `family` 4 or 6. */
    unsigned (*hosts)(void *ctx, const char *name_z, int family, struct pp_address *out,
                      unsigned cap);

    /* `len` random bytes: 0, or < 0 when fewer are to be had. */
    int (*entropy)(void *ctx, uint8_t *out, size_t len);

    /* May be NULL: the machine has none. A key of its own hardware, the same at each call, that
     * never leaves it with the flash: what is secret is sealed there with it. 0, or < 0. */
    int (*seal_key)(void *ctx, uint8_t out[32]);

    void (*log)(void *ctx, enum pp_port_log level, const char *line, size_t len);

    /* Sleep until `until_ms` (monotonic), or until a watched stream, a datagram or a
     * listener has something. May return early. UINT64_MAX: no deadline. */
    void (*wait)(void *ctx, uint64_t until_ms);

    struct pp_flash flash;
};

#endif
