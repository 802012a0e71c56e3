// SPDX-License-Identifier: GPL-2.0
/* Delivery to applications, notes from programs and timers, and what poll() says of it. */
#include "fixture.h"
#include <sys/epoll.h>

FIXTURE(deliver) {
	FIXTURE_DATA(net) net;
	struct xsk x;		/* on a, sends */
	struct xsk y;		/* on b, port 2 */
	struct tt_req r;
};

FIXTURE_SETUP(deliver)
{
	net_setup(_metadata, &self->net, NULL);
	ASSERT_EQ(0, xsk_open(&self->x, &(struct xsk_config) { .port = 1 }));
	ASSERT_EQ(0, et_enter(self->net.b->ns));
	ASSERT_EQ(0, xsk_open(&self->y, &(struct xsk_config) { .port = 2, .no_fill = true }));
	self->r = (struct tt_req) {
		.daddr = self->net.b->addr, .verdict = 1, .rx_verdict = 5, .dport = 2,
	};
}

FIXTURE_TEARDOWN(deliver)
{
	xsk_close(&self->x);
	xsk_close(&self->y);
	net_teardown(_metadata, &self->net, NULL);
}

/* Sends a packet with sequence number @seq, and waits until b's program has seen it. */
static int send_one(FIXTURE_DATA(deliver) *self, uint32_t seq, const void *data, uint32_t len)
{
	uint32_t was = tt->ingress;

	self->r.seq = seq;
	if (xsk_send(&self->x, seq % 32, TT_SEND, &self->r, data, len))
		return et_fail("sendto");
	if (!et_wait_for(tt->ingress != was))
		return et_fail("the packet did not arrive");
	/* The program has begun; what it delivers comes before its packet is counted. */
	return et_wait_for(!et_conserved(ETRAN_COUNTERS_MODULE, 0)) ? 0 : -1;
}

TEST_F(deliver, without_buffers_fails_and_loses_nothing_else)
{
	struct xsk_frame f;
	unsigned int i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, send_one(self, i, "early", 5));
	EXPECT_EQ(-ENOBUFS, tt->deliver);
	EXPECT_EQ(3, et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport,
				"deliver_buffers"));
	EXPECT_EQ(3, et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport, "deliver_failed"));
	EXPECT_EQ(0, xsk_take(&self->y, &f));
	/* With buffers, all that follows arrives, each once and in order. */
	for (i = 32; i < 40; i++)
		xsk_fill(&self->y, i * XSK_CHUNK);
	for (i = 10; i < 18; i++)
		ASSERT_EQ(0, send_one(self, i, &i, sizeof(i)));
	for (i = 10; i < 18; i++) {
		ASSERT_EQ(1, xsk_recv(&self->y, &f));
		EXPECT_EQ(i, f.tt.seq);
		EXPECT_EQ(0, memcmp(&i, f.payload, sizeof(i)));
	}
	EXPECT_EQ(0, xsk_take(&self->y, &f));
	EXPECT_EQ(8, et_counter(ETRAN_COUNTERS_ENDPOINT, self->y.id, "delivered"));
	/* The buffers are used up again. */
	ASSERT_EQ(0, send_one(self, 20, "late", 4));
	EXPECT_EQ(-ENOBUFS, tt->deliver);
}

TEST_F(deliver, to_a_reader_that_sleeps_fails_when_its_ring_is_full)
{
	struct xsk_frame f;
	unsigned int i, n = 0;
	struct xsk z;

	/* More buffers than the RX ring has room for: 256. */
	ASSERT_EQ(0, xsk_open(&z, &(struct xsk_config) {
		.port = 3, .queue = 1, .chunks = 640, .fill = 256 }));
	self->r.dport = 3;
	for (i = 0; i < 256; i++)
		ASSERT_EQ(0, xsk_send(&self->x, i % 32, TT_SEND, &self->r, "x", 1));
	ASSERT_TRUE(et_wait_for(tt->ingress == 256));
	/* Without room for completions nothing more is sent. */
	EXPECT_EQ(256, xsk_complete(&self->x, NULL, 0));
	for (i = 0; i < 40; i++)
		xsk_fill(&z, (320 + 256 + i) * XSK_CHUNK);
	ASSERT_EQ(0, send_one(self, 1, "x", 1));
	EXPECT_EQ(-ENOBUFS, tt->deliver);
	while (xsk_take(&z, &f))
		n++;
	EXPECT_EQ(256, n);
	/* The buffer that was taken for the failed one is not lost. */
	for (i = 0; i < 40; i++)
		ASSERT_EQ(0, send_one(self, i, "x", 1));
	EXPECT_EQ(0, tt->deliver);
	for (n = 0; xsk_take(&z, &f); )
		n++;
	EXPECT_EQ(40, n);
	xsk_close(&z);
}

static int set_mtu(FIXTURE_DATA(deliver) *self, int mtu)
{
	return et_enter(self->net.a->ns) || et_sh("ip link set veth0 mtu %d", mtu) ||
	       et_enter(self->net.b->ns) || et_sh("ip link set veth0 mtu %d", mtu);
}

TEST_F(deliver, larger_than_the_buffer_fails)
{
	/* What fits: a chunk without AF_XDP's 256 bytes, the headroom, and the record. */
	static char data[XSK_CHUNK - 256 - 1024 - sizeof(struct etran_rec) + 1];
	struct xsk_frame f;
	struct xsk z;

	memset(data, 'z', sizeof(data));
	/* A socket can only be bound with room for the MTU, which may grow later. */
	ASSERT_EQ(0, set_mtu(self, 600));
	ASSERT_EQ(0, xsk_open(&z, &(struct xsk_config) {
		.port = 3, .queue = 1, .headroom = 1024 }));
	ASSERT_EQ(0, set_mtu(self, 1500));
	self->r.dport = 3;
	ASSERT_EQ(0, send_one(self, 1, data, sizeof(data)));
	EXPECT_EQ(-EMSGSIZE, tt->deliver);
	EXPECT_EQ(1, et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport, "deliver_size"));
	EXPECT_EQ(0, xsk_take(&z, &f));
	ASSERT_EQ(0, send_one(self, 2, data, sizeof(data) - 1));
	EXPECT_EQ(0, tt->deliver);
	ASSERT_EQ(1, xsk_recv(&z, &f));
	EXPECT_EQ(2, f.tt.seq);
	EXPECT_EQ(sizeof(data) - 1, f.len);
	EXPECT_EQ(0, memcmp(data, f.payload, sizeof(data) - 1));
	xsk_close(&z);
}

TEST_F(deliver, beyond_the_packet_is_refused)
{
	xsk_fill(&self->y, 32 * XSK_CHUNK);
	self->r.rx_verdict = 0;
	self->r.rx_action = TT_A_DELIVER | TT_A_BEYOND;
	ASSERT_EQ(0, send_one(self, 1, "x", 1));
	EXPECT_EQ(-EINVAL, tt->deliver);
	EXPECT_EQ(0, et_counter(ETRAN_COUNTERS_ENDPOINT, self->y.id, "delivered"));
}

TEST_F(deliver, to_a_closed_endpoint_fails)
{
	uint32_t id = self->y.id;

	xsk_detach(&self->y);
	EXPECT_EQ(1, tt->close);
	tt->port[2] = id;	/* a program that remembers too long */
	ASSERT_EQ(0, send_one(self, 1, "x", 1));
	EXPECT_EQ(-ENOENT, tt->deliver);
	tt->port[2] = 0x7fffffff;
	ASSERT_EQ(0, send_one(self, 1, "x", 1));
	EXPECT_EQ(-ENOENT, tt->deliver);
	EXPECT_EQ(2, et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport,
				"deliver_endpoint"));
}

TEST_F(deliver, verdict_may_differ_from_what_was_delivered)
{
	struct xsk_frame f;

	/* Delivered and then passed to the kernel, too: counted as passed, once. */
	xsk_fill(&self->y, 32 * XSK_CHUNK);
	self->r.rx_verdict = 4;
	self->r.rx_action = TT_A_DELIVER;
	ASSERT_EQ(0, send_one(self, 1, "x", 1));
	EXPECT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_EQ(1, et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport, "rx_consumed"));
	EXPECT_EQ(0, et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport, "rx_delivered"));
}

TEST_F(deliver, note_from_ingress_arrives)
{
	struct xsk_frame f;

	xsk_fill(&self->y, 32 * XSK_CHUNK);
	self->r.rx_verdict = 4;
	self->r.rx_action = TT_A_NOTIFY;
	ASSERT_EQ(0, send_one(self, 9, "x", 1));
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_EQ(0, tt->notify);
	EXPECT_EQ(TT_REC_NOTE, f.rec.type);
	EXPECT_EQ(9, f.tt.seq);
	EXPECT_EQ(0, f.len);
	EXPECT_EQ(1, et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport, "notified"));
}

TEST_F(deliver, note_from_egress_arrives)
{
	struct xsk_frame f;

	xsk_fill(&self->y, 32 * XSK_CHUNK);
	self->r.seq = self->y.id;
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_NOTIFY, &self->r, NULL, 0));
	EXPECT_EQ(0, tt->notify);
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_EQ(TT_REC_NOTE, f.rec.type);
	/* And to the sender itself, whose egress runs. */
	self->r.seq = self->x.id;
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_NOTIFY, &self->r, NULL, 0));
	ASSERT_EQ(1, xsk_recv(&self->x, &f));
	EXPECT_EQ(TT_REC_NOTE, f.rec.type);
}

TEST_F(deliver, note_from_a_timer_arrives)
{
	struct xsk_frame f;

	xsk_fill(&self->y, 32 * XSK_CHUNK);
	self->r.seq = self->y.id;
	ASSERT_EQ(0, xsk_send(&self->x, 0, TT_TIMER, &self->r, NULL, 0));
	EXPECT_EQ(0, tt->result);
	ASSERT_EQ(1, xsk_recv(&self->y, &f));
	EXPECT_EQ(TT_REC_TIMER, f.rec.type);
	EXPECT_EQ(0, tt->notify);
}

TEST_F(deliver, poll_reports_a_received_frame_and_room_to_send)
{
	struct pollfd p = { .fd = self->y.ep, .events = POLLIN | POLLOUT };
	struct xsk_frame f;

	xsk_fill(&self->y, 32 * XSK_CHUNK);
	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(POLLOUT, p.revents);
	p.events = POLLIN;
	EXPECT_EQ(0, poll(&p, 1, 10));
	ASSERT_EQ(0, send_one(self, 1, "x", 1));
	EXPECT_EQ(1, poll(&p, 1, ET_PATIENCE_MS));
	EXPECT_EQ(POLLIN, p.revents);
	ASSERT_EQ(1, xsk_take(&self->y, &f));
	EXPECT_EQ(0, poll(&p, 1, 0));
}

TEST_F(deliver, epoll_wakes_a_sleeper)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event e = { .events = EPOLLIN | EPOLLET, .data.u32 = 7 };
	pid_t pid;

	xsk_fill(&self->y, 32 * XSK_CHUNK);
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->y.ep, &e));
	EXPECT_EQ(0, epoll_wait(ep, &e, 1, 0));
	pid = fork();
	if (!pid) {
		usleep(50000);	/* let the parent sleep */
		_exit(!!xsk_send(&self->x, 0, TT_SEND, &self->r, "x", 1));
	}
	memset(&e, 0, sizeof(e));
	EXPECT_EQ(1, epoll_wait(ep, &e, 1, ET_PATIENCE_MS));
	EXPECT_EQ(7, e.data.u32);
	EXPECT_EQ(EPOLLIN, e.events & EPOLLIN);
	waitpid(pid, NULL, 0);
	close(ep);
}

TEST_F(deliver, ready_makes_poll_report_until_it_is_taken_back)
{
	struct pollfd p = { .fd = self->y.ep, .events = POLLIN };
	uint32_t on = 1, off = 0;

	EXPECT_EQ(0, poll(&p, 1, 0));
	EXPECT_EQ(0, ioctl(self->y.ep, ETRAN_IOC_READY, &on));
	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(POLLIN, p.revents);
	EXPECT_EQ(0, ioctl(self->y.ep, ETRAN_IOC_READY, &off));
	EXPECT_EQ(0, poll(&p, 1, 0));
	EXPECT_EQ(-1, ioctl(self->y.ep, ETRAN_IOC_READY, NULL));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(deliver, last_close_of_a_duplicate_ends_an_endpoint)
{
	struct xsk_frame f;
	int copy = dup(self->y.ep);

	munmap((void *)self->y.status, self->y.map_len);
	self->y.status = NULL;
	close(self->y.ep);
	self->y.ep = copy;
	EXPECT_EQ(0, tt->close);
	xsk_fill(&self->y, 32 * XSK_CHUNK);
	ASSERT_EQ(0, send_one(self, 1, "x", 1));
	EXPECT_EQ(1, xsk_recv(&self->y, &f));
	close(copy);
	self->y.ep = -1;
	EXPECT_EQ(1, tt->close);
}

TEST_F(deliver, open_and_bind_give_what_the_program_says)
{
	struct etran_endpoint_open o = { .transport = TT_NAME, .xsk_fd = self->x.fd };
	struct etran_endpoint_bind b = { .port = 9 };
	int dev = et_device(), ep;

	o.port = 2;
	EXPECT_EQ(-1, ioctl(dev, ETRAN_IOC_ENDPOINT_OPEN, &o));
	EXPECT_EQ(EADDRINUSE, errno);
	tt->open_result = -EPROTO;
	o.port = 8;
	EXPECT_EQ(-1, ioctl(dev, ETRAN_IOC_ENDPOINT_OPEN, &o));
	EXPECT_EQ(EPROTO, errno);
	tt->open_result = 0;
	o.arg[0] = 41;
	ep = ioctl(dev, ETRAN_IOC_ENDPOINT_OPEN, &o);
	ASSERT_LE(0, ep);
	EXPECT_EQ(42, o.arg[0]);
	EXPECT_EQ(8, o.port);
	EXPECT_NE(self->x.id, o.id);
	EXPECT_EQ(self->net.a->link, o.link);
	EXPECT_EQ(0, ioctl(ep, ETRAN_IOC_BIND, &b));
	EXPECT_EQ(o.id, tt->port[9]);
	b.port = 2;
	EXPECT_EQ(-1, ioctl(ep, ETRAN_IOC_BIND, &b));
	EXPECT_EQ(EADDRINUSE, errno);
	close(ep);
	EXPECT_EQ(0, tt->port[9]);
	EXPECT_EQ(1, tt->close);
	close(dev);
}

TT_MAIN(16)
