// SPDX-License-Identifier: GPL-2.0
/*
 * Incast: 64 clients send 100 KB each to one server at once, through a queue of 200 KB in front of a
 * link of 100 Mb/s. Grants keep the queue as short as homa_max_incoming and the unscheduled bytes of
 * all make it: nothing is dropped. With all of each message granted as it comes, the same queue overflows.
 *
 * Unscheduled bytes nobody can hold back: 64 times the default 40,000 would be 2.5 MB. So they are one
 * packet here, as who expects incasts would set it. The clients are on one host, but their NIC is
 * not told to be slow (homa_link_mbps), so packets come at the queue as from 64 hosts behind a switch.
 */
#include "link.h"

#define PORT		300
#define CLIENTS		64
#define LENGTH		100000
#define RATE		100000000
#define QUEUE		200000
/* homa_fifo_grant_increment: the oldest gets so much beyond homa_max_incoming. */
#define FIFO		50000
#define SAMPLE_MS	20
#define SAMPLES		100

/* What the headers of all layers add to a packet's payload, in a thousandth: 1514 bytes carry 1420 and more. */
#define WITH_HEADERS(bytes)	((bytes) * 1070ULL / 1000)

FIXTURE(incast)
{
	int server;
	int fd[CLIENTS];
	pthread_t watcher;
	bool stop;
	int samples;
	uint64_t most[SAMPLES];
};

FIXTURE_VARIANT(incast)
{
	/* bytes */
	unsigned int unsched_bytes;
	unsigned int max_incoming;
	unsigned int window;
	bool overflows;
	unsigned int dropped;	/* at most so many */
};

FIXTURE_VARIANT_ADD(incast, grants_keep_the_queue_short)
{
	.unsched_bytes = 1000,
	.max_incoming = 40000,
};

FIXTURE_VARIANT_ADD(incast, overflows_when_all_is_granted_at_once)
{
	.unsched_bytes = 1000,
	.max_incoming = 100000000,
	.window = 1000000,
	.overflows = true,
};

/* All lose something at once; that they ask for it again must not fill the queue for ever. */
FIXTURE_VARIANT_ADD(incast, what_is_lost_is_asked_for_in_turn)
{
	.unsched_bytes = 40000,
	.max_incoming = 40000,
	.overflows = true,
	.dropped = 3 * CLIENTS * LENGTH / 1400,
};

static int tunables_set(unsigned int unsched, unsigned int incoming, unsigned int window)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd),
		 "etranctl set homa.unsched_bytes=%u homa.max_incoming=%u homa.window=%u >/dev/null",
		 unsched, incoming, window);
	return system(cmd);
}

FIXTURE_SETUP(incast)
{
	int i;

	/* A response is short: what is asked is how requests get through. */
	ASSERT_EQ(0, tunables_set(variant->unsched_bytes, variant->max_incoming, variant->window));
	self->server = sock_on(HOST_B, PORT);
	ASSERT_LE(0, self->server);
	/* 64 of the usual size would not fit into the lab's machine. */
	setenv("ETRAN_TX_FRAMES", "256", 1);
	setenv("ETRAN_RX_FRAMES", "256", 1);
	for (i = 0; i < CLIENTS; i++) {
		self->fd[i] = sock_on(HOST_A, 0);
		ASSERT_LE(0, self->fd[i]) TH_LOG("client %d: errno %d", i, errno);
	}
	ASSERT_EQ(0, link_set(HOST_A, "rate", RATE));
	ASSERT_EQ(0, link_set(HOST_A, "queue_packets", 65536));
	ASSERT_EQ(0, link_set(HOST_A, "queue_bytes", QUEUE));
}

FIXTURE_TEARDOWN(incast)
{
	EXPECT_EQ(0, link_set(HOST_A, "rate", 0));
	EXPECT_EQ(0, link_set(HOST_A, "queue_bytes", 0));
	EXPECT_EQ(0, link_set(HOST_A, "queue_packets", 1000));
	EXPECT_EQ(0, tunables_set(40000, 400000, 0));
}

static void *watch(void *arg)
{
	struct _test_data_incast *self = arg;

	link_get(HOST_A, "queue", "most_bytes");
	while (!__atomic_load_n(&self->stop, __ATOMIC_ACQUIRE) && self->samples < SAMPLES) {
		usleep(SAMPLE_MS * 1000);
		self->most[self->samples++] = link_get(HOST_A, "queue", "most_bytes");
	}
	return NULL;
}

struct server {
	int fd;
	unsigned int bad;
};

/* Checks each request and answers with one byte, until the socket is closed. */
static void *serve(void *arg)
{
	struct server *s = arg;
	uint8_t *buf = malloc(LENGTH);
	union address client;
	size_t addrlen;
	uint64_t id;
	ssize_t n;

	for (;;) {
		id = 0;
		addrlen = sizeof(client);
		n = homa_recv(s->fd, buf, LENGTH, HOMA_RECV_REQUEST, &client.sa, &addrlen, &id, NULL,
			      NULL);
		if (n < 0 && !id)
			break;
		if (n != LENGTH || wrong(buf, n, 1) >= 0 ||
		    homa_reply(s->fd, buf, 1, &client.sa, addrlen, id))
			s->bad++;
	}
	free(buf);
	return NULL;
}

TEST_F(incast, queue)
{
	uint64_t full = link_counter(HOST_A, "wire_queue_full"), most = 0, id, bound, cookie;
	uint64_t failed = homa_counter("rpc_failed");
	struct server server = { .fd = self->server };
	uint8_t *buf = malloc(LENGTH);
	pthread_t thread;
	int i, done = 0;
	ssize_t n;

	fill(buf, LENGTH, 1);
	ASSERT_EQ(0, pthread_create(&thread, NULL, serve, &server));
	ASSERT_EQ(0, pthread_create(&self->watcher, NULL, watch, self));
	for (i = 0; i < CLIENTS; i++)
		ASSERT_EQ(0, request(self->fd[i], PORT, buf, LENGTH, &id, i));
	for (i = 0; i < CLIENTS; i++) {
		id = 0;
		n = response(self->fd[i], buf, LENGTH, &id, &cookie);
		/* Where most of what is sent is dropped, an RPC may take too long. */
		if (n < 0 && id && errno == ETIMEDOUT && variant->overflows)
			continue;
		ASSERT_EQ(1, n) TH_LOG("client %d: errno %d", i, errno);
		ASSERT_EQ(i, cookie);
		done++;
	}
	__atomic_store_n(&self->stop, true, __ATOMIC_RELEASE);
	pthread_join(self->watcher, NULL);
	homa_close(self->server);
	pthread_join(thread, NULL);
	full = link_counter(HOST_A, "wire_queue_full") - full;

	TH_LOG("longest queue in each %d ms, bytes:", SAMPLE_MS);
	for (i = 0; i < self->samples; i++) {
		TH_LOG("%5d ms %7llu", (i + 1) * SAMPLE_MS, (unsigned long long)self->most[i]);
		if (self->most[i] > most)
			most = self->most[i];
	}
	TH_LOG("%llu packets found it full, of %d bytes", (unsigned long long)full, QUEUE);
	TH_LOG("%d of %d RPCs through", done, CLIENTS);
	if (variant->overflows) {
		EXPECT_LT(0, full);
		if (variant->dropped) {
			EXPECT_GE(variant->dropped, full);
			EXPECT_EQ(CLIENTS, done);
		}
	} else {
		EXPECT_EQ(0, full);
		EXPECT_EQ(CLIENTS, done);
		EXPECT_EQ(0, server.bad);
		EXPECT_EQ(failed, homa_counter("rpc_failed"));
		/* One full packet is the least that is sent unscheduled. */
		bound = WITH_HEADERS(variant->max_incoming + FIFO) + CLIENTS * 1514;
		EXPECT_GE(bound, most);
		/* The link never was short of work, either, but at the end. */
		EXPECT_LT(0, most);
	}
	for (i = 0; i < CLIENTS; i++)
		homa_close(self->fd[i]);
	free(buf);
	ASSERT_IDLE(30);
	EXPECT_EQ(0, homa_counter("frame_stale"));
}

LINK_MAIN("")
