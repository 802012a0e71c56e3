// SPDX-License-Identifier: GPL-2.0
/* What a faulty or hostile application, or a faulty program, can do: nothing to anybody else. */
#include "fixture.h"

FIXTURE(input) {
	FIXTURE_DATA(net) net;
	struct xsk x;		/* on a, port 1: does wrong */
	struct xsk ok;		/* on a, port 3: must not notice */
	struct xsk y;		/* on b, port 2 */
	struct tt_req r;
	struct et_counters before;
};

FIXTURE_SETUP(input)
{
	net_setup(_metadata, &self->net, NULL);
	ASSERT_EQ(0, xsk_open(&self->x, &(struct xsk_config) { .port = 1 }));
	ASSERT_EQ(0, xsk_open(&self->ok, &(struct xsk_config) { .port = 3, .queue = 1 }));
	ASSERT_EQ(0, et_enter(self->net.b->ns));
	ASSERT_EQ(0, xsk_open(&self->y, &(struct xsk_config) { .port = 2 }));
	ASSERT_EQ(0, et_enter(self->net.a->ns));
	self->r = (struct tt_req) {
		.daddr = self->net.b->addr, .cookie = 5, .verdict = 1, .rx_verdict = 5,
		.dport = 2,
	};
	ASSERT_EQ(0, et_counters_read(&self->before, ETRAN_COUNTERS_MODULE, 0));
}

FIXTURE_TEARDOWN(input)
{
	struct xsk_frame f;

	/* The other application still works, and so does its peer. */
	self->r = (struct tt_req) {
		.daddr = self->net.b->addr, .verdict = 1, .rx_verdict = 5, .dport = 2,
		.seq = 0xfeed,
	};
	while (xsk_take(&self->y, &f))
		xsk_fill(&self->y, f.addr / XSK_CHUNK * XSK_CHUNK);
	EXPECT_EQ(0, xsk_send(&self->ok, 0, TT_SEND, &self->r, "still here", 10));
	EXPECT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_EQ(0xfeed, f.tt.seq);
	EXPECT_EQ(10, f.len);
	EXPECT_EQ(0, memcmp("still here", f.payload, 10));
	EXPECT_EQ(1, et_counter(ETRAN_COUNTERS_ENDPOINT, self->ok.id, "frames_accepted"));
	EXPECT_EQ(0, self->ok.status->held);
	EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_ENDPOINT, self->x.id));
	xsk_close(&self->x);
	xsk_close(&self->ok);
	xsk_close(&self->y);
	net_teardown(_metadata, &self->net, NULL);
}

#define GREW(name)	(et_count(name) - et_value(&self->before, name))

/* One descriptor of chunk 0 with @len bytes of a good request. */
static int send_len(FIXTURE_DATA(input) *self, uint32_t len)
{
	xsk_put(&self->x, 0, TT_SEND, &self->r, NULL, 0);
	((struct xdp_desc *)self->x.tx.desc)[(*self->x.tx.producer - 1) % XSK_RING].len = len;
	return xsk_kick(&self->x);
}

TEST_F(input, frame_shorter_than_its_record_is_dropped)
{
	unsigned int len;

	for (len = 1; len < sizeof(struct etran_req); len += 7)
		ASSERT_EQ(0, send_len(self, len));
	ASSERT_EQ(0, send_len(self, sizeof(struct etran_req) - 1));
	EXPECT_EQ(GREW("frames_accepted"), GREW("frame_short"));
	EXPECT_EQ(10, GREW("frame_short"));
	EXPECT_EQ(10, GREW("frames_dropped"));
	EXPECT_EQ(0, tt->egress);
	/* The shortest good one. */
	ASSERT_EQ(0, send_len(self, sizeof(struct etran_req)));
	EXPECT_EQ(1, tt->egress);
}

TEST_F(input, packet_above_the_mtu_is_dropped)
{
	uint32_t max = 1500 - TT_HDRS;

	ASSERT_EQ(0, send_len(self, sizeof(struct etran_req) + max + 1));
	EXPECT_EQ(1, GREW("packet_mtu"));
	EXPECT_EQ(1, GREW("frame_packet"));
	EXPECT_EQ(1, GREW("packets_dropped"));
	EXPECT_EQ(0, GREW("packets_sent"));
	ASSERT_EQ(0, send_len(self, sizeof(struct etran_req) + max));
	EXPECT_EQ(1, GREW("packet_mtu"));
	EXPECT_EQ(1, GREW("packets_sent"));
}

TEST_F(input, endpoints_of_others_are_refused)
{
	struct etran_req *q = (void *)self->x.umem;
	uint32_t wrong[] = { self->ok.id, self->y.id, 0, 0x7fffffff, ~0u };
	unsigned int i;

	for (i = 0; i < 5; i++) {
		xsk_put(&self->x, 0, TT_SEND, &self->r, "x", 1);
		q->endpoint = wrong[i];
		ASSERT_EQ(0, xsk_kick(&self->x));
	}
	EXPECT_EQ(5, GREW("frame_endpoint"));
	EXPECT_EQ(5, et_counter(ETRAN_COUNTERS_ENDPOINT, self->x.id, "frames_dropped"));
	EXPECT_EQ(0, et_counter(ETRAN_COUNTERS_ENDPOINT, self->ok.id, "frames_accepted"));
	EXPECT_EQ(0, tt->egress);
}

TEST_F(input, closed_endpoint_is_refused)
{
	xsk_detach(&self->x);
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, "x", 1));
	EXPECT_EQ(1, GREW("frame_endpoint"));
	ASSERT_EQ(0, xsk_attach(&self->x, TT_NAME, 1));
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, "x", 1));
	EXPECT_EQ(1, GREW("frames_transmitted"));
}

TEST_F(input, chunk_that_is_kept_cannot_be_sent_again)
{
	struct etran_req *q = (void *)self->x.umem;

	self->r.verdict = 2;
	self->r.flags = TT_F_HOLD;
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, "x", 1));
	ASSERT_EQ(1, self->x.busy[0]);
	self->r.verdict = 1;
	self->r.flags = 0;
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, "x", 1));
	EXPECT_EQ(1, GREW("frame_busy"));
	/* From another place in the same chunk, too. */
	memmove((uint8_t *)q + 512, q, 65);
	xsk_desc(&self->x, 512, 65, 0);
	ASSERT_EQ(0, xsk_kick(&self->x));
	EXPECT_EQ(2, GREW("frame_busy"));
	EXPECT_EQ(1, self->x.status->held);
	EXPECT_EQ(1, tt->egress);
	EXPECT_EQ(3, xsk_complete(&self->x, NULL, 0));
}

TEST_F(input, frame_in_several_descriptors_is_dropped)
{
	/* AF_XDP refuses such descriptors itself unless asked for them when it is bound. */
	xsk_put(&self->x, 0, TT_SEND, &self->r, "x", 1);
	((struct xdp_desc *)self->x.tx.desc)[(*self->x.tx.producer - 1) % XSK_RING].options =
		XDP_PKT_CONTD;
	ASSERT_EQ(0, xsk_kick(&self->x));
	EXPECT_EQ(GREW("frames_accepted"), GREW("frame_multi"));
	EXPECT_EQ(0, tt->egress);
}

TEST_F(input, descriptors_outside_the_umem_are_not_taken)
{
	static const uint64_t addr[] = {
		64 * XSK_CHUNK, 64 * XSK_CHUNK - 1, 1ULL << 32, 1ULL << 63, ~0ULL,
		~0ULL - 64, XSK_CHUNK - 32,
	};
	struct xdp_statistics s;
	socklen_t len = sizeof(s);
	unsigned int i;

	for (i = 0; i < 7; i++)
		xsk_desc(&self->x, addr[i], 65, 0);
	xsk_desc(&self->x, 0, XSK_CHUNK + 1, 0);
	xsk_desc(&self->x, 0, ~0u, 0);
	xsk_desc(&self->x, 0, 65, 0xffff0000);
	/* AF_XDP ends a run at each of them, and says so to nobody. */
	for (i = 0; i < 11; i++)
		ASSERT_EQ(0, xsk_kick(&self->x));
	EXPECT_EQ(0, GREW("frames_accepted"));
	EXPECT_EQ(0, tt->egress);
	ASSERT_EQ(0, getsockopt(self->x.fd, SOL_XDP, XDP_STATISTICS, &s, &len));
	EXPECT_EQ(10, s.tx_invalid_descs);
	/* What follows is taken. */
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, "x", 1));
	EXPECT_EQ(1, GREW("frames_transmitted"));
}

TEST_F(input, header_lengths_out_of_range_are_dropped)
{
	static const struct { uint16_t off, len; } bad[] = {
		{ 224, 31 },		/* a gap before the payload */
		{ 224, 33 },
		{ 0, 256 },		/* no room for Ethernet */
		{ 15, 241 },
		{ 240, 16 },		/* no IP header */
		{ 256, 0 },
		{ 0xffff, 0xffff },
		{ 0xff00, 0x200 },
		{ 224, 0xff20 },
	};
	unsigned int i, n = sizeof(bad) / sizeof(bad[0]);

	self->r.flags = TT_F_RAW;
	self->r.version_ihl = 0x45;
	self->r.proto = TT_PROTO;
	for (i = 0; i < n; i++) {
		self->r.hdr_off = bad[i].off;
		self->r.hdr_len = bad[i].len;
		ASSERT_EQ(0, xsk_send(&self->x, i, TT_SEND, &self->r, "x", 1));
	}
	EXPECT_EQ(n, GREW("packet_header"));
	EXPECT_EQ(n, GREW("frame_packet"));
	EXPECT_EQ(0, GREW("packets_sent"));
	/* Without a payload nothing need follow. */
	self->r.hdr_off = 100;
	self->r.hdr_len = 20;
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, NULL, 0));
	EXPECT_EQ(n, GREW("packet_header"));
}

TEST_F(input, packets_that_are_not_the_transports_are_dropped)
{
	static const struct { uint8_t version_ihl, proto; } bad[] = {
		{ 0x45, 6 }, { 0x45, 17 }, { 0x45, 0 }, { 0x46, TT_PROTO }, { 0x44, TT_PROTO },
		{ 0x65, TT_PROTO }, { 0, TT_PROTO },
	};
	unsigned int i;

	self->r.flags = TT_F_RAW;
	self->r.hdr_off = 256 - TT_HDRS;
	self->r.hdr_len = TT_HDRS;
	for (i = 0; i < 7; i++) {
		self->r.version_ihl = bad[i].version_ihl;
		self->r.proto = bad[i].proto;
		ASSERT_EQ(0, xsk_send(&self->x, i, TT_SEND, &self->r, "x", 1));
	}
	EXPECT_EQ(7, GREW("packet_ip"));
	EXPECT_EQ(0, GREW("packets_sent"));
}

TEST_F(input, copy_mode_sends_nothing)
{
	struct tt_req r = self->r;
	uint8_t raw[128];
	struct tt_hdr th = { .verdict = 4 };
	struct xsk c;
	int len;

	ASSERT_EQ(0, xsk_open(&c, &(struct xsk_config) {
		.queue = 2, .bind_flags = XDP_COPY, .no_endpoint = true }));
	/* No endpoint for it. */
	EXPECT_EQ(-1, xsk_attach(&c, TT_NAME, 0));
	EXPECT_EQ(EINVAL, errno);
	/* A request, and a whole packet, as a driver in copy mode would send it. */
	c.id = self->x.id;
	xsk_put(&c, 0, TT_SEND, &r, "x", 1);
	len = raw_build(raw, self->net.a, self->net.b, &th, NULL, 0);
	raw_sum(raw);
	memcpy(c.umem + XSK_CHUNK, raw, len);
	xsk_desc(&c, XSK_CHUNK, len, 0);
	xsk_kick(&c);
	EXPECT_EQ(0, GREW("frames_accepted"));
	EXPECT_EQ(0, GREW("packets_built"));
	EXPECT_EQ(0, tt->egress);
	EXPECT_EQ(0, tt->ingress);
	xsk_close(&c);
}

TEST_F(input, sockets_that_are_not_bound_here_get_no_endpoint)
{
	struct etran_endpoint_open o = { .transport = TT_NAME };
	int dev = et_device(), s = socket(AF_INET, SOCK_DGRAM, 0);
	struct xsk z;

	ASSERT_EQ(0, xsk_make(&z, &(struct xsk_config) {}));
	o.xsk_fd = z.fd;
	EXPECT_EQ(-1, ioctl(dev, ETRAN_IOC_ENDPOINT_OPEN, &o));
	EXPECT_EQ(EINVAL, errno);	/* not bound */
	o.xsk_fd = s;
	EXPECT_EQ(-1, ioctl(dev, ETRAN_IOC_ENDPOINT_OPEN, &o));
	EXPECT_EQ(EINVAL, errno);
	o.xsk_fd = dev;
	EXPECT_EQ(-1, ioctl(dev, ETRAN_IOC_ENDPOINT_OPEN, &o));
	EXPECT_EQ(ENOTSOCK, errno);
	o.xsk_fd = 999;
	EXPECT_EQ(-1, ioctl(dev, ETRAN_IOC_ENDPOINT_OPEN, &o));
	EXPECT_EQ(EBADF, errno);
	o.xsk_fd = self->x.fd;
	o.flags = O_APPEND;
	EXPECT_EQ(-1, ioctl(dev, ETRAN_IOC_ENDPOINT_OPEN, &o));
	EXPECT_EQ(EINVAL, errno);
	o.flags = 0;
	memset(o.transport, 'x', sizeof(o.transport));
	EXPECT_EQ(-1, ioctl(dev, ETRAN_IOC_ENDPOINT_OPEN, &o));
	EXPECT_EQ(EINVAL, errno);
	o.transport[5] = 0;
	EXPECT_EQ(-1, ioctl(dev, ETRAN_IOC_ENDPOINT_OPEN, &o));
	EXPECT_EQ(ENOENT, errno);
	/* Bound, but to a device that is none of ours. */
	ASSERT_EQ(0, xsk_bind(&z, "lo", 0, XDP_COPY));
	EXPECT_EQ(-1, xsk_attach(&z, TT_NAME, 0));
	EXPECT_EQ(ENODEV, errno);
	xsk_close(&z);
	close(s);
	close(dev);
}

/* xorshift64: the same numbers in each run. */
static uint64_t seed;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

TEST_F(input, random_frames_are_harmless)
{
	unsigned int round, i, total = 0;
	struct tt_req *r, again = {};
	struct etran_req *q;
	uint64_t addr;
	uint32_t len;

	seed = 0x65747261;
	tt->tame = 1;
	/* Records and payload that were never right, sent from anywhere in the UMEM. */
	for (round = 0; total < 100000; round++) {
		for (i = 0; i < 32; i++) {
			addr = (rnd() % 31) * XSK_CHUNK + rnd() % 1024;
			len = rnd() % 8 ? 64 + rnd() % 400 : rnd() % 1024;
			q = (void *)(self->x.umem + addr);
			if (rnd() % 4 == 0)
				addr = (rnd() % 31) * XSK_CHUNK + rnd() % 1024;
			if (rnd() % 64 == 0)
				addr = rnd();
			if (rnd() % 64 == 0)
				len = rnd();
			q->endpoint = rnd() % 4 ? self->x.id : (uint32_t)rnd() % 16;
			q->op = rnd() % 3 ? TT_SEND : rnd() % 10;
			r = (void *)q->data;
			/* The destination is in reach or nowhere, so that no ARP has to time out. */
			r->daddr = rnd() % 2 ? self->net.b->addr : 0;
			r->prev = rnd() % 2 ? tt->handle[rnd() % TT_SLOTS] : rnd();
			r->cookie = rnd() % 4;
			r->verdict = rnd() % 4 ? rnd() % 6 : (uint32_t)rnd() & 0x103;
			r->seq = rnd() % 2 ? self->net.a->link : rnd();
			r->flags = rnd() % 4 ? rnd() & (15 | TT_F_V6) : TT_F_HOLD;
			r->slot = rnd();
			r->hdr_off = rnd() % 260;
			r->hdr_len = rnd() % 2 ? 256 - r->hdr_off : rnd();
			r->proto = rnd() % 2 ? TT_PROTO : rnd();
			r->version_ihl = rnd() % 2 ? 0x45 : rnd();
			r->rx_verdict = rnd() % 2 ? 4 : rnd() % 2 * 6;
			r->rx_action = 0;
			if (q->op == TT_NOTIFY || q->op == TT_TIMER)
				r->seq = self->x.id;
			/* What is no queue has the transport ejected, see eject.c. */
			if (q->op == TT_PUSH || q->op == TT_POP) {
				r->seq %= TT_QUEUES;
				r->dport = rnd() % 3;
			}
			xsk_desc(&self->x, addr, len, rnd() % 256 ? 0 : rnd());
			total++;
		}
		/* A run ends at each descriptor that AF_XDP refuses. */
		for (i = 0; i < 32 && *self->x.tx.producer != *self->x.tx.consumer; i++)
			ASSERT_EQ(0, xsk_kick(&self->x));
		xsk_complete(&self->x, NULL, 0);
		/* Refused ones at the end of the ring are given back by the next run. */
		ASSERT_GT(64, *self->x.tx.producer - *self->x.tx.consumer);
		/* Give back what is held, or nearly all chunks were busy soon. */
		for (i = 0; i < 32; i++) {
			if (!self->x.busy[i])
				continue;
			again.prev = tt->held[i];
			ASSERT_EQ(0, xsk_send(&self->x, 31, TT_RELEASE, &again, NULL, 0));
			xsk_complete(&self->x, NULL, 0);
			total++;
		}
	}
	printf("# of %u frames %llu were sent\n", total,
	       (unsigned long long)GREW("frames_transmitted"));
	EXPECT_LT(1000, GREW("frames_transmitted"));
	EXPECT_LT(1000, GREW("frames_dropped"));
	EXPECT_LT(100, GREW("frame_busy"));
	EXPECT_LT(100, GREW("packet_header"));
	EXPECT_LT(100, GREW("frame_released"));
}

TEST_F(input, random_ioctls_are_harmless)
{
	static const unsigned int cmds[] = {
		ETRAN_IOC_VERSION, ETRAN_IOC_LINK, ETRAN_IOC_TRANSPORT, ETRAN_IOC_COUNTERS,
		ETRAN_IOC_ENDPOINT_OPEN, ETRAN_IOC_BIND, ETRAN_IOC_READY, ETRAN_IOC_WAIT_RELEASED,
		ETRAN_IOC_EXIT, ETRAN_IOC_WAIT_RX, ETRAN_IOC_KICK, ETRAN_IOC_WAKE,
	};
	static uint8_t big[1 << 16];
	union {
		uint64_t word[16];
		struct etran_exit_record exit;
		struct etran_counters counters;
		struct etran_endpoint_open open;
		struct etran_endpoint_bind bind;
		struct etran_wait wait;
		struct etran_wait_rx wait_rx;
	} arg;
	int dev = et_device(), i, k, fd, got, fds[2];
	unsigned int cmd;

	seed = 0x696f63746c;
	fds[0] = dev;
	fds[1] = self->x.ep;
	for (i = 0; i < 20000; i++) {
		for (k = 0; k < 16; k++)
			arg.word[k] = rnd() % 3 ? rnd() % 4 : rnd();
		cmd = rnd() % 8 ? cmds[rnd() % 12] : (uint32_t)rnd();
		switch (cmd) {
		case ETRAN_IOC_COUNTERS:
			/* An address of ours, or of nobody. */
			arg.counters.buf = rnd() % 2 ? (uintptr_t)big : rnd();
			arg.counters.count %= 256;
			break;
		case ETRAN_IOC_ENDPOINT_OPEN:
			if (rnd() % 2) {
				memset(&arg, 0, sizeof(arg));
				strcpy(arg.open.transport, TT_NAME);
				arg.open.xsk_fd = rnd() % 2 ? self->x.fd : (int)(rnd() % 64);
				arg.open.port = rnd();
			}
			break;
		case ETRAN_IOC_WAIT_RELEASED:
			arg.wait.timeout_ms = rnd() % 2;
			break;
		case ETRAN_IOC_WAIT_RX:
			arg.wait_rx.timeout_ms = rnd() % 2;
			break;
		case ETRAN_IOC_BIND:
			arg.bind.port = 4 + rnd() % 8;
			break;
		}
		fd = fds[rnd() % 2];
		got = ioctl(fd, cmd, rnd() % 8 ? (uintptr_t)&arg : (uintptr_t)rnd());
		/* An endpoint that was opened by chance. */
		if (got > 2 && cmd == ETRAN_IOC_ENDPOINT_OPEN && fd == dev)
			close(got);
	}
	close(dev);
	EXPECT_EQ(0, self->x.status->held);
}

TT_MAIN(16)
