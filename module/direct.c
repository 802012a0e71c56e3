// SPDX-License-Identifier: GPL-2.0
/*
 * Direct mode: an AF_XDP socket that is bound to a queue of the NIC itself, through the hook of
 * module/patches. For a tenant that owns that queue.
 *
 * Zero-copy: the packet stays in the application's UMEM. The frame must have ETRAN_HDR_LEN bytes in
 * front of its payload, and headers are built there, over the request record, of which the kernel
 * has its copy. The driver asks for descriptors (peek) and reports how many it has sent (completed);
 * between the two a list in the order of sending says which. An application could change a header
 * between its check and the NIC's reading: direct mode is for tenants that are trusted with that.
 * Nothing that the kernel itself relies on is read from there after it was checked.
 *
 * A descriptor is completed to the application when its frame has ended and the driver is done with
 * it, in whatever order; the hook's reservation at the time of the pull makes that always possible.
 *
 * Delivery: the fill ring is read by the driver's NAPI without a lock, so only that NAPI may take
 * buffers. What arrives there is delivered there; all else (records from timers, packets that
 * arrived on another queue) goes through a mailbox, which the NAPI empties when the driver asks for
 * descriptors, and which has it polled while something waits for a buffer.
 *
 * A driver takes every buffer of the fill ring that fits its own ring, so an application with fewer
 * buffers than that never has one left. Then the record goes into the mailbox, and when the program
 * is done with the packet that arrived, the packet's own buffer takes the oldest of what waits there
 * and is redirected to the socket, as the driver would do for plain AF_XDP. (Rejected: the received
 * buffer always: the record would overwrite headers that the program still reads, so it costs a second
 * copy. Rejected: buffers of our own from the fill ring: a driver that has all leaves none.)
 *
 * The hook stays until the socket's buffer pool goes, also when link device or transport go before.
 * Without the transport frames are dropped; without the link device none is taken any more, and
 * those that the driver still has are completed. Each hooked pool holds the module (the hook does
 * that, so that nothing of the module runs when it is let go of).
 */
#include <linux/if_ether.h>
#include <linux/module.h>
#include <linux/rtnetlink.h>
#include <net/xdp_sock.h>
#include "egress.h"

#ifdef ETRAN_XSK_HOOK
#include <net/xsk_hook.h>

#define PULL		32
#define MAIL_MAX	1024
/* How often the driver is asked to look whether there are buffers for the mailbox. */
#define MAIL_MIN_NS	(1 * NSEC_PER_MSEC)
#define MAIL_MAX_NS	(64 * NSEC_PER_MSEC)
/* Frames that one call may drop or hold before it lets others run. */
#define PEEK_BUDGET	512

/**
 * struct mail - something to be delivered by the NAPI; in a page, behind struct xdp_frame
 * @list: in the mailbox
 * @len: bytes of payload behind @rec
 * @rec: the record
 */
struct mail {
	struct list_head list;
	u32 len;
	struct etran_rec rec;
};

/**
 * struct etran_direct - what a channel has in direct mode
 * @ready_lock: @ready, @ready_head, @mail, @mail_len; bottom halves off
 * @ready: descriptors of frames whose time has come, or that gen made
 * @ready_head: next to be written
 * @ready_tail: next to be read
 * @mask: of @ready and @fifo
 * @mail: what waits to be delivered
 * @mail_len: how much
 * @channel: whose this is
 * @mail_timer: wakes the driver while @mail waits for buffers
 * @mail_ns: after this time; the driver's context only, as the rest
 * @out: descriptors for the driver, made in one go
 * @out_pos: next of @out
 * @out_n: how many
 * @fifo: chunks that the driver has, in its order
 * @fifo_head: next to be written
 * @fifo_tail: next to be completed
 * @descs: pulled; as @done, under the channel's tx_lock
 * @done: addresses of those that can be completed; not on the stack, which kernels clear
 * @undriven: the same, of what the driver is done with
 */
struct etran_direct {
	spinlock_t ready_lock;	/* see above */
	struct xdp_desc *ready;
	u32 ready_head;
	u32 ready_tail;
	u32 mask;
	struct list_head mail;
	u32 mail_len;
	struct etran_channel *channel;
	struct hrtimer mail_timer;
	u64 mail_ns;
	u32 out_pos;
	u32 out_n;
	u32 fifo_head;
	u32 fifo_tail;
	u32 *fifo;
	struct xdp_desc out[PULL];
	struct xdp_desc descs[PULL];
	u64 done[PULL];
	u64 undriven[PULL];
};

static const struct xsk_hook_ops hook_ops;

static struct etran_channel *channel_of(struct xsk_buff_pool *pool)
{
	return pool->hook_priv;
}

/* The NIC, when it is up. Context: RCU read side. */
static struct net_device *nic_of(struct etran_channel *ch)
{
	struct net_device *dev = READ_ONCE(ch->pool->netdev);

	return dev && netif_running(dev) ? dev : NULL;
}

/* Return: 0, -ENETDOWN, or the driver's errno. Context: RCU read side. */
static int wake_driver(struct etran_channel *ch)
{
	struct net_device *dev = nic_of(ch);

	return dev ? dev->netdev_ops->ndo_xsk_wakeup(dev, ch->queue, XDP_WAKEUP_TX) : -ENETDOWN;
}

static u64 addr_of(const struct etran_channel *ch, u32 chunk)
{
	return ((u64)chunk << ch->chunk_shift) + ch->frames[chunk].offset -
	       sizeof(struct etran_req);
}

/**
 * etran_direct_complete - a frame has ended: its chunk is the application's again
 * @ch: its channel
 * @chunk: which
 *
 * Context: any but hardirq.
 */
void etran_direct_complete(struct etran_channel *ch, u32 chunk)
{
	u64 addr = addr_of(ch, chunk);

	xsk_hook_complete(ch->pool, &addr, 1);
}

/* ---- sending ---- */

/* The packet in the UMEM. Return: as etran_packet_complete(). */
static int complete_in_place(struct etran_xmit *x, struct etran_channel *ch,
			     const struct etran_packet *p, u32 chunk,
			     u32 offset, struct xdp_desc *desc)
{
	void *payload = ch->pool->addrs + ((u64)chunk << ch->chunk_shift) + offset;
	struct ethhdr *eth;
	int err;

	err = etran_packet_complete(x, READ_ONCE(ch->link), payload - ETRAN_HDR_LEN, p, &eth);
	if (err < 0)
		return err;
	desc->addr = (void *)eth - ch->pool->addrs;
	desc->len = ETH_HLEN + p->hdr_len + p->payload_len;
	desc->options = 0;
	return err;
}

/* A packet whose neighbour is not known leaves the UMEM. */
static void send_copy(struct etran_xmit *x, struct etran_channel *ch, const struct etran_packet *p,
		      u32 chunk, u32 offset)
{
	struct etran_link *link = READ_ONCE(ch->link);
	void *page = etran_page_alloc();

	if (!page) {
		etran_count(link, p->leave.transport, packet_refused);
		etran_count(link, p->leave.transport, packets_built);
		etran_count(link, p->leave.transport, packets_dropped);
		if (p->leave.frame) {
			etran_frame_left(ch, p->leave.frame, false, 0);
		} else {
			etran_count(link, p->leave.transport, frames_dropped);
			etran_count(link, p->leave.transport, frame_packet);
			atomic64_inc(&ch->dropped);
		}
		return;
	}
	memcpy(page + ETRAN_PAYLOAD_OFF - ETRAN_HDR_LEN,
	       ch->pool->addrs + ((u64)chunk << ch->chunk_shift) + offset - ETRAN_HDR_LEN,
	       ETRAN_HDR_LEN + p->payload_len);
	*etran_packet_of(page) = *p;
	etran_xmit_add(x, page);
}

static void count_sent(struct etran_link *link, struct etran_transport *t)
{
	etran_count(link, t, packets_built);
	etran_count(link, t, packets_sent);
}

static void count_unsent(struct etran_link *link, struct etran_transport *t)
{
	etran_count(link, t, packets_built);
	etran_count(link, t, packets_dropped);
}

/* Hand a complete packet to the driver when it asks next. Return: false when there is no room. */
static bool make_ready(struct etran_channel *ch, const struct xdp_desc *desc)
{
	struct etran_direct *d = ch->direct;
	bool room;

	spin_lock(&d->ready_lock);
	room = d->ready_head - d->ready_tail <= d->mask;
	if (room) {
		d->ready[d->ready_head & d->mask] = *desc;
		WRITE_ONCE(d->ready_head, d->ready_head + 1);
	}
	spin_unlock(&d->ready_lock);
	/* Not only for the first: the device may have been down then. */
	wake_driver(ch);
	return room;
}

/**
 * etran_direct_tx - egress said TX
 * @e: the run
 * @verdict: with or without ETRAN_RETAIN
 *
 * Return: whether @e->desc is for the driver. Context: see etran_egress_begin().
 */
bool etran_direct_tx(struct etran_egress *e, u32 verdict)
{
	struct etran_channel *ch = e->ch;
	struct etran_link *link = READ_ONCE(ch->link);
	struct etran_pkt *pkt = &e->pkt;
	struct etran_transport *t = pkt->transport;
	struct etran_frame *f = NULL;
	struct etran_packet p;
	struct ethhdr *eth;
	int err;

	if (likely(!pkt->held && !pkt->departure_ns)) {
		struct etran_frame *entry = &ch->frames[pkt->chunk];

		err = etran_egress_complete(e->x, link, pkt->data - ETRAN_HDR_LEN, pkt, &eth);
		if (unlikely(err))
			goto unsent;
		e->desc->addr = (void *)eth - ch->pool->addrs;
		e->desc->len = ETH_HLEN + pkt->hdr_len + pkt->payload_len;
		e->desc->options = 0;
		entry->offset = pkt->umem_off;
		WRITE_ONCE(entry->tag, entry->tag | ETRAN_FRAME_DRIVER);
		e->sent++;
		e->plain++;
		return true;
	}
	if (pkt->held) {
		f = pkt->departure_ns ?
		    etran_frame_leaving(t, pkt->handle, verdict & ETRAN_RETAIN, true, &ch, &err) :
		    etran_frame_going(pkt, verdict & ETRAN_RETAIN);
		if (!f) {
			etran_frame_built(pkt, NULL);
			return false;
		}
	} else {
		f = etran_frame_wait(pkt);
		if (!f) {
			etran_count(link, t, frames_dropped);
			etran_count(link, t, frame_endpoint);
			atomic64_inc(&ch->dropped);
			return false;
		}
	}
	f->hdr_off = pkt->hdr_off;
	f->hdr_len = pkt->hdr_len;
	if (pkt->departure_ns) {
		err = etran_timed_add(&f->timed, pkt->departure_ns, ch, f);
		if (!err) {
			etran_count(link, t, packets_timed);
			return false;
		}
		etran_count(link, t, packet_horizon);
		count_unsent(link, t);
		etran_frame_left(ch, f, false, 0);
		return false;
	}
	etran_packet_fill(&p, pkt, ch, f);
	err = complete_in_place(e->x, ch, &p, pkt->chunk, pkt->umem_off, e->desc);
	if (unlikely(err))
		goto unsent;
	e->sent++;
	etran_frame_left(ch, f, true, ETRAN_FRAME_DRIVER);
	return true;
unsent:
	if (err > 0) {
		etran_packet_fill(&p, pkt, ch, f);
		send_copy(e->x, ch, &p, pkt->chunk, pkt->umem_off);
		return false;
	}
	count_unsent(link, t);
	if (f) {
		etran_frame_left(ch, f, false, 0);
	} else {
		etran_count(link, t, frames_dropped);
		etran_count(link, t, frame_packet);
		atomic64_inc(&ch->dropped);
	}
	return false;
}

/**
 * etran_direct_send - the time of a frame has come
 * @x: for what cannot be sent from the UMEM
 * @ch: its channel
 * @f: the frame, LEAVING
 *
 * Context: RCU read side, bottom halves off.
 */
void etran_direct_send(struct etran_xmit *x, struct etran_channel *ch, struct etran_frame *f)
{
	struct etran_transport *t = READ_ONCE(f->ep)->transport;
	struct etran_link *link = READ_ONCE(ch->link);
	struct etran_packet p = {
		.leave = { .transport = t, .channel = ch, .frame = f },
		.link = link ? link->id : 0,
		.endpoint = READ_ONCE(f->ep)->pub.id,
		.hdr_off = f->hdr_off,
		.hdr_len = f->hdr_len,
		.payload_len = f->len,
	};
	u32 chunk = f - ch->frames, offset = f->offset;
	struct xdp_desc desc;
	int err;

	if (etran_channel_dead(ch)) {
		count_unsent(link, t);
		etran_frame_left(ch, f, false, 0);
		return;
	}
	/* Sent before, and the driver still has it: not twice from one place. */
	if (READ_ONCE(f->tag) & ETRAN_FRAME_DRIVER) {
		send_copy(x, ch, &p, chunk, offset);
		return;
	}
	err = complete_in_place(x, ch, &p, chunk, offset, &desc);
	if (err > 0) {
		send_copy(x, ch, &p, chunk, offset);
		return;
	}
	if (err < 0) {
		count_unsent(link, t);
		etran_frame_left(ch, f, false, 0);
		return;
	}
	/* From here on it is the driver's, whatever becomes of the frame. */
	etran_frame_left(ch, f, true, ETRAN_FRAME_DRIVER);
	count_sent(link, t);
	if (!make_ready(ch, &desc) && etran_frame_undriven(ch, chunk))
		etran_direct_complete(ch, chunk);
}

/**
 * etran_direct_gen - gen said TX with the payload of a frame that lies in a UMEM
 * @x: for what cannot be sent from the UMEM
 * @pkt: after its program
 * @hdr: the headers that it built
 *
 * Return: false when the packet must be copied after all: the driver reads this frame, or it is in
 * a queue. Context: RCU read side, bottom halves off.
 */
bool etran_direct_gen(struct etran_xmit *x, const struct etran_pkt *pkt, const void *hdr)
{
	struct etran_channel *ch = pkt->channel;
	struct etran_frame *f;
	int err;

	/* Headers in front of a part would overwrite what is in front of it. */
	if (pkt->copied || pkt->part || pkt->departure_ns || etran_channel_dead(ch) ||
	    pkt->link != READ_ONCE(ch->link)->id ||
	    pkt->hdr_off + pkt->hdr_len != ETRAN_HDR_LEN)
		return false;
	f = etran_frame_leaving(pkt->transport, pkt->handle, true, false, &ch, &err);
	if (!f)
		return false;
	/* Only who has it LEAVING can give it to the driver, so this does not become true later. */
	if (READ_ONCE(f->tag) & ETRAN_FRAME_DRIVER) {
		etran_frame_left(ch, f, false, 0);
		return false;
	}
	memcpy(ch->pool->addrs + ((u64)pkt->chunk << ch->chunk_shift) + f->offset - pkt->hdr_len,
	       hdr + pkt->hdr_off, pkt->hdr_len);
	f->hdr_off = pkt->hdr_off;
	f->hdr_len = pkt->hdr_len;
	etran_direct_send(x, ch, f);
	return true;
}

/* ---- delivery ---- */

static void mail_free(struct mail *m)
{
	etran_page_put((void *)m - ETRAN_PACKET_OFF);
}

static enum hrtimer_restart look_for_buffers(struct hrtimer *timer)
{
	struct etran_direct *d = container_of(timer, struct etran_direct, mail_timer);

	rcu_read_lock();
	if (!etran_channel_dead(d->channel))
		wake_driver(d->channel);
	rcu_read_unlock();
	return HRTIMER_NORESTART;
}

/* The endpoint that a mail is for. NULL: it is gone, nobody waits. Context: RCU read side. */
static struct etran_ep *recipient(struct etran_channel *ch, const struct mail *m)
{
	struct etran_ep *ep = etran_endpoint_lookup(m->rec.endpoint);

	/* Its socket is there as long as the endpoint is open. */
	return ep && READ_ONCE(ep->open) && rcu_access_pointer(ep->channel) == ch ? ep : NULL;
}

/* Whom it was for is gone, after the program was told that it will arrive. Context: RCU read side. */
static void count_lost(struct etran_channel *ch)
{
	struct etran_link *link = READ_ONCE(ch->link);

	etran_count(link, NULL, deliver_failed);
	etran_count(link, NULL, deliver_endpoint);
}

/* Context: ready_lock held. */
static void take_mail(struct etran_direct *d, struct mail *m)
{
	list_del(&m->list);
	WRITE_ONCE(d->mail_len, d->mail_len - 1);
	mail_free(m);
}

/* Deliver what is in the mailbox. Context: the driver's NAPI. */
static void read_mail(struct etran_channel *ch)
{
	struct etran_direct *d = ch->direct;
	struct etran_ep *ep;
	struct mail *m;
	bool any = false;
	int err;

	if (!READ_ONCE(d->mail_len))
		return;
	spin_lock(&d->ready_lock);
	while ((m = list_first_entry_or_null(&d->mail, struct mail, list))) {
		ep = recipient(ch, m);
		err = ep ? etran_channel_deliver(ch, ep->xs, &m->rec, m + 1, m->len) : -ENOENT;
		if (err == -ENOBUFS)
			break;
		if (err)
			count_lost(ch);
		take_mail(d, m);
		any = true;
	}
	spin_unlock(&d->ready_lock);
	if (!m)
		return;
	d->mail_ns = any ? MAIL_MIN_NS : min_t(u64, d->mail_ns * 2, MAIL_MAX_NS);
	hrtimer_start(&d->mail_timer, ns_to_ktime(d->mail_ns), HRTIMER_MODE_REL_SOFT);
}

/**
 * etran_direct_forward - records that wait for the driver go to somebody else
 * @ch: the channel
 * @ep: the endpoint that they are for
 * @take: takes one, with its payload and bytes of that; false: it stays
 *
 * Context: RCU read side, process.
 */
void etran_direct_forward(struct etran_channel *ch, struct etran_ep *ep,
			  bool (*take)(struct etran_ep *ep, const struct etran_rec *rec,
				       const void *data, u32 len))
{
	struct etran_direct *d = READ_ONCE(ch->direct);
	struct mail *m, *next;

	if (!d)
		return;
	spin_lock_bh(&d->ready_lock);
	list_for_each_entry_safe(m, next, &d->mail, list)
		if (m->rec.endpoint == ep->pub.id && take(ep, &m->rec, m + 1, m->len))
			take_mail(d, m);
	spin_unlock_bh(&d->ready_lock);
}

static int post(struct etran_channel *ch, const struct etran_rec *rec, const void *data, u32 len)
{
	struct etran_direct *d = ch->direct;
	struct mail *m;
	void *page;

	BUILD_BUG_ON(ETRAN_PACKET_OFF + sizeof(*m) > XDP_PACKET_HEADROOM);
	if (READ_ONCE(d->mail_len) >= MAIL_MAX)
		return -ENOBUFS;
	page = etran_page_alloc();
	if (!page)
		return -ENOBUFS;
	m = page + ETRAN_PACKET_OFF;
	m->len = len;
	m->rec = *rec;
	memcpy(m + 1, data, len);
	spin_lock(&d->ready_lock);
	list_add_tail(&m->list, &d->mail);
	WRITE_ONCE(d->mail_len, d->mail_len + 1);
	spin_unlock(&d->ready_lock);
	wake_driver(ch);
	return 0;
}

/*
 * A socket that is bound with XDP_COPY: AF_XDP takes the buffer and copies once more. It has no
 * lock there, and ours does not keep others out, so such a socket must not be in an XSKMAP too.
 */
static int deliver_copy(struct etran_channel *ch, struct xdp_sock *xs, const struct etran_rec *rec,
			const void *data, u32 len)
{
	void *page = etran_page_alloc();
	struct xdp_rxq_info rxq = {};
	struct xdp_buff xdp;
	int err;

	if (!page)
		return -ENOBUFS;
	rxq.dev = xs->dev;
	rxq.queue_index = ch->queue;
	rxq.mem = ((struct xdp_frame *)page)->mem;
	xdp_init_buff(&xdp, PAGE_SIZE, &rxq);
	xdp_prepare_buff(&xdp, page, XDP_PACKET_HEADROOM, sizeof(*rec) + len, false);
	memcpy(xdp.data, rec, sizeof(*rec));
	memcpy(xdp.data + sizeof(*rec), data, len);
	spin_lock(&ch->rx_lock);
	err = etran_channel_redirect(ch, xs, &xdp);
	spin_unlock(&ch->rx_lock);
	if (err)
		etran_page_put(page);
	return err;
}

/**
 * etran_direct_deliver - put a record and payload into an application's RX ring
 * @ch: its channel
 * @xs: its AF_XDP socket
 * @xdp: the packet that is being received, or NULL
 * @rec: the record
 * @data: payload
 * @len: bytes of payload
 *
 * Return: as etran_channel_deliver(). Context: RCU read side, bottom halves off.
 */
int etran_direct_deliver(struct etran_channel *ch, struct xdp_sock *xs, const struct xdp_buff *xdp,
			 const struct etran_rec *rec, const void *data, u32 len)
{
	int err;

	if (etran_channel_dead(ch))
		return -ENETDOWN;
	if (len > ch->rx_room || len > ETRAN_MAX_PAYLOAD)
		return -EMSGSIZE;
	if (ch->mode == ETRAN_DIRECT_COPY)
		return deliver_copy(ch, xs, rec, data, len);
	/* In the NAPI that owns the fill ring; what came before goes first. */
	if (xdp && xdp->rxq->dev == xs->dev && xdp->rxq->queue_index == ch->queue) {
		read_mail(ch);
		if (!READ_ONCE(ch->direct->mail_len)) {
			err = etran_channel_deliver(ch, xs, rec, data, len);
			if (err != -ENOBUFS)
				return err;
		}
		if (!xsk_hook_rx_room(xs))
			return -ENOBUFS;
	}
	return post(ch, rec, data, len);
}

/**
 * etran_direct_recycle - the buffer of a packet that ends here may take what waits for one
 * @xdp: the packet, in an AF_XDP buffer; nobody reads it any more
 *
 * Return: XDP action. Context: the driver's NAPI, in its XDP program.
 */
int etran_direct_recycle(struct xdp_buff *xdp)
{
	struct xsk_buff_pool *pool = container_of(xdp, struct xdp_buff_xsk, xdp)->pool;
	int action = XDP_DROP;
	struct etran_channel *ch;
	struct etran_direct *d;
	struct etran_ep *ep;
	struct mail *m;

	if (xsk_hook(pool) != &hook_ops)
		return XDP_DROP;
	ch = channel_of(pool);
	d = READ_ONCE(ch->direct);
	if (!d || !READ_ONCE(d->mail_len) || etran_channel_dead(ch))
		return XDP_DROP;
	spin_lock(&d->ready_lock);
	while ((m = list_first_entry_or_null(&d->mail, struct mail, list))) {
		ep = recipient(ch, m);
		if (!ep) {
			count_lost(ch);
			take_mail(d, m);
			continue;
		}
		if (!xsk_hook_rx_room(ep->xs))
			break;
		xsk_buff_set_size(xdp, sizeof(m->rec) + m->len);
		memcpy(xdp->data, &m->rec, sizeof(m->rec));
		memcpy(xdp->data + sizeof(m->rec), m + 1, m->len);
		etran_redirect_to(ch, ep->xs);
		atomic64_inc(&ch->delivered);
		take_mail(d, m);
		action = XDP_REDIRECT;
		break;
	}
	spin_unlock(&d->ready_lock);
	return action;
}

/* ---- what the driver asks ---- */

/* Make descriptors for the driver out of what is ready, and of what the application submitted. */
static void refill(struct etran_channel *ch)
{
	struct etran_direct *d = ch->direct;
	struct etran_link *link;
	struct etran_egress *e;
	u32 n, i, total = 0;

	d->out_pos = 0;
	d->out_n = 0;
	local_bh_disable();
	rcu_read_lock();
	if (etran_channel_dead(ch))
		goto out;
	read_mail(ch);
	if (READ_ONCE(d->ready_head) != d->ready_tail) {
		spin_lock(&d->ready_lock);
		while (d->out_n < PULL && d->ready_tail != d->ready_head)
			d->out[d->out_n++] = d->ready[d->ready_tail++ & d->mask];
		spin_unlock(&d->ready_lock);
	}
	link = READ_ONCE(ch->link);
	spin_lock(&ch->tx_lock);
	while (!d->out_n && total < PEEK_BUDGET && link) {
		u32 n_done = 0;

		n = xsk_hook_pull(ch->pool, d->descs, PULL);
		if (!n)
			break;
		total += n;
		e = etran_egress_begin(ch, link->id, true);
		for (i = 0; i < n; i++) {
			e->desc = &d->out[d->out_n];
			if (etran_egress_frame(e, &d->descs[i]))
				d->out_n++;
			else if (!e->pkt.handle)
				d->done[n_done++] = d->descs[i].addr;
			/* What was kept is completed when it ends. */
		}
		etran_egress_end(e, n);
		if (n_done)
			xsk_hook_complete(ch->pool, d->done, n_done);
	}
	spin_unlock(&ch->tx_lock);
	/* The ring may have more: be asked again. */
	if (!d->out_n && total >= PEEK_BUDGET)
		wake_driver(ch);
out:
	rcu_read_unlock();
	local_bh_enable();
}

static __always_inline void take_out(struct etran_channel *ch, struct xdp_desc *desc)
{
	struct etran_direct *d = ch->direct;

	*desc = d->out[d->out_pos++];
	d->fifo[d->fifo_head++ & d->mask] = desc->addr >> ch->chunk_shift;
}

static noinline u32 peek_many(struct etran_channel *ch, struct xdp_desc *descs, u32 max)
{
	struct etran_direct *d = ch->direct;
	u32 n;

	for (n = 0; n < max; n++) {
		if (d->out_pos == d->out_n) {
			refill(ch);
			if (!d->out_n)
				break;
		}
		take_out(ch, &descs[n]);
	}
	return n;
}

static u32 hook_peek(struct xsk_buff_pool *pool, struct xdp_desc *descs, u32 max)
{
	struct etran_channel *ch = channel_of(pool);

	/* Most drivers ask for one at a time. */
	if (max != 1 || ch->direct->out_pos == ch->direct->out_n)
		return peek_many(ch, descs, max);
	take_out(ch, descs);
	return 1;
}

static void hook_completed(struct xsk_buff_pool *pool, u32 n)
{
	struct etran_channel *ch = channel_of(pool);
	struct etran_direct *d = ch->direct;
	u32 n_done = 0;

	rcu_read_lock();
	/* A driver cannot be done with more than it has. */
	n = min(n, d->fifo_head - d->fifo_tail);
	while (n--) {
		u32 chunk = d->fifo[d->fifo_tail++ & d->mask];

		if (!etran_frame_undriven(ch, chunk))
			continue;
		d->undriven[n_done++] = addr_of(ch, chunk);
		if (n_done == PULL) {
			xsk_hook_complete(pool, d->undriven, n_done);
			n_done = 0;
		}
	}
	if (n_done)
		xsk_hook_complete(pool, d->undriven, n_done);
	rcu_read_unlock();
}

/*
 * Some descriptors of a socket that is bound with XDP_COPY. Return: 0; -EAGAIN when there may be more; -EBUSY when the
 * lower device has no room, and egress goes on by itself; -ENXIO. Context: may be called with bottom halves on.
 */
static int copy_egress(struct etran_channel *ch)
{
	struct xsk_buff_pool *pool = ch->pool;
	struct etran_direct *d = ch->direct;
	struct etran_link *link;
	struct etran_egress *e;
	u32 n = 0, n_done = 0, i;
	int err = 0;

	local_bh_disable();
	rcu_read_lock();
	link = READ_ONCE(ch->link);
	if (etran_channel_dead(ch) || !link) {
		err = -ENXIO;
		goto out;
	}
	if (etran_link_full(link)) {
		etran_link_stop(link, ch);
		err = -EBUSY;
		goto out;
	}
	spin_lock(&ch->tx_lock);
	n = xsk_hook_pull(pool, d->descs, PULL);
	if (n) {
		e = etran_egress_begin(ch, link->id, false);
		for (i = 0; i < n; i++) {
			etran_egress_frame(e, &d->descs[i]);
			if (!e->pkt.handle)
				d->done[n_done++] = d->descs[i].addr;
		}
		etran_egress_end(e, n);
		if (n_done)
			xsk_hook_complete(pool, d->done, n_done);
	}
	spin_unlock(&ch->tx_lock);
	if (n == PULL)
		err = -EAGAIN;
out:
	rcu_read_unlock();
	local_bh_enable();
	return err;
}

/* sendmsg() or poll() of such a socket. */
static int hook_xmit(struct xsk_buff_pool *pool)
{
	int err = copy_egress(channel_of(pool));

	return err == -EBUSY ? -EAGAIN : err;
}

/**
 * etran_direct_kick - ETRAN_IOC_KICK
 * @ch: the channel
 *
 * Return: as etran_egress(). Context: process, RCU read side.
 */
int etran_direct_kick(struct etran_channel *ch)
{
	if (ch->mode != ETRAN_DIRECT_COPY)
		return wake_driver(ch);
	return nic_of(ch) ? copy_egress(ch) : -ENETDOWN;
}

/**
 * etran_direct_egress - go on with egress that stopped for want of room
 * @ch: the channel
 *
 * Context: RCU read side, bottom halves off.
 */
void etran_direct_egress(struct etran_channel *ch)
{
	if (ch->mode == ETRAN_DIRECT_COPY)
		copy_egress(ch);
	else
		wake_driver(ch);
}

/* ---- coming and going ---- */

static void direct_free(struct etran_direct *d)
{
	struct mail *m, *next;

	if (!d)
		return;
	list_for_each_entry_safe(m, next, &d->mail, list)
		mail_free(m);
	kvfree(d->ready);
	kvfree(d->fifo);
	kfree(d);
}

static struct etran_direct *direct_make(struct etran_channel *ch)
{
	struct etran_direct *d = kzalloc(sizeof(*d), GFP_KERNEL_ACCOUNT);
	u32 n = roundup_pow_of_two(ch->chunks);

	if (!d)
		return NULL;
	d->channel = ch;
	spin_lock_init(&d->ready_lock);
	INIT_LIST_HEAD(&d->mail);
	d->mail_ns = MAIL_MIN_NS;
	hrtimer_init(&d->mail_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_SOFT);
	d->mail_timer.function = look_for_buffers;
	d->mask = n - 1;
	d->ready = kvcalloc(n, sizeof(*d->ready), GFP_KERNEL_ACCOUNT);
	d->fifo = kvcalloc(n, sizeof(*d->fifo), GFP_KERNEL_ACCOUNT);
	if (!d->ready || !d->fifo) {
		direct_free(d);
		return NULL;
	}
	return d;
}

/* Nothing moves any more. Context: RTNL held. */
static void direct_kill(struct etran_channel *ch)
{
	struct etran_direct *d = ch->direct;

	if (etran_channel_dead(ch))
		return;
	list_del(&ch->direct_node);
	/* Ends its frames. */
	etran_channel_kill(ch);
	/* The driver will not ask for these. */
	spin_lock_bh(&d->ready_lock);
	while (d->ready_tail != d->ready_head) {
		u32 chunk = d->ready[d->ready_tail++ & d->mask].addr >> ch->chunk_shift;

		if (etran_frame_undriven(ch, chunk))
			etran_direct_complete(ch, chunk);
	}
	spin_unlock_bh(&d->ready_lock);
	WRITE_ONCE(ch->link, NULL);
	synchronize_net();
}

/**
 * etran_direct_link_gone - a link device goes, and with it what its NIC's direct sockets can do
 * @link: the link device
 *
 * Context: RTNL held, may sleep.
 */
void etran_direct_link_gone(struct etran_link *link)
{
	struct etran_channel *ch, *next;

	list_for_each_entry_safe(ch, next, &link->direct, direct_node)
		direct_kill(ch);
}

/* The socket's pool goes; driver and socket are gone. */
static void hook_release(struct xsk_buff_pool *pool)
{
	struct etran_channel *ch = channel_of(pool);
	struct etran_direct *d = ch->direct;

	rtnl_lock();
	direct_kill(ch);
	rtnl_unlock();
	/* A packet of a frame that was ended may be on its way still: it does not complete any more. */
	WRITE_ONCE(ch->direct, NULL);
	synchronize_net();
	hrtimer_cancel(&d->mail_timer);
	direct_free(d);
	etran_channel_put(ch);
}

static const struct xsk_hook_ops hook_ops = {
	.owner = THIS_MODULE,
	.peek = hook_peek,
	.completed = hook_completed,
	.xmit = hook_xmit,
	.release = hook_release,
};

/**
 * etran_direct_possible - does the kernel that this was built for have the hook?
 */
bool etran_direct_possible(void)
{
	return true;
}

/**
 * etran_direct_attach - the channel of a socket that is bound to a NIC's queue
 * @sock: an AF_XDP socket, bound
 * @link: the link device on top of that NIC
 *
 * Return: it, made if need be; ERR_PTR: -EOPNOTSUPP (unaligned chunks, or too small for headers),
 * -EBUSY (shared with another socket, or descriptors in flight), -ENXIO (its device is gone), -E2BIG,
 * -ENOMEM, -ENOSPC as etran_channel_make(). Context: RTNL held, may sleep.
 */
struct etran_channel *etran_direct_attach(struct socket *sock, struct etran_link *link)
{
	struct xdp_sock *xs = (struct xdp_sock *)sock->sk;
	struct xsk_buff_pool *pool = xs->pool, *hooked;
	struct etran_channel *ch;
	struct etran_direct *d;

	if (xsk_hook(pool) == &hook_ops) {
		ch = channel_of(pool);
		return etran_channel_dead(ch) ? ERR_PTR(-ENXIO) : ch;
	}
	if (pool->chunk_size < 2 * ETRAN_HDR_LEN)
		return ERR_PTR(-EOPNOTSUPP);
	ch = etran_channel_make(link, pool, xs->queue_id,
				xs->zc ? ETRAN_DIRECT : ETRAN_DIRECT_COPY);
	if (IS_ERR(ch))
		return ch;
	d = direct_make(ch);
	if (!d) {
		etran_channel_kill(ch);
		etran_channel_put(ch);
		return ERR_PTR(-ENOMEM);
	}
	ch->direct = d;
	hooked = xsk_hook_attach(sock, &hook_ops, ch);
	if (xs->zc) {
		/* Whatever came of it: meanwhile the driver found nothing to send. */
		rcu_read_lock();
		wake_driver(ch);
		rcu_read_unlock();
	}
	if (IS_ERR(hooked)) {
		etran_channel_kill(ch);
		direct_free(d);
		ch->direct = NULL;
		etran_channel_put(ch);
		return ERR_CAST(hooked);
	}
	list_add_tail(&ch->direct_node, &link->direct);
	return ch;
}

#else /* no ETRAN_XSK_HOOK */

bool etran_direct_possible(void)
{
	return false;
}

struct etran_channel *etran_direct_attach(struct socket *sock, struct etran_link *link)
{
	return ERR_PTR(-EOPNOTSUPP);
}

void etran_direct_send(struct etran_xmit *x, struct etran_channel *ch, struct etran_frame *f)
{
}

bool etran_direct_gen(struct etran_xmit *x, const struct etran_pkt *pkt, const void *hdr)
{
	return false;
}

void etran_direct_complete(struct etran_channel *ch, u32 chunk)
{
}

int etran_direct_deliver(struct etran_channel *ch, struct xdp_sock *xs, const struct xdp_buff *xdp,
			 const struct etran_rec *rec, const void *data, u32 len)
{
	return -EOPNOTSUPP;
}

int etran_direct_recycle(struct xdp_buff *xdp)
{
	return XDP_DROP;
}

void etran_direct_link_gone(struct etran_link *link)
{
}

void etran_direct_forward(struct etran_channel *ch, struct etran_ep *ep,
			  bool (*take)(struct etran_ep *ep, const struct etran_rec *rec,
				       const void *data, u32 len))
{
}

bool etran_direct_tx(struct etran_egress *e, u32 verdict)
{
	return false;
}

void etran_direct_egress(struct etran_channel *ch)
{
}

int etran_direct_kick(struct etran_channel *ch)
{
	return -EOPNOTSUPP;
}

#endif
