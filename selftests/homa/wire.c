// SPDX-License-Identifier: GPL-2.0
/*
 * Homa on the wire: what this side sends, field by field, and what it makes of packets that
 * HomaModule sends, or could. The peer is this program with a packet socket (wire.h).
 */
#include "wire_check.h"

#define SERVER	700	/* the wire's server port */
#define CLIENT	0x9000	/* the wire's client port */
#define HERE	701	/* our server's port */
/* Longer than anything takes that happens at once; shorter than homa_timeout_ticks. */
#define MS	60
#define UNSCHEDULED	40000

FIXTURE(wire)
{
	WIRE_MEMBERS;
	uint8_t *buf;
};

WIRE_FAMILIES(wire);

FIXTURE_SETUP(wire)
{
	homa_family = variant->family;
	WIRE_SETUP(HERE);
	self->buf = malloc(HOMA_MAX_MESSAGE_LENGTH);
	ASSERT_NE(NULL, self->buf);
}

FIXTURE_TEARDOWN(wire)
{
	WIRE_TEARDOWN();
}

/* The next packet is DATA, and this; @first: no answer to a RESEND. */
static void check_data(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self, uint64_t id,
		       uint16_t sport, uint16_t dport, uint32_t len, uint32_t offset, bool first,
		       uint8_t tos)
{
	struct packet *p = &self->p;
	size_t n = len - offset < WIRE_SEGMENT ? len - offset : WIRE_SEGMENT;

	ASSERT_TRUE(wire_next(&self->w, p, MS)) TH_LOG("no DATA at %u", offset);
	check_common(_metadata, p, HOMA_DATA, 56, sport, dport, id);
	ASSERT_EQ(offset, at32(p, 4));
	ASSERT_EQ(len, at32(p, 28));
	ASSERT_EQ(0, at32(p, 36) | at32(p, 40) | p->homa[44] | p->homa[45]);
	ASSERT_EQ(!first, p->homa[48]);
	ASSERT_EQ(0, p->homa[49] | p->homa[50] | p->homa[51]);
	ASSERT_EQ(offset, at32(p, 52));
	ASSERT_EQ(n, wire_payload(p));
	ASSERT_EQ(0, memcmp(p->homa + 56, self->buf + offset, n));
	ASSERT_EQ(tos, p->tos);
}

static uint64_t send_request(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self, size_t len)
{
	uint64_t id = 0;

	fill(self->buf, len, len);
	ASSERT_EQ(0, request(self->fd, SERVER, self->buf, len, &id, 0));
	ASSERT_NE(0, id);
	ASSERT_EQ(0, id & 1);
	return id;
}

/* Answer a request by hand; the client must acknowledge it. */
static void respond(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self, uint64_t id)
{
	struct wire_message m = { SERVER, self->port, id | 1, (const uint8_t *)"done", 4, 4 };
	uint64_t got = id;
	char in[8];

	ASSERT_TRUE(wire_data(&self->w, &m, 0, 4));
	ASSERT_EQ(4, response(self->fd, in, sizeof(in), &got, NULL)) TH_LOG("errno %d", errno);
	ASSERT_EQ(0, memcmp(in, "done", 4));
	ASSERT_TRUE(wire_next_of(&self->w, &self->p, HOMA_ACK, MS));
	check_common(_metadata, &self->p, HOMA_ACK, 80, self->port, SERVER, id);
	ASSERT_EQ(0, self->p.ack.num_acks);
}

/* A request by hand, its only packet. */
static struct wire_message send_short(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self,
				      uint64_t id)
{
	struct wire_message m = { CLIENT, HERE, id, (const uint8_t *)"hello", 5, 5 };

	ASSERT_TRUE(wire_data(&self->w, &m, 0, 5));
	return m;
}

/* Our server receives; @len bytes are expected. */
static union address take(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self,
			       uint64_t id, const void *what, size_t len)
{
	uint8_t *in = malloc(HOMA_MAX_MESSAGE_LENGTH);
	union address from = {}, b = address_of(HOST_B, CLIENT);
	size_t addrlen = sizeof(from);
	uint64_t sid = 0;
	ssize_t n;

	n = homa_recv(self->server, in, HOMA_MAX_MESSAGE_LENGTH, HOMA_RECV_REQUEST,
		      &from.sa, &addrlen, &sid, NULL, NULL);
	ASSERT_EQ(len, n);
	ASSERT_EQ(0, memcmp(in, what, len));
	ASSERT_EQ(id | 1, sid);
	ASSERT_TRUE(address_is(&b, &from));
	free(in);
	return from;
}

static void reply_to(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self,
		     const union address *to, uint64_t id, size_t len)
{
	fill(self->buf, len, id);
	ASSERT_EQ(0, homa_reply(self->server, self->buf, len, &to->sa, address_len(), id | 1));
}

/* Answer our server's response, so that it forgets the RPC. */
static void acknowledge(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self, uint64_t id)
{
	ASSERT_TRUE(wire_ack(&self->w, CLIENT, HERE, id));
	ASSERT_RPCS_IDLE(2);
}

TEST_F(wire, data_header_of_one_packet)
{
	uint64_t id = send_request(_metadata, self, 100);

	check_data(_metadata, self, id, self->port, SERVER, 100, 0, true, 0xc0);
	ASSERT_EQ(0, memcmp(self->w.mac, (uint8_t *)wire_start(&self->p) + ETH_ALEN, ETH_ALEN));
	ASSERT_EQ(100, at32(&self->p, 32));
	ASSERT_EQ(0, self->p.data.cutoff_version);
	respond(_metadata, self, id);
}

TEST_F(wire, data_headers_of_several_packets)
{
	uint64_t id = send_request(_metadata, self, 5000);
	uint32_t at;

	for (at = 0; at < 5000; at += WIRE_SEGMENT) {
		check_data(_metadata, self, id, self->port, SERVER, 5000, at, true, 0xc0);
		ASSERT_EQ(5000, at32(&self->p, 32));
	}
	respond(_metadata, self, id);
}

/* Servers tell clients apart by their ids, also those of an earlier boot. */
TEST_F(wire, ids_begin_at_random)
{
	uint64_t a, b, c;
	int other;

	a = send_request(_metadata, self, 1);
	b = send_request(_metadata, self, 1);
	ASSERT_EQ(a + 2, b);
	other = sock_on(HOST_A, 0);
	ASSERT_EQ(0, request(other, SERVER, "x", 1, &c, 0));
	ASSERT_EQ(0, c & 1);
	ASSERT_LT(1000, a > c ? a - c : c - a);
	homa_close(other);
}

TEST_F(wire, sends_what_is_unscheduled_then_what_is_granted)
{
	const uint32_t len = 100000;
	uint64_t id = send_request(_metadata, self, len);
	uint32_t at = 0, granted = UNSCHEDULED;

	for (; at < granted; at += WIRE_SEGMENT) {
		check_data(_metadata, self, id, self->port, SERVER, len, at, true, 0xc0);
		ASSERT_LE(granted, at32(&self->p, 32));
		ASSERT_GT(granted + WIRE_SEGMENT, at32(&self->p, 32));
	}
	ASSERT_FALSE(wire_next_of(&self->w, &self->p, HOMA_DATA, 3));
	granted = 60000;
	ASSERT_TRUE(wire_grant(&self->w, SERVER, self->port, id | 1, granted, 3));
	for (; at < granted; at += WIRE_SEGMENT)
		check_data(_metadata, self, id, self->port, SERVER, len, at, true, 3 << 5);
	/* Less than before, the same again, and for somebody else: nothing happens. */
	ASSERT_TRUE(wire_grant(&self->w, SERVER, self->port, id | 1, 50000, 3));
	ASSERT_TRUE(wire_grant(&self->w, SERVER, self->port, id | 1, granted, 3));
	ASSERT_TRUE(wire_grant(&self->w, SERVER + 1, self->port, id | 1, len, 3));
	ASSERT_TRUE(wire_grant(&self->w, SERVER, self->port, (id + 2) | 1, len, 3));
	ASSERT_FALSE(wire_next_of(&self->w, &self->p, HOMA_DATA, 3));
	/* More than there is. */
	ASSERT_TRUE(wire_grant(&self->w, SERVER, self->port, id | 1, 0xffffffff, 0));
	for (; at < len; at += WIRE_SEGMENT)
		check_data(_metadata, self, id, self->port, SERVER, len, at, true, 0);
	respond(_metadata, self, id);
}

/* GRANTs go up, by enough to be worth a packet, and not beyond the window. */
TEST_F(wire, grants_what_it_can_take)
{
	const uint32_t len = 500000, window = 200000, step = 10000;
	uint32_t at = 0, granted = UNSCHEDULED, now, grants = 0;
	struct wire_message m = { CLIENT, HERE, 0x1234560, self->buf, len, UNSCHEDULED };
	struct packet *p = &self->p;
	union address from;
	uint8_t *in;

	fill(self->buf, len, 1);
	for (;;) {
		for (; at < granted && at < len; at += WIRE_SEGMENT)
			ASSERT_TRUE(wire_data(&self->w, &m, at, WIRE_SEGMENT));
		if (at >= len)
			break;
		ASSERT_TRUE(wire_next(&self->w, p, MS)) TH_LOG("no GRANT after %u bytes", at);
		check_common(_metadata, p, HOMA_GRANT, 33, HERE, CLIENT, m.id | 1);
		now = at32(p, 28);
		ASSERT_LT(granted, now);
		ASSERT_TRUE(now == len || now >= granted + step) TH_LOG("%u after %u", now, granted);
		ASSERT_GE(at + window, now);
		ASSERT_GE(len, now);
		/* Nobody else wants any: the lowest. */
		ASSERT_EQ(0, p->grant.priority);
		granted = now;
		grants++;
	}
	ASSERT_EQ(len, granted);
	ASSERT_GE(len / step, grants);
	in = malloc(len);
	memcpy(in, self->buf, len);
	from = take(_metadata, self, m.id, in, len);
	free(in);
	/* Nothing was asked for twice. */
	ASSERT_FALSE(wire_next(&self->w, p, 3)) TH_LOG("packet of type %x", p->common.type);
	reply_to(_metadata, self, &from, m.id, 3000);
	for (at = 0; at < 3000; at += WIRE_SEGMENT)
		check_data(_metadata, self, m.id | 1, HERE, CLIENT, 3000, at, true, 0xc0);
	acknowledge(_metadata, self, m.id);
}

TEST_F(wire, asks_after_silence_and_gives_up)
{
	uint64_t id = send_request(_metadata, self, 5000), got = id, t0;
	int resends = 0;

	while (wire_next(&self->w, &self->p, 0))
		ASSERT_EQ(HOMA_DATA, self->p.common.type);
	t0 = now_ms();
	while (wire_next(&self->w, &self->p, 150)) {
		check_common(_metadata, &self->p, HOMA_RESEND, 37, self->port, SERVER, id);
		ASSERT_EQ(0, at32(&self->p, 28));
		ASSERT_EQ(0xffffffff, at32(&self->p, 32));
		ASSERT_GT(8, self->p.resend.priority);
		resends++;
	}
	ASSERT_LE(3, resends);
	ASSERT_GE(21, resends);
	ASSERT_EQ(-1, response(self->fd, self->buf, 100, &got, NULL));
	ASSERT_EQ(ETIMEDOUT, errno);
	ASSERT_GT(1000, now_ms() - t0);
}

TEST_F(wire, asks_for_what_is_missing)
{
	const uint32_t len = 6000;
	uint64_t id = send_request(_metadata, self, 10), got = id;
	struct wire_message m = { SERVER, self->port, id | 1, self->buf, len, len };

	check_data(_metadata, self, id, self->port, SERVER, 10, 0, true, 0xc0);
	fill(self->buf, len, 9);
	ASSERT_TRUE(wire_data(&self->w, &m, 0, WIRE_SEGMENT));
	ASSERT_TRUE(wire_data(&self->w, &m, 2 * WIRE_SEGMENT, WIRE_SEGMENT));
	/* The gap, then what is missing at the end. */
	ASSERT_TRUE(wire_next_of(&self->w, &self->p, HOMA_RESEND, MS));
	check_common(_metadata, &self->p, HOMA_RESEND, 37, self->port, SERVER, id);
	ASSERT_EQ(WIRE_SEGMENT, at32(&self->p, 28));
	ASSERT_EQ(WIRE_SEGMENT, at32(&self->p, 32));
	ASSERT_EQ(7, self->p.resend.priority);
	ASSERT_TRUE(wire_next_of(&self->w, &self->p, HOMA_RESEND, MS));
	ASSERT_EQ(3 * WIRE_SEGMENT, at32(&self->p, 28));
	ASSERT_EQ(len - 3 * WIRE_SEGMENT, at32(&self->p, 32));
	/* The gap comes in two parts, what is here already comes again. */
	ASSERT_TRUE(wire_data(&self->w, &m, WIRE_SEGMENT + 1000, WIRE_SEGMENT - 1000));
	ASSERT_TRUE(wire_data(&self->w, &m, 0, WIRE_SEGMENT));
	ASSERT_TRUE(wire_data(&self->w, &m, WIRE_SEGMENT, 1000));
	ASSERT_TRUE(wire_data(&self->w, &m, 4 * WIRE_SEGMENT, WIRE_SEGMENT));
	ASSERT_TRUE(wire_data(&self->w, &m, 3 * WIRE_SEGMENT, WIRE_SEGMENT));
	ASSERT_EQ(len, response(self->fd, self->buf, HOMA_MAX_MESSAGE_LENGTH, &got, NULL));
	ASSERT_EQ(-1, wrong(self->buf, len, 9));
	ASSERT_TRUE(wire_next_of(&self->w, &self->p, HOMA_ACK, MS));
}

TEST_F(wire, answers_resend_with_whole_packets)
{
	const uint32_t len = 100000;
	uint64_t id = send_request(_metadata, self, len);
	uint32_t at, sent;

	for (at = 0; at < UNSCHEDULED; at += WIRE_SEGMENT)
		check_data(_metadata, self, id, self->port, SERVER, len, at, true, 0xc0);
	sent = at;
	ASSERT_TRUE(wire_resend(&self->w, SERVER, self->port, id | 1, 1500, 10, 5));
	check_data(_metadata, self, id, self->port, SERVER, len, WIRE_SEGMENT, false, 5 << 5);
	ASSERT_TRUE(wire_resend(&self->w, SERVER, self->port, id | 1, WIRE_SEGMENT - 1, 2, 7));
	check_data(_metadata, self, id, self->port, SERVER, len, 0, false, 0xe0);
	check_data(_metadata, self, id, self->port, SERVER, len, WIRE_SEGMENT, false, 0xe0);
	/* All that was sent. */
	ASSERT_TRUE(wire_resend(&self->w, SERVER, self->port, id | 1, 0, 0xffffffff, 6));
	for (at = 0; at < sent; at += WIRE_SEGMENT)
		check_data(_metadata, self, id, self->port, SERVER, len, at, false, 0xc0);
	/* More than was granted: the GRANT must have been lost. */
	ASSERT_TRUE(wire_resend(&self->w, SERVER, self->port, id | 1, sent, 3 * WIRE_SEGMENT, 6));
	for (; at < sent + 3 * WIRE_SEGMENT; at += WIRE_SEGMENT) {
		ASSERT_TRUE(wire_next_of(&self->w, &self->p, HOMA_DATA, MS));
		ASSERT_EQ(at, at32(&self->p, 52));
		ASSERT_EQ(0, memcmp(self->p.homa + 56, self->buf + at, WIRE_SEGMENT));
	}
	ASSERT_TRUE(wire_grant(&self->w, SERVER, self->port, id | 1, len, 0));
	for (; at < len; at += WIRE_SEGMENT)
		check_data(_metadata, self, id, self->port, SERVER, len, at, true, 0);
	respond(_metadata, self, id);
}

/* "The offset is in the sequence": HomaModule's usual form. */
TEST_F(wire, understands_offset_minus_one)
{
	uint64_t id = send_request(_metadata, self, 10), got = id;
	uint8_t in[3000], out[3000];
	uint32_t at;

	fill(out, sizeof(out), 3);
	for (at = 0; at < sizeof(out); at += 1000) {
		wire_common(&self->p, HOMA_DATA, SERVER, self->port, id | 1);
		self->p.common.sequence = htonl(at);
		self->p.common.checksum = 0x1234;
		self->p.data.offset = 0xffffffff;
		self->p.data.message_length = htonl(sizeof(out));
		self->p.data.incoming = htonl(sizeof(out));
		memcpy(self->p.homa + 56, out + at, 1000);
		ASSERT_TRUE(wire_send(&self->w, &self->p, 56 + 1000));
	}
	ASSERT_EQ(3000, response(self->fd, in, sizeof(in), &got, NULL));
	ASSERT_EQ(0, memcmp(in, out, sizeof(in)));
	ASSERT_TRUE(wire_next_of(&self->w, &self->p, HOMA_ACK, MS));
}

/* Pieces of 777 bytes, last one first, all fields zero that need not be set. */
TEST_F(wire, understands_any_segments_in_any_order)
{
	struct wire_message m = { CLIENT, HERE, 0xfff0001230, self->buf, 6000, 0 };
	union address from;
	uint8_t want[6000];
	int at;

	fill(self->buf, m.len, 4);
	memcpy(want, self->buf, m.len);
	for (at = (m.len - 1) / 777 * 777; at >= 0; at -= 777)
		ASSERT_TRUE(wire_data(&self->w, &m, at, 777));
	from = take(_metadata, self, m.id, want, m.len);
	wire_drain(&self->w);
	reply_to(_metadata, self, &from, m.id, 50);
	check_data(_metadata, self, m.id | 1, HERE, CLIENT, 50, 0, true, 0xc0);
	acknowledge(_metadata, self, m.id);
}

TEST_F(wire, always_answers_need_ack)
{
	static const uint64_t id[] = { 2, 4711 * 2, 0xfffffffffffffffe };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(id); i++) {
		ASSERT_TRUE(wire_control(&self->w, HOMA_NEED_ACK, SERVER, self->port, id[i] | 1));
		ASSERT_TRUE(wire_next(&self->w, &self->p, MS));
		check_common(_metadata, &self->p, HOMA_ACK, 80, self->port, SERVER, id[i]);
		ASSERT_EQ(0, self->p.ack.num_acks);
	}
	/* Also for a client that is gone. */
	ASSERT_TRUE(wire_control(&self->w, HOMA_NEED_ACK, SERVER, 0xfffe, 9));
	ASSERT_TRUE(wire_next(&self->w, &self->p, MS));
	check_common(_metadata, &self->p, HOMA_ACK, 80, 0xfffe, SERVER, 8);
}

TEST_F(wire, asks_for_acknowledgements)
{
	struct wire_message m = send_short(_metadata, self, 0x20000);
	union address from = take(_metadata, self, m.id, "hello", 5);

	reply_to(_metadata, self, &from, m.id, 50);
	check_data(_metadata, self, m.id | 1, HERE, CLIENT, 50, 0, true, 0xc0);
	ASSERT_TRUE(wire_next(&self->w, &self->p, MS));
	check_common(_metadata, &self->p, HOMA_NEED_ACK, 28, HERE, CLIENT, m.id | 1);
	/* The response was lost after all. */
	ASSERT_TRUE(wire_resend(&self->w, CLIENT, HERE, m.id, 0, 0xffffffff, 7));
	ASSERT_TRUE(wire_next_of(&self->w, &self->p, HOMA_DATA, MS));
	ASSERT_EQ(1, self->p.data.retransmit);
	ASSERT_EQ(1, map_entries("rpcs"));
	acknowledge(_metadata, self, m.id);
	ASSERT_FALSE(wire_next_of(&self->w, &self->p, HOMA_NEED_ACK, 20));
}

/* Other RPCs can be acknowledged in the list of an ACK, or in DATA. */
TEST_F(wire, takes_acknowledgements_that_come_along)
{
	union address from;
	uint64_t id;
	int i;

	for (i = 0; i < 7; i++) {
		id = 0x3000 + 2 * i;
		send_short(_metadata, self, id);
		from = take(_metadata, self, id, "hello", 5);
		reply_to(_metadata, self, &from, id, 50);
	}
	ASSERT_EQ(7, map_entries("rpcs"));
	wire_common(&self->p, HOMA_ACK, CLIENT, HERE, 0x3000);
	self->p.ack.num_acks = htons(5);
	for (i = 0; i < 5; i++) {
		self->p.ack.acks[i].client_id = be64(0x3002 + 2 * i);
		self->p.ack.acks[i].server_port = htons(HERE);
	}
	ASSERT_TRUE(wire_send(&self->w, &self->p, sizeof(self->p.ack)));
	for (i = 0; i < 200 && map_entries("rpcs") != 1; i++)
		usleep(1000);
	ASSERT_EQ(1, map_entries("rpcs"));
	wire_common(&self->p, HOMA_DATA, CLIENT, HERE, 0x4000);
	self->p.data.message_length = htonl(5);
	self->p.data.incoming = htonl(5);
	self->p.data.ack.client_id = be64(0x300c);
	self->p.data.ack.server_port = htons(HERE);
	memcpy(self->p.homa + 56, "hello", 5);
	ASSERT_TRUE(wire_send(&self->w, &self->p, 56 + 5));
	from = take(_metadata, self, 0x4000, "hello", 5);
	ASSERT_EQ(1, map_entries("rpcs"));
	reply_to(_metadata, self, &from, 0x4000, 50);
	acknowledge(_metadata, self, 0x4000);
}

TEST_F(wire, rpc_unknown)
{
	struct wire_message m;
	uint64_t id;
	int i;

	/* Sent: about an RPC that is not known here. */
	ASSERT_TRUE(wire_resend(&self->w, CLIENT, HERE, 0x7770, 0, 100, 7));
	ASSERT_TRUE(wire_next(&self->w, &self->p, MS));
	check_common(_metadata, &self->p, HOMA_RPC_UNKNOWN, 28, HERE, CLIENT, 0x7771);
	/* Received by a client: the server lost the request, so it is sent again. */
	id = send_request(_metadata, self, 2000);
	check_data(_metadata, self, id, self->port, SERVER, 2000, 0, true, 0xc0);
	check_data(_metadata, self, id, self->port, SERVER, 2000, WIRE_SEGMENT, true, 0xc0);
	ASSERT_TRUE(wire_control(&self->w, HOMA_RPC_UNKNOWN, SERVER, self->port, id | 1));
	for (i = 0; i < 2; i++) {
		ASSERT_TRUE(wire_next_of(&self->w, &self->p, HOMA_DATA, MS));
		ASSERT_EQ(i * WIRE_SEGMENT, at32(&self->p, 52));
	}
	respond(_metadata, self, id);
	/* Received by a server: the client has ended the RPC. */
	m = send_short(_metadata, self, 0x8880);
	take(_metadata, self, m.id, "hello", 5);
	ASSERT_EQ(1, map_entries("rpcs"));
	ASSERT_TRUE(wire_control(&self->w, HOMA_RPC_UNKNOWN, CLIENT, HERE, m.id));
	ASSERT_RPCS_IDLE(2);
}

/* A server may take its time: it says BUSY, and a client waits while it hears that. */
TEST_F(wire, busy)
{
	struct wire_message m = send_short(_metadata, self, 0x5550);
	union address from = take(_metadata, self, m.id, "hello", 5);
	uint64_t id, got;
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(wire_resend(&self->w, CLIENT, HERE, m.id, 0, 0xffffffff, 7));
		ASSERT_TRUE(wire_next(&self->w, &self->p, MS));
		check_common(_metadata, &self->p, HOMA_BUSY, 28, HERE, CLIENT, m.id | 1);
	}
	reply_to(_metadata, self, &from, m.id, 50);
	ASSERT_TRUE(wire_next_of(&self->w, &self->p, HOMA_DATA, MS));
	acknowledge(_metadata, self, m.id);

	id = send_request(_metadata, self, 10);
	for (i = 0; i < 15; i++) {
		usleep(20000);
		ASSERT_TRUE(wire_control(&self->w, HOMA_BUSY, SERVER, self->port, id | 1));
	}
	got = 0;
	ASSERT_EQ(-1, homa_recv(self->fd, self->buf, 10, HOMA_RECV_RESPONSE | HOMA_RECV_NONBLOCKING,
				NULL, NULL, &got, NULL, NULL));
	ASSERT_EQ(EAGAIN, errno);
	respond(_metadata, self, id);
}

TEST_F(wire, says_that_a_port_has_no_server)
{
	struct wire_message m = { CLIENT, HERE + 1, 0x6660, (const uint8_t *)"hello", 5, 5 };
	struct packet *p = &self->p;
	const bool v6 = homa_family == AF_INET6;
	struct packet sent;

	ASSERT_TRUE(wire_data(&self->w, &m, 0, 5));
	ASSERT_TRUE(wire_next(&self->w, p, MS));
	check_ip(_metadata, p, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	ASSERT_EQ(v6 ? ICMPV6_DEST_UNREACH : ICMP_DEST_UNREACH, p->icmp.type);
	ASSERT_EQ(v6 ? ICMPV6_PORT_UNREACH : ICMP_PORT_UNREACH, p->icmp.code);
	ASSERT_EQ(0, icmp_checksum(p, p->behind));
	/* It quotes our IP header and common header. */
	ASSERT_LE(8 + WIRE_IP + 28, p->behind);
	wire_common(&sent, HOMA_DATA, m.sport, m.dport, m.id);
	wire_frame(&self->w, &sent, HOMA_IPPROTO, 56 + 5);
	ASSERT_EQ(0, memcmp(p->homa + 8, (uint8_t *)wire_start(&sent) + IP_AT, WIRE_IP + 28));
	/* To a client's port, too. */
	m.dport = self->port;
	ASSERT_TRUE(wire_data(&self->w, &m, 0, 5));
	ASSERT_TRUE(wire_next(&self->w, p, MS));
	check_ip(_metadata, p, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	ASSERT_EQ(0, map_entries("rpcs"));
}

/* What ICMP and ICMPv6 say, and what it means. */
enum unreachable {
	NO_PORT,
	NO_HOST,
	NO_ROUTE,
	NO_HOMA,
};

static const struct {
	uint8_t type;
	uint8_t code;
} icmp4[] = {
	[NO_PORT] = { ICMP_DEST_UNREACH, ICMP_PORT_UNREACH },
	[NO_HOST] = { ICMP_DEST_UNREACH, ICMP_HOST_UNREACH },
	[NO_ROUTE] = { ICMP_DEST_UNREACH, ICMP_NET_UNREACH },
	[NO_HOMA] = { ICMP_DEST_UNREACH, ICMP_PROT_UNREACH },
}, icmp6[] = {
	[NO_PORT] = { ICMPV6_DEST_UNREACH, ICMPV6_PORT_UNREACH },
	[NO_HOST] = { ICMPV6_DEST_UNREACH, ICMPV6_ADDR_UNREACH },
	[NO_ROUTE] = { ICMPV6_DEST_UNREACH, ICMPV6_NOROUTE },
	[NO_HOMA] = { ICMPV6_PARAMPROB, ICMPV6_UNK_NEXTHDR },
};

/* An ICMP error that quotes @quoted bytes of Homa's header. */
static void unreachable(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self,
			enum unreachable what, uint64_t id, size_t quoted)
{
	const bool v6 = homa_family == AF_INET6;
	struct packet q, *p = &self->p;
	size_t len = 8 + WIRE_IP + quoted;

	wire_common(&q, HOMA_DATA, self->port, SERVER, id);
	wire_frame(&self->w, &q, HOMA_IPPROTO, 56 + 10);
	if (v6) {
		inet_pton(AF_INET6, ADDR6_A, &q.ip6.saddr);
		inet_pton(AF_INET6, ADDR6_B, &q.ip6.daddr);
	} else {
		q.ip.saddr = htonl(ADDR_A);
		q.ip.daddr = htonl(ADDR_B);
	}
	memset(p->homa, 0, sizeof(p->homa));
	p->icmp.type = v6 ? icmp6[what].type : icmp4[what].type;
	p->icmp.code = v6 ? icmp6[what].code : icmp4[what].code;
	memcpy(p->homa + 8, (uint8_t *)wire_start(&q) + IP_AT, WIRE_IP + quoted);
	wire_frame(&self->w, p, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, len);
	p->icmp.checksum = htons(icmp_checksum(p, len));
	ASSERT_TRUE(wire_put(&self->w, p, p->len));
}

TEST_F(wire, understands_icmp_errors)
{
	static const struct {
		enum unreachable what;
		size_t quoted;
		int error;
	} v[] = {
		{ NO_PORT, 28, ENOTCONN },
		{ NO_PORT, 8, ENOTCONN },
		{ NO_HOST, 28, EHOSTUNREACH },
		{ NO_ROUTE, 28, ENETUNREACH },
		{ NO_HOMA, 28, EPROTONOSUPPORT },
	};
	uint64_t id, got, t0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(v); i++) {
		id = send_request(_metadata, self, 10);
		/* About another RPC: not meant. */
		if (v[i].quoted == 28 && v[i].what != NO_HOMA)
			unreachable(_metadata, self, v[i].what, id + 2, 28);
		t0 = now_ms();
		unreachable(_metadata, self, v[i].what, id, v[i].quoted);
		got = 0;
		ASSERT_EQ(-1, response(self->fd, self->buf, 10, &got, NULL));
		ASSERT_EQ(v[i].error, errno) TH_LOG("error %d", v[i].what);
		ASSERT_EQ(id, got);
		ASSERT_GT(90, now_ms() - t0);
		/* The next one that quotes ports only may come at once. */
		usleep(2000);
	}
	id = send_request(_metadata, self, 10);
	unreachable(_metadata, self, NO_PORT, id + 2, 28);
	respond(_metadata, self, id);
}

/* The first packet of a long message: its GRANT says that nobody else has any. */
static void grant_alone(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self,
			uint16_t sport, uint16_t dport, uint64_t id)
{
	struct wire_message m = { sport, dport, id, self->buf, 300000, WIRE_SEGMENT };

	ASSERT_TRUE(wire_data(&self->w, &m, 0, WIRE_SEGMENT));
	ASSERT_TRUE(wire_next_of(&self->w, &self->p, HOMA_GRANT, MS));
	check_common(_metadata, &self->p, HOMA_GRANT, 33, dport, sport, id ^ 1);
	ASSERT_EQ(WIRE_SEGMENT + 200000, at32(&self->p, 28));
	ASSERT_EQ(0, self->p.grant.priority);
	ASSERT_EQ(200000, budget_used());
}

/* However an RPC ends, what it was granted comes back, and its place among those with grants. */
TEST_F(wire, grants_come_back)
{
	uint64_t id, got, n = 0x50000;
	int i;

	for (i = 0; i < 2; i++) {
		/* A request that does not go on. */
		grant_alone(_metadata, self, CLIENT, HERE, n += 2);
		ASSERT_RPCS_IDLE(5);
		/* One that the client forgets. */
		grant_alone(_metadata, self, CLIENT, HERE, n += 2);
		ASSERT_TRUE(wire_control(&self->w, HOMA_RPC_UNKNOWN, CLIENT, HERE, n));
		ASSERT_RPCS_IDLE(5);
		/* One whose server goes. */
		grant_alone(_metadata, self, CLIENT, HERE, n += 2);
		homa_close(self->server);
		ASSERT_RPCS_IDLE(5);
		self->server = sock_on(HOST_A, HERE);
		ASSERT_LE(0, self->server);
		/* A response that does not go on. */
		got = id = send_request(_metadata, self, 10);
		grant_alone(_metadata, self, SERVER, self->port, id | 1);
		ASSERT_EQ(-1, response(self->fd, self->buf, 100, &got, NULL));
		ASSERT_EQ(ETIMEDOUT, errno);
		ASSERT_RPCS_IDLE(5);
		/* One that is not wanted any more. */
		id = send_request(_metadata, self, 10);
		grant_alone(_metadata, self, SERVER, self->port, id | 1);
		ASSERT_EQ(0, homa_abort(self->fd, id, 0));
		ASSERT_RPCS_IDLE(5);
		/* One whose server goes. */
		got = id = send_request(_metadata, self, 10);
		grant_alone(_metadata, self, SERVER, self->port, id | 1);
		unreachable(_metadata, self, NO_PORT, id, 28);
		ASSERT_EQ(-1, response(self->fd, self->buf, 100, &got, NULL));
		ASSERT_EQ(ENOTCONN, errno);
		ASSERT_RPCS_IDLE(5);
	}
}

/* Messages that were granted all that there is keep another one waiting; who answers RESENDs with BUSY is alive. */
static void wait_behind_others(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self,
			       const struct wire_message *last, bool alive, int *asked)
{
	uint64_t end = now_ms() + 350, id;

	*asked = 0;
	while (now_ms() < end && map_entries("rpcs") == 9) {
		if (!wire_next(&self->w, &self->p, 5))
			continue;
		id = be64(self->p.common.sender_id) & ~1ULL;
		if (self->p.common.type == HOMA_GRANT) {
			ASSERT_NE(last->id, id);
			continue;
		}
		if (id == last->id) {
			check_common(_metadata, &self->p, HOMA_RESEND, 37, HERE, CLIENT, id | 1);
			/* It has nothing to send again. */
			ASSERT_EQ(WIRE_SEGMENT, at32(&self->p, 28));
			ASSERT_EQ(0, at32(&self->p, 32));
			++*asked;
			if (!alive)
				continue;
		}
		ASSERT_TRUE(wire_control(&self->w, HOMA_BUSY, CLIENT, HERE, id));
	}
}

TEST_F(wire, sender_that_waits_for_grants_may_die)
{
	struct wire_message m = { CLIENT, HERE, 0xb000, self->buf, 300000, WIRE_SEGMENT };
	const uint64_t first = m.id;
	uint64_t lost = homa_counter("rpc_server_lost");
	int i, asked;

	for (i = 0; i < 9; i++) {
		m.id = first + 2 * i;
		/* The longest is the last one to get grants. */
		m.len = i < 8 ? 300000 : 900000;
		ASSERT_TRUE(wire_data(&self->w, &m, 0, WIRE_SEGMENT));
	}
	ASSERT_EQ(9, map_entries("rpcs"));
	wait_behind_others(_metadata, self, &m, true, &asked);
	ASSERT_LE(4, asked);
	ASSERT_EQ(9, map_entries("rpcs"));
	wait_behind_others(_metadata, self, &m, false, &asked);
	ASSERT_LE(1, asked);
	ASSERT_EQ(8, map_entries("rpcs"));
	ASSERT_EQ(lost + 1, homa_counter("rpc_server_lost"));
	for (i = 0; i < 8; i++)
		ASSERT_TRUE(wire_control(&self->w, HOMA_RPC_UNKNOWN, CLIENT, HERE, first + 2 * i));
	ASSERT_RPCS_IDLE(5);
}

/*
 * A part of a request that comes when that is over does not execute it again. But a client's host that starts anew
 * may count from where it once began.
 */
TEST_F(wire, ids_may_be_used_anew_after_a_while)
{
	struct wire_message m = { CLIENT, HERE, 0x8880, (const uint8_t *)"hello", 5, 5 };
	uint64_t finished = homa_counter("rx_finished");
	union address from;
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_TRUE(wire_data(&self->w, &m, 0, 5));
		from = take(_metadata, self, m.id, "hello", 5);
		/* It comes twice. */
		ASSERT_TRUE(wire_data(&self->w, &m, 0, 5));
		reply_to(_metadata, self, &from, m.id, 10);
		ASSERT_TRUE(wire_next_of(&self->w, &self->p, HOMA_DATA, MS));
		acknowledge(_metadata, self, m.id);
		ASSERT_TRUE(wire_data(&self->w, &m, 0, 5));
		wire_drain(&self->w);
		ASSERT_EQ(0, map_entries("rpcs"));
		ASSERT_EQ(finished + i + 1, homa_counter("rx_finished"));
		usleep(150000);
	}
}

TEST_F(wire, freeze_is_ignored)
{
	uint64_t id, before = homa_counter("rx_freeze");

	ASSERT_TRUE(wire_control(&self->w, HOMA_FREEZE, SERVER, self->port, 0x123));
	id = send_request(_metadata, self, 10);
	check_data(_metadata, self, id, self->port, SERVER, 10, 0, true, 0xc0);
	ASSERT_TRUE(wire_control(&self->w, HOMA_FREEZE, SERVER, self->port, id | 1));
	respond(_metadata, self, id);
	ASSERT_EQ(before + 2, homa_counter("rx_freeze"));
}

TEST_F(wire, cutoffs_are_used_and_their_version_echoed)
{
	static const struct {
		size_t len;
		uint8_t priority;
	} v[] = { { 100, 7 }, { 101, 6 }, { 1000, 6 }, { 1001, 3 }, { 1424, 3 } };
	uint64_t id;
	size_t i;

	wire_common(&self->p, HOMA_CUTOFFS, SERVER, self->port, 0x9991);
	for (i = 0; i < 8; i++)
		self->p.cutoffs.unsched_cutoffs[i] = htonl(i == 7 ? 100 : i > 3 ? 1000 : 1000000);
	self->p.cutoffs.cutoff_version = htons(0x1234);
	ASSERT_TRUE(wire_send(&self->w, &self->p, sizeof(self->p.cutoffs)));
	for (i = 0; i < ARRAY_SIZE(v); i++) {
		id = send_request(_metadata, self, v[i].len);
		check_data(_metadata, self, id, self->port, SERVER, v[i].len, 0, true,
			   v[i].priority << 5);
		ASSERT_EQ(htons(0x1234), self->p.data.cutoff_version);
		respond(_metadata, self, id);
	}
	/* What other tests expect. */
	wire_common(&self->p, HOMA_CUTOFFS, SERVER, self->port, 0x9991);
	self->p.cutoffs.unsched_cutoffs[6] = htonl(1000000);
	ASSERT_TRUE(wire_send(&self->w, &self->p, sizeof(self->p.cutoffs)));
}

/* A peer whose DATA has not the version of our cutoffs is told them, but not for each packet. */
TEST_F(wire, tells_cutoffs)
{
	static const uint32_t want[] = { 1000000, 0, 0, 0, 1000000, 15000, 2800, 200 };
	struct wire_message m = { CLIENT, HERE, 0xa000, self->buf, 20 * 100, 20 * 100 };
	struct packet *p = &self->p;
	union address from;
	uint64_t before;
	int i, n = 0;

	usleep(20000);
	wire_drain(&self->w);
	self->w.cutoffs = true;
	before = homa_counter("tx_cutoffs");
	memset(self->buf, 0, m.len);
	for (i = 0; i < 20; i++)
		ASSERT_TRUE(wire_data(&self->w, &m, 100 * i, 100));
	while (wire_next_of(&self->w, p, HOMA_CUTOFFS, MS)) {
		check_common(_metadata, p, HOMA_CUTOFFS, 62, HERE, CLIENT, m.id | 1);
		for (i = 0; i < 8; i++)
			ASSERT_EQ(want[i], at32(p, 28 + 4 * i)) TH_LOG("cutoff %d", i);
		ASSERT_EQ(htons(1), p->cutoffs.cutoff_version);
		n++;
	}
	ASSERT_LE(1, n);
	ASSERT_GE(5, n);
	ASSERT_EQ(before + n, homa_counter("tx_cutoffs"));
	from = take(_metadata, self, m.id, self->buf, m.len);
	wire_drain(&self->w);
	reply_to(_metadata, self, &from, m.id, 50);
	acknowledge(_metadata, self, m.id);
	/* One that has it is told nothing. */
	wire_drain(&self->w);
	usleep(20000);
	wire_common(p, HOMA_DATA, CLIENT, HERE, 0xa002);
	p->data.message_length = htonl(5);
	p->data.incoming = htonl(5);
	p->data.cutoff_version = htons(1);
	memcpy(p->homa + 56, "hello", 5);
	ASSERT_TRUE(wire_send(&self->w, p, 56 + 5));
	from = take(_metadata, self, 0xa002, "hello", 5);
	ASSERT_FALSE(wire_next_of(&self->w, p, HOMA_CUTOFFS, MS));
	reply_to(_metadata, self, &from, 0xa002, 50);
	acknowledge(_metadata, self, 0xa002);
}

TEST_HARNESS_MAIN_WITH_HOSTS(1500, HOSTS_WIRE, "")
