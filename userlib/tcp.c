// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * TCP's calls: what etran_tcp.h promises on top of a channel, an endpoint and the records of uapi/etran/tcp.h.
 *
 * A context has one lock, which is not held while sleeping. Whoever holds it takes what the kernel delivered for all
 * sockets (tcp_take_all()); whoever waits sleeps until something is delivered, whichever socket that is for.
 *
 * Received bytes are copied into a ring of the socket that is as large as its receive buffer: the kernel lets no peer
 * send more than was read plus that, so they always fit. Rejected: keeping the kernel's buffers until they are read,
 * as one slow reader would keep those that all others need, and the fill ring gives them back in order. A ring with
 * nothing in it is the context's again, for the next socket that needs one: so idle sockets have none, and those that
 * take turns use memory that is in the cache.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <etran/tcp.h>
#include <etran_tcp.h>

#include "channel.h"
#include "error.h"
#include "list.h"
#include "reserve.h"
#include "tcp_file.h"
#include "tcp_sock.h"

/* What the transport makes of rcvbuf 0 is not told here, so this says it. */
#define RCVBUF		(262144U - RCVBUF_SLACK)
/* The window is told in units, so the peer may send so much more. */
#define RCVBUF_SLACK	4096U
#define RCVBUF_MIN	4096U
#define RCVBUF_MAX	(8U << 20)
/* What is mapped of struct etran_stream_user. */
#define USERS_BYTES	(ETRAN_STREAMS_MAX * sizeof(struct etran_stream_user))
/* Frames that data leaves for what has none. */
#define SPARE_FRAMES	16
/* Frames that are looked for at once when there are too few. */
#define RECLAIM_FRAMES	(SPARE_FRAMES + 64)

static uint32_t status_read(const uint32_t *field)
{
	return __atomic_load_n(field, __ATOMIC_ACQUIRE);
}

/* poll() on the descriptor must see what was taken from the ring and not told. */
void tcp_unlock(struct etran_tcp *t)
{
	bool ready = !list_empty(&t->ready);

	if (ready != t->ready_told && !etran_endpoint_ready(t->ch, ready))
		t->ready_told = ready;
	mutex_unlock(&t->lock);
}

static struct etran_socket *sock_of(struct etran_tcp *t, uint64_t id)
{
	uint32_t slot = (uint32_t)id;
	struct etran_socket *s = slot < t->nslots ? t->slots[slot] : NULL;

	return s && s->id == id ? s : NULL;
}

static int slot_set(struct etran_tcp *t, uint64_t id, struct etran_socket *s)
{
	uint32_t slot = (uint32_t)id, n = t->nslots ? t->nslots : 64;
	struct etran_socket **slots;

	if (slot >= 1U << 24)
		return -1;
	while (n <= slot)
		n *= 2;
	if (n > t->nslots) {
		slots = realloc(t->slots, n * sizeof(*slots));
		if (!slots)
			return -1;
		memset(slots + t->nslots, 0, (n - t->nslots) * sizeof(*slots));
		t->slots = slots;
		t->nslots = n;
	}
	t->slots[slot] = s;
	return 0;
}

void tcp_slot_clear(struct etran_tcp *t, const struct etran_socket *s)
{
	if (s->id && sock_of(t, s->id) == s)
		t->slots[(uint32_t)s->id] = NULL;
}

/* Whoever has a file of its own is told of by that, who waits to be accepted by its listener. */
static void sock_ready(struct etran_socket *s)
{
	if (s->listed || s->user || s->unaccepted)
		return;
	list_add_tail(&s->ready, &s->tcp->ready);
	s->listed = true;
}

static struct etran_socket *sock_new(struct etran_tcp *t, int domain, int flags)
{
	struct etran_socket *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->tcp = t;
	s->file = -1;
	s->reserved = -1;
	s->domain = domain;
	s->nonblock = flags & SOCK_NONBLOCK;
	s->frames = (struct etran_chain)ETRAN_CHAIN_INIT;
	s->window = t->config.rcvbuf;
	s->rcvbuf = RCVBUF_MIN;
	while (s->rcvbuf < s->window + RCVBUF_SLACK)
		s->rcvbuf *= 2;
	list_init(&s->busy);
	list_init(&s->queue);
	list_add_tail(&s->node, &t->all);
	return s;
}

/* All sockets of a context have rings of one size. */
static uint8_t *ring_take(struct etran_socket *s)
{
	struct etran_tcp *t = s->tcp;

	return t->nrings ? t->rings[--t->nrings] : malloc(s->rcvbuf);
}

void tcp_ring_drop(struct etran_socket *s)
{
	struct etran_tcp *t = s->tcp;

	if (!s->ring)
		return;
	if (t->nrings < RINGS_MAX)
		t->rings[t->nrings++] = s->ring;
	else
		free(s->ring);
	s->ring = NULL;
}

static void sock_free(struct etran_socket *s)
{
	list_del(&s->node);
	if (!list_empty(&s->busy)) {
		list_del(&s->busy);
		s->tcp->nbusy--;
	}
	tcp_ring_drop(s);
	if (s->reserved >= 0)
		close(s->reserved);
	free(s->part);
	free(s->page);
	free(s);
}

/* poll() learns how far was read. */
static void user_read(struct etran_socket *s)
{
	if (s->user)
		__atomic_store_n(&s->user->read, s->state == SOCK_LISTENS ? s->taken : s->read,
				 __ATOMIC_RELEASE);
}

/* Other threads that poll the file learn what was written there. */
static void user_wake(struct etran_socket *s, int fd)
{
	if (s->user && fd >= 0)
		ioctl(fd, ETRAN_IOC_STREAM_WAKE);
}

/*
 * Frames that came back, until there are enough. A socket that is idle does not look for its own, and there may be more
 * of these than frames.
 */
static void reclaim(struct etran_tcp *t)
{
	uint32_t most = t->nbusy;
	struct etran_socket *s;

	etran_tx_reclaim(t->ch, &t->control);
	while (most-- && etran_tx_free(t->ch) < RECLAIM_FRAMES) {
		s = list_first(&t->busy, struct etran_socket, busy);
		list_del(&s->busy);
		if (etran_tx_reclaim(t->ch, &s->frames)) {
			list_add_tail(&s->busy, &t->busy);
			continue;
		}
		t->nbusy--;
		if (s->closed)
			sock_free(s);
	}
}

/* What all requests begin with. Return: the transport's part */
static struct etran_tcp_req *req_begin(struct etran_socket *s, struct etran_req *req, uint16_t op)
{
	struct etran_tcp_req *r = (void *)req->data;

	memset(req, 0, sizeof(*req));
	req->endpoint = s->tcp->endpoint;
	req->op = op;
	r->conn = s->id;
	r->read = s->read;
	s->told = s->read;
	return r;
}

/* The transport gets a request without payload, the newest of @chain. */
static void control_submit(struct etran_socket *s, const struct etran_chain *chain, struct etran_req *req,
			   uint16_t op)
{
	req_begin(s, req, op);
	etran_tx_queue(s->tcp->ch, chain, sizeof(*req));
}

/* A request without payload. Return: 0, or -1 without a frame for it. */
static int control(struct etran_socket *s, uint16_t op)
{
	struct etran_tcp *t = s->tcp;
	struct etran_req *req;

	etran_tx_reclaim(t->ch, &t->control);
	if (!etran_tx_free(t->ch))
		reclaim(t);
	req = etran_tx_frame(t->ch, &t->control);
	if (!req)
		return -1;
	control_submit(s, &t->control, req, op);
	return etran_tx_kick(t->ch);
}

/* The same, however long it takes to get a frame. Context: lock held; given up meanwhile. */
static void control_surely(struct etran_socket *s, uint16_t op)
{
	struct etran_tcp *t = s->tcp;
	uint32_t released;

	for (;;) {
		released = status_read(&etran_endpoint_status(t->ch)->released);
		if (!control(s, op) || errno == ENETDOWN)
			return;
		if (etran_tx_free(t->ch))
			continue;
		tcp_unlock(t);
		if (etran_tx_wait(t->ch, released, 1000) && errno == ENODEV) {
			tcp_lock(t);
			return;
		}
		tcp_lock(t);
	}
}

/* Bytes from [start, end) on are here: put that among the parts. Return: 0, -1 without memory. */
static int part_add(struct etran_socket *s, uint64_t start, uint64_t end)
{
	uint32_t i = 0, k;
	struct part *p;

	while (i < s->parts && s->part[i].end < start)
		i++;
	for (k = i; k < s->parts && s->part[k].start <= end; k++) {
		if (s->part[k].start < start)
			start = s->part[k].start;
		if (s->part[k].end > end)
			end = s->part[k].end;
	}
	if (k == i) {
		if (s->parts == s->room) {
			p = realloc(s->part, (s->room + 16) * sizeof(*p));
			if (!p)
				return -1;
			s->part = p;
			s->room += 16;
		}
		memmove(s->part + i + 1, s->part + i, (s->parts - i) * sizeof(*p));
		s->parts++;
	} else {
		memmove(s->part + i + 1, s->part + k, (s->parts - k) * sizeof(*p));
		s->parts -= k - i - 1;
	}
	s->part[i].start = start;
	s->part[i].end = end;
	return 0;
}

static void ring_put(struct etran_socket *s, uint64_t offset, const uint8_t *data, uint32_t len)
{
	uint32_t at = offset & (s->rcvbuf - 1), n = s->rcvbuf - at;

	if (n > len)
		n = len;
	memcpy(s->ring + at, data, n);
	memcpy(s->ring, data + n, len - n);
}

void tcp_ring_get(const struct etran_socket *s, uint64_t offset, uint8_t *data, uint32_t len)
{
	uint32_t at = offset & (s->rcvbuf - 1), n = s->rcvbuf - at;

	if (n > len)
		n = len;
	memcpy(data, s->ring + at, n);
	memcpy(data + n, s->ring, len - n);
}

int tcp_pages_to_ring(struct etran_socket *s)
{
	uint64_t at = s->read;
	uint32_t i;

	if (!s->page_bytes)
		return 0;
	if (!s->ring)
		s->ring = ring_take(s);
	if (!s->ring)
		return -1;
	for (i = s->page_first; i < s->page_end; at += s->page[i++].len)
		ring_put(s, at, s->page[i].data, s->page[i].len);
	tcp_pages_drop(s);
	return 0;
}

/* The connection cannot go on as it should. */
static void sock_broken(struct etran_socket *s, int error)
{
	control(s, ETRAN_TCP_OP_ABORT);
	tcp_slot_clear(s->tcp, s);
	s->state = SOCK_ENDED;
	s->id = 0;
	s->error = error;
	sock_ready(s);
}

/* Return: whether the frame was taken out of the RX ring. */
static bool take_data(struct etran_socket *s, const struct etran_tcp_rec *r, const uint8_t *data,
		      uint32_t room)
{
	uint64_t start = r->offset, end = start + r->len;
	bool kept = false;

	if (r->len > room || end < start)
		return false;
	if (r->flags & ETRAN_TCP_RECV_FIN && !s->has_fin) {
		s->has_fin = true;
		s->fin = end;
	}
	if (start < s->have) {
		if (end < s->have)
			end = s->have;
		data += s->have - start;
		start = s->have;
	}
	if (end > s->read + s->rcvbuf) {
		sock_broken(s, EPROTO);
		return false;
	}
	if (start < end) {
		bool next = start == s->have && !s->parts;

		if (next)
			kept = tcp_page_add(s, data, end - start);
		if (!kept && !s->ring)
			s->ring = ring_take(s);
		if (!kept && (!s->ring || (!next && part_add(s, start, end)))) {
			sock_broken(s, ENOMEM);
			return false;
		}
		if (!kept)
			ring_put(s, start, data, end - start);
		if (next) {
			s->have = end;
		} else if (s->part[0].start <= s->have) {
			s->have = s->part[0].end;
			s->parts--;
			memmove(s->part, s->part + 1, s->parts * sizeof(*s->part));
		}
	}
	sock_ready(s);
	return kept;
}

/* A connection of a listener of ours. */
static void take_accepted(struct etran_tcp *t, const struct etran_tcp_rec_opened *o)
{
	struct etran_socket *l, *s;

	list_for_each(l, &t->listeners, node) {
		if (l->listener != o->listener)
			continue;
		s = sock_new(t, l->domain, 0);
		/* Without memory the peer waits until it is tired of that. */
		if (s)
			s->id = o->conn;
		if (!s || slot_set(t, o->conn, s)) {
			if (s)
				sock_free(s);
			l->taken++;
			user_read(l);
			return;
		}
		s->listener = o->listener;
		s->nodelay = l->nodelay;
		s->cork = l->cork;
		s->state = SOCK_CONNECTED;
		s->mss = o->mss;
		memcpy(s->local.addr, o->addr, sizeof(o->addr));
		memcpy(s->peer.addr, o->peer, sizeof(o->peer));
		s->local.port = o->port;
		s->peer.port = o->peer_port;
		s->unaccepted = true;
		list_add_tail(&s->waiting, &l->queue);
		sock_ready(l);
		return;
	}
}

static void take_opened(struct etran_tcp *t, const struct etran_tcp_rec_opened *o)
{
	struct etran_socket *s = sock_of(t, o->conn);

	if (!s && o->listener)
		take_accepted(t, o);
	if (!s || s->state != SOCK_CONNECTING)
		return;
	s->state = SOCK_CONNECTED;
	s->mss = o->mss;
	s->opened = true;
	sock_ready(s);
}

static void take_error(struct etran_socket *s, int error)
{
	s->state = SOCK_ENDED;
	s->error = error;
	sock_ready(s);
}

/* Everything that was delivered. */
void tcp_take_all(struct etran_tcp *t)
{
	const struct etran_tcp_rec *r;
	const struct etran_rec *rec;
	struct etran_socket *s;
	uint32_t len;
	bool kept;

	while ((rec = etran_rx_peek(t->ch, &len))) {
		r = (const void *)rec->data;
		kept = false;
		switch (rec->type) {
		case ETRAN_TCP_REC_OPENED:
			take_opened(t, (const void *)rec->data);
			break;
		case ETRAN_TCP_REC_DATA:
			s = sock_of(t, r->conn);
			if (s)
				kept = take_data(s, r, (const uint8_t *)(rec + 1), len - sizeof(*rec));
			break;
		case ETRAN_TCP_REC_ERROR:
			s = sock_of(t, r->conn);
			if (s)
				take_error(s, r->error);
			break;
		}
		if (!kept)
			etran_rx_pop(t->ch);
	}
}

static int gone(const struct etran_tcp *t)
{
	uint32_t flags = status_read(&etran_endpoint_status(t->ch)->flags);

	if (flags & ETRAN_STATUS_NO_TRANSPORT)
		return etran_fail(ENETDOWN, "the transport 'tcp' was unloaded; load it, and open another context");
	return etran_fail(ENETDOWN, "the device is gone");
}

/*
 * Sleep until something is delivered. @delivered: read before tcp_take_all() left nothing. Context: lock held, given up
 * meanwhile. Return: 0, -1 with errno.
 */
static int wait_more(struct etran_tcp *t, uint32_t delivered)
{
	uint32_t flags = ETRAN_WAIT_UNREADY;
	int err, ret;

	/* What was queued with MSG_BATCH. */
	if (etran_tx_pending(t->ch))
		flags |= ETRAN_WAIT_KICK;
	tcp_unlock(t);
	ret = etran_rx_wait(t->ch, delivered, flags, -1);
	err = errno;
	tcp_lock(t);
	if (!ret)
		return 0;
	if (err == ENODEV)
		return gone(t);
	return etran_fail(err, "interrupted");
}

/* There is nothing to do: what was queued with MSG_BATCH goes out now. Context: lock held. */
static void kick_pending(struct etran_tcp *t)
{
	if (etran_tx_pending(t->ch))
		etran_tx_kick(t->ch);
}

struct etran_tcp *etran_tcp_open(const struct etran_tcp_config *config)
{
	struct etran_endpoint_open arg = { .transport = "tcp", .flags = 0 };
	struct etran_tcp *t = calloc(1, sizeof(*t));
	int err;

	if (!t) {
		etran_fail(ENOMEM, "no memory for a context");
		return NULL;
	}
	if (config)
		t->config = *config;
	t->config.channel.size = sizeof(t->config.channel);
	if (!t->config.rcvbuf)
		t->config.rcvbuf = RCVBUF;
	if (t->config.rcvbuf < RCVBUF_MIN)
		t->config.rcvbuf = RCVBUF_MIN;
	if (t->config.rcvbuf > RCVBUF_MAX)
		t->config.rcvbuf = RCVBUF_MAX;
	t->control = (struct etran_chain)ETRAN_CHAIN_INIT;
	list_init(&t->all);
	list_init(&t->listeners);
	list_init(&t->busy);
	list_init(&t->ready);
	lending_init(&t->lending);
	t->ch = etran_channel_open(&t->config.channel);
	if (!t->ch)
		goto fail;
	t->fd = etran_endpoint_attach(t->ch, &arg);
	if (t->fd < 0)
		goto fail;
	t->endpoint = arg.id;
	t->netns = reserve_netns();
	if (!t->config.sndbuf || t->config.sndbuf > etran_channel_tx_frames(t->ch) / 2)
		t->config.sndbuf = etran_channel_tx_frames(t->ch) / 4;
	return t;
fail:
	err = errno;
	etran_channel_close(t->ch);
	free(t);
	errno = err;
	return NULL;
}

static void sockets_free(struct list *list)
{
	struct etran_socket *s, *next;

	list_for_each_safe(s, next, list, node) {
		if (s->file >= 0)
			close(s->file);
		sock_free(s);
	}
}

void etran_tcp_close(struct etran_tcp *t)
{
	if (!t)
		return;
	/* What is left in the ring is sent before the endpoint goes, which closes all connections. */
	etran_tx_kick(t->ch);
	etran_endpoint_detach(t->ch);
	etran_channel_close(t->ch);
	sockets_free(&t->all);
	sockets_free(&t->listeners);
	lending_end(&t->lending);
	while (t->nrings)
		free(t->rings[--t->nrings]);
	if (t->users)
		munmap(t->users, USERS_BYTES);
	free(t->slots);
	free(t);
}

int etran_tcp_fd(const struct etran_tcp *t)
{
	return t->fd;
}

static short events_of(struct etran_socket *s)
{
	short events = 0;

	if (s->state == SOCK_LISTENS)
		return list_empty(&s->queue) ? 0 : POLLIN;
	if (s->opened)
		events |= POLLOUT;
	s->opened = false;
	if (s->have > s->read || (s->has_fin && s->read == s->fin))
		events |= POLLIN;
	if (s->state == SOCK_ENDED)
		events |= POLLIN | POLLHUP | (s->error ? POLLERR : 0);
	return events;
}

struct etran_socket *etran_tcp_next(struct etran_tcp *t, short *events)
{
	struct etran_socket *s, *found = NULL;

	tcp_lock(t);
	tcp_take_all(t);
	while (!found && !list_empty(&t->ready)) {
		s = list_first(&t->ready, struct etran_socket, ready);
		list_del(&s->ready);
		s->listed = false;
		*events = events_of(s);
		/* Who waits to be accepted is told of by its listener. */
		if (*events && !s->unaccepted)
			found = s;
	}
	if (!found)
		kick_pending(t);
	tcp_unlock(t);
	return found;
}

struct etran_socket *etran_socket(struct etran_tcp *t, int domain, int flags)
{
	struct etran_socket *s;

	if (domain != AF_INET && domain != AF_INET6) {
		etran_fail(EAFNOSUPPORT, "etran_socket() knows AF_INET and AF_INET6 only");
		return NULL;
	}
	if (flags & ~SOCK_NONBLOCK) {
		etran_fail(EINVAL, "etran_socket() knows the flag SOCK_NONBLOCK only");
		return NULL;
	}
	tcp_lock(t);
	s = sock_new(t, domain, flags);
	tcp_unlock(t);
	if (!s)
		etran_fail(ENOMEM, "no memory for a socket");
	return s;
}

static int addr_from(const struct etran_socket *s, const struct sockaddr *addr, socklen_t len,
		     struct addr *a)
{
	const struct sockaddr_in *in = (const void *)addr;
	const struct sockaddr_in6 *in6 = (const void *)addr;

	memset(a, 0, sizeof(*a));
	if (len >= sizeof(*in) && addr->sa_family == AF_INET) {
		a->addr[2] = htonl(0xffff);
		a->addr[3] = in->sin_addr.s_addr;
		a->port = ntohs(in->sin_port);
		return 0;
	}
	if (s->domain == AF_INET6 && len >= sizeof(*in6) && addr->sa_family == AF_INET6) {
		memcpy(a->addr, &in6->sin6_addr, sizeof(a->addr));
		a->port = ntohs(in6->sin6_port);
		return 0;
	}
	return etran_fail(len < sizeof(*in) ? EINVAL : EAFNOSUPPORT,
			  "no address of the socket's family");
}

static int addr_to(const struct etran_socket *s, const struct addr *a, struct sockaddr *addr,
		   socklen_t *len)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(a->port) };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(a->port) };
	const void *from = &in6;
	socklen_t n = sizeof(in6);

	if (!addr || !len)
		return etran_fail(EINVAL, "no room for an address");
	memcpy(&in6.sin6_addr, a->addr, sizeof(a->addr));
	in.sin_addr.s_addr = a->addr[3];
	if (s->domain == AF_INET) {
		from = &in;
		n = sizeof(in);
	}
	memcpy(addr, from, *len < n ? *len : n);
	*len = n;
	return 0;
}

/* Tell the transport of an option. Return: as etran_tcp_set(). */
static int option_tell(struct etran_socket *s, uint32_t option, uint32_t value)
{
	struct etran_endpoint_bind b = {
		.arg = { ETRAN_TCP_SET | (uint64_t)option << 32, s->id ? s->id : s->listener, value },
	};

	if (!etran_endpoint_bind_port(s->tcp->ch, &b))
		return 0;
	if (errno == ENOENT)
		return etran_fail(ENOTCONN, "the connection has ended");
	return etran_fail(errno, "the transport refuses %u for option %u: %s", value, option, strerror(errno));
}

/* Those that were chosen before there was anything to choose them for. */
static void options_tell(struct etran_socket *s)
{
	uint32_t i;

	for (i = 0; i < ETRAN_TCP_OPTIONS; i++)
		if (s->chosen & 1U << i)
			option_tell(s, i, s->option[i]);
}

static bool addr_any(const struct addr *a)
{
	return !a->addr[3] && !a->addr[0] && !a->addr[1];
}

int etran_bind(struct etran_socket *s, const struct sockaddr *addr, socklen_t len)
{
	int ret = 0;

	tcp_lock(s->tcp);
	if (s->state != SOCK_NEW)
		ret = etran_fail(EINVAL, "the socket is connected or listens");
	else
		ret = addr_from(s, addr, len, &s->local);
	s->bound = !ret;
	tcp_unlock(s->tcp);
	return ret;
}

/*
 * The port of one that is about to listen is taken in the kernel's TCP, too. In another network namespace than the context's
 * the kernel cannot know of it.
 */
static int port_take(struct etran_socket *s)
{
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);

	if (s->others || !s->tcp->netns || s->tcp->netns != reserve_netns())
		return 0;
	addr_to(s, &s->local, (struct sockaddr *)&at, &len);
	s->reserved = reserve_port((struct sockaddr *)&at, len, s->reuseport);
	if (s->reserved >= 0)
		s->local.port = ntohs(((struct sockaddr_in *)&at)->sin_port);
	else if (errno == EADDRINUSE)
		return etran_fail(EADDRINUSE, "port %u is in use by the kernel's TCP; by whom: ss -tlnp", s->local.port);
	return 0;
}

static void port_give(struct etran_socket *s)
{
	int err = errno;

	if (s->reserved >= 0)
		close(s->reserved);
	s->reserved = -1;
	errno = err;
}

int etran_listen(struct etran_socket *s, int backlog)
{
	struct etran_endpoint_bind b;
	struct etran_tcp *t = s->tcp;
	int ret = 0, tries = 0;
	bool any;

	tcp_lock(t);
	if (s->state == SOCK_LISTENS)
		goto out;
	if (s->state != SOCK_NEW) {
		ret = etran_fail(EINVAL, "the socket is connected");
		goto out;
	}
	if (!s->bound && s->domain == AF_INET)
		s->local.addr[2] = htonl(0xffff);
	any = !s->local.port;
again:
	ret = port_take(s);
	if (ret)
		goto out;
	memset(&b, 0, sizeof(b));
	memcpy(b.addr, s->local.addr, sizeof(b.addr));
	b.port = s->local.port;
	b.arg[0] = ETRAN_TCP_LISTEN;
	b.arg[1] = etran_tcp_options(s->window, t->config.congestion);
	s->backlog = backlog > 0 ? backlog : 1;
	b.arg[2] = s->backlog;
	if (s->reuseport)
		b.arg[2] |= (uint64_t)ETRAN_TCP_LISTEN_REUSEPORT << 32;
	if (s->spare)
		b.arg[2] |= (uint64_t)ETRAN_TCP_LISTEN_SPARE << 32;
	b.arg[3] = s->token;
	ret = etran_endpoint_bind_port(t->ch, &b);
	if (ret) {
		port_give(s);
		if (any)
			s->local.port = 0;
		/* Free in the kernel's TCP, and in use by etran's. */
		if (any && errno == EADDRINUSE && tries++ < 16)
			goto again;
		goto out;
	}
	s->token = b.arg[1];
	s->local.port = b.port;
	s->listener = b.arg[0];
	s->state = SOCK_LISTENS;
	list_del(&s->node);
	list_add_tail(&s->node, &t->listeners);
	options_tell(s);
out:
	tcp_unlock(t);
	return ret;
}

void etran_socket_spare(struct etran_socket *s, bool spare)
{
	tcp_lock(s->tcp);
	s->spare = spare;
	if (s->state == SOCK_LISTENS)
		option_tell(s, ETRAN_TCP_SPARE, spare);
	tcp_unlock(s->tcp);
}

void etran_socket_reserved(struct etran_socket *s)
{
	s->others = true;
}

int etran_listen_beside(struct etran_socket *s, const struct etran_socket *other)
{
	tcp_lock(s->tcp);
	s->others = true;
	s->local = other->local;
	s->bound = true;
	s->token = other->token;
	s->reuseport = other->reuseport;
	s->nodelay = other->nodelay;
	s->cork = other->cork;
	memcpy(s->option, other->option, sizeof(s->option));
	s->chosen = other->chosen;
	tcp_unlock(s->tcp);
	return etran_listen(s, other->backlog);
}

static struct etran_socket *accept_one(struct etran_socket *l, struct sockaddr *addr,
				       socklen_t *len, int flags, bool file)
{
	struct etran_socket *s = NULL;
	struct etran_tcp *t = l->tcp;
	uint32_t delivered;

	tcp_lock(t);
	for (;;) {
		delivered = etran_rx_delivered(t->ch);
		tcp_take_all(t);
		if (l->state != SOCK_LISTENS) {
			etran_fail(EINVAL, "the socket does not listen");
			break;
		}
		if (!list_empty(&l->queue)) {
			s = list_first(&l->queue, struct etran_socket, waiting);
			list_del(&s->waiting);
			s->unaccepted = false;
			l->taken++;
			user_read(l);
			break;
		}
		if (l->nonblock || file) {
			kick_pending(t);
			etran_fail(EAGAIN, "no connection waits");
			break;
		}
		if (wait_more(t, delivered))
			break;
	}
	if (s) {
		s->nonblock = flags & SOCK_NONBLOCK;
		if (!file)
			control_surely(s, ETRAN_TCP_OP_READ);
		if (addr && len)
			addr_to(s, &s->peer, addr, len);
		/* What came before it was accepted. */
		if (!file && (s->have > s->read || s->has_fin || s->state == SOCK_ENDED))
			sock_ready(s);
		if (!list_empty(&l->queue))
			sock_ready(l);
	}
	tcp_unlock(t);
	return s;
}

struct etran_socket *etran_accept(struct etran_socket *l, struct sockaddr *addr, socklen_t *len,
				  int flags)
{
	return accept_one(l, addr, len, flags, false);
}

struct etran_socket *etran_accept_file(struct etran_socket *l, struct sockaddr *addr, socklen_t *len)
{
	return accept_one(l, addr, len, SOCK_NONBLOCK, true);
}

static int connect_begin(struct etran_socket *s, const struct sockaddr *addr, socklen_t len, bool later)
{
	struct etran_endpoint_bind b = {};
	struct etran_tcp *t = s->tcp;

	if (addr_from(s, addr, len, &s->peer))
		return -1;
	memcpy(b.addr, s->peer.addr, sizeof(b.addr));
	b.port = s->peer.port;
	b.arg[0] = ETRAN_TCP_CONNECT | (uint64_t)s->local.port << 32;
	b.arg[1] = etran_tcp_options(s->window, t->config.congestion);
	if (later)
		b.arg[1] |= ETRAN_TCP_CONNECT_LATER;
	if (s->bound && !addr_any(&s->local))
		memcpy(&b.arg[2], s->local.addr, sizeof(s->local.addr));
	if (etran_endpoint_bind_port(t->ch, &b))
		return -1;
	s->id = b.arg[0];
	if (slot_set(t, s->id, s)) {
		control(s, ETRAN_TCP_OP_ABORT);
		s->id = 0;
		return etran_fail(ENOMEM, "no memory for a connection");
	}
	s->local.port = b.arg[1];
	memcpy(s->local.addr, &b.arg[2], sizeof(s->local.addr));
	s->state = SOCK_CONNECTING;
	options_tell(s);
	return 0;
}

int etran_connect(struct etran_socket *s, const struct sockaddr *addr, socklen_t len)
{
	struct etran_tcp *t = s->tcp;
	uint32_t delivered;
	int ret = -1;

	tcp_lock(t);
	tcp_take_all(t);
	switch (s->state) {
	case SOCK_NEW:
		if (connect_begin(s, addr, len, false))
			goto out;
		break;
	case SOCK_CONNECTING:
		if (s->nonblock) {
			etran_fail(EALREADY, "the connection is being made");
			goto out;
		}
		break;
	default:
		etran_fail(EISCONN, "the socket is connected");
		goto out;
	}
	for (;;) {
		delivered = etran_rx_delivered(t->ch);
		tcp_take_all(t);
		if (s->state == SOCK_CONNECTED) {
			s->opened = false;
			ret = 0;
			break;
		}
		if (s->state == SOCK_ENDED) {
			etran_fail(s->error, "the connection could not be made: %s",
				   strerror(s->error));
			s->error = 0;
			break;
		}
		if (s->nonblock) {
			etran_fail(EINPROGRESS, "the connection is being made");
			break;
		}
		if (wait_more(t, delivered))
			break;
	}
out:
	tcp_unlock(t);
	return ret;
}

/* Its data goes through its file. Return: -1 */
static int moved(void)
{
	return etran_fail(ESTALE, "the connection is shared with other processes: its data goes through its file");
}

int etran_connect_later(struct etran_socket *s, const struct sockaddr *addr, socklen_t len)
{
	int ret;

	tcp_lock(s->tcp);
	ret = connect_begin(s, addr, len, true);
	tcp_unlock(s->tcp);
	return ret;
}

void etran_socket_go(struct etran_socket *s)
{
	tcp_lock(s->tcp);
	if (s->state == SOCK_CONNECTING)
		control_surely(s, ETRAN_TCP_OP_PUSH);
	tcp_unlock(s->tcp);
}

/* Why can nothing be sent, or received? 0: it can. Tells an error once. */
static int sock_fault(struct etran_socket *s)
{
	int error = s->error;

	if (s->shared)
		return moved();
	if (error) {
		s->error = 0;
		user_flag(s, ETRAN_STREAM_TOLD);
		return etran_fail(error, "the connection has ended: %s", strerror(error));
	}
	if (s->state == SOCK_NEW || s->state == SOCK_LISTENS || s->state == SOCK_CONNECTING)
		return etran_fail(ENOTCONN, "the socket is not connected");
	return 0;
}

/* The transport gets the next frame of the stream, @len bytes of payload, the newest of @chain. */
static void frame_submit(struct etran_socket *s, struct etran_chain *chain, struct etran_req *req,
			 uint32_t len, uint32_t flags)
{
	struct etran_tcp_req *r = req_begin(s, req, ETRAN_TCP_OP_SEND);

	r->offset = s->sent;
	r->flags = flags;
	s->waits = flags & (ETRAN_TCP_REQ_NAGLE | ETRAN_TCP_REQ_MORE);
	s->sent += len;
	etran_tx_queue(s->tcp->ch, chain, sizeof(*req) + len);
}

static void fin_submit(struct etran_socket *s)
{
	struct etran_chain *chain = &s->tcp->control;

	frame_submit(s, chain, etran_tx_frame(s->tcp->ch, chain), 0, ETRAN_TCP_REQ_FIN);
}

/* Begin a frame, which bytes are added to until it is full or pushed. */
static void frame_open(struct etran_socket *s)
{
	s->open = etran_tx_frame(s->tcp->ch, &s->frames);
	s->open_len = 0;
	if (list_empty(&s->busy)) {
		list_add_tail(&s->busy, &s->tcp->busy);
		s->tcp->nbusy++;
	}
}

uint32_t tcp_send_waits(const struct etran_socket *s, int flags)
{
	uint32_t waits = s->nodelay ? 0 : ETRAN_TCP_REQ_NAGLE;

	if (s->cork || flags & MSG_MORE)
		waits |= ETRAN_TCP_REQ_MORE;
	return waits;
}

/* The open frame, if there is one, is the transport's, which may have it wait for what @waits says. */
void tcp_frame_push(struct etran_socket *s, uint32_t waits)
{
	struct etran_req *req = s->open;

	if (!req)
		return;
	s->open = NULL;
	if (s->open_len)
		frame_submit(s, &s->frames, req, s->open_len, waits);
	else
		/* A buffer that was never committed: so it comes back. */
		control_submit(s, &s->frames, req, ETRAN_TCP_OP_READ);
}

/* What waits in the transport does so no longer. Context: lock held, may be given up meanwhile. */
static void waits_end(struct etran_socket *s)
{
	if (!s->waits || s->state != SOCK_CONNECTED)
		return;
	s->waits = 0;
	control_surely(s, ETRAN_TCP_OP_PUSH);
}

/* Frames that the connection may have now. */
static uint32_t send_room(struct etran_socket *s)
{
	struct etran_tcp *t = s->tcp;
	uint32_t used, free;

	etran_tx_reclaim(t->ch, &t->control);
	used = etran_tx_reclaim(t->ch, &s->frames);
	if (etran_tx_free(t->ch) <= SPARE_FRAMES)
		reclaim(t);
	free = etran_tx_free(t->ch);
	if (used >= t->config.sndbuf || free <= SPARE_FRAMES)
		return 0;
	free -= SPARE_FRAMES;
	return free < t->config.sndbuf - used ? free : t->config.sndbuf - used;
}

/* Nothing can be sent now, and poll() is to say so; or can it by now? */
static bool send_blocked(struct etran_socket *s)
{
	struct etran_tcp *t = s->tcp;

	if (!s->user)
		return true;
	__atomic_store_n(&s->user->blocked, 1, __ATOMIC_SEQ_CST);
	/* Frames that others have come back with their ACKs. */
	if (etran_tx_free(t->ch) <= SPARE_FRAMES)
		__atomic_store_n(&t->users[0].blocked, 1, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!send_room(s))
		return true;
	__atomic_store_n(&s->user->blocked, 0, __ATOMIC_SEQ_CST);
	return false;
}

int tcp_send_fault(struct etran_socket *s)
{
	if (sock_fault(s))
		return -1;
	if (s->sent_fin || s->state == SOCK_ENDED)
		return etran_fail(EPIPE, "the connection takes no more data");
	if (s->lent)
		return etran_fail(EBUSY, "etran_send_buffer() gave a buffer of this socket, which waits for etran_send_commit()");
	return 0;
}

/* Sleep until frames come back. Context: lock held, given up meanwhile. Return: 0, -1 with errno */
static int send_wait(struct etran_tcp *t, uint32_t released)
{
	int err;

	tcp_unlock(t);
	err = etran_tx_wait(t->ch, released, -1) ? errno : 0;
	tcp_lock(t);
	if (err == ENODEV)
		return gone(t);
	errno = err;
	return err ? -1 : 0;
}

int tcp_send_ready(struct etran_socket *s, bool dontwait)
{
	struct etran_tcp *t = s->tcp;
	uint32_t released;

	for (;;) {
		released = status_read(&etran_endpoint_status(t->ch)->released);
		tcp_take_all(t);
		if (tcp_send_fault(s))
			return -1;
		if (!s->open && send_room(s))
			frame_open(s);
		if (s->open)
			return 0;
		/* What was queued with MSG_BATCH. */
		kick_pending(t);
		if (dontwait) {
			if (!send_blocked(s))
				continue;
			return etran_fail(EAGAIN, "no frame is free");
		}
		if (send_wait(t, released))
			return -1;
	}
}

ssize_t etran_send(struct etran_socket *s, const void *buf, size_t len, int flags)
{
	bool dontwait = s->nonblock || flags & MSG_DONTWAIT;
	struct etran_tcp *t = s->tcp;
	uint32_t released, room, n, waits;
	size_t done = 0;
	int err = 0;

	tcp_lock(t);
	waits = tcp_send_waits(s, flags);
	for (;;) {
		released = status_read(&etran_endpoint_status(t->ch)->released);
		tcp_take_all(t);
		if (tcp_send_fault(s)) {
			err = errno;
			break;
		}
		room = send_room(s);
		while (done < len && (s->open || room)) {
			if (!s->open) {
				frame_open(s);
				room--;
			}
			n = s->mss - s->open_len;
			if (n > len - done)
				n = len - done;
			memcpy((uint8_t *)(s->open + 1) + s->open_len, (const uint8_t *)buf + done, n);
			s->open_len += n;
			done += n;
			if (s->open_len == s->mss)
				tcp_frame_push(s, waits);
		}
		if (done == len && !(flags & SOCKET_SEND_OPEN))
			tcp_frame_push(s, waits);
		if (done == len && flags & MSG_BATCH)
			break;
		/* An open frame is nothing to tell the kernel of. */
		if ((!(flags & SOCKET_SEND_OPEN) || etran_tx_pending(t->ch)) && etran_tx_kick(t->ch)) {
			err = errno;
			break;
		}
		if (done == len)
			break;
		if (dontwait) {
			if (!send_blocked(s))
				continue;
			if (!done) {
				etran_fail(EAGAIN, "no frame is free");
				err = EAGAIN;
			}
			break;
		}
		if (send_wait(t, released)) {
			err = errno;
			break;
		}
	}
	tcp_unlock(t);
	if (done)
		return done;
	if (!err)
		return 0;
	errno = err;
	return -1;
}

/* The transport learns what was read when that is worth a frame; with data it does anyhow. */
static void tell_read(struct etran_socket *s)
{
	uint32_t step = s->window / 4;

	if (s->read - s->told >= step && s->id && s->state == SOCK_CONNECTED)
		control(s, ETRAN_TCP_OP_READ);
}

void tcp_was_read(struct etran_socket *s, uint64_t n)
{
	s->read += n;
	if (s->read == s->have && !s->parts)
		tcp_ring_drop(s);
	user_read(s);
	tell_read(s);
}

int tcp_recv_wait(struct etran_socket *s, uint32_t delivered, bool dontwait)
{
	struct etran_tcp *t = s->tcp;

	if ((s->has_fin && s->read == s->fin) || s->shut_rd)
		return 0;
	if (sock_fault(s))
		return -1;
	if (s->state == SOCK_ENDED)
		return 0;
	if (dontwait) {
		kick_pending(t);
		return etran_fail(EAGAIN, "nothing was received");
	}
	return wait_more(t, delivered) ? -1 : 1;
}

ssize_t etran_recv(struct etran_socket *s, void *buf, size_t len, int flags)
{
	bool dontwait = s->nonblock || flags & MSG_DONTWAIT;
	struct etran_tcp *t = s->tcp;
	uint32_t delivered;
	size_t done = 0;
	int err = 0, ret;

	tcp_lock(t);
	for (;;) {
		uint64_t n;

		delivered = etran_rx_delivered(t->ch);
		tcp_take_all(t);
		n = s->have - s->read;
		if (n > len - done)
			n = len - done;
		if (n) {
			uint32_t in_pages = tcp_pages_get(s, (uint8_t *)buf + done, n, !(flags & MSG_PEEK));

			if (n > in_pages)
				tcp_ring_get(s, s->read + in_pages, (uint8_t *)buf + done + in_pages,
					     n - in_pages);
			done += n;
			if (!(flags & MSG_PEEK))
				tcp_was_read(s, n);
		}
		if (done == len || (done && !(flags & MSG_WAITALL)) || (done && flags & MSG_PEEK))
			break;
		ret = tcp_recv_wait(s, delivered, dontwait);
		if (ret <= 0) {
			err = ret ? errno : 0;
			break;
		}
	}
	tcp_unlock(t);
	if (done || !err)
		return done;
	errno = err;
	return -1;
}

int etran_shutdown(struct etran_socket *s, int how)
{
	struct etran_tcp *t = s->tcp;
	int ret = 0;

	if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
		return etran_fail(EINVAL, "etran_shutdown() knows SHUT_RD, SHUT_WR, SHUT_RDWR");
	tcp_lock(t);
	tcp_take_all(t);
	if (s->shared) {
		ret = moved();
		goto out;
	}
	if (s->state != SOCK_CONNECTED) {
		ret = etran_fail(ENOTCONN, "the socket is not connected");
		goto out;
	}
	if (how != SHUT_WR) {
		s->shut_rd = true;
		user_flag(s, ETRAN_STREAM_SHUT_RD);
		etran_rx_wake(t->ch);
	}
	if (how != SHUT_RD && !s->sent_fin) {
		s->sent_fin = true;
		user_flag(s, ETRAN_STREAM_SHUT_WR);
		tcp_frame_push(s, 0);
		while (!etran_tx_free(t->ch)) {
			uint32_t released = status_read(&etran_endpoint_status(t->ch)->released);

			reclaim(t);
			if (etran_tx_free(t->ch))
				break;
			tcp_unlock(t);
			ret = etran_tx_wait(t->ch, released, 1000) && errno == ENODEV ? -1 : 0;
			tcp_lock(t);
			if (ret) {
				ret = gone(t);
				goto out;
			}
		}
		fin_submit(s);
		ret = etran_tx_kick(t->ch);
	}
	user_wake(s, s->file);
out:
	tcp_unlock(t);
	return ret;
}

/* The transport knows that it is closed. Context: lock held. */
static void forget(struct etran_socket *s)
{
	struct etran_socket *q, *next;
	struct etran_tcp *t = s->tcp;

	if (s->state == SOCK_LISTENS) {
		tcp_take_all(t);
		/* The transport has reset those that nobody accepted. */
		list_for_each_safe(q, next, &s->queue, waiting) {
			tcp_slot_clear(t, q);
			sock_free(q);
		}
	}
	s->user = NULL;
	tcp_slot_clear(t, s);
	if (s->listed)
		list_del(&s->ready);
	s->listed = false;
	/* The transport drops it if it knows the socket no more. */
	if (s->open) {
		tcp_frame_push(s, 0);
		etran_tx_kick(t->ch);
	}
	s->closed = true;
	s->state = SOCK_ENDED;
	s->file = -1;
	tcp_pages_drop(s);
	list_del(&s->node);
	list_add_tail(&s->node, &t->all);
	if (!etran_tx_reclaim(t->ch, &s->frames)) {
		sock_free(s);
		return;
	}
	/* There are no more of these than frames; what is large goes now. */
	tcp_ring_drop(s);
	free(s->part);
	s->part = NULL;
}

static void end(struct etran_socket *s, uint16_t op)
{
	struct etran_endpoint_bind b = { .arg = { ETRAN_TCP_UNLISTEN } };
	struct etran_tcp *t = s->tcp;

	if (s->file >= 0) {
		etran_socket_linger(s, op == ETRAN_TCP_OP_ABORT);
		etran_socket_flush(s);
		close(s->file);
		etran_socket_drop(s);
		return;
	}
	tcp_lock(t);
	if (s->state == SOCK_LISTENS) {
		b.arg[1] = s->listener;
		etran_endpoint_bind_port(t->ch, &b);
	}
	tcp_frame_push(s, 0);
	if (s->id)
		control_surely(s, op);
	forget(s);
	tcp_unlock(t);
}

void etran_close(struct etran_socket *s)
{
	if (s)
		end(s, ETRAN_TCP_OP_CLOSE);
}

void etran_abort(struct etran_socket *s)
{
	end(s, ETRAN_TCP_OP_ABORT);
}

int etran_getsockname(const struct etran_socket *s, struct sockaddr *addr, socklen_t *len)
{
	return addr_to(s, &s->local, addr, len);
}

int etran_getpeername(const struct etran_socket *s, struct sockaddr *addr, socklen_t *len)
{
	if (s->state != SOCK_CONNECTED && !etran_socket_shared(s))
		return etran_fail(ENOTCONN, "the socket is not connected");
	return addr_to(s, &s->peer, addr, len);
}

int etran_socket_error(struct etran_socket *s)
{
	int error;

	tcp_lock(s->tcp);
	tcp_take_all(s->tcp);
	error = s->error;
	s->error = 0;
	if (error)
		user_flag(s, ETRAN_STREAM_TOLD);
	tcp_unlock(s->tcp);
	return error;
}

/* ---- files ---- */

/* Context: lock held. */
static int users_map(struct etran_tcp *t)
{
	void *map;

	if (t->users)
		return 0;
	map = mmap(NULL, USERS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, t->fd, ETRAN_MMAP_STREAMS);
	if (map == MAP_FAILED)
		return etran_fail(errno, "cannot map what poll() on sockets is told: %s; module and library must be of one release",
				  strerror(errno));
	t->users = map;
	return 0;
}

int etran_socket_file(struct etran_socket *s, int flags, int beside)
{
	struct etran_stream_open o = { .flags = flags, .beside = beside };
	struct etran_tcp *t = s->tcp;
	int fd = -1;

	tcp_lock(t);
	o.tag = s->state == SOCK_LISTENS ? s->listener : s->id;
	if (s->user || s->shared || !o.tag) {
		etran_fail(EINVAL, s->user || s->shared ? "the socket has a file" :
			   "the socket is neither connected nor listens");
		goto out;
	}
	if (users_map(t))
		goto out;
	fd = ioctl(t->fd, ETRAN_IOC_STREAM_OPEN, &o);
	if (fd < 0) {
		etran_fail(errno, "cannot open a file for a socket: %s", strerror(errno));
		goto out;
	}
	s->user = &t->users[o.id];
	if (s->shut_rd)
		user_flag(s, ETRAN_STREAM_SHUT_RD);
	if (s->sent_fin)
		user_flag(s, ETRAN_STREAM_SHUT_WR);
	user_read(s);
	if (s->listed)
		list_del(&s->ready);
	s->listed = false;
out:
	tcp_unlock(t);
	return fd;
}

int etran_socket_fd(struct etran_socket *s)
{
	if (s->file < 0)
		s->file = etran_socket_file(s, O_CLOEXEC | (s->nonblock ? O_NONBLOCK : 0), -1);
	return s->file;
}

void etran_socket_flush(struct etran_socket *s)
{
	struct etran_tcp *t = s->tcp;
	struct timespec moment = { .tv_nsec = 1000000 };
	int tries;

	/* A lower device that takes nothing for a second loses what waits for it. */
	for (tries = 0; tries < 2000; tries++) {
		bool pending;

		tcp_lock(t);
		tcp_frame_push(s, 0);
		pending = !s->shared && s->frames.count && etran_tx_pending(t->ch) && !etran_tx_kick(t->ch) &&
			  etran_tx_pending(t->ch);
		tcp_unlock(t);
		if (!pending)
			return;
		nanosleep(&moment, NULL);
	}
}

void etran_socket_drop(struct etran_socket *s)
{
	struct etran_tcp *t = s->tcp;

	tcp_lock(t);
	forget(s);
	tcp_unlock(t);
}

void etran_socket_linger(struct etran_socket *s, bool abort)
{
	tcp_lock(s->tcp);
	if (s->user && abort)
		user_flag(s, ETRAN_STREAM_ABORT);
	else if (s->user)
		__atomic_fetch_and(&s->user->flags, ~ETRAN_STREAM_ABORT, __ATOMIC_SEQ_CST);
	tcp_unlock(s->tcp);
}

void etran_socket_push(struct etran_socket *s, int flags)
{
	tcp_lock(s->tcp);
	if (s->open) {
		tcp_frame_push(s, tcp_send_waits(s, flags));
		etran_tx_kick(s->tcp->ch);
	}
	tcp_unlock(s->tcp);
}

size_t etran_socket_readable(struct etran_socket *s)
{
	size_t n;

	tcp_lock(s->tcp);
	tcp_take_all(s->tcp);
	n = s->have - s->read;
	tcp_unlock(s->tcp);
	return n;
}

size_t etran_socket_unacked(struct etran_socket *s)
{
	size_t n;

	tcp_lock(s->tcp);
	n = (size_t)etran_tx_reclaim(s->tcp->ch, &s->frames) * s->mss;
	if (n > s->sent)
		n = s->sent;
	tcp_unlock(s->tcp);
	return n;
}

uint32_t etran_socket_mss(const struct etran_socket *s)
{
	return s->mss;
}

bool etran_socket_connecting(struct etran_socket *s)
{
	bool ret;

	tcp_lock(s->tcp);
	tcp_take_all(s->tcp);
	ret = s->state == SOCK_CONNECTING;
	tcp_unlock(s->tcp);
	return ret;
}

/* An option that is the library's own. */
static void option_own(struct etran_socket *s, int option, bool value)
{
	switch (option) {
	case ETRAN_SOCKET_REUSEPORT:
		s->reuseport = value;
		return;
	case ETRAN_SOCKET_NODELAY:
		s->nodelay = value;
		if (value)
			waits_end(s);
		return;
	case ETRAN_SOCKET_CORK:
		s->cork = value;
		if (!value)
			waits_end(s);
		return;
	}
}

int etran_tcp_set(struct etran_socket *s, int option, uint32_t value)
{
	int ret = 0;

	tcp_lock(s->tcp);
	if (s->shared) {
		tcp_unlock(s->tcp);
		return moved();
	}
	if (option >= ETRAN_SOCKET_REUSEPORT && option <= ETRAN_SOCKET_CORK) {
		if (value > 1)
			ret = etran_fail(EINVAL, "option %d is 0 or 1", option);
		else
			option_own(s, option, value);
		tcp_unlock(s->tcp);
		return ret;
	}
	if (s->state == SOCK_ENDED)
		ret = etran_fail(ENOTCONN, "the connection has ended");
	else if (option <= 0 || option >= ETRAN_TCP_OPTIONS || option == ETRAN_TCP_SPARE)
		ret = etran_fail(ENOPROTOOPT, "etran_tcp_set() knows no option %d", option);
	else if (value > INT32_MAX || (option == ETRAN_TCP_KEEPALIVE && value > 1) ||
		 (option == ETRAN_TCP_KEEPALIVE_COUNT && value > 127) ||
		 (option == ETRAN_TCP_CONGESTION && value > ETRAN_TCP_CC_CUBIC))
		ret = etran_fail(EINVAL, "option %d cannot be %u", option, value);
	else if (s->state != SOCK_NEW)
		ret = option_tell(s, option, value);
	/* A listener's, too, for who is to listen beside it. */
	if (!ret && s->state != SOCK_CONNECTED) {
		s->option[option] = value;
		s->chosen |= 1U << option;
	}
	tcp_unlock(s->tcp);
	return ret;
}

bool etran_socket_lives(struct etran_socket *s)
{
	bool ret;

	tcp_lock(s->tcp);
	tcp_take_all(s->tcp);
	ret = s->state != SOCK_ENDED;
	tcp_unlock(s->tcp);
	return ret;
}

int etran_tcp_fds(const struct etran_tcp *t, int fds[4])
{
	return etran_channel_fds(t->ch, fds);
}

int etran_conn_read(int fd, uint64_t id, struct etran_conn_record *info)
{
	uint8_t part[ETRAN_TCP_INFO_PART];
	uint32_t i, size = sizeof(*info);

	memset(info, 0, sizeof(*info));
	for (i = 0; i * sizeof(part) < size; i++) {
		struct etran_endpoint_bind b = {
			.arg = { ETRAN_TCP_INFO | (uint64_t)i << 32, id },
		};
		uint32_t at = i * sizeof(part), n = size - at < sizeof(part) ? size - at : sizeof(part);

		if (ioctl(fd, ETRAN_IOC_BIND, &b))
			return etran_fail(ENOTCONN, "the connection has ended");
		memcpy(part, b.arg, sizeof(b.arg));
		memcpy(part + sizeof(b.arg), b.addr, sizeof(b.addr));
		memcpy((uint8_t *)info + at, part, n);
		/* Of a transport that tells less. */
		if (!i && info->size < size)
			size = info->size;
	}
	return 0;
}

int etran_tcp_info(struct etran_socket *s, struct etran_conn_record *info)
{
	int ret;

	tcp_lock(s->tcp);
	if (s->shared) {
		ret = moved();
	} else if (!s->id) {
		memset(info, 0, sizeof(*info));
		ret = etran_fail(ENOTCONN, "the socket is not connected");
	} else {
		ret = etran_conn_read(s->tcp->fd, s->id, info);
	}
	tcp_unlock(s->tcp);
	return ret;
}
