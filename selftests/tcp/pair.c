// SPDX-License-Identifier: GPL-2.0
/*
 * etran's TCP at both ends: data both ways, many connections at a time, threads that share a context, processes that
 * are killed. What the kernel's TCP forgives, two ends of the same make may not notice at all: so each byte is compared.
 */
#include <signal.h>
#include <sys/wait.h>
#include "pair.h"
#include "../../userlib/tcp_file.h"

#define PORT	8100
#define BULK	(1 << 20)
#define MANY	200

FIXTURE(pair)
{
	struct etran_tcp *a;
	struct etran_tcp *b;
	struct etran_socket *l;
};

FIXTURE_VARIANT(pair) { int family; };
FIXTURE_VARIANT_ADD(pair, ipv4) { .family = AF_INET };
FIXTURE_VARIANT_ADD(pair, ipv6) { .family = AF_INET6 };

FIXTURE_SETUP(pair)
{
	family = variant->family;
	self->b = context(HOST_B, 0);
	ASSERT_NE(NULL, self->b);
	self->l = listener(self->b, PORT, MANY);
	ASSERT_NE(NULL, self->l);
	self->a = context(HOST_A, 0);
	ASSERT_NE(NULL, self->a);
}

FIXTURE_TEARDOWN(pair)
{
	etran_tcp_close(self->a);
	etran_tcp_close(self->b);
	/* Who closes first has TIME_WAIT. */
	EXPECT_TRUE(idle(4 * MANY, 20));
	EXPECT_EQ(0, tcp_counter("frame_stale"));
	EXPECT_EQ(0, tcp_counter("rx_bad_checksum"));
	EXPECT_EQ(0, counter("bad_verdict"));
}

static void *flow_send(void *arg)
{
	static __thread uint8_t b[30000];
	struct flow *f = arg;
	uint64_t at, n;

	for (at = 0; at < f->len; at += n) {
		n = f->len - at < sizeof(b) ? f->len - at : sizeof(b);
		stream_fill(b, f->seed, at, n);
		if (etran_send(f->s, b, n, 0) != (ssize_t)n) {
			f->bad = "send";
			return NULL;
		}
	}
	if (etran_shutdown(f->s, SHUT_WR))
		f->bad = "shutdown";
	return NULL;
}

static void *flow_receive(void *arg)
{
	static __thread uint8_t b[30000];
	struct flow *f = arg;
	uint64_t at = 0;
	ssize_t n;

	while ((n = etran_recv(f->s, b, sizeof(b), 0)) > 0) {
		if (stream_wrong(b, f->seed, at, n) >= 0) {
			f->bad = "wrong byte";
			return NULL;
		}
		at += n;
	}
	if (n < 0)
		f->bad = "receive";
	else if (at != f->len)
		f->bad = "too short or too long";
	return NULL;
}

/* Both directions of a connection, or of several at once, with a thread for each end of each. */
static void exchange(struct __test_metadata *_metadata, FIXTURE_DATA(pair) *self, int conns, uint64_t len)
{
	struct flow flow[8][4] = {};
	int i, k;

	for (i = 0; i < conns; i++) {
		struct etran_socket *c = connected(self->a, HOST_B, PORT), *s;

		ASSERT_NE(NULL, c);
		s = etran_accept(self->l, NULL, NULL, 0);
		ASSERT_NE(NULL, s);
		flow[i][0] = (struct flow){ .s = c, .seed = 2 * i, .len = len };
		flow[i][1] = (struct flow){ .s = s, .seed = 2 * i, .len = len };
		flow[i][2] = (struct flow){ .s = s, .seed = 2 * i + 1, .len = len / 2 };
		flow[i][3] = (struct flow){ .s = c, .seed = 2 * i + 1, .len = len / 2 };
	}
	for (i = 0; i < conns; i++)
		for (k = 0; k < 4; k++)
			ASSERT_EQ(0, pthread_create(&flow[i][k].thread, NULL, k & 1 ? flow_receive : flow_send,
						    &flow[i][k]));
	for (i = 0; i < conns; i++) {
		for (k = 0; k < 4; k++) {
			pthread_join(flow[i][k].thread, NULL);
			ASSERT_EQ(NULL, flow[i][k].bad) TH_LOG("connection %d, %d: %s", i, k, flow[i][k].bad);
		}
		etran_close(flow[i][0].s);
		etran_close(flow[i][1].s);
	}
}

TEST_F(pair, bulk_both_ways)
{
	exchange(_metadata, self, 1, BULK);
	EXPECT_EQ(0, tcp_counter("tx_retransmit"))
		TH_LOG("probes %llu, recoveries %llu, timeouts %llu, paced %llu",
		       (unsigned long long)tcp_counter("tx_tail_probe"),
		       (unsigned long long)tcp_counter("fast_recovery"),
		       (unsigned long long)tcp_counter("rto"), (unsigned long long)tcp_counter("tx_paced"));
}

TEST_F(pair, threads_share_a_context)
{
	exchange(_metadata, self, 8, BULK / 8);
}

TEST_F(pair, many_connections_one_descriptor)
{
	struct pollfd p = { .fd = etran_tcp_fd(self->b), .events = POLLIN };
	static struct etran_socket *c[MANY], *s[MANY];
	unsigned int answered = 0, i;
	struct etran_socket *e;
	uint64_t end;
	char buf[64];
	short events;
	ssize_t n;

	for (i = 0; i < MANY; i++) {
		c[i] = connected(self->a, HOST_B, PORT);
		ASSERT_NE(NULL, c[i]) TH_LOG("connection %u", i);
		s[i] = etran_accept(self->l, NULL, NULL, SOCK_NONBLOCK);
		ASSERT_NE(NULL, s[i]);
	}
	ASSERT_LE(2 * MANY, conns_used());
	for (i = 0; i < MANY; i++) {
		snprintf(buf, sizeof(buf), "request %u", i);
		ASSERT_EQ(strlen(buf), etran_send(c[i], buf, strlen(buf), 0));
	}
	for (end = now_ms() + 10000; answered < MANY && now_ms() < end;) {
		ASSERT_LE(0, poll(&p, 1, 1000));
		while ((e = etran_tcp_next(self->b, &events)))
			while (e != self->l && (n = etran_recv(e, buf, sizeof(buf), 0)) > 0) {
				ASSERT_EQ(n, etran_send(e, buf, n, 0));
				answered++;
			}
	}
	ASSERT_EQ(MANY, answered);
	for (i = 0; i < MANY; i++) {
		char want[64];

		snprintf(want, sizeof(want), "request %u", i);
		n = etran_recv(c[i], buf, sizeof(buf), 0);
		ASSERT_EQ(strlen(want), n);
		ASSERT_EQ(0, memcmp(want, buf, n));
		etran_close(c[i]);
		etran_close(s[i]);
	}
}

/* The kernel ends a killed process's connections; those of others go on. */
TEST_F(pair, killed_client_is_noticed_by_its_server_only)
{
	struct etran_socket *mine, *s, *theirs;
	int ready[2], status;
	char c;
	pid_t pid;

	ASSERT_EQ(0, pipe(ready));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct etran_tcp *t = context(HOST_A, 0);

		s = t ? connected(t, HOST_B, PORT) : NULL;
		if (!s || etran_send(s, "x", 1, 0) != 1)
			_exit(1);
		if (write(ready[1], "r", 1) != 1)
			_exit(1);
		pause();
		_exit(1);
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	theirs = etran_accept(self->l, NULL, NULL, 0);
	ASSERT_NE(NULL, theirs);
	enter(HOST_A);
	mine = connected(self->a, HOST_B, PORT);
	ASSERT_NE(NULL, mine);
	s = etran_accept(self->l, NULL, NULL, 0);
	ASSERT_NE(NULL, s);
	ASSERT_EQ(1, etran_recv(theirs, &c, 1, 0));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	/* An end, or a reset: not silence. */
	ASSERT_GE(0, etran_recv(theirs, &c, 1, 0));
	ASSERT_EQ(1, etran_send(mine, "y", 1, 0));
	ASSERT_EQ(1, etran_recv(s, &c, 1, 0));
	ASSERT_EQ('y', c);
	close(ready[0]);
	close(ready[1]);
}

TEST_F(pair, port_without_listener_refuses)
{
	union address to = address_of(HOST_B, PORT + 1);
	struct etran_socket *s = etran_socket(self->a, family, 0);

	ASSERT_NE(NULL, s);
	ASSERT_EQ(-1, etran_connect(s, &to.sa, address_len()));
	EXPECT_EQ(ECONNREFUSED, errno);
	etran_close(s);
}

/* Sockets that are idle do not keep the frames of those that are not. */
TEST_F(pair, more_connections_than_frames)
{
	struct etran_tcp *few = context_with(HOST_A, 64, 0);
	struct etran_socket *c, *s;
	char byte;
	int i;

	ASSERT_NE(NULL, few);
	for (i = 0; i < MANY; i++) {
		c = connected(few, HOST_B, PORT);
		ASSERT_NE(NULL, c) TH_LOG("connection %d", i);
		s = etran_accept(self->l, NULL, NULL, 0);
		ASSERT_NE(NULL, s);
		byte = i;
		ASSERT_EQ(1, etran_send(c, &byte, 1, 0));
		ASSERT_EQ(1, etran_recv(s, &byte, 1, 0));
		ASSERT_EQ((char)i, byte);
	}
	etran_tcp_close(few);
}

/* CPU time of a thread of this process, in milliseconds. */
static int64_t cpu_ms(pthread_t thread)
{
	struct timespec t = {};
	clockid_t clock;

	pthread_getcpuclockid(thread, &clock);
	clock_gettime(clock, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Nobody spins who was not told to: behind the first bytes, too. */
TEST_F(pair, who_waits_sleeps)
{
	struct etran_socket *c = connected(self->a, HOST_B, PORT), *s;
	struct flow f = { .seed = 3, .len = 2000 };
	uint8_t b[1000];
	int64_t before;

	ASSERT_NE(NULL, c);
	s = etran_accept(self->l, NULL, NULL, 0);
	ASSERT_NE(NULL, s);
	f.s = s;
	ASSERT_EQ(0, pthread_create(&f.thread, NULL, flow_receive, &f));
	stream_fill(b, 3, 0, sizeof(b));
	ASSERT_EQ(sizeof(b), etran_send(c, b, sizeof(b), 0));
	usleep(50000);
	before = cpu_ms(f.thread);
	usleep(400000);
	EXPECT_GE(before + 40, cpu_ms(f.thread));
	stream_fill(b, 3, sizeof(b), sizeof(b));
	ASSERT_EQ(sizeof(b), etran_send(c, b, sizeof(b), 0));
	ASSERT_EQ(0, etran_shutdown(c, SHUT_WR));
	pthread_join(f.thread, NULL);
	EXPECT_EQ(NULL, f.bad) TH_LOG("%s", f.bad);
	etran_close(s);
	etran_close(c);
}

/* Where nothing is lost, nearly all is what was to be expected next, of which little has to be asked (bpf/tcp/predict.h). */
TEST_F(pair, segments_are_predicted)
{
	struct etran_socket *c = connected(self->a, HOST_B, PORT), *s;
	uint64_t segments, predicted;
	uint8_t b[64];
	int i;

	ASSERT_NE(NULL, c);
	s = etran_accept(self->l, NULL, NULL, 0);
	ASSERT_NE(NULL, s);
	segments = tcp_counter("rx_segments");
	predicted = tcp_counter("rx_predicted");
	for (i = 0; i < 50; i++) {
		stream_fill(b, 7, i * sizeof(b), sizeof(b));
		ASSERT_EQ(sizeof(b), etran_send(c, b, sizeof(b), 0));
		memset(b, 0, sizeof(b));
		ASSERT_EQ(sizeof(b), etran_recv(s, b, sizeof(b), MSG_WAITALL));
		ASSERT_EQ(-1, stream_wrong(b, 7, i * sizeof(b), sizeof(b)));
		ASSERT_EQ(sizeof(b), etran_send(s, b, sizeof(b), 0));
		ASSERT_EQ(sizeof(b), etran_recv(c, b, sizeof(b), MSG_WAITALL));
	}
	segments = tcp_counter("rx_segments") - segments;
	predicted = tcp_counter("rx_predicted") - predicted;
	EXPECT_LE(100, segments);
	EXPECT_LE(segments - 10, predicted) TH_LOG("%llu of %llu", (unsigned long long)predicted, (unsigned long long)segments);
	etran_close(s);
	etran_close(c);
}

/* Bytes of several calls with MSG_MORE are one segment; the end of the stream sends what is left. */
TEST_F(pair, more_comes_in_the_same_segment)
{
	struct etran_socket *c = connected(self->a, HOST_B, PORT), *s;
	uint64_t before;
	uint8_t b[64];
	int i;

	ASSERT_NE(NULL, c);
	s = etran_accept(self->l, NULL, NULL, 0);
	ASSERT_NE(NULL, s);
	before = tcp_counter("tx_data");
	stream_fill(b, 5, 0, sizeof(b));
	for (i = 0; i < 30; i++)
		ASSERT_EQ(1, etran_send(c, b + i, 1, MSG_MORE));
	ASSERT_EQ(10, etran_send(c, b + 30, 10, 0));
	memset(b, 0, sizeof(b));
	ASSERT_EQ(40, etran_recv(s, b, 40, MSG_WAITALL));
	EXPECT_EQ(-1, stream_wrong(b, 5, 0, 40));
	EXPECT_EQ(before + 1, tcp_counter("tx_data"));
	ASSERT_EQ(1, etran_send(c, "x", 1, MSG_MORE));
	ASSERT_EQ(0, etran_shutdown(c, SHUT_WR));
	ASSERT_EQ(1, etran_recv(s, b, sizeof(b), MSG_WAITALL));
	EXPECT_EQ('x', b[0]);
	ASSERT_EQ(1, etran_send(s, "y", 1, MSG_MORE));
	etran_close(s);
	ASSERT_EQ(1, etran_recv(c, b, sizeof(b), MSG_WAITALL));
	EXPECT_EQ('y', b[0]);
	etran_close(c);
}

/* What waits for more is the kernel's: it arrives though its sender was killed. */
TEST_F(pair, data_that_waits_outlives_its_process)
{
	struct etran_socket *s;
	int status;
	char b[8];
	pid_t pid;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct etran_tcp *t = context(HOST_A, 0);
		struct etran_socket *c = t ? connected(t, HOST_B, PORT) : NULL;

		if (!c || etran_send(c, "a", 1, 0) != 1 || etran_send(c, "b", 1, MSG_MORE) != 1 ||
		    etran_send(c, "c", 1, MSG_MORE) != 1)
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	s = etran_accept(self->l, NULL, NULL, 0);
	ASSERT_NE(NULL, s);
	ASSERT_EQ(3, etran_recv(s, b, 3, MSG_WAITALL));
	EXPECT_EQ(0, memcmp(b, "abc", 3));
	ASSERT_EQ(0, etran_recv(s, b, 1, 0));
	etran_close(s);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
}

/* A byte comes back. */
static void *echo_byte(void *arg)
{
	char byte;

	if (etran_recv(arg, &byte, 1, 0) == 1)
		etran_send(arg, &byte, 1, 0);
	return NULL;
}

/* What was sent with MSG_BATCH goes out when its sender has nothing else to do, whatever that waits with. */
TEST_F(pair, batches_go_when_nothing_is_to_be_done)
{
	struct etran_socket *c[2], *s[2];
	pthread_t thread;
	uint64_t before;
	short events;
	char byte;
	int i;

	for (i = 0; i < 2; i++) {
		c[i] = connected(self->a, HOST_B, PORT);
		ASSERT_NE(NULL, c[i]);
		s[i] = etran_accept(self->l, NULL, NULL, 0);
		ASSERT_NE(NULL, s[i]);
	}
	before = tcp_counter("tx_data");
	ASSERT_EQ(1, etran_send(c[0], "a", 1, MSG_BATCH));
	ASSERT_EQ(1, etran_send(c[1], "b", 1, MSG_BATCH));
	EXPECT_EQ(before, tcp_counter("tx_data"));
	while (etran_tcp_next(self->a, &events))
		;
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(1, etran_recv(s[i], &byte, 1, 0));
		EXPECT_EQ("ab"[i], byte);
	}
	EXPECT_EQ(before + 2, tcp_counter("tx_data"));
	ASSERT_EQ(1, etran_send(c[0], "c", 1, MSG_BATCH));
	EXPECT_EQ(-1, etran_recv(c[0], &byte, 1, MSG_DONTWAIT));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(1, etran_recv(s[0], &byte, 1, 0));
	EXPECT_EQ('c', byte);
	ASSERT_EQ(0, pthread_create(&thread, NULL, echo_byte, s[1]));
	ASSERT_EQ(1, etran_send(c[1], "d", 1, MSG_BATCH));
	ASSERT_EQ(1, etran_recv(c[1], &byte, 1, 0));
	EXPECT_EQ('d', byte);
	pthread_join(thread, NULL);
	ASSERT_EQ(1, etran_send(c[0], "e", 1, MSG_BATCH));
	etran_close(c[0]);
	ASSERT_EQ(1, etran_recv(s[0], &byte, 1, 0));
	EXPECT_EQ('e', byte);
}

#define SHARED	(PORT + 2)

/* A listener at @addr; what it is made of is @s, which is gone when that fails. */
static struct etran_socket *listens(struct etran_socket *s, union address addr)
{
	if (s && !etran_bind(s, &addr.sa, address_len()) && !etran_listen(s, MANY))
		return s;
	etran_close(s);
	return NULL;
}

static union address any(uint16_t port)
{
	return (union address){ .in6.sin6_family = family, .in6.sin6_port = htons(port) };
}

static struct etran_socket *shares(struct etran_tcp *t)
{
	struct etran_socket *s = etran_socket(t, family, SOCK_NONBLOCK);

	return s && !etran_tcp_set(s, ETRAN_SOCKET_REUSEPORT, 1) ? listens(s, any(SHARED)) : NULL;
}

/* Make @n connections and accept them at @l, two listeners. @got: how many at which */
static bool spread(struct etran_tcp *a, struct etran_socket *l[2], int n, int got[2])
{
	uint64_t end = now_ms() + 5000;
	int i, done = 0;

	got[0] = got[1] = 0;
	for (i = 0; i < n; i++)
		if (!connected(a, HOST_B, SHARED))
			return false;
	while (done < n && now_ms() < end)
		for (i = 0; i < 2; i++)
			while (l[i] && etran_accept(l[i], NULL, NULL, 0)) {
				got[i]++;
				done++;
			}
	return done == n;
}

/* SO_REUSEPORT */
TEST_F(pair, listeners_share_a_port)
{
	struct etran_tcp *b = context(HOST_B, 0);
	struct etran_socket *l[2];
	int got[2];

	ASSERT_NE(NULL, b);
	l[0] = shares(self->b);
	ASSERT_NE(NULL, l[0]) TH_LOG("%s", etran_strerror_detail());
	/* Who does not want it cannot have it. */
	ASSERT_EQ(NULL, listens(etran_socket(b, family, 0), any(SHARED)));
	ASSERT_EQ(EADDRINUSE, errno);
	l[1] = shares(b);
	ASSERT_NE(NULL, l[1]) TH_LOG("%s", etran_strerror_detail());
	enter(HOST_A);
	ASSERT_TRUE(spread(self->a, l, 40, got)) TH_LOG("%d and %d", got[0], got[1]);
	EXPECT_LT(3, got[0]);
	EXPECT_LT(3, got[1]);
	etran_close(l[1]);
	l[1] = NULL;
	ASSERT_TRUE(spread(self->a, l, 10, got));
	ASSERT_EQ(10, got[0]);
	etran_tcp_close(b);
}

TEST_F(pair, listeners_at_different_addresses_of_a_port)
{
	union address second = address_of(HOST_B, SHARED);
	struct etran_socket *l[2];
	int got[2];

	/* .3, ::3 */
	((uint8_t *)&second)[family == AF_INET ? 7 : 23] = 3;
	ASSERT_EQ(0, system(family == AF_INET ? "ip -n tcp_b addr add 10.78.0.3/24 dev " DEV_B :
					      "ip -n tcp_b addr add fd78::3/64 nodad dev " DEV_B));
	l[0] = listens(etran_socket(self->b, family, SOCK_NONBLOCK), address_of(HOST_B, SHARED));
	ASSERT_NE(NULL, l[0]);
	l[1] = listens(etran_socket(self->b, family, SOCK_NONBLOCK), second);
	ASSERT_NE(NULL, l[1]) TH_LOG("%s", etran_strerror_detail());
	/* Another host's. */
	ASSERT_EQ(NULL, listens(etran_socket(self->b, family, 0), address_of(HOST_A, SHARED)));
	ASSERT_EQ(EADDRNOTAVAIL, errno);
	ASSERT_EQ(NULL, listens(etran_socket(self->b, family, 0), any(SHARED)));
	ASSERT_EQ(EADDRINUSE, errno);
	ASSERT_TRUE(spread(self->a, l, 10, got));
	ASSERT_EQ(10, got[0]);
}

/* Who listens for its children only; the shim's workers. */
TEST_F(pair, spare_listener_gets_what_no_other_wants)
{
	struct etran_socket *l[2] = {}, *s = etran_socket(self->b, family, SOCK_NONBLOCK), *early;
	struct etran_tcp *b = context(HOST_B, 0);
	int got[2];
	char c;

	ASSERT_NE(NULL, b);
	ASSERT_NE(NULL, s);
	etran_socket_spare(s, true);
	l[0] = listens(s, any(SHARED));
	ASSERT_NE(NULL, l[0]);
	ASSERT_TRUE(spread(self->a, l, 3, got));
	ASSERT_EQ(3, got[0]);
	enter(HOST_A);
	early = connected(self->a, HOST_B, SHARED);
	ASSERT_NE(NULL, early);
	/* Beside it because of what it knows, not of who it is. */
	l[1] = etran_socket(b, family, SOCK_NONBLOCK);
	ASSERT_EQ(0, etran_listen_beside(l[1], l[0])) TH_LOG("%s", etran_strerror_detail());
	/* Nobody would ever have accepted it. */
	ASSERT_EQ(-1, etran_recv(early, &c, 1, 0));
	ASSERT_EQ(ECONNRESET, errno);
	/* It is there to be accepted, though reset, as with the kernel. */
	ASSERT_NE(NULL, etran_accept(l[0], NULL, NULL, 0));
	ASSERT_TRUE(spread(self->a, l, 10, got));
	ASSERT_EQ(10, got[1]);
	etran_tcp_close(b);
	l[1] = NULL;
	ASSERT_TRUE(spread(self->a, l, 3, got));
	ASSERT_EQ(3, got[0]);
}

TCP_MAIN(1500, "BOTH", "")
