// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Connections that go over to their files: ETRAN_IOC_STREAM_SHARE.
 *
 * Frames that the kernel has not read when it takes a connection over are lost, and what it delivered before is here, in the
 * RX ring or the socket's. So everything is sent first, and everything that was received handed over behind; the
 * context's lock is held from the one to the other, that no other thread sends or reads between them.
 *
 * What wants to share may be a signal handler, or a child of vfork(), in the middle of a call that has the lock: it waits for
 * that, and for a device that takes nothing, for a moment, not for ever.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <sys/ioctl.h>

#include "tcp_file.h"
#include "tcp_sock.h"

/* How long it may take, each: to get the lock, and to have all sent. */
#define PATIENCE_MS	1000

/* Of a connection that has ended there may be something to read. */
static bool shareable(const struct etran_socket *s)
{
	return (s->state == SOCK_CONNECTED || s->state == SOCK_ENDED) && s->id && s->user && !s->shared;
}

/* The kernel has read all that was queued. False: it does not. */
static bool send_all(struct etran_tcp *t)
{
	struct timespec moment = { .tv_nsec = 1000000 };
	int tries;

	for (tries = 0; etran_tx_pending(t->ch); tries++) {
		if (tries == PATIENCE_MS || etran_tx_kick(t->ch))
			return false;
		if (etran_tx_pending(t->ch))
			nanosleep(&moment, NULL);
	}
	return true;
}

static uint32_t number_of(const struct etran_socket *s)
{
	return s->user - s->tcp->users;
}

/* Return: 0, -1 with errno. */
static int take_over(struct etran_tcp *t, struct etran_stream_shared *stream, uint32_t n)
{
	struct etran_stream_share arg = { .streams = (uintptr_t)stream, .count = n };
	int ret;

	do {
		ret = ioctl(t->fd, ETRAN_IOC_STREAM_SHARE, &arg);
	} while (ret && errno == EINTR);
	return ret;
}

/* Bytes [start, end), which are in the ring. Return: 0, -1. */
static int give(const struct etran_socket *s, uint64_t start, uint64_t end)
{
	struct etran_stream_give g = { .id = number_of(s) };
	uint32_t at;

	for (; start < end; start += g.len) {
		at = start & (s->rcvbuf - 1);
		g.len = s->rcvbuf - at;
		if (g.len > end - start)
			g.len = end - start;
		g.offset = start;
		g.buf = (uintptr_t)(s->ring + at);
		if (ioctl(s->tcp->fd, ETRAN_IOC_STREAM_GIVE, &g))
			return -1;
	}
	return 0;
}

/* There is nobody to tell of a failure here: whoever reads the stream meets it, and no gap. */
static void give_all(struct etran_socket *s)
{
	struct etran_stream_give last = { .id = number_of(s), .flags = ETRAN_STREAM_GIVEN, .offset = s->have };
	int err = tcp_pages_to_ring(s);
	uint32_t i;

	if (s->nodelay)
		user_flag(s, ETRAN_STREAM_NODELAY);
	if (s->cork)
		user_flag(s, ETRAN_STREAM_CORK);
	if (s->ring && !err) {
		err = give(s, s->read, s->have);
		for (i = 0; !err && i < s->parts; i++)
			err = give(s, s->part[i].start, s->part[i].end);
	}
	if (err)
		last.flags |= ETRAN_STREAM_LOST;
	ioctl(s->tcp->fd, ETRAN_IOC_STREAM_GIVE, &last);
}

/* Nothing is left here but frames that the peer has not acknowledged. */
static void leave(struct etran_socket *s)
{
	tcp_slot_clear(s->tcp, s);
	s->user = NULL;
	s->read = s->have;
	s->has_fin = false;
	s->shut_rd = false;
	s->error = 0;
	s->parts = 0;
	tcp_ring_drop(s);
	__atomic_store_n(&s->shared, true, __ATOMIC_RELEASE);
}

/* Context: lock held. @chosen, @stream: room for @n */
static void share(struct etran_tcp *t, struct etran_socket **sockets, uint32_t n, struct etran_socket **chosen,
		  struct etran_stream_shared *stream)
{
	uint32_t i, count = 0;

	tcp_take_all(t);
	for (i = 0; i < n; i++) {
		struct etran_socket *s = sockets[i];

		if (!shareable(s))
			continue;
		tcp_frame_push(s, 0);
		stream[count].id = number_of(s);
		stream[count].room = s->rcvbuf;
		stream[count].read = s->read;
		chosen[count++] = s;
	}
	if (!count || !send_all(t) || take_over(t, stream, count))
		return;
	tcp_take_all(t);
	for (i = 0; i < count; i++) {
		/* EBUSY: a signal came after the kernel had taken it over, and it was asked again. */
		if (stream[i].error && stream[i].error != EBUSY)
			continue;
		give_all(chosen[i]);
		leave(chosen[i]);
	}
	etran_rx_wake(t->ch);
}

void etran_sockets_share(struct etran_tcp *t, struct etran_socket **sockets, unsigned int n)
{
	struct etran_socket **chosen;
	struct etran_stream_shared *stream;

	if (!n)
		return;
	chosen = calloc(n, sizeof(*chosen));
	stream = calloc(n, sizeof(*stream));
	if (chosen && stream && mutex_lock_within(&t->lock, PATIENCE_MS)) {
		share(t, sockets, n, chosen, stream);
		tcp_unlock(t);
	}
	free(chosen);
	free(stream);
}

bool etran_socket_shared(const struct etran_socket *s)
{
	return __atomic_load_n(&s->shared, __ATOMIC_ACQUIRE);
}
