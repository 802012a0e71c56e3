// SPDX-License-Identifier: GPL-2.0
/*
 * Direct mode: endpoints on sockets that are bound to a queue of the NIC itself. tn0 of host a, with
 * the transport in between; host b has a link device on tn1 and receives there.
 *
 * Skipped where the kernel has no AF_XDP hook, and without testnic.ko.
 */
#include "engine.h"
#include <signal.h>

#define DELIVER		5u
#define CONSUME		4u
/* Where requests lie in a chunk: 256 bytes in front of the payload are the headers'. */
#define OFFSET		(256 - sizeof(struct etran_req))

static struct et_hosts hosts;

FIXTURE(direct) {
	struct bpf_link *link;
	uint32_t transport;
	struct xsk x;		/* on a, port 1: direct */
	struct xsk y;		/* on b, port 2: of the link device */
	struct tt_req r;	/* to y */
};

FIXTURE_VARIANT(direct) {
	const char *type;
	bool batch;
	uint16_t flags;
};

FIXTURE_VARIANT_ADD(direct, one) { .type = "testnic", .flags = XDP_ZEROCOPY };
FIXTURE_VARIANT_ADD(direct, batched) {
	.type = "testnic", .batch = true, .flags = XDP_ZEROCOPY,
};
FIXTURE_VARIANT_ADD(direct, copy) { .type = "testnic", .flags = XDP_COPY };
FIXTURE_VARIANT_ADD(direct, copy_veth) { .type = "veth", .flags = XDP_COPY };

/* ---- hosts ---- */

static int setting(const char *dev, const char *name, const char *value)
{
	return et_sh("echo %s >/sys/kernel/debug/testnic/%s/%s", value, dev, name);
}

static int up(const char *type)
{
	static const char * const side[2][5] = {
		{ "tn0", ET_ADDR_A, ET_MAC_A, ET_ADDR_B, ET_MAC_B },
		{ "tn1", ET_ADDR_B, ET_MAC_B, ET_ADDR_A, ET_MAC_A },
	};
	struct et_host *h[2] = { &hosts.a, &hosts.b };
	int i, dev, err;

	hosts.home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	for (i = 1; i >= 0; i--) {
		if (unshare(CLONE_NEWNET))
			return et_fail("a new network namespace");
		h[i]->ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	}
	if (et_sh("ip link add tn0 numrxqueues 2 numtxqueues 2 type %s%s && ip link set tn1 netns /proc/%d/fd/%d",
		  type, strcmp(type, "veth") ? "" : " peer name tn1 numrxqueues 2 numtxqueues 2",
		  getpid(), hosts.b.ns))
		return -1;
	for (i = 1; i >= 0; i--) {
		const char * const *s = side[i];
		struct etran_link_info q = {};

		if (et_enter(h[i]->ns) ||
		    et_sh("printf 'link set lo up\nlink set %s addrgenmode none address %s\naddr add %s/24 dev %s\nlink set %s up\nneigh replace %s lladdr %s nud permanent dev %s\nlink add etran0 link %s numrxqueues 4 type etran\nlink set etran0 up\n' | ip -batch -",
			  s[0], s[2], s[1], s[0], s[0], s[3], s[4], s[0], s[0]))
			return -1;
		h[i]->addr = inet_addr(s[1]);
		sscanf(s[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &h[i]->mac[0], &h[i]->mac[1],
		       &h[i]->mac[2], &h[i]->mac[3], &h[i]->mac[4], &h[i]->mac[5]);
		h[i]->ifindex = if_nametoindex(s[0]);
		q.ifindex = if_nametoindex("etran0");
		dev = et_device();
		err = ioctl(dev, ETRAN_IOC_LINK, &q);
		close(dev);
		if (err)
			return et_fail("ETRAN_IOC_LINK");
		h[i]->link = q.id;
		err = bpf_xdp_attach(h[i]->ifindex, tt_xdp(tt_object), XDP_FLAGS_DRV_MODE, NULL);
		errno = -err;
		if (err)
			return et_fail("XDP on %s", s[0]);
	}
	return 0;
}

static int down(void)
{
	int err = 0;

	if (!hosts.home)
		return 0;
	if (!et_enter(hosts.a.ns) && if_nametoindex("tn0"))
		err = et_sh("ip link del tn0");
	et_enter(hosts.home);
	close(hosts.a.ns);
	close(hosts.b.ns);
	close(hosts.home);
	hosts.home = 0;
	return et_wait_for(et_links() == 0) ? err : et_fail("link devices are left");
}

/* ---- sockets ---- */

static void put(struct xsk *x, uint32_t chunk, unsigned int op, const struct tt_req *r,
		const void *payload, uint32_t len)
{
	struct etran_req *q = (void *)(x->umem + chunk * XSK_CHUNK + OFFSET);

	memset(q, 0, sizeof(*q));
	q->endpoint = x->id;
	q->op = op;
	memcpy(q->data, r, sizeof(*r));
	if (len)
		memcpy(q + 1, payload, len);
	xsk_desc(x, chunk * XSK_CHUNK + OFFSET, sizeof(*q) + len, 0);
}

/* A request, sent; its program has run when this returns 0. */
static int submit(struct xsk *x, uint32_t chunk, unsigned int op, const struct tt_req *r,
		  const void *payload, uint32_t len)
{
	uint32_t was = tt->egress;

	put(x, chunk, op, r, payload, len);
	errno = xsk_kick(x);
	if (errno)
		return et_fail("sendto");
	return et_wait_for(tt->egress != was) ? 0 : et_fail("egress did not run");
}

static uint64_t keep(struct xsk *x, uint32_t chunk, struct tt_req r, uint32_t verdict,
		     const char *payload)
{
	r.verdict = verdict;
	r.flags |= TT_F_HOLD;
	r.cookie = 0x11;
	r.slot = chunk % TT_SLOTS;
	tt->handle[r.slot] = 0;
	return submit(x, chunk, TT_SEND, &r, payload, strlen(payload)) ? 0 : tt->handle[r.slot];
}

static int call(struct xsk *x, uint32_t chunk, uint32_t what, uint32_t queue, uint64_t handle,
		uint64_t arg, uint32_t flags)
{
	struct tt_req r = { .slot = 63 };

	eng_call(63, what, queue, handle, arg, flags);
	if (submit(x, chunk, TT_CALL, &r, NULL, 0) || !et_wait_for(tt->call[63].done))
		return -1000;
	return tt->call[63].result;
}

static uint32_t completions(const struct xsk *x)
{
	return __atomic_load_n(x->comp.producer, __ATOMIC_ACQUIRE) - *x->comp.consumer;
}

/* Wait for one completion. Return: its chunk; UINT32_MAX when there is none or another address. */
static uint32_t completed(struct xsk *x)
{
	uint64_t addr;
	uint32_t at;

	if (!et_wait_for(completions(x)))
		return UINT32_MAX;
	at = *x->comp.consumer;
	addr = ((uint64_t *)x->comp.desc)[at % XSK_RING];
	__atomic_store_n(x->comp.consumer, at + 1, __ATOMIC_RELEASE);
	return addr % XSK_CHUNK == OFFSET ? addr / XSK_CHUNK : UINT32_MAX;
}

/* What arrives next: 0 if it is that. */
static int received(struct xsk *y, uint32_t seq, const char *payload)
{
	struct xsk_frame f;

	if (!xsk_recv(y, &f))
		return et_fail("nothing was received");
	xsk_fill(y, f.addr & -XSK_CHUNK);
	errno = 0;
	if (f.tt.seq != seq || f.len != strlen(payload) || memcmp(f.payload, payload, f.len))
		return et_fail("frame %u was received, %u bytes", f.tt.seq, f.len);
	return 0;
}

static uint64_t count_of(struct xsk *x, const char *name)
{
	return et_counter(ETRAN_COUNTERS_ENDPOINT, x->id, name);
}

static bool conserved(const FIXTURE_DATA(direct) *self)
{
	return et_wait_for(!et_conserved(ETRAN_COUNTERS_MODULE, 0)) &&
	       !et_conserved(ETRAN_COUNTERS_TRANSPORT, self->transport);
}

static int open_x(struct xsk *x, uint16_t flags, const struct xsk_config *more)
{
	struct xsk_config c = more ? *more : (struct xsk_config) { .port = 1 };

	c.device = "tn0";
	c.bind_flags = flags;
	return et_enter(hosts.a.ns) ?: xsk_open(x, &c);
}

FIXTURE_SETUP(direct)
{
	self->x.fd = -1;
	self->x.ep = -1;
	self->y.fd = -1;
	self->y.ep = -1;
	memset((void *)tt, 0, sizeof(*tt));
	ASSERT_TRUE(et_wait_for(et_count("channels") == 0));
	self->link = bpf_map__attach_struct_ops(tt_map(tt_object));
	ASSERT_NE(NULL, self->link);
	self->transport = tt_transport_id();
	ASSERT_EQ(0, up(variant->type));
	if (variant->batch)
		ASSERT_EQ(0, setting("tn0", "tx_batch", "1"));
	if (!strcmp(variant->type, "testnic")) {
		/* Else the order depends on which queue is polled first. */
		ASSERT_EQ(0, setting("tn1", "rx_queue", "0"));
		ASSERT_EQ(0, setting("tn0", "rx_queue", "0"));
		/* Buffers of the fill ring that are in the NIC's ring are not there for delivery. */
		ASSERT_EQ(0, et_sh("ethtool -G tn0 rx 64"));
	}
	ASSERT_EQ(0, et_enter(hosts.b.ns));
	ASSERT_EQ(0, xsk_open(&self->y, &(struct xsk_config) { .port = 2, .chunks = 256 }));
	ASSERT_EQ(0, open_x(&self->x, variant->flags, &(struct xsk_config) {
		.port = 1, .chunks = 1024, .fill = 256,
	}));
	self->r = (struct tt_req) {
		.daddr = hosts.b.addr, .verdict = TX, .rx_verdict = DELIVER, .dport = 2,
	};
}

FIXTURE_TEARDOWN(direct)
{
	xsk_close(&self->x);
	xsk_close(&self->y);
	EXPECT_TRUE(et_wait_for(!et_conserved(ETRAN_COUNTERS_MODULE, 0)));
	if (self->link)
		bpf_link__destroy(self->link);
	EXPECT_TRUE(et_wait_for(eng_kept() == 0));
	EXPECT_EQ(0, down());
	EXPECT_TRUE(et_wait_for(et_count("endpoints") == 0));
	EXPECT_TRUE(et_wait_for(et_count("channels") == 0));
	EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_MODULE, 0));
}

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

/* gen: send the frame's payload again, as sequence number @seq. */
static int again(FIXTURE_DATA(direct) *self, uint64_t handle, uint32_t seq)
{
	uint32_t was = tt->gen_n;

	tt->gen_do[was] = (struct tt_gen) {
		.handle = handle, .verdict = TX, .daddr = hosts.b.addr, .seq = seq, .dport = 2,
		.rx_verdict = DELIVER,
	};
	__atomic_store_n((uint32_t *)&tt->gen_n, was + 1, __ATOMIC_RELEASE);
	return submit(&self->x, 500, TT_KICK, &self->r, NULL, 0) ?:
	       completed(&self->x) == 500 ? 0 : et_fail("no completion of the kick");
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
	for (i = 0; i < 2; i++) {
		tt->gen_do[i] = (struct tt_gen) { .call = i + 1, .verdict = CONSUME };
	}
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
	put(&self->x, 5, TT_SEND, &self->r, "part", 4);
	((struct xdp_desc *)self->x.tx.desc)[(*self->x.tx.producer - 1) % XSK_RING].options =
		XDP_PKT_CONTD;
	xsk_kick(&self->x);
	self->r.seq = 6;
	ASSERT_EQ(0, submit(&self->x, 6, TT_SEND, &self->r, "whole", 5));
	EXPECT_EQ(0, received(&self->y, 6, "whole"));
	EXPECT_EQ(1, tt->egress);
	EXPECT_TRUE(conserved(self));
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

/* From elsewhere: waits in the mailbox, in order, until there are buffers. */
TEST_F(direct, without_buffers_the_mailbox_keeps)
{
	struct tt_req r = { .daddr = hosts.a.addr };
	struct xsk_frame f;
	uint32_t i;

	if (variant->flags & XDP_COPY)
		SKIP(return, "copy mode has no mailbox");
	xsk_close(&self->x);
	ASSERT_TRUE(et_wait_for(et_count("channels") == 1));
	ASSERT_EQ(0, open_x(&self->x, variant->flags, &(struct xsk_config) {
		.port = 3, .chunks = 1024, .no_fill = true,
	}));
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

TEST_F(direct, module_stays_and_another_queue_is_left_alone)
{
	static const uint8_t to_b[14] = { 2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa, 0x88, 0xb5 };
	uint32_t was = tt->egress;
	struct xsk s;

	EXPECT_EQ(-1, syscall(SYS_delete_module, "etran", O_NONBLOCK));
	ASSERT_EQ(0, open_x(&s, variant->flags, &(struct xsk_config) {
		.queue = 1, .no_endpoint = true,
	}));
	memcpy(s.umem, to_b, sizeof(to_b));
	xsk_desc(&s, 0, 64, 0);
	ASSERT_EQ(0, xsk_kick(&s));
	EXPECT_TRUE(et_wait_for(completions(&s) == 1));
	EXPECT_EQ(was, tt->egress);
	xsk_close(&s);
}

/* ---- under load ---- */

/* Chunks of a load's frames, and of the requests that release and send what is kept. */
#define LOAD_CHUNKS	128u
#define LOAD_CONTROL	64u

/*
 * Sends @limit frames with random verdicts, times and queues, at most; all that is kept is released
 * at random. Never returns but for a test's own process.
 */
static int load(struct xsk *x, uint32_t *sent, uint32_t limit, uint64_t seed, uint32_t offset)
{
	static const uint32_t verdict[] = { TX, TX, TX, DROP, HOLD, HOLD, HOLD, TX | RETAIN };
	uint32_t free[LOAD_CHUNKS], control[LOAD_CONTROL], n_free, n_control, n = 0, at = 0, i, k;
	uint64_t addr[XSK_RING], idle = et_now_ms();

	for (n_free = 0; n_free < LOAD_CHUNKS; n_free++)
		free[n_free] = n_free;
	for (n_control = 0; n_control < LOAD_CONTROL; n_control++)
		control[n_control] = 256 + n_control;
	while (n < limit || n_free < LOAD_CHUNKS || n_control < LOAD_CONTROL) {
		for (i = 0; i < 32 && n_free && n < limit; i++, n++) {
			struct tt_req r = {
				.daddr = hosts.b.addr, .rx_verdict = CONSUME, .queue = 2,
				.verdict = verdict[eng_random(&seed) % 8], .place = 1 << 4 | RANK,
				.arg = eng_random(&seed) % 2000000,
				.cookie = TT_COOKIE(eng_random(&seed) % 3, 2,
						    eng_random(&seed) % 300),
			};

			if (r.verdict & (HOLD | RETAIN))
				r.flags = TT_F_HOLD | (r.verdict == HOLD ? TT_F_PUSH : 0);
			else if (r.verdict == TX && !(eng_random(&seed) % 4))
				r.flags = TT_F_DELAY;
			if (offset)
				put(x, free[--n_free], TT_SEND, &r, "load", 4);
			else
				xsk_put(x, free[--n_free], TT_SEND, &r, "load", 4);
		}
		for (i = 0; i < 8 && n_control > 1; i++) {
			struct tt_req r = {
				.verdict = TT_W_RELEASE, .prev = tt->kept[1][at++ % LOAD_CHUNKS],
			};

			if (i == 7)
				r = (struct tt_req) { .verdict = TT_W_ACT, .queue = 2, .arg = 16 };
			if (n == limit && n_free == LOAD_CHUNKS)
				break;
			if (offset)
				put(x, control[--n_control], TT_DO, &r, NULL, 0);
			else
				xsk_put(x, control[--n_control], TT_DO, &r, NULL, 0);
		}
		xsk_kick(x);
		k = xsk_complete(x, addr, XSK_RING);
		if (k)
			idle = et_now_ms();
		else if (et_now_ms() - idle > 10000)
			return et_fail("%u of %u frames, %u and %u chunks, and nothing moves", n,
				       limit, n_free, n_control);
		for (i = 0; i < k; i++) {
			uint32_t chunk = addr[i] / XSK_CHUNK;

			errno = 0;
			if (addr[i] % XSK_CHUNK != offset)
				return et_fail("completion of %llx", (unsigned long long)addr[i]);
			/* On the link device a frame that is kept is busy, although completed. */
			if (chunk >= 256 && n_control < LOAD_CONTROL)
				control[n_control++] = chunk;
			else if (chunk < LOAD_CHUNKS && n_free < LOAD_CHUNKS)
				free[n_free++] = chunk;
			else
				return et_fail("chunk %u was completed twice", chunk);
		}
		__atomic_store_n(sent, n, __ATOMIC_RELEASE);
	}
	return 0;
}

struct loader {
	pid_t pid;
	uint32_t *sent;
};

/* A process with a socket of its own on queue 1, that sends until it is killed. */
static int load_start(struct loader *l, uint16_t flags)
{
	l->sent = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	l->pid = fork();
	if (!l->pid) {
		struct xsk x;

		if (open_x(&x, flags, &(struct xsk_config) {
				.queue = 1, .chunks = 1024, .fill = 64, .port = 9,
			}))
			_exit(1);
		load(&x, l->sent, UINT32_MAX, 1, OFFSET);
		_exit(0);
	}
	return et_wait_for(*(volatile uint32_t *)l->sent > 500) ? 0 : et_fail("no load");
}

static void load_stop(struct loader *l)
{
	kill(l->pid, SIGKILL);
	waitpid(l->pid, NULL, 0);
	munmap(l->sent, 4096);
}

static bool goes_on(const struct loader *l)
{
	uint32_t was = *(volatile uint32_t *)l->sent;

	return et_wait_for(*(volatile uint32_t *)l->sent - was > 500);
}

TEST_F_TIMEOUT(direct, random_mix, 120)
{
	uint32_t sent = 0;

	ASSERT_EQ(0, load(&self->x, &sent, 5000, 42, OFFSET));
	EXPECT_EQ(5000, sent);
	EXPECT_TRUE(conserved(self));
	EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_ENDPOINT, self->x.id));
	EXPECT_EQ(0, eng_kept());
	ksft_print_msg("transmitted %llu dropped %llu of %llu\n",
		       (unsigned long long)count_of(&self->x, "frames_transmitted"),
		       (unsigned long long)count_of(&self->x, "frames_dropped"),
		       (unsigned long long)count_of(&self->x, "frames_accepted"));
}

TEST_F_TIMEOUT(direct, killed_under_load, 120)
{
	struct loader l;
	unsigned int k;
	int i;

	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, load_start(&l, variant->flags));
		load_stop(&l);
		/* What the transport keeps keeps the socket. */
		for (k = 0; k < LOAD_CHUNKS; k++) {
			call(&self->x, 900, TT_W_RELEASE, 0, tt->kept[1][k], 0, 0);
			ASSERT_EQ(900, completed(&self->x));
		}
		ASSERT_TRUE(et_wait_for(et_count("channels") == 2));
		ASSERT_TRUE(conserved(self));
	}
}

TEST_F_TIMEOUT(direct, closed_with_frames_in_the_driver, 60)
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

TEST_F_TIMEOUT(direct, device_down_up_and_fewer_queues_under_load, 120)
{
	struct loader l;
	int i;

	ASSERT_EQ(0, load_start(&l, variant->flags));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, et_sh("ip link set tn0 down"));
		ASSERT_EQ(0, et_sh("ip link set tn0 up"));
		EXPECT_TRUE(goes_on(&l));
	}
	/* Refused or not: a queue with a zero-copy socket stays. */
	if (system("ethtool -L tn0 combined 1 >/dev/null 2>&1") == 0)
		EXPECT_EQ(0, et_sh("ethtool -L tn0 combined 2"));
	load_stop(&l);
	EXPECT_TRUE(conserved(self));
}

TEST_F_TIMEOUT(direct, link_device_deleted_under_load, 60)
{
	struct loader l;

	ASSERT_EQ(0, load_start(&l, variant->flags));
	ASSERT_EQ(0, et_sh("ip link del etran0"));
	EXPECT_TRUE(self->x.status->flags & ETRAN_STATUS_DEVICE_GONE);
	EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_MODULE, 0));
	put(&self->x, 1, TT_SEND, &self->r, "gone", 4);
	xsk_kick(&self->x);
	load_stop(&l);
	EXPECT_TRUE(conserved(self));
}

TEST_F_TIMEOUT(direct, nic_deleted_under_load, 60)
{
	struct loader l;

	ASSERT_EQ(0, load_start(&l, variant->flags));
	ASSERT_EQ(0, et_sh("ip link del tn0"));
	EXPECT_TRUE(self->x.status->flags & ETRAN_STATUS_DEVICE_GONE);
	load_stop(&l);
	EXPECT_TRUE(conserved(self));
}

TEST_F_TIMEOUT(direct, transport_detached_under_load, 60)
{
	struct loader l;

	ASSERT_EQ(0, load_start(&l, variant->flags));
	bpf_link__destroy(self->link);
	self->link = NULL;
	EXPECT_TRUE(et_wait_for(eng_kept() == 0));
	EXPECT_TRUE(self->x.status->flags & ETRAN_STATUS_NO_TRANSPORT);
	load_stop(&l);
	EXPECT_TRUE(et_wait_for(!et_conserved(ETRAN_COUNTERS_MODULE, 0)));
}

/* ---- */

static bool possible(void)
{
	struct etran_version v = {};
	int dev = et_device(), err;

	err = ioctl(dev, ETRAN_IOC_VERSION, &v);
	close(dev);
	return !err && v.features & ETRAN_FEATURE_DIRECT;
}

int main(int argc, char **argv)
{
	int status = 0;
	pid_t child;

	setvbuf(stdout, NULL, _IOLBF, 0);
	libbpf_set_print(tt_silent);
	if (access(et_testnic_path(), R_OK))
		ksft_exit_skip("testnic.ko was not built\n");
	if (et_module_load())
		ksft_exit_fail_msg("no module\n");
	if (!possible()) {
		et_module_unload();
		ksft_exit_skip("this kernel has no AF_XDP hook (module/patches)\n");
	}
	tt_object = tt_open_object("tt.bpf.o", &tt);
	if (!tt_object || et_testnic_load()) {
		et_module_unload();
		ksft_exit_fail_msg("no test transport or no testnic\n");
	}
	child = fork();
	if (!child)
		return test_harness_run(argc, argv);
	if (waitpid(child, &status, 0) != child)
		status = 1;
	bpf_object__close(tt_object);
	if (et_testnic_unload() || et_module_unload())
		status = 1;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : KSFT_FAIL;
}
