// SPDX-License-Identifier: GPL-2.0
/* Packet queues: the order of frames in them, their limits, and what takes frames out. */
#include "engine.h"

FIXTURE(queue) {
	FIXTURE_DATA(net) net;
	struct xsk x[4];	/* on a; x[0] holds, x[1] calls, as a rule */
	uint64_t h[512];	/* handle of x[0]'s chunks */
	struct tt_req r;
};

FIXTURE_SETUP(queue)
{
	unsigned int i;

	net_setup(_metadata, &self->net, NULL);
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, xsk_open(&self->x[i], &(struct xsk_config) {
			.queue = i, .chunks = 512, .fill = 1 }));
	self->r = eng_req(self->net.b, HOLD);
}

FIXTURE_TEARDOWN(queue)
{
	int i;

	eng_rest();
	EXPECT_EQ(0, eng_conserved(&self->net, self->x, self->net.link ? 4 : 0));
	for (i = 0; i < 4; i++)
		xsk_close(&self->x[i]);
	net_teardown(_metadata, &self->net, NULL);
	EXPECT_EQ(0, eng_kept());
}

/* Hold chunks 0 to @n - 1. */
static int hold(FIXTURE_DATA(queue) *self, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		self->h[i] = eng_hold(&self->x[0], i, &self->r);
		if (!self->h[i])
			return et_fail("frame %u is not held", i);
	}
	return 0;
}

static int push(FIXTURE_DATA(queue) *self, uint32_t queue, unsigned int i, uint64_t rank,
		uint32_t where)
{
	return eng_do(&self->x[1], 0, TT_W_PUSH, queue, self->h[i], rank, where);
}

/* Which of the held frames is popped, -1 for none, -2 for another. */
static int pop(FIXTURE_DATA(queue) *self, uint32_t queue)
{
	uint64_t h = eng_do(&self->x[1], 0, TT_W_POP, queue, 0, 0, 0);
	int i;

	for (i = 0; i < 512; i++)
		if (h && self->h[i] == h)
			return i;
	return h ? -2 : -1;
}

static int len(FIXTURE_DATA(queue) *self, uint32_t queue)
{
	return eng_do(&self->x[1], 0, TT_W_LEN, queue, 0, 0, 0);
}

TEST_F(queue, tail_is_first_in_first_out)
{
	int i;

	ASSERT_EQ(0, hold(self, 20));
	for (i = 0; i < 20; i++)
		EXPECT_EQ(0, push(self, 2, i, 1000 - i, TAIL));
	EXPECT_EQ(20, len(self, 2));
	EXPECT_EQ(20, et_count("frames_queued"));
	EXPECT_EQ(0, et_count("frames_held"));
	EXPECT_EQ(20, self->x[0].status->held);
	for (i = 0; i < 20; i++)
		EXPECT_EQ(i, pop(self, 2));
	EXPECT_EQ(-1, pop(self, 2));
	EXPECT_EQ(0, len(self, 2));
	EXPECT_EQ(20, et_count("frames_held"));
}

TEST_F(queue, front_is_last_in_first_out)
{
	int i;

	ASSERT_EQ(0, hold(self, 5));
	for (i = 0; i < 5; i++)
		EXPECT_EQ(0, push(self, 2, i, 7, FRONT));
	for (i = 4; i >= 0; i--)
		EXPECT_EQ(i, pop(self, 2));
}

TEST_F(queue, lowest_rank_is_first_and_equals_keep_their_order)
{
	static const uint64_t rank[] = {
		5, 3, ~0ULL, 3, 0, 5, 1ULL << 63, 3, 0, (1ULL << 63) - 1, 5
	};
	static const int order[] = { 4, 8, 1, 3, 7, 0, 5, 10, 9, 6, 2 };
	int i;

	ASSERT_EQ(0, hold(self, 11));
	for (i = 0; i < 11; i++)
		EXPECT_EQ(0, push(self, 0, i, rank[i], RANK));
	for (i = 0; i < 11; i++)
		EXPECT_EQ(order[i], pop(self, 0));
}

TEST_F(queue, front_comes_before_ranked_before_tail)
{
	static const int order[] = { 5, 2, 4, 1, 0, 3 };
	int i;

	ASSERT_EQ(0, hold(self, 6));
	EXPECT_EQ(0, push(self, 1, 0, 0, TAIL));
	EXPECT_EQ(0, push(self, 1, 1, ~0ULL, RANK));
	EXPECT_EQ(0, push(self, 1, 2, 0, FRONT));
	EXPECT_EQ(0, push(self, 1, 3, 0, TAIL));
	EXPECT_EQ(0, push(self, 1, 4, 9, RANK));
	EXPECT_EQ(0, push(self, 1, 5, 0, FRONT));
	for (i = 0; i < 6; i++)
		EXPECT_EQ(order[i], pop(self, 1));
}

TEST_F(queue, peek_tells_handle_and_rank_and_takes_nothing)
{
	ASSERT_EQ(0, hold(self, 2));
	EXPECT_EQ(0, eng_do(&self->x[1], 0, TT_W_PEEK, 3, 0, 0, 0));
	EXPECT_EQ(0, push(self, 3, 0, 777, RANK));
	EXPECT_EQ(self->h[0], eng_do(&self->x[1], 0, TT_W_PEEK, 3, 0, 0, 0));
	EXPECT_EQ(777, tt->call[63].out);
	EXPECT_EQ(self->h[0], eng_do(&self->x[1], 0, TT_W_PEEK, 3, 0, 0, 0));
	EXPECT_EQ(1, len(self, 3));
	EXPECT_EQ(0, push(self, 3, 1, 12, FRONT));
	EXPECT_EQ(self->h[1], eng_do(&self->x[1], 0, TT_W_PEEK, 3, 0, 0, 0));
	EXPECT_EQ(0, tt->call[63].out);
}

TEST_F(queue, full_queue_refuses_and_the_frame_stays_held)
{
	uint64_t queued;
	unsigned int i;

	ASSERT_GT(512 / 2 + 1, TT_DEPTH);
	ASSERT_EQ(0, hold(self, TT_DEPTH));
	for (i = 0; i < TT_DEPTH; i++)
		ASSERT_EQ(0, push(self, 4, i, i, i % 3));
	self->h[400] = eng_hold(&self->x[2], 5, &self->r);
	ASSERT_NE(0, self->h[400]);
	queued = et_count("frame_queue");
	for (i = 0; i < 3; i++)
		EXPECT_EQ(-ENOBUFS, push(self, 4, 400, 0, i));
	EXPECT_EQ(TT_DEPTH, len(self, 4));
	EXPECT_EQ(1, et_count("frames_held"));
	EXPECT_EQ(queued, et_count("frame_queue"));
	/* There is room elsewhere, and here again when one is gone. */
	EXPECT_EQ(0, push(self, 5, 400, 0, TAIL));
	EXPECT_EQ(400, pop(self, 5));
	EXPECT_LE(0, pop(self, 4));
	EXPECT_EQ(0, push(self, 4, 400, 0, RANK));
	EXPECT_EQ(TT_DEPTH, len(self, 4));
}

TEST_F(queue, frame_is_in_one_queue_at_most)
{
	ASSERT_EQ(0, hold(self, 1));
	EXPECT_EQ(0, push(self, 0, 0, 0, TAIL));
	EXPECT_EQ(-EBUSY, push(self, 0, 0, 0, TAIL));
	EXPECT_EQ(-EBUSY, push(self, 1, 0, 0, RANK));
	EXPECT_EQ(1, len(self, 0));
	EXPECT_EQ(0, len(self, 1));
	EXPECT_EQ(0, pop(self, 0));
	EXPECT_EQ(0, push(self, 1, 0, 0, RANK));
}

TEST_F(queue, wrong_handles_are_refused)
{
	struct bpf_link *link;
	struct bpf_object *o;
	volatile struct tt_state *other;
	struct xsk y;
	uint64_t h;

	ASSERT_EQ(0, hold(self, 1));
	/* A queue that does not exist has the transport ejected: see eject.c. */
	h = self->h[0];
	self->h[0] = 0;
	EXPECT_EQ(-ESTALE, push(self, 0, 0, 0, TAIL));
	self->h[0] = h ^ 1ULL << 40;
	EXPECT_EQ(-ESTALE, push(self, 0, 0, 0, TAIL));
	self->h[0] = h;
	EXPECT_EQ(0, eng_do(&self->x[1], 0, TT_W_RELEASE, 0, h, 0, 0));
	EXPECT_EQ(-ESTALE, push(self, 0, 0, 0, TAIL));
	EXPECT_EQ(0, len(self, 0));

	/* A frame of another transport. */
	o = tt_open_object("tt_other.bpf.o", &other);
	ASSERT_NE(NULL, o);
	link = bpf_map__attach_struct_ops(tt_map(o));
	ASSERT_NE(NULL, link);
	ASSERT_EQ(0, xsk_open(&y, &(struct xsk_config) { .queue = 7, .no_endpoint = true }));
	ASSERT_EQ(0, xsk_attach(&y, "tt-other", 0));
	ASSERT_EQ(0, xsk_send(&y, 0, TT_SEND, &self->r, "x", 1));
	h = other->handle[0];
	EXPECT_NE(0, h);
	self->h[0] = h;
	EXPECT_EQ(-ESTALE, push(self, 0, 0, 0, TAIL));
	EXPECT_EQ(-ESTALE, eng_do(&self->x[1], 0, TT_W_RELEASE, 0, h, 0, 0));
	EXPECT_EQ(-ESTALE, eng_do(&self->x[1], 0, TT_W_SEND, 0, h, 0, 0));
	EXPECT_EQ(1, y.status->held);
	/* Each has its own queues. */
	tt = other;
	EXPECT_EQ(0, eng_do(&y, 1, TT_W_PUSH, 0, h, 0, TAIL));
	EXPECT_EQ(1, eng_do(&y, 1, TT_W_LEN, 0, 0, 0, 0));
	xsk_close(&y);
	bpf_link__destroy(link);
	bpf_object__close(o);
}

TEST_F(queue, release_takes_a_frame_out)
{
	static const uint32_t where[] = { TAIL, FRONT, RANK };
	int i, k, n = 30, left;

	ASSERT_EQ(0, hold(self, n));
	for (k = 0; k < n; k++)
		ASSERT_EQ(0, push(self, 0, k, (k * 7) % 11, where[k % 3]));
	/* From the middle, the ends, all kinds. */
	for (i = 0, left = n; i < n; i += 2) {
		EXPECT_EQ(0, eng_do(&self->x[1], 0, TT_W_RELEASE, 0, self->h[i], 0, 0));
		EXPECT_EQ(--left, len(self, 0));
		EXPECT_EQ(-ESTALE, eng_do(&self->x[1], 0, TT_W_RELEASE, 0, self->h[i], 0, 0));
		EXPECT_EQ(0, self->x[0].busy[i]);
		self->h[i] = 0;
	}
	while (left--)
		EXPECT_EQ(1, pop(self, 0) % 2);
	EXPECT_EQ(-1, pop(self, 0));
}

TEST_F(queue, push_in_egress_before_the_verdict)
{
	self->r.flags |= TT_F_PUSH;
	self->r.queue = 6;
	self->r.place = RANK;
	self->r.arg = 5;
	ASSERT_EQ(0, hold(self, 3));
	EXPECT_EQ(0, tt->result);
	EXPECT_EQ(3, len(self, 6));
	EXPECT_EQ(0, pop(self, 6));
	/* A verdict that does not hold it ends it, and takes it out. */
	self->r.verdict = DROP;
	EXPECT_NE(0, eng_hold(&self->x[0], 5, &self->r));
	EXPECT_EQ(2, len(self, 6));
	EXPECT_EQ(1, pop(self, 6));
	/* TX of a queued frame is as HOLD: it is in the queue that it is sent from. */
	self->r.verdict = TX;
	self->h[6] = eng_hold(&self->x[0], 6, &self->r);
	EXPECT_NE(0, self->h[6]);
	EXPECT_EQ(2, len(self, 6));
	EXPECT_EQ(2, pop(self, 6));
	EXPECT_EQ(6, pop(self, 6));
	EXPECT_EQ(0, eng_do(&self->x[1], 0, TT_W_SEND, 0, self->h[6], 0, 0));
	EXPECT_TRUE(et_wait_for(!self->x[0].busy[6]));
}

TEST_F(queue, ingress_gen_and_timers_push_and_pop)
{
	struct tt_req r = eng_req(self->net.b, TX);
	int i;

	ASSERT_EQ(0, hold(self, 6));
	/* ingress: a packet to b tells to */
	r.rx_action = TT_A_CALL;
	r.seq = 1;
	eng_call(1, TT_W_PUSH, 1, self->h[0], 0, TAIL);
	ASSERT_EQ(0, xsk_send(&self->x[2], 0, TT_SEND, &r, "x", 1));
	EXPECT_TRUE(et_wait_for(tt->call[1].done));
	EXPECT_EQ(0, tt->call[1].result);
	/* gen */
	eng_call(2, TT_W_PUSH, 1, self->h[1], 0, FRONT);
	tt->gen_do[0] = (struct tt_gen) { .verdict = 4, .call = 2 + 1 };
	tt->gen_n = 1;
	ASSERT_EQ(0, xsk_send(&self->x[2], 0, TT_KICK, &r, NULL, 0));
	EXPECT_TRUE(et_wait_for(tt->call[2].done));
	EXPECT_EQ(0, tt->call[2].result);
	/* a timer */
	eng_call(3, TT_W_PUSH, 1, self->h[2], 3, RANK);
	r.slot = 3;
	r.arg = 1000000;
	ASSERT_EQ(0, xsk_send(&self->x[2], 0, TT_CALL_TIMER, &r, NULL, 0));
	EXPECT_TRUE(et_wait_for(tt->call[3].done));
	EXPECT_EQ(0, tt->call[3].result);
	EXPECT_EQ(3, len(self, 1));

	/* And out, the other way round. */
	eng_call(4, TT_W_POP, 1, 0, 0, 0);
	r.slot = 4;
	ASSERT_EQ(0, xsk_send(&self->x[2], 0, TT_CALL_TIMER, &r, NULL, 0));
	EXPECT_TRUE(et_wait_for(tt->call[4].done));
	EXPECT_EQ(self->h[1], tt->call[4].result);
	eng_call(5, TT_W_POP, 1, 0, 0, 0);
	r.seq = 5;
	ASSERT_EQ(0, xsk_send(&self->x[2], 0, TT_SEND, &r, "x", 1));
	EXPECT_TRUE(et_wait_for(tt->call[5].done));
	EXPECT_EQ(self->h[2], tt->call[5].result);
	eng_call(6, TT_W_POP, 1, 0, 0, 0);
	tt->gen_do[1] = (struct tt_gen) { .verdict = 4, .call = 6 + 1 };
	tt->gen_n = 2;
	ASSERT_EQ(0, xsk_send(&self->x[2], 0, TT_KICK, &r, NULL, 0));
	EXPECT_TRUE(et_wait_for(tt->call[6].done));
	EXPECT_EQ(self->h[0], tt->call[6].result);
	EXPECT_EQ(0, len(self, 1));
	for (i = 0; i < 6; i++)
		EXPECT_EQ(0, eng_do(&self->x[1], 0, TT_W_RELEASE, 0, self->h[i], 0, 0));
}

/* One call from CPU @cpu: by a timer that was started there, or by the gen that was kicked there. */
static int64_t from_cpu(FIXTURE_DATA(queue) *self, int cpu, bool gen, uint32_t what, uint64_t handle)
{
	struct tt_req r = { .slot = 5, .arg = 1000000 };

	if (eng_cpu(cpu))
		return et_fail("no CPU %d", cpu) - 1000;
	eng_call(5, what, 3, handle, 0, TAIL);
	if (gen) {
		tt->gen_next = 0;
		tt->gen_do[0] = (struct tt_gen) { .verdict = 4, .call = 5 + 1 };
		tt->gen_n = 1;
	}
	if (xsk_send(&self->x[2], 0, gen ? TT_KICK : TT_CALL_TIMER, &r, NULL, 0) ||
	    !et_wait_for(tt->call[5].done))
		return et_fail("the call was not made") - 1000;
	xsk_complete(&self->x[2], NULL, 0);
	errno = 0;
	if (tt->call[5].cpu != (uint32_t)cpu)
		return et_fail("it ran on CPU %u", tt->call[5].cpu) - 1000;
	return tt->call[5].result;
}

TEST_F(queue, timers_and_gen_of_different_cpus_share_queues)
{
	int i;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "one processor");
	ASSERT_EQ(0, hold(self, 40));
	for (i = 0; i < 40; i++) {
		/* In here, out there, by the one and the other. */
		ASSERT_EQ(0, from_cpu(self, i % 2, i & 2, TT_W_PUSH, self->h[i]));
		if (i % 4 == 3) {
			ASSERT_EQ(self->h[i - 3], from_cpu(self, 1, true, TT_W_POP, 0));
			ASSERT_EQ(self->h[i - 2], from_cpu(self, 0, false, TT_W_POP, 0));
			ASSERT_EQ(self->h[i - 1], from_cpu(self, 0, true, TT_W_POP, 0));
			ASSERT_EQ(self->h[i], from_cpu(self, 1, false, TT_W_POP, 0));
		}
	}
	EXPECT_EQ(0, len(self, 3));
	for (i = 0; i < 40; i++)
		EXPECT_EQ(0, eng_do(&self->x[1], 0, TT_W_RELEASE, 0, self->h[i], 0, 0));
}

/* A process of its own: hold frames and push them, @n of them, from socket @who. */
static int pusher(FIXTURE_DATA(queue) *self, int who, int n)
{
	struct tt_req r = self->r;
	struct xsk *x = &self->x[who];
	uint64_t seed = 4711 + who;
	int i, put, spins = 0;
	uint32_t c = 0;

	eng_cpu(who);
	r.flags |= TT_F_PUSH | TT_F_KICK;
	/* Sent from the queue at once: by gen, or by ingress when such a packet arrives. */
	for (i = 0; i < n;) {
		for (put = 0; put < 64 && i < n; c = (c + 1) % 128) {
			if (x->busy[c]) {
				if (++spins > 100000000)
					return 2;
				break;
			}
			r.queue = eng_random(&seed) % TT_QUEUES;
			r.place = eng_random(&seed) % 3;
			r.arg = eng_random(&seed) % 100;
			r.cookie = TT_COOKIE(TT_ACT_SEND, 0, 0);
			r.rx_action = eng_random(&seed) % 2 ? TT_A_ACT : 0;
			r.seq = eng_random(&seed) % TT_QUEUES;
			xsk_put(x, c, TT_SEND, &r, "x", 1);
			put++;
			i++;
		}
		if (xsk_kick(x))
			sched_yield();
		xsk_complete(x, NULL, 0);
	}
	while (xsk_kick(x))
		sched_yield();
	return 0;
}

TEST_F(queue, what_four_sockets_on_two_cpus_push_is_popped)
{
	int each = getenv("ETRAN_LAB") && !strcmp(getenv("ETRAN_LAB"), "debug") ? 1000 : 8000;
	uint64_t sent = et_count("frames_transmitted"), none = et_count("frames_dropped");
	int i, status;
	struct tt_req r = self->r;

	tt->gen_pop = TT_QUEUES;
	tt->coalesce_daddr = self->net.b->addr;
	for (i = 0; i < 4; i++)
		if (!fork())
			_exit(pusher(self, i, each));
	for (i = 0; i < 4; i++) {
		wait(&status);
		EXPECT_EQ(0, status);
	}
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, xsk_send(&self->x[i], 300, TT_KICK, &r, NULL, 0));
	EXPECT_TRUE(et_wait_for(!eng_kept()));
	for (i = 0; i < TT_QUEUES; i++)
		EXPECT_EQ(0, len(self, i));
	/* What found its queue full was held, and is still: none, for they are deep enough. */
	EXPECT_EQ(4 * each, et_count("frames_transmitted") - sent);
	EXPECT_EQ(4 + TT_QUEUES, et_count("frames_dropped") - none);
	EXPECT_EQ(0, et_count("frame_busy"));
}

/* While they are pushed elsewhere, timers take them out, gen and ingress too. */
TEST_F(queue, what_is_pushed_on_one_cpu_is_popped_by_timers_of_the_other)
{
	uint64_t sent = et_count("frames_transmitted"), end;
	struct tt_req r = { .slot = 6, .arg = 50000 };
	int each = et_debug() ? 1000 : 4000, status, fired = 0;
	bool over = false;
	pid_t pid;

	tt->gen_pop = TT_QUEUES / 2;
	tt->coalesce_daddr = self->net.b->addr;
	pid = fork();
	if (!pid)
		_exit(pusher(self, 0, each));
	ASSERT_EQ(0, eng_cpu(1));
	end = et_now_ms() + 25000;
	while (et_now_ms() < end && !(over && !eng_kept())) {
		eng_call(6, TT_W_ACT, fired % TT_QUEUES, 0, 16, 0);
		ASSERT_EQ(0, xsk_send(&self->x[3], 0, TT_CALL_TIMER, &r, NULL, 0));
		ASSERT_TRUE(et_wait_for(tt->call[6].done));
		ASSERT_LE(0, tt->call[6].result);
		xsk_complete(&self->x[3], NULL, 0);
		fired++;
		if (!over && waitpid(pid, &status, WNOHANG) == pid) {
			EXPECT_EQ(0, status);
			over = true;
		}
	}
	EXPECT_TRUE(over);
	EXPECT_LT(10, fired);
	EXPECT_EQ(0, eng_kept());
	EXPECT_EQ(each, et_count("frames_transmitted") - sent);
}

TEST_F(queue, socket_closed_with_frames_queued)
{
	int i;

	/* Closed by its application: its frames stay, and go when they are released. */
	ASSERT_EQ(0, hold(self, 50));
	for (i = 0; i < 50; i++)
		ASSERT_EQ(0, push(self, i % 2, i, i, i % 3));
	xsk_close(&self->x[0]);
	EXPECT_EQ(25, len(self, 0));
	EXPECT_EQ(50, et_count("frames_queued"));
	EXPECT_LE(0, pop(self, 1));
	for (i = 0; i < 50; i++)
		EXPECT_EQ(0, eng_do(&self->x[1], 0, TT_W_RELEASE, 0, self->h[i], 0, 0));
	EXPECT_EQ(0, len(self, 0));
	EXPECT_EQ(0, len(self, 1));
	EXPECT_TRUE(et_wait_for(et_count("channels") == 3));
	self->x[0] = self->x[1];
	ASSERT_EQ(0, xsk_open(&self->x[1], &(struct xsk_config) { .chunks = 4 }));
}

TEST_F(queue, transport_detached_with_frames_queued)
{
	uint64_t gone = et_count("frame_device");
	int i;

	ASSERT_EQ(0, hold(self, 200));
	for (i = 0; i < 199; i++)
		ASSERT_EQ(0, push(self, i % 3, i, i, i % 3));
	bpf_link__destroy(self->net.link);
	self->net.link = NULL;
	EXPECT_EQ(0, eng_kept());
	EXPECT_EQ(gone + 200, et_count("frame_device"));
	EXPECT_EQ(0, self->x[0].status->held);
	EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_MODULE, 0));
	EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_ENDPOINT, self->x[0].id));
	/* Another begins with empty queues. */
	self->net.link = bpf_map__attach_struct_ops(tt_map(tt_object));
	ASSERT_NE(NULL, self->net.link);
	self->net.transport = tt_transport_id();
	for (i = 0; i < 4; i++)
		xsk_close(&self->x[i]);
	EXPECT_TRUE(et_wait_for(et_count("channels") == 0));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, xsk_open(&self->x[i], &(struct xsk_config) { .queue = i, .chunks = 4 }));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, len(self, i));
}

/* ---- a model ---- */

#define CHUNKS	384		/* more than one queue takes */
#define ROUNDS	500
#define BATCH	60

struct model {
	uint64_t rank[CHUNKS];
	uint64_t seq[CHUNKS];	/* order of pushing */
	int queue[CHUNKS];	/* -1: held; -2: free */
	uint32_t place[CHUNKS];
	uint64_t next;
};

static const int order[] = { [FRONT] = 0, [RANK] = 1, [TAIL] = 2 };

/* Whether one that is pushed now comes before frame @i. */
static bool better(const struct model *m, int i, uint32_t place, uint64_t rank)
{
	if (place != m->place[i])
		return order[place] < order[m->place[i]];
	return place == FRONT || (place == RANK && rank < m->rank[i]);
}

/* Whether frame @a is popped before frame @b of the same queue. */
static bool before(const struct model *m, int a, int b)
{
	if (m->place[a] != m->place[b])
		return order[m->place[a]] < order[m->place[b]];
	if (m->place[a] == RANK && m->rank[a] != m->rank[b])
		return m->rank[a] < m->rank[b];
	return m->place[a] == FRONT ? m->seq[a] > m->seq[b] : m->seq[a] < m->seq[b];
}

/* The first of a queue, or the last; -1 when it is empty. */
static int end_of(const struct model *m, int queue, bool last)
{
	int i, best = -1;

	for (i = 0; i < CHUNKS; i++)
		if (m->queue[i] == queue && (best < 0 || before(m, i, best) != last))
			best = i;
	return best;
}

static int count(const struct model *m, int queue)
{
	int i, n = 0;

	for (i = 0; i < CHUNKS; i++)
		n += m->queue[i] == queue;
	return n;
}

/*
 * Random calls on 3 queues, one of them full most of the time, each compared with what a list
 * that is searched from end to end would say.
 */
static int model_run(FIXTURE_DATA(queue) *self, bool worst, int rounds)
{
	uint64_t seed = 20240607 + worst, out[BATCH], want_out;
	static struct model m;
	struct tt_req r = {};
	int64_t want[BATCH];
	int i, k, f, q, round, bad = 0;

	m.next = 1;
	for (i = 0; i < CHUNKS; i++)
		m.queue[i] = -2;
	for (round = 0; round < rounds && bad < 5; round++) {
		/* What is free is held anew. */
		for (i = 0; i < CHUNKS / 2; i++)
			if (m.queue[i] == -2) {
				self->h[i] = eng_hold(&self->x[0], i, &self->r);
				m.queue[i] = -1;
			}
		for (i = CHUNKS / 2; i < CHUNKS; i++)
			if (m.queue[i] == -2) {
				self->h[i] = eng_hold(&self->x[2], i - CHUNKS / 2, &self->r);
				m.queue[i] = -1;
			}
		for (k = 0; k < BATCH; k++) {
			uint32_t what = eng_random(&seed) % 100, place = eng_random(&seed) % 10;
			uint64_t rank = eng_random(&seed) % (round % 2 ? 4 : 1 << 30);

			f = eng_random(&seed) % CHUNKS;
			q = eng_random(&seed) % 8;
			q = q < 6 ? 0 : q - 5;
			place = place < 6 ? RANK : place < 8 ? TAIL : FRONT;
			/* It grows for some rounds and shrinks in others. */
			what = what < (round / 20 % 2 ? 30u : 65u) ? TT_W_PUSH : what < 80 ? TT_W_POP :
			       what < 87 ? TT_W_PEEK : what < 93 ? TT_W_LEN : TT_W_RELEASE;
			eng_call(k, what, q, self->h[f], rank, place);
			want_out = 0;
			switch (what) {
			case TT_W_PUSH:
				want[k] = m.queue[f] == -2 ? -ESTALE : m.queue[f] != -1 ? -EBUSY : 0;
				if (count(&m, q) >= TT_DEPTH) {
					i = end_of(&m, q, true);
					if (!worst) {
						want[k] = -ENOBUFS;
						break;
					}
					/* One that is not better than the worst is refused first. */
					if (!better(&m, i, place, rank)) {
						want[k] = -ENOBUFS;
						break;
					}
					if (want[k])
						break;
					want[k] = 1;
					want_out = self->h[i];
					m.queue[i] = -2;
				}
				if (want[k] < 0)
					break;
				m.queue[f] = q;
				m.place[f] = place;
				m.rank[f] = place == RANK ? rank : 0;
				m.seq[f] = m.next++;
				break;
			case TT_W_POP:
			case TT_W_PEEK:
				i = end_of(&m, q, false);
				want[k] = i < 0 ? 0 : self->h[i];
				if (what == TT_W_PEEK && i >= 0)
					want_out = m.rank[i];
				if (what == TT_W_POP && i >= 0)
					m.queue[i] = -1;
				break;
			case TT_W_LEN:
				want[k] = count(&m, q);
				break;
			case TT_W_RELEASE:
				want[k] = m.queue[f] == -2 ? -ESTALE : 0;
				m.queue[f] = -2;
				break;
			}
			out[k] = want_out;
			r.slot = k;
			xsk_put(&self->x[1], k, TT_CALL, &r, NULL, 0);
		}
		if (xsk_kick(&self->x[1]))
			return et_fail("sendto");
		xsk_complete(&self->x[1], NULL, 0);
		for (k = 0; k < BATCH; k++) {
			bool told = tt->call[k].what == TT_W_PEEK ||
				    (tt->call[k].what == TT_W_PUSH && want[k] == 1);

			if (tt->call[k].done == 1 && tt->call[k].result == want[k] &&
			    (!told || tt->call[k].out == out[k]))
				continue;
			bad++;
			errno = 0;
			et_fail("round %d call %d: function %u of queue %u, rank %llu, place %u: %lld, out %llx; the model says %lld, %llx",
				round, k, tt->call[k].what, tt->call[k].queue,
				(unsigned long long)tt->call[k].arg, tt->call[k].flags,
				(long long)tt->call[k].result, (unsigned long long)tt->call[k].out,
				(long long)want[k], (unsigned long long)out[k]);
			break;
		}
		xsk_complete(&self->x[0], NULL, 0);
	}
	printf("# %d calls, %d frames queued at the end\n", round * BATCH,
	       count(&m, 0) + count(&m, 1) + count(&m, 2));
	if (eng_kept() != (uint64_t)(CHUNKS - count(&m, -2)))
		return et_fail("frames are kept that the model does not know, or the other way round");
	return bad;
}

static int rounds(void)
{
	return getenv("ETRAN_LAB") && !strcmp(getenv("ETRAN_LAB"), "debug") ? 150 : ROUNDS;
}

TEST_F_TIMEOUT(queue, thirty_thousand_random_calls_agree_with_a_model, 300)
{
	EXPECT_EQ(0, model_run(self, false, rounds()));
}

FIXTURE(worst) {
	FIXTURE_DATA(queue) q;
	struct bpf_object *o;
	volatile struct tt_state *was;
};

FIXTURE_SETUP(worst)
{
	unsigned int i;

	net_setup(_metadata, &self->q.net, NULL);
	bpf_link__destroy(self->q.net.link);
	self->was = tt;
	self->o = tt_open_object("tt_worst.bpf.o", &tt);
	ASSERT_NE(NULL, self->o);
	self->q.net.link = bpf_map__attach_struct_ops(tt_map(self->o));
	ASSERT_NE(NULL, self->q.net.link);
	self->q.net.transport = tt_transport_id();
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, xsk_open(&self->q.x[i], &(struct xsk_config) {
			.queue = i, .chunks = 512, .fill = 1 }));
	self->q.r = eng_req(self->q.net.b, HOLD);
}

FIXTURE_TEARDOWN(worst)
{
	queue_teardown(_metadata, &self->q, NULL);
	bpf_object__close(self->o);
	tt = self->was;
}

TEST_F(worst, full_queue_drops_its_worst_for_a_better_one)
{
	FIXTURE_DATA(queue) *q = &self->q;
	uint64_t dropped = et_count("frame_queue"), ended = et_count("frames_dropped");
	unsigned int i;

	ASSERT_EQ(0, hold(q, TT_DEPTH));
	for (i = 0; i < TT_DEPTH; i++)
		ASSERT_EQ(0, push(q, 0, i, 1000 + i, RANK));
	q->h[300] = eng_hold(&q->x[2], 0, &q->r);
	q->h[301] = eng_hold(&q->x[2], 1, &q->r);
	q->h[302] = eng_hold(&q->x[2], 2, &q->r);
	ASSERT_NE(0, q->h[302]);
	/* Not better than the worst: refused, and held as before. */
	EXPECT_EQ(-ENOBUFS, push(q, 0, 300, 1000 + TT_DEPTH - 1, RANK));
	EXPECT_EQ(-ENOBUFS, push(q, 0, 300, 0, TAIL));
	EXPECT_EQ(dropped, et_count("frame_queue"));
	EXPECT_EQ(3, et_count("frames_held"));
	/* Better. */
	ended = et_count("frames_dropped");
	EXPECT_EQ(1, push(q, 0, 300, 5, RANK));
	EXPECT_EQ(q->h[TT_DEPTH - 1], tt->call[63].out);
	EXPECT_EQ(dropped + 1, et_count("frame_queue"));
	EXPECT_EQ(ended + 2, et_count("frames_dropped"));	/* and the request */
	EXPECT_EQ(0, q->x[0].busy[TT_DEPTH - 1]);
	EXPECT_EQ(TT_DEPTH, len(q, 0));
	EXPECT_EQ(1, push(q, 0, 301, 0, FRONT));
	EXPECT_EQ(q->h[TT_DEPTH - 2], tt->call[63].out);
	/* A frame that is in a queue already costs nobody his place. */
	EXPECT_EQ(-EBUSY, push(q, 0, 300, 1, RANK));
	EXPECT_EQ(TT_DEPTH, len(q, 0));
	EXPECT_EQ(dropped + 2, et_count("frame_queue"));
	EXPECT_EQ(301, pop(q, 0));
	EXPECT_EQ(300, pop(q, 0));
	EXPECT_EQ(0, pop(q, 0));
}

TEST_F_TIMEOUT(worst, thirty_thousand_random_calls_agree_with_a_model, 300)
{
	EXPECT_EQ(0, model_run(&self->q, true, rounds()));
}

TT_MAIN(16)
