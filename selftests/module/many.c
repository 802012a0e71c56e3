// SPDX-License-Identifier: GPL-2.0
/* Many applications on one link device, and what they are told about its queues. */
#include "fixture.h"

#define PROCS	8
#define ROUNDS	40

FIXTURE(many) {
	FIXTURE_DATA(net) net;
};

FIXTURE_SETUP(many)
{
	net_setup(_metadata, &self->net, NULL);
}

FIXTURE_TEARDOWN(many)
{
	net_teardown(_metadata, &self->net, NULL);
}

/* What process @who puts into byte @i of message @seq. */
static uint8_t pattern(unsigned int who, uint32_t seq, unsigned int i)
{
	return who * 37 + seq * 11 + i * 5 + (i >> 8);
}

/*
 * One process: a socket on a that sends to its own port on b, and one on b that must receive that
 * and nothing else. Return: 0, or which check failed.
 */
static int one_process(FIXTURE_DATA(many) *self, unsigned int who)
{
	struct tt_req r = {
		.daddr = self->net.b->addr, .verdict = 1, .rx_verdict = 5, .dport = 20 + who,
	};
	uint32_t seq, len, i, round;
	uint8_t data[1400];
	struct xsk_frame f;
	struct xsk x, y;

	if (et_enter(self->net.a->ns) || xsk_open(&x, &(struct xsk_config) { .queue = who }) ||
	    et_enter(self->net.b->ns) ||
	    xsk_open(&y, &(struct xsk_config) { .queue = who, .port = 20 + who }))
		return 1;
	for (round = 0; round < ROUNDS; round++) {
		for (seq = 0; seq < 8; seq++) {
			len = 1 + (who * 131 + round * 57 + seq * 211) % sizeof(data);
			for (i = 0; i < len; i++)
				data[i] = pattern(who, round * 8 + seq, i);
			r.seq = round * 8 + seq;
			xsk_put(&x, seq, TT_SEND, &r, data, len);
		}
		if (xsk_kick(&x) || xsk_complete(&x, NULL, 0) != 8)
			return 2;
		for (seq = 0; seq < 8; seq++) {
			if (!xsk_recv(&y, &f))
				return 3;
			if (f.rec.endpoint != y.id || f.tt.seq != round * 8 + seq)
				return 4;
			len = 1 + (who * 131 + round * 57 + seq * 211) % sizeof(data);
			if (f.len != len)
				return 5;
			for (i = 0; i < len; i++)
				if (f.payload[i] != pattern(who, f.tt.seq, i))
					return 6;
			xsk_fill(&y, f.addr / XSK_CHUNK * XSK_CHUNK);
		}
	}
	if (xsk_take(&y, &f))
		return 7;
	if (et_counter(ETRAN_COUNTERS_ENDPOINT, x.id, "frames_transmitted") != ROUNDS * 8 ||
	    et_counter(ETRAN_COUNTERS_ENDPOINT, y.id, "delivered") != ROUNDS * 8)
		return 8;
	return 0;
}

TEST_F(many, eight_processes_at_once_get_their_own_data)
{
	pid_t pid[PROCS];
	int i, status;

	for (i = 0; i < PROCS; i++) {
		pid[i] = fork();
		if (!pid[i])
			_exit(one_process(self, i));
	}
	for (i = 0; i < PROCS; i++) {
		waitpid(pid[i], &status, 0);
		EXPECT_EQ(0, status);
	}
	EXPECT_EQ(PROCS * ROUNDS * 8, et_counter(ETRAN_COUNTERS_TRANSPORT, self->net.transport,
						 "rx_delivered"));
	EXPECT_EQ(2 * PROCS, tt->close);
}

TEST_F(many, queue_with_a_socket_is_busy_until_that_is_closed)
{
	struct xsk x, y;

	ASSERT_EQ(0, xsk_open(&x, &(struct xsk_config) { .queue = 3 }));
	ASSERT_EQ(0, xsk_make(&y, &(struct xsk_config) {}));
	EXPECT_EQ(-1, xsk_bind(&y, "etran0", 3, XDP_ZEROCOPY));
	EXPECT_EQ(EBUSY, errno);
	xsk_close(&x);
	EXPECT_TRUE(et_wait_for(!xsk_bind(&y, "etran0", 3, XDP_ZEROCOPY)));
	ASSERT_EQ(0, xsk_attach(&y, TT_NAME, 0));
	xsk_close(&y);
}

TEST_F(many, free_queue_is_found_until_all_are_used)
{
	struct etran_link_info q;
	struct xsk x[17];
	int dev = et_device(), i;

	for (i = 0; i <= 16; i++) {
		memset(&q, 0, sizeof(q));
		q.ifindex = self->net.a->link_ifindex;
		ASSERT_EQ(0, ioctl(dev, ETRAN_IOC_LINK, &q));
		EXPECT_EQ(16, q.queues);
		EXPECT_EQ(i, q.queues_bound);
		EXPECT_EQ(0, strcmp("etran0", q.name));
		EXPECT_EQ(0, strcmp("veth0", q.lower_name));
		EXPECT_EQ(self->net.a->ifindex, q.lower_ifindex);
		if (i == 16)
			break;
		ASSERT_GT(16, q.free_queue);
		ASSERT_EQ(0, xsk_open(&x[i], &(struct xsk_config) {
			.queue = q.free_queue, .chunks = 4 }));
	}
	EXPECT_EQ(q.queues, q.free_queue);
	ASSERT_EQ(0, xsk_make(&x[16], &(struct xsk_config) {}));
	for (i = 0; i < 16; i++) {
		EXPECT_EQ(-1, xsk_bind(&x[16], "etran0", i, XDP_ZEROCOPY));
		EXPECT_EQ(EBUSY, errno);
	}
	EXPECT_EQ(-1, xsk_bind(&x[16], "etran0", 16, XDP_ZEROCOPY));
	EXPECT_EQ(EINVAL, errno);
	for (i = 0; i <= 16; i++)
		xsk_close(&x[i]);
	close(dev);
}

TEST_F(many, link_devices_of_other_namespaces_are_not_shown)
{
	struct etran_link_info q = { .ifindex = self->net.b->link_ifindex };
	int dev = et_device();

	/* The same number exists on both sides, so the namespace must make the difference. */
	memset(&q, 0, sizeof(q));
	ASSERT_EQ(0, ioctl(dev, ETRAN_IOC_LINK, &q));
	EXPECT_EQ(self->net.a->link, q.id);
	q.id++;
	q.flags = 0;
	q.ifindex = 0;
	if (self->net.b->link > self->net.a->link) {
		EXPECT_EQ(-1, ioctl(dev, ETRAN_IOC_LINK, &q));
		EXPECT_EQ(ENODEV, errno);
	}
	ASSERT_EQ(0, et_enter(self->net.b->ns));
	memset(&q, 0, sizeof(q));
	ASSERT_EQ(0, ioctl(dev, ETRAN_IOC_LINK, &q));
	EXPECT_EQ(self->net.b->link, q.id);
	ASSERT_EQ(0, et_enter(tt_hosts.home));
	memset(&q, 0, sizeof(q));
	EXPECT_EQ(-1, ioctl(dev, ETRAN_IOC_LINK, &q));
	EXPECT_EQ(ENODEV, errno);
	close(dev);
}

TEST_F(many, unaligned_chunks_are_refused)
{
	struct xsk x;

	ASSERT_EQ(0, xsk_make(&x, &(struct xsk_config) {
		.umem_flags = XDP_UMEM_UNALIGNED_CHUNK_FLAG }));
	EXPECT_EQ(-1, xsk_bind(&x, "etran0", 0, XDP_ZEROCOPY));
	EXPECT_EQ(EOPNOTSUPP, errno);
	xsk_close(&x);
}

TT_MAIN(16)
