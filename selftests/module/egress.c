// SPDX-License-Identifier: GPL-2.0
/* What an egress program's verdicts do to frames, completions, counters and the wire. */
#include "fixture.h"

static struct tt_req request(const struct et_host *to)
{
	return (struct tt_req) {
		.daddr = to->addr, .verdict = 1 /* TX */, .rx_verdict = 4 /* CONSUME */,
		.cookie = 0xc0c0c0c0c0ULL,
	};
}

#define COUNTED(name, before)	(et_value(&after, name) - et_value(&(before), name))

FIXTURE(egress) {
	FIXTURE_DATA(net) net;
	struct xsk x;
	struct tt_req r;
	struct et_counters before;
};

FIXTURE_SETUP(egress)
{
	net_setup(_metadata, &self->net, NULL);
	ASSERT_EQ(0, xsk_open(&self->x, &(struct xsk_config) { .port = 1 }));
	self->r = request(self->net.b);
	ASSERT_EQ(0, et_counters_read(&self->before, ETRAN_COUNTERS_MODULE, 0));
}

FIXTURE_TEARDOWN(egress)
{
	if (self->x.ep >= 0)
		EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_ENDPOINT, self->x.id));
	EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_LINK, self->net.a->link));
	xsk_close(&self->x);
	net_teardown(_metadata, &self->net, NULL);
}

TEST_F(egress, tx_arrives_with_payload)
{
	struct xsk_frame f;
	struct xsk y;
	char text[] = "from a to b";

	ASSERT_EQ(0, et_enter(self->net.b->ns));
	ASSERT_EQ(0, xsk_open(&y, &(struct xsk_config) { .port = 2 }));
	self->r.dport = 2;
	self->r.rx_verdict = 5;	/* DELIVER */
	self->r.seq = 77;
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, text, sizeof(text)));
	ASSERT_EQ(1, xsk_recv(&y, &f));
	EXPECT_EQ(sizeof(text), f.len);
	EXPECT_EQ(0, memcmp(text, f.payload, sizeof(text)));
	EXPECT_EQ(y.id, f.rec.endpoint);
	EXPECT_EQ(TT_REC_DATA, f.rec.type);
	EXPECT_EQ(77, f.tt.seq);
	EXPECT_EQ(self->net.a->addr, f.tt.saddr);
	xsk_close(&y);
}

TEST_F(egress, tx_counts_exactly)
{
	struct et_counters after;
	uint64_t addr[4], link_a, link_b;

	link_a = et_counter(ETRAN_COUNTERS_LINK, self->net.a->link, "frames_transmitted");
	link_b = et_counter(ETRAN_COUNTERS_LINK, self->net.b->link, "frames_transmitted");
	ASSERT_EQ(0, xsk_send(&self->x, 3, TT_SEND, &self->r, "x", 1));
	ASSERT_EQ(0, et_counters_read(&after, ETRAN_COUNTERS_MODULE, 0));
	EXPECT_EQ(1, COUNTED("frames_accepted", self->before));
	EXPECT_EQ(1, COUNTED("frames_transmitted", self->before));
	EXPECT_EQ(0, COUNTED("frames_dropped", self->before));
	EXPECT_EQ(0, COUNTED("frames_held", self->before));
	EXPECT_EQ(1, COUNTED("packets_built", self->before));
	EXPECT_EQ(1, COUNTED("packets_sent", self->before));
	EXPECT_EQ(0, COUNTED("packets_waiting", self->before));
	/* The same for the transport, the link device and the socket. */
	EXPECT_EQ(1, et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport,
				"frames_transmitted"));
	EXPECT_EQ(link_a + 1,
		  et_counter(ETRAN_COUNTERS_LINK, self->net.a->link, "frames_transmitted"));
	EXPECT_EQ(link_b,
		  et_counter(ETRAN_COUNTERS_LINK, self->net.b->link, "frames_transmitted"));
	EXPECT_EQ(1, et_counter(ETRAN_COUNTERS_ENDPOINT, self->x.id, "frames_transmitted"));
	EXPECT_EQ(1, xsk_complete(&self->x, addr, 4));
	EXPECT_EQ(3 * XSK_CHUNK, addr[0]);
	EXPECT_EQ(0, self->x.busy[3]);
}

TEST_F(egress, drop_counts_exactly)
{
	struct et_counters after;
	uint64_t addr[4];

	self->r.verdict = 0;
	ASSERT_EQ(0, xsk_send(&self->x, 5, TT_SEND, &self->r, "x", 1));
	ASSERT_EQ(0, et_counters_read(&after, ETRAN_COUNTERS_MODULE, 0));
	EXPECT_EQ(1, COUNTED("frames_accepted", self->before));
	EXPECT_EQ(0, COUNTED("frames_transmitted", self->before));
	EXPECT_EQ(1, COUNTED("frames_dropped", self->before));
	EXPECT_EQ(1, COUNTED("frame_verdict", self->before));
	EXPECT_EQ(0, COUNTED("packets_built", self->before));
	EXPECT_EQ(0, COUNTED("bad_verdict", self->before));
	EXPECT_EQ(1, xsk_complete(&self->x, addr, 4));
	EXPECT_EQ(5 * XSK_CHUNK, addr[0]);
}

TEST_F(egress, hold_keeps_until_released)
{
	struct et_counters after;
	struct tt_req r = self->r;
	uint64_t addr[4];

	r.verdict = 2;	/* HOLD */
	r.flags = TT_F_HOLD;
	ASSERT_EQ(0, xsk_send(&self->x, 7, TT_SEND, &r, "x", 1));
	EXPECT_NE(0, tt->handle[0]);
	EXPECT_EQ(1, self->x.busy[7]);
	EXPECT_EQ(0, self->x.busy[6]);
	EXPECT_EQ(1, self->x.status->held);
	EXPECT_EQ(0, self->x.status->released);
	/* Read, so completed; kept nevertheless. */
	EXPECT_EQ(1, xsk_complete(&self->x, addr, 4));
	ASSERT_EQ(0, et_counters_read(&after, ETRAN_COUNTERS_MODULE, 0));
	EXPECT_EQ(1, COUNTED("frames_held", self->before));
	EXPECT_EQ(0, COUNTED("frames_dropped", self->before));
	EXPECT_EQ(0, COUNTED("packets_built", self->before));
	EXPECT_EQ(0, et_conserved(ETRAN_COUNTERS_MODULE, 0));

	r.prev = tt->handle[0];
	tt->result = 99;
	ASSERT_EQ(0, xsk_send(&self->x, 8, TT_COOKIE, &r, NULL, 0));
	EXPECT_EQ(self->r.cookie, tt->result);
	ASSERT_EQ(0, xsk_send(&self->x, 8, TT_RELEASE, &r, NULL, 0));
	EXPECT_EQ(0, tt->result);
	EXPECT_EQ(0, self->x.busy[7]);
	EXPECT_EQ(0, self->x.status->held);
	EXPECT_EQ(1, self->x.status->released);
	ASSERT_EQ(0, et_counters_read(&after, ETRAN_COUNTERS_MODULE, 0));
	EXPECT_EQ(0, COUNTED("frames_held", self->before));
	EXPECT_EQ(1, COUNTED("frame_released", self->before));
	/* Once only. */
	ASSERT_EQ(0, xsk_send(&self->x, 8, TT_RELEASE, &r, NULL, 0));
	EXPECT_EQ(-ESTALE, tt->result);
	ASSERT_EQ(0, xsk_send(&self->x, 8, TT_COOKIE, &r, NULL, 0));
	EXPECT_EQ(0, tt->result);
	EXPECT_EQ(1, self->x.status->released);
}

TEST_F(egress, retain_sends_and_keeps)
{
	struct et_counters after;
	struct tt_req r = self->r;

	r.verdict = 0x101;	/* TX | RETAIN */
	r.flags = TT_F_HOLD;
	ASSERT_EQ(0, xsk_send(&self->x, 1, TT_SEND, &r, "x", 1));
	EXPECT_EQ(1, self->x.busy[1]);
	ASSERT_EQ(0, et_counters_read(&after, ETRAN_COUNTERS_MODULE, 0));
	EXPECT_EQ(1, COUNTED("packets_sent", self->before));
	EXPECT_EQ(1, COUNTED("frames_retained", self->before));
	EXPECT_EQ(0, COUNTED("frames_transmitted", self->before));
	r.prev = tt->handle[0];
	ASSERT_EQ(0, xsk_send(&self->x, 2, TT_RELEASE, &r, NULL, 0));
	EXPECT_EQ(0, self->x.busy[1]);
	ASSERT_EQ(0, et_counters_read(&after, ETRAN_COUNTERS_MODULE, 0));
	/* It was sent once, so it ends as transmitted. The dropped one is the request to release. */
	EXPECT_EQ(1, COUNTED("frames_transmitted", self->before));
	EXPECT_EQ(0, COUNTED("frame_released", self->before));
	EXPECT_EQ(0, COUNTED("frames_held", self->before));
	EXPECT_EQ(1, COUNTED("frames_dropped", self->before));
}

TEST_F(egress, tx_after_hold_ends_the_frame)
{
	struct et_counters after;

	self->r.flags = TT_F_HOLD;
	ASSERT_EQ(0, xsk_send(&self->x, 1, TT_SEND, &self->r, "x", 1));
	ASSERT_EQ(0, et_counters_read(&after, ETRAN_COUNTERS_MODULE, 0));
	EXPECT_NE(0, tt->handle[0]);
	EXPECT_EQ(0, self->x.busy[1]);
	EXPECT_EQ(1, COUNTED("frames_transmitted", self->before));
	EXPECT_EQ(0, COUNTED("frames_held", self->before));
	EXPECT_EQ(1, self->x.status->released);
}

TEST_F(egress, retain_without_hold_is_refused)
{
	struct et_counters after;

	self->r.verdict = 0x101;
	ASSERT_EQ(0, xsk_send(&self->x, 1, TT_SEND, &self->r, "x", 1));
	ASSERT_EQ(0, et_counters_read(&after, ETRAN_COUNTERS_MODULE, 0));
	EXPECT_EQ(1, COUNTED("bad_verdict", self->before));
	EXPECT_EQ(1, COUNTED("frame_verdict", self->before));
	EXPECT_EQ(0, COUNTED("packets_built", self->before));
	EXPECT_EQ(0, tt_ejected(&self->net, ETRAN_EXIT_VERDICT, 0x101,
		"egress returned ETRAN_RETAIN without a handle from bpf_etran_hold()"));
}

TEST_F(egress, hold_without_hold_is_refused)
{
	struct et_counters after;

	self->r.verdict = 2;
	ASSERT_EQ(0, xsk_send(&self->x, 1, TT_SEND, &self->r, "x", 1));
	ASSERT_EQ(0, et_counters_read(&after, ETRAN_COUNTERS_MODULE, 0));
	EXPECT_EQ(1, COUNTED("bad_verdict", self->before));
	EXPECT_EQ(1, COUNTED("frames_dropped", self->before));
	EXPECT_EQ(0, self->x.busy[1]);
	EXPECT_EQ(0, tt_ejected(&self->net, ETRAN_EXIT_VERDICT, 2,
		"egress returned ETRAN_HOLD without a handle from bpf_etran_hold()"));
}

TEST_F(egress, garbage_verdicts_drop_and_eject)
{
	static const uint32_t bad[] = { 3, 4, 5, 6, 0x100, 0x102, 0x201, 0x80000001, ~0u };
	struct et_counters after;
	unsigned int i, held;
	char msg[128];

	for (held = 0; held < 2; held++)
		for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			self->r.verdict = bad[i];
			self->r.flags = held ? TT_F_HOLD : 0;
			ASSERT_EQ(0, xsk_send(&self->x, i, TT_SEND, &self->r, "x", 1));
			EXPECT_EQ(0, self->x.busy[i]);
			snprintf(msg, sizeof(msg), "egress returned %u, which is no verdict there",
				 bad[i]);
			EXPECT_EQ(0, tt_ejected(&self->net, ETRAN_EXIT_VERDICT, bad[i], msg));
			EXPECT_EQ(ETRAN_STATUS_NO_TRANSPORT, self->x.status->flags);
			xsk_detach(&self->x);
			ASSERT_EQ(0, tt_attach(&self->net));
			ASSERT_EQ(0, xsk_attach(&self->x, TT_NAME, 0));
		}
	ASSERT_EQ(0, et_counters_read(&after, ETRAN_COUNTERS_MODULE, 0));
	EXPECT_EQ(2 * i, COUNTED("bad_verdict", self->before));
	EXPECT_EQ(2 * i, COUNTED("frames_dropped", self->before));
	EXPECT_EQ(2 * i, COUNTED("frame_verdict", self->before));
	EXPECT_EQ(0, COUNTED("packets_built", self->before));
	EXPECT_EQ(2 * i, xsk_complete(&self->x, NULL, 0));
}

TEST_F(egress, hold_twice_gives_one_handle)
{
	self->r.verdict = 2;
	self->r.flags = TT_F_HOLD | TT_F_TWICE;
	ASSERT_EQ(0, xsk_send(&self->x, 1, TT_SEND, &self->r, "x", 1));
	EXPECT_NE(0, tt->handle[0]);
	EXPECT_EQ(0, tt->result);
	EXPECT_EQ(1, self->x.status->held);
}

TEST_F(egress, hold_without_cookie_is_refused)
{
	self->r.cookie = 0;
	self->r.verdict = 2;
	self->r.flags = TT_F_HOLD;
	ASSERT_EQ(0, xsk_send(&self->x, 1, TT_SEND, &self->r, "x", 1));
	EXPECT_EQ(0, tt->handle[0]);
	EXPECT_EQ(0, self->x.status->held);
}

TEST_F(egress, completions_are_one_each_in_order)
{
	uint64_t addr[64];
	unsigned int i;

	/* More than one budget of the module's, not one of them the same verdict as the next. */
	for (i = 0; i < 32; i++) {
		self->r.verdict = i % 2;
		xsk_put(&self->x, i, TT_SEND, &self->r, "x", 1);
	}
	ASSERT_EQ(0, xsk_kick(&self->x));
	ASSERT_EQ(32, xsk_complete(&self->x, addr, 64));
	for (i = 0; i < 32; i++)
		EXPECT_EQ(i * XSK_CHUNK, addr[i]);
	EXPECT_EQ(16, et_counter(ETRAN_COUNTERS_ENDPOINT, self->x.id, "frames_transmitted"));
	EXPECT_EQ(16, et_counter(ETRAN_COUNTERS_ENDPOINT, self->x.id, "frames_dropped"));
}

TEST_F(egress, more_than_a_budget_is_sent)
{
	struct xsk x;
	unsigned int i;

	ASSERT_EQ(0, xsk_open(&x, &(struct xsk_config) { .chunks = 400, .queue = 1 }));
	for (i = 0; i < 200; i++)
		xsk_put(&x, i, TT_SEND, &self->r, "x", 1);
	ASSERT_EQ(0, xsk_kick(&x));
	EXPECT_EQ(200, xsk_complete(&x, NULL, 0));
	EXPECT_EQ(200, et_counter(ETRAN_COUNTERS_ENDPOINT, x.id, "frames_transmitted"));
	xsk_close(&x);
}

TEST_F(egress, packet_on_the_wire_is_right)
{
	uint8_t buf[2048];
	char payload[301];
	unsigned int i;
	int fd, n;

	for (i = 0; i < sizeof(payload); i++)
		payload[i] = i * 7;
	tt->rx_force = 3 + 1;	/* PASS: so that AF_PACKET sees it */
	ASSERT_EQ(0, et_enter(self->net.b->ns));
	fd = raw_open();
	ASSERT_LE(0, fd);
	self->r.seq = 0x01020304;
	self->r.dport = 0x3344;
	self->r.rx_action = 0;
	self->r.rx_verdict = 0x55;
	ASSERT_EQ(0, xsk_send(&self->x, 2, TT_SEND, &self->r, payload, sizeof(payload)));
	n = raw_recv(fd, TT_PROTO, buf, sizeof(buf));
	ASSERT_EQ(14 + TT_HDRS + sizeof(payload), n);
	/* Ethernet */
	EXPECT_EQ(0, memcmp(buf, self->net.b->mac, 6));
	EXPECT_EQ(0, memcmp(buf + 6, self->net.a->mac, 6));
	EXPECT_EQ(0x08, buf[12]);
	EXPECT_EQ(0x00, buf[13]);
	/* IPv4: what the program wrote, and what the module filled in */
	EXPECT_EQ(0x45, buf[14]);
	EXPECT_EQ((n - 14) >> 8, buf[16]);
	EXPECT_EQ((n - 14) & 255, buf[17]);
	EXPECT_EQ(0, buf[18] | buf[19]);	/* id */
	EXPECT_EQ(0x40, buf[20]);		/* don't fragment */
	EXPECT_EQ(0, buf[21]);
	EXPECT_EQ(64, buf[22]);
	EXPECT_EQ(TT_PROTO, buf[23]);
	EXPECT_EQ(0, ip_sum(buf + 14, 20));
	EXPECT_EQ(0, memcmp(buf + 26, &self->net.a->addr, 4));
	EXPECT_EQ(0, memcmp(buf + 30, &self->net.b->addr, 4));
	/* the transport's header, then the payload */
	EXPECT_EQ(0, memcmp(buf + 34, "\x04\x03\x02\x01\x44\x33\x55\x00\0\0\0\0", 12));
	EXPECT_EQ(0, memcmp(buf + 14 + TT_HDRS, payload, sizeof(payload)));
	close(fd);
}

TEST_F(egress, source_address_of_the_program_is_kept)
{
	uint8_t buf[2048];
	int fd;

	tt->rx_force = 3 + 1;
	ASSERT_EQ(0, et_sh("ip addr replace 10.0.0.77/24 dev veth0"));
	ASSERT_EQ(0, et_enter(self->net.b->ns));
	fd = raw_open();
	self->r.saddr = inet_addr("10.0.0.77");
	ASSERT_EQ(0, xsk_send(&self->x, 2, TT_SEND, &self->r, "x", 1));
	ASSERT_LT(0, raw_recv(fd, TT_PROTO, buf, sizeof(buf)));
	EXPECT_EQ(0, memcmp(buf + 26, &self->r.saddr, 4));
	EXPECT_EQ(0, ip_sum(buf + 14, 20));
	EXPECT_EQ(0, et_enter(self->net.a->ns));
	EXPECT_EQ(0, et_sh("ip addr del 10.0.0.77/24 dev veth0"));
	close(fd);
}

TEST_F(egress, application_cannot_change_a_sliced_payload)
{
	struct xsk_frame f;
	struct xsk y;

	/* The program looks at the payload: what it saw is what is sent. */
	ASSERT_EQ(0, et_enter(self->net.b->ns));
	ASSERT_EQ(0, xsk_open(&y, &(struct xsk_config) { .port = 2 }));
	self->r.dport = 2;
	self->r.rx_verdict = 5;
	self->r.flags = TT_F_SLICE;
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_SEND, &self->r, "Q", 1));
	EXPECT_EQ('Q', tt->result);
	ASSERT_EQ(1, xsk_recv(&y, &f));
	EXPECT_EQ('Q', f.payload[0]);
	xsk_close(&y);
}

TEST_F(egress, wait_released_returns_when_a_frame_is_given_back)
{
	struct etran_wait w = { .released = 0, .timeout_ms = ET_PATIENCE_MS };
	struct tt_req r = self->r;
	struct xsk other;
	uint64_t t0;

	r.verdict = 2;
	r.flags = TT_F_HOLD;
	ASSERT_EQ(0, xsk_send(&self->x, 7, TT_SEND, &r, "x", 1));
	/* Nothing is given back yet. */
	w.timeout_ms = 20;
	EXPECT_EQ(-1, ioctl(self->x.ep, ETRAN_IOC_WAIT_RELEASED, &w));
	EXPECT_EQ(EAGAIN, errno);

	ASSERT_EQ(0, xsk_open(&other, &(struct xsk_config) { .queue = 1 }));
	r.prev = tt->handle[0];
	t0 = et_now_ms();
	if (!fork()) {
		usleep(50000);	/* let the parent sleep; without it, it would not */
		_exit(xsk_send(&other, 0, TT_RELEASE, &r, NULL, 0));
	}
	w.timeout_ms = ET_PATIENCE_MS;
	EXPECT_EQ(0, ioctl(self->x.ep, ETRAN_IOC_WAIT_RELEASED, &w));
	wait(NULL);
	EXPECT_EQ(1, w.released);
	EXPECT_GT(ET_PATIENCE_MS, et_now_ms() - t0);
	xsk_close(&other);
}

TEST_F(egress, status_mapping_cannot_be_written)
{
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, self->x.ep, 0));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, mprotect((void *)self->x.status, 4096, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(1500, self->x.status->mtu);
	EXPECT_EQ(64, self->x.status->chunks);
	EXPECT_EQ(0, self->x.status->flags);
}

TEST_F(egress, other_status_pages_cannot_be_mapped)
{
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_SHARED, self->x.ep, 1 << 20));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 1 << 20, PROT_READ, MAP_SHARED, self->x.ep, 0));
}

TT_MAIN(16)
