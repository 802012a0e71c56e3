// SPDX-License-Identifier: GPL-2.0
/*
 * Acknowledgements that wait: they come with the next message to that host, or together when too many
 * wait, or when the server asks; never twice, and never to another host. And those that a peer
 * sends of RPCs of another of its ports.
 */
#include "wire_check.h"

#define SERVER	700	/* the wire's server port */
#define CLIENT	0x9000	/* the wire's client port */
#define HERE	701	/* our server's port */
/* Longer than anything takes that happens at once; shorter than homa_timeout_ticks. */
#define MS	60
/* homa_ack_defer_bytes */
#define DEFER	15000
/* ACKS_WAITING of bpf/homa/work.h */
#define WAITING	4

FIXTURE(acks)
{
	WIRE_MEMBERS;
	uint8_t *buf;
};

WIRE_FAMILIES(acks);

FIXTURE_SETUP(acks)
{
	homa_family = variant->family;
	WIRE_SETUP(HERE);
	self->buf = calloc(1, HOMA_MAX_MESSAGE_LENGTH);
	ASSERT_NE(NULL, self->buf);
	/* What the test before left waiting. */
	ASSERT_TRUE(wire_control(&self->w, HOMA_NEED_ACK, SERVER, self->port, 0x10001));
	ASSERT_TRUE(wire_next_of(&self->w, &self->p, HOMA_ACK, MS));
}

FIXTURE_TEARDOWN(acks)
{
	free(self->buf);
	WIRE_TEARDOWN();
}

/* A request from @fd. What its only packet acknowledges: *@acked and *@port. */
static uint64_t ask(struct __test_metadata *_metadata, FIXTURE_DATA(acks) *self, int fd, uint16_t server,
		    uint64_t *acked, uint16_t *port)
{
	uint64_t id = 0;

	ASSERT_EQ(0, request(fd, server, "hello", 5, &id, 0));
	ASSERT_TRUE(wire_next(&self->w, &self->p, MS));
	check_common(_metadata, &self->p, HOMA_DATA, 56, sock_port(fd), server, id);
	*acked = (uint64_t)at32(&self->p, 36) << 32 | at32(&self->p, 40);
	*port = self->p.homa[44] << 8 | self->p.homa[45];
	return id;
}

static void answer(struct __test_metadata *_metadata, FIXTURE_DATA(acks) *self, int fd, uint16_t server,
		   uint64_t id, uint32_t len)
{
	struct wire_message m = { server, sock_port(fd), id | 1, self->buf, len, len };
	uint64_t got = id;
	uint32_t at;

	for (at = 0; at < len; at += WIRE_SEGMENT)
		ASSERT_TRUE(wire_data(&self->w, &m, at, WIRE_SEGMENT));
	ASSERT_EQ(len, response(fd, self->buf, HOMA_MAX_MESSAGE_LENGTH, &got, NULL));
}

/* An RPC after whose end nothing is said. */
static uint64_t quiet_rpc(struct __test_metadata *_metadata, FIXTURE_DATA(acks) *self, uint64_t acks)
{
	uint64_t acked, id;
	uint16_t port;

	id = ask(_metadata, self, self->fd, SERVER, &acked, &port);
	ASSERT_EQ(acks, acked);
	ASSERT_EQ(acks ? SERVER : 0, port);
	answer(_metadata, self, self->fd, SERVER, id, 5);
	ASSERT_FALSE(wire_next(&self->w, &self->p, MS / 4));
	return id;
}

static uint64_t listed(const struct packet *p, int i)
{
	return p->ack.acks[i].server_port == htons(SERVER) ? be64(p->ack.acks[i].client_id) : 0;
}

TEST_F(acks, come_with_the_next_request)
{
	uint64_t id = quiet_rpc(_metadata, self, 0);

	id = quiet_rpc(_metadata, self, id);
	id = quiet_rpc(_metadata, self, id);
	/* Whichever server of that host it is for. */
	{
		uint64_t acked;
		uint16_t port;
		uint64_t other = ask(_metadata, self, self->fd, SERVER + 1, &acked, &port);

		ASSERT_EQ(id, acked);
		ASSERT_EQ(SERVER, port);
		answer(_metadata, self, self->fd, SERVER + 1, other, 5);
	}
}

TEST_F(acks, come_with_a_response_too)
{
	struct wire_message m = { CLIENT, HERE, 0x5000, (const uint8_t *)"hello", 5, 5 };
	uint64_t id = quiet_rpc(_metadata, self, 0), got = 0;
	union address from;
	size_t len = sizeof(from);
	char in[8];

	ASSERT_TRUE(wire_data(&self->w, &m, 0, 5));
	ASSERT_EQ(5, homa_recv(self->server, in, sizeof(in), HOMA_RECV_REQUEST, &from.sa, &len, &got,
			       NULL, NULL));
	ASSERT_EQ(0, homa_reply(self->server, "done", 4, &from.sa, address_len(), got));
	ASSERT_TRUE(wire_next(&self->w, &self->p, MS));
	check_common(_metadata, &self->p, HOMA_DATA, 56, HERE, CLIENT, 0x5001);
	ASSERT_EQ(id, (uint64_t)at32(&self->p, 36) << 32 | at32(&self->p, 40));
	ASSERT_TRUE(wire_ack(&self->w, CLIENT, HERE, 0x5000));
}

TEST_F(acks, go_together_when_too_many_wait)
{
	uint64_t acked, id[WAITING + 1];
	uint16_t port;
	int i, k;

	for (i = 0; i <= WAITING; i++) {
		id[i] = ask(_metadata, self, self->fd, SERVER, &acked, &port);
		ASSERT_EQ(0, acked);
	}
	for (i = 0; i < WAITING; i++) {
		answer(_metadata, self, self->fd, SERVER, id[i], 5);
		ASSERT_FALSE(wire_next_of(&self->w, &self->p, HOMA_ACK, MS / 8));
	}
	answer(_metadata, self, self->fd, SERVER, id[WAITING], 5);
	ASSERT_TRUE(wire_next(&self->w, &self->p, MS));
	check_common(_metadata, &self->p, HOMA_ACK, 80, self->port, SERVER, id[WAITING]);
	ASSERT_EQ(WAITING, ntohs(self->p.ack.num_acks));
	for (i = 0; i < WAITING; i++) {
		for (k = 0; k < WAITING && listed(&self->p, k) != id[i]; k++)
			;
		ASSERT_NE(WAITING, k) TH_LOG("RPC %d is not acknowledged", i);
	}
	/* And only once. */
	quiet_rpc(_metadata, self, 0);
}

TEST_F(acks, all_that_wait_when_the_server_asks)
{
	uint64_t id[2];

	id[0] = quiet_rpc(_metadata, self, 0);
	id[1] = quiet_rpc(_metadata, self, id[0]);
	ASSERT_TRUE(wire_control(&self->w, HOMA_NEED_ACK, SERVER, self->port, id[0] | 1));
	ASSERT_TRUE(wire_next(&self->w, &self->p, MS));
	check_common(_metadata, &self->p, HOMA_ACK, 80, self->port, SERVER, id[0]);
	ASSERT_EQ(1, ntohs(self->p.ack.num_acks));
	ASSERT_EQ(id[1], listed(&self->p, 0));
	quiet_rpc(_metadata, self, 0);
}

TEST_F(acks, of_a_long_response_do_not_wait)
{
	uint64_t id = quiet_rpc(_metadata, self, 0), acked, longer;
	uint16_t port;

	longer = ask(_metadata, self, self->fd, SERVER, &acked, &port);
	ASSERT_EQ(id, acked);
	/* Another that waits goes along. */
	id = ask(_metadata, self, self->fd, SERVER, &acked, &port);
	answer(_metadata, self, self->fd, SERVER, id, DEFER);
	ASSERT_FALSE(wire_next_of(&self->w, &self->p, HOMA_ACK, MS / 4));
	answer(_metadata, self, self->fd, SERVER, longer, DEFER + 1);
	ASSERT_TRUE(wire_next_of(&self->w, &self->p, HOMA_ACK, MS));
	check_common(_metadata, &self->p, HOMA_ACK, 80, self->port, SERVER, longer);
	ASSERT_EQ(1, ntohs(self->p.ack.num_acks));
	ASSERT_EQ(id, listed(&self->p, 0));
}

/* For this host, one address is one host and another address is another. */
TEST_F(acks, never_go_to_another_host)
{
	uint64_t acked, id = quiet_rpc(_metadata, self, 0), other;
	int fd, family = homa_family;
	struct wire w = {};
	uint16_t port;

	homa_family = family == AF_INET ? AF_INET6 : AF_INET;
	ASSERT_EQ(0, wire_open(&w));
	fd = sock_on(HOST_A, 0);
	ASSERT_LE(0, fd);
	close(self->w.fd);
	self->w = w;
	other = ask(_metadata, self, fd, SERVER, &acked, &port);
	ASSERT_EQ(0, acked);
	answer(_metadata, self, fd, SERVER, other, 5);
	homa_close(fd);
	homa_family = family;
	close(self->w.fd);
	ASSERT_EQ(0, wire_open(&self->w));
	quiet_rpc(_metadata, self, id);
}

/* HomaModule's ids are a host's, and it does not say which of its ports had an RPC. */
TEST_F(acks, are_understood_from_any_port)
{
	struct wire_message m = { CLIENT, HERE, 0x6000, (const uint8_t *)"hello", 5, 5 };
	union address from;
	uint64_t got = 0;
	size_t len = sizeof(from);
	char in[8];
	int i;

	ASSERT_TRUE(wire_data(&self->w, &m, 0, 5));
	ASSERT_EQ(5, homa_recv(self->server, in, sizeof(in), HOMA_RECV_REQUEST, &from.sa, &len, &got,
			       NULL, NULL));
	ASSERT_EQ(0, homa_reply(self->server, "done", 4, &from.sa, address_len(), got));
	ASSERT_EQ(1, map_entries("rpcs"));
	/* In a list, beside one that nobody knows; from another port. */
	wire_common(&self->p, HOMA_ACK, CLIENT + 7, HERE, 0x7654);
	self->p.ack.num_acks = htons(1);
	self->p.ack.acks[0].client_id = be64(0x6000);
	self->p.ack.acks[0].server_port = htons(HERE);
	ASSERT_TRUE(wire_send(&self->w, &self->p, sizeof(self->p.ack)));
	for (i = 0; i < MS && map_entries("rpcs"); i++)
		usleep(1000);
	ASSERT_EQ(0, map_entries("rpcs"));
}

/* But DATA from another port is not part of an RPC. */
TEST_F(acks, another_port_is_another_client)
{
	struct wire_message m = { CLIENT, HERE, 0x6100, (const uint8_t *)"hello", 5, 5 };
	uint64_t known = homa_counter("rpc_server"), got = 0;
	union address from;
	size_t len = sizeof(from);
	char in[8];

	ASSERT_TRUE(wire_data(&self->w, &m, 0, 3));
	m.sport++;
	ASSERT_TRUE(wire_data(&self->w, &m, 3, 2));
	usleep(1000);
	/* Nor is it a new one: no host has two RPCs of one id. */
	ASSERT_EQ(known + 1, homa_counter("rpc_server"));
	m.sport--;
	ASSERT_TRUE(wire_data(&self->w, &m, 3, 2));
	ASSERT_EQ(5, homa_recv(self->server, in, sizeof(in), HOMA_RECV_REQUEST, &from.sa, &len, &got,
			       NULL, NULL));
	ASSERT_EQ(0, memcmp(in, "hello", 5));
	ASSERT_EQ(0, homa_reply(self->server, "done", 4, &from.sa, address_len(), got));
	ASSERT_TRUE(wire_next_of(&self->w, &self->p, HOMA_DATA, MS));
	ASSERT_TRUE(wire_ack(&self->w, CLIENT, HERE, 0x6100));
}

TEST_HARNESS_MAIN_WITH_HOSTS(1500, HOSTS_WIRE, "--set ack_defer_bytes=15000")
