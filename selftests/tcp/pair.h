/* SPDX-License-Identifier: GPL-2.0 */
/* What tests share that have etran at both ends. */
#ifndef PAIR_H
#define PAIR_H

#include "tcp_test.h"

static TT_UNUSED struct etran_socket *listener(struct etran_tcp *t, uint16_t port, int backlog)
{
	union address any = { .in6.sin6_family = family, .in6.sin6_port = htons(port) };
	struct etran_socket *l = etran_socket(t, family, 0);

	if (l && !etran_bind(l, &any.sa, address_len()) && !etran_listen(l, backlog))
		return l;
	printf("# listener: %s\n", etran_strerror_detail());
	etran_close(l);
	return NULL;
}

static TT_UNUSED struct etran_socket *connected(struct etran_tcp *t, enum host to, uint16_t port)
{
	struct etran_socket *s = etran_socket(t, family, 0);
	union address addr = address_of(to, port);

	if (s && !etran_connect(s, &addr.sa, address_len()))
		return s;
	printf("# connect: %s\n", etran_strerror_detail());
	etran_close(s);
	return NULL;
}

/**
 * struct flow - a thread that sends a stream, or receives one
 * @thread: it
 * @s: connection
 * @seed: of the stream
 * @len: its bytes
 * @bad: what went wrong, NULL for nothing
 */
struct flow {
	pthread_t thread;
	struct etran_socket *s;
	uint64_t seed;
	uint64_t len;
	const char *bad;
};

#endif /* PAIR_H */
