/*
 * profile_host.h - sizes for a daemon on Linux: a router, a NAS, a PC
 *
 * Every pool of the relay is sized here. Costs are RAM; pages that are never touched cost a
 * Linux machine nothing. A build may give any of them by -DNAME=value.
 */
#ifndef PP_PROFILE_HOST_H
#define PP_PROFILE_HOST_H

/* Messages waiting in the queue. 1 to 1,000,000; about 150 bytes each. */
#ifndef PP_QUEUE_MESSAGES
#define PP_QUEUE_MESSAGES 16384
#endif
/* Messages being taken in at once, whatever the way in. 3 to 10000; about 6 KiB each. */
#ifndef PP_QUEUE_WRITERS
#define PP_QUEUE_WRITERS 514
#endif
/* Recipients of one message. 100 to 10000 (RFC 5321 4.5.3.1.8); 2 bytes each a delivery. */
#ifndef PP_RECIPIENTS_MAX
#define PP_RECIPIENTS_MAX 1000
#endif

/* Largest program unit of the flash. 1 to 4096 bytes; one buffer of this size. */
#ifndef PP_STORE_UNIT_MAX
#define PP_STORE_UNIT_MAX 4096
#endif
/* Bytes gathered before they are programmed; a multiple of PP_STORE_UNIT_MAX. */
#ifndef PP_STORE_STAGE_BYTES
#define PP_STORE_STAGE_BYTES 65536
#endif
/* Payload of one record at the most: a chunk of a message. 256 to 32768; two buffers. */
#ifndef PP_STORE_CHUNK_BYTES
#define PP_STORE_CHUNK_BYTES 4096
#endif
/* Bytes read at once where the records of a message are asked for one by one; 0, or 64 to 65536;
 * one buffer of this size. */
#ifndef PP_STORE_AHEAD_BYTES
#define PP_STORE_AHEAD_BYTES 4096
#endif
/* Largest value of the small key-value (a kept session, a token, provisioned configuration), where
 * a half has room for it. 64 to 2048; one buffer of this size and PP_STORE_UNIT_MAX. */
#ifndef PP_KV_VALUE_MAX
#define PP_KV_VALUE_MAX 2048
#endif

/* Records of one block that a mount finds without walking the block; 1 to half of
 * PP_STORE_CHUNK_BYTES; 2 bytes each. A block with more of them is walked. */
#ifndef PP_STORE_SUMMARY_RECORDS
#define PP_STORE_SUMMARY_RECORDS 2048
#endif
/* Blocks of the flash that failed and are known. 1 to 1000; 4 bytes each. */
#ifndef PP_STORE_RETIRED_MAX
#define PP_STORE_RETIRED_MAX 64
#endif
/* Blocks in the log that failed while they were written, and go on in another. 1 to 1000; 12 bytes
 * each. */
#ifndef PP_STORE_CONTINUED_MAX
#define PP_STORE_CONTINUED_MAX 16
#endif

/* Connections in, of submit.sock and all listeners. 1 to 4096; about 50 KiB each. */
#ifndef PP_INTAKE_SESSIONS
#define PP_INTAKE_SESSIONS 512
#endif
/* Connections of control.sock. */
#ifndef PP_CONTROL_SESSIONS
#define PP_CONTROL_SESSIONS 4
#endif
/* Connections out at once. 1 to 16; about 150 KiB each with TLS. */
#ifndef PP_DELIVERY_SESSIONS
#define PP_DELIVERY_SESSIONS 4
#endif

/* Listeners of the relay server, networks of each, users. Of users about 700 bytes each. */
#ifndef PP_LISTENERS
#define PP_LISTENERS 8
#endif
#ifndef PP_LISTENER_NETWORKS
#define PP_LISTENER_NETWORKS 16
#endif
#ifndef PP_USERS
#define PP_USERS 64
#endif
/* Clients that the relay server remembers: connections, failed logins, quotas. 64 bytes each or
 * less. */
#ifndef PP_ACCESS_CLIENTS
#define PP_ACCESS_CLIENTS 1024
#endif
/* TLS connections in at once, PP_TLS_SERVER_ARENA_BYTES each. 0: no TLS for the relay server. */
#ifndef PP_INTAKE_TLS
#define PP_INTAKE_TLS 256
#endif
/*
 * Arena of one of them, a multiple of 16. Measured with the record buffers below, whatever our key:
 * 48 KiB under TLS 1.2, 54 KiB under 1.3, 62 KiB where the client shows an RSA-4096 chain of four.
 */
#ifndef PP_TLS_SERVER_ARENA_BYTES
#define PP_TLS_SERVER_ARENA_BYTES (72 * 1024)
#endif
/*
 * The certificate chain and key of the relay server, parsed, and its PEM text while it is read; two
 * of them. A multiple of 16. Measured: 28 KiB with an RSA-4096 chain of four.
 */
#ifndef PP_TLS_IDENTITY_BYTES
#define PP_TLS_IDENTITY_BYTES (32 * 1024)
#endif

/* The same of the certificate and key that we show to a smarthost. 16: none. */
#ifndef PP_TLS_CLIENT_IDENTITY_BYTES
#define PP_TLS_CLIENT_IDENTITY_BYTES (32 * 1024)
#endif

/* Buffers of one connection. Not less than 1024 (512 of a line, 2.7 KiB of AUTH need more). */
#ifndef PP_LINK_IN_BYTES
#define PP_LINK_IN_BYTES 16384
#endif
#ifndef PP_LINK_OUT_BYTES
#define PP_LINK_OUT_BYTES 32768
#endif

/* TLS record buffers inside mbedTLS. In: 16384 takes any peer's record. */
#ifndef PP_TLS_IN_BYTES
#define PP_TLS_IN_BYTES 16384
#endif
#ifndef PP_TLS_OUT_BYTES
#define PP_TLS_OUT_BYTES 16384
#endif
/*
 * Arena of one TLS connection, a multiple of 16. Measured with the record buffers above (`make
 * tls-memory`): 54 KiB with any chain of EC certificates, 63 KiB with an RSA-4096 chain of four
 * and its root, 78 KiB with the longest chain that a handshake message holds.
 */
#ifndef PP_TLS_ARENA_BYTES
#define PP_TLS_ARENA_BYTES (96 * 1024)
#endif
/* A TLS session kept for the next connection, of each smarthost: secrets and ticket, 256 to 4096
 * bytes. What a server's ticket makes longer is not kept. */
#ifndef PP_TLS_KEPT_BYTES
#define PP_TLS_KEPT_BYTES 1400
#endif
/* So much of it stays free with any usual chain; a test holds it against what it measures. */
#ifndef PP_TLS_ARENA_MARGIN_BYTES
#define PP_TLS_ARENA_MARGIN_BYTES (16 * 1024)
#endif
/* What mbedTLS needs besides (PSA, reading the CA file), a multiple of 16. Measured: 1 KiB. */
#ifndef PP_TLS_SHARED_ARENA_BYTES
#define PP_TLS_SHARED_ARENA_BYTES (8 * 1024)
#endif
/* The CA file as DER, all together, and how many certificates. */
#ifndef PP_CA_STORE_BYTES
#define PP_CA_STORE_BYTES (512 * 1024)
#endif
#ifndef PP_CA_COUNT
#define PP_CA_COUNT 512
#endif

/* Smarthosts in the configuration, pins of each. */
#ifndef PP_SMARTHOSTS
#define PP_SMARTHOSTS 4
#endif
#ifndef PP_PINS
#define PP_PINS 8
#endif
/* [tls_policy] sections; about 1.7 KiB each. */
#ifndef PP_TLS_POLICIES
#define PP_TLS_POLICIES 8
#endif
/* Addresses tried of one host name, servers of one domain by MX or SRV (260 bytes each, five
 * times), name servers. */
#ifndef PP_DNS_ADDRESSES
#define PP_DNS_ADDRESSES 8
#endif
#ifndef PP_DNS_SERVICES
#define PP_DNS_SERVICES 8
#endif
#ifndef PP_DNS_SERVERS
#define PP_DNS_SERVERS 4
#endif
/* Answers of name servers that are remembered; 1 or more, 528 bytes each. */
#ifndef PP_DNS_CACHE
#define PP_DNS_CACHE 16
#endif

#endif
