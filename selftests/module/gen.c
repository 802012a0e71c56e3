// SPDX-License-Identifier: GPL-2.0
/* Packets that no application sends: generation, and the frames that it sends from. */
#include "fixture.h"

FIXTURE(gen) {
	FIXTURE_DATA(net) net;
	struct xsk x;		/* on a */
	struct xsk y;		/* on b, port 2 */
	struct xsk k;		/* on a, to kick with */
	struct tt_req r;
};

FIXTURE_SETUP(gen)
{
	net_setup(_metadata, &self->net, NULL);
	ASSERT_EQ(0, xsk_open(&self->x, &(struct xsk_config) { .port = 1 }));
	ASSERT_EQ(0, xsk_open(&self->k, &(struct xsk_config) { .queue = 1 }));
	ASSERT_EQ(0, et_enter(self->net.b->ns));
	ASSERT_EQ(0, xsk_open(&self->y, &(struct xsk_config) { .port = 2 }));
	self->r = (struct tt_req) {
		.daddr = self->net.b->addr, .cookie = 0x1111, .verdict = 2, .flags = TT_F_HOLD,
	};
}

FIXTURE_TEARDOWN(gen)
{
	xsk_close(&self->x);
	xsk_close(&self->y);
	xsk_close(&self->k);
	net_teardown(_metadata, &self->net, NULL);
}

/* One entry of work for gen: send the payload of @handle to port 2 of b. */
static void todo(FIXTURE_DATA(gen) *self, uint64_t handle, uint32_t seq)
{
	tt->gen_do[tt->gen_n] = (struct tt_gen) {
		.handle = handle, .verdict = 1, .daddr = self->net.b->addr, .seq = seq,
		.dport = 2, .rx_verdict = 5, .loaded = 1,
	};
	__atomic_store_n((uint32_t *)&tt->gen_n, tt->gen_n + 1, __ATOMIC_RELEASE);
}

static int kick(FIXTURE_DATA(gen) *self)
{
	struct tt_req r = {};
	uint32_t n = tt->gen_n;

	if (xsk_send(&self->k, 0, TT_KICK, &r, NULL, 0))
		return et_fail("sendto");
	return et_wait_for(tt->gen_next >= n) ? 0 : et_fail("gen did not run");
}

static int hold(FIXTURE_DATA(gen) *self, struct xsk *x, uint32_t chunk, uint32_t slot,
		const void *data, uint32_t len)
{
	self->r.slot = slot;
	if (xsk_send(x, chunk, TT_SEND, &self->r, data, len))
		return et_fail("sendto");
	return tt->handle[slot] ? 0 : et_fail("not held");
}

TEST_F(gen, held_frame_is_sent_and_stays_held)
{
	struct xsk_frame f;
	int i;

	ASSERT_EQ(0, hold(self, &self->x, 4, 0, "kept payload", 12));
	for (i = 0; i < 3; i++) {
		todo(self, tt->handle[0], 100 + i);
		ASSERT_EQ(0, kick(self));
		ASSERT_EQ(1, xsk_recv(&self->y, &f));
		EXPECT_EQ(0, tt->gen_do[i].loaded);
		EXPECT_EQ(self->r.cookie, tt->result);
		EXPECT_EQ(100 + i, f.tt.seq);
		EXPECT_EQ(12, f.len);
		EXPECT_EQ(0, memcmp("kept payload", f.payload, 12));
		EXPECT_EQ(self->net.a->addr, f.tt.saddr);
	}
	EXPECT_EQ(1, self->x.status->held);
	EXPECT_EQ(3, et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport, "gen_packets"));
	/* It was sent, so it ends as transmitted. */
	self->r.prev = tt->handle[0];
	ASSERT_EQ(0, xsk_send(&self->k, 1, TT_RELEASE, &self->r, NULL, 0));
	EXPECT_EQ(0, tt->result);
	EXPECT_EQ(1, et_counter(ETRAN_COUNTERS_ENDPOINT, self->x.id, "frames_transmitted"));
	EXPECT_EQ(0, et_counter(ETRAN_COUNTERS_ENDPOINT, self->x.id, "frames_held"));
}

TEST_F(gen, frame_of_an_exited_application_is_still_sent)
{
	struct xsk_frame f;
	int status;
	pid_t pid;

	/* The application sends, and is killed without closing anything. */
	pid = fork();
	if (!pid) {
		struct xsk x;

		et_enter(self->net.a->ns);
		if (xsk_open(&x, &(struct xsk_config) { .queue = 5 }) ||
		    hold(self, &x, 3, 0, "last words", 10))
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status));
	ASSERT_TRUE(et_wait_for(tt->close == 1));
	EXPECT_EQ(1, et_count("frames_held"));
	todo(self, tt->handle[0], 1);
	ASSERT_EQ(0, kick(self));
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_EQ(10, f.len);
	EXPECT_EQ(0, memcmp("last words", f.payload, 10));
	/* When it is released, the rest of the application goes. */
	EXPECT_EQ(4, et_count("endpoints"));
	self->r.prev = tt->handle[0];
	ASSERT_EQ(0, xsk_send(&self->k, 1, TT_RELEASE, &self->r, NULL, 0));
	EXPECT_EQ(0, tt->result);
	EXPECT_TRUE(et_wait_for(et_count("endpoints") == 3));
	EXPECT_TRUE(et_wait_for(et_count("channels") == 3));
	EXPECT_EQ(0, et_count("frames_held"));
}

TEST_F(gen, stale_handles_are_refused)
{
	uint64_t old;

	ASSERT_EQ(0, hold(self, &self->x, 4, 0, "one", 3));
	old = tt->handle[0];
	self->r.prev = old;
	ASSERT_EQ(0, xsk_send(&self->k, 1, TT_RELEASE, &self->r, NULL, 0));
	self->r.prev = 0;
	/* The same chunk again: another frame, another handle. */
	ASSERT_EQ(0, hold(self, &self->x, 4, 1, "two", 3));
	EXPECT_NE(old, tt->handle[1]);
	todo(self, old, 1);
	todo(self, tt->handle[1] + 1, 2);		/* another chunk */
	todo(self, tt->handle[1] ^ 1ULL << 21, 3);	/* another socket */
	todo(self, tt->handle[1] ^ 1ULL << 40, 4);	/* another generation */
	todo(self, 1, 5);
	todo(self, ~0ULL, 6);
	ASSERT_EQ(0, kick(self));
	for (int i = 0; i < 6; i++)
		EXPECT_EQ(-ESTALE, tt->gen_do[i].loaded);
	EXPECT_EQ(0, et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport, "gen_packets"));
	self->r.prev = old;
	ASSERT_EQ(0, xsk_send(&self->k, 1, TT_RELEASE_CHAIN, &self->r, NULL, 0));
	EXPECT_EQ(-ESTALE, tt->result);
	EXPECT_EQ(1, self->x.status->held);
}

/* The next packet of gen has a part of the payload of @handle. Return: its place in tt->gen_do. */
static uint32_t part(FIXTURE_DATA(gen) *self, uint64_t handle, uint32_t from, uint32_t len)
{
	uint32_t n = tt->gen_n;

	todo(self, handle, n);
	tt->gen_do[n].part = 1;
	tt->gen_do[n].from = from;
	tt->gen_do[n].len = len;
	return n;
}

TEST_F(gen, part_of_a_held_frame_is_sent)
{
	static const struct { uint32_t from, len, got; } parts[] = {
		{ 0, 0, 12 }, { 0, 12, 12 }, { 0, 5, 5 }, { 5, 7, 7 }, { 5, 0, 7 }, { 11, 1, 1 }, { 3, 4, 4 },
	};
	const char *payload = "kept payload";
	struct xsk_frame f;
	uint32_t i, n;

	ASSERT_EQ(0, hold(self, &self->x, 4, 0, payload, 12));
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		n = part(self, tt->handle[0], parts[i].from, parts[i].len);
		ASSERT_EQ(0, kick(self));
		ASSERT_EQ(1, xsk_recv(&self->y, &f)) TH_LOG("part %u", i);
		EXPECT_EQ(0, tt->gen_do[n].loaded);
		EXPECT_EQ(parts[i].got, tt->gen_do[n].payload_len);
		EXPECT_EQ(self->r.cookie, tt->result);
		EXPECT_EQ(parts[i].got, f.len);
		EXPECT_EQ(0, memcmp(payload + parts[i].from, f.payload, parts[i].got));
	}
	EXPECT_EQ(1, self->x.status->held);
}

TEST_F(gen, part_beyond_the_frame_is_refused)
{
	static const struct { uint32_t from, len; } parts[] = {
		{ 0, 13 }, { 12, 0 }, { 12, 1 }, { 13, 0 }, { 1, 12 }, { 5, ~0U }, { ~0U, 0 }, { ~0U, 1 }, { ~0U, 2 },
	};
	uint32_t i, n;

	ASSERT_EQ(0, hold(self, &self->x, 4, 0, "kept payload", 12));
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		n = part(self, tt->handle[0], parts[i].from, parts[i].len);
		ASSERT_EQ(0, kick(self));
		EXPECT_EQ(-EINVAL, tt->gen_do[n].loaded) TH_LOG("part %u", i);
		EXPECT_EQ(0, tt->gen_do[n].payload_len);
	}
	n = part(self, tt->handle[0] + 1, 0, 1);
	ASSERT_EQ(0, kick(self));
	EXPECT_EQ(-ESTALE, tt->gen_do[n].loaded);
	EXPECT_EQ(0, et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport, "gen_packets"));
}

/* Three frames in a chain. */
static int chain(FIXTURE_DATA(gen) *self)
{
	static const char *const text[] = { "first ", "second ", "third" };
	int i;

	for (i = 0; i < 3; i++) {
		self->r.prev = i ? tt->handle[i - 1] : 0;
		if (hold(self, &self->x, 4 + i, i, text[i], strlen(text[i])))
			return -1;
	}
	self->r.prev = 0;
	return 0;
}

/* The next packet of gen has that frame's payload, and of those behind it what makes no more than @most bytes. */
static uint32_t join(FIXTURE_DATA(gen) *self, uint64_t handle, uint32_t n, uint32_t most)
{
	uint32_t at = tt->gen_n;

	todo(self, handle, at);
	tt->gen_do[at].join = n;
	tt->gen_do[at].most = most;
	return at;
}

TEST_F(gen, frames_of_a_chain_in_one_packet)
{
	static const struct { uint32_t n, most, joined; const char *text; } cases[] = {
		{ 1, 100, 1, "first second " }, { 2, 100, 2, "first second third" },
		/* There is no more. */
		{ 9, 100, 2, "first second third" },
		{ 9, 18, 2, "first second third" }, { 9, 17, 1, "first second " }, { 9, 13, 1, "first second " },
		{ 9, 12, 0, "first " }, { 9, 1, 0, "first " }, { 9, 0, 0, "first " }, { 9, ~0U, 2, "first second third" },
	};
	struct xsk_frame f;
	uint32_t i, n;

	ASSERT_EQ(0, chain(self));
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		n = join(self, tt->handle[0], cases[i].n, cases[i].most);
		ASSERT_EQ(0, kick(self));
		ASSERT_EQ(1, xsk_recv(&self->y, &f)) TH_LOG("case %u", i);
		EXPECT_EQ(cases[i].joined, tt->gen_do[n].joined) TH_LOG("case %u", i);
		EXPECT_EQ(strlen(cases[i].text), tt->gen_do[n].payload_len);
		EXPECT_EQ(strlen(cases[i].text), f.len);
		EXPECT_EQ(0, memcmp(cases[i].text, f.payload, f.len)) TH_LOG("case %u", i);
	}
	/* Behind a part, too. */
	n = join(self, tt->handle[0], 1, 100);
	tt->gen_do[n].part = 1;
	tt->gen_do[n].from = 3;
	ASSERT_EQ(0, kick(self));
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_EQ(10, f.len);
	EXPECT_EQ(0, memcmp("st second ", f.payload, 10));
	/* All that were in a packet end as transmitted. */
	EXPECT_EQ(3, self->x.status->held);
	self->r.prev = tt->handle[0];
	ASSERT_EQ(0, xsk_send(&self->k, 1, TT_RELEASE_CHAIN, &self->r, NULL, 0));
	EXPECT_EQ(3, tt->result);
	EXPECT_EQ(3, et_counter(ETRAN_COUNTERS_ENDPOINT, self->x.id, "frames_transmitted"));
	EXPECT_EQ(0, et_counter(ETRAN_COUNTERS_ENDPOINT, self->x.id, "frames_dropped"));
	EXPECT_EQ(0, et_counter(ETRAN_COUNTERS_ENDPOINT, self->x.id, "frames_held"));
}

TEST_F(gen, no_more_joined_than_a_packet_takes)
{
	static uint8_t payload[1200];
	struct xsk_frame f;
	uint32_t n;
	int i;

	memset(payload, 'p', sizeof(payload));
	for (i = 0; i < 3; i++) {
		self->r.prev = i ? tt->handle[i - 1] : 0;
		ASSERT_EQ(0, hold(self, &self->x, 4 + i, i, payload, sizeof(payload)));
	}
	n = join(self, tt->handle[0], 2, ~0U);
	ASSERT_EQ(0, kick(self));
	/* Room for two, and a device that takes one. */
	EXPECT_EQ(1, tt->gen_do[n].joined);
	EXPECT_EQ(0, xsk_recv(&self->y, &f));
	EXPECT_EQ(1, et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport, "packet_mtu"));
}

TEST_F(gen, nothing_is_joined_to_an_empty_packet)
{
	struct xsk_frame f;
	uint32_t n;

	ASSERT_EQ(0, chain(self));
	n = join(self, 0, 1, 100);
	ASSERT_EQ(0, kick(self));
	EXPECT_EQ(0, tt->gen_do[n].joined);
	/* A packet without payload has no link device of itself. */
	EXPECT_EQ(0, xsk_recv(&self->y, &f));
	/* What was released is not there to be joined. */
	self->r.prev = tt->handle[1];
	ASSERT_EQ(0, xsk_send(&self->k, 1, TT_RELEASE, &self->r, NULL, 0));
	self->r.prev = 0;
	n = join(self, tt->handle[0], 1, 100);
	ASSERT_EQ(0, kick(self));
	EXPECT_EQ(0, tt->gen_do[n].joined);
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_EQ(6, f.len);
}

TEST_F(gen, second_load_is_refused)
{
	ASSERT_EQ(0, hold(self, &self->x, 4, 0, "one", 3));
	todo(self, tt->handle[0], 1);
	tt->gen_do[0].twice = 1;
	ASSERT_EQ(0, kick(self));
	EXPECT_EQ(-EINVAL, tt->gen_do[0].loaded);
}

TEST_F(gen, header_alone_is_sent)
{
	struct xsk_frame f;

	todo(self, 0, 33);
	tt->gen_do[0].link = self->net.a->link;
	ASSERT_EQ(0, kick(self));
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_EQ(33, f.tt.seq);
	EXPECT_EQ(0, f.len);
}

TEST_F(gen, unknown_link_is_counted)
{
	uint64_t was = et_count("packet_link");

	todo(self, 0, 33);		/* link 0 */
	todo(self, 0, 33);
	tt->gen_do[1].link = 0x7fffffff;
	ASSERT_EQ(0, kick(self));
	EXPECT_TRUE(et_wait_for(et_count("packet_link") == was + 2));
}

TEST_F(gen, garbage_verdicts_send_nothing_and_eject)
{
	static const uint32_t bad[] = { 2, 3, 5, 0x101, ~0u };
	uint64_t was = et_count("bad_verdict"), built = et_count("packets_built");
	char msg[128];

	for (int i = 0; i < 5; i++) {
		todo(self, 0, i);
		tt->gen_do[i].verdict = bad[i];
		tt->gen_do[i].link = self->net.a->link;
		ASSERT_EQ(0, kick(self));
		EXPECT_TRUE(et_wait_for(et_count("bad_verdict") == was + i + 1));
		snprintf(msg, sizeof(msg), "gen returned %u, which is no verdict there", bad[i]);
		EXPECT_EQ(0, tt_ejected(&self->net, ETRAN_EXIT_VERDICT, bad[i], msg));
		xsk_detach(&self->k);
		ASSERT_EQ(0, tt_attach(&self->net));
		ASSERT_EQ(0, xsk_attach(&self->k, TT_NAME, 0));
	}
	EXPECT_EQ(built, et_count("packets_built"));
}

TEST_F(gen, consume_is_called_again)
{
	struct xsk_frame f;

	for (int i = 0; i < 3; i++) {
		todo(self, 0, i);
		tt->gen_do[i].link = self->net.a->link;
	}
	tt->gen_do[0].verdict = 4;
	tt->gen_do[1].verdict = 4;
	ASSERT_EQ(0, kick(self));
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_EQ(2, f.tt.seq);
	EXPECT_EQ(0, xsk_take(&self->y, &f));
}

TEST_F(gen, kicked_from_egress_ingress_and_a_timer)
{
	struct tt_req r = {
		.daddr = self->net.b->addr, .verdict = 1, .rx_verdict = 4, .arg = 1000000, .slot = 7,
	};
	struct xsk_frame f;
	int i;

	for (i = 0; i < 30; i++) {
		todo(self, 0, i);
		tt->gen_do[i].link = self->net.a->link;
		tt->call[7].what = TT_W_KICK;
		/* A system call's context, a receive poll's, a timer's. */
		r.rx_action = i % 3 == 1 ? TT_A_KICK : 0;
		ASSERT_EQ(0, xsk_send(&self->k, 0, i % 3 == 0 ? TT_KICK : i % 3 == 1 ? TT_SEND :
				      TT_CALL_TIMER, &r, NULL, 0));
		ASSERT_EQ(1, xsk_recv(&self->y, &f));
		EXPECT_EQ(i, f.tt.seq);
		xsk_fill(&self->y, f.addr / XSK_CHUNK * XSK_CHUNK);
		xsk_complete(&self->k, NULL, 0);
	}
	EXPECT_EQ(10, tt->call[7].done);
}

TEST_F(gen, kicks_of_a_burst_coalesce)
{
	struct tt_req r = {
		.daddr = self->net.b->addr, .verdict = 1, .rx_verdict = 4,
		.rx_action = TT_A_KICK,
	};
	uint64_t polls, made;
	uint32_t sum = 0;
	uint8_t buf[256];
	int fd, i, n = 32;

	/* b answers what it received, by one packet with their number, to a, which passes it on. */
	tt->coalesce = 1;
	tt->coalesce_daddr = self->net.a->addr;
	tt->coalesce_link = self->net.b->link;
	polls = et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport, "gen_polls");
	ASSERT_EQ(0, et_enter(self->net.a->ns));
	fd = raw_open();
	ASSERT_LE(0, fd);
	for (i = 0; i < n; i++)
		xsk_put(&self->x, i, TT_SEND, &r, "x", 1);
	ASSERT_EQ(0, xsk_kick(&self->x));
	while (sum < (uint32_t)n) {
		ASSERT_LT(0, raw_recv(fd, TT_PROTO, buf, sizeof(buf)));
		sum += *(uint32_t *)(buf + 34);
	}
	EXPECT_EQ(n, sum);
	polls = et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport, "gen_polls") - polls;
	made = et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport, "gen_packets");
	/* The burst is two bulks; a receive poll may end between packets, but not for each. */
	EXPECT_GE(n / 4, polls);
	EXPECT_GE(n / 4, made);
	EXPECT_LE(1, made);
	close(fd);
}

TEST_F(gen, chain_is_followed_and_released_as_one)
{
	int i;

	for (i = 0; i < 4; i++) {
		self->r.prev = i ? tt->handle[i - 1] : 0;
		self->r.cookie = 0x100 + i;
		ASSERT_EQ(0, hold(self, &self->x, i, i, "x", 1));
	}
	for (i = 0; i < 4; i++) {
		self->r.prev = tt->handle[i];
		ASSERT_EQ(0, xsk_send(&self->k, 1, TT_NEXT, &self->r, NULL, 0));
		EXPECT_EQ(i < 3 ? tt->handle[i + 1] : 0, tt->result);
		ASSERT_EQ(0, xsk_send(&self->k, 1, TT_COOKIE, &self->r, NULL, 0));
		EXPECT_EQ(0x100 + i, tt->result);
	}
	EXPECT_EQ(4, self->x.status->held);
	self->r.prev = tt->handle[1];
	ASSERT_EQ(0, xsk_send(&self->k, 1, TT_RELEASE_CHAIN, &self->r, NULL, 0));
	EXPECT_EQ(3, tt->result);
	EXPECT_EQ(1, self->x.status->held);
	EXPECT_EQ(1, self->x.busy[0]);
	EXPECT_EQ(0, self->x.busy[1] | self->x.busy[2] | self->x.busy[3]);
	/* Its successor is gone. */
	self->r.prev = tt->handle[0];
	ASSERT_EQ(0, xsk_send(&self->k, 1, TT_NEXT, &self->r, NULL, 0));
	EXPECT_EQ(0, tt->result);
}

/* What is left of a chain when all with cookies up to @cookie were released. */
static uint64_t release_upto(FIXTURE_DATA(gen) *self, uint64_t handle, uint64_t cookie)
{
	self->r.prev = handle;
	self->r.cookie = cookie;
	return xsk_send(&self->k, 1, TT_RELEASE_UPTO, &self->r, NULL, 0) ? ~0ULL : tt->result;
}

TEST_F(gen, chain_is_released_up_to_a_cookie)
{
	int i;

	for (i = 0; i < 6; i++) {
		self->r.prev = i ? tt->handle[i - 1] : 0;
		/* The fourth is out of order. */
		self->r.cookie = i == 3 ? 0x90 : 0x100 + i;
		ASSERT_EQ(0, hold(self, &self->x, i, i, "x", 1));
	}
	EXPECT_EQ(tt->handle[0], release_upto(self, tt->handle[0], 0xff));
	EXPECT_EQ(6, self->x.status->held);
	EXPECT_EQ(tt->handle[1], release_upto(self, tt->handle[0], 0x100));
	EXPECT_EQ(5, self->x.status->held);
	EXPECT_EQ(0, self->x.busy[0]);
	EXPECT_EQ(1, self->x.busy[1]);
	/* It ends at the first that is greater, whatever is behind that. */
	EXPECT_EQ(tt->handle[2], release_upto(self, tt->handle[1], 0x101));
	EXPECT_EQ(tt->handle[4], release_upto(self, tt->handle[2], 0x103));
	EXPECT_EQ(2, self->x.status->held);
	EXPECT_EQ(0, release_upto(self, tt->handle[4], ~0ULL));
	EXPECT_EQ(0, self->x.status->held);
	/* None is there, or was ever. */
	EXPECT_EQ(0, release_upto(self, tt->handle[4], ~0ULL));
	EXPECT_EQ(0, release_upto(self, 0, ~0ULL));
	EXPECT_EQ(0, release_upto(self, tt->handle[0] ^ 1ULL << 50, ~0ULL));
}

TEST_F(gen, chain_crosses_sockets)
{
	ASSERT_EQ(0, hold(self, &self->x, 0, 0, "x", 1));
	self->r.prev = tt->handle[0];
	ASSERT_EQ(0, hold(self, &self->k, 2, 1, "x", 1));
	ASSERT_NE(0, tt->handle[1]);
	EXPECT_EQ(1, self->x.status->held);
	EXPECT_EQ(1, self->k.status->held);
	self->r.prev = tt->handle[0];
	ASSERT_EQ(0, xsk_send(&self->k, 1, TT_NEXT, &self->r, NULL, 0));
	EXPECT_EQ(tt->handle[1], tt->result);
	ASSERT_EQ(0, xsk_send(&self->k, 1, TT_RELEASE_CHAIN, &self->r, NULL, 0));
	EXPECT_EQ(2, tt->result);
	/* Each has its own back. */
	EXPECT_EQ(0, self->x.status->held);
	EXPECT_EQ(0, self->k.status->held);
	EXPECT_EQ(0, self->x.busy[0]);
	EXPECT_EQ(0, self->k.busy[2]);
}

TEST_F(gen, nothing_follows_a_stale_frame)
{
	ASSERT_EQ(0, hold(self, &self->x, 0, 0, "x", 1));
	self->r.prev = tt->handle[0] ^ 1ULL << 50;
	self->r.slot = 1;
	ASSERT_EQ(0, xsk_send(&self->x, 1, TT_SEND, &self->r, "x", 1));
	EXPECT_EQ(0, tt->handle[1]);
	EXPECT_EQ(1, self->x.status->held);
}

TEST_F(gen, more_work_than_a_budget_is_done)
{
	struct xsk_frame f;
	int i;

	/* One kick, 60 packets; a NAPI budget is 64, so three rounds make sure of a second poll. */
	for (int round = 0; round < 3; round++) {
		tt->gen_n = 0;
		tt->gen_next = 0;
		for (i = 0; i < 60; i++) {
			todo(self, 0, i);
			tt->gen_do[i].link = self->net.a->link;
			tt->gen_do[i].rx_verdict = 4;
		}
		ASSERT_EQ(0, kick(self));
	}
	EXPECT_TRUE(et_wait_for(et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport,
					   "rx_consumed") == 180));
	EXPECT_EQ(0, xsk_take(&self->y, &f));
}

TT_MAIN(16)
