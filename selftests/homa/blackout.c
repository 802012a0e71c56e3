// SPDX-License-Identifier: GPL-2.0
/*
 * The wire is dead for a while, in the middle of long messages both ways. Who waits longer than that
 * loses nothing. Who does not is told ETIMEDOUT, soon (homa_timeout_ticks is 100 ms), and long before the
 * wire is back nothing is left of these RPCs on either host. Then new ones work.
 *
 * The clock of the lab's machine stands still for nobody: 60 s take 60 s.
 */
#include <poll.h>
#include "link.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	300

#define PORT	300
#define RPCS	8
#define LENGTH	HOMA_MAX_MESSAGE_LENGTH
/* So that the messages take two thirds of a second. */
#define RATE	200000000
/* Until the wire dies. */
#define BEFORE_MS	150
/*
 * In which RPCs must have ended that time out: homa_timeout_ticks of silence for a client, and for its server
 * homa_response_timeout_ticks. Five times that.
 */
#define SOON_S	3

/**
 * struct client - the RPCs of one host
 * @host: where
 * @thread: it
 * @rpcs: how many
 * @bytes: of each message
 * @ended: how often each ended
 * @good: with their bytes
 * @timeouts: with ETIMEDOUT
 * @broken: what must never be, NULL if nothing was
 * @error: errno with that
 */
struct client {
	enum host host;
	pthread_t thread;
	unsigned int rpcs;
	size_t bytes;
	uint8_t ended[RPCS];
	unsigned int good;
	unsigned int timeouts;
	const char *broken;
	int error;
};

static const char *run(struct client *c, int fd, uint8_t *buf)
{
	union address to = address_of(c->host == HOST_A ? HOST_B : HOST_A, PORT);
	uint64_t id, rpc;
	unsigned int i;
	ssize_t n;

	for (i = 0; i < c->rpcs; i++) {
		fill(buf, c->bytes, c->host * RPCS + i);
		if (homa_send(fd, buf, c->bytes, &to.sa, address_len(), &id, i, 0))
			return "homa_send() failed";
	}
	for (i = 0; i < c->rpcs; i++) {
		id = 0;
		n = homa_recv(fd, buf, LENGTH, HOMA_RECV_RESPONSE, NULL, NULL, &id, NULL, &rpc);
		if (!id)
			return "homa_recv() failed";
		if (rpc >= c->rpcs || c->ended[rpc]++)
			return "an RPC ended twice";
		if (n < 0 && errno != ETIMEDOUT)
			return "an RPC failed";
		if (n >= 0 && (n != c->bytes || wrong(buf, n, c->host * RPCS + rpc) >= 0))
			return "a response is not what was sent";
		c->timeouts += n < 0;
		c->good += n >= 0;
	}
	return NULL;
}

static void *client_thread(void *arg)
{
	struct client *c = arg;
	uint8_t *buf = malloc(LENGTH);
	int fd = sock_on(c->host, 0);

	c->broken = fd < 0 || !buf ? "no socket" : run(c, fd, buf);
	c->error = errno;
	homa_close(fd);
	free(buf);
	return NULL;
}

FIXTURE(blackout)
{
	struct echo_server server[2];
	struct client client[2];
};

FIXTURE_VARIANT(blackout)
{
	unsigned int seconds;
	/* homa_timeout_ticks and homa_response_timeout_ticks */
	unsigned int timeout_ticks;
	unsigned int response_timeout_ticks;
	bool survives;
};

FIXTURE_VARIANT_ADD(blackout, one_second_of_three)
{
	.seconds = 1,
	.timeout_ticks = 3000,
	.response_timeout_ticks = 3000,
	.survives = true,
};

FIXTURE_VARIANT_ADD(blackout, one_second)
{
	.seconds = 1,
	.timeout_ticks = 100,
	.response_timeout_ticks = 500,
};

FIXTURE_VARIANT_ADD(blackout, one_minute)
{
	.seconds = 60,
	.timeout_ticks = 100,
	.response_timeout_ticks = 500,
};

static int timeouts_set(unsigned int ticks, unsigned int response_ticks)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd),
		 "etranctl set homa.timeout_ticks=%u homa.response_timeout_ticks=%u >/dev/null",
		 ticks, response_ticks);
	return system(cmd);
}

FIXTURE_SETUP(blackout)
{
	int h;

	ASSERT_EQ(0, timeouts_set(variant->timeout_ticks, variant->response_timeout_ticks));
	ASSERT_EQ(0, link_set_both("rate", RATE));
	for (h = HOST_A; h <= HOST_B; h++)
		ASSERT_EQ(0, echo_start(&self->server[h], h, PORT, 2));
}

FIXTURE_TEARDOWN(blackout)
{
	EXPECT_EQ(0, link_set_both("loss", 0));
	EXPECT_EQ(0, link_set_both("rate", 0));
	EXPECT_EQ(0, timeouts_set(100, 500));
}

static void clients_start(struct __test_metadata *_metadata, struct _test_data_blackout *self,
			  size_t bytes)
{
	int h;

	for (h = HOST_A; h <= HOST_B; h++) {
		self->client[h] = (struct client) { .host = h, .rpcs = RPCS, .bytes = bytes };
		ASSERT_EQ(0, pthread_create(&self->client[h].thread, NULL, client_thread,
					    &self->client[h]));
	}
}

static unsigned int clients_join(struct __test_metadata *_metadata, struct _test_data_blackout *self)
{
	unsigned int timeouts = 0;
	int h;

	for (h = HOST_A; h <= HOST_B; h++) {
		pthread_join(self->client[h].thread, NULL);
		ASSERT_TRUE(!self->client[h].broken)
			TH_LOG("host %c: %s, errno %d", 'a' + h, self->client[h].broken,
			       self->client[h].error);
		ASSERT_EQ(RPCS, self->client[h].good + self->client[h].timeouts);
		timeouts += self->client[h].timeouts;
	}
	return timeouts;
}

TEST_F(blackout, ends_every_rpc_and_leaves_nothing)
{
	uint64_t lost = link_counter(HOST_A, "wire_lost"), dark;
	unsigned int timeouts;
	int h;

	clients_start(_metadata, self, LENGTH);
	usleep(BEFORE_MS * 1000);
	ASSERT_EQ(0, link_set_both("loss", 1000000));
	dark = now_ms();
	/* In the middle: both were at it, and none was through. */
	for (h = HOST_A; h <= HOST_B; h++)
		ASSERT_EQ(0, self->client[h].good);
	ASSERT_LT(0, map_entries("rpcs"));
	if (variant->survives) {
		usleep(variant->seconds * 1000000);
		ASSERT_LT(0, map_entries("rpcs"));
		ASSERT_EQ(0, link_set_both("loss", 0));
		ASSERT_EQ(0, clients_join(_metadata, self));
	} else {
		timeouts = clients_join(_metadata, self);
		ASSERT_EQ(2 * RPCS, timeouts);
		TH_LOG("all RPCs had timed out after %llu ms",
		       (unsigned long long)(now_ms() - dark));
		ASSERT_GE(variant->seconds * 1000, now_ms() - dark);
		if (variant->seconds > SOON_S)
			ASSERT_RPCS_IDLE(SOON_S);
		while (now_ms() - dark < variant->seconds * 1000)
			usleep(1000);
		ASSERT_EQ(0, link_set_both("loss", 0));
	}
	ASSERT_LT(lost, link_counter(HOST_A, "wire_lost"));

	clients_start(_metadata, self, 20000);
	ASSERT_EQ(0, clients_join(_metadata, self));
	ASSERT_RPCS_IDLE(20);
	for (h = HOST_A; h <= HOST_B; h++)
		echo_stop(&self->server[h]);
	ASSERT_IDLE(20);
	EXPECT_EQ(0, homa_counter("frame_stale"));
}

LINK_MAIN("")
