// SPDX-License-Identifier: GPL-2.0
/*
 * etran's TCP and the kernel's over a wire with faults (testnic): loss, reordering, duplication, corruption, a marking
 * queue; and with every combination of options that the kernel can be told to do without. Each byte is compared.
 */
#ifndef TCP_LINK
#define TCP_LINK	LINK_TESTNIC
#endif
#include "transfer.h"

FIXTURE(faults)
{
	int unused;
};

FIXTURE_VARIANT(faults)
{
	int family;
	uint64_t loss;		/* in a million packets, as all of these */
	uint64_t reorder;
	uint64_t duplicate;
	uint64_t corrupt;
};

FIXTURE_VARIANT_ADD(faults, loss_01) { .family = AF_INET, .loss = 1000 };
FIXTURE_VARIANT_ADD(faults, loss_1) { .family = AF_INET, .loss = 10000 };
FIXTURE_VARIANT_ADD(faults, loss_5) { .family = AF_INET, .loss = 50000 };
FIXTURE_VARIANT_ADD(faults, reorder_5) { .family = AF_INET, .reorder = 50000 };
FIXTURE_VARIANT_ADD(faults, duplicate_5) { .family = AF_INET, .duplicate = 50000 };
FIXTURE_VARIANT_ADD(faults, corrupt_1) { .family = AF_INET, .corrupt = 10000 };
FIXTURE_VARIANT_ADD(faults, all) {
	.family = AF_INET, .loss = 10000, .reorder = 20000, .duplicate = 20000, .corrupt = 10000,
};
FIXTURE_VARIANT_ADD(faults, all_ipv6) {
	.family = AF_INET6, .loss = 10000, .reorder = 20000, .duplicate = 20000, .corrupt = 10000,
};

FIXTURE_SETUP(faults)
{
	family = variant->family;
	ASSERT_EQ(0, link_set_both("loss", variant->loss));
	ASSERT_EQ(0, link_set_both("reorder", variant->reorder));
	ASSERT_EQ(0, link_set_both("duplicate", variant->duplicate));
	ASSERT_EQ(0, link_set_both("corrupt", variant->corrupt));
}

FIXTURE_TEARDOWN(faults)
{
	EXPECT_EQ(0, link_set_both("loss", 0));
	EXPECT_EQ(0, link_set_both("reorder", 0));
	EXPECT_EQ(0, link_set_both("duplicate", 0));
	EXPECT_EQ(0, link_set_both("corrupt", 0));
}

TEST_F(faults, connect)
{
	transfer(_metadata, false, 300000);
}

TEST_F(faults, accept)
{
	transfer(_metadata, true, 300000);
}

FIXTURE(blackout)
{
	pthread_t thread;
};

FIXTURE_VARIANT(blackout)
{
	int family;
	unsigned int after_ms;
	unsigned int ms;
};

/* Before the handshake; in the middle of 1 MB each way, which takes 400 ms and more. */
FIXTURE_VARIANT_ADD(blackout, at_once) { .family = AF_INET, .after_ms = 0, .ms = 1500 };
FIXTURE_VARIANT_ADD(blackout, second) { .family = AF_INET, .after_ms = 150, .ms = 1000 };
FIXTURE_VARIANT_ADD(blackout, ten_seconds) { .family = AF_INET, .after_ms = 150, .ms = 10000 };
FIXTURE_VARIANT_ADD(blackout, second_ipv6) { .family = AF_INET6, .after_ms = 150, .ms = 1000 };

static void *darkness(void *arg)
{
	const FIXTURE_VARIANT(blackout) *v = arg;

	if (v->after_ms) {
		usleep(v->after_ms * 1000);
		link_set_both("loss", 1000000);
	}
	usleep(v->ms * 1000);
	link_set_both("loss", 0);
	return NULL;
}

FIXTURE_SETUP(blackout)
{
	family = variant->family;
	ASSERT_EQ(0, link_set_both("rate", 20000000));
	if (!variant->after_ms)
		ASSERT_EQ(0, link_set_both("loss", 1000000));
	ASSERT_EQ(0, pthread_create(&self->thread, NULL, darkness, (void *)variant));
}

FIXTURE_TEARDOWN(blackout)
{
	pthread_join(self->thread, NULL);
	EXPECT_EQ(0, link_set_both("loss", 0));
	EXPECT_EQ(0, link_set_both("rate", 0));
}

/* Nothing passes for a while; then the connection goes on, and nothing of it is missing. */
TEST_F(blackout, connect)
{
	uint64_t timeouts = tcp_counter("rto"), begun = now_ms();

	transfer(_metadata, false, 1000000);
	EXPECT_LE(variant->ms - 100, now_ms() - begun);
	if (variant->after_ms)
		EXPECT_LT(timeouts, tcp_counter("rto"));
}

TEST_F(blackout, accept)
{
	uint64_t begun = now_ms();

	transfer(_metadata, true, 1000000);
	EXPECT_LE(variant->ms - 100, now_ms() - begun);
}

/* Options on and off at the kernel's side, in all combinations, both roles. */
TEST(combinations)
{
	static const char * const names[] = { "tcp_sack", "tcp_timestamps", "tcp_window_scaling", "tcp_ecn" };
	int i, k;

	for (i = 0; i < 16; i++) {
		for (k = 0; k < 4; k++)
			ASSERT_EQ(0, sysctl_set(HOST_B, names[k], i >> k & 1 ? "1" : "0"));
		transfer(_metadata, i & 1, 100000);
		transfer(_metadata, !(i & 1), 20000);
	}
	for (k = 0; k < 4; k++)
		ASSERT_EQ(0, sysctl_set(HOST_B, names[k], "1"));
}

/* Each congestion control, with and without ECN at the other end, while something is lost. */
TEST(congestion_controls)
{
	unsigned int cc;

	ASSERT_EQ(0, link_set_both("loss", 5000));
	for (cc = 1; cc <= 3; cc++) {
		ASSERT_TRUE(tunable("tcp_cc", cc));
		ASSERT_EQ(0, sysctl_set(HOST_B, "tcp_ecn", "1"));
		transfer(_metadata, false, 200000);
		ASSERT_EQ(0, sysctl_set(HOST_B, "tcp_ecn", "0"));
		transfer(_metadata, true, 200000);
	}
	ASSERT_EQ(0, sysctl_set(HOST_B, "tcp_ecn", "1"));
	ASSERT_TRUE(tunable("tcp_cc", 2));
	ASSERT_EQ(0, link_set_both("loss", 0));
}

FIXTURE(marking)
{
	int unused;
};

FIXTURE_VARIANT(marking)
{
	const char *peer;
};

FIXTURE_VARIANT_ADD(marking, peer_reno) { .peer = "reno" };
/* It repeats acknowledgments when marking begins or ends: RFC 8257, 3.2. */
FIXTURE_VARIANT_ADD(marking, peer_dctcp) { .peer = "dctcp" };

FIXTURE_SETUP(marking)
{
	peer_congestion = variant->peer;
	/*
	 * While it is in FIN-WAIT, Linux before 6.8 drops data whose acknowledgment is older than one that it saw, and ours
	 * is, when data waited for its time (pacing) and an ACK did not.
	 */
	peer_ends_last = true;
	ASSERT_EQ(0, sysctl_set(HOST_B, "tcp_ecn", "1"));
	ASSERT_EQ(0, link_set_both("rate", 50000000));
	ASSERT_EQ(0, link_set_both("ecn_bytes", 20000));
}

FIXTURE_TEARDOWN(marking)
{
	EXPECT_EQ(0, link_set_both("ecn_bytes", 0));
	EXPECT_EQ(0, link_set_both("rate", 0));
}

/* A slow wire that marks: DCTCP keeps its queue short, and nothing is lost. */
TEST_F(marking, loses_nothing)
{
	uint64_t cwr = tcp_counter("cwr"), again = tcp_counter("tx_retransmit");

	transfer(_metadata, false, 500000);
	ASSERT_LT(cwr, tcp_counter("cwr"));
	ASSERT_EQ(again, tcp_counter("tx_retransmit"))
		TH_LOG("%llu timeouts, %llu recoveries, %llu probes", (unsigned long long)tcp_counter("rto"),
		       (unsigned long long)tcp_counter("fast_recovery"), (unsigned long long)tcp_counter("tx_tail_probe"));
}

int main(int argc, char **argv)
{
	/* Where it is a module; nothing loads it by itself in the lab. */
	if (system("modprobe -q tcp_dctcp"))
		printf("# this kernel has no DCTCP\n");
	hosts_up(1500, "KERNEL", "");
	return test_harness_run(argc, argv);
}
