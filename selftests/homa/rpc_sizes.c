// SPDX-License-Identifier: GPL-2.0
/*
 * Requests and responses of every interesting size arrive complete and unchanged: at and around
 * the packet boundaries, the unscheduled limit, and the largest message. One thread is client and
 * server in turn, so what goes wrong has one place to be.
 */
#include "homa_test.h"

#define PORT		100
#define UNSCHEDULED	40000
#define HEADERS(family)	(((family) == AF_INET ? 20 : 40) + 56)

struct sizes {
	size_t n;
	size_t v[64];
};

static void add(struct sizes *s, size_t size)
{
	s->v[s->n++] = size;
}

static void add_around(struct sizes *s, size_t size)
{
	add(s, size - 1);
	add(s, size);
	add(s, size + 1);
}

/* @seg: bytes of payload a packet */
static void interesting(struct sizes *s, size_t seg)
{
	s->n = 0;
	add(s, 1);
	add(s, 2);
	add_around(s, 64);
	add_around(s, seg);
	add_around(s, 2 * seg);
	add(s, 10000);
	add_around(s, UNSCHEDULED);
	add_around(s, UNSCHEDULED / seg * seg);
	add_around(s, (UNSCHEDULED / seg + 1) * seg);
	add(s, 100000);
	add_around(s, HOMA_MAX_MESSAGE_LENGTH / seg * seg);
	add(s, HOMA_MAX_MESSAGE_LENGTH - 1);
	add(s, HOMA_MAX_MESSAGE_LENGTH);
}

FIXTURE(rpc)
{
	int client;
	int server;
	uint8_t *buf;
	uint8_t *in;
};

FIXTURE_VARIANT(rpc)
{
	int family;
	int mtu;
};

FIXTURE_VARIANT_ADD(rpc, mtu_1500)
{
	.family = AF_INET,
	.mtu = 1500,
};

FIXTURE_VARIANT_ADD(rpc, mtu_1280)
{
	.family = AF_INET,
	.mtu = 1280,
};

FIXTURE_VARIANT_ADD(rpc, ipv6_mtu_1500)
{
	.family = AF_INET6,
	.mtu = 1500,
};

FIXTURE_VARIANT_ADD(rpc, ipv6_mtu_1280)
{
	.family = AF_INET6,
	.mtu = 1280,
};

FIXTURE_SETUP(rpc)
{
	char cmd[128];

	homa_family = variant->family;
	snprintf(cmd, sizeof(cmd),
		 "ip -n homa_a link set v0 mtu %d && ip -n homa_b link set v0 mtu %d",
		 variant->mtu, variant->mtu);
	ASSERT_EQ(0, system(cmd));
	self->server = sock_on(HOST_B, PORT);
	ASSERT_LE(0, self->server);
	self->client = sock_on(HOST_A, 0);
	ASSERT_LE(0, self->client);
	self->buf = malloc(HOMA_MAX_MESSAGE_LENGTH);
	self->in = malloc(HOMA_MAX_MESSAGE_LENGTH + 1);
	ASSERT_TRUE(self->buf && self->in);
}

FIXTURE_TEARDOWN(rpc)
{
	homa_close(self->client);
	homa_close(self->server);
	EXPECT_TRUE(!idle(10)) TH_LOG("left: %s", idle(0));
	EXPECT_EQ(0, homa_counter("frame_stale"));
}

/* One RPC. Return: true if all was as it has to be. */
static bool exchange(struct __test_metadata *_metadata, FIXTURE_DATA(rpc) *self, size_t request_len,
		     size_t response_len, uint64_t seed)
{
	union address from = {}, a = address_of(HOST_A, sock_port(self->client));
	union address b = address_of(HOST_B, PORT);
	size_t addrlen = sizeof(from), msglen = 0;
	uint64_t id = 0, sid = 0, cookie = 0;
	ssize_t n;

	fill(self->buf, request_len, seed);
	EXPECT_EQ(0, request(self->client, PORT, self->buf, request_len, &id, ~seed));
	n = homa_recv(self->server, self->in, HOMA_MAX_MESSAGE_LENGTH + 1, HOMA_RECV_REQUEST,
		      &from.sa, &addrlen, &sid, &msglen, NULL);
	EXPECT_EQ(request_len, n) TH_LOG("request of %zu: errno %d", request_len, errno);
	EXPECT_EQ(request_len, msglen);
	EXPECT_EQ(-1, wrong(self->in, request_len, seed));
	EXPECT_EQ(1, sid & 1);
	EXPECT_EQ(address_len(), addrlen);
	EXPECT_TRUE(address_is(&a, &from));

	fill(self->buf, response_len, ~seed);
	EXPECT_EQ(0, homa_reply(self->server, self->buf, response_len, &from.sa,
				addrlen, sid));
	sid = id;
	addrlen = sizeof(from);
	n = homa_recv(self->client, self->in, HOMA_MAX_MESSAGE_LENGTH + 1, HOMA_RECV_RESPONSE,
		      &from.sa, &addrlen, &sid, &msglen, &cookie);
	EXPECT_EQ(response_len, n) TH_LOG("response of %zu: errno %d", response_len, errno);
	EXPECT_EQ(response_len, msglen);
	EXPECT_EQ(id, sid);
	EXPECT_EQ(~seed, cookie);
	EXPECT_EQ(-1, wrong(self->in, response_len, ~seed));
	EXPECT_TRUE(address_is(&b, &from));
	return !_metadata->exit_code;
}

TEST_F(rpc, same_size_both_ways)
{
	struct sizes s = {};
	size_t i;

	interesting(&s, variant->mtu - HEADERS(variant->family));
	for (i = 0; i < s.n; i++)
		ASSERT_TRUE(exchange(_metadata, self, s.v[i], s.v[i], s.v[i]))
			TH_LOG("%zu bytes each way", s.v[i]);
}

TEST_F(rpc, asymmetric)
{
	static const size_t v[][2] = {
		{ 1, HOMA_MAX_MESSAGE_LENGTH }, { HOMA_MAX_MESSAGE_LENGTH, 1 },
		{ 32, 100000 }, { 100000, 32 }, { 1, UNSCHEDULED + 1 }, { UNSCHEDULED + 1, 1 },
		{ 1424, 1425 }, { 777, 200001 }, { 500000, 3000 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(v); i++)
		ASSERT_TRUE(exchange(_metadata, self, v[i][0], v[i][1], i))
			TH_LOG("%zu bytes, response of %zu", v[i][0], v[i][1]);
}

/* Sizes that nobody thought of, from a fixed seed. */
TEST_F(rpc, random_sizes)
{
	unsigned int seed = 7;
	int i;

	for (i = 0; i < 60; i++) {
		size_t a = 1 + rand_r(&seed) % (i % 3 ? 6000 : 150000);
		size_t b = 1 + rand_r(&seed) % (i % 5 ? 6000 : 150000);

		ASSERT_TRUE(exchange(_metadata, self, a, b, i))
			TH_LOG("%zu bytes, response of %zu", a, b);
	}
}

TEST_HARNESS_MAIN_WITH_HOSTS(1500, HOSTS_BOTH, "")
