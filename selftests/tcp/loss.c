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
	const char *setting;
	uint64_t ppm;
};

FIXTURE_VARIANT_ADD(faults, loss_01) { .setting = "loss", .ppm = 1000 };
FIXTURE_VARIANT_ADD(faults, loss_1) { .setting = "loss", .ppm = 10000 };
FIXTURE_VARIANT_ADD(faults, loss_5) { .setting = "loss", .ppm = 50000 };
FIXTURE_VARIANT_ADD(faults, reorder_5) { .setting = "reorder", .ppm = 50000 };
FIXTURE_VARIANT_ADD(faults, duplicate_5) { .setting = "duplicate", .ppm = 50000 };
FIXTURE_VARIANT_ADD(faults, corrupt_1) { .setting = "corrupt", .ppm = 10000 };

FIXTURE_SETUP(faults)
{
	ASSERT_EQ(0, link_set_both(variant->setting, variant->ppm));
}

FIXTURE_TEARDOWN(faults)
{
	EXPECT_EQ(0, link_set_both(variant->setting, 0));
}

TEST_F(faults, connect)
{
	transfer(_metadata, false, 300000);
}

TEST_F(faults, accept)
{
	transfer(_metadata, true, 300000);
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
