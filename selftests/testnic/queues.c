// SPDX-License-Identifier: GPL-2.0
/* Which receive queue a frame goes to. */
#include "afxdp.h"

#define QUEUES 4
#define FLOWS 64

FIXTURE(queues) {
	int out;
	volatile struct tn_bss *bss;
};

FIXTURE_SETUP(queues)
{
	ASSERT_EQ(0, tn_up("numrxqueues 4"));
	self->out = tn_packet_socket("tn0");
	ASSERT_EQ(0, et_enter(tn.b));
	ASSERT_EQ(0, tn_xdp("tn1", "count_queues"));
	ASSERT_EQ(0, et_enter(tn.a));
	self->bss = tn_bss();
	ASSERT_NE(NULL, self->bss);
}

FIXTURE_TEARDOWN(queues)
{
	close(self->out);
	EXPECT_EQ(0, tn_down());
}

struct flow {
	uint8_t proto, addr;
	uint16_t port, fragment;
	bool v6;
};

static uint32_t build(uint8_t *f, const struct flow *w)
{
	memset(f, 0, 100);
	tn_ethernet(f, false, w->v6 ? ETH_P_IPV6 : ETH_P_IP);
	if (w->v6) {
		f[14] = 0x60;
		f[20] = w->proto;
		f[22 + 15] = w->addr;
		f[38 + 15] = 1;
		f[54] = w->port >> 8;
		f[55] = w->port;
		return 100;
	}
	f[14] = 0x45;
	f[20] = w->fragment >> 8;
	f[21] = w->fragment;
	f[23] = w->proto;
	f[26] = 10;
	f[29] = w->addr;
	f[30] = 10;
	f[34] = w->port >> 8;
	f[35] = w->port;
	/* Not ports, and not looked at. */
	f[39] = w->port;
	return 100;
}

/* Sends each flow three times. Return: how many queues got frames, -1 when a flow went to two. */
static int spread(struct _test_data_queues *self, const struct flow *flows, uint32_t count)
{
	uint32_t used = 0, i, q;
	uint64_t sent = 0;
	uint8_t f[100];

	memset((void *)self->bss, 0, sizeof(*self->bss));
	for (i = 0; i < count; i++) {
		uint64_t before[QUEUES];
		uint32_t hit = 0;

		for (q = 0; q < QUEUES; q++)
			before[q] = self->bss->queue_frames[q];
		for (int k = 0; k < 3; k++) {
			if (send(self->out, f, build(f, &flows[i]), 0) < 0)
				return et_fail("send");
			sent++;
		}
		if (!et_wait_for(self->bss->queue_frames[0] + self->bss->queue_frames[1] +
				 self->bss->queue_frames[2] + self->bss->queue_frames[3] == sent))
			return et_fail("frames are missing");
		for (q = 0; q < QUEUES; q++)
			hit += before[q] != self->bss->queue_frames[q];
		errno = 0;
		if (hit != 1)
			return et_fail("flow %u went to %u queues", i, hit);
	}
	for (q = 0; q < QUEUES; q++)
		used += self->bss->queue_frames[q] > 0;
	return used;
}

TEST_F(queues, hash)
{
	struct flow w[FLOWS] = {};
	uint32_t i;

	for (i = 0; i < FLOWS; i++)
		w[i] = (struct flow) { .proto = 17, .addr = 1, .port = i };
	EXPECT_EQ(QUEUES, spread(self, w, FLOWS));
	for (i = 0; i < FLOWS; i++)
		w[i] = (struct flow) { .proto = 6, .addr = i };
	EXPECT_EQ(QUEUES, spread(self, w, FLOWS));
	/* A protocol of one's own: the first four bytes behind the IP header. */
	for (i = 0; i < FLOWS; i++)
		w[i] = (struct flow) { .proto = 253, .addr = 1, .port = i };
	EXPECT_EQ(QUEUES, spread(self, w, FLOWS));
	for (i = 0; i < FLOWS; i++)
		w[i] = (struct flow) { .proto = 253, .addr = 1, .port = i, .v6 = true };
	EXPECT_EQ(QUEUES, spread(self, w, FLOWS));
	/* Of a fragment, the addresses: the second has no ports where the first has. */
	for (i = 0; i < FLOWS; i++)
		w[i] = (struct flow) { .proto = 17, .addr = 1, .port = i,
				       .fragment = i % 2 ? 0x2000 : i };
	w[0].fragment = 1;
	EXPECT_EQ(1, spread(self, w, FLOWS));
}

TEST_F(queues, one_queue)
{
	struct flow w[FLOWS] = {};
	char number[8];

	for (uint32_t i = 0; i < FLOWS; i++)
		w[i] = (struct flow) { .proto = 17, .addr = i, .port = i };
	for (int q = 0; q < QUEUES; q++) {
		snprintf(number, sizeof(number), "%d", q);
		ASSERT_EQ(0, tn_write("tn1", "rx_queue", number));
		EXPECT_EQ(1, spread(self, w, FLOWS));
		EXPECT_EQ(3 * FLOWS, self->bss->queue_frames[q]);
	}
	EXPECT_EQ(EINVAL, tn_write("tn1", "rx_queue", "4"));
}

TEST_F(queues, number_of_sender)
{
	struct afxdp x;
	uint8_t *f;

	ASSERT_EQ(0, tn_write("tn1", "rx_queue", "sender"));
	for (int q = 0; q < QUEUES; q++) {
		uint64_t before = self->bss->queue_frames[q];

		ASSERT_EQ(0, afxdp_open(&x, "tn0", q, XDP_ZEROCOPY));
		for (int i = 0; i < 10; i++) {
			f = afxdp_next(&x);
			ASSERT_NE(NULL, f);
			afxdp_put(&x, build(f, &(struct flow) { .proto = 17, .port = i }));
		}
		ASSERT_EQ(0, afxdp_kick(&x));
		EXPECT_TRUE(et_wait_for(self->bss->queue_frames[q] == before + 10));
		afxdp_close(&x);
	}
}

/* Only queues that there are. */
TEST_F(queues, channels)
{
	struct flow w[FLOWS] = {};

	for (uint32_t i = 0; i < FLOWS; i++)
		w[i] = (struct flow) { .proto = 17, .addr = i, .port = i };
	for (int n = 1; n <= QUEUES; n++) {
		ASSERT_EQ(0, tn_sh_b("ethtool -L tn1 combined %d", n));
		EXPECT_EQ(n, spread(self, w, FLOWS));
	}
	EXPECT_NE(0, tn_sh_b("ethtool -L tn1 combined 5"));
	EXPECT_NE(0, tn_sh_b("ethtool -L tn1 combined 0"));
}

/* A queue with a socket is not taken away. */
TEST_F(queues, channels_with_socket)
{
	struct afxdp x;

	ASSERT_EQ(0, afxdp_open(&x, "tn0", 3, XDP_ZEROCOPY));
	EXPECT_NE(0, et_sh("ethtool -L tn0 combined 2"));
	afxdp_close(&x);
	/* The pool goes a moment after its socket. */
	EXPECT_TRUE(et_wait_for(!et_sh("ethtool -L tn0 combined 2")));
	EXPECT_NE(0, afxdp_open(&x, "tn0", 3, XDP_ZEROCOPY));
	afxdp_close(&x);
}

TEST_F(queues, without_number_of_queues)
{
	ASSERT_EQ(0, tn_down());
	ASSERT_EQ(0, tn_up(""));
	EXPECT_EQ(0, et_sh("ethtool -L tn0 combined 16"));
	EXPECT_NE(0, et_sh("ethtool -L tn0 combined 17"));
	EXPECT_NE(0, et_sh("ip link add tn8 numrxqueues 65 type testnic"));
}

TN_MAIN
