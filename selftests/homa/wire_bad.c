// SPDX-License-Identifier: GPL-2.0
/*
 * Bad packets: nothing is delivered that is wrong, every one is counted as dropped, and RPCs of
 * others go on beside them. The kernel log, which the runner looks at, must stay clean.
 */
#include "wire.h"

#define SERVER	700
#define CLIENT	0x9000
#define HERE	701
#define BYSTANDER 702
#define MS	60

FIXTURE(bad)
{
	WIRE_MEMBERS;
	uint8_t buf[20000];
	uint8_t in[20000];
};

FIXTURE_SETUP(bad)
{
	WIRE_SETUP(HERE);
	fill(self->buf, sizeof(self->buf), 1);
}

FIXTURE_TEARDOWN(bad)
{
	WIRE_TEARDOWN();
}

static ssize_t take(FIXTURE_DATA(bad) *self, struct sockaddr_in *from, uint64_t *id)
{
	size_t addrlen = sizeof(*from);

	*id = 0;
	return homa_recv(self->server, self->in, sizeof(self->in), HOMA_RECV_REQUEST,
			 (struct sockaddr *)from, &addrlen, id, NULL, NULL);
}

/* A good RPC from the wire to our server; that it is the next proves that nothing came before it. */
static void good_rpc(struct __test_metadata *_metadata, FIXTURE_DATA(bad) *self, uint64_t id,
		     uint32_t len)
{
	struct wire_message m = { CLIENT, HERE, id, self->buf, len, len };
	struct sockaddr_in from;
	uint64_t sid;
	uint32_t at;

	for (at = 0; at < len; at += WIRE_SEGMENT)
		ASSERT_TRUE(wire_data(&self->w, &m, at, WIRE_SEGMENT));
	ASSERT_EQ(len, take(self, &from, &sid));
	ASSERT_EQ(id | 1, sid);
	ASSERT_EQ(0, memcmp(self->in, self->buf, len));
	ASSERT_EQ(0, homa_reply(self->server, "fine", 4, (struct sockaddr *)&from, sizeof(from), sid));
	for (;;) {
		ASSERT_TRUE(wire_next_of(&self->w, &self->p, HOMA_DATA, MS));
		if (self->p.common.sender_id == be64(id | 1))
			break;
	}
	ASSERT_EQ(0, memcmp(self->p.homa + 56, "fine", 4));
	ASSERT_TRUE(wire_ack(&self->w, CLIENT, HERE, id));
}

/* A counter of received packets goes up by that many. Each is looked at some time after it was sent. */
static bool reaches(uint64_t (*get)(const char *name), const char *name, uint64_t value)
{
	uint64_t end = now_ms() + 3000;

	while (get(name) < value && now_ms() < end)
		usleep(1000);
	return get(name) == value;
}

#define ASSERT_COUNTS(get, name, value)					\
	ASSERT_TRUE(reaches(get, name, value))				\
		TH_LOG("%s is %llu, not %llu", name,			\
		       (unsigned long long)get(name), (unsigned long long)(value))

static void data_packet(struct packet *p, uint64_t id, uint32_t len, uint32_t offset)
{
	wire_common(p, HOMA_DATA, CLIENT, HERE, id);
	p->data.message_length = htonl(len);
	p->data.incoming = htonl(len);
	p->data.offset = htonl(offset);
}

/* Every packet type, cut short at every length: IP header and Homa header. */
TEST_F(bad, cut_short)
{
	static const struct {
		uint8_t type;
		size_t len;
	} v[] = {
		{ HOMA_DATA, 56 }, { HOMA_GRANT, 33 }, { HOMA_RESEND, 37 },
		{ HOMA_RPC_UNKNOWN, 28 }, { HOMA_BUSY, 28 }, { HOMA_CUTOFFS, 62 },
		{ HOMA_FREEZE, 28 }, { HOMA_NEED_ACK, 28 }, { HOMA_ACK, 80 },
	};
	uint64_t drops = counter("rx_dropped"), shorts = homa_counter("rx_short");
	size_t i, len, n = 0;

	for (i = 0; i < ARRAY_SIZE(v); i++) {
		for (len = 0; len < v[i].len; len++) {
			data_packet(&self->p, 0x100, 10, 0);
			self->p.common.type = v[i].type;
			ASSERT_TRUE(wire_send(&self->w, &self->p, len));
			n++;
		}
	}
	ASSERT_COUNTS(homa_counter, "rx_short", shorts + n);
	ASSERT_COUNTS(counter, "rx_dropped", drops + n);
	/* The frame ends before the packet that its IP header announces. */
	shorts = counter("rx_truncated");
	for (len = 0; len < 60; len++) {
		data_packet(&self->p, 0x100, 10, 0);
		wire_frame(&self->w, &self->p, HOMA_IPPROTO, 56 + 10);
		ASSERT_EQ(HOMA_AT + len, send(self->w.fd, &self->p.eth, HOMA_AT + len, 0));
	}
	ASSERT_COUNTS(counter, "rx_truncated", shorts + 60);
	ASSERT_EQ(0, map_entries("rpcs"));
	good_rpc(_metadata, self, 0x102, 5000);
}

TEST_F(bad, ip_header)
{
	uint64_t drops = counter("rx_dropped"), cs = counter("rx_checksum");
	uint64_t addr = homa_counter("rx_bad_addr");
	static const uint32_t sources[] = { 0, 0xe0000001, 0xffffffff };
	size_t i;

	data_packet(&self->p, 0x200, 5, 0);
	wire_frame(&self->w, &self->p, HOMA_IPPROTO, 56 + 5);
	self->p.ip.check ^= htons(1);
	ASSERT_EQ(self->p.len, send(self->w.fd, &self->p.eth, self->p.len, 0));
	ASSERT_COUNTS(counter, "rx_checksum", cs + 1);
	for (i = 0; i < ARRAY_SIZE(sources); i++) {
		wire_frame(&self->w, &self->p, HOMA_IPPROTO, 56 + 5);
		self->p.ip.saddr = htonl(sources[i]);
		self->p.ip.check = 0;
		self->p.ip.check = htons(checksum(&self->p.ip, 20));
		ASSERT_EQ(self->p.len, send(self->w.fd, &self->p.eth, self->p.len, 0));
	}
	ASSERT_COUNTS(homa_counter, "rx_bad_addr", addr + ARRAY_SIZE(sources));
	ASSERT_COUNTS(counter, "rx_dropped", drops + 1 + ARRAY_SIZE(sources));
	good_rpc(_metadata, self, 0x202, 100);
}

TEST_F(bad, common_header)
{
	uint64_t type = homa_counter("rx_bad_type"), port = homa_counter("rx_bad_port");
	uint64_t id = homa_counter("rx_bad_id"), drops = counter("rx_dropped");
	int i;

	for (i = 0; i < 256; i++) {
		if (i >= HOMA_DATA && i <= HOMA_ACK)
			continue;
		data_packet(&self->p, 0x300, 5, 0);
		self->p.common.type = i;
		ASSERT_TRUE(wire_send(&self->w, &self->p, 100));
	}
	ASSERT_COUNTS(homa_counter, "rx_bad_type", type + 247);
	for (i = 0; i < 2; i++) {
		data_packet(&self->p, 0x300, 5, 0);
		if (i)
			self->p.common.sport = 0;
		else
			self->p.common.dport = 0;
		ASSERT_TRUE(wire_send(&self->w, &self->p, 56 + 5));
	}
	ASSERT_COUNTS(homa_counter, "rx_bad_port", port + 2);
	for (i = 0; i < 2; i++) {
		data_packet(&self->p, i, 5, 0);
		ASSERT_TRUE(wire_send(&self->w, &self->p, 56 + 5));
	}
	ASSERT_COUNTS(homa_counter, "rx_bad_id", id + 2);
	ASSERT_COUNTS(counter, "rx_dropped", drops + 247 + 4);
	ASSERT_EQ(0, map_entries("rpcs"));
	good_rpc(_metadata, self, 0x302, 100);
}

TEST_F(bad, message_lengths_and_offsets)
{
	static const struct {
		uint32_t len;
		uint32_t offset;
		uint32_t bytes;
	} v[] = {
		{ 0, 0, 10 }, { HOMA_MAX_MESSAGE_LENGTH + 1, 0, 10 }, { 0xffffffff, 0, 10 },
		{ 10, 10, 1 }, { 10, 0, 11 }, { 10, 5, 6 }, { 10, 0xfffffffe, 10 },
		{ 10, 0xfffffff8, 10 }, { 1000000, 999999, 2 }, { 1000000, 1000000, 10 },
		{ 1, 0, 1424 },
	};
	uint64_t bad = homa_counter("rx_bad_length"), drops = counter("rx_dropped");
	size_t i;

	for (i = 0; i < ARRAY_SIZE(v); i++) {
		data_packet(&self->p, 0x400, v[i].len, v[i].offset);
		ASSERT_TRUE(wire_send(&self->w, &self->p, 56 + v[i].bytes));
	}
	/* -1 takes it from the sequence, which is as much checked. */
	data_packet(&self->p, 0x400, 10, 0xffffffff);
	self->p.common.sequence = htonl(10);
	ASSERT_TRUE(wire_send(&self->w, &self->p, 56 + 5));
	self->p.common.sequence = htonl(0xffffffff);
	ASSERT_TRUE(wire_send(&self->w, &self->p, 56 + 5));
	ASSERT_COUNTS(homa_counter, "rx_bad_length", bad + ARRAY_SIZE(v) + 2);
	ASSERT_COUNTS(counter, "rx_dropped", drops + ARRAY_SIZE(v) + 2);
	ASSERT_EQ(0, map_entries("rpcs"));
	/* DATA without bytes is allowed and says nothing. */
	data_packet(&self->p, 0x400, 10, 0);
	ASSERT_TRUE(wire_send(&self->w, &self->p, 56));
	good_rpc(_metadata, self, 0x400, 10);
}

/* A message whose length changes, and packets that overlap: the good ones win. */
TEST_F(bad, contradictions)
{
	struct wire_message m = { CLIENT, HERE, 0x500, self->buf, 6000, 6000 };
	uint64_t changed = homa_counter("rx_length_changed"), straddle = homa_counter("rx_straddle");
	struct sockaddr_in from;
	uint64_t sid;
	int i;

	ASSERT_TRUE(wire_data(&self->w, &m, 1000, 1000));
	ASSERT_TRUE(wire_data(&self->w, &m, 3000, 1000));
	for (i = 0; i < 3; i++) {
		static const uint32_t len[] = { 5999, 6001, 1000000 };

		data_packet(&self->p, m.id, len[i], 0);
		memset(self->p.homa + 56, 0xee, 1000);
		ASSERT_TRUE(wire_send(&self->w, &self->p, 56 + 1000));
	}
	ASSERT_COUNTS(homa_counter, "rx_length_changed", changed + 3);
	for (i = 0; i < 5; i++) {
		static const uint32_t at[] = { 500, 1500, 2500, 3500, 0 };

		/* Wrong bytes, to see whose are taken. */
		data_packet(&self->p, m.id, m.len, at[i]);
		memset(self->p.homa + 56, 0xee, 1424);
		ASSERT_TRUE(wire_send(&self->w, &self->p, 56 + 1000 + (at[i] ? 0 : 424)));
	}
	ASSERT_COUNTS(homa_counter, "rx_straddle", straddle + 5);
	ASSERT_TRUE(wire_data(&self->w, &m, 0, 1000));
	ASSERT_TRUE(wire_data(&self->w, &m, 2000, 1000));
	ASSERT_TRUE(wire_data(&self->w, &m, 4000, 1400));
	ASSERT_TRUE(wire_data(&self->w, &m, 5400, 600));
	ASSERT_EQ(m.len, take(self, &from, &sid));
	ASSERT_EQ(0, memcmp(self->in, self->buf, m.len));
	ASSERT_EQ(0, homa_reply(self->server, "x", 1, (struct sockaddr *)&from, sizeof(from), sid));
	ASSERT_TRUE(wire_ack(&self->w, CLIENT, HERE, m.id));
}

/*
 * A server whose packets can never become the message that the first one announced, but which answers: the RPC ends.
 */
static void never_whole(struct __test_metadata *_metadata, FIXTURE_DATA(bad) *self, uint32_t first_len,
			uint32_t first_offset, uint32_t len)
{
	struct wire_message m = { SERVER, self->port, 0, self->buf, len, len };
	uint64_t id, got, end = now_ms() + 5000;
	unsigned int asked = 0;

	ASSERT_EQ(0, request(self->fd, SERVER, self->buf, 10, &id, 0));
	m.id = id | 1;
	data_packet(&self->p, m.id, first_len, first_offset);
	self->p.common.sport = htons(SERVER);
	self->p.common.dport = htons(self->port);
	self->p.data.incoming = htonl(len);
	ASSERT_TRUE(wire_send(&self->w, &self->p, 56 + (first_offset ? 700 : len)));
	while (now_ms() < end) {
		got = id;
		if (homa_recv(self->fd, self->in, sizeof(self->in),
			      HOMA_RECV_RESPONSE | HOMA_RECV_NONBLOCKING, NULL, NULL, &got, NULL,
			      NULL) < 0 && errno != EAGAIN)
			break;
		if (!wire_next_of(&self->w, &self->p, HOMA_RESEND, 5))
			continue;
		asked++;
		ASSERT_TRUE(wire_data(&self->w, &m, 0, len < 1000 ? len : 1000));
		if (len > 1000)
			ASSERT_TRUE(wire_data(&self->w, &m, 1000, len - 1000));
	}
	EXPECT_EQ(ETIMEDOUT, errno);
	EXPECT_EQ(id, got);
	EXPECT_LT(1, asked);
}

TEST_F(bad, length_that_was_a_lie_ends)
{
	never_whole(_metadata, self, 100000, 0, 100);
}

TEST_F(bad, piece_where_none_fits_ends)
{
	never_whole(_metadata, self, 2000, 700, 2000);
}

/* More holes than are kept track of: what cannot be noted is dropped and comes again. */
TEST_F(bad, many_gaps)
{
	struct wire_message m = { CLIENT, HERE, 0x600, self->buf, 15000, 15000 };
	uint64_t gaps = homa_counter("rx_too_many_gaps");
	uint32_t at;

	for (at = 100; at < m.len; at += 200)
		ASSERT_TRUE(wire_data(&self->w, &m, at, 100));
	for (at = 0; at < 3000 && homa_counter("rx_too_many_gaps") == gaps; at++)
		usleep(1000);
	ASSERT_LT(gaps, homa_counter("rx_too_many_gaps"));
	/* What is asked for is sent, as asked. */
	while (wire_next_of(&self->w, &self->p, HOMA_RESEND, 2 * MS)) {
		uint32_t o = ntohl(self->p.resend.offset), n = ntohl(self->p.resend.length), k;

		ASSERT_GT(m.len, o);
		ASSERT_GE(m.len - o, n);
		for (; n; o += k, n -= k) {
			k = n < 1000 ? n : 1000;
			ASSERT_TRUE(wire_data(&self->w, &m, o, k));
		}
		if (homa_recv(self->server, self->in, sizeof(self->in),
			      HOMA_RECV_REQUEST | HOMA_RECV_NONBLOCKING, NULL, NULL,
			      &(uint64_t){ 0 }, NULL, NULL) >= 0)
			break;
	}
	ASSERT_EQ(0, memcmp(self->in, self->buf, m.len));
	ASSERT_TRUE(wire_control(&self->w, HOMA_RPC_UNKNOWN, CLIENT, HERE, m.id));
	ASSERT_RPCS_IDLE(5);
	good_rpc(_metadata, self, 0x602, 5000);
}

/* Control packets with all that their fields can hold. */
TEST_F(bad, control_packets)
{
	static const uint32_t v[] = { 0, 1, 39999, 1000000, 1000001, 0x7fffffff, 0x80000000,
				      0xfffffffe, 0xffffffff };
	struct wire_message m = { SERVER, self->port, 0, (const uint8_t *)"done", 4, 4 };
	uint64_t id, got;
	size_t i, k;

	fill(self->buf, sizeof(self->buf), 1);
	ASSERT_EQ(0, request(self->fd, SERVER, self->buf, 3000, &id, 0));
	for (i = 0; i < ARRAY_SIZE(v); i++) {
		ASSERT_TRUE(wire_grant(&self->w, SERVER, self->port, id | 1, v[i], 0xff));
		for (k = 0; k < ARRAY_SIZE(v); k++)
			ASSERT_TRUE(wire_resend(&self->w, SERVER, self->port, id | 1, v[i], v[k],
						i + 250));
	}
	/* An ACK that says that it has more entries than there is room for, of anything. */
	for (i = 0; i < 20; i++) {
		wire_common(&self->p, HOMA_ACK, CLIENT, HERE, 0x10 + 2 * i);
		memset(self->p.homa + 30, 0xff - i, 50);
		self->p.ack.num_acks = htons(i & 1 ? 0xffff : i);
		ASSERT_TRUE(wire_send(&self->w, &self->p, sizeof(self->p.ack)));
	}
	/* Of the wrong kind for the id: a client gets what is for servers, and the reverse. */
	ASSERT_TRUE(wire_control(&self->w, HOMA_NEED_ACK, CLIENT, HERE, 0x7000));
	ASSERT_TRUE(wire_grant(&self->w, CLIENT, HERE, 0x7000, 1000, 0));
	ASSERT_TRUE(wire_control(&self->w, HOMA_BUSY, CLIENT, HERE, 0x7000));
	ASSERT_TRUE(wire_ack(&self->w, SERVER, self->port, id | 1));
	/* What the client sent again was its message and nothing else. */
	while (wire_next(&self->w, &self->p, 5)) {
		if (self->p.protocol != HOMA_IPPROTO || self->p.common.type != HOMA_DATA)
			continue;
		k = ntohl(self->p.data.offset);
		ASSERT_GT(3000, k);
		ASSERT_GE(3000 - k, wire_payload(&self->p));
		ASSERT_EQ(0, memcmp(self->p.homa + 56, self->buf + k, wire_payload(&self->p)));
	}
	m.id = id | 1;
	ASSERT_TRUE(wire_data(&self->w, &m, 0, 4));
	got = id;
	ASSERT_EQ(4, response(self->fd, self->in, sizeof(self->in), &got, NULL)) TH_LOG("errno %d", errno);
	good_rpc(_metadata, self, 0x702, 5000);
}

/* ICMP errors whose quotes are nonsense belong to the kernel, or to nobody. */
TEST_F(bad, icmp)
{
	size_t len, i;
	uint64_t id, got;
	struct wire_message m = { SERVER, self->port, 0, (const uint8_t *)"done", 4, 4 };

	ASSERT_EQ(0, request(self->fd, SERVER, self->buf, 10, &id, 0));
	for (len = 0; len < 8 + 20 + 28; len++) {
		memset(self->p.homa, 0, 100);
		self->p.icmp.type = 3;
		self->p.icmp.code = len % 16;
		self->p.homa[8] = len & 1 ? 0x45 : 0x4f;
		self->p.homa[17] = HOMA_IPPROTO;
		/* The addresses of a host that has no RPCs. */
		memset(self->p.homa + 24, 0x0b, 4);
		self->p.icmp.checksum = htons(checksum(self->p.homa, len));
		wire_frame(&self->w, &self->p, IPPROTO_ICMP, len);
		ASSERT_EQ(self->p.len, send(self->w.fd, &self->p.eth, self->p.len, 0));
	}
	for (i = 0; i < 3; i++)
		usleep(1000);
	m.id = id | 1;
	ASSERT_TRUE(wire_data(&self->w, &m, 0, 4));
	got = id;
	ASSERT_EQ(4, response(self->fd, self->in, sizeof(self->in), &got, NULL)) TH_LOG("errno %d", errno);
}

/* A bystander: RPCs from the wire to a server of its own, each byte compared. */
static uint64_t bystander(struct __test_metadata *_metadata, FIXTURE_DATA(bad) *self, int fd, uint64_t n)
{
	struct wire_message m = { 0xa000, BYSTANDER, 0x100000 + 2 * n, self->buf, 1 + n * 37 % 4000, 4000 };
	struct sockaddr_in from;
	size_t addrlen = sizeof(from);
	uint64_t sid = 0;
	uint32_t at;

	for (at = 0; at < m.len; at += WIRE_SEGMENT)
		ASSERT_TRUE(wire_data(&self->w, &m, at, WIRE_SEGMENT));
	ASSERT_EQ(m.len, homa_recv(fd, self->in, sizeof(self->in), HOMA_RECV_REQUEST,
				   (struct sockaddr *)&from, &addrlen, &sid, NULL, NULL));
	ASSERT_EQ(m.id | 1, sid);
	ASSERT_EQ(0, memcmp(self->in, self->buf, m.len));
	ASSERT_EQ(0, homa_reply(fd, self->in, m.len, (struct sockaddr *)&from, addrlen, sid));
	ASSERT_TRUE(wire_ack(&self->w, 0xa000, BYSTANDER, m.id));
	wire_drain(&self->w);
	return n + 1;
}

/* 20,000 packets of all types with some bytes changed, while there are RPCs that they may hit. */
TEST_F(bad, random_packets)
{
	static const uint8_t sizes[] = { 56, 33, 37, 28, 28, 62, 28, 28, 80 };
	unsigned int seed = 146, i, k, flips;
	uint64_t rx = counter("rx_packets"), n = 0, id[4];
	struct sockaddr_in from;
	uint8_t *b = self->p.homa;
	uint64_t sid;
	size_t len;
	int fd;

	fd = sock_on(HOST_A, BYSTANDER);
	ASSERT_LE(0, fd);
	for (i = 0; i < 20000; i++) {
		if (i % 500 == 0) {
			n = bystander(_metadata, self, fd, n);
			/* Something to hit. */
			for (k = 0; k < 4; k++)
				ASSERT_EQ(0, request(self->fd, SERVER, self->buf, 1 + 5000 * k, &id[k], k));
		}
		k = rand_r(&seed) % 9;
		len = sizes[k] + (rand_r(&seed) % 4 ? 0 : rand_r(&seed) % 1400);
		memset(b, 0, len);
		for (flips = 60; flips < len; flips++)
			b[flips] = flips;
		self->p.common.type = HOMA_DATA + k;
		if (rand_r(&seed) & 1) {
			self->p.common.sport = htons(SERVER);
			self->p.common.dport = htons(self->port);
			self->p.common.sender_id = be64(id[rand_r(&seed) % 4] | 1);
		} else {
			self->p.common.sport = htons(CLIENT);
			self->p.common.dport = htons(HERE);
			self->p.common.sender_id = be64(0x5000 + rand_r(&seed) % 8);
		}
		if (k == 0) {
			self->p.data.message_length = htonl(rand_r(&seed) % 20000);
			self->p.data.offset = htonl(rand_r(&seed) % 20000);
			self->p.data.incoming = htonl(rand_r(&seed));
		}
		for (flips = rand_r(&seed) % 4; flips; flips--)
			b[rand_r(&seed) % (sizes[k] < len ? sizes[k] : len)] = rand_r(&seed);
		/* Our own ports stay the bad ones', so that the bystander's RPCs are not meant. */
		if (ntohs(self->p.common.dport) == BYSTANDER)
			continue;
		ASSERT_TRUE(wire_send(&self->w, &self->p, rand_r(&seed) % 20 ? len : rand_r(&seed) % len));
		if (i % 50 == 0) {
			/* What came through is a message for our server, or an RPC's end. */
			while (homa_recv(self->server, self->in, sizeof(self->in),
					 HOMA_RECV_REQUEST | HOMA_RECV_NONBLOCKING,
					 (struct sockaddr *)&from, &(size_t){ sizeof(from) },
					 (sid = 0, &sid), NULL, NULL) >= 0)
				homa_reply(self->server, self->in, 9000, (struct sockaddr *)&from,
					   sizeof(from), sid);
			do {
				sid = 0;
				homa_recv(self->fd, self->in, sizeof(self->in),
					  HOMA_RECV_RESPONSE | HOMA_RECV_NONBLOCKING, NULL, NULL, &sid,
					  NULL, NULL);
			} while (sid);
			wire_drain(&self->w);
		}
	}
	n = bystander(_metadata, self, fd, n);
	ASSERT_EQ(41, n);
	ASSERT_LT(rx + 19000, counter("rx_packets"));
	homa_close(fd);
	TH_LOG("dropped: %llu short, %llu type, %llu id, %llu length, %llu changed",
	       (unsigned long long)homa_counter("rx_short"),
	       (unsigned long long)homa_counter("rx_bad_type"),
	       (unsigned long long)homa_counter("rx_bad_id"),
	       (unsigned long long)homa_counter("rx_bad_length"),
	       (unsigned long long)homa_counter("rx_length_changed"));
	/* Every packet is accounted for. */
	ASSERT_EQ(counter("rx_packets"), counter("rx_delivered") + counter("rx_consumed") +
		  counter("rx_passed") + counter("rx_dropped"));
}

TEST_HARNESS_MAIN_WITH_HOSTS(1500, HOSTS_WIRE, "")
