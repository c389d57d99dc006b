/*
 * profile_check.h - the sizes of a profile, checked against each other
 *
 * Each message names the fix. A size that a profile forgot is an error too.
 */
#ifndef PP_PROFILE_CHECK_H
#define PP_PROFILE_CHECK_H

#if PP_QUEUE_MESSAGES < 1 || PP_QUEUE_MESSAGES > 1000000
#error "PP_QUEUE_MESSAGES: allowed are 1 to 1000000"
#endif
#if PP_QUEUE_WRITERS < 3
#error "PP_QUEUE_WRITERS: at least 3 (a session, the API and the drop directory)"
#endif
#if PP_INTAKE_SESSIONS < 1 || PP_INTAKE_SESSIONS > 4096
#error "PP_INTAKE_SESSIONS: allowed are 1 to 4096"
#endif
#if PP_LISTENERS < 1 || PP_LISTENER_NETWORKS < 1 || PP_USERS < 1 || PP_ACCESS_CLIENTS < 1
#error "PP_LISTENERS, PP_LISTENER_NETWORKS, PP_USERS, PP_ACCESS_CLIENTS: at least 1 of each"
#endif
#if PP_RECIPIENTS_MAX < 100 || PP_RECIPIENTS_MAX > 10000
#error "PP_RECIPIENTS_MAX: RFC 5321 4.5.3.1.8 asks for 100 or more; allowed are 100 to 10000"
#endif
#if PP_STORE_STAGE_BYTES % PP_STORE_UNIT_MAX != 0
#error "PP_STORE_STAGE_BYTES: make it a multiple of PP_STORE_UNIT_MAX"
#endif
#if PP_STORE_CHUNK_BYTES < 256 || PP_STORE_CHUNK_BYTES > 32768
#error "PP_STORE_CHUNK_BYTES: allowed are 256 to 32768"
#endif
#if PP_STORE_AHEAD_BYTES != 0 && (PP_STORE_AHEAD_BYTES < 64 || PP_STORE_AHEAD_BYTES > 65536)
#error "PP_STORE_AHEAD_BYTES: allowed are 0 and 64 to 65536"
#endif
#if PP_STORE_SUMMARY_RECORDS < 1 || PP_STORE_SUMMARY_RECORDS > PP_STORE_CHUNK_BYTES / 2
#error "PP_STORE_SUMMARY_RECORDS: allowed are 1 to half of PP_STORE_CHUNK_BYTES"
#endif
#if PP_STORE_RETIRED_MAX < 1 || PP_STORE_RETIRED_MAX > 1000
#error "PP_STORE_RETIRED_MAX: allowed are 1 to 1000"
#endif
#if PP_STORE_CONTINUED_MAX < 1 || PP_STORE_CONTINUED_MAX > 1000
#error "PP_STORE_CONTINUED_MAX: allowed are 1 to 1000"
#endif
#if PP_STORE_STAGE_BYTES < PP_STORE_CHUNK_BYTES + PP_STORE_UNIT_MAX
#error                                                                                             \
    "PP_STORE_STAGE_BYTES: a whole record must fit; raise it above PP_STORE_CHUNK_BYTES + PP_STORE_UNIT_MAX"
#endif
#if PP_KV_VALUE_MAX < 64 || PP_KV_VALUE_MAX > 2048
#error "PP_KV_VALUE_MAX: allowed are 64 to 2048"
#endif
#if PP_LINK_IN_BYTES < 4096 || PP_LINK_OUT_BYTES < 4096
#error "PP_LINK_IN_BYTES, PP_LINK_OUT_BYTES: a reply line and an AUTH line need 4096 or more"
#endif
#if PP_TLS_ARENA_BYTES < PP_TLS_IN_BYTES + PP_TLS_OUT_BYTES + 12 * 1024
#error "PP_TLS_ARENA_BYTES: raise it to both record buffers and 12 KiB for the handshake"
#endif
#if PP_INTAKE_TLS > 0 && PP_TLS_SERVER_ARENA_BYTES < PP_TLS_IN_BYTES + PP_TLS_OUT_BYTES + 24 * 1024
#error                                                                                             \
    "PP_TLS_SERVER_ARENA_BYTES: raise it to both record buffers and 24 KiB for the handshake, or set PP_INTAKE_TLS to 0"
#endif
#if PP_INTAKE_TLS > 0 && PP_TLS_IDENTITY_BYTES < 16 * 1024
#error "PP_TLS_IDENTITY_BYTES: raise it to 16 KiB or more, or set PP_INTAKE_TLS to 0"
#endif
#if PP_SMARTHOSTS < 1 || PP_PINS < 1 || PP_DNS_ADDRESSES < 1 || PP_DELIVERY_SESSIONS < 1
#error "PP_SMARTHOSTS, PP_PINS, PP_DNS_ADDRESSES, PP_DELIVERY_SESSIONS: at least 1 of each"
#endif
#if PP_PINS > 32 || PP_TLS_POLICIES < 1
#error "PP_PINS: at most 32; PP_TLS_POLICIES: at least 1"
#endif
#if PP_DNS_SERVICES < 1 || PP_DNS_SERVERS < 1 || PP_DNS_SERVERS > 4 || PP_DNS_CACHE < 1
#error "PP_DNS_SERVICES, PP_DNS_CACHE: at least 1 of each; PP_DNS_SERVERS: 1 to 4"
#endif
#if PP_SMARTHOSTS > 16
#error "PP_SMARTHOSTS: at most 16, which is what the key-value has keys for"
#endif

#endif
