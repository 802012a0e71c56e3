// SPDX-License-Identifier: GPL-2.0
/*
 * What Homa does with each type of packet in each state of an RPC, and with packets that are wrong in one
 * field: the one packet that it answers with, or none; what it counts; whether the RPC lives on. A table:
 * each line is a case with an RPC of its own. Timers are set so long (SET) that every packet is an answer.
 *
 * wire.c has sequences of packets, wire_bad.c what is wrong in the common header, and mutilated packets.
 */
#include "wire_check.h"

#define SERVER	700	/* the wire's server port */
#define CLIENT	0x9000	/* the wire's client port */
#define HERE	701	/* our server's port */
/* Longer than anything takes that happens at once. */
#define MS	60
/* As long as nothing may come. */
#define QUIET	3

/* States of an RPC. Its message, if any, is RESPONSE or REQUEST bytes. */
enum state {
	/* our server's */
	SERVER_NONE,		/* id never seen */
	SERVER_NO_PORT,		/* the same, at a port that nobody has */
	SERVER_CLIENT_PORT,	/* the same, at a client's port */
	SERVER_INCOMING,	/* bytes 0..1000 of a request of 3000 are here */
	SERVER_WAITS,		/* bytes 0..1000 of 30000, others are not granted yet */
	SERVER_SERVICE,		/* the application has the request, of 5 bytes */
	SERVER_OUTGOING,	/* its response of 50 bytes was sent */
	SERVER_LONG,		/* its response of LONG bytes was sent as far as that is unscheduled */
	SERVER_DONE,		/* acknowledged, after something was sent twice */
	/* our client's */
	CLIENT_NONE,		/* id never used */
	CLIENT_OUTGOING,	/* request of 10 bytes was sent */
	CLIENT_LONG,		/* request of LONG bytes was sent as far as that is unscheduled */
	CLIENT_INCOMING,	/* bytes 0..1000 of a response of 2000 are here */
	CLIENT_GAP,		/* bytes 0..500 and 1000..1500 of 2000 */
	CLIENT_DONE,		/* complete */
};

/* More than is unscheduled; the last packet is not. */
#define LONG	42000
/* Packets and bytes that are unscheduled. */
#define PARTS	29
#define SENT	(PARTS * WIRE_SEGMENT)
/* In a table: SENT, which depends on the version of IP; and what comes before and behind. */
#define AT_SENT	0xfff00000U

enum flags {
	AGAIN		= 1 << 0,	/* DATA: in answer to RESEND */
	IN_SEQUENCE	= 1 << 1,	/* DATA: the offset is in the common header */
	ODD		= 1 << 2,	/* the id's lowest bit is the other one */
	LONGER		= 1 << 3,	/* bytes behind what the type has */
	TWICE		= 1 << 4,	/* the same packet again: both are counted */
	OTHER_PORT	= 1 << 5,	/* from another port of the peer */
	LISTED		= 1 << 6,	/* ACK: of another RPC, this one is in its list */
	LISTED_ELSEWHERE = 1 << 7,	/* the same, with another port */
	ACK_ALONG	= 1 << 8,	/* DATA of another RPC acknowledges this one */
};

/* "answer": besides types of Homa's packets */
#define NOTHING	0
#define ICMP	1

/**
 * struct rule - a case
 * @name: what it is
 * @state: of the RPC
 * @type: of the packet
 * @flags: enum flags
 * @a: DATA, GRANT, RESEND: offset
 * @b: DATA: bytes; RESEND: length
 * @c: DATA: bytes of the message; GRANT, RESEND: priority
 * @counter: goes up by one for it
 * @answer: type of the answer
 * @x: DATA, RESEND: offset in the answer
 * @y: RESEND: length in the answer; DATA: it is one that was sent before
 * @more: packets that follow the answer
 * @left: RPCs that there are afterwards
 */
struct rule {
	const char *name;
	enum state state;
	uint8_t type;
	unsigned int flags;
	uint32_t a, b, c;
	const char *counter;
	uint8_t answer;
	uint32_t x, y;
	int more;
	int left;
};

FIXTURE(conformance)
{
	WIRE_MEMBERS;
	uint16_t sport;
	uint16_t dport;
	uint64_t id;
	uint64_t next;
	uint8_t *buf;
	uint8_t *in;
};

WIRE_FAMILIES(conformance);

FIXTURE_SETUP(conformance)
{
	homa_family = variant->family;
	WIRE_SETUP(HERE);
	self->w.cutoffs = true;
	self->buf = malloc(HOMA_MAX_MESSAGE_LENGTH);
	self->in = malloc(HOMA_MAX_MESSAGE_LENGTH);
	ASSERT_TRUE(self->buf && self->in);
	fill(self->buf, HOMA_MAX_MESSAGE_LENGTH, 5);
	/* Not those of the test before: some of them are remembered. */
	self->next = now_ms() << 12;
}

FIXTURE_TEARDOWN(conformance)
{
	WIRE_TEARDOWN();
}

/* Bytes [offset, offset + n) of a message of @len bytes, with all fields set. */
static bool data(FIXTURE_DATA(conformance) *self, uint64_t id, uint32_t offset, uint32_t n, uint32_t len)
{
	struct packet *p = &self->p;

	wire_common(p, HOMA_DATA, self->sport, self->dport, id);
	p->common.sequence = htonl(offset);
	p->data.message_length = htonl(len);
	/* A server that waits for grants is one that was sent little. */
	p->data.incoming = htonl(len == 30000 ? 1000 : len);
	/* So that nothing is told about cutoffs. */
	p->data.cutoff_version = htons(1);
	p->data.offset = htonl(offset);
	if (offset < HOMA_MAX_MESSAGE_LENGTH && n <= HOMA_MAX_MESSAGE_LENGTH - offset)
		memcpy(p->homa + sizeof(p->data), self->buf + offset, n);
	return wire_send(&self->w, p, sizeof(p->data) + n);
}

static bool reaches(uint64_t (*get)(const char *name), const char *name, uint64_t value)
{
	uint64_t end = now_ms() + 1000;

	while (get(name) < value && now_ms() < end)
		usleep(200);
	return get(name) == value;
}

static bool rpcs_are(int n)
{
	uint64_t end = now_ms() + 1000;

	while (map_entries("rpcs") != n && now_ms() < end)
		usleep(200);
	return map_entries("rpcs") == n;
}

/* What the application does with a request. */
static void serve(struct __test_metadata *_metadata, FIXTURE_DATA(conformance) *self, size_t len)
{
	struct pollfd p = { .fd = self->server, .events = POLLIN };
	union address from;
	size_t addrlen = sizeof(from);
	uint64_t id = 0;

	ASSERT_EQ(1, poll(&p, 1, 1000));
	ASSERT_EQ(5, homa_recv(self->server, self->in, HOMA_MAX_MESSAGE_LENGTH, HOMA_RECV_REQUEST,
			       &from.sa, &addrlen, &id, NULL, NULL));
	ASSERT_EQ(self->id | 1, id);
	if (!len)
		return;
	ASSERT_EQ(0, homa_reply(self->server, self->buf, len, &from.sa, addrlen, id));
}

static void expect_sent(struct __test_metadata *_metadata, FIXTURE_DATA(conformance) *self, int packets)
{
	for (; packets; packets--)
		ASSERT_TRUE(wire_next_of(&self->w, &self->p, HOMA_DATA, MS));
}

/* Bring an RPC into a state. self->id is what the peer calls it. */
static void prepare(struct __test_metadata *_metadata, FIXTURE_DATA(conformance) *self,
		    enum state state)
{
	uint64_t id = self->next += 2, finished = homa_counter("rpc_client_done");
	const bool client = state >= CLIENT_NONE;

	self->sport = client ? SERVER : CLIENT;
	self->dport = client ? self->port : HERE;
	if (state == SERVER_NO_PORT)
		self->dport = HERE + 1;
	if (state == SERVER_CLIENT_PORT)
		self->dport = self->port;
	if (state > CLIENT_NONE) {
		ASSERT_EQ(0, request(self->fd, SERVER, self->buf, state == CLIENT_LONG ? LONG : 10, &id, 0));
		expect_sent(_metadata, self, state == CLIENT_LONG ? PARTS : 1);
	}
	self->id = client ? id | 1 : id;
	switch (state) {
	case SERVER_INCOMING:
		ASSERT_TRUE(data(self, self->id, 0, 1000, 3000));
		ASSERT_TRUE(rpcs_are(1));
		break;
	case SERVER_WAITS:
		ASSERT_TRUE(data(self, self->id, 0, 1000, 30000));
		ASSERT_TRUE(wire_next_of(&self->w, &self->p, HOMA_GRANT, MS));
		ASSERT_EQ(30000, ntohl(self->p.grant.offset));
		break;
	case SERVER_DONE:
	case SERVER_SERVICE:
	case SERVER_OUTGOING:
	case SERVER_LONG:
		ASSERT_TRUE(data(self, self->id, 0, 5, 5));
		if (state == SERVER_SERVICE) {
			serve(_metadata, self, 0);
			break;
		}
		serve(_metadata, self, state == SERVER_LONG ? LONG : 50);
		expect_sent(_metadata, self, state == SERVER_LONG ? PARTS : 1);
		if (state == SERVER_DONE) {
			uint64_t wrong_state = homa_counter("rx_wrong_state");

			ASSERT_TRUE(data(self, self->id, 0, 5, 5));
			ASSERT_TRUE(reaches(homa_counter, "rx_wrong_state", wrong_state + 1));
			ASSERT_TRUE(wire_ack(&self->w, CLIENT, HERE, self->id));
			ASSERT_TRUE(rpcs_are(0));
		}
		break;
	case CLIENT_INCOMING:
		ASSERT_TRUE(data(self, self->id, 0, 1000, 2000));
		break;
	case CLIENT_GAP:
		ASSERT_TRUE(data(self, self->id, 0, 500, 2000));
		ASSERT_TRUE(data(self, self->id, 1000, 500, 2000));
		break;
	case CLIENT_DONE:
		ASSERT_TRUE(data(self, self->id, 0, 4, 4));
		ASSERT_TRUE(wire_next_of(&self->w, &self->p, HOMA_ACK, MS));
		ASSERT_TRUE(reaches(homa_counter, "rpc_client_done", finished + 1));
		break;
	default:
		break;
	}
}

/* End the RPC, if it lives, and take what the applications got. */
static void clean(struct __test_metadata *_metadata, FIXTURE_DATA(conformance) *self)
{
	uint64_t id;

	if (self->id & 1)
		homa_abort(self->fd, self->id & ~1ULL, 0);
	else
		wire_control(&self->w, HOMA_RPC_UNKNOWN, CLIENT, HERE, self->id);
	ASSERT_TRUE(rpcs_are(0));
	do {
		id = 0;
		homa_recv(self->server, self->in, HOMA_MAX_MESSAGE_LENGTH,
			  HOMA_RECV_REQUEST | HOMA_RECV_NONBLOCKING, NULL, NULL, &id, NULL, NULL);
	} while (id);
	do {
		id = 0;
		homa_recv(self->fd, self->in, HOMA_MAX_MESSAGE_LENGTH,
			  HOMA_RECV_RESPONSE | HOMA_RECV_NONBLOCKING, NULL, NULL, &id, NULL, NULL);
	} while (id);
	wire_drain(&self->w);
}

static uint32_t resolve(uint32_t v)
{
	/* -1 and its neighbours are themselves. */
	return v >= AT_SENT - 16 && v <= AT_SENT + 16 ? SENT + (v - AT_SENT) : v;
}

static size_t fixed_len(uint8_t type)
{
	switch (type) {
	case HOMA_DATA:
		return sizeof(struct homa_data_hdr);
	case HOMA_GRANT:
		return sizeof(struct homa_grant_hdr);
	case HOMA_RESEND:
		return sizeof(struct homa_resend_hdr);
	case HOMA_CUTOFFS:
		return sizeof(struct homa_cutoffs_hdr);
	case HOMA_ACK:
		return sizeof(struct homa_ack_hdr);
	}
	return sizeof(struct homa_common_hdr);
}

static void play(struct __test_metadata *_metadata, FIXTURE_DATA(conformance) *self,
		 const struct rule *r)
{
	uint64_t id = r->flags & ODD ? self->id ^ 1 : self->id;
	uint16_t sport = r->flags & OTHER_PORT ? self->sport + 1 : self->sport;
	size_t len = fixed_len(r->type);
	struct packet *p = &self->p;

	wire_common(p, r->type, sport, self->dport, id);
	switch (r->type) {
	case HOMA_DATA:
		p->data.message_length = htonl(r->c);
		p->data.incoming = htonl(r->c);
		p->data.cutoff_version = htons(1);
		p->data.retransmit = !!(r->flags & AGAIN);
		p->data.offset = htonl(r->a);
		if (r->flags & IN_SEQUENCE) {
			p->common.sequence = htonl(r->a);
			p->data.offset = htonl(HOMA_OFFSET_IN_SEQUENCE);
		}
		if (r->flags & ACK_ALONG) {
			p->common.sender_id = be64(id + 0x10000000);
			p->data.ack.client_id = be64(id);
			p->data.ack.server_port = htons(self->dport);
		}
		if (r->a < HOMA_MAX_MESSAGE_LENGTH && r->b <= HOMA_MAX_MESSAGE_LENGTH - r->a)
			memcpy(p->homa + len, self->buf + r->a, r->b);
		len += r->b;
		break;
	case HOMA_GRANT:
		p->grant.offset = htonl(resolve(r->a));
		p->grant.priority = r->c;
		break;
	case HOMA_RESEND:
		p->resend.offset = htonl(resolve(r->a));
		p->resend.length = htonl(resolve(r->b));
		p->resend.priority = r->c;
		break;
	case HOMA_CUTOFFS:
		/* What is taken for unknown: the priorities of others do not change. */
		p->cutoffs.cutoff_version = 0;
		break;
	case HOMA_ACK:
		if (r->flags & (LISTED | LISTED_ELSEWHERE)) {
			p->common.sender_id = be64(id + 0x10000000);
			p->ack.num_acks = htons(r->a);
			p->ack.acks[r->b].client_id = be64(id);
			p->ack.acks[r->b].server_port =
				htons(self->dport + (r->flags & LISTED_ELSEWHERE ? 1 : 0));
		}
		break;
	}
	if (r->flags & LONGER) {
		memset(p->homa + len, 0xff, 300);
		len += 300;
	}
	ASSERT_TRUE(wire_send(&self->w, p, len));
	if (r->flags & TWICE)
		ASSERT_TRUE(wire_send(&self->w, p, len));
}

/* What is counted for packets that are dropped, not used up. */
static bool is_drop(const char *counter)
{
	static const char * const v[] = {
		"rx_short", "rx_bad_type", "rx_bad_port", "rx_bad_id", "rx_bad_addr",
		"rx_bad_length", "rx_length_changed", "rx_straddle", "rx_no_server",
		"rx_finished",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(v); i++)
		if (!strcmp(counter, v[i]))
			return true;
	return false;
}

/* Returns a text that says what is wrong with the answer, NULL for nothing. */
static const char *check_answer(struct __test_metadata *_metadata, FIXTURE_DATA(conformance) *self,
				const struct rule *r)
{
	const uint64_t id = (r->flags & ODD ? self->id ^ 1 : self->id) ^ 1;
	const uint16_t sport = r->flags & OTHER_PORT ? self->sport + 1 : self->sport;
	struct packet *p = &self->p;
	static char text[100];

	if (!wire_next(&self->w, p, r->answer == NOTHING ? QUIET : MS))
		return r->answer == NOTHING ? NULL : "no answer";
	if (p->protocol != HOMA_IPPROTO)
		return r->answer == ICMP ? NULL : "an ICMP error";
	if (r->answer == NOTHING || p->common.type != r->answer) {
		snprintf(text, sizeof(text), "answer of type %#x", p->common.type);
		return text;
	}
	check_common(_metadata, p, r->answer, fixed_len(r->answer), self->dport, sport, id);
	if (r->answer == HOMA_DATA) {
		if (ntohl(p->data.offset) != resolve(r->x)) {
			snprintf(text, sizeof(text), "DATA at %u", ntohl(p->data.offset));
			return text;
		}
		if (p->data.retransmit != r->y)
			return "DATA sent for the first time or not";
		if (memcmp(p->homa + 56, self->buf + ntohl(p->data.offset), wire_payload(p)))
			return "wrong payload";
	}
	if (r->answer == HOMA_RESEND && (ntohl(p->resend.offset) != r->x ||
					 ntohl(p->resend.length) != r->y)) {
		snprintf(text, sizeof(text), "RESEND of %u at %u", ntohl(p->resend.length),
			 ntohl(p->resend.offset));
		return text;
	}
	return NULL;
}

static void check(struct __test_metadata *_metadata, FIXTURE_DATA(conformance) *self,
		  const struct rule *r)
{
	uint64_t counted, dropped;
	const int times = r->flags & TWICE ? 2 : 1;
	const char *wrong;
	int more = 0;

	prepare(_metadata, self, r->state);
	ASSERT_FALSE(wire_next(&self->w, &self->p, 0)) TH_LOG("%s: sent beforehand: %x", r->name,
							      self->p.common.type);
	counted = homa_counter(r->counter);
	dropped = counter("rx_dropped");
	play(_metadata, self, r);
	EXPECT_TRUE(reaches(homa_counter, r->counter, counted + times))
		TH_LOG("%s: %s is %d more", r->name, r->counter,
		       (int)(homa_counter(r->counter) - counted));
	wrong = check_answer(_metadata, self, r);
	EXPECT_TRUE(!wrong) TH_LOG("%s: %s", r->name, wrong);
	while (wire_next(&self->w, &self->p, QUIET))
		more++;
	EXPECT_EQ(r->more, more) TH_LOG("%s: last of type %x", r->name, self->p.common.type);
	EXPECT_TRUE(rpcs_are(r->left)) TH_LOG("%s: %d RPCs", r->name, map_entries("rpcs"));
	EXPECT_EQ(homa_counter(r->counter) - counted,
		  is_drop(r->counter) ? counter("rx_dropped") - dropped : (uint64_t)times)
		TH_LOG("%s: not dropped", r->name);
	if (!is_drop(r->counter)) {
		EXPECT_EQ(dropped, counter("rx_dropped")) TH_LOG("%s: dropped", r->name);
	}
	if (r->flags & ACK_ALONG)
		wire_control(&self->w, HOMA_RPC_UNKNOWN, CLIENT, HERE, self->id + 0x10000000);
	clean(_metadata, self);
}

static void check_all(struct __test_metadata *_metadata, FIXTURE_DATA(conformance) *self,
		      const struct rule *r, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		check(_metadata, self, &r[i]);
}

#define CHECK_ALL(...) do {							\
	static const struct rule rules_[] = { __VA_ARGS__ };			\
	check_all(_metadata, self, rules_, ARRAY_SIZE(rules_));			\
} while (0)

TEST_F(conformance, data_to_servers)
{
	CHECK_ALL(
	{ "all of a request", SERVER_NONE, HOMA_DATA, 0, 0, 5, 5, "rx_data", NOTHING, .left = 1 },
	{ "part of a request", SERVER_NONE, HOMA_DATA, 0, 0, 100, 500, "rx_data", NOTHING, .left = 1 },
	{ "its middle first", SERVER_NONE, HOMA_DATA, 0, 200, 100, 500, "rx_data", NOTHING, .left = 1 },
	{ "its end first", SERVER_NONE, HOMA_DATA, 0, 499, 1, 500, "rx_data", NOTHING, .left = 1 },
	{ "offset in sequence", SERVER_NONE, HOMA_DATA, IN_SEQUENCE, 0, 5, 5, "rx_data", NOTHING, .left = 1 },
	{ "no bytes", SERVER_NONE, HOMA_DATA, 0, 0, 0, 500, "rx_data", NOTHING },
	{ "message of no bytes", SERVER_NONE, HOMA_DATA, 0, 0, 0, 0, "rx_bad_length", NOTHING },
	{ "bytes of a message of none", SERVER_NONE, HOMA_DATA, 0, 0, 5, 0, "rx_bad_length", NOTHING },
	{ "longest message", SERVER_NONE, HOMA_DATA, 0, 0, 5, 1000000, "rx_data", NOTHING, .left = 1 },
	{ "too long a message", SERVER_NONE, HOMA_DATA, 0, 0, 5, 1000001, "rx_bad_length", NOTHING },
	{ "-1 bytes", SERVER_NONE, HOMA_DATA, 0, 0, 5, -1, "rx_bad_length", NOTHING },
	{ "beyond its end", SERVER_NONE, HOMA_DATA, 0, 0, 6, 5, "rx_bad_length", NOTHING },
	{ "behind its end", SERVER_NONE, HOMA_DATA, 0, 5, 1, 5, "rx_bad_length", NOTHING },
	{ "far behind its end", SERVER_NONE, HOMA_DATA, 0, 0xfffffffe, 4, 5, "rx_bad_length", NOTHING },
	{ "the same in sequence", SERVER_NONE, HOMA_DATA, IN_SEQUENCE, 5, 1, 5, "rx_bad_length", NOTHING },
	{ "-1 in both", SERVER_NONE, HOMA_DATA, IN_SEQUENCE, -1, 1, 5, "rx_bad_length", NOTHING },
	{ "no server", SERVER_NO_PORT, HOMA_DATA, 0, 0, 5, 5, "rx_no_server", ICMP },
	{ "no server, later part", SERVER_NO_PORT, HOMA_DATA, 0, 100, 100, 500, "rx_no_server", NOTHING },
	{ "no server, asked for", SERVER_NO_PORT, HOMA_DATA, AGAIN, 100, 100, 500, "rx_no_server", ICMP },
	{ "client is no server", SERVER_CLIENT_PORT, HOMA_DATA, 0, 0, 5, 5, "rx_no_server", ICMP },
	{ "next part", SERVER_INCOMING, HOMA_DATA, 0, 1000, 1000, 3000, "rx_data", NOTHING, .left = 1 },
	{ "part behind a gap", SERVER_INCOMING, HOMA_DATA, 0, 2000, 500, 3000, "rx_data", NOTHING, .left = 1 },
	{ "old part", SERVER_INCOMING, HOMA_DATA, 0, 0, 1000, 3000, "rx_duplicate", NOTHING, .left = 1 },
	{ "within an old part", SERVER_INCOMING, HOMA_DATA, 0, 200, 100, 3000, "rx_duplicate", NOTHING, .left = 1 },
	{ "old part, asked for", SERVER_INCOMING, HOMA_DATA, AGAIN, 0, 1000, 3000, "rx_duplicate", NOTHING, .left = 1 },
	{ "half old", SERVER_INCOMING, HOMA_DATA, 0, 500, 1000, 3000, "rx_straddle", NOTHING, .left = 1 },
	{ "one byte old", SERVER_INCOMING, HOMA_DATA, 0, 999, 2, 3000, "rx_straddle", NOTHING, .left = 1 },
	{ "another length", SERVER_INCOMING, HOMA_DATA, 0, 1000, 100, 3001, "rx_length_changed", NOTHING, .left = 1 },
	{ "another length, at its end", SERVER_INCOMING, HOMA_DATA, 0, 1000, 10, 1010, "rx_length_changed", NOTHING, .left = 1 },
	{ "beyond the end", SERVER_INCOMING, HOMA_DATA, 0, 2999, 2, 3000, "rx_bad_length", NOTHING, .left = 1 },
	{ "nothing more", SERVER_INCOMING, HOMA_DATA, 0, 1000, 0, 3000, "rx_data", NOTHING, .left = 1 },
	{ "twice", SERVER_INCOMING, HOMA_DATA, TWICE, 1000, 100, 3000, "rx_data", NOTHING, .left = 1 },
	{ "another client's", SERVER_INCOMING, HOMA_DATA, OTHER_PORT, 0, 0, 3000, "rx_data", NOTHING, .left = 1 },
	{ "what was not granted", SERVER_WAITS, HOMA_DATA, 0, 1000, 1000, 30000, "rx_data", NOTHING, .left = 1 },
	{ "request again, in service", SERVER_SERVICE, HOMA_DATA, 0, 0, 5, 5, "rx_wrong_state", NOTHING, .left = 1 },
	{ "request again, answered", SERVER_OUTGOING, HOMA_DATA, 0, 0, 5, 5, "rx_wrong_state", NOTHING, .left = 1 },
	{ "request again, partly answered", SERVER_LONG, HOMA_DATA, 0, 0, 5, 5, "rx_wrong_state", NOTHING, .left = 1 },
	{ "request again, over", SERVER_DONE, HOMA_DATA, 0, 0, 5, 5, "rx_finished", NOTHING },
	{ "with an acknowledgement", SERVER_OUTGOING, HOMA_DATA, ACK_ALONG, 0, 5, 50, "rpc_server_done", NOTHING, .left = 1 },
	);
}

TEST_F(conformance, data_to_clients)
{
	CHECK_ALL(
	{ "response to nothing", CLIENT_NONE, HOMA_DATA, 0, 0, 5, 5, "rx_unknown_rpc", HOMA_ACK },
	{ "all of a response", CLIENT_OUTGOING, HOMA_DATA, 0, 0, 5, 5, "rpc_client_done", HOMA_ACK },
	{ "part of a response", CLIENT_OUTGOING, HOMA_DATA, 0, 0, 100, 500, "rx_data", NOTHING, .left = 1 },
	{ "its end first", CLIENT_OUTGOING, HOMA_DATA, 0, 400, 100, 500, "rx_data", NOTHING, .left = 1 },
	{ "no bytes", CLIENT_OUTGOING, HOMA_DATA, 0, 0, 0, 500, "rx_data", NOTHING, .left = 1 },
	{ "message of no bytes", CLIENT_OUTGOING, HOMA_DATA, 0, 0, 0, 0, "rx_bad_length", NOTHING, .left = 1 },
	{ "too long a message", CLIENT_OUTGOING, HOMA_DATA, 0, 0, 5, 1000001, "rx_bad_length", NOTHING, .left = 1 },
	{ "beyond its end", CLIENT_OUTGOING, HOMA_DATA, 0, 1, 5, 5, "rx_bad_length", NOTHING, .left = 1 },
	{ "another port's", CLIENT_OUTGOING, HOMA_DATA, OTHER_PORT, 0, 5, 5, "rx_unknown_rpc", HOMA_ACK, .left = 1 },
	{ "before the request was sent", CLIENT_LONG, HOMA_DATA, 0, 0, 5, 5, "rx_wrong_state", NOTHING, .left = 1 },
	{ "the rest", CLIENT_INCOMING, HOMA_DATA, 0, 1000, 1000, 2000, "rpc_client_done", HOMA_ACK },
	{ "old part", CLIENT_INCOMING, HOMA_DATA, 0, 0, 1000, 2000, "rx_duplicate", NOTHING, .left = 1 },
	{ "half old", CLIENT_INCOMING, HOMA_DATA, 0, 500, 1000, 2000, "rx_straddle", NOTHING, .left = 1 },
	{ "another length", CLIENT_INCOMING, HOMA_DATA, 0, 1000, 1000, 2001, "rx_length_changed", NOTHING, .left = 1 },
	{ "fills the gap", CLIENT_GAP, HOMA_DATA, 0, 500, 500, 2000, "rx_data", NOTHING, .left = 1 },
	{ "fills it at its beginning", CLIENT_GAP, HOMA_DATA, 0, 500, 100, 2000, "rx_data", NOTHING, .left = 1 },
	{ "fills it at its end", CLIENT_GAP, HOMA_DATA, 0, 900, 100, 2000, "rx_data", NOTHING, .left = 1 },
	{ "fills it in the middle", CLIENT_GAP, HOMA_DATA, 0, 700, 100, 2000, "rx_data", NOTHING, .left = 1 },
	{ "over the gap's beginning", CLIENT_GAP, HOMA_DATA, 0, 400, 200, 2000, "rx_straddle", NOTHING, .left = 1 },
	{ "over its end", CLIENT_GAP, HOMA_DATA, 0, 900, 200, 2000, "rx_straddle", NOTHING, .left = 1 },
	{ "over all of it", CLIENT_GAP, HOMA_DATA, 0, 400, 700, 2000, "rx_straddle", NOTHING, .left = 1 },
	{ "behind the gap, old", CLIENT_GAP, HOMA_DATA, 0, 1000, 500, 2000, "rx_duplicate", NOTHING, .left = 1 },
	{ "response again", CLIENT_DONE, HOMA_DATA, 0, 0, 4, 4, "rx_unknown_rpc", HOMA_ACK },
	/* Who is the client is told by the id alone. */
	{ "id of a client, to a server", SERVER_NONE, HOMA_DATA, ODD, 0, 5, 5, "rx_unknown_rpc", HOMA_ACK },
	{ "id of a server, to a client", CLIENT_OUTGOING, HOMA_DATA, ODD, 0, 5, 5, "rx_no_server", ICMP, .left = 1 },
	);
}

TEST_F(conformance, grants)
{
	CHECK_ALL(
	{ "nothing is known", SERVER_NONE, HOMA_GRANT, 0, 1000, 0, 0, "rx_unknown_rpc", NOTHING },
	{ "no server", SERVER_NO_PORT, HOMA_GRANT, 0, 1000, 0, 0, "rx_unknown_rpc", NOTHING },
	{ "request arrives", SERVER_INCOMING, HOMA_GRANT, 0, 3000, 0, 0, "rx_grant", NOTHING, .left = 1 },
	{ "in service", SERVER_SERVICE, HOMA_GRANT, 0, 1000, 0, 0, "rx_grant", NOTHING, .left = 1 },
	{ "all is sent", SERVER_OUTGOING, HOMA_GRANT, 0, 50, 0, 0, "rx_grant", NOTHING, .left = 1 },
	{ "all of a response", SERVER_LONG, HOMA_GRANT, 0, LONG, 0, 3, "rx_grant", HOMA_DATA, AT_SENT, .left = 1 },
	{ "it is over", SERVER_DONE, HOMA_GRANT, 0, 1000, 0, 0, "rx_unknown_rpc", NOTHING },
	{ "id never used", CLIENT_NONE, HOMA_GRANT, 0, 1000, 0, 0, "rx_unknown_rpc", NOTHING },
	{ "all of a request", CLIENT_LONG, HOMA_GRANT, 0, LONG, 0, 3, "rx_grant", HOMA_DATA, AT_SENT, .left = 1 },
	{ "one byte more", CLIENT_LONG, HOMA_GRANT, 0, AT_SENT + 1, 0, 3, "rx_grant", HOMA_DATA, AT_SENT, .left = 1 },
	{ "what was sent", CLIENT_LONG, HOMA_GRANT, 0, AT_SENT, 0, 3, "rx_grant", NOTHING, .left = 1 },
	{ "less", CLIENT_LONG, HOMA_GRANT, 0, 1000, 0, 3, "rx_grant", NOTHING, .left = 1 },
	{ "0", CLIENT_LONG, HOMA_GRANT, 0, 0, 0, 3, "rx_grant", NOTHING, .left = 1 },
	{ "beyond the end", CLIENT_LONG, HOMA_GRANT, 0, LONG + 1, 0, 3, "rx_grant", HOMA_DATA, AT_SENT, .left = 1 },
	{ "-1", CLIENT_LONG, HOMA_GRANT, 0, -1, 0, 0xff, "rx_grant", HOMA_DATA, AT_SENT, .left = 1 },
	{ "twice", CLIENT_LONG, HOMA_GRANT, TWICE, LONG, 0, 0, "rx_grant", HOMA_DATA, AT_SENT, .left = 1 },
	{ "with more behind it", CLIENT_LONG, HOMA_GRANT, LONGER, LONG, 0, 0, "rx_grant", HOMA_DATA, AT_SENT, .left = 1 },
	{ "from another port", CLIENT_LONG, HOMA_GRANT, OTHER_PORT, LONG, 0, 0, "rx_unknown_rpc", NOTHING, .left = 1 },
	{ "with a client's id", CLIENT_LONG, HOMA_GRANT, ODD, LONG, 0, 0, "rx_unknown_rpc", NOTHING, .left = 1 },
	{ "response arrives", CLIENT_INCOMING, HOMA_GRANT, 0, 2000, 0, 0, "rx_grant", NOTHING, .left = 1 },
	{ "it is complete", CLIENT_DONE, HOMA_GRANT, 0, 2000, 0, 0, "rx_unknown_rpc", NOTHING },
	);
}

TEST_F(conformance, resends)
{
	CHECK_ALL(
	{ "nothing is known", SERVER_NONE, HOMA_RESEND, 0, 0, -1, 7, "rx_unknown_rpc", HOMA_RPC_UNKNOWN },
	{ "no server", SERVER_NO_PORT, HOMA_RESEND, 0, 0, -1, 7, "rx_unknown_rpc", ICMP },
	{ "client is no server", SERVER_CLIENT_PORT, HOMA_RESEND, 0, 0, -1, 7, "rx_unknown_rpc", ICMP },
	{ "request arrives", SERVER_INCOMING, HOMA_RESEND, 0, 0, -1, 7, "rx_resend", HOMA_BUSY, .left = 1 },
	{ "request waits", SERVER_WAITS, HOMA_RESEND, 0, 0, -1, 7, "rx_resend", HOMA_BUSY, .left = 1 },
	{ "in service", SERVER_SERVICE, HOMA_RESEND, 0, 0, -1, 7, "rx_resend", HOMA_BUSY, .left = 1 },
	{ "in service, twice", SERVER_SERVICE, HOMA_RESEND, 0, 5, 5, 7, "rx_resend", HOMA_BUSY, .left = 1 },
	{ "all of a response", SERVER_OUTGOING, HOMA_RESEND, 0, 0, -1, 7, "rx_resend", HOMA_DATA, 0, 1, .left = 1 },
	{ "some of it", SERVER_OUTGOING, HOMA_RESEND, 0, 10, 5, 7, "rx_resend", HOMA_DATA, 0, 1, .left = 1 },
	{ "its last byte", SERVER_OUTGOING, HOMA_RESEND, 0, 49, 1, 7, "rx_resend", HOMA_DATA, 0, 1, .left = 1 },
	{ "more than there is", SERVER_OUTGOING, HOMA_RESEND, 0, 49, 1000, 7, "rx_resend", HOMA_DATA, 0, 1, .left = 1 },
	{ "behind its end", SERVER_OUTGOING, HOMA_RESEND, 0, 50, 10, 7, "rx_resend", HOMA_DATA, 0, 1, .left = 1 },
	{ "far behind its end", SERVER_OUTGOING, HOMA_RESEND, 0, -2, -2, 7, "rx_resend", HOMA_DATA, 0, 1, .left = 1 },
	{ "no bytes", SERVER_OUTGOING, HOMA_RESEND, 0, 0, 0, 7, "rx_resend", HOMA_BUSY, .left = 1 },
	{ "no bytes behind those sent", SERVER_LONG, HOMA_RESEND, 0, AT_SENT, 0, 7, "rx_resend", HOMA_BUSY, .left = 1 },
	{ "it is over", SERVER_DONE, HOMA_RESEND, 0, 0, -1, 7, "rx_unknown_rpc", HOMA_RPC_UNKNOWN },
	{ "id never used", CLIENT_NONE, HOMA_RESEND, 0, 0, -1, 7, "rx_unknown_rpc", HOMA_RPC_UNKNOWN },
	{ "all of a request", CLIENT_OUTGOING, HOMA_RESEND, 0, 0, -1, 7, "rx_resend", HOMA_DATA, 0, 1, .left = 1 },
	{ "some of it", CLIENT_OUTGOING, HOMA_RESEND, 0, 9, 1, 0xff, "rx_resend", HOMA_DATA, 0, 1, .left = 1 },
	{ "behind it", CLIENT_OUTGOING, HOMA_RESEND, 0, 10, 1, 7, "rx_resend", HOMA_DATA, 0, 1, .left = 1 },
	{ "one packet", CLIENT_LONG, HOMA_RESEND, 0, 0, 10, 7, "rx_resend", HOMA_DATA, 0, 1, .left = 1 },
	{ "over two packets", CLIENT_LONG, HOMA_RESEND, 0, 1400, 100, 7, "rx_resend", HOMA_DATA, 0, 1, 1, .left = 1 },
	{ "all that was sent", CLIENT_LONG, HOMA_RESEND, 0, 0, -1, 7, "rx_resend", HOMA_DATA, 0, 1, PARTS - 1, .left = 1 },
	{ "what was not granted", CLIENT_LONG, HOMA_RESEND, 0, AT_SENT, 1, 7, "rx_resend", HOMA_DATA, AT_SENT, 0, .left = 1 },
	{ "with more behind it", CLIENT_OUTGOING, HOMA_RESEND, LONGER, 0, -1, 7, "rx_resend", HOMA_DATA, 0, 1, .left = 1 },
	{ "from another port", CLIENT_OUTGOING, HOMA_RESEND, OTHER_PORT, 0, -1, 7, "rx_unknown_rpc", HOMA_RPC_UNKNOWN, .left = 1 },
	{ "response arrives", CLIENT_INCOMING, HOMA_RESEND, 0, 0, -1, 7, "rx_resend", NOTHING, .left = 1 },
	{ "it is complete", CLIENT_DONE, HOMA_RESEND, 0, 0, -1, 7, "rx_unknown_rpc", HOMA_RPC_UNKNOWN },
	{ "odd id, to a server", SERVER_NONE, HOMA_RESEND, ODD, 0, -1, 7, "rx_unknown_rpc", HOMA_RPC_UNKNOWN },
	);
}

TEST_F(conformance, rpc_unknown)
{
	CHECK_ALL(
	{ "nothing is known", SERVER_NONE, HOMA_RPC_UNKNOWN, 0, 0, 0, 0, "rx_unknown_rpc", NOTHING },
	{ "no server", SERVER_NO_PORT, HOMA_RPC_UNKNOWN, 0, 0, 0, 0, "rx_unknown_rpc", NOTHING },
	{ "request arrives", SERVER_INCOMING, HOMA_RPC_UNKNOWN, 0, 0, 0, 0, "rx_rpc_unknown", NOTHING },
	{ "request waits", SERVER_WAITS, HOMA_RPC_UNKNOWN, 0, 0, 0, 0, "rx_rpc_unknown", NOTHING },
	{ "in service", SERVER_SERVICE, HOMA_RPC_UNKNOWN, 0, 0, 0, 0, "rx_rpc_unknown", NOTHING },
	{ "response sent", SERVER_OUTGOING, HOMA_RPC_UNKNOWN, 0, 0, 0, 0, "rx_rpc_unknown", NOTHING },
	{ "response partly sent", SERVER_LONG, HOMA_RPC_UNKNOWN, LONGER, 0, 0, 0, "rx_rpc_unknown", NOTHING },
	{ "from another port", SERVER_OUTGOING, HOMA_RPC_UNKNOWN, OTHER_PORT, 0, 0, 0, "rx_unknown_rpc", NOTHING, .left = 1 },
	{ "it is over", SERVER_DONE, HOMA_RPC_UNKNOWN, 0, 0, 0, 0, "rx_unknown_rpc", NOTHING },
	{ "id never used", CLIENT_NONE, HOMA_RPC_UNKNOWN, 0, 0, 0, 0, "rx_unknown_rpc", NOTHING },
	{ "request sent", CLIENT_OUTGOING, HOMA_RPC_UNKNOWN, 0, 0, 0, 0, "rx_rpc_unknown", HOMA_DATA, 0, 1, .left = 1 },
	{ "request partly sent", CLIENT_LONG, HOMA_RPC_UNKNOWN, 0, 0, 0, 0, "rx_rpc_unknown", HOMA_DATA, 0, 1, PARTS - 1, .left = 1 },
	/* An old one: nothing was asked for. */
	{ "response arrives", CLIENT_INCOMING, HOMA_RPC_UNKNOWN, 0, 0, 0, 0, "rx_rpc_unknown", NOTHING, .left = 1 },
	{ "it is complete", CLIENT_DONE, HOMA_RPC_UNKNOWN, 0, 0, 0, 0, "rx_unknown_rpc", NOTHING },
	);
}

TEST_F(conformance, busy_and_freeze)
{
	static const enum state v[] = {
		SERVER_INCOMING, SERVER_WAITS, SERVER_SERVICE, SERVER_OUTGOING, SERVER_LONG,
		CLIENT_OUTGOING, CLIENT_LONG, CLIENT_INCOMING, CLIENT_GAP,
	};
	struct rule r = { .answer = NOTHING, .left = 1 };
	char name[60];
	size_t i;
	int k;

	CHECK_ALL(
	{ "nothing is known", SERVER_NONE, HOMA_BUSY, 0, 0, 0, 0, "rx_unknown_rpc", NOTHING },
	{ "no server", SERVER_NO_PORT, HOMA_BUSY, 0, 0, 0, 0, "rx_unknown_rpc", NOTHING },
	{ "server's is over", SERVER_DONE, HOMA_BUSY, 0, 0, 0, 0, "rx_unknown_rpc", NOTHING },
	{ "id never used", CLIENT_NONE, HOMA_BUSY, LONGER, 0, 0, 0, "rx_unknown_rpc", NOTHING },
	{ "client's is over", CLIENT_DONE, HOMA_BUSY, 0, 0, 0, 0, "rx_unknown_rpc", NOTHING },
	{ "FREEZE of nothing", SERVER_NONE, HOMA_FREEZE, 0, 0, 0, 0, "rx_freeze", NOTHING },
	{ "FREEZE at no port", SERVER_NO_PORT, HOMA_FREEZE, LONGER, 0, 0, 0, "rx_freeze", NOTHING },
	{ "CUTOFFS at no port", SERVER_NO_PORT, HOMA_CUTOFFS, 0, 0, 0, 0, "rx_cutoffs", NOTHING },
	{ "CUTOFFS of nothing", CLIENT_NONE, HOMA_CUTOFFS, LONGER, 0, 0, 0, "rx_cutoffs", NOTHING },
	);
	/* Nothing in any state, which none of them changes. */
	for (i = 0; i < ARRAY_SIZE(v); i++) {
		for (k = 0; k < 3; k++) {
			r.type = k == 0 ? HOMA_BUSY : k == 1 ? HOMA_FREEZE : HOMA_CUTOFFS;
			r.counter = k == 0 ? "rx_busy" : k == 1 ? "rx_freeze" : "rx_cutoffs";
			snprintf(name, sizeof(name), "type %x in state %d", r.type, v[i]);
			r.name = name;
			r.state = v[i];
			check(_metadata, self, &r);
		}
	}
}

TEST_F(conformance, need_ack)
{
	CHECK_ALL(
	{ "id of a client's RPC", SERVER_NONE, HOMA_NEED_ACK, 0, 0, 0, 0, "rx_bad_id", NOTHING },
	{ "no server", SERVER_NO_PORT, HOMA_NEED_ACK, 0, 0, 0, 0, "rx_bad_id", NOTHING },
	{ "request arrives", SERVER_INCOMING, HOMA_NEED_ACK, 0, 0, 0, 0, "rx_bad_id", NOTHING, .left = 1 },
	{ "in service", SERVER_SERVICE, HOMA_NEED_ACK, 0, 0, 0, 0, "rx_bad_id", NOTHING, .left = 1 },
	{ "response sent", SERVER_OUTGOING, HOMA_NEED_ACK, 0, 0, 0, 0, "rx_bad_id", NOTHING, .left = 1 },
	{ "id never used", CLIENT_NONE, HOMA_NEED_ACK, 0, 0, 0, 0, "rx_need_ack", HOMA_ACK },
	{ "at a server's port", SERVER_NONE, HOMA_NEED_ACK, ODD, 0, 0, 0, "rx_need_ack", HOMA_ACK },
	{ "at no port", SERVER_NO_PORT, HOMA_NEED_ACK, ODD, 0, 0, 0, "rx_need_ack", HOMA_ACK },
	{ "nothing of the response is here", CLIENT_OUTGOING, HOMA_NEED_ACK, 0, 0, 0, 0, "rx_need_ack", HOMA_RESEND, 0, -1, .left = 1 },
	{ "the request is not sent", CLIENT_LONG, HOMA_NEED_ACK, 0, 0, 0, 0, "rx_need_ack", HOMA_RESEND, 0, -1, .left = 1 },
	{ "its end is missing", CLIENT_INCOMING, HOMA_NEED_ACK, 0, 0, 0, 0, "rx_need_ack", HOMA_RESEND, 1000, 1000, .left = 1 },
	{ "a gap and its end are missing", CLIENT_GAP, HOMA_NEED_ACK, 0, 0, 0, 0, "rx_need_ack", HOMA_RESEND, 500, 500, 1, .left = 1 },
	{ "from another port", CLIENT_INCOMING, HOMA_NEED_ACK, OTHER_PORT, 0, 0, 0, "rx_need_ack", HOMA_ACK, .left = 1 },
	{ "it is complete", CLIENT_DONE, HOMA_NEED_ACK, 0, 0, 0, 0, "rx_need_ack", HOMA_ACK },
	{ "with more behind it", CLIENT_DONE, HOMA_NEED_ACK, LONGER, 0, 0, 0, "rx_need_ack", HOMA_ACK },
	);
}

TEST_F(conformance, acks)
{
	CHECK_ALL(
	{ "nothing is known", SERVER_NONE, HOMA_ACK, 0, 0, 0, 0, "rx_ack", NOTHING },
	{ "no server", SERVER_NO_PORT, HOMA_ACK, 0, 0, 0, 0, "rx_ack", NOTHING },
	{ "request arrives", SERVER_INCOMING, HOMA_ACK, 0, 0, 0, 0, "rx_ack", NOTHING, .left = 1 },
	{ "in service", SERVER_SERVICE, HOMA_ACK, 0, 0, 0, 0, "rx_ack", NOTHING, .left = 1 },
	{ "response sent", SERVER_OUTGOING, HOMA_ACK, 0, 0, 0, 0, "rpc_server_done", NOTHING },
	{ "response partly sent", SERVER_LONG, HOMA_ACK, 0, 0, 0, 0, "rpc_server_done", NOTHING },
	{ "with more behind it", SERVER_OUTGOING, HOMA_ACK, LONGER, 0, 0, 0, "rpc_server_done", NOTHING },
	/* Its client's host says so, and ids are a host's. */
	{ "from another port", SERVER_OUTGOING, HOMA_ACK, OTHER_PORT, 0, 0, 0, "rpc_server_done", NOTHING },
	{ "first of a list", SERVER_OUTGOING, HOMA_ACK, LISTED, 1, 0, 0, "rpc_server_done", NOTHING },
	{ "last of a list", SERVER_OUTGOING, HOMA_ACK, LISTED, 5, 4, 0, "rpc_server_done", NOTHING },
	{ "list that is longer than there is room", SERVER_OUTGOING, HOMA_ACK, LISTED, 0xffff, 4, 0, "rpc_server_done", NOTHING },
	{ "behind the list's end", SERVER_OUTGOING, HOMA_ACK, LISTED, 4, 4, 0, "rx_ack", NOTHING, .left = 1 },
	{ "of another server, listed", SERVER_OUTGOING, HOMA_ACK, LISTED_ELSEWHERE, 1, 0, 0, "rx_ack", NOTHING, .left = 1 },
	{ "it is over", SERVER_DONE, HOMA_ACK, 0, 0, 0, 0, "rx_ack", NOTHING },
	{ "id never used", CLIENT_NONE, HOMA_ACK, 0, 0, 0, 0, "rx_ack", NOTHING },
	{ "to a client", CLIENT_OUTGOING, HOMA_ACK, 0, 0, 0, 0, "rx_ack", NOTHING, .left = 1 },
	{ "to a client whose response arrives", CLIENT_INCOMING, HOMA_ACK, 0, 0, 0, 0, "rx_ack", NOTHING, .left = 1 },
	);
}

/* Each type, cut at each byte, in states in which the whole packet would change something. */
TEST_F(conformance, cut_at_each_byte)
{
	static const struct {
		enum state state;
		uint8_t type;
	} v[] = {
		{ CLIENT_OUTGOING, HOMA_DATA }, { SERVER_INCOMING, HOMA_DATA },
		{ CLIENT_LONG, HOMA_GRANT }, { CLIENT_OUTGOING, HOMA_RESEND },
		{ SERVER_OUTGOING, HOMA_RESEND }, { SERVER_SERVICE, HOMA_RPC_UNKNOWN },
		{ CLIENT_OUTGOING, HOMA_RPC_UNKNOWN }, { CLIENT_OUTGOING, HOMA_CUTOFFS },
		{ CLIENT_INCOMING, HOMA_NEED_ACK }, { SERVER_OUTGOING, HOMA_ACK },
	};
	struct packet *p = &self->p;
	uint64_t shorts, dropped;
	size_t i, n, len;

	for (i = 0; i < ARRAY_SIZE(v); i++) {
		prepare(_metadata, self, v[i].state);
		shorts = homa_counter("rx_short");
		dropped = counter("rx_dropped");
		n = fixed_len(v[i].type);
		for (len = 0; len < n; len++) {
			wire_common(p, v[i].type, self->sport, self->dport, self->id);
			if (v[i].type == HOMA_DATA)
				p->data.message_length = htonl(3000);
			if (v[i].type == HOMA_GRANT)
				p->grant.offset = htonl(LONG);
			if (v[i].type == HOMA_RESEND)
				p->resend.length = htonl(-1);
			ASSERT_TRUE(wire_send(&self->w, p, len));
		}
		EXPECT_TRUE(reaches(homa_counter, "rx_short", shorts + n)) TH_LOG("type %x", v[i].type);
		EXPECT_EQ(dropped + n, counter("rx_dropped")) TH_LOG("type %x", v[i].type);
		EXPECT_FALSE(wire_next(&self->w, p, QUIET)) TH_LOG("type %x: %x", v[i].type, p->common.type);
		EXPECT_EQ(1, map_entries("rpcs"));
		clean(_metadata, self);
	}
}

#define SET	"--set homa_resend_ticks=3000 --set homa_timeout_ticks=60000 --set homa_response_timeout_ticks=60000 --set homa_request_ack_ticks=3000"

TEST_HARNESS_MAIN_WITH_HOSTS(1500, HOSTS_WIRE, SET)
