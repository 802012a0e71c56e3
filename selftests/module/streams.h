/* SPDX-License-Identifier: GPL-2.0 */
/* An endpoint of the test transport with one stream, for the tests of streams. */
#ifndef STREAMS_H
#define STREAMS_H

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>

#include "engine.h"

/* As in bpf/etran.bpf.h. */
enum { CONNECTED = 1, FIN = 2, ENDED = 4, ERROR = 8, ROOM = 16 };

#define TAG	0x123456789abcULL
#define ALL	(POLLIN | POLLOUT | POLLRDHUP)
#define USERS	(ETRAN_STREAMS_MAX * sizeof(struct etran_stream_user))

/**
 * struct streams - what these tests have
 * @x: the endpoint
 * @users: what its application says of streams
 * @fd: a stream
 * @id: its number
 */
struct streams {
	struct xsk x;
	struct etran_stream_user *users;
	int fd;
	uint32_t id;
};

/* Return: a descriptor, or a negative errno. */
static inline int stream_open(const struct xsk *x, uint64_t tag, int beside, uint32_t *id)
{
	struct etran_stream_open o = { .tag = tag, .flags = O_CLOEXEC, .beside = beside };
	int fd = ioctl(x->ep, ETRAN_IOC_STREAM_OPEN, &o);

	if (fd < 0)
		return -errno;
	if (id)
		*id = o.id;
	return fd;
}

static inline void streams_setup(struct __test_metadata *_metadata, struct streams *s)
{
	ASSERT_EQ(0, xsk_open(&s->x, &(struct xsk_config) { .port = 1 }));
	s->users = mmap(NULL, USERS, PROT_READ | PROT_WRITE, MAP_SHARED, s->x.ep, ETRAN_MMAP_STREAMS);
	ASSERT_NE(MAP_FAILED, s->users);
	tt->stream_tag = TAG;
	s->fd = stream_open(&s->x, TAG, -1, &s->id);
	ASSERT_LE(0, s->fd);
}

static inline void streams_teardown(struct streams *s)
{
	if (s->fd >= 0)
		close(s->fd);
	munmap(s->users, USERS);
	xsk_close(&s->x);
}

/* The transport says how far deliveries go, and what is so. */
static inline int64_t set(struct streams *s, uint64_t avail, uint32_t flags)
{
	return eng_do(&s->x, 0, TT_W_STREAM, s->id, s->x.id, avail, flags);
}

static inline short mask(int fd)
{
	struct pollfd p = { .fd = fd, .events = ALL };

	return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

#endif /* STREAMS_H */
