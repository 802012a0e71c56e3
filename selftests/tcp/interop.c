// SPDX-License-Identifier: GPL-2.0
/*
 * etran's TCP and the kernel's: connections that either began, over both versions of IP; data both ways, each byte
 * compared; every way in which a connection ends.
 */
#include "tcp_test.h"

#define PORT	8000
#define BULK	(1 << 20)

FIXTURE(interop)
{
	struct etran_tcp *t;
	struct etran_socket *s;		/* etran's end */
	int fd;				/* the kernel's */
};

FIXTURE_VARIANT(interop)
{
	int family;
	bool passive;			/* the kernel connects */
};

FIXTURE_VARIANT_ADD(interop, connect_ipv4) { .family = AF_INET };
FIXTURE_VARIANT_ADD(interop, connect_ipv6) { .family = AF_INET6 };
FIXTURE_VARIANT_ADD(interop, accept_ipv4) { .family = AF_INET, .passive = true };
FIXTURE_VARIANT_ADD(interop, accept_ipv6) { .family = AF_INET6, .passive = true };

FIXTURE_SETUP(interop)
{
	union address any = {}, to;
	struct etran_socket *l;
	int lfd;

	family = variant->family;
	to = address_of(HOST_B, PORT);
	any.sa.sa_family = family;
	any.in.sin_port = htons(PORT);
	self->t = context(HOST_A, 0);
	ASSERT_NE(NULL, self->t);
	self->s = etran_socket(self->t, family, 0);
	ASSERT_NE(NULL, self->s);
	if (variant->passive) {
		l = self->s;
		ASSERT_EQ(0, etran_bind(l, &any.sa, address_len()));
		ASSERT_EQ(0, etran_listen(l, 10)) TH_LOG("%s", etran_strerror_detail());
		enter(HOST_B);
		self->fd = kernel_connect(PORT);
		ASSERT_LE(0, self->fd) TH_LOG("connect: errno %d", errno);
		self->s = etran_accept(l, NULL, NULL, 0);
		ASSERT_NE(NULL, self->s) TH_LOG("%s", etran_strerror_detail());
		etran_close(l);
		return;
	}
	enter(HOST_B);
	lfd = kernel_listen(PORT, 10);
	ASSERT_LE(0, lfd);
	ASSERT_EQ(0, etran_connect(self->s, &to.sa, address_len()))
		TH_LOG("%s", etran_strerror_detail());
	self->fd = accept(lfd, NULL, NULL);
	ASSERT_LE(0, self->fd);
	close(lfd);
}

FIXTURE_TEARDOWN(interop)
{
	if (self->fd >= 0)
		close(self->fd);
	etran_close(self->s);
	etran_tcp_close(self->t);
	/* One may be in TIME_WAIT. */
	EXPECT_TRUE(idle(100, 20));
	EXPECT_EQ(0, tcp_counter("frame_stale"));
	EXPECT_EQ(0, tcp_counter("rx_bad_checksum"));
	EXPECT_EQ(0, counter("bad_verdict"));
}

/* Receive until the stream ends, all of it right. */
static void receive_all(struct __test_metadata *_metadata, struct etran_socket *s, uint64_t seed,
			uint64_t len)
{
	static uint8_t b[65536];
	uint64_t at = 0;
	ssize_t n;

	while ((n = etran_recv(s, b, sizeof(b), 0)) > 0) {
		ASSERT_EQ(-1, stream_wrong(b, seed, at, n)) TH_LOG("at %llu", (unsigned long long)at);
		at += n;
	}
	ASSERT_EQ(0, n) TH_LOG("errno %d at %llu: %s", errno, (unsigned long long)at,
			       etran_strerror_detail());
	ASSERT_EQ(len, at);
}

static void send_all(struct __test_metadata *_metadata, struct etran_socket *s, uint64_t seed,
		     uint64_t len)
{
	static uint8_t b[65536];
	uint64_t at = 0, n;

	while (at < len) {
		n = len - at < sizeof(b) ? len - at : sizeof(b);
		stream_fill(b, seed, at, n);
		ASSERT_EQ(n, etran_send(s, b, n, 0)) TH_LOG("errno %d: %s", errno,
							   etran_strerror_detail());
		at += n;
	}
}

TEST_F(interop, ping_pong)
{
	static const size_t sizes[] = { 1, 2, 100, 1447, 1448, 1449, 1460, 1461, 5000, 60000 };
	static uint8_t b[65536];
	uint64_t before = tcp_counter("tx_retransmit");
	size_t i, got;
	ssize_t n;

	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		stream_fill(b, i, 0, sizes[i]);
		ASSERT_EQ(sizes[i], etran_send(self->s, b, sizes[i], 0));
		memset(b, 0, sizeof(b));
		ASSERT_EQ(sizes[i], recv(self->fd, b, sizes[i], MSG_WAITALL));
		ASSERT_EQ(-1, stream_wrong(b, i, 0, sizes[i]));
		ASSERT_EQ(sizes[i], send(self->fd, b, sizes[i], 0));
		memset(b, 0, sizeof(b));
		for (got = 0; got < sizes[i]; got += n) {
			n = etran_recv(self->s, b + got, sizes[i] - got, 0);
			ASSERT_LT(0, n);
		}
		ASSERT_EQ(-1, stream_wrong(b, i, 0, sizes[i]));
	}
	ASSERT_EQ(before, tcp_counter("tx_retransmit"));
}

TEST_F(interop, bulk_to_kernel)
{
	struct kernel_end k = { .fd = self->fd, .seed = 3, .in = BULK };

	ASSERT_EQ(0, pthread_create(&k.thread, NULL, kernel_receives, &k));
	send_all(_metadata, self->s, 4, BULK);
	ASSERT_EQ(0, etran_shutdown(self->s, SHUT_WR));
	pthread_join(k.thread, NULL);
	ASSERT_EQ(0, k.bad) TH_LOG("after %llu", (unsigned long long)k.got);
}

TEST_F(interop, bulk_from_kernel)
{
	struct kernel_end k = { .fd = self->fd, .seed = 5, .out = BULK };

	ASSERT_EQ(0, pthread_create(&k.thread, NULL, kernel_sends, &k));
	receive_all(_metadata, self->s, 5, BULK);
	pthread_join(k.thread, NULL);
	ASSERT_EQ(0, k.bad);
}

/* BULK bytes each way at once; @fd is the kernel's end. */
static void both_ways(struct __test_metadata *_metadata, struct etran_socket *s, int fd)
{
	struct kernel_end in = { .fd = fd, .seed = 6, .in = BULK };
	struct kernel_end out = { .fd = fd, .seed = 8, .out = BULK };

	ASSERT_EQ(0, pthread_create(&in.thread, NULL, kernel_receives, &in));
	ASSERT_EQ(0, pthread_create(&out.thread, NULL, kernel_sends, &out));
	send_all(_metadata, s, 7, BULK);
	ASSERT_EQ(0, etran_shutdown(s, SHUT_WR));
	receive_all(_metadata, s, 8, BULK);
	pthread_join(in.thread, NULL);
	pthread_join(out.thread, NULL);
	ASSERT_EQ(0, in.bad);
	ASSERT_EQ(0, out.bad);
}

TEST_F(interop, bulk_both_ways)
{
	both_ways(_metadata, self->s, self->fd);
}

/* We end our direction; the other goes on. */
TEST_F(interop, half_close_by_us)
{
	struct kernel_end k = { .fd = self->fd, .seed = 9, .out = 100000 };
	char c;

	ASSERT_EQ(3, etran_send(self->s, "abc", 3, 0));
	ASSERT_EQ(0, etran_shutdown(self->s, SHUT_WR));
	ASSERT_EQ(-1, etran_send(self->s, "d", 1, 0));
	ASSERT_EQ(EPIPE, errno);
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(1, recv(self->fd, &c, 1, 0));
	ASSERT_EQ(0, recv(self->fd, &c, 1, 0));
	ASSERT_EQ(0, pthread_create(&k.thread, NULL, kernel_sends, &k));
	receive_all(_metadata, self->s, 9, 100000);
	pthread_join(k.thread, NULL);
}

/* The peer ends its direction; ours goes on. */
TEST_F(interop, half_close_by_peer)
{
	struct kernel_end k = { .fd = self->fd, .seed = 10, .in = 100000 };
	char c;

	ASSERT_EQ(0, shutdown(self->fd, SHUT_WR));
	ASSERT_EQ(0, etran_recv(self->s, &c, 1, 0));
	ASSERT_EQ(0, pthread_create(&k.thread, NULL, kernel_receives, &k));
	send_all(_metadata, self->s, 11, 100000);
	ASSERT_EQ(0, etran_shutdown(self->s, SHUT_WR));
	pthread_join(k.thread, NULL);
	ASSERT_EQ(0, k.bad);
}

TEST_F(interop, reset_by_peer)
{
	struct linger now = { 1, 0 };
	char c;

	ASSERT_EQ(0, setsockopt(self->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
	close(self->fd);
	self->fd = -1;
	ASSERT_EQ(-1, etran_recv(self->s, &c, 1, 0));
	ASSERT_EQ(ECONNRESET, errno);
	ASSERT_EQ(0, etran_recv(self->s, &c, 1, 0));
}

TEST_F(interop, reset_by_us)
{
	char c;

	etran_abort(self->s);
	self->s = NULL;
	ASSERT_EQ(-1, recv(self->fd, &c, 1, 0));
	ASSERT_EQ(ECONNRESET, errno);
}

/* Closed with data unread: RST, not FIN. */
TEST_F(interop, close_with_unread_data)
{
	char c;

	ASSERT_EQ(3, send(self->fd, "abc", 3, 0));
	ASSERT_EQ(1, etran_recv(self->s, &c, 1, 0));
	etran_close(self->s);
	self->s = NULL;
	ASSERT_EQ(-1, recv(self->fd, &c, 1, 0));
	ASSERT_EQ(ECONNRESET, errno);
}

/* What was sent arrives although the context is closed right behind it. */
TEST_F(interop, sent_and_closed)
{
	struct kernel_end k = { .fd = self->fd, .seed = 12, .in = 300000 };

	send_all(_metadata, self->s, 13, 300000);
	etran_close(self->s);
	self->s = NULL;
	etran_tcp_close(self->t);
	self->t = NULL;
	ASSERT_EQ(0, pthread_create(&k.thread, NULL, kernel_receives, &k));
	pthread_join(k.thread, NULL);
	ASSERT_EQ(0, k.bad) TH_LOG("after %llu", (unsigned long long)k.got);
}

TEST(refused)
{
	union address to = address_of(HOST_B, PORT + 1);
	struct etran_tcp *t = context(HOST_A, 0);
	struct etran_socket *s;

	ASSERT_NE(NULL, t);
	s = etran_socket(t, AF_INET, 0);
	ASSERT_NE(NULL, s);
	ASSERT_EQ(-1, etran_connect(s, &to.sa, address_len()));
	ASSERT_EQ(ECONNREFUSED, errno);
	etran_close(s);
	etran_tcp_close(t);
}

/* The kernel's own TCP on the same host does not notice: both ways, beside a listener of etran's. */
TEST(kernels_own)
{
	union address any = { .in.sin_family = AF_INET, .in.sin_port = htons(PORT) };
	struct etran_tcp *t = context(HOST_A, 0);
	struct etran_socket *l;
	union address to;
	int lfd, fd, peer;
	char c;

	ASSERT_NE(NULL, t);
	l = etran_socket(t, AF_INET, 0);
	ASSERT_EQ(0, etran_bind(l, &any.sa, sizeof(any.in)));
	ASSERT_EQ(0, etran_listen(l, 1));
	/* From HOST_B to the kernel of HOST_A. */
	lfd = socket(AF_INET, SOCK_STREAM, 0);
	any.in.sin_port = htons(PORT + 2);
	ASSERT_EQ(0, bind(lfd, &any.sa, sizeof(any.in)));
	ASSERT_EQ(0, listen(lfd, 1));
	enter(HOST_B);
	fd = kernel_connect(PORT + 2);
	ASSERT_LE(0, fd) TH_LOG("errno %d", errno);
	peer = accept(lfd, NULL, NULL);
	ASSERT_LE(0, peer);
	ASSERT_EQ(1, send(fd, "x", 1, 0));
	ASSERT_EQ(1, recv(peer, &c, 1, 0));
	close(fd);
	close(peer);
	close(lfd);
	/* From the kernel of HOST_A to HOST_B. */
	lfd = kernel_listen(PORT + 3, 1);
	ASSERT_LE(0, lfd);
	enter(HOST_A);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	to = address_of(HOST_B, PORT + 3);
	ASSERT_EQ(0, connect(fd, &to.sa, address_len()));
	close(fd);
	close(lfd);
	etran_close(l);
	etran_tcp_close(t);
}

/* Who binds where the other one listens is told, both ways; and when that ends the port is free. */
TEST(ports_are_reserved_in_the_kernel)
{
	union address any = { .in.sin_family = AF_INET, .in.sin_port = htons(PORT + 6) }, got;
	struct etran_tcp *t = context(HOST_A, 0);
	socklen_t len = sizeof(got);
	struct etran_socket *l;
	int fd, one = 1;

	ASSERT_NE(NULL, t);
	l = etran_socket(t, AF_INET, 0);
	ASSERT_EQ(0, etran_bind(l, &any.sa, sizeof(any.in)));
	ASSERT_EQ(0, etran_listen(l, 1)) TH_LOG("%s", etran_strerror_detail());
	fd = socket(AF_INET, SOCK_STREAM, 0);
	ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	ASSERT_EQ(-1, bind(fd, &any.sa, sizeof(any.in)));
	ASSERT_EQ(EADDRINUSE, errno);
	etran_close(l);
	ASSERT_EQ(0, bind(fd, &any.sa, sizeof(any.in)));
	ASSERT_EQ(0, listen(fd, 1));
	l = etran_socket(t, AF_INET, 0);
	ASSERT_EQ(0, etran_bind(l, &any.sa, sizeof(any.in)));
	ASSERT_EQ(-1, etran_listen(l, 1));
	ASSERT_EQ(EADDRINUSE, errno);
	ASSERT_NE(NULL, strstr(etran_strerror_detail(), "ss -tlnp"));
	close(fd);
	ASSERT_EQ(0, etran_listen(l, 1)) TH_LOG("%s", etran_strerror_detail());
	etran_close(l);
	/* A port that was chosen is one that both have free. */
	any.in.sin_port = 0;
	l = etran_socket(t, AF_INET, 0);
	ASSERT_EQ(0, etran_listen(l, 1)) TH_LOG("%s", etran_strerror_detail());
	ASSERT_EQ(0, etran_getsockname(l, &got.sa, &len));
	ASSERT_NE(0, got.in.sin_port);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	ASSERT_EQ(-1, bind(fd, &got.sa, sizeof(got.in)));
	ASSERT_EQ(EADDRINUSE, errno);
	close(fd);
	etran_tcp_close(t);
}

/* Homa, in TCP's clothes too, on the same device: both transports load, and TCP goes on. */
TEST(beside_homa)
{
	union address to = address_of(HOST_B, PORT + 4);
	struct etran_tcp *t;
	struct etran_socket *s;
	int lfd, fd;
	char c;

	ASSERT_EQ(0, system("etranctl load \"$ETRAN_BUILD\"/bpf/homa.bpf.o --dev tcp_a/" DEV_A " --set hijack_tcp=1 >&2"));
	t = context(HOST_A, 0);
	ASSERT_NE(NULL, t);
	s = etran_socket(t, AF_INET, 0);
	ASSERT_NE(NULL, s);
	enter(HOST_B);
	lfd = kernel_listen(PORT + 4, 1);
	ASSERT_LE(0, lfd);
	ASSERT_EQ(0, etran_connect(s, &to.sa, address_len())) TH_LOG("%s", etran_strerror_detail());
	fd = accept(lfd, NULL, NULL);
	ASSERT_EQ(1, etran_send(s, "x", 1, 0));
	ASSERT_EQ(1, recv(fd, &c, 1, 0));
	ASSERT_EQ(1, send(fd, "y", 1, 0));
	ASSERT_EQ(1, etran_recv(s, &c, 1, 0));
	ASSERT_EQ('y', c);
	close(fd);
	close(lfd);
	etran_close(s);
	etran_tcp_close(t);
	ASSERT_EQ(0, system("etranctl unload homa >&2"));
}

/*
 * HOST_B is a router, with a link of 1300 bytes to a third host, tcp_c. That sends no more, for its link drops what is
 * longer without a word, but says in its SYN that it takes 1500.
 */
static bool router_up(void)
{
	return !system("set -e; ip netns add tcp_c; "
		       "ip -n tcp_b link add v1 type veth peer name v0 netns tcp_c; "
		       "ip -n tcp_b addr add 10.79.0.1/24 dev v1; ip -n tcp_c addr add 10.79.0.2/24 dev v0; "
		       "ip -n tcp_b addr add fd79::1/64 dev v1 nodad; ip -n tcp_c addr add fd79::2/64 dev v0 nodad; "
		       "ip -n tcp_b link set v1 up mtu 1300; ip -n tcp_c link set v0 up; "
		       "ip netns exec tcp_b sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1; "
		       "ip -n tcp_a route add 10.79.0.0/24 via 10.78.0.2; "
		       "ip -n tcp_a route add fd79::/64 via fd78::2; "
		       "ip -n tcp_c route add default via 10.79.0.1 mtu 1300 advmss 1460; "
		       "ip -n tcp_c route add default via fd79::1 mtu 1300 advmss 1440");
}

static void router_down(void)
{
	int ret = system("ip netns del tcp_c; ip -n tcp_a route del 10.79.0.0/24; ip -n tcp_a route del fd79::/64; "
			 "ip -n tcp_a route flush cache; ip -n tcp_a -6 route flush cache; "
			 "ip -n tcp_b link del v1 2>/dev/null");

	(void)ret;
}

FIXTURE(narrow_path) { struct etran_tcp *t; };
FIXTURE_VARIANT(narrow_path) { int family; const char *far; };
FIXTURE_VARIANT_ADD(narrow_path, ipv4) { .family = AF_INET, .far = "10.79.0.2" };
FIXTURE_VARIANT_ADD(narrow_path, ipv6) { .family = AF_INET6, .far = "fd79::2" };

FIXTURE_SETUP(narrow_path)
{
	family = variant->family;
	ASSERT_TRUE(router_up());
	self->t = context(HOST_A, 0);
	ASSERT_NE(NULL, self->t);
}

FIXTURE_TEARDOWN(narrow_path)
{
	etran_tcp_close(self->t);
	EXPECT_TRUE(idle(100, 20));
	router_down();
	EXPECT_EQ(0, tcp_counter("frame_stale"));
}

/* RFC 1191, RFC 8201: data arrives by a path that takes less than the first link, and nothing waits for a timeout. */
TEST_F(narrow_path, data_arrives)
{
	uint64_t told = tcp_counter("rx_too_big"), timeouts = tcp_counter("rto");
	int netns_c = open("/run/netns/tcp_c", O_RDONLY | O_CLOEXEC), lfd, fd;
	union address to = address_of(HOST_B, PORT + 5);
	struct etran_socket *s;

	ASSERT_LE(0, netns_c);
	ASSERT_EQ(1, inet_pton(family, variant->far, family == AF_INET ? (void *)&to.in.sin_addr :
			       (void *)&to.in6.sin6_addr));
	ASSERT_EQ(0, setns(netns_c, CLONE_NEWNET));
	lfd = socket(family, SOCK_STREAM, 0);
	ASSERT_EQ(0, bind(lfd, &to.sa, address_len())) TH_LOG("errno %d", errno);
	ASSERT_EQ(0, listen(lfd, 1));
	s = etran_socket(self->t, family, 0);
	ASSERT_NE(NULL, s);
	ASSERT_EQ(0, etran_connect(s, &to.sa, address_len())) TH_LOG("%s", etran_strerror_detail());
	fd = accept(lfd, NULL, NULL);
	ASSERT_LE(0, fd);
	both_ways(_metadata, s, fd);
	etran_close(s);
	close(fd);
	close(lfd);
	close(netns_c);
	ASSERT_LT(told, tcp_counter("rx_too_big"));
	ASSERT_EQ(timeouts, tcp_counter("rto"));
}

TCP_MAIN(1500, "KERNEL", "")
