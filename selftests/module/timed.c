// SPDX-License-Identifier: GPL-2.0
/*
 * Timed release: packets leave at their times, in their order, and what ends those that wait.
 *
 * Each packet carries its time; the peer's ingress program compares it with its own clock, which is
 * the same one. How late they are is printed and not judged: machines differ.
 */
#include "engine.h"

#define MS	1000000ULL
#define BLOCK	(1ULL << 24)	/* of the timing wheel, ns */

FIXTURE(timed) {
	FIXTURE_DATA(net) net;
	struct xsk x;		/* on a */
	struct xsk k;		/* on a, to call with */
	struct tt_req r;
	uint32_t seq[TT_FLOWS];
	uint32_t sent;
	uint32_t chunk;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

FIXTURE_SETUP(timed)
{
	net_setup(_metadata, &self->net, NULL);
	ASSERT_EQ(0, xsk_open(&self->x, &(struct xsk_config) { .chunks = 20000, .fill = 1 }));
	ASSERT_EQ(0, xsk_open(&self->k, &(struct xsk_config) { .queue = 1 }));
	self->r = eng_req(self->net.b, TX);
	self->r.rx_action = TT_A_TIME;
	self->r.flags = TT_F_TIME;
	memset(self->seq, 0, sizeof(self->seq));
	self->sent = 0;
	self->chunk = 0;
}

FIXTURE_TEARDOWN(timed)
{
	eng_rest();
	EXPECT_EQ(0, tt->early);
	if (self->net.link) {
		EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_ENDPOINT, self->x.id));
		EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_LINK, self->net.a->link));
	}
	xsk_close(&self->x);
	xsk_close(&self->k);
	net_teardown(_metadata, &self->net, NULL);
	EXPECT_EQ(0, eng_kept());
}

static int flush(FIXTURE_DATA(timed) *self)
{
	int err;

	while ((err = xsk_kick(&self->x)) == EAGAIN)
		;
	xsk_complete(&self->x, NULL, 0);
	return err;
}

/* The next packet of @flow, to leave at @when. It is sent with the others of its batch. */
static int put(FIXTURE_DATA(timed) *self, uint32_t flow, uint64_t when)
{
	struct tt_time t = { .departure_ns = when, .flow = flow, .seq = ++self->seq[flow] };

	/* The second half of the chunks begins with a buffer to receive into. */
	if (self->chunk == 10000)
		self->chunk++;
	self->r.arg = when;
	xsk_put(&self->x, self->chunk++ % 20000, TT_SEND, &self->r, &t, sizeof(t));
	return ++self->sent % 64 ? 0 : flush(self);
}

/* Wait until all have arrived, or nothing does any more. */
static bool arrived(FIXTURE_DATA(timed) *self)
{
	uint32_t was = 0;

	while (tt->timed < self->sent) {
		was = tt->timed;
		if (!et_wait_for(tt->timed != was))
			break;
	}
	if (tt->timed == self->sent)
		return true;
	printf("# %u of %u arrived\n", tt->timed, self->sent);
	return false;
}

static void print_lateness(void)
{
	unsigned int i;

	printf("# lateness of %u packets, us:", tt->timed);
	for (i = 0; i < 32; i++)
		if (tt->late[i])
			printf(" <%llu: %u", 1ULL << i, tt->late[i]);
	printf(", the latest %llu\n", (unsigned long long)tt->latest_ns / 1000);
}

TEST_F_TIMEOUT(timed, eight_thousand_flows_are_never_early_and_keep_their_order, 120)
{
	uint64_t start = now_ns() + 1200 * MS, seed = 8000, t[TT_FLOWS];
	int i, round;

	/* Two packets each within some 2.8 s; every fourth flow's are for the same time. */
	for (round = 0; round < 2; round++)
		for (i = 0; i < 8000; i++) {
			if (!round)
				t[i] = start + eng_random(&seed) % (1200 * MS);
			else if (i % 4)
				t[i] += eng_random(&seed) % (1200 * MS);
			ASSERT_EQ(0, put(self, i, t[i]));
		}
	ASSERT_EQ(0, flush(self));
	EXPECT_TRUE(arrived(self));
	EXPECT_EQ(0, tt->early);
	EXPECT_EQ(0, tt->disorder);
	EXPECT_LE(8000, et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport, "packets_timed"));
	EXPECT_EQ(self->sent, et_counter(ETRAN_COUNTERS_ENDPOINT, self->x.id,
					 "frames_transmitted"));
	print_lateness();
}

/* Timers of the transport's own on the same CPUs: they fire, not early, and disturb no time. */
TEST_F(timed, bpf_timers_fire_beside_it)
{
	uint64_t start = now_ns() + 600 * MS, seed = 5, set[16], h[16], fired[16] = {};
	struct tt_req r = self->r;
	struct tt_time p;
	int i, left = 16;

	for (i = 0; i < 3000; i++)
		ASSERT_EQ(0, put(self, i, start + eng_random(&seed) % (1000 * MS)));
	ASSERT_EQ(0, flush(self));
	/* Each timer sends a held frame, half of them at a time that is later still. */
	r.verdict = HOLD;
	r.flags = TT_F_HOLD;
	for (i = 0; i < 16; i++) {
		p = (struct tt_time) {
			.departure_ns = i % 2 ? start + (1100 + i) * MS : 0,
			.flow = 8000 + i, .seq = 1,
		};
		r.slot = i;
		ASSERT_EQ(0, xsk_send(&self->x, 19900 + i, TT_SEND, &r, &p, sizeof(p)));
		xsk_complete(&self->x, NULL, 0);
		h[i] = tt->handle[i];
		ASSERT_NE(0, h[i]);
		eng_call(i, TT_W_SEND, 0, h[i], p.departure_ns, 0);
		self->sent++;
	}
	for (i = 0; i < 16; i++) {
		struct tt_req t = { .slot = i, .arg = (20 + 100 * i) * MS };

		ASSERT_EQ(0, eng_cpu(i));
		set[i] = now_ns();
		ASSERT_EQ(0, xsk_send(&self->k, 1, TT_CALL_TIMER, &t, NULL, 0));
		ASSERT_EQ(0, tt->result);
		xsk_complete(&self->k, NULL, 0);
	}
	while (left && now_ns() < start + 6000 * MS) {
		for (i = 0; i < 16; i++)
			if (!fired[i] && tt->call[i].done) {
				fired[i] = now_ns();
				left--;
			}
		usleep(1000);
	}
	EXPECT_EQ(0, left);
	for (i = 0; i < 16; i++) {
		EXPECT_LE(set[i] + (20 + 100 * i) * MS, fired[i]);
		EXPECT_EQ(0, tt->call[i].result);
	}
	EXPECT_TRUE(arrived(self));
	EXPECT_EQ(0, tt->early);
	EXPECT_EQ(0, tt->disorder);
	EXPECT_TRUE(et_wait_for(eng_kept() == 0));
}

TEST_F(timed, equal_times_leave_in_the_order_of_egress)
{
	uint64_t t = now_ns() + 300 * MS;
	int i;

	/* Far more than a budget, a bulk, or the peer's ring. */
	for (i = 0; i < 1500; i++)
		ASSERT_EQ(0, put(self, 7, t));
	ASSERT_EQ(0, flush(self));
	EXPECT_TRUE(arrived(self));
	EXPECT_EQ(0, tt->disorder);
	print_lateness();
}

TEST_F(timed, block_boundaries_and_the_coarse_level)
{
	static const int64_t around[] = {
		-8193, -4097, -4096, -4095, -1, 0, 1, 4095, 4096, 4097, 8193
	};
	uint64_t at;
	unsigned int i, k;

	/* In increasing order: one flow; the last ones are some 3.9 s ahead. */
	at = (now_ns() / BLOCK + 6) * BLOCK;
	for (k = 0; k < 228; k += k < 20 ? 1 : 13)
		for (i = 0; i < sizeof(around) / sizeof(around[0]); i++)
			ASSERT_EQ(0, put(self, 1, at + k * BLOCK + around[i]));
	ASSERT_EQ(0, flush(self));
	EXPECT_EQ(0, tt->early);
	EXPECT_TRUE(arrived(self));
	EXPECT_EQ(0, tt->disorder);
	print_lateness();
}

TEST_F(timed, times_around_now_keep_their_order)
{
	uint64_t t = 0, seed = 17, now;
	int i, n = et_debug() ? 1000 : 6000;

	/* Some have passed when egress sees them, some have not. */
	for (i = 0; i < n; i++) {
		now = now_ns() + eng_random(&seed) % 2000000;
		t = now > t ? now : t + eng_random(&seed) % 3;
		if (t > now + 3000000)
			t = now;
		if (i % 200 == 0)
			usleep(3000);
		ASSERT_EQ(0, put(self, 3, t));
		if (i % 8 == 0)
			ASSERT_EQ(0, flush(self));
	}
	ASSERT_EQ(0, flush(self));
	EXPECT_TRUE(arrived(self));
	EXPECT_EQ(0, tt->disorder);
}

TEST_F(timed, time_that_has_passed_leaves_now)
{
	ASSERT_EQ(0, put(self, 1, 1));
	ASSERT_EQ(0, put(self, 1, now_ns() - 1000 * MS));
	ASSERT_EQ(0, put(self, 1, now_ns()));
	ASSERT_EQ(0, put(self, 1, 0));
	ASSERT_EQ(0, flush(self));
	EXPECT_TRUE(arrived(self));
	EXPECT_TRUE(et_wait_for(eng_kept() == 0));
}

TEST_F(timed, past_the_horizon_is_refused)
{
	uint64_t was = et_count("packet_horizon");
	struct tt_req r = self->r;
	uint64_t h;

	r.rx_action = 0;
	r.arg = now_ns() + 5000 * MS;
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &r, "x", 1));
	r.arg = ~0ULL;
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &r, "x", 1));
	EXPECT_EQ(was + 2, et_count("packet_horizon"));
	EXPECT_EQ(2, et_counter(ETRAN_COUNTERS_ENDPOINT, self->x.id, "frames_dropped"));
	EXPECT_EQ(0, eng_kept());
	/* A retained one stays with the transport. */
	r.verdict = TX | RETAIN;
	r.flags |= TT_F_HOLD;
	h = eng_hold(&self->x, 1, &r);
	EXPECT_NE(0, h);
	EXPECT_EQ(was + 3, et_count("packet_horizon"));
	EXPECT_EQ(1, et_count("frames_held"));
	EXPECT_EQ(0, eng_do(&self->k, 0, TT_W_RELEASE, 0, h, 0, 0));
	/* A held one that is sent says so, and can be sent again. */
	r.verdict = HOLD;
	h = eng_hold(&self->x, 1, &r);
	EXPECT_EQ(-ERANGE, eng_do(&self->k, 0, TT_W_SEND, 0, h, now_ns() + 5000 * MS, 0));
	EXPECT_EQ(-ERANGE, eng_do(&self->k, 0, TT_W_SEND, 0, h, ~0ULL, 0));
	EXPECT_EQ(1, et_count("frames_held"));
	EXPECT_EQ(0, eng_do(&self->k, 0, TT_W_SEND, 0, h, 0, 0));
	EXPECT_TRUE(et_wait_for(eng_kept() == 0));
}

TEST_F(timed, horizon_is_from_now_however_long_nothing_left)
{
	int i;

	/* A wheel whose first packet is far away is not touched for a long time. */
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, put(self, 1, now_ns() + 3900 * MS));
		ASSERT_EQ(0, flush(self));
		if (!i)
			usleep(3000000);
	}
	EXPECT_TRUE(arrived(self));
	EXPECT_EQ(0, tt->disorder);
}

TEST_F(timed, held_frames_are_sent_at_their_times)
{
	uint64_t h[100], t = now_ns() + 400 * MS;
	struct tt_req r = self->r;
	struct tt_time p;
	int i;

	r.verdict = HOLD;
	r.flags = TT_F_HOLD;
	for (i = 0; i < 100; i++) {
		p = (struct tt_time) { .departure_ns = t + i / 3 * 1000, .flow = 5, .seq = i + 1 };
		r.slot = 0;
		ASSERT_EQ(0, xsk_send(&self->x, i, TT_SEND, &r, &p, sizeof(p)));
		xsk_complete(&self->x, NULL, 0);
		h[i] = tt->handle[0];
		ASSERT_NE(0, h[i]);
	}
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, eng_do(&self->k, 0, TT_W_SEND, 0, h[i], t + i / 3 * 1000,
				    i % 2 ? SEND_RETAIN : 0));
		EXPECT_EQ(-EBUSY, eng_do(&self->k, 0, TT_W_SEND, 0, h[i], t, 0));
		EXPECT_EQ(-EBUSY, eng_do(&self->k, 0, TT_W_PUSH, 0, h[i], 0, TAIL));
	}
	EXPECT_EQ(100, et_count("frames_queued"));
	self->sent = 100;
	EXPECT_TRUE(arrived(self));
	EXPECT_EQ(0, tt->disorder);
	EXPECT_TRUE(et_wait_for(et_count("frames_queued") == 0));
	EXPECT_EQ(50, et_count("frames_retained"));
	for (i = 0; i < 100; i++)
		EXPECT_EQ(i % 2 ? 0 : -ESTALE,
			  eng_do(&self->k, 0, TT_W_RELEASE, 0, h[i], 0, 0));
}

TEST_F(timed, release_takes_a_waiting_frame_back)
{
	struct tt_req r = self->r;
	uint64_t h[300], t = now_ns() + 500 * MS;
	int i;

	r.verdict = TX | RETAIN;
	r.flags |= TT_F_HOLD;
	/* Where the test is slow some leave in time: their payload is no struct tt_time. */
	r.rx_action = 0;
	/* In the first level and the second. */
	for (i = 0; i < 300; i++) {
		r.arg = i % 2 ? t + 10 * i * MS : now_ns() + 30 * MS;
		h[i] = eng_hold(&self->x, i, &r);
		ASSERT_NE(0, h[i]);
		if (i % 3 == 0)
			continue;
		EXPECT_EQ(0, eng_do(&self->k, 0, TT_W_RELEASE, 0, h[i], 0, 0));
		EXPECT_EQ(0, self->x.busy[i]);
		EXPECT_EQ(-ESTALE, eng_do(&self->k, 0, TT_W_RELEASE, 0, h[i], 0, 0));
	}
	EXPECT_LT(0, et_count("frames_queued"));
	for (i = 0; i < 300; i += 3)
		EXPECT_EQ(0, eng_do(&self->k, 0, TT_W_RELEASE, 0, h[i], 0, 0));
	EXPECT_TRUE(et_wait_for(eng_kept() == 0));
}

TEST_F(timed, killed_application_s_frames_are_still_sent)
{
	int status, i;
	pid_t pid = fork();

	if (!pid) {
		uint64_t t = now_ns() + 700 * MS;
		struct xsk *x = &self->x;

		xsk_close(x);
		if (xsk_open(x, &(struct xsk_config) { .queue = 5, .chunks = 20000, .fill = 1 }))
			_exit(1);
		for (i = 0; i < 500; i++)
			if (put(self, 1, t + i * MS))
				_exit(1);
		if (flush(self))
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status));
	self->sent = 500;
	EXPECT_TRUE(arrived(self));
	EXPECT_EQ(0, tt->disorder);
	EXPECT_TRUE(et_wait_for(et_count("channels") == 2));
	EXPECT_EQ(0, eng_kept());
}

/* Thousands that wait, on both levels. */
static int wait_with_thousands(FIXTURE_DATA(timed) *self)
{
	uint64_t t = now_ns() + 1500 * MS, seed = 3;
	int i;

	for (i = 0; i < 4000; i++)
		if (put(self, i, t + eng_random(&seed) % (1500 * MS)))
			return -1;
	if (flush(self))
		return -1;
	if (eng_kept() < 2000)
		return et_fail("only %d wait", (int)eng_kept());
	return 0;
}

TEST_F(timed, transport_detached_while_thousands_wait)
{
	uint64_t sent = et_count("frames_transmitted"), gone = et_count("frames_dropped");

	ASSERT_EQ(0, wait_with_thousands(self));
	bpf_link__destroy(self->net.link);
	self->net.link = NULL;
	EXPECT_EQ(0, eng_kept());
	EXPECT_EQ(0, self->x.status->held);
	EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_MODULE, 0));
	EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_ENDPOINT, self->x.id));
	EXPECT_EQ(4000, et_count("frames_transmitted") - sent + et_count("frames_dropped") - gone);
}

TEST_F(timed, socket_closed_by_its_device_s_end_while_thousands_wait)
{
	uint64_t sent = et_count("frames_transmitted"), gone = et_count("frames_dropped");

	ASSERT_EQ(0, wait_with_thousands(self));
	ASSERT_EQ(0, et_sh("ip link del etran0"));
	EXPECT_TRUE(et_wait_for(eng_kept() == 0));
	EXPECT_EQ(ETRAN_STATUS_DEVICE_GONE, self->x.status->flags & ETRAN_STATUS_DEVICE_GONE);
	EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_MODULE, 0));
	EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_TRANSPORT, self->net.transport));
	EXPECT_EQ(4000, et_count("frames_transmitted") - sent + et_count("frames_dropped") - gone);
	/* The last test: nobody else has to know the new device's id. */
	ASSERT_EQ(0, et_sh("ip link add etran0 link veth0 numrxqueues 16 type etran && ip link set etran0 up"));
	xsk_close(&self->x);
	xsk_close(&self->k);
	ASSERT_EQ(0, et_link_info(self->net.a));
	ASSERT_EQ(0, xsk_open(&self->x, &(struct xsk_config) { .chunks = 20000, .fill = 1 }));
}

TT_MAIN(16)
