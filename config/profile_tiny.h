/*
 * profile_tiny.h - sizes for a microcontroller that sends an alert now and then
 *
 * 16 messages in 256 KiB of flash, one connection in and one out.
 */
#ifndef PP_PROFILE_TINY_H
#define PP_PROFILE_TINY_H

#define PP_QUEUE_MESSAGES 16
#define PP_QUEUE_WRITERS  3
#define PP_RECIPIENTS_MAX 100

#define PP_STORE_UNIT_MAX        256
#define PP_STORE_STAGE_BYTES     1024
#define PP_STORE_CHUNK_BYTES     512
#define PP_STORE_AHEAD_BYTES     0
#define PP_KV_VALUE_MAX          512
#define PP_STORE_SUMMARY_RECORDS 128
#define PP_STORE_RETIRED_MAX     8
#define PP_STORE_CONTINUED_MAX   4

#define PP_INTAKE_SESSIONS   1
#define PP_CONTROL_SESSIONS  1
#define PP_DELIVERY_SESSIONS 1

#define PP_LISTENERS              1
#define PP_LISTENER_NETWORKS      4
#define PP_USERS                  1
#define PP_ACCESS_CLIENTS         8
#define PP_INTAKE_TLS             0
#define PP_TLS_SERVER_ARENA_BYTES 16
#define PP_TLS_IDENTITY_BYTES     16

#define PP_TLS_CLIENT_IDENTITY_BYTES 16

#define PP_LINK_IN_BYTES  4096
#define PP_LINK_OUT_BYTES 4096

/* In: a peer that does not take RFC 8449's word for it may send 16 KiB, and all do. */
#define PP_TLS_IN_BYTES  16384
#define PP_TLS_OUT_BYTES 2048
/* 14 KiB less than on a PC, for the smaller record: 49 KiB with an RSA-4096 chain of four. */
#define PP_TLS_ARENA_BYTES        (64 * 1024)
#define PP_TLS_ARENA_MARGIN_BYTES (8 * 1024)
#define PP_TLS_KEPT_BYTES         512
#define PP_TLS_SHARED_ARENA_BYTES (8 * 1024)
#define PP_CA_STORE_BYTES         (16 * 1024)
#define PP_CA_COUNT               8

#define PP_SMARTHOSTS    1
#define PP_PINS          4
#define PP_TLS_POLICIES  1
#define PP_DNS_ADDRESSES 4
#define PP_DNS_SERVICES  1
#define PP_DNS_SERVERS   2
#define PP_DNS_CACHE     2

#endif
