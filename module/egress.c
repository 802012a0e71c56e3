// SPDX-License-Identifier: GPL-2.0
/*
 * Egress: from an application's TX ring through its transport's egress program to the wire.
 *
 * Runs in the application's own system call (sendto or poll), so what it costs is charged to who
 * causes it. The request record is copied first and only the copy is looked at. The payload is
 * copied when the program says TX, or asks for a slice of it: a frame that is held unsent is not
 * copied at all. The completion ring says that a descriptor was read, nothing more.
 */
#include "etran.h"

#define EGRESS_BUDGET	64

/**
 * struct egress - one run over a TX ring
 * @ch: the channel
 * @x: packets collected for the lower device
 * @page: a page that the next frame can use
 * @pkt: the frame at hand
 */
struct egress {
	struct etran_channel *ch;
	struct etran_xmit x;
	void *page;
	struct etran_pkt pkt;
};

#define drop_frame(ch, t, why)						\
	do {								\
		etran_count((ch)->link, t, frames_dropped);		\
		etran_count((ch)->link, t, why);			\
		atomic64_inc(&(ch)->dropped);				\
	} while (0)

static void run_frame(struct egress *e, const struct xdp_desc *desc)
{
	struct etran_channel *ch = e->ch;
	struct etran_pkt *pkt = &e->pkt;
	struct etran_transport *t;
	struct etran_ops *ops;
	struct etran_ep *ep;
	const void *umem;
	u32 verdict;

	etran_count(ch->link, NULL, frames_accepted);
	atomic64_inc(&ch->accepted);

	if (desc->options & XDP_PKT_CONTD) {
		drop_frame(ch, NULL, frame_multi);
		return;
	}
	if (desc->len < sizeof(struct etran_req)) {
		drop_frame(ch, NULL, frame_short);
		return;
	}
	/* AF_XDP has checked that the descriptor lies within one chunk of the UMEM. */
	umem = xsk_buff_raw_get_data(ch->pool, desc->addr);
	memcpy(&pkt->req, umem, sizeof(pkt->req));

	ep = etran_endpoint_lookup(pkt->req.endpoint);
	if (!ep || rcu_access_pointer(ep->channel) != ch || !READ_ONCE(ep->open)) {
		drop_frame(ch, NULL, frame_endpoint);
		return;
	}
	t = ep->transport;
	this_cpu_inc(t->counters->v[ETRAN_C_frames_accepted]);
	ops = rcu_dereference(t->ops);
	if (!ops) {
		drop_frame(ch, t, frame_transport);
		return;
	}
	pkt->payload_len = desc->len - sizeof(pkt->req);
	if (pkt->payload_len > ETRAN_MAX_PAYLOAD) {
		drop_frame(ch, t, frame_long);
		return;
	}
	pkt->chunk = desc->addr >> ch->chunk_shift;
	if (READ_ONCE(ch->frames[pkt->chunk].tag) & ETRAN_FRAME_HELD) {
		drop_frame(ch, t, frame_busy);
		return;
	}
	if (!e->page) {
		e->page = etran_page_alloc();
		if (!e->page) {
			drop_frame(ch, t, frame_memory);
			return;
		}
	}

	pkt->len = 0;
	pkt->hdr_off = 0;
	pkt->hdr_len = 0;
	pkt->link = ch->link->id;
	pkt->endpoint = pkt->req.endpoint;
	pkt->cookie = 0;
	pkt->kind = ETRAN_PKT_EGRESS;
	pkt->held = 0;
	pkt->copied = 0;
	pkt->delivered = 0;
	pkt->data = e->page + ETRAN_PAYLOAD_OFF;
	pkt->umem = umem + sizeof(pkt->req);
	pkt->channel = ch;
	pkt->transport = t;
	pkt->handle = 0;

	verdict = etran_run(ops->prog[ETRAN_EGRESS], pkt, e->page + XDP_PACKET_HEADROOM);

	switch (verdict) {
	case ETRAN_TX:
	case ETRAN_TX | ETRAN_RETAIN:
		if ((verdict & ETRAN_RETAIN) && !pkt->held)
			break;
		if (!pkt->copied)
			memcpy(pkt->data, pkt->umem, pkt->payload_len);
		/* A frame that is kept, or was taken by handle, is accounted for when released. */
		etran_xmit_add(&e->x, ch->link, pkt, e->page, pkt->held ? NULL : ch);
		e->page = NULL;
		if (pkt->held) {
			etran_frame_sent(pkt->handle);
			if (!(verdict & ETRAN_RETAIN))
				etran_frame_release(t, pkt->handle);
		}
		return;
	case ETRAN_HOLD:
		if (pkt->held)
			return;
		break;
	case ETRAN_DROP:
		if (pkt->held)
			etran_frame_release(t, pkt->handle);
		else
			drop_frame(ch, t, frame_verdict);
		return;
	}

	etran_count(ch->link, t, bad_verdict);
	if (pkt->held)
		etran_frame_release(t, pkt->handle);
	else
		drop_frame(ch, t, frame_verdict);
}

/**
 * etran_egress - send what an application has put into its TX ring
 * @ch: its channel
 *
 * Return: 0; -EAGAIN when the budget ended before the ring did: call again.
 * Context: RCU read side, any; not hardirq.
 */
int etran_egress(struct etran_channel *ch)
{
	struct xsk_buff_pool *pool = ch->pool;
	struct egress e;
	struct xdp_desc desc;
	int n = 0;

	e.ch = ch;
	e.page = NULL;
	e.x.n = 0;
	e.x.link = NULL;

	local_bh_disable();
	spin_lock(&ch->tx_lock);
	while (n < EGRESS_BUDGET && xsk_tx_peek_desc(pool, &desc)) {
		run_frame(&e, &desc);
		n++;
	}
	etran_xmit_flush(&e.x);
	if (e.page)
		etran_page_free(e.page);
	if (n) {
		xsk_tx_completed(pool, n);
		xsk_tx_release(pool);
	}
	spin_unlock(&ch->tx_lock);
	local_bh_enable();
	return n == EGRESS_BUDGET ? -EAGAIN : 0;
}
