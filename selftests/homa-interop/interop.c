// SPDX-License-Identifier: GPL-2.0
/*
 * etran's Homa on HOST_A and another Homa on HOST_B, which is a kernel module that the tests are given: a program
 * may change sides on one side of the wire at a time. Both ways, every size, many at a time, both versions of IP,
 * TCP's clothes, other parameters at the other end, loss, ends that go away.
 *
 * With HomaModule on veth: what it sends lacks its offset but in the sequence number, which etran understands;
 * and its receiver finds packets in TCP's clothes in GRO, so that is on.
 */
#include <fcntl.h>
#include <sched.h>
#include "linux_homa.h"

#define PORT	300
#define NO_OTHER_HOMA	4	/* KSFT_SKIP */
/* Until something is called stuck. The other Homa knows no limit to some of its waiting. */
#define STUCK_MS 20000

static int first_ns = -1;

/* A sysctl of the other Homa, which is in the first namespace only. */
static int other_set(const char *name, const char *value)
{
	char path[128];
	int fd, err;

	snprintf(path, sizeof(path), "/proc/thread-self/net");
	if (setns(first_ns, CLONE_NEWNET))
		return -1;
	snprintf(path, sizeof(path), "/proc/sys/net/homa/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	err = fd < 0 || write(fd, value, strlen(value)) < 0;
	if (err)
		printf("# %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -err;
}

/**
 * struct other_echo - a thread that answers requests with their own bytes, on the other Homa
 * @h: its socket
 * @thread: it
 * @family: homa_family
 * @stop: told to end
 * @served: requests answered
 * @bad: calls that failed
 */
struct other_echo {
	struct linux_homa h;
	pthread_t thread;
	volatile bool stop;
	uint64_t served;
	uint64_t bad;
};

static void *other_echo_thread(void *arg)
{
	uint8_t *buf = malloc(HOMA_MAX_MESSAGE_LENGTH);
	struct other_echo *e = arg;
	union address from;
	uint64_t id;
	ssize_t n;

	while (buf && !e->stop) {
		n = linux_homa_recv(&e->h, &from, buf, &id, NULL, 20);
		if (n < 0 && !id)
			continue;
		if (n < 0 || linux_homa_send(&e->h, &from, buf, n, &id, 0))
			e->bad++;
		else
			e->served++;
	}
	free(buf);
	return NULL;
}

static int other_echo_start(struct other_echo *e, uint16_t port)
{
	memset(e, 0, sizeof(*e));
	if (linux_homa_open(&e->h, port))
		return -1;
	return pthread_create(&e->thread, NULL, other_echo_thread, e);
}

static void other_echo_stop(struct other_echo *e)
{
	e->stop = true;
	pthread_join(e->thread, NULL);
	linux_homa_close(&e->h);
}

/* Both directions of the wire lose packets, at the other host's end. */
static int lose(bool on)
{
	return system(on ? "ip netns exec homa_b tc qdisc add dev v0 root netem loss 2% && "
			   "ip netns exec homa_b tc qdisc add dev v0 clsact && "
			   "ip netns exec homa_b tc filter add dev v0 ingress matchall action gact pass random netrand drop 50" :
			   "ip netns exec homa_b tc qdisc del dev v0 root; "
			   "ip netns exec homa_b tc qdisc del dev v0 clsact");
}

FIXTURE(interop)
{
	struct other_echo other;	/* server there */
	struct echo_server ours;	/* server here */
	struct linux_homa client;	/* client there */
	int fd;				/* client here */
	uint8_t *buf;
	uint8_t *in;
	bool loses;
};

FIXTURE_VARIANT(interop)
{
	int family;
	/* sysctls of the other end: name, value */
	const char *set[8][2];
	const char *hijack;
};

FIXTURE_VARIANT_ADD(interop, ipv4) { .family = AF_INET };
FIXTURE_VARIANT_ADD(interop, ipv6) { .family = AF_INET6 };

FIXTURE_VARIANT_ADD(interop, in_tcps_clothes)
{
	.family = AF_INET,
	.set = { { "hijack_tcp", "1" } },
	.hijack = "1",
};

FIXTURE_VARIANT_ADD(interop, other_end_sends_little_unasked)
{
	.family = AF_INET,
	.set = { { "unsched_bytes", "1500" }, { "window", "5000" }, { "max_incoming", "20000" },
		 { "max_overcommit", "1" } },
};

FIXTURE_VARIANT_ADD(interop, other_end_sends_much_unasked)
{
	.family = AF_INET,
	.set = { { "unsched_bytes", "200000" }, { "window", "1000000" }, { "max_incoming", "1000000" } },
};

FIXTURE_VARIANT_ADD(interop, other_end_is_in_a_hurry)
{
	.family = AF_INET6,
	.set = { { "resend_ticks", "2" }, { "resend_interval", "2" }, { "request_ack_ticks", "1" } },
};

static const char *const defaults[][2] = {
	{ "hijack_tcp", "0" }, { "unsched_bytes", "40000" }, { "window", "0" }, { "max_incoming", "400000" },
	{ "max_overcommit", "8" }, { "resend_ticks", "5" }, { "resend_interval", "5" },
	{ "request_ack_ticks", "2" },
	/* Three seconds, not 0.1: that an emulated machine on a busy host stands still is no lost packet. */
	{ "timeout_ticks", "3000" },
};

FIXTURE_SETUP(interop)
{
	size_t i;

	homa_family = variant->family;
	for (i = 0; i < ARRAY_SIZE(defaults); i++)
		ASSERT_EQ(0, other_set(defaults[i][0], defaults[i][1]));
	for (i = 0; i < ARRAY_SIZE(variant->set) && variant->set[i][0]; i++)
		ASSERT_EQ(0, other_set(variant->set[i][0], variant->set[i][1]));
	self->buf = malloc(HOMA_MAX_MESSAGE_LENGTH);
	self->in = malloc(HOMA_MAX_MESSAGE_LENGTH);
	ASSERT_TRUE(self->buf && self->in);
	ASSERT_EQ(0, other_echo_start(&self->other, PORT)) TH_LOG("%s", strerror(errno));
	ASSERT_EQ(0, linux_homa_open(&self->client, 0));
	ASSERT_EQ(0, echo_start(&self->ours, HOST_A, PORT, 1));
	self->fd = sock_on(HOST_A, 0);
	ASSERT_LE(0, self->fd);
}

/* Both ends have forgotten everything. */
FIXTURE_TEARDOWN(interop)
{
	int i, client = -1, server = -1;

	if (self->loses)
		EXPECT_EQ(0, lose(false));
	EXPECT_TRUE(!rpcs_idle(10)) TH_LOG("left here: %s", rpcs_idle(0));
	for (i = 0; i < 500; i++) {
		client = linux_homa_rpcs(&self->client);
		server = linux_homa_rpcs(&self->other.h);
		if (client <= 0 && server <= 0)
			break;
		usleep(10000);
	}
	EXPECT_EQ(0, client);
	EXPECT_EQ(0, server);
	homa_close(self->fd);
	echo_stop(&self->ours);
	linux_homa_close(&self->client);
	other_echo_stop(&self->other);
	EXPECT_TRUE(!idle(10)) TH_LOG("left here: %s", idle(0));
	EXPECT_EQ(0, homa_counter("frame_stale"));
	EXPECT_EQ(0, counter("bad_verdict"));
	free(self->buf);
	free(self->in);
}

static const size_t sizes[] = {
	1, 2, 100, 1403, 1404, 1405, 1423, 1424, 1425, 2848, 10000, 39999, 40000, 40001, 65536, 100000, 500000,
	HOMA_MAX_MESSAGE_LENGTH,
};

TEST_F(interop, requests_from_here)
{
	uint64_t hijacked = homa_counter("rx_hijacked"), id, cookie;
	struct pollfd p = { .fd = self->fd, .events = POLLIN };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		fill(self->buf, sizes[i], i);
		ASSERT_EQ(0, request(self->fd, PORT, self->buf, sizes[i], &id, i + 1));
		ASSERT_EQ(1, poll(&p, 1, STUCK_MS)) TH_LOG("%zu bytes", sizes[i]);
		id = 0;
		ASSERT_EQ(sizes[i], response(self->fd, self->in, HOMA_MAX_MESSAGE_LENGTH, &id, &cookie))
			TH_LOG("%zu bytes: errno %d", sizes[i], errno);
		ASSERT_EQ(i + 1, cookie);
		ASSERT_EQ(-1, wrong(self->in, sizes[i], i));
	}
	EXPECT_EQ(0, self->other.bad);
	EXPECT_EQ(!!variant->hijack, homa_counter("rx_hijacked") > hijacked);
}

TEST_F(interop, requests_from_there)
{
	uint64_t hijacked = homa_counter("rx_hijacked"), id, cookie;
	union address to = address_of(HOST_A, PORT);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		fill(self->buf, sizes[i], i);
		id = 0;
		ASSERT_EQ(0, linux_homa_send(&self->client, &to, self->buf, sizes[i], &id, i + 1))
			TH_LOG("%zu bytes: errno %d", sizes[i], errno);
		ASSERT_EQ(sizes[i], linux_homa_recv(&self->client, NULL, self->in, &id, &cookie, STUCK_MS))
			TH_LOG("%zu bytes: errno %d, id %llu", sizes[i], errno, (unsigned long long)id);
		ASSERT_EQ(i + 1, cookie);
		ASSERT_EQ(-1, wrong(self->in, sizes[i], i));
	}
	EXPECT_EQ(0, self->ours.bad);
	EXPECT_EQ(!!variant->hijack, homa_counter("rx_hijacked") > hijacked);
}

#define MANY	300
#define AT_A_TIME 32

static size_t size_of(unsigned int i)
{
	return i % 40 == 39 ? 300000 : i % 4 == 3 ? 20000 + i : 1 + i * 7;
}

static void *many_from_there(void *arg)
{
	struct _test_data_interop *self = arg;
	union address to = address_of(HOST_A, PORT);
	uint8_t *buf = malloc(HOMA_MAX_MESSAGE_LENGTH);
	unsigned int sent = 0, ended = 0;
	uint64_t id, cookie;
	ssize_t n;

	while (buf && ended < MANY) {
		for (; sent < MANY && sent - ended < AT_A_TIME; sent++) {
			fill(buf, size_of(sent), sent);
			id = 0;
			if (linux_homa_send(&self->client, &to, buf, size_of(sent), &id, sent + 1))
				return "send";
		}
		n = linux_homa_recv(&self->client, NULL, buf, &id, &cookie, STUCK_MS);
		if (n < 0)
			return id ? "an RPC failed" : "an RPC does not end";
		if (!cookie || cookie > MANY || n != (ssize_t)size_of(cookie - 1) ||
		    wrong(buf, n, cookie - 1) >= 0)
			return "a wrong message";
		ended++;
	}
	free(buf);
	return NULL;
}

TEST_F(interop, many_both_ways_at_once)
{
	struct pollfd p = { .fd = self->fd, .events = POLLIN };
	unsigned int sent = 0, ended = 0;
	uint64_t id, cookie;
	pthread_t thread;
	void *broken;
	ssize_t n;

	ASSERT_EQ(0, pthread_create(&thread, NULL, many_from_there, self));
	while (ended < MANY) {
		for (; sent < MANY && sent - ended < AT_A_TIME; sent++) {
			fill(self->buf, size_of(sent), sent);
			ASSERT_EQ(0, request(self->fd, PORT, self->buf, size_of(sent), &id, sent + 1));
		}
		ASSERT_EQ(1, poll(&p, 1, STUCK_MS)) TH_LOG("%u ended", ended);
		id = 0;
		n = response(self->fd, self->in, HOMA_MAX_MESSAGE_LENGTH, &id, &cookie);
		ASSERT_LE(0, n) TH_LOG("errno %d", errno);
		ASSERT_EQ(size_of(cookie - 1), n);
		ASSERT_EQ(-1, wrong(self->in, n, cookie - 1));
		ended++;
	}
	pthread_join(thread, &broken);
	EXPECT_TRUE(!broken) TH_LOG("there: %s", (char *)broken);
	EXPECT_EQ(0, self->ours.bad);
	EXPECT_EQ(0, self->other.bad);
}

TEST_F(interop, no_server_there)
{
	struct pollfd p = { .fd = self->fd, .events = POLLIN };
	uint64_t id, got = 0;

	ASSERT_EQ(0, request(self->fd, PORT + 1, "x", 1, &id, 0));
	ASSERT_EQ(1, poll(&p, 1, STUCK_MS));
	ASSERT_EQ(-1, response(self->fd, self->in, 1, &got, NULL));
	EXPECT_EQ(ENOTCONN, errno);
	EXPECT_EQ(id, got);
}

TEST_F(interop, no_server_here)
{
	union address to = address_of(HOST_A, PORT + 1);
	uint64_t id = 0, got;

	ASSERT_EQ(0, linux_homa_send(&self->client, &to, "x", 1, &id, 0));
	ASSERT_EQ(-1, linux_homa_recv(&self->client, NULL, self->in, &got, NULL, STUCK_MS));
	EXPECT_EQ(ENOTCONN, errno);
	EXPECT_EQ(id, got);
}

/* The server's application takes longer than any timeout; its kernel says BUSY. */
TEST_F(interop, slow_servers_are_waited_for)
{
	union address to = address_of(HOST_A, PORT + 2), from;
	struct pollfd p = { .fd = self->fd, .events = POLLIN };
	size_t addrlen = sizeof(from);
	uint64_t id = 0, sid = 0;
	struct linux_homa slow;
	int fd;

	fd = sock_on(HOST_A, PORT + 2);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, linux_homa_send(&self->client, &to, "ask", 3, &id, 0));
	ASSERT_EQ(3, homa_recv(fd, self->in, 3, HOMA_RECV_REQUEST, &from.sa, &addrlen, &sid, NULL, NULL));
	usleep(400000);
	ASSERT_EQ(0, homa_reply(fd, "late", 4, &from.sa, addrlen, sid));
	ASSERT_EQ(4, linux_homa_recv(&self->client, NULL, self->in, &id, NULL, STUCK_MS));
	homa_close(fd);

	ASSERT_EQ(0, linux_homa_open(&slow, PORT + 2));
	ASSERT_EQ(0, request(self->fd, PORT + 2, "ask", 3, &id, 0));
	ASSERT_EQ(3, linux_homa_recv(&slow, &from, self->in, &sid, NULL, STUCK_MS));
	usleep(400000);
	ASSERT_EQ(0, linux_homa_send(&slow, &from, "late", 4, &sid, 0));
	ASSERT_EQ(1, poll(&p, 1, STUCK_MS));
	id = 0;
	ASSERT_EQ(4, response(self->fd, self->in, 4, &id, NULL));
	ASSERT_RPCS_IDLE(10);
	linux_homa_close(&slow);
}

/* A client that closes its socket leaves nothing at the other end. */
TEST_F(interop, clients_that_go_are_forgotten)
{
	union address to = address_of(HOST_A, PORT);
	uint64_t id = 0;
	int i;

	fill(self->buf, 500000, 1);
	for (i = 0; i < 5; i++) {
		id = 0;
		ASSERT_EQ(0, linux_homa_send(&self->client, &to, self->buf, 500000, &id, 0));
	}
	usleep(2000);
	linux_homa_close(&self->client);
	ASSERT_RPCS_IDLE(20);
	ASSERT_EQ(0, linux_homa_open(&self->client, 0));

	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, request(self->fd, PORT, self->buf, 500000, &id, 0));
	usleep(2000);
	homa_close(self->fd);
	/* The teardown looks at what is left there. */
	ASSERT_RPCS_IDLE(20);
	self->fd = sock_on(HOST_A, 0);
	ASSERT_LE(0, self->fd);
}

TEST_F(interop, nothing_is_lost_with_packets)
{
	struct pollfd p = { .fd = self->fd, .events = POLLIN };
	uint64_t id, cookie, again = homa_counter("rx_resend") + homa_counter("tx_resend");
	union address to = address_of(HOST_A, PORT);
	unsigned int i;
	size_t len;

	self->loses = true;
	ASSERT_EQ(0, lose(true));
	for (i = 0; i < 60; i++) {
		len = i % 20 == 19 ? 300000 : size_of(i);
		fill(self->buf, len, i);
		ASSERT_EQ(0, request(self->fd, PORT, self->buf, len, &id, i));
		ASSERT_EQ(1, poll(&p, 1, STUCK_MS)) TH_LOG("%zu bytes", len);
		id = 0;
		ASSERT_EQ(len, response(self->fd, self->in, HOMA_MAX_MESSAGE_LENGTH, &id, NULL))
			TH_LOG("%zu bytes: errno %d", len, errno);
		ASSERT_EQ(-1, wrong(self->in, len, i));
		id = 0;
		ASSERT_EQ(0, linux_homa_send(&self->client, &to, self->buf, len, &id, i));
		ASSERT_EQ(len, linux_homa_recv(&self->client, NULL, self->in, &id, &cookie, STUCK_MS)) {
			TH_LOG("%zu bytes: errno %d", len, errno);
			fflush(stdout);
			if (system("etranctl rpc; etranctl stats"))
				TH_LOG("etranctl failed");
		}
		ASSERT_EQ(-1, wrong(self->in, len, i));
	}
	EXPECT_LT(again, homa_counter("rx_resend") + homa_counter("tx_resend"));
}

/* The other host's Homa goes and comes again: what was under way ends, what follows works. */
TEST_F(interop, other_end_restarts)
{
	struct pollfd p = { .fd = self->fd, .events = POLLIN };
	uint64_t id, got = 0;
	size_t i;

	fill(self->buf, 500000, 1);
	ASSERT_EQ(0, request(self->fd, PORT, self->buf, 500000, &id, 0));
	usleep(1000);
	other_echo_stop(&self->other);
	linux_homa_close(&self->client);
	/* It goes over its sockets' remains now and then. */
	for (i = 0; i < 500 && system("rmmod homa 2>/dev/null"); i++)
		usleep(10000);
	ASSERT_EQ(0, system("insmod $ETRAN_HOMA_KO"));
	for (i = 0; i < ARRAY_SIZE(variant->set) && variant->set[i][0]; i++)
		ASSERT_EQ(0, other_set(variant->set[i][0], variant->set[i][1]));
	ASSERT_EQ(0, other_echo_start(&self->other, PORT));
	ASSERT_EQ(0, linux_homa_open(&self->client, 0));
	ASSERT_EQ(1, poll(&p, 1, STUCK_MS));
	/* Either way: its server has lost it, or got all of it from the one that came again. */
	if (response(self->fd, self->in, HOMA_MAX_MESSAGE_LENGTH, &got, NULL) >= 0)
		ASSERT_EQ(-1, wrong(self->in, 500000, 1));
	ASSERT_EQ(id, got);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, request(self->fd, PORT, self->buf, 50000, &id, 0));
		ASSERT_EQ(1, poll(&p, 1, STUCK_MS));
		got = id;
		ASSERT_EQ(50000, response(self->fd, self->in, HOMA_MAX_MESSAGE_LENGTH, &got, NULL));
	}
}

int main(int argc, char **argv)
{
	const char *ko = getenv("ETRAN_HOMA_KO");

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!ko || !*ko) {
		printf("1..0 # SKIP no other Homa: make check T=homa-interop HOMA_KO=FILE, a kernel module for the lab's kernel\n");
		return NO_OTHER_HOMA;
	}
	first_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	/* hosts.sh is there. */
	if (first_ns < 0 || chdir("../homa")) {
		printf("Bail out! %s\n", strerror(errno));
		return 1;
	}
	hosts_up(1500, HOSTS_PEER, "--set timeout_ticks=3000");
	return test_harness_run(argc, argv);
}
