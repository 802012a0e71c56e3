// SPDX-License-Identifier: GPL-2.0
/* Direct mode, step by step; under load: direct_load.c. */
#include "direct.h"
#include "sleeper.h"

/* ---- verdicts ---- */

TEST_F(direct, tx_arrives_and_is_completed)
{
	char text[16];
	uint32_t i;

	for (i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "payload %u", i);
		self->r.seq = i;
		put(&self->x, i, TT_SEND, &self->r, text, strlen(text));
	}
	ASSERT_EQ(0, xsk_kick(&self->x));
	for (i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "payload %u", i);
		ASSERT_EQ(0, received(&self->y, i, text));
	}
	for (i = 0; i < 100; i++)
		ASSERT_EQ(i, completed(&self->x));
	EXPECT_EQ(0, completions(&self->x));
	EXPECT_EQ(100, count_of(&self->x, "frames_transmitted"));
	EXPECT_TRUE(conserved(self));
}

/* Less room in front of the payload than headers need. */
TEST_F(direct, headers_need_256_bytes)
{
	struct etran_req *q = (void *)(self->x.umem + OFFSET - 8);

	if (variant->flags & XDP_COPY)
		SKIP(return, "copy mode builds headers elsewhere");
	memset(q, 0, sizeof(*q));
	q->endpoint = self->x.id;
	memcpy(q->data, &self->r, sizeof(self->r));
	xsk_desc(&self->x, OFFSET - 8, sizeof(*q) + 8, 0);
	ASSERT_EQ(0, xsk_kick(&self->x));
	EXPECT_TRUE(et_wait_for(completions(&self->x) == 1));
	EXPECT_EQ(1, et_counter(ETRAN_COUNTERS_TRANSPORT, self->transport, "frame_offset"));
	EXPECT_EQ(0, tt->egress);
	EXPECT_TRUE(conserved(self));
}

TEST_F(direct, drop_completes_at_once)
{
	self->r.verdict = DROP;
	ASSERT_EQ(0, submit(&self->x, 3, TT_SEND, &self->r, "x", 1));
	EXPECT_EQ(3, completed(&self->x));
	EXPECT_EQ(1, count_of(&self->x, "frames_dropped"));
	EXPECT_TRUE(conserved(self));
}

TEST_F(direct, held_frames_complete_when_released_in_any_order)
{
	static const uint32_t order[] = { 2, 0, 3, 1 };
	uint64_t handle[4];
	uint32_t i;

	for (i = 0; i < 4; i++) {
		handle[i] = keep(&self->x, i, self->r, HOLD, "held");
		ASSERT_NE(0, handle[i]);
	}
	/* One behind them is not kept waiting. */
	self->r.seq = 9;
	ASSERT_EQ(0, submit(&self->x, 9, TT_SEND, &self->r, "nine", 4));
	EXPECT_EQ(9, completed(&self->x));
	EXPECT_EQ(0, received(&self->y, 9, "nine"));
	EXPECT_EQ(4, count_of(&self->x, "frames_held"));
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(0, call(&self->x, 20 + i, TT_W_RELEASE, 0, handle[order[i]], 0, 0));
		EXPECT_EQ(order[i], completed(&self->x));
		EXPECT_EQ(20 + i, completed(&self->x));
	}
	EXPECT_EQ(0, completions(&self->x));
	EXPECT_TRUE(conserved(self));
}

TEST_F(direct, retained_frames_are_sent_again_and_completed_once)
{
	uint64_t handle = keep(&self->x, 5, self->r, TX | RETAIN, "again");
	uint32_t i;

	ASSERT_NE(0, handle);
	ASSERT_EQ(0, received(&self->y, 0, "again"));
	for (i = 1; i < 10; i++) {
		ASSERT_EQ(0, again(self, handle, i));
		ASSERT_EQ(0, received(&self->y, i, "again"));
	}
	EXPECT_EQ(0, completions(&self->x));
	EXPECT_EQ(1, count_of(&self->x, "frames_retained"));
	EXPECT_TRUE(conserved(self));
	EXPECT_EQ(0, call(&self->x, 20, TT_W_RELEASE, 0, handle, 0, 0));
	EXPECT_EQ(5, completed(&self->x));
	EXPECT_EQ(20, completed(&self->x));
	usleep(10000);
	EXPECT_EQ(0, completions(&self->x));
	EXPECT_EQ(1, count_of(&self->x, "frames_transmitted"));
	EXPECT_TRUE(conserved(self));
}

/* The driver still has the frame: neither its headers nor its completion are touched. */
TEST_F(direct, retransmission_while_the_driver_has_the_frame)
{
	uint64_t handle;
	uint32_t i;

	if (variant->flags & XDP_COPY)
		SKIP(return, "no driver reads the UMEM in copy mode");
	ASSERT_EQ(0, setting("tn0", "completion_delay_ns", "300000000"));
	handle = keep(&self->x, 5, self->r, TX | RETAIN, "driver");
	ASSERT_NE(0, handle);
	ASSERT_EQ(0, received(&self->y, 0, "driver"));
	for (i = 1; i < 4; i++) {
		uint32_t was = tt->gen_n;

		tt->gen_do[was] = (struct tt_gen) {
			.handle = handle, .verdict = TX, .daddr = hosts.b.addr, .seq = i,
			.dport = 2, .rx_verdict = DELIVER,
		};
		tt->gen_n = was + 1;
		ASSERT_EQ(0, submit(&self->x, 500 + i, TT_KICK, &self->r, NULL, 0));
		ASSERT_EQ(0, received(&self->y, i, "driver"));
	}
	for (i = 1; i < 4; i++)
		EXPECT_EQ(500 + i, completed(&self->x));
	EXPECT_EQ(0, call(&self->x, 20, TT_W_RELEASE, 0, handle, 0, 0));
	i = completed(&self->x);
	EXPECT_TRUE(i == 20 || i == 5);
	EXPECT_EQ(25 - i, completed(&self->x));
	usleep(400000);
	EXPECT_EQ(0, completions(&self->x));
	EXPECT_TRUE(conserved(self));
}

/* Its headers are not written where the payload in front of it lies. */
TEST_F(direct, parts_of_a_frame)
{
	static const struct { uint32_t from, len; const char *text; } parts[] = {
		{ 6, 7, "payload" }, { 0, 5, "whole" }, { 0, 0, "whole payload" },
	};
	uint64_t handle = keep(&self->x, 5, self->r, TX | RETAIN, "whole payload");
	uint32_t i, was;

	ASSERT_NE(0, handle);
	ASSERT_EQ(0, received(&self->y, 0, "whole payload"));
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		was = tt->gen_n;
		tt->gen_do[was] = (struct tt_gen) {
			.handle = handle, .verdict = TX, .daddr = hosts.b.addr, .seq = i + 1, .dport = 2,
			.rx_verdict = DELIVER, .part = 1, .from = parts[i].from, .len = parts[i].len,
		};
		tt->gen_n = was + 1;
		ASSERT_EQ(0, submit(&self->x, 500 + i, TT_KICK, &self->r, NULL, 0));
		ASSERT_EQ(0, received(&self->y, i + 1, parts[i].text));
	}
	EXPECT_EQ(0, call(&self->x, 20, TT_W_RELEASE, 0, handle, 0, 0));
	EXPECT_TRUE(conserved(self));
}

TEST_F(direct, frames_in_one_packet)
{
	struct tt_req r = self->r;
	uint64_t first, second;
	uint32_t was = tt->gen_n;

	first = keep(&self->x, 5, r, TX | RETAIN, "one ");
	ASSERT_NE(0, first);
	ASSERT_EQ(0, received(&self->y, 0, "one "));
	r.prev = first;
	second = keep(&self->x, 6, r, TX | RETAIN, "two");
	ASSERT_NE(0, second);
	ASSERT_EQ(0, received(&self->y, 0, "two"));
	tt->gen_do[was] = (struct tt_gen) {
		.handle = first, .verdict = TX, .daddr = hosts.b.addr, .seq = 1, .dport = 2,
		.rx_verdict = DELIVER, .join = 1, .most = 100,
	};
	tt->gen_n = was + 1;
	ASSERT_EQ(0, submit(&self->x, 500, TT_KICK, &self->r, NULL, 0));
	ASSERT_EQ(0, received(&self->y, 1, "one two"));
	EXPECT_EQ(1, tt->gen_do[was].joined);
	EXPECT_EQ(0, call(&self->x, 20, TT_W_RELEASE, 0, first, 0, 0));
	EXPECT_EQ(0, call(&self->x, 21, TT_W_RELEASE, 0, second, 0, 0));
	EXPECT_TRUE(conserved(self));
}

TEST_F(direct, completion_ring_full_of_held_frames_stops_and_goes_on)
{
	struct tt_req hold = self->r;
	uint32_t i;

	hold.verdict = HOLD;
	hold.flags = TT_F_HOLD;
	hold.cookie = 1;
	for (i = 0; i < XSK_RING; i++)
		put(&self->x, i, TT_SEND, &hold, "held", 4);
	ASSERT_EQ(0, xsk_kick(&self->x));
	ASSERT_TRUE(et_wait_for(count_of(&self->x, "frames_held") == XSK_RING));
	for (i = 0; i < 20; i++) {
		self->r.seq = i;
		put(&self->x, 300 + i, TT_SEND, &self->r, "behind", 6);
	}
	xsk_kick(&self->x);
	usleep(50000);
	EXPECT_EQ(XSK_RING, tt->egress);
	EXPECT_EQ(0, completions(&self->x));
	/* Two make room for two. */
	for (i = 0; i < 2; i++)
		eng_call(i, TT_W_RELEASE, 0, tt->held[i], 0, 0);
	for (i = 0; i < 2; i++)
		tt->gen_do[i] = (struct tt_gen) { .call = i + 1, .verdict = CONSUME };
	/* Nothing can be submitted: a packet from b has gen run. */
	tt->gen_n = 2;
	hold = (struct tt_req) {
		.daddr = hosts.a.addr, .verdict = TX, .rx_verdict = CONSUME,
		.rx_action = TT_A_KICK,
	};
	ASSERT_EQ(0, xsk_send(&self->y, 0, TT_SEND, &hold, NULL, 0));
	ASSERT_TRUE(et_wait_for(tt->gen_next >= 2));
	ASSERT_TRUE(et_wait_for(completions(&self->x) == 2));
	/* That packet's, and none of ours. */
	EXPECT_EQ(XSK_RING + 1, tt->egress);
	xsk_complete(&self->x, NULL, 0);
	xsk_kick(&self->x);
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, received(&self->y, i, "behind"));
		ASSERT_EQ(300 + i, completed(&self->x));
		xsk_kick(&self->x);
	}
	EXPECT_TRUE(conserved(self));
}

TEST_F(direct, a_chunk_that_is_kept_is_refused)
{
	uint64_t handle = keep(&self->x, 5, self->r, HOLD, "held");

	ASSERT_NE(0, handle);
	put(&self->x, 5, TT_SEND, &self->r, "twice", 5);
	ASSERT_EQ(0, xsk_kick(&self->x));
	EXPECT_TRUE(et_wait_for(et_counter(ETRAN_COUNTERS_TRANSPORT, self->transport,
					   "frame_busy") == 1));
	EXPECT_EQ(1, tt->egress);
	EXPECT_EQ(1, count_of(&self->x, "frames_held"));
	EXPECT_TRUE(conserved(self));
}

TEST_F(direct, multi_buffer_descriptors_are_refused)
{
	uint64_t was = et_count("frame_multi");
	/* Copy mode can have sockets that ask for them; zero-copy only with a driver that can. */
	bool sg = variant->flags & XDP_COPY;

	if (sg) {
		xsk_close(&self->x);
		ASSERT_TRUE(et_wait_for(et_count("channels") == 1));
		ASSERT_EQ(0, open_x(&self->x, XDP_COPY | XDP_USE_SG, &(struct xsk_config) {
			.port = 3, .chunks = 1024, .fill = 256,
		}));
	}
	put(&self->x, 5, TT_SEND, &self->r, "part", 4);
	((struct xdp_desc *)self->x.tx.desc)[(*self->x.tx.producer - 1) % XSK_RING].options =
		XDP_PKT_CONTD;
	ASSERT_EQ(0, xsk_kick(&self->x));
	EXPECT_EQ(5, completed(&self->x));
	EXPECT_EQ(was + 1, et_count("frame_multi"));
	EXPECT_EQ(1, count_of(&self->x, "frames_dropped"));
	self->r.seq = 6;
	ASSERT_EQ(0, submit(&self->x, 6, TT_SEND, &self->r, "whole", 5));
	EXPECT_EQ(0, received(&self->y, 6, "whole"));
	EXPECT_EQ(6, completed(&self->x));
	EXPECT_EQ(1, tt->egress);
	EXPECT_TRUE(conserved(self));
}

/* AF_XDP finds them out; those behind them are sent. */
TEST_F(direct, invalid_descriptors_are_skipped)
{
	uint32_t i;

	for (i = 0; i < 100; i++) {
		xsk_desc(&self->x, (uint64_t)(i + 1) << 40, 64, 0);
		xsk_desc(&self->x, 2000, 1000, 0);
	}
	self->r.seq = 7;
	put(&self->x, 7, TT_SEND, &self->r, "valid", 5);
	/* AF_XDP's own budget may end at each. */
	for (i = 0; i < 300 && !tt->egress; i++)
		xsk_kick(&self->x);
	EXPECT_EQ(0, received(&self->y, 7, "valid"));
	EXPECT_EQ(7, completed(&self->x));
	EXPECT_EQ(1, tt->egress);
	EXPECT_EQ(1, count_of(&self->x, "frames_accepted"));
	EXPECT_TRUE(conserved(self));
}

/* A producer that is 2^31 ahead, of descriptors that are none. */
TEST_F(direct, an_endless_ring_stops_nobody)
{
	uint64_t was = et_now_ms();

	memset(self->x.tx.desc, 0xff, XSK_RING * sizeof(struct xdp_desc));
	__atomic_store_n(self->x.tx.producer, *self->x.tx.producer + (1U << 31), __ATOMIC_RELEASE);
	sendto(self->x.fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
	EXPECT_GT(2000, et_now_ms() - was);
	EXPECT_EQ(0, tt->egress);
}

/* ---- times and queues ---- */

TEST_F(direct, tx_at_its_time)
{
	uint64_t was = et_now_ms();

	self->r.flags = TT_F_DELAY;
	self->r.arg = 50000000;
	ASSERT_EQ(0, submit(&self->x, 7, TT_SEND, &self->r, "later", 5));
	EXPECT_EQ(0, received(&self->y, 0, "later"));
	EXPECT_LE(49, et_now_ms() - was);
	EXPECT_EQ(7, completed(&self->x));
	EXPECT_TRUE(conserved(self));
}

TEST_F(direct, held_frames_are_sent)
{
	uint64_t handle = keep(&self->x, 5, self->r, HOLD, "sent");

	ASSERT_NE(0, handle);
	EXPECT_EQ(0, call(&self->x, 20, TT_W_SEND, 0, handle, 0, SEND_RETAIN));
	EXPECT_EQ(20, completed(&self->x));
	EXPECT_EQ(0, received(&self->y, 0, "sent"));
	EXPECT_EQ(1, count_of(&self->x, "frames_retained"));
	EXPECT_EQ(0, call(&self->x, 21, TT_W_RELEASE, 0, handle, 0, 0));
	EXPECT_EQ(5, completed(&self->x));
	EXPECT_EQ(21, completed(&self->x));
	handle = keep(&self->x, 6, self->r, HOLD, "and ended");
	ASSERT_NE(0, handle);
	EXPECT_EQ(0, call(&self->x, 22, TT_W_SEND, 0, handle, 0, 0));
	EXPECT_EQ(0, received(&self->y, 0, "and ended"));
	EXPECT_EQ(28, completed(&self->x) + completed(&self->x));
	EXPECT_TRUE(conserved(self));
}

TEST_F(direct, packet_queues)
{
	static const uint32_t rank[] = { 30, 10, 20 };
	uint64_t handle[3];
	uint32_t i;

	for (i = 0; i < 3; i++) {
		self->r.seq = rank[i];
		handle[i] = keep(&self->x, i, self->r, HOLD, "ranked");
		ASSERT_NE(0, handle[i]);
		EXPECT_EQ(0, call(&self->x, 20 + i, TT_W_PUSH, 1, handle[i], rank[i], RANK));
		EXPECT_EQ(20 + i, completed(&self->x));
	}
	EXPECT_EQ(3, count_of(&self->x, "frames_queued"));
	EXPECT_EQ(3, call(&self->x, 30, TT_W_ACT, 1, 0, 3, 0));
	/* Cookie 0x11 says: send now. */
	EXPECT_EQ(0, received(&self->y, 10, "ranked"));
	EXPECT_EQ(0, received(&self->y, 20, "ranked"));
	EXPECT_EQ(0, received(&self->y, 30, "ranked"));
	EXPECT_TRUE(et_wait_for(completions(&self->x) == 4));
	EXPECT_TRUE(conserved(self));
}

TEST_F(direct, unresolved_neighbour)
{
	ASSERT_EQ(0, et_sh("ip neigh del %s dev tn0", ET_ADDR_B));
	ASSERT_EQ(0, submit(&self->x, 7, TT_SEND, &self->r, "asked", 5));
	EXPECT_EQ(0, received(&self->y, 0, "asked"));
	EXPECT_EQ(7, completed(&self->x));
	EXPECT_TRUE(conserved(self));
	EXPECT_EQ(0, restore_neighbour());
}

/* ---- delivery ---- */

TEST_F(direct, delivery_from_this_queue_another_one_and_a_timer)
{
	static const char * const queue[] = { "0", "1", "0" };
	struct tt_req r = {
		.daddr = hosts.a.addr, .verdict = TX, .rx_verdict = DELIVER, .dport = 1,
	};
	struct xsk_frame f;
	uint32_t i;

	for (i = 0; i < 3; i++) {
		if (!strcmp(variant->type, "testnic"))
			ASSERT_EQ(0, setting("tn0", "rx_queue", queue[i]));
		r.seq = i;
		ASSERT_EQ(0, xsk_send(&self->y, i, TT_SEND, &r, "to the NIC", 10));
		ASSERT_EQ(0, received(&self->x, i, "to the NIC"));
	}
	r.seq = self->x.id;
	ASSERT_EQ(0, xsk_send(&self->y, 4, TT_TIMER, &r, NULL, 0));
	ASSERT_EQ(1, xsk_recv(&self->x, &f));
	EXPECT_EQ(TT_REC_TIMER, f.rec.type);
	EXPECT_EQ(4, count_of(&self->x, "delivered"));
	EXPECT_TRUE(conserved(self));
}

/* As plain AF_XDP: the buffer that a packet came in is there for it. */
TEST_F(direct, delivery_while_the_nic_has_every_buffer)
{
	struct tt_req r = {
		.daddr = hosts.a.addr, .verdict = TX, .rx_verdict = DELIVER, .dport = 3,
	};
	uint32_t i, k, n;

	xsk_close(&self->x);
	ASSERT_TRUE(et_wait_for(et_count("channels") == 1));
	/* Its ring has 64 places. */
	ASSERT_EQ(0, open_x(&self->x, variant->flags, &(struct xsk_config) {
		.port = 3, .chunks = 64, .fill = 32,
	}));
	for (i = 0; i < 200; i += n) {
		n = 1 + i % 16;
		for (k = 0; k < n; k++) {
			r.seq = i + k;
			xsk_put(&self->y, k, TT_SEND, &r, "all of it", 9);
		}
		ASSERT_EQ(0, xsk_kick(&self->y));
		for (k = 0; k < n; k++)
			ASSERT_EQ(0, received(&self->x, i + k, "all of it"));
		xsk_complete(&self->y, NULL, 0);
	}
	EXPECT_EQ(i, count_of(&self->x, "delivered"));
	EXPECT_EQ(0, count_of(&self->x, "undelivered"));
	EXPECT_TRUE(conserved(self));
}

/* It looks by itself: neither a packet nor a system call wakes the NIC. */
TEST_F(direct, records_that_wait_come_when_there_are_buffers)
{
	struct tt_req r = { .daddr = hosts.a.addr };
	struct xsk_frame f;
	uint32_t i;

	xsk_close(&self->x);
	ASSERT_TRUE(et_wait_for(et_count("channels") == 1));
	ASSERT_EQ(0, open_x(&self->x, variant->flags, &(struct xsk_config) {
		.port = 3, .chunks = 64, .fill = 32,
	}));
	r.seq = self->x.id;
	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, xsk_send(&self->y, i, TT_NOTIFY, &r, NULL, 0));
	EXPECT_EQ(0, tt->notify);
	usleep(50000);
	/* Zero-copy: all are the NIC's. Copy mode: there are some. */
	EXPECT_EQ(variant->flags & XDP_COPY ? 20 : 0, *self->x.rx.producer);
	for (i = 0; i < 20; i++)
		xsk_fill(&self->x, i * XSK_CHUNK);
	EXPECT_TRUE(et_wait_for(__atomic_load_n(self->x.rx.producer, __ATOMIC_ACQUIRE) == 20));
	while (xsk_take(&self->x, &f))
		EXPECT_EQ(TT_REC_NOTE, f.rec.type);
	EXPECT_TRUE(conserved(self));
}

/* x anew, at port 3, with room and no buffer. */
static int without_buffers(FIXTURE_DATA(direct) *self, uint32_t flags)
{
	xsk_close(&self->x);
	if (!et_wait_for(et_count("channels") == 1))
		return et_fail("the socket before it is still there");
	return open_x(&self->x, flags, &(struct xsk_config) {
		.port = 3, .chunks = 1024, .no_fill = true,
	});
}

/* From elsewhere: waits in the mailbox, in order, until there are buffers. */
TEST_F(direct, without_buffers_the_mailbox_keeps)
{
	struct tt_req r = { .daddr = hosts.a.addr };
	struct xsk_frame f;
	uint32_t i;

	if (variant->flags & XDP_COPY)
		SKIP(return, "copy mode has no mailbox");
	ASSERT_EQ(0, without_buffers(self, variant->flags));
	r.seq = self->x.id;
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, xsk_send(&self->y, i, TT_NOTIFY, &r, NULL, 0));
	usleep(20000);
	EXPECT_EQ(0, xsk_take(&self->x, &f));
	EXPECT_EQ(0, tt->notify);
	for (i = 0; i < 8; i++)
		xsk_fill(&self->x, (600 + i) * XSK_CHUNK);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(1, xsk_recv(&self->x, &f));
		EXPECT_EQ(TT_REC_NOTE, f.rec.type);
	}
	EXPECT_TRUE(conserved(self));
}

/* What waited for it ends with it and is counted: its sender was told that it would arrive. */
TEST_F(direct, mail_of_a_closed_endpoint_is_counted_as_lost)
{
	struct tt_req r = { .daddr = hosts.a.addr };
	struct et_counters was;
	struct xsk_frame f;
	uint32_t i;

	if (variant->flags & XDP_COPY)
		SKIP(return, "copy mode has no mailbox");
	ASSERT_EQ(0, without_buffers(self, variant->flags));
	ASSERT_EQ(0, et_counters_read(&was, ETRAN_COUNTERS_MODULE, 0));
	r.seq = self->x.id;
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, xsk_send(&self->y, i, TT_NOTIFY, &r, NULL, 0));
		ASSERT_EQ(0, tt->notify);
	}
	EXPECT_EQ(et_value(&was, "deliver_endpoint"), et_count("deliver_endpoint"));
	xsk_detach(&self->x);
	EXPECT_TRUE(et_wait_for(et_count("deliver_endpoint") == et_value(&was, "deliver_endpoint") + 5));
	EXPECT_EQ(et_value(&was, "deliver_failed") + 5, et_count("deliver_failed"));
	/* The next one on the same socket gets its own. */
	ASSERT_EQ(0, xsk_attach(&self->x, TT_NAME, 4));
	for (i = 0; i < 8; i++)
		xsk_fill(&self->x, (600 + i) * XSK_CHUNK);
	r.seq = self->x.id;
	ASSERT_EQ(0, xsk_send(&self->y, 6, TT_NOTIFY, &r, NULL, 0));
	ASSERT_EQ(1, xsk_recv(&self->x, &f));
	EXPECT_EQ(self->x.id, f.rec.endpoint);
	EXPECT_EQ(0, xsk_take(&self->x, &f));
	EXPECT_EQ(et_value(&was, "deliver_endpoint") + 5, et_count("deliver_endpoint"));
	EXPECT_TRUE(conserved(self));
}

/* ---- sleeping ---- */

static uint32_t seen(const struct xsk *x)
{
	return __atomic_load_n(&x->status->delivered, __ATOMIC_ACQUIRE) +
	       __atomic_load_n(x->rx.producer, __ATOMIC_ACQUIRE);
}

/* Return: 0 or an errno. */
static int wait_rx(const struct xsk *x, uint32_t delivered, uint32_t flags, int timeout_ms, const void *producer)
{
	struct etran_wait_rx w = {
		.delivered = delivered, .flags = flags, .timeout_ms = timeout_ms,
		.producer = (uintptr_t)producer,
	};

	return ioctl(x->ep, ETRAN_IOC_WAIT_RX, &w) ? errno : 0;
}

/* A process that sleeps on x. */
static int sleeper(FIXTURE_DATA(direct) *self, pid_t *pid, uint32_t flags)
{
	*pid = fork();
	if (!*pid) {
		close(bpf_link__fd(self->link));
		_exit(wait_rx(&self->x, seen(&self->x), flags, -1, self->x.rx.producer));
	}
	return et_wait_for(sleeper_sleeps(*pid)) ? 0 : et_fail("it does not sleep");
}

TEST_F(direct, wrong_producers_are_refused)
{
	void *gone = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(gone, 4096);
	EXPECT_EQ(EFAULT, wait_rx(&self->x, 0, 0, 0, NULL));
	EXPECT_EQ(EFAULT, wait_rx(&self->x, 0, 0, 0, gone));
	EXPECT_EQ(EFAULT, wait_rx(&self->x, 0, 0, 0, (void *)(1ULL << 63)));
	EXPECT_EQ(EINVAL, wait_rx(&self->x, 0, 0, 0, (uint8_t *)self->x.rx.producer + 1));
	EXPECT_EQ(EAGAIN, wait_rx(&self->x, seen(&self->x), 0, 0, self->x.rx.producer));
	EXPECT_EQ(EAGAIN, wait_rx(&self->x, seen(&self->x), 0, 10, self->x.rx.producer));
	EXPECT_EQ(0, wait_rx(&self->x, seen(&self->x) - 1, 0, -1, self->x.rx.producer));
}

/* From the wire, where a driver puts it into the ring, and from a timer, where the module does. */
TEST_F(direct, a_record_ends_a_sleep)
{
	struct tt_req r = {
		.daddr = hosts.a.addr, .verdict = TX, .rx_verdict = DELIVER, .dport = 1, .seq = self->x.id,
	};
	static const unsigned int op[] = { TT_SEND, TT_TIMER };
	struct xsk_frame f;
	uint32_t i, was;
	pid_t pid;

	for (i = 0; i < 2; i++) {
		was = seen(&self->x);
		ASSERT_EQ(0, sleeper(self, &pid, 0));
		ASSERT_EQ(0, xsk_send(&self->y, i, op[i], &r, NULL, 0));
		EXPECT_EQ(0, sleeper_woken(&pid));
		EXPECT_EQ(was + 1, seen(&self->x));
		/* Who had not begun to sleep does not. */
		EXPECT_EQ(0, wait_rx(&self->x, was, 0, -1, self->x.rx.producer));
		ASSERT_EQ(1, xsk_recv(&self->x, &f));
		EXPECT_EQ(EAGAIN, wait_rx(&self->x, seen(&self->x), 0, 1, self->x.rx.producer));
	}
}

TEST_F(direct, what_else_ends_a_sleep)
{
	uint32_t on = 1, off = 0, was = seen(&self->x);
	pid_t pid;

	ASSERT_EQ(0, sleeper(self, &pid, ETRAN_WAIT_UNREADY));
	ASSERT_EQ(0, ioctl(self->x.ep, ETRAN_IOC_WAKE));
	EXPECT_EQ(0, sleeper_woken(&pid));
	EXPECT_EQ(0, wait_rx(&self->x, was, ETRAN_WAIT_UNREADY, -1, self->x.rx.producer));
	ASSERT_EQ(0, sleeper(self, &pid, 0));
	ASSERT_EQ(0, ioctl(self->x.ep, ETRAN_IOC_READY, &on));
	EXPECT_EQ(0, sleeper_woken(&pid));
	ASSERT_EQ(0, ioctl(self->x.ep, ETRAN_IOC_READY, &off));
	ASSERT_EQ(0, sleeper(self, &pid, 0));
	ASSERT_EQ(0, et_sh("ip link del etran0"));
	EXPECT_EQ(ENODEV, sleeper_woken(&pid));
	EXPECT_EQ(ENODEV, wait_rx(&self->x, seen(&self->x), 0, -1, self->x.rx.producer));
}

/* Sent by ETRAN_IOC_KICK, and by a sleep that is asked to. */
TEST_F(direct, kicks_send)
{
	pid_t pid;

	put(&self->x, 0, TT_SEND, &self->r, "kick", 4);
	ASSERT_EQ(0, ioctl(self->x.ep, ETRAN_IOC_KICK));
	EXPECT_EQ(0, received(&self->y, 0, "kick"));
	EXPECT_EQ(0, completed(&self->x));
	put(&self->x, 1, TT_SEND, &self->r, "wait", 4);
	ASSERT_EQ(0, sleeper(self, &pid, ETRAN_WAIT_KICK));
	EXPECT_EQ(0, received(&self->y, 0, "wait"));
	EXPECT_EQ(1, completed(&self->x));
	ASSERT_EQ(0, ioctl(self->x.ep, ETRAN_IOC_WAKE));
	EXPECT_EQ(0, sleeper_woken(&pid));
	EXPECT_TRUE(conserved(self));
	ASSERT_EQ(0, et_enter(hosts.a.ns) ?: et_sh("ip link set tn0 down"));
	EXPECT_EQ(-1, ioctl(self->x.ep, ETRAN_IOC_KICK));
	EXPECT_EQ(ENETDOWN, errno);
	ASSERT_EQ(0, et_sh("ip link set tn0 up"));
}

/* ---- attaching ---- */

static int share(struct xsk *with, struct xsk *s)
{
	struct sockaddr_xdp sa = {
		.sxdp_family = AF_XDP, .sxdp_flags = XDP_SHARED_UMEM, .sxdp_queue_id = 0,
		.sxdp_ifindex = if_nametoindex("tn0"), .sxdp_shared_umem_fd = with->fd,
	};
	uint32_t ring = XSK_RING;

	memset(s, 0, sizeof(*s));
	s->ep = -1;
	s->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || setsockopt(s->fd, SOL_XDP, XDP_RX_RING, &ring, sizeof(ring)) ||
	    setsockopt(s->fd, SOL_XDP, XDP_TX_RING, &ring, sizeof(ring)))
		return et_fail("second socket");
	return bind(s->fd, (struct sockaddr *)&sa, sizeof(sa)) ? -errno : 0;
}

TEST_F(direct, pools_are_not_shared)
{
	struct xsk s;

	EXPECT_EQ(-EBUSY, share(&self->x, &s));
	xsk_close(&s);
	xsk_close(&self->x);
	ASSERT_TRUE(et_wait_for(et_count("channels") == 1));
	ASSERT_EQ(0, open_x(&self->x, variant->flags, &(struct xsk_config) { .no_endpoint = true }));
	ASSERT_EQ(0, share(&self->x, &s));
	EXPECT_EQ(-1, xsk_attach(&self->x, TT_NAME, 5));
	EXPECT_EQ(EBUSY, errno);
	xsk_close(&s);
	EXPECT_TRUE(et_wait_for(!xsk_attach(&self->x, TT_NAME, 5)));
	EXPECT_EQ(0, submit(&self->x, 1, TT_SEND, &self->r, "alone", 5));
	EXPECT_EQ(0, received(&self->y, 0, "alone"));
}

/* With rings of its own on another queue, a second socket on the same UMEM is a socket like any. */
TEST_F(direct, a_umem_is_shared_between_queues)
{
	struct sockaddr_xdp sa = {
		.sxdp_family = AF_XDP, .sxdp_flags = XDP_SHARED_UMEM, .sxdp_queue_id = 1,
		.sxdp_ifindex = if_nametoindex("tn0"), .sxdp_shared_umem_fd = self->x.fd,
	};
	uint32_t ring = XSK_RING, i;
	struct xdp_mmap_offsets off;
	socklen_t len = sizeof(off);
	struct xsk s = { .ep = -1, .umem = self->x.umem, .chunks = self->x.chunks };

	s.fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	ASSERT_LE(0, s.fd);
	ASSERT_EQ(0, setsockopt(s.fd, SOL_XDP, XDP_UMEM_FILL_RING, &ring, sizeof(ring)));
	ASSERT_EQ(0, setsockopt(s.fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &ring, sizeof(ring)));
	ASSERT_EQ(0, setsockopt(s.fd, SOL_XDP, XDP_RX_RING, &ring, sizeof(ring)));
	ASSERT_EQ(0, setsockopt(s.fd, SOL_XDP, XDP_TX_RING, &ring, sizeof(ring)));
	ASSERT_EQ(0, getsockopt(s.fd, SOL_XDP, XDP_MMAP_OFFSETS, &off, &len));
	ASSERT_EQ(0, xsk_map(s.fd, &s.fill, &off.fr, XDP_UMEM_PGOFF_FILL_RING, 8));
	ASSERT_EQ(0, xsk_map(s.fd, &s.comp, &off.cr, XDP_UMEM_PGOFF_COMPLETION_RING, 8));
	ASSERT_EQ(0, xsk_map(s.fd, &s.rx, &off.rx, XDP_PGOFF_RX_RING, sizeof(struct xdp_desc)));
	ASSERT_EQ(0, xsk_map(s.fd, &s.tx, &off.tx, XDP_PGOFF_TX_RING, sizeof(struct xdp_desc)));
	ASSERT_EQ(0, bind(s.fd, (struct sockaddr *)&sa, sizeof(sa)));
	ASSERT_EQ(0, xsk_attach(&s, TT_NAME, 4));
	for (i = 0; i < 10; i++) {
		self->r.seq = i;
		ASSERT_EQ(0, submit(i % 2 ? &s : &self->x, i, TT_SEND, &self->r, "shared", 6));
		ASSERT_EQ(0, received(&self->y, i, "shared"));
		ASSERT_EQ(i, completed(i % 2 ? &s : &self->x));
	}
	EXPECT_EQ(5, count_of(&s, "frames_transmitted"));
	xsk_close(&s);
	self->r.seq = 11;
	ASSERT_EQ(0, submit(&self->x, 11, TT_SEND, &self->r, "alone", 5));
	EXPECT_EQ(0, received(&self->y, 11, "alone"));
	EXPECT_TRUE(conserved(self));
}

/* The hook is the socket's: it stays when the endpoint goes, and serves the next one. */
TEST_F(direct, endpoint_closed_and_opened_again)
{
	uint64_t was = et_count("frame_endpoint");
	uint32_t id = self->x.id;

	xsk_detach(&self->x);
	self->x.id = id;
	put(&self->x, 1, TT_SEND, &self->r, "to nobody", 9);
	ASSERT_EQ(0, xsk_kick(&self->x));
	EXPECT_EQ(1, completed(&self->x));
	EXPECT_EQ(was + 1, et_count("frame_endpoint"));
	EXPECT_EQ(0, tt->egress);
	ASSERT_EQ(0, xsk_attach(&self->x, TT_NAME, 6));
	self->r.seq = 2;
	ASSERT_EQ(0, submit(&self->x, 2, TT_SEND, &self->r, "again", 5));
	EXPECT_EQ(0, received(&self->y, 2, "again"));
	EXPECT_EQ(2, completed(&self->x));
	EXPECT_TRUE(conserved(self));
}

/* An Ethernet frame of no transport, on its way to b. */
static int plain(struct xsk *s)
{
	static const uint8_t to_b[14] = { 2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa, 0x88, 0xb5 };

	memcpy(s->umem, to_b, sizeof(to_b));
	xsk_desc(s, 0, 64, 0);
	return xsk_kick(s);
}

/* What has the module, less what the test has it for. */
static int references(void)
{
	FILE *f = fopen("/sys/module/etran/refcnt", "r");
	int n = -1;

	if (!f || fscanf(f, "%d", &n) != 1)
		et_fail("refcnt");
	if (f)
		fclose(f);
	return n;
}

/* Some go a moment after what they were for. */
static int settled(void)
{
	int was, now = references(), i = 0;

	do {
		was = now;
		usleep(50000);
		now = references();
	} while (now != was && i++ < 100);
	return now;
}

TEST_F(direct, a_hooked_socket_holds_the_module_and_lets_go)
{
	int before;

	xsk_close(&self->x);
	ASSERT_TRUE(et_wait_for(et_count("channels") == 1));
	before = settled();
	ASSERT_EQ(0, open_x(&self->x, variant->flags, &(struct xsk_config) { .no_endpoint = true }));
	EXPECT_EQ(before, settled());
	ASSERT_EQ(0, xsk_attach(&self->x, TT_NAME, 5));
	xsk_detach(&self->x);
	EXPECT_TRUE(et_wait_for(et_count("endpoints") == 1));
	EXPECT_EQ(before + 1, settled());
	xsk_close(&self->x);
	EXPECT_TRUE(et_wait_for(et_count("channels") == 1));
	EXPECT_EQ(before, settled());
	/* And the queue is as if nothing had been. */
	ASSERT_EQ(0, open_x(&self->x, variant->flags, &(struct xsk_config) { .no_endpoint = true }));
	ASSERT_EQ(0, plain(&self->x));
	EXPECT_EQ(1, et_wait_for(completions(&self->x) == 1));
	EXPECT_EQ(0, tt->egress);
}

TEST_F(direct, attach_waits_for_descriptors_in_flight)
{
	if (variant->flags & XDP_COPY)
		SKIP(return, "needs a driver that completes late");
	xsk_close(&self->x);
	ASSERT_TRUE(et_wait_for(et_count("channels") == 1));
	ASSERT_EQ(0, setting("tn0", "completion_delay_ns", "500000000"));
	ASSERT_EQ(0, open_x(&self->x, variant->flags, &(struct xsk_config) { .no_endpoint = true }));
	xsk_desc(&self->x, 0, 64, 0);
	ASSERT_EQ(0, xsk_kick(&self->x));
	usleep(20000);
	EXPECT_EQ(-1, xsk_attach(&self->x, TT_NAME, 5));
	EXPECT_EQ(EBUSY, errno);
	ASSERT_TRUE(et_wait_for(completions(&self->x) == 1));
	xsk_complete(&self->x, NULL, 0);
	EXPECT_EQ(0, xsk_attach(&self->x, TT_NAME, 5));
}

TEST_F(direct, another_queue_is_left_alone)
{
	uint32_t was = tt->egress;
	struct xsk s;

	ASSERT_EQ(0, open_x(&s, variant->flags, &(struct xsk_config) {
		.queue = 1, .no_endpoint = true,
	}));
	ASSERT_EQ(0, plain(&s));
	EXPECT_TRUE(et_wait_for(completions(&s) == 1));
	EXPECT_EQ(was, tt->egress);
	xsk_close(&s);
}

/* ---- the end ---- */

TEST_F(direct, closed_with_frames_in_the_driver)
{
	int i;

	if (!strcmp(variant->type, "testnic"))
		ASSERT_EQ(0, setting("tn0", "completion_delay_ns", "200000000"));
	for (i = 0; i < 20; i++)
		put(&self->x, i, TT_SEND, &self->r, "last", 4);
	ASSERT_NE(0, keep(&self->x, 30, self->r, TX | RETAIN, "kept"));
	xsk_close(&self->x);
	for (i = 0; i < 20; i++)
		EXPECT_EQ(0, received(&self->y, 0, "last"));
}

/* What was kept of a process that is dead is there to be sent. */
TEST_F(direct, retransmission_after_exit)
{
	uint64_t handle;
	uint32_t i;
	pid_t pid;

	pid = fork();
	if (!pid) {
		struct xsk s;

		if (open_x(&s, variant->flags, &(struct xsk_config) {
				.queue = 1, .chunks = 1024, .fill = 64, .port = 9,
			}) || !keep(&s, 5, self->r, TX | RETAIN, "testament"))
			_exit(1);
		raise(SIGKILL);
	}
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	handle = tt->handle[5];
	ASSERT_NE(0, handle);
	ASSERT_EQ(0, received(&self->y, 0, "testament"));
	usleep(50000);
	EXPECT_EQ(3, et_count("channels"));
	for (i = 1; i < 5; i++) {
		ASSERT_EQ(0, again(self, handle, i));
		ASSERT_EQ(0, received(&self->y, i, "testament"));
	}
	EXPECT_TRUE(conserved(self));
	EXPECT_EQ(0, call(&self->x, 20, TT_W_RELEASE, 0, handle, 0, 0));
	/* The last that it was kept for: the socket goes. */
	EXPECT_TRUE(et_wait_for(et_count("channels") == 2));
	EXPECT_TRUE(conserved(self));
}

int main(int argc, char **argv)
{
	return direct_main(argc, argv);
}
