// SPDX-License-Identifier: GPL-2.0
/*
 * A table that is full but for some slots: there is a place in the index for each connection, also for those whose bucket has
 * more than its share, which some are with any checksum (bpf/tcp/table.h). And connections whose keys have the same checksum,
 * as two of some 100,000 have: here the factors are such that all have it which lead to one listener.
 */
#define OBJECT		"tcp"
/* Both ends of each are in the table, which has 16,384 slots. */
#define CONNS_USUALLY	8150
#include "scale.c"
#include "../hash_factors.h"

/* What bpf/hash.h multiplies words with: the link device, both ports, the peer's address, the local one. */
#define FACTORS		(1 + 10)

TEST(equal_checksums)
{
	/* The checksum is the peer's address plus its port: all that one host has to a listener are the same to it. */
	const uint64_t equal[FACTORS] = { 1, [2] = 1ULL << 48, [6] = 1ULL << 32 }, none[FACTORS] = {};
	union address addr = address_of(HOST_B, PORT);
	struct etran_socket *l, *to[4], *from[4];
	struct etran_tcp *a, *b;
	uint8_t c;
	int i;

	ASSERT_EQ(0, hash_factors_set("tcp", equal, FACTORS)) TH_LOG("not found");
	b = context_with(HOST_B, 256, 4096);
	ASSERT_NE(NULL, b);
	l = etran_socket(b, family, 0);
	ASSERT_NE(NULL, l);
	ASSERT_EQ(0, etran_bind(l, &addr.sa, address_len()));
	ASSERT_EQ(0, etran_listen(l, 64)) TH_LOG("%s", etran_strerror_detail());
	a = context_with(HOST_A, 256, 4096);
	ASSERT_NE(NULL, a);
	for (i = 0; i < 4; i++) {
		to[i] = etran_socket(a, family, 0);
		ASSERT_NE(NULL, to[i]);
		ASSERT_EQ(0, etran_connect(to[i], &addr.sa, address_len())) TH_LOG("connection %d: %s", i, etran_strerror_detail());
		from[i] = etran_accept(l, NULL, NULL, 0);
		ASSERT_NE(NULL, from[i]);
	}
	/* And each is found. */
	for (i = 0; i < 4; i++) {
		c = 10 + i;
		ASSERT_EQ(1, etran_send(to[i], &c, 1, 0));
		ASSERT_EQ(1, etran_recv(from[i], &c, 1, 0));
		ASSERT_EQ(10 + i, c);
		c = 20 + i;
		ASSERT_EQ(1, etran_send(from[i], &c, 1, 0));
		ASSERT_EQ(1, etran_recv(to[i], &c, 1, 0));
		ASSERT_EQ(20 + i, c);
	}
	ASSERT_EQ(8, conns_used());
	EXPECT_EQ(0, tcp_counter("rx_syn_dropped"));
	etran_tcp_close(a);
	etran_tcp_close(b);
	EXPECT_TRUE(idle(0, 60));
	/* So that others would not find it so. */
	EXPECT_EQ(0, hash_factors_set("tcp", none, FACTORS));
}
