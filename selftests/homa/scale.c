// SPDX-License-Identifier: GPL-2.0
/*
 * Very many RPCs at once: bpf/homa/homa_large.bpf.c. Both hosts are in one kernel and share
 * its tables, so 100,000 RPCs in flight are 200,000 in these.
 */
#include "homa_test.h"

#define PORT		300
#define RPCS		100000
#define CLIENTS		20
#define SERVERS		4
/* Time moves slowly: nobody is to ask for what is only waiting. */
#define SLOW		"--set tick_ns=1s"

/**
 * struct held - a request that waits for its answer
 * @id: of the RPC
 * @number: that its client sent
 * @from: who asked
 */
struct held {
	uint64_t id;
	uint32_t number;
	union address from;
};

/**
 * struct holder - a server that answers no request before all have come
 * @thread: it
 * @fd: its socket
 * @all: how many requests there will be
 * @got: how many have come
 * @go: answer
 * @bad: calls that failed
 * @held: requests
 */
struct holder {
	pthread_t thread;
	int fd;
	uint32_t all;
	uint32_t got;
	bool go;
	uint32_t bad;
	struct held *held;
};

static void *hold(void *arg)
{
	struct holder *h = arg;
	struct held *r;
	size_t len;
	uint32_t i;

	enter(HOST_B);
	while (h->got < h->all) {
		r = &h->held[h->got];
		len = sizeof(r->from);
		r->id = 0;
		if (homa_recv(h->fd, &r->number, sizeof(r->number), HOMA_RECV_REQUEST, &r->from.sa, &len,
			      &r->id, NULL, NULL) != sizeof(r->number)) {
			h->bad++;
			return NULL;
		}
		__atomic_store_n(&h->got, h->got + 1, __ATOMIC_RELEASE);
	}
	while (!__atomic_load_n(&h->go, __ATOMIC_ACQUIRE))
		usleep(1000);
	for (i = 0; i < h->all; i++) {
		r = &h->held[i];
		if (homa_reply(h->fd, &r->number, sizeof(r->number), &r->from.sa, address_len(), r->id))
			h->bad++;
	}
	return NULL;
}

/* A server's socket, with room for what will come. */
static int holder_start(struct holder *h, enum host host, uint16_t port, uint32_t all)
{
	h->all = all;
	h->held = calloc(all, sizeof(*h->held));
	h->fd = sock_on(host, port);
	if (!h->held || h->fd < 0)
		return -1;
	return 0;
}

TEST(a_hundred_thousand_rpcs_in_flight)
{
	static struct holder server[SERVERS];
	static uint8_t done[RPCS];
	int fd[CLIENTS], i, ended = 0;
	uint32_t got, number;
	uint64_t id, cookie, end;

	setenv("ETRAN_TX_FRAMES", "8192", 1);
	for (i = 0; i < SERVERS; i++) {
		ASSERT_EQ(0, holder_start(&server[i], HOST_B, PORT + i, RPCS / SERVERS));
		ASSERT_EQ(0, pthread_create(&server[i].thread, NULL, hold, &server[i]));
	}
	for (i = 0; i < CLIENTS; i++) {
		fd[i] = sock_on(HOST_A, 0);
		ASSERT_LE(0, fd[i]);
	}
	for (i = 0; i < RPCS; i++)
		ASSERT_EQ(0, request(fd[i % CLIENTS], PORT + i % SERVERS, &i, sizeof(i), &id, i))
			TH_LOG("request %d: errno %d", i, errno);
	/* Who got no place will not come. */
	ASSERT_EQ(0, homa_counter("req_table_full"));
	end = now_ms() + 200000;
	do {
		usleep(10000);
		for (got = 0, i = 0; i < SERVERS; i++)
			got += __atomic_load_n(&server[i].got, __ATOMIC_ACQUIRE);
	} while (got < RPCS && now_ms() < end);
	ASSERT_EQ(RPCS, got);
	ASSERT_EQ(2 * RPCS, map_entries("rpcs"));
	for (i = 0; i < SERVERS; i++)
		__atomic_store_n(&server[i].go, true, __ATOMIC_RELEASE);
	for (i = 0; i < RPCS; i++) {
		id = 0;
		ASSERT_EQ(sizeof(number), response(fd[i % CLIENTS], &number, sizeof(number), &id, &cookie))
			TH_LOG("response %d: errno %d", i, errno);
		ASSERT_EQ(number, cookie);
		ASSERT_LT(number, RPCS);
		ended += !done[number];
		done[number] = 1;
	}
	ASSERT_EQ(RPCS, ended);
	for (i = 0; i < SERVERS; i++) {
		pthread_join(server[i].thread, NULL);
		EXPECT_EQ(0, server[i].bad);
		homa_close(server[i].fd);
		free(server[i].held);
	}
	for (i = 0; i < CLIENTS; i++)
		homa_close(fd[i]);
	EXPECT_EQ(0, homa_counter("rpc_failed"));
	EXPECT_EQ(0, homa_counter("rx_table_full"));
	EXPECT_EQ(0, homa_counter("queue_full"));
	ASSERT_IDLE(30);
}

TEST_HARNESS_MAIN_WITH_HOSTS_ENV(1500, HOSTS_BOTH, SLOW, "HOMA_OBJECT", "homa_large")
