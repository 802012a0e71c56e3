// SPDX-License-Identifier: GPL-2.0
/*
 * TCP between two machines, etran's or the kernel's at either end:
 *
 *   stream serve etran|kernel 4|6 PORT			sends back what comes, until it is told to end
 *   stream call etran|kernel 4|6 HOST PORT COUNT AT_ONCE BYTES...	COUNT connections with the machine HOST, so many at a
 *							time, of so many bytes each way, in turn
 *   stream abort etran|kernel 4|6 HOST PORT COUNT	COUNT connections that are reset with data under way
 *
 * A caller verifies each byte, ends its direction first and waits for the end of the other one. It prints "N right, N failed" and
 * ends with 0 when none failed. After aborts it asks the server how many of its connections were reset.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <etran_tcp.h>
#include "../tcp/stream.h"

/* What a connection begins with. */
#define ECHO	'E'
#define RESETS	'R'	/* the number of connections that were reset comes back */

#define PINGS		8
#define PING_BYTES	64

/**
 * struct end - an end of a connection, or a listener
 * @s: etran's, or NULL
 * @fd: the kernel's
 */
struct end {
	struct etran_socket *s;
	int fd;
};

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static struct etran_tcp *tcp;	/* NULL: the kernel's */
static int family;
static union address to;
static char **sizes;
static int sizes_n;
static atomic_int next_connection, wrong_ones, resets;
static int connections;

static socklen_t address_len(void)
{
	return family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

static const char *reason(void)
{
	return tcp ? etran_strerror_detail() : strerror(errno);
}

static struct end *end_new(void)
{
	struct end *e = calloc(1, sizeof(*e));
	int one = 1;

	if (!e)
		err(1, "calloc");
	e->fd = -1;
	if (tcp) {
		e->s = etran_socket(tcp, family, 0);
	} else {
		e->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		setsockopt(e->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	}
	if (!e->s && e->fd < 0)
		errx(1, "socket: %s", reason());
	return e;
}

static ssize_t end_send(struct end *e, const void *b, size_t len)
{
	return tcp ? etran_send(e->s, b, len, MSG_NOSIGNAL) : send(e->fd, b, len, MSG_NOSIGNAL);
}

static ssize_t end_recv(struct end *e, void *b, size_t len)
{
	return tcp ? etran_recv(e->s, b, len, 0) : recv(e->fd, b, len, 0);
}

static int end_shutdown(struct end *e)
{
	return tcp ? etran_shutdown(e->s, SHUT_WR) : shutdown(e->fd, SHUT_WR);
}

static void end_close(struct end *e, bool abort)
{
	struct linger now = { .l_onoff = 1 };

	if (tcp && abort) {
		etran_abort(e->s);
	} else if (tcp) {
		etran_close(e->s);
	} else {
		if (abort)
			setsockopt(e->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(e->fd);
	}
	free(e);
}

static bool send_all(struct end *e, const uint8_t *b, size_t len)
{
	ssize_t n;

	for (; len; b += n, len -= n) {
		n = end_send(e, b, len);
		if (n <= 0)
			return false;
	}
	return true;
}

static bool recv_all(struct end *e, uint8_t *b, size_t len)
{
	ssize_t n;

	for (; len; b += n, len -= n) {
		n = end_recv(e, b, len);
		if (n <= 0)
			return false;
	}
	return true;
}

/* ---- server ---- */

static void *serve_one(void *arg)
{
	uint32_t count = htonl(resets);
	struct end *e = arg;
	uint8_t b[16384];
	ssize_t n;

	n = end_recv(e, b, 1);
	if (n == 1 && b[0] == RESETS)
		send_all(e, (uint8_t *)&count, sizeof(count));
	else if (n == 1)
		while ((n = end_recv(e, b, sizeof(b))) > 0 && send_all(e, b, n))
			;
	if (n && errno == ECONNRESET)
		resets++;
	end_close(e, false);
	return NULL;
}

static int serve(uint16_t port)
{
	union address any = { .in6.sin6_family = family, .in6.sin6_port = htons(port) };
	struct end *l = end_new(), *e;
	pthread_t thread;

	if (tcp ? etran_bind(l->s, &any.sa, address_len()) || etran_listen(l->s, 100) :
	    bind(l->fd, &any.sa, address_len()) || listen(l->fd, 100))
		errx(1, "port %u: %s", port, reason());
	puts("ready");
	fflush(stdout);
	for (;;) {
		e = calloc(1, sizeof(*e));
		if (!e)
			err(1, "calloc");
		e->fd = -1;
		if (tcp)
			e->s = etran_accept(l->s, NULL, NULL, 0);
		else
			e->fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
		if (!e->s && e->fd < 0)
			errx(1, "accept: %s", reason());
		if (pthread_create(&thread, NULL, serve_one, e) || pthread_detach(thread))
			errx(1, "no thread");
	}
}

/* ---- callers ---- */

static struct end *connected(uint8_t what)
{
	struct end *e = end_new();

	if (tcp ? etran_connect(e->s, &to.sa, address_len()) : connect(e->fd, &to.sa, address_len()))
		errx(1, "connect: %s", reason());
	if (!send_all(e, &what, 1))
		errx(1, "send: %s", reason());
	return e;
}

/**
 * struct sender - a thread that sends
 * @e: there
 * @seed: this stream
 * @len: so many bytes
 * @thread: it
 */
struct sender {
	struct end *e;
	uint32_t seed;
	uint64_t len;
	pthread_t thread;
};

static void *sends(void *arg)
{
	struct sender *s = arg;
	uint64_t at = 0, n;
	uint8_t b[16384];

	for (; at < s->len; at += n) {
		n = s->len - at < sizeof(b) ? s->len - at : sizeof(b);
		stream_fill(b, s->seed, at, n);
		if (!send_all(s->e, b, n)) {
			printf("# stream %u: send at %llu: %s\n", s->seed, (unsigned long long)at, reason());
			return s;
		}
	}
	if (!end_shutdown(s->e))
		return NULL;
	printf("# stream %u: shutdown: %s\n", s->seed, reason());
	return s;
}

/* One connection, @len bytes each way at once, after some to and fro. */
static bool exchange(uint32_t seed, uint64_t len)
{
	struct sender s = { .e = connected(ECHO), .seed = seed, .len = len };
	uint8_t b[16384];
	uint64_t at = 0;
	bool ok = true;
	void *failed;
	ssize_t n;
	int k;

	for (k = 0; k < PINGS && ok; k++) {
		memset(b, k, PING_BYTES);
		ok = send_all(s.e, b, PING_BYTES) && recv_all(s.e, b, PING_BYTES) && b[0] == k && b[PING_BYTES - 1] == k;
	}
	if (!ok || pthread_create(&s.thread, NULL, sends, &s)) {
		printf("# stream %u: ping %d: %s\n", seed, k, reason());
		end_close(s.e, true);
		return false;
	}
	for (; (n = end_recv(s.e, b, sizeof(b))) > 0; at += n)
		ok = ok && stream_wrong(b, seed, at, n) < 0;
	pthread_join(s.thread, &failed);
	if (n || at != len || !ok)
		printf("# stream %u: %llu bytes came back of %llu, %s; then %s\n", seed, (unsigned long long)at,
		       (unsigned long long)len, ok ? "all right" : "not all right", n ? reason() : "the end");
	end_close(s.e, false);
	return !n && at == len && ok && !failed;
}

static void *caller(void *arg)
{
	int i;

	while ((i = next_connection++) < connections)
		if (!exchange(i, strtoull(sizes[i % sizes_n], NULL, 0)))
			wrong_ones++;
	return NULL;
}

static int call(int at_once)
{
	pthread_t threads[64];
	int i;

	if (at_once < 1 || at_once > 64)
		errx(2, "AT_ONCE is 1 to 64");
	for (i = 0; i < at_once; i++)
		if (pthread_create(&threads[i], NULL, caller, NULL))
			errx(1, "no thread");
	for (i = 0; i < at_once; i++)
		pthread_join(threads[i], NULL);
	printf("%d right, %d failed\n", connections - wrong_ones, (int)wrong_ones);
	return wrong_ones != 0;
}

static uint32_t ask_resets(void)
{
	struct end *e = connected(RESETS);
	uint32_t n;

	if (!recv_all(e, (uint8_t *)&n, sizeof(n)))
		errx(1, "the server does not tell: %s", reason());
	end_close(e, false);
	return ntohl(n);
}

static int abort_some(void)
{
	uint32_t before = ask_resets(), now = before;
	uint8_t b[3000] = {};
	struct end *e;
	int i;

	for (i = 0; i < connections; i++) {
		e = connected(ECHO);
		if (!send_all(e, b, sizeof(b)) || !recv_all(e, b, 1))
			errx(1, "before the abort: %s", reason());
		end_close(e, true);
	}
	for (i = 0; i < 100; i++) {
		now = ask_resets();
		if (now == before + connections)
			break;
		usleep(100000);
	}
	printf("%u of %d resets were seen by the server\n", now - before, connections);
	return now != before + connections;
}

int main(int argc, char **argv)
{
	char text[64];

	if (argc < 5)
		goto usage;
	family = *argv[3] == '6' ? AF_INET6 : AF_INET;
	if (!strcmp(argv[2], "etran")) {
		tcp = etran_tcp_open(NULL);
		if (!tcp)
			errx(1, "%s", etran_strerror_detail());
	}
	if (argc == 5 && !strcmp(argv[1], "serve"))
		return serve(atoi(argv[4]));
	if (argc < 7)
		goto usage;
	to.in6.sin6_family = family;
	to.in6.sin6_port = htons(atoi(argv[5]));
	snprintf(text, sizeof(text), family == AF_INET ? "10.99.0.%s" : "fd99::%s", argv[4]);
	if (inet_pton(family, text, family == AF_INET ? (void *)&to.in.sin_addr : &to.in6.sin6_addr) != 1)
		errx(2, "%s", text);
	connections = atoi(argv[6]);
	if (argc == 7 && !strcmp(argv[1], "abort"))
		return abort_some();
	if (argc > 8 && !strcmp(argv[1], "call")) {
		sizes = argv + 8;
		sizes_n = argc - 8;
		return call(atoi(argv[7]));
	}
usage:
	errx(2, "usage: stream serve etran|kernel 4|6 PORT, stream call etran|kernel 4|6 HOST PORT COUNT AT_ONCE BYTES..., or stream abort etran|kernel 4|6 HOST PORT COUNT");
}
