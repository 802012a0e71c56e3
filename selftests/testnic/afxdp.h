/* SPDX-License-Identifier: GPL-2.0 */
/*
 * AF_XDP sockets with nothing in between: the first half of the chunks is for sending, the second
 * for receiving. Return 0 or -1 after printing why, unless it says something else.
 */
#ifndef AFXDP_H
#define AFXDP_H

#include <linux/if_xdp.h>
#include "testnic_test.h"

#ifndef SOL_XDP
#define SOL_XDP 283
#endif
#define AFXDP_CHUNK	4096u
#define AFXDP_RING	512u
#define AFXDP_CHUNKS	128u
#define AFXDP_TX	(AFXDP_CHUNKS / 2)

struct afxdp_ring {
	uint32_t *producer, *consumer, *flags;
	void *desc;
	void *map;
	size_t len;
};

struct afxdp {
	int fd;
	uint8_t *umem;
	struct afxdp_ring fill, comp, rx, tx;
	uint32_t free[AFXDP_TX];	/* chunks to send from */
	uint32_t n_free;
};

static ET_UNUSED int afxdp_map(int fd, struct afxdp_ring *r, const struct xdp_ring_offset *off,
			       off_t pgoff, size_t entry)
{
	size_t len = off->desc + AFXDP_RING * entry;
	uint8_t *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, pgoff);

	if (p == MAP_FAILED)
		return et_fail("mmap of a ring");
	r->map = p;
	r->len = len;
	r->producer = (uint32_t *)(p + off->producer);
	r->consumer = (uint32_t *)(p + off->consumer);
	r->flags = (uint32_t *)(p + off->flags);
	r->desc = p + off->desc;
	return 0;
}

static ET_UNUSED void afxdp_close(struct afxdp *x)
{
	struct afxdp_ring *r[] = { &x->fill, &x->comp, &x->rx, &x->tx };
	int i;

	for (i = 0; i < 4; i++)
		if (r[i]->map)
			munmap(r[i]->map, r[i]->len);
	if (x->fd >= 0)
		close(x->fd);
	if (x->umem && x->umem != MAP_FAILED)
		munmap(x->umem, AFXDP_CHUNKS * AFXDP_CHUNK);
	memset(x, 0, sizeof(*x));
	x->fd = -1;
}

/* Gives a chunk to receive into. */
static ET_UNUSED void afxdp_fill(struct afxdp *x, uint64_t addr)
{
	uint32_t at = *x->fill.producer;

	((uint64_t *)x->fill.desc)[at % AFXDP_RING] = addr & ~(uint64_t)(AFXDP_CHUNK - 1);
	__atomic_store_n(x->fill.producer, at + 1, __ATOMIC_RELEASE);
}

/* Bound to a queue of @dev, which is where we are. @flags: of bind(). */
static ET_UNUSED int afxdp_open(struct afxdp *x, const char *dev, uint32_t queue, uint16_t flags)
{
	struct sockaddr_xdp sa = {
		.sxdp_family = AF_XDP, .sxdp_flags = flags,
		.sxdp_ifindex = if_nametoindex(dev), .sxdp_queue_id = queue,
	};
	struct xdp_umem_reg reg = { .len = AFXDP_CHUNKS * AFXDP_CHUNK, .chunk_size = AFXDP_CHUNK };
	uint32_t i, ring = AFXDP_RING;
	struct xdp_mmap_offsets off;
	socklen_t len = sizeof(off);

	memset(x, 0, sizeof(*x));
	x->umem = mmap(NULL, reg.len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	x->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (x->fd < 0 || x->umem == MAP_FAILED)
		return et_fail("AF_XDP socket");
	reg.addr = (uintptr_t)x->umem;
	if (setsockopt(x->fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)) ||
	    setsockopt(x->fd, SOL_XDP, XDP_UMEM_FILL_RING, &ring, sizeof(ring)) ||
	    setsockopt(x->fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &ring, sizeof(ring)) ||
	    setsockopt(x->fd, SOL_XDP, XDP_RX_RING, &ring, sizeof(ring)) ||
	    setsockopt(x->fd, SOL_XDP, XDP_TX_RING, &ring, sizeof(ring)) ||
	    getsockopt(x->fd, SOL_XDP, XDP_MMAP_OFFSETS, &off, &len))
		return et_fail("UMEM and rings");
	if (afxdp_map(x->fd, &x->fill, &off.fr, XDP_UMEM_PGOFF_FILL_RING, 8) ||
	    afxdp_map(x->fd, &x->comp, &off.cr, XDP_UMEM_PGOFF_COMPLETION_RING, 8) ||
	    afxdp_map(x->fd, &x->rx, &off.rx, XDP_PGOFF_RX_RING, sizeof(struct xdp_desc)) ||
	    afxdp_map(x->fd, &x->tx, &off.tx, XDP_PGOFF_TX_RING, sizeof(struct xdp_desc)))
		return -1;
	for (i = 0; i < AFXDP_TX; i++) {
		x->free[x->n_free++] = i * AFXDP_CHUNK;
		afxdp_fill(x, (uint64_t)(AFXDP_TX + i) * AFXDP_CHUNK);
	}
	if (bind(x->fd, (struct sockaddr *)&sa, sizeof(sa)))
		return et_fail("bind to queue %u of %s", queue, dev);
	return 0;
}

/* Whether the driver works on the socket's own memory. */
static ET_UNUSED bool afxdp_zerocopy(const struct afxdp *x)
{
	struct xdp_options o = {};
	socklen_t len = sizeof(o);

	return !getsockopt(x->fd, SOL_XDP, XDP_OPTIONS, &o, &len) &&
	       (o.flags & XDP_OPTIONS_ZEROCOPY);
}

/* Lets the programs of testnic.bpf.c send frames of a queue here. */
static ET_UNUSED int afxdp_listen(const struct afxdp *x, uint32_t queue)
{
	return bpf_map_update_elem(tn_map("sockets"), &queue, &x->fd, BPF_ANY) ?
		et_fail("xskmap") : 0;
}

/* Where to write the next frame to send; NULL when all chunks are on the way. */
static ET_UNUSED uint8_t *afxdp_next(struct afxdp *x)
{
	uint32_t at = *x->comp.consumer, n = __atomic_load_n(x->comp.producer, __ATOMIC_ACQUIRE) - at;

	for (; n; n--, at++)
		x->free[x->n_free++] = ((uint64_t *)x->comp.desc)[at % AFXDP_RING];
	__atomic_store_n(x->comp.consumer, at, __ATOMIC_RELEASE);
	return x->n_free ? x->umem + x->free[x->n_free - 1] : NULL;
}

/* Puts the frame at afxdp_next() into the TX ring. */
static ET_UNUSED void afxdp_put(struct afxdp *x, uint32_t len)
{
	uint32_t at = *x->tx.producer;

	((struct xdp_desc *)x->tx.desc)[at % AFXDP_RING] = (struct xdp_desc) {
		.addr = x->free[--x->n_free], .len = len,
	};
	__atomic_store_n(x->tx.producer, at + 1, __ATOMIC_RELEASE);
}

/* Return: 0 or the errno of sendto(). */
static ET_UNUSED int afxdp_kick(struct afxdp *x)
{
	if (sendto(x->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0 || errno == EAGAIN ||
	    errno == EBUSY || errno == ENOBUFS)
		return 0;
	return errno;
}

/* How many completions wait to be taken. */
static ET_UNUSED uint32_t afxdp_completed(const struct afxdp *x)
{
	return __atomic_load_n(x->comp.producer, __ATOMIC_ACQUIRE) - *x->comp.consumer;
}

/* Return: the next frame that came, and its length; NULL when there is none. */
static ET_UNUSED const uint8_t *afxdp_peek(struct afxdp *x, uint32_t *len)
{
	uint32_t at = *x->rx.consumer;
	const struct xdp_desc *d = &((struct xdp_desc *)x->rx.desc)[at % AFXDP_RING];

	if (__atomic_load_n(x->rx.producer, __ATOMIC_ACQUIRE) == at)
		return NULL;
	*len = d->len;
	return x->umem + d->addr;
}

/* The frame at afxdp_peek() was looked at: its chunk is received into again. */
static ET_UNUSED void afxdp_done(struct afxdp *x)
{
	uint32_t at = *x->rx.consumer;

	afxdp_fill(x, ((struct xdp_desc *)x->rx.desc)[at % AFXDP_RING].addr);
	__atomic_store_n(x->rx.consumer, at + 1, __ATOMIC_RELEASE);
	if (__atomic_load_n(x->fill.flags, __ATOMIC_ACQUIRE) & XDP_RING_NEED_WAKEUP)
		recvfrom(x->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

/* As afxdp_peek(), but waits. */
static ET_UNUSED const uint8_t *afxdp_recv(struct afxdp *x, uint32_t *len)
{
	struct pollfd p = { .fd = x->fd, .events = POLLIN };
	uint64_t end = et_now_ms() + ET_PATIENCE_MS;
	const uint8_t *frame;

	while (!(frame = afxdp_peek(x, len)) && et_now_ms() < end)
		poll(&p, 1, 100);
	return frame;
}

#endif /* AFXDP_H */
