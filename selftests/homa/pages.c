// SPDX-License-Identifier: GPL-2.0
/*
 * Receiving without copying: messages of all lengths in the frames that they came in; and an application that
 * keeps what it gets is sent no more, loses nothing, and others do not wait for it.
 */
#include <pthread.h>
#include "homa_test.h"

#define PORT		400
#define PORT_OTHER	401
#define REQUESTS	20	/* what one socket has frames for */
#define LEN		200000	/* all together about 2,800 packets, for 2,048 buffers */

struct message {
	struct iovec iov[HOMA_MAX_PIECES];
	int n;
	uint64_t id;
	union address from;
};

/* Return: its length, -1. Of a response, @from is not used. */
static ssize_t take(int fd, int flags, uint64_t id, struct message *m)
{
	size_t addrlen = sizeof(m->from);

	m->n = HOMA_MAX_PIECES;
	m->id = id;
	return homa_recv_pages(fd, m->iov, &m->n, flags, &m->from.sa, &addrlen, &m->id, NULL, NULL);
}

static void gather(const struct message *m, uint8_t *to)
{
	int i;

	for (i = 0; i < m->n; to += m->iov[i++].iov_len)
		memcpy(to, m->iov[i].iov_base, m->iov[i].iov_len);
}

static int give(int fd, struct message *m)
{
	int err = homa_release_pages(fd, m->iov, m->n);

	m->n = 0;
	return err;
}

/* Answers with what came, from where it lies. */
static void *echo(void *arg)
{
	struct message *m = malloc(sizeof(*m));
	int fd = *(int *)arg;

	while (m && take(fd, HOMA_RECV_REQUEST, 0, m) > 0)
		if (homa_replyv(fd, m->iov, m->n, &m->from.sa, address_len(), m->id) || give(fd, m))
			return (void *)"echo failed";
	free(m);
	return errno == EBADF ? NULL : strerror(errno);
}

FIXTURE(pages) {
	int client, server, other;
	uint8_t *buf;
	struct message *kept;
	int got, last_error;
	uint64_t lost, waited, again;
};

FIXTURE_SETUP(pages)
{
	self->server = sock_on(HOST_B, PORT);
	ASSERT_LE(0, self->server);
	self->other = sock_on(HOST_B, PORT_OTHER);
	ASSERT_LE(0, self->other);
	self->client = sock_on(HOST_A, 0);
	ASSERT_LE(0, self->client);
	self->buf = malloc(HOMA_MAX_MESSAGE_LENGTH);
	self->kept = calloc(REQUESTS, sizeof(*self->kept));
	ASSERT_NE(NULL, self->buf);
	ASSERT_NE(NULL, self->kept);
	self->lost = homa_counter("rx_no_buffer");
	self->waited = homa_counter("grant_no_buffer");
	self->again = homa_counter("tx_data_resent");
}

FIXTURE_TEARDOWN(pages)
{
	homa_close(self->client);
	homa_close(self->server);
	homa_close(self->other);
	ASSERT_IDLE(10);
}

TEST_F(pages, all_lengths)
{
	static const size_t lens[] = {
		1, 32, 1424, 1425, 10000, 65536, 142400, 500000, HOMA_MAX_MESSAGE_LENGTH,
	};
	struct message *m = &self->kept[0];
	pthread_t thread;
	uint64_t id;
	size_t i;
	void *err;

	ASSERT_EQ(0, pthread_create(&thread, NULL, echo, &self->server));
	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		fill(self->buf, lens[i], i);
		ASSERT_EQ(0, request(self->client, PORT, self->buf, lens[i], &id, 0));
		memset(self->buf, 0, lens[i]);
		ASSERT_EQ(lens[i], take(self->client, 0, id, m));
		gather(m, self->buf);
		EXPECT_EQ(-1, wrong(self->buf, lens[i], i)) TH_LOG("length %zu", lens[i]);
		/* One packet, one piece, and nothing was copied. */
		EXPECT_EQ((lens[i] + 1423) / 1424, m->n);
		EXPECT_EQ(0, give(self->client, m));
	}
	homa_close(self->server);
	pthread_join(thread, &err);
	EXPECT_EQ(NULL, err) TH_LOG("%s", (char *)err);
}

/* Requests to a server that keeps what it gets, until nothing comes any more. */
static int overwhelm(FIXTURE_DATA(pages) *self)
{
	uint64_t id, was, granted = 0;
	int i;

	for (i = 0; i < REQUESTS; i++) {
		fill(self->buf, LEN, i);
		if (request(self->client, PORT, self->buf, LEN, &id, i))
			return -1;
	}
	do {
		was = granted;
		while (take(self->server, HOMA_RECV_REQUEST | HOMA_RECV_NONBLOCKING, 0,
			    &self->kept[self->got]) > 0)
			self->got++;
		self->last_error = errno;
		if (errno != EAGAIN && errno != ENOBUFS)
			return -1;
		usleep(20000);
		granted = homa_counter("tx_grant");
	} while (granted != was);
	return 0;
}

/* Is it one of the requests? Each comes once. */
static bool right(FIXTURE_DATA(pages) *self, struct message *m, uint32_t *seen)
{
	uint32_t seed;

	gather(m, self->buf);
	for (seed = 0; seed < REQUESTS; seed++)
		if (wrong(self->buf, 64, seed) < 0)
			break;
	if (seed == REQUESTS || wrong(self->buf, LEN, seed) >= 0 || *seen & 1U << seed)
		return false;
	*seen |= 1U << seed;
	return true;
}

static int responses(FIXTURE_DATA(pages) *self)
{
	uint64_t id, cookie;
	int i;

	for (i = 0; i < REQUESTS; i++) {
		id = 0;
		if (response(self->client, self->buf, LEN, &id, &cookie) != 1)
			return -1;
	}
	return 0;
}

TEST_F(pages, who_keeps_all_is_sent_no_more_until_it_gives_back)
{
	struct message *m = self->kept;
	uint32_t seen = 0;
	int i, rest;

	ASSERT_EQ(0, overwhelm(self)) TH_LOG("errno %d", errno);
	EXPECT_EQ(ENOBUFS, self->last_error);
	EXPECT_LT(0, self->got);
	EXPECT_GT(REQUESTS, self->got);
	EXPECT_LT(self->waited, homa_counter("grant_no_buffer"));
	EXPECT_EQ(self->lost, homa_counter("rx_no_buffer"));
	rest = self->got;
	for (i = 0; i < rest; i++) {
		EXPECT_TRUE(right(self, &m[i], &seen)) TH_LOG("request %d of %d", i, rest);
		ASSERT_EQ(0, homa_reply(self->server, self->buf, 1, &m[i].from.sa, address_len(), m[i].id));
		ASSERT_EQ(0, give(self->server, &m[i]));
	}
	for (; i < REQUESTS; i++) {
		ASSERT_EQ(LEN, take(self->server, HOMA_RECV_REQUEST, 0, m)) TH_LOG("%d: errno %d", i, errno);
		EXPECT_TRUE(right(self, m, &seen)) TH_LOG("request %d of %d", i, rest);
		ASSERT_EQ(0, homa_reply(self->server, self->buf, 1, &m->from.sa, address_len(), m->id));
		ASSERT_EQ(0, give(self->server, m));
	}
	EXPECT_EQ((1U << REQUESTS) - 1, seen);
	EXPECT_EQ(0, responses(self));
	EXPECT_EQ(self->lost, homa_counter("rx_no_buffer"));
	EXPECT_EQ(self->again, homa_counter("tx_data_resent"));
	EXPECT_EQ(0, budget_used());
}

/* Another socket, also with pages, is served as if the first were not there. */
TEST_F(pages, others_go_on)
{
	int i, client = sock_on(HOST_A, 0);
	struct message *m = &self->kept[REQUESTS - 1];
	pthread_t thread;
	uint64_t id;
	void *err;

	ASSERT_LE(0, client);
	ASSERT_EQ(0, overwhelm(self));
	EXPECT_EQ(ENOBUFS, self->last_error);
	ASSERT_EQ(0, pthread_create(&thread, NULL, echo, &self->other));
	for (i = 0; i < 5; i++) {
		fill(self->buf, 500000, 77 + i);
		ASSERT_EQ(0, request(client, PORT_OTHER, self->buf, 500000, &id, 5));
		ASSERT_EQ(500000, take(client, HOMA_RECV_RESPONSE, 0, m));
		gather(m, self->buf);
		EXPECT_EQ(-1, wrong(self->buf, 500000, 77 + i));
		EXPECT_EQ(0, give(client, m));
	}
	homa_close(client);
	homa_close(self->other);
	pthread_join(thread, &err);
	EXPECT_EQ(NULL, err) TH_LOG("%s", (char *)err);
	/* And the first ends with all that it has. */
}

TEST_HARNESS_MAIN_WITH_HOSTS(1500, HOSTS_BOTH, "")
