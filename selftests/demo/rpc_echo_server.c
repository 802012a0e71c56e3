// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Answers each Homa request with its own bytes: the shortest useful server. Prints "ready" when
 * requests can come, ends at SIGTERM or SIGINT.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <homa.h>

#include "bench.h"

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static int serve(int fd, unsigned long *served)
{
	static char buf[HOMA_MAX_MESSAGE_LENGTH];
	struct sockaddr_in peer;
	size_t peer_len;
	uint64_t id;
	ssize_t n;

	while (!stop) {
		id = 0;
		peer_len = sizeof(peer);
		n = homa_recv(fd, buf, sizeof(buf), HOMA_RECV_REQUEST, (struct sockaddr *)&peer,
			      &peer_len, &id, NULL, NULL);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			fprintf(stderr, "homa_recv: %s: %s\n", strerror(errno),
				etran_strerror_detail());
			return 1;
		}
		if (homa_reply(fd, buf, n, (struct sockaddr *)&peer, peer_len, id)) {
			if (errno == EINTR && stop)
				break;
			fprintf(stderr, "homa_reply: %s: %s\n", strerror(errno),
				etran_strerror_detail());
			return 1;
		}
		++*served;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(BENCH_PORT) };
	struct sigaction sa = { .sa_handler = on_signal };
	unsigned long served = 0;
	int fd, opt, status;

	while ((opt = getopt(argc, argv, "p:")) != -1) {
		if (opt != 'p') {
			fprintf(stderr, "usage: %s [-p PORT]\n", argv[0]);
			return 2;
		}
		addr.sin_port = htons(bench_port(optarg, HOMA_MIN_DEFAULT_PORT - 1));
	}
	/* Without SA_RESTART: homa_recv() shall end. */
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	fd = homa_socket(AF_INET, 0);
	if (fd < 0) {
		fprintf(stderr, "homa_socket: %s\n", etran_strerror_detail());
		return 1;
	}
	if (homa_bind(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		fprintf(stderr, "homa_bind: %s\n", etran_strerror_detail());
		return 1;
	}
	puts("ready");
	fflush(stdout);
	status = serve(fd, &served);
	printf("served %lu\n", served);
	homa_close(fd);
	return status;
}
