/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's TCP as the arm that transports are compared with: requests and responses on one connection, blocking, or on
 * several, with epoll at both ends. It does what a good program does and no more: no delay, buffers that hold a message.
 */
#ifndef BENCH_KERNEL_TCP_H
#define BENCH_KERNEL_TCP_H

#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include "hosts.h"

#define PORT		4000
#define OUTSTANDING	64	/* connections at most */

static const char *tcp_congestion;	/* NULL: what the kernel takes */
static unsigned int tcp_connections;	/* of the case */
static pid_t tcp_server;
static int tcp_fd[OUTSTANDING];
static size_t tcp_left[OUTSTANDING];	/* bytes of the response that are still to come */
static int tcp_epoll = -1;

/* Of cases that send one way only the answer is a byte that says that all is there. */
static size_t response_len(const struct bench_case *c)
{
	static const struct bench_case *known;
	static size_t len;

	/* Once a case: looking is as long as a system call. */
	if (c != known) {
		len = strstr(c->name, "one_way") ? 1 : c->arg;
		known = c;
	}
	return len;
}

/* All of it, however the kernel cuts it. */
static int transfer(int fd, uint8_t *buf, size_t len, bool sending)
{
	ssize_t n;

	for (; len; len -= n, buf += n) {
		n = sending ? send(fd, buf, len, 0) : recv(fd, buf, len, 0);
		if (n <= 0)
			return -1;
	}
	return 0;
}

static void tcp_options(int fd)
{
	int one = 1, room = 4 << 20;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (tcp_congestion)
		setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, tcp_congestion, strlen(tcp_congestion));
}

/* Return: a socket that listens, -1 after saying why. */
static int tcp_listen(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	tcp_options(fd);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, OUTSTANDING))
		return et_fail("TCP server");
	return fd;
}

/* One connection: read, write. Several: epoll, and a request at a time of each that has one. */
static int serve_tcp(int ready, const struct bench_case *c)
{
	struct epoll_event e = { .events = EPOLLIN }, ready_ones[OUTSTANDING];
	int fd = tcp_listen(), n = tcp_connections, i, k;
	int ep = epoll_create1(0), conn[OUTSTANDING];

	if (fd < 0 || write(ready, "", 1) != 1)
		return -1;
	for (i = 0; i < n; i++) {
		conn[i] = accept(fd, NULL, NULL);
		tcp_options(conn[i]);
		e.data.fd = conn[i];
		epoll_ctl(ep, EPOLL_CTL_ADD, conn[i], &e);
	}
	for (;;) {
		if (n == 1) {
			if (transfer(conn[0], in, c->arg, false) || transfer(conn[0], in, response_len(c), true))
				return 1;
			continue;
		}
		k = epoll_wait(ep, ready_ones, OUTSTANDING, -1);
		for (i = 0; i < k; i++)
			if (transfer(ready_ones[i].data.fd, in, c->arg, false) ||
			    transfer(ready_ones[i].data.fd, in, c->arg, true))
				return 1;
	}
}

static struct sockaddr_in server_addr(const char *ip)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(PORT),
				     .sin_addr.s_addr = inet_addr(ip) };
}

/* ---- arms ---- */

static int tcp_blocking(const struct bench_case *c, unsigned int ops)
{
	unsigned int i;

	for (i = 0; i < ops; i++)
		if (transfer(tcp_fd[0], out, c->arg, true) || transfer(tcp_fd[0], in, response_len(c), false))
			return bench_fail("TCP");
	return same(response_len(c));
}

/* @ops times as many as are outstanding: for each response a new request. */
static int tcp_outstanding(const struct bench_case *c, unsigned int ops)
{
	unsigned int sent, done = 0, n = ops * OUTSTANDING;
	struct epoll_event e[OUTSTANDING];
	ssize_t got;
	int i, k, fd;

	for (sent = 0; sent < OUTSTANDING; sent++) {
		tcp_left[sent] = c->arg;
		if (transfer(tcp_fd[sent], out, c->arg, true))
			return bench_fail("TCP");
	}
	while (done < n) {
		k = epoll_wait(tcp_epoll, e, OUTSTANDING, -1);
		for (i = 0; i < k; i++) {
			size_t *left = &tcp_left[e[i].data.u32];

			fd = tcp_fd[e[i].data.u32];
			got = recv(fd, in + c->arg - *left, *left, 0);
			if (got <= 0)
				return bench_fail("TCP");
			*left -= got;
			if (*left)
				continue;
			done++;
			if (sent == n)
				continue;
			sent++;
			*left = c->arg;
			if (transfer(fd, out, c->arg, true))
				return bench_fail("TCP");
		}
	}
	return 0;
}

/* ---- cases ---- */

/* As many connections to the server as the case has. */
static int tcp_connect(void)
{
	struct sockaddr_in to = server_addr(tcp_b);
	struct epoll_event e = { .events = EPOLLIN };
	unsigned int i;

	tcp_epoll = epoll_create1(EPOLL_CLOEXEC);
	for (i = 0; i < tcp_connections; i++) {
		tcp_fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		tcp_options(tcp_fd[i]);
		if (connect(tcp_fd[i], (struct sockaddr *)&to, sizeof(to)))
			return bench_fail("a connection to the TCP server");
		e.data.u32 = i;
		epoll_ctl(tcp_epoll, EPOLL_CTL_ADD, tcp_fd[i], &e);
	}
	return 0;
}

static void tcp_disconnect(void)
{
	int i;

	for (i = 0; i < OUTSTANDING; i++) {
		if (tcp_fd[i] > 0)
			close(tcp_fd[i]);
		tcp_fd[i] = 0;
	}
	if (tcp_epoll >= 0)
		close(tcp_epoll);
	tcp_epoll = -1;
}

#endif /* BENCH_KERNEL_TCP_H */
