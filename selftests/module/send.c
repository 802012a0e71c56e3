// SPDX-License-Identifier: GPL-2.0
/* bpf_etran_send(): held frames that leave with the packet that egress built of them. */
#include "engine.h"

FIXTURE(send) {
	FIXTURE_DATA(net) net;
	struct xsk x;		/* on a */
	struct xsk k;		/* on a, to call with */
	struct xsk y;		/* on b, port 2 */
	struct tt_req r;
};

FIXTURE_SETUP(send)
{
	net_setup(_metadata, &self->net, NULL);
	ASSERT_EQ(0, xsk_open(&self->x, &(struct xsk_config) { .port = 1 }));
	ASSERT_EQ(0, xsk_open(&self->k, &(struct xsk_config) { .queue = 1 }));
	ASSERT_EQ(0, et_enter(self->net.b->ns));
	ASSERT_EQ(0, xsk_open(&self->y, &(struct xsk_config) { .port = 2 }));
	ASSERT_EQ(0, et_enter(self->net.a->ns));
	self->r = eng_req(self->net.b, HOLD);
	self->r.dport = 2;
	self->r.rx_verdict = 5;	/* DELIVER */
}

FIXTURE_TEARDOWN(send)
{
	struct xsk x[] = { self->x, self->k };

	eng_rest();
	EXPECT_EQ(0, eng_conserved(&self->net, x, 2));
	xsk_close(&self->x);
	xsk_close(&self->k);
	xsk_close(&self->y);
	net_teardown(_metadata, &self->net, NULL);
	EXPECT_EQ(0, eng_kept());
}

static int64_t ask(FIXTURE_DATA(send) *self, uint64_t h, uint64_t when, uint32_t flags)
{
	return eng_do(&self->k, 0, TT_W_SEND, 0, h, when, flags);
}

/* y gets packet @seq, with the payload of eng_hold(), once. */
static bool got(FIXTURE_DATA(send) *self, uint32_t seq)
{
	struct xsk_frame f;

	return xsk_recv(&self->y, &f) && f.tt.seq == seq && f.len == 8 &&
	       !memcmp(f.payload, "payload", 8);
}

static bool nothing(FIXTURE_DATA(send) *self)
{
	struct xsk_frame f;

	usleep(20000);
	return !xsk_take(&self->y, &f);
}

TEST_F(send, held_frame_leaves_as_it_was_built_and_ends)
{
	uint64_t h;

	self->r.seq = 11;
	h = eng_hold(&self->x, 3, &self->r);
	ASSERT_NE(0, h);
	EXPECT_TRUE(nothing(self));
	/* Its packet does not change any more. */
	memset(self->x.umem + 3 * XSK_CHUNK, 0xee, XSK_CHUNK);
	EXPECT_EQ(0, ask(self, h, 0, 0));
	EXPECT_TRUE(got(self, 11));
	EXPECT_TRUE(et_wait_for(!self->x.busy[3]));
	EXPECT_EQ(1, et_counter(ETRAN_COUNTERS_ENDPOINT, self->x.id, "frames_transmitted"));
	/* Not twice. */
	EXPECT_EQ(-ESTALE, ask(self, h, 0, 0));
	EXPECT_EQ(-ESTALE, ask(self, h, 0, SEND_RETAIN));
	EXPECT_TRUE(nothing(self));
}

TEST_F(send, retained_frame_has_no_packet_but_can_be_loaded)
{
	uint64_t h;
	int i;

	self->r.seq = 12;
	h = eng_hold(&self->x, 4, &self->r);
	EXPECT_EQ(0, ask(self, h, 0, SEND_RETAIN));
	EXPECT_TRUE(got(self, 12));
	EXPECT_TRUE(et_wait_for(et_count("frames_retained") == 1));
	EXPECT_EQ(1, self->x.busy[4]);
	EXPECT_EQ(-ENODATA, ask(self, h, 0, 0));
	EXPECT_EQ(-ENODATA, ask(self, h, 0, SEND_RETAIN));
	/* Again, from the application's chunk. */
	for (i = 0; i < 3; i++) {
		tt->gen_do[i] = (struct tt_gen) {
			.handle = h, .verdict = TX, .daddr = self->net.b->addr, .seq = 50 + i,
			.dport = 2, .rx_verdict = 5, .loaded = 1,
		};
		__atomic_store_n((uint32_t *)&tt->gen_n, i + 1, __ATOMIC_RELEASE);
		ASSERT_EQ(0, xsk_send(&self->k, 1, TT_KICK, &self->r, NULL, 0));
		EXPECT_TRUE(got(self, 50 + i));
		EXPECT_EQ(0, tt->gen_do[i].loaded);
	}
	EXPECT_EQ(0, eng_do(&self->k, 0, TT_W_RELEASE, 0, h, 0, 0));
	EXPECT_EQ(1, et_counter(ETRAN_COUNTERS_ENDPOINT, self->x.id, "frames_transmitted"));
}

TEST_F(send, from_ingress_gen_and_a_timer)
{
	struct tt_req r = eng_req(self->net.b, TX);
	uint64_t h[3];
	int i;

	for (i = 0; i < 3; i++) {
		self->r.seq = 20 + i;
		h[i] = eng_hold(&self->x, i, &self->r);
		ASSERT_NE(0, h[i]);
		eng_call(i, TT_W_SEND, 0, h[i], 0, 0);
	}
	r.rx_action = TT_A_CALL;
	r.seq = 0;
	ASSERT_EQ(0, xsk_send(&self->k, 0, TT_SEND, &r, "x", 1));
	EXPECT_TRUE(got(self, 20));
	EXPECT_EQ(0, tt->call[0].result);
	tt->gen_do[0] = (struct tt_gen) { .verdict = 4, .call = 1 + 1 };
	tt->gen_n = 1;
	ASSERT_EQ(0, xsk_send(&self->k, 1, TT_KICK, &r, NULL, 0));
	EXPECT_TRUE(got(self, 21));
	EXPECT_EQ(0, tt->call[1].result);
	r.slot = 2;
	r.arg = 2000000;
	ASSERT_EQ(0, xsk_send(&self->k, 2, TT_CALL_TIMER, &r, NULL, 0));
	EXPECT_TRUE(got(self, 22));
	EXPECT_EQ(0, tt->call[2].result);
	EXPECT_TRUE(et_wait_for(eng_kept() == 0));
}

TEST_F(send, without_a_packet)
{
	uint64_t h;

	self->r.flags |= TT_F_NO_PACKET;
	h = eng_hold(&self->x, 4, &self->r);
	ASSERT_NE(0, h);
	EXPECT_EQ(-ENODATA, ask(self, h, 0, 0));
	EXPECT_EQ(-ENODATA, ask(self, h, 0, SEND_RETAIN));
	EXPECT_EQ(-ENODATA, ask(self, h, 1, 0));
	EXPECT_EQ(1, et_count("frames_held"));
	EXPECT_EQ(0, eng_do(&self->k, 0, TT_W_PUSH, 0, h, 0, TAIL));
	EXPECT_EQ(0, eng_do(&self->k, 0, TT_W_RELEASE, 0, h, 0, 0));
}

TEST_F(send, queued_frame_is_busy)
{
	uint64_t h = eng_hold(&self->x, 4, &self->r);

	EXPECT_EQ(0, eng_do(&self->k, 0, TT_W_PUSH, 0, h, 0, TAIL));
	EXPECT_EQ(-EBUSY, ask(self, h, 0, 0));
	EXPECT_EQ(-EBUSY, ask(self, h, 0, SEND_RETAIN));
	EXPECT_EQ(h, eng_do(&self->k, 0, TT_W_POP, 0, 0, 0, 0));
	EXPECT_EQ(0, ask(self, h, 0, 0));
	EXPECT_TRUE(got(self, 0));
}

TEST_F(send, wrong_arguments)
{
	uint64_t h = eng_hold(&self->x, 4, &self->r);

	EXPECT_EQ(-EINVAL, ask(self, h, 0, 2));
	EXPECT_EQ(-EINVAL, ask(self, h, 0, ~0u));
	EXPECT_EQ(-ESTALE, ask(self, 0, 0, 0));
	EXPECT_EQ(-ESTALE, ask(self, ~0ULL, 0, 0));
	EXPECT_EQ(-ESTALE, ask(self, h ^ 1ULL << 40, 0, 0));
	EXPECT_EQ(-ESTALE, ask(self, h ^ 1ULL << 21, 0, 0));
	EXPECT_EQ(-ESTALE, ask(self, h + 1, 0, 0));
	EXPECT_EQ(1, et_count("frames_held"));
	EXPECT_EQ(0, ask(self, h, 0, 0));
	EXPECT_TRUE(got(self, 0));
}

TEST_F(send, frame_with_a_bad_packet_ends_as_dropped)
{
	uint64_t was = et_count("packet_ip"), h;

	self->r.flags |= TT_F_RAW;
	self->r.version_ihl = 0x99;
	self->r.proto = TT_PROTO;
	self->r.hdr_off = 256 - TT_HDRS;
	self->r.hdr_len = TT_HDRS;
	h = eng_hold(&self->x, 4, &self->r);
	EXPECT_EQ(0, ask(self, h, 0, 0));
	EXPECT_TRUE(et_wait_for(et_count("packet_ip") == was + 1));
	EXPECT_TRUE(et_wait_for(!self->x.busy[4]));
	EXPECT_EQ(1, et_counter(ETRAN_COUNTERS_ENDPOINT, self->x.id, "frames_dropped"));
	/* One that is to be kept is held as before. */
	h = eng_hold(&self->x, 4, &self->r);
	EXPECT_EQ(0, ask(self, h, 0, SEND_RETAIN));
	EXPECT_TRUE(et_wait_for(et_count("packet_ip") == was + 2));
	EXPECT_TRUE(et_wait_for(et_count("frames_held") == 1));
	EXPECT_EQ(0, eng_do(&self->k, 0, TT_W_RELEASE, 0, h, 0, 0));
}

TEST_F(send, frame_of_an_exited_application)
{
	int status;
	uint64_t h;
	pid_t pid = fork();

	if (!pid) {
		struct xsk x;

		self->r.seq = 99;
		if (xsk_open(&x, &(struct xsk_config) { .queue = 5 }) ||
		    !eng_hold(&x, 3, &self->r))
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status));
	ASSERT_TRUE(et_wait_for(tt->close == 1));
	h = tt->handle[0];
	EXPECT_EQ(0, ask(self, h, 0, 0));
	EXPECT_TRUE(got(self, 99));
	EXPECT_TRUE(et_wait_for(et_count("channels") == 3));
}

/*
 * Egress holds a frame, its handle is known, and it is still at work when another CPU asks for it:
 * do what @what says there. Return: what that said; *@during: whether it was in time.
 */
static int64_t meanwhile(FIXTURE_DATA(send) *self, uint32_t verdict, uint32_t what, uint32_t queue,
			 uint64_t arg, int64_t *again, uint64_t *handle)
{
	int64_t result = -1000;
	int tries, status;
	pid_t pid;

	for (tries = 0; tries < 5; tries++) {
		tt->spin = 1;
		tt->handle[0] = 0;
		pid = fork();
		if (!pid) {
			eng_cpu(1);
			self->r.verdict = verdict;
			self->r.flags = TT_F_HOLD | TT_F_SPIN;
			self->r.slot = 0;
			_exit(xsk_send(&self->x, 6, TT_SEND, &self->r, "payload", 8));
		}
		eng_cpu(0);
		if (!et_wait_for(tt->spinning))
			return et_fail("egress does not wait") - 1000;
		*handle = tt->handle[0];
		result = eng_do(&self->k, 0, what, queue, *handle, arg, 0);
		*again = ask(self, *handle, 0, 0);
		if (tt->spinning) {
			tt->spin = 0;
			waitpid(pid, &status, 0);
			return status ? et_fail("sendto there") - 1000 : result;
		}
		/* It gave up waiting for us: the machine is busy. */
		tt->spin = 0;
		waitpid(pid, &status, 0);
		eng_do(&self->k, 0, TT_W_RELEASE, 0, *handle, 0, 0);
	}
	return et_fail("egress was always faster") - 1000;
}

/* The device takes its sockets' frames along; their handles are nobody's then, whoever has kept them. */
TEST_F(send, handles_of_a_dead_socket_are_refused)
{
	uint64_t h[3];
	int i;

	for (i = 0; i < 3; i++) {
		h[i] = eng_hold(&self->x, i, &self->r);
		ASSERT_NE(0, h[i]);
	}
	ASSERT_EQ(0, eng_do(&self->k, 0, TT_W_PUSH, 1, h[2], 0, TAIL));
	ASSERT_EQ(0, et_sh("ip link del etran0"));
	EXPECT_EQ(0, eng_kept());
	/* From the other host: the one device that is left. */
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(-ESTALE, eng_do(&self->y, 0, TT_W_SEND, 0, h[i], 0, 0));
		EXPECT_EQ(-ESTALE, eng_do(&self->y, 0, TT_W_PUSH, 1, h[i], 0, TAIL));
		EXPECT_EQ(-ESTALE, eng_do(&self->y, 0, TT_W_RELEASE, 0, h[i], 0, 0));
		EXPECT_EQ(0, eng_do(&self->y, 0, TT_W_COOKIE, 0, h[i], 0, 0));
		tt->gen_do[i] = (struct tt_gen) { .handle = h[i], .verdict = TX };
		tt->gen_n = i + 1;
		ASSERT_EQ(0, xsk_send(&self->y, 1, TT_KICK, &self->r, NULL, 0));
		EXPECT_TRUE(et_wait_for(tt->gen_next == (uint32_t)i + 1));
		EXPECT_TRUE(et_wait_for(tt->gen_do[i].loaded == -ESTALE));
	}
	EXPECT_EQ(0, eng_do(&self->y, 0, TT_W_LEN, 1, 0, 0, 0));
	EXPECT_NE(0, tt_transport_id());
	xsk_close(&self->x);
	xsk_close(&self->k);
	ASSERT_EQ(0, et_sh("ip link add etran0 link veth0 numrxqueues 16 type etran && ip link set etran0 up"));
	ASSERT_EQ(0, et_link_info(self->net.a));
	ASSERT_EQ(0, xsk_open(&self->x, &(struct xsk_config) {}));
	ASSERT_EQ(0, xsk_open(&self->k, &(struct xsk_config) { .queue = 1 }));
}

TEST_F(send, asked_for_while_egress_is_at_work_on_it)
{
	int64_t again;
	uint64_t h;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "needs two CPUs");
	/* It leaves when egress is done, once. */
	self->r.seq = 1;
	EXPECT_EQ(0, meanwhile(self, HOLD, TT_W_SEND, 0, 0, &again, &h));
	EXPECT_EQ(-EBUSY, again);
	EXPECT_TRUE(got(self, 1));
	EXPECT_TRUE(et_wait_for(!self->x.busy[6]));
	EXPECT_TRUE(nothing(self));
	xsk_complete(&self->x, NULL, 0);
	/* The same when egress wants it sent too: still once. */
	self->r.seq = 2;
	EXPECT_EQ(0, meanwhile(self, TX, TT_W_SEND, 0, 0, &again, &h));
	EXPECT_EQ(-EBUSY, again);
	EXPECT_TRUE(got(self, 2));
	EXPECT_TRUE(et_wait_for(!self->x.busy[6]));
	EXPECT_TRUE(nothing(self));
	xsk_complete(&self->x, NULL, 0);
	/* Or wants it dropped: egress has the last word. */
	EXPECT_EQ(0, meanwhile(self, DROP, TT_W_SEND, 0, 0, &again, &h));
	EXPECT_TRUE(et_wait_for(!self->x.busy[6]));
	EXPECT_TRUE(nothing(self));
	xsk_complete(&self->x, NULL, 0);
	EXPECT_EQ(0, eng_kept());
}

TEST_F(send, released_or_queued_while_egress_is_at_work_on_it)
{
	int64_t again;
	uint64_t h;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "needs two CPUs");
	EXPECT_EQ(0, meanwhile(self, HOLD, TT_W_RELEASE, 0, 0, &again, &h));
	EXPECT_EQ(-ESTALE, again);
	EXPECT_EQ(0, self->x.busy[6]);
	EXPECT_EQ(0, eng_kept());
	xsk_complete(&self->x, NULL, 0);
	EXPECT_EQ(0, meanwhile(self, TX, TT_W_RELEASE, 0, 0, &again, &h));
	EXPECT_EQ(0, eng_kept());
	EXPECT_TRUE(nothing(self));
	xsk_complete(&self->x, NULL, 0);
	self->r.seq = 5;
	EXPECT_EQ(0, meanwhile(self, HOLD, TT_W_PUSH, 3, 0, &again, &h));
	EXPECT_EQ(-EBUSY, again);
	EXPECT_EQ(h, eng_do(&self->k, 0, TT_W_POP, 3, 0, 0, 0));
	EXPECT_EQ(0, ask(self, h, 0, 0));
	EXPECT_TRUE(got(self, 5));
}

TT_MAIN(16)
