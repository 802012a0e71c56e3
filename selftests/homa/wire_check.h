/* SPDX-License-Identifier: GPL-2.0 */
/* What is the same in all packets from HOST_A, field by field. */
#ifndef WIRE_CHECK_H
#define WIRE_CHECK_H

#include "wire.h"

/* A field of 32 bits, by its place: not by a structure that could be wrong in both. */
static inline uint32_t at32(const struct packet *p, int at)
{
	const uint8_t *b = p->homa + at;

	return (uint32_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3];
}

static inline void check_ip(struct __test_metadata *_metadata, const struct packet *p,
			    uint8_t protocol)
{
	uint8_t a[16], b[16];

	ASSERT_EQ(protocol, p->protocol);
	if (homa_family == AF_INET) {
		ASSERT_EQ(0x45, *(const uint8_t *)&p->ip);
		ASSERT_EQ(p->len, IP_AT + ntohs(p->ip.tot_len));
		ASSERT_EQ(0, checksum(&p->ip, sizeof(p->ip)));
		ASSERT_EQ(0, p->ip.frag_off & htons(0x3fff));
		ASSERT_EQ(64, p->ip.ttl);
		ASSERT_EQ(htonl(ADDR_A), p->ip.saddr);
		ASSERT_EQ(htonl(ADDR_B), p->ip.daddr);
		return;
	}
	/* No flow label. */
	ASSERT_EQ(0x60000000 | (uint32_t)p->tos << 20, ntohl(*(const __be32 *)&p->ip6));
	ASSERT_EQ(p->behind, ntohs(p->ip6.payload_len));
	ASSERT_EQ(64, p->ip6.hop_limit);
	inet_pton(AF_INET6, ADDR6_A, a);
	inet_pton(AF_INET6, ADDR6_B, b);
	ASSERT_EQ(0, memcmp(&p->ip6.saddr, a, 16));
	ASSERT_EQ(0, memcmp(&p->ip6.daddr, b, 16));
}

/* What is the same in all packets from HOST_A. */
static inline void check_common(struct __test_metadata *_metadata, const struct packet *p,
				uint8_t type, size_t header, uint16_t sport, uint16_t dport,
				uint64_t id)
{
	check_ip(_metadata, p, HOMA_IPPROTO);
	ASSERT_LE(header, p->behind);
	ASSERT_EQ(type, p->homa[11]);
	ASSERT_EQ(sport, p->homa[0] << 8 | p->homa[1]);
	ASSERT_EQ(dport, p->homa[2] << 8 | p->homa[3]);
	ASSERT_EQ(0, p->homa[8] | p->homa[9] | p->homa[10]);
	ASSERT_EQ(type == HOMA_DATA ? 0xe0 : 0x50, p->homa[12]);
	ASSERT_EQ(6, p->homa[13]);
	ASSERT_EQ(0, p->homa[14] | p->homa[15] | p->homa[16] | p->homa[17]);
	ASSERT_EQ(0xb9, p->homa[18]);
	ASSERT_EQ(0x7d, p->homa[19]);
	ASSERT_EQ(id, be64(p->common.sender_id));
	if (type != HOMA_DATA) {
		ASSERT_EQ(0xe0, p->tos);
		ASSERT_EQ(header, p->behind);
		ASSERT_EQ(0, p->common.sequence);
	}
}

#endif /* WIRE_CHECK_H */
