// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * dgram: sends and receives datagrams of the example transport, through libetran's channels.
 *
 *	dgram recv PORT [COUNT]			# prints what arrives, ends after COUNT
 *	dgram send ADDR PORT COUNT [SIZE]	# sends COUNT datagrams of SIZE bytes, numbered
 *
 *	cc -o dgram dgram.c -letran
 *
 * Runs where CAP_NET_RAW and a link device are, in any network namespace that has one.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <etran.h>
#include "dgram.h"

#define MAX_SIZE	1400

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	stop = 1;
}

static int usage(void)
{
	fprintf(stderr, "usage: dgram recv PORT [COUNT]\n"
			"       dgram send ADDR PORT COUNT [SIZE]\n");
	return 2;
}

static int fail(const char *what)
{
	fprintf(stderr, "dgram: %s: %s; %s\n", what, strerror(errno), etran_strerror_detail());
	return 1;
}

/* A number from @min to @max, or -1. */
static long number(const char *text, long min, long max)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(text, &end, 0);
	return errno || !*text || *end || v < min || v > max ? -1 : v;
}

/* IPv4 as ::ffff:a.b.c.d, which is how dgram has it. */
static int address(const char *text, uint8_t *addr)
{
	char mapped[64];

	snprintf(mapped, sizeof(mapped), "%s%s", strchr(text, ':') ? "" : "::ffff:", text);
	return inet_pton(AF_INET6, mapped, addr) == 1 ? 0 : -1;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int receive(struct etran_channel *ch, int ep, uint64_t count)
{
	struct pollfd p = { .fd = ep, .events = POLLIN };
	uint64_t n = 0, bytes = 0, lost = 0;
	double first = 0, last = 0;
	uint32_t next = 1, len;

	while (!stop && (!count || n < count)) {
		const struct etran_rec *rec = etran_rx_peek(ch, &len);
		struct dgram_rec r;
		char from[INET6_ADDRSTRLEN];

		if (!rec) {
			if (poll(&p, 1, -1) < 0 && errno != EINTR)
				return fail("poll");
			if (p.revents & (POLLERR | POLLHUP)) {
				fprintf(stderr, "dgram: the transport or the device is gone\n");
				return 1;
			}
			continue;
		}
		memcpy(&r, rec->data, sizeof(r));
		len -= sizeof(*rec);
		etran_rx_pop(ch);

		last = now();
		if (!n++)
			first = last;
		bytes += len;
		inet_ntop(AF_INET6, r.saddr, from, sizeof(from));
		printf("%" PRIu32 " from %s port %u: %" PRIu32 " bytes\n", r.seq, from, r.sport, len);
		fflush(stdout);
		/* Meaningful with one sender: what was skipped, whatever the reason. */
		if (r.seq > next)
			lost += r.seq - next;
		next = r.seq + 1;
	}
	printf("received %" PRIu64 " datagrams, %" PRIu64 " bytes, %" PRIu64 " lost, in %.6f s\n", n,
	       bytes, lost, last - first);
	return 0;
}

static int transmit(struct etran_channel *ch, const struct dgram_req *req, uint32_t endpoint,
		    long count, long size)
{
	struct etran_chain chain = ETRAN_CHAIN_INIT;
	const struct etran_status *status = etran_endpoint_status(ch);
	struct etran_req *r;
	uint32_t released;
	long i;

	for (i = 0; i < count && !stop; i++) {
		while (!(r = etran_tx_frame(ch, &chain))) {
			released = __atomic_load_n(&status->released, __ATOMIC_ACQUIRE);
			if (etran_tx_kick(ch))
				return fail("sending");
			etran_tx_reclaim(ch, &chain);
			if (!etran_tx_free(ch) && etran_tx_wait(ch, released, 100) &&
			    errno != EAGAIN && errno != EINTR)
				return fail("waiting for frames");
		}
		memset(r, 0, sizeof(*r));
		r->endpoint = endpoint;
		memcpy(r->data, req, sizeof(*req));
		memset(r + 1, 'a' + i % 26, size);
		etran_tx_queue(ch, &chain, sizeof(*r) + size);
		if (i % 16 == 15 && etran_tx_kick(ch))
			return fail("sending");
	}
	if (etran_tx_kick(ch))
		return fail("sending");
	/* Frames that wait for their time are ended when the endpoint is closed. */
	while (!stop && etran_tx_reclaim(ch, &chain))
		usleep(1000);
	printf("sent %ld datagrams of %ld bytes\n", i, size);
	return 0;
}

int main(int argc, char **argv)
{
	struct etran_endpoint_open open = { .transport = DGRAM_NAME };
	struct dgram_req req = {};
	bool rx = argc > 2 && !strcmp(argv[1], "recv"), tx = argc > 4 && !strcmp(argv[1], "send");
	long port, count = 0, size = 64;
	struct etran_channel *ch;
	int ep, status;

	if ((!rx && !tx) || argc > (rx ? 4 : 6))
		return usage();
	port = number(argv[rx ? 2 : 3], 1, 65535);
	if (argc > (rx ? 3 : 4))
		count = number(argv[rx ? 3 : 4], 1, 1000000000);
	if (tx && argc > 5)
		size = number(argv[5], 0, MAX_SIZE);
	if (port < 0 || count < 0 || size < 0 || (tx && address(argv[2], req.daddr)))
		return usage();

	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	ch = etran_channel_open(NULL);
	if (!ch)
		return fail("no channel");
	if (rx)
		open.port = port;
	ep = etran_endpoint_attach(ch, &open);
	if (ep < 0) {
		status = fail("no endpoint");
	} else {
		if (rx)
			fprintf(stderr, "dgram: listening on port %ld\n", port);
		req.dport = port;
		status = rx ? receive(ch, ep, count) : transmit(ch, &req, open.id, count, size);
		etran_endpoint_detach(ch);
	}
	etran_channel_close(ch);
	return status;
}
