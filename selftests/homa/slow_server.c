// SPDX-License-Identifier: GPL-2.0
/*
 * Receivers that are slower than the network: senders wait for their buffers, nothing is lost and sent again,
 * and others do not wait with them.
 */
#include <poll.h>
#include "homa_test.h"

#define PORT		400
#define PORT_OTHER	401
#define REQUESTS	20	/* what one socket has frames for */
#define LEN		200000	/* all together about 2,800 packets, for 2,048 buffers */

FIXTURE(slow) {
	int client, server, other;
	uint8_t *buf;
	uint64_t lost, waited, again;
};

FIXTURE_SETUP(slow)
{
	self->server = sock_on(HOST_B, PORT);
	ASSERT_LE(0, self->server);
	self->other = sock_on(HOST_B, PORT_OTHER);
	ASSERT_LE(0, self->other);
	self->client = sock_on(HOST_A, 0);
	ASSERT_LE(0, self->client);
	self->buf = malloc(HOMA_MAX_MESSAGE_LENGTH);
	ASSERT_NE(NULL, self->buf);
	self->lost = homa_counter("rx_no_buffer");
	self->waited = homa_counter("grant_no_buffer");
	self->again = homa_counter("tx_data_resent");
}

FIXTURE_TEARDOWN(slow)
{
	homa_close(self->client);
	homa_close(self->server);
	homa_close(self->other);
	ASSERT_IDLE(10);
}

/* More than the server has buffers for; whatever can come has come when it returns. */
static int overwhelm(FIXTURE_DATA(slow) *self)
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
		usleep(20000);
		granted = homa_counter("tx_grant");
	} while (granted != was);
	return 0;
}

/* One request, answered with a byte. Return: 0 when it is whole. */
static int serve(FIXTURE_DATA(slow) *self, int fd, size_t len, bool seeded, int flags)
{
	struct sockaddr_in from;
	size_t addrlen = sizeof(from);
	uint64_t id = 0, seed;
	ssize_t n;

	n = homa_recv(fd, self->buf, HOMA_MAX_MESSAGE_LENGTH, HOMA_RECV_REQUEST | flags,
		      (struct sockaddr *)&from, &addrlen, &id, NULL, NULL);
	if (n < 0)
		return -1;
	/* They come in any order. */
	for (seed = seeded ? 0 : REQUESTS; seed < REQUESTS; seed++)
		if (wrong(self->buf, 64, seed) < 0)
			break;
	if ((size_t)n != len || wrong(self->buf, n, seed) >= 0) {
		errno = EPROTO;
		return -1;
	}
	return homa_reply(fd, self->buf, 1, (struct sockaddr *)&from, addrlen, id);
}

static int responses(FIXTURE_DATA(slow) *self)
{
	uint64_t id, cookie, done = 0;
	int i;

	for (i = 0; i < REQUESTS; i++) {
		id = 0;
		if (response(self->client, self->buf, LEN, &id, &cookie) != 1 || cookie >= REQUESTS ||
		    done & 1ULL << cookie)
			return -1;
		done |= 1ULL << cookie;
	}
	return 0;
}

TEST_F(slow, is_sent_what_it_has_buffers_for_and_no_more)
{
	int i;

	ASSERT_EQ(0, overwhelm(self));
	/* So far that there was a need for it. */
	EXPECT_LT(self->waited, homa_counter("grant_no_buffer"));
	EXPECT_EQ(self->lost, homa_counter("rx_no_buffer"));
	for (i = 0; i < REQUESTS; i++)
		ASSERT_EQ(0, serve(self, self->server, LEN, true, 0)) TH_LOG("request %d: errno %d", i, errno);
	EXPECT_EQ(0, responses(self));
	EXPECT_EQ(self->lost, homa_counter("rx_no_buffer"));
	EXPECT_EQ(self->again, homa_counter("tx_data_resent"));
	EXPECT_EQ(0, budget_used());
}

/* Who never sleeps has no system call in which the module could look. */
TEST_F(slow, spins)
{
	uint64_t end = now_ms() + 20000;
	int i;

	ASSERT_EQ(0, overwhelm(self));
	EXPECT_LT(self->waited, homa_counter("grant_no_buffer"));
	for (i = 0; i < REQUESTS && now_ms() < end; )
		if (!serve(self, self->server, LEN, true, HOMA_RECV_NONBLOCKING))
			i++;
		else
			ASSERT_EQ(EAGAIN, errno);
	EXPECT_EQ(REQUESTS, i);
	EXPECT_EQ(0, responses(self));
	EXPECT_EQ(self->lost, homa_counter("rx_no_buffer"));
	EXPECT_EQ(self->again, homa_counter("tx_data_resent"));
}

TEST_F(slow, polls)
{
	struct pollfd p = { .fd = self->server, .events = POLLIN };
	int i;

	ASSERT_EQ(0, overwhelm(self));
	EXPECT_LT(self->waited, homa_counter("grant_no_buffer"));
	for (i = 0; i < REQUESTS; ) {
		ASSERT_EQ(1, poll(&p, 1, 20000)) TH_LOG("after %d requests", i);
		if (!serve(self, self->server, LEN, true, HOMA_RECV_NONBLOCKING))
			i++;
		else
			ASSERT_EQ(EAGAIN, errno);
	}
	EXPECT_EQ(0, responses(self));
	EXPECT_EQ(self->lost, homa_counter("rx_no_buffer"));
	EXPECT_EQ(self->again, homa_counter("tx_data_resent"));
}

/* All places for grants are taken by messages that cannot go on, were they not given up. */
TEST_F(slow, others_go_on)
{
	int i, client = sock_on(HOST_A, 0);
	uint64_t id = 0, cookie;

	ASSERT_LE(0, client);
	ASSERT_EQ(0, overwhelm(self));
	fill(self->buf, 500000, REQUESTS);
	ASSERT_EQ(0, request(client, PORT_OTHER, self->buf, 500000, &id, 5));
	/* Its own process would receive meanwhile; here 350 packets find room. */
	while (serve(self, self->other, 500000, false, HOMA_RECV_NONBLOCKING) && errno == EAGAIN)
		usleep(1000);
	ASSERT_EQ(1, response(client, self->buf, LEN, &id, &cookie));
	EXPECT_EQ(5, cookie);
	homa_close(client);
	for (i = 0; i < REQUESTS; i++)
		ASSERT_EQ(0, serve(self, self->server, LEN, true, 0));
	EXPECT_EQ(0, responses(self));
}

/*
 * RPCs that end while they are parked leave nothing behind: neither here nor for who comes after them. What came whole
 * from a client that is gone is served, too.
 */
TEST_F(slow, parked_messages_end_with_their_server_or_client)
{
	uint64_t end, done;

	ASSERT_EQ(0, overwhelm(self));
	EXPECT_LT(self->waited, homa_counter("grant_no_buffer"));
	homa_close(self->server);
	EXPECT_EQ(0, budget_used());
	/* Its requests begin anew there. */
	self->server = sock_on(HOST_B, PORT);
	ASSERT_LE(0, self->server);
	homa_close(self->client);
	self->client = sock_on(HOST_A, 0);
	ASSERT_LE(0, self->client);
	ASSERT_EQ(0, overwhelm(self));
	done = homa_counter("rpc_client_done") + REQUESTS;
	end = now_ms() + 20000;
	while (homa_counter("rpc_client_done") < done && now_ms() < end)
		if (serve(self, self->server, LEN, true, HOMA_RECV_NONBLOCKING)) {
			ASSERT_EQ(EAGAIN, errno);
			usleep(1000);
		}
	ASSERT_EQ(done, homa_counter("rpc_client_done"));
	EXPECT_EQ(0, responses(self));
}

TEST_HARNESS_MAIN_WITH_HOSTS(1500, HOSTS_BOTH, "")
