// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * homa_bench server: a socket for each port, some threads on each, every request answered with its
 * own bytes or the first few of them.
 */
#include <argp.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

/**
 * struct server - what was asked for
 * @port: first one
 * @ports: how many
 * @threads: on each
 * @answer: most bytes of a response, 0 for any
 * @family: AF_INET, AF_INET6
 * @batch: messages that may leave together
 * @zero_copy: requests are answered from where they were received
 */
struct server {
	unsigned int port;
	unsigned int ports;
	unsigned int threads;
	unsigned int answer;
	int family;
	unsigned int batch;
	bool zero_copy;
};

/**
 * struct worker - a thread
 * @server: all that they share
 * @thread: it
 * @fd: its socket
 * @requests: received
 * @responses: sent
 * @failed: requests that could not be answered
 * @dead: it ended before it should
 */
struct worker {
	const struct server *server;
	pthread_t thread;
	int fd;
	uint64_t requests;
	uint64_t responses;
	uint64_t failed;
	bool dead;
};

static int fds[MAX_PORTS];

/* Answers with the first bytes of a message in pieces. */
static ssize_t reply(struct worker *w, struct message *m, size_t len, const union address *peer,
		     size_t peer_len, uint64_t id)
{
	struct iovec *iov = m->iov;
	size_t left = len;
	int n;

	for (n = 0; left; n++) {
		if (iov[n].iov_len > left)
			iov[n].iov_len = left;
		left -= iov[n].iov_len;
	}
	return homa_replyv(w->fd, iov, n, &peer->sa, peer_len, id);
}

static void *serve(void *arg)
{
	struct worker *w = arg;
	union address peer;
	struct message m;
	size_t peer_len;
	uint64_t id;
	ssize_t n;
	int err;

	err = message_init(&m, w->server->zero_copy);
	while (!err) {
		id = 0;
		peer_len = sizeof(peer);
		n = message_recv(w->fd, &m, HOMA_RECV_REQUEST, &peer, &peer_len, &id, NULL);
		if (n < 0) {
			/* Closed by main(). */
			if (errno == EBADF)
				break;
			/* An RPC that failed, not the socket. */
			if (errno == EINTR || id)
				continue;
			fprintf(stderr, "homa_bench: homa_recv: %s: %s\n", strerror(errno),
				etran_strerror_detail());
			w->dead = true;
			break;
		}
		w->requests++;
		if (w->server->answer && n > w->server->answer)
			n = w->server->answer;
		if (!reply(w, &m, n, &peer, peer_len, id))
			w->responses++;
		else if (errno != EBADF)
			w->failed++;
		message_done(w->fd, &m);
	}
	if (err)
		w->dead = true;
	message_free(&m);
	/* Nobody would answer here any more. */
	if (w->dead)
		kill(getpid(), SIGTERM);
	return NULL;
}

static int open_port(const struct server *s, uint16_t port)
{
	union address addr = { .in6.sin6_family = s->family, .in6.sin6_port = htons(port) };
	int fd = homa_socket(s->family, 0);

	if (fd < 0) {
		fprintf(stderr, "homa_bench: homa_socket: %s\n", etran_strerror_detail());
		return -1;
	}
	if (homa_bind(fd, &addr.sa, address_len(&addr)) || homa_set_batch(fd, s->batch)) {
		fprintf(stderr, "homa_bench: port %u: %s\n", port, etran_strerror_detail());
		homa_close(fd);
		return -1;
	}
	return fd;
}

static int run(const struct server *s)
{
	unsigned int n = s->ports * s->threads, started = 0, opened, i;
	struct worker *workers = calloc(n, sizeof(*workers)), sum = {};
	int sig, status = BENCH_FAILED;
	sigset_t set;

	/* Before there are threads, which inherit it: the signal is main()'s. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (!workers)
		return BENCH_FAILED;
	for (opened = 0; opened < s->ports; opened++) {
		fds[opened] = open_port(s, s->port + opened);
		if (fds[opened] < 0)
			goto close;
	}
	for (; started < n; started++) {
		workers[started].server = s;
		workers[started].fd = fds[started % s->ports];
		errno = pthread_create(&workers[started].thread, NULL, serve, &workers[started]);
		if (errno) {
			perror("homa_bench: a thread cannot be started");
			goto close;
		}
	}
	puts("ready");
	fflush(stdout);
	sigwait(&set, &sig);
	status = BENCH_OK;
close:
	for (i = 0; i < opened; i++)
		homa_close(fds[i]);
	for (i = 0; i < started; i++) {
		pthread_join(workers[i].thread, NULL);
		sum.requests += workers[i].requests;
		sum.responses += workers[i].responses;
		sum.failed += workers[i].failed;
		if (workers[i].dead)
			status = BENCH_FAILED;
	}
	if (started == n)
		printf("requests %llu responses %llu failed %llu\n", (unsigned long long)sum.requests,
		       (unsigned long long)sum.responses, (unsigned long long)sum.failed);
	free(workers);
	return status;
}

static const struct argp_option options[] = {
	{ "port", 'p', "PORT", 0, "First port (default 4000)", 0 },
	{ "ports", 'n', "N", 0, "Serve so many ports from there on, a socket each (default 1)", 0 },
	{ "threads", 't', "N", 0, "Threads on each port (default 1)", 0 },
	{ "answer", 'a', "BYTES", 0,
	  "Answer with at most the first BYTES of a request (default: all of it)", 0 },
	{ "batch", 'b', "N", 0, "Up to N answers leave together: homa_set_batch() (default 1)", 0 },
	{ "ipv6", '6', NULL, 0, "Serve clients over IPv6, too", 0 },
	{ "zero-copy", 'z', NULL, 0, "Receive without copying: homa_recv_pages()", 0 },
	{}
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct server *s = state->input;

	switch (key) {
	case 'p':
		s->port = arg_number(state, "--port", arg, 1, HOMA_MIN_DEFAULT_PORT - 1);
		return 0;
	case 'n':
		s->ports = arg_number(state, "--ports", arg, 1, MAX_PORTS);
		return 0;
	case 't':
		s->threads = arg_number(state, "--threads", arg, 1, MAX_THREADS);
		return 0;
	case 'a':
		s->answer = arg_number(state, "--answer", arg, 1, HOMA_MAX_MESSAGE_LENGTH);
		return 0;
	case 'b':
		s->batch = arg_number(state, "--batch", arg, 1, HOMA_MAX_BATCH);
		return 0;
	case '6':
		s->family = AF_INET6;
		return 0;
	case 'z':
		s->zero_copy = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "too many arguments: '%s'", arg);
		return 0;
	case ARGP_KEY_END:
		if (s->port + s->ports > HOMA_MIN_DEFAULT_PORT)
			argp_error(state, "--ports: the last would be %u; ports of servers end at %u",
				   s->port + s->ports - 1, HOMA_MIN_DEFAULT_PORT - 1);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

int server_main(int argc, char **argv)
{
	static const struct argp argp = {
		options, parse, "",
		"Answers requests with their own bytes until SIGTERM or SIGINT, then tells how many. Prints \"ready\" when requests can come.",
	};
	struct server s = { .port = DEFAULT_PORT, .ports = 1, .threads = 1, .batch = 1,
			    .family = AF_INET };

	argp_parse(&argp, argc, argv, 0, NULL, &s);
	return run(&s);
}
