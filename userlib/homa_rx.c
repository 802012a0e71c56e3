// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Receiving: records from the kernel, finished messages, sleeping threads.
 *
 * Who reads the RX ring. Whoever is in a call does, under the socket's lock, and stops as soon as
 * what it came for is complete, so that the kernel's poll() tells the truth about the rest.
 * What it finds for others goes to homa_sock.ready (any homa_recv() may take it) or stays with its
 * RPC (private, or a thread waits for that id). When the lock is given up with something in
 * homa_sock.ready, the kernel is told (ETRAN_IOC_READY), and poll() reports that too.
 *
 * Who sleeps where. One thread, the leader, sleeps on the endpoint, the others on an eventfd each,
 * so that one packet wakes one thread. If another thread completes something for the leader,
 * ETRAN_IOC_READY, which then is due anyway, wakes it. In two cases it cannot. When the leader waits
 * for one id, what it wants never is in homa_sock.ready; when homa_sock.ready holds what it does *not*
 * want, the endpoint is ready all the time. Then the leader does not look at that, and who has
 * something for it calls etran_rx_wake().
 * Rejected: condition variables, which no signal interrupts.
 *
 * The leader sleeps in etran_rx_wait(): until the number of deliveries is another than it was before
 * the RX ring was found empty. The lock is not given up between the two, so nobody else can have
 * taken in between what the number says. What was put into the ring later, or was woken for, has
 * changed the number. Rejected: poll(), at four times the cost: it asks the AF_XDP socket, whose answer
 * begins with having its driver look for something to send.
 *
 * Spinning. Who was told to spins before it sleeps: looks at the number of deliveries in the status mapping,
 * without the lock and without a system call. That pays when a message comes before the time is over, and only
 * burns the processor when it does not; so, as with halt polling of virtual machines, the last wait decides of the next one: spin when
 * that was short enough (what it would have needed counts, not how it was spent), and half as long
 * when it was not, down to nothing. The first wait sleeps, and so do all of a socket with O_NONBLOCK, which only the kernel knows
 * of: it says so where there is something to sleep for. Only the leader spins, the others would take the processors that
 * threads with something to do need.
 *
 * What homa_set_batch() had wait leaves before anybody sleeps, with the call that sleeps on the endpoint if there is one: what
 * one waits for may be the answer to it.
 *
 * Nothing in a record is trusted to fit: a length or an offset that does not is a bug of the
 * transport or a hostile peer that got past it, and the record is ignored.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/eventfd.h>

#include "channel.h"
#include "error.h"
#include "homa_sock.h"

#define MAX_ERRNO	4095
/* Packets of a message that is copied out of the RX ring as a whole. */
#define MAX_PIECES	128
/* How often to look before the clock is asked, which takes as long as so many looks. */
#define LOOKS		32
/* Below this a spin is not worth its two looks at the clock. */
#define MIN_SPIN_NS	1000

static bool is_request(const struct homa_rpc *rpc)
{
	return rpc->id & 1;
}

/* Would a homa_recv() that waits like @w return @rpc? */
static bool matches(const struct homa_waiter *w, const struct homa_rpc *rpc)
{
	if (w->id)
		return rpc->id == w->id;
	if (rpc->private || rpc->claimed)
		return false;
	return w->flags & (is_request(rpc) ? HOMA_RECV_REQUEST : HOMA_RECV_RESPONSE);
}

static void wake(struct homa_sock *s, struct homa_waiter *w)
{
	const uint64_t one = 1;

	/* Who spins reads it without the lock. */
	__atomic_store_n(&w->woken, true, __ATOMIC_RELEASE);
	if (w->evfd >= 0) {
		if (write(w->evfd, &one, sizeof(one)) < 0)
			return;		/* EAGAIN: it has been written 2^64 - 2 times */
	} else if (w->unready) {
		/* If it cannot be woken it is awake: the device is gone. */
		etran_rx_wake(s->ch);
	}
	/* Else it is the leader, and homa_rx_tell() will wake it. */
}

void homa_rx_complete(struct homa_sock *s, struct homa_rpc *rpc)
{
	struct homa_waiter *w;
	struct list *l;

	rpc->state = RPC_COMPLETE;
	list_del(&rpc->lru);
	if (!rpc->private && !rpc->claimed)
		list_add_tail(&rpc->ready, &s->ready);
	for (l = s->waiters.next; l != &s->waiters; l = l->next) {
		w = list_entry(l, struct homa_waiter, list);
		if (!w->woken && matches(w, rpc)) {
			wake(s, w);
			break;
		}
	}
}

/*
 * Room for what a peer sends. The kernel gives up requests that do not go on, so this is reached
 * only with very many at a time; then the one that waited longest has to go, and its client
 * gets no answer.
 */
static bool make_room(struct homa_sock *s, const struct homa_rpc *keep, uint32_t len)
{
	struct homa_rpc *old;

	while (s->rx_bytes + len > s->rx_limit) {
		if (list_empty(&s->lru))
			return false;
		old = list_entry(s->lru.next, struct homa_rpc, lru);
		if (old == keep)
			return false;
		homa_rpc_end(s, old);
	}
	return true;
}

/* Return: @rpc when @t wants it; otherwise it waits for who does. */
static struct homa_rpc *finish(struct homa_sock *s, struct homa_rpc *rpc,
			       const struct homa_target *t)
{
	if (!t || !matches(&t->want, rpc)) {
		homa_rx_complete(s, rpc);
		return NULL;
	}
	list_del(&rpc->lru);
	rpc->state = RPC_COMPLETE;
	return rpc;
}

static struct homa_peer peer_of(const struct homa_rec *rec)
{
	struct homa_peer peer = { .port = rec->port };

	memcpy(peer.addr, rec->addr, sizeof(peer.addr));
	return peer;
}

static struct homa_rpc *rx_error(struct homa_sock *s, const struct homa_rec *rec,
				 const struct homa_target *t)
{
	struct homa_peer peer = peer_of(rec);
	struct homa_rpc *rpc = homa_rpc_find(s, rec->id, &peer);

	if (!rpc || rpc->state != RPC_INCOMING)
		return NULL;
	if (is_request(rpc)) {
		/* The rest of the request will not come; nobody has seen it yet. */
		homa_rpc_end(s, rpc);
		return NULL;
	}
	homa_rpc_drop_message(s, rpc);
	rpc->error = rec->error && rec->error <= MAX_ERRNO ? (int)rec->error : EIO;
	return finish(s, rpc, t);
}

static struct homa_rpc *fail_response(struct homa_sock *s, struct homa_rpc *rpc, int error,
				      const struct homa_target *t)
{
	homa_rpc_drop_message(s, rpc);
	rpc->error = error;
	homa_tx_abort(s, rpc->id, &rpc->peer);
	return finish(s, rpc, t);
}

/* Is what lies in a frame the piece from @at on of the message that @first begins? Return: its length, 0: no. */
static uint32_t piece_len(const struct homa_sock *s, const uint8_t *frame, uint32_t len,
			  const struct homa_rec *first, uint32_t at)
{
	const struct etran_rec *er = (const struct etran_rec *)frame;
	struct homa_rec rec;

	/* As in look(). */
	memcpy(&rec, er->data, sizeof(rec));
	if (er->endpoint != s->endpoint || er->type != HOMA_REC_DATA || rec.id != first->id ||
	    rec.offset != at || rec.msg_len != first->msg_len || rec.port != first->port ||
	    rec.generation != first->generation || memcmp(rec.addr, first->addr, sizeof(rec.addr)) ||
	    rec.len > rec.msg_len - at || rec.len > len - sizeof(*er))
		return 0;
	return rec.len;
}

/*
 * Copies a message, of which nothing was taken yet, to where it is wanted: if its first packet is at the head of the
 * RX ring and all the others are behind that, in order and with nothing between them. That saves memory to put it
 * together in, and the second copy. Looked first, copied then: the caller's buffer is not written to for a
 * message that it does not get. Return: whether it was so; then the last packet is at the head.
 */
static bool copy_whole(struct homa_sock *s, const struct homa_rec *first, const uint8_t *data,
		       uint8_t *to)
{
	struct {
		const uint8_t *data;
		uint32_t len;
	} piece[MAX_PIECES];
	uint32_t n = 1, at = first->len, len, i;
	const uint8_t *frame;

	if (at == first->msg_len) {
		memcpy(to, data, at);
		return true;
	}
	if (first->offset)
		return false;
	piece[0].data = data;
	piece[0].len = at;
	for (; at < first->msg_len; at += piece[n++].len) {
		frame = n < MAX_PIECES ? etran_rx_peek_at(s->ch, n, &len) : NULL;
		if (!frame)
			return false;
		piece[n].data = frame + sizeof(struct etran_rec);
		piece[n].len = piece_len(s, frame, len, first, at);
		if (!piece[n].len)
			return false;
	}
	for (i = 0; i < n; i++) {
		memcpy(to, piece[i].data, piece[i].len);
		to += piece[i].len;
		if (i)
			etran_rx_pop(s->ch);
	}
	return true;
}

/*
 * Return: the RPC when this ended its message and it is what @t wants. *@kept: the frame was taken out of the
 * ring.
 */
static struct homa_rpc *rx_data(struct homa_sock *s, const struct homa_rec *rec,
				const uint8_t *data, struct homa_target *t, bool *kept)
{
	struct homa_peer peer = peer_of(rec);
	struct homa_rpc *rpc;
	int n;

	if (!rec->msg_len || rec->msg_len > HOMA_MAX_MESSAGE_LENGTH || !rec->id ||
	    rec->offset > rec->msg_len || rec->len > rec->msg_len - rec->offset || !rec->len)
		return NULL;
	rpc = homa_rpc_find(s, rec->id, &peer);
	/* Not a copy of what was answered, but of a client whose host counts anew. */
	if (rpc && is_request(rpc) && rpc->generation != rec->generation &&
	    (rpc->state == RPC_REPLIED || rpc->state == RPC_INCOMING)) {
		homa_rpc_end(s, rpc);
		rpc = NULL;
	}
	if (!rpc) {
		/* A response to nothing: its RPC was aborted or has failed. */
		if (!(rec->id & 1))
			return NULL;
		if (!homa_pages_possible(s, NULL) && !make_room(s, NULL, rec->len))
			return NULL;
		rpc = homa_rpc_new(s, rec->id, &peer);
		if (!rpc)
			return NULL;
		rpc->generation = rec->generation;
	}
	if (rpc->state != RPC_INCOMING || !homa_peer_same(&rpc->peer, &peer) ||
	    (homa_rpc_len(rpc) && homa_rpc_len(rpc) != rec->msg_len))
		return NULL;

	if (t && !t->iov && !homa_rpc_len(rpc) && rec->msg_len <= t->room && matches(&t->want, rpc) &&
	    copy_whole(s, rec, data, t->buf)) {
		t->direct = rec->msg_len;
		rpc->state = RPC_COMPLETE;
		return rpc;
	}

	if (homa_pages_possible(s, rpc)) {
		n = homa_pages_add(s, rpc, rec, data);
		*kept = n > 0;
		if (n >= 0)
			return rpc->pages.got == rpc->pages.len ? finish(s, rpc, t) : NULL;
	}
	n = homa_pages_to_memory(s, rpc);
	if (n < 0)
		goto fail;
	n = -ENOBUFS;
	if (make_room(s, rpc, rec->len) || !is_request(rpc)) {
		n = rpc->in.len ? 0 : reassembly_begin(&rpc->in, rec->msg_len);
		if (!n)
			n = reassembly_add(&rpc->in, rec->offset, data, rec->len);
	}
	if (n < 0)
		goto fail;
	s->rx_bytes += n;
	if (!reassembly_done(&rpc->in)) {
		if (is_request(rpc)) {
			list_del(&rpc->lru);
			list_add_tail(&rpc->lru, &s->lru);
		}
		return NULL;
	}
	return finish(s, rpc, t);
fail:
	if (!is_request(rpc))
		return fail_response(s, rpc, n == -E2BIG ? EPROTO : ENOBUFS, t);
	homa_rpc_end(s, rpc);
	return NULL;
}

static struct homa_rpc *look(struct homa_sock *s, const uint8_t *frame, uint32_t len,
			     struct homa_target *t, bool *kept)
{
	const struct etran_rec *er = (const struct etran_rec *)frame;
	struct homa_rec rec;

	/* What is checked must not change, not even by a program that writes to its own frames. */
	memcpy(&rec, er->data, sizeof(rec));
	len -= sizeof(*er);
	if (er->endpoint != s->endpoint)
		return NULL;
	if (er->type == HOMA_REC_DATA && rec.len <= len)
		return rx_data(s, &rec, frame + sizeof(*er), t, kept);
	if (er->type == HOMA_REC_ERROR)
		return rx_error(s, &rec, t);
	return NULL;
}

/* The record at the head of the RX ring, which is another one then. Return: as rx_data(). */
static struct homa_rpc *rx_record(struct homa_sock *s, const void *frame, uint32_t len,
				  struct homa_target *t)
{
	bool kept = false;
	struct homa_rpc *rpc = look(s, frame, len, t, &kept);

	if (!kept)
		etran_rx_pop(s->ch);
	return rpc;
}

static struct homa_rpc *find_complete(struct homa_sock *s, const struct homa_waiter *w)
{
	struct homa_rpc *rpc;
	struct list *l;

	if (w->id) {
		rpc = homa_rpc_find(s, w->id, NULL);
		return rpc && rpc->state == RPC_COMPLETE ? rpc : NULL;
	}
	for (l = s->ready.next; l != &s->ready; l = l->next) {
		rpc = list_entry(l, struct homa_rpc, ready);
		if (matches(w, rpc))
			return rpc;
	}
	return NULL;
}

struct homa_rpc *homa_rx_next(struct homa_sock *s, struct homa_target *t)
{
	struct homa_rpc *rpc = find_complete(s, &t->want);
	const void *frame;
	uint32_t len;

	t->direct = 0;
	t->want.delivered = etran_rx_delivered(s->ch);
	while (!rpc) {
		frame = etran_rx_peek(s->ch, &len);
		t->want.full = frame && lending_full(&s->lending);
		if (!frame || t->want.full)
			return NULL;
		rpc = rx_record(s, frame, len, t);
	}
	return rpc;
}

void homa_rx_drain(struct homa_sock *s)
{
	const void *frame;
	uint32_t len;

	while (s->rx_bytes < s->rx_limit) {
		frame = etran_rx_peek(s->ch, &len);
		if (!frame)
			return;
		rx_record(s, frame, len, NULL);
	}
}

void homa_rx_tell_kernel(struct homa_sock *s, bool ready)
{
	int err = errno;

	if (!etran_endpoint_ready(s->ch, ready))
		s->ready_told = ready;
	errno = err;
}

void homa_rx_wake_all(struct homa_sock *s)
{
	struct list *l;

	for (l = s->waiters.next; l != &s->waiters; l = l->next)
		wake(s, list_entry(l, struct homa_waiter, list));
	homa_rx_tell(s);
}

void homa_rx_hand_over(struct homa_sock *s)
{
	struct homa_waiter *w;

	if (s->leader || list_empty(&s->waiters))
		return;
	w = list_entry(s->waiters.next, struct homa_waiter, list);
	if (!w->woken)
		wake(s, w);
}

static int get_evfd(struct homa_sock *s)
{
	if (s->evfd_count)
		return s->evfds[--s->evfd_count];
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static void put_evfd(struct homa_sock *s, int fd)
{
	uint64_t n;

	/* Empty it for the next one; EAGAIN says that it was. */
	if (s->evfd_count < HOMA_EVFDS && (read(fd, &n, sizeof(n)) > 0 || errno == EAGAIN))
		s->evfds[s->evfd_count++] = fd;
	else
		close(fd);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* Return: whether there is something to look at, before @end. Context: without the lock. */
static bool spin(const struct homa_sock *s, const struct homa_waiter *w, uint64_t end)
{
	const struct etran_status *st = etran_endpoint_status(s->ch);
	unsigned int i;

	do {
		for (i = 0; i < LOOKS; i++) {
			if (etran_rx_delivered(s->ch) != w->delivered ||
			    __atomic_load_n(&w->woken, __ATOMIC_ACQUIRE) ||
			    __atomic_load_n(&st->flags, __ATOMIC_RELAXED))
				return true;
			relax();
		}
	} while (now_ns() < end);
	return false;
}

/* Spin as long as it is likely to help, then sleep. Context: without the lock. Return: as etran_rx_wait(). */
static int wait_spinning(struct homa_sock *s, const struct homa_waiter *w, uint32_t flags)
{
	uint32_t most = __atomic_load_n(&s->spin_most_ns, __ATOMIC_RELAXED);
	uint64_t begin = now_ns();
	int err = 0;

	/* Only the leader is here. */
	if (s->spin_ns > most)
		s->spin_ns = most;
	/* What the kernel did not read has it look at the device. */
	if (!s->spin_ns || flags & ETRAN_WAIT_KICK || !spin(s, w, begin + s->spin_ns))
		err = etran_rx_wait(s->ch, w->delivered, flags, -1) ? -errno : 0;
	if (err)
		s->spin_ns = 0;
	else if (now_ns() - begin <= most)
		s->spin_ns = most;
	else
		s->spin_ns = s->spin_ns / 2 < MIN_SPIN_NS ? 0 : s->spin_ns / 2;
	return err;
}

/* Sleep on the endpoint. */
static int lead(struct homa_sock *s, struct homa_waiter *w)
{
	uint32_t flags = 0;
	bool spins;
	int err;

	w->unready = w->id || !list_empty(&s->ready);
	if (w->unready)
		flags |= ETRAN_WAIT_UNREADY;
	/* Who spins makes no system call that could do it. */
	if (s->batched && s->spin_most_ns)
		homa_tx_flush(s);
	if (etran_tx_pending(s->ch))
		flags |= ETRAN_WAIT_KICK;
	s->leader = w;
	list_add_tail(&w->list, &s->waiters);
	homa_rx_tell(s);
	spins = s->spin_most_ns;
	s->batched = 0;
	mutex_unlock(&s->lock);

	if (spins)
		err = wait_spinning(s, w, flags);
	else
		err = etran_rx_wait(s->ch, w->delivered, flags, -1) ? -errno : 0;

	mutex_lock(&s->lock);
	list_del(&w->list);
	s->leader = NULL;
	if (err != -ENODEV)
		return err;
	w->hangup = true;
	return 0;
}

/* Sleep on an eventfd. */
static int follow(struct homa_sock *s, struct homa_waiter *w)
{
	struct pollfd fd = { .events = POLLIN };
	int err;

	if (s->batched)
		homa_tx_flush(s);
	if (homa_nonblocking(s))
		return -EAGAIN;
	w->evfd = get_evfd(s);
	if (w->evfd < 0)
		return -errno;
	fd.fd = w->evfd;
	list_add_tail(&w->list, &s->waiters);
	homa_rx_tell(s);
	mutex_unlock(&s->lock);

	err = poll(&fd, 1, -1) < 0 ? -errno : 0;

	mutex_lock(&s->lock);
	list_del(&w->list);
	put_evfd(s, w->evfd);
	return err;
}

int homa_rx_sleep(struct homa_sock *s, struct homa_waiter *w)
{
	w->woken = false;
	w->evfd = -1;
	return s->leader ? follow(s, w) : lead(s, w);
}
