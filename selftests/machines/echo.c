// SPDX-License-Identifier: GPL-2.0
/*
 * Homa between two machines:
 *
 *   echo serve 4|6 PORT			answers each request with its own bytes; ends when it is told to
 *   echo call 4|6 HOST PORT COUNT OUTSTANDING SIZE... COUNT RPCs with the machine HOST, so many at a time, of these sizes in turn
 *
 * A caller verifies each byte. It prints "N right, N failed" and ends with 0 when none failed, with 3 when an
 * answer was wrong. With ECHO_FOREVER=1 in the environment it begins anew until it gets SIGTERM, and that RPCs fail is right.
 */
#define HOMA_TEST_LIB
#include <err.h>
#include <signal.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../homa/homa_test.h"

static volatile sig_atomic_t enough;

static void stop(int sig)
{
	enough = sig;
}

/**
 * struct call - an RPC
 * @id: of it; 0: none
 * @seed: of its payload
 * @len: bytes of its payload
 */
struct call {
	uint64_t id;
	uint64_t seed;
	uint32_t len;
};

static int open_socket(uint16_t port)
{
	union address any = { .in6.sin6_family = homa_family };
	int fd = homa_socket(homa_family, 0);

	any.in6.sin6_port = htons(port);
	if (fd < 0 || (port && homa_bind(fd, &any.sa, address_len())))
		err(1, "socket: %s", etran_strerror_detail());
	return fd;
}

static int serve(uint16_t port)
{
	uint8_t *buf = malloc(HOMA_MAX_MESSAGE_LENGTH);
	int fd = open_socket(port);
	union address client;
	size_t addrlen;
	uint64_t id;
	ssize_t n;

	puts("ready");
	fflush(stdout);
	for (;;) {
		id = 0;
		addrlen = sizeof(client);
		n = homa_recv(fd, buf, HOMA_MAX_MESSAGE_LENGTH, HOMA_RECV_REQUEST, &client.sa, &addrlen, &id,
			      NULL, NULL);
		if (n >= 0 && homa_reply(fd, buf, n, &client.sa, addrlen, id))
			warn("reply");
		else if (n < 0)
			err(1, "homa_recv");
	}
}

static int call(const char *host, char **args, int sizes)
{
	uint32_t port = atoi(args[0]), count = atoi(args[1]), outstanding = atoi(args[2]), sent = 0, ended = 0, failed = 0;
	uint8_t *buf = malloc(HOMA_MAX_MESSAGE_LENGTH);
	struct call *calls = calloc(outstanding, sizeof(*calls)), *c;
	union address to = { .in6.sin6_family = homa_family, .in6.sin6_port = htons(port) };
	char text[64];
	uint64_t id, cookie;
	ssize_t n;
	int fd;

	snprintf(text, sizeof(text), homa_family == AF_INET ? "10.99.0.%s" : "fd99::%s", host);
	if (!buf || !calls || inet_pton(homa_family, text, homa_family == AF_INET ? (void *)&to.in.sin_addr :
					&to.in6.sin6_addr) != 1)
		errx(2, "%s", text);
	fd = open_socket(0);
	while (ended < count || (getenv("ECHO_FOREVER") && !enough)) {
		for (c = calls; c < calls + outstanding && !enough; c++) {
			if (c->id || (sent >= count && !getenv("ECHO_FOREVER")))
				continue;
			c->len = atoi(args[3 + sent % sizes]);
			c->seed = sent++;
			fill(buf, c->len, c->seed);
			if (homa_send(fd, buf, c->len, &to.sa, address_len(), &c->id, c - calls, 0))
				err(1, "homa_send: %s", etran_strerror_detail());
		}
		id = 0;
		cookie = outstanding;
		n = homa_recv(fd, buf, HOMA_MAX_MESSAGE_LENGTH, HOMA_RECV_RESPONSE, NULL, NULL, &id, NULL, &cookie);
		if (n < 0 && errno == EINTR)
			continue;
		if (cookie >= outstanding || !calls[cookie].id || calls[cookie].id != id)
			errx(3, "an answer to RPC %llu, which was not asked: %zd (errno %d)",
			     (unsigned long long)id, n, errno);
		c = &calls[cookie];
		c->id = 0;
		ended++;
		if (n < 0)
			failed++;
		else if (n != c->len || wrong(buf, n, c->seed) >= 0)
			errx(3, "RPC %llu: %zd bytes of %u, the first wrong one is %zd", (unsigned long long)id, n,
			     c->len, wrong(buf, n, c->seed));
	}
	printf("%u right, %u failed\n", ended - failed, failed);
	homa_close(fd);
	return failed && !getenv("ECHO_FOREVER");
}

int main(int argc, char **argv)
{
	struct sigaction s = { .sa_handler = stop };

	sigaction(SIGTERM, &s, NULL);
	homa_family = argc > 2 && *argv[2] == '6' ? AF_INET6 : AF_INET;
	if (argc == 4 && !strcmp(argv[1], "serve")) {
		signal(SIGTERM, SIG_DFL);
		return serve(atoi(argv[3]));
	}
	if (argc > 7 && !strcmp(argv[1], "call"))
		return call(argv[3], argv + 4, argc - 7);
	errx(2, "usage: echo serve 4|6 PORT, or echo call 4|6 HOST PORT COUNT OUTSTANDING SIZE...");
}
