// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The same exchange over the kernel's TCP, to have something beside Homa's figures: each message
 * is a length of 4 bytes and its payload, over a connection that stays. `tcp_pingpong server
 * [-p PORT]` or `tcp_pingpong client ...` with the options of rpc_echo_client.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "bench.h"

#define MAX_MESSAGE	1000000

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/* Return: 0, 1 at the end of the stream, -1. */
static int read_all(int fd, void *buf, size_t len)
{
	uint8_t *p = buf;
	ssize_t n;

	while (len) {
		n = read(fd, p, len);
		if (n < 0 && errno == EINTR && !stop)
			continue;
		if (n <= 0)
			return n ? -1 : 1;
		p += n;
		len -= n;
	}
	return 0;
}

static int write_message(int fd, const void *buf, size_t len)
{
	uint32_t head = htonl(len);
	struct iovec iov[2] = {
		{ .iov_base = &head, .iov_len = sizeof(head) },
		{ .iov_base = (void *)buf, .iov_len = len },
	};
	int i = 0;
	ssize_t n;

	while (i < 2) {
		n = writev(fd, iov + i, 2 - i);
		if (n < 0 && errno == EINTR && !stop)
			continue;
		if (n < 0)
			return -1;
		for (; i < 2 && (size_t)n >= iov[i].iov_len; i++)
			n -= iov[i].iov_len;
		if (i < 2) {
			iov[i].iov_base = (uint8_t *)iov[i].iov_base + n;
			iov[i].iov_len -= n;
		}
	}
	return 0;
}

/* Return: bytes of the message, 0 at the end of the stream, -1. */
static ssize_t read_message(int fd, void *buf, size_t room)
{
	uint32_t head;
	int err = read_all(fd, &head, sizeof(head));

	if (err)
		return err > 0 ? 0 : -1;
	head = ntohl(head);
	if (!head || head > room) {
		errno = EPROTO;
		return -1;
	}
	return read_all(fd, buf, head) ? -1 : (ssize_t)head;
}

static void set_nodelay(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static int serve(int fd)
{
	static uint8_t buf[MAX_MESSAGE];
	ssize_t n;

	set_nodelay(fd);
	while ((n = read_message(fd, buf, sizeof(buf))) > 0) {
		if (write_message(fd, buf, n)) {
			n = -1;
			break;
		}
	}
	if (n < 0 && !stop)
		perror("tcp_pingpong server");
	return n < 0;
}

static int server(int argc, char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(BENCH_PORT) };
	struct sigaction sa = { .sa_handler = on_signal }, child = { .sa_handler = SIG_IGN };
	int fd, conn, opt, on = 1;

	while ((opt = getopt(argc, argv, "p:")) != -1) {
		if (opt != 'p') {
			fprintf(stderr, "usage: tcp_pingpong server [-p PORT]\n");
			return 2;
		}
		addr.sin_port = htons(bench_port(optarg, 65535));
	}
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGCHLD, &child, NULL);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 16)) {
		perror("tcp_pingpong server");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	while (!stop) {
		conn = accept(fd, NULL, NULL);
		if (conn < 0) {
			if (errno == EINTR)
				continue;
			perror("accept");
			return 1;
		}
		switch (fork()) {
		case 0:
			close(fd);
			exit(serve(conn));
		case -1:
			perror("fork");
			return 1;
		default:
			close(conn);
		}
	}
	return 0;
}

static ssize_t echo(void *arg, const void *out, size_t size, void *in, size_t room)
{
	int fd = *(int *)arg;
	ssize_t n = -1;

	if (!write_message(fd, out, size))
		n = read_message(fd, in, room);
	if (n < 0)
		perror("tcp_pingpong client");
	return n;
}

static int client(int argc, char **argv)
{
	struct bench bench;
	int fd, status;

	bench_args(&bench, "tcp", argc, argv);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&bench.server, sizeof(bench.server))) {
		perror("tcp_pingpong client");
		return 1;
	}
	set_nodelay(fd);
	status = bench_run(&bench, echo, &fd);
	close(fd);
	return status;
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "server"))
		return server(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "client"))
		return client(argc - 1, argv + 1);
	fprintf(stderr, "usage: tcp_pingpong server|client [OPTION...]\n");
	return 2;
}
