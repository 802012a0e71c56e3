// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Homa RPCs to an echo server, one at a time: the shortest useful client. `rpc_echo_client -h` lists
 * the options.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <homa.h>

#include "bench.h"

struct client {
	struct bench bench;
	int fd;
};

static ssize_t echo(void *arg, const void *out, size_t size, void *in, size_t room)
{
	struct client *c = arg;
	uint64_t id, answered;
	ssize_t n;

	if (homa_send(c->fd, out, size, (struct sockaddr *)&c->bench.server,
		      sizeof(c->bench.server), &id, 0, 0)) {
		fprintf(stderr, "homa_send: %s: %s\n", strerror(errno), etran_strerror_detail());
		return -1;
	}
	do {
		answered = id;
		n = homa_recv(c->fd, in, room, 0, NULL, NULL, &answered, NULL, NULL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		fprintf(stderr, "homa_recv: %s: %s\n", strerror(errno), etran_strerror_detail());
	return n;
}

int main(int argc, char **argv)
{
	struct client c;
	int status;

	bench_args(&c.bench, "homa", argc, argv);
	c.fd = homa_socket(AF_INET, 0);
	if (c.fd < 0) {
		fprintf(stderr, "homa_socket: %s\n", etran_strerror_detail());
		return 1;
	}
	status = bench_run(&c.bench, echo, &c);
	homa_close(c.fd);
	return status;
}
