// SPDX-License-Identifier: GPL-2.0
/*
 * The lower device has no room: packets wait, egress stops and goes on by itself, nothing is lost.
 *
 * A packet makes the peer's ingress program wait, so that its NAPI takes nothing from veth's ring of
 * 256 while another CPU sends.
 */
#include "engine.h"

#define RING	256		/* of veth; of our sockets too */

FIXTURE(backlog) {
	FIXTURE_DATA(net) net;
	struct xsk x[4];	/* on a */
	struct xsk k;		/* on a, for the packet that makes the peer wait */
	struct tt_req r;
	pid_t blocker;
	uint32_t chunk[4];
	uint32_t seq[4];
};

FIXTURE_SETUP(backlog)
{
	int i;

	net_setup(_metadata, &self->net, NULL);
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, xsk_open(&self->x[i], &(struct xsk_config) {
			.queue = i, .chunks = 4096, .fill = 1 }));
	ASSERT_EQ(0, xsk_open(&self->k, &(struct xsk_config) { .queue = 5 }));
	self->r = eng_req(self->net.b, TX);
	self->r.rx_action = TT_A_TIME;
	memset(self->chunk, 0, sizeof(self->chunk));
	memset(self->seq, 0, sizeof(self->seq));
	self->blocker = 0;
}

FIXTURE_TEARDOWN(backlog)
{
	int i;

	tt->spin = 0;
	if (self->blocker)
		waitpid(self->blocker, NULL, 0);
	eng_rest();
	EXPECT_EQ(0, eng_conserved(&self->net, self->x, self->net.link ? 4 : 0));
	for (i = 0; i < 4; i++)
		xsk_close(&self->x[i]);
	xsk_close(&self->k);
	net_teardown(_metadata, &self->net, NULL);
	EXPECT_EQ(0, eng_kept());
}

/* The peer receives nothing any more until tt->spin is 0, for 3 s at most. */
static int block(FIXTURE_DATA(backlog) *self)
{
	struct tt_req r = eng_req(self->net.b, TX);

	r.rx_action = TT_A_CALL;
	r.seq = 9;
	eng_call(9, TT_W_SPIN, 0, 0, 0, 0);
	tt->spin = 1;
	self->blocker = fork();
	if (!self->blocker) {
		eng_cpu(1);
		_exit(xsk_send(&self->k, 0, TT_SEND, &r, "x", 1));
	}
	eng_cpu(0);
	return et_wait_for(tt->spinning) ? 0 : et_fail("the peer does not wait");
}

static void unblock(FIXTURE_DATA(backlog) *self)
{
	tt->spin = 0;
	waitpid(self->blocker, NULL, 0);
	self->blocker = 0;
}

/* As many as fit into the TX ring of socket @i, each a flow of its own; not sent yet. */
static void fill_ring(FIXTURE_DATA(backlog) *self, int i)
{
	struct xsk *x = &self->x[i];

	while (*x->tx.producer - __atomic_load_n(x->tx.consumer, __ATOMIC_ACQUIRE) < RING) {
		struct tt_time t = { .flow = i, .seq = ++self->seq[i] };

		xsk_put(x, self->chunk[i]++ % 2048, TT_SEND, &self->r, &t, sizeof(t));
	}
}

static uint32_t left(const struct xsk *x)
{
	return *x->tx.producer - __atomic_load_n(x->tx.consumer, __ATOMIC_ACQUIRE);
}

/* One call for each budget until egress stops. Return: how many times EAGAIN was said in the end. */
static int send_until_stopped(struct xsk *x)
{
	uint32_t was;
	int stopped = 0, i;

	for (i = 0; i < 200 && stopped < 3; i++) {
		was = left(x);
		if (sendto(x->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0 && !left(x))
			break;
		if (left(x) == was)
			stopped++;
		xsk_complete(x, NULL, 0);
	}
	return stopped;
}

/* Fill veth's ring and the backlog. Return: 0. */
static int stop(FIXTURE_DATA(backlog) *self)
{
	int i, k, stopped, tries;

	for (tries = 0; tries < 5; tries++) {
		if (block(self))
			return -1;
		for (k = 0; k < 4; k++) {
			stopped = 0;
			for (i = 0; i < 4; i++) {
				fill_ring(self, i);
				stopped += send_until_stopped(&self->x[i]) == 3;
			}
			if (stopped == 4 && tt->spinning)
				return 0;
		}
		/* The machine is so busy that the peer gave up waiting for us. */
		unblock(self);
	}
	return et_fail("egress does not stop");
}

TEST_F(backlog, egress_stops_and_goes_on_by_itself)
{
	uint32_t sent, i;

	ASSERT_EQ(0, stop(self));
	EXPECT_NE(0, tt->spinning);
	/* What waits is queued, and not lost. */
	EXPECT_LE(256, et_count("frames_queued"));
	EXPECT_GT(1024, et_count("frames_queued"));
	EXPECT_EQ(-1, sendto(self->x[0].fd, NULL, 0, MSG_DONTWAIT, NULL, 0));
	EXPECT_EQ(EAGAIN, errno);
	/* The peer is at work on a packet, so not the module's. */
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_ENDPOINT, self->x[i].id));
	for (i = 0; i < 4; i++)
		fill_ring(self, i);
	unblock(self);
	/* Nobody calls sendto() any more. */
	for (i = 0, sent = 0; i < 4; i++) {
		EXPECT_TRUE(et_wait_for(!left(&self->x[i])));
		sent += self->seq[i];
	}
	EXPECT_TRUE(et_wait_for(tt->timed == sent));
	EXPECT_EQ(sent, tt->timed);
	EXPECT_EQ(0, tt->disorder);
	EXPECT_TRUE(et_wait_for(eng_kept() == 0));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(self->seq[i], et_counter(ETRAN_COUNTERS_ENDPOINT, self->x[i].id,
						   "frames_transmitted"));
	EXPECT_EQ(0, et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport, "packet_refused"));
	printf("# %u frames\n", sent);
}

TEST_F(backlog, for_kick_it_is_no_error)
{
	struct etran_wait_rx w = { .flags = ETRAN_WAIT_KICK, .timeout_ms = 1 };
	int i;

	ASSERT_EQ(0, stop(self));
	for (i = 0; i < 4; i++)
		fill_ring(self, i);
	EXPECT_EQ(0, ioctl(self->x[0].ep, ETRAN_IOC_KICK));
	EXPECT_EQ(-1, ioctl(self->x[1].ep, ETRAN_IOC_WAIT_RX, &w));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_NE(0, left(&self->x[0]));
	EXPECT_NE(0, left(&self->x[1]));
	EXPECT_NE(0, tt->spinning);
	unblock(self);
	/* Nobody has to call again. */
	for (i = 0; i < 4; i++)
		EXPECT_TRUE(et_wait_for(!left(&self->x[i])));
	EXPECT_TRUE(et_wait_for(eng_kept() == 0));
	EXPECT_EQ(0, et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport, "packet_refused"));
}

TEST_F(backlog, held_timed_and_generated_packets_wait_too)
{
	struct tt_req r = self->r;
	uint32_t i, sent = 0;
	uint64_t h[100];

	r.verdict = HOLD;
	r.flags = TT_F_HOLD;
	for (i = 0; i < 100; i++) {
		struct tt_time t = { .flow = 10 + i, .seq = 1 };

		ASSERT_EQ(0, xsk_send(&self->x[0], 3000 + i, TT_SEND, &r, &t, sizeof(t)));
		xsk_complete(&self->x[0], NULL, 0);
		h[i] = tt->handle[0];
		ASSERT_NE(0, h[i]);
	}
	ASSERT_EQ(0, block(self));
	for (i = 0; i < RING; i++) {
		struct tt_time t = { .flow = 0, .seq = ++self->seq[0] };

		xsk_put(&self->x[0], i, TT_SEND, &self->r, &t, sizeof(t));
	}
	ASSERT_EQ(0, xsk_kick(&self->x[0]));
	xsk_complete(&self->x[0], NULL, 0);
	for (i = 0; i < 100; i++)
		EXPECT_EQ(0, eng_do(&self->x[1], 0, TT_W_SEND, 0, h[i], 0, i % 2 ? SEND_RETAIN : 0));
	EXPECT_TRUE(et_wait_for(et_count("frames_queued") >= 50));
	EXPECT_NE(0, tt->spinning);
	/* One that waits there can be released; it is sent all the same. */
	EXPECT_EQ(0, eng_do(&self->x[1], 0, TT_W_RELEASE, 0, h[99], 0, 0));
	EXPECT_EQ(-ESTALE, eng_do(&self->x[1], 0, TT_W_RELEASE, 0, h[99], 0, 0));
	unblock(self);
	sent = self->seq[0] + 100;
	EXPECT_TRUE(et_wait_for(tt->timed >= sent));
	EXPECT_EQ(sent, tt->timed);
	EXPECT_TRUE(et_wait_for(et_count("frames_queued") == 0));
	EXPECT_EQ(49, et_count("frames_retained"));
	for (i = 1; i < 99; i += 2)
		EXPECT_EQ(0, eng_do(&self->x[1], 0, TT_W_RELEASE, 0, h[i], 0, 0));
}

TEST_F(backlog, burst_of_thousands_is_not_lost)
{
	uint32_t sent = 0, i, k, n = 0;
	int status;

	/* From two processes on two CPUs, as fast as they can. */
	for (k = 0; k < 2; k++)
		if (!fork()) {
			eng_cpu(k);
			for (i = 0; i < 40; i++) {
				fill_ring(self, k);
				while (xsk_kick(&self->x[k]) == EAGAIN)
					sched_yield();
				xsk_complete(&self->x[k], NULL, 0);
			}
			while (left(&self->x[k]))
				usleep(1000);
			tt->held[k] = self->seq[k];
			_exit(0);
		}
	for (k = 0; k < 2; k++) {
		wait(&status);
		EXPECT_EQ(0, status);
	}
	n = tt->held[0] + tt->held[1];
	EXPECT_TRUE(et_wait_for(eng_kept() == 0));
	sent = et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport, "frames_transmitted");
	EXPECT_EQ(n, sent);
	EXPECT_TRUE(et_wait_for(tt->timed == n));
	EXPECT_EQ(n, tt->timed);
	EXPECT_EQ(0, tt->disorder);
}

/* Eight have much to send, and the backlog is full when eight budgets were sent: nobody is before the others twice. */
TEST_F(backlog, those_that_stopped_take_turns)
{
	uint32_t least, n, i, chunk = 0, tries;
	struct tt_req r = self->r;
	struct xsk y[4];
	bool stopped;

	/* Not looked at when they arrive. */
	r.rx_action = 0;
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, xsk_open(&y[i], &(struct xsk_config) {
			.queue = 6 + i, .chunks = 4096, .fill = 1 }));
	/* Again if the machine is so busy that the peer gave up waiting for us. */
	for (tries = 0, stopped = false; tries < 5 && !stopped; tries++) {
		if (tries)
			unblock(self);
		ASSERT_EQ(0, stop(self));
		for (i = 0, stopped = true; i < 4; i++) {
			for (n = left(&y[i]); n < RING; n++)
				xsk_put(&y[i], chunk++ % 2048, TT_SEND, &r, "turn", 4);
			send_until_stopped(&y[i]);
			stopped = stopped && left(&y[i]) == RING;
		}
		stopped = stopped && tt->spinning;
	}
	ASSERT_TRUE(stopped);
	unblock(self);
	do {
		least = RING;
		for (i = 0; i < 4; i++) {
			n = left(&self->x[i]);
			least = n < least ? n : least;
		}
	} while (least > RING / 4);
	/* Looked at behind those: we may be made to wait between any two looks. */
	for (i = 0; i < 4; i++) {
		n = left(&y[i]);
		EXPECT_GE(RING * 3 / 4, n) TH_LOG("%u are left of who was first, %u of who was last", least, n);
	}
	for (i = 0; i < 4; i++) {
		EXPECT_TRUE(et_wait_for(!left(&y[i])));
		xsk_complete(&y[i], NULL, 0);
	}
	eng_rest();
	for (i = 0; i < 4; i++)
		xsk_close(&y[i]);
}

TEST_F(backlog, transport_detached)
{
	ASSERT_EQ(0, stop(self));
	bpf_link__destroy(self->net.link);
	self->net.link = NULL;
	unblock(self);
	EXPECT_TRUE(et_wait_for(eng_kept() == 0));
	EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_MODULE, 0));
	EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_ENDPOINT, self->x[0].id));
	EXPECT_EQ(0, self->x[0].status->held);
}

TEST_F(backlog, socket_closed)
{
	struct et_counters s;
	int i;

	ASSERT_EQ(0, stop(self));
	for (i = 0; i < 4; i++)
		xsk_close(&self->x[i]);
	unblock(self);
	/* What egress had taken is sent; not what was left in the rings. */
	EXPECT_TRUE(et_wait_for(et_count("channels") == 1));
	EXPECT_TRUE(et_wait_for(eng_kept() == 0));
	eng_rest();
	ASSERT_EQ(0, et_counters_read(&s, ETRAN_COUNTERS_TRANSPORT, self->net.transport));
	EXPECT_EQ(et_value(&s, "frames_accepted"), et_value(&s, "frames_transmitted"));
	/* All but the one that made the peer wait. */
	EXPECT_EQ(et_value(&s, "frames_transmitted") - 1, tt->timed);
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, xsk_open(&self->x[i], &(struct xsk_config) {
			.queue = i, .chunks = 4 }));
}

TEST_F(backlog, device_down)
{
	uint64_t refused = et_count("packet_refused"), queued;

	ASSERT_EQ(0, stop(self));
	queued = et_count("frames_queued");
	EXPECT_LT(0, queued);
	/* Taking it down waits for the CPU that the peer's program occupies. */
	if (!fork()) {
		usleep(300000);
		tt->spin = 0;
		_exit(0);
	}
	ASSERT_EQ(0, et_sh("ip link set etran0 down"));
	EXPECT_TRUE(et_wait_for(eng_kept() == 0));
	wait(NULL);
	unblock(self);
	EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_MODULE, 0));
	EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_LINK, self->net.a->link));
	printf("# %llu waited, %llu refused\n", (unsigned long long)queued,
	       (unsigned long long)(et_count("packet_refused") - refused));
	/* And up again: the sockets work as before. */
	ASSERT_EQ(0, et_sh("ip link set etran0 up"));
	tt->timed = 0;
	ASSERT_EQ(0, xsk_send(&self->k, 3, TT_SEND, &self->r, "sixteen bytes...", 16));
	EXPECT_TRUE(et_wait_for(tt->timed == 1));
}

TT_MAIN(16)
