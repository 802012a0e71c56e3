// SPDX-License-Identifier: GPL-2.0
/* AF_XDP zero-copy over testnic: every byte arrives, in order, with both APIs, on each queue. */
#include "afxdp.h"

#define QUEUES 4

/* Frames of one direction: a sequence number and a pattern that depends on it. */
static void make_frame(uint8_t *f, bool back, uint32_t seq, uint32_t len)
{
	tn_ethernet(f, back, TN_PROTO);
	memcpy(f + 14, &seq, 4);
	for (uint32_t i = 18; i < len; i++)
		f[i] = seq * 31 + i * 7 + back;
}

static int check_frame(const uint8_t *f, bool back, uint32_t seq, uint32_t len)
{
	uint8_t want[AFXDP_CHUNK];

	make_frame(want, back, seq, len);
	errno = 0;
	return memcmp(f, want, len) ? et_fail("frame %u of %u bytes is damaged", seq, len) : 0;
}

static uint32_t length_of(uint32_t seq)
{
	return 18 + seq * 137 % 1482;
}

FIXTURE(zc) {
	struct afxdp a[QUEUES], b[QUEUES];
};

FIXTURE_VARIANT(zc) {
	bool batch;
	uint16_t flags;
	uint64_t delay;
};

FIXTURE_VARIANT_ADD(zc, one) { .flags = XDP_USE_NEED_WAKEUP };
FIXTURE_VARIANT_ADD(zc, batched) { .batch = true, .flags = XDP_USE_NEED_WAKEUP };
FIXTURE_VARIANT_ADD(zc, one_no_wakeup) { };
FIXTURE_VARIANT_ADD(zc, one_delayed) { .flags = XDP_USE_NEED_WAKEUP, .delay = 300000 };
FIXTURE_VARIANT_ADD(zc, batched_delayed) {
	.batch = true, .flags = XDP_USE_NEED_WAKEUP, .delay = 300000,
};

FIXTURE_SETUP(zc)
{
	int i;

	ASSERT_EQ(0, tn_up("numrxqueues 4"));
	ASSERT_EQ(0, tn_set("tn0", "tx_batch", variant->batch));
	ASSERT_EQ(0, tn_set("tn1", "tx_batch", variant->batch));
	ASSERT_EQ(0, tn_set("tn0", "completion_delay_ns", variant->delay));
	ASSERT_EQ(0, tn_set("tn1", "completion_delay_ns", variant->delay));
	ASSERT_EQ(0, tn_write("tn0", "rx_queue", "sender"));
	ASSERT_EQ(0, tn_write("tn1", "rx_queue", "sender\n"));
	for (i = 0; i < QUEUES; i++) {
		ASSERT_EQ(0, afxdp_open(&self->a[i], "tn0", i, XDP_ZEROCOPY | variant->flags));
		ASSERT_TRUE(afxdp_zerocopy(&self->a[i]));
	}
	ASSERT_EQ(0, et_enter(tn.b));
	for (i = 0; i < QUEUES; i++)
		ASSERT_EQ(0, afxdp_open(&self->b[i], "tn1", i, XDP_ZEROCOPY | variant->flags));
	ASSERT_EQ(0, tn_xdp("tn1", "to_sockets"));
	ASSERT_EQ(0, et_enter(tn.a));
}

FIXTURE_TEARDOWN(zc)
{
	int i;

	for (i = 0; i < QUEUES; i++) {
		afxdp_close(&self->a[i]);
		afxdp_close(&self->b[i]);
	}
	EXPECT_EQ(0, tn_down());
}

/* One map for both ends: the sockets of the end that listens. Two objects would need two maps. */
static int listen_all(struct afxdp *x)
{
	for (uint32_t i = 0; i < QUEUES; i++)
		if (afxdp_listen(&x[i], i))
			return -1;
	return 0;
}

/* Sends @count frames on each queue of @from; they arrive at the same queues of @to. */
static int bulk(struct afxdp *from, struct afxdp *to, bool back, uint32_t count)
{
	uint32_t sent[QUEUES] = {}, got[QUEUES] = {}, done = 0, len, q, n;
	uint64_t end = et_now_ms() + 60000;

	while (done < QUEUES && et_now_ms() < end) {
		for (q = 0; q < QUEUES; q++) {
			const uint8_t *r;
			uint8_t *f;

			/* No more than there are buffers: nothing may be lost. */
			for (n = 0; sent[q] < count && sent[q] - got[q] < AFXDP_TX / 2; n++) {
				f = afxdp_next(&from[q]);
				if (!f)
					break;
				make_frame(f, back, sent[q], length_of(sent[q]));
				afxdp_put(&from[q], length_of(sent[q]++));
			}
			errno = afxdp_kick(&from[q]);
			if (errno)
				return et_fail("sendto");
			while ((r = afxdp_peek(&to[q], &len))) {
				errno = 0;
				if (len != length_of(got[q]))
					return et_fail("queue %u, frame %u: %u bytes", q, got[q],
						       len);
				if (check_frame(r, back, got[q], len))
					return -1;
				afxdp_done(&to[q]);
				done += ++got[q] == count;
			}
		}
	}
	errno = 0;
	for (q = 0; q < QUEUES; q++)
		if (got[q] != count)
			return et_fail("queue %u: %u of %u frames sent, %u arrived", q, sent[q],
				       count, got[q]);
	return 0;
}

/* Each frame that was sent is completed, once. */
static bool all_completed(struct afxdp *x)
{
	for (int i = 0; i < QUEUES; i++) {
		afxdp_next(&x[i]);
		if (x[i].n_free != AFXDP_TX)
			return false;
	}
	return true;
}

TEST_F(zc, bulk_both_ways_on_all_queues)
{
	ASSERT_EQ(0, listen_all(self->b));
	ASSERT_EQ(0, bulk(self->a, self->b, false, 300));
	EXPECT_TRUE(et_wait_for(all_completed(self->a)));
	EXPECT_EQ(QUEUES * 300, tn_counter("tn0", "tx_zerocopy"));
	EXPECT_EQ(QUEUES * 300, tn_counter("tn1", "rx_zerocopy"));
	EXPECT_EQ(0, tn_conserved("tn0", "tn1"));

	ASSERT_EQ(0, tn_xdp("tn0", "to_sockets"));
	ASSERT_EQ(0, listen_all(self->a));
	ASSERT_EQ(0, bulk(self->b, self->a, true, 150));
	EXPECT_TRUE(et_wait_for(all_completed(self->b)));
	EXPECT_EQ(0, tn_conserved("tn1", "tn0"));
}

/* tn1 sends back with XDP_TX what the socket of tn0 sent: from a zero-copy buffer, too. */
TEST_F(zc, ping_pong)
{
	const uint8_t *r;
	uint32_t len, i;

	ASSERT_EQ(0, listen_all(self->a));
	ASSERT_EQ(0, tn_xdp("tn0", "to_sockets"));
	ASSERT_EQ(0, et_enter(tn.b));
	ASSERT_EQ(0, tn_xdp("tn1", "action"));
	ASSERT_EQ(0, et_enter(tn.a));
	for (i = 0; i < 200; i++) {
		uint8_t *f = afxdp_next(&self->a[i % QUEUES]);

		ASSERT_NE(NULL, f);
		tn_ethernet(f, false, TN_PROTO);
		memset(f + 14, i, 50);
		f[14] = XDP_TX;
		afxdp_put(&self->a[i % QUEUES], 64);
		ASSERT_EQ(0, afxdp_kick(&self->a[i % QUEUES]));
		r = afxdp_recv(&self->a[i % QUEUES], &len);
		ASSERT_NE(NULL, r);
		ASSERT_EQ(64, len);
		ASSERT_EQ((uint8_t)i, r[63]);
		ASSERT_EQ(0xb, r[11]);
		afxdp_done(&self->a[i % QUEUES]);
	}
	EXPECT_EQ(200, tn_counter("tn1", "rx_xdp_tx"));
}

/*
 * A completion does not come before its time, and comes. With a long delay the device goes down and
 * the frame is completed.
 */
TEST_F(zc, completions)
{
	uint8_t *f = afxdp_next(&self->a[0]);
	struct timespec from, to;
	uint64_t ns;

	clock_gettime(CLOCK_MONOTONIC, &from);
	make_frame(f, false, 0, 100);
	afxdp_put(&self->a[0], 100);
	ASSERT_EQ(0, afxdp_kick(&self->a[0]));
	ASSERT_TRUE(et_wait_for(afxdp_completed(&self->a[0]) == 1));
	clock_gettime(CLOCK_MONOTONIC, &to);
	ns = (to.tv_sec - from.tv_sec) * 1000000000ull + to.tv_nsec - from.tv_nsec;
	EXPECT_GE(ns, variant->delay);

	ASSERT_EQ(0, tn_set("tn0", "completion_delay_ns", 1000000000));
	f = afxdp_next(&self->a[0]);
	make_frame(f, false, 0, 100);
	afxdp_put(&self->a[0], 100);
	ASSERT_EQ(0, afxdp_kick(&self->a[0]));
	ASSERT_EQ(0, et_sh("ip link set tn0 down"));
	EXPECT_EQ(1, afxdp_completed(&self->a[0]));
}

TEST_F(zc, stack_and_sockets_together)
{
	/* No socket listens: what comes is copied for the stack. */
	for (uint32_t i = 0; i < QUEUES; i++)
		bpf_map_delete_elem(tn_map("sockets"), &i);
	ASSERT_EQ(0, et_sh("ping -q -c 5 -i 0.05 -W 2 %s", ET_ADDR_B));
	ASSERT_EQ(0, listen_all(self->b));
	ASSERT_EQ(0, bulk(self->a, self->b, false, 100));
}

/* What is left of a frame's path: no room, too long, too short, no such queue. */
TEST(refused)
{
	struct afxdp x;
	uint8_t *f;

	ASSERT_EQ(0, tn_up("numrxqueues 2"));
	ASSERT_EQ(0, afxdp_open(&x, "tn0", 0, XDP_ZEROCOPY));
	f = afxdp_next(&x);
	make_frame(f, false, 0, 1523);
	afxdp_put(&x, 1523);
	f = afxdp_next(&x);
	make_frame(f, false, 0, 1522);
	afxdp_put(&x, 1522);
	f = afxdp_next(&x);
	afxdp_put(&x, 13);
	ASSERT_EQ(0, afxdp_kick(&x));
	ASSERT_TRUE(et_wait_for(afxdp_completed(&x) == 3));
	EXPECT_EQ(1, tn_counter("tn0", "tx_too_long"));
	EXPECT_EQ(1, tn_counter("tn0", "tx_too_short"));
	EXPECT_EQ(1, tn_counter("tn0", "tx_zerocopy"));
	/* Down at the other end. */
	ASSERT_EQ(0, tn_sh_b("ip link set tn1 down"));
	f = afxdp_next(&x);
	make_frame(f, false, 0, 100);
	afxdp_put(&x, 100);
	afxdp_kick(&x);
	EXPECT_TRUE(et_wait_for(tn_counter("tn1", "rx_down") == 1));
	afxdp_close(&x);
	EXPECT_NE(0, afxdp_open(&x, "tn0", 2, XDP_ZEROCOPY));
	afxdp_close(&x);
	EXPECT_EQ(0, tn_down());
}

/* A receiver that gives no buffer back has as many frames as it gave, whole; the rest are counted. */
TEST(receiver_without_buffers)
{
	const uint32_t more = 44;
	struct afxdp x, y;
	const uint8_t *r;
	uint32_t i, len;
	uint8_t *f;

	ASSERT_EQ(0, tn_up(""));
	ASSERT_EQ(0, afxdp_open(&x, "tn0", 0, XDP_ZEROCOPY));
	ASSERT_EQ(0, et_enter(tn.b));
	ASSERT_EQ(0, afxdp_open(&y, "tn1", 0, XDP_ZEROCOPY));
	ASSERT_EQ(0, tn_xdp("tn1", "to_sockets"));
	ASSERT_EQ(0, et_enter(tn.a));
	ASSERT_EQ(0, afxdp_listen(&y, 0));
	for (i = 0; i < AFXDP_TX + more; i++) {
		ASSERT_TRUE(et_wait_for((f = afxdp_next(&x))));
		make_frame(f, false, i, 100);
		afxdp_put(&x, 100);
		ASSERT_EQ(0, afxdp_kick(&x));
	}
	EXPECT_TRUE(et_wait_for(tn_counter("tn1", "rx_no_buffer") == more));
	for (i = 0; i < AFXDP_TX; i++) {
		r = afxdp_recv(&y, &len);
		ASSERT_NE(NULL, r);
		ASSERT_EQ(100, len);
		ASSERT_EQ(0, check_frame(r, false, i, len));
		__atomic_store_n(y.rx.consumer, *y.rx.consumer + 1, __ATOMIC_RELEASE);
	}
	EXPECT_EQ(NULL, afxdp_peek(&y, &len));
	EXPECT_EQ(0, tn_conserved("tn0", "tn1"));
	/* It has some again, and receives again. */
	afxdp_fill(&y, AFXDP_TX * AFXDP_CHUNK);
	ASSERT_TRUE(et_wait_for((f = afxdp_next(&x))));
	make_frame(f, false, i, 100);
	usleep(20000);
	afxdp_put(&x, 100);
	ASSERT_EQ(0, afxdp_kick(&x));
	r = afxdp_recv(&y, &len);
	ASSERT_NE(NULL, r);
	EXPECT_EQ(0, check_frame(r, false, i, len));
	afxdp_close(&x);
	afxdp_close(&y);
	EXPECT_EQ(0, tn_down());
}

TN_MAIN
