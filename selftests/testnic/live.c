// SPDX-License-Identifier: GPL-2.0
/*
 * Changes under traffic: AF_XDP sockets and the stack send in both directions without a pause while
 * the devices are taken down, changed, deleted and their module removed. What is looked at: that
 * traffic goes on after each change, that every frame is accounted for, and that the kernel says
 * nothing.
 */
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include "afxdp.h"

static atomic_bool over;

FIXTURE(live) {
	pthread_t thread[4];
	bool started;
};

struct sender {
	const char *dev;
	int ns;
	bool back;
	const char *to;
};

static const struct sender *sender_of(int i)
{
	static struct sender s[2];

	s[0] = (struct sender) { "tn0", tn.a, false, ET_ADDR_B };
	s[1] = (struct sender) { "tn1", tn.b, true, ET_ADDR_A };
	return &s[i];
}

/* An AF_XDP socket that sends and receives; what the device answers is not its concern. */
static void *afxdp_traffic(void *arg)
{
	const struct sender *s = arg;
	const uint8_t *r;
	struct afxdp x;
	uint32_t len;
	uint8_t *f;

	if (et_enter(s->ns) || afxdp_open(&x, s->dev, 0, XDP_ZEROCOPY | XDP_USE_NEED_WAKEUP)) {
		afxdp_close(&x);
		return "no socket";
	}
	while (!over) {
		for (int i = 0; i < 32 && (f = afxdp_next(&x)); i++) {
			tn_ethernet(f, s->back, TN_PROTO);
			memset(f + 14, i, 186);
			afxdp_put(&x, 200);
		}
		sendto(x.fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
		while ((r = afxdp_peek(&x, &len)))
			afxdp_done(&x);
		usleep(500);
	}
	afxdp_close(&x);
	return NULL;
}

static void *stack_traffic(void *arg)
{
	const struct sender *s = arg;
	struct sockaddr_in sa = {
		.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = inet_addr(s->to),
	};
	static char payload[20000];
	int fd;

	if (et_enter(s->ns))
		return "no namespace";
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	for (int i = 0; !over; i++) {
		sendto(fd, payload, i % 8 ? 500 : sizeof(payload), MSG_DONTWAIT,
		       (struct sockaddr *)&sa, sizeof(sa));
		usleep(500);
	}
	close(fd);
	return NULL;
}

FIXTURE_SETUP(live)
{
	ASSERT_EQ(0, tn_up("numrxqueues 4"));
	ASSERT_EQ(0, tn_xdp("tn0", "to_sockets"));
	ASSERT_EQ(0, et_enter(tn.b));
	ASSERT_EQ(0, tn_xdp("tn1", "to_sockets"));
	ASSERT_EQ(0, et_enter(tn.a));
	over = false;
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(0, pthread_create(&self->thread[i], NULL,
					    i < 2 ? afxdp_traffic : stack_traffic,
					    (void *)sender_of(i % 2)));
	self->started = true;
}

static void end_traffic(struct _test_data_live *self)
{
	void *said;

	over = true;
	for (int i = 0; self->started && i < 4; i++)
		if (!pthread_join(self->thread[i], &said) && said)
			printf("# %s\n", (char *)said);
	self->started = false;
}

FIXTURE_TEARDOWN(live)
{
	end_traffic(self);
	if (!et_enter(tn.a) && if_nametoindex("tn0")) {
		EXPECT_EQ(0, et_sh("ip link set tn0 down"));
		EXPECT_EQ(0, tn_sh_b("ip link set tn1 down"));
		EXPECT_EQ(0, tn_conserved("tn0", "tn1"));
		EXPECT_EQ(0, tn_conserved("tn1", "tn0"));
	}
	EXPECT_EQ(0, tn_down());
}

/* Both kinds of traffic pass, both ways, from now on. */
static int flows(void)
{
	static const char * const dev[] = { "tn0", "tn1" };
	static const char * const counter[] = { "rx_zerocopy", "tx_zerocopy", "rx_pass" };

	for (int d = 0; d < 2; d++)
		for (int c = 0; c < 3; c++) {
			uint64_t before = tn_counter(dev[d], counter[c]);

			errno = 0;
			if (!et_wait_for(tn_counter(dev[d], counter[c]) > before + 10))
				return et_fail("%s of %s stands still", counter[c], dev[d]);
		}
	return 0;
}

TEST_F(live, down_and_up)
{
	ASSERT_EQ(0, flows());
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, et_sh("ip link set tn0 down && ip link set tn0 up"));
		ASSERT_EQ(0, tn_sh_b("ip link set tn1 down && ip link set tn1 up"));
		ASSERT_EQ(0, flows());
	}
}

TEST_F(live, mtu)
{
	static const int mtu[] = { 9000, 576, 3000, 1500 };

	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, et_sh("ip link set tn0 mtu %d", mtu[i]));
		ASSERT_EQ(0, tn_sh_b("ip link set tn1 mtu %d", mtu[i]));
		ASSERT_EQ(0, flows());
	}
	EXPECT_NE(0, et_sh("ip link set tn0 mtu 9001"));
	EXPECT_NE(0, et_sh("ip link set tn0 mtu 575"));
	/* One end alone. */
	ASSERT_EQ(0, et_sh("ip link set tn0 mtu 9000"));
	ASSERT_EQ(0, flows());
}

TEST_F(live, channels_and_rings)
{
	for (int i = 0; i < 8; i++) {
		ASSERT_EQ(0, et_sh("ethtool -L tn0 combined %d", i % 4 + 1));
		ASSERT_EQ(0, tn_sh_b("ethtool -L tn1 combined %d", (i + 2) % 4 + 1));
		ASSERT_EQ(0, et_sh("ethtool -G tn0 rx %d", 64 << i % 3));
		ASSERT_EQ(0, flows());
	}
}

TEST_F(live, program_replaced)
{
	volatile struct tn_bss *bss = tn_bss();
	uint64_t before;

	for (int i = 0; i < 20; i++) {
		before = i % 2 ? bss->ran_sockets : bss->ran_sockets_too;
		ASSERT_EQ(0, tn_xdp("tn0", i % 2 ? "to_sockets" : "to_sockets_too"));
		EXPECT_TRUE(et_wait_for((i % 2 ? bss->ran_sockets : bss->ran_sockets_too) >
					before));
	}
	ASSERT_EQ(0, tn_xdp("tn0", NULL));
	ASSERT_EQ(0, tn_xdp("tn0", "to_sockets"));
	ASSERT_EQ(0, flows());
}

TEST_F(live, settings)
{
	static const char * const s[] = {
		"loss", "duplicate", "corrupt", "reorder", "delay_ns", "rate", "ecn_bytes",
		"trim_bytes", "completion_delay_ns",
	};

	for (int i = 0; i < 60; i++) {
		const char *name = s[i % 9];

		ASSERT_EQ(0, tn_set("tn0", name, i * 7 % 3 ? 100000 : 0));
		ASSERT_EQ(0, tn_set("tn1", name, i * 5 % 3 ? 0 : 300000));
		ASSERT_EQ(0, tn_set(i % 2 ? "tn0" : "tn1", "tx_batch", i / 9 % 2));
		usleep(20000);
		if (i % 20 == 10)
			ASSERT_EQ(0, et_sh("ip link set tn0 down && ip link set tn0 up"));
	}
	for (int i = 0; i < 9; i++) {
		ASSERT_EQ(0, tn_set("tn0", s[i], 0));
		ASSERT_EQ(0, tn_set("tn1", s[i], 0));
	}
	ASSERT_EQ(0, flows());
}

TEST_F(live, sockets_come_and_go)
{
	struct afxdp x;

	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(0, afxdp_open(&x, "tn0", 1 + i % 3, XDP_ZEROCOPY));
		ASSERT_EQ(0, afxdp_kick(&x));
		afxdp_close(&x);
	}
	ASSERT_EQ(0, flows());
}

TEST_F(live, deleted)
{
	ASSERT_EQ(0, flows());
	ASSERT_EQ(0, et_sh("ip link del tn0"));
	usleep(50000);
	ASSERT_EQ(0, et_enter(tn.b));
	EXPECT_EQ(0, if_nametoindex("tn1"));
}

TEST_F(live, namespace_gone)
{
	ASSERT_EQ(0, flows());
	/* The threads hold theirs open: a device moves to a namespace that goes with its process. */
	ASSERT_EQ(0, et_enter(tn.a));
	ASSERT_EQ(0, et_sh("unshare -n sh -c 'ip link add tn8 type testnic && ip link set tn8 up && ip link set tn9 up && ip link set tn9 netns /proc/%d/fd/%d'",
			   getpid(), tn.a));
	EXPECT_TRUE(et_wait_for(!if_nametoindex("tn9")));
	ASSERT_EQ(0, flows());
}

TEST_F(live, module_removed)
{
	ASSERT_EQ(0, flows());
	ASSERT_EQ(0, et_testnic_unload());
	EXPECT_EQ(0, if_nametoindex("tn0"));
	end_traffic(self);
	ASSERT_EQ(0, et_testnic_load());
}

TN_MAIN
