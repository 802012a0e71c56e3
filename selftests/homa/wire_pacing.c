// SPDX-License-Identifier: GPL-2.0
/*
 * In which order messages are sent, and how fast, when the link is slow: here 10 Mb/s, which a full
 * packet takes 1.25 ms of. The wire itself is as fast as ever and only looks.
 */
#include "wire.h"

#define SERVER		700
#define MBPS		10
/* Bytes of a full packet on a link, headers, preamble and gap included. */
#define ON_LINK		(1500 + 38)
#define PACKET_US	(ON_LINK * 8 / MBPS)
#define LONG		40000
#define MS		200

FIXTURE(pacing)
{
	struct wire w;
	int fd;
	struct packet p;
	uint8_t buf[LONG];
};

FIXTURE_SETUP(pacing)
{
	ASSERT_EQ(0, wire_open(&self->w));
	self->fd = sock_on(HOST_A, 0);
	ASSERT_LE(0, self->fd);
	memset(self->buf, 7, sizeof(self->buf));
}

FIXTURE_TEARDOWN(pacing)
{
	homa_abort(self->fd, 0, 0);
	EXPECT_TRUE(!rpcs_idle(20)) TH_LOG("left: %s", rpcs_idle(0));
	EXPECT_EQ(0, homa_counter("frame_stale"));
	homa_close(self->fd);
	EXPECT_TRUE(!idle(20)) TH_LOG("left: %s", idle(0));
	close(self->w.fd);
}

static int segments(int len)
{
	return (len + WIRE_SEGMENT - 1) / WIRE_SEGMENT;
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ULL + t.tv_nsec / 1000;
}

static uint64_t send_request(struct __test_metadata *_metadata, FIXTURE_DATA(pacing) *self,
			     size_t len)
{
	uint64_t id;

	ASSERT_EQ(0, request(self->fd, SERVER, self->buf, len, &id, 0));
	return id;
}

/* Next DATA that is sent for the first time: its RPC. */
static uint64_t next_data(struct __test_metadata *_metadata, FIXTURE_DATA(pacing) *self)
{
	do {
		ASSERT_TRUE(wire_next_of(&self->w, &self->p, HOMA_DATA, MS));
	} while (self->p.data.retransmit);
	return be64(self->p.common.sender_id);
}

/*
 * Packets come as the link would take them, not sooner: of n packets, the last one cannot be here
 * before n - 1 have passed, but for what the NIC may hold. Nothing is said of how late they come.
 */
TEST_F(pacing, not_faster_than_the_link)
{
	const int n = segments(LONG);
	uint64_t t0 = now_us(), id = send_request(_metadata, self, LONG);
	uint32_t at = 0;
	int i;

	for (i = 0; i < n; i++) {
		ASSERT_EQ(id, next_data(_metadata, self));
		ASSERT_EQ(at, ntohl(self->p.data.offset));
		at += wire_payload(&self->p);
		ASSERT_LE(i * PACKET_US, now_us() - t0 + PACKET_US) TH_LOG("packet %d", i);
	}
	ASSERT_EQ(LONG, at);
	ASSERT_LE(n - 2, homa_counter("tx_deferred"));
}

/* A shorter message overtakes; the end of one, or all of a very short one, does not even wait. */
TEST_F(pacing, shortest_first)
{
	uint64_t a, b, c, id;
	int n[3] = {}, last[3] = {}, i, k;
	static const int want[3] = { 29, 4, 1 };

	a = send_request(_metadata, self, LONG);
	b = send_request(_metadata, self, 4 * WIRE_SEGMENT);
	c = send_request(_metadata, self, 100);
	for (i = 0; i < want[0] + want[1] + want[2]; i++) {
		id = next_data(_metadata, self);
		k = id == a ? 0 : id == b ? 1 : 2;
		ASSERT_TRUE(k < 2 || id == c);
		n[k]++;
		last[k] = i;
	}
	for (k = 0; k < 3; k++)
		ASSERT_EQ(want[k], n[k]) TH_LOG("message %d", k);
	ASSERT_LT(last[2], last[1]);
	ASSERT_LT(last[1], last[0]);
	/* At least half of the long one was still to come. */
	ASSERT_LE(want[0] / 2, last[0] - last[1]);
}

/* The oldest message goes on, one packet in twenty, although there are shorter ones. */
TEST_F(pacing, oldest_does_not_starve)
{
	const int others = 10, each = 8;
	uint64_t a = send_request(_metadata, self, LONG), id;
	int i, n = 0, left = others * each;

	for (i = 0; i < others; i++)
		send_request(_metadata, self, each * WIRE_SEGMENT);
	/* From the first packet of the others to their last. */
	while (left) {
		id = next_data(_metadata, self);
		if (id != a)
			left--;
		else if (left < others * each)
			n++;
	}
	ASSERT_LE(2, n);
	ASSERT_GE(10, n);
}

/* Who asks for a message of which nothing could be sent yet is told so, and does not give it up. */
TEST_F(pacing, what_waits_is_busy)
{
	uint64_t a, b, id;
	int i, n = 0;

	a = send_request(_metadata, self, LONG / 2);
	b = send_request(_metadata, self, LONG);
	ASSERT_EQ(a, next_data(_metadata, self));
	ASSERT_TRUE(wire_resend(&self->w, SERVER, ntohs(self->p.common.sport), b | 1, 0, ~0U, 7));
	ASSERT_TRUE(wire_next_of(&self->w, &self->p, HOMA_BUSY, MS));
	ASSERT_EQ(b, be64(self->p.common.sender_id));
	/* Nothing of it had gone before: what has, would have been sent again. */
	ASSERT_EQ(0, homa_counter("tx_data_resent"));
	/* All the rest of both. */
	for (i = 1; i < segments(LONG / 2) + segments(LONG); i++) {
		id = next_data(_metadata, self);
		ASSERT_TRUE(id == a || id == b);
		n += id == b;
	}
	ASSERT_EQ(segments(LONG), n);
}

#define SET	"--set homa_link_mbps=10 --set homa_max_link_usage=100 --set homa_max_nic_queue_usecs=40"

TEST_HARNESS_MAIN_WITH_HOSTS(1500, HOSTS_WIRE, SET)
