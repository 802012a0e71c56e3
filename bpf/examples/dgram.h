/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* dgram, the example transport: what its BPF programs and applications share. See dgram.bpf.c. */
#ifndef _EXAMPLES_DGRAM_H
#define _EXAMPLES_DGRAM_H

#include <linux/types.h>

#define DGRAM_NAME	"dgram"
#define DGRAM_PROTO	254	/* RFC 3692: for experiments */

/**
 * struct dgram_req - request: send the payload behind it as one datagram. In struct etran_req.data.
 * @daddr: to this address, IPv6, or IPv4 as ::ffff:a.b.c.d
 * @dport: and this port, host byte order
 * @reserved: zero
 */
struct dgram_req {
	__u8 daddr[16];
	__u16 dport;
	__u16 reserved[3];
};

/**
 * struct dgram_rec - a datagram was received, its payload is behind it. In struct etran_rec.data.
 * @saddr: from this address
 * @sport: and this port, host byte order
 * @reserved: zero
 * @seq: its number: each sender counts what it sends to one address and port, from 1 on
 */
struct dgram_rec {
	__u8 saddr[16];
	__u16 sport;
	__u16 reserved;
	__u32 seq;
};

#endif /* _EXAMPLES_DGRAM_H */
