/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An AF_XDP socket and an endpoint, by hand: the tests want to do what the library never does.
 *
 * The first half of the UMEM's chunks is for sending, the second half for receiving.
 */
#ifndef XSK_H
#define XSK_H

#include <poll.h>
#include <sys/socket.h>
#include <linux/if_xdp.h>
#include "etran_test.h"
#include "tt.h"

#ifndef SOL_XDP
#define SOL_XDP 283
#endif
#define XSK_CHUNK	2048u
#define XSK_RING	256u

struct xsk_ring {
	uint32_t *producer, *consumer;
	void *desc;
	void *map;
	size_t len;
};

struct xsk {
	int fd;			/* AF_XDP socket */
	int ep;			/* endpoint */
	uint32_t id;		/* of the endpoint */
	uint32_t chunks;
	uint8_t *umem;
	struct xsk_ring fill, comp, rx, tx;
	const struct etran_status *status;
	const uint8_t *busy;
	size_t map_len;
};

struct xsk_config {
	uint32_t chunks;	/* default 64 */
	uint32_t queue;
	uint32_t fill;		/* buffers in the fill ring; default: half of the chunks */
	bool no_fill;
	uint16_t bind_flags;	/* default XDP_ZEROCOPY */
	bool no_endpoint;
	uint16_t port;
	uint32_t umem_flags;
	uint32_t headroom;	/* bytes of each buffer that the kernel shall leave alone */
	const char *device;	/* default etran0 */
};

static ET_UNUSED int xsk_map(int fd, struct xsk_ring *r, const struct xdp_ring_offset *off,
			     off_t pgoff, size_t entry)
{
	size_t len = off->desc + XSK_RING * entry;
	uint8_t *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
			  pgoff);

	if (p == MAP_FAILED)
		return et_fail("mmap of a ring");
	r->map = p;
	r->len = len;
	r->producer = (uint32_t *)(p + off->producer);
	r->consumer = (uint32_t *)(p + off->consumer);
	r->desc = p + off->desc;
	return 0;
}

/* Give the kernel a buffer to receive into. */
static ET_UNUSED void xsk_fill(struct xsk *x, uint64_t addr)
{
	uint32_t at = *x->fill.producer;

	((uint64_t *)x->fill.desc)[at % XSK_RING] = addr;
	__atomic_store_n(x->fill.producer, at + 1, __ATOMIC_RELEASE);
}

/* Return: 0, or -1 with errno and nothing printed: the tests expect some of these. */
static ET_UNUSED int xsk_attach(struct xsk *x, const char *transport, uint16_t port)
{
	struct etran_endpoint_open o = { .xsk_fd = x->fd, .port = port, .flags = O_CLOEXEC };
	int dev = et_device();
	uint8_t *p;

	snprintf(o.transport, sizeof(o.transport), "%s", transport);
	x->ep = ioctl(dev, ETRAN_IOC_ENDPOINT_OPEN, &o);
	close(dev);
	if (x->ep < 0)
		return -1;
	x->id = o.id;
	x->map_len = 4096 + (x->chunks + 4095) / 4096 * 4096;
	p = mmap(NULL, x->map_len, PROT_READ, MAP_SHARED, x->ep, 0);
	if (p == MAP_FAILED)
		return et_fail("mmap of the endpoint");
	x->status = (void *)p;
	x->busy = p + x->status->chunk_offset;
	return 0;
}

/* Socket with UMEM and rings, not bound. */
static ET_UNUSED int xsk_make(struct xsk *x, const struct xsk_config *c)
{
	struct xdp_mmap_offsets off;
	socklen_t len = sizeof(off);
	struct xdp_umem_reg reg = {};
	uint32_t i, fill, ring = XSK_RING;

	memset(x, 0, sizeof(*x));
	x->ep = -1;
	x->chunks = c->chunks ?: 64;
	x->umem = mmap(NULL, x->chunks * XSK_CHUNK, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	x->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (x->fd < 0 || x->umem == MAP_FAILED)
		return et_fail("AF_XDP socket");
	reg.addr = (uintptr_t)x->umem;
	reg.len = (uint64_t)x->chunks * XSK_CHUNK;
	reg.chunk_size = XSK_CHUNK;
	reg.flags = c->umem_flags;
	reg.headroom = c->headroom;
	if (setsockopt(x->fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)) ||
	    setsockopt(x->fd, SOL_XDP, XDP_UMEM_FILL_RING, &ring, sizeof(ring)) ||
	    setsockopt(x->fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &ring, sizeof(ring)) ||
	    setsockopt(x->fd, SOL_XDP, XDP_RX_RING, &ring, sizeof(ring)) ||
	    setsockopt(x->fd, SOL_XDP, XDP_TX_RING, &ring, sizeof(ring)) ||
	    getsockopt(x->fd, SOL_XDP, XDP_MMAP_OFFSETS, &off, &len))
		return et_fail("UMEM and rings");
	if (xsk_map(x->fd, &x->fill, &off.fr, XDP_UMEM_PGOFF_FILL_RING, 8) ||
	    xsk_map(x->fd, &x->comp, &off.cr, XDP_UMEM_PGOFF_COMPLETION_RING, 8) ||
	    xsk_map(x->fd, &x->rx, &off.rx, XDP_PGOFF_RX_RING, sizeof(struct xdp_desc)) ||
	    xsk_map(x->fd, &x->tx, &off.tx, XDP_PGOFF_TX_RING, sizeof(struct xdp_desc)))
		return -1;
	fill = c->no_fill ? 0 : c->fill ?: x->chunks / 2;
	for (i = 0; i < fill; i++)
		xsk_fill(x, (uint64_t)(x->chunks / 2 + i) * XSK_CHUNK);
	return 0;
}

/* Return: 0, or -1 with errno and nothing printed. */
static ET_UNUSED int xsk_bind(struct xsk *x, const char *device, uint32_t queue, uint16_t flags)
{
	struct sockaddr_xdp sa = {
		.sxdp_family = AF_XDP,
		.sxdp_flags = flags,
		.sxdp_ifindex = if_nametoindex(device),
		.sxdp_queue_id = queue,
	};

	return bind(x->fd, (struct sockaddr *)&sa, sizeof(sa));
}

static ET_UNUSED int xsk_open(struct xsk *x, const struct xsk_config *c)
{
	if (xsk_make(x, c))
		return -1;
	if (xsk_bind(x, c->device ?: "etran0", c->queue, c->bind_flags ?: XDP_ZEROCOPY))
		return et_fail("bind to queue %u", c->queue);
	if (!c->no_endpoint && xsk_attach(x, TT_NAME, c->port))
		return et_fail("ETRAN_IOC_ENDPOINT_OPEN");
	return 0;
}

static ET_UNUSED void xsk_detach(struct xsk *x)
{
	if (x->status)
		munmap((void *)x->status, x->map_len);
	if (x->ep >= 0)
		close(x->ep);
	x->status = NULL;
	x->ep = -1;
}

/* Mappings of the rings keep the socket as its descriptor does. */
static ET_UNUSED void xsk_close(struct xsk *x)
{
	struct xsk_ring *r[] = { &x->fill, &x->comp, &x->rx, &x->tx };
	int i;

	xsk_detach(x);
	for (i = 0; i < 4; i++) {
		if (r[i]->map)
			munmap(r[i]->map, r[i]->len);
		r[i]->map = NULL;
	}
	if (x->fd >= 0)
		close(x->fd);
	x->fd = -1;
}

/* Closes it, and its memory goes, too. */
static ET_UNUSED void xsk_free(struct xsk *x)
{
	if (x->umem && x->umem != MAP_FAILED) {
		xsk_close(x);
		munmap(x->umem, (size_t)x->chunks * XSK_CHUNK);
	}
	memset(x, 0, sizeof(*x));
}

/* A socket without endpoint, on a queue whose last socket may go a moment after it was closed. Return: 0, or -1 with errno. */
static ET_UNUSED int xsk_open_plain(struct xsk *x, const struct xsk_config *c)
{
	uint32_t i;

	for (i = 0; xsk_make(x, c) || xsk_bind(x, c->device, c->queue, c->bind_flags); i++) {
		if (errno != EBUSY || i == 100)
			return -1;
		xsk_free(x);
		usleep(10000);
	}
	return 0;
}

/* ---- sending ---- */

static ET_UNUSED void xsk_desc(struct xsk *x, uint64_t addr, uint32_t len, uint32_t options)
{
	uint32_t at = *x->tx.producer;

	((struct xdp_desc *)x->tx.desc)[at % XSK_RING] = (struct xdp_desc) {
		.addr = addr, .len = len, .options = options,
	};
	__atomic_store_n(x->tx.producer, at + 1, __ATOMIC_RELEASE);
}

/* Puts a request @offset bytes into chunk @chunk and its descriptor into the TX ring. */
static ET_UNUSED void xsk_put_at(struct xsk *x, uint32_t chunk, uint32_t offset, unsigned int op,
				 const struct tt_req *r, const void *payload, uint32_t len)
{
	uint64_t addr = (uint64_t)chunk * XSK_CHUNK + offset;
	struct etran_req *q = (void *)(x->umem + addr);

	memset(q, 0, sizeof(*q));
	q->endpoint = x->id;
	q->op = op;
	memcpy(q->data, r, sizeof(*r));
	if (len)
		memcpy(q + 1, payload, len);
	xsk_desc(x, addr, sizeof(*q) + len, 0);
}

/* The same, at its beginning. */
static ET_UNUSED void xsk_put(struct xsk *x, uint32_t chunk, unsigned int op,
			      const struct tt_req *r, const void *payload, uint32_t len)
{
	xsk_put_at(x, chunk, 0, op, r, payload, len);
}

/* Return: 0, or the errno of sendto(). */
static ET_UNUSED int xsk_kick(struct xsk *x)
{
	int i;

	for (i = 0; i < 1000; i++) {
		if (sendto(x->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0)
			return 0;
		/* A budget ended before the ring did. */
		if (errno != EAGAIN && errno != EBUSY)
			return errno;
	}
	return EAGAIN;
}

/* One request, sent at once. Return: as xsk_kick(). */
static ET_UNUSED int xsk_send(struct xsk *x, uint32_t chunk, unsigned int op,
			      const struct tt_req *r, const void *payload, uint32_t len)
{
	xsk_put(x, chunk, op, r, payload, len);
	return xsk_kick(x);
}

/* Takes all completions. Return: how many; their addresses go to @addr if there is room. */
static ET_UNUSED uint32_t xsk_complete(struct xsk *x, uint64_t *addr, uint32_t room)
{
	uint32_t at = *x->comp.consumer, n;

	n = __atomic_load_n(x->comp.producer, __ATOMIC_ACQUIRE) - at;
	for (uint32_t i = 0; i < n && i < room; i++)
		addr[i] = ((uint64_t *)x->comp.desc)[(at + i) % XSK_RING];
	__atomic_store_n(x->comp.consumer, at + n, __ATOMIC_RELEASE);
	return n;
}

/* ---- receiving ---- */

struct xsk_frame {
	uint64_t addr;
	uint32_t len;		/* payload */
	struct etran_rec rec;
	struct tt_rec tt;
	const uint8_t *payload;	/* valid until the buffer is given back */
};

/* Return: 1 and the frame, whose buffer is given back with xsk_fill(); 0 when there is none. */
static ET_UNUSED int xsk_take(struct xsk *x, struct xsk_frame *f)
{
	uint32_t at = *x->rx.consumer;
	const struct xdp_desc *d = &((struct xdp_desc *)x->rx.desc)[at % XSK_RING];

	if (__atomic_load_n(x->rx.producer, __ATOMIC_ACQUIRE) == at)
		return 0;
	f->addr = d->addr;
	f->len = d->len - sizeof(f->rec);
	memcpy(&f->rec, x->umem + d->addr, sizeof(f->rec));
	memcpy(&f->tt, f->rec.data, sizeof(f->tt));
	f->payload = x->umem + d->addr + sizeof(f->rec);
	__atomic_store_n(x->rx.consumer, at + 1, __ATOMIC_RELEASE);
	return 1;
}

/* As above, but waits; polls the endpoint as an application does. */
static ET_UNUSED int xsk_recv(struct xsk *x, struct xsk_frame *f)
{
	struct pollfd p = { .fd = x->ep, .events = POLLIN };
	uint64_t end = et_now_ms() + ET_PATIENCE_MS;

	while (!xsk_take(x, f)) {
		if (et_now_ms() >= end)
			return 0;
		if (poll(&p, 1, 100) > 0 && (p.revents & (POLLERR | POLLHUP)))
			return 0;
	}
	return 1;
}

/* ---- raw packets on veth0 of the host where we are ---- */

#include <linux/if_ether.h>
#include <linux/if_packet.h>

static ET_UNUSED int raw_open(void)
{
	struct sockaddr_ll sa = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_IP),
		.sll_ifindex = if_nametoindex("veth0"),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_IP));

	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)))
		return et_fail("AF_PACKET socket");
	return fd;
}

/* The next packet of IP protocol @proto that came from elsewhere. Return: its length or -1. */
static ET_UNUSED int raw_recv(int fd, uint8_t proto, uint8_t *buf, size_t room)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct sockaddr_ll sa;
	socklen_t len;
	ssize_t n;

	while (poll(&p, 1, ET_PATIENCE_MS) == 1) {
		len = sizeof(sa);
		n = recvfrom(fd, buf, room, MSG_TRUNC, (struct sockaddr *)&sa, &len);
		if (n >= 34 && sa.sll_pkttype != PACKET_OUTGOING && buf[23] == proto)
			return n;
	}
	return -1;
}

static ET_UNUSED uint16_t ip_sum(const void *p, unsigned int len)
{
	const uint8_t *b = p;
	uint32_t sum = 0;

	for (unsigned int i = 0; i + 1 < len; i += 2)
		sum += b[i] << 8 | b[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/*
 * A packet of the test transport, complete with Ethernet and IP headers, from @from to @to.
 * Return: its length.
 */
static ET_UNUSED int raw_build(uint8_t *buf, const struct et_host *from, const struct et_host *to,
			       const struct tt_hdr *th, const void *payload, uint32_t len)
{
	uint16_t tot = TT_HDRS + len;
	uint8_t *ip = buf + 14;

	memset(buf, 0, 14 + TT_HDRS);
	memcpy(buf, to->mac, 6);
	memcpy(buf + 6, from->mac, 6);
	buf[12] = 8;
	ip[0] = 0x45;
	ip[2] = tot >> 8;
	ip[3] = tot;
	ip[8] = 64;
	ip[9] = TT_PROTO;
	memcpy(ip + 12, &from->addr, 4);
	memcpy(ip + 16, &to->addr, 4);
	memcpy(ip + 20, th, sizeof(*th));
	if (len)
		memcpy(ip + TT_HDRS, payload, len);
	return 14 + tot;
}

/* Writes the IP header's checksum, which everything else depends on. */
static ET_UNUSED void raw_sum(uint8_t *buf)
{
	uint16_t sum;

	buf[24] = 0;
	buf[25] = 0;
	sum = ip_sum(buf + 14, (buf[14] & 15) * 4);
	buf[24] = sum >> 8;
	buf[25] = sum;
}

#endif /* XSK_H */
