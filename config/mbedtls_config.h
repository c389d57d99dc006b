/*
 * mbedtls_config.h - the part of mbedTLS 3.6 that pinpost uses, and nothing else
 *
 * Job:      TLS 1.2 and 1.3, client and server, certificates, hashes and randomness.
 * Not here: how much memory it gets (config/profile.h), where that memory comes from
 *           (wire/tls_alloc.h), who may call it (wire/tls.c, wire/pin.c, base/crypto.c).
 * Follows:  RFC 8446, RFC 5246 with RFC 7627; suites and groups of RFC 9325
 *
 * mbedTLS is compiled with -DMBEDTLS_CONFIG_FILE='<mbedtls_config.h>', and so is each of
 * our files that includes one of its headers. With quotes in place of the angle brackets
 * mbedTLS would find its own file of that name.
 */
#ifndef PP_MBEDTLS_CONFIG_H
#define PP_MBEDTLS_CONFIG_H

#include "profile.h"
#include "wire/tls_alloc.h"

/* ---- The world: memory, clocks and entropy come from us, files and sockets do not exist ---- */

/* Allocation goes to the arena that wire/tls.c has selected. */
#define MBEDTLS_PLATFORM_C
#define MBEDTLS_PLATFORM_MEMORY
#define MBEDTLS_PLATFORM_CALLOC_MACRO pp_tls_calloc
#define MBEDTLS_PLATFORM_FREE_MACRO   pp_tls_free

/*
 * Certificates are checked against the port's wall clock: mbedtls_platform_set_time() names
 * it; mbedtls_ms_time() and mbedtls_platform_gmtime_r() are defined by us.
 */
#define MBEDTLS_HAVE_TIME
#define MBEDTLS_HAVE_TIME_DATE
#define MBEDTLS_PLATFORM_TIME_ALT
#define MBEDTLS_PLATFORM_MS_TIME_ALT
#define MBEDTLS_PLATFORM_GMTIME_R_ALT

/* Entropy is the port's; mbedtls_psa_external_get_random() is defined by us. */
#define MBEDTLS_NO_PLATFORM_ENTROPY
#define MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG
#define MBEDTLS_CTR_DRBG_C

/* Faster arithmetic and AES where the processor has it; checked when the program runs. */
#define MBEDTLS_HAVE_ASM
#if defined(__x86_64__) || defined(__i386__)
#define MBEDTLS_AESNI_C
#elif defined(__aarch64__)
#define MBEDTLS_AESCE_C
#endif
/* 1: AES stands before ChaCha20 where we choose, as a server. */
#if defined(MBEDTLS_AESNI_C) || defined(MBEDTLS_AESCE_C)
#define PP_TLS_FAST_AES 1
#else
#define PP_TLS_FAST_AES 0
#endif

/* ---- TLS ---- */

#define MBEDTLS_SSL_TLS_C
#define MBEDTLS_SSL_CLI_C
/* Without listeners for TLS wire/tls_server.c and tls_ticket.c compile and are never
 * reached. */
#if PP_INTAKE_TLS > 0
#define MBEDTLS_SSL_SRV_C
#else
#define mbedtls_ssl_conf_session_tickets_cb(conf, write, parse, ctx)   ((void)(conf))
#define mbedtls_ssl_session_get_ticket_creation_time(session, born_ms) (-1)
#endif
#define MBEDTLS_SSL_PROTO_TLS1_2
#define MBEDTLS_SSL_PROTO_TLS1_3
#define MBEDTLS_SSL_TLS1_3_COMPATIBILITY_MODE
#define MBEDTLS_SSL_ALL_ALERT_MESSAGES
#define MBEDTLS_SSL_EXTENDED_MASTER_SECRET
#define MBEDTLS_SSL_SERVER_NAME_INDICATION
/* A client may ask for smaller records (RFC 6066 section 4). */
#define MBEDTLS_SSL_MAX_FRAGMENT_LENGTH
/* The pins and the log need the certificate that the peer sent. */
#define MBEDTLS_SSL_KEEP_PEER_CERTIFICATE

/* Key exchange is ephemeral, always; a PSK is a kept session, never a secret of its own. */
#define MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA_ENABLED
#define MBEDTLS_KEY_EXCHANGE_ECDHE_RSA_ENABLED
#define MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL_ENABLED
#define MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL_ENABLED
/* Their sealing is ours (wire/tls_ticket.c): the library's own allocates while it changes keys. */
#define MBEDTLS_SSL_SESSION_TICKETS

#ifndef PP_TLS_IN_BYTES
#error "PP_TLS_IN_BYTES: the profile must say how large a record we take (16384 takes any)"
#endif
#ifndef PP_TLS_OUT_BYTES
#error "PP_TLS_OUT_BYTES: the profile must say how large a record we send"
#endif
#define MBEDTLS_SSL_IN_CONTENT_LEN  PP_TLS_IN_BYTES
#define MBEDTLS_SSL_OUT_CONTENT_LEN PP_TLS_OUT_BYTES

/* ---- Certificates and keys ---- */

#define MBEDTLS_X509_USE_C
#define MBEDTLS_X509_CRT_PARSE_C
#define MBEDTLS_X509_RSASSA_PSS_SUPPORT
#define MBEDTLS_X509_TRUSTED_CERTIFICATE_CALLBACK
#define MBEDTLS_PK_C
#define MBEDTLS_PK_PARSE_C
#define MBEDTLS_PEM_PARSE_C
#define MBEDTLS_BASE64_C
#define MBEDTLS_ASN1_PARSE_C
#define MBEDTLS_ASN1_WRITE_C
#define MBEDTLS_OID_C

/* ---- Algorithms: what public mail servers use today; no SHA-1, MD5, CBC, DHE, RSA exchange ----
 */

#define MBEDTLS_AES_C
#define MBEDTLS_GCM_C
#define MBEDTLS_CHACHA20_C
#define MBEDTLS_POLY1305_C
#define MBEDTLS_CHACHAPOLY_C
#define MBEDTLS_CIPHER_C
#define MBEDTLS_MD_C
#define MBEDTLS_SHA1_C
#define MBEDTLS_SHA256_C
#define MBEDTLS_SHA384_C
#define MBEDTLS_SHA512_C
#define MBEDTLS_HKDF_C

#define MBEDTLS_BIGNUM_C
#define MBEDTLS_RSA_C
#define MBEDTLS_PKCS1_V15
#define MBEDTLS_PKCS1_V21
#define MBEDTLS_ECP_C
#define MBEDTLS_ECP_NIST_OPTIM
#define MBEDTLS_ECP_DP_CURVE25519_ENABLED
#define MBEDTLS_ECP_DP_SECP256R1_ENABLED
#define MBEDTLS_ECP_DP_SECP384R1_ENABLED
#define MBEDTLS_ECP_DP_SECP521R1_ENABLED
#define MBEDTLS_ECDH_C
#define MBEDTLS_ECDSA_C

/*
 * TLS 1.3 keeps its keys in PSA slots: a fixed table, so that nothing grows. A handshake
 * holds up to four of them, an open connection two.
 */
#define MBEDTLS_PSA_CRYPTO_C
#ifndef PP_TLS_KEY_SLOTS
#define PP_TLS_KEY_SLOTS ((PP_INTAKE_TLS + PP_DELIVERY_SESSIONS) * 4 + 16)
#endif
#define MBEDTLS_PSA_KEY_SLOT_COUNT PP_TLS_KEY_SLOTS

/* The words of an error, for the operator; linked only where they are asked for. */
#define MBEDTLS_ERROR_C
#define MBEDTLS_VERSION_C

#endif
