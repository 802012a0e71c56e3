// SPDX-License-Identifier: GPL-2.0
/*
 * What Homa does not claim stays the kernel's, on the same devices and at the same time: ARP, ping,
 * ICMP errors, TCP. And Homa is a good neighbour: packets that tell the peer something are put
 * together into few.
 */
#include <poll.h>
#include "homa_test.h"

#define PORT		1100
#define TCP_BYTES	(2 << 20)

/**
 * struct load - Homa traffic in the background
 * @server: echo server on HOST_B
 * @thread: clients on HOST_A
 * @fd: their sockets
 * @stop: they end after their next RPC
 * @done: RPCs completed
 * @bad: those that failed or came back wrong
 */
struct load {
	struct echo_server server;
	pthread_t thread[2];
	int fd[2];
	bool stop;
	uint64_t done;
	uint64_t bad;
};

struct client {
	struct load *load;
	int fd;
};

static void *client(void *arg)
{
	struct client c = *(struct client *)arg;
	uint8_t *buf = malloc(100000);
	uint64_t id, i;
	size_t len;
	ssize_t n;

	free(arg);
	for (i = 0; !__atomic_load_n(&c.load->stop, __ATOMIC_RELAXED); i++) {
		len = i % 4 ? 700 : 100000;
		fill(buf, len, i);
		if (request(c.fd, PORT, buf, len, &id, 0)) {
			__sync_fetch_and_add(&c.load->bad, 1);
			break;
		}
		n = response(c.fd, buf, 100000, &id, NULL);
		if (n != (ssize_t)len || wrong(buf, n, i) >= 0)
			__sync_fetch_and_add(&c.load->bad, 1);
		__sync_fetch_and_add(&c.load->done, 1);
	}
	free(buf);
	return NULL;
}

FIXTURE(beside)
{
	struct load load;
};

FIXTURE_SETUP(beside)
{
	struct client *c;
	int i;

	ASSERT_EQ(0, echo_start(&self->load.server, HOST_B, PORT, 2));
	for (i = 0; i < 2; i++) {
		self->load.fd[i] = sock_on(HOST_A, 0);
		ASSERT_LE(0, self->load.fd[i]);
		c = malloc(sizeof(*c));
		*c = (struct client) { &self->load, self->load.fd[i] };
		ASSERT_EQ(0, pthread_create(&self->load.thread[i], NULL, client, c));
	}
	for (i = 0; i < 5000 && __atomic_load_n(&self->load.done, __ATOMIC_RELAXED) < 4; i++)
		usleep(1000);
	ASSERT_LE(4, self->load.done);
}

FIXTURE_TEARDOWN(beside)
{
	uint64_t before = __atomic_load_n(&self->load.done, __ATOMIC_RELAXED);
	int i;

	/* Homa still goes on. */
	for (i = 0; i < 5000 && __atomic_load_n(&self->load.done, __ATOMIC_RELAXED) < before + 4; i++)
		usleep(1000);
	EXPECT_LE(before + 4, self->load.done);
	__atomic_store_n(&self->load.stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < 2; i++) {
		pthread_join(self->load.thread[i], NULL);
		homa_close(self->load.fd[i]);
	}
	echo_stop(&self->load.server);
	EXPECT_EQ(0, self->load.bad);
	EXPECT_EQ(0, self->load.server.bad);
	EXPECT_TRUE(!idle(10)) TH_LOG("left: %s", idle(0));
}

TEST_F(beside, ping)
{
	ASSERT_EQ(0, system("ip netns exec homa_a ping -q -c 10 -i 0.05 -W 5 10.77.0.2 >&2"));
	ASSERT_EQ(0, system("ip netns exec homa_b ping -q -c 10 -i 0.05 -W 5 -s 1400 10.77.0.1 >&2"));
}

TEST_F(beside, arp)
{
	int i;

	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, system("ip -n homa_a neigh flush dev v0 && ip -n homa_b neigh flush dev v0"));
		ASSERT_EQ(0, system("ip netns exec homa_b ping -q -c 1 -W 5 10.77.0.1 >&2"));
		ASSERT_EQ(0, system("ip -n homa_b neigh show 10.77.0.1 dev v0 | grep -q lladdr"));
	}
}

/* ICMP errors about the kernel's own packets are for the kernel. */
TEST_F(beside, icmp_errors)
{
	struct sockaddr_in sin = addr_of(HOST_B, 9);
	struct pollfd p = { .events = POLLIN };
	char c = 0;

	enter(HOST_A);
	p.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ASSERT_LE(0, p.fd);
	ASSERT_EQ(0, connect(p.fd, (struct sockaddr *)&sin, sizeof(sin)));
	ASSERT_EQ(1, send(p.fd, &c, 1, 0));
	ASSERT_EQ(1, poll(&p, 1, 5000));
	ASSERT_EQ(-1, recv(p.fd, &c, 1, 0));
	ASSERT_EQ(ECONNREFUSED, errno);
	close(p.fd);
}

static void *tcp_server(void *arg)
{
	int listener = *(int *)arg, fd = accept(listener, NULL, NULL);
	uint8_t *buf = malloc(TCP_BYTES);
	size_t got = 0, put = 0;
	ssize_t n;

	while (got < TCP_BYTES) {
		n = recv(fd, buf + got, TCP_BYTES - got, 0);
		if (n <= 0)
			break;
		got += n;
	}
	while (put < got) {
		n = send(fd, buf + put, got - put, MSG_NOSIGNAL);
		if (n <= 0)
			break;
		put += n;
	}
	close(fd);
	free(buf);
	return NULL;
}

TEST_F(beside, tcp)
{
	struct sockaddr_in sin = addr_of(HOST_B, 5000);
	uint8_t *buf = malloc(TCP_BYTES);
	size_t put = 0, got = 0;
	int listener, fd;
	pthread_t t;
	ssize_t n;

	enter(HOST_B);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ASSERT_LE(0, listener);
	ASSERT_EQ(0, bind(listener, (struct sockaddr *)&sin, sizeof(sin)));
	ASSERT_EQ(0, listen(listener, 1));
	ASSERT_EQ(0, pthread_create(&t, NULL, tcp_server, &listener));
	enter(HOST_A);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, connect(fd, (struct sockaddr *)&sin, sizeof(sin)));
	fill(buf, TCP_BYTES, 77);
	while (put < TCP_BYTES) {
		n = send(fd, buf + put, TCP_BYTES - put, MSG_NOSIGNAL);
		ASSERT_LT(0, n);
		put += n;
	}
	memset(buf, 0, TCP_BYTES);
	while (got < TCP_BYTES) {
		n = recv(fd, buf + got, TCP_BYTES - got, 0);
		ASSERT_LT(0, n);
		got += n;
	}
	ASSERT_EQ(-1, wrong(buf, TCP_BYTES, 77));
	pthread_join(t, NULL);
	close(fd);
	close(listener);
	free(buf);
}

/* One GRANT says what many DATA packets have given reason for. */
TEST(grants_are_coalesced)
{
	uint64_t id, grants, data, sent, resends;
	uint8_t *buf = malloc(HOMA_MAX_MESSAGE_LENGTH);
	struct echo_server s;
	int fd, i;

	ASSERT_EQ(0, echo_start(&s, HOST_B, PORT, 1));
	fd = sock_on(HOST_A, 0);
	ASSERT_LE(0, fd);
	grants = homa_counter("tx_grant");
	data = homa_counter("rx_data");
	sent = counter("gen_packets");
	resends = homa_counter("tx_resend");
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, request(fd, PORT, buf, HOMA_MAX_MESSAGE_LENGTH, &id, 0));
		ASSERT_EQ(HOMA_MAX_MESSAGE_LENGTH,
			  response(fd, buf, HOMA_MAX_MESSAGE_LENGTH, &id, NULL));
	}
	grants = homa_counter("tx_grant") - grants;
	data = homa_counter("rx_data") - data;
	sent = counter("gen_packets") - sent;
	resends = homa_counter("tx_resend") - resends;
	TH_LOG("%llu GRANTs for %llu DATA packets; gen made %llu packets; %llu RESENDs",
	       (unsigned long long)grants, (unsigned long long)data, (unsigned long long)sent,
	       (unsigned long long)resends);
	ASSERT_LE(6 * 703, data);
	/* At least one a message, at most one for each 10000 bytes: homa_grant_step. */
	ASSERT_LE(6, grants);
	ASSERT_GE(data / 6, grants);
	ASSERT_LE(grants, sent);
	homa_close(fd);
	echo_stop(&s);
	ASSERT_IDLE(10);
}

TEST_HARNESS_MAIN_WITH_HOSTS(1500, HOSTS_BOTH, "")
