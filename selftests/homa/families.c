// SPDX-License-Identifier: GPL-2.0
/*
 * IPv4 and IPv6 beside each other: AF_INET6 sockets reach hosts over both, AF_INET ones over IPv4 alone, and
 * neither takes a packet of one for one of the other.
 */
#include "wire.h"

#define PORT	100

FIXTURE(families)
{
	int server;
	int client;
};

FIXTURE_SETUP(families)
{
	self->server = -1;
	self->client = -1;
}

FIXTURE_TEARDOWN(families)
{
	if (self->client >= 0)
		homa_close(self->client);
	if (self->server >= 0)
		homa_close(self->server);
	EXPECT_TRUE(!idle(10)) TH_LOG("left: %s", idle(0));
}

static void sockets(struct __test_metadata *_metadata, FIXTURE_DATA(families) *self, int client,
		    int server)
{
	homa_family = server;
	self->server = sock_on(HOST_B, PORT);
	ASSERT_LE(0, self->server);
	homa_family = client;
	self->client = sock_on(HOST_A, 0);
	ASSERT_LE(0, self->client);
}

static union address in6(struct __test_metadata *_metadata, const char *host, uint16_t port)
{
	union address a = { .in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) } };

	ASSERT_EQ(1, inet_pton(AF_INET6, host, &a.in6.sin6_addr));
	return a;
}

/* An RPC of several packets each way to @to; *@from is what the server saw, *@back what the client did. */
static void exchange(struct __test_metadata *_metadata, FIXTURE_DATA(families) *self,
		     const union address *to, socklen_t len, union address *from,
		     union address *back)
{
	static uint8_t out[60000], in[60000];
	size_t from_len = sizeof(*from), back_len = sizeof(*back);
	uint64_t id, sid = 0;

	fill(out, sizeof(out), 3);
	ASSERT_EQ(0, homa_send(self->client, out, sizeof(out), &to->sa, len, &id, 0, 0))
		TH_LOG("%s", etran_strerror_detail());
	ASSERT_EQ(sizeof(in), homa_recv(self->server, in, sizeof(in), HOMA_RECV_REQUEST, &from->sa,
					&from_len, &sid, NULL, NULL));
	ASSERT_EQ(-1, wrong(in, sizeof(in), 3));
	ASSERT_EQ(0, homa_reply(self->server, in, sizeof(in), &from->sa, from_len, sid));
	ASSERT_EQ(sizeof(in), homa_recv(self->client, in, sizeof(in), 0, &back->sa, &back_len, &id,
					NULL, NULL));
	ASSERT_EQ(-1, wrong(in, sizeof(in), 3));
}

TEST_F(families, ipv6_server_has_clients_of_both)
{
	union address from, back, b;

	sockets(_metadata, self, AF_INET, AF_INET6);
	b = address_of(HOST_B, PORT);
	exchange(_metadata, self, &b, sizeof(b.in), &from, &back);
	ASSERT_TRUE(address_is(&b, &back));
	b = in6(_metadata, "::ffff:10.77.0.1", sock_port(self->client));
	ASSERT_TRUE(address_is(&b, &from));
	homa_close(self->client);
	homa_family = AF_INET6;
	self->client = sock_on(HOST_A, 0);
	b = address_of(HOST_B, PORT);
	exchange(_metadata, self, &b, sizeof(b.in6), &from, &back);
	ASSERT_TRUE(address_is(&b, &back));
	b = in6(_metadata, ADDR6_A, sock_port(self->client));
	ASSERT_TRUE(address_is(&b, &from));
}

TEST_F(families, ipv6_client_reaches_servers_of_both)
{
	union address from, back, b = in6(_metadata, "::ffff:10.77.0.2", PORT);

	sockets(_metadata, self, AF_INET6, AF_INET);
	exchange(_metadata, self, &b, sizeof(b.in6), &from, &back);
	ASSERT_TRUE(address_is(&b, &back));
	ASSERT_EQ(AF_INET, from.sa.sa_family);
	ASSERT_EQ(htonl(ADDR_A), from.in.sin_addr.s_addr);
}

/* It could not tell its application who asks. */
TEST_F(families, ipv4_server_is_no_server_over_ipv6)
{
	uint64_t id;
	char in[8];

	sockets(_metadata, self, AF_INET6, AF_INET);
	ASSERT_EQ(0, request(self->client, PORT, "hello", 5, &id, 0));
	ASSERT_EQ(-1, response(self->client, in, sizeof(in), &id, NULL));
	ASSERT_EQ(ENOTCONN, errno);
}

/* The scope id is the device's that the socket is on. */
TEST_F(families, link_local_addresses)
{
	union address from, back, b;
	char host[INET6_ADDRSTRLEN];
	FILE *f;

	sockets(_metadata, self, AF_INET6, AF_INET6);
	f = popen("ip -n homa_b -6 -o addr show dev v0 scope link | sed 's/.*inet6 \\([^/]*\\).*/\\1/'", "r");
	ASSERT_NE(NULL, f);
	ASSERT_EQ(1, fscanf(f, "%45s", host));
	pclose(f);
	b = in6(_metadata, host, PORT);
	exchange(_metadata, self, &b, sizeof(b.in6), &from, &back);
	ASSERT_TRUE(address_is(&b, &back));
	ASSERT_EQ(htons(0xfe80), from.in6.sin6_addr.s6_addr16[0]);
	enter(HOST_A);
	ASSERT_EQ(if_nametoindex("v0"), back.in6.sin6_scope_id);
	enter(HOST_B);
	ASSERT_EQ(if_nametoindex("v0"), from.in6.sin6_scope_id);
}

/* An IPv4 address as the source of an IPv6 packet would be a way to answer in another host's name. */
TEST_F(families, disguised_addresses_are_refused)
{
	static const char * const v[] = { "::ffff:10.77.0.2", "::", "::1", "::10.77.0.2" };
	uint64_t before = homa_counter("rx_bad_addr"), dropped = counter("rx_dropped");
	struct sockaddr_in to = addr_of(HOST_B, PORT);
	struct packet p;
	struct wire w = {};
	uint64_t id;
	size_t i;
	int k;

	/* It does not answer. */
	sockets(_metadata, self, AF_INET, AF_INET);
	ASSERT_EQ(0, homa_send(self->client, "x", 1, (struct sockaddr *)&to, sizeof(to), &id, 0, 0));
	homa_family = AF_INET6;
	ASSERT_EQ(0, wire_open(&w));
	for (i = 0; i < ARRAY_SIZE(v); i++) {
		wire_common(&p, HOMA_DATA, PORT, sock_port(self->client), id | 1);
		p.data.message_length = htonl(4);
		memcpy(p.homa + 56, "fake", 4);
		wire_frame(&w, &p, HOMA_IPPROTO, 60);
		ASSERT_EQ(1, inet_pton(AF_INET6, v[i], &p.ip6.saddr));
		ASSERT_TRUE(wire_put(&w, &p, p.len));
	}
	for (k = 0; k < 1000 && counter("rx_dropped") < dropped + ARRAY_SIZE(v); k++)
		usleep(1000);
	ASSERT_EQ(dropped + ARRAY_SIZE(v), counter("rx_dropped"));
	/* The module drops some of them itself. */
	ASSERT_LT(before, homa_counter("rx_bad_addr"));
	ASSERT_EQ(-1, homa_recv(self->client, &p, 4, HOMA_RECV_NONBLOCKING, NULL, NULL, &id, NULL, NULL));
	ASSERT_EQ(EAGAIN, errno);
	close(w.fd);
}

TEST_HARNESS_MAIN_WITH_HOSTS(1500, HOSTS_BOTH, "")
