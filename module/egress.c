// SPDX-License-Identifier: GPL-2.0
/*
 * Egress: from an application's TX ring through its transport's egress program to the wire.
 *
 * On a link device this runs in the application's own system call (ioctl, sendto or poll), so what
 * it costs is charged to who causes it; in direct mode it runs when the driver asks for something to
 * send. The request record is copied first and only the copy is looked at. On a link device headers
 * are built in a kernel page and the payload is copied there when the program says TX, or asks for a
 * slice of it: a frame that is held unsent is not copied at all, unless the program has built its
 * headers already. In direct mode both stay where they are, see direct.c.
 *
 * On a link device the completion ring says that a descriptor was read, nothing more.
 */
#include <linux/ipv6.h>
#include "copy.h"
#include "egress.h"
#include "trace.h"

#define drop_frame(ch, t, why)						\
	do {								\
		struct etran_link *__link = READ_ONCE((ch)->link);	\
		etran_count(__link, t, frames_dropped);			\
		etran_count(__link, t, why);				\
		atomic64_inc(&(ch)->dropped);				\
	} while (0)

/* Count what was not counted yet, of the transport whose it was. */
static void count_run(struct etran_egress *e)
{
	struct etran_link *link = READ_ONCE(e->ch->link);

	if (e->run)
		this_cpu_add(e->transport->counters->v[ETRAN_C_frames_accepted], e->run);
	e->run = 0;
	if (!e->sent)
		return;
	etran_add(link, e->transport, packets_built, e->sent);
	etran_add(link, e->transport, packets_sent, e->sent);
	if (e->plain) {
		etran_add(link, e->transport, frames_transmitted, e->plain);
		atomic64_add(e->plain, &e->ch->transmitted);
	}
	e->sent = 0;
	e->plain = 0;
}

/* The endpoint of a request, whose transport takes frames. Counts the frame for it. */
static struct etran_ep *find_endpoint(struct etran_egress *e, u32 id)
{
	struct etran_channel *ch = e->ch;
	struct etran_ep *ep;

	/* Most often that of the frame before; an ejection or replacement counts at once. */
	if (likely(e->ep && e->ep->pub.id == id &&
		   rcu_access_pointer(e->transport->ops) == e->ops)) {
		e->run++;
		return e->ep;
	}
	e->ep = NULL;
	ep = etran_endpoint_lookup(id);
	if (!ep || rcu_access_pointer(ep->channel) != ch || !READ_ONCE(ep->open)) {
		drop_frame(ch, NULL, frame_endpoint);
		return NULL;
	}
	if (e->transport != ep->transport)
		count_run(e);
	e->transport = ep->transport;
	e->ops = rcu_dereference(ep->transport->ops);
	e->run++;
	if (unlikely(!e->ops)) {
		drop_frame(ch, ep->transport, frame_transport);
		return NULL;
	}
	e->ep = ep;
	return ep;
}

static DEFINE_PER_CPU(struct etran_egress, egresses);

/**
 * etran_egress_begin - frames of a channel are to come
 * @ch: the channel
 * @link_id: id of the link device that they leave by
 * @direct: they are sent from the UMEM
 *
 * Return: the run. Context: RCU read side, bottom halves off, tx_lock held; also until etran_egress_end().
 */
struct etran_egress *etran_egress_begin(struct etran_channel *ch, u32 link_id, bool direct)
{
	struct etran_egress *e = this_cpu_ptr(&egresses);

	/* Nothing that a run calls begins another one. */
	WARN_ON_ONCE(e->ch);
	e->ch = ch;
	e->link_id = link_id;
	e->direct = direct;
	e->x = etran_xmit_begin(this_cpu_ptr(&etran_xmits));
	e->page = NULL;
	e->ep = NULL;
	e->run = 0;
	e->sent = 0;
	e->plain = 0;
	e->pkt.kind = ETRAN_PKT_EGRESS;
	e->pkt.channel = ch;
	return e;
}

/**
 * etran_egress_end - that was all
 * @e: the run
 * @n: how many frames there were
 *
 * Sends what was collected.
 */
void etran_egress_end(struct etran_egress *e, u32 n)
{
	struct etran_channel *ch = e->ch;

	if (n) {
		etran_add(READ_ONCE(ch->link), NULL, frames_accepted, n);
		atomic64_add(n, &ch->accepted);
	}
	count_run(e);
	etran_xmit_flush(e->x);
	if (e->page)
		etran_page_free(e->page);
	e->ch = NULL;
}

/* The payload, for a packet that leaves the UMEM. */
static void copy_payload(struct etran_pkt *pkt)
{
	if (!pkt->copied)
		etran_copy(pkt->data, pkt->umem, pkt->payload_len);
}

/* A frame is held, with the packet that its program may have built, for bpf_etran_send(). */
static void hold_packet(struct etran_egress *e)
{
	struct etran_pkt *pkt = &e->pkt;
	void *page = NULL;

	if (pkt->hdr_len && !e->direct) {
		page = e->page;
		copy_payload(pkt);
		etran_packet_fill(etran_packet_of(page), pkt, pkt->channel, NULL);
	}
	if (etran_frame_built(pkt, page) && page)
		e->page = NULL;
}

/* Send a frame's packet. Nearly all leave at once by the link device that they came by. */
static void send_packet(struct etran_egress *e, u32 verdict)
{
	struct etran_channel *ch = e->ch;
	struct etran_pkt *pkt = &e->pkt;
	struct etran_frame *f = NULL;
	void *page = e->page;

	if (pkt->held) {
		f = etran_frame_going(pkt, verdict & ETRAN_RETAIN);
		if (!f) {
			/* Released meanwhile, or in a queue: then it is as if it were held. */
			hold_packet(e);
			return;
		}
	}
	copy_payload(pkt);
	e->page = NULL;
	etran_xmit_now(e->x, READ_ONCE(ch->link), page, pkt, f);
}

/* Send it otherwise: at its time, or a held one by another link device. */
static noinline void send_packet_later(struct etran_egress *e, u32 verdict)
{
	struct etran_channel *ch = e->ch;
	struct etran_pkt *pkt = &e->pkt;
	struct etran_frame *f;
	void *page = e->page;
	int err;

	if (pkt->held) {
		f = etran_frame_leaving(pkt->transport, pkt->handle, verdict & ETRAN_RETAIN, true,
					&ch, &err);
		if (!f) {
			hold_packet(e);
			return;
		}
	} else {
		f = etran_frame_wait(pkt);
		if (!f) {
			drop_frame(ch, pkt->transport, frame_endpoint);
			return;
		}
	}
	copy_payload(pkt);
	e->page = NULL;
	etran_packet_fill(etran_packet_of(page), pkt, ch, f);
	etran_xmit_later(e->x, page, pkt->departure_ns);
}

/**
 * etran_egress_frame - run egress on one frame
 * @e: the run
 * @desc: its descriptor, which lies within one chunk of the UMEM
 *
 * Return: whether @e->direct and it is to be sent now, from where it is. If not, all was done.
 */
bool etran_egress_frame(struct etran_egress *e, const struct xdp_desc *desc)
{
	struct etran_channel *ch = e->ch;
	struct etran_pkt *pkt = &e->pkt;
	struct etran_transport *t;
	u32 verdict, offset;
	void *umem, *hdr;

	/* Tells the caller whether the frame was kept. */
	pkt->handle = 0;
	if (unlikely(desc->options & XDP_PKT_CONTD)) {
		drop_frame(ch, NULL, frame_multi);
		return false;
	}
	if (unlikely(desc->len < sizeof(struct etran_req))) {
		drop_frame(ch, NULL, frame_short);
		return false;
	}
	umem = ch->umem + desc->addr;
	memcpy(&pkt->req, umem, sizeof(pkt->req));
	umem += sizeof(pkt->req);

	if (unlikely(!find_endpoint(e, pkt->req.endpoint)))
		return false;
	t = e->transport;
	pkt->payload_len = desc->len - sizeof(pkt->req);
	if (unlikely(pkt->payload_len > ETRAN_MAX_PAYLOAD)) {
		drop_frame(ch, t, frame_long);
		return false;
	}
	pkt->chunk = desc->addr >> ch->chunk_shift;
	if (unlikely(READ_ONCE(ch->frames[pkt->chunk].tag) &
		     (ETRAN_FRAME_STATE | ETRAN_FRAME_DRIVER))) {
		drop_frame(ch, t, frame_busy);
		return false;
	}
	offset = (desc->addr & ((1U << ch->chunk_shift) - 1)) + sizeof(pkt->req);
	if (e->direct) {
		/* Behind as well, because what is IPv4 when checked may be IPv6 when completed. */
		if (unlikely(offset < ETRAN_HDR_LEN ||
			     offset + sizeof(struct ipv6hdr) > 1U << ch->chunk_shift)) {
			drop_frame(ch, t, frame_offset);
			return false;
		}
		hdr = umem - ETRAN_HDR_LEN;
		pkt->data = umem;
	} else {
		if (unlikely(!e->page)) {
			e->page = etran_page_alloc();
			if (!e->page) {
				drop_frame(ch, t, frame_memory);
				return false;
			}
		}
		hdr = e->page + XDP_PACKET_HEADROOM;
		pkt->data = e->page + ETRAN_PAYLOAD_OFF;
	}

	pkt->len = 0;
	pkt->hdr_off = 0;
	pkt->hdr_len = 0;
	pkt->link = e->link_id;
	pkt->departure_ns = 0;
	pkt->cookie = 0;
	pkt->endpoint = pkt->req.endpoint;
	pkt->held = 0;
	pkt->copied = e->direct;
	pkt->delivered = 0;
	pkt->umem_off = offset;
	pkt->umem = umem;
	pkt->transport = t;
	pkt->ep = e->ep;

	verdict = etran_run(e->ops->prog[ETRAN_EGRESS], pkt, hdr);

	trace_egress(t->name, pkt->link, ch->queue, pkt->endpoint, pkt->payload_len, pkt->handle,
		     pkt->departure_ns, verdict);
	switch (verdict) {
	case ETRAN_TX | ETRAN_RETAIN:
		if (!pkt->held)
			break;
		fallthrough;
	case ETRAN_TX:
		if (e->direct)
			return etran_direct_tx(e, verdict);
		if (unlikely(pkt->departure_ns || (pkt->held && pkt->link != e->link_id)))
			send_packet_later(e, verdict);
		else
			send_packet(e, verdict);
		return false;
	case ETRAN_HOLD:
		if (!pkt->held)
			break;
		hold_packet(e);
		return false;
	case ETRAN_DROP:
		if (pkt->held)
			etran_frame_end(t, pkt->handle, ETRAN_END_VERDICT);
		else
			drop_frame(ch, t, frame_verdict);
		return false;
	}

	etran_bad_verdict(READ_ONCE(ch->link), t, ETRAN_EGRESS, verdict);
	if (pkt->held)
		etran_frame_end(t, pkt->handle, ETRAN_END_VERDICT);
	else
		drop_frame(ch, t, frame_verdict);
	return false;
}

/**
 * etran_egress - send what an application has put into its TX ring
 * @ch: its channel, of a link device
 *
 * Return: 0; -EAGAIN when ETRAN_EGRESS_BUDGET ended, perhaps before the ring did: call again; -EBUSY
 * when the lower device has no room: the module goes on by itself.
 * Context: RCU read side, any; not hardirq.
 */
int etran_egress(struct etran_channel *ch)
{
	struct xsk_buff_pool *pool = ch->pool;
	struct etran_egress *e;
	u32 n, i;

	local_bh_disable();
	if (etran_link_full(ch->link)) {
		etran_link_stop(ch->link, ch);
		local_bh_enable();
		return -EBUSY;
	}
	spin_lock(&ch->tx_lock);
	n = xsk_tx_peek_release_desc_batch(pool, ETRAN_EGRESS_BUDGET);
	if (n) {
		e = etran_egress_begin(ch, ch->link->id, false);
		for (i = 0; i < n; i++)
			etran_egress_frame(e, &pool->tx_descs[i]);
		etran_egress_end(e, n);
		xsk_tx_completed(pool, n);
	}
	spin_unlock(&ch->tx_lock);
	local_bh_enable();
	return n == ETRAN_EGRESS_BUDGET ? -EAGAIN : 0;
}
