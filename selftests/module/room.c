// SPDX-License-Identifier: GPL-2.0
/*
 * bpf_etran_rx_room() and endpoint_room: how many receive buffers an application has given, and that a
 * transport which waits for some is told, in each way in which an application comes by.
 */
#include "engine.h"

FIXTURE(room) {
	FIXTURE_DATA(net) net;
	struct xsk x;		/* on a, has programs run */
	struct xsk y;		/* on b, port 2, receives */
	uint32_t filled;	/* chunks of y that went into its fill ring */
};

FIXTURE_SETUP(room)
{
	net_setup(_metadata, &self->net, NULL);
	ASSERT_EQ(0, xsk_open(&self->x, &(struct xsk_config) { .port = 1 }));
	ASSERT_EQ(0, et_enter(self->net.b->ns));
	ASSERT_EQ(0, xsk_open(&self->y, &(struct xsk_config) {
		.port = 2, .chunks = 512, .no_fill = true }));
	self->filled = 0;
}

FIXTURE_TEARDOWN(room)
{
	xsk_close(&self->x);
	xsk_close(&self->y);
	net_teardown(_metadata, &self->net, NULL);
}

static void give(FIXTURE_DATA(room) *self, uint32_t n)
{
	while (n--)
		xsk_fill(&self->y, (uint64_t)(256 + self->filled++ % 256) * XSK_CHUNK);
}

static int64_t ask(FIXTURE_DATA(room) *self, uint32_t most, uint32_t least)
{
	return eng_do(&self->x, 0, TT_W_ROOM, 0, self->y.id, most, least);
}

static int room(struct xsk *x)
{
	return ioctl(x->ep, ETRAN_IOC_ROOM) ? errno : 0;
}

static uint32_t short_of(const struct xsk *x)
{
	return __atomic_load_n(&x->status->rx_short, __ATOMIC_ACQUIRE);
}

/* Have one packet delivered to y. */
static int deliver_one(FIXTURE_DATA(room) *self)
{
	struct tt_req r = { .daddr = self->net.b->addr, .verdict = TX, .rx_verdict = 5, .dport = 2 };

	return xsk_send(&self->x, 1, TT_SEND, &r, "x", 1) ?: !xsk_complete(&self->x, NULL, 0);
}

TEST_F(room, counts_what_the_fill_ring_has)
{
	uint32_t n, most;

	EXPECT_EQ(0, ask(self, 1, 0));
	EXPECT_EQ(0, ask(self, 65536, 0));
	for (n = 1; n <= 40; n++) {
		give(self, 1);
		for (most = 1; most <= 64; most += 7)
			ASSERT_EQ(most < n ? most : n, ask(self, most, 0)) TH_LOG("%u of %u", n, most);
		ASSERT_EQ(n, ask(self, 65536, 0));
	}
	EXPECT_EQ(0, tt->room);
	EXPECT_EQ(0, short_of(&self->y));
}

/* The module takes buffers out of the ring in batches; those are there as well. */
TEST_F(room, each_delivery_takes_one)
{
	uint32_t n;
	struct xsk_frame f;

	give(self, 100);
	for (n = 100; n; n--) {
		ASSERT_EQ(n, ask(self, 1000, 0));
		ASSERT_EQ(0, deliver_one(self));
		ASSERT_EQ(1, xsk_recv(&self->y, &f));
	}
	EXPECT_EQ(0, ask(self, 1000, 0));
	EXPECT_EQ(0, deliver_one(self));
	EXPECT_EQ(-ENOBUFS, tt->deliver);
}

TEST_F(room, wrong_arguments)
{
	give(self, 3);
	EXPECT_EQ(-EINVAL, ask(self, 0, 0));
	EXPECT_EQ(-EINVAL, ask(self, 65537, 0));
	EXPECT_EQ(-EINVAL, ask(self, 5, 6));
	EXPECT_EQ(-ENOENT, eng_do(&self->x, 0, TT_W_ROOM, 0, 0, 1, 1));
	EXPECT_EQ(-ENOENT, eng_do(&self->x, 0, TT_W_ROOM, 0, self->y.id + 1, 1, 1));
	EXPECT_EQ(-ENOENT, eng_do(&self->x, 0, TT_W_ROOM, 0, UINT32_MAX, 1, 1));
	EXPECT_EQ(0, short_of(&self->y));
	EXPECT_EQ(3, ask(self, 5, 3));
	EXPECT_EQ(0, short_of(&self->y));
}

/* A claim that the ring cannot have is the application's own loss. */
TEST_F(room, garbage_in_the_fill_ring)
{
	uint32_t was = *self->y.fill.producer;
	int64_t n;

	__atomic_store_n(self->y.fill.producer, was + 0x80000000U, __ATOMIC_RELEASE);
	n = ask(self, 65536, 0);
	EXPECT_TRUE(n >= 0 && n <= 65536);
	__atomic_store_n(self->y.fill.producer, was, __ATOMIC_RELEASE);
	EXPECT_EQ(0, deliver_one(self));
}

enum { BY_IOCTL, BEFORE_IT_SLEEPS, BY_POLL, WAYS };

/* The application comes by. */
static int come_by(FIXTURE_DATA(room) *self, int how)
{
	struct etran_wait_rx w = { .delivered = self->y.status->delivered };
	struct pollfd p = { .fd = self->y.ep, .events = POLLIN };

	switch (how) {
	case BY_IOCTL:
		return room(&self->y);
	case BEFORE_IT_SLEEPS:
		return ioctl(self->y.ep, ETRAN_IOC_WAIT_RX, &w) && errno == EAGAIN ? 0 : -1;
	default:
		return poll(&p, 1, 0);
	}
}

TEST_F(room, who_waits_for_buffers_is_told_once)
{
	uint32_t told = 0;
	int how, i;

	for (how = 0; how < WAYS; how++) {
		/* Nobody asked to be told. */
		ASSERT_EQ(5 * how, ask(self, 100, 0));
		ASSERT_EQ(0, come_by(self, how));
		ASSERT_EQ(told, tt->room);
		ASSERT_EQ(0, short_of(&self->y));

		ASSERT_EQ(5 * how, ask(self, 100, 100));
		EXPECT_NE(0, short_of(&self->y));
		/* Twice is once. */
		ASSERT_EQ(5 * how, ask(self, 100, 100));
		give(self, 5);
		EXPECT_EQ(told, tt->room);
		for (i = 0; i < 3; i++) {
			ASSERT_EQ(0, come_by(self, how));
			ASSERT_EQ(told + 1, tt->room) TH_LOG("way %d, time %d", how, i);
			ASSERT_EQ(0, short_of(&self->y));
		}
		EXPECT_EQ(self->y.id, tt->room_endpoint);
		told++;
	}
	EXPECT_EQ(5 * WAYS, ask(self, 100, 5 * WAYS));
	EXPECT_EQ(0, short_of(&self->y));
}

TEST_F(room, asking_again_when_told_waits_for_the_next_time)
{
	int i;

	tt->room_again = 50;
	ASSERT_EQ(0, ask(self, 50, 50));
	for (i = 1; i <= 10; i++) {
		give(self, 4);
		ASSERT_EQ(0, room(&self->y));
		ASSERT_EQ(i, tt->room);
		ASSERT_NE(0, short_of(&self->y));
	}
	give(self, 10);
	ASSERT_EQ(0, room(&self->y));
	EXPECT_EQ(11, tt->room);
	EXPECT_EQ(0, short_of(&self->y));
	EXPECT_EQ(50, ask(self, 1000, 0));
}

/* Two endpoints of one AF_XDP socket: each is told for itself. */
TEST_F(room, endpoints_that_share_a_socket)
{
	struct xsk z = self->y;

	ASSERT_EQ(0, xsk_attach(&z, TT_NAME, 3));
	ASSERT_EQ(0, ask(self, 1, 1));
	ASSERT_EQ(0, eng_do(&self->x, 0, TT_W_ROOM, 0, z.id, 1, 1));
	ASSERT_EQ(0, room(&z));
	EXPECT_EQ(1, tt->room);
	EXPECT_EQ(z.id, tt->room_endpoint);
	EXPECT_NE(0, short_of(&self->y));
	ASSERT_EQ(0, eng_do(&self->x, 0, TT_W_ROOM, 0, z.id, 1, 1));
	munmap((void *)z.status, z.map_len);
	close(z.ep);
	/* The closed one waits no more. */
	ASSERT_EQ(0, room(&self->y));
	EXPECT_EQ(2, tt->room);
	EXPECT_EQ(self->y.id, tt->room_endpoint);
	EXPECT_EQ(0, short_of(&self->y));
}

TEST_F(room, of_a_closed_endpoint_or_a_device_that_is_gone)
{
	struct xsk z = self->y;

	ASSERT_EQ(0, xsk_attach(&z, TT_NAME, 3));
	munmap((void *)z.status, z.map_len);
	close(z.ep);
	EXPECT_EQ(-ENOENT, eng_do(&self->x, 0, TT_W_ROOM, 0, z.id, 1, 1));
	ASSERT_EQ(0, ask(self, 1, 1));
	ASSERT_EQ(0, et_enter(self->net.b->ns));
	ASSERT_EQ(0, et_sh("ip link del etran0"));
	EXPECT_EQ(-ENETDOWN, ask(self, 1, 1));
	EXPECT_EQ(0, room(&self->y));
	EXPECT_EQ(1, come_by(self, BY_POLL));
	/* For the tests behind this one. */
	ASSERT_EQ(0, et_sh("ip link add etran0 link veth0 numrxqueues 16 type etran && ip link set etran0 up"));
	ASSERT_EQ(0, et_link_info(self->net.b));
}

/* The application comes by on another CPU, again and again, while it is asked. */
TEST_F(room, who_is_asked_at_any_moment_is_told)
{
	struct etran_wait_rx w = { .timeout_ms = 1 };
	uint32_t i;
	pid_t pid;

	pid = fork();
	if (!pid) {
		close(bpf_link__fd(self->net.link));
		eng_cpu(1);
		for (;;) {
			w.delivered = self->y.status->delivered;
			if (!ioctl(self->y.ep, ETRAN_IOC_WAIT_RX, &w) || errno != EAGAIN)
				_exit(1);
		}
	}
	eng_cpu(0);
	for (i = 0; i < 1000; i++) {
		if (ask(self, 1, 1) ||
		    !et_wait_for(__atomic_load_n(&tt->room, __ATOMIC_ACQUIRE) == i + 1))
			break;
	}
	EXPECT_EQ(1000, i);
	EXPECT_EQ(0, kill(pid, SIGKILL));
	waitpid(pid, NULL, 0);
	EXPECT_EQ(0, short_of(&self->y));
}

TT_MAIN(16)
