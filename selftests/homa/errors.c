// SPDX-License-Identifier: GPL-2.0
/*
 * What goes wrong is said, soon and with the errno that the man pages promise, and costs nobody else
 * anything: after each test a good RPC goes through and nothing is left.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include "homa_test.h"

#define PORT	600
/* Silence is an error after 100 ms. */
#define SOON_MS	1000

FIXTURE(errors)
{
	int client;
	int server;
	uint8_t *buf;
};

FIXTURE_VARIANT(errors)
{
	int family;
};

FIXTURE_VARIANT_ADD(errors, ipv4)
{
	.family = AF_INET,
};

FIXTURE_VARIANT_ADD(errors, ipv6)
{
	.family = AF_INET6,
};

FIXTURE_SETUP(errors)
{
	homa_family = variant->family;
	self->server = sock_on(HOST_B, PORT);
	ASSERT_LE(0, self->server);
	self->client = sock_on(HOST_A, 0);
	ASSERT_LE(0, self->client);
	self->buf = calloc(1, HOMA_MAX_MESSAGE_LENGTH + 1);
	ASSERT_NE(NULL, self->buf);
}

static ssize_t receive(int fd, void *buf, size_t room, union address *from, uint64_t *id,
		       int flags)
{
	size_t addrlen = sizeof(*from);

	*id = 0;
	return homa_recv(fd, buf, room, HOMA_RECV_REQUEST | flags, &from->sa, &addrlen,
			 id, NULL, NULL);
}

static int reply(int fd, const void *buf, size_t len, const union address *to, uint64_t id)
{
	return homa_reply(fd, buf, len, &to->sa, address_len(), id);
}

FIXTURE_TEARDOWN(errors)
{
	union address from;
	uint64_t id, sid;
	char in[8];

	if (self->server >= 0) {
		EXPECT_EQ(0, request(self->client, PORT, "still?", 7, &id, 0));
		do {
			EXPECT_LT(0, receive(self->server, self->buf, HOMA_MAX_MESSAGE_LENGTH, &from,
					     &sid, 0));
		} while (strcmp((char *)self->buf, "still?") && !_metadata->exit_code);
		EXPECT_EQ(0, reply(self->server, "yes", 4, &from, sid));
		EXPECT_EQ(4, response(self->client, in, sizeof(in), &id, NULL));
		EXPECT_STREQ("yes", in);
		homa_close(self->server);
	}
	homa_close(self->client);
	EXPECT_TRUE(!idle(10)) TH_LOG("left: %s", idle(0));
}

#define ASSERT_ERRNO(error, call) do {					\
	errno = 0;							\
	ASSERT_EQ(-1, call);						\
	ASSERT_EQ(error, errno) TH_LOG("%s", etran_strerror_detail());	\
	ASSERT_STRNE("", etran_strerror_detail());			\
} while (0)

TEST_F(errors, message_of_no_or_too_many_bytes)
{
	union address from;
	uint64_t id, sid;

	ASSERT_ERRNO(EINVAL, request(self->client, PORT, self->buf, 0, &id, 0));
	ASSERT_ERRNO(EINVAL, request(self->client, PORT, self->buf, HOMA_MAX_MESSAGE_LENGTH + 1, &id, 0));
	ASSERT_ERRNO(EFAULT, request(self->client, PORT, NULL, 5, &id, 0));
	ASSERT_EQ(0, map_entries("rpcs"));
	ASSERT_EQ(0, request(self->client, PORT, "hello", 5, &id, 0));
	ASSERT_EQ(5, receive(self->server, self->buf, 100, &from, &sid, 0));
	ASSERT_ERRNO(EINVAL, reply(self->server, self->buf, 0, &from, sid));
	ASSERT_ERRNO(EINVAL, reply(self->server, self->buf, HOMA_MAX_MESSAGE_LENGTH + 1, &from, sid));
	/* It still waits for its answer. */
	ASSERT_EQ(0, reply(self->server, "again", 5, &from, sid));
	ASSERT_EQ(5, response(self->client, self->buf, 100, &id, NULL));
}

TEST_F(errors, reply_to_what_is_no_request)
{
	union address from, other;
	uint64_t id, sid;

	from = address_of(HOST_A, 0x8000);
	ASSERT_ERRNO(EINVAL, reply(self->server, "x", 1, &from, 12345));
	ASSERT_EQ(0, request(self->client, PORT, "hello", 5, &id, 0));
	ASSERT_EQ(5, receive(self->server, self->buf, 100, &from, &sid, 0));
	other = from;
	/* Another host: of both families, this is in the address. */
	if (homa_family == AF_INET)
		other.in.sin_addr.s_addr ^= htonl(4);
	else
		other.in6.sin6_addr.s6_addr[15] ^= 4;
	ASSERT_ERRNO(EINVAL, reply(self->server, "x", 1, &other, sid));
	ASSERT_ERRNO(EINVAL, reply(self->server, "x", 1, &from, sid ^ 1));
	ASSERT_ERRNO(EINVAL, reply(self->server, "x", 1, &from, sid + 2));
	ASSERT_ERRNO(EINVAL, reply(self->client, "x", 1, &from, sid));
	ASSERT_EQ(0, reply(self->server, "x", 1, &from, sid));
	ASSERT_ERRNO(EINVAL, reply(self->server, "x", 1, &from, sid));
	ASSERT_EQ(1, response(self->client, self->buf, 100, &id, NULL));
}

TEST_F(errors, abort)
{
	uint64_t id[3], got, cookie;
	int i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, request(self->client, PORT, self->buf, 60000 * i + 1, &id[i], 70 + i));
	ASSERT_ERRNO(EINVAL, homa_abort(self->client, id[2] + 2, 0));
	ASSERT_ERRNO(EINVAL, homa_abort(self->client, id[0], -1));
	ASSERT_ERRNO(EINVAL, homa_abort(self->server, id[0], 0));
	/* With an error, it is received as one ... */
	ASSERT_EQ(0, homa_abort(self->client, id[1], ECANCELED));
	got = 0;
	ASSERT_ERRNO(ECANCELED, response(self->client, self->buf, 100, &got, &cookie));
	ASSERT_EQ(id[1], got);
	ASSERT_EQ(71, cookie);
	/* ... without, not at all. */
	ASSERT_EQ(0, homa_abort(self->client, 0, 0));
	got = 0;
	errno = 0;
	ASSERT_EQ(-1, homa_recv(self->client, self->buf, 100,
				HOMA_RECV_RESPONSE | HOMA_RECV_NONBLOCKING, NULL, NULL, &got, NULL,
				NULL));
	ASSERT_EQ(EAGAIN, errno);
	ASSERT_EQ(0, got);
	ASSERT_ERRNO(EINVAL, homa_abort(self->client, id[0], 0));
}

static void set_host(struct __test_metadata *_metadata, union address *a, const char *host)
{
	void *to = homa_family == AF_INET ? (void *)&a->in.sin_addr : &a->in6.sin6_addr;

	ASSERT_EQ(1, inet_pton(homa_family, host, to)) TH_LOG("%s", host);
}

/* @host: NULL for HOST_B */
static void fails_soon(struct __test_metadata *_metadata, int fd, const char *host, uint16_t port,
		       size_t len, int error, int other)
{
	union address to = address_of(HOST_B, port);
	uint64_t id, got = 0, cookie = 0, t0 = now_ms();
	static uint8_t buf[HOMA_MAX_MESSAGE_LENGTH];

	if (host)
		set_host(_metadata, &to, host);
	ASSERT_EQ(0, homa_send(fd, buf, len, &to.sa, address_len(), &id, 99, 0));
	ASSERT_EQ(-1, response(fd, buf, 100, &got, &cookie));
	ASSERT_TRUE(errno == error || errno == other) TH_LOG("%s port %u: errno %d", host ?: "b", port, errno);
	ASSERT_EQ(id, got);
	ASSERT_EQ(99, cookie);
	ASSERT_GT(SOON_MS, now_ms() - t0) TH_LOG("%s port %u: %llu ms", host ?: "b", port,
						 (unsigned long long)(now_ms() - t0));
}

TEST_F(errors, host_that_does_not_exist)
{
	const bool v6 = homa_family == AF_INET6;
	const char *silent[] = { v6 ? "fd77::99" : "10.77.0.99", v6 ? "fd77::98" : "10.77.0.98" };
	const char *nowhere = v6 ? "2001:db8::1" : "198.51.100.1";

	/* Nobody answers for it. */
	fails_soon(_metadata, self->client, silent[0], PORT, 32, EHOSTUNREACH, ETIMEDOUT);
	fails_soon(_metadata, self->client, silent[1], PORT, 200000, EHOSTUNREACH, ETIMEDOUT);
	/* There is no way to it. */
	fails_soon(_metadata, self->client, nowhere, PORT, 32, ENETUNREACH, ENETUNREACH);
	fails_soon(_metadata, self->client, nowhere, PORT, 1000000, ENETUNREACH, ENETUNREACH);
}

TEST_F(errors, port_without_server)
{
	int other;

	fails_soon(_metadata, self->client, NULL, PORT + 1, 32, ENOTCONN, ENOTCONN);
	fails_soon(_metadata, self->client, NULL, PORT + 1, 200000, ENOTCONN, ENOTCONN);
	/* A client is no server. */
	other = sock_on(HOST_B, 0);
	ASSERT_LE(0, other);
	ASSERT_LE(HOMA_MIN_DEFAULT_PORT, sock_port(other));
	fails_soon(_metadata, self->client, NULL, sock_port(other), 32, ENOTCONN, ENOTCONN);
	homa_close(other);
}

TEST_F(errors, server_closed_with_requests_outstanding)
{
	union address from;
	uint64_t id, sid, t0;
	int i;

	for (i = 0; i < 6; i++)
		ASSERT_EQ(0, request(self->client, PORT, self->buf, i % 2 ? 300000 : 10, NULL, i));
	ASSERT_LT(0, receive(self->server, self->buf, HOMA_MAX_MESSAGE_LENGTH, &from, &sid, 0));
	homa_close(self->server);
	self->server = -1;
	t0 = now_ms();
	for (i = 0; i < 6; i++) {
		id = 0;
		ASSERT_EQ(-1, response(self->client, self->buf, 100, &id, NULL));
		ASSERT_NE(0, id);
		ASSERT_TRUE(errno == ENOTCONN || errno == ECONNRESET) TH_LOG("errno %d", errno);
	}
	ASSERT_GT(SOON_MS, now_ms() - t0);
}

TEST_F(errors, addresses)
{
	union address to = address_of(HOST_B, PORT), other = to;
	const socklen_t len = address_len();
	uint64_t id;

	/* Of the other family, and long enough for it. */
	other.sa.sa_family = homa_family == AF_INET ? AF_INET6 : AF_INET;
	ASSERT_ERRNO(EAFNOSUPPORT, homa_socket(AF_UNIX, 0));
	ASSERT_ERRNO(EINVAL, homa_socket(homa_family, 1));
	ASSERT_ERRNO(EAFNOSUPPORT, homa_send(self->client, "x", 1, &other.sa, sizeof(other), &id, 0, 0));
	ASSERT_ERRNO(EAFNOSUPPORT, homa_bind(self->client, &other.sa, sizeof(other)));
	ASSERT_ERRNO(EINVAL, homa_send(self->client, "x", 1, &to.sa, len - 1, &id, 0, 0));
	ASSERT_ERRNO(EINVAL, homa_send(self->client, "x", 1, NULL, 0, &id, 0, 0));
	ASSERT_ERRNO(EINVAL, homa_send(self->client, "x", 1, &to.sa, len, &id, 0, 0x4000));
	to.in.sin_port = 0;
	ASSERT_ERRNO(EINVAL, homa_send(self->client, "x", 1, &to.sa, len, &id, 0, 0));
	ASSERT_EQ(0, map_entries("rpcs"));
}

TEST_F(errors, destinations_that_are_no_host)
{
	static const char * const v[][3] = {
		{ "0.0.0.0", "224.0.0.1", "255.255.255.255" }, { "::", "ff02::1", "::1" },
	};
	union address to = address_of(HOST_B, PORT);
	uint64_t id, got;
	size_t i;
	int ret;

	/* Either at once or as the RPC's error. */
	for (i = 0; i < 3; i++) {
		set_host(_metadata, &to, v[homa_family == AF_INET6][i]);
		errno = 0;
		ret = homa_send(self->client, "x", 1, &to.sa, address_len(), &id, 0, 0);
		if (!ret) {
			got = id;
			ret = response(self->client, self->buf, 100, &got, NULL);
		}
		ASSERT_EQ(-1, ret);
		ASSERT_EQ(EINVAL, errno) TH_LOG("%s", v[homa_family == AF_INET6][i]);
	}
}

TEST_F(errors, buffer_too_small)
{
	union address from;
	uint64_t id, sid, again;
	size_t addrlen = sizeof(from), msglen = 0;

	fill(self->buf, 5000, 5);
	ASSERT_EQ(0, request(self->client, PORT, self->buf, 5000, &id, 0));
	sid = 0;
	ASSERT_ERRNO(EMSGSIZE, homa_recv(self->server, self->buf, 4999, HOMA_RECV_REQUEST,
					 &from.sa, &addrlen, &sid, &msglen, NULL));
	ASSERT_EQ(5000, msglen);
	ASSERT_EQ(1, sid & 1);
	memset(self->buf, 0, 5000);
	ASSERT_EQ(5000, receive(self->server, self->buf, 5000, &from, &again, 0));
	ASSERT_EQ(sid, again);
	ASSERT_EQ(-1, wrong(self->buf, 5000, 5));
	ASSERT_EQ(0, reply(self->server, self->buf, 3, &from, sid));
	again = id;
	ASSERT_ERRNO(EMSGSIZE, response(self->client, self->buf, 2, &again, NULL));
	ASSERT_EQ(id, again);
	ASSERT_EQ(3, response(self->client, self->buf, 3, &again, NULL));
}

TEST_F(errors, nothing_there)
{
	union address from;
	uint64_t id, sid;

	ASSERT_ERRNO(EAGAIN, receive(self->server, self->buf, 100, &from, &id, HOMA_RECV_NONBLOCKING));
	ASSERT_ERRNO(EAGAIN, receive(self->server, self->buf, 100, &from, &id, MSG_DONTWAIT));
	ASSERT_EQ(0, fcntl(self->server, F_SETFL, O_NONBLOCK));
	ASSERT_ERRNO(EAGAIN, receive(self->server, self->buf, 100, &from, &id, 0));
	ASSERT_EQ(0, fcntl(self->server, F_SETFL, 0));
	id = 2468;
	ASSERT_ERRNO(EINVAL, response(self->client, self->buf, 100, &id, NULL));
	ASSERT_EQ(0, id);
	ASSERT_ERRNO(EINVAL, homa_recv(self->client, self->buf, 100, 0, NULL, NULL, &id, NULL, NULL));
	/* An RPC that waits: only its own answer is an answer. */
	ASSERT_EQ(0, request(self->client, PORT, "x", 1, &id, 0));
	ASSERT_ERRNO(EAGAIN, homa_recv(self->client, self->buf, 100,
				       HOMA_RECV_RESPONSE | HOMA_RECV_NONBLOCKING, NULL, NULL, &id,
				       NULL, NULL));
	ASSERT_EQ(1, receive(self->server, self->buf, 100, &from, &sid, 0));
	ASSERT_EQ(0, reply(self->server, "y", 1, &from, sid));
	sid = 0;
	ASSERT_EQ(1, response(self->client, self->buf, 100, &sid, NULL));
}

/* POLLIN is there exactly while homa_recv() has something to return. */
TEST_F(errors, poll_and_epoll)
{
	struct pollfd p = { .fd = self->server, .events = POLLIN };
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 7 }, got = {};
	union address from;
	uint64_t id, sid;
	int i, ep;

	ep = epoll_create1(0);
	ASSERT_LE(0, ep);
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->client, &ev));
	ASSERT_EQ(0, poll(&p, 1, 20));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, request(self->client, PORT, "abc", 3, NULL, i));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(1, poll(&p, 1, 5000));
		ASSERT_EQ(POLLIN, p.revents);
		ASSERT_EQ(3, receive(self->server, self->buf, 100, &from, &sid,
				     HOMA_RECV_NONBLOCKING)) TH_LOG("%d: errno %d", i, errno);
		ASSERT_EQ(0, epoll_wait(ep, &got, 1, 0));
		ASSERT_EQ(0, reply(self->server, "abc", 3, &from, sid));
		ASSERT_EQ(1, epoll_wait(ep, &got, 1, 5000));
		ASSERT_EQ(7, got.data.u64);
		ASSERT_EQ(EPOLLIN, got.events);
		id = 0;
		ASSERT_EQ(3, homa_recv(self->client, self->buf, 100,
				       HOMA_RECV_RESPONSE | HOMA_RECV_NONBLOCKING, NULL, NULL, &id,
				       NULL, NULL));
	}
	ASSERT_EQ(0, poll(&p, 1, 0));
	ASSERT_EQ(0, epoll_wait(ep, &got, 1, 0));
	/* An error is something to receive, too. */
	ASSERT_EQ(0, request(self->client, PORT + 1, "abc", 3, &id, 0));
	ASSERT_EQ(1, epoll_wait(ep, &got, 1, 5000));
	ASSERT_ERRNO(ENOTCONN, response(self->client, self->buf, 100, &id, NULL));
	close(ep);
}

TEST_F(errors, bind)
{
	union address a = address_of(HOST_A, HOMA_MIN_DEFAULT_PORT);
	union address any = { .sa.sa_family = homa_family };
	socklen_t len = address_len();
	uint16_t old;
	int other;

	old = sock_port(self->client);
	ASSERT_LE(HOMA_MIN_DEFAULT_PORT, old);
	any.in.sin_port = htons(HOMA_MIN_DEFAULT_PORT);
	ASSERT_ERRNO(EINVAL, homa_bind(self->client, &any.sa, len));
	a.in.sin_port = htons(0xffff);
	ASSERT_ERRNO(EINVAL, homa_bind(self->client, &a.sa, len));
	any.in.sin_port = 0;
	ASSERT_EQ(0, homa_bind(self->client, &any.sa, len));
	ASSERT_ERRNO(EINVAL, homa_bind(self->client, &any.sa, 7));

	other = sock_on(HOST_A, 77);
	ASSERT_LE(0, other);
	any.in.sin_port = htons(77);
	ASSERT_ERRNO(EADDRINUSE, homa_bind(self->client, &any.sa, len));
	ASSERT_EQ(old, sock_port(self->client));
	/* Another port; the first one is free then. */
	any.in.sin_port = htons(HOMA_MIN_DEFAULT_PORT - 1);
	ASSERT_EQ(0, homa_bind(other, &any.sa, len));
	ASSERT_EQ(HOMA_MIN_DEFAULT_PORT - 1, sock_port(other));
	any.in.sin_port = htons(77);
	ASSERT_EQ(0, homa_bind(self->client, &any.sa, len));
	/* The same port on another host is another port. */
	homa_close(other);
	other = sock_on(HOST_B, 77);
	ASSERT_LE(0, other);
	homa_close(other);
}

TEST_F(errors, descriptors)
{
	union address to = address_of(HOST_B, PORT);
	const socklen_t len = address_len();
	struct sockaddr *sa = &to.sa;
	uint64_t id = 0;
	int p[2];

	ASSERT_EQ(0, pipe(p));
	ASSERT_ERRNO(ENOTSOCK, homa_send(p[0], "x", 1, sa, len, &id, 0, 0));
	ASSERT_ERRNO(ENOTSOCK, homa_bind(p[0], sa, len));
	ASSERT_ERRNO(ENOTSOCK, response(p[0], self->buf, 1, &id, NULL));
	ASSERT_ERRNO(ENOTSOCK, homa_close(p[0]));
	close(p[0]);
	close(p[1]);
	ASSERT_ERRNO(EBADF, homa_send(p[0], "x", 1, sa, len, &id, 0, 0));
	ASSERT_ERRNO(EBADF, homa_close(-1));
}

static void *receive_forever(void *arg)
{
	FIXTURE_DATA(errors) *self = arg;
	union address from;
	uint64_t id;
	char buf[16];

	if (receive(self->server, buf, sizeof(buf), &from, &id, 0) == -1)
		return (void *)(long)errno;
	return NULL;
}

TEST_F(errors, close_wakes_a_thread_that_receives)
{
	pthread_t t;
	void *ret;

	ASSERT_EQ(0, pthread_create(&t, NULL, receive_forever, self));
	usleep(30000);
	ASSERT_EQ(0, homa_close(self->server));
	ASSERT_EQ(0, pthread_join(t, &ret));
	ASSERT_EQ(EBADF, (long)ret);
	self->server = -1;
}

TEST_HARNESS_MAIN_WITH_HOSTS(1500, HOSTS_BOTH, "")
