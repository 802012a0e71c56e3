// SPDX-License-Identifier: GPL-2.0
/*
 * Two hosts of etran that speak to each other in TCP's clothes from the first packet on: RPCs of several
 * sizes, and the kernels' own TCP beside them.
 */
#include "homa_test.h"

#define PORT	100

FIXTURE(hijack)
{
	int client;
	int server;
	uint8_t *buf;
	uint8_t *in;
};

FIXTURE_VARIANT(hijack) { int family; };
FIXTURE_VARIANT_ADD(hijack, ipv4) { .family = AF_INET };
FIXTURE_VARIANT_ADD(hijack, ipv6) { .family = AF_INET6 };

FIXTURE_SETUP(hijack)
{
	homa_family = variant->family;
	self->server = sock_on(HOST_B, PORT);
	ASSERT_LE(0, self->server);
	self->client = sock_on(HOST_A, 0);
	ASSERT_LE(0, self->client);
	self->buf = malloc(HOMA_MAX_MESSAGE_LENGTH);
	self->in = malloc(HOMA_MAX_MESSAGE_LENGTH + 1);
	ASSERT_TRUE(self->buf && self->in);
}

FIXTURE_TEARDOWN(hijack)
{
	homa_close(self->client);
	homa_close(self->server);
	EXPECT_TRUE(!idle(10)) TH_LOG("left: %s", idle(0));
	EXPECT_EQ(0, homa_counter("frame_stale"));
}

static void exchange(struct __test_metadata *_metadata, FIXTURE_DATA(hijack) *self, size_t len)
{
	union address from = {};
	size_t addrlen = sizeof(from);
	uint64_t id = 0, sid = 0;

	fill(self->buf, len, len);
	ASSERT_EQ(0, request(self->client, PORT, self->buf, len, &id, 0));
	ASSERT_EQ(len, homa_recv(self->server, self->in, HOMA_MAX_MESSAGE_LENGTH + 1,
				 HOMA_RECV_REQUEST, &from.sa, &addrlen, &sid, NULL, NULL));
	ASSERT_EQ(-1, wrong(self->in, len, len));
	ASSERT_EQ(0, homa_reply(self->server, self->in, len, &from.sa, addrlen, sid));
	ASSERT_EQ(len, response(self->client, self->in, HOMA_MAX_MESSAGE_LENGTH + 1, &id, NULL));
	ASSERT_EQ(-1, wrong(self->in, len, len));
}

TEST_F(hijack, sizes_both_ways)
{
	static const size_t sizes[] = {
		1, 2, 63, 1403, 1404, 1405, 1423, 1424, 1425, 10000, 39999, 40001, 100000, 1000000,
	};
	uint64_t packets = counter("rx_packets"), hijacked = homa_counter("rx_hijacked");
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		exchange(_metadata, self, sizes[i]);
	ASSERT_RPCS_IDLE(10);
	/* All of them wore TCP's clothes. */
	EXPECT_LT(packets, counter("rx_packets"));
	EXPECT_EQ(counter("rx_packets") - packets, homa_counter("rx_hijacked") - hijacked);
}

TEST_F(hijack, kernel_tcp_works_beside_it)
{
	union address to = address_of(HOST_B, 5000);
	int l, c, s, i, one = 1;
	char got[1000];

	enter(HOST_B);
	l = socket(variant->family, SOCK_STREAM, 0);
	ASSERT_EQ(0, setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	ASSERT_EQ(0, bind(l, &to.sa, address_len()));
	ASSERT_EQ(0, listen(l, 1));
	enter(HOST_A);
	c = socket(variant->family, SOCK_STREAM, 0);
	ASSERT_EQ(0, connect(c, &to.sa, address_len()));
	s = accept(l, NULL, NULL);
	ASSERT_LE(0, s);
	for (i = 0; i < 20; i++) {
		exchange(_metadata, self, 2000);
		ASSERT_EQ(1000, write(c, self->buf, 1000));
		ASSERT_EQ(1000, recv(s, got, 1000, MSG_WAITALL));
		ASSERT_EQ(0, memcmp(got, self->buf, 1000));
	}
	close(c);
	close(s);
	close(l);
}

TEST_HARNESS_MAIN_WITH_HOSTS(1500, HOSTS_BOTH, "--set homa_hijack_tcp=1")
