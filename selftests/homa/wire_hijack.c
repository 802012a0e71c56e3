// SPDX-License-Identifier: GPL-2.0
/*
 * Homa in TCP's clothes: a peer is answered in those that its last packet came in, with a checksum that any
 * TCP would accept.
 */
#include "wire.h"

#define SERVER	700
#define CLIENT	0x9000
#define HERE	701
#define MS	60
#define LONG	100000

FIXTURE(hijack)
{
	WIRE_MEMBERS;
	uint8_t *buf;
};

WIRE_FAMILIES(hijack);

FIXTURE_SETUP(hijack)
{
	homa_family = variant->family;
	WIRE_SETUP(HERE);
	self->buf = malloc(HOMA_MAX_MESSAGE_LENGTH);
	ASSERT_NE(NULL, self->buf);
	fill(self->buf, LONG, 1);
}

FIXTURE_TEARDOWN(hijack)
{
	WIRE_TEARDOWN();
	free(self->buf);
}

/* The next packet of that type, in the clothes that we wear. */
static void next(struct __test_metadata *_metadata, FIXTURE_DATA(hijack) *self, uint8_t type)
{
	struct packet *p = &self->p;

	ASSERT_TRUE(wire_next_of(&self->w, p, type, MS)) TH_LOG("no packet of type 0x%x", type);
	ASSERT_EQ(self->w.dressed ? 6 : 146, p->protocol);
	ASSERT_EQ(type == HOMA_DATA ? 0xe0 : 0x50, p->homa[12]);
	ASSERT_EQ(6, p->homa[13]);
	ASSERT_EQ(0, p->homa[14] | p->homa[15]);
	ASSERT_EQ(0xb9, p->homa[18]);
	ASSERT_EQ(0x7d, p->homa[19]);
	/* Zero without clothes. */
	ASSERT_EQ(0, self->w.dressed ? tcp_checksum(p, p->behind) : p->homa[16] | p->homa[17]);
}

/* Our server gets a request of @len bytes and answers with as many. */
static void serve(struct __test_metadata *_metadata, FIXTURE_DATA(hijack) *self, size_t len)
{
	uint8_t *in = malloc(HOMA_MAX_MESSAGE_LENGTH);
	union address from = {};
	size_t addrlen = sizeof(from);
	uint64_t id = 0;

	ASSERT_EQ(len, homa_recv(self->server, in, HOMA_MAX_MESSAGE_LENGTH, HOMA_RECV_REQUEST,
				 &from.sa, &addrlen, &id, NULL, NULL));
	ASSERT_EQ(0, memcmp(in, self->buf, len));
	ASSERT_EQ(0, homa_reply(self->server, in, len, &from.sa, addrlen, id));
	free(in);
}

/* A short RPC from here; one byte more in each, so that the sum covers odd lengths. */
static void exchange(struct __test_metadata *_metadata, FIXTURE_DATA(hijack) *self, uint64_t id)
{
	uint32_t len = 5 + (id >> 1) % 2;
	struct wire_message m = { CLIENT, HERE, id, self->buf, len, len };

	ASSERT_TRUE(wire_data(&self->w, &m, 0, len));
	serve(_metadata, self, len);
	next(_metadata, self, HOMA_DATA);
	ASSERT_EQ(0, memcmp(self->p.homa + 56, self->buf, len));
	ASSERT_TRUE(wire_resend(&self->w, CLIENT, HERE, id, 0, len, 7));
	next(_metadata, self, HOMA_DATA);
	ASSERT_EQ(1, self->p.data.retransmit);
	ASSERT_TRUE(wire_ack(&self->w, CLIENT, HERE, id));
	ASSERT_RPCS_IDLE(2);
}

static void set(struct __test_metadata *_metadata, const char *value)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "etranctl set homa.hijack_tcp=%s >/dev/null", value);
	ASSERT_EQ(0, system(cmd));
}

/* The first test: of its peer nothing is known. */
TEST_F(hijack, new_peers_get_what_the_tunable_says)
{
	struct wire_message m = { SERVER, self->port, 0, (const uint8_t *)"done", 4, 4 };
	uint64_t id = 0;
	char in[8];

	set(_metadata, "1");
	self->w.dressed = true;
	ASSERT_EQ(0, request(self->fd, SERVER, self->buf, 100, &id, 0));
	next(_metadata, self, HOMA_DATA);
	ASSERT_EQ(0, self->p.data.retransmit);
	/* From here on it is known, and the tunable does not count. */
	self->w.dressed = false;
	m.id = id | 1;
	ASSERT_TRUE(wire_data(&self->w, &m, 0, 4));
	ASSERT_EQ(4, response(self->fd, in, sizeof(in), &id, NULL));
	ASSERT_EQ(0, request(self->fd, SERVER, self->buf, 100, &m.id, 0));
	next(_metadata, self, HOMA_DATA);
	set(_metadata, "0");
	id = m.id;
	m.id |= 1;
	ASSERT_TRUE(wire_data(&self->w, &m, 0, 4));
	ASSERT_EQ(4, response(self->fd, in, sizeof(in), &id, NULL));
}

TEST_F(hijack, is_answered_in_kind_also_when_a_peer_changes)
{
	int i;

	for (i = 0; i < 6; i++) {
		self->w.dressed = !(i & 2);
		exchange(_metadata, self, 0x1000 + 2 * i);
	}
}

/* GRANT, RESEND, RPC_UNKNOWN, CUTOFFS. */
TEST_F(hijack, control_packets_are_in_kind)
{
	struct wire_message m = { CLIENT, HERE, 0x2000, self->buf, LONG, 40000 };
	uint32_t at;

	self->w.dressed = true;
	for (at = 0; at < 40000; at += 1400)
		ASSERT_TRUE(wire_data(&self->w, &m, at, 1400));
	next(_metadata, self, HOMA_GRANT);
	/* Nothing more comes. */
	next(_metadata, self, HOMA_RESEND);
	for (; at < LONG; at += 1400)
		ASSERT_TRUE(wire_data(&self->w, &m, at, 1400));
	serve(_metadata, self, LONG);
	next(_metadata, self, HOMA_DATA);
	ASSERT_TRUE(wire_ack(&self->w, CLIENT, HERE, m.id));
	ASSERT_RPCS_IDLE(2);
	ASSERT_TRUE(wire_resend(&self->w, CLIENT, HERE, 0x3000, 0, 10, 7));
	next(_metadata, self, HOMA_RPC_UNKNOWN);
}

/* An ICMP error is Homa's business only where its quote says so: a quoted TCP is the peer's TCP's. */
TEST_F(hijack, errors_quote_homas_own_protocol)
{
	struct wire_message m = { CLIENT, HERE + 1, 0x3800, self->buf, 5, 5 };
	const bool v6 = homa_family == AF_INET6;
	struct packet *p = &self->p, sent;

	self->w.dressed = true;
	ASSERT_TRUE(wire_data(&self->w, &m, 0, 5));
	ASSERT_TRUE(wire_next(&self->w, p, MS));
	ASSERT_EQ(v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, p->protocol);
	ASSERT_EQ(0, icmp_checksum(p, p->behind));
	ASSERT_LE(8 + WIRE_IP + 28, p->behind);
	/* With the checksum of its own, which wire_frame() makes. */
	wire_common(&sent, HOMA_DATA, m.sport, m.dport, m.id);
	wire_frame(&self->w, &sent, HOMA_IPPROTO, 56 + 5);
	ASSERT_EQ(0, memcmp(p->homa + 8, (uint8_t *)wire_start(&sent) + IP_AT, WIRE_IP));
	ASSERT_EQ(0, memcmp(p->homa + 8 + WIRE_IP + 20, &sent.common.sender_id, 8));
}

/* Our client: a request that is under way when the peer changes goes on in the new clothes. */
TEST_F(hijack, held_frames_follow)
{
	uint64_t id = 0, got;
	struct wire_message m = { SERVER, self->port, 0, (const uint8_t *)"done", 4, 4 };
	char in[8];

	/* Of the last test's peer nothing may be taken for granted. */
	exchange(_metadata, self, 0x4000);
	ASSERT_EQ(0, request(self->fd, SERVER, self->buf, LONG, &id, 0));
	next(_metadata, self, HOMA_DATA);
	ASSERT_EQ(0, self->p.data.offset);
	wire_drain(&self->w);
	self->w.dressed = true;
	ASSERT_TRUE(wire_resend(&self->w, SERVER, self->port, id | 1, 0, 10, 7));
	next(_metadata, self, HOMA_DATA);
	ASSERT_EQ(1, self->p.data.retransmit);
	ASSERT_TRUE(wire_grant(&self->w, SERVER, self->port, id | 1, LONG, 3));
	next(_metadata, self, HOMA_DATA);
	ASSERT_EQ(0, self->p.data.retransmit);
	m.id = id | 1;
	got = id;
	do
		next(_metadata, self, HOMA_DATA);
	while (ntohl(self->p.data.offset) + wire_payload(&self->p) < LONG);
	ASSERT_TRUE(wire_data(&self->w, &m, 0, 4));
	ASSERT_EQ(4, response(self->fd, in, sizeof(in), &got, NULL));
	next(_metadata, self, HOMA_ACK);
}

/* TCP's own reset, and what bears one mark only, is not Homa's. */
TEST_F(hijack, other_tcp_is_the_kernels)
{
	uint64_t before = counter("rx_packets");
	struct packet p;
	int i;

	for (i = 0; i < 3; i++) {
		wire_common(&p, HOMA_RESEND, CLIENT, HERE, 0x5000);
		p.common.flags = i == 0 ? 0x04 : i == 1 ? 0x06 : 0x16;
		p.common.urgent = htons(i == 1 ? HOMA_URGENT + 1 : HOMA_URGENT);
		wire_frame(&self->w, &p, IPPROTO_TCP, sizeof(p.resend));
		p.common.checksum = htons(tcp_checksum(&p, sizeof(p.resend)));
		ASSERT_TRUE(wire_put(&self->w, &p, p.len));
	}
	ASSERT_FALSE(wire_next_of(&self->w, &self->p, HOMA_RPC_UNKNOWN, 5));
	ASSERT_EQ(before, counter("rx_packets"));
	/* That they arrived is known from one that is ours. */
	self->w.dressed = true;
	ASSERT_TRUE(wire_resend(&self->w, CLIENT, HERE, 0x5000, 0, 10, 7));
	next(_metadata, self, HOMA_RPC_UNKNOWN);
	ASSERT_EQ(before + 1, counter("rx_packets"));
}

TEST_HARNESS_MAIN_WITH_HOSTS(1500, HOSTS_WIRE, "")
