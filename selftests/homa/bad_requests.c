// SPDX-License-Identifier: GPL-2.0
/*
 * Bad request records, which no library would write: an application with a channel of its own
 * (<etran.h>) submits them. Each is dropped and counted for its reason, an RPC that is spoilt ends
 * with an error, and sockets of others are not affected.
 */
#include "homa_test.h"

#define PORT	800

FIXTURE(bad)
{
	struct etran_channel *ch;
	struct etran_endpoint_open ep;
	struct etran_chain chain;
	uint64_t next_id;
	int client;
	int server;
};

FIXTURE_SETUP(bad)
{
	self->server = sock_on(HOST_B, PORT);
	ASSERT_LE(0, self->server);
	self->client = sock_on(HOST_A, 0);
	ASSERT_LE(0, self->client);
	/* The thread is on HOST_A. */
	self->ch = etran_channel_open(NULL);
	ASSERT_NE(NULL, self->ch) TH_LOG("%s", etran_strerror_detail());
	strcpy(self->ep.transport, "homa");
	ASSERT_LE(0, etran_endpoint_attach(self->ch, &self->ep));
	self->next_id = self->ep.arg[0];
	self->chain = (struct etran_chain)ETRAN_CHAIN_INIT;
}

/* The others' sockets: one RPC, there and back. */
static void bystander(struct __test_metadata *_metadata, FIXTURE_DATA(bad) *self)
{
	static uint8_t out[3000], in[3000];
	struct sockaddr_in from;
	size_t addrlen = sizeof(from);
	uint64_t id, sid = 0;

	fill(out, sizeof(out), 8);
	ASSERT_EQ(0, request(self->client, PORT, out, sizeof(out), &id, 0));
	ASSERT_EQ(sizeof(in), homa_recv(self->server, in, sizeof(in), HOMA_RECV_REQUEST,
					(struct sockaddr *)&from, &addrlen, &sid, NULL, NULL));
	ASSERT_EQ(0, memcmp(in, out, sizeof(in)));
	ASSERT_EQ(0, homa_reply(self->server, out, sizeof(out), (struct sockaddr *)&from, addrlen, sid));
	ASSERT_EQ(sizeof(in), response(self->client, in, sizeof(in), &id, NULL));
	ASSERT_EQ(0, memcmp(in, out, sizeof(in)));
}

FIXTURE_TEARDOWN(bad)
{
	bystander(_metadata, self);
	etran_endpoint_detach(self->ch);
	etran_channel_close(self->ch);
	homa_close(self->client);
	homa_close(self->server);
	EXPECT_TRUE(!idle(20)) TH_LOG("left: %s", idle(0));
	EXPECT_EQ(counter("frames_accepted"),
		  counter("frames_transmitted") + counter("frames_dropped"));
	EXPECT_EQ(0, counter("bad_verdict"));
	EXPECT_EQ(0, homa_counter("frame_stale"));
}

/**
 * struct record - what is submitted
 * @op: HOMA_OP_*
 * @req: Homa's part
 * @payload: bytes behind the record
 * @endpoint: of the record; 0: our own
 * @cut: bytes that the whole frame is shorter
 */
struct record {
	uint16_t op;
	struct homa_req req;
	uint32_t payload;
	uint32_t endpoint;
	uint32_t cut;
};

static struct record record(FIXTURE_DATA(bad) *self, enum homa_op op, uint64_t id, uint32_t msg_len,
			    uint32_t offset, uint32_t payload)
{
	return (struct record) {
		.op = op,
		.req = {
			.id = id,
			.msg_len = msg_len,
			.offset = offset,
			.addr = { 0, 0, htonl(0xffff), htonl(ADDR_B) },
			.port = PORT,
		},
		.payload = payload,
		.endpoint = self->ep.id,
	};
}

static struct record new_request(FIXTURE_DATA(bad) *self, uint32_t msg_len, uint32_t offset,
				 uint32_t payload)
{
	self->next_id += 2;
	return record(self, HOMA_OP_REQUEST, self->next_id, msg_len, offset, payload);
}

static void submit(struct __test_metadata *_metadata, FIXTURE_DATA(bad) *self, const struct record *r)
{
	struct etran_req er = { .endpoint = r->endpoint, .op = r->op };
	uint8_t *frame;

	etran_tx_reclaim(self->ch, &self->chain);
	frame = etran_tx_frame(self->ch, &self->chain);
	ASSERT_NE(NULL, frame);
	memcpy(er.data, &r->req, sizeof(r->req));
	memcpy(frame, &er, sizeof(er));
	memset(frame + sizeof(er), 0x55, r->payload);
	etran_tx_queue(self->ch, &self->chain, sizeof(er) + r->payload - r->cut);
	ASSERT_EQ(0, etran_tx_kick(self->ch));
}

/* The next record is that the RPC failed. Waits up to two seconds. */
static int error_of(FIXTURE_DATA(bad) *self, uint64_t id)
{
	uint64_t end = now_ms() + 2000;
	struct homa_rec rec;
	struct etran_rec er;
	const void *frame;
	uint32_t len;

	do {
		frame = etran_rx_peek(self->ch, &len);
		if (!frame) {
			usleep(1000);
			continue;
		}
		memcpy(&er, frame, sizeof(er));
		memcpy(&rec, er.data, sizeof(rec));
		etran_rx_pop(self->ch);
		if (er.endpoint != self->ep.id || er.type != HOMA_REC_ERROR || rec.id != id)
			return -1;
		return rec.error;
	} while (now_ms() < end);
	return 0;
}

static bool nothing_received(FIXTURE_DATA(bad) *self)
{
	uint32_t len;

	return !etran_rx_peek(self->ch, &len);
}

/* A record that is dropped for a reason: the module's counter, or the transport's. */
static void dropped(struct __test_metadata *_metadata, FIXTURE_DATA(bad) *self, const struct record *r,
		    uint64_t (*get)(const char *name), const char *name)
{
	uint64_t reason = get(name), drops = counter("frames_dropped");

	submit(_metadata, self, r);
	ASSERT_EQ(reason + 1, get(name)) TH_LOG("%s: op %u id %llx len %u offset %u payload %u", name,
						r->op, (unsigned long long)r->req.id, r->req.msg_len,
						r->req.offset, r->payload);
	ASSERT_EQ(drops + 1, counter("frames_dropped"));
}

TEST_F(bad, short_records)
{
	struct record r = new_request(self, 10, 0, 0);

	for (r.cut = 1; r.cut <= sizeof(struct etran_req); r.cut++) {
		if (r.cut == sizeof(struct etran_req))
			break;		/* AF_XDP itself refuses a descriptor of 0 bytes */
		dropped(_metadata, self, &r, counter, "frame_short");
	}
	ASSERT_TRUE(nothing_received(self));
	ASSERT_EQ(0, map_entries("rpcs"));
}

TEST_F(bad, endpoints_of_others)
{
	struct record r = new_request(self, 10, 0, 10);
	uint32_t i;

	/* Ids count up: the sockets of this fixture have the two before ours. */
	for (i = 1; i <= 3; i++) {
		r.endpoint = self->ep.id - i;
		dropped(_metadata, self, &r, counter, "frame_endpoint");
		r.endpoint = self->ep.id + i;
		dropped(_metadata, self, &r, counter, "frame_endpoint");
	}
	r.endpoint = 0;
	dropped(_metadata, self, &r, counter, "frame_endpoint");
	r.endpoint = 0xffffffff;
	dropped(_metadata, self, &r, counter, "frame_endpoint");
	ASSERT_EQ(0, map_entries("rpcs"));
}

TEST_F(bad, operations)
{
	static const uint16_t op[] = { 0, 4, 5, 255, 256 + HOMA_OP_REQUEST, 0xffff };
	struct record r = new_request(self, 10, 0, 10);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(op); i++) {
		r.op = op[i];
		dropped(_metadata, self, &r, homa_counter, "req_bad_op");
	}
	ASSERT_EQ(0, map_entries("rpcs"));
}

TEST_F(bad, ids)
{
	struct record r = new_request(self, 10, 0, 10);

	r.req.id = 0;
	dropped(_metadata, self, &r, homa_counter, "req_bad_id");
	r.req.id = self->next_id | 1;
	dropped(_metadata, self, &r, homa_counter, "req_bad_id");
	r.op = HOMA_OP_RESPONSE;
	r.req.id = self->next_id;
	dropped(_metadata, self, &r, homa_counter, "req_bad_id");
	r.req.id = 1;
	dropped(_metadata, self, &r, homa_counter, "req_bad_id");
	r.op = HOMA_OP_ABORT;
	r.req.id = self->next_id | 1;
	dropped(_metadata, self, &r, homa_counter, "req_bad_id");
	ASSERT_EQ(0, map_entries("rpcs"));
}

TEST_F(bad, out_of_range)
{
	struct record v[] = {
		new_request(self, 0, 0, 10),
		new_request(self, HOMA_MAX_MESSAGE_LENGTH + 1, 0, 10),
		new_request(self, 0xffffffff, 0, 10),
		new_request(self, 10, 10, 1),
		new_request(self, 10, 11, 1),
		new_request(self, 10, 0xffffffff, 10),
		new_request(self, 10, 0, 11),
		new_request(self, 10, 0, 0),
		new_request(self, 10, 5, 6),
		new_request(self, 10, 0, 10),
		new_request(self, 10, 0, 10),
		new_request(self, 10, 0, 10),
		new_request(self, 10, 0, 10),
		new_request(self, 10, 0, 10),
		new_request(self, 10, 0, 10),
		new_request(self, 10, 0, 10),
	};
	static const char * const no_host[] = { "::ffff:0.0.0.0", "::ffff:224.0.0.1",
						"::ffff:255.255.255.255", "::", "::1", "ff02::1" };
	const size_t n = ARRAY_SIZE(v);
	size_t i;

	v[n - 1 - ARRAY_SIZE(no_host)].req.port = 0;
	for (i = 0; i < ARRAY_SIZE(no_host); i++)
		ASSERT_EQ(1, inet_pton(AF_INET6, no_host[i], v[n - 1 - i].req.addr));
	for (i = 0; i < n; i++) {
		dropped(_metadata, self, &v[i], homa_counter, "req_invalid");
		ASSERT_EQ(EINVAL, error_of(self, v[i].req.id));
	}
	ASSERT_EQ(0, map_entries("rpcs"));
}

TEST_F(bad, segments_that_do_not_continue)
{
	struct record first, r;
	uint64_t begun;
	int i;

	/* A message that does not begin with its beginning. */
	r = new_request(self, 3000, 1000, 1000);
	dropped(_metadata, self, &r, homa_counter, "req_unknown_rpc");
	ASSERT_EQ(EINVAL, error_of(self, r.req.id));
	for (i = 0; i < 4; i++) {
		first = new_request(self, 3000, 0, 1000);
		begun = homa_counter("rpc_client");
		submit(_metadata, self, &first);
		ASSERT_EQ(begun + 1, homa_counter("rpc_client"));
		r = first;
		r.req.offset = 1000;
		switch (i) {
		case 0:		/* a gap */
			r.req.offset = 1001;
			break;
		case 1:		/* something again */
			r.req.offset = 999;
			break;
		case 2:		/* another length */
			r.req.msg_len = 3001;
			break;
		case 3:		/* the first again */
			r.req.offset = 0;
			break;
		}
		dropped(_metadata, self, &r, homa_counter, "req_not_next");
		/* That spoils the RPC, so it ends. */
		ASSERT_EQ(EINVAL, error_of(self, first.req.id));
	}
	/* To another host or port it is another RPC, which is not known. */
	first = new_request(self, 3000, 0, 1000);
	submit(_metadata, self, &first);
	r = first;
	r.req.offset = 1000;
	r.req.port = PORT + 1;
	dropped(_metadata, self, &r, homa_counter, "req_unknown_rpc");
	ASSERT_TRUE(nothing_received(self));
	r = record(self, HOMA_OP_ABORT, 0, 0, 0, 0);
	submit(_metadata, self, &r);
	ASSERT_RPCS_IDLE(2);
}

TEST_F(bad, responses_to_nothing)
{
	struct record r = record(self, HOMA_OP_RESPONSE, 4711, 10, 0, 10);
	struct sockaddr_in from;
	size_t addrlen = sizeof(from);
	uint64_t id, sid = 0;
	char in[16];

	dropped(_metadata, self, &r, homa_counter, "req_unknown_rpc");
	/* To another socket's request. */
	ASSERT_EQ(0, request(self->client, PORT, "abc", 3, &id, 0));
	ASSERT_EQ(3, homa_recv(self->server, in, sizeof(in), HOMA_RECV_REQUEST,
			       (struct sockaddr *)&from, &addrlen, &sid, NULL, NULL));
	r.req.id = sid;
	r.req.addr[3] = from.sin_addr.s_addr;
	r.req.port = ntohs(from.sin_port);
	dropped(_metadata, self, &r, homa_counter, "req_unknown_rpc");
	/* And another socket's RPC cannot be aborted. */
	r = record(self, HOMA_OP_ABORT, id, 0, 0, 0);
	submit(_metadata, self, &r);
	r.req.id = 0;
	submit(_metadata, self, &r);
	memset(r.req.addr, 0, sizeof(r.req.addr));
	r.req.id = id;
	submit(_metadata, self, &r);
	ASSERT_EQ(2, map_entries("rpcs"));
	ASSERT_EQ(0, homa_reply(self->server, "defg", 4, (struct sockaddr *)&from, addrlen, sid));
	ASSERT_EQ(4, response(self->client, in, sizeof(in), &id, NULL));
	ASSERT_TRUE(nothing_received(self));
}

/* More payload than a packet can carry. */
TEST_F(bad, packets_too_large)
{
	struct record r = new_request(self, 1800, 0, 1800);
	uint64_t mtu = counter("packet_mtu"), frames = counter("frame_long");
	int error;

	submit(_metadata, self, &r);
	ASSERT_LT(mtu + frames, counter("packet_mtu") + counter("frame_long"));
	/* It never can be sent, so it fails like one whose packets all are lost. */
	if (counter("frame_long") == frames) {
		error = error_of(self, r.req.id);
		ASSERT_TRUE(error == ETIMEDOUT || error == EMSGSIZE) TH_LOG("error %d", error);
	}
	r = new_request(self, 1984, 0, 1984);
	submit(_metadata, self, &r);
	ASSERT_LT(mtu + frames + 1, counter("packet_mtu") + counter("frame_long"));
	r = record(self, HOMA_OP_ABORT, 0, 0, 0, 0);
	submit(_metadata, self, &r);
	ASSERT_RPCS_IDLE(2);
}

/* Records of random bytes: whatever they are taken for, everything ends. */
TEST_F(bad, random_records)
{
	unsigned int seed = 11, i;
	struct record r;
	uint32_t len;

	for (i = 0; i < 3000; i++) {
		r = new_request(self, 1 + rand_r(&seed) % 2000, 0, rand_r(&seed) % 1424);
		if (rand_r(&seed) & 1)
			r.req.offset = rand_r(&seed) % 2000;
		if (rand_r(&seed) % 4 == 0)
			r.op = rand_r(&seed) % 6;
		if (rand_r(&seed) % 4 == 0)
			r.req.id += rand_r(&seed) % 4;
		if (rand_r(&seed) % 4 == 0)
			r.req.id = self->next_id - rand_r(&seed) % 8;
		if (rand_r(&seed) % 8 == 0)
			r.req.port = rand_r(&seed);
		if (rand_r(&seed) % 8 == 0)
			r.req.addr[rand_r(&seed) % 4] = rand_r(&seed);
		if (rand_r(&seed) % 16 == 0)
			((uint8_t *)&r.req)[rand_r(&seed) % sizeof(r.req)] = rand_r(&seed);
		submit(_metadata, self, &r);
		while (etran_rx_peek(self->ch, &len))
			etran_rx_pop(self->ch);
		if (i % 500 == 0) {
			struct sockaddr_in from;
			uint64_t sid = 0;
			uint8_t in[2000];

			/* Some of them were messages. */
			while (homa_recv(self->server, in, sizeof(in),
					 HOMA_RECV_REQUEST | HOMA_RECV_NONBLOCKING,
					 (struct sockaddr *)&from, &(size_t){ sizeof(from) }, &sid,
					 NULL, NULL) >= 0)
				sid = 0;
		}
	}
	r = record(self, HOMA_OP_ABORT, 0, 0, 0, 0);
	submit(_metadata, self, &r);
	/* The server's socket goes with what it did not answer; the bystanders get a new one. */
	homa_close(self->server);
	self->server = sock_on(HOST_B, PORT);
	ASSERT_LE(0, self->server);
}

TEST_HARNESS_MAIN_WITH_HOSTS(1500, HOSTS_BOTH, "")
