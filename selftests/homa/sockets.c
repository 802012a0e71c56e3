// SPDX-License-Identifier: GPL-2.0
/*
 * libetran's sockets on the real kernel, where its own tests have a model of one: what poll() and
 * epoll report and when, threads that share a socket, frames that run out, changes underneath.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <sys/epoll.h>

#include "homa_test.h"

#define PORT	77
#define BIG	HOMA_MAX_MESSAGE_LENGTH

FIXTURE(sock)
{
	int server;
	int client;
	struct sockaddr_in peer;
	size_t peer_len;
	uint8_t *out;
	uint8_t *in;
};

FIXTURE_SETUP(sock)
{
	self->out = malloc(BIG);
	self->in = malloc(BIG);
	ASSERT_TRUE(self->out && self->in);
	self->server = sock_on(HOST_B, PORT);
	ASSERT_GE(self->server, 0);
	self->client = sock_on(HOST_A, 0);
	ASSERT_GE(self->client, 0);
}

FIXTURE_TEARDOWN(sock)
{
	if (self->client >= 0)
		homa_close(self->client);
	if (self->server >= 0)
		homa_close(self->server);
	free(self->out);
	free(self->in);
	ASSERT_IDLE(30);
}

static bool readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1 && p.revents == POLLIN;
}

static ssize_t take(FIXTURE_DATA(sock) *self, uint64_t *id)
{
	self->peer_len = sizeof(self->peer);
	*id = 0;
	return homa_recv(self->server, self->in, BIG, HOMA_RECV_REQUEST,
			 (struct sockaddr *)&self->peer, &self->peer_len, id, NULL, NULL);
}

static ssize_t answer(FIXTURE_DATA(sock) *self, size_t len, uint64_t id)
{
	return homa_reply(self->server, self->in, len, (struct sockaddr *)&self->peer,
			  self->peer_len, id);
}

/* A request goes to the server and comes back. */
static bool round_trip(FIXTURE_DATA(sock) *self, size_t len)
{
	uint64_t id, req;

	fill(self->out, len, len);
	return !request(self->client, PORT, self->out, len, &id, 0) &&
	       take(self, &req) == (ssize_t)len && !answer(self, len, req) &&
	       response(self->client, self->in, BIG, &id, NULL) == (ssize_t)len &&
	       wrong(self->in, len, len) < 0;
}

TEST_F(sock, poll_follows_messages)
{
	uint64_t id[2], req, any;
	int i;

	EXPECT_FALSE(readable(self->server, 0));
	EXPECT_FALSE(readable(self->client, 0));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, request(self->client, PORT, self->out, 10, &id[i], i));
	EXPECT_TRUE(readable(self->server, 20000));
	for (i = 0; i < 2; i++) {
		EXPECT_TRUE(readable(self->server, 20000));
		ASSERT_EQ(10, take(self, &req));
		ASSERT_EQ(0, answer(self, 10, req));
	}
	EXPECT_FALSE(readable(self->server, 0));
	/* The second first: the first is put aside, and poll() has to know. */
	ASSERT_EQ(10, response(self->client, self->in, BIG, &id[1], NULL));
	EXPECT_TRUE(readable(self->client, 20000));
	any = 0;
	ASSERT_EQ(10, response(self->client, self->in, BIG, &any, NULL));
	EXPECT_EQ(id[0], any);
	EXPECT_FALSE(readable(self->client, 0));
}

TEST_F(sock, epoll_with_other_descriptors)
{
	struct epoll_event ev = { .events = EPOLLIN }, got;
	int ep = epoll_create1(EPOLL_CLOEXEC), pipes[2];
	uint64_t id, req;

	ASSERT_GE(ep, 0);
	ASSERT_EQ(0, pipe(pipes));
	ev.data.fd = self->server;
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->server, &ev));
	ev.data.fd = pipes[0];
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, pipes[0], &ev));
	EXPECT_EQ(0, epoll_wait(ep, &got, 1, 0));
	ASSERT_EQ(0, request(self->client, PORT, self->out, 10, &id, 0));
	ASSERT_EQ(1, epoll_wait(ep, &got, 1, 20000));
	EXPECT_EQ(self->server, got.data.fd);
	EXPECT_EQ(EPOLLIN, got.events);
	ASSERT_EQ(10, take(self, &req));
	EXPECT_EQ(0, epoll_wait(ep, &got, 1, 0));
	ASSERT_EQ(1, write(pipes[1], "x", 1));
	ASSERT_EQ(1, epoll_wait(ep, &got, 1, 20000));
	EXPECT_EQ(pipes[0], got.data.fd);
	ASSERT_EQ(0, answer(self, 10, req));
	EXPECT_EQ(10, response(self->client, self->in, BIG, &id, NULL));
	close(ep);
	close(pipes[0]);
	close(pipes[1]);
}

struct waiter {
	pthread_t thread;
	int fd;
	uint64_t id;
	int flags;
	ssize_t ret;
	int err;
	int done;
};

static void *wait_thread(void *arg)
{
	struct waiter *w = arg;
	uint8_t buf[64];

	w->ret = homa_recv(w->fd, buf, sizeof(buf), w->flags, NULL, NULL, &w->id, NULL, NULL);
	w->err = errno;
	__atomic_store_n(&w->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static uint64_t cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

TEST_F(sock, waiting_for_one_id_beside_others)
{
	struct waiter w = { .fd = self->client };
	uint64_t id[2], req[2], any = 0, cpu;
	struct sockaddr_in peer;
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, request(self->client, PORT, self->out, 10, &id[i], 0));
		ASSERT_EQ(10, take(self, &req[i]));
	}
	peer = self->peer;
	w.id = id[1];
	ASSERT_EQ(0, pthread_create(&w.thread, NULL, wait_thread, &w));
	/* An answer for nobody in particular: now poll() says readable, and the thread sleeps on. */
	ASSERT_EQ(0, answer(self, 10, req[0]));
	EXPECT_TRUE(readable(self->client, 20000));
	usleep(200000);
	cpu = cpu_ms();
	usleep(500000);
	EXPECT_LT(cpu_ms() - cpu, 250);
	EXPECT_EQ(0, __atomic_load_n(&w.done, __ATOMIC_ACQUIRE));
	self->peer = peer;
	ASSERT_EQ(0, answer(self, 10, req[1]));
	pthread_join(w.thread, NULL);
	EXPECT_EQ(10, w.ret);
	EXPECT_EQ(10, response(self->client, self->in, BIG, &any, NULL));
	EXPECT_EQ(id[0], any);
}

static void nothing(int sig)
{
}

TEST_F(sock, signal_and_close_wake)
{
	struct sigaction sa = { .sa_handler = nothing };
	struct waiter w[3] = { 0 };
	int i;

	sigaction(SIGUSR1, &sa, NULL);
	for (i = 0; i < 3; i++) {
		w[i].fd = self->server;
		w[i].flags = HOMA_RECV_REQUEST;
		ASSERT_EQ(0, pthread_create(&w[i].thread, NULL, wait_thread, &w[i]));
	}
	usleep(300000);
	pthread_kill(w[1].thread, SIGUSR1);
	pthread_join(w[1].thread, NULL);
	EXPECT_EQ(-1, w[1].ret);
	EXPECT_EQ(EINTR, w[1].err);
	EXPECT_EQ(0, homa_close(self->server));
	self->server = -1;
	for (i = 0; i < 3; i += 2) {
		pthread_join(w[i].thread, NULL);
		EXPECT_EQ(-1, w[i].ret);
		EXPECT_EQ(EBADF, w[i].err);
	}
}

TEST_F(sock, small_buffer_keeps_the_message)
{
	const size_t len = 100000;
	uint64_t id = 0;
	size_t msglen = 0;

	fill(self->out, len, 1);
	ASSERT_EQ(0, request(self->client, PORT, self->out, len, &id, 0));
	id = 0;
	EXPECT_EQ(-1, homa_recv(self->server, self->in, 10, HOMA_RECV_REQUEST, NULL, NULL, &id,
				&msglen, NULL));
	EXPECT_EQ(EMSGSIZE, errno);
	EXPECT_EQ(len, msglen);
	EXPECT_TRUE(readable(self->server, 0));
	EXPECT_EQ(len, take(self, &id));
	EXPECT_EQ(-1, wrong(self->in, len, 1));
	ASSERT_EQ(0, answer(self, 1, id));
	id = 0;
	EXPECT_EQ(1, response(self->client, self->in, BIG, &id, NULL));
}

TEST_F(sock, abort_ends_it_in_the_kernel_too)
{
	uint64_t id[2], req, any = 0;

	ASSERT_EQ(0, request(self->client, PORT, self->out, 10, &id[0], 7));
	ASSERT_EQ(0, request(self->client, PORT, self->out, 10, &id[1], 8));
	ASSERT_EQ(10, take(self, &req));
	ASSERT_EQ(10, take(self, &req));
	EXPECT_EQ(0, homa_abort(self->client, id[0], 0));
	EXPECT_EQ(0, homa_abort(self->client, id[1], ECONNABORTED));
	EXPECT_TRUE(readable(self->client, 0));
	EXPECT_EQ(-1, response(self->client, self->in, BIG, &any, NULL));
	EXPECT_EQ(ECONNABORTED, errno);
	EXPECT_EQ(id[1], any);
	EXPECT_EQ(-1, homa_abort(self->client, id[0], 0));
	EXPECT_EQ(EINVAL, errno);
	/* The server's answer leads nowhere, and is no error. */
	EXPECT_EQ(0, answer(self, 10, req));
	EXPECT_TRUE(round_trip(self, 5000));
}

#define CALLS	20

struct caller {
	pthread_t thread;
	int fd;
	int seed;
	size_t max;
	int calls;
	int good;
	char why[128];
};

static void *call_thread(void *arg)
{
	struct caller *c = arg;
	uint8_t *out = malloc(BIG), *in = malloc(BIG);
	uint64_t id;
	ssize_t n;
	size_t len;
	int i;

	for (i = 0; i < c->calls; i++) {
		struct sockaddr_in sin = addr_of(HOST_B, PORT);

		len = c->max == BIG ? BIG : 1 + (c->seed * 7919 + i * 104729) % c->max;
		fill(out, len, c->seed * 1000 + i);
		if (homa_send(c->fd, out, len, (struct sockaddr *)&sin, sizeof(sin), &id, 0,
			      c->seed & 1 ? HOMA_SENDMSG_PRIVATE : 0)) {
			snprintf(c->why, sizeof(c->why), "send: %s", etran_strerror_detail());
			break;
		}
		n = homa_recv(c->fd, in, BIG, 0, NULL, NULL, &id, NULL, NULL);
		if (n != (ssize_t)len || wrong(in, len, c->seed * 1000 + i) >= 0) {
			snprintf(c->why, sizeof(c->why), "call %d of %zu bytes: %zd, %s", i, len, n,
				 n < 0 ? etran_strerror_detail() : "wrong bytes");
			break;
		}
		c->good++;
	}
	free(out);
	free(in);
	return NULL;
}

/* Threads on one client socket against threads on one server socket. */
static void callers(struct __test_metadata *_metadata, int threads, int calls, size_t max)
{
	struct caller c[8] = { 0 };
	struct echo_server s;
	int i, client;

	ASSERT_EQ(0, echo_start(&s, HOST_B, PORT, 4));
	client = sock_on(HOST_A, 0);
	ASSERT_GE(client, 0);
	for (i = 0; i < threads; i++) {
		c[i].fd = client;
		c[i].seed = i + 1;
		c[i].calls = calls;
		c[i].max = max;
		ASSERT_EQ(0, pthread_create(&c[i].thread, NULL, call_thread, &c[i]));
	}
	for (i = 0; i < threads; i++) {
		pthread_join(c[i].thread, NULL);
		EXPECT_EQ(calls, c[i].good) TH_LOG("thread %d: %s", i, c[i].why);
	}
	EXPECT_FALSE(readable(client, 0));
	homa_close(client);
	echo_stop(&s);
	EXPECT_EQ(0, s.bad);
	EXPECT_EQ(threads * calls, s.served);
	ASSERT_IDLE(30);
}

TEST(threads_share_sockets)
{
	callers(_metadata, 8, CALLS, 30000);
}

TEST(threads_wait_for_frames)
{
	/* Room for one request of this length at a time, and for less than one response. */
	setenv("ETRAN_TX_FRAMES", "1024", 1);
	callers(_metadata, 4, 2, BIG);
}

TEST_F(sock, no_frames_left)
{
	uint64_t id[2000], req, any;
	int n, i;

	/* The server takes nothing: requests stay with the kernel. 3072 frames are for requests. */
	for (n = 0; n < 2000; n++) {
		struct sockaddr_in sin = addr_of(HOST_B, PORT);

		if (homa_send(self->client, self->out, 5000, (struct sockaddr *)&sin, sizeof(sin),
			      &id[n], 0, MSG_DONTWAIT))
			break;
	}
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(3072 / 4, n);
	for (i = 0; i < n; i++) {
		ASSERT_EQ(5000, take(self, &req)) TH_LOG("request %d: %s", i, etran_strerror_detail());
		ASSERT_EQ(0, answer(self, 10, req));
	}
	for (i = 0; i < n; i++) {
		any = 0;
		ASSERT_EQ(10, response(self->client, self->in, BIG, &any, NULL));
	}
	EXPECT_TRUE(round_trip(self, BIG));
}

TEST_F(sock, mtu_changes)
{
	static const int mtu[] = { 1500, 1200, 1400, 1500 };
	char cmd[128];
	size_t i;

	for (i = 0; i < 4; i++) {
		snprintf(cmd, sizeof(cmd), "ip -n homa_a link set v0 mtu %d && ip -n homa_b link set v0 mtu %d",
			 mtu[i], mtu[i]);
		ASSERT_EQ(0, system(cmd));
		EXPECT_TRUE(round_trip(self, 1));
		EXPECT_TRUE(round_trip(self, 20000)) TH_LOG("MTU %d", mtu[i]);
	}
}

TEST_F(sock, link_goes_down_and_up)
{
	struct waiter w = { .fd = self->client };
	uint64_t req;

	ASSERT_EQ(0, system("ip -n homa_a link set v0 down"));
	/* Sending does not fail: it can still arrive. */
	ASSERT_EQ(0, request(self->client, PORT, self->out, 10, &w.id, 0));
	ASSERT_EQ(0, system("ip -n homa_a link set v0 up"));
	ASSERT_EQ(0, pthread_create(&w.thread, NULL, wait_thread, &w));
	/* Either it got through or the client is told: it must not hang. */
	if (readable(self->server, 20000)) {
		ASSERT_EQ(10, take(self, &req));
		ASSERT_EQ(0, answer(self, 10, req));
	}
	pthread_join(w.thread, NULL);
	if (w.ret < 0)
		EXPECT_TRUE(w.err == ETIMEDOUT || w.err == ENETUNREACH || w.err == EHOSTUNREACH);
	EXPECT_TRUE(round_trip(self, 20000));
}

TEST_HARNESS_MAIN_WITH_HOSTS(1500, HOSTS_BOTH, "")
