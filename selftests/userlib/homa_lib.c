// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Homa's calls on a channel without a kernel: what goes out, what comes in, who waits and wakes. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/wait.h>

#include "kselftest_harness.h"

#include "fake_channel.h"

#define PEER		0x0100007fU
/* The same as the kernel has it */
#define PEER_ADDR	{ 0, 0, htonl(0xffff), PEER }
#define PEER_PORT	99
#define SEG		1424
#define BIG		1000000

static uint8_t big[BIG], out[BIG];

FIXTURE(homa)
{
	int fd;
	struct sockaddr_in peer;
};

FIXTURE_SETUP(homa)
{
	uint32_t i;

	for (i = 0; i < BIG; i++)
		big[i] = i * 7 + (i >> 8);
	memset(out, 0, sizeof(out));
	self->fd = homa_socket(AF_INET, 0);
	ASSERT_GE(self->fd, 0);
	self->peer.sin_family = AF_INET;
	self->peer.sin_addr.s_addr = PEER;
	self->peer.sin_port = htons(PEER_PORT);
}

FIXTURE_TEARDOWN(homa)
{
	if (self->fd >= 0)
		homa_close(self->fd);
}

static int send_len(int fd, size_t len, uint64_t *id, int flags)
{
	struct sockaddr_in peer = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = PEER,
		.sin_port = htons(PEER_PORT),
	};

	return homa_send(fd, big, len, (struct sockaddr *)&peer, sizeof(peer), id, *id + 5, flags);
}

static ssize_t recv_any(int fd, int flags, uint64_t *id)
{
	*id = 0;
	return homa_recv(fd, out, sizeof(out), flags, NULL, NULL, id, NULL, NULL);
}

static void deliver(uint64_t id, uint32_t msg_len, uint32_t offset, uint32_t len)
{
	struct homa_rec rec = {
		.id = id,
		.msg_len = msg_len,
		.offset = offset,
		.addr = PEER_ADDR,
		.port = PEER_PORT,
		.len = len,
	};

	fake_deliver(HOMA_REC_DATA, &rec, big + offset);
}

static void deliver_error(uint64_t id, uint32_t error)
{
	struct homa_rec rec = { .id = id, .addr = PEER_ADDR, .port = PEER_PORT, .error = error };

	fake_deliver(HOMA_REC_ERROR, &rec, NULL);
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && p.revents & POLLIN;
}

static void pause_ms(int ms)
{
	struct timespec t = { .tv_nsec = ms * 1000000L };

	nanosleep(&t, NULL);
}

/* ---- send ---- */

FIXTURE(segments) { int fd; };
FIXTURE_SETUP(segments)
{
	uint32_t i;

	for (i = 0; i < BIG; i++)
		big[i] = i * 7 + (i >> 8);
	self->fd = homa_socket(AF_INET, 0);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(segments)
{
	homa_close(self->fd);
}

FIXTURE_VARIANT(segments) { uint32_t len, mtu, segment; };
FIXTURE_VARIANT_ADD(segments, one_byte) { .len = 1, .mtu = 1500, .segment = SEG };
FIXTURE_VARIANT_ADD(segments, just_one) { .len = SEG, .mtu = 1500, .segment = SEG };
FIXTURE_VARIANT_ADD(segments, just_over) { .len = SEG + 1, .mtu = 1500, .segment = SEG };
FIXTURE_VARIANT_ADD(segments, many) { .len = 100 * SEG - 1, .mtu = 1500, .segment = SEG };
FIXTURE_VARIANT_ADD(segments, longest) { .len = BIG, .mtu = 1500, .segment = SEG };
FIXTURE_VARIANT_ADD(segments, small_mtu) { .len = 10000, .mtu = 576, .segment = 500 };
FIXTURE_VARIANT_ADD(segments, jumbo) { .len = 10000, .mtu = 9000, .segment = 1728 };

TEST_F(segments, cut_in_order)
{
	struct fake_frame f;
	uint32_t offset = 0, want;
	uint64_t id = 0;

	fake_status(0, variant->mtu);
	ASSERT_EQ(0, send_len(self->fd, variant->len, &id, 0));
	EXPECT_EQ(FAKE_FIRST_ID, id);
	while (fake_sent(&f)) {
		want = variant->len - offset < variant->segment ? variant->len - offset :
		       variant->segment;
		ASSERT_EQ(FAKE_ENDPOINT, f.req.endpoint);
		ASSERT_EQ(HOMA_OP_REQUEST, f.req.op);
		ASSERT_EQ(0, f.req.reserved);
		ASSERT_EQ(id, f.homa.id);
		ASSERT_EQ(variant->len, f.homa.msg_len);
		ASSERT_EQ(offset, f.homa.offset);
		ASSERT_EQ(0, memcmp(f.homa.addr, (__be32[4])PEER_ADDR, 16));
		ASSERT_EQ(PEER_PORT, f.homa.port);
		ASSERT_EQ(0, f.homa.flags);
		ASSERT_EQ(want, f.len);
		ASSERT_EQ(0, memcmp(f.data, big + offset, f.len));
		offset += f.len;
	}
	EXPECT_EQ(variant->len, offset);
}

TEST_F(homa, sendv_gathers)
{
	struct iovec iov[] = {
		{ big, 10 }, { NULL, 0 }, { big + 10, 3000 }, { big + 3010, 1 },
	};
	struct fake_frame f;
	uint32_t offset = 0;
	uint64_t id;

	ASSERT_EQ(0, homa_sendv(self->fd, iov, 4, (struct sockaddr *)&self->peer,
				sizeof(self->peer), &id, 0, 0));
	for (; fake_sent(&f); offset += f.len)
		ASSERT_EQ(0, memcmp(f.data, big + offset, f.len));
	EXPECT_EQ(3011, offset);
}

#define EXPECT_ERR(err, call) do {				\
	errno = 0;						\
	EXPECT_EQ(-1, (call));					\
	EXPECT_EQ(err, errno);					\
	EXPECT_NE(0, strlen(etran_strerror_detail()));		\
} while (0)

TEST_F(homa, send_refuses)
{
	struct sockaddr_in bad = self->peer;
	struct sockaddr *dest = (struct sockaddr *)&self->peer, *b = (struct sockaddr *)&bad;
	struct iovec iov = { big, 1 };
	struct fake_frame f;
	uint64_t id = 0;

	EXPECT_ERR(EINVAL, send_len(self->fd, 0, &id, 0));
	EXPECT_ERR(EINVAL, send_len(self->fd, BIG + 1, &id, 0));
	EXPECT_ERR(EINVAL, send_len(self->fd, SIZE_MAX, &id, 0));
	EXPECT_ERR(EINVAL, send_len(self->fd, 1, &id, 0x100));
	EXPECT_ERR(EFAULT, homa_send(self->fd, NULL, 1, dest, sizeof(bad), &id, 0, 0));
	EXPECT_ERR(EINVAL, homa_send(self->fd, big, 1, NULL, sizeof(bad), &id, 0, 0));
	EXPECT_ERR(EINVAL, homa_send(self->fd, big, 1, dest, 8, &id, 0, 0));
	EXPECT_ERR(EINVAL, homa_send(self->fd, big, 1, dest, sizeof(bad), NULL, 0,
				     HOMA_SENDMSG_PRIVATE));
	EXPECT_ERR(EINVAL, homa_sendv(self->fd, &iov, 0, dest, sizeof(bad), &id, 0, 0));
	EXPECT_ERR(EINVAL, homa_sendv(self->fd, &iov, 1025, dest, sizeof(bad), &id, 0, 0));
	bad.sin_family = AF_INET6;
	EXPECT_ERR(EAFNOSUPPORT, homa_send(self->fd, big, 1, b, sizeof(bad), &id, 0, 0));
	bad = self->peer;
	bad.sin_port = 0;
	EXPECT_ERR(EINVAL, homa_send(self->fd, big, 1, b, sizeof(bad), &id, 0, 0));
	bad = self->peer;
	bad.sin_addr.s_addr = INADDR_ANY;
	EXPECT_ERR(EINVAL, homa_send(self->fd, big, 1, b, sizeof(bad), &id, 0, 0));
	EXPECT_ERR(EBADF, send_len(-1, 1, &id, 0));
	EXPECT_ERR(EBADF, send_len(9999, 1, &id, 0));
	EXPECT_ERR(ENOTSOCK, send_len(0, 1, &id, 0));
	fake_status(0, 76);
	EXPECT_ERR(EMSGSIZE, send_len(self->fd, 1, &id, 0));
	EXPECT_FALSE(fake_sent(&f));
}

TEST(socket_refuses)
{
	EXPECT_ERR(EAFNOSUPPORT, homa_socket(AF_UNIX, 0));
	EXPECT_ERR(EINVAL, homa_socket(AF_INET, 1));
	setenv("ETRAN_RX_BYTES", "many", 1);
	EXPECT_ERR(EINVAL, homa_socket(AF_INET, 0));
}

TEST_F(homa, bind_and_name)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	struct sockaddr *p = (struct sockaddr *)&a;
	socklen_t len = sizeof(a);

	EXPECT_EQ(0, homa_getsockname(self->fd, p, &len));
	EXPECT_EQ(FAKE_PORT, ntohs(a.sin_port));
	a.sin_port = 0;
	EXPECT_EQ(0, homa_bind(self->fd, p, sizeof(a)));
	a.sin_port = htons(13);
	EXPECT_ERR(EADDRINUSE, homa_bind(self->fd, p, sizeof(a)));
	a.sin_port = htons(0x8000);
	EXPECT_ERR(EINVAL, homa_bind(self->fd, p, sizeof(a)));
	a.sin_port = htons(0x7fff);
	EXPECT_EQ(0, homa_bind(self->fd, p, sizeof(a)));
	a.sin_port = 0;
	EXPECT_EQ(0, homa_getsockname(self->fd, p, &len));
	EXPECT_EQ(0x7fff, ntohs(a.sin_port));
	len = 4;
	EXPECT_ERR(EINVAL, homa_getsockname(self->fd, p, &len));
	a.sin_family = AF_INET6;
	EXPECT_ERR(EAFNOSUPPORT, homa_bind(self->fd, p, sizeof(a)));
}

/* ---- receive ---- */

TEST_F(homa, response)
{
	struct sockaddr_in src = { 0 };
	size_t srclen = sizeof(src), msglen = 0;
	uint64_t id = 0, got = 0, cookie = 0;

	ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
	deliver(id, 100, 0, 100);
	EXPECT_TRUE(readable(self->fd));
	ASSERT_EQ(100, homa_recv(self->fd, out, sizeof(out), HOMA_RECV_RESPONSE,
				 (struct sockaddr *)&src, &srclen, &got, &msglen, &cookie));
	EXPECT_EQ(id, got);
	EXPECT_EQ(100, msglen);
	EXPECT_EQ(5, cookie);
	EXPECT_EQ(PEER, src.sin_addr.s_addr);
	EXPECT_EQ(PEER_PORT, ntohs(src.sin_port));
	EXPECT_EQ(sizeof(src), srclen);
	EXPECT_EQ(0, memcmp(out, big, 100));
	EXPECT_FALSE(readable(self->fd));
	/* It is over now. */
	EXPECT_ERR(EINVAL, homa_recv(self->fd, out, 1, 0, NULL, NULL, &id, NULL, NULL));
}

TEST_F(homa, pieces_in_any_order_and_twice)
{
	static const int order[] = { 3, 1, 1, 0, 4, 3, 2, 0 };
	uint64_t id = 0;
	size_t i;

	ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
	for (i = 0; i < 8; i++)
		deliver(id, 5 * SEG, order[i] * SEG, SEG);
	ASSERT_EQ(5 * SEG, recv_any(self->fd, HOMA_RECV_RESPONSE, &id));
	EXPECT_EQ(0, memcmp(out, big, 5 * SEG));
	EXPECT_ERR(EAGAIN, recv_any(self->fd, HOMA_RECV_RESPONSE | HOMA_RECV_NONBLOCKING, &id));
	EXPECT_EQ(0, id);
}

/* Of two messages the first lies whole in the ring, which ends with the beginning of a third. */
TEST_F(homa, whole_messages_in_the_ring)
{
	uint64_t id;
	uint32_t i;

	for (i = 0; i < 3; i++)
		deliver(1, 2 * SEG + 10, i * SEG, i < 2 ? SEG : 10);
	for (i = 0; i < 2; i++)
		deliver(3, 2 * SEG, i * SEG, SEG);
	deliver(5, 3 * SEG, 0, SEG);
	ASSERT_EQ(2 * SEG + 10, recv_any(self->fd, HOMA_RECV_REQUEST, &id));
	EXPECT_EQ(1, id);
	EXPECT_EQ(0, memcmp(out, big, 2 * SEG + 10));
	EXPECT_EQ(3, fake_rx_queued());
	ASSERT_EQ(2 * SEG, recv_any(self->fd, HOMA_RECV_REQUEST, &id));
	EXPECT_EQ(3, id);
	EXPECT_EQ(0, memcmp(out, big, 2 * SEG));
	EXPECT_EQ(1, fake_rx_queued());
	/* What is not returned is not written to. */
	memset(out, 0x55, sizeof(out));
	EXPECT_ERR(EAGAIN, recv_any(self->fd, HOMA_RECV_REQUEST | HOMA_RECV_NONBLOCKING, &id));
	EXPECT_EQ(0x55, out[0]);
	for (i = 1; i < 3; i++)
		deliver(5, 3 * SEG, i * SEG, SEG);
	ASSERT_EQ(3 * SEG, recv_any(self->fd, HOMA_RECV_REQUEST, &id));
	EXPECT_EQ(5, id);
	EXPECT_EQ(0, memcmp(out, big, 3 * SEG));
	EXPECT_EQ(FAKE_RX_FRAMES, fake_rx_buffers());
}

/* Something lies between the packets of a message, which is whole all the same, or does not fit it. */
TEST_F(homa, message_in_the_ring_with_others_between)
{
	struct homa_rec rec = {
		.id = 1, .msg_len = 3 * SEG, .addr = PEER_ADDR, .port = PEER_PORT + 1, .len = SEG,
	};
	uint64_t id;

	deliver(1, 3 * SEG, 0, SEG);
	deliver(3, 10, 0, 10);
	deliver(1, 3 * SEG, SEG, SEG);
	/* Of another client; then of another length. */
	rec.offset = 2 * SEG;
	fake_deliver(HOMA_REC_DATA, &rec, big);
	rec.port = PEER_PORT;
	rec.msg_len = 4 * SEG;
	fake_deliver(HOMA_REC_DATA, &rec, big);
	deliver(1, 3 * SEG, 2 * SEG, SEG);
	ASSERT_EQ(10, recv_any(self->fd, HOMA_RECV_REQUEST, &id));
	EXPECT_EQ(3, id);
	ASSERT_EQ(3 * SEG, recv_any(self->fd, HOMA_RECV_REQUEST, &id));
	EXPECT_EQ(1, id);
	EXPECT_EQ(0, memcmp(out, big, 3 * SEG));
}

/* More packets than are looked at together: around that number, of the same length each. */
TEST_F(homa, messages_of_very_many_packets)
{
	uint64_t id = 1;
	uint32_t n, i;

	for (n = 126; n < 131; n++) {
		for (i = 0; i < n; i++)
			deliver(2 * n + 1, n * 100, i * 100, 100);
		memset(out, 0, n * 100);
		ASSERT_EQ(n * 100, recv_any(self->fd, HOMA_RECV_REQUEST, &id));
		EXPECT_EQ(2 * n + 1, id);
		EXPECT_EQ(0, memcmp(out, big, n * 100));
		EXPECT_EQ(FAKE_RX_FRAMES, fake_rx_buffers());
	}
}

TEST_F(homa, longest_message)
{
	uint64_t id = 0;
	uint32_t off;

	ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
	for (off = 0; off < BIG; off += SEG)
		deliver(id, BIG, off, BIG - off < SEG ? BIG - off : SEG);
	ASSERT_EQ(BIG, recv_any(self->fd, HOMA_RECV_RESPONSE, &id));
	EXPECT_EQ(0, memcmp(out, big, BIG));
}

TEST_F(homa, takes_no_more_than_it_needs)
{
	uint64_t id;

	deliver(1, 10, 0, 10);
	deliver(3, 10, 0, 10);
	deliver(5, 10, 0, 10);
	ASSERT_EQ(10, recv_any(self->fd, HOMA_RECV_REQUEST, &id));
	EXPECT_EQ(1, id);
	EXPECT_EQ(2, fake_rx_queued());
	EXPECT_TRUE(readable(self->fd));
	ASSERT_EQ(10, recv_any(self->fd, HOMA_RECV_REQUEST, &id));
	ASSERT_EQ(10, recv_any(self->fd, HOMA_RECV_REQUEST, &id));
	EXPECT_FALSE(readable(self->fd));
}

TEST_F(homa, poll_tells_of_what_was_put_aside)
{
	uint64_t id = 0, req;

	ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
	deliver(1, 10, 0, 10);
	deliver(id, 10, 0, 10);
	ASSERT_EQ(10, homa_recv(self->fd, out, 10, 0, NULL, NULL, &id, NULL, NULL));
	EXPECT_EQ(0, fake_rx_queued());
	EXPECT_EQ(1, fake_ready());
	EXPECT_TRUE(readable(self->fd));
	ASSERT_EQ(10, recv_any(self->fd, HOMA_RECV_REQUEST, &req));
	EXPECT_EQ(0, fake_ready());
	EXPECT_FALSE(readable(self->fd));
}

TEST_F(homa, private_responses_are_for_their_caller)
{
	uint64_t id = 0, any;

	ASSERT_EQ(0, send_len(self->fd, 10, &id, HOMA_SENDMSG_PRIVATE));
	deliver(id, 10, 0, 10);
	EXPECT_ERR(EAGAIN, recv_any(self->fd, HOMA_RECV_RESPONSE | MSG_DONTWAIT, &any));
	/* Nobody who only polls must be told: homa_recv() would not return it. */
	EXPECT_EQ(0, fake_ready());
	EXPECT_FALSE(readable(self->fd));
	EXPECT_EQ(10, homa_recv(self->fd, out, 10, 0, NULL, NULL, &id, NULL, NULL));
}

TEST_F(homa, too_small_a_buffer_loses_nothing)
{
	uint64_t id = 0, any = 0;
	size_t msglen;

	ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
	deliver(id, 3000, 0, SEG);
	deliver(id, 3000, SEG, SEG);
	deliver(id, 3000, 2 * SEG, 3000 - 2 * SEG);
	deliver(1, 50, 0, 50);
	EXPECT_ERR(EMSGSIZE, homa_recv(self->fd, out, 100, HOMA_RECV_RESPONSE, NULL, NULL, &any,
				       &msglen, NULL));
	EXPECT_EQ(id, any);
	EXPECT_EQ(3000, msglen);
	EXPECT_EQ(1, fake_ready());
	any = 0;
	EXPECT_EQ(3000, homa_recv(self->fd, out, 3000, HOMA_RECV_RESPONSE, NULL, NULL, &any,
				  &msglen, NULL));
	EXPECT_EQ(0, memcmp(out, big, 3000));
	any = 0;
	/* A message of one packet, no buffer at all. */
	EXPECT_ERR(EMSGSIZE, homa_recv(self->fd, NULL, 0, HOMA_RECV_REQUEST, NULL, NULL, &any,
				       &msglen, NULL));
	EXPECT_EQ(1, any);
	EXPECT_EQ(50, msglen);
	EXPECT_EQ(50, recv_any(self->fd, HOMA_RECV_REQUEST, &any));
	EXPECT_FALSE(readable(self->fd));
}

TEST_F(homa, failed_rpc)
{
	struct sockaddr_in src;
	size_t srclen = sizeof(src);
	uint64_t id = 0, any = 0, cookie = 0;

	ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
	deliver(id, 3000, 0, SEG);
	deliver_error(id, ETIMEDOUT);
	EXPECT_ERR(ETIMEDOUT, homa_recv(self->fd, out, 10, HOMA_RECV_RESPONSE,
					(struct sockaddr *)&src, &srclen, &any, NULL, &cookie));
	EXPECT_EQ(id, any);
	EXPECT_EQ(5, cookie);
	EXPECT_EQ(PEER, src.sin_addr.s_addr);
	/* What still comes of it is nobody's. */
	deliver(id, 3000, SEG, SEG);
	deliver_error(id, ETIMEDOUT);
	EXPECT_ERR(EAGAIN, recv_any(self->fd, HOMA_RECV_RESPONSE | MSG_DONTWAIT, &any));
}

TEST_F(homa, absurd_error_is_eio)
{
	uint64_t id = 0, any;

	ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
	deliver_error(id, 0x80000000);
	EXPECT_ERR(EIO, recv_any(self->fd, HOMA_RECV_RESPONSE, &any));
}

TEST_F(homa, recv_refuses)
{
	struct sockaddr_in src;
	size_t srclen = 4;
	uint64_t id = 0;

	EXPECT_ERR(EINVAL, recv_any(self->fd, 0, &id));
	EXPECT_ERR(EINVAL, recv_any(self->fd, HOMA_RECV_REQUEST | 8, &id));
	EXPECT_ERR(EINVAL, homa_recv(self->fd, out, 1, HOMA_RECV_REQUEST, (struct sockaddr *)&src,
				     &srclen, &id, NULL, NULL));
	EXPECT_ERR(EFAULT, homa_recv(self->fd, out, 1, HOMA_RECV_REQUEST, NULL, NULL, NULL, NULL,
				     NULL));
	EXPECT_ERR(EFAULT, homa_recv(self->fd, NULL, 1, HOMA_RECV_REQUEST, NULL, NULL, &id, NULL,
				     NULL));
	id = 4711;
	EXPECT_ERR(EINVAL, homa_recv(self->fd, out, 1, 0, NULL, NULL, &id, NULL, NULL));
	id = FAKE_FIRST_ID;
	EXPECT_ERR(EINVAL, homa_recv(self->fd, out, 1, 0, NULL, NULL, &id, NULL, NULL));
	EXPECT_ERR(EBADF, recv_any(-1, HOMA_RECV_REQUEST, &id));
}

TEST_F(homa, bad_records_are_ignored)
{
	struct homa_rec rec = { .id = 1, .addr = PEER_ADDR, .port = PEER_PORT };
	struct etran_rec er = { .endpoint = FAKE_ENDPOINT + 1, .type = HOMA_REC_DATA };
	uint8_t frame[64 + 100] = { 0 };
	uint64_t id = 0, any;

	ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
	rec.len = 10;
	rec.msg_len = 0;
	fake_deliver(HOMA_REC_DATA, &rec, big);
	rec.msg_len = BIG + 1;
	fake_deliver(HOMA_REC_DATA, &rec, big);
	rec.msg_len = 5;
	fake_deliver(HOMA_REC_DATA, &rec, big);
	rec.msg_len = 20;
	rec.offset = 11;
	fake_deliver(HOMA_REC_DATA, &rec, big);
	rec.offset = 0xfffffff8;
	fake_deliver(HOMA_REC_DATA, &rec, big);
	rec.offset = 0;
	rec.len = 0;
	fake_deliver(HOMA_REC_DATA, &rec, big);
	rec.id = 0;
	rec.len = 20;
	fake_deliver(HOMA_REC_DATA, &rec, big);
	fake_deliver(77, &rec, big);
	/* Longer than its frame. */
	rec.id = 1;
	rec.msg_len = 200;
	rec.len = 200;
	er.endpoint = FAKE_ENDPOINT;
	memcpy(er.data, &rec, sizeof(rec));
	memcpy(frame, &er, sizeof(er));
	fake_raw(frame, sizeof(frame));
	/* For another endpoint. */
	rec.msg_len = rec.len = 100;
	er.endpoint = FAKE_ENDPOINT + 1;
	memcpy(er.data, &rec, sizeof(rec));
	memcpy(frame, &er, sizeof(er));
	fake_raw(frame, sizeof(frame));
	/* A response from somebody else. */
	rec.id = id;
	rec.addr[3] = PEER + 1;
	fake_deliver(HOMA_REC_DATA, &rec, big);
	/* A message that changes its length. */
	deliver(id, 3000, 0, SEG);
	deliver(id, 2 * SEG, SEG, SEG);
	EXPECT_ERR(EAGAIN, recv_any(self->fd, HOMA_RECV_REQUEST | HOMA_RECV_RESPONSE |
				    HOMA_RECV_NONBLOCKING, &any));
	EXPECT_EQ(0, fake_rx_queued());
	deliver(id, 3000, SEG, SEG);
	deliver(id, 3000, 2 * SEG, 3000 - 2 * SEG);
	EXPECT_EQ(3000, recv_any(self->fd, HOMA_RECV_RESPONSE, &any));
}

/* ---- reply ---- */

static ssize_t reply(int fd, struct sockaddr_in *peer, size_t len, uint64_t id)
{
	return homa_reply(fd, big, len, (struct sockaddr *)peer, sizeof(*peer), id);
}

TEST_F(homa, reply_once_to_the_right_one)
{
	struct sockaddr_in other = self->peer;
	struct fake_frame f;
	uint64_t id;

	EXPECT_ERR(EINVAL, reply(self->fd, &self->peer, 10, 1));
	deliver(1, 10, 0, 10);
	/* Nobody has received it yet. */
	EXPECT_ERR(EINVAL, reply(self->fd, &self->peer, 10, 1));
	ASSERT_EQ(10, recv_any(self->fd, HOMA_RECV_REQUEST, &id));
	other.sin_port++;
	EXPECT_ERR(EINVAL, reply(self->fd, &other, 10, 1));
	EXPECT_ERR(EINVAL, reply(self->fd, &self->peer, 10, 3));
	EXPECT_ERR(EINVAL, reply(self->fd, &self->peer, 10, 2));
	EXPECT_ERR(EINVAL, reply(self->fd, &self->peer, 0, 1));
	EXPECT_ERR(EINVAL, reply(self->fd, &self->peer, BIG + 1, 1));
	EXPECT_EQ(0, reply(self->fd, &self->peer, 10, 1));
	ASSERT_TRUE(fake_sent(&f));
	EXPECT_EQ(HOMA_OP_RESPONSE, f.req.op);
	EXPECT_EQ(1, f.homa.id);
	EXPECT_EQ(10, f.homa.msg_len);
	EXPECT_ERR(EINVAL, reply(self->fd, &self->peer, 10, 1));
}

TEST_F(homa, same_id_of_two_clients)
{
	struct homa_rec rec = { .id = 1, .msg_len = 4, .len = 4, .addr = PEER_ADDR, .port = 1 };
	struct sockaddr_in src, first;
	size_t len = sizeof(src);
	uint64_t id = 0;

	fake_deliver(HOMA_REC_DATA, &rec, big);
	rec.port = 2;
	fake_deliver(HOMA_REC_DATA, &rec, big);
	ASSERT_EQ(4, homa_recv(self->fd, out, 4, HOMA_RECV_REQUEST, (struct sockaddr *)&first,
			       &len, &id, NULL, NULL));
	id = 0;
	ASSERT_EQ(4, homa_recv(self->fd, out, 4, HOMA_RECV_REQUEST, (struct sockaddr *)&src,
			       &len, &id, NULL, NULL));
	EXPECT_NE(first.sin_port, src.sin_port);
	EXPECT_EQ(0, reply(self->fd, &src, 4, 1));
	EXPECT_EQ(0, reply(self->fd, &first, 4, 1));
}

TEST_F(homa, copies_of_a_request_run_it_once)
{
	const int flags = HOMA_RECV_REQUEST | HOMA_RECV_NONBLOCKING;
	uint64_t id;

	deliver(1, 10, 0, 10);
	deliver(1, 10, 0, 10);
	ASSERT_EQ(10, recv_any(self->fd, flags, &id));
	EXPECT_ERR(EAGAIN, recv_any(self->fd, flags, &id));
	deliver(1, 10, 0, 10);
	EXPECT_ERR(EAGAIN, recv_any(self->fd, flags, &id));
	ASSERT_EQ(0, reply(self->fd, &self->peer, 10, 1));
	/* The kernel still has the response: the client has not acknowledged it. */
	deliver(1, 10, 0, 10);
	EXPECT_ERR(EAGAIN, recv_any(self->fd, flags, &id));
}

/* A client's host that starts anew uses ids again, while we still have what was of the old RPC. */
TEST_F(homa, request_of_a_later_generation_is_a_new_one)
{
	const int flags = HOMA_RECV_REQUEST | HOMA_RECV_NONBLOCKING;
	struct homa_rec rec = { .id = 1, .msg_len = 10, .addr = PEER_ADDR, .port = PEER_PORT, .len = 10,
				.generation = 5 };
	uint64_t id;

	fake_deliver(HOMA_REC_DATA, &rec, big);
	ASSERT_EQ(10, recv_any(self->fd, flags, &id));
	ASSERT_EQ(0, reply(self->fd, &self->peer, 10, 1));
	fake_deliver(HOMA_REC_DATA, &rec, big);
	EXPECT_ERR(EAGAIN, recv_any(self->fd, flags, &id));
	rec.generation = 7;
	fake_deliver(HOMA_REC_DATA, &rec, big);
	ASSERT_EQ(10, recv_any(self->fd, flags, &id));
	ASSERT_EQ(0, reply(self->fd, &self->peer, 10, 1));
	/* Half of one is no part of the next. */
	rec.msg_len = 20;
	rec.generation = 9;
	fake_deliver(HOMA_REC_DATA, &rec, big);
	rec.generation = 11;
	fake_deliver(HOMA_REC_DATA, &rec, big);
	EXPECT_ERR(EAGAIN, recv_any(self->fd, flags, &id));
	rec.offset = 10;
	fake_deliver(HOMA_REC_DATA, &rec, big + 10);
	ASSERT_EQ(20, recv_any(self->fd, flags, &id));
}

TEST_F(homa, request_that_ends_half_way)
{
	uint64_t id;

	deliver(1, 3000, 0, SEG);
	EXPECT_ERR(EAGAIN, recv_any(self->fd, HOMA_RECV_REQUEST | MSG_DONTWAIT, &id));
	deliver_error(1, ETIMEDOUT);
	EXPECT_ERR(EAGAIN, recv_any(self->fd, HOMA_RECV_REQUEST | MSG_DONTWAIT, &id));
	/* The id begins afresh. */
	deliver(1, 20, 0, 20);
	EXPECT_EQ(20, recv_any(self->fd, HOMA_RECV_REQUEST | MSG_DONTWAIT, &id));
}

/* ---- frames ---- */

FIXTURE(few_frames) { int fd; struct sockaddr_in peer; };
FIXTURE_SETUP(few_frames)
{
	setenv("ETRAN_TX_FRAMES", "64", 1);
	setenv("ETRAN_RX_BYTES", "1048576", 1);
	self->fd = homa_socket(AF_INET, 0);
	ASSERT_GE(self->fd, 0);
	self->peer = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = PEER,
		.sin_port = htons(PEER_PORT),
	};
}

FIXTURE_TEARDOWN(few_frames)
{
	if (self->fd >= 0)
		homa_close(self->fd);
}

static unsigned int count_sent(void)
{
	struct fake_frame f;
	unsigned int n = 0;

	while (fake_sent(&f))
		n++;
	return n;
}

TEST_F(few_frames, whole_message_or_nothing)
{
	uint64_t id = 0;

	/* Requests may have 48 of the 64 frames. */
	EXPECT_ERR(EMSGSIZE, send_len(self->fd, 49 * SEG, &id, 0));
	ASSERT_EQ(0, send_len(self->fd, 40 * SEG, &id, 0));
	EXPECT_EQ(40, count_sent());
	EXPECT_ERR(EAGAIN, send_len(self->fd, 9 * SEG, &id, MSG_DONTWAIT));
	EXPECT_EQ(0, count_sent());
	ASSERT_EQ(0, send_len(self->fd, 8 * SEG, &id, MSG_DONTWAIT));
	EXPECT_EQ(FAKE_FIRST_ID + 2, id);
	EXPECT_EQ(8, count_sent());
	EXPECT_ERR(EAGAIN, send_len(self->fd, 1, &id, MSG_DONTWAIT));
	fcntl(self->fd, F_SETFL, O_NONBLOCK);
	EXPECT_ERR(EAGAIN, send_len(self->fd, 1, &id, 0));
	fake_release();
	EXPECT_EQ(0, send_len(self->fd, 48 * SEG, &id, 0));
	EXPECT_EQ(48, count_sent());
}

TEST_F(few_frames, requests_leave_room_for_replies)
{
	uint64_t id = 0;

	ASSERT_EQ(0, send_len(self->fd, 48 * SEG, &id, 0));
	deliver(1, 10, 0, 10);
	ASSERT_EQ(10, recv_any(self->fd, HOMA_RECV_REQUEST, &id));
	EXPECT_EQ(0, reply(self->fd, &self->peer, 8 * SEG, 1));
	EXPECT_EQ(56, count_sent());
}

TEST_F(few_frames, aborts_always_find_one)
{
	uint64_t id = 0;
	int i;

	ASSERT_EQ(0, send_len(self->fd, 48 * SEG, &id, 0));
	deliver(1, 10, 0, 10);
	ASSERT_EQ(10, recv_any(self->fd, HOMA_RECV_REQUEST, &id));
	ASSERT_EQ(0, reply(self->fd, &self->peer, 8 * SEG, 1));
	EXPECT_EQ(0, homa_abort(self->fd, FAKE_FIRST_ID, 0));
	for (i = 0; i < 7; i++)
		EXPECT_EQ(0, homa_abort(self->fd, 0, 0));
	EXPECT_ERR(EAGAIN, homa_abort(self->fd, 0, 0));
}

struct thread {
	int fd;
	uint64_t id;
	size_t len;
	int flags;
	ssize_t ret;
	int err;
	volatile int done;
	pthread_t t;
};

static void *send_thread(void *arg)
{
	struct thread *t = arg;

	t->ret = send_len(t->fd, t->len, &t->id, 0);
	t->err = errno;
	t->done = 1;
	return NULL;
}

static void *recv_thread(void *arg)
{
	uint8_t buf[4096];
	struct thread *t = arg;

	t->ret = homa_recv(t->fd, buf, sizeof(buf), t->flags, NULL, NULL, &t->id, NULL, NULL);
	t->err = errno;
	if (t->ret > 0 && memcmp(buf, big, t->ret))
		t->ret = -2;
	__atomic_store_n(&t->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

TEST_F(few_frames, sender_waits_and_keeps_receiving)
{
	struct thread t = { .fd = self->fd, .len = 20 * SEG };
	uint64_t id = 0, any;
	int i;

	ASSERT_EQ(0, send_len(self->fd, 40 * SEG, &id, 0));
	ASSERT_EQ(0, pthread_create(&t.t, NULL, send_thread, &t));
	for (i = 0; i < 1000 && !fake_waits(); i++)
		pause_ms(1);
	/* The response must get out of the ring although nobody is in homa_recv(). */
	deliver(id, 10, 0, 10);
	for (i = 0; i < 1000 && fake_rx_queued(); i++)
		pause_ms(1);
	EXPECT_EQ(0, fake_rx_queued());
	EXPECT_EQ(1, fake_ready());
	EXPECT_TRUE(readable(self->fd));
	EXPECT_EQ(0, t.done);
	fake_release();
	pthread_join(t.t, NULL);
	EXPECT_EQ(0, t.ret);
	EXPECT_EQ(20, count_sent());
	EXPECT_EQ(10, recv_any(self->fd, HOMA_RECV_RESPONSE, &any));
	EXPECT_EQ(id, any);
	EXPECT_EQ(0, fake_ready());
}

TEST_F(few_frames, large_sender_is_not_overtaken)
{
	struct thread t = { .fd = self->fd, .len = 20 * SEG };
	uint64_t id = 0;
	int i;

	ASSERT_EQ(0, send_len(self->fd, 40 * SEG, &id, 0));
	ASSERT_EQ(0, pthread_create(&t.t, NULL, send_thread, &t));
	for (i = 0; i < 1000 && !fake_waits(); i++)
		pause_ms(1);
	/* There are frames for this one, but it comes later. */
	EXPECT_ERR(EAGAIN, send_len(self->fd, 1, &id, MSG_DONTWAIT));
	fake_release();
	pthread_join(t.t, NULL);
	EXPECT_EQ(0, t.ret);
	EXPECT_EQ(0, send_len(self->fd, 1, &id, MSG_DONTWAIT));
}

TEST_F(few_frames, close_wakes_sender)
{
	struct thread t = { .fd = self->fd, .len = 20 * SEG };
	uint64_t id = 0;
	int i;

	ASSERT_EQ(0, send_len(self->fd, 40 * SEG, &id, 0));
	ASSERT_EQ(0, pthread_create(&t.t, NULL, send_thread, &t));
	for (i = 0; i < 1000 && !fake_waits(); i++)
		pause_ms(1);
	EXPECT_EQ(0, homa_close(self->fd));
	self->fd = -1;
	pthread_join(t.t, NULL);
	EXPECT_EQ(-1, t.ret);
	EXPECT_EQ(EBADF, t.err);
}

TEST_F(few_frames, incoming_memory_is_bounded)
{
	uint32_t i;
	uint64_t id = 0;

	/* 2000 requests of which one packet each comes: 2.8 MB, with room for 1 MB. */
	for (i = 0; i < 2000; i++) {
		deliver(2 * i + 1, BIG, 0, SEG);
		EXPECT_ERR(EAGAIN, recv_any(self->fd, HOMA_RECV_REQUEST | MSG_DONTWAIT, &id));
	}
	/* The youngest is still there, the oldest is not: its rest makes no message. */
	deliver(4001, SEG + 1, 0, SEG);
	deliver(4001, SEG + 1, SEG, 1);
	EXPECT_EQ(SEG + 1, recv_any(self->fd, HOMA_RECV_REQUEST | MSG_DONTWAIT, &id));
	for (i = SEG; i < BIG; i += SEG) {
		deliver(1, BIG, i, BIG - i < SEG ? BIG - i : SEG);
		EXPECT_ERR(EAGAIN, recv_any(self->fd, HOMA_RECV_REQUEST | MSG_DONTWAIT, &id));
	}
	for (i = SEG; i < BIG; i += SEG) {
		deliver(3999, BIG, i, BIG - i < SEG ? BIG - i : SEG);
		if (BIG - i > SEG)
			EXPECT_ERR(EAGAIN, recv_any(self->fd, HOMA_RECV_REQUEST | MSG_DONTWAIT,
						    &id));
	}
}

/* ---- threads ---- */

#define THREADS	8

static void wait_sleeping(void)
{
	/* No state says that a thread is in poll(); an early delivery is a valid case as well. */
	pause_ms(50);
}

TEST_F(homa, each_thread_gets_its_own)
{
	struct thread t[THREADS] = { 0 };
	uint64_t id[THREADS] = { 0 };
	int i;

	for (i = 0; i < THREADS; i++) {
		ASSERT_EQ(0, send_len(self->fd, 10, &id[i], i & 1 ? HOMA_SENDMSG_PRIVATE : 0));
		t[i].fd = self->fd;
		t[i].id = id[i];
		ASSERT_EQ(0, pthread_create(&t[i].t, NULL, recv_thread, &t[i]));
	}
	wait_sleeping();
	for (i = THREADS - 1; i >= 0; i--) {
		deliver(id[i], 2000 + i, 0, SEG);
		deliver(id[i], 2000 + i, SEG, 2000 + i - SEG);
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(t[i].t, NULL);
		EXPECT_EQ(2000 + i, t[i].ret);
		EXPECT_EQ(id[i], t[i].id);
	}
	EXPECT_EQ(0, fake_ready());
}

TEST_F(homa, many_servers_share_requests)
{
	struct thread t[THREADS] = { 0 };
	uint64_t seen = 0;
	int i;

	for (i = 0; i < THREADS; i++) {
		t[i].fd = self->fd;
		t[i].flags = HOMA_RECV_REQUEST;
		ASSERT_EQ(0, pthread_create(&t[i].t, NULL, recv_thread, &t[i]));
	}
	wait_sleeping();
	for (i = 0; i < THREADS; i++)
		deliver(2 * i + 1, 10, 0, 10);
	for (i = 0; i < THREADS; i++) {
		pthread_join(t[i].t, NULL);
		EXPECT_EQ(10, t[i].ret);
		seen |= 1ULL << (t[i].id >> 1);
	}
	EXPECT_EQ(0xff, seen);
}

TEST_F(homa, waiting_beside_messages_for_others)
{
	struct thread t = { .fd = self->fd };
	struct timespec before, after;
	uint64_t id = 0, any;

	ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
	t.id = id;
	deliver(1, 10, 0, 10);
	ASSERT_EQ(0, pthread_create(&t.t, NULL, recv_thread, &t));
	pause_ms(20);
	/* The request has been put aside, the descriptor is readable: the thread must not spin. */
	EXPECT_EQ(1, fake_ready());
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	pause_ms(200);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	EXPECT_LT((after.tv_sec - before.tv_sec) * 1000000000L + after.tv_nsec - before.tv_nsec,
		  50000000L);
	EXPECT_EQ(0, t.done);
	deliver(id, 10, 0, 10);
	pthread_join(t.t, NULL);
	EXPECT_EQ(10, t.ret);
	EXPECT_EQ(10, recv_any(self->fd, HOMA_RECV_REQUEST, &any));
}

TEST_F(homa, another_thread_finds_it)
{
	struct thread t = { .fd = self->fd, .flags = HOMA_RECV_REQUEST };
	struct thread u = { .fd = self->fd };
	uint64_t id = 0;

	ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
	u.id = id;
	/* t polls the endpoint, u sleeps apart; then t leaves, u has to take over. */
	ASSERT_EQ(0, pthread_create(&t.t, NULL, recv_thread, &t));
	pause_ms(30);
	ASSERT_EQ(0, pthread_create(&u.t, NULL, recv_thread, &u));
	pause_ms(30);
	deliver(1, 10, 0, 10);
	pthread_join(t.t, NULL);
	EXPECT_EQ(10, t.ret);
	pause_ms(30);
	deliver(id, 10, 0, 10);
	pthread_join(u.t, NULL);
	EXPECT_EQ(10, u.ret);
}

TEST_F(homa, close_wakes_receivers)
{
	struct thread t[3] = { 0 };
	int i;

	for (i = 0; i < 3; i++) {
		t[i].fd = self->fd;
		t[i].flags = HOMA_RECV_REQUEST;
		ASSERT_EQ(0, pthread_create(&t[i].t, NULL, recv_thread, &t[i]));
	}
	wait_sleeping();
	EXPECT_EQ(0, homa_close(self->fd));
	for (i = 0; i < 3; i++) {
		pthread_join(t[i].t, NULL);
		EXPECT_EQ(-1, t[i].ret);
		EXPECT_EQ(EBADF, t[i].err);
	}
	EXPECT_ERR(EBADF, homa_close(self->fd));
	self->fd = -1;
}

static void nothing(int sig)
{
	(void)sig;
}

TEST_F(homa, signal_interrupts)
{
	struct sigaction sa = { .sa_handler = nothing };
	struct thread t[2] = { 0 };
	uint64_t id = 0;
	int i;

	sigaction(SIGUSR1, &sa, NULL);
	for (i = 0; i < 2; i++) {
		t[i].fd = self->fd;
		t[i].flags = HOMA_RECV_REQUEST;
		ASSERT_EQ(0, pthread_create(&t[i].t, NULL, recv_thread, &t[i]));
		pause_ms(30);
	}
	/* The second sleeps on an eventfd. */
	for (i = 1; i >= 0; i--) {
		/* Before it sleeps a signal interrupts nothing. */
		do {
			pthread_kill(t[i].t, SIGUSR1);
			pause_ms(10);
		} while (!__atomic_load_n(&t[i].done, __ATOMIC_ACQUIRE));
		pthread_join(t[i].t, NULL);
		EXPECT_EQ(-1, t[i].ret);
		EXPECT_EQ(EINTR, t[i].err);
		EXPECT_EQ(0, t[i].id);
	}
	/* The socket is none the worse for it. */
	deliver(1, 10, 0, 10);
	EXPECT_EQ(10, recv_any(self->fd, HOMA_RECV_REQUEST, &id));
}

/* ---- pages ---- */

/* homa_recv_pages() of any message; the bytes are put together in out. */
static ssize_t recv_pages(int fd, int flags, uint64_t *id, struct iovec *iov, int *n)
{
	size_t at = 0, msglen = 0;
	ssize_t len;
	int i;

	*id = 0;
	*n = HOMA_MAX_PIECES;
	len = homa_recv_pages(fd, iov, n, flags | HOMA_RECV_REQUEST | HOMA_RECV_RESPONSE, NULL, NULL,
			      id, &msglen, NULL);
	if (len < 0)
		return len;
	for (i = 0; i < *n; at += iov[i++].iov_len)
		memcpy(out + at, iov[i].iov_base, iov[i].iov_len);
	if (at != (size_t)len || msglen != at) {
		errno = EPROTO;
		return -1;
	}
	return len;
}

/* A message from offset 0 on in packets of SEG bytes. */
static void deliver_all(uint64_t id, uint32_t len)
{
	uint32_t at;

	for (at = 0; at < len; at += SEG)
		deliver(id, len, at, len - at < SEG ? len - at : SEG);
}

FIXTURE(pages) {
	int fd;
	struct sockaddr_in peer;
	struct iovec iov[HOMA_MAX_PIECES];
	int n;
};

FIXTURE_SETUP(pages)
{
	uint64_t id;
	uint32_t i;

	for (i = 0; i < BIG; i++)
		big[i] = i * 7 + (i >> 8);
	memset(out, 0, sizeof(out));
	setenv("ETRAN_RX_BYTES", "8388608", 1);
	self->fd = homa_socket(AF_INET, 0);
	ASSERT_GE(self->fd, 0);
	self->peer.sin_family = AF_INET;
	self->peer.sin_addr.s_addr = PEER;
	self->peer.sin_port = htons(PEER_PORT);
	/* Pages from here on. */
	ASSERT_EQ(-1, recv_pages(self->fd, MSG_DONTWAIT, &id, self->iov, &self->n));
	ASSERT_EQ(EAGAIN, errno);
}

FIXTURE_TEARDOWN(pages)
{
	if (self->fd >= 0)
		homa_close(self->fd);
}

TEST_F(pages, lie_in_the_frames_until_given_back)
{
	uint64_t id = 0, any;
	unsigned int given;
	int i;

	ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
	deliver_all(id, 5 * SEG - 7);
	ASSERT_EQ(5 * SEG - 7, recv_pages(self->fd, 0, &any, self->iov, &self->n));
	EXPECT_EQ(id, any);
	EXPECT_EQ(5, self->n);
	EXPECT_EQ(0, memcmp(out, big, 5 * SEG - 7));
	EXPECT_EQ(FAKE_RX_FRAMES - 5, fake_rx_buffers());
	/* They are the caller's while others come and go. */
	for (i = 0; i < 2 * FAKE_RX_FRAMES; i++) {
		deliver(2 * i + 1, 10, 20, 0);
		deliver(2 * i + 1, 10, 0, 10);
		ASSERT_EQ(10, recv_any(self->fd, HOMA_RECV_REQUEST, &any));
	}
	for (i = 0; i < 5; i++)
		EXPECT_EQ(0, memcmp(self->iov[i].iov_base, big + i * SEG, self->iov[i].iov_len));
	given = fake_given();
	/* Some, then the rest; any address in a piece. */
	EXPECT_EQ(0, homa_release_pages(self->fd, self->iov + 3, 2));
	EXPECT_EQ(FAKE_RX_FRAMES - 3, fake_rx_buffers());
	self->iov[0].iov_base = (uint8_t *)self->iov[0].iov_base + 100;
	self->iov[0].iov_len = 0;
	EXPECT_EQ(0, homa_release_pages(self->fd, self->iov, 3));
	EXPECT_EQ(FAKE_RX_FRAMES, fake_rx_buffers());
	EXPECT_LT(given, fake_given());
	EXPECT_EQ(0, homa_release_pages(self->fd, NULL, 0));
}

TEST_F(pages, pieces_in_any_order_twice_and_overlapping)
{
	static const struct { uint32_t from, to; } part[] = {
		{ 3000, 4000 }, { 1000, 2000 }, { 1000, 2000 }, { 0, 500 }, { 400, 1200 },
		{ 4000, 4100 }, { 3500, 4100 }, { 1500, 2500 }, { 4099, 5000 }, { 2400, 3600 },
	};
	uint64_t id = 0, any;
	size_t i;

	ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
	for (i = 0; i < sizeof(part) / sizeof(part[0]); i++)
		deliver(id, 5000, part[i].from, part[i].to - part[i].from);
	ASSERT_EQ(5000, recv_pages(self->fd, 0, &any, self->iov, &self->n));
	EXPECT_EQ(0, memcmp(out, big, 5000));
	EXPECT_EQ(FAKE_RX_FRAMES - self->n, fake_rx_buffers());
	EXPECT_EQ(0, homa_release_pages(self->fd, self->iov, self->n));
	EXPECT_EQ(FAKE_RX_FRAMES, fake_rx_buffers());
}

TEST_F(pages, packet_that_fills_two_holes)
{
	uint64_t id = 0, any;

	ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
	deliver(id, 5000, 1000, 100);
	deliver(id, 5000, 3000, 100);
	deliver(id, 5000, 500, 1400);
	deliver(id, 5000, 1900, 1400);
	deliver(id, 5000, 0, 1400);
	deliver(id, 5000, 3300, 1700);
	ASSERT_EQ(5000, recv_pages(self->fd, 0, &any, self->iov, &self->n));
	EXPECT_EQ(1, self->n);
	EXPECT_EQ(0, memcmp(out, big, 5000));
	EXPECT_EQ(FAKE_RX_FRAMES, fake_rx_buffers());
	EXPECT_EQ(0, homa_release_pages(self->fd, self->iov, self->n));
	EXPECT_ERR(EINVAL, homa_release_pages(self->fd, self->iov, self->n));
}

/* The same bytes as reassembly in memory, whatever comes. */
TEST_F(pages, random_pieces)
{
	uint32_t seed = 1, len, got, from, n, round;
	static uint8_t have[20000];
	uint64_t id = 0, any;

	for (round = 0; round < 300; round++) {
		ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
		fake_release();
		len = 1 + (seed = seed * 1103515245 + 12345) / 65536 % sizeof(have);
		memset(have, 0, len);
		for (got = 0; got < len; ) {
			from = (seed = seed * 1103515245 + 12345) / 65536 % len;
			if (round % 2)
				from = from / 500 * 500;
			else if (have[from] && seed % 8)
				for (from = 0; have[from]; from++)
					;
			n = 1 + (seed = seed * 1103515245 + 12345) / 65536 % 1500;
			if (round % 2)
				n = 500;
			if (n > len - from)
				n = len - from;
			deliver(id, len, from, n);
			for (; n; n--, from++) {
				got += !have[from];
				have[from] = 1;
			}
			if (got < len)
				EXPECT_ERR(EAGAIN, recv_pages(self->fd, MSG_DONTWAIT, &any, self->iov,
							      &self->n));
		}
		ASSERT_EQ(len, recv_pages(self->fd, 0, &any, self->iov, &self->n));
		ASSERT_EQ(0, memcmp(out, big, len));
		ASSERT_EQ(0, homa_release_pages(self->fd, self->iov, self->n));
		ASSERT_EQ(FAKE_RX_FRAMES, fake_rx_buffers());
	}
}

TEST_F(pages, refused)
{
	uint8_t foreign[8];
	struct iovec bad = { foreign, 8 }, two[2];
	uint64_t id = 0, any;
	int n = 1, other;

	ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
	deliver_all(id, 3 * SEG);
	deliver(1, 3 * SEG, 0, SEG);
	EXPECT_ERR(EINVAL, recv_pages(self->fd, 0x100, &any, self->iov, &self->n));
	EXPECT_ERR(EFAULT, homa_recv_pages(self->fd, NULL, &n, HOMA_RECV_RESPONSE, NULL, NULL, &any, NULL,
					   NULL));
	EXPECT_ERR(EFAULT, homa_recv_pages(self->fd, self->iov, NULL, HOMA_RECV_RESPONSE, NULL, NULL, &any,
					   NULL, NULL));
	n = -1;
	EXPECT_ERR(EINVAL, homa_recv_pages(self->fd, self->iov, &n, HOMA_RECV_RESPONSE, NULL, NULL, &any,
					   NULL, NULL));
	ASSERT_EQ(3 * SEG, recv_pages(self->fd, 0, &any, self->iov, &self->n));
	/* What is part of a message that nobody has received is nobody's. */
	EXPECT_ERR(EAGAIN, recv_pages(self->fd, MSG_DONTWAIT, &any, two, &n));
	two[0] = self->iov[0];
	two[0].iov_base = (uint8_t *)self->iov[2].iov_base +
			  ((uint8_t *)self->iov[2].iov_base - (uint8_t *)self->iov[1].iov_base);
	EXPECT_ERR(EINVAL, homa_release_pages(self->fd, two, 1));
	EXPECT_ERR(EINVAL, homa_release_pages(self->fd, &bad, 1));
	bad.iov_base = NULL;
	EXPECT_ERR(EINVAL, homa_release_pages(self->fd, &bad, 1));
	EXPECT_ERR(EFAULT, homa_release_pages(self->fd, NULL, 1));
	EXPECT_ERR(EINVAL, homa_release_pages(self->fd, self->iov, -1));
	EXPECT_ERR(ENOTSOCK, homa_release_pages(0, self->iov, 1));
	/* All or none. */
	two[0] = self->iov[0];
	two[1] = bad;
	EXPECT_ERR(EINVAL, homa_release_pages(self->fd, two, 2));
	two[1] = two[0];
	EXPECT_ERR(EINVAL, homa_release_pages(self->fd, two, 2));
	EXPECT_EQ(FAKE_RX_FRAMES - 4, fake_rx_buffers());
	EXPECT_EQ(0, homa_release_pages(self->fd, two, 1));
	EXPECT_ERR(EINVAL, homa_release_pages(self->fd, two, 1));
	EXPECT_ERR(EINVAL, homa_release_pages(self->fd, self->iov, 3));
	/* Another socket's. */
	other = homa_socket(AF_INET, 0);
	ASSERT_GE(other, 0);
	EXPECT_ERR(EINVAL, homa_release_pages(other, self->iov + 1, 2));
	EXPECT_EQ(0, homa_release_pages(self->fd, self->iov + 1, 2));
	homa_close(other);
	homa_close(self->fd);
	EXPECT_ERR(EBADF, homa_release_pages(self->fd, self->iov, 1));
	self->fd = -1;
}

TEST_F(pages, too_few_pieces_lose_nothing)
{
	uint64_t id = 0, any = 0;
	size_t msglen;
	int n = 2;

	ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
	deliver_all(id, 3 * SEG);
	EXPECT_ERR(EMSGSIZE, homa_recv_pages(self->fd, self->iov, &n, HOMA_RECV_RESPONSE, NULL, NULL, &any,
					     &msglen, NULL));
	EXPECT_EQ(id, any);
	EXPECT_EQ(3, n);
	EXPECT_EQ(3 * SEG, msglen);
	EXPECT_EQ(1, fake_ready());
	/* Copied by homa_recv(), the frames go back. */
	EXPECT_EQ(3 * SEG, recv_any(self->fd, HOMA_RECV_RESPONSE, &any));
	EXPECT_EQ(0, memcmp(out, big, 3 * SEG));
	EXPECT_EQ(FAKE_RX_FRAMES, fake_rx_buffers());
}

TEST_F(pages, echo_from_where_it_lies)
{
	struct fake_frame f;
	uint32_t at = 0;
	uint64_t id;

	deliver_all(1, 4 * SEG + 5);
	ASSERT_EQ(4 * SEG + 5, recv_pages(self->fd, 0, &id, self->iov, &self->n));
	ASSERT_EQ(0, homa_replyv(self->fd, self->iov, self->n, (struct sockaddr *)&self->peer,
				 sizeof(self->peer), id));
	ASSERT_EQ(0, homa_release_pages(self->fd, self->iov, self->n));
	for (; fake_sent(&f); at += f.len)
		ASSERT_EQ(0, memcmp(f.data, big + at, f.len));
	EXPECT_EQ(4 * SEG + 5, at);
}

TEST_F(pages, of_messages_that_end_come_back)
{
	uint64_t id = 0, any;

	ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
	deliver(id, 3 * SEG, 0, SEG);
	deliver(1, 3 * SEG, 0, SEG);
	deliver(3, 3 * SEG, 0, SEG);
	EXPECT_ERR(EAGAIN, recv_pages(self->fd, MSG_DONTWAIT, &any, self->iov, &self->n));
	EXPECT_EQ(FAKE_RX_FRAMES - 3, fake_rx_buffers());
	deliver_error(1, ETIMEDOUT);
	deliver_error(id, ETIMEDOUT);
	any = 0;
	EXPECT_ERR(ETIMEDOUT, recv_pages(self->fd, MSG_DONTWAIT, &any, self->iov, &self->n));
	EXPECT_EQ(id, any);
	EXPECT_EQ(FAKE_RX_FRAMES - 1, fake_rx_buffers());
	ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
	deliver_all(id, 2 * SEG);
	any = 0;
	EXPECT_ERR(EAGAIN, homa_recv_pages(self->fd, self->iov, &self->n, HOMA_RECV_REQUEST | MSG_DONTWAIT,
					   NULL, NULL, &any, NULL, NULL));
	EXPECT_EQ(FAKE_RX_FRAMES - 3, fake_rx_buffers());
	EXPECT_EQ(0, homa_abort(self->fd, id, 0));
	EXPECT_EQ(FAKE_RX_FRAMES - 1, fake_rx_buffers());
}

/* Messages that need all frames between them, and none can end before another one does. */
TEST_F(pages, unfinished_messages_do_not_starve_each_other)
{
	const uint32_t packets = 700;
	uint32_t i, k;
	uint64_t id;

	for (k = 0; k < packets; k++)
		for (i = 0; i < 5; i++) {
			ASSERT_LT(0, fake_rx_buffers());
			deliver(2 * i + 1, packets * SEG, k * SEG, SEG);
			if (k < packets - 1)
				EXPECT_ERR(EAGAIN, recv_pages(self->fd, MSG_DONTWAIT, &id, self->iov,
							      &self->n));
		}
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(packets * SEG, recv_pages(self->fd, 0, &id, self->iov, &self->n));
		EXPECT_EQ(0, memcmp(out, big, packets * SEG));
		EXPECT_EQ(0, homa_release_pages(self->fd, self->iov, self->n));
	}
	EXPECT_EQ(FAKE_RX_FRAMES, fake_rx_buffers());
}

static void *pages_thread(void *arg)
{
	struct thread *t = arg;
	struct iovec iov[8];
	int n = 8;

	t->ret = homa_recv_pages(t->fd, iov, &n, HOMA_RECV_REQUEST, NULL, NULL, &t->id, NULL, NULL);
	t->err = errno;
	if (t->ret >= 0 && (memcmp(iov[0].iov_base, big, iov[0].iov_len) ||
			    homa_release_pages(t->fd, iov, n)))
		t->ret = -2;
	t->done = 1;
	return NULL;
}

TEST_F(pages, who_keeps_half_gets_no_more)
{
	struct thread t = { .fd = self->fd };
	unsigned int had = 0, all, count;
	struct iovec *kept, *p;
	uint64_t id;
	int i;

	kept = calloc(FAKE_RX_FRAMES, sizeof(*kept));
	ASSERT_NE(NULL, kept);
	for (all = 0; fake_rx_buffers() >= 100; all += 2)
		deliver_all(all + 1, 100 * SEG);
	/* Whatever waits is in frames: nobody copied it behind the application's back. */
	while (recv_pages(self->fd, MSG_DONTWAIT, &id, self->iov, &self->n) >= 0) {
		memcpy(kept + had, self->iov, self->n * sizeof(*kept));
		had += self->n;
	}
	EXPECT_EQ(ENOBUFS, errno);
	EXPECT_LE(FAKE_RX_FRAMES / 2, had);
	EXPECT_GE(FAKE_RX_FRAMES / 2 + 100, had);
	count = fake_rx_queued();
	EXPECT_LT(FAKE_RX_FRAMES / 4, count);
	EXPECT_GT(100, fake_rx_buffers());
	EXPECT_ERR(ENOBUFS, recv_any(self->fd, HOMA_RECV_REQUEST | MSG_DONTWAIT, &id));
	/* Who may wait does, and does not spin meanwhile. */
	ASSERT_EQ(0, pthread_create(&t.t, NULL, pages_thread, &t));
	pause_ms(50);
	EXPECT_EQ(0, t.done);
	EXPECT_EQ(count, fake_rx_queued());
	/* Pages come back one by one, in any order; then it goes on. */
	for (i = had - 1, p = kept + i; i >= 0; i--, p--)
		ASSERT_EQ(0, homa_release_pages(self->fd, p, 1));
	pthread_join(t.t, NULL);
	/* It has room for 8 pieces. */
	EXPECT_EQ(-1, t.ret);
	EXPECT_EQ(EMSGSIZE, t.err);
	while (recv_pages(self->fd, MSG_DONTWAIT, &id, self->iov, &self->n) >= 0) {
		EXPECT_EQ(0, memcmp(out, big, 100 * SEG));
		ASSERT_EQ(0, homa_release_pages(self->fd, self->iov, self->n));
	}
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, fake_rx_queued());
	free(kept);
}

static void *share_pages(void *arg)
{
	struct iovec iov[8];
	intptr_t done = 0;
	int n, i, fd = *(int *)arg;
	uint64_t id;
	ssize_t len;
	size_t at;

	for (;;) {
		id = 0;
		n = 8;
		len = homa_recv_pages(fd, iov, &n, HOMA_RECV_REQUEST, NULL, NULL, &id, NULL, NULL);
		if (len < 0)
			return errno == EBADF ? (void *)done : (void *)-1;
		for (i = 0, at = 0; i < n; at += iov[i++].iov_len)
			if (memcmp(iov[i].iov_base, big + at, iov[i].iov_len))
				return (void *)-1;
		if (id % 3 == 0)
			usleep(100);
		/* In two parts. */
		if (homa_release_pages(fd, iov, n / 2) ||
		    homa_release_pages(fd, iov + n / 2, n - n / 2) ||
		    !homa_release_pages(fd, iov, n))
			return (void *)-1;
		done++;
	}
}

TEST_F(pages, threads_share_a_socket)
{
	const unsigned int messages = 3000;
	intptr_t sum = 0;
	pthread_t t[4];
	uint32_t i;
	void *ret;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, pthread_create(&t[i], NULL, share_pages, &self->fd));
	for (i = 0; i < messages; i++) {
		while (fake_rx_buffers() < 8)
			usleep(100);
		deliver_all(2 * i + 1, 1 + i * 37 % (6 * SEG));
	}
	for (i = 0; i < 5000 && fake_rx_buffers() < FAKE_RX_FRAMES; i++)
		pause_ms(1);
	EXPECT_EQ(FAKE_RX_FRAMES, fake_rx_buffers());
	homa_close(self->fd);
	self->fd = -1;
	for (i = 0; i < 4; i++) {
		pthread_join(t[i], &ret);
		ASSERT_NE(-1, (intptr_t)ret);
		sum += (intptr_t)ret;
	}
	EXPECT_EQ(messages, sum);
}

/* Sockets that end with pages out, in every state: for the sanitizers. */
TEST_F(pages, closed_with_pages_out)
{
	uint64_t id, mine = 0;

	ASSERT_EQ(0, send_len(self->fd, 10, &mine, HOMA_SENDMSG_PRIVATE));
	deliver_all(mine, 3 * SEG);
	deliver_all(1, 3 * SEG);
	deliver(3, 3 * SEG, SEG, SEG);
	deliver(3, 3 * SEG, 0, 3 * SEG < 1700 ? SEG : 1400);
	deliver(5, 5000, 1000, 100);
	deliver(5, 5000, 3000, 100);
	deliver(5, 5000, 900, 1700);
	deliver(5, 5000, 2600, 1700);
	deliver(5, 5000, 0, 900);
	deliver(5, 5000, 4300, 700);
	ASSERT_EQ(3 * SEG, recv_pages(self->fd, 0, &id, self->iov, &self->n));
	ASSERT_EQ(5000, recv_pages(self->fd, 0, &id, self->iov, &self->n));
}

/* ---- spinning ---- */

/* So long that a wait which is shorter is no accident, and a test that spins in vain is noticed. */
#define SPIN_US		HOMA_MAX_SPIN_US

/* One wait of a thread: until @sleeps, and @ms longer. Return: how often it slept; -1 on failure. */
static int waited(int fd, uint64_t id, bool sleeps, int ms)
{
	struct thread t = { .fd = fd, .flags = HOMA_RECV_REQUEST };
	unsigned int was = fake_sleeps();

	if (pthread_create(&t.t, NULL, recv_thread, &t))
		return -1;
	while (sleeps && fake_sleeps() == was)
		pause_ms(1);
	pause_ms(ms);
	deliver(id, 10, 0, 10);
	pthread_join(t.t, NULL);
	return t.ret == 10 ? (int)(fake_sleeps() - was) : -1;
}

/* Of the processor, whatever else the machine does. */
static long used_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000L + t.tv_nsec / 1000000;
}

TEST_F(homa, nobody_spins_unless_told_to)
{
	long begin = used_ms();
	uint64_t id;

	for (id = 1; id < 20; id += 2)
		ASSERT_LT(0, waited(self->fd, id, true, 1));
	ASSERT_EQ(0, homa_set_spin(self->fd, SPIN_US));
	ASSERT_EQ(0, homa_set_spin(self->fd, 0));
	for (; id < 40; id += 2)
		ASSERT_LT(0, waited(self->fd, id, true, 1));
	EXPECT_GT(500, used_ms() - begin);
	EXPECT_ERR(EINVAL, homa_set_spin(self->fd, HOMA_MAX_SPIN_US + 1));
	EXPECT_ERR(EBADF, homa_set_spin(-1, 1));
	setenv("ETRAN_SPIN_US", "1000001", 1);
	EXPECT_ERR(EINVAL, homa_socket(AF_INET, 0));
	setenv("ETRAN_SPIN_US", "soon", 1);
	EXPECT_ERR(EINVAL, homa_socket(AF_INET, 0));
}

TEST_F(homa, spins_while_messages_come)
{
	uint64_t id;

	ASSERT_EQ(0, homa_set_spin(self->fd, SPIN_US));
	/* The first tells how long it takes. */
	EXPECT_LT(0, waited(self->fd, 1, true, 1));
	for (id = 3; id < 20; id += 2)
		ASSERT_EQ(0, waited(self->fd, id, false, 5)) TH_LOG("id %d", (int)id);
	ASSERT_EQ(0, homa_set_spin(self->fd, 0));
	EXPECT_LT(0, waited(self->fd, id, true, 1));
}

TEST_F(homa, spins_as_the_environment_says)
{
	uint64_t id;
	int fd;

	setenv("ETRAN_SPIN_US", "1000000", 1);
	fd = homa_socket(AF_INET, 0);
	ASSERT_GE(fd, 0);
	EXPECT_LT(0, waited(fd, 1, true, 1));
	for (id = 3; id < 10; id += 2)
		EXPECT_EQ(0, waited(fd, id, false, 5));
	homa_close(fd);
}

TEST_F(homa, spins_less_when_it_does_not_help)
{
	long begin;
	uint64_t id;
	int i;

	ASSERT_EQ(0, homa_set_spin(self->fd, 20000));
	EXPECT_LT(0, waited(self->fd, 1, true, 0));
	/* From 20 ms to less than 1 us in 15 waits. */
	for (i = 0, id = 3; i < 15; i++, id += 2)
		EXPECT_LT(0, waited(self->fd, id, true, 25));
	begin = used_ms();
	for (i = 0; i < 10; i++, id += 2)
		EXPECT_LT(0, waited(self->fd, id, true, 25));
	EXPECT_GT(100, used_ms() - begin);
}

/* What ends a sleep ends a spin: here one of a second. */
TEST_F(homa, spin_ends_when_a_sleep_would)
{
	struct thread t = { .fd = self->fd };
	uint64_t id = 0;
	int i;

	for (i = 0; i < 3; i++) {
		struct timespec before, after;

		ASSERT_EQ(0, homa_set_spin(self->fd, HOMA_MAX_SPIN_US));
		ASSERT_LE(0, waited(self->fd, 2 * i + 1, !i, 1));
		ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
		t = (struct thread){ .fd = self->fd, .id = id };
		ASSERT_EQ(0, pthread_create(&t.t, NULL, recv_thread, &t));
		pause_ms(20);
		clock_gettime(CLOCK_MONOTONIC, &before);
		if (i == 0) {
			ASSERT_EQ(0, homa_abort(self->fd, id, ECONNABORTED));
		} else if (i == 1) {
			fake_status(ETRAN_STATUS_NO_TRANSPORT, 1500);
		} else {
			homa_close(self->fd);
			self->fd = -1;
		}
		pthread_join(t.t, NULL);
		clock_gettime(CLOCK_MONOTONIC, &after);
		EXPECT_EQ(-1, t.ret);
		EXPECT_EQ(i == 0 ? ECONNABORTED : i == 1 ? ESHUTDOWN : EBADF, t.err);
		EXPECT_GT(900, (after.tv_sec - before.tv_sec) * 1000 +
			  (after.tv_nsec - before.tv_nsec) / 1000000);
		if (i == 1)
			fake_status(0, 1500);
	}
}

TEST_F(homa, spinning_does_not_make_a_nonblocking_socket_wait)
{
	uint64_t id;
	int i;

	ASSERT_EQ(0, homa_set_spin(self->fd, HOMA_MAX_SPIN_US));
	fcntl(self->fd, F_SETFL, O_NONBLOCK);
	for (i = 0; i < 5; i++) {
		EXPECT_ERR(EAGAIN, recv_any(self->fd, HOMA_RECV_REQUEST, &id));
		EXPECT_EQ(i + 1, fake_sleeps());
	}
}

TEST_F(homa, spinning_threads_share)
{
	struct thread t[THREADS] = { 0 };
	int i, k;

	ASSERT_EQ(0, homa_set_spin(self->fd, 2000));
	for (k = 0; k < 50; k++) {
		for (i = 0; i < THREADS; i++) {
			t[i] = (struct thread){ .fd = self->fd, .flags = HOMA_RECV_REQUEST };
			ASSERT_EQ(0, pthread_create(&t[i].t, NULL, recv_thread, &t[i]));
		}
		for (i = 0; i < THREADS; i++)
			deliver(2 * (k * THREADS + i) + 1, 10, 0, 10);
		for (i = 0; i < THREADS; i++) {
			pthread_join(t[i].t, NULL);
			ASSERT_EQ(10, t[i].ret);
		}
	}
}

/* ---- ends ---- */

TEST_F(homa, giving_up)
{
	struct thread t = { .fd = self->fd };
	struct fake_frame f;
	uint64_t id[3] = { 0 }, any;
	int i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, send_len(self->fd, 10, &id[i], 0));
	fake_release();
	ASSERT_EQ(0, homa_abort(self->fd, id[0], 0));
	ASSERT_TRUE(fake_sent(&f));
	EXPECT_EQ(HOMA_OP_ABORT, f.req.op);
	EXPECT_EQ(id[0], f.homa.id);
	EXPECT_EQ(0, f.len);
	deliver(id[0], 10, 0, 10);
	EXPECT_ERR(EAGAIN, recv_any(self->fd, HOMA_RECV_RESPONSE | MSG_DONTWAIT, &any));
	EXPECT_ERR(EINVAL, homa_abort(self->fd, id[0], 0));
	EXPECT_ERR(EINVAL, homa_abort(self->fd, id[1], -1));
	EXPECT_ERR(EINVAL, homa_abort(self->fd, id[1], 4096));

	ASSERT_EQ(0, homa_abort(self->fd, id[1], ECONNABORTED));
	EXPECT_TRUE(readable(self->fd));
	EXPECT_ERR(ECONNABORTED, recv_any(self->fd, HOMA_RECV_RESPONSE, &any));
	EXPECT_EQ(id[1], any);

	t.id = id[2];
	ASSERT_EQ(0, pthread_create(&t.t, NULL, recv_thread, &t));
	pause_ms(30);
	ASSERT_EQ(0, homa_abort(self->fd, 0, 0));
	pthread_join(t.t, NULL);
	EXPECT_EQ(-1, t.ret);
	EXPECT_EQ(ECANCELED, t.err);
}

TEST_F(homa, device_and_transport_gone)
{
	uint64_t id = 0, any;

	ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
	deliver(id, 10, 0, 10);
	fake_status(ETRAN_STATUS_NO_TRANSPORT, 1500);
	/* What has arrived can still be had. */
	EXPECT_EQ(10, recv_any(self->fd, HOMA_RECV_RESPONSE, &any));
	EXPECT_ERR(ESHUTDOWN, recv_any(self->fd, HOMA_RECV_RESPONSE, &any));
	EXPECT_ERR(ESHUTDOWN, send_len(self->fd, 10, &id, 0));
	EXPECT_ERR(ESHUTDOWN, homa_abort(self->fd, 0, 0));
	fake_status(ETRAN_STATUS_NO_TRANSPORT | ETRAN_STATUS_DEVICE_GONE, 0);
	EXPECT_ERR(ENETDOWN, recv_any(self->fd, HOMA_RECV_RESPONSE, &any));
	EXPECT_ERR(ENETDOWN, send_len(self->fd, 10, &id, 0));
}

TEST_F(homa, child_must_not_use_it)
{
	uint64_t id = 0, any;
	int status, fd;
	pid_t pid;

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (send_len(self->fd, 10, &id, 0) != -1 || errno != EBADF)
			_exit(1);
		if (recv_any(self->fd, HOMA_RECV_REQUEST, &any) != -1 || errno != EBADF)
			_exit(2);
		if (homa_close(self->fd))
			_exit(3);
		fd = homa_socket(AF_INET, 0);
		if (fd < 0 || send_len(fd, 10, &id, 0))
			_exit(4);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, send_len(self->fd, 10, &id, 0));
}

TEST_F(homa, number_reused_after_close)
{
	uint64_t id = 0;
	int fd;

	/* close() instead of homa_close(): the number comes back as another socket. */
	close(self->fd);
	fd = homa_socket(AF_INET, 0);
	if (fd != self->fd)
		homa_close(fd);
	else
		EXPECT_EQ(0, send_len(fd, 10, &id, 0));
}

/* ---- several messages a system call ---- */

TEST_F(homa, batch_leaves_when_it_is_full)
{
	uint64_t id = 0, any;
	int i;

	ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
	EXPECT_EQ(0, fake_waiting());
	ASSERT_EQ(0, homa_set_batch(self->fd, 4));
	/* Requests and replies alike. */
	deliver(1, 10, 0, 10);
	ASSERT_EQ(10, recv_any(self->fd, HOMA_RECV_REQUEST, &any));
	ASSERT_EQ(0, reply(self->fd, &self->peer, 10, any));
	EXPECT_EQ(1, fake_waiting());
	for (i = 2; i < 4; i++) {
		ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
		EXPECT_EQ(i, fake_waiting());
	}
	ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
	EXPECT_EQ(0, fake_waiting());
	ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
	EXPECT_EQ(1, fake_waiting());
	EXPECT_EQ(0, homa_flush(self->fd));
	EXPECT_EQ(0, fake_waiting());
	ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
	ASSERT_EQ(0, homa_set_batch(self->fd, 1));
	EXPECT_EQ(0, fake_waiting());
	ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
	EXPECT_EQ(0, fake_waiting());
}

TEST_F(homa, batch_leaves_before_anybody_waits)
{
	struct thread t = { .fd = self->fd, .flags = HOMA_RECV_REQUEST };
	struct thread u = { .fd = self->fd, .flags = HOMA_RECV_RESPONSE };
	uint64_t id = 0, any;
	int spin;

	ASSERT_EQ(0, homa_set_batch(self->fd, HOMA_MAX_BATCH));
	ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
	ASSERT_EQ(1, fake_waiting());
	/* As long as there is something to receive it may wait. */
	deliver(1, 10, 0, 10);
	ASSERT_EQ(10, recv_any(self->fd, HOMA_RECV_REQUEST | HOMA_RECV_NONBLOCKING, &any));
	EXPECT_EQ(1, fake_waiting());
	EXPECT_ERR(EAGAIN, recv_any(self->fd, HOMA_RECV_REQUEST | HOMA_RECV_NONBLOCKING, &any));
	EXPECT_EQ(0, fake_waiting());
	for (spin = 0; spin < 2; spin++) {
		ASSERT_EQ(0, homa_set_spin(self->fd, spin ? HOMA_MAX_SPIN_US : 0));
		t.id = 0;
		u.id = 0;
		/* One that sleeps on the endpoint, one that does not. */
		ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
		ASSERT_EQ(1, fake_waiting());
		ASSERT_EQ(0, pthread_create(&t.t, NULL, recv_thread, &t));
		pause_ms(30);
		EXPECT_EQ(0, fake_waiting());
		ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
		ASSERT_EQ(1, fake_waiting());
		ASSERT_EQ(0, pthread_create(&u.t, NULL, recv_thread, &u));
		pause_ms(30);
		EXPECT_EQ(0, fake_waiting());
		deliver(3 + 2 * spin, 10, 0, 10);
		pthread_join(t.t, NULL);
		EXPECT_EQ(10, t.ret);
		deliver(id, 10, 0, 10);
		pthread_join(u.t, NULL);
		EXPECT_EQ(10, u.ret);
	}
}

TEST_F(homa, batch_that_cannot_be)
{
	uint64_t id = 0;

	EXPECT_ERR(EINVAL, homa_set_batch(self->fd, 0));
	EXPECT_ERR(EINVAL, homa_set_batch(self->fd, HOMA_MAX_BATCH + 1));
	EXPECT_ERR(EBADF, homa_set_batch(-1, 1));
	EXPECT_ERR(EBADF, homa_flush(-1));
	ASSERT_EQ(0, homa_set_batch(self->fd, 2));
	ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
	fake_status(ETRAN_STATUS_DEVICE_GONE, 0);
	EXPECT_ERR(ENETDOWN, homa_flush(self->fd));
}

static int closing_fd, closing_errno[3];

static void use_while_closing(void)
{
	uint64_t id = 0, any;

	send_len(closing_fd, 10, &id, 0);
	closing_errno[0] = errno;
	recv_any(closing_fd, HOMA_RECV_REQUEST, &any);
	closing_errno[1] = errno;
	homa_close(closing_fd);
	closing_errno[2] = errno;
	fake_while_closing(NULL);
}

/* Its descriptor is open until the last call that is under way has returned. */
TEST_F(homa, closed_is_closed_while_its_descriptor_is_open)
{
	closing_fd = self->fd;
	fake_while_closing(use_while_closing);
	ASSERT_EQ(0, homa_close(self->fd));
	self->fd = -1;
	EXPECT_EQ(EBADF, closing_errno[0]);
	EXPECT_EQ(EBADF, closing_errno[1]);
	EXPECT_EQ(EBADF, closing_errno[2]);
	/* And then the number is anybody's. */
	ASSERT_EQ(closing_fd, dup2(0, closing_fd));
	EXPECT_ERR(ENOTSOCK, homa_close(closing_fd));
	close(closing_fd);
}

/* ---- sockets that come and go ---- */

#define NUMBERS		500
#define SOCKETS		8

static int going;
/* Numbers of sockets; whoever reads one may come too late. */
static int number[SOCKETS];

/* Return: 1: it was a socket, 0: it was not, -1: neither was said. */
static int call_one(int fd)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	size_t room = sizeof(a);
	uint64_t id = 0;
	int found = 0;

	if (!homa_getsockname(fd, (struct sockaddr *)&a, &len)) {
		found = 1;
		if (ntohs(a.sin_port) != FAKE_PORT)
			return -1;
	} else if (errno != EBADF && errno != ENOTSOCK) {
		return -1;
	}
	if (fd % 3)
		return found;
	if (homa_recv(fd, NULL, 0, HOMA_RECV_REQUEST | MSG_DONTWAIT, (struct sockaddr *)&a, &room,
		      &id, NULL, NULL) != -1 ||
	    (errno != EBADF && errno != ENOTSOCK && errno != EAGAIN))
		return -1;
	return found;
}

/* Return: how many calls found a socket; -1 after a wrong answer. */
static void *call_all(void *arg)
{
	intptr_t found = 0;
	int fd, i, got;

	(void)arg;
	while (__atomic_load_n(&going, __ATOMIC_ACQUIRE)) {
		for (i = 0; i < 1024; i++) {
			fd = i < NUMBERS ? i - 1 :
			     __atomic_load_n(&number[i % SOCKETS], __ATOMIC_RELAXED);
			got = call_one(fd);
			if (got < 0)
				return (void *)-1;
			found += got;
		}
		/* Of few processors the others need one. */
		usleep(1000);
	}
	return (void *)found;
}

/* In a child: the parent's sockets can be closed, and nothing else. Its threads were in calls. */
static int child_closes(const int *fd)
{
	int i, status;
	pid_t pid = fork();

	if (!pid) {
		for (i = 0; i < SOCKETS; i++) {
			struct sockaddr_in a;
			socklen_t len = sizeof(a);

			if (fd[i] < 0)
				continue;
			if (!homa_getsockname(fd[i], (struct sockaddr *)&a, &len) || errno != EBADF)
				_exit(1);
			if (homa_close(fd[i]) || !homa_close(fd[i]))
				_exit(2);
		}
		i = homa_socket(AF_INET, 0);
		_exit(i < 0 || homa_close(i) ? 3 : 0);
	}
	return waitpid(pid, &status, 0) == pid && !status ? 0 : -1;
}

TEST_F_TIMEOUT(homa, sockets_that_come_and_go, 120)
{
	/* So many numbers are in use otherwise, so the table grows twice. */
	static const int used[] = { 0, 60, 130, 300 };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	unsigned int stage, i, dups = 0;
	int fd[SOCKETS], dup[512];
	pthread_t t[3];
	void *ret;

	setenv("ETRAN_TX_FRAMES", "64", 1);
	memset(fd, -1, sizeof(fd));
	going = 1;
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, pthread_create(&t[i], NULL, call_all, NULL));
	for (stage = 0; stage < 4; stage++) {
		while ((int)dups < used[stage])
			dup[dups++] = fcntl(null, F_DUPFD_CLOEXEC, 0);
		for (i = 0; i < 40; i++) {
			int *f = &fd[i * 7 % SOCKETS];

			if (*f >= 0)
				EXPECT_EQ(0, homa_close(*f));
			*f = homa_socket(AF_INET, 0);
			__atomic_store_n(&number[i * 7 % SOCKETS], *f, __ATOMIC_RELAXED);
			ASSERT_LE(0, *f);
			ASSERT_GT(NUMBERS, *f);
			if (i == 20)
				EXPECT_EQ(0, child_closes(fd));
		}
	}
	__atomic_store_n(&going, 0, __ATOMIC_RELEASE);
	for (i = 0; i < 3; i++) {
		pthread_join(t[i], &ret);
		EXPECT_LT(0, (intptr_t)ret);
	}
	for (i = 0; i < SOCKETS; i++)
		EXPECT_EQ(0, homa_close(fd[i]));
	while (dups)
		close(dup[--dups]);
	close(null);
	unsetenv("ETRAN_TX_FRAMES");
}

TEST_F(homa, thousand_rpcs)
{
	uint64_t id = 0, seen = 0;
	int i;

	for (i = 0; i < 1000; i++)
		ASSERT_EQ(0, send_len(self->fd, 10, &id, 0));
	for (i = 999; i >= 0; i--)
		deliver(FAKE_FIRST_ID + 2 * i, 1 + i, 0, 1 + i);
	fake_release();
	for (i = 0; i < 1000; i++) {
		ssize_t n = recv_any(self->fd, HOMA_RECV_RESPONSE, &id);

		ASSERT_EQ((id - FAKE_FIRST_ID) / 2 + 1, (uint64_t)n);
		seen += n;
	}
	EXPECT_EQ(500500, seen);
	/* All frames are back: the largest that requests may have at once. */
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, send_len(self->fd, BIG, &id, MSG_DONTWAIT));
}

TEST_HARNESS_MAIN
