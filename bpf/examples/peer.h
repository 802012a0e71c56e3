/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For filters: who is at the other end of a packet? IPv4 addresses are kept as IPv6 ones
 * (::ffff:a.b.c.d), so that one map has both.
 */
#ifndef _EXAMPLES_PEER_H
#define _EXAMPLES_PEER_H

#include "etran.bpf.h"

/**
 * struct peer - an address, network byte order
 * @b: its bytes
 */
struct peer {
	__u8 b[16];
};

/**
 * peer_of - the other end of a packet: destination on egress, source on ingress
 * @pkt: the packet
 * @hdr: its headers
 * @peer: set
 *
 * Return: 4 or 6, the IP version; 0 for neither, with @peer all zero.
 */
static __always_inline int peer_of(const struct etran_filter_pkt *pkt, const struct etran_hdr *hdr,
				   struct peer *peer)
{
	int out = pkt->direction == ETRAN_FILTER_EGRESS;

	__builtin_memset(peer, 0, sizeof(*peer));
	switch (hdr->b[0] >> 4) {
	case 4:
		peer->b[10] = 0xff;
		peer->b[11] = 0xff;
		if (out)
			__builtin_memcpy(&peer->b[12], &hdr->b[16], 4);
		else
			__builtin_memcpy(&peer->b[12], &hdr->b[12], 4);
		return 4;
	case 6:
		if (out)
			__builtin_memcpy(peer->b, &hdr->b[24], 16);
		else
			__builtin_memcpy(peer->b, &hdr->b[8], 16);
		return 6;
	}
	return 0;
}

#endif /* _EXAMPLES_PEER_H */
