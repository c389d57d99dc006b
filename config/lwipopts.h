/*
 * lwipopts.h - lwIP 2.2 for a relay on a microcontroller: no OS, no heap, pools only
 *
 * Job:      IPv4 and IPv6, TCP, UDP, DHCP over one Ethernet interface.
 * Not here: the driver (boards/), the streams (port/lwip/), DNS (wire/dns.c is the relay's own).
 * Follows:  lwIP's opt.h; each value stands with its unit and what it costs
 */
#ifndef PP_LWIPOPTS_H
#define PP_LWIPOPTS_H

/* ---- No OS: one thread calls in, so nothing is locked ---- */
#define NO_SYS               1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN         0
#define LWIP_SOCKET          0

/* ---- Memory: every object from a pool of its own, the byte heap for TCP's send data only ---- */
#define MEM_LIBC_MALLOC         0
#define MEMP_MEM_MALLOC         0
#define MEM_ALIGNMENT           8
#define MEM_SIZE                (16 * 1024) /* bytes: what TCP holds until it is acknowledged */
#define MEMP_NUM_PBUF           16
#define MEMP_NUM_UDP_PCB        4 /* DHCP and up to three DNS questions */
#define MEMP_NUM_TCP_PCB        8 /* streams in and out, those in TIME-WAIT included */
#define MEMP_NUM_TCP_PCB_LISTEN 3
#define MEMP_NUM_TCP_SEG        (2 * TCP_SND_QUEUELEN)

/* ---- TCP: the windows of all streams fit the packet pool ---- */
#define TCP_MSS            1460
#define TCP_WND            (2 * TCP_MSS) /* bytes in flight towards us, a stream */
#define TCP_SND_BUF        (4 * TCP_MSS) /* bytes in flight from us, a stream */
#define TCP_SND_QUEUELEN   16
#define TCP_QUEUE_OOSEQ    0
#define TCP_LISTEN_BACKLOG 1
#define LWIP_TCP_KEEPALIVE 1
#define PBUF_POOL_SIZE     24 /* frames; about 1.5 KiB each */
#define PBUF_POOL_BUFSIZE  LWIP_MEM_ALIGN_SIZE(TCP_MSS + 60 + PBUF_LINK_HLEN)

/* ---- Protocols ---- */
#define LWIP_ARP          1
#define LWIP_ETHERNET     1
#define LWIP_IPV4         1
#define LWIP_IPV6         1
#define LWIP_ICMP         1
#define LWIP_ICMP6        1
#define LWIP_UDP          1
#define LWIP_TCP          1
#define LWIP_RAW          0
#define LWIP_DHCP         1
#define LWIP_DNS          0
#define LWIP_IGMP         0
#define LWIP_IPV6_MLD     1 /* neighbour discovery behind switches that snoop */
#define IP_REASSEMBLY     0
#define IP_FRAG           0
#define LWIP_IPV6_REASS   0
#define LWIP_IPV6_FRAG    0
#define LWIP_SINGLE_NETIF 1
#define LWIP_STATS        0

#if PBUF_POOL_SIZE * TCP_MSS < MEMP_NUM_TCP_PCB * TCP_WND
#error "PBUF_POOL_SIZE: raise it until the windows of all TCP streams fit the packet pool"
#endif

#endif
