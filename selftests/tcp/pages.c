// SPDX-License-Identifier: GPL-2.0
/*
 * TCP without copies (etran_recv_pages(), etran_send_buffer()), over a wire with and without faults: each byte is compared, frames
 * are used as they should be, and who misuses them is told.
 */
#define TCP_LINK	LINK_TESTNIC
#include "pair.h"

#define PORT	8200
#define FRAMES	256
#define PIECES	16

FIXTURE(pages)
{
	struct etran_tcp *a;
	struct etran_tcp *b;
	struct etran_socket *l;
	struct etran_socket *c;		/* HOST_A's end */
	struct etran_socket *s;		/* HOST_B's */
};

FIXTURE_VARIANT(pages) { int family; bool faults; };
FIXTURE_VARIANT_ADD(pages, ipv4) { .family = AF_INET };
FIXTURE_VARIANT_ADD(pages, ipv6) { .family = AF_INET6 };
FIXTURE_VARIANT_ADD(pages, faults) { .family = AF_INET, .faults = true };

FIXTURE_SETUP(pages)
{
	family = variant->family;
	self->b = context_with(HOST_B, FRAMES, 0);
	ASSERT_NE(NULL, self->b);
	self->l = listener(self->b, PORT, 8);
	ASSERT_NE(NULL, self->l);
	self->a = context_with(HOST_A, FRAMES, 0);
	ASSERT_NE(NULL, self->a);
	self->c = connected(self->a, HOST_B, PORT);
	ASSERT_NE(NULL, self->c);
	self->s = etran_accept(self->l, NULL, NULL, 0);
	ASSERT_NE(NULL, self->s);
	ASSERT_EQ(0, etran_tcp_set(self->c, ETRAN_SOCKET_NODELAY, 1));
	if (!variant->faults)
		return;
	ASSERT_EQ(0, link_set_both("loss", 10000));
	ASSERT_EQ(0, link_set_both("reorder", 20000));
	ASSERT_EQ(0, link_set_both("duplicate", 20000));
}

FIXTURE_TEARDOWN(pages)
{
	EXPECT_EQ(0, link_set_both("loss", 0));
	EXPECT_EQ(0, link_set_both("reorder", 0));
	EXPECT_EQ(0, link_set_both("duplicate", 0));
	etran_tcp_close(self->a);
	etran_tcp_close(self->b);
	EXPECT_TRUE(idle(64, 20));
}

/* Sends @len bytes of stream @seed through buffers of the library's. */
static const char *send_pages(struct etran_socket *s, uint64_t seed, uint64_t len)
{
	uint64_t at = 0;
	size_t room;
	uint8_t *b;

	while (at < len) {
		b = etran_send_buffer(s, &room, 0);
		if (!b || !room)
			return "etran_send_buffer";
		/* Not always all of it. */
		if (at % 7 == 3 && room > 100)
			room -= 100;
		if (room > len - at)
			room = len - at;
		stream_fill(b, seed, at, room);
		at += room;
		if (etran_send_commit(s, room, at < len && at % 3 ? MSG_BATCH : 0))
			return "etran_send_commit";
	}
	return etran_shutdown(s, SHUT_WR) ? "etran_shutdown" : NULL;
}

static void *flow_send(void *arg)
{
	struct flow *f = arg;

	f->bad = send_pages(f->s, f->seed, f->len);
	return NULL;
}

/* What lies in a channel's frames, of pieces: others are memory that was copied to. */
static unsigned int frames_of(const struct iovec *iov, int n)
{
	unsigned int frames = 0;
	int i;

	for (i = 0; i < n; i++)
		frames += iov[i].iov_len <= 1500;
	return frames;
}

/* Reads to the end: pages, with a copying read now and then. Pages are kept for some calls. Return: NULL, or what was wrong. */
static const char *receive_all(struct etran_socket *s, uint64_t seed, uint64_t len, unsigned int *frames)
{
	struct iovec iov[4][PIECES];
	unsigned int turn = 0;
	int n[4] = {}, i;
	uint64_t at = 0;
	uint8_t b[3000];
	ssize_t got;

	for (;; turn++) {
		int k = turn % 4;

		if (n[k] && etran_release_pages(s, iov[k], n[k]))
			return "etran_release_pages";
		n[k] = 0;
		if (turn % 5 == 4) {
			got = etran_recv(s, b, turn % 10 == 4 ? 500 : sizeof(b), 0);
			if (got > 0 && stream_wrong(b, seed, at, got) >= 0)
				return "a wrong byte, copied";
			at += got > 0 ? got : 0;
		} else {
			uint64_t sum = 0;

			n[k] = 1 + turn % PIECES;
			got = etran_recv_pages(s, iov[k], &n[k], 0);
			if (got < 0 && errno == ENOBUFS) {
				n[k] = 0;
				for (i = 0; i < 4; i++) {
					if (n[i] && etran_release_pages(s, iov[i], n[i]))
						return "etran_release_pages when there were too many";
					n[i] = 0;
				}
				continue;
			}
			for (i = 0; got > 0 && i < n[k]; i++) {
				if (stream_wrong(iov[k][i].iov_base, seed, at, iov[k][i].iov_len) >= 0)
					return "a wrong byte in a page";
				at += iov[k][i].iov_len;
				sum += iov[k][i].iov_len;
			}
			if (got > 0 && sum != (uint64_t)got)
				return "pieces are not what is said of them";
			if (got > 0)
				*frames += frames_of(iov[k], n[k]);
			else
				n[k] = 0;
		}
		if (got <= 0)
			break;
	}
	for (i = 0; i < 4; i++)
		if (n[i] && etran_release_pages(s, iov[i], n[i]))
			return "etran_release_pages at the end";
	if (got < 0)
		return "received an error";
	return at == len ? NULL : "the stream has another length";
}

TEST_F(pages, stream_arrives)
{
	struct flow f = { .s = self->c, .seed = 1, .len = 1 << 20 };
	unsigned int frames = 0;
	const char *bad;

	ASSERT_EQ(0, pthread_create(&f.thread, NULL, flow_send, &f));
	bad = receive_all(self->s, 1, f.len, &frames);
	ASSERT_EQ(NULL, bad) TH_LOG("%s: %s", bad, etran_strerror_detail());
	pthread_join(f.thread, NULL);
	ASSERT_EQ(NULL, f.bad) TH_LOG("%s: %s", f.bad, etran_strerror_detail());
	/* Most of it was not copied: 700 segments. */
	EXPECT_LT(variant->faults ? 50 : 350, frames);
}

/* What was read and given back twice as often as there are frames leaves none missing. */
TEST_F(pages, frames_come_back)
{
	unsigned int i;

	for (i = 0; i < 2 * FRAMES; i++) {
		struct iovec iov[1];
		uint8_t b[100];
		int n = 1;

		stream_fill(b, 2, i * 100, 100);
		ASSERT_EQ(100, etran_send(self->c, b, 100, 0));
		ASSERT_EQ(100, etran_recv_pages(self->s, iov, &n, 0)) TH_LOG("%u: %s", i, etran_strerror_detail());
		ASSERT_EQ(1, n);
		ASSERT_EQ(-1, stream_wrong(iov[0].iov_base, 2, i * 100, 100));
		/* They may be written to. */
		memset(iov[0].iov_base, 0xaa, 100);
		ASSERT_EQ(0, etran_release_pages(self->s, iov, 1));
	}
}

/* The application keeps what it gets: first frames, then it is told to stop; others' sockets go on. */
TEST_F(pages, who_keeps_too_many_gets_no_more)
{
	struct iovec iov[2 * FRAMES];
	struct etran_socket *c, *s;
	unsigned int i, have = 0;
	uint8_t b[64];
	int n;

	for (i = 0; i < 2 * FRAMES; i++) {
		stream_fill(b, 3, i * 10, 10);
		ASSERT_EQ(10, etran_send(self->c, b, 10, 0));
		/* Each a segment of its own. */
		n = 1;
		if (etran_recv_pages(self->s, &iov[have], &n, 0) != 10)
			break;
		ASSERT_EQ(1, n);
		have++;
	}
	EXPECT_EQ(ENOBUFS, errno);
	ASSERT_EQ(FRAMES / 2, have);
	/* Another connection of the context. */
	enter(HOST_A);
	c = connected(self->a, HOST_B, PORT);
	ASSERT_NE(NULL, c);
	s = etran_accept(self->l, NULL, NULL, 0);
	ASSERT_NE(NULL, s);
	ASSERT_EQ(5, etran_send(c, "other", 5, 0));
	ASSERT_EQ(5, etran_recv(s, b, 5, MSG_WAITALL));
	/* And this one by copying. */
	ASSERT_EQ(10, etran_recv(self->s, b, 10, MSG_WAITALL));
	ASSERT_EQ(-1, stream_wrong(b, 3, have * 10, 10));
	for (i = 0; i < have; i++)
		ASSERT_EQ(-1, stream_wrong(iov[i].iov_base, 3, i * 10, 10)) TH_LOG("piece %u", i);
	ASSERT_EQ(0, etran_release_pages(s, iov, have));
	n = 1;
	stream_fill(b, 3, (have + 1) * 10, 10);
	ASSERT_EQ(10, etran_send(self->c, b, 10, 0));
	ASSERT_EQ(10, etran_recv_pages(self->s, iov, &n, 0));
	ASSERT_EQ(-1, stream_wrong(iov[0].iov_base, 3, (have + 1) * 10, 10));
}

/* What a reader leaves unread is in frames only as long as there are enough for others. */
TEST_F(pages, slow_reader_leaves_frames_to_others)
{
	struct flow f = { .s = self->c, .seed = 4, .len = 400000 };
	struct etran_socket *c, *s;
	unsigned int frames = 0;
	struct iovec iov[1];
	uint8_t b[8];
	int n = 1, i;
	const char *bad;

	ASSERT_EQ(-1, etran_recv_pages(self->s, iov, &n, MSG_DONTWAIT));
	ASSERT_EQ(EAGAIN, errno);
	ASSERT_EQ(0, pthread_create(&f.thread, NULL, flow_send, &f));
	enter(HOST_A);
	c = connected(self->a, HOST_B, PORT);
	ASSERT_NE(NULL, c);
	s = etran_accept(self->l, NULL, NULL, 0);
	ASSERT_NE(NULL, s);
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(8, etran_send(c, "requests", 8, 0));
		ASSERT_EQ(8, etran_recv(s, b, 8, MSG_WAITALL));
	}
	bad = receive_all(self->s, 4, f.len, &frames);
	ASSERT_EQ(NULL, bad) TH_LOG("%s: %s", bad, etran_strerror_detail());
	pthread_join(f.thread, NULL);
	ASSERT_EQ(NULL, f.bad) TH_LOG("%s", f.bad);
}

TEST_F(pages, peek_and_part_of_a_page)
{
	uint8_t b[64], want[64];
	struct iovec iov[1];
	int n = 1;

	stream_fill(want, 5, 0, 60);
	ASSERT_EQ(-1, etran_recv_pages(self->s, iov, &n, MSG_DONTWAIT));
	ASSERT_EQ(60, etran_send(self->c, want, 60, 0));
	ASSERT_EQ(20, etran_recv(self->s, b, 20, 0));
	ASSERT_EQ(0, memcmp(b, want, 20));
	ASSERT_EQ(40, etran_recv(self->s, b, 60, MSG_PEEK));
	ASSERT_EQ(0, memcmp(b, want + 20, 40));
	n = 1;
	ASSERT_EQ(40, etran_recv_pages(self->s, iov, &n, 0));
	ASSERT_EQ(0, memcmp(iov[0].iov_base, want + 20, 40));
	ASSERT_EQ(0, etran_release_pages(self->s, iov, 1));
}

/* Pages outlive their connection. */
TEST_F(pages, pages_of_a_closed_connection)
{
	struct iovec iov[2], one;
	int n = 1;

	ASSERT_EQ(4, etran_send(self->c, "kept", 4, 0));
	ASSERT_EQ(4, etran_recv_pages(self->s, iov, &n, 0));
	/* One that nobody reads. */
	ASSERT_EQ(4, etran_send(self->c, "lost", 4, 0));
	usleep(100000);
	n = 1;
	ASSERT_EQ(0, etran_shutdown(self->c, SHUT_WR));
	etran_close(self->s);
	ASSERT_EQ(0, memcmp(iov[0].iov_base, "kept", 4));
	one = iov[0];
	ASSERT_EQ(0, etran_release_pages(self->l, &one, 1));
	ASSERT_EQ(-1, etran_release_pages(self->l, &one, 1));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(pages, misuse_is_told)
{
	struct iovec iov[2] = {};
	char mine[64];
	size_t room;
	uint8_t *b;
	int n = 0;

	EXPECT_EQ(-1, etran_recv_pages(self->s, iov, &n, 0));
	EXPECT_EQ(EINVAL, errno);
	n = 1;
	EXPECT_EQ(-1, etran_recv_pages(self->s, NULL, &n, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, etran_recv_pages(self->s, iov, &n, MSG_PEEK));
	EXPECT_EQ(EINVAL, errno);
	iov[0].iov_base = mine;
	EXPECT_EQ(-1, etran_release_pages(self->s, iov, 1));
	EXPECT_EQ(EINVAL, errno);
	ASSERT_EQ(2, etran_send(self->c, "ab", 2, 0));
	ASSERT_EQ(2, etran_recv_pages(self->s, iov, &n, 0));
	iov[1].iov_base = mine;
	/* All or none. */
	EXPECT_EQ(-1, etran_release_pages(self->s, iov, 2));
	iov[1] = iov[0];
	EXPECT_EQ(-1, etran_release_pages(self->s, iov, 2));
	EXPECT_EQ(0, etran_release_pages(self->s, iov, 1));

	EXPECT_EQ(-1, etran_send_commit(self->c, 1, 0));
	EXPECT_EQ(EINVAL, errno);
	b = etran_send_buffer(self->c, &room, 0);
	ASSERT_NE(NULL, b);
	EXPECT_EQ(NULL, etran_send_buffer(self->c, &room, 0));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(-1, etran_send(self->c, "x", 1, 0));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(-1, etran_send_commit(self->c, room + 1, 0));
	EXPECT_EQ(EINVAL, errno);
	/* Given up; the next one sends. */
	EXPECT_EQ(0, etran_send_commit(self->c, 0, 0));
	ASSERT_EQ(1, etran_send(self->c, "y", 1, 0));
	ASSERT_EQ(1, etran_recv(self->s, mine, sizeof(mine), 0));
	EXPECT_EQ('y', mine[0]);
	/* The end of the stream ends it, too. */
	ASSERT_NE(NULL, etran_send_buffer(self->c, &room, 0));
	ASSERT_EQ(0, etran_shutdown(self->c, SHUT_WR));
	EXPECT_EQ(-1, etran_send_commit(self->c, 1, 0));
	EXPECT_EQ(EPIPE, errno);
	ASSERT_EQ(0, etran_recv(self->s, mine, 1, 0));
	EXPECT_EQ(NULL, etran_send_buffer(self->c, &room, 0));
	EXPECT_EQ(EPIPE, errno);
}

/* Closed with a buffer in hand: its frame comes back. */
TEST_F(pages, socket_ends_with_a_buffer)
{
	/* A lost SYN takes a second. */
	unsigned int n = variant->faults ? 16 : 2 * FRAMES, i;
	size_t room;

	for (i = 0; i < n; i++) {
		struct etran_socket *c, *s;

		enter(HOST_A);
		c = connected(self->a, HOST_B, PORT);
		ASSERT_NE(NULL, c);
		s = etran_accept(self->l, NULL, NULL, 0);
		ASSERT_NE(NULL, s);
		ASSERT_NE(NULL, etran_send_buffer(c, &room, 0)) TH_LOG("%u: %s", i, etran_strerror_detail());
		etran_abort(c);
		etran_close(s);
	}
}

TCP_MAIN(1500, "BOTH", "")
