// SPDX-License-Identifier: GPL-2.0
/*
 * Many RPCs at once: of one socket, of several threads on one socket, of several processes. Each
 * response must come with its own id, cookie and payload.
 */
#include <sys/wait.h>
#include "homa_test.h"
#include "../hash_factors.h"

#define PORT	200
/* What bpf/hash.h multiplies words with: the id, both halves; the link device; the port; the peer's address. */
#define FACTORS	(1 + 8)

static size_t size_of(unsigned int i)
{
	/* Mostly short; some need several packets, a few need grants. */
	if (i % 100 == 50)
		return 60000;
	return i % 10 == 5 ? 3000 + i : 16 + i % 500;
}

static bool echo_is(const uint8_t *buf, ssize_t n, uint64_t cookie, uint64_t seed)
{
	return n == (ssize_t)size_of(cookie) && wrong(buf, n, seed + cookie) < 0;
}

/*
 * Ids count up, and these factors would put a row of them into 2 of 8,192 buckets, and what these have no room for into 128 others.
 */
TEST(ids_in_a_row_find_room)
{
	const uint64_t unlucky[FACTORS] = { 1, 1ULL << 52, [3] = 0x9a3b1c5d7e8f0a1b, [4] = 0x7c8d9eafb0c1d2e3 };
	const uint64_t none[FACTORS] = {};
	static struct {
		struct sockaddr_in from;
		uint64_t id;
	} asked[2500];
	const int n = ARRAY_SIZE(asked);
	uint64_t id, cookie;
	int client, server, i, sent = 0;
	size_t len;
	char c;

	ASSERT_EQ(0, hash_factors_set("homa", unlucky, FACTORS)) TH_LOG("not found");
	server = sock_on(HOST_B, PORT);
	ASSERT_LE(0, server);
	client = sock_on(HOST_A, 0);
	ASSERT_LE(0, client);
	for (i = 0; i < n; i++) {
		/* No more than there are buffers for. */
		for (; sent < n && sent < i + 500; sent++)
			ASSERT_EQ(0, request(client, PORT, "x", 1, &id, sent)) TH_LOG("request %d: errno %d", sent, errno);
		len = sizeof(asked[i].from);
		asked[i].id = 0;
		ASSERT_EQ(1, homa_recv(server, &c, 1, HOMA_RECV_REQUEST, (struct sockaddr *)&asked[i].from, &len,
				       &asked[i].id, NULL, NULL)) TH_LOG("request %d: errno %d", i, errno);
	}
	EXPECT_EQ(2 * n, map_entries("rpcs"));
	for (i = 0; i < n; i++)
		ASSERT_EQ(0, homa_reply(server, "y", 1, (struct sockaddr *)&asked[i].from, sizeof(asked[i].from),
					asked[i].id));
	for (i = 0; i < n; i++) {
		id = 0;
		ASSERT_EQ(1, response(client, &c, 1, &id, &cookie)) TH_LOG("response %d: errno %d", i, errno);
	}
	EXPECT_EQ(0, homa_counter("req_table_full"));
	EXPECT_EQ(0, homa_counter("rx_table_full"));
	homa_close(client);
	homa_close(server);
	ASSERT_IDLE(10);
	EXPECT_EQ(0, hash_factors_set("homa", none, FACTORS));
}

/* All are sent before any request is received, so all are outstanding at once. */
TEST(thousand_outstanding_on_one_socket)
{
	const unsigned int n = 1000;
	uint8_t *buf = malloc(100000), done[1000] = {};
	uint64_t ids[1000], id, cookie;
	struct sockaddr_in from;
	int client, server;
	size_t addrlen;
	unsigned int i;
	ssize_t len;

	server = sock_on(HOST_B, PORT);
	ASSERT_LE(0, server);
	client = sock_on(HOST_A, 0);
	ASSERT_LE(0, client);
	for (i = 0; i < n; i++) {
		fill(buf, size_of(i), i);
		ASSERT_EQ(0, request(client, PORT, buf, size_of(i), &ids[i], i));
		ASSERT_TRUE(!i || ids[i] != ids[i - 1]);
	}
	ASSERT_LE(n, map_entries("rpcs"));

	for (i = 0; i < n; i++) {
		id = 0;
		addrlen = sizeof(from);
		len = homa_recv(server, buf, 100000, HOMA_RECV_REQUEST, (struct sockaddr *)&from,
				&addrlen, &id, NULL, NULL);
		ASSERT_LT(0, len) TH_LOG("request %u: errno %d", i, errno);
		ASSERT_EQ(0, homa_reply(server, buf, len, (struct sockaddr *)&from, addrlen, id));
	}
	for (i = 0; i < n; i++) {
		id = 0;
		len = response(client, buf, 100000, &id, &cookie);
		ASSERT_LT(0, len) TH_LOG("response %u: errno %d", i, errno);
		ASSERT_LT(cookie, n);
		ASSERT_EQ(ids[cookie], id);
		ASSERT_EQ(0, done[cookie]);
		ASSERT_TRUE(echo_is(buf, len, cookie, 0)) TH_LOG("payload of %llu is wrong",
								 (unsigned long long)cookie);
		done[cookie] = 1;
	}
	homa_close(client);
	homa_close(server);
	ASSERT_IDLE(10);
}

struct worker {
	pthread_t thread;
	int fd;
	unsigned int number;
	unsigned int rounds;
	bool private;
	unsigned int bad;
	unsigned int done;
};

/* A few outstanding each; with private RPCs, a thread gets its own and no others. */
static void *work(void *arg)
{
	struct sockaddr_in b = addr_of(HOST_B, PORT);
	struct worker *w = arg;
	uint8_t *buf = malloc(100000);
	uint64_t ids[4], cookie, seed = w->number * 100000;
	unsigned int i, k;
	ssize_t n;

	for (i = 0; i < w->rounds; i++) {
		for (k = 0; k < 4; k++) {
			fill(buf, size_of(4 * i + k), seed + 4 * i + k);
			if (homa_send(w->fd, buf, size_of(4 * i + k), (struct sockaddr *)&b, sizeof(b),
				      &ids[k], 4 * i + k, w->private ? HOMA_SENDMSG_PRIVATE : 0))
				w->bad++;
		}
		for (k = 0; k < 4; k++) {
			n = response(w->fd, buf, 100000, &ids[k], &cookie);
			if (cookie == 4 * i + k && echo_is(buf, n, cookie, seed))
				w->done++;
			else
				w->bad++;
		}
	}
	free(buf);
	return NULL;
}

TEST(threads_on_one_socket)
{
	struct worker w[6] = {};
	struct echo_server s;
	unsigned int i;
	int fd;

	ASSERT_EQ(0, echo_start(&s, HOST_B, PORT, 3));
	fd = sock_on(HOST_A, 0);
	ASSERT_LE(0, fd);
	for (i = 0; i < ARRAY_SIZE(w); i++) {
		w[i] = (struct worker) { .fd = fd, .number = i, .rounds = 20, .private = true };
		ASSERT_EQ(0, pthread_create(&w[i].thread, NULL, work, &w[i]));
	}
	for (i = 0; i < ARRAY_SIZE(w); i++) {
		pthread_join(w[i].thread, NULL);
		EXPECT_EQ(0, w[i].bad);
		EXPECT_EQ(80, w[i].done);
	}
	homa_close(fd);
	echo_stop(&s);
	EXPECT_EQ(0, s.bad);
	EXPECT_EQ(480, s.served);
	ASSERT_IDLE(10);
}

TEST(eight_processes_and_a_server)
{
	struct worker w = { .rounds = 20 };
	struct echo_server s;
	pid_t pid[8];
	int i, status;

	/* First, as a child must not use its parent's sockets. */
	for (i = 0; i < 8; i++) {
		pid[i] = fork();
		ASSERT_LE(0, pid[i]);
		if (!pid[i]) {
			while (!map_entries("ports"))
				usleep(1000);
			w.fd = sock_on(HOST_A, 0);
			w.number = i;
			if (w.fd < 0)
				_exit(2);
			work(&w);
			_exit(w.bad ? 1 : 0);
		}
	}
	ASSERT_EQ(0, echo_start(&s, HOST_B, PORT, 2));
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	echo_stop(&s);
	EXPECT_EQ(0, s.bad);
	EXPECT_EQ(640, s.served);
	ASSERT_IDLE(10);
}

TEST_HARNESS_MAIN_WITH_HOSTS(1500, HOSTS_BOTH, "")
