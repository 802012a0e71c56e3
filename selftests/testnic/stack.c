// SPDX-License-Identifier: GPL-2.0
/* The kernel's own protocols over testnic: every byte arrives, and what is sent are packets. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include "testnic_test.h"

FIXTURE(stack) { };

FIXTURE_VARIANT(stack) {
	uint32_t mtu, queues;
};

FIXTURE_VARIANT_ADD(stack, mtu_1500) { .mtu = 1500, .queues = 1 };
FIXTURE_VARIANT_ADD(stack, mtu_9000) { .mtu = 9000, .queues = 1 };
FIXTURE_VARIANT_ADD(stack, four_queues) { .mtu = 1500, .queues = 4 };

FIXTURE_SETUP(stack)
{
	char options[64];

	snprintf(options, sizeof(options), "mtu %u numrxqueues %u", variant->mtu, variant->queues);
	ASSERT_EQ(0, tn_up(options));
}

FIXTURE_TEARDOWN(stack)
{
	EXPECT_EQ(0, et_sh("ip link set tn0 down"));
	EXPECT_EQ(0, tn_sh_b("ip link set tn1 down"));
	EXPECT_EQ(0, tn_conserved("tn0", "tn1"));
	EXPECT_EQ(0, tn_conserved("tn1", "tn0"));
	EXPECT_EQ(0, tn_down());
}

static uint8_t byte_at(uint64_t at)
{
	return at * 7 + (at >> 8) * 3 + (at >> 16);
}

static int server(void)
{
	struct sockaddr_in sa = {
		.sin_family = AF_INET, .sin_port = htons(5000), .sin_addr.s_addr = INADDR_ANY,
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || listen(fd, 1))
		return et_fail("listen");
	return fd;
}

/* @bytes over TCP from a to b. */
static int tcp(uint64_t bytes)
{
	struct sockaddr_in sa = {
		.sin_family = AF_INET, .sin_port = htons(5000),
		.sin_addr.s_addr = inet_addr(ET_ADDR_B),
	};
	static uint8_t buf[65536];
	uint64_t done = 0, i;
	int srv, fd, status;
	ssize_t n = 0;
	pid_t child;

	if (et_enter(tn.b))
		return -1;
	srv = server();
	if (et_enter(tn.a) || srv < 0)
		return -1;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		return et_fail("connect");
	child = fork();
	if (!child) {
		for (done = 0; done < bytes; done += n) {
			for (i = 0; i < sizeof(buf); i++)
				buf[i] = byte_at(done + i);
			n = bytes - done < sizeof(buf) ? bytes - done : sizeof(buf);
			n = send(fd, buf, n, 0);
			if (n < 0)
				_exit(1);
		}
		_exit(0);
	}
	close(fd);
	fd = accept(srv, NULL, NULL);
	close(srv);
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		for (i = 0; i < (uint64_t)n; i++, done++)
			if (buf[i] != byte_at(done)) {
				errno = 0;
				return et_fail("byte %llu is wrong", (unsigned long long)done);
			}
	close(fd);
	if (waitpid(child, &status, 0) != child || status || done != bytes)
		return et_fail("%llu of %llu bytes came, status %d", (unsigned long long)done,
			       (unsigned long long)bytes, status);
	return 0;
}

TEST_F(stack, ping)
{
	EXPECT_EQ(0, et_sh("ping -q -c 3 -i 0.05 -W 2 -M do -s %u %s", variant->mtu - 28, ET_ADDR_B));
	EXPECT_EQ(0, et_sh("ping -q -c 3 -i 0.05 -W 2 -s 60000 %s", ET_ADDR_B));
	EXPECT_NE(0, et_sh("ping -q -c 1 -W 1 -M do -s %u %s", variant->mtu - 27, ET_ADDR_B));
}

TEST_F(stack, tcp)
{
	const uint64_t bytes = 2 << 20;

	ASSERT_EQ(0, tcp(bytes));
	/* Anything longer than the MTU would have been counted here and lost. */
	EXPECT_EQ(0, tn_counter("tn0", "tx_too_long"));
	EXPECT_GE(tn_counter("tn0", "tx_packets"), bytes / variant->mtu);
	EXPECT_GE(tn_counter("tn0", "tx_bytes"), bytes);
}

/* The receiver verifies each checksum: what is on the wire is complete. */
TEST_F(stack, checksums_are_complete)
{
	ASSERT_EQ(0, tn_sh_b("ethtool -K tn1 rx-checksumming off"));
	ASSERT_EQ(0, et_sh("ethtool -K tn0 rx-checksumming off"));
	ASSERT_EQ(0, tcp(512 << 10));
	ASSERT_EQ(0, tn_sh_b("awk '/^Tcp:/ && $15 ~ /[0-9]/ && $15 > 0 { exit 1 }' /proc/net/snmp"));
}

TEST_F(stack, without_checksum_offload)
{
	ASSERT_EQ(0, et_sh("ethtool -K tn0 tx-checksumming off"));
	ASSERT_EQ(0, tcp(512 << 10));
}

TEST_F(stack, tcp_over_a_bad_wire)
{
	static const char * const dev[] = { "tn0", "tn1" };

	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, tn_set(dev[i], "loss", 5000));
		ASSERT_EQ(0, tn_set(dev[i], "duplicate", 10000));
		ASSERT_EQ(0, tn_set(dev[i], "corrupt", 5000));
		ASSERT_EQ(0, tn_set(dev[i], "reorder", 10000));
		ASSERT_EQ(0, tn_set(dev[i], "delay_ns", 100000));
	}
	/* 1,000 packets at least: of so many, the seed has each fault strike some. */
	ASSERT_EQ(0, tcp(1000 * variant->mtu));
	EXPECT_GT(tn_counter("tn0", "wire_corrupted"), 0);
	EXPECT_GT(tn_counter("tn0", "wire_lost"), 0);
	EXPECT_GT(tn_counter("tn0", "wire_duplicated"), 0);
	EXPECT_GT(tn_counter("tn0", "wire_reordered"), 0);
}

TN_MAIN
