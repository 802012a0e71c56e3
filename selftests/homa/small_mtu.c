// SPDX-License-Identifier: GPL-2.0
/* Messages of all lengths over links of the smallest MTU that hosts have: the longest are 2,000 packets. */
#include "homa_test.h"

#define PORT	300
#define MTU	576

TEST(all_lengths)
{
	static const uint32_t len[] = { 1, 500, 10000, 100000, 600000, HOMA_MAX_MESSAGE_LENGTH };
	uint8_t *out = malloc(HOMA_MAX_MESSAGE_LENGTH), *in = malloc(HOMA_MAX_MESSAGE_LENGTH);
	uint64_t resent = homa_counter("tx_data_resent");
	struct echo_server server;
	uint64_t id, cookie;
	unsigned int i;
	int fd;

	ASSERT_TRUE(out && in);
	ASSERT_EQ(0, echo_start(&server, HOST_B, PORT, 1));
	fd = sock_on(HOST_A, 0);
	ASSERT_LE(0, fd);
	for (i = 0; i < sizeof(len) / sizeof(*len); i++) {
		fill(out, len[i], i);
		ASSERT_EQ(0, request(fd, PORT, out, len[i], &id, i)) TH_LOG("%u bytes: errno %d", len[i], errno);
		ASSERT_EQ(len[i], response(fd, in, HOMA_MAX_MESSAGE_LENGTH, &id, &cookie))
			TH_LOG("%u bytes: errno %d", len[i], errno);
		ASSERT_GT(0, wrong(in, len[i], i));
	}
	homa_close(fd);
	echo_stop(&server);
	EXPECT_EQ(0, server.bad);
	EXPECT_EQ(resent, homa_counter("tx_data_resent"));
	EXPECT_EQ(0, homa_counter("rpc_failed"));
	ASSERT_IDLE(30);
	EXPECT_EQ(0, homa_counter("frame_stale"));
}

TEST_HARNESS_MAIN_WITH_HOSTS(MTU, HOSTS_BOTH, "")
