// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Sending: cutting messages into frames, waiting for free ones.
 *
 * A message enters the ring as a whole: all its frames are there before the first is filled, so that
 * no error can strike in the middle of one. A request's frames come back when its response has
 * arrived, a response's when the client has acknowledged it. So requests could take all frames
 * while the answers that would end other requests found none, on both sides at once; therefore a
 * quarter of the frames is for replies only. A client's kernel acknowledges without its
 * application, which makes those come back whatever applications wait for.
 *
 * A thread that waits goes on to empty the RX ring: a response that cannot be delivered would keep
 * the frames that it waits for.
 */
#include <errno.h>
#include <string.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "error.h"
#include "homa_sock.h"

/* Frames that no message takes, so that RPCs can be aborted at any time. */
#define CONTROL_FRAMES		8
/* How many frames to take back beyond those that are needed now: the search costs. */
#define RECLAIM_MORE		32
/* Segments a system call: the first leave while the others are copied. */
#define KICK_FRAMES		64
#define WAIT_MS			5

/**
 * struct tx_waiter - a thread that waits for frames
 * @list: place in homa_sock.tx_waiters
 */
struct tx_waiter {
	struct list list;
};

int homa_tx_dead(struct homa_sock *s)
{
	const struct etran_status *st = etran_endpoint_status(s->ch);
	uint32_t flags = __atomic_load_n(&st->flags, __ATOMIC_ACQUIRE);

	if (s->closing)
		return etran_fail(EBADF, "the socket was closed by another thread");
	if (flags & ETRAN_STATUS_DEVICE_GONE)
		return etran_fail(ENETDOWN, "the link device of this socket was removed; make a new socket");
	if (flags & ETRAN_STATUS_NO_TRANSPORT)
		return etran_fail(ESHUTDOWN, "transport 'homa' was unloaded; load it again, then make a new socket");
	return 0;
}

static bool enough(const struct homa_sock *s, uint32_t frames, bool reply)
{
	return etran_tx_free(s->ch) >= frames + CONTROL_FRAMES &&
	       (reply || s->request_frames + frames <= s->request_limit);
}

/* Takes frames back until there are @frames. */
static bool reclaim(struct homa_sock *s, uint32_t frames, bool reply)
{
	uint32_t n, more = 0;
	struct homa_rpc *rpc;

	if (enough(s, frames, reply))
		return true;
	/* Each is looked at once at most; what is left of one goes to the end of the list. */
	for (n = s->tx_count; n && more < RECLAIM_MORE; n--) {
		rpc = list_entry(s->tx.next, struct homa_rpc, tx);
		if (!homa_rpc_reclaim(s, rpc)) {
			list_del(&rpc->tx);
			list_add_tail(&rpc->tx, &s->tx);
		}
		if (more || enough(s, frames, reply))
			more++;
	}
	return enough(s, frames, reply);
}

int homa_tx_flush(struct homa_sock *s)
{
	s->batched = 0;
	return etran_tx_kick(s->ch);
}

static int wait_frames(struct homa_sock *s, uint32_t frames, bool reply)
{
	struct list *queue = &s->tx_waiters[reply];
	struct tx_waiter w;
	uint32_t released;
	int err = 0;

	list_add_tail(&w.list, queue);
	for (;;) {
		/* Before looking: what comes back after this ends the wait at once. */
		released = __atomic_load_n(&etran_endpoint_status(s->ch)->released,
					   __ATOMIC_ACQUIRE);
		if (homa_tx_dead(s)) {
			err = -1;
			break;
		}
		homa_rx_drain(s);
		if (queue->next == &w.list && reclaim(s, frames, reply))
			break;
		homa_tx_flush(s);
		homa_rx_tell(s);
		mutex_unlock(&s->lock);
		err = etran_tx_wait(s->ch, released, WAIT_MS) ? errno : 0;
		mutex_lock(&s->lock);
		if (err == EINTR) {
			err = etran_fail(EINTR, "interrupted by a signal");
			break;
		}
		err = 0;
	}
	list_del(&w.list);
	return err;
}

/* Bytes of payload a frame to that peer, by the device's present MTU. */
static int segment_size(struct homa_sock *s, const struct homa_peer *peer)
{
	const struct etran_status *st = etran_endpoint_status(s->ch);
	const uint32_t ip = homa_peer_is_ipv4(peer) ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	const uint32_t headers = ip + sizeof(struct homa_data_hdr);
	const struct etran_link_info *link = etran_channel_link(s->ch);
	uint32_t mtu = __atomic_load_n(&st->mtu, __ATOMIC_RELAXED);

	if (mtu <= headers)
		return etran_fail(EMSGSIZE, "MTU %u of the device has no room for %u bytes of headers; raise it: ip link set %.16s mtu 1500",
				  mtu, headers, *link->lower_name ? link->lower_name : "DEV");
	/* A peer like this one must be able to receive it. */
	return mtu - headers < ETRAN_MAX_PAYLOAD ? mtu - headers : ETRAN_MAX_PAYLOAD;
}

int homa_tx_frames(struct homa_sock *s, const struct homa_peer *peer, size_t len, bool reply,
		   bool dontwait)
{
	uint32_t frames, limit;
	int seg;

again:
	if (homa_tx_dead(s))
		return -1;
	seg = segment_size(s, peer);
	if (seg < 0)
		return -1;
	frames = (len + seg - 1) / seg;
	limit = reply ? etran_channel_tx_frames(s->ch) - CONTROL_FRAMES : s->request_limit;
	if (frames > limit)
		return etran_fail(EMSGSIZE, "%zu bytes need %u frames, this socket has %u for a message; set ETRAN_TX_FRAMES higher",
				  len, frames, limit);
	if (list_empty(&s->tx_waiters[reply]) && reclaim(s, frames, reply))
		return seg;
	if (dontwait || homa_nonblocking(s)) {
		/* Perhaps the kernel has not even read what was queued. */
		homa_tx_flush(s);
		if (list_empty(&s->tx_waiters[reply]) && reclaim(s, frames, reply))
			return seg;
		return etran_fail(EAGAIN, "all frames are in use; receive responses, or set ETRAN_TX_FRAMES higher");
	}
	if (wait_frames(s, frames, reply))
		return -1;
	/* The MTU may have changed meanwhile; then so has the number of frames. */
	if (segment_size(s, peer) != seg)
		goto again;
	return seg;
}

static void fill_req(void *frame, const struct homa_sock *s, enum homa_op op,
		     const struct homa_req *req)
{
	struct etran_req *r = frame;

	_Static_assert(sizeof(*req) <= sizeof(r->data), "struct homa_req does not fit");
	r->endpoint = s->endpoint;
	r->op = op;
	r->reserved = 0;
	memcpy(r->data, req, sizeof(*req));
	memset(r->data + sizeof(*req), 0, sizeof(r->data) - sizeof(*req));
}

void homa_tx_message(struct homa_sock *s, struct homa_rpc *rpc, enum homa_op op,
		     const struct iovec *iov, size_t len, uint32_t segment)
{
	struct homa_req req = {
		.id = rpc->id,
		.msg_len = len,
		.port = rpc->peer.port,
	};
	size_t skip = 0, piece;
	uint32_t n, left;
	uint8_t *frame, *to;

	memcpy(req.addr, rpc->peer.addr, sizeof(req.addr));
	for (req.offset = 0; req.offset < len; req.offset += n) {
		n = len - req.offset < segment ? len - req.offset : segment;
		frame = etran_tx_frame(s->ch, &rpc->chain);
		fill_req(frame, s, op, &req);
		to = frame + sizeof(struct etran_req);
		for (left = n; left; left -= piece) {
			piece = iov->iov_len - skip;
			if (piece > left)
				piece = left;
			if (piece)
				memcpy(to, (const uint8_t *)iov->iov_base + skip, piece);
			to += piece;
			skip += piece;
			if (skip == iov->iov_len) {
				iov++;
				skip = 0;
			}
		}
		etran_tx_queue(s->ch, &rpc->chain, sizeof(struct etran_req) + n);
		if (rpc->chain.count % KICK_FRAMES == 0)
			etran_tx_kick(s->ch);
	}
	list_add_tail(&rpc->tx, &s->tx);
	s->tx_count++;
	if (op == HOMA_OP_REQUEST)
		s->request_frames += rpc->chain.count;
	/*
	 * A failure here says that the device is down. What is queued goes out when it is up
	 * again; when it is gone, homa_recv() says so.
	 */
	if (++s->batched >= s->batch)
		homa_tx_flush(s);
}

int homa_tx_abort(struct homa_sock *s, uint64_t id, const struct homa_peer *peer)
{
	struct homa_req req = { .id = id, .port = peer->port };
	struct homa_rpc *rpc;
	void *frame;

	/* No RPC: keeps the frame until the kernel has read it. */
	memcpy(req.addr, peer->addr, sizeof(req.addr));
	rpc = homa_rpc_new(s, 0, peer);
	if (!rpc)
		return etran_fail(ENOMEM, "no memory for an abort");
	reclaim(s, 1, true);
	frame = etran_tx_frame(s->ch, &rpc->chain);
	if (!frame) {
		homa_rpc_end(s, rpc);
		return etran_fail(EAGAIN, "all frames are in use; try again");
	}
	fill_req(frame, s, HOMA_OP_ABORT, &req);
	etran_tx_queue(s->ch, &rpc->chain, sizeof(struct etran_req));
	list_add_tail(&rpc->tx, &s->tx);
	s->tx_count++;
	s->request_frames++;
	homa_tx_flush(s);
	homa_rpc_end(s, rpc);
	return 0;
}
